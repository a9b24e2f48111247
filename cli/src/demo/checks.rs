//! Every figure of the ledger against the chain.
//!
//! [`Facts`] holds what was observed, by three independent ways: what the agents counted, what
//! events say, and what state says at two pinned blocks. [`verify`] compares them and computes
//! nothing that was not observed, so that it can be tested without a chain.

use super::ledger::DOLLAR_DECIMALS;
use crate::amount::{decimal, Unit};
use serde::Serialize;
use std::{cmp::Ordering, fmt::Display};
use stoa_primitives::{
	money::{Schedule, Shares},
	Balance,
};

/// What one call may cost on chain, in 10⁻¹² dollars: a millionth of a dollar.
const MAX_COST: u128 = 1_000_000;

/// Calls over which the cost of opening, settling and closing is spread, at least, for
/// [`MAX_COST`] to hold.
const MIN_CALLS: u64 = 3_000;

/// One comparison.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Check {
	/// What is compared.
	pub what: String,
	/// What it must be.
	pub expected: String,
	/// What it is.
	pub found: String,
	/// Whether the two agree.
	pub passed: bool,
}

impl Check {
	/// `found` must be `expected`.
	pub fn equal<T: PartialEq + Display>(what: impl Into<String>, expected: T, found: T) -> Self {
		let passed = expected == found;
		Self { what: what.into(), expected: expected.to_string(), found: found.to_string(), passed }
	}

	/// `found` must be at least `least`.
	pub fn at_least(what: impl Into<String>, unit: &Unit, least: Balance, found: Balance) -> Self {
		Self {
			what: what.into(),
			expected: format!("at least {}", unit.show(least)),
			found: unit.show(found),
			passed: found.cmp(&least) != Ordering::Less,
		}
	}

	/// `cost`, in 10⁻¹² dollars, must be below [`MAX_COST`] for each of `calls`; `None` when there were
	/// too few of them. A cost that is not known fails.
	pub fn cost(calls: u64, cost: Option<u128>) -> Option<Self> {
		let dollars = |value| format!("${}", decimal(value, DOLLAR_DECIMALS));
		let bound = MAX_COST.saturating_mul(calls.into());
		(calls >= MIN_CALLS).then(|| Self {
			what: "on-chain cost of a call".into(),
			expected: format!("below {}", dollars(MAX_COST)),
			found: cost.map_or_else(
				|| "not known".into(),
				|cost| dollars(cost.div_ceil(u128::from(calls).max(1))),
			),
			passed: cost.is_some_and(|cost| cost < bound),
		})
	}

	/// The comparison as a line with a tick or a cross.
	pub fn line(&self) -> String {
		match self.passed {
			true => format!("✓ {}: {}", self.what, self.found),
			false => format!("✗ {}: expected {}, found {}", self.what, self.expected, self.found),
		}
	}
}

/// The credits of one account at both ends of the run, and what must have happened in between.
#[derive(Clone, Debug, Default)]
pub struct Party {
	/// What the account does in the demo.
	pub role: String,
	/// Credits at the first block, by state.
	pub before: Balance,
	/// Credits at the last block, by state.
	pub after: Balance,
	/// Paid in for it, by `Deposited` events.
	pub deposited: Balance,
	/// Earned, by the shares and rewards in events.
	pub earned: Balance,
	/// Paid to a provider, by `Settled` events.
	pub spent: Balance,
	/// Transaction fees paid from credits, by the events of all blocks.
	pub fees: Balance,
	/// The same as reported when its extrinsics were sent, which is what the ledger prints.
	pub fees_reported: Balance,
}

impl Party {
	/// What state must say at the last block; `None` when it cannot be a balance.
	fn expected(&self) -> Option<Balance> {
		self.before
			.checked_add(self.deposited)?
			.checked_add(self.earned)?
			.checked_sub(self.spent)?
			.checked_sub(self.fees)
	}
}

