//! What the calls cost. What [`crate::Pallet`] does inside others' calls is in their weights.

use frame_support::weights::Weight;

/// Weight of each call.
pub trait WeightInfo {
	/// No variable input: codes are short.
	fn claim_code() -> Weight;
	/// No variable input.
	fn release_code() -> Weight;
	/// No variable input.
	fn set_terms() -> Weight;
	/// No variable input.
	fn set_cap() -> Weight;
	/// No variable input.
	fn grant_bonus() -> Weight;
}

const UNIT: Weight = Weight::from_parts(1_000_000, 1_000);

/// For the mocks of unit tests alone: these are no measurements.
impl WeightInfo for () {
	fn claim_code() -> Weight {
		UNIT
	}
	fn release_code() -> Weight {
		UNIT
	}
	fn set_terms() -> Weight {
		UNIT
	}
	fn set_cap() -> Weight {
		UNIT
	}
	fn grant_bonus() -> Weight {
		UNIT
	}
}
