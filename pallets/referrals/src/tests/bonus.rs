//! Bonuses out of the growth pool.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, DispatchResult};
use stoa_primitives::Balance;

fn grant(n: u8, amount: Balance) -> DispatchResult {
	Referrals::grant_bonus(root(), agent(n), USD, amount)
}

/// Agent 2, brought by 1, has traded: 300 of its side's 1,000 went to the pool.
fn traded() {
	assert_ok!(bind(2, 1));
	let split = distribute(&USD, 2, 9, 2_000);
	set_credits(&pool(), &USD, split.growth_pool);
}

#[test]
fn grant_bonus_should_pay_what_the_agents_trade_has_pooled() {
	build_and_execute(|| {
		traded();
		assert_eq!(Referrals::bonus_left(agent(2), USD), 300);
		assert_ok!(grant(2, 100));
		assert_eq!(credits(&agent(2), &USD), 100);
		assert_eq!(credits(&pool(), &USD), 1_200);
		assert_eq!(Referrals::bonus_left(agent(2), USD), 200);
		System::assert_last_event(
			Event::<Test>::BonusGranted { agent: agent(2), asset: USD, amount: 100 }.into(),
		);
		assert_noop!(grant(2, 201), Error::<Test>::BonusTooLarge);
		assert_ok!(grant(2, 200));
		assert_noop!(grant(2, 1), Error::<Test>::BonusTooLarge);
		assert_eq!(Referrals::bonus_left(agent(2), USD), 0);
	});
}

#[test]
fn grant_bonus_should_fail_when_it_is_nothing() {
	build_and_execute(|| {
		traded();
		assert_noop!(grant(2, 0), Error::<Test>::ZeroBonus);
	});
}

#[test]
fn grant_bonus_should_fail_when_the_agent_was_not_referred() {
	build_and_execute(|| {
		traded();
		assert_noop!(grant(9, 1), Error::<Test>::NotReferred);
		assert_eq!(Referrals::bonus_left(agent(9), USD), 0);
	});
}

#[test]
fn grant_bonus_should_fail_when_the_agent_came_late() {
	build_and_execute(|| {
		run_to(EARLY_ADOPTER_END + 1);
		traded();
		assert_noop!(grant(2, 1), Error::<Test>::NotEarlyAdopter);
		assert_eq!(Referrals::bonus_left(agent(2), USD), 0);
	});
}

#[test]
fn grant_bonus_should_be_open_when_the_agent_came_in_the_last_block() {
	build_and_execute(|| {
		run_to(EARLY_ADOPTER_END);
		traded();
		run_to(EARLY_ADOPTER_END + 100);
		assert_ok!(grant(2, 1));
	});
}

#[test]
fn grant_bonus_should_fail_when_the_agent_has_pooled_another_asset() {
	build_and_execute(|| {
		traded();
		assert_noop!(
			Referrals::grant_bonus(root(), agent(2), EUR, 1),
			Error::<Test>::BonusTooLarge
		);
	});
}

#[test]
fn grant_bonus_should_fail_when_the_agent_is_not_active() {
	build_and_execute(|| {
		traded();
		set_active(2, false);
		assert_noop!(grant(2, 1), DispatchError::Other("not active"));
	});
}

#[test]
fn grant_bonus_should_fail_when_the_pool_is_empty() {
	build_and_execute(|| {
		traded();
		set_credits(&pool(), &USD, 99);
		assert_noop!(grant(2, 100), DispatchError::Other("no credits"));
	});
}

#[test]
fn grant_bonus_should_fail_when_the_caller_is_not_governance() {
	build_and_execute(|| {
		traded();
		assert_noop!(Referrals::grant_bonus(signed(2), agent(2), USD, 1), DispatchError::BadOrigin);
	});
}
