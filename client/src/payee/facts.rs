//! What the chain says of a channel, as far as it decides what can still be settled.
//!
//! What gives the payee more (a deposit, a new key, a looser cap) counts once it is final. What takes
//! something away counts as soon as the best block says so: the payer has announced it one grace period
//! ahead, and the payee needs that time to settle.

use super::rules::Rejection;
use crate::chain::{ChannelInfo, Phase};
use std::collections::BTreeMap;
use stoa_primitives::{
	channel::{Cap, CapState, Captures},
	keys::Key,
	Balance, BlockNumber,
};

/// A velocity cap that holds, or will.
#[derive(Clone, Debug)]
struct Limit {
	state: CapState,
	/// The first block in which it holds; `None` for now.
	from: Option<BlockNumber>,
}

/// The state of a channel at a finalized block, with early warnings from the best block.
#[derive(Clone, Debug)]
pub(super) struct Facts {
	/// As it is in finalized state.
	pub info: ChannelInfo,
	/// The finalized block.
	pub at: BlockNumber,
	/// The first block in which nothing can be settled any more, if a close was requested.
	pub closing: Option<BlockNumber>,
	/// Keys that sign, with the first block in which they no longer do.
	keys: Vec<(Key, Option<BlockNumber>)>,
	/// Lanes that were revoked, with the first block in which nothing can be settled on them.
	revoked: BTreeMap<u32, BlockNumber>,
	limits: Vec<Limit>,
	/// What each lane has paid by the best block, `None` if that does not have the channel.
	newest: Option<Vec<Balance>>,
}

/// The earlier of two ends, `None` being never.
pub(super) fn earlier(a: Option<BlockNumber>, b: Option<BlockNumber>) -> Option<BlockNumber> {
	match (a, b) {
		(Some(a), Some(b)) => Some(a.min(b)),
		(one, other) => one.or(other),
	}
}

impl Facts {
	/// What follows from the channel at finalized block `at`, and at the best block if it is still
	/// there. `before` is what was known so far.
	///
	/// What only rises on chain only rises here, so that a node that lags behind cannot lower a floor.
	pub(super) fn new(
		mut info: ChannelInfo,
		best: Option<&ChannelInfo>,
		at: BlockNumber,
		now: BlockNumber,
		before: Option<&Facts>,
	) -> Self {
		let ends = |phase: Phase| match phase {
			Phase::Open => None,
			Phase::Closing { ends } => Some(ends),
		};
		// A channel that is gone from the best block has been closed a moment ago.
		let closing = match best {
			Some(best) => ends(best.phase).or(ends(info.phase)),
			None => Some(at),
		};
		let mut revoked = BTreeMap::new();
		for (lane, from) in
			info.changes.revoked.iter().chain(best.into_iter().flat_map(revocations))
		{
			let first = revoked.entry(*lane).or_insert(*from);
			*first = (*first).min(*from);
		}
		let keys = keys(&info, best, at);
		// Settled here and not there yet: also under the caps, as captured in the latest block.
		let read = info.paid();
		if let Some(before) = before {
			info.raise_settled(&before.info);
		}
		let newest = best.map(|best| best.lane_settled.clone());
		let limits = limits(&info, best);
		let mut facts = Self { limits, info, at, closing, keys, revoked, newest };
		facts.charge(now, facts.info.paid().saturating_sub(read));
		facts
	}

	/// Until when `key` signs: `None` when it never did or no longer does, `Some(None)` without end.
	pub(super) fn key_end(&self, key: &Key) -> Option<Option<BlockNumber>> {
		self.keys.iter().find(|(known, _)| known == key).map(|(_, end)| *end)
	}

