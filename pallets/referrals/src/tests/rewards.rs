//! What a settlement pays. In all of these, 5 was brought by 4, 4 by 3, 3 by 2, 2 by 1; 6 by 7.

use crate::{mock::*, Event, SideTotals, Terms, Totals};
use frame_support::{assert_ok, assert_storage_noop};
use sp_runtime::Permill;
use stoa_primitives::{
	referral::{Distributed, Reward},
	Balance, DAYS,
};

fn with_edges(test: impl FnOnce()) {
	build_and_execute(|| {
		for (referee, referrer) in [(2, 1), (3, 2), (4, 3), (5, 4), (6, 7)] {
			assert_ok!(bind(referee, referrer));
		}
		test();
	});
}

fn reward(to: u8, referee: u8, level: u8, amount: Balance) -> Reward {
	Reward { to: agent(to), referee: agent(referee), level, amount }
}

fn totals(n: u8) -> (Balance, Balance) {
	let SideTotals { rewarded, pooled, .. } = Referrals::totals(agent(n), USD);
	(rewarded, pooled)
}

#[test]
fn distribute_should_reward_both_sides_up_to_three_levels() {
	with_edges(|| {
		assert_eq!(
			distribute(&USD, 5, 6, 2_000),
			Distributed {
				rewards: vec![
					reward(4, 5, 1, 700),
					reward(3, 5, 2, 200),
					reward(2, 5, 3, 100),
					reward(7, 6, 1, 700),
				],
				sides: 2,
				growth_pool: 300,
			}
		);
		assert_eq!((totals(5), totals(6)), ((1_000, 0), (700, 300)));
		for (referrer, amount, level) in [(4, 700, 1), (3, 200, 2), (2, 100, 3)] {
			System::assert_has_event(
				Event::<Test>::Rewarded {
					referrer: agent(referrer),
					referee: agent(5),
					asset: USD,
					amount,
					level,
				}
				.into(),
			);
		}
	});
}

#[test]
fn distribute_should_send_odd_units_and_remainders_to_the_pool() {
	with_edges(|| {
		// 51: half 25; 70 % 17, 20 % 5, 10 % 2.
		assert_eq!(
			distribute(&USD, 5, 9, 51),
			Distributed {
				rewards: vec![reward(4, 5, 1, 17), reward(3, 5, 2, 5), reward(2, 5, 3, 2)],
				sides: 1,
				growth_pool: 27,
			}
		);
		// The odd unit belongs to neither side.
		assert_eq!(totals(5), (24, 1));
	});
}

#[test]
fn distribute_should_leave_out_rewards_of_nothing() {
	with_edges(|| {
		// half 4: 70 % is 2, 20 % and 10 % are 0.
		assert_eq!(
			distribute(&USD, 5, 9, 8),
			Distributed { rewards: vec![reward(4, 5, 1, 2)], sides: 1, growth_pool: 6 }
		);
	});
}

#[test]
fn distribute_should_send_all_to_the_pool_when_a_unit_cannot_be_halved() {
	with_edges(|| {
		for pot in [0, 1] {
			assert_storage_noop!(assert_eq!(
				distribute(&USD, 5, 6, pot),
				Distributed { growth_pool: pot, ..Default::default() }
			));
		}
	});
}

#[test]
fn distribute_should_send_all_to_the_pool_when_nobody_was_brought() {
	with_edges(|| {
		assert_storage_noop!(assert_eq!(
			distribute(&USD, 8, 9, 2_000),
			Distributed { growth_pool: 2_000, ..Default::default() }
		));
	});
}

#[test]
fn distribute_should_send_all_to_the_pool_when_the_asset_has_no_cap() {
	with_edges(|| {
		assert_storage_noop!(assert_eq!(
			distribute(&EUR, 5, 6, 2_000),
			Distributed { growth_pool: 2_000, ..Default::default() }
		));
	});
}

#[test]
fn distribute_should_pay_within_the_window_only() {
	with_edges(|| {
		run_to(365 * DAYS);
		assert_eq!(distribute(&USD, 5, 9, 2_000).growth_pool, 1_000);
		run_to(1 + 365 * DAYS);
		assert_storage_noop!(assert_eq!(
			distribute(&USD, 5, 9, 2_000),
			Distributed { growth_pool: 2_000, ..Default::default() }
		));
	});
}

#[test]
fn distribute_should_measure_the_window_from_the_referees_registration() {
	with_edges(|| {
		run_to(300 * DAYS);
		assert_ok!(bind(8, 5));
		run_to(400 * DAYS);
		// The window of 5 itself is over, but it still shares in what 8 does.
		assert_eq!(
			distribute(&USD, 8, 5, 2_000).rewards,
			vec![reward(4, 8, 2, 200), reward(3, 8, 3, 100)]
		);
		assert_eq!(
			distribute(&USD, 8, 9, 2_000).rewards,
			vec![reward(5, 8, 1, 700), reward(4, 8, 2, 200), reward(3, 8, 3, 100)]
		);
	});
}

