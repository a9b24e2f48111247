//! A chain with forks: the real runtime, run block by block, and nodes that show more or less of it.

use futures::{future::BoxFuture, FutureExt};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;
use sp_io::TestExternalities;
use sp_runtime::{traits::Dispatchable, DispatchError};
use std::{
	collections::{BTreeMap, HashMap},
	sync::{Arc, Mutex, MutexGuard, OnceLock},
};
use stoa_client::chain::{
	At, BlockRef, ChainError, ChainView, Changes, ChannelInfo, Claim, DispatchFailure, PayeeChain,
	PayerChain, Phase, SettleOutcome, Skip, Submitted,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	AccountId, Balance, BlockNumber,
};
use stoa_runtime::{genesis_presets, RuntimeCall, RuntimeEvent, RuntimeOrigin, System};
use stoa_tower::chain::{Block as TowerBlock, ChainFailure, TowerChain};
use stoa_tower::channel::ChannelState;

/// An event of the channels.
pub type Event = pallet_stoa_channels::Event<stoa_runtime::Runtime>;

/// The state of a block.
type State = sp_state_machine::InMemoryBackend<sp_core::Blake2Hasher>;

/// For how many blocks a transaction is valid.
const MORTALITY: BlockNumber = 64;

/// The largest gap between two blocks that can be taken back.
const MAX_GAP: BlockNumber = 3;

/// What becomes of the next transaction that somebody waits for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Fate {
	/// It is in the next block, which is final soon, and the sender hears of it.
	#[default]
	Final,
	/// The node refuses it.
	Refused,
	/// It gets lost, and the sender does not know.
	Lost,
	/// It waits in the pool, and the sender does not know.
	Pending,
	/// It is in the next block, and the sender does not know.
	Unseen,
}

/// A transaction.
#[derive(Clone, Debug)]
struct Transaction {
	number: u64,
	by: AccountId,
	call: RuntimeCall,
	/// Last block that may have it.
	until: BlockNumber,
}

/// What a transaction did.
type Outcome = Result<Vec<Event>, DispatchError>;

/// What a block shows to who reads it.
#[derive(Clone, Default)]
struct View {
	channels: HashMap<ChannelId, ChannelInfo>,
}

struct Block {
	at: BlockRef,
	state: State,
	transactions: Vec<(Transaction, Outcome)>,
	/// What happened without a transaction.
	idle: Vec<Event>,
}

struct Inner {
	genesis: H256,
	ext: TestExternalities,
	/// The best chain.
	blocks: Vec<Block>,
	/// Place of the last final block in it.
	finalized: usize,
	/// Every block that ever was, also if it was reverted.
	views: HashMap<H256, (BlockRef, Arc<View>)>,
	/// Channels that somebody has asked to be shown.
	watched: Vec<ChannelId>,
	pool: Vec<Transaction>,
	sent: u64,
	fate: Fate,
	/// Events of final blocks that nobody has taken yet.
	news: Vec<(BlockNumber, Event)>,
}

/// The chain. Cheap to clone.
#[derive(Clone)]
pub struct Chain(Arc<Mutex<Inner>>);

/// The state of the preset `development`.
fn genesis() -> TestExternalities {
	static STORAGE: OnceLock<sp_runtime::Storage> = OnceLock::new();
	let preset = || genesis_presets::storage("development").expect("the preset builds");
	STORAGE.get_or_init(preset).clone().into()
}

fn info(id: ChannelId, view: pallet_stoa_channels::ChannelView) -> ChannelInfo {
	ChannelInfo {
		id,
		payer: view.payer,
		payee: view.payee,
		asset: view.asset,
		key: view.key,
		deposit: view.deposit,
		settled: view.settled,
		lanes: view.lane_settled.len() as u16,
		lane_settled: view.lane_settled,
		grace: view.grace,
		phase: view.ends.map_or(Phase::Open, |ends| Phase::Closing { ends }),
		cap: view.cap,
		changes: Changes {
			key: view.changes.key,
			cap: view.changes.cap,
			revoked: view.changes.revoked.into_inner(),
		},
		schedule: view.schedule,
		nonce: view.nonce,
	}
}

fn take_events() -> Vec<Event> {
	let events = System::events().into_iter().filter_map(|record| match record.event {
		RuntimeEvent::Channels(event) => Some(event),
		_ => None,
	});
	let events = events.collect();
	System::reset_events();
	events
}

impl Inner {
	fn tip(&self) -> &Block {
		self.blocks.last().expect("there is a genesis block")
	}

