//! Who tops up: one transaction at a time, within a budget, and not again at once after a failure.

use super::{Deposit, TopUpError, TopUpPolicy};
use crate::{
	chain::{At, ChainError, ChannelInfo, PayerChain, Phase},
	payer::{PayError, Payer, PayerChannel},
	store::{Store, StoreError, Table, Write},
};
use codec::{Decode, DecodeAll, Encode};
use std::{
	collections::HashMap,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use stoa_primitives::{channel::ChannelId, AssetId, Balance, BLOCK_MILLIS};

/// The budget of all assets, as the first version kept it.
const TOP_UPS: &[u8] = b"top-ups";

/// How many channels one transaction tops up, at most.
const MAX_TOP_UPS: usize = 16;

/// For how long a channel is left alone after a first failure, in seconds.
const PAUSE: u64 = BLOCK_MILLIS / 1_000;

/// For how long at most, in seconds.
const MAX_PAUSE: u64 = 600;

/// What was added: when, in seconds since 1970, and how much.
type Spent = (u64, Balance);

#[derive(Decode, Encode)]
enum SpentRow {
	#[codec(index = 1)]
	V1(Vec<Spent>),
}

/// The last failure on a channel, or of a transaction for several.
#[derive(Clone, Debug)]
struct Failure {
	error: ChainError,
	/// How many there were in a row.
	count: u32,
	/// Until when nothing is tried again, in seconds since 1970.
	until: u64,
}

impl Failure {
	fn after(before: Option<&Self>, error: &ChainError, now: u64) -> Self {
		let count = before.map_or(0, |before| before.count);
		let pause = PAUSE.saturating_mul(1u64 << count.min(16)).min(MAX_PAUSE);
		let until = now.saturating_add(pause);
		Self { error: error.clone(), count: count.saturating_add(1), until }
	}

	fn holds(&self, now: u64) -> bool {
		// A clock that was put back must not make it hold for ever.
		(1..=MAX_PAUSE).contains(&self.until.saturating_sub(now))
	}
}

#[derive(Default)]
struct State {
	spent: Vec<Spent>,
	/// Whether `spent` has what the first version kept, whose row is to go.
	inherited: bool,
	failures: HashMap<ChannelId, Failure>,
	/// The last failure of a transaction for several channels, of which it is not known which was to
	/// blame: while it holds, each has one of its own.
	several: Option<Failure>,
}

struct Inner {
	payer: Payer,
	chain: Arc<dyn PayerChain>,
	asset: AssetId,
	policy: TopUpPolicy,
	state: Mutex<State>,
	turn: Arc<tokio::sync::Mutex<()>>,
}

/// Tops up those channels of one payer that are in one asset. Cheap to clone; all clones share one budget.
#[derive(Clone)]
pub struct Funder(Arc<Inner>);

impl Funder {
	/// A funder of channels in `asset` that remembers in `store`, the payer's own, what it has added.
	///
	/// # Errors
	///
	/// [`StoreError`].
	pub fn new(
		payer: Payer,
		store: &dyn Store,
		chain: Arc<dyn PayerChain>,
		asset: AssetId,
		policy: TopUpPolicy,
	) -> Result<Self, StoreError> {
		let inherited = read(store, TOP_UPS)?;
		let mut spent = read(store, &row_key(&asset))?.unwrap_or_default();
		let inherited = match inherited {
			Some(of_all) => {
				spent.extend(of_all);
				true
			},
			None => false,
		};
		let state = Mutex::new(State { spent, inherited, ..State::default() });
		let turn = Arc::default();
		Ok(Self(Arc::new(Inner { payer, chain, asset, policy, state, turn })))
	}

	fn state(&self) -> MutexGuard<'_, State> {
		// Nothing panics while the lock is held.
		self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// The asset that is spent.
	pub fn asset(&self) -> &AssetId {
		&self.0.asset
	}

	/// What was added in the period that ends at `now`, in seconds since 1970.
	pub fn spent(&self, now: u64) -> Balance {
		sum(&self.recent(now))
	}

	fn recent(&self, now: u64) -> Vec<Spent> {
		let period = self.0.policy.period.as_secs();
		// A time that lies ahead is that of a clock that was put back since.
		let recent = |(at, _): &&Spent| now.saturating_sub(*at) < period;
		self.state().spent.iter().filter(recent).copied().collect()
	}

	/// Tops up a channel if too little is left of it for `price` more and for what the policy keeps. Waits
	/// for it only if the deposit does not suffice for `price`; else it is done in the background, and a
	/// failure is logged. Returns what was added to this channel while the caller waited. `now` is in
	/// seconds since 1970.
	///
	/// Must be called inside a Tokio runtime.
	///
	/// # Errors
	///
	/// [`TopUpError`], only when the deposit does not suffice; with [`ChainError::Unknown`] in it when the
	/// money may be locked all the same: it then counts as spent. After a failure the same error is
	/// returned for a while, and nothing is sent.
	pub async fn ensure(
		&self,
		channel: &ChannelId,
		price: Balance,
		now: u64,
	) -> Result<Balance, TopUpError> {
		let (known, needed) = self.known(channel, price)?;
		if known.deposit >= needed.saturating_add(self.0.policy.below) {
			return Ok(0);
		}
		if known.deposit >= needed {
			self.ensure_later(*channel, price, now);
			return Ok(0);
		}
		let _turn = self.0.turn.lock().await;
		// Another call may have waited for the same.
		let (known, needed) = self.known(channel, price)?;
		if known.deposit >= needed {
			return Ok(0);
		}
		self.top_up(channel, price, now).await
	}

	/// Tops up in the background, unless that is under way or has just failed.
	fn ensure_later(&self, channel: ChannelId, price: Balance, now: u64) {
		if self.paused(&channel, now).is_some() {
			return;
		}
		let Ok(turn) = self.0.turn.clone().try_lock_owned() else { return };
		let funder = self.clone();
		// It ends by itself, and what it adds is found in the payer's book.
		drop(tokio::spawn(async move {
			if let Err(error) = funder.top_up(&channel, price, now).await {
				let channel = hex::encode(channel);
				tracing::warn!(%error, channel, "a channel was not topped up");
			}
			drop(turn);
		}));
	}

	/// The channel, and what it has to hold for one more call at `price`.
	fn known(
		&self,
		channel: &ChannelId,
		price: Balance,
	) -> Result<(PayerChannel, Balance), TopUpError> {
		let unknown = || PayError::UnknownChannel(*channel);
		let known = self.0.payer.channel(channel).ok_or_else(unknown)?;
		if known.asset != self.0.asset {
			let (expected, actual) = (self.0.asset.clone(), known.asset);
			return Err(TopUpError::OtherAsset { expected, actual });
		}
		let needed = self.0.payer.needed(channel, price).ok_or_else(unknown)?;
		Ok((known, needed))
	}

	/// The failure for which a channel is left alone at `now`.
	fn paused(&self, channel: &ChannelId, now: u64) -> Option<ChainError> {
		let state = self.state();
		let failure = state.failures.get(channel).filter(|failure| failure.holds(now))?;
		Some(failure.error.clone())
	}

	fn fail(&self, channels: &[(ChannelId, Balance)], now: u64, error: &ChainError) {
		let mut state = self.state();
		for (channel, _) in channels {
			let failure = Failure::after(state.failures.get(channel), error, now);
			state.failures.insert(*channel, failure);
		}
	}

	/// Tops up the channel, and others that are low with it. Needs the turn. Returns what was added to this
	/// one.
	async fn top_up(
		&self,
		channel: &ChannelId,
		price: Balance,
		now: u64,
	) -> Result<Balance, TopUpError> {
		if let Some(error) = self.paused(channel, now) {
			return Err(error.into());
		}
		let own = self.decide(channel, price, self.spent(now)).await;
		let amount = match own {
			Ok(Some(amount)) => amount,
			Ok(None) => return Ok(0),
			Err(error) => {
				if let TopUpError::Chain(error) = &error {
					self.fail(&[(*channel, 0)], now, error);
				}
				return Err(error);
			},
		};
		let first = (*channel, amount);
		let others = self.others(channel, amount, now).await;
		if !others.is_empty() {
			let all: Vec<_> = [first].into_iter().chain(others).collect();
			match self.send_many(&all, now).await {
				Some(Ok(())) => return Ok(amount),
				// Nothing has happened, and this one may not be to blame.
				Some(Err(TopUpError::Chain(error))) if is_void(&error) => {
					tracing::warn!(%error, "several channels were not topped up at once");
				},
				Some(Err(error)) => return Err(error),
				None => {},
			}
		}
		self.send(first, now).await?;
		Ok(amount)
	}

	/// What to add to a channel once `spent` was added to all, by what the best block says.
	async fn decide(
		&self,
		channel: &ChannelId,
		price: Balance,
		spent: Balance,
	) -> Result<Option<Balance>, TopUpError> {
		let (known, needed) = self.known(channel, price)?;
		let newest = match self.0.chain.channel(*channel, At::Best).await? {
			Some(info) if info.phase == Phase::Open => info.deposit,
			// What is added to it would come back only after the close.
			_ => return Err(ChainError::NotFound { what: "an open channel".into() }.into()),
		};
		let deposit = Deposit { needed, known: known.deposit, newest, spent };
		Ok(self.0.policy.decide(deposit)?)
	}

	/// Other channels that are low, and what to add to each within what the budget leaves.
	async fn others(
		&self,
		channel: &ChannelId,
		amount: Balance,
		now: u64,
	) -> Vec<(ChannelId, Balance)> {
		let mut out = Vec::new();
		if self.state().several.as_ref().is_some_and(|failure| failure.holds(now)) {
			return out;
		}
		let mut spent = self.spent(now).saturating_add(amount);
		for other in self.0.payer.channels() {
			let low = other.deposit < other.signed.saturating_add(self.0.policy.below);
			let fits = low && other.usable && other.asset == self.0.asset && other.id != *channel;
			if !fits || out.len() >= MAX_TOP_UPS.saturating_sub(1) {
				continue;
			}
			if self.paused(&other.id, now).is_some() {
				continue;
			}
			// One that cannot be read or topped up is none of this call's business.
			if let Ok(Some(amount)) = self.decide(&other.id, 0, spent).await {
				spent = spent.saturating_add(amount);
				out.push((other.id, amount));
			}
		}
		out
	}

	/// Tops up one channel.
	async fn send(&self, one: (ChannelId, Balance), now: u64) -> Result<(), TopUpError> {
		let sent = self.0.chain.top_up(one.0, one.1);
		self.spend(&[one], now, async { Ok(vec![sent.await?]) }).await
	}

	/// Tops up several channels in one transaction; `None` if the chain cannot.
	async fn send_many(
		&self,
		all: &[(ChannelId, Balance)],
		now: u64,
	) -> Option<Result<(), TopUpError>> {
		let sent = self.0.chain.top_up_many(all.to_vec())?;
		Some(self.spend(all, now, sent).await)
	}

	/// Writes down what is spent, sends it, and takes over what has come of it.
	async fn spend(
		&self,
		all: &[(ChannelId, Balance)],
		now: u64,
		sent: impl std::future::Future<Output = Result<Vec<ChannelInfo>, ChainError>>,
	) -> Result<(), TopUpError> {
		let before = self.recent(now);
		let with = all.iter().map(|(_, amount)| (now, *amount));
		self.remember(before.iter().copied().chain(with).collect()).await?;
		match sent.await {
			Ok(infos) => {
				for info in &infos {
					self.0.payer.observe(&info.id, Some(info));
				}
				let mut state = self.state();
				for (channel, _) in all {
					state.failures.remove(channel);
				}
				if all.len() > 1 {
					state.several = None;
				}
				Ok(())
			},
			Err(error) if is_void(&error) => {
				match all {
					[_] => self.fail(all, now, &error),
					_ => {
						let mut state = self.state();
						state.several = Some(Failure::after(state.several.as_ref(), &error, now));
					},
				}
				self.remember(before).await?;
				Err(error.into())
			},
			Err(error) => {
				self.fail(all, now, &error);
				Err(error.into())
			},
		}
	}

	async fn remember(&self, spent: Vec<Spent>) -> Result<(), StoreError> {
		let row = SpentRow::V1(spent.clone());
		let mut writes = vec![Write::put(Table::Meta, &row_key(&self.0.asset), &row)];
		if self.state().inherited {
			writes.push(Write::remove(Table::Meta, TOP_UPS));
		}
		self.0.payer.committer().commit(writes).await?;
		let mut state = self.state();
		(state.spent, state.inherited) = (spent, false);
		Ok(())
	}
}

/// Whether nothing was locked.
fn is_void(error: &ChainError) -> bool {
	matches!(error, ChainError::Rejected { .. } | ChainError::Dispatch(_))
}

fn sum(spent: &[Spent]) -> Balance {
	spent.iter().fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount))
}

fn row_key(asset: &AssetId) -> Vec<u8> {
	[TOP_UPS, b"/", &asset.encode()].concat()
}

fn read(store: &dyn Store, key: &[u8]) -> Result<Option<Vec<Spent>>, StoreError> {
	let Some(bytes) = store.get(Table::Meta, key)? else { return Ok(None) };
	let SpentRow::V1(spent) = SpentRow::decode_all(&mut bytes.as_slice())
		.map_err(|_| StoreError::Malformed(Table::Meta))?;
	Ok(Some(spent))
}
