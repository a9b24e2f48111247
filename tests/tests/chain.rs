//! The chain itself: blocks, finality, and what a node serves.

use codec::{Decode, Encode};
use futures::future::join_all;
use serde_json::{json, Value};
use sp_core::crypto::AccountId32;
use std::{sync::LazyLock, time::Duration};
use stoa_client::chain::{calls, At, ChainError, MarketEvent, SubmitOptions};
use stoa_tests::{
	market::{connect, key, Market, DOLLAR, DUSD, STOA},
	rpc, Node,
};
use subxt::Metadata;

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

#[tokio::test(flavor = "multi_thread")]
async fn development_chain_should_finalise_a_block_for_each_transaction_when_sealing_is_instant() {
	let node = Node::start();
	let chain = connect(&node).await;
	assert_eq!(chain.block(At::Best).await.unwrap().number, 0);
	let bob = key("//Bob").account();
	for n in 1..=3 {
		let call = calls::transfer(bob.clone(), STOA);
		let submitted =
			chain.submit(&call, &key("//Alice"), SubmitOptions::default()).await.unwrap();
		assert_eq!(submitted.block.number, n);
		assert_eq!(chain.block(At::Finalized).await.unwrap(), submitted.block);
		assert_eq!(chain.block(At::Best).await.unwrap(), submitted.block);
	}
	assert_eq!(chain.native_balance(&bob, At::Finalized).await.unwrap().free, 1_000_003 * STOA);
	// Without transactions it makes none.
	tokio::time::sleep(Duration::from_millis(500)).await;
	assert_eq!(chain.block(At::Best).await.unwrap().number, 3);
	node.end_cleanly();
}

#[tokio::test(flavor = "multi_thread")]
async fn local_chain_should_have_no_sudo_when_started_from_its_preset() {
	let node = Node::start_with(&[
		"--chain",
		"local",
		"--alice",
		// A node that keeps everything serves the archive methods as well.
		"--state-pruning",
		"archive",
		"--blocks-pruning",
		"archive",
		FORCE,
		// The other validator is away, and nobody else is there.
		"--force-authoring",
	]);
	let methods = rpc::call(&node, "rpc_methods", json!([])).await["methods"].to_string();
	for method in
		["body", "call", "finalizedHeight", "genesisHash", "hashByHeight", "header", "storage"]
	{
		assert!(methods.contains(&format!("\"archive_v1_{method}\"")), "{method}: {methods}");
	}
	assert_eq!(rpc::call(&node, "system_chain", json!([])).await, "Stoa Local Testnet");
	let key_of = |pallet: &str, item: &str| {
		let hash = |text: &str| sp_crypto_hashing::twox_128(text.as_bytes());
		format!("0x{}", hex::encode([hash(pallet), hash(item)].concat()))
	};
	let storage = |pallet: &'static str, item: &'static str| {
		rpc::call(&node, "state_getStorage", json!([key_of(pallet, item)]))
	};
	assert_eq!(storage("Sudo", "Key").await, Value::Null);
	let validators = rpc::bytes(&storage("Session", "Validators").await);
	let validators = Vec::<AccountId32>::decode(&mut validators.as_slice()).unwrap();
	assert_eq!(validators, [key("//Alice").account(), key("//Bob").account()]);

	// Two validators finalise nothing while one of them is away, but blocks are made.
	let chain = connect(&node).await;
	let call = calls::sudo(calls::remark(vec![1]));
	let outcome = chain.submit(&call, &key("//Alice"), SubmitOptions::in_block()).await;
	assert!(
		matches!(&outcome, Err(ChainError::Dispatch(failure)) if failure.name == "RequireSudo"),
		"{outcome:?}"
	);
	let coins = chain.asset_balance(&key("//Ferdie").account(), 1, At::Best).await.unwrap();
	assert_eq!(coins, 1_000_000 * DOLLAR);
}

#[tokio::test(flavor = "multi_thread")]
async fn development_chain_should_have_sudo_when_started_from_its_preset() {
	let market = Market::new(&NODE).await;
	let _bank = stoa_tests::market::BANK.lock().await;
	let call = calls::sudo(calls::remark(vec![1]));
	let submitted = market.submit(&call, &key("//Alice"), SubmitOptions::default()).await;
	let is_sudid = |event: &MarketEvent| matches!(event, MarketEvent::Other { pallet, name } if pallet == "Sudo" && name == "Sudid");
	assert!(submitted.events.iter().any(is_sudid), "{submitted:?}");
	market.refused(&call, &market.operator, SubmitOptions::default(), "Sudo", "RequireSudo").await;
}

/// A validator's network key must last; these do not.
#[tokio::test(flavor = "multi_thread")]
async fn every_transaction_should_get_a_block_when_many_arrive_at_once() {
	let node = Node::start();
	let chain = connect(&node).await;
	let eve = key("//Eve").account();
	let senders = ["//Alice", "//Bob", "//Charlie", "//Dave"].map(|name| {
		let (chain, call) = (chain.clone(), calls::transfer(eve.clone(), STOA));
		async move {
			for _ in 0..10 {
				chain.submit(&call, &key(name), SubmitOptions::default()).await.unwrap();
			}
		}
	});
	let all = tokio::time::timeout(Duration::from_secs(60), join_all(senders)).await;
	assert!(all.is_ok(), "a transaction was left in the pool:\n{}", node.log_tail(30));
	assert_eq!(chain.native_balance(&eve, At::Finalized).await.unwrap().free, 1_000_040 * STOA);
}

