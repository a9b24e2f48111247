//! The rules: which message may follow which.
//!
//! [`State`] is what a transcript comes to. Both parties and whoever audits them apply the same rules to the same
//! messages, so they cannot come to different states:
//!
//! 1. a message continues the chain: its sequence is the next one and it names the hash of what was said before;
//! 2. it is sent by the side whose turn it is. ESCALATE keeps the turn, once; after ACCEPT and DENY nobody has it;
//! 3. REQUEST comes first and nowhere else, OFFER is the first offer and COUNTER any later one;
//! 4. an offer is by its sender, between the parties, in the next round, answers the latest offer, is valid in
//!    itself and still standing when it is sent, names the terms that come with it, and repeats when the negotiation
//!    began and what the seller first asked for;
//! 5. an offer is refused by the counter that answers it: only the latest one stands, and only the other side can
//!    accept it, before its last block.

use super::{
	canonical::CanonicalError,
	message::{offer_nonce, Body, ChainHash, DenyReason, Message, Parties, Quote},
	plan::Plan,
	terms::Terms,
};
use stoa_primitives::{
	agreement::{AgreementId, Offer, OfferError, Side},
	keys::AgentSignature,
	Balance, BlockNumber,
};

/// Why a message does not follow.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Violation {
	/// For another chain.
	#[error("the message is for another chain")]
	Chain,
	/// Of another negotiation, or between others.
	#[error("the message is of another negotiation, or between other parties")]
	Parties,
	/// Messages before it are missing.
	#[error("message {found} came before message {expected}")]
	Early {
		/// Which was expected.
		expected: u32,
		/// Which came.
		found: u32,
	},
	/// It follows another transcript.
	#[error("the message answers another transcript")]
	Fork,
	/// It is not the sender's turn.
	#[error("it is not the sender's turn")]
	Turn,
	/// Everything was said.
	#[error("nothing follows an acceptance or a denial")]
	Over,
	/// This kind of message cannot come here.
	#[error("a message of this kind cannot come here")]
	Kind,
	/// It was sent before the message that it answers.
	#[error("the message was sent in block {sent}, before the one that it answers")]
	Sent {
		/// When.
		sent: BlockNumber,
	},
	/// The offer cannot be agreed to.
	#[error("the offer is not valid: {0}")]
	Offer(#[from] OfferError),
	/// A field of the offer is not what it must be here.
	#[error("the offer's `{0}` is not what it must be here")]
	Field(&'static str),
	/// The standing offer is another one, or the sender's own.
	#[error("what is accepted is not the standing offer")]
	NotStanding,
	/// The offer was over when it was accepted, or when it was made.
	#[error("the offer's last block was {valid_until}")]
	Expired {
		/// Its last block.
		valid_until: BlockNumber,
	},
	/// The message cannot be written.
	#[error(transparent)]
	Canonical(#[from] CanonicalError),
}

/// An offer that was made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Standing {
	/// Its digest.
	pub digest: AgreementId,
	/// The offer.
	pub offer: Offer,
	/// By who made it.
	pub signature: AgentSignature,
	/// Its terms.
	pub terms: Terms,
	/// Whether its maker makes no other.
	pub last: bool,
}

/// What was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Request {
	/// Who asked.
	pub by: Side,
	/// What is not negotiated.
	pub plan: Plan,
	/// The terms.
	pub terms: Terms,
	/// Last block in which an answer is expected.
	pub expires: BlockNumber,
}

/// Who speaks next.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Turn {
	/// Nothing was said: whoever opens the negotiation.
	Open,
	/// This side.
	Of(Side),
	/// This side, once its operator has decided.
	Asked {
		/// Which.
		side: Side,
		/// Last block in which its answer is expected.
		until: BlockNumber,
	},
	/// Nobody: the standing offer was accepted.
	Accepted {
		/// Who accepted it, and commits it.
		by: Side,
	},
	/// Nobody: there is no deal.
	Denied {
		/// Who said so.
		by: Side,
		/// Why.
		reason: DenyReason,
		/// When to ask anew.
		retry_at: Option<BlockNumber>,
	},
}

