//! What Stoa costs in time, next to others and to its budgets. `scripts/bench` runs it and writes
//! `docs/benchmarks.md`.
//!
//! | module | measures |
//! |---|---|
//! | [`vouchers`] | vouchers: signed, checked, accepted durably; next to bare signatures |
//! | [`ticks`] | ticks: checked, accepted durably; next to bare hashes |
//! | [`peers`] | other implementations, in their own language |
//! | [`settlement`] | settlement on a real node, next to transfers |
//!
//! What is compared is measured in turns, in one process on one core, and ratios are of medians: what
//! disturbs the machine disturbs both sides.

pub mod chain;
pub mod host;
pub mod peers;
pub mod report;
pub mod rounds;
pub mod settlement;
pub mod ticks;
pub mod vouchers;

use std::time::Duration;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
	/// How often each thing gets its turn.
	pub rounds: usize,
	/// How long a turn is.
	pub turn: Duration,
	/// How many vouchers are accepted in a turn.
	pub vouchers: usize,
	/// How many ticks are accepted in a turn.
	pub ticks: usize,
	/// How many blocks of each kind are made.
	pub blocks: usize,
}

impl Scale {
	/// For figures that are written down: below three minutes.
	pub fn full() -> Self {
		Self {
			rounds: 9,
			turn: Duration::from_millis(150),
			vouchers: 16_384,
			ticks: 524_288,
			blocks: 9,
		}
	}

	/// For a first look: below 20 seconds.
	pub fn quick() -> Self {
		Self {
			rounds: 3,
			turn: Duration::from_millis(50),
			vouchers: 4_096,
			ticks: 131_072,
			blocks: 1,
		}
	}
}
