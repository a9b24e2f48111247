//! Both sides as they run: drivers, stores, and a chain that makes blocks.

use super::*;
use crate::{
	chain::{BlockRef, ChainError},
	keys::VoucherKey,
	store::{Committer, MemoryStore, Store},
};
use futures::future::{ready, BoxFuture, FutureExt};
use std::{
	sync::{Mutex, MutexGuard},
	time::Duration,
};
use stoa_primitives::{agreement::StandingView, keys::Key};
use tokio::{
	sync::{mpsc, Mutex as AsyncMutex},
	task::JoinHandle,
	time::timeout,
};

const LONG: Duration = Duration::from_secs(120);

/// A chain on which each look finds another block, and every call is final at once.
#[derive(Default)]
struct Blocks(Mutex<(BlockNumber, Chain)>);

impl Blocks {
	fn state(&self) -> MutexGuard<'_, (BlockNumber, Chain)> {
		self.0.lock().unwrap()
	}
}

impl NegotiationChain for Blocks {
	fn finalized(&self) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		let mut state = self.state();
		state.0 += 1;
		let number = START + state.0;
		state.1.now = number;
		ready(Ok(BlockRef { number, hash: H256::zero() })).boxed()
	}

	fn standing(
		&self,
		_: &Parties,
		_: H256,
	) -> BoxFuture<'_, Result<Option<StandingView>, ChainError>> {
		let mut state = self.state();
		let (buyer_bar, seller_bar) = (*state.1.bar(Side::Buyer), *state.1.bar(Side::Seller));
		let agreement = state.1.committed;
		let view = StandingView { buyer_bar, seller_bar, agreement, keep_until: None };
		ready(Ok(Some(view))).boxed()
	}

	fn offer_keys(
		&self,
		agent: &AccountId,
		_: H256,
	) -> BoxFuture<'_, Result<Vec<(Key, BlockNumber)>, ChainError>> {
		let delegate = *agent == account(Side::Buyer);
		let keys = delegate.then(|| (delegate_key().key(), DEADLINE)).into_iter().collect();
		ready(Ok(keys)).boxed()
	}

	fn commit(
		&self,
		offer: Offer,
		signature: AgentSignature,
		transcript: H256,
	) -> BoxFuture<'_, Result<(), ChainError>> {
		self.state().1.commit(&offer, &signature, transcript);
		ready(Ok(())).boxed()
	}

	fn withdraw(
		&self,
		_: AccountId,
		_: [u8; 32],
		side: Side,
		round: u32,
	) -> BoxFuture<'_, Result<(), ChainError>> {
		self.state().1.withdraw(side, round);
		ready(Ok(())).boxed()
	}

	fn supersede(&self, _: Offer, _: AgentSignature) -> BoxFuture<'_, Result<(), ChainError>> {
		ready(Err(ChainError::NotFound { what: "an agreement that was refused".into() })).boxed()
	}
}

/// What may sign for the buyer.
fn delegate_key() -> VoucherKey {
	VoucherKey::from_uri("//Delegate", Scheme::Ed25519).unwrap()
}

/// One end of a way between the two sides.
struct Way {
	to: mpsc::UnboundedSender<Vec<u8>>,
	from: AsyncMutex<mpsc::UnboundedReceiver<Vec<u8>>>,
}

/// Both ends, and what puts bytes before the first one.
fn way() -> ([Arc<Way>; 2], mpsc::UnboundedSender<Vec<u8>>) {
	let (a, at_a) = mpsc::unbounded_channel();
	let (b, at_b) = mpsc::unbounded_channel();
	let end = |to, from| Arc::new(Way { to, from: AsyncMutex::new(from) });
	([end(b.clone(), at_a), end(a, at_b)], b)
}

impl Transport for Way {
	fn send(&self, message: Signed) -> BoxFuture<'_, Result<(), TransportError>> {
		// Whoever is away misses it.
		let _ = self.to.send(message.to_bytes().unwrap());
		ready(Ok(())).boxed()
	}

	fn receive(&self) -> BoxFuture<'_, Result<Vec<u8>, TransportError>> {
		async move {
			match self.from.lock().await.recv().await {
				Some(bytes) => Ok(bytes),
				None => std::future::pending().await,
			}
		}
		.boxed()
	}
}

/// Negotiates as this configuration says, whoever is on the other side.
struct By(Config);

impl Policy for By {
	fn answer(&self, _: &Message) -> Option<Config> {
		(self.0.side == Side::Seller).then(|| self.0.clone())
	}

	fn resume(&self, _: &Kept) -> Option<Config> {
		Some(self.0.clone())
	}
}

struct Running {
	handle: Handle,
	events: mpsc::UnboundedReceiver<Event>,
	task: JoinHandle<()>,
}

impl Running {
	async fn start(
		config: Config,
		store: &Arc<dyn Store>,
		chain: &Arc<Blocks>,
		way: &Arc<Way>,
	) -> Self {
		let committer = Committer::start(store.clone()).unwrap();
		let policy = Arc::new(By(config));
		let driver = Driver::new(store.clone(), committer, chain.clone(), way.clone(), policy);
		let (driver, events) = driver.await.unwrap();
		let (handle, task) = driver.start();
		Self { handle, events, task }
	}

