//! Two agents come to an agreement through the node's statement store and carry it out, by commands alone.

use super::{text, units};
use serde_json::{json, Value};
use std::{fs, net::TcpListener, path::PathBuf, sync::LazyLock, time::Duration};
use stoa_tests::{command::Stoa, Node};

/// Operators have their own agents here.
static NODE: LazyLock<Node> = LazyLock::new(Node::start);

/// A buyer, a seller and an arbiter, each under an operator of its own.
struct Market {
	stoa: Stoa,
	buyer: PathBuf,
	seller: PathBuf,
}

impl Market {
	fn new() -> Self {
		let stoa = Stoa::new(NODE.url());
		for (name, operator, credits) in
			[("buyer", "//Bob", "300"), ("seller", "//Charlie", "50"), ("arbiter", "//Dave", "5")]
		{
			stoa.json(&["keys", "new", name]);
			stoa.json(&["--key", operator, "agent", "register", name]);
			stoa.json(&["--key", operator, "deposit", credits, "--for", name]);
		}
		let arbiter = stoa.json(&["keys", "show", "arbiter"]);
		let arbiters = json!([text(&arbiter, "address")]);
		let profile = |name: &str, pointer: &str, text: &str| {
			let mut profile: Value = serde_json::from_str(text).unwrap();
			*profile.pointer_mut(pointer).unwrap() = arbiters.clone();
			let path = stoa.home().join(name);
			fs::write(&path, profile.to_string()).unwrap();
			path
		};
		let buyer = include_str!("../../../docs/examples/buyer.json");
		let seller = include_str!("../../../docs/examples/seller.json");
		let buyer = profile("buyer.json", "/plan/panel/arbiters", buyer);
		let seller = profile("seller.json", "/limits/arbiters", seller);
		Self { stoa, buyer, seller }
	}

	fn run(&self, key: &str, args: &[&str]) -> Value {
		self.stoa.json(&[&["--key", key], args].concat())
	}

	fn fails(&self, key: &str, args: &[&str]) -> String {
		self.stoa.fail(&[&["--key", key], args].concat())
	}

	/// Negotiates until both agree.
	fn agree(&self) -> Value {
		let profile = self.seller.to_str().unwrap();
		let sell = ["--key", "seller", "negotiate", "sell", "--count", "1", "--profile", profile];
		let mut seller = self.stoa.spawn(&sell);
		let ready = seller.wait_for(Duration::from_secs(30), |line| {
			line.contains("answers whoever asks").then_some(())
		});
		assert!(ready.is_some(), "{}", seller.stderr().tail(20));
		let profile = self.buyer.to_str().unwrap();
		let buy = ["negotiate", "buy", "seller", "--operator", "approve", "--profile", profile];
		let bought = self.run("buyer", &buy);
		let ended = seller.wait(Duration::from_secs(30)).expect("the seller ends after one");
		assert!(ended.success(), "{}", seller.stderr().tail(20));
		bought
	}

	fn evidence(&self, name: &str) -> String {
		let path = self.stoa.home().join(name);
		fs::write(&path, name).unwrap();
		path.to_str().unwrap().to_owned()
	}
}

