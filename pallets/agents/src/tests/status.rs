//! Pausing, suspending, retiring.

use crate::{mock::*, Error, Event, WeightInfo};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::DispatchError;
use stoa_primitives::{agent::Status, mock::MockRegistration, traits::AgentRegistry, AccountId};

fn status(who: &AccountId) -> Status {
	Agents::agent(who.clone()).unwrap().status
}

fn root() -> RuntimeOrigin {
	RuntimeOrigin::root()
}

#[test]
fn pause_should_stop_an_active_agent() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(Agents::pause(signed(&OP), who.clone()));
		assert_eq!(status(&who), Status::Paused);
		assert_noop!(Agents::ensure_active(&who), Error::<Test>::Paused);
		System::assert_last_event(Event::<Test>::Paused { agent: who }.into());
	});
}

#[test]
fn pause_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		let pause = |by: &AccountId| Agents::pause(signed(by), agent(10));
		assert_noop!(pause(&OP), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(pause(&OP2), Error::<Test>::NotOperator);
		assert_noop!(pause(&who), Error::<Test>::NotOperator);
		assert_ok!(pause(&OP));
		assert_noop!(pause(&OP), Error::<Test>::Paused);
		assert_ok!(Agents::suspend(root(), who.clone()));
		assert_noop!(pause(&OP), Error::<Test>::Suspended);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(pause(&OP), Error::<Test>::Retired);
	});
}

#[test]
fn resume_should_set_a_paused_agent_going() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(Agents::pause(signed(&OP), who.clone()));
		assert_ok!(Agents::resume(signed(&OP), who.clone()));
		assert_ok!(Agents::ensure_active(&who));
		System::assert_last_event(Event::<Test>::Resumed { agent: who }.into());
	});
}

#[test]
fn resume_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		let resume = |by: &AccountId| Agents::resume(signed(by), agent(10));
		assert_noop!(resume(&OP), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(resume(&OP), Error::<Test>::NotPaused);
		assert_noop!(resume(&OP2), Error::<Test>::NotOperator);
		assert_ok!(Agents::suspend(root(), who.clone()));
		assert_noop!(resume(&OP), Error::<Test>::Suspended);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(resume(&OP), Error::<Test>::Retired);
	});
}

#[test]
fn suspend_should_stop_an_agent() {
	build_and_execute(|| {
		let who = registered();
		assert_ok!(Agents::suspend(root(), who.clone()));
		assert_eq!(status(&who), Status::Suspended);
		assert_noop!(Agents::ensure_active(&who), Error::<Test>::Suspended);
		System::assert_last_event(Event::<Test>::Suspended { agent: who }.into());
	});
}

#[test]
fn suspend_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(Agents::suspend(root(), agent(10)), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(Agents::suspend(signed(&OP), who.clone()), DispatchError::BadOrigin);
		assert_ok!(Agents::suspend(root(), who.clone()));
		assert_noop!(Agents::suspend(root(), who.clone()), Error::<Test>::Suspended);
		assert_ok!(Agents::retire(signed(&OP), who.clone()));
		assert_noop!(Agents::suspend(root(), who), Error::<Test>::Retired);
	});
}

#[test]
fn reinstate_should_bring_back_what_was_before() {
	build_and_execute(|| {
		let who = registered();
		for before in [Status::Active, Status::Paused] {
			assert_eq!(status(&who), before);
			assert_ok!(Agents::suspend(root(), who.clone()));
			assert_ok!(Agents::reinstate(root(), who.clone()));
			assert_eq!(status(&who), before);
			System::assert_last_event(
				Event::<Test>::Reinstated { agent: who.clone(), status: before }.into(),
			);
			if before == Status::Active {
				assert_ok!(Agents::pause(signed(&OP), who.clone()));
			}
		}
	});
}

#[test]
fn reinstate_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(Agents::reinstate(root(), agent(10)), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(Agents::reinstate(root(), who.clone()), Error::<Test>::NotSuspended);
		assert_noop!(Agents::reinstate(signed(&OP), who.clone()), DispatchError::BadOrigin);
		assert_ok!(Agents::retire(signed(&OP), who.clone()));
		assert_noop!(Agents::reinstate(root(), who), Error::<Test>::NotSuspended);
	});
}

