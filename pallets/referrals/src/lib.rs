#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
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

mod impls;
mod try_state;
mod types;
pub mod weights;

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use impls::AgentFootprint;
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use core::marker::PhantomData;
	use frame_support::{
		pallet_prelude::*,
		traits::{Consideration, Footprint},
		PalletId,
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::traits::BlockNumberProvider;
	use stoa_primitives::{
		referral::{Code, MAX_DEPTH},
		traits::{AgentRegistry, Ledger, ReferralRewards},
		AccountId, AssetId, Balance, BlockNumber,
	};

	/// The layout of this pallet's storage.
	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	/// [`CodeRecord`] with the configured ticket.
	pub type CodeRecordOf<T> = CodeRecord<<T as Config>::Consideration>;

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config:
		frame_system::Config<AccountId = AccountId, RuntimeEvent: From<Event<Self>>>
	{
		/// Who may set terms and caps and grant bonuses.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// What reward windows are measured by.
		type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;

		/// Who is an active agent, and who answers for it.
		type Registry: AgentRegistry;

		/// Where bonuses are paid.
		type Ledger: Ledger;

		/// Deposit for a referral code.
		type Consideration: Consideration<AccountId, Footprint>;

		/// From what the growth pool's account is derived.
		#[pallet::constant]
		type PalletId: Get<PalletId>;

		/// Most codes of one agent.
		#[pallet::constant]
		type MaxCodes: Get<u32>;

		/// Most assets that are ever rewarded in. It bounds the rows of one referee, so that their
		/// deposit can be taken when it is registered; raising it later makes newcomers pay more.
		#[pallet::constant]
		type MaxRewardAssets: Get<u32>;

		/// Last block in which registering makes a referred agent an early adopter.
		#[pallet::constant]
		type EarlyAdopterEnd: Get<BlockNumber>;

		/// What the calls cost.
		type WeightInfo: WeightInfo;
	}

	/// Who brought an agent, by referee. Rows are never changed or removed.
	#[pallet::storage]
	pub type Edges<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, Edge>;

	/// How many agents an agent has brought. No row for none.
	#[pallet::storage]
	pub type RefereeCount<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, u32, ValueQuery>;

	/// Who has claimed a referral code.
	#[pallet::storage]
	pub type Codes<T: Config> = StorageMap<_, Blake2_128Concat, Code, CodeRecordOf<T>>;

	/// How many codes an agent has; at most `MaxCodes`. No row for none.
	#[pallet::storage]
	pub type CodesOf<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, u32, ValueQuery>;

	/// What has become of the shares that a referee's trade has produced, by referee and asset.
	///
	/// Only for accounts with an edge and assets with a cap, so there are at most
	/// `MaxRewardAssets` rows for each referee.
	#[pallet::storage]
	pub type Totals<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		AccountId,
		Blake2_128Concat,
		AssetId,
		SideTotals,
		ValueQuery,
	>;

	/// Most that is ever paid to referrers because of one referee, by asset.
	///
	/// Nothing is paid in an asset without a row. Rows are never removed; a cap of 0 stops rewards.
	#[pallet::storage]
	pub type Caps<T: Config> = CountedStorageMap<_, Blake2_128Concat, AssetId, Balance>;

	/// How referrers are rewarded.
	#[pallet::storage]
	pub type CurrentTerms<T: Config> = StorageValue<_, Terms, ValueQuery>;

	/// Why a referrer's funds are on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Deposit for a referral code.
		#[codec(index = 0)]
		Code,
	}

	/// How rewards start.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// How referrers are rewarded; 70, 20 and 10 % for one year unless given.
		pub terms: Terms,
		/// Most that is ever paid because of one referee, by asset.
		pub caps: Vec<(AssetId, Balance)>,
		/// Names the runtime.
		#[serde(skip)]
		pub _config: PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			assert!(Pallet::<T>::ensure_terms(&self.terms).is_ok(), "bad terms at genesis");
			CurrentTerms::<T>::put(self.terms);
			for (asset, cap) in &self.caps {
				Caps::<T>::insert(asset, cap);
			}
			assert!(Caps::<T>::count() <= T::MaxRewardAssets::get(), "too many caps at genesis");
		}
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// It was fixed who brought an agent.
		#[codec(index = 0)]
		ReferrerBound {
			/// The agent.
			referee: AccountId,
			/// Who brought it.
			referrer: AccountId,
		},
		/// A referrer is rewarded out of a settlement.
		#[codec(index = 1)]
		Rewarded {
			/// Who is rewarded.
			referrer: AccountId,
			/// Because of whose trade.
			referee: AccountId,
			/// In what.
			asset: AssetId,
			/// How much.
			amount: Balance,
			/// Steps from referee to referrer, 1 for the direct one.
			level: u8,
		},
		/// A referral code was claimed.
		#[codec(index = 2)]
		CodeClaimed {
			/// The code.
			code: Code,
			/// Whom it names.
			owner: AccountId,
		},
		/// A referral code was given up.
		#[codec(index = 3)]
		CodeReleased {
			/// The code.
			code: Code,
			/// Whom it named.
			owner: AccountId,
		},
		/// The terms of rewards were changed.
		#[codec(index = 4)]
		TermsSet {
			/// The new terms.
			terms: Terms,
		},
		/// The cap for an asset was changed.
		#[codec(index = 5)]
		CapSet {
			/// The asset.
			asset: AssetId,
			/// Most that is ever paid because of one referee.
			cap: Balance,
		},
		/// A bonus was paid out of the growth pool.
		#[codec(index = 6)]
		BonusGranted {
			/// To whom.
			agent: AccountId,
			/// In what.
			asset: AssetId,
			/// How much.
			amount: Balance,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// Nobody has claimed this referral code.
		UnknownCode,
		/// The referrer is not an active agent. Have it renewed or resumed first.
		ReferrerNotActive,
		/// An agent cannot bring itself.
		SelfReferral,
		/// One operator answers for referee and referrer, or one of them for the other.
		SameOperator,
		/// It is fixed already who brought this agent.
		AlreadyBound,
		/// The agent has brought others, so nobody can have brought it any more: edges must never
		/// close a circle.
		Cycle,
		/// Somebody has claimed this code. Choose another.
		CodeTaken,
		/// A code has 4 to 24 characters out of `a`–`z`, `0`–`9` and `-`.
		CodeMalformed,
		/// The agent has as many codes as it may have. Release one first.
		TooManyCodes,
		/// Only the owner of a code can release it.
		NotCodeOwner,
		/// The levels sum to more than 100 %.
		LevelsAboveWhole,
		/// A level is above the one nearer to the referee.
		LevelsRising,
		/// The window is longer than `MaxWindow`.
		WindowTooLong,
		/// Rewards are paid in as many assets as there may ever be.
		TooManyAssets,
		/// A bonus of 0 changes nothing.
		ZeroBonus,
		/// Nobody has brought this agent, so it has produced no referral share of its own.
		NotReferred,
		/// The agent was registered after `EarlyAdopterEnd`.
		NotEarlyAdopter,
		/// The bonus is above what the agent's trade has sent to the growth pool and not been
		/// granted yet. See `bonus_left`.
		BonusTooLarge,
	}

	#[pallet::extra_constants]
	impl<T: Config> Pallet<T> {
		/// Longest reward window that can be set, in blocks.
		#[pallet::constant_name(MaxWindow)]
		fn max_window() -> BlockNumber {
			MAX_WINDOW
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert_eq!(Chain::bound(), MAX_DEPTH, "a chain holds every level");
			assert!(Pallet::<T>::ensure_terms(&Terms::default()).is_ok(), "bad default terms");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// Who brought `referee`.
		pub fn referrer_of(referee: AccountId) -> Option<AccountId> {
			Edges::<T>::get(referee)?.referrers.first().cloned()
		}

		/// The nearest three referrers above `referee`, the direct one first.
		pub fn chain_of(referee: AccountId) -> Vec<AccountId> {
			Edges::<T>::get(referee).map(|edge| edge.referrers.into_inner()).unwrap_or_default()
		}

		/// How many agents `referrer` has brought.
		pub fn referee_count(referrer: AccountId) -> u32 {
			RefereeCount::<T>::get(referrer)
		}

		/// Whom a referral code names.
		pub fn code_owner(code: Code) -> Option<AccountId> {
			Codes::<T>::get(code).map(|record| record.owner)
		}

		/// What has become of the shares that `referee`'s trade has produced in `asset`.
		pub fn totals(referee: AccountId, asset: AssetId) -> SideTotals {
			Totals::<T>::get(referee, asset)
		}

		/// How referrers are rewarded.
		pub fn terms() -> Terms {
			CurrentTerms::<T>::get()
		}

		/// Most that is ever paid in `asset` because of one referee; `None` when nothing is.
		pub fn cap(asset: AssetId) -> Option<Balance> {
			Caps::<T>::get(asset)
		}

		/// Largest bonus that can be granted to `agent` in `asset`.
		pub fn bonus_left(agent: AccountId, asset: AssetId) -> Balance {
			Self::bonus_room(&agent, &asset).unwrap_or_default()
		}

		/// The account that keeps what is due to nobody.
		pub fn growth_pool_account() -> AccountId {
			<Self as ReferralRewards>::growth_pool()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Claim a referral code.
		///
		/// ## Dispatch Origin
		///
		/// Signed by an active agent, which pays the code's deposit.
		///
		/// ## Details
		///
		/// Who registers an agent can name the caller by this code from now on.
		///
		/// ## Errors
		///
		/// - [`Error::CodeMalformed`], [`Error::CodeTaken`], [`Error::TooManyCodes`]
		/// - Errors of the registry, when the caller is not an active agent, and of the deposit.
		///
		/// ## Events
		///
		/// [`Event::CodeClaimed`]
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::claim_code())]
		pub fn claim_code(origin: OriginFor<T>, code: Code) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_claim_code(owner, code)
		}

		/// Give a referral code up.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the owner of the code, active or not.
		///
		/// ## Details
		///
		/// The deposit comes back. Agents that were brought by the code stay so. Anybody may claim
		/// the code next.
		///
		/// ## Errors
		///
		/// [`Error::UnknownCode`], [`Error::NotCodeOwner`]
		///
		/// ## Events
		///
		/// [`Event::CodeReleased`]
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::release_code())]
		pub fn release_code(origin: OriginFor<T>, code: Code) -> DispatchResult {
			let owner = ensure_signed(origin)?;
			Self::do_release_code(owner, code)
		}

		/// Change the terms of rewards.
		///
		/// ## Dispatch Origin
		///
		/// `AdminOrigin`.
		///
		/// ## Details
		///
		/// They hold from the next settlement on, for all referees. What was paid stays paid.
		///
		/// ## Errors
		///
		/// [`Error::LevelsAboveWhole`], [`Error::LevelsRising`], [`Error::WindowTooLong`]
		///
		/// ## Events
		///
		/// [`Event::TermsSet`]
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::set_terms())]
		pub fn set_terms(origin: OriginFor<T>, terms: Terms) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_set_terms(terms)
		}

		/// Change the most that is ever paid because of one referee in an asset.
		///
		/// ## Dispatch Origin
		///
		/// `AdminOrigin`.
		///
		/// ## Details
		///
		/// Referees for whom more than a lowered cap was paid already produce no more rewards. An
		/// asset that has had a cap cannot be left without one; set it to 0 to stop rewards.
		///
		/// ## Errors
		///
		/// [`Error::TooManyAssets`]
		///
		/// ## Events
		///
		/// [`Event::CapSet`]
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::set_cap())]
		pub fn set_cap(origin: OriginFor<T>, asset: AssetId, cap: Balance) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_set_cap(asset, cap)
		}

		/// Pay an early adopter out of the growth pool.
		///
		/// ## Dispatch Origin
		///
		/// `AdminOrigin`.
		///
		/// ## Details
		///
		/// At most what the agent's own trade has sent to the pool in this asset and was not granted
		/// before, so that bonuses and rewards together never exceed the share that it produced.
		///
		/// ## Errors
		///
		/// - [`Error::ZeroBonus`], [`Error::NotReferred`], [`Error::NotEarlyAdopter`],
		///   [`Error::BonusTooLarge`]
		/// - Errors of the registry, when the agent is not active, and of the ledger, when the pool
		///   has not enough credits.
		///
		/// ## Events
		///
		/// [`Event::BonusGranted`]
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::grant_bonus())]
		pub fn grant_bonus(
			origin: OriginFor<T>,
			agent: AccountId,
			asset: AssetId,
			amount: Balance,
		) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_grant_bonus(agent, asset, amount)
		}
	}
}
