//! The gateway in front of a real service, over real connections; only the chain is a fake.

mod agreements;
mod chain;
mod limits;
mod operator;
mod readme;
mod records;
mod ticks;

use crate::{Gateway, GatewayConfig, GatewayError};
use axum::{
	body::Bytes,
	extract::State,
	http::{HeaderMap, Method, StatusCode, Uri},
	response::{IntoResponse, Response},
	Router,
};
use chain::FakeChain;
use std::{
	collections::{HashMap, HashSet},
	net::SocketAddr,
	sync::{
		atomic::{AtomicBool, AtomicUsize, Ordering},
		Arc,
	},
	time::Duration,
};
use stoa_client::{
	chain::{Changes, ChannelInfo, Phase},
	http::{HttpError, HttpPayees, HttpPolicy, PaidClient, PaidRequest},
	keys::{AccountKey, Scheme, VoucherKey},
	payee::PayeeError,
	payer::{
		top_up::{Funder, TopUpPolicy},
		PayError, Payer, Policy, Refusal,
	},
	payment::{
		parse_challenges, Challenge, ChannelProof, Credential, PaymentReceipt, PaymentRequest,
		Problem, ProblemType, VoucherPayload, PROOF_HEADER, PROOF_WINDOW, RECEIPT_HEADER,
	},
	store::{MemoryStore, Store, StoreError, Table, Write},
	voucher::SignedVoucher,
};
use stoa_primitives::{
	channel::{ChannelId, DEFAULT_GRACE},
	payload::{Domain, Voucher},
	AccountId, AssetId, Balance, H256,
};
use tokio::{
	io::{AsyncReadExt, AsyncWriteExt},
	net::TcpStream,
	sync::oneshot,
	task::JoinHandle,
};

const GENESIS: H256 = H256::repeat_byte(5);
const CHANNEL: ChannelId = [9; 32];
const ASSET: AssetId = AssetId::WithId(1);
const PRICE: Balance = 10;

/// What the service behind the gateway has seen, and how it answers.
#[derive(Default)]
struct Service {
	calls: AtomicUsize,
	slow: AtomicBool,
	seen: std::sync::Mutex<Vec<HeaderMap>>,
}

async fn answer(
	State(service): State<Arc<Service>>,
	method: Method,
	uri: Uri,
	headers: HeaderMap,
	body: Bytes,
) -> impl IntoResponse {
	let n = service.calls.fetch_add(1, Ordering::SeqCst);
	service.seen.lock().unwrap().push(headers);
	if service.slow.load(Ordering::SeqCst) {
		tokio::time::sleep(Duration::from_millis(100)).await;
	}
	match uri.path() {
		"/fail" => (StatusCode::INTERNAL_SERVER_ERROR, "broken".to_owned()),
		"/missing" => (StatusCode::NOT_FOUND, "no".to_owned()),
		"/large" => (StatusCode::OK, "x".repeat(10_000)),
		"/sleep" => {
			tokio::time::sleep(Duration::from_secs(5)).await;
			(StatusCode::OK, String::new())
		},
		path => {
			let body = String::from_utf8_lossy(&body);
			(StatusCode::OK, format!("{method} {path} {body} call {n}"))
		},
	}
}

async fn spawn(router: Router) -> SocketAddr {
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let address = listener.local_addr().unwrap();
	tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
	address
}

fn payee_key() -> AccountKey {
	AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap()
}

fn voucher_key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn channel(deposit: Balance) -> ChannelInfo {
	ChannelInfo {
		id: CHANNEL,
		payer: AccountId::new([1; 32]),
		payee: payee_key().account(),
		asset: ASSET,
		key: voucher_key().key(),
		deposit,
		settled: 0,
		lane_settled: vec![0],
		lanes: 1,
		grace: DEFAULT_GRACE,
		phase: Phase::Open,
		cap: None,
		changes: Changes::default(),
		schedule: 0,
		nonce: 0,
	}
}

fn sign(cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel: CHANNEL, lane: 0, cumulative, valid_until: 0 };
	voucher_key().sign_voucher(voucher, &Domain::channels(GENESIS))
}

/// A store whose commits can be made to fail.
#[derive(Default)]
struct FailingStore {
	inner: MemoryStore,
	fail: AtomicBool,
}

