//! A fixed number of runs. `scripts/fuzz consistency` goes on from there without end.

use std::panic::{catch_unwind, AssertUnwindSafe};
use stoa_consistency::{input, run};

/// How many runs.
const RUNS: u64 = 800;

/// `STOA_SEED=17` runs one seed, `STOA_SEEDS=1000-2000` a range of them.
fn seeds() -> std::ops::Range<u64> {
	let number = |text: &str| text.trim().parse().expect("a number");
	if let Ok(seed) = std::env::var("STOA_SEED") {
		let seed = number(&seed);
		return seed..seed + 1;
	}
	match std::env::var("STOA_SEEDS") {
		Ok(range) => {
			let (from, to) = range.split_once('-').expect("two numbers and a hyphen");
			number(from)..number(to)
		},
		Err(_) => 0..RUNS,
	}
}

#[test]
fn no_bound_should_be_broken() {
	for seed in seeds() {
		let bytes = input::random(seed);
		let outcome = catch_unwind(AssertUnwindSafe(|| run(&bytes)));
		assert!(outcome.is_ok(), "run it alone with STOA_SEED={seed}");
	}
}
