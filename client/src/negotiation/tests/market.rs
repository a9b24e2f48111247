//! A thousand negotiations between strategies of all kinds.
//!
//! Two sides agree exactly when their ranges overlap in price, time and level of service, under the conditions that the
//! machine's documentation states, all of which hold here: each may make at least one offer, messages arrive while
//! offers stand, nobody's operator refuses, and a utility has no reserve beyond the limits.

use super::*;
use proptest::{
	prelude::{any, Strategy as _},
	strategy::ValueTree,
	test_runner::TestRunner,
};

/// A side at random.
#[derive(Clone, Debug)]
struct Party {
	aim: Proposal,
	limit: Proposal,
	strategy: Arc<dyn Strategy>,
	rounds: u32,
}

fn party(side: Side) -> impl proptest::strategy::Strategy<Value = Party> {
	// Limits that overlap more often than not, in each issue.
	let (price, time, quality) = match side {
		Side::Buyer => (8_000u128..16_000, 900u32..1_600, 900_000u32..945_000),
		Side::Seller => (5_000u128..13_000, 500u32..1_200, 925_000u32..970_000),
	};
	let issues = ((price, 0u128..8_000), (time, 0u32..400), (quality, 0u32..30_000));
	let kind = (0..3u8, 0..=MILLION, 1u32..8, 1u32..8, 0..=MILLION, 0..=MILLION);
	(issues, any::<[bool; 2]>(), kind, 1u32..12).prop_map(
		move |((price, time, quality), negotiated, (kind, start, n, d, a, b), rounds)| {
			// Issues that are not negotiated have a common value.
			let time = if negotiated[0] { time } else { (1_000, 0) };
			let quality = if negotiated[1] { quality } else { (935_000, 0) };
			let limit = Proposal { price: price.0, time: time.0, quality: quality.0 };
			let aim = match side {
				Side::Buyer => Proposal {
					price: price.0.saturating_sub(price.1).max(100),
					time: time.0.saturating_sub(time.1).max(1),
					quality: quality.0 + quality.1,
				},
				Side::Seller => Proposal {
					price: price.0 + price.1,
					time: time.0 + time.1,
					quality: quality.0 - quality.1,
				},
			};
			let range = Range::new(side, aim.clone(), limit.clone()).unwrap();
			let shape = Shape { numerator: n, denominator: d };
			let (low, high) = (a.min(b), a.max(b));
			let weights = Weights::new(low, high - low, MILLION - high).unwrap();
			let strategy: Arc<dyn Strategy> = match kind {
				0 => Arc::new(FixedRule { range, step: start }),
				1 => Arc::new(TimeDependent { range, start, shape }),
				_ => Arc::new(Utility { range, weights, reserve: 0, start, shape }),
			};
			Party { aim, limit, strategy, rounds }
		},
	)
}

fn overlap(buyer: &Proposal, seller: &Proposal) -> bool {
	buyer.price >= seller.price && buyer.time >= seller.time && buyer.quality <= seller.quality
}

#[test]
fn a_thousand_negotiations_should_end_in_a_deal_exactly_when_the_ranges_overlap() {
	let mut runner = TestRunner::deterministic();
	let mut sample = |side| party(side).new_tree(&mut runner).unwrap().current();
	let (mut transcripts, mut messages) = (Vec::new(), 0);
	for n in 0..1_000u32 {
		let (buyer, seller) = (sample(Side::Buyer), sample(Side::Seller));
		let make = |side, party: &Party| Config {
			rounds: party.rounds,
			..config(side, party.strategy.clone())
		};
		let configs = [make(Side::Buyer, &buyer), make(Side::Seller, &seller)];
		let [a, b] = configs.map(|mut config| {
			config.negotiation[..4].copy_from_slice(&n.to_le_bytes());
			config
		});
		let mut world = World::new(a, b);
		world.open();
		world.run();
		world.block();
		let deal = world.deal();
		let expected = overlap(&buyer.limit, &seller.limit);
		assert_eq!(deal.is_some(), expected, "{n}: {buyer:?} {seller:?}");
		if let Some(price) = deal {
			assert!((seller.limit.price..=buyer.limit.price).contains(&price));
		}
		let transcript = world.sides[0].transcript().clone();
		messages += transcript.messages().len();
		transcripts.push(transcript);
	}
	let kpis = Kpis::of(&transcripts);
	println!("{messages} messages, {kpis:#?}");
	assert_eq!(kpis, counted(&transcripts));
	// What they come to on this market: figures that no longer fit are to be looked at.
	assert!((500..750).contains(&kpis.deals), "both outcomes are common: {kpis:?}");
	assert!(kpis.median_blocks.is_some_and(|blocks| (1..=10).contains(&blocks)), "{kpis:?}");
	let acceptance = kpis.acceptance_ppm.unwrap();
	assert!((80_000..200_000).contains(&acceptance), "{kpis:?}");
	let price = kpis.price_to_ask_ppm.unwrap();
	assert!((850_000..MILLION).contains(&price), "{kpis:?}");
}

