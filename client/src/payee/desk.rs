//! Taking ticks: accepted in memory in batches, made durable in groups.
//!
//! [`Payee::accept_ticks`] waits for nothing. What it accepts may be served once [`Payee::flush`] has
//! returned for its ticket, or at once within [`PayeeConfig::max_unflushed`](super::PayeeConfig). While
//! one flush runs the next batches gather, and one flush makes all of them durable. Under load a flush waits
//! for others that are on their way, so that the disk's work is shared by more ticks.

use super::{
	machine::Machine,
	millis,
	rows::{root_key, RootRow, Row},
	ticks::{TickFlush, TickPayment, TickVerdict},
	Payee, PayeeError, Rejection, MAX_FLUSHES,
};
use crate::{
	store::{patience, Table, Write},
	ticks::SignedCommit,
};
use std::{sync::atomic::Ordering, time::Duration};
use tokio::time::Instant;

/// What was made durable.
#[derive(Default)]
pub(super) struct Flushing {
	/// The batches up to this one.
	done: u64,
	/// When the last flush has ended, and how long it took.
	last: Option<(Instant, Duration)>,
}

/// A batch of ticks that were accepted.
#[derive(Clone, Copy, Debug)]
pub struct TickTicket {
	/// Which batch.
	batch: u64,
	/// How often ticks had been taken back before.
	taken_back: u64,
	/// Whether what it bought may be served before it is durable. [`Payee::flush`] is to be called all
	/// the same, soon.
	pub may_serve: bool,
}

impl Payee {
	/// Opens a commitment, whose ticks are taken from then on. Durable once its first tick is: after a
	/// restart, one that has not paid has to be opened again.
	///
	/// # Errors
	///
	/// [`PayeeError`].
	pub async fn open_ticks(
		&self,
		signed: &SignedCommit,
	) -> Result<Result<(), Rejection>, PayeeError> {
		let id = signed.commit.channel;
		self.refresh(&id, self.max_age(&id)).await?;
		let mut opened = self.try_open(signed).await?;
		if let Err(rejection) = &opened {
			if self.refresh_for(&id, rejection).await? {
				opened = self.try_open(signed).await?;
			}
		}
		Ok(opened)
	}

	async fn try_open(&self, signed: &SignedCommit) -> Result<Result<(), Rejection>, PayeeError> {
		let keys = match self.machine().signers(&signed.lane()) {
			Ok(Some(keys)) => keys,
			Ok(None) => return Ok(Err(Rejection::UnknownChannel)),
			Err(rejection) => return Ok(Err(rejection)),
		};
		// What was paid so far is told to nobody but the payer.
		let Some(key) = self.signer(&keys, &signed.commit, &signed.signature).await else {
			return Ok(Err(Rejection::BadSignature));
		};
		let opening = match self.machine().assess_commit(signed, self.best_block()) {
			Ok(Some(opening)) => opening,
			Ok(None) => return Ok(Err(Rejection::UnknownChannel)),
			Err(rejection) => return Ok(Err(rejection)),
		};
		for _ in 0..MAX_FLUSHES {
			match self.machine_mut().open_commit(&opening, &key, self.best_block()) {
				Ok(true) => return Ok(Ok(())),
				Ok(false) => {},
				Err(rejection) => return Ok(Err(rejection)),
			}
			self.flush_all().await?;
		}
		Err(PayeeError::Busy)
	}

	/// Accepts ticks in memory, in their order, and adds one verdict for each to `verdicts`. Only waits
	/// for the lock of the payee's records. Channels whose state has aged give
	/// [`TickVerdict::NotSynced`]: [`Payee::lookup`] reads them.
	///
	/// Ticks of one channel cost least when they follow each other.
	pub fn accept_ticks(
		&self,
		payments: &[TickPayment],
		verdicts: &mut Vec<TickVerdict>,
	) -> TickTicket {
		let clock = self.clock_at(Instant::now());
		let mut machine = self.machine_mut();
		machine.accept_ticks(payments, self.best_block(), clock, verdicts);
		let allowed = self.config().max_unflushed;
		let works = !self.0.disk_failed.load(Ordering::Relaxed);
		let may_serve = works && allowed > 0 && machine.unflushed() <= allowed;
		TickTicket { may_serve, ..self.next_batch(&machine) }
	}

