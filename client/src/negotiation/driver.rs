//! Drives all negotiations of an agent: brings messages, final blocks and decisions to their machines, and carries
//! out what these say.
//!
//! One task, one store, one transport. What is said is on disk before it is sent ([`Desk`]); sending and
//! submitting happen beside, so that a slow node or a dead counterparty holds up nobody else. A message that
//! could not be sent is sent again by its machine, a commit that failed is tried again until the offer ends.
//!
//! What is over is looked after as long as the chain may still say otherwise: an agreement for the day in which it can be
//! undone, a refusal until the refused offer can no longer be committed.
//!
//! Messages come through the transport, or are brought by a server that answers callers ([`Handle::hear`]). Who calls
//! gets what there is to say as the answer, and nothing through the transport.

mod events;
mod outbox;
mod seat;

pub use self::events::{Event, Events, EVENTS};

use self::{outbox::Outbox, seat::Seat};
use super::{
	desk::{Desk, DeskError},
	machine::{Action, Config, Decision, Input, Outcome, Question},
	message::{Body, Message, Parties, Signed},
	rows::{self, Kept},
	transport::{Transport, TransportError},
};
use crate::{
	chain::{BlockRef, ChainError},
	store::{Committer, Store},
};
use futures::future::BoxFuture;
use std::{
	collections::{BTreeMap, VecDeque},
	sync::Arc,
	time::Duration,
};
use stoa_primitives::{
	agreement::{
		negotiation_key, AgreementId, NegotiationKey, Offer, Side, StandingView, MAX_VALIDITY,
	},
	keys::{AgentSignature, Key},
	AccountId, BlockNumber, BLOCK_MILLIS, H256, MINUTES,
};
use tokio::sync::{broadcast, mpsc, oneshot};

/// Most negotiations that are open at the same time. Requests beyond are not answered.
pub const MAX_OPEN: usize = 256;

/// Most of them with one other agent.
pub const MAX_OPEN_WITH: usize = 16;

/// Most negotiations that are over and still remembered. Those before have their answers on disk.
const MAX_OVER: usize = 1_024;

/// How often the chain is looked at.
const LOOK: Duration = Duration::from_millis(BLOCK_MILLIS / 2);

/// How many blocks pass between two looks at which delegate keys may sign for the other side.
const KEYS_EVERY: BlockNumber = MINUTES;

/// How many blocks pass between two looks at a negotiation that is over.
const WATCH_EVERY: BlockNumber = MINUTES;

/// How long the transport is left alone after it has failed.
const RECOVER: Duration = Duration::from_secs(1);

/// How long a driver that ends waits for what it is sending.
const FLUSH: Duration = Duration::from_secs(10);

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

	/// Whether an agreement has ended because it was undone, at a block.
	fn voided(&self, agreement: &AgreementId, at: H256) -> BoxFuture<'_, Result<bool, ChainError>>;

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

/// What a driver is at.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Load {
	/// The last final block.
	pub now: BlockNumber,
	/// Negotiations that are open.
	pub open: usize,
	/// Negotiations that have ended with an agreement within the last day or so, as far as they are remembered.
	pub agreed: usize,
}

/// With whom an agent negotiates, about what, and how.
pub trait Policy: Send + Sync + 'static {
	/// How to answer somebody's request, of which the form was checked and nothing else; `None` for not at all.
	///
	/// What the request says of the time is its sender's word: count from [`Load::now`].
	fn answer(&self, request: &Message, load: &Load) -> Option<Config>;

	/// How to go on with a negotiation that was under way when the process ended; `None` to leave it alone: what
	/// was offered in it stays binding until it ends.
	fn resume(&self, kept: &Kept) -> Option<Config>;
}

