//! What each command does.

use crate::{
	chain_spec,
	cli::{Cli, Subcommand},
	service::{self, Partial},
};
use sc_cli::SubstrateCli;
use sc_service::Configuration;
use std::{
	fmt::Display,
	net::{SocketAddr, TcpListener},
	sync::Arc,
};
use stoa_runtime::opaque::Block;

impl SubstrateCli for Cli {
	fn impl_name() -> String {
		"Stoa Node".into()
	}

	fn impl_version() -> String {
		env!("SUBSTRATE_CLI_IMPL_VERSION").into()
	}

	fn description() -> String {
		env!("CARGO_PKG_DESCRIPTION").into()
	}

	fn author() -> String {
		"the Stoa contributors".into()
	}

	fn support_url() -> String {
		"the issue tracker of the Stoa repository".into()
	}

	fn copyright_start_year() -> i32 {
		2026
	}

	fn load_spec(&self, id: &str) -> Result<Box<dyn sc_service::ChainSpec>, String> {
		Ok(Box::new(chain_spec::load(id)?))
	}
}

/// Runs what the command line asks for.
pub fn run() -> sc_cli::Result<()> {
	let cli = Cli::from_args();
	match &cli.subcommand {
		None => run_node(&cli),
		Some(Subcommand::Key(cmd)) => cmd.run(&cli),
		Some(Subcommand::BuildSpec(cmd)) => {
			cli.create_runner(cmd)?.sync_run(|config| cmd.run(config.chain_spec, config.network))
		},
		Some(Subcommand::ExportChainSpec(cmd)) => cmd.run(cli.load_spec(&cmd.chain)?),
		Some(Subcommand::CheckBlock(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, import_queue, .. } = service::partial(&config)?;
			Ok((cmd.run(client, import_queue), task_manager))
		}),
		Some(Subcommand::ExportBlocks(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, .. } = service::partial(&config)?;
			Ok((cmd.run(client, config.database), task_manager))
		}),
		Some(Subcommand::ExportState(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, .. } = service::partial(&config)?;
			Ok((cmd.run(client, config.chain_spec), task_manager))
		}),
		Some(Subcommand::ImportBlocks(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, task_manager, import_queue, .. } = service::partial(&config)?;
			Ok((cmd.run(client, import_queue), task_manager))
		}),
		Some(Subcommand::PurgeChain(cmd)) => {
			cli.create_runner(cmd)?.sync_run(|config| cmd.run(config.database))
		},
		Some(Subcommand::Revert(cmd)) => cli.create_runner(cmd)?.async_run(|config| {
			let Partial { client, backend, task_manager, .. } = service::partial(&config)?;
			// Epochs and authority sets live beside the blocks and have to go back with them.
			let revert_consensus = Box::new(|client: Arc<service::FullClient>, backend, blocks| {
				sc_consensus_babe::revert(client.clone(), backend, blocks)?;
				sc_consensus_grandpa::revert(client, blocks)?;
				Ok(())
			});
			Ok((cmd.run(client, backend, Some(revert_consensus)), task_manager))
		}),
		Some(Subcommand::ChainInfo(cmd)) => {
			cli.create_runner(cmd)?.sync_run(|config| cmd.run::<Block>(&config))
		},
	}
}

fn run_node(cli: &Cli) -> sc_cli::Result<()> {
	let runner = cli.create_runner(&cli.run)?;
	let (sealing, tower) = (cli.sealing, cli.tower.clone());
	if let Some(sealing) = sealing {
		let config = runner.config();
		sealing.ensure_allowed(&config.chain_spec.chain_type(), config.role.is_authority())?;
	}
	let (rpc, metrics) = (
		cli.run.rpc_params.rpc_port.is_some(),
		cli.run.prometheus_params.prometheus_port.is_some(),
	);
	runner.run_node_until_exit(move |mut config| async move {
		keep_ports(&mut config, rpc, metrics)?;
		service::start(config, sealing, tower).map_err(sc_cli::Error::Service)
	})
}

/// Ports that were asked for are those that listen, or the node does not start: with another RPC port,
/// commands would reach whatever has the one they know. Default ports may give way.
fn keep_ports(config: &mut Configuration, rpc: bool, metrics: bool) -> sc_cli::Result<()> {
	if rpc {
		for endpoint in config.rpc.addr.iter_mut().flatten() {
			endpoint.retry_random_port = false;
			if !endpoint.is_optional {
				ensure_free(endpoint.listen_addr, "--rpc-port")?;
			}
		}
	}
	let taken = config
		.prometheus_config
		.as_ref()
		.and_then(|prometheus| ensure_free(prometheus.port, "--prometheus-port").err());
	match taken {
		Some(error) if metrics => Err(error),
		Some(error) => {
			tracing::warn!("There are no metrics: {}", one_line(&error));
			config.prometheus_config = None;
			Ok(())
		},
		None => Ok(()),
	}
}

fn ensure_free(address: SocketAddr, option: &str) -> sc_cli::Result<()> {
	TcpListener::bind(address).map(drop).map_err(|error| {
		sc_cli::Error::Input(format!(
			"cannot listen on {address}: {error}; choose another {option}"
		))
	})
}

/// `error` as one line, whatever the layers below put into it.
pub fn one_line(error: &impl Display) -> String {
	error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn errors_are_one_line() {
		let error = sc_cli::Error::NetworkKeyNotFound("chains/stoa_local/network".into());
		let line = one_line(&error);
		assert!(line.contains("chains/stoa_local/network"), "{line}");
		assert!(!line.contains('\n') && !line.contains('\t'), "{line}");
	}
}
