//! Registration, lease and manifest.

use crate::{mock::*, AgentView, ConsentProof, Error, Event};
use frame_support::{assert_noop, assert_ok, hypothetically};
use sp_core::{ecdsa, ed25519, Pair, H256};
use sp_runtime::{traits::IdentifyAccount, DispatchError, MultiSigner, TokenError};
use stoa_primitives::{
	agent::Status,
	mock::{MockReferralBook, MockRegistration},
	payload::{Consent, Domain, Payload},
	referral::Referral,
	traits::AgentRegistry,
	AccountId, BlockNumber,
};

fn try_register(proof: Option<ConsentProof>) -> Result<(), DispatchError> {
	Agents::register(signed(&OP), agent(10), proof, manifest("u"), None)
}

#[test]
fn register_should_store_the_agent_when_it_consents() {
	build_and_execute(|| {
		let uri = manifest("https://agent.example/manifest.json");
		let proof = proof(10, &OP, 20);
		assert_ok!(Agents::register(signed(&OP), agent(10), Some(proof), uri.clone(), None));
		assert_eq!(
			Agents::agent(agent(10)),
			Some(AgentView {
				operator: OP,
				status: Status::Active,
				manifest: Some(uri),
				lease_until: 1 + LEASE,
				epoch: 0,
				transfer_to: None,
				active: true,
			})
		);
		assert_eq!(Agents::operator_of(agent(10)), Some(OP));
		assert!(Agents::is_active(agent(10)));
		System::assert_last_event(
			Event::<Test>::Registered { agent: agent(10), operator: OP, lease_until: 1 + LEASE }
				.into(),
		);
	});
}

#[test]
fn register_should_need_no_proof_when_the_agent_operates_itself() {
	build_and_execute(|| {
		let who = agent(10);
		assert_ok!(Agents::register(signed(&who), who.clone(), None, manifest("u"), None));
		assert_eq!(Agents::operator_of(who.clone()), Some(who));
	});
}

#[test]
fn register_should_accept_every_account_key_raw_and_wrapped() {
	build_and_execute(|| {
		let ed = ed25519::Pair::from_seed(&[5; 32]);
		let ec = ecdsa::Pair::from_seed(&[5; 32]);
		let sr = pair(5);
		let signers = [
			MultiSigner::from(ed.public()),
			MultiSigner::from(ec.public()),
			MultiSigner::from(sr.public()),
		];
		for (i, signer) in signers.into_iter().enumerate() {
			let who: AccountId = signer.into_account();
			let raw = consent(&OP, &who, 9);
			let wrapped = [b"<Bytes>".as_slice(), &raw, b"</Bytes>".as_slice()].concat();
			for bytes in [raw, wrapped] {
				let signature = match i {
					0 => ed.sign(&bytes).into(),
					1 => ec.sign(&bytes).into(),
					_ => sr.sign(&bytes).into(),
				};
				let proof = ConsentProof { signature, expires: 9 };
				hypothetically!({
					assert_ok!(Agents::register(
						signed(&OP),
						who.clone(),
						Some(proof),
						manifest("u"),
						None
					));
				});
			}
		}
	});
}

#[test]
fn register_should_take_a_deposit_that_follows_uri_and_referral() {
	build_and_execute(|| {
		assert_ok!(register(10, &OP));
		let (short, _) = held(&OP);
		let uri = manifest(&"u".repeat(51));
		let second = Some(proof(11, &OP, 9));
		assert_ok!(Agents::register(signed(&OP), agent(11), second, uri.clone(), None));
		let (both, _) = held(&OP);
		assert_eq!(both, 2 * short + 50);
		let third = Some(proof(12, &OP, 9));
		let referral = Some(Referral::Account(REFERRER));
		assert_ok!(Agents::register(signed(&OP), agent(12), third, uri, referral));
		assert_eq!(held(&OP), (both + short + 50 + REFERRAL_BYTES, 0));
	});
}

#[test]
fn register_should_tell_the_registration_hook_when_the_record_stands() {
	build_and_execute(|| {
		MockRegistration::mock_registered(|who| {
			assert_eq!(*who, agent(10));
			assert!(Agents::is_active(who.clone()));
			System::remark_with_event(signed(&OP), vec![1]).map(|_| ()).unwrap();
		});
		assert_ok!(register(10, &OP));
		assert_eq!(System::events().len(), 3, "hold, what the hook did, and registration");
		MockRegistration::mock_registered(|_| panic!("it is an agent already"));
		assert_noop!(register(10, &OP), Error::<Test>::AlreadyRegistered);
	});
}

