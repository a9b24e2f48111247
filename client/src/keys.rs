//! Secret keys: accounts, which sign transactions, and voucher keys, which sign vouchers.
//!
//! Both are read from a secret URI (`//Alice`, a mnemonic with an optional derivation path, or a
//! `0x` seed) or from a key file. A key file holds one line, `<scheme>:<secret URI>`, and must be
//! readable by its owner only.

use sp_core::{
	crypto::{AccountId32, Pair as _, Ss58Codec},
	ecdsa, ed25519, sr25519,
};
use sp_runtime::{
	traits::{IdentifyAccount, Verify},
	MultiSignature, MultiSigner,
};
use std::{
	fmt,
	fs::{File, OpenOptions},
	io::{Read, Write},
	path::Path,
	str::FromStr,
};
use stoa_primitives::{
	keys::{verify_account, AgentSignature, Key, KeySignature},
	payload::{Consent, Domain, Payload, Voucher},
	AccountId, BlockNumber,
};

use crate::voucher::SignedVoucher;

/// A signature scheme.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Scheme {
	/// Ed25519: the default of voucher keys.
	Ed25519,
	/// Sr25519: the default of account keys.
	#[default]
	Sr25519,
	/// ECDSA on secp256k1.
	Ecdsa,
}

impl fmt::Display for Scheme {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(match self {
			Self::Ed25519 => "ed25519",
			Self::Sr25519 => "sr25519",
			Self::Ecdsa => "ecdsa",
		})
	}
}

impl FromStr for Scheme {
	type Err = KeyError;

	fn from_str(s: &str) -> Result<Self, KeyError> {
		match s {
			"ed25519" => Ok(Self::Ed25519),
			"sr25519" => Ok(Self::Sr25519),
			"ecdsa" => Ok(Self::Ecdsa),
			_ => Err(KeyError::Scheme(s.into())),
		}
	}
}

/// Why a key or an account could not be read. No variant contains secret material.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
	/// The text is no secret URI of the scheme.
	#[error("not a secret of scheme {0}: expected //Name, a mnemonic or a 0x seed")]
	Secret(Scheme),
	/// No such scheme.
	#[error("unknown key scheme `{0}`: expected ed25519, sr25519 or ecdsa")]
	Scheme(String),
	/// The text is no account.
	#[error("`{0}` is not an account: expected an SS58 address or 0x and 64 hex digits")]
	Account(String),
	/// The key file could not be read or written.
	#[error("key file {path}: {source}")]
	Io {
		/// Which file.
		path: String,
		/// What the operating system said.
		source: std::io::Error,
	},
	/// The key file is open to others than its owner.
	#[error("key file {path} can be read by others (mode {mode:o}): run `chmod 600 {path}`")]
	Exposed {
		/// Which file.
		path: String,
		/// Its permission bits.
		mode: u32,
	},
	/// The key file is not one line `<scheme>:<secret URI>`.
	#[error("key file {0} is not of the form `<scheme>:<secret>`")]
	Malformed(String),
}

#[derive(Clone)]
enum Secret {
	Ed25519(ed25519::Pair),
	Sr25519(Box<sr25519::Pair>),
	Ecdsa(ecdsa::Pair),
}

impl Secret {
	fn from_uri(uri: &str, scheme: Scheme) -> Result<Self, KeyError> {
		let failed = |_| KeyError::Secret(scheme);
		Ok(match scheme {
			Scheme::Ed25519 => {
				Self::Ed25519(ed25519::Pair::from_string(uri, None).map_err(failed)?)
			},
			Scheme::Sr25519 => {
				Self::Sr25519(Box::new(sr25519::Pair::from_string(uri, None).map_err(failed)?))
			},
			Scheme::Ecdsa => Self::Ecdsa(ecdsa::Pair::from_string(uri, None).map_err(failed)?),
		})
	}

	fn generate(scheme: Scheme) -> (Self, String) {
		match scheme {
			Scheme::Ed25519 => {
				let (pair, phrase, _) = ed25519::Pair::generate_with_phrase(None);
				(Self::Ed25519(pair), phrase)
			},
			Scheme::Sr25519 => {
				let (pair, phrase, _) = sr25519::Pair::generate_with_phrase(None);
				(Self::Sr25519(Box::new(pair)), phrase)
			},
			Scheme::Ecdsa => {
				let (pair, phrase, _) = ecdsa::Pair::generate_with_phrase(None);
				(Self::Ecdsa(pair), phrase)
			},
		}
	}

	fn scheme(&self) -> Scheme {
		match self {
			Self::Ed25519(_) => Scheme::Ed25519,
			Self::Sr25519(_) => Scheme::Sr25519,
			Self::Ecdsa(_) => Scheme::Ecdsa,
		}
	}

