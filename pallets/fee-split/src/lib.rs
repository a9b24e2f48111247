//! # Fee split
//!
//! The only door through which market money changes owner.
//!
//! ## Pallet API
//!
//! See the [`pallet`] module for calls, events, errors, storage and view functions. Other pallets
//! settle through [`stoa_primitives::traits::Settlement`].
//!
//! ## Overview
//!
//! A **settlement** takes a gross amount out of the purse in which it was locked and divides it into
//! three shares: the **provider**, who is paid, the **platform**, and the **referral** share for those
//! who brought the two parties. What is due to no referrer goes to the growth pool.
//!
//! The rates are in a **schedule**. Schedules are numbered and never change. A channel or an agreement
//! stores the number that was current when it was opened, and is settled under it until it ends. A new
//! schedule takes effect after a notice period of at least [`MIN_NOTICE_PERIOD`].
//!
//! A **charge** ([`pay`](pallet::Pallet::pay)) is a settlement on its own: the payer names a
//! provider, an amount and a reference.
//!
//! ## Low Level / Implementation Details
//!
//! ### Exactness
//!
//! The shares of a settlement sum to its gross. Shares depend on cumulative totals alone
//! ([`Schedule::split`](stoa_primitives::money::Schedule::split)), so neither side gains by claiming
//! in many slices. Each charge is a sum of its own.
//!
//! ### All or nothing
//!
//! A settlement runs in a storage layer of its own. When any part of it fails, nothing of it remains,
//! even if the caller goes on with the next item of a batch. What the referral side returns is not
//! trusted: rewards and pool must sum to the referral share exactly.
//!
//! ### No hooks
//!
//! A pending schedule becomes current by the block number alone; no write and no event happen at that
//! block. The event of the proposal names the block.
//!
//! ### Events
//!
//! Paying from a purse of the ledger emits nothing, so [`Event::Settled`] carries the amounts. Each
//! reward to a referrer is disclosed by [`Config::Rewards`], ahead of it in the same extrinsic.

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
mod impls;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod try_state;
mod types;
pub mod weights;

pub use pallet::*;
pub use types::LifetimeTotals;
pub use weights::WeightInfo;

/// The shortest notice that a runtime may give before a new schedule takes effect, in blocks.
pub const MIN_NOTICE_PERIOD: stoa_primitives::BlockNumber = 7 * stoa_primitives::DAYS;

