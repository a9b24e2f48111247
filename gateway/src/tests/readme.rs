//! The examples of the README are what is sent.

use super::*;
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine};
use serde_json::Value;
use stoa_client::{
	agreement::{OpenTerms, SignedConsent, SignedOpen},
	chain::to_hex,
	payment::{
		ChannelStatus, ConsentPayload, LaneStatus, OpenPayload, OpenStatus, ServiceTerms,
		TickPayload,
	},
	ticks::{SignedCommit, SignedTicks, TickChain},
};
use stoa_primitives::payload::{CloseConsent, TickCommit};

const README: &str = include_str!("../../README.md");

/// Ed25519 signs the same in the same way each time.
fn account(uri: &str) -> AccountKey {
	AccountKey::from_uri(uri, Scheme::Ed25519).unwrap()
}

fn request() -> PaymentRequest {
	PaymentRequest {
		amount: 250,
		asset: ASSET,
		genesis: GENESIS,
		payee: account("//Payee").account(),
		suggested_deposit: 250_000,
		min_grace: 450,
		tick_value: Some(250),
		open_minimum: Some(100_000),
	}
}

/// The second tick of a commitment after two vouchers.
fn ticks() -> SignedTicks {
	let chain = TickChain::new([3; 16], [4; 32], 1_024);
	let commit = TickCommit {
		channel: CHANNEL,
		lane: 0,
		base: 500,
		value: 250,
		count: 1_024,
		prefix: chain.prefix(),
		root: chain.root(),
		valid_until: 0,
	};
	let signed = SignedCommit::sign(commit, &voucher_key(), &Domain::channels(GENESIS));
	SignedTicks { signed, index: 2, tick: chain.tick(2).unwrap() }
}

fn json(value: &impl serde::Serialize) -> Value {
	serde_json::to_value(value).unwrap()
}

/// What a header holds.
fn unwrapped(header: &str) -> Value {
	let text = header.rsplit(' ').next().unwrap();
	serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn examples() -> Vec<(&'static str, Value)> {
	let domain = Domain::channels(GENESIS);
	let challenge = Challenge::issue(&[7; 32], "stoa", &request(), 1_900_000_000, &[1; 16]);
	let consent = CloseConsent { channel: CHANNEL, total: 1_000, expires: 12_150 };
	let consent = SignedConsent::sign(consent, &account("//Payee"), &domain);
	let open = OpenTerms {
		payee: request().payee,
		asset: ASSET,
		deposit: 500_000,
		key: voucher_key().key(),
		grace: DEFAULT_GRACE,
		nonce: 0,
		expires: 12_300,
	};
	let open = SignedOpen::sign(open, &account("//Payer"), &domain);
	let lanes = vec![LaneStatus::new(&ticks().into(), 1_000, 4)];
	let status = ChannelStatus { channel_id: to_hex(CHANNEL), lanes };
	let proof = ChannelProof::sign(CHANNEL, 1_800_000_000, &voucher_key(), &domain);
	let full = TickPayload::full(&ticks());
	let opened = OpenStatus::new(open.channel(&domain), true);
	vec![
		("terms", json(&ServiceTerms::new("stoa", &request()))),
		("request", unwrapped(&request().encode())),
		("credential", unwrapped(&Credential::new(challenge, sign(500)).to_header())),
		("tick", json(&full)),
		("proof", unwrapped(&proof.to_header())),
		("used", json(&Problem::used(sign(500)))),
		("status", json(&status)),
		("consent", json(&ConsentPayload::new(&consent))),
		("open", json(&OpenPayload::new(&open, GENESIS))),
		("opened", json(&opened)),
	]
}

/// The JSON that the README has under a name.
fn shown(name: &str) -> Option<Value> {
	let (_, rest) = README.split_once(&format!("<!-- example: {name} -->\n```json\n"))?;
	let (text, _) = rest.split_once("```")?;
	Some(serde_json::from_str(text).unwrap())
}

/// What the README has to say where it says something else.
fn differs(name: &str, sent: &Value) -> Option<String> {
	let expected = serde_json::to_string_pretty(sent).unwrap();
	(shown(name).as_ref() != Some(sent))
		.then(|| format!("<!-- example: {name} -->\n```json\n{expected}\n```\n"))
}

#[test]
fn examples_should_be_what_is_sent() {
	let wrong: String = examples().iter().filter_map(|(name, sent)| differs(name, sent)).collect();
	assert!(wrong.is_empty(), "the README should say:\n{wrong}");
}

#[tokio::test]
async fn commands_should_answer_as_the_readme_says() {
	let world = World::new(1_000).await;
	let client = world.client().await;
	let router = || world.gateway.operator_router();
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let address = listener.local_addr().unwrap();
	let service = router().into_make_service_with_connect_info::<SocketAddr>();
	tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
	let command = |path: String| async move {
		let url = format!("http://{address}{path}");
		let request = reqwest::Client::new().post(url).header("stoa-operator", "1");
		let text = request.send().await.unwrap().text().await.unwrap();
		serde_json::from_str::<Value>(&text).unwrap()
	};
	client.get(&world.url("/")).await.unwrap();
	let settled = differs("settled", &command("/settle".into()).await);
	client.get(&world.url("/")).await.unwrap();
	let closed = command(format!("/channel/{}/close", to_hex(CHANNEL))).await;
	let wrong: String = settled.into_iter().chain(differs("closed", &closed)).collect();
	assert!(wrong.is_empty(), "the README should say:\n{wrong}");
	// Every route of the README is there.
	for route in ["GET /.well-known/stoa/channel/{id}", "POST /.well-known/stoa/channel/{id}/close"]
	{
		assert!(README.contains(route), "{route}");
	}
}
