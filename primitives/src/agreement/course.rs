//! What becomes of an agreement: where its milestones are, where its money went, and what the chain's view
//! functions say of it.

use super::{AgreementId, NegotiationKey, Offer, Side};
use crate::{money::ScheduleId, AccountId, AssetId, Balance, BlockNumber};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;

/// Where a milestone is. Blocks are inclusive: in the block that is named, it is not over yet.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum State {
	/// The seller has to deliver. Silence: the buyer gets its money and the penalty.
	#[codec(index = 0)]
	Funded {
		/// Last block in which it can be delivered.
		deliver_by: BlockNumber,
	},
	/// The buyer looks at what was delivered. Silence: the seller is paid.
	#[codec(index = 1)]
	Delivered {
		/// Last block in which the buyer can refuse it.
		review_until: BlockNumber,
	},
	/// The buyer has asked for changes. Silence: as when it is [`Funded`](Self::Funded).
	#[codec(index = 2)]
	Reworking {
		/// Last block in which it can be delivered again or disputed by the seller.
		deliver_by: BlockNumber,
	},
	/// The arbiters have to decide. Silence: what is open is divided as the offer says.
	#[codec(index = 3)]
	Disputed {
		/// Who has opened the dispute, and put up the fee of a ruling.
		by: Side,
		/// In which block.
		opened: BlockNumber,
		/// Whether the other side has answered. Nobody rules before, for the first tenth of a turn.
		answered: bool,
	},
	/// Nothing is left of it.
	#[codec(index = 4)]
	Ended(Ending),
}

impl State {
	/// Whether nothing is left of the milestone.
	pub fn is_ended(&self) -> bool {
		matches!(self, Self::Ended(_))
	}
}

/// What has become of a milestone.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum Ending {
	/// The seller was paid all of it: accepted, released, or not refused in time.
	#[codec(index = 0)]
	Released,
	/// It was not delivered in time.
	#[codec(index = 1)]
	Expired,
	/// A ruling, or nobody's, has divided it.
	#[codec(index = 2)]
	Resolved,
	/// Both sides have ended the agreement, or one has undone it.
	#[codec(index = 3)]
	Cancelled,
}

/// How far a milestone is.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Progress {
	/// Where it is.
	pub state: State,
	/// What the buyer has released before its end, before shares were taken. Only rises.
	pub released: Balance,
	/// How many times the buyer has asked for changes. Only rises.
	pub changes: u8,
	/// The digest of the last evidence of a delivery, or the key that has opened the lock.
	pub delivery: Option<[u8; 32]>,
}

/// Where the money of an agreement went so far. Amounts only rise.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Default,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Sums {
	/// Settled to the seller, before shares were taken.
	pub released: Balance,
	/// Back to the buyer out of what it had locked.
	pub refunded: Balance,
	/// From the bond to the buyer because of what was not delivered.
	pub penalties: Balance,
	/// Fees of rulings that the buyer has borne for the seller, out of what it had locked.
	pub costs_of_buyer: Balance,
	/// Fees of rulings that the seller has borne for the buyer, out of the bond.
	pub costs_of_seller: Balance,
	/// To arbiters.
	pub fees: Balance,
}

/// What is left of an agreement that has ended.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Outcome {
	/// The negotiation that it came of.
	pub negotiation: NegotiationKey,
	/// The side that paid.
	pub buyer: AccountId,
	/// The side that was paid.
	pub seller: AccountId,
	/// In what was paid.
	pub asset: AssetId,
	/// What all milestones were worth.
	pub total: Balance,
	/// The seller's bond. What did not go to the buyer went back.
	pub bond: Balance,
	/// Where the money went.
	pub sums: Sums,
	/// How many disputes there were.
	pub disputes: u32,
	/// How many milestones the seller has failed.
	pub breaches: u32,
	/// The block of the commit.
	pub started: BlockNumber,
	/// The block of the end.
	pub ended: BlockNumber,
	/// The last hash of the chain of messages by which it was negotiated.
	pub transcript: H256,
	/// What ended it.
	pub reason: EndReason,
}

/// What ended an agreement.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum EndReason {
	/// Each milestone has come to its own end.
	#[codec(index = 0)]
	Completed,
	/// Both sides wanted it.
	#[codec(index = 1)]
	Cancelled,
	/// The signer of the offer has shown that the other side had refused it before.
	#[codec(index = 2)]
	Voided,
}

