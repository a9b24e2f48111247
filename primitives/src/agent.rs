//! What the registry says of an agent.

use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;

/// Whether an agent may act.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum Status {
	/// May act, as long as its lease runs.
	#[codec(index = 0)]
	Active,
	/// Stopped by its operator or by a circuit breaker; the operator may resume it.
	#[codec(index = 1)]
	Paused,
	/// Stopped by governance.
	#[codec(index = 2)]
	Suspended,
	/// Gone for good.
	#[codec(index = 3)]
	Retired,
}

/// Longest URI of a manifest or of evidence, in bytes.
pub const MAX_URI_LEN: u32 = 256;

/// A place where a document can be fetched, as bytes of a URI (RFC 3986).
pub type Uri = BoundedVec<u8, ConstU32<MAX_URI_LEN>>;

/// Where an agent describes itself, and the digest that pins the description.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Manifest {
	/// `blake2_256` of the document.
	pub digest: [u8; 32],
	/// Where the document is.
	pub uri: Uri,
}

/// What a delegate key may sign in the name of its agent: a set, one bit each.
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
pub struct Scopes(u8);

/// One thing that a key may sign in the name of its agent.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum Scope {
	/// Offers and counter-offers.
	#[codec(index = 0)]
	Offer,
	/// Payment channels: authorising the other side to open one, and consenting to close one.
	#[codec(index = 1)]
	Voucher,
	/// Endorsements of other agents.
	#[codec(index = 2)]
	Endorse,
}

impl Scope {
	fn bit(self) -> u8 {
		match self {
			Self::Offer => 1,
			Self::Voucher => 2,
			Self::Endorse => 4,
		}
	}
}

impl Scopes {
	/// The empty set.
	pub const NONE: Self = Self(0);

	/// The set as bits: 1 offer, 2 voucher, 4 endorse. `None` when another bit is set.
	pub fn from_bits(bits: u8) -> Option<Self> {
		(bits & !7 == 0).then_some(Self(bits))
	}

	/// See [`Scopes::from_bits`].
	pub fn bits(self) -> u8 {
		self.0
	}

	/// Whether only known bits are set. Decoded values are not checked.
	pub fn is_valid(self) -> bool {
		Self::from_bits(self.0).is_some()
	}

	/// Whether nothing is in the set.
	pub fn is_empty(self) -> bool {
		self.0 == 0
	}

	/// The set with `scope` in it.
	#[must_use]
	pub fn with(self, scope: Scope) -> Self {
		Self(self.0 | scope.bit())
	}

	/// Whether `scope` is in the set.
	pub fn contains(self, scope: Scope) -> bool {
		self.0 & scope.bit() != 0
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn scopes_should_hold_what_was_put_in() {
		let set = Scopes::NONE.with(Scope::Offer).with(Scope::Endorse);
		assert!(set.contains(Scope::Offer) && set.contains(Scope::Endorse));
		assert!(!set.contains(Scope::Voucher));
		assert_eq!(Scopes::from_bits(set.bits()), Some(set));
		assert_eq!(Scopes::from_bits(8), None);
		assert!(!Scopes::decode(&mut &[255u8][..]).unwrap().is_valid());
	}
}
