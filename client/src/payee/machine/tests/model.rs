//! The machine next to a plain model of payee and chain, over several lanes, with vouchers and ticks,
//! caps, rotations and revocations: nothing is accepted that the rules forbid, and all that is accepted can
//! be settled, as the chain settles.

use super::*;
use crate::{
	chain::fake::settle_item,
	payee::ticks::{TickPayment, TickVerdict},
	ticks::{SignedCommit, TickChain},
};
use stoa_primitives::{
	channel::{Cap, CapState, DEFAULT_GRACE},
	payload::TickCommit,
};

const LANES: u32 = 3;

#[derive(Clone, Debug)]
enum Step {
	Voucher { lane: u32, above: Balance, price: Balance, old_key: bool },
	Tick { lane: u32, ahead: u32, price: Balance },
	Flush,
	Revert,
	Settle,
	TopUp(Balance),
	Wait(BlockNumber),
	SetCap(Cap),
	Rotate,
	Revoke(u32),
	Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
	let step = prop_oneof![
		8 => (0..LANES, 0u128..20, 0u128..12, any::<bool>()).prop_map(
			|(lane, above, price, old_key)| Step::Voucher { lane, above, price, old_key }
		),
		8 => (0..LANES, 0u32..4, 0u128..12)
			.prop_map(|(lane, ahead, price)| Step::Tick { lane, ahead, price }),
		3 => Just(Step::Flush),
		1 => Just(Step::Revert),
		2 => Just(Step::Settle),
		2 => (0u128..40).prop_map(Step::TopUp),
		2 => (1u32..700).prop_map(Step::Wait),
		1 => (1u128..60, 1u32..50)
			.prop_map(|(per_window, window)| Step::SetCap(Cap { per_window, window })),
		1 => Just(Step::Rotate),
		1 => (0..LANES).prop_map(Step::Revoke),
		1 => Just(Step::Restart),
	];
	prop::collection::vec(step, 1..70)
}

/// What is accepted and earned on a lane, durably or not.
#[derive(Clone, Copy, Debug, Default)]
struct Account {
	accepted: Balance,
	earned: Balance,
}

struct World {
	chain: ChannelInfo,
	now: BlockNumber,
	keys: Vec<VoucherKey>,
	machine: Machine,
	lanes: [Account; 3],
	durable: [Account; 3],
	stored: Vec<Option<Record>>,
	open: Vec<Option<(TickChain, SignedCommit, VoucherKey, u32)>>,
	roots: Vec<(stoa_primitives::tick::Tick, [u8; 32])>,
}

impl World {
	fn new() -> Self {
		let lanes = LANES as u16;
		let chain = ChannelInfo { lanes, lane_settled: vec![0; 3], ..info(60) };
		let machine = Machine::new(rules(), Domain::channels(GENESIS));
		let open = (0..LANES).map(|_| None).collect();
		let (lanes, durable) = Default::default();
		let (stored, keys, roots) = (vec![None; 3], vec![key()], Vec::new());
		let mut world = Self { chain, now: 1, keys, machine, lanes, durable, stored, open, roots };
		world.sync();
		world
	}

	fn sync(&mut self) {
		let chain = self.chain.clone();
		self.machine.sync(ID, self.now, self.now, Some(chain.clone()), Some(&chain));
		self.machine.trust(&ID, u64::MAX);
	}

	fn floor(&self, lane: u32) -> Balance {
		self.lanes[lane as usize].accepted.max(self.chain.settled_on(lane))
	}

	fn headroom(&self) -> Balance {
		let recent = self.chain.cap.as_ref().map(|cap| cap.recent.clone()).unwrap_or_default();
		let waiting = self.chain.changes.cap.and_then(|(cap, _)| cap);
		let waiting = waiting.map(|cap| CapState { cap, recent });
		let caps = self.chain.cap.iter().chain(&waiting);
		caps.map(|cap| cap.headroom(self.now)).min().unwrap_or(Balance::MAX)
	}

	/// Whether a lane may rise to `amount`, for `price`, signed by `key`.
	fn fits(&self, lane: u32, amount: Balance, price: Balance, key: &VoucherKey) -> bool {
		let floor = self.floor(lane);
		let total: Balance = (0..LANES).map(|lane| self.floor(lane)).sum();
		let total = total - floor + amount;
		let retired = self.chain.changes.key.filter(|(_, until)| *until >= self.now + 100);
		let signs = key.key() == self.chain.key || retired.is_some_and(|(old, _)| old == key.key());
		signs
			&& amount >= floor + price
			&& amount > floor
			&& total <= self.chain.deposit
			&& total - self.chain.settled <= self.headroom()
			&& !self.chain.changes.revoked.iter().any(|(revoked, _)| *revoked == lane)
	}

