//! Blocks on demand, for development.
//!
//! A sealed chain has BABE's digests, epochs and inherents, so that the runtime cannot tell the
//! difference, but no author's signature: no other node takes its blocks.

use super::{
	clock::{Inherents, SealingClock},
	import::BabeImport,
	FullClient, FullSelectChain, Hash, TransactionPool,
};
use futures::{
	channel::{mpsc, oneshot},
	stream::{self, BoxStream},
	FutureExt, Stream, StreamExt,
};
use sc_client_api::HeaderBackend;
use sc_consensus_manual_seal::{
	rpc::Sender, run_manual_seal, ConsensusDataProvider, CreatedBlock, EngineCommand, Error,
	ManualSealParams,
};
use sc_service::ChainType;
use sc_transaction_pool_api::{
	ImportNotificationStream, InPoolTransaction, TransactionPool as _, TxHash,
};
use std::{collections::HashSet, fmt, str::FromStr, sync::Arc, time::Duration};
use stoa_runtime::opaque::Block;
use tokio::time::{interval, timeout, Interval, MissedTickBehavior};

const LOG_TARGET: &str = "sealing";

/// How long to wait until the pool has caught up with a new block.
const POOL_TIMEOUT: Duration = Duration::from_secs(1);

/// How long after the last look instant sealing looks into the pool again, though nothing arrived.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

type Proposer = sc_basic_authorship::ProposerFactory<TransactionPool, FullClient>;
type Command = EngineCommand<Hash>;
type Outcome = oneshot::Receiver<Result<CreatedBlock<Hash>, Error>>;

/// When a block is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealing {
	/// When there is a transaction.
	Instant,
	/// When the RPC asks.
	Manual,
	/// Again and again after this time.
	Interval(Duration),
}

impl Sealing {
	/// Refuses a chain of which others may hold a copy, and a node without a key to make blocks.
	pub fn ensure_allowed(self, chain_type: &ChainType, is_authority: bool) -> Result<(), String> {
		if *chain_type != ChainType::Development {
			return Err(format!(
				"--sealing {self} is for development chains only, and this chain is not one: use \
				 --dev, or leave the option out"
			));
		}
		if !is_authority {
			return Err(format!("--sealing {self} needs an author's keys: add --dev or --alice"));
		}
		Ok(())
	}
}

impl FromStr for Sealing {
	type Err = String;

	fn from_str(mode: &str) -> Result<Self, String> {
		let unknown = || {
			format!("`{mode}` is not a sealing mode: give `instant`, `manual` or `interval-ms=N`")
		};
		match mode.split_once('=') {
			None if mode == "instant" => Ok(Self::Instant),
			None if mode == "manual" => Ok(Self::Manual),
			Some(("interval-ms", milliseconds)) => match milliseconds.parse() {
				Ok(0) => Err("an interval of 0 ms leaves no time for a block".into()),
				Ok(milliseconds) => Ok(Self::Interval(Duration::from_millis(milliseconds))),
				Err(_) => Err(unknown()),
			},
			_ => Err(unknown()),
		}
	}
}

impl fmt::Display for Sealing {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Instant => f.write_str("instant"),
			Self::Manual => f.write_str("manual"),
			Self::Interval(period) => write!(f, "interval-ms={}", period.as_millis()),
		}
	}
}

/// The author of a sealed chain.
pub struct Sealer {
	/// When it makes a block.
	pub mode: Sealing,
	/// Orders that come over RPC, obeyed in every mode.
	pub orders: mpsc::Receiver<Command>,
	/// The chain.
	pub client: Arc<FullClient>,
	/// The transactions to include.
	pub pool: Arc<TransactionPool>,
	/// Fills a block.
	pub proposer: Proposer,
	/// Tells which block to build on.
	pub select_chain: FullSelectChain,
	/// Takes the block.
	pub block_import: BabeImport,
	/// Gives the block its slot.
	pub clock: Arc<SealingClock>,
	/// Gives the block BABE's digest.
	pub digests: Box<dyn ConsensusDataProvider<Block>>,
}

