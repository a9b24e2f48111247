use crate::{mock::*, Error, Event, Free, Issued};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, TokenError};
use stoa_primitives::{mock::MockSpendGuard, money::LockReason, AccountId, AssetId, Balance};

#[test]
fn withdraw_should_pay_real_assets_when_credits_are_free() {
	build_and_execute(|| {
		for asset in [STOA, USD] {
			give(ALICE, asset.clone(), 500);
			assert_ok!(Credits::withdraw(signed(ALICE), asset.clone(), 200, BOB));
			assert_eq!(free(&ALICE, asset.clone()), 300);
			assert_eq!(real(&BOB, asset.clone()), START + 200);
			assert_eq!(Issued::<Test>::get(&asset), 300);
			assert_eq!(last_event(), Event::Withdrawn { who: ALICE, to: BOB, asset, amount: 200 });
		}
	});
}

#[test]
fn withdraw_should_leave_custody_its_minimum_balance_when_the_last_credit_goes() {
	build_and_execute(|| {
		for (asset, minimum) in [(STOA, ED), (USD, 1)] {
			give(ALICE, asset.clone(), 500);
			assert_ok!(Credits::withdraw(signed(ALICE), asset.clone(), 500, ALICE));
			assert_eq!(real(&Credits::custody(), asset.clone()), minimum);
			assert!(!Free::<Test>::contains_key(ALICE, asset.clone()));
			assert!(!Issued::<Test>::contains_key(asset));
		}
	});
}

#[test]
fn withdraw_should_succeed_when_the_asset_is_no_longer_accepted() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 1, BOB));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 499, BOB));
		assert_eq!(real(&BOB, USD), START + 500);
	});
}

#[test]
fn withdraw_should_fail_when_the_amount_is_zero() {
	build_and_execute(|| {
		assert_noop!(Credits::withdraw(signed(ALICE), USD, 0, ALICE), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn withdraw_should_fail_when_credits_are_missing() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		give(BOB, USD, 500);
		for (who, asset, amount) in
			[(ALICE, USD, 501), (ALICE, USD, Balance::MAX), (ALICE, STOA, 1), (CHARLIE, USD, 1)]
		{
			assert_noop!(
				Credits::withdraw(signed(who), asset, amount, ALICE),
				Error::<Test>::InsufficientCredits
			);
		}
		assert_noop!(
			Credits::withdraw(signed(ALICE), AssetId::WithId(77), 1, ALICE),
			Error::<Test>::UnknownAsset
		);
	});
}

#[test]
fn withdraw_should_leave_nothing_or_the_dust_bound() {
	build_and_execute(|| {
		give(ALICE, USD, 2 * USD_DUST);
		for amount in [USD_DUST + 1, 2 * USD_DUST - 1] {
			assert_noop!(
				Credits::withdraw(signed(ALICE), USD, amount, BOB),
				Error::<Test>::LeavesDust
			);
		}
		assert_ok!(Credits::withdraw(signed(ALICE), USD, USD_DUST, BOB));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, USD_DUST, BOB));
		assert_eq!(row(&ALICE, USD), None);
		// An exit stays open from below the bound, and for an asset that is not accepted any more.
		give(ALICE, USD, 2 * USD_DUST);
		assert_ok!(lock(&ALICE, USD, USD_DUST + 1, LockReason::Channel));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, USD_DUST - 1, BOB));
		give(ALICE, USD, 2 * USD_DUST);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 2 * USD_DUST - 1, BOB));
	});
}

#[test]
fn withdraw_should_fail_when_credits_are_locked() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 400, LockReason::Channel));
		assert_noop!(
			Credits::withdraw(signed(ALICE), USD, 101, ALICE),
			Error::<Test>::InsufficientCredits
		);
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 100, ALICE));
	});
}

#[test]
fn withdraw_should_fail_when_the_guard_refuses() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		MockSpendGuard::mock_ensure_may_withdraw(|who, to, asset, amount| {
			assert_eq!((who, asset, amount), (&ALICE, &USD, 200));
			if *to == BOB {
				Ok(())
			} else {
				Err(DispatchError::Other("not allowed"))
			}
		});
		assert_noop!(
			Credits::withdraw(signed(ALICE), USD, 200, CHARLIE),
			DispatchError::Other("not allowed")
		);
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 200, BOB));
	});
}

