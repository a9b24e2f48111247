//! The six messages, how they are written and signed.
//!
//! | message | says | then it is the turn of |
//! |---|---|---|
//! | REQUEST | what is wanted: plan and terms. Opens the negotiation | the other side |
//! | OFFER | the first signed offer | the other side |
//! | COUNTER | another signed offer; refuses the one that it answers | the other side |
//! | ACCEPT | the standing offer, by its digest, is taken | nobody: the sender commits it |
//! | DENY | there will be no deal, with a code for the reason | nobody |
//! | ESCALATE | the sender has asked its operator | the sender, still |
//!
//! A message on the wire is `{"message":…,"signature":"0x…"}` in [canonical JSON](super::canonical), at most
//! [`MAX_MESSAGE_LEN`] bytes. The JSON schema is in `docs/schemas/message.json`.
//!
//! **What is signed.** Messages of a negotiation form a chain: `h₀ = blake2_256("stoa/negotiation/v1" ‖ domain ‖
//! negotiation ‖ buyer ‖ seller)` and `hₙ = blake2_256(hₙ₋₁ ‖ messageₙ)` over the canonical bytes of the member
//! `message`. The signature is over a payload of type 11 in the domain of agreements: the header of 40 bytes, then
//! hₙ. It is by the sender's account key, raw or as wallets wrap it, or by a delegate key with the scope Offer. Thus
//! each message is bound to the chain, the parties, and everything that was said before; h is the root of the
//! transcript so far. The offer inside has its own signature, the one that the chain checks.
//!
//! **Versions.** A reader refuses other protocols than [`PROTOCOL`], unknown members, and names in `critical` that it
//! does not know. What may be ignored goes into `extensions`, where it is signed like the rest.

use super::{
	canonical::{self, CanonicalError},
	encoding,
	plan::{Plan, PlanError},
	terms::{self, Terms, TermsError},
};
use crate::keys::{verify_agent, AgentKey};
use codec::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sp_crypto_hashing::blake2_256;
use std::collections::BTreeMap;
use stoa_primitives::{
	agreement::{Offer, Side},
	keys::{AgentSignature, Key},
	payload::{Domain, Payload, Reader, HEADER_LEN},
	AccountId, BlockNumber, H256,
};

/// Protocol and version.
pub const PROTOCOL: &str = "stoa/negotiation/1";
/// Longest message on the wire, in bytes.
pub const MAX_MESSAGE_LEN: usize = 20 * 1024;
/// Most extensions of a message.
pub const MAX_EXTENSIONS: usize = 8;
/// Longest name of an extension, in bytes.
pub const MAX_EXTENSION_NAME_LEN: usize = 32;
/// Longest value of an extension and longest remark, in bytes.
pub const MAX_REMARK_LEN: usize = 256;

const TAG: &[u8] = b"stoa/negotiation/v1";

/// The hash of a transcript up to a message.
pub type ChainHash = [u8; 32];

/// What a message's signature is over: payload type 11 of the domain of agreements, 72 bytes in all.
struct Said(ChainHash);

impl Payload for Said {
	const TYPE: u8 = 11;
	const LEN: usize = HEADER_LEN + 32;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.0);
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self(body.array()?))
	}
}

/// Who negotiates, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Parties {
	/// The chain.
	pub genesis: H256,
	/// Random, drawn by who opens the negotiation.
	pub negotiation: [u8; 32],
	/// The side that pays.
	pub buyer: AccountId,
	/// The side that is paid.
	pub seller: AccountId,
}

impl Parties {
	/// The account of a side.
	pub fn of(&self, side: Side) -> &AccountId {
		match side {
			Side::Buyer => &self.buyer,
			Side::Seller => &self.seller,
		}
	}

	/// What signatures are bound to.
	pub fn domain(&self) -> Domain {
		Domain::agreements(self.genesis)
	}

	/// h₀: the hash of an empty transcript.
	pub fn root(&self) -> ChainHash {
		let (buyer, seller): (&[u8], &[u8]) = (self.buyer.as_ref(), self.seller.as_ref());
		blake2_256(&[TAG, &self.domain().0, &self.negotiation, buyer, seller].concat())
	}
}

/// The nonce of an offer that is made after all that comes to `head`: its first eight bytes, little-endian. So a signed
/// offer, and with it the agreement on chain, names what led to it.
pub fn offer_nonce(head: &ChainHash) -> u64 {
	let mut first = [0; 8];
	for (to, from) in first.iter_mut().zip(head) {
		*to = *from;
	}
	u64::from_le_bytes(first)
}

