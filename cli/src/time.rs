//! Spans of time as people write them, in blocks of the chain.

use crate::output::Failure;
use serde_json::{json, Value};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stoa_client::payment::format_time;
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

/// Seconds since 1970.
pub fn seconds_now() -> u64 {
	SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// What time it is when the chain is at a block, so that other blocks have a time too.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
	now: BlockNumber,
	/// Since 1970.
	seconds: u64,
}

impl Clock {
	/// The chain is at block `now` at this moment.
	pub fn at(now: BlockNumber) -> Self {
		Self { now, seconds: seconds_now() }
	}

	/// The block that the chain is at.
	pub fn now(&self) -> BlockNumber {
		self.now
	}

	/// The block `blocks` from now.
	pub fn after(&self, blocks: BlockNumber) -> BlockNumber {
		self.now.saturating_add(blocks)
	}

	/// When `block` is made, or was, if the chain keeps its pace.
	fn time(&self, block: BlockNumber) -> String {
		let span = |blocks: BlockNumber| u64::from(blocks).saturating_mul(BLOCK_MILLIS) / 1_000;
		format_time(match block.checked_sub(self.now) {
			Some(left) => self.seconds.saturating_add(span(left)),
			None => self.seconds.saturating_sub(span(self.now.saturating_sub(block))),
		})
	}

	/// A block for people, with how far away it is and when that is.
	pub fn show(&self, block: BlockNumber) -> String {
		let time = self.time(block);
		match block.checked_sub(self.now) {
			Some(left) if left > 0 => format!("block {block}, in {} ({time})", show_blocks(left)),
			_ => format!("block {block}, reached ({time})"),
		}
	}

	/// A block for programs.
	pub fn json(&self, block: BlockNumber) -> Value {
		json!({
			"block": block,
			"blocks_left": block.saturating_sub(self.now),
			"time": self.time(block),
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn blocks_should_have_a_distance_and_a_time() {
		let clock = Clock { now: 100, seconds: 1_704_067_199 };
		assert_eq!(clock.show(130), "block 130, in 1 m (2024-01-01T00:00:59Z)");
		assert_eq!(clock.show(100), "block 100, reached (2023-12-31T23:59:59Z)");
		assert_eq!(clock.show(70), "block 70, reached (2023-12-31T23:58:59Z)");
		let json = json!({ "block": 130, "blocks_left": 30, "time": "2024-01-01T00:00:59Z" });
		assert_eq!(clock.json(130), json);
		assert_eq!(clock.json(70)["blocks_left"], 0);
		assert_eq!(Clock { now: u32::MAX, seconds: 0 }.after(1), u32::MAX);
	}

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
