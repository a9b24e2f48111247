use crate::{mock::*, Accepted, Free, Issued, Locked, Row};
use frame_support::assert_ok;
use stoa_primitives::{
	money::LockReason::{Channel, Charge},
	traits::Ledger,
};

/// `try_state` accepts a healthy ledger and names the invariant that `damage` breaks.
fn broken(invariant: &'static str, damage: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 100, Channel));
		assert_ok!(Credits::do_try_state());
		damage();
		let error = format!("{:?}", Credits::do_try_state().unwrap_err());
		assert!(error.contains(invariant), "{error}");
	});
}

#[test]
fn try_state_should_fail_when_issued_is_not_the_sum() {
	broken("1: issued is not", || Issued::<Test>::insert(USD, 501));
	broken("1: issued is not", || {
		Free::<Test>::insert(BOB, STOA, Row { free: 1, sufficient: false })
	});
	broken("1: issued is not", || Locked::<Test>::remove(USD, Channel));
}

#[test]
fn try_state_should_fail_when_custody_holds_too_little() {
	broken("2: custody", || {
		assert_ok!(Assets::burn(signed(DAVE), 1, Credits::custody(), 1));
	});
	broken("2: custody", || {
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		assert_ok!(Assets::burn(signed(DAVE), 1, Credits::custody(), 1));
		assert_ok!(Credits::do_try_state());
		assert_ok!(Assets::burn(signed(DAVE), 1, Credits::custody(), 1));
	});
	// An accepted asset of which nothing is issued yet.
	broken("2: custody", || Accepted::<Test>::insert(EUR, 50));
}

#[test]
fn try_state_should_fail_when_a_zero_is_stored() {
	let empty = Row { free: 0, sufficient: false };
	broken("1: issued is not", || Free::<Test>::insert(BOB, STOA, empty));
	broken("3: a row is empty", || Free::<Test>::insert(BOB, USD, empty));
	broken("3: an empty purse", || Locked::<Test>::insert(USD, Charge, 0));
	broken("3: a dust bound", || Accepted::<Test>::insert(USD, 0));
}

#[test]
fn try_state_should_fail_when_a_flagged_row_is_not_counted() {
	broken("4: a flagged row", || {
		while System::sufficients(&ALICE) > 0 {
			System::dec_sufficients(&ALICE);
		}
	});
}

#[test]
fn try_state_should_fail_when_a_purse_differs_from_what_its_pallet_says() {
	broken("5: a purse", || Credits::lock(&ALICE, &USD, 1, Channel).unwrap());
	broken("5: a purse", || Credits::lock(&ALICE, &USD, 1, Charge).unwrap());
	broken("5: a purse", || Credits::unlock(&ALICE, &USD, 1, Channel).unwrap());
}
