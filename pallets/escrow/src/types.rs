//! What the pallet stores and what its view functions return.

use crate::Config;
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_runtime::{helpers_128bit::multiply_by_rational_with_rounding, PerThing, Permill, Rounding};
pub use stoa_primitives::agreement::{
	AgreementView, Deadline, Deadlines, EndReason, Ending, Outcome, Progress, Quote, StandingView,
	State, Sums, WaitsFor, MAX_CONSENT_AGE,
};
use stoa_primitives::{
	agreement::{AgreementId, Milestone, Offer, Side, MAX_MILESTONES, MAX_VALIDITY, VOID_WINDOW},
	money::ScheduleId,
	AccountId, Balance, BlockNumber, H256,
};

/// How long what is left of an agreement is kept after its end: 30 days. No shorter than
/// [`MAX_VALIDITY`], so that no offer of its negotiation can be committed when it is gone.
pub const RECORD_PERIOD: BlockNumber = MAX_VALIDITY;

/// One for each milestone of an offer.
pub type Milestones = BoundedVec<Progress, ConstU32<MAX_MILESTONES>>;

/// An agreement that runs, with the ticket of its storage deposit.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Agreement<Ticket> {
	/// The offer that was committed.
	pub offer: Offer,
	/// In which block.
	pub started: BlockNumber,
	/// The fee schedule that was current then.
	pub schedule: ScheduleId,
	/// The last hash of the chain of messages by which it was negotiated, as its committer says.
	pub transcript: H256,
	/// How many times anybody has changed it. Only rises. A consent names it, so that it is about what
	/// its signer knew.
	pub sequence: u32,
	/// Whether the side that has signed the offer has acted on the agreement. Then it stands by it, and
	/// cannot undo it any more.
	pub is_relied_on: bool,
	/// How far each milestone is.
	pub milestones: Milestones,
	/// What is left of the bond.
	pub bond: Balance,
	/// Where the money went so far.
	pub sums: Sums,
	/// How many disputes there were.
	pub disputes: u32,
	/// How many milestones the seller has failed: not delivered, or given less than half by a ruling.
	pub breaches: u32,
	/// Who put up the storage deposit, and gets it back.
	pub depositor: AccountId,
	/// The storage deposit.
	pub ticket: Ticket,
}

impl<Ticket> Agreement<Ticket> {
	/// Last block in which the signer of the offer can undo the agreement, if nothing bars it.
	/// Saturating: at the end of time there is no later block to name.
	pub(crate) fn undo_until(&self) -> Option<BlockNumber> {
		(!self.is_relied_on).then(|| self.started.saturating_add(VOID_WINDOW))
	}

	/// `by` changes the agreement, or somebody who is no side of it.
	pub(crate) fn touch(&mut self, by: Option<Side>) {
		// Saturating: there are not so many blocks, and no end of an agreement may fail because of it.
		self.sequence = self.sequence.saturating_add(1);
		self.is_relied_on |= by == Some(self.offer.by);
	}

	/// What a milestone still holds: its amount less what was released before its end.
	pub(crate) fn open(&self, index: usize) -> Balance {
		match (self.offer.milestones.get(index), self.milestones.get(index)) {
			(Some(milestone), Some(progress)) if !progress.state.is_ended() => {
				// No more is released than there is.
				milestone.amount.saturating_sub(progress.released)
			},
			_ => 0,
		}
	}

	/// Places of the milestones that have not ended.
	pub(crate) fn running(&self) -> impl Iterator<Item = usize> + '_ {
		let states = self.milestones.iter().enumerate();
		states.filter(|(_, progress)| !progress.state.is_ended()).map(|(index, _)| index)
	}

	/// What all milestones still hold.
	pub(crate) fn open_total(&self) -> Balance {
		// Saturating: together they are no more than the offer's total, which is a number.
		self.running().fold(0, |sum, index| sum.saturating_add(self.open(index)))
	}

	/// What a ruling can take of a milestone's penalty: the part of it that belongs to what is still open.
	///
	/// Rounded down, to the seller: parts of a milestone then cost no more than the whole.
	pub(crate) fn penalty_at_stake(&self, index: usize) -> Balance {
		let Some(Milestone { amount, penalty, .. }) = self.offer.milestones.get(index) else {
			return 0;
		};
		let open = self.open(index);
		// It fits: no more is open than the amount, which is not zero.
		multiply_by_rational_with_rounding(*penalty, open, *amount, Rounding::Down)
			.unwrap_or_default()
	}

	/// What the bond must still cover: the penalties of the milestones that have not ended.
	pub(crate) fn reserved_bond(&self) -> Balance {
		let milestones = self.offer.milestones.iter().zip(&self.milestones);
		let running = milestones.filter(|(_, progress)| !progress.state.is_ended());
		running.fold(0, |sum, (milestone, _)| sum.saturating_add(milestone.penalty))
	}

	/// All that the agreement holds of the pallet's purse: milestones, bond, and fees of disputes.
	pub(crate) fn held(&self) -> Balance {
		let is_disputed = |progress: &&Progress| matches!(progress.state, State::Disputed { .. });
		let fees = self.milestones.iter().filter(is_disputed);
		let fees = fees.fold(0, |sum: Balance, _| sum.saturating_add(self.offer.panel.fee));
		self.open_total().saturating_add(self.bond).saturating_add(fees)
	}
}

