//! A payee that has gone away, a payer that closes, a network that drops and reorders, a node that
//! lags, and a tower that is restarted from what its disk had some time ago.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

/// What happens in one block.
#[derive(Clone, Debug)]
enum Step {
	/// The payer signs more on a lane, and the payee sends it to the tower.
	Pay { lane: u32, more: Balance },
	/// A message on its way to the tower is lost.
	Drop,
	/// Messages on their way overtake each other.
	Reorder,
	/// The tower gets what is on its way.
	Deliver,
	/// The tower's disk is copied.
	Snapshot,
	/// The tower starts anew with what the copy has.
	Restore,
	/// The node is so many blocks behind.
	Lag(u32),
	/// The node's view goes back as many blocks, as in a re-org.
	Back(u32),
	/// The next transaction of the tower is lost.
	LoseTransaction,
	/// The payee settles something itself.
	Settle { lane: u32, share: u8 },
	/// Blocks pass.
	Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
	prop_oneof![
		4 => (0..2u32, 1..30u128).prop_map(|(lane, more)| Step::Pay { lane, more }),
		1 => Just(Step::Drop),
		1 => Just(Step::Reorder),
		3 => Just(Step::Deliver),
		1 => Just(Step::Snapshot),
		1 => Just(Step::Restore),
		1 => (0..20u32).prop_map(Step::Lag),
		1 => (0..20u32).prop_map(Step::Back),
		1 => Just(Step::LoseTransaction),
		1 => (0..2u32, any::<u8>()).prop_map(|(lane, share)| Step::Settle { lane, share }),
		2 => (1..60u32).prop_map(Step::Wait),
	]
}

struct World {
	now: BlockNumber,
	/// The channel after each block from 0 to now; `None` once it has ended.
	history: Vec<Option<ChannelState>>,
	machine: Machine,
	snapshot: Vec<Held>,
	way: VecDeque<Item>,
	signed: [Balance; 2],
	lag: u32,
	back: u32,
	losing: u32,
	/// What the tower sends is in the block after the next.
	pool: Vec<Item>,
}

impl World {
	fn new(cap: Option<Cap>) -> Self {
		let state = ChannelState { cap: cap.map(CapState::new), ..open() };
		Self {
			now: 0,
			history: vec![Some(state)],
			machine: Machine::new(config()),
			snapshot: Vec::new(),
			way: VecDeque::new(),
			signed: [0; 2],
			lag: 0,
			back: 0,
			losing: 0,
			pool: Vec::new(),
		}
	}

	fn state(&self) -> Option<&ChannelState> {
		self.history.last().unwrap().as_ref()
	}

	fn kept(&self) -> Vec<Held> {
		(0..2).filter_map(|lane| self.machine.held(&id(1), lane).cloned()).collect()
	}

	/// What the tower's node shows.
	fn view(&self) -> (BlockNumber, Option<ChannelState>) {
		let number = self.now.saturating_sub(self.lag).saturating_sub(self.back);
		(number, self.history[number as usize].clone())
	}

	/// The chain's rules for one claim in block `at`. Returns whether it was paid.
	fn claim(&mut self, item: &Item, at: BlockNumber, by_payee: bool) -> bool {
		let Some(state) = self.history.last_mut().unwrap() else { return false };
		let lane = item.lane as usize;
		let take = item.capture.or(item.allowed()).unwrap();
		let more = take.saturating_sub(state.lane_settled[lane]);
		// Signed by the payer, and no more than that.
		assert!(item.allowed().unwrap() <= self.signed[lane] && take <= self.signed[lane]);
		assert!(by_payee || state.ends.is_some(), "the chain lets nobody else settle");
		let in_time = state.ends.is_none_or(|ends| at < ends);
		if !in_time || more == 0 || state.settled + more > state.deposit {
			return false;
		}
		if state.cap.as_mut().is_some_and(|cap| !cap.capture(at, more)) {
			return false;
		}
		state.settled += more;
		state.lane_settled[lane] = take;
		true
	}

