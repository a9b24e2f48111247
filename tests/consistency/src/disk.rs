//! Disks that fail, and that can be put back to how they were.

use std::{
	collections::VecDeque,
	sync::{Arc, Mutex, MutexGuard},
};
use stoa_client::store::{MemoryStore, Store, StoreError, Table, Write};

/// What a disk does with a write.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Health {
	/// It is on the disk.
	#[default]
	Good,
	/// It is refused.
	Full,
	/// It is on the disk, and an error is reported all the same.
	Lying,
	/// The power is off: nothing happens any more.
	Off,
}

/// How many states before the present one are kept.
const HISTORY: usize = 64;

/// All rows.
type Rows = Vec<Write>;

struct Platter {
	rows: MemoryStore,
	health: Health,
	/// The states before the last commits, the latest last, and after how many commits each was.
	history: VecDeque<(u64, Rows)>,
	commits: u64,
}

/// A disk. The handle of a process that has died writes nothing any more.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Default for Disk {
	fn default() -> Self {
		Self::with(&[])
	}
}

fn rows(store: &MemoryStore) -> Rows {
	let of = |table: Table| {
		let rows = store.scan(table).expect("memory does not fail");
		rows.into_iter().map(move |(key, value)| Write { table, key, value: Some(value) })
	};
	Table::ALL.into_iter().flat_map(of).collect()
}

impl Disk {
	fn with(rows: &[Write]) -> Self {
		let store = MemoryStore::default();
		store.commit(rows).expect("memory does not fail");
		Self(Arc::new(Mutex::new(Platter {
			rows: store,
			health: Health::Good,
			history: VecDeque::new(),
			commits: 0,
		})))
	}

	fn platter(&self) -> MutexGuard<'_, Platter> {
		self.0.lock().expect("nothing panics while it holds the lock")
	}

	/// What the disk does with writes from now on.
	pub fn set(&self, health: Health) {
		self.platter().health = health;
	}

	/// Pulls the plug and puts in a disk with what was on it `back` commits ago, or as long ago as is
	/// remembered. Returns it, and how many commits are missing on it.
	pub fn crash(&self, back: usize) -> (Self, u64) {
		let mut platter = self.platter();
		platter.health = Health::Off;
		let at = platter.history.len().saturating_sub(back);
		let (rows, missing) = match platter.history.get(at) {
			Some((commits, rows)) => (rows.clone(), platter.commits - commits),
			None => (rows(&platter.rows), 0),
		};
		(Self::with(&rows), missing)
	}

	/// How often something was written.
	pub fn commits(&self) -> u64 {
		self.platter().commits
	}
}

impl Store for Disk {
	fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
		self.platter().rows.get(table, key)
	}

	fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
		self.platter().rows.scan(table)
	}

	fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
		let mut platter = self.platter();
		if matches!(platter.health, Health::Full | Health::Off) {
			return Err(StoreError::Failed("no space left on device".into()));
		}
		let before = (platter.commits, rows(&platter.rows));
		platter.rows.commit(writes)?;
		platter.commits += 1;
		platter.history.push_back(before);
		if platter.history.len() > HISTORY {
			platter.history.pop_front();
		}
		match platter.health {
			Health::Lying => Err(StoreError::Failed("input/output error".into())),
			_ => Ok(()),
		}
	}
}
