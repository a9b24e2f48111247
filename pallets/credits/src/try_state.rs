//! What must hold between any two calls.

use crate::{Accepted, Config, Free, Issued, Locked, Pallet};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::{ensure, traits::tokens::fungibles::Inspect as _};
use sp_runtime::TryRuntimeError;
use stoa_primitives::{money::LockReason, traits::LockerTotals, AccountId, AssetId, Balance};

/// Add up amounts under a key.
fn add<K: Ord>(
	sums: &mut BTreeMap<K, Balance>,
	key: K,
	amount: Balance,
) -> Result<(), TryRuntimeError> {
	let sum = sums.entry(key).or_default();
	*sum = sum.checked_add(amount).ok_or("a sum of the ledger overflows")?;
	Ok(())
}

impl<T: Config> Pallet<T> {
	/// Check all invariants of the ledger. Walks all of it: for tests and inspection.
	///
	/// 1. Per asset, what is issued is the sum of all rows and purses.
	/// 2. Custody holds what is issued, and the minimum balance of accepted assets on top.
	/// 3. No row, purse or total of 0 is stored, and no dust bound is 0.
	/// 4. An account has at least one `sufficient` reference per flagged row.
	/// 5. Each purse holds what the pallet that uses it has locked; a purse that none uses is empty.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_state_issued()?;
		Self::try_state_custody()?;
		Self::try_state_zeros()?;
		Self::try_state_references()?;
		Self::try_state_lockers()
	}

	/// ### Invariants
	///
	/// 1. Per asset, what is issued is the sum of all rows and purses.
	fn try_state_issued() -> Result<(), TryRuntimeError> {
		let mut sums = BTreeMap::<AssetId, Balance>::new();
		for (_, asset, row) in Free::<T>::iter() {
			add(&mut sums, asset, row.free)?;
		}
		for (asset, _, purse) in Locked::<T>::iter() {
			add(&mut sums, asset, purse)?;
		}
		let issued: BTreeMap<AssetId, Balance> = Issued::<T>::iter().collect();
		ensure!(sums == issued, "1: issued is not the sum of free and locked");
		Ok(())
	}

	/// ### Invariants
	///
	/// 2. Custody holds what is issued, and the minimum balance of accepted assets on top.
	fn try_state_custody() -> Result<(), TryRuntimeError> {
		let custody = Self::custody();
		let assets: BTreeSet<AssetId> =
			Issued::<T>::iter_keys().chain(Accepted::<T>::iter_keys()).collect();
		for asset in assets {
			let mut owed = Issued::<T>::get(&asset);
			if Accepted::<T>::contains_key(&asset) {
				owed = owed
					.checked_add(T::Fungibles::minimum_balance(asset.clone()))
					.ok_or("2: issued and minimum balance overflow")?;
			}
			ensure!(
				T::Fungibles::balance(asset, &custody) >= owed,
				"2: custody holds less than it owes"
			);
		}
		Ok(())
	}

	/// ### Invariants
	///
	/// 3. No row, purse or total of 0 is stored, and no dust bound is 0.
	fn try_state_zeros() -> Result<(), TryRuntimeError> {
		ensure!(Free::<T>::iter_values().all(|row| row.free > 0), "3: a row is empty");
		ensure!(Locked::<T>::iter_values().all(|purse| purse > 0), "3: an empty purse is stored");
		ensure!(Issued::<T>::iter_values().all(|issued| issued > 0), "3: a total of 0 is stored");
		ensure!(Accepted::<T>::iter_values().all(|bound| bound > 0), "3: a dust bound is 0");
		Ok(())
	}

	/// ### Invariants
	///
	/// 4. An account has at least one `sufficient` reference per flagged row.
	fn try_state_references() -> Result<(), TryRuntimeError> {
		let mut flagged = BTreeMap::<AccountId, Balance>::new();
		for (who, _, row) in Free::<T>::iter() {
			if row.sufficient {
				add(&mut flagged, who, 1)?;
			}
		}
		for (who, rows) in flagged {
			ensure!(
				Balance::from(frame_system::Pallet::<T>::sufficients(&who)) >= rows,
				"4: a flagged row is not counted"
			);
		}
		Ok(())
	}

	/// ### Invariants
	///
	/// 5. Each purse holds what the pallet that uses it has locked; a purse that none uses is empty.
	fn try_state_lockers() -> Result<(), TryRuntimeError> {
		let mut reported = BTreeMap::<(LockReason, AssetId), Balance>::new();
		for (reason, totals) in T::Lockers::totals() {
			for (asset, amount) in totals {
				if amount > 0 {
					add(&mut reported, (reason, asset), amount)?;
				}
			}
		}
		let purses: BTreeMap<(LockReason, AssetId), Balance> =
			Locked::<T>::iter().map(|(asset, reason, purse)| ((reason, asset), purse)).collect();
		ensure!(purses == reported, "5: a purse differs from what its pallet has locked");
		Ok(())
	}
}
