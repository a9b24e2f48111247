//! Amounts as people write them: decimal strings, exact, without floats.

use std::fmt::{self, Display, Formatter};
use stoa_primitives::{AssetId, Balance};
use thiserror::Error;

/// Most decimals that an asset may have: 10³⁸ is the largest power of ten in a [`Balance`].
pub const MAX_DECIMALS: u8 = 38;

/// Why a text is not an amount.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum AmountError {
	/// Nothing was given.
	#[error("an amount is missing: give a number like 1.5")]
	Empty,
	/// A minus sign.
	#[error("the amount `{0}` is negative: give a number above 0")]
	Negative(String),
	/// Other than digits with at most one point between them.
	#[error("`{0}` is not an amount: give digits with at most one decimal point, like 1.5")]
	Malformed(String),
	/// More precise than the asset's smallest unit.
	#[error("the amount `{text}` has more than {decimals} decimals: {symbol} has no smaller unit")]
	TooPrecise {
		/// What was given.
		text: String,
		/// What the asset has.
		decimals: u8,
		/// The asset's symbol.
		symbol: String,
	},
	/// Above what a balance can hold.
	#[error("the amount `{0}` is too large: no balance can hold it")]
	TooLarge(String),
	/// Nothing, where something is needed.
	#[error("the amount is zero: give a number above 0")]
	Zero,
	/// An asset with more decimals than can be computed with.
	#[error("the asset has {0} decimals: at most {MAX_DECIMALS} are supported")]
	Decimals(u8),
}

/// An asset as people know it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unit {
	/// The asset.
	pub asset: AssetId,
	/// Its symbol.
	pub symbol: String,
	/// Its decimals.
	pub decimals: u8,
}

impl Unit {
	/// The native token.
	pub fn native() -> Self {
		Self { asset: AssetId::Native, symbol: "STOA".into(), decimals: 12 }
	}

	/// The development stablecoin, asset 1.
	pub fn development() -> Self {
		Self { asset: AssetId::WithId(1), symbol: "dUSD".into(), decimals: 6 }
	}

	/// One whole of the asset in smallest units.
	///
	/// # Errors
	///
	/// [`AmountError::Decimals`].
	pub fn one(&self) -> Result<Balance, AmountError> {
		Balance::from(10u8)
			.checked_pow(u32::from(self.decimals))
			.ok_or(AmountError::Decimals(self.decimals))
	}

	/// The amount that `text` names, in smallest units.
	///
	/// # Errors
	///
	/// See [`AmountError`]. Zero is an amount; see [`Unit::parse_positive`].
	pub fn parse(&self, text: &str) -> Result<Balance, AmountError> {
		let text = text.trim();
		if text.is_empty() {
			return Err(AmountError::Empty);
		}
		if text.starts_with('-') {
			return Err(AmountError::Negative(text.into()));
		}
		let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
		let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
		if !digits(whole) || !digits(fraction) {
			return Err(AmountError::Malformed(text.into()));
		}
		let fraction = fraction.trim_end_matches('0');
		let decimals = usize::from(self.decimals);
		if fraction.len() > decimals {
			return Err(AmountError::TooPrecise {
				text: text.into(),
				decimals: self.decimals,
				symbol: self.symbol.clone(),
			});
		}
		let too_large = || AmountError::TooLarge(text.into());
		let whole = whole.trim_start_matches('0');
		let whole: Balance =
			if whole.is_empty() { 0 } else { whole.parse().map_err(|_| too_large())? };
		let padded = format!("{fraction:0<decimals$}");
		let fraction: Balance =
			if padded.is_empty() { 0 } else { padded.parse().map_err(|_| too_large())? };
		whole
			.checked_mul(self.one()?)
			.and_then(|units| units.checked_add(fraction))
			.ok_or_else(too_large)
	}

	/// Like [`Unit::parse`], but refuses zero.
	///
	/// # Errors
	///
	/// See [`AmountError`].
	pub fn parse_positive(&self, text: &str) -> Result<Balance, AmountError> {
		match self.parse(text)? {
			0 => Err(AmountError::Zero),
			units => Ok(units),
		}
	}

	/// `units` as a decimal number without symbol, without needless zeros.
	pub fn number(&self, units: Balance) -> String {
		decimal(units, self.decimals)
	}

	/// `units` with the symbol, for people.
	pub fn show(&self, units: Balance) -> String {
		format!("{} {}", self.number(units), self.symbol)
	}
}

impl Display for Unit {
	fn fmt(&self, f: &mut Formatter) -> fmt::Result {
		f.write_str(&self.symbol)
	}
}

