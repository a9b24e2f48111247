//! What the calls weigh. The runtime implements [`WeightInfo`] by benchmarks.

use frame_support::weights::Weight;

/// Weights of the calls.
///
/// Of agreements with as many milestones and arbiters as there can be, sponsored, settled to a seller
/// and a buyer with as many referrers to reward as there can be; where a call can end the agreement, it
/// does.
pub trait WeightInfo {
	/// Weight of [`commit`](crate::Pallet::commit), the first of its negotiation.
	fn commit() -> Weight;
	/// Weight of [`withdraw_offer`](crate::Pallet::withdraw_offer), the first of its negotiation.
	fn withdraw_offer() -> Weight;
	/// Weight of [`supersede`](crate::Pallet::supersede) by which an agreement is undone.
	fn supersede() -> Weight;
	/// Weight of [`deliver`](crate::Pallet::deliver).
	fn deliver() -> Weight;
	/// Weight of [`reveal`](crate::Pallet::reveal) that releases the last milestone.
	fn reveal() -> Weight;
	/// Weight of [`accept`](crate::Pallet::accept).
	fn accept() -> Weight;
	/// Weight of [`release`](crate::Pallet::release) of all that is in dispute.
	fn release() -> Weight;
	/// Weight of [`request_changes`](crate::Pallet::request_changes).
	fn request_changes() -> Weight;
	/// Weight of [`dispute`](crate::Pallet::dispute) that waits for arbiters.
	fn dispute() -> Weight;
	/// Weight of [`dispute`](crate::Pallet::dispute) without arbiters, which ends the agreement.
	fn dispute_unjudged() -> Weight;
	/// Weight of [`rule`](crate::Pallet::rule).
	fn rule() -> Weight;
	/// Weight of [`poke`](crate::Pallet::poke) that ends `n` milestones on which nobody has ruled.
	fn poke(n: u32) -> Weight;
	/// Weight of [`cancel`](crate::Pallet::cancel) with a dispute about each milestone.
	fn cancel() -> Weight;
	/// Weight of [`extend`](crate::Pallet::extend).
	fn extend() -> Weight;
	/// Weight of [`forget`](crate::Pallet::forget).
	fn forget() -> Weight;
	/// Weight of [`answer`](crate::Pallet::answer).
	fn answer() -> Weight;
}

/// For the mocks of unit tests only: round numbers that tell the calls apart.
impl WeightInfo for () {
	fn commit() -> Weight {
		Weight::from_parts(1_000_000, 0)
	}
	fn withdraw_offer() -> Weight {
		Weight::from_parts(1_010_000, 0)
	}
	fn supersede() -> Weight {
		Weight::from_parts(1_020_000, 0)
	}
	fn deliver() -> Weight {
		Weight::from_parts(1_030_000, 0)
	}
	fn reveal() -> Weight {
		Weight::from_parts(1_040_000, 0)
	}
	fn accept() -> Weight {
		Weight::from_parts(1_050_000, 0)
	}
	fn release() -> Weight {
		Weight::from_parts(1_060_000, 0)
	}
	fn request_changes() -> Weight {
		Weight::from_parts(1_070_000, 0)
	}
	fn dispute() -> Weight {
		Weight::from_parts(1_080_000, 0)
	}
	fn dispute_unjudged() -> Weight {
		Weight::from_parts(1_090_000, 0)
	}
	fn rule() -> Weight {
		Weight::from_parts(1_100_000, 0)
	}
	fn poke(n: u32) -> Weight {
		Weight::from_parts(100_000, 0).saturating_mul(n.into())
	}
	fn cancel() -> Weight {
		Weight::from_parts(1_120_000, 0)
	}
	fn extend() -> Weight {
		Weight::from_parts(1_130_000, 0)
	}
	fn forget() -> Weight {
		Weight::from_parts(1_140_000, 0)
	}
	fn answer() -> Weight {
		Weight::from_parts(1_150_000, 0)
	}
}