/// Why there is no deal.
#[derive(
	Clone, Copy, Debug, Decode, Deserialize, Encode, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum DenyReason {
	/// The price is beyond the sender's limit.
	#[codec(index = 0)]
	Price,
	/// The time is beyond the sender's limit.
	#[codec(index = 1)]
	Time,
	/// The level of service is beyond the sender's limit.
	#[codec(index = 2)]
	Quality,
	/// Plan or terms are not what the sender agrees to.
	#[codec(index = 3)]
	Terms,
	/// There is no time, or there are no rounds left, to agree in.
	#[codec(index = 4)]
	Expired,
	/// The sender's operator has refused, or has not answered.
	#[codec(index = 5)]
	Operator,
	/// The sender does not negotiate about this now.
	#[codec(index = 6)]
	Unavailable,
	/// The sender has changed its mind.
	#[codec(index = 7)]
	Withdrawn,
}

/// Why an operator is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EscalateReason {
	/// It is about more than the sender may decide alone.
	Approval,
	/// The sender cannot agree within its limits.
	NoDeal,
	/// The offer departs from the plan.
	Clauses,
}

/// A signed offer with its terms.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quote {
	/// SCALE of the offer.
	#[serde(with = "encoding::scale")]
	pub offer: Offer,
	/// SCALE of the signature over its digest.
	#[serde(with = "encoding::scale")]
	pub signature: AgentSignature,
	/// The document whose digest the offer names.
	pub terms: Terms,
	/// Whether the sender makes no other offer: what follows is ACCEPT or DENY.
	pub last: bool,
}

/// What a message says.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(
	tag = "type",
	rename_all = "UPPERCASE",
	rename_all_fields = "camelCase",
	deny_unknown_fields
)]
pub enum Body {
	/// Opens a negotiation.
	Request {
		/// What is not negotiated.
		plan: Plan,
		/// The terms at the level of service that is wanted.
		terms: Terms,
		/// Last block in which an answer is expected.
		expires: BlockNumber,
	},
	/// The first offer.
	Offer(Quote),
	/// Another offer.
	Counter(Quote),
	/// The standing offer is taken.
	Accept {
		/// Its digest: the id of the agreement.
		#[serde(with = "encoding::hash")]
		offer: [u8; 32],
	},
	/// There will be no deal.
	Deny {
		/// Why.
		reason: DenyReason,
		/// From which block on it makes sense to ask anew.
		#[serde(default, skip_serializing_if = "Option::is_none")]
		retry_at: Option<BlockNumber>,
		/// What more there is to say.
		#[serde(default, skip_serializing_if = "Option::is_none")]
		remark: Option<String>,
	},
	/// The sender's operator was asked.
	Escalate {
		/// Why.
		why: EscalateReason,
		/// Last block in which an answer is expected.
		until: BlockNumber,
	},
}

impl Body {
	/// The offer inside, if there is one.
	pub fn quote(&self) -> Option<&Quote> {
		match self {
			Self::Offer(quote) | Self::Counter(quote) => Some(quote),
			_ => None,
		}
	}
}

/// A message without its signature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Message {
	/// [`PROTOCOL`].
	pub protocol: String,
	/// The chain's genesis hash.
	#[serde(with = "encoding::hash")]
	pub chain: [u8; 32],
	/// Which negotiation of the two parties.
	#[serde(with = "encoding::hash")]
	pub negotiation: [u8; 32],
	/// The sender.
	#[serde(with = "encoding::account")]
	pub from: AccountId,
	/// The receiver.
	#[serde(with = "encoding::account")]
	pub to: AccountId,
	/// The sender's side.
	#[serde(with = "encoding::side")]
	pub side: Side,
	/// Place in the transcript, from 1.
	pub sequence: u32,
	/// The hash of the transcript before this message.
	#[serde(with = "encoding::hash")]
	pub previous: ChainHash,
	/// The sender's latest final block, or that of the message before if it is higher.
	pub sent: BlockNumber,
	/// What it says.
	pub body: Body,
	/// More that may be ignored.
	#[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
	pub extensions: BTreeMap<String, String>,
	/// Names of extensions that may not be ignored.
	#[serde(default, skip_serializing_if = "Vec::is_empty")]
	pub critical: Vec<String>,
}

impl Message {
	/// The parties, as the message has them.
	pub fn parties(&self) -> Parties {
		let (from, to) = (self.from.clone(), self.to.clone());
		let (buyer, seller) = match self.side {
			Side::Buyer => (from, to),
			Side::Seller => (to, from),
		};
		Parties { genesis: self.chain.into(), negotiation: self.negotiation, buyer, seller }
	}

	/// The hash of the transcript with this message.
	///
	/// # Errors
	///
	/// [`CanonicalError`] for a message that cannot be written.
	pub fn chain_hash(&self) -> Result<ChainHash, CanonicalError> {
		let bytes = canonical::to_bytes(self)?;
		Ok(blake2_256(&[self.previous.as_slice(), &bytes].concat()))
	}

