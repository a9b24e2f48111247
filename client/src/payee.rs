//! The side that is paid: accepts vouchers, remembers them durably, and never serves one twice.
//!
//! [`machine`] decides. [`Payee`] reads channels from the chain, makes calls on one lane take turns,
//! and flushes each accepted voucher to disk before the answer may leave.
//!
//! # Who bears which loss
//!
//! A call is **reserved**, served, then **committed**. Nothing is stored by a reservation, so a call
//! whose upstream fails costs the payer nothing: its voucher can be used again. If the payee's
//! process or disk dies between serving and committing, the answer does not leave, and the payee has
//! done that one call's work for nothing. What the payer can lose: see [`crate::payer`].
//!
//! # Strangers
//!
//! A voucher that names a channel which is not known here costs one read of the chain, within a limit
//! that known channels do not share. [`Payee::check`] judges a voucher before the request that it came
//! with is read in full, and tells nobody but the holder of the voucher key what was paid so far.

mod cache;
pub mod machine;

pub use cache::ResponseCache;
pub use machine::{Assessment, Record, Rejection, Rules, Unsettled};

use crate::{
	chain::{to_hex, At, BlockRef, ChainError, ChainView, ChannelInfo},
	store::{bind_chain, Anchor, Committer, Store, StoreError, Table, Write},
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, Encode};
use futures::{stream, StreamExt};
use machine::Machine;
use std::{
	collections::HashMap,
	sync::{
		atomic::{AtomicU32, Ordering},
		Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
	},
	time::{Duration, Instant},
};
use stoa_primitives::{
	channel::{ChannelId, MIN_GRACE},
	keys::Key,
	payload::Domain,
	AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS, HOURS,
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore};

/// How many channels are read from the chain at the same time.
const PARALLEL_READS: usize = 16;

/// How many unknown channels are looked up at the same time. They have this limit for themselves: ids
/// that somebody makes up never hold up a channel that is known.
const PARALLEL_LOOKUPS: usize = 4;

/// How many ids of channels that do not exist are remembered, for [`RECHECK`].
const MAX_ABSENT: usize = 1_024;

/// How many channels are read in one pass, from the same two blocks.
const PASS: usize = 256;

/// How soon a channel may be read again when a voucher does not fit what is known of it: an eighth of a
/// block, so that a top-up is seen by the call that follows it, and nobody makes the node read without
/// end.
const RECHECK: Duration = Duration::from_millis(BLOCK_MILLIS / 8);

/// How a payee works.
#[derive(Clone, Debug)]
pub struct PayeeConfig {
	/// What it asks of channels.
	pub rules: Rules,
	/// For how long a channel's state is believed, at most. Never longer than an eighth of its grace
	/// period.
	pub max_age: Duration,
	/// How long a call waits for another one on the same lane.
	pub lane_wait: Duration,
}

impl PayeeConfig {
	/// A payee of one asset: grace periods from the chain's minimum on, vouchers that stay valid for
	/// an hour, channel states of at most one minute.
	pub fn new(payee: AccountId, asset: AssetId) -> Self {
		Self {
			rules: Rules { payee, asset, min_grace: MIN_GRACE, settle_horizon: HOURS },
			max_age: Duration::from_secs(60),
			lane_wait: Duration::from_secs(30),
		}
	}
}

/// Why a voucher could not be judged or kept. Nothing may be served.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PayeeError {
	/// The chain cannot be read, so the channel's state is not known.
	#[error(transparent)]
	Chain(#[from] ChainError),
	/// The voucher could not be made durable.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// Another call on this lane takes too long.
	#[error("another call on this lane has not ended yet")]
	Busy,
	/// The lane has moved on meanwhile: another process serves this payee's channels.
	#[error("the lane has moved on: is another process serving the same payee?")]
	Superseded,
	/// The store has vouchers of a channel that pays another account or in another asset: it belongs to
	/// another payee. They are kept.
	#[error("the store has vouchers for another payee or in another asset, of channel {}", to_hex(.0))]
	Foreign(ChannelId),
	/// The process is shutting down.
	#[error("the payee is shutting down")]
	Stopped,
}

