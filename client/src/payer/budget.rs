//! What was signed of late, for each payee and in all, by asset.
//!
//! Every rise of what a lane allows counts, whatever made it: a voucher, a tick, or a proof from an earlier
//! life of these records that a payee shows or has settled. So an older copy of the store, which lacks what
//! was signed since, counts that as soon as it learns of it, as signed then.

use super::machine::{Budgets, Signed};
use crate::store::{Store, StoreError, Table, Write};
use codec::{Decode, DecodeAll, Encode};
use std::{collections::BTreeMap, time::Duration};
use stoa_primitives::{AccountId, AssetId, Balance};

/// Into how many parts a period is divided: what was signed in one of them is kept as one sum.
const PARTS: u64 = 16;

/// Sums, with the time at which the last part of each was signed, in seconds since 1970.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
struct Spending(Vec<(u64, Balance)>);

impl Spending {
	/// What was signed in the period that ends at `now`.
	fn sum(&self, now: u64, period: Duration) -> Balance {
		let recent = self.0.iter().filter(|(at, _)| is_recent(*at, now, period));
		recent.fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount))
	}

	fn add(&mut self, now: u64, amount: Balance, period: Duration) {
		self.0.retain(|(at, _)| is_recent(*at, now, period));
		let part = match period.as_secs() {
			0 => u64::MAX,
			seconds => (seconds / PARTS).max(1),
		};
		match self.0.last_mut() {
			// A clock that was put back must not let anything be forgotten earlier.
			Some((at, sum)) if now / part <= *at / part => {
				*at = now.max(*at);
				*sum = sum.saturating_add(amount);
			},
			_ => self.0.push((now, amount)),
		}
	}

	/// Takes back what was added last.
	fn take_back(&mut self, mut amount: Balance) {
		for (_, sum) in self.0.iter_mut().rev() {
			let part = amount.min(*sum);
			(*sum, amount) = (sum.saturating_sub(part), amount.saturating_sub(part));
		}
	}
}

/// A time that lies ahead is that of a clock that was put back since. Without a period all is recent.
fn is_recent(at: u64, now: u64, period: Duration) -> bool {
	let seconds = period.as_secs();
	seconds == 0 || now.saturating_sub(at) < seconds
}

/// What was signed for one payee in one asset, as it is stored.
#[derive(Decode, Encode)]
enum SpendingRow {
	#[codec(index = 1)]
	V1(Spending),
}

/// What was signed of late.
#[derive(Default)]
pub(super) struct Spendings {
	payees: BTreeMap<(AccountId, AssetId), Spending>,
	assets: BTreeMap<AssetId, Spending>,
}

impl Spendings {
	/// Reads the store.
	pub(super) fn load(store: &dyn Store) -> Result<Self, StoreError> {
		let mut out = Self::default();
		for (key, value) in store.scan(Table::Spent)? {
			let malformed = |_| StoreError::Malformed(Table::Spent);
			let key = <(AccountId, AssetId)>::decode_all(&mut key.as_slice()).map_err(malformed)?;
			let SpendingRow::V1(row) =
				SpendingRow::decode_all(&mut value.as_slice()).map_err(malformed)?;
			let all = out.assets.entry(key.1.clone()).or_default();
			all.0.extend(row.0.iter().copied());
			out.payees.insert(key, row);
		}
		for all in out.assets.values_mut() {
			all.0.sort_unstable_by_key(|(at, _)| *at);
		}
		Ok(out)
	}

	/// What was signed for `payee` and in all at `now`, into `signed`.
	pub(super) fn read(
		&self,
		payee: &AccountId,
		asset: &AssetId,
		now: u64,
		budgets: &Budgets,
		signed: &mut Signed,
	) {
		let sum = |one: Option<&Spending>| one.map_or(0, |one| one.sum(now, budgets.period));
		signed.payee = sum(self.payees.get(&(payee.clone(), asset.clone())));
		signed.in_all = sum(self.assets.get(asset));
	}

	/// Counts `amount`. Returns the row that has to be durable before what was signed leaves.
	pub(super) fn add(
		&mut self,
		payee: &AccountId,
		asset: &AssetId,
		now: u64,
		amount: Balance,
		budgets: &Budgets,
	) -> Write {
		let key = (payee.clone(), asset.clone());
		let bytes = key.encode();
		self.assets.entry(asset.clone()).or_default().add(now, amount, budgets.period);
		let own = self.payees.entry(key).or_default();
		own.add(now, amount, budgets.period);
		Write::put(Table::Spent, &bytes, &SpendingRow::V1(own.clone()))
	}

	/// Takes back what could not be written down, and so did not leave.
	pub(super) fn take_back(&mut self, payee: &AccountId, asset: &AssetId, amount: Balance) {
		let own = self.payees.get_mut(&(payee.clone(), asset.clone()));
		for spending in own.into_iter().chain(self.assets.get_mut(asset)) {
			spending.take_back(amount);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	const HOUR: Duration = Duration::from_secs(3_600);

	#[test]
	fn what_was_signed_should_count_for_the_period_and_a_part_at_most() {
		let mut spending = Spending::default();
		spending.add(1_000, 5, HOUR);
		spending.add(1_100, 7, HOUR);
		assert_eq!(spending.sum(1_100, HOUR), 12);
		assert_eq!(spending.sum(1_000 + 3_599, HOUR), 12);
		assert_eq!(spending.sum(1_100 + 3_600, HOUR), 0);
	}

	#[test]
	fn rows_should_stay_small() {
		let mut spending = Spending::default();
		for now in 0..100_000 {
			spending.add(now, 1, HOUR);
			let most = u128::from(HOUR.as_secs() + HOUR.as_secs() / PARTS);
			let least = u128::from(now + 1).min(u128::from(HOUR.as_secs()));
			assert!((least..=most).contains(&spending.sum(now, HOUR)));
		}
		assert!(spending.0.len() <= 18, "{}", spending.0.len());
	}

	#[test]
	fn a_clock_that_is_put_back_should_forget_nothing() {
		let mut spending = Spending::default();
		spending.add(100_000, 5, HOUR);
		spending.add(1_000, 7, HOUR);
		assert_eq!(spending.sum(1_000, HOUR), 12);
		assert_eq!(spending.sum(100_001, HOUR), 12);
	}

	#[test]
	fn without_a_period_all_should_count_for_ever() {
		let mut spending = Spending::default();
		for now in [5, 1_000_000, u64::MAX] {
			spending.add(now, 7, Duration::ZERO);
		}
		assert_eq!((spending.sum(0, Duration::ZERO), spending.0.len()), (21, 2));
	}

	#[test]
	fn what_did_not_leave_should_be_taken_back() {
		let mut spending = Spending::default();
		spending.add(1_000, 5, HOUR);
		spending.add(2_000, 7, HOUR);
		spending.take_back(7);
		assert_eq!(spending.sum(2_000, HOUR), 5);
	}
}
