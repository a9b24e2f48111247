//! Calls that are paid by tick.

use super::*;
use stoa_client::{
	payer::{Payment, TickTerms},
	payment::{CredentialPayload, TickPayload},
	ticks::{SignedCommit, SignedTicks, TickChain},
};
use stoa_primitives::payload::TickCommit;

/// A hash chain and its commitment on lane 0.
struct Series {
	chain: TickChain,
	signed: SignedCommit,
}

impl Series {
	fn new(base: Balance) -> Self {
		let (chain, _) = TickChain::random(100);
		let commit = TickCommit {
			channel: CHANNEL,
			lane: 0,
			base,
			value: PRICE,
			count: 100,
			prefix: chain.prefix(),
			root: chain.root(),
			valid_until: 0,
		};
		let signed = SignedCommit::sign(commit, &voucher_key(), &Domain::channels(GENESIS));
		Self { chain, signed }
	}

	fn tick(&self, index: u32) -> SignedTicks {
		SignedTicks { signed: self.signed, index, tick: self.chain.tick(index).unwrap() }
	}

	fn full(&self, index: u32) -> TickPayload {
		TickPayload::full(&self.tick(index))
	}

	fn short(&self, index: u32) -> TickPayload {
		TickPayload::short(&self.tick(index))
	}
}

impl World {
	async fn tick(
		&self,
		path: &str,
		challenge: &Challenge,
		tick: TickPayload,
		proof: Option<&ChannelProof>,
	) -> Reply {
		let payload = CredentialPayload::Tick(tick);
		self.show(path, &Credential { challenge: challenge.clone(), payload }, proof).await
	}
}

fn by_ticks() -> HttpPolicy {
	HttpPolicy { ticks: true, ..HttpPolicy::new(100) }
}

fn client(payer: Payer, world: &World) -> PaidClient {
	PaidClient::new(payer, world.chain.clone(), by_ticks()).unwrap()
}

#[tokio::test]
async fn a_client_should_pay_by_ticks_when_both_want_it() {
	let world = World::new(1_000).await;
	let client = client(world.payer().await, &world);
	for n in 1..=3u128 {
		let reply = client.post(&world.url("/echo"), "text/plain", "hello").await.unwrap();
		assert_eq!((reply.status, reply.paid), (200, PRICE));
		let receipt = reply.receipt.expect("a receipt that fits");
		assert_eq!(receipt.cumulative_amount, (n * PRICE).to_string());
	}
	let stats = world.gateway.stats();
	assert_eq!((stats.accepted, stats.by_tick, stats.earned), (3, 3, 3 * PRICE));
	let report = world.gateway.settle_now().await.unwrap();
	assert_eq!((report.claimed, world.gateway.stats().unsettled), (3 * PRICE, 0));
	// Ticks and vouchers mix on one lane.
	let vouchers =
		PaidClient::new(client.payer().clone(), world.chain.clone(), HttpPolicy::new(100));
	assert_eq!(vouchers.unwrap().get(&world.url("/")).await.unwrap().paid, PRICE);
	assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
	let stats = world.gateway.stats();
	assert_eq!((stats.accepted, stats.by_tick, stats.earned), (5, 4, 5 * PRICE));
}

#[tokio::test]
async fn vouchers_should_do_when_one_side_wants_no_ticks() {
	let none = World::with(1_000, |config| config.tick_value = None).await;
	assert_eq!(client(none.payer().await, &none).get(&none.url("/")).await.unwrap().paid, PRICE);
	assert_eq!(none.gateway.stats().by_tick, 0);
	let offered = World::new(1_000).await;
	assert_eq!(offered.client().await.get(&offered.url("/")).await.unwrap().paid, PRICE);
	assert_eq!(offered.gateway.stats().by_tick, 0);
	// A part of the price is as good.
	let parts = World::with(1_000, |config| config.tick_value = Some(PRICE / 5)).await;
	assert_eq!(client(parts.payer().await, &parts).get(&parts.url("/")).await.unwrap().paid, PRICE);
	let stats = parts.gateway.stats();
	assert_eq!((stats.by_tick, stats.earned), (1, PRICE));
}

