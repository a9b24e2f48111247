//! The bytes that drive a run.

/// Reads decisions from bytes. When they are used up every answer is zero, so that any bytes are a whole
/// run, and a shorter run is the beginning of a longer one.
#[derive(Clone, Debug)]
pub struct Input<'a> {
	bytes: &'a [u8],
}

impl<'a> Input<'a> {
	/// Decisions from `bytes`.
	pub fn new(bytes: &'a [u8]) -> Self {
		Self { bytes }
	}

	/// Whether all bytes are used up.
	pub fn is_empty(&self) -> bool {
		self.bytes.is_empty()
	}

	/// The next byte.
	pub fn byte(&mut self) -> u8 {
		let Some((first, rest)) = self.bytes.split_first() else { return 0 };
		self.bytes = rest;
		*first
	}

	/// A number below `limit`, which is not zero.
	pub fn below(&mut self, limit: usize) -> usize {
		usize::from(self.byte()) % limit
	}

	/// True in `of_256` of 256 cases; false when the bytes are used up, unless it is always.
	pub fn chance(&mut self, of_256: u16) -> bool {
		u16::from(255 - self.byte()) < of_256 && (of_256 > 255 || !self.is_empty())
	}

	/// One of `choices`, of which there is at least one.
	pub fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
		choices[self.below(choices.len())].clone()
	}
}

/// How many bytes [`random`] gives: some two hundred steps.
const BYTES: usize = 900;

/// A run that follows from a seed, by SplitMix64, <https://prng.di.unimi.it/splitmix64.c>. Seeds that follow
/// each other go through the pairs of honest and cheating actors, and through the tempers.
pub fn random(seed: u64) -> Vec<u8> {
	let mut state = seed;
	let mut next = || {
		state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
		let mut z = state;
		z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
		z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
		z ^ (z >> 31)
	};
	let mut bytes: Vec<u8> = (0..BYTES.div_ceil(8)).flat_map(|_| next().to_le_bytes()).collect();
	bytes[0] = seed as u8;
	bytes
}
