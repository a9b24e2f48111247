//! Changes inputs a little, always in the same way for the same seed: what the test command tries beside
//! the corpus.

/// SplitMix64: numbers without any pattern that matters here.
pub struct Numbers(u64);

impl Numbers {
	/// The numbers of a seed.
	pub fn new(seed: u64) -> Self {
		Self(seed)
	}

	/// The next number.
	pub fn draw(&mut self) -> u64 {
		self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
		let mut z = self.0;
		z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
		z ^ (z >> 31)
	}

	/// A number below `end`; 0 if that is 0.
	pub fn below(&mut self, end: usize) -> usize {
		let end = u64::try_from(end.max(1)).unwrap_or(u64::MAX);
		usize::try_from(self.draw() % end).unwrap_or_default()
	}
}

/// Values at which code changes its mind.
const EDGES: [u8; 8] = [0, 1, 0x7F, 0x80, 0xFF, b'"', b'9', 0x40];

/// Longest input that is made.
const MAX_LEN: usize = 4 * 1024;

/// One of the inputs, changed in one to four places.
pub fn mutate(numbers: &mut Numbers, corpus: &[Vec<u8>]) -> Vec<u8> {
	let pick = |numbers: &mut Numbers| {
		let place = numbers.below(corpus.len());
		corpus.get(place).cloned().unwrap_or_default()
	};
	let mut input = pick(numbers);
	for _ in 0..=numbers.below(4) {
		let at = numbers.below(input.len());
		match numbers.below(7) {
			0 => change(&mut input, at, |byte| *byte ^= 1 << (at % 8)),
			1 => {
				let edge = EDGES[numbers.below(EDGES.len())];
				change(&mut input, at, |byte| *byte = edge);
			},
			2 => {
				let any = numbers.draw().to_le_bytes()[0];
				change(&mut input, at, |byte| *byte = any);
			},
			3 => input.truncate(at),
			4 => drop(input.drain(at..(at + 1 + numbers.below(8)).min(input.len()))),
			5 => {
				let piece = numbers.draw().to_le_bytes();
				let length = 1 + numbers.below(piece.len());
				input.splice(at..at, piece.into_iter().take(length));
			},
			// The end of another one.
			_ => {
				let other = pick(numbers);
				let from = numbers.below(other.len());
				input.truncate(at);
				input.extend(other.into_iter().skip(from));
			},
		}
	}
	input.truncate(MAX_LEN);
	input
}

fn change(input: &mut [u8], at: usize, how: impl FnOnce(&mut u8)) {
	if let Some(byte) = input.get_mut(at) {
		how(byte);
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn changes_should_be_the_same_for_the_same_seed() {
		let corpus = [b"some input".to_vec(), vec![], vec![9; 5_000]];
		let inputs = |seed| {
			let mut numbers = Numbers::new(seed);
			(0..500).map(|_| mutate(&mut numbers, &corpus)).collect::<Vec<_>>()
		};
		assert_eq!(inputs(1), inputs(1));
		assert_ne!(inputs(1), inputs(2));
		assert!(inputs(1).iter().all(|input| input.len() <= MAX_LEN));
	}
}
