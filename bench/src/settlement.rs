//! Settlement on a real node, next to transfers: the weight that the chain charges, and the time that
//! making the block takes.
//!
//! Every block has 256 settlements, in batches of one size, or 256 transfers, and nothing else. What an
//! empty block takes is subtracted.

use crate::{
	report::{duration, Report},
	rounds::median,
	Scale,
};
use codec::{Compact, Decode};
use futures::future::join_all;
use serde_json::json;
use sp_crypto_hashing::twox_128;
use std::time::{Duration, Instant};
use stoa_client::{
	chain::{calls, Call, SubmitOptions, Submitted},
	keys::AccountKey,
};
use stoa_primitives::{
	channel::{ChannelId, Item, MAX_BATCH},
	AccountId, Balance,
};
use stoa_tests::{
	market::{claimed, manifest, open_call, Agent, Market, DOLLAR, STOA},
	rpc, Node,
};
use tokio::runtime::Builder;

const SECTION: &str = "Settlement on a node";
/// How many settlements or transfers a block has.
const IN_BLOCK: usize = MAX_BATCH as usize;
/// Sizes of batches.
const SIZES: [usize; 4] = [1, 16, 64, 256];
/// What each settlement pays.
const AMOUNT: Balance = 1_000;
/// How many agents are made, and open their channels, at a time.
const AT_ONCE: usize = 32;
/// How long calls may take until they wait for a block.
const PATIENCE: Duration = Duration::from_secs(30);
/// Calls that a channel is settled after, in the budgets of costs.
const CALLS: f64 = 1_000.0;

/// Measures and reports.
pub fn measure(report: &mut Report, scale: &Scale) {
	let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
	runtime.expect("a runtime can be made").block_on(run(report, scale));
}

async fn run(report: &mut Report, scale: &Scale) {
	let node = Node::start_with(&["--dev", "--sealing", "manual"]);
	let mut trade = Trade::new(&node).await;
	let fees = trade.fees().await;
	let mut transfers = Figures::default();
	let mut batches = SIZES.map(|_| Figures::default());
	// One more of each at first, which is not counted: it makes the accounts.
	for round in 0..=scale.blocks {
		let mut figures = vec![trade.transfers(round).await];
		for size in SIZES {
			figures.push(trade.settlements(size).await);
		}
		if round > 0 {
			for (all, one) in std::iter::once(&mut transfers).chain(&mut batches).zip(figures) {
				all.add(one);
			}
		}
	}
	let transfer = transfers.medians();
	let mut row = |name: String, found: &Block| {
		let weight = duration(found.weight);
		let (charged, time) = (found.weight / transfer.weight, found.seconds / transfer.seconds);
		let note = format!("charged {weight}: {charged:.3} of a transfer's, time {time:.3} of it");
		report.row(SECTION, name, duration(found.seconds), note);
	};
	row("`transfer_keep_alive`, each".into(), &transfer);
	let settled = batches.map(Figures::medians);
	for (size, found) in SIZES.iter().zip(&settled) {
		row(format!("channel settled in `settle_batch` of {size}, each"), found);
	}
	let [.., largest] = settled;
	let name = "channel settled in `settle_batch(256)`, weight charged, × a transfer";
	report.at_most(name, 0.35, largest.weight / transfer.weight);

	let [open, settle, close] = fees;
	let per_call = (open + settle / IN_BLOCK as f64 + close) / CALLS;
	report.row(
		SECTION,
		"fees of a channel: opened, settled among 256, closed",
		format!("${:.6}", per_call * CALLS),
		format!("${per_call:.2e} a call at 1,000 calls"),
	);
	report.at_most(
		"on-chain cost at 1,000 calls per settlement, × $0.25",
		0.01,
		per_call * CALLS / 0.25,
	);
	report.at_most("on-chain cost of a call, $", 1e-6, per_call);
}

/// What each settlement or transfer of a block takes, in seconds.
struct Block {
	/// Charged, with the base weight of its share of a transaction.
	weight: f64,
	/// Of real time.
	seconds: f64,
}

#[derive(Default)]
struct Figures {
	weights: Vec<f64>,
	seconds: Vec<f64>,
}

impl Figures {
	fn add(&mut self, block: Block) {
		self.weights.push(block.weight);
		self.seconds.push(block.seconds);
	}

	fn medians(self) -> Block {
		Block { weight: median(self.weights), seconds: median(self.seconds) }
	}
}

/// 256 payers with a channel each to one payee, and somebody who sends money.
struct Trade<'a> {
	node: &'a Node,
	market: Market,
	payee: AccountKey,
	sender: AccountKey,
	channels: Vec<(Agent, ChannelId)>,
	/// What every channel has paid.
	paid: Balance,
}

impl<'a> Trade<'a> {
	async fn new(node: &'a Node) -> Self {
		with_blocks(node, async {
			let market = Market::new(node).await;
			// Both pay fees natively, so that the two kinds of transactions differ in their calls alone.
			let sender = market.another().await.operator;
			let payee = market.another().await.operator;
			let register = calls::register(payee.account(), None, manifest(), None);
			market.submit(&register, &payee, SubmitOptions::default()).await;
			let mut channels = Vec::new();
			while channels.len() < IN_BLOCK {
				let payers = market.agents(AT_ONCE, DOLLAR, None).await;
				let paid_to = payee.account();
				let opened = payers.iter().map(|payer| market.open(payer, &paid_to, DOLLAR / 2));
				let ids = join_all(opened).await.into_iter().map(|channel| channel.id);
				channels.extend(payers.iter().cloned().zip(ids));
			}
			Self { node, market, payee, sender, channels, paid: 0 }
		})
		.await
	}

