//! Ticks: one hash for each payment, after one signature.
//!
//! A payer opens a commitment on a lane; its signature is checked then. Each tick that follows must lead
//! to the last one by as many hashes as it is further along, and is judged by what it allows, as a voucher
//! is. The two mix: a voucher may be accepted between two ticks, and the next tick must then allow more
//! than it.
//!
//! The base of a commitment may be above what was accepted, since a payer counts what it has signed, also
//! if it never arrived; what is earned are prices only. It may not be below: such a payer has lost its
//! records and is shown its highest proof. It may be below what was settled, when it is the payee that has
//! lost its records.
//!
//! Ticks are accepted in memory and become durable in groups. What is not durable is told apart, so that
//! it can be taken back: see [`Machine::flushed`] and [`Machine::revert`].

mod calls;

pub use calls::{CheckedTick, TickClaim, TickDecision, TickReservation, VerifiedTick};

use super::{
	channel::{Channel, Lane},
	machine::Machine,
	rules::{Record, Rejection, Rules},
};
use crate::{
	allowance::Allowance,
	ticks::{images, SignedCommit, SignedTicks, GROUP},
	voucher::LaneKey,
};
use stoa_primitives::{
	channel::ChannelId,
	keys::Key,
	tick::{preimage, walk, Tick},
	Balance, BlockNumber,
};

/// How much further along the hash chain than its price explains a tick may be: what a stranger can make
/// the payee hash for nothing costs as much as checking one signature.
pub const MAX_AHEAD: u32 = 256;

/// How many commitments of one channel are remembered, so that none is used twice.
pub const MAX_COMMITMENTS: usize = 65_536;

/// A tick that is to pay for a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct TickPayment {
	/// The lane that pays.
	pub at: LaneKey,
	/// Which tick.
	pub index: u32,
	/// The value at that index.
	pub tick: Tick,
	/// What it is to pay, in units of the channel's asset.
	pub price: Balance,
	/// What it buys, as the caller identifies requests.
	pub request: [u8; 32],
}

/// What to do with a tick.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum TickVerdict {
	/// It pays. Not durable yet.
	Fresh,
	/// This very tick was accepted before.
	Replay {
		/// For the same request: the stored answer may be given again.
		same_request: bool,
	},
	/// Do not serve.
	Rejected(Box<Rejection>),
	/// A voucher is being served on this lane.
	Busy,
	/// The channel has to be read from the chain first.
	NotSynced,
}

/// A commitment whose ticks are taken.
#[derive(Clone, Debug)]
pub(super) struct Session {
	signed: SignedCommit,
	key: Key,
	/// The latest tick that was accepted, durable or not; the root at 0.
	index: u32,
	tick: Tick,
	/// The latest one that is durable.
	durable: (u32, Tick),
	/// Whether the commitment is among the channel's roots.
	known: bool,
	/// The block in which it was found that the lane can be used.
	pub good_at: Option<BlockNumber>,
}

impl Session {
	fn new(signed: SignedCommit, key: Key, known: bool) -> Self {
		let tick = signed.commit.root;
		Self { signed, key, index: 0, tick, durable: (0, tick), known, good_at: None }
	}

	/// The session in which a stored tick was accepted.
	pub(super) fn resumed(ticks: &SignedTicks, key: Key) -> Self {
		let SignedTicks { signed, index, tick } = *ticks;
		Self { signed, key, index, tick, durable: (index, tick), known: true, good_at: None }
	}
}

/// Ticks of one session that are accepted and not durable.
#[derive(Clone, Debug)]
pub(super) struct Pending {
	/// What the last of them allows.
	pub amount: Balance,
	pub earned: Balance,
	pub count: u64,
	request: [u8; 32],
}

/// What has to be written so that ticks are durable.
#[derive(Clone, Debug, Default)]
pub struct TickFlush {
	/// The records of the lanes.
	pub records: Vec<Record>,
	/// The commitments that are used for the first time: lane, root, and what tells the commitment apart.
	pub roots: Vec<(LaneKey, Tick, [u8; 32])>,
}

