//! Which claims go into which batch, and what is known of batches that are under way.

use super::{Lost, Settler};
use crate::{
	chain::{ChainError, ChannelInfo, SettleOutcome},
	payee::Unsettled,
	voucher::LaneKey,
};
use std::{
	collections::{HashMap, HashSet},
	time::Duration,
};
use stoa_primitives::{
	channel::{Item, SkipReason, MAX_BATCH},
	Balance, BlockNumber, BLOCK_MILLIS,
};
use tokio::time::Instant;

/// How often the pause after a failure doubles, at most.
const MAX_DOUBLINGS: u32 = 8;

/// The longest pause after a failure for claims that could be lost.
const URGENT_PAUSE: Duration = Duration::from_secs(60);

/// How often such a pause fits into the time that a claim has left, at least: else there is none.
const TRIES: u32 = 4;

/// A claim, when it ends, and what was known of its channel.
type Skipped = (Item, Option<BlockNumber>, Option<ChannelInfo>);

/// What was sent and may have been paid: how much of each lane, over its life.
type Sums = HashMap<LaneKey, Balance>;

/// What the settler remembers.
pub(super) struct State {
	/// When batches were sent last that could wait.
	last: Instant,
	/// How many batches have failed since one was made.
	failures: u32,
	/// When the last one did, and for how long those that can wait are left alone.
	failed: Option<(Instant, Duration)>,
	/// Batches that are under way.
	flights: HashMap<u64, Sums>,
	/// How many there were.
	count: u64,
	/// Claims whose batch has an unknown outcome, and until when the chain may not have been asked.
	doubts: HashMap<LaneKey, (Balance, Instant)>,
	/// Claims that the chain has skipped: not tried again before something about them changes.
	skipped: HashMap<LaneKey, Skipped>,
	/// Claims that can no longer be paid.
	lost: HashMap<LaneKey, Lost>,
	/// Lanes of channels that are gone from the best block, of which nobody needs to be told again.
	gone: HashSet<LaneKey>,
}

impl State {
	pub(super) fn new() -> Self {
		Self {
			last: Instant::now(),
			failures: 0,
			failed: None,
			flights: HashMap::new(),
			count: 0,
			doubts: HashMap::new(),
			skipped: HashMap::new(),
			lost: HashMap::new(),
			gone: HashSet::new(),
		}
	}

	/// What of a lane is under way.
	fn flying(&self, at: &LaneKey) -> Option<Balance> {
		self.flights.values().filter_map(|sums| sums.get(at).copied()).max()
	}

	/// Whether it is too early to try again after a failure, if the pause is at most `limit`.
	fn pauses(&self, limit: Duration) -> bool {
		self.failed.is_some_and(|(at, pause)| at.elapsed() < pause.min(limit))
	}
}

impl Settler {
	/// Claims that the next block can still pay and that are not under way, each at most with what is not.
	fn claims(&self, state: &mut State) -> Vec<Unsettled> {
		let now = self.0.payee.best_block();
		let told = std::mem::take(&mut state.lost);
		let mut claims = self.0.payee.payable();
		claims.retain_mut(|claim| self.is_open(state, claim, now));
		for lost in state.lost.values() {
			tell(&told, lost);
		}
		claims
	}

	/// Whether there is something to send of a claim.
	fn is_open(&self, state: &mut State, claim: &mut Unsettled, now: BlockNumber) -> bool {
		let (at, all) = (lane(&claim.item), target(&claim.item));
		let Some(settled) = self.0.payee.pending_settled(&at) else {
			if state.gone.insert(at) {
				tracing::warn!(
					channel = hex::encode(at.channel),
					lane = at.lane,
					amount = %claim.amount,
					"the channel of a claim is gone from the best block"
				);
			}
			return false;
		};
		state.gone.remove(&at);
		if settled >= all {
			// Not final yet.
			return false;
		}
		let Some(ends) = deadline(claim).filter(|ends| *ends <= now) else {
			return self.is_new(state, claim, settled, now);
		};
		let amount = all.saturating_sub(settled).min(claim.amount);
		state.lost.insert(at, Lost { channel: at.channel, lane: at.lane, amount, ends });
		false
	}

	/// Whether a claim has something that is not under way and was not skipped as it is. Leaves it with that.
	fn is_new(
		&self,
		state: &State,
		claim: &mut Unsettled,
		settled: Balance,
		now: BlockNumber,
	) -> bool {
		let at = lane(&claim.item);
		let skipped = state.skipped.get(&at);
		if skipped.is_some_and(|known| *known == self.with_channel(claim)) {
			return false;
		}
		let doubt = state.doubts.get(&at).filter(|(_, until)| self.waits(claim, *until, now));
		let sent = state.flying(&at).max(doubt.map(|(sum, _)| *sum));
		// What can wait is sent with what comes later.
		if sent.is_some() && !self.is_urgent(claim) {
			return false;
		}
		let left = target(&claim.item).saturating_sub(settled.max(sent.unwrap_or(0)));
		claim.amount = claim.amount.min(left);
		claim.amount > 0
	}

