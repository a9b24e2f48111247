//! The command line.

use crate::service::{Sealing, TowerOptions};
use sc_cli::RunCmd;

/// Arguments of `stoa-node`.
#[derive(Debug, clap::Parser)]
pub struct Cli {
	/// What to do instead of running a node.
	#[command(subcommand)]
	pub subcommand: Option<Subcommand>,

	/// Options of a running node.
	#[clap(flatten)]
	pub run: RunCmd,

	/// Make blocks on demand instead of by BABE and GRANDPA. Development chains only.
	///
	/// `instant`: a block for every transaction, finalised at once. `manual`: a block when the RPC
	/// method `engine_createBlock` asks for one. `interval-ms=N`: a block every N milliseconds,
	/// finalised at once. The `engine_*` methods are there in all three modes.
	#[arg(long, value_name = "MODE")]
	pub sealing: Option<Sealing>,

	/// The watchtower.
	#[command(flatten)]
	pub tower: TowerOptions,
}

/// Everything `stoa-node` does besides running a node.
#[derive(Debug, clap::Subcommand)]
pub enum Subcommand {
	/// Make, inspect and insert keys.
	#[command(subcommand)]
	Key(sc_cli::KeySubcommand),

	/// Print a chain specification with this node as its boot node.
	BuildSpec(sc_cli::BuildSpecCmd),

	/// Write a chain specification to a file.
	ExportChainSpec(sc_cli::ExportChainSpecCmd),

	/// Execute a block of the database again.
	CheckBlock(sc_cli::CheckBlockCmd),

	/// Write blocks to a file.
	ExportBlocks(sc_cli::ExportBlocksCmd),

	/// Write the state at a block as a chain specification.
	ExportState(sc_cli::ExportStateCmd),

	/// Import blocks from a file.
	ImportBlocks(sc_cli::ImportBlocksCmd),

	/// Remove the whole chain.
	PurgeChain(sc_cli::PurgeChainCmd),

	/// Take back blocks that are not final.
	Revert(sc_cli::RevertCmd),

	/// Print what the database holds.
	ChainInfo(sc_cli::ChainInfoCmd),
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;
	use sc_cli::SubstrateCli;
	use std::time::Duration;

	#[test]
	fn the_command_is_consistent() {
		Cli::setup_command(Cli::command()).debug_assert();
	}

	#[test]
	fn the_watchtower_can_be_told_whom_it_serves_and_for_how_much() {
		let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
		let arguments = ["stoa-node", "--tower-payee", alice, "--tower-min-claim", "7"];
		let tower = Cli::try_from_iter(arguments).map(|cli| cli.tower);
		let tower = tower.map_err(|error| error.to_string()).expect("the arguments are right");
		assert_eq!((tower.payees.len(), tower.min_claim), (1, Some(7)));
		assert!(Cli::try_from_iter(["stoa-node", "--tower-payee", "nobody"]).is_err());
	}

	#[test]
	fn sealing_is_an_option_of_the_run_command() {
		let sealing = |arguments: &[&str]| {
			Cli::try_from_iter(["stoa-node"].iter().chain(arguments)).map(|cli| cli.sealing)
		};
		assert_eq!(sealing(&["--dev"]).ok(), Some(None));
		assert_eq!(sealing(&["--dev", "--sealing", "instant"]).ok(), Some(Some(Sealing::Instant)));
		assert_eq!(
			sealing(&["--dev", "--sealing=interval-ms=250"]).ok(),
			Some(Some(Sealing::Interval(Duration::from_millis(250))))
		);
		let refusal = sealing(&["--dev", "--sealing", "sometimes"]).map_err(|e| e.to_string());
		assert!(refusal.is_err_and(|error| error.contains("interval-ms=N")));
	}
}