#[test]
fn agents_should_negotiate_deliver_and_have_a_dispute_ruled() {
	let market = Market::new();
	let bought = market.agree();
	assert_eq!(text(&bought, "outcome"), "agreed");
	let id = text(&bought, "agreement");

	// Both sides have kept the same, and the chain names it.
	let root = text(&bought, "transcript");
	for key in ["buyer", "seller"] {
		let list = market.run(key, &["negotiate", "list"]);
		let list = list["negotiations"].as_array().unwrap();
		assert_eq!((list.len(), text(&list[0], "transcript")), (1, root));
		assert_eq!(text(&list[0], "side"), key);
	}
	let negotiation = text(&bought, "negotiation");
	let shown = market.run("seller", &["negotiate", "show", negotiation]);
	let said = shown["messages"].as_array().unwrap();
	for word in ["REQUEST", "OFFER", "COUNTER", "ESCALATE", "ACCEPT"] {
		assert!(said.iter().any(|line| line.as_str().unwrap().contains(word)), "{word}: {shown}");
	}
	let export = market.stoa.run(&["--key", "buyer", "negotiate", "export", negotiation]);
	let file = market.stoa.home().join("transcript.json");
	fs::write(&file, &export.stdout).unwrap();
	let verify = ["negotiate", "verify", file.to_str().unwrap()];
	let verified = market.stoa.json(&verify);
	assert_eq!((text(&verified, "transcript"), text(&verified, "agreement")), (root, id));
	assert!(text(&verified, "on_chain").contains("this transcript"));
	// One figure changed.
	let written = String::from_utf8(export.stdout).unwrap();
	fs::write(&file, written.replacen("\"quantity\":\"520\"", "\"quantity\":\"521\"", 1)).unwrap();
	assert!(market.stoa.fail(&verify).contains("not good"));

	let shown = market.stoa.json(&["agreement", "show", id]);
	let (total, bond) = (units(&shown, "total"), units(&shown, "bond"));
	assert!((80_000_000..=100_000_000).contains(&total), "{shown}");
	assert_eq!(bond, total / 10);
	assert_eq!(text(&shown, "transcript"), root);
	let milestones = shown["milestones"].as_array().unwrap();
	assert_eq!(milestones.len(), 2);
	assert!(milestones.iter().all(|one| text(one, "state") == "funded"), "{shown}");
	assert_eq!(text(&milestones[0]["if_silent"], "waits_for"), "seller");
	let listed = market.run("buyer", &["agreement", "list"]);
	assert_eq!(text(&listed["agreements"][0], "agreement"), id);

	// The first milestone: delivered, sent back once, delivered again, accepted.
	let (note, why) = (market.evidence("note"), market.evidence("why"));
	let deliver =
		|place| market.run("seller", &["agreement", "deliver", id, place, "--file", &note]);
	assert!(market
		.fails("buyer", &["agreement", "deliver", id, "0", "--file", &note])
		.contains("seller"));
	assert!(market.fails("buyer", &["agreement", "accept", id, "0"]).contains("not delivered"));
	deliver("0");
	market.run("buyer", &["agreement", "request-changes", id, "0", "--file", &why]);
	deliver("0");
	assert!(market
		.fails("buyer", &["agreement", "request-changes", id, "0", "--file", &why])
		.contains("requests for changes"));
	market.run("buyer", &["agreement", "accept", id, "0"]);
	assert!(market.fails("buyer", &["agreement", "accept", id, "0"]).contains("Nothing is left"));

	// The second one: a part released, the rest in dispute.
	market.run("buyer", &["agreement", "release", id, "1", "10"]);
	deliver("1");
	market.run("buyer", &["agreement", "dispute", id, "1", "--file", &why]);
	let rule = ["agreement", "rule", id, "1", "--seller", "60%", "--file", &why];
	assert!(market.fails("seller", &rule).contains("turn"));
	let ruled = market.run("arbiter", &rule);
	assert_eq!(text(&ruled, "ended"), "completed");

	let open = total / 2 - 10_000_000;
	let released = total / 2 + 10_000_000 + (open * 6).div_ceil(10);
	let over = market.stoa.json(&["agreement", "show", id]);
	let sums = &over["sums"];
	assert_eq!((units(sums, "released"), units(sums, "refunded")), (released, total - released));
	// Four tenths of the penalty, and of the fee that the buyer had put up.
	assert_eq!(units(sums, "penalties"), total / 20 * 4 / 10);
	assert_eq!((units(sums, "costs_of_seller"), units(sums, "fees")), (400_000, 1_000_000));
	assert_eq!(over["disputes"], 1);

	let kpis = market.stoa.json(&["agreement", "kpis", "seller"]);
	assert_eq!((&kpis["agreements"], &kpis["disputes_per_thousand"]), (&json!(1), &json!(1_000)));
	assert!(kpis["price_ppm"].as_u64().is_some_and(|ppm| ppm < 1_000_000), "{kpis}");

	changes_by_both_sides(&market);
}

