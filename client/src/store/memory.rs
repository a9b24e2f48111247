//! A store that forgets when the process ends: for tests and throw-away payers.

use super::{Store, StoreError, Table, Write};
use std::{
	collections::BTreeMap,
	sync::{Mutex, PoisonError},
};

type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// Rows in memory. **Not durable**: a payee that uses it loses what it has not settled.
#[derive(Default)]
pub struct MemoryStore(Mutex<Rows>);

impl MemoryStore {
	fn rows(&self) -> std::sync::MutexGuard<'_, Rows> {
		// No code panics while it holds the lock, and rows are whole after each statement.
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

impl Store for MemoryStore {
	fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
		Ok(self.rows().get(&(table, key.to_vec())).cloned())
	}

	fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
		Ok(self
			.rows()
			.range((table, Vec::new())..)
			.take_while(|((of, _), _)| *of == table)
			.map(|((_, key), value)| (key.clone(), value.clone()))
			.collect())
	}

	fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
		let mut rows = self.rows();
		for write in writes {
			let key = (write.table, write.key.clone());
			match &write.value {
				Some(value) => rows.insert(key, value.clone()),
				None => rows.remove(&key),
			};
		}
		Ok(())
	}
}
