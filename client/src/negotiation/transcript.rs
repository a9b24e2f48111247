//! What was said: the evidence of a negotiation.
//!
//! Both sides have the same messages in the same order, each signed and bound by hash to those before it. The hash
//! of the last one is the root that a commit puts on chain, so that whoever is shown a transcript later, an arbiter or
//! an auditor, can tell that it is the one that led to the agreement, or that the side that has committed names another
//! one ([`Transcript::evidence`]): [`Transcript::verify`] needs nothing but the
//! [exported](Transcript::export) file and, for delegate keys, what the chain says of them.

use super::{
	canonical::{self, CanonicalError},
	encoding,
	message::{Body, ChainHash, Parties, SignatureError, Signed, MAX_MESSAGE_LEN, PROTOCOL},
	state::{State, Turn, Violation},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stoa_primitives::{
	agreement::{negotiation_key, AgreementId, NegotiationKey, Offer, Side, MAX_ROUNDS},
	keys::Key,
	AccountId, BlockNumber,
};

/// Most messages of a negotiation: in each round a question to the operator and an offer, then a last question and an
/// answer, and the request.
pub const MAX_MESSAGES: usize = 2 * MAX_ROUNDS as usize + 3;

/// Longest export that is read, in bytes.
pub const MAX_EXPORT_LEN: usize = MAX_MESSAGES * MAX_MESSAGE_LEN;

/// The messages of a negotiation and what they come to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transcript {
	state: State,
	messages: Vec<Arc<Signed>>,
}

/// A transcript as a file.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Export {
	protocol: String,
	#[serde(with = "encoding::hash")]
	chain: [u8; 32],
	#[serde(with = "encoding::hash")]
	negotiation: [u8; 32],
	#[serde(with = "encoding::account")]
	buyer: AccountId,
	#[serde(with = "encoding::account")]
	seller: AccountId,
	messages: Vec<Signed>,
	#[serde(with = "encoding::hash")]
	root: ChainHash,
}

/// Why an export is no transcript.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TranscriptError {
	/// It is too long, or not JSON of the right form.
	#[error(transparent)]
	Canonical(#[from] CanonicalError),
	/// It is of another protocol or version.
	#[error("the transcript is not of protocol {PROTOCOL}")]
	Protocol,
	/// A message is none.
	#[error("message {sequence} cannot be read: {reason}")]
	Message {
		/// Which, from 1.
		sequence: usize,
		/// Why.
		reason: super::message::MessageError,
	},
	/// A message does not follow from those before it.
	#[error("message {sequence} does not follow: {reason}")]
	Violation {
		/// Which, from 1.
		sequence: usize,
		/// Why.
		reason: Violation,
	},
	/// A message, or the offer in it, is not signed by who should have.
	#[error("message {sequence}: {reason}")]
	Signature {
		/// Which, from 1.
		sequence: usize,
		/// Why.
		reason: SignatureError,
	},
	/// The root is another one than that of the messages.
	#[error("the root is not that of the messages")]
	Root,
}

/// What a transcript says, in short.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Summary {
	/// The hash of the transcript: what a commit names.
	pub root: ChainHash,
	/// How many offers were made.
	pub rounds: u32,
	/// How it ended, or whose turn it is.
	pub turn: Turn,
	/// What was accepted.
	pub agreement: Option<AgreementId>,
}

/// What the root that an agreement names on chain says of a transcript which has the agreement's offer. The root is the
/// word of the side that has committed, and of nobody else: what both have signed is the evidence.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Evidence {
	/// It is that of the messages up to this one, the offer among them.
	Through(u32),
	/// It is another one, but nothing here answers the offer: messages that came after it may be missing, an ACCEPT
	/// above all. What is here proves the offer and all that led to it.
	Offer,
	/// It is another one, though the offer was answered here: this side, which has committed, has named the root of
	/// something else.
	Contradicted(Side),
}

impl Transcript {
	/// Nothing was said.
	pub fn new(parties: Parties) -> Self {
		Self { state: State::new(parties), messages: Vec::new() }
	}

	/// What the messages come to.
	pub fn state(&self) -> &State {
		&self.state
	}

	/// The messages in order.
	pub fn messages(&self) -> impl DoubleEndedIterator<Item = &Signed> + ExactSizeIterator {
		self.messages.iter().map(Arc::as_ref)
	}

	/// The message of a sequence number, from 1.
	pub fn message(&self, sequence: u32) -> Option<&Signed> {
		let place = usize::try_from(sequence.checked_sub(1)?).ok()?;
		self.messages.get(place).map(Arc::as_ref)
	}

	/// Under what the chain knows the negotiation.
	pub fn key(&self) -> NegotiationKey {
		let parties = self.state.parties();
		negotiation_key(&parties.buyer, &parties.seller, &parties.negotiation)
	}

	/// Appends a message. Its signatures are not checked.
	///
	/// # Errors
	///
	/// [`Violation`] for one that does not follow; the transcript is as it was.
	pub fn push(&mut self, signed: Signed) -> Result<(), Violation> {
		self.state = self.state.after(&signed.message)?;
		self.messages.push(Arc::new(signed));
		Ok(())
	}

