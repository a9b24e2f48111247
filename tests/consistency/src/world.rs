//! The steps, and the bounds.
//!
//! # What is bounded
//!
//! * **The chain** pays no more than was signed for a lane, and no more than was locked; its own
//!   invariants hold.
//! * **The agent**, whatever the provider does: what it has signed on a channel is at most what it had
//!   answers for, plus what it allows to go unanswered, plus one price for each lane; the latter two once
//!   more for each time that its disk was put back.
//! * **The agent** pays no more at a close than what it has signed, whatever the provider wants.
//! * **The provider**, whatever the agent does: it is paid what it has served, less what a disk that was
//!   put back does not know of and what it has not read from the chain since; as long as it or a tower that has its latest proofs is online once before
//!   anything that was announced takes effect.
//! * **Both being honest**: the provider is paid no more than it has served, but for calls that came to
//!   nothing after they were written to its disk.
//! * **Service goes on**: when all wounds are dressed, and there is money and a channel, the next call is
//!   answered.

mod bounds;
mod cheats;
mod pressure;
mod temper;

use crate::{
	agent::{voucher_key, Agent, Shown, UNIT},
	books::Books,
	chain::{Chain, Fate, Sight},
	disk::Health,
	input::Input,
	network::{Message, Network},
	provider::Provider,
	watch::Watch,
};
use pallet_stoa_agents::Call as AgentsCall;
use pallet_stoa_channels::Call as ChannelsCall;
use pallet_stoa_credits::Call as CreditsCall;
use std::time::Duration;
use stoa_client::{
	agreement::{OpenTerms, SignedConsent, SignedOpen},
	chain::{ChannelInfo, Phase},
	keys::{AccountKey, Scheme, VoucherKey},
};
use stoa_primitives::{
	agent::Manifest,
	channel::{Cap, ChannelId, MIN_GRACE},
	keys::AgentSignature,
	payload::Domain,
	AccountId, AssetId, Balance, BlockNumber,
};
use stoa_runtime::{genesis_presets, Channels};
use temper::{Kind, Temper};

/// In what is paid.
const ASSET: AssetId = AssetId::WithId(genesis_presets::DUSD);
/// What channels are opened with: enough for all calls of a run, or soon too little.
const DEPOSITS: [Balance; 4] = [30 * UNIT, 5 * UNIT, 8 * UNIT, 15 * UNIT];
/// Most channels in one run.
const CHANNELS: usize = 3;
/// How many blocks before something takes effect the provider or its tower is online at the latest.
const MARGIN: BlockNumber = 200;
/// How many blocks are between two of its looks then.
const ROUND: BlockNumber = 64;
/// Most steps of a run, whatever the bytes.
const STEPS: usize = 400;

/// Who keeps to the rules.
#[derive(Clone, Copy, Debug)]
struct Honesty {
	agent: bool,
	provider: bool,
}

struct World {
	honest: Honesty,
	temper: Temper,
	chain: Chain,
	agent: Agent,
	provider: Provider,
	watch: Watch,
	network: Network,
	books: Books,
	/// Closes to which the provider has agreed and that were not made yet.
	agreed: Vec<SignedConsent>,
	/// Payments that were made up so far.
	tricks: u64,
	/// Voucher keys that were made so far.
	keys: usize,
	/// How much faster than the chain clocks run, in tenths.
	clock: u32,
	issued: (Balance, Balance),
}

/// Drives agent, provider, tower and chain by `bytes`. With `STOA_TRACE` set, says what happens.
///
/// # Panics
///
/// When a bound does not hold.
pub fn run(bytes: &[u8]) {
	let runtime = tokio::runtime::Builder::new_current_thread()
		.enable_time()
		.start_paused(true)
		.build()
		.expect("a runtime can be made");
	runtime.block_on(async {
		let mut input = Input::new(bytes);
		let mut world = World::new(&mut input).await;
		let trace = std::env::var_os("STOA_TRACE").is_some();
		for _ in 0..STEPS {
			if input.is_empty() {
				break;
			}
			let kind = world.step(&mut input).await;
			if trace {
				eprintln!("{kind:?} at {}: {:?}", world.best(), world.books.0.values());
			}
			world.check();
		}
		world.end().await;
	});
}

fn account(name: &str) -> AccountKey {
	AccountKey::from_uri(name, Scheme::Sr25519).expect("a good URI")
}

fn manifest() -> Manifest {
	Manifest { digest: [0; 32], uri: Default::default() }
}

/// Supply of the native token and of the asset.
fn issuance() -> (Balance, Balance) {
	use frame_support::traits::{fungible, fungibles};
	let native = <stoa_runtime::Balances as fungible::Inspect<AccountId>>::total_issuance();
	type Assets = stoa_runtime::Assets;
	(native, <Assets as fungibles::Inspect<AccountId>>::total_issuance(genesis_presets::DUSD))
}

