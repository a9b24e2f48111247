//! Sealing: only the receiver can read what was sealed for it.
//!
//! X25519 and XChaCha20-Poly1305 as in NaCl's `crypto_box`, with a new key of the sender's for each message: not even the
//! sender can open it afterwards. Who has sealed it is not shown by this; the message inside is signed.
//!
//! Layout: version 1 ‖ the sender's key 32 ‖ nonce 24 ‖ box. In the box: length u32, little-endian ‖ message ‖ zeros up
//! to a multiple of [`BLOCK`], so that the length tells little.

use crypto_box::{
	aead::{Aead, AeadCore, OsRng},
	ChaChaBox, Nonce, PublicKey, SecretKey,
};
use std::fmt;

/// Messages are filled up to multiples of this many bytes.
pub(super) const BLOCK: usize = 1_024;

const VERSION: u8 = 1;

/// What a sealed message has more than the filled-up one.
pub(super) const OVERHEAD: usize = 1 + 32 + 24 + 16;

/// Why something cannot be sealed or opened.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SealError {
	/// The message is too long.
	#[error("the message is too long to be sealed")]
	TooLong,
	/// It is not sealed in this way, not for this key, or was changed.
	#[error("it was not sealed for this key, or was changed")]
	Opened,
}

/// The secret key that opens what was sealed for an agent. It is apart from the agent's account key, and can be a new one
/// with every start: then nothing that was sealed before can be opened any more, by nobody.
#[derive(Clone)]
pub struct SealingKey(SecretKey);

impl fmt::Debug for SealingKey {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "SealingKey({})", hex::encode(self.public()))
	}
}

impl SealingKey {
	/// A new random key.
	pub fn generate() -> Self {
		Self(SecretKey::generate(&mut OsRng))
	}

	/// The key of these 32 secret bytes.
	pub fn from_bytes(secret: [u8; 32]) -> Self {
		Self(SecretKey::from(secret))
	}

	/// The public key, X25519.
	pub fn public(&self) -> [u8; 32] {
		*self.0.public_key().as_bytes()
	}

	/// Opens what was sealed for this key.
	///
	/// # Errors
	///
	/// [`SealError::Opened`].
	pub fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
		let open = || {
			let (version, rest) = sealed.split_first()?;
			let (from, rest) = rest.split_first_chunk::<32>()?;
			let (nonce, ciphertext) = rest.split_first_chunk::<24>()?;
			let cipher = ChaChaBox::new(&PublicKey::from(*from), &self.0);
			let filled = cipher.decrypt(&Nonce::from(*nonce), ciphertext).ok()?;
			let (length, filled) = filled.split_first_chunk::<4>()?;
			let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
			(*version == VERSION).then_some(filled.get(..length)?.to_vec())
		};
		open().ok_or(SealError::Opened)
	}
}

/// Seals a message for the holder of a public key.
///
/// # Errors
///
/// [`SealError::TooLong`].
pub fn seal(to: &[u8; 32], message: &[u8]) -> Result<Vec<u8>, SealError> {
	let nonce = ChaChaBox::generate_nonce(&mut OsRng);
	seal_with(&SecretKey::generate(&mut OsRng), &nonce, to, message)
}

fn seal_with(
	key: &SecretKey,
	nonce: &Nonce,
	to: &[u8; 32],
	message: &[u8],
) -> Result<Vec<u8>, SealError> {
	let length = u32::try_from(message.len()).map_err(|_| SealError::TooLong)?;
	let mut filled = length.to_le_bytes().to_vec();
	filled.extend_from_slice(message);
	filled.resize(filled.len().next_multiple_of(BLOCK), 0);
	let cipher = ChaChaBox::new(&PublicKey::from(*to), key);
	let ciphertext = cipher.encrypt(nonce, filled.as_slice()).map_err(|_| SealError::TooLong)?;
	Ok([&[VERSION], key.public_key().as_bytes().as_slice(), nonce, &ciphertext].concat())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn only_the_receiver_should_read_what_was_sealed() {
		let (receiver, other) = (SealingKey::generate(), SealingKey::generate());
		for length in [0, 1, 1_019, 1_020, 1_021, 20_000] {
			let message = vec![7; length];
			let sealed = seal(&receiver.public(), &message).unwrap();
			assert_eq!(receiver.open(&sealed), Ok(message.clone()));
			assert_eq!(other.open(&sealed), Err(SealError::Opened));
			assert_eq!((sealed.len() - OVERHEAD) % BLOCK, 0);
			assert_ne!(seal(&receiver.public(), &message).unwrap(), sealed);
		}
	}

	#[test]
	fn what_was_changed_or_cut_should_not_be_opened() {
		let receiver = SealingKey::from_bytes([5; 32]);
		let sealed = seal(&receiver.public(), b"message").unwrap();
		for at in 0..sealed.len() {
			let mut changed = sealed.clone();
			changed[at] ^= 1;
			assert!(receiver.open(&changed).is_err(), "{at}");
			assert!(receiver.open(&sealed[..at]).is_err(), "{at}");
		}
	}

	#[test]
	fn the_secret_should_never_be_shown() {
		let key = SealingKey::from_bytes([5; 32]);
		assert!(!format!("{key:?}").contains(&hex::encode([5; 32])));
	}

	/// Made with another implementation: X25519, ChaCha20 and Poly1305 of pyca/cryptography, HChaCha20 in Python, by the
	/// definition of libsodium's `crypto_box_curve25519xchacha20poly1305_easy`.
	#[test]
	fn sealed_bytes_should_be_those_of_other_implementations() {
		let receiver = SealingKey::from_bytes([5; 32]);
		let public = "50a61409b1ddd0325e9b16b700e719e9772c07000b1bd7786e907c653d20495d";
		assert_eq!(hex::encode(receiver.public()), public);
		let (key, nonce) = (SecretKey::from([6; 32]), Nonce::from([7; 24]));
		let sealed = seal_with(&key, &nonce, &receiver.public(), b"message").unwrap();
		let digest = "cd81544bd5811a44bf046828d3ea0d9cc2b3d6c81f30306f7a6d67cfce46b991";
		assert_eq!(hex::encode(sp_crypto_hashing::blake2_256(&sealed)), digest);
		assert_eq!(receiver.open(&sealed), Ok(b"message".to_vec()));
	}
}
