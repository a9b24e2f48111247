//! Calls that are paid by tick: checked, reserved, served and committed as those that are paid by voucher,
//! so that a call that comes to nothing costs the payer nothing.
//!
//! A commitment is opened with the first tick of it that is taken, not before: whoever shows an old one
//! changes nothing.

use super::{Judged, Lane, Session, TickPayment};
use crate::{
	allowance::Allowance,
	payee::{machine::Machine, Hold, Payee, PayeeError, Rejection, MAX_FLUSHES},
	ticks::{SignedCommit, SignedTicks},
	voucher::LaneKey,
};
use stoa_primitives::{
	keys::Key,
	tick::{hash, Tick},
	Balance, BlockNumber,
};
use tokio::sync::OwnedMutexGuard;

/// What a request shows to pay by tick.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TickClaim {
	/// The lane that pays.
	pub at: LaneKey,
	/// Which tick.
	pub index: u32,
	/// The value at that index.
	pub tick: Tick,
	/// The commitment that it belongs to; that of the last tick on the lane unless it is given.
	pub commit: Option<SignedCommit>,
}

/// The outcome of [`Payee::check_tick`].
#[derive(Clone, Debug)]
pub enum CheckedTick {
	/// The tick pays for a call, or has paid for one.
	Valid(VerifiedTick),
	/// Do not serve.
	Rejected(Rejection),
}

/// A tick that was good when it was checked. Nothing is accepted, opened or held by it.
#[derive(Clone, Debug)]
pub struct VerifiedTick {
	ticks: SignedTicks,
	/// Who has signed the commitment, if the tick is the first of it.
	key: Option<Key>,
}

impl VerifiedTick {
	/// The tick with its commitment.
	pub fn ticks(&self) -> &SignedTicks {
		&self.ticks
	}

	fn at(&self) -> LaneKey {
		self.ticks.signed.lane()
	}

	fn payment(&self, price: Balance, request: [u8; 32]) -> TickPayment {
		let SignedTicks { index, tick, .. } = self.ticks;
		TickPayment { at: self.at(), index, tick, price, request }
	}
}

/// What to do with a tick.
pub enum TickDecision {
	/// Serve, then commit. Dropping the reservation gives the lane free and bills nothing.
	Reserved(TickReservation),
	/// Accepted before: give the stored answer again if the request is the same, else refuse.
	Replay {
		/// Whether it was accepted for the same request.
		same_request: bool,
	},
	/// Do not serve.
	Rejected(Rejection),
}

impl Machine {
	/// The commitment that is open on a lane.
	fn open_on(&self, at: &LaneKey) -> Option<&SignedCommit> {
		let lane = self.channels.get(&at.channel)?.lanes.get(at.lane)?;
		lane.session.as_ref().map(|session| &session.signed)
	}

	/// What a tick does to its lane. Changes nothing. `None` when the channel has not been read.
	fn assess_tick(
		&self,
		verified: &VerifiedTick,
		payment: &TickPayment,
		now: BlockNumber,
	) -> Result<Option<Judged>, Rejection> {
		let (at, signed) = (payment.at, &verified.ticks.signed);
		let Some((channel, _)) = self.find(&at.channel, at.lane)? else { return Ok(None) };
		let none = Lane::default();
		let lane = channel.lanes.get(at.lane).unwrap_or(&none);
		let open = lane.session.as_ref().filter(|open| open.signed.commit == signed.commit);
		let fresh;
		let session = match (open, verified.key) {
			(Some(open), _) => open,
			(None, None) => return Err(Rejection::NoCommitment),
			(None, Some(key)) => {
				if self.assess_commit(signed, now)?.is_none() {
					return Ok(None);
				}
				fresh = Session::new(*signed, key, channel.is_known(signed, self));
				&fresh
			},
		};
		let limit = channel.limit_at(now);
		let image = hash(&session.signed.commit.prefix, payment.index, &payment.tick);
		channel.judge_tick(lane, session, payment, &image, &self.rules, now, limit).map(Some)
	}

