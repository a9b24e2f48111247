//! Which offers can be committed, and how long the chain remembers.

use super::*;

fn key() -> [u8; 32] {
	negotiation_key(&BUYER, &SELLER, &[1; 32])
}

/// An offer of a round by one side.
fn round(round: u32, by: Side) -> Offer {
	let previous = (round > 1).then_some([round as u8; 32]);
	Offer { round, by, previous, ..offer() }
}

fn withdraw(by: AccountId, side: Side, round: u32) -> DispatchResult {
	let counterparty = if by == BUYER { SELLER } else { BUYER };
	Escrow::withdraw_offer(signed(by), counterparty, [1; 32], side, round)
}

fn supersede(by: AccountId, offer: &Offer) -> DispatchResult {
	Escrow::supersede(signed(by), Box::new(offer.clone()), sign(offer))
}

#[test]
fn withdrawn_offers_should_not_be_committed() {
	build_and_execute(|| {
		assert_ok!(withdraw(SELLER, Side::Seller, 3));
		let event =
			Event::OfferWithdrawn { negotiation: key(), by: SELLER, side: Side::Seller, round: 3 };
		assert_eq!(events(), [event]);
		refused!(try_commit(&round(1, Side::Seller)), OfferSuperseded);
		refused!(try_commit(&round(3, Side::Seller)), OfferSuperseded);
		// The buyer's own are not concerned, nor are other negotiations.
		assert_ok!(try_commit(&Offer { negotiation: [2; 32], ..round(3, Side::Seller) }));
		assert_ok!(try_commit(&round(2, Side::Buyer)));
		refused!(withdraw(SELLER, Side::Seller, 4), NegotiationConcluded);
	});
}

#[test]
fn withdrawing_should_be_refused_when_it_says_nothing() {
	build_and_execute(|| {
		refused!(withdraw(SELLER, Side::Seller, 0), RoundOutOfBounds);
		refused!(withdraw(SELLER, Side::Seller, MAX_ROUNDS + 1), RoundOutOfBounds);
		let itself = Escrow::withdraw_offer(signed(BUYER), BUYER, [1; 32], Side::Buyer, 1);
		refused!(itself, SameParty);
		assert_ok!(withdraw(SELLER, Side::Seller, 2));
		refused!(withdraw(SELLER, Side::Seller, 2), NothingNew);
		assert_ok!(withdraw(SELLER, Side::Seller, 3));
		// As the other side it is another negotiation.
		assert_ok!(withdraw(SELLER, Side::Buyer, 1));
		assert_eq!(Standings::<Test>::iter().count(), 2);
		let poor = Escrow::withdraw_offer(signed(STRANGER), BUYER, [1; 32], Side::Buyer, 1);
		refused!(poor, OwnerCannotPay);
	});
}

#[test]
fn a_later_offer_should_supersede_all_earlier_ones() {
	build_and_execute(|| {
		assert_ok!(supersede(BUYER, &round(3, Side::Seller)));
		assert_eq!(
			events(),
			[Event::OffersSuperseded { negotiation: key(), by: Side::Seller, round: 3 }]
		);
		refused!(try_commit(&round(1, Side::Seller)), OfferSuperseded);
		refused!(try_commit(&round(2, Side::Buyer)), OfferSuperseded);
		refused!(supersede(SELLER, &round(3, Side::Buyer)), NothingNew);
		refused!(supersede(SELLER, &round(2, Side::Buyer)), NothingNew);
		assert_ok!(try_commit(&round(3, Side::Seller)));
	});
}

#[test]
fn superseding_should_be_refused_to_strangers_and_without_a_signature() {
	build_and_execute(|| {
		refused!(supersede(STRANGER, &round(2, Side::Buyer)), NotParty);
		refused!(supersede(BUYER, &round(1, Side::Seller)), NothingNew);
		refused!(supersede(BUYER, &round(MAX_ROUNDS + 1, Side::Seller)), RoundOutOfBounds);
		let offer = round(2, Side::Buyer);
		let forged = seal(&SELLER, &offer.digest(&domain()));
		let call = Escrow::supersede(signed(BUYER), Box::new(offer), forged);
		assert_noop!(call, DispatchError::BadOrigin);
	});
}

