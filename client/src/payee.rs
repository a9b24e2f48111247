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
mod channel;
mod claims;
mod consent;
mod desk;
mod facts;
pub mod machine;
mod reading;
mod restore;
mod rows;
mod rules;
pub mod ticks;

pub use cache::ResponseCache;
pub use claims::{Losses, Unsettled};
pub use desk::TickTicket;
pub use restore::{restore, Restored};
pub use rules::{Assessment, Record, Rejection, Rules};
pub use ticks::{
	CheckedTick, TickClaim, TickDecision, TickPayment, TickReservation, TickVerdict, VerifiedTick,
};

use crate::{
	chain::{to_hex, At, BlockRef, ChainError, ChainView, ChannelInfo},
	store::{bind_chain, Anchor, Committer, Store, StoreError, Table, Write},
	verify::{Check, Verifier},
	voucher::{LaneKey, SignedVoucher},
};
use desk::Flushing;
use machine::{Machine, Weighed};
use rows::Row;
use std::{
	collections::HashMap,
	sync::{
		atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
		Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
	},
	time::Duration,
};
use stoa_primitives::{
	channel::{ChannelId, MIN_GRACE},
	keys::{Key, KeySignature},
	payload::{Domain, Payload},
	AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS, HOURS,
};
// The clock of timeouts, so that one who moves it in a test moves all.
use tokio::{
	sync::{Mutex as AsyncMutex, OwnedMutexGuard, Semaphore},
	time::Instant,
};

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

/// How soon a channel may be read again because a signature does not fit.
const KEY_RECHECK: Duration = Duration::from_millis(3 * BLOCK_MILLIS);

/// How often a voucher waits for ticks on its lane to become durable.
const MAX_FLUSHES: usize = 16;

/// How a payee works.
#[derive(Clone, Debug)]
pub struct PayeeConfig {
	/// What it asks of channels.
	pub rules: Rules,
	/// For how long a channel's state is believed, at most. Never longer than an eighth of its grace
	/// period.
	pub max_age: Duration,
	/// For how long the node's best block may stay the same, or be older than one that was seen before,
	/// until nothing that the node says is believed: a node that is cut off does not see that a channel is
	/// being closed. A chain that makes blocks on demand only needs [`Duration::MAX`].
	pub max_stall: Duration,
	/// How long a call waits for another one on the same lane.
	pub lane_wait: Duration,
	/// What may be served for ticks that are not durable yet, in units of the asset: what the payee
	/// loses, at most, each time that its process or disk dies. Once a flush has failed nothing is until one
	/// succeeds. Nothing unless the caller chooses otherwise.
	pub max_unflushed: Balance,
}

