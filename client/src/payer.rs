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
pub mod machine;
mod payment;
pub mod recovery;
pub mod top_up;

pub use machine::{LaneState, Policy, Refusal, Terms, TickTerms};
pub use payment::Payment;

use crate::{
	agreement::{Disagreement, SignedConsent},
	chain::{to_hex, At, BlockRef, ChainError, ChainView, ChannelInfo, Phase},
	keys::VoucherKey,
	payment::ChannelProof,
	store::{bind_chain, Anchor, Committer, Store, StoreError, Table, Write},
	voucher::LaneKey,
};
use book::{Book, Channel, ChannelRow, LaneRow};
use futures::future::select_all;
use machine::settle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stoa_primitives::{
	channel::ChannelId, payload::Domain, AccountId, AssetId, Balance, BlockNumber, H256,
};
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

/// One of the payer's channels. Amounts are in units of its asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PayerChannel {
	/// Channel id.
	pub id: ChannelId,
	/// The side that is paid.
	pub payee: AccountId,
	/// In what is paid.
	pub asset: AssetId,
	/// What is known to be locked.
	pub deposit: Balance,
	/// Highest amount ever signed, over all lanes.
	pub signed: Balance,
	/// Highest amount that is used up, over all lanes.
	pub acknowledged: Balance,
	/// How much of it no answer came for, over all lanes.
	pub unanswered: Balance,
	/// How many calls can be under way at the same time.
	pub lanes: u16,
	/// Whether the channel's secret key is loaded.
	pub unlocked: bool,
	/// Whether the channel is open, as far as is known.
	pub usable: bool,
}

struct Inner {
	genesis: H256,
	domain: Domain,
	policy: Policy,
	anchor: Anchor,
	committer: Committer,
	book: Mutex<Book>,
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
		bind_chain(store.as_ref(), genesis)?;
		let book = Book::load(store.as_ref())?;
		let anchor = Anchor::load(store.as_ref())?;
		let committer = Committer::start(store)?;
		let domain = Domain::channels(genesis);
		let book = Mutex::new(book);
		Ok(Self(Arc::new(Inner { genesis, domain, policy, anchor, committer, book })))
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

	/// Remembers a channel durably, with what the chain says of it, and loads its key. Adding a
	/// channel again updates its deposit, and what was settled meanwhile counts as used up: no payee
	/// has to say so. A requested close makes [`Payer::find`] pass it over, a cancelled one does so no
	/// longer. Waits for a payment under way.
	///
	/// # Errors
	///
	/// [`PayError::WrongKey`], [`PayError::Store`].
	pub async fn add_channel(&self, info: &ChannelInfo, key: VoucherKey) -> Result<(), PayError> {
		if key.key() != info.key {
			return Err(PayError::WrongKey(info.id));
		}
		let _turns = self.turns(&info.id, info).await;
		let (row, settled) = {
			let book = self.book();
			let known = book.channels.get(&info.id);
			let mut terms = Terms::new(info, book.now);
			// What the key before this one has signed is still ours.
			let before = known.map(|known| &known.terms);
			let replaced = before.and_then(|before| match before.key == info.key {
				true => before.retired,
				false => Some(before.key),
			});
			terms.retired = terms.retired.or(replaced);
			let fresh = LaneState::default();
			let settled: Vec<_> = (0..u32::from(info.lanes))
				.filter_map(|lane| {
					let state = known.and_then(|known| known.lanes.get(&lane));
					Some((lane, settle(state.unwrap_or(&fresh), info.settled_on(lane))?))
				})
				.collect();
			(ChannelRow::new(terms, info), settled)
		};
		let mut writes = vec![Write::put(Table::Channels, &info.id, &row)];
		writes.extend(settled.iter().map(|(lane, state)| {
			let at = LaneKey { channel: info.id, lane: *lane };
			Write::put(Table::Payer, &at.to_bytes(), &LaneRow::new(state))
		}));
		self.0.committer.commit(writes).await?;
		let mut book = self.book();
		book.keys.insert(info.key.to_bytes(), key);
		for (lane, _) in &settled {
			book.unsaved.remove(&LaneKey { channel: info.id, lane: *lane });
		}
		let known = book.channels.remove(&info.id);
		let mut channel = known.unwrap_or_else(|| Channel::new(row.terms(info.id)));
		channel.terms = row.terms(info.id);
		channel.lanes.extend(settled);
		channel.usable = info.phase == Phase::Open;
		book.channels.insert(info.id, channel);
		Ok(())
	}

	/// The turns of all lanes that `info` may say something new of.
	async fn turns(&self, id: &ChannelId, info: &ChannelInfo) -> Vec<OwnedMutexGuard<()>> {
		let mut turns = Vec::new();
		for lane in
			(0..u32::from(info.lanes)).filter(|lane| *lane == 0 || info.settled_on(*lane) > 0)
		{
			turns.push(self.turn(LaneKey { channel: *id, lane }).await);
		}
		turns
	}

	/// Takes note of the best block's number: velocity caps leave more with each block.
	pub fn note_block(&self, now: BlockNumber) {
		let mut book = self.book();
		book.now = book.now.max(now);
	}

