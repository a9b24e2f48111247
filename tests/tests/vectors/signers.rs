//! Who signs in the vectors, always with the same outcome, and which signatures the code accepts.

use crate::json::{changed, changes, hex, Change};
use codec::{DecodeAll, Encode};
use rand_core::{CryptoRng, Error, RngCore};
use schnorrkel::{context::attach_rng, signing_context, ExpansionMode, Keypair, MiniSecretKey};
use serde_json::{json, Value};
use sp_core::{ecdsa, ed25519, Pair};
use sp_crypto_hashing::blake2_256;
use sp_runtime::{traits::IdentifyAccount, MultiSignature, MultiSigner};
use stoa_primitives::{
	keys::{verify_account, AgentSignature, Key, KeySignature},
	AccountId,
};

/// How something is signed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
	Ed25519,
	Sr25519,
	Ecdsa,
	/// As `Ecdsa`, over keccak-256 and with another account: for accounts only.
	Eth,
}

impl Scheme {
	pub const KEYS: [Self; 3] = [Self::Ed25519, Self::Sr25519, Self::Ecdsa];
	pub const ACCOUNTS: [Self; 4] = [Self::Ed25519, Self::Sr25519, Self::Ecdsa, Self::Eth];

	pub fn name(self) -> &'static str {
		match self {
			Self::Ed25519 => "ed25519",
			Self::Sr25519 => "sr25519",
			Self::Ecdsa => "ecdsa",
			Self::Eth => "eth",
		}
	}
}

/// Which key of somebody has to sign.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Rule {
	/// A voucher key or a delegate key: raw bytes only.
	Key,
	/// The account's own: raw, or in the wrapping that wallets add.
	Account,
}

impl Rule {
	pub fn name(self) -> &'static str {
		match self {
			Self::Key => "key",
			Self::Account => "account",
		}
	}

	pub fn schemes(self) -> &'static [Scheme] {
		match self {
			Self::Key => &Scheme::KEYS,
			Self::Account => &Scheme::ACCOUNTS,
		}
	}

	/// Whether the code takes `signature`, a scheme byte and the bytes of that scheme, as `signer`'s
	/// over `bytes`.
	pub fn accepts(self, signer: &Signer, bytes: &[u8], mut signature: &[u8]) -> bool {
		match self {
			Self::Key => {
				let signature = KeySignature::decode_all(&mut signature).unwrap();
				signer.key().unwrap().verify(bytes, &signature)
			},
			Self::Account => {
				let signature = MultiSignature::decode_all(&mut signature).unwrap();
				verify_account(&signer.account(), bytes, &signature)
			},
		}
	}
}

/// `bytes` as a wallet wraps them.
pub fn wrap(bytes: &[u8]) -> Vec<u8> {
	[b"<Bytes>", bytes, b"</Bytes>"].concat()
}

/// `blake2_256` of a label: where the vectors take arbitrary bytes from.
pub fn seed(label: &str) -> [u8; 32] {
	blake2_256(format!("stoa/vectors/{label}").as_bytes())
}

/// Somebody with a secret that everybody knows.
#[derive(Clone, Debug)]
pub struct Signer {
	pub name: String,
	pub scheme: Scheme,
	seed: [u8; 32],
}

impl Signer {
	/// `who` with a key of this scheme. The two schemes on secp256k1 share a secret, so that they
	/// differ in nothing but the hash.
	pub fn new(who: &str, scheme: Scheme) -> Self {
		let secret = if scheme == Scheme::Eth { Scheme::Ecdsa } else { scheme };
		let seed = seed(&format!("{who}-{}", secret.name()));
		Self { name: format!("{who}-{}", scheme.name()), scheme, seed }
	}

	/// Who signs what is accepted.
	pub fn honest(scheme: Scheme) -> Self {
		Self::new("signer", scheme)
	}

	/// Somebody else.
	pub fn stranger(scheme: Scheme) -> Self {
		Self::new("stranger", scheme)
	}

	fn sr25519(&self) -> Keypair {
		let secret = MiniSecretKey::from_bytes(&self.seed).unwrap();
		secret.expand_to_keypair(ExpansionMode::Ed25519)
	}

	fn signer(&self) -> MultiSigner {
		match self.scheme {
			Scheme::Ed25519 => ed25519::Pair::from_seed(&self.seed).public().into(),
			Scheme::Sr25519 => {
				sp_core::sr25519::Public::from_raw(self.sr25519().public.to_bytes()).into()
			},
			Scheme::Ecdsa => ecdsa::Pair::from_seed(&self.seed).public().into(),
			Scheme::Eth => MultiSigner::Eth(ecdsa::KeccakPair::from_seed(&self.seed).public()),
		}
	}

	/// The public key without its scheme: 32 bytes, or 33 on secp256k1.
	pub fn public(&self) -> Vec<u8> {
		self.signer().as_ref().to_vec()
	}

	pub fn account(&self) -> AccountId {
		self.signer().into_account()
	}

