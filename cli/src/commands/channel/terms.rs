//! What people write of a channel's terms.

use crate::{
	amount::Unit,
	output::Failure,
	time::{parse_span, show_blocks, to_blocks},
};
use stoa_primitives::{
	channel::{Cap, MAX_GRACE, MAX_WINDOW, MIN_GRACE},
	BlockNumber,
};

/// The grace period that `text` names, in blocks.
///
/// # Errors
///
/// When the chain takes none of this length.
pub fn parse_grace(text: &str) -> Result<BlockNumber, Failure> {
	let blocks = to_blocks(parse_span(text)?);
	match (MIN_GRACE..=MAX_GRACE).contains(&blocks) {
		true => Ok(blocks),
		false => Err(Failure::new(
			format!("a grace period of {text} is not allowed"),
			format!("choose from {} to {}", show_blocks(MIN_GRACE), show_blocks(MAX_GRACE)),
		)),
	}
}

/// The velocity cap that `text` names: an amount, a slash, and a window in blocks or as a span of time.
///
/// # Errors
///
/// When it is something else, or the chain takes no such cap.
pub fn parse_cap(text: &str, unit: &Unit) -> Result<Cap, Failure> {
	let (amount, window) = text.split_once('/').ok_or_else(|| {
		Failure::new(
			format!("`{text}` is no velocity cap"),
			"give an amount and how many blocks it is for, like 0.5/1800 or 0.5/1h",
		)
	})?;
	let per_window = unit.parse_positive(amount)?;
	let window = window.trim();
	let blocks = match window.bytes().all(|byte| byte.is_ascii_digit()) {
		true => window.parse().unwrap_or(BlockNumber::MAX),
		false => to_blocks(parse_span(window)?),
	};
	let cap = Cap { per_window, window: blocks };
	match cap.is_valid() {
		true => Ok(cap),
		false => Err(Failure::new(
			format!("a velocity cap over `{window}` is not allowed"),
			format!("choose a window from 1 to {MAX_WINDOW} blocks, {}", show_blocks(MAX_WINDOW)),
		)),
	}
}

/// The velocity cap that `text` names, `none` being none.
///
/// # Errors
///
/// See [`parse_cap`].
pub fn parse_change(text: &str, unit: &Unit) -> Result<Option<Cap>, Failure> {
	match text.trim() {
		none if none.eq_ignore_ascii_case("none") => Ok(None),
		cap => parse_cap(cap, unit).map(Some),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn grace_periods_should_be_within_the_bounds_of_the_chain() {
		assert_eq!(parse_grace("1h").unwrap(), 1_800);
		assert_eq!(parse_grace("15m").unwrap(), MIN_GRACE);
		assert_eq!(parse_grace("30d").unwrap(), MAX_GRACE);
		for text in ["14m", "31d", "0s", "x"] {
			assert!(parse_grace(text).is_err(), "{text}");
		}
		assert!(parse_grace("1m").unwrap_err().advice.contains("15 m to 30 d"));
	}

	#[test]
	fn caps_should_be_an_amount_and_a_window() {
		let unit = Unit::development();
		let cap = Some(Cap { per_window: 500_000, window: 1_800 });
		for text in ["0.5/1800", "0.5/1h", " 0.5/60m "] {
			assert_eq!(parse_change(text, &unit).unwrap(), cap, "{text}");
		}
		assert_eq!(parse_change("None", &unit).unwrap(), None);
		for text in
			["", "1", "1/", "/1", "0/1", "1/0", "-1/5", "1/x", "1/31d", "1/99999999999", "1/1/1"]
		{
			assert!(parse_change(text, &unit).is_err(), "{text}");
		}
		assert!(parse_cap("1/0", &unit).unwrap_err().advice.contains("30 d"));
		assert!(parse_cap("1", &unit).unwrap_err().advice.contains("0.5/1h"));
	}
}
