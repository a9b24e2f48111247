//! What goes into a machine and what comes out.

use crate::negotiation::{
	message::{DenyReason, MessageError, SignatureError, Signed},
	plan::Departure,
	state::Violation,
	strategy::Proposal,
};
use codec::{Decode, Encode};
use stoa_primitives::{
	agreement::{AgreementId, Offer, Side},
	keys::{AgentSignature, Key},
	Balance, BlockNumber, H256, HOURS,
};

/// How many blocks the other side may be ahead: half a minute.
pub const DRIFT: BlockNumber = 15;

/// How many blocks ahead a negotiation may begin: what the other side's node may have final earlier.
pub const OPENING_DRIFT: BlockNumber = 3;

/// How many blocks after it was sent a request is still answered: an hour, as long as it waits in a node's store.
pub const OPENING_AGE: BlockNumber = HOURS;

/// Something happens.
#[derive(Clone, Debug)]
pub enum Input {
	/// A message has arrived.
	Message(Vec<u8>),
	/// This block is final. What is final on chain up to it must have been brought before ([`Input::Chain`]).
	Tick(BlockNumber),
	/// The operator has decided.
	Decision(Decision),
	/// Something is final on chain.
	Chain(Fact),
	/// The other side's delegate keys with the scope Offer, and the last block of each, in place of those before.
	Keys(Vec<(Key, BlockNumber)>),
}

/// What the operator decides. All but [`Decision::Withdraw`] answer a [`Question`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
	/// Make the offer that was asked about, or take the other side's.
	Approve,
	/// Go on, and lock up to so much without asking again, in units of the asset. Rejected when that is too little
	/// for what was asked.
	Allow(Balance),
	/// No deal.
	Refuse,
	/// Offer this instead, whatever the limits are.
	Counter {
		/// What.
		proposal: Proposal,
		/// Whether no other offer follows.
		last: bool,
	},
	/// End the negotiation. An offer that was made binds until its withdrawal is on chain.
	Withdraw,
}

/// What the operator is asked.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Question {
	/// Whether to take the other side's offer, which locks more than may be locked unasked.
	Accept {
		/// The offer's digest.
		offer: AgreementId,
		/// What it proposes.
		proposal: Proposal,
	},
	/// Whether to make an offer that locks more than may be locked unasked.
	Offer {
		/// What.
		proposal: Proposal,
		/// Whether no other offer follows.
		last: bool,
	},
	/// Whether to take the other side's offer though it is beyond the limits, if there is one.
	NoDeal {
		/// What it proposes.
		theirs: Option<Proposal>,
	},
	/// Whether to take an offer that departs from the plan.
	Clauses {
		/// The offer's digest.
		offer: AgreementId,
		/// In what it departs.
		departure: Departure,
	},
}

/// Something that is final on chain.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Fact {
	/// An offer of this negotiation was committed.
	Committed {
		/// Its digest.
		agreement: AgreementId,
	},
	/// What was committed was undone, because the side that committed it had refused it before.
	Voided {
		/// Its digest.
		agreement: AgreementId,
	},
	/// A side has withdrawn its offers.
	Withdrawn {
		/// Who.
		by: Side,
		/// Up to which round.
		round: u32,
	},
}

/// Something to be done.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Action {
	/// Send this to the other side. May be lost: it is sent again until it is answered.
	Send(Box<Signed>),
	/// Commit this offer of the other side. Comes again until it is final; if it keeps failing, the offer's last block
	/// ends it.
	Commit {
		/// The offer.
		offer: Box<Offer>,
		/// By the other side.
		signature: AgentSignature,
		/// The root of the transcript.
		transcript: H256,
	},
	/// Ask the operator.
	Ask(Question),
	/// Withdraw own offers up to this round on chain.
	Withdraw {
		/// The last round that is withdrawn.
		round: u32,
	},
	/// An offer of this side was committed that the other side had refused by a counter: show the counter, which
	/// undoes the agreement while nothing was delivered.
	Supersede {
		/// What was committed.
		agreement: AgreementId,
		/// The other side's later offer.
		offer: Box<Offer>,
		/// By the other side.
		signature: AgentSignature,
	},
	/// The other side has signed two messages of one number: show both to whom it concerns. They are kept.
	Convict {
		/// What was taken.
		first: Box<Signed>,
		/// What came later.
		second: Box<Signed>,
	},
	/// Ask anew in this block: there was no deal.
	Post {
		/// When.
		at: BlockNumber,
	},
	/// It is over. Comes again only if the chain says otherwise later.
	End(Outcome),
}

