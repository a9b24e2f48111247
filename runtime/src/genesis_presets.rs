//! Genesis presets: `development` (one validator, sudo) and `local_testnet` (two validators, no
//! sudo).
//!
//! Both have the development stablecoin dUSD: asset 1, 6 decimals, sufficient, minimum balance 1.
//! One STOA is taken for one dollar.

use crate::{opaque::SessionKeys, units::*, *};
use alloc::{vec, vec::Vec};
use frame_support::build_struct_json_patch;
use frame_support::traits::Get;
use serde_json::Value;
use sp_genesis_builder::{PresetId, DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::FixedU128;

/// Id of the development stablecoin.
pub const DUSD: u32 = 1;
/// One dollar of the development stablecoin.
pub const DOLLAR: Balance = 1_000_000;
/// Below this a row of credits in dollars is not opened: one cent.
pub const DUSD_DUST_BOUND: Balance = DOLLAR / 100;

/// The preset `name`, as JSON.
pub fn get_preset(name: &PresetId) -> Option<Vec<u8>> {
	use Sr25519Keyring::{Alice, Bob};
	let preset = match name.as_ref() {
		DEV_RUNTIME_PRESET => preset(&[Alice], Some(Alice)),
		LOCAL_TESTNET_RUNTIME_PRESET => preset(&[Alice, Bob], None),
		_ => return None,
	};
	serde_json::to_vec(&preset).ok()
}

/// The state that the preset `name` makes, without the runtime's code: what a chain spec of it holds,
/// built natively.
///
/// # Errors
///
/// Says which preset is unknown or malformed.
#[cfg(feature = "std")]
pub fn storage(name: &str) -> Result<sp_runtime::Storage, String> {
	use sp_runtime::BuildStorage;
	let json = |error: serde_json::Error| format!("preset `{name}` is malformed: {error}");
	let patch = get_preset(&PresetId::from(name))
		.ok_or_else(|| format!("the runtime has no preset `{name}`"))?;
	let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).map_err(json)?;
	merge(&mut config, serde_json::from_slice(&patch).map_err(json)?);
	let config: RuntimeGenesisConfig = serde_json::from_value(config).map_err(json)?;
	config.build_storage()
}

/// What a chain spec does with a preset: objects are merged, all else is replaced.
#[cfg(feature = "std")]
fn merge(config: &mut Value, patch: Value) {
	match (config, patch) {
		(Value::Object(config), Value::Object(patch)) => {
			for (key, value) in patch {
				merge(config.entry(key).or_insert(Value::Null), value);
			}
		},
		(config, patch) => *config = patch,
	}
}

/// Names of the presets.
pub fn preset_names() -> Vec<PresetId> {
	vec![PresetId::from(DEV_RUNTIME_PRESET), PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET)]
}

fn session_keys(who: Sr25519Keyring) -> SessionKeys {
	// The same seed in both schemes, as `--alice` and its like put them into the keystore.
	let grandpa = match who {
		Sr25519Keyring::Alice => Ed25519Keyring::Alice,
		_ => Ed25519Keyring::Bob,
	};
	SessionKeys { babe: who.public().into(), grandpa: grandpa.public().into() }
}

fn preset(validators: &[Sr25519Keyring], sudo: Option<Sr25519Keyring>) -> Value {
	let people: Vec<AccountId> =
		Sr25519Keyring::well_known().map(|who| who.to_account_id()).collect();
	let custody = Credits::custody();
	let fund = |accounts: &[AccountId], each: Balance, custody_holds: Balance| {
		accounts
			.iter()
			.map(|who| (who.clone(), each))
			// What custody holds beyond what it owes, so that paying out everything never closes it.
			.chain([(custody.clone(), custody_holds)])
			.collect::<Vec<_>>()
	};
	let native = fund(&people, 1_000_000 * STOA, EXISTENTIAL_DEPOSIT);
	let dusd = fund(&people, 1_000_000 * DOLLAR, 1)
		.into_iter()
		.map(|(who, amount)| (DUSD, who, amount))
		.collect::<Vec<_>>();

	// The treasury holds the least balance from the start: what an account that does not exist is paid
	// below that would be burned, and fees are far below it.
	let mut native = native;
	native.push((configs::TreasuryAccount::get(), EXISTENTIAL_DEPOSIT));

	build_struct_json_patch!(RuntimeGenesisConfig {
		balances: BalancesConfig { balances: native },
		babe: BabeConfig { epoch_config: BABE_GENESIS_EPOCH_CONFIG },
		session: SessionConfig {
			keys: validators
				.iter()
				.map(|who| (who.to_account_id(), who.to_account_id(), session_keys(*who)))
				.collect::<Vec<_>>(),
		},
		assets: AssetsConfig {
			assets: vec![(DUSD, Sr25519Keyring::Alice.to_account_id(), true, 1)],
			metadata: vec![(DUSD, b"Development dollar".to_vec(), b"dUSD".to_vec(), 6)],
			accounts: dusd,
		},
		// One unit of a millionth of a dollar buys a millionth of a STOA.
		genesis_rates: GenesisRatesConfig { rates: vec![(DUSD, FixedU128::from_u32(1_000_000))] },
		credits: CreditsConfig {
			accepted: vec![
				(AssetId::Native, EXISTENTIAL_DEPOSIT),
				(AssetId::WithId(DUSD), DUSD_DUST_BOUND),
			],
		},
		referrals: ReferralsConfig {
			// What one referee can ever earn its referrers: 100 STOA and 100 dollars.
			caps: vec![(AssetId::Native, 100 * STOA), (AssetId::WithId(DUSD), 100 * DOLLAR),],
		},
		sudo: SudoConfig { key: sudo.map(|who| who.to_account_id()) },
	})
}