	/// Takes over a tick whose lane is held for it, opens its commitment if need be, and gives the lane free.
	/// It was found good before, and what was served for it is owed, whatever has become of the channel.
	/// Returns `false`, and takes nothing, if the lane has moved on.
	fn take_held(
		&mut self,
		verified: &VerifiedTick,
		payment: &TickPayment,
		now: BlockNumber,
	) -> bool {
		let signed = &verified.ticks.signed;
		let Some(known) =
			self.channels.get(&payment.at.channel).map(|one| one.is_known(signed, self))
		else {
			return false;
		};
		let at = payment.at;
		let Some(channel) = self.channels.get_mut(&at.channel) else { return false };
		let taken = channel.change_lane(at.lane, |channel| {
			let settled = channel.settled(at.lane);
			let lane = channel.lanes.open(at.lane)?;
			lane.held = None;
			let fresh = match &lane.session {
				Some(open) if open.signed.commit == signed.commit => None,
				_ => Some(Session::new(*signed, verified.key?, known)),
			};
			let from = fresh.as_ref().or(lane.session.as_ref())?.index;
			let amount = signed.amount(payment.index)?;
			if lane.pending.is_some()
				|| payment.index <= from
				|| amount <= lane.accepted().max(settled)
			{
				return None;
			}
			let (earned, count) = lane.earned();
			let earned = earned.max(settled).checked_add(payment.price)?;
			if let Some(fresh) = fresh {
				lane.session = Some(fresh);
			}
			let session = lane.session.as_mut()?;
			(session.index, session.tick) = (payment.index, payment.tick);
			session.good_at = Some(now);
			let (count, request) = (count.saturating_add(1), payment.request);
			lane.pending = Some(super::Pending { amount, earned, count, request });
			Some(())
		});
		if taken.is_some() {
			self.dirty.push(at);
		}
		taken.is_some()
	}
}

impl Payee {
	/// Judges a tick that is to pay `price`, before it is known for what, and the commitment that comes
	/// with it. Holds and changes nothing.
	///
	/// Some rejections tell how much was paid, whoever asks: they are for the payer only, see
	/// [`Problem::of_tick`](crate::payment::Problem::of_tick).
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn check_tick(
		&self,
		claim: &TickClaim,
		price: Balance,
	) -> Result<CheckedTick, PayeeError> {
		let id = claim.at.channel;
		self.refresh(&id, self.max_age(&id)).await?;
		let checked = self.judge_claim(claim, price).await;
		let Err(rejection) = &checked else { return Ok(checked.into()) };
		if !self.refresh_for(&id, rejection).await? {
			return Ok(checked.into());
		}
		Ok(self.judge_claim(claim, price).await.into())
	}

	async fn judge_claim(
		&self,
		claim: &TickClaim,
		price: Balance,
	) -> Result<VerifiedTick, Rejection> {
		let TickClaim { at, index, tick, commit } = claim;
		let keys = self.machine().signers(at)?.ok_or(Rejection::UnknownChannel)?;
		let open = self.machine().open_on(at).copied();
		let fresh = commit.filter(|shown| open.is_none_or(|open| open.commit != shown.commit));
		let key = match &fresh {
			None => None,
			Some(shown) if shown.lane() != *at => return Err(Rejection::NoCommitment),
			Some(shown) => {
				// What was paid so far is told to nobody who has no commitment of the payer's.
				let key = self.signer(&keys, &shown.commit, &shown.signature).await;
				Some(key.ok_or(Rejection::BadSignature)?)
			},
		};
		let signed = fresh.or(open).ok_or(Rejection::NoCommitment)?;
		let ticks = SignedTicks { signed, index: *index, tick: *tick };
		let verified = VerifiedTick { ticks, key };
		let payment = verified.payment(price, [0; 32]);
		let judged = self.machine().assess_tick(&verified, &payment, self.best_block())?;
		judged.map(|_| verified).ok_or(Rejection::UnknownChannel)
	}