/// The figures once more, message by message.
fn counted(transcripts: &[Transcript]) -> Kpis {
	let (mut offers, mut blocks, mut ratios) = (0u32, Vec::new(), Vec::new());
	for transcript in transcripts {
		let said: Vec<_> = transcript.messages().map(|signed| &signed.message).collect();
		let prices: Vec<_> = said
			.iter()
			.filter_map(|message| Some((message.side, message.body.quote()?.offer.total()?)))
			.collect();
		offers += prices.len() as u32;
		let last = said.last().unwrap();
		if !matches!(last.body, Body::Accept { .. }) {
			continue;
		}
		blocks.push(last.sent - said[0].sent);
		if let Some((_, ask)) = prices.iter().find(|(side, _)| *side == Side::Seller) {
			let (_, price) = prices.last().unwrap();
			ratios.push((price * u128::from(MILLION) / ask) as u64);
		}
	}
	blocks.sort_unstable();
	let (deals, all) = (blocks.len() as u64, transcripts.len() as u64);
	let ppm = |part: u64, whole: u64| Some((part * u64::from(MILLION) / whole) as u32);
	Kpis {
		negotiations: all,
		deals,
		offers: offers.into(),
		median_blocks: Some(blocks[(blocks.len() - 1) / 2]),
		success_ppm: ppm(deals, all),
		acceptance_ppm: ppm(deals, offers.into()),
		price_to_ask_ppm: Some((ratios.iter().sum::<u64>() / ratios.len() as u64) as u32),
	}
}

/// Strategies with a reserve in utility may miss a deal when several issues are negotiated, but never make a bad one.
#[test]
fn a_reserve_in_utility_should_hold_in_every_deal() {
	let mut runner = TestRunner::deterministic();
	let mut sample = |side| party(side).new_tree(&mut runner).unwrap().current();
	let mut deals = 0;
	for _ in 0..100 {
		let (buyer, seller) = (sample(Side::Buyer), sample(Side::Seller));
		let range = Range::new(Side::Buyer, buyer.aim, buyer.limit).unwrap();
		let weights = Weights::new(500_000, 250_000, 250_000).unwrap();
		let (reserve, shape) = (200_000, Shape::LINEAR);
		let utility = Arc::new(Utility { range, weights, reserve, start: 0, shape });
		let a = Config { rounds: buyer.rounds, ..config(Side::Buyer, utility.clone()) };
		let b = Config { rounds: seller.rounds, ..config(Side::Seller, seller.strategy) };
		let mut world = World::new(a, b);
		world.open();
		world.run();
		world.block();
		if world.deal().is_some() {
			deals += 1;
			let standing = world.sides[0].transcript().state().standing().unwrap();
			let agreed = plan().read(&terms(), &standing.offer, &standing.terms).unwrap();
			// What is proposed is rounded in one's own favour, what it is worth is rounded down.
			assert!(utility.value(&agreed).is_some() || standing.offer.by == Side::Buyer);
		}
	}
	assert!(deals > 10, "{deals}");
}