	/// Makes a block `gap` numbers after the last one, of `transactions`.
	fn produce(&mut self, gap: BlockNumber, transactions: Vec<Transaction>) {
		let parent = self.tip().at;
		let number = parent.number + gap.max(1);
		let (outcomes, idle) = self.ext.execute_with(|| {
			System::set_block_number(number);
			System::reset_events();
			let run = |transaction: Transaction| {
				let origin = RuntimeOrigin::signed(transaction.by.clone());
				let result = transaction.call.clone().dispatch(origin);
				let events = take_events();
				(transaction, result.map(|_| events).map_err(|failed| failed.error))
			};
			let outcomes: Vec<_> = transactions.into_iter().map(run).collect();
			use frame_support::traits::Hooks;
			stoa_runtime::Channels::on_idle(number, frame_support::weights::Weight::MAX);
			(outcomes, take_events())
		});
		let unique = [parent.hash.as_bytes(), &self.views.len().to_le_bytes()].concat();
		let at = BlockRef { number, hash: H256(blake2_256(&unique)) };
		self.seal(at, outcomes, idle);
	}

	fn seal(&mut self, at: BlockRef, transactions: Vec<(Transaction, Outcome)>, idle: Vec<Event>) {
		let watched = self.watched.clone();
		let channels = self.ext.execute_with(|| {
			let read = |id: ChannelId| Some((id, info(id, stoa_runtime::Channels::channel(id)?)));
			watched.into_iter().filter_map(read).collect()
		});
		self.ext.commit_all().expect("no transaction of the storage is open");
		let state = self.ext.backend.clone();
		self.views.insert(at.hash, (at, Arc::new(View { channels })));
		self.blocks.push(Block { at, state, transactions, idle });
	}

	/// Takes the transactions out of the pool that the next block may have.
	fn take_pool(&mut self) -> Vec<Transaction> {
		let next = self.tip().at.number + 1;
		let pool = std::mem::take(&mut self.pool);
		pool.into_iter().filter(|transaction| transaction.until >= next).collect()
	}

	fn finalize(&mut self, place: usize) {
		let place = place.min(self.blocks.len() - 1);
		for block in &self.blocks[self.finalized + 1..=place.max(self.finalized)] {
			let done = block.transactions.iter().filter_map(|(_, outcome)| outcome.as_ref().ok());
			let events = done.flatten().chain(&block.idle).cloned();
			self.news.extend(events.map(|event| (block.at.number, event)));
		}
		self.finalized = self.finalized.max(place);
	}

	/// Takes back the last `depth` blocks, no final one among them, and none that stands for many: no
	/// chain takes back so much. Their transactions are in the pool again.
	fn revert(&mut self, depth: usize) {
		let mut pairs = self.blocks.windows(2);
		let leap = pairs.rposition(|pair| pair[1].at.number - pair[0].at.number > MAX_GAP);
		let keep = self.finalized.max(leap.map_or(0, |place| place + 1)) + 1;
		let keep = keep.max(self.blocks.len().saturating_sub(depth));
		let reverted: Vec<_> = self.blocks.drain(keep..).collect();
		let transactions = reverted.into_iter().flat_map(|block| block.transactions);
		let mut pool: Vec<_> = transactions.map(|(transaction, _)| transaction).collect();
		pool.append(&mut self.pool);
		self.pool = pool;
		self.ext.backend = self.tip().state.clone();
	}

	fn submit(&mut self, by: AccountId, call: RuntimeCall) -> u64 {
		let until = self.tip().at.number + MORTALITY;
		self.sent += 1;
		self.pool.push(Transaction { number: self.sent, by, call, until });
		self.sent
	}

	fn outcome(&self, number: u64) -> Option<(BlockRef, Outcome)> {
		self.blocks.iter().rev().find_map(|block| {
			let mut found = block.transactions.iter();
			let (_, outcome) = found.find(|(transaction, _)| transaction.number == number)?;
			Some((block.at, outcome.clone()))
		})
	}
}

impl Chain {
	/// A chain of two blocks, the last of which is final.
	pub fn new() -> Self {
		let mut ext = genesis();
		let genesis = ext.execute_with(|| System::block_hash(0));
		let at = BlockRef { number: 0, hash: genesis };
		let mut inner = Inner {
			genesis,
			ext,
			blocks: Vec::new(),
			finalized: 0,
			views: HashMap::new(),
			watched: Vec::new(),
			pool: Vec::new(),
			sent: 0,
			fate: Fate::Final,
			news: Vec::new(),
		};
		inner.seal(at, Vec::new(), Vec::new());
		inner.produce(1, Vec::new());
		inner.finalize(1);
		Self(Arc::new(Mutex::new(inner)))
	}

