//! Committing offers.

use super::*;

#[test]
fn commit_should_lock_and_tell_everything() {
	build_and_execute(|| {
		let offer = offer();
		run_to(3);
		let id = commit(&offer);
		assert_eq!(free(&BUYER, &USD), CREDITS - 200);
		assert_eq!(free(&SELLER, &USD), CREDITS - 30);
		assert_eq!(locked(&USD), 230);
		assert_eq!(held(&BUYER, HoldReason::Agreement), AGREEMENT_PRICE);
		assert_eq!(held(&BUYER, HoldReason::Record), RECORD_PRICE);
		let funded = Progress {
			state: State::Funded { deliver_by: 53 },
			released: 0,
			changes: 0,
			delivery: None,
		};
		let view = view(id);
		assert_eq!(view.offer, offer);
		assert_eq!(view.milestones, [funded; 2]);
		assert_eq!((view.started, view.schedule, view.sequence, view.bond), (3, 0, 0, 30));
		assert_eq!(view.transcript, H256::repeat_byte(5));
		assert_eq!(
			events(),
			[Event::Committed {
				id,
				negotiation: offer.key(),
				buyer: BUYER,
				seller: SELLER,
				asset: USD,
				total: 200,
				bond: 30,
				terms: [4; 32],
				by: Side::Buyer,
				round: 1,
				schedule: 0,
				transcript: H256::repeat_byte(5),
				depositor: BUYER,
			}]
		);
		let standing = Escrow::standing(BUYER, SELLER, [1; 32]).unwrap();
		assert_eq!((standing.agreement, standing.keep_until), (Some(id), None));
	});
}

#[test]
fn the_seller_should_commit_what_the_buyer_has_offered() {
	build_and_execute(|| {
		let offer = Offer { by: Side::Buyer, asset: STOA, bond: 0, panel: panel(0), ..offer() };
		let milestones = vec![Milestone { penalty: 0, ..milestone() }];
		let offer = Offer { milestones: milestones.try_into().unwrap(), ..offer };
		let id = commit(&offer);
		assert_eq!(view(id).depositor, SELLER);
		assert_eq!((free(&BUYER, &STOA), locked(&STOA)), (CREDITS - 100, 100));
	});
}

#[test]
fn commit_should_be_refused_to_everybody_else() {
	build_and_execute(|| {
		let offer = offer();
		for who in [SELLER, STRANGER, FIRST] {
			let call =
				Escrow::commit(signed(who), Box::new(offer.clone()), sign(&offer), H256::zero());
			refused!(call, NotRecipient);
		}
	});
}

#[test]
fn commit_should_be_refused_when_the_offer_is_wrong_by_itself() {
	build_and_execute(|| {
		let change = |change: fn(&mut Offer)| {
			let mut offer = offer();
			change(&mut offer);
			try_commit(&offer)
		};
		let first = |change: fn(&mut Milestone)| {
			let mut offer = offer();
			change(&mut offer.milestones[0]);
			try_commit(&offer)
		};
		refused!(change(|offer| offer.seller = BUYER), SameParty);
		refused!(change(|offer| offer.seller = FIRST), PartyIsArbiter);
		refused!(change(|offer| offer.panel.arbiters[0] = SECOND), ArbiterTwice);
		refused!(change(|offer| offer.milestones = Default::default()), NoMilestones);
		refused!(first(|milestone| milestone.amount = 0), ZeroAmount);
		refused!(first(|milestone| milestone.amount = Balance::MAX), AmountOverflow);
		refused!(first(|milestone| milestone.deliver_within = 0), DeliveryOutOfBounds);
		refused!(first(|milestone| milestone.review = 14), ReviewOutOfBounds);
		refused!(first(|milestone| milestone.changes = 9), ChangesOutOfBounds);
		refused!(first(|milestone| milestone.rework = 0), ReworkOutOfBounds);
		refused!(first(|milestone| milestone.rework = 14), ReworkOutOfBounds);
		refused!(first(|milestone| milestone.penalty = 21), PenaltiesAboveBond);
		refused!(change(|offer| offer.panel.turn = 0), PanelOutOfBounds);
		refused!(change(|offer| offer.panel.turn = 9), PanelOutOfBounds);
		refused!(change(|offer| offer.round = 0), RoundOutOfBounds);
		refused!(change(|offer| offer.previous = Some([1; 32])), PreviousMismatch);
		refused!(change(|offer| offer.valid_until = 0), OpenedAfterEnd);
		refused!(change(|offer| offer.valid_until = MAX_VALIDITY + 2), ValidityOutOfBounds);
	});
}

#[test]
fn an_offer_should_be_good_from_its_first_block_to_its_last() {
	build_and_execute(|| {
		let offer = Offer { opened: 5, valid_until: 10, ..offer() };
		run_to(4);
		refused!(try_commit(&offer), NotOpenedYet);
		run_to(11);
		refused!(try_commit(&offer), OfferExpired);
		for (block, negotiation) in [(5, [1; 32]), (10, [2; 32])] {
			run_to(block);
			assert_ok!(try_commit(&Offer { negotiation, ..offer.clone() }));
		}
	});
}