	/// As a voucher key or delegate key, which cannot be of the scheme `eth`.
	pub fn key(&self) -> Option<Key> {
		match self.signer() {
			MultiSigner::Ed25519(key) => Some(Key::Ed25519(key.0)),
			MultiSigner::Sr25519(key) => Some(Key::Sr25519(key.0)),
			MultiSigner::Ecdsa(key) => Some(Key::Ecdsa(key.0)),
			MultiSigner::Eth(_) => None,
		}
	}

	/// The signature over exactly `bytes`, the scheme byte first: SCALE of `KeySignature` and of
	/// `MultiSignature` alike.
	pub fn sign(&self, bytes: &[u8]) -> Vec<u8> {
		match self.scheme {
			Scheme::Ed25519 => {
				let pair = ed25519::Pair::from_seed(&self.seed);
				MultiSignature::from(pair.sign(bytes)).encode()
			},
			Scheme::Sr25519 => {
				let transcript = signing_context(b"substrate").bytes(bytes);
				let signature = self.sr25519().sign(attach_rng(transcript, Zeros)).to_bytes();
				KeySignature::Sr25519(signature).encode()
			},
			Scheme::Ecdsa => {
				let pair = ecdsa::Pair::from_seed(&self.seed);
				MultiSignature::from(pair.sign(bytes)).encode()
			},
			Scheme::Eth => {
				let pair = ecdsa::KeccakPair::from_seed(&self.seed);
				MultiSignature::Eth(pair.sign(bytes)).encode()
			},
		}
	}

	fn to_json(&self) -> Value {
		json!({
			"name": self.name,
			"scheme": self.scheme.name(),
			"seed": hex(self.seed),
			"public": hex(self.public()),
			"account": hex(self.account()),
			"key": self.key().map(|key| hex(key.to_bytes())),
			"scale": self.key().map(|key| hex(key.encode())),
		})
	}
}

/// Sr25519 signatures draw on randomness besides the secret and the message; without any, they are
/// still safe and always the same.
struct Zeros;

impl RngCore for Zeros {
	fn next_u32(&mut self) -> u32 {
		0
	}

	fn next_u64(&mut self) -> u64 {
		0
	}

	fn fill_bytes(&mut self, out: &mut [u8]) {
		out.fill(0);
	}

	fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Error> {
		out.fill(0);
		Ok(())
	}
}

impl CryptoRng for Zeros {}

/// What a call with a signature in an agent's name carries: `AgentSignature`.
pub fn agent_signature(rule: Rule, signer: &Signer, mut signature: &[u8]) -> Vec<u8> {
	let bytes = &mut signature;
	match rule {
		Rule::Account => AgentSignature::Account(MultiSignature::decode_all(bytes).unwrap()),
		Rule::Key => AgentSignature::Delegate {
			key: signer.key().unwrap(),
			signature: KeySignature::decode_all(bytes).unwrap(),
		},
	}
	.encode()
}

/// `keys.json`.
pub fn file() -> Value {
	let everybody = ["signer", "stranger"]
		.iter()
		.flat_map(|who| Scheme::ACCOUNTS.map(|scheme| Signer::new(who, scheme)));
	for key in everybody.clone().filter_map(|signer| signer.key()) {
		assert_eq!(Key::from_bytes(&key.to_bytes()), Some(key));
		assert_eq!(Key::decode_all(&mut key.encode().as_slice()), Ok(key));
	}
	let mut malformed = Vec::new();
	let mut refuse = |name: &str, scheme: Scheme, change: Change| {
		let signer = Signer::honest(scheme);
		let bytes = changed(&signer.key().unwrap().to_bytes(), std::slice::from_ref(&change));
		let read = <&[u8; Key::LEN]>::try_from(bytes.as_slice()).ok().and_then(Key::from_bytes);
		assert_eq!(read, None, "{name}");
		malformed.push(json!({
			"name": name,
			"of": signer.name,
			"changes": changes(&[change]),
			"bytes": hex(bytes),
		}));
	};
	for scheme in Scheme::KEYS {
		refuse("a scheme that is not known", scheme, Change::Set(0, vec![3]));
		refuse("the highest scheme byte", scheme, Change::Set(0, vec![255]));
		refuse("one byte short", scheme, Change::Cut(1));
		refuse("one byte long", scheme, Change::Append(vec![0]));
	}
	for scheme in [Scheme::Ed25519, Scheme::Sr25519] {
		refuse("padding that is not 0", scheme, Change::Set(33, vec![1]));
		refuse("padding with its highest bit", scheme, Change::Set(33, vec![128]));
	}
	let Some(Key::Ecdsa(public)) = Signer::honest(Scheme::Ecdsa).key() else { unreachable!() };
	assert_ne!(public[32], 0);
	refuse("33 bytes that claim to be an ed25519 key", Scheme::Ecdsa, Change::Set(0, vec![0]));
	json!({
		"signers": everybody.map(|signer| signer.to_json()).collect::<Value>(),
		"malformed": malformed,
	})
}
