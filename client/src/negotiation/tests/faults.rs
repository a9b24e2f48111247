//! Two machines that are told the truth late, twice, in another order, or not at all, and that are killed in between,
//! never disagree about the deal.

use super::*;
use proptest::prelude::{
	any, prop, prop_assert, prop_oneof, proptest, Just, ProptestConfig, Strategy as _,
};

/// What happens next. Numbers choose among what there is.
#[derive(Clone, Debug)]
enum Event {
	Deliver(usize),
	Repeat(usize),
	Drop(usize),
	Block,
	Restart(Side),
	Decide(Side, Decision),
	/// Bytes that somebody has changed on the way.
	Garble(usize, usize, u8),
}

fn side() -> impl proptest::strategy::Strategy<Value = Side> {
	prop_oneof![Just(Side::Buyer), Just(Side::Seller)]
}

fn decision() -> impl proptest::strategy::Strategy<Value = Decision> {
	prop_oneof![
		4 => Just(Decision::Approve),
		1 => Just(Decision::Refuse),
		1 => (900u128..2_100, any::<bool>())
			.prop_map(|(price, last)| Decision::Counter { proposal: proposal(price), last }),
	]
}

fn event() -> impl proptest::strategy::Strategy<Value = Event> {
	prop_oneof![
		8 => any::<usize>().prop_map(Event::Deliver),
		3 => any::<usize>().prop_map(Event::Repeat),
		2 => any::<usize>().prop_map(Event::Drop),
		4 => Just(Event::Block),
		1 => side().prop_map(Event::Restart),
		2 => (side(), decision()).prop_map(|(side, decision)| Event::Decide(side, decision)),
		1 => (any::<usize>(), any::<usize>(), 1..255u8)
			.prop_map(|(n, at, by)| Event::Garble(n, at, by)),
	]
}

fn configs() -> impl proptest::strategy::Strategy<Value = (Config, Config)> {
	let shape = || (1u32..6, 1u32..6).prop_map(|(n, d)| Shape { numerator: n, denominator: d });
	let no_deal = || {
		prop_oneof![Just(NoDeal::Abort), Just(NoDeal::Escalate), Just(NoDeal::Post { after: 9 })]
	};
	let part = || (shape(), no_deal(), 1u32..6, proptest::option::of(1_000u128..1_600));
	(1_200u128..1_800, 1_200u128..1_800, part(), part()).prop_map(|(most, least, b, s)| {
		let make = |side, aim, limit, (shape, no_deal, rounds, threshold)| {
			let range = range(side, aim, limit);
			let strategy = Arc::new(TimeDependent { range, start: 0, shape });
			Config {
				no_deal,
				rounds,
				threshold,
				validity: 60,
				margin: 3,
				deadline: START + 200,
				..config(side, strategy)
			}
		};
		(make(Side::Buyer, 1_000, most, b), make(Side::Seller, 2_000, least, s))
	})
}

/// What must be the same after a restart.
fn core(negotiator: &Negotiator) -> (Kept, Option<Question>) {
	(negotiator.kept(), negotiator.question().cloned())
}

/// Reads back what was kept, through a store.
fn restarted(negotiator: &Negotiator, now: BlockNumber) -> Negotiator {
	use crate::store::{MemoryStore, Store};
	let store = MemoryStore::default();
	store.commit(&rows::writes(&negotiator.kept(), 0).unwrap()).unwrap();
	let kept = load(&store, &negotiator.transcript().key()).unwrap().unwrap();
	Negotiator::restore(negotiator.config().clone(), kept, now).unwrap()
}

impl World {
	fn input(&mut self, side: Side, input: Input) {
		let before = core(self.side(side));
		if self.handle(side, input).is_err() {
			assert_eq!(core(self.side(side)), before, "what is rejected changes nothing");
		}
	}

	fn happen(&mut self, event: Event) {
		let count = self.wire.len();
		let pick = |n: usize| (count > 0).then(|| n % count.max(1));
		match event {
			Event::Deliver(n) => {
				let Some(n) = pick(n) else { return };
				let (to, bytes) = self.wire.remove(n);
				self.input(to, Input::Message(bytes));
			},
			Event::Repeat(n) => {
				let Some(n) = pick(n) else { return };
				let (to, bytes) = self.wire[n].clone();
				self.input(to, Input::Message(bytes));
			},
			Event::Drop(n) => {
				let Some(n) = pick(n) else { return };
				self.wire.remove(n);
			},
			Event::Garble(n, at, by) => {
				let Some(n) = pick(n) else { return };
				let (to, mut bytes) = self.wire[n].clone();
				let at = at % bytes.len();
				bytes[at] = bytes[at].wrapping_add(by);
				let before = core(self.side(to));
				assert!(self.handle(to, Input::Message(bytes)).is_err(), "nobody has signed that");
				assert_eq!(core(self.side(to)), before);
			},
			Event::Block => self.block(),
			Event::Restart(side) => {
				let now = self.chain.now;
				let after = restarted(self.side(side), now);
				assert_eq!(core(&after), core(self.side(side)));
				*self.side(side) = after;
			},
			Event::Decide(side, decision) => self.input(side, Input::Decision(decision)),
		}
	}

	/// Lets time pass until nothing can change any more.
	fn finish(&mut self) {
		for _ in 0..400 {
			self.block();
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(200))]

	#[test]
	fn two_sides_should_never_disagree_about_the_deal(
		(buyer, seller) in configs(), events in prop::collection::vec(event(), 0..120),
		withdraw in proptest::option::weighted(0.1, (side(), 0..120usize)),
	) {
		let mut world = World::new(buyer, seller);
		world.open();
		for (at, event) in events.into_iter().enumerate() {
			if let Some((side, _)) = withdraw.filter(|(_, when)| *when == at) {
				world.input(side, Input::Decision(Decision::Withdraw));
			}
			world.happen(event);
		}
		world.finish();
		// Both know, and know the same as the chain.
		let price = world.deal();
		if let Some(price) = price {
			let decided = |side| world.asked.iter().any(|(who, _)| *who == side);
			let [buyer, seller] = &world.sides;
			prop_assert!(decided(Side::Buyer) || price <= buyer.config().strategy.range().limit().price);
			prop_assert!(decided(Side::Seller) || price >= seller.config().strategy.range().limit().price);
		}
		// Neither has anything that the other has not said.
		let [a, b] = [0, 1].map(|side: usize| world.sides[side].transcript().clone());
		let short = a.messages().len().min(b.messages().len());
		prop_assert!(a.messages().take(short).eq(b.messages().take(short)));
	}

}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(60))]

	/// As long as messages arrive in the end, what is lost, doubled or out of order on the way costs no deal.
	#[test]
	fn a_deal_should_survive_a_bad_way(
		events in prop::collection::vec(event(), 0..60), most in 1_400u128..1_800,
	) {
		let buyer = config(Side::Buyer, linear(Side::Buyer, 1_000, most));
		let mut world = World::new(buyer, seller());
		world.open();
		for event in events {
			match event {
				Event::Decide(..) => {},
				// Offers last for hundreds of blocks, and these are sixty at most.
				event => world.happen(event),
			}
		}
		for _ in 0..400 {
			let under_way = std::mem::take(&mut world.wire);
			for (to, bytes) in under_way {
				world.input(to, Input::Message(bytes));
			}
			world.block();
		}
		prop_assert!(world.deal().is_some());
	}
}
