//! What the calls of this pallet weigh.

use frame_support::weights::Weight;

/// One function per call, each for its worst case.
pub trait WeightInfo {
	/// Weight of `pay` when nobody is rewarded.
	fn pay() -> Weight;
	/// Weight of `pay` when as many are rewarded as there can be.
	fn pay_rewarded() -> Weight;
	/// Weight of `propose_schedule`.
	fn propose_schedule() -> Weight;
	/// Weight of `cancel_schedule`.
	fn cancel_schedule() -> Weight;
}

/// For the mocks of unit tests only: they tell one from the other, and no call of a chain is free.
impl WeightInfo for () {
	fn pay() -> Weight {
		Weight::from_parts(1_000, 0)
	}
	fn pay_rewarded() -> Weight {
		Weight::from_parts(9_000, 0)
	}
	fn propose_schedule() -> Weight {
		Weight::zero()
	}
	fn cancel_schedule() -> Weight {
		Weight::zero()
	}
}
