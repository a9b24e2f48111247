//! Configuration of every pallet, one file for each concern.

mod consensus;
mod fees;
mod market;
pub(crate) mod system;
mod tokens;
mod wallets;

pub use fees::{FeeRates, TreasuryAccount};
pub use market::PlatformAccount;
pub use system::RuntimeBlockWeights;
pub use tokens::Tokens;
pub use wallets::ProxyType;
