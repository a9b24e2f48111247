//! A service that is sold per call on a real chain.

use futures::future::join_all;
use reqwest::StatusCode;
use std::{
	collections::HashMap,
	path::Path,
	sync::{Arc, LazyLock, Mutex, PoisonError},
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_client::{
	allowance::Allowance,
	chain::{calls, ChainView, ChannelInfo, OpenChannel, SignedChain},
	http::{ask_consent, terms_of, HttpError, HttpPolicy, Opener, PaidClient},
	payer::{Payer, Policy},
	payment::{
		parse_challenges, Challenge, ChannelStatus, Credential, Problem, ProblemType, PROOF_HEADER,
		RECEIPT_HEADER,
	},
	settle::SettlePolicy,
	store::MemoryStore,
	voucher::SignedVoucher,
};
use stoa_gateway::{Gateway, GatewayConfig};
use stoa_primitives::{
	channel::{ChannelId, MIN_GRACE},
	keys::AgentSignature,
	AccountId, Balance,
};
use stoa_tests::{
	command::Stoa,
	market::{fee, from_credits, Agent, Market, DOLLAR, DUSD},
	process::Process,
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
		// The chain makes a block for each transaction, and no other.
		config.max_stall = Duration::MAX;
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

/// A seller with `stoa serve`: its key never leaves its machine.
struct Seller {
	stoa: Stoa,
	id: AccountId,
}

impl Seller {
	/// An agent of `//Ferdie` with a dollar.
	fn new() -> Self {
		// Two at once would take one nonce of `//Ferdie`.
		static FERDIE: Mutex<()> = Mutex::new(());
		let _turn = FERDIE.lock().unwrap_or_else(PoisonError::into_inner);
		let stoa = Stoa::new(NODE.url());
		stoa.json(&["keys", "new", "seller"]);
		let shown = stoa.json(&["keys", "show", "seller"]);
		let id = stoa_client::keys::parse_account(shown["address"].as_str().unwrap()).unwrap();
		stoa.json(&["--key", "//Ferdie", "agent", "register", "seller"]);
		stoa.json(&["--key", "//Ferdie", "deposit", "1", "--for", "seller"]);
		Self { stoa, id }
	}

	/// Sells `service` for [`PRICE`].
	fn serve(&self, service: &Service, more: &[&str]) -> (Process, String) {
		let url = service.url();
		let args =
			["--key", "seller", "--upstream", &url, "--price", "0.0001", "--max-stall", "1d"];
		self.stoa.serve(&[&args, more].concat())
	}
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
	let shop = Seller::new();
	let seller = shop.id.clone();

	let (mut gateway, url) = shop.serve(&service, &[]);
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
	let (mut gateway, url) = shop.serve(&service, &[]);
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

/// What the gateway at `url` has accepted on each lane of a channel.
async fn accepted(url: &str, payer: &Payer, id: &ChannelId) -> Vec<(Allowance, Balance)> {
	let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
	let reply = reqwest::Client::new()
		.get(format!("{url}/.well-known/stoa/channel/0x{}", hex::encode(id)))
		.header(PROOF_HEADER, payer.prove(id, now).unwrap().to_header());
	let text = reply.send().await.unwrap().text().await.unwrap();
	let status: ChannelStatus = serde_json::from_str(&text).unwrap();
	let lanes = status.lanes.iter();
	lanes.map(|lane| (lane.proof().unwrap().unwrap(), lane.earned.parse().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn gateway_should_lose_no_tick_and_serve_no_replay_when_it_is_killed_amid_calls() {
	const BUYERS: usize = 2;
	const LANES: u16 = 4;
	let market = Market::new(&NODE).await;
	let payers = market.agents(BUYERS, DOLLAR, None).await;
	let service = Service::start().await;
	let seller = Seller::new();

	let (mut gateway, url) = seller.serve(&service, &[]);
	assert_eq!(terms_of(&url, PATIENCE).await.unwrap().tick_value, Some(PRICE));
	let chain: Arc<dyn ChainView> = Arc::new(market.chain.clone());
	let policy = HttpPolicy { ticks: true, ..HttpPolicy::new(PRICE) };
	let mut buyers = HashMap::new();
	for payer in &payers {
		let key = payer.voucher.key();
		let terms = OpenChannel::new(seller.id.clone(), DUSD, 100_000, key);
		let terms = OpenChannel { grace: MIN_GRACE, lanes: LANES, ..terms };
		let channel = market.chain.open_channel(terms, &payer.key, from_credits()).await.unwrap().0;
		let payer = buyer(&market, payer, &channel).await.payer().clone();
		let client = PaidClient::new(payer, chain.clone(), policy.clone()).unwrap();
		buyers.insert(channel.id, client);
	}
	let running = buyers.iter().flat_map(|(id, client)| {
		let slow = format!("{url}/slow");
		(0..LANES).map(move |_| tokio::spawn(buy_until_gone(client.clone(), slow.clone(), *id)))
	});
	let running: Vec<_> = running.collect();
	while service.calls() < 80 {
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	gateway.kill();
	for task in running {
		task.await.unwrap();
	}
	let served = service.calls();

	let (mut gateway, url) = seller.serve(&service, &[]);
	let slow = format!("{url}/slow");
	for (id, client) in &buyers {
		let known = &client.payer().channels()[0];
		assert!(known.acknowledged >= PRICE, "every buyer was served");
		// One price unit is at stake on each lane.
		let stake = known.signed - known.acknowledged;
		assert!(stake <= Balance::from(LANES) * PRICE, "{stake}");
		let lanes = accepted(&url, client.payer(), id).await;
		assert_eq!(lanes.len(), usize::from(LANES), "calls ran on every lane");
		let kept: Balance = lanes.iter().map(|(proof, _)| proof.amount()).sum();
		assert!((known.acknowledged..=known.signed).contains(&kept), "{kept} of {known:?}");
		let fresh = challenge(&slow).await;
		for (proof, earned) in lanes {
			assert!(matches!(proof, Allowance::Ticks(_)), "{proof:?}");
			assert_eq!(proof.amount(), earned);
			// The answer is gone with the process, so the replay gets none: not even for another call.
			let credential = Credential::new(fresh.clone(), proof).to_header();
			let request = reqwest::Client::new().post(&slow).header("authorization", credential);
			let reply = request.body("again").send().await.unwrap();
			let receipt = reply.headers().contains_key(RECEIPT_HEADER);
			assert!(reply.status().is_client_error() && !receipt, "{}", reply.status());
		}
	}
	assert_eq!(service.calls(), served, "no replay reached the service");

	// Buyers go on where they were, and the seller gets all of it.
	for client in buyers.values() {
		let calls = (0..2 * LANES).map(|_| client.get(&slow));
		for answer in join_all(calls).await {
			let answer = answer.unwrap();
			assert_eq!((answer.status, answer.paid), (200, PRICE));
		}
	}
	gateway.signal("TERM");
	let status = gateway.wait(Duration::from_secs(30)).expect("the gateway ends");
	assert_eq!(status.code(), Some(0), "{}", gateway.stderr().tail(20));
	let mut gross = 0;
	for (id, client) in &buyers {
		let known = &client.payer().channels()[0];
		let settled = market.channel(id).await.unwrap().settled;
		assert!((known.acknowledged..=known.signed).contains(&settled), "{settled} of {known:?}");
		gross += settled;
	}
	// Each price unit bought a call of its own.
	assert!(Balance::try_from(service.calls()).unwrap() * PRICE >= gross);
	assert!(gross >= (80 - Balance::from(LANES) * 2) * PRICE);
	market.solvent().await;
}

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_should_be_opened_used_and_closed_over_http_with_one_transaction_of_the_payers() {
	let market = Market::new(&NODE).await;
	let [agent, poor] = market.agents(2, DOLLAR, None).await.try_into().ok().unwrap();
	let service = Service::start().await;
	let seller = Seller::new();
	let (mut gateway, url) =
		seller.serve(&service, &["--open-min", "0.1", "--opens-per-hour", "2"]);
	assert_eq!(terms_of(&url, PATIENCE).await.unwrap().open_minimum, Some(DOLLAR / 10));

	let chain = Arc::new(market.chain.clone());
	let client = |agent: &Agent, deposit| {
		let store = Arc::new(MemoryStore::default());
		let payer = Payer::new(store, market.chain.genesis(), Policy::per_call(PRICE)).unwrap();
		let opener = Opener::new(agent.key.clone(), agent.voucher.clone(), deposit, chain.clone());
		let policy = HttpPolicy { ticks: true, ..HttpPolicy::new(PRICE) };
		PaidClient::with_funding(payer, chain.clone(), policy, None, Some(opener)).unwrap()
	};
	let before = market.credits(&agent.id()).await;
	let buyer = client(&agent, DOLLAR / 2);
	let words = format!("{url}/words");
	for _ in 0..3 {
		assert_eq!(buyer.get(&words).await.unwrap().paid, PRICE);
	}
	let known = buyer.payer().channels().remove(0);
	let info = market.channel(&known.id).await.unwrap();
	assert_eq!((info.deposit, info.key), (DOLLAR / 2, agent.voucher.key()));
	// The payer has sent nothing, and paid nothing but the deposit.
	assert_eq!(before - market.credits(&agent.id()).await, DOLLAR / 2);
	// More than the agent has: nothing is sent, and nothing paid for it.
	let own = market.credits(&seller.id).await;
	let refused = client(&poor, 2 * DOLLAR).get(&words).await;
	assert!(
		matches!(&refused, Err(HttpError::Refused(problem)) if problem.is(ProblemType::AuthorizationRefused)),
		"{refused:?}"
	);
	assert_eq!(market.credits(&seller.id).await, own);

	let payer = buyer.payer();
	let signed = ask_consent(payer, chain.as_ref(), &url, &known.id, PATIENCE).await.unwrap();
	assert_eq!(signed.consent.total, 3 * PRICE);
	let signature = AgentSignature::Account(signed.signature.clone());
	let close = calls::close_with_consent(signed.consent, signature);
	let closed = market.submit(&close, &agent.key, from_credits()).await;
	assert_eq!(market.channel(&known.id).await, None);
	let paid = before - market.credits(&agent.id()).await;
	assert_eq!(paid, 3 * PRICE + fee(&closed));
	// A channel for the one that has enough.
	assert_eq!(client(&poor, DOLLAR / 10).get(&words).await.unwrap().paid, PRICE);
	gateway.signal("TERM");
	let status = gateway.wait(PATIENCE).expect("the gateway ends");
	assert_eq!(status.code(), Some(0), "{}", gateway.stderr().tail(20));
	market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_should_settle_close_and_read_figures_while_stoa_sells() {
	let market = Market::new(&NODE).await;
	let payers = market.agents(2, DOLLAR, None).await;
	let service = Service::start().await;
	let seller = Seller::new();
	let (mut gateway, url) =
		seller.serve(&service, &["--metrics", "127.0.0.1:0", "--min-claim", "0"]);
	let door = gateway.wait_for(PATIENCE, |line| {
		Some(line.split_once("Metrics are at ")?.1.split_once("/metrics")?.0.to_owned())
	});
	let door = door.expect("the door is told");
	let figure = |name: &'static str| {
		let url = format!("{door}/metrics");
		async move {
			let text = reqwest::get(url).await.unwrap().text().await.unwrap();
			let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
			value.unwrap_or_else(|| panic!("no {name}: {text}"))
		}
	};
	let command = |path: String| {
		let request = reqwest::Client::new().post(format!("{door}{path}"));
		async move {
			let reply = request.header("stoa-operator", "1").send().await.unwrap();
			let (status, text) = (reply.status(), reply.text().await.unwrap());
			assert_eq!(status, StatusCode::OK, "{text}");
			serde_json::from_str::<serde_json::Value>(&text).unwrap()
		}
	};
	let mut buyers = Vec::new();
	for payer in &payers {
		let channel = market.open(payer, &seller.id, 10_000).await;
		let client = buyer(&market, payer, &channel).await;
		for _ in 0..3 {
			assert_eq!(client.get(&url).await.unwrap().paid, PRICE);
		}
		buyers.push((channel, client));
	}
	let unsettled: Balance = figure("stoa_gateway_unsettled_units").await;
	assert_eq!(unsettled, 6 * PRICE);
	assert_eq!(command("/settle".into()).await["claimed"], (6 * PRICE).to_string());
	let unsettled: Balance = figure("stoa_gateway_unsettled_units").await;
	assert_eq!(unsettled, 0);

	let (channel, client) = &buyers[0];
	assert_eq!(client.get(&url).await.unwrap().paid, PRICE);
	let closed = command(format!("/channel/0x{}/close", hex::encode(channel.id))).await;
	assert_eq!(closed["claimed"], PRICE.to_string());
	assert_eq!(market.channel(&channel.id).await, None);
	assert!(client.get(&url).await.is_err());
	// The other one is sold to as before.
	assert_eq!(buyers[1].1.get(&url).await.unwrap().paid, PRICE);
	let lost: Balance = figure("stoa_gateway_lost_units_total").await;
	let flushed: Balance = figure("stoa_gateway_flush_seconds_count").await;
	assert_eq!((lost, flushed), (0, 8));
	gateway.signal("TERM");
	let status = gateway.wait(PATIENCE).expect("the gateway ends");
	assert_eq!(status.code(), Some(0), "{}", gateway.stderr().tail(20));
	assert_eq!(market.channel(&buyers[1].0.id).await.unwrap().settled, 4 * PRICE);
	market.solvent().await;
}
