use crate::{mock::*, LifetimeTotals};
use frame_support::assert_ok;
use stoa_primitives::{money::Shares, traits::Settlement, Balance};

#[test]
fn quote_should_say_what_a_settlement_pays() {
	build_and_execute(|| {
		fund_channel(1_000);
		for (before, gross) in [(0, 7), (7, 13), (20, 1), (21, 979)] {
			let quoted = FeeSplit::quote(USD, gross, before).unwrap();
			let paid = FeeSplit::settle(slice(before, gross, 0)).map(|receipt| receipt.shares);
			assert_eq!(paid, Ok(quoted));
		}
	});
}

#[test]
fn quote_should_use_the_current_schedule() {
	build_and_execute(|| {
		assert_ok!(propose(90, 6, 4));
		at(FeeSplit::pending().unwrap().1);
		assert_eq!(
			FeeSplit::quote(STOA, 100, 0),
			Some(Shares { provider: 90, platform: 6, referral: 4 })
		);
	});
}

#[test]
fn quote_should_be_none_when_the_sum_overflows() {
	build_and_execute(|| assert_eq!(FeeSplit::quote(USD, Balance::MAX, 1), None));
}

#[test]
fn view_functions_should_be_empty_when_there_is_nothing() {
	build_and_execute(|| {
		assert_eq!(FeeSplit::totals(USD), LifetimeTotals::default());
		assert_eq!(FeeSplit::schedule(1), None);
	});
}

#[test]
fn totals_should_be_kept_per_asset() {
	build_and_execute(|| {
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, USD, 100, [7; 32]));
		assert_ok!(FeeSplit::pay(signed(PAYER), PROVIDER, STOA, 40, [7; 32]));
		assert_eq!((FeeSplit::totals(USD).gross, FeeSplit::totals(STOA).gross), (100, 40));
	});
}