/// What a good tick makes of its lane.
#[derive(Clone, Copy, Debug)]
struct Step {
	/// What is allowed.
	amount: Balance,
	/// What of it is earned.
	earned: Balance,
	/// How many payments there were.
	count: u64,
	/// What all lanes of the channel have taken up.
	total: Balance,
}

/// What a tick does to its lane.
#[derive(Clone, Copy, Debug)]
enum Judged {
	Good(Step),
	Replay {
		same_request: bool,
	},
	/// A call is being served on the lane.
	Busy,
}

/// A commitment that is good if a key of the channel has signed it.
#[derive(Clone, Debug)]
pub struct Opening {
	signed: SignedCommit,
}

impl Machine {
	/// The keys that sign for a channel of ours that has the lane, the current one first; `None` when it
	/// has not been read.
	///
	/// # Errors
	///
	/// [`Rejection`].
	pub fn signers(&self, at: &LaneKey) -> Result<Option<Vec<Key>>, Rejection> {
		let found = self.find(&at.channel, at.lane)?;
		Ok(found.map(|(_, facts)| facts.keys().copied().collect()))
	}

	/// Judges a commitment but for its signature, which is to be checked before: the verdict tells what
	/// was paid so far. `None` when the channel has not been read.
	///
	/// # Errors
	///
	/// [`Rejection`].
	pub fn assess_commit(
		&self,
		signed: &SignedCommit,
		now: BlockNumber,
	) -> Result<Option<Opening>, Rejection> {
		let at = signed.lane();
		let Some((channel, facts)) = self.find(&at.channel, at.lane)? else { return Ok(None) };
		let commit = &signed.commit;
		channel.open(facts, &self.rules, at.lane, commit.valid_until, now)?;
		if commit.value == 0 || commit.count == 0 {
			return Err(Rejection::WorthlessCommitment);
		}
		signed.amount(signed.last()).ok_or(Rejection::Overflow)?;
		let opening = Opening { signed: *signed };
		if channel.is_known(signed, self) {
			// It goes on where it was.
			return Ok(Some(opening));
		}
		// Not below what the chain has paid: a payee whose disk was put back finds that there, and the payer
		// goes on with its commitment. Each tick has to allow more than it all the same.
		let accepted = channel.lanes.get(at.lane).map_or(0, |lane| lane.accepted());
		if commit.base < accepted {
			return Err(channel.insufficient(at.lane, accepted, commit.base));
		}
		if channel.uses_root(signed) {
			return Err(Rejection::RootReused);
		}
		if channel.roots.len() >= MAX_COMMITMENTS {
			return Err(Rejection::TooManyCommitments);
		}
		channel.room(facts, at.lane, signed.amount(1).ok_or(Rejection::Overflow)?, now)?;
		Ok(Some(opening))
	}

	/// Opens a commitment that `key` was found to have signed. Returns `false` when the lane has ticks
	/// of another one that are not durable yet.
	///
	/// # Errors
	///
	/// [`Rejection`]: the key is not, or not for long enough, one of the channel's; or what
	/// [`Machine::assess_commit`] says by now.
	pub fn open_commit(
		&mut self,
		opening: &Opening,
		key: &Key,
		now: BlockNumber,
	) -> Result<bool, Rejection> {
		let signed = &opening.signed;
		if self.assess_commit(signed, now)?.is_none() {
			return Ok(false);
		}
		let at = signed.lane();
		let Some((channel, facts)) = self.find(&at.channel, at.lane)? else { return Ok(false) };
		facts.check_key(key, now, self.rules.settle_horizon)?;
		let known = channel.is_known(signed, self);
		let Some(channel) = self.channels.get_mut(&at.channel) else { return Ok(false) };
		let Some(lane) = channel.lanes.open(at.lane) else { return Ok(false) };
		if lane.session.as_ref().is_some_and(|session| session.signed.commit == signed.commit) {
			return Ok(true);
		}
		if lane.pending.is_some() {
			return Ok(false);
		}
		lane.session = Some(Session::new(*signed, *key, known));
		Ok(true)
	}

