//! The chains this binary knows by name.
//!
//! Each takes its genesis from a preset of the runtime, so that accounts, authorities and balances
//! are defined in one place and can be built from the Wasm alone. Any other chain comes as a JSON
//! file, which carries its own runtime.

use sc_chain_spec::ChainSpec as _;
use sc_service::{ChainType, GenericChainSpec, Properties};
use sp_core::storage::{well_known_keys, Storage};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};
use std::path::Path;

/// A Stoa chain specification.
pub type ChainSpec = GenericChainSpec;

/// Ticker of the native token.
pub const TOKEN_SYMBOL: &str = "STOA";
/// Decimals of the native token.
pub const TOKEN_DECIMALS: u32 = 12;
/// Prefix of a Stoa address: 42, the generic one, so that every wallet can show it.
pub const SS58_FORMAT: u32 = 42;

const NO_RUNTIME: &str = "this binary was built without the Stoa runtime (SKIP_WASM_BUILD was \
	set), so it knows no chain by name: build it again without that variable, or give a chain \
	specification file to --chain";

/// A chain that has a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
	/// One authority, Alice; throw-away state.
	Development,
	/// A few well-known authorities on one host or one local network.
	Local,
}

impl Named {
	/// The chain called `name` on the command line. A bare start means the local network.
	fn find(name: &str) -> Option<Self> {
		match name {
			"dev" | "stoa_dev" => Some(Self::Development),
			"" | "local" | "stoa_local" => Some(Self::Local),
			_ => None,
		}
	}

	/// The specification of this chain, running `code`.
	fn spec(self, code: &[u8]) -> ChainSpec {
		let (name, id, chain_type, preset) = match self {
			Self::Development => {
				("Stoa Development", "stoa_dev", ChainType::Development, DEV_RUNTIME_PRESET)
			},
			Self::Local => {
				("Stoa Local Testnet", "stoa_local", ChainType::Local, LOCAL_TESTNET_RUNTIME_PRESET)
			},
		};
		ChainSpec::builder(code, None)
			.with_name(name)
			.with_id(id)
			.with_protocol_id(id)
			.with_chain_type(chain_type)
			.with_genesis_config_preset_name(preset)
			.with_properties(properties())
			.build()
	}
}

/// The genesis state of `preset` with `code`, built by the runtime's native twin.
///
/// Equal to what the Wasm builds, as a test shows, without compiling the Wasm for it: that is most of
/// the time from start to first block.
fn native_genesis(preset: &str, code: &[u8]) -> Result<Storage, String> {
	let mut storage = stoa_runtime::genesis_presets::storage(preset)?;
	storage.top.insert(well_known_keys::CODE.to_vec(), code.to_vec());
	Ok(storage)
}

/// What a wallet needs to show amounts and addresses.
fn properties() -> Properties {
	let mut properties = Properties::new();
	properties.insert("tokenSymbol".into(), TOKEN_SYMBOL.into());
	properties.insert("tokenDecimals".into(), TOKEN_DECIMALS.into());
	properties.insert("ss58Format".into(), SS58_FORMAT.into());
	properties
}

/// The chain called `id`, or the one in the JSON file at that path.
///
/// A name wins over a file of that name: `./local` is the way to such a file.
pub fn load(id: &str) -> Result<ChainSpec, String> {
	if let Some(named) = Named::find(id) {
		let code = stoa_runtime::WASM_BINARY.ok_or(NO_RUNTIME)?;
		let mut spec = named.spec(code);
		if named == Named::Development {
			spec.set_storage(native_genesis(DEV_RUNTIME_PRESET, code)?);
		}
		return Ok(spec);
	}
	let path = Path::new(id);
	if !path.is_file() {
		return Err(format!(
			"`{id}` is neither a chain of this node (`dev`, `local`) nor a chain specification file"
		));
	}
	ChainSpec::from_json_file(path.into())
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_runtime::BuildStorage;

	#[test]
	fn names_resolve() {
		assert_eq!(Named::find("dev"), Some(Named::Development));
		assert_eq!(Named::find("stoa_dev"), Some(Named::Development));
		assert_eq!(Named::find("local"), Some(Named::Local));
		assert_eq!(Named::find(""), Some(Named::Local));
		assert_eq!(Named::find("local.json"), None);
	}

	#[test]
	fn specs_say_what_they_are() {
		for (named, id, chain_type) in [
			(Named::Development, "stoa_dev", ChainType::Development),
			(Named::Local, "stoa_local", ChainType::Local),
		] {
			let spec = named.spec(&[]);
			assert_eq!(spec.id(), id);
			assert_eq!(sc_service::ChainSpec::chain_type(&spec), chain_type);
			assert_eq!(spec.properties()["tokenSymbol"], "STOA");
			assert_eq!(spec.properties()["tokenDecimals"], 12);
			assert_eq!(spec.properties()["ss58Format"], 42);
		}
	}

	#[test]
	fn native_and_wasm_build_the_same_genesis() {
		let Some(code) = stoa_runtime::WASM_BINARY else { return };
		let wasm = Named::Development.spec(code).build_storage().unwrap();
		let native = native_genesis(DEV_RUNTIME_PRESET, code).unwrap();
		assert!(wasm.top == native.top && wasm.children_default == native.children_default);
	}

	#[test]
	fn an_unknown_chain_is_named_in_the_error() {
		let error = load("atlantis").err().unwrap_or_default();
		assert!(error.contains("`atlantis`"), "{error}");
	}

	#[test]
	fn a_binary_without_a_runtime_says_so() {
		match (stoa_runtime::WASM_BINARY, load("dev")) {
			(Some(_), loaded) => assert!(loaded.is_ok()),
			(None, loaded) => assert_eq!(loaded.err().as_deref(), Some(NO_RUNTIME)),
		}
	}
}
