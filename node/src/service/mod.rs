//! Puts a node together.

mod clock;
mod import;
mod sealing;
mod statements;
mod tower;

pub use sealing::Sealing;
pub use tower::Options as TowerOptions;

use self::{
	clock::{Inherents, SealingClock},
	import::{BabeImport, FinalityImport},
	sealing::Sealer,
};
use crate::rpc;
use futures::{channel::mpsc, FutureExt};
use sc_client_api::{Backend as _, BlockBackend};
use sc_consensus::{DefaultImportQueue, LongestChain};
use sc_consensus_babe::{BabeLink, SlotProportion};
use sc_consensus_grandpa::{GrandpaPruningFilter, LinkHalf, SharedVoterState};
use sc_consensus_manual_seal::consensus::babe::BabeConsensusDataProvider;
use sc_consensus_slots::BackoffAuthoringOnFinalizedHeadLagging;
use sc_network::{
	config::{FullNetworkConfiguration, NetworkBackendType},
	Litep2pNetworkBackend, NetworkBackend, NetworkWorker,
};
use sc_service::{error::Error, Configuration, KeystoreContainer, TaskManager, WarpSyncConfig};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_runtime::traits::Block as BlockT;
use std::{sync::Arc, time::Duration};
use stoa_runtime::{opaque::Block, RuntimeApi};

/// Hash of a block.
pub type Hash = <Block as BlockT>::Hash;
/// Executor of the runtime's Wasm.
pub type Executor = sc_executor::WasmExecutor<sp_io::SubstrateHostFunctions>;
/// The chain: its database and the runtime on top.
pub type FullClient = sc_service::TFullClient<Block, RuntimeApi, Executor>;
/// The database.
pub type FullBackend = sc_service::TFullBackend<Block>;
/// The rule that picks the best chain; BABE's weights are already in the database's notion of best.
pub type FullSelectChain = LongestChain<FullBackend, Block>;
/// The transactions that wait for a block.
pub type TransactionPool = sc_transaction_pool::TransactionPoolHandle<Block, FullClient>;

/// Blocks from one stored GRANDPA justification to the next, at most. About one a minute, so that
/// a light client or an auditor can have recent blocks proved.
const JUSTIFICATION_PERIOD: u32 = 32;

/// How long a GRANDPA message is expected to take to reach everyone.
const GOSSIP_DURATION: Duration = Duration::from_millis(333);

/// The share of a slot in which its author fills the block. The rest is for the other validators to
/// import it before the next slot begins: an import takes about as long as the filling did.
const PROPOSAL_SHARE: f32 = 0.5;

/// Orders for blocks that wait; RPC calls beyond it wait before they order.
const SEALING_ORDERS: usize = 1_000;

/// Buffered telemetry messages.
const TELEMETRY_BUFFER: usize = 16;

/// The parts of a node that need no network, enough for commands that work on the database.
pub struct Partial {
	/// The chain.
	pub client: Arc<FullClient>,
	/// Its database.
	pub backend: Arc<FullBackend>,
	/// Everything that runs in the background.
	pub task_manager: TaskManager,
	/// Checks blocks and puts them into the database.
	pub import_queue: DefaultImportQueue<Block>,
	keystore: KeystoreContainer,
	select_chain: FullSelectChain,
	pool: Arc<TransactionPool>,
	block_import: BabeImport,
	babe: BabeLink<Block>,
	grandpa: LinkHalf<Block, FullClient, FullSelectChain>,
	/// There if the chain is sealed on demand.
	clock: Option<Arc<SealingClock>>,
	telemetry: Option<Telemetry>,
}

/// The parts of a node for a command that works on the database.
pub fn partial(config: &Configuration) -> Result<Partial, Error> {
	assemble(config, false)
}

/// Starts a node. Blocks are made by BABE and GRANDPA, or as `sealing` says.
pub fn start(
	config: Configuration,
	sealing: Option<Sealing>,
	tower: TowerOptions,
) -> Result<TaskManager, Error> {
	match config.network.network_backend {
		NetworkBackendType::Litep2p => start_with::<Litep2pNetworkBackend>(config, sealing, tower),
		NetworkBackendType::Libp2p => {
			start_with::<NetworkWorker<Block, Hash>>(config, sealing, tower)
		},
	}
}

