//! What a payer and a payee type beyond the first payment: lanes, caps, keys, agreements, recovery.

use super::{text, units};
use serde_json::Value;
use std::{fs, sync::LazyLock};
use stoa_client::{
	chain::OpenChannel,
	keys::{parse_account, AccountKey, Scheme, VoucherKey},
};
use stoa_primitives::channel::MIN_GRACE;
use stoa_tests::{
	command::Stoa,
	market::{connect, from_credits, DUSD},
	process::Process,
	rpc,
	service::Service,
	Node,
};
use tokio::sync::RwLock;

static CHAIN: LazyLock<Node> = LazyLock::new(Node::start);

/// Whoever makes time pass on the chain has it for itself: agreements of others would expire.
static TIME: RwLock<()> = RwLock::const_new(());

const PRICE: u128 = 10_000;

/// A seller that cannot pay for settlements yet, and a buyer with a dollar.
struct Shop {
	stoa: Stoa,
	operator: &'static str,
	buyer: AccountKey,
	service: Service,
}

impl Shop {
	async fn new(operator: &'static str) -> Self {
		let stoa = Stoa::new(CHAIN.url());
		let mut mnemonic = String::new();
		for name in ["seller", "buyer"] {
			let made = stoa.json(&["keys", "new", name]);
			mnemonic = text(&made, "mnemonic").into();
			stoa.json(&["--key", operator, "agent", "register", name]);
		}
		stoa.json(&["--key", operator, "deposit", "1", "--for", "buyer"]);
		let buyer = AccountKey::from_uri(&mnemonic, Scheme::Sr25519).unwrap();
		Self { stoa, operator, buyer, service: Service::start().await }
	}

	/// Starts a gateway that sells for [`PRICE`]; returns the address of what is sold.
	fn serve(&self, more: &[&str]) -> (Process, String) {
		let upstream = self.service.url();
		let args = ["--key", "seller", "--upstream", &upstream, "--price", "0.01"];
		self.stoa.serve(&[&args[..], more].concat())
	}

	/// What can be paid out of credits from now on.
	fn fund_seller(&self) {
		self.stoa.json(&["--key", self.operator, "deposit", "0.1", "--for", "seller"]);
	}

	fn buyer(&self, args: &[&str]) -> Value {
		self.stoa.json(&[&["--key", "buyer"], args].concat())
	}

	fn seller(&self, args: &[&str]) -> Value {
		self.stoa.json(&[&["--key", "seller"], args].concat())
	}

	fn buyer_fails(&self, args: &[&str]) -> String {
		self.stoa.fail(&[&["--key", "buyer"], args].concat())
	}

	/// A call that is paid for.
	fn call(&self, url: &str, more: &[&str]) -> Value {
		let answer = self.buyer(&[&["call", url, "--max-price", "0.01"], more].concat());
		assert_eq!(units(&answer, "paid"), PRICE, "{answer}");
		answer
	}

	/// The channels of the buyer.
	fn channels(&self) -> Vec<Value> {
		self.stoa.json(&["channel", "list", "buyer"])["channels"].as_array().unwrap().clone()
	}

	/// Removes what the buyer knows of its channels and of its keys, its mnemonic aside.
	fn lose(&self) {
		let home = self.stoa.home();
		let chain = fs::read_dir(home.join("stores")).unwrap().next().unwrap().unwrap().path();
		let mut lost = 0;
		for dir in [chain, home.join("keys")] {
			for path in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
				let name = path.to_str().unwrap();
				if [".payer.redb", ".sellers.json", ".voucher"]
					.iter()
					.any(|end| name.ends_with(end))
				{
					fs::remove_file(&path).unwrap();
					lost += 1;
				}
			}
		}
		assert_eq!(lost, 3);
	}
}

/// What each lane has paid.
fn lanes(channel: &Value) -> Vec<u128> {
	let lanes = channel["lanes"].as_array().unwrap();
	lanes.iter().map(|lane| units(lane, "settled")).collect()
}

/// How much is free for its account to spend.
fn credits(shop: &Shop, name: &str) -> u128 {
	units(&shop.stoa.json(&["balances", name]), "credits")
}

