//! `stoa call`.

mod buyer;
mod explain;

use super::channel::parse_cap;
use crate::{
	amount::Unit,
	cli::Call,
	context::Context,
	output::{money, print, Failure, Format, Report},
	paying::Wallet,
	time::parse_span,
};
use buyer::{Buyer, Funds, Opening};
use explain::explain;
use std::{
	fs,
	io::{self, Read},
	path::Path,
	sync::Arc,
	time::Duration,
};
use stoa_client::{
	http::{HttpPolicy, PaidClient, PaidRequest, PaidResponse},
	payer::{Budgets, Policy},
	payment::Problem,
};
use stoa_primitives::Balance;

/// Run `stoa call`.
///
/// # Errors
///
/// Those of keys, amounts, stores, chain and seller.
pub async fn run(context: &Context, args: &Call) -> Result<Report, Failure> {
	let key = context.key()?;
	let request = request(args)?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let policy = policy(args, &unit)?;
	let opening = opening(args, &unit)?;
	let top_up = positive(&args.top_up, &unit)?.zip(positive(&args.budget, &unit)?);

	let mut wallet = Wallet::open(context, &chain, key, policy).await?;
	wallet.refresh().await?;
	let http = HttpPolicy {
		asset: Some(unit.asset.clone()),
		timeout: Duration::from_secs(args.timeout),
		ticks: args.ticks,
		..HttpPolicy::new(policy.max_price)
	};
	let client = PaidClient::new(wallet.payer.clone(), Arc::new(chain.clone()), http)?;
	let url = args.url.clone();
	let mut buyer = Buyer { context, chain: &chain, wallet, unit: &unit, url, opening, top_up };

	// Five things can be put right: a channel that is closing while another one is open, a missing
	// channel, a deposit that is used up, a key that the seller does not know yet, and what this process
	// does not know of the last call of another one. Of these, only one may lock money, and once.
	let (mut helped, mut funds) = (0, Funds::default());
	let ended = loop {
		match client.send(request.clone()).await {
			Ok(response) => {
				buyer.remember(&response);
				break finish(context, &unit, &response);
			},
			Err(error) if helped < 5 => match buyer.help(&error, &mut funds).await {
				Ok(true) => helped += 1,
				Ok(false) => break Err(explain(error, &unit)),
				Err(failure) => break Err(failure),
			},
			Err(error) => break Err(explain(error, &unit)),
		}
	};
	// What was locked and what was passed over is told however the call has ended.
	let told = funds.locked.into_iter();
	let passed = buyer.wallet.passed_over().map(|passed| ("passed_over", passed));
	told.chain(passed).fold(ended, |ended, (key, value)| match ended {
		Ok(report) => Ok(report.with(key, value)),
		Err(failure) => Err(failure.with(key, value)),
	})
}

/// An amount above zero, if one is given.
fn positive(text: &Option<String>, unit: &Unit) -> Result<Option<Balance>, Failure> {
	Ok(text.as_deref().map(|text| unit.parse_positive(text)).transpose()?)
}

/// What the arguments let the call cost.
fn policy(args: &Call, unit: &Unit) -> Result<Policy, Failure> {
	let policy = Policy::per_call(unit.parse_positive(&args.max_price)?);
	let max_unanswered = match &args.max_unanswered {
		Some(text) => unit.parse(text)?,
		None => policy.max_unanswered,
	};
	let budgets = Budgets {
		per_payee: positive(&args.spend_per_seller, unit)?.unwrap_or(Balance::MAX),
		in_all: positive(&args.spend_in_all, unit)?.unwrap_or(Balance::MAX),
		period: parse_span(&args.spend_period)?,
	};
	Ok(Policy { max_unanswered, budgets, ..policy })
}

/// What the arguments open a channel with.
fn opening(args: &Call, unit: &Unit) -> Result<Option<Opening>, Failure> {
	let Some(deposit) = positive(&args.open, unit)? else { return Ok(None) };
	let cap = args.cap.as_deref().map(|text| parse_cap(text, unit)).transpose()?;
	let lanes = args.lanes.unwrap_or(1);
	Ok(Some(Opening { deposit, lanes, cap, by_seller: args.authorize }))
}

/// The request that the arguments describe.
fn request(args: &Call) -> Result<PaidRequest, Failure> {
	let body = args.data.as_deref().map(body).transpose()?;
	let method = args.method.clone().unwrap_or_else(|| match &body {
		Some(_) => "POST".into(),
		None => "GET".into(),
	});
	let mut request = PaidRequest {
		method: method.to_ascii_uppercase(),
		url: args.url.clone(),
		headers: Vec::new(),
		body: body.unwrap_or_default(),
	};
	for header in &args.headers {
		let (name, value) = header.split_once(':').ok_or_else(|| {
			Failure::new(format!("`{header}` is no header"), "write it as `Name: value`")
		})?;
		request.headers.push((name.trim().to_string(), value.trim().to_string()));
	}
	Ok(request)
}

/// The body that `text` names: itself, `@FILE`, or `@-` for standard input.
fn body(text: &str) -> Result<Vec<u8>, Failure> {
	let read = match text.strip_prefix('@') {
		None => return Ok(text.as_bytes().to_vec()),
		Some("-") => {
			let mut bytes = Vec::new();
			io::stdin().read_to_end(&mut bytes).map(|_| bytes)
		},
		Some(path) => fs::read(Path::new(path)),
	};
	read.map_err(|error| {
		Failure::new(
			format!("the body {text} cannot be read: {error}"),
			"name a file that can be read",
		)
	})
}

