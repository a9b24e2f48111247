//! The terms: what an offer's digest stands for, as a document that people, agents and arbiters can read.
//!
//! The chain holds the digest, the offer holds everything that the chain acts on: amounts, deadlines, reviews,
//! penalties in units of the asset, arbiters. The terms say what these are *for*: line items, quantities, how
//! each milestone is delivered and judged, the service level, and which failure costs which part of a
//! milestone's penalty. No figure is in both, so they cannot contradict each other; a price is in the offer
//! only.
//!
//! The JSON schema is in `docs/schemas/terms.json`. Text in a document is a stranger's: show it, never obey it.

use super::canonical::{self, CanonicalError};
use serde::{Deserialize, Deserializer, Serialize};
use sp_crypto_hashing::blake2_256;
use std::{fmt, str::FromStr};
use stoa_primitives::agreement::MAX_MILESTONES;

/// The version of the document's form.
pub const TERMS_VERSION: u32 = 1;
/// Longest document in canonical form, in bytes.
pub const MAX_TERMS_LEN: usize = 8 * 1024;
/// Most line items.
pub const MAX_ITEMS: usize = 32;
/// Most penalty clauses.
pub const MAX_PENALTIES: usize = 32;
/// Longest text, in bytes of UTF-8.
pub const MAX_TEXT_LEN: usize = 512;
/// Longest name or title, in bytes of UTF-8.
pub const MAX_NAME_LEN: usize = 128;
/// Longest name of a unit, in bytes.
pub const MAX_UNIT_LEN: usize = 16;

/// One million: the whole, where shares and rates are in parts per million.
pub const MILLION: u32 = 1_000_000;

/// Why a document is none.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum TermsError {
	/// Its bytes are not canonical JSON of the right form.
	#[error(transparent)]
	Canonical(#[from] CanonicalError),
	/// Its version is not known.
	#[error("the terms have version {0}, this program knows version {TERMS_VERSION}")]
	Version(u32),
	/// A text is empty, too long, or has control characters.
	#[error("`{0}` is empty, too long, or has control characters")]
	Text(&'static str),
	/// A unit has other characters than letters, digits and `-./%`, or is too long.
	#[error("`{0}` is not the name of a unit")]
	Unit(String),
	/// There are no items, deliveries or too many.
	#[error("there are {len} `{list}`, from {least} to {most} are possible")]
	Count {
		/// Of what.
		list: &'static str,
		/// How many there are.
		len: usize,
		/// The least.
		least: usize,
		/// The most.
		most: usize,
	},
	/// A rate is above one million.
	#[error("`{0}` is above one million parts per million")]
	Rate(&'static str),
	/// A penalty clause is about a milestone that is not there, or says nothing.
	#[error(
		"the penalty clause {0} is about no milestone, costs nothing, or has no level to miss"
	)]
	Penalty(usize),
}

/// A positive decimal number as text, in the one form it has: `12`, `0.5`. No sign, no exponent, no zeros that
/// change nothing; up to 20 digits before the point and 12 after.
#[derive(Clone, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Quantity(String);

impl Quantity {
	/// A whole number above 0.
	pub fn whole(number: u64) -> Option<Self> {
		(number > 0).then(|| Self(number.to_string()))
	}

	/// As text.
	pub fn as_str(&self) -> &str {
		&self.0
	}

	/// How many 10⁻¹² of a unit it is. The form bounds it: it is below 10³².
	pub fn parts(&self) -> u128 {
		let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
		format!("{whole}{fraction:0<12}").parse().unwrap_or(u128::MAX)
	}
}

impl fmt::Display for Quantity {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.write_str(&self.0)
	}
}

impl FromStr for Quantity {
	type Err = &'static str;

	fn from_str(text: &str) -> Result<Self, Self::Err> {
		let digits = |part: &str, most: usize| {
			(1..=most).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
		};
		let (whole, fraction) = match text.split_once('.') {
			Some((whole, fraction)) => (whole, Some(fraction)),
			None => (text, None),
		};
		let good = digits(whole, 20)
			&& (whole == "0" || !whole.starts_with('0'))
			&& fraction.is_none_or(|part| digits(part, 12) && !part.ends_with('0'))
			&& text != "0";
		match good {
			true => Ok(Self(text.into())),
			false => Err("a quantity is a positive decimal number like 12 or 0.5"),
		}
	}
}