impl Store for FailingStore {
	fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
		self.inner.get(table, key)
	}
	fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
		self.inner.scan(table)
	}
	fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
		match self.fail.load(Ordering::SeqCst) {
			true => Err(StoreError::Failed("no space left on device".into())),
			false => self.inner.commit(writes),
		}
	}
}

struct World {
	chain: Arc<FakeChain>,
	service: Arc<Service>,
	store: Arc<FailingStore>,
	gateway: Gateway,
	address: SocketAddr,
	url: String,
}

impl World {
	async fn new(deposit: Balance) -> Self {
		Self::with(deposit, |_| {}).await
	}

	async fn with(deposit: Balance, change: impl FnOnce(&mut GatewayConfig)) -> Self {
		let chain = Arc::new(FakeChain::new(GENESIS));
		chain.put(channel(deposit));
		let service = Arc::new(Service::default());
		let upstream = spawn(Router::new().fallback(answer).with_state(service.clone())).await;
		let store = Arc::new(FailingStore::default());
		let mut config =
			GatewayConfig::new(format!("http://{upstream}"), PRICE, ASSET, payee_key(), "unused");
		config.upstream_timeout = Duration::from_millis(500);
		config.max_response_body = 5_000;
		config.max_request_body = 1_000;
		change(&mut config);
		let gateway = Gateway::with_openings(config, store.clone(), chain.clone(), chain.clone());
		let gateway = gateway.await.unwrap();
		let address = spawn(gateway.router()).await;
		Self { chain, service, store, gateway, address, url: format!("http://{address}") }
	}

	fn url(&self, path: &str) -> String {
		format!("{}{path}", self.url)
	}

	fn calls(&self) -> usize {
		self.service.calls.load(Ordering::SeqCst)
	}

	async fn payer(&self) -> Payer {
		let payer =
			Payer::new(Arc::new(MemoryStore::default()), GENESIS, Policy::per_call(100)).unwrap();
		let info = self.chain.state().finalized[&CHANNEL].clone();
		payer.add_channel(&info, voucher_key()).await.unwrap();
		payer
	}

	async fn client(&self) -> PaidClient {
		PaidClient::new(self.payer().await, self.chain.clone(), HttpPolicy::new(100)).unwrap()
	}

	async fn challenge(&self) -> Challenge {
		let reply = reqwest::get(self.url("/")).await.unwrap();
		assert_eq!(reply.status(), 402);
		let header = reply.headers()["www-authenticate"].to_str().unwrap().to_owned();
		parse_challenges(&header).unwrap().remove(0)
	}

	/// What the gateway tells of a channel.
	async fn state(&self, id: &ChannelId, proof: Option<&ChannelProof>) -> (u16, String) {
		let url = self.url(&format!("/.well-known/stoa/channel/0x{}", hex(id)));
		let mut request = reqwest::Client::new().get(url);
		if let Some(proof) = proof {
			request = request.header(PROOF_HEADER, proof.to_header());
		}
		let reply = request.send().await.unwrap();
		(reply.status().as_u16(), reply.text().await.unwrap())
	}

	async fn present(&self, challenge: &Challenge, voucher: &SignedVoucher) -> Reply {
		self.present_to("/", challenge, voucher).await
	}

	async fn present_to(
		&self,
		path: &str,
		challenge: &Challenge,
		voucher: &SignedVoucher,
	) -> Reply {
		self.send(path, challenge, voucher, None).await
	}

	async fn send(
		&self,
		path: &str,
		challenge: &Challenge,
		voucher: &SignedVoucher,
		proof: Option<&ChannelProof>,
	) -> Reply {
		self.show(path, &Credential::new(challenge.clone(), *voucher), proof).await
	}

	async fn show(
		&self,
		path: &str,
		credential: &Credential,
		proof: Option<&ChannelProof>,
	) -> Reply {
		let mut request = reqwest::Client::new()
			.get(self.url(path))
			.header("authorization", credential.to_header());
		if let Some(proof) = proof {
			request = request.header(PROOF_HEADER, proof.to_header());
		}
		let reply = request.send().await.unwrap();
		Reply {
			status: reply.status().as_u16(),
			receipt: reply
				.headers()
				.get(RECEIPT_HEADER)
				.map(|value| PaymentReceipt::parse(value.to_str().unwrap()).unwrap()),
			challenged: reply.headers().contains_key("www-authenticate"),
			body: reply.text().await.unwrap(),
		}
	}
}

