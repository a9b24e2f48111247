//! Change of operator.

use crate::{mock::*, Error, Event, WeightInfo};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchResult, TokenError};
use stoa_primitives::{agent::Status, AccountId};

fn accept(by: &AccountId) -> DispatchResult {
	Agents::accept_transfer(signed(by), agent(10)).map(|_| ()).map_err(|e| e.error)
}

fn offer(by: &AccountId, to: &AccountId) -> DispatchResult {
	Agents::offer_transfer(signed(by), agent(10), to.clone())
}

#[test]
fn offer_transfer_should_change_nothing_until_it_is_accepted() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(offer(&OP, &OP2));
		let view = Agents::agent(who.clone()).unwrap();
		assert_eq!((view.operator, view.transfer_to, view.epoch), (OP, Some(OP2), 0));
		System::assert_last_event(Event::<Test>::TransferOffered { agent: who, to: OP2 }.into());
	});
}

#[test]
fn offer_transfer_should_replace_a_standing_offer() {
	build_and_execute(|| {
		registered();
		assert_ok!(offer(&OP, &OP2));
		assert_ok!(offer(&OP, &agent(11)));
		assert_noop!(accept(&OP2), Error::<Test>::NotRecipient);
		assert_ok!(accept(&agent(11)));
	});
}

#[test]
fn offer_transfer_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(offer(&OP, &OP2), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(offer(&OP2, &OP2), Error::<Test>::NotOperator);
		assert_noop!(offer(&who, &OP2), Error::<Test>::NotOperator);
		assert_noop!(offer(&OP, &OP), Error::<Test>::TransferToSelf);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(offer(&OP, &OP2), Error::<Test>::Retired);
	});
}

#[test]
fn accept_transfer_should_move_the_agent_and_the_deposits() {
	build_and_execute(|| {
		let who = registered();
		let (deposit, _) = held(&OP);
		assert_ok!(Agents::add_key(signed(&OP), who.clone(), key(1), vouchers(), 9));
		assert_ok!(Agents::add_key(signed(&OP), who.clone(), key(2), vouchers(), 9));
		assert_ok!(offer(&OP, &OP2));
		let post = Agents::accept_transfer(signed(&OP2), who.clone()).unwrap();
		assert_eq!(post.actual_weight, Some(<() as WeightInfo>::accept_transfer(2)));

		let view = Agents::agent(who.clone()).unwrap();
		assert_eq!((view.operator, view.transfer_to, view.epoch), (OP2, None, 1));
		assert!(view.active);
		assert_eq!(held(&OP), (0, 0));
		assert_eq!(held(&OP2), (deposit, 0));
		assert!(Agents::keys(who.clone()).is_empty());
		System::assert_last_event(
			Event::<Test>::Transferred { agent: who.clone(), from: OP, to: OP2, epoch: 1 }.into(),
		);
		// The old operator is out, the new one is in, with all of its keys to add.
		assert_noop!(Agents::renew(signed(&OP), who.clone()), Error::<Test>::NotOperator);
		assert_ok!(Agents::add_key(signed(&OP2), who, key(1), vouchers(), 9));
	});
}

#[test]
fn accept_transfer_should_not_lift_a_suspension() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(Agents::suspend(RuntimeOrigin::root(), who.clone()));
		assert_ok!(offer(&OP, &OP2));
		assert_ok!(accept(&OP2));
		assert_eq!(Agents::agent(who).unwrap().status, Status::Suspended);
	});
}

#[test]
fn accept_transfer_should_let_an_agent_become_its_own_operator() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(offer(&OP, &who));
		assert_ok!(accept(&who));
		assert_eq!(Agents::operator_of(who.clone()), Some(who));
	});
}

#[test]
fn accept_transfer_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(accept(&OP2), Error::<Test>::NotRegistered);
		registered();
		assert_noop!(accept(&OP2), Error::<Test>::NoTransfer);
		assert_ok!(offer(&OP, &OP2));
		assert_noop!(accept(&OP), Error::<Test>::NotRecipient);
		assert_ok!(offer(&OP, &POOR));
		assert_noop!(accept(&POOR), TokenError::FundsUnavailable);
		assert_ok!(offer(&OP, &OP2));
		assert_ok!(accept(&OP2));
		assert_noop!(accept(&OP2), Error::<Test>::NoTransfer);
	});
}

#[test]
fn cancel_transfer_should_take_the_offer_back() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(offer(&OP, &OP2));
		assert_ok!(Agents::cancel_transfer(signed(&OP), who.clone()));
		System::assert_last_event(Event::<Test>::TransferCancelled { agent: who, to: OP2 }.into());
		assert_noop!(accept(&OP2), Error::<Test>::NoTransfer);
	});
}

#[test]
fn cancel_transfer_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		let cancel = |by: &AccountId| Agents::cancel_transfer(signed(by), agent(10));
		assert_noop!(cancel(&OP), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(cancel(&OP), Error::<Test>::NoTransfer);
		assert_ok!(offer(&OP, &OP2));
		assert_noop!(cancel(&OP2), Error::<Test>::NotOperator);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(cancel(&OP), Error::<Test>::Retired);
	});
}
