//! Fee rates at genesis.
//!
//! `pallet-asset-rate` has no genesis configuration of its own, and a chain whose agents pay fees
//! from credits needs its rates in the first block. This pallet writes them there and does nothing
//! else; from then on `pallet-asset-rate` is the one place for rates.

pub use pallet::*;

/// See the module.
#[frame_support::pallet]
pub mod pallet {
	use alloc::vec::Vec;
	use frame_support::pallet_prelude::*;
	use sp_runtime::FixedU128;

	#[pallet::pallet]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config: frame_system::Config + pallet_asset_rate::Config<AssetKind = u32> {}

	/// Rates that `pallet-asset-rate` starts with.
	#[pallet::genesis_config]
	#[derive(frame_support::DefaultNoBound)]
	pub struct GenesisConfig<T: Config> {
		/// Id of an asset, and native units that one unit of it buys.
		pub rates: Vec<(u32, FixedU128)>,
		#[serde(skip)]
		pub _config: core::marker::PhantomData<T>,
	}

	#[pallet::genesis_build]
	impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
		fn build(&self) {
			for (asset, rate) in &self.rates {
				pallet_asset_rate::ConversionRateToNative::<T>::insert(asset, rate);
			}
		}
	}
}
