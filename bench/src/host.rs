//! The machine that figures are of.

use std::{fs, process::Command};

/// Processor, memory, kernel and compilers, as a list in Markdown.
pub fn describe() -> String {
	let cpu = field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown".into());
	let mhz = field("/proc/cpuinfo", "cpu MHz").unwrap_or_default();
	let memory = field("/proc/meminfo", "MemTotal")
		.and_then(|text| text.split(' ').next()?.parse::<u64>().ok())
		.map_or_else(|| "unknown".into(), |kib| format!("{:.1} GiB", kib as f64 / 1_048_576.0));
	let cores = fs::read_to_string("/proc/cpuinfo")
		.map_or(0, |text| text.lines().filter(|line| line.starts_with("processor")).count());
	format!(
		"\n* processor: {cpu}, {mhz} MHz, {cores} cores; one of them is used\n\
		 * memory: {memory}\n\
		 * kernel: {}\n\
		 * compiler: {}, the workspace's development profile: crates that hash, sign or verify fully \
		 optimised, others lightly\n\
		 * Node.js: {}\n",
		output("uname", &["-sr"]),
		output("rustc", &["--version"]),
		output("node", &["--version"]),
	)
}

fn field(path: &str, name: &str) -> Option<String> {
	let text = fs::read_to_string(path).ok()?;
	let line = text.lines().find(|line| line.starts_with(name))?;
	Some(line.split_once(':')?.1.trim().to_owned())
}

fn output(program: &str, arguments: &[&str]) -> String {
	let output = Command::new(program).args(arguments).output();
	let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
	text.unwrap_or_else(|_| "unknown".into())
}
