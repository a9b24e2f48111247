//! What the calls of this pallet weigh.

use frame_support::weights::Weight;

/// One function per call, each for its worst case.
pub trait WeightInfo {
	/// Weight of `pay`.
	fn pay() -> Weight;
	/// Weight of `propose_schedule`.
	fn propose_schedule() -> Weight;
	/// Weight of `cancel_schedule`.
	fn cancel_schedule() -> Weight;
}

/// For the mocks of unit tests only: no call of a chain is free.
impl WeightInfo for () {
	fn pay() -> Weight {
		Weight::zero()
	}
	fn propose_schedule() -> Weight {
		Weight::zero()
	}
	fn cancel_schedule() -> Weight {
		Weight::zero()
	}
}
