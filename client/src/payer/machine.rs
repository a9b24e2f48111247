//! What the payer may sign next. Pure functions: no clock, no disk, no key.

use crate::{allowance::Allowance, chain::ChannelInfo, ticks::SignedCommit, voucher::LaneKey};
use codec::{Decode, Encode};
use std::time::Duration;
use stoa_primitives::{
	channel::{CapState, ChannelId},
	keys::Key,
	payload::{Domain, Voucher},
	tick::{Tick, MAX_TICKS},
	AccountId, AssetId, Balance, BlockNumber,
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
	/// Most that one payee may have been sent and not answered yet, over all lanes of all its channels in
	/// one asset.
	pub max_in_flight: Balance,
	/// What may be signed in a period.
	pub budgets: Budgets,
}

/// What may be signed in any period of time, for each asset by itself. What counts is what is signed, not
/// what is answered or settled. Amounts are in units of the asset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Budgets {
	/// For one payee, over all channels to it.
	pub per_payee: Balance,
	/// For all payees.
	pub in_all: Balance,
	/// How long what was signed counts, at least; at most a sixteenth longer. Zero is for ever.
	pub period: Duration,
}

impl Budgets {
	/// No limit: then nothing is counted either.
	pub const UNLIMITED: Self =
		Self { per_payee: Balance::MAX, in_all: Balance::MAX, period: Duration::ZERO };

	/// Whether there is a limit.
	pub fn is_limited(&self) -> bool {
		self.per_payee.min(self.in_all) < Balance::MAX
	}
}

/// How many of the dearest calls may go unanswered on a channel, unless the caller says otherwise.
const UNANSWERED_CALLS: Balance = 3;

impl Policy {
	/// At most `max_price` per call and three times that for calls without an answer; over a channel's
	/// life its deposit is the only other limit.
	pub fn per_call(max_price: Balance) -> Self {
		Self {
			max_price,
			budget: Balance::MAX,
			max_unanswered: max_price.saturating_mul(UNANSWERED_CALLS),
			max_in_flight: Balance::MAX,
			budgets: Budgets::UNLIMITED,
		}
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
	/// The key that signs.
	pub key: Key,
	/// The key that it has replaced: what that has signed is ours too.
	pub retired: Option<Key>,
	/// What is locked.
	pub deposit: Balance,
	/// What all lanes together may allow under the velocity cap: what was settled, and what the cap leaves.
	pub limit: Balance,
	/// How many lanes there are.
	pub lanes: u16,
	/// Lanes on which nothing is to be paid any more.
	pub revoked: Vec<u32>,
}

impl Terms {
	/// What the chain says of a channel in block `now`.
	pub fn new(info: &ChannelInfo, now: BlockNumber) -> Self {
		Self {
			channel: info.id,
			payee: info.payee.clone(),
			asset: info.asset.clone(),
			key: info.key,
			retired: info.changes.key.map(|(key, _)| key),
			deposit: info.deposit,
			limit: limit(info, now),
			lanes: info.lanes,
			revoked: info.changes.revoked.iter().map(|(lane, _)| *lane).collect(),
		}
	}

	/// Who is paid, and in what.
	pub(super) fn receiver(&self) -> (AccountId, AssetId) {
		(self.payee.clone(), self.asset.clone())
	}
}

/// What all lanes together may allow in block `now`: a payee accepts no more than it can settle under the
/// velocity cap, and under a tighter one that waits.
fn limit(info: &ChannelInfo, now: BlockNumber) -> Balance {
	let recent = info.cap.as_ref().map(|state| state.recent.clone()).unwrap_or_default();
	let waiting = info.changes.cap.and_then(|(cap, _)| cap).map(|cap| CapState { cap, recent });
	let headroom = info.cap.iter().chain(&waiting).map(|state| state.headroom(now)).min();
	headroom.map_or(Balance::MAX, |headroom| info.settled.saturating_add(headroom))
}

/// How to pay by ticks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TickTerms {
	/// What one tick is worth, in units of the asset: the usual price, or a part of it that all prices are
	/// multiples of.
	pub value: Balance,
	/// How many ticks are committed to at once, at most [`MAX_TICKS`].
	pub count: u32,
}

