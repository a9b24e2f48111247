//! What is stored about referrals.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::Permill;
use stoa_primitives::{referral::MAX_DEPTH, AccountId, Balance, BlockNumber, DAYS};

/// Longest reward window that can be set: two years.
pub const MAX_WINDOW: BlockNumber = 730 * DAYS;

/// The nearest referrers, the direct one first; at most [`MAX_DEPTH`].
pub type Chain = BoundedVec<AccountId, ConstU32<3>>;

/// Who brought an agent. Never changes.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Edge {
	/// When the referee was registered.
	pub since: BlockNumber,
	/// The referrer and those above it. Never empty.
	pub referrers: Chain,
}

/// Who has claimed a referral code.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct CodeRecord<Ticket> {
	/// The referrer whom the code names, who has paid the deposit.
	pub owner: AccountId,
	/// The deposit for this record.
	pub ticket: Ticket,
}

/// What has become of the referral shares that a referee's trade has produced on its own side within
/// its window, in units of one asset.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct SideTotals {
	/// Paid to its referrers.
	pub rewarded: Balance,
	/// Sent to the growth pool.
	pub pooled: Balance,
	/// Paid to the referee itself as bonuses; at most `pooled`.
	pub granted: Balance,
}

/// How referrers are rewarded.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Deserialize,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	Serialize,
	TypeInfo,
)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
	/// Parts of a side's half for the direct referrer, the next one up, and the next. Never rising,
	/// together at most 100 %.
	pub levels: [Permill; MAX_DEPTH],
	/// For how many blocks from its registration on a referee's trade is rewarded; at most
	/// [`MAX_WINDOW`].
	pub window: BlockNumber,
}

impl Default for Terms {
	/// 70 %, 20 %, 10 %, for one year.
	fn default() -> Self {
		Self { levels: [70, 20, 10].map(Permill::from_percent), window: 365 * DAYS }
	}
}
