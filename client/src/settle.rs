//! Turning vouchers into money: collects the highest voucher of each lane and submits it in time.
//!
//! Claims are submitted when they add up to an exposure limit, when an interval has passed, and at
//! once when they could be lost: a payer has requested the close of a channel, revoked a lane, replaced
//! a key or tightened a cap, or a proof is about to expire. A batch is best effort per item and can be
//! repeated without harm, so an outcome that was not seen is simply read from the chain before the next
//! try. No more is claimed of a channel than its velocity cap pays.

use crate::{
	chain::{ChainError, ChannelInfo, PayeeChain, SettleOutcome, Skip},
	payee::{Payee, PayeeError, Unsettled},
	voucher::LaneKey,
};
use std::{
	collections::HashMap,
	future::Future,
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::{Duration, Instant},
};
use stoa_primitives::{
	channel::{Item, SkipReason, MAX_BATCH},
	Balance, BLOCK_MILLIS,
};

/// How many channels are read between two looks at what is due.
const PASS: usize = 256;

/// How long the node is left alone between two passes when one is not enough.
const BETWEEN_PASSES: Duration = Duration::from_millis(100);

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

/// A claim and what was known of its channel.
type Skipped = (Unsettled, Option<ChannelInfo>);

struct Inner {
	payee: Payee,
	chain: Arc<dyn PayeeChain>,
	policy: SettlePolicy,
	/// One settlement at a time, and when the last one was made.
	last: tokio::sync::Mutex<Instant>,
	/// Claims that the chain has skipped: not tried again before something about them changes.
	skipped: Mutex<HashMap<LaneKey, Skipped>>,
}

/// Settles for one payee. Cheap to clone.
#[derive(Clone)]
pub struct Settler(Arc<Inner>);

impl Settler {
	/// A settler that has not settled anything yet.
	pub fn new(payee: Payee, chain: Arc<dyn PayeeChain>, policy: SettlePolicy) -> Self {
		let last = tokio::sync::Mutex::new(Instant::now());
		Self(Arc::new(Inner { payee, chain, policy, last, skipped: Mutex::default() }))
	}

	fn skipped(&self) -> MutexGuard<'_, HashMap<LaneKey, Skipped>> {
		// Nothing panics while the lock is held.
		self.0.skipped.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Claims that the next block can still pay.
	fn claims(&self) -> Vec<Unsettled> {
		let now = self.0.payee.best_block();
		let skipped = self.skipped();
		let mut claims = self.0.payee.payable();
		claims.retain(|claim| {
			let alive = claim.ends.is_none_or(|ends| ends > now)
				&& (claim.valid_until == 0 || claim.valid_until > now);
			let known = skipped.get(&lane(&claim.item));
			alive && known.is_none_or(|known| *known != self.with_channel(claim.clone()))
		});
		claims
	}

	/// Claims in ascending order, as many to a batch as the chain takes, of which each batch is worth its
	/// fee or has one that could be lost.
	fn batches(&self) -> Vec<Vec<Unsettled>> {
		// A u32 fits a usize on every platform that the standard library's networking runs on.
		let size = usize::try_from(MAX_BATCH).unwrap_or(usize::MAX);
		let claims = self.claims();
		let worth = |batch: &&[Unsettled]| {
			sum(batch) >= self.0.policy.min_batch || batch.iter().any(|one| self.is_urgent(one))
		};
		claims.chunks(size).filter(worth).map(<[_]>::to_vec).collect()
	}

	fn with_channel(&self, claim: Unsettled) -> Skipped {
		let info = self.0.payee.channel(&claim.item.channel);
		(claim, info)
	}

	/// Whether a claim would be lost soon.
	fn is_urgent(&self, claim: &Unsettled) -> bool {
		let horizon =
			self.0.payee.best_block().saturating_add(self.0.payee.config().rules.settle_horizon);
		claim.ends.is_some() || (claim.valid_until != 0 && claim.valid_until <= horizon)
	}

