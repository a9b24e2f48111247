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
use stoa_primitives::{
	agreement::{NegotiationKey, StandingView},
	keys::Key,
};
use tokio::{
	sync::{mpsc, Mutex as AsyncMutex},
	task::JoinHandle,
	time::timeout,
};

const LONG: Duration = Duration::from_secs(120);

/// A chain on which each look finds another block, and every call is final at once.
#[derive(Default)]
struct Blocks(Mutex<(BlockNumber, Chain, bool)>);

impl Blocks {
	fn state(&self) -> MutexGuard<'_, (BlockNumber, Chain, bool)> {
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
		let keep_until = state.2.then_some(DEADLINE);
		let view = StandingView { buyer_bar, seller_bar, agreement, keep_until };
		ready(Ok(Some(view))).boxed()
	}

	fn voided(&self, agreement: &AgreementId, _: H256) -> BoxFuture<'_, Result<bool, ChainError>> {
		let state = self.state();
		ready(Ok(state.2 && state.1.committed == Some(*agreement))).boxed()
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

/// What happens to a message that is sent.
type Fate = Box<dyn Fn(&Message) -> BoxFuture<'static, Result<(), TransportError>> + Send + Sync>;

/// One end of a way between the two sides.
struct Way {
	to: mpsc::UnboundedSender<Vec<u8>>,
	from: AsyncMutex<mpsc::UnboundedReceiver<Vec<u8>>>,
	/// Before a message arrives, if it does.
	fate: Fate,
}

/// Both ends, and what puts bytes before the first one.
fn way() -> ([Arc<Way>; 2], mpsc::UnboundedSender<Vec<u8>>) {
	way_with(Box::new(|_| ready(Ok(())).boxed()))
}

/// The same, for a buyer whose messages have this fate.
fn way_with(fate: Fate) -> ([Arc<Way>; 2], mpsc::UnboundedSender<Vec<u8>>) {
	let (a, at_a) = mpsc::unbounded_channel();
	let (b, at_b) = mpsc::unbounded_channel();
	let end = |to, from, fate| Arc::new(Way { to, from: AsyncMutex::new(from), fate });
	([end(b.clone(), at_a, fate), end(a, at_b, Box::new(|_| ready(Ok(())).boxed()))], b)
}

impl Transport for Way {
	fn send(&self, message: Signed) -> BoxFuture<'_, Result<(), TransportError>> {
		async move {
			(self.fate)(&message.message).await?;
			// Whoever is away misses it.
			let _ = self.to.send(message.to_bytes().unwrap());
			Ok(())
		}
		.boxed()
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
	fn answer(&self, _: &Message, _: &Load) -> Option<Config> {
		(self.0.side == Side::Seller).then(|| self.0.clone())
	}

	fn resume(&self, _: &Kept) -> Option<Config> {
		Some(self.0.clone())
	}
}

struct Running {
	handle: Handle,
	events: Events,
	task: JoinHandle<()>,
}

