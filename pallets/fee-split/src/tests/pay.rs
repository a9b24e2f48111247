use crate::{mock::*, Error, Event, LifetimeTotals, Totals};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use stoa_primitives::{
	mock::{MockRewards, MockSpendGuard},
	money::{Shares, Source},
	referral::{Distributed, MAX_DEPTH},
	Balance,
};

#[test]
fn pay_should_divide_the_amount_and_emit_all_of_it() {
	build_and_execute(|| {
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1_000, [7; 32]));
		assert_eq!(free(&PAYER, USD), START - 1_000);
		assert_eq!(free(&PROVIDER, USD), 850);
		assert_eq!(free(&PLATFORM, USD), 100);
		assert_eq!((free(&REFERRER, USD), free(&POOL, USD)), (25, 25));
		let shares = Shares { provider: 850, platform: 100, referral: 50 };
		assert_eq!(
			events(),
			[Event::Settled {
				source: Source::Charge([7; 32]),
				payer: PAYER,
				provider: PROVIDER,
				asset: USD,
				gross: 1_000,
				shares,
				growth_pool: 25,
				schedule: 0,
			}]
		);
		assert_eq!(heard(), Some((PAYER, PROVIDER, USD, 1_000)));
		assert_eq!(
			Totals::<Test>::get(USD),
			LifetimeTotals {
				gross: 1_000,
				provider: 850,
				platform: 100,
				referral: 50,
				settlements: 1
			}
		);
	});
}

#[test]
fn pay_should_use_the_schedule_of_the_day() {
	build_and_execute(|| {
		assert_ok!(propose(90, 6, 4));
		let effective = FeeSplit::pending().unwrap().1;
		at(effective - 1);
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1_000, [7; 32]));
		assert_eq!(free(&PROVIDER, USD), 850);
		at(effective);
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1_000, [7; 32]));
		assert_eq!(free(&PROVIDER, USD), 850 + 900);
	});
}

#[test]
fn pay_should_keep_each_charge_for_itself_when_amounts_are_tiny() {
	build_and_execute(|| {
		for _ in 0..3 {
			assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1, [7; 32]));
		}
		assert_eq!(free(&PROVIDER, USD), 3);
		assert!(![PLATFORM, REFERRER, POOL].iter().any(|who| has_row(who, USD)));
	});
}

#[test]
fn pay_should_fail_when_the_amount_is_zero() {
	build_and_execute(|| {
		assert_noop!(
			FeeSplit::pay(signed(PAYER), PROVIDER, USD, 0, [7; 32]),
			Error::<Test>::ZeroAmount
		);
	});
}

#[test]
fn pay_should_fail_when_the_payer_is_the_provider() {
	build_and_execute(|| {
		assert_noop!(
			FeeSplit::pay(signed(PROVIDER), PROVIDER, USD, 1, [7; 32]),
			Error::<Test>::SelfPayment
		);
	});
}

#[test]
fn pay_should_fail_when_the_provider_is_not_active() {
	build_and_execute(|| {
		assert_noop!(
			FeeSplit::pay(signed(PAYER), STRANGER, USD, 1_000, [7; 32]),
			DispatchError::Other("NotActive")
		);
	});
}

#[test]
fn pay_should_fail_when_the_guard_refuses() {
	build_and_execute(|| {
		MockSpendGuard::mock_ensure_may_spend(|payer, payee, asset, amount| {
			assert_eq!((payer, payee, asset), (&PAYER, &PROVIDER, &USD));
			frame_support::ensure!(amount <= 500, DispatchError::Other("OverLimit"));
			Ok(())
		});
		assert_noop!(
			FeeSplit::pay(signed(PAYER), PROVIDER, USD, 501, [7; 32]),
			DispatchError::Other("OverLimit")
		);
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 500, [7; 32]));
	});
}

#[test]
fn pay_should_fail_when_credits_are_missing() {
	build_and_execute(|| {
		for amount in [START + 1, Balance::MAX] {
			assert_noop!(
				FeeSplit::pay(signed(PAYER), PROVIDER, USD, amount, [7; 32]),
				DispatchError::Other("InsufficientCredits")
			);
		}
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, START, [7; 32]));
	});
}

#[test]
fn pay_should_fail_when_the_origin_is_not_signed() {
	build_and_execute(|| {
		assert_noop!(
			FeeSplit::pay(RuntimeOrigin::root(), PROVIDER, USD, 1, [7; 32]),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn pay_should_give_back_the_weight_of_rewards_that_there_were_not() {
	build_and_execute(|| {
		let weight = || {
			let info = FeeSplit::pay(signed(PAYER), PROVIDER, USD, 1_000, [7; 32]).unwrap();
			info.actual_weight.unwrap().ref_time()
		};
		// One side and one reward: 2 of 8 parts.
		assert_eq!(weight(), 1_000 + 8_000 / 8 * 2);
		MockRewards::mock_distribute(|_, _, _, pot| Distributed {
			growth_pool: pot,
			..Default::default()
		});
		assert_eq!(weight(), 1_000);
		MockRewards::mock_distribute(|_, _, _, pot| Distributed {
			rewards: vec![reward(1); 2 * MAX_DEPTH],
			sides: 2,
			growth_pool: pot - 6,
		});
		assert_eq!(weight(), 9_000);
	});
}
