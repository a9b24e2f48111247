//! Whether the node goes on: one that does not shows nobody's close.

use std::time::Duration;
use stoa_primitives::BlockNumber;
use tokio::time::Instant;

/// How often it is said again that the node stands still.
const REMIND: Duration = Duration::from_secs(60);

/// How the tower is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Health {
	/// The highest best block that was seen; `None` before the first pass.
	pub best: Option<BlockNumber>,
	/// For how long there has been no higher one, if that is too long: nothing is being watched.
	pub stalled: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Highest {
	number: BlockNumber,
	since: Instant,
	told: Option<Instant>,
}

/// Follows the best block.
#[derive(Debug)]
pub struct Progress {
	limit: Option<Duration>,
	highest: Option<Highest>,
}

impl Progress {
	/// A node whose best block rises more often than that; `None` for one that need not.
	pub fn new(limit: Option<Duration>) -> Self {
		Self { limit, highest: None }
	}

	/// The best block is `number`. Returns whether that has been so for too long. A lower one than before
	/// is no progress: the node has fallen back.
	pub fn see(&mut self, number: BlockNumber, now: Instant) -> Result<(), Stalled> {
		match &mut self.highest {
			Some(highest) if highest.number >= number => {},
			highest => {
				if highest.is_some_and(|highest| highest.told.is_some()) {
					tracing::info!(
						block = number,
						"the node goes on, and channels are watched again"
					);
				}
				*highest = Some(Highest { number, since: now, told: None });
			},
		}
		self.check(now)
	}

	/// The node does not answer, or did not rise: whether that has been so for too long.
	pub fn check(&mut self, now: Instant) -> Result<(), Stalled> {
		let health = self.health(now);
		let (Some(highest), Some(time)) = (&mut self.highest, health.stalled) else {
			return Ok(());
		};
		let number = highest.number;
		if highest.told.is_none_or(|told| now.saturating_duration_since(told) >= REMIND) {
			highest.told = Some(now);
			tracing::error!(
				block = number,
				seconds = time.as_secs(),
				"the node's best block does not rise: nobody's channels are being watched"
			);
		}
		Err(Stalled { number, time })
	}

	/// How the tower is.
	pub fn health(&self, now: Instant) -> Health {
		let Some(highest) = &self.highest else { return Health::default() };
		let time = now.saturating_duration_since(highest.since);
		let stalled = self.limit.is_some_and(|limit| time > limit).then_some(time);
		Health { best: Some(highest.number), stalled }
	}
}

/// The node's best block does not rise.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Stalled {
	/// The highest that was seen.
	pub number: BlockNumber,
	/// For how long.
	pub time: Duration,
}

#[cfg(test)]
mod tests {
	use super::*;

	fn after(start: Instant, seconds: u64) -> Instant {
		start.checked_add(Duration::from_secs(seconds)).unwrap()
	}

	#[test]
	fn a_best_block_that_does_not_rise_should_be_noticed_until_it_does() {
		let start = Instant::now();
		let mut progress = Progress::new(Some(Duration::from_secs(60)));
		assert_eq!(progress.health(start), Health::default());
		assert_eq!(progress.see(7, start), Ok(()));
		assert_eq!(progress.see(7, after(start, 60)), Ok(()));
		let time = Duration::from_secs(61);
		let stalled = Err(Stalled { number: 7, time });
		assert_eq!(progress.see(7, after(start, 61)), stalled);
		// Falling back is no progress.
		assert_eq!(progress.see(6, after(start, 61)), stalled);
		let health = Health { best: Some(7), stalled: Some(time) };
		assert_eq!(progress.health(after(start, 61)), health);
		// Nor is a node that does not answer.
		assert!(progress.check(after(start, 61)).is_err());
		assert_eq!(progress.see(8, after(start, 62)), Ok(()));
		assert_eq!(progress.health(after(start, 63)), Health { best: Some(8), stalled: None });
	}

	#[test]
	fn a_chain_that_makes_blocks_on_demand_may_stand_still() {
		let start = Instant::now();
		let mut progress = Progress::new(None);
		progress.see(7, start).unwrap();
		assert_eq!(progress.see(7, after(start, 1_000_000)), Ok(()));
	}
}
