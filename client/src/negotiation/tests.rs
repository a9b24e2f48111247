//! What the tests of this module share: two parties, a chain, and a way between them.

mod driver;
mod faults;
mod http;
mod machine;
mod market;
mod message;
mod rejections;
mod schema;
mod transcript;

use super::{plan::tests::plan, terms::tests::terms, *};
use crate::keys::{AccountKey, AgentKey, Scheme};
use std::sync::{Arc, LazyLock};
use stoa_primitives::{
	agreement::{AgreementId, Offer, Side},
	keys::AgentSignature,
	AccountId, BlockNumber, H256,
};

pub const GENESIS: H256 = H256::repeat_byte(7);
pub const START: BlockNumber = 100;
pub const DEADLINE: BlockNumber = 10_000;

/// Derived once: that takes longer than a negotiation.
static KEYS: LazyLock<[AccountKey; 2]> = LazyLock::new(|| {
	["//Buyer", "//Seller"].map(|name| AccountKey::from_uri(name, Scheme::Ed25519).unwrap())
});

pub fn key(side: Side) -> AccountKey {
	KEYS[usize::from(side == Side::Seller)].clone()
}

pub fn account(side: Side) -> AccountId {
	key(side).account()
}

pub fn parties() -> Parties {
	Parties {
		genesis: GENESIS,
		negotiation: [1; 32],
		buyer: account(Side::Buyer),
		seller: account(Side::Seller),
	}
}

pub fn proposal(price: u128) -> Proposal {
	Proposal { price, time: 1_000, quality: 990_000 }
}

/// A range that differs in price only.
pub fn range(side: Side, aim: u128, limit: u128) -> Range {
	Range::new(side, proposal(aim), proposal(limit)).unwrap()
}

pub fn linear(side: Side, aim: u128, limit: u128) -> Arc<dyn Strategy> {
	Arc::new(TimeDependent { range: range(side, aim, limit), start: 0, shape: Shape::LINEAR })
}

pub fn rule(side: Side) -> PlanRule {
	match side {
		Side::Buyer => PlanRule::Own { plan: plan(), terms: terms() },
		Side::Seller => PlanRule::Theirs(super::plan::tests::limits()),
	}
}

pub fn config(side: Side, strategy: Arc<dyn Strategy>) -> Config {
	let key = AgentKey::from(key(side));
	let config = Config::new(&parties(), side, key, rule(side), strategy, DEADLINE);
	Config { rounds: 5, ..config }
}

/// The buyer wants to pay 1,000 and pays up to 1,500.
pub fn buyer() -> Config {
	config(Side::Buyer, linear(Side::Buyer, 1_000, 1_500))
}

/// The seller wants 2,000 and takes 1,400.
pub fn seller() -> Config {
	config(Side::Seller, linear(Side::Seller, 2_000, 1_400))
}

pub fn negotiator(config: Config) -> Negotiator {
	Negotiator::new(config, START).unwrap()
}

/// The message that is sent, of actions among which there is one.
pub fn sent(actions: &[Action]) -> Signed {
	let send = |action: &Action| match action {
		Action::Send(signed) => Some(signed.as_ref().clone()),
		_ => None,
	};
	actions.iter().find_map(send).expect("something is sent")
}

pub fn wire(signed: &Signed) -> Input {
	Input::Message(signed.to_bytes().unwrap())
}

/// What a chain does with signed offers.
#[derive(Clone, Debug, Default)]
pub struct Chain {
	pub now: BlockNumber,
	pub committed: Option<AgreementId>,
	pub transcript: Option<H256>,
	/// Whether it takes no commit.
	pub refuses: bool,
	bars: [u32; 2],
	/// What neither side knows yet.
	facts: Vec<Fact>,
}

impl Chain {
	pub fn bar(&mut self, by: Side) -> &mut u32 {
		&mut self.bars[usize::from(by == Side::Seller)]
	}

	pub fn commit(&mut self, offer: &Offer, signature: &AgentSignature, transcript: H256) {
		let domain = parties().domain();
		let digest = offer.digest(&domain);
		let signed = crate::keys::verify_agent(offer.signer(), &digest, signature, |_| false);
		assert!(signed && offer.validate().is_ok(), "what is committed was signed and is valid");
		let stands = offer.round > *self.bar(offer.by) && self.now <= offer.valid_until;
		if stands && self.committed.is_none() && !self.refuses {
			self.committed = Some(digest);
			self.transcript = Some(transcript);
			self.facts.push(Fact::Committed { agreement: digest });
		}
	}

	pub fn withdraw(&mut self, by: Side, round: u32) {
		let bar = self.bar(by);
		*bar = round.max(*bar);
		if self.committed.is_none() {
			self.facts.push(Fact::Withdrawn { by, round });
		}
	}
}

