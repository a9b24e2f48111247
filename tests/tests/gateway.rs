//! A service that is sold per call on a real chain.

use futures::future::join_all;
use reqwest::StatusCode;
use std::{
	collections::HashMap,
	path::Path,
	sync::{Arc, LazyLock},
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_client::{
	chain::{ChainView, ChannelInfo, SignedChain},
	http::{HttpError, HttpPolicy, PaidClient},
	payer::{Payer, Policy},
	payment::{
		parse_challenges, Challenge, Credential, Problem, ProblemType, PROOF_HEADER, RECEIPT_HEADER,
	},
	settle::SettlePolicy,
	store::MemoryStore,
	voucher::SignedVoucher,
};
use stoa_gateway::{Gateway, GatewayConfig};
use stoa_primitives::{channel::ChannelId, Balance};
use stoa_tests::{
	command::Stoa,
	market::{fee, from_credits, Agent, Market, DOLLAR, DUSD},
	service::Service,
	Node,
};
use tokio::task::JoinHandle;

const PRICE: Balance = 100;

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

/// A gateway that ends with this value.
struct Shop {
	gateway: Gateway,
	url: String,
	task: JoinHandle<()>,
}

impl Shop {
	async fn open(market: &Market, provider: &Agent, service: &Service, store: &Path) -> Self {
		let chain = SignedChain::new(market.chain.clone(), provider.key.clone(), from_credits());
		let mut config =
			GatewayConfig::new(service.url(), PRICE, DUSD, provider.key.clone(), store);
		let never = Duration::from_secs(86_400);
		config.settle = SettlePolicy { interval: never, ..SettlePolicy::default() };
		let gateway = Gateway::new(config, Arc::new(chain)).await.unwrap();
		let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
		let url = format!("http://{}", listener.local_addr().unwrap());
		let serving = gateway.clone();
		let task = tokio::spawn(async move {
			serving.serve(listener, std::future::pending()).await.unwrap();
		});
		Self { gateway, url, task }
	}
}

impl Drop for Shop {
	fn drop(&mut self) {
		self.task.abort();
	}
}

/// A payer with one channel, and the HTTP client that pays from it.
async fn buyer(market: &Market, agent: &Agent, channel: &ChannelInfo) -> PaidClient {
	let store = Arc::new(MemoryStore::default());
	let payer = Payer::new(store, market.chain.genesis(), Policy::per_call(PRICE)).unwrap();
	payer.add_channel(channel, agent.voucher.clone()).await.unwrap();
	client(market, payer)
}

fn client(market: &Market, payer: Payer) -> PaidClient {
	let chain: Arc<dyn ChainView> = Arc::new(market.chain.clone());
	PaidClient::new(payer, chain, HttpPolicy::new(PRICE)).unwrap()
}

/// The challenge that a call without payment is answered with.
async fn challenge(url: &str) -> Challenge {
	let reply = reqwest::get(url).await.unwrap();
	assert_eq!(reply.status(), StatusCode::PAYMENT_REQUIRED);
	let header = reply.headers()["www-authenticate"].to_str().unwrap().to_owned();
	parse_challenges(&header).unwrap().pop().unwrap()
}

/// Calls with a voucher; status, whether there is a receipt, body.
async fn call(
	url: &str,
	challenge: &Challenge,
	signed: &SignedVoucher,
	body: String,
) -> (StatusCode, bool, String) {
	let credential = Credential::new(challenge.clone(), *signed).to_header();
	let request = reqwest::Client::new().post(url).header("authorization", credential).body(body);
	let reply = request.send().await.unwrap();
	let receipt = reply.headers().contains_key(RECEIPT_HEADER);
	(reply.status(), receipt, reply.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_should_settle_the_exact_sum_when_a_hundred_calls_were_paid() {
	let market = Market::new(&NODE).await;
	let agents = market.agents(3, DOLLAR, None).await;
	let (provider, payers) = agents.split_first().unwrap();
	let service = Service::start().await;
	let dir = tempfile::tempdir().unwrap();
	let shop = Shop::open(&market, provider, &service, &dir.path().join("store")).await;
	let url = format!("{}/words", shop.url);

	// Without payment: the price, as a challenge and as a problem, and no service.
	let reply = reqwest::get(&url).await.unwrap();
	assert_eq!(reply.status(), StatusCode::PAYMENT_REQUIRED);
	assert_eq!(reply.headers()["content-type"], "application/problem+json");
	let terms = challenge(&url).await.terms().unwrap();
	assert_eq!((terms.amount, &terms.asset, &terms.payee), (PRICE, &DUSD, &provider.id()));
	assert_eq!(terms.genesis, market.chain.genesis());
	let problem: Problem = serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap();
	assert!(problem.is(ProblemType::PaymentRequired));
	assert_eq!(service.calls(), 0);

	// Without a channel the client says what to do, and pays nothing.
	let nobody = Payer::new(
		Arc::new(MemoryStore::default()),
		market.chain.genesis(),
		Policy::per_call(PRICE),
	);
	let missing = client(&market, nobody.unwrap()).get(&url).await;
	assert!(
		matches!(missing, Err(HttpError::ChannelMissing { payee, .. }) if payee == provider.id())
	);

	let mut channels = Vec::new();
	let mut calls = Vec::new();
	for payer in payers {
		let channel = market.open(payer, &provider.id(), 6_000).await;
		let client = buyer(&market, payer, &channel).await;
		channels.push(channel);
		let url = url.clone();
		calls.push(async move {
			for n in 1..=50usize {
				let text = "word ".repeat(n);
				let answer = client.post(&url, "text/plain", text).await.unwrap();
				assert_eq!((answer.status, answer.paid), (200, PRICE));
				assert!(answer.receipt.is_some());
				let body = String::from_utf8(answer.body).unwrap();
				assert!(body.starts_with(&format!("{n} words")), "{body}");
			}
		});
	}
	join_all(calls).await;
	assert_eq!(service.calls(), 100);
	// The service never sees how it is paid for.
	let seen = service.seen();
	assert!(seen.iter().all(|headers| !headers.contains_key("authorization")));

	let stats = shop.gateway.stats();
	assert_eq!((stats.accepted, stats.unsettled), (100, 100 * PRICE));
	let before = market.credits(&provider.id()).await;
	let report = shop.gateway.settle_now().await.unwrap();
	assert_eq!((report.claimed, report.batches.len()), (100 * PRICE, 1));
	assert!(report.skipped.is_empty());
	let cost = fee(&report.batches[0].submitted);
	let earned = 100 * PRICE * 85 / 100;
	assert_eq!(market.credits(&provider.id()).await, before + earned - cost);
	for channel in &channels {
		assert_eq!(market.channel(&channel.id).await.unwrap().settled, 50 * PRICE);
	}
	assert_eq!(shop.gateway.stats().unsettled, 0);
	assert!(shop.gateway.settle_now().await.unwrap().batches.is_empty());

	// The deposit holds ten more calls; the next one says by how much it is short.
	let client = buyer(&market, &payers[0], &channels[0]).await;
	for _ in 0..10 {
		assert_eq!(client.get(&url).await.unwrap().paid, PRICE);
	}
	let spent = client.get(&url).await;
	assert!(
		matches!(spent, Err(HttpError::TopUpNeeded { shortfall: PRICE, .. })),
		"{:?}",
		spent.map(|answer| answer.status)
	);
	// A call that fails costs nothing.
	let other = buyer(&market, &payers[1], &channels[1]).await;
	let broken = other.get(&format!("{}/broken", shop.url)).await.unwrap();
	assert_eq!((broken.status, broken.paid), (500, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_should_serve_one_fresh_answer_when_a_voucher_is_replayed_all_at_once() {
	let market = Market::new(&NODE).await;
	let [provider, payer] = market.agents(2, DOLLAR, None).await.try_into().ok().unwrap();
	let channel = market.open(&payer, &provider.id(), 10_000).await;
	let service = Service::start().await;
	let dir = tempfile::tempdir().unwrap();
	let shop = Shop::open(&market, &provider, &service, &dir.path().join("store")).await;
	let url = format!("{}/slow", shop.url);
	let challenge = challenge(&url).await;
	let sign = |cumulative| payer.sign(&market.domain(), channel.id, cumulative);

	// The same request: everybody gets the one answer.
	let signed = sign(PRICE);
	let replies =
		join_all((0..20).map(|_| call(&url, &challenge, &signed, "one two".into()))).await;
	assert!(replies.iter().all(|(status, receipt, body)| {
		*status == StatusCode::OK && *receipt && body == "2 words, call 0"
	}));
	assert_eq!(service.calls(), 1);
	assert_eq!((shop.gateway.stats().accepted, shop.gateway.stats().replayed), (1, 19));

	// Other requests: one is served, the others are refused.
	let signed = sign(2 * PRICE);
	let replies = join_all((0..20).map(|n| call(&url, &challenge, &signed, "x ".repeat(n)))).await;
	let served = replies.iter().filter(|(status, ..)| *status == StatusCode::OK).count();
	let refused = replies.iter().filter(|(status, receipt, _)| {
		matches!(*status, StatusCode::CONFLICT | StatusCode::PAYMENT_REQUIRED) && !receipt
	});
	assert_eq!((served, refused.count()), (1, 19));
	assert_eq!(service.calls(), 2);

	// An older voucher, another channel's challenge, a stranger's signature: nothing is served.
	for (what, signed) in [
		("older", sign(PRICE)),
		("too little", sign(3 * PRICE - 1)),
		("above the deposit", sign(10_001)),
		(
			"of another key",
			Agent { voucher: provider.voucher.clone(), ..payer.clone() }.sign(
				&market.domain(),
				channel.id,
				3 * PRICE,
			),
		),
		("of no channel", payer.sign(&market.domain(), [5; 32], 3 * PRICE)),
	] {
		let (status, receipt, body) = call(&url, &challenge, &signed, String::new()).await;
		assert!(status.is_client_error() && !receipt, "{what}: {status} {body}");
	}
	assert_eq!(service.calls(), 2);
	assert_eq!(shop.gateway.settle_now().await.unwrap().claimed, 2 * PRICE);
}

/// What a buyer has seen of its calls.
struct Seen {
	payer: Payer,
	last: SignedVoucher,
}

/// Calls until the gateway is gone; every answer that came is one that the gateway must remember.
async fn buy_until_gone(client: PaidClient, url: String, channel: ChannelId) -> PaidClient {
	loop {
		match client.get(&url).await {
			Ok(answer) => assert_eq!((answer.status, answer.paid), (200, PRICE)),
			Err(HttpError::Transport(_)) => return client,
			Err(error) => panic!("{error} on {}", hex::encode(channel)),
		}
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_should_lose_no_voucher_and_serve_no_replay_when_it_is_killed_amid_calls() {
	const BUYERS: usize = 4;
	let market = Market::new(&NODE).await;
	let payers = market.agents(BUYERS, DOLLAR, None).await;
	let service = Service::start().await;
	let stoa = Stoa::new(NODE.url());
	stoa.json(&["keys", "new", "seller"]);
	// The seller is an agent of this operator; its key never leaves its machine.
	let seller = stoa.json(&["keys", "show", "seller"]);
	let seller = stoa_client::keys::parse_account(seller["address"].as_str().unwrap()).unwrap();
	stoa.json(&["--key", "//Ferdie", "agent", "register", "seller"]);
	stoa.json(&["--key", "//Ferdie", "deposit", "1", "--for", "seller"]);
	let args = ["--key", "seller", "--upstream", &service.url(), "--price", "0.0001"];

	let (mut gateway, url) = stoa.serve(&args);
	let mut buyers = HashMap::new();
	for payer in &payers {
		let channel = market.open(payer, &seller, 100_000).await;
		buyers.insert(channel.id, (payer, buyer(&market, payer, &channel).await));
	}
	let running = buyers.iter().map(|(id, (_, client))| {
		tokio::spawn(buy_until_gone(client.clone(), format!("{url}/slow"), *id))
	});
	let running: Vec<_> = running.collect();
	while service.calls() < 60 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	gateway.kill();
	for task in running {
		task.await.unwrap();
	}
	let served = service.calls();

	// What was acknowledged must be remembered; what was signed and not answered may be.
	let mut before = HashMap::new();
	for (id, (payer, client)) in &buyers {
		let known = &client.payer().channels()[0];
		assert!(known.acknowledged >= PRICE, "every buyer was served");
		assert!(known.signed - known.acknowledged <= PRICE, "at most one price unit is at stake");
		let last = payer.sign(&market.domain(), *id, known.acknowledged);
		before.insert(*id, Seen { payer: client.payer().clone(), last });
	}
	let (mut gateway, url) = stoa.serve(&args);
	let slow = format!("{url}/slow");
	let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
	for (id, seen) in &before {
		let known = &seen.payer.channels()[0];
		let state = reqwest::Client::new()
			.get(format!("{url}/.well-known/stoa/channel/0x{}", hex::encode(id)))
			.header(PROOF_HEADER, seen.payer.prove(id, now).unwrap().to_header());
		let state = state.send().await.unwrap().text().await.unwrap();
		let state: serde_json::Value = serde_json::from_str(&state).unwrap();
		let kept: Balance =
			state["lanes"][0]["acceptedCumulative"].as_str().unwrap().parse().unwrap();
		assert!((known.acknowledged..=known.signed).contains(&kept), "{kept} of {known:?}");
		// The answer is gone with the process, so the replay gets none: not even for another call.
		let fresh = challenge(&slow).await;
		let (status, receipt, body) = call(&slow, &fresh, &seen.last, "again".into()).await;
		assert!(status.is_client_error() && !receipt, "{status} {body}");
	}
	assert_eq!(service.calls(), served, "no replay reached the service");

	// Buyers go on where they were, and the seller gets all of it.
	for (_, client) in buyers.values() {
		for _ in 0..3 {
			let answer = client.get(&slow).await.unwrap();
			assert_eq!((answer.status, answer.paid), (200, PRICE));
		}
	}
	let credits = market.credits(&seller).await;
	gateway.signal("TERM");
	let status = gateway.wait(Duration::from_secs(30)).expect("the gateway ends");
	assert_eq!(status.code(), Some(0), "{}", gateway.stderr().tail(20));
	let mut gross = 0;
	for (id, (_, client)) in &buyers {
		let known = &client.payer().channels()[0];
		assert_eq!(known.acknowledged, known.signed);
		assert_eq!(market.channel(id).await.unwrap().settled, known.signed);
		gross += known.signed;
	}
	let earned = market.credits(&seller).await - credits;
	assert!(earned <= gross * 85 / 100 && earned > 0, "{earned} of {gross}");
	// Each price unit bought a call of its own.
	assert!(Balance::try_from(service.calls()).unwrap() * PRICE >= gross);
	let calls = gross / PRICE;
	assert!(calls >= 60 - BUYERS as Balance + 3 * BUYERS as Balance);
}
