//! What commands share: keys, the node, names of accounts and assets, and files.

use crate::{
	amount::Unit,
	cli::Global,
	fees::FeeSource,
	keys::{is_name, private_dir, KeyPair, KeyRing},
	output::{note, Failure, Format},
};
use std::{
	env,
	path::{Path, PathBuf},
	sync::Arc,
	time::{Duration, Instant},
};
use stoa_client::{
	chain::{parse_hash, At, Call, Chain, ConnectOptions, SubmitOptions, Submitted, Wait},
	keys::parse_account,
	store::{RedbStore, Store, StoreError},
};
use stoa_primitives::{channel::ChannelId, AccountId, AssetId};

/// How long to wait for a store that another command of this machine has open.
pub const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait until the newest block is final: many times what a chain needs that works.
const FINALITY_PATIENCE: Duration = Duration::from_secs(30);

/// What commands share.
pub struct Context {
	global: Global,
	home: PathBuf,
	ring: KeyRing,
}

impl Context {
	/// From what was typed; touches neither node nor disk.
	///
	/// # Errors
	///
	/// When there is no home directory.
	pub fn new(global: Global) -> Result<Self, Failure> {
		let home = match &global.home {
			Some(home) => home.clone(),
			None => default_home()?,
		};
		Ok(Self { ring: KeyRing::new(&home), home, global })
	}

	/// How results are printed.
	pub fn format(&self) -> Format {
		self.global.output
	}

	/// The keys of this machine.
	pub fn ring(&self) -> &KeyRing {
		&self.ring
	}

	/// The node's address.
	pub fn node(&self) -> &str {
		&self.global.node
	}

	/// A line of progress for people; programs are not told.
	pub fn progress(&self, line: &str) {
		if self.format() == Format::Text {
			note(line);
		}
	}

	/// The key that signs.
	///
	/// # Errors
	///
	/// When none was named or there is none of that name.
	pub fn key(&self) -> Result<KeyPair, Failure> {
		match &self.global.key {
			Some(name) => self.ring.get(name),
			None => Err(Failure::new(
				"no key was named",
				"pass --key NAME or set STOA_KEY; `stoa keys list` shows the names",
			)),
		}
	}

	/// The account that `text` means: an address, a stored key or a development key.
	///
	/// # Errors
	///
	/// When it is none of them.
	pub fn account(&self, text: &str) -> Result<AccountId, Failure> {
		if text.starts_with("//") {
			return Ok(KeyPair::development(text)?.account_id());
		}
		if let Ok(account) = parse_account(text) {
			return Ok(account);
		}
		let pair = match is_name(text) {
			true => self.ring.find(text)?,
			false => None,
		};
		pair.map(|pair| pair.account_id()).ok_or_else(|| {
			Failure::new(
				format!("`{text}` is neither an address nor the name of a key"),
				"give an SS58 address, 0x and 64 hex digits, or a name from `stoa keys list`",
			)
		})
	}

	/// The account that `text` means, or the one that signs.
	///
	/// # Errors
	///
	/// See [`Context::account`] and [`Context::key`].
	pub fn account_or_own(&self, text: Option<&str>) -> Result<AccountId, Failure> {
		match text {
			Some(text) => self.account(text),
			None => Ok(self.key()?.account_id()),
		}
	}

	/// A connection to the node.
	///
	/// # Errors
	///
	/// When the node cannot be reached or does not fit.
	pub async fn chain(&self) -> Result<Chain, Failure> {
		Ok(Chain::connect(&self.global.node, ConnectOptions::default()).await?)
	}

	/// The asset that `text` names, with what the chain says of its decimals.
	///
	/// # Errors
	///
	/// When it is no asset of the chain.
	pub async fn unit(&self, chain: &Chain, text: &str) -> Result<Unit, Failure> {
		match parse_asset(text)? {
			AssetId::Native => Ok(Unit::native()),
			AssetId::WithId(id) => match chain.asset_metadata(id, At::Best).await? {
				Some(metadata) => Ok(Unit {
					asset: AssetId::WithId(id),
					symbol: metadata.symbol,
					decimals: metadata.decimals,
				}),
				None => Err(Failure::new(
					format!("the chain has no asset {id}"),
					"name another with --asset, or `native`",
				)),
			},
		}
	}

	/// The asset `asset`, as people know it.
	///
	/// # Errors
	///
	/// When the chain has no such asset.
	pub async fn unit_of(&self, chain: &Chain, asset: &AssetId) -> Result<Unit, Failure> {
		match asset {
			AssetId::Native => Ok(Unit::native()),
			AssetId::WithId(id) => self.unit(chain, &id.to_string()).await,
		}
	}