	/// Accepts ticks in memory, in their order, and adds one verdict for each. Consecutive ticks of one
	/// channel are cheapest. `clock` is the driver's time, against [`Machine::trust`].
	pub fn accept_ticks(
		&mut self,
		payments: &[TickPayment],
		now: BlockNumber,
		clock: u64,
		verdicts: &mut Vec<TickVerdict>,
	) {
		verdicts.reserve(payments.len());
		for run in payments.chunk_by(|a, b| a.at.channel == b.at.channel) {
			let channel = run.first().and_then(|first| self.channels.get_mut(&first.at.channel));
			let Some(channel) = channel.filter(|channel| channel.trusted > clock) else {
				verdicts.extend(run.iter().map(|_| TickVerdict::NotSynced));
				continue;
			};
			for group in run.chunks(GROUP) {
				let images = channel.images(group);
				for (payment, image) in group.iter().zip(&images) {
					verdicts.push(match channel.accept_tick(payment, image, &self.rules, now) {
						Ok((verdict, dirty)) => {
							if dirty {
								self.dirty.push(payment.at);
							}
							verdict
						},
						Err(rejection) => TickVerdict::Rejected(Box::new(rejection)),
					});
				}
			}
		}
	}

	/// Says until when, by the driver's clock, what is known of a channel suffices to accept ticks on it.
	pub fn trust(&mut self, id: &ChannelId, until: u64) {
		if let Some(channel) = self.channels.get_mut(id) {
			channel.trusted = until;
		}
	}

	/// Whether ticks are accepted on a lane that are not durable.
	pub fn is_dirty(&self, at: &LaneKey) -> bool {
		let lane = self.channels.get(&at.channel).and_then(|channel| channel.lanes.get(at.lane));
		lane.is_some_and(|lane| lane.pending.is_some())
	}

	/// What of all ticks that are not durable is not earned durably: the exposure of a payee that serves
	/// before it flushes.
	pub fn unflushed(&self) -> Balance {
		self.dirty.iter().fold(0, |sum: Balance, at| {
			let lane = self.channels.get(&at.channel).and_then(|one| one.lanes.get(at.lane));
			let durable = |lane: &Lane| lane.record.as_ref().map_or(0, |row| row.earned);
			let more = lane.map_or(0, |lane| lane.earned().0.saturating_sub(durable(lane)));
			sum.saturating_add(more)
		})
	}

	/// What has to be written so that all ticks accepted so far are durable.
	pub fn to_flush(&self) -> TickFlush {
		let mut flush = TickFlush::default();
		for at in &self.dirty {
			let lane = self.channels.get(&at.channel).and_then(|one| one.lanes.get(at.lane));
			let Some((session, pending)) =
				lane.and_then(|lane| Some((lane.session.as_ref()?, lane.pending.as_ref()?)))
			else {
				continue;
			};
			let Session { signed, key, index, tick, .. } = *session;
			flush.records.push(Record {
				proof: SignedTicks { signed, index, tick }.into(),
				key: Some(key),
				earned: pending.earned,
				request: pending.request,
				count: pending.count,
			});
			if !session.known {
				flush.roots.push((*at, signed.commit.root, signed.digest(&self.domain)));
			}
		}
		flush
	}

	/// What [`Machine::to_flush`] returned is durable now.
	pub fn flushed(&mut self, flush: TickFlush) {
		for (at, root, digest) in flush.roots {
			if let Some(channel) = self.channels.get_mut(&at.channel) {
				channel.roots.insert(root, digest);
			}
		}
		for record in flush.records {
			let at = record.proof.lane();
			let Some(channel) = self.channels.get_mut(&at.channel) else { continue };
			let Some(lane) = channel.lanes.get_mut(at.lane) else { continue };
			if let Allowance::Ticks(ticks) = &record.proof {
				if let Some(session) = &mut lane.session {
					session.durable = (ticks.index, ticks.tick);
					session.known = true;
				}
			}
			// More may have come meanwhile.
			let amount = record.proof.amount();
			if lane.pending.as_ref().is_some_and(|pending| pending.amount <= amount) {
				lane.pending = None;
			}
			lane.record = Some(record);
		}
		let channels = &self.channels;
		self.dirty.retain(|at| {
			let lane = channels.get(&at.channel).and_then(|one| one.lanes.get(at.lane));
			lane.is_some_and(|lane| lane.pending.is_some())
		});
	}

