//! Concession by time.

use super::{power::power, Moment, Proposal, Range, Strategy};
use crate::negotiation::terms::MILLION;
use stoa_primitives::money::mul_div_floor;

/// How concessions are spread over time: the β of Faratin, Sierra and Jennings, as a fraction.
///
/// Below 1 a party gives in late (Boulware), above 1 early (conceder), at 1 evenly. Values beyond 1/100 and 100 count
/// as these.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
	/// Numerator of β.
	pub numerator: u32,
	/// Denominator of β.
	pub denominator: u32,
}

impl Shape {
	/// Holds out until late: β = 1/5.
	pub const BOULWARE: Self = Self { numerator: 1, denominator: 5 };
	/// Even steps: β = 1.
	pub const LINEAR: Self = Self { numerator: 1, denominator: 1 };
	/// Gives in soon: β = 5.
	pub const CONCEDER: Self = Self { numerator: 5, denominator: 1 };
}

/// Which part of all concessions is made at `progress`: `α(t) = κ + (1 − κ) · t^(1/β)`, all in parts per million.
///
/// The polynomial form of the time-dependent tactics in P. Faratin, C. Sierra, N. R. Jennings, *Negotiation decision
/// functions for autonomous agents*, Robotics and Autonomous Systems 24 (1998), §4.1. The power is that of
/// [`power`], with an error below 0.501 ppm; the rest is exact up to rounding down, so α is off by less than 2 ppm. At
/// the beginning it is κ and at the end one million, both exactly.
pub fn concession(progress: u32, start: u32, shape: Shape) -> u32 {
	let start = start.min(MILLION);
	let rest = MILLION.saturating_sub(start);
	let grown = power(progress, shape.denominator, shape.numerator);
	let part = mul_div_floor(rest.into(), grown, MILLION);
	start.saturating_add(u32::try_from(part).unwrap_or(rest))
}

/// Gives in with time, or with the number of offers made, whichever is further on.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TimeDependent {
	/// From what to what.
	pub range: Range,
	/// What the first offer gives in already, in parts per million of the way from aim to limit: κ.
	pub start: u32,
	/// How the rest is spread.
	pub shape: Shape,
}

impl Strategy for TimeDependent {
	fn range(&self) -> &Range {
		&self.range
	}

	fn propose(&self, moment: &Moment) -> Proposal {
		self.range.at(concession(moment.progress, self.start, self.shape))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn concessions_should_have_the_shape_that_is_asked_for() {
		let at = |shape| [0, 250_000, 500_000, 750_000, MILLION].map(|t| concession(t, 0, shape));
		assert_eq!(at(Shape::LINEAR), [0, 250_000, 500_000, 750_000, MILLION]);
		// t⁵ and the fifth root of t.
		assert_eq!(at(Shape::BOULWARE), [0, 977, 31_250, 237_305, MILLION]);
		assert_eq!(at(Shape::CONCEDER), [0, 757_858, 870_551, 944_088, MILLION]);
	}

	#[test]
	fn concessions_should_begin_with_kappa_and_end_with_everything() {
		for shape in [Shape::BOULWARE, Shape::LINEAR, Shape::CONCEDER] {
			for start in [0, 1, 300_000, MILLION] {
				assert_eq!(concession(0, start, shape), start);
				assert_eq!(concession(MILLION, start, shape), MILLION);
			}
		}
		assert_eq!(concession(500_000, 200_000, Shape::LINEAR), 600_000);
		assert_eq!(concession(1, u32::MAX, Shape::LINEAR), MILLION);
	}
}
