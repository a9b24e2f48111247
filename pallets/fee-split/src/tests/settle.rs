use crate::{mock::*, Error, Event, LifetimeTotals, Schedules, Totals};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use stoa_primitives::{
	mock::MockRewards,
	money::{LockReason, Shares, Source},
	referral::{Distributed, MAX_DEPTH},
	traits::{Receipt, Settle, Settlement},
	Balance,
};

#[test]
fn settle_should_pay_from_the_purse_of_the_source() {
	build_and_execute(|| {
		fund_channel(1_000);
		let shares = Shares { provider: 340, platform: 40, referral: 20 };
		// One side, one reward.
		let receipt = Receipt { shares, referral_work: 2, side_work: 2 };
		assert_eq!(FeeSplit::settle(slice(0, 400, 0)), Ok(receipt));
		assert_eq!(purse(USD, LockReason::Channel), 600);
		assert_eq!((free(&PROVIDER, USD), free(&PLATFORM, USD)), (340, 40));
		assert!(matches!(
			last_event(),
			Event::Settled { source: Source::Channel(id), gross: 400, growth_pool: 10, .. }
				if id == [5; 32]
		));
		assert_noop!(
			FeeSplit::settle(Settle { source: Source::Agreement([5; 32]), ..slice(0, 400, 0) }),
			DispatchError::Other("InsufficientLocked")
		);
	});
}

#[test]
fn settle_should_divide_the_same_when_a_sum_is_claimed_in_slices() {
	build_and_execute(|| {
		fund_channel(1_000);
		for settled in 0..1_000 {
			assert_ok!(FeeSplit::settle(slice(settled, 1, 0)));
		}
		assert_eq!((free(&PROVIDER, USD), free(&PLATFORM, USD)), (850, 100));
		assert_eq!(
			Totals::<Test>::get(USD),
			LifetimeTotals {
				gross: 1_000,
				provider: 850,
				platform: 100,
				referral: 50,
				settlements: 1_000
			}
		);
	});
}

#[test]
fn settle_should_keep_the_rates_of_a_channel_when_the_schedule_has_changed() {
	build_and_execute(|| {
		fund_channel(2_000);
		let opened_under = FeeSplit::current_schedule();
		assert_ok!(FeeSplit::settle(slice(0, 1_000, opened_under)));
		assert_ok!(propose(80, 15, 5));
		at(FeeSplit::pending().unwrap().1);
		assert_ne!(FeeSplit::current_schedule(), opened_under);
		let Receipt { shares, .. } = FeeSplit::settle(slice(1_000, 1_000, opened_under)).unwrap();
		assert_eq!(shares, Shares { provider: 850, platform: 100, referral: 50 });
	});
}

#[test]
fn settle_should_make_no_row_when_a_share_is_zero() {
	build_and_execute(|| {
		fund_channel(10);
		assert_ok!(FeeSplit::settle(slice(0, 10, 0)));
		assert_eq!((free(&PROVIDER, USD), free(&PLATFORM, USD)), (9, 1));
		assert!(!has_row(&REFERRER, USD) && !has_row(&POOL, USD));
	});
}

#[test]
fn settle_should_pay_the_pool_alone_when_nobody_is_rewarded() {
	build_and_execute(|| {
		MockRewards::mock_distribute(|asset, payer, provider, pot| {
			assert_eq!((asset, payer, provider, pot), (&USD, &PAYER, &PROVIDER, 50));
			Distributed { growth_pool: pot, ..Default::default() }
		});
		fund_channel(1_000);
		assert_ok!(FeeSplit::settle(slice(0, 1_000, 0)));
		assert_eq!(free(&POOL, USD), 50);
		assert!(!has_row(&REFERRER, USD));
	});
}

#[test]
fn settle_should_not_ask_for_rewards_when_there_is_no_referral_share() {
	build_and_execute(|| {
		MockRewards::mock_distribute(|_, _, _, _| panic!("asked"));
		assert_ok!(propose(100, 0, 0));
		fund_channel(1_000);
		assert_ok!(FeeSplit::settle(slice(0, 1_000, 1)));
		assert_eq!(free(&PROVIDER, USD), 1_000);
	});
}

