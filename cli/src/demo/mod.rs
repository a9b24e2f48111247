//! `stoa demo`: agents on a real chain pay each other per call, and every figure is checked.

mod api;
mod cast;
mod checks;
mod documents;
mod ledger;
mod observe;
mod procurement;
mod trade;

use crate::{
	cli::{Demo, Scenario},
	context::Context,
	keys::private_dir,
	output::{Failure, Report},
	signals::stopped,
};
use api::Service;
use cast::{Cast, Plan, Stage};
use ledger::{Fees, Latency, Ledger, Purpose};
use observe::{Seen, Snapshot};
use std::{
	net::SocketAddr,
	path::PathBuf,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};
use stoa_client::{
	chain::{At, BlockRef, Chain, ChannelInfo, SignedChain, Wait},
	settle::SettlePolicy,
};
use stoa_gateway::{Gateway, GatewayConfig};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use trade::{consume, Tally, Task};

/// Longer than any demo: the one settlement is made when all calls are made.
const NEVER: Duration = Duration::from_secs(86_400 * 365);

/// Play the demo until it ends or is told to stop. Returns the ledger, and the failure that a
/// mismatch is.
///
/// # Errors
///
/// When it cannot be played to its end.
pub async fn run(context: &Context, args: &Demo) -> Result<(Report, Option<Failure>), Failure> {
	tokio::select! {
		played = play(context, args) => played,
		stop = stopped() => {
			stop?;
			Err(Failure::new("the demo was interrupted", "start it again: accounts are always fresh"))
		},
	}
}

async fn play(context: &Context, args: &Demo) -> Result<(Report, Option<Failure>), Failure> {
	match args.scenario {
		Scenario::Calls => play_calls(context, args).await,
		Scenario::Procurement => procurement::play(context, args).await,
	}
}

/// Everything in a demo waits for finality: better to know at once that there is none than after minutes.
async fn await_finality(context: &Context, chain: &Chain) -> Result<(), Failure> {
	context.progress("waiting until the newest block is final");
	if context.reaches_finality(chain).await? {
		return Ok(());
	}
	let (best, last) = (chain.block(At::Best).await?, chain.block(At::Finalized).await?);
	Err(Failure::new(
		format!(
			"the chain finalises nothing: its best block is {}, the last final one is still {}",
			best.number, last.number
		),
		"look at the node's log: do enough of its authorities run and see each other?",
	))
}

