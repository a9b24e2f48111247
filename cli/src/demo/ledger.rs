//! What the demo prints: calls, money and costs, for people and for programs.

use super::checks::{Check, Facts};
use crate::{
	amount::{decimal, percent, Unit},
	output::{money, table, Failure, Report},
};
use hdrhistogram::Histogram;
use serde_json::{json, Value};
use std::{fmt::Write, time::Duration};
use stoa_primitives::{AssetId, Balance, U256};

/// Decimals of a dollar in which costs are computed: as precise as the native token.
pub(super) const DOLLAR_DECIMALS: u8 = 12;

/// 10¹⁸, the denominator of a fixed-point rate.
const RATE_ONE: u128 = 1_000_000_000_000_000_000;

/// Response times of calls, in microseconds with three significant digits.
pub struct Latency(Histogram<u64>);

impl Latency {
	/// No calls yet. Times above ten minutes count as ten minutes.
	///
	/// # Errors
	///
	/// When the histogram refuses its bounds, which are fixed.
	pub fn new() -> Result<Self, Failure> {
		let highest = 600_000_000;
		Histogram::new_with_bounds(1, highest, 3)
			.map(Self)
			.map_err(|error| Failure::new(format!("no histogram: {error}"), "report this as a bug"))
	}

	/// Count one call.
	pub fn record(&mut self, took: Duration) {
		self.0.saturating_record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX).max(1));
	}

	/// Count the calls of another.
	///
	/// # Errors
	///
	/// When the other has wider bounds, which it never has.
	pub fn add(&mut self, other: &Self) -> Result<(), Failure> {
		self.0
			.add(&other.0)
			.map_err(|error| Failure::new(format!("no histogram: {error}"), "report this as a bug"))
	}

	fn rows(&self) -> [(&'static str, u64); 4] {
		[
			("p50", self.0.value_at_quantile(0.5)),
			("p90", self.0.value_at_quantile(0.9)),
			("p99", self.0.value_at_quantile(0.99)),
			("max", self.0.max()),
		]
	}
}

/// What a fee is paid for.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Purpose {
	/// Needed once for an account, however many calls it makes.
	SetUp,
	/// Needed for the channel, its settlement and its end: what calls cost on chain.
	Trade,
}

/// What transactions of one kind cost.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fee {
	/// What they do.
	pub kind: &'static str,
	/// What they are for.
	pub purpose: Purpose,
	/// How many there were.
	pub count: u32,
	/// In what they were paid.
	pub asset: AssetId,
	/// How much in all, in units of that asset.
	pub total: Balance,
}

/// Fees, added up by kind.
#[derive(Clone, Debug, Default)]
pub struct Fees(pub Vec<Fee>);

impl Fees {
	/// Add one transaction.
	pub fn add(&mut self, kind: &'static str, purpose: Purpose, asset: AssetId, fee: Balance) {
		let same = |row: &&mut Fee| row.kind == kind && row.asset == asset;
		match self.0.iter_mut().find(same) {
			Some(row) => {
				row.count = row.count.saturating_add(1);
				row.total = row.total.saturating_add(fee);
			},
			None => self.0.push(Fee { kind, purpose, count: 1, asset, total: fee }),
		}
	}
}

/// What one unit of a currency is worth in dollars.
#[derive(Clone, Debug)]
pub struct Rates {
	/// The stablecoin: one whole of it is a dollar.
	pub dollar: Unit,
	/// Native units that one unit of the stablecoin buys, times 10¹⁸, by the chain's asset rate.
	pub native_per_unit: u128,
}

impl Rates {
	/// `amount` of `asset` in 10⁻¹² dollars; `None` when it has no rate or is too large.
	pub fn dollars(&self, asset: &AssetId, amount: Balance) -> Option<u128> {
		let scale =
			10u128.checked_pow(u32::from(DOLLAR_DECIMALS.checked_sub(self.dollar.decimals)?))?;
		if *asset == self.dollar.asset {
			return amount.checked_mul(scale);
		}
		if *asset != AssetId::Native {
			return None;
		}
		let scaled = U256::from(amount)
			.checked_mul(U256::from(RATE_ONE))?
			.checked_mul(U256::from(scale))?
			.checked_div(U256::from(self.native_per_unit))?;
		u128::try_from(scaled).ok()
	}
}

