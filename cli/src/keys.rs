//! The keys of this machine: one file for each name, readable by its owner alone.
//!
//! A name holds keys that come from one secret: the account key (sr25519) signs extrinsics and
//! consents, voucher keys (ed25519, the first one derived with the path `//voucher`) sign vouchers. One
//! mnemonic brings them all back, here or in any other Substrate wallet.

mod vouchers;

pub use vouchers::VoucherKeys;

use crate::output::Failure;
use serde::{Deserialize, Serialize};
use sp_core::{
	crypto::{ExposeSecret, SecretUri},
	sr25519, Pair,
};
use std::{
	fs::{self, File},
	io::{self, Read, Write},
	path::{Path, PathBuf},
};
use stoa_client::keys::{format_account, AccountKey, Scheme, VoucherKey};
use stoa_primitives::{keys::Key, AccountId};
use tempfile::NamedTempFile;

/// Longest name of a key: shorter than any address, so that the two cannot be mixed up.
const MAX_NAME: usize = 32;

/// What a secret looks like.
const SECRET_ADVICE: &str = "give a mnemonic of 12 to 24 words or a 32-byte seed in hex, with or \
	without a path like //one";

/// The version of the file's layout.
const VERSION: u32 = 1;

/// What a key file holds.
#[derive(Deserialize, Serialize)]
struct KeyFile {
	/// [`VERSION`].
	version: u32,
	/// The account, as a check of the secret.
	address: String,
	/// The first voucher key, as a check of the secret.
	voucher_key: String,
	/// The seed in hex, then the derivation path.
	secret: String,
}

/// A secret and what it signs with.
#[derive(Clone)]
pub struct KeyPair {
	/// The name it is stored under, or the path of a development key.
	pub name: String,
	/// Signs extrinsics and consents.
	pub account: AccountKey,
	/// Signs the vouchers of new channels: the newest of the voucher keys.
	pub voucher: VoucherKey,
	/// All voucher keys: a channel goes on with the one that it names.
	pub vouchers: VoucherKeys,
}

impl KeyPair {
	/// The keys that `uri` names: a mnemonic or a seed in hex with or without a path, or a path of
	/// the well-known development mnemonic.
	fn from_uri(name: &str, uri: &str) -> Result<Self, Failure> {
		let refuse = |error: &dyn std::fmt::Display| {
			Failure::new(format!("the secret is not usable: {error}"), SECRET_ADVICE)
		};
		// The seed once: to make it from a mnemonic takes longer than all keys that come from it.
		let secret = seed_uri(uri)?;
		let account = AccountKey::from_uri(&secret, Scheme::Sr25519).map_err(|e| refuse(&e))?;
		let vouchers = VoucherKeys::new(secret);
		let voucher = vouchers.get(0)?;
		Ok(Self { name: name.into(), account, voucher, vouchers })
	}

	/// The pair whose new channels name the voucher key of this number.
	fn at(self, number: u32) -> Result<Self, Failure> {
		let voucher = self.vouchers.get(number)?;
		Ok(Self { voucher, vouchers: self.vouchers.at(number), ..self })
	}

	/// A new secret that is kept nowhere but in the result.
	///
	/// # Errors
	///
	/// When a new mnemonic is refused, which is an error in the key library.
	pub fn generate(name: &str) -> Result<(Self, String), Failure> {
		let (_, mnemonic) = AccountKey::generate(Scheme::Sr25519);
		Ok((Self::from_uri(name, &mnemonic)?, mnemonic))
	}

	/// A key of the well-known development mnemonic, like `//Alice`.
	///
	/// # Errors
	///
	/// When `path` is no derivation path.
	pub fn development(path: &str) -> Result<Self, Failure> {
		Self::from_uri(path, path)
	}

	/// The account.
	pub fn account_id(&self) -> AccountId {
		self.account.account()
	}

	/// The account as people write it.
	pub fn address(&self) -> String {
		format_account(&self.account_id())
	}

	/// The newest voucher key as hex.
	pub fn voucher_hex(&self) -> String {
		key_hex(&self.voucher.key())
	}
}

/// A key as `ed25519:0x…`.
pub fn key_hex(key: &Key) -> String {
	match key {
		Key::Ed25519(bytes) => format!("ed25519:0x{}", hex::encode(bytes)),
		Key::Sr25519(bytes) => format!("sr25519:0x{}", hex::encode(bytes)),
		Key::Ecdsa(bytes) => format!("ecdsa:0x{}", hex::encode(bytes)),
	}
}