impl World {
	async fn new(input: &mut Input<'_>) -> Self {
		let mode = input.byte();
		let honest = Honesty { agent: mode & 1 == 0, provider: mode & 2 == 0 };
		let clock = [10, 5, 20, 40][usize::from(mode >> 2 & 3)];
		let temper = Temper::new(mode >> 4);
		let ticks_wait = !temper.is_usual() && mode & 4 == 0;
		let chain = Chain::new();
		let (agent, provider) = (account("//Alice"), account("//Bob"));
		let tower = account("//Charlie").account();
		let deposit = CreditsCall::deposit {
			asset: ASSET,
			amount: 1_000 * UNIT,
			beneficiary: agent.account(),
		};
		chain.must(&agent.account(), deposit);
		let register = AgentsCall::register {
			agent: provider.account(),
			proof: None,
			manifest: manifest(),
			referral: None,
		};
		chain.must(&provider.account(), register);
		let mut world = Self {
			honest,
			temper,
			agent: Agent::new(agent.clone(), chain.node(agent.account())),
			provider: Provider::new(
				provider.clone(),
				chain.node(provider.account()),
				ASSET,
				ticks_wait,
			),
			watch: Watch::new(chain.node(tower)),
			issued: chain.read(issuance),
			chain,
			network: Network::default(),
			books: Books::default(),
			agreed: Vec::new(),
			tricks: 0,
			keys: 1,
			clock,
		};
		world.provider.start().await;
		world.open(input);
		world.chain.produce(1);
		world.chain.finalize(9);
		let id = world.agent.channels[0];
		world.agent.sync(id).await;
		world
	}

	fn domain(&self) -> Domain {
		Domain::channels(self.chain.genesis())
	}

	fn best(&self) -> BlockNumber {
		self.chain.best().number
	}

	/// The channel that a byte names.
	fn channel(&self, input: &mut Input<'_>) -> ChannelId {
		input.pick(&self.agent.channels)
	}

	/// Sends a transaction of the agent's, which is in some later block.
	fn submit(&self, call: ChannelsCall<stoa_runtime::Runtime>) {
		self.chain.submit(&self.agent.account.account(), call);
	}

	/// Opens a channel, by the agent's transaction or by the provider's with the agent's authorisation.
	fn open(&mut self, input: &mut Input<'_>) {
		if self.agent.channels.len() == CHANNELS {
			return;
		}
		let (payer, payee) = (self.agent.account.account(), self.provider.account.account());
		let nonce = self.chain.read(|| Channels::next_nonce(payer.clone(), payee.clone()));
		let key = self.agent.keys[self.agent.keys.len() - 1].key();
		let deposit = input.pick(&DEPOSITS);
		let terms = OpenTerms {
			payee: payee.clone(),
			asset: ASSET,
			deposit,
			key,
			grace: MIN_GRACE,
			nonce,
			expires: self.best() + 100,
		};
		let signed = SignedOpen::sign(terms, &self.agent.account, &self.domain());
		let id = signed.channel(&self.domain());
		if self.agent.channels.contains(&id) {
			return;
		}
		if input.chance(64) {
			let call = ChannelsCall::open_authorized {
				payer,
				asset: ASSET,
				deposit,
				key,
				grace: MIN_GRACE,
				nonce,
				expires: signed.auth.expires,
				signature: AgentSignature::Account(signed.signature),
			};
			self.chain.submit(&payee, call);
		} else {
			let fast = Cap { per_window: 6 * UNIT, window: 60 };
			let slow = Cap { per_window: 4 * UNIT, window: 1_000 };
			let cap = match self.temper.is_rushed() {
				true => input.pick(&[None, None, Some(fast), Some(slow)]),
				false => input.chance(64).then_some(fast),
			};
			let (grace, lanes) = (MIN_GRACE, 3);
			self.submit(ChannelsCall::open {
				payee,
				asset: ASSET,
				deposit,
				key,
				grace,
				lanes,
				cap,
			});
		}
		self.chain.watch(id);
		self.agent.channels.push(id);
	}

