use crate::{mock::*, Free, Row};
use frame_support::assert_ok;
use frame_system::RefCount;
use stoa_primitives::money::LockReason::Channel;

fn flag(asset: stoa_primitives::AssetId) -> Option<bool> {
	row(&NOBODY, asset).map(|row| row.sufficient)
}

fn references() -> RefCount {
	System::sufficients(&NOBODY)
}

fn pay(amount: u128) {
	assert_ok!(lock(&DAVE, USD, amount, Channel));
	assert_ok!(pay_locked(&NOBODY, USD, amount, Channel));
}

#[test]
fn account_should_exist_when_a_row_reaches_the_dust_bound() {
	build_and_execute(|| {
		give(DAVE, USD, 1_000);
		pay(USD_DUST - 1);
		assert_eq!((flag(USD), references()), (Some(false), 0));
		assert!(!System::account_exists(&NOBODY));
		pay(1);
		assert_eq!((flag(USD), references()), (Some(true), 1));
		assert!(System::account_exists(&NOBODY));
		pay(1);
		assert_eq!((flag(USD), references()), (Some(true), 1));
	});
}

#[test]
fn references_should_be_one_per_row_when_an_account_has_several() {
	build_and_execute(|| {
		give(NOBODY, USD, 500);
		give(NOBODY, STOA, 500);
		assert_eq!(references(), 2);
		assert_ok!(Credits::withdraw(signed(NOBODY), USD, 500, BOB));
		assert_eq!((flag(USD), flag(STOA), references()), (None, Some(true), 1));
		assert_ok!(lock(&NOBODY, STOA, 500, Channel));
		assert_eq!(references(), 0);
		assert!(!System::account_exists(&NOBODY));
		assert_ok!(unlock(&NOBODY, STOA, 500, Channel));
		assert_eq!((flag(STOA), references()), (Some(true), 1));
	});
}

#[test]
fn reference_should_stay_when_the_row_falls_below_the_dust_bound() {
	build_and_execute(|| {
		give(NOBODY, USD, USD_DUST);
		assert_ok!(lock(&NOBODY, USD, USD_DUST - 1, Channel));
		assert_eq!((flag(USD), references()), (Some(true), 1));
		assert_ok!(Credits::withdraw(signed(NOBODY), USD, 1, BOB));
		assert_eq!((flag(USD), references()), (None, 0));
	});
}

#[test]
fn reference_should_stay_when_the_bound_rises_or_the_asset_is_stopped() {
	build_and_execute(|| {
		give(NOBODY, USD, USD_DUST);
		assert_ok!(Credits::accept_asset(RuntimeOrigin::root(), USD, 10 * USD_DUST));
		give(DAVE, USD, 1_000);
		pay(1);
		assert_eq!((flag(USD), references()), (Some(true), 1));
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		pay(1);
		assert_eq!((flag(USD), references()), (Some(true), 1));
		assert_ok!(Credits::withdraw(signed(NOBODY), USD, USD_DUST + 2, BOB));
		assert_eq!((flag(USD), references()), (None, 0));
	});
}

#[test]
fn reference_should_be_added_by_the_next_credit_when_the_bound_has_fallen() {
	build_and_execute(|| {
		give(DAVE, USD, 1_000);
		pay(10);
		assert_ok!(Credits::accept_asset(RuntimeOrigin::root(), USD, 5));
		assert_eq!(references(), 0);
		pay(1);
		assert_eq!((flag(USD), references()), (Some(true), 1));
	});
}

#[test]
fn reference_should_not_be_added_when_the_asset_is_not_accepted() {
	build_and_execute(|| {
		give(DAVE, USD, 1_000);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		pay(500);
		assert_eq!((flag(USD), references()), (Some(false), 0));
		assert_ok!(lock(&NOBODY, USD, 500, Channel));
		assert_eq!(references(), 0);
		assert_ok!(unlock(&NOBODY, USD, 500, Channel));
	});
}

#[test]
fn reference_should_not_be_added_when_the_counter_is_at_its_maximum() {
	build_and_execute(|| {
		frame_system::Account::<Test>::mutate(NOBODY, |account| {
			account.sufficients = RefCount::MAX
		});
		give(NOBODY, USD, 500);
		assert_eq!(flag(USD), Some(false));
		assert_ok!(Credits::withdraw(signed(NOBODY), USD, 500, BOB));
		assert_eq!(references(), RefCount::MAX);
	});
}

#[test]
fn references_of_others_should_stay_when_a_row_goes() {
	build_and_execute(|| {
		System::inc_sufficients(&NOBODY);
		System::inc_account_nonce(&NOBODY);
		give(NOBODY, USD, 500);
		assert_ok!(Credits::withdraw(signed(NOBODY), USD, 500, BOB));
		assert_eq!((references(), System::account_nonce(&NOBODY)), (1, 1));
	});
}

#[test]
#[should_panic(expected = "a flagged row has no reference")]
fn removing_a_flagged_row_should_be_reported_when_the_reference_is_missing() {
	new_test_ext().execute_with(|| {
		give(ALICE, USD, 500);
		Free::<Test>::insert(ALICE, STOA, Row { free: 1, sufficient: true });
		crate::Issued::<Test>::insert(STOA, 1);
		while System::sufficients(&ALICE) > 0 {
			System::dec_sufficients(&ALICE);
		}
		let _ = Credits::withdraw(signed(ALICE), STOA, 1, BOB);
	});
}
