//! What to offer, and what to take.
//!
//! Three issues are negotiated: the total price, the time until the last delivery, and the level of service
//! ([`Proposal`]). A [`Strategy`] knows what it aims at and what it agrees to at worst, its reservation
//! ([`Range`]), and says what to offer at a moment. [`FixedRule`], [`TimeDependent`] and [`Utility`] are such
//! strategies.
//!
//! All arithmetic is in integers. What is rounded is rounded in one's own favour, by at most one unit of the asset.

mod fixed;
mod power;
mod time;
mod utility;

pub use self::{
	fixed::FixedRule,
	power::{power, MAX_EXPONENT},
	time::{concession, Shape, TimeDependent},
	utility::{Utility, Weights},
};

use super::terms::MILLION;
use std::fmt::Debug;
use stoa_primitives::{agreement::Side, money::mul_div_floor, Balance, BlockNumber};

/// How many issues are negotiated.
const ISSUES: usize = 3;

/// What is negotiated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Proposal {
	/// What all milestones cost together, in units of the asset.
	pub price: Balance,
	/// How long after the commit the last milestone can be delivered, in blocks.
	pub time: BlockNumber,
	/// The level of service, [`Terms::quality`](super::Terms::quality): parts per million.
	pub quality: u32,
}

impl Proposal {
	fn issues(&self) -> [Balance; ISSUES] {
		[self.price, self.time.into(), self.quality.into()]
	}

	fn of([price, time, quality]: [Balance; ISSUES]) -> Self {
		let small = |value| u32::try_from(value).unwrap_or(u32::MAX);
		Self { price, time: small(time), quality: small(quality) }
	}
}

/// Why a [`Range`] is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RangeError {
	/// The limit is better than the aim.
	#[error("the limit of the {0} is better than the aim")]
	Inverted(&'static str),
	/// A price is 0.
	#[error("a price of 0 cannot be agreed to")]
	ZeroPrice,
	/// A time is 0.
	#[error("a time of 0 cannot be agreed to")]
	ZeroTime,
	/// A level of service is above one million.
	#[error("a level of service is above one million parts per million")]
	Quality,
}

/// From the best that a side hopes for to the worst that it agrees to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Range {
	side: Side,
	aim: Proposal,
	limit: Proposal,
}

impl Range {
	/// A range of `side`: a buyer wants a low price, a short time and a high level of service, a seller the
	/// opposite. An issue whose aim is its limit is not negotiated.
	///
	/// # Errors
	///
	/// [`RangeError`].
	pub fn new(side: Side, aim: Proposal, limit: Proposal) -> Result<Self, RangeError> {
		if aim.price == 0 || limit.price == 0 {
			return Err(RangeError::ZeroPrice);
		}
		if aim.time == 0 || limit.time == 0 {
			return Err(RangeError::ZeroTime);
		}
		if aim.quality > MILLION || limit.quality > MILLION {
			return Err(RangeError::Quality);
		}
		let range = Self { side, aim, limit };
		let names = ["price", "time", "level of service"];
		let issues = range.rows().into_iter().zip(names);
		for ((aim, limit, low), name) in issues {
			if better(limit, aim, low) {
				return Err(RangeError::Inverted(name));
			}
		}
		Ok(range)
	}

	/// Whose range it is.
	pub fn side(&self) -> Side {
		self.side
	}

	/// What is hoped for.
	pub fn aim(&self) -> &Proposal {
		&self.aim
	}

	/// The reservation: what is agreed to at worst.
	pub fn limit(&self) -> &Proposal {
		&self.limit
	}

	/// Aim and limit of each issue, and whether less is better.
	fn rows(&self) -> [(Balance, Balance, bool); ISSUES] {
		let buys = self.side == Side::Buyer;
		let ([a, b, c], [x, y, z]) = (self.aim.issues(), self.limit.issues());
		[(a, x, buys), (b, y, buys), (c, z, !buys)]
	}

	/// Whether no issue is beyond its limit.
	pub fn admits(&self, proposal: &Proposal) -> bool {
		let pairs = self.rows().into_iter().zip(proposal.issues());
		pairs.into_iter().all(|((_, limit, low), value)| !better(limit, value, low))
	}

	/// The proposal that has gone `conceded` parts per million of the way from aim to limit in each issue.
	pub fn at(&self, conceded: u32) -> Proposal {
		Proposal::of(self.rows().map(|(aim, limit, _)| between(aim, limit, conceded)))
	}

	/// The proposal of the range that is nearest: what is beyond aim or limit is brought to them.
	fn clamp(&self, proposal: &Proposal) -> Proposal {
		let mut issues = proposal.issues();
		for ((aim, limit, _), value) in self.rows().into_iter().zip(issues.iter_mut()) {
			*value = (*value).clamp(aim.min(limit), aim.max(limit));
		}
		Proposal::of(issues)
	}

