//! Silence.

use super::*;

fn deadline(id: AgreementId) -> Deadline {
	let deadlines = Escrow::deadlines(id).unwrap();
	assert_eq!(deadlines.milestones.len(), 1);
	assert_eq!(deadlines.ends, deadlines.milestones[0].from);
	deadlines.milestones[0]
}

/// Nothing is due in the block before the deadline. In its block the agreement ends as it said.
fn assert_kept(id: AgreementId) -> Outcome {
	let said = deadline(id);
	let before = view(id);
	// Nobody is there any more.
	for who in [SELLER, FIRST, SECOND] {
		set_inactive(&who, true);
	}
	run_to(said.from - 1);
	refused!(poke(id), NothingDue);
	run_to(said.from);
	let purses = [BUYER, SELLER].map(|who| free(&who, &USD));
	assert_ok!(poke(id));
	let outcome = outcome(id);
	assert_eq!(outcome.sums.released - before.sums.released, said.to_seller);
	assert_eq!(outcome.sums.refunded, said.to_buyer);
	assert_eq!(outcome.sums.penalties, said.penalty);
	let fee = |side| said.fee.filter(|(by, _)| *by == side).map_or(0, |(_, fee)| fee);
	let [buyer, seller] = [BUYER, SELLER].map(|who| free(&who, &USD));
	assert_eq!(buyer - purses[0], said.to_buyer + said.penalty + fee(Side::Buyer));
	let shares = schedule(0).split(before.sums.released, said.to_seller).unwrap();
	assert_eq!(seller - purses[1], shares.provider + 30 - said.penalty + fee(Side::Seller));
	outcome
}

#[test]
fn what_is_not_delivered_should_go_back_with_the_penalty() {
	build_and_execute(|| {
		let id = commit(&Offer { by: Side::Buyer, ..single(milestone()) });
		let said = Deadline {
			milestone: 0,
			from: 52,
			waits_for: WaitsFor::Seller,
			to_seller: 0,
			to_buyer: 100,
			penalty: 10,
			fee: None,
		};
		assert_eq!(deadline(id), said);
		assert_eq!(Escrow::deadlines(id).unwrap().bond, 20);
		let outcome = assert_kept(id);
		assert_eq!((outcome.breaches, outcome.reason), (1, EndReason::Completed));
		assert_eq!(heard(&BUYER, &SELLER), Heard { refunded: 100, breached: 1, disputed: 0 });
	});
}

#[test]
fn what_is_not_refused_should_be_paid() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		assert_eq!(deadline(id).waits_for, WaitsFor::Buyer);
		assert_eq!(assert_kept(id).sums.released, 100);
	});
}

#[test]
fn what_is_not_reworked_should_go_back_with_the_penalty() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		assert_ok!(request_changes(id, 0));
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 30));
		assert_eq!(deadline(id).waits_for, WaitsFor::Seller);
		let sums = assert_kept(id).sums;
		assert_eq!((sums.released, sums.refunded, sums.penalties), (30, 70, 10));
	});
}

#[test]
fn what_nobody_rules_on_should_be_divided_and_the_fee_go_back() {
	for by in [BUYER, SELLER] {
		build_and_execute(|| {
			let id = delivered(panel(2));
			if by == SELLER {
				assert_ok!(request_changes(id, 0));
			}
			assert_ok!(dispute(by.clone(), id, 0));
			assert_eq!(deadline(id).waits_for, WaitsFor::Arbiters);
			let outcome = assert_kept(id);
			assert_eq!((outcome.sums.released, outcome.sums.refunded), (34, 66));
			assert_eq!((outcome.sums.fees, outcome.breaches), (0, 0));
		});
	}
}

#[test]
fn a_poke_should_do_all_that_is_due_and_charge_no_more() {
	build_and_execute(|| {
		let short = Milestone { deliver_within: 10, ..milestone() };
		let milestones = vec![short, short, milestone()].try_into().unwrap();
		let id = commit(&Offer { milestones, by: Side::Buyer, ..offer() });
		refused!(poke(NOWHERE), UnknownAgreement);
		run_to(11);
		refused!(poke(id), NothingDue);
		run_to(12);
		let info = Escrow::poke(signed(STRANGER), id).unwrap();
		assert_eq!(info.actual_weight, Some(<() as crate::WeightInfo>::poke(2)));
		assert_eq!(view(id).bond, 10);
		assert_eq!(state(id, 2), State::Funded { deliver_by: 51 });
		refused!(poke(id), NothingDue);
	});
}

#[test]
fn silence_of_who_can_undo_an_agreement_should_end_nothing() {
	build_and_execute(|| {
		// The seller, who has offered, is silent for longer than it had for the delivery.
		let id = commit(&single(milestone()));
		assert_eq!(deadline(id).from, 2 + VOID_WINDOW);
		run_to(52);
		refused!(poke(id), NothingDue);
		assert_kept(id);
	});
	build_and_execute(|| {
		// The buyer, who has offered, is silent for longer than its review.
		let id = commit(&Offer { by: Side::Buyer, ..single(milestone()) });
		assert_ok!(deliver(id, 0));
		run_to(22);
		refused!(poke(id), NothingDue);
		refused!(dispute(BUYER, id, 0), ReviewOver);
		assert_eq!(deadline(id).from, 2 + VOID_WINDOW);
		assert_eq!(assert_kept(id).sums.released, 100);
	});
}

#[test]
fn a_first_act_of_the_signer_should_end_the_delay() {
	build_and_execute(|| {
		let id = commit(&offer());
		run_to(52);
		assert_eq!(Escrow::deadlines(id).unwrap().ends, 2 + VOID_WINDOW);
		// With the other side's consent the seller has more time for one; the other is due at once.
		let consent =
			ExtendConsent { agreement: id, milestone: 0, deliver_by: 60, sequence: 0, expires: 52 };
		let signature = seal(&BUYER, &consent.to_bytes(&domain()));
		assert_ok!(Escrow::extend(signed(SELLER), consent, signature));
		assert_eq!(Escrow::deadlines(id).unwrap().ends, 61);
		assert_ok!(poke(id));
		assert_eq!(view(id).sums.penalties, 10);
	});
}

#[test]
fn what_the_settlement_refuses_should_change_nothing() {
	build_and_execute(|| {
		let odd = Milestone { amount: REFUSED_GROSS, ..milestone() };
		let id = commit(&single(odd));
		assert_ok!(deliver(id, 0));
		assert_noop!(Escrow::accept(signed(BUYER), id, 0), REFUSED);
		wait(21);
		assert_noop!(poke(id), REFUSED);
	});
}
