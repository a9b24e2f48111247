use crate::{mock::*, Solvency};
use frame_support::assert_ok;
use stoa_primitives::money::LockReason::{Agreement, Channel};

#[test]
fn view_functions_should_say_what_the_ledger_holds() {
	build_and_execute(|| {
		give(ALICE, USD, 500);
		give(ALICE, STOA, 300);
		give(BOB, USD, 100);
		assert_ok!(lock(&ALICE, USD, 50, Channel));
		assert_ok!(lock(&ALICE, USD, 70, Agreement));

		assert_eq!(Credits::balance(ALICE, USD), 380);
		assert_eq!(Credits::balance(CHARLIE, USD), 0);
		let mut balances = Credits::balances(ALICE);
		balances.sort();
		assert_eq!(balances, [(STOA, 300), (USD, 380)]);
		assert!(Credits::balances(CHARLIE).is_empty());
		let mut locked = Credits::locked(USD);
		locked.sort();
		assert_eq!(locked, [(Channel, 50), (Agreement, 70)]);
		assert_eq!(
			Credits::solvency(USD),
			Solvency { custody: 601, issued: 600, free: 480, locked: 120 }
		);
		assert_eq!(Credits::solvency(EUR), Solvency::default());
		let mut accepted = Credits::accepted_assets();
		accepted.sort();
		assert_eq!(accepted, [(STOA, STOA_DUST), (USD, USD_DUST)]);
		assert_eq!(Credits::custody_account(), Credits::custody());
	});
}
