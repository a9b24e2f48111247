//! What is kept of settlements.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use stoa_primitives::{money::Shares, Balance};

/// All that was ever settled in one asset. Encoding: 72 bytes.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Default,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct LifetimeTotals {
	/// Before shares were taken; the sum of the next three.
	pub gross: Balance,
	/// To providers.
	pub provider: Balance,
	/// To the platform.
	pub platform: Balance,
	/// To referrers and the growth pool.
	pub referral: Balance,
	/// In how many settlements.
	pub settlements: u64,
}

impl LifetimeTotals {
	/// The totals with one more settlement; `None` when a number would overflow.
	pub(crate) fn with(&self, shares: &Shares) -> Option<Self> {
		Some(Self {
			gross: self.gross.checked_add(shares.total()?)?,
			provider: self.provider.checked_add(shares.provider)?,
			platform: self.platform.checked_add(shares.platform)?,
			referral: self.referral.checked_add(shares.referral)?,
			settlements: self.settlements.checked_add(1)?,
		})
	}
}
