//! Watchtowers on a real chain: a payee goes away, a payer closes.

use serde_json::json;
use std::{
	path::{Path, PathBuf},
	process::Command,
	sync::Arc,
	time::{Duration, Instant},
};
use stoa_client::{
	chain::{calls, At, ChainView, ChannelInfo, Phase, SubmitOptions},
	http::{HttpPolicy, PaidClient},
	keys::{parse_account, AccountKey, Scheme},
	payer::{Payer, Policy},
	store::MemoryStore,
};
use stoa_primitives::{
	channel::{Item, MIN_GRACE},
	AccountId, AssetId, Balance,
};
use stoa_tests::{
	command::Stoa,
	market::{from_credits, Agent, Market, DOLLAR, DUSD, STOA},
	process::{binary, Process},
	rpc,
	service::Service,
	Node,
};
use stoa_tower::{
	service::{fetch, fetch_published, publish, push, Published},
	List,
};
use tempfile::TempDir;

const START: Duration = Duration::from_secs(30);

/// A payee that is about to go away, and payers with a channel of 10,000 units to it each.
struct Trade {
	market: Market,
	payee: Agent,
	payers: Vec<(Agent, ChannelInfo)>,
}

impl Trade {
	async fn new(node: &Node, payers: usize) -> Self {
		let market = Market::new(node).await;
		let mut agents = market.agents(payers + 1, DOLLAR, None).await;
		let payee = agents.pop().unwrap();
		let mut out = Vec::new();
		for payer in agents {
			let channel = market.open(&payer, &payee.id(), 10_000).await;
			out.push((payer, channel));
		}
		Self { market, payee, payers: out }
	}

	fn item(&self, payer: usize, cumulative: Balance) -> Item {
		let (payer, channel) = &self.payers[payer];
		payer.sign(&self.market.domain(), channel.id, cumulative).to_item(Balance::MAX)
	}

	/// All payers close, and more than half of the grace period passes.
	async fn close_and_wait(&self, node: &Node) {
		for (payer, channel) in &self.payers {
			self.market.submit(&calls::request_close(channel.id), &payer.key, from_credits()).await;
			let info = self.market.channel(&channel.id).await.unwrap();
			assert!(matches!(info.phase, Phase::Closing { .. }) && info.settled == 0);
		}
		rpc::make_blocks(node, MIN_GRACE / 2 + 2).await;
	}

	/// Waits until the chain shows these amounts, a block at a time.
	async fn settled(&self, node: &Node, expected: &[Balance], tower: &dyn Fn() -> String) {
		let deadline = Instant::now() + Duration::from_secs(60);
		loop {
			let mut found = Vec::new();
			for (_, channel) in &self.payers {
				found.push(self.market.channel(&channel.id).await.unwrap().settled);
			}
			if found == expected {
				return;
			}
			assert!(Instant::now() < deadline, "{found:?} of {expected:?}\n{}", tower());
			rpc::make_blocks(node, 1).await;
			tokio::time::sleep(Duration::from_millis(500)).await;
		}
	}

	async fn give(&self, to: AccountId) {
		let call = calls::transfer(to, STOA);
		self.market.submit(&call, &self.market.operator, SubmitOptions::default()).await;
	}
}

/// `stoa-tower` with its files in `dir` and these arguments, and where it listens.
fn start(node: &Node, dir: &Path, args: &[&str]) -> (Process, String) {
	let mut command = Command::new(binary("stoa-tower"));
	// Blocks are made on demand.
	command.args(["--node", &node.url(), "--stall-after", "0"]).args(args);
	command.args(["--listen", "127.0.0.1:0", "--store"]);
	command.arg(dir.join("store")).arg("--key").arg(dir.join("key"));
	command.env("RUST_LOG", "info").env("NO_COLOR", "1");
	let mut process = Process::spawn(&mut command);
	let address = |line: &str| {
		let rest = line.split("address=").nth(1)?;
		line.contains("listening").then(|| rest.split_whitespace().next())?.map(str::to_owned)
	};
	match process.wait_for(START, address) {
		Some(address) => (process, format!("http://{address}")),
		None => panic!("the tower did not start:\n{}", process.stderr().tail(20)),
	}
}

/// How many lanes the tower keeps.
async fn lanes(url: &str) -> u64 {
	let status = reqwest::get(format!("{url}/v1/status")).await.unwrap().text().await.unwrap();
	let status: serde_json::Value = serde_json::from_str(&status).unwrap();
	status["lanes"].as_u64().unwrap()
}

/// Gives the node a key to settle with. Returns its account.
async fn insert_tower_key(node: &Node) -> AccountId {
	let account = AccountKey::from_uri("//Tower", Scheme::Sr25519).unwrap().account();
	let public = format!("0x{}", hex::encode(AsRef::<[u8]>::as_ref(&account)));
	rpc::call(node, "author_insertKey", json!(["towr", "//Tower", public])).await;
	account
}

