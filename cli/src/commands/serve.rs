//! `stoa serve`.

use crate::{
	cli::Serve,
	context::Context,
	keys::private_dir,
	output::{money, note, Failure, Format, Report},
	signals::stopped,
	time::parse_span,
};
use serde_json::json;
use std::sync::Arc;
use stoa_client::{
	chain::{At, SignedChain},
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
	if let Some(dir) = store.parent() {
		private_dir(dir).map_err(|error| {
			Failure::new(
				format!("the directory {} cannot be made: {error}", dir.display()),
				"choose another file with --store",
			)
		})?;
	}

	// A claim in a block that is retracted later must not count as settled.
	let options = context.final_options(&chain, &key).await?;
	let signed = Arc::new(SignedChain::new(chain.clone(), key.account.clone(), options));
	let mut config = GatewayConfig::new(
		args.upstream.clone(),
		price,
		unit.asset.clone(),
		key.account.clone(),
		store.clone(),
	);
	config.realm = args.realm.clone();
	config.settle = SettlePolicy { interval, max_unsettled: exposure, ..SettlePolicy::default() };
	// Done below, where its outcome can be shown.
	config.settle_on_shutdown = false;
	let gateway = Gateway::new(config, signed).await?;

	context.progress(&format!(
		"Selling {} at {} a call on http://{address}, paid to {}",
		args.upstream,
		unit.show(price),
		format_account(&key.account_id()),
	));
	context
		.progress(&format!("Vouchers are kept in {}. Ctrl-C settles and stops.", store.display()));
	if context.format() == Format::Json {
		// On standard error: standard output is for the one object at the end.
		note(&json!({ "serving": { "address": address.to_string() } }).to_string());
	}
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
	let totals = gateway.stats();
	let report = super::channel::report_settled(&unit, &settled);
	Ok(report
		.with("address", address.to_string())
		.with("price", money(&unit, price))
		.with("calls", totals.accepted)
		.with("store", store.display().to_string()))
}