	/// All keys that sign, the current one first.
	pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
		self.keys.iter().map(|(key, _)| key)
	}

	/// Whether what `key` signs at `now` can be settled within `horizon` blocks.
	pub(super) fn check_key(
		&self,
		key: &Key,
		now: BlockNumber,
		horizon: BlockNumber,
	) -> Result<(), Rejection> {
		match self.key_end(key).ok_or(Rejection::BadSignature)? {
			Some(until) if until < now.saturating_add(horizon) => {
				Err(Rejection::KeyRetired { until })
			},
			_ => Ok(()),
		}
	}

	/// The first block in which nothing can be settled on a lane, if it was revoked.
	pub(super) fn revoked(&self, lane: u32) -> Option<BlockNumber> {
		self.revoked.get(&lane).copied()
	}

	/// What may be accepted and not settled at `now`: the headroom of the cap, and of a tighter one
	/// that waits. Without a cap, all.
	pub(super) fn headroom(&self, now: BlockNumber) -> Balance {
		self.limits.iter().map(|limit| limit.state.headroom(now)).min().unwrap_or(Balance::MAX)
	}

	/// What can be captured in the block after `now`.
	pub(super) fn capturable(&self, now: BlockNumber) -> Balance {
		self.limits
			.iter()
			.filter(|limit| limit.from.is_none_or(|from| from <= now.saturating_add(1)))
			.map(|limit| limit.state.headroom(now))
			.min()
			.unwrap_or(Balance::MAX)
	}

	/// From when on `amount` can no longer be captured at once, because of a tighter cap that waits.
	pub(super) fn tightens(&self, amount: Balance, now: BlockNumber) -> Option<BlockNumber> {
		self.limits
			.iter()
			.filter(|limit| amount > limit.state.headroom(now))
			.filter_map(|limit| limit.from.filter(|from| *from > now))
			.min()
	}

	/// What a lane has paid by the best block, final or not; `None` if that does not have the channel.
	pub(super) fn pending_settled(&self, lane: u32) -> Option<Balance> {
		let newest = self.newest.as_ref()?;
		let place = usize::try_from(lane).ok();
		let newest = place.and_then(|place| newest.get(place)).copied().unwrap_or(0);
		Some(newest.max(self.info.settled_on(lane)))
	}

	/// Takes over that a lane has paid `settled` in all, as seen at `now`.
	pub(super) fn note_settled(&mut self, lane: u32, settled: Balance, now: BlockNumber) {
		let before = self.info.paid();
		self.info.raise_lane(lane, settled);
		self.charge(now, self.info.paid().saturating_sub(before));
	}

	/// Counts a capture under all caps.
	fn charge(&mut self, now: BlockNumber, amount: Balance) {
		for Limit { state, .. } in self.limits.iter_mut().filter(|_| amount > 0) {
			// What is above the headroom was captured all the same, under a looser cap: nothing is left.
			let amount = amount.min(state.headroom(now));
			let counted = state.capture(now, amount);
			debug_assert!(counted, "no more than the headroom is captured");
		}
	}
}

fn revocations(info: &ChannelInfo) -> &[(u32, BlockNumber)] {
	&info.changes.revoked
}

/// The keys that sign. A new one counts once it is final, the end of the old one at once.
fn keys(
	info: &ChannelInfo,
	best: Option<&ChannelInfo>,
	at: BlockNumber,
) -> Vec<(Key, Option<BlockNumber>)> {
	let end = |key: &Key| match best {
		Some(best) if best.key == *key => None,
		Some(best) => match best.changes.key {
			Some((retired, until)) if retired == *key => Some(until),
			_ => Some(at),
		},
		None => None,
	};
	let mut keys = vec![(info.key, end(&info.key))];
	if let Some((key, until)) = info.changes.key {
		keys.push((key, earlier(Some(until), end(&key))));
	}
	keys
}

/// The caps that hold or wait, by either view. What was captured is taken from finalized state, as is
/// what was settled, so that the two fit together.
fn limits(info: &ChannelInfo, best: Option<&ChannelInfo>) -> Vec<Limit> {
	let recent = info.cap.as_ref().map_or_else(Captures::default, |state| state.recent.clone());
	let mut limits: Vec<Limit> = Vec::new();
	let mut add = |cap: Cap, from: Option<BlockNumber>| {
		match limits.iter_mut().find(|limit| limit.state.cap == cap) {
			// It holds already by one of the views.
			Some(known) => known.from = known.from.zip(from).map(|(a, b)| a.min(b)),
			None => limits.push(Limit { state: CapState { cap, recent: recent.clone() }, from }),
		}
	};
	for view in [Some(info), best].into_iter().flatten() {
		if let Some(state) = &view.cap {
			add(state.cap, None);
		}
		if let Some((Some(cap), from)) = view.changes.cap {
			add(cap, Some(from));
		}
	}
	limits
}
