//! Who brought whom.

use crate::{AccountId, Balance};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Shortest referral code, in bytes.
pub const MIN_CODE_LEN: u32 = 4;
/// Longest referral code, in bytes.
pub const MAX_CODE_LEN: u32 = 24;
/// How many referrers above an agent share in its rewards.
pub const MAX_DEPTH: usize = 3;
/// The most work that one side of a referral share can be: its books, and [`MAX_DEPTH`] rewards.
pub const MAX_SIDE_WORK: u32 = 1 + MAX_DEPTH as u32;
/// The most [work](Distributed::work) that a referral share can be: that of two sides.
pub const MAX_WORK: u32 = 2 * MAX_SIDE_WORK;

/// A referral code: `a`–`z`, `0`–`9` and `-`, [`MIN_CODE_LEN`] to [`MAX_CODE_LEN`] bytes.
pub type Code = BoundedVec<u8, ConstU32<MAX_CODE_LEN>>;

/// How a new agent names who brought it.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub enum Referral {
	/// By the referrer's account.
	#[codec(index = 0)]
	Account(AccountId),
	/// By a code that the referrer has claimed.
	#[codec(index = 1)]
	Code(Code),
}

/// One reward out of a settlement's referral share.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Reward {
	/// The referrer.
	pub to: AccountId,
	/// The referee whose trade is rewarded: payer or provider.
	pub referee: AccountId,
	/// Steps from referee to referrer, 1 for the direct one.
	pub level: u8,
	/// In units of the settled asset; never 0.
	pub amount: Balance,
}

/// How a referral share is to be paid out. Rewards and pool sum to the share exactly.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Distributed {
	/// At most [`MAX_DEPTH`] for each side.
	pub rewards: Vec<Reward>,
	/// How many sides, of two, have referrers whose reward window has not ended.
	pub sides: u32,
	/// What is due to nobody.
	pub growth_pool: Balance,
}

impl Distributed {
	/// How much there was to do, from 0 to [`MAX_WORK`]: one for the books of each side, one for each
	/// reward. A reward costs no fewer storage accesses than a side's books (a row of the ledger and
	/// perhaps an account against one row of totals), so a share by this count of what the worst case
	/// costs is never less than what the work costs.
	pub fn work(&self) -> u32 {
		// At most six rewards.
		self.sides.saturating_add(u32::try_from(self.rewards.len()).unwrap_or(u32::MAX))
	}

	/// The work of the side that has more of it, from 0 to [`MAX_SIDE_WORK`]. `payer` is one side, and
	/// all rewards that are not for its referrers are the other's.
	pub fn side_work(&self, payer: &AccountId) -> u32 {
		let (one, other): (Vec<_>, Vec<_>) =
			self.rewards.iter().partition(|reward| reward.referee == *payer);
		let rewards = u32::try_from(one.len().max(other.len())).unwrap_or(u32::MAX);
		rewards.saturating_add(self.sides.min(1))
	}
}