fn assemble(config: &Configuration, sealed: bool) -> Result<Partial, Error> {
	let telemetry = config
		.telemetry_endpoints
		.clone()
		.filter(|endpoints| !endpoints.is_empty())
		.map(|endpoints| -> Result<_, sc_telemetry::Error> {
			let worker = TelemetryWorker::new(TELEMETRY_BUFFER)?;
			let telemetry = worker.handle().new_telemetry(endpoints);
			Ok((worker, telemetry))
		})
		.transpose()?;

	let (client, backend, keystore, mut task_manager) =
		sc_service::new_full_parts::<Block, RuntimeApi, _>(
			config,
			telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
			sc_service::new_wasm_executor::<sp_io::SubstrateHostFunctions>(&config.executor),
			// Warp sync needs the blocks where authority sets change, also on a node that prunes.
			vec![Arc::new(GrandpaPruningFilter)],
		)?;
	let client = Arc::new(client);

	let telemetry = telemetry.map(|(worker, telemetry)| {
		task_manager.spawn_handle().spawn("telemetry", None, worker.run());
		telemetry
	});
	let telemetry_handle = telemetry.as_ref().map(|telemetry| telemetry.handle());

	let select_chain = LongestChain::new(backend.clone());
	let pool = Arc::new(
		sc_transaction_pool::Builder::new(
			task_manager.spawn_essential_handle(),
			client.clone(),
			config.role.is_authority().into(),
		)
		.with_options(config.transaction_pool.clone())
		.with_prometheus(config.prometheus_registry())
		.build(),
	);

	let (grandpa_import, grandpa) = sc_consensus_grandpa::block_import(
		client.clone(),
		JUSTIFICATION_PERIOD,
		&client,
		select_chain.clone(),
		telemetry_handle.clone(),
	)?;

	let babe_config = sc_consensus_babe::configuration(&*client)?;
	let slot_duration = babe_config.slot_duration();
	let clock = sealed.then(|| SealingClock::new(slot_duration));
	let (finality_import, justification_import, inherents) = match &clock {
		None => (
			FinalityImport::Grandpa(Box::new(grandpa_import.clone())),
			Some(Box::new(grandpa_import) as _),
			Inherents::WallClock(slot_duration),
		),
		Some(clock) => {
			(FinalityImport::Sealed(client.clone()), None, Inherents::Sealed(clock.clone()))
		},
	};
	let (block_import, babe) = sc_consensus_babe::block_import(
		babe_config,
		finality_import,
		client.clone(),
		inherents,
		select_chain.clone(),
		OffchainTransactionPoolFactory::new(pool.clone()),
	)?;
	let (import_queue, babe_handle) =
		sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
			link: babe.clone(),
			block_import: block_import.clone(),
			justification_import,
			client: client.clone(),
			slot_duration,
			spawner: &task_manager.spawn_essential_handle(),
			registry: config.prometheus_registry(),
			telemetry: telemetry_handle,
		})?;
	// The essential tasks at the other end of these stop when they are dropped, and the node with
	// them. A command on the database has no other use for either.
	task_manager.keep_alive((babe_handle, pool.clone()));

	Ok(Partial {
		client,
		backend,
		task_manager,
		import_queue,
		keystore,
		select_chain,
		pool,
		block_import,
		babe,
		grandpa,
		clock,
		telemetry,
	})
}