impl PayeeConfig {
	/// A payee of one asset: grace periods from the chain's minimum on, vouchers that do not expire, keys
	/// that stay valid for an hour, channel states of at most one minute.
	pub fn new(payee: AccountId, asset: AssetId) -> Self {
		Self {
			rules: Rules {
				payee,
				asset,
				min_grace: MIN_GRACE,
				settle_horizon: HOURS,
				accept_expiring: false,
			},
			max_age: Duration::from_secs(60),
			max_stall: Duration::from_secs(60),
			lane_wait: Duration::from_secs(30),
			max_unflushed: 0,
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
	/// The disk has failed before these ticks were durable: they were not accepted, and can be presented
	/// again.
	#[error("ticks were taken back, since they could not be kept")]
	TakenBack,
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
	/// What channels that have ended since the start have not paid.
	pub lost: Losses,
}

/// When a channel was last read.
type LastRead = Arc<AsyncMutex<Option<Instant>>>;

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
	verifier: Verifier,
	started: Instant,
	best: AtomicU32,
	/// The highest final block that anything was read at.
	finalized: AtomicU32,
	/// By when all channels had ended that are forgotten.
	forgotten: AtomicU32,
	/// When `best` has risen last.
	risen: Mutex<Instant>,
	/// How many batches of ticks were accepted; changes under the machine's lock.
	batches: AtomicU64,
	/// How often ticks were taken back; changes under the machine's lock.
	taken_back: AtomicU64,
	flushing: AsyncMutex<Flushing>,
	/// One agreement to a close at a time: one that fails must not take back another.
	agreeing: AsyncMutex<()>,
	/// Whether the last flush of ticks has failed.
	disk_failed: AtomicBool,
	/// Of known channels only.
	checks: Mutex<HashMap<ChannelId, LastRead>>,
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
	/// The key that the signature is of; `None` for the very signature that was accepted before.
	key: Option<Key>,
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
		for (record, seen) in rows::records(store.as_ref())? {
			machine.restore(record, seen);
		}
		for (id, root, digest) in rows::roots(store.as_ref())? {
			machine.restore_root(id, root, digest);
		}
		for (id, until) in rows::consents(store.as_ref())? {
			machine.restore_consent(id, until);
		}
		let forgotten = rows::forgotten(store.as_ref())?;
		let best = chain.block(At::Best).await?.number;
		let anchor = Anchor::load(store.as_ref())?;
		let committer = Committer::start(store)?;
		let payee = Self(Arc::new(Inner {
			config,
			chain,
			anchor,
			committer,
			machine: RwLock::new(machine),
			verifier: Verifier::default(),
			started: Instant::now(),
			best: AtomicU32::new(best),
			finalized: AtomicU32::new(0),
			forgotten: AtomicU32::new(forgotten),
			risen: Mutex::new(Instant::now()),
			batches: AtomicU64::new(0),
			taken_back: AtomicU64::new(0),
			flushing: AsyncMutex::default(),
			agreeing: AsyncMutex::default(),
			disk_failed: AtomicBool::new(false),
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

	fn checks(&self) -> MutexGuard<'_, HashMap<ChannelId, LastRead>> {
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

	/// What the payer has allowed on each lane of a channel, as far as it was accepted.
	pub fn records(&self, id: &ChannelId) -> Vec<Record> {
		let machine = self.machine();
		machine.lanes(id).iter().filter_map(|at| machine.record(at)).cloned().collect()
	}

	/// Whether the payee may be paid by what `key` signs on this channel: by it or by the key that it has
	/// replaced.
	pub fn is_key(&self, id: &ChannelId, key: &Key) -> bool {
		self.machine().has_key(id, key)
	}

	/// All claims, in the order that a batch needs.
	pub fn unsettled(&self) -> Vec<Unsettled> {
		self.machine().unsettled(self.best_block())
	}

	/// As [`Payee::unsettled`], but no more of each channel than its velocity cap lets the next block pay.
	pub fn payable(&self) -> Vec<Unsettled> {
		self.machine().payable(self.best_block())
	}

	/// Sums over all channels.
	pub fn totals(&self) -> Totals {
		let machine = self.machine();
		let (channels, vouchers, earned) = machine.sums();
		let unsettled = machine
			.unsettled(self.best_block())
			.iter()
			.fold(0, |sum: Balance, claim| sum.saturating_add(claim.amount));
		Totals { channels, vouchers, earned, unsettled, lost: machine.lost() }
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

	/// As [`Payee::lookup`], when a signature is by none of the keys that it names: read again within the
	/// limits of strangers, since the key may have been replaced.
	///
	/// # Errors
	///
	/// [`PayeeError::Chain`], [`PayeeError::Stopped`].
	pub async fn lookup_keys(&self, id: &ChannelId) -> Result<Option<ChannelInfo>, PayeeError> {
		self.refresh_for(id, &Rejection::BadSignature).await?;
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
		let checked = self.judge(signed, price).await;
		let Checked::Rejected(rejection) = &checked else { return Ok(checked) };
		if !self.refresh_for(&id, rejection).await? {
			return Ok(checked);
		}
		Ok(self.judge(signed, price).await)
	}

	/// Reads a channel again if the chain may have changed so that what was refused fits by now. Returns
	/// whether it did.
	async fn refresh_for(&self, id: &ChannelId, rejection: &Rejection) -> Result<bool, PayeeError> {
		match rejection {
			// Opened, topped up, kept open, capped less tightly.
			Rejection::UnknownChannel
			| Rejection::AboveDeposit { .. }
			| Rejection::AboveCap { .. }
			| Rejection::Consented { .. }
			| Rejection::Closing => self.refresh(id, RECHECK).await?,
			// The key may have been replaced. Anybody can sign badly: that is for the limits of strangers.
			Rejection::BadSignature => {
				let _permit = self.0.lookups.acquire().await.map_err(|_| PayeeError::Stopped)?;
				self.refresh(id, KEY_RECHECK).await?;
			},
			_ => return Ok(false),
		}
		Ok(true)
	}

	async fn judge(&self, signed: &SignedVoucher, price: Balance) -> Checked {
		let now = self.best_block();
		// Which request it pays for changes nothing about whether the voucher is good.
		let weighed = self.machine().weigh(signed, price, &[0; 32], now);
		let (key, assessment) = match weighed {
			// After a read, a channel that is still not synced does not exist.
			Weighed::NotSynced => return Checked::Rejected(Rejection::UnknownChannel),
			Weighed::Settled(assessment) => (None, assessment),
			Weighed::If(keys, assessment) => {
				let key = self.signer(&keys, &signed.voucher, &signed.signature).await;
				(key, self.machine().conclude(signed, assessment, key.as_ref(), now))
			},
		};
		match assessment {
			Assessment::Fresh(_) | Assessment::Replay { .. } => {
				Checked::Valid(Verified { signed: *signed, key })
			},
			Assessment::Rejected(rejection) => Checked::Rejected(rejection),
			Assessment::NotSynced => Checked::Rejected(Rejection::UnknownChannel),
		}
	}

	/// Which of the keys has signed a payload.
	async fn signer(
		&self,
		keys: &[Key],
		payload: &impl Payload,
		signature: &KeySignature,
	) -> Option<Key> {
		let message = payload.to_bytes(&self.domain());
		for key in keys {
			let check = Check { key: *key, message: message.clone(), signature: *signature };
			if self.0.verifier.verify(check).await {
				return Some(*key);
			}
		}
		None
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
		for _ in 0..MAX_FLUSHES {
			match self.hold(verified, price, &request) {
				Ok((hold, record)) => {
					return Ok(Decision::Reserved(Reservation { hold, record, turn }));
				},
				Err(Some(other)) => return Ok(decided(other)),
				// What the record says was earned must not be taken back.
				Err(None) => self.flush_all().await?,
			}
		}
		Err(PayeeError::Busy)
	}

	/// Keeps the lane of a voucher that is good. Nothing as an error means that the lane has ticks that
	/// are not durable.
	fn hold(
		&self,
		verified: &Verified,
		price: Balance,
		request: &[u8; 32],
	) -> Result<(Hold, Record), Option<Assessment>> {
		let Verified { signed, key } = verified;
		let at = signed.lane();
		let mut machine = self.machine_mut();
		match machine.assess_verified(signed, key.as_ref(), price, request, self.best_block()) {
			Assessment::Fresh(record) => match machine.hold(&at, record.proof.amount()) {
				true => Ok((Hold { payee: self.clone(), at }, record)),
				false => Err(None),
			},
			other => Err(Some(other)),
		}
	}

	fn assess(&self, verified: &Verified, price: Balance, request: &[u8; 32]) -> Assessment {
		let Verified { signed, key } = verified;
		self.machine().assess_verified(signed, key.as_ref(), price, request, self.best_block())
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
}

/// Milliseconds; an age that no process reaches stands for longer times.
fn millis(time: Duration) -> u64 {
	u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
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

/// Keeps a lane while a call is being served on it.
struct Hold {
	payee: Payee,
	at: LaneKey,
}

impl Drop for Hold {
	fn drop(&mut self) {
		self.payee.machine_mut().release(&self.at);
	}
}

/// A voucher that is good, on a lane that waits for it.
pub struct Reservation {
	hold: Hold,
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
			let Self { hold, record, turn } = self;
			let (payee, at) = (&hold.payee, hold.at);
			let seen = payee.machine().seen(&at.channel);
			let row = Row::V3 { record: record.clone(), seen };
			let write = Write::put(Table::Payee, &at.to_bytes(), &row);
			payee.0.committer.commit(vec![write]).await?;
			let applied = payee.machine_mut().apply(record.clone());
			drop(hold);
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