	/// Whether a claim of a batch with an unknown outcome is left alone until the chain was asked: unless
	/// there is no time for that.
	fn waits(&self, claim: &Unsettled, until: Instant, now: BlockNumber) -> bool {
		let wait = until.saturating_duration_since(Instant::now());
		!wait.is_zero() && has_time(claim, wait, now)
	}

	/// Batches in the order in which they are to be sent: claims that are lost first go first. As many
	/// claims to a batch as the chain takes, and each batch is worth its fee or has one that could be lost.
	pub(super) fn batches(&self, state: &mut State) -> Vec<Vec<Unsettled>> {
		// A u32 fits a usize on every platform that the standard library's networking runs on.
		let size = usize::try_from(MAX_BATCH).unwrap_or(usize::MAX);
		let mut claims = self.claims(state);
		claims.sort_by_key(|claim| {
			let ends = deadline(claim).filter(|_| self.is_urgent(claim));
			(ends.unwrap_or(BlockNumber::MAX), lane(&claim.item))
		});
		let mut batches: Vec<_> = claims.chunks(size).map(<[_]>::to_vec).collect();
		batches.retain(|batch| sum(batch) >= self.0.policy.min_batch || self.has_urgent(batch));
		for batch in &mut batches {
			// The chain wants them in ascending order.
			batch.sort_by_key(|claim| lane(&claim.item));
		}
		batches
	}

	fn with_channel(&self, claim: &Unsettled) -> Skipped {
		(claim.item, claim.ends, self.0.payee.channel(&claim.item.channel))
	}

	/// Whether a claim would be lost soon.
	fn is_urgent(&self, claim: &Unsettled) -> bool {
		let horizon =
			self.0.payee.best_block().saturating_add(self.0.payee.config().rules.settle_horizon);
		claim.ends.is_some() || (claim.valid_until != 0 && claim.valid_until <= horizon)
	}

	pub(super) fn has_urgent(&self, batch: &[Unsettled]) -> bool {
		batch.iter().any(|claim| self.is_urgent(claim))
	}

	/// All claims that can no longer be paid, in ascending order, as of the last look.
	pub fn lost(&self) -> Vec<Lost> {
		let mut lost: Vec<_> = self.state().lost.values().cloned().collect();
		lost.sort_by_key(|lost| (lost.channel, lost.lane));
		lost
	}

	/// Whether something has to be settled now: then, how many batches that can wait may be sent.
	pub(super) fn due(&self) -> Option<usize> {
		let policy = &self.0.policy;
		let mut state = self.state();
		let batches = self.batches(&mut state);
		let now = self.0.payee.best_block();
		let pauses = state.pauses(URGENT_PAUSE);
		let mut urgent = batches.iter().flatten().filter(|claim| self.is_urgent(claim));
		let urgent = urgent.any(|claim| !pauses || !has_time(claim, URGENT_PAUSE, now));
		// Whatever is worth a batch counts towards the limit, and what is not too.
		let exposed = sum(&self.claims(&mut state)) >= policy.max_unsettled;
		let due = !batches.is_empty() && (exposed || state.last.elapsed() >= policy.interval);
		let due = due && !state.pauses(Duration::MAX);
		let room = if due { self.0.slots.available_permits() } else { 0 };
		(urgent || room > 0).then_some(room)
	}

	/// Forgets what is known of claims on channels that have ended.
	pub(super) fn forget_ended(&self) {
		let mut state = self.state();
		let known = |at: &LaneKey| self.0.payee.record(at).is_some();
		state.skipped.retain(|at, _| known(at));
		state.gone.retain(known);
		let now = Instant::now();
		state.doubts.retain(|_, (_, until)| *until > now);
	}

	/// Makes a batch one that is under way.
	pub(super) fn board(&self, state: &mut State, batch: Vec<Unsettled>) -> Flight {
		let sums = batch.iter().map(|claim| (lane(&claim.item), target(&claim.item))).collect();
		state.count = state.count.saturating_add(1);
		state.flights.insert(state.count, sums);
		let last = state.last;
		if !self.has_urgent(&batch) {
			state.last = Instant::now();
		}
		Flight { settler: self.clone(), id: state.count, batch, last }
	}
}

/// A batch that is under way: until this is dropped.
pub(super) struct Flight {
	settler: Settler,
	id: u64,
	batch: Vec<Unsettled>,
	/// [`State::last`] before this one.
	last: Instant,
}

impl Drop for Flight {
	fn drop(&mut self) {
		self.settler.state().flights.remove(&self.id);
	}
}

