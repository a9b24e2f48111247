//! Delegate keys.

use crate::{mock::*, Error, Event, KeyView};
use codec::Decode;
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchResult, TokenError};
use stoa_primitives::{
	agent::{Scope, Scopes},
	AccountId,
};

fn add(by: &AccountId, seed: u8) -> DispatchResult {
	Agents::add_key(signed(by), agent(10), key(seed), vouchers(), 9)
}

fn remove_expired(by: &AccountId) -> DispatchResult {
	Agents::remove_expired_key(signed(by), agent(10), key(1))
}

#[test]
fn add_key_should_store_the_key_for_a_deposit() {
	build_and_execute(|| {
		let who = registered();
		let scopes = Scopes::NONE.with(Scope::Offer).with(Scope::Endorse);
		assert_ok!(Agents::add_key(signed(&OP), who.clone(), key(1), scopes, 9));
		assert_eq!(Agents::keys(who.clone()), vec![KeyView { key: key(1), scopes, expires_at: 9 }]);
		let (_, one) = held(&OP);
		assert!(one > 100);
		System::assert_last_event(
			Event::<Test>::KeyAdded { agent: who, key: key(1), scopes, expires_at: 9 }.into(),
		);
		assert_ok!(add(&OP, 2));
		assert_eq!(held(&OP).1, 2 * one);
	});
}

#[test]
fn add_key_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(add(&OP, 1), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(add(&OP2, 1), Error::<Test>::NotOperator);
		assert_noop!(add(&who, 1), Error::<Test>::NotOperator);
		assert_ok!(add(&OP, 1));
		assert_noop!(add(&OP, 1), Error::<Test>::KeyExists);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(add(&OP, 2), Error::<Test>::Retired);
	});
}

#[test]
fn add_key_should_fail_when_scopes_are_empty_or_unknown() {
	build_and_execute(|| {
		let who = registered();
		for scopes in [Scopes::NONE, Scopes::decode(&mut &[9u8][..]).unwrap()] {
			assert_noop!(
				Agents::add_key(signed(&OP), who.clone(), key(1), scopes, 9),
				Error::<Test>::InvalidScopes
			);
		}
	});
}

#[test]
fn add_key_should_fail_when_it_would_have_expired() {
	build_and_execute(|| {
		registered();
		run_to(10);
		assert_noop!(add(&OP, 1), Error::<Test>::ExpiryInPast);
		run_to(9);
		assert_ok!(add(&OP, 1));
	});
}

#[test]
fn add_key_should_fail_when_the_agent_has_too_many() {
	build_and_execute(|| {
		let who = registered();
		for seed in 0..16 {
			assert_ok!(add(&OP, seed));
		}
		assert_noop!(add(&OP, 16), Error::<Test>::TooManyKeys);
		assert_ok!(Agents::remove_key(signed(&OP), who, key(3)));
		assert_ok!(add(&OP, 16));
	});
}

#[test]
fn add_key_should_fail_when_the_operator_cannot_pay() {
	build_and_execute(|| {
		registered();
		let rest = Balances::free_balance(OP) - 20;
		assert_ok!(Balances::transfer_allow_death(signed(&OP), OP2, rest));
		assert_noop!(add(&OP, 1), TokenError::FundsUnavailable);
	});
}

#[test]
fn remove_key_should_give_the_deposit_back() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(add(&OP, 1));
		assert_ok!(Agents::remove_key(signed(&OP), who.clone(), key(1)));
		assert_eq!(held(&OP).1, 0);
		assert!(Agents::keys(who.clone()).is_empty());
		System::assert_last_event(Event::<Test>::KeyRemoved { agent: who, key: key(1) }.into());
	});
}

#[test]
fn remove_key_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		let remove = |by: &AccountId| Agents::remove_key(signed(by), agent(10), key(1));
		assert_noop!(remove(&OP), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(remove(&OP), Error::<Test>::KeyNotFound);
		assert_ok!(add(&OP, 1));
		assert_noop!(remove(&OP2), Error::<Test>::NotOperator);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(remove(&OP), Error::<Test>::Retired);
	});
}

#[test]
fn remove_expired_key_should_pay_back_who_paid_when_anybody_calls() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(add(&OP, 1));
		run_to(10);
		assert_ok!(remove_expired(&POOR));
		assert_eq!(held(&OP).1, 0);
		System::assert_last_event(Event::<Test>::KeyRemoved { agent: who, key: key(1) }.into());
	});
}

#[test]
fn remove_expired_key_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(remove_expired(&POOR), Error::<Test>::NotRegistered);
		registered();
		assert_noop!(remove_expired(&POOR), Error::<Test>::KeyNotFound);
		assert_ok!(add(&OP, 1));
		run_to(9);
		assert_noop!(remove_expired(&POOR), Error::<Test>::KeyNotExpired);
	});
}
