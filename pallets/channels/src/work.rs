//! What a batch weighs: each item by what had to be done for it.

use crate::{pallet::*, weights::WeightInfo, MAX_ASSETS};
use frame_support::weights::Weight;
use stoa_primitives::{channel::Item, keys::KeySignature, referral::MAX_SIDE_WORK};

/// An item that was paid.
pub struct Paid {
	/// What the settlement had to do for referrers of the side that has more of them.
	pub side_work: u32,
	/// Whether somebody else than the caller was paid.
	pub foreign: bool,
}

impl Paid {
	/// The most work that an item can be.
	pub const WORST: Self = Self { side_work: MAX_SIDE_WORK, foreign: true };
}

/// How much work a batch is: how many items of each cost. All sums saturate: a batch is far too short
/// to reach the end of the range.
#[derive(Clone, Copy, Default)]
pub struct Work {
	/// Verified, by an ed25519 signature.
	ed25519: u32,
	/// Verified, by an sr25519 signature.
	sr25519: u32,
	/// Verified, by an ecdsa signature, which is longer and recovers the key.
	ecdsa: u32,
	/// Skipped before the signature was checked.
	skipped: u32,
	/// On another lane than the first, whose row is read and written.
	lanes: u32,
	/// Of a channel with changes, whose row is read and written, and whose replaced key is tried too.
	changed: u32,
	/// Hashes of ticks.
	ticks: u32,
	/// Work for referrers: for each item, that of its larger side.
	referral: u32,
	/// Paid to somebody else than the caller, so that each may bring records of its own.
	foreign: u32,
	/// Assets that were paid in.
	assets: u32,
}

impl Work {
	/// The least work that `n` items can be.
	pub fn refused(n: usize) -> Self {
		Self { skipped: u32::try_from(n).unwrap_or(u32::MAX), ..Self::default() }
	}

	/// The weight of the most work that `items` can be.
	pub fn limit<T: Config>(items: &[Item]) -> Weight {
		let mut work = Self::default();
		for item in items {
			work.verified(item, true);
			work.walked(item);
			work.paid(&Paid::WORST);
		}
		work.assets = u32::try_from(items.len()).unwrap_or(u32::MAX).min(MAX_ASSETS);
		work.weight::<T>()
	}

	/// Count an item that was paid.
	pub fn paid(&mut self, paid: &Paid) {
		self.referral = self.referral.saturating_add(paid.side_work);
		self.foreign = self.foreign.saturating_add(paid.foreign.into());
	}

	/// Count an item whose signature was checked, and whether its channel has changes.
	pub fn verified(&mut self, item: &Item, changed: bool) {
		// A key verifies signatures of its own scheme only, so the signature alone tells the cost.
		let count = match item.signature() {
			KeySignature::Ed25519(_) => &mut self.ed25519,
			KeySignature::Sr25519(_) => &mut self.sr25519,
			KeySignature::Ecdsa(_) => &mut self.ecdsa,
		};
		*count = count.saturating_add(1);
		self.lanes = self.lanes.saturating_add((item.lane > 0).into());
		self.changed = self.changed.saturating_add(changed.into());
	}

	/// Count the hashes of an item's tick.
	pub fn walked(&mut self, item: &Item) {
		self.ticks = self.ticks.saturating_add(item.ticks());
	}

	/// Count an asset that was not paid in before.
	pub fn asset(&mut self) {
		self.assets = self.assets.saturating_add(1);
	}

	/// Count an item that was skipped before its signature was checked.
	pub fn skipped(&mut self) {
		self.skipped = self.skipped.saturating_add(1);
	}

	/// What it weighs: the base of a batch once, and each item at its own price.
	///
	/// Every asset has records of its own that a batch touches once: its purse and totals, the caps of
	/// rewards, and rows of the payee, the platform and the growth pool. For the first they are in the
	/// base. No benchmark has more than one asset; but a batch of several costs no more than one batch
	/// for each, so each further asset is charged as much as another base.
	pub fn weight<T: Config>(self) -> Weight {
		let times = |weight: Weight, n: u32| weight.saturating_mul(n.into());
		let plain = per_item(T::WeightInfo::settle_batch);
		let beyond = |weight: fn(u32) -> Weight| per_item(weight).saturating_sub(plain);
		let rewarded = per_item(T::WeightInfo::settle_batch_rewarded);
		let foreign = per_item(T::WeightInfo::settle_batch_foreign).saturating_sub(rewarded);
		// Items that pay the caller share its side: that side's records are read and written once.
		let shared = match self.referral {
			0 => Weight::zero(),
			_ => T::WeightInfo::settle_batch_rewarded(0)
				.saturating_sub(T::WeightInfo::settle_batch(0)),
		};
		T::WeightInfo::settle_batch(self.ed25519)
			.saturating_add(shared)
			.saturating_add(times(per_item(T::WeightInfo::settle_batch_sr25519), self.sr25519))
			.saturating_add(times(per_item(T::WeightInfo::settle_batch_ecdsa), self.ecdsa))
			.saturating_add(times(per_item(T::WeightInfo::settle_batch_skipped), self.skipped))
			.saturating_add(times(beyond(T::WeightInfo::settle_batch_lanes), self.lanes))
			.saturating_add(times(beyond(T::WeightInfo::settle_batch_changed), self.changed))
			.saturating_add(times(per_item(T::WeightInfo::walk_ticks), self.ticks))
			.saturating_add(times(per_side_work::<T>(), self.referral))
			.saturating_add(times(foreign, self.foreign))
			.saturating_add(times(T::WeightInfo::settle_batch(0), self.assets.saturating_sub(1)))
			.saturating_add(T::WeightInfo::fee_cover())
	}
}

/// What one item adds to a batch.
pub(crate) fn per_item(weight: fn(u32) -> Weight) -> Weight {
	weight(1).saturating_sub(weight(0))
}

/// What one unit of work for referrers of the larger side adds to an item of a batch.
///
/// In the benchmark both sides have all the work there can be, but only the payer's side brings
/// records of its own with each item. So the difference is storage for one side, and computation for
/// both: what is charged by the larger side is never too little.
fn per_side_work<T: Config>() -> Weight {
	per_item(T::WeightInfo::settle_batch_rewarded)
		.saturating_sub(per_item(T::WeightInfo::settle_batch))
		.saturating_div(MAX_SIDE_WORK.into())
}

/// The weight of closing with or without a last item.
pub(crate) fn close_weight<T: Config>(last: Option<&Item>) -> Weight {
	let item = last.map(|item| Work::limit::<T>(core::slice::from_ref(item)));
	T::WeightInfo::close().saturating_add(item.unwrap_or_default())
}

/// The weight of ending `ended` channels and skipping `skipped` ids.
pub(crate) fn finalize_weight<T: Config>(ended: usize, skipped: usize) -> Weight {
	// Both are bounded by `MAX_FINALIZE`.
	let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
	T::WeightInfo::finalize(count(ended)).saturating_add(
		T::WeightInfo::finalize_skipped(count(skipped))
			.saturating_sub(T::WeightInfo::finalize_skipped(0)),
	)
}