impl Turn {
	/// The side that speaks next.
	pub fn side(&self) -> Option<Side> {
		match self {
			Self::Of(side) | Self::Asked { side, .. } => Some(*side),
			_ => None,
		}
	}
}

/// What a transcript comes to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct State {
	parties: Parties,
	head: ChainHash,
	length: u32,
	sent: BlockNumber,
	opened: BlockNumber,
	turn: Turn,
	request: Option<Request>,
	/// The latest offers of buyer and seller.
	offers: [Option<Standing>; 2],
	latest: Option<Side>,
	made: [u32; 2],
	first_ask: Balance,
}

fn place(side: Side) -> usize {
	match side {
		Side::Buyer => 0,
		Side::Seller => 1,
	}
}

impl State {
	/// Nothing was said.
	pub fn new(parties: Parties) -> Self {
		Self {
			head: parties.root(),
			parties,
			length: 0,
			sent: 0,
			opened: 0,
			turn: Turn::Open,
			request: None,
			offers: [None, None],
			latest: None,
			made: [0, 0],
			first_ask: 0,
		}
	}

	/// Who negotiates.
	pub fn parties(&self) -> &Parties {
		&self.parties
	}

	/// The hash of the transcript: the root that a commit names.
	pub fn head(&self) -> ChainHash {
		self.head
	}

	/// How many messages there were.
	pub fn length(&self) -> u32 {
		self.length
	}

	/// When the latest message was sent.
	pub fn sent(&self) -> BlockNumber {
		self.sent
	}

	/// The block in which the negotiation began.
	pub fn opened(&self) -> BlockNumber {
		self.opened
	}

	/// Who speaks next.
	pub fn turn(&self) -> &Turn {
		&self.turn
	}

	/// What was asked for.
	pub fn request(&self) -> Option<&Request> {
		self.request.as_ref()
	}

	/// The latest offer of a side, also when it was refused.
	pub fn offer_of(&self, side: Side) -> Option<&Standing> {
		self.offers.get(place(side))?.as_ref()
	}

	/// The latest offer of all: the only one that can be accepted.
	pub fn standing(&self) -> Option<&Standing> {
		self.offer_of(self.latest?)
	}

	/// How many offers a side has made.
	pub fn made(&self, side: Side) -> u32 {
		self.made.get(place(side)).copied().unwrap_or(0)
	}

	/// The seller's first total price, 0 if it has named none.
	pub fn first_ask(&self) -> Balance {
		self.first_ask
	}

	/// The round of the next offer.
	pub fn next_round(&self) -> u32 {
		self.standing().map_or(1, |standing| standing.offer.round.saturating_add(1))
	}

	/// What the next offer says of the seller's first price, if it is by `side` at `price`.
	pub fn ask_in(&self, side: Side, price: Balance) -> Balance {
		match (self.first_ask, side) {
			(0, Side::Seller) => price,
			(ask, _) => ask,
		}
	}