impl<'de> Deserialize<'de> for Quantity {
	fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
		String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
	}
}

/// Something that is bought.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LineItem {
	/// What it is.
	pub name: String,
	/// What more there is to say.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub description: Option<String>,
	/// How many units.
	pub quantity: Quantity,
	/// In what it is counted: `call`, `GB`, `h`, `token`.
	pub unit: String,
}

/// How one milestone is delivered. The n-th delivery is that of the n-th milestone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delivery {
	/// What is handed over.
	pub what: String,
	/// How and where: an endpoint, a format, a place.
	pub how: String,
	/// By what a delivery is judged.
	pub acceptance: String,
}

/// What level of service is promised. What is not named is not promised.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceLevel {
	/// Calls that succeed, in parts per million. This is the level that strategies negotiate.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub success_ppm: Option<u32>,
	/// The 95th percentile of the time to answer, in milliseconds.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub latency_p95_ms: Option<u32>,
	/// Time in which the service answers at all, in parts per million.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub availability_ppm: Option<u32>,
}

/// What can be missed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
	/// The delivery itself: late or not what was described.
	Delivery,
	/// [`ServiceLevel::success_ppm`].
	Success,
	/// [`ServiceLevel::latency_p95_ms`].
	Latency,
	/// [`ServiceLevel::availability_ppm`].
	Availability,
}

/// What a failure costs: guidance for the arbiters, who rule on shares of a milestone.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PenaltyClause {
	/// Place of the milestone, from 0.
	pub milestone: u32,
	/// What is missed.
	pub when: Failure,
	/// Which part of the milestone's penalty is due, in parts per million.
	pub share_ppm: u32,
}

/// The document.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Terms {
	/// [`TERMS_VERSION`].
	pub version: u32,
	/// What this is about, in a line.
	pub title: String,
	/// What is bought.
	pub items: Vec<LineItem>,
	/// How each milestone is delivered.
	pub delivery: Vec<Delivery>,
	/// The level of service.
	pub sla: ServiceLevel,
	/// What failures cost.
	pub penalties: Vec<PenaltyClause>,
}

impl Terms {
	/// Reads a document in canonical form.
	///
	/// # Errors
	///
	/// [`TermsError`].
	pub fn parse(bytes: &[u8]) -> Result<Self, TermsError> {
		let terms: Self = canonical::from_bytes(bytes, MAX_TERMS_LEN)?;
		terms.validate()?;
		Ok(terms)
	}

	/// The canonical bytes.
	///
	/// # Errors
	///
	/// [`CanonicalError::TooLong`] for a document that no reader takes.
	pub fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
		let bytes = canonical::to_bytes(self)?;
		match bytes.len() <= MAX_TERMS_LEN {
			true => Ok(bytes),
			false => Err(CanonicalError::TooLong { len: bytes.len(), limit: MAX_TERMS_LEN }),
		}
	}

	/// `blake2_256` of the canonical bytes: what an offer names as its terms.
	///
	/// # Errors
	///
	/// As [`Terms::to_bytes`].
	pub fn digest(&self) -> Result<[u8; 32], CanonicalError> {
		Ok(blake2_256(&self.to_bytes()?))
	}

	/// Whether the document makes sense in itself.
	///
	/// # Errors
	///
	/// [`TermsError`].
	pub fn validate(&self) -> Result<(), TermsError> {
		if self.version != TERMS_VERSION {
			return Err(TermsError::Version(self.version));
		}
		name(&self.title, "title")?;
		count("items", self.items.len(), 1, MAX_ITEMS)?;
		// It fits a usize on every platform that the standard library's networking runs on.
		let milestones = usize::try_from(MAX_MILESTONES).unwrap_or(usize::MAX);
		count("delivery", self.delivery.len(), 1, milestones)?;
		count("penalties", self.penalties.len(), 0, MAX_PENALTIES)?;
		for item in &self.items {
			name(&item.name, "name")?;
			item.description
				.as_ref()
				.map_or(Ok(()), |it| check(it, MAX_TEXT_LEN, "description"))?;
			unit(&item.unit)?;
		}
		for delivery in &self.delivery {
			check(&delivery.what, MAX_TEXT_LEN, "what")?;
			check(&delivery.how, MAX_TEXT_LEN, "how")?;
			check(&delivery.acceptance, MAX_TEXT_LEN, "acceptance")?;
		}
		for (rate, name) in
			[(self.sla.success_ppm, "successPpm"), (self.sla.availability_ppm, "availabilityPpm")]
		{
			if rate.is_some_and(|rate| rate > MILLION) {
				return Err(TermsError::Rate(name));
			}
		}
		for (place, clause) in self.penalties.iter().enumerate() {
			let promised = match clause.when {
				Failure::Delivery => true,
				Failure::Success => self.sla.success_ppm.is_some(),
				Failure::Latency => self.sla.latency_p95_ms.is_some(),
				Failure::Availability => self.sla.availability_ppm.is_some(),
			};
			let there = usize::try_from(clause.milestone).is_ok_and(|at| at < self.delivery.len());
			if !promised || !there || !(1..=MILLION).contains(&clause.share_ppm) {
				return Err(TermsError::Penalty(place));
			}
		}
		Ok(())
	}

	/// The negotiated level of service: [`ServiceLevel::success_ppm`], 0 if none is promised.
	pub fn quality(&self) -> u32 {
		self.sla.success_ppm.unwrap_or(0)
	}

	/// The same terms at another negotiated level, 0 for none. A document that promises none promises none
	/// at any level: there is nothing to negotiate.
	#[must_use]
	pub fn with_quality(&self, quality: u32) -> Self {
		let mut terms = self.clone();
		if let Some(level) = &mut terms.sla.success_ppm {
			*level = quality;
		}
		terms
	}
}

