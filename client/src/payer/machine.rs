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
	/// Most that a payee may take over the life of one channel for calls to which no answer came: what
	/// its word is taken for. 0 never takes it: then one lost answer ends the use of a channel.
	pub max_unanswered: Balance,
}

/// How many of the dearest calls may go unanswered on a channel, unless the caller says otherwise.
const UNANSWERED_CALLS: Balance = 3;

impl Policy {
	/// At most `max_price` per call and three times that for calls without an answer; over a channel's
	/// life its deposit is the only other limit.
	pub fn per_call(max_price: Balance) -> Self {
		let max_unanswered = max_price.saturating_mul(UNANSWERED_CALLS);
		Self { max_price, budget: Balance::MAX, max_unanswered }
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
	/// The highest amount that is used up: by an answer, by the payee's word, or because it was settled
	/// on chain.
	pub acknowledged: Balance,
	/// How much of it no answer came for: it was signed here and is used up by the payee's word, or by
	/// its settling it, only.
	pub unanswered: Balance,
}

impl LaneState {
	/// The highest amount ever signed. What was settled on chain was signed, also when these records
	/// have lost the voucher.
	pub fn signed_amount(&self) -> Balance {
		let signed = self.signed.as_ref().map_or(0, |signed| signed.voucher.cumulative);
		signed.max(self.acknowledged)
	}

	/// The state once `used` is used up without an answer. What these records have a voucher for counts
	/// as unanswered; what is above them was signed by an earlier life of this payer, which counted
	/// then.
	fn used_up(&self, used: Balance) -> Self {
		let remembered = self.signed.is_some_and(|own| own.voucher.cumulative >= used);
		let taken = if remembered { used.saturating_sub(self.acknowledged) } else { 0 };
		Self {
			signed: self.signed,
			acknowledged: used,
			unanswered: self.unanswered.saturating_add(taken),
		}
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
	/// The payee says once more that a voucher is used up to which no answer came.
	#[error(
		"the payee wants {unanswered} for calls that were never answered, the limit on this channel is \
		{limit}: stop calling it and close the channel, or allow more"
	)]
	Unanswered {
		/// What would be used up without an answer, over the channel's life.
		unanswered: Balance,
		/// What the policy allows.
		limit: Balance,
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
/// the payee may say. A voucher that these records have counts as unanswered, since no answer came
/// here.
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
	if !proven {
		return None;
	}
	let remembered = state.signed.filter(|own| own.voucher.cumulative >= voucher.cumulative);
	Some(LaneState {
		signed: Some(remembered.unwrap_or(*statement)),
		..state.used_up(voucher.cumulative)
	})
}

/// The state after `settled` was seen to be paid on the lane: the chain pays only what carries our
/// signature, so no statement of the payee's is needed. `None` if that is nothing new.
///
/// It counts as unanswered like the payee's word: else a payee could settle instead of answering, and
/// have one voucher after the other.
pub fn settle(state: &LaneState, settled: Balance) -> Option<LaneState> {
	(settled > state.acknowledged).then(|| state.used_up(settled))
}

/// Whether the payee's word may be taken for a channel on which then `unanswered` is used up without
/// an answer, over all lanes.
///
/// # Errors
///
/// [`Refusal::Unanswered`].
pub fn allow_unanswered(policy: &Policy, unanswered: Balance) -> Result<(), Refusal> {
	match policy.max_unanswered {
		limit if unanswered > limit => Err(Refusal::Unanswered { unanswered, limit }),
		_ => Ok(()),
	}
}