	fn sign(&self, bytes: &[u8]) -> KeySignature {
		match self {
			Self::Ed25519(pair) => KeySignature::Ed25519(pair.sign(bytes).0),
			Self::Sr25519(pair) => KeySignature::Sr25519(pair.sign(bytes).0),
			Self::Ecdsa(pair) => KeySignature::Ecdsa(pair.sign(bytes).0),
		}
	}

	fn load(path: &Path) -> Result<Self, KeyError> {
		let io = |source| KeyError::Io { path: path.display().to_string(), source };
		let mut file = File::open(path).map_err(io)?;
		// The open file is asked, not the path, so that nothing can be swapped in between.
		#[cfg(unix)]
		{
			use std::os::unix::fs::PermissionsExt;
			let mode = file.metadata().map_err(io)?.permissions().mode() & 0o777;
			if mode & 0o077 != 0 {
				return Err(KeyError::Exposed { path: path.display().to_string(), mode });
			}
		}
		let mut text = String::new();
		file.read_to_string(&mut text).map_err(io)?;
		let (scheme, uri) = text
			.trim()
			.split_once(':')
			.ok_or_else(|| KeyError::Malformed(path.display().to_string()))?;
		Self::from_uri(uri, scheme.parse()?)
	}

	fn create(path: &Path, scheme: Scheme) -> Result<Self, KeyError> {
		let io = |source| KeyError::Io { path: path.display().to_string(), source };
		let (secret, phrase) = Self::generate(scheme);
		let mut options = OpenOptions::new();
		options.write(true).create_new(true);
		#[cfg(unix)]
		{
			use std::os::unix::fs::OpenOptionsExt;
			options.mode(0o600);
		}
		let mut file = options.open(path).map_err(io)?;
		writeln!(file, "{scheme}:{phrase}").map_err(io)?;
		file.sync_all().map_err(io)?;
		Ok(secret)
	}
}

/// The secret key of an account.
#[derive(Clone)]
pub struct AccountKey(Secret);

impl fmt::Debug for AccountKey {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "AccountKey({}:{})", self.scheme(), format_account(&self.account()))
	}
}

impl AccountKey {
	/// Reads `//Name`, a mnemonic with an optional path, or a `0x` seed.
	///
	/// # Errors
	///
	/// [`KeyError::Secret`]; ed25519 and ecdsa know hard derivation (`//`) only.
	pub fn from_uri(uri: &str, scheme: Scheme) -> Result<Self, KeyError> {
		Secret::from_uri(uri, scheme).map(Self)
	}

	/// A new random key and the mnemonic of 12 words that restores it.
	pub fn generate(scheme: Scheme) -> (Self, String) {
		let (secret, phrase) = Secret::generate(scheme);
		(Self(secret), phrase)
	}

	/// Reads a key file.
	///
	/// # Errors
	///
	/// [`KeyError::Exposed`] when others than the owner may read it, else as its content demands.
	pub fn load(path: &Path) -> Result<Self, KeyError> {
		Secret::load(path).map(Self)
	}

	/// Writes a new random key to a new file of mode 0600 and flushes it.
	///
	/// # Errors
	///
	/// [`KeyError::Io`], also when the file exists: a key is never overwritten.
	pub fn create(path: &Path, scheme: Scheme) -> Result<Self, KeyError> {
		Secret::create(path, scheme).map(Self)
	}

	/// The account that this key signs for.
	pub fn account(&self) -> AccountId {
		match &self.0 {
			Secret::Ed25519(pair) => MultiSigner::from(pair.public()),
			Secret::Sr25519(pair) => MultiSigner::from(pair.public()),
			Secret::Ecdsa(pair) => MultiSigner::from(pair.public()),
		}
		.into_account()
	}

	/// The key's scheme.
	pub fn scheme(&self) -> Scheme {
		self.0.scheme()
	}

	/// Signs raw bytes.
	pub fn sign(&self, bytes: &[u8]) -> MultiSignature {
		match self.0.sign(bytes) {
			KeySignature::Ed25519(raw) => ed25519::Signature::from_raw(raw).into(),
			KeySignature::Sr25519(raw) => sr25519::Signature::from_raw(raw).into(),
			KeySignature::Ecdsa(raw) => ecdsa::Signature::from_raw(raw).into(),
		}
	}

	/// This account's consent to be operated by `operator`, usable up to block `expires`.
	pub fn consent(
		&self,
		agent_domain: &Domain,
		operator: &AccountId,
		expires: BlockNumber,
	) -> MultiSignature {
		let consent = Consent { operator: operator.clone(), agent: self.account(), expires };
		self.sign(&consent.to_bytes(agent_domain))
	}
}

/// The secret key that signs the vouchers of a channel.
#[derive(Clone)]
pub struct VoucherKey(Secret);