	/// Settles everything that is worth it, now. What is known of a channel that cannot be read is
	/// enough to settle it.
	///
	/// # Errors
	///
	/// The first [`SettleError`]; batches other than those that failed were made.
	pub async fn settle_now(&self) -> Result<SettleReport, SettleError> {
		let mut last = self.0.last.lock().await;
		let refreshed = self.0.payee.refresh_all().await;
		let report = self.submit(self.batches()).await?;
		match refreshed {
			Err(error) if report.batches.is_empty() => return Err(error.into()),
			Err(error) => tracing::warn!(%error, "not every channel could be read"),
			Ok(()) => {},
		}
		*last = Instant::now();
		Ok(report)
	}

	/// Settles everything that is worth it by what is known of channels.
	async fn settle_known(&self) -> Result<SettleReport, SettleError> {
		let mut last = self.0.last.lock().await;
		let report = self.submit(self.batches()).await?;
		*last = Instant::now();
		Ok(report)
	}

	/// Submits batches.
	async fn submit(&self, batches: Vec<Vec<Unsettled>>) -> Result<SettleReport, SettleError> {
		let mut report = SettleReport::default();
		if batches.is_empty() {
			return Ok(report);
		}
		// What was earned in an earlier life of the chain is not owed in this one.
		self.0.payee.verify_chain().await?;
		let mut failed = None;
		for batch in &batches {
			let items = batch.iter().map(|claim| claim.item).collect();
			let outcome = match self.0.chain.settle(items).await {
				Ok(outcome) => outcome,
				Err(error) => {
					tracing::warn!(%error, claims = batch.len(), "a batch was not settled");
					failed.get_or_insert(error);
					continue;
				},
			};
			for claim in batch {
				self.skipped().remove(&lane(&claim.item));
			}
			for claim in &outcome.claimed {
				let at = LaneKey { channel: claim.channel, lane: claim.lane };
				self.0.payee.note_settled(&at, claim.settled);
				report.claimed = report.claimed.saturating_add(claim.amount);
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
				let known = batch.iter().find(|claim| lane(&claim.item) == at);
				if let Some(claim) = known.filter(|_| skip.reason != SkipReason::AboveCap) {
					let known = self.with_channel(claim.clone());
					self.skipped().insert(at, known);
				}
			}
			report.skipped.extend(outcome.skipped.iter().cloned());
			report.batches.push(outcome);
		}
		match failed {
			Some(error) => Err(error.into()),
			None => Ok(report),
		}
	}

	/// Whether something has to be settled now.
	async fn is_due(&self) -> bool {
		let policy = &self.0.policy;
		let batches = self.batches();
		let urgent = batches.iter().flatten().any(|claim| self.is_urgent(claim));
		// Whatever is worth a batch counts towards the limit, and what is not too.
		let exposed = || sum(&self.claims()) >= policy.max_unsettled;
		urgent
			|| (!batches.is_empty()
				&& (exposed() || self.0.last.lock().await.elapsed() >= policy.interval))
	}

	/// How long to wait between two looks.
	fn pause(&self) -> Duration {
		let eighth = u64::from(self.0.payee.config().rules.min_grace / 8);
		self.0.policy.poll.min(Duration::from_millis(BLOCK_MILLIS.saturating_mul(eighth)))
	}

	/// Looks and settles until `shutdown` resolves, for the first time at once: channels may have been
	/// closed while nobody looked. Failures are logged and tried again.
	pub async fn run(&self, shutdown: impl Future<Output = ()>) {
		tokio::pin!(shutdown);
		loop {
			let more = self.look().await;
			let pause = self.pause();
			tokio::select! {
				() = &mut shutdown => return,
				() = tokio::time::sleep(if more { pause.min(BETWEEN_PASSES) } else { pause }) => {},
			}
		}
	}

