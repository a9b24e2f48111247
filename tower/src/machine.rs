//! What to keep, what to look at and what to settle: facts in, actions out. No clock, no network, no
//! disk.

use crate::{
	channel::ChannelState,
	judge::{Held, Refused},
};
use sp_crypto_hashing::blake2_256;
use std::{
	collections::{BTreeMap, HashMap},
	time::Duration,
};
use stoa_primitives::{
	channel::{ChannelId, Item, MAX_BATCH},
	AccountId, AssetId, Balance, BlockNumber,
};

/// How many times in a grace period a channel is looked at, at least: a close is seen long before the
/// tower has to act on it.
const LOOKS: BlockNumber = 16;

/// Blocks from one try to the next, at first. Each further one doubles it, up to [`MAX_DOUBLINGS`] times.
const RETRY: BlockNumber = 4;
const MAX_DOUBLINGS: u32 = 4;

/// Blocks from one look at a channel that is gone to the next, until that is final.
const RECHECK: BlockNumber = 8;

/// Blocks for which it is believed what a claim in some asset must be worth.
const PRICE_LIFE: BlockNumber = 300;

/// How long the best block may stay the same, unless the configuration says otherwise: thirty slots.
const STALL: Duration = Duration::from_secs(60);

/// From which amount on claims are worth a transaction.
///
/// It is asked of all claims on one channel together, for each of them on average: small ones ride along
/// with others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MinClaim {
	/// What costs the tower nothing, as [the chain](crate::TowerChain::worth) says: nobody can make it
	/// spend its money on trifles. Nothing in assets that the chain cannot compare with its fees.
	Free,
	/// This, in units of the channel's asset, whatever that is; the tower may pay fees.
	Amount(Balance),
}

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
	/// What claims must be worth.
	pub min_claim: MinClaim,
	/// For how long the node's best block may stay the same before the tower says that it is blind; `None`
	/// for a chain that makes blocks on demand.
	pub stall: Option<Duration>,
}

impl Config {
	/// 4,096 lanes for each payee, 262,144 in all, what is settled for free, and a best block that rises
	/// every minute.
	pub fn new(seed: [u8; 32]) -> Self {
		Self {
			seed,
			lanes_per_payee: 4_096,
			lanes: 262_144,
			min_claim: MinClaim::Free,
			stall: Some(STALL),
		}
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
	prices: BTreeMap<AssetId, Price>,
}

/// What a claim in an asset must be worth; `None` when none is.
#[derive(Clone, Copy, Debug)]
struct Price {
	least: Option<Balance>,
	/// In which block that was found out.
	at: BlockNumber,
}

impl Machine {
	/// A machine that keeps nothing.
	pub fn new(config: Config) -> Self {
		Self {
			config,
			channels: BTreeMap::new(),
			payees: HashMap::new(),
			lanes: 0,
			prices: BTreeMap::new(),
		}
	}

	/// Its limits.
	pub fn config(&self) -> &Config {
		&self.config
	}

	/// How many channels and lanes are kept.
	pub fn counts(&self) -> (usize, usize) {
		(self.channels.len(), self.lanes)
	}

	/// What is kept for a lane.
	pub fn held(&self, channel: &ChannelId, lane: u32) -> Option<&Held> {
		self.channels.get(channel)?.lanes.get(&lane)
	}

	/// Whether something is kept for a payee.
	pub fn serves(&self, payee: &AccountId) -> bool {
		self.payees.contains_key(payee)
	}

	/// Whom a channel pays, if it is watched.
	pub fn payee_of(&self, channel: &ChannelId) -> Option<&AccountId> {
		self.channels.get(channel).map(|watch| &watch.payee)
	}

	/// All that is kept for a payee, in ascending order of (channel, lane).
	pub fn items_of(&self, payee: &AccountId) -> Vec<Item> {
		let channels = self.channels.values().filter(|watch| watch.payee == *payee);
		channels.flat_map(|watch| watch.lanes.values().map(|held| held.item)).collect()
	}

	/// Whether block `number` is no older than the last one in which the channel was looked at.
	pub fn is_news(&self, number: BlockNumber, id: &ChannelId) -> bool {
		let known = self.channels.get(id).filter(|watch| watch.state.is_some());
		known.is_none_or(|watch| watch.seen <= number)
	}

	/// The assets of closing channels of which it has to be found out what claims must be worth, `most`
	/// at most.
	pub fn to_price(&self, now: BlockNumber, most: usize) -> Vec<AssetId> {
		if self.config.min_claim != MinClaim::Free {
			return Vec::new();
		}
		let old = |asset: &AssetId| {
			let price = self.prices.get(asset);
			price.is_none_or(|price| price.at.saturating_add(PRICE_LIFE) <= now)
		};
		let states = self.channels.values().filter_map(|watch| watch.state.as_ref());
		let closing = states.filter(|state| state.ends.is_some()).map(|state| &state.asset);
		let mut assets: Vec<_> = closing.filter(|asset| old(asset)).cloned().collect();
		assets.sort_unstable();
		assets.dedup();
		assets.truncate(most);
		assets
	}

	/// What a claim in `asset` must be worth as of block `now`.
	pub fn price(&mut self, now: BlockNumber, asset: AssetId, least: Option<Balance>) {
		self.prices.insert(asset, Price { least, at: now });
		// Of assets in which nothing is closing any more.
		self.prices.retain(|_, price| price.at.saturating_add(PRICE_LIFE.saturating_mul(2)) > now);
	}

