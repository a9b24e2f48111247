//! What the payer may sign next. Pure functions: no clock, no disk, no key.

use crate::voucher::SignedVoucher;
use stoa_primitives::{
	channel::ChannelId,
	keys::Key,
	payload::{Domain, Voucher},
	AccountId, AssetId, Balance,
};

/// The payer's own limits, in units of a channel's asset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Policy {
	/// Most that one call may cost.
	pub max_price: Balance,
	/// Most that may be signed over the life of one channel.
	pub budget: Balance,
}

impl Policy {
	/// At most `max_price` per call; over a channel's life its deposit is the only limit.
	pub fn per_call(max_price: Balance) -> Self {
		Self { max_price, budget: Balance::MAX }
	}
}

/// What the payer knows of a channel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Terms {
	/// Channel id.
	pub channel: ChannelId,
	/// The side that is paid.
	pub payee: AccountId,
	/// In what is paid.
	pub asset: AssetId,
	/// The key that signs vouchers.
	pub key: Key,
	/// What is locked.
	pub deposit: Balance,
	/// How many lanes there are.
	pub lanes: u16,
}

/// What the payer has signed on a lane.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LaneState {
	/// The highest voucher.
	pub signed: Option<SignedVoucher>,
	/// The highest amount that paid for an answer; never above what was signed.
	pub acknowledged: Balance,
}

impl LaneState {
	/// The highest amount ever signed.
	pub fn signed_amount(&self) -> Balance {
		self.signed.as_ref().map_or(0, |signed| signed.voucher.cumulative)
	}
}

/// Why nothing is signed. Amounts are in units of the channel's asset.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Refusal {
	/// A call that costs nothing needs no voucher.
	#[error("the price is zero: call without paying")]
	ZeroPrice,
	/// The call costs more than the payer allows.
	#[error("the price {price} is above the limit of {limit} for one call")]
	AboveMaxPrice {
		/// What the call costs.
		price: Balance,
		/// What the policy allows.
		limit: Balance,
	},
	/// The channel's budget does not suffice.
	#[error("the budget has {remaining} left, the call costs {price}")]
	BudgetSpent {
		/// What may still be signed.
		remaining: Balance,
		/// What the call costs.
		price: Balance,
	},
	/// The channel's deposit does not suffice.
	#[error("the channel's deposit is short by {shortfall}: top it up")]
	DepositTooLow {
		/// By how much the deposit must rise, at least.
		shortfall: Balance,
	},
	/// The channel has no such lane.
	#[error("the channel has no lane {lane}")]
	UnknownLane {
		/// The lane.
		lane: u32,
	},
	/// No amount is that large.
	#[error("the amount is too large")]
	Overflow,
}

/// What to send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Next {
	/// A new voucher: sign it, store it, then send it.
	Sign(Voucher),
	/// The last voucher has not been acknowledged and suffices: send it again.
	Reuse(SignedVoucher),
}

/// The voucher that pays `price` more than what was acknowledged on `lane`. `others` is the sum of
/// what was signed on the channel's other lanes.
///
/// # Errors
///
/// [`Refusal`].
pub fn next_voucher(
	terms: &Terms,
	policy: &Policy,
	state: &LaneState,
	lane: u32,
	others: Balance,
	price: Balance,
) -> Result<Next, Refusal> {
	if price == 0 {
		return Err(Refusal::ZeroPrice);
	}
	if price > policy.max_price {
		return Err(Refusal::AboveMaxPrice { price, limit: policy.max_price });
	}
	if lane >= u32::from(terms.lanes) {
		return Err(Refusal::UnknownLane { lane });
	}
	let cumulative = state.acknowledged.checked_add(price).ok_or(Refusal::Overflow)?;
	let total = others.checked_add(cumulative).ok_or(Refusal::Overflow)?;
	if let Some(signed) = state.signed.filter(|signed| signed.voucher.cumulative >= cumulative) {
		return Ok(Next::Reuse(signed));
	}
	if total > policy.budget {
		let used = total.saturating_sub(price);
		return Err(Refusal::BudgetSpent { remaining: policy.budget.saturating_sub(used), price });
	}
	if total > terms.deposit {
		return Err(Refusal::DepositTooLow { shortfall: total.saturating_sub(terms.deposit) });
	}
	// No last block: a voucher that dies before it is settled would cost the payee what it served.
	Ok(Next::Sign(Voucher { channel: terms.channel, lane, cumulative, valid_until: 0 }))
}

/// The state after the payee has shown a voucher of ours that is used up. `None` unless it is for
/// this lane, carries our signature, and is above what was acknowledged.
///
/// A payer whose records are older than the payee's is put right by this, and by nothing else that
/// the payee may say.
pub fn correct(
	terms: &Terms,
	domain: &Domain,
	lane: u32,
	state: &LaneState,
	statement: &SignedVoucher,
) -> Option<LaneState> {
	let voucher = &statement.voucher;
	let proven = voucher.channel == terms.channel
		&& voucher.lane == lane
		&& voucher.cumulative > state.acknowledged
		&& statement.verify(&terms.key, domain);
	proven.then_some(LaneState {
		signed: Some(match state.signed {
			Some(signed) if signed.voucher.cumulative >= voucher.cumulative => signed,
			_ => *statement,
		}),
		acknowledged: voucher.cumulative,
	})
}