impl Sealer {
	/// Makes blocks for as long as the node runs.
	pub async fn run(self) {
		let Self {
			mode,
			orders,
			client,
			pool,
			proposer,
			select_chain,
			block_import,
			clock,
			digests,
		} = self;
		let ordered = ordered(orders, client.clone(), pool.clone());
		let orders = match mode {
			Sealing::Manual => ordered,
			Sealing::Instant => {
				stream::select(ordered, Instant::new(client.clone(), pool.clone()).orders()).boxed()
			},
			Sealing::Interval(period) => stream::select(ordered, periodic(period)).boxed(),
		};
		run_manual_seal(ManualSealParams {
			block_import,
			env: proposer,
			create_inherent_data_providers: Inherents::Sealing(clock, client.clone()),
			client,
			pool,
			commands_stream: Steps { orders, last: None }.commands().boxed(),
			select_chain,
			consensus_data_provider: Some(digests),
		})
		.await
	}
}

/// The orders of the RPC.
///
/// Whether a block would be empty is decided here: the engine compares the number of extrinsics
/// with the number of inherent data items, of which BABE has one that becomes no extrinsic, so it
/// would take a block with a single transaction for an empty one.
fn ordered(
	orders: mpsc::Receiver<Command>,
	client: Arc<FullClient>,
	pool: Arc<TransactionPool>,
) -> BoxStream<'static, Command> {
	orders
		.filter_map(move |order| {
			let (client, pool) = (client.clone(), pool.clone());
			async move {
				let Command::SealNewBlock { create_empty: false, finalize, parent_hash, sender } =
					order
				else {
					return Some(order);
				};
				let parent = parent_hash.unwrap_or_else(|| client.info().best_hash);
				if ready(&pool, parent).await == 0 {
					answer(sender, Err(Error::EmptyTransactionPool));
					return None;
				}
				Some(Command::SealNewBlock { create_empty: true, finalize, parent_hash, sender })
			}
		})
		// The author is an essential task: it stays even if nobody can order any more.
		.chain(stream::pending())
		.boxed()
}

/// A block every `period`, beginning now.
fn periodic(period: Duration) -> impl Stream<Item = Command> + Send + 'static {
	let mut ticks = interval(period);
	// After a slow block the next ones must not follow in a burst.
	ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
	stream::unfold((ticks, None), |(mut ticks, last): (Interval, Option<Outcome>)| async move {
		report(last).await;
		ticks.tick().await;
		let (order, outcome) = order();
		Some((order, (ticks, Some(outcome))))
	})
}

/// A block for every transaction; those that arrive together share one.
struct Instant {
	client: Arc<FullClient>,
	pool: Arc<TransactionPool>,
	arrivals: ImportNotificationStream<TxHash<TransactionPool>>,
	/// What was ready when the last block was ordered.
	tried: HashSet<TxHash<TransactionPool>>,
	last: Option<Outcome>,
}

impl Instant {
	fn new(client: Arc<FullClient>, pool: Arc<TransactionPool>) -> Self {
		let arrivals = pool.import_notification_stream();
		Self { client, pool, arrivals, tried: HashSet::new(), last: None }
	}

	fn orders(self) -> impl Stream<Item = Command> + Send + 'static {
		stream::unfold(self, Self::next)
	}

	async fn next(mut self) -> Option<(Command, Self)> {
		report(self.last.take()).await;
		loop {
			let best = self.client.info().best_hash;
			let ready = self.pool.ready_at_with_timeout(best, POOL_TIMEOUT).await;
			let ready: HashSet<_> = ready.map(|transaction| *transaction.hash()).collect();
			// What did not fit goes into a further block, but only as long as that gets something
			// done: a transaction that no block takes must not cause blocks without end.
			if !ready.is_empty()
				&& (ready.len() < self.tried.len() || !ready.is_subset(&self.tried))
			{
				let (order, outcome) = order();
				self.tried = ready;
				self.last = Some(outcome);
				return Some((order, self));
			}
			// An arrival only saves waiting: one that is announced while a block is made can become
			// ready later, for the next block, and nothing announces that.
			match timeout(LOOK_AGAIN, self.arrivals.next()).await {
				Ok(arrived) => drop(arrived?),
				Err(_) => continue,
			}
			while let Some(Some(_)) = self.arrivals.next().now_or_never() {}
		}
	}
}

/// An order for a final block, and the place where its outcome will be.
fn order() -> (Command, Outcome) {
	let (sender, outcome) = oneshot::channel();
	let order = Command::SealNewBlock {
		// Whether there is something to include is decided before; see `ordered` on why.
		create_empty: true,
		finalize: true,
		parent_hash: None,
		sender: Some(sender),
	};
	(order, outcome)
}

