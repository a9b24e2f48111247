//! Runs the machine against a chain and a store.

use crate::{
	chain::{Block, ChainFailure, TowerChain},
	channel::ChannelState,
	judge::{judge, Held, Refused},
	machine::{Config, Machine, Outcome},
};
use futures::{future::BoxFuture, stream, StreamExt};
use std::{
	collections::{hash_map::Entry, HashMap},
	future::Future,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::Duration,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	payload::Domain,
	AccountId, BLOCK_MILLIS,
};

/// Channels that are looked at in one pass, at most, and how many of them at the same time.
const PASS: usize = 512;
const AT_ONCE: usize = 16;

/// How long to wait when more channels wait to be looked at.
const BETWEEN_PASSES: Duration = Duration::from_millis(100);

/// Batches that are sent in one pass, at most.
const BATCHES: usize = 8;

/// Items that are refused for what their sender should know, before the rest is not looked at: each costs
/// a read of the chain.
const PATIENCE: usize = 32;

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
	/// One offer at a time: what was judged must still hold when it is on disk.
	offers: tokio::sync::Mutex<()>,
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
		let mut machine = Machine::new(config);
		for held in proofs {
			machine.hold(held);
		}
		let offers = tokio::sync::Mutex::new(());
		Self(Arc::new(Inner { chain, keep, domain, machine: Mutex::new(machine), offers }))
	}

	fn machine(&self) -> MutexGuard<'_, Machine> {
		// Nothing panics while the lock is held.
		self.0.machine.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// How many channels and lanes are kept.
	pub fn counts(&self) -> (usize, usize) {
		self.machine().counts()
	}

	/// Offers proofs. Those that are good and worth more than what is kept are on disk when this
	/// returns; an outcome for each item, in their order.
	///
	/// `from` is who brings them, which must be the channel's payee; `None` for somebody who is trusted to
	/// bring anybody's. After 32 items of which `from` should have known better, the others are
	/// refused unseen for the same reason as the last.
	///
	/// # Errors
	///
	/// [`TowerError`]; nothing was kept then.
	pub async fn offer(
		&self,
		from: Option<&AccountId>,
		items: &[Item],
	) -> Result<Vec<Outcome>, TowerError> {
		let _one = self.0.offers.lock().await;
		let best = self.0.chain.best().await?;
		let mut channels = HashMap::new();
		let (mut good, mut outcomes) = (HashMap::new(), Vec::new());
		let (mut strikes, mut struck) = (0usize, Refused::UnknownChannel);
		for item in items {
			let outcome = if strikes >= PATIENCE {
				Outcome::Refused(struck)
			} else {
				match self.check(from, item, best, &mut channels).await? {
					Ok(held) => self.take(held, &mut good),
					Err(reason) => reason,
				}
			};
			if let Outcome::Refused(
				reason @ (Refused::UnknownChannel
				| Refused::NotPayee
				| Refused::BadSignature
				| Refused::BadTick),
			) = outcome
			{
				(strikes, struck) = (strikes.saturating_add(1), reason);
			}
			outcomes.push(outcome);
		}
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
			if let Some(Some(state)) = channels.remove(&id) {
				machine.see(best.number, &id, Some(state));
			}
		}
		Ok(outcomes)
	}

	/// Checks one item. What it reads of channels it leaves in `channels`.
	async fn check(
		&self,
		from: Option<&AccountId>,
		item: &Item,
		best: Block,
		channels: &mut HashMap<ChannelId, Option<ChannelState>>,
	) -> Result<Result<Held, Outcome>, TowerError> {
		let claim = item.capture.or(item.allowed()).unwrap_or(0);
		let known = {
			let machine = self.machine();
			machine.held(&item.channel, item.lane).is_some_and(|held| {
				let whose = from.is_none_or(|from| *from == held.payee);
				whose && (held.claim > claim || held.item == *item)
			})
		};
		if known {
			return Ok(Err(Outcome::Known));
		}
		let state = match channels.entry(item.channel) {
			Entry::Occupied(read) => read.into_mut(),
			Entry::Vacant(entry) => entry.insert(self.0.chain.channel(item.channel, best).await?),
		};
		let refused = |reason| Ok(Err(Outcome::Refused(reason)));
		let Some(state) = state else { return refused(Refused::UnknownChannel) };
		if from.is_some_and(|from| *from != state.payee) {
			return refused(Refused::NotPayee);
		}
		match judge(&self.0.domain, state, best.number, item) {
			Ok(held) => Ok(Ok(held)),
			Err(reason) => refused(reason),
		}
	}

	/// Puts a proof that was checked with those to be kept, if it is to be.
	fn take(&self, held: Held, good: &mut HashMap<(ChannelId, u32), Held>) -> Outcome {
		let lane = (held.item.channel, held.item.lane);
		if good.get(&lane).is_some_and(|other| other.claim >= held.claim) {
			return Outcome::Known;
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
	/// [`TowerError::Chain`] when the node does not say what its best block is. A channel that cannot be
	/// read, a batch that cannot be sent and a row that cannot be removed are logged and tried again.
	pub async fn pass(&self) -> Result<Report, TowerError> {
		let chain = &self.0.chain;
		let best = chain.best().await?;
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
		for _ in 0..BATCHES {
			let items = self.machine().due(best.number);
			if items.is_empty() {
				break;
			}
			let claims = items.len();
			report.claimed = report.claimed.saturating_add(claims);
			match chain.settle(items).await {
				Ok(()) => tracing::info!(claims, block = best.number, "settling for absent payees"),
				Err(error) => tracing::warn!(%error, claims, "a batch was not sent"),
			}
		}
		Ok(report)
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
				Ok(_) => block,
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
