//! Topping up: adding to a channel's deposit when little is left of it, within a budget.
//!
//! [`TopUpPolicy::decide`] decides, [`Funder`] does it. What a payee says never decides: the shortfall is
//! computed from what was signed here and what the chain says. What was spent is written down before the
//! transaction is sent, so that a crash in between can only lead to less being spent.

use super::{PayError, Payer, PayerChannel};
use crate::{
	chain::{ChainError, PayerChain},
	store::{Store, StoreError, Table, Write},
};
use codec::{Decode, Encode};
use std::{
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};
use stoa_primitives::{channel::ChannelId, Balance};

/// When to add to deposits, and how much. Amounts are in units of the channel's asset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TopUpPolicy {
	/// Top up as soon as less than this is left.
	pub below: Balance,
	/// What to add at once.
	pub add: Balance,
	/// What the deposit of one channel may come to.
	pub max_deposit: Balance,
	/// What may be added in any `period`, over all channels.
	pub budget: Balance,
	/// See `budget`.
	pub period: Duration,
}

/// Why nothing was added although it was needed. Amounts are in units of the channel's asset.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TopUpRefusal {
	/// The last top-up is not final yet, and suffices.
	#[error("the channel holds enough, but its last top-up is not final yet")]
	Unfinalized,
	/// What may be added at once does not suffice.
	#[error("the deposit is short by {missing}, more than the {add} that may be added at once")]
	TooLittle {
		/// What is missing.
		missing: Balance,
		/// What may be added.
		add: Balance,
	},
	/// The channel would hold more than it may.
	#[error(
		"the deposit of {deposit} is used up, and {add} more would be above the {limit} allowed"
	)]
	AboveDeposit {
		/// What it holds.
		deposit: Balance,
		/// What was to be added.
		add: Balance,
		/// What it may hold.
		limit: Balance,
	},
	/// The budget of the period is spent.
	#[error("{spent} of the budget of {budget} was added lately, so that {add} more is above it")]
	BudgetSpent {
		/// What was added in the period.
		spent: Balance,
		/// What was to be added.
		add: Balance,
		/// What may be.
		budget: Balance,
	},
}