impl fmt::Debug for VoucherKey {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "VoucherKey({:?})", self.key())
	}
}

impl VoucherKey {
	/// A new random ed25519 key and the mnemonic that restores it.
	pub fn generate() -> (Self, String) {
		let (secret, phrase) = Secret::generate(Scheme::Ed25519);
		(Self(secret), phrase)
	}

	/// See [`AccountKey::from_uri`].
	///
	/// # Errors
	///
	/// [`KeyError::Secret`].
	pub fn from_uri(uri: &str, scheme: Scheme) -> Result<Self, KeyError> {
		Secret::from_uri(uri, scheme).map(Self)
	}

	/// See [`AccountKey::load`].
	///
	/// # Errors
	///
	/// As [`AccountKey::load`].
	pub fn load(path: &Path) -> Result<Self, KeyError> {
		Secret::load(path).map(Self)
	}

	/// See [`AccountKey::create`].
	///
	/// # Errors
	///
	/// As [`AccountKey::create`].
	pub fn create(path: &Path, scheme: Scheme) -> Result<Self, KeyError> {
		Secret::create(path, scheme).map(Self)
	}

	/// The public key, as a channel names it.
	pub fn key(&self) -> Key {
		match &self.0 {
			Secret::Ed25519(pair) => Key::Ed25519(pair.public().0),
			Secret::Sr25519(pair) => Key::Sr25519(pair.public().0),
			Secret::Ecdsa(pair) => Key::Ecdsa(pair.public().0),
		}
	}

	/// Signs raw bytes.
	pub fn sign(&self, bytes: &[u8]) -> KeySignature {
		self.0.sign(bytes)
	}

	/// Signs a voucher for the chain of `domain`.
	pub fn sign_voucher(&self, voucher: Voucher, domain: &Domain) -> SignedVoucher {
		SignedVoucher { voucher, signature: self.sign(&voucher.to_bytes(domain)) }
	}
}

/// What signs in the name of an agent: its account key, or a delegate key.
#[derive(Clone, Debug)]
pub enum AgentKey {
	/// The account key.
	Account(AccountKey),
	/// A key that the chain knows as the agent's, with a scope that fits what is signed.
	Delegate {
		/// The agent.
		agent: AccountId,
		/// The key.
		key: VoucherKey,
	},
}

impl AgentKey {
	/// The agent in whose name it signs.
	pub fn agent(&self) -> AccountId {
		match self {
			Self::Account(key) => key.account(),
			Self::Delegate { agent, .. } => agent.clone(),
		}
	}

	/// Signs raw bytes.
	pub fn sign(&self, bytes: &[u8]) -> AgentSignature {
		match self {
			Self::Account(key) => AgentSignature::Account(key.sign(bytes)),
			Self::Delegate { key, .. } => {
				AgentSignature::Delegate { key: key.key(), signature: key.sign(bytes) }
			},
		}
	}
}

impl From<AccountKey> for AgentKey {
	fn from(key: AccountKey) -> Self {
		Self::Account(key)
	}
}

/// Whether `signature` over `bytes` is by `agent`'s account key, raw or in the wrapping of wallets, or by a key that
/// `may_sign` in the agent's name.
pub fn verify_agent(
	agent: &AccountId,
	bytes: &[u8],
	signature: &AgentSignature,
	may_sign: impl FnOnce(&Key) -> bool,
) -> bool {
	match signature {
		AgentSignature::Account(signature) => verify_account(agent, bytes, signature),
		AgentSignature::Delegate { key, signature } => {
			may_sign(key) && key.verify(bytes, signature)
		},
	}
}

/// The SS58 address of an account, in the generic format (prefix 42).
pub fn format_account(account: &AccountId) -> String {
	account.to_ss58check()
}

/// No address is longer: 32 bytes with prefix and check sum, in base 58.
const MAX_ADDRESS: usize = 64;

/// Reads an SS58 address of any prefix, or `0x` and 64 hex digits.
///
/// # Errors
///
/// [`KeyError::Account`].
pub fn parse_account(text: &str) -> Result<AccountId, KeyError> {
	let failed = || KeyError::Account(text.into());
	if let Some(digits) = text.strip_prefix("0x") {
		let mut raw = [0u8; 32];
		hex::decode_to_slice(digits, &mut raw).map_err(|_| failed())?;
		return Ok(AccountId32::new(raw));
	}
	// Decoding takes the square of the length, and the text may be a stranger's.
	if text.len() > MAX_ADDRESS {
		return Err(failed());
	}
	// `from_string` would derive junctions (`…//1`); an address has none.
	AccountId32::from_ss58check_with_version(text).map(|(account, _)| account).map_err(|_| failed())
}

/// 32 bytes from the operating system's generator, for secrets and nonces.
pub fn random_bytes() -> [u8; 32] {
	ed25519::Pair::generate().1
}

