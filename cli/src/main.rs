#![doc = include_str!("../README.md")]
#![cfg_attr(
	not(test),
	deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod amount;
mod backup;
mod cli;
mod commands;
mod context;
mod demo;
mod errors;
mod fees;
mod keys;
mod output;
mod paying;
mod settling;
mod show;
mod signals;
mod time;

use clap::Parser;
use cli::{Cli, Command};
use context::Context;
use output::{Failure, Report};
use std::{
	io::{self, IsTerminal},
	process::ExitCode,
};
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
	let Cli { global, command } = Cli::parse();
	let format = global.output;
	log(global.verbose);
	quiet_panics();
	let outcome = tokio::runtime::Builder::new_multi_thread()
		.enable_all()
		.build()
		.map_err(|error| Failure::new(format!("no threads: {error}"), "check the system's limits"))
		.and_then(|runtime| {
			let context = Context::new(global)?;
			// A task of its own, so that a mistake in a command ends in one line like any failure.
			let outcome = runtime.block_on(runtime.spawn(run(context, command)));
			// What is still under way in the background has nothing left to do.
			runtime.shutdown_background();
			outcome.unwrap_or_else(|_| {
				Err(Failure::new(
					"an internal mistake",
					"run again with -v and report this as a bug",
				))
			})
		});
	let ended = outcome.and_then(|Outcome { report, failure }| {
		report.map_or(Ok(()), |report| report.print(format))?;
		failure.map_or(Ok(()), Err)
	});
	match ended {
		Ok(()) => ExitCode::SUCCESS,
		Err(failure) => {
			failure.print(format);
			ExitCode::FAILURE
		},
	}
}

/// What a command has to say, and whether it failed all the same.
struct Outcome {
	/// `None` when the command has printed it itself.
	report: Option<Report>,
	failure: Option<Failure>,
}

async fn run(context: Context, command: Command) -> Result<Outcome, Failure> {
	let context = &context;
	let report = match &command {
		Command::Keys(command) => {
			return Ok(Outcome { report: commands::keys::run(context, command)?, failure: None })
		},
		Command::Agent(command) => commands::agent::run(context, command).await?,
		Command::Referral(command) => commands::referral::run(context, command).await?,
		Command::Deposit(args) => commands::money::deposit(context, args).await?,
		Command::Withdraw(args) => commands::money::withdraw(context, args).await?,
		Command::Balances(args) => commands::money::balances(context, args).await?,
		Command::Pay(args) => commands::money::pay(context, args).await?,
		Command::Channel(command) => {
			let (report, failure) = commands::channel::run(context, command).await?;
			return Ok(Outcome { report: Some(report), failure });
		},
		Command::Negotiate(command) => {
			let (report, failure) = commands::negotiate::run(context, command).await?;
			return Ok(Outcome { report: Some(report), failure });
		},
		Command::Agreement(command) => commands::agreement::run(context, command).await?,
		Command::Call(args) => commands::call::run(context, args).await?,
		Command::Serve(args) => commands::serve::run(context, args).await?,
		Command::Demo(args) => {
			let (report, failure) = demo::run(context, args).await?;
			return Ok(Outcome { report: Some(report), failure });
		},
	};
	Ok(Outcome { report: Some(report), failure: None })
}

/// Log to standard error: as `RUST_LOG` says, else nothing but errors unless asked.
fn log(verbose: u8) {
	let level = match verbose {
		0 => "error",
		1 => "warn,stoa=info,stoa_client=info,stoa_gateway=info",
		_ => "info,stoa=debug,stoa_client=debug,stoa_gateway=debug",
	};
	let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
	// Fails only when a logger is set already, which nobody does before.
	let _ = tracing_subscriber::fmt()
		.with_env_filter(filter)
		.with_ansi(io::stderr().is_terminal())
		.with_writer(io::stderr)
		.try_init();
}

/// A mistake in the code goes to the log, not over the terminal.
fn quiet_panics() {
	std::panic::set_hook(Box::new(|info| tracing::warn!("{info}")));
}
