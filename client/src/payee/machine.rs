//! Which vouchers the payee accepts. No clock, no disk, no network: the driver brings facts and
//! carries records away.
//!
//! A voucher is accepted if and only if, cheapest first:
//!
//! 1. the channel was read from finalized state, exists, is for this payee and asset, has the lane,
//!    and leaves enough grace;
//! 2. no close was requested, finalized or not;
//! 3. it does not expire before it can be settled;
//! 4. its cumulative amount is at least the floor plus the price, the floor being the higher of what
//!    was accepted here and what was settled on chain;
//! 5. all lanes together stay within the finalized deposit;
//! 6. the signature is the channel key's, over this voucher, on this chain.
//!
//! What was paid so far is the payer's business: only a voucher with a valid signature gets a verdict
//! of steps 2 to 5, so that nobody can find the amounts out by trying.

use crate::{
	chain::{ChannelInfo, Phase},
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, Encode};
use std::collections::{BTreeMap, HashMap};
use stoa_primitives::{
	channel::{ChannelId, Item},
	keys::Key,
	payload::Domain,
	AccountId, AssetId, Balance, BlockNumber,
};

/// What the payee asks of channels.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Rules {
	/// Who is paid.
	pub payee: AccountId,
	/// In what.
	pub asset: AssetId,
	/// The shortest grace period that leaves time to settle, in blocks.
	pub min_grace: BlockNumber,
	/// How many blocks a voucher must stay valid from now on, so that it can be settled.
	pub settle_horizon: BlockNumber,
}

/// What was accepted on a lane, as it is stored: the voucher in full, so that it can be settled
/// whatever else is lost.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Record {
	/// The highest voucher accepted; its cumulative amount is the watermark.
	pub voucher: SignedVoucher,
	/// What of it was earned: the sum of prices. Never above the watermark. Only this is settled,
	/// so a payer that signs more than a call costs gets the difference back.
	pub earned: Balance,
	/// What the voucher bought, as the caller identifies requests.
	pub request: [u8; 32],
	/// How many vouchers were accepted on this lane.
	pub count: u64,
}

/// Why a voucher is not accepted. Amounts are in units of the channel's asset.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Rejection {
	/// No channel of this id at the finalized block.
	#[error("no such channel at the finalized block; if it was just opened, wait for finality")]
	UnknownChannel,
	/// The channel pays another account or another asset.
	#[error("the channel does not pay this account in this asset")]
	NotOurs,
	/// The channel has no such lane.
	#[error("the channel has no such lane")]
	UnknownLane,
	/// The grace period is too short to settle in.
	#[error("the channel's grace period of {grace} blocks is shorter than the {min} required")]
	GraceTooShort {
		/// The channel's.
		grace: BlockNumber,
		/// The payee's minimum.
		min: BlockNumber,
	},
	/// A close was requested: what is served now might not be settled in time.
	#[error("a close of the channel was requested: cancel it or open another channel")]
	Closing,
	/// The voucher expires before it can be settled.
	#[error("the voucher must be valid at least until block {needed}, or without limit")]
	ExpiresTooSoon {
		/// The first block that suffices.
		needed: BlockNumber,
	},
	/// The voucher allows too little.
	#[error("the voucher allows {shortfall} less than the required {required}")]
	Insufficient {
		/// The least cumulative amount that pays for this call.
		required: Balance,
		/// How much is missing.
		shortfall: Balance,
		/// The floor: what was accepted or settled before.
		accepted: Balance,
		/// The payer's own highest voucher, so that it can check the floor.
		last: Option<SignedVoucher>,
	},
	/// The channel does not hold as much.
	#[error("the channel's finalized deposit is short by {shortfall}: top it up")]
	AboveDeposit {
		/// By how much.
		shortfall: Balance,
		/// The finalized deposit.
		deposit: Balance,
	},
	/// Not the channel key's signature over this voucher on this chain.
	#[error("the signature is not the channel key's over this voucher on this chain")]
	BadSignature,
	/// No amount is that large.
	#[error("the amount is too large")]
	Overflow,
}