/// Schedules, charges and lifetime totals.
#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use frame_support::pallet_prelude::*;
	use frame_system::pallet_prelude::*;
	use sp_runtime::{traits::BlockNumberProvider, Permill};
	use stoa_primitives::{
		money::{LockReason, Schedule, ScheduleError, ScheduleId, Shares, Source},
		traits::{
			AgentRegistry, Ledger, OutcomeHook, ReferralRewards, Settle, Settlement, SpendGuard,
		},
		AccountId, AssetId, Balance, BlockNumber,
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
		/// Where market money is.
		type Ledger: Ledger;

		/// Who shares in the referral share.
		type Rewards: ReferralRewards;

		/// Who may be paid a charge.
		type Registry: AgentRegistry;

		/// Limits on charges.
		type SpendGuard: SpendGuard;

		/// Hears of each settlement.
		type Outcome: OutcomeHook;

		/// Who decides on schedules. It can move nobody's credits.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// Blocks between the proposal of a schedule and its effect, at least
		/// [`MIN_NOTICE_PERIOD`].
		#[pallet::constant]
		type NoticePeriod: Get<BlockNumber>;

		/// Who receives the platform's share.
		#[pallet::constant]
		type PlatformAccount: Get<AccountId>;

		/// The clock of the notice period.
		type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;

		/// What the calls weigh.
		type WeightInfo: WeightInfo;
	}

	/// All schedules ever proposed, immutable. Numbers that were cancelled are not used again.
	///
	/// Never removed, since a channel may refer to a schedule for as long as it lives. Without a
	/// storage deposit: only the admin adds to it, 12 bytes at a time.
	#[pallet::storage]
	pub type Schedules<T: Config> = StorageMap<_, Twox64Concat, ScheduleId, Schedule>;

	/// The number of the next proposal.
	#[pallet::storage]
	pub type NextSchedule<T: Config> = StorageValue<_, ScheduleId, ValueQuery>;

	/// The schedule in effect, unless [`Pending`] has taken effect since.
	#[pallet::storage]
	pub type Current<T: Config> = StorageValue<_, ScheduleId, ValueQuery>;

	/// The latest proposal and the block from which it is in effect.
	#[pallet::storage]
	pub type Pending<T: Config> = StorageValue<_, (ScheduleId, BlockNumber)>;

	/// All that was ever settled, per asset.
	///
	/// Without a storage deposit: one row per asset that the ledger has accepted.
	#[pallet::storage]
	pub type Totals<T: Config> =
		StorageMap<_, Blake2_128Concat, AssetId, LifetimeTotals, ValueQuery>;

	/// Schedule number 0: 85 % provider, 10 % platform, 5 % referral unless told otherwise.
	#[pallet::genesis_config]
	pub struct GenesisConfig<T: Config> {
		/// The provider's rate.
		pub provider: Permill,
		/// The platform's rate.
		pub platform: Permill,
		/// The referral rate.
		pub referral: Permill,
		/// Marker.
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	impl<T: Config> Default for GenesisConfig<T> {
		fn default() -> Self {
			let rates = Schedule::GENESIS;
			Self {
				provider: rates.provider(),
				platform: rates.platform(),
				referral: rates.referral(),
				_config: Default::default(),
			}
		}
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			match Schedule::new(self.provider, self.platform, self.referral) {
				Ok(schedule) => {
					Schedules::<T>::insert(0, schedule);
					Current::<T>::put(0);
					NextSchedule::<T>::put(1);
				},
				Err(error) => panic!("the rates at genesis are no schedule: {error:?}"),
			}
		}
	}

	/// What happened to schedules and money.
	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// Market money changed owner. `gross` is the sum of the shares.
		#[codec(index = 0)]
		Settled {
			/// What was settled.
			source: Source,
			/// The side that paid.
			payer: AccountId,
			/// The side that was paid.
			provider: AccountId,
			/// The asset.
			asset: AssetId,
			/// Before shares were taken.
			gross: Balance,
			/// What provider, platform and referral side received.
			shares: Shares,
			/// What of the referral share was due to no referrer. The rest went to referrers, whom the
			/// referral side names in events of its own.
			growth_pool: Balance,
			/// The schedule whose rates applied.
			schedule: ScheduleId,
		},
		/// A schedule will take effect.
		#[codec(index = 1)]
		ScheduleProposed {
			/// Its number.
			schedule: ScheduleId,
			/// The provider's rate.
			provider: Permill,
			/// The platform's rate.
			platform: Permill,
			/// The referral rate.
			referral: Permill,
			/// The first block at which it is current.
			effective: BlockNumber,
		},
		/// A proposed schedule will not take effect.
		#[codec(index = 2)]
		ScheduleCancelled {
			/// Its number.
			schedule: ScheduleId,
		},
	}

	/// Why a call or a settlement failed.
	#[pallet::error]
	pub enum Error<T> {
		/// There is nothing to pay. Name an amount above zero.
		#[codec(index = 0)]
		ZeroAmount,
		/// Payer and provider are the same account. Pay somebody else.
		#[codec(index = 1)]
		SelfPayment,
		/// No schedule has this number. Only a mistake in the pallet that settles leads here.
		#[codec(index = 2)]
		UnknownSchedule,
		/// The referral rewards and the growth pool do not sum to the referral share, or there are more
		/// rewards than two sides can have. Only a mistake in the pallet that rewards leads here.
		#[codec(index = 3)]
		DistributionMismatch,
		/// A number is too large: more was settled than any asset has units, or no schedule number is
		/// left.
		#[codec(index = 4)]
		Overflow,
		/// The three rates do not sum to exactly 100 %. Correct them.
		#[codec(index = 5)]
		RatesNotWhole,
		/// The provider's rate is below 80 %. Raise it.
		#[codec(index = 6)]
		ProviderBelowMinimum,
		/// The platform's rate is below the referral rate. Raise the one or lower the other.
		#[codec(index = 7)]
		PlatformBelowReferral,
		/// No schedule is pending. One that has taken effect cannot be cancelled; propose another.
		#[codec(index = 8)]
		NoPendingSchedule,
	}

	impl<T> From<ScheduleError> for Error<T> {
		fn from(error: ScheduleError) -> Self {
			match error {
				ScheduleError::NotWhole => Self::RatesNotWhole,
				ScheduleError::ProviderBelowMinimum => Self::ProviderBelowMinimum,
				ScheduleError::PlatformBelowReferral => Self::PlatformBelowReferral,
			}
		}
	}

	/// Charging, and deciding on rates.
	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Pay a provider once, out of the signer's free credits.
		///
		/// ## Dispatch Origin
		///
		/// Signed, by any account that has credits.
		///
		/// ## Details
		///
		/// The provider receives its share under the current schedule. What the call weighs less because
		/// fewer referrers are rewarded than there can be is given back. The reference is the payer's
		/// own: an order number, or the digest of an invoice. It need not be unique.
		///
		/// ## Errors
		///
		/// - [`Error::ZeroAmount`]: nothing is paid.
		/// - [`Error::SelfPayment`]: the signer is the provider.
		/// - Any error of [`Config::Registry`] when the provider is no active agent, of
		///   [`Config::SpendGuard`] when the charge is beyond a limit, and of [`Config::Ledger`] when
		///   credits are missing.
		///
		/// ## Events
		///
		/// - [`Event::Settled`]
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::pay_rewarded())]
		pub fn pay(
			origin: OriginFor<T>,
			provider: AccountId,
			asset: AssetId,
			amount: Balance,
			reference: [u8; 32],
		) -> DispatchResultWithPostInfo {
			let payer = ensure_signed(origin)?;
			ensure!(amount > 0, Error::<T>::ZeroAmount);
			ensure!(payer != provider, Error::<T>::SelfPayment);
			T::Registry::ensure_active(&provider)?;
			T::SpendGuard::ensure_may_spend(&payer, &provider, &asset, amount)?;

			T::Ledger::lock(&payer, &asset, amount, LockReason::Charge)?;
			let receipt = Self::settle(Settle {
				asset,
				payer,
				provider,
				settled_before: 0,
				gross: amount,
				schedule: Self::current_schedule(),
				source: Source::Charge(reference),
			})?;
			Ok(Some(impls::pay_weight::<T>(receipt.referral_work)).into())
		}

		/// Propose the rates of what is opened from a later block on.
		///
		/// ## Dispatch Origin
		///
		/// [`Config::AdminOrigin`].
		///
		/// ## Details
		///
		/// Takes effect after [`Config::NoticePeriod`]. Replaces a proposal that has not taken effect
		/// yet. What is open keeps the schedule that it was opened under.
		///
		/// ## Errors
		///
		/// - [`Error::RatesNotWhole`]: the rates do not sum to 100 %.
		/// - [`Error::ProviderBelowMinimum`]: the provider gets less than 80 %.
		/// - [`Error::PlatformBelowReferral`]: the referral side gets more than the platform.
		/// - [`Error::Overflow`]: no schedule number is left.
		///
		/// ## Events
		///
		/// - [`Event::ScheduleCancelled`] when a pending proposal is replaced
		/// - [`Event::ScheduleProposed`]
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::propose_schedule())]
		pub fn propose_schedule(
			origin: OriginFor<T>,
			provider: Permill,
			platform: Permill,
			referral: Permill,
		) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			let rates = Schedule::new(provider, platform, referral).map_err(Error::<T>::from)?;
			let schedule = NextSchedule::<T>::get();
			let next = schedule.checked_add(1).ok_or(Error::<T>::Overflow)?;
			let now = T::BlockNumberProvider::current_block_number();
			let effective = now.checked_add(T::NoticePeriod::get()).ok_or(Error::<T>::Overflow)?;

			let (current, pending) = Self::schedules_at(now);
			Current::<T>::put(current);
			if let Some((replaced, _)) = pending {
				Self::deposit_event(Event::ScheduleCancelled { schedule: replaced });
			}
			NextSchedule::<T>::put(next);
			Schedules::<T>::insert(schedule, rates);
			Pending::<T>::put((schedule, effective));
			Self::deposit_event(Event::ScheduleProposed {
				schedule,
				provider,
				platform,
				referral,
				effective,
			});
			Ok(())
		}

		/// Withdraw a proposal that has not taken effect.
		///
		/// ## Dispatch Origin
		///
		/// [`Config::AdminOrigin`].
		///
		/// ## Details
		///
		/// The number of the proposal stays used.
		///
		/// ## Errors
		///
		/// - [`Error::NoPendingSchedule`]: nothing is pending.
		///
		/// ## Events
		///
		/// - [`Event::ScheduleCancelled`]
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::cancel_schedule())]
		pub fn cancel_schedule(origin: OriginFor<T>) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			let now = T::BlockNumberProvider::current_block_number();
			let (_, pending) = Self::schedules_at(now);
			let (schedule, _) = pending.ok_or(Error::<T>::NoPendingSchedule)?;

			Pending::<T>::kill();
			Self::deposit_event(Event::ScheduleCancelled { schedule });
			Ok(())
		}
	}

	/// What clients read. Storage may change its form; these keep theirs.
	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// The rates of a schedule.
		pub fn schedule(id: ScheduleId) -> Option<Schedule> {
			Schedules::<T>::get(id)
		}

		/// The number of the schedule in effect.
		pub fn current() -> ScheduleId {
			Self::current_schedule()
		}

		/// The number of the schedule that is to take effect, and the first block of its effect.
		pub fn pending() -> Option<(ScheduleId, BlockNumber)> {
			Self::schedules_at(T::BlockNumberProvider::current_block_number()).1
		}

		/// All that was ever settled in `asset`.
		pub fn totals(asset: AssetId) -> LifetimeTotals {
			Totals::<T>::get(asset)
		}

		/// What the three sides would receive of `gross` under the current schedule, after
		/// `settled_before` from the same source. `None` when the sum of the two overflows.
		///
		/// All assets have the same rates; naming the asset keeps the question stable.
		pub fn quote(asset: AssetId, gross: Balance, settled_before: Balance) -> Option<Shares> {
			let _ = asset;
			Schedules::<T>::get(Self::current_schedule())?.split(settled_before, gross)
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(
				T::NoticePeriod::get() >= MIN_NOTICE_PERIOD,
				"the notice period of schedules is too short"
			);
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}
}