#[tokio::test]
async fn a_client_should_go_on_with_a_new_commitment_when_one_is_used_up() {
	// Two ticks of half the price for each call: a commitment has enough for 512 of them.
	let world = World::with(10_000, |config| config.tick_value = Some(PRICE / 2)).await;
	let client = client(world.payer().await, &world);
	for _ in 0..514 {
		assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
	}
	let stats = world.gateway.stats();
	assert_eq!((stats.by_tick, stats.earned), (514, 514 * PRICE));
	assert_eq!(client.payer().channels()[0].signed, 514 * PRICE);
}

#[tokio::test]
async fn a_seller_that_takes_ticks_no_more_should_be_paid_by_voucher() {
	let world = World::new(1_000).await;
	let payer = world.payer().await;
	// This one says that it takes ticks, and does not.
	let url = world.url("/");
	let other = World::with(1_000, |config| config.tick_value = None).await;
	let challenge = other.challenge().await;
	let payment = payer.pay_tick(&CHANNEL, 0, PRICE, TickTerms::new(PRICE)).await.unwrap();
	let credential = Credential::new(challenge, *payment.proof());
	let refused = other.show("/", &credential, None).await;
	assert!(refused.problem().is(ProblemType::MalformedCredential), "{}", refused.body);
	// By voucher, it is no more than the tick has allowed.
	let payment = payment.by_voucher().await.unwrap();
	let voucher = *payment.voucher().unwrap();
	assert_eq!(voucher.voucher.cumulative, PRICE);
	drop(payment);
	assert_eq!(payer.channels()[0].signed, PRICE);
	// The next call sends it again, since no answer came.
	let client = client(payer, &world);
	assert_eq!(client.get(&url).await.unwrap().paid, PRICE);
	assert_eq!((world.gateway.stats().by_tick, world.gateway.stats().earned), (0, PRICE));
}

/// A gateway in front of the gateway that forgets commitments and tells nothing.
struct Forgetful {
	inner: String,
	ticks: AtomicUsize,
}

async fn forget(State(state): State<Arc<Forgetful>>, uri: Uri, headers: HeaderMap) -> Response {
	let credential = headers.get("authorization").and_then(|value| value.to_str().ok());
	let parsed = credential.and_then(Credential::parse).map(Result::unwrap);
	if matches!(parsed, Some(Credential { payload: CredentialPayload::Tick(_), .. })) {
		state.ticks.fetch_add(1, Ordering::SeqCst);
		let problem = Problem::new(ProblemType::InvalidTick, "no");
		let kind = [("content-type", "application/problem+json")];
		let body = serde_json::to_string(&problem).unwrap();
		return (StatusCode::PAYMENT_REQUIRED, kind, body).into_response();
	}
	let mut request = reqwest::Client::new().get(format!("{}{uri}", state.inner));
	if let Some(credential) = credential {
		request = request.header("authorization", credential);
	}
	let reply = request.send().await.unwrap();
	let mut response = Response::builder().status(reply.status().as_u16());
	for (name, value) in reply.headers() {
		if name != "transfer-encoding" && name != "content-length" {
			response = response.header(name, value);
		}
	}
	response.body(reply.bytes().await.unwrap().into()).unwrap()
}