	/// Reads a bounded number of channels, and settles if something is due. Returns whether more
	/// channels are waiting to be read.
	async fn look(&self) -> bool {
		let more = match self.0.payee.refresh_due(PASS).await {
			Ok(more) => more,
			Err(error) => {
				tracing::warn!(%error, "channels could not be read");
				false
			},
		};
		self.skipped().retain(|at, _| self.0.payee.record(at).is_some());
		if self.is_due().await {
			match self.settle_known().await {
				Ok(report) => tracing::info!(
					claimed = %report.claimed,
					batches = report.batches.len(),
					skipped = report.skipped.len(),
					"settled"
				),
				Err(error) => tracing::warn!(%error, "claims could not be settled"),
			}
		}
		more
	}
}

fn sum(claims: &[Unsettled]) -> Balance {
	claims.iter().fold(0, |sum: Balance, claim| sum.saturating_add(claim.amount))
}

fn lane(item: &Item) -> LaneKey {
	LaneKey { channel: item.channel, lane: item.lane }
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{
		chain::{
			fake::{self, channel, FakeChain},
			Phase,
		},
		keys::{Scheme, VoucherKey},
		payee::{Accepted, PayeeConfig},
		store::MemoryStore,
	};
	use sp_core::H256;
	use stoa_primitives::{
		channel::{Cap, CapState, ChannelId},
		payload::{Domain, Voucher},
	};

	const GENESIS: H256 = H256::repeat_byte(1);

	async fn setup(channels: u32) -> (Arc<FakeChain>, Payee) {
		let chain = Arc::new(FakeChain::new(GENESIS));
		let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
		let config =
			PayeeConfig { max_age: Duration::ZERO, ..PayeeConfig::new(fake::payee(), fake::ASSET) };
		let store = Arc::new(MemoryStore::default());
		let payee = Payee::start(config, store, chain.clone()).await.unwrap();
		for n in 0..channels {
			let id = id(n);
			chain.put(channel(id, key.key(), 100));
			let voucher = Voucher { channel: id, lane: 0, cumulative: 10, valid_until: 0 };
			let signed = key.sign_voucher(voucher, &Domain::channels(GENESIS));
			let outcome = payee.accept(&signed, 10, [0; 32]).await.unwrap();
			assert!(matches!(outcome, Accepted::Fresh(_)));
		}
		(chain, payee)
	}

	fn id(n: u32) -> ChannelId {
		let mut id = [0; 32];
		id[..4].copy_from_slice(&n.to_le_bytes());
		id
	}

	#[tokio::test]
	async fn claims_should_be_settled_in_ascending_batches_of_256() {
		let (chain, payee) = setup(300).await;
		let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
		let report = settler.settle_now().await.unwrap();
		assert_eq!((report.claimed, report.batches.len()), (3_000, 2));
		let batches = chain.state().batches.clone();
		assert_eq!((batches[0].len(), batches[1].len()), (256, 44));
		let order: Vec<_> = batches.concat().iter().map(|item| item.channel).collect();
		assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
		assert!(payee.unsettled().is_empty());
		// Nothing new: nothing is sent.
		assert!(settler.settle_now().await.unwrap().batches.is_empty());
	}

	#[tokio::test]
	async fn skipped_claims_should_be_reported_and_the_others_paid() {
		let (chain, payee) = setup(2).await;
		let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
		chain.state().skip = Some(id(0));
		let report = settler.settle_now().await.unwrap();
		assert_eq!(report.claimed, 10);
		assert_eq!(report.skipped[0].reason, SkipReason::NotSettled);
		// Not again before something has changed.
		assert!(settler.settle_now().await.unwrap().batches.is_empty());
		let policy = SettlePolicy { interval: Duration::ZERO, ..SettlePolicy::default() };
		assert!(Settler::new(payee, chain.clone(), policy).is_due().await);
		assert!(settler.claims().is_empty());
		chain.state().skip = None;
		let topped_up = ChannelInfo { deposit: 200, ..chain.state().best[&id(0)].clone() };
		chain.put(topped_up);
		assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
		assert!(settler.skipped().is_empty());
	}

	#[tokio::test]
	async fn claims_that_come_too_late_should_be_left_out() {
		let (chain, payee) = setup(2).await;
		let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
		// Closed a moment ago; and the grace period is over at the best block, which is 100.
		chain.state().best.remove(&id(0));
		chain.state().best.get_mut(&id(1)).unwrap().phase = Phase::Closing { ends: 100 };
		assert!(settler.settle_now().await.unwrap().batches.is_empty());
		assert!(!settler.is_due().await);
		chain.state().best.get_mut(&id(1)).unwrap().phase = Phase::Closing { ends: 102 };
		assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
	}

	#[tokio::test]
	async fn expiring_claims_should_be_settled_whatever_the_amount_until_they_expire() {
		let (chain, payee) = setup(1).await;
		let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
		let valid_until = 100 + payee.config().rules.settle_horizon;
		let voucher = Voucher { channel: id(0), lane: 0, cumulative: 20, valid_until };
		let signed = key.sign_voucher(voucher, &Domain::channels(GENESIS));
		payee.accept(&signed, 10, [0; 32]).await.unwrap();
		let policy = SettlePolicy { min_batch: 1_000, ..SettlePolicy::default() };
		let settler = Settler::new(payee, chain.clone(), policy);
		assert!(settler.is_due().await);
		chain.state().number = valid_until;
		assert!(settler.settle_now().await.unwrap().batches.is_empty());
		assert!(!settler.is_due().await);
	}

	#[tokio::test]
	async fn a_failing_batch_should_not_stop_those_after_it() {
		let (chain, payee) = setup(300).await;
		let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
		chain.state().failing_batches = 1;
		assert!(settler.settle_now().await.is_err());
		assert_eq!(chain.state().batches[0].len(), 44);
		assert_eq!(settler.settle_now().await.unwrap().claimed, 2_560);
	}

	#[tokio::test]
	async fn a_channel_that_cannot_be_read_should_not_stop_the_others() {
		let (chain, payee) = setup(2).await;
		let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
		chain.state().unreadable = Some(id(0));
		assert_eq!(settler.settle_now().await.unwrap().claimed, 20);
		// With nothing to settle, the failure is what there is to tell.
		assert!(settler.settle_now().await.is_err());
	}

	#[tokio::test]
	async fn closing_channels_should_be_settled_at_once() {
		let (chain, payee) = setup(1).await;
		let policy = SettlePolicy { poll: Duration::from_millis(10), ..SettlePolicy::default() };
		let settler = Settler::new(payee.clone(), chain.clone(), policy);
		assert!(!settler.is_due().await);
		chain.state().best.get_mut(&id(0)).unwrap().phase = Phase::Closing { ends: 999 };
		settler.run(tokio::time::sleep(Duration::from_millis(300))).await;
		assert_eq!(chain.state().batches.len(), 1);
		assert!(payee.unsettled().is_empty());
	}

	#[tokio::test]
	async fn the_first_look_should_be_at_the_start() {
		let (chain, payee) = setup(1).await;
		let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
		chain.state().best.get_mut(&id(0)).unwrap().phase = Phase::Closing { ends: 999 };
		settler.run(std::future::ready(())).await;
		assert_eq!(chain.state().batches.len(), 1);
	}

	#[tokio::test]
	async fn a_look_should_read_no_more_than_one_pass() {
		let channels = 10 + u32::try_from(PASS).unwrap();
		let (chain, payee) = setup(channels).await;
		let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
		chain.state().reads = 0;
		assert!(settler.look().await);
		assert_eq!(chain.state().reads, 2 * PASS);
	}

	#[tokio::test]
	async fn exposure_and_time_should_make_settlement_due() {
		let (chain, payee) = setup(2).await;
		let due = |policy| {
			let settler = Settler::new(payee.clone(), chain.clone(), policy);
			async move { settler.is_due().await }
		};
		let policy = SettlePolicy::default();
		assert!(!due(policy).await);
		assert!(due(SettlePolicy { max_unsettled: 20, ..policy }).await);
		assert!(!due(SettlePolicy { max_unsettled: 21, ..policy }).await);
		assert!(due(SettlePolicy { interval: Duration::ZERO, ..policy }).await);
	}

	#[tokio::test]
	async fn claims_of_a_chains_earlier_life_should_not_be_settled() {
		let (chain, payee) = setup(1).await;
		let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
		chain.state().life = 1;
		assert!(settler.settle_now().await.is_err());
		assert!(settler.settle_known().await.is_err());
		assert!(chain.state().batches.is_empty());
	}

	#[tokio::test]
	async fn small_claims_should_wait_until_a_batch_of_them_pays() {
		for (channels, claimed) in [(1, 0), (2, 0), (3, 30)] {
			let (chain, payee) = setup(channels).await;
			let policy =
				SettlePolicy { min_batch: 21, interval: Duration::ZERO, ..SettlePolicy::default() };
			let settler = Settler::new(payee, chain.clone(), policy);
			assert_eq!(settler.is_due().await, claimed > 0);
			assert_eq!(settler.settle_now().await.unwrap().claimed, claimed);
		}
	}

	#[tokio::test]
	async fn all_claims_should_count_towards_the_exposure() {
		let (_, payee) = setup(3).await;
		let policy = SettlePolicy { min_batch: 21, max_unsettled: 30, ..SettlePolicy::default() };
		assert!(Settler::new(payee.clone(), payee_chain(), policy).is_due().await);
		let policy = SettlePolicy { max_unsettled: 31, ..policy };
		assert!(!Settler::new(payee, payee_chain(), policy).is_due().await);
	}

	fn payee_chain() -> Arc<FakeChain> {
		Arc::new(FakeChain::new(GENESIS))
	}

	#[tokio::test]
	async fn what_could_be_lost_should_be_settled_whatever_the_amount() {
		let other = VoucherKey::from_uri("//Other", Scheme::Ed25519).unwrap().key();
		let changes: [fn(&mut ChannelInfo, stoa_primitives::keys::Key); 3] = [
			|info, other| (info.key, info.changes.key) = (other, Some((info.key, 999))),
			|info, _| info.changes.revoked.push((0, 999)),
			|info, _| {
				let cap = Cap { per_window: 9, window: 10 };
				info.changes.cap = Some((Some(cap), 999));
			},
		];
		for change in changes {
			let (chain, payee) = setup(1).await;
			let policy = SettlePolicy { min_batch: 1_000, ..SettlePolicy::default() };
			let settler = Settler::new(payee.clone(), chain.clone(), policy);
			payee.refresh_all().await.unwrap();
			assert!(!settler.is_due().await);
			change(chain.state().best.get_mut(&id(0)).unwrap(), other);
			payee.refresh_all().await.unwrap();
			assert!(settler.is_due().await);
			assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
			assert!(!settler.is_due().await);
		}
	}

	#[tokio::test]
	async fn claims_above_the_cap_should_be_settled_piece_by_piece() {
		let (chain, payee) = setup(1).await;
		let policy = SettlePolicy { interval: Duration::ZERO, ..SettlePolicy::default() };
		let settler = Settler::new(payee.clone(), chain.clone(), policy);
		let cap = CapState::new(Cap { per_window: 4, window: 10 });
		let capped = ChannelInfo { cap: Some(cap), ..chain.state().best[&id(0)].clone() };
		chain.put(capped);
		for claimed in [4, 4, 2] {
			assert_eq!(settler.settle_now().await.unwrap().claimed, claimed);
			// Nothing is sent that the cap would not pay.
			let sent = chain.state().batches.len();
			assert_eq!(settler.settle_now().await.unwrap().claimed, 0);
			assert_eq!(chain.state().batches.len(), sent);
			// It was captured in the block after.
			chain.state().number += 11;
		}
		assert!(payee.unsettled().is_empty());
	}

	#[tokio::test]
	async fn a_failed_settlement_should_be_tried_again() {
		let (chain, payee) = setup(1).await;
		let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
		chain.state().down = true;
		assert!(settler.settle_now().await.is_err());
		chain.state().down = false;
		assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
	}
}