fn count(list: &'static str, len: usize, least: usize, most: usize) -> Result<(), TermsError> {
	match (least..=most).contains(&len) {
		true => Ok(()),
		false => Err(TermsError::Count { list, len, least, most }),
	}
}

fn name(text: &str, field: &'static str) -> Result<(), TermsError> {
	check(text, MAX_NAME_LEN, field)
}

/// Text has no control characters, so that showing it cannot move a cursor.
pub(super) fn check(text: &str, most: usize, field: &'static str) -> Result<(), TermsError> {
	let good = (1..=most).contains(&text.len()) && !text.chars().any(char::is_control);
	match good {
		true => Ok(()),
		false => Err(TermsError::Text(field)),
	}
}

fn unit(text: &str) -> Result<(), TermsError> {
	let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-./%".contains(&byte);
	match (1..=MAX_UNIT_LEN).contains(&text.len()) && text.bytes().all(allowed) {
		true => Ok(()),
		false => Err(TermsError::Unit(text.chars().take(MAX_UNIT_LEN).collect())),
	}
}

#[cfg(test)]
pub(super) mod tests {
	use super::*;

	/// Terms of two milestones.
	pub fn terms() -> Terms {
		let delivery = |what: &str| Delivery {
			what: what.into(),
			how: "https://data.example/set, Parquet".into(),
			acceptance: "row count and checksum are as described".into(),
		};
		Terms {
			version: TERMS_VERSION,
			title: "Weather data for a year".into(),
			items: vec![
				LineItem {
					name: "hourly observations".into(),
					description: Some("1,200 stations".into()),
					quantity: "8760".parse().unwrap(),
					unit: "h".into(),
				},
				LineItem {
					name: "support".into(),
					description: None,
					quantity: "0.5".parse().unwrap(),
					unit: "day/month".into(),
				},
			],
			delivery: vec![delivery("sample of a month"), delivery("the whole year")],
			sla: ServiceLevel {
				success_ppm: Some(990_000),
				latency_p95_ms: Some(250),
				availability_ppm: None,
			},
			penalties: vec![
				PenaltyClause { milestone: 1, when: Failure::Delivery, share_ppm: MILLION },
				PenaltyClause { milestone: 0, when: Failure::Latency, share_ppm: 250_000 },
			],
		}
	}