enum Command {
	Ask(Box<Config>, oneshot::Sender<Result<NegotiationKey, DeskError>>),
	Hear(Vec<u8>, oneshot::Sender<Result<Vec<Signed>, String>>),
	Decide(NegotiationKey, Option<Box<Question>>, Decision),
	Read(NegotiationKey, oneshot::Sender<Option<Kept>>),
	Overview(oneshot::Sender<Vec<Overview>>),
}

/// How a negotiation stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Overview {
	/// Which.
	pub key: NegotiationKey,
	/// What the operator is to decide.
	pub question: Option<Question>,
	/// How it ended, if it has.
	pub outcome: Option<Outcome>,
}

/// Talks to a running [`Driver`]. Cheap to clone; the driver ends when the last one is gone.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Command>);

impl Handle {
	async fn order<T>(&self, make: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
		let (reply, answer) = oneshot::channel();
		self.0.send(make(reply)).await.ok()?;
		answer.await.ok()
	}

	/// Opens a negotiation: sends a request. Returns its key.
	///
	/// # Errors
	///
	/// [`DeskError`]; `None` when the driver has ended.
	pub async fn ask(&self, config: Config) -> Option<Result<NegotiationKey, DeskError>> {
		self.order(|reply| Command::Ask(Box::new(config), reply)).await
	}

	/// Takes a message of somebody who calls, and returns what there is to say to that: all that was said since the
	/// other side spoke last, for [`respond`](super::respond).
	///
	/// # Errors
	///
	/// Why the message is not taken, for the caller.
	pub async fn hear(&self, bytes: Vec<u8>) -> Result<Vec<Signed>, String> {
		let ended = || Err("nobody negotiates here any more".into());
		self.order(|reply| Command::Hear(bytes, reply)).await.unwrap_or_else(ended)
	}

	/// Says what the operator has decided, whatever it is asked. Whether that is taken shows in the events.
	pub async fn decide(&self, key: NegotiationKey, decision: Decision) {
		// A driver that has ended decides nothing any more.
		let _ = self.0.send(Command::Decide(key, None, decision)).await;
	}

	/// Says what the operator has decided about this question. Not taken if another one is open by then.
	pub async fn decide_on(&self, key: NegotiationKey, question: Question, decision: Decision) {
		// As above.
		let _ = self.0.send(Command::Decide(key, Some(Box::new(question)), decision)).await;
	}

	/// What was said so far in a negotiation that is open or remembered.
	pub async fn read(&self, key: NegotiationKey) -> Option<Kept> {
		self.order(|reply| Command::Read(key, reply)).await?
	}

	/// How all negotiations stand that are open or remembered. Empty when the driver has ended.
	pub async fn overview(&self) -> Vec<Overview> {
		self.order(Command::Overview).await.unwrap_or_default()
	}
}

