//! Trading one issue for another.

use super::{concession, Moment, Proposal, Range, Shape, Strategy, ISSUES};
use crate::negotiation::terms::MILLION;
use stoa_primitives::money::mul_div_floor;

/// What each issue weighs, in parts per million that sum to one million.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Weights([u32; ISSUES]);

impl Weights {
	/// Weights of price, time and quality; `None` unless they sum to one million.
	pub fn new(price: u32, time: u32, quality: u32) -> Option<Self> {
		let sum = price.checked_add(time)?.checked_add(quality)?;
		(sum == MILLION).then_some(Self([price, time, quality]))
	}
}

/// Wants a utility, and does not mind which issue it comes from.
///
/// The utility of a proposal is `U = Σ wᵢ · vᵢ`, vᵢ being the way from limit (0) to aim (one million) that an issue
/// has gone in one's own favour: the additive form of Raiffa (*The Art and Science of Negotiation*, 1982) that
/// Faratin, Sierra and Jennings use. What is wanted falls from one million to [`Utility::reserve`] over time
/// ([`concession`]).
///
/// Offers are trade-offs: they begin with what the other side has offered last, brought within the limits, and ask for
/// more of the issue that weighs most, then of the next, until the utility is what is wanted. Among all offers of
/// that utility it is the one that takes the least from what the other side has asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Utility {
	/// From what to what.
	pub range: Range,
	/// What the issues weigh.
	pub weights: Weights,
	/// The least utility that is agreed to, in parts per million. At 0 everything within the limits is.
	pub reserve: u32,
	/// What the first offer gives in already, in parts per million.
	pub start: u32,
	/// How the rest is spread.
	pub shape: Shape,
}

impl Utility {
	/// Σ wᵢ · vᵢ in units of 10⁻¹².
	fn sum(&self, scores: &[u32; ISSUES]) -> u64 {
		let pairs = self.weights.0.iter().zip(scores);
		pairs.map(|(w, v)| u64::from(*w).saturating_mul(u64::from(*v))).sum()
	}

	/// The utility that is wanted at a time.
	fn target(&self, progress: u32) -> u32 {
		let rest = MILLION.saturating_sub(self.reserve);
		let conceded =
			mul_div_floor(rest.into(), concession(progress, self.start, self.shape), MILLION);
		MILLION.saturating_sub(u32::try_from(conceded).unwrap_or(rest))
	}

	/// Raises the scores, the weightiest first, until their utility is `target`. Returns which were raised.
	fn raise(&self, scores: &mut [u32; ISSUES], target: u32) -> [bool; ISSUES] {
		let mut raised = [false; ISSUES];
		let mut missing =
			u64::from(target).saturating_mul(MILLION.into()).saturating_sub(self.sum(scores));
		let mut rows: Vec<_> =
			self.weights.0.iter().zip(scores.iter_mut()).zip(raised.iter_mut()).collect();
		rows.sort_by_key(|((weight, _), _)| std::cmp::Reverse(**weight));
		for ((weight, score), raised) in rows {
			let weight = u64::from(*weight);
			// What follows weighs nothing, or nothing is missing.
			if weight == 0 || missing == 0 {
				break;
			}
			let room = u64::from(MILLION.saturating_sub(*score));
			let taken = missing.div_ceil(weight).min(room);
			if taken > 0 {
				*raised = true;
				*score = score.saturating_add(u32::try_from(taken).unwrap_or(MILLION));
				missing = missing.saturating_sub(taken.saturating_mul(weight));
			}
		}
		raised
	}
}

impl Strategy for Utility {
	fn range(&self) -> &Range {
		&self.range
	}

	fn propose(&self, moment: &Moment) -> Proposal {
		let target = self.target(moment.progress);
		let Some(theirs) = moment.theirs else {
			return self.range.at(MILLION.saturating_sub(target));
		};
		let base = self.range.clamp(theirs);
		let mut scores = self.range.scores(&base);
		let raised = self.raise(&mut scores, target);
		self.range.replace(&base, &scores, &raised)
	}

	fn value(&self, proposal: &Proposal) -> Option<u64> {
		let value = self.sum(&self.range.scores(proposal)).checked_div(MILLION.into())?;
		(self.range.admits(proposal) && value >= self.reserve.into()).then_some(value)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_primitives::agreement::Side;

	fn utility() -> Utility {
		let aim = Proposal { price: 100, time: 10, quality: 1_000_000 };
		let limit = Proposal { price: 200, time: 110, quality: 900_000 };
		Utility {
			range: Range::new(Side::Buyer, aim, limit).unwrap(),
			weights: Weights::new(600_000, 300_000, 100_000).unwrap(),
			reserve: 200_000,
			start: 0,
			shape: Shape::LINEAR,
		}
	}

	fn moment(progress: u32, theirs: Option<&Proposal>) -> Moment<'_> {
		Moment { progress, made: 0, theirs }
	}

	#[test]
	fn weights_should_sum_to_one_million() {
		assert!(Weights::new(MILLION, 0, 0).is_some());
		assert_eq!(Weights::new(MILLION, 1, 0), None);
		assert_eq!(Weights::new(u32::MAX, 1, 1), None);
	}

	#[test]
	fn values_should_be_weighted_sums_within_the_limits() {
		let utility = utility();
		let value = |price, time, quality| utility.value(&Proposal { price, time, quality });
		assert_eq!(value(100, 10, 1_000_000), Some(1_000_000));
		assert_eq!(value(50, 1, 1_000_000), Some(1_000_000));
		// Half of the price, a fifth of the time, all of the quality.
		assert_eq!(value(150, 90, 1_000_000), Some(300_000 + 60_000 + 100_000));
		// Beyond a limit, however good the rest is; and within, but of too little use.
		assert_eq!(value(201, 10, 1_000_000), None);
		assert_eq!(value(200, 80, 950_000), None);
		assert_eq!(value(200, 60, 950_000), Some(200_000));
	}

	#[test]
	fn a_first_offer_should_give_in_evenly() {
		let utility = utility();
		let offer = utility.propose(&moment(0, None));
		assert_eq!(&offer, utility.range.aim());
		let later = utility.propose(&moment(500_000, None));
		assert_eq!(later, Proposal { price: 140, time: 50, quality: 960_000 });
	}

	#[test]
	fn counter_offers_should_ask_for_what_weighs_most() {
		let utility = utility();
		let theirs = Proposal { price: 300, time: 60, quality: 900_000 };
		// Of use are 150,000 so far; 600,000 are wanted.
		let offer = utility.propose(&moment(500_000, Some(&theirs)));
		assert_eq!(offer, Proposal { price: 125, time: 60, quality: 900_000 });
		// 900,000 are wanted: all of the price, all of the time.
		let offer = utility.propose(&moment(125_000, Some(&theirs)));
		assert_eq!(offer, Proposal { price: 100, time: 10, quality: 900_000 });
	}

	#[test]
	fn an_offer_that_is_good_enough_should_come_back_within_the_limits() {
		let utility = Utility { reserve: 0, ..utility() };
		let theirs = Proposal { price: 250, time: 60, quality: 910_000 };
		let last = utility.propose(&moment(MILLION, Some(&theirs)));
		assert_eq!(last, Proposal { price: 200, ..theirs });
	}
}