/// A fee, which a free settlement does not have.
fn fee(value: &Value) -> u128 {
	match value["fee"].is_null() {
		true => 0,
		false => units(value, "fee"),
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_close_should_name_what_is_lost_and_give_up_nothing_else() {
	let _time = TIME.write().await;
	let shop = Shop::new("//Bob").await;
	let open = ["channel", "open", "seller", "0.2", "--grace", "15m", "--lanes", "3"];
	let opened = shop.buyer(&open);
	assert_eq!(opened["lanes"].as_array().map(Vec::len), Some(3));
	let id = text(&opened, "channel");
	let (mut gateway, url) = shop.serve(&[]);
	shop.call(&url, &[]);
	// The payee cannot settle the lane in time, since it can pay no fee.
	let revoked = shop.buyer(&["channel", "revoke-lane", id, "0"]);
	assert_eq!(revoked["from"]["blocks_left"], MIN_GRACE);
	assert_eq!(revoked["changes"]["revoked"][0]["lane"], 0);
	shop.call(&url, &[]);
	rpc::make_blocks(&CHAIN, MIN_GRACE / 2).await;
	// Still to be claimed, when the first is not any more.
	shop.buyer(&["channel", "revoke-lane", id, "1"]);
	shop.call(&url, &[]);
	gateway.kill();
	rpc::make_blocks(&CHAIN, MIN_GRACE / 2 + 2).await;
	shop.fund_seller();

	let before = (credits(&shop, "seller"), credits(&shop, "buyer"));
	let closed = shop.seller(&["channel", "close", id]);
	assert_eq!((units(&closed, "paid"), units(&closed, "paid_now")), (2 * PRICE, 2 * PRICE));
	assert_eq!(units(&closed, "refunded"), 200_000 - 2 * PRICE);
	assert_eq!(units(&closed, "received"), 2 * 8_500);
	let lost = closed["lost"].as_array().unwrap();
	assert_eq!((lost.len(), &lost[0]["lane"], units(&lost[0], "amount")), (1, &0.into(), PRICE));
	assert!(text(&lost[0], "reason").contains("revoked"), "{closed}");
	assert_eq!(credits(&shop, "seller"), before.0 + 17_000 - fee(&closed));
	assert_eq!(credits(&shop, "buyer"), before.1 + 200_000 - 2 * PRICE);
	assert!(shop.channels().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn caps_and_keys_should_change_and_calls_go_on() {
	let _time = TIME.read().await;
	let shop = Shop::new("//Charlie").await;
	let (_gateway, url) = shop.serve(&[]);
	let line = shop.buyer_fails(&["channel", "open", "seller", "0.1", "--cap", "0.1"]);
	assert!(line.contains("no velocity cap") && line.contains("0.5/1h"), "{line}");
	shop.call(&url, &["--open", "0.2", "--lanes", "2", "--cap", "0.04/1h"]);
	let listed = shop.channels();
	assert_eq!(listed.len(), 1);
	let channel = &listed[0];
	let id = text(channel, "channel");
	assert_eq!((lanes(channel), units(&channel["cap"], "per_window")), (vec![0, 0], 40_000));
	assert_eq!(
		(&channel["cap"]["window"], units(channel, "cap_headroom")),
		(&1_800.into(), 40_000)
	);
	let first = text(channel, "voucher_key").to_owned();

	// The next key takes over at once, and the one before can still be settled with.
	let rotated = shop.buyer(&["channel", "rotate-key", id]);
	assert_eq!(text(&rotated["changes"]["key"], "replaced"), first);
	assert_eq!(rotated["until"]["blocks_left"], 1_800);
	shop.call(&url, &[]);
	let second = text(&rotated, "voucher_key").to_owned();
	assert_ne!(second, first);
	assert_eq!(text(&shop.stoa.json(&["keys", "show", "buyer"]), "voucher_key"), second);
	let line = shop.buyer_fails(&["channel", "rotate-key", id]);
	assert!(line.contains("RotationRunning") && line.contains("channel show"), "{line}");

	// A looser cap holds at once, a tighter one later.
	let looser = shop.buyer(&["channel", "set-cap", id, "0.05/1h"]);
	assert_eq!(units(&looser["cap"], "per_window"), 50_000);
	let tighter = shop.buyer(&["channel", "set-cap", id, "0.03/900"]);
	assert_eq!(
		(units(&tighter["cap"], "per_window"), &tighter["changes"]["cap"]["cap"]["window"]),
		(50_000, &900.into())
	);
	assert_eq!(tighter["from"]["blocks_left"], 1_800);
	// A payee accepts no more than it will be able to settle.
	shop.call(&url, &[]);
	let line = shop.buyer_fails(&["call", &url, "--max-price", "0.01"]);
	assert!(line.contains("velocity cap") && line.contains("set-cap"), "{line}");
	let lifted = shop.buyer(&["channel", "set-cap", id, "none"]);
	assert_eq!((&lifted["cap"], &lifted["changes"]["cap"]), (&Value::Null, &Value::Null));
	shop.call(&url, &[]);

	let shown = shop.stoa.run(&["channel", "show", id]);
	let shown = String::from_utf8(shown.stdout).unwrap();
	for part in
		["lanes            2", "velocity cap     none", "key before", "in 59 m", "refundable"]
	{
		assert!(shown.contains(part), "no `{part}` in {shown}");
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_key_is_not_here_should_not_stop_calls() {
	let _time = TIME.read().await;
	let shop = Shop::new("//Dave").await;
	let (_gateway, url) = shop.serve(&[]);
	let seller = text(&shop.stoa.json(&["keys", "show", "seller"]), "address").to_owned();
	let seller = parse_account(&seller).unwrap();
	let chain = connect(&CHAIN).await;
	let foreign = VoucherKey::generate().0.key();
	let open = OpenChannel::new(seller, DUSD, 500_000, foreign);
	let strange = chain.open_channel(open, &shop.buyer, from_credits()).await.unwrap().0;

	let call = ["call", &url, "--max-price", "0.01"];
	let failed = shop.stoa.run(&[&["--key", "buyer"], &call[..], &["--output", "json"]].concat());
	let error: Value = serde_json::from_slice(&failed.stderr).unwrap();
	let strange = format!("0x{}", hex::encode(strange.id));
	assert_eq!(text(&error["error"]["passed_over"][0], "channel"), strange);
	assert!(text(&error["error"], "cause").contains("no channel"), "{error}");
	let answer = shop.call(&url, &["--open", "0.1"]);
	let used = text(&answer["opened"], "channel").to_owned();
	assert_ne!(used, strange);
	// From now on the other one is known, and nothing is said.
	assert!(shop.call(&url, &[])["passed_over"].is_null());
	assert_eq!(shop.channels().len(), 2);

	// What `channel open` has opened is used, not opened again.
	shop.buyer(&["channel", "request-close", &used]);
	let opened = shop.buyer(&["channel", "open", "seller", "0.05"]);
	let answer = shop.call(&url, &["--open", "0.05"]);
	assert!(answer["opened"].is_null(), "{answer}");
	assert_eq!(shop.channels().len(), 3);
	let line = shop.buyer_fails(&["channel", "finalize", &used, text(&opened, "channel")]);
	assert!(line.contains("NothingToFinalize"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_should_close_at_once_with_the_payees_consent() {
	let _time = TIME.read().await;
	let shop = Shop::new("//Eve").await;
	let (mut gateway, url) = shop.serve(&[]);
	shop.call(&url, &["--open", "0.1"]);
	shop.call(&url, &["--ticks"]);
	shop.call(&url, &["--ticks"]);
	let id = text(&shop.channels()[0], "channel").to_owned();
	let close = ["channel", "close", &id];
	let line = shop.buyer_fails(&close);
	assert!(line.contains("not the payee") && line.contains("--with-consent"), "{line}");
	let line = shop
		.buyer_fails(&[&close[..], &["--with-consent", "--from", "http://127.0.0.1:1"]].concat());
	assert!(line.contains("request-close"), "{line}");
	// The address is known: it was paid there.
	let before = credits(&shop, "buyer");
	let closed = shop.buyer(&[&close[..], &["--with-consent"]].concat());
	assert_eq!((units(&closed, "paid"), units(&closed, "refunded")), (3 * PRICE, 70_000));
	assert_eq!(credits(&shop, "buyer"), before + 70_000 - fee(&closed));
	assert_eq!(credits(&shop, "seller"), 3 * 8_500);

	// By hand, with a gateway that is not there.
	shop.call(&url, &["--open", "0.1"]);
	gateway.kill();
	let id = text(&shop.channels()[0], "channel").to_owned();
	let consent = shop.seller(&["channel", "consent", &id, "--valid", "5m"]);
	assert_eq!((units(&consent, "total"), units(&consent, "refund")), (PRICE, 90_000));
	let close = ["channel", "close", &id, "--consent"];
	let line = shop.buyer_fails(&[&close[..], &["0x00"]].concat());
	assert!(line.contains("no signed consent"), "{line}");
	let closed = shop.buyer(&[&close[..], &[text(&consent, "consent")]].concat());
	assert_eq!((units(&closed, "paid"), units(&closed, "paid_now")), (PRICE, PRICE));
	assert!(shop.channels().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_should_get_a_channel_without_a_transaction_and_find_it_again() {
	let _time = TIME.read().await;
	let shop = Shop::new("//Ferdie").await;
	shop.fund_seller();
	let before = credits(&shop, "buyer");
	let signed = shop.buyer(&["channel", "authorize", "seller", "0.2", "--valid", "10m"]);
	let open =
		["--key", "seller", "channel", "open", "--authorization", text(&signed, "authorization")];
	let opened = shop.stoa.json(&open);
	assert_eq!(opened["channel"], signed["channel"]);
	assert_eq!((units(&opened, "deposit"), lanes(&opened)), (200_000, vec![0]));
	assert_eq!(credits(&shop, "buyer"), before - 200_000);
	let line = shop.stoa.fail(&open);
	assert!(line.contains("nonce 0") && line.contains("channel list"), "{line}");
	let other = ["--key", "buyer", "channel", "open", "--authorization"];
	let line = shop.stoa.fail(&[&other[..], &[text(&signed, "authorization")]].concat());
	assert!(line.contains("another channel, account or asset"), "{line}");

	// It is there for calls.
	let (_gateway, url) = shop.serve(&["--open-min", "0.1"]);
	assert!(shop.call(&url, &["--open", "0.5"])["opened"].is_null());
	shop.buyer(&["channel", "rotate-key", text(&signed, "channel")]);
	shop.call(&url, &[]);

	shop.lose();
	let recover = ["--key", "buyer", "channel", "recover", "--output", "json"];
	let output = shop.stoa.run(&recover);
	assert_eq!(output.status.code(), Some(1));
	let found: Value = serde_json::from_slice(&output.stdout).unwrap();
	assert_eq!(found["channels"][0]["channel"], signed["channel"]);
	assert!(text(&found["channels"][0], "problem").contains("--seller"), "{found}");
	let found = shop.buyer(&["channel", "recover", "--seller", &url]);
	let channel = &found["channels"][0];
	assert_eq!((units(channel, "signed"), &channel["lanes_proven"]), (2 * PRICE, &1.into()));
	assert_eq!((&channel["problem"], &channel["usable"]), (&Value::Null, &true.into()));
	let answer = shop.call(&url, &["--max-unanswered", "0", "--open", "0.5"]);
	assert!(answer["opened"].is_null(), "{answer}");

	// New channels go on with the key that was found.
	let key = text(&shop.stoa.json(&["keys", "show", "buyer"]), "voucher_key").to_owned();
	assert_eq!(text(&shop.channels()[0], "voucher_key"), key);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seller_should_open_channels_that_its_buyers_authorise() {
	let _time = TIME.read().await;
	let shop = Shop::new("//Alice//stash").await;
	shop.fund_seller();
	let (_gateway, url) = shop.serve(&["--open-min", "0.1"]);
	let before = credits(&shop, "buyer");
	let call = ["call", &url, "--max-price", "0.01", "--authorize", "--open"];
	let line = shop.buyer_fails(&[&call[..], &["0.05"]].concat());
	assert!(line.contains("can be used up to block"), "{line}");
	let answer = shop.call(&url, &["--open", "0.1", "--authorize"]);
	assert_eq!(units(&answer["opened"], "deposit"), 100_000);
	assert_eq!(credits(&shop, "buyer"), before - 100_000);
	let sent = shop.buyer(&["channel", "authorize", "seller", "0.3", "--to", &url]);
	assert_eq!((&sent["opened"], units(&sent, "deposit")), (&true.into(), 300_000));
	assert_eq!(credits(&shop, "buyer"), before - 400_000);
	// The one with most left is used from now on.
	let answer = shop.call(&url, &[]);
	assert_eq!((&answer["opened"], shop.channels().len()), (&Value::Null, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_should_stay_within_what_may_be_spent() {
	let _time = TIME.read().await;
	let shop = Shop::new("//Alice").await;
	let (_gateway, url) = shop.serve(&[]);
	let limits = ["--spend-per-seller", "0.02", "--spend-in-all", "0.05", "--spend-period", "1h"];
	shop.call(&url, &[&["--open", "0.1"], &limits[..]].concat());
	shop.call(&url, &limits);
	let line = shop.buyer_fails(&[&["call", &url, "--max-price", "0.01"], &limits[..]].concat());
	assert!(line.contains("0 dUSD is left for this seller"), "{line}");
	assert!(line.contains("--spend-per-seller"), "{line}");
	shop.call(&url, &[]);
	assert_eq!(shop.service.calls(), 3);
}
