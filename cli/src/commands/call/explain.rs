//! What keeps a call from being made, for who typed it.

use crate::{
	amount::Unit,
	context::{asset_argument, show_asset},
	output::{money, Failure},
};
use std::time::Duration;
use stoa_client::{
	chain::to_hex,
	http::HttpError,
	keys::format_account,
	payer::{
		top_up::{Deposit, TopUpPolicy, TopUpRefusal},
		PayError, Refusal,
	},
};
use stoa_primitives::Balance;

/// Whether a top-up by `amount` is needed, suffices, and leaves a deposit within `budget`.
pub fn check_top_up(
	unit: &Unit,
	deposit: Deposit,
	amount: Balance,
	budget: Balance,
) -> Result<(), Failure> {
	// One command tops up once: its budget is what the deposit may come to.
	let policy = TopUpPolicy {
		below: 0,
		add: amount,
		max_deposit: budget,
		budget: Balance::MAX,
		period: Duration::ZERO,
	};
	let refusal = match policy.decide(deposit) {
		Ok(_) => return Ok(()),
		Err(refusal) => refusal,
	};
	Err(match refusal {
		TopUpRefusal::Unfinalized => Failure::new(
			"the channel holds enough, but its last top-up is not final yet",
			"try again in some seconds",
		),
		TopUpRefusal::TooLittle { missing, add } => Failure::new(
			format!(
				"the deposit is short by {}, more than the {} of --top-up",
				unit.show(missing),
				unit.show(add)
			),
			format!("pass --top-up {} or more", unit.number(missing)),
		),
		TopUpRefusal::AboveDeposit { deposit, add, limit } => Failure::new(
			format!(
				"the deposit of {} is used up, and {} more would be above the budget of {}",
				unit.show(deposit),
				unit.show(add),
				unit.show(limit)
			),
			format!(
				"pass --budget {} if the seller is worth it",
				unit.number(deposit.saturating_add(add))
			),
		),
		// Only a policy with a budget over time says so.
		TopUpRefusal::BudgetSpent { .. } => Failure::new(refusal.to_string(), "try again later"),
	})
}

/// What a refused call means for who typed it.
pub fn explain(error: HttpError, unit: &Unit) -> Failure {
	match error {
		HttpError::ChannelMissing { payee, suggested_deposit, .. } => {
			let address = format_account(&payee);
			let deposit = unit.number(suggested_deposit);
			Failure::new(
				format!("there is no channel to the seller {address}"),
				format!(
					"pass --open {deposit}, or open one: stoa channel open {address} {deposit}"
				),
			)
			.with("payee", address)
			.with("suggested_deposit", money(unit, suggested_deposit))
		},
		HttpError::TopUpNeeded { channel, shortfall } => Failure::new(
			format!("the deposit of channel {} is used up", to_hex(channel)),
			format!(
				"add to it with `stoa channel top-up {} {}`, or let this command do it with --top-up \
				 AMOUNT --budget TOTAL",
				to_hex(channel),
				unit.number(shortfall)
			),
		)
		.with("channel", to_hex(channel))
		.with("shortfall", money(unit, shortfall)),
		HttpError::PriceAboveLimit { price, limit } => Failure::new(
			format!(
				"the call costs {}, more than the limit of {}",
				unit.show(price),
				unit.show(limit)
			),
			format!("pass --max-price {} if it is worth that much", unit.number(price)),
		)
		.with("price", money(unit, price)),
		HttpError::WrongAsset { actual, .. } => Failure::new(
			format!("the seller wants to be paid in {}", show_asset(&actual)),
			format!("pass --asset {}", asset_argument(&actual)),
		),
		HttpError::Pay(PayError::Refused(Refusal::Unanswered { unanswered, limit })) => {
			Failure::new(
				format!(
					"the seller wants {} for calls that it never answered here, more than the {} \
					 that are allowed",
					unit.show(unanswered),
					unit.show(limit)
				),
				format!(
					"stop calling it and end the channel with `stoa channel request-close`, or go \
					 on with --max-unanswered {}",
					unit.number(unanswered)
				),
			)
			.with("unanswered", money(unit, unanswered))
			.with("limit", money(unit, limit))
		},
		HttpError::Pay(PayError::Refused(refusal)) => refused(refusal, unit),
		other => Failure::from(other),
	}
}

/// What a refusal of the payer's own means, in amounts of `unit`.
fn refused(refusal: Refusal, unit: &Unit) -> Failure {
	let budget = |remaining: Balance, price: Balance, what: &str, option: &str| {
		Failure::new(
			format!(
				"the call costs {}, and {} is left {what} in this period",
				unit.show(price),
				unit.show(remaining)
			),
			format!("wait until earlier calls do not count any more, or raise {option}"),
		)
		.with("price", money(unit, price))
		.with("remaining", money(unit, remaining))
	};
	match refusal {
		Refusal::PayeeBudgetSpent { remaining, price } => {
			budget(remaining, price, "for this seller", "--spend-per-seller")
		},
		Refusal::TotalBudgetSpent { remaining, price } => {
			budget(remaining, price, "for all sellers", "--spend-in-all")
		},
		Refusal::AboveCap { shortfall } => Failure::new(
			format!("the velocity cap of the channel is short by {}", unit.show(shortfall)),
			"wait until the seller has settled or the window has moved on, or change the cap with \
			 `stoa channel set-cap`",
		)
		.with("shortfall", money(unit, shortfall)),
		other => Failure::from(PayError::Refused(other)),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_primitives::AccountId;

	#[test]
	fn top_ups_should_be_needed_suffice_and_stay_within_the_budget() {
		let unit = Unit::development();
		let check = |shortfall: Balance, newest, amount, budget| {
			let deposit = Deposit { needed: 100 + shortfall, known: 100, newest, spent: 0 };
			check_top_up(&unit, deposit, amount, budget)
		};
		check(10, 100, 10, 110).unwrap();
		check(10, 105, 5, 110).unwrap();
		let pending = check(10, 110, 10, 200).unwrap_err();
		assert!(pending.cause.contains("not final"), "{pending}");
		let dear = check(11, 100, 10, 200).unwrap_err();
		assert!(dear.advice.contains("--top-up 0.000011"), "{dear}");
		let spent = check(10, 100, 10, 109).unwrap_err();
		assert!(spent.advice.contains("--budget 0.00011"), "{spent}");
	}

	#[test]
	fn refusals_should_say_what_to_type() {
		let unit = Unit::development();
		let payee = AccountId::new([1; 32]);
		let missing = HttpError::ChannelMissing {
			payee: payee.clone(),
			asset: unit.asset.clone(),
			suggested_deposit: 1_000_000,
			min_grace: 450,
		};
		assert!(explain(missing, &unit).advice.contains("--open 1,"));
		let dear = HttpError::PriceAboveLimit { price: 200, limit: 100 };
		assert!(explain(dear, &unit).advice.contains("--max-price 0.0002"));
		let owed = Refusal::Unanswered { unanswered: 400, limit: 300 };
		let owed = explain(HttpError::Pay(owed.into()), &unit);
		assert!(owed.advice.contains("--max-unanswered 0.0004"), "{owed}");
		let spent = Refusal::TotalBudgetSpent { remaining: 50, price: 100 };
		let spent = explain(HttpError::Pay(spent.into()), &unit);
		assert!(spent.cause.contains("0.00005 dUSD is left for all sellers"), "{spent}");
		let capped = Refusal::AboveCap { shortfall: 100 };
		let capped = explain(HttpError::Pay(capped.into()), &unit);
		assert!(capped.advice.contains("set-cap"), "{capped}");
	}
}
