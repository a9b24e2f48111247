//! What a command prints: text for people or one JSON object, and errors as one line.

use crate::amount::Unit;
use serde_json::{json, Map, Value};
use std::{
	fmt::{self, Display, Formatter, Write as _},
	io::{self, Write as _},
};
use stoa_primitives::Balance;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub enum Format {
	/// Lines for people.
	#[default]
	Text,
	/// One JSON object on standard output, errors as one JSON object on standard error.
	Json,
}

/// What a command has to say: the same in text and in JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
	/// For people.
	pub text: String,
	/// For programs; always an object.
	pub json: Map<String, Value>,
}

impl Report {
	/// A report that starts with one line for people.
	pub fn line(text: impl Into<String>) -> Self {
		let mut report = Self::default();
		report.push_line(&text.into());
		report
	}

	/// Append a line for people.
	pub fn push_line(&mut self, line: &str) {
		self.text.push_str(line);
		self.text.push('\n');
	}

	/// Add a field that only programs see.
	#[must_use]
	pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
		self.json.insert(key.into(), value.into());
		self
	}

	/// Add a field that only people see.
	#[must_use]
	pub fn shown(mut self, label: &str, value: impl Display) -> Self {
		let _ = writeln!(self.text, "  {label:<16} {value}");
		self
	}

	/// Add a field to both: `label` for people, `key` for programs.
	#[must_use]
	pub fn row(self, label: &str, key: &str, value: impl Display) -> Self {
		let value = value.to_string();
		self.shown(label, &value).with(key, value)
	}

	/// Add a whole number to both.
	#[must_use]
	pub fn count(self, label: &str, key: &str, n: impl Into<u64>) -> Self {
		let n = n.into();
		self.shown(label, n).with(key, n)
	}

	/// Add an amount to both.
	#[must_use]
	pub fn money(self, label: &str, key: &str, unit: &Unit, units: Balance) -> Self {
		self.shown(label, unit.show(units)).with(key, money(unit, units))
	}

	/// The report as it goes to standard output.
	pub fn render(&self, format: Format) -> String {
		match format {
			Format::Text => self.text.clone(),
			Format::Json => format!("{}\n", Value::Object(self.json.clone())),
		}
	}

	/// Print to standard output; a reader that has gone away is no error.
	///
	/// # Errors
	///
	/// When not all of it could be written, to a full disk for instance: what was done is done, but
	/// nobody has been told.
	pub fn print(&self, format: Format) -> Result<(), Failure> {
		print(self.render(format).as_bytes())
	}
}

/// An amount for programs: the decimal number, the asset's symbol and the smallest units, all as
/// strings, since JSON numbers are not exact.
pub fn money(unit: &Unit, units: Balance) -> Value {
	json!({ "amount": unit.number(units), "asset": unit.symbol, "units": units.to_string() })
}

/// Write to standard output; a reader that has gone away is no error.
///
/// # Errors
///
/// When not all of it could be written.
pub fn print(bytes: &[u8]) -> Result<(), Failure> {
	match write_out(bytes) {
		Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::new(
			format!("the command has done its work, but its result cannot be written: {error}"),
			"look at the state before you run it again; write to a place that is not full",
		)),
		_ => Ok(()),
	}
}

/// Write all of it to standard output.
///
/// # Errors
///
/// Those of the system, also when the reader has gone away.
pub fn write_out(bytes: &[u8]) -> io::Result<()> {
	let mut out = io::stdout().lock();
	out.write_all(bytes)?;
	out.flush()
}

/// Write a line to standard error, for progress and payments.
pub fn note(line: &str) {
	let mut out = io::stderr().lock();
	let _ = writeln!(out, "{line}");
}

/// Tell on standard error, in one line, what happens while a command goes on: `line` to people, `json`
/// to programs.
pub fn tell(format: Format, line: &str, json: &Value) {
	match format {
		Format::Text => note(&one_line(line)),
		Format::Json => note(&json.to_string()),
	}
}

/// Why a command did not do what it was asked, and what to do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Failure {
	/// What went wrong, one line.
	pub cause: String,
	/// What to do, one line.
	pub advice: String,
	/// Fields for programs, next to cause and advice.
	pub details: Map<String, Value>,
}

impl Failure {
	/// A failure; line breaks become spaces.
	pub fn new(cause: impl AsRef<str>, advice: impl AsRef<str>) -> Self {
		let details = Map::new();
		Self { cause: one_line(cause.as_ref()), advice: one_line(advice.as_ref()), details }
	}

