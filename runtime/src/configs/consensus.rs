//! Who produces and finalises blocks.

use crate::*;
use frame_support::{parameter_types, traits::ConstU32};
use sp_core::ConstU64;
use sp_runtime::traits::{ConvertInto, OpaqueKeys};

parameter_types! {
	/// Slots in an epoch.
	pub const EpochDuration: u64 = EPOCH_BLOCKS as u64;
	/// In milliseconds.
	pub const ExpectedBlockTime: u64 = SLOT_MILLIS;
	/// Refundable price of registered session keys, so that they cannot be used to fill storage.
	pub const SessionKeyDeposit: Balance = units::deposit(3, 300);
}

impl pallet_babe::Config for Runtime {
	type DisabledValidators = Session;
	type EpochChangeTrigger = pallet_babe::ExternalTrigger;
	type EpochDuration = EpochDuration;
	// Reports of equivocation need a validator set that can be slashed; until there is one they are
	// refused.
	type EquivocationReportSystem = ();
	type ExpectedBlockTime = ExpectedBlockTime;
	type KeyOwnerProof = sp_core::Void;
	type MaxAuthorities = ConstU32<64>;
	type MaxNominators = ConstU32<0>;
	type WeightInfo = weights::Consensus;
}

impl pallet_grandpa::Config for Runtime {
	type EquivocationReportSystem = ();
	type KeyOwnerProof = sp_core::Void;
	type MaxAuthorities = ConstU32<64>;
	type MaxNominators = ConstU32<0>;
	type MaxSetIdSessionEntries = ConstU64<168>;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = weights::Consensus;
}

impl pallet_authorship::Config for Runtime {
	type EventHandler = ();
	type FindAuthor = pallet_session::FindAccountFromAuthorIndex<Self, Babe>;
}

impl pallet_session::Config for Runtime {
	type Currency = Balances;
	type DisablingStrategy = pallet_session::disabling::UpToLimitDisablingStrategy;
	type KeyDeposit = SessionKeyDeposit;
	type Keys = opaque::SessionKeys;
	type NextSessionRotation = Babe;
	type RuntimeEvent = RuntimeEvent;
	type SessionHandler = <opaque::SessionKeys as OpaqueKeys>::KeyTypeIdProviders;
	// The validators of genesis stay.
	type SessionManager = ();
	type ShouldEndSession = Babe;
	type ValidatorId = AccountId;
	type ValidatorIdOf = ConvertInto;
	type WeightInfo = pallet_session::weights::SubstrateWeight<Runtime>;
}