#[test]
fn an_expired_counter_should_still_show_that_the_negotiation_went_on() {
	build_and_execute(|| {
		let counter = Offer { valid_until: 10, ..round(2, Side::Buyer) };
		run_to(20);
		assert_ok!(supersede(SELLER, &counter));
		refused!(try_commit(&round(1, Side::Seller)), OfferSuperseded);
	});
}

#[test]
fn a_commit_after_a_refusal_should_be_undone_by_who_can_prove_it() {
	build_and_execute(|| {
		let id = commit(&round(1, Side::Seller));
		// The buyer had answered with this, and then committed all the same.
		let counter = round(2, Side::Buyer);
		refused!(supersede(BUYER, &counter), NotSigner);
		refused!(supersede(SELLER, &round(2, Side::Seller)), NotRefused);
		refused!(supersede(SELLER, &round(1, Side::Buyer)), NotRefused);
		let forged = seal(&SELLER, &counter.digest(&domain()));
		let call = Escrow::supersede(signed(SELLER), Box::new(counter.clone()), forged);
		assert_noop!(call, DispatchError::BadOrigin);
		assert_ok!(supersede(SELLER, &counter));
		let outcome = outcome(id);
		assert_eq!((outcome.reason, outcome.sums.refunded), (EndReason::Voided, 200));
		assert_eq!((free(&BUYER, &USD), free(&SELLER, &USD)), (CREDITS, CREDITS));
		assert_eq!(held(&BUYER, HoldReason::Agreement), 0);
		// The negotiation is over.
		refused!(try_commit(&counter), NegotiationConcluded);
		refused!(supersede(SELLER, &counter), NegotiationConcluded);
	});
}

/// An offer of one milestone by `by` in a negotiation of its own, and what the other side had answered.
fn refused_offer(n: u8, by: Side) -> (Offer, Offer) {
	let offer = Offer { negotiation: [n; 32], by, panel: panel(1), ..single(milestone()) };
	let counter = Offer { round: 2, previous: Some([1; 32]), by: by.other(), ..offer.clone() };
	(offer, counter)
}

#[test]
fn an_agreement_should_be_undone_up_to_the_last_block_for_it() {
	build_and_execute(|| {
		for n in [1, 2] {
			commit(&refused_offer(n, Side::Seller).0);
		}
		run_to(1 + VOID_WINDOW);
		assert_ok!(supersede(SELLER, &refused_offer(1, Side::Seller).1));
		run_to(2 + VOID_WINDOW);
		refused!(supersede(SELLER, &refused_offer(2, Side::Seller).1), TooLateToVoid);
	});
}

#[test]
fn a_buyer_should_not_bar_the_undoing_by_releasing_a_unit() {
	build_and_execute(|| {
		let (offer, counter) = refused_offer(1, Side::Seller);
		let id = commit(&offer);
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 20));
		assert_ok!(supersede(SELLER, &counter));
		// What was released stays paid, the rest goes back without a penalty.
		let outcome = outcome(id);
		let sums = Sums { released: 20, refunded: 80, ..Sums::default() };
		assert_eq!((outcome.reason, outcome.sums), (EndReason::Voided, sums));
		assert_eq!(free(&SELLER, &USD), CREDITS + 17);
		assert_eq!(free(&BUYER, &USD), CREDITS - 20);
	});
}

#[test]
fn a_seller_should_not_bar_the_undoing_by_delivering_nothing() {
	build_and_execute(|| {
		let (offer, counter) = refused_offer(1, Side::Buyer);
		let id = commit(&offer);
		assert_ok!(deliver(id, 0));
		// Not even when the review is over, which the buyer knew nothing of.
		run_to(100);
		refused!(poke(id), NothingDue);
		assert_ok!(supersede(BUYER, &counter));
		assert_eq!(outcome(id).sums, Sums { refunded: 100, ..Sums::default() });
		assert_eq!((free(&BUYER, &USD), free(&SELLER, &USD)), (CREDITS, CREDITS));
	});
}

#[test]
fn what_was_paid_for_a_key_should_stay_paid() {
	build_and_execute(|| {
		let milestones = vec![locked_milestone(), milestone()].try_into().unwrap();
		let (offer, counter) = refused_offer(1, Side::Buyer);
		let id = commit(&Offer { milestones, ..offer });
		assert_ok!(Escrow::reveal(signed(SELLER), id, 0, LOCK_KEY));
		assert_ok!(supersede(BUYER, &counter));
		assert_eq!(outcome(id).sums, Sums { released: 100, refunded: 100, ..Sums::default() });
	});
}

