//! `stoa-tower`: a watchtower on a machine of its own.

#![deny(
	clippy::arithmetic_side_effects,
	clippy::expect_used,
	clippy::indexing_slicing,
	clippy::panic,
	clippy::unwrap_used
)]

use clap::Parser;
use std::{error::Error, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};
use stoa_client::{
	chain::{Chain, ConnectOptions, FeeAsset, SubmitOptions},
	keys::{format_account, parse_account, AccountKey},
	store::RedbStore,
};
use stoa_primitives::{AccountId, AssetId, Balance};
use stoa_tower::{
	service::{chain::submit_options, feed, http, RpcChain, StoreKeep},
	Config, Door, MinClaim, Tower,
};
use tokio::{net::TcpListener, sync::watch};
use tracing_subscriber::EnvFilter;

/// Settles for payees that are away when their channels are closed.
///
/// Payees send what they hold, signed, over HTTP or through the statement stores of the nodes. The tower
/// checks it against the chain, keeps the highest of each lane on disk, and claims it for the payee when a
/// payer closes and the payee has done nothing for a quarter of the grace period.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
	/// The node, over WebSockets.
	#[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:9944", env = "STOA_NODE")]
	node: String,

	/// The file that keeps what the tower holds. Another process cannot open it at the same time.
	#[arg(long, value_name = "FILE")]
	store: PathBuf,

	/// Where to listen for backups over HTTP. Without it, the statement store is the only way in.
	#[arg(long, value_name = "ADDRESS")]
	listen: Option<String>,

	/// The key file of the account that pays for settlements: one line `<scheme>:<secret>`, readable by its
	/// owner only. Made when it is missing; the account then needs a little money.
	#[arg(long, value_name = "FILE")]
	key: PathBuf,

	/// Pay fees from credits in this asset (its number) instead of native tokens.
	#[arg(long, value_name = "ASSET")]
	fee_asset: Option<u32>,

	/// Serve this payee only; may be given again. Without it, the tower serves every payee.
	#[arg(long = "payee", value_name = "ACCOUNT", value_parser = parse_account)]
	payees: Vec<AccountId>,

	/// Believe backups that this account signs for any payee; may be given again.
	#[arg(long = "trust", value_name = "ACCOUNT", value_parser = parse_account)]
	trusted: Vec<AccountId>,

	/// Lanes to keep in all.
	#[arg(long, value_name = "N", default_value_t = 262_144)]
	lanes: usize,

	/// Lanes to keep for one payee.
	#[arg(long, value_name = "N", default_value_t = 4_096)]
	lanes_per_payee: usize,

	/// What claims on a channel must be worth, each on average, in units of the channel's asset. Without it,
	/// what the chain settles for free, since the platform's share is worth more than the fee.
	#[arg(long, value_name = "AMOUNT")]
	min_claim: Option<Balance>,

	/// For how many seconds the node's best block may stay the same before the tower says that it is
	/// blind; 0 for a development chain that makes blocks on demand.
	#[arg(long, value_name = "SECONDS", default_value_t = 60)]
	stall_after: u64,

	/// Do not take backups from the node's statement store.
	#[arg(long)]
	no_statements: bool,
}

fn main() -> ExitCode {
	let filter = EnvFilter::try_from_default_env()
		.unwrap_or_else(|_| EnvFilter::new("warn,stoa_tower=info"));
	tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
	let cli = Cli::parse();
	let outcome = tokio::runtime::Builder::new_multi_thread()
		.enable_all()
		.build()
		.map_err(Into::into)
		.and_then(|runtime| runtime.block_on(run(cli)));
	match outcome {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("stoa-tower: {error}");
			ExitCode::FAILURE
		},
	}
}

async fn run(cli: Cli) -> Result<(), Box<dyn Error>> {
	let key = match cli.key.exists() {
		true => AccountKey::load(&cli.key)?,
		false => AccountKey::create(&cli.key, Default::default())?,
	};
	let account = key.account();
	let listener = match &cli.listen {
		Some(address) => Some(
			TcpListener::bind(address)
				.await
				.map_err(|error| format!("the address {address} cannot be opened: {error}"))?,
		),
		None => None,
	};
	let chain = Chain::connect(&cli.node, ConnectOptions::default()).await?;
	let keep = StoreKeep::start(Arc::new(RedbStore::open(&cli.store)?), chain.genesis())?;
	let proofs = keep.load()?;
	let config = Config {
		lanes: cli.lanes,
		lanes_per_payee: cli.lanes_per_payee,
		min_claim: cli.min_claim.map_or(MinClaim::Free, MinClaim::Amount),
		stall: (cli.stall_after > 0).then(|| Duration::from_secs(cli.stall_after)),
		..Config::new(account.clone().into())
	};
	let fee = cli.fee_asset.map_or(FeeAsset::Native, |id| FeeAsset::Credits(AssetId::WithId(id)));
	let chain = RpcChain::new(chain, key, SubmitOptions { fee, ..submit_options() });
	let tower = Tower::new(config, Arc::new(chain), Some(Arc::new(keep)), proofs);
	let door = Arc::new(Door {
		payees: cli.payees.into_iter().collect(),
		trusted: cli.trusted.into_iter().collect(),
	});

	let (channels, lanes) = tower.counts();
	tracing::info!(
		account = format_account(&account),
		node = cli.node,
		channels,
		lanes,
		"watching"
	);
	let (stop, stopped) = watch::channel(());
	let ended = || {
		let mut stopped = stopped.clone();
		// Nothing is ever sent: this resolves when the sender is gone.
		async move { drop(stopped.changed().await) }
	};
	let served = async {
		if let Some(listener) = listener {
			tracing::info!(address = %listener.local_addr()?, "listening");
			http::serve(listener, http::router(tower.clone(), door.clone()), ended()).await;
		}
		Ok::<_, std::io::Error>(())
	};
	let fed = async {
		if !cli.no_statements {
			feed::run(&cli.node, &tower, &door, ended()).await;
		}
	};
	let told = async {
		let told = told_to_stop().await;
		drop(stop);
		told
	};
	let (served, (), (), told) = tokio::join!(served, fed, tower.run(ended()), told);
	served?;
	Ok(told?)
}

/// Ends when the process is told to stop: Ctrl-C, or SIGTERM.
async fn told_to_stop() -> std::io::Result<()> {
	#[cfg(unix)]
	{
		use tokio::signal::unix::{signal, SignalKind};
		let mut terminate = signal(SignalKind::terminate())?;
		tokio::select! {
			interrupted = tokio::signal::ctrl_c() => interrupted,
			_ = terminate.recv() => Ok(()),
		}
	}
	#[cfg(not(unix))]
	tokio::signal::ctrl_c().await
}
