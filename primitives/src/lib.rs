//! # Stoa primitives
//!
//! The one definition of what pallets, client and gateway share: ids and money types
//! ([`money`]), the bytes that agents sign ([`payload`]) and the keys they sign with ([`keys`]),
//! channel items ([`channel`]), offers ([`agreement`]), hash chains ([`tick`]) and the traits through which pallets talk ([`traits`]).
//!
//! The crate is `no_std` and knows no pallet.

#![cfg_attr(not(feature = "std"), no_std)]
#![warn(missing_docs)]
#![cfg_attr(
	not(test),
	deny(
		clippy::arithmetic_side_effects,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::unwrap_used
	)
)]

extern crate alloc;

pub mod agent;
pub mod agreement;
pub mod channel;
pub mod keys;
#[cfg(feature = "mock")]
pub mod mock;
pub mod money;
pub mod payload;
pub mod referral;
pub mod statement;
pub mod tick;
pub mod traits;

pub use frame_support::traits::fungible::NativeOrWithId;
pub use sp_core::{H256, U256};
pub use sp_runtime::AccountId32 as AccountId;

/// The number of a block of this chain. Blocks come every [`BLOCK_MILLIS`] milliseconds.
pub type BlockNumber = u32;

/// Target time between two blocks, in milliseconds.
pub const BLOCK_MILLIS: u64 = 2_000;

/// Blocks in one minute of chain time.
pub const MINUTES: BlockNumber = 30;
/// Blocks in one hour of chain time.
pub const HOURS: BlockNumber = MINUTES * 60;
/// Blocks in one day of chain time.
pub const DAYS: BlockNumber = HOURS * 24;

/// The identifier of an asset: the native token STOA (12 decimals) or an asset of `pallet-assets`.
pub type AssetId = NativeOrWithId<u32>;

/// An amount of one asset, in its smallest unit.
pub type Balance = u128;
