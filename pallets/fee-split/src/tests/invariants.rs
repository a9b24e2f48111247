use crate::{mock::*, Current, LifetimeTotals, NextSchedule, Pending, Schedules, Totals};
use codec::{Decode, Encode};
use frame_support::assert_ok;
use stoa_primitives::money::Schedule;

/// `try_state` accepts a healthy state and names the invariant that `damage` breaks.
fn broken(invariant: &'static str, damage: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		assert_ok!(propose(90, 6, 4));
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1_000, [7; 32]));
		assert_sound();
		damage();
		let error = format!("{:?}", FeeSplit::do_try_state().unwrap_err());
		assert!(error.contains(invariant), "{error}");
	});
}

#[test]
fn try_state_should_fail_when_numbers_have_gaps() {
	broken("1: a schedule is missing", || Schedules::<Test>::remove(1));
	broken("1: a schedule is missing", || NextSchedule::<Test>::put(3));
	broken("1: a number is ahead", || NextSchedule::<Test>::put(1));
}

#[test]
fn try_state_should_fail_when_a_schedule_is_out_of_bounds() {
	for rates in
		[[850_000u32, 100_000, 40_000], [790_000, 160_000, 50_000], [850_000, 70_000, 80_000]]
	{
		let forged = Schedule::decode(&mut &rates.encode()[..]).unwrap();
		broken("2: a schedule", || Schedules::<Test>::insert(1, forged));
	}
}

#[test]
fn try_state_should_fail_when_the_current_or_pending_schedule_is_wrong() {
	broken("3: the current schedule does not", || Current::<Test>::put(2));
	broken("3: the pending schedule does not", || Pending::<Test>::put((2, 7)));
	broken("3: the current schedule is pending", || Pending::<Test>::put((0, 7)));
}

#[test]
fn try_state_should_fail_when_totals_do_not_sum() {
	broken("4: totals do not sum", || Totals::<Test>::mutate(USD, |totals| totals.gross += 1));
	broken("4: totals without", || Totals::<Test>::insert(STOA, LifetimeTotals::default()));
}
