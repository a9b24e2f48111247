//! What agents say to each other before they agree.
//!
//! The first byte says what the others are: a message on the wire, terms, an exported transcript, or a message
//! without its signature, which is signed by the seller and brought to a buyer that has asked for an offer.

use crate::{bytes::Source, chain, sample};
use std::{cell::Cell, sync::Arc};
use stoa_client::{
	keys::{AccountKey, AgentKey, Scheme},
	negotiation::{
		canonical, Action, Body, Config, Delivery, FixedRule, Input, LineItem, Message, Negotiator,
		PanelPlan, Part, Parties, Plan, PlanLimits, PlanRule, Proposal, Quantity, Range,
		ServiceLevel, Signed, Terms, Transcript, MAX_MESSAGE_LEN, MILLION, TERMS_VERSION,
	},
};
use stoa_primitives::agreement::Side;

thread_local! {
	/// How many inputs were taken: they must get as far as that.
	static REACHED: Cell<usize> = const { Cell::new(0) };
	static BUYER: Negotiator = asked().0;
}

fn reached() {
	REACHED.set(REACHED.get() + 1);
}

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let mut source = Source::new(bytes);
	match source.byte() % 4 {
		0 => wire(source.rest()),
		1 => terms(source.rest()),
		2 => transcript(source.rest()),
		_ => heard(source.rest()),
	}
}

/// What is read is written as it was.
fn wire(bytes: &[u8]) {
	if let Ok(signed) = Signed::parse(bytes) {
		assert_eq!(signed.to_bytes().as_deref(), Ok(bytes));
		let _ = signed.verify(|_| true);
		reached();
	}
}

fn terms(bytes: &[u8]) {
	if let Ok(terms) = Terms::parse(bytes) {
		assert_eq!(terms.to_bytes().as_deref(), Ok(bytes));
		reached();
	}
}

/// What is good is good when it is written again.
fn transcript(bytes: &[u8]) {
	if let Ok(transcript) = Transcript::verify(bytes, |_, _, _| true) {
		let export = transcript.export().expect("what was read can be written");
		assert_eq!(Transcript::verify(&export, |_, _, _| true), Ok(transcript));
		reached();
	}
}

/// What is rejected changes nothing; what is taken leads to something to do, and comes back from what is kept.
fn heard(bytes: &[u8]) {
	let Ok(message) = canonical::from_bytes::<Message>(bytes, MAX_MESSAGE_LEN) else { return };
	let Ok(signed) = Signed::sign(message, &key(Side::Seller).into()) else { return };
	let bytes = signed.to_bytes().expect("it was signed as it is written");
	let mut buyer = BUYER.with(Clone::clone);
	let before = buyer.kept();
	match buyer.handle(Input::Message(bytes)) {
		Err(_) => assert_eq!(buyer.kept(), before),
		Ok(_) => {
			let kept = buyer.kept();
			let again = Negotiator::restore(buyer.config().clone(), kept.clone(), chain::NOW);
			let again = again.expect("what was kept is the same negotiation");
			assert_eq!((again.kept(), again.question()), (kept, buyer.question()));
			reached();
		},
	}
}

fn key(side: Side) -> AccountKey {
	// Seeds, as those are quick to read.
	let seed = match side {
		Side::Buyer => "0x0101010101010101010101010101010101010101010101010101010101010101",
		Side::Seller => "0x0202020202020202020202020202020202020202020202020202020202020202",
	};
	AccountKey::from_uri(seed, Scheme::Ed25519).expect("a seed")
}

/// A plan of one milestone, and its terms.
pub(crate) fn plan() -> (Plan, Terms) {
	let part = Part {
		share_ppm: MILLION,
		within_ppm: MILLION,
		review: 20,
		rework: 0,
		changes: 0,
		penalty_ppm: 0,
		locked: false,
	};
	let panel = PanelPlan { arbiters: Vec::new(), fee: 0, turn: 0, fallback_ppm: 0 };
	let plan = Plan { asset: chain::ASSET, milestones: vec![part], bond_ppm: 0, panel };
	let text = || String::from("a");
	let item = LineItem {
		name: text(),
		description: None,
		quantity: Quantity::whole(1).expect("it is above 0"),
		unit: text(),
	};
	let terms = Terms {
		version: TERMS_VERSION,
		title: text(),
		items: vec![item],
		delivery: vec![Delivery { what: text(), how: text(), acceptance: text() }],
		sla: ServiceLevel::default(),
		penalties: Vec::new(),
	};
	(plan, terms)
}

