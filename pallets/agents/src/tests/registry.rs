//! What the pallet answers to others.

use crate::{mock::*, Error};
use frame_support::{assert_noop, assert_ok};
use sp_core::{ecdsa, ed25519, sr25519, Pair};
use stoa_primitives::{
	agent::Scope,
	keys::{AgentSignature, Key, KeySignature},
	traits::AgentRegistry,
	AccountId,
};

const PAYLOAD: &[u8] = b"payload";

#[test]
fn operators_should_answer_for_their_agents_and_others_for_themselves() {
	build_and_execute(|| {
		assert_ok!(register(10, &OP));
		assert_ok!(register(11, &OP));
		assert_ok!(register(12, &OP2));
		let same = |a: &AccountId, b: &AccountId| <Agents as AgentRegistry>::related(a, b);
		assert!(same(&agent(10), &agent(11)));
		assert!(same(&agent(10), &OP));
		assert!(same(&POOR, &POOR));
		assert!(!same(&agent(10), &agent(12)));
		assert!(!same(&OP, &OP2));
		assert_eq!(<Agents as AgentRegistry>::operator_of(&OP), None);
		// A retired agent still leads to who answered for it.
		assert_ok!(Agents::retire(signed(&OP), agent(10)));
		assert!(same(&agent(10), &agent(11)));
	});
}

#[test]
fn an_agent_should_be_related_to_what_it_operates_and_to_who_operates_it() {
	build_and_execute(|| {
		// OP answers for 11, and 11 for 12.
		assert_ok!(register(11, &OP));
		assert_ok!(register(12, &agent(11)));
		let pairs = [(agent(11), agent(12)), (agent(11), OP), (agent(12), agent(12))];
		for (a, b) in &pairs {
			assert!(<Agents as AgentRegistry>::related(a, b));
			assert!(<Agents as AgentRegistry>::related(b, a));
		}
		// One step, and no more.
		assert!(!<Agents as AgentRegistry>::related(&agent(12), &OP));
	});
}

#[test]
fn ensure_active_should_fail_when_the_account_is_no_agent() {
	build_and_execute(|| {
		assert_noop!(Agents::ensure_active(&OP), Error::<Test>::NotRegistered);
		assert!(!Agents::is_active(OP));
		assert_eq!(Agents::agent(OP), None);
		assert_eq!(Agents::operator_of(OP), None);
	});
}

#[test]
fn verify_should_accept_the_account_key_raw_and_wrapped() {
	build_and_execute(|| {
		for bytes in [PAYLOAD.to_vec(), b"<Bytes>payload</Bytes>".to_vec()] {
			let signature = AgentSignature::Account(pair(10).sign(&bytes).into());
			// Whether or not the account is an agent.
			assert_ok!(Agents::verify(&agent(10), Scope::Offer, PAYLOAD, &signature));
			assert_noop!(
				Agents::verify(&agent(11), Scope::Offer, PAYLOAD, &signature),
				Error::<Test>::SignatureInvalid
			);
			assert_noop!(
				Agents::verify(&agent(10), Scope::Offer, b"other", &signature),
				Error::<Test>::SignatureInvalid
			);
		}
	});
}

#[test]
fn verify_should_accept_a_delegate_key_of_each_scheme() {
	build_and_execute(|| {
		let who = registered();
		let ed = ed25519::Pair::from_seed(&[1; 32]);
		let sr = sr25519::Pair::from_seed(&[1; 32]);
		let ec = ecdsa::Pair::from_seed(&[1; 32]);
		for (key, signature) in [
			(Key::Ed25519(ed.public().0), KeySignature::Ed25519(ed.sign(PAYLOAD).0)),
			(Key::Sr25519(sr.public().0), KeySignature::Sr25519(sr.sign(PAYLOAD).0)),
			(Key::Ecdsa(ec.public().0), KeySignature::Ecdsa(ec.sign(PAYLOAD).0)),
		] {
			let signature = AgentSignature::Delegate { key, signature };
			let verify = || Agents::verify(&who, Scope::Voucher, PAYLOAD, &signature);
			assert_noop!(verify(), Error::<Test>::KeyNotFound);
			assert_ok!(Agents::add_key(signed(&OP), who.clone(), key, vouchers(), 9));
			assert_ok!(verify());
			assert_ok!(Agents::remove_key(signed(&OP), who.clone(), key));
			assert_noop!(verify(), Error::<Test>::KeyNotFound);
		}
	});
}

#[test]
fn verify_should_fail_when_the_delegate_key_may_not_sign() {
	build_and_execute(|| {
		let who = registered();
		let pair = sr25519::Pair::from_seed(&[1; 32]);
		let key = Key::Sr25519(pair.public().0);
		let by_key = |bytes: &[u8]| AgentSignature::Delegate {
			key,
			signature: KeySignature::Sr25519(pair.sign(bytes).0),
		};
		let verify = |scope, signature: &AgentSignature| {
			Agents::verify(&agent(10), scope, PAYLOAD, signature)
		};
		assert_ok!(Agents::add_key(signed(&OP), who.clone(), key, vouchers(), 9));
		let good = by_key(PAYLOAD);
		for scope in [Scope::Offer, Scope::Endorse] {
			assert_noop!(verify(scope, &good), Error::<Test>::ScopeMissing);
		}
		// Delegate keys sign raw bytes only.
		for bytes in [b"other".as_slice(), b"<Bytes>payload</Bytes>".as_slice()] {
			let bad = by_key(bytes);
			assert_noop!(verify(Scope::Voucher, &bad), Error::<Test>::SignatureInvalid);
		}
		// Another agent's key is none of this agent's.
		assert_noop!(
			Agents::verify(&agent(11), Scope::Voucher, PAYLOAD, &good),
			Error::<Test>::KeyNotFound
		);
		run_to(9);
		assert_ok!(verify(Scope::Voucher, &good));
		run_to(10);
		assert_noop!(verify(Scope::Voucher, &good), Error::<Test>::KeyExpired);
	});
}

#[test]
fn verify_should_fail_when_the_operator_has_changed_since() {
	build_and_execute(|| {
		let who = registered();
		let pair = sr25519::Pair::from_seed(&[1; 32]);
		let key = Key::Sr25519(pair.public().0);
		assert_ok!(Agents::add_key(signed(&OP), who.clone(), key, vouchers(), 9));
		assert_ok!(Agents::offer_transfer(signed(&OP), who.clone(), OP2));
		assert_ok!(Agents::accept_transfer(signed(&OP2), who.clone()));
		let signature = KeySignature::Sr25519(pair.sign(PAYLOAD).0);
		assert_noop!(
			Agents::verify(
				&who,
				Scope::Voucher,
				PAYLOAD,
				&AgentSignature::Delegate { key, signature }
			),
			Error::<Test>::KeyNotFound
		);
	});
}
