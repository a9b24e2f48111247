//! `stoa call`.

use super::channel::find;
use crate::{
	amount::Unit,
	cli::Call,
	context::{asset_argument, open_store, show_asset, Context, STORE_PATIENCE},
	keys::KeyPair,
	output::{money, print, Failure, Format, Report},
	time::show_blocks,
};
use serde_json::{json, Value};
use std::{
	fs,
	io::{self, Read},
	path::Path,
	sync::Arc,
	time::Duration,
};
use stoa_client::{
	chain::{calls, to_hex, At, Chain, ChannelInfo, OpenChannel, Phase},
	http::{HttpError, HttpPolicy, PaidClient, PaidRequest, PaidResponse},
	keys::format_account,
	payer::{
		top_up::{Deposit, TopUpPolicy, TopUpRefusal},
		PayError, Payer, Policy, Refusal,
	},
	payment::Problem,
};
use stoa_primitives::{
	channel::DEFAULT_GRACE, AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS,
};

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
	let max_price = unit.parse_positive(&args.max_price)?;
	let positive =
		|text: &Option<String>| text.as_deref().map(|text| unit.parse_positive(text)).transpose();
	let open = positive(&args.open)?;
	let top_up = positive(&args.top_up)?.zip(positive(&args.budget)?);
	let policy = Policy::per_call(max_price);
	let policy = match &args.max_unanswered {
		Some(text) => Policy { max_unanswered: unit.parse(text)?, ..policy },
		None => policy,
	};

	let path = context.payer_store(&chain, &key.account_id());
	let store = open_store(&path, STORE_PATIENCE).await?;
	let payer = Payer::new(store, chain.genesis(), policy)?;
	// Before anything of the store is put right by what the chain says.
	payer.verify_chain(&chain).await?;
	let buyer =
		Buyer { context, chain: &chain, key: &key, payer: &payer, unit: &unit, open, top_up };
	buyer.refresh().await?;
	let policy = HttpPolicy {
		asset: Some(unit.asset.clone()),
		timeout: Duration::from_secs(args.timeout),
		..HttpPolicy::new(max_price)
	};
	let client = PaidClient::new(payer.clone(), Arc::new(chain.clone()), policy)?;

	// Four things can be put right: a channel that is closing while another one is open, a missing
	// channel, a deposit that is used up, and what this process does not know of the last call of
	// another one. Of these, only one may lock money, and once.
	let (mut helped, mut funds) = (0, Funds::default());
	let ended = loop {
		match client.send(request.clone()).await {
			Ok(response) => break finish(context, &unit, &response),
			Err(error) if helped < 4 => match buyer.help(&error, &mut funds).await {
				Ok(true) => helped += 1,
				Ok(false) => break Err(explain(error, &unit)),
				Err(failure) => break Err(failure),
			},
			Err(error) => break Err(explain(error, &unit)),
		}
	};
	// What was locked is told however the call has ended.
	match (ended, funds.locked) {
		(Ok(report), Some((key, locked))) => Ok(report.with(key, locked)),
		(Err(failure), Some((key, locked))) => Err(failure.with(key, locked)),
		(ended, None) => ended,
	}
}

/// What a run of the command does to lock money for its call.
#[derive(Default)]
struct Funds {
	/// Whether it has tried to: not again, since the first time may have worked.
	tried: bool,
	/// What it has locked, for programs.
	locked: Option<(&'static str, Value)>,
}

/// Who calls, and with what.
struct Buyer<'a> {
	context: &'a Context,
	chain: &'a Chain,
	key: &'a KeyPair,
	payer: &'a Payer,
	unit: &'a Unit,
	/// What to open a channel with.
	open: Option<Balance>,
	/// What to add to a deposit, and what the deposit may come to.
	top_up: Option<(Balance, Balance)>,
}

