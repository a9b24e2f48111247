//! Configuration of every pallet, one file for each concern.

#![cfg_attr(
	not(any(test, feature = "runtime-benchmarks")),
	deny(
		clippy::arithmetic_side_effects,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::unwrap_used
	)
)]

mod consensus;
mod fees;
mod market;
mod statements;
// Sums and shares of constants.
#[allow(clippy::arithmetic_side_effects)]
pub(crate) mod system;
mod tokens;
mod wallets;

pub use fees::{FeeRates, PlatformShare, TreasuryAccount};
pub use market::PlatformAccount;
pub use statements::{Statements, QUOTA};
pub use system::RuntimeBlockWeights;
pub use tokens::Tokens;
pub use wallets::ProxyType;
