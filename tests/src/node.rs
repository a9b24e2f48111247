//! A real node.

use crate::process::{binary, Process};
use std::{
	process::Command,
	sync::{Mutex, PoisonError},
	time::{Duration, Instant},
};
use tempfile::TempDir;

/// How long a node may take until its RPC answers.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// One node starts at a time: it compiles the runtime on all cores, and its time is measured.
static STARTING: Mutex<()> = Mutex::new(());

/// A node that runs as long as this value lives, in a folder of its own.
pub struct Node {
	process: Process,
	address: String,
	started: Instant,
	_dir: TempDir,
}

impl Node {
	/// A development chain that makes a block for each transaction and finalises it at once.
	pub fn start() -> Self {
		Self::start_with(&["--dev", "--sealing", "instant"])
	}

	/// A node with these arguments, beside those for its folder and ports. There is no Prometheus
	/// endpoint unless they name a port for it.
	///
	/// # Panics
	///
	/// When the node ends or says no RPC address in time; the message has its last lines.
	pub fn start_with(args: &[&str]) -> Self {
		let dir = tempfile::tempdir().expect("the system has a folder for temporary files");
		let _alone = STARTING.lock().unwrap_or_else(PoisonError::into_inner);
		let started = Instant::now();
		let mut process = Process::spawn(&mut command(args, &dir));
		match process.wait_for(START_TIMEOUT, rpc_address) {
			Some(address) => Self { process, address, started, _dir: dir },
			None => panic!("the node did not start:\n{}", process.stderr().tail(30)),
		}
	}

	/// A node that is expected to end by itself: its exit code and what it wrote to standard error.
	///
	/// # Panics
	///
	/// When it goes on.
	pub fn refuse(args: &[&str]) -> (i32, Vec<String>) {
		let dir = tempfile::tempdir().expect("the system has a folder for temporary files");
		let mut process = Process::spawn(&mut command(args, &dir));
		let status = process.wait(START_TIMEOUT).expect("the node does not end");
		(status.code().unwrap_or(-1), process.stderr().lines())
	}

	/// Interrupts it, as Ctrl-C does.
	///
	/// # Panics
	///
	/// When it does not end with exit code 0, or has panicked.
	pub fn end_cleanly(mut self) {
		self.process().signal("INT");
		let status = self.process().wait(START_TIMEOUT).expect("the node ends");
		assert_eq!(status.code(), Some(0), "{}", self.log_tail(20));
		assert!(!self.log_tail(200).contains("panicked"), "{}", self.log_tail(200));
	}

	/// Where its RPC listens, for WebSockets.
	pub fn url(&self) -> String {
		format!("ws://{}", self.address)
	}

	/// Where its RPC listens, for HTTP.
	pub fn http(&self) -> String {
		format!("http://{}", self.address)
	}

	/// When it was started.
	pub fn started(&self) -> Instant {
		self.started
	}

	/// The process.
	pub fn process(&mut self) -> &mut Process {
		&mut self.process
	}

	/// The process id.
	pub fn id(&self) -> u32 {
		self.process.id()
	}

	/// Its last `n` lines.
	pub fn log_tail(&self, n: usize) -> String {
		self.process.stderr().tail(n)
	}
}

impl Drop for Node {
	fn drop(&mut self) {
		if std::thread::panicking() {
			eprintln!("last lines of the node:\n{}", self.log_tail(20));
		}
	}
}

fn command(args: &[&str], dir: &TempDir) -> Command {
	let mut command = Command::new(binary("stoa-node"));
	command.args(args).args(["--port", "0", "--base-path"]).arg(dir.path());
	if !args.contains(&"--rpc-port") {
		command.args(["--rpc-port", "0"]);
	}
	if !args.contains(&"--prometheus-port") {
		command.arg("--no-prometheus");
	}
	command
}

/// The socket address in `… Running JSON-RPC server: addr=127.0.0.1:9944,[::1]:9944`.
fn rpc_address(line: &str) -> Option<String> {
	let rest = line.split("Running JSON-RPC server: addr=").nth(1)?;
	rest.split([',', ' ']).find(|address| address.starts_with("127.0.0.1:")).map(str::to_owned)
}

#[cfg(test)]
mod tests {
	use super::rpc_address;

	#[test]
	fn rpc_address_should_be_found_in_the_nodes_line() {
		let line = "2026-01-01 00:00:00 Running JSON-RPC server: addr=127.0.0.1:9944,[::1]:9944";
		assert_eq!(rpc_address(line).as_deref(), Some("127.0.0.1:9944"));
		assert_eq!(rpc_address("Idle (0 peers)"), None);
	}
}