/// What to do with a voucher.
pub enum Decision {
	/// Serve, then commit. Dropping the reservation gives the lane free and bills nothing.
	Reserved(Reservation),
	/// Accepted before: give the stored answer again if the request is the same, else refuse.
	Replay {
		/// Whether it was accepted for the same request.
		same_request: bool,
	},
	/// Do not serve.
	Rejected(Rejection),
}

/// The outcome of [`Payee::accept`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Accepted {
	/// The voucher is durable: serve.
	Fresh(Record),
	/// See [`Decision::Replay`].
	Replay {
		/// Whether it was accepted for the same request.
		same_request: bool,
	},
	/// Do not serve.
	Rejected(Rejection),
}

/// Sums over all channels, in units of the payee's asset.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
	/// Channels with accepted vouchers.
	pub channels: usize,
	/// Vouchers accepted over the life of these channels.
	pub vouchers: u64,
	/// What was earned over the life of these channels.
	pub earned: Balance,
	/// What of it is not settled yet.
	pub unsettled: Balance,
}

#[derive(Clone, Debug, Decode, Encode)]
enum Row {
	/// Does not say when the channel was there, so it is kept until the channel is seen once more.
	#[codec(index = 1)]
	V1(Record),
	#[codec(index = 2)]
	V2 {
		record: Record,
		/// The latest finalized block that was known to have the channel.
		seen: Option<BlockNumber>,
	},
}

/// When a channel was last read.
type Check = Arc<AsyncMutex<Option<Instant>>>;

/// The two blocks that channels are read at.
#[derive(Clone, Copy)]
struct Heads {
	finalized: BlockRef,
	best: BlockRef,
	at: Instant,
}

struct Inner {
	config: PayeeConfig,
	chain: Arc<dyn ChainView>,
	anchor: Anchor,
	committer: Committer,
	machine: RwLock<Machine>,
	best: AtomicU32,
	/// Of known channels only.
	checks: Mutex<HashMap<ChannelId, Check>>,
	/// When the chain said of an id that there is no such channel of this payee's.
	absent: Mutex<HashMap<ChannelId, Instant>>,
	/// The last channel of the last pass of [`Payee::refresh_due`].
	cursor: Mutex<ChannelId>,
	turns: Mutex<HashMap<LaneKey, Arc<AsyncMutex<()>>>>,
	reads: Semaphore,
	lookups: Semaphore,
}

/// The outcome of [`Payee::check`].
#[derive(Clone, Debug)]
pub enum Checked {
	/// The voucher pays for a call, or has paid for one.
	Valid(Verified),
	/// Do not serve.
	Rejected(Rejection),
}

/// A voucher that was good when it was checked. Nothing is accepted or held by it.
#[derive(Clone, Debug)]
pub struct Verified {
	signed: SignedVoucher,
	/// The key that the signature is of.
	key: Key,
}

impl Verified {
	/// The voucher.
	pub fn signed(&self) -> &SignedVoucher {
		&self.signed
	}
}

/// Accepts vouchers. Cheap to clone; all clones share one state.
///
/// One process per store and payee: the watermark lives here.
#[derive(Clone)]
pub struct Payee(Arc<Inner>);

impl Payee {
	/// Reads the store, binds it to the chain, and makes sure that the chain answers and did not begin
	/// anew. Each channel is read from finalized state before its first voucher is accepted.
	///
	/// # Errors
	///
	/// [`PayeeError::Chain`], [`PayeeError::Store`], in it [`StoreError::ChainAnew`].
	pub async fn start(
		config: PayeeConfig,
		store: Arc<dyn Store>,
		chain: Arc<dyn ChainView>,
	) -> Result<Self, PayeeError> {
		let genesis = chain.genesis();
		bind_chain(store.as_ref(), genesis)?;
		let mut machine = Machine::new(config.rules.clone(), Domain::channels(genesis));
		for (key, value) in store.scan(Table::Payee)? {
			let malformed = || StoreError::Malformed(Table::Payee);
			let row = Row::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			let (record, seen) = match row {
				Row::V1(record) => (record, None),
				Row::V2 { record, seen } => (record, seen),
			};
			if LaneKey::from_bytes(&key) != Some(record.voucher.lane()) {
				return Err(malformed().into());
			}
			machine.restore(record, seen);
		}
		let best = chain.block(At::Best).await?.number;
		let anchor = Anchor::load(store.as_ref())?;
		let committer = Committer::start(store)?;
		let payee = Self(Arc::new(Inner {
			config,
			chain,
			anchor,
			committer,
			machine: RwLock::new(machine),
			best: AtomicU32::new(best),
			checks: Mutex::default(),
			absent: Mutex::default(),
			cursor: Mutex::default(),
			turns: Mutex::default(),
			reads: Semaphore::new(PARALLEL_READS),
			lookups: Semaphore::new(PARALLEL_LOOKUPS),
		}));
		payee.verify_chain().await?;
		Ok(payee)
	}