async fn play_calls(context: &Context, args: &Demo) -> Result<(Report, Option<Failure>), Failure> {
	let chain = context.chain().await?;
	let unit = context.unit(&chain, "1").await?;
	let price = unit.parse_positive(&args.price)?;
	let plan = Plan::new(&unit, price, args.calls)?;
	let cast = Cast::new(args.consumers)?;
	let stores = Stores::new(args.keep.clone())?;
	await_finality(context, &chain).await?;
	let mut stage =
		Stage { context, chain: &chain, unit: &unit, fees: Fees::default(), paid: Vec::new() };

	context.progress("1/6 endowing an operator and a referrer from //Alice");
	let first = stage.endow(&cast, &plan).await?;
	let before = Snapshot::take(&chain, &unit.asset, first, &cast).await?;

	context.progress(&format!(
		"2/6 registering a referrer, a provider and {} consumers, paying credits in",
		cast.consumers.len()
	));
	stage.onboard(&cast, &plan).await?;

	context.progress("3/6 opening one channel for each consumer, waiting until they are final");
	let channels = stage.open(&cast, &plan).await?;

	let total = u64::from(args.calls).saturating_mul(u64::from(args.consumers));
	context.progress(&format!("4/6 making {total} paid calls at {}", unit.show(price)));
	let shop = Shop::open(&stage, &cast, &plan, &stores).await?;
	let started = Instant::now();
	let tallies = trade(&stage, &cast, &plan, &channels, &stores, &shop).await?;
	let took = started.elapsed();
	let causes: Vec<_> = tallies.iter().filter_map(|tally| tally.first_error.as_ref()).collect();
	for cause in &causes {
		context.progress(&format!("    a call failed: {cause}"));
	}
	if tallies.iter().all(|tally| tally.answered == 0) {
		let cause = causes.first().map_or("", |cause| cause.as_str());
		return Err(Failure::new(
			format!("no call was answered: {cause}"),
			"run the demo again with -v to see more",
		));
	}

	context.progress("5/6 settling in one batch, closing the channels");
	let settled = shop.gateway.settle_now().await?;
	for batch in &settled.batches {
		stage.charge("settle all channels", Purpose::Trade, &cast.provider, &batch.submitted);
	}
	let served = shop.gateway.stats().accepted;
	let last = stage.close(&cast, &channels).await?;
	shop.close().await?;

	context.progress("6/6 reading state and events");
	let after = Snapshot::take(&chain, &unit.asset, last, &cast).await?;
	let seen = Seen::read(&chain, &unit.asset, first, last).await?;
	let facts = observe::facts(observe::Run {
		plan: &plan,
		unit: &unit,
		cast: &cast,
		stage: &stage,
		channels: &channels,
		tallies: &tallies,
		served,
		before: &before,
		after: &after,
		seen: &seen,
	})?;

	let mut latency = Latency::new()?;
	let mut errors = 0u64;
	for tally in &tallies {
		latency.add(&tally.latency)?;
		errors = errors.saturating_add(tally.errors);
	}
	let mut ledger = Ledger {
		run: about(context, &chain, &cast, first, last),
		facts: &facts,
		errors,
		took,
		latency,
		fees: std::mem::take(&mut stage.fees),
		rates: after.rates(&unit),
		checks: checks::verify(&facts),
	};
	ledger.check_cost();
	let failure = ledger.failure().map(|failure| match causes.first() {
		Some(cause) => failure.with("first_error", (*cause).clone()),
		None => failure,
	});
	Ok((ledger.report(), failure))
}

/// Where and when the demo was played.
fn about(
	context: &Context,
	chain: &Chain,
	cast: &Cast,
	first: BlockRef,
	last: BlockRef,
) -> Vec<(&'static str, String)> {
	vec![
		("node", context.node().to_string()),
		("chain", stoa_client::chain::to_hex(chain.genesis().as_bytes())),
		("blocks", format!("{} to {}", first.number.saturating_add(1), last.number)),
		("operator", cast.operator.address()),
		("provider", cast.provider.address()),
		("referrer", cast.referrer.address()),
	]
}

/// Make all calls of all consumers at the same time, and show how far they are.
async fn trade(
	stage: &Stage<'_>,
	cast: &Cast,
	plan: &Plan,
	channels: &[ChannelInfo],
	stores: &Stores,
	shop: &Shop,
) -> Result<Vec<Tally>, Failure> {
	let progress = Arc::new(AtomicU64::new(0));
	let mut tasks = Vec::new();
	for (place, (consumer, channel)) in cast.consumers.iter().zip(channels).enumerate() {
		let task = Task {
			place,
			gateway: format!("http://{}", shop.address),
			price: plan.price,
			calls: plan.calls,
			progress: progress.clone(),
		};
		let store = stores.path(&format!("{}.payer", consumer.name.replace(' ', "-")));
		let (chain, consumer, channel) = (stage.chain.clone(), consumer.clone(), channel.clone());
		tasks.push(tokio::spawn(
			async move { consume(chain, consumer, channel, &store, task).await },
		));
	}
	let all = futures::future::join_all(tasks);
	tokio::pin!(all);
	let mut ticks = tokio::time::interval(Duration::from_secs(2));
	ticks.tick().await;
	let ended = loop {
		tokio::select! {
			ended = &mut all => break ended,
			_ = ticks.tick() => {
				let done = progress.load(Ordering::Relaxed);
				stage.context.progress(&format!("    {done} calls"));
			},
		}
	};
	ended
		.into_iter()
		.map(|joined| {
			joined.unwrap_or_else(|error| {
				Err(Failure::new(format!("a consumer ended: {error}"), "report this as a bug"))
			})
		})
		.collect()
}

