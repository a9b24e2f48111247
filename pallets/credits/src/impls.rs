//! The ledger itself.

use crate::{Accepted, Config, Error, Event, Free, Issued, Locked, Pallet};
#[cfg(feature = "runtime-benchmarks")]
use frame_support::traits::tokens::fungibles::Create as _;
use frame_support::{
	defensive, ensure,
	traits::{
		tokens::{
			fungibles::{Inspect as _, Mutate as _},
			Preservation,
		},
		Get,
	},
};
use frame_system::{Pallet as System, RefCount};
use sp_runtime::{traits::AccountIdConversion, DispatchError, DispatchResult};
use stoa_primitives::{
	money::LockReason,
	traits::{Ledger, SpendGuard},
	AccountId, AssetId, Balance,
};

impl<T: Config> Pallet<T> {
	/// The account that holds the real assets.
	pub fn custody() -> AccountId {
		T::PalletId::get().into_account_truncating()
	}

	/// Add `amount` to the row of `who`; returns what is in it then.
	///
	/// Fails only on overflow, which no sum of real assets reaches.
	pub(crate) fn credit(
		who: &AccountId,
		asset: &AssetId,
		amount: Balance,
	) -> Result<Balance, DispatchError> {
		Free::<T>::try_mutate_exists(who, asset, |stored| {
			let mut row = stored.unwrap_or_default();
			row.free = row.free.checked_add(amount).ok_or(Error::<T>::Overflow)?;
			if !row.sufficient && Accepted::<T>::get(asset).is_some_and(|bound| row.free >= bound) {
				row.sufficient = Self::add_reference(who);
			}
			*stored = (row.free > 0).then_some(row);
			Ok(row.free)
		})
	}

	/// Take `amount` from the row of `who`.
	pub(crate) fn debit(who: &AccountId, asset: &AssetId, amount: Balance) -> DispatchResult {
		Free::<T>::try_mutate_exists(who, asset, |stored| {
			let mut row = stored.unwrap_or_default();
			row.free = row.free.checked_sub(amount).ok_or_else(|| Self::insufficient(asset))?;
			if row.free == 0 && row.sufficient {
				Self::drop_reference(who);
			}
			*stored = (row.free > 0).then_some(row);
			Ok(())
		})
	}

	/// Pay `amount` of the free credits of `who` out to `to`.
	pub(crate) fn do_withdraw(
		who: AccountId,
		asset: AssetId,
		amount: Balance,
		to: AccountId,
	) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let custody = Self::custody();
		ensure!(to != custody, Error::<T>::CustodyNotAllowed);
		let rest = Free::<T>::get(&who, &asset)
			.unwrap_or_default()
			.free
			.checked_sub(amount)
			.ok_or_else(|| Self::insufficient(&asset))?;
		let bound = Accepted::<T>::get(&asset).unwrap_or_default();
		ensure!(rest == 0 || rest >= bound, Error::<T>::LeavesDust);
		T::SpendGuard::ensure_may_withdraw(&who, &to, &asset, amount)?;

		Self::debit(&who, &asset, amount)?;
		Self::redeem(&asset, amount)?;
		let before = T::Fungibles::balance(asset.clone(), &custody);
		T::Fungibles::transfer(asset.clone(), &custody, &to, amount, Preservation::Preserve)?;
		let after = T::Fungibles::balance(asset.clone(), &custody);
		ensure!(before.checked_sub(after) == Some(amount), Error::<T>::CustodyMismatch);
		Self::deposit_event(Event::Withdrawn { who, to, asset, amount });
		Ok(())
	}

	/// Why there are too few credits.
	pub(crate) fn insufficient(asset: &AssetId) -> Error<T> {
		if T::Fungibles::asset_exists(asset.clone()) {
			Error::InsufficientCredits
		} else {
			Error::UnknownAsset
		}
	}

	/// Count a row as one reference of `who`; returns whether it was counted.
	fn add_reference(who: &AccountId) -> bool {
		// At its maximum the counter stands still, and one more row would take down a reference that
		// it never added.
		if System::<T>::sufficients(who) == RefCount::MAX {
			return false;
		}
		System::<T>::inc_sufficients(who);
		true
	}

	/// Give back the reference that a row's flag stands for.
	fn drop_reference(who: &AccountId) {
		// Going on would remove the account.
		if System::<T>::sufficients(who) == 0 {
			defensive!("a flagged row has no reference");
			return;
		}
		System::<T>::dec_sufficients(who);
	}

	/// Count `amount` more credits of `asset`.
	pub(crate) fn issue(asset: &AssetId, amount: Balance) -> DispatchResult {
		Issued::<T>::try_mutate(asset, |issued| {
			*issued = issued.checked_add(amount).ok_or(Error::<T>::Overflow)?;
			Ok(())
		})
	}

	/// Count `amount` fewer credits of `asset`.
	pub(crate) fn redeem(asset: &AssetId, amount: Balance) -> DispatchResult {
		Issued::<T>::try_mutate_exists(asset, |stored| {
			// At least the row just debited was issued.
			let issued = stored.unwrap_or_default();
			let rest = issued.checked_sub(amount).ok_or(Error::<T>::InsufficientCredits)?;
			*stored = (rest > 0).then_some(rest);
			Ok(())
		})
	}

	/// Take `amount` out of a purse.
	fn draw(asset: &AssetId, amount: Balance, reason: LockReason) -> DispatchResult {
		Locked::<T>::try_mutate_exists(asset, reason, |stored| {
			let purse = stored.unwrap_or_default();
			let rest = purse.checked_sub(amount).ok_or(Error::<T>::InsufficientLocked)?;
			*stored = (rest > 0).then_some(rest);
			Ok(())
		})
	}
}