/// What to do with a voucher.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Assessment {
	/// Serve; store this record before the answer leaves, then [`Machine::apply`] it.
	Fresh(Record),
	/// This very voucher was accepted before.
	Replay {
		/// For the same request: the stored answer may be given again.
		same_request: bool,
	},
	/// Do not serve.
	Rejected(Rejection),
	/// The channel has not been read from the chain since the start.
	NotSynced,
}

#[derive(Clone, Debug)]
struct Facts {
	info: ChannelInfo,
	/// The first block in which nothing can be settled any more, if a close was requested.
	closing: Option<BlockNumber>,
}

#[derive(Clone, Debug, Default)]
struct Channel {
	/// `None` until synced, and after the channel has ended.
	facts: Option<Facts>,
	/// The latest finalized block that is known to have the channel.
	seen: Option<BlockNumber>,
	ended: bool,
	lanes: BTreeMap<u32, Record>,
}

impl Channel {
	fn settled(&self, lane: u32) -> Balance {
		self.facts.as_ref().map_or(0, |facts| facts.info.lane_settled(lane))
	}

	/// What was accepted or settled on a lane, whichever is more.
	fn floor(&self, lane: u32) -> Balance {
		let accepted = self.lanes.get(&lane).map_or(0, |row| row.voucher.voucher.cumulative);
		accepted.max(self.settled(lane))
	}

	/// The sum of the floors of all lanes but one.
	fn others(&self, lane: u32) -> Option<Balance> {
		self.lanes
			.keys()
			.filter(|other| **other != lane)
			.try_fold(0, |sum: Balance, other| sum.checked_add(self.floor(*other)))
	}
}

/// A lane's claim that is not settled yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsettled {
	/// The claim to submit.
	pub item: Item,
	/// What it will pay, in units of the asset, before shares are taken.
	pub amount: Balance,
	/// The first block in which it can no longer be settled, if a close was requested.
	pub ends: Option<BlockNumber>,
	/// Last block in which the voucher is valid, 0 for no limit.
	pub valid_until: BlockNumber,
}

/// The payee's knowledge of all its channels.
#[derive(Clone, Debug)]
pub struct Machine {
	rules: Rules,
	domain: Domain,
	channels: HashMap<ChannelId, Channel>,
}

impl Machine {
	/// A machine that knows nothing yet.
	pub fn new(rules: Rules, domain: Domain) -> Self {
		Self { rules, domain, channels: HashMap::new() }
	}

	/// The rules in force.
	pub fn rules(&self) -> &Rules {
		&self.rules
	}

	/// Puts a stored record back, with the finalized block that [`Machine::seen`] gave when it was
	/// stored. The channel stays unsynced.
	pub fn restore(&mut self, record: Record, seen: Option<BlockNumber>) {
		let voucher = record.voucher.voucher;
		let channel = self.channels.entry(voucher.channel).or_default();
		channel.seen = channel.seen.max(seen);
		channel.lanes.insert(voucher.lane, record);
	}

