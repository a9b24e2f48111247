//! Drives all negotiations of an agent: brings messages, final blocks and decisions to their machines, and carries
//! out what these say.
//!
//! One task, one store, one transport. What is said is on disk before it is sent ([`Desk`]); sending and
//! submitting happen beside, so that a slow node or a dead counterparty holds up nobody else. A message that
//! could not be sent is sent again by its machine, a commit that failed leaves an offer that ends by itself.
//!
//! A negotiation is over with its agreement. Whether that is undone later, which it can be for a day, is seen by who
//! carries it out.

use super::{
	desk::{Desk, DeskError},
	machine::{Action, Config, Decision, Fact, Input, Outcome, Question},
	message::{Body, Message, Parties, Signed},
	rows::{self, Kept},
	transport::Transport,
};
use crate::{
	chain::{BlockRef, ChainError},
	store::{Committer, Store},
};
use futures::future::BoxFuture;
use std::{
	collections::{BTreeMap, HashMap},
	sync::Arc,
	time::Duration,
};
use stoa_primitives::{
	agreement::{negotiation_key, NegotiationKey, Offer, Side, StandingView},
	keys::{AgentSignature, Key},
	AccountId, BlockNumber, BLOCK_MILLIS, H256, MINUTES,
};
use tokio::sync::{mpsc, oneshot, Semaphore};

/// Most negotiations that are open at the same time. Requests beyond are not answered.
pub const MAX_OPEN: usize = 256;

/// Most messages that are being sent at the same time.
const SENDING: usize = 16;

/// How often the chain is looked at.
const LOOK: Duration = Duration::from_millis(BLOCK_MILLIS / 2);

/// How many blocks pass between two looks at which delegate keys may sign for the other side.
const KEYS_EVERY: BlockNumber = MINUTES;

/// How long the transport is left alone after it has failed.
const RECOVER: Duration = Duration::from_secs(1);

/// What negotiations need of the chain. All that is read is final.
pub trait NegotiationChain: Send + Sync + 'static {
	/// The last final block.
	fn finalized(&self) -> BoxFuture<'_, Result<BlockRef, ChainError>>;

	/// What is known of a negotiation at a block.
	fn standing(
		&self,
		parties: &Parties,
		at: H256,
	) -> BoxFuture<'_, Result<Option<StandingView>, ChainError>>;

	/// The delegate keys that may sign offers for an agent at a block, each with its last block.
	fn offer_keys(
		&self,
		agent: &AccountId,
		at: H256,
	) -> BoxFuture<'_, Result<Vec<(Key, BlockNumber)>, ChainError>>;

	/// Commits an offer of the other side. Returns once that is final.
	fn commit(
		&self,
		offer: Offer,
		signature: AgentSignature,
		transcript: H256,
	) -> BoxFuture<'_, Result<(), ChainError>>;

	/// Withdraws own offers of `side` up to `round`. Returns once that is final.
	fn withdraw(
		&self,
		counterparty: AccountId,
		negotiation: [u8; 32],
		side: Side,
		round: u32,
	) -> BoxFuture<'_, Result<(), ChainError>>;

	/// Shows a later offer of the other side. Returns once that is final.
	fn supersede(
		&self,
		offer: Offer,
		signature: AgentSignature,
	) -> BoxFuture<'_, Result<(), ChainError>>;
}

/// With whom an agent negotiates, about what, and how.
pub trait Policy: Send + Sync + 'static {
	/// How to answer somebody's request, of which the form was checked and nothing else; `None` for not at all.
	fn answer(&self, request: &Message) -> Option<Config>;

	/// How to go on with a negotiation that was under way when the process ended; `None` to leave it alone: what
	/// was offered in it stays binding until it ends.
	fn resume(&self, kept: &Kept) -> Option<Config>;
}

/// What happens in negotiations.
#[derive(Clone, Debug)]
pub enum Event {
	/// A message was taken, or said.
	Said {
		/// Which negotiation.
		key: NegotiationKey,
		/// The message.
		message: Box<Signed>,
	},
	/// The operator is asked: [`Handle::decide`].
	Asked {
		/// Which negotiation.
		key: NegotiationKey,
		/// What.
		question: Question,
	},
	/// A message of somebody's was not taken.
	Rejected {
		/// Why.
		reason: String,
	},
	/// Something that was to be done failed, and may be done again.
	Failed {
		/// Which negotiation.
		key: NegotiationKey,
		/// What and why.
		reason: String,
	},
	/// It makes sense to ask anew in this block.
	Post {
		/// Which negotiation.
		key: NegotiationKey,
		/// When.
		at: BlockNumber,
	},
	/// A negotiation is over.
	Ended {
		/// Which.
		key: NegotiationKey,
		/// How.
		outcome: Outcome,
	},
}