	/// Judges a checked tick again, now that it is to pay `price` for `request`. With
	/// [`TickDecision::Reserved`] the lane is held until the reservation is committed or dropped.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn reserve_tick(
		&self,
		verified: &VerifiedTick,
		price: Balance,
		request: [u8; 32],
	) -> Result<TickDecision, PayeeError> {
		let at = verified.at();
		// The request may have taken its time to arrive.
		self.refresh(&at.channel, self.max_age(&at.channel)).await?;
		let payment = verified.payment(price, request);
		let lane = self.turns().entry(at).or_default().clone();
		let turn = match lane.clone().try_lock_owned() {
			Ok(turn) => turn,
			Err(_) => {
				// Only a tick that is good as it stands may queue for the lane.
				match self.machine().assess_tick(verified, &payment, self.best_block()) {
					Ok(Some(Judged::Good(_) | Judged::Busy)) => {},
					other => return Ok(decided(other)),
				}
				tokio::time::timeout(self.config().lane_wait, lane.lock_owned())
					.await
					.map_err(|_| PayeeError::Busy)?
			},
		};
		for _ in 0..MAX_FLUSHES {
			match self.hold_tick(verified, &payment) {
				Ok(hold) => {
					let verified = verified.clone();
					let reservation = TickReservation { hold, verified, payment, turn };
					return Ok(TickDecision::Reserved(reservation));
				},
				Err(Some(other)) => return Ok(decided(other)),
				// Ticks that were taken without a reservation.
				Err(None) => self.flush_all().await?,
			}
		}
		Err(PayeeError::Busy)
	}

	/// Keeps the lane of a tick that is good. Nothing as an error means that the lane has ticks that are not
	/// durable.
	fn hold_tick(
		&self,
		verified: &VerifiedTick,
		payment: &TickPayment,
	) -> Result<Hold, Option<Result<Option<Judged>, Rejection>>> {
		let mut machine = self.machine_mut();
		match machine.assess_tick(verified, payment, self.best_block()) {
			Ok(Some(Judged::Good(step))) => match machine.hold(&payment.at, step.amount) {
				true => Ok(Hold { payee: self.clone(), at: payment.at }),
				false => Err(None),
			},
			Ok(Some(Judged::Busy)) => Err(None),
			other => Err(Some(other)),
		}
	}

	/// Takes over a tick whose lane is held for it, durably.
	async fn take(&self, verified: &VerifiedTick, payment: &TickPayment) -> Result<(), PayeeError> {
		let ticket = {
			let mut machine = self.machine_mut();
			if !machine.take_held(verified, payment, self.best_block()) {
				return Err(PayeeError::Superseded);
			}
			self.next_batch(&machine)
		};
		self.flush(&ticket).await
	}
}

impl From<Result<VerifiedTick, Rejection>> for CheckedTick {
	fn from(judged: Result<VerifiedTick, Rejection>) -> Self {
		match judged {
			Ok(verified) => Self::Valid(verified),
			Err(rejection) => Self::Rejected(rejection),
		}
	}
}

fn decided(judged: Result<Option<Judged>, Rejection>) -> TickDecision {
	match judged {
		Ok(Some(Judged::Replay { same_request })) => TickDecision::Replay { same_request },
		Err(rejection) => TickDecision::Rejected(rejection),
		// After a read, a channel that is still not synced does not exist.
		Ok(None | Some(Judged::Good(_) | Judged::Busy)) => {
			TickDecision::Rejected(Rejection::UnknownChannel)
		},
	}
}

/// A tick that is good, on a lane that waits for it.
pub struct TickReservation {
	hold: Hold,
	verified: VerifiedTick,
	payment: TickPayment,
	turn: OwnedMutexGuard<()>,
}

impl TickReservation {
	/// What is paid with.
	pub fn proof(&self) -> Allowance {
		self.verified.ticks.into()
	}

	/// Takes the tick over and makes it durable, together with others that are committed at the same time.
	/// Only after this may the answer leave.
	///
	/// Goes on even if the caller stops waiting: the disk and the memory of the payee never disagree.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then the answer must not leave.
	pub async fn commit(self) -> Result<(), PayeeError> {
		tokio::spawn(async move {
			let Self { hold, verified, payment, turn } = self;
			let outcome = hold.payee.take(&verified, &payment).await;
			drop(hold);
			drop(turn);
			outcome
		})
		.await
		.map_err(|_| PayeeError::Stopped)?
	}
}

#[cfg(test)]
mod tests;