	/// The offers in order, each with its digest: the id that an agreement by it would have.
	pub fn offers(&self) -> impl DoubleEndedIterator<Item = (AgreementId, &Offer)> {
		let domain = self.state.parties().domain();
		let quotes = self.messages().filter_map(|signed| signed.message.body.quote());
		quotes.map(move |quote| (quote.offer.digest(&domain), &quote.offer))
	}

	/// Which delegate keys have signed, for whom and in which blocks, each once.
	pub fn delegates(&self) -> Vec<(AccountId, Key, BlockNumber)> {
		let mut all = Vec::new();
		for signed in self.messages() {
			for key in signed.delegates() {
				let found = (signed.message.from.clone(), key, signed.message.sent);
				if !all.contains(&found) {
					all.push(found);
				}
			}
		}
		all
	}

	/// What `root`, as the agreement of this id names it on chain, says of this transcript. `None` when the agreement is
	/// by no offer of these.
	pub fn evidence(&self, agreement: &AgreementId, root: &ChainHash) -> Option<Evidence> {
		let domain = self.state.parties().domain();
		let is_offer = |signed: &Signed| {
			let quote = signed.message.body.quote();
			quote.is_some_and(|quote| quote.offer.digest(&domain) == *agreement)
		};
		let mut from_offer = self.messages().skip_while(|signed| !is_offer(signed)).peekable();
		let by = from_offer.peek()?.message.side;
		let mut answered = false;
		for signed in from_offer {
			// Each message names the hash of those before it, the state that of the last one.
			let hash = match self.message(signed.message.sequence.saturating_add(1)) {
				Some(next) => next.message.previous,
				None => self.state.head(),
			};
			if hash == *root {
				return Some(Evidence::Through(signed.message.sequence));
			}
			let says = &signed.message.body;
			answered |= !is_offer(signed) && !matches!(says, Body::Escalate { .. });
		}
		Some(match answered {
			true => Evidence::Contradicted(by.other()),
			false => Evidence::Offer,
		})
	}

	/// The transcript as a file: JSON in canonical form.
	///
	/// # Errors
	///
	/// [`CanonicalError`] for messages that cannot be written.
	pub fn export(&self) -> Result<Vec<u8>, CanonicalError> {
		let parties = self.state.parties();
		canonical::to_bytes(&Export {
			protocol: PROTOCOL.into(),
			chain: parties.genesis.0,
			negotiation: parties.negotiation,
			buyer: parties.buyer.clone(),
			seller: parties.seller.clone(),
			messages: self.messages().cloned().collect(),
			root: self.state.head(),
		})
	}

	/// Reads an exported transcript and checks all of it: form, order, rules, signatures, root. White space and order
	/// of members may be other than they were written.
	///
	/// `may_sign` says whether a delegate key had the scope Offer for an account in a block. Whoever has no chain to
	/// ask can let it agree and look at [`Transcript::delegates`].
	///
	/// What remains to be compared is the root with what an agreement on chain names: [`Transcript::evidence`].
	///
	/// # Errors
	///
	/// [`TranscriptError`].
	pub fn verify(
		export: &[u8],
		may_sign: impl Fn(&AccountId, &Key, BlockNumber) -> bool,
	) -> Result<Self, TranscriptError> {
		if export.len() > MAX_EXPORT_LEN {
			let (len, limit) = (export.len(), MAX_EXPORT_LEN);
			return Err(CanonicalError::TooLong { len, limit }.into());
		}
		let file: Export = serde_json::from_slice(export)
			.map_err(|error| CanonicalError::Json(error.to_string()))?;
		if file.protocol != PROTOCOL {
			return Err(TranscriptError::Protocol);
		}
		let mut transcript = Self::new(Parties {
			genesis: file.chain.into(),
			negotiation: file.negotiation,
			buyer: file.buyer,
			seller: file.seller,
		});
		for (sequence, signed) in (1usize..).zip(file.messages) {
			// What is only checked when it is read from the wire.
			let bytes = signed.to_bytes()?;
			let signed = Signed::parse(&bytes)
				.map_err(|reason| TranscriptError::Message { sequence, reason })?;
			let (from, sent) = (&signed.message.from, signed.message.sent);
			signed
				.verify(|key| may_sign(from, key, sent))
				.map_err(|reason| TranscriptError::Signature { sequence, reason })?;
			transcript
				.push(signed)
				.map_err(|reason| TranscriptError::Violation { sequence, reason })?;
		}
		match transcript.state.head() == file.root {
			true => Ok(transcript),
			false => Err(TranscriptError::Root),
		}
	}

	/// What it says, in short.
	pub fn summary(&self) -> Summary {
		let state = &self.state;
		let accepted = matches!(state.turn(), Turn::Accepted { .. });
		Summary {
			root: state.head(),
			rounds: state.next_round().saturating_sub(1),
			turn: state.turn().clone(),
			agreement: state.standing().filter(|_| accepted).map(|standing| standing.digest),
		}
	}
}