/// Why a top-up was not made, or its outcome is not known.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TopUpError {
	/// The policy forbids it.
	#[error(transparent)]
	Refused(#[from] TopUpRefusal),
	/// The channel is not known here, or the payer's store failed.
	#[error(transparent)]
	Payer(#[from] PayError),
	/// The store failed: what cannot be remembered is not spent.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// The transaction failed, or its outcome is not known.
	#[error(transparent)]
	Chain(#[from] ChainError),
}

/// What is known of a deposit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deposit {
	/// What calls are to allow in all, over all lanes.
	pub needed: Balance,
	/// What is known to be locked, in finalized state.
	pub known: Balance,
	/// What the best block says is locked.
	pub newest: Balance,
	/// What was added in the period, over all channels.
	pub spent: Balance,
}

impl TopUpPolicy {
	/// What to add, if anything.
	///
	/// # Errors
	///
	/// [`TopUpRefusal`] when what is there does not even suffice for what is needed.
	pub fn decide(&self, deposit: Deposit) -> Result<Option<Balance>, TopUpRefusal> {
		let Deposit { needed, known, newest, spent } = deposit;
		let wanted = needed.saturating_add(self.below);
		if known >= wanted {
			return Ok(None);
		}
		if newest >= wanted {
			// It is on its way.
			return match known >= needed {
				true => Ok(None),
				false => Err(TopUpRefusal::Unfinalized),
			};
		}
		let refusal = self.refuse(newest, needed.saturating_sub(newest), spent);
		match refusal {
			None => Ok(Some(self.add)),
			// What is there still suffices for this call.
			Some(_) if known >= needed => Ok(None),
			Some(_) if newest >= needed => Err(TopUpRefusal::Unfinalized),
			Some(refusal) => Err(refusal),
		}
	}

	fn refuse(&self, deposit: Balance, missing: Balance, spent: Balance) -> Option<TopUpRefusal> {
		let Self { add, max_deposit: limit, budget, .. } = *self;
		if add == 0 || missing > add {
			return Some(TopUpRefusal::TooLittle { missing, add });
		}
		if deposit.saturating_add(add) > limit {
			return Some(TopUpRefusal::AboveDeposit { deposit, add, limit });
		}
		let above = spent.saturating_add(add) > budget;
		above.then_some(TopUpRefusal::BudgetSpent { spent, add, budget })
	}
}

const TOP_UPS: &[u8] = b"top-ups";

/// What was added: when, in seconds since 1970, and how much.
type Spent = (u64, Balance);

#[derive(Decode, Encode)]
enum SpentRow {
	#[codec(index = 1)]
	V1(Vec<Spent>),
}

/// Tops up the channels of one payer, one at a time. All are in one asset.
pub struct Funder {
	payer: Payer,
	chain: Arc<dyn PayerChain>,
	policy: TopUpPolicy,
	spent: Mutex<Vec<Spent>>,
	turn: tokio::sync::Mutex<()>,
}

impl Funder {
	/// A funder that remembers in `store`, the payer's own, what it has added.
	///
	/// # Errors
	///
	/// [`StoreError`].
	pub fn new(
		payer: Payer,
		store: &dyn Store,
		chain: Arc<dyn PayerChain>,
		policy: TopUpPolicy,
	) -> Result<Self, StoreError> {
		let spent = match store.get(Table::Meta, TOP_UPS)? {
			None => Vec::new(),
			Some(bytes) => {
				let SpentRow::V1(spent) = SpentRow::decode(&mut bytes.as_slice())
					.map_err(|_| StoreError::Malformed(Table::Meta))?;
				spent
			},
		};
		let (spent, turn) = (Mutex::new(spent), tokio::sync::Mutex::default());
		Ok(Self { payer, chain, policy, spent, turn })
	}

	/// What was added in the period that ends at `now`, in seconds since 1970.
	pub fn spent(&self, now: u64) -> Balance {
		self.recent(now).iter().fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount))
	}

	fn recent(&self, now: u64) -> Vec<Spent> {
		// Nothing panics while the lock is held.
		let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
		let period = self.policy.period.as_secs();
		// A time that lies ahead is that of a clock that was put back since.
		spent.iter().filter(|(at, _)| now.saturating_sub(*at) < period).copied().collect()
	}

	/// Tops up a channel if too little is left of it for `price` more and for what the policy keeps.
	/// Returns what was added. `now` is in seconds since 1970.
	///
	/// # Errors
	///
	/// [`TopUpError`], with [`ChainError::Unknown`] in it when the money may be locked all the same: it
	/// then counts as spent.
	pub async fn ensure(
		&self,
		channel: &ChannelId,
		price: Balance,
		now: u64,
	) -> Result<Balance, TopUpError> {
		let _turn = self.turn.lock().await;
		let known = self.known(channel)?;
		let needed = known.signed.saturating_add(price);
		let enough = needed.saturating_add(self.policy.below) <= known.deposit;
		if enough {
			return Ok(0);
		}
		let newest = self.chain.channel(*channel, crate::chain::At::Best).await?;
		let newest = newest.map_or(known.deposit, |info| info.deposit);
		let spent = self.spent(now);
		let deposit = Deposit { needed, known: known.deposit, newest, spent };
		let Some(amount) = self.policy.decide(deposit)? else { return Ok(0) };
		let before = self.recent(now);
		let with = before.iter().copied().chain([(now, amount)]).collect();
		self.remember(with).await?;
		match self.chain.top_up(*channel, amount).await {
			Ok(info) => {
				self.payer.observe(channel, Some(&info));
				Ok(amount)
			},
			Err(error @ (ChainError::Rejected { .. } | ChainError::Dispatch(_))) => {
				// Nothing was locked.
				self.remember(before).await?;
				Err(error.into())
			},
			Err(error) => Err(error.into()),
		}
	}

	fn known(&self, channel: &ChannelId) -> Result<PayerChannel, PayError> {
		let mut known = self.payer.channels().into_iter();
		known.find(|known| known.id == *channel).ok_or(PayError::UnknownChannel(*channel))
	}

	async fn remember(&self, spent: Vec<Spent>) -> Result<(), StoreError> {
		let row = SpentRow::V1(spent.clone());
		self.payer.committer().commit(vec![Write::put(Table::Meta, TOP_UPS, &row)]).await?;
		*self.spent.lock().unwrap_or_else(PoisonError::into_inner) = spent;
		Ok(())
	}
}

#[cfg(test)]
mod tests;
