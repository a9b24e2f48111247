//! Child processes that end with the test.

use std::{
	io::{BufRead, BufReader, Read},
	path::PathBuf,
	process::{Child, Command, ExitStatus, Stdio},
	sync::{Arc, Mutex, PoisonError},
	thread::JoinHandle,
	time::{Duration, Instant},
};

const TICK: Duration = Duration::from_millis(10);

/// The binary `name` beside the test that runs.
///
/// # Panics
///
/// When it has not been built.
pub fn binary(name: &str) -> PathBuf {
	let test = std::env::current_exe().expect("a running test has a path");
	let path = test
		.parent()
		.and_then(|deps| deps.parent())
		.expect("tests are in target/<profile>/deps")
		.join(name);
	assert!(path.exists(), "{} is missing: run scripts/build first", path.display());
	path
}

/// The lines that a process has written to one of its outputs.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
	fn push(&self, line: String) {
		self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
	}

	/// All lines so far.
	pub fn lines(&self) -> Vec<String> {
		self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
	}

	/// The last `n` lines.
	pub fn tail(&self, n: usize) -> String {
		let lines = self.lines();
		lines[lines.len().saturating_sub(n)..].join("\n")
	}

	/// What `find` finds first in a line.
	pub fn find<T>(&self, find: impl Fn(&str) -> Option<T>) -> Option<T> {
		self.lines().iter().find_map(|line| find(line))
	}
}

/// A process that ends with this value, and with the test's own process, however that ends.
pub struct Process {
	child: Child,
	watchdog: Option<Child>,
	readers: Vec<JoinHandle<()>>,
	out: Log,
	err: Log,
}

impl Process {
	/// Starts `command`; its outputs go into logs.
	///
	/// # Panics
	///
	/// When it cannot be started.
	pub fn spawn(command: &mut Command) -> Self {
		let mut child = command
			.stdin(Stdio::null())
			.stdout(Stdio::piped())
			.stderr(Stdio::piped())
			.spawn()
			.unwrap_or_else(|error| panic!("{command:?} cannot be started: {error}"));
		// A static is never dropped and a killed test drops nothing. The watchdog reads a pipe whose
		// other end only this process has: when it closes, it is time.
		let watchdog = Command::new("sh")
			.args(["-c", "read -r _; kill -9 \"$1\" 2>/dev/null", "sh", &child.id().to_string()])
			.stdin(Stdio::piped())
			.stdout(Stdio::null())
			.stderr(Stdio::null())
			.spawn()
			.expect("there is a shell");
		let (out, err) = (Log::default(), Log::default());
		let readers = vec![
			follow(child.stdout.take().expect("stdout is piped; qed"), out.clone()),
			follow(child.stderr.take().expect("stderr is piped; qed"), err.clone()),
		];
		Self { child, watchdog: Some(watchdog), readers, out, err }
	}

	/// The process id.
	pub fn id(&self) -> u32 {
		self.child.id()
	}

	/// What it wrote to standard output.
	pub fn stdout(&self) -> &Log {
		&self.out
	}

	/// What it wrote to standard error.
	pub fn stderr(&self) -> &Log {
		&self.err
	}

	/// What `find` finds first in its standard error, waiting for it up to `timeout`. `None` when the
	/// time is over, or the process.
	pub fn wait_for<T>(
		&mut self,
		timeout: Duration,
		find: impl Fn(&str) -> Option<T>,
	) -> Option<T> {
		let deadline = Instant::now() + timeout;
		loop {
			let ended = self.child.try_wait().ok().flatten().is_some();
			if ended {
				self.drain();
			}
			if let Some(found) = self.err.find(&find) {
				return Some(found);
			}
			if ended || Instant::now() >= deadline {
				return None;
			}
			std::thread::sleep(TICK);
		}
	}

	/// Sends a signal, like `INT` or `TERM`.
	///
	/// # Panics
	///
	/// When it cannot be sent.
	pub fn signal(&self, name: &str) {
		let kill = format!("kill -{name} {}", self.id());
		let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
		assert!(sent.success(), "{kill}");
	}

	/// Kills it without warning, as a power cut would.
	pub fn kill(&mut self) {
		let _ = self.child.kill();
		let _ = self.child.wait();
		self.dismiss();
	}

	/// Waits until it ends. `None` when it has not within `timeout`.
	pub fn wait(&mut self, timeout: Duration) -> Option<ExitStatus> {
		let deadline = Instant::now() + timeout;
		loop {
			if let Ok(Some(status)) = self.child.try_wait() {
				self.dismiss();
				self.drain();
				return Some(status);
			}
			if Instant::now() >= deadline {
				return None;
			}
			std::thread::sleep(TICK);
		}
	}

	/// Waits until both outputs are read to their ends. The process must have ended.
	fn drain(&mut self) {
		for reader in self.readers.drain(..) {
			let _ = reader.join();
		}
	}

	/// The id may go to another process from now on: nobody may kill it.
	fn dismiss(&mut self) {
		if let Some(mut watchdog) = self.watchdog.take() {
			let _ = watchdog.kill();
			let _ = watchdog.wait();
		}
	}
}

impl Drop for Process {
	fn drop(&mut self) {
		self.kill();
	}
}

/// Reads a pipe to its end, or its writer would block on a full one.
fn follow(pipe: impl Read + Send + 'static, log: Log) -> JoinHandle<()> {
	std::thread::spawn(move || {
		for line in BufReader::new(pipe).lines().map_while(Result::ok) {
			log.push(line);
		}
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	fn shell(script: &str) -> Process {
		Process::spawn(Command::new("sh").args(["-c", script]))
	}

	fn runs(id: u32) -> bool {
		Command::new("sh").args(["-c", &format!("kill -0 {id}")]).output().unwrap().status.success()
	}

	#[test]
	fn outputs_should_be_complete_when_the_process_has_ended() {
		let mut process = shell("echo one; echo two; echo three >&2; exit 7");
		assert_eq!(process.wait(Duration::from_secs(10)).unwrap().code(), Some(7));
		assert_eq!(process.stdout().lines(), ["one", "two"]);
		assert_eq!(process.stderr().tail(9), "three");
		let found =
			process.wait_for(Duration::ZERO, |line| line.strip_prefix("th").map(str::to_owned));
		assert_eq!(found.as_deref(), Some("ree"));
	}

	#[test]
	fn processes_should_end_when_their_value_is_dropped_or_their_watchdog_wakes() {
		let process = shell("exec sleep 100");
		let id = process.id();
		drop(process);
		assert!(!runs(id));

		let mut orphan = shell("exec sleep 100");
		// What happens when this process dies: the pipe closes.
		drop(orphan.watchdog.as_mut().unwrap().stdin.take());
		assert!(orphan.wait(Duration::from_secs(10)).is_some());
	}
}
