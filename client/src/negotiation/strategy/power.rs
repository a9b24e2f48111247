//! Powers of numbers between 0 and 1, in integers.

use crate::negotiation::terms::MILLION;

/// Bits behind the point of numbers, and of logarithms.
const NUMBER: u32 = 62;
const LOG: u32 = 48;

const ONE: u128 = 1 << NUMBER;

/// `2^(−2^−k)` for k from 1 on: square roots of one half, of that, and so on.
// The compiler computes it, and would refuse a place that is not there.
#[allow(clippy::indexing_slicing)]
const ROOTS: [u128; LOG as usize] = {
	let mut roots = [0u128; LOG as usize];
	let mut square = ONE << (NUMBER - 1);
	let mut at = 0;
	while at < roots.len() {
		roots[at] = square.isqrt();
		square = roots[at] << NUMBER;
		at += 1;
	}
	roots
};

/// The largest exponent of [`power`], and the inverse of the smallest.
pub const MAX_EXPONENT: u32 = 100;

/// `base^(numerator / denominator)`, base and result in parts per million.
///
/// A base above one million counts as one million; the exponent is brought between 1/[`MAX_EXPONENT`] and
/// [`MAX_EXPONENT`], a denominator of 0 to the largest.
///
/// Computed as `2^(exponent · log₂ base)`. The logarithm comes bit by bit from repeated squaring, the power of two
/// from the product of the roots `2^(−2^−k)`; both are truncated to 48 bits behind the point. With an exponent of at
/// most 100 the truncation moves the result by less than 10⁻⁶ ppm, so that **the result is the exact one rounded to
/// the nearest ppm, or off by one ppm where the exact one is within 10⁻⁶ ppm of a half**: an error below 0.501 ppm.
pub fn power(base: u32, numerator: u32, denominator: u32) -> u32 {
	if base == 0 || base >= MILLION {
		return base.min(MILLION);
	}
	let (numerator, denominator) = clamp(numerator, denominator);
	let scaled = minus_log2(base).saturating_mul(numerator.into());
	let exponent = scaled.checked_div(denominator.into()).unwrap_or(u128::MAX);
	let (whole, part) = (exponent >> LOG, exponent & ((1 << LOG) - 1));
	// Beyond, the result is below half a millionth.
	let Some(shift) = u32::try_from(whole).ok().filter(|shift| *shift < 32) else { return 0 };
	let mut number = ONE;
	for (place, root) in ROOTS.iter().enumerate() {
		// The first root stands for the highest bit behind the point.
		let bit = u32::try_from(place).ok().and_then(|at| (LOG - 1).checked_sub(at));
		if bit.is_some_and(|bit| (part >> bit) & 1 == 1) {
			number = number.saturating_mul(*root) >> NUMBER;
		}
	}
	let parts = (number >> shift).saturating_mul(MILLION.into());
	u32::try_from(parts.saturating_add(ONE >> 1) >> NUMBER).unwrap_or(MILLION).min(MILLION)
}

fn clamp(numerator: u32, denominator: u32) -> (u32, u32) {
	let (n, d) = (u64::from(numerator), u64::from(denominator));
	let most = u64::from(MAX_EXPONENT);
	if n >= d.saturating_mul(most) {
		(MAX_EXPONENT, 1)
	} else if n.saturating_mul(most) <= d {
		(1, MAX_EXPONENT)
	} else {
		(numerator, denominator)
	}
}

/// `−log₂(base / 10⁶)` for a base from 1 to 10⁶ − 1, with [`LOG`] bits behind the point.
fn minus_log2(base: u32) -> u128 {
	let (base, million) = (u128::from(base), u128::from(MILLION));
	// Doubled until it is between one and two millions.
	let mut doublings = 0u32;
	while base << doublings < million && doublings < 20 {
		doublings = doublings.saturating_add(1);
	}
	let mut number = (base << (NUMBER + doublings)).checked_div(million).unwrap_or(ONE);
	let mut log = 0u128;
	for _ in 0..LOG {
		log <<= 1;
		// Below 2⁶³ squared, that fits.
		number = number.saturating_mul(number) >> NUMBER;
		if number >= ONE << 1 {
			number >>= 1;
			log |= 1;
		}
	}
	(u128::from(doublings) << LOG).saturating_sub(log)
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn exact(base: u32, numerator: u32, denominator: u32) -> f64 {
		let million = f64::from(MILLION);
		(f64::from(base) / million).powf(f64::from(numerator) / f64::from(denominator)) * million
	}

	#[test]
	fn powers_that_are_known_should_be_exact() {
		for base in [0, 1, 2, 499_999, 500_000, 999_999, MILLION] {
			assert_eq!(power(base, 1, 1), base);
			assert_eq!(power(base, 7, 7), base);
		}
		assert_eq!(power(500_000, 2, 1), 250_000);
		assert_eq!(power(250_000, 1, 2), 500_000);
		assert_eq!(power(1, 1, 2), 1_000);
		assert_eq!(power(1, 1, 3), 10_000);
		assert_eq!(power(1_000, 2, 1), 1);
		assert_eq!(power(500_000, 21, 1), 0);
		assert_eq!(power(2_000_000, 3, 1), MILLION);
	}

	#[test]
	fn exponents_should_be_kept_in_bounds() {
		assert_eq!(power(900_000, 1, 0), power(900_000, MAX_EXPONENT, 1));
		assert_eq!(power(900_000, u32::MAX, 1), power(900_000, MAX_EXPONENT, 1));
		assert_eq!(power(900_000, 0, 1), power(900_000, 1, MAX_EXPONENT));
		assert_eq!(power(900_000, 1, u32::MAX), power(900_000, 1, MAX_EXPONENT));
	}

	proptest! {
		#![proptest_config(ProptestConfig::with_cases(2_000))]

		#[test]
		fn errors_should_stay_below_what_is_stated(
			base in 1..MILLION, numerator in 1u32..10_000, denominator in 1u32..10_000,
		) {
			let (n, d) = clamp(numerator, denominator);
			let error = (f64::from(power(base, numerator, denominator)) - exact(base, n, d)).abs();
			prop_assert!(error < 0.501, "{}", error);
		}

		#[test]
		fn powers_should_rise_with_the_base_and_fall_with_the_exponent(
			base in 1..MILLION - 1, n in 1u32..100, d in 1u32..100,
		) {
			prop_assert!(power(base, n, d) <= power(base + 1, n, d));
			prop_assert!(power(base, n + 1, d) <= power(base, n, d));
		}
	}
}