struct Reply {
	status: u16,
	receipt: Option<PaymentReceipt>,
	challenged: bool,
	body: String,
}

impl Reply {
	fn problem(&self) -> Problem {
		serde_json::from_str(&self.body).unwrap()
	}
}

#[tokio::test]
async fn a_client_should_pay_per_call_and_get_receipts() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	for n in 1..=3u128 {
		let reply = client.post(&world.url("/echo?q=1"), "text/plain", "hello").await.unwrap();
		assert_eq!((reply.status, reply.paid), (200, PRICE));
		let text = String::from_utf8(reply.body).unwrap();
		assert!(text.starts_with("POST /echo hello"), "{text}");
		let receipt = reply.receipt.expect("a receipt that fits");
		assert_eq!(receipt.cumulative_amount, (n * PRICE).to_string());
	}
	let stats = world.gateway.stats();
	// One challenge is enough for all calls.
	assert_eq!((stats.challenged, stats.accepted, stats.earned), (1, 3, 3 * PRICE));
	let report = world.gateway.settle_now().await.unwrap();
	assert_eq!(report.claimed, 3 * PRICE);
	assert_eq!(world.gateway.stats().unsettled, 0);
	// The service sees who pays, and no credential.
	let seen = world.service.seen.lock().unwrap();
	for headers in seen.iter() {
		assert!(headers.contains_key("stoa-payer") && headers.contains_key("stoa-channel"));
		assert!(!headers.contains_key("authorization"));
	}
}

/// A payee that takes vouchers and delivers nothing.
struct Thief {
	/// Whether it answers with a receipt that proves nothing, instead of a problem.
	receipts: bool,
	seen: std::sync::Mutex<HashSet<Balance>>,
}

async fn steal(State(thief): State<Arc<Thief>>, headers: HeaderMap) -> Response {
	let credential = headers.get("authorization").map(|value| value.to_str().unwrap());
	let Some(credential) = credential.and_then(Credential::parse) else {
		let terms = PaymentRequest {
			amount: PRICE,
			asset: ASSET,
			genesis: GENESIS,
			payee: payee_key().account(),
			suggested_deposit: 1_000,
			min_grace: 0,
			tick_value: None,
			open_minimum: None,
		};
		let challenge = Challenge::issue(&[0; 32], "thief", &terms, now() + 1_000, &[]);
		let header = [("www-authenticate", challenge.to_header())];
		return (StatusCode::PAYMENT_REQUIRED, header).into_response();
	};
	let signed = *credential.unwrap().proof().unwrap().unwrap().voucher().unwrap();
	let fresh = thief.seen.lock().unwrap().insert(signed.voucher.cumulative);
	if thief.receipts && fresh {
		return ([(RECEIPT_HEADER, "e30")], "nothing").into_response();
	}
	let kind = [("content-type", "application/problem+json")];
	let problem = serde_json::to_string(&Problem::used(signed)).unwrap();
	(StatusCode::CONFLICT, kind, problem).into_response()
}

#[tokio::test]
async fn a_payee_that_delivers_nothing_should_get_no_more_than_the_payer_allows() {
	for receipts in [false, true] {
		let world = World::new(10_000).await;
		let thief = Arc::new(Thief { receipts, seen: Default::default() });
		let address = spawn(Router::new().fallback(steal).with_state(thief.clone())).await;
		let url = format!("http://{address}/");
		let store = Arc::new(MemoryStore::default());
		let policy = Policy { max_unanswered: 3 * PRICE, ..Policy::per_call(100) };
		let info = world.chain.state().finalized[&CHANNEL].clone();
		// Neither calls without end nor new processes make it more.
		let mut last = None;
		for _ in 0..3 {
			let payer = Payer::new(store.clone(), GENESIS, policy).unwrap();
			payer.add_channel(&info, voucher_key()).await.unwrap();
			let client = PaidClient::new(payer, world.chain.clone(), HttpPolicy::new(100)).unwrap();
			for _ in 0..6 {
				last = Some(client.get(&url).await);
			}
		}
		match last.unwrap() {
			Err(HttpError::Pay(PayError::Refused(Refusal::Unanswered { unanswered, limit }))) => {
				assert_eq!((unanswered, limit), (4 * PRICE, 3 * PRICE));
			},
			other => panic!("{other:?}"),
		}
		let taken = thief.seen.lock().unwrap().iter().max().copied();
		assert_eq!(taken, Some(4 * PRICE), "three by its word, and the one that is out");
	}
}