/// A side that begins with `aim` and ends with `limit`.
pub(crate) fn config(side: Side, aim: u128, limit: u128) -> Config {
	let parties = Parties {
		genesis: sample::GENESIS,
		negotiation: [1; 32],
		buyer: key(Side::Buyer).account(),
		seller: key(Side::Seller).account(),
	};
	let proposal = |price| Proposal { price, time: 100, quality: 0 };
	let range = Range::new(side, proposal(aim), proposal(limit)).expect("a range");
	let (plan, terms) = plan();
	let rule = match side {
		Side::Buyer => PlanRule::Own { plan, terms },
		Side::Seller => PlanRule::Theirs(PlanLimits {
			assets: vec![chain::ASSET],
			items: None,
			what: None,
			how: None,
			acceptance: None,
			availability_ppm: 0,
			latency_p95_ms: None,
			milestones: 1,
			within_ppm: 0,
			ahead_ppm: MILLION,
			bond_ppm: 0..=0,
			penalty_ppm: 0..=0,
			review: 0..=100,
			rework: 0..=0,
			changes: 0..=0,
			locked: false,
			arbiters: Vec::new(),
			least_arbiters: 0,
			turn: 0..=0,
			fee: 0,
			fallback_ppm: 0..=MILLION,
		}),
	};
	let (signer, strategy) = (AgentKey::from(key(side)), FixedRule { range, step: 200_000 });
	let deadline = chain::NOW + 1_000;
	Config::new(&parties, side, signer, rule, Arc::new(strategy), deadline)
}

fn sent(actions: Vec<Action>) -> Signed {
	let sent = actions.into_iter().find_map(|action| match action {
		Action::Send(signed) => Some(*signed),
		_ => None,
	});
	sent.expect("something is said")
}

/// A buyer that has asked for an offer, and its request.
fn asked() -> (Negotiator, Signed) {
	let buyer = Negotiator::new(config(Side::Buyer, 1_000, 1_500), chain::NOW);
	let mut buyer = buyer.expect("it makes sense");
	let request = sent(buyer.open().expect("nothing was said"));
	(buyer, request)
}

fn input(kind: u8, bytes: &[u8]) -> Vec<u8> {
	[&[kind], bytes].concat()
}

/// One of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
	let (mut buyer, request) = asked();
	let seller = Negotiator::new(config(Side::Seller, 2_000, 1_400), chain::NOW);
	let mut seller = seller.expect("it makes sense");
	let mut said = vec![request];
	// In turn, until one of them has taken what the other offers.
	while !matches!(said.last().map(|last| &last.message.body), Some(Body::Accept { .. })) {
		let last = said.last().expect("there is one");
		let bytes = last.to_bytes().expect("it can be written");
		let next = match last.message.side {
			Side::Buyer => &mut seller,
			Side::Seller => &mut buyer,
		};
		said.push(sent(next.handle(Input::Message(bytes)).expect("it follows")));
	}
	// Whoever has taken it has the whole transcript.
	let whole = match said.last().map(|last| last.message.side) {
		Some(Side::Seller) => seller.transcript(),
		_ => buyer.transcript(),
	};
	let mut out: Vec<_> =
		said.iter().map(|it| input(0, &it.to_bytes().expect("it can be written"))).collect();
	let (_, terms) = plan();
	out.push(input(1, &terms.to_bytes().expect("they are short")));
	out.push(input(2, &whole.export().expect("it can be written")));
	let offer = canonical::to_bytes(&said[1].message).expect("it can be written");
	out.push(input(3, &offer));
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn seeds_should_be_taken() {
		REACHED.set(0);
		let seeds = seeds();
		for seed in &seeds {
			run(seed);
		}
		assert_eq!(REACHED.take(), seeds.len());
	}
}
