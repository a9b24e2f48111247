//! The steps, and the bounds.
//!
//! # What is bounded
//!
//! * **The chain** pays no more than was signed for a lane, and no more than was locked; its own
//!   invariants hold.
//! * **The agent**, whatever the provider does: what it has signed on a channel is at most what it had
//!   answers for, plus what it allows to go unanswered, plus one price for each lane; the latter two once
//!   more for each time that its disk was put back.
//! * **The provider**, whatever the agent does: it is paid what it has served, less what a disk that was
//!   put back does not know of; as long as it or a tower that has its latest proofs is online once before
//!   anything that was announced takes effect.
//! * **Both being honest**: the provider is paid no more than it has served, but for calls that came to
//!   nothing when they might have been on its disk.
//! * **Service goes on**: when all wounds are dressed, and there is money and a channel, the next call is
//!   answered.

use crate::{
	agent::{voucher_key, Agent, Shown, MAX_PRICE, MAX_UNANSWERED, UNIT},
	books::Books,
	chain::{Chain, Event, Fate, Sight},
	disk::Health,
	input::Input,
	network::{Answer, Message, Network, Request},
	provider::Provider,
	watch::Watch,
};
use pallet_stoa_agents::Call as AgentsCall;
use pallet_stoa_channels::Call as ChannelsCall;
use pallet_stoa_credits::Call as CreditsCall;
use std::time::Duration;
use stoa_client::{
	agreement::{OpenTerms, SignedOpen},
	allowance::Allowance,
	chain::{At, ChainView, ChannelInfo, Phase},
	keys::{AccountKey, Scheme},
	payer::PayError,
};
use stoa_primitives::{
	agent::Manifest,
	channel::{Cap, ChannelId, Item, MIN_GRACE},
	keys::AgentSignature,
	payload::{Domain, Voucher},
	AccountId, AssetId, Balance, BlockNumber,
};
use stoa_runtime::{genesis_presets, Agents, Channels, Credits, FeeSplit, Referrals};

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
/// Kinds of steps.
const KINDS: usize = 32;
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
	chain: Chain,
	agent: Agent,
	provider: Provider,
	watch: Watch,
	network: Network,
	books: Books,
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
			let step = input.clone().below(KINDS);
			world.step(&mut input).await;
			if trace {
				eprintln!("step {step} at {}: {:?}", world.best(), world.books.0.values());
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
			agent: Agent::new(agent.clone(), chain.node(agent.account())),
			provider: Provider::new(provider.clone(), chain.node(provider.account()), ASSET),
			watch: Watch::new(chain.node(tower)),
			issued: chain.read(issuance),
			chain,
			network: Network::default(),
			books: Books::default(),
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
			let cap = input.chance(64).then_some(Cap { per_window: 6 * UNIT, window: 60 });
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

	/// One step.
	async fn step(&mut self, input: &mut Input<'_>) {
		match input.below(KINDS) {
			0..=5 => self.call(input).await,
			6..=12 => self.deliver(input).await,
			13 => self.network.lose(input),
			14 => self.agent.repeat(input.below(4), &mut self.books, &mut self.network),
			15 => self.agent.give_up(input.below(4)),
			16 | 17 => {
				let (nth, fails) = (input.below(8), input.chance(48));
				self.provider.work(nth, fails, &mut self.books, &mut self.network).await;
			},
			18 => self.settle(input).await,
			19 => drop(self.feed().await),
			20 => self.pass(input).await,
			21 | 22 => self.blocks(input).await,
			23 => self.pass_time(input).await,
			24 => self.fault(input).await,
			25 => self.restart().await,
			26 => self.change(input).await,
			27 => self.close(input).await,
			28 => {
				let id = self.channel(input);
				self.agent.sync(id).await;
			},
			29 => self.cheat(input).await,
			30 => {
				if input.chance(64) {
					self.open(input);
				}
			},
			_ => self.recover().await,
		}
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
					self.stand_watch(at).await;
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
	async fn stand_watch(&mut self, at: BlockNumber) {
		let closing =
			|id: &ChannelId| self.chain.channel(id).is_some_and(|info| info.phase != Phase::Open);
		let all_closing = self.agent.channels.iter().all(closing);
		self.watch.start();
		self.watch.node.set(Sight::default());
		self.chain.set_fate(Fate::Final);
		// A tower settles for channels that are being closed only.
		let trusted = all_closing && !self.provider.backup().is_empty() && self.feed().await;
		if !trusted {
			self.provider.set_disk(Health::Good);
			self.provider.node.set(Sight::default());
			self.provider.start().await;
			self.provider.work_all(&mut self.books, &mut self.network).await;
		}
		// Long enough that what failed before is tried again, and what was read before is read again.
		for _ in 0..3 {
			match trusted {
				true => self.watch.pass().await,
				false => self.provider.look().await,
			}
			self.chain.finalize(usize::MAX);
			self.go_to((self.best() + ROUND).min(at.saturating_sub(2))).await;
		}
		self.chain.finalize(usize::MAX);
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

	/// The agent changes its channel.
	async fn change(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		match input.below(6) {
			0 => {
				let key = voucher_key(self.keys);
				self.keys += 1;
				self.submit(ChannelsCall::rotate_key { id, key: key.key() });
				self.agent.keys.push(key.clone());
				if let Some(payer) = self.agent.payer() {
					payer.add_key(key);
				}
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
			3 if input.chance(96) => self.close_with_consent(id).await,
			_ => {},
		}
	}

	async fn close_with_consent(&mut self, id: ChannelId) {
		let Some(signed) = self.provider.consent(id, &mut self.books).await else { return };
		let (Ok(now), Ok(Some(info))) =
			(self.agent.node.block(At::Best).await, self.agent.node.channel(id, At::Best).await)
		else {
			return;
		};
		let agrees = |agent: &Agent| {
			let payer = agent.payer()?;
			payer.check_consent(&signed, &info, now).ok()
		};
		if self.honest.agent && agrees(&self.agent).is_none() {
			return;
		}
		let (total, expires) = (signed.consent.total, signed.consent.expires);
		let signature = AgentSignature::Account(signed.signature.clone());
		self.submit(ChannelsCall::close_with_consent { id, total, expires, signature });
	}

	async fn cheat(&mut self, input: &mut Input<'_>) {
		if !self.honest.agent {
			self.cheat_provider(input);
		}
		if !self.honest.provider {
			self.cheat_agent(input).await;
		}
	}

	/// The agent presents something that it should not.
	fn cheat_provider(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		let key = input.pick(&self.agent.keys);
		let price = UNIT * (1 + input.below(3) as Balance);
		let kept: Vec<Allowance> = self.provider.hoard.values().copied().collect();
		let proof: Allowance = match input.below(4) {
			// What was used before, for something else.
			0 | 1 if !kept.is_empty() => input.pick(&kept),
			_ => {
				let cumulative = UNIT * input.below(24) as Balance;
				let valid_until = if input.chance(64) { self.best() + 100 } else { 0 };
				let lane = input.below(4) as u32;
				let voucher = Voucher { channel: id, lane, cumulative, valid_until };
				key.sign_voucher(voucher, &self.domain()).into()
			},
		};
		self.books.signs(&proof);
		let hash = [input.byte(); 32];
		self.network.send(Message::Request(Request { call: u64::MAX, proof, price, hash }));
	}

	/// The provider takes or says something that it should not.
	async fn cheat_agent(&mut self, input: &mut Input<'_>) {
		let kept: Vec<Allowance> = self.provider.hoard.values().copied().collect();
		if kept.is_empty() {
			return;
		}
		match input.below(3) {
			// All that was ever signed, whether it was served or not.
			0 => {
				let items: Vec<Item> =
					kept.iter().map(|proof| proof.to_item(Balance::MAX)).collect();
				let items = items.try_into().expect("there are few lanes");
				let call = ChannelsCall::settle_batch { items };
				self.chain.submit(&self.provider.account.account(), call);
			},
			// That a call was paid for before.
			1 => {
				let answer = Answer::Used(Box::new(input.pick(&kept)));
				let call = u64::from(input.byte());
				self.network.send(Message::Answer(call, answer));
			},
			_ => self.network.lose(input),
		}
	}

	/// What must hold at any time.
	fn check(&mut self) {
		self.hear();
		for (id, account) in &self.books.0 {
			for (lane, paid) in &account.paid {
				let signed = account.signed.get(lane).copied().unwrap_or(0);
				// What is agreed to at a close is part of no lane.
				assert!(*paid <= signed, "lane {lane} was paid {paid} of {signed} signed");
			}
			if self.honest.agent {
				let signed: Balance = account.signed.values().sum();
				let lanes = account.signed.len() as Balance;
				let lost = MAX_UNANSWERED + lanes * MAX_PRICE;
				let bound = account.answered + (1 + self.agent.rollbacks) * lost;
				assert!(signed <= bound, "signed {signed}, bound {bound}: {account:?} of {id:?}");
			}
		}
	}

	/// Takes note of what has become final.
	fn hear(&mut self) {
		for (_, event) in self.chain.take_news() {
			match event {
				Event::Opened { id, deposit, .. } | Event::ToppedUp { id, deposit, .. } => {
					self.books.of(id).deposit = deposit;
				},
				Event::Claimed { id, lane, amount, .. } => {
					*self.books.of(id).paid.entry(lane).or_default() += amount;
				},
				Event::Closed { id, paid, refunded, .. } => {
					let account = self.books.of(id);
					assert_eq!(paid + refunded, account.deposit);
					assert_eq!(account.ended.replace(paid), None, "a channel ends once");
				},
				_ => {},
			}
		}
	}

	/// Dresses all wounds.
	async fn heal(&mut self) {
		self.chain.set_fate(Fate::Final);
		for node in [&self.agent.node, &self.provider.node, &self.watch.node] {
			node.set(Sight::default());
		}
		self.agent.set_disk(Health::Good);
		self.provider.set_disk(Health::Good);
		self.restart().await;
		self.provider.work_all(&mut self.books, &mut self.network).await;
		for message in self.network.drain() {
			self.arrive(message, false).await;
		}
		self.agent.give_up_all();
		self.network.drain();
		self.advance(3).await;
		self.chain.finalize(usize::MAX);
		for id in self.agent.channels.clone() {
			self.agent.sync(id).await;
		}
		tokio::time::advance(Duration::from_secs(120)).await;
	}

	/// With everybody well and honest, a channel that can be paid on is paid on.
	async fn expect_service(&mut self) {
		for id in self.agent.channels.clone() {
			if self.books.of(id).disowned {
				continue;
			}
			for lane in 0..3 {
				self.expect_answer(id, lane).await;
			}
		}
	}

	async fn expect_answer(&mut self, id: ChannelId, lane: u32) {
		let Some(info) = self.chain.channel(&id) else { return };
		let usable = info.phase == Phase::Open
			&& lane < u32::from(info.lanes)
			&& info.changes.revoked.iter().all(|(revoked, _)| *revoked != lane);
		if !usable {
			return;
		}
		let before = self.books.of(id).answered;
		let called = self.agent.call(id, lane, UNIT, false, &mut self.books, &mut self.network);
		match called.await {
			// Its own limits, each of which it has set itself.
			Err(PayError::Refused(_)) => return,
			Err(error) => panic!("{error}"),
			Ok(()) => {},
		}
		let mut last = None;
		for _ in 0..8 {
			for message in self.network.drain() {
				if let Message::Answer(_, answer) = &message {
					last = Some(answer.clone());
				}
				self.arrive(message, false).await;
			}
		}
		let served = self.books.of(id).answered > before;
		self.agent.give_up_all();
		if served {
			return;
		}
		let payee = self.provider.payee().expect("it is up");
		let record = payee.records(&id);
		let said = format!("{last:?}; the channel {info:?}; what was accepted {record:?}");
		let excused = self.is_excused(&id, &info, last.as_ref());
		assert!(excused, "a call was not answered: {said}");
	}

	/// Whether the provider has a reason not to answer that it has given.
	fn is_excused(&self, id: &ChannelId, info: &ChannelInfo, last: Option<&Answer>) -> bool {
		let account = &self.books.0[id];
		// It has agreed to a close that may still be made.
		account.consented.is_some()
			// The agent's word is taken up to its own limit.
			|| matches!(last, Some(Answer::Used(_)))
			// What is not settled is bounded by the tighter of two caps.
			|| info.cap.is_some()
			|| info.changes.cap.is_some()
			// Calls that an earlier life of the agent made are part of the deposit.
			|| account.signed.values().sum::<Balance>() + UNIT > info.deposit
	}

	/// All wounds are dressed, all channels are closed, and the bounds are checked.
	async fn end(mut self) {
		self.heal().await;
		if self.honest.agent && self.honest.provider {
			self.expect_service().await;
			self.check();
		}
		// Nothing that was announced may take effect without a watch.
		for id in self.agent.channels.clone() {
			self.submit(ChannelsCall::request_close { id });
		}
		self.advance(1).await;
		self.advance(MIN_GRACE + 2 * MARGIN).await;
		self.advance(2).await;
		self.chain.finalize(usize::MAX);
		self.check();
		self.judge();
		self.chain.read(|| {
			Agents::do_try_state().expect("agents");
			Credits::do_try_state().expect("credits");
			FeeSplit::do_try_state().expect("fee-split");
			Referrals::do_try_state().expect("referrals");
			Channels::do_try_state().expect("channels");
		});
		assert_eq!(self.chain.read(issuance), self.issued);
	}

	/// The bounds that hold when all is over.
	fn judge(&self) {
		for (id, account) in &self.books.0 {
			let Some(paid) = account.ended else {
				assert!(account.deposit == 0, "{id:?} has not ended: {account:?}");
				continue;
			};
			assert!(paid <= account.deposit);
			let lanes: Balance = account.paid.values().sum();
			assert!(paid <= lanes.max(account.consented.unwrap_or(0)), "{account:?}");
			if !self.honest.provider {
				continue;
			}
			assert!(paid <= account.served + account.phantom, "overpaid: {account:?}");
			if !account.disowned {
				assert!(paid + account.forgotten >= account.served, "lost: {account:?} of {id:?}");
			}
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
