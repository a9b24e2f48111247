//! What both sides change together.

use super::*;

fn cancel_consent(id: AgreementId, seller: Balance) -> CancelConsent {
	CancelConsent { agreement: id, seller, sequence: sequence(id), expires: 100 }
}

fn cancel(by: AccountId, signer: &AccountId, consent: CancelConsent) -> DispatchResult {
	Escrow::cancel(signed(by), consent, seal(signer, &consent.to_bytes(&domain())))
}

fn extend(by: AccountId, signer: &AccountId, consent: ExtendConsent) -> DispatchResult {
	Escrow::extend(signed(by), consent, seal(signer, &consent.to_bytes(&domain())))
}

fn extend_consent(id: AgreementId, deliver_by: BlockNumber) -> ExtendConsent {
	let sequence = sequence(id);
	ExtendConsent { agreement: id, milestone: 0, deliver_by, sequence, expires: 100 }
}

fn sequence(id: AgreementId) -> u32 {
	Escrow::agreement(id).map_or(0, |view| view.sequence)
}

#[test]
fn both_sides_should_end_an_agreement_as_they_like() {
	for (by, signer) in [(BUYER, SELLER), (SELLER, BUYER)] {
		build_and_execute(|| {
			let id = commit(&offer());
			assert_ok!(Escrow::release(signed(BUYER), id, 0, 20));
			assert_ok!(deliver(id, 1));
			assert_ok!(dispute(BUYER, id, 1));
			events();
			assert_ok!(cancel(by.clone(), &signer, cancel_consent(id, 45)));
			let sums = Sums { released: 65, refunded: 135, ..Sums::default() };
			let ended = Event::Ended { id, reason: EndReason::Cancelled, sums, bond: 30 };
			assert_eq!(events(), [ended]);
			assert_eq!(outcome(id).sums, sums);
			assert_eq!(free(&BUYER, &USD), CREDITS - 65);
			let shares = schedule(0).split(0, 65).unwrap();
			assert_eq!(free(&SELLER, &USD), CREDITS + shares.provider);
			assert_eq!(heard(&BUYER, &SELLER).breached, 0);
		});
	}
}

#[test]
fn cancelling_should_give_all_or_nothing_as_well() {
	build_and_execute(|| {
		let id = commit(&offer());
		refused!(cancel(BUYER, &SELLER, cancel_consent(id, 201)), AboveOpen);
		assert_ok!(cancel(BUYER, &SELLER, cancel_consent(id, 200)));
		let id = commit(&Offer { negotiation: [2; 32], ..offer() });
		assert_ok!(cancel(BUYER, &SELLER, cancel_consent(id, 0)));
	});
}

#[test]
fn cancelling_should_be_refused_with_the_reason() {
	build_and_execute(|| {
		let id = commit(&offer());
		let good = cancel_consent(id, 0);
		refused!(cancel(BUYER, &SELLER, cancel_consent(NOWHERE, 0)), UnknownAgreement);
		refused!(cancel(STRANGER, &SELLER, good), NotParty);
		let next = CancelConsent { sequence: 1, ..good };
		refused!(cancel(BUYER, &SELLER, next), SequenceNotNext);
		// One's own signature, a stranger's, and the other side's over another consent.
		for signer in [BUYER, STRANGER] {
			assert_noop!(cancel(BUYER, &signer, good), DispatchError::BadOrigin);
		}
		let signature = seal(&SELLER, &cancel_consent(id, 1).to_bytes(&domain()));
		assert_noop!(Escrow::cancel(signed(BUYER), good, signature), DispatchError::BadOrigin);
		run_to(100);
		assert_ok!(frame_support::hypothetically!(cancel(BUYER, &SELLER, good)));
		run_to(101);
		refused!(cancel(BUYER, &SELLER, good), ConsentExpired);
	});
}