impl Buyer<'_> {
	/// Bring what the store says of channels up to date, and forget those that have ended.
	async fn refresh(&self) -> Result<(), Failure> {
		for channel in self.payer.channels() {
			match self.chain.channel(&channel.id, At::Best).await? {
				Some(info) => self.payer.add_channel(&info, self.key.voucher.clone()).await?,
				// Seen to be gone in finalized state as well: it cannot come back.
				None if self.chain.channel(&channel.id, At::Finalized).await?.is_none() => {
					self.payer.remove_channel(&channel.id).await?
				},
				None => {},
			}
		}
		Ok(())
	}

	/// Put right what `error` says is missing, if `--open` or `--top-up` allow it. Returns whether to try
	/// again. Locks money at most once: what a seller says must not cost more than these options allow.
	async fn help(&self, error: &HttpError, funds: &mut Funds) -> Result<bool, Failure> {
		match error {
			HttpError::ChannelMissing { payee, asset, min_grace, .. } => {
				// The one that was tried is passed over now, since the chain says that it is not open.
				if let Some(other) = self.payer.find(payee, asset) {
					self.context.progress(&format!("using channel {}", to_hex(other)));
					return Ok(true);
				}
				if let Some(info) = self.adopt(payee, asset).await? {
					self.context.progress(&format!("using channel {}", to_hex(info.id)));
					return Ok(true);
				}
				let Some(deposit) = self.open.filter(|_| !funds.tried) else { return Ok(false) };
				let grace = grace(*min_grace)?;
				funds.tried = true;
				let info = self.open(payee, asset, deposit, grace).await?;
				let (id, amount) = (to_hex(info.id), money(self.unit, deposit));
				self.context
					.progress(&format!("opened channel {id} with {}", self.unit.show(deposit)));
				funds.locked = Some(("opened", json!({ "channel": id, "deposit": amount })));
				Ok(true)
			},
			HttpError::TopUpNeeded { channel, shortfall } => {
				let Some((amount, budget)) = self.top_up.filter(|_| !funds.tried) else {
					return Ok(false);
				};
				let known = self.payer.channels().into_iter().find(|known| known.id == *channel);
				let known = known.map_or(0, |known| known.deposit);
				let newest = find(self.chain, channel).await?.deposit;
				let needed = known.saturating_add(*shortfall);
				let deposit = Deposit { needed, known, newest, spent: 0 };
				check_top_up(self.unit, deposit, amount, budget)?;
				funds.tried = true;
				let call = calls::top_up(*channel, amount);
				let options = self.context.final_options(self.chain, self.key, &call).await?;
				self.chain.submit(&call, &self.key.account, options).await?;
				let info = find(self.chain, channel).await?;
				self.payer.add_channel(&info, self.key.voucher.clone()).await?;
				// A seller reads a channel again no sooner than an eighth of a block after the last
				// time, which was just now.
				tokio::time::sleep(Duration::from_millis(BLOCK_MILLIS / 4)).await;
				let (id, added) = (to_hex(channel), money(self.unit, amount));
				self.context
					.progress(&format!("topped up channel {id} by {}", self.unit.show(amount)));
				funds.locked = Some(("topped_up", json!({ "channel": id, "amount": added })));
				Ok(true)
			},
			// The seller has just told what the last voucher was, and the next does not fit the
			// deposit: the second try says which channel is short.
			HttpError::Pay(PayError::Refused(Refusal::DepositTooLow { .. })) => Ok(true),
			_ => Ok(false),
		}
	}

	/// A channel that this key has opened to `payee` before, and that the store does not know.
	async fn adopt(
		&self,
		payee: &AccountId,
		asset: &AssetId,
	) -> Result<Option<ChannelInfo>, Failure> {
		let known: Vec<_> = self.payer.channels().iter().map(|channel| channel.id).collect();
		let payer = self.key.account_id();
		let fits = |info: &ChannelInfo| {
			info.payer == payer
				&& info.payee == *payee
				&& info.asset == *asset
				&& info.phase == Phase::Open
				&& info.key == self.key.voucher.key()
				&& !known.contains(&info.id)
		};
		let found = self.chain.channels(At::Finalized).await?.into_iter().find(fits);
		if let Some(info) = &found {
			self.payer.add_channel(info, self.key.voucher.clone()).await?;
		}
		Ok(found)
	}

	async fn open(
		&self,
		payee: &AccountId,
		asset: &AssetId,
		deposit: Balance,
		grace: BlockNumber,
	) -> Result<ChannelInfo, Failure> {
		let key = self.key.voucher.key();
		let open =
			OpenChannel { grace, ..OpenChannel::new(payee.clone(), asset.clone(), deposit, key) };
		// Sellers believe finalized state only.
		let call = calls::open(open.clone());
		let options = self.context.final_options(self.chain, self.key, &call).await?;
		let (info, _) = self.chain.open_channel(open, &self.key.account, options).await?;
		self.payer.add_channel(&info, self.key.voucher.clone()).await?;
		Ok(info)
	}
}

/// The grace period to open a channel with: the default, if the seller takes it.
fn grace(min_grace: BlockNumber) -> Result<BlockNumber, Failure> {
	match min_grace <= DEFAULT_GRACE {
		true => Ok(DEFAULT_GRACE),
		false => Err(Failure::new(
			format!(
				"the seller wants a grace period of {}, longer than the {} that --open gives",
				show_blocks(min_grace),
				show_blocks(DEFAULT_GRACE)
			),
			"if that is fine, open a channel with `stoa channel open --grace`",
		)),
	}
}