/// Drives negotiations until nobody holds its [`Handle`] any more.
pub struct Driver {
	store: Arc<dyn Store>,
	committer: Committer,
	chain: Arc<dyn NegotiationChain>,
	transport: Arc<dyn Transport>,
	policy: Arc<dyn Policy>,
	seats: BTreeMap<NegotiationKey, Seat>,
	/// Those that are over, the first one first.
	over: VecDeque<NegotiationKey>,
	now: BlockNumber,
	events: broadcast::Sender<Event>,
	outbox: Outbox,
	/// What was submitted, and how it went.
	done: (mpsc::UnboundedSender<Done>, mpsc::UnboundedReceiver<Done>),
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
	) -> Result<(Self, Events), DriverError> {
		let now = chain.finalized().await?.number;
		let (events, heard) = Events::new(EVENTS);
		let outbox = Outbox::new(transport.clone());
		let (seats, over, done) = (BTreeMap::new(), VecDeque::new(), mpsc::unbounded_channel());
		let mut driver = Self {
			store,
			committer,
			chain,
			transport,
			policy,
			seats,
			over,
			now,
			events,
			outbox,
			done,
		};
		for kept in rows::load_all(driver.store.as_ref()).map_err(DeskError::from)? {
			if kept.notes.outcome.is_some() && seat::watched_until(&kept, None) < now {
				// What has come to nothing is kept as long as it could be answered to.
				let agreed = matches!(kept.notes.outcome, Some(Outcome::Agreed { .. }));
				let last = kept.transcript.state().opened().saturating_add(MAX_VALIDITY);
				if !agreed && last < now {
					let gone = rows::removals(&kept.transcript);
					driver.committer.commit(gone).await.map_err(DeskError::from)?;
				}
				continue;
			}
			let key = kept.transcript.key();
			driver.resume(kept)?;
			let Some(seat) = driver.seats.get(&key).filter(|seat| !seat.is_over()) else {
				continue;
			};
			// Whether it was sent before the end is not known.
			let said: Vec<_> = seat.negotiator().unanswered().into_iter().cloned().collect();
			let question = seat.negotiator().question().cloned();
			said.into_iter().for_each(|message| driver.outbox.push(key, Box::new(message)));
			if let Some(question) = question {
				driver.tell(Event::Asked { key, question });
			}
		}
		Ok((driver, heard))
	}

	/// Goes on with what was kept of a negotiation, if the policy wants.
	fn resume(&mut self, kept: Kept) -> Result<(), DeskError> {
		let Some(config) = self.policy.resume(&kept) else { return Ok(()) };
		let desk = self.desk(config)?;
		self.seat(desk);
		Ok(())
	}

	fn seat(&mut self, desk: Desk) -> NegotiationKey {
		let seat = Seat::new(desk);
		let key = seat.key();
		let is_over = seat.is_over();
		self.seats.insert(key, seat);
		if is_over {
			self.remember(key);
		}
		key
	}

	/// Counts a negotiation among those that are over, in place of the first one of which the chain can say nothing new
	/// where there are too many. What strangers have asked for in vain is then gone from the disk too.
	fn remember(&mut self, key: NegotiationKey) {
		if self.over.contains(&key) {
			return;
		}
		self.over.push_back(key);
		if self.over.len() <= MAX_OVER {
			return;
		}
		let is_idle = |key: &NegotiationKey| {
			self.seats.get(key).is_none_or(|seat| !seat.is_watched(self.now))
		};
		let Some(key) =
			self.over.iter().position(is_idle).and_then(|place| self.over.remove(place))
		else {
			return;
		};
		let Some(seat) = self.seats.remove(&key) else { return };
		let transcript = seat.negotiator().transcript();
		if transcript.state().standing().is_none() {
			let (committer, gone) = (self.committer.clone(), rows::removals(transcript));
			tokio::spawn(async move {
				if let Err(error) = committer.commit(gone).await {
					tracing::warn!(%error, "a negotiation could not be forgotten");
				}
			});
		}
	}

	/// Runs until the last handle is gone, and what is being sent by then is sent. Negotiations stay open, and go on
	/// with the next driver.
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
					Some(bytes) = arriving.recv() => {
						if let Err(reason) = self.hear(bytes, Way::Transport).await {
							self.tell(Event::Rejected { reason });
						}
					},
					(key, sent) = self.outbox.next() => self.sent(key, sent),
					Some(done) = self.done.1.recv() => self.done(done),
					_ = looks.tick() => {
						if let Err(error) = self.look().await {
							tracing::warn!(%error, "the chain could not be read");
						}
					},
				}
			}
			listener.abort();
			let flush = async {
				while !self.outbox.is_empty() {
					let (key, sent) = self.outbox.next().await;
					self.sent(key, sent);
				}
			};
			if tokio::time::timeout(FLUSH, flush).await.is_err() {
				tracing::warn!("what was said last may not have arrived");
			}
		});
		(Handle(commands), task)
	}

	fn tell(&self, event: Event) {
		// Nobody has to listen.
		let _ = self.events.send(event);
	}

	fn sent(&self, key: NegotiationKey, sent: Result<(), TransportError>) {
		if let Err(error) = sent {
			self.tell(Event::Failed { key, reason: format!("sending: {error}") });
		}
	}

	fn desk(&self, config: Config) -> Result<Desk, DeskError> {
		Desk::open(&self.store, self.committer.clone(), config, self.now)
	}

	async fn obey(&mut self, order: Command) {
		// Who does not wait for an answer any more does not get it.
		match order {
			Command::Ask(config, reply) => {
				let _ = reply.send(self.ask(*config).await);
			},
			Command::Hear(bytes, reply) => {
				let _ = reply.send(self.answer(bytes).await);
			},
			Command::Decide(key, question, decision) => {
				let open = self.seats.get(&key).and_then(|seat| seat.negotiator().question());
				match question.as_deref() {
					Some(question) if open != Some(question) => {
						let reason = "the question that was decided is not open any more".into();
						self.tell(Event::Rejected { reason });
					},
					_ => self.input(key, Input::Decision(decision)).await,
				}
			},
			Command::Read(key, reply) => {
				let _ = reply.send(self.seats.get(&key).map(|seat| seat.negotiator().kept()));
			},
			Command::Overview(reply) => {
				let all = self.seats.iter().map(|(key, seat)| {
					let (question, outcome) =
						(seat.negotiator().question(), seat.negotiator().outcome());
					Overview { key: *key, question: question.cloned(), outcome: outcome.cloned() }
				});
				let _ = reply.send(all.collect());
			},
		}
	}

	async fn ask(&mut self, config: Config) -> Result<NegotiationKey, DeskError> {
		let mut desk = self.desk(config)?;
		let actions = desk.ask().await?;
		let key = self.seat(desk);
		if let Some(seat) = self.seats.get_mut(&key) {
			seat.shown = 0;
		}
		self.act(key, actions);
		Ok(key)
	}

	/// Takes a message of somebody who waits for the answer.
	async fn answer(&mut self, bytes: Vec<u8>) -> Result<Vec<Signed>, String> {
		let key = self.hear(bytes, Way::Call).await.inspect_err(|reason| {
			self.tell(Event::Rejected { reason: reason.clone() });
		})?;
		let said = self.seats.get(&key).map(|seat| seat.negotiator().unanswered());
		Ok(said.into_iter().flatten().cloned().collect())
	}

	/// Takes a message from anybody. Returns the negotiation.
	async fn hear(&mut self, bytes: Vec<u8>, way: Way) -> Result<NegotiationKey, String> {
		let signed = Signed::parse(&bytes).map_err(|error| error.to_string())?;
		let message = &signed.message;
		let parties = message.parties();
		let key = negotiation_key(&parties.buyer, &parties.seller, &parties.negotiation);
		self.admit(message, key)?;
		if matches!(signed.signature, AgentSignature::Delegate { .. }) {
			if let Err(error) = self.learn_keys(key).await {
				tracing::warn!(%error, "delegate keys could not be read");
			}
		}
		let length = |driver: &Self| driver.seats.get(&key).map(Seat::length);
		let before = length(self);
		let actions = self.handle(key, Input::Message(bytes)).await?;
		// Whoever repeats what was said, which anybody can, changes no way.
		if length(self) > before {
			if let Some(seat) = self.seats.get_mut(&key) {
				seat.way = way;
			}
			// Not before: who has signed it is known now.
			self.said(key, &signed);
		}
		for action in actions {
			match (way, action) {
				// It is in the answer.
				(Way::Call, Action::Send(message)) => self.said(key, &message),
				(_, action) => self.act(key, vec![action]),
			}
		}
		Ok(key)
	}

	/// Has a negotiation know which delegate keys may sign for the other side, unless it has learnt it of late.
	async fn learn_keys(&mut self, key: NegotiationKey) -> Result<(), ChainError> {
		let Some(seat) = self.seats.get(&key) else { return Ok(()) };
		if seat.keys_at.is_some_and(|at| self.now < at.saturating_add(KEYS_EVERY)) {
			return Ok(());
		}
		let peer = seat.negotiator().config().peer.clone();
		let block = self.chain.finalized().await?;
		let keys = self.chain.offer_keys(&peer, block.hash).await?;
		if let Some(seat) = self.seats.get_mut(&key) {
			seat.keys_at = Some(block.number);
		}
		self.input(key, Input::Keys(keys)).await;
		Ok(())
	}

	fn load(&self) -> Load {
		let outcomes = self.seats.values().map(|seat| seat.negotiator().outcome());
		let (mut open, mut agreed) = (0usize, 0usize);
		for outcome in outcomes {
			match outcome {
				None => open = open.saturating_add(1),
				Some(Outcome::Agreed { .. }) => agreed = agreed.saturating_add(1),
				Some(_) => {},
			}
		}
		Load { now: self.now, open, agreed }
	}

	/// Makes place for the negotiation of a message: one that is kept on disk, or that somebody opens.
	fn admit(&mut self, message: &Message, key: NegotiationKey) -> Result<(), String> {
		if self.seats.contains_key(&key) {
			return Ok(());
		}
		let kept = rows::load(self.store.as_ref(), &key).map_err(|error| error.to_string())?;
		if let Some(kept) = kept {
			self.resume(kept).map_err(|error| error.to_string())?;
			return match self.seats.contains_key(&key) {
				true => Ok(()),
				false => Err("the negotiation does not go on here".into()),
			};
		}
		if !matches!(message.body, Body::Request { .. }) || message.sequence != 1 {
			return Err("the message is of a negotiation that is not open here".into());
		}
		let load = self.load();
		if load.open >= MAX_OPEN {
			return Err(format!("{MAX_OPEN} negotiations are open already"));
		}
		let theirs =
			|seat: &&Seat| !seat.is_over() && seat.negotiator().config().peer == message.from;
		if self.seats.values().filter(theirs).count() >= MAX_OPEN_WITH {
			return Err(format!("{MAX_OPEN_WITH} negotiations with this agent are open already"));
		}
		let config =
			self.policy.answer(message, &load).ok_or("the request is not answered here")?;
		let desk = self.desk(config).map_err(|error| error.to_string())?;
		if desk.negotiator().transcript().key() != key {
			return Err("the request is for somebody else".into());
		}
		self.seat(desk);
		Ok(())
	}

	async fn input(&mut self, key: NegotiationKey, input: Input) {
		match self.handle(key, input).await {
			Ok(actions) => self.act(key, actions),
			Err(reason) => self.tell(Event::Rejected { reason }),
		}
	}

	/// Has the machine take an input.
	async fn handle(&mut self, key: NegotiationKey, input: Input) -> Result<Vec<Action>, String> {
		let Some(seat) = self.seats.get_mut(&key) else {
			return Err("the negotiation is not open here".into());
		};
		let taken = seat.desk.handle(input).await.map_err(|error| error.to_string());
		// A stranger's first message that is no good leaves nothing behind.
		if taken.is_err() && seat.length() == 0 {
			self.seats.remove(&key);
		}
		taken
	}

	/// Brings what is final to all that are open, and now and then to those that are over.
	async fn look(&mut self) -> Result<(), ChainError> {
		let block = self.chain.finalized().await?;
		if block.number <= self.now {
			return Ok(());
		}
		self.now = block.number;
		let keys: Vec<_> = self.seats.keys().copied().collect();
		for key in keys {
			let Some(seat) = self.seats.get_mut(&key) else { continue };
			if seat.is_due(block.number, WATCH_EVERY) {
				// What is final comes before the block that it is in: without it no time passes.
				match seat.learn(self.chain.as_ref(), &block).await {
					Ok(facts) => {
						for fact in facts {
							self.input(key, Input::Chain(fact)).await;
						}
					},
					Err(error) => {
						tracing::warn!(%error, "a negotiation could not be read");
						continue;
					},
				}
			}
			self.input(key, Input::Tick(block.number)).await;
		}
		Ok(())
	}

	/// Carries out what a machine says.
	fn act(&mut self, key: NegotiationKey, actions: Vec<Action>) {
		let Some(seat) = self.seats.get(&key) else { return };
		let (way, side) = (seat.way, seat.negotiator().config().side);
		let parties = seat.negotiator().transcript().state().parties().clone();
		for action in actions {
			match action {
				Action::Send(message) => {
					self.said(key, &message);
					// Who calls fetches it.
					if way == Way::Transport {
						self.outbox.push(key, message);
					}
				},
				Action::Commit { offer, signature, transcript } => {
					let chain = self.chain.clone();
					self.submit(key, Deed::Commit, async move {
						chain.commit(*offer, signature, transcript).await
					});
				},
				Action::Withdraw { round } => {
					let (chain, other) = (self.chain.clone(), parties.of(side.other()).clone());
					let negotiation = parties.negotiation;
					self.submit(key, Deed::Withdraw, async move {
						chain.withdraw(other, negotiation, side, round).await
					});
				},
				Action::Supersede { offer, signature, .. } => {
					let chain = self.chain.clone();
					self.submit(key, Deed::Undo, async move {
						chain.supersede(*offer, signature).await
					});
				},
				Action::Convict { first, second } => {
					self.tell(Event::Convicted { key, first, second });
				},
				Action::Ask(question) => self.tell(Event::Asked { key, question }),
				Action::Post { at } => self.tell(Event::Post { key, at }),
				Action::End(outcome) => {
					if let Some(seat) = self.seats.get_mut(&key) {
						seat.end(self.now);
					}
					self.remember(key);
					self.tell(Event::Ended { key, outcome });
				},
			}
		}
	}

	/// Tells of a message, the first time.
	fn said(&mut self, key: NegotiationKey, message: &Signed) {
		let Some(seat) = self.seats.get_mut(&key) else { return };
		if message.message.sequence > seat.shown {
			seat.shown = message.message.sequence;
			self.tell(Event::Said { key, message: Box::new(message.clone()) });
		}
	}

	fn submit(
		&mut self,
		key: NegotiationKey,
		deed: Deed,
		submitted: impl std::future::Future<Output = Result<(), ChainError>> + Send + 'static,
	) {
		// A machine says it again until it is final.
		if !self.seats.get_mut(&key).is_some_and(|seat| seat.deeds.insert(deed)) {
			return;
		}
		let done = self.done.0.clone();
		tokio::spawn(async move {
			let outcome = submitted.await;
			// A driver that has ended tells nobody.
			let _ = done.send(Done { key, deed, outcome });
		});
	}

	fn done(&mut self, Done { key, deed, outcome }: Done) {
		// What the chain has refused would cost its fee again. Whatever else has failed may go through later.
		let again = matches!(&outcome, Err(error) if !matches!(error, ChainError::Dispatch(_)));
		if let Some(seat) = self.seats.get_mut(&key).filter(|_| again) {
			seat.deeds.remove(&deed);
		}
		if let Err(error) = outcome {
			let what = match deed {
				Deed::Commit => "committing the offer",
				Deed::Withdraw => "withdrawing the offer",
				Deed::Undo => "undoing the agreement",
			};
			self.tell(Event::Failed { key, reason: format!("{what}: {error}") });
		}
	}
}

/// What is submitted.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Deed {
	Commit,
	Withdraw,
	Undo,
}

/// What was submitted, and how it went.
struct Done {
	key: NegotiationKey,
	deed: Deed,
	outcome: Result<(), ChainError>,
}

/// How the other side's last message has come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
	/// Through the transport, which also brings what is said to it.
	Transport,
	/// It calls, and fetches what is said to it.
	Call,
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
