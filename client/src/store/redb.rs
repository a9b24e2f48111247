//! The durable store: one redb file, copy-on-write, flushed to disk on every commit.

use super::{Store, StoreError, Table, Write};
use ::redb::{
	Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageError,
	TableDefinition,
};
use std::{
	fs::OpenOptions,
	io::ErrorKind,
	path::{Path, PathBuf},
};

type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

const META: Definition = TableDefinition::new("meta");
const PAYEE: Definition = TableDefinition::new("payee");
const PAYER: Definition = TableDefinition::new("payer");
const CHANNELS: Definition = TableDefinition::new("channels");
const ROOTS: Definition = TableDefinition::new("roots");
const CONSENTS: Definition = TableDefinition::new("consents");
const TOWER: Definition = TableDefinition::new("tower");
const SPENT: Definition = TableDefinition::new("spent");
const NEGOTIATIONS: Definition = TableDefinition::new("negotiations");

const FORMAT_KEY: &[u8] = b"format";
const FORMAT: u32 = 1;

/// Bytes of the file that are kept in memory, at most.
const CACHE: usize = 64 * 1024 * 1024;

fn definition(table: Table) -> Definition {
	match table {
		Table::Meta => META,
		Table::Payee => PAYEE,
		Table::Payer => PAYER,
		Table::Channels => CHANNELS,
		Table::Roots => ROOTS,
		Table::Consents => CONSENTS,
		Table::Tower => TOWER,
		Table::Spent => SPENT,
		Table::Negotiations => NEGOTIATIONS,
	}
}

fn failed(error: impl Into<::redb::Error>) -> StoreError {
	StoreError::Failed(error.into().to_string())
}

fn damaged(path: &Path) -> StoreError {
	StoreError::Failed(format!("{} is damaged: put back a copy, or move it away", path.display()))
}

/// Opens what is at `path`. A file that came into being by this and could not be opened goes again: a
/// full disk would else leave a file that is no store, and that is refused when there is room again.
fn open_or_remove<T>(
	path: &Path,
	open: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
	let created = match OpenOptions::new().write(true).create_new(true).open(path) {
		Ok(_) => true,
		Err(error) if error.kind() == ErrorKind::AlreadyExists => false,
		Err(error) => return Err(StoreError::Failed(format!("{}: {error}", path.display()))),
	};
	let opened = open();
	// A store in use is another process's, which was quicker.
	let ours = created && !matches!(opened, Ok(_) | Err(StoreError::InUse(_)));
	if ours {
		if let Err(error) = std::fs::remove_file(path) {
			tracing::warn!(%error, path = %path.display(), "a store that failed was not removed");
		}
	}
	opened
}

/// A store in one file. The file is locked: a second opener gets [`StoreError::InUse`].
#[derive(Debug)]
pub struct RedbStore {
	path: PathBuf,
	database: Database,
}

impl RedbStore {
	/// Opens the file, or creates it and the folders above it.
	///
	/// # Errors
	///
	/// [`StoreError::InUse`], [`StoreError::Format`], or the disk's failure.
	pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
		let path = path.as_ref();
		if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
			std::fs::create_dir_all(folder).map_err(|e| StoreError::Failed(e.to_string()))?;
		}
		open_or_remove(path, || {
			// redb panics on some files that were cut short.
			std::panic::catch_unwind(|| Self::open_file(path))
				.unwrap_or_else(|_| Err(damaged(path)))
		})
	}

	fn open_file(path: &Path) -> Result<Self, StoreError> {
		let database =
			Database::builder().set_cache_size(CACHE).create(path).map_err(
				|error| match error {
					DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.to_path_buf()),
					DatabaseError::Storage(StorageError::Io(error))
						if error.kind() == ErrorKind::InvalidData =>
					{
						damaged(path)
					},
					other => failed(other),
				},
			)?;
		let store = Self { path: path.to_path_buf(), database };
		store.prepare()?;
		Ok(store)
	}

	/// Creates missing tables and checks the format. Reads later find every table present.
	fn prepare(&self) -> Result<(), StoreError> {
		let mut transaction = self.database.begin_write().map_err(failed)?;
		transaction.set_durability(Durability::Immediate).map_err(failed)?;
		for table in Table::ALL {
			transaction.open_table(definition(table)).map_err(failed)?;
		}
		{
			let mut meta = transaction.open_table(META).map_err(failed)?;
			let found = meta.get(FORMAT_KEY).map_err(failed)?.map(|v| v.value().to_vec());
			match found {
				None => {
					meta.insert(FORMAT_KEY, FORMAT.to_le_bytes().as_slice()).map_err(failed)?;
				},
				Some(bytes) => {
					let found = <[u8; 4]>::try_from(bytes.as_slice())
						.map(u32::from_le_bytes)
						.map_err(|_| StoreError::Malformed(Table::Meta))?;
					if found != FORMAT {
						return Err(StoreError::Format { found, expected: FORMAT });
					}
				},
			}
		}
		transaction.commit().map_err(failed)
	}
}