	fn accept(&mut self, lane: u32, amount: Balance, price: Balance) {
		let settled = self.chain.settled_on(lane);
		let account = &mut self.lanes[lane as usize];
		*account = Account { accepted: amount, earned: account.earned.max(settled) + price };
	}

	fn flush(&mut self) {
		let flush = self.machine.to_flush();
		for record in &flush.records {
			self.stored[record.proof.lane().lane as usize] = Some(record.clone());
		}
		self.roots.extend(flush.roots.iter().map(|(_, root, digest)| (*root, *digest)));
		self.machine.flushed(flush);
		self.durable = self.lanes;
	}

	fn voucher(&mut self, lane: u32, above: Balance, price: Balance, old_key: bool) {
		self.flush();
		let at = if old_key { self.keys.len().saturating_sub(2) } else { self.keys.len() - 1 };
		let key = self.keys[at].clone();
		let cumulative = self.floor(lane) + above;
		let voucher = Voucher { channel: ID, lane, cumulative, valid_until: 0 };
		let signed = key.sign_voucher(voucher, &Domain::channels(GENESIS));
		match self.machine.assess(&signed, price, &[0; 32], self.now) {
			Assessment::Fresh(record) => {
				assert!(self.fits(lane, cumulative, price, &key));
				assert!(self.machine.hold(&LaneKey { channel: ID, lane }, cumulative));
				assert!(self.machine.apply(record.clone()));
				self.machine.release(&LaneKey { channel: ID, lane });
				self.stored[lane as usize] = Some(record);
				self.accept(lane, cumulative, price);
				self.durable = self.lanes;
			},
			Assessment::Replay { .. } => assert_eq!(above, 0),
			Assessment::Rejected(rejection) => {
				assert!(!self.fits(lane, cumulative, price, &key), "{rejection}");
			},
			Assessment::NotSynced => panic!("was synced"),
		}
	}

	fn tick(&mut self, lane: u32, ahead: u32, price: Balance) {
		if self.open[lane as usize].is_none() {
			self.flush();
			let (chain, key) = (TickChain::random(40).0, self.keys.last().unwrap().clone());
			let commit = TickCommit {
				channel: ID,
				lane,
				base: self.floor(lane),
				value: 3,
				count: 40,
				prefix: chain.prefix(),
				root: chain.root(),
				valid_until: 0,
			};
			let signed = SignedCommit::sign(commit, &key, &Domain::channels(GENESIS));
			let first = signed.amount(1).unwrap();
			match self.machine.assess_commit(&signed, self.now) {
				Ok(Some(opening)) => {
					let opened = self.machine.open_commit(&opening, &key.key(), self.now);
					assert_eq!(opened, Ok(true));
					self.open[lane as usize] = Some((chain, signed, key, 0));
				},
				Ok(None) => panic!("was synced"),
				Err(rejection) => assert!(!self.fits(lane, first, 0, &key), "{rejection}"),
			}
		}
		let Some((chain, signed, key, last)) = &self.open[lane as usize] else { return };
		let (index, key, last) = (last + ahead, key.clone(), *last);
		let (Some(tick), Some(amount)) = (chain.tick(index), signed.amount(index)) else {
			self.open[lane as usize] = None;
			return;
		};
		let at = LaneKey { channel: ID, lane };
		let payment = TickPayment { at, index, tick, price, request: [0; 32] };
		let mut verdicts = Vec::new();
		self.machine.accept_ticks(&[payment], self.now, 0, &mut verdicts);
		match verdicts.remove(0) {
			TickVerdict::Fresh => {
				assert!(index > last && self.fits(lane, amount, price, &key));
				self.accept(lane, amount, price);
				if let Some((_, _, _, last)) = &mut self.open[lane as usize] {
					*last = index;
				}
			},
			TickVerdict::Replay { .. } => assert_eq!(index, last),
			TickVerdict::Rejected(rejection) => {
				assert!(index <= last || !self.fits(lane, amount, price, &key), "{rejection}");
				if !self.fits(lane, amount, price, &key) {
					// The next one is of a new commitment, by the key of that time.
					self.open[lane as usize] = None;
				}
			},
			other => panic!("{other:?}"),
		}
	}

