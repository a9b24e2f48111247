//! What the calls weigh. The runtime implements [`WeightInfo`] by benchmarks.

use frame_support::weights::Weight;

/// Weights of the calls.
///
/// Linear functions of their arguments; `f(n) - f(0)` is the price of `n` items without the base.
pub trait WeightInfo {
	/// Weight of [`open`](crate::Pallet::open), the first of a sponsored pair.
	fn open() -> Weight;
	/// Weight of [`top_up`](crate::Pallet::top_up).
	fn top_up() -> Weight;
	/// Weight of [`settle_batch`](crate::Pallet::settle_batch) with `n` items, all paid to the caller,
	/// nobody rewarded, signed by sr25519, the dearer of the two schemes with keys of 32 bytes.
	fn settle_batch(n: u32) -> Weight;
	/// The same with as many referrers rewarded for each item as there can be.
	fn settle_batch_rewarded(n: u32) -> Weight;
	/// The same as the last, each item paid to another payee, none of them the caller.
	fn settle_batch_foreign(n: u32) -> Weight;
	/// The same as the first with items signed by ecdsa.
	fn settle_batch_ecdsa(n: u32) -> Weight;
	/// The same with items that fail the last check before the signature's.
	fn settle_batch_skipped(n: u32) -> Weight;
	/// Weight of [`request_close`](crate::Pallet::request_close).
	fn request_close() -> Weight;
	/// Weight of [`cancel_close`](crate::Pallet::cancel_close).
	fn cancel_close() -> Weight;
	/// Weight of [`close`](crate::Pallet::close) without a last item.
	fn close() -> Weight;
	/// The same with a last item, signed by ecdsa, as many rewarded for it as there can be.
	fn close_settled() -> Weight;
	/// Weight of [`finalize`](crate::Pallet::finalize) with `n` channels that all end.
	fn finalize(n: u32) -> Weight;
	/// The same with ids of channels that are not due.
	fn finalize_skipped(n: u32) -> Weight;
}

/// `base + n · step`, in picoseconds.
fn linear(base: u64, step: u64, n: u32) -> Weight {
	Weight::from_parts(step, 0).saturating_mul(n.into()).saturating_add(Weight::from_parts(base, 0))
}

/// For the mocks of unit tests only: round numbers that tell the parts of a sum apart.
impl WeightInfo for () {
	fn open() -> Weight {
		linear(1_000_000, 0, 0)
	}

	fn top_up() -> Weight {
		linear(1_000_000, 0, 0)
	}

	fn settle_batch(n: u32) -> Weight {
		linear(1_000_000, 1_000, n)
	}

	fn settle_batch_rewarded(n: u32) -> Weight {
		linear(1_300_000, 9_000, n)
	}

	fn settle_batch_foreign(n: u32) -> Weight {
		linear(1_000_000, 20_000, n)
	}

	fn settle_batch_ecdsa(n: u32) -> Weight {
		linear(2_000_000, 5_000, n)
	}

	fn settle_batch_skipped(n: u32) -> Weight {
		linear(500_000, 100, n)
	}

	fn request_close() -> Weight {
		linear(1_000_000, 0, 0)
	}

	fn cancel_close() -> Weight {
		linear(1_000_000, 0, 0)
	}

	fn close() -> Weight {
		linear(1_000_000, 0, 0)
	}

	fn close_settled() -> Weight {
		linear(1_400_000, 0, 0)
	}

	fn finalize(n: u32) -> Weight {
		linear(1_000_000, 1_000, n)
	}

	fn finalize_skipped(n: u32) -> Weight {
		linear(500_000, 100, n)
	}
}