/// Amounts of 0 are no-ops and emit nothing. Credits of every asset move, accepted or not.
///
/// `lock` does not ask [`Config::SpendGuard`]: it does not know who will be paid. Its callers do.
/// `pay_locked` emits no event: the settlement that calls it emits one with all amounts.
impl<T: Config> Ledger for Pallet<T> {
	fn free(who: &AccountId, asset: &AssetId) -> Balance {
		Free::<T>::get(who, asset).unwrap_or_default().free
	}

	fn lock(
		who: &AccountId,
		asset: &AssetId,
		amount: Balance,
		reason: LockReason,
	) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		Self::debit(who, asset, amount)?;
		Locked::<T>::try_mutate(asset, reason, |purse| -> DispatchResult {
			*purse = purse.checked_add(amount).ok_or(Error::<T>::Overflow)?;
			Ok(())
		})?;
		Self::deposit_event(Event::Locked {
			who: who.clone(),
			asset: asset.clone(),
			amount,
			reason,
		});
		Ok(())
	}

	fn unlock(
		who: &AccountId,
		asset: &AssetId,
		amount: Balance,
		reason: LockReason,
	) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		Self::draw(asset, amount, reason)?;
		Self::credit(who, asset, amount)?;
		Self::deposit_event(Event::Unlocked {
			who: who.clone(),
			asset: asset.clone(),
			amount,
			reason,
		});
		Ok(())
	}

	fn pay_locked(
		to: &AccountId,
		asset: &AssetId,
		amount: Balance,
		reason: LockReason,
	) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		Self::draw(asset, amount, reason)?;
		Self::credit(to, asset, amount)?;
		Ok(())
	}

	/// The purse is read and written once.
	fn pay_locked_parts(
		asset: &AssetId,
		parts: &[(&AccountId, Balance)],
		reason: LockReason,
	) -> DispatchResult {
		let sum = parts.iter().try_fold(0, |sum: Balance, (_, amount)| sum.checked_add(*amount));
		let sum = sum.ok_or(Error::<T>::Overflow)?;
		if sum == 0 {
			return Ok(());
		}
		Self::draw(asset, sum, reason)?;
		for (to, amount) in parts.iter().filter(|(_, amount)| *amount > 0) {
			Self::credit(to, asset, *amount)?;
		}
		Ok(())
	}

	fn locked(asset: &AssetId, reason: LockReason) -> Balance {
		Locked::<T>::get(asset, reason)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_deposit(who: &AccountId, asset: &AssetId, amount: Balance) {
		let custody = Self::custody();
		if !T::Fungibles::asset_exists(asset.clone()) {
			T::Fungibles::create(asset.clone(), custody.clone(), true, 1).expect("a new asset");
		}
		let minimum = T::Fungibles::minimum_balance(asset.clone());
		if !Accepted::<T>::contains_key(asset) {
			Accepted::<T>::insert(asset, minimum.max(1));
		}
		let needed = Issued::<T>::get(asset) + amount + minimum;
		let held = T::Fungibles::balance(asset.clone(), &custody);
		if held < needed {
			T::Fungibles::mint_into(asset.clone(), &custody, needed - held).expect("enough units");
		}
		Self::issue(asset, amount).expect("a benchmark's amount");
		Self::credit(who, asset, amount).expect("a benchmark's amount");
	}
}
