//! `stoa serve`.

use crate::{
	amount::Unit,
	backup::Backup,
	cli::Serve,
	context::Context,
	fees::can_pay,
	output::{money, note, tell, Failure, Format, Report},
	settling::{open_vouchers, quote, report_settled, sample, worth, Till},
	signals::stopped,
	time::{parse_span, to_blocks},
};
use serde_json::json;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use stoa_client::{
	chain::{At, SubmitOptions, Wait},
	keys::format_account,
	settle::SettlePolicy,
};
use stoa_gateway::{Gateway, GatewayConfig, OpeningPolicy};
use stoa_primitives::Balance;
use tokio::{net::TcpListener, task::JoinHandle};

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
	let backup = Backup::new(context, &args.backup)?;
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
	let (listener, address) = bind(&args.listen, "--listen, like 127.0.0.1:8402").await?;
	let door = match &args.metrics {
		Some(metrics) => Some(bind(metrics, "--metrics, like 127.0.0.1:9100").await?),
		None => None,
	};
	let store = match &args.store {
		Some(path) => path.clone(),
		None => context.payee_store(&chain, &key.account_id(), &unit.asset),
	};
	let account = key.account_id();
	// A gateway that is being stopped may take longer than anybody wants to wait here.
	let vouchers =
		open_vouchers(context, &chain, &store, Duration::ZERO, &account, &unit.asset).await?;
	if args.backup.recover {
		backup.recover(context, &chain, vouchers.as_ref(), &key, &unit).await?;
	}

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
	choose(&mut config, args, &unit)?;
	// Done below, where its outcome can be shown.
	config.settle_on_shutdown = false;
	let gateway = Gateway::with_openings(config, vouchers, till.clone(), till.clone()).await?;

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
	let door = door.map(|(listener, address)| open_door(context, &gateway, listener, address));
	if format == Format::Json {
		// On standard error: standard output is for the one object at the end.
		let mut terms =
			json!({ "address": address.to_string(), "min_claim": money(&unit, min_claim) });
		if let (Some(door), Some(terms)) = (&door, terms.as_object_mut()) {
			terms.insert("metrics".into(), door.address.to_string().into());
		}
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
	let backing_up = backup.start(context, gateway.payee(), &key, &unit);
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
	// What comes to nothing here must be with the watchtowers.
	if let Some(backing_up) = backing_up {
		tokio::select! {
			() = backing_up.finish() => {},
			stop = stopped() => stop?,
		}
	}
	// Nobody settles or closes from here on but this command.
	drop(door);
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

/// What can be paid with, and which channels are taken and opened.
fn choose(config: &mut GatewayConfig, args: &Serve, unit: &Unit) -> Result<(), Failure> {
	config.tick_value = match (args.no_ticks, &args.tick_value) {
		(true, _) => None,
		(false, Some(text)) => Some(unit.parse_positive(text)?),
		(false, None) => Some(config.price),
	};
	config.openings = match &args.open_min {
		Some(text) => Some(OpeningPolicy {
			per_hour: args.opens_per_hour,
			..OpeningPolicy::new(unit.parse_positive(text)?)
		}),
		None => None,
	};
	config.min_grace = to_blocks(parse_span(&args.min_grace)?);
	config.settle_horizon = to_blocks(parse_span(&args.settle_horizon)?);
	config.max_stall = parse_span(&args.max_stall)?;
	Ok(())
}

/// A listener and its address; `choose` is how to choose another.
/// Listens on `address`; `choose` says how another one is chosen.
///
/// # Errors
///
/// When it cannot be opened.
pub async fn bind(address: &str, choose: &str) -> Result<(TcpListener, SocketAddr), Failure> {
	let failed = |error: io::Error| {
		Failure::new(
			format!("the address {address} cannot be opened: {error}"),
			format!("choose a free one with {choose}"),
		)
	};
	let listener = TcpListener::bind(address).await.map_err(failed)?;
	let address = listener.local_addr().map_err(failed)?;
	Ok((listener, address))
}

/// The listener of the operator, open as long as this value lives.
struct Door {
	address: SocketAddr,
	task: JoinHandle<()>,
}

impl Drop for Door {
	fn drop(&mut self) {
		self.task.abort();
	}
}

fn open_door(
	context: &Context,
	gateway: &Gateway,
	listener: TcpListener,
	address: SocketAddr,
) -> Door {
	context.progress(&format!(
		"Metrics are at http://{address}/metrics; commands are taken there from this machine."
	));
	let gateway = gateway.clone();
	let task = tokio::spawn(async move {
		if let Err(error) = gateway.serve_operator(listener, std::future::pending()).await {
			tracing::error!(%error, "the listener for metrics has failed");
		}
	});
	Door { address, task }
}
