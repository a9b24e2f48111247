//! What must always hold.

use crate::{
	Caps, Chain, Codes, CodesOf, Config, CurrentTerms, Edges, Pallet, RefereeCount, Totals,
};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::Get};
use sp_runtime::TryRuntimeError;
use stoa_primitives::AccountId;

impl<T: Config> Pallet<T> {
	/// ## Invariants
	///
	/// 1. An edge names at least one referrer, and the ones above it are those of the edge of the
	///    direct referrer.
	/// 2. Edges form no circle.
	/// 3. An agent's count of referees is the number of edges to it; no row says 0.
	/// 4. Codes are well formed, an owner's count of them is right and at most `MaxCodes`; no row
	///    says 0.
	/// 5. Totals exist for referees with an edge and assets with a cap only, and no more was granted
	///    than had been pooled.
	/// 6. At most `MaxRewardAssets` assets have a cap.
	/// 7. The terms are valid.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_state_edges()?;
		Self::try_state_codes()?;
		for (referee, asset, totals) in Totals::<T>::iter() {
			ensure!(Edges::<T>::contains_key(&referee), "5: totals without an edge");
			ensure!(Caps::<T>::contains_key(&asset), "5: totals without a cap");
			ensure!(totals.granted <= totals.pooled, "5: more granted than pooled");
		}
		ensure!(Caps::<T>::count() <= T::MaxRewardAssets::get(), "6: too many caps");
		ensure!(Self::ensure_terms(&CurrentTerms::<T>::get()).is_ok(), "7: invalid terms");
		Ok(())
	}

	fn try_state_edges() -> Result<(), TryRuntimeError> {
		let mut counts = BTreeMap::<AccountId, u32>::new();
		let mut ending = BTreeSet::<AccountId>::new();
		for (referee, edge) in Edges::<T>::iter() {
			let direct = edge.referrers.first().cloned().ok_or("1: an edge to nobody")?;
			let upper = Edges::<T>::get(&direct).map(|edge| edge.referrers).unwrap_or_default();
			let chain = core::iter::once(direct.clone()).chain(upper).collect();
			ensure!(edge.referrers == Chain::truncate_from(chain), "1: a wrong chain");

			let mut way = BTreeSet::new();
			let mut at = Some(referee);
			while let Some(who) = at.filter(|who| !ending.contains(who)) {
				at = Edges::<T>::get(&who).and_then(|edge| edge.referrers.first().cloned());
				ensure!(way.insert(who), "2: a circle");
			}
			ending.append(&mut way);

			let count = counts.entry(direct).or_default();
			*count = count.saturating_add(1);
		}
		let stored: BTreeMap<AccountId, u32> = RefereeCount::<T>::iter().collect();
		ensure!(stored == counts, "3: wrong counts of referees");
		Ok(())
	}

	fn try_state_codes() -> Result<(), TryRuntimeError> {
		let mut counts = BTreeMap::<AccountId, u32>::new();
		for (code, record) in Codes::<T>::iter() {
			ensure!(Self::is_well_formed(&code), "4: a malformed code");
			let count = counts.entry(record.owner).or_default();
			*count = count.saturating_add(1);
			ensure!(*count <= T::MaxCodes::get(), "4: too many codes");
		}
		let stored: BTreeMap<AccountId, u32> = CodesOf::<T>::iter().collect();
		ensure!(stored == counts, "4: wrong counts of codes");
		Ok(())
	}
}