#[test]
fn register_should_bind_the_referral_when_the_record_stands() {
	build_and_execute(|| {
		MockReferralBook::mock_bind(|referee, referral| {
			assert_eq!(*referral, Referral::Account(REFERRER));
			assert_eq!(<Agents as AgentRegistry>::operator_of(referee), Some(OP));
			System::remark_with_event(signed(&OP), vec![1]).map(|_| ()).map_err(|e| e.error)
		});
		let referral = Some(Referral::Account(REFERRER));
		let proof = Some(proof(10, &OP, 9));
		assert_ok!(Agents::register(signed(&OP), agent(10), proof, manifest("u"), referral));
		assert_eq!(System::events().len(), 3, "hold, registration and what the book did");
	});
}

#[test]
fn register_should_fail_when_the_referral_is_refused() {
	build_and_execute(|| {
		MockReferralBook::mock_bind(|_, _| Err(DispatchError::Unavailable));
		let referral = Some(Referral::Account(REFERRER));
		let proof = Some(proof(10, &OP, 9));
		assert_noop!(
			Agents::register(signed(&OP), agent(10), proof, manifest("u"), referral),
			DispatchError::Unavailable
		);
	});
}

#[test]
fn register_should_fail_when_the_account_is_an_agent_already() {
	build_and_execute(|| {
		assert_ok!(register(10, &OP));
		assert_noop!(register(10, &OP), Error::<Test>::AlreadyRegistered);
		assert_noop!(register(10, &OP2), Error::<Test>::AlreadyRegistered);
	});
}

#[test]
fn register_should_fail_when_the_agent_was_retired() {
	build_and_execute(|| {
		let old = proof(10, &OP, 20);
		assert_ok!(try_register(Some(old.clone())));
		assert_ok!(Agents::retire(signed(&OP), agent(10)));
		assert_noop!(try_register(Some(old)), Error::<Test>::Retired);
		assert_noop!(register(10, &OP2), Error::<Test>::Retired);
		let itself = signed(&agent(10));
		assert_noop!(
			Agents::register(itself, agent(10), None, manifest("u"), None),
			Error::<Test>::Retired
		);
	});
}

#[test]
fn register_should_ignore_an_old_consent_when_the_operator_has_changed() {
	build_and_execute(|| {
		let old = proof(10, &OP, 20);
		assert_ok!(try_register(Some(old.clone())));
		assert_ok!(Agents::offer_transfer(signed(&OP), agent(10), OP2));
		assert_ok!(Agents::accept_transfer(signed(&OP2), agent(10)));
		assert_noop!(try_register(Some(old)), Error::<Test>::AlreadyRegistered);
		assert_eq!(Agents::operator_of(agent(10)), Some(OP2));
	});
}

#[test]
fn register_should_fail_when_the_proof_is_missing() {
	build_and_execute(|| {
		assert_noop!(try_register(None), Error::<Test>::ProofMissing);
	});
}

#[test]
fn register_should_fail_when_the_proof_has_expired() {
	build_and_execute(|| {
		run_to(21);
		assert_noop!(try_register(Some(proof(10, &OP, 20))), Error::<Test>::ProofExpired);
		run_to(20);
		assert_ok!(try_register(Some(proof(10, &OP, 20))));
	});
}

#[test]
fn register_should_fail_when_the_proof_lives_too_long() {
	build_and_execute(|| {
		for expires in [1 + MAX_CONSENT_AGE + 1, BlockNumber::MAX] {
			let proof = proof(10, &OP, expires);
			assert_noop!(try_register(Some(proof)), Error::<Test>::ProofTooLong);
		}
		assert_ok!(try_register(Some(proof(10, &OP, 1 + MAX_CONSENT_AGE))));
	});
}

#[test]
fn register_should_fail_when_the_signature_is_over_something_else() {
	build_and_execute(|| {
		let sign = |bytes: &[u8]| pair(10).sign(bytes).into();
		let elsewhere = Domain::agents(H256::repeat_byte(9));
		let here = Domain::channels(System::block_hash(0));
		let consent_in = |domain: &Domain| {
			Consent { operator: OP, agent: agent(10), expires: 9 }.to_bytes(domain)
		};
		for signature in [
			// another agent's key
			pair(11).sign(&consent(&OP, &agent(10), 9)).into(),
			// another operator, another agent, another expiry
			sign(&consent(&OP2, &agent(10), 9)),
			sign(&consent(&OP, &agent(11), 9)),
			sign(&consent(&OP, &agent(10), 10)),
			// another chain, another use
			sign(&consent_in(&elsewhere)),
			sign(&consent_in(&here)),
		] {
			let proof = ConsentProof { signature, expires: 9 };
			assert_noop!(try_register(Some(proof)), Error::<Test>::ProofInvalid);
		}
	});
}

