//! Runs the machine against a chain and a store.

use crate::{
	chain::{Block, ChainFailure, TowerChain},
	channel::ChannelState,
	judge::{judge, Held, Refused},
	machine::{Config, Machine, Outcome},
	patience::{Patience, PATIENCE},
	progress::{Health, Progress, Stalled},
};
use futures::{future::BoxFuture, stream, StreamExt, TryStreamExt};
use std::{
	collections::{HashMap, HashSet},
	future::Future,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::Duration,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	payload::Domain,
	AccountId, AssetId, BlockNumber, BLOCK_MILLIS,
};
use tokio::time::Instant;

/// Channels that are looked at in one pass, at most, and how many of them at the same time.
const PASS: usize = 512;
const AT_ONCE: usize = 16;

/// How long to wait when more channels wait to be looked at.
const BETWEEN_PASSES: Duration = Duration::from_millis(100);

/// Batches that are sent in one pass, at most.
const BATCHES: usize = 8;

/// Assets of which it is found out in one pass what claims must be worth.
const PRICES: usize = 16;

/// Why a store did not keep what it was given.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeepFailure(pub String);

/// Where proofs outlive the process.
pub trait Keep: Send + Sync + 'static {
	/// Writes proofs over what is kept for their lanes: all or none, on disk when it returns.
	fn keep(&self, proofs: Vec<Held>) -> BoxFuture<'_, Result<(), KeepFailure>>;

	/// Removes what is kept for lanes of a channel.
	fn forget(&self, channel: ChannelId, lanes: Vec<u32>)
		-> BoxFuture<'_, Result<(), KeepFailure>>;
}

/// Why nothing was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TowerError {
	/// The chain could not be asked.
	#[error("the chain cannot be asked: {0}")]
	Chain(#[from] ChainFailure),
	/// The store failed.
	#[error("the store failed: {0}")]
	Store(#[from] KeepFailure),
	/// The node's best block does not rise, so it shows nobody's close.
	#[error("the node's best block has been {number} for {} seconds", .time.as_secs())]
	Stalled {
		/// The highest that was seen.
		number: BlockNumber,
		/// For how long.
		time: Duration,
	},
}

impl From<Stalled> for TowerError {
	fn from(Stalled { number, time }: Stalled) -> Self {
		Self::Stalled { number, time }
	}
}

/// What one pass did.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Report {
	/// Channels that were read.
	pub looked: usize,
	/// Claims that were sent.
	pub claimed: usize,
	/// Whether more channels wait to be read.
	pub more: bool,
}

struct Inner {
	chain: Arc<dyn TowerChain>,
	keep: Option<Arc<dyn Keep>>,
	domain: Domain,
	machine: Mutex<Machine>,
	patience: Mutex<Patience>,
	progress: Mutex<Progress>,
	/// One offer is written at a time: what was to be kept must still be so when it is on disk.
	offers: tokio::sync::Mutex<()>,
}

/// What is known of the channels that items are about.
type Channels = HashMap<ChannelId, Option<ChannelState>>;

/// What was found out about items, in their order.
#[derive(Default)]
struct Judged {
	verdicts: Vec<Result<Held, Outcome>>,
	channels: Channels,
	/// Items of channels that the tower does not have, of which their sender should have known better.
	strikes: usize,
	/// The same of channels that it has.
	forged: usize,
}

/// A watchtower. Cheap to clone.
#[derive(Clone)]
pub struct Tower(Arc<Inner>);

impl Tower {
	/// A tower that starts with `proofs`, in any order: what [`Keep`] has kept.
	///
	/// Without a store it forgets when the process ends. That is for one whose proofs come again by
	/// themselves.
	pub fn new(
		config: Config,
		chain: Arc<dyn TowerChain>,
		keep: Option<Arc<dyn Keep>>,
		proofs: impl IntoIterator<Item = Held>,
	) -> Self {
		let domain = Domain::channels(chain.genesis());
		let progress = Mutex::new(Progress::new(config.stall));
		let mut machine = Machine::new(config);
		for held in proofs {
			machine.hold(held);
		}
		Self(Arc::new(Inner {
			chain,
			keep,
			domain,
			machine: Mutex::new(machine),
			patience: Mutex::new(Patience::new(Instant::now())),
			progress,
			offers: tokio::sync::Mutex::new(()),
		}))
	}

