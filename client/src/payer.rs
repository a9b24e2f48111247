//! The side that pays: signs vouchers within limits and remembers what it has signed.
//!
//! [`machine`] decides, [`Payer`] stores and signs. A voucher leaves [`Payer::pay`] only after it is
//! durable, so that a crash can never lead to a second, different claim on the same money.
//!
//! **What the payer can lose** to a payee that takes vouchers and does not deliver: the price of one
//! call per lane, and over a channel's life [`Policy::max_unanswered`]. The next voucher is signed only
//! when the last one is used up. That is so when an answer came, with a receipt that fits, when the
//! payee shows the voucher and says so, or when the chain has settled it. Since an answer can get lost,
//! the payee's word is taken; but what no answer came for is added up per channel, kept in the store,
//! and once it is above the limit nothing more is signed: [`Refusal::Unanswered`].

mod book;
mod budget;
mod channels;
pub mod machine;
mod payment;
pub mod recovery;
pub mod top_up;

pub use channels::PayerChannel;
pub use machine::{Budgets, LaneState, Policy, Refusal, Terms, TickTerms};
pub use payment::Payment;

use crate::{
	chain::{to_hex, At, ChainError, ChainView},
	keys::VoucherKey,
	payment::ChannelProof,
	store::{bind_chain, Anchor, Committer, Store, StoreError, Table, Write},
	voucher::LaneKey,
};
use book::{Book, LaneRow};
use futures::future::select_all;
use std::{
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::{SystemTime, UNIX_EPOCH},
};
use stoa_primitives::{channel::ChannelId, payload::Domain, Balance, H256};
use tokio::sync::OwnedMutexGuard;