	/// The failure with a field for programs.
	#[must_use]
	pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
		self.details.insert(key.into(), value.into());
		self
	}

	/// The failure as it goes to standard error.
	pub fn render(&self, format: Format) -> String {
		match format {
			Format::Text => format!("error: {self}\n"),
			Format::Json => {
				let mut error = self.details.clone();
				error.insert("cause".into(), self.cause.clone().into());
				error.insert("advice".into(), self.advice.clone().into());
				format!("{}\n", json!({ "error": error }))
			},
		}
	}

	/// Print to standard error.
	pub fn print(&self, format: Format) {
		let _ = io::stderr().lock().write_all(self.render(format).as_bytes());
	}
}

impl Display for Failure {
	fn fmt(&self, f: &mut Formatter) -> fmt::Result {
		let cause = self.cause.trim_end_matches(['.', ' ']);
		if self.advice.is_empty() {
			return f.write_str(cause);
		}
		write!(f, "{cause}; {}", self.advice)
	}
}

impl std::error::Error for Failure {}

impl From<crate::amount::AmountError> for Failure {
	fn from(error: crate::amount::AmountError) -> Self {
		// These errors say themselves what to do, after a colon.
		let text = error.to_string();
		match text.split_once(": ") {
			Some((cause, advice)) => Self::new(cause, advice),
			None => Self::new(text, ""),
		}
	}
}

/// `text` on one line: runs of white space, line breaks among them, become one space.
pub fn one_line(text: &str) -> String {
	text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A table with aligned columns. Columns of numbers, with or without a unit, go right.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
	let width = |column: usize| {
		let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
		let head = head.get(column).map_or(0, |cell| cell.chars().count());
		cells.chain([head]).max().unwrap_or(0)
	};
	let right = |column: usize| {
		let mut cells = rows.iter().filter_map(|row| row.get(column)).peekable();
		let number = |cell: &String| {
			let first = cell.split(' ').next().unwrap_or_default();
			!first.is_empty() && first.bytes().all(|b| b.is_ascii_digit() || b == b'.')
		};
		cells.peek().is_some() && cells.all(number)
	};
	let columns: Vec<_> = (0..head.len()).map(|i| (width(i), right(i))).collect();
	let mut out = String::new();
	let mut push = |cells: &mut dyn Iterator<Item = &str>| {
		let mut line = String::from(" ");
		for (cell, (width, right)) in cells.zip(&columns) {
			let _ = match right {
				true => write!(line, " {cell:>width$} "),
				false => write!(line, " {cell:<width$} "),
			};
		}
		out.push_str(line.trim_end());
		out.push('\n');
	};
	push(&mut head.iter().copied());
	for row in rows {
		push(&mut row.iter().map(String::as_str));
	}
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn reports_should_say_the_same_in_text_and_json() {
		let report = Report::line("Deposited.")
			.row("beneficiary", "beneficiary", "5Grw")
			.money("amount", "amount", &Unit::development(), 100)
			.with("block", 7);
		assert_eq!(
			report.render(Format::Text),
			"Deposited.\n  beneficiary      5Grw\n  amount           0.0001 dUSD\n"
		);
		let json: Value = serde_json::from_str(&report.render(Format::Json)).unwrap();
		assert_eq!(
			json,
			json!({
				"beneficiary": "5Grw",
				"amount": { "amount": "0.0001", "asset": "dUSD", "units": "100" },
				"block": 7,
			})
		);
	}

	#[test]
	fn json_should_be_one_object_on_one_line() {
		let text = Report::default().render(Format::Json);
		assert_eq!(text, "{}\n");
	}

	#[test]
	fn failures_should_be_one_line_with_cause_and_advice() {
		let failure = Failure::new("the node\nis gone.", "start\tit").with("node", "ws://x");
		assert_eq!(failure.render(Format::Text), "error: the node is gone; start it\n");
		let json: Value = serde_json::from_str(&failure.render(Format::Json)).unwrap();
		assert_eq!(
			json,
			json!({"error": {"cause": "the node is gone.", "advice": "start it", "node": "ws://x"}})
		);
		assert_eq!(Failure::new("gone", "").render(Format::Text), "error: gone\n");
	}

	#[test]
	fn amount_errors_should_become_failures_with_advice() {
		let failure = Failure::from(Unit::development().parse("-1").unwrap_err());
		assert_eq!(failure.cause, "the amount `-1` is negative");
		assert_eq!(failure.advice, "give a number above 0");
	}

	#[test]
	fn tables_should_align_and_put_numbers_right() {
		let rows = vec![vec!["a".into(), "10".into()], vec!["longer".into(), "9".into()], vec![]];
		let text = table(&["name", "calls"], &rows);
		assert_eq!(text, "  name    calls\n  a          10\n  longer      9\n\n");
	}
}
