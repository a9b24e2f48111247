//! Reading channels: when, how often, and for whom.

use super::{
	millis,
	rows::{forgotten_write, root_key},
	Heads, Inner, Payee, PayeeError, MAX_ABSENT, PARALLEL_READS, PASS, RECHECK,
};
use crate::{
	chain::{to_hex, At, BlockRef, ChainError, ChannelInfo},
	store::{Table, Write},
	voucher::LaneKey,
};
use futures::{stream, StreamExt};
use std::{
	sync::{atomic::Ordering, PoisonError},
	time::Duration,
};
use stoa_primitives::{channel::ChannelId, Balance, BlockNumber, BLOCK_MILLIS};
use tokio::time::Instant;

impl Payee {
	/// For how long the state of a channel is believed.
	pub(super) fn max_age(&self, id: &ChannelId) -> Duration {
		let grace =
			self.machine().info(id).map_or(self.0.config.rules.min_grace, |info| info.grace);
		let eighth = Duration::from_millis(BLOCK_MILLIS.saturating_mul(u64::from(grace / 8)));
		self.0.config.max_age.min(eighth)
	}

	/// Reads a channel again if the last read is older than `max_age`. Of an unknown one, no more is
	/// read than whether there is such a channel.
	pub(super) async fn refresh(
		&self,
		id: &ChannelId,
		max_age: Duration,
	) -> Result<(), PayeeError> {
		if self.machine().knows(id) || self.exists(id).await? {
			self.read(id, max_age, None).await?;
		}
		Ok(())
	}

	/// Whether there is such a channel of this payee's. One read; none if the chain has just said no.
	pub(super) async fn exists(&self, id: &ChannelId) -> Result<bool, PayeeError> {
		if self.is_absent(id) {
			return Ok(false);
		}
		let _permit = self.0.lookups.acquire().await.map_err(|_| PayeeError::Stopped)?;
		// Another call may have asked for the same channel while this one waited.
		if self.machine().knows(id) {
			return Ok(true);
		}
		if self.is_absent(id) {
			return Ok(false);
		}
		let info = self.0.chain.channel(*id, At::Finalized).await?;
		let exists = info.is_some_and(|info| self.is_ours(&info));
		if !exists {
			let mut absent = self.absent();
			if absent.len() >= MAX_ABSENT {
				absent.retain(|_, at| at.elapsed() < RECHECK);
			}
			// When there are too many all the same, the limit on reads has to do.
			if absent.len() < MAX_ABSENT {
				absent.insert(*id, Instant::now());
			}
		}
		Ok(exists)
	}

	fn is_absent(&self, id: &ChannelId) -> bool {
		self.absent().get(id).is_some_and(|at| at.elapsed() < RECHECK)
	}

	fn is_ours(&self, info: &ChannelInfo) -> bool {
		let rules = &self.0.config.rules;
		info.payee == rules.payee && info.asset == rules.asset
	}

	/// Makes sure that the chain is still the one that the store was written for. Returns its last
	/// finalized block.
	pub(crate) async fn verify_chain(&self) -> Result<BlockRef, PayeeError> {
		let Inner { chain, anchor, committer, .. } = self.0.as_ref();
		let finalized = chain.block(At::Finalized).await?;
		anchor.verify::<PayeeError>(chain.as_ref(), finalized.number, committer).await?;
		Ok(finalized)
	}

	async fn heads(&self) -> Result<Heads, PayeeError> {
		let at = Instant::now();
		// Finalized first: what is then read at the best block is never older. A node may have come back
		// with another chain at any time.
		let finalized = self.verify_chain().await?;
		let best = self.0.chain.block(At::Best).await?;
		if !self.0.chain.caught_up().await? {
			return Err(stale("the node is still fetching the chain's blocks".into()));
		}
		self.note_best(best.number)?;
		Ok(Heads { finalized, best, at })
	}

	/// Takes over the best block's number. Fails when it has not risen for too long: such a node says
	/// nothing of what its peers know.
	fn note_best(&self, number: BlockNumber) -> Result<(), PayeeError> {
		let mut risen = self.0.risen.lock().unwrap_or_else(PoisonError::into_inner);
		if self.0.best.fetch_max(number, Ordering::Relaxed) < number {
			*risen = Instant::now();
		}
		let since = risen.elapsed();
		match since > self.0.config.max_stall {
			true => Err(stale(format!("the node's best block is the same since {since:?}"))),
			false => Ok(()),
		}
	}

