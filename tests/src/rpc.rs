//! JSON-RPC over HTTP, without the client library: what any program sees.

use crate::Node;
use serde_json::{json, Value};

/// Calls a method.
///
/// # Errors
///
/// The node's error object.
///
/// # Panics
///
/// When the node does not answer in JSON-RPC.
pub async fn try_call(node: &Node, method: &str, params: Value) -> Result<Value, Value> {
	let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
	let reply = reqwest::Client::new()
		.post(node.http())
		.header("content-type", "application/json")
		.body(body.to_string())
		.send()
		.await
		.expect("the node answers")
		.text()
		.await
		.expect("the answer is text");
	let mut reply: Value = serde_json::from_str(&reply).expect("the answer is JSON");
	match reply.get_mut("error") {
		Some(error) => Err(error.take()),
		None => Ok(reply["result"].take()),
	}
}

/// Calls a method that succeeds.
///
/// # Panics
///
/// When it does not.
pub async fn call(node: &Node, method: &str, params: Value) -> Value {
	try_call(node, method, params).await.unwrap_or_else(|error| panic!("{method} failed: {error}"))
}

/// Makes `count` blocks on a sealed chain, one after the other.
pub async fn make_blocks(node: &Node, count: u32) {
	for _ in 0..count {
		call(node, "engine_createBlock", json!([true, true])).await;
	}
}

/// Bytes in hex with `0x`.
///
/// # Panics
///
/// When they are not.
pub fn bytes(value: &Value) -> Vec<u8> {
	let text = value.as_str().expect("hex is a string");
	hex::decode(text.trim_start_matches("0x")).expect("hex has hex digits")
}