impl Running {
	async fn start(
		config: Config,
		store: &Arc<dyn Store>,
		chain: &Arc<Blocks>,
		way: &Arc<impl Transport>,
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
				if let Some(found) = find(self.events.next().await.expect("it runs")) {
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

	/// Waits until the other side's last word is here, and what was said is whole.
	async fn complete(&self, key: NegotiationKey) -> Kept {
		timeout(LONG, async {
			loop {
				let kept = self.handle.read(key).await.unwrap();
				if matches!(kept.transcript.state().turn(), Turn::Accepted { .. }) {
					return kept;
				}
				tokio::time::sleep(Duration::from_millis(10)).await;
			}
		})
		.await
		.expect("it is completed")
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

#[tokio::test]
async fn what_is_said_in_one_negotiation_should_arrive_in_its_order() {
	// The first word to the operator takes longer than all that follows.
	let slow = |message: &Message| {
		let asks = matches!(message.body, Body::Escalate { .. });
		let pause = if asks { Duration::from_millis(500) } else { Duration::ZERO };
		tokio::time::sleep(pause).map(Ok).boxed()
	};
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way_with(Box::new(slow)));
	let asks = Config { threshold: Some(0), ..buyer() };
	let mut buys = Running::start(asks.clone(), &store(), &chain, &ways[0]).await;
	let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	let key = buys.handle.ask(asks).await.unwrap().unwrap();
	let outcome = loop {
		match timeout(LONG, buys.events.next()).await.unwrap().unwrap() {
			Event::Asked { key, .. } => buys.handle.decide(key, Decision::Approve).await,
			Event::Ended { outcome, .. } => break outcome,
			_ => {},
		}
	};
	assert!(matches!(outcome, Outcome::Agreed { .. }), "{outcome:?}");
	let out_of_order = |event| match event {
		Event::Rejected { reason } => panic!("{reason}"),
		Event::Ended { outcome, .. } => Some(outcome),
		_ => None,
	};
	assert_eq!(sells.next(out_of_order).await, outcome);
	assert_eq!(sells.complete(key).await.transcript, buys.complete(key).await.transcript);
}

#[tokio::test]
async fn an_acceptance_that_was_lost_should_be_asked_for_after_the_agreement() {
	// The buyer accepts, and neither that nor its repetition arrives before the agreement is final.
	let lost = Arc::new(std::sync::atomic::AtomicU32::new(0));
	let counted = lost.clone();
	let loses = move |message: &Message| {
		let is_lost = matches!(message.body, Body::Accept { .. })
			&& counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 1;
		match is_lost {
			true => std::future::pending().boxed(),
			false => ready(Ok(())).boxed(),
		}
	};
	let loses = move |message: &Message| {
		let fate = loses(message);
		// Lost is not the same as under way for ever.
		async move { timeout(Duration::from_millis(1), fate).await.unwrap_or(Err(lost_error())) }
			.boxed()
	};
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way_with(Box::new(loses)));
	// It takes what it is offered first.
	let eager = config(Side::Buyer, linear(Side::Buyer, 2_000, 2_500));
	let mut buys = Running::start(eager.clone(), &store(), &chain, &ways[0]).await;
	let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	let key = buys.handle.ask(eager).await.unwrap().unwrap();
	assert_eq!(buys.outcome().await, sells.outcome().await);
	let whole = sells.complete(key).await;
	assert_eq!(whole.transcript, buys.handle.read(key).await.unwrap().transcript);
	assert!(lost.load(std::sync::atomic::Ordering::Relaxed) > 1, "it was said again");
	assert_eq!(Some(H256(whole.transcript.state().head())), chain.state().1.transcript);
}

/// What no second try mends.
fn lost_error() -> TransportError {
	TransportError::Rejected("lost".into())
}

#[tokio::test]
async fn what_the_way_does_not_take_at_once_should_be_sent_again() {
	let tries = Arc::new(std::sync::atomic::AtomicU32::new(0));
	let counted = tries.clone();
	let fails_twice = move |_: &Message| {
		let tried = counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
		ready(if tried < 2 { Err(TransportError::Silent) } else { Ok(()) }).boxed()
	};
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way_with(Box::new(fails_twice)));
	// No machine sends anything again here.
	let patient = Config { patience: BlockNumber::MAX, ..buyer() };
	let mut buys = Running::start(patient.clone(), &store(), &chain, &ways[0]).await;
	let _sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	buys.handle.ask(patient).await.unwrap().unwrap();
	assert!(matches!(buys.outcome().await, Outcome::Agreed { .. }));
}

#[tokio::test]
async fn a_driver_that_ends_should_have_sent_what_was_said() {
	let slow = |_: &Message| tokio::time::sleep(Duration::from_secs(2)).map(Ok).boxed();
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way_with(Box::new(slow)));
	let buys = Running::start(buyer(), &store(), &chain, &ways[0]).await;
	buys.handle.ask(buyer()).await.unwrap().unwrap();
	buys.stop().await;
	assert!(ways[1].from.lock().await.try_recv().is_ok());
}

#[tokio::test]
async fn an_agreement_that_is_undone_should_be_told() {
	let (chain, (ways, _)) = (Arc::new(Blocks::default()), way());
	let kept = store();
	let mut buys = Running::start(buyer(), &kept, &chain, &ways[0]).await;
	let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	let key = buys.handle.ask(buyer()).await.unwrap().unwrap();
	let Outcome::Agreed { agreement } = buys.outcome().await else { panic!("no deal") };
	assert_eq!(sells.outcome().await, Outcome::Agreed { agreement });
	// One side is away meanwhile.
	buys.stop().await;
	chain.state().2 = true;
	assert_eq!(sells.outcome().await, Outcome::Voided { agreement });
	let mut buys = Running::start(buyer(), &kept, &chain, &ways[0]).await;
	assert_eq!(buys.outcome().await, Outcome::Voided { agreement });
	let seen = buys.handle.overview().await;
	let voided = Overview { key, question: None, outcome: Some(Outcome::Voided { agreement }) };
	assert_eq!(seen, [voided]);
}