impl TickTerms {
	/// As many ticks of `value` as can be claimed.
	pub fn new(value: Balance) -> Self {
		Self { value, count: MAX_TICKS }
	}

	/// The first of these ticks that allows `amount`.
	fn index_for(&self, amount: Balance) -> Option<u32> {
		let index = amount.checked_add(self.value.checked_sub(1)?)?.checked_div(self.value)?;
		let index = u32::try_from(index).ok()?;
		(1..=self.count.min(MAX_TICKS)).contains(&index).then_some(index)
	}
}

/// A hash chain that was committed to, and its seed.
#[derive(Clone, Copy, Decode, Encode, Eq, PartialEq)]
pub struct Commitment {
	/// The commitment.
	pub signed: SignedCommit,
	/// The last value, from which all others follow. As secret as a key.
	pub seed: Tick,
}

impl std::fmt::Debug for Commitment {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.debug_struct("Commitment").field("signed", &self.signed).finish_non_exhaustive()
	}
}

/// What the payer has signed on a lane.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct LaneState {
	/// What allows most of what was signed or revealed.
	pub signed: Option<Allowance>,
	/// The highest amount that is used up: by an answer, by the payee's word, or because it was settled
	/// on chain.
	pub acknowledged: Balance,
	/// How much of it no answer came for: it was signed here and is used up by the payee's word, or by
	/// its settling it, only.
	pub unanswered: Balance,
	/// The hash chain that ticks are taken from.
	pub commitment: Option<Commitment>,
}

impl LaneState {
	/// What was signed and is not used up.
	pub fn in_flight(&self) -> Balance {
		self.signed_amount().saturating_sub(self.acknowledged)
	}

	/// The highest amount ever signed. What was settled on chain was signed, also when these records
	/// have lost the voucher.
	pub fn signed_amount(&self) -> Balance {
		let signed = self.signed.as_ref().map_or(0, Allowance::amount);
		signed.max(self.acknowledged)
	}

	/// The state once `used` is used up without an answer. What these records have a voucher for counts
	/// as unanswered; what is above them was signed by an earlier life of this payer, which counted
	/// then.
	fn used_up(&self, used: Balance) -> Self {
		let remembered = self.signed.is_some_and(|own| own.amount() >= used);
		let taken = if remembered { used.saturating_sub(self.acknowledged) } else { 0 };
		Self {
			acknowledged: used,
			unanswered: self.unanswered.saturating_add(taken),
			..self.clone()
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
	/// The budget for this payee does not suffice in this period.
	#[error(
		"the budget for this payee has {remaining} left in this period, the call costs {price}"
	)]
	PayeeBudgetSpent {
		/// What may still be signed for it.
		remaining: Balance,
		/// What the call costs.
		price: Balance,
	},
	/// The budget for all payees does not suffice in this period.
	#[error(
		"the budget for all payees has {remaining} left in this period, the call costs {price}"
	)]
	TotalBudgetSpent {
		/// What may still be signed.
		remaining: Balance,
		/// What the call costs.
		price: Balance,
	},
	/// Too much is under way to this payee.
	#[error(
		"calls to this payee that are not answered yet leave {remaining}, the call costs {price}: wait \
		for the answers"
	)]
	InFlight {
		/// What may be sent beside them.
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
	/// The velocity cap that the payer has set leaves too little until more was settled.
	#[error("the channel's velocity cap is short by {shortfall}: wait until more was settled, or raise it")]
	AboveCap {
		/// By how much.
		shortfall: Balance,
	},
	/// The payer has revoked the lane.
	#[error("the lane {lane} was revoked")]
	LaneRevoked {
		/// The lane.
		lane: u32,
	},
	/// Ticks of this value cannot pay as much, or are worth nothing.
	#[error("{count} ticks of {value} cannot pay {price}")]
	TicksTooSmall {
		/// How many ticks there are.
		count: u32,
		/// What one is worth.
		value: Balance,
		/// What the call costs.
		price: Balance,
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
	/// A tick of the commitment that is open: store that it is revealed, then send it.
	Reveal(u32),
	/// A tick of a new commitment with this base: draw a hash chain, store both, then send them.
	Commit {
		/// All that was ever signed on the lane.
		base: Balance,
		/// Which tick of it.
		index: u32,
	},
	/// The last payment has not been acknowledged and suffices: send it again.
	Reuse(Allowance),
}

/// What was signed beside the lane that is to pay. Amounts are in units of the channel's asset.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Signed {
	/// On the channel's other lanes, ever.
	pub channel: Balance,
	/// And not used up, on all other lanes of the payee's channels in this asset.
	pub in_flight: Balance,
	/// In the period of the budgets, for the payee, this lane included.
	pub payee: Balance,
	/// In the period of the budgets, for all payees, this lane included.
	pub in_all: Balance,
}