enum Command {
	Ask(Box<Config>, oneshot::Sender<Result<NegotiationKey, DeskError>>),
	Decide(NegotiationKey, Decision),
	Read(NegotiationKey, oneshot::Sender<Option<Kept>>),
}

/// Talks to a running [`Driver`]. Cheap to clone; the driver ends when the last one is gone.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Command>);

impl Handle {
	/// Opens a negotiation: sends a request. Returns its key.
	///
	/// # Errors
	///
	/// [`DeskError`]; `None` when the driver has ended.
	pub async fn ask(&self, config: Config) -> Option<Result<NegotiationKey, DeskError>> {
		let (reply, asked) = oneshot::channel();
		self.0.send(Command::Ask(Box::new(config), reply)).await.ok()?;
		asked.await.ok()
	}

	/// Says what the operator has decided. Whether that is taken shows in the events.
	pub async fn decide(&self, key: NegotiationKey, decision: Decision) {
		// A driver that has ended decides nothing any more.
		let _ = self.0.send(Command::Decide(key, decision)).await;
	}

	/// What was said so far in a negotiation that is open, or was when the driver started.
	pub async fn read(&self, key: NegotiationKey) -> Option<Kept> {
		let (reply, read) = oneshot::channel();
		self.0.send(Command::Read(key, reply)).await.ok()?;
		read.await.ok()?
	}
}

/// A negotiation that is open.
struct Open {
	desk: Desk,
	/// What of the chain it was told last.
	told: Option<StandingView>,
	/// When it was told the other side's delegate keys.
	keys_at: Option<BlockNumber>,
}

impl Open {
	fn new(desk: Desk) -> Self {
		Self { desk, told: None, keys_at: None }
	}
}

/// Drives negotiations until nobody holds its [`Handle`] any more.
pub struct Driver {
	store: Arc<dyn Store>,
	committer: Committer,
	chain: Arc<dyn NegotiationChain>,
	transport: Arc<dyn Transport>,
	policy: Arc<dyn Policy>,
	open: BTreeMap<NegotiationKey, Open>,
	/// Negotiations that are over: what was said last is said again to who asks again.
	over: HashMap<NegotiationKey, Desk>,
	now: BlockNumber,
	events: mpsc::UnboundedSender<Event>,
	sending: Arc<Semaphore>,
}

impl Driver {
	/// A driver that goes on with what the store has, as far as the policy wants, and reads the chain once.
	///
	/// # Errors
	///
	/// [`ChainError`]; [`DeskError`] when the store cannot be read.
	pub async fn new(
		store: Arc<dyn Store>,
		committer: Committer,
		chain: Arc<dyn NegotiationChain>,
		transport: Arc<dyn Transport>,
		policy: Arc<dyn Policy>,
	) -> Result<(Self, mpsc::UnboundedReceiver<Event>), DriverError> {
		let now = chain.finalized().await?.number;
		let (events, heard) = mpsc::unbounded_channel();
		let sending = Arc::new(Semaphore::new(SENDING));
		let (open, over) = (BTreeMap::new(), HashMap::new());
		let mut driver =
			Self { store, committer, chain, transport, policy, open, over, now, events, sending };
		for kept in rows::load_all(driver.store.as_ref()).map_err(DeskError::from)? {
			if kept.notes.outcome.is_some() {
				continue;
			}
			let Some(config) = driver.policy.resume(&kept) else { continue };
			let desk = driver.desk(config)?;
			let question = desk.negotiator().question().cloned();
			let key = desk.negotiator().transcript().key();
			driver.open.insert(key, Open::new(desk));
			if let Some(question) = question {
				driver.tell(Event::Asked { key, question });
			}
		}
		Ok((driver, heard))
	}

	/// Runs until the last handle is gone. Negotiations stay open, and go on with the next driver.
	pub fn start(mut self) -> (Handle, tokio::task::JoinHandle<()>) {
		let (commands, mut orders) = mpsc::channel(16);
		let task = tokio::spawn(async move {
			let mut looks = tokio::time::interval(LOOK);
			looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
			let (arrived, mut arriving) = mpsc::channel(64);
			let listener = tokio::spawn(listen(self.transport.clone(), arrived));
			loop {
				tokio::select! {
					order = orders.recv() => match order {
						Some(order) => self.obey(order).await,
						None => break,
					},
					Some(bytes) = arriving.recv() => self.hear(bytes).await,
					_ = looks.tick() => {
						if let Err(error) = self.look().await {
							tracing::warn!(%error, "the chain could not be read");
						}
					},
				}
			}
			listener.abort();
		});
		(Handle(commands), task)
	}

	fn tell(&self, event: Event) {
		// Nobody has to listen.
		let _ = self.events.send(event);
	}

