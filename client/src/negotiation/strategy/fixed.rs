//! The same step each time.

use super::{Moment, Proposal, Range, Strategy};
use crate::negotiation::terms::MILLION;

/// Begins with the aim and gives in by the same step with each offer.
///
/// A step of 0 stays with the aim until the last offer; a range whose aim is its limit is a fixed price.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FixedRule {
	/// From what to what.
	pub range: Range,
	/// What each offer gives in, in parts per million of the way from aim to limit.
	pub step: u32,
}

impl Strategy for FixedRule {
	fn range(&self) -> &Range {
		&self.range
	}

	fn propose(&self, moment: &Moment) -> Proposal {
		match moment.is_last() {
			true => self.range.limit().clone(),
			false => self.range.at(self.step.saturating_mul(moment.made).min(MILLION)),
		}
	}
}