	/// One block, and what the tower does after it.
	fn block(&mut self) {
		self.now += 1;
		let mut state = self.history.last().unwrap().clone();
		// Anybody finalizes a while after the grace period.
		if state.as_ref().is_some_and(|s| s.ends.is_some_and(|ends| self.now >= ends + 40)) {
			state = None;
		}
		self.history.push(state);
		for item in std::mem::take(&mut self.pool) {
			self.claim(&item, self.now, false);
		}
		let (number, view) = self.view();
		for seen in self.machine.to_look(number, 9) {
			let finalized = number.saturating_sub(5);
			let gone = self.machine.see(number, &seen, view.clone());
			if gone && self.history[finalized as usize].is_none() {
				self.machine.gone(finalized, &seen);
			}
		}
		loop {
			let batch = self.machine.due(number);
			if batch.is_empty() {
				break;
			}
			if let Some(state) = &view {
				let ends = state.ends.expect("only what is closing is settled");
				assert!(number + 1 < ends, "sent when the next block is too late");
				assert!(number >= ends - GRACE + GRACE / 4, "sent before the payee was absent");
			}
			match self.losing.checked_sub(1) {
				Some(left) => self.losing = left,
				None => self.pool.extend(batch),
			}
		}
		self.back = 0;
	}

	fn deliver(&mut self) {
		let (number, view) = self.view();
		let Some(state) = view else { return };
		while let Some(item) = self.way.pop_front() {
			offer(&mut self.machine, &state, number, item);
		}
	}

	fn step(&mut self, step: Step) {
		match step {
			Step::Pay { lane, more } => {
				let amount = &mut self.signed[lane as usize];
				*amount += more;
				self.way.push_back(voucher(1, lane, *amount));
			},
			Step::Drop => drop(self.way.pop_front()),
			Step::Reorder => self.way.make_contiguous().reverse(),
			Step::Deliver => self.deliver(),
			Step::Snapshot => self.snapshot = self.kept(),
			Step::Restore => {
				self.machine = Machine::new(config());
				for held in self.snapshot.clone() {
					self.machine.hold(held);
				}
			},
			Step::Lag(lag) => self.lag = lag,
			Step::Back(back) => self.back = back,
			Step::LoseTransaction => self.losing = (self.losing + 1).min(3),
			Step::Settle { lane, share } => {
				let most = self.signed[lane as usize];
				let take = most * Balance::from(share) / 255;
				let item = Item { capture: Some(take), ..voucher(1, lane, most) };
				self.claim(&item, self.now, true);
			},
			Step::Wait(blocks) => (0..blocks).for_each(|_| self.block()),
		}
		self.block();
	}

	fn request_close(&mut self) {
		let now = self.now;
		if let Some(state) = self.history.last_mut().unwrap() {
			state.ends = Some(now + GRACE);
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

	/// Whatever happened before and meanwhile: what the tower had on its disk when it was last started,
	/// or got since then, is settled before the end, as far as the deposit goes.
	#[test]
	fn what_the_tower_has_should_be_settled_before_the_end(
		before in prop::collection::vec(step(), 0..40),
		// They take no more than half of the grace period.
		after in prop::collection::vec(step(), 0..4),
		lag in 0..20u32,
	) {
		let mut world = World::new(None);
		before.into_iter().for_each(|step| world.step(step));
		world.request_close();
		after.into_iter().for_each(|step| world.step(step));
		world.lag = lag;
		let kept = world.kept();
		while world.state().is_some() {
			// Higher proofs still come.
			world.deliver();
			let more = world.kept();
			world.block();
			let ends = world.state().and_then(|state| state.ends).unwrap_or(0);
			if ends == world.now {
				let state = world.state().unwrap();
				for held in kept.iter().chain(&more) {
					let paid = state.lane_settled[held.item.lane as usize];
					prop_assert!(
						paid >= held.claim || state.settled == state.deposit,
						"{paid} of {} paid, {:?}", held.claim, state
					);
				}
			}
		}
		for _ in 0..100 {
			world.block();
		}
		// Nothing is kept of what is over.
		prop_assert_eq!(world.machine.counts(), (0, 0));
	}

	/// Under a cap the tower takes what the cap lets it, and goes on while it does.
	#[test]
	fn a_cap_should_be_used_up(
		before in prop::collection::vec(step(), 0..20), per_window in 1..40u128, window in 1..60u32,
	) {
		let mut world = World::new(Some(Cap { per_window, window }));
		before.into_iter().for_each(|step| world.step(step));
		world.request_close();
		(world.lag, world.losing) = (0, 0);
		let ends = world.state().unwrap().ends.unwrap();
		while world.now < ends {
			world.deliver();
			world.block();
		}
		let state = world.state().unwrap();
		for held in world.kept() {
			let paid = state.lane_settled[held.item.lane as usize];
			// From the slot on at least half of the grace period is left: so many windows, and in each
			// seven eighths of the cap in the long run.
			let least = Balance::from(GRACE / 2 / window / 2) * per_window;
			prop_assert!(
				paid >= held.claim || state.settled >= state.deposit.min(least),
				"{paid} of {} paid, {:?}", held.claim, state
			);
		}
	}
}