	fn desk(&self, config: Config) -> Result<Desk, DeskError> {
		Desk::open(&self.store, self.committer.clone(), config, self.now)
	}

	async fn obey(&mut self, order: Command) {
		match order {
			Command::Ask(config, reply) => {
				let asked = self.ask(*config).await;
				// Who does not wait any more sees it in the events.
				let _ = reply.send(asked);
			},
			Command::Decide(key, decision) => self.input(key, Input::Decision(decision)).await,
			Command::Read(key, reply) => {
				let desk = self.open.get(&key).map(|open| &open.desk).or(self.over.get(&key));
				let _ = reply.send(desk.map(|desk| desk.negotiator().kept()));
			},
		}
	}

	async fn ask(&mut self, config: Config) -> Result<NegotiationKey, DeskError> {
		let mut desk = self.desk(config)?;
		let actions = desk.ask().await?;
		let key = desk.negotiator().transcript().key();
		self.open.insert(key, Open::new(desk));
		self.act(key, actions);
		Ok(key)
	}

	/// Takes a message from anybody.
	async fn hear(&mut self, bytes: Vec<u8>) {
		let signed = match Signed::parse(&bytes) {
			Ok(signed) => signed,
			Err(error) => return self.tell(Event::Rejected { reason: error.to_string() }),
		};
		let message = &signed.message;
		let parties = message.parties();
		let key = negotiation_key(&parties.buyer, &parties.seller, &parties.negotiation);
		if let Some(desk) = self.over.get_mut(&key) {
			match desk.handle(Input::Message(bytes)).await {
				Ok(actions) => self.act(key, actions),
				Err(error) => self.tell(Event::Rejected { reason: error.to_string() }),
			}
			return;
		}
		if !self.open.contains_key(&key) {
			if let Err(reason) = self.admit(message, key) {
				return self.tell(Event::Rejected { reason });
			}
		}
		if matches!(signed.signature, AgentSignature::Delegate { .. }) {
			if let Err(error) = self.learn_keys(key).await {
				tracing::warn!(%error, "delegate keys could not be read");
			}
		}
		let Some(actions) = self.handle(key, Input::Message(bytes)).await else { return };
		// Not before: who has signed it is known now.
		self.tell(Event::Said { key, message: Box::new(signed) });
		self.act(key, actions);
	}

	/// Has a negotiation know which delegate keys may sign for the other side, unless it has learnt it of late.
	async fn learn_keys(&mut self, key: NegotiationKey) -> Result<(), ChainError> {
		let Some(open) = self.open.get(&key) else { return Ok(()) };
		if open.keys_at.is_some_and(|at| self.now < at.saturating_add(KEYS_EVERY)) {
			return Ok(());
		}
		let peer = open.desk.negotiator().config().peer.clone();
		let block = self.chain.finalized().await?;
		let keys = self.chain.offer_keys(&peer, block.hash).await?;
		if let Some(open) = self.open.get_mut(&key) {
			open.keys_at = Some(block.number);
		}
		self.input(key, Input::Keys(keys)).await;
		Ok(())
	}

	/// Makes place for a negotiation that somebody opens.
	fn admit(&mut self, message: &Message, key: NegotiationKey) -> Result<(), String> {
		if !matches!(message.body, Body::Request { .. }) || message.sequence != 1 {
			return Err("the message is of a negotiation that is not open here".into());
		}
		if self.open.len() >= MAX_OPEN {
			return Err(format!("{MAX_OPEN} negotiations are open already"));
		}
		let config = self.policy.answer(message).ok_or("the request is not answered here")?;
		let desk = self.desk(config).map_err(|error| error.to_string())?;
		if desk.negotiator().transcript().key() != key {
			return Err("the request is for somebody else".into());
		}
		self.open.insert(key, Open::new(desk));
		Ok(())
	}

	async fn input(&mut self, key: NegotiationKey, input: Input) {
		if let Some(actions) = self.handle(key, input).await {
			self.act(key, actions);
		}
	}

	/// Has the machine take an input. `None` when it was not taken, which is told.
	async fn handle(&mut self, key: NegotiationKey, input: Input) -> Option<Vec<Action>> {
		let open = self.open.get_mut(&key)?;
		match open.desk.handle(input).await {
			Ok(actions) => Some(actions),
			Err(error) => {
				// A stranger's first message that is no good leaves nothing behind.
				if open.desk.negotiator().transcript().state().length() == 0 {
					self.open.remove(&key);
				}
				self.tell(Event::Rejected { reason: error.to_string() });
				None
			},
		}
	}