/// The inverse of [`key_hex`]; `None` for anything else.
pub fn parse_key(text: &str) -> Option<Key> {
	fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
		let mut out = [0; N];
		hex::decode_to_slice(text.strip_prefix("0x")?, &mut out).ok()?;
		Some(out)
	}
	let (scheme, text) = text.split_once(':')?;
	match scheme {
		"ed25519" => bytes(text).map(Key::Ed25519),
		"sr25519" => bytes(text).map(Key::Sr25519),
		"ecdsa" => bytes(text).map(Key::Ecdsa),
		_ => None,
	}
}

/// `uri` with its mnemonic and password replaced by the seed that they make.
fn seed_uri(uri: &str) -> Result<String, Failure> {
	let advice = SECRET_ADVICE;
	if uri.is_empty() {
		return Err(Failure::new("no secret was given", advice));
	}
	let parsed: SecretUri =
		uri.parse().map_err(|_| Failure::new("the secret cannot be read", advice))?;
	if parsed.junctions.iter().any(|junction| junction.is_soft()) {
		return Err(Failure::new(
			"the path has a soft junction `/…`, which ed25519 voucher keys do not know",
			"use hard junctions `//…` only",
		));
	}
	let phrase = parsed.phrase.expose_secret();
	let path = uri.find("//").map_or("", |at| uri.get(at..).unwrap_or_default());
	let path = path.split("///").next().unwrap_or_default();
	let seed = match phrase.strip_prefix("0x") {
		Some(seed) => {
			let seed: [u8; 32] = hex::decode(seed)
				.ok()
				.and_then(|bytes| bytes.try_into().ok())
				.ok_or_else(|| Failure::new("the seed is not 32 bytes of hex", advice))?;
			seed
		},
		None => {
			let password = parsed.password.as_ref().map(|p| p.expose_secret().as_str());
			let (_, seed) = sr25519::Pair::from_phrase(phrase, password)
				.map_err(|_| Failure::new("the mnemonic is not valid", advice))?;
			seed
		},
	};
	Ok(format!("0x{}{path}", hex::encode(seed)))
}

/// Whether `text` can be the name of a key.
pub fn is_name(text: &str) -> bool {
	let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
	!text.is_empty() && text.len() <= MAX_NAME && text.chars().all(fits)
}

/// The key files of a home directory.
#[derive(Clone, Debug)]
pub struct KeyRing {
	dir: PathBuf,
}

impl KeyRing {
	/// The key ring of `home`; the directory is made when the first key is stored.
	pub fn new(home: &Path) -> Self {
		Self { dir: home.join("keys") }
	}

	fn path(&self, name: &str) -> Result<PathBuf, Failure> {
		if !is_name(name) {
			return Err(Failure::new(
				format!("`{name}` is no name for a key"),
				format!("use 1 to {MAX_NAME} letters, digits, `-` or `_`"),
			));
		}
		Ok(self.dir.join(format!("{name}.json")))
	}

	/// Where the number of the newest voucher key of `account` is. No name of a key is as long.
	fn newest_path(&self, account: &AccountId) -> PathBuf {
		let account: &[u8] = account.as_ref();
		self.dir.join(format!("{}.voucher", hex::encode(account)))
	}

	/// The pair with what is remembered of its newest voucher key.
	fn current(&self, pair: KeyPair) -> Result<KeyPair, Failure> {
		let newest = vouchers::read_newest(&self.newest_path(&pair.account_id()))?;
		pair.at(newest)
	}

	/// Remember that the voucher key of this number is in use, so that new channels name no older one.
	///
	/// # Errors
	///
	/// When there are no keys of such a number, or it cannot be written down.
	pub fn use_voucher(&self, pair: &KeyPair, number: u32) -> Result<KeyPair, Failure> {
		let current = self.current(pair.clone())?;
		if number <= current.vouchers.newest() {
			return Ok(current);
		}
		let raised = current.at(number)?;
		vouchers::write_newest(&self.newest_path(&pair.account_id()), number)?;
		Ok(raised)
	}

	/// Make a new secret under `name`; returns its mnemonic, which is stored nowhere.
	///
	/// # Errors
	///
	/// When the name is taken or the file cannot be written.
	pub fn create(&self, name: &str) -> Result<(KeyPair, String), Failure> {
		let (_, mnemonic) = KeyPair::generate(name)?;
		Ok((self.import(name, &mnemonic)?, mnemonic))
	}

