//! Two agents come to an agreement through the node's statement store and carry it out, by commands alone.

use super::{text, units};
use serde_json::{json, Value};
use std::{
	fs,
	net::TcpListener,
	path::{Path, PathBuf},
	process::Output,
	sync::LazyLock,
	time::Duration,
};
use stoa_client::{
	chain::parse_hash,
	keys::{parse_account, AgentKey, VoucherKey},
	negotiation::{Config, FixedRule, Negotiator, Parties, PlanRule, Proposal, Range, MILLION},
};
use stoa_primitives::{agreement::Side, keys::Key, BlockNumber};
use stoa_tests::{command::Stoa, Node};

/// Operators have their own agents here.
static NODE: LazyLock<Node> = LazyLock::new(Node::start);

fn write(stoa: &Stoa, name: &str, profile: &Value) -> PathBuf {
	let path = stoa.home().join(name);
	fs::write(&path, profile.to_string()).unwrap();
	path
}

/// A buyer, a seller and an arbiter, each under an operator of its own.
struct Market {
	stoa: Stoa,
	buyer: PathBuf,
	seller: PathBuf,
}

impl Market {
	/// Two markets at the same time have operators of their own: an account's transactions are in order.
	fn new(operators: [&str; 3]) -> Self {
		let stoa = Stoa::new(NODE.url());
		let agents = [("buyer", "300"), ("seller", "50"), ("arbiter", "5")];
		for ((name, credits), operator) in agents.into_iter().zip(operators) {
			stoa.json(&["keys", "new", name]);
			stoa.json(&["--key", operator, "agent", "register", name]);
			stoa.json(&["--key", operator, "deposit", credits, "--for", name]);
		}
		let arbiter = stoa.json(&["keys", "show", "arbiter"]);
		let arbiters = json!([text(&arbiter, "address")]);
		let profile = |name: &str, pointer: &str, text: &str| {
			let mut profile: Value = serde_json::from_str(text).unwrap();
			*profile.pointer_mut(pointer).unwrap() = arbiters.clone();
			write(&stoa, name, &profile)
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
		let bought = self.negotiate(&self.buyer);
		assert!(bought.status.success(), "{}", String::from_utf8_lossy(&bought.stderr));
		serde_json::from_slice(&bought.stdout).unwrap()
	}

	/// Negotiates without coming to an agreement: the seller offers, the buyer counters, the seller does, and
	/// refuses the buyer's second offer, which is the last one. Returns the negotiation.
	fn haggle(&self) -> String {
		let mut profile: Value = serde_json::from_slice(&fs::read(&self.buyer).unwrap()).unwrap();
		profile["strategy"]["limit"]["price"] = "70".into();
		profile["rounds"] = 2.into();
		let bought = self.negotiate(&write(&self.stoa, "poor.json", &profile));
		assert_eq!(bought.status.code(), Some(1));
		let bought: Value = serde_json::from_slice(&bought.stdout).unwrap();
		assert_eq!(text(&bought, "outcome"), "denied");
		text(&bought, "negotiation").to_owned()
	}

	/// The transcript of a negotiation, as a file of this name.
	fn export(&self, negotiation: &str, name: &str) -> (Value, PathBuf) {
		let export = self.run("buyer", &["negotiate", "export", negotiation]);
		let path = write(&self.stoa, name, &export);
		(export, path)
	}

	/// The transcript of a request that `delegate` has signed for the buyer in block `sent`.
	fn delegated(&self, delegate: &VoucherKey, sent: BlockNumber, genesis: &str) -> PathBuf {
		let account = |name: &str| {
			parse_account(text(&self.stoa.json(&["keys", "show", name]), "address")).unwrap()
		};
		let parties = Parties {
			genesis: parse_hash(genesis).unwrap().into(),
			negotiation: [1; 32],
			buyer: account("buyer"),
			seller: account("seller"),
		};
		let profile: Value = serde_json::from_slice(&fs::read(&self.buyer).unwrap()).unwrap();
		let plan = PlanRule::Own {
			plan: serde_json::from_value(profile["plan"].clone()).unwrap(),
			terms: serde_json::from_value(profile["terms"].clone()).unwrap(),
		};
		let proposal = |price| Proposal { price, time: 100, quality: MILLION };
		let range = Range::new(Side::Buyer, proposal(1), proposal(2)).unwrap();
		let key = AgentKey::Delegate { agent: parties.buyer.clone(), key: delegate.clone() };
		let strategy = std::sync::Arc::new(FixedRule { range, step: MILLION });
		let config = Config::new(&parties, Side::Buyer, key, plan, strategy, sent + 100);
		let mut buyer = Negotiator::new(config, sent).unwrap();
		buyer.open().unwrap();
		let path = self.stoa.home().join("delegated.json");
		fs::write(&path, buyer.transcript().export().unwrap()).unwrap();
		path
	}

	/// Has the buyer ask and the seller answer.
	fn negotiate(&self, profile_of_buyer: &Path) -> Output {
		let profile = self.seller.to_str().unwrap();
		let sell = ["--key", "seller", "negotiate", "sell", "--count", "1", "--profile", profile];
		let mut seller = self.stoa.spawn(&sell);
		let ready = seller.wait_for(Duration::from_secs(30), |line| {
			line.contains("answers whoever asks").then_some(())
		});
		assert!(ready.is_some(), "{}", seller.stderr().tail(20));
		let profile = profile_of_buyer.to_str().unwrap();
		let buy = ["--key", "buyer", "negotiate", "buy", "seller", "--operator", "approve"];
		let bought = [&buy[..], &["--output", "json", "--profile", profile]].concat();
		let bought = self.stoa.run(&bought);
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
	let market = Market::new(["//Bob", "//Charlie", "//Dave"]);
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
	assert!(market.fails("arbiter", &rule).contains("hear the other side"));
	let answer = ["agreement", "answer", id, "1", "--file", &note];
	market.fails("buyer", &answer);
	market.run("seller", &answer);
	market.fails("seller", &answer);
	assert!(market.fails("seller", &rule).contains("turn"));
	let ruled = market.run("arbiter", &rule);
	assert_eq!(text(&ruled, "ended"), "completed");

	let open = total / 2 - 10_000_000;
	let released = total / 2 + 10_000_000 + (open * 6).div_ceil(10);
	let over = market.stoa.json(&["agreement", "show", id]);
	let sums = &over["sums"];
	assert_eq!((units(sums, "released"), units(sums, "refunded")), (released, total - released));
	// Four tenths of the penalty for what was in dispute, and of the fee that the buyer had put up.
	let at_stake = total / 20 * open / (total / 2);
	assert_eq!(units(sums, "penalties"), at_stake * 4 / 10);
	assert_eq!((units(sums, "costs_of_seller"), units(sums, "fees")), (400_000, 1_000_000));
	assert_eq!(over["disputes"], 1);

	let kpis = market.stoa.json(&["agreement", "kpis", "seller"]);
	assert_eq!((&kpis["agreements"], &kpis["disputes_per_thousand"]), (&json!(1), &json!(1_000)));
	assert!(kpis["price_ppm"].as_u64().is_some_and(|ppm| ppm < 1_000_000), "{kpis}");

	changes_by_both_sides(&market);
	offers_after_a_refusal(&market);
	delegates_that_were_never_registered(&market);
	a_refused_offer_that_was_committed(&market);
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
	let market = Market::new(["//Alice", "//Eve", "//Ferdie"]);
	// The second half is delivered under a lock.
	for (path, pointer, value) in [
		(&market.buyer, "/plan/milestones/1/locked", json!(true)),
		(&market.buyer, "/plan/milestones/1/changes", json!(0)),
		(&market.buyer, "/plan/milestones/1/review", json!(0)),
		(&market.seller, "/limits/locked", json!(true)),
	] {
		let mut profile: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
		match profile.pointer_mut(pointer) {
			Some(known) => *known = value,
			None => profile["limits"]["locked"] = value,
		}
		fs::write(path, profile.to_string()).unwrap();
	}
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
	let id = text(&bought, "agreement");
	let shown = market.stoa.json(&["agreement", "show", id]);
	assert_eq!(shown["transcript"], bought["transcript"]);

	// A key for money: what is delivered is encrypted under it, and revealing it pays.
	let key = ["agreement", "key", id, "1"];
	let drawn = market.run("seller", &key);
	assert!(market.fails("buyer", &key).contains("no key of milestone 1 was revealed"));
	let deliver = ["agreement", "deliver", id, "1", "--digest", text(&drawn, "lock")];
	market.fails("seller", &deliver);
	let wrong = ["agreement", "reveal", id, "1", text(&drawn, "lock")];
	assert!(market.fails("seller", &wrong).contains("does not open"));
	assert!(market.fails("seller", &["agreement", "reveal", id, "0"]).contains("no lock"));
	market.run("seller", &["agreement", "reveal", id, "1"]);
	let revealed = market.run("buyer", &key);
	assert_eq!(revealed["key"], drawn["key"]);
	let paid = market.stoa.json(&["agreement", "show", id]);
	assert_eq!(units(&paid["sums"], "released"), units(&paid, "total") / 2);
}

/// What was offered binds, also when there was no deal.
fn offers_after_a_refusal(market: &Market) {
	let negotiation = market.haggle();
	let offer = |args: &[&str]| {
		market.run("seller", &[&["negotiate", "offer", negotiation.as_str()], args].concat())
	};
	let (second, last) = (offer(&["--round", "2"]), offer(&[]));
	assert_eq!((text(&second, "by"), text(&last, "by")), ("buyer", "buyer"));
	assert_eq!(last["round"], 4);

	// Taken back: the buyer's first offer, and what the seller has offered.
	let withdraw = ["agreement", "withdraw-offer", negotiation.as_str()];
	let first = [&withdraw[..], &["--round", "3"]].concat();
	let withdrawn = market.run("buyer", &first);
	assert_eq!((&withdrawn["round"], text(&withdrawn, "side")), (&json!(2), "buyer"));
	assert!(market.fails("buyer", &first).contains("nothing is left to be done"));
	assert!(market
		.fails("buyer", &[&withdraw[..], &["--round", "1"]].concat())
		.contains("no offer up to round 1"));
	assert_eq!(market.run("seller", &withdraw)["round"], 3);
	let nobodys = format!("0x{}", "77".repeat(32));
	let failure = market.fails("buyer", &["agreement", "withdraw-offer", &nobodys]);
	assert!(failure.contains("negotiate list"), "{failure}");

	// It cannot be committed any more; the other one can, by the other side.
	let file = market.stoa.home().join("offer");
	let path = file.to_str().unwrap();
	let commit_file = ["agreement", "commit", "--offer", path];
	fs::write(&file, second.to_string()).unwrap();
	assert!(market.fails("seller", &commit_file).contains("withdrawn"));
	let commit = ["agreement", "commit", negotiation.as_str()];
	assert!(market.fails("buyer", &commit).contains("your own"));
	fs::write(&file, text(&last, "offer")).unwrap();
	assert!(market.fails("buyer", &commit_file).contains("your own"));
	assert!(market.fails("arbiter", &commit_file).contains("neither side"));
	let made = market.run("seller", &commit);
	let id = text(&made, "agreement");
	assert_eq!(
		(id, text(&made, "transcript")),
		(text(&last, "agreement"), text(&last, "transcript"))
	);
	assert_eq!(made["total"], last["price"]);

	// The root is that of all that was said. Whoever lacks the last message can still prove the offer.
	let (mut export, file) = market.export(&negotiation, "whole.json");
	let verify = |file: &Path| market.stoa.json(&["negotiate", "verify", file.to_str().unwrap()]);
	let whole = verify(&file);
	assert_eq!(text(&whole, "agreement"), id);
	assert!(text(&whole, "on_chain").contains("names this transcript"), "{whole}");
	let last = export["messages"].as_array_mut().unwrap().pop().unwrap();
	export["root"] = last["message"]["previous"].clone();
	let cut = verify(&write(&market.stoa, "cut.json", &export));
	assert!(text(&cut, "on_chain").contains("proven"), "{cut}");
	// Without the offer nothing is proven.
	let last = export["messages"].as_array_mut().unwrap().pop().unwrap();
	export["root"] = last["message"]["previous"].clone();
	let file = write(&market.stoa, "cut.json", &export);
	let failure = market.stoa.fail(&["negotiate", "verify", file.to_str().unwrap()]);
	assert!(failure.contains("messages are missing"), "{failure}");

	// Now it binds both.
	assert!(market.fails("buyer", &withdraw).contains("agreement list"));
	let supersede = ["agreement", "supersede", negotiation.as_str()];
	assert!(market.fails("buyer", &supersede).contains("no offer after"));
	assert!(market.fails("seller", &supersede).contains("other side's"));
	assert!(market.fails("buyer", &["agreement", "poke", id]).contains("Nothing is due"));
	assert!(market.fails("buyer", &["agreement", "forget", id]).contains("still runs"));
}

/// The seller commits what it had refused by a counter-offer, and the buyer undoes that.
fn a_refused_offer_that_was_committed(market: &Market) {
	let negotiation = market.haggle();
	let refused = market.run("seller", &["negotiate", "offer", &negotiation, "--round", "2"]);
	let file = market.stoa.home().join("refused");
	fs::write(&file, refused.to_string()).unwrap();
	let commit = ["agreement", "commit", "--offer", file.to_str().unwrap()];
	let planned = market.run("seller", &[&commit[..], &["--dry-run"]].concat());
	// With another root than that of what was said, for which nobody but the seller is to blame.
	let other = format!("0x{}", "99".repeat(32));
	let made = market.run("seller", &[&commit[..], &["--transcript", &other]].concat());
	assert_eq!(made["agreement"], planned["agreement"]);
	let (_, file) = market.export(&negotiation, "honest.json");
	let verify = ["negotiate", "verify", file.to_str().unwrap()];
	let failure = market.stoa.fail(&verify);
	assert!(failure.contains("the seller, who has committed, has named another"), "{failure}");
	assert_eq!(
		text(&market.stoa.json(&[&verify[..], &["--offline"]].concat()), "agreement"),
		"none"
	);

	let undone = market.run("buyer", &["agreement", "supersede", &negotiation]);
	assert_eq!((&undone["agreement"], &undone["round"]), (&made["agreement"], &json!(3)));
	let id = text(&made, "agreement");
	assert_eq!(text(&market.stoa.json(&["agreement", "show", id]), "ended"), "undone");
	for id in [id, negotiation.as_str()] {
		assert!(market.fails("buyer", &["agreement", "forget", id]).contains("30 days"));
	}
}

/// Who signs with a key that its agent has never registered proves nothing.
fn delegates_that_were_never_registered(market: &Market) {
	let negotiations = market.run("buyer", &["negotiate", "list"]);
	let one = text(&negotiations["negotiations"][0], "negotiation").to_owned();
	let (export, _) = market.export(&one, "one.json");
	let sent = export["messages"][0]["message"]["sent"].as_u64().unwrap();
	let (delegate, _) = VoucherKey::generate();
	let file = market.delegated(&delegate, sent.try_into().unwrap(), text(&export, "chain"));
	let verify = ["negotiate", "verify", file.to_str().unwrap()];
	let Key::Ed25519(key) = delegate.key() else { panic!("voucher keys are Ed25519 keys") };
	let key = hex::encode(key);
	let failure = market.stoa.fail(&verify);
	assert!(failure.contains(&key) && failure.contains("do not rely"), "{failure}");
	let failure = market.stoa.fail(&[&verify[..], &["--offline"]].concat());
	assert!(failure.contains(&key) && failure.contains("--trust-delegates"), "{failure}");
	for offline in [&[][..], &["--offline"]] {
		let trusted = market.stoa.json(&[&verify[..], &["--trust-delegates"], offline].concat());
		assert!(trusted["delegates"][0].as_str().unwrap().contains(&key), "{trusted}");
	}
	// Registered for something else, it may not sign either; registered for offers it may, from then on and until it is
	// removed.
	let name = format!("ed25519:0x{key}");
	let sign = |block: &Value| {
		let sent = block["block"].as_u64().unwrap().try_into().unwrap();
		let file = market.delegated(&delegate, sent, text(&export, "chain"));
		file.to_str().unwrap().to_owned()
	};
	let add = |scope| {
		let terms = ["agent", "add-key", "buyer", &name, "--scope", scope, "--valid", "30d"];
		market.run("//Bob", &terms)
	};
	let added = add("endorse,voucher");
	assert_eq!(added["scopes"], json!(["voucher", "endorse"]));
	assert!(market.stoa.fail(&["negotiate", "verify", &sign(&added)]).contains("do not rely"));
	let remove = ["agent", "remove-key", "buyer", &name];
	market.run("//Bob", &remove);
	let added = add("offer");
	let signed = sign(&added);
	let verified = market.stoa.json(&["negotiate", "verify", &signed]);
	assert!(verified["delegates"][0].as_str().unwrap().contains(&key), "{verified}");
	let shown = market.stoa.json(&["agent", "show", "buyer"]);
	let keys = json!([
		{ "delegate": name, "scopes": ["offer"], "last": added["last"], "expired": false }
	]);
	assert_eq!(shown["keys"], keys);
	// Only the operator may, and only once.
	assert!(market.fails("//Charlie", &remove).contains("agent show"));
	let again = ["agent", "add-key", "buyer", &name, "--scope", "offer"];
	assert!(market.fails("//Bob", &again).contains("agent show"));
	assert!(market.fails("//Bob", &["agent", "remove-key", "buyer", "0x12"]).contains("ed25519"));
	let removed = market.run("//Bob", &remove);
	assert_eq!(market.stoa.json(&["agent", "show", "buyer"])["keys"], json!([]));
	market.stoa.json(&["negotiate", "verify", &sign(&added)]);
	assert!(market.stoa.fail(&["negotiate", "verify", &sign(&removed)]).contains("do not rely"));
	// The name of a key stands for its voucher key.
	let seller = market.stoa.json(&["keys", "show", "seller"]);
	let by_name = ["agent", "add-key", "buyer", "seller", "--scope", "endorse", "--valid", "1h"];
	assert_eq!(market.run("//Bob", &by_name)["delegate"], seller["voucher_key"]);
	market.run("//Bob", &["agent", "remove-key", "buyer", "seller"]);

	// In a block that has not come, nothing was signed.
	let file = market.delegated(&delegate, BlockNumber::MAX / 2, text(&export, "chain"));
	let failure = market.stoa.fail(&["negotiate", "verify", file.to_str().unwrap()]);
	assert!(failure.contains("does not know block"), "{failure}");
}