	/// Brings what is final to all that are open.
	async fn look(&mut self) -> Result<(), ChainError> {
		let block = self.chain.finalized().await?;
		if block.number <= self.now {
			return Ok(());
		}
		self.now = block.number;
		let keys: Vec<_> = self.open.keys().copied().collect();
		for key in keys {
			let Some(open) = self.open.get_mut(&key) else { continue };
			let parties = open.desk.negotiator().transcript().state().parties().clone();
			// What is final comes before the block that it is in: without it no time passes.
			let found = match self.chain.standing(&parties, block.hash).await {
				Ok(found) => found,
				Err(error) => {
					tracing::warn!(%error, "a negotiation could not be read");
					continue;
				},
			};
			let facts = facts(open.told.as_ref(), found.as_ref());
			open.told = found;
			for fact in facts {
				self.input(key, Input::Chain(fact)).await;
			}
			self.input(key, Input::Tick(block.number)).await;
		}
		Ok(())
	}

	/// Carries out what a machine says.
	fn act(&mut self, key: NegotiationKey, actions: Vec<Action>) {
		let state = self.open.get(&key).map(|open| &open.desk).or(self.over.get(&key));
		let parties = state.map(|desk| desk.negotiator().transcript().state().parties().clone());
		let side = state.map(|desk| desk.negotiator().config().side);
		let (Some(parties), Some(side)) = (parties, side) else { return };
		for action in actions {
			match action {
				Action::Send(message) => self.send(key, message),
				Action::Commit { offer, signature, transcript } => {
					let chain = self.chain.clone();
					self.submit(key, "committing the offer", async move {
						chain.commit(*offer, signature, transcript).await
					});
				},
				Action::Withdraw { round } => {
					let (chain, other) = (self.chain.clone(), parties.of(side.other()).clone());
					let negotiation = parties.negotiation;
					self.submit(key, "withdrawing the offer", async move {
						chain.withdraw(other, negotiation, side, round).await
					});
				},
				Action::Supersede { offer, signature, .. } => {
					let chain = self.chain.clone();
					self.submit(key, "undoing the agreement", async move {
						chain.supersede(*offer, signature).await
					});
				},
				Action::Ask(question) => self.tell(Event::Asked { key, question }),
				Action::Post { at } => self.tell(Event::Post { key, at }),
				Action::End(outcome) => {
					if let Some(open) = self.open.remove(&key) {
						// As many as can be open are remembered; the others have their answers on disk.
						if self.over.len() >= MAX_OPEN {
							self.over.clear();
						}
						self.over.insert(key, open.desk);
					}
					self.tell(Event::Ended { key, outcome });
				},
			}
		}
	}

	fn send(&self, key: NegotiationKey, message: Box<Signed>) {
		self.tell(Event::Said { key, message: message.clone() });
		let (transport, sending) = (self.transport.clone(), self.sending.clone());
		let events = self.events.clone();
		tokio::spawn(async move {
			let Ok(_permit) = sending.acquire().await else { return };
			if let Err(error) = transport.send(*message).await {
				let reason = format!("sending: {error}");
				let _ = events.send(Event::Failed { key, reason });
			}
		});
	}

	fn submit(
		&self,
		key: NegotiationKey,
		what: &'static str,
		done: impl std::future::Future<Output = Result<(), ChainError>> + Send + 'static,
	) {
		let events = self.events.clone();
		tokio::spawn(async move {
			if let Err(error) = done.await {
				let reason = format!("{what}: {error}");
				let _ = events.send(Event::Failed { key, reason });
			}
		});
	}
}

/// Why a driver does not start.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
	/// The chain cannot be read.
	#[error(transparent)]
	Chain(#[from] ChainError),
	/// What was kept cannot be read or taken up.
	#[error(transparent)]
	Desk(#[from] DeskError),
}

/// What has become final of a negotiation since it was told last.
fn facts(before: Option<&StandingView>, after: Option<&StandingView>) -> Vec<Fact> {
	let Some(after) = after else { return Vec::new() };
	let bar = |view: &StandingView, side| match side {
		Side::Buyer => view.buyer_bar,
		Side::Seller => view.seller_bar,
	};
	let mut facts = Vec::new();
	for by in [Side::Buyer, Side::Seller] {
		let round = bar(after, by);
		if round > before.map_or(0, |before| bar(before, by)) {
			facts.push(Fact::Withdrawn { by, round });
		}
	}
	// It has the last word.
	let known = before.is_some_and(|before| before.agreement.is_some());
	facts.extend(after.agreement.filter(|_| !known).map(|agreement| Fact::Committed { agreement }));
	facts
}

/// Hands over what the transport brings, for ever.
async fn listen(transport: Arc<dyn Transport>, arrived: mpsc::Sender<Vec<u8>>) {
	loop {
		match transport.receive().await {
			Ok(bytes) => {
				if arrived.send(bytes).await.is_err() {
					return;
				}
			},
			Err(error) => {
				tracing::debug!(%error, "no message could be received");
				tokio::time::sleep(RECOVER).await;
			},
		}
	}
}