	async fn next<T>(&mut self, find: impl Fn(Event) -> Option<T>) -> T {
		timeout(LONG, async {
			loop {
				if let Some(found) = find(self.events.recv().await.expect("it runs")) {
					return found;
				}
			}
		})
		.await
		.expect("it happens")
	}

	async fn outcome(&mut self) -> Outcome {
		self.next(|event| match event {
			Event::Ended { outcome, .. } => Some(outcome),
			_ => None,
		})
		.await
	}

	async fn stop(self) {
		drop((self.handle, self.events));
		self.task.await.unwrap();
	}
}

fn store() -> Arc<dyn Store> {
	Arc::new(MemoryStore::default())
}

#[tokio::test]
async fn both_sides_should_come_to_the_same_agreement() {
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way());
	let [mut buys, mut sells] = [
		Running::start(buyer(), &store(), &chain, &ways[0]).await,
		Running::start(seller(), &store(), &chain, &ways[1]).await,
	];
	let key = buys.handle.ask(buyer()).await.unwrap().unwrap();
	let outcome = buys.outcome().await;
	assert_eq!(outcome, sells.outcome().await);
	let committed = chain.state().1.committed.expect("something was committed");
	assert_eq!(outcome, Outcome::Agreed { agreement: committed });
	// What was agreed can still be read, and is what the chain names.
	let named = chain.state().1.transcript;
	for side in [&buys, &sells] {
		let kept = side.handle.read(key).await.unwrap();
		assert_eq!(Some(H256(kept.transcript.state().head())), named);
	}
}

#[tokio::test]
async fn a_delegate_key_should_sign_for_its_agent_and_no_other_one() {
	for (uri, knows) in [("//Delegate", true), ("//Other", false)] {
		let (chain, (ways, bytes)) = (Arc::new(Blocks::default()), way());
		let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
		let key = VoucherKey::from_uri(uri, Scheme::Ed25519).unwrap();
		let key = AgentKey::Delegate { agent: account(Side::Buyer), key };
		let mut world = World::new(Config { key, ..buyer() }, seller());
		world.open();
		bytes.send(world.wire.remove(0).1).unwrap();
		let answered = sells.next(|event| match event {
			Event::Said { message, .. } if message.message.side == Side::Seller => Some(true),
			Event::Rejected { .. } => Some(false),
			_ => None,
		});
		assert_eq!(answered.await, knows, "{uri}");
	}
}

#[tokio::test]
async fn strangers_should_leave_nothing_behind() {
	let (chain, (ways, bytes)) = (Arc::new(Blocks::default()), way());
	let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	let rejected = |event| match event {
		Event::Rejected { reason } => Some(reason),
		Event::Said { message, .. } => panic!("shown though nobody has signed it: {message:?}"),
		_ => None,
	};
	bytes.send(b"{}".to_vec()).unwrap();
	sells.next(rejected).await;
	// An answer to nothing, and a request that somebody else has signed.
	let (_, offer) = offered(buyer(), seller());
	bytes.send(offer.to_bytes().unwrap()).unwrap();
	assert!(sells.next(rejected).await.contains("not open"));
	let mut world = World::new(buyer(), seller());
	world.open();
	let request = Signed::parse(&world.wire[0].1).unwrap();
	let stolen = forged(&request, &AgentKey::from(key(Side::Seller)), |_| {});
	bytes.send(stolen.to_bytes().unwrap()).unwrap();
	sells.next(rejected).await;
	let parties = parties();
	let key = stoa_primitives::agreement::negotiation_key(
		&parties.buyer,
		&parties.seller,
		&parties.negotiation,
	);
	assert!(sells.handle.read(key).await.is_none());
	// The real one is answered all the same.
	bytes.send(request.to_bytes().unwrap()).unwrap();
	let said = |event| match event {
		Event::Said { message, .. } if message.message.side == Side::Seller => Some(()),
		_ => None,
	};
	sells.next(said).await;
}

#[tokio::test]
async fn a_side_that_was_stopped_should_go_on_where_it_was() {
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way());
	let kept = store();
	let asks = Config { threshold: Some(0), ..buyer() };
	let mut buys = Running::start(asks.clone(), &kept, &chain, &ways[0]).await;
	let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	let key = buys.handle.ask(asks.clone()).await.unwrap().unwrap();
	let asked = |event| match event {
		Event::Asked { question, .. } => Some(question),
		_ => None,
	};
	let question = buys.next(asked).await;
	buys.stop().await;
	// It knows what it was asked, and what it may lock from now on it need not ask again.
	let mut buys = Running::start(asks, &kept, &chain, &ways[0]).await;
	assert_eq!(buys.next(asked).await, question);
	buys.handle.decide(key, Decision::Allow(u128::MAX)).await;
	let outcome = buys.outcome().await;
	assert!(matches!(outcome, Outcome::Agreed { .. }), "{outcome:?}");
	assert_eq!(outcome, sells.outcome().await);
}