/// The agreement of a runtime.
pub type AgreementOf<T> = Agreement<<T as Config>::AgreementConsideration>;

/// What is known of a negotiation: which of its offers can no longer be committed.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Standing<Ticket> {
	/// The side that pays.
	pub buyer: AccountId,
	/// The side that is paid.
	pub seller: AccountId,
	/// The last round whose offers by the buyer cannot be committed. Only rises.
	pub buyer_bar: u32,
	/// The last round whose offers by the seller cannot be committed. Only rises.
	pub seller_bar: u32,
	/// Whether an offer of it was withdrawn. It counts once.
	pub withdrawn: bool,
	/// The agreement that came of it. A negotiation makes one at most.
	pub agreement: Option<AgreementId>,
	/// Last block in which the row must be kept. `None` as long as the agreement runs.
	pub keep_until: Option<BlockNumber>,
	/// The side that has caused the row.
	pub owner: Side,
	/// Who put up its storage deposit, and gets it back.
	pub depositor: AccountId,
	/// The storage deposit.
	pub ticket: Ticket,
}

impl<Ticket> Standing<Ticket> {
	/// The last round whose offers by `side` cannot be committed.
	pub fn bar(&self, side: Side) -> u32 {
		match side {
			Side::Buyer => self.buyer_bar,
			Side::Seller => self.seller_bar,
		}
	}

	/// Let offers of `side` up to `round` no longer be committed; whether that changes anything.
	pub(crate) fn raise(&mut self, side: Side, round: u32) -> bool {
		let bar = match side {
			Side::Buyer => &mut self.buyer_bar,
			Side::Seller => &mut self.seller_bar,
		};
		let rises = *bar < round;
		*bar = round.max(*bar);
		rises
	}

	/// Who has caused the row.
	pub(crate) fn owner_account(&self) -> &AccountId {
		match self.owner {
			Side::Buyer => &self.buyer,
			Side::Seller => &self.seller,
		}
	}
}

/// The standing of a runtime.
pub type StandingOf<T> = Standing<<T as Config>::RecordConsideration>;

/// For how many records of one agent one operator put up the storage deposit.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Sponsored {
	/// Agreements that run.
	pub agreements: u32,
	/// Negotiations that something is known of.
	pub records: u32,
}

/// How a dispute divides money. See the crate's documentation for the words.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Division {
	/// Of what is open, to the seller, before shares are taken.
	pub to_seller: Balance,
	/// Of what is open, back to the buyer.
	pub to_buyer: Balance,
	/// From the bond to the buyer.
	pub penalty: Balance,
	/// Of what is open, to the seller for the fee that it put up.
	pub costs_of_buyer: Balance,
	/// From the bond to the buyer for the fee that it put up.
	pub costs_of_seller: Balance,
}

impl Division {
	/// `open` divided by `share`, rounded to the seller.
	pub(crate) fn fallback(open: Balance, share: Permill) -> Self {
		let to_seller = share.mul_ceil(open);
		// A share of an amount is no more than the amount.
		Self { to_seller, to_buyer: open.saturating_sub(to_seller), ..Self::default() }
	}

	/// A ruling that gives `share` of `open` to the seller. `penalty` is what of it is at stake, `spare` what of
	/// the bond is not reserved for other milestones, `penalty` included; `fee` was put up by `by`.
	pub(crate) fn ruling(
		open: Balance,
		share: Permill,
		penalty: Balance,
		spare: Balance,
		fee: Balance,
		by: Side,
	) -> Self {
		let lost = share.left_from_one();
		let mut division = Self::fallback(open, share);
		division.penalty = lost.mul_floor(penalty).min(spare);
		match by {
			Side::Buyer => {
				let spare = spare.saturating_sub(division.penalty);
				division.costs_of_seller = lost.mul_floor(fee).min(spare);
			},
			Side::Seller => {
				division.costs_of_buyer = share.mul_floor(fee).min(division.to_buyer);
				division.to_buyer = division.to_buyer.saturating_sub(division.costs_of_buyer);
			},
		}
		division
	}
}

impl<Ticket> From<Agreement<Ticket>> for AgreementView {
	fn from(agreement: Agreement<Ticket>) -> Self {
		Self {
			offer: agreement.offer,
			started: agreement.started,
			schedule: agreement.schedule,
			transcript: agreement.transcript,
			sequence: agreement.sequence,
			milestones: agreement.milestones.into_inner(),
			bond: agreement.bond,
			sums: agreement.sums,
			disputes: agreement.disputes,
			depositor: agreement.depositor,
		}
	}
}
