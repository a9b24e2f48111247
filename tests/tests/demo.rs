//! The main job, as a user starts it.

use serde_json::Value;
use std::time::Duration;
use stoa_tests::{command::Stoa, Node};

/// The units of an amount.
fn units(value: &Value) -> u128 {
	value["units"].as_str().expect("an amount has units").parse().expect("units are a number")
}

/// Checks the figures of a demo with `calls` calls at 100 units.
fn check(demo: &Value, calls: u128) {
	assert_eq!(demo["passed"], true, "{demo:#}");
	let checks = demo["checks"].as_array().expect("checks are a list");
	assert!(checks.len() > 10 && checks.iter().all(|check| check["passed"] == true), "{demo:#}");
	assert_eq!((demo["calls"].as_u64(), demo["errors"].as_u64()), (Some(calls as u64), Some(0)));
	assert_eq!(units(&demo["price"]), 100);
	let settled = &demo["settled"];
	let gross = 100 * calls;
	assert_eq!(units(&settled["gross"]), gross);
	assert_eq!(units(&settled["provider"]), gross * 85 / 100);
	assert_eq!(units(&settled["platform"]), gross * 10 / 100);
	assert_eq!(units(&settled["referral"]), gross * 5 / 100);
	let parts = units(&settled["rewards"]) + units(&settled["growth_pool"]);
	assert_eq!(parts, units(&settled["referral"]));
	assert!(demo["cost"]["per_call_dollars"].is_string(), "{demo:#}");
}

#[test]
fn demo_should_balance_to_the_unit_when_played_twice_on_one_chain() {
	let node = Node::start();
	let stoa = Stoa::new(node.url());
	for _ in 0..2 {
		check(&stoa.json(&["demo", "--calls", "20"]), 60);
	}
	// For people it is the same, in words.
	let output = stoa.run(&["demo", "--calls", "2", "--consumers", "1"]);
	let text = String::from_utf8(output.stdout).unwrap();
	assert!(output.status.success() && text.contains("85 %") && !text.contains('✗'), "{text}");
}

#[test]
fn demo_should_balance_to_the_unit_when_blocks_come_from_babe_and_grandpa() {
	let node = Node::start_with(&["--dev"]);
	check(&Stoa::new(node.url()).json(&["demo", "--calls", "4", "--consumers", "2"]), 8);
}

#[test]
fn agents_should_procure_what_they_need_without_a_human() {
	let node = Node::start();
	let stoa = Stoa::new(node.url());
	for _ in 0..2 {
		let demo = stoa.json(&["demo", "--scenario", "procurement"]);
		assert_eq!(demo["passed"], true, "{demo:#}");
		let checks = demo["checks"].as_array().expect("checks are a list");
		assert!(checks.len() > 20, "{demo:#}");
		let (price, shares) = (units(&demo["price"]), &demo["shares"]);
		assert_eq!(units(&shares["provider"]), price * 85 / 100);
		assert_eq!(units(&shares["platform"]), price * 10 / 100);
		let talks = demo["negotiations"].as_array().expect("negotiations are a list");
		let agreed: Vec<_> = talks.iter().filter(|talk| talk["agreed"] == true).collect();
		assert_eq!((talks.len(), agreed.len()), (3, 1), "{demo:#}");
		let said: Vec<_> =
			agreed[0]["messages"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
		for word in ["REQUEST", "OFFER", "COUNTER", "ESCALATE", "ACCEPT"] {
			assert!(said.iter().any(|line| line.contains(word)), "{word}: {said:?}");
		}
		// More than the agent may lock alone: its operator was asked right before it made that offer, or took it.
		assert!(price > units(&demo["threshold"]), "{demo:#}");
		let by_buyer = |line: &&str| line.contains(" buyer: ");
		let binds = |line: &&str| ["OFFER", "COUNTER", "ACCEPT"].iter().any(|it| line.contains(it));
		let last = said.iter().rposition(|line| by_buyer(line) && binds(line)).unwrap();
		let before = said[last - 1];
		assert!(
			by_buyer(&before) && before.to_lowercase().contains("escalate approval"),
			"{said:?}"
		);
	}
}

#[test]
fn demo_should_say_so_when_the_chain_does_not_finalise() {
	let node = Node::start_with(&["--dev", "--no-grandpa"]);
	let stoa = Stoa::new(node.url());
	// Until there is a block, nothing is behind.
	while stoa.json(&["balances", "//Alice"])["block"].as_u64() == Some(0) {
		std::thread::sleep(Duration::from_millis(500));
	}
	let output = stoa.run(&["demo", "--calls", "1"]);
	let text = String::from_utf8(output.stderr).unwrap();
	assert_eq!(output.status.code(), Some(1), "{text}");
	assert!(text.contains("error: the chain finalises nothing"), "{text}");
}