	/// Everything that the machine says can be paid is paid by the chain.
	fn settle(&mut self) {
		let domain = Domain::channels(GENESIS);
		self.now += 1;
		self.pass();
		for claim in self.machine.payable(self.now - 1) {
			let outcome = settle_item(&mut self.chain, &claim.item, &domain, self.now);
			if claim.ends.is_none_or(|ends| ends > self.now) {
				assert_eq!(outcome, Ok(claim.amount), "{claim:?}");
			}
			let settled = self.chain.settled_on(claim.item.lane);
			assert!(settled <= self.durable[claim.item.lane as usize].earned);
		}
		self.sync();
	}

	/// What the chain does as blocks go by.
	fn pass(&mut self) {
		let changes = &mut self.chain.changes;
		if let Some((cap, _)) = changes.cap.filter(|(_, from)| *from <= self.now) {
			changes.cap = None;
			let recent = self.chain.cap.take().map(|cap| cap.recent).unwrap_or_default();
			self.chain.cap = cap.map(|cap| CapState { cap, recent });
		}
		changes.key = changes.key.filter(|(_, until)| self.now < *until);
	}

	fn set_cap(&mut self, cap: Cap) {
		match &mut self.chain.cap {
			Some(state) if cap.is_looser_than(&state.cap) => {
				state.cap = cap;
				self.chain.changes.cap = None;
			},
			_ => self.chain.changes.cap = Some((Some(cap), self.now + DEFAULT_GRACE)),
		}
	}

	fn rotate(&mut self) {
		if self.chain.changes.key.is_none() {
			let next = VoucherKey::from_uri(&format!("//Key{}", self.keys.len()), Scheme::Ed25519);
			self.chain.changes.key = Some((self.chain.key, self.now + DEFAULT_GRACE));
			self.keys.push(next.unwrap());
			self.chain.key = self.keys.last().unwrap().key();
		}
	}

	fn restart(&mut self) {
		self.machine = Machine::new(rules(), Domain::channels(GENESIS));
		for record in self.stored.iter().flatten() {
			self.machine.restore(record.clone(), Some(1));
		}
		for (root, digest) in &self.roots {
			self.machine.restore_root(ID, *root, *digest);
		}
		self.lanes = self.durable;
		self.open = (0..LANES).map(|_| None).collect();
	}

	fn step(&mut self, step: Step) {
		match step {
			Step::Voucher { lane, above, price, old_key } => {
				self.voucher(lane, above, price, old_key);
			},
			Step::Tick { lane, ahead, price } => self.tick(lane, ahead, price),
			Step::Flush => self.flush(),
			Step::Revert => {
				self.machine.revert();
				self.lanes = self.durable;
				self.open = (0..LANES).map(|_| None).collect();
			},
			Step::Settle => self.settle(),
			Step::TopUp(amount) => self.chain.deposit += amount,
			Step::Wait(blocks) => self.now += blocks,
			Step::SetCap(cap) => self.set_cap(cap),
			Step::Rotate => self.rotate(),
			Step::Revoke(lane) => {
				let known = &mut self.chain.changes.revoked;
				if !known.iter().any(|(revoked, _)| *revoked == lane) {
					known.push((lane, self.now + DEFAULT_GRACE));
				}
			},
			Step::Restart => self.restart(),
		}
		self.pass();
		self.sync();
	}

	/// The sums are within the deposit, and the machine tells what is owed to the unit.
	fn check(&self) {
		let total: Balance = (0..LANES).map(|lane| self.floor(lane)).sum();
		assert!(total <= self.chain.deposit);
		let owed = (0..LANES).map(|lane| {
			let earned = self.durable[lane as usize].earned;
			earned.saturating_sub(self.chain.settled_on(lane))
		});
		let claims: Balance = self.machine.unsettled(self.now).iter().map(|one| one.amount).sum();
		assert_eq!(claims, owed.sum::<Balance>());
		let payable: Balance = self.machine.payable(self.now).iter().map(|one| one.amount).sum();
		assert!(payable <= claims);
	}
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

	#[test]
	fn all_that_is_accepted_should_be_allowed_and_settled(steps in steps()) {
		let mut world = World::new();
		for step in steps {
			world.step(step);
			world.check();
		}
	}
}
