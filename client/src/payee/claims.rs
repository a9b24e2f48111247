//! What the payee has earned and not been paid: how much of it the chain pays now, and until when.

use super::{
	channel::Channel,
	facts::{earlier, Facts},
	machine::Machine,
	rules::Record,
	Payee,
};
use crate::voucher::LaneKey;
use stoa_primitives::{channel::Item, Balance, BlockNumber};

/// A lane's claim that is not settled yet.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unsettled {
	/// The claim to submit.
	pub item: Item,
	/// What it will pay, in units of the asset, before shares are taken.
	pub amount: Balance,
	/// The first block in which it can no longer be settled, or no longer as quickly: a close was
	/// requested, the lane revoked, the key replaced, or the cap is to be tightened.
	pub ends: Option<BlockNumber>,
	/// Last block in which the proof is valid, 0 for no limit.
	pub valid_until: BlockNumber,
}

/// What was earned on channels that have ended since the start, and was not settled as far as is known.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Losses {
	/// In units of the asset. Whoever else settles in the last moment, a tower for example, makes it less.
	pub units: Balance,
	/// Channels that had ended before they were read for the first time since the start: how much of what
	/// was earned on them was settled is not known.
	pub unread: u64,
}

impl Losses {
	/// Takes note that a channel is there no more.
	pub(super) fn note(&mut self, channel: &Channel) {
		// What was agreed to is paid by the close itself.
		if channel.consent.is_some() {
			return;
		}
		if channel.facts.is_some() {
			let owed = channel.owed().map(|(_, _, amount)| amount);
			self.units = owed.fold(self.units, Balance::saturating_add);
		} else if channel.lanes.iter().any(|(_, lane)| lane.record.is_some()) {
			self.unread = self.unread.saturating_add(1);
		}
	}
}

impl Channel {
	/// What each lane has earned and not been paid, in ascending order of lanes.
	pub(super) fn owed(&self) -> impl Iterator<Item = (u32, &Record, Balance)> {
		let rows =
			self.lanes.iter().filter_map(|(lane, state)| Some((lane, state.record.as_ref()?)));
		rows.map(|(lane, row)| (lane, row, row.earned.saturating_sub(self.settled(lane))))
			.filter(|(_, _, amount)| *amount > 0)
	}

	/// The claims of one channel, each at most what `left` has left for all of them. Those that are lost
	/// first come first.
	fn claims(&self, facts: &Facts, now: BlockNumber, mut left: Balance, out: &mut Vec<Unsettled>) {
		let all = self.owed().fold(0, |sum: Balance, (_, _, amount)| sum.saturating_add(amount));
		let tightens = facts.tightens(all, now);
		let mut claims: Vec<_> = self
			.owed()
			.map(|(lane, row, amount)| {
				// What no key of the channel has signed is lost already.
				let key = row.key.as_ref().and_then(|key| facts.key_end(key)).unwrap_or(Some(0));
				let ends = [facts.closing, facts.revoked(lane), key].into_iter();
				(ends.fold(tightens, earlier), lane, row, amount)
			})
			.collect();
		claims.sort_by_key(|(ends, lane, ..)| (ends.unwrap_or(BlockNumber::MAX), *lane));
		for (ends, lane, row, owed) in claims {
			// It takes nothing from the others.
			let lost = ends.is_some_and(|ends| ends <= now);
			let amount = if lost { owed } else { owed.min(left) };
			if !lost {
				left = left.saturating_sub(amount);
			}
			if amount > 0 {
				let item = row.proof.to_item(self.settled(lane).saturating_add(amount));
				let valid_until = row.proof.valid_until();
				out.push(Unsettled { item, amount, ends, valid_until });
			}
		}
	}
}

impl Machine {
	fn collect(&self, now: BlockNumber, limit: impl Fn(&Facts) -> Balance) -> Vec<Unsettled> {
		let mut out = Vec::new();
		for channel in self.channels.values() {
			if let Some(facts) = &channel.facts {
				channel.claims(facts, now, limit(facts), &mut out);
			}
		}
		out.sort_by_key(|claim| (claim.item.channel, claim.item.lane));
		out
	}

	/// All claims, in the ascending order that a batch needs. Channels that were not synced are left
	/// out.
	pub fn unsettled(&self, now: BlockNumber) -> Vec<Unsettled> {
		self.collect(now, |_| Balance::MAX)
	}

	/// As [`Machine::unsettled`], but no more of each channel than its velocity cap lets the block after
	/// `now` pay.
	pub fn payable(&self, now: BlockNumber) -> Vec<Unsettled> {
		self.collect(now, |facts| facts.capturable(now))
	}

	/// What was lost on channels that have ended since the start.
	pub fn lost(&self) -> Losses {
		self.lost
	}

	/// What a lane has paid by the best block, of which a part may not be final yet; `None` if the best
	/// block does not have the channel.
	pub fn pending_settled(&self, at: &LaneKey) -> Option<Balance> {
		self.channels.get(&at.channel)?.facts.as_ref()?.pending_settled(at.lane)
	}

	/// How many channels have accepted payments, how many payments, and what they earned.
	pub fn sums(&self) -> (usize, u64, Balance) {
		let mut sums = (0usize, 0u64, 0 as Balance);
		for channel in self.channels.values() {
			let mut rows =
				channel.lanes.iter().filter_map(|(_, lane)| lane.record.as_ref()).peekable();
			if rows.peek().is_some() {
				sums.0 = sums.0.saturating_add(1);
			}
			for row in rows {
				sums.1 = sums.1.saturating_add(row.count);
				sums.2 = sums.2.saturating_add(row.earned);
			}
		}
		sums
	}
}

impl Payee {
	/// What a lane has paid by the best block, as it was last read, of which a part may not be final yet;
	/// `None` if that block does not have the channel. Nothing of it counts as settled before it is final.
	pub fn pending_settled(&self, at: &LaneKey) -> Option<Balance> {
		self.machine().pending_settled(at)
	}
}
