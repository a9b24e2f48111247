//! What to keep, what to look at and what to settle: facts in, actions out. No clock, no network, no
//! disk.

use crate::{
	channel::ChannelState,
	judge::{Held, Refused},
};
use sp_crypto_hashing::blake2_256;
use std::collections::{BTreeMap, HashMap};
use stoa_primitives::{
	channel::{ChannelId, Item, MAX_BATCH},
	AccountId, Balance, BlockNumber,
};

/// How many times in a grace period a channel is looked at, at least: a close is seen long before the
/// tower has to act on it.
const LOOKS: BlockNumber = 16;

/// Blocks from one try to the next, at first. Each further one doubles it, up to [`MAX_DOUBLINGS`] times.
const RETRY: BlockNumber = 4;
const MAX_DOUBLINGS: u32 = 4;

/// Blocks from one look at a channel that is gone to the next, until that is final.
const RECHECK: BlockNumber = 8;

/// Limits, and what tells one tower from another.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Config {
	/// Towers with different seeds act at different blocks, so that they do not all pay for the same
	/// settlement. The tower's account is a good one.
	pub seed: [u8; 32],
	/// Lanes that are kept for one payee.
	pub lanes_per_payee: usize,
	/// Lanes that are kept in all.
	pub lanes: usize,
	/// What a lane must be owed to be worth a transaction, in units of the channel's asset.
	pub min_claim: Balance,
}

impl Config {
	/// 4,096 lanes for each payee, 262,144 in all, and whatever is owed is worth it.
	pub fn new(seed: [u8; 32]) -> Self {
		Self { seed, lanes_per_payee: 4_096, lanes: 262_144, min_claim: 1 }
	}
}

/// What became of an item that was offered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
	/// It is kept, in place of what was there.
	Kept,
	/// As much or more is kept already.
	Known,
	/// It is not kept.
	Refused(Refused),
}

/// One channel that is watched.
#[derive(Debug)]
struct Watch {
	payee: AccountId,
	lanes: BTreeMap<u32, Held>,
	/// What the channel was when it was last looked at. Nothing after a start, and when it was gone.
	state: Option<ChannelState>,
	/// The highest block in which it was there.
	seen: BlockNumber,
	/// From which block on to look again.
	look: BlockNumber,
	/// From which block on to try again.
	retry: BlockNumber,
	/// Tries that the chain has not shown yet.
	tries: u32,
}

/// Keeps one proof for each channel and lane, and says what to do with it.
///
/// The order of use: [`see`](Self::see) what [`to_look`](Self::to_look) names, then send what
/// [`due`](Self::due) gives, again after every block. All decisions follow from the latest look at a
/// channel, so that a missed event, a reverted block or a restart changes nothing.
#[derive(Debug)]
pub struct Machine {
	config: Config,
	channels: BTreeMap<ChannelId, Watch>,
	payees: HashMap<AccountId, usize>,
	lanes: usize,
}

impl Machine {
	/// A machine that keeps nothing.
	pub fn new(config: Config) -> Self {
		Self { config, channels: BTreeMap::new(), payees: HashMap::new(), lanes: 0 }
	}

	/// How many channels and lanes are kept.
	pub fn counts(&self) -> (usize, usize) {
		(self.channels.len(), self.lanes)
	}

	/// What is kept for a lane.
	pub fn held(&self, channel: &ChannelId, lane: u32) -> Option<&Held> {
		self.channels.get(channel)?.lanes.get(&lane)
	}

	/// Whether a proof that was checked would be kept, when `pending` lanes are about to be added.
	///
	/// # Errors
	///
	/// [`Refused::WouldExpire`], [`Refused::Full`].
	pub fn judge(&self, held: &Held, pending: usize) -> Result<bool, Refused> {
		let item = &held.item;
		let watch = self.channels.get(&item.channel);
		let Some(old) = watch.and_then(|watch| watch.lanes.get(&item.lane)) else {
			let kept = self.payees.get(&held.payee).copied().unwrap_or(0);
			let full = kept.saturating_add(pending) >= self.config.lanes_per_payee
				|| self.lanes.saturating_add(pending) >= self.config.lanes;
			return if full { Err(Refused::Full) } else { Ok(true) };
		};
		if held.claim < old.claim || (held.claim == old.claim && held.lasts() <= old.lasts()) {
			return Ok(false);
		}
		// What was settled is worth nothing any more, and may give way to anything.
		let worth = watch.and_then(|watch| watch.state.as_ref()).is_none_or(|state| {
			state.owed(old) > 0 && state.last_block(old).is_some_and(|last| last > held.at)
		});
		if worth && old.lasts() && !held.lasts() {
			return Err(Refused::WouldExpire);
		}
		Ok(true)
	}