/// Whether a top-up by `amount` is needed, suffices, and leaves a deposit within `budget`.
fn check_top_up(
	unit: &Unit,
	deposit: Deposit,
	amount: Balance,
	budget: Balance,
) -> Result<(), Failure> {
	// One command tops up once: its budget is what the deposit may come to.
	let policy = TopUpPolicy {
		below: 0,
		add: amount,
		max_deposit: budget,
		budget: Balance::MAX,
		period: Duration::ZERO,
	};
	let refusal = match policy.decide(deposit) {
		Ok(_) => return Ok(()),
		Err(refusal) => refusal,
	};
	Err(match refusal {
		TopUpRefusal::Unfinalized => Failure::new(
			"the channel holds enough, but its last top-up is not final yet",
			"try again in some seconds",
		),
		TopUpRefusal::TooLittle { missing, add } => Failure::new(
			format!(
				"the deposit is short by {}, more than the {} of --top-up",
				unit.show(missing),
				unit.show(add)
			),
			format!("pass --top-up {} or more", unit.number(missing)),
		),
		TopUpRefusal::AboveDeposit { deposit, add, limit } => Failure::new(
			format!(
				"the deposit of {} is used up, and {} more would be above the budget of {}",
				unit.show(deposit),
				unit.show(add),
				unit.show(limit)
			),
			format!(
				"pass --budget {} if the seller is worth it",
				unit.number(deposit.saturating_add(add))
			),
		),
		// Only a policy with a budget over time says so.
		TopUpRefusal::BudgetSpent { .. } => Failure::new(refusal.to_string(), "try again later"),
	})
}

/// What a refused call means for who typed it.
fn explain(error: HttpError, unit: &Unit) -> Failure {
	match error {
		HttpError::ChannelMissing { payee, suggested_deposit, .. } => {
			let address = format_account(&payee);
			let deposit = unit.number(suggested_deposit);
			Failure::new(
				format!("there is no channel to the seller {address}"),
				format!(
					"pass --open {deposit}, or open one: stoa channel open {address} {deposit}"
				),
			)
			.with("payee", address)
			.with("suggested_deposit", money(unit, suggested_deposit))
		},
		HttpError::TopUpNeeded { channel, shortfall } => Failure::new(
			format!("the deposit of channel {} is used up", to_hex(channel)),
			format!(
				"add to it with `stoa channel top-up {} {}`, or let this command do it with --top-up \
				 AMOUNT --budget TOTAL",
				to_hex(channel),
				unit.number(shortfall)
			),
		)
		.with("channel", to_hex(channel))
		.with("shortfall", money(unit, shortfall)),
		HttpError::PriceAboveLimit { price, limit } => Failure::new(
			format!(
				"the call costs {}, more than the limit of {}",
				unit.show(price),
				unit.show(limit)
			),
			format!("pass --max-price {} if it is worth that much", unit.number(price)),
		)
		.with("price", money(unit, price)),
		HttpError::WrongAsset { actual, .. } => Failure::new(
			format!("the seller wants to be paid in {}", show_asset(&actual)),
			format!("pass --asset {}", asset_argument(&actual)),
		),
		HttpError::Pay(PayError::Refused(Refusal::Unanswered { unanswered, limit })) => {
			Failure::new(
				format!(
					"the seller wants {} for calls that it never answered here, more than the {} \
					 that are allowed",
					unit.show(unanswered),
					unit.show(limit)
				),
				format!(
					"stop calling it and end the channel with `stoa channel request-close`, or go \
					 on with --max-unanswered {}",
					unit.number(unanswered)
				),
			)
			.with("unanswered", money(unit, unanswered))
			.with("limit", money(unit, limit))
		},
		other => Failure::from(other),
	}
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
	fn grace_periods_should_not_be_longer_than_the_default() {
		assert_eq!(grace(0).unwrap(), DEFAULT_GRACE);
		assert_eq!(grace(DEFAULT_GRACE).unwrap(), DEFAULT_GRACE);
		let failure = grace(DEFAULT_GRACE + 1).unwrap_err();
		assert!(failure.cause.contains("grace period"), "{failure}");
	}

	#[test]
	fn top_ups_should_be_needed_suffice_and_stay_within_the_budget() {
		let unit = Unit::development();
		let check = |shortfall: Balance, newest, amount, budget| {
			let deposit = Deposit { needed: 100 + shortfall, known: 100, newest, spent: 0 };
			check_top_up(&unit, deposit, amount, budget)
		};
		check(10, 100, 10, 110).unwrap();
		check(10, 105, 5, 110).unwrap();
		let pending = check(10, 110, 10, 200).unwrap_err();
		assert!(pending.cause.contains("not final"), "{pending}");
		let dear = check(11, 100, 10, 200).unwrap_err();
		assert!(dear.advice.contains("--top-up 0.000011"), "{dear}");
		let spent = check(10, 100, 10, 109).unwrap_err();
		assert!(spent.advice.contains("--budget 0.00011"), "{spent}");
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
	fn refusals_should_say_what_to_type() {
		let unit = Unit::development();
		let payee = AccountId::new([1; 32]);
		let missing = HttpError::ChannelMissing {
			payee: payee.clone(),
			asset: unit.asset.clone(),
			suggested_deposit: 1_000_000,
			min_grace: 450,
		};
		assert!(explain(missing, &unit).advice.contains("--open 1,"));
		let dear = HttpError::PriceAboveLimit { price: 200, limit: 100 };
		assert!(explain(dear, &unit).advice.contains("--max-price 0.0002"));
		let owed = Refusal::Unanswered { unanswered: 400, limit: 300 };
		let owed = explain(HttpError::Pay(owed.into()), &unit);
		assert!(owed.advice.contains("--max-unanswered 0.0004"), "{owed}");
	}
}