/// Carries out an order for a final block in two steps: import, then finality.
///
/// Done in one, finality comes before the block is in the database. BABE looks for it there to clean
/// up behind it, finds nothing, and says so with a warning for every block.
struct Steps {
	orders: BoxStream<'static, Command>,
	/// The step that the engine has just taken.
	last: Option<Step>,
}

enum Step {
	Import {
		outcome: Outcome,
		asked: Sender<CreatedBlock<Hash>>,
	},
	Finality {
		outcome: oneshot::Receiver<Result<(), Error>>,
		block: CreatedBlock<Hash>,
		asked: Sender<CreatedBlock<Hash>>,
	},
}

impl Steps {
	fn commands(self) -> impl Stream<Item = Command> + Send + 'static {
		stream::unfold(self, Self::next)
	}

	/// The engine asks for a command when it is done with the one before, so outcomes are there.
	async fn next(mut self) -> Option<(Command, Self)> {
		match self.last.take() {
			Some(Step::Import { outcome, asked }) => match outcome.await {
				Ok(Ok(block)) => {
					let (sender, outcome) = oneshot::channel();
					let hash = block.hash;
					self.last = Some(Step::Finality { outcome, block, asked });
					let sender = Some(sender);
					return Some((
						Command::FinalizeBlock { hash, sender, justification: None },
						self,
					));
				},
				Ok(Err(error)) => answer(asked, Err(error)),
				Err(canceled) => answer(asked, Err(canceled.into())),
			},
			Some(Step::Finality { outcome, block, asked }) => match outcome.await {
				Ok(Ok(())) => answer(asked, Ok(block)),
				Ok(Err(error)) => answer(asked, Err(error)),
				Err(canceled) => answer(asked, Err(canceled.into())),
			},
			None => (),
		}
		match self.orders.next().await? {
			Command::SealNewBlock { create_empty, finalize: true, parent_hash, sender: asked } => {
				let (sender, outcome) = oneshot::channel();
				self.last = Some(Step::Import { outcome, asked });
				let command = Command::SealNewBlock {
					create_empty,
					finalize: false,
					parent_hash,
					sender: Some(sender),
				};
				Some((command, self))
			},
			command => Some((command, self)),
		}
	}
}

/// Tells `outcome` to the one who asked, who may have gone away.
fn answer<T>(asked: Sender<T>, outcome: Result<T, Error>) {
	if let Some(asked) = asked {
		let _ = asked.send(outcome);
	}
}

/// Logs why the last order brought no block, if so.
async fn report(last: Option<Outcome>) {
	let Some(outcome) = last else { return };
	if let Ok(Err(error)) = outcome.await {
		tracing::error!(target: LOG_TARGET, "No block was sealed: {error}");
	}
}

/// How many transactions could go into a block on top of `parent`.
async fn ready(pool: &TransactionPool, parent: Hash) -> usize {
	pool.ready_at_with_timeout(parent, POOL_TIMEOUT).await.count()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn modes_parse_and_print() {
		for (text, mode) in [
			("instant", Sealing::Instant),
			("manual", Sealing::Manual),
			("interval-ms=1", Sealing::Interval(Duration::from_millis(1))),
			("interval-ms=1500", Sealing::Interval(Duration::from_millis(1_500))),
		] {
			assert_eq!(text.parse(), Ok(mode));
			assert_eq!(mode.to_string(), text);
		}
	}

	#[test]
	fn other_modes_are_refused() {
		for text in [
			"",
			"Instant",
			"instant=1",
			"interval",
			"interval-ms",
			"interval-ms=",
			"interval-ms=0",
			"interval-ms=-1",
			"interval-ms=1.5",
			"interval-ms=1=2",
		] {
			assert!(text.parse::<Sealing>().is_err(), "`{text}` was taken for a mode");
		}
	}

	#[test]
	fn only_an_author_of_a_development_chain_seals() {
		let mode = Sealing::Instant;
		assert_eq!(mode.ensure_allowed(&ChainType::Development, true), Ok(()));
		for (chain_type, is_authority) in [
			(ChainType::Development, false),
			(ChainType::Local, true),
			(ChainType::Live, true),
			(ChainType::Custom("Development".into()), true),
		] {
			let refusal = mode.ensure_allowed(&chain_type, is_authority);
			assert!(refusal.is_err_and(|sentence| sentence.contains("--sealing instant")));
		}
	}
}