impl Flight {
	/// Sends the batch and takes over what becomes of it.
	pub(super) async fn fly(self) -> Result<SettleOutcome, ChainError> {
		let inner = &self.settler.0;
		let _slot = match self.settler.has_urgent(&self.batch) {
			true => None,
			// Never closed.
			false => inner.slots.acquire().await.ok(),
		};
		let items = self.batch.iter().map(|claim| claim.item).collect();
		match inner.chain.settle(items).await {
			Ok(outcome) => {
				self.land(&outcome);
				Ok(outcome)
			},
			Err(error) => {
				tracing::warn!(%error, claims = self.batch.len(), "a batch was not settled");
				self.fail(&error);
				Err(error)
			},
		}
	}

	fn land(&self, outcome: &SettleOutcome) {
		for claim in &outcome.claimed {
			let at = LaneKey { channel: claim.channel, lane: claim.lane };
			// The chain tells the sum over all lanes: what the lane has paid is what was asked of it.
			let asked = self.batch.iter().find(|known| lane(&known.item) == at);
			let paid = asked.and_then(|known| known.item.capture.or(known.item.allowed()));
			if let Some(paid) = paid {
				self.settler.0.payee.note_settled(&at, paid);
			}
		}
		let mut state = self.settler.state();
		(state.failures, state.failed) = (0, None);
		for claim in &self.batch {
			let at = lane(&claim.item);
			state.skipped.remove(&at);
			state.doubts.remove(&at);
		}
		for skip in &outcome.skipped {
			tracing::warn!(
				channel = hex::encode(skip.channel),
				lane = skip.lane,
				reason = ?skip.reason,
				"a claim was skipped"
			);
			let at = LaneKey { channel: skip.channel, lane: skip.lane };
			// The cap leaves more with each block, so that one is tried again by itself.
			let known = self.batch.iter().find(|claim| lane(&claim.item) == at);
			if let Some(claim) = known.filter(|_| skip.reason != SkipReason::AboveCap) {
				let known = self.settler.with_channel(claim);
				state.skipped.insert(at, known);
			}
		}
	}

	fn fail(&self, error: &ChainError) {
		let settler = &self.settler;
		let policy = &settler.0.policy;
		let now = Instant::now();
		let mut state = settler.state();
		// They are due as they were before.
		state.last = state.last.min(self.last);
		let pause = settler.pause().saturating_mul(1 << state.failures.min(MAX_DOUBLINGS));
		state.failed = Some((now, pause.min(policy.interval)));
		state.failures = state.failures.saturating_add(1);
		if !matches!(error, ChainError::Unknown { .. }) {
			return;
		}
		// By then each channel was read again.
		let config = settler.0.payee.config();
		let age = u64::from(config.rules.min_grace / 8).saturating_mul(BLOCK_MILLIS);
		let age = config.max_age.min(Duration::from_millis(age));
		let until = now.checked_add(age.saturating_add(settler.pause())).unwrap_or(now);
		for claim in &self.batch {
			state.doubts.insert(lane(&claim.item), (target(&claim.item), until));
		}
	}
}

/// Tells of a claim that can no longer be paid, once.
fn tell(told: &HashMap<LaneKey, Lost>, lost: &Lost) {
	let at = LaneKey { channel: lost.channel, lane: lost.lane };
	if told.get(&at) == Some(lost) {
		return;
	}
	tracing::error!(
		channel = hex::encode(lost.channel),
		lane = lost.lane,
		amount = %lost.amount,
		ends = lost.ends,
		"a claim was not settled in time and is lost"
	);
}

/// The first block in which a claim is not paid any more.
fn deadline(claim: &Unsettled) -> Option<BlockNumber> {
	let expires = (claim.valid_until != 0).then_some(claim.valid_until);
	[claim.ends, expires].into_iter().flatten().min()
}

/// Whether a claim can be tried some more times with this time between them.
fn has_time(claim: &Unsettled, between: Duration, now: BlockNumber) -> bool {
	let blocks = deadline(claim).map(|ends| u64::from(ends.saturating_sub(now)));
	let left = blocks.map(|blocks| Duration::from_millis(blocks.saturating_mul(BLOCK_MILLIS)));
	left.is_none_or(|left| left > between.saturating_mul(TRIES))
}

/// What a lane will have been paid over its life once a claim is settled.
fn target(item: &Item) -> Balance {
	item.capture.or_else(|| item.allowed()).unwrap_or(Balance::MAX)
}

pub(super) fn sum(claims: &[Unsettled]) -> Balance {
	claims.iter().fold(0, |sum: Balance, claim| sum.saturating_add(claim.amount))
}

fn lane(item: &Item) -> LaneKey {
	LaneKey { channel: item.channel, lane: item.lane }
}

impl Settler {
	/// The claims that would be sent, and what is due, for tests.
	#[cfg(test)]
	pub(super) fn open_claims(&self) -> Vec<Unsettled> {
		self.claims(&mut self.state())
	}

	#[cfg(test)]
	pub(super) fn skips(&self) -> usize {
		self.state().skipped.len()
	}
}
