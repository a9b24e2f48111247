//! Which payments the payee accepts. No clock, no disk, no network: the driver brings facts and
//! carries records away.
//!
//! A voucher is accepted if and only if, cheapest first:
//!
//! 1. the channel was read from finalized state, exists, is for this payee and asset, has the lane,
//!    and leaves enough grace;
//! 2. no close was requested, finalized or not, none was agreed to, and the lane was not revoked;
//! 3. it does not expire before it can be settled;
//! 4. its cumulative amount is at least the floor plus the price, the floor being the higher of what
//!    was accepted here and what was settled on chain;
//! 5. all lanes together stay within the finalized deposit, and what of them is not settled within the
//!    velocity cap, also within a tighter one that waits;
//! 6. the signature is the channel key's, or that of a replaced key that stays valid long enough, over
//!    this voucher, on this chain.
//!
//! What was paid so far is the payer's business: only a voucher with a valid signature gets a verdict
//! of steps 2 to 5, so that nobody can find the amounts out by trying.
//!
//! [Ticks](super::ticks) are accepted by the same rules; their signature is checked once, when the
//! commitment is opened.

use super::{
	channel::Channel,
	claims::Losses,
	facts::Facts,
	rules::{Assessment, Record, Rejection, Rules},
	ticks::Session,
};
use crate::{
	allowance::Allowance,
	chain::ChannelInfo,
	voucher::{LaneKey, SignedVoucher},
};
use std::collections::HashMap;
use stoa_primitives::{channel::ChannelId, keys::Key, payload::Domain, Balance, BlockNumber};

/// The payee's knowledge of all its channels.
#[derive(Clone, Debug)]
pub struct Machine {
	pub(super) rules: Rules,
	pub(super) domain: Domain,
	pub(super) channels: HashMap<ChannelId, Channel>,
	/// Lanes with ticks that are not durable yet.
	pub(super) dirty: Vec<LaneKey>,
	/// What channels that have ended have not paid.
	pub(super) lost: Losses,
}

/// A verdict that only the signature can still change.
#[derive(Clone, Debug)]
pub(super) enum Weighed {
	/// The channel is not known from the chain.
	NotSynced,
	/// Whoever has signed it: a verdict that anybody may be given, or on a signature that was found good
	/// before.
	Settled(Assessment),
	/// If one of these keys has signed it. The current one comes first.
	If(Vec<Key>, Assessment),
}

impl Machine {
	/// A machine that knows nothing yet.
	pub fn new(rules: Rules, domain: Domain) -> Self {
		let (dirty, lost) = (Vec::new(), Losses::default());
		Self { rules, domain, channels: HashMap::new(), dirty, lost }
	}

	/// The rules in force.
	pub fn rules(&self) -> &Rules {
		&self.rules
	}

	/// Puts a stored record back, with the finalized block that [`Machine::seen`] gave when it was
	/// stored. The channel stays unsynced.
	pub fn restore(&mut self, record: Record, seen: Option<BlockNumber>) {
		let at = record.proof.lane();
		let channel = self.channels.entry(at.channel).or_default();
		channel.seen = channel.seen.max(seen);
		// No channel has a lane that cannot be opened.
		let Some(lane) = channel.lanes.open(at.lane) else { return };
		if let (Allowance::Ticks(ticks), Some(key)) = (&record.proof, record.key) {
			lane.session = Some(Session::resumed(ticks, key));
		}
		lane.record = Some(record);
		channel.update();
	}

	/// Puts back that a close was agreed to that can be made up to block `until`.
	pub fn restore_consent(&mut self, id: ChannelId, until: BlockNumber) {
		let channel = self.channels.entry(id).or_default();
		channel.consent = channel.consent.max(Some(until));
	}

