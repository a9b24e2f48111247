//! `stoa` as a user types it.

use crate::process::{binary, Process};
use serde_json::Value;
use std::{
	fs::OpenOptions,
	path::Path,
	process::{Child, Command, Output, Stdio},
	time::Duration,
};
use tempfile::TempDir;

/// A user with a home directory of its own.
pub struct Stoa {
	home: TempDir,
	node: String,
}

impl Stoa {
	/// A user of the node at `url`, without any keys.
	///
	/// # Panics
	///
	/// When there is no folder for temporary files.
	pub fn new(url: impl Into<String>) -> Self {
		Self { home: tempfile::tempdir().expect("there is a temporary folder"), node: url.into() }
	}

	/// The home directory.
	pub fn home(&self) -> &Path {
		self.home.path()
	}

	fn command(&self, args: &[&str]) -> Command {
		let mut command = Command::new(binary("stoa"));
		command.args(args).env("STOA_HOME", self.home()).env("STOA_NODE", &self.node);
		for name in ["STOA_KEY", "STOA_FEES", "RUST_LOG"] {
			command.env_remove(name);
		}
		// A panic that gets through would show itself with all it has.
		command.env("RUST_BACKTRACE", "1");
		command
	}

	/// Runs a command to its end.
	///
	/// # Panics
	///
	/// When it cannot be started.
	pub fn run(&self, args: &[&str]) -> Output {
		self.command(args).output().expect("`stoa` can be started")
	}

	/// Runs a command whose standard output is on a full disk.
	///
	/// # Panics
	///
	/// When it cannot be started.
	pub fn run_full(&self, args: &[&str]) -> Output {
		let full = OpenOptions::new().write(true).open("/dev/full").expect("the system is Linux");
		let mut command = self.command(args);
		let child = command.stdout(full).stderr(Stdio::piped()).spawn();
		child.and_then(Child::wait_with_output).expect("`stoa` can be started")
	}

	/// Starts a command that goes on.
	pub fn spawn(&self, args: &[&str]) -> Process {
		Process::spawn(&mut self.command(args))
	}

	/// Runs a command that succeeds: the JSON object that it prints.
	///
	/// # Panics
	///
	/// When it fails or prints something else.
	pub fn json(&self, args: &[&str]) -> Value {
		let output = self.run(&[args, &["--output", "json"]].concat());
		let (out, err) = texts(&output);
		assert_eq!(output.status.code(), Some(0), "stoa {args:?} failed: {err}");
		let value: Value = serde_json::from_str(&out)
			.unwrap_or_else(|error| panic!("stoa {args:?} printed no JSON ({error}): {out}"));
		assert!(value.is_object(), "{out}");
		value
	}

	/// Runs a command that fails, once for people and once for programs: the line for people.
	///
	/// # Panics
	///
	/// When it succeeds, says more or less than one line, or shows its insides.
	pub fn fail(&self, args: &[&str]) -> String {
		let json = self.run(&[args, &["--output", "json"]].concat());
		let (out, err) = texts(&json);
		assert_eq!(json.status.code(), Some(1), "stoa {args:?}: {out}{err}");
		assert_eq!(out, "", "stoa {args:?}");
		check_line(args, &err);
		let value: Value = serde_json::from_str(&err)
			.unwrap_or_else(|error| panic!("stoa {args:?} printed no JSON ({error}): {err}"));
		assert!(value["error"]["cause"].as_str().is_some_and(|text| !text.is_empty()), "{err}");
		self.fail_as_text(args)
	}

	/// Runs a command that fails, for people: the line that it prints.
	///
	/// # Panics
	///
	/// See [`Stoa::fail`].
	pub fn fail_as_text(&self, args: &[&str]) -> String {
		let output = self.run(args);
		let (out, err) = texts(&output);
		assert_eq!(output.status.code(), Some(1), "stoa {args:?}: {out}{err}");
		assert_eq!(out, "", "stoa {args:?}");
		check_line(args, &err);
		let line = err.trim_end();
		line.strip_prefix("error: ").unwrap_or_else(|| panic!("stoa {args:?}: {line}")).to_owned()
	}

	/// Starts `stoa serve` with these arguments on a free port; returns where it listens.
	///
	/// # Panics
	///
	/// When it does not listen.
	pub fn serve(&self, args: &[&str]) -> (Process, String) {
		let args = [&["serve", "--listen", "127.0.0.1:0"], args].concat();
		let mut process = self.spawn(&args);
		let url = process.wait_for(Duration::from_secs(30), |line| {
			// `Selling <upstream> at <price> a call on <address>, paid to <account>`
			let rest = line.split(" a call on ").nth(1)?;
			rest.split([',', ' ']).next().map(str::to_owned)
		});
		match url {
			Some(url) => (process, url),
			None => panic!("stoa {args:?} does not listen: {}", process.stderr().tail(20)),
		}
	}
}

fn texts(output: &Output) -> (String, String) {
	let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("output is UTF-8");
	(text(&output.stdout), text(&output.stderr))
}

/// One line, and nothing of the program's insides.
fn check_line(args: &[&str], text: &str) {
	assert_eq!(text.trim_end().lines().count(), 1, "stoa {args:?} printed: {text}");
	for inside in
		["panicked", "backtrace", "RUST_BACKTRACE", "src/", "unwrap", "Error {", "internal mistake"]
	{
		assert!(!text.contains(inside), "stoa {args:?} shows `{inside}`: {text}");
	}
}
