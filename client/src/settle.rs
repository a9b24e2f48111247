//! Turning vouchers into money: collects the highest voucher of each lane and submits it in time.
//!
//! Claims are submitted when they add up to an exposure limit, when an interval has passed, and at
//! once when they could be lost: a payer has requested the close of a channel, revoked a lane, replaced
//! a key or tightened a cap, or a proof is about to expire. Those that would be lost first go first. No
//! more is claimed of a channel than its velocity cap pays.
//!
//! Several batches are under way at the same time, and while they are, [`Settler::run`] goes on looking:
//! finality can take minutes, and a claim that becomes urgent meanwhile must not wait for it.
//!
//! A batch is best effort per item and can be repeated without harm, but not for free. What the best block
//! shows as settled, or a batch under way has, is not sent again; it counts as settled once it is final.
//! After an outcome that was not seen, its claims wait until their channels were read again.
//!
//! A claim that can no longer be paid is lost. It is in [`SettleReport::lost`], and logged once.

mod flights;

use crate::{
	chain::{ChainError, PayeeChain, SettleOutcome, Skip},
	payee::{Payee, PayeeError},
};
use flights::{Flight, State};
use futures::{future::join_all, stream, StreamExt};
use std::{
	future::Future,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::Duration,
};
use stoa_primitives::{channel::ChannelId, Balance, BlockNumber, BLOCK_MILLIS};
use tokio::{sync::Semaphore, task::JoinHandle};

/// How many channels are read between two looks at what is due.
const PASS: usize = 256;

/// How long the node is left alone between two passes when one is not enough.
const BETWEEN_PASSES: Duration = Duration::from_millis(100);

/// How many batches are under way at the same time, besides those with claims that could be lost.
const MAX_FLIGHTS: usize = 8;

/// How long [`Settler::run`] waits at the end for batches that are under way.
const FAREWELL: Duration = Duration::from_secs(60);

/// When to settle. Amounts are in units of the payee's asset.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct SettlePolicy {
	/// Settle as soon as this much is not settled: what a payee is willing to carry.
	pub max_unsettled: Balance,
	/// Settle what there is after this time.
	pub interval: Duration,
	/// Leave a batch alone that adds up to less, unless one of its claims could be lost: it should be
	/// worth more than its fee. Small claims ride along with others.
	pub min_batch: Balance,
	/// How often to look. Never less often than an eighth of the shortest grace period.
	pub poll: Duration,
}

impl Default for SettlePolicy {
	/// Every ten minutes, whatever the amount; looks every six seconds.
	fn default() -> Self {
		Self {
			max_unsettled: Balance::MAX,
			interval: Duration::from_secs(600),
			min_batch: 1,
			poll: Duration::from_secs(6),
		}
	}
}

/// What became of the claims.
#[derive(Clone, Debug, Default)]
pub struct SettleReport {
	/// One transaction for each 256 claims.
	pub batches: Vec<SettleOutcome>,
	/// Paid in all, before shares were taken.
	pub claimed: Balance,
	/// Items that were not paid.
	pub skipped: Vec<Skip>,
	/// All claims that can no longer be paid, also those that were reported before.
	pub lost: Vec<Lost>,
}

impl SettleReport {
	fn add(&mut self, outcome: SettleOutcome) {
		let paid = outcome.claimed.iter().map(|claim| claim.amount);
		self.claimed = paid.fold(self.claimed, Balance::saturating_add);
		self.skipped.extend(outcome.skipped.iter().cloned());
		self.batches.push(outcome);
	}
}

/// A claim that was not settled in time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Lost {
	/// Channel id.
	pub channel: ChannelId,
	/// Lane within the channel.
	pub lane: u32,
	/// What it would have paid, in units of the payee's asset, before shares were taken.
	pub amount: Balance,
	/// The first block in which it could no longer be settled.
	pub ends: BlockNumber,
}

