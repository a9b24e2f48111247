//! What calls cost.
//!
//! One file for each market pallet, for fees from credits and for native balances, written by
//! `scripts/weights` from the benchmarks in this runtime's Wasm. Other pallets of the SDK use the weights that the SDK measured,
//! with this chain's database costs.

pub mod pallet_asset_tx_payment;
pub mod pallet_balances;
pub mod pallet_stoa_agents;
pub mod pallet_stoa_channels;
pub mod pallet_stoa_credits;
pub mod pallet_stoa_escrow;
pub mod pallet_stoa_fee_split;
pub mod pallet_stoa_referrals;

use frame_support::weights::{
	constants::{WEIGHT_REF_TIME_PER_MICROS, WEIGHT_REF_TIME_PER_NANOS},
	Weight,
};
use frame_system::Config;

/// BABE's and GRANDPA's calls, which have no benchmarks that weigh a whole call.
///
/// Reports of equivocation are refused by this runtime before any work; they are charged as on chains
/// that accept them: a membership proof of `v` validators (35 µs + 175 ns each), two header or vote
/// checks (110 µs, 95 µs) and the report (110 µs, 14 reads, 10 writes). Figures: the default weights
/// of both pallets.
pub struct Consensus;

impl Consensus {
	fn report(validators: u32, check_micros: u64) -> Weight {
		let db = <crate::Runtime as Config>::DbWeight::get();
		let proof = WEIGHT_REF_TIME_PER_MICROS * 35
			+ WEIGHT_REF_TIME_PER_NANOS * 175 * u64::from(validators.max(100));
		let checks = WEIGHT_REF_TIME_PER_MICROS * (check_micros + 110);
		Weight::from_parts(proof + checks, 0) + db.reads_writes(5 + 14, 10)
	}
}

impl pallet_babe::WeightInfo for Consensus {
	fn plan_config_change() -> Weight {
		<crate::Runtime as Config>::DbWeight::get().writes(1)
	}

	fn report_equivocation(validators: u32, _max_nominators: u32) -> Weight {
		Self::report(validators, 110)
	}
}

impl pallet_grandpa::WeightInfo for Consensus {
	fn report_equivocation(validators: u32, _max_nominators: u32) -> Weight {
		Self::report(validators, 95)
	}

	fn note_stalled() -> Weight {
		Weight::from_parts(3 * WEIGHT_REF_TIME_PER_MICROS, 0)
			+ <crate::Runtime as Config>::DbWeight::get().writes(1)
	}
}