	/// The state after a message. Signatures are not checked.
	///
	/// # Errors
	///
	/// [`Violation`]; the state is as it was.
	pub fn after(&self, message: &Message) -> Result<Self, Violation> {
		self.check_envelope(message)?;
		let mut next = self.clone();
		next.head = message.chain_hash()?;
		next.length = message.sequence;
		next.sent = message.sent;
		let (side, other) = (message.side, message.side.other());
		match &message.body {
			Body::Request { plan, terms, expires } => {
				if self.turn != Turn::Open {
					return Err(Violation::Kind);
				}
				if *expires < message.sent {
					return Err(Violation::Expired { valid_until: *expires });
				}
				next.opened = message.sent;
				let (plan, terms) = (plan.clone(), terms.clone());
				next.request = Some(Request { by: side, plan, terms, expires: *expires });
				next.turn = Turn::Of(other);
			},
			Body::Offer(quote) | Body::Counter(quote) => {
				let first = matches!(message.body, Body::Offer(_));
				if self.request.is_none() || first != self.latest.is_none() {
					return Err(Violation::Kind);
				}
				let standing = self.check_offer(message, quote)?;
				next.first_ask = standing.offer.first_ask;
				if let Some(slot) = next.offers.get_mut(place(side)) {
					*slot = Some(standing);
				}
				if let Some(made) = next.made.get_mut(place(side)) {
					*made = made.saturating_add(1);
				}
				next.latest = Some(side);
				next.turn = Turn::Of(other);
			},
			Body::Accept { offer } => {
				// The sender has the turn, so the latest offer is not its own.
				let standing = self.standing().filter(|standing| standing.digest == *offer);
				let valid_until = standing.ok_or(Violation::NotStanding)?.offer.valid_until;
				if message.sent > valid_until {
					return Err(Violation::Expired { valid_until });
				}
				next.turn = Turn::Accepted { by: side };
			},
			Body::Deny { reason, retry_at, .. } => {
				next.turn = Turn::Denied { by: side, reason: *reason, retry_at: *retry_at };
			},
			Body::Escalate { until, .. } => {
				if matches!(self.turn, Turn::Asked { .. }) {
					return Err(Violation::Kind);
				}
				next.turn = Turn::Asked { side, until: *until };
			},
		}
		Ok(next)
	}

	fn check_envelope(&self, message: &Message) -> Result<(), Violation> {
		if message.chain != self.parties.genesis.0 {
			return Err(Violation::Chain);
		}
		if message.parties() != self.parties {
			return Err(Violation::Parties);
		}
		let expected = self.length.saturating_add(1);
		if message.sequence > expected {
			return Err(Violation::Early { expected, found: message.sequence });
		}
		if message.sequence != expected || message.previous != self.head {
			return Err(Violation::Fork);
		}
		match self.turn {
			Turn::Accepted { .. } | Turn::Denied { .. } => return Err(Violation::Over),
			Turn::Open if !matches!(message.body, Body::Request { .. }) => {
				return Err(Violation::Kind)
			},
			_ => {},
		}
		if self.turn.side().is_some_and(|side| side != message.side) {
			return Err(Violation::Turn);
		}
		match message.sent >= self.sent {
			true => Ok(()),
			false => Err(Violation::Sent { sent: message.sent }),
		}
	}

	fn check_offer(&self, message: &Message, quote: &Quote) -> Result<Standing, Violation> {
		let offer = &quote.offer;
		let field = |good: bool, name| match good {
			true => Ok(()),
			false => Err(Violation::Field(name)),
		};
		field(offer.negotiation == self.parties.negotiation, "negotiation")?;
		field(offer.buyer == self.parties.buyer, "buyer")?;
		field(offer.seller == self.parties.seller, "seller")?;
		field(offer.by == message.side, "by")?;
		field(offer.round == self.next_round(), "round")?;
		field(offer.previous == self.standing().map(|standing| standing.digest), "previous")?;
		field(offer.opened == self.opened, "opened")?;
		field(offer.nonce == offer_nonce(&self.head), "nonce")?;
		field(quote.terms.digest()? == offer.terms, "terms")?;
		offer.validate()?;
		// Valid offers have a total.
		let total = offer.total().unwrap_or(0);
		field(offer.first_ask == self.ask_in(message.side, total), "firstAsk")?;
		if offer.valid_until < message.sent {
			return Err(Violation::Expired { valid_until: offer.valid_until });
		}
		Ok(Standing {
			digest: offer.digest(&self.parties.domain()),
			offer: offer.clone(),
			signature: quote.signature.clone(),
			terms: quote.terms.clone(),
			last: quote.last,
		})
	}
}
