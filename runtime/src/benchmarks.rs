//! Which benchmarks `scripts/weights` can run, and what they need of this runtime.

use crate::*;
use alloc::{string::String, vec::Vec};
use frame_benchmarking::{define_benchmarks, BenchmarkBatch, BenchmarkConfig, BenchmarkList};
use stoa_primitives::traits::Ledger;

define_benchmarks!(
	[frame_system, frame_system_benchmarking::Pallet::<Runtime>]
	[pallet_balances, Balances]
	[pallet_asset_tx_payment, AssetTxPayment]
	[pallet_stoa_agents, Agents]
	[pallet_stoa_credits, Credits]
	[pallet_stoa_fee_split, FeeSplit]
	[pallet_stoa_referrals, Referrals]
	[pallet_stoa_channels, Channels]
	[pallet_stoa_escrow, Escrow]
);

/// All benchmarks by name.
pub fn list(extra: bool) -> Vec<BenchmarkList> {
	let mut list = Vec::new();
	list_benchmarks!(list, extra);
	list
}

/// Run what `config` asks for.
pub fn dispatch(config: BenchmarkConfig) -> Result<Vec<BenchmarkBatch>, String> {
	use frame_support::traits::WhitelistedStorageKeys;
	let whitelist = AllPalletsWithSystem::whitelisted_storage_keys();
	let mut batches = Vec::new();
	let params = (&config, &whitelist);
	add_benchmarks!(params, batches);
	Ok(batches)
}

impl frame_system_benchmarking::Config for Runtime {}

/// Assets for `pallet-asset-rate`.
pub struct RateHelper;
impl pallet_asset_rate::AssetKindFactory<u32> for RateHelper {
	fn create_asset_kind(seed: u32) -> u32 {
		seed
	}
}

/// Credits for `pallet-asset-tx-payment`.
pub struct FeeHelper;
impl pallet_asset_tx_payment::BenchmarkHelperTrait<AccountId, AssetId, AssetId> for FeeHelper {
	fn create_asset_id_parameter(_: u32) -> (AssetId, AssetId) {
		let asset = AssetId::WithId(genesis_presets::DUSD);
		(asset.clone(), asset)
	}

	fn setup_balances_and_pool(asset: AssetId, account: AccountId) {
		use frame_support::{
			storage::{storage_prefix, unhashed},
			traits::fungible::Mutate,
		};
		// A block whose author has no row yet.
		let author = AccountId::new([0xA0; 32]);
		unhashed::put(&storage_prefix(b"Authorship", b"Author"), &author);
		assert_eq!(Authorship::author(), Some(author));
		Balances::mint_into(&account, units::STOA).expect("far from the largest balance");
		Credits::benchmark_deposit(&account, &asset, 1_000_000 * genesis_presets::DOLLAR);
		// Any share of a fee lifts the rows of author and treasury to the bound, and makes accounts.
		Credits::accept_asset(RuntimeOrigin::root(), asset, 1).expect("it is accepted already");
	}
}