#[tokio::test]
async fn a_client_should_fall_back_to_vouchers_after_one_more_try() {
	let world = World::new(1_000).await;
	let ticks = AtomicUsize::new(0);
	let state = Arc::new(Forgetful { inner: world.url.clone(), ticks });
	let address = spawn(Router::new().fallback(forget).with_state(state.clone())).await;
	let client = client(world.payer().await, &world);
	for _ in 0..3 {
		let paid = client.get(&format!("http://{address}/")).await.unwrap();
		assert_eq!((paid.status, paid.paid), (200, PRICE));
	}
	// Once with its commitment, once more with a proof; vouchers from then on.
	assert_eq!(state.ticks.load(Ordering::SeqCst), 2);
	let stats = world.gateway.stats();
	assert_eq!((stats.by_tick, stats.earned), (0, 3 * PRICE));
	assert_eq!(client.payer().channels()[0].signed, 3 * PRICE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_equal_ticks_should_be_served_once() {
	let world = Arc::new(World::new(1_000).await);
	world.service.slow.store(true, Ordering::SeqCst);
	let (challenge, series) = (world.challenge().await, Arc::new(Series::new(0)));
	let calls: Vec<_> = (0..50)
		.map(|_| {
			let (world, challenge, series) = (world.clone(), challenge.clone(), series.clone());
			tokio::spawn(async move { world.tick("/", &challenge, series.full(1), None).await })
		})
		.collect();
	let mut bodies = Vec::new();
	for call in calls {
		let reply = call.await.unwrap();
		assert_eq!(reply.status, 200, "{}", reply.body);
		assert!(reply.receipt.is_some());
		bodies.push(reply.body);
	}
	bodies.dedup();
	assert_eq!((bodies.len(), world.calls()), (1, 1));
	let stats = world.gateway.stats();
	assert_eq!((stats.accepted, stats.replayed, stats.earned), (1, 49, PRICE));
}

#[tokio::test]
async fn a_used_tick_should_buy_nothing_else() {
	let world = World::new(1_000).await;
	let (challenge, series) = (world.challenge().await, Series::new(0));
	assert_eq!(world.tick("/", &challenge, series.full(1), None).await.status, 200);
	for reply in [
		world.tick("/other", &challenge, series.short(1), None).await,
		world.tick("/", &world.challenge().await, series.full(1), None).await,
	] {
		assert_eq!(reply.status, 409);
		let problem = reply.problem();
		assert!(problem.is(ProblemType::VoucherUsed));
		assert_eq!(problem.last(), Ok(Some(series.tick(1).into())));
	}
	assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_low_tick_should_name_the_shortfall_and_prove_the_floor() {
	let world = World::with(1_000, |config| config.tick_value = Some(1)).await;
	let (challenge, series) = (world.challenge().await, Series::new(0));
	assert_eq!(world.tick("/", &challenge, series.full(3), None).await.status, 200);
	let proof = prove(now());
	let low = world.tick("/", &challenge, series.short(2), Some(&proof)).await;
	assert_eq!((low.status, low.challenged), (402, true));
	let problem = low.problem();
	assert!(problem.is(ProblemType::InsufficientVoucher));
	assert_eq!(problem.required_cumulative.as_deref(), Some("40"));
	assert_eq!(problem.shortfall.as_deref(), Some("20"));
	assert_eq!(problem.last(), Ok(Some(series.tick(3).into())));
	let beyond = TickPayload { index: 101, ..series.short(100) };
	let beyond = world.tick("/", &challenge, beyond, Some(&proof)).await.problem();
	assert!(beyond.is(ProblemType::InvalidTick));
	assert!(beyond.detail.unwrap().contains("100"));
}

#[tokio::test]
async fn strangers_should_learn_nothing_by_making_up_ticks() {
	let world = World::new(1_000).await;
	let (challenge, series) = (world.challenge().await, Series::new(0));
	assert_eq!(world.tick("/", &challenge, series.full(5), None).await.status, 200);
	let mut told = HashSet::new();
	for index in [1, 4, 5, 6, 50, 100, 101, u32::MAX] {
		let made_up =
			TickPayload { index, tick: format!("0x{}", "ab".repeat(32)), ..series.short(1) };
		let reply = world.tick("/", &challenge, made_up, None).await;
		let problem = Problem { challenge_id: None, ..reply.problem() };
		told.insert(serde_json::to_string(&problem).unwrap());
	}
	// One and the same for all.
	assert_eq!(told.len(), 1, "{told:?}");
	assert!(told.iter().all(|text| text.contains("invalid-tick")));
}

#[tokio::test]
async fn a_payer_that_lost_its_records_should_be_shown_its_last_tick() {
	let world = World::new(1_000).await;
	let (challenge, series) = (world.challenge().await, Series::new(0));
	assert_eq!(world.tick("/", &challenge, series.full(4), None).await.status, 200);
	let client = client(world.payer().await, &world);
	let reply = client.get(&world.url("/")).await.unwrap();
	assert_eq!((reply.status, reply.paid), (200, PRICE));
	assert_eq!(client.payer().channels()[0].signed, 5 * PRICE);
	assert_eq!(world.gateway.stats().by_tick, 2);
}

#[tokio::test]
async fn ticks_should_cost_nothing_when_the_service_or_the_store_fails() {
	let world = World::new(1_000).await;
	let (challenge, series) = (world.challenge().await, Series::new(0));
	for (path, status) in [("/fail", 500), ("/missing", 404), ("/large", 502), ("/sleep", 504)] {
		let reply = world.tick(path, &challenge, series.full(1), None).await;
		assert_eq!((reply.status, reply.receipt.is_some()), (status, false), "{path}");
	}
	world.store.fail.store(true, Ordering::SeqCst);
	let reply = world.tick("/", &challenge, series.full(1), None).await;
	assert_eq!(reply.status, 503);
	assert!(!reply.body.contains("call"), "{}", reply.body);
	world.store.fail.store(false, Ordering::SeqCst);
	assert_eq!(world.gateway.stats().earned, 0);
	assert_eq!(world.tick("/", &challenge, series.full(1), None).await.status, 200);
	assert_eq!(world.gateway.stats().earned, PRICE);
}

#[tokio::test]
async fn a_client_should_use_its_tick_again_after_a_failure() {
	let world = World::new(1_000).await;
	let client = client(world.payer().await, &world);
	assert_eq!(client.get(&world.url("/fail")).await.unwrap().paid, 0);
	assert_eq!(client.get(&world.url("/works")).await.unwrap().paid, PRICE);
	assert_eq!(client.payer().channels()[0].signed, PRICE);
	assert_eq!(world.gateway.stats().by_tick, 1);
}

#[tokio::test]
async fn calls_on_several_lanes_should_run_at_the_same_time() {
	let world = World::new(10_000).await;
	let wide = ChannelInfo { lanes: 4, lane_settled: vec![0; 4], ..channel(10_000) };
	world.chain.put(wide);
	world.service.slow.store(true, Ordering::SeqCst);
	let client = client(world.payer().await, &world);
	let calls: Vec<_> = (0..20)
		.map(|_| {
			let (client, url) = (client.clone(), world.url("/"));
			tokio::spawn(async move { client.get(&url).await.unwrap() })
		})
		.collect();
	let mut bodies = HashSet::new();
	for call in calls {
		let reply = call.await.unwrap();
		assert_eq!((reply.status, reply.paid), (200, PRICE));
		bodies.insert(reply.body);
	}
	assert_eq!(bodies.len(), 20);
	let stats = world.gateway.stats();
	assert_eq!((stats.by_tick, stats.earned), (20, 20 * PRICE));
	assert_eq!(world.gateway.payee().records(&CHANNEL).len(), 4);
	assert_eq!(world.gateway.settle_now().await.unwrap().claimed, 20 * PRICE);
}

#[tokio::test]
async fn a_payee_that_delivers_nothing_for_ticks_should_get_no_more_than_the_payer_allows() {
	let store = Arc::new(MemoryStore::default());
	let policy = Policy { max_unanswered: 3 * PRICE, ..Policy::per_call(100) };
	let payer = Payer::new(store, GENESIS, policy).unwrap();
	payer.add_channel(&channel(10_000), voucher_key()).await.unwrap();
	let terms = TickTerms::new(PRICE);
	let mut taken = 0;
	for _ in 0..10 {
		let payment: Payment = match payer.pay_tick(&CHANNEL, 0, PRICE, terms).await {
			Ok(payment) => payment,
			Err(error) => panic!("{error}"),
		};
		let shown = *payment.proof();
		taken = taken.max(shown.amount());
		// By its word the very tick is used up; it gives no answer.
		match payment.correct(&shown).await {
			Ok(payment) => taken = taken.max(payment.proof().amount()),
			Err(PayError::Unproven | PayError::Refused(Refusal::Unanswered { .. })) => {},
			Err(error) => panic!("{error}"),
		}
	}
	assert_eq!(taken, 4 * PRICE, "three by its word, and the one that is out");
}
