//! The node as a watchtower: settles what payees have left in the statement store when they are away.
//!
//! It does nothing until the keystore has a key of type `towr` (sr25519), whose account pays the fees:
//! there is no other account that a node could spend from. Proofs stay in memory; they are in the
//! statement store anyway, and are read from there after a start.

mod chain;
mod nonce;
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
use stoa_primitives::{AccountId, Balance};
use stoa_runtime::opaque::Block;
use stoa_tower::{statement::topic_of_all, Config, Door, Later, MinClaim, Tower};

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

/// Whom the tower serves, and what it spends on them.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
	/// The node's watchtower settles for this payee only; may be given again. Without it, for every payee.
	///
	/// There is a watchtower when the keystore has a key of type `towr`, whose account pays its fees.
	#[arg(long = "tower-payee", value_name = "ACCOUNT")]
	pub payees: Vec<AccountId>,

	/// What claims on a channel must be worth for the node's watchtower, each on average, in units of the
	/// channel's asset. Without it, what the chain settles for free, since the platform's share is
	/// worth more than the fee.
	#[arg(long = "tower-min-claim", value_name = "AMOUNT")]
	pub min_claim: Option<Balance>,
}

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
	/// What the operator wants.
	pub options: Options,
	/// Whether blocks are made on demand, so that it says nothing when there are none.
	pub on_demand: bool,
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
	let mut config = Config::new(key.0);
	config.min_claim = deps.options.min_claim.map_or(MinClaim::Free, MinClaim::Amount);
	config.stall = config.stall.filter(|_| !deps.on_demand);
	let tower = Tower::new(config, Arc::new(chain), None, []);
	let door = Door { payees: deps.options.payees.into_iter().collect(), ..Door::default() };
	let watching = tower.run(std::future::pending());
	let taking = take_backups(&deps.statements, &tower, &door);
	pin_mut!(watching, taking);
	futures::future::select(watching, taking).await;
}

/// The first key of the tower's type.
fn key(keystore: &KeystorePtr) -> Option<sr25519::Public> {
	keystore.sr25519_public_keys(KEY_TYPE).first().copied()
}

/// Takes every backup that is in the statement store, and those that come.
async fn take_backups(store: &Store, tower: &Tower, door: &Door) {
	let (mut cursor, mut begun) = (0, Instant::now());
	let mut later = Later::new();
	loop {
		if begun.elapsed() >= AGAIN {
			(cursor, begun) = (0, Instant::now());
		}
		later.take_due(door, tower).await;
		match take_from(cursor, store, tower, door, &mut later).await {
			Ok(end) => cursor = end,
			Err(error) => tracing::warn!(%error, "The statement store cannot be read"),
		}
		tokio::time::sleep(PAUSE).await;
	}
}

/// Takes the backups that came to the store at `cursor` or later. Returns where to go on.
async fn take_from(
	mut cursor: u64,
	store: &Store,
	tower: &Tower,
	door: &Door,
	later: &mut Later,
) -> Result<u64, StoreError> {
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
		for (_, statement) in batch.statements {
			later.take(statement, door, tower).await;
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