#[test]
fn distribute_should_pay_up_to_the_cap_of_each_referee() {
	with_edges(|| {
		assert_ok!(Referrals::set_cap(root(), USD, 1_800));
		assert_eq!(distribute(&USD, 5, 9, 2_000).growth_pool, 1_000);
		// 800 left: 700 to the first, 100 of 200 to the second.
		assert_eq!(
			distribute(&USD, 5, 9, 2_000),
			Distributed {
				rewards: vec![reward(4, 5, 1, 700), reward(3, 5, 2, 100)],
				sides: 1,
				growth_pool: 1_200,
			}
		);
		assert_eq!(
			distribute(&USD, 5, 6, 2_000),
			Distributed { rewards: vec![reward(7, 6, 1, 700)], sides: 2, growth_pool: 1_300 }
		);
		assert_eq!(totals(5), (1_800, 1_200));
		// Lowering the cap takes nothing back.
		assert_ok!(Referrals::set_cap(root(), USD, 5));
		assert!(distribute(&USD, 5, 6, 2_000).rewards.is_empty());
		assert_eq!(totals(5), (1_800, 2_200));
	});
}

#[test]
fn distribute_should_skip_referrers_that_are_not_active() {
	with_edges(|| {
		set_active(4, false);
		assert_eq!(
			distribute(&USD, 5, 9, 2_000),
			Distributed {
				rewards: vec![reward(3, 5, 2, 200), reward(2, 5, 3, 100)],
				sides: 1,
				growth_pool: 1_700,
			}
		);
		assert_eq!(totals(5), (300, 700));
	});
}

#[test]
fn distribute_should_skip_referrers_of_a_side_s_operator() {
	with_edges(|| {
		// Since they were bound, 4 has come under the payer's operator, 2 under the provider's.
		enlist(4, 5);
		enlist(2, 9);
		assert_eq!(
			distribute(&USD, 5, 9, 2_000),
			Distributed { rewards: vec![reward(3, 5, 2, 200)], sides: 1, growth_pool: 1_800 }
		);
	});
}

#[test]
fn distribute_should_skip_the_sides_themselves_and_their_operators() {
	with_edges(|| {
		// 4 brought 5 and buys from it.
		assert_eq!(
			distribute(&USD, 4, 5, 2_000).rewards,
			vec![
				reward(3, 4, 1, 700),
				reward(2, 4, 2, 200),
				reward(1, 4, 3, 100),
				reward(3, 5, 2, 200),
				reward(2, 5, 3, 100),
			]
		);
		// 3 operates the provider and is somebody else's agent itself.
		set_operator(&agent(9), &agent(3));
		assert_eq!(
			distribute(&USD, 5, 9, 2_000).rewards,
			vec![reward(4, 5, 1, 700), reward(2, 5, 3, 100)]
		);
		// 42 is no agent, operates 4 and pays itself.
		set_operator(&agent(4), &agent(42));
		assert_eq!(
			distribute(&USD, 42, 5, 2_000).rewards,
			vec![reward(3, 5, 2, 200), reward(2, 5, 3, 100)]
		);
	});
}

#[test]
fn distribute_should_keep_the_cap_when_one_account_is_on_both_sides() {
	with_edges(|| {
		assert_ok!(Referrals::set_cap(root(), USD, 1_500));
		let paid = distribute(&USD, 5, 5, 2_000);
		assert_eq!(paid.growth_pool, 500);
		assert_eq!(totals(5), (1_500, 500));
	});
}

#[test]
fn distribute_should_follow_the_terms() {
	with_edges(|| {
		let levels = [50, 0, 0].map(Permill::from_percent);
		assert_ok!(Referrals::set_terms(root(), Terms { levels, window: 10 }));
		assert_eq!(
			distribute(&USD, 5, 9, 2_000),
			Distributed { rewards: vec![reward(4, 5, 1, 500)], sides: 1, growth_pool: 1_500 }
		);
		assert_ok!(Referrals::set_terms(root(), Terms { levels, window: 0 }));
		assert!(distribute(&USD, 5, 9, 2_000).rewards.is_empty());
	});
}

#[test]
fn distribute_should_hold_at_the_end_of_the_numbers() {
	with_edges(|| {
		assert_ok!(Referrals::set_cap(root(), USD, Balance::MAX));
		let Distributed { rewards, growth_pool, .. } = distribute(&USD, 5, 6, Balance::MAX);
		let paid: Balance = rewards.iter().map(|r| r.amount).sum();
		assert_eq!(paid + growth_pool, Balance::MAX);
		// Totals saturate and never pay more for it.
		let before = Totals::<Test>::get(agent(5), USD);
		for _ in 0..3 {
			distribute(&USD, 5, 6, Balance::MAX);
		}
		assert!(Totals::<Test>::get(agent(5), USD).rewarded >= before.rewarded);
	});
}
