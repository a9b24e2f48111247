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

#[test]
fn an_agreement_should_not_be_undone_too_late_or_when_something_has_happened() {
	build_and_execute(|| {
		let long = Milestone { deliver_within: MAX_DURATION, ..milestone() };
		let counter = round(2, Side::Buyer);
		let with =
			|n: u8, milestone: Milestone| Offer { negotiation: [n; 32], ..single(milestone) };
		let of = |n: u8| Offer { negotiation: [n; 32], ..counter.clone() };
		let ids: Vec<_> = (1..=5).map(|n| commit(&with(n, long))).collect();
		commit(&with(6, milestone()));
		assert_ok!(deliver(ids[0], 0));
		assert_ok!(Escrow::release(signed(BUYER), ids[1], 0, 1));
		let consent = ExtendConsent {
			agreement: ids[2],
			milestone: 0,
			deliver_by: MAX_DURATION + 2,
			sequence: 0,
			expires: 100,
		};
		run_to(2);
		let signature = seal(&BUYER, &consent.to_bytes(&domain()));
		assert_ok!(Escrow::extend(signed(SELLER), consent, signature));
		for n in 1..=3 {
			refused!(supersede(SELLER, &of(n)), TooLateToVoid);
		}
		// The deadline has passed, and the penalty is due.
		run_to(52);
		refused!(supersede(SELLER, &of(6)), TooLateToVoid);
		run_to(1 + VOID_WINDOW);
		assert_ok!(supersede(SELLER, &of(4)));
		run_to(2 + VOID_WINDOW);
		refused!(supersede(SELLER, &of(5)), TooLateToVoid);
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