/// A seller with `stoa serve`, and buyers with a channel of 10,000 units each.
struct Shop {
	stoa: Stoa,
	service: Service,
	store: PathBuf,
	trade: Trade,
	clients: Vec<PaidClient>,
}

impl Shop {
	async fn new(node: &Node, dir: &Path, buyers: usize) -> Self {
		let stoa = Stoa::new(node.url());
		stoa.json(&["keys", "new", "seller"]);
		stoa.json(&["--key", "//Bob", "agent", "register", "seller"]);
		stoa.json(&["--key", "//Bob", "deposit", "1", "--for", "seller"]);
		let seller = stoa.json(&["keys", "show", "seller"]);
		let seller = parse_account(seller["address"].as_str().unwrap()).unwrap();
		let market = Market::new(node).await;
		let (mut payers, mut clients) = (Vec::new(), Vec::new());
		for agent in market.agents(buyers, DOLLAR, None).await {
			let channel = market.open(&agent, &seller, 10_000).await;
			let store = Arc::new(MemoryStore::default());
			let payer = Payer::new(store, market.chain.genesis(), Policy::per_call(100)).unwrap();
			payer.add_channel(&channel, agent.voucher.clone()).await.unwrap();
			let chain: Arc<dyn ChainView> = Arc::new(market.chain.clone());
			clients.push(PaidClient::new(payer, chain, HttpPolicy::new(100)).unwrap());
			payers.push((agent, channel));
		}
		let trade = Trade { market, payee: Agent::new(), payers };
		let store = dir.join("vouchers");
		Self { stoa, service: Service::start().await, store, trade, clients }
	}

	/// Sells at 100 units a call.
	fn serve(&self, args: &[&str]) -> (Process, String) {
		let (upstream, store) = (self.service.url(), self.store.display().to_string());
		let serve = ["--key", "seller", "--upstream", &upstream, "--price", "0.0001"];
		let more = ["--settle-every", "1d", "--backup-every", "1s", "--store", &store];
		self.stoa.serve(&[&serve[..], &more, args].concat())
	}

