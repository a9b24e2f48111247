//! What is stored for an agent, and what clients read.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::MultiSignature;
use stoa_primitives::{
	agent::{Manifest, Scopes, Status},
	keys::Key,
	AccountId, BlockNumber,
};

/// Most delegate keys of one agent.
pub const MAX_KEYS: u32 = 16;

/// An agent.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct AgentRecord<Ticket> {
	/// Who answers for the agent.
	pub operator: AccountId,
	/// Who paid `ticket`, and gets it back.
	pub depositor: AccountId,
	/// Whether the agent may act, its lease aside.
	pub status: Status,
	/// Whether the agent was paused when it was suspended; reinstating brings the pause back.
	pub paused: bool,
	/// Where the agent describes itself; gone once it is retired.
	pub manifest: Option<Manifest>,
	/// Last block of the lease.
	pub lease_until: BlockNumber,
	/// How often the operator has changed.
	pub epoch: u32,
	/// How many delegate keys are stored.
	pub keys: u32,
	/// Who may accept the agent as its next operator.
	pub transfer_to: Option<AccountId>,
	/// Whether a referral was given, so that `ticket` covers the referral book's rows too.
	pub referred: bool,
	/// The deposit for this record.
	pub ticket: Ticket,
}

/// A delegate key of an agent.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct KeyRecord<Ticket> {
	/// What the key may sign.
	pub scopes: Scopes,
	/// Last block in which the key is good.
	pub expires_at: BlockNumber,
	/// Who paid `ticket`, and gets it back.
	pub depositor: AccountId,
	/// The deposit for this record.
	pub ticket: Ticket,
}

/// An agent's signed consent to be operated by who submits it.
///
/// The signature is over `stoa_primitives::payload::Consent`, raw or inside `<Bytes>…</Bytes>`.
#[derive(Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, PartialEq, TypeInfo)]
pub struct ConsentProof {
	/// By the agent's account key.
	pub signature: MultiSignature,
	/// Last block in which the consent can be used.
	pub expires: BlockNumber,
}

/// What clients read of an agent.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct AgentView {
	/// Who answers for the agent.
	pub operator: AccountId,
	/// Whether the agent may act, its lease aside.
	pub status: Status,
	/// Where the agent describes itself; gone once it is retired.
	pub manifest: Option<Manifest>,
	/// Last block of the lease.
	pub lease_until: BlockNumber,
	/// How often the operator has changed.
	pub epoch: u32,
	/// Who may accept the agent as its next operator.
	pub transfer_to: Option<AccountId>,
	/// Whether the agent may act now.
	pub active: bool,
}

/// What clients read of a delegate key.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct KeyView {
	/// The public key.
	pub key: Key,
	/// What it may sign.
	pub scopes: Scopes,
	/// Last block in which it is good.
	pub expires_at: BlockNumber,
}