	/// Takes back all ticks that are not durable: the disk has failed.
	pub fn revert(&mut self) {
		for at in std::mem::take(&mut self.dirty) {
			let Some(channel) = self.channels.get_mut(&at.channel) else { continue };
			if let Some(lane) = channel.lanes.get_mut(at.lane) {
				lane.pending = None;
				if let Some(session) = &mut lane.session {
					(session.index, session.tick) = session.durable;
				}
			}
			channel.update();
		}
	}

	/// Puts back that a root was used on a channel, in the commitment that `digest` tells apart.
	pub fn restore_root(&mut self, id: ChannelId, root: Tick, digest: [u8; 32]) {
		self.channels.entry(id).or_default().roots.insert(root, digest);
	}

	/// The roots that were used on a channel.
	pub fn roots(&self, id: &ChannelId) -> Vec<Tick> {
		self.channels.get(id).map_or_else(Vec::new, |one| one.roots.keys().copied().collect())
	}
}

impl Channel {
	/// Whether this very commitment has paid before.
	fn is_known(&self, signed: &SignedCommit, machine: &Machine) -> bool {
		self.roots.get(&signed.commit.root) == Some(&signed.digest(&machine.domain))
	}

	/// Whether another commitment has this root.
	fn uses_root(&self, signed: &SignedCommit) -> bool {
		let root = &signed.commit.root;
		self.roots.contains_key(root)
			|| self.lanes.iter().filter_map(|(_, lane)| lane.session.as_ref()).any(|session| {
				session.signed.commit.root == *root && session.signed.commit != signed.commit
			})
	}

	/// What the sum of all floors may rise to.
	fn limit(&mut self, now: BlockNumber) -> Balance {
		match self.limit {
			Some((block, limit)) if block == now => limit,
			_ => {
				let limit = self.limit_at(now);
				self.limit = self.facts.is_some().then_some((now, limit));
				limit
			},
		}
	}

	/// As [`Channel::limit`], computed anew.
	fn limit_at(&self, now: BlockNumber) -> Balance {
		self.facts.as_ref().map_or(0, |facts| {
			let capped = facts.info.paid().saturating_add(facts.headroom(now));
			facts.info.deposit.min(capped)
		})
	}

	/// Whether the lane of a session can be used, with its key, at `now`.
	fn usable(&self, session: &Session, rules: &Rules, now: BlockNumber) -> Result<(), Rejection> {
		let Some(facts) = self.facts.as_ref().filter(|_| !self.ended) else {
			return Err(Rejection::UnknownChannel);
		};
		let commit = &session.signed.commit;
		self.open(facts, rules, commit.lane, commit.valid_until, now)?;
		facts.check_key(&session.key, now, rules.settle_horizon)
	}

	/// The value before each of up to [`GROUP`] ticks, whether they are good or not.
	fn images(&self, payments: &[TickPayment]) -> [Tick; GROUP] {
		let mut preimages = [[0; 53]; GROUP];
		for (bytes, payment) in preimages.iter_mut().zip(payments) {
			let session = self.lanes.get(payment.at.lane).and_then(|lane| lane.session.as_ref());
			if let Some(session) = session {
				*bytes = preimage(&session.signed.commit.prefix, payment.index, &payment.tick);
			}
		}
		images(&preimages)
	}

	/// Accepts one tick, whose value hashes to `image`. The second part of the verdict is whether the lane has
	/// become dirty.
	fn accept_tick(
		&mut self,
		payment: &TickPayment,
		image: &Tick,
		rules: &Rules,
		now: BlockNumber,
	) -> Result<(TickVerdict, bool), Rejection> {
		let limit = self.limit(now);
		let lane = self.lanes.get(payment.at.lane).ok_or(Rejection::NoCommitment)?;
		let session = lane.session.as_ref().ok_or(Rejection::NoCommitment)?;
		match self.judge_tick(lane, session, payment, image, rules, now, limit)? {
			Judged::Good(step) => Ok((TickVerdict::Fresh, self.take_tick(payment, step, now)?)),
			Judged::Replay { same_request } => Ok((TickVerdict::Replay { same_request }, false)),
			Judged::Busy => Ok((TickVerdict::Busy, false)),
		}
	}