	/// Takes over what the chain says of a channel: its state at the finalized block of number `at`,
	/// and at the best block, of number `now`, for early warning.
	///
	/// What only rises on chain only rises here, so that a node that lags behind cannot lower a floor.
	/// A channel has ended once a later block than one that had it does not have it, also if that was
	/// before a restart.
	pub fn sync(
		&mut self,
		id: ChannelId,
		at: BlockNumber,
		now: BlockNumber,
		finalized: Option<ChannelInfo>,
		best: Option<&ChannelInfo>,
	) {
		let Some(info) = finalized else {
			if let Some(channel) = self.channels.get_mut(&id) {
				if channel.seen.is_some_and(|seen| seen < at) {
					if !channel.ended {
						self.lost.note(channel);
					}
					channel.facts = None;
					channel.ended = true;
				}
			}
			return;
		};
		let channel = self.channels.entry(id).or_default();
		channel.seen = channel.seen.max(Some(at));
		let facts = Facts::new(info, best, at, now.max(at), channel.facts.as_ref());
		// Records of the first versions do not say by which key they are.
		for row in channel.lanes.values_mut().filter_map(|lane| lane.record.as_mut()) {
			if row.key.is_none() {
				row.key = facts.keys().find(|key| row.proof.verify(key, &self.domain)).copied();
			}
		}
		channel.facts = Some(facts);
		channel.update();
	}

	/// Channels that have ended and whose records serve no purpose any more.
	pub fn ended(&self) -> Vec<ChannelId> {
		self.channels.iter().filter(|(_, channel)| channel.ended).map(|(id, _)| *id).collect()
	}

	/// Whether anything is known of the channel: from the chain, or from the store.
	pub fn knows(&self, id: &ChannelId) -> bool {
		self.channels.contains_key(id)
	}

	/// The latest finalized block that is known to have the channel; to be stored with its records.
	pub fn seen(&self, id: &ChannelId) -> Option<BlockNumber> {
		self.channels.get(id)?.seen
	}

	/// Whether the channel was synced since the start.
	pub fn is_synced(&self, id: &ChannelId) -> bool {
		self.channels.get(id).is_some_and(|channel| channel.facts.is_some())
	}

	/// What the chain said of a channel at the last sync.
	pub fn info(&self, id: &ChannelId) -> Option<&ChannelInfo> {
		self.channels.get(id)?.facts.as_ref().map(|facts| &facts.info)
	}

	/// Whether a key signs for the channel: the current one, or one that was replaced and is still valid.
	pub fn has_key(&self, id: &ChannelId, key: &Key) -> bool {
		let facts = self.channels.get(id).and_then(|channel| channel.facts.as_ref());
		facts.is_some_and(|facts| facts.key_end(key).is_some())
	}

	/// What was accepted on a lane, durably.
	pub fn record(&self, at: &LaneKey) -> Option<&Record> {
		self.channels.get(&at.channel)?.lanes.get(at.lane)?.record.as_ref()
	}

	/// All channels that are known.
	pub fn channels(&self) -> impl Iterator<Item = &ChannelId> {
		self.channels.keys()
	}

	/// What to do with a voucher that is to pay `price` for `request` at block `now`. Changes nothing.
	pub fn assess(
		&self,
		signed: &SignedVoucher,
		price: Balance,
		request: &[u8; 32],
		now: BlockNumber,
	) -> Assessment {
		self.assess_verified(signed, None, price, request, now)
	}

	/// As [`Machine::assess`], for a voucher whose signature was found to be that of the key
	/// `verified` before. It is checked again only if the channel no longer names that key.
	pub fn assess_verified(
		&self,
		signed: &SignedVoucher,
		verified: Option<&Key>,
		price: Balance,
		request: &[u8; 32],
		now: BlockNumber,
	) -> Assessment {
		match self.weigh(signed, price, request, now) {
			Weighed::NotSynced => Assessment::NotSynced,
			Weighed::Settled(assessment) => assessment,
			Weighed::If(keys, assessment) => {
				let known = verified.filter(|key| keys.contains(key));
				let key =
					known.or_else(|| keys.iter().find(|key| signed.verify(key, &self.domain)));
				self.conclude(signed, assessment, key, now)
			},
		}
	}