#[test]
fn retire_should_leave_a_tombstone_with_a_small_deposit() {
	build_and_execute(|| {
		let who = registered();
		let (full, _) = held(&OP);
		for seed in 0..3 {
			assert_ok!(Agents::add_key(signed(&OP), who.clone(), key(seed), vouchers(), 9));
		}
		assert_ok!(Agents::offer_transfer(signed(&OP), who.clone(), OP2));
		let post = Agents::retire(signed(&OP), who.clone()).unwrap();
		assert_eq!(post.actual_weight, Some(<() as WeightInfo>::retire(3)));

		let view = Agents::agent(who.clone()).unwrap();
		assert_eq!((view.status, view.manifest, view.active), (Status::Retired, None, false));
		assert_eq!(view.transfer_to, None);
		assert_eq!(view.operator, OP);
		assert!(Agents::keys(who.clone()).is_empty());
		// digest 32, one byte of URI, and what the hook stored
		assert_eq!(held(&OP), (full - 33 - HOOK_BYTES, 0));
		assert_noop!(Agents::ensure_active(&who), Error::<Test>::Retired);
		System::assert_has_event(
			Event::<Test>::KeyRemoved { agent: who.clone(), key: key(1) }.into(),
		);
		System::assert_last_event(Event::<Test>::Retired { agent: who }.into());
	});
}

#[test]
fn retire_should_tell_the_registration_hook_once() {
	build_and_execute(|| {
		let who = registered();
		MockRegistration::mock_registered(|_| panic!("nobody was registered"));
		MockRegistration::mock_retired(|who| {
			assert_eq!(*who, agent(10));
			assert_eq!(Agents::agent(who.clone()).unwrap().status, Status::Retired);
			System::remark_with_event(signed(&OP), vec![2]).map(|_| ()).unwrap();
		});
		let before = System::events().len();
		assert_noop!(
			Agents::retire(signed(&OP2), who.clone()).map_err(|e| e.error),
			Error::<Test>::NotOperator
		);
		for step in [Agents::pause, Agents::resume] {
			assert_ok!(step(signed(&OP), who.clone()));
		}
		assert_ok!(Agents::retire(signed(&OP), who));
		// Pause, resume, part of the deposit back, what the hook did, retirement.
		assert_eq!(System::events().len() - before, 5);
	});
}

#[test]
fn account_of_an_agent_should_live_on_when_it_owns_nothing_and_retires() {
	build_and_execute(|| {
		let who = registered();
		assert_eq!(System::sufficients(&who), 1);
		assert!(System::account_exists(&who));
		assert_ok!(Agents::retire(signed(&OP), who.clone()));
		assert_eq!(System::sufficients(&who), 1);
	});
}

#[test]
fn retire_should_be_open_when_the_agent_is_paused_suspended_or_lapsed() {
	build_and_execute(|| {
		for (seed, stop) in [(10u8, 0u8), (11, 1), (12, 2)] {
			assert_ok!(register(seed, &OP));
			let stopped = match stop {
				0 => Agents::pause(signed(&OP), agent(seed)),
				1 => Agents::suspend(root(), agent(seed)),
				_ => {
					run_to(1_000);
					Ok(())
				},
			};
			assert_ok!(stopped);
			assert_ok!(Agents::retire(signed(&OP), agent(seed)));
		}
	});
}

#[test]
fn retire_should_keep_the_referral_books_part_of_the_deposit() {
	build_and_execute(|| {
		use stoa_primitives::referral::Referral;
		let proof = Some(proof(10, &OP, 9));
		let referral = Some(Referral::Account(REFERRER));
		assert_ok!(Agents::register(signed(&OP), agent(10), proof, manifest("u"), referral));
		let (full, _) = held(&OP);
		assert_ok!(Agents::retire(signed(&OP), agent(10)));
		assert_eq!(held(&OP), (full - 33 - HOOK_BYTES, 0));
		assert!(held(&OP).0 > REFERRAL_BYTES);
	});
}

#[test]
fn retire_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		let retire =
			|by: &AccountId| Agents::retire(signed(by), agent(10)).map(|_| ()).map_err(|e| e.error);
		assert_noop!(retire(&OP), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(retire(&OP2), Error::<Test>::NotOperator);
		assert_noop!(retire(&who), Error::<Test>::NotOperator);
		assert_ok!(retire(&OP));
		assert_noop!(retire(&OP), Error::<Test>::Retired);
	});
}