	/// What a tick of `session`, whose value hashes to `image`, does to its lane. `limit` is that of
	/// [`Channel::limit`].
	#[inline]
	fn judge_tick(
		&self,
		lane: &Lane,
		session: &Session,
		payment: &TickPayment,
		image: &Tick,
		rules: &Rules,
		now: BlockNumber,
		limit: Balance,
	) -> Result<Judged, Rejection> {
		let lane_id = payment.at.lane;
		let settled = self.settled(lane_id);
		let accepted = lane.accepted();
		let (earned, count) = lane.earned();
		let TickPayment { index, tick, price, request, .. } = *payment;
		let floor = accepted.max(settled);
		let signed = &session.signed;
		// Fits: the largest was computed when the commitment was opened.
		let amount = signed.amount(index).ok_or(Rejection::Overflow)?;
		if index <= session.index {
			if index == session.index && tick == session.tick && amount == accepted {
				let last = match (&lane.pending, &lane.record) {
					(Some(pending), _) => Some(pending.request),
					(None, record) => record.as_ref().map(|row| row.request),
				};
				let same_request = last == Some(request);
				return Ok(Judged::Replay { same_request });
			}
			let required = floor.checked_add(price).ok_or(Rejection::Overflow)?;
			return Err(self.insufficient(lane_id, required, amount));
		}
		let last = signed.last();
		if index > last {
			return Err(Rejection::TickOutOfRange { last });
		}
		let required = floor.checked_add(price).ok_or(Rejection::Overflow)?;
		if index.saturating_sub(session.index) > MAX_AHEAD {
			let needed = signed.index_for(required).unwrap_or(0).max(session.index);
			let last = needed.saturating_add(MAX_AHEAD).min(last);
			if index > last {
				return Err(Rejection::TickTooFar { last });
			}
		}
		// `index` is above the session's, so at least 1.
		let before = index.saturating_sub(1);
		if walk(&signed.commit.prefix, before, session.index, *image) != session.tick {
			return Err(Rejection::BadTick);
		}
		if lane.held.is_some() {
			return Ok(Judged::Busy);
		}
		let total =
			self.total.saturating_sub(floor).checked_add(amount).ok_or(Rejection::Overflow)?;
		let good = session.good_at == Some(now);
		if !good || amount < required || amount == floor || total > limit {
			// Rare: say why, in the order of vouchers.
			self.usable(session, rules, now)?;
			if amount < required || amount == floor {
				return Err(self.insufficient(lane_id, required, amount));
			}
			if let Some(facts) = &self.facts {
				self.room(facts, lane_id, amount, now)?;
			}
		}
		let earned = earned.max(settled).checked_add(price).ok_or(Rejection::Overflow)?;
		let count = count.saturating_add(1);
		Ok(Judged::Good(Step { amount, earned, count, total }))
	}

	/// Takes over a good tick of the session that is open. Returns whether the lane has become dirty.
	#[inline]
	fn take_tick(
		&mut self,
		payment: &TickPayment,
		step: Step,
		now: BlockNumber,
	) -> Result<bool, Rejection> {
		let TickPayment { at, index, tick, request, .. } = *payment;
		let Step { amount, earned, count, total } = step;
		let lane = self.lanes.get_mut(at.lane).ok_or(Rejection::NoCommitment)?;
		let session = lane.session.as_mut().ok_or(Rejection::NoCommitment)?;
		(session.index, session.tick, session.good_at) = (index, tick, Some(now));
		let dirty = lane.pending.is_none();
		lane.pending = Some(Pending { amount, earned, count, request });
		self.total = total;
		Ok(dirty)
	}
}

#[cfg(test)]
mod tests;
