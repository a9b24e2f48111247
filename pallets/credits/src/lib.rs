//! # Credits
//!
//! Pooled custody and the internal ledger of market money.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for calls, events, errors, storage and view functions. Other pallets
//! use the ledger through [`stoa_primitives::traits::Ledger`].
//!
//! ## Overview
//!
//! One **custody** account per deployment holds the real assets of everybody who trades. This pallet
//! says whose they are: a **credit** is a claim on one unit of an asset in custody. Credits are
//! **free**, in a row per account and asset, or **locked**, in one purse per asset and reason.
//!
//! Real assets move at two places only, [`deposit`](pallet::Pallet::deposit) and
//! [`withdraw`](pallet::Pallet::withdraw), the latter also as
//! [`withdraw_all`](pallet::Pallet::withdraw_all). All trade in between changes numbers here, so a payment
//! cannot fail because of what the beneficiary's account is or holds, amounts below an asset's
//! minimum balance can be earned, and what was earned can be spent at once.
//!
//! There is no call that moves credits from one account to another. What is earned changes owner
//! through the settlement that takes fees, and through nothing else. (An operator that tops up its
//! agent's channel gives to the agent, within the limits of a withdrawal.) Transaction fees can be paid
//! from credits too: for the fee adapters of the SDK, the ledger is a
//! [`fungibles`](frame_support::traits::fungibles).
//!
//! ## Low Level / Implementation Details
//!
//! ### Solvency
//!
//! Per asset, `custody balance ≥ issued = Σ free + Σ locked`. An asset can be accepted only when
//! custody holds the asset's minimum balance on top of what it owes, so paying out the last credit
//! never destroys the custody account. [`Pallet::do_try_state`] recomputes all of it, and compares
//! each purse with what the pallet behind it says it has locked ([`Config::Lockers`]).
//!
//! ### Who pays for a row
//!
//! A deposit must leave the beneficiary's row at or above the asset's **dust bound**: that much money
//! has come in for the row. Smaller rows come from settlements and from partial spends, both of which
//! pay a transaction fee. A row is removed when it is empty.
//!
//! ### Accounts that own nothing but credits
//!
//! A row that has reached the dust bound of an accepted asset counts as one `sufficient` reference of
//! its account until the row is removed, whatever happens to the bound or the asset in between (see
//! [`Row::sufficient`]). When the last reference of an account goes, the account is gone, and the nonce
//! of its transactions with it. The runtime must start the nonces of new accounts where no old
//! transaction of a removed one fits, or what such an account once signed could be replayed.
//!
//! ### Limits on spending
//!
//! [`Config::SpendGuard`] is asked before a withdrawal. It is **not** asked by
//! [`Ledger::lock`](stoa_primitives::traits::Ledger::lock), which does not know who will be paid: a
//! pallet that locks credits asks it with the payee first.
//!
//! ### Events
//!
//! Locking and unlocking emit an event. Paying from a purse does not: the settlement that pays emits
//! one event which carries the amounts of all beneficiaries. A transaction fee emits one event for each
//! row that it takes from or gives to.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]
#![cfg_attr(
	not(any(test, feature = "runtime-benchmarks")),
	deny(
		clippy::arithmetic_side_effects,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::unwrap_used
	)
)]

extern crate alloc;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod fungibles;
mod impls;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod try_state;
mod types;
pub mod weights;

pub use pallet::*;
pub use types::{Row, Solvency};
pub use weights::WeightInfo;