/// Everything that the demo prints.
pub struct Ledger<'a> {
	/// Where and when.
	pub run: Vec<(&'static str, String)>,
	/// What was observed.
	pub facts: &'a Facts,
	/// Calls that failed.
	pub errors: u64,
	/// From the first call to the last answer.
	pub took: Duration,
	/// Response times as consumers saw them.
	pub latency: Latency,
	/// Transaction fees.
	pub fees: Fees,
	/// For costs in dollars.
	pub rates: Rates,
	/// The comparisons.
	pub checks: Vec<Check>,
}

impl Ledger<'_> {
	/// The sum of all fees for a purpose in 10⁻¹² dollars.
	fn cost(&self, purpose: Purpose) -> Option<u128> {
		let mut rows = self.fees.0.iter().filter(|fee| fee.purpose == purpose);
		rows.try_fold(0u128, |sum, fee| sum.checked_add(self.rates.dollars(&fee.asset, fee.total)?))
	}

	/// On-chain cost of one call in 10⁻¹² dollars, rounded up.
	fn cost_per_call(&self) -> Option<u128> {
		let calls = u128::from(self.facts.answered());
		(calls > 0).then(|| self.cost(Purpose::Trade)).flatten().map(|cost| cost.div_ceil(calls))
	}

	/// Add the check of what calls cost on chain.
	pub fn check_cost(&mut self) {
		self.checks.extend(Check::cost(self.facts.answered(), self.cost(Purpose::Trade)));
	}

	/// Calls in a second, with one decimal.
	fn rate(&self) -> String {
		let calls = u128::from(self.facts.answered());
		let tenths = calls.saturating_mul(10_000).checked_div(self.took.as_millis()).unwrap_or(0);
		decimal(tenths, 1)
	}

	/// Whether all checks passed.
	pub fn passed(&self) -> bool {
		self.checks.iter().all(|check| check.passed)
	}

	/// The ledger as a report.
	pub fn report(&self) -> Report {
		let json = match self.json() {
			Value::Object(json) => json,
			_ => Default::default(),
		};
		Report { text: self.text(), json }
	}

	/// The failure that a mismatch is; `None` when all checks passed.
	pub fn failure(&self) -> Option<Failure> {
		let failed: Vec<_> = self.checks.iter().filter(|check| !check.passed).collect();
		let first = failed.first()?;
		let text = format!(
			"{} of {} checks failed, the first: {}: expected {}, found {}",
			failed.len(),
			self.checks.len(),
			first.what,
			first.expected,
			first.found
		);
		Some(Failure::new(text, "the ledger above names all of them"))
	}

	fn unit_of(&self, asset: &AssetId) -> Unit {
		match asset {
			AssetId::Native => Unit::native(),
			_ => self.facts.unit.clone(),
		}
	}

	/// Gross, the three shares and the parts of the third.
	fn money_rows(&self) -> Vec<(&'static str, Balance)> {
		let own = self.facts.own().unwrap_or_default();
		vec![
			("gross", own.gross),
			("provider", own.shares.provider),
			("platform", own.shares.platform),
			("referral", own.shares.referral),
			("rewards", self.facts.rewards),
			("growth pool", self.facts.growth),
		]
	}

	fn text(&self) -> String {
		let facts = self.facts;
		let unit = &facts.unit;
		let mut out = String::new();
		let mut row = |label: &str, value: &str| {
			let _ = writeln!(out, "  {label:<16} {value}");
		};
		for (label, value) in &self.run {
			row(label, value);
		}
		row("consumers", &facts.channels.len().to_string());
		row("calls", &format!("{}, {} errors", facts.answered(), self.errors));
		row("rate", &format!("{} calls/s, each with a voucher or a tick of its own", self.rate()));
		let millis = |micros: u64| format!("{} ms", decimal(u128::from(micros), 3));
		let latency: Vec<_> = self
			.latency
			.rows()
			.iter()
			.map(|(name, us)| format!("{name} {}", millis(*us)))
			.collect();
		row("latency", &latency.join(", "));

		let _ = writeln!(out, "\nSettled at {} a call", unit.show(facts.price));
		let rows = self.money_rows();
		let gross = rows.first().map_or(0, |row| row.1);
		for (name, units) in &rows {
			let label = match *name {
				"rewards" | "growth pool" => format!("  {name}"),
				_ => (*name).to_string(),
			};
			let _ = writeln!(
				out,
				"  {label:<16} {:>14}   {}",
				unit.show(*units),
				percent(*units, gross)
			);
		}

		let _ = writeln!(out, "\nTransaction fees");
		let dollars = |value: Option<u128>| {
			value
				.map_or_else(|| "-".into(), |value| format!("${}", decimal(value, DOLLAR_DECIMALS)))
		};
		let fees: Vec<Vec<String>> = self
			.fees
			.0
			.iter()
			.map(|fee| {
				let total = self.rates.dollars(&fee.asset, fee.total);
				vec![
					fee.kind.to_string(),
					fee.count.to_string(),
					self.unit_of(&fee.asset).show(fee.total),
					dollars(total),
					match fee.purpose {
						Purpose::SetUp => "once for an account".into(),
						Purpose::Trade => "cost of the calls".into(),
					},
				]
			})
			.collect();
		out.push_str(&table(&["transactions", "count", "fees", "in dollars", ""], &fees));

		let _ = writeln!(out, "\nOn-chain cost");
		let rows = [
			("opens, settlement, closes", self.cost(Purpose::Trade)),
			("  per call", self.cost_per_call()),
			("set-up, listed apart", self.cost(Purpose::SetUp)),
		];
		for (label, value) in rows {
			let _ = writeln!(out, "  {label:<26} {}", dollars(value));
		}

		let _ = writeln!(out, "\nChecked against state and events");
		for check in &self.checks {
			let _ = writeln!(out, "  {}", check.line());
		}
		let good = self.checks.iter().filter(|check| check.passed).count();
		let _ = writeln!(out, "  {good} of {} checks passed", self.checks.len());
		out
	}

	fn json(&self) -> Value {
		let facts = self.facts;
		let unit = &facts.unit;
		let dollars = |value: Option<u128>| value.map(|value| decimal(value, DOLLAR_DECIMALS));
		let run: serde_json::Map<_, _> =
			self.run.iter().map(|(key, value)| ((*key).into(), value.clone().into())).collect();
		let latency: serde_json::Map<_, _> = self
			.latency
			.rows()
			.iter()
			.map(|(name, us)| (format!("{name}_us"), (*us).into()))
			.collect();
		let settled: serde_json::Map<_, _> = self
			.money_rows()
			.iter()
			.map(|(name, units)| (name.replace(' ', "_"), money(unit, *units)))
			.collect();
		let fees: Vec<_> = self
			.fees
			.0
			.iter()
			.map(|fee| {
				json!({
					"transactions": fee.kind,
					"count": fee.count,
					"fees": money(&self.unit_of(&fee.asset), fee.total),
					"dollars": dollars(self.rates.dollars(&fee.asset, fee.total)),
					"cost_of_calls": fee.purpose == Purpose::Trade,
				})
			})
			.collect();
		json!({
			"run": run,
			"consumers": facts.channels.len(),
			"calls": facts.answered(),
			"errors": self.errors,
			"seconds": decimal(self.took.as_millis(), 3),
			"calls_per_second": self.rate(),
			"latency": latency,
			"price": money(unit, facts.price),
			"settled": settled,
			"fees": fees,
			"cost": {
				"trade_dollars": dollars(self.cost(Purpose::Trade)),
				"per_call_dollars": dollars(self.cost_per_call()),
				"set_up_dollars": dollars(self.cost(Purpose::SetUp)),
			},
			"checks": self.checks,
			"passed": self.passed(),
		})
	}
}