#[tokio::test]
async fn a_request_without_payment_should_learn_the_price() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	let terms = client.quote(&world.url("/x")).await.unwrap().unwrap();
	assert_eq!((terms.amount, &terms.asset, terms.genesis), (PRICE, &ASSET, GENESIS));
	assert_eq!(terms.payee, payee_key().account());
	let reply = reqwest::get(world.url("/.well-known/stoa")).await.unwrap();
	let json: serde_json::Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
	assert_eq!(json["price"], "10");
	assert_eq!(world.calls(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_equal_vouchers_should_be_served_once() {
	let world = Arc::new(World::new(1_000).await);
	world.service.slow.store(true, Ordering::SeqCst);
	let challenge = world.challenge().await;
	let calls: Vec<_> = (0..50)
		.map(|_| {
			let (world, challenge) = (world.clone(), challenge.clone());
			tokio::spawn(async move { world.present(&challenge, &sign(PRICE)).await })
		})
		.collect();
	let mut bodies = Vec::new();
	for call in calls {
		let reply = call.await.unwrap();
		assert_eq!(reply.status, 200);
		bodies.push(reply.body);
	}
	bodies.dedup();
	assert_eq!((bodies.len(), world.calls()), (1, 1));
	let stats = world.gateway.stats();
	assert_eq!((stats.accepted, stats.replayed, stats.earned), (1, 49, PRICE));
}

#[tokio::test]
async fn a_used_voucher_should_buy_nothing_else() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	assert_eq!(world.present(&challenge, &sign(PRICE)).await.status, 200);
	// Another request, and another challenge: whoever has seen the voucher gets nothing for it.
	for reply in [
		world.present_to("/other", &challenge, &sign(PRICE)).await,
		world.present(&world.challenge().await, &sign(PRICE)).await,
	] {
		assert_eq!(reply.status, 409);
		assert!(reply.problem().is(ProblemType::VoucherUsed));
		assert!(reply.receipt.is_none());
	}
	assert_eq!(world.calls(), 1);
}

#[tokio::test]
async fn a_low_voucher_should_name_the_shortfall_and_prove_the_floor() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.present(&challenge, &sign(PRICE)).await;
	let low = sign(PRICE + 3);
	let reply = world.send("/", &challenge, &low, Some(&prove(now()))).await;
	assert_eq!((reply.status, reply.challenged), (402, true));
	let problem = reply.problem();
	assert!(problem.is(ProblemType::InsufficientVoucher));
	assert_eq!(problem.required_cumulative.as_deref(), Some("20"));
	assert_eq!(problem.shortfall.as_deref(), Some("7"));
	assert_eq!(problem.last_voucher, Some(VoucherPayload::new(&sign(PRICE))));
}

#[tokio::test]
async fn a_client_should_top_up_its_channel_within_its_budget() {
	let world = World::new(2 * PRICE).await;
	let store = Arc::new(MemoryStore::default());
	let payer = Payer::new(store.clone(), GENESIS, Policy::per_call(100)).unwrap();
	payer.add_channel(&channel(2 * PRICE), voucher_key()).await.unwrap();
	let policy = TopUpPolicy {
		below: PRICE,
		add: 2 * PRICE,
		max_deposit: 1_000,
		budget: 4 * PRICE,
		period: Duration::from_secs(3_600),
	};
	let asset = channel(0).asset;
	let funder =
		Funder::new(payer.clone(), store.as_ref(), world.chain.clone(), asset, policy).unwrap();
	let (chain, policy) = (world.chain.clone(), HttpPolicy::new(100));
	let client = PaidClient::with_funder(payer, chain, policy, funder).unwrap();
	for _ in 0..6 {
		assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
	}
	assert_eq!(world.chain.state().finalized[&CHANNEL].deposit, 6 * PRICE);
	let spent = client.get(&world.url("/")).await;
	assert!(matches!(spent, Err(HttpError::TopUpNeeded { shortfall: PRICE, .. })));
}

fn now() -> u64 {
	crate::serve::now()
}