const FORCE: &str = "--unsafe-force-node-key-generation";

#[test]
fn node_should_refuse_with_one_clear_line_when_arguments_make_no_sense() {
	let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
	let port = taken.local_addr().unwrap().port().to_string();
	for (args, says) in [
		(&["--dev", "--rpc-port", &port][..], "--rpc-port"),
		(&["--dev", "--prometheus-port", &port], "--prometheus-port"),
		(
			&["--chain", "local", "--alice", FORCE, "--sealing", "instant"],
			"development chains only",
		),
		(&["--chain", "local", "--alice", FORCE, "--sealing", "manual"], "--sealing manual"),
		(&["--chain", "atlantis"], "`atlantis`"),
	] {
		let (code, lines) = Node::refuse(args);
		assert_eq!(code, 1, "{args:?}: {lines:?}");
		let errors: Vec<_> = lines.iter().filter(|line| line.starts_with("stoa-node: ")).collect();
		assert_eq!(errors.len(), 1, "{args:?}: {lines:?}");
		assert!(errors[0].contains(says), "{args:?}: {lines:?}");
		assert!(!lines.iter().any(|line| line.contains("panicked")), "{args:?}: {lines:?}");
	}
	let (code, lines) = Node::refuse(&["--dev", "--sealing", "sometimes"]);
	assert!(code != 0 && lines.iter().any(|line| line.contains("interval-ms=N")), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rpc_should_have_the_methods_of_the_specification_and_of_wallets_when_asked() {
	let methods = rpc::call(&NODE, "rpc_methods", json!([])).await;
	let methods: Vec<_> = methods["methods"].as_array().unwrap().iter().collect();
	for method in [
		"chainHead_v1_body",
		"chainHead_v1_call",
		"chainHead_v1_continue",
		"chainHead_v1_follow",
		"chainHead_v1_header",
		"chainHead_v1_stopOperation",
		"chainHead_v1_storage",
		"chainHead_v1_unfollow",
		"chainHead_v1_unpin",
		"chainSpec_v1_chainName",
		"chainSpec_v1_genesisHash",
		"chainSpec_v1_properties",
		"transactionWatch_v1_submitAndWatch",
		"transaction_v1_broadcast",
		"transaction_v1_stop",
		"system_accountNextIndex",
		"system_dryRun",
		"system_health",
		"payment_queryInfo",
		"payment_queryFeeDetails",
		"author_submitExtrinsic",
		"chain_getFinalizedHead",
		"state_call",
		"state_getMetadata",
	] {
		assert!(methods.iter().any(|found| *found == method), "{method} is missing");
	}
	assert_eq!(rpc::call(&NODE, "chainSpec_v1_chainName", json!([])).await, "Stoa Development");
	let properties = rpc::call(&NODE, "chainSpec_v1_properties", json!([])).await;
	let expected = json!({ "tokenSymbol": "STOA", "tokenDecimals": 12, "ss58Format": 42 });
	assert_eq!(properties, expected);
	let genesis = rpc::call(&NODE, "chain_getBlockHash", json!([0])).await;
	assert_eq!(rpc::call(&NODE, "chainSpec_v1_genesisHash", json!([])).await, genesis);
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_should_be_what_was_quoted_when_a_call_is_paid_natively() {
	let market = Market::new(&NODE).await;
	let call = calls::deposit(DUSD, DOLLAR, market.operator.account());
	let options = SubmitOptions::default();
	let quote = market.chain.quote_fee(&call, &market.operator, &options).await.unwrap();
	let submitted = market.submit(&call, &market.operator, options).await;
	let paid = submitted.fee.unwrap().amount;
	// The weight that was not used is given back.
	assert!(paid > 0 && paid <= quote, "{paid} of {quote}");
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_should_have_version_16_with_view_functions_when_asked_for() {
	let versions =
		rpc::call(&NODE, "state_call", json!(["Metadata_metadata_versions", "0x"])).await;
	let versions = Vec::<u32>::decode(&mut rpc::bytes(&versions).as_slice()).unwrap();
	assert!(versions.contains(&16), "{versions:?}");
	let argument = format!("0x{}", hex::encode(16u32.encode()));
	let call = json!(["Metadata_metadata_at_version", argument]);
	let bytes = rpc::bytes(&rpc::call(&NODE, "state_call", call).await);
	let bytes = Option::<Vec<u8>>::decode(&mut bytes.as_slice()).unwrap().unwrap();
	assert_eq!(&bytes[..5], b"meta\x10");
	let metadata = Metadata::decode_from(&bytes).unwrap();
	for (pallet, view) in [
		("Agents", "agent"),
		("Credits", "balance"),
		("Credits", "accepted_assets"),
		("FeeSplit", "schedule"),
		("Referrals", "referrer_of"),
		("Channels", "channel"),
		("Channels", "channel_id_of"),
		("Channels", "deadlines"),
		("Channels", "next_nonce"),
	] {
		let pallet = metadata.pallet_by_name(pallet).unwrap();
		let views: Vec<_> = pallet.view_functions().map(|view| view.name().to_owned()).collect();
		assert!(views.iter().any(|name| name == view), "{}.{view}: {views:?}", pallet.name());
	}
	for pallet in ["Agents", "Credits", "FeeSplit", "Referrals", "Channels"] {
		let pallet = metadata.pallet_by_name(pallet).unwrap();
		for variant in pallet.error_variants().unwrap_or_default() {
			assert!(!variant.docs.is_empty(), "{}.{}", pallet.name(), variant.name);
		}
	}
}
