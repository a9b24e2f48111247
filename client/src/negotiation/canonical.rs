//! Canonical JSON: one document, one sequence of bytes, so that it can be hashed and signed.
//!
//! This is [RFC 8785](https://www.rfc-editor.org/rfc/rfc8785) for a subset of JSON, and every document of the
//! subset has exactly the bytes that the RFC gives it:
//!
//! - members of objects in the order of the UTF-16 code units of their names, no white space;
//! - strings with the shortest escapes, everything else as UTF-8;
//! - numbers are **integers** of at most 53 bits, the range in which every reader agrees about them
//!   (RFC 7493). Fractions and exponents are refused, so the RFC's rules for floats are not needed. Amounts are
//!   decimal strings.
//!
//! Readers take nothing but canonical bytes ([`from_bytes`]): what was signed is what was received, and no
//! member can appear twice.

use serde::{de::DeserializeOwned, Serialize};
use serde_json::Value;

/// The largest integer, 2⁵³ − 1. The smallest is its negative.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// Why a document has no canonical form, or is not in it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CanonicalError {
	/// Longer than it may be.
	#[error("the document has {len} bytes, at most {limit} are read")]
	TooLong {
		/// What it has.
		len: usize,
		/// What it may have.
		limit: usize,
	},
	/// Not the JSON that is expected.
	#[error("not the expected JSON: {0}")]
	Json(String),
	/// A number is no integer, or has more than 53 bits.
	#[error("the number {0} is not an integer of at most 53 bits")]
	Number(String),
	/// The same document has other canonical bytes.
	#[error("the document is not in canonical form (RFC 8785)")]
	NotCanonical,
}

/// The canonical bytes of a document.
///
/// # Errors
///
/// [`CanonicalError::Number`], or [`CanonicalError::Json`] for what cannot be written as JSON.
pub fn to_bytes(document: &impl Serialize) -> Result<Vec<u8>, CanonicalError> {
	let value = serde_json::to_value(document).map_err(json)?;
	let mut out = Vec::new();
	write(&value, &mut out)?;
	Ok(out)
}

/// Reads a document of at most `limit` bytes that is in canonical form.
///
/// # Errors
///
/// [`CanonicalError`]; the length is checked first.
pub fn from_bytes<T>(bytes: &[u8], limit: usize) -> Result<T, CanonicalError>
where
	T: DeserializeOwned + Serialize,
{
	if bytes.len() > limit {
		return Err(CanonicalError::TooLong { len: bytes.len(), limit });
	}
	let document: T = serde_json::from_slice(bytes).map_err(json)?;
	// What was not understood, or was written in another way, is not in here.
	match to_bytes(&document)? == bytes {
		true => Ok(document),
		false => Err(CanonicalError::NotCanonical),
	}
}

fn json(error: serde_json::Error) -> CanonicalError {
	CanonicalError::Json(error.to_string())
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
	match value {
		Value::Null => out.extend_from_slice(b"null"),
		Value::Bool(true) => out.extend_from_slice(b"true"),
		Value::Bool(false) => out.extend_from_slice(b"false"),
		Value::Number(number) => {
			let size = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
			if size.is_none_or(|size| size > MAX_INTEGER) {
				return Err(CanonicalError::Number(number.to_string()));
			}
			out.extend_from_slice(number.to_string().as_bytes());
		},
		Value::String(text) => string(text, out)?,
		Value::Array(values) => {
			out.push(b'[');
			for (place, value) in values.iter().enumerate() {
				if place > 0 {
					out.push(b',');
				}
				write(value, out)?;
			}
			out.push(b']');
		},
		Value::Object(members) => {
			let mut members: Vec<_> = members.iter().collect();
			members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
			out.push(b'{');
			for (place, (name, value)) in members.into_iter().enumerate() {
				if place > 0 {
					out.push(b',');
				}
				string(name, out)?;
				out.push(b':');
				write(value, out)?;
			}
			out.push(b'}');
		},
	}
	Ok(())
}