/// One settlement in the channel of a consumer.
#[derive(Clone, Debug)]
pub struct Slice {
	/// What had been settled in the channel before.
	pub before: Balance,
	/// What was settled.
	pub gross: Balance,
	/// How it was divided.
	pub shares: Shares,
}

/// What happened with one consumer's channel.
#[derive(Clone, Debug, Default)]
pub struct ChannelFacts {
	/// Which consumer.
	pub role: String,
	/// Calls that were answered, as the consumer counted them.
	pub answered: u64,
	/// The last voucher's cumulative amount, by the consumer's store.
	pub signed: Balance,
	/// What the channel was opened with, by the `Opened` event.
	pub deposit: Balance,
	/// By `Settled` events.
	pub slices: Vec<Slice>,
	/// By `Claimed` events.
	pub claimed: Balance,
	/// Paid over its life, by the `Closed` event; `None` when there was none.
	pub closed_paid: Option<Balance>,
	/// Given back, by the `Closed` event.
	pub refunded: Balance,
	/// Whether state at the last block still has a record of it.
	pub recorded: bool,
}

/// Lifetime totals of settlements in one asset.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
	/// Before shares were taken.
	pub gross: Balance,
	/// The three shares.
	pub shares: Shares,
}

impl Totals {
	/// What was added since `before`; `None` when less is there than before.
	pub fn since(&self, before: &Self) -> Option<Self> {
		Some(Self {
			gross: self.gross.checked_sub(before.gross)?,
			shares: Shares {
				provider: self.shares.provider.checked_sub(before.shares.provider)?,
				platform: self.shares.platform.checked_sub(before.shares.platform)?,
				referral: self.shares.referral.checked_sub(before.shares.referral)?,
			},
		})
	}

	/// The sum of both; `None` on overflow.
	pub fn plus(&self, gross: Balance, shares: &Shares) -> Option<Self> {
		Some(Self {
			gross: self.gross.checked_add(gross)?,
			shares: Shares {
				provider: self.shares.provider.checked_add(shares.provider)?,
				platform: self.shares.platform.checked_add(shares.platform)?,
				referral: self.shares.referral.checked_add(shares.referral)?,
			},
		})
	}
}

/// The ledger of credits in one asset, at one block.
#[derive(Clone, Copy, Debug, Default)]
pub struct Solvency {
	/// All credits.
	pub issued: Balance,
	/// Credits that their owners can spend.
	pub free: Balance,
	/// Credits in purses.
	pub locked: Balance,
	/// What custody holds.
	pub custody: Balance,
}

/// The native tokens of an operator at both ends.
#[derive(Clone, Debug, Default)]
pub struct NativeFacts {
	/// Which operator.
	pub role: String,
	/// Free and held when it was funded.
	pub funded: Balance,
	/// Free and held at the last block.
	pub after: Balance,
	/// Fees of its own extrinsics, by the events of all blocks.
	pub fees: Balance,
	/// The same as reported when they were sent.
	pub fees_reported: Balance,
}

