//! A payer next to a payee that answers as it likes, over calls, corrections, settlements, rotations, crashes
//! and older copies of the store: what it can take without an answer is bounded.

use super::*;
use crate::keys::Scheme;
use proptest::prelude::*;

const LANES: u32 = 2;
const PRICE: Balance = 10;
const UNANSWERED: Balance = 25;
const DEPOSIT: Balance = 400;

/// What the payee does with a payment.
#[derive(Clone, Copy, Debug)]
enum Reply {
	/// Answers.
	Answer,
	/// Takes it, and its answer does not come.
	Lost,
	/// Never gets it.
	Unsent,
	/// Shows the highest proof that it has; the payment that follows is answered or not.
	Correct { answered: bool },
}

#[derive(Clone, Debug)]
enum Step {
	Call { lane: u32, price: Balance, ticks: bool, reply: Reply },
	Settle,
	Rotate,
	Restart,
	Crash,
	Copy,
	Rollback,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
	let reply = prop_oneof![
		3 => Just(Reply::Answer),
		3 => Just(Reply::Lost),
		1 => Just(Reply::Unsent),
		3 => any::<bool>().prop_map(|answered| Reply::Correct { answered }),
	];
	let step = prop_oneof![
		20 => (0..LANES, 1..=PRICE, any::<bool>(), reply)
			.prop_map(|(lane, price, ticks, reply)| Step::Call { lane, price, ticks, reply }),
		2 => Just(Step::Settle),
		1 => Just(Step::Rotate),
		1 => Just(Step::Restart),
		1 => Just(Step::Crash),
		1 => Just(Step::Copy),
		1 => Just(Step::Rollback),
	];
	prop::collection::vec(step, 1..60)
}

fn policy() -> Policy {
	Policy { max_unanswered: UNANSWERED, ..Policy::per_call(PRICE) }
}

struct World {
	payer: Option<Payer>,
	store: Arc<MemoryStore>,
	copy: Option<Arc<MemoryStore>>,
	chain: ChannelInfo,
	keys: u32,
	/// The highest proof that the payee has, on each lane.
	shown: Vec<Option<Allowance>>,
	/// What the payee has answered for.
	answered: Balance,
	rollbacks: Balance,
}

impl World {
	async fn new() -> Self {
		let lanes = LANES as u16;
		let chain = ChannelInfo {
			lanes,
			lane_settled: vec![0; LANES as usize],
			key: voucher_key(0).key(),
			..info(DEPOSIT)
		};
		let mut world = Self {
			payer: None,
			store: Arc::new(MemoryStore::default()),
			copy: None,
			chain,
			keys: 0,
			shown: vec![None; LANES as usize],
			answered: 0,
			rollbacks: 0,
		};
		world.start().await;
		world
	}

	async fn start(&mut self) {
		self.payer = None;
		let payer = Payer::new(self.store.clone(), GENESIS, policy()).unwrap();
		self.payer = Some(payer);
		self.read().await;
	}

	/// What a payer does when it starts or looks at the chain.
	async fn read(&self) {
		let key = voucher_key(self.keys);
		self.payer().add_channel(&self.chain, key).await.unwrap();
	}

	fn payer(&self) -> &Payer {
		self.payer.as_ref().unwrap()
	}

	fn take(&mut self, proof: &Allowance) {
		let shown = &mut self.shown[proof.lane().lane as usize];
		if shown.is_none_or(|shown| shown.amount() < proof.amount()) {
			*shown = Some(*proof);
		}
	}

	async fn call(&mut self, lane: u32, price: Balance, ticks: bool, reply: Reply) {
		let payer = self.payer().clone();
		let payment = match ticks {
			false => payer.pay(&CHANNEL, lane, price).await,
			true => payer.pay_tick(&CHANNEL, lane, price, TickTerms { value: 1, count: 64 }).await,
		};
		let payment = match payment {
			Ok(payment) => payment,
			Err(PayError::Refused(_)) => return,
			Err(other) => panic!("{other}"),
		};
		let key = voucher_key(self.keys).key();
		assert!(payment.proof().verify(&key, payer.domain()), "signed by a key that was replaced");
		match reply {
			Reply::Unsent => {},
			Reply::Lost => self.take(payment.proof()),
			Reply::Answer => self.answer(payment),
			Reply::Correct { answered } => {
				self.take(payment.proof());
				let Some(shown) = self.shown[lane as usize] else { return };
				match payment.correct(&shown).await {
					Ok(next) if answered => self.answer(next),
					Ok(next) => self.take(next.proof()),
					Err(PayError::Refused(_) | PayError::Unproven) => {},
					Err(other) => panic!("{other}"),
				}
			},
		}
	}

	fn answer(&mut self, payment: Payment) {
		self.take(payment.proof());
		self.answered += payment.price();
		payment.acknowledge();
	}

	/// The payee is paid all that it has.
	async fn settle(&mut self) {
		for (lane, shown) in (0u32..).zip(self.shown.clone()) {
			let settled = shown.map_or(0, |shown| shown.amount());
			if self.taken() <= DEPOSIT {
				self.chain.raise_lane(lane, settled);
			}
		}
		self.read().await;
	}

	async fn rotate(&mut self) {
		self.chain.changes.key = Some((self.chain.key, 1_000));
		self.keys += 1;
		self.chain.key = voucher_key(self.keys).key();
		self.read().await;
	}

	fn taken(&self) -> Balance {
		self.shown.iter().flatten().map(Allowance::amount).sum()
	}

	async fn step(&mut self, step: Step) {
		match step {
			Step::Call { lane, price, ticks, reply } => self.call(lane, price, ticks, reply).await,
			Step::Settle => self.settle().await,
			Step::Rotate => self.rotate().await,
			Step::Restart => self.start().await,
			Step::Crash => {
				self.store = copy(self.store.as_ref());
				self.start().await;
			},
			Step::Copy => self.copy = Some(copy(self.store.as_ref())),
			Step::Rollback => {
				if let Some(older) = self.copy.clone() {
					self.store = copy(older.as_ref());
					self.rollbacks += 1;
					self.start().await;
				}
			},
		}
	}

	fn check(&self) {
		// Each life of the records has what is under way, and what it takes the payee's word for.
		let lives = 1 + self.rollbacks;
		let bound = self.answered + (UNANSWERED + Balance::from(LANES) * PRICE) * lives;
		assert!(self.taken() <= bound, "{} of {bound}", self.taken());
		let channel = self.payer().channel(&CHANNEL).unwrap();
		if self.rollbacks == 0 {
			assert!(channel.signed <= DEPOSIT && self.taken() <= channel.signed);
		}
		let book = self.payer().book();
		for (lane, state) in &book.channels[&CHANNEL].lanes {
			assert!(state.in_flight() <= PRICE, "lane {lane}: {state:?}");
		}
	}
}

fn voucher_key(n: u32) -> VoucherKey {
	VoucherKey::from_uri(&format!("//Voucher{n}"), Scheme::Ed25519).unwrap()
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	#[test]
	fn a_payee_should_get_no_more_than_it_answers_for_and_the_limits(steps in steps()) {
		let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
		runtime.block_on(async {
			let mut world = World::new().await;
			for step in steps {
				world.step(step).await;
				world.check();
			}
		});
	}
}