	fn inner(&self) -> MutexGuard<'_, Inner> {
		self.0.lock().expect("nothing panics while it holds the lock")
	}

	/// A node that follows the chain, and the account whose transactions it is given.
	pub fn node(&self, account: AccountId) -> Node {
		Node { chain: self.clone(), account, sight: Arc::default() }
	}

	/// The hash of block 0.
	pub fn genesis(&self) -> H256 {
		self.inner().genesis
	}

	/// The best block.
	pub fn best(&self) -> BlockRef {
		self.inner().tip().at
	}

	/// What becomes of the next transaction that somebody waits for; those after it are final.
	pub fn set_fate(&self, fate: Fate) {
		self.inner().fate = fate;
	}

	/// Gives the node a transaction, and waits for nothing.
	pub fn submit(&self, by: &AccountId, call: impl Into<RuntimeCall>) {
		self.inner().submit(by.clone(), call.into());
	}

	/// Makes a block of what is in the pool, `gap` numbers after the last one.
	pub fn produce(&self, gap: BlockNumber) {
		let mut inner = self.inner();
		let transactions = inner.take_pool();
		inner.produce(gap, transactions);
	}

	/// Forgets what is in the pool.
	pub fn drop_pool(&self) {
		self.inner().pool.clear();
	}

	/// Finalizes `count` more blocks.
	pub fn finalize(&self, count: usize) {
		let mut inner = self.inner();
		let place = inner.finalized.saturating_add(count);
		inner.finalize(place);
	}

	/// Takes back up to `depth` blocks that are not final.
	pub fn revert(&self, depth: usize) {
		self.inner().revert(depth);
	}

	/// Makes a block of a transaction alone, which must succeed, and finalizes all.
	pub fn must(&self, by: &AccountId, call: impl Into<RuntimeCall>) {
		let mut inner = self.inner();
		let number = inner.submit(by.clone(), call.into());
		let transactions = inner.take_pool();
		inner.produce(1, transactions);
		inner.finalize(usize::MAX);
		let (_, outcome) = inner.outcome(number).expect("it was in the pool");
		outcome.expect("it succeeds");
	}

	/// Shows a channel in all blocks from now on.
	pub fn watch(&self, id: ChannelId) {
		let mut inner = self.inner();
		if !inner.watched.contains(&id) {
			inner.watched.push(id);
		}
	}

	/// A channel at the best block.
	pub fn channel(&self, id: &ChannelId) -> Option<ChannelInfo> {
		let inner = self.inner();
		inner.views[&inner.tip().at.hash].1.channels.get(id).cloned()
	}

	/// Looks at the state of the best block.
	pub fn read<T>(&self, read: impl FnOnce() -> T) -> T {
		self.inner().ext.execute_with(read)
	}

	/// The events of blocks that have become final since the last time.
	pub fn take_news(&self) -> Vec<(BlockNumber, Event)> {
		std::mem::take(&mut self.inner().news)
	}
}

impl Default for Chain {
	fn default() -> Self {
		Self::new()
	}
}

/// How much of the chain a node shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sight {
	/// How many blocks it is behind.
	pub lag: usize,
	/// Whether it does not answer.
	pub down: bool,
}

/// Somebody's node.
#[derive(Clone)]
pub struct Node {
	chain: Chain,
	account: AccountId,
	sight: Arc<Mutex<Sight>>,
}

impl Node {
	/// How much it shows from now on.
	pub fn set(&self, sight: Sight) {
		*self.sight.lock().expect("nothing panics while it holds the lock") = sight;
	}

	fn sight(&self) -> Result<Sight, ChainError> {
		let sight = *self.sight.lock().expect("nothing panics while it holds the lock");
		match sight.down {
			true => Err(ChainError::Rpc { reason: "connection refused".into() }),
			false => Ok(sight),
		}
	}

	fn at(&self, at: At) -> Result<(BlockRef, Arc<View>), ChainError> {
		let lag = self.sight()?.lag;
		let inner = self.chain.inner();
		let best = (inner.blocks.len() - 1).saturating_sub(lag).max(1);
		let hash = match at {
			At::Best => inner.blocks[best].at.hash,
			At::Finalized => inner.blocks[inner.finalized.min(best)].at.hash,
			At::Hash(hash) => hash,
		};
		let found = inner.views.get(&hash).cloned();
		found.ok_or_else(|| ChainError::NotFound { what: format!("block {hash:?}") })
	}

