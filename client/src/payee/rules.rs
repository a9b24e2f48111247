//! What the payee asks of channels and proofs, and what it says when one does not fit.

use crate::allowance::Allowance;
use codec::{Decode, Encode};
use stoa_primitives::{keys::Key, AccountId, AssetId, Balance, BlockNumber};

/// What the payee asks of channels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
	/// Who is paid.
	pub payee: AccountId,
	/// In what.
	pub asset: AssetId,
	/// The shortest grace period that leaves time to settle, in blocks.
	pub min_grace: BlockNumber,
	/// How many blocks a proof, and the key that signed it, must stay valid from now on, so that it can
	/// be settled.
	pub settle_horizon: BlockNumber,
	/// Whether proofs are accepted that expire. Nobody but the payee itself can settle them in time as long
	/// as the channel is open: a watchtower is no help.
	pub accept_expiring: bool,
}

/// What was accepted on a lane, as it is stored: the proof in full, so that it can be settled
/// whatever else is lost.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Record {
	/// The highest that was accepted; its amount is the watermark.
	pub proof: Allowance,
	/// The key that signed it; `None` in records of the first versions until the channel is read.
	pub key: Option<Key>,
	/// What of it was earned: the sum of prices. Never above the watermark. Only this is settled,
	/// so a payer that signs more than a call costs gets the difference back.
	pub earned: Balance,
	/// What the proof bought, as the caller identifies requests.
	pub request: [u8; 32],
	/// How many payments were accepted on this lane.
	pub count: u64,
}

/// Why a payment is not accepted. Amounts are in units of the channel's asset.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
	/// No channel of this id at the finalized block.
	#[error("no such channel at the finalized block; if it was just opened, wait for finality")]
	UnknownChannel,
	/// The channel pays another account or another asset.
	#[error("the channel does not pay this account in this asset")]
	NotOurs,
	/// The channel has no such lane.
	#[error("the channel has no such lane")]
	UnknownLane,
	/// The grace period is too short to settle in.
	#[error("the channel's grace period of {grace} blocks is shorter than the {min} required")]
	GraceTooShort {
		/// The channel's.
		grace: BlockNumber,
		/// The payee's minimum.
		min: BlockNumber,
	},
	/// A close was requested: what is served now might not be settled in time.
	#[error("a close of the channel was requested: cancel it or open another channel")]
	Closing,
	/// The payee has agreed to close the channel at once with what it was paid so far.
	#[error("the payee has agreed to a close: use that, or wait until block {until} is final")]
	Consented {
		/// Last block in which the agreement can be used.
		until: BlockNumber,
	},
	/// The payer has revoked the lane: what is served now might not be settled in time.
	#[error("the lane was revoked, nothing is paid on it from block {from} on: use another lane")]
	LaneRevoked {
		/// The first block in which nothing can be settled on it.
		from: BlockNumber,
	},
	/// The proof expires before it can be settled, or expires at all and must not.
	#[error("the proof must be valid at least until block {needed}, or without limit")]
	ExpiresTooSoon {
		/// The first block that suffices; the last that there can be when none does.
		needed: BlockNumber,
	},
	/// Signed by a key that was replaced and ends too soon.
	#[error("the key was replaced and is not valid from block {until} on: sign with the new one")]
	KeyRetired {
		/// The first block in which it is no longer valid.
		until: BlockNumber,
	},
	/// The proof allows too little.
	#[error("the payment allows {shortfall} less than the required {required}")]
	Insufficient {
		/// The least cumulative amount that pays for this call.
		required: Balance,
		/// How much is missing.
		shortfall: Balance,
		/// The floor: what was accepted or settled before.
		accepted: Balance,
		/// The payer's own highest proof, so that it can check the floor.
		last: Option<Box<Allowance>>,
	},
	/// The channel does not hold as much.
	#[error("the channel's finalized deposit is short by {shortfall}: top it up")]
	AboveDeposit {
		/// By how much.
		shortfall: Balance,
		/// The finalized deposit.
		deposit: Balance,
	},
	/// More than the velocity cap lets the payee settle, now or once a tighter one holds.
	#[error(
		"the channel's velocity cap leaves {headroom} for what is not settled, {shortfall} too little: \
		wait until more was settled, or raise the cap"
	)]
	AboveCap {
		/// By how much.
		shortfall: Balance,
		/// What may be accepted and not settled, over all lanes.
		headroom: Balance,
	},
	/// Not the channel key's signature over this payload on this chain.
	#[error("the signature is not the channel key's over this payload on this chain")]
	BadSignature,
	/// No commitment is open on the lane.
	#[error("no commitment is open on the lane: send it with the tick")]
	NoCommitment,
	/// A commitment that pays nothing, or has no tick that can be claimed.
	#[error("the commitment must have ticks, each worth something")]
	WorthlessCommitment,
	/// Its root was used in another commitment on this channel.
	#[error("the root was used before on this channel: draw a new one for each commitment")]
	RootReused,
	/// More commitments than are remembered for one channel.
	#[error("the channel has had too many commitments: pay by voucher, or open another channel")]
	TooManyCommitments,
	/// No such tick, or one too far along the hash chain to be claimed.
	#[error("the last tick that can be claimed is {last}: make a new commitment")]
	TickOutOfRange {
		/// The last one.
		last: u32,
	},
	/// Further along the hash chain than the price explains, and too far to be checked for free.
	#[error("the tick is too far ahead: send one up to {last}")]
	TickTooFar {
		/// The last one that is checked now.
		last: u32,
	},
	/// The value does not belong to the commitment.
	#[error("the value is not a tick of the commitment")]
	BadTick,
	/// No amount is that large.
	#[error("the amount is too large")]
	Overflow,
}

/// What to do with a payment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Assessment {
	/// Serve; store this record before the answer leaves, then
	/// [`apply`](super::machine::Machine::apply) it.
	Fresh(Record),
	/// This very proof was accepted before.
	Replay {
		/// For the same request: the stored answer may be given again.
		same_request: bool,
	},
	/// Do not serve.
	Rejected(Rejection),
	/// The channel has not been read from the chain since the start.
	NotSynced,
}