fn prove(time: u64) -> ChannelProof {
	ChannelProof::sign(CHANNEL, time, &voucher_key(), &Domain::channels(GENESIS))
}

fn hex(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn failing_services_should_cost_nothing() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	for (path, status) in [("/fail", 500), ("/missing", 404), ("/large", 502), ("/sleep", 504)] {
		let reply = world.present_to(path, &challenge, &sign(PRICE)).await;
		assert_eq!(reply.status, status, "{path}");
		assert!(reply.receipt.is_none());
	}
	assert_eq!(world.gateway.stats().earned, 0);
	// The same voucher still buys a call.
	assert_eq!(world.present(&challenge, &sign(PRICE)).await.status, 200);
}

#[tokio::test]
async fn a_client_should_use_its_voucher_again_after_a_failure() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	let reply = client.get(&world.url("/fail")).await.unwrap();
	assert_eq!((reply.status, reply.paid), (500, 0));
	let reply = client.get(&world.url("/works")).await.unwrap();
	assert_eq!((reply.status, reply.paid), (200, PRICE));
	assert_eq!(client.payer().channels()[0].signed, PRICE);
}

#[tokio::test]
async fn a_service_that_is_gone_should_give_502() {
	let world = World::with(1_000, |config| config.upstream = "http://127.0.0.1:1".into()).await;
	let challenge = world.challenge().await;
	let reply = world.present(&challenge, &sign(PRICE)).await;
	assert_eq!(reply.status, 502);
	assert!(reply.problem().is(ProblemType::UpstreamFailed));
}

#[tokio::test]
async fn nothing_should_be_served_when_the_store_fails() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.store.fail.store(true, Ordering::SeqCst);
	let reply = world.present(&challenge, &sign(PRICE)).await;
	assert_eq!(reply.status, 503);
	assert!(!reply.body.contains("call"), "{}", reply.body);
	world.store.fail.store(false, Ordering::SeqCst);
	assert_eq!(world.present(&challenge, &sign(PRICE)).await.status, 200);
	assert_eq!(world.gateway.stats().earned, PRICE);
}

