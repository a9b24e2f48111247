//! Weights for `pallet_stoa_escrow`

#![cfg_attr(rustfmt, rustfmt_skip)]
#![allow(unused_parens)]
#![allow(unused_imports)]
#![allow(missing_docs)]

use frame_support::{traits::Get, weights::Weight};
use core::marker::PhantomData;

/// Weight functions for `pallet_stoa_escrow`.
pub struct WeightInfo<T>(PhantomData<T>);
impl<T: frame_system::Config> pallet_stoa_escrow::WeightInfo for WeightInfo<T> {
	fn commit() -> Weight {
		Weight::from_parts(700_000_000, 0)
			.saturating_add(Weight::from_parts(0, 60000))
			.saturating_add(T::DbWeight::get().reads(40))
			.saturating_add(T::DbWeight::get().writes(24))
	}
	fn withdraw_offer() -> Weight {
		Weight::from_parts(250_000_000, 0)
			.saturating_add(Weight::from_parts(0, 20000))
			.saturating_add(T::DbWeight::get().reads(12))
			.saturating_add(T::DbWeight::get().writes(9))
	}
	fn supersede() -> Weight {
		Weight::from_parts(900_000_000, 0)
			.saturating_add(Weight::from_parts(0, 40000))
			.saturating_add(T::DbWeight::get().reads(32))
			.saturating_add(T::DbWeight::get().writes(26))
	}
	fn deliver() -> Weight {
		Weight::from_parts(150_000_000, 0)
			.saturating_add(Weight::from_parts(0, 6000))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn reveal() -> Weight {
		Weight::from_parts(900_000_000, 0)
			.saturating_add(Weight::from_parts(0, 60000))
			.saturating_add(T::DbWeight::get().reads(50))
			.saturating_add(T::DbWeight::get().writes(36))
	}
	fn accept() -> Weight {
		Weight::from_parts(900_000_000, 0)
			.saturating_add(Weight::from_parts(0, 60000))
			.saturating_add(T::DbWeight::get().reads(50))
			.saturating_add(T::DbWeight::get().writes(36))
	}
	fn release() -> Weight {
		Weight::from_parts(950_000_000, 0)
			.saturating_add(Weight::from_parts(0, 60000))
			.saturating_add(T::DbWeight::get().reads(52))
			.saturating_add(T::DbWeight::get().writes(38))
	}
	fn request_changes() -> Weight {
		Weight::from_parts(150_000_000, 0)
			.saturating_add(Weight::from_parts(0, 6000))
			.saturating_add(T::DbWeight::get().reads(1))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn dispute() -> Weight {
		Weight::from_parts(400_000_000, 0)
			.saturating_add(Weight::from_parts(0, 25000))
			.saturating_add(T::DbWeight::get().reads(16))
			.saturating_add(T::DbWeight::get().writes(12))
	}
	fn dispute_unjudged() -> Weight {
		Weight::from_parts(950_000_000, 0)
			.saturating_add(Weight::from_parts(0, 60000))
			.saturating_add(T::DbWeight::get().reads(52))
			.saturating_add(T::DbWeight::get().writes(38))
	}
	fn rule() -> Weight {
		Weight::from_parts(1_050_000_000, 0)
			.saturating_add(Weight::from_parts(0, 64000))
			.saturating_add(T::DbWeight::get().reads(58))
			.saturating_add(T::DbWeight::get().writes(40))
	}
	fn poke(n: u32, ) -> Weight {
		Weight::from_parts(700_000_000, 0)
			.saturating_add(Weight::from_parts(0, 60000))
			.saturating_add(T::DbWeight::get().reads(52))
			.saturating_add(T::DbWeight::get().writes(38))
			.saturating_add(Weight::from_parts(450_000_000, 0).saturating_mul(n.into()))
	}
	fn cancel() -> Weight {
		Weight::from_parts(1_600_000_000, 0)
			.saturating_add(Weight::from_parts(0, 64000))
			.saturating_add(T::DbWeight::get().reads(56))
			.saturating_add(T::DbWeight::get().writes(40))
	}
	fn extend() -> Weight {
		Weight::from_parts(450_000_000, 0)
			.saturating_add(Weight::from_parts(0, 12000))
			.saturating_add(T::DbWeight::get().reads(5))
			.saturating_add(T::DbWeight::get().writes(1))
	}
	fn forget() -> Weight {
		Weight::from_parts(300_000_000, 0)
			.saturating_add(Weight::from_parts(0, 24000))
			.saturating_add(T::DbWeight::get().reads(14))
			.saturating_add(T::DbWeight::get().writes(10))
	}
}