/// All that was observed.
#[derive(Clone, Debug)]
pub struct Facts {
	/// The asset.
	pub unit: Unit,
	/// Price of a call.
	pub price: Balance,
	/// Calls that each consumer was to make.
	pub planned: u64,
	/// Answers that were compared with the text by other means.
	pub sampled: u64,
	/// Answers among them that were wrong.
	pub wrong: u64,
	/// Answers with a receipt that the provider has signed.
	pub receipts: u64,
	/// Calls that the gateway accepted and served.
	pub served: u64,
	/// The schedule of the channels.
	pub schedule: Schedule,
	/// One for each consumer.
	pub channels: Vec<ChannelFacts>,
	/// Consumers, provider and referrer: whose every movement is known.
	pub parties: Vec<Party>,
	/// Rewards of the referrer out of this run's settlements, by events.
	pub rewards: Balance,
	/// What went to the growth pool out of this run's settlements, by events.
	pub growth: Balance,
	/// Growth of the platform's credits, by state, and the sum of all platform shares, by events.
	pub platform: (Balance, Balance),
	/// Growth of the pool's credits, by state, and the sum of all that events say went there.
	pub pool: (Balance, Balance),
	/// Lifetime totals at the first block.
	pub totals_before: Totals,
	/// Lifetime totals at the last block.
	pub totals_after: Totals,
	/// The sum of all `Settled` events in between, whoever traded.
	pub settled: Totals,
	/// The ledger at the first block.
	pub ledger_before: Solvency,
	/// The ledger at the last block.
	pub ledger_after: Solvency,
	/// The sum of all `Deposited` events in between.
	pub paid_in: Balance,
	/// The sum of all `Withdrawn` events in between.
	pub paid_out: Balance,
	/// The operators' native tokens.
	pub native: Vec<NativeFacts>,
}

/// Why a sum could not be computed: shown in place of a figure.
const IMPOSSIBLE: &str = "no balance";

impl Facts {
	/// The sum of what was settled in this run's channels, by events; `None` on overflow.
	pub fn own(&self) -> Option<Totals> {
		let mut slices = self.channels.iter().flat_map(|channel| &channel.slices);
		slices.try_fold(Totals::default(), |sum, slice| sum.plus(slice.gross, &slice.shares))
	}

	/// Answered calls of all consumers.
	pub fn answered(&self) -> u64 {
		self.channels.iter().fold(0, |sum, channel| sum.saturating_add(channel.answered))
	}

	fn show(&self, units: Option<Balance>) -> String {
		units.map_or_else(|| IMPOSSIBLE.into(), |units| self.unit.show(units))
	}

	fn money(
		&self,
		what: impl Into<String>,
		expected: Option<Balance>,
		found: Option<Balance>,
	) -> Check {
		let mut check = Check::equal(what, self.show(expected), self.show(found));
		check.passed = expected.is_some() && expected == found;
		check
	}
}

/// Compare everything with everything. All must pass.
pub fn verify(facts: &Facts) -> Vec<Check> {
	let mut checks = Vec::new();
	calls(facts, &mut checks);
	shares(facts, &mut checks);
	for channel in &facts.channels {
		channel_checks(facts, channel, &mut checks);
	}
	balances(facts, &mut checks);
	ledger(facts, &mut checks);
	checks
}

fn calls(facts: &Facts, checks: &mut Vec<Check>) {
	let consumers = u64::try_from(facts.channels.len()).unwrap_or(u64::MAX);
	checks.push(Check::equal(
		"calls answered and paid",
		facts.planned.saturating_mul(consumers),
		facts.answered(),
	));
	checks.push(Check::equal("calls the gateway served", facts.answered(), facts.served));
	checks.push(Check::equal("receipts signed by the provider", facts.answered(), facts.receipts));
	checks.push(Check::equal(
		format!("wrong answers among {} recounted", facts.sampled),
		0,
		facts.wrong,
	));
}