	/// The unit of a fee that was paid in `asset`, or in native tokens. When the asset's decimals cannot
	/// be read, the fee is shown in smallest units: what was done must not look as if it had failed.
	pub async fn fee_unit(&self, chain: &Chain, asset: Option<&AssetId>) -> Unit {
		let asset = asset.cloned().unwrap_or(AssetId::Native);
		match self.unit_of(chain, &asset).await {
			Ok(unit) => unit,
			Err(_) => Unit { symbol: show_asset(&asset), asset, decimals: 0 },
		}
	}

	/// From what fees are paid.
	///
	/// # Errors
	///
	/// When `--fees` names no asset.
	pub fn fees(&self) -> Result<FeeSource, Failure> {
		FeeSource::new(self.global.fees.as_deref())
	}

	/// How `call` of `key` is sent and paid for, waiting for a block that has it.
	///
	/// # Errors
	///
	/// When the node cannot be asked.
	pub async fn options(
		&self,
		chain: &Chain,
		key: &KeyPair,
		call: &Call,
	) -> Result<SubmitOptions, Failure> {
		let fee = self.fees()?.choose(chain, &key.account, call).await?;
		Ok(SubmitOptions { fee, ..SubmitOptions::in_block() })
	}

	/// As [`Context::options`], waiting until the block is final: for outcomes that must not be
	/// undone by another block in its place.
	///
	/// # Errors
	///
	/// When the node cannot be asked.
	pub async fn final_options(
		&self,
		chain: &Chain,
		key: &KeyPair,
		call: &Call,
	) -> Result<SubmitOptions, Failure> {
		let options = self.options(chain, key, call).await?;
		Ok(SubmitOptions { wait: Wait::Finalized, ..options })
	}

	/// Send one call and wait until it is in a block.
	///
	/// # Errors
	///
	/// When it is refused, fails, or its outcome is not known.
	pub async fn submit(
		&self,
		chain: &Chain,
		call: &Call,
		key: &KeyPair,
	) -> Result<Submitted, Failure> {
		let options = self.options(chain, key, call).await?;
		Ok(chain.submit(call, &key.account, options).await?)
	}

	/// Wait until the block that is best now is final. Returns whether that came to pass in time.
	///
	/// # Errors
	///
	/// When the node cannot be asked.
	pub async fn reaches_finality(&self, chain: &Chain) -> Result<bool, Failure> {
		let best = chain.block(At::Best).await?;
		let last = chain.wait_for_block(best.number, true);
		match tokio::time::timeout(FINALITY_PATIENCE, last).await {
			Ok(waited) => waited.map(|_| true).map_err(Failure::from),
			Err(_) => Ok(false),
		}
	}

	/// Where the payer of `account` keeps what it has signed on `chain`.
	pub fn payer_store(&self, chain: &Chain, account: &AccountId) -> PathBuf {
		self.store_path(chain, account, "payer")
	}

	/// Where the gateway of `account` keeps the vouchers in `asset` that it has accepted on
	/// `chain`.
	pub fn payee_store(&self, chain: &Chain, account: &AccountId, asset: &AssetId) -> PathBuf {
		match asset {
			AssetId::Native => self.store_path(chain, account, "payee-native"),
			AssetId::WithId(id) => self.store_path(chain, account, &format!("payee-{id}")),
		}
	}

	/// Where it is kept what `account` has negotiated on `chain`.
	pub fn negotiations_store(&self, chain: &Chain, account: &AccountId) -> PathBuf {
		self.store_path(chain, account, "negotiations")
	}

	/// Where it is kept at which address the sellers were found that `account` has paid on `chain`.
	pub fn sellers_file(&self, chain: &Chain, account: &AccountId) -> PathBuf {
		self.store_path(chain, account, "sellers").with_extension("json")
	}

	fn store_path(&self, chain: &Chain, account: &AccountId, side: &str) -> PathBuf {
		let genesis = hex::encode(chain.genesis().as_bytes());
		let chain = genesis.get(..16).unwrap_or(&genesis).to_string();
		let account: &[u8] = account.as_ref();
		self.home.join("stores").join(chain).join(format!("{}.{side}.redb", hex::encode(account)))
	}
}

/// Open a store, made if it is not there. Waits up to `patience` for another command that has it open.
///
/// # Errors
///
/// When it stays in use or cannot be opened.
pub async fn open_store(path: &Path, patience: Duration) -> Result<Arc<dyn Store>, Failure> {
	let cannot = |error: &dyn std::fmt::Display| {
		Failure::new(
			format!("the store {} cannot be opened: {error}", path.display()),
			"check the disk and the permissions of the directory",
		)
	};
	if let Some(dir) = path.parent() {
		private_dir(dir).map_err(|error| cannot(&error))?;
	}
	let since = Instant::now();
	loop {
		match RedbStore::open(path) {
			Ok(store) => return Ok(Arc::new(store)),
			Err(StoreError::InUse(_)) if since.elapsed() < patience => {
				tokio::time::sleep(Duration::from_millis(50)).await;
			},
			Err(error @ StoreError::InUse(_)) => {
				return Err(Failure::new(
					error.to_string(),
					"wait for the other `stoa` command to end, or stop it",
				))
			},
			Err(error) => return Err(cannot(&error)),
		}
	}
}

