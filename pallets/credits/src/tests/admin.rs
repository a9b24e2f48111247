use crate::{mock::*, Accepted, Error, Event};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{BuildStorage, DispatchError};
use stoa_primitives::{AssetId, Balance};

#[test]
fn accept_asset_should_open_deposits_when_custody_is_funded() {
	build_and_execute(|| {
		endow_custody(EUR, EUR_MINIMUM);
		assert_ok!(Credits::accept_asset(RuntimeOrigin::root(), EUR, 50));
		assert_eq!(last_event(), Event::AssetAccepted { asset: EUR, dust_bound: 50 });
		assert_ok!(Credits::deposit(signed(ALICE), EUR, 50, ALICE));
	});
}

#[test]
fn accept_asset_should_change_the_bound_when_the_asset_is_accepted_already() {
	build_and_execute(|| {
		assert_ok!(Credits::accept_asset(RuntimeOrigin::root(), USD, 1));
		assert_eq!(Accepted::<Test>::get(USD), Some(1));
		assert_ok!(Credits::deposit(signed(ALICE), USD, 1, ALICE));
	});
}

#[test]
fn accept_asset_should_fail_when_custody_lacks_the_minimum_balance() {
	build_and_execute(|| {
		assert_noop!(
			Credits::accept_asset(RuntimeOrigin::root(), EUR, 50),
			Error::<Test>::CustodyNotFunded
		);
	});
}

#[test]
fn accept_asset_should_count_what_is_issued_when_it_looks_at_custody() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		// The issuer takes custody's own unit away; what is owed is still there.
		assert_ok!(Assets::burn(signed(DAVE), 1, Credits::custody(), 1));
		assert_ok!(Credits::do_try_state());
		assert_noop!(
			Credits::accept_asset(RuntimeOrigin::root(), USD, 50),
			Error::<Test>::CustodyNotFunded
		);
		endow_custody(USD, 1);
		assert_ok!(Credits::accept_asset(RuntimeOrigin::root(), USD, 50));
	});
}

#[test]
fn accept_asset_should_fail_when_the_bound_is_too_low() {
	build_and_execute(|| {
		endow_custody(EUR, EUR_MINIMUM);
		for bound in [0, EUR_MINIMUM - 1] {
			assert_noop!(
				Credits::accept_asset(RuntimeOrigin::root(), EUR, bound),
				Error::<Test>::DustBoundTooLow
			);
		}
		assert_ok!(Credits::accept_asset(RuntimeOrigin::root(), EUR, EUR_MINIMUM));
	});
}

#[test]
fn accept_asset_should_fail_when_the_asset_does_not_exist() {
	build_and_execute(|| {
		assert_noop!(
			Credits::accept_asset(RuntimeOrigin::root(), AssetId::WithId(77), 50),
			Error::<Test>::UnknownAsset
		);
	});
}

#[test]
fn stop_accepting_should_close_deposits() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		assert_ok!(Credits::stop_accepting(RuntimeOrigin::root(), USD));
		assert_eq!(last_event(), Event::AssetStopped { asset: USD });
		assert_noop!(
			Credits::deposit(signed(ALICE), USD, 500, ALICE),
			Error::<Test>::AssetNotAccepted
		);
		assert_eq!(free(&ALICE, USD), 500);
	});
}

#[test]
fn stop_accepting_should_fail_when_the_asset_is_not_accepted() {
	build_and_execute(|| {
		assert_noop!(
			Credits::stop_accepting(RuntimeOrigin::root(), EUR),
			Error::<Test>::AssetNotAccepted
		);
	});
}

#[test]
fn admin_calls_should_fail_when_the_origin_is_not_the_admin() {
	build_and_execute(|| {
		assert_noop!(Credits::accept_asset(signed(ALICE), USD, 50), DispatchError::BadOrigin);
		assert_noop!(Credits::stop_accepting(signed(ALICE), USD), DispatchError::BadOrigin);
	});
}

fn genesis(accepted: Vec<(AssetId, Balance)>) {
	let _ = crate::GenesisConfig::<Test> { accepted, ..Default::default() }.build_storage();
}

#[test]
#[should_panic(expected = "is zero")]
fn genesis_should_panic_when_a_dust_bound_is_zero() {
	genesis(vec![(USD, 0)]);
}

#[test]
#[should_panic(expected = "listed twice")]
fn genesis_should_panic_when_an_asset_is_listed_twice() {
	genesis(vec![(USD, 1), (USD, 2)]);
}