	/// Each buyer calls so many times; then it is all sent to where it is backed up.
	async fn sell(&self, url: &str, calls: &[usize]) {
		for (client, calls) in self.clients.iter().zip(calls) {
			for _ in 0..*calls {
				assert_eq!(client.get(&format!("{url}/words")).await.unwrap().paid, 100);
			}
		}
		tokio::time::sleep(Duration::from_secs(4)).await;
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_should_pay_for_free_who_was_killed_and_give_back_what_the_disk_lost() {
	let node = Node::start();
	let dir = TempDir::new().unwrap();
	let mut shop = Shop::new(&node, dir.path(), 2).await;
	let account = AccountKey::create(&dir.path().join("key"), Scheme::Sr25519).unwrap().account();
	shop.trade.give(account.clone()).await;
	let (tower, tower_url) = start(&node, dir.path(), &[]);

	let backup = ["--tower", &tower_url];
	let (mut gateway, url) = shop.serve(&backup);
	shop.sell(&url, &[60, 30]).await;
	assert_eq!(lanes(&tower_url).await, 2, "{}", gateway.stderr().tail(20));
	gateway.kill();
	std::fs::remove_file(&shop.store).unwrap();

	// The first buyer closes, and nobody is there.
	let other = shop.trade.payers.pop().unwrap();
	shop.trade.close_and_wait(&node).await;
	let funds = || shop.trade.market.chain.native_balance(&account, At::Best);
	let before = funds().await.unwrap();
	shop.trade.settled(&node, &[6_000], &|| tower.stderr().tail(30)).await;
	assert_eq!(funds().await.unwrap(), before, "the platform's share covers the fee");

	// The seller comes back without its store, and settles what the second buyer owes.
	let again = ["--recover", "--min-claim", "0"];
	let (mut gateway, url) = shop.serve(&[&backup[..], &again].concat());
	// It listens, also to signals.
	assert_eq!(reqwest::get(url).await.unwrap().status(), 402);
	gateway.signal("TERM");
	let status = gateway.wait(START).expect("it ends");
	assert_eq!(status.code(), Some(0), "{}", gateway.stderr().tail(20));
	let said = gateway.stderr().tail(20);
	assert!(said.contains("Recovered vouchers for 1 lane,"), "{said}");
	assert_eq!(shop.trade.market.channel(&other.1.id).await.unwrap().settled, 3_000);
	shop.trade.market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_should_pay_who_was_killed_from_what_was_left_in_its_statement_store() {
	let node = Node::start();
	let dir = TempDir::new().unwrap();
	let shop = Shop::new(&node, dir.path(), 1).await;
	shop.trade.give(insert_tower_key(&node).await).await;

	let (mut gateway, url) = shop.serve(&["--backup-to-node"]);
	shop.sell(&url, &[40]).await;
	gateway.kill();
	// Its store is lost, the node has what was in it, and it is killed again.
	std::fs::remove_file(&shop.store).unwrap();
	let (mut gateway, url) = shop.serve(&["--backup-to-node", "--recover"]);
	let said = gateway.stderr().tail(20);
	assert!(said.contains("Recovered vouchers for 1 lane,"), "{said}");
	// The buyer goes on where it was.
	shop.sell(&url, &[20]).await;
	gateway.kill();
	shop.trade.close_and_wait(&node).await;
	shop.trade.settled(&node, &[6_000], &|| node.log_tail(30)).await;
	shop.trade.market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_of_its_own_should_settle_what_came_over_http_and_as_a_statement() {
	let node = Node::start();
	let dir = TempDir::new().unwrap();
	let trade = Trade::new(&node, 3).await;
	let account = AccountKey::create(&dir.path().join("key"), Scheme::Sr25519).unwrap().account();
	trade.give(account).await;
	let http = reqwest::Client::new();
	let small = ["--min-claim", "1"];
	let (mut tower, url) = start(&node, dir.path(), &small);

	// The first payer's voucher over HTTP, also an older and a better one, and one of nobody.
	let stranger = Agent::new();
	let foreign = push(&http, &url, &stranger.key, &[trade.item(0, 10)]).await.unwrap();
	assert_eq!((foreign.kept, foreign.refused.len()), (0, 1), "{foreign:?}");
	let nonsense = Item { channel: [9; 32], ..trade.item(0, 10) };
	let items = [trade.item(0, 10), nonsense, trade.item(0, 20), trade.item(0, 15)];
	let pushed = push(&http, &url, &trade.payee.key, &items).await.unwrap();
	assert_eq!((pushed.kept, pushed.known), (2, 1), "{pushed:?}");
	assert_eq!(pushed.refused[0].index, 1);
	assert_eq!(
		http.post(format!("{url}/v1/statements")).body("no").send().await.unwrap().status(),
		400
	);

	// It comes back after a power cut.
	tower.kill();
	let (tower, url) = start(&node, dir.path(), &small);
	assert_eq!(lanes(&url).await, 1);
	// The payee has back what it sent last, and nobody else does.
	let (payee, genesis) = (trade.payee.id(), trade.market.chain.genesis());
	let back = fetch(&http, &url, &trade.payee.key, &payee, genesis).await.unwrap();
	assert_eq!(back, [trade.item(0, 20)]);
	assert!(fetch(&http, &url, &stranger.key, &payee, genesis).await.is_err());

	// The second payer's as a statement, and the third's in another list, which is cleared again.
	let (url_of_node, key, list) = (node.url(), &trade.payee.key, List::of(&DUSD));
	let items = [trade.item(1, 7)];
	let published = publish(&url_of_node, key, list, &items).await.unwrap();
	assert_eq!(published, Published { statements: 1, items: 1, left_out: 0 });
	// The same account is paid in another asset too, by another process.
	let other = List::of(&AssetId::Native);
	publish(&url_of_node, key, other, &[trade.item(2, 3)]).await.unwrap();
	let deadline = Instant::now() + START;
	while lanes(&url).await < 3 {
		assert!(Instant::now() < deadline, "{}", tower.stderr().tail(30));
		tokio::time::sleep(Duration::from_millis(100)).await;
	}
	publish(&url_of_node, key, other, &[]).await.unwrap();
	assert_eq!(fetch_published(&url_of_node, &payee).await.unwrap(), items);
	// Whoever is no agent may not keep statements.
	assert!(publish(&url_of_node, &stranger.key, list, &items).await.is_err());

	trade.close_and_wait(&node).await;
	let log = || tower.stderr().tail(30);
	trade.settled(&node, &[20, 7, 3], &log).await;
	// More came to light after it was settled.
	push(&http, &url, &trade.payee.key, &[trade.item(2, 9)]).await.unwrap();
	trade.settled(&node, &[20, 7, 9], &log).await;
	trade.market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_should_settle_what_it_has_as_statements_when_it_has_a_key() {
	let node = Node::start_with(&["--dev", "--sealing", "instant", "--tower-min-claim", "1"]);
	let trade = Trade::new(&node, 1).await;
	let (url, key, list) = (node.url(), &trade.payee.key, List::of(&DUSD));
	publish(&url, key, list, &[trade.item(0, 7)]).await.unwrap();
	trade.give(insert_tower_key(&node).await).await;
	publish(&url, key, list, &[trade.item(0, 20)]).await.unwrap();
	trade.close_and_wait(&node).await;
	trade.settled(&node, &[20], &|| node.log_tail(30)).await;
	trade.market.solvent().await;
}
