//! What others have suffered, and what an adversary would try.

use super::*;

#[test]
fn e1_silent_buyer_should_not_keep_what_was_delivered_for_nothing() {
	build_and_execute(|| {
		let id = delivered(panel(0));
		wait(21);
		assert_ok!(poke(id));
		assert_eq!(outcome(id).sums.released, 100);
	});
}

#[test]
fn e2_seller_should_not_replace_what_the_buyer_is_reading() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		refused!(Escrow::deliver(signed(SELLER), id, 0, evidence(8)), AlreadyDelivered);
		assert_ok!(dispute(BUYER, id, 0));
		refused!(Escrow::deliver(signed(SELLER), id, 0, evidence(8)), AlreadyDelivered);
		assert_eq!(view(id).milestones[0].delivery, Some([1; 32]));
	});
}

#[test]
fn e3_dispute_should_count_in_the_last_block_and_not_after() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		run_to(21);
		refused!(poke(id), NothingDue);
		assert_ok!(frame_support::hypothetically!(dispute(BUYER, id, 0)));
		run_to(22);
		refused!(dispute(BUYER, id, 0), ReviewOver);
		assert_ok!(poke(id));
	});
}

#[test]
fn e4_offer_should_be_refused_when_anything_of_it_was_changed() {
	build_and_execute(|| {
		let offer = offer();
		let signature = sign(&offer);
		let changes: [fn(&mut Offer); 12] = [
			|offer| offer.negotiation = [9; 32],
			|offer| offer.asset = STOA,
			|offer| offer.milestones[1].amount = 99,
			|offer| offer.milestones[0].deliver_within = 51,
			|offer| offer.milestones[0].penalty = 11,
			|offer| offer.terms = [9; 32],
			|offer| offer.bond = 31,
			|offer| offer.panel.fallback = Permill::zero(),
			|offer| offer.panel.arbiters.truncate(1),
			|offer| offer.first_ask = 1,
			|offer| offer.valid_until = 1_001,
			|offer| offer.nonce = 1,
		];
		for change in changes {
			let mut tampered = offer.clone();
			change(&mut tampered);
			let call =
				Escrow::commit(signed(BUYER), Box::new(tampered), signature.clone(), H256::zero());
			assert_noop!(call, DispatchError::BadOrigin);
		}
	});
}

#[test]
fn e5_offer_should_be_refused_when_it_was_signed_for_another_chain_or_by_another() {
	build_and_execute(|| {
		let offer = offer();
		let foreign = stoa_primitives::payload::Domain::agreements(H256::repeat_byte(1));
		let channels = stoa_primitives::payload::Domain::channels(System::block_hash(0));
		let signatures = [
			seal(&SELLER, &offer.digest(&foreign)),
			seal(&SELLER, &offer.digest(&channels)),
			seal(&BUYER, &offer.digest(&domain())),
			seal(&SELLER2, &offer.digest(&domain())),
			// The offer itself instead of its digest.
			seal(&SELLER, &offer.to_bytes(&domain())),
		];
		for signature in signatures {
			let call =
				Escrow::commit(signed(BUYER), Box::new(offer.clone()), signature, H256::zero());
			assert_noop!(call, DispatchError::BadOrigin);
		}
	});
}

#[test]
fn e6_offer_should_make_one_agreement_and_its_negotiation_no_other() {
	build_and_execute(|| {
		let id = commit(&offer());
		refused!(try_commit(&offer()), NegotiationConcluded);
		let later = Offer { round: 2, previous: Some([1; 32]), by: Side::Buyer, ..offer() };
		refused!(try_commit(&later), NegotiationConcluded);
		let consent = CancelConsent { agreement: id, seller: 0, sequence: 0, expires: 9 };
		let signature = seal(&SELLER, &consent.to_bytes(&domain()));
		assert_ok!(Escrow::cancel(signed(BUYER), consent, signature));
		refused!(try_commit(&offer()), NegotiationConcluded);
		refused!(try_commit(&later), NegotiationConcluded);
	});
}

