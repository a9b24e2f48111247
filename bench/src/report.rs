//! Figures and budgets, for the screen and for `docs/benchmarks.md`.

use std::{fmt, fs, path::PathBuf};

/// One figure.
struct Row {
	section: &'static str,
	name: String,
	value: String,
	note: String,
}

/// A promise, and what became of it.
struct Budget {
	name: String,
	limit: f64,
	at_least: bool,
	found: f64,
}

impl Budget {
	fn is_met(&self) -> bool {
		if self.at_least {
			self.found >= self.limit
		} else {
			self.found <= self.limit
		}
	}
}

/// What was measured.
pub struct Report {
	topic: &'static str,
	rows: Vec<Row>,
	budgets: Vec<Budget>,
}

impl Report {
	/// Nothing yet about a topic.
	pub fn new(topic: &'static str) -> Self {
		Self { topic, rows: Vec::new(), budgets: Vec::new() }
	}

	/// A figure in words.
	pub fn row(
		&mut self,
		section: &'static str,
		name: impl Into<String>,
		value: impl Into<String>,
		note: impl Into<String>,
	) {
		let (name, value, note) = (name.into(), value.into(), note.into());
		self.rows.push(Row { section, name, value, note });
	}

	/// What one of something takes, in seconds, and how many that makes in a second.
	pub fn time(&mut self, section: &'static str, name: impl Into<String>, seconds: f64) {
		self.row(section, name, duration(seconds), format!("{}/s", count(1.0 / seconds)));
	}

	/// `found` should be at least `limit`.
	pub fn at_least(&mut self, name: impl Into<String>, limit: f64, found: f64) {
		self.budgets.push(Budget { name: name.into(), limit, at_least: true, found });
	}

	/// `found` should be at most `limit`.
	pub fn at_most(&mut self, name: impl Into<String>, limit: f64, found: f64) {
		self.budgets.push(Budget { name: name.into(), limit, at_least: false, found });
	}

	/// How many budgets were missed.
	pub fn missed(&self) -> usize {
		self.budgets.iter().filter(|budget| !budget.is_met()).count()
	}

	fn markdown(&self) -> String {
		let mut out = String::new();
		let mut section = "";
		for row in &self.rows {
			if row.section != section {
				section = row.section;
				out += &format!(
					"\n### {section}\n\n| what | takes | rate, or remark |\n|---|---|---|\n"
				);
			}
			out += &format!("| {} | {} | {} |\n", row.name, row.value, row.note);
		}
		out += "\n### Budgets\n\n| budget | limit | found | |\n|---|---|---|---|\n";
		for budget in &self.budgets {
			out += &format!(
				"| {} | {} {} | {} | {} |\n",
				budget.name,
				if budget.at_least { "≥" } else { "≤" },
				ratio(budget.limit),
				ratio(budget.found),
				if budget.is_met() { "met" } else { "**missed**" },
			);
		}
		out
	}

	/// Puts the report in its place in `docs/benchmarks.md`, with the machine that it is of.
	///
	/// # Panics
	///
	/// When the file has no such place or cannot be written.
	pub fn write(&self, host: &str) {
		let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
		let text = fs::read_to_string(&path).expect("docs/benchmarks.md is there");
		let begin = format!("<!-- Written by scripts/bench {} -->\n", self.topic);
		let (head, rest) = text.split_once(&begin).expect("the file says where it begins");
		let (_, tail) = rest.split_once("<!-- end -->").expect("the file says where it ends");
		let text = format!("{head}{begin}{host}{}<!-- end -->{tail}", self.markdown());
		fs::write(&path, text).expect("docs/benchmarks.md can be written");
	}
}

impl fmt::Display for Report {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		let mut section = "";
		for row in &self.rows {
			if row.section != section {
				section = row.section;
				writeln!(f, "\n{section}")?;
			}
			writeln!(f, "  {:<58} {:>12}   {}", row.name, row.value, row.note)?;
		}
		writeln!(f, "\nBudgets")?;
		for budget in &self.budgets {
			let sign = if budget.at_least { "≥" } else { "≤" };
			let verdict = if budget.is_met() { "PASS" } else { "FAIL" };
			let (limit, found) = (ratio(budget.limit), ratio(budget.found));
			writeln!(f, "  {verdict}  {:<70} {sign} {limit:>9}   found {found}", budget.name)?;
		}
		writeln!(
			f,
			"\n{} of {} budgets met",
			self.budgets.len() - self.missed(),
			self.budgets.len()
		)
	}
}

/// Seconds with a fitting unit and three digits.
pub fn duration(seconds: f64) -> String {
	let (value, unit) = match seconds {
		s if s >= 1.0 => (s, "s"),
		s if s >= 1e-3 => (s * 1e3, "ms"),
		s if s >= 1e-6 => (s * 1e6, "µs"),
		s => (s * 1e9, "ns"),
	};
	format!("{} {unit}", digits(value))
}

/// Three digits, in thousands or millions when it is as much.
fn count(value: f64) -> String {
	match value {
		v if v >= 1e6 => format!("{} M", digits(v / 1e6)),
		v if v >= 1e4 => format!("{} k", digits(v / 1e3)),
		v => digits(v),
	}
}

fn digits(value: f64) -> String {
	let decimals = match value {
		v if v >= 100.0 => 0,
		v if v >= 10.0 => 1,
		_ => 2,
	};
	format!("{value:.decimals$}")
}

/// A ratio or a sum of money.
fn ratio(value: f64) -> String {
	match value {
		v if v < 0.001 => format!("{v:.1e}"),
		v if v < 0.1 => format!("{v:.4}"),
		v => digits(v),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn numbers_should_have_three_digits_and_a_unit() {
		let texts = [0.0123, 2.5e-7, 3e-5, 1.5].map(duration);
		assert_eq!(texts, ["12.3 ms", "250 ns", "30.0 µs", "1.50 s"]);
		assert_eq!([4.2e6, 33_333.0, 91.0].map(count), ["4.20 M", "33.3 k", "91.0"]);
		let texts = [0.349, 1.0, 117.2, 3.9e-7, 0.0022].map(ratio);
		assert_eq!(texts, ["0.35", "1.00", "117", "3.9e-7", "0.0022"]);
	}

	#[test]
	fn budgets_should_be_judged_by_their_direction() {
		let mut report = Report::new("test");
		report.time("Section", "something", 0.002);
		report.at_least("fast", 2.0, 2.0);
		report.at_most("cheap", 0.35, 0.36);
		assert_eq!(report.missed(), 1);
		let text = report.to_string();
		assert!(text.contains("PASS  fast") && text.contains("FAIL  cheap"), "{text}");
		assert!(report.markdown().contains("| cheap | ≤ 0.35 | 0.36 | **missed** |"));
		assert!(report.markdown().contains("| something | 2.00 ms | 500/s |"));
	}
}