/// What pays `price` more than what was acknowledged on `lane`, by voucher, or by ticks if there are
/// `ticks`.
///
/// # Errors
///
/// [`Refusal`].
pub fn next_payment(
	terms: &Terms,
	policy: &Policy,
	state: &LaneState,
	lane: u32,
	others: &Signed,
	price: Balance,
	ticks: Option<&TickTerms>,
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
	if terms.revoked.contains(&lane) {
		return Err(Refusal::LaneRevoked { lane });
	}
	let cumulative = state.acknowledged.checked_add(price).ok_or(Refusal::Overflow)?;
	if let Some(signed) = state.signed.filter(|signed| signed.amount() >= cumulative) {
		return Ok(Next::Reuse(signed));
	}
	let (next, amount) = match ticks {
		// No last block: a voucher that dies before it is settled would cost the payee what it served.
		None => {
			let voucher = Voucher { channel: terms.channel, lane, cumulative, valid_until: 0 };
			(Next::Sign(voucher), Some(cumulative))
		},
		Some(ticks) => next_tick(state, cumulative, price, ticks)?,
	};
	let amount = amount.ok_or(Refusal::Overflow)?;
	let total = others.channel.checked_add(amount).ok_or(Refusal::Overflow)?;
	if total > policy.budget {
		let used = total.saturating_sub(price);
		return Err(Refusal::BudgetSpent { remaining: policy.budget.saturating_sub(used), price });
	}
	check_budgets(policy, state, others, amount, price)?;
	if total > terms.deposit {
		return Err(Refusal::DepositTooLow { shortfall: total.saturating_sub(terms.deposit) });
	}
	if total > terms.limit {
		return Err(Refusal::AboveCap { shortfall: total.saturating_sub(terms.limit) });
	}
	Ok(next)
}

/// Whether the lane may rise to `amount` beside what was signed for this payee and for all.
fn check_budgets(
	policy: &Policy,
	state: &LaneState,
	others: &Signed,
	amount: Balance,
	price: Balance,
) -> Result<(), Refusal> {
	let remaining = policy.max_in_flight.saturating_sub(others.in_flight);
	if amount.saturating_sub(state.acknowledged) > remaining {
		return Err(Refusal::InFlight { remaining, price });
	}
	let Budgets { per_payee, in_all, .. } = policy.budgets;
	let more = amount.saturating_sub(state.signed_amount());
	let remaining = per_payee.saturating_sub(others.payee);
	if more > remaining {
		return Err(Refusal::PayeeBudgetSpent { remaining, price });
	}
	let remaining = in_all.saturating_sub(others.in_all);
	if more > remaining {
		return Err(Refusal::TotalBudgetSpent { remaining, price });
	}
	Ok(())
}