	// Nothing panics while one of these locks is held, and what they guard is whole after each call.
	fn machine(&self) -> RwLockReadGuard<'_, Machine> {
		self.0.machine.read().unwrap_or_else(PoisonError::into_inner)
	}

	fn machine_mut(&self) -> RwLockWriteGuard<'_, Machine> {
		self.0.machine.write().unwrap_or_else(PoisonError::into_inner)
	}

	fn turns(&self) -> MutexGuard<'_, HashMap<LaneKey, Arc<AsyncMutex<()>>>> {
		self.0.turns.lock().unwrap_or_else(PoisonError::into_inner)
	}

	fn checks(&self) -> MutexGuard<'_, HashMap<ChannelId, Check>> {
		self.0.checks.lock().unwrap_or_else(PoisonError::into_inner)
	}

	fn absent(&self) -> MutexGuard<'_, HashMap<ChannelId, Instant>> {
		self.0.absent.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// How this payee works.
	pub fn config(&self) -> &PayeeConfig {
		&self.0.config
	}

	/// The domain of the vouchers that are accepted here.
	pub fn domain(&self) -> Domain {
		Domain::channels(self.0.chain.genesis())
	}

	/// The number of the best block, as last seen.
	pub fn best_block(&self) -> BlockNumber {
		self.0.best.load(Ordering::Relaxed)
	}

	/// What was accepted on a lane.
	pub fn record(&self, at: &LaneKey) -> Option<Record> {
		self.machine().record(at).cloned()
	}

	/// A channel as it was last read from finalized state.
	pub fn channel(&self, id: &ChannelId) -> Option<ChannelInfo> {
		self.machine().info(id).cloned()
	}

	/// Claims that are worth submitting, in the order that a batch needs.
	pub fn unsettled(&self) -> Vec<Unsettled> {
		self.machine().unsettled()
	}

	/// Sums over all channels.
	pub fn totals(&self) -> Totals {
		let machine = self.machine();
		let (channels, vouchers, earned) = machine.sums();
		let unsettled = machine
			.unsettled()
			.iter()
			.fold(0, |sum: Balance, claim| sum.saturating_add(claim.amount));
		Totals { channels, vouchers, earned, unsettled }
	}

	/// A channel of this payee's, read from finalized state if what is known of it has aged.
	///
	/// # Errors
	///
	/// [`PayeeError::Chain`], [`PayeeError::Stopped`].
	pub async fn lookup(&self, id: &ChannelId) -> Result<Option<ChannelInfo>, PayeeError> {
		self.refresh(id, self.max_age(id)).await?;
		Ok(self.channel(id))
	}

	/// Judges a voucher that is to pay `price`, before it is known for what. Holds and changes nothing:
	/// a call that comes to nothing after this costs the payer nothing.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn check(
		&self,
		signed: &SignedVoucher,
		price: Balance,
	) -> Result<Checked, PayeeError> {
		let id = signed.voucher.channel;
		self.refresh(&id, self.max_age(&id)).await?;
		let mut checked = self.judge(signed, price);
		// The channel may have changed since it was read: opened, topped up, kept open.
		let chain_may_differ = matches!(
			&checked,
			Checked::Rejected(
				Rejection::UnknownChannel | Rejection::AboveDeposit { .. } | Rejection::Closing
			)
		);
		if chain_may_differ {
			self.refresh(&id, RECHECK).await?;
			checked = self.judge(signed, price);
		}
		Ok(checked)
	}

	fn judge(&self, signed: &SignedVoucher, price: Balance) -> Checked {
		let machine = self.machine();
		// Which request it pays for changes nothing about whether the voucher is good.
		let assessment = machine.assess(signed, price, &[0; 32], self.best_block());
		match (assessment, machine.info(&signed.voucher.channel)) {
			(Assessment::Fresh(_) | Assessment::Replay { .. }, Some(info)) => {
				Checked::Valid(Verified { signed: *signed, key: info.key })
			},
			(Assessment::Rejected(rejection), _) => Checked::Rejected(rejection),
			// After a read, a channel that is still not synced does not exist.
			_ => Checked::Rejected(Rejection::UnknownChannel),
		}
	}

	/// Judges a checked voucher again, now that it is to pay `price` for `request`. With
	/// [`Decision::Reserved`] the lane is held until the reservation is committed or dropped.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn reserve(
		&self,
		verified: &Verified,
		price: Balance,
		request: [u8; 32],
	) -> Result<Decision, PayeeError> {
		let id = verified.signed.voucher.channel;
		// The request may have taken its time to arrive.
		self.refresh(&id, self.max_age(&id)).await?;
		let lane = self.turns().entry(verified.signed.lane()).or_default().clone();
		let turn = match lane.clone().try_lock_owned() {
			Ok(turn) => turn,
			Err(_) => {
				// Only a voucher that is good as it stands may queue for the lane.
				match self.assess(verified, price, &request) {
					Assessment::Fresh(_) => {},
					other => return Ok(decided(other)),
				}
				tokio::time::timeout(self.0.config.lane_wait, lane.lock_owned())
					.await
					.map_err(|_| PayeeError::Busy)?
			},
		};
		Ok(match self.assess(verified, price, &request) {
			Assessment::Fresh(record) => {
				Decision::Reserved(Reservation { payee: self.clone(), record, turn })
			},
			other => decided(other),
		})
	}

	fn assess(&self, verified: &Verified, price: Balance, request: &[u8; 32]) -> Assessment {
		let Verified { signed, key } = verified;
		self.machine().assess_verified(signed, Some(key), price, request, self.best_block())
	}

	/// Accepts a voucher durably, for services that have nothing to do between the check and the
	/// answer.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn accept(
		&self,
		signed: &SignedVoucher,
		price: Balance,
		request: [u8; 32],
	) -> Result<Accepted, PayeeError> {
		let verified = match self.check(signed, price).await? {
			Checked::Valid(verified) => verified,
			Checked::Rejected(rejection) => return Ok(Accepted::Rejected(rejection)),
		};
		Ok(match self.reserve(&verified, price, request).await? {
			Decision::Reserved(reservation) => Accepted::Fresh(reservation.commit().await?),
			Decision::Replay { same_request } => Accepted::Replay { same_request },
			Decision::Rejected(rejection) => Accepted::Rejected(rejection),
		})
	}

	/// For how long the state of a channel is believed.
	fn max_age(&self, id: &ChannelId) -> Duration {
		let grace =
			self.machine().info(id).map_or(self.0.config.rules.min_grace, |info| info.grace);
		let eighth = Duration::from_millis(BLOCK_MILLIS.saturating_mul(u64::from(grace / 8)));
		self.0.config.max_age.min(eighth)
	}

	/// Reads a channel again if the last read is older than `max_age`. Of an unknown one, no more is
	/// read than whether there is such a channel.
	async fn refresh(&self, id: &ChannelId, max_age: Duration) -> Result<(), PayeeError> {
		if self.machine().knows(id) || self.exists(id).await? {
			self.read(id, max_age, None).await?;
		}
		Ok(())
	}

	/// Whether there is such a channel of this payee's. One read; none if the chain has just said no.
	async fn exists(&self, id: &ChannelId) -> Result<bool, PayeeError> {
		if self.is_absent(id) {
			return Ok(false);
		}
		let _permit = self.0.lookups.acquire().await.map_err(|_| PayeeError::Stopped)?;
		// Another call may have asked for the same channel while this one waited.
		if self.machine().knows(id) {
			return Ok(true);
		}
		if self.is_absent(id) {
			return Ok(false);
		}
		let info = self.0.chain.channel(*id, At::Finalized).await?;
		let exists = info.is_some_and(|info| self.is_ours(&info));
		if !exists {
			let mut absent = self.absent();
			if absent.len() >= MAX_ABSENT {
				absent.retain(|_, at| at.elapsed() < RECHECK);
			}
			// When there are too many all the same, the limit on reads has to do.
			if absent.len() < MAX_ABSENT {
				absent.insert(*id, Instant::now());
			}
		}
		Ok(exists)
	}

	fn is_absent(&self, id: &ChannelId) -> bool {
		self.absent().get(id).is_some_and(|at| at.elapsed() < RECHECK)
	}

	fn is_ours(&self, info: &ChannelInfo) -> bool {
		let rules = &self.0.config.rules;
		info.payee == rules.payee && info.asset == rules.asset
	}

	/// Makes sure that the chain is still the one that the store was written for. Returns its last
	/// finalized block.
	pub(crate) async fn verify_chain(&self) -> Result<BlockRef, PayeeError> {
		let Inner { chain, anchor, committer, .. } = self.0.as_ref();
		let finalized = chain.block(At::Finalized).await?;
		anchor.verify::<PayeeError>(chain.as_ref(), finalized.number, committer).await?;
		Ok(finalized)
	}

	async fn heads(&self) -> Result<Heads, PayeeError> {
		let at = Instant::now();
		// Finalized first: what is then read at the best block is never older. A node may have come back
		// with another chain at any time.
		let finalized = self.verify_chain().await?;
		let best = self.0.chain.block(At::Best).await?;
		self.0.best.fetch_max(best.number, Ordering::Relaxed);
		Ok(Heads { finalized, best, at })
	}

	/// Reads a channel at `heads`, or at new ones, if the last read is older than `max_age`.
	async fn read(
		&self,
		id: &ChannelId,
		max_age: Duration,
		heads: Option<Heads>,
	) -> Result<(), PayeeError> {
		let check = self.checks().entry(*id).or_default().clone();
		let mut last = check.lock().await;
		// Nothing is read from older blocks than the last time.
		let fresh =
			|at: Instant| at.elapsed() < max_age || heads.is_some_and(|heads: Heads| heads.at < at);
		if last.is_some_and(fresh) {
			return Ok(());
		}
		let _permit = self.0.reads.acquire().await.map_err(|_| PayeeError::Stopped)?;
		let heads = match heads {
			Some(heads) => heads,
			None => self.heads().await?,
		};
		let chain = &self.0.chain;
		let info = chain.channel(*id, At::Hash(heads.finalized.hash)).await?;
		let newest = chain.channel(*id, At::Hash(heads.best.hash)).await?;
		// Nothing is kept of channels that pay somebody else or in another asset: else anybody could
		// fill the memory with them.
		let info = match info {
			Some(info) if !self.is_ours(&info) => {
				// It has not ended, so its vouchers must stay.
				if !self.machine().lanes(id).is_empty() {
					return Err(PayeeError::Foreign(*id));
				}
				None
			},
			info => info,
		};
		let known = {
			let mut machine = self.machine_mut();
			machine.sync(*id, heads.finalized.number, info, newest.as_ref());
			machine.knows(id)
		};
		*last = Some(heads.at);
		if !known {
			self.checks().remove(id);
		}
		Ok(())
	}

	/// The channels whose state has aged, in ascending order.
	fn due(&self) -> Vec<ChannelId> {
		let mut ids: Vec<ChannelId> = self.machine().channels().copied().collect();
		ids.retain(|id| {
			let max_age = self.max_age(id);
			match self.checks().get(id).map(|check| check.try_lock().map(|last| *last)) {
				Some(Ok(Some(last))) => last.elapsed() >= max_age,
				Some(Ok(None)) | None => true,
				// It is being read.
				Some(Err(_)) => false,
			}
		});
		ids.sort_unstable();
		ids
	}

	/// Reads channels again whose state has aged, at most `limit` of them, and forgets those that have
	/// ended, also if they ended before the start. Returns whether there are more.
	///
	/// # Errors
	///
	/// The first read that failed; the others were made.
	pub async fn refresh_due(&self, limit: usize) -> Result<bool, PayeeError> {
		let mut due = self.due();
		let more = due.len() > limit;
		{
			// Each pass goes on where the last one ended, so that channels whose reads fail are not
			// all that is ever tried.
			let mut cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner);
			let next = due.partition_point(|id| *id <= *cursor);
			due.rotate_left(next);
			due.truncate(limit);
			if let Some(last) = due.last() {
				*cursor = *last;
			}
		}
		self.pass(&due).await?;
		Ok(more)
	}

	/// Reads every channel again whose state has aged, and forgets those that have ended.
	///
	/// # Errors
	///
	/// The first read that failed; the others were made.
	pub async fn refresh_all(&self) -> Result<(), PayeeError> {
		let mut outcome = Ok(());
		for ids in self.due().chunks(PASS) {
			outcome = outcome.and(self.pass(ids).await);
		}
		outcome
	}

	async fn pass(&self, ids: &[ChannelId]) -> Result<(), PayeeError> {
		if ids.is_empty() {
			return Ok(());
		}
		let heads = self.heads().await?;
		let outcomes: Vec<_> = stream::iter(ids.to_vec())
			.map(|id| async move { self.read(&id, self.max_age(&id), Some(heads)).await })
			.buffer_unordered(PARALLEL_READS)
			.collect()
			.await;
		let ended = self.machine().ended();
		for id in ended {
			self.forget(&id).await?;
		}
		outcomes.into_iter().collect()
	}

	/// Raises what the chain has settled on a lane.
	pub(crate) fn note_settled(&self, at: &LaneKey, settled: Balance) {
		self.machine_mut().note_settled(at, settled);
	}

	/// Removes the records of a channel that has ended: nothing can be claimed from it any more.
	async fn forget(&self, id: &ChannelId) -> Result<(), PayeeError> {
		let lanes = self.machine().lanes(id);
		let writes = lanes
			.iter()
			.map(|at| Write { table: Table::Payee, key: at.to_bytes().to_vec(), value: None })
			.collect();
		self.0.committer.commit(writes).await?;
		tracing::info!(channel = to_hex(id), "a channel has ended; its records are forgotten");
		self.machine_mut().forget(id);
		self.checks().remove(id);
		let mut turns = self.turns();
		for at in lanes {
			turns.remove(&at);
		}
		Ok(())
	}
}

