//! Counts of how agreements come about and how they go, of an agent and of the market.

use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use stoa_primitives::{
	agreement::{Kpis, Offer},
	Balance, BlockNumber,
};

/// Classes of waiting times: class 0 is no block at all, class `n` from `2^(n-1)` to `2^n - 1` blocks.
/// A negotiation lasts no longer than the last of them.
pub const WAIT_CLASSES: usize = 22;

/// One million: what ratios are parts of.
const MILLION: u64 = 1_000_000;
/// The most that one price counts for against the first one: twice as much. So an absurd first price moves a
/// mean no further than that.
const HIGHEST_RATIO: u64 = 2 * MILLION;

/// What is counted. Counts stop at the largest number.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Counters {
	/// Agreements that have come off and ended.
	pub agreements: u32,
	/// Offers made in negotiations of which an agreement has ended, come off or not: the sum of the rounds
	/// that were committed.
	pub offers: u64,
	/// Negotiations in which offers were withdrawn.
	pub withdrawn: u32,
	/// Agreements whose negotiation had a first price.
	pub priced: u32,
	/// The sum of their prices against that, in millionths of it, each at most twice as much.
	pub price_ppm: u64,
	/// Agreements with a dispute.
	pub disputes: u32,
	/// Milestones that sellers have failed.
	pub breaches: u32,
	/// How many agreements took so many blocks from the beginning of the negotiation to the commit.
	pub waits: [u32; WAIT_CLASSES],
}

impl Counters {
	/// An agreement has ended. It has come off or not, with or without a dispute.
	pub(crate) fn ended(
		&mut self,
		offer: &Offer,
		total: Balance,
		started: BlockNumber,
		came_off: bool,
		disputed: bool,
	) {
		self.offers = self.offers.saturating_add(offer.round.into());
		if !came_off {
			return;
		}
		self.agreements = self.agreements.saturating_add(1);
		self.disputes = self.disputes.saturating_add(disputed.into());
		let wait = started.saturating_sub(offer.opened);
		let class = BlockNumber::BITS.saturating_sub(wait.leading_zeros());
		// A longer wait than there is a class for is of the last one.
		let last = WAIT_CLASSES.saturating_sub(1);
		let class = usize::try_from(class).unwrap_or(last).min(last);
		if let Some(count) = self.waits.get_mut(class) {
			*count = count.saturating_add(1);
		}
		if let Some(ratio) = total.saturating_mul(MILLION.into()).checked_div(offer.first_ask) {
			self.priced = self.priced.saturating_add(1);
			let ratio = u64::try_from(ratio).unwrap_or(HIGHEST_RATIO).min(HIGHEST_RATIO);
			self.price_ppm = self.price_ppm.saturating_add(ratio);
		}
	}

	/// What the counts come to.
	pub fn kpis(&self) -> Kpis {
		let per = |count: u64, of: u64, unit: u64| count.saturating_mul(unit).checked_div(of);
		let narrow = |ratio: u64| u32::try_from(ratio).unwrap_or(u32::MAX);
		let made = self.offers.saturating_add(self.withdrawn.into());
		Kpis {
			agreements: self.agreements,
			median_wait: self.median_wait(),
			acceptance_ppm: per(self.agreements.into(), made, MILLION).map(narrow),
			price_ppm: self.price_ppm.checked_div(self.priced.into()).map(narrow),
			disputes: self.disputes,
			disputes_per_thousand: per(self.disputes.into(), self.agreements.into(), 1_000)
				.map(narrow),
			breaches: self.breaches,
		}
	}

	/// The class that the median is in, as its first and last number of blocks.
	fn median_wait(&self) -> Option<(BlockNumber, BlockNumber)> {
		let sum = self.waits.iter().fold(0u64, |sum, count| sum.saturating_add((*count).into()));
		let middle = sum.div_ceil(2);
		let mut below = 0u64;
		for (class, count) in (0u32..).zip(&self.waits) {
			below = below.saturating_add((*count).into());
			if sum > 0 && below >= middle {
				let first = class.checked_sub(1).map_or(0, |power| 1u32.wrapping_shl(power));
				return Some((first, first.saturating_mul(2).saturating_sub(1)));
			}
		}
		None
	}
}

/// What is counted of an agent, as long as anything is known of a negotiation of it.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct AgentRow {
	/// The counts.
	pub counters: Counters,
	/// Of how many negotiations something is known. The row is gone with the last.
	pub records: u32,
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_median_should_be_within_its_class() {
		let mut counters = Counters::default();
		assert_eq!(counters.kpis().median_wait, None);
		counters.waits[0] = 1;
		assert_eq!(counters.kpis().median_wait, Some((0, 0)));
		counters.waits[1] = 2;
		assert_eq!(counters.kpis().median_wait, Some((1, 1)));
		counters.waits[4] = 10;
		assert_eq!(counters.kpis().median_wait, Some((8, 15)));
	}

	#[test]
	fn ratios_should_be_none_when_there_is_nothing_to_divide_by() {
		let kpis = Counters::default().kpis();
		assert_eq!((kpis.acceptance_ppm, kpis.price_ppm), (None, None));
		assert_eq!(kpis.disputes_per_thousand, None);
		let counters = Counters {
			agreements: 4,
			offers: 7,
			withdrawn: 1,
			priced: 2,
			price_ppm: 1_900_000,
			disputes: 1,
			breaches: 3,
			..Default::default()
		};
		let kpis = counters.kpis();
		assert_eq!((kpis.acceptance_ppm, kpis.price_ppm), (Some(500_000), Some(950_000)));
		assert_eq!((kpis.disputes_per_thousand, kpis.breaches), (Some(250), 3));
	}
}
