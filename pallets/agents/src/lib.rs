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

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use alloc::vec::Vec;
	use frame_support::{
		pallet_prelude::*,
		traits::{Consideration, Footprint},
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::traits::BlockNumberProvider;
	use stoa_primitives::{
		agent::{Manifest, Scopes, Status},
		keys::Key,
		referral::Referral,
		traits::{ReferralBook, RegistrationHook},
		AccountId, BlockNumber, H256,
	};

	/// The layout of this pallet's storage.
	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	/// [`AgentRecord`] with the configured ticket.
	pub type RecordOf<T> = AgentRecord<<T as Config>::AgentConsideration>;
	/// [`KeyRecord`] with the configured ticket.
	pub type KeyRecordOf<T> = KeyRecord<<T as Config>::KeyConsideration>;

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config:
		frame_system::Config<AccountId = AccountId, Hash = H256, RuntimeEvent: From<Event<Self>>>
	{
		/// Who may suspend and reinstate agents.
		type AdminOrigin: EnsureOrigin<Self::RuntimeOrigin>;

		/// What leases, keys and consents are measured by.
		type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;

		/// Deposit for the record of an agent. The price must grow with the footprint's size.
		type AgentConsideration: Consideration<AccountId, Footprint>;

		/// Deposit for a delegate key.
		type KeyConsideration: Consideration<AccountId, Footprint>;

		/// Who is told of an agent's referral. It takes no deposit: see [`Self::ReferralFootprint`].
		type Referrals: ReferralBook;

		/// All that [`Self::Referrals`] may ever store because of one referred agent. It is part of
		/// the agent's own deposit, as the rows grow with trade, when nobody is there to pay.
		type ReferralFootprint: Get<Footprint>;

		/// Who is told of agents that come and go. What it stores is part of an agent's deposit.
		type Registration: RegistrationHook;

		/// How long a lease runs from registration or renewal, in blocks.
		#[pallet::constant]
		type LeasePeriod: Get<BlockNumber>;

		/// How far ahead a consent may expire, in blocks, so that a leaked one does not live for
		/// ever.
		#[pallet::constant]
		type MaxConsentAge: Get<BlockNumber>;

		/// What the calls cost.
		type WeightInfo: WeightInfo;
	}

	/// Every agent, retired ones included.
	///
	/// Rows are never removed, so that an account cannot be registered twice. The deposit for what
	/// remains of a retired agent is kept.
	#[pallet::storage]
	pub type Agents<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, RecordOf<T>>;

	/// Delegate keys, by agent and key; at most [`MAX_KEYS`] for each agent.
	#[pallet::storage]
	pub type Keys<T: Config> =
		StorageDoubleMap<_, Blake2_128Concat, AccountId, Blake2_128Concat, Key, KeyRecordOf<T>>;

	/// Why an operator's funds are on hold.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Deposit for the record of an agent.
		#[codec(index = 0)]
		Registration,
		/// Deposit for a delegate key.
		#[codec(index = 1)]
		DelegateKey,
	}

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An agent was registered.
		#[codec(index = 0)]
		Registered {
			/// The agent.
			agent: AccountId,
			/// Who answers for it.
			operator: AccountId,
			/// Last block of its lease.
			lease_until: BlockNumber,
		},
		/// A lease was extended.
		#[codec(index = 1)]
		Renewed {
			/// The agent.
			agent: AccountId,
			/// Last block of its lease.
			lease_until: BlockNumber,
		},
		/// A manifest was replaced.
		#[codec(index = 2)]
		ManifestSet {
			/// The agent.
			agent: AccountId,
			/// `blake2_256` of the new document.
			digest: [u8; 32],
		},
		/// An agent was stopped by its operator.
		#[codec(index = 3)]
		Paused {
			/// The agent.
			agent: AccountId,
		},
		/// A paused agent was set going again by its operator.
		#[codec(index = 4)]
		Resumed {
			/// The agent.
			agent: AccountId,
		},
		/// An agent was stopped by governance.
		#[codec(index = 5)]
		Suspended {
			/// The agent.
			agent: AccountId,
		},
		/// A suspension was lifted.
		#[codec(index = 6)]
		Reinstated {
			/// The agent.
			agent: AccountId,
			/// What it was before: active or paused.
			status: Status,
		},
		/// An agent was taken out of service for good.
		#[codec(index = 7)]
		Retired {
			/// The agent.
			agent: AccountId,
		},
		/// An agent was offered to another operator.
		#[codec(index = 8)]
		TransferOffered {
			/// The agent.
			agent: AccountId,
			/// Who may accept it.
			to: AccountId,
		},
		/// An offer to another operator was taken back.
		#[codec(index = 9)]
		TransferCancelled {
			/// The agent.
			agent: AccountId,
			/// To whom it had been offered.
			to: AccountId,
		},
		/// An agent changed its operator.
		#[codec(index = 10)]
		Transferred {
			/// The agent.
			agent: AccountId,
			/// The old operator.
			from: AccountId,
			/// The new operator.
			to: AccountId,
			/// How often the operator has changed.
			epoch: u32,
		},
		/// A delegate key was added.
		#[codec(index = 11)]
		KeyAdded {
			/// The agent.
			agent: AccountId,
			/// The key.
			key: Key,
			/// What it may sign.
			scopes: Scopes,
			/// Last block in which it is good.
			expires_at: BlockNumber,
		},
		/// A delegate key was removed.
		#[codec(index = 12)]
		KeyRemoved {
			/// The agent.
			agent: AccountId,
			/// The key.
			key: Key,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// The account is no agent. Register it first.
		NotRegistered,
		/// The agent is paused. Its operator can resume it.
		Paused,
		/// The agent is suspended. Governance can reinstate it.
		Suspended,
		/// The agent is retired, for good. Register another account.
		Retired,
		/// The agent's lease has run out. Its operator can renew it.
		LeaseLapsed,
		/// The account is an agent already. Ask its operator for a transfer.
		AlreadyRegistered,
		/// Only the agent itself registers without a proof. Attach its signed consent.
		ProofMissing,
		/// The consent has expired. Have the agent sign one that expires later.
		ProofExpired,
		/// The consent expires too far ahead. Have the agent sign one within `MaxConsentAge` blocks.
		ProofTooLong,
		/// The signature is not the agent's over this operator, agent, expiry and chain.
		ProofInvalid,
		/// The manifest's URI has bytes that no URI has. Use printable ASCII without spaces.
		MalformedUri,
		/// Only the agent's operator may do this.
		NotOperator,
		/// The agent is not paused, so there is nothing to resume.
		NotPaused,
		/// The agent is not suspended, so there is nothing to reinstate.
		NotSuspended,
		/// The account operates the agent already. Offer the agent to another one.
		TransferToSelf,
		/// The agent is not being offered to anybody.
		NoTransfer,
		/// The agent is being offered to another account.
		NotRecipient,
		/// The agent has as many delegate keys as it may have. Remove one first.
		TooManyKeys,
		/// The agent has this delegate key already. Remove it first to change it.
		KeyExists,
		/// The agent has no such delegate key.
		KeyNotFound,
		/// The delegate key has expired. Add a new one.
		KeyExpired,
		/// The delegate key is still good; only the operator may remove it.
		KeyNotExpired,
		/// The key would have expired before it was added. Choose a later block.
		ExpiryInPast,
		/// A key needs at least one scope, and only known ones.
		InvalidScopes,
		/// The delegate key may not sign this. Use one with a scope that fits.
		ScopeMissing,
		/// The signature is not by the named key over this payload.
		SignatureInvalid,
	}

	#[pallet::extra_constants]
	impl<T: Config> Pallet<T> {
		/// Most delegate keys of one agent.
		#[pallet::constant_name(MaxKeys)]
		fn max_keys() -> u32 {
			MAX_KEYS
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		fn integrity_test() {
			assert!(T::LeasePeriod::get() > 0, "a lease must run for some time");
			assert!(T::MaxConsentAge::get() > 0, "a consent must be usable for some time");
		}

		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// What is known of the agent `who`; `None` for an account that never was one.
		pub fn agent(who: AccountId) -> Option<AgentView> {
			Self::view_of(&who)
		}

		/// Who answers for `who`; `None` for an account that never was an agent.
		pub fn operator_of(who: AccountId) -> Option<AccountId> {
			Agents::<T>::get(who).map(|record| record.operator)
		}

		/// The delegate keys of `who`, expired ones included; at most [`MAX_KEYS`].
		pub fn keys(who: AccountId) -> Vec<KeyView> {
			Self::keys_of(&who)
		}

		/// Whether `who` is an agent that may act now.
		pub fn is_active(who: AccountId) -> bool {
			Self::ensure_acting(&who).is_ok()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Register an agent.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator, who pays the deposit and answers for the agent from now on.
		///
		/// ## Details
		///
		/// The agent consents by `proof`, its own signature over type 7 of the signed payloads,
		/// raw or in a wallet's wrapping. An operator that registers itself needs none, and one
		/// that is given is not looked at. A consent works once: the record is never removed. The
		/// first lease runs for `LeasePeriod` blocks. A referral can be given here only.
		///
		/// ## Errors
		///
		/// - [`Error::AlreadyRegistered`], [`Error::Retired`]: the account is or was an agent.
		/// - [`Error::MalformedUri`]: the manifest's URI is none.
		/// - [`Error::ProofMissing`], [`Error::ProofExpired`], [`Error::ProofTooLong`],
		///   [`Error::ProofInvalid`]: the agent has not consented.
		/// - Errors of the deposit and of the referral book.
		///
		/// ## Events
		///
		/// [`Event::Registered`]
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::register())]
		pub fn register(
			origin: OriginFor<T>,
			agent: AccountId,
			proof: Option<ConsentProof>,
			manifest: Manifest,
			referral: Option<Referral>,
		) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_register(operator, agent, proof, manifest, referral)
		}

		/// Extend an agent's lease to `LeasePeriod` blocks from now.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// A lease that has run out starts again. A paused or suspended agent stays so.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`]
		///
		/// ## Events
		///
		/// [`Event::Renewed`]
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::renew())]
		pub fn renew(origin: OriginFor<T>, agent: AccountId) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_renew(operator, agent)
		}

		/// Replace an agent's manifest.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// The deposit follows the length of the URI.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`],
		/// [`Error::MalformedUri`], errors of the deposit.
		///
		/// ## Events
		///
		/// [`Event::ManifestSet`]
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::set_manifest())]
		pub fn set_manifest(
			origin: OriginFor<T>,
			agent: AccountId,
			manifest: Manifest,
		) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_set_manifest(operator, agent, manifest)
		}

		/// Stop an active agent.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// The agent can still settle, close and withdraw, but takes on nothing new.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`]; [`Error::Paused`],
		/// [`Error::Suspended`] or [`Error::Retired`] when it is stopped already.
		///
		/// ## Events
		///
		/// [`Event::Paused`]
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::pause())]
		pub fn pause(origin: OriginFor<T>, agent: AccountId) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_pause(operator, agent)
		}

		/// Set a paused agent going again.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// The lease is not touched: an agent whose lease has run out must be renewed too.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::NotPaused`];
		/// [`Error::Suspended`] or [`Error::Retired`] when it was not the operator who stopped it,
		/// or for good.
		///
		/// ## Events
		///
		/// [`Event::Resumed`]
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::resume())]
		pub fn resume(origin: OriginFor<T>, agent: AccountId) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_resume(operator, agent)
		}

		/// Stop an agent by governance.
		///
		/// ## Dispatch Origin
		///
		/// `AdminOrigin`.
		///
		/// ## Details
		///
		/// The agent can still settle, close and withdraw. Its operator cannot lift the suspension,
		/// and it survives a change of operator.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`]; [`Error::Suspended`] or [`Error::Retired`] when it is already.
		///
		/// ## Events
		///
		/// [`Event::Suspended`]
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::suspend())]
		pub fn suspend(origin: OriginFor<T>, agent: AccountId) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_suspend(agent)
		}

		/// Lift a suspension.
		///
		/// ## Dispatch Origin
		///
		/// `AdminOrigin`.
		///
		/// ## Details
		///
		/// The agent is again what it was before: a pause set by its operator comes back.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotSuspended`]
		///
		/// ## Events
		///
		/// [`Event::Reinstated`]
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::reinstate())]
		pub fn reinstate(origin: OriginFor<T>, agent: AccountId) -> DispatchResult {
			T::AdminOrigin::ensure_origin(origin)?;
			Self::do_reinstate(agent)
		}

		/// Take an agent out of service for good.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// Manifest, delegate keys and a standing transfer offer go; their deposits go back to who
		/// paid them. A small record stays, with a small deposit, so that the account can never be
		/// registered again: neither an old consent nor a new one brings the identity back. The
		/// account can still settle, close and withdraw.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`]
		///
		/// ## Events
		///
		/// [`Event::KeyRemoved`] for each delegate key, [`Event::Retired`]
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::retire(MAX_KEYS))]
		pub fn retire(origin: OriginFor<T>, agent: AccountId) -> DispatchResultWithPostInfo {
			let operator = ensure_signed(origin)?;
			let removed = Self::do_retire(operator, agent)?;
			Ok(Some(T::WeightInfo::retire(removed)).into())
		}

		/// Offer an agent to another operator.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// Nothing changes until the other one accepts. A new offer replaces a standing one.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`],
		/// [`Error::TransferToSelf`]
		///
		/// ## Events
		///
		/// [`Event::TransferOffered`]
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::offer_transfer())]
		pub fn offer_transfer(
			origin: OriginFor<T>,
			agent: AccountId,
			to: AccountId,
		) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_offer_transfer(operator, agent, to)
		}

		/// Become the operator of an agent that is being offered.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the account to which the agent is being offered.
		///
		/// ## Details
		///
		/// The new operator pays the deposit, the old one gets its own back. All delegate keys are
		/// removed. Status, lease and manifest stay.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NoTransfer`], [`Error::NotRecipient`], errors of the
		/// deposit.
		///
		/// ## Events
		///
		/// [`Event::KeyRemoved`] for each delegate key, [`Event::Transferred`]
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::accept_transfer(MAX_KEYS))]
		pub fn accept_transfer(
			origin: OriginFor<T>,
			agent: AccountId,
		) -> DispatchResultWithPostInfo {
			let to = ensure_signed(origin)?;
			let removed = Self::do_accept_transfer(to, agent)?;
			Ok(Some(T::WeightInfo::accept_transfer(removed)).into())
		}

		/// Take back the offer of an agent to another operator.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`],
		/// [`Error::NoTransfer`]
		///
		/// ## Events
		///
		/// [`Event::TransferCancelled`]
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::cancel_transfer())]
		pub fn cancel_transfer(origin: OriginFor<T>, agent: AccountId) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_cancel_transfer(operator, agent)
		}

		/// Let a key sign in the name of an agent.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator, who pays the key's deposit.
		///
		/// ## Details
		///
		/// The key is good for `scopes` up to and including block `expires_at`. A key that the
		/// agent has already must be removed before it is added with other terms.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`],
		/// [`Error::InvalidScopes`], [`Error::ExpiryInPast`], [`Error::TooManyKeys`],
		/// [`Error::KeyExists`], errors of the deposit.
		///
		/// ## Events
		///
		/// [`Event::KeyAdded`]
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::add_key())]
		pub fn add_key(
			origin: OriginFor<T>,
			agent: AccountId,
			key: Key,
			scopes: Scopes,
			expires_at: BlockNumber,
		) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_add_key(operator, agent, key, scopes, expires_at)
		}

		/// Remove a delegate key, good or expired.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the operator.
		///
		/// ## Details
		///
		/// From the next call on, nothing that the key has signed binds the agent by itself.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::NotOperator`], [`Error::Retired`],
		/// [`Error::KeyNotFound`]
		///
		/// ## Events
		///
		/// [`Event::KeyRemoved`]
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::remove_key())]
		pub fn remove_key(origin: OriginFor<T>, agent: AccountId, key: Key) -> DispatchResult {
			let operator = ensure_signed(origin)?;
			Self::do_remove_key(operator, agent, key)
		}

		/// Remove a delegate key that has expired.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anybody.
		///
		/// ## Details
		///
		/// The deposit goes back to who paid it.
		///
		/// ## Errors
		///
		/// [`Error::NotRegistered`], [`Error::KeyNotFound`], [`Error::KeyNotExpired`]
		///
		/// ## Events
		///
		/// [`Event::KeyRemoved`]
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::remove_expired_key())]
		pub fn remove_expired_key(
			origin: OriginFor<T>,
			agent: AccountId,
			key: Key,
		) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_remove_expired_key(agent, key)
		}
	}
}