#[test]
fn register_should_fail_when_another_operator_submits_the_consent() {
	build_and_execute(|| {
		let stolen = Some(proof(10, &OP, 9));
		assert_noop!(
			Agents::register(signed(&OP2), agent(10), stolen, manifest("u"), None),
			Error::<Test>::ProofInvalid
		);
	});
}

#[test]
fn register_should_fail_when_the_uri_is_malformed() {
	build_and_execute(|| {
		for uri in ["with space", "line\n", "umlaut-ü", "\u{0}"] {
			let proof = Some(proof(10, &OP, 9));
			assert_noop!(
				Agents::register(signed(&OP), agent(10), proof, manifest(uri), None),
				Error::<Test>::MalformedUri
			);
		}
	});
}

#[test]
fn register_should_fail_when_the_operator_cannot_pay() {
	build_and_execute(|| {
		assert_noop!(register(10, &POOR), TokenError::FundsUnavailable);
	});
}

#[test]
fn register_should_fail_when_unsigned() {
	build_and_execute(|| {
		assert_noop!(
			Agents::register(RuntimeOrigin::root(), agent(10), None, manifest("u"), None),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn a_lease_should_run_out_after_its_last_block() {
	build_and_execute(|| {
		let who = registered();
		run_to(1 + LEASE);
		assert!(Agents::is_active(who.clone()));
		run_to(2 + LEASE);
		assert!(!Agents::is_active(who.clone()));
		assert!(!Agents::agent(who.clone()).unwrap().active);
		assert_noop!(Agents::ensure_active(&who), Error::<Test>::LeaseLapsed);
	});
}

#[test]
fn renew_should_extend_the_lease_when_it_runs_and_when_it_has_lapsed() {
	build_and_execute(|| {
		let who = registered();
		for block in [50, 1_000] {
			run_to(block);
			assert_ok!(Agents::renew(signed(&OP), who.clone()));
			let lease_until = block + LEASE;
			assert_eq!(Agents::agent(who.clone()).unwrap().lease_until, lease_until);
			assert!(Agents::is_active(who.clone()));
			System::assert_last_event(
				Event::<Test>::Renewed { agent: who.clone(), lease_until }.into(),
			);
		}
	});
}

#[test]
fn renew_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		assert_noop!(Agents::renew(signed(&OP), agent(11)), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(Agents::renew(signed(&OP2), who.clone()), Error::<Test>::NotOperator);
		assert_noop!(Agents::renew(signed(&who), who.clone()), Error::<Test>::NotOperator);
		assert_ok!(Agents::retire(signed(&OP), who.clone()));
		assert_noop!(Agents::renew(signed(&OP), who), Error::<Test>::Retired);
	});
}

#[test]
fn renew_should_fail_when_block_numbers_end() {
	build_and_execute(|| {
		let who = registered();
		run_to(BlockNumber::MAX);
		assert_noop!(Agents::renew(signed(&OP), who), sp_runtime::ArithmeticError::Overflow);
	});
}

#[test]
fn set_manifest_should_replace_it_and_move_the_deposit() {
	build_and_execute(|| {
		let who = registered();
		let (before, _) = held(&OP);
		for (uri, more) in [("u".repeat(101), 100), ("u".into(), 0), (String::new(), -1)] {
			let new = manifest(&uri);
			assert_ok!(Agents::set_manifest(signed(&OP), who.clone(), new.clone()));
			assert_eq!(Agents::agent(who.clone()).unwrap().manifest, Some(new));
			assert_eq!(held(&OP).0, before.checked_add_signed(more).unwrap());
			System::assert_last_event(
				Event::<Test>::ManifestSet { agent: who.clone(), digest: [7; 32] }.into(),
			);
		}
	});
}

#[test]
fn set_manifest_should_fail_when_it_cannot_apply() {
	build_and_execute(|| {
		let set = |by: &AccountId, uri| Agents::set_manifest(signed(by), agent(10), manifest(uri));
		assert_noop!(set(&OP, "u"), Error::<Test>::NotRegistered);
		let who = registered();
		assert_noop!(set(&OP2, "u"), Error::<Test>::NotOperator);
		assert_noop!(set(&OP, "a b"), Error::<Test>::MalformedUri);
		assert_ok!(Agents::retire(signed(&OP), who));
		assert_noop!(set(&OP, "u"), Error::<Test>::Retired);
	});
}