	/// Remove the key stored under `name`, for good.
	///
	/// # Errors
	///
	/// When the file cannot be removed.
	pub fn remove(&self, name: &str) -> Result<(), Failure> {
		let path = self.path(name)?;
		fs::remove_file(&path).map_err(|error| {
			Failure::new(
				format!("the key file {} cannot be removed: {error}", path.display()),
				"remove it yourself",
			)
		})
	}

	/// Store an existing secret under `name`.
	///
	/// # Errors
	///
	/// When the secret is malformed, the name is taken or the file cannot be written.
	pub fn import(&self, name: &str, uri: &str) -> Result<KeyPair, Failure> {
		let path = self.path(name)?;
		let secret = seed_uri(uri.trim())?;
		let pair = KeyPair::from_uri(name, &secret)?;
		let file = KeyFile {
			version: VERSION,
			address: pair.address(),
			voucher_key: pair.voucher_hex(),
			secret,
		};
		let text = serde_json::to_vec_pretty(&file).map_err(io::Error::other);
		match text.and_then(|text| write_private(&path, &text)) {
			Ok(()) => self.current(pair),
			Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::new(
				format!("there is a key named `{name}` already"),
				"choose another name; keys are never overwritten",
			)),
			Err(error) => Err(Failure::new(
				format!("the key file {} cannot be written: {error}", path.display()),
				"check the permissions of the directory, or choose another with --home",
			)),
		}
	}

	/// The key stored under `name`, `None` when there is none.
	///
	/// # Errors
	///
	/// When the file is open to others, damaged or cannot be read.
	pub fn find(&self, name: &str) -> Result<Option<KeyPair>, Failure> {
		let path = self.path(name)?;
		let shown = path.display();
		let text = match read_private(&path) {
			Ok(text) => text,
			Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
			Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
				return Err(Failure::new(
					format!("the key file {shown} is not private: {error}"),
					format!("make it so: chmod 600 {shown}"),
				))
			},
			Err(error) => {
				return Err(Failure::new(
					format!("the key file {shown} cannot be read: {error}"),
					"check the disk, or import the key again under another name",
				))
			},
		};
		let damaged = |what: &str| {
			Failure::new(
				format!("the key file {shown} is damaged: {what}"),
				"restore it from a copy, or import its mnemonic under another name",
			)
		};
		let file: KeyFile =
			serde_json::from_str(&text).map_err(|_| damaged("it is not the JSON of a key"))?;
		if file.version != VERSION {
			return Err(damaged(&format!("version {} is unknown", file.version)));
		}
		let pair = KeyPair::from_uri(name, &file.secret)
			.map_err(|_| damaged("the secret is not usable"))?;
		if pair.address() != file.address || pair.voucher_hex() != file.voucher_key {
			return Err(damaged("the secret makes another key than the file says"));
		}
		self.current(pair).map(Some)
	}

	/// The key that `name` means: a stored one, or a development key when it starts with `//`.
	///
	/// # Errors
	///
	/// When there is no such key.
	pub fn get(&self, name: &str) -> Result<KeyPair, Failure> {
		if name.starts_with("//") {
			return self.current(KeyPair::development(name)?);
		}
		self.find(name)?.ok_or_else(|| {
			Failure::new(
				format!("there is no key named `{name}` in {}", self.dir.display()),
				format!("make one with `stoa keys new {name}`, or see `stoa keys list`"),
			)
		})
	}

	/// The stored key of `account`, if there is one.
	///
	/// # Errors
	///
	/// When the directory or a file in it cannot be read.
	pub fn of_account(&self, account: &AccountId) -> Result<Option<KeyPair>, Failure> {
		for name in self.names()? {
			if let Some(pair) = self.find(&name)?.filter(|pair| pair.account_id() == *account) {
				return Ok(Some(pair));
			}
		}
		Ok(None)
	}

	/// All names, sorted.
	///
	/// # Errors
	///
	/// When the directory cannot be read.
	pub fn names(&self) -> Result<Vec<String>, Failure> {
		let entries = match fs::read_dir(&self.dir) {
			Ok(entries) => entries,
			Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
			Err(error) => {
				return Err(Failure::new(
					format!("the directory {} cannot be read: {error}", self.dir.display()),
					"check its permissions, or choose another with --home",
				))
			},
		};
		let mut names: Vec<_> = entries
			.filter_map(Result::ok)
			.filter_map(|entry| entry.file_name().into_string().ok())
			.filter_map(|file| file.strip_suffix(".json").map(str::to_string))
			.filter(|name| is_name(name))
			.collect();
		names.sort();
		Ok(names)
	}
}