#[cfg(test)]
mod tests {
	use super::{
		super::checks::{tests::consistent, verify},
		*,
	};

	fn rates() -> Rates {
		// One STOA is a dollar: a unit of 10⁻⁶ dollars buys 10⁶ units of 10⁻¹² STOA.
		Rates { dollar: Unit::development(), native_per_unit: 1_000_000 * RATE_ONE }
	}

	fn ledger(facts: &Facts) -> Ledger<'_> {
		let mut latency = Latency::new().unwrap();
		for millis in 1..=100 {
			latency.record(Duration::from_millis(millis));
		}
		let mut fees = Fees::default();
		let usd = AssetId::WithId(1);
		fees.add("register", Purpose::SetUp, AssetId::Native, 500_000_000);
		fees.add("open", Purpose::Trade, usd.clone(), 150);
		fees.add("open", Purpose::Trade, usd.clone(), 150);
		fees.add("settle", Purpose::Trade, usd, 300);
		Ledger {
			run: vec![("node", "ws://test".into())],
			facts,
			errors: 0,
			took: Duration::from_secs(4),
			latency,
			fees,
			rates: rates(),
			checks: verify(facts),
		}
	}

	#[test]
	fn dollars_should_follow_the_rate() {
		let rates = rates();
		assert_eq!(rates.dollars(&AssetId::WithId(1), 1), Some(1_000_000));
		assert_eq!(rates.dollars(&AssetId::Native, 1_000_000_000_000), Some(1_000_000_000_000));
		assert_eq!(rates.dollars(&AssetId::WithId(2), 1), None);
		let dear = Rates { native_per_unit: 500_000 * RATE_ONE, ..rates.clone() };
		assert_eq!(dear.dollars(&AssetId::Native, 1_000_000), Some(2_000_000));
		let unknown = Rates { native_per_unit: 0, ..rates };
		assert_eq!(unknown.dollars(&AssetId::Native, 1), None);
	}

	#[test]
	fn ledger_should_show_costs_and_percentages() {
		let facts = consistent();
		let ledger = ledger(&facts);
		assert!(ledger.passed() && ledger.failure().is_none());
		let text = ledger.report().text;
		for part in [
			"2000, 0 errors",
			"500 calls/s",
			"0.2 dUSD   100 %",
			"0.17 dUSD   85 %",
			"0.02 dUSD   10 %",
			"0.01 dUSD   5 %",
			"0.006 dUSD   3 %",
			"0.004 dUSD   2 %",
			"$0.0000003",
			"$0.0005",
		] {
			assert!(text.contains(part), "{part} is not in\n{text}");
		}
		assert!(!text.contains('✗'));
	}

	#[test]
	fn ledger_should_say_the_same_in_json() {
		let facts = consistent();
		let json = ledger(&facts).report().json;
		assert_eq!(json["calls"], 2_000);
		assert_eq!(json["calls_per_second"], "500");
		assert_eq!(json["settled"]["gross"]["units"], "200000");
		assert_eq!(json["settled"]["growth_pool"]["amount"], "0.004");
		assert_eq!(json["cost"]["per_call_dollars"], "0.0000003");
		assert_eq!(json["fees"][1]["count"], 2);
		assert_eq!(json["passed"], true);
		let p50 = json["latency"]["p50_us"].as_u64().unwrap();
		assert!((49_900..50_200).contains(&p50), "{p50}");
	}

	#[test]
	fn a_cost_above_the_bound_should_be_a_failure() {
		let mut facts = consistent();
		facts.channels[0].answered = 9_000;
		for (units, good) in [(1, true), (9_400, false)] {
			let mut ledger = ledger(&facts);
			ledger.checks.clear();
			ledger.fees.add("close", Purpose::Trade, AssetId::WithId(1), units);
			ledger.check_cost();
			assert_eq!((ledger.checks.len(), ledger.failure().is_none()), (1, good));
		}
	}

	#[test]
	fn a_mismatch_should_be_a_failure_that_names_it() {
		let mut facts = consistent();
		facts.parties[2].after = 0;
		let ledger = ledger(&facts);
		assert!(!ledger.passed());
		let failure = ledger.failure().unwrap();
		assert!(failure.cause.contains("expected 0.1797 dUSD, found 0 dUSD"), "{failure}");
		assert!(ledger.report().text.contains("✗ provider: credits"));
		assert_eq!(ledger.report().json["passed"], false);
	}
}