fn shares(facts: &Facts, checks: &mut Vec<Check>) {
	let own = facts.own();
	let expected = facts.price.checked_mul(u128::from(facts.answered()));
	checks.push(facts.money("gross = calls × price", expected, own.map(|own| own.gross)));
	let Some(own) = own else { return };
	let rates = [
		("provider", facts.schedule.provider(), own.shares.provider),
		("platform", facts.schedule.platform(), own.shares.platform),
		("referral", facts.schedule.referral(), own.shares.referral),
	];
	for (side, rate, found) in rates {
		let parts = u128::from(rate.deconstruct());
		// Exact to the unit; a rate that does not divide the gross is rounded for the provider,
		// which the check of each settlement against the schedule covers.
		let product = own.gross.checked_mul(parts);
		let exact = product.filter(|p| p % 1_000_000 == 0).map(|p| p / 1_000_000);
		if let Some(exact) = exact {
			let percent = crate::amount::decimal(parts, 4);
			checks.push(facts.money(
				format!("{side} share = {percent} %"),
				Some(exact),
				Some(found),
			));
		}
	}
	let mut slices = facts.channels.iter().flat_map(|channel| &channel.slices);
	let all = facts.channels.iter().map(|channel| channel.slices.len()).sum::<usize>();
	let right = slices
		.by_ref()
		.filter(|slice| facts.schedule.split(slice.before, slice.gross) == Some(slice.shares));
	checks.push(Check::equal("settlements divided as scheduled", all, right.count()));
	checks.push(facts.money("three shares sum to the gross", Some(own.gross), own.shares.total()));
	checks.push(facts.money(
		"rewards + growth pool = referral share",
		Some(own.shares.referral),
		facts.rewards.checked_add(facts.growth),
	));
}

fn channel_checks(facts: &Facts, channel: &ChannelFacts, checks: &mut Vec<Check>) {
	let role = &channel.role;
	let owed = facts.price.checked_mul(u128::from(channel.answered));
	checks.push(facts.money(
		format!("{role}: allowed by its vouchers or ticks"),
		owed,
		Some(channel.signed),
	));
	checks.push(facts.money(
		format!("{role}: claimed in its channel"),
		owed,
		Some(channel.claimed),
	));
	let settled = channel.slices.iter().try_fold(0u128, |sum, slice| sum.checked_add(slice.gross));
	checks.push(facts.money(format!("{role}: settled"), owed, settled));
	checks.push(facts.money(format!("{role}: paid when closed"), owed, channel.closed_paid));
	let rest = owed.and_then(|owed| channel.deposit.checked_sub(owed));
	checks.push(facts.money(format!("{role}: refund"), rest, Some(channel.refunded)));
	checks.push(Check::equal(
		format!("{role}: channel record"),
		"gone",
		if channel.recorded { "still there" } else { "gone" },
	));
}

fn balances(facts: &Facts, checks: &mut Vec<Check>) {
	for party in &facts.parties {
		let what = format!("{}: credits", party.role);
		checks.push(facts.money(what, party.expected(), Some(party.after)));
		let what = format!("{}: fees paid from credits", party.role);
		checks.push(facts.money(what, Some(party.fees), Some(party.fees_reported)));
	}
	let rows = [("platform", facts.platform), ("growth pool", facts.pool)];
	for (role, (state, events)) in rows {
		checks.push(facts.money(format!("{role}: credits gained"), Some(events), Some(state)));
	}
	for native in &facts.native {
		let stoa = Unit::native();
		let expected = native.funded.checked_sub(native.fees);
		let mut check = Check::equal(
			format!("{}: native tokens, held ones included", native.role),
			expected.map_or_else(|| IMPOSSIBLE.into(), |units| stoa.show(units)),
			stoa.show(native.after),
		);
		check.passed = expected == Some(native.after);
		checks.push(check);
		checks.push(Check::equal(
			format!("{}: fees paid in native tokens", native.role),
			stoa.show(native.fees),
			stoa.show(native.fees_reported),
		));
	}
}

fn ledger(facts: &Facts, checks: &mut Vec<Check>) {
	let grown = facts.totals_after.since(&facts.totals_before);
	let rows: [(&str, fn(&Totals) -> Balance); 4] = [
		("gross", |totals| totals.gross),
		("provider", |totals| totals.shares.provider),
		("platform", |totals| totals.shares.platform),
		("referral", |totals| totals.shares.referral),
	];
	for (name, of) in rows {
		checks.push(facts.money(
			format!("lifetime total {name} grew by its events"),
			Some(of(&facts.settled)),
			grown.as_ref().map(of),
		));
	}
	let issued = facts.ledger_before.issued.checked_add(facts.paid_in);
	checks.push(facts.money(
		"credits issued = before + deposits − withdrawals",
		issued.and_then(|issued| issued.checked_sub(facts.paid_out)),
		Some(facts.ledger_after.issued),
	));
	let after = &facts.ledger_after;
	checks.push(facts.money(
		"free + locked = issued",
		Some(after.issued),
		after.free.checked_add(after.locked),
	));
	checks.push(Check::at_least(
		"custody covers the issued",
		&facts.unit,
		after.issued,
		after.custody,
	));
}

