use crate::{mock::*, Current, Error, Event, NextSchedule, Pending, MIN_NOTICE_PERIOD};
use frame_support::{assert_noop, assert_ok, traits::Hooks};
use sp_runtime::{BuildStorage, DispatchError, Permill};
use stoa_primitives::{
	money::{Schedule, ScheduleId},
	traits::Settlement,
	BlockNumber,
};

fn percent(percent: u32) -> Permill {
	Permill::from_percent(percent)
}

#[test]
fn genesis_should_write_schedule_zero() {
	build_and_execute(|| {
		assert_eq!(FeeSplit::schedule(0), Some(Schedule::GENESIS));
		assert_eq!((FeeSplit::current(), NextSchedule::<Test>::get()), (0, 1));
		assert_eq!(FeeSplit::pending(), None);
	});
}

#[test]
#[should_panic(expected = "no schedule: NotWhole")]
fn genesis_should_panic_when_rates_are_no_schedule() {
	let _ = crate::GenesisConfig::<Test> { provider: percent(80), ..Default::default() }
		.build_storage();
}

#[test]
fn propose_schedule_should_take_effect_after_the_notice_period() {
	build_and_execute(|| {
		at(100);
		assert_ok!(propose(90, 6, 4));
		let effective = 100 + MIN_NOTICE_PERIOD;
		assert_eq!(
			last_event(),
			Event::ScheduleProposed {
				schedule: 1,
				provider: percent(90),
				platform: percent(6),
				referral: percent(4),
				effective,
			}
		);
		assert_eq!(FeeSplit::pending(), Some((1, effective)));
		at(effective - 1);
		assert_eq!((FeeSplit::current_schedule(), FeeSplit::pending()), (0, Some((1, effective))));
		at(effective);
		assert_eq!((FeeSplit::current_schedule(), FeeSplit::pending()), (1, None));
		assert_eq!(FeeSplit::schedule(0), Some(Schedule::GENESIS));
	});
}

#[test]
fn propose_schedule_should_replace_a_proposal_that_has_not_taken_effect() {
	build_and_execute(|| {
		assert_ok!(propose(90, 6, 4));
		at(MIN_NOTICE_PERIOD);
		assert_ok!(propose(95, 3, 2));
		assert!(events().contains(&Event::ScheduleCancelled { schedule: 1 }));
		assert_eq!(FeeSplit::pending(), Some((2, 2 * MIN_NOTICE_PERIOD)));
		// The notice of the first proposal does not count for the second.
		at(MIN_NOTICE_PERIOD + 1);
		assert_eq!(FeeSplit::current_schedule(), 0);
		at(2 * MIN_NOTICE_PERIOD);
		assert_eq!(FeeSplit::current_schedule(), 2);
	});
}

#[test]
fn propose_schedule_should_keep_a_proposal_that_has_taken_effect() {
	build_and_execute(|| {
		assert_ok!(propose(90, 6, 4));
		at(1 + MIN_NOTICE_PERIOD);
		assert_ok!(propose(95, 3, 2));
		assert!(!events().iter().any(|event| matches!(event, Event::ScheduleCancelled { .. })));
		assert_eq!((Current::<Test>::get(), FeeSplit::current_schedule()), (1, 1));
		at(1 + 2 * MIN_NOTICE_PERIOD);
		assert_eq!(FeeSplit::current_schedule(), 2);
	});
}

#[test]
fn propose_schedule_should_fail_when_rates_do_not_sum_to_100_percent() {
	build_and_execute(|| {
		assert_noop!(propose(85, 10, 4), Error::<Test>::RatesNotWhole);
		assert_noop!(propose(100, 100, 100), Error::<Test>::RatesNotWhole);
		assert_noop!(propose(0, 0, 0), Error::<Test>::RatesNotWhole);
	});
}

#[test]
fn propose_schedule_should_fail_when_the_provider_gets_less_than_80_percent() {
	build_and_execute(|| {
		assert_noop!(propose(79, 16, 5), Error::<Test>::ProviderBelowMinimum);
		assert_ok!(propose(80, 15, 5));
	});
}

#[test]
fn propose_schedule_should_fail_when_the_platform_gets_less_than_referrers() {
	build_and_execute(|| {
		assert_noop!(propose(85, 7, 8), Error::<Test>::PlatformBelowReferral);
		assert_ok!(propose(84, 8, 8));
	});
}

#[test]
fn propose_schedule_should_fail_when_no_number_or_block_is_left() {
	new_test_ext().execute_with(|| {
		NextSchedule::<Test>::put(ScheduleId::MAX);
		assert_noop!(propose(90, 6, 4), Error::<Test>::Overflow);
		NextSchedule::<Test>::put(1);
		at(BlockNumber::MAX - MIN_NOTICE_PERIOD + 1);
		assert_noop!(propose(90, 6, 4), Error::<Test>::Overflow);
	});
}

#[test]
fn cancel_schedule_should_remove_a_pending_proposal() {
	build_and_execute(|| {
		assert_ok!(propose(90, 6, 4));
		at(MIN_NOTICE_PERIOD);
		assert_ok!(FeeSplit::cancel_schedule(RuntimeOrigin::root()));
		assert_eq!(last_event(), Event::ScheduleCancelled { schedule: 1 });
		at(10 * MIN_NOTICE_PERIOD);
		assert_eq!(FeeSplit::current_schedule(), 0);
		// Its number is not used again.
		assert_ok!(propose(95, 3, 2));
		assert_eq!(Pending::<Test>::get().map(|(schedule, _)| schedule), Some(2));
	});
}

#[test]
fn cancel_schedule_should_fail_when_nothing_is_pending() {
	build_and_execute(|| {
		assert_noop!(
			FeeSplit::cancel_schedule(RuntimeOrigin::root()),
			Error::<Test>::NoPendingSchedule
		);
	});
}

#[test]
fn cancel_schedule_should_fail_when_the_proposal_has_taken_effect() {
	build_and_execute(|| {
		assert_ok!(propose(90, 6, 4));
		at(1 + MIN_NOTICE_PERIOD);
		assert_noop!(
			FeeSplit::cancel_schedule(RuntimeOrigin::root()),
			Error::<Test>::NoPendingSchedule
		);
		assert_eq!(FeeSplit::current_schedule(), 1);
	});
}

#[test]
fn admin_calls_should_fail_when_the_origin_is_not_the_admin() {
	build_and_execute(|| {
		assert_noop!(
			FeeSplit::propose_schedule(signed(PAYER), percent(90), percent(6), percent(4)),
			DispatchError::BadOrigin
		);
		assert_noop!(FeeSplit::cancel_schedule(signed(PAYER)), DispatchError::BadOrigin);
	});
}

#[test]
fn integrity_test_should_pass_when_the_notice_period_is_the_shortest_allowed() {
	new_test_ext().execute_with(FeeSplit::integrity_test);
}
