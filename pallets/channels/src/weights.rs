//! What the calls weigh. The runtime implements [`WeightInfo`] by benchmarks.

use frame_support::weights::Weight;

/// Weights of the calls.
///
/// Linear functions of their arguments; `f(n) - f(0)` is the price of `n` items without the base.
pub trait WeightInfo {
	/// Weight of [`open`](crate::Pallet::open), the first of a sponsored pair.
	fn open() -> Weight;
	/// Weight of [`open_authorized`](crate::Pallet::open_authorized), the same.
	fn open_authorized() -> Weight;
	/// Weight of [`top_up`](crate::Pallet::top_up).
	fn top_up() -> Weight;
	/// Weight of [`settle_batch`](crate::Pallet::settle_batch) with `n` items, all paid to the caller,
	/// nobody rewarded, signed by ed25519, on the first lane of channels without changes.
	fn settle_batch(n: u32) -> Weight;
	/// The same with as many referrers rewarded for each item as there can be.
	fn settle_batch_rewarded(n: u32) -> Weight;
	/// The same as the last, each item paid to another payee, none of them the caller.
	fn settle_batch_foreign(n: u32) -> Weight;
	/// The same as the first with items signed by sr25519.
	fn settle_batch_sr25519(n: u32) -> Weight;
	/// The same as the first with items signed by ecdsa.
	fn settle_batch_ecdsa(n: u32) -> Weight;
	/// The same with items that fail the last check before the signature's.
	fn settle_batch_skipped(n: u32) -> Weight;
	/// The same as the first with items on the last of as many lanes as there can be.
	fn settle_batch_lanes(n: u32) -> Weight;
	/// The same as the one by ecdsa for channels with all changes that there can be, signed by the key
	/// that was replaced.
	fn settle_batch_changed(n: u32) -> Weight;
	/// Weight of `n` hashes of a chain of ticks.
	fn walk_ticks(n: u32) -> Weight;
	/// Weight of asking whether the platform's share covers the fee.
	fn fee_cover() -> Weight;
	/// Weight of [`request_close`](crate::Pallet::request_close).
	fn request_close() -> Weight;
	/// Weight of [`cancel_close`](crate::Pallet::cancel_close).
	fn cancel_close() -> Weight;
	/// Weight of [`close`](crate::Pallet::close) without a last item.
	fn close() -> Weight;
	/// Weight of [`close_with_consent`](crate::Pallet::close_with_consent) with something to pay, as many
	/// rewarded for it as there can be.
	fn close_with_consent() -> Weight;
	/// Weight of [`finalize`](crate::Pallet::finalize) with `n` channels that all end.
	fn finalize(n: u32) -> Weight;
	/// The same with ids of channels that are not due.
	fn finalize_skipped(n: u32) -> Weight;
	/// Weight of ending `n` channels that are due, all in one block.
	fn on_idle(n: u32) -> Weight;
	/// Weight of looking through `n` blocks in which none is.
	fn on_idle_blocks(n: u32) -> Weight;
	/// Weight of [`rotate_key`](crate::Pallet::rotate_key).
	fn rotate_key() -> Weight;
	/// Weight of [`set_cap`](crate::Pallet::set_cap).
	fn set_cap() -> Weight;
	/// Weight of [`revoke_lane`](crate::Pallet::revoke_lane).
	fn revoke_lane() -> Weight;
}

/// `base + n · step`, in picoseconds.
fn linear(base: u64, step: u64, n: u32) -> Weight {
	Weight::from_parts(step, 0).saturating_mul(n.into()).saturating_add(Weight::from_parts(base, 0))
}

macro_rules! round_numbers {
	($($name:ident ($($n:ident)?) = $base:literal $(+ $step:literal)?;)*) => {
		/// For the mocks of unit tests only: round numbers that tell the parts of a sum apart.
		impl WeightInfo for () {
			$(fn $name($($n: u32)?) -> Weight {
				linear($base, 0 $(+ $step)?, 0 $(+ $n)?)
			})*
		}
	};
}

round_numbers! {
	open() = 1_000_000;
	open_authorized() = 1_000_000;
	top_up() = 1_000_000;
	settle_batch(n) = 1_000_000 + 1_000;
	settle_batch_rewarded(n) = 1_300_000 + 9_000;
	settle_batch_foreign(n) = 1_000_000 + 20_000;
	settle_batch_sr25519(n) = 1_000_000 + 1_500;
	settle_batch_ecdsa(n) = 2_000_000 + 5_000;
	settle_batch_skipped(n) = 500_000 + 100;
	settle_batch_lanes(n) = 1_000_000 + 3_000;
	settle_batch_changed(n) = 1_000_000 + 8_000;
	walk_ticks(n) = 1_000 + 10;
	fee_cover() = 100_000;
	request_close() = 1_000_000;
	cancel_close() = 1_000_000;
	close() = 1_000_000;
	close_with_consent() = 1_000_000;
	finalize(n) = 1_000_000 + 1_000;
	finalize_skipped(n) = 500_000 + 100;
	on_idle(n) = 10_000 + 1_000;
	on_idle_blocks(n) = 1_000 + 100;
	rotate_key() = 1_000_000;
	set_cap() = 1_000_000;
	revoke_lane() = 1_000_000;
}
