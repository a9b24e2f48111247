//! The state that every sequence starts from.

use crate::sample;
use frame_support::traits::fungibles::Mutate as _;
use frame_support::traits::tokens::Preservation;
use sp_io::TestExternalities;
use sp_runtime::{traits::Dispatchable, BuildStorage};
use std::collections::BTreeMap;
use stoa_primitives::{
	agent::Manifest,
	channel::{Cap, DEFAULT_GRACE},
	payload::Domain,
	referral::Referral,
	AccountId, AssetId, Balance,
};
use stoa_runtime::{
	configs::Tokens, genesis_presets, units::STOA, Runtime, RuntimeCall, RuntimeGenesisConfig,
	RuntimeOrigin, System,
};

/// The development stablecoin.
pub const DUSD: AssetId = AssetId::WithId(genesis_presets::DUSD);

/// One dollar of it.
pub const DOLLAR: Balance = genesis_presets::DOLLAR;

/// How far inputs got.
#[derive(Debug, Default)]
pub struct Reached {
	/// Pallet and name of calls, whether they succeeded, and how often.
	pub calls: BTreeMap<((&'static str, &'static str), bool), usize>,
	/// Claims that were paid.
	pub claims: usize,
	/// Channels that ended.
	pub closes: usize,
}

/// Eight people, seven with credits, five of them agents, and four channels.
pub struct World {
	/// The chain's state.
	pub state: TestExternalities,
	/// How far inputs got in it.
	pub reached: Reached,
}

impl World {
	/// The preset `development`, and what people have done since.
	pub fn new() -> Self {
		let mut state = TestExternalities::new_empty();
		state.execute_with(|| {
			// All of it as changes of an empty state: they are in a map, and reading a trie takes longer.
			for (key, value) in storage().top {
				sp_io::storage::set(&key, &value);
			}
			System::set_block_number(1);
			people();
			channels();
			System::reset_events();
		});
		Self { state, reached: Reached::default() }
	}
}

fn storage() -> sp_runtime::Storage {
	let preset = genesis_presets::get_preset(&"development".into()).expect("a known preset");
	let patch = serde_json::from_slice(&preset).expect("a preset is JSON");
	let mut config = serde_json::to_value(RuntimeGenesisConfig::default()).expect("JSON");
	merge(&mut config, patch);
	let config: RuntimeGenesisConfig = serde_json::from_value(config).expect("a preset fits");
	config.build_storage().expect("a preset builds")
}

/// What a chain spec does with a preset: objects are merged, all else is replaced.
fn merge(config: &mut serde_json::Value, patch: serde_json::Value) {
	match (config, patch) {
		(serde_json::Value::Object(config), serde_json::Value::Object(patch)) => {
			for (key, value) in patch {
				merge(config.entry(key).or_insert(serde_json::Value::Null), value);
			}
		},
		(config, patch) => *config = patch,
	}
}

/// The account of one of the people.
pub fn account(n: u8) -> AccountId {
	sample::people()[usize::from(n) % sample::PEOPLE].account()
}

/// A manifest with an address of that length.
pub fn manifest(length: u8) -> Manifest {
	let uri = vec![b'a'; length.into()];
	Manifest { digest: [length; 32], uri: uri.try_into().unwrap_or_default() }
}

fn ok(who: &AccountId, call: impl Into<RuntimeCall>) {
	let (call, origin) = (call.into(), RuntimeOrigin::signed(who.clone()));
	let result = call.clone().dispatch(origin);
	assert!(result.is_ok(), "{call:?}: {result:?}");
}

/// What all that people own comes from.
fn rich() -> AccountId {
	let key = stoa_client::keys::AccountKey::from_uri("//Ferdie", Default::default());
	key.expect("a good name").account()
}

fn people() {
	for n in 0..7 {
		for (asset, unit) in [(AssetId::Native, STOA), (DUSD, DOLLAR)] {
			if n < 6 {
				let amount = 1_000 * unit;
				Tokens::transfer(
					asset.clone(),
					&rich(),
					&account(n),
					amount,
					Preservation::Preserve,
				)
				.expect("there is enough of it");
			}
			let (amount, beneficiary) = (100 * unit, account(n));
			ok(
				&rich(),
				pallet_stoa_credits::Call::<Runtime>::deposit { asset, amount, beneficiary },
			);
		}
	}
	let agents = [(0, 0, None), (1, 2, Some(0)), (1, 3, None), (4, 4, Some(2)), (5, 6, Some(4))];
	for (operator, agent, referrer) in agents {
		let referral = referrer.map(|n| Referral::Account(account(n)));
		ok(&account(operator), super::calls::register(operator, agent, referral, 7));
	}
}

fn channels() {
	let cap = Some(Cap { per_window: 20 * DOLLAR, window: 100 });
	let opened = [
		(7u8, 0u8, 2u8, DUSD, 1u16, None),
		(1, 1, 3, DUSD, 4, None),
		(2, 4, 0, DUSD, 2, cap),
		(3, 0, 6, AssetId::Native, 1, None),
	];
	for (key, payer, payee, asset, lanes, cap) in opened {
		let deposit = 20 * if asset == DUSD { DOLLAR } else { STOA };
		let (payee, key, grace) = (account(payee), sample::key(key).key(), DEFAULT_GRACE);
		let call = pallet_stoa_channels::Call::<Runtime>::open {
			payee,
			asset,
			deposit,
			key,
			grace,
			lanes,
			cap,
		};
		ok(&account(payer), call);
	}
}

/// The chain's domain of vouchers.
pub fn domain() -> Domain {
	Domain::channels(System::block_hash(0))
}

/// The chain's domain of consents.
pub fn agents_domain() -> Domain {
	Domain::agents(System::block_hash(0))
}
