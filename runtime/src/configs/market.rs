//! The market: which pallet answers which question of another.

use crate::*;
use frame_support::{
	parameter_types,
	traits::{fungible::HoldConsideration, ConstU32, Get, LinearStoragePrice},
	PalletId,
};
use frame_system::EnsureRoot;
use sp_runtime::traits::AccountIdConversion;
use stoa_primitives::DAYS;

/// Who changes the market's parameters, within the pallets' constant caps.
type Admin = EnsureRoot<AccountId>;

/// A native deposit for stored bytes, held under `Reason`.
type Deposit<Reason> = HoldConsideration<
	AccountId,
	Balances,
	Reason,
	LinearStoragePrice<DepositBase, DepositPerByte, Balance>,
>;

parameter_types! {
	/// See [`units::DEPOSIT_PER_ITEM`].
	pub const DepositBase: Balance = units::DEPOSIT_PER_ITEM;
	/// See [`units::DEPOSIT_PER_BYTE`].
	pub const DepositPerByte: Balance = units::DEPOSIT_PER_BYTE;
	/// The record of an agent.
	pub const AgentHold: RuntimeHoldReason =
		RuntimeHoldReason::Agents(pallet_stoa_agents::HoldReason::Registration);
	/// A delegate key.
	pub const KeyHold: RuntimeHoldReason =
		RuntimeHoldReason::Agents(pallet_stoa_agents::HoldReason::DelegateKey);
	/// A referral code.
	pub const CodeHold: RuntimeHoldReason =
		RuntimeHoldReason::Referrals(pallet_stoa_referrals::HoldReason::Code);
	/// A channel.
	pub const ChannelHold: RuntimeHoldReason =
		RuntimeHoldReason::Channels(pallet_stoa_channels::HoldReason::Channel);
	/// The nonce of a pair of accounts.
	pub const NonceHold: RuntimeHoldReason =
		RuntimeHoldReason::Channels(pallet_stoa_channels::HoldReason::Nonce);
	/// An agreement.
	pub const AgreementHold: RuntimeHoldReason =
		RuntimeHoldReason::Escrow(pallet_stoa_escrow::HoldReason::Agreement);
	/// What is known of a negotiation.
	pub const RecordHold: RuntimeHoldReason =
		RuntimeHoldReason::Escrow(pallet_stoa_escrow::HoldReason::Record);
	/// Holds all real assets of the market.
	pub const CustodyPalletId: PalletId = PalletId(*b"stoa/cus");
	/// Keeps referral shares that are due to nobody.
	pub const GrowthPalletId: PalletId = PalletId(*b"stoa/gro");
}

/// Receives the platform's share.
pub struct PlatformAccount;
impl Get<AccountId> for PlatformAccount {
	fn get() -> AccountId {
		PalletId(*b"stoa/plt").into_account_truncating()
	}
}

impl pallet_stoa_agents::Config for Runtime {
	type AdminOrigin = Admin;
	type AgentConsideration = Deposit<AgentHold>;
	type BlockNumberProvider = System;
	type KeyConsideration = Deposit<KeyHold>;
	// Long enough that renewing is no chore, short enough that the dead drop out of discovery.
	type LeasePeriod = ConstU32<{ 90 * DAYS }>;
	type MaxConsentAge = ConstU32<{ DAYS }>;
	type ReferralFootprint = pallet_stoa_referrals::AgentFootprint<Runtime>;
	type Referrals = Referrals;
	type Registration = super::Statements;
	type WeightInfo = weights::pallet_stoa_agents::WeightInfo<Runtime>;
}

impl pallet_stoa_credits::Config for Runtime {
	type AdminOrigin = Admin;
	type Fungibles = super::Tokens;
	type Lockers = (Channels, Escrow);
	type PalletId = CustodyPalletId;
	// No operator has set limits: there is no pallet yet in which to set them.
	type SpendGuard = ();
	type WeightInfo = weights::pallet_stoa_credits::WeightInfo<Runtime>;
}

impl pallet_stoa_fee_split::Config for Runtime {
	type AdminOrigin = Admin;
	type BlockNumberProvider = System;
	type Ledger = Credits;
	type NoticePeriod = ConstU32<{ 14 * DAYS }>;
	type Outcome = ();
	type PlatformAccount = PlatformAccount;
	type Registry = Agents;
	type Rewards = Referrals;
	type SpendGuard = ();
	type WeightInfo = weights::pallet_stoa_fee_split::WeightInfo<Runtime>;
}

impl pallet_stoa_referrals::Config for Runtime {
	type AdminOrigin = Admin;
	type BlockNumberProvider = System;
	type Consideration = Deposit<CodeHold>;
	// Registered in the first year of blocks.
	type EarlyAdopterEnd = ConstU32<{ 365 * DAYS }>;
	type Ledger = Credits;
	type MaxCodes = ConstU32<8>;
	type MaxRewardAssets = ConstU32<8>;
	type PalletId = GrowthPalletId;
	type Registry = Agents;
	type WeightInfo = weights::pallet_stoa_referrals::WeightInfo<Runtime>;
}

impl pallet_stoa_channels::Config for Runtime {
	type BlockNumberProvider = System;
	type ChannelConsideration = Deposit<ChannelHold>;
	type FeeCover = super::PlatformShare;
	type Ledger = Credits;
	type MaxSponsoredChannels = ConstU32<64>;
	type MaxSponsoredPairs = ConstU32<256>;
	type NonceConsideration = Deposit<NonceHold>;
	type Outcome = ();
	type Registry = Agents;
	type Settlement = FeeSplit;
	type SpendGuard = ();
	type WeightInfo = weights::pallet_stoa_channels::WeightInfo<Runtime>;
}

impl pallet_stoa_escrow::Config for Runtime {
	type AgreementConsideration = Deposit<AgreementHold>;
	type Arbitration = pallet_stoa_escrow::NamedArbiters<Runtime>;
	type BlockNumberProvider = System;
	type Ledger = Credits;
	type MaxSponsoredAgreements = ConstU32<64>;
	type MaxSponsoredRecords = ConstU32<256>;
	// Five minutes: programs rule as well as people.
	type MinTurn = ConstU32<150>;
	type Outcome = ();
	type RecordConsideration = Deposit<RecordHold>;
	type Registry = Agents;
	type Settlement = FeeSplit;
	type SpendGuard = ();
	type WeightInfo = weights::pallet_stoa_escrow::WeightInfo<Runtime>;
}
