//! What the calls of this pallet weigh.

use frame_support::weights::Weight;

/// One function per call, each for its worst case.
pub trait WeightInfo {
	/// Weight of `deposit`.
	fn deposit() -> Weight;
	/// Weight of `withdraw`.
	fn withdraw() -> Weight;
	/// Weight of `accept_asset`.
	fn accept_asset() -> Weight;
	/// Weight of `stop_accepting`.
	fn stop_accepting() -> Weight;
}

/// For the mocks of unit tests only: no call of a chain is free.
impl WeightInfo for () {
	fn deposit() -> Weight {
		Weight::zero()
	}
	fn withdraw() -> Weight {
		Weight::zero()
	}
	fn accept_asset() -> Weight {
		Weight::zero()
	}
	fn stop_accepting() -> Weight {
		Weight::zero()
	}
}