	/// One step. Returns of which kind it was.
	async fn step(&mut self, input: &mut Input<'_>) -> Kind {
		let kind = self.temper.next(input);
		match kind {
			Kind::Call => self.call(input).await,
			Kind::Deliver => self.deliver(input).await,
			Kind::Lose => self.network.lose(input),
			Kind::Repeat => self.agent.repeat(input.below(4), &mut self.books, &mut self.network),
			Kind::GiveUp => self.agent.give_up(input.below(4)),
			Kind::Work => {
				let (nth, fails) = (input.below(8), input.chance(48));
				self.provider.work(nth, fails, &mut self.books, &mut self.network).await;
			},
			Kind::Settle => self.settle(input).await,
			Kind::Feed => drop(self.feed().await),
			Kind::Pass => self.pass(input).await,
			Kind::Blocks => self.blocks(input).await,
			Kind::Time => self.pass_time(input).await,
			Kind::Fault => self.fault(input).await,
			Kind::Restart => self.restart().await,
			Kind::Change => self.change(input).await,
			Kind::Close => self.close(input).await,
			Kind::Sync => {
				let id = self.channel(input);
				self.agent.sync(id).await;
			},
			Kind::Cheat => self.cheat(input).await,
			Kind::Open => {
				if input.chance(64) {
					self.open(input);
				}
			},
			Kind::Recover => self.recover().await,
			Kind::Rush => self.rush(input).await,
			Kind::Trick => self.trick(input).await,
			Kind::Reboot => self.reboot(input).await,
			Kind::Agree => self.agree(input).await,
			Kind::Tighten => self.tighten(input),
			Kind::Hiccup => self.hiccup(input).await,
		}
		kind
	}

	async fn call(&mut self, input: &mut Input<'_>) {
		let (id, lane) = (self.channel(input), input.below(3) as u32);
		let price = UNIT * (1 + input.below(3) as Balance);
		let ticks = input.chance(96);
		// What is refused is checked at the end, when there is no reason for it.
		drop(self.agent.call(id, lane, price, ticks, &mut self.books, &mut self.network).await);
	}

	async fn deliver(&mut self, input: &mut Input<'_>) {
		let Some(message) = self.network.receive(input) else { return };
		let later = input.chance(112);
		self.arrive(message, later).await;
	}

	async fn arrive(&mut self, message: Message, later: bool) {
		match message {
			Message::Request(request) => {
				self.provider.take(request, later, &mut self.books, &mut self.network).await;
			},
			Message::Answer(call, answer) => {
				self.agent.take(call, answer, &mut self.books, &mut self.network).await;
			},
		}
	}

	fn fate(&self, input: &mut Input<'_>) {
		let fates = [
			Fate::Final,
			Fate::Final,
			Fate::Final,
			Fate::Refused,
			Fate::Lost,
			Fate::Pending,
			Fate::Unseen,
		];
		self.chain.set_fate(input.pick(&fates));
	}

	async fn settle(&mut self, input: &mut Input<'_>) {
		self.fate(input);
		match input.chance(128) {
			true => self.provider.settle().await,
			false => self.provider.look().await,
		}
		self.chain.set_fate(Fate::Final);
	}

	/// Gives the tower what is not settled. Returns whether it has all of it.
	async fn feed(&self) -> bool {
		let items = self.provider.backup();
		self.watch.feed(&self.provider.account.account(), &items).await
	}

	async fn pass(&mut self, input: &mut Input<'_>) {
		self.fate(input);
		self.watch.pass().await;
		self.chain.set_fate(Fate::Final);
	}

	async fn blocks(&mut self, input: &mut Input<'_>) {
		match input.below(8) {
			0..=3 => self.advance(1 + input.below(3) as BlockNumber).await,
			4 | 5 => self.chain.finalize(1 + input.below(4)),
			6 => self.chain.revert(1 + input.below(4)),
			_ => {
				if input.chance(64) {
					self.chain.drop_pool();
				}
			},
		}
	}

	async fn pass_time(&mut self, input: &mut Input<'_>) {
		let blocks = [5, 20, 60, 200, 300][input.below(5)];
		self.advance(blocks).await;
	}

	/// Lets blocks come. Before anything takes effect that was announced, the provider or its tower is
	/// online once.
	async fn advance(&mut self, blocks: BlockNumber) {
		let until = self.best() + blocks;
		while self.best() < until {
			match self.critical() {
				Some(at) if at <= until + MARGIN => {
					let before = at.saturating_sub(MARGIN).max(self.best());
					self.go_to(before).await;
					let online = self.stand_watch(at).await;
					if online && self.temper.is_ending() {
						self.last_calls(at, before).await;
					}
					// Nobody interferes between this and the moment itself.
					self.go_to(at.max(self.best() + 1)).await;
				},
				_ => self.go_to(until).await,
			}
		}
	}

	/// Makes one block of this number, and lets time pass for it.
	async fn go_to(&self, number: BlockNumber) {
		let gap = number.saturating_sub(self.best());
		if gap > 0 {
			self.chain.produce(gap);
			let time = Duration::from_millis(200) * gap * self.clock;
			tokio::time::advance(time).await;
		}
	}

	/// The next block in which something takes effect that could cost the provider what it has earned.
	fn critical(&self) -> Option<BlockNumber> {
		let now = self.best();
		let infos = self.agent.channels.iter().filter_map(|id| self.chain.channel(id));
		infos.flat_map(|info| effects(&info)).filter(|at| *at > now).min()
	}

