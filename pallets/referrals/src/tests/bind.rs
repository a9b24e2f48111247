//! Edges.

use crate::{mock::*, AgentFootprint, Edge, Error, Event, SideTotals};
use codec::MaxEncodedLen;
use frame_support::{
	assert_noop, assert_ok,
	traits::{Footprint, Get},
};
use stoa_primitives::{referral::Referral, traits::ReferralBook, AccountId, AssetId};

#[test]
fn bind_should_fix_the_referrer_when_it_is_named_by_account() {
	build_and_execute(|| {
		run_to(7);
		assert_ok!(bind(2, 1));
		assert_eq!(Referrals::referrer_of(agent(2)), Some(agent(1)));
		assert_eq!(Referrals::referee_count(agent(1)), 1);
		assert_eq!(crate::Edges::<Test>::get(agent(2)).unwrap().since, 7);
		System::assert_last_event(
			Event::<Test>::ReferrerBound { referee: agent(2), referrer: agent(1) }.into(),
		);
	});
}

#[test]
fn bind_should_fix_the_referrer_when_it_is_named_by_code() {
	build_and_execute(|| {
		assert_ok!(Referrals::claim_code(signed(1), code("best-api")));
		let referral = Referral::Code(code("best-api"));
		assert_ok!(<Referrals as ReferralBook>::bind(&agent(2), &referral));
		assert_eq!(Referrals::referrer_of(agent(2)), Some(agent(1)));
	});
}

#[test]
fn chain_of_should_be_the_nearest_three() {
	build_and_execute(|| {
		assert!(Referrals::chain_of(agent(1)).is_empty());
		assert_eq!(Referrals::referrer_of(agent(1)), None);
		for n in 2..=6 {
			assert_ok!(bind(n, n - 1));
		}
		assert_eq!(Referrals::chain_of(agent(2)), vec![agent(1)]);
		assert_eq!(Referrals::chain_of(agent(3)), vec![agent(2), agent(1)]);
		assert_eq!(Referrals::chain_of(agent(6)), vec![agent(5), agent(4), agent(3)]);
	});
}

#[test]
fn bind_should_fail_when_the_code_is_unknown() {
	build_and_execute(|| {
		let referral = Referral::Code(code("nobody"));
		assert_noop!(
			<Referrals as ReferralBook>::bind(&agent(2), &referral),
			Error::<Test>::UnknownCode
		);
	});
}

#[test]
fn bind_should_fail_when_the_referrer_is_not_active() {
	build_and_execute(|| {
		set_active(1, false);
		assert_noop!(bind(2, 1), Error::<Test>::ReferrerNotActive);
		assert_noop!(bind(2, 42), Error::<Test>::ReferrerNotActive);
	});
}

#[test]
fn bind_should_fail_when_an_agent_names_itself() {
	build_and_execute(|| {
		assert_noop!(bind(1, 1), Error::<Test>::SelfReferral);
		assert_ok!(Referrals::claim_code(signed(1), code("mine")));
		let referral = Referral::Code(code("mine"));
		assert_noop!(
			<Referrals as ReferralBook>::bind(&agent(1), &referral),
			Error::<Test>::SelfReferral
		);
	});
}

#[test]
fn bind_should_fail_when_one_operator_answers_for_both() {
	build_and_execute(|| {
		enlist(2, 1);
		assert_noop!(bind(2, 1), Error::<Test>::SameOperator);
		// The referrer operates the referee, and is somebody else's agent itself.
		set_operator(&agent(2), &agent(1));
		assert_noop!(bind(2, 1), Error::<Test>::SameOperator);
		// The other way round.
		enlist(2, 2);
		set_operator(&agent(1), &agent(2));
		assert_noop!(bind(2, 1), Error::<Test>::SameOperator);
	});
}

#[test]
fn bind_should_fail_when_it_was_done() {
	build_and_execute(|| {
		assert_ok!(bind(2, 1));
		assert_noop!(bind(2, 1), Error::<Test>::AlreadyBound);
		assert_noop!(bind(2, 3), Error::<Test>::AlreadyBound);
	});
}

#[test]
fn bind_should_fail_when_the_referee_has_brought_others() {
	build_and_execute(|| {
		assert_ok!(bind(2, 1));
		assert_ok!(bind(3, 2));
		assert_noop!(bind(1, 3), Error::<Test>::Cycle);
		assert_noop!(bind(1, 2), Error::<Test>::Cycle);
		// Not a circle, but what is above an account with referees is final.
		assert_noop!(bind(1, 4), Error::<Test>::Cycle);
	});
}

#[test]
fn agent_footprint_should_cover_every_row_of_a_referee() {
	let totals = <(AccountId, AssetId, SideTotals)>::max_encoded_len();
	let edge = <(AccountId, Edge)>::max_encoded_len();
	let count = <(AccountId, u32)>::max_encoded_len();
	let size = edge + count + 3 * totals;
	assert_eq!(AgentFootprint::<Test>::get(), Footprint::from_parts(1, size));
}
