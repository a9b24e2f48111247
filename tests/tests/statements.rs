//! The statement store of real nodes: who may keep what in it, and how it travels.

use codec::Encode;
use serde_json::{json, Value};
use sp_core::{sr25519, Pair};
use sp_statement_store::Statement;
use std::{
	sync::LazyLock,
	time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use stoa_client::{
	chain::{calls, SubmitOptions},
	keys::{AccountKey, Scheme},
};
use stoa_primitives::{
	channel::{Item, Proof},
	keys::KeySignature,
	statement::{MAX_STATEMENTS, MAX_STATEMENT_BYTES},
	AssetId,
};
use stoa_tests::{market::Market, rpc, Node};
use stoa_tower::{
	service::{fetch_published, publish},
	List,
};

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

/// An account whose key also signs statements.
struct Signer {
	pair: sr25519::Pair,
	key: AccountKey,
}

impl Signer {
	fn new() -> Self {
		let (pair, seed) = sr25519::Pair::generate();
		let uri = format!("0x{}", hex::encode(seed));
		Self { pair, key: AccountKey::from_uri(&uri, Scheme::Sr25519).unwrap() }
	}

	/// An agent of a new operator.
	async fn registered(node: &Node) -> (Self, Market) {
		let (signer, market) = (Self::new(), Market::new(node).await);
		let call = market.registration(&signer.key, None).await;
		market.submit(&call, &market.operator, SubmitOptions::default()).await;
		(signer, market)
	}

	fn statement(&self, data: Vec<u8>, sequence: u32) -> Statement {
		let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
		let mut statement = Statement::new();
		statement.set_expiry_from_parts(
			u32::try_from(now.as_secs()).unwrap() / 3_600 * 3_600 + 7_200,
			sequence,
		);
		statement.set_topic(0, [7; 32].into());
		statement.set_plain_data(data);
		statement.sign_sr25519_private(&self.pair);
		statement
	}
}

async fn submit(node: &Node, statement: &Statement) -> Value {
	let hex = format!("0x{}", hex::encode(statement.encode()));
	rpc::call(node, "statement_submit", json!([hex])).await
}

fn rejected(reason: &str) -> Value {
	json!({ "status": "rejected", "reason": reason })
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_should_keep_statements_until_they_retire_and_strangers_none() {
	let stranger = Signer::new();
	let refused = submit(&NODE, &stranger.statement(vec![1], 0)).await;
	assert_eq!(refused, rejected("noAllowance"));

	let (agent, market) = Signer::registered(&NODE).await;
	let statement = agent.statement(vec![1], 0);
	assert_eq!(submit(&NODE, &statement).await, json!({ "status": "new" }));
	assert_eq!(submit(&NODE, &statement).await, json!({ "status": "known" }));

	let retire = calls::retire(agent.key.account());
	market.submit(&retire, &market.operator, SubmitOptions::default()).await;
	let refused = submit(&NODE, &agent.statement(vec![2], 1)).await;
	assert_eq!(refused, rejected("noAllowance"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_without_a_right_signature_should_be_refused() {
	let (agent, _) = Signer::registered(&NODE).await;
	let mut statement = agent.statement(vec![1], 0);
	statement.set_plain_data(vec![2]);
	let invalid = json!({ "status": "invalid", "reason": "badProof" });
	assert_eq!(submit(&NODE, &statement).await, invalid);
	statement.remove_proof();
	let invalid = json!({ "status": "invalid", "reason": "noProof" });
	assert_eq!(submit(&NODE, &statement).await, invalid);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_should_bound_bytes_and_number() {
	let (agent, _) = Signer::registered(&NODE).await;
	let most = MAX_STATEMENT_BYTES as usize;
	let too_large = submit(&NODE, &agent.statement(vec![0; most + 1], 1)).await;
	assert_eq!(too_large["reason"], "dataTooLarge", "{too_large}");
	assert_eq!(submit(&NODE, &agent.statement(vec![0; most], 1)).await["status"], "new");
	// A later one takes its place, as there is no room for both.
	for n in 0..MAX_STATEMENTS {
		let statement = agent.statement(n.to_le_bytes().to_vec(), 3);
		assert_eq!(submit(&NODE, &statement).await["status"], "new", "{n}");
	}
	let one_more = submit(&NODE, &agent.statement(vec![1], 2)).await;
	assert_eq!(one_more["reason"], "accountFull", "{one_more}");
}

/// Proofs of one channel, as large as they get.
fn proofs(channel: u8, count: u32) -> Vec<Item> {
	let signature = KeySignature::Ecdsa([3; 65]);
	let proof = Proof::Voucher { cumulative: u128::MAX, valid_until: 1, signature };
	let capture = Some(u128::MAX);
	(0..count).map(|lane| Item { channel: [channel; 32], lane, capture, proof }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn payees_of_one_account_should_leave_each_others_backups_alone() {
	let (agent, _) = Signer::registered(&NODE).await;
	let (url, key, account) = (NODE.url(), &agent.key, agent.key.account());
	let (one, other) = (List::of(&AssetId::WithId(1)), List::of(&AssetId::WithId(2)));
	let kept = || async {
		let all = fetch_published(&NODE.url(), &account).await.unwrap();
		let of = |channel| all.iter().filter(|item| item.channel == [channel; 32]).count();
		(of(1), of(2))
	};
	// Alone, a list has all the room there is for backups.
	let alone = publish(&url, key, one, &proofs(1, 3_000)).await.unwrap();
	assert!(alone.items > 1_000 && alone.left_out > 0, "{alone:?}");
	assert_eq!(kept().await, (alone.items, 0));
	// The second one takes its half, and the first gives way when it is published the next time.
	let second = publish(&url, key, other, &proofs(2, 3_000)).await.unwrap();
	assert!((alone.items / 2 - 1..=alone.items / 2).contains(&second.items), "{second:?}");
	let first = publish(&url, key, one, &proofs(1, 3_000)).await.unwrap();
	assert_eq!(first.items, second.items);
	assert_eq!(kept().await, (first.items, second.items));
	// Shorter lists leave nothing of longer ones.
	publish(&url, key, one, &proofs(1, 10)).await.unwrap();
	assert_eq!(kept().await, (10, second.items));
	publish(&url, key, other, &[]).await.unwrap();
	assert_eq!(kept().await, (10, 0));
}

/// A statement that a node has, by its subscription.
async fn wait_for(node: &Node, statement: &Statement, limit: Duration) -> bool {
	let hex = format!("0x{}", hex::encode(statement.encode()));
	let rpc = subxt::rpcs::client::RpcClient::from_insecure_url(node.url()).await.unwrap();
	let filter = json!({ "matchAll": [format!("0x{}", hex::encode([7; 32]))] });
	let params = subxt::rpcs::client::rpc_params![filter];
	let (subscribe, unsubscribe) =
		("statement_subscribeStatement", "statement_unsubscribeStatement");
	let mut events = rpc.subscribe::<Value>(subscribe, params, unsubscribe).await.unwrap();
	let found = async {
		while let Some(event) = events.next().await {
			let event = event.unwrap();
			let statements = event["data"]["statements"].as_array().unwrap().clone();
			if statements.contains(&json!(hex)) {
				return;
			}
		}
	};
	tokio::time::timeout(limit, found).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_should_reach_other_nodes() {
	let author = Node::start_with(&["--dev"]);
	let addresses = rpc::call(&author, "system_localListenAddresses", json!([])).await;
	let address = addresses
		.as_array()
		.and_then(|all| all.iter().filter_map(Value::as_str).find(|it| it.contains("/127.0.0.1/")))
		.expect("the node listens on this machine")
		.to_owned();
	let other = Node::start_with(&["--chain", "dev", "--bootnodes", &address]);

	let (agent, _) = Signer::registered(&author).await;
	// The other node has to have the block in which the agent got its quota.
	let registered = rpc::call(&author, "chain_getHeader", json!([])).await["number"].clone();
	let deadline = Instant::now() + Duration::from_secs(60);
	let number = |header: &Value| {
		u32::from_str_radix(header.as_str().unwrap().trim_start_matches("0x"), 16).unwrap()
	};
	loop {
		let header = rpc::call(&other, "chain_getHeader", json!([])).await;
		if number(&header["number"]) >= number(&registered) {
			break;
		}
		assert!(Instant::now() < deadline, "the other node has not caught up");
		tokio::time::sleep(Duration::from_millis(200)).await;
	}
	let statement = agent.statement(vec![1], 0);
	assert_eq!(submit(&author, &statement).await["status"], "new");
	assert!(wait_for(&other, &statement, Duration::from_secs(30)).await, "it did not arrive");
}