#[test]
fn e7_nobody_should_deal_with_itself_or_judge_its_own_case() {
	build_and_execute(|| {
		// The agent's operator as the buyer, with an arbiter of its own.
		set_free(&OPERATOR, &USD, 200);
		let own = Offer { buyer: OPERATOR, seller: AGENT, ..offer() };
		refused!(try_commit(&own), SameOperator);
		set_operator(&SECOND, &OPERATOR);
		let judged = Offer { buyer: BUYER, seller: AGENT, ..offer() };
		refused!(try_commit(&judged), ArbiterNotIndependent);
		set_free(&OPERATOR, &USD, 0);
	});
	build_and_execute(|| {
		// An agent that has an operator is the operator of an arbiter, or of the seller.
		let buys = Offer { buyer: AGENT, ..offer() };
		set_operator(&SECOND, &AGENT);
		refused!(try_commit(&buys), ArbiterNotIndependent);
		set_operator(&SELLER, &AGENT);
		refused!(try_commit(&Offer { panel: panel(0), ..buys }), SameOperator);
	});
}

#[test]
fn e8_schedule_that_changes_should_not_concern_what_runs() {
	build_and_execute(|| {
		let id = commit(&offer());
		set_schedule(1);
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 100));
		assert_eq!((free(&PLATFORM, &USD), free(&REFERRERS, &USD)), (10, 5));
		let next = commit(&Offer { negotiation: [2; 32], ..single(milestone()) });
		assert_eq!((view(id).schedule, view(next).schedule), (0, 1));
		assert_ok!(Escrow::release(signed(BUYER), next, 0, 100));
		assert_eq!(free(&PLATFORM, &USD), 10);
	});
}

#[test]
fn e9_accept_of_ones_own_counter_should_be_undone() {
	build_and_execute(|| {
		// The seller asks 200, the buyer counters, sees the price rise elsewhere, and commits after all.
		let id = commit(&offer());
		let counter = Offer { round: 2, previous: Some(id), by: Side::Buyer, bond: 0, ..offer() };
		let milestones = vec![Milestone { amount: 50, penalty: 0, ..milestone() }];
		let counter = Offer { milestones: milestones.try_into().unwrap(), ..counter };
		let signature = sign(&counter);
		assert_ok!(Escrow::supersede(signed(SELLER), Box::new(counter), signature));
		assert_eq!(outcome(id).reason, EndReason::Voided);
	});
}

#[test]
fn e10_stolen_delegate_of_one_side_should_not_move_a_deadline_alone() {
	build_and_execute(|| {
		let id = commit(&offer());
		let consent =
			ExtendConsent { agreement: id, milestone: 0, deliver_by: 60, sequence: 0, expires: 9 };
		// The seller's own signature is not the buyer's, and it cannot submit as the buyer.
		let own = seal(&SELLER, &consent.to_bytes(&domain()));
		assert_noop!(
			Escrow::extend(signed(SELLER), consent, own.clone()),
			DispatchError::BadOrigin
		);
		assert_noop!(Escrow::extend(signed(STRANGER), consent, own), Error::<Test>::NotParty);
	});
}

#[test]
fn e11_both_sides_should_leave_when_the_registry_knows_them_no_more() {
	build_and_execute(|| {
		let ids: Vec<_> = (1..=4)
			.map(|n| commit(&Offer { negotiation: [n; 32], ..single(milestone()) }))
			.collect();
		for who in [SELLER, FIRST, SECOND] {
			set_inactive(&who, true);
		}
		for id in &ids[..3] {
			assert_ok!(deliver(*id, 0));
		}
		assert_ok!(Escrow::accept(signed(BUYER), ids[0], 0));
		assert_ok!(dispute(BUYER, ids[1], 0));
		run_to(2 + VOID_WINDOW);
		for id in &ids[1..] {
			assert_ok!(poke(*id));
		}
		assert!(ids.into_iter().all(|id| Escrow::outcome(id).is_some()));
	});
}

#[test]
fn e12_bond_should_cover_all_penalties_whatever_the_rulings() {
	build_and_execute(|| {
		let milestones = vec![milestone(); 3].try_into().unwrap();
		let id = commit(&Offer { milestones, panel: panel(1), ..offer() });
		for milestone in 0..2 {
			assert_ok!(deliver(id, milestone));
			assert_ok!(dispute(BUYER, id, milestone));
			assert_ok!(answer(SELLER, id, milestone));
			assert_ok!(rule(FIRST, id, milestone, 0));
		}
		assert_eq!(view(id).bond, 10);
		run_to(52);
		assert_ok!(poke(id));
		assert_eq!(outcome(id).sums.penalties, 30);
	});
}
