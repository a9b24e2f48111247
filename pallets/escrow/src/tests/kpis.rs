//! What is counted.

use super::*;
use stoa_primitives::agreement::Kpis;

/// Release all of an agreement of two milestones.
fn complete(id: AgreementId) {
	for milestone in 0..2 {
		assert_ok!(Escrow::release(signed(BUYER), id, milestone, 100));
	}
}

fn cancel(id: AgreementId, seller: Balance) {
	let sequence = view(id).sequence;
	let expires = System::block_number();
	let consent = CancelConsent { agreement: id, seller, sequence, expires };
	let signature = seal(&SELLER, &consent.to_bytes(&domain()));
	assert_ok!(Escrow::cancel(signed(BUYER), consent, signature));
}

#[test]
fn an_agreement_should_count_for_both_sides_and_the_market_when_it_has_ended() {
	build_and_execute(|| {
		assert_eq!(Escrow::market_kpis(), crate::kpis::Counters::default().kpis());
		assert_eq!(Escrow::agent_kpis(SELLER), None);
		run_to(9);
		// Round 3, eight blocks, 200 of 250.
		let id = commit(&Offer { round: 3, previous: Some([1; 32]), ..offer() });
		assert_eq!(Escrow::market_kpis(), crate::kpis::Counters::default().kpis());
		run_to(20);
		complete(id);
		let expected = Kpis {
			agreements: 1,
			median_wait: Some((8, 15)),
			acceptance_ppm: Some(333_333),
			price_ppm: Some(800_000),
			disputes: 0,
			disputes_per_thousand: Some(0),
			breaches: 0,
		};
		assert_eq!(Escrow::market_kpis(), expected);
		assert_eq!(Escrow::agent_kpis(SELLER), Some(expected));
		assert_eq!(Escrow::agent_kpis(BUYER), Some(expected));

		// Without a first price, and at once.
		let other =
			Offer { negotiation: [2; 32], seller: SELLER2, opened: 20, first_ask: 0, ..offer() };
		complete(commit(&other));
		let market = Escrow::market_kpis();
		assert_eq!((market.agreements, market.acceptance_ppm), (2, Some(500_000)));
		assert_eq!((market.median_wait, market.price_ppm), (Some((0, 0)), Some(800_000)));
		assert_eq!(Escrow::agent_kpis(SELLER), Some(expected));
	});
}

#[test]
fn what_has_not_come_off_should_count_as_offers_alone() {
	build_and_execute(|| {
		let of =
			|n: u8| Offer { negotiation: [n; 32], round: 2, previous: Some([1; 32]), ..offer() };
		// Undone, and cancelled with nothing paid.
		commit(&of(1));
		let counter = Offer { round: 3, by: Side::Buyer, ..of(1) };
		assert_ok!(Escrow::supersede(signed(SELLER), Box::new(counter.clone()), sign(&counter)));
		cancel(commit(&of(2)), 0);
		let kpis = Escrow::market_kpis();
		assert_eq!((kpis.agreements, kpis.acceptance_ppm), (0, Some(0)));
		assert_eq!((kpis.median_wait, kpis.price_ppm), (None, None));
		// With one unit paid it has come off.
		cancel(commit(&of(3)), 1);
		let kpis = Escrow::market_kpis();
		assert_eq!((kpis.agreements, kpis.acceptance_ppm), (1, Some(166_666)));
		assert_eq!(kpis.price_ppm, Some(800_000));
	});
}

#[test]
fn an_absurd_first_price_should_count_as_half_the_price() {
	build_and_execute(|| {
		complete(commit(&Offer { first_ask: 1, ..offer() }));
		complete(commit(&Offer { negotiation: [2; 32], first_ask: 200, ..offer() }));
		assert_eq!(Escrow::market_kpis().price_ppm, Some(1_500_000));
	});
}

#[test]
fn a_withdrawal_should_count_once_in_a_negotiation_against_who_withdraws() {
	build_and_execute(|| {
		complete(commit(&offer()));
		for round in 1..4 {
			let withdrawn =
				Escrow::withdraw_offer(signed(SELLER), BUYER, [3; 32], Side::Seller, round);
			assert_ok!(withdrawn);
		}
		assert_ok!(Escrow::withdraw_offer(signed(BUYER), SELLER, [3; 32], Side::Buyer, 1));
		assert_eq!(Escrow::agent_kpis(SELLER).unwrap().acceptance_ppm, Some(500_000));
		assert_eq!(Escrow::agent_kpis(BUYER).unwrap().acceptance_ppm, Some(1_000_000));
		assert_eq!(Escrow::market_kpis().acceptance_ppm, Some(500_000));
	});
}

#[test]
fn an_agreement_with_many_disputes_should_count_once_and_a_breach_against_the_seller() {
	build_and_execute(|| {
		let id = commit(&offer());
		for milestone in 0..2 {
			assert_ok!(deliver(id, milestone));
			assert_ok!(dispute(BUYER, id, milestone));
			assert_ok!(answer(SELLER, id, milestone));
			assert_ok!(rule(FIRST, id, milestone, 0));
		}
		complete(commit(&Offer { negotiation: [2; 32], ..offer() }));
		let of = |who| {
			let kpis = Escrow::agent_kpis(who).unwrap();
			(kpis.agreements, kpis.disputes, kpis.disputes_per_thousand, kpis.breaches)
		};
		assert_eq!(of(SELLER), (2, 1, Some(500), 2));
		assert_eq!(of(BUYER), (2, 1, Some(500), 0));
		assert_eq!(Escrow::market_kpis().breaches, 2);
	});
}
