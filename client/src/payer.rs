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

pub mod machine;

pub use machine::{LaneState, Policy, Refusal, Terms};

use crate::{
	chain::{to_hex, At, ChainError, ChainView, ChannelInfo, Phase},
	keys::VoucherKey,
	payment::ChannelProof,
	store::{bind_chain, Anchor, Committer, Store, StoreError, Table, Write},
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, Encode};
use machine::{allow_unanswered, correct, next_voucher, settle, Next};
use std::{
	collections::{HashMap, HashSet},
	sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use stoa_primitives::{
	channel::ChannelId, keys::Key, payload::Domain, AccountId, AssetId, Balance, BlockNumber, H256,
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
	/// Whether the channel's secret key is loaded.
	pub unlocked: bool,
	/// Whether the channel is open, as far as is known.
	pub usable: bool,
}

#[derive(Clone, Debug, Decode, Encode)]
enum ChannelRow {
	#[codec(index = 1)]
	V1 {
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
		key: Key,
		deposit: Balance,
		grace: BlockNumber,
		lanes: u16,
	},
}

#[derive(Clone, Debug, Decode, Encode)]
enum LaneRow {
	#[codec(index = 1)]
	V1 { signed: Option<SignedVoucher>, acknowledged: Balance },
	#[codec(index = 2)]
	V2 { signed: Option<SignedVoucher>, acknowledged: Balance, unanswered: Balance },
}

impl LaneRow {
	fn new(state: &LaneState) -> Self {
		let LaneState { signed, acknowledged, unanswered } = *state;
		Self::V2 { signed, acknowledged, unanswered }
	}

	fn state(self) -> LaneState {
		match self {
			Self::V1 { signed, acknowledged } => LaneState { signed, acknowledged, unanswered: 0 },
			Self::V2 { signed, acknowledged, unanswered } => {
				LaneState { signed, acknowledged, unanswered }
			},
		}
	}
}

struct Channel {
	terms: Terms,
	lanes: HashMap<u32, LaneState>,
	/// Cleared when the chain says that the channel is closing or has ended.
	usable: bool,
}

#[derive(Default)]
struct Book {
	channels: HashMap<ChannelId, Channel>,
	keys: HashMap<[u8; Key::LEN], VoucherKey>,
	turns: HashMap<LaneKey, Arc<tokio::sync::Mutex<()>>>,
	/// Lanes whose last answer is not written down yet.
	unsaved: HashSet<LaneKey>,
}

impl Book {
	/// What no answer came for on a channel.
	fn unanswered(&self, id: &ChannelId) -> Balance {
		self.channels.get(id).map_or(0, |channel| {
			channel.lanes.values().map(|lane| lane.unanswered).fold(0, Balance::saturating_add)
		})
	}
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
				Some(put(Table::Payer, &at.to_bytes(), &LaneRow::new(state)))
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
		let mut book = Book::default();
		for (key, value) in store.scan(Table::Channels)? {
			let malformed = || StoreError::Malformed(Table::Channels);
			let id = ChannelId::try_from(key.as_slice()).map_err(|_| malformed())?;
			let ChannelRow::V1 { payee, asset, key, deposit, lanes, .. } =
				ChannelRow::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			let terms = Terms { channel: id, payee, asset, key, deposit, lanes };
			book.channels.insert(id, Channel { terms, lanes: HashMap::new(), usable: true });
		}
		for (key, value) in store.scan(Table::Payer)? {
			let malformed = || StoreError::Malformed(Table::Payer);
			let lane = LaneKey::from_bytes(&key).ok_or_else(malformed)?;
			let row = LaneRow::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			if let Some(channel) = book.channels.get_mut(&lane.channel) {
				channel.lanes.insert(lane.lane, row.state());
			}
		}
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
		let row = ChannelRow::V1 {
			payer: info.payer.clone(),
			payee: info.payee.clone(),
			asset: info.asset.clone(),
			key: info.key,
			deposit: info.deposit,
			grace: info.grace,
			lanes: info.lanes,
		};
		// All channels that the runtime opens have one lane.
		let at = LaneKey { channel: info.id, lane: 0 };
		let _turn = self.turn(at).await;
		let settled = {
			let book = self.book();
			let known = book.channels.get(&info.id).and_then(|known| known.lanes.get(&at.lane));
			let fresh = LaneState::default();
			settle(known.unwrap_or(&fresh), info.lane_settled(at.lane))
		};
		let mut writes = vec![put(Table::Channels, &info.id, &row)];
		writes.extend(
			settled.as_ref().map(|state| put(Table::Payer, &at.to_bytes(), &LaneRow::new(state))),
		);
		self.0.committer.commit(writes).await?;
		let mut book = self.book();
		book.keys.insert(info.key.to_bytes(), key);
		let terms = Terms {
			channel: info.id,
			payee: info.payee.clone(),
			asset: info.asset.clone(),
			key: info.key,
			deposit: info.deposit,
			lanes: info.lanes,
		};
		if settled.is_some() {
			book.unsaved.remove(&at);
		}
		let lanes = book.channels.remove(&info.id).map(|known| known.lanes);
		let mut lanes = lanes.unwrap_or_default();
		lanes.extend(settled.map(|state| (at.lane, state)));
		let usable = info.phase == Phase::Open;
		book.channels.insert(info.id, Channel { terms, lanes, usable });
		Ok(())
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
		if let Some(known) = self.book().channels.get_mut(channel) {
			known.usable = info.is_some_and(|info| info.phase == Phase::Open);
			if let Some(info) = info {
				known.terms.deposit = info.deposit;
			}
		}
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
		let mut writes = vec![Write { table: Table::Channels, key: id.to_vec(), value: None }];
		writes.extend(lanes.into_iter().map(|lane| Write {
			table: Table::Payer,
			key: LaneKey { channel: *id, lane }.to_bytes().to_vec(),
			value: None,
		}));
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
		let at = LaneKey { channel: *channel, lane };
		let turn = self.turn(at).await;
		let (signed, fresh) = self.sign_next(at, price).await?;
		Ok(Payment { payer: self.clone(), price, signed, fresh, corrected: false, turn })
	}

	/// The voucher to send, and whether it was never sent before. Needs the lane's turn.
	async fn sign_next(
		&self,
		at: LaneKey,
		price: Balance,
	) -> Result<(SignedVoucher, bool), PayError> {
		let (voucher, state, key) = {
			let book = self.book();
			let channel =
				book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
			let others = channel
				.lanes
				.iter()
				.filter(|(lane, _)| **lane != at.lane)
				.map(|(_, state)| state.signed_amount())
				.fold(0, Balance::saturating_add);
			let fresh = LaneState::default();
			let state = channel.lanes.get(&at.lane).unwrap_or(&fresh);
			match next_voucher(&channel.terms, &self.0.policy, state, at.lane, others, price)? {
				Next::Reuse(signed) => return Ok((signed, false)),
				Next::Sign(voucher) => {
					allow_unanswered(&self.0.policy, book.unanswered(&at.channel))?;
					let key = book
						.keys
						.get(&channel.terms.key.to_bytes())
						.ok_or(PayError::KeyMissing(at.channel))?
						.clone();
					(voucher, state.clone(), key)
				},
			}
		};
		let signed = key.sign_voucher(voucher, &self.0.domain);
		self.persist(at, LaneState { signed: Some(signed), ..state }).await?;
		Ok((signed, true))
	}

	/// Writes the state, then takes it over. Needs the lane's turn.
	async fn persist(&self, at: LaneKey, state: LaneState) -> Result<(), PayError> {
		let row = LaneRow::new(&state);
		self.0.committer.commit(vec![put(Table::Payer, &at.to_bytes(), &row)]).await?;
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
		let turn = self.book().turns.entry(at).or_default().clone();
		turn.lock_owned().await
	}
}