/// Why claims were not submitted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SettleError {
	/// The transaction failed, or its outcome is not known.
	#[error(transparent)]
	Chain(#[from] ChainError),
	/// The payee's records could not be brought up to date.
	#[error(transparent)]
	Payee(#[from] PayeeError),
}

struct Inner {
	payee: Payee,
	chain: Arc<dyn PayeeChain>,
	policy: SettlePolicy,
	state: Mutex<State>,
	/// Room for batches that can wait.
	slots: Semaphore,
}

/// Settles for one payee. Cheap to clone.
#[derive(Clone)]
pub struct Settler(Arc<Inner>);

impl Settler {
	/// A settler that has not settled anything yet.
	pub fn new(payee: Payee, chain: Arc<dyn PayeeChain>, policy: SettlePolicy) -> Self {
		let (state, slots) = (Mutex::new(State::new()), Semaphore::new(MAX_FLIGHTS));
		Self(Arc::new(Inner { payee, chain, policy, state, slots }))
	}

	fn state(&self) -> MutexGuard<'_, State> {
		// Nothing panics while the lock is held.
		self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Settles everything that is worth it, now, and waits for the outcome. What is known of a channel
	/// that cannot be read is enough to settle it. Claims that are under way already are left to those who
	/// have sent them.
	///
	/// # Errors
	///
	/// The first [`SettleError`]; batches other than those that failed were made.
	pub async fn settle_now(&self) -> Result<SettleReport, SettleError> {
		let refreshed = self.0.payee.refresh_all().await;
		let report = self.settle_known().await?;
		match refreshed {
			Err(error) if report.batches.is_empty() => return Err(error.into()),
			Err(error) => tracing::warn!(%error, "not every channel could be read"),
			Ok(()) => {},
		}
		Ok(report)
	}

	/// Settles everything that is worth it by what is known of channels.
	async fn settle_known(&self) -> Result<SettleReport, SettleError> {
		let flights = self.depart(usize::MAX).await?;
		let outcomes = stream::iter(flights).map(Flight::fly).buffer_unordered(MAX_FLIGHTS);
		let outcomes: Vec<_> = outcomes.collect().await;
		let (mut report, mut failed) = (SettleReport::default(), None);
		for outcome in outcomes {
			match outcome {
				Ok(outcome) => report.add(outcome),
				Err(error) => failed = failed.or(Some(error)),
			}
		}
		report.lost = self.lost();
		match failed {
			Some(error) => Err(error.into()),
			None => Ok(report),
		}
	}

	/// Batches that are about to be sent, most urgent first, among them at most `room` that can wait.
	async fn depart(&self, room: usize) -> Result<Vec<Flight>, PayeeError> {
		if self.batches(&mut self.state()).is_empty() {
			return Ok(Vec::new());
		}
		// What was earned in an earlier life of the chain is not owed in this one.
		self.0.payee.verify_chain().await?;
		let mut state = self.state();
		let (urgent, mut others): (Vec<_>, Vec<_>) =
			self.batches(&mut state).into_iter().partition(|batch| self.has_urgent(batch));
		others.truncate(room);
		Ok(urgent.into_iter().chain(others).map(|batch| self.board(&mut state, batch)).collect())
	}

	/// How long to wait between two looks.
	fn pause(&self) -> Duration {
		let eighth = u64::from(self.0.payee.config().rules.min_grace / 8);
		self.0.policy.poll.min(Duration::from_millis(BLOCK_MILLIS.saturating_mul(eighth)))
	}

	/// Looks and settles until `shutdown` resolves, for the first time at once: channels may have been
	/// closed while nobody looked. Looking goes on while batches are under way. Failures are logged and
	/// tried again. At the end, batches that are under way are given a minute.
	pub async fn run(&self, shutdown: impl Future<Output = ()>) {
		tokio::pin!(shutdown);
		let mut flying = Vec::new();
		loop {
			let more = self.look(&mut flying).await;
			let pause = self.pause();
			tokio::select! {
				() = &mut shutdown => break,
				() = tokio::time::sleep(if more { pause.min(BETWEEN_PASSES) } else { pause }) => {},
			}
		}
		if tokio::time::timeout(FAREWELL, join_all(flying)).await.is_err() {
			tracing::warn!("settlements are under way whose outcome is not known yet");
		}
	}

	/// Reads a bounded number of channels, and sends batches if something is due. Returns whether more
	/// channels are waiting to be read.
	async fn look(&self, flying: &mut Vec<JoinHandle<()>>) -> bool {
		let more = match self.0.payee.refresh_due(PASS).await {
			Ok(more) => more,
			Err(error) => {
				tracing::warn!(%error, "channels could not be read");
				false
			},
		};
		self.forget_ended();
		flying.retain(|flight| !flight.is_finished());
		let Some(room) = self.due() else { return more };
		match self.depart(room).await {
			// They go on even if nobody waits for them.
			Ok(flights) => flying.extend(flights.into_iter().map(|flight| {
				tokio::spawn(async move {
					// A failure is logged where it is dealt with.
					if let Ok(outcome) = flight.fly().await {
						let (claimed, skipped) = (outcome.claimed.len(), outcome.skipped.len());
						tracing::info!(claimed, skipped, "settled");
					}
				})
			})),
			Err(error) => tracing::warn!(%error, "claims could not be settled"),
		}
		more
	}
}

#[cfg(test)]
mod tests;
