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
//! done that one call's work for nothing. The payer can lose the one price unit of a voucher that it
//! has sent to a payee who then does not answer; it never signs a second one before the first is
//! acknowledged.

mod cache;
pub mod machine;

pub use cache::ResponseCache;
pub use machine::{Assessment, Record, Rejection, Rules, Unsettled};

use crate::{
	chain::{At, ChainError, ChainView, ChannelInfo},
	store::{bind_chain, Committer, Store, StoreError, Table, Write},
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
	payload::Domain,
	AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS, HOURS,
};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore};

/// How many channels are read from the chain at the same time.
const PARALLEL_READS: usize = 16;

/// How many checks of channels are remembered before those of unknown channels are dropped.
const MAX_CHECKS: usize = 10_000;

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
	#[codec(index = 1)]
	V1(Record),
}

/// When a channel was last read.
type Check = Arc<AsyncMutex<Option<Instant>>>;

struct Inner {
	config: PayeeConfig,
	chain: Arc<dyn ChainView>,
	committer: Committer,
	machine: RwLock<Machine>,
	best: AtomicU32,
	checks: Mutex<HashMap<ChannelId, Check>>,
	turns: Mutex<HashMap<LaneKey, Arc<AsyncMutex<()>>>>,
	reads: Semaphore,
}

/// Accepts vouchers. Cheap to clone; all clones share one state.
///
/// One process per store and payee: the watermark lives here.
#[derive(Clone)]
pub struct Payee(Arc<Inner>);

impl Payee {
	/// Reads the store, binds it to the chain, and makes sure that the chain answers. Each channel is
	/// read from finalized state before its first voucher is accepted.
	///
	/// # Errors
	///
	/// [`PayeeError::Chain`], [`PayeeError::Store`].
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
			let Row::V1(record) = Row::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			if LaneKey::from_bytes(&key) != Some(record.voucher.lane()) {
				return Err(malformed().into());
			}
			machine.restore(record);
		}
		let best = chain.block(At::Best).await?.number;
		let committer = Committer::start(store)?;
		Ok(Self(Arc::new(Inner {
			config,
			chain,
			committer,
			machine: RwLock::new(machine),
			best: AtomicU32::new(best),
			checks: Mutex::default(),
			turns: Mutex::default(),
			reads: Semaphore::new(PARALLEL_READS),
		})))
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

	/// Judges a voucher that is to pay `price` for `request`. With [`Decision::Reserved`] the lane is
	/// held until the reservation is committed or dropped.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn reserve(
		&self,
		signed: &SignedVoucher,
		price: Balance,
		request: [u8; 32],
	) -> Result<Decision, PayeeError> {
		let id = signed.voucher.channel;
		self.refresh(&id, self.max_age(&id)).await?;
		if let Some(decision) = self.screened(signed, price, &request) {
			// The channel may have changed since it was read: opened, topped up, kept open.
			let chain_may_differ = matches!(
				&decision,
				Decision::Rejected(
					Rejection::UnknownChannel | Rejection::AboveDeposit { .. } | Rejection::Closing
				)
			);
			if !chain_may_differ {
				return Ok(decision);
			}
			self.refresh(&id, RECHECK).await?;
			if let Some(decision) = self.screened(signed, price, &request) {
				return Ok(decision);
			}
		}
		let lane = self.turns().entry(signed.lane()).or_default().clone();
		let turn = match lane.clone().try_lock_owned() {
			Ok(turn) => turn,
			Err(_) => {
				// Only a voucher that is good as it stands may queue for the lane.
				match self.assess(signed, price, &request) {
					Assessment::Fresh(_) => {},
					other => return Ok(decided(other)),
				}
				tokio::time::timeout(self.0.config.lane_wait, lane.lock_owned())
					.await
					.map_err(|_| PayeeError::Busy)?
			},
		};
		Ok(match self.assess(signed, price, &request) {
			Assessment::Fresh(record) => {
				Decision::Reserved(Reservation { payee: self.clone(), record, turn })
			},
			other => decided(other),
		})
	}

	/// What can be decided by facts alone, before the lane's turn and without a signature check.
	fn screened(
		&self,
		signed: &SignedVoucher,
		price: Balance,
		request: &[u8; 32],
	) -> Option<Decision> {
		self.machine().screen(signed, price, request, self.best_block()).map(decided)
	}

	fn assess(&self, signed: &SignedVoucher, price: Balance, request: &[u8; 32]) -> Assessment {
		self.machine().assess(signed, price, request, self.best_block())
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
		Ok(match self.reserve(signed, price, request).await? {
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

	/// Reads a channel again if the last read is older than `max_age`.
	async fn refresh(&self, id: &ChannelId, max_age: Duration) -> Result<(), PayeeError> {
		let check = self.check(id);
		let mut last = check.lock().await;
		if last.is_some_and(|at| at.elapsed() < max_age) {
			return Ok(());
		}
		let _permit = self.0.reads.acquire().await.map_err(|_| PayeeError::Stopped)?;
		let chain = &self.0.chain;
		// Finalized first: what is then read at the best block is never older.
		let finalized = chain.block(At::Finalized).await?;
		let info = chain.channel(*id, At::Hash(finalized.hash)).await?;
		let best = chain.block(At::Best).await?;
		let newest = chain.channel(*id, At::Hash(best.hash)).await?;
		self.0.best.fetch_max(best.number, Ordering::Relaxed);
		// Nothing is kept of channels that pay somebody else or in another asset: else anybody could
		// fill the memory with them.
		let rules = &self.0.config.rules;
		let info = info.filter(|info| info.payee == rules.payee && info.asset == rules.asset);
		self.machine_mut().sync(*id, finalized.number, info, newest.as_ref());
		*last = Some(Instant::now());
		Ok(())
	}

	fn check(&self, id: &ChannelId) -> Check {
		let mut checks = self.0.checks.lock().unwrap_or_else(PoisonError::into_inner);
		if checks.len() >= MAX_CHECKS && !checks.contains_key(id) {
			let machine = self.machine();
			checks.retain(|id, _| machine.is_synced(id));
		}
		checks.entry(*id).or_default().clone()
	}

	/// Reads every channel with accepted vouchers again whose state has aged, and forgets those that
	/// have ended.
	///
	/// # Errors
	///
	/// The first read that failed; the others were made.
	pub async fn refresh_all(&self) -> Result<(), PayeeError> {
		let ids: Vec<ChannelId> = self.machine().channels().copied().collect();
		let outcomes: Vec<_> = stream::iter(ids)
			.map(|id| async move { self.refresh(&id, self.max_age(&id)).await })
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
		self.machine_mut().forget(id);
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
			let write = Write {
				table: Table::Payee,
				key: record.voucher.lane().to_bytes().to_vec(),
				value: Some(Row::V1(record.clone()).encode()),
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
