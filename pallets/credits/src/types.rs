//! What the ledger stores and tells.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use stoa_primitives::Balance;

/// What an account can spend of one asset. Encoding: 17 bytes.
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
pub struct Row {
	/// Credits that are not locked; never 0 in storage.
	pub free: Balance,
	/// Whether this row is counted as one of its account's `sufficients`.
	///
	/// Set when a credit leaves the row at or above the dust bound of an accepted asset, cleared
	/// when the row is removed. It stays what it is when the bound changes, when the asset is no
	/// longer accepted and when the row falls below the bound, so that no parameter and no partial
	/// spend can take from an agent the account it needs to get at the rest.
	pub sufficient: bool,
}

/// What custody holds of an asset, and what it owes.
#[derive(
	Clone, Copy, Debug, Decode, DecodeWithMemTracking, Default, Encode, Eq, PartialEq, TypeInfo,
)]
pub struct Solvency {
	/// The real balance of the custody account.
	pub custody: Balance,
	/// All credits, free and locked; never more than `custody`.
	pub issued: Balance,
	/// Credits that their owners can spend.
	pub free: Balance,
	/// Credits in the purses of all reasons.
	pub locked: Balance,
}