/// What both sides want they can have, and only together.
fn changes_by_both_sides(market: &Market) {
	let bought = market.agree();
	let id = text(&bought, "agreement");
	let before = market.stoa.json(&["agreement", "show", id]);
	let due = before["milestones"][0]["if_silent"]["from"]["block"].as_u64().unwrap();

	let later = (due + 100).to_string();
	let agreed = market.run("buyer", &["agreement", "extend", id, "0", &later]);
	let consent = text(&agreed, "consent");
	let other = (due + 101).to_string();
	let extend = |until| ["agreement", "extend", id, "0", until, "--consent", consent];
	assert!(market.fails("seller", &extend(&other)).contains("something else"));
	assert!(market.fails("buyer", &extend(&later)).contains("no consent"));
	market.run("seller", &extend(&later));
	// Once used, it is of no use.
	assert!(market.fails("seller", &extend(&later)).contains("something else"));
	let after = market.stoa.json(&["agreement", "show", id]);
	assert_eq!(after["milestones"][0]["if_silent"]["from"]["block"], due + 101);

	let agreed = market.run("seller", &["agreement", "cancel", id, "5"]);
	let cancel = ["agreement", "cancel", id, "5", "--consent", text(&agreed, "consent")];
	let ended = market.run("buyer", &cancel);
	assert_eq!(text(&ended, "ended"), "cancelled by both");
	assert_eq!(units(&ended, "released"), 5_000_000);
	assert_eq!(units(&ended, "bond_returned"), units(&before, "bond"));
	let listed = market.run("buyer", &["agreement", "list"]);
	assert_eq!(listed["agreements"], json!([]));
}

#[test]
fn agents_should_negotiate_over_http_and_go_on_after_a_kill() {
	let market = Market::new();
	let free = TcpListener::bind("127.0.0.1:0").unwrap();
	let address = free.local_addr().unwrap().to_string();
	drop(free);
	let url = format!("http://{address}");
	let profile = market.buyer.to_str().unwrap();
	let buy = ["--key", "buyer", "negotiate", "buy", "seller", "--profile", profile];
	let buy = [&buy[..], &["--operator", "approve", "--url", &url]].concat();

	// Nobody listens yet, and the buyer does not live to see it.
	let mut early = market.stoa.spawn(&buy);
	let asked = early
		.wait_for(Duration::from_secs(60), |line| line.contains("cannot be reached").then_some(()));
	assert!(asked.is_some(), "{}", early.stderr().tail(20));
	drop(early);

	let profile = market.seller.to_str().unwrap();
	let sell = ["--key", "seller", "negotiate", "sell", "--count", "1", "--profile", profile];
	let mut seller = market.stoa.spawn(&[&sell[..], &["--listen", &address]].concat());
	let ready = seller.wait_for(Duration::from_secs(30), |line| {
		line.contains("answers whoever asks").then_some(())
	});
	assert!(ready.is_some(), "{}", seller.stderr().tail(20));
	let bought = market.stoa.json(&buy);
	assert_eq!(text(&bought, "outcome"), "agreed");
	let ended = seller.wait(Duration::from_secs(30)).expect("the seller ends after one");
	assert!(ended.success(), "{}", seller.stderr().tail(20));
	// One negotiation, of which both have kept the same.
	for key in ["buyer", "seller"] {
		let list = market.run(key, &["negotiate", "list"]);
		let list = list["negotiations"].as_array().unwrap();
		assert_eq!((list.len(), text(&list[0], "transcript")), (1, text(&bought, "transcript")));
	}
	let shown = market.stoa.json(&["agreement", "show", text(&bought, "agreement")]);
	assert_eq!(shown["transcript"], bought["transcript"]);
}
