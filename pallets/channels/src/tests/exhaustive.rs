//! All sequences of a few steps, on the smallest channel in which everything can happen: two lanes, a
//! deposit of three, two keys. What can go wrong with few parties mostly goes wrong in few steps.

use super::*;
use codec::Encode;
use frame_support::storage::{with_storage_layer, with_transaction};
use sp_runtime::TransactionOutcome;
use std::collections::HashMap;
use stoa_primitives::BlockNumber;

/// Steps of a sequence.
const DEPTH: u32 = 5;
const DEPOSIT: Balance = 3;
const CAP: Cap = Cap { per_window: 1, window: MIN_GRACE };

/// Which key, lane and amount.
type Promise = (usize, u32, Balance);

#[derive(Clone, Copy, Debug)]
enum Step {
	Settle(Promise),
	Close(Option<Promise>),
	RequestClose,
	CancelClose,
	Finalize,
	Rotate,
	SetCap(Option<Cap>),
	RevokeLane,
	TopUp,
	Wait(BlockNumber),
}

const STEPS: [Step; 17] = [
	Step::Settle((0, 0, 1)),
	Step::Settle((0, 0, 3)),
	Step::Settle((0, 1, 1)),
	Step::Settle((1, 0, 2)),
	Step::Settle((1, 1, 2)),
	Step::Close(None),
	Step::Close(Some((0, 0, 2))),
	Step::RequestClose,
	Step::CancelClose,
	Step::Finalize,
	Step::Rotate,
	Step::SetCap(Some(CAP)),
	Step::SetCap(None),
	Step::RevokeLane,
	Step::TopUp,
	Step::Wait(1),
	Step::Wait(MIN_GRACE - 1),
];

/// What must be remembered to judge a state.
#[derive(Clone, Default, Encode)]
struct Ghost {
	now: BlockNumber,
	deposit: Balance,
	lanes: [Balance; 2],
	requested: Option<BlockNumber>,
	rotated: Option<BlockNumber>,
	revoked: Option<BlockNumber>,
	/// The cap that was asked for last, if it is not lifted, and when.
	cap: Option<BlockNumber>,
	captured: Vec<(BlockNumber, Balance)>,
}

struct Search {
	id: ChannelId,
	items: HashMap<Promise, Item>,
	/// States by digest, with the number of steps that were tried from there.
	seen: HashMap<Vec<u8>, u32>,
}

impl Search {
	fn new() -> Self {
		let id = open_with(&PAYER, &PAYEE, DEPOSIT, 2, None);
		let signers = Signer::all();
		let mut items = HashMap::new();
		for key in [0, 1] {
			for lane in [0, 1] {
				for cumulative in 1..=DEPOSIT + Balance::from(DEPTH) {
					let voucher = Voucher { lane, ..voucher(id, cumulative) };
					let signature = signers[key].sign(&voucher.to_bytes(&domain()));
					items.insert((key, lane, cumulative), item_with(voucher, signature));
				}
			}
		}
		Self { id, items, seen: HashMap::new() }
	}

	fn dispatch(&self, step: Step) -> Result<(), DispatchError> {
		let id = self.id;
		match step {
			Step::Settle(promise) => settle_all(PAYEE, vec![self.items[&promise]]),
			Step::Close(last) => close_with(PAYEE, id, last.map(|last| self.items[&last])),
			Step::RequestClose => Channels::request_close(signed(PAYER), id),
			Step::CancelClose => Channels::cancel_close(signed(PAYER), id),
			Step::Finalize => finalize(vec![id]).map(|_| ()).map_err(|error| error.error),
			Step::Rotate => Channels::rotate_key(signed(PAYER), id, Signer::all()[1].key()),
			Step::SetCap(cap) => Channels::set_cap(signed(PAYER), id, cap),
			Step::RevokeLane => Channels::revoke_lane(signed(PAYER), id, 1),
			Step::TopUp => Channels::top_up(signed(PAYER), id, 1),
			Step::Wait(blocks) => {
				run_to(System::block_number() + blocks);
				Ok(())
			},
		}
	}

	/// Everything that can follow `before` in `depth` steps.
	fn explore(&mut self, before: &Ghost, depth: u32) {
		for step in STEPS {
			let _: Result<(), DispatchError> = with_transaction(|| {
				System::reset_events();
				let mut ghost = before.clone();
				if with_storage_layer(|| self.dispatch(step)).is_ok() {
					ghost.take(step);
					let known = self.seen.insert(self.state(&ghost), depth);
					if known.is_none() {
						self.check(&ghost);
					}
					if known.is_none_or(|known| known < depth) {
						if depth > 1 && view_of(self.id).is_some() {
							self.explore(&ghost, depth - 1);
						}
					} else {
						self.seen.insert(self.state(&ghost), known.unwrap_or_default());
					}
				}
				TransactionOutcome::Rollback(Ok(()))
			});
		}
	}

