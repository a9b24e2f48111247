#![doc = include_str!("../README.md")]
// The errors are those of the SDK's crates, and none is on a hot path.
#![allow(clippy::result_large_err)]

mod chain_spec;
mod cli;
mod command;
mod rpc;
mod service;

use std::process::ExitCode;

fn main() -> ExitCode {
	match command::run() {
		Ok(()) => ExitCode::SUCCESS,
		Err(error) => {
			eprintln!("stoa-node: {}", command::one_line(&error));
			ExitCode::FAILURE
		},
	}
}