	/// Reads a channel at `heads`, or at new ones, if the last read is older than `max_age`.
	pub(super) async fn read(
		&self,
		id: &ChannelId,
		max_age: Duration,
		heads: Option<Heads>,
	) -> Result<(), PayeeError> {
		let check = self.checks().entry(*id).or_default().clone();
		let mut last = check.lock().await;
		// Nothing is read from older blocks than the last time.
		let fresh =
			|at: Instant| at.elapsed() < max_age || heads.is_some_and(|heads: Heads| heads.at < at);
		if last.is_some_and(fresh) {
			return Ok(());
		}
		let _permit = self.0.reads.acquire().await.map_err(|_| PayeeError::Stopped)?;
		let heads = match heads {
			Some(heads) => heads,
			None => self.heads().await?,
		};
		self.0.finalized.fetch_max(heads.finalized.number, Ordering::Relaxed);
		// A channel that is forgotten would look like a new one to a node that has fallen back behind its end.
		let forgotten = self.0.forgotten.load(Ordering::Relaxed);
		if heads.finalized.number < forgotten && !self.machine().knows(id) {
			let number = heads.finalized.number;
			return Err(stale(format!(
				"the node's final block is {number}, and {forgotten} was final"
			)));
		}
		let chain = &self.0.chain;
		let info = chain.channel(*id, At::Hash(heads.finalized.hash)).await?;
		let newest = chain.channel(*id, At::Hash(heads.best.hash)).await?;
		// Nothing is kept of channels that pay somebody else or in another asset: else anybody could
		// fill the memory with them.
		let info = match info {
			Some(info) if !self.is_ours(&info) => {
				// It has not ended, so its vouchers must stay.
				if !self.machine().lanes(id).is_empty() {
					return Err(PayeeError::Foreign(*id));
				}
				None
			},
			info => info,
		};
		let known = {
			let mut machine = self.machine_mut();
			let (at, now) = (heads.finalized.number, heads.best.number);
			machine.sync(*id, at, now, info, newest.as_ref());
			machine.knows(id)
		};
		let good = self.clock_at(heads.at).saturating_add(millis(self.max_age(id)));
		self.machine_mut().trust(id, good);
		*last = Some(heads.at);
		if !known {
			self.checks().remove(id);
		}
		Ok(())
	}

	/// The channels whose state has aged, in ascending order.
	fn due(&self) -> Vec<ChannelId> {
		let mut ids: Vec<ChannelId> = self.machine().channels().copied().collect();
		ids.retain(|id| {
			let max_age = self.max_age(id);
			match self.checks().get(id).map(|check| check.try_lock().map(|last| *last)) {
				Some(Ok(Some(last))) => last.elapsed() >= max_age,
				Some(Ok(None)) | None => true,
				// It is being read.
				Some(Err(_)) => false,
			}
		});
		ids.sort_unstable();
		ids
	}

	/// Reads channels again whose state has aged, at most `limit` of them, and forgets those that have
	/// ended, also if they ended before the start. Returns whether there are more.
	///
	/// # Errors
	///
	/// The first read that failed; the others were made.
	pub async fn refresh_due(&self, limit: usize) -> Result<bool, PayeeError> {
		let mut due = self.due();
		let more = due.len() > limit;
		{
			// Each pass goes on where the last one ended, so that channels whose reads fail are not
			// all that is ever tried.
			let mut cursor = self.0.cursor.lock().unwrap_or_else(PoisonError::into_inner);
			let next = due.partition_point(|id| *id <= *cursor);
			due.rotate_left(next);
			due.truncate(limit);
			if let Some(last) = due.last() {
				*cursor = *last;
			}
		}
		self.pass(&due).await?;
		Ok(more)
	}

	/// Reads every channel again whose state has aged, and forgets those that have ended.
	///
	/// # Errors
	///
	/// The first read that failed; the others were made.
	pub async fn refresh_all(&self) -> Result<(), PayeeError> {
		let mut outcome = Ok(());
		for ids in self.due().chunks(PASS) {
			outcome = outcome.and(self.pass(ids).await);
		}
		outcome
	}

	async fn pass(&self, ids: &[ChannelId]) -> Result<(), PayeeError> {
		if ids.is_empty() {
			return Ok(());
		}
		let heads = self.heads().await?;
		let outcomes: Vec<_> = stream::iter(ids.to_vec())
			.map(|id| async move { self.read(&id, self.max_age(&id), Some(heads)).await })
			.buffer_unordered(PARALLEL_READS)
			.collect()
			.await;
		let ended = self.machine().ended();
		for id in ended {
			self.forget(&id).await?;
		}
		outcomes.into_iter().collect()
	}

	/// Raises what the chain has settled on a lane.
	pub(crate) fn note_settled(&self, at: &LaneKey, settled: Balance) {
		let now = self.best_block();
		self.machine_mut().note_settled(at, settled, now);
	}

	/// Removes the records of a channel that has ended: nothing can be claimed from it any more. What stays is the block
	/// by which it had ended, for nodes that have not come so far.
	async fn forget(&self, id: &ChannelId) -> Result<(), PayeeError> {
		let seen = self.0.finalized.load(Ordering::Relaxed);
		let forgotten = self.0.forgotten.fetch_max(seen, Ordering::Relaxed).max(seen);
		let (lanes, roots) = {
			let machine = self.machine();
			(machine.lanes(id), machine.roots(id))
		};
		let mut writes = vec![forgotten_write(forgotten), Write::remove(Table::Consents, id)];
		writes.extend(lanes.iter().map(|at| Write::remove(Table::Payee, &at.to_bytes())));
		writes.extend(roots.iter().map(|root| Write::remove(Table::Roots, &root_key(id, root))));
		self.0.committer.commit(writes).await?;
		tracing::info!(channel = to_hex(id), "a channel has ended; its records are forgotten");
		self.machine_mut().forget(id);
		self.checks().remove(id);
		self.turns().retain(|at, _| at.channel != *id);
		Ok(())
	}
}

fn stale(reason: String) -> PayeeError {
	ChainError::Rpc { reason }.into()
}
