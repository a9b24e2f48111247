//! The command `stoa`, as a user types it.

mod agreements;
mod channels;

use serde_json::Value;
use std::{fs, os::unix::fs::PermissionsExt, sync::LazyLock, time::Duration};
use stoa_client::{
	chain::{calls, SubmitOptions},
	keys::parse_account,
};
use stoa_tests::{command::Stoa, market, service::Service, Node};

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

/// A second chain, since every test that registers agents needs an operator to itself.
static OTHER: LazyLock<Node> = LazyLock::new(Node::start);

/// A text field.
fn text<'a>(value: &'a Value, field: &str) -> &'a str {
	value[field].as_str().unwrap_or_else(|| panic!("no text `{field}` in {value}"))
}

/// The units of an amount.
fn units(value: &Value, field: &str) -> u128 {
	text(&value[field], "units").parse().expect("units are a number")
}

/// A user with keys `seller` and `buyer`, registered and paid in for by `operator`.
fn trader(node: &Node, operator: &str) -> Stoa {
	let stoa = Stoa::new(node.url());
	for name in ["seller", "buyer"] {
		stoa.json(&["keys", "new", name]);
		stoa.json(&["--key", operator, "agent", "register", name]);
		stoa.json(&["--key", operator, "deposit", "1", "--for", name]);
	}
	stoa
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_should_lead_from_new_keys_to_a_settled_channel_when_typed_in_order() {
	let service = Service::start().await;
	let stoa = Stoa::new(NODE.url());

	// Keys.
	let seller = stoa.json(&["keys", "new", "seller"]);
	assert_eq!(text(&seller, "mnemonic").split(' ').count(), 12);
	let buyer = stoa.json(&["keys", "new", "buyer"]);
	let listed = stoa.json(&["keys", "list"]);
	let names: Vec<_> =
		listed["keys"].as_array().unwrap().iter().map(|key| text(key, "name")).collect();
	assert_eq!(names, ["buyer", "seller"]);
	let shown = stoa.json(&["keys", "show", "seller"]);
	assert_eq!(shown["address"], seller["address"]);
	assert!(shown["mnemonic"].is_null());

	// Agents and credits.
	let registered = stoa.json(&["--key", "//Bob", "agent", "register", "seller"]);
	assert_eq!(registered["agent"], seller["address"]);
	assert!(registered["block"].is_u64() && registered["fee"]["units"].is_string());
	// An operator elsewhere gets the agent's consent as text.
	let bob = stoa.json(&["keys", "show", "//Bob"]);
	let consent = stoa.json(&["--key", "buyer", "agent", "consent", text(&bob, "address")]);
	let elsewhere = Stoa::new(NODE.url());
	let proof = ["--proof", text(&consent, "proof")];
	let args = ["--key", "//Bob", "agent", "register", text(&buyer, "address")];
	elsewhere.json(&[&args[..], &proof[..]].concat());
	let agent = stoa.json(&["agent", "show", "buyer"]);
	assert_eq!((text(&agent, "status"), &agent["operator"]), ("active", &bob["address"]));
	let deposited = stoa.json(&["--key", "//Bob", "deposit", "1", "--for", "buyer"]);
	assert_eq!(units(&deposited, "amount"), 1_000_000);
	stoa.json(&["--key", "//Bob", "deposit", "0.1", "--for", "seller"]);
	let balances = stoa.json(&["balances", "buyer"]);
	assert_eq!((units(&balances, "credits"), units(&balances, "native_free")), (1_000_000, 0));
	assert_eq!(units(&balances, "asset"), 0);

	// A channel, its fee paid from credits.
	let opened = stoa.json(&["--key", "buyer", "channel", "open", "seller", "0.5"]);
	assert_eq!((units(&opened, "deposit"), units(&opened, "settled")), (500_000, 0));
	assert_eq!(text(&opened["fee"], "asset"), "dUSD");
	let id = text(&opened, "channel");
	assert_eq!((&opened["closing"], &opened["ends"]), (&Value::Bool(false), &Value::Null));
	let balances = stoa.json(&["balances", "buyer"]);
	assert_eq!(units(&balances, "credits"), 500_000 - units(&opened, "fee"));
	assert_eq!(units(&balances, "in_channels"), 500_000);

	// Paid calls.
	let upstream = service.url();
	let serve = ["--key", "seller", "--upstream", &upstream, "--price", "0.0001"];
	let (mut gateway, url) = stoa.serve(&[&serve[..], &["--min-claim", "0"]].concat());
	let url = format!("{url}/words");
	for n in 0..3 {
		let args = ["--key", "buyer", "call", &url, "--max-price", "0.001", "-d", "one two three"];
		let answer = stoa.json(&args);
		assert_eq!((answer["status"].as_u64(), units(&answer, "paid")), (Some(200), 100));
		assert_eq!(text(&answer, "body"), format!("3 words, call {n}"));
	}
	// For people: the body alone on standard output, byte for byte.
	let output = stoa.run(&["--key", "buyer", "call", &url, "--max-price", "0.001"]);
	assert!(output.status.success());
	assert_eq!(output.stdout, b"0 words, call 3");
	assert!(String::from_utf8(output.stderr).unwrap().contains("0.0001 dUSD"));

	// A second gateway on one store, while the first has it.
	let second = ["--key", "seller", "serve", "--upstream", &upstream, "--price", "0.0001"];
	let line = stoa.fail_as_text(&[&second[..], &["--listen", "127.0.0.1:0"]].concat());
	assert!(line.contains("in use"), "{line}");
	let taken = url.trim_start_matches("http://").trim_end_matches("/words");
	let line = stoa.fail_as_text(&[&second[..], &["--listen", taken]].concat());
	assert!(line.contains(taken) && line.contains("--listen"), "{line}");

	// Ctrl-C settles what is owed.
	gateway.signal("INT");
	let status = gateway.wait(Duration::from_secs(30)).expect("the gateway ends");
	assert_eq!(status.code(), Some(0), "{}", gateway.stderr().tail(20));
	let shown = stoa.json(&["channel", "show", id]);
	assert_eq!((units(&shown, "settled"), text(&shown, "state")), (400, "open"));
	let settled = stoa.json(&["--key", "seller", "channel", "settle"]);
	assert_eq!(units(&settled, "gross"), 0);

	// Calls that were not settled by the gateway are settled by hand, or at the close. A claim that is
	// not worth the fee is left alone.
	let (mut gateway, url) = stoa.serve(&serve);
	stoa.json(&["--key", "buyer", "call", &url, "--max-price", "0.0001"]);
	gateway.kill();
	let settle = ["--key", "seller", "channel", "settle"];
	let left = stoa.json(&settle);
	assert_eq!((units(&left, "gross"), units(&left, "left")), (0, 100));
	assert!(units(&left, "min_claim") > 100);
	let settled = stoa.json(&[&settle[..], &["--min-claim", "0"]].concat());
	assert_eq!((units(&settled, "gross"), text(&settled["claimed"][0], "channel")), (100, id));
	assert_eq!((units(&settled, "received"), units(&settled, "left")), (85, 0));
	// It would have cost more than it has brought.
	let fee: u128 = text(&settled["fees"][0], "units").parse().unwrap();
	assert!(fee > 85 && fee < units(&left, "min_claim"), "{fee}");
	let (mut gateway, url) = stoa.serve(&serve);
	stoa.json(&["--key", "buyer", "call", &url, "--max-price", "0.0001"]);
	gateway.kill();

	stoa.json(&["--key", "buyer", "channel", "top-up", id, "0.1"]);
	let requested = stoa.json(&["--key", "buyer", "channel", "request-close", id]);
	assert!(text(&requested, "state").starts_with("closing"));
	assert!(requested["ends"].as_u64() > requested["block"].as_u64(), "{requested}");
	let cancelled = stoa.json(&["--key", "buyer", "channel", "cancel-close", id]);
	assert_eq!(text(&cancelled, "state"), "open");
	let before = units(&stoa.json(&["balances", "buyer"]), "credits");
	let closed = stoa.json(&["--key", "seller", "channel", "close", id]);
	assert_eq!((units(&closed, "paid"), units(&closed, "paid_now")), (600, 100));
	assert_eq!(units(&closed, "received"), 85);
	assert_eq!(units(&closed, "refunded"), 600_000 - 600);
	assert_eq!(units(&stoa.json(&["balances", "buyer"]), "credits"), before + 599_400);
	let listed = stoa.json(&["channel", "list", "buyer"]);
	assert_eq!(listed["channels"].as_array().map(Vec::len), Some(0));

	// Money goes out again.
	stoa.json(&["--key", "buyer", "withdraw", "0.5", "--to", "buyer"]);
	let before = stoa.json(&["balances", "buyer"]);
	assert_eq!(units(&before, "asset"), 500_000);
	let all = stoa.json(&["--key", "buyer", "withdraw", "all"]);
	let after = stoa.json(&["balances", "buyer"]);
	assert_eq!(units(&after, "asset"), 500_000 + units(&all, "amount"));
	// What is left is what was given back of the fee.
	let fee = units(&before, "credits") - units(&all, "amount") - units(&after, "credits");
	assert!(fee > 0 && units(&after, "credits") < fee, "{before} {all} {after}");
	assert_eq!(service.calls(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_should_open_and_top_up_a_channel_when_it_may() {
	let service = Service::start().await;
	let stoa = trader(&NODE, "//Charlie");
	let upstream = service.url();
	let (_gateway, url) =
		stoa.serve(&["--key", "seller", "--upstream", &upstream, "--price", "0.01"]);
	let call = ["--key", "buyer", "call", &url];
	let with = |more: &[&'static str]| [&call[..], more].concat();

	let line = stoa.fail(&with(&["--max-price", "0.001"]));
	assert!(line.contains("0.01 dUSD") && line.contains("--max-price 0.01"), "{line}");
	let line = stoa.fail(&with(&["--max-price", "0.01"]));
	assert!(line.contains("no channel") && line.contains("--open"), "{line}");
	let line = stoa.fail(&with(&["--max-price", "0.01", "--open", "5"]));
	assert!(line.contains("InsufficientCredits") || line.contains("credits"), "{line}");
	assert_eq!(service.calls(), 0);

	for _ in 0..2 {
		let answer = stoa.json(&with(&["--max-price", "0.01", "--open", "0.02"]));
		assert_eq!(units(&answer, "paid"), 10_000);
	}
	// What may open a channel may not add to it, unless it is asked to.
	let line = stoa.fail(&with(&["--max-price", "0.01", "--open", "0.02"]));
	assert!(line.contains("used up") && line.contains("--top-up"), "{line}");
	let top_up = ["--max-price", "0.01", "--top-up", "0.02", "--budget", "0.05"];
	for _ in 0..2 {
		assert_eq!(units(&stoa.json(&with(&top_up)), "paid"), 10_000);
	}
	let line = stoa.fail(&with(&top_up));
	assert!(line.contains("budget of 0.05 dUSD") && line.contains("--budget 0.06"), "{line}");
	assert_eq!(service.calls(), 4);
	let listed = stoa.json(&["channel", "list", "buyer"]);
	assert_eq!(listed["channels"].as_array().map(Vec::len), Some(1));
	assert_eq!(units(&listed["channels"][0], "deposit"), 40_000);
}

#[test]
fn errors_should_be_one_line_with_cause_and_advice_when_no_node_is_needed() {
	let stoa = Stoa::new("ws://127.0.0.1:1");
	stoa.json(&["keys", "new", "alpha"]);
	let mut wrong = Vec::new();
	for (args, cause, advice) in [
		(&["balances", "//Alice"][..], "ws://127.0.0.1:1", "--node"),
		(&["--node", "nonsense", "balances", "//Alice"], "nonsense", "--node"),
		(&["--node", "http://127.0.0.1:1", "balances", "//Alice"], "http://127.0.0.1:1", "--node"),
		(&["demo"], "ws://127.0.0.1:1", "--node"),
		(&["balances"], "no key", "--key"),
		(&["--key", "nobody", "balances"], "`nobody`", "stoa keys new nobody"),
		(&["--key", "../alpha", "balances"], "`../alpha`", "letters"),
		(&["keys", "show", "nobody"], "`nobody`", "stoa keys"),
		(&["keys", "new", "alpha"], "`alpha`", "another name"),
		(&["keys", "new", "a/b"], "`a/b`", "letters"),
		(&["balances", "5Grwva"], "`5Grwva`", "SS58"),
		(&["--key", "//Alice", "deposit", "1", "--for", "0x12"], "`0x12`", "SS58"),
		(&["--key", "//Alice", "channel", "top-up", "0x12", "1"], "`0x12`", "64 hex digits"),
		(&["--key", "//Alice", "channel", "show", "zz"], "`zz`", "64 hex digits"),
		(&["--key", "//Alice", "channel", "open", "//Bob", "1", "--grace", "1m"], "1m", "15 m"),
		(&["--key", "//Alice", "channel", "open", "//Bob", "1", "--grace", "soon"], "`soon`", "1h"),
		(&["--key", "//Alice", "referral", "claim", "ABC"], "`ABC`", "a-z"),
		(&["--key", "//Alice", "agent", "register", "--proof", "0x12"], "proof", "consent"),
		(
			&["--key", "alpha", "agent", "register", "--manifest-file", "/no/such"],
			"/no/such",
			"file",
		),
		(
			&["--key", "alpha", "call", "http://x/", "--max-price", "1", "-d", "@/no/such"],
			"/no/such",
			"file",
		),
		(
			&["--key", "alpha", "call", "http://x/", "--max-price", "1", "-H", "nothing"],
			"`nothing`",
			"Name: value",
		),
	] {
		let line = stoa.fail(args);
		if !line.contains(cause) || !line.contains(advice) {
			wrong.push((args, line));
		}
	}
	assert!(wrong.is_empty(), "{wrong:#?}");
	// Mistakes in the command line itself have a code of their own.
	for args in
		[&["nonsense"][..], &["deposit"], &["demo", "--calls", "0"], &["channel", "finalize"]]
	{
		assert_eq!(stoa.run(args).status.code(), Some(2), "{args:?}");
	}
}

#[test]
fn errors_should_name_the_file_when_a_key_file_is_damaged_or_open_to_others() {
	let stoa = Stoa::new("ws://127.0.0.1:1");
	stoa.json(&["keys", "new", "alpha"]);
	let path = stoa.home().join("keys/alpha.json");
	let good = fs::read(&path).unwrap();
	assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
	let show = ["keys", "show", "alpha"];

	for damaged in [&b""[..], b"{}", b"\xFF\xFE", &good[..good.len() / 2]] {
		fs::write(&path, damaged).unwrap();
		let line = stoa.fail(&show);
		assert!(line.contains("alpha.json"), "{line}");
	}
	fs::write(&path, &good).unwrap();
	fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
	let line = stoa.fail(&show);
	assert!(line.contains("alpha.json") && line.contains("chmod 600"), "{line}");
	// One bad file does not hide the others.
	stoa.json(&["keys", "new", "beta"]);
	let listed = stoa.json(&["keys", "list"]);
	assert_eq!(listed["keys"].as_array().map(Vec::len), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_should_be_one_line_with_cause_and_advice_when_the_chain_refuses() {
	let service = Service::start().await;
	let stoa = trader(&NODE, "//Dave");
	stoa.json(&["keys", "new", "poor"]);
	let nowhere = format!("0x{}", "05".repeat(32));
	let upstream = service.url();
	let serve = |url: &'static str, key: &'static str| {
		vec!["--key", key, "serve", "--price", "0.1", "--listen", "127.0.0.1:0", "--upstream", url]
	};

	let table: Vec<(Vec<&str>, &str)> = vec![
		(vec!["--key", "//Dave", "deposit", "0"], "zero"),
		(vec!["--key", "//Dave", "deposit", "-1"], "negative"),
		(vec!["--key", "//Dave", "deposit", "1e3"], "`1e3`"),
		(vec!["--key", "//Dave", "deposit", ""], "amount"),
		(vec!["--key", "//Dave", "deposit", "0.0000001"], "decimals"),
		(
			vec!["--key", "//Dave", "deposit", "340282366920938463463374607431768211456"],
			"too large",
		),
		(vec!["--key", "//Dave", "deposit", "2000000"], "InsufficientAssets"),
		(vec!["--key", "//Dave", "deposit", "1", "--asset", "99"], "asset 99"),
		(vec!["--key", "//Dave", "deposit", "1", "--asset", "usd"], "`usd`"),
		(vec!["--key", "buyer", "withdraw", "5"], "InsufficientCredits"),
		(vec!["--key", "buyer", "pay", "seller", "5"], "InsufficientCredits"),
		(vec!["--key", "buyer", "pay", "//Eve", "0.1"], "NotRegistered"),
		(vec!["--key", "buyer", "channel", "open", "seller", "5"], "InsufficientCredits"),
		(vec!["--key", "buyer", "channel", "open", "poor", "0.1"], "NotRegistered"),
		(vec!["--key", "buyer", "channel", "open", "buyer", "0.1"], "SelfChannel"),
		(vec!["--key", "buyer", "channel", "show", &nowhere], "no channel"),
		(vec!["--key", "buyer", "channel", "top-up", &nowhere, "1"], "no channel"),
		(vec!["--key", "buyer", "channel", "request-close", &nowhere], "no channel"),
		(vec!["--key", "buyer", "channel", "cancel-close", &nowhere], "no channel"),
		(vec!["--key", "seller", "channel", "close", &nowhere], "no channel"),
		(vec!["--key", "buyer", "channel", "finalize", &nowhere], "UnknownChannel"),
		(vec!["--key", "buyer", "channel", "settle"], "no store"),
		(vec!["--key", "poor", "withdraw", "1"], "refused"),
		(vec!["--key", "//Dave", "agent", "register", "seller"], "AlreadyRegistered"),
		(vec!["--key", "//Eve", "agent", "renew", "seller"], "NotOperator"),
		(vec!["--key", "//Eve", "agent", "show", "poor"], "no registered agent"),
		(
			vec!["--key", "//Eve", "agent", "register", "poor", "--referral", "nobody-has-it"],
			"UnknownCode",
		),
		(vec!["--key", "//Eve", "agent", "register", "poor", "--referral", "poor-"], "UnknownCode"),
		(vec!["--key", "buyer", "call", "nonsense", "--max-price", "1"], "URL"),
		(vec!["--key", "buyer", "call", "ftp://127.0.0.1/", "--max-price", "1"], "ftp"),
		(
			vec!["--key", "buyer", "call", "http://127.0.0.1:1/", "--max-price", "1"],
			"request failed",
		),
		(vec!["--key", "buyer", "call", &upstream, "--max-price", "0"], "zero"),
		(
			vec!["--key", "buyer", "agent", "consent", "//Dave", "--valid", "7d"],
			"no consent for longer than 1 d",
		),
		(serve("http://127.0.0.1:1", "poor"), "no active agent"),
		(serve("nonsense", "seller"), "upstream"),
		(serve("ftp://127.0.0.1", "seller"), "http"),
	];
	let lines = table.iter().map(|(args, cause)| (args, cause, stoa.fail(args)));
	let wrong: Vec<_> = lines.filter(|(_, cause, line)| !line.contains(**cause)).collect();
	assert!(wrong.is_empty(), "{wrong:#?}");
	let balances = stoa.json(&["balances", "buyer"]);
	let credits = units(&balances, "credits");
	assert!((900_000..1_000_000).contains(&credits), "only fees were paid: {credits}");
	// What the chain says in its own terms is said in those of the command.
	let output = stoa.run(&["--key", "buyer", "withdraw", "5", "--output", "json"]);
	let error: Value = serde_json::from_slice(&output.stderr).unwrap();
	assert!(text(&error["error"], "advice").contains("stoa deposit"), "{error}");
	// What costs nothing is simply fetched.
	let free = stoa.json(&["--key", "buyer", "call", &upstream, "--max-price", "1"]);
	assert_eq!((units(&free, "paid"), text(&free, "body")), (0, "0 words, call 0"));
}

#[test]
fn errors_should_name_the_file_when_a_store_is_damaged_or_of_another_chain() {
	let stoa = trader(&NODE, "//Eve");
	let store = stoa.home().join("vouchers.redb");
	let path = store.to_str().unwrap().to_owned();
	let settle = ["--key", "seller", "channel", "settle", "--store", &path];
	let line = stoa.fail(&settle);
	assert!(line.contains(&path), "{line}");
	for damaged in [&b"not a database"[..], &[0xA5; 65_536]] {
		fs::write(&store, damaged).unwrap();
		let line = stoa.fail(&settle);
		assert!(line.contains(&path), "{line}");
		let serve = ["--key", "seller", "serve", "--price", "0.1", "--listen", "127.0.0.1:0"];
		let rest = ["--upstream", "http://127.0.0.1:1", "--store", &path];
		stoa.fail(&[&serve[..], &rest].concat());
	}
	fs::remove_file(&store).unwrap();

	// A store cut off in the middle, as a full disk leaves it.
	let opened = stoa.json(&["--key", "buyer", "channel", "open", "seller", "0.1"]);
	assert_eq!(units(&opened, "deposit"), 100_000);
	let call = ["--key", "buyer", "call", "http://127.0.0.1:1/", "--max-price", "1"];
	stoa.fail(&call);
	let stores = stoa.home().join("stores");
	let chain = fs::read_dir(&stores).unwrap().next().unwrap().unwrap().path();
	let file = fs::read_dir(&chain).unwrap().next().unwrap().unwrap().path();
	let whole = fs::read(&file).unwrap();
	fs::write(&file, &whole[..whole.len() / 3]).unwrap();
	let line = stoa.fail(&call);
	assert!(line.contains(file.to_str().unwrap()), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn vouchers_should_not_be_given_up_when_a_store_is_not_the_sellers_own() {
	let service = Service::start().await;
	let stoa = trader(&OTHER, "//Bob");
	let upstream = service.url();
	let store = stoa.home().join("one.redb").to_str().unwrap().to_owned();
	let other = stoa.home().join("other.redb").to_str().unwrap().to_owned();
	let serve = ["--key", "seller", "--upstream", &upstream, "--price", "0.01", "--store"];
	let (mut gateway, url) = stoa.serve(&[&serve[..], &[&store]].concat());
	stoa.json(&["--key", "buyer", "call", &url, "--max-price", "0.01", "--open", "0.1"]);
	gateway.kill();
	let (mut gateway, _) = stoa.serve(&[&serve[..], &[&other]].concat());
	gateway.kill();
	let listed = stoa.json(&["channel", "list", "buyer"]);
	let id = text(&listed["channels"][0], "channel");

	// A store that knows nothing of the channel.
	let close = ["--key", "seller", "channel", "close", id, "--store"];
	let line = stoa.fail(&[&close[..], &[&other]].concat());
	assert!(line.contains("no voucher") && line.contains("--without-voucher"), "{line}");
	// The right store in the wrong hands, and for the wrong asset: nothing of it is forgotten.
	let settle = ["channel", "settle", "--store", &store, "--min-claim", "0"];
	for wrong in [&["--key", "buyer"][..], &["--key", "seller", "--asset", "native"]] {
		let line = stoa.fail(&[&settle[..], wrong].concat());
		assert!(line.contains("has vouchers") && line.contains("pass --"), "{line}");
	}
	let theirs = ["--key", "buyer", "serve", "--upstream", &upstream, "--price", "0.01"];
	let line = stoa.fail(&[&theirs[..], &["--listen", "127.0.0.1:0", "--store", &store]].concat());
	assert!(line.contains("has vouchers"), "{line}");

	let closed = stoa.json(&[&close[..], &[&store]].concat());
	assert_eq!((units(&closed, "paid_now"), units(&closed, "received")), (10_000, 8_500));
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_should_settle_when_the_fee_comes_after_the_start() {
	let service = Service::start().await;
	let stoa = Stoa::new(OTHER.url());
	for name in ["seller", "buyer"] {
		stoa.json(&["keys", "new", name]);
		stoa.json(&["--key", "//Charlie", "agent", "register", name]);
	}
	stoa.json(&["--key", "//Charlie", "deposit", "1", "--for", "buyer"]);
	let upstream = service.url();
	let terms = ["--price", "0.01", "--settle-above", "0.01"];
	let (mut gateway, url) =
		stoa.serve(&[&["--key", "seller", "--upstream", &upstream][..], &terms].concat());
	let mut said = |what: &'static str| {
		let line = gateway
			.wait_for(Duration::from_secs(30), |line| line.contains(what).then(|| line.to_owned()));
		line.unwrap_or_else(|| panic!("no `{what}` in {}", gateway.stderr().tail(20)))
	};
	let line = said("warning: ");
	assert!(line.contains("cannot pay") && line.contains("stoa deposit"), "{line}");
	stoa.json(&["--key", "buyer", "call", &url, "--max-price", "0.01", "--open", "0.1"]);
	let line = said("Settling fails: ");
	assert!(line.contains("balances"), "{line}");
	// Somebody sends as little as an account can have: that must not keep its credits from paying.
	let chain = market::connect(&OTHER).await;
	let seller = stoa.json(&["keys", "show", "seller"]);
	let seller = parse_account(text(&seller, "address")).unwrap();
	let dust = calls::transfer(seller, market::STOA / 1_000);
	let by = market::key("//Charlie");
	chain.submit(&dust, &by, SubmitOptions::in_block()).await.unwrap();
	stoa.json(&["--key", "//Charlie", "deposit", "0.1", "--for", "seller"]);
	said("Settling works again.");
	let lines = gateway.stderr().lines();
	assert_eq!(lines.iter().filter(|line| line.contains("Settling ")).count(), 2, "{lines:?}");
	let listed = stoa.json(&["channel", "list", "buyer"]);
	assert_eq!(units(&listed["channels"][0], "settled"), 10_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn call_should_fail_in_one_line_when_the_seller_has_nothing_to_sell() {
	let stoa = trader(&OTHER, "//Dave");
	let (_gateway, url) =
		stoa.serve(&["--key", "seller", "--upstream", "http://127.0.0.1:1", "--price", "0.01"]);
	let call = ["--key", "buyer", "call", &url, "--max-price", "0.01"];
	// What was locked for a call is told also when nothing comes of it.
	let output = stoa.run(&[&call[..], &["--open", "0.1", "--output", "json"]].concat());
	assert_eq!(output.status.code(), Some(1));
	let error: Value = serde_json::from_slice(&output.stderr).unwrap();
	assert_eq!(units(&error["error"]["opened"], "deposit"), 100_000);
	let line = stoa.fail(&call);
	assert!(line.contains("502: the service gave no answer"), "{line}");
	assert!(line.contains("nothing was paid"), "{line}");
}

#[test]
fn results_should_not_get_lost_when_standard_output_is_full() {
	let stoa = Stoa::new(OTHER.url());
	let output = stoa.run_full(&["keys", "new", "zed"]);
	assert_eq!(output.status.code(), Some(1));
	assert!(String::from_utf8_lossy(&output.stderr).contains("no key was kept"));
	assert_eq!(stoa.json(&["keys", "list"])["keys"].as_array().map(Vec::len), Some(0));
	for args in [&["balances", "//Alice"][..], &["balances", "//Alice", "--output", "json"]] {
		let output = stoa.run_full(args);
		assert_eq!(output.status.code(), Some(1), "{args:?}");
		assert!(String::from_utf8_lossy(&output.stderr).contains("cannot be written"));
	}
}

#[test]
fn referrers_should_see_their_codes() {
	let stoa = Stoa::new(OTHER.url());
	stoa.json(&["--key", "//Alice", "agent", "register"]);
	for code in ["zed-2", "zed-1"] {
		stoa.json(&["--key", "//Alice", "referral", "claim", code]);
	}
	let shown = stoa.json(&["referral", "show", "//Alice"]);
	assert_eq!(shown["codes"], serde_json::json!(["zed-1", "zed-2"]));
	assert_eq!((&shown["referrer"], &shown["referees"]), (&Value::Null, &0.into()));
}