	/// How far each issue is from limit (0) to aim (one million), rounded down. What is beyond them counts as they
	/// do; what is not negotiated is at its aim.
	fn scores(&self, proposal: &Proposal) -> [u32; ISSUES] {
		let mut scores = [0; ISSUES];
		let issues = self.rows().into_iter().zip(self.clamp(proposal).issues());
		for (((aim, limit, _), value), score) in issues.zip(scores.iter_mut()) {
			*score = ratio(value.abs_diff(limit), aim.abs_diff(limit)).unwrap_or(MILLION);
		}
		scores
	}

	/// `base` with the issues that were raised brought to their scores.
	fn replace(
		&self,
		base: &Proposal,
		scores: &[u32; ISSUES],
		raised: &[bool; ISSUES],
	) -> Proposal {
		let mut issues = base.issues();
		let rows = self.rows().into_iter().zip(scores).zip(raised);
		for ((((aim, limit, _), score), raised), value) in rows.zip(issues.iter_mut()) {
			if *raised {
				*value = between(aim, limit, MILLION.saturating_sub(*score));
			}
		}
		Proposal::of(issues)
	}
}

/// Whether `a` is strictly better than `b`.
fn better(a: Balance, b: Balance, low: bool) -> bool {
	match low {
		true => a < b,
		false => a > b,
	}
}

/// `aim` moved towards `limit` by so many parts per million of the way, rounded towards the aim.
fn between(aim: Balance, limit: Balance, conceded: u32) -> Balance {
	let step = mul_div_floor(aim.abs_diff(limit), conceded.min(MILLION), MILLION);
	match limit >= aim {
		true => aim.saturating_add(step),
		false => aim.saturating_sub(step),
	}
}

/// `part / whole` in parts per million, rounded down; `None` for a whole of 0.
pub(super) fn ratio(part: Balance, whole: Balance) -> Option<u32> {
	// Of amounts that large the last twenty bits are less than a millionth.
	let shift = part.max(whole).checked_ilog2().map_or(0, |bits| bits.saturating_sub(106));
	let (part, whole) = (part >> shift, whole >> shift);
	let parts = part.saturating_mul(MILLION.into()).checked_div(whole)?;
	Some(u32::try_from(parts).unwrap_or(u32::MAX))
}

/// When an offer is made.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
	/// How much of the time, or of the rounds, is used up: 0 for the first offer, one million for the last.
	pub progress: u32,
	/// How many offers this side has made.
	pub made: u32,
	/// What the other side has offered last.
	pub theirs: Option<&'a Proposal>,
}

impl Moment<'_> {
	/// Whether no other offer follows.
	pub fn is_last(&self) -> bool {
		self.progress >= MILLION
	}
}

/// How a side negotiates.
///
/// The machine asks for the next offer, and takes what the other side offers if that is worth at least as much, or
/// if there is no next offer: the rule of Faratin, Sierra and Jennings (1998), §3.2.
pub trait Strategy: Debug + Send + Sync {
	/// From what to what it goes. Nothing beyond the limit is ever proposed or valued.
	fn range(&self) -> &Range;

	/// What to offer. At the last moment it must be the least that it agrees to, so that a deal is not missed that
	/// both sides could live with.
	fn propose(&self, moment: &Moment) -> Proposal;