	/// Takes over a deposit that was read from the chain, after a top-up.
	///
	/// # Errors
	///
	/// [`PayError::UnknownChannel`].
	pub fn set_deposit(&self, channel: &ChannelId, deposit: Balance) -> Result<(), PayError> {
		let mut book = self.book();
		let channel = book.channels.get_mut(channel).ok_or(PayError::UnknownChannel(*channel))?;
		channel.terms.deposit = deposit;
		Ok(())
	}

	/// Takes over what the chain says of a channel; `None` or a requested close makes
	/// [`Payer::find`] pass it over until it is seen or added as open again.
	pub fn observe(&self, channel: &ChannelId, info: Option<&ChannelInfo>) {
		let mut book = self.book();
		let now = book.now;
		if let Some(known) = book.channels.get_mut(channel) {
			known.usable = info.is_some_and(|info| info.phase == Phase::Open);
			if let Some(info) = info {
				let Terms { deposit, limit, revoked, .. } = Terms::new(info, now);
				(known.terms.deposit, known.terms.limit) = (deposit, limit);
				known.terms.revoked = revoked;
			}
		}
	}

	/// Whether an agreement of the payee's to a close fits what was paid on the channel: no more than was
	/// signed, and beyond what was answered no more than [`Policy::max_unanswered`]. `info` is the channel
	/// at block `now`.
	///
	/// # Errors
	///
	/// [`Disagreement`].
	pub fn check_consent(
		&self,
		signed: &SignedConsent,
		info: &ChannelInfo,
		now: BlockRef,
	) -> Result<(), Disagreement> {
		let known = self.channels().into_iter().find(|known| known.id == info.id);
		let known = known.ok_or(Disagreement::Other)?;
		let answered = known.acknowledged.saturating_add(self.policy().max_unanswered);
		signed.check(info, known.signed.min(answered), now, &self.0.domain)
	}

	/// Forgets a channel that has ended.
	///
	/// # Errors
	///
	/// [`PayError::Store`].
	pub async fn remove_channel(&self, id: &ChannelId) -> Result<(), PayError> {
		let lanes: Vec<u32> = self
			.book()
			.channels
			.get(id)
			.map(|channel| channel.lanes.keys().copied().collect())
			.unwrap_or_default();
		let mut writes = vec![Write::remove(Table::Channels, id)];
		let rows = lanes.into_iter().map(|lane| LaneKey { channel: *id, lane }.to_bytes());
		writes.extend(rows.map(|key| Write::remove(Table::Payer, &key)));
		self.0.committer.commit(writes).await?;
		let mut book = self.book();
		book.channels.remove(id);
		book.unsaved.retain(|at| at.channel != *id);
		Ok(())
	}

	/// All channels, in ascending order of ids.
	pub fn channels(&self) -> Vec<PayerChannel> {
		let book = self.book();
		let mut out: Vec<_> = book
			.channels
			.values()
			.map(|channel| {
				let sum = |of: fn(&LaneState) -> Balance| {
					channel.lanes.values().map(of).fold(0, Balance::saturating_add)
				};
				PayerChannel {
					id: channel.terms.channel,
					payee: channel.terms.payee.clone(),
					asset: channel.terms.asset.clone(),
					deposit: channel.terms.deposit,
					signed: sum(LaneState::signed_amount),
					acknowledged: sum(|lane| lane.acknowledged),
					unanswered: sum(|lane| lane.unanswered),
					lanes: channel.terms.lanes,
					unlocked: book.keys.contains_key(&channel.terms.key.to_bytes()),
					usable: channel.usable,
				}
			})
			.collect();
		out.sort_by_key(|channel| channel.id);
		out
	}

	/// The open channel to this payee in this asset that has most left; loaded keys come first.
	pub fn find(&self, payee: &AccountId, asset: &AssetId) -> Option<ChannelId> {
		self.channels()
			.into_iter()
			.filter(|channel| channel.usable)
			.filter(|channel| channel.payee == *payee && channel.asset == *asset)
			.max_by_key(|channel| {
				(channel.unlocked, channel.deposit.saturating_sub(channel.signed))
			})
			.map(|channel| channel.id)
	}

	/// Signs the voucher that pays `price` more, durably.
	///
	/// Waits until no other payment on this lane is under way. If the last payment was not
	/// acknowledged, its voucher is used again: whatever became of that call, no more is at stake.
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
	/// the first that gets free if none is. So calls run in parallel, each with one price at stake.
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
			let known = book.channels.get(channel).ok_or(PayError::UnknownChannel(*channel))?;
			let terms = &known.terms;
			let lanes: Vec<u32> =
				(0..u32::from(terms.lanes)).filter(|lane| !terms.revoked.contains(lane)).collect();
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

	/// Writes the state, then takes it over. Needs the lane's turn.
	async fn persist(&self, at: LaneKey, state: LaneState) -> Result<(), PayError> {
		let row = LaneRow::new(&state);
		self.0.committer.commit(vec![Write::put(Table::Payer, &at.to_bytes(), &row)]).await?;
		let mut book = self.book();
		book.unsaved.remove(&at);
		if let Some(channel) = book.channels.get_mut(&at.channel) {
			channel.lanes.insert(at.lane, state);
		}
		Ok(())
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