/// Two sides, a chain, and messages under way.
#[derive(Clone, Debug)]
pub struct World {
	pub sides: [Negotiator; 2],
	pub chain: Chain,
	/// To whom, and what.
	pub wire: Vec<(Side, Vec<u8>)>,
	/// What the operators are asked.
	pub asked: Vec<(Side, Question)>,
	/// All that was done but sending.
	pub done: Vec<(Side, Action)>,
}

impl World {
	pub fn new(buyer: Config, seller: Config) -> Self {
		let chain = Chain { now: START, ..Chain::default() };
		let sides = [negotiator(buyer), negotiator(seller)];
		Self { sides, chain, wire: Vec::new(), asked: Vec::new(), done: Vec::new() }
	}

	pub fn side(&mut self, side: Side) -> &mut Negotiator {
		&mut self.sides[usize::from(side == Side::Seller)]
	}

	/// The buyer asks.
	pub fn open(&mut self) {
		let actions = self.side(Side::Buyer).open().unwrap();
		self.perform(Side::Buyer, actions);
	}

	pub fn perform(&mut self, side: Side, actions: Vec<Action>) {
		for action in actions {
			match &action {
				Action::Send(signed) => {
					self.wire.push((side.other(), signed.to_bytes().unwrap()));
					continue;
				},
				Action::Commit { offer, signature, transcript } => {
					self.chain.commit(offer, signature, *transcript);
				},
				Action::Withdraw { round } => self.chain.withdraw(side, *round),
				Action::Ask(question) => self.asked.push((side, question.clone())),
				_ => {},
			}
			self.done.push((side, action));
		}
	}

	pub fn handle(&mut self, side: Side, input: Input) -> Result<(), Rejection> {
		let actions = self.side(side).handle(input)?;
		self.perform(side, actions);
		Ok(())
	}

	/// A block: both learn what is on chain, then that it is final.
	pub fn block(&mut self) {
		self.chain.now += 1;
		let facts = std::mem::take(&mut self.chain.facts);
		for side in [Side::Buyer, Side::Seller] {
			for fact in &facts {
				self.handle(side, Input::Chain(fact.clone())).unwrap();
			}
			self.handle(side, Input::Tick(self.chain.now)).unwrap();
		}
	}

	/// Delivers everything in order, a block after each message, until nothing is under way.
	pub fn run(&mut self) {
		while !self.wire.is_empty() {
			let (to, bytes) = self.wire.remove(0);
			self.handle(to, Input::Message(bytes)).unwrap();
			self.block();
		}
	}

	pub fn outcome(&mut self, side: Side) -> Option<Outcome> {
		self.side(side).outcome().cloned()
	}

	/// The price that was agreed on, once both know; `None` when both know that there is none.
	pub fn deal(&mut self) -> Option<u128> {
		let [buyer, seller] = [Side::Buyer, Side::Seller].map(|side| self.outcome(side).unwrap());
		match self.chain.committed {
			Some(agreement) => {
				assert_eq!(buyer, Outcome::Agreed { agreement });
				assert_eq!(seller, Outcome::Agreed { agreement });
				let standing = self.sides[0].transcript().state().standing().unwrap();
				assert_eq!(standing.digest, agreement);
				standing.offer.total()
			},
			None => {
				for outcome in [&buyer, &seller] {
					assert!(!matches!(outcome, Outcome::Agreed { .. }), "{outcome:?}");
				}
				None
			},
		}
	}
}

/// A world in which the seller has made its first offer, of 2,000, which the buyer has not seen.
pub fn offered(buyer: Config, seller: Config) -> (World, Signed) {
	let mut world = World::new(buyer, seller);
	world.open();
	let (_, request) = world.wire.remove(0);
	world.handle(Side::Seller, Input::Message(request)).unwrap();
	let (_, offer) = world.wire.remove(0);
	(world, Signed::parse(&offer).unwrap())
}

/// Changes a message and signs it anew.
pub fn forged(signed: &Signed, key: &AgentKey, change: impl FnOnce(&mut Message)) -> Signed {
	let mut message = signed.message.clone();
	change(&mut message);
	Signed::sign(message, key).unwrap()
}

/// Changes the offer in a message and signs both anew.
pub fn reoffered(signed: &Signed, change: impl FnOnce(&mut Quote)) -> Signed {
	let key = AgentKey::from(self::key(signed.message.side));
	forged(signed, &key, |message| match &mut message.body {
		Body::Offer(quote) | Body::Counter(quote) => {
			change(quote);
			quote.signature = key.sign(&quote.offer.digest(&parties().domain()));
		},
		other => panic!("no offer: {other:?}"),
	})
}

pub fn rejection(world: &mut World, side: Side, signed: &Signed) -> Rejection {
	let before = world.side(side).kept();
	let rejection = world.handle(side, wire(signed)).unwrap_err();
	assert_eq!(world.side(side).kept(), before, "nothing changes");
	rejection
}