	/// What a proposal is worth, on a scale of its own that has more for better ones. `None` if it cannot be agreed
	/// to.
	fn value(&self, proposal: &Proposal) -> Option<u64> {
		let range = self.range();
		let scores = range.scores(proposal).into_iter().map(u64::from).sum();
		range.admits(proposal).then_some(scores)
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::{
		any, prop_assert, prop_assert_eq, prop_compose, proptest, BoxedStrategy, Strategy as _,
	};

	fn proposal(price: Balance, time: BlockNumber, quality: u32) -> Proposal {
		Proposal { price, time, quality }
	}

	fn seller() -> Range {
		Range::new(Side::Seller, proposal(200, 100, 900_000), proposal(101, 50, 990_000)).unwrap()
	}

	#[test]
	fn ranges_should_be_refused_when_they_are_none() {
		let range = |side, aim, limit| Range::new(side, aim, limit).unwrap_err();
		let (good, zero) = (proposal(100, 10, 5), proposal(0, 10, 5));
		assert_eq!(range(Side::Buyer, zero, good.clone()), RangeError::ZeroPrice);
		assert_eq!(range(Side::Buyer, good.clone(), proposal(100, 0, 5)), RangeError::ZeroTime);
		let beyond = proposal(100, 10, MILLION + 1);
		assert_eq!(range(Side::Buyer, beyond, good.clone()), RangeError::Quality);
		let inverted = RangeError::Inverted;
		let dear = proposal(101, 10, 5);
		assert_eq!(range(Side::Buyer, dear.clone(), good.clone()), inverted("price"));
		assert_eq!(range(Side::Seller, good.clone(), dear), inverted("price"));
		let late = proposal(100, 11, 5);
		assert_eq!(range(Side::Buyer, late.clone(), good.clone()), inverted("time"));
		assert_eq!(range(Side::Seller, good.clone(), late), inverted("time"));
		let poor = proposal(100, 10, 4);
		assert_eq!(range(Side::Buyer, poor.clone(), good.clone()), inverted("level of service"));
		assert_eq!(range(Side::Seller, good, poor), inverted("level of service"));
	}

	#[test]
	fn a_range_should_admit_what_is_within_its_limits() {
		let range = seller();
		for good in [proposal(101, 50, 990_000), proposal(1_000, 1_000, 0)] {
			assert!(range.admits(&good), "{good:?}");
		}
		for bad in [proposal(100, 50, 0), proposal(101, 49, 0), proposal(101, 50, 990_001)] {
			assert!(!range.admits(&bad), "{bad:?}");
		}
	}

	#[test]
	fn concessions_should_be_rounded_in_ones_own_favour() {
		assert_eq!(seller().at(0), proposal(200, 100, 900_000));
		assert_eq!(seller().at(500_000), proposal(151, 75, 945_000));
		assert_eq!(seller().at(MILLION), proposal(101, 50, 990_000));
		assert_eq!(seller().at(u32::MAX), proposal(101, 50, 990_000));
	}

	#[test]
	fn a_fixed_rule_should_give_in_by_steps_and_end_at_its_limit() {
		let rule = FixedRule { range: seller(), step: 300_000 };
		let price = |made, progress| rule.propose(&Moment { progress, made, theirs: None }).price;
		assert_eq!([0, 1, 2, 3, 4].map(|made| price(made, 0)), [200, 171, 141, 111, 101]);
		assert_eq!(price(1, MILLION), 101);
		let firm = FixedRule { range: seller(), step: 0 };
		assert_eq!(firm.propose(&Moment { progress: 999_999, made: 9, theirs: None }).price, 200);
	}

	#[test]
	fn ratios_of_the_largest_amounts_should_not_overflow() {
		assert_eq!(ratio(Balance::MAX, Balance::MAX), Some(MILLION));
		assert_eq!(ratio(Balance::MAX / 2, Balance::MAX), Some(499_999));
		assert_eq!(ratio(0, Balance::MAX), Some(0));
		assert_eq!(ratio(1, 3), Some(333_333));
		assert_eq!(ratio(1, 0), None);
	}

	prop_compose! {
		fn ranges()(
			buys in any::<bool>(), prices in (1u128..1 << 100, 1u128..1 << 100),
			times in (1u32..10_000, 1u32..10_000), qualities in (0..=MILLION, 0..=MILLION),
		) -> Range {
			let low = proposal(
				prices.0.min(prices.1), times.0.min(times.1), qualities.0.max(qualities.1),
			);
			let high = proposal(
				prices.0.max(prices.1), times.0.max(times.1), qualities.0.min(qualities.1),
			);
			match buys {
				true => Range::new(Side::Buyer, low, high),
				false => Range::new(Side::Seller, high, low),
			}
			.unwrap()
		}
	}

	fn strategies() -> BoxedStrategy<Box<dyn Strategy>> {
		let parts = (ranges(), 0..3u8, 0..=MILLION, 0..=MILLION, 0..=MILLION, 1u32..50, 1u32..50);
		let strategy =
			|(range, kind, start, a, b, numerator, denominator): (_, _, _, u32, u32, _, _)| {
				let shape = Shape { numerator, denominator };
				let (low, high) = (a.min(b), a.max(b));
				let weights = Weights::new(low, high - low, MILLION - high).unwrap();
				let strategy: Box<dyn Strategy> = match kind {
					0 => Box::new(FixedRule { range, step: start }),
					1 => Box::new(TimeDependent { range, start, shape }),
					_ => Box::new(Utility { range, weights, reserve: a / 2, start, shape }),
				};
				strategy
			};
		parts.prop_map(strategy).boxed()
	}

	proptest! {
		#[test]
		fn nothing_beyond_the_limits_should_ever_be_proposed(
			strategy in strategies(), progress in 0..=MILLION, made in 0u32..64,
			theirs in proptest::option::of((1u128..1 << 100, 1u32..10_000, 0..=MILLION)),
		) {
			let theirs = theirs.map(|(price, time, quality)| Proposal { price, time, quality });
			let moment = Moment { progress, made, theirs: theirs.as_ref() };
			let offer = strategy.propose(&moment);
			let range = strategy.range();
			prop_assert!(range.admits(&offer), "{:?} {:?}", range, offer);
			prop_assert_eq!(range.clamp(&offer), offer);
		}

		#[test]
		fn better_proposals_should_never_be_worth_less(
			strategy in strategies(), a in 0..=MILLION, b in 0..=MILLION,
		) {
			let range = strategy.range();
			let (more, less) = (range.at(a.min(b)), range.at(a.max(b)));
			prop_assert!(strategy.value(&more) >= strategy.value(&less));
		}

		#[test]
		fn the_last_offer_of_price_strategies_should_be_the_limit(
			range in ranges(), start in 0..=MILLION, made in 0u32..64,
		) {
			let moment = Moment { progress: MILLION, made, theirs: None };
			let fixed = FixedRule { range: range.clone(), step: start };
			prop_assert_eq!(&fixed.propose(&moment), range.limit());
			let timed = TimeDependent { range: range.clone(), start, shape: Shape::BOULWARE };
			prop_assert_eq!(&timed.propose(&moment), range.limit());
		}
	}
}
