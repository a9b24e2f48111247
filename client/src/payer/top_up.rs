//! Topping up: adding to a channel's deposit when little is left of it, within a budget.
//!
//! [`TopUpPolicy::decide`] decides, [`Funder`] does it. What a payee says never decides: the shortfall is
//! computed from what was signed here and what the chain says. What was spent is written down before the
//! transaction is sent, so that a crash in between can only lead to less being spent.
//!
//! A call waits for a top-up only when the deposit does not suffice for it. As long as it does, more is
//! added in the background, to all channels that are low in one transaction, and a failure costs no call
//! anything. After a failure a channel is left alone for a while, twice as long each time: a transaction
//! that fails pays its fee.

mod funder;

pub use funder::Funder;

use super::PayError;
use crate::{chain::ChainError, store::StoreError};
use std::time::Duration;
use stoa_primitives::{AssetId, Balance};

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
	/// The channel is in another asset than the one that the budget is of.
	#[error("the channel is in {actual:?}, what tops up spends {expected:?}")]
	OtherAsset {
		/// What is spent.
		expected: AssetId,
		/// What the channel is in.
		actual: AssetId,
	},
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

#[cfg(test)]
mod tests;