#[cfg(test)]
pub(super) mod tests {
	use super::*;

	/// A run of 2 consumers with 1,000 calls at 100 units each, in which all is as it must be.
	pub fn consistent() -> Facts {
		let schedule = Schedule::GENESIS;
		let shares = schedule.split(0, 100_000).unwrap();
		let channel = |role: &str| ChannelFacts {
			role: role.into(),
			answered: 1_000,
			signed: 100_000,
			deposit: 150_000,
			slices: vec![Slice { before: 0, gross: 100_000, shares }],
			claimed: 100_000,
			closed_paid: Some(100_000),
			refunded: 50_000,
			recorded: false,
		};
		let consumer = |role: &str| Party {
			role: role.into(),
			deposited: 200_000,
			spent: 100_000,
			fees: 150,
			fees_reported: 150,
			after: 99_850,
			..Party::default()
		};
		Facts {
			unit: Unit::development(),
			price: 100,
			planned: 1_000,
			sampled: 20,
			wrong: 0,
			receipts: 2_000,
			served: 2_000,
			schedule,
			channels: vec![channel("consumer 1"), channel("consumer 2")],
			parties: vec![
				consumer("consumer 1"),
				consumer("consumer 2"),
				Party {
					role: "provider".into(),
					deposited: 10_000,
					earned: 170_000,
					fees: 300,
					fees_reported: 300,
					after: 179_700,
					..Party::default()
				},
				Party { role: "referrer".into(), earned: 6_000, after: 6_000, ..Party::default() },
			],
			rewards: 6_000,
			growth: 4_000,
			platform: (20_050, 20_050),
			pool: (4_025, 4_025),
			totals_before: Totals {
				gross: 1_000,
				shares: Shares { provider: 850, platform: 100, referral: 50 },
			},
			totals_after: Totals {
				gross: 201_500,
				shares: Shares {
					provider: 170_000 + 850 + 425,
					platform: 20_150,
					referral: 10_075,
				},
			},
			settled: Totals {
				gross: 200_500,
				shares: Shares { provider: 170_425, platform: 20_050, referral: 10_025 },
			},
			ledger_before: Solvency { issued: 5_000, free: 4_000, locked: 1_000, custody: 5_001 },
			ledger_after: Solvency {
				issued: 414_000,
				free: 413_000,
				locked: 1_000,
				custody: 414_001,
			},
			paid_in: 410_000,
			paid_out: 1_000,
			native: vec![NativeFacts {
				role: "operator".into(),
				funded: 1_000_000,
				after: 999_000,
				fees: 1_000,
				fees_reported: 1_000,
			}],
		}
	}

	fn failed(facts: &Facts) -> Vec<String> {
		verify(facts).into_iter().filter(|check| !check.passed).map(|check| check.what).collect()
	}

	#[test]
	fn consistent_facts_should_pass() {
		assert_eq!(failed(&consistent()), Vec::<String>::new());
		assert!(verify(&consistent()).len() > 30);
	}