#[tokio::test]
async fn nothing_should_be_served_while_the_chain_is_silent() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.chain.state().down = true;
	assert_eq!(world.present(&challenge, &sign(PRICE)).await.status, 503);
	assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn changed_and_foreign_challenges_should_be_refused() {
	let world = World::new(1_000).await;
	let good = world.challenge().await;
	let mut cheaper = good.clone();
	let mut terms = good.terms().unwrap();
	terms.amount = 1;
	cheaper.request = terms.encode();
	let mut eternal = good.clone();
	eternal.expires = None;
	let mut guessed = good.clone();
	guessed.id = "guessed".into();
	for challenge in [cheaper, eternal, guessed] {
		let reply = world.present(&challenge, &sign(PRICE)).await;
		assert_eq!(reply.status, 402);
		assert!(reply.problem().is(ProblemType::InvalidChallenge));
	}
	assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn an_expired_challenge_should_be_renewed_without_a_second_payment() {
	let world = World::with(1_000, |c| c.challenge_ttl = Duration::from_secs(6)).await;
	let client = world.client().await;
	client.get(&world.url("/")).await.unwrap();
	tokio::time::sleep(Duration::from_millis(2_100)).await;
	client.get(&world.url("/")).await.unwrap();
	assert_eq!(client.payer().channels()[0].signed, 2 * PRICE);
}

#[tokio::test]
async fn malformed_credentials_should_be_refused() {
	let world = World::new(1_000).await;
	for value in ["Payment", "Payment ", "Payment !!", "payment e30", "PAYMENT e30="] {
		let reply = reqwest::Client::new()
			.get(world.url("/"))
			.header("authorization", value)
			.send()
			.await
			.unwrap();
		assert_eq!(reply.status(), 402, "{value}");
		let problem: Problem = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
		assert!(problem.is(ProblemType::MalformedCredential), "{value}");
	}
}

/// A request as bytes, so that a test decides what arrives when.
struct Raw(TcpStream);

impl Raw {
	async fn new(address: SocketAddr) -> Self {
		Self(TcpStream::connect(address).await.unwrap())
	}

	async fn send(&mut self, text: &str) {
		self.0.write_all(text.as_bytes()).await.unwrap();
	}

	/// The head of a `POST`; `headers` end with a line break each.
	async fn post(&mut self, headers: &str) {
		self.send(&format!("POST / HTTP/1.1\r\nhost: h\r\n{headers}\r\n")).await;
	}

	/// What comes until the answer has this text. Panics when the connection ends before.
	async fn expect(&mut self, text: &str) -> String {
		let mut seen = Vec::new();
		let mut buffer = [0; 4_096];
		while !String::from_utf8_lossy(&seen).contains(text) {
			let read = tokio::time::timeout(PATIENCE, self.0.read(&mut buffer)).await;
			match read.expect("an answer in time").unwrap() {
				0 => panic!("no `{text}` in {}", String::from_utf8_lossy(&seen)),
				n => seen.extend_from_slice(&buffer[..n]),
			}
		}
		String::from_utf8(seen).unwrap()
	}

	/// Waits until the other side ends the connection.
	async fn ended(&mut self) {
		let mut rest = Vec::new();
		let end = tokio::time::timeout(PATIENCE, self.0.read_to_end(&mut rest)).await;
		// A reset is an end as well.
		let _ = end.expect("an end in time");
	}
}

/// Longer than anything here should take, shorter than the defaults that tests shorten.
const PATIENCE: Duration = Duration::from_secs(10);

fn credential(challenge: &Challenge, voucher: &SignedVoucher) -> String {
	format!("authorization: {}\r\n", Credential::new(challenge.clone(), *voucher).to_header())
}

/// Serves on a port of its own as an operator does; a drop of the sender shuts it down.
async fn serve(
	world: &World,
) -> (SocketAddr, oneshot::Sender<()>, JoinHandle<Result<(), GatewayError>>) {
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let address = listener.local_addr().unwrap();
	let (stop, stopped) = oneshot::channel::<()>();
	let gateway = world.gateway.clone();
	let serving = tokio::spawn(async move {
		let shutdown = async {
			let _ = stopped.await;
		};
		gateway.serve(listener, shutdown).await
	});
	(address, stop, serving)
}

#[tokio::test]
async fn a_short_deposit_should_be_named_and_a_top_up_cure_it() {
	let world = World::new(PRICE).await;
	let client = world.client().await;
	client.get(&world.url("/")).await.unwrap();
	match client.get(&world.url("/")).await {
		Err(HttpError::TopUpNeeded { channel, shortfall }) => {
			assert_eq!((channel, shortfall), (CHANNEL, PRICE));
		},
		other => panic!("{other:?}"),
	}
	world.chain.put(channel(2 * PRICE));
	// The gateway reads a channel at most once per block.
	tokio::time::sleep(Duration::from_millis(2_100)).await;
	assert_eq!(client.get(&world.url("/")).await.unwrap().paid, PRICE);
}

#[tokio::test]
async fn a_payee_should_say_when_the_deposit_that_the_payer_believes_in_is_not_there() {
	let world = World::new(PRICE).await;
	let client = world.client().await;
	client.payer().set_deposit(&CHANNEL, 1_000).unwrap();
	client.get(&world.url("/")).await.unwrap();
	assert!(matches!(
		client.get(&world.url("/")).await,
		Err(HttpError::TopUpNeeded { shortfall: PRICE, .. })
	));
}

#[tokio::test]
async fn pins_and_limits_should_hold() {
	let world = World::new(1_000).await;
	let with = |policy: HttpPolicy| {
		let chain = world.chain.clone();
		let payer = world.payer();
		async move { PaidClient::new(payer.await, chain, policy).unwrap() }
	};
	let url = world.url("/");
	let client = with(HttpPolicy::new(PRICE - 1)).await;
	assert!(matches!(
		client.get(&url).await,
		Err(HttpError::PriceAboveLimit { price: PRICE, limit: 9 })
	));
	let client = with(HttpPolicy { asset: Some(AssetId::Native), ..HttpPolicy::new(100) }).await;
	assert!(matches!(client.get(&url).await, Err(HttpError::WrongAsset { .. })));
	let client = with(HttpPolicy { payees: Some(Vec::new()), ..HttpPolicy::new(100) }).await;
	assert!(matches!(client.get(&url).await, Err(HttpError::WrongPayee { .. })));
	let other = Arc::new(FakeChain::new(H256::zero()));
	let payer =
		Payer::new(Arc::new(MemoryStore::default()), H256::zero(), Policy::per_call(100)).unwrap();
	let client = PaidClient::new(payer.clone(), other, HttpPolicy::new(100)).unwrap();
	assert!(matches!(client.get(&url).await, Err(HttpError::WrongChain { .. })));
	assert!(PaidClient::new(payer, world.chain.clone(), HttpPolicy::new(100)).is_err());
	let empty =
		Payer::new(Arc::new(MemoryStore::default()), GENESIS, Policy::per_call(100)).unwrap();
	let client = PaidClient::new(empty, world.chain.clone(), HttpPolicy::new(100)).unwrap();
	assert!(matches!(client.get(&url).await, Err(HttpError::ChannelMissing { .. })));
	assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn urls_and_headers_should_be_checked() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	for url in ["", "ftp://h/", "/relative"] {
		assert!(matches!(client.get(url).await, Err(HttpError::Url(_))), "{url}");
	}
	let request = PaidRequest {
		method: "GET".into(),
		url: world.url("/"),
		headers: vec![("bad\n".into(), "x".into())],
		body: Vec::new(),
	};
	assert!(matches!(client.send(request).await, Err(HttpError::Header(_))));
	let gone = client.get("http://127.0.0.1:1/").await;
	assert!(matches!(gone, Err(HttpError::Transport(_))));
}

#[tokio::test]
async fn closing_channels_should_be_refused() {
	let world = World::new(1_000).await;
	let challenge = world.challenge().await;
	world.chain.put(ChannelInfo { phase: Phase::Closing { ends: 999 }, ..channel(1_000) });
	let reply = world.present(&challenge, &sign(PRICE)).await;
	assert_eq!(reply.status, 402);
	assert!(reply.problem().is(ProblemType::ChannelUnusable));
	assert_eq!(world.calls(), 0);
}

#[tokio::test]
async fn a_client_should_not_get_stuck_on_a_channel_that_has_ended() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	world.chain.state().finalized.clear();
	for _ in 0..2 {
		let outcome = client.get(&world.url("/")).await;
		assert!(matches!(outcome, Err(HttpError::ChannelMissing { .. })), "{outcome:?}");
	}
	assert!(!client.payer().channels()[0].usable);
}