#[test]
fn a_short_time_for_delivery_should_take_no_penalty_from_who_can_undo() {
	build_and_execute(|| {
		let short = Milestone { deliver_within: 1, ..milestone() };
		let (offer, counter) = refused_offer(1, Side::Seller);
		let id = commit(&Offer { milestones: vec![short].try_into().unwrap(), ..offer });
		run_to(1_000);
		refused!(poke(id), NothingDue);
		assert_ok!(supersede(SELLER, &counter));
		let outcome = outcome(id);
		assert_eq!((outcome.sums.penalties, outcome.breaches), (0, 0));
		assert_eq!(free(&SELLER, &USD), CREDITS);
	});
}

#[test]
fn who_has_acted_on_an_agreement_should_not_undo_it() {
	build_and_execute(|| {
		// The seller has offered, and delivers, or agrees to an extension.
		let of_seller = |n| (commit(&refused_offer(n, Side::Seller).0), n);
		let [delivered, extended] = [1, 2].map(of_seller);
		assert_ok!(deliver(delivered.0, 0));
		let consent = ExtendConsent {
			agreement: extended.0,
			milestone: 0,
			deliver_by: 60,
			sequence: 0,
			expires: 9,
		};
		let signature = seal(&SELLER, &consent.to_bytes(&domain()));
		assert_ok!(Escrow::extend(signed(BUYER), consent, signature));
		for (_, n) in [delivered, extended] {
			refused!(supersede(SELLER, &refused_offer(n, Side::Seller).1), TooLateToVoid);
		}
		// The buyer has offered, and releases, accepts, asks for changes or disputes.
		let acts: [fn(AgreementId) -> DispatchResult; 4] = [
			|id| Escrow::release(signed(BUYER), id, 0, 1),
			|id| Escrow::accept(signed(BUYER), id, 0),
			|id| request_changes(id, 0),
			|id| dispute(BUYER, id, 0),
		];
		for (n, act) in (3..).zip(acts) {
			let (offer, counter) = refused_offer(n, Side::Buyer);
			let milestones = vec![milestone(); 2].try_into().unwrap();
			let id = commit(&Offer { milestones, ..offer });
			assert_ok!(deliver(id, 0));
			assert_ok!(act(id));
			refused!(supersede(BUYER, &counter), TooLateToVoid);
		}
	});
}

#[test]
fn what_is_over_should_be_forgotten_in_time_and_no_offer_come_back() {
	build_and_execute(|| {
		let offer = Offer { valid_until: 1 + MAX_VALIDITY, ..single(milestone()) };
		let id = commit(&offer);
		refused!(Escrow::forget(signed(STRANGER), key()), StillNeeded);
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 100));
		assert!(Escrow::agent_kpis(BUYER).is_some());
		run_to(1 + RECORD_PERIOD);
		refused!(Escrow::forget(signed(STRANGER), key()), StillNeeded);
		run_to(2 + RECORD_PERIOD);
		events();
		assert_ok!(Escrow::forget(signed(STRANGER), key()));
		assert_eq!(events(), [Event::Forgotten { negotiation: key(), agreement: Some(id) }]);
		assert_eq!(held(&BUYER, HoldReason::Record), 0);
		assert!(Escrow::outcome(id).is_none() && Escrow::agent_kpis(BUYER).is_none());
		assert_eq!(Escrow::market_kpis().agreements, 1);
		refused!(Escrow::forget(signed(STRANGER), key()), UnknownNegotiation);
		refused!(try_commit(&offer), OfferExpired);
	});
}

#[test]
fn a_withdrawal_should_be_forgotten_when_no_offer_is_left_that_it_concerns() {
	build_and_execute(|| {
		run_to(7);
		let offer = Offer { opened: 7, valid_until: 7 + MAX_VALIDITY, ..offer() };
		assert_ok!(withdraw(SELLER, Side::Seller, 1));
		run_to(7 + MAX_VALIDITY);
		refused!(try_commit(&offer), OfferSuperseded);
		refused!(Escrow::forget(signed(STRANGER), key()), StillNeeded);
		run_to(8 + MAX_VALIDITY);
		assert_ok!(Escrow::forget(signed(STRANGER), key()));
		assert_eq!(held(&SELLER, HoldReason::Record), 0);
		refused!(try_commit(&offer), OfferExpired);
	});
}
