//! By what a machine acts.

use crate::{
	keys::AgentKey,
	negotiation::{
		message::Parties,
		plan::{PlanError, PlanRule},
		strategy::Strategy,
		terms::TermsError,
	},
};
use std::sync::Arc;
use stoa_primitives::{
	agreement::{Side, MAX_ROUNDS, MAX_VALIDITY},
	AccountId, Balance, BlockNumber, H256, MINUTES,
};

/// What to do when there is no deal within the limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoDeal {
	/// Say so and end.
	Abort,
	/// Ask the operator.
	Escalate,
	/// Say so, and that it makes sense to ask anew after so many blocks.
	Post {
		/// How many.
		after: BlockNumber,
	},
}

/// How one side negotiates.
#[derive(Clone, Debug)]
pub struct Config {
	/// The chain.
	pub genesis: H256,
	/// Random, drawn by who opens the negotiation.
	pub negotiation: [u8; 32],
	/// This side.
	pub side: Side,
	/// What signs for it.
	pub key: AgentKey,
	/// The other side.
	pub peer: AccountId,
	/// Which plan is negotiated about.
	pub plan: PlanRule,
	/// What to offer and what to take.
	pub strategy: Arc<dyn Strategy>,
	/// Hash locks of the plan's locked milestones, in their order. A side that has none takes those of the other
	/// side's latest offer.
	pub locks: Vec<[u8; 32]>,
	/// How many offers this side makes at most.
	pub rounds: u32,
	/// Last block in which this side makes offers or waits for its operator.
	pub deadline: BlockNumber,
	/// How long an offer of this side can be committed, in blocks.
	pub validity: BlockNumber,
	/// How many blocks before its end an offer is still taken: what it takes to commit it.
	pub margin: BlockNumber,
	/// After how many blocks without an answer a message is sent again.
	pub patience: BlockNumber,
	/// How many blocks the other side is expected to take for an answer: an offer after which there is no time left
	/// for another one is this side's last.
	pub pace: BlockNumber,
	/// What to do when there is no deal.
	pub no_deal: NoDeal,
	/// What this side may lock unasked, in units of the asset: a buyer the price, a seller its bond. Beyond, the
	/// operator is asked before an offer is made or taken. `None`: everything.
	pub threshold: Option<Balance>,
}

/// Why a machine cannot act by a configuration.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ConfigError {
	/// Both sides are the same account.
	#[error("an agent cannot negotiate with itself")]
	SameParty,
	/// The strategy is for the other side.
	#[error("the strategy is for the other side")]
	Side,
	/// No round, or more than there are.
	#[error("a side makes from 1 to {} offers", MAX_ROUNDS / 2)]
	Rounds,
	/// Offers that could not be committed.
	#[error(
		"an offer must be valid for longer than it takes to commit it, up to {MAX_VALIDITY} blocks"
	)]
	Validity,
	/// The own plan makes no sense.
	#[error(transparent)]
	Plan(#[from] PlanError),
	/// The own terms make no sense.
	#[error(transparent)]
	Terms(#[from] TermsError),
	/// What was kept is of another negotiation, or of the other side.
	#[error("what was kept is of another negotiation, or of the other side")]
	OtherNegotiation,
}

impl Config {
	/// A configuration with usual times: offers are valid for ten minutes, an answer is expected within one, a minute
	/// is left for a commit. Up to 16 offers of each side, and no deal is said so.
	pub fn new(
		parties: &Parties,
		side: Side,
		key: AgentKey,
		plan: PlanRule,
		strategy: Arc<dyn Strategy>,
		deadline: BlockNumber,
	) -> Self {
		Self {
			genesis: parties.genesis,
			negotiation: parties.negotiation,
			side,
			key,
			peer: parties.of(side.other()).clone(),
			plan,
			strategy,
			locks: Vec::new(),
			rounds: 16,
			deadline,
			validity: 10 * MINUTES,
			margin: MINUTES,
			patience: 5,
			pace: MINUTES,
			no_deal: NoDeal::Abort,
			threshold: None,
		}
	}

	/// Who negotiates.
	pub fn parties(&self) -> Parties {
		let (own, peer) = (self.key.agent(), self.peer.clone());
		let (buyer, seller) = match self.side {
			Side::Buyer => (own, peer),
			Side::Seller => (peer, own),
		};
		Parties { genesis: self.genesis, negotiation: self.negotiation, buyer, seller }
	}

	/// Whether a machine can act by it.
	///
	/// # Errors
	///
	/// [`ConfigError`].
	pub fn validate(&self) -> Result<(), ConfigError> {
		if self.key.agent() == self.peer {
			return Err(ConfigError::SameParty);
		}
		if self.strategy.range().side() != self.side {
			return Err(ConfigError::Side);
		}
		if !(1..=MAX_ROUNDS / 2).contains(&self.rounds) {
			return Err(ConfigError::Rounds);
		}
		if self.validity <= self.margin || self.validity > MAX_VALIDITY {
			return Err(ConfigError::Validity);
		}
		if let PlanRule::Own { plan, terms } = &self.plan {
			plan.validate()?;
			terms.validate()?;
		}
		Ok(())
	}
}
