//! The voucher keys of an account, one after the other: each is derived from the account's secret by
//! its number, and none from another one, so that a key that was stolen says nothing of the next.
//!
//! A file beside the keys holds the number of the newest one, which new channels name. When it is lost,
//! the keys are still there: what a channel names is found by trying the numbers.

use super::private_dir;
use crate::output::Failure;
use std::{
	fs,
	io::{self, Write},
	path::Path,
};
use stoa_client::keys::{Scheme, VoucherKey};
use stoa_primitives::keys::Key;
use tempfile::NamedTempFile;

/// What is appended to a secret's path for its first voucher key; later ones have their number behind it.
const PATH: &str = "//voucher";

/// How many voucher keys an account can have, one after the other. Trying all of them takes a moment.
pub const MAX_VOUCHER_KEYS: u32 = 1_000;

/// The voucher keys of one secret.
#[derive(Clone)]
pub struct VoucherKeys {
	/// A seed in hex, then a derivation path.
	secret: String,
	/// The number of the one that new channels name.
	newest: u32,
}

impl VoucherKeys {
	/// Those of `secret`, a seed in hex and a path, of which only the first was used.
	pub(super) fn new(secret: String) -> Self {
		Self { secret, newest: 0 }
	}

	/// The number of the key that new channels name.
	pub fn newest(&self) -> u32 {
		self.newest
	}

	/// The key of a number.
	///
	/// # Errors
	///
	/// When there are no keys of such a number.
	pub fn get(&self, number: u32) -> Result<VoucherKey, Failure> {
		if number >= MAX_VOUCHER_KEYS {
			return Err(Failure::new(
				format!(
					"this account has had {MAX_VOUCHER_KEYS} voucher keys, and can have no more"
				),
				"go on with another account",
			));
		}
		let secret = &self.secret;
		let uri = match number {
			0 => format!("{secret}{PATH}"),
			_ => format!("{secret}{PATH}-{number}"),
		};
		Ok(VoucherKey::from_uri(&uri, Scheme::Ed25519)?)
	}

	/// The number and the secret of a key that a channel names, if it is one of these.
	pub fn find(&self, key: &Key) -> Option<(u32, VoucherKey)> {
		if !matches!(key, Key::Ed25519(_)) {
			return None;
		}
		// Most channels name the newest one.
		std::iter::once(self.newest)
			.chain(0..MAX_VOUCHER_KEYS)
			.filter_map(|number| Some((number, self.get(number).ok()?)))
			.find(|(_, secret)| secret.key() == *key)
	}

	/// The keys with another newest one.
	pub(super) fn at(self, newest: u32) -> Self {
		Self { newest, ..self }
	}
}

/// The number in the file at `path`; 0 when there is none.
pub(super) fn read_newest(path: &Path) -> Result<u32, Failure> {
	let damaged = |what: &str| {
		Failure::new(
			format!("the file {} cannot be read: {what}", path.display()),
			"it should hold the number of the account's newest voucher key; restore it from a copy",
		)
	};
	match fs::read_to_string(path) {
		Ok(text) => text
			.trim()
			.parse()
			.ok()
			.filter(|number| *number < MAX_VOUCHER_KEYS)
			.ok_or_else(|| damaged("it holds no such number")),
		Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
		Err(error) => Err(damaged(&error.to_string())),
	}
}

/// Put a number into the file at `path`, all of it or nothing.
pub(super) fn write_newest(path: &Path, number: u32) -> Result<(), Failure> {
	let write = || -> io::Result<()> {
		let dir = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
		private_dir(dir)?;
		let mut file = NamedTempFile::new_in(dir)?;
		writeln!(file, "{number}")?;
		file.as_file().sync_all()?;
		file.persist(path).map_err(|error| error.error)?;
		fs::File::open(dir)?.sync_all()
	};
	write().map_err(|error| {
		Failure::new(
			format!("the file {} cannot be written: {error}", path.display()),
			"check the disk and the permissions of the directory",
		)
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::collections::HashSet;

	fn keys() -> VoucherKeys {
		VoucherKeys::new(format!("0x{}", "07".repeat(32)))
	}

	#[test]
	fn every_number_should_have_a_key_of_its_own_that_is_found_again() {
		let keys = keys();
		let all: HashSet<_> = (0..5).map(|n| keys.get(n).unwrap().key().to_bytes()).collect();
		assert_eq!(all.len(), 5);
		for number in [0, 1, 4, MAX_VOUCHER_KEYS - 1] {
			let key = keys.get(number).unwrap().key();
			let (found, secret) = keys.find(&key).unwrap();
			assert_eq!((found, secret.key()), (number, key));
		}
		assert!(keys.find(&Key::Ed25519([9; 32])).is_none());
		assert!(keys.find(&Key::Sr25519([9; 32])).is_none());
		assert!(keys.get(MAX_VOUCHER_KEYS).is_err());
	}

	#[test]
	fn no_key_should_follow_from_another() {
		let first = format!("0x{}{PATH}", "07".repeat(32));
		let child = VoucherKey::from_uri(&format!("{first}//1"), Scheme::Ed25519).unwrap();
		assert!(keys().find(&child.key()).is_none());
	}

	#[test]
	fn numbers_should_survive_their_file_and_be_refused_when_damaged() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("keys/x.voucher");
		assert_eq!(read_newest(&path).unwrap(), 0);
		for number in [7, 8] {
			write_newest(&path, number).unwrap();
			assert_eq!(read_newest(&path).unwrap(), number);
		}
		for text in ["", "x", "-1", "1000"] {
			fs::write(&path, text).unwrap();
			assert!(read_newest(&path).unwrap_err().cause.contains("x.voucher"), "{text}");
		}
	}
}
