//! The ledger as the SDK's fee adapters use it.

use crate::{mock::*, Issued, Row};
use frame_support::{
	assert_noop, assert_ok,
	traits::{
		fungibles::{Balanced, Credit, Inspect as _},
		tokens::{
			DepositConsequence,
			Fortitude::Polite,
			Precision::{BestEffort, Exact},
			Preservation::{Expendable, Protect},
			Provenance::Extant,
			WithdrawConsequence,
		},
	},
};
use sp_runtime::{DispatchError, TokenError};
use stoa_primitives::{AccountId, AssetId, Balance};

fn charge(
	who: &AccountId,
	asset: AssetId,
	amount: Balance,
) -> Result<Credit<AccountId, Credits>, DispatchError> {
	<Credits as Balanced<_>>::withdraw(asset, who, amount, Exact, Protect, Polite)
}

#[test]
fn fee_should_go_to_its_takers_when_it_is_resolved() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		let fee = charge(&ALICE, USD, 100).unwrap();
		assert_eq!((fee.peek(), free(&ALICE, USD)), (100, 400));
		let (refund, fee) = fee.split(30);
		assert_ok!(Credits::resolve(&ALICE, refund));
		let (treasury, author) = fee.split(56);
		assert_ok!(Credits::resolve(&BOB, treasury));
		assert_ok!(Credits::resolve(&NOBODY, author));
		assert_eq!((free(&ALICE, USD), free(&BOB, USD), free(&NOBODY, USD)), (430, 56, 14));
		assert_eq!(Issued::<Test>::get(USD), 500);
	});
}

#[test]
fn fee_should_no_longer_be_owed_when_it_is_dropped() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		drop(charge(&ALICE, USD, 100));
		assert_eq!((free(&ALICE, USD), Issued::<Test>::get(USD)), (400, 400));
		assert_eq!(real(&Credits::custody(), USD), 501);
	});
}

#[test]
fn fee_should_be_refused_when_credits_are_missing() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_eq!(Credits::can_withdraw(USD, &ALICE, 501), WithdrawConsequence::BalanceLow);
		assert_eq!(Credits::can_withdraw(USD, &NOBODY, 1), WithdrawConsequence::BalanceLow);
		assert_eq!(Credits::can_withdraw(USD, &NOBODY, 0), WithdrawConsequence::Success);
		assert_noop!(charge(&ALICE, USD, 501).map(drop), TokenError::FundsUnavailable);
		assert_noop!(charge(&NOBODY, USD, 1).map(drop), TokenError::FundsUnavailable);
	});
}

#[test]
fn fee_should_leave_the_last_unit_when_the_row_keeps_an_account_alive() {
	build_and_execute(|| {
		give(NOBODY, USD, 500);
		assert_eq!(Credits::can_withdraw(USD, &NOBODY, 500), WithdrawConsequence::WouldDie);
		assert_eq!(Credits::can_withdraw(USD, &NOBODY, 499), WithdrawConsequence::Success);
		assert_noop!(charge(&NOBODY, USD, 500).map(drop), TokenError::FundsUnavailable);
		drop(charge(&NOBODY, USD, 499));
		assert_eq!(row(&NOBODY, USD), Some(Row { free: 1, sufficient: true }));
		assert_eq!(Credits::reducible_balance(USD, &NOBODY, Protect, Polite), 0);
		assert_eq!(Credits::reducible_balance(USD, &NOBODY, Expendable, Polite), 1);
		drop(<Credits as Balanced<_>>::withdraw(USD, &NOBODY, 1, BestEffort, Expendable, Polite));
		assert_eq!((row(&NOBODY, USD), System::sufficients(&NOBODY)), (None, 0));
	});
}

#[test]
fn fee_should_take_all_of_a_row_that_keeps_no_account_alive() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::resolve(&NOBODY, charge(&ALICE, USD, USD_DUST - 1).unwrap()));
		assert_eq!(row(&NOBODY, USD), Some(Row { free: USD_DUST - 1, sufficient: false }));
		assert_eq!(Credits::reducible_balance(USD, &NOBODY, Protect, Polite), USD_DUST - 1);
		assert_ok!(Credits::resolve(&ALICE, charge(&NOBODY, USD, USD_DUST - 1).unwrap()));
		assert_eq!((row(&NOBODY, USD), free(&ALICE, USD)), (None, 500));
	});
}

#[test]
fn fee_taker_should_get_a_reference_when_its_row_reaches_the_dust_bound() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::resolve(&NOBODY, charge(&ALICE, USD, USD_DUST).unwrap()));
		assert_eq!(System::sufficients(&NOBODY), 1);
	});
}

#[test]
fn ledger_should_describe_itself_as_fungibles() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_eq!(Credits::total_issuance(USD), 500);
		assert_eq!(Credits::minimum_balance(USD), 0);
		assert_eq!(Credits::total_balance(USD, &ALICE), 500);
		assert!(Credits::asset_exists(USD) && !Credits::asset_exists(AssetId::WithId(77)));
		let can = |amount| Credits::can_deposit(USD, &ALICE, amount, Extant);
		assert_eq!(can(1), DepositConsequence::Success);
		assert_eq!(can(Balance::MAX), DepositConsequence::Overflow);
	});
}