/// Custody, the rows of accounts, the purses of locking pallets, and the assets that are accepted.
#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::tokens::{
			fungibles::{self, Inspect as _, Mutate as _},
			Preservation,
		},
		PalletId,
	};
	use frame_system::pallet_prelude::*;
	use stoa_primitives::{
		money::LockReason,
		traits::{LockerTotals, SpendGuard},
		AccountId, AssetId, Balance,
	};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	/// What the runtime provides.
	#[pallet::config]
	pub trait Config:
		frame_system::Config<AccountId = AccountId, RuntimeEvent: From<Event<Self>>>
	{
		/// The real assets.
		#[cfg(not(feature = "runtime-benchmarks"))]
		type Fungibles: fungibles::Mutate<AccountId, AssetId = AssetId, Balance = Balance>;

		/// The real assets; benchmarks also make new ones.
		#[cfg(feature = "runtime-benchmarks")]
		type Fungibles: fungibles::Mutate<AccountId, AssetId = AssetId, Balance = Balance>
			+ fungibles::Create<AccountId>;

		/// Limits on withdrawals.
		type SpendGuard: SpendGuard;

		/// Every pallet that locks credits, for the check of the purses.
		type Lockers: LockerTotals;

		/// Who decides which assets are accepted. It can move nobody's credits.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// From which the custody account is derived.
		#[pallet::constant]
		type PalletId: Get<PalletId>;

		/// What the calls weigh.
		type WeightInfo: WeightInfo;
	}

	/// What each account can spend of each asset.
	///
	/// Without a storage deposit: see "Who pays for a row" in the crate's documentation.
	// Both keys are chosen by users.
	#[pallet::storage]
	pub type Free<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, AssetId, Row>;

	/// What is in each purse; empty purses are not stored.
	///
	/// At most as many purses per asset as there are reasons.
	#[pallet::storage]
	pub type Locked<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		AssetId,
		Twox64Concat,
		LockReason,
		Balance,
		ValueQuery,
	>;

	/// All credits of each asset, free and locked. Deposits and withdrawals change it, and transaction
	/// fees that are handed to nobody.
	#[pallet::storage]
	pub type Issued<T: Config> = StorageMap<_, Blake2_128Concat, AssetId, Balance, ValueQuery>;

	/// The assets that can be deposited, each with its dust bound, which is never 0.
	///
	/// Without a storage deposit: only the admin adds to it.
	#[pallet::storage]
	pub type Accepted<T: Config> = StorageMap<_, Blake2_128Concat, AssetId, Balance>;

	/// The ledger at genesis.
	///
	/// Credits exist only for what was deposited, so none are minted here. The genesis of the real
	/// assets must endow custody with the minimum balance of each accepted asset; this cannot be
	/// checked while genesis is built, [`Pallet::do_try_state`] checks it.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Assets that can be deposited, each with its dust bound.
		pub accepted: Vec<(AssetId, Balance)>,
		/// Marker.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			for (asset, dust_bound) in &self.accepted {
				assert!(*dust_bound > 0, "the dust bound of {asset:?} is zero");
				assert!(!Accepted::<T>::contains_key(asset), "{asset:?} is listed twice");
				Accepted::<T>::insert(asset, dust_bound);
			}
		}
	}

	/// What changed in the ledger.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// Real assets came into custody.
		#[codec(index = 0)]
		Deposited {
			/// Who paid them in.
			who: AccountId,
			/// Who was credited.
			beneficiary: AccountId,
			/// The asset.
			asset: AssetId,
			/// What custody received and the beneficiary was credited with.
			amount: Balance,
		},
		/// Real assets left custody.
		#[codec(index = 1)]
		Withdrawn {
			/// Whose credits they were.
			who: AccountId,
			/// Who received them.
			to: AccountId,
			/// The asset.
			asset: AssetId,
			/// How much.
			amount: Balance,
		},
		/// Free credits went into a purse.
		#[codec(index = 2)]
		Locked {
			/// Whose credits they were.
			who: AccountId,
			/// The asset.
			asset: AssetId,
			/// How much.
			amount: Balance,
			/// The purse.
			reason: LockReason,
		},
		/// Credits went from a purse back to who had locked them.
		#[codec(index = 3)]
		Unlocked {
			/// Whose credits they are again.
			who: AccountId,
			/// The asset.
			asset: AssetId,
			/// How much.
			amount: Balance,
			/// The purse.
			reason: LockReason,
		},
		/// An asset can be deposited, or its dust bound was changed.
		#[codec(index = 4)]
		AssetAccepted {
			/// The asset.
			asset: AssetId,
			/// The least that a deposit may leave in a row.
			dust_bound: Balance,
		},
		/// An asset can no longer be deposited. What is in custody can be spent and withdrawn.
		#[codec(index = 5)]
		AssetStopped {
			/// The asset.
			asset: AssetId,
		},
		/// Free credits came out of a transaction fee: what was too much, or a share of it.
		#[codec(index = 6)]
		Credited {
			/// Whose row it is.
			who: AccountId,
			/// The asset.
			asset: AssetId,
			/// How much.
			amount: Balance,
		},
		/// Free credits went into a transaction fee.
		#[codec(index = 7)]
		Debited {
			/// Whose row it is.
			who: AccountId,
			/// The asset.
			asset: AssetId,
			/// How much.
			amount: Balance,
		},
	}

	/// Why a call or an operation on the ledger failed.
	#[pallet::error]
	pub enum Error<T> {
		/// The asset cannot be deposited. See the view function `accepted_assets`.
		#[codec(index = 0)]
		AssetNotAccepted,
		/// The beneficiary's row would be below the asset's dust bound. Deposit more.
		#[codec(index = 1)]
		BelowDustBound,
		/// The amount is zero, or nothing of it reached custody. Name an amount above zero.
		#[codec(index = 2)]
		ZeroAmount,
		/// The account has fewer free credits of the asset. See the view function `balance`.
		#[codec(index = 3)]
		InsufficientCredits,
		/// The purse holds less. Only a mistake in the pallet that uses the purse leads here.
		#[codec(index = 4)]
		InsufficientLocked,
		/// The custody account was named as a party. Its own balance is not anybody's credits.
		#[codec(index = 5)]
		CustodyNotAllowed,
		/// Custody's real balance did not change by the amount moved. An asset that takes a part of
		/// what is transferred cannot be withdrawn exactly; ask the admin not to accept it.
		#[codec(index = 6)]
		CustodyMismatch,
		/// No such asset exists. Create it first.
		#[codec(index = 7)]
		UnknownAsset,
		/// Custody does not hold the asset's minimum balance on top of what it owes. Transfer that
		/// much to the custody account first.
		#[codec(index = 8)]
		CustodyNotFunded,
		/// The dust bound is zero or below the asset's minimum balance. Raise it.
		#[codec(index = 9)]
		DustBoundTooLow,
		/// A sum is too large for the ledger. No real asset has that many units.
		#[codec(index = 10)]
		Overflow,
		/// The depositor's own balance of the asset, outside the ledger, is smaller. Deposit less.
		#[codec(index = 11)]
		InsufficientAssets,
		/// What would be left is below the asset's dust bound. Withdraw less, or all with `withdraw_all`.
		#[codec(index = 12)]
		LeavesDust,
	}

	/// Moving real assets in and out, and choosing which may come in.
	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Pay real assets in and credit a beneficiary with them.
		///
		/// ## Dispatch Origin
		///
		/// Signed, by whoever owns the assets.
		///
		/// ## Details
		///
		/// The beneficiary is credited with what custody received. The depositor's account is kept
		/// alive: its last minimum balance of the asset cannot be deposited.
		///
		/// ## Errors
		///
		/// - [`Error::ZeroAmount`]: nothing is deposited.
		/// - [`Error::CustodyNotAllowed`]: the beneficiary is custody.
		/// - [`Error::AssetNotAccepted`]: the asset cannot be deposited.
		/// - [`Error::BelowDustBound`]: the beneficiary would have less than the dust bound.
		/// - [`Error::InsufficientAssets`]: the depositor has less of the asset.
		/// - Any error of the asset's own transfer.
		///
		/// ## Events
		///
		/// - [`Event::Deposited`]
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::deposit())]
		pub fn deposit(
			origin: OriginFor<T>,
			asset: AssetId,
			amount: Balance,
			beneficiary: AccountId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			ensure!(amount > 0, Error::<T>::ZeroAmount);
			let custody = Self::custody();
			ensure!(beneficiary != custody, Error::<T>::CustodyNotAllowed);
			let bound = Accepted::<T>::get(&asset).ok_or(Error::<T>::AssetNotAccepted)?;
			let row = Free::<T>::get(&beneficiary, &asset).unwrap_or_default();
			let expected = row.free.checked_add(amount).ok_or(Error::<T>::Overflow)?;
			ensure!(expected >= bound, Error::<T>::BelowDustBound);

			let owned = T::Fungibles::balance(asset.clone(), &who);
			ensure!(owned >= amount, Error::<T>::InsufficientAssets);
			let before = T::Fungibles::balance(asset.clone(), &custody);
			T::Fungibles::transfer(asset.clone(), &who, &custody, amount, Preservation::Preserve)?;
			let received = T::Fungibles::balance(asset.clone(), &custody)
				.checked_sub(before)
				.ok_or(Error::<T>::CustodyMismatch)?;
			ensure!(received > 0, Error::<T>::ZeroAmount);

			let free = Self::credit(&beneficiary, &asset, received)?;
			ensure!(free >= bound, Error::<T>::BelowDustBound);
			Self::issue(&asset, received)?;
			Self::deposit_event(Event::Deposited { who, beneficiary, asset, amount: received });
			Ok(())
		}

		/// Give up free credits for real assets.
		///
		/// ## Dispatch Origin
		///
		/// Signed, by whoever owns the credits.
		///
		/// ## Details
		///
		/// Works for every asset, whether or not it is still accepted. The receiver gets the exact
		/// amount. When it cannot receive it, or the asset is frozen, nothing changes. Of an asset that
		/// is accepted, all is withdrawn or at least the dust bound is left, so that nobody leaves rows
		/// behind for which no money stays.
		///
		/// ## Errors
		///
		/// - [`Error::ZeroAmount`]: nothing is withdrawn.
		/// - [`Error::CustodyNotAllowed`]: the receiver is custody.
		/// - [`Error::InsufficientCredits`]: fewer credits are free.
		/// - [`Error::UnknownAsset`]: the asset does not exist.
		/// - [`Error::LeavesDust`]: something is left, but less than the dust bound.
		/// - [`Error::CustodyMismatch`]: the transfer took another amount out of custody.
		/// - Any error of [`Config::SpendGuard`] and of the asset's own transfer.
		///
		/// ## Events
		///
		/// - [`Event::Withdrawn`]
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw(
			origin: OriginFor<T>,
			asset: AssetId,
			amount: Balance,
			to: AccountId,
		) -> DispatchResult {
			let who = ensure_signed(origin)?;
			Self::do_withdraw(who, asset, amount, to)
		}

		/// Let an asset be deposited, or change its dust bound.
		///
		/// ## Dispatch Origin
		///
		/// [`Config::AdminOrigin`].
		///
		/// ## Details
		///
		/// The bound should be worth more than what a row of the ledger and an account cost in
		/// storage. Rows that exist keep what they have; a new bound applies to the next deposit and
		/// the next credit.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownAsset`]: the asset does not exist.
		/// - [`Error::DustBoundTooLow`]: the bound is zero or below the asset's minimum balance.
		/// - [`Error::CustodyNotFunded`]: custody lacks the asset's minimum balance.
		///
		/// ## Events
		///
		/// - [`Event::AssetAccepted`]
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::accept_asset())]
		pub fn accept_asset(
			origin: OriginFor<T>,
			asset: AssetId,
			dust_bound: Balance,
		) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			ensure!(T::Fungibles::asset_exists(asset.clone()), Error::<T>::UnknownAsset);
			let minimum = T::Fungibles::minimum_balance(asset.clone());
			ensure!(dust_bound > 0 && dust_bound >= minimum, Error::<T>::DustBoundTooLow);
			let needed =
				Issued::<T>::get(&asset).checked_add(minimum).ok_or(Error::<T>::Overflow)?;
			let held = T::Fungibles::balance(asset.clone(), &Self::custody());
			ensure!(held >= needed, Error::<T>::CustodyNotFunded);

			Accepted::<T>::insert(&asset, dust_bound);
			Self::deposit_event(Event::AssetAccepted { asset, dust_bound });
			Ok(())
		}

		/// Let an asset no longer be deposited.
		///
		/// ## Dispatch Origin
		///
		/// [`Config::AdminOrigin`].
		///
		/// ## Details
		///
		/// Credits of the asset can still be spent, locked, paid and withdrawn.
		///
		/// ## Errors
		///
		/// - [`Error::AssetNotAccepted`]: the asset is not accepted as it is.
		///
		/// ## Events
		///
		/// - [`Event::AssetStopped`]
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::stop_accepting())]
		pub fn stop_accepting(origin: OriginFor<T>, asset: AssetId) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Accepted::<T>::take(&asset).ok_or(Error::<T>::AssetNotAccepted)?;
			Self::deposit_event(Event::AssetStopped { asset });
			Ok(())
		}

		/// Give up all free credits of an asset for real assets.
		///
		/// ## Dispatch Origin
		///
		/// Signed, by whoever owns the credits.
		///
		/// ## Details
		///
		/// What [`withdraw`](Pallet::withdraw) does, with what is free when the call is executed: who
		/// pays the fee of this very call from credits need not know it to the unit. What the fee gives
		/// back afterwards stays as a row.
		///
		/// ## Errors
		///
		/// - [`Error::InsufficientCredits`]: nothing is free.
		/// - What [`withdraw`](Pallet::withdraw) says otherwise.
		///
		/// ## Events
		///
		/// - [`Event::Withdrawn`]
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::withdraw())]
		pub fn withdraw_all(origin: OriginFor<T>, asset: AssetId, to: AccountId) -> DispatchResult {
			let who = ensure_signed(origin)?;
			let amount = Free::<T>::get(&who, &asset).unwrap_or_default().free;
			ensure!(amount > 0, Self::insufficient(&asset));
			Self::do_withdraw(who, asset, amount, to)
		}
	}

	/// What clients read. Storage may change its form; these keep theirs.
	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// The account that holds the real assets.
		pub fn custody_account() -> AccountId {
			Self::custody()
		}

		/// What `who` can spend of `asset`.
		pub fn balance(who: AccountId, asset: AssetId) -> Balance {
			Free::<T>::get(who, asset).unwrap_or_default().free
		}

		/// What `who` can spend, per asset, in no order. Assets it has none of are left out.
		pub fn balances(who: AccountId) -> Vec<(AssetId, Balance)> {
			Free::<T>::iter_prefix(who).map(|(asset, row)| (asset, row.free)).collect()
		}

		/// What is in the purses of `asset`. Empty purses are left out.
		pub fn locked(asset: AssetId) -> Vec<(LockReason, Balance)> {
			Locked::<T>::iter_prefix(asset).collect()
		}

		/// What custody holds of `asset`, and what it owes.
		pub fn solvency(asset: AssetId) -> Solvency {
			let issued = Issued::<T>::get(&asset);
			// Neither can saturate: the purses are a part of what is issued.
			let locked = Locked::<T>::iter_prefix_values(&asset)
				.fold(0, |sum: Balance, purse| sum.saturating_add(purse));
			let free = issued.saturating_sub(locked);
			let custody = T::Fungibles::balance(asset, &Self::custody());
			Solvency { custody, issued, free, locked }
		}

		/// The assets that can be deposited, each with its dust bound, in no order.
		pub fn accepted_assets() -> Vec<(AssetId, Balance)> {
			Accepted::<T>::iter().collect()
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}
}