/// How it ended.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub enum Outcome {
	/// An offer was committed.
	#[codec(index = 0)]
	Agreed {
		/// Agreement id.
		agreement: AgreementId,
	},
	/// A side said that there will be no deal.
	#[codec(index = 1)]
	Denied {
		/// Who.
		by: Side,
		/// Why.
		reason: DenyReason,
		/// When it makes sense to ask anew.
		retry_at: Option<BlockNumber>,
		/// Last block in which the other side, going back on its word, could commit an offer of this side. Until then a
		/// withdrawal on chain makes sure.
		exposed_until: Option<BlockNumber>,
	},
	/// Nobody answered in time, or what was accepted was not committed.
	#[codec(index = 2)]
	Expired,
	/// A side has withdrawn.
	#[codec(index = 3)]
	Withdrawn {
		/// Who.
		by: Side,
	},
	/// What was committed was undone.
	#[codec(index = 4)]
	Voided {
		/// Agreement id.
		agreement: AgreementId,
	},
}

/// What is known beside the transcript.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, PartialEq)]
pub struct Notes {
	/// How much the operator has agreed to lock.
	pub approved: Balance,
	/// Whether own offers are being withdrawn.
	pub withdrawing: bool,
	/// The block in which this side said or took the first message: by what it counts time. The block that a request
	/// names is the other side's word.
	pub began: Option<BlockNumber>,
	/// A message that the other side has signed beside another one of the same number, as it is on the wire. Both
	/// together prove it.
	pub equivocation: Option<Vec<u8>>,
	/// How it ended.
	pub outcome: Option<Outcome>,
}

/// Why an input was not taken. Nothing has changed by it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
	/// It is no message, or one's own cannot be written.
	#[error(transparent)]
	Message(#[from] MessageError),
	/// It does not follow.
	#[error(transparent)]
	Violation(#[from] Violation),
	/// It is not signed by who it says.
	#[error(transparent)]
	Signature(#[from] SignatureError),
	/// A message of this side has come back.
	#[error("the message is this side's own")]
	Own,
	/// The other side has signed two messages of one number. Both together prove it.
	#[error("the other side has said something else as message {sequence} before")]
	Equivocation {
		/// Which.
		sequence: u32,
	},
	/// It asks for something that is long over.
	#[error("the request was sent in block {sent}, this is block {now}")]
	Old {
		/// When it was sent.
		sent: BlockNumber,
		/// When it is.
		now: BlockNumber,
	},
	/// It was sent in a block that is far ahead: either clock is wrong.
	#[error("the message was sent in block {sent}, this is block {now}")]
	Future {
		/// When it says.
		sent: BlockNumber,
		/// When it is.
		now: BlockNumber,
	},
	/// The negotiation is over.
	#[error("the negotiation is over")]
	Ended,
	/// The operator was not asked.
	#[error("there is no question to decide")]
	NoQuestion,
	/// There is no plan to make offers by: only a side with its own opens a negotiation.
	#[error("this side has no plan of its own")]
	NoPlan,
	/// The price is too low to be divided among the milestones, a lock is missing, or the terms are too long.
	#[error("no offer can be made of this proposal")]
	CannotOffer,
	/// The other side has made no offer that could be taken.
	#[error("no offer of the other side stands")]
	NothingStands,
	/// The offer ends too soon to be committed.
	#[error("the offer ends in block {valid_until}, too soon to be committed")]
	TooLate {
		/// Its last block.
		valid_until: BlockNumber,
	},
	/// The other side's offer was accepted: whoever accepts and does not want it does not commit it.
	#[error("the other side's offer was accepted already")]
	Accepted,
}
