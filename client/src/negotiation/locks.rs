//! Keys of hash locks: a seller that delivers under a lock draws them, and must find them again.
//!
//! All come from one seed of 32 random bytes that is kept beside the negotiations:
//! `key = blake2_256("stoa/lock/v1" ‖ seed ‖ negotiation key 32 ‖ milestone u32, little-endian)`. So nothing has to be
//! written for each, and whoever has a copy of the store has them all.

use crate::{
	keys::random_bytes,
	store::{Committer, Store, StoreError, Table, Write},
};
use sp_crypto_hashing::blake2_256;
use stoa_primitives::agreement::{lock_of, NegotiationKey};

const TAG: &[u8] = b"stoa/lock/v1";
const SEED: &[u8] = b"lock-seed";

/// The keys of an agent's hash locks. What opens them is worth what they lock: not shown by `Debug`.
#[derive(Clone)]
pub struct Locks([u8; 32]);

impl std::fmt::Debug for Locks {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str("Locks(..)")
	}
}

impl Locks {
	/// Those of a store of negotiations; `None` if it never had any.
	///
	/// # Errors
	///
	/// [`StoreError`]; [`StoreError::Malformed`] when the seed has not 32 bytes.
	pub fn load(store: &dyn Store) -> Result<Option<Self>, StoreError> {
		let Some(seed) = store.get(Table::Meta, SEED)? else { return Ok(None) };
		let seed = seed.try_into().map_err(|_| StoreError::Malformed(Table::Meta))?;
		Ok(Some(Self(seed)))
	}

	/// Those of a store of negotiations, for which a seed is drawn if it has none. It is on disk before the first lock
	/// can be offered.
	///
	/// # Errors
	///
	/// As [`Locks::load`].
	pub async fn open(store: &dyn Store, committer: &Committer) -> Result<Self, StoreError> {
		if let Some(locks) = Self::load(store)? {
			return Ok(locks);
		}
		let seed = random_bytes();
		let write = Write { table: Table::Meta, key: SEED.to_vec(), value: Some(seed.to_vec()) };
		committer.commit(vec![write]).await?;
		Ok(Self(seed))
	}

	/// What opens the lock of a milestone.
	pub fn key(&self, negotiation: &NegotiationKey, milestone: u32) -> [u8; 32] {
		let milestone = milestone.to_le_bytes();
		blake2_256(&[TAG, &self.0, negotiation.as_slice(), &milestone].concat())
	}

	/// The lock of a milestone, for an offer.
	pub fn lock(&self, negotiation: &NegotiationKey, milestone: u32) -> [u8; 32] {
		lock_of(&self.key(negotiation, milestone))
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::store::MemoryStore;
	use std::sync::Arc;

	#[tokio::test]
	async fn keys_should_be_found_again_and_differ() {
		let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
		let committer = Committer::start(store.clone()).unwrap();
		assert!(Locks::load(store.as_ref()).unwrap().is_none());
		let locks = Locks::open(store.as_ref(), &committer).await.unwrap();
		let again = Locks::open(store.as_ref(), &committer).await.unwrap();
		let loaded = Locks::load(store.as_ref()).unwrap().unwrap();
		let key = locks.key(&[1; 32], 0);
		assert_eq!((again.key(&[1; 32], 0), loaded.key(&[1; 32], 0)), (key, key));
		assert_eq!(locks.lock(&[1; 32], 0), lock_of(&key));
		let others =
			[locks.key(&[1; 32], 1), locks.key(&[2; 32], 0), Locks([9; 32]).key(&[1; 32], 0)];
		assert!(others.iter().all(|other| *other != key));
		assert_eq!(format!("{locks:?}"), "Locks(..)");
	}

	#[test]
	fn keys_should_be_those_of_the_formula() {
		let expected =
			blake2_256(&[&b"stoa/lock/v1"[..], &[7; 32], &[1; 32], &[2, 0, 0, 0]].concat());
		assert_eq!(Locks([7; 32]).key(&[1; 32], 2), expected);
	}
}
