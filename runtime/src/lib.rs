//! # The Stoa runtime
//!
//! Wiring only: which pallets the chain has, how they see each other, and what a block may hold.
//! The market itself is in the `pallet-stoa-*` crates; they know each other through the traits of
//! `stoa-primitives` alone.

#![cfg_attr(not(feature = "std"), no_std)]
// `construct_runtime` and the runtime API macros nest deeper than the default of 128.
#![recursion_limit = "512"]
// The runtime macros write items without docs; what is written by hand has them.
#![allow(missing_docs)]

// Written by the Wasm builder.
#[cfg(feature = "std")]
#[allow(dead_code)]
mod wasm {
	include!(concat!(env!("OUT_DIR"), "/wasm_binary.rs"));
}
#[cfg(feature = "std")]
pub use wasm::{WASM_BINARY, WASM_BINARY_BLOATY};

extern crate alloc;

pub mod apis;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarks;
pub mod configs;
pub mod genesis_presets;
pub mod genesis_rates;
pub mod weights;

// The macros below name it.
use alloc::vec::Vec;
use sp_runtime::{
	generic, impl_opaque_keys,
	traits::{BlakeTwo256, IdentifyAccount, Verify},
	MultiAddress, MultiSignature,
};
use sp_version::RuntimeVersion;

pub use apis::{RuntimeApi, RUNTIME_API_VERSIONS};
pub use stoa_primitives::{AssetId, Balance, BlockNumber};

/// How accounts sign transactions: sr25519, ed25519 or ecdsa.
pub type Signature = MultiSignature;
/// An account.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// What tells one transaction of an account from the next.
pub type Nonce = u32;
/// The chain's hash.
pub type Hash = sp_core::H256;
/// How transactions name accounts.
pub type Address = MultiAddress<AccountId, ()>;
/// A block header.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// A block.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;

/// What every transaction carries beside its call, in this order.
pub type TxExtension = (
	frame_system::AuthorizeCall<Runtime>,
	frame_system::CheckNonZeroSender<Runtime>,
	frame_system::CheckSpecVersion<Runtime>,
	frame_system::CheckTxVersion<Runtime>,
	frame_system::CheckGenesis<Runtime>,
	frame_system::CheckEra<Runtime>,
	frame_system::CheckNonce<Runtime>,
	frame_system::CheckWeight<Runtime>,
	pallet_asset_tx_payment::ChargeAssetTxPayment<Runtime>,
	frame_metadata_hash_extension::CheckMetadataHash<Runtime>,
	frame_system::WeightReclaim<Runtime>,
);

/// A transaction.
pub type UncheckedExtrinsic =
	generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;

/// Runs blocks.
pub type Executive = frame_executive::Executive<
	Runtime,
	Block,
	frame_system::ChainContext<Runtime>,
	Runtime,
	AllPalletsWithSystem,
>;

/// Types for code that must not depend on the runtime's calls, such as the node.
pub mod opaque {
	use super::*;

	/// A block whose transactions are bytes.
	pub type Block = generic::Block<Header, sp_runtime::OpaqueExtrinsic>;

	impl_opaque_keys! {
		/// The keys with which a validator takes part in a session.
		pub struct SessionKeys {
			/// Block production.
			pub babe: crate::Babe,
			/// Finality.
			pub grandpa: crate::Grandpa,
		}
	}
}

/// The version of this runtime.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
	spec_name: alloc::borrow::Cow::Borrowed("stoa"),
	impl_name: alloc::borrow::Cow::Borrowed("stoa"),
	authoring_version: 1,
	spec_version: 1,
	impl_version: 1,
	apis: RUNTIME_API_VERSIONS,
	transaction_version: 1,
	system_version: 1,
};

/// The BABE configuration that block producers start from.
pub const BABE_GENESIS_EPOCH_CONFIG: sp_consensus_babe::BabeEpochConfiguration =
	sp_consensus_babe::BabeEpochConfiguration {
		c: (1, 4),
		allowed_slots: sp_consensus_babe::AllowedSlots::PrimaryAndSecondaryVRFSlots,
	};

/// Length of a slot in milliseconds; every slot has a block.
pub const SLOT_MILLIS: u64 = stoa_primitives::BLOCK_MILLIS;
/// Length of an epoch and session: ten minutes.
pub const EPOCH_BLOCKS: BlockNumber = 10 * stoa_primitives::MINUTES;

/// Units of the native token.
pub mod units {
	use super::Balance;

	/// One STOA: 12 decimals.
	pub const STOA: Balance = 1_000_000_000_000;
	/// A thousandth of a STOA.
	pub const MILLI: Balance = STOA / 1_000;
	/// A millionth of a STOA.
	pub const MICRO: Balance = MILLI / 1_000;
	/// The least native balance an account can hold.
	pub const EXISTENTIAL_DEPOSIT: Balance = MILLI;

	/// Price of storing an item, refundable: 0.01 STOA.
	pub const DEPOSIT_PER_ITEM: Balance = 10 * MILLI;
	/// Price of storing a byte, refundable: 0.0001 STOA.
	pub const DEPOSIT_PER_BYTE: Balance = 100 * MICRO;

	/// The refundable price of `items` with `bytes` in all.
	pub const fn deposit(items: u32, bytes: u32) -> Balance {
		items as Balance * DEPOSIT_PER_ITEM + bytes as Balance * DEPOSIT_PER_BYTE
	}
}

#[frame_support::runtime]
mod runtime {
	/// The Stoa runtime.
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask,
		RuntimeViewFunction
	)]
	pub struct Runtime;

	// Index 255 stays free: signed payloads start with that byte.
	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Timestamp = pallet_timestamp;
	// Babe before Session: `on_initialize` of Babe sets what Session reads.
	#[runtime::pallet_index(2)]
	pub type Babe = pallet_babe;
	#[runtime::pallet_index(3)]
	pub type Authorship = pallet_authorship;
	#[runtime::pallet_index(4)]
	pub type Session = pallet_session;
	#[runtime::pallet_index(5)]
	pub type Grandpa = pallet_grandpa;

	#[runtime::pallet_index(10)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(11)]
	pub type Assets = pallet_assets;
	#[runtime::pallet_index(12)]
	pub type AssetRate = pallet_asset_rate;
	#[runtime::pallet_index(13)]
	pub type TransactionPayment = pallet_transaction_payment;
	#[runtime::pallet_index(14)]
	pub type AssetTxPayment = pallet_asset_tx_payment;
	#[runtime::pallet_index(15)]
	pub type GenesisRates = crate::genesis_rates;

	#[runtime::pallet_index(20)]
	pub type Utility = pallet_utility;
	#[runtime::pallet_index(21)]
	pub type Multisig = pallet_multisig;
	#[runtime::pallet_index(22)]
	pub type Proxy = pallet_proxy;
	#[runtime::pallet_index(23)]
	pub type Sudo = pallet_sudo;

	#[runtime::pallet_index(50)]
	pub type Agents = pallet_stoa_agents;
	#[runtime::pallet_index(51)]
	pub type Credits = pallet_stoa_credits;
	#[runtime::pallet_index(52)]
	pub type FeeSplit = pallet_stoa_fee_split;
	#[runtime::pallet_index(53)]
	pub type Referrals = pallet_stoa_referrals;
	#[runtime::pallet_index(54)]
	pub type Channels = pallet_stoa_channels;
	#[runtime::pallet_index(55)]
	pub type Escrow = pallet_stoa_escrow;
}

#[cfg(test)]
mod tests;
