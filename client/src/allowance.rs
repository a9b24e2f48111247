//! What a payer has allowed on a lane, with the signature that proves it: a voucher, or a commitment to
//! a hash chain and a tick of it. The two mix on a lane; what counts is the amount.

use crate::{
	ticks::SignedTicks,
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, Encode};
use stoa_primitives::{channel::Item, keys::Key, payload::Domain, Balance, BlockNumber};

/// A signed, cumulative amount on a lane.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub enum Allowance {
	/// By a voucher.
	#[codec(index = 0)]
	Voucher(SignedVoucher),
	/// By a tick.
	#[codec(index = 1)]
	Ticks(SignedTicks),
}

impl Allowance {
	/// The lane that it is for.
	pub fn lane(&self) -> LaneKey {
		match self {
			Self::Voucher(signed) => signed.lane(),
			Self::Ticks(ticks) => ticks.signed.lane(),
		}
	}

	/// All that was ever allowed on the lane. No number is as large as what some ticks that nobody can
	/// pay allow: the largest stands in for it.
	pub fn amount(&self) -> Balance {
		match self {
			Self::Voucher(signed) => signed.voucher.cumulative,
			Self::Ticks(ticks) => ticks.amount().unwrap_or(Balance::MAX),
		}
	}

	/// Last block in which it can be settled, 0 for no limit.
	pub fn valid_until(&self) -> BlockNumber {
		match self {
			Self::Voucher(signed) => signed.voucher.valid_until,
			Self::Ticks(ticks) => ticks.signed.commit.valid_until,
		}
	}

	/// Whether `key` signed it for the chain of `domain`, and whether the chain would take it for
	/// genuine.
	pub fn verify(&self, key: &Key, domain: &Domain) -> bool {
		match self {
			Self::Voucher(signed) => signed.verify(key, domain),
			Self::Ticks(ticks) => ticks.verify(key, domain),
		}
	}

	/// The claim that takes `capture` of what is allowed; all of it when `capture` is not less.
	pub fn to_item(&self, capture: Balance) -> Item {
		match self {
			Self::Voucher(signed) => signed.to_item(capture),
			Self::Ticks(ticks) => ticks.to_item(capture),
		}
	}

	/// The voucher, if it is one.
	pub fn voucher(&self) -> Option<&SignedVoucher> {
		match self {
			Self::Voucher(signed) => Some(signed),
			Self::Ticks(_) => None,
		}
	}
}

impl From<SignedVoucher> for Allowance {
	fn from(signed: SignedVoucher) -> Self {
		Self::Voucher(signed)
	}
}

impl From<SignedTicks> for Allowance {
	fn from(ticks: SignedTicks) -> Self {
		Self::Ticks(ticks)
	}
}
