//! Proofs in the client's durable store.

use crate::{
	judge::Held,
	tower::{Keep, KeepFailure},
};
use codec::{DecodeAll, Encode};
use futures::{future::BoxFuture, FutureExt};
use std::sync::Arc;
use stoa_client::{
	store::{bind_chain, Committer, Store, StoreError, Table, Write},
	voucher::LaneKey,
};
use stoa_primitives::{channel::ChannelId, H256};

/// The layout of a row: this byte, then SCALE of [`Held`].
const VERSION: u8 = 1;

/// Keeps proofs in [`Table::Tower`] of a store, which may be the one that a payee uses.
pub struct StoreKeep {
	store: Arc<dyn Store>,
	committer: Committer,
}

impl StoreKeep {
	/// Binds the store to the chain with this genesis hash and starts its writer.
	///
	/// # Errors
	///
	/// [`StoreError`], for one when the store is of another chain.
	pub fn start(store: Arc<dyn Store>, genesis: H256) -> Result<Self, StoreError> {
		bind_chain(store.as_ref(), genesis)?;
		Ok(Self { committer: Committer::start(store.clone())?, store })
	}

	/// All that is kept.
	///
	/// # Errors
	///
	/// [`StoreError::Malformed`] for a row that cannot be read, or the store's own failure.
	pub fn load(&self) -> Result<Vec<Held>, StoreError> {
		let rows = self.store.scan(Table::Tower)?;
		rows.iter()
			.map(|(key, value)| read(key, value).ok_or(StoreError::Malformed(Table::Tower)))
			.collect()
	}

	async fn commit(&self, writes: Vec<Write>) -> Result<(), KeepFailure> {
		self.committer.commit(writes).await.map_err(|error| KeepFailure(error.to_string()))
	}
}

fn key(channel: ChannelId, lane: u32) -> Vec<u8> {
	LaneKey { channel, lane }.to_bytes().to_vec()
}

fn read(at: &[u8], value: &[u8]) -> Option<Held> {
	let (version, mut rest) = value.split_first()?;
	let held = Held::decode_all(&mut rest).ok()?;
	(*version == VERSION && at == key(held.item.channel, held.item.lane)).then_some(held)
}

impl Keep for StoreKeep {
	fn keep(&self, proofs: Vec<Held>) -> BoxFuture<'_, Result<(), KeepFailure>> {
		let write = |held: Held| Write {
			table: Table::Tower,
			key: key(held.item.channel, held.item.lane),
			value: Some((VERSION, held).encode()),
		};
		self.commit(proofs.into_iter().map(write).collect()).boxed()
	}

	fn forget(
		&self,
		channel: ChannelId,
		lanes: Vec<u32>,
	) -> BoxFuture<'_, Result<(), KeepFailure>> {
		let remove = |lane| Write { table: Table::Tower, key: key(channel, lane), value: None };
		self.commit(lanes.into_iter().map(remove).collect()).boxed()
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_client::store::{MemoryStore, RedbStore};
	use stoa_primitives::{
		channel::{Item, Proof},
		keys::{Key, KeySignature},
		AccountId,
	};

	const GENESIS: H256 = H256::repeat_byte(9);

	fn held(lane: u32, claim: u128) -> Held {
		let signature = KeySignature::Ed25519([3; 64]);
		let proof = Proof::Voucher { cumulative: claim, valid_until: 0, signature };
		Held {
			payee: AccountId::new([1; 32]),
			item: Item { channel: [2; 32], lane, capture: None, proof },
			claim,
			key: Key::Ed25519([4; 32]),
			at: 7,
		}
	}

	#[tokio::test]
	async fn proofs_should_outlive_the_process_and_be_overwritten_in_place() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		let open = || StoreKeep::start(Arc::new(RedbStore::open(&path).unwrap()), GENESIS).unwrap();
		open().keep(vec![held(0, 10), held(1, 5)]).await.unwrap();
		open().keep(vec![held(0, 20)]).await.unwrap();
		assert_eq!(open().load().unwrap(), [held(0, 20), held(1, 5)]);
		open().forget([2; 32], vec![0]).await.unwrap();
		assert_eq!(open().load().unwrap(), [held(1, 5)]);
	}

	#[test]
	fn a_store_of_another_chain_should_be_refused() {
		let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
		StoreKeep::start(store.clone(), GENESIS).unwrap();
		let other = StoreKeep::start(store, H256::zero());
		assert!(matches!(other, Err(StoreError::OtherChain(_))));
	}

	#[test]
	fn rows_that_do_not_fit_should_be_refused() {
		let row = (VERSION, held(0, 10)).encode();
		assert_eq!(read(&key([2; 32], 0), &row), Some(held(0, 10)));
		assert_eq!(read(&key([2; 32], 1), &row), None);
		assert_eq!(read(&key([2; 32], 0), &row[..row.len() - 1]), None);
		assert_eq!(read(&key([2; 32], 0), &[]), None);
		assert_eq!(read(&key([2; 32], 0), &[&[2], &row[1..]].concat()), None);
	}
}