/// What happens to a milestone if everybody stays silent.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct Deadline {
	/// Place of the milestone in the offer, from 0.
	pub milestone: u32,
	/// First block in which anyone can have it done by `poke`.
	pub from: BlockNumber,
	/// Whose silence it is: the seller's, the buyer's, or the arbiters'.
	pub waits_for: WaitsFor,
	/// What the seller then gets, before shares are taken.
	pub to_seller: Balance,
	/// What the buyer then gets back.
	pub to_buyer: Balance,
	/// What the buyer then gets of the bond.
	pub penalty: Balance,
	/// Who then gets the fee of a dispute back, and how much.
	pub fee: Option<(Side, Balance)>,
}

/// On whom a milestone waits.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub enum WaitsFor {
	/// The seller has to deliver.
	#[codec(index = 0)]
	Seller,
	/// The buyer has to refuse, or else has accepted.
	#[codec(index = 1)]
	Buyer,
	/// The arbiters have to rule.
	#[codec(index = 2)]
	Arbiters,
}

/// When an agreement is over though everybody is silent.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct Deadlines {
	/// One for each milestone that has not ended, in order.
	pub milestones: Vec<Deadline>,
	/// First block in which `poke` ends the agreement.
	pub ends: BlockNumber,
	/// What the seller then gets back of its bond.
	pub bond: Balance,
}

/// An agreement as clients see it.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct AgreementView {
	/// The offer that was committed.
	pub offer: Offer,
	/// In which block.
	pub started: BlockNumber,
	/// The fee schedule that holds until it ends.
	pub schedule: ScheduleId,
	/// The last hash of the chain of messages by which it was negotiated, as its committer says.
	pub transcript: H256,
	/// What the next consent must name.
	pub sequence: u32,
	/// How far each milestone is.
	pub milestones: Vec<Progress>,
	/// What is left of the bond.
	pub bond: Balance,
	/// Where the money went so far.
	pub sums: Sums,
	/// How many disputes there were.
	pub disputes: u32,
	/// Who put up the storage deposit.
	pub depositor: AccountId,
}

/// What is known of a negotiation, as clients see it.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct StandingView {
	/// The last round whose offers by the buyer cannot be committed.
	pub buyer_bar: u32,
	/// The last round whose offers by the seller cannot be committed.
	pub seller_bar: u32,
	/// The agreement that came of it.
	pub agreement: Option<AgreementId>,
	/// Last block in which the row is kept. `None` as long as the agreement runs.
	pub keep_until: Option<BlockNumber>,
}

/// What a commit would do.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct Quote {
	/// The id of the agreement.
	pub id: AgreementId,
	/// What the buyer would lock.
	pub total: Balance,
	/// What the seller would lock.
	pub bond: Balance,
	/// The fee schedule that would hold until the end.
	pub schedule: ScheduleId,
	/// First block in which the agreement would be over if everybody stayed silent.
	pub ends: BlockNumber,
}

/// How agreements come about and how they go.
///
/// An agreement counts when it has ended, for both sides, unless it was undone or was cancelled with nothing
/// paid: then it has not come off. What offers say of a negotiation, its beginning and its first price, is
/// what both sides have agreed to say.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct Kpis {
	/// Agreements that have come off and ended.
	pub agreements: u32,
	/// Between which numbers of blocks, both included, the median from the beginning of a negotiation
	/// to its commit is. Waits are counted in classes that double, so it is known to a factor of two.
	pub median_wait: Option<(BlockNumber, BlockNumber)>,
	/// Agreements for each offer that was made in a negotiation of which an agreement has ended, come off or
	/// not, and for each negotiation in which offers were withdrawn; in millionths.
	pub acceptance_ppm: Option<u32>,
	/// The mean of prices against the seller's first price, in millionths of it. Each counts as twice the
	/// first price at most.
	pub price_ppm: Option<u32>,
	/// Agreements with a dispute, whatever the number of disputes.
	pub disputes: u32,
	/// How many of a thousand agreements had a dispute, rounded down.
	pub disputes_per_thousand: Option<u32>,
	/// Milestones that were not delivered, or of which a ruling gave the seller less than half.
	pub breaches: u32,
}
