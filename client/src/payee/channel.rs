//! One channel, as the payee knows it.

use super::{
	facts::Facts,
	rules::{Record, Rejection, Rules},
	ticks::{Pending, Session},
};
use std::collections::HashMap;
use stoa_primitives::{channel::MAX_LANES, tick::Tick, Balance, BlockNumber};

/// What is known of one lane.
#[derive(Clone, Debug, Default)]
pub(super) struct Lane {
	/// What was accepted, durably.
	pub record: Option<Record>,
	/// The commitment whose ticks are taken.
	pub session: Option<Session>,
	/// Ticks that were accepted and are not durable yet.
	pub pending: Option<Pending>,
	/// What a voucher allows that waits to be served and stored.
	pub held: Option<Balance>,
}

impl Lane {
	/// What was accepted, durable or not.
	pub(super) fn accepted(&self) -> Balance {
		match (&self.pending, &self.record) {
			// It was accepted on top of the record.
			(Some(pending), _) => pending.amount,
			(None, Some(row)) => row.proof.amount(),
			(None, None) => 0,
		}
	}

	/// What was earned and how many payments there were, durable or not.
	pub(super) fn earned(&self) -> (Balance, u64) {
		match (&self.pending, &self.record) {
			(Some(pending), _) => (pending.earned, pending.count),
			(None, Some(row)) => (row.earned, row.count),
			(None, None) => (0, 0),
		}
	}
}

/// The lanes of a channel that have ever been used, by number. Each is boxed, so that finding one among many
/// touches little memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Lanes(Vec<Option<Box<Lane>>>);

impl Lanes {
	fn place(lane: u32) -> Option<usize> {
		usize::try_from(lane).ok().filter(|place| *place < usize::from(MAX_LANES))
	}

	pub(super) fn get(&self, lane: u32) -> Option<&Lane> {
		self.0.get(Self::place(lane)?)?.as_deref()
	}

	pub(super) fn get_mut(&mut self, lane: u32) -> Option<&mut Lane> {
		self.0.get_mut(Self::place(lane)?)?.as_deref_mut()
	}

	/// The lane, as one that was never used unless it was; `None` when no channel has so many.
	pub(super) fn open(&mut self, lane: u32) -> Option<&mut Lane> {
		let place = Self::place(lane)?;
		if self.0.len() <= place {
			self.0.resize_with(place.saturating_add(1), || None);
		}
		Some(self.0.get_mut(place)?.get_or_insert_default())
	}

	/// In ascending order, each with its number.
	pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &Lane)> {
		(0u32..).zip(&self.0).filter_map(|(lane, state)| Some((lane, state.as_deref()?)))
	}

	/// In ascending order.
	pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut Lane> {
		self.0.iter_mut().filter_map(|state| state.as_deref_mut())
	}
}

#[derive(Clone, Debug, Default)]
pub(super) struct Channel {
	/// `None` until synced, and after the channel has ended.
	pub facts: Option<Facts>,
	/// The latest finalized block that is known to have the channel.
	pub seen: Option<BlockNumber>,
	pub ended: bool,
	/// Last block in which a close that was agreed to can be made.
	pub consent: Option<BlockNumber>,
	pub lanes: Lanes,
	/// The roots of commitments that have paid, and what tells their commitments apart.
	pub roots: HashMap<Tick, [u8; 32]>,
	/// What all lanes together have taken up of the deposit: of each its floor, or what it is held for.
	pub total: Balance,
	/// What `total` may rise to in the block that is named.
	pub limit: Option<(BlockNumber, Balance)>,
	/// Until when what is known is believed without a further read, by the driver's clock.
	pub trusted: u64,
}

impl Channel {
	pub(super) fn settled(&self, lane: u32) -> Balance {
		self.facts.as_ref().map_or(0, |facts| facts.info.settled_on(lane))
	}

	/// What was accepted or settled on a lane, whichever is more.
	pub(super) fn floor(&self, lane: u32) -> Balance {
		self.lanes.get(lane).map_or(0, |lane| lane.accepted()).max(self.settled(lane))
	}