/// Whether `signature` is `account`'s over exactly `bytes`.
pub fn verify_raw(account: &AccountId, bytes: &[u8], signature: &MultiSignature) -> bool {
	signature.verify(bytes, account)
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_core::H256;

	#[test]
	fn keys_should_sign_for_their_account_in_every_scheme() {
		for scheme in [Scheme::Ed25519, Scheme::Sr25519, Scheme::Ecdsa] {
			let key = AccountKey::from_uri("//Alice", scheme).unwrap();
			assert_eq!(scheme.to_string().parse::<Scheme>().unwrap(), scheme);
			assert!(verify_account(&key.account(), b"bytes", &key.sign(b"bytes")));
			let voucher = VoucherKey::from_uri("//Alice", scheme).unwrap();
			assert!(voucher.key().verify(b"bytes", &voucher.sign(b"bytes")));
		}
	}

	#[test]
	fn alice_should_have_the_well_known_address() {
		let alice = AccountKey::from_uri("//Alice", Scheme::Sr25519).unwrap().account();
		let address = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
		assert_eq!(format_account(&alice), address);
		assert_eq!(parse_account(address).unwrap(), alice);
		let digits: &[u8] = alice.as_ref();
		assert_eq!(parse_account(&format!("0x{}", hex::encode(digits))).unwrap(), alice);
	}

	#[test]
	fn accounts_should_be_refused_when_malformed() {
		for text in ["", "0x12", "5Grwva", "//Alice", "0xzz"] {
			assert!(matches!(parse_account(text), Err(KeyError::Account(_))), "{text}");
		}
		// The longest prefix there is, and one more digit than an address of it has.
		let longest = AccountId32::new([255; 32]).to_ss58check_with_version(16_383u16.into());
		assert!(longest.len() < MAX_ADDRESS && parse_account(&longest).is_ok(), "{longest}");
		assert!(parse_account(&"1".repeat(1_000_000)).is_err());
	}

	#[test]
	fn secrets_should_never_be_shown() {
		let (key, phrase) = AccountKey::generate(Scheme::Sr25519);
		let (voucher, words) = VoucherKey::generate();
		for word in phrase.split(' ') {
			assert!(!format!("{key:?}").split(' ').any(|shown| shown == word));
		}
		assert!(!format!("{voucher:?}").contains(&words));
		let error = AccountKey::from_uri("not a phrase", Scheme::Sr25519).unwrap_err();
		assert!(!error.to_string().contains("not a phrase"));
	}

	#[test]
	fn agents_should_sign_by_account_and_by_delegate_keys() {
		let account = AccountKey::from_uri("//Agent", Scheme::Sr25519).unwrap();
		let (delegate, _) = VoucherKey::generate();
		let (agent, key) = (account.account(), delegate.key());
		let by_account = AgentKey::from(account).sign(b"bytes");
		assert!(verify_agent(&agent, b"bytes", &by_account, |_| false));
		assert!(!verify_agent(&agent, b"other", &by_account, |_| true));
		let signer = AgentKey::Delegate { agent: agent.clone(), key: delegate };
		assert_eq!(signer.agent(), agent);
		let by_delegate = signer.sign(b"bytes");
		assert!(verify_agent(&agent, b"bytes", &by_delegate, |known| *known == key));
		assert!(!verify_agent(&agent, b"bytes", &by_delegate, |_| false));
		assert!(!verify_agent(&agent, b"other", &by_delegate, |_| true));
	}

	#[cfg(unix)]
	#[test]
	fn key_files_should_be_private_and_never_overwritten() {
		use std::os::unix::fs::PermissionsExt;
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("key");
		let key = AccountKey::create(&path, Scheme::Ed25519).unwrap();
		assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
		assert_eq!(AccountKey::load(&path).unwrap().account(), key.account());
		assert!(matches!(AccountKey::create(&path, Scheme::Ed25519), Err(KeyError::Io { .. })));
		std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
		assert!(matches!(AccountKey::load(&path), Err(KeyError::Exposed { mode: 0o640, .. })));
		std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
		std::fs::write(&path, "no colon").unwrap();
		assert!(matches!(VoucherKey::load(&path), Err(KeyError::Malformed(_))));
	}

	#[test]
	fn consent_should_bind_operator_and_chain() {
		let agent = AccountKey::from_uri("//Agent", Scheme::Sr25519).unwrap();
		let operator = AccountKey::from_uri("//Operator", Scheme::Sr25519).unwrap().account();
		let domain = Domain::agents(H256::repeat_byte(1));
		let signature = agent.consent(&domain, &operator, 7);
		let bytes = Consent { operator, agent: agent.account(), expires: 7 }.to_bytes(&domain);
		assert!(verify_raw(&agent.account(), &bytes, &signature));
	}
}
