//! How the files are written, and compared with what is produced.

use serde_json::{json, Value};
use std::{fs, path::PathBuf};

/// Bytes in hex with `0x`.
pub fn hex(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

/// How bytes that are refused came from bytes that are not.
#[derive(Clone)]
pub enum Change {
	/// These bytes at this place instead of those that were there.
	Set(usize, Vec<u8>),
	/// As many bytes less at the end.
	Cut(usize),
	/// These bytes more at the end.
	Append(Vec<u8>),
}

impl Change {
	fn apply(&self, bytes: &mut Vec<u8>) {
		match self {
			Self::Set(at, new) => bytes[*at..at + new.len()].copy_from_slice(new),
			Self::Cut(count) => bytes.truncate(bytes.len() - count),
			Self::Append(new) => bytes.extend_from_slice(new),
		}
	}

	fn to_json(&self) -> Value {
		match self {
			Self::Set(at, bytes) => json!({ "at": at, "bytes": hex(bytes) }),
			Self::Cut(count) => json!({ "cut": count }),
			Self::Append(bytes) => json!({ "append": hex(bytes) }),
		}
	}
}

/// The bytes after all changes.
pub fn changed(bytes: &[u8], changes: &[Change]) -> Vec<u8> {
	let mut bytes = bytes.to_vec();
	changes.iter().for_each(|change| change.apply(&mut bytes));
	bytes
}

/// The changes, as the files list them.
pub fn changes(list: &[Change]) -> Value {
	list.iter().map(Change::to_json).collect()
}

/// Makes sure that a file of `tests/vectors` holds what was produced; with `STOA_WRITE_VECTORS`,
/// writes it if it does not.
pub fn agree(name: &str, produced: &Value) {
	let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/{name}.json"));
	let committed = fs::read_to_string(&path)
		.ok()
		.and_then(|text| serde_json::from_str::<Value>(&text).ok())
		.unwrap_or_default();
	let Some(place) = difference(&committed, produced) else { return };
	let path = path.display();
	assert!(
		std::env::var_os("STOA_WRITE_VECTORS").is_some(),
		"{path} differs from what the code gives, first at {name}{place}. If the bytes were meant to \
		change, every other implementation must follow: run scripts/vectors and say so in CHANGELOG.md",
	);
	let text = serde_json::to_string_pretty(produced).unwrap();
	fs::write(path.to_string(), text + "\n").unwrap();
}

/// The path of the first value in which two documents differ.
fn difference(a: &Value, b: &Value) -> Option<String> {
	match (a, b) {
		(Value::Object(x), Value::Object(y)) if x.len() == y.len() => {
			x.iter().find_map(|(key, value)| {
				let other = y.get(key).unwrap_or(&Value::Null);
				difference(value, other).map(|rest| format!(".{key}{rest}"))
			})
		},
		(Value::Array(x), Value::Array(y)) if x.len() == y.len() => x
			.iter()
			.zip(y)
			.enumerate()
			.find_map(|(i, (x, y))| difference(x, y).map(|rest| format!("[{i}]{rest}"))),
		_ => (a != b).then(String::new),
	}
}

#[test]
fn a_difference_should_be_found_where_it_is() {
	let a = json!({ "rows": [{ "n": 1 }, { "n": 2 }] });
	assert_eq!(difference(&a, &a.clone()), None);
	let b = json!({ "rows": [{ "n": 1 }, { "n": 3 }] });
	assert_eq!(difference(&a, &b).as_deref(), Some(".rows[1].n"));
	assert_eq!(difference(&a, &json!({ "rows": [] })).as_deref(), Some(".rows"));
	assert_eq!(difference(&a, &json!({ "lines": [] })).as_deref(), Some(".rows"));
}
