use crate::{mock::*, Error, Event};
use frame_support::{assert_err, assert_noop, assert_ok, assert_storage_noop};
use stoa_primitives::{
	money::LockReason::{Agreement, Channel, Charge},
	traits::Ledger,
	Balance,
};

#[test]
fn lock_should_move_free_credits_into_the_purse() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 200, Channel));
		assert_eq!((free(&ALICE, USD), purse(USD, Channel)), (300, 200));
		assert_eq!(<Credits as Ledger>::free(&ALICE, &USD), 300);
		assert_eq!(
			last_event(),
			Event::Locked { who: ALICE, asset: USD, amount: 200, reason: Channel }
		);
	});
}

#[test]
fn lock_should_fail_when_credits_are_missing() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		for (who, asset, amount) in
			[(ALICE, USD, 501), (ALICE, STOA, 1), (BOB, USD, 1), (ALICE, USD, Balance::MAX)]
		{
			assert_noop!(lock(&who, asset, amount, Channel), Error::<Test>::InsufficientCredits);
		}
	});
}

#[test]
fn unlock_should_give_back_what_was_locked() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 500, Agreement));
		assert_ok!(unlock(&ALICE, USD, 200, Agreement));
		assert_eq!((free(&ALICE, USD), purse(USD, Agreement)), (200, 300));
		assert_eq!(
			last_event(),
			Event::Unlocked { who: ALICE, asset: USD, amount: 200, reason: Agreement }
		);
	});
}

#[test]
fn pay_locked_should_credit_the_beneficiary_and_emit_nothing() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 500, Charge));
		let before = events();
		assert_ok!(pay_locked(&BOB, USD, 1, Charge));
		assert_ok!(pay_locked(&NOBODY, USD, 499, Charge));
		assert_eq!((free(&BOB, USD), free(&NOBODY, USD), purse(USD, Charge)), (1, 499, 0));
		assert_eq!(events(), before);
	});
}

#[test]
fn purses_should_be_separate_when_one_is_overdrawn() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		give(ALICE, STOA, 500);
		assert_ok!(lock(&ALICE, USD, 200, Channel));
		assert_ok!(lock(&ALICE, USD, 300, Agreement));
		assert_ok!(lock(&ALICE, STOA, 300, Channel));
		for (asset, amount, reason) in
			[(USD, 201, Channel), (USD, 301, Agreement), (USD, 1, Charge), (STOA, 1, Agreement)]
		{
			assert_noop!(
				pay_locked(&BOB, asset.clone(), amount, reason),
				Error::<Test>::InsufficientLocked
			);
			assert_noop!(unlock(&ALICE, asset, amount, reason), Error::<Test>::InsufficientLocked);
		}
	});
}

#[test]
fn ledger_should_do_nothing_when_the_amount_is_zero() {
	build_and_execute(|| {
		let before = events();
		assert_storage_noop!({
			assert_ok!(Credits::lock(&NOBODY, &USD, 0, Channel));
			assert_ok!(Credits::unlock(&NOBODY, &USD, 0, Channel));
			assert_ok!(Credits::pay_locked(&NOBODY, &USD, 0, Channel));
		});
		assert_eq!(events(), before);
	});
}

#[test]
fn ledger_should_move_credits_when_the_asset_is_no_longer_accepted() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		assert_ok!(lock(&ALICE, USD, 500, Channel));
		assert_ok!(pay_locked(&BOB, USD, 300, Channel));
		assert_ok!(unlock(&ALICE, USD, 200, Channel));
		assert_eq!((free(&ALICE, USD), free(&BOB, USD)), (200, 300));
	});
}

#[test]
fn ledger_should_fail_when_a_sum_overflows() {
	new_test_ext().execute_with(|| {
		crate::Locked::<Test>::insert(USD, Channel, Balance::MAX);
		crate::Locked::<Test>::insert(USD, Charge, Balance::MAX);
		assert_ok!(Credits::pay_locked(&ALICE, &USD, Balance::MAX, Channel));
		assert_err!(Credits::pay_locked(&ALICE, &USD, 1, Charge), Error::<Test>::Overflow);
		crate::Locked::<Test>::insert(USD, Agreement, Balance::MAX);
		assert_err!(Credits::lock(&ALICE, &USD, 1, Agreement), Error::<Test>::Overflow);
	});
}

#[test]
fn parts_should_be_paid_from_one_purse_all_or_none() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 300, Channel));
		let pay = |parts: &[_]| pay_locked_parts(parts, USD, Channel);
		let (bob, nobody) = (BOB, NOBODY);
		let short = Error::<Test>::InsufficientLocked;
		assert_noop!(pay(&[(&bob, 200), (&nobody, 101)]), short);
		let huge = [(&bob, Balance::MAX), (&nobody, 1)];
		assert_noop!(pay(&huge), Error::<Test>::Overflow);
		assert_storage_noop!(pay(&[(&bob, 0)]).unwrap());
		assert_ok!(pay(&[(&bob, 150), (&nobody, 0), (&bob, 100)]));
		assert_eq!((free(&BOB, USD), free(&NOBODY, USD)), (250, 0));
		assert_eq!(crate::Locked::<Test>::get(USD, Channel), 50);
		// The last of it takes the row away.
		assert_ok!(pay(&[(&bob, 50)]));
		assert!(!crate::Locked::<Test>::contains_key(USD, Channel));
	});
}