/// Make `dir` and what is above it, readable by the owner alone.
///
/// # Errors
///
/// Those of the file system.
pub fn private_dir(dir: &Path) -> io::Result<()> {
	let mut builder = fs::DirBuilder::new();
	builder.recursive(true);
	#[cfg(unix)]
	std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
	builder.create(dir)
}

/// Write a new file that its owner alone can read: all of it or nothing, never over another.
fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
	let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
	private_dir(dir)?;
	// Created with mode 0600.
	let mut file = NamedTempFile::new_in(dir)?;
	file.write_all(text)?;
	file.as_file().sync_all()?;
	file.persist_noclobber(path).map_err(|error| error.error)?;
	File::open(dir)?.sync_all()
}

/// Read a file that its owner alone can read.
fn read_private(path: &Path) -> io::Result<String> {
	let mut file = File::open(path)?;
	#[cfg(unix)]
	{
		let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata()?.permissions());
		if mode & 0o077 != 0 {
			let text = format!("others may open it (mode {:03o})", mode & 0o777);
			return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
		}
	}
	let mut text = String::new();
	file.read_to_string(&mut text)?;
	Ok(text)
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::os::unix::fs::PermissionsExt;
	use tempfile::TempDir;

	const PHRASE: &str = "bottom drive obey lake curtain smoke basket hold race lonely fit walk";

	fn ring() -> (TempDir, KeyRing) {
		let home = TempDir::new().unwrap();
		let ring = KeyRing::new(home.path());
		(home, ring)
	}

	#[test]
	fn public_keys_should_survive_their_text() {
		for key in [Key::Ed25519([1; 32]), Key::Sr25519([2; 32]), Key::Ecdsa([3; 33])] {
			assert_eq!(parse_key(&key_hex(&key)), Some(key));
		}
		let hex = "11".repeat(32);
		for bad in
			["", "ed25519", "ed25519:", "ed25519:0x11"].map(str::to_owned).into_iter().chain([
				format!("0x{hex}"),
				format!("ed25519:{hex}"),
				format!("ecdsa:0x{hex}"),
				format!("rsa:0x{hex}"),
			]) {
			assert_eq!(parse_key(&bad), None, "{bad}");
		}
	}

	#[test]
	fn new_keys_should_be_private_files_and_come_back() {
		let (home, ring) = ring();
		let (made, mnemonic) = ring.create("alpha").unwrap();
		let path = home.path().join("keys/alpha.json");
		assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
		assert_eq!(
			fs::metadata(home.path().join("keys")).unwrap().permissions().mode() & 0o777,
			0o700
		);
		let text = fs::read_to_string(&path).unwrap();
		assert!(mnemonic.split(' ').count() >= 12 && !text.contains(&mnemonic));
		let found = ring.find("alpha").unwrap().unwrap();
		assert_eq!(found.account_id(), made.account_id());
		assert_eq!(found.voucher.key(), made.voucher.key());
		let again = ring.import("beta", &mnemonic).unwrap();
		assert_eq!(again.account_id(), made.account_id());
		assert_eq!(again.voucher.key(), made.voucher.key());
		assert_eq!(ring.names().unwrap(), ["alpha", "beta"]);
	}

	#[test]
	fn imports_should_keep_path_and_password() {
		let (_home, ring) = ring();
		let alice = ring.import("a", &format!("{PHRASE}//Alice")).unwrap();
		assert_eq!(alice.address(), "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY");
		let development = KeyPair::development("//Alice").unwrap();
		assert_eq!(alice.account_id(), development.account_id());
		assert_eq!(alice.voucher.key(), development.voucher.key());
		let locked = ring.import("b", &format!("{PHRASE}//x///secret")).unwrap();
		let direct = sr25519::Pair::from_string(&format!("{PHRASE}//x///secret"), None).unwrap();
		assert_eq!(locked.account_id(), AccountId::new(direct.public().0));
	}

	#[test]
	fn removed_keys_should_be_gone() {
		let (_home, ring) = ring();
		ring.create("alpha").unwrap();
		ring.remove("alpha").unwrap();
		assert!(ring.find("alpha").unwrap().is_none());
		assert!(ring.remove("alpha").err().unwrap().cause.contains("alpha.json"));
	}

	#[test]
	fn keys_should_never_be_overwritten() {
		let (_home, ring) = ring();
		let (made, _) = ring.create("alpha").unwrap();
		assert!(ring.create("alpha").err().unwrap().cause.contains("already"));
		assert_eq!(ring.find("alpha").unwrap().unwrap().account_id(), made.account_id());
	}

	#[test]
	fn keys_should_be_refused_when_open_to_others_or_damaged() {
		let (home, ring) = ring();
		ring.create("alpha").unwrap();
		let path = home.path().join("keys/alpha.json");
		fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
		let failure = ring.find("alpha").err().unwrap();
		assert!(failure.cause.contains("640") && failure.advice.contains("chmod 600"));
		fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
		let text = fs::read_to_string(&path).unwrap();
		let at = text.find("0x").unwrap();
		let mut other = text.clone();
		let secret = other.find("\"secret\": \"0x").unwrap() + 13;
		let flipped = if &other[secret..=secret] == "1" { "2" } else { "1" };
		other.replace_range(secret..=secret, flipped);
		for damaged in
			["", "{}", &text[..at], &text.replace("\"version\": 1", "\"version\": 9"), &other]
		{
			fs::write(&path, damaged).unwrap();
			assert!(ring.find("alpha").err().unwrap().cause.contains("damaged"), "{damaged}");
		}
	}

	#[test]
	fn names_should_be_refused_when_they_leave_the_directory_or_look_like_addresses() {
		let (_home, ring) = ring();
		let address = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
		for name in ["", "..", "a/b", "../x", "a.b", "a b", "ä", address] {
			assert!(ring.create(name).is_err(), "{name}");
		}
		assert!(ring.get("missing").err().unwrap().advice.contains("stoa keys new missing"));
	}

	#[test]
	fn secrets_should_be_refused_when_malformed() {
		let (_home, ring) = ring();
		for secret in ["", "one two three", "0x12", "hello", &format!("{PHRASE}/soft")] {
			assert!(ring.import("x", secret).is_err(), "{secret}");
		}
		assert!(ring.names().unwrap().is_empty());
	}

	#[test]
	fn the_newest_voucher_key_should_be_remembered_and_never_be_an_older_one() {
		let (home, ring) = ring();
		let (made, mnemonic) = ring.create("alpha").unwrap();
		let next = ring.use_voucher(&made, 1).unwrap();
		assert_ne!(next.voucher.key(), made.voucher.key());
		assert_eq!(ring.find("alpha").unwrap().unwrap().voucher.key(), next.voucher.key());
		assert_eq!(ring.use_voucher(&made, 0).unwrap().vouchers.newest(), 1);
		// It is the account's, whatever its name.
		let again = ring.import("beta", &mnemonic).unwrap();
		assert_eq!(again.voucher.key(), next.voucher.key());
		assert_eq!(ring.names().unwrap(), ["alpha", "beta"]);
		// Elsewhere nothing is known of it, but the key is found.
		let (_elsewhere, other) = self::ring();
		let there = other.import("alpha", &mnemonic).unwrap();
		assert_eq!(there.voucher.key(), made.voucher.key());
		assert_eq!(there.vouchers.find(&next.voucher.key()).unwrap().0, 1);
		// Development keys have no file of their own, but voucher keys all the same.
		let alice = ring.use_voucher(&ring.get("//Alice").unwrap(), 3).unwrap();
		assert_eq!(ring.get("//Alice").unwrap().voucher.key(), alice.voucher.key());
		let account: &[u8] = &<[u8; 32]>::from(made.account_id());
		assert!(home.path().join(format!("keys/{}.voucher", hex::encode(account))).is_file());
	}

	#[test]
	fn accounts_should_be_found_by_their_key() {
		let (_home, ring) = ring();
		let (made, _) = ring.create("alpha").unwrap();
		assert_eq!(ring.of_account(&made.account_id()).unwrap().unwrap().name, "alpha");
		let alice = KeyPair::development("//Alice").unwrap();
		assert!(ring.of_account(&alice.account_id()).unwrap().is_none());
	}
}
