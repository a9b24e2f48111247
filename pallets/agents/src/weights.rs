//! What the calls cost.

use frame_support::weights::Weight;

/// Weight of each call.
pub trait WeightInfo {
	/// With the dearest proof, the longest manifest and a referral by code.
	fn register() -> Weight;
	/// No variable input.
	fn renew() -> Weight;
	/// With the longest manifest.
	fn set_manifest() -> Weight;
	/// No variable input.
	fn pause() -> Weight;
	/// No variable input.
	fn resume() -> Weight;
	/// No variable input.
	fn suspend() -> Weight;
	/// No variable input.
	fn reinstate() -> Weight;
	/// Of an agent with `k` delegate keys.
	fn retire(k: u32) -> Weight;
	/// No variable input.
	fn offer_transfer() -> Weight;
	/// Of an agent with `k` delegate keys.
	fn accept_transfer(k: u32) -> Weight;
	/// No variable input.
	fn cancel_transfer() -> Weight;
	/// No variable input.
	fn add_key() -> Weight;
	/// No variable input.
	fn remove_key() -> Weight;
	/// No variable input.
	fn remove_expired_key() -> Weight;
}

const UNIT: Weight = Weight::from_parts(1_000_000, 1_000);

/// For the mocks of unit tests alone: these are no measurements.
impl WeightInfo for () {
	fn register() -> Weight {
		UNIT
	}
	fn renew() -> Weight {
		UNIT
	}
	fn set_manifest() -> Weight {
		UNIT
	}
	fn pause() -> Weight {
		UNIT
	}
	fn resume() -> Weight {
		UNIT
	}
	fn suspend() -> Weight {
		UNIT
	}
	fn reinstate() -> Weight {
		UNIT
	}
	fn retire(k: u32) -> Weight {
		UNIT.saturating_add(UNIT.saturating_mul(u64::from(k)))
	}
	fn offer_transfer() -> Weight {
		UNIT
	}
	fn accept_transfer(k: u32) -> Weight {
		UNIT.saturating_add(UNIT.saturating_mul(u64::from(k)))
	}
	fn cancel_transfer() -> Weight {
		UNIT
	}
	fn add_key() -> Weight {
		UNIT
	}
	fn remove_key() -> Weight {
		UNIT
	}
	fn remove_expired_key() -> Weight {
		UNIT
	}
}