fn decided(assessment: Assessment) -> Decision {
	match assessment {
		Assessment::Replay { same_request } => Decision::Replay { same_request },
		Assessment::Rejected(rejection) => Decision::Rejected(rejection),
		// After a read, a channel that is still not synced does not exist.
		Assessment::NotSynced | Assessment::Fresh(_) => {
			Decision::Rejected(Rejection::UnknownChannel)
		},
	}
}

/// A voucher that is good, on a lane that waits for it.
pub struct Reservation {
	payee: Payee,
	record: Record,
	turn: OwnedMutexGuard<()>,
}

impl Reservation {
	/// What will be stored.
	pub fn record(&self) -> &Record {
		&self.record
	}

	/// Makes the voucher durable and takes it over. Only after this may the answer leave.
	///
	/// Goes on even if the caller stops waiting: the disk and the memory of the payee never disagree.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then the answer must not leave.
	pub async fn commit(self) -> Result<Record, PayeeError> {
		tokio::spawn(async move {
			let Self { payee, record, turn } = self;
			let seen = payee.machine().seen(&record.voucher.voucher.channel);
			let write = Write {
				table: Table::Payee,
				key: record.voucher.lane().to_bytes().to_vec(),
				value: Some(Row::V2 { record: record.clone(), seen }.encode()),
			};
			payee.0.committer.commit(vec![write]).await?;
			let applied = payee.machine_mut().apply(record.clone());
			drop(turn);
			if applied {
				Ok(record)
			} else {
				Err(PayeeError::Superseded)
			}
		})
		.await
		.map_err(|_| PayeeError::Stopped)?
	}
}

#[cfg(test)]
mod tests;