	/// What a claim in `asset` must be worth. As long as nobody knows, everything is.
	fn least(&self, asset: &AssetId) -> Balance {
		let least = match self.config.min_claim {
			MinClaim::Amount(least) => least,
			MinClaim::Free => {
				let price = self.prices.get(asset);
				price.map_or(1, |price| price.least.unwrap_or(Balance::MAX))
			},
		};
		least.max(1)
	}

	/// Whether a proof that is kept can be settled no more in a block after `now`, as far as is known: its key
	/// was replaced, say. Any that can be settled is worth more.
	pub(crate) fn is_dead(&self, held: &Held, now: BlockNumber) -> bool {
		let watch = self.channels.get(&held.item.channel);
		watch
			.and_then(|watch| watch.state.as_ref())
			.is_some_and(|state| state.last_block(held).is_none_or(|last| last <= now))
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
		if !held.beats(old) && !self.is_dead(old, held.at) {
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
		let least = state.as_ref().map_or(1, |state| self.least(&state.asset));
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
		if let Some(due) = watch.due(&self.config.seed, least, id, &state) {
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

	/// What to settle now that `now` is the best block: a batch in one asset and in ascending order, the
	/// most urgent claims first when there are more. Call again until it is empty.
	pub fn due(&mut self, now: BlockNumber) -> Vec<Item> {
		let mut found: Vec<_> = self
			.channels
			.iter()
			.filter(|(_, watch)| watch.retry <= now)
			.filter_map(|(id, watch)| {
				let state = watch.state.as_ref()?;
				let least = self.least(&state.asset);
				let claims = watch.claims(&self.config.seed, least, id, now)?;
				Some((claims.last, *id, state.asset.clone(), claims.items))
			})
			.collect();
		found.sort_unstable_by_key(|(last, id, ..)| (*last, *id));
		// Whether a batch is free is judged by the first asset in it, so it has one.
		let Some(asset) = found.first().map(|(_, _, asset, _)| asset.clone()) else {
			return Vec::new();
		};
		let mut batch = Vec::new();
		// A u32 fits a usize on every platform that the standard library's networking runs on.
		let size = usize::try_from(MAX_BATCH).unwrap_or(usize::MAX);
		for (last, id, _, items) in found.into_iter().filter(|found| found.2 == asset) {
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

/// What can be taken on one lane.
struct Take<'a> {
	amount: Balance,
	held: &'a Held,
	last: BlockNumber,
}

/// Leaves the smallest out until the others are worth `least` each, on average.
fn keep_worthy(takes: &mut Vec<Take<'_>>, least: Balance) {
	takes.sort_by_key(|take| std::cmp::Reverse(take.amount));
	let mut sum = takes.iter().fold(0, |sum: Balance, take| sum.saturating_add(take.amount));
	// A batch's length is no large number.
	while sum < least.saturating_mul(Balance::try_from(takes.len()).unwrap_or(Balance::MAX)) {
		let Some(smallest) = takes.pop() else { return };
		sum = sum.saturating_sub(smallest.amount);
	}
}

impl Watch {
	/// From which block on something is to be settled, if a close was requested and enough is owed.
	fn due(
		&self,
		seed: &[u8; 32],
		least: Balance,
		id: &ChannelId,
		state: &ChannelState,
	) -> Option<BlockNumber> {
		let slot = slot(seed, id, state.ends?, state.grace);
		let all = self.owed(state).fold(0, |sum: Balance, take| sum.saturating_add(take.amount));
		let blocks = self.owed(state).map(|take| by(slot, take.last, state.grace));
		blocks.min().filter(|_| all >= least)
	}

	/// What is owed and can be settled, whatever the room for it.
	fn owed<'a>(&'a self, state: &'a ChannelState) -> impl Iterator<Item = Take<'a>> {
		self.lanes.values().filter_map(|held| {
			let (amount, last) = (state.owed(held), state.last_block(held)?);
			(amount > 0).then_some(Take { amount, held, last })
		})
	}

	/// What to claim in a transaction that is sent when `now` is the best block.
	fn claims(
		&self,
		seed: &[u8; 32],
		least: Balance,
		id: &ChannelId,
		now: BlockNumber,
	) -> Option<Claims> {
		let state = self.state.as_ref()?;
		// Before, only the payee itself may settle.
		let slot = slot(seed, id, state.ends?, state.grace);
		// The transaction is in the next block at the earliest.
		let next = now.checked_add(1)?;
		let mut room = state.room(next);
		let mut takes = Vec::new();
		for take in self.owed(state) {
			if take.last < next || by(slot, take.last, state.grace) > now {
				continue;
			}
			let amount = take.amount.min(room);
			room = room.saturating_sub(amount);
			if amount > 0 {
				takes.push(Take { amount, ..take });
			}
		}
		keep_worthy(&mut takes, least);
		let mut claims = Claims { last: BlockNumber::MAX, items: Vec::new() };
		for Take { amount, held, last } in takes {
			// What deposit and cap have no room for is left out: a claim above them would not be paid
			// at all.
			let claim = state.lane(held.item.lane)?.saturating_add(amount);
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