	// Nothing panics while one of these locks is held.
	fn machine(&self) -> MutexGuard<'_, Machine> {
		self.0.machine.lock().unwrap_or_else(PoisonError::into_inner)
	}

	fn patience(&self) -> MutexGuard<'_, Patience> {
		self.0.patience.lock().unwrap_or_else(PoisonError::into_inner)
	}

	fn progress(&self) -> MutexGuard<'_, Progress> {
		self.0.progress.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// The hash of block 0, which names the chain.
	pub fn genesis(&self) -> stoa_primitives::H256 {
		self.0.chain.genesis()
	}

	/// How many channels and lanes are kept.
	pub fn counts(&self) -> (usize, usize) {
		self.machine().counts()
	}

	/// What is kept for a payee, in ascending order of (channel, lane).
	pub fn items_of(&self, payee: &AccountId) -> Vec<Item> {
		let machine = self.machine();
		match machine.serves(payee) {
			true => machine.items_of(payee),
			false => Vec::new(),
		}
	}

	/// How far the node is, and whether it goes on.
	pub fn health(&self) -> Health {
		self.progress().health(Instant::now())
	}

	/// Offers proofs. Those that are good and worth more than what is kept are on disk when this
	/// returns; an outcome for each item, in their order.
	///
	/// `from` is who brings them, which must be the channel's payee; `None` for somebody who is trusted to
	/// bring anybody's. After 32 items in a minute of which `from` should have known better, others are
	/// refused unseen unless their channels are watched already; all for whom nothing is kept have 512
	/// together. Many offers are judged at the same
	/// time, so that nobody waits for another's.
	///
	/// # Errors
	///
	/// [`TowerError`]; nothing was kept then.
	pub async fn offer(
		&self,
		from: Option<&AccountId>,
		items: &[Item],
	) -> Result<Vec<Outcome>, TowerError> {
		let best = self.0.chain.best().await?;
		let Judged { verdicts, mut channels, .. } = self.judge_all(from, items, best).await?;
		let _one = self.0.offers.lock().await;
		self.note(&channels, best);
		let mut good = HashMap::new();
		let mut take = |verdict| match verdict {
			Ok(held) => self.take(held, &mut good),
			Err(outcome) => outcome,
		};
		let outcomes = verdicts.into_iter().map(&mut take).collect();
		let good: Vec<_> = good.into_values().collect();
		if good.is_empty() {
			return Ok(outcomes);
		}
		if let Some(keep) = &self.0.keep {
			keep.keep(good.clone()).await?;
		}
		let mut machine = self.machine();
		for held in good {
			let id = held.item.channel;
			machine.hold(held);
			let state = channels.remove(&id).flatten();
			// A pass may have looked at a later block meanwhile.
			if let Some(state) = state.filter(|_| machine.is_news(best.number, &id)) {
				machine.see(best.number, &id, Some(state));
			}
		}
		Ok(outcomes)
	}

	/// Takes over what was read of channels that are watched: whether what is kept is still of use is judged by
	/// that, not by the last pass.
	fn note(&self, channels: &Channels, best: Block) {
		let mut machine = self.machine();
		for (id, state) in channels {
			let news = machine.payee_of(id).is_some() && machine.is_news(best.number, id);
			if let Some(state) = state.as_ref().filter(|_| news) {
				machine.see(best.number, id, Some(state.clone()));
			}
		}
	}

	/// Judges items within the patience that there is for who brings them.
	async fn judge_all(
		&self,
		from: Option<&AccountId>,
		items: &[Item],
		best: Block,
	) -> Result<Judged, TowerError> {
		let Some(from) = from else {
			return self.judge_within(None, items, best, PATIENCE).await;
		};
		let unknown = items.iter().filter(|item| !self.watches(Some(from), item)).count();
		let stranger = !self.machine().serves(from);
		let grant = self.patience().grant(from, stranger, unknown, Instant::now());
		let judged = self.judge_within(Some(from), items, best, grant.strikes).await;
		let strikes = judged.as_ref().map_or(0, |judged| judged.strikes);
		let left = grant.strikes.saturating_sub(strikes);
		self.patience().give_back(grant, left);
		judged
	}

	/// Judges items until there were that many strikes, and those of channels that the tower has anyway until
	/// as many were forged.
	async fn judge_within(
		&self,
		from: Option<&AccountId>,
		items: &[Item],
		best: Block,
		patience: usize,
	) -> Result<Judged, TowerError> {
		let mut judged = Judged::default();
		let looks = |judged: &Judged, item: &Item| match self.watches(from, item) {
			true => judged.forged < PATIENCE,
			false => judged.strikes < patience,
		};
		for run in items.chunks(AT_ONCE) {
			let news = run.iter().filter(|item| !self.knows(from, item) && looks(&judged, item));
			let ids: Vec<_> = news.map(|item| item.channel).collect();
			self.read(ids, best, &mut judged.channels).await?;
			for item in run {
				let verdict = match self.knows(from, item) {
					true => Err(Outcome::Known),
					false if !looks(&judged, item) => Err(Outcome::Refused(Refused::Unseen)),
					false => self.check(from, item, best, &judged.channels),
				};
				if matches!(&verdict, Err(Outcome::Refused(reason)) if reason.is_strike()) {
					let count = match self.watches(from, item) {
						true => &mut judged.forged,
						false => &mut judged.strikes,
					};
					*count = count.saturating_add(1);
				}
				judged.verdicts.push(verdict);
			}
		}
		Ok(judged)
	}

	/// Reads the channels that were not read yet.
	async fn read(
		&self,
		ids: Vec<ChannelId>,
		best: Block,
		channels: &mut Channels,
	) -> Result<(), ChainFailure> {
		let ids: HashSet<_> = ids.into_iter().filter(|id| !channels.contains_key(id)).collect();
		let read = stream::iter(ids)
			.map(
				|id| async move { Ok::<_, ChainFailure>((id, self.0.chain.channel(id, best).await?)) },
			)
			.buffer_unordered(AT_ONCE);
		let read: Vec<_> = read.try_collect().await?;
		channels.extend(read);
		Ok(())
	}

	/// Whether the item's channel is watched, for who brings it.
	fn watches(&self, from: Option<&AccountId>, item: &Item) -> bool {
		let machine = self.machine();
		let payee = machine.payee_of(&item.channel);
		payee.is_some_and(|payee| from.is_none_or(|from| from == payee))
	}

	/// Whether this very item is kept, for who brings it. One that claims less is checked like any other: what is
	/// kept may be by a key that was replaced since the channel was looked at.
	fn knows(&self, from: Option<&AccountId>, item: &Item) -> bool {
		let machine = self.machine();
		machine
			.held(&item.channel, item.lane)
			.is_some_and(|held| from.is_none_or(|from| *from == held.payee) && held.item == *item)
	}

	/// Checks one item against its channel, which was read unless that is to be tried again.
	fn check(
		&self,
		from: Option<&AccountId>,
		item: &Item,
		best: Block,
		channels: &Channels,
	) -> Result<Held, Outcome> {
		let refused = |reason| Err(Outcome::Refused(reason));
		let Some(state) = channels.get(&item.channel) else { return refused(Refused::Unseen) };
		let Some(state) = state else { return refused(Refused::UnknownChannel) };
		if from.is_some_and(|from| *from != state.payee) {
			return refused(Refused::NotPayee);
		}
		judge(&self.0.domain, state, best.number, item).map_err(Outcome::Refused)
	}

	/// Puts a proof that was checked with those to be kept, if it is to be.
	fn take(&self, held: Held, good: &mut HashMap<(ChannelId, u32), Held>) -> Outcome {
		let lane = (held.item.channel, held.item.lane);
		match good.get(&lane) {
			Some(other) if !held.beats(other) => return Outcome::Known,
			// As for what is kept already, and this one is owed: it was checked just now.
			Some(other) if other.lasts() && !held.lasts() => {
				return Outcome::Refused(Refused::WouldExpire);
			},
			_ => {},
		}
		let machine = self.machine();
		let new = |(id, lane): &(ChannelId, u32)| machine.held(id, *lane).is_none();
		let pending = good.keys().filter(|other| **other != lane && new(other)).count();
		match machine.judge(&held, pending) {
			Ok(true) => {
				good.insert(lane, held);
				Outcome::Kept
			},
			Ok(false) => Outcome::Known,
			Err(reason) => Outcome::Refused(reason),
		}
	}

	/// Looks at the channels whose turn it is and settles what is due.
	///
	/// # Errors
	///
	/// [`TowerError::Chain`] when the node does not say what its best block is, [`TowerError::Stalled`] when
	/// that has not risen for too long: there is nothing new to see then. A channel that cannot be read, a
	/// batch that cannot be sent and a row that cannot be removed are logged and tried again.
	pub async fn pass(&self) -> Result<Report, TowerError> {
		let chain = &self.0.chain;
		let best = match chain.best().await {
			Ok(best) => best,
			Err(error) => {
				// Says so loudly when it has been long.
				let _ = self.progress().check(Instant::now());
				return Err(error.into());
			},
		};
		self.progress().see(best.number, Instant::now())?;
		let ids = self.machine().to_look(best.number, PASS);
		let mut report = Report { more: ids.len() == PASS, ..Report::default() };
		let mut gone = Vec::new();
		let mut reads = stream::iter(ids)
			.map(|id| async move { (id, chain.channel(id, best).await) })
			.buffer_unordered(AT_ONCE);
		while let Some((id, state)) = reads.next().await {
			match state {
				Ok(state) => {
					report.looked = report.looked.saturating_add(1);
					if self.machine().see(best.number, &id, state) {
						gone.push(id);
					}
				},
				Err(error) => tracing::warn!(%error, "a channel could not be read"),
			}
		}
		drop(reads);
		if let Err(error) = self.bury(gone).await {
			tracing::warn!(%error, "what is kept of channels that have ended stays for now");
		}
		self.find_prices(best.number).await;
		for _ in 0..BATCHES {
			let items = self.machine().due(best.number);
			if items.is_empty() {
				break;
			}
			let claims = items.len();
			report.claimed = report.claimed.saturating_add(claims);
			match chain.settle(items).await {
				Ok(()) => tracing::info!(claims, block = best.number, "settling for absent payees"),
				Err(error) => {
					// The node may be slow to say so, and there is more to look at meanwhile.
					tracing::warn!(%error, claims, "a batch was not sent");
					break;
				},
			}
		}
		Ok(report)
	}

	/// Finds out what claims must be worth. Without an answer, what was known before holds.
	async fn find_prices(&self, now: BlockNumber) {
		let assets: Vec<AssetId> = self.machine().to_price(now, PRICES);
		for asset in assets {
			match self.0.chain.worth(asset.clone()).await {
				Ok(least) => {
					tracing::debug!(?asset, ?least, "what claims must be worth");
					self.machine().price(now, asset, least);
				},
				Err(error) => {
					tracing::warn!(%error, ?asset, "the fee of a settlement is not known")
				},
			}
		}
	}

	/// Forgets channels that have ended, once that is final.
	async fn bury(&self, ids: Vec<ChannelId>) -> Result<(), TowerError> {
		if ids.is_empty() {
			return Ok(());
		}
		let finalized = self.0.chain.finalized().await?;
		for id in ids {
			if self.0.chain.channel(id, finalized).await?.is_some() {
				continue;
			}
			// No offer may come between what is forgotten here and there.
			let _one = self.0.offers.lock().await;
			let lanes = self.machine().gone(finalized.number, &id);
			match &self.0.keep {
				Some(keep) if !lanes.is_empty() => keep.forget(id, lanes).await?,
				_ => {},
			}
		}
		Ok(())
	}

	/// Passes after every block, for the first time at once, until `shutdown` resolves. Failures are
	/// logged and tried again.
	pub async fn run(&self, shutdown: impl Future<Output = ()>) {
		tokio::pin!(shutdown);
		let block = Duration::from_millis(BLOCK_MILLIS);
		loop {
			let pause = match self.pass().await {
				Ok(report) if report.more => BETWEEN_PASSES,
				// That was said loudly.
				Ok(_) | Err(TowerError::Stalled { .. }) => block,
				Err(error) => {
					tracing::warn!(%error, "channels are not being watched");
					block
				},
			};
			tokio::select! {
				() = &mut shutdown => return,
				() = tokio::time::sleep(pause) => {},
			}
		}
	}
}

#[cfg(test)]
mod tests;