	/// What a lane has taken up of the deposit: its floor, or what it is held for. Calls under way at the
	/// same time on other lanes must leave room for it.
	fn taken(&self, lane: u32) -> Balance {
		let held = self.lanes.get(lane).and_then(|lane| lane.held);
		self.floor(lane).max(held.unwrap_or(0))
	}

	/// Changes what decides how much a lane has taken up. The same as [`Channel::update`] after the
	/// change, without looking at the other lanes.
	pub(super) fn change_lane<T>(&mut self, lane: u32, change: impl FnOnce(&mut Self) -> T) -> T {
		let before = self.taken(lane);
		let out = change(self);
		self.total = self.total.saturating_sub(before).saturating_add(self.taken(lane));
		out
	}

	/// Brings what is derived up to date after a change. Floors are within the deposit, so their sum is.
	pub(super) fn update(&mut self) {
		let own = self.lanes.iter().map(|(lane, _)| self.taken(lane));
		let paid = self.facts.iter().flat_map(|facts| (0u32..).zip(&facts.info.lane_settled));
		let others =
			paid.filter(|(lane, _)| self.lanes.get(*lane).is_none()).map(|(_, paid)| *paid);
		self.total = own.chain(others).fold(0, Balance::saturating_add);
		self.limit = None;
		for session in self.lanes.values_mut().filter_map(|lane| lane.session.as_mut()) {
			session.good_at = None;
		}
	}

	/// Whether a lane may rise from its floor to `amount`.
	pub(super) fn room(
		&self,
		facts: &Facts,
		lane: u32,
		amount: Balance,
		now: BlockNumber,
	) -> Result<(), Rejection> {
		let others = self.total.saturating_sub(self.taken(lane));
		let total = others.checked_add(amount).ok_or(Rejection::Overflow)?;
		let deposit = facts.info.deposit;
		if total > deposit {
			let shortfall = total.saturating_sub(deposit);
			return Err(Rejection::AboveDeposit { shortfall, deposit });
		}
		let (unsettled, headroom) = (total.saturating_sub(facts.info.paid()), facts.headroom(now));
		if unsettled > headroom {
			let shortfall = unsettled.saturating_sub(headroom);
			return Err(Rejection::AboveCap { shortfall, headroom });
		}
		Ok(())
	}

	/// Whether anything may be accepted on a lane at `now`, with a proof that is valid until then.
	pub(super) fn open(
		&self,
		facts: &Facts,
		rules: &Rules,
		lane: u32,
		valid_until: BlockNumber,
		now: BlockNumber,
	) -> Result<(), Rejection> {
		let grace = facts.info.grace;
		if grace < rules.min_grace {
			return Err(Rejection::GraceTooShort { grace, min: rules.min_grace });
		}
		if facts.closing.is_some() {
			return Err(Rejection::Closing);
		}
		// A block after its last one must be final and have the channel: no other can come to light.
		if let Some(until) = self.consent.filter(|until| facts.at <= *until) {
			return Err(Rejection::Consented { until });
		}
		if let Some(from) = facts.revoked(lane) {
			return Err(Rejection::LaneRevoked { from });
		}
		let horizon = now.checked_add(rules.settle_horizon).ok_or(Rejection::Overflow)?;
		let needed = if rules.accept_expiring { horizon } else { BlockNumber::MAX };
		if valid_until != 0 && valid_until < needed {
			return Err(Rejection::ExpiresTooSoon { needed });
		}
		Ok(())
	}

	/// That a payment allows less than `required`, with what proves the floor.
	pub(super) fn insufficient(&self, lane: u32, required: Balance, amount: Balance) -> Rejection {
		let row = self.lanes.get(lane).and_then(|lane| lane.record.as_ref());
		Rejection::Insufficient {
			required,
			shortfall: required.saturating_sub(amount),
			accepted: self.floor(lane),
			last: row.map(|row| Box::new(row.proof)),
		}
	}
}
