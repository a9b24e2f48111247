//! Watchtowers on a real chain: a payee goes away, a payer closes.

use serde_json::json;
use std::{
	path::Path,
	process::Command,
	time::{Duration, Instant},
};
use stoa_client::{
	chain::{calls, ChannelInfo, Phase, SubmitOptions},
	keys::{AccountKey, Scheme},
};
use stoa_primitives::{
	channel::{Item, MIN_GRACE},
	AccountId, Balance,
};
use stoa_tests::{
	market::{from_credits, Agent, Market, DOLLAR, STOA},
	process::{binary, Process},
	rpc, Node,
};
use stoa_tower::service::{publish, push, Published};
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

/// `stoa-tower` with its files in `dir`, and where it listens.
fn start(node: &Node, dir: &Path) -> (Process, String) {
	let mut command = Command::new(binary("stoa-tower"));
	command.args(["--node", &node.url(), "--listen", "127.0.0.1:0", "--store"]);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_tower_of_its_own_should_settle_what_came_over_http_and_as_a_statement() {
	let node = Node::start();
	let dir = TempDir::new().unwrap();
	let trade = Trade::new(&node, 3).await;
	let account = AccountKey::create(&dir.path().join("key"), Scheme::Sr25519).unwrap().account();
	trade.give(account).await;
	let http = reqwest::Client::new();
	let (mut tower, url) = start(&node, dir.path());

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
	let (tower, url) = start(&node, dir.path());
	let status = http.get(format!("{url}/v1/status")).send().await.unwrap().text().await.unwrap();
	assert_eq!(status, json!({ "channels": 1, "lanes": 1 }).to_string());

	// The second payer's as a statement. The third has paid nothing.
	let published = publish(&node.url(), &trade.payee.key, &[trade.item(1, 7)]).await.unwrap();
	assert_eq!(published, Published { statements: 1, left_out: 0 });
	// Whoever is no agent may not keep statements.
	assert!(publish(&node.url(), &stranger.key, &[trade.item(1, 7)]).await.is_err());

	trade.close_and_wait(&node).await;
	let log = || tower.stderr().tail(30);
	trade.settled(&node, &[20, 7, 0], &log).await;
	// More came to light after it was settled.
	push(&http, &url, &trade.payee.key, &[trade.item(2, 9)]).await.unwrap();
	trade.settled(&node, &[20, 7, 9], &log).await;
	trade.market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_should_settle_what_it_has_as_statements_when_it_has_a_key() {
	let node = Node::start();
	let trade = Trade::new(&node, 1).await;
	let key = AccountKey::from_uri("//Tower", Scheme::Sr25519).unwrap();
	trade.give(key.account()).await;
	publish(&node.url(), &trade.payee.key, &[trade.item(0, 7)]).await.unwrap();
	let public = format!("0x{}", hex::encode(AsRef::<[u8]>::as_ref(&key.account())));
	rpc::call(&node, "author_insertKey", json!(["towr", "//Tower", public])).await;
	publish(&node.url(), &trade.payee.key, &[trade.item(0, 20)]).await.unwrap();
	trade.close_and_wait(&node).await;
	trade.settled(&node, &[20], &|| node.log_tail(30)).await;
	trade.market.solvent().await;
}