#[tokio::test]
async fn a_client_that_hangs_up_should_find_its_answer_later() {
	let world = World::new(1_000).await;
	world.service.slow.store(true, Ordering::SeqCst);
	let challenge = world.challenge().await;
	let voucher = sign(PRICE);
	let hasty = world.present(&challenge, &voucher);
	let _ = tokio::time::timeout(Duration::from_millis(50), hasty).await;
	tokio::time::sleep(Duration::from_millis(200)).await;
	let reply = world.present(&challenge, &voucher).await;
	assert_eq!((reply.status, world.calls()), (200, 1));
	assert!(reply.receipt.is_some());
}

#[tokio::test]
async fn calls_on_one_channel_should_be_possible_at_the_same_time() {
	let world = Arc::new(World::new(1_000).await);
	let client = world.client().await;
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
	assert_eq!(world.gateway.stats().earned, 20 * PRICE);
}

#[tokio::test]
async fn shutting_down_should_settle() {
	let world = World::new(1_000).await;
	let (address, stop, serving) = serve(&world).await;
	let url = format!("http://{address}/");
	let client = world.client().await;
	client.get(&url).await.unwrap();
	drop(client);
	stop.send(()).unwrap();
	serving.await.unwrap().unwrap();
	assert_eq!(world.chain.state().batches.len(), 1);
}

#[tokio::test]
async fn bad_settings_should_be_refused() {
	let chain = Arc::new(FakeChain::new(GENESIS));
	let config =
		|upstream: &str, price| GatewayConfig::new(upstream, price, ASSET, payee_key(), "unused");
	let mut closed = config("http://h", 1);
	closed.max_connections = 0;
	let mut nobody = config("http://h", 1);
	nobody.max_connections_per_address = 0;
	let rest = [config("http://h", 0), config("not a url", 1), config("ftp://h", 1)];
	for config in rest.into_iter().chain([closed, nobody]) {
		let outcome =
			Gateway::with_store(config, Arc::new(MemoryStore::default()), chain.clone()).await;
		assert!(outcome.is_err());
	}
}
