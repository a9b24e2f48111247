//! What is counted.

use super::*;
use stoa_primitives::agreement::Kpis;

#[test]
fn both_sides_and_the_market_should_be_counted() {
	build_and_execute(|| {
		assert_eq!(Escrow::market_kpis(), crate::kpis::Counters::default().kpis());
		assert_eq!(Escrow::agent_kpis(SELLER), None);
		run_to(9);
		// Round 3, eight blocks, 200 of 250.
		let id = commit(&Offer { round: 3, previous: Some([1; 32]), ..offer() });
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
			Offer { negotiation: [2; 32], seller: SELLER2, opened: 9, first_ask: 0, ..offer() };
		commit(&other);
		let market = Escrow::market_kpis();
		assert_eq!((market.agreements, market.acceptance_ppm), (2, Some(500_000)));
		assert_eq!((market.median_wait, market.price_ppm), (Some((0, 0)), Some(800_000)));
		assert_eq!(Escrow::agent_kpis(SELLER), Some(expected));

		// A withdrawal counts against who withdraws.
		let withdrawn = Escrow::withdraw_offer(signed(SELLER), BUYER, [3; 32], Side::Seller, 1);
		assert_ok!(withdrawn);
		assert_eq!(Escrow::agent_kpis(SELLER).unwrap().acceptance_ppm, Some(250_000));
		assert_eq!(Escrow::agent_kpis(BUYER).unwrap().acceptance_ppm, Some(500_000));
		assert_eq!(Escrow::market_kpis().acceptance_ppm, Some(400_000));

		// A dispute is both sides', a breach the seller's.
		assert_ok!(deliver(id, 0));
		assert_ok!(dispute(BUYER, id, 0));
		run_to(100);
		assert_ok!(poke(id));
		let of = |who| {
			let kpis = Escrow::agent_kpis(who).unwrap();
			(kpis.disputes, kpis.disputes_per_thousand, kpis.breaches)
		};
		assert_eq!(of(SELLER), (1, Some(1_000), 1));
		assert_eq!(of(BUYER), (1, Some(500), 0));
		assert_eq!(Escrow::market_kpis().breaches, 1);
	});
}