/// Why a payment was not made. Nothing was signed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PayError {
	/// A limit forbids it.
	#[error(transparent)]
	Refused(#[from] Refusal),
	/// The store failed: what cannot be remembered is not signed.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// The chain could not be read.
	#[error(transparent)]
	Chain(#[from] ChainError),
	/// The channel is not among the payer's.
	#[error("channel {} is not known here: add it first", to_hex(.0))]
	UnknownChannel(ChannelId),
	/// The secret key of the channel is not loaded.
	#[error("the voucher key of channel {} is not loaded", to_hex(.0))]
	KeyMissing(ChannelId),
	/// The key is not the one that the channel names.
	#[error("the voucher key does not fit channel {}", to_hex(.0))]
	WrongKey(ChannelId),
	/// What the payee says about an earlier voucher does not carry our signature or says nothing new.
	#[error("the payee's statement about an earlier voucher is not proven by our own signature")]
	Unproven,
}

/// Seconds since 1970.
type Clock = Box<dyn Fn() -> u64 + Send + Sync>;

struct Inner {
	genesis: H256,
	domain: Domain,
	policy: Policy,
	anchor: Anchor,
	committer: Committer,
	book: Mutex<Book>,
	clock: Clock,
}

impl Drop for Inner {
	/// Writes down which vouchers were answered last: else the next process would have to take the
	/// payee's word for them. Nobody else has a handle, so no state is newer than what is written here.
	fn drop(&mut self) {
		let book = self.book.get_mut().unwrap_or_else(PoisonError::into_inner);
		let writes: Vec<_> = book
			.unsaved
			.iter()
			.filter_map(|at| {
				let state = book.channels.get(&at.channel)?.lanes.get(&at.lane)?;
				Some(Write::put(Table::Payer, &at.to_bytes(), &LaneRow::new(state)))
			})
			.collect();
		if writes.is_empty() {
			return;
		}
		if let Err(error) = self.committer.enqueue(writes) {
			tracing::warn!(%error, "the last answers were not written down");
		}
	}
}

/// Pays through channels. Cheap to clone; all clones share one state.
#[derive(Clone)]
pub struct Payer(Arc<Inner>);

impl Payer {
	/// Reads the store and binds it to the chain of `genesis`. A chain that began anew has the same
	/// genesis: that is for [`Payer::verify_chain`] to find out, before anything is paid.
	///
	/// # Errors
	///
	/// [`PayError::Store`], also when the store belongs to another chain.
	pub fn new(store: Arc<dyn Store>, genesis: H256, policy: Policy) -> Result<Self, PayError> {
		let since = || SystemTime::now().duration_since(UNIX_EPOCH);
		let clock = move || since().map_or(0, |since| since.as_secs());
		Self::with_clock(store, genesis, policy, clock)
	}

	/// As [`Payer::new`], with a clock that gives seconds since 1970: [`Budgets`] are per period of time.
	///
	/// # Errors
	///
	/// As [`Payer::new`].
	pub fn with_clock(
		store: Arc<dyn Store>,
		genesis: H256,
		policy: Policy,
		clock: impl Fn() -> u64 + Send + Sync + 'static,
	) -> Result<Self, PayError> {
		bind_chain(store.as_ref(), genesis)?;
		let book = Book::load(store.as_ref())?;
		let anchor = Anchor::load(store.as_ref())?;
		let committer = Committer::start(store)?;
		let domain = Domain::channels(genesis);
		let (book, clock): (_, Clock) = (Mutex::new(book), Box::new(clock));
		Ok(Self(Arc::new(Inner { genesis, domain, policy, anchor, committer, book, clock })))
	}

	/// Seconds since 1970.
	fn seconds(&self) -> u64 {
		(self.0.clock)()
	}

	/// Makes sure that the chain is still the one that the store was written for, and did not begin
	/// anew with the same genesis. [`PaidClient`](crate::http::PaidClient) does so before it pays for
	/// the first time. Returns whether the chain has a final block: before, nothing can be told.
	///
	/// # Errors
	///
	/// [`StoreError::ChainAnew`], [`StoreError::ChainBehind`], [`PayError::Chain`].
	pub async fn verify_chain(&self, chain: &dyn ChainView) -> Result<bool, PayError> {
		let finalized = chain.block(At::Finalized).await?.number;
		self.0.anchor.verify(chain, finalized, &self.0.committer).await
	}

	fn book(&self) -> MutexGuard<'_, Book> {
		// Nothing panics while the lock is held, and each change is one assignment.
		self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// What writes to the payer's store.
	fn committer(&self) -> &Committer {
		&self.0.committer
	}

	/// The limits in force.
	pub fn policy(&self) -> &Policy {
		&self.0.policy
	}

	/// The chain that is paid on.
	pub fn genesis(&self) -> H256 {
		self.0.genesis
	}

	/// The domain of this payer's vouchers: its chain.
	pub fn domain(&self) -> &Domain {
		&self.0.domain
	}

	/// Loads a secret key, for all channels that name it.
	pub fn add_key(&self, key: VoucherKey) {
		self.book().keys.insert(key.key().to_bytes(), key);
	}

	/// Signs the voucher that pays `price` more, durably.
	///
	/// Waits until no other payment on this lane is under way. If the last payment was not
	/// acknowledged, its voucher is used again: whatever became of that call, no more is at stake. If
	/// another key has signed it, the channel's key signs the same amount anew.
	///
	/// # Errors
	///
	/// [`PayError`]; then nothing was signed.
	pub async fn pay(
		&self,
		channel: &ChannelId,
		lane: u32,
		price: Balance,
	) -> Result<Payment, PayError> {
		let turn = self.turn(LaneKey { channel: *channel, lane }).await;
		Payment::make(self.clone(), *channel, lane, price, None, turn).await
	}

	/// As [`Payer::pay`], by a tick: one hash for the payee to check. The commitment is made when there is
	/// none with ticks of this value left.
	///
	/// # Errors
	///
	/// [`PayError`]; then nothing was revealed.
	pub async fn pay_tick(
		&self,
		channel: &ChannelId,
		lane: u32,
		price: Balance,
		ticks: TickTerms,
	) -> Result<Payment, PayError> {
		let turn = self.turn(LaneKey { channel: *channel, lane }).await;
		Payment::make(self.clone(), *channel, lane, price, Some(ticks), turn).await
	}

	/// As [`Payer::pay`], or [`Payer::pay_tick`] if there are `ticks`, on the first lane that is free; on
	/// the first that gets free if none is. So calls run in parallel, each with one price at stake. When
	/// nothing more may be signed, lanes whose last payment can be used again come first.
	///
	/// # Errors
	///
	/// [`PayError`]; then nothing was signed.
	pub async fn pay_any(
		&self,
		channel: &ChannelId,
		price: Balance,
		ticks: Option<TickTerms>,
	) -> Result<Payment, PayError> {
		let lanes: Vec<_> = {
			let mut book = self.book();
			let lanes = self.lanes(&book, channel, price)?;
			let mut turn = |lane| book.turn(LaneKey { channel: *channel, lane });
			lanes.into_iter().map(|lane| (lane, turn(lane))).collect()
		};
		let free = lanes
			.iter()
			.find_map(|(lane, turn)| Some((*lane, turn.clone().try_lock_owned().ok()?)));
		let (lane, turn) = match free {
			Some(free) => free,
			None if lanes.is_empty() => return Err(Refusal::LaneRevoked { lane: 0 }.into()),
			None => {
				let waiting = lanes
					.into_iter()
					.map(|(lane, turn)| Box::pin(async move { (lane, turn.lock_owned().await) }));
				select_all(waiting).await.0
			},
		};
		Payment::make(self.clone(), *channel, lane, price, ticks, turn).await
	}

	/// The lanes that may pay, the best ones first.
	fn lanes(
		&self,
		book: &Book,
		channel: &ChannelId,
		price: Balance,
	) -> Result<Vec<u32>, PayError> {
		let known = book.channels.get(channel).ok_or(PayError::UnknownChannel(*channel))?;
		let terms = &known.terms;
		let mut lanes: Vec<u32> =
			(0..u32::from(terms.lanes)).filter(|lane| !terms.revoked.contains(lane)).collect();
		if !book.has_room(known, price, self.policy(), self.seconds()) {
			lanes.sort_by_key(|lane| !known.has_unused(*lane, price));
		}
		Ok(lanes)
	}

	/// Writes the state, then takes it over. Needs the lane's turn.
	async fn persist(&self, at: LaneKey, state: LaneState) -> Result<(), PayError> {
		let place = self.committer().place().await?;
		let (state, written, reserved) = {
			let mut book = self.book();
			let to = book.channels.get(&at.channel).map(|channel| channel.terms.receiver());
			let to = to.ok_or(PayError::UnknownChannel(at.channel))?;
			let states = [(at.lane, state)];
			let (writes, reserved) = self.reserve(&mut book, &at.channel, to, &states);
			let [(_, state)] = states;
			(state, place.commit(writes), reserved)
		};
		self.conclude(at, state, written, reserved).await
	}

	/// Sets what no answer came for on a channel back to nothing, durably: the caller has found out
	/// why, and goes on. Waits for payments under way.
	///
	/// # Errors
	///
	/// [`PayError::UnknownChannel`], [`PayError::Store`].
	pub async fn forgive(&self, channel: &ChannelId) -> Result<(), PayError> {
		let lanes: Vec<u32> = {
			let book = self.book();
			let channel = book.channels.get(channel).ok_or(PayError::UnknownChannel(*channel))?;
			channel.lanes.keys().copied().collect()
		};
		for lane in lanes {
			let at = LaneKey { channel: *channel, lane };
			let _turn = self.turn(at).await;
			let known =
				self.book().channels.get(channel).map(|channel| channel.lanes.get(&lane).cloned());
			if let Some(Some(state)) = known {
				self.persist(at, LaneState { unanswered: 0, ..state }).await?;
			}
		}
		Ok(())
	}

	/// Proves to the payee of a channel that this is its payer, at `time` in seconds since 1970.
	///
	/// # Errors
	///
	/// [`PayError::UnknownChannel`], [`PayError::KeyMissing`].
	pub fn prove(&self, channel: &ChannelId, time: u64) -> Result<ChannelProof, PayError> {
		let book = self.book();
		let terms = &book.channels.get(channel).ok_or(PayError::UnknownChannel(*channel))?.terms;
		let key = book.keys.get(&terms.key.to_bytes()).ok_or(PayError::KeyMissing(*channel))?;
		Ok(ChannelProof::sign(*channel, time, key, &self.0.domain))
	}

	async fn turn(&self, at: LaneKey) -> OwnedMutexGuard<()> {
		let turn = self.book().turn(at);
		turn.lock_owned().await
	}
}

#[cfg(test)]
mod tests;
