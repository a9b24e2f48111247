use crate::{mock::*, Error, Event, Row};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, TokenError};
use stoa_primitives::{AssetId, Balance};

#[test]
fn deposit_should_credit_the_beneficiary_when_the_asset_is_accepted() {
	build_and_execute(|| {
		for asset in [STOA, USD] {
			let held = real(&Credits::custody(), asset.clone());
			assert_ok!(Credits::deposit(signed(ALICE), asset.clone(), 500, BOB));
			assert_eq!(row(&BOB, asset.clone()), Some(Row { free: 500, sufficient: true }));
			assert_eq!(row(&ALICE, asset.clone()), None);
			assert_eq!(real(&ALICE, asset.clone()), START - 500);
			assert_eq!(real(&Credits::custody(), asset.clone()), held + 500);
			assert_eq!(
				last_event(),
				Event::Deposited { who: ALICE, beneficiary: BOB, asset, amount: 500 }
			);
		}
	});
}

#[test]
fn deposit_should_succeed_when_the_row_is_exactly_at_the_dust_bound() {
	build_and_execute(|| {
		assert_ok!(Credits::deposit(signed(ALICE), USD, USD_DUST, ALICE));
		assert_eq!(free(&ALICE, USD), USD_DUST);
	});
}

#[test]
fn deposit_should_accept_less_than_the_dust_bound_when_the_row_is_above_it_after() {
	build_and_execute(|| {
		give(BOB, USD, USD_DUST);
		assert_ok!(Credits::deposit(signed(ALICE), USD, 1, BOB));
		assert_eq!(free(&BOB, USD), USD_DUST + 1);
	});
}

#[test]
fn deposit_should_fail_when_the_row_stays_below_the_dust_bound() {
	build_and_execute(|| {
		assert_noop!(
			Credits::deposit(signed(ALICE), USD, USD_DUST - 1, BOB),
			Error::<Test>::BelowDustBound
		);
	});
}

#[test]
fn deposit_should_fail_when_the_amount_is_zero() {
	build_and_execute(|| {
		give(BOB, USD, USD_DUST);
		assert_noop!(Credits::deposit(signed(ALICE), USD, 0, BOB), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn deposit_should_fail_when_the_asset_is_not_accepted() {
	build_and_execute(|| {
		for asset in [EUR, AssetId::WithId(77)] {
			assert_noop!(
				Credits::deposit(signed(ALICE), asset, 500, ALICE),
				Error::<Test>::AssetNotAccepted
			);
		}
	});
}

#[test]
fn deposit_should_fail_when_the_depositor_has_less() {
	build_and_execute(|| {
		for (asset, amount) in [(STOA, START + 1), (USD, Balance::MAX)] {
			assert_noop!(
				Credits::deposit(signed(ALICE), asset, amount, ALICE),
				Error::<Test>::InsufficientAssets
			);
		}
	});
}

#[test]
fn deposit_should_fail_when_the_row_would_overflow() {
	build_and_execute(|| {
		give(BOB, USD, USD_DUST);
		assert_noop!(
			Credits::deposit(signed(ALICE), USD, Balance::MAX, BOB),
			Error::<Test>::Overflow
		);
	});
}

#[test]
fn deposit_should_keep_the_depositors_account_alive() {
	build_and_execute(|| {
		assert_noop!(
			Credits::deposit(signed(ALICE), STOA, START, ALICE),
			TokenError::NotExpendable
		);
		assert_ok!(Credits::deposit(signed(ALICE), STOA, START - ED, ALICE));
		assert_eq!(real(&ALICE, STOA), ED);
	});
}

#[test]
fn deposit_should_fail_when_the_beneficiary_is_custody() {
	build_and_execute(|| {
		assert_noop!(
			Credits::deposit(signed(ALICE), USD, 500, Credits::custody()),
			Error::<Test>::CustodyNotAllowed
		);
	});
}

#[test]
fn deposit_should_fail_when_custody_deposits_from_itself() {
	build_and_execute(|| {
		assert_ok!(Credits::deposit(signed(ALICE), USD, 500, BOB));
		assert_noop!(
			Credits::deposit(signed(Credits::custody()), USD, 200, BOB),
			Error::<Test>::ZeroAmount
		);
	});
}

#[test]
fn deposit_should_fail_when_the_origin_is_not_signed() {
	build_and_execute(|| {
		assert_noop!(
			Credits::deposit(RuntimeOrigin::root(), USD, 500, ALICE),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn deposit_should_fail_when_custody_cannot_receive() {
	build_and_execute(|| {
		assert_ok!(Assets::block(signed(DAVE), 1, Credits::custody()));
		assert_noop!(Credits::deposit(signed(ALICE), USD, 500, ALICE), TokenError::Blocked);
	});
}
