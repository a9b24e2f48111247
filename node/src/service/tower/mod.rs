//! The node as a watchtower: settles what payees have left in the statement store when they are away.
//!
//! It does nothing until the keystore has a key of type `towr` (sr25519), whose account pays the fees:
//! there is no other account that a node could spend from. Proofs stay in memory; they are in the
//! statement store anyway, and are read from there after a start.

mod chain;
mod transaction;

use self::chain::NodeChain;
use super::{FullClient, TransactionPool};
use futures::pin_mut;
use sc_network_sync::SyncingService;
use sc_statement_store::Store;
use sp_consensus::SyncOracle;
use sp_core::{crypto::KeyTypeId, sr25519};
use sp_keystore::KeystorePtr;
use sp_statement_store::{Error as StoreError, FilterDecision, StatementStore};
use std::{
	sync::Arc,
	time::{Duration, Instant},
};
use stoa_runtime::opaque::Block;
use stoa_tower::{statement::topic_of_all, Config, Door, DoorError, Tower};

/// The type of the key that settles for absent payees.
pub const KEY_TYPE: KeyTypeId = KeyTypeId(*b"towr");

/// How often to look for the key, for the end of a sync, and for new backups.
const PAUSE: Duration = Duration::from_secs(6);

/// How often everything in the statement store is looked at again: what came before its channel was
/// opened, or while the node was behind, is taken then.
const AGAIN: Duration = Duration::from_secs(30 * 60);

/// Statements that are looked at before others get their turn, and bytes of backups that are held in memory
/// at the same time: the store may have much more than fits there.
const SCAN: usize = 1_024;
const IN_MEMORY: usize = 4 * 1024 * 1024;

/// What the tower works on.
pub struct Deps {
	/// The chain.
	pub client: Arc<FullClient>,
	/// Where settlements go.
	pub pool: Arc<TransactionPool>,
	/// Where the key is.
	pub keystore: KeystorePtr,
	/// Where backups come from.
	pub statements: Arc<Store>,
	/// Whether the node has caught up.
	pub sync: Arc<SyncingService<Block>>,
}

/// Watches as long as the node runs.
pub async fn run(deps: Deps) {
	let key = loop {
		if let Some(key) = key(&deps.keystore) {
			break key;
		}
		tokio::time::sleep(PAUSE).await;
	};
	while deps.sync.is_major_syncing() {
		tokio::time::sleep(PAUSE).await;
	}
	tracing::info!(account = %stoa_runtime::AccountId::from(key), "Watching channels of absent payees");
	let chain = NodeChain::new(deps.client, deps.pool, deps.keystore, key);
	let tower = Tower::new(Config::new(key.0), Arc::new(chain), None, []);
	let watching = tower.run(std::future::pending());
	let taking = take_backups(&deps.statements, &tower);
	pin_mut!(watching, taking);
	futures::future::select(watching, taking).await;
}

/// The first key of the tower's type.
fn key(keystore: &KeystorePtr) -> Option<sr25519::Public> {
	keystore.sr25519_public_keys(KEY_TYPE).first().copied()
}

/// Takes every backup that is in the statement store, and those that come.
async fn take_backups(store: &Store, tower: &Tower) {
	let (mut cursor, mut begun) = (0, Instant::now());
	loop {
		if begun.elapsed() >= AGAIN {
			(cursor, begun) = (0, Instant::now());
		}
		match take_from(cursor, store, tower).await {
			Ok(end) => cursor = end,
			Err(error) => tracing::warn!(%error, "The statement store cannot be read"),
		}
		tokio::time::sleep(PAUSE).await;
	}
}

/// Takes the backups that came to the store at `cursor` or later. Returns where to go on.
async fn take_from(mut cursor: u64, store: &Store, tower: &Tower) -> Result<u64, StoreError> {
	let (end, topic) = (store.admission_watermark()?, topic_of_all());
	while cursor < end {
		let mut bytes = 0usize;
		let batch =
			store.admitted_statements(cursor, end, SCAN, &mut |_, encoded, statement| {
				if !statement.topics().contains(&topic) {
					return FilterDecision::Skip;
				}
				if bytes > 0 && bytes.saturating_add(encoded.len()) > IN_MEMORY {
					return FilterDecision::Abort;
				}
				bytes = bytes.saturating_add(encoded.len());
				FilterDecision::Take
			})?;
		for (_, statement) in &batch.statements {
			match Door::default().bring_statement(tower, statement).await {
				Ok(outcomes) => tracing::debug!(?outcomes, "A backup of vouchers"),
				Err(DoorError::Tower(error)) => {
					tracing::warn!(%error, "A backup of vouchers was not taken");
				},
				Err(error) => tracing::debug!(%error, "A statement that is no backup"),
			}
		}
		cursor = batch.cursor;
	}
	Ok(cursor)
}

#[cfg(test)]
mod tests {
	use super::*;
	use sc_service::config::KeystoreConfig;
	use sp_core::Pair;

	#[test]
	fn the_key_should_be_that_of_its_type() {
		let container = sc_service::KeystoreContainer::new(&KeystoreConfig::InMemory).unwrap();
		let keystore = container.keystore();
		let other = KeyTypeId(*b"babe");
		keystore.sr25519_generate_new(other, Some("//Other")).unwrap();
		assert_eq!(key(&keystore), None);
		keystore.sr25519_generate_new(KEY_TYPE, Some("//Tower")).unwrap();
		let expected = sr25519::Pair::from_string("//Tower", None).unwrap().public();
		assert_eq!(key(&keystore), Some(expected));
	}
}
