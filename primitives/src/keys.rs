//! Keys that sign for an account off chain, and how their signatures are checked.

use crate::AccountId;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::{ecdsa, ed25519, sr25519};
use sp_io::crypto;
use sp_runtime::{traits::Verify, MultiSignature};

/// A public key that signs vouchers, offers or endorsements.
///
/// Encoding (SCALE and inside payloads alike start with the scheme byte): see [`Key::to_bytes`].
/// Ed25519 is the default: browsers, HSMs and RFC 9421 know it, and signatures under one key verify
/// faster in batches.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	Ord,
	PartialEq,
	PartialOrd,
	TypeInfo,
)]
pub enum Key {
	/// Ed25519, checked by the rules of ZIP-215.
	#[codec(index = 0)]
	Ed25519([u8; 32]),
	/// Sr25519 with the signing context `substrate`.
	#[codec(index = 1)]
	Sr25519([u8; 32]),
	/// Secp256k1 ECDSA over `blake2_256(message)`, compressed public key.
	#[codec(index = 2)]
	Ecdsa([u8; 33]),
}

/// A signature by a [`Key`] of the same scheme.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum KeySignature {
	/// Ed25519, 64 bytes.
	#[codec(index = 0)]
	Ed25519([u8; 64]),
	/// Sr25519, 64 bytes.
	#[codec(index = 1)]
	Sr25519([u8; 64]),
	/// Secp256k1 ECDSA, 65 bytes `r ‖ s ‖ v`.
	#[codec(index = 2)]
	Ecdsa([u8; 65]),
}

impl Key {
	/// Length of [`Key::to_bytes`].
	pub const LEN: usize = 34;

	/// One scheme byte (0 ed25519, 1 sr25519, 2 ecdsa), then the key, 32-byte keys padded with one 0.
	pub fn to_bytes(&self) -> [u8; Self::LEN] {
		let mut out = [0u8; Self::LEN];
		let (scheme, key): (u8, &[u8]) = match self {
			Self::Ed25519(key) => (0, key),
			Self::Sr25519(key) => (1, key),
			Self::Ecdsa(key) => (2, key),
		};
		for (to, from) in out.iter_mut().zip(core::iter::once(&scheme).chain(key)) {
			*to = *from;
		}
		out
	}

	/// The inverse of [`Key::to_bytes`]; `None` for an unknown scheme or a padding that is not 0.
	pub fn from_bytes(bytes: &[u8; Self::LEN]) -> Option<Self> {
		let (scheme, key) = bytes.split_first()?;
		let short = || -> Option<[u8; 32]> {
			let (pad, key) = key.split_last()?;
			(*pad == 0).then_some(())?;
			key.try_into().ok()
		};
		match scheme {
			0 => Some(Self::Ed25519(short()?)),
			1 => Some(Self::Sr25519(short()?)),
			2 => Some(Self::Ecdsa(key.try_into().ok()?)),
			_ => None,
		}
	}

	/// Whether `signature` is this key's over exactly `message`.
	///
	/// Keys sign raw bytes: the wrapping that wallets add is for account keys only.
	pub fn verify(&self, message: &[u8], signature: &KeySignature) -> bool {
		match (self, signature) {
			(Self::Ed25519(key), KeySignature::Ed25519(sig)) => crypto::ed25519_verify(
				&ed25519::Signature::from_raw(*sig),
				message,
				&ed25519::Public::from_raw(*key),
			),
			(Self::Sr25519(key), KeySignature::Sr25519(sig)) => crypto::sr25519_verify(
				&sr25519::Signature::from_raw(*sig),
				message,
				&sr25519::Public::from_raw(*key),
			),
			(Self::Ecdsa(key), KeySignature::Ecdsa(sig)) => crypto::ecdsa_verify(
				&ecdsa::Signature::from_raw(*sig),
				message,
				&ecdsa::Public::from_raw(*key),
			),
			_ => false,
		}
	}
}

/// Whether `signature` is `who`'s over `message`, raw or inside `<Bytes>…</Bytes>`, the wrapping
/// that wallets add to arbitrary bytes.
pub fn verify_account(who: &AccountId, message: &[u8], signature: &MultiSignature) -> bool {
	if signature.verify(message, who) {
		return true;
	}
	let wrapped = [b"<Bytes>".as_slice(), message, b"</Bytes>".as_slice()].concat();
	signature.verify(wrapped.as_slice(), who)
}

/// A signature in the name of an agent.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub enum AgentSignature {
	/// By the agent's account key.
	#[codec(index = 0)]
	Account(MultiSignature),
	/// By a delegate key of the agent.
	#[codec(index = 1)]
	Delegate {
		/// The key, which must be registered with a scope that fits.
		key: Key,
		/// Its signature over the raw message.
		signature: KeySignature,
	},
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_core::Pair;

	#[test]
	fn keys_should_survive_their_bytes() {
		for key in [Key::Ed25519([7; 32]), Key::Sr25519([8; 32]), Key::Ecdsa([3; 33])] {
			assert_eq!(Key::from_bytes(&key.to_bytes()), Some(key));
			assert!(key.encoded_size() <= Key::LEN);
		}
	}

	#[test]
	fn key_bytes_should_be_refused_when_scheme_or_padding_is_unknown() {
		let mut bytes = Key::Ed25519([7; 32]).to_bytes();
		bytes[33] = 1;
		assert_eq!(Key::from_bytes(&bytes), None);
		bytes[0] = 3;
		assert_eq!(Key::from_bytes(&bytes), None);
	}

	#[test]
	fn each_scheme_should_verify_its_own_signature_only() {
		let message = b"message".as_slice();
		let ed = ed25519::Pair::from_seed(&[1; 32]);
		let sr = sr25519::Pair::from_seed(&[1; 32]);
		let ec = ecdsa::Pair::from_seed(&[1; 32]);
		let rows = [
			(Key::Ed25519(ed.public().0), KeySignature::Ed25519(ed.sign(message).0)),
			(Key::Sr25519(sr.public().0), KeySignature::Sr25519(sr.sign(message).0)),
			(Key::Ecdsa(ec.public().0), KeySignature::Ecdsa(ec.sign(message).0)),
		];
		for (i, (key, _)) in rows.iter().enumerate() {
			for (j, (_, signature)) in rows.iter().enumerate() {
				assert_eq!(key.verify(message, signature), i == j);
				assert!(!key.verify(b"other", signature));
			}
		}
	}

	#[test]
	fn account_signatures_should_verify_raw_and_wrapped() {
		let pair = sr25519::Pair::from_seed(&[2; 32]);
		let who = AccountId::new(pair.public().0);
		for bytes in [b"hello".to_vec(), b"<Bytes>hello</Bytes>".to_vec()] {
			assert!(verify_account(&who, b"hello", &pair.sign(&bytes).into()));
		}
		assert!(!verify_account(&who, b"hello", &pair.sign(b"hallo").into()));
		assert!(!verify_account(&AccountId::new([0; 32]), b"hello", &pair.sign(b"hello").into()));
	}
}