/// Print the answer as it was asked for.
fn finish(context: &Context, unit: &Unit, response: &PaidResponse) -> Result<Report, Failure> {
	let text = String::from_utf8_lossy(&response.body);
	let good = (200..400).contains(&response.status);
	let detail = problem_detail(response);
	if context.format() == Format::Text && (good || detail.is_none()) {
		// The body as it came, byte for byte; what was paid does not belong to it.
		print(&response.body)
			.map_err(|failure| failure.with("paid", money(unit, response.paid)))?;
	}
	if !good {
		let cause = format!("the seller answered with status {}", response.status);
		return Err(Failure::new(
			match detail {
				Some(detail) => format!("{cause}: {detail}"),
				None => cause,
			},
			match response.paid {
				0 => "nothing was paid".into(),
				paid => format!("{} was paid for the answer", unit.show(paid)),
			},
		)
		.with("status", response.status)
		.with("paid", money(unit, response.paid))
		.with("body", text.into_owned()));
	}
	context.progress(&format!("paid {}, status {}", unit.show(response.paid), response.status));
	let report = Report::default()
		.with("status", response.status)
		.with("paid", money(unit, response.paid))
		.with("body", text.clone().into_owned());
	Ok(match std::str::from_utf8(&response.body) {
		Ok(_) => report,
		Err(_) => report.with("body_hex", hex::encode(&response.body)),
	})
}

/// What an answer that is a problem (RFC 9457) says of it, if it is one.
fn problem_detail(response: &PaidResponse) -> Option<String> {
	let (_, kind) =
		response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"))?;
	let problem: Problem = kind
		.starts_with("application/problem+json")
		.then(|| serde_json::from_slice(&response.body).ok())
		.flatten()?;
	Some(problem.detail.unwrap_or(problem.title))
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::cli::{Cli, Command};
	use clap::Parser;

	fn parse(line: &[&str]) -> Call {
		let line = ["stoa", "call", "http://x/y", "--max-price", "1"].iter().chain(line);
		match Cli::try_parse_from(line).unwrap().command {
			Command::Call(call) => call,
			other => panic!("{other:?}"),
		}
	}

	#[test]
	fn requests_should_follow_the_arguments() {
		let plain = request(&parse(&[])).unwrap();
		assert_eq!((plain.method.as_str(), plain.body.len()), ("GET", 0));
		let posted = request(&parse(&["-d", "text", "-H", "A: b:c", "-H", "X:y"])).unwrap();
		assert_eq!(posted.method, "POST");
		assert_eq!(posted.body, b"text");
		let header = |name: &str, value: &str| (name.to_string(), value.to_string());
		assert_eq!(posted.headers, [header("A", "b:c"), header("X", "y")]);
		assert_eq!(request(&parse(&["-X", "put", "-d", "x"])).unwrap().method, "PUT");
	}

	#[test]
	fn bodies_should_be_read_from_files() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("body");
		fs::write(&path, [0, 159, 146]).unwrap();
		assert_eq!(body(&format!("@{}", path.display())).unwrap(), [0, 159, 146]);
		let failure = body("@/does/not/exist").unwrap_err();
		assert!(failure.cause.contains("/does/not/exist"));
	}

	#[test]
	fn headers_should_be_refused_without_a_colon() {
		assert!(request(&parse(&["-H", "nothing"])).is_err());
	}

	#[test]
	fn problems_should_say_their_detail() {
		let answer = |kind: &str, body: &str| PaidResponse {
			status: 502,
			headers: vec![("Content-Type".into(), kind.into())],
			body: body.into(),
			paid: 0,
			channel: None,
			receipt: None,
		};
		let body = r#"{"type":"urn:x","title":"The service failed","status":502,"detail":"gone"}"#;
		let problem = "application/problem+json";
		assert_eq!(problem_detail(&answer(problem, body)).as_deref(), Some("gone"));
		assert_eq!(problem_detail(&answer("application/json", body)), None);
		assert_eq!(problem_detail(&answer(problem, "gone")), None);
	}

	#[test]
	fn limits_should_follow_the_arguments() {
		let unit = Unit::development();
		let plain = policy(&parse(&[]), &unit).unwrap();
		assert_eq!((plain.max_price, plain.max_unanswered), (1_000_000, 3_000_000));
		assert!(!plain.budgets.is_limited());
		let limits = ["--spend-per-seller", "2", "--spend-in-all", "3", "--spend-period", "1h"];
		let budgets = policy(&parse(&limits), &unit).unwrap().budgets;
		assert_eq!((budgets.per_payee, budgets.in_all), (2_000_000, 3_000_000));
		assert_eq!(budgets.period, Duration::from_secs(3_600));
	}

	#[test]
	fn channels_should_be_opened_with_what_the_arguments_say() {
		let unit = Unit::development();
		assert!(opening(&parse(&[]), &unit).unwrap().is_none());
		let args = ["--open", "1", "--lanes", "4", "--cap", "0.5/1h"];
		let opened = opening(&parse(&args), &unit).unwrap().unwrap();
		assert_eq!((opened.deposit, opened.lanes, opened.by_seller), (1_000_000, 4, false));
		assert_eq!(opened.cap.map(|cap| cap.window), Some(1_800));
		assert!(
			opening(&parse(&["--open", "1", "--authorize"]), &unit).unwrap().unwrap().by_seller
		);
	}
}