/// `serde_json` escapes as RFC 8785 §3.2.2.2 wants it: `\b \t \n \f \r \" \\`, other control characters as
/// `\u00xx` in lower case, nothing else.
fn string(text: &str, out: &mut Vec<u8>) -> Result<(), CanonicalError> {
	serde_json::to_writer(out, text).map_err(json)
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;
	use serde::Deserialize;
	use serde_json::json;

	fn text(value: &Value) -> String {
		String::from_utf8(to_bytes(value).unwrap()).unwrap()
	}

	/// The example of RFC 8785 §3.2.3.
	#[test]
	fn members_should_be_in_the_order_of_the_rfc() {
		let document = json!({
			"\u{20ac}": "Euro Sign",
			"\r": "Carriage Return",
			"\u{fb33}": "Hebrew Letter Dalet With Dagesh",
			"1": "One",
			"\u{1f600}": "Emoji: Grinning Face",
			"\u{80}": "Control",
			"\u{f6}": "Latin Small Letter O With Diaeresis",
		});
		let expected = "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\u{80}\":\"Control\",\
			\"\u{f6}\":\"Latin Small Letter O With Diaeresis\",\"\u{20ac}\":\"Euro Sign\",\
			\"\u{1f600}\":\"Emoji: Grinning Face\",\"\u{fb33}\":\"Hebrew Letter Dalet With Dagesh\"}";
		assert_eq!(text(&document), expected);
	}

	/// The string of the example in RFC 8785 §3.2.2, and the rest of its document without the floats.
	#[test]
	fn strings_and_literals_should_be_written_as_the_rfc_does() {
		let document = json!({
			"numbers": [333, -7, 0],
			"string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/",
			"literals": [null, true, false],
		});
		let expected = r#"{"literals":[null,true,false],"numbers":[333,-7,0],"string":"€$\u000f\nA'B\"\\\\\"/"}"#;
		assert_eq!(text(&document), expected);
	}

	#[test]
	fn numbers_should_be_integers_in_the_range_that_all_readers_share() {
		let (most, least) = (9_007_199_254_740_991i64, -9_007_199_254_740_991i64);
		assert_eq!(text(&json!([most, least])), "[9007199254740991,-9007199254740991]");
		for bad in [json!(1.5), json!(1e30), json!(-0.0), json!(most + 1), json!(least - 1)] {
			assert!(matches!(to_bytes(&bad), Err(CanonicalError::Number(_))), "{bad}");
		}
	}

	#[derive(Debug, Deserialize, PartialEq, Serialize)]
	#[serde(deny_unknown_fields)]
	struct Sample {
		a: u32,
		#[serde(default, skip_serializing_if = "Option::is_none")]
		b: Option<String>,
	}

	#[test]
	fn readers_should_take_canonical_bytes_only() {
		let read = |text: &str| from_bytes::<Sample>(text.as_bytes(), 30);
		assert_eq!(read(r#"{"a":1,"b":"x"}"#), Ok(Sample { a: 1, b: Some("x".into()) }));
		for other in [
			r#"{"a": 1}"#,
			r#"{"b":"x","a":1}"#,
			r#"{"a":1,"b":null}"#,
			r#"{"a":1,"b":"\u0078"}"#,
			"{\"a\":1}\n",
		] {
			assert_eq!(read(other), Err(CanonicalError::NotCanonical), "{other}");
		}
		for malformed in [r#"{"a":1,"a":1}"#, r#"{"a":1,"c":2}"#, r#"{"a":1.0}"#, "{", ""] {
			assert!(matches!(read(malformed), Err(CanonicalError::Json(_))), "{malformed}");
		}
		let long = format!(r#"{{"a":1,"b":"{}"}}"#, "x".repeat(17));
		assert_eq!(read(&long), Err(CanonicalError::TooLong { len: 31, limit: 30 }));
	}

	fn documents() -> impl Strategy<Value = Value> {
		let leaf = prop_oneof![
			Just(Value::Null),
			any::<bool>().prop_map(Value::from),
			(-(1i64 << 53) + 1..1i64 << 53).prop_map(Value::from),
			any::<String>().prop_map(Value::from),
		];
		leaf.prop_recursive(4, 32, 5, |inner| {
			prop_oneof![
				prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
				prop::collection::hash_map(any::<String>(), inner, 0..5)
					.prop_map(|map| Value::Object(map.into_iter().collect())),
			]
		})
	}

	proptest! {
		#[test]
		fn canonical_bytes_should_be_read_back_and_stay(document in documents()) {
			let bytes = to_bytes(&document).unwrap();
			let read: Value = from_bytes(&bytes, bytes.len()).unwrap();
			prop_assert_eq!(&read, &document);
			prop_assert_eq!(to_bytes(&read).unwrap(), bytes);
		}

		#[test]
		fn arbitrary_bytes_should_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
			let _ = from_bytes::<Value>(&bytes, 64);
		}
	}
}