	/// What the chain asks for opening a channel, a full batch, and closing a channel, in dollars.
	async fn fees(&mut self) -> [f64; 3] {
		let (payer, id) = &self.channels[0];
		let open = calls::open(open_call(payer, &self.payee.account(), DOLLAR / 2));
		let close = calls::close(*id, None);
		let settle = calls::settle_batch(self.items(AMOUNT));
		let chain = &self.market.chain;
		let mut fees = Vec::new();
		for (call, key) in [(open, &payer.key), (settle, &self.payee), (close, &self.payee)] {
			let fee = chain.quote_fee(&call, key, &SubmitOptions::default()).await;
			// The development chain takes one STOA for one dollar.
			fees.push(fee.expect("the chain says what it asks for") as f64 / STOA as f64);
		}
		fees.try_into().expect("there are three")
	}

	/// Claims of as much on every channel, in the order that a batch needs.
	fn items(&self, cumulative: Balance) -> Vec<Item> {
		let domain = self.market.domain();
		let mut items: Vec<_> = self
			.channels
			.iter()
			.map(|(payer, id)| payer.sign(&domain, *id, cumulative).to_item(Balance::MAX))
			.collect();
		items.sort_unstable_by_key(|item| (item.channel, item.lane));
		items
	}

	async fn transfers(&self, round: usize) -> Block {
		let receiver = |n: usize| {
			let mut account = [0xBE; 32];
			account[..8].copy_from_slice(&(n as u64).to_le_bytes());
			AccountId::new(account)
		};
		// No two transactions are the same, and the money lasts.
		let amount = STOA / 10 + round as Balance;
		let calls: Vec<_> = (0..IN_BLOCK).map(|n| calls::transfer(receiver(n), amount)).collect();
		self.block(&calls, &self.sender).await.0
	}

	async fn settlements(&mut self, size: usize) -> Block {
		self.paid += AMOUNT;
		let items = self.items(self.paid);
		let calls: Vec<_> =
			items.chunks(size).map(|items| calls::settle_batch(items.to_vec())).collect();
		let (block, submitted) = self.block(&calls, &self.payee).await;
		let paid: Vec<_> = submitted.iter().flat_map(claimed).collect();
		assert_eq!(paid.len(), IN_BLOCK, "every channel is settled");
		assert!(paid.iter().all(|(_, amount)| *amount == AMOUNT));
		block
	}

	/// A block of these calls and nothing else.
	async fn block(&self, calls: &[Call], by: &AccountKey) -> (Block, Vec<Submitted>) {
		let (idle, idle_weight) = self.seal().await;
		// The pool follows a moment later, and until then names nonces that are used up.
		tokio::time::sleep(Duration::from_millis(150)).await;
		let chain = self.market.chain.clone();
		let (own, key) = (calls.to_vec(), by.clone());
		let submission =
			tokio::spawn(
				async move { chain.submit_many(&own, &key, SubmitOptions::in_block()).await },
			);
		let start = Instant::now();
		while self.pending().await < calls.len() {
			let waiting = self.pending().await;
			assert!(start.elapsed() < PATIENCE, "{waiting} of {} calls wait", calls.len());
			assert!(!submission.is_finished(), "the calls are refused: {:?}", submission.await);
			tokio::time::sleep(Duration::from_millis(20)).await;
		}
		let (busy, busy_weight) = self.seal().await;
		// Whoever misses the news of one block hears of it with the next.
		let submitted =
			with_blocks(self.node, submission).await.expect("submission does not panic");
		let submitted: Vec<_> =
			submitted.into_iter().map(|outcome| outcome.expect("the call succeeds")).collect();
		assert!(submitted.iter().all(|one| one.block == submitted[0].block), "one block takes all");
		let each = |busy: f64, idle: f64| (busy - idle) / IN_BLOCK as f64;
		let weight = each(busy_weight, idle_weight);
		(Block { weight, seconds: each(busy, idle) }, submitted)
	}

	/// Makes a block: seconds that it took, and that it is charged as.
	async fn seal(&self) -> (f64, f64) {
		let start = Instant::now();
		rpc::make_blocks(self.node, 1).await;
		let seconds = start.elapsed().as_secs_f64();
		let key = [twox_128(b"System"), twox_128(b"BlockWeight")].concat();
		let value =
			rpc::call(self.node, "state_getStorage", json!([format!("0x{}", hex::encode(key))]))
				.await;
		// Classes normal, operational and mandatory, each as time in picoseconds and size of the proof.
		let parts = <[(Compact<u64>, Compact<u64>); 3]>::decode(&mut rpc::bytes(&value).as_slice());
		let picoseconds: u64 =
			parts.expect("the block has a weight").iter().map(|(time, _)| time.0).sum();
		(seconds, picoseconds as f64 / 1e12)
	}

	/// How many transactions wait.
	async fn pending(&self) -> usize {
		let pending = rpc::call(self.node, "author_pendingExtrinsics", json!([])).await;
		pending.as_array().map_or(0, Vec::len)
	}
}

/// Runs `work` while blocks are made all the time.
async fn with_blocks<T>(node: &Node, work: impl std::future::Future<Output = T>) -> T {
	let blocks = async {
		loop {
			tokio::time::sleep(Duration::from_millis(50)).await;
			rpc::make_blocks(node, 1).await;
		}
	};
	tokio::select! {
		done = work => done,
		() = blocks => unreachable!("blocks are made without end"),
	}
}