	#[test]
	fn every_single_deviation_should_be_detected() {
		type Change = fn(&mut Facts);
		let changes: [(&str, Change); 34] = [
			("a call was not answered", |f| f.channels[0].answered -= 1),
			("the gateway served more", |f| f.served += 1),
			("a receipt is missing", |f| f.receipts -= 1),
			("an answer is wrong", |f| f.wrong = 1),
			("the price is another", |f| f.price += 1),
			("a voucher is above", |f| f.channels[1].signed += 100),
			("the claim is below", |f| f.channels[1].claimed -= 1),
			("a settlement is missing", |f| f.channels[0].slices.clear()),
			("gross is above", |f| f.channels[0].slices[0].gross += 1),
			("provider's share is below", |f| f.channels[0].slices[0].shares.provider -= 1),
			("a unit went from provider to platform", |f| {
				f.channels[0].slices[0].shares.provider -= 1;
				f.channels[0].slices[0].shares.platform += 1;
			}),
			("a unit went from one slice to the other", |f| {
				f.channels[0].slices[0].shares.platform -= 1;
				f.channels[1].slices[0].shares.platform += 1;
			}),
			("the schedule is another", |f| {
				let (provider, referral) = (f.schedule.provider(), f.schedule.referral());
				f.schedule = Schedule::new(provider + referral, referral, referral).unwrap();
			}),
			("rewards are missing", |f| f.rewards -= 1),
			("the growth part is above", |f| f.growth += 1),
			("the close paid another sum", |f| f.channels[0].closed_paid = Some(1)),
			("there was no close", |f| f.channels[0].closed_paid = None),
			("the refund is below", |f| f.channels[0].refunded -= 1),
			("the deposit is below what was paid", |f| f.channels[0].deposit = 1),
			("the record is there", |f| f.channels[1].recorded = true),
			("a consumer has more", |f| f.parties[0].after += 1),
			("a fee was not seen", |f| f.parties[1].fees = 0),
			("a fee was reported wrongly", |f| f.parties[2].fees_reported += 1),
			("a native fee was reported wrongly", |f| f.native[0].fees_reported -= 1),
			("the provider has less", |f| f.parties[2].after -= 1),
			("the referrer was not paid", |f| f.parties[3].after = 0),
			("the platform has less", |f| f.platform.0 -= 1),
			("the pool has more", |f| f.pool.0 += 1),
			("a total fell", |f| f.totals_after.gross = 0),
			("a total is off", |f| f.totals_after.shares.referral += 1),
			("credits were made of nothing", |f| f.ledger_after.issued += 1),
			("free and locked do not add up", |f| f.ledger_after.locked -= 1),
			("custody is short", |f| f.ledger_after.custody = 413_999),
			("native tokens are missing", |f| f.native[0].after -= 1),
		];
		for (name, change) in changes {
			let mut facts = consistent();
			change(&mut facts);
			assert!(!failed(&facts).is_empty(), "not detected: {name}");
		}
	}

	#[test]
	fn a_mismatch_should_name_expected_and_found() {
		let mut facts = consistent();
		facts.parties[2].after -= 1;
		let check = verify(&facts).into_iter().find(|check| !check.passed).unwrap();
		assert_eq!(check.line(), "✗ provider: credits: expected 0.1797 dUSD, found 0.179699 dUSD");
		assert_eq!(Check::equal("x", 1, 1).line(), "✓ x: 1");
	}

	#[test]
	fn a_call_that_costs_too_much_should_be_detected() {
		assert_eq!(Check::cost(2_999, Some(u128::MAX)), None);
		let check = |cost| Check::cost(3_000, cost).unwrap();
		assert!(check(Some(2_999_999_999)).passed);
		assert!(!check(Some(3_000_000_000)).passed);
		assert!(!check(None).passed);
		let line = "✗ on-chain cost of a call: expected below $0.000001, found $0.000002";
		assert_eq!(check(Some(6_000_000_000)).line(), line);
	}

	#[test]
	fn sums_that_are_no_balance_should_fail() {
		let mut facts = consistent();
		facts.parties[0].spent = Balance::MAX;
		facts.channels[0].slices[0].gross = Balance::MAX;
		assert!(failed(&facts).contains(&"consumer 1: credits".into()));
		assert!(failed(&facts).contains(&"gross = calls × price".into()));
	}
}