fn put(table: Table, key: &[u8], row: &impl Encode) -> Write {
	Write { table, key: key.to_vec(), value: Some(row.encode()) }
}

/// A signed voucher on its way, which holds its lane until it is acknowledged or dropped.
pub struct Payment {
	payer: Payer,
	price: Balance,
	signed: SignedVoucher,
	fresh: bool,
	corrected: bool,
	turn: OwnedMutexGuard<()>,
}

impl Payment {
	/// What to send.
	pub fn signed(&self) -> &SignedVoucher {
		&self.signed
	}

	/// What the call costs.
	pub fn price(&self) -> Balance {
		self.price
	}

	/// The payee has answered, and its receipt fits: the voucher is used up.
	///
	/// This is written down together with the next voucher, or when the last handle of the payer is
	/// dropped. If the process is killed before, the next payment repeats this voucher, and the payee's
	/// statement about it, which carries our own signature, puts things right; it then counts as
	/// unanswered.
	pub fn acknowledge(self) {
		let at = self.signed.lane();
		let mut book = self.payer.book();
		let Some(channel) = book.channels.get_mut(&at.channel) else { return };
		if let Some(state) = channel.lanes.get_mut(&at.lane) {
			state.acknowledged = state.acknowledged.max(self.signed.voucher.cumulative);
			book.unsaved.insert(at);
		}
	}

	/// The payee says that `statement`, a voucher of ours, is used up already. If our signature
	/// proves it, signs the voucher that follows.
	///
	/// A payee that claims the very voucher it has just received for the first time, without having
	/// answered, is not believed: else it could ask for one unit after the other within one call. For
	/// the same reason one payment is corrected at most once. A voucher that was sent in an earlier
	/// call may have been answered, so there the payee is believed, up to [`Policy::max_unanswered`]
	/// over the channel's life.
	///
	/// # Errors
	///
	/// [`PayError::Unproven`], [`Refusal::Unanswered`], or what forbids the next voucher.
	pub async fn correct(self, statement: &SignedVoucher) -> Result<Self, PayError> {
		let claimed = statement.voucher.cumulative;
		if self.corrected || (self.fresh && claimed <= self.signed.voucher.cumulative) {
			return Err(PayError::Unproven);
		}
		let at = self.signed.lane();
		let state = {
			let book = self.payer.book();
			let channel =
				book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
			let before = channel.lanes.get(&at.lane).cloned().unwrap_or_default();
			let state = correct(&channel.terms, &self.payer.0.domain, at.lane, &before, statement)
				.ok_or(PayError::Unproven)?;
			let others = book.unanswered(&at.channel).saturating_sub(before.unanswered);
			allow_unanswered(self.payer.policy(), others.saturating_add(state.unanswered))?;
			state
		};
		self.payer.persist(at, state).await?;
		let (signed, fresh) = self.payer.sign_next(at, self.price).await?;
		let Self { payer, price, turn, .. } = self;
		Ok(Self { payer, price, signed, fresh, corrected: true, turn })
	}
}

#[cfg(test)]
mod tests;