	/// The verdict of [`Machine::weigh`], once it is known which key has signed.
	pub(super) fn conclude(
		&self,
		signed: &SignedVoucher,
		assessment: Assessment,
		key: Option<&Key>,
		now: BlockNumber,
	) -> Assessment {
		let Some(key) = key else { return Assessment::Rejected(Rejection::BadSignature) };
		let Assessment::Fresh(record) = assessment else { return assessment };
		let facts = self.channels.get(&signed.voucher.channel).and_then(|one| one.facts.as_ref());
		let Some(facts) = facts else { return Assessment::NotSynced };
		match facts.check_key(key, now, self.rules.settle_horizon) {
			Ok(()) => Assessment::Fresh(Record { key: Some(*key), ..record }),
			Err(rejection) => Assessment::Rejected(rejection),
		}
	}

	/// Everything but the signature.
	pub(super) fn weigh(
		&self,
		signed: &SignedVoucher,
		price: Balance,
		request: &[u8; 32],
		now: BlockNumber,
	) -> Weighed {
		let voucher = &signed.voucher;
		let (channel, facts) = match self.find(&voucher.channel, voucher.lane) {
			Ok(Some(found)) => found,
			Ok(None) => return Weighed::NotSynced,
			Err(rejection) => return Weighed::Settled(Assessment::Rejected(rejection)),
		};
		let mut keys: Vec<Key> = facts.keys().copied().collect();
		let row = channel.lanes.get(voucher.lane).and_then(|lane| lane.record.as_ref());
		// An answer that was paid for is owed even when the channel is closing by now.
		if let Some((row, known)) = row.and_then(|row| Some((row, row.proof.voucher()?))) {
			if known.voucher == *voucher {
				let replay = Assessment::Replay { same_request: row.request == *request };
				if known.signature == signed.signature {
					return Weighed::Settled(replay);
				}
				keys.extend(row.key);
				return Weighed::If(keys, replay);
			}
		}
		let assessment = match self.next_record(channel, facts, signed, price, request, now) {
			Ok(record) => Assessment::Fresh(record),
			Err(rejection) => Assessment::Rejected(rejection),
		};
		Weighed::If(keys, assessment)
	}

	/// A channel of ours that has the lane; `None` when it is not known from the chain.
	pub(super) fn find(
		&self,
		id: &ChannelId,
		lane: u32,
	) -> Result<Option<(&Channel, &Facts)>, Rejection> {
		let Some(channel) = self.channels.get(id) else { return Ok(None) };
		if channel.ended {
			return Err(Rejection::UnknownChannel);
		}
		let Some(facts) = &channel.facts else { return Ok(None) };
		if facts.info.payee != self.rules.payee || facts.info.asset != self.rules.asset {
			return Err(Rejection::NotOurs);
		}
		if lane >= u32::from(facts.info.lanes) {
			return Err(Rejection::UnknownLane);
		}
		Ok(Some((channel, facts)))
	}

	/// The record of a voucher that is good but for its signature, on a lane of a channel of ours.
	fn next_record(
		&self,
		channel: &Channel,
		facts: &Facts,
		signed: &SignedVoucher,
		price: Balance,
		request: &[u8; 32],
		now: BlockNumber,
	) -> Result<Record, Rejection> {
		let voucher = &signed.voucher;
		channel.open(facts, &self.rules, voucher.lane, voucher.valid_until, now)?;
		let floor = channel.floor(voucher.lane);
		let required = floor.checked_add(price).ok_or(Rejection::Overflow)?;
		// Equality with the floor is never fresh, whatever the price.
		if voucher.cumulative < required || voucher.cumulative == floor {
			return Err(channel.insufficient(voucher.lane, required, voucher.cumulative));
		}
		channel.room(facts, voucher.lane, voucher.cumulative, now)?;
		let lane = channel.lanes.get(voucher.lane);
		let (earned, count) = lane.map_or((0, 0), |lane| lane.earned());
		let earned = earned
			.max(channel.settled(voucher.lane))
			.checked_add(price)
			.ok_or(Rejection::Overflow)?;
		let (proof, count) = (Allowance::Voucher(*signed), count.saturating_add(1));
		Ok(Record { proof, key: None, earned, request: *request, count })
	}