	/// What needs neither the transcript nor a signature.
	fn validate(&self) -> Result<(), MessageError> {
		if self.protocol != PROTOCOL {
			return Err(MessageError::Protocol);
		}
		if let Some(unknown) = self.critical.first() {
			return Err(MessageError::Critical(unknown.chars().take(MAX_REMARK_LEN).collect()));
		}
		let small = self.extensions.iter().all(|(name, value)| {
			let name = terms::check(name, MAX_EXTENSION_NAME_LEN, "extension");
			name.is_ok() && value.len() <= MAX_REMARK_LEN
		});
		if self.extensions.len() > MAX_EXTENSIONS || !small {
			return Err(MessageError::Extensions);
		}
		match &self.body {
			Body::Request { plan, terms, .. } => {
				plan.validate()?;
				terms.validate()?;
				// Both are per milestone.
				match plan.milestones.len() == terms.delivery.len() {
					true => Ok(()),
					false => Err(MessageError::Deliveries),
				}
			},
			Body::Offer(quote) | Body::Counter(quote) => {
				quote.terms.validate()?;
				match quote.offer.milestones.len() == quote.terms.delivery.len() {
					true => Ok(()),
					false => Err(MessageError::Deliveries),
				}
			},
			Body::Deny { remark: Some(remark), .. } => {
				Ok(terms::check(remark, MAX_REMARK_LEN, "remark")?)
			},
			_ => Ok(()),
		}
	}
}

/// Why bytes are no message.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MessageError {
	/// They are too many, or not canonical JSON of the right form.
	#[error(transparent)]
	Canonical(#[from] CanonicalError),
	/// Another protocol or version.
	#[error("the message is not of protocol {PROTOCOL}")]
	Protocol,
	/// An extension that is critical is not known.
	#[error("the critical extension `{0}` is not known")]
	Critical(String),
	/// There are too many extensions, or one is too long.
	#[error("there are too many extensions, or one is too long")]
	Extensions,
	/// The terms make no sense.
	#[error(transparent)]
	Terms(#[from] TermsError),
	/// The plan makes no sense.
	#[error(transparent)]
	Plan(#[from] PlanError),
	/// The terms have another number of deliveries than there are milestones.
	#[error("the terms do not have one delivery for each milestone")]
	Deliveries,
}

/// A message with its signature.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Signed {
	/// The message.
	pub message: Message,
	/// By the sender.
	#[serde(with = "encoding::scale")]
	pub signature: AgentSignature,
}

impl Signed {
	/// Signs a message.
	///
	/// # Errors
	///
	/// [`MessageError`] for a message that no reader takes.
	pub fn sign(message: Message, key: &AgentKey) -> Result<Self, MessageError> {
		message.validate()?;
		let domain = Domain::agreements(message.chain.into());
		let signature = key.sign(&Said(message.chain_hash()?).to_bytes(&domain));
		let signed = Self { message, signature };
		let len = signed.to_bytes()?.len();
		match len <= MAX_MESSAGE_LEN {
			true => Ok(signed),
			false => Err(CanonicalError::TooLong { len, limit: MAX_MESSAGE_LEN }.into()),
		}
	}

	/// Reads a message from the wire. Its signature is not checked.
	///
	/// # Errors
	///
	/// [`MessageError`].
	pub fn parse(bytes: &[u8]) -> Result<Self, MessageError> {
		let signed: Self = canonical::from_bytes(bytes, MAX_MESSAGE_LEN)?;
		signed.message.validate()?;
		Ok(signed)
	}

	/// The message as it is on the wire.
	///
	/// # Errors
	///
	/// [`CanonicalError`] for a message that cannot be written.
	pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
		canonical::to_bytes(self)
	}

	/// Whether the sender has signed it, and the offer inside. `may_sign` says which delegate keys have the scope
	/// Offer for the sender.
	///
	/// # Errors
	///
	/// [`SignatureError`].
	pub fn verify(&self, may_sign: impl Fn(&Key) -> bool) -> Result<(), SignatureError> {
		let domain = Domain::agreements(self.message.chain.into());
		let hash = self.message.chain_hash().map_err(|_| SignatureError::Message)?;
		let from = &self.message.from;
		let bytes = Said(hash).to_bytes(&domain);
		if !verify_agent(from, &bytes, &self.signature, &may_sign) {
			return Err(SignatureError::Message);
		}
		let Some(quote) = self.message.body.quote() else { return Ok(()) };
		let digest = quote.offer.digest(&domain);
		match verify_agent(from, &digest, &quote.signature, may_sign) {
			true => Ok(()),
			false => Err(SignatureError::Offer),
		}
	}

	/// The delegate keys that have signed here.
	pub fn delegates(&self) -> impl Iterator<Item = Key> + '_ {
		let offer = self.message.body.quote().map(|quote| &quote.signature);
		std::iter::once(&self.signature).chain(offer).filter_map(|signature| match signature {
			AgentSignature::Delegate { key, .. } => Some(*key),
			AgentSignature::Account(_) => None,
		})
	}
}

/// What was not signed by who should have.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
	/// The message.
	#[error(
		"the message is not signed by its sender, or by a key that may not sign offers for it"
	)]
	Message,
	/// The offer in it.
	#[error("the offer is not signed by its sender, or by a key that may not sign offers for it")]
	Offer,
}
