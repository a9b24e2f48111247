//! `stoa serve`.

use crate::{
	cli::Serve,
	context::Context,
	fees::can_pay,
	output::{money, note, tell, Failure, Format, Report},
	settling::{open_vouchers, quote, report_settled, sample, worth, Till},
	signals::stopped,
	time::parse_span,
};
use serde_json::json;
use std::{sync::Arc, time::Duration};
use stoa_client::{
	chain::{At, SubmitOptions, Wait},
	keys::format_account,
	settle::SettlePolicy,
};
use stoa_gateway::{Gateway, GatewayConfig};
use stoa_primitives::Balance;
use tokio::net::TcpListener;

/// Calls that may be owed before they are settled, unless an amount is given.
const DEFAULT_EXPOSURE_CALLS: Balance = 100_000;

/// Run `stoa serve` until it is told to stop.
///
/// # Errors
///
/// Those of keys, amounts, addresses, stores and chain.
pub async fn run(context: &Context, args: &Serve) -> Result<Report, Failure> {
	let key = context.key()?;
	let interval = parse_span(&args.settle_every)?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let price = unit.parse_positive(&args.price)?;
	let exposure = match &args.settle_above {
		Some(text) => unit.parse_positive(text)?,
		None => price.saturating_mul(DEFAULT_EXPOSURE_CALLS),
	};
	match chain.agent(&key.account_id(), At::Best).await? {
		Some(agent) if agent.active => {},
		_ => {
			return Err(Failure::new(
				format!("{} is no active agent, so nobody can open a channel to it", key.address()),
				"register it with `stoa agent register`, or renew its lease",
			))
		},
	}
	let listener = TcpListener::bind(&args.listen).await.map_err(|error| {
		Failure::new(
			format!("the address {} cannot be opened: {error}", args.listen),
			"choose a free one with --listen, like 127.0.0.1:8402",
		)
	})?;
	let address = listener.local_addr().map_err(|error| {
		Failure::new(format!("the address is not known: {error}"), "choose another with --listen")
	})?;
	let store = match &args.store {
		Some(path) => path.clone(),
		None => context.payee_store(&chain, &key.account_id(), &unit.asset),
	};
	let account = key.account_id();
	// A gateway that is being stopped may take longer than anybody wants to wait here.
	let vouchers =
		open_vouchers(context, &chain, &store, Duration::ZERO, &account, &unit.asset).await?;

	let fees = context.fees()?;
	let fee = fees.choose(&chain, &key.account, &sample()).await?;
	let native = quote(&chain, &key).await?;
	let min_claim = match &args.min_claim {
		Some(text) => unit.parse(text)?,
		None => worth(&chain, native, &unit.asset).await?,
	};
	// A claim in a block that is retracted later must not count as settled.
	let options = SubmitOptions { wait: Wait::Finalized, ..SubmitOptions::default() };
	let format = context.format();
	let till = Arc::new(Till::new(chain.clone(), key.clone(), fees, options, format));
	let mut config = GatewayConfig::new(
		args.upstream.clone(),
		price,
		unit.asset.clone(),
		key.account.clone(),
		store.clone(),
	);
	config.realm = args.realm.clone();
	config.settle = SettlePolicy {
		interval,
		max_unsettled: exposure,
		min_batch: min_claim,
		..SettlePolicy::default()
	};
	// Done below, where its outcome can be shown.
	config.settle_on_shutdown = false;
	let gateway = Gateway::with_store(config, vouchers, till.clone()).await?;

	context.progress(&format!(
		"Selling {} at {} a call on http://{address}, paid to {}",
		args.upstream,
		unit.show(price),
		format_account(&account),
	));
	context
		.progress(&format!("Vouchers are kept in {}. Ctrl-C settles and stops.", store.display()));
	if min_claim > 0 {
		context.progress(&format!(
			"Claims that add up to less than {} wait, unless their channel closes: the fee would take \
			 them.",
			unit.show(min_claim)
		));
	}
	if format == Format::Json {
		// On standard error: standard output is for the one object at the end.
		let terms = json!({ "address": address.to_string(), "min_claim": money(&unit, min_claim) });
		note(&json!({ "serving": terms }).to_string());
	}
	if !can_pay(&chain, &account, &fee, native).await? {
		let warning = Failure::new(
			format!("nothing can be settled yet: {} cannot pay the fee", key.address()),
			format!("pay credits in for it: stoa deposit 0.1 --for {}", key.name),
		);
		let json = json!({ "warning": { "cause": warning.cause, "advice": warning.advice } });
		tell(format, &format!("warning: {warning}"), &json);
	}
	till.watch(true);
	let until = async {
		if let Err(failure) = stopped().await {
			tracing::error!("{failure}");
		}
	};
	tokio::select! {
		served = gateway.serve(listener, until) => served?,
		// The first time, calls under way are answered; the second time, not even that.
		stop = async { stopped().await?; stopped().await } => {
			stop?;
			context.progress("Stopped while calls were under way.");
		},
	}
	// How the last settlement ends is what the command ends with.
	till.watch(false);
	context.progress("Settling what is owed; Ctrl-C leaves it.");
	let settled = tokio::select! {
		settled = gateway.settle_now() => settled?,
		stop = stopped() => {
			stop?;
			return Err(Failure::new(
				"stopped before everything was settled",
				"the store has every voucher; `stoa channel settle` turns them into money",
			))
		},
	};
	let stats = gateway.stats();
	let report =
		report_settled(context, &chain, &unit, &account, &settled, stats.unsettled, min_claim)
			.await;
	let all = till.sums();
	Ok(report
		.count("calls", "calls", stats.accepted)
		.shown("since the start", all.line(context, &chain, &unit).await)
		.with("since_start", all.json(context, &chain, &unit).await)
		.with("address", address.to_string())
		.with("price", money(&unit, price))
		.with("store", store.display().to_string()))
}