#[test]
fn both_sides_should_give_the_seller_more_time() {
	build_and_execute(|| {
		let id = commit(&offer());
		let (extension, end) = (extend_consent(id, 60), cancel_consent(id, 0));
		assert_ok!(extend(SELLER, &BUYER, extension));
		assert_eq!(state(id, 0), State::Funded { deliver_by: 60 });
		assert_eq!(view(id).sequence, 1);
		// Not twice, and nothing that was signed before.
		refused!(extend(SELLER, &BUYER, extension), SequenceNotNext);
		refused!(cancel(BUYER, &SELLER, end), SequenceNotNext);
		run_to(60);
		assert_ok!(deliver(id, 0));
		assert_ok!(request_changes(id, 0));
		assert_eq!(state(id, 0), State::Reworking { deliver_by: 90 });
		events();
		assert_ok!(extend(BUYER, &SELLER, extend_consent(id, 91)));
		let extended = Event::Extended { id, milestone: 0, deliver_by: 91, sequence: 4 };
		assert_eq!(events(), [extended]);
		assert_eq!(state(id, 0), State::Reworking { deliver_by: 91 });
	});
}

#[test]
fn a_deadline_that_has_passed_should_be_extended_as_long_as_nobody_has_poked() {
	build_and_execute(|| {
		let id = commit(&offer());
		run_to(80);
		refused!(extend(SELLER, &BUYER, extend_consent(id, 79)), ExtensionOutOfBounds);
		assert_ok!(extend(SELLER, &BUYER, extend_consent(id, 80)));
		assert_ok!(deliver(id, 0));
		assert_ok!(poke(id));
		refused!(
			extend(SELLER, &BUYER, ExtendConsent { milestone: 1, ..extend_consent(id, 90) }),
			MilestoneEnded
		);
	});
}

#[test]
fn extending_should_be_refused_with_the_reason() {
	build_and_execute(|| {
		let id = commit(&offer());
		let good = extend_consent(id, 60);
		refused!(extend(STRANGER, &BUYER, good), NotParty);
		refused!(extend(SELLER, &BUYER, extend_consent(NOWHERE, 60)), UnknownAgreement);
		let unknown = ExtendConsent { milestone: 2, ..good };
		refused!(extend(SELLER, &BUYER, unknown), UnknownMilestone);
		for deliver_by in [51, 50, 0, MAX_DURATION + 2] {
			let wrong = extend_consent(id, deliver_by);
			refused!(extend(SELLER, &BUYER, wrong), ExtensionOutOfBounds);
		}
		assert_noop!(extend(SELLER, &SELLER, good), DispatchError::BadOrigin);
		assert_ok!(frame_support::hypothetically!(extend(
			SELLER,
			&BUYER,
			extend_consent(id, MAX_DURATION + 1)
		)));
		let most = 1 + MAX_CONSENT_AGE;
		let longest = ExtendConsent { expires: most, ..good };
		assert_ok!(frame_support::hypothetically!(extend(SELLER, &BUYER, longest)));
		let too_long = ExtendConsent { expires: most + 1, ..good };
		refused!(extend(SELLER, &BUYER, too_long), ConsentTooLong);
		assert_ok!(deliver(id, 0));
		refused!(extend(SELLER, &BUYER, good), SequenceNotNext);
		let good = extend_consent(id, 60);
		refused!(extend(SELLER, &BUYER, good), AlreadyDelivered);
		run_to(101);
		refused!(extend(SELLER, &BUYER, good), ConsentExpired);
	});
}

#[test]
fn a_consent_should_end_with_any_change_of_what_it_is_about() {
	build_and_execute(|| {
		let long = Milestone { deliver_within: 100, ..milestone() };
		let milestones = vec![milestone(), milestone(), milestone(), locked_milestone(), long];
		let milestones = milestones.try_into().unwrap();
		let id = commit(&Offer { milestones, bond: 60, panel: panel(1), ..offer() });
		let changes: [fn(AgreementId) -> DispatchResult; 10] = [
			|id| deliver(id, 0),
			|id| Escrow::release(signed(BUYER), id, 0, 1),
			|id| request_changes(id, 0),
			|id| dispute(SELLER, id, 0),
			|id| answer(BUYER, id, 0),
			|id| rule(FIRST, id, 0, 50),
			|id| Escrow::reveal(signed(SELLER), id, 3, LOCK_KEY),
			|id| deliver(id, 1),
			|id| Escrow::accept(signed(BUYER), id, 1),
			|id| {
				run_to(52);
				poke(id)
			},
		];
		for change in changes {
			let stale = cancel_consent(id, 0);
			assert_ok!(frame_support::hypothetically!(cancel(BUYER, &SELLER, stale)));
			assert_ok!(change(id));
			refused!(cancel(BUYER, &SELLER, stale), SequenceNotNext);
		}
	});
}
