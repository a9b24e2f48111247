//! Two agents that negotiate through the statement store of a real node.

use std::{sync::Arc, time::Duration};
use stoa_client::{
	chain::SubmitOptions,
	keys::{AccountKey, AgentKey, Scheme},
	negotiation::{
		Action, Config, Delivery, Input, ItemLimit, LineItem, Negotiator, PanelPlan, Part, Parties,
		Plan, PlanLimits, PlanRule, Proposal, Quantity, Range, SealingKey, ServiceLevel, Shape,
		StatementTransport, Strategy, Terms, TimeDependent, Timing, Transport, TransportError,
		Turn, Utility, Weights, MILLION, TERMS_VERSION,
	},
};
use stoa_primitives::{agreement::Side, AssetId, BlockNumber, H256};
use stoa_tests::{market::Market, Node};
use tokio::time::timeout;

const NOW: BlockNumber = 10;
const PATIENCE: Duration = Duration::from_secs(60);

/// An agent of a new operator, registered on the node's chain.
async fn registered(node: &Node) -> (AccountKey, H256) {
	let (key, _) = AccountKey::generate(Scheme::Sr25519);
	let market = Market::new(node).await;
	let call = market.registration(&key, None).await;
	market.submit(&call, &market.operator, SubmitOptions::default()).await;
	(key, market.chain.genesis())
}

fn rules() -> (Plan, Terms) {
	let part = Part {
		share_ppm: MILLION,
		within_ppm: MILLION,
		review: 450,
		rework: 100,
		changes: 1,
		penalty_ppm: 50_000,
		locked: false,
	};
	let panel = PanelPlan { arbiters: Vec::new(), fee: 0, turn: 0, fallback_ppm: 500_000 };
	let plan = Plan { asset: AssetId::WithId(1), milestones: vec![part], bond_ppm: 50_000, panel };
	let delivery = Delivery {
		what: "labels for the images".into(),
		how: "https://seller.example/labels, JSON lines".into(),
		acceptance: "990 of 1,000 that are drawn at random are right".into(),
	};
	let item = LineItem {
		name: "labelled image".into(),
		description: None,
		quantity: Quantity::whole(100_000).unwrap(),
		unit: "image".into(),
	};
	let terms = Terms {
		version: TERMS_VERSION,
		title: "Labels".into(),
		items: vec![item],
		delivery: vec![delivery],
		sla: ServiceLevel { success_ppm: Some(990_000), ..ServiceLevel::default() },
		penalties: Vec::new(),
	};
	(plan, terms)
}

fn limits() -> PlanLimits {
	let most = Quantity::whole(100_000).unwrap();
	let item = ItemLimit { most, unit: "image".into(), description: None };
	PlanLimits {
		assets: vec![AssetId::WithId(1)],
		items: Some([("labelled image".into(), item)].into()),
		what: None,
		how: None,
		acceptance: None,
		availability_ppm: 0,
		latency_p95_ms: None,
		milestones: 1,
		within_ppm: MILLION,
		ahead_ppm: 0,
		bond_ppm: 0..=100_000,
		penalty_ppm: 0..=100_000,
		review: 0..=1_000,
		rework: 50..=1_000,
		changes: 0..=2,
		locked: false,
		arbiters: Vec::new(),
		least_arbiters: 0,
		turn: 0..=0,
		fee: 0,
		fallback_ppm: 0..=MILLION,
	}
}

fn range(side: Side, aim: (u128, u32), limit: (u128, u32)) -> Range {
	let proposal = |(price, time)| Proposal { price, time, quality: 990_000 };
	Range::new(side, proposal(aim), proposal(limit)).unwrap()
}

/// Sends what is to be sent. What is accepted is not committed here: that is for the tests of agreements.
async fn perform(transport: &StatementTransport, actions: Vec<Action>) {
	for action in actions {
		match action {
			Action::Send(message) => transport.send(*message).await.unwrap(),
			Action::Commit { .. } => {},
			other => panic!("{other:?}"),
		}
	}
}

/// Takes messages until there is an acceptance.
async fn negotiate(mut side: Negotiator, transport: &StatementTransport) -> Negotiator {
	while !matches!(side.transcript().state().turn(), Turn::Accepted { .. }) {
		let message = timeout(PATIENCE, transport.receive()).await.expect("in time").unwrap();
		// What the store still has of messages that were answered is told too.
		if let Ok(actions) = side.handle(Input::Message(message)) {
			perform(transport, actions).await;
		}
	}
	side
}

#[tokio::test(flavor = "multi_thread")]
async fn two_agents_should_agree_through_the_statement_store() {
	let node = Node::start();
	let ((buyer, genesis), (seller, _)) = (registered(&node).await, registered(&node).await);
	let connect = |key: &AccountKey| {
		let (key, url) = (key.clone(), node.url());
		async move {
			let secret = SealingKey::generate();
			StatementTransport::connect(&url, genesis, key, secret, Timing::default()).await
		}
	};
	let parties = Parties {
		genesis,
		negotiation: stoa_client::keys::random_bytes(),
		buyer: buyer.account(),
		seller: seller.account(),
	};
	let (plan, terms) = rules();
	let patient: Arc<dyn Strategy> = Arc::new(TimeDependent {
		range: range(Side::Buyer, (1_000, 500), (2_000, 900)),
		start: 0,
		shape: Shape::BOULWARE,
	});
	let trader: Arc<dyn Strategy> = Arc::new(Utility {
		range: range(Side::Seller, (3_000, 1_000), (1_500, 600)),
		weights: Weights::new(700_000, 300_000, 0).unwrap(),
		reserve: 0,
		start: 0,
		shape: Shape::CONCEDER,
	});
	let config = |side, key: &AccountKey, rule, strategy| {
		let key = AgentKey::from(key.clone());
		Negotiator::new(Config::new(&parties, side, key, rule, strategy, 10_000), NOW).unwrap()
	};
	let mut asks = config(Side::Buyer, &buyer, PlanRule::Own { plan, terms }, patient);
	let sells = config(Side::Seller, &seller, PlanRule::Theirs(limits()), trader);

	let of_buyer = connect(&buyer).await.unwrap();
	let actions = asks.open().unwrap();
	// The seller has not said yet how to seal messages for it.
	let Action::Send(request) = &actions[0] else { panic!("{actions:?}") };
	let error = of_buyer.send(request.as_ref().clone()).await.unwrap_err();
	assert!(matches!(error, TransportError::NoKey(who) if who == seller.account()));
	let of_seller = connect(&seller).await.unwrap();
	perform(&of_buyer, actions).await;

	let (asks, sells) = tokio::join!(negotiate(asks, &of_buyer), negotiate(sells, &of_seller));
	assert_eq!(asks.transcript(), sells.transcript());
	let offer = asks.transcript().state().standing().unwrap().offer.clone();
	let price = offer.total().unwrap();
	assert!((1_500..=2_000).contains(&price), "{price}");

	// Strangers may keep no statements.
	let (stranger, _) = AccountKey::generate(Scheme::Ed25519);
	let error = connect(&stranger).await.err().unwrap();
	assert!(matches!(error, TransportError::Refused(_)), "{error}");
}