#[test]
fn commit_should_be_refused_when_somebody_is_not_active_or_not_independent() {
	build_and_execute(|| {
		for who in [SELLER, FIRST, SECOND] {
			set_inactive(&who, true);
			assert_noop!(try_commit(&offer()), DispatchError::Other("inactive"));
			set_inactive(&who, false);
		}
		// A buyer need be no agent; one that is must be active.
		let buys = Offer { negotiation: [2; 32], buyer: AGENT, ..offer() };
		set_inactive(&AGENT, true);
		assert_noop!(try_commit(&buys), DispatchError::Other("inactive"));
		set_inactive(&AGENT, false);
		assert_ok!(frame_support::hypothetically!(try_commit(&buys)));
		set_operator(&SELLER, &BUYER);
		refused!(try_commit(&offer()), SameOperator);
		set_operator(&SELLER, &SECOND);
		refused!(try_commit(&offer()), ArbiterNotIndependent);
		set_operator(&SELLER, &SELLER);
		set_operator(&SECOND, &BUYER);
		refused!(try_commit(&offer()), ArbiterNotIndependent);
		set_operator(&SECOND, &FIRST);
		refused!(try_commit(&offer()), ArbiterNotIndependent);
		set_operator(&SECOND, &OPERATOR);
		assert_ok!(try_commit(&offer()));
	});
}

#[test]
fn commit_should_be_refused_when_credits_are_missing() {
	build_and_execute(|| {
		set_free(&BUYER, &USD, 199);
		refused!(try_commit(&offer()), BuyerCannotPay);
		set_free(&BUYER, &USD, CREDITS);
		set_free(&SELLER, &USD, 29);
		refused!(try_commit(&offer()), SellerCannotPay);
		set_free(&SELLER, &USD, CREDITS);
	});
}

#[test]
fn commit_should_ask_the_guard_for_both_sides() {
	build_and_execute(|| {
		let guarded = DispatchError::Other("guarded");
		let amount = single(Milestone { amount: GUARDED, ..milestone() });
		assert_noop!(try_commit(&amount), guarded);
		assert_noop!(try_commit(&Offer { bond: GUARDED, ..offer() }), guarded);
	});
}

#[test]
fn the_operator_should_put_up_deposits_within_its_limits() {
	build_and_execute(|| {
		// An agent that owns nothing but credits commits, first as the buyer, then as the seller.
		let buys = |n| Offer { negotiation: [n; 32], buyer: AGENT, panel: panel(0), ..offer() };
		let id = commit(&buys(1));
		let sells = Offer { buyer: BUYER, seller: AGENT, by: Side::Buyer, ..buys(2) };
		assert_ok!(try_commit(&sells));
		assert_eq!(view(id).depositor, OPERATOR);
		assert_eq!(held(&OPERATOR, HoldReason::Agreement), 2 * AGREEMENT_PRICE);
		assert_eq!(
			Sponsorships::<Test>::get(OPERATOR, AGENT),
			Sponsored { agreements: 2, records: 2 }
		);
		refused!(try_commit(&buys(3)), SponsorLimitReached);
		// What ends makes room, and its deposit comes back; the record's is kept.
		for milestone in 0..2 {
			assert_ok!(Escrow::release(signed(AGENT), id, milestone, 100));
		}
		assert_eq!(held(&OPERATOR, HoldReason::Agreement), AGREEMENT_PRICE);
		assert_eq!(held(&OPERATOR, HoldReason::Record), 2 * RECORD_PRICE);
		assert_ok!(try_commit(&buys(3)));
		// An agent that is stopped is not sponsored. Its room for records is used up as well.
		set_inactive(&AGENT, true);
		let withdrawn = Escrow::withdraw_offer(signed(AGENT), BUYER, [9; 32], Side::Buyer, 1);
		refused!(withdrawn, OwnerCannotPay);
	});
}

#[test]
fn commit_should_be_refused_when_nobody_can_put_up_the_deposit() {
	build_and_execute(|| {
		let root = || RuntimeOrigin::root();
		assert_ok!(Balances::force_set_balance(root(), OPERATOR, 20));
		let buys = Offer { buyer: AGENT, panel: panel(0), ..offer() };
		refused!(try_commit(&buys), SponsorCannotPay);
		assert_ok!(Balances::force_set_balance(root(), BUYER, 20));
		refused!(try_commit(&offer()), OwnerCannotPay);
		// An agent with tokens of its own pays itself.
		assert_ok!(Balances::force_set_balance(root(), AGENT, 1_000));
		assert_eq!(view(commit(&buys)).depositor, AGENT);
	});
}

#[test]
fn a_quote_should_say_what_a_commit_does_and_change_nothing() {
	build_and_execute(|| {
		let offer = offer();
		let before = root();
		let quote = Escrow::quote(offer.clone()).unwrap();
		assert_eq!(root(), before);
		let id = commit(&offer);
		assert_eq!(quote, Quote { id, total: 200, bond: 30, schedule: 0, ends: 2 + VOID_WINDOW });
		assert_eq!(Escrow::deadlines(id).unwrap().ends, quote.ends);
		let refusal = Escrow::quote(offer).unwrap_err();
		assert_eq!(refusal, Error::<Test>::NegotiationConcluded.into());
	});
}