	/// The ticket of a batch that was accepted just now, under the lock that is shown.
	pub(super) fn next_batch(&self, _: &Machine) -> TickTicket {
		let batch = self.0.batches.fetch_add(1, Ordering::Relaxed).saturating_add(1);
		let taken_back = self.0.taken_back.load(Ordering::Relaxed);
		TickTicket { batch, taken_back, may_serve: false }
	}

	/// Returns once the ticks of a batch are durable. Many batches share one flush.
	///
	/// # Errors
	///
	/// [`PayeeError::TakenBack`], [`PayeeError::Store`]; then nothing may be served for them.
	pub async fn flush(&self, ticket: &TickTicket) -> Result<(), PayeeError> {
		let mut flushing = self.0.flushing.lock().await;
		if flushing.done < ticket.batch {
			self.gather(&flushing).await;
		}
		let (flush, upto) = {
			let machine = self.machine();
			if self.0.taken_back.load(Ordering::Relaxed) != ticket.taken_back {
				return Err(PayeeError::TakenBack);
			}
			if flushing.done >= ticket.batch {
				return Ok(());
			}
			(machine.to_flush(), self.0.batches.load(Ordering::Relaxed))
		};
		let writes = self.writes(&flush);
		if !writes.is_empty() {
			let start = Instant::now();
			if let Err(error) = self.0.committer.commit(writes).await {
				let mut machine = self.machine_mut();
				machine.revert();
				self.0.disk_failed.store(true, Ordering::Relaxed);
				self.0.taken_back.fetch_add(1, Ordering::Relaxed);
				return Err(error.into());
			}
			self.machine_mut().flushed(flush);
			self.0.disk_failed.store(false, Ordering::Relaxed);
			flushing.last = Some((Instant::now(), start.elapsed()));
		}
		flushing.done = upto;
		Ok(())
	}

	/// Waits as long as each time that the tasks which are ready have run there are more ticks, and not
	/// longer than [`patience`] allows: not at all where nobody else pays.
	async fn gather(&self, flushing: &Flushing) {
		let Some((end, took)) = flushing.last else { return };
		let accepted = || self.0.batches.load(Ordering::Relaxed);
		while end.elapsed() < patience(took) {
			let before = accepted();
			tokio::task::yield_now().await;
			if accepted() == before {
				break;
			}
		}
	}

	/// Makes all ticks durable that were accepted so far.
	pub(super) async fn flush_all(&self) -> Result<(), PayeeError> {
		let ticket = {
			let _machine = self.machine();
			TickTicket {
				batch: self.0.batches.load(Ordering::Relaxed),
				taken_back: self.0.taken_back.load(Ordering::Relaxed),
				may_serve: false,
			}
		};
		self.flush(&ticket).await
	}

	/// Accepts ticks durably: reads channels that have aged, and returns once what was accepted may be
	/// served.
	///
	/// # Errors
	///
	/// [`PayeeError`]; then nothing may be served.
	pub async fn pay_ticks(
		&self,
		payments: &[TickPayment],
	) -> Result<Vec<TickVerdict>, PayeeError> {
		for run in payments.chunk_by(|a, b| a.at.channel == b.at.channel) {
			if let Some(first) = run.first() {
				self.lookup(&first.at.channel).await?;
			}
		}
		let mut verdicts = Vec::new();
		let ticket = self.accept_ticks(payments, &mut verdicts);
		self.flush(&ticket).await?;
		Ok(verdicts)
	}

	fn writes(&self, flush: &TickFlush) -> Vec<Write> {
		let machine = self.machine();
		let lanes = flush.records.iter().map(|record| {
			let at = record.proof.lane();
			let row = Row::V3 { record: record.clone(), seen: machine.seen(&at.channel) };
			Write::put(Table::Payee, &at.to_bytes(), &row)
		});
		let roots = flush.roots.iter().map(|(at, root, digest)| {
			Write::put(Table::Roots, &root_key(&at.channel, root), &RootRow::V1(*digest))
		});
		lanes.chain(roots).collect()
	}

	/// The driver's clock: milliseconds since the start.
	pub(super) fn clock_at(&self, at: Instant) -> u64 {
		millis(at.saturating_duration_since(self.0.started))
	}
}

#[cfg(test)]
mod tests;
