//! The ledger as `fungibles`, so that the SDK's own adapter can charge transaction fees from it.
//!
//! Balances are free credits. A withdrawal leaves an imbalance that counts as issued until it is
//! resolved into rows again, as fees are at the end of the same transaction; what is dropped instead
//! is no longer owed by custody.

use crate::{Config, Event, Free, Issued, Pallet};
use frame_support::traits::{
	fungibles::{Balanced, DecreaseIssuance, Dust, IncreaseIssuance, Inspect, Unbalanced},
	tokens::{DepositConsequence, Fortitude, Preservation, Provenance, WithdrawConsequence},
};
use sp_runtime::DispatchError;
use stoa_primitives::{traits::Ledger, AccountId, AssetId, Balance};

impl<T: Config> Inspect<AccountId> for Pallet<T> {
	type AssetId = AssetId;
	type Balance = Balance;

	fn total_issuance(asset: AssetId) -> Balance {
		Issued::<T>::get(asset)
	}

	/// None: rows of any size are kept.
	fn minimum_balance(_: AssetId) -> Balance {
		0
	}

	fn total_balance(asset: AssetId, who: &AccountId) -> Balance {
		Self::free(who, &asset)
	}

	fn balance(asset: AssetId, who: &AccountId) -> Balance {
		Free::<T>::get(who, asset).unwrap_or_default().free
	}

	/// All, but for the last unit of a row that keeps its account alive, unless that may end: with
	/// the account its nonce would be gone.
	fn reducible_balance(
		asset: AssetId,
		who: &AccountId,
		preservation: Preservation,
		_: Fortitude,
	) -> Balance {
		let row = Free::<T>::get(who, asset).unwrap_or_default();
		match preservation {
			Preservation::Expendable => row.free,
			Preservation::Protect | Preservation::Preserve => {
				row.free.saturating_sub(Balance::from(row.sufficient))
			},
		}
	}

	fn can_deposit(
		asset: AssetId,
		who: &AccountId,
		amount: Balance,
		_: Provenance,
	) -> DepositConsequence {
		match Self::free(who, &asset).checked_add(amount) {
			Some(_) => DepositConsequence::Success,
			None => DepositConsequence::Overflow,
		}
	}

	fn can_withdraw(
		asset: AssetId,
		who: &AccountId,
		amount: Balance,
	) -> WithdrawConsequence<Balance> {
		let row = Free::<T>::get(who, asset).unwrap_or_default();
		match row.free.checked_sub(amount) {
			None => WithdrawConsequence::BalanceLow,
			Some(0) if row.sufficient && amount > 0 => WithdrawConsequence::WouldDie,
			Some(_) => WithdrawConsequence::Success,
		}
	}

	fn asset_exists(asset: AssetId) -> bool {
		T::Fungibles::asset_exists(asset)
	}
}

impl<T: Config> Unbalanced<AccountId> for Pallet<T> {
	// There is no dust where there is no minimum.
	fn handle_dust(_: Dust<AccountId, Self>) {}

	fn write_balance(
		asset: AssetId,
		who: &AccountId,
		amount: Balance,
	) -> Result<Option<Balance>, DispatchError> {
		let free = Self::free(who, &asset);
		if amount > free {
			Self::credit(who, &asset, amount.saturating_sub(free))?;
		} else {
			Self::debit(who, &asset, free.saturating_sub(amount))?;
		}
		Ok(None)
	}

	fn set_total_issuance(asset: AssetId, amount: Balance) {
		Issued::<T>::mutate_exists(asset, |issued| *issued = (amount > 0).then_some(amount));
	}
}

impl<T: Config> Balanced<AccountId> for Pallet<T> {
	type OnDropCredit = DecreaseIssuance<AccountId, Self>;
	type OnDropDebt = IncreaseIssuance<AccountId, Self>;

	// Whoever adds up events must find each change of a row.
	fn done_deposit(asset: AssetId, who: &AccountId, amount: Balance) {
		Self::deposit_event(Event::Credited { who: who.clone(), asset, amount });
	}

	fn done_withdraw(asset: AssetId, who: &AccountId, amount: Balance) {
		Self::deposit_event(Event::Debited { who: who.clone(), asset, amount });
	}
}