#[tokio::test]
async fn a_denial_that_was_lost_should_be_said_again_by_a_new_process() {
	let (chain, (ways, bytes)) = (Arc::new(Blocks::default()), way());
	let kept = store();
	// Nothing that the buyer offers is enough.
	let dear = config(Side::Seller, linear(Side::Seller, 9_000, 8_000));
	let poor = Config { rounds: 2, ..buyer() };
	let mut buys = Running::start(poor.clone(), &store(), &chain, &ways[0]).await;
	let mut sells = Running::start(dear.clone(), &kept, &chain, &ways[1]).await;
	let key = buys.handle.ask(poor).await.unwrap().unwrap();
	let outcome = buys.outcome().await;
	let Outcome::Denied { by, .. } = outcome else { panic!("{outcome:?}") };
	sells.outcome().await;
	// Whoever has denied answers the last message before it again, however late.
	let said = buys.handle.read(key).await.unwrap().transcript;
	let before = said.messages().rev().find(|signed| signed.message.side != by).unwrap();
	assert_eq!(by, Side::Seller, "the scene is set so");
	let before = before.to_bytes().unwrap();
	sells.stop().await;
	buys.stop().await;
	ways[0].from.lock().await.try_recv().ok();
	let sells = Running::start(dear, &kept, &chain, &ways[1]).await;
	let again = sells.handle.hear(before.clone()).await.unwrap();
	assert!(matches!(again[0].message.body, Body::Deny { .. }), "{again:?}");
	// Through the transport as well, once a block has passed.
	tokio::time::sleep(Duration::from_secs(5)).await;
	bytes.send(before).unwrap();
	let arrived = timeout(LONG, ways[0].receive()).await.expect("it arrives").unwrap();
	assert!(matches!(Signed::parse(&arrived).unwrap().message.body, Body::Deny { .. }));
}

#[tokio::test]
async fn a_listener_that_falls_behind_should_be_told_so() {
	let (chain, (ways, bytes)) = (Arc::new(Blocks::default()), way());
	let mut sells = Running::start(seller(), &store(), &chain, &ways[1]).await;
	for _ in 0..EVENTS + 10 {
		bytes.send(b"{}".to_vec()).unwrap();
	}
	// Nobody listens meanwhile.
	tokio::time::sleep(Duration::from_secs(1)).await;
	let missed = |event| match event {
		Event::Missed { count } => Some(count),
		_ => None,
	};
	let (count, mut heard) = (sells.next(missed).await, 0);
	while let Ok(Some(_)) = timeout(Duration::from_millis(100), sells.events.next()).await {
		heard += 1;
	}
	assert_eq!((count, heard), (10, EVENTS));
}

/// A seller that is called, and never calls.
struct Nowhere;

impl Transport for Nowhere {
	fn send(&self, message: Signed) -> BoxFuture<'_, Result<(), TransportError>> {
		panic!("nothing is sent to who calls: {message:?}")
	}

	fn receive(&self) -> BoxFuture<'_, Result<Vec<u8>, TransportError>> {
		std::future::pending().boxed()
	}
}

#[tokio::test]
async fn a_driver_should_answer_who_calls() {
	for asks in [false, true] {
		let chain = Arc::new(Blocks::default());
		// What the operator is asked about is said when the other side calls again.
		let seller = Config { threshold: asks.then_some(0), ..seller() };
		let mut sells = Running::start(seller, &store(), &chain, &Arc::new(Nowhere)).await;
		let handle = sells.handle.clone();
		let address = super::http::server(move |body| {
			let handle = handle.clone();
			async move { respond(&body, |bytes| handle.hear(bytes)).await }
		})
		.await;
		let addresses = std::collections::HashMap::from([(account(Side::Seller), address)]);
		let transport = HttpTransport::new(addresses, Duration::from_secs(10)).unwrap();
		let buyer = Config { patience: 1, ..buyer() };
		let mut buys = Running::start(buyer.clone(), &store(), &chain, &Arc::new(transport)).await;
		let key = buys.handle.ask(buyer).await.unwrap().unwrap();
		let decide = async {
			while let Some(event) = sells.events.next().await {
				match event {
					Event::Asked { key, .. } => {
						sells.handle.decide(key, Decision::Allow(u128::MAX)).await;
					},
					Event::Ended { outcome, .. } => return outcome,
					_ => {},
				}
			}
			panic!("the seller's driver has ended")
		};
		let (sold, bought) = tokio::join!(timeout(LONG, decide), buys.outcome());
		let (sold, bought) = (sold.unwrap(), bought);
		assert_eq!(sold, bought);
		assert!(matches!(bought, Outcome::Agreed { .. }), "{bought:?}");
		assert_eq!(buys.complete(key).await.transcript, sells.complete(key).await.transcript);
		// What is no message is told to the caller.
		assert!(sells.handle.hear(b"{}".to_vec()).await.is_err());
	}
}
