//! Spans of time as people write them, in blocks of the chain.

use crate::output::Failure;
use std::time::Duration;
use stoa_primitives::{BlockNumber, BLOCK_MILLIS};

/// The span that `text` names: a whole number and one of `s`, `m`, `h`, `d`.
///
/// # Errors
///
/// When `text` is something else, zero, or too long to be counted in blocks.
pub fn parse_span(text: &str) -> Result<Duration, Failure> {
	let advice = "give a whole number with s, m, h or d, like 90s, 30m, 1h or 7d";
	let refuse = |why: &str| Failure::new(format!("`{text}` is no span of time: {why}"), advice);
	let mut digits = text.trim().to_string();
	let unit = match digits.pop() {
		Some('s') => 1,
		Some('m') => 60,
		Some('h') => 3_600,
		Some('d') => 86_400,
		_ => return Err(refuse("its unit is missing")),
	};
	if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
		return Err(refuse("it has no whole number"));
	}
	let seconds = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit));
	match seconds.filter(|seconds| *seconds <= u64::from(BlockNumber::MAX)) {
		None => Err(refuse("it is too long")),
		Some(0) => Err(refuse("it is zero")),
		Some(seconds) => Ok(Duration::from_secs(seconds)),
	}
}

/// How many blocks `span` takes, rounded up.
pub fn to_blocks(span: Duration) -> BlockNumber {
	let blocks = span.as_millis().div_ceil(u128::from(BLOCK_MILLIS));
	BlockNumber::try_from(blocks).unwrap_or(BlockNumber::MAX)
}

/// How long `blocks` take, in the two largest units that are not zero.
pub fn show_blocks(blocks: BlockNumber) -> String {
	let seconds = u64::from(blocks).saturating_mul(BLOCK_MILLIS) / 1_000;
	let parts = [
		(seconds / 86_400, "d"),
		(seconds / 3_600 % 24, "h"),
		(seconds / 60 % 60, "m"),
		(seconds % 60, "s"),
	];
	let shown: Vec<_> = parts
		.iter()
		.filter(|(n, _)| *n > 0)
		.take(2)
		.map(|(n, unit)| format!("{n} {unit}"))
		.collect();
	match shown.is_empty() {
		true => "0 s".into(),
		false => shown.join(" "),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn spans_should_be_read_in_every_unit() {
		for (text, blocks) in
			[("1s", 1), ("90s", 45), ("15m", 450), ("1h", 1_800), ("30d", 1_296_000)]
		{
			assert_eq!(to_blocks(parse_span(text).unwrap()), blocks, "{text}");
		}
	}

	#[test]
	fn spans_should_be_refused_when_malformed() {
		for text in
			["", "1", "h", "1w", "-1h", "1.5h", "0s", "99999999999999999999d", "5000000000s"]
		{
			assert!(parse_span(text).is_err(), "{text}");
		}
	}

	#[test]
	fn blocks_should_be_shown_as_time() {
		assert_eq!(show_blocks(0), "0 s");
		assert_eq!(show_blocks(1_800), "1 h");
		assert_eq!(show_blocks(1_846), "1 h 1 m");
		assert_eq!(show_blocks(43_200 + 15), "1 d 30 s");
	}
}
