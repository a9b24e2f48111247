//! Referral codes.

use crate::{mock::*, Error, Event};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, TokenError};

#[test]
fn claim_code_should_store_the_code_for_a_deposit() {
	build_and_execute(|| {
		assert_ok!(Referrals::claim_code(signed(1), code("best-api")));
		assert_eq!(Referrals::code_owner(code("best-api")), Some(agent(1)));
		let one = held(1);
		assert!(one > 100);
		System::assert_last_event(
			Event::<Test>::CodeClaimed { code: code("best-api"), owner: agent(1) }.into(),
		);
		assert_ok!(Referrals::claim_code(signed(1), code("0-24-bytes-are-allowed-z")));
		assert_eq!(held(1), 2 * one);
	});
}

#[test]
fn claim_code_should_fail_when_the_code_is_malformed() {
	build_and_execute(|| {
		for bad in ["", "abc", "Best-api", "best_api", "best api", "cöde", "code\0"] {
			assert_noop!(Referrals::claim_code(signed(1), code(bad)), Error::<Test>::CodeMalformed);
		}
	});
}

#[test]
fn claim_code_should_fail_when_the_code_is_taken() {
	build_and_execute(|| {
		assert_ok!(Referrals::claim_code(signed(1), code("best-api")));
		for n in [1, 2] {
			assert_noop!(
				Referrals::claim_code(signed(n), code("best-api")),
				Error::<Test>::CodeTaken
			);
		}
	});
}

#[test]
fn claim_code_should_fail_when_the_agent_has_too_many() {
	build_and_execute(|| {
		for text in ["aaaa", "bbbb", "cccc"] {
			assert_ok!(Referrals::claim_code(signed(1), code(text)));
		}
		assert_noop!(Referrals::claim_code(signed(1), code("dddd")), Error::<Test>::TooManyCodes);
		assert_ok!(Referrals::release_code(signed(1), code("aaaa")));
		assert_ok!(Referrals::claim_code(signed(1), code("dddd")));
	});
}

#[test]
fn claim_code_should_fail_when_the_caller_is_not_an_active_agent() {
	build_and_execute(|| {
		set_active(1, false);
		for n in [1, 42] {
			assert_noop!(
				Referrals::claim_code(signed(n), code("best-api")),
				DispatchError::Other("not active")
			);
		}
	});
}

#[test]
fn claim_code_should_fail_when_the_agent_cannot_pay() {
	build_and_execute(|| {
		enlist(42, 1);
		assert_noop!(
			Referrals::claim_code(signed(42), code("best-api")),
			TokenError::FundsUnavailable
		);
	});
}

#[test]
fn release_code_should_give_the_deposit_back_when_active_or_not() {
	build_and_execute(|| {
		assert_ok!(bind(2, 1));
		assert_ok!(Referrals::claim_code(signed(1), code("best-api")));
		set_active(1, false);
		assert_ok!(Referrals::release_code(signed(1), code("best-api")));
		assert_eq!(held(1), 0);
		assert_eq!(Referrals::code_owner(code("best-api")), None);
		assert_eq!(Referrals::referrer_of(agent(2)), Some(agent(1)));
		System::assert_last_event(
			Event::<Test>::CodeReleased { code: code("best-api"), owner: agent(1) }.into(),
		);
		assert_ok!(Referrals::claim_code(signed(2), code("best-api")));
	});
}

#[test]
fn release_code_should_fail_when_it_is_not_the_callers() {
	build_and_execute(|| {
		assert_noop!(
			Referrals::release_code(signed(1), code("best-api")),
			Error::<Test>::UnknownCode
		);
		assert_ok!(Referrals::claim_code(signed(1), code("best-api")));
		assert_noop!(
			Referrals::release_code(signed(2), code("best-api")),
			Error::<Test>::NotCodeOwner
		);
	});
}