/// The provider's service with the gateway in front of it.
struct Shop {
	gateway: Gateway,
	address: SocketAddr,
	service: Service,
	stop: oneshot::Sender<()>,
	task: JoinHandle<Result<(), stoa_gateway::GatewayError>>,
}

impl Shop {
	async fn open(
		stage: &Stage<'_>,
		cast: &Cast,
		plan: &Plan,
		stores: &Stores,
	) -> Result<Self, Failure> {
		let cannot = |error: std::io::Error| {
			Failure::new(
				format!("no port can be opened: {error}"),
				"close programs that hold ports",
			)
		};
		let service = Service::start().await.map_err(cannot)?;
		let key = &cast.provider.account;
		let options = stage.options(Wait::InBlock, true);
		let chain = Arc::new(SignedChain::new(stage.chain.clone(), key.clone(), options));
		let mut config = GatewayConfig::new(
			format!("http://{}", service.address),
			plan.price,
			stage.unit.asset.clone(),
			key.clone(),
			stores.path("provider.payee"),
		);
		config.realm = "text statistics".into();
		config.settle = SettlePolicy { interval: NEVER, ..SettlePolicy::default() };
		config.settle_on_shutdown = false;
		// A development chain may make blocks on demand only.
		config.max_stall = NEVER;
		let gateway = Gateway::new(config, chain).await?;
		let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(cannot)?;
		let address = listener.local_addr().map_err(cannot)?;
		let (stop, stopped) = oneshot::channel::<()>();
		let serving = gateway.clone();
		let task = tokio::spawn(async move {
			// A dropped sender stops the gateway as well.
			let until = async {
				let _ = stopped.await;
			};
			serving.serve(listener, until).await
		});
		Ok(Self { gateway, address, service, stop, task })
	}

	/// Stop gateway and service.
	async fn close(self) -> Result<(), Failure> {
		let _ = self.stop.send(());
		let bug = |error: &dyn std::fmt::Display| {
			Failure::new(format!("the service ended: {error}"), "report this as a bug")
		};
		self.task.await.map_err(|error| bug(&error))??;
		self.service.stop().await.map_err(|error| bug(&error))
	}
}

/// Where the stores of a run are.
enum Stores {
	/// Removed at the end.
	Passing(TempDir),
	/// Kept.
	Kept(PathBuf),
}

impl Stores {
	fn new(keep: Option<PathBuf>) -> Result<Self, Failure> {
		match keep {
			Some(dir) if dir.exists() => Err(Failure::new(
				format!("{} is there already", dir.display()),
				"name a directory that is not there with --keep",
			)),
			Some(dir) => match private_dir(&dir) {
				Ok(()) => Ok(Self::Kept(dir)),
				Err(error) => Err(Failure::new(
					format!("the directory {} cannot be made: {error}", dir.display()),
					"name another with --keep",
				)),
			},
			None => TempDir::with_prefix("stoa-demo-").map(Self::Passing).map_err(|error| {
				Failure::new(
					format!("no directory for the stores: {error}"),
					"free some space, or name a place with --keep",
				)
			}),
		}
	}

	fn path(&self, name: &str) -> PathBuf {
		let dir = match self {
			Self::Passing(dir) => dir.path(),
			Self::Kept(dir) => dir,
		};
		dir.join(format!("{name}.redb"))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn stores_should_be_kept_only_where_nothing_is() {
		let dir = tempfile::tempdir().unwrap();
		assert!(Stores::new(Some(dir.path().into())).is_err());
		let kept = Stores::new(Some(dir.path().join("run"))).unwrap();
		assert!(kept.path("a").starts_with(dir.path().join("run")));
		let passing = Stores::new(None).unwrap();
		let path = passing.path("a");
		std::fs::write(&path, "x").unwrap();
		drop(passing);
		assert!(!path.exists());
	}
}
