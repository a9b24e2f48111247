//! What must hold after every block.

use crate::{pallet::*, types::*};
use alloc::collections::BTreeMap;
use frame_support::ensure;
use sp_runtime::TryRuntimeError;
use stoa_primitives::{
	agreement::{AgreementId, NegotiationKey, MAX_DURATION, MAX_ROUNDS, MAX_VALIDITY},
	money::LockReason,
	traits::{Ledger, Locker},
	AccountId, Balance,
};

impl<T: Config> Pallet<T> {
	/// Check the state of the pallet.
	///
	/// # Invariants
	///
	/// 1. What an agreement has locked is what it still holds and where the rest went, to the unit:
	///    total = open + released + refunded + costs of the buyer; bond = rest + penalties + costs of the
	///    seller.
	/// 2. Per asset, what agreements hold is what the ledger keeps in their purse.
	/// 3. The rest of the bond covers the penalties of all milestones that have not ended.
	/// 4. An agreement's id is the digest of its offer, and the offer is valid.
	/// 5. There is one milestone at least that has not ended. What was released of each before its end is
	///    less than its amount, and no more changes were asked for than there are.
	/// 6. No deadline is further from now than the longest duration.
	/// 7. Each agreement and each outcome is the one of its negotiation, and each negotiation with an
	///    agreement has the one or the other: an agreement as long as no block is named until which the
	///    row is kept.
	/// 8. A negotiation of which no agreement came has refused something; no bar is above the last round;
	///    none is kept for longer than offers can be valid for, or a record is kept.
	/// 9. A sponsor's counts are those of its agent's agreements and records, and none is empty.
	/// 10. What is counted of an agent is kept exactly as long as anything is known of a negotiation of
	///     it, and none has more agreements than the market.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		for (id, agreement) in Agreements::<T>::iter() {
			Self::try_state_money(&agreement)?;
			Self::try_state_agreement(id, &agreement)?;
		}
		for (key, standing) in Standings::<T>::iter() {
			Self::try_state_standing(key, &standing)?;
		}
		for (id, outcome) in Outcomes::<T>::iter() {
			let standing = Standings::<T>::get(outcome.negotiation);
			let of = standing.and_then(|standing| standing.agreement);
			ensure!(of == Some(id), "an outcome is not that of its negotiation");
		}
		for (asset, total) in Self::locked_totals() {
			ensure!(
				total == T::Ledger::locked(&asset, LockReason::Agreement),
				"the purse of agreements is not what they hold"
			);
		}
		Self::try_state_sponsorships()?;
		Self::try_state_counts()
	}

	/// Invariants 1 and 3.
	fn try_state_money(agreement: &AgreementOf<T>) -> Result<(), TryRuntimeError> {
		let sum = |parts: [Balance; 4]| {
			parts.iter().try_fold(0, |sum: Balance, part| sum.checked_add(*part))
		};
		let Sums { released, refunded, penalties, costs_of_buyer, costs_of_seller, .. } =
			agreement.sums;
		let of_total = sum([agreement.open_total(), released, refunded, costs_of_buyer]);
		ensure!(
			of_total.is_some() && of_total == agreement.offer.total(),
			"milestones do not sum to what was locked"
		);
		let of_bond = sum([agreement.bond, penalties, costs_of_seller, 0]);
		ensure!(of_bond == Some(agreement.offer.bond), "a bond is not what was locked");
		ensure!(agreement.bond >= agreement.reserved_bond(), "a bond does not cover its penalties");
		Ok(())
	}

	/// Invariants 4 to 7.
	fn try_state_agreement(
		id: AgreementId,
		agreement: &AgreementOf<T>,
	) -> Result<(), TryRuntimeError> {
		let Agreement { offer, milestones, .. } = agreement;
		ensure!(id == offer.digest(&Self::domain()), "an id is not the digest of its offer");
		ensure!(offer.validate().is_ok(), "an offer is not valid");
		ensure!(offer.milestones.len() == milestones.len(), "milestones do not match the offer");
		ensure!(agreement.running().next().is_some(), "an agreement has no milestone left");
		// Saturating: no block is later than the last there can be.
		let latest = Self::now().saturating_add(MAX_DURATION);
		for (terms, progress) in offer.milestones.iter().zip(milestones) {
			ensure!(progress.released < terms.amount, "all of a milestone was released");
			ensure!(progress.changes <= terms.changes, "too many changes were asked for");
			let is_near = match progress.state {
				State::Funded { deliver_by } | State::Reworking { deliver_by } => {
					deliver_by <= latest
				},
				State::Delivered { review_until } => review_until <= latest,
				State::Disputed { opened, .. } => opened <= Self::now(),
				State::Ended(_) => true,
			};
			ensure!(is_near, "a deadline is too far away");
		}
		let standing = Standings::<T>::get(offer.key()).ok_or("an agreement of no negotiation")?;
		ensure!(
			standing.agreement == Some(id) && standing.keep_until.is_none(),
			"an agreement is not that of its negotiation"
		);
		Ok(())
	}

	/// Invariants 7 and 8.
	fn try_state_standing(
		key: NegotiationKey,
		standing: &StandingOf<T>,
	) -> Result<(), TryRuntimeError> {
		let Standing { buyer_bar, seller_bar, agreement, keep_until, .. } = standing;
		ensure!(standing.buyer != standing.seller, "a negotiation with oneself");
		ensure!((*buyer_bar).max(*seller_bar) <= MAX_ROUNDS, "a bar is above the last round");
		// Saturating: no block is later than the last there can be.
		let latest = Self::now().saturating_add(MAX_VALIDITY.max(RECORD_PERIOD));
		ensure!(keep_until.is_none_or(|last| last <= latest), "a row is kept for too long");
		let Some(id) = agreement else {
			ensure!((*buyer_bar).max(*seller_bar) > 0, "a negotiation of which nothing is known");
			ensure!(keep_until.is_some(), "a row is kept for good");
			return Ok(());
		};
		match keep_until {
			None => ensure!(Agreements::<T>::contains_key(id), "an agreement is missing"),
			Some(_) => {
				let outcome = Outcomes::<T>::get(id).ok_or("an outcome is missing")?;
				ensure!(outcome.negotiation == key, "an outcome is of another negotiation");
			},
		}
		Ok(())
	}

	/// Invariant 9.
	fn try_state_sponsorships() -> Result<(), TryRuntimeError> {
		let mut counts = BTreeMap::<(AccountId, AccountId), Sponsored>::new();
		for agreement in Agreements::<T>::iter_values() {
			let owner = agreement.offer.recipient().clone();
			if agreement.depositor != owner {
				let count = counts.entry((agreement.depositor, owner)).or_default();
				count.agreements = count.agreements.saturating_add(1);
			}
		}
		for standing in Standings::<T>::iter_values() {
			let owner = standing.owner_account().clone();
			if standing.depositor != owner {
				let count = counts.entry((standing.depositor, owner)).or_default();
				count.records = count.records.saturating_add(1);
			}
		}
		let mut rows = 0usize;
		for (operator, agent, sponsored) in Sponsorships::<T>::iter() {
			ensure!(sponsored != Sponsored::default(), "an empty row of a sponsor");
			ensure!(
				counts.get(&(operator, agent)) == Some(&sponsored),
				"a sponsor's count is wrong"
			);
			rows = rows.saturating_add(1);
		}
		ensure!(rows == counts.len(), "a sponsor is not counted");
		Ok(())
	}

	/// Invariant 10.
	fn try_state_counts() -> Result<(), TryRuntimeError> {
		let mut records = BTreeMap::<AccountId, u32>::new();
		for standing in Standings::<T>::iter_values() {
			for who in [standing.buyer, standing.seller] {
				let count = records.entry(who).or_default();
				*count = count.saturating_add(1);
			}
		}
		let market = Market::<T>::get();
		let mut rows = 0usize;
		for (who, row) in AgentRows::<T>::iter() {
			ensure!(records.get(&who) == Some(&row.records), "an agent's records are miscounted");
			let is_part = row.counters.agreements <= market.agreements;
			ensure!(is_part, "an agent has more agreements than the market");
			rows = rows.saturating_add(1);
		}
		ensure!(rows == records.len(), "an agent is not counted");
		Ok(())
	}
}
