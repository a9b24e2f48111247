//! From the start of a node to its first block, in time.
//!
//! A test program of its own: cargo runs one program after the other, so that nothing else of the tests
//! takes processor time from the node.

use serde_json::{json, Value};
use std::time::Duration;
use stoa_client::chain::At;
use stoa_tests::{market::connect, rpc, Node};

/// What the design allows, on two cores. The slot that is running when the node is ready takes up to
/// two seconds of it.
const FIRST_BLOCK: Duration = Duration::from_secs(5);

/// How long the second block and its finality may take.
const FINALITY: Duration = Duration::from_secs(20);

/// The number in a header.
fn number(header: &Value) -> u64 {
	let text = header["number"].as_str().expect("a header has a number");
	u64::from_str_radix(text.trim_start_matches("0x"), 16).expect("it is hex")
}

#[tokio::test(flavor = "multi_thread")]
async fn development_chain_should_finalise_blocks_and_end_cleanly_when_not_sealed() {
	let mut node = Node::start_with(&["--dev", "--prometheus-port", "0"]);
	let started = node.started();
	let answers = started.elapsed();
	while number(&rpc::call(&node, "chain_getHeader", json!([])).await) == 0 {
		assert!(started.elapsed() < FIRST_BLOCK, "no block:\n{}", node.log_tail(30));
		tokio::time::sleep(Duration::from_millis(20)).await;
	}
	let first = started.elapsed();
	println!("RPC after {answers:?}, first block after {first:?}");
	assert!(first < FIRST_BLOCK);

	let chain = connect(&node).await;
	let head = tokio::time::timeout(FINALITY, chain.wait_for_block(2, true)).await;
	let head = head.expect("GRANDPA finalises").unwrap();
	assert!(chain.block(At::Best).await.unwrap().number >= head.number);
	let finalized = rpc::call(&node, "chain_getFinalizedHead", json!([])).await;
	let header = rpc::call(&node, "chain_getHeader", json!([finalized])).await;
	let digest = header["digest"]["logs"].to_string();
	// `BABE` in a pre-runtime digest and in a seal.
	assert!(digest.contains("\"0x0642414245") && digest.contains("\"0x0542414245"), "{digest}");

	let found = node.process().wait_for(Duration::from_secs(10), |line| {
		line.split("Prometheus exporter started at ").nth(1).map(|at| at.trim().to_owned())
	});
	let metrics = format!("http://{}/metrics", found.expect("the endpoint is named in the log"));
	let metrics = reqwest::get(metrics).await.unwrap();
	assert_eq!(metrics.status(), 200);
	let text = metrics.text().await.unwrap();
	let best =
		text.lines().find(|line| line.contains("block_height{") && line.contains("\"best\""));
	let height = best.and_then(|line| line.split(' ').next_back()?.parse::<u64>().ok());
	assert!(height.is_some_and(|height| height > 0), "{best:?}");
	node.end_cleanly();
}