/// The asset that `text` names.
///
/// # Errors
///
/// When it is neither a number nor `native`.
pub fn parse_asset(text: &str) -> Result<AssetId, Failure> {
	match text.trim() {
		text if text.eq_ignore_ascii_case("native") || text.eq_ignore_ascii_case("stoa") => {
			Ok(AssetId::Native)
		},
		text => text.parse().map(AssetId::WithId).map_err(|_| {
			Failure::new(format!("`{text}` is no asset"), "give its number, like 1, or `native`")
		}),
	}
}

/// An asset in words.
pub fn show_asset(asset: &AssetId) -> String {
	match asset {
		AssetId::Native => "the native token".into(),
		AssetId::WithId(id) => format!("asset {id}"),
	}
}

/// How an asset is named on the command line.
pub fn asset_argument(asset: &AssetId) -> String {
	match asset {
		AssetId::Native => "native".into(),
		AssetId::WithId(id) => id.to_string(),
	}
}

/// The channel that `text` names.
///
/// # Errors
///
/// When it is not 32 bytes of hex.
pub fn parse_channel(text: &str) -> Result<ChannelId, Failure> {
	parse_hash(text).ok_or_else(|| {
		Failure::new(
			format!("`{text}` is no channel id"),
			"give 0x and 64 hex digits; `stoa channel list` shows the ids",
		)
	})
}

fn default_home() -> Result<PathBuf, Failure> {
	let from = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
	from("XDG_DATA_HOME")
		.or_else(|| from("HOME").map(|home| home.join(".local").join("share")))
		.map(|data| data.join("stoa"))
		.ok_or_else(|| {
			Failure::new(
				"there is no home directory to keep keys in",
				"pass --home DIR or set STOA_HOME",
			)
		})
}

#[cfg(test)]
mod tests {
	use super::*;

	fn context(home: &Path) -> Context {
		Context::new(Global {
			node: "ws://127.0.0.1:1".into(),
			home: Some(home.into()),
			output: Format::Json,
			key: None,
			fees: None,
			verbose: 0,
		})
		.unwrap()
	}

	#[test]
	fn accounts_should_be_found_by_address_name_and_path() {
		let home = tempfile::tempdir().unwrap();
		let context = context(home.path());
		let (made, _) = context.ring().create("alpha").unwrap();
		assert_eq!(context.account("alpha").unwrap(), made.account_id());
		assert_eq!(context.account(&made.address()).unwrap(), made.account_id());
		let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
		assert_eq!(context.account("//Alice").unwrap(), context.account(alice).unwrap());
		let hex =
			format!("0x{}", hex::encode(<AccountId as AsRef<[u8]>>::as_ref(&made.account_id())));
		assert_eq!(context.account(&hex).unwrap(), made.account_id());
		for text in ["beta", "", "5Grwva", "0x12", "a/b"] {
			assert!(context.account(text).unwrap_err().advice.contains("SS58"), "{text}");
		}
	}

	#[test]
	fn a_missing_key_should_say_how_to_name_one() {
		let home = tempfile::tempdir().unwrap();
		let failure = context(home.path()).key().err().unwrap();
		assert!(failure.advice.contains("--key"));
	}

	#[test]
	fn assets_should_be_numbers_or_native() {
		assert_eq!(parse_asset("1").unwrap(), AssetId::WithId(1));
		assert_eq!(parse_asset("native").unwrap(), AssetId::Native);
		for text in ["", "-1", "usd", "4294967296"] {
			assert!(parse_asset(text).is_err(), "{text}");
		}
	}

	#[test]
	fn channels_should_be_32_bytes_of_hex() {
		assert_eq!(parse_channel(&format!("0x{}", "ab".repeat(32))).unwrap(), [0xAB; 32]);
		for text in ["", "0x", "0xab", "zz"] {
			assert!(parse_channel(text).is_err(), "{text}");
		}
	}

	#[tokio::test]
	async fn a_node_that_is_not_reachable_should_be_named() {
		let home = tempfile::tempdir().unwrap();
		let failure = context(home.path()).chain().await.err().unwrap();
		assert!(failure.cause.contains("ws://127.0.0.1:1"), "{failure}");
		assert!(failure.advice.contains("--node"), "{failure}");
	}
}
