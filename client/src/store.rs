//! Durable storage: a small key-value interface, so that any ACID store can stand behind it.
//!
//! Keys have a fixed encoding per [`Table`], values are versioned SCALE. What matters is
//! [`Store::commit`]: all of a batch or nothing, and on disk when it returns.

mod anchor;
mod committer;
mod memory;
mod redb;

pub(crate) use self::anchor::Anchor;
pub use self::committer::Committer;
pub use self::memory::MemoryStore;
pub use self::redb::RedbStore;

use std::path::{Path, PathBuf};

/// A namespace of keys.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Table {
	/// Facts about the store itself: short ASCII keys.
	Meta,
	/// What the payee accepted; keys are [`LaneKey`](crate::voucher::LaneKey) bytes.
	Payee,
	/// What the payer signed; keys are [`LaneKey`](crate::voucher::LaneKey) bytes.
	Payer,
	/// The payer's channels; keys are channel ids.
	Channels,
	/// The roots of commitments that were accepted; keys are channel id and root.
	Roots,
	/// Closes that the payee has agreed to; keys are channel ids.
	Consents,
	/// What a watchtower keeps; keys are [`LaneKey`](crate::voucher::LaneKey) bytes.
	Tower,
	/// What the payer has signed of late; keys are payee and asset.
	Spent,
	/// Negotiations and their messages; keys are the negotiation's key on chain, then the message's number.
	Negotiations,
}

impl Table {
	/// All tables.
	pub const ALL: [Self; 9] = [
		Self::Meta,
		Self::Payee,
		Self::Payer,
		Self::Channels,
		Self::Roots,
		Self::Consents,
		Self::Tower,
		Self::Spent,
		Self::Negotiations,
	];
}

/// One change.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Write {
	/// Where.
	pub table: Table,
	/// Under which key.
	pub key: Vec<u8>,
	/// The new value; `None` removes the row.
	pub value: Option<Vec<u8>>,
}

impl Write {
	/// Puts a row.
	pub(crate) fn put(table: Table, key: &[u8], row: &impl codec::Encode) -> Self {
		Self { table, key: key.to_vec(), value: Some(row.encode()) }
	}

	/// Removes a row.
	pub(crate) fn remove(table: Table, key: &[u8]) -> Self {
		Self { table, key: key.to_vec(), value: None }
	}
}

/// Why the store could not do what was asked. Whatever the cause, the caller must not go on as if it
/// had.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
	/// Another process, or another handle in this one, has the store open.
	#[error("the store {0} is in use: stop the other process that has it open")]
	InUse(PathBuf),
	/// The file is of a later or unknown format.
	#[error("the store has format {found}, this program writes format {expected}")]
	Format {
		/// What the file says.
		found: u32,
		/// What this program knows.
		expected: u32,
	},
	/// A row cannot be read.
	#[error("the store holds a malformed row in {0:?}")]
	Malformed(Table),
	/// The store was used on another chain.
	#[error("the store belongs to the chain with genesis {0}: use another file for this chain")]
	OtherChain(String),
	/// The chain began anew: it has the same genesis, so the same channel ids, and other blocks.
	#[error(
		"the chain began anew, and what {} holds is of its earlier life: remove that file",
		place(.0)
	)]
	ChainAnew(Option<PathBuf>),
	/// The chain's first block is not there or not final, though the store has seen it so.
	#[error(
		"the node does not have the chain's first block as final, which {} has seen: wait until the \
		node has caught up; if the chain began anew, remove that file",
		place(.0)
	)]
	ChainBehind(Option<PathBuf>),
	/// The disk or the database failed.
	#[error("the store failed: {0}")]
	Failed(String),
	/// The writer has stopped.
	#[error("the store's writer has stopped")]
	Stopped,
}

fn place(path: &Option<PathBuf>) -> String {
	path.as_ref().map_or_else(|| "the store".into(), |path| path.display().to_string())
}

/// An ACID key-value store.
///
/// Calls may block on the disk: drivers run them off the async executor.
pub trait Store: Send + Sync + 'static {
	/// The value under `key`.
	///
	/// # Errors
	///
	/// [`StoreError`].
	fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

	/// All rows of a table in ascending order of keys.
	///
	/// # Errors
	///
	/// [`StoreError`].
	fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError>;

	/// Applies all writes in order, or none, and returns once they would survive a power cut.
	///
	/// # Errors
	///
	/// [`StoreError`]; the caller must then assume that nothing was written.
	fn commit(&self, writes: &[Write]) -> Result<(), StoreError>;

	/// The file behind the store, if there is one: for errors that say what to remove.
	fn path(&self) -> Option<&Path> {
		None
	}
}

const GENESIS: &[u8] = b"genesis";

/// Binds the store to one chain: the first chain is written down, another is refused. Vouchers of
/// two chains in one file could otherwise meet under one channel id.
///
/// # Errors
///
/// [`StoreError::OtherChain`], or the store's own failure.
pub fn bind_chain(store: &dyn Store, genesis: stoa_primitives::H256) -> Result<(), StoreError> {
	match store.get(Table::Meta, GENESIS)? {
		Some(bytes) if bytes == genesis.as_bytes() => Ok(()),
		Some(bytes) => Err(StoreError::OtherChain(format!("0x{}", hex::encode(bytes)))),
		None => store.commit(&[Write {
			table: Table::Meta,
			key: GENESIS.to_vec(),
			value: Some(genesis.as_bytes().to_vec()),
		}]),
	}
}

#[cfg(test)]
pub(crate) mod tests {
	use super::*;
	use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

	/// A store in memory whose commits can be made to fail, and are counted.
	#[derive(Default)]
	pub struct FailingStore {
		inner: MemoryStore,
		pub fail: AtomicBool,
		pub commits: AtomicUsize,
	}

	impl Store for FailingStore {
		fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
			self.inner.get(table, key)
		}

		fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
			self.inner.scan(table)
		}

		fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
			if self.fail.load(Ordering::SeqCst) {
				return Err(StoreError::Failed("no space left on device".into()));
			}
			self.commits.fetch_add(1, Ordering::SeqCst);
			self.inner.commit(writes)
		}
	}

	#[test]
	fn a_store_should_serve_one_chain_only() {
		let store = MemoryStore::default();
		let (a, b) = (sp_core::H256::repeat_byte(1), sp_core::H256::repeat_byte(2));
		bind_chain(&store, a).unwrap();
		bind_chain(&store, a).unwrap();
		assert!(matches!(bind_chain(&store, b), Err(StoreError::OtherChain(_))));
	}
}