	/// Keeps a proof, in place of what was kept for its lane. It must have been
	/// [judged](Self::judge), and be on disk.
	pub fn hold(&mut self, held: Held) {
		let item = held.item;
		let payee = held.payee.clone();
		let watch = self.channels.entry(item.channel).or_insert_with(|| Watch {
			payee: payee.clone(),
			lanes: BTreeMap::new(),
			state: None,
			seen: held.at,
			look: 0,
			retry: 0,
			tries: 0,
		});
		watch.seen = watch.seen.max(held.at);
		// More than what was tried before: at once.
		(watch.retry, watch.tries) = (0, 0);
		if watch.lanes.insert(item.lane, held).is_none() {
			self.lanes = self.lanes.saturating_add(1);
			let count = self.payees.entry(payee).or_default();
			*count = count.saturating_add(1);
		}
	}

	/// Channels to look at in block `now`, those that wait longest first, `most` at most.
	pub fn to_look(&self, now: BlockNumber, most: usize) -> Vec<ChannelId> {
		let mut waiting: Vec<_> = self
			.channels
			.iter()
			.filter(|(_, watch)| watch.look <= now)
			.map(|(id, watch)| (watch.look, *id))
			.collect();
		waiting.sort_unstable();
		waiting.into_iter().take(most).map(|(_, id)| id).collect()
	}

	/// What a channel is in block `now`. Returns whether it has to be found out if it is
	/// [gone](Self::gone) for good.
	pub fn see(&mut self, now: BlockNumber, id: &ChannelId, state: Option<ChannelState>) -> bool {
		let Some(watch) = self.channels.get_mut(id) else { return false };
		let Some(state) = state else {
			watch.state = None;
			watch.look = now.saturating_add(RECHECK);
			return true;
		};
		watch.seen = watch.seen.max(now);
		let paid = watch.state.as_ref().is_some_and(|before| before.settled < state.settled);
		if paid {
			(watch.retry, watch.tries) = (0, 0);
		}
		let pause = state.grace.checked_div(LOOKS).unwrap_or(0).max(1);
		let mut look = now.saturating_add(pause);
		if let Some(due) = watch.due(&self.config, id, &state) {
			look = look.min(due.max(watch.retry));
		}
		watch.look = look.max(now.saturating_add(1));
		watch.state = Some(state);
		false
	}

	/// A channel was not there in block `number`, which is final. Returns the lanes to forget: all of
	/// them, unless the channel was seen in that block or later.
	pub fn gone(&mut self, number: BlockNumber, id: &ChannelId) -> Vec<u32> {
		if self.channels.get(id).is_none_or(|watch| watch.seen >= number) {
			return Vec::new();
		}
		let Some(watch) = self.channels.remove(id) else { return Vec::new() };
		self.lanes = self.lanes.saturating_sub(watch.lanes.len());
		if let Some(count) = self.payees.get_mut(&watch.payee) {
			*count = count.saturating_sub(watch.lanes.len());
			if *count == 0 {
				self.payees.remove(&watch.payee);
			}
		}
		watch.lanes.into_keys().collect()
	}

	/// What to settle now that `now` is the best block: a batch in ascending order, the most urgent
	/// claims first when there are more. Call again until it is empty.
	pub fn due(&mut self, now: BlockNumber) -> Vec<Item> {
		let mut found: Vec<_> = self
			.channels
			.iter()
			.filter(|(_, watch)| watch.retry <= now)
			.filter_map(|(id, watch)| {
				let claims = watch.claims(&self.config, id, now)?;
				Some((claims.last, *id, claims.items))
			})
			.collect();
		found.sort_unstable_by_key(|(last, id, _)| (*last, *id));
		let mut batch = Vec::new();
		// A u32 fits a usize on every platform that the standard library's networking runs on.
		let size = usize::try_from(MAX_BATCH).unwrap_or(usize::MAX);
		for (last, id, items) in found {
			if batch.len().saturating_add(items.len()) > size {
				break;
			}
			batch.extend(items);
			if let Some(watch) = self.channels.get_mut(&id) {
				watch.tried(now, last);
			}
		}
		batch.sort_unstable_by_key(|item| (item.channel, item.lane));
		batch
	}
}