#[test]
fn settle_should_fail_when_gross_is_zero() {
	build_and_execute(|| {
		fund_channel(1_000);
		assert_noop!(FeeSplit::settle(slice(0, 0, 0)), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn settle_should_fail_when_the_schedule_does_not_exist() {
	build_and_execute(|| {
		fund_channel(1_000);
		assert_noop!(FeeSplit::settle(slice(0, 1, 1)), Error::<Test>::UnknownSchedule);
	});
}

#[test]
fn settle_should_fail_when_the_cumulative_total_overflows() {
	build_and_execute(|| {
		fund_channel(1_000);
		assert_noop!(FeeSplit::settle(slice(Balance::MAX, 1, 0)), Error::<Test>::Overflow);
	});
}

#[test]
fn settle_should_fail_and_leave_nothing_when_the_purse_runs_short() {
	build_and_execute(|| {
		// Enough for the provider's share, not for the platform's.
		fund_channel(900);
		assert_noop!(
			FeeSplit::settle(slice(0, 1_000, 0)),
			DispatchError::Other("InsufficientLocked")
		);
		assert_eq!((free(&PROVIDER, USD), heard()), (0, None));
	});
}

#[test]
fn settle_should_fail_and_leave_nothing_when_the_distribution_is_not_the_pot() {
	let refused: [fn(Balance) -> Distributed; 7] = [
		|pot| Distributed { sides: 3, growth_pool: pot, ..Default::default() },
		|pot| Distributed { rewards: vec![reward(pot + 1)], sides: 1, growth_pool: 0 },
		|pot| Distributed { rewards: vec![reward(pot)], sides: 1, growth_pool: 1 },
		|pot| Distributed { rewards: vec![reward(pot - 1)], sides: 1, growth_pool: 0 },
		|_| Distributed::default(),
		|_| Distributed {
			rewards: vec![reward(Balance::MAX), reward(51)],
			sides: 1,
			growth_pool: 0,
		},
		|_| Distributed { rewards: vec![reward(1)], sides: 1, growth_pool: Balance::MAX },
	];
	for distributed in refused {
		build_and_execute(|| {
			MockRewards::mock_distribute(move |_, _, _, pot| distributed(pot));
			fund_channel(1_000);
			assert_noop!(FeeSplit::settle(slice(0, 1_000, 0)), Error::<Test>::DistributionMismatch);
			assert_noop!(
				FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1_000, [7; 32]),
				Error::<Test>::DistributionMismatch
			);
			assert_eq!((events().len(), heard()), (0, None));
		});
	}
}

#[test]
fn settle_should_fail_when_there_are_more_rewards_than_two_sides_can_have() {
	build_and_execute(|| {
		fund_channel(2_000);
		let many = |count: usize| {
			MockRewards::mock_distribute(move |_, _, _, pot| Distributed {
				rewards: vec![reward(1); count],
				sides: 2,
				growth_pool: pot - count as Balance,
			});
		};
		many(2 * MAX_DEPTH);
		assert_ok!(FeeSplit::settle(slice(0, 1_000, 0)));
		many(2 * MAX_DEPTH + 1);
		assert_noop!(FeeSplit::settle(slice(1_000, 1_000, 0)), Error::<Test>::DistributionMismatch);
	});
}

#[test]
fn settle_should_leave_nothing_of_a_failed_item_when_the_caller_goes_on() {
	build_and_execute(|| {
		fund_channel(1_500);
		// A best-effort batch: no layer of its own around an item.
		let results: Vec<bool> = [(0, 1_000), (1_000, 1_000), (1_000, 500)]
			.map(|(before, gross)| FeeSplit::settle(slice(before, gross, 0)).is_ok())
			.into();
		assert_eq!(results, [true, false, true]);
		assert_eq!((free(&PROVIDER, USD), events().len()), (1_275, 2));
		assert_eq!(Totals::<Test>::get(USD).settlements, 2);
	});
}

#[test]
fn settle_should_pay_when_the_lifetime_totals_are_full() {
	build_and_execute(|| {
		let full = LifetimeTotals {
			gross: Balance::MAX,
			provider: Balance::MAX - 2,
			platform: 1,
			referral: 1,
			settlements: 1,
		};
		Totals::<Test>::insert(USD, full);
		fund_channel(1_000);
		assert_ok!(FeeSplit::settle(slice(0, 1_000, 0)));
		assert_eq!(free(&PROVIDER, USD), 850);
		assert_eq!(Totals::<Test>::get(USD), full);
	});
}

#[test]
fn settle_should_divide_any_amount_when_it_is_the_largest() {
	new_test_ext().execute_with(|| {
		use stoa_primitives::mock::MockLedger;
		MockLedger::mock_pay_locked(|_, _, _, _| Ok(()));
		assert!(Schedules::<Test>::contains_key(0));
		let shares = FeeSplit::settle(slice(0, Balance::MAX, 0)).unwrap();
		assert_eq!(shares.shares.total(), Some(Balance::MAX));
	});
}