impl Store for RedbStore {
	fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
		let transaction = self.database.begin_read().map_err(failed)?;
		let rows = transaction.open_table(definition(table)).map_err(failed)?;
		Ok(rows.get(key).map_err(failed)?.map(|value| value.value().to_vec()))
	}

	fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
		let transaction = self.database.begin_read().map_err(failed)?;
		let rows = transaction.open_table(definition(table)).map_err(failed)?;
		let mut out = Vec::new();
		for row in rows.iter().map_err(failed)? {
			let (key, value) = row.map_err(failed)?;
			out.push((key.value().to_vec(), value.value().to_vec()));
		}
		Ok(out)
	}

	fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
		let mut transaction = self.database.begin_write().map_err(failed)?;
		transaction.set_durability(Durability::Immediate).map_err(failed)?;
		for table in Table::ALL {
			let mut writes = writes.iter().filter(|write| write.table == table).peekable();
			if writes.peek().is_none() {
				continue;
			}
			let mut rows = transaction.open_table(definition(table)).map_err(failed)?;
			for write in writes {
				match &write.value {
					Some(value) => {
						rows.insert(write.key.as_slice(), value.as_slice()).map_err(failed)?;
					},
					None => {
						rows.remove(write.key.as_slice()).map_err(failed)?;
					},
				}
			}
		}
		transaction.commit().map_err(failed)
	}

	fn path(&self) -> Option<&Path> {
		Some(&self.path)
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn put(key: &[u8], value: &[u8]) -> Write {
		Write { table: Table::Payee, key: key.to_vec(), value: Some(value.to_vec()) }
	}

	#[test]
	fn rows_should_survive_reopening_and_come_in_order() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("deep/er/store");
		{
			let store = RedbStore::open(&path).unwrap();
			store.commit(&[put(b"b", b"2"), put(b"a", b"1"), put(b"c", b"3")]).unwrap();
			let remove = Write { table: Table::Payee, key: b"c".to_vec(), value: None };
			store.commit(&[remove, put(b"a", b"9")]).unwrap();
		}
		let store = RedbStore::open(&path).unwrap();
		let rows = store.scan(Table::Payee).unwrap();
		assert_eq!(rows, [(b"a".to_vec(), b"9".to_vec()), (b"b".to_vec(), b"2".to_vec())]);
		assert_eq!(store.get(Table::Payee, b"b").unwrap(), Some(b"2".to_vec()));
		assert_eq!(store.get(Table::Payer, b"b").unwrap(), None);
	}

	#[test]
	fn opening_twice_should_say_that_the_store_is_in_use() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		let _first = RedbStore::open(&path).unwrap();
		assert!(matches!(RedbStore::open(&path), Err(StoreError::InUse(_))));
	}

	#[test]
	fn a_later_format_should_be_refused() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		let later = Write {
			table: Table::Meta,
			key: FORMAT_KEY.to_vec(),
			value: Some(2u32.to_le_bytes().to_vec()),
		};
		RedbStore::open(&path).unwrap().commit(&[later]).unwrap();
		assert!(matches!(RedbStore::open(&path), Err(StoreError::Format { found: 2, .. })));
	}

	#[test]
	fn a_file_that_could_not_become_a_store_should_be_removed() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		// What a full disk leaves: a file that has its length and nothing in it.
		let outcome: Result<(), _> = open_or_remove(&path, || {
			OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 20).unwrap();
			Err(RedbStore::open_file(&path).unwrap_err())
		});
		assert!(matches!(outcome, Err(StoreError::Failed(_))));
		assert!(!path.exists());
		RedbStore::open(&path).unwrap();
	}

	#[test]
	fn a_file_that_was_there_before_should_stay() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		std::fs::write(&path, vec![0; 1 << 20]).unwrap();
		let error = RedbStore::open(&path).unwrap_err().to_string();
		assert!(error.contains("store is damaged"), "{error}");
		assert_eq!(std::fs::metadata(&path).unwrap().len(), 1 << 20);
	}

	#[test]
	fn a_store_of_another_process_should_stay() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		let outcome: Result<(), _> = open_or_remove(&path, || Err(StoreError::InUse(path.clone())));
		assert!(matches!(outcome, Err(StoreError::InUse(_))));
		assert!(path.exists());
	}

	/// The file as it is on disk while a process still has it open is what a killed process leaves.
	#[test]
	fn committed_rows_should_survive_a_killed_process() {
		let dir = tempfile::tempdir().unwrap();
		let (path, copy) = (dir.path().join("store"), dir.path().join("copy"));
		let store = RedbStore::open(&path).unwrap();
		for n in 0u8..50 {
			store.commit(&[put(&[n], &[n; 100])]).unwrap();
		}
		std::fs::copy(&path, &copy).unwrap();
		std::mem::forget(store);
		let after = RedbStore::open(&copy).unwrap();
		assert_eq!(after.scan(Table::Payee).unwrap().len(), 50);
	}
}