/// The voucher that takes the place of `proof` when another key than the current one has signed it: a
/// payee takes what a replaced key has signed for a while only. It allows the same, so that no more is at
/// stake, whichever of the two is settled.
pub fn renew(terms: &Terms, domain: &Domain, proof: &Allowance) -> Option<Voucher> {
	if proof.verify(&terms.key, domain) {
		return None;
	}
	let LaneKey { channel, lane } = proof.lane();
	Some(Voucher { channel, lane, cumulative: proof.amount(), valid_until: 0 })
}

/// The tick that allows at least `cumulative`, and what it allows.
fn next_tick(
	state: &LaneState,
	cumulative: Balance,
	price: Balance,
	ticks: &TickTerms,
) -> Result<(Next, Option<Balance>), Refusal> {
	let open = state.commitment.map(|commitment| commitment.signed);
	// More than was signed is wanted, so the tick is further along than all that were revealed.
	let fits = open.filter(|signed| signed.commit.value == ticks.value);
	if let Some((signed, index)) = fits.and_then(|one| Some((one, one.index_for(cumulative)?))) {
		return Ok((Next::Reveal(index), signed.amount(index)));
	}
	let base = state.signed_amount();
	let TickTerms { value, count } = *ticks;
	let index = ticks.index_for(cumulative.saturating_sub(base)).ok_or(Refusal::TicksTooSmall {
		count,
		value,
		price,
	})?;
	let amount = value.checked_mul(index.into()).and_then(|more| more.checked_add(base));
	Ok((Next::Commit { base, index }, amount))
}

/// The state after the payee has shown a proof of ours that is used up. `None` unless it is for
/// this lane, carries our signature, and is above what was acknowledged.
///
/// A payer whose records are older than the payee's is put right by this, and by nothing else that
/// the payee may say. A proof that these records have counts as unanswered, since no answer came
/// here.
pub fn correct(
	terms: &Terms,
	domain: &Domain,
	lane: u32,
	state: &LaneState,
	statement: &Allowance,
) -> Option<LaneState> {
	let (at, amount) = (statement.lane(), statement.amount());
	let proven = at.channel == terms.channel
		&& at.lane == lane
		&& amount > state.acknowledged
		&& (is_known(state, statement)
			|| [Some(terms.key), terms.retired]
				.iter()
				.flatten()
				.any(|key| statement.verify(key, domain)));
	if !proven {
		return None;
	}
	let remembered = state.signed.filter(|own| own.amount() >= amount);
	// A payee that has not accepted a commitment yet takes none whose base is below what it has accepted.
	let commitment = state.commitment.filter(|known| {
		matches!(statement, Allowance::Ticks(shown) if shown.signed.commit == known.signed.commit)
	});
	let signed = Some(remembered.unwrap_or(*statement));
	Some(LaneState { signed, commitment, ..state.used_up(amount) })
}

/// Whether these records have what `statement` allows, under whatever key: it was signed here.
fn is_known(state: &LaneState, statement: &Allowance) -> bool {
	match (&state.signed, statement) {
		(Some(Allowance::Voucher(own)), Allowance::Voucher(shown)) => own.voucher == shown.voucher,
		(own, shown) => own.as_ref() == Some(shown),
	}
}

/// The state after an answer to a payment that allows `amount` and that was sent for a call of `price`.
///
/// A payment that was `sent_before`, for a dearer call, allows more than this call is worth: the payee can
/// take the difference and has never answered for it.
pub fn answer(state: &LaneState, amount: Balance, price: Balance, sent_before: bool) -> LaneState {
	let allowed = amount.saturating_sub(state.acknowledged);
	let above = if sent_before { allowed.saturating_sub(price) } else { 0 };
	LaneState {
		acknowledged: state.acknowledged.max(amount),
		unanswered: state.unanswered.saturating_add(above),
		..state.clone()
	}
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