	/// Keeps a lane for a proof of `amount` that is being served, and room for it in the deposit and under
	/// the cap: what [`Machine::assess`] finds good on other lanes leaves that much. Returns `false` while
	/// the lane is kept for another or has ticks that are not durable.
	#[must_use]
	pub fn hold(&mut self, at: &LaneKey, amount: Balance) -> bool {
		let Some(channel) = self.channels.get_mut(&at.channel) else { return false };
		channel.change_lane(at.lane, |channel| {
			let Some(lane) = channel.lanes.open(at.lane) else { return false };
			let free = lane.held.is_none() && lane.pending.is_none();
			if free {
				lane.held = Some(amount);
			}
			free
		})
	}

	/// The inverse of [`Machine::hold`].
	pub fn release(&mut self, at: &LaneKey) {
		let Some(channel) = self.channels.get_mut(&at.channel) else { return };
		channel.change_lane(at.lane, |channel| {
			if let Some(lane) = channel.lanes.get_mut(at.lane) {
				lane.held = None;
			}
		});
	}

	/// Takes over a record that [`Machine::assess`] returned and that is durable now. Compare and
	/// set: returns `false`, and changes nothing, if the lane has moved on in the meantime.
	#[must_use]
	pub fn apply(&mut self, record: Record) -> bool {
		let at = record.proof.lane();
		let Some(channel) = self.channels.get_mut(&at.channel) else { return false };
		if channel.floor(at.lane) >= record.proof.amount() {
			return false;
		}
		channel.change_lane(at.lane, |channel| {
			let lane = channel.lanes.open(at.lane);
			lane.map(|lane| lane.record = Some(record)).is_some()
		})
	}

	/// Raises what the chain has settled on a lane, as seen at block `now`.
	pub fn note_settled(&mut self, at: &LaneKey, settled: Balance, now: BlockNumber) {
		let Some(channel) = self.channels.get_mut(&at.channel) else { return };
		channel.change_lane(at.lane, |channel| {
			if let Some(facts) = &mut channel.facts {
				facts.note_settled(at.lane, settled, now);
			}
		});
		channel.limit = None;
	}

	/// What the payee will have been paid when the channel is closed now, if nothing is under way on it.
	/// From then on nothing is accepted on it before block `until` is final without a close. Settling
	/// goes on: it takes nothing that is not in the sum.
	///
	/// # Errors
	///
	/// [`Rejection`]; `None` when the channel is not synced or something is under way.
	pub fn consent(
		&mut self,
		id: &ChannelId,
		until: BlockNumber,
	) -> Result<Option<Balance>, Rejection> {
		if self.find(id, 0)?.is_none() {
			return Ok(None);
		}
		let Some(channel) = self.channels.get_mut(id) else { return Ok(None) };
		if channel.lanes.iter().any(|(_, lane)| lane.held.is_some() || lane.pending.is_some()) {
			return Ok(None);
		}
		channel.consent = channel.consent.max(Some(until));
		channel.update();
		let Some(facts) = &channel.facts else { return Ok(None) };
		let own = channel
			.lanes
			.iter()
			.map(|(lane, row)| row.earned().0.saturating_sub(facts.info.settled_on(lane)));
		Ok(Some(own.fold(facts.info.paid(), Balance::saturating_add)))
	}

	/// Last block in which a close that was agreed to can be made.
	pub fn consented(&self, id: &ChannelId) -> Option<BlockNumber> {
		self.channels.get(id)?.consent
	}

	/// The agreement up to `until` has not left the payee: what holds is the one before it.
	pub fn take_back_consent(
		&mut self,
		id: &ChannelId,
		until: BlockNumber,
		before: Option<BlockNumber>,
	) {
		if let Some(channel) = self.channels.get_mut(id).filter(|one| one.consent == Some(until)) {
			channel.consent = before;
			channel.update();
		}
	}

	/// The lanes of a channel on which something was accepted.
	pub fn lanes(&self, id: &ChannelId) -> Vec<LaneKey> {
		let lanes = self.channels.get(id).into_iter().flat_map(|channel| channel.lanes.iter());
		lanes
			.filter(|(_, lane)| lane.record.is_some())
			.map(|(lane, _)| LaneKey { channel: *id, lane })
			.collect()
	}

	/// Forgets a channel, with whatever was not settled.
	pub fn forget(&mut self, id: &ChannelId) {
		self.channels.remove(id);
		self.dirty.retain(|at| at.channel != *id);
	}
}

#[cfg(test)]
mod tests;