#[test]
fn withdraw_should_fail_and_change_nothing_when_the_receiver_cannot_receive() {
	build_and_execute(|| {
		give(ALICE, STOA, 500);
		assert_noop!(
			Credits::withdraw(signed(ALICE), STOA, ED - 1, NOBODY),
			TokenError::BelowMinimum
		);
		assert_ok!(Credits::withdraw(signed(ALICE), STOA, ED, NOBODY));

		give(ALICE, USD, 500);
		assert_ok!(Assets::block(signed(DAVE), 1, BOB));
		assert_noop!(Credits::withdraw(signed(ALICE), USD, 200, BOB), TokenError::Blocked);
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 200, CHARLIE));
	});
}

#[test]
fn withdraw_should_fail_and_lose_nothing_when_custody_is_frozen() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Assets::freeze(signed(DAVE), 1, Credits::custody()));
		assert_noop!(Credits::withdraw(signed(ALICE), USD, 200, ALICE), TokenError::Frozen);
		assert_ok!(lock(&ALICE, USD, 200, LockReason::Agreement));
		assert_ok!(pay_locked(&BOB, USD, 200, LockReason::Agreement));

		assert_ok!(Assets::thaw(signed(DAVE), 1, Credits::custody()));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 300, ALICE));
		assert_ok!(Credits::withdraw(signed(BOB), USD, 200, BOB));
	});
}

#[test]
fn withdraw_should_fail_and_lose_nothing_when_the_whole_asset_is_frozen() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Assets::freeze_asset(signed(DAVE), 1));
		assert_noop!(Credits::withdraw(signed(ALICE), USD, 200, ALICE), TokenError::Frozen);
		assert_ok!(Assets::thaw_asset(signed(DAVE), 1));
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 500, ALICE));
	});
}

#[test]
fn withdraw_should_keep_custody_alive_when_it_lacks_its_own_minimum_balance() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		// The issuer takes custody's own unit away.
		assert_ok!(Assets::burn(signed(DAVE), 1, Credits::custody(), 1));
		assert_noop!(Credits::withdraw(signed(ALICE), USD, 500, BOB), TokenError::NotExpendable);
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 499, BOB));
		endow_custody(USD, 1);
		assert_ok!(Credits::withdraw(signed(ALICE), USD, 1, BOB));
	});
}

#[test]
fn withdraw_should_fail_when_the_receiver_is_custody() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_noop!(
			Credits::withdraw(signed(ALICE), USD, 200, Credits::custody()),
			Error::<Test>::CustodyNotAllowed
		);
	});
}

#[test]
fn withdraw_should_fail_when_the_origin_is_not_signed() {
	build_and_execute(|| {
		assert_noop!(
			Credits::withdraw(RuntimeOrigin::root(), USD, 1, ALICE),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn withdraw_should_work_for_an_account_that_owns_nothing_else() {
	build_and_execute(|| {
		let agent = AccountId::new([42; 32]);
		give(agent.clone(), USD, 500);
		assert!(System::account_exists(&agent));
		assert_ok!(Credits::withdraw(signed(agent.clone()), USD, 500, BOB));
		assert!(!System::account_exists(&agent));
	});
}

#[test]
fn withdraw_all_should_pay_what_is_free_when_it_is_executed() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(lock(&ALICE, USD, 120, LockReason::Channel));
		let before = real(&BOB, USD);
		assert_ok!(Credits::withdraw_all(signed(ALICE), USD, BOB));
		assert_eq!((real(&BOB, USD), row(&ALICE, USD)), (before + 380, None));
		let event = Event::Withdrawn { who: ALICE, to: BOB, asset: USD, amount: 380 };
		System::assert_last_event(event.into());
		for (asset, error) in [
			(USD, Error::<Test>::InsufficientCredits),
			(AssetId::WithId(77), Error::<Test>::UnknownAsset),
		] {
			assert_noop!(Credits::withdraw_all(signed(ALICE), asset, BOB), error);
		}
	});
}

#[test]
fn withdraw_all_should_meet_the_limits_of_a_withdrawal() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		MockSpendGuard::mock_ensure_may_withdraw(|who, to, asset, amount| {
			assert_eq!((who, to, asset, amount), (&ALICE, &BOB, &USD, 500));
			Err(DispatchError::Other("kept in"))
		});
		let refused = DispatchError::Other("kept in");
		assert_noop!(Credits::withdraw_all(signed(ALICE), USD, BOB), refused);
		let custody = Error::<Test>::CustodyNotAllowed;
		assert_noop!(Credits::withdraw_all(signed(ALICE), USD, Credits::custody()), custody);
		assert_noop!(
			Credits::withdraw_all(RuntimeOrigin::none(), USD, BOB),
			DispatchError::BadOrigin
		);
	});
}
