//! Backups that could not be taken in full, to be tried again: the chain could not be read, or did not
//! have the channel yet.

use crate::{
	door::{is_open, Door, DoorError},
	tower::Tower,
};
use sp_statement_store::Statement;
use std::{collections::BTreeMap, time::Duration};
use stoa_primitives::AccountId;
use tokio::time::Instant;

/// How long to wait before the first further try. Each one after it waits twice as long as the one before.
const PAUSE: Duration = Duration::from_secs(6);

/// Further tries: the last is made after twelve minutes and a half.
const TRIES: u32 = 7;

/// Statements of one signer, and bytes of all.
const PER_SIGNER: usize = 8;
const BYTES: usize = 4 * 1024 * 1024;

/// Whose list, and which slot of it: a later statement takes the place of an earlier one.
type Slot = (AccountId, Option<[u8; 32]>);

#[derive(Debug)]
struct Waiting {
	statement: Statement,
	bytes: usize,
	tries: u32,
	due: Instant,
}

/// Statements that wait. What there is no room for is given up: who feeds a tower reads everything again
/// from time to time.
#[derive(Debug, Default)]
pub struct Later {
	waiting: BTreeMap<Slot, Waiting>,
	bytes: usize,
}

impl Later {
	/// Nothing waits.
	pub fn new() -> Self {
		Self::default()
	}

	/// Takes a statement that has just come, of which there is nobody to tell the outcome. What of it may be
	/// taken later waits for another try, in place of what waited in the same slot.
	pub async fn take(&mut self, statement: Statement, door: &Door, tower: &Tower) {
		self.replace(&statement);
		self.bring(statement, 0, door, tower).await;
	}

	/// Takes the statements whose turn it is.
	pub async fn take_due(&mut self, door: &Door, tower: &Tower) {
		for (statement, tries) in self.due(Instant::now()) {
			self.bring(statement, tries, door, tower).await;
		}
	}

	async fn bring(&mut self, statement: Statement, tries: u32, door: &Door, tower: &Tower) {
		let brought = door.bring_statement(tower, &statement).await;
		let open = is_open(&brought);
		match brought {
			Ok(outcomes) => tracing::debug!(?outcomes, "a backup came from the statement store"),
			Err(DoorError::Tower(error)) => tracing::warn!(%error, "a backup was not kept"),
			Err(error) => tracing::debug!(%error, "a statement was turned away"),
		}
		if open {
			self.put(statement, tries, Instant::now());
		}
	}

	/// Keeps a statement for another try, which is the first one if `tries` is 0.
	fn put(&mut self, statement: Statement, tries: u32, now: Instant) {
		let Some(signer) = statement.account_id().map(AccountId::new) else { return };
		let at = (signer, statement.channel());
		self.remove(&at);
		let bytes = statement.data_len();
		let own = self.waiting.keys().filter(|(signer, _)| *signer == at.0).count();
		let full = own >= PER_SIGNER || self.bytes.saturating_add(bytes) > BYTES;
		let due = now.checked_add(PAUSE.saturating_mul(1 << tries.min(TRIES)));
		let Some(due) = due.filter(|_| tries < TRIES && !full) else { return };
		self.bytes = self.bytes.saturating_add(bytes);
		let tries = tries.saturating_add(1);
		self.waiting.insert(at, Waiting { statement, bytes, tries, due });
	}

	/// Forgets what waits in the slot of a statement: this one takes its place.
	fn replace(&mut self, statement: &Statement) {
		if let Some(signer) = statement.account_id().map(AccountId::new) {
			self.remove(&(signer, statement.channel()));
		}
	}

	/// The statements whose turn it is, and how often each was tried again with this time. They do not
	/// wait any more.
	fn due(&mut self, now: Instant) -> Vec<(Statement, u32)> {
		let due: Vec<_> = self
			.waiting
			.iter()
			.filter(|(_, waiting)| waiting.due <= now)
			.map(|(at, _)| at.clone())
			.collect();
		due.iter()
			.filter_map(|at| self.remove(at))
			.map(|waiting| (waiting.statement, waiting.tries))
			.collect()
	}

	fn remove(&mut self, at: &Slot) -> Option<Waiting> {
		let waiting = self.waiting.remove(at)?;
		self.bytes = self.bytes.saturating_sub(waiting.bytes);
		Some(waiting)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_core::{ed25519, Pair};

	fn statement(signer: u8, slot: u8, length: usize) -> Statement {
		let mut statement = Statement::new();
		statement.set_channel([slot; 32]);
		statement.set_plain_data(vec![0; length]);
		statement.sign_ed25519_private(&ed25519::Pair::from_seed(&[signer; 32]));
		statement
	}

	fn after(start: Instant, seconds: u64) -> Instant {
		start.checked_add(Duration::from_secs(seconds)).unwrap()
	}

	#[test]
	fn statements_should_be_tried_again_ever_more_rarely_and_then_given_up() {
		let start = Instant::now();
		let mut later = Later::new();
		let one = statement(1, 1, 10);
		let (mut at, mut tries) = (0, 0);
		for round in 0..TRIES {
			later.put(one.clone(), tries, after(start, at));
			assert!(later.due(after(start, at + 6 * (1 << round) - 1)).is_empty());
			at += 6 * (1 << round);
			let due = later.due(after(start, at));
			assert_eq!(due, [(one.clone(), round + 1)]);
			tries = round + 1;
		}
		later.put(one, tries, after(start, at));
		assert!(later.waiting.is_empty() && later.bytes == 0);
	}

	#[test]
	fn a_later_statement_should_take_the_place_of_an_earlier_one() {
		let start = Instant::now();
		let mut later = Later::new();
		later.put(statement(1, 1, 10), 0, start);
		later.put(statement(1, 1, 20), 0, start);
		later.put(statement(1, 2, 30), 0, start);
		assert_eq!((later.waiting.len(), later.bytes), (2, 50));
		later.replace(&statement(1, 1, 5));
		let due = later.due(after(start, 6));
		assert_eq!(due.len(), 1);
		assert_eq!(due[0].0.data_len(), 30);
	}

	#[test]
	fn what_waits_should_be_bounded_for_each_signer_and_in_all() {
		let start = Instant::now();
		let mut later = Later::new();
		for slot in 0..100 {
			later.put(statement(1, slot, 10), 0, start);
		}
		assert_eq!(later.waiting.len(), PER_SIGNER);
		for signer in 2..100 {
			later.put(statement(signer, 0, 256 * 1024), 0, start);
		}
		assert!(later.bytes <= BYTES && later.waiting.len() < 30);
	}
}