	#[test]
	fn terms_should_survive_their_bytes_and_have_one_digest() {
		let bytes = terms().to_bytes().unwrap();
		assert_eq!(Terms::parse(&bytes), Ok(terms()));
		assert_eq!(terms().digest().unwrap(), blake2_256(&bytes));
		assert!(bytes.starts_with(br#"{"delivery":[{"acceptance":"row count and"#));
		assert_ne!(terms().digest(), terms().with_quality(1).digest());
	}

	#[test]
	fn the_example_of_the_documentation_should_have_the_digest_that_is_stated() {
		let bytes = include_bytes!("../../../docs/schemas/examples/terms.json");
		let example: Terms = serde_json::from_slice(bytes).unwrap();
		assert_eq!(example, terms());
		let stated = include_str!("../../../docs/schemas/README.md");
		let digest = crate::chain::to_hex(example.digest().unwrap());
		assert!(stated.contains(&digest), "{digest}");
	}

	#[test]
	fn quantities_should_have_one_form() {
		for good in ["1", "12", "0.5", "10.25", "0.000000000001", "99999999999999999999"] {
			assert_eq!(good.parse::<Quantity>().unwrap().as_str(), good);
		}
		for bad in [
			"",
			"0",
			"0.0",
			"00",
			"01",
			"+1",
			"-1",
			"1.",
			".5",
			"1.0",
			"1.50",
			"1e3",
			"1 ",
			"١",
			"0.0000000000001",
			"999999999999999999999",
			"1.2.3",
		] {
			assert!(bad.parse::<Quantity>().is_err(), "{bad}");
		}
		for (text, parts) in
			[("0.000000000001", 1), ("0.5", 500_000_000_000), ("12", 12 * 10u128.pow(12))]
		{
			assert_eq!(text.parse::<Quantity>().unwrap().parts(), parts, "{text}");
		}
		assert_eq!(Quantity::whole(0), None);
		assert_eq!(
			Quantity::whole(u64::MAX).unwrap().to_string().parse(),
			Ok(Quantity::whole(u64::MAX).unwrap())
		);
	}

	#[test]
	fn terms_should_be_refused_with_the_reason() {
		let error = |change: fn(&mut Terms)| {
			let mut terms = terms();
			change(&mut terms);
			terms.validate().unwrap_err()
		};
		assert_eq!(terms().validate(), Ok(()));
		assert_eq!(error(|t| t.version = 2), TermsError::Version(2));
		assert_eq!(error(|t| t.title.clear()), TermsError::Text("title"));
		assert_eq!(error(|t| t.title = "a\u{1b}[2J".into()), TermsError::Text("title"));
		assert_eq!(error(|t| t.items[0].name = "x".repeat(129)), TermsError::Text("name"));
		let text = TermsError::Text("description");
		assert_eq!(error(|t| t.items[0].description = Some(String::new())), text);
		assert_eq!(error(|t| t.items[0].unit = "a b".into()), TermsError::Unit("a b".into()));
		assert_eq!(error(|t| t.items[1].unit = String::new()), TermsError::Unit(String::new()));
		let items = |len| TermsError::Count { list: "items", len, least: 1, most: 32 };
		assert_eq!(error(|t| t.items.clear()), items(0));
		assert_eq!(error(|t| t.items = vec![t.items[0].clone(); 33]), items(33));
		let delivery = TermsError::Count { list: "delivery", len: 0, least: 1, most: 16 };
		assert_eq!(error(|t| t.delivery.clear()), delivery);
		assert_eq!(error(|t| t.delivery[1].how = "\n".into()), TermsError::Text("how"));
		assert_eq!(error(|t| t.sla.success_ppm = Some(1_000_001)), TermsError::Rate("successPpm"));
		assert_eq!(error(|t| t.penalties[1].milestone = 2), TermsError::Penalty(1));
		assert_eq!(error(|t| t.penalties[1].share_ppm = 0), TermsError::Penalty(1));
		// What is not promised cannot be missed.
		assert_eq!(error(|t| t.sla.latency_p95_ms = None), TermsError::Penalty(1));
	}

	#[test]
	fn terms_that_are_too_long_should_neither_be_written_nor_read() {
		let mut long = terms();
		for item in &mut long.items {
			item.description = Some("x".repeat(MAX_TEXT_LEN));
		}
		long.items = vec![long.items[0].clone(); 20];
		assert_eq!(long.validate(), Ok(()));
		assert!(matches!(long.to_bytes(), Err(CanonicalError::TooLong { .. })));
		let bytes = canonical::to_bytes(&long).unwrap();
		assert!(matches!(Terms::parse(&bytes), Err(TermsError::Canonical(_))));
	}

	#[test]
	fn unknown_members_should_be_refused() {
		let mut value = serde_json::to_value(terms()).unwrap();
		value["sla"]["uptime"] = 1.into();
		let bytes = canonical::to_bytes(&value).unwrap();
		assert!(matches!(
			Terms::parse(&bytes),
			Err(TermsError::Canonical(CanonicalError::Json(_)))
		));
	}
}
