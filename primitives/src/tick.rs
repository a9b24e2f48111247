//! Hash chains: one hash for each payment after one signature (PayWord, Rivest and Shamir 1996).
//!
//! The payer draws a seed, hashes it `count` times and signs the last image, the root, in a
//! [`TickCommit`](crate::payload::TickCommit). Revealing the value whose `i`-fold image is the root,
//! the `i`-th tick, pays `i` units; nobody else can know it.
//!
//! ```text
//! hash(i, x) = blake2_256(0x54 ‖ prefix 16 ‖ i u32 ‖ x 32)        53 bytes, little-endian
//! tick(0)    = root,  tick(i − 1) = hash(i, tick(i)),  tick(count) = seed
//! ```
//!
//! Index and prefix are in each hash, so that a value cannot stand for another place or another chain,
//! and one search does not aim at many chains at once.

// Natively without the host function's tracing, which takes a tenth of the time.
#[cfg(feature = "std")]
use sp_crypto_hashing::blake2_256;
#[cfg(not(feature = "std"))]
use sp_io::hashing::blake2_256;

/// Most hashes that are walked on chain for one claim. A longer chain can be committed to, but what
/// lies beyond has to be replaced by a voucher, or a new chain, before it is claimed.
pub const MAX_TICKS: u32 = 1_024;

/// What makes a hash chain's values differ from those of any other.
pub type Prefix = [u8; 16];

/// A value of a hash chain.
pub type Tick = [u8; 32];

const MARK: u8 = 0x54;

/// What is hashed to get from `tick`, which is the one at `index`, to the value before it.
#[inline]
pub fn preimage(prefix: &Prefix, index: u32, tick: &Tick) -> [u8; 53] {
	let mut bytes = [0u8; 53];
	bytes[0] = MARK;
	bytes[1..17].copy_from_slice(prefix);
	bytes[17..21].copy_from_slice(&index.to_le_bytes());
	bytes[21..53].copy_from_slice(tick);
	bytes
}

/// The value before `tick`, which is the one at `index`.
pub fn hash(prefix: &Prefix, index: u32, tick: &Tick) -> Tick {
	blake2_256(&preimage(prefix, index, tick))
}

/// The value at `to` of the chain whose value at `from` is `tick`: `from − to` hashes. `tick` itself
/// unless `to` is smaller.
pub fn walk(prefix: &Prefix, from: u32, to: u32, mut tick: Tick) -> Tick {
	for index in (to..from).rev() {
		// No more than `from`.
		tick = hash(prefix, index.saturating_add(1), &tick);
	}
	tick
}

#[cfg(test)]
mod tests {
	use super::*;

	const PREFIX: Prefix = [9; 16];

	#[test]
	fn a_hash_should_be_of_53_bytes_in_the_documented_order() {
		let bytes = [&[0x54][..], &PREFIX, &[2, 1, 0, 0], &[7; 32]].concat();
		assert_eq!(bytes.len(), 53);
		assert_eq!(hash(&PREFIX, 0x102, &[7; 32]), blake2_256(&bytes));
	}

	#[test]
	fn walks_should_add_up() {
		let seed = [7; 32];
		let root = walk(&PREFIX, 10, 0, seed);
		for middle in 0..=10 {
			let tick = walk(&PREFIX, 10, middle, seed);
			assert_eq!(walk(&PREFIX, middle, 0, tick), root);
		}
		assert_eq!(walk(&PREFIX, 3, 3, seed), seed);
		assert_eq!(walk(&PREFIX, 0, 3, seed), seed);
		assert_eq!(walk(&PREFIX, 1, 0, seed), hash(&PREFIX, 1, &seed));
	}

	#[test]
	fn a_value_should_not_stand_for_another_place_or_chain() {
		let tick = [7; 32];
		assert_ne!(hash(&PREFIX, 1, &tick), hash(&PREFIX, 2, &tick));
		assert_ne!(hash(&PREFIX, 1, &tick), hash(&[8; 16], 1, &tick));
	}
}