	/// Takes over what the chain says of a channel: its state at the finalized block of number `at`,
	/// and at the best block for early warning.
	///
	/// What only rises on chain only rises here, so that a node that lags behind cannot lower a floor.
	/// A channel has ended once a later block than one that had it does not have it, also if that was
	/// before a restart.
	pub fn sync(
		&mut self,
		id: ChannelId,
		at: BlockNumber,
		finalized: Option<ChannelInfo>,
		best: Option<&ChannelInfo>,
	) {
		let Some(mut info) = finalized else {
			if let Some(channel) = self.channels.get_mut(&id) {
				if channel.seen.is_some_and(|seen| seen < at) {
					channel.facts = None;
					channel.ended = true;
				}
			}
			return;
		};
		let ends = |phase: Phase| match phase {
			Phase::Open => None,
			Phase::Closing { ends } => Some(ends),
		};
		// A channel that is gone from the best block has been closed a moment ago.
		let closing = match best {
			Some(best) => ends(best.phase).or(ends(info.phase)),
			None => Some(at),
		};
		let channel = self.channels.entry(id).or_default();
		channel.seen = channel.seen.max(Some(at));
		if let Some(before) = &channel.facts {
			info.settled = info.settled.max(before.info.settled);
			info.lane0 = info.lane0.max(before.info.lane0);
		}
		channel.facts = Some(Facts { info, closing });
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

	/// What was accepted on a lane.
	pub fn record(&self, at: &LaneKey) -> Option<&Record> {
		self.channels.get(&at.channel)?.lanes.get(&at.lane)
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
	/// `verified` before. It is checked again only if the channel names another key by now.
	pub fn assess_verified(
		&self,
		signed: &SignedVoucher,
		verified: Option<&Key>,
		price: Balance,
		request: &[u8; 32],
		now: BlockNumber,
	) -> Assessment {
		let (assessment, key) = match self.compare(signed, price, request, now) {
			Ok(Candidate::Unknown) => return Assessment::NotSynced,
			Ok(Candidate::Known(assessment, info)) => (assessment, info.key),
			Err(rejection) => return Assessment::Rejected(rejection),
		};
		if verified == Some(&key) || signed.verify(&key, &self.domain) {
			assessment
		} else {
			Assessment::Rejected(Rejection::BadSignature)
		}
	}

	/// Everything but the signature. An error is a rejection that anybody may be given; every other
	/// verdict depends on what was paid so far.
	fn compare(
		&self,
		signed: &SignedVoucher,
		price: Balance,
		request: &[u8; 32],
		now: BlockNumber,
	) -> Result<Candidate<'_>, Rejection> {
		let voucher = &signed.voucher;
		let Some(channel) = self.channels.get(&voucher.channel) else {
			return Ok(Candidate::Unknown);
		};
		if channel.ended {
			return Err(Rejection::UnknownChannel);
		}
		let Some(facts) = &channel.facts else { return Ok(Candidate::Unknown) };
		let info = &facts.info;
		if info.payee != self.rules.payee || info.asset != self.rules.asset {
			return Err(Rejection::NotOurs);
		}
		if voucher.lane >= u32::from(info.lanes) {
			return Err(Rejection::UnknownLane);
		}
		let row = channel.lanes.get(&voucher.lane);
		// An answer that was paid for is owed even when the channel is closing by now.
		if let Some(row) = row.filter(|row| row.voucher.voucher == *voucher) {
			let same_request = row.request == *request;
			return Ok(Candidate::Known(Assessment::Replay { same_request }, info));
		}
		let assessment = match self.next_record(channel, facts, signed, price, request, now) {
			Ok(record) => Assessment::Fresh(record),
			Err(rejection) => Assessment::Rejected(rejection),
		};
		Ok(Candidate::Known(assessment, info))
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
		let (voucher, info) = (&signed.voucher, &facts.info);
		if info.grace < self.rules.min_grace {
			return Err(Rejection::GraceTooShort { grace: info.grace, min: self.rules.min_grace });
		}
		if facts.closing.is_some() {
			return Err(Rejection::Closing);
		}
		let needed = now.checked_add(self.rules.settle_horizon).ok_or(Rejection::Overflow)?;
		if voucher.valid_until != 0 && voucher.valid_until < needed {
			return Err(Rejection::ExpiresTooSoon { needed });
		}
		let row = channel.lanes.get(&voucher.lane);
		let floor = channel.floor(voucher.lane);
		let required = floor.checked_add(price).ok_or(Rejection::Overflow)?;
		// Equality with the floor is never fresh, whatever the price.
		if voucher.cumulative < required || voucher.cumulative == floor {
			return Err(Rejection::Insufficient {
				required,
				shortfall: required.saturating_sub(voucher.cumulative),
				accepted: floor,
				last: row.map(|row| row.voucher),
			});
		}
		let total = channel
			.others(voucher.lane)
			.and_then(|others| others.checked_add(voucher.cumulative))
			.ok_or(Rejection::Overflow)?;
		if total > info.deposit {
			let shortfall = total.saturating_sub(info.deposit);
			return Err(Rejection::AboveDeposit { shortfall, deposit: info.deposit });
		}
		let (earned, count) = row.map_or((0, 0), |row| (row.earned, row.count));
		let earned = earned
			.max(channel.settled(voucher.lane))
			.checked_add(price)
			.ok_or(Rejection::Overflow)?;
		let count = count.saturating_add(1);
		Ok(Record { voucher: *signed, earned, request: *request, count })
	}

	/// Takes over a record that [`Machine::assess`] returned and that is durable now. Compare and
	/// set: returns `false`, and changes nothing, if the lane has moved on in the meantime.
	#[must_use]
	pub fn apply(&mut self, record: Record) -> bool {
		let voucher = record.voucher.voucher;
		let Some(channel) = self.channels.get_mut(&voucher.channel) else { return false };
		if channel.floor(voucher.lane) >= voucher.cumulative {
			return false;
		}
		channel.lanes.insert(voucher.lane, record);
		true
	}

	/// Raises what the chain has settled on a lane.
	pub fn note_settled(&mut self, at: &LaneKey, settled: Balance) {
		if let Some(facts) =
			self.channels.get_mut(&at.channel).and_then(|channel| channel.facts.as_mut())
		{
			if at.lane == 0 {
				facts.info.lane0 = facts.info.lane0.max(settled);
			}
			facts.info.settled = facts.info.settled.max(settled);
		}
	}

	/// Claims that are worth submitting, in the ascending order that a batch needs. Channels that
	/// were not synced are left out.
	pub fn unsettled(&self) -> Vec<Unsettled> {
		let mut out = Vec::new();
		for channel in self.channels.values() {
			let Some(facts) = &channel.facts else { continue };
			for (lane, row) in &channel.lanes {
				let amount = row.earned.saturating_sub(channel.settled(*lane));
				if amount > 0 {
					out.push(Unsettled {
						item: row.voucher.to_item(row.earned),
						amount,
						ends: facts.closing,
						valid_until: row.voucher.voucher.valid_until,
					});
				}
			}
		}
		out.sort_by_key(|claim| (claim.item.channel, claim.item.lane));
		out
	}

	/// The lanes of a channel on which something was accepted.
	pub fn lanes(&self, id: &ChannelId) -> Vec<LaneKey> {
		self.channels.get(id).map_or_else(Vec::new, |channel| {
			channel.lanes.keys().map(|lane| LaneKey { channel: *id, lane: *lane }).collect()
		})
	}

	/// Forgets a channel, with whatever was not settled.
	pub fn forget(&mut self, id: &ChannelId) {
		self.channels.remove(id);
	}

	/// How many channels have accepted vouchers, how many vouchers, and what they earned.
	pub fn sums(&self) -> (usize, u64, Balance) {
		self.channels.values().filter(|channel| !channel.lanes.is_empty()).fold(
			(0, 0, 0),
			|(channels, vouchers, earned): (usize, u64, Balance), channel| {
				let rows = channel.lanes.values();
				(
					channels.saturating_add(1),
					rows.clone().fold(vouchers, |sum, row| sum.saturating_add(row.count)),
					rows.fold(earned, |sum, row| sum.saturating_add(row.earned)),
				)
			},
		)
	}
}

/// A verdict that only a bad signature can still change, with the channel that names the key.
enum Candidate<'a> {
	Unknown,
	Known(Assessment, &'a ChannelInfo),
}

#[cfg(test)]
mod tests;