/// `units` with a decimal point before the last `decimals` digits, without needless zeros.
pub fn decimal(units: Balance, decimals: u8) -> String {
	let decimals = usize::from(decimals);
	let digits = format!("{units:0>width$}", width = decimals.saturating_add(1));
	let (whole, fraction) = digits.split_at(digits.len().saturating_sub(decimals));
	match fraction.trim_end_matches('0') {
		"" => whole.to_string(),
		fraction => format!("{whole}.{fraction}"),
	}
}

/// `part / whole` as a percentage with three decimals, rounded down; `-` when `whole` is 0.
pub fn percent(part: Balance, whole: Balance) -> String {
	let thousandths = part.checked_mul(100_000).and_then(|x| x.checked_div(whole));
	thousandths.map_or_else(|| "-".into(), |x| format!("{} %", decimal(x, 3)))
}

#[cfg(test)]
mod tests {
	use super::*;

	fn usd() -> Unit {
		Unit::development()
	}

	#[test]
	fn amounts_should_be_read_exactly() {
		for (text, units) in [
			("1", 1_000_000),
			("0.0001", 100),
			("0.000001", 1),
			("1.5", 1_500_000),
			("001.50", 1_500_000),
			(" 2 ", 2_000_000),
			("0.10000000000000", 100_000),
			("0", 0),
			("0.0", 0),
			("340282366920938463463374607431768.211455", u128::MAX),
		] {
			assert_eq!(usd().parse(text), Ok(units), "{text}");
		}
		assert_eq!(Unit::native().parse("0.000000000001"), Ok(1));
		let whole = Unit { decimals: 0, ..usd() };
		assert_eq!(whole.parse("7"), Ok(7));
		assert_eq!(whole.parse("7.0"), Ok(7));
	}

	#[test]
	fn amounts_should_be_refused_when_more_precise_than_the_asset() {
		let error = usd().parse("0.0000001").unwrap_err();
		assert!(matches!(error, AmountError::TooPrecise { decimals: 6, .. }));
		assert!(error.to_string().contains("dUSD"));
		let whole = Unit { decimals: 0, ..usd() };
		assert!(matches!(whole.parse("7.5"), Err(AmountError::TooPrecise { .. })));
	}

	#[test]
	fn amounts_should_be_refused_when_negative() {
		for text in ["-1", "-0", "-", "-0.5"] {
			assert_eq!(usd().parse(text), Err(AmountError::Negative(text.into())));
		}
	}

	#[test]
	fn amounts_should_be_refused_when_too_large() {
		for text in [
			"340282366920938463463374607431768.211456",
			"340282366920938463463374607431769",
			"340282366920938463463374607431768211456",
			"99999999999999999999999999999999999999999999",
		] {
			assert_eq!(usd().parse(text), Err(AmountError::TooLarge(text.into())));
		}
		let odd = Unit { decimals: 39, ..usd() };
		assert_eq!(odd.parse("0"), Err(AmountError::Decimals(39)));
	}

	#[test]
	fn amounts_should_be_refused_when_malformed() {
		assert_eq!(usd().parse(""), Err(AmountError::Empty));
		assert_eq!(usd().parse("  "), Err(AmountError::Empty));
		for text in
			["1.", ".5", ".", "1.2.3", "1e3", "+1", "0x10", "1_000", "1,5", "a", "1 000", "٣", "$1"]
		{
			assert_eq!(usd().parse(text), Err(AmountError::Malformed(text.into())), "{text}");
		}
	}

	#[test]
	fn zero_should_be_refused_when_something_is_needed() {
		assert_eq!(usd().parse_positive("0.000000"), Err(AmountError::Zero));
		assert_eq!(usd().parse_positive("0.000001"), Ok(1));
	}

	#[test]
	fn amounts_should_survive_being_written_and_read() {
		for units in [0, 1, 100, 999_999, 1_000_000, 1_000_001, 123_456_789, u128::MAX] {
			for unit in [usd(), Unit::native(), Unit { decimals: 0, ..usd() }] {
				assert_eq!(unit.parse(&unit.number(units)), Ok(units));
			}
		}
		assert_eq!(usd().show(100), "0.0001 dUSD");
		assert_eq!(usd().number(1_500_000), "1.5");
		assert_eq!(decimal(0, 6), "0");
	}

	#[test]
	fn percentages_should_round_down() {
		assert_eq!(percent(85, 100), "85 %");
		assert_eq!(percent(1, 3), "33.333 %");
		assert_eq!(percent(1, 0), "-");
	}
}