	/// The provider is online and settles before block `at`, or a tower that has all of its proofs does.
	/// Returns whether it was the provider.
	async fn stand_watch(&mut self, at: BlockNumber) -> bool {
		let closing =
			|id: &ChannelId| self.chain.channel(id).is_some_and(|info| info.phase != Phase::Open);
		let all_closing = self.agent.channels.iter().all(closing);
		self.watch.start();
		self.watch.node.set(Sight::default());
		self.chain.set_fate(Fate::Final);
		// A tower settles for channels that are being closed only.
		let trusted = all_closing
			&& !self.provider.is_serving()
			&& !self.provider.backup().is_empty()
			&& self.feed().await;
		if !trusted {
			self.provider.set_disk(Health::Good);
			self.provider.node.set(Sight::default());
			self.provider.start().await;
			self.provider.work_all(&mut self.books, &mut self.network).await;
		}
		// Long enough that what failed before is tried again, and what was read before is read again.
		for round in 0..3 {
			// Of what is sent first not all need arrive.
			if round == 0 && self.temper.is_ending() {
				let fates = [Fate::Final, Fate::Lost, Fate::Refused, Fate::Pending];
				self.chain.set_fate(fates[at as usize % fates.len()]);
			}
			match trusted {
				true => self.watch.pass().await,
				false => self.provider.look().await,
			}
			self.chain.set_fate(Fate::Final);
			self.chain.finalize(usize::MAX);
			self.go_to((self.best() + ROUND).min(at.saturating_sub(2))).await;
		}
		self.chain.finalize(usize::MAX);
		!trusted
	}

	async fn fault(&mut self, input: &mut Input<'_>) {
		let health = [Health::Good, Health::Full, Health::Lying][input.below(3)];
		let sight = Sight { lag: input.below(6), down: input.chance(64) };
		let back = if input.chance(96) { 1 + input.below(6) } else { 0 };
		match input.below(8) {
			0 => self.agent.crash(back),
			1 => self.provider.crash(back, &mut self.books),
			2 => self.watch.crash(),
			3 => self.agent.set_disk(health),
			4 => self.provider.set_disk(health),
			5 => self.agent.node.set(sight),
			6 => self.provider.node.set(sight),
			_ => self.watch.node.set(sight),
		}
	}

	async fn restart(&mut self) {
		self.agent.start();
		self.provider.start().await;
		self.watch.start();
	}

	async fn recover(&mut self) {
		let shown = Shown(self.provider.shown(&self.agent.channels));
		self.agent.recover(&shown).await;
	}

	/// A voucher key that the agent has from now on.
	fn new_key(&mut self) -> VoucherKey {
		let key = voucher_key(self.keys);
		self.keys += 1;
		self.agent.keys.push(key.clone());
		if let Some(payer) = self.agent.payer() {
			payer.add_key(key.clone());
		}
		key
	}

	/// The agent changes its channel.
	async fn change(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		match input.below(6) {
			0 => {
				let key = self.new_key();
				self.submit(ChannelsCall::rotate_key { id, key: key.key() });
			},
			1 => {
				let per_window = UNIT * [2, 4, 8, 100][input.below(4)];
				let window = [1, 7, 20, 90][input.below(4)];
				let cap = input.chance(192).then_some(Cap { per_window, window });
				self.submit(ChannelsCall::set_cap { id, cap });
			},
			2 => {
				let lane = input.below(3) as u32;
				if input.chance(96) {
					self.submit(ChannelsCall::revoke_lane { id, lane });
				}
			},
			_ => {
				let amount = UNIT * (1 + input.below(10) as Balance);
				self.submit(ChannelsCall::top_up { id, amount });
			},
		}
	}

	/// Somebody wants to end a channel, or not any more.
	async fn close(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		match input.below(6) {
			0 => self.submit(ChannelsCall::request_close { id }),
			1 | 2 => self.submit(ChannelsCall::cancel_close { id }),
			3 if input.chance(96) => {
				if let Some(signed) = self.provider.consent(id, &mut self.books).await {
					self.use_consent(signed).await;
				}
			},
			_ => {},
		}
	}
}

/// The blocks in which something takes effect that was announced.
fn effects(info: &ChannelInfo) -> Vec<BlockNumber> {
	let ends = match info.phase {
		Phase::Open => None,
		Phase::Closing { ends } => Some(ends),
	};
	let key = info.changes.key.map(|(_, until)| until);
	let cap = info.changes.cap.map(|(_, from)| from);
	let revoked = info.changes.revoked.iter().map(|(_, from)| *from);
	ends.into_iter().chain(key).chain(cap).chain(revoked).collect()
}