fn start_with<N: NetworkBackend<Block, Hash>>(
	config: Configuration,
	sealing: Option<Sealing>,
	tower_options: TowerOptions,
) -> Result<TaskManager, Error> {
	let Partial {
		client,
		backend,
		mut task_manager,
		import_queue,
		keystore,
		select_chain,
		pool,
		block_import,
		babe,
		grandpa,
		clock,
		mut telemetry,
	} = assemble(&config, sealing.is_some())?;

	let role = config.role;
	let name = config.network.node_name.clone();
	let force_authoring = config.force_authoring;
	let votes = sealing.is_none() && !config.disable_grandpa;
	let offchain_worker = config.offchain_worker.enabled;
	let prometheus = config.prometheus_registry().cloned();

	let metrics = N::register_notification_metrics(prometheus.as_ref());
	let mut net_config =
		FullNetworkConfiguration::<Block, Hash, N>::new(&config.network, prometheus.clone());
	let genesis = client
		.block_hash(0)?
		.ok_or_else(|| Error::Other("the database has no genesis block".into()))?;
	let grandpa_protocol =
		sc_consensus_grandpa::protocol_standard_name(&genesis, &config.chain_spec);
	let grandpa_notifications = votes.then(|| {
		let (protocol, notifications) = sc_consensus_grandpa::grandpa_peers_set_config::<Block, N>(
			grandpa_protocol.clone(),
			metrics.clone(),
			net_config.peer_store_handle(),
		);
		net_config.add_notification_protocol(protocol);
		notifications
	});
	let statements = statements::open(&config, client.clone(), &keystore, &task_manager)?;
	let statement_protocol =
		statements::protocol(genesis, &config, &mut net_config, metrics.clone());
	// A sealed chain has no justifications that could prove anything to a newcomer.
	let warp_sync = sealing.is_none().then(|| {
		WarpSyncConfig::WithProvider(Arc::new(
			sc_consensus_grandpa::warp_proof::NetworkProvider::new(
				backend.clone(),
				grandpa.shared_authority_set().clone(),
				Vec::new(),
			),
		))
	});
	let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
		sc_service::build_network(sc_service::BuildNetworkParams {
			config: &config,
			net_config,
			client: client.clone(),
			transaction_pool: pool.clone(),
			spawn_handle: task_manager.spawn_handle(),
			spawn_essential_handle: task_manager.spawn_essential_handle(),
			import_queue,
			block_announce_validator_builder: None,
			warp_sync_config: warp_sync,
			block_relay: None,
			metrics,
			gap_sync_body_policy: None,
		})?;

	statements::gossip(
		statement_protocol,
		&config,
		statements.clone(),
		network.clone(),
		sync_service.clone(),
		&task_manager,
	)?;
	if offchain_worker {
		let watching = tower::run(tower::Deps {
			client: client.clone(),
			pool: pool.clone(),
			keystore: keystore.keystore(),
			statements: statements.clone(),
			sync: sync_service.clone(),
			options: tower_options,
			on_demand: sealing.is_some(),
		});
		// Reads state without giving way.
		task_manager.spawn_handle().spawn_blocking("tower", Some("offchain-worker"), watching);
		let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
			runtime_api_provider: client.clone(),
			keystore: Some(keystore.keystore()),
			offchain_db: backend.offchain_storage(),
			transaction_pool: Some(OffchainTransactionPoolFactory::new(pool.clone())),
			network_provider: Arc::new(network.clone()),
			is_validator: role.is_authority(),
			enable_http_requests: true,
			custom_extensions: |_| Vec::new(),
		})?;
		task_manager.spawn_handle().spawn(
			"offchain-workers-runner",
			"offchain-worker",
			workers.run(client.clone(), task_manager.spawn_handle()).boxed(),
		);
	}

	let (orders_tx, orders) = mpsc::channel(SEALING_ORDERS);
	let rpc = rpc::Deps {
		client: client.clone(),
		pool: pool.clone(),
		statements,
		sealing: sealing.is_some().then_some(orders_tx),
	};
	sc_service::spawn_tasks(sc_service::SpawnTasksParams {
		config,
		client: client.clone(),
		backend,
		task_manager: &mut task_manager,
		keystore: keystore.keystore(),
		transaction_pool: pool.clone(),
		rpc_builder: Box::new(move |executor| rpc.module(executor).map_err(Into::into)),
		network: network.clone(),
		system_rpc_tx,
		tx_handler_controller,
		sync_service: sync_service.clone(),
		telemetry: telemetry.as_mut(),
		tracing_execute_block: None,
	})?;
	let telemetry = telemetry.as_ref().map(|telemetry| telemetry.handle());

	let proposer = sc_basic_authorship::ProposerFactory::new(
		task_manager.spawn_handle(),
		client.clone(),
		pool.clone(),
		prometheus.as_ref(),
		telemetry.clone(),
	);
	if let Some((mode, clock)) = sealing.zip(clock) {
		let digests = BabeConsensusDataProvider::new(
			client.clone(),
			keystore.keystore(),
			babe.epoch_changes().clone(),
			babe.config().authorities.clone(),
		)
		.map_err(|error| Error::Application(error.into()))?;
		let sealer = Sealer {
			mode,
			orders,
			client,
			pool,
			proposer,
			select_chain,
			block_import,
			clock,
			digests: Box::new(digests),
		};
		task_manager.spawn_essential_handle().spawn_blocking(
			"sealer",
			Some("block-authoring"),
			sealer.run(),
		);
		return Ok(task_manager);
	}

	if role.is_authority() {
		let slot_duration = babe.config().slot_duration();
		let author = sc_consensus_babe::start_babe(sc_consensus_babe::BabeParams {
			keystore: keystore.keystore(),
			client,
			select_chain,
			env: proposer,
			block_import,
			sync_oracle: sync_service.clone(),
			justification_sync_link: sync_service.clone(),
			create_inherent_data_providers: Inherents::WallClock(slot_duration),
			force_authoring,
			backoff_authoring_blocks: Some(BackoffAuthoringOnFinalizedHeadLagging::default()),
			babe_link: babe,
			block_proposal_slot_portion: SlotProportion::new(PROPOSAL_SHARE),
			max_block_proposal_slot_portion: None,
			telemetry: telemetry.clone(),
		})?;
		// Nothing else makes blocks, so the node ends with this task.
		task_manager.spawn_essential_handle().spawn_blocking(
			"babe-proposer",
			Some("block-authoring"),
			author,
		);
	}

	if let Some(notification_service) = grandpa_notifications {
		// A node that is no authority votes for nothing but takes part in the gossip, which spreads
		// votes better than relaying alone would.
		let voter = sc_consensus_grandpa::GrandpaParams {
			config: sc_consensus_grandpa::Config {
				gossip_duration: GOSSIP_DURATION,
				justification_generation_period: JUSTIFICATION_PERIOD,
				name: Some(name),
				observer_enabled: false,
				keystore: role.is_authority().then(|| keystore.keystore()),
				local_role: role,
				telemetry: telemetry.clone(),
				protocol_name: grandpa_protocol,
			},
			link: grandpa,
			network,
			sync: sync_service,
			notification_service,
			voting_rule: sc_consensus_grandpa::VotingRulesBuilder::default().build(),
			prometheus_registry: prometheus,
			shared_voter_state: SharedVoterState::empty(),
			telemetry,
			offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(pool),
		};
		task_manager.spawn_essential_handle().spawn_blocking(
			"grandpa-voter",
			None,
			sc_consensus_grandpa::run_grandpa_voter(voter)?,
		);
	}

	Ok(task_manager)
}