/// What is to be claimed from one channel.
struct Claims {
	/// The last block in which the first of them to end can be settled.
	last: BlockNumber,
	items: Vec<Item>,
}

impl Watch {
	/// From which block on something is to be settled, if a close was requested and something is owed.
	fn due(&self, config: &Config, id: &ChannelId, state: &ChannelState) -> Option<BlockNumber> {
		let ends = state.ends?;
		let slot = slot(&config.seed, id, ends, state.grace);
		self.owed(config, state).map(|(_, last)| by(slot, last, state.grace)).min()
	}

	/// What is owed and can be settled, each with the last block for it.
	fn owed<'a>(
		&'a self,
		config: &'a Config,
		state: &'a ChannelState,
	) -> impl Iterator<Item = (&'a Held, BlockNumber)> {
		self.lanes.values().filter_map(move |held| {
			let last = state.last_block(held)?;
			(state.owed(held) >= config.min_claim.max(1)).then_some((held, last))
		})
	}

	/// What to claim in a transaction that is sent when `now` is the best block.
	fn claims(&self, config: &Config, id: &ChannelId, now: BlockNumber) -> Option<Claims> {
		let state = self.state.as_ref()?;
		// Before, only the payee itself may settle.
		let slot = slot(&config.seed, id, state.ends?, state.grace);
		// The transaction is in the next block at the earliest.
		let next = now.checked_add(1)?;
		let mut room = state.room(next);
		let mut claims = Claims { last: BlockNumber::MAX, items: Vec::new() };
		for (held, last) in self.owed(config, state) {
			if last < next || by(slot, last, state.grace) > now {
				continue;
			}
			let take = state.owed(held).min(room);
			if take < config.min_claim.max(1) {
				continue;
			}
			room = room.saturating_sub(take);
			// What deposit and cap have no room for is left out: a claim above them would not be paid
			// at all.
			let claim = state.lane(held.item.lane)?.saturating_add(take);
			let capture = (Some(claim) != held.item.allowed()).then_some(claim);
			claims.items.push(Item { capture, ..held.item });
			claims.last = claims.last.min(last);
		}
		(!claims.items.is_empty()).then_some(claims)
	}

	/// Remembers a try. The next one comes soon, and the later the less the chain shows of them; but some
	/// are left for the last blocks.
	fn tried(&mut self, now: BlockNumber, last: BlockNumber) {
		let pause = RETRY.saturating_mul(1 << self.tries.min(MAX_DOUBLINGS));
		let left = last.saturating_sub(now).checked_div(4).unwrap_or(0).max(RETRY);
		self.tries = self.tries.saturating_add(1);
		self.retry = now.saturating_add(pause.min(left));
		self.look = self.look.min(self.retry);
	}
}

/// The block from which on a tower settles for a payee that has not: between a quarter and half of
/// the grace period after the request, by chance, but the same for a tower whenever it asks.
pub fn slot(
	seed: &[u8; 32],
	channel: &ChannelId,
	ends: BlockNumber,
	grace: BlockNumber,
) -> BlockNumber {
	let quarter = grace.checked_div(4).unwrap_or(0);
	let hash = blake2_256(&[&seed[..], channel, &ends.to_le_bytes()].concat());
	let number = hash.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
	let chance = number.checked_rem(quarter.saturating_add(1)).unwrap_or(0);
	// The request was made one grace period before the end.
	ends.saturating_sub(grace).saturating_add(quarter).saturating_add(chance)
}

/// A claim that cannot wait for the slot is made a good while before its last block.
fn by(slot: BlockNumber, last: BlockNumber, grace: BlockNumber) -> BlockNumber {
	slot.min(last.saturating_sub(grace.checked_div(4).unwrap_or(0)))
}

#[cfg(test)]
mod tests;
