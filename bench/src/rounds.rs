//! Measuring in turns.

use crate::Scale;
use std::{
	hint::black_box,
	time::{Duration, Instant},
};

/// Something that is done again and again.
pub struct Case<'a> {
	/// What it is called in the report.
	pub name: &'static str,
	/// Does it and says how often.
	run: Box<dyn FnMut() -> usize + 'a>,
}

impl<'a> Case<'a> {
	/// `run` is done once at a time, on one input after the other.
	pub fn new<T, R>(
		name: &'static str,
		inputs: &'a [T],
		mut run: impl FnMut(&T) -> R + 'a,
	) -> Self {
		let run = move || {
			for input in inputs {
				black_box(run(black_box(input)));
			}
			inputs.len()
		};
		Self { name, run: Box::new(run) }
	}

	/// `run` does many at once and says how many.
	pub fn many(name: &'static str, run: impl FnMut() -> usize + 'a) -> Self {
		Self { name, run: Box::new(run) }
	}

	/// Seconds that one takes in a turn of this length.
	fn turn(&mut self, length: Duration) -> f64 {
		let (start, mut count) = (Instant::now(), 0);
		while start.elapsed() < length {
			count += (self.run)();
		}
		start.elapsed().as_secs_f64() / count as f64
	}
}

/// What one of each takes, in seconds: the median over all rounds, in each of which every case has a
/// turn.
pub fn measure<const N: usize>(scale: &Scale, mut cases: [Case; N]) -> [f64; N] {
	let mut times = [(); N].map(|()| Vec::new());
	for case in &mut cases {
		// Caches and allocators warm up.
		case.turn(scale.turn / 4);
	}
	for _ in 0..scale.rounds {
		for (case, times) in cases.iter_mut().zip(&mut times) {
			times.push(case.turn(scale.turn));
		}
	}
	times.map(median)
}

/// What something takes that happens once in a while, and what a case takes that has a turn before each
/// time: the medians, in seconds.
pub fn beside(scale: &Scale, mut case: Case, times: impl Iterator<Item = f64>) -> (f64, f64) {
	let mut cases = Vec::new();
	let mut others = Vec::new();
	let mut times = times;
	loop {
		cases.push(case.turn(scale.turn));
		let Some(time) = times.next() else { break };
		others.push(time);
	}
	(median(others), median(cases))
}

/// The value in the middle.
///
/// # Panics
///
/// When there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
	values.sort_by(f64::total_cmp);
	let middle = values.len() / 2;
	if values.len() % 2 == 1 {
		values[middle]
	} else {
		(values[middle - 1] + values[middle]) / 2.0
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_median_should_not_heed_outliers() {
		assert_eq!(median(vec![1.0, 100.0, 2.0]), 2.0);
		assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), 3.0);
		assert_eq!(median(vec![5.0]), 5.0);
	}

	#[test]
	fn a_case_that_does_more_should_take_longer() {
		let scale = Scale { rounds: 3, turn: Duration::from_millis(5), ..Scale::quick() };
		let bytes = vec![7u8; 4_096];
		let hash = |times: usize| {
			let bytes = &bytes;
			Case::many("hash", move || {
				for _ in 0..times {
					black_box(sp_crypto_hashing::blake2_256(bytes));
				}
				1
			})
		};
		let [once, often] = measure(&scale, [hash(1), hash(20)]);
		assert!(often > 5.0 * once, "{once} {often}");
	}
}