	/// Sends a transaction and waits until it is final.
	fn send(&self, call: impl Into<RuntimeCall>) -> Result<(BlockRef, Vec<Event>), ChainError> {
		self.sight()?;
		let mut inner = self.chain.inner();
		let unknown = |reason: &str| {
			Err(ChainError::Unknown { extrinsic: H256::zero(), reason: reason.into() })
		};
		let fate = std::mem::take(&mut inner.fate);
		if fate == Fate::Refused {
			return Err(ChainError::Rejected { reason: "the pool is full".into() });
		}
		if fate == Fate::Lost {
			return unknown("the connection broke");
		}
		let number = inner.submit(self.account.clone(), call.into());
		if fate == Fate::Pending {
			return unknown("not final within 180s");
		}
		let transactions = inner.take_pool();
		inner.produce(1, transactions);
		if fate == Fate::Unseen {
			return unknown("the connection broke");
		}
		inner.finalize(usize::MAX);
		let (at, outcome) = inner.outcome(number).expect("it was in the pool");
		let failure = |error: DispatchError| {
			let name = format!("{error:?}");
			ChainError::Dispatch(DispatchFailure {
				pallet: String::new(),
				name,
				doc: String::new(),
			})
		};
		Ok((at, outcome.map_err(failure)?))
	}
}

fn submitted(block: BlockRef) -> Submitted {
	Submitted { block, extrinsic: H256::zero(), index: 0, fee: None, events: Vec::new() }
}

impl ChainView for Node {
	fn genesis(&self) -> H256 {
		self.chain.genesis()
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		async move { Ok(self.at(at)?.0) }.boxed()
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		async move {
			let best = self.at(At::Best)?.0.number;
			let inner = self.chain.inner();
			let mut blocks = inner.blocks.iter().map(|block| block.at);
			Ok(blocks.find(|at| at.number == number && number <= best))
		}
		.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		at: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		async move { Ok(self.at(at)?.1.channels.get(&id).cloned()) }.boxed()
	}
}

impl PayeeChain for Node {
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>> {
		async move {
			let items = items.try_into().expect("a batch is bounded");
			let call = pallet_stoa_channels::Call::settle_batch { items };
			let (block, events) = self.send(call)?;
			let (mut claimed, mut skipped) = (Vec::new(), Vec::new());
			for event in events {
				match event {
					Event::Claimed { id: channel, lane, amount, settled } => {
						claimed.push(Claim { channel, lane, amount, settled });
					},
					Event::Skipped { index, id: channel, lane, reason } => {
						skipped.push(Skip { index, channel, lane, reason });
					},
					_ => {},
				}
			}
			Ok(SettleOutcome { submitted: submitted(block), claimed, skipped })
		}
		.boxed()
	}

	fn close(
		&self,
		id: ChannelId,
		last: Option<Item>,
	) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move { Ok(submitted(self.send(pallet_stoa_channels::Call::close { id, last })?.0)) }
			.boxed()
	}
}

impl PayerChain for Node {
	fn top_up(
		&self,
		id: ChannelId,
		amount: Balance,
	) -> BoxFuture<'_, Result<ChannelInfo, ChainError>> {
		async move {
			self.send(pallet_stoa_channels::Call::top_up { id, amount })?;
			let found = self.at(At::Finalized)?.1.channels.get(&id).cloned();
			found.ok_or_else(|| ChainError::NotFound { what: "the channel".into() })
		}
		.boxed()
	}

	fn channels_of(&self, payer: AccountId) -> BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>> {
		async move {
			let view = self.at(At::Finalized)?.1;
			let all: BTreeMap<_, _> = view.channels.iter().collect();
			Ok(all.into_values().filter(|info| info.payer == payer).cloned().collect())
		}
		.boxed()
	}
}

impl TowerChain for Node {
	fn genesis(&self) -> H256 {
		self.chain.genesis()
	}

	fn best(&self) -> BoxFuture<'_, Result<TowerBlock, ChainFailure>> {
		async move { tower_block(self.at(At::Best)) }.boxed()
	}

	fn finalized(&self) -> BoxFuture<'_, Result<TowerBlock, ChainFailure>> {
		async move { tower_block(self.at(At::Finalized)) }.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		at: TowerBlock,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>> {
		async move {
			let (_, view) = self.at(At::Hash(at.hash))?;
			Ok(view.channels.get(&id).cloned().map(ChannelState::from))
		}
		.boxed()
	}

	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		async move {
			PayeeChain::settle(self, items).await?;
			Ok(())
		}
		.boxed()
	}
}

fn tower_block(
	found: Result<(BlockRef, Arc<View>), ChainError>,
) -> Result<TowerBlock, ChainFailure> {
	let (BlockRef { number, hash }, _) = found?;
	Ok(TowerBlock { number, hash })
}