	/// All that tells states apart.
	fn state(&self, ghost: &Ghost) -> Vec<u8> {
		let rows = (
			crate::Channels::<Test>::get(self.id),
			Lanes::<Test>::get(self.id),
			Waiting::<Test>::get(self.id),
			Due::<Test>::iter_keys().collect::<Vec<_>>(),
		);
		(rows, ghost).encode()
	}

	fn check(&self, ghost: &Ghost) {
		Channels::do_try_state().unwrap();
		let paid: Balance = ghost.lanes.iter().sum();
		let paid_out: Balance =
			[PAYEE, PLATFORM, REFERRERS].iter().map(|who| free(who, &USD)).sum();
		assert_eq!(paid_out, paid);
		let Some(view) = view_of(self.id) else {
			// The rest has gone back, and nothing is paid any more.
			assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS - paid, 0));
			assert!(self.items.values().take(2).all(|item| !self.pays(*item)));
			return;
		};
		assert_eq!((view.deposit, view.lane_settled), (ghost.deposit, ghost.lanes.to_vec()));
		assert_eq!(free(&PAYER, &USD) + view.deposit, CREDITS);
		// A grace period ends when it has to, whatever happens meanwhile.
		assert_eq!(view.ends, ghost.requested.map(|block| block + MIN_GRACE));
		let left = view.cap.map_or(Balance::MAX, |cap| cap.headroom(ghost.now));
		let ends = ghost.ends();
		for (lane, watermark) in (0..).zip(ghost.lanes) {
			for key in [0, 1] {
				let valid = match (key, ghost.rotated) {
					(0, Some(block)) => ghost.now < block + MIN_GRACE,
					(1, None) => false,
					_ => true,
				};
				let revoked = ghost
					.revoked
					.filter(|_| lane == 1)
					.is_some_and(|block| block + MIN_GRACE <= ghost.now);
				let expected = valid
					&& !revoked && left > 0
					&& paid < view.deposit
					&& ends.is_none_or(|ends| ghost.now < ends);
				let item = self.items[&(key, lane, watermark + 1)];
				assert_eq!(self.pays(item), expected, "key {key} on lane {lane}");
			}
		}
	}

	/// Whether the payee would be paid for an item now.
	fn pays(&self, item: Item) -> bool {
		frame_support::hypothetically!(settle_all(PAYEE, vec![item]).is_ok())
	}
}

fn view_of(id: ChannelId) -> Option<ChannelView> {
	Channels::channel(id)
}

impl Ghost {
	fn ends(&self) -> Option<BlockNumber> {
		self.requested.map(|block| block + MIN_GRACE)
	}

	/// A step that the chain has taken.
	fn take(&mut self, step: Step) {
		match step {
			Step::Settle(promise) | Step::Close(Some(promise)) => self.pay(promise),
			Step::Close(None) => (),
			Step::RequestClose => self.requested = Some(self.now),
			Step::CancelClose => {
				assert!(self.ends().is_some_and(|ends| self.now < ends));
				self.requested = None;
			},
			Step::Finalize => assert!(self.ends().is_some_and(|ends| ends <= self.now)),
			Step::Rotate => {
				// Once: the first key is never the next.
				assert_eq!(self.rotated, None);
				self.rotated = Some(self.now);
			},
			// Asked for again, it holds at once if it holds already, else a grace period from now.
			Step::SetCap(Some(_)) if self.cap_holds() => (),
			Step::SetCap(cap) => self.cap = cap.map(|_| self.now),
			Step::RevokeLane => self.revoked = Some(self.now),
			Step::TopUp => self.deposit += 1,
			Step::Wait(blocks) => self.now += blocks,
		}
	}

	fn cap_holds(&self) -> bool {
		self.cap.is_some_and(|asked| asked + MIN_GRACE <= self.now)
	}

	fn pay(&mut self, (key, lane, amount): Promise) {
		assert!(self.ends().is_none_or(|ends| self.now < ends), "the grace period is over");
		let valid = match self.rotated {
			Some(block) => key == 1 || self.now < block + MIN_GRACE,
			None => key == 0,
		};
		assert!(valid, "the key is not valid");
		let watermark = &mut self.lanes[lane as usize];
		assert!(amount > *watermark, "a watermark falls");
		let paid = amount - *watermark;
		*watermark = amount;
		assert!(self.lanes.iter().sum::<Balance>() <= self.deposit);
		self.captured.push((self.now, paid));
		if let Some(from) = self.cap.map(|asked| asked + MIN_GRACE).filter(|_| self.cap_holds()) {
			// A first cap counts from the block in which it holds.
			let first = (self.now + 1).saturating_sub(CAP.window).max(from);
			let recent = self.captured.iter().filter(|(at, _)| *at >= first);
			assert!(recent.map(|(_, amount)| amount).sum::<Balance>() <= CAP.per_window);
		}
	}
}

#[test]
fn every_short_sequence_should_keep_what_is_promised() {
	build_and_execute(|| {
		let mut search = Search::new();
		let start = Ghost { now: 1, deposit: DEPOSIT, ..Default::default() };
		search.explore(&start, DEPTH);
		assert!(search.seen.len() > 1_000, "{}", search.seen.len());
	});
}
