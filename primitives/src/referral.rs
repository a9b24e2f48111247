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
	/// What is due to nobody.
	pub growth_pool: Balance,
}
