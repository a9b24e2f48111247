//! The statement store: what agents sign, and nodes keep and gossip without a block.
//!
//! How much an account may keep is in the chain's state; the runtime gives every agent a quota. The
//! store is in the folder of the database, so that `purge-chain` removes both.

use super::{FullBackend, FullClient, Hash};
use sc_network::{
	config::FullNetworkConfiguration,
	service::{traits::NetworkService, NotificationMetrics},
	NetworkBackend,
};
use sc_network_statement::StatementHandlerPrototype;
use sc_network_sync::SyncingService;
use sc_service::{error::Error, Configuration, KeystoreContainer, TaskManager};
use sc_statement_store::{Config, Store};
use std::sync::Arc;
use stoa_runtime::opaque::Block;

/// Statements that one peer may send in a second; a node that sends more is cut off. All agents of a
/// large market together sign far fewer.
const PEER_RATE: u32 = 5_000;

/// Opens the store, and keeps it in order in the background.
pub fn open(
	config: &Configuration,
	client: Arc<FullClient>,
	keystore: &KeystoreContainer,
	task_manager: &TaskManager,
) -> Result<Arc<Store>, Error> {
	let folder = config.database.path().unwrap_or(&config.data_path);
	Store::new_shared::<Block, FullClient, FullBackend>(
		folder,
		Config { rate_limit: PEER_RATE, ..Config::default() },
		client,
		keystore.local_keystore(),
		config.prometheus_registry(),
		Box::new(task_manager.spawn_handle()),
	)
	.map_err(|error| Error::Other(format!("the statement store cannot be opened: {error}")))
}

/// Adds the gossip protocol to the network that is about to be built.
pub fn protocol<N: NetworkBackend<Block, Hash>>(
	genesis: Hash,
	config: &Configuration,
	net_config: &mut FullNetworkConfiguration<Block, Hash, N>,
	metrics: NotificationMetrics,
) -> StatementHandlerPrototype {
	let (prototype, protocol) = StatementHandlerPrototype::new::<_, Block, N>(
		genesis,
		config.chain_spec.fork_id(),
		metrics,
		net_config.peer_store_handle(),
	);
	net_config.add_notification_protocol(protocol);
	prototype
}

/// Starts the gossip. It begins when the node has caught up with the chain.
pub fn gossip(
	prototype: StatementHandlerPrototype,
	config: &Configuration,
	store: Arc<Store>,
	network: Arc<dyn NetworkService>,
	sync: Arc<SyncingService<Block>>,
	task_manager: &TaskManager,
) -> Result<(), Error> {
	let spawner = task_manager.spawn_handle();
	let validators = spawner.clone();
	let handler = prototype
		.build(
			network,
			sync,
			store,
			config.prometheus_registry(),
			move |future| {
				validators.spawn("network-statement-validator", Some("networking"), future)
			},
			Config::default().network_workers,
			PEER_RATE,
		)
		.map_err(|error| Error::Other(format!("statements cannot be gossiped: {error}")))?;
	spawner.spawn("network-statement-handler", Some("networking"), handler.run());
	Ok(())
}
