//! The side that pays: signs vouchers within limits and remembers what it has signed.
//!
//! [`machine`] decides, [`Payer`] stores and signs. A voucher leaves [`Payer::pay`] only after it is
//! durable, so that a crash can never lead to a second, different claim on the same money.
//!
//! **What the payer can lose:** one price unit per lane, when a payee takes a voucher and does not
//! deliver, and one more for each later call in which the payee claims the unanswered voucher as
//! used. The next voucher is signed only when the last one was acknowledged, by an answer or by such
//! a claim.

pub mod machine;

pub use machine::{LaneState, Policy, Refusal, Terms};

use crate::{
	chain::{to_hex, ChannelInfo, Phase},
	keys::VoucherKey,
	store::{bind_chain, Committer, Store, StoreError, Table, Write},
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, Encode};
use machine::{correct, next_voucher, Next};
use std::{
	collections::HashMap,
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
	/// Highest amount that paid for an answer, over all lanes.
	pub acknowledged: Balance,
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
}

struct Inner {
	genesis: H256,
	domain: Domain,
	policy: Policy,
	committer: Committer,
	book: Mutex<Book>,
}

/// Pays through channels. Cheap to clone; all clones share one state.
#[derive(Clone)]
pub struct Payer(Arc<Inner>);

impl Payer {
	/// Reads the store and binds it to the chain of `genesis`.
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
			let LaneRow::V1 { signed, acknowledged } =
				LaneRow::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			if let Some(channel) = book.channels.get_mut(&lane.channel) {
				channel.lanes.insert(lane.lane, LaneState { signed, acknowledged });
			}
		}
		let committer = Committer::start(store)?;
		let domain = Domain::channels(genesis);
		Ok(Self(Arc::new(Inner { genesis, domain, policy, committer, book: Mutex::new(book) })))
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
	/// channel again updates its deposit.
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
		self.0.committer.commit(vec![put(Table::Channels, &info.id, &row)]).await?;
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
		match book.channels.get_mut(&info.id) {
			Some(channel) => {
				channel.terms = terms;
				channel.usable = true;
			},
			None => {
				book.channels
					.insert(info.id, Channel { terms, lanes: HashMap::new(), usable: true });
			},
		}
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
	/// [`Payer::find`] pass it over until it is added again.
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
		self.book().channels.remove(id);
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
		let turn = self.book().turns.entry(at).or_default().clone();
		let turn = turn.lock_owned().await;
		let (signed, fresh) = self.sign_next(at, price).await?;
		Ok(Payment { payer: self.clone(), price, signed, fresh, corrected: false, turn })
	}

	/// The voucher to send, and whether it was never sent before. Needs the lane's turn.
	async fn sign_next(
		&self,
		at: LaneKey,
		price: Balance,
	) -> Result<(SignedVoucher, bool), PayError> {
		let (voucher, acknowledged, key) = {
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
					let key = book
						.keys
						.get(&channel.terms.key.to_bytes())
						.ok_or(PayError::KeyMissing(at.channel))?
						.clone();
					(voucher, state.acknowledged, key)
				},
			}
		};
		let signed = key.sign_voucher(voucher, &self.0.domain);
		self.persist(at, LaneState { signed: Some(signed), acknowledged }).await?;
		Ok((signed, true))
	}

	/// Writes the state, then takes it over. Needs the lane's turn.
	async fn persist(&self, at: LaneKey, state: LaneState) -> Result<(), PayError> {
		let row = LaneRow::V1 { signed: state.signed, acknowledged: state.acknowledged };
		self.0.committer.commit(vec![put(Table::Payer, &at.to_bytes(), &row)]).await?;
		if let Some(channel) = self.book().channels.get_mut(&at.channel) {
			channel.lanes.insert(at.lane, state);
		}
		Ok(())
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

	/// The payee has answered: the voucher is used up.
	///
	/// This is written down together with the next voucher. If the process dies before, the next
	/// payment repeats this voucher, and the payee's statement about it, which carries our own
	/// signature, puts things right.
	pub fn acknowledge(self) {
		let at = self.signed.lane();
		if let Some(state) = self
			.payer
			.book()
			.channels
			.get_mut(&at.channel)
			.and_then(|channel| channel.lanes.get_mut(&at.lane))
		{
			state.acknowledged = state.acknowledged.max(self.signed.voucher.cumulative);
		}
	}

	/// The payee says that `statement`, a voucher of ours, is used up already. If our signature
	/// proves it, signs the voucher that follows.
	///
	/// A payee that claims the very voucher it has just received for the first time, without having
	/// answered, is not believed: else it could ask for one unit after the other within one call. For
	/// the same reason one payment is corrected at most once. A voucher that was sent in an earlier
	/// call may have been answered, so there the payee is believed.
	///
	/// # Errors
	///
	/// [`PayError::Unproven`], or what forbids the next voucher.
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
			let state = channel.lanes.get(&at.lane).cloned().unwrap_or_default();
			correct(&channel.terms, &self.payer.0.domain, at.lane, &state, statement)
				.ok_or(PayError::Unproven)?
		};
		self.payer.persist(at, state).await?;
		let (signed, fresh) = self.payer.sign_next(at, self.price).await?;
		let Self { payer, price, turn, .. } = self;
		Ok(Self { payer, price, signed, fresh, corrected: true, turn })
	}
}

#[cfg(test)]
mod tests;
