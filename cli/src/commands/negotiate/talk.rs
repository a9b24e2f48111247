//! Negotiating: one side at a time, as a profile says.

use super::{
	profile::Profile,
	transcripts::{describe, open, show_outcome},
};
use crate::{
	amount::Unit,
	cli::{Buy, Operator, Sell},
	commands::serve::bind,
	context::Context,
	keys::KeyPair,
	output::{Failure, Report},
	signals::stopped,
	time::show_blocks,
};
use std::{
	collections::{BTreeMap, HashMap, HashSet, VecDeque},
	io::{stdin, BufRead, IsTerminal},
	path::Path,
	sync::Arc,
	time::Duration,
};
use stoa_client::{
	chain::{calls, to_hex, At, Chain, SignedChain},
	keys::{format_account, random_bytes},
	negotiation::{
		Body, Config, Decision, Driver, Event, Events, Handle, HttpTransport, Kept, Load, Locks,
		Message, Outcome, Overview, Parties, Plan, Policy, Proposal, Question, SealingKey,
		StatementTransport, Timing, Transport, Turn,
	},
	store::Committer,
};
use stoa_gateway::serve_negotiations;
use stoa_primitives::{
	agreement::{negotiation_key, NegotiationKey, Side},
	AccountId, BlockNumber,
};
use tokio::{
	sync::{oneshot, Mutex},
	task::JoinHandle,
	time::Instant,
};

/// How long a call to the other side may take.
const REQUEST: Duration = Duration::from_secs(20);

/// How long a side waits for the last message of a negotiation that has ended with an agreement.
const LAST_WORD: Duration = Duration::from_secs(10);

fn broken(error: impl std::fmt::Display) -> Failure {
	Failure::new(
		format!("the negotiation broke off: {error}"),
		"start it again: what was said is kept, and it goes on where it was",
	)
}

/// How a side negotiates with anybody: what its profile says, with the other side left open.
#[derive(Clone)]
struct Template {
	config: Config,
	/// How many agreements there may be in a day, negotiations that are under way included.
	per_day: Option<usize>,
	/// With what it locks what it delivers under a lock.
	locks: Locks,
	/// How long it is negotiated, in blocks.
	span: BlockNumber,
}

impl Template {
	/// The configuration for these parties, in a negotiation about this plan that begins at block `begun`; `None` when
	/// it is not this side's.
	fn of(&self, parties: &Parties, begun: BlockNumber, plan: Option<&Plan>) -> Option<Config> {
		let side = self.config.side;
		let key = negotiation_key(&parties.buyer, &parties.seller, &parties.negotiation);
		// Who delivers locks.
		let parts = plan.filter(|_| side == Side::Seller).map(|plan| plan.milestones.as_slice());
		let locked = (0u32..).zip(parts.unwrap_or_default()).filter(|(_, part)| part.locked);
		let locks = locked.map(|(place, _)| self.locks.lock(&key, place)).collect();
		let ours =
			*parties.of(side) == self.config.key.agent() && parties.genesis == self.config.genesis;
		ours.then(|| Config {
			negotiation: parties.negotiation,
			peer: parties.of(side.other()).clone(),
			deadline: begun.saturating_add(self.span),
			locks,
			..self.config.clone()
		})
	}
}

impl Policy for Template {
	/// Only sellers are asked.
	fn answer(&self, request: &Message, load: &Load) -> Option<Config> {
		let busy = load.open.saturating_add(load.agreed);
		if self.per_day.is_some_and(|most| busy >= most) {
			return None;
		}
		match (&request.body, self.config.side) {
			(Body::Request { plan, .. }, Side::Seller) => {
				self.of(&request.parties(), load.now, Some(plan))
			},
			_ => None,
		}
	}

	fn resume(&self, kept: &Kept) -> Option<Config> {
		let state = kept.transcript.state();
		let begun = kept.notes.began.unwrap_or(state.opened());
		let plan = state.request().map(|request| &request.plan);
		let ours = kept.side == self.config.side;
		ours.then(|| self.of(state.parties(), begun, plan)).flatten()
	}
}

/// A side that is up.
struct Desk<'a> {
	context: &'a Context,
	chain: Chain,
	unit: Unit,
	key: KeyPair,
	operator: Operator,
	template: Template,
	handle: Handle,
	events: Events,
	/// Questions that wait for an answer.
	asking: Vec<JoinHandle<()>>,
	/// Held by the question that is on the screen: an answer is to one of them.
	screen: Arc<Mutex<()>>,
	/// What was missed, as far as it still matters.
	missed: VecDeque<Event>,
	task: JoinHandle<()>,
}

impl<'a> Desk<'a> {
	async fn start(
		context: &'a Context,
		profile: &Path,
		side: Side,
		operator: Operator,
		peer: Option<(AccountId, &str)>,
	) -> Result<Self, Failure> {
		let key = context.key()?;
		let profile = Profile::read(profile)?;
		let chain = context.chain().await?;
		let unit = match &profile.plan {
			Some(plan) => context.unit_of(&chain, &plan.asset).await?,
			None => context.unit(&chain, profile.asset()).await?,
		};
		let now = chain.block(At::Finalized).await?.number;
		let somebody = parties(&chain, side, key.account_id(), AccountId::new([0; 32]));
		let config = profile.config(context, &somebody, side, &unit, now)?;
		let store = open(context, &chain, &key.account_id()).await?;
		let committer = Committer::start(store.clone())?;
		let locks = Locks::open(store.as_ref(), &committer).await?;
		let (span, per_day) = (config.deadline.saturating_sub(now), profile.per_day);
		let template = Template { config, span, per_day, locks };
		let transport: Arc<dyn Transport> = match peer {
			Some((peer, url)) => Arc::new(calling(peer, url)?),
			None => Arc::new(stating(context, &chain, &key).await?),
		};
		// Nobody chooses later from what its fees are paid: all from where those of this call would be.
		let call = calls::escrow::forget([0; 32]);
		let options = context.final_options(&chain, &key, &call).await?;
		let signed = Arc::new(SignedChain::new(chain.clone(), key.account.clone(), options));
		let policy = Arc::new(template.clone());
		let (driver, events) =
			Driver::new(store, committer, signed, transport, policy).await.map_err(broken)?;
		let (handle, task) = driver.start();
		let (asking, screen, missed) = Default::default();
		Ok(Self {
			context,
			chain,
			unit,
			key,
			operator,
			template,
			handle,
			events,
			asking,
			screen,
			missed,
			task,
		})
	}

	/// The next thing that happens, shown, with questions answered as the operator wants.
	async fn next(&mut self) -> Result<Event, Failure> {
		let event = match self.missed.pop_front() {
			Some(event) => event,
			None => self.events.next().await.ok_or_else(|| broken("its driver has ended"))?,
		};
		match &event {
			Event::Said { message, .. } => {
				self.context.progress(&describe(&message.message, &self.unit));
			},
			Event::Asked { key, question } => self.ask(*key, question).await,
			Event::Rejected { reason } => {
				self.context.progress(&format!("a message was not taken: {reason}"));
			},
			Event::Failed { reason, .. } => self.context.progress(&format!("failed, {reason}")),
			Event::Convicted { key, .. } => {
				self.context.progress(&format!(
					"the other side has said two different things: see stoa negotiate show {}",
					to_hex(key)
				));
			},
			Event::Post { at, .. } => {
				self.context.progress(&format!("asking again makes sense from block {at} on"));
			},
			Event::Ended { key, outcome } => {
				let line = format!("{}: {}", to_hex(key), show_outcome(outcome));
				self.context.progress(&line);
			},
			Event::Missed { count } => {
				self.context.progress(&format!("{count} events were too many to be shown"));
				for Overview { key, question, outcome } in self.handle.overview().await {
					let asked = question.map(|question| Event::Asked { key, question });
					let ended = outcome.map(|outcome| Event::Ended { key, outcome });
					self.missed.extend(asked.into_iter().chain(ended));
				}
			},
		}
		Ok(event)
	}

	/// Has the question decided, beside everything else that goes on.
	async fn ask(&mut self, key: NegotiationKey, question: &Question) {
		let kept = self.handle.read(key).await;
		let line = describe_question(question, kept.as_ref(), &self.unit);
		let decision = match (self.operator, question) {
			(Operator::Approve, Question::Accept { .. } | Question::Offer { .. }) => {
				Decision::Approve
			},
			// What the profile rules out takes more than a word in advance.
			(Operator::Approve, Question::NoDeal { .. } | Question::Clauses { .. })
			| (Operator::Refuse, _) => Decision::Refuse,
			(Operator::Ask, _) => {
				let (handle, screen) = (self.handle.clone(), self.screen.clone());
				let question = question.clone();
				self.asking.push(tokio::spawn(async move {
					let _screen = screen.lock().await;
					let (reply, answer) = oneshot::channel();
					// Nobody can take back a read from the terminal: a thread that the process does not wait for.
					std::thread::spawn(move || reply.send(read_answer(&line)));
					let decision = answer.await.unwrap_or(Decision::Refuse);
					handle.decide_on(key, question, decision).await;
				}));
				return;
			},
		};
		let said = if decision == Decision::Approve { "approved" } else { "refused" };
		self.context.progress(&format!("{line} {said}"));
		self.handle.decide_on(key, question.clone(), decision).await;
	}

	/// The negotiation with this seller that is open since an earlier run.
	async fn open_with(&self, seller: &AccountId) -> Option<NegotiationKey> {
		for Overview { key, outcome, .. } in self.handle.overview().await {
			let kept = self.handle.read(key).await.filter(|_| outcome.is_none());
			if kept.is_some_and(|kept| kept.transcript.state().parties().seller == *seller) {
				return Some(key);
			}
		}
		None
	}

	/// Opens a negotiation with this seller.
	async fn open(&self, seller: AccountId) -> Result<NegotiationKey, Failure> {
		let now = self.chain.block(At::Finalized).await?.number;
		let parties = parties(&self.chain, Side::Buyer, self.key.account_id(), seller);
		let config =
			self.template.of(&parties, now, None).ok_or_else(|| broken("it is not this side's"))?;
		let asked = self.handle.ask(config).await.ok_or_else(|| broken("its driver has ended"))?;
		asked.map_err(broken)
	}

	/// Waits for the message that completes a transcript: the chain may have told of the agreement before the other
	/// side's ACCEPT has arrived.
	async fn complete(&self, key: NegotiationKey) {
		let end = Instant::now() + LAST_WORD;
		while Instant::now() < end {
			let kept = self.handle.read(key).await;
			let accepted =
				|kept: Kept| matches!(kept.transcript.state().turn(), Turn::Accepted { .. });
			if kept.is_none_or(accepted) {
				return;
			}
			tokio::time::sleep(LAST_WORD / 50).await;
		}
		self.context.progress(
			"the other side's ACCEPT has not arrived: its transcript has one message more",
		);
	}

	async fn stop(self) -> Result<(), Failure> {
		let Self { handle, events, task, asking, .. } = self;
		// What nobody has answered is refused when its time is over, by the next process.
		for asked in &asking {
			asked.abort();
		}
		drop((handle, events));
		task.await.map_err(broken)
	}
}

/// Through the node's statement store.
async fn stating(
	context: &Context,
	chain: &Chain,
	key: &KeyPair,
) -> Result<StatementTransport, Failure> {
	let (secret, timing) = (SealingKey::generate(), Timing::default());
	let account = key.account.clone();
	StatementTransport::connect(context.node(), chain.genesis(), account, secret, timing)
		.await
		.map_err(|error| {
			Failure::new(
				format!("the node's statement store cannot be used: {error}"),
				"only registered agents may: see `stoa agent register`; or name another node",
			)
		})
}

/// To one agent, which listens at `url`.
fn calling(peer: AccountId, url: &str) -> Result<HttpTransport, Failure> {
	HttpTransport::new(HashMap::from([(peer, url.to_owned())]), REQUEST).map_err(|error| {
		Failure::new(format!("{url} cannot be called: {error}"), "give a URL like https://host")
	})
}

fn parties(chain: &Chain, side: Side, own: AccountId, other: AccountId) -> Parties {
	let (genesis, negotiation) = (chain.genesis(), random_bytes());
	match side {
		Side::Buyer => Parties { genesis, negotiation, buyer: own, seller: other },
		Side::Seller => Parties { genesis, negotiation, buyer: other, seller: own },
	}
}

/// A question in a line: with whom, about what, and all that would bind.
fn describe_question(question: &Question, kept: Option<&Kept>, unit: &Unit) -> String {
	let show = |proposal: &Proposal| {
		let (price, time) = (unit.show(proposal.price), show_blocks(proposal.time));
		format!("{price} in {time} at {} ppm of success", proposal.quality)
	};
	let asked = match question {
		Question::Accept { proposal, .. } => format!("Accept {}", show(proposal)),
		Question::Offer { proposal, .. } => format!("Offer {}", show(proposal)),
		Question::NoDeal { theirs: Some(theirs) } => {
			format!("There is no deal within the limits. Accept {} all the same", show(theirs))
		},
		Question::NoDeal { theirs: None } => "There is no deal within the limits. Go on".into(),
		Question::Clauses { departure, .. } => {
			let standing = kept.and_then(|kept| kept.transcript.state().standing());
			let offer = standing.map_or(String::new(), |standing| {
				let offer = &standing.offer;
				let total = unit.show(offer.total().unwrap_or_default());
				let (bond, fee) = (unit.show(offer.bond), unit.show(offer.panel.fee));
				let arbiters = offer.panel.arbiters.len();
				format!(" {total}, bond {bond}, {arbiters} arbiters for {fee},")
			});
			format!("Accept{offer} though {departure}")
		},
	};
	let peer = kept.map(|kept| {
		let parties = kept.transcript.state().parties();
		format!(", with {}", format_account(parties.of(kept.side.other())))
	});
	format!("{asked}{}?", peer.unwrap_or_default())
}

/// What whoever sits here says; no when nobody does.
fn read_answer(question: &str) -> Decision {
	if !stdin().is_terminal() {
		crate::output::note(&format!("{question} refused: nobody can be asked"));
		return Decision::Refuse;
	}
	crate::output::note(&format!("{question} [y/N]"));
	let mut line = String::new();
	match stdin().lock().read_line(&mut line) {
		Ok(_) if matches!(line.trim(), "y" | "Y" | "yes") => Decision::Approve,
		_ => Decision::Refuse,
	}
}

/// `stoa negotiate buy`.
///
/// # Errors
///
/// Those of keys, files, stores and chain.
pub async fn buy(context: &Context, args: &Buy) -> Result<(Report, Option<Failure>), Failure> {
	let seller = context.account(&args.seller)?;
	let peer = args.url.as_deref().map(|url| (seller.clone(), url));
	let mut desk = Desk::start(context, &args.profile, Side::Buyer, args.operator, peer).await?;
	let key = match desk.open_with(&seller).await {
		Some(key) => {
			context.progress(&format!("going on with negotiation {}", to_hex(key)));
			key
		},
		None => desk.open(seller).await?,
	};
	let outcome = loop {
		tokio::select! {
			event = desk.next() => match event? {
				Event::Ended { key: of, outcome } if of == key => break outcome,
				_ => {},
			},
			stop = stopped() => {
				stop?;
				return Err(Failure::new(
					"interrupted",
					"what was offered binds until it expires; the same command goes on",
				));
			},
		}
	};
	if matches!(outcome, Outcome::Agreed { .. }) {
		desk.complete(key).await;
	}
	let kept = desk.handle.read(key).await;
	desk.stop().await?;
	let report = Report::line(show_outcome(&outcome))
		.row("negotiation", "negotiation", to_hex(key))
		.with("outcome", outcome_word(&outcome));
	let report = match &kept {
		Some(kept) => report
			.row("transcript", "transcript", to_hex(kept.transcript.state().head()))
			.with("messages", kept.transcript.messages().len()),
		None => report,
	};
	Ok(match outcome {
		Outcome::Agreed { agreement } => {
			(report.row("agreement", "agreement", to_hex(agreement)), None)
		},
		other => {
			let exposed = match &other {
				Outcome::Denied { exposed_until, .. } => *exposed_until,
				_ => None,
			};
			let failure = Failure::new(
				format!("no agreement: {}", show_outcome(&other)),
				match exposed {
					Some(block) => format!(
						"what was offered can be committed up to block {block}, against the rules: before \
						 buying elsewhere, withdraw it: stoa agreement withdraw-offer {}",
						to_hex(key)
					),
					None => "change the profile's limits, or ask somebody else".into(),
				},
			);
			(report.with("exposed_until", exposed), Some(failure))
		},
	})
}

/// How a negotiation ended, for programs.
fn outcome_word(outcome: &Outcome) -> &'static str {
	match outcome {
		Outcome::Agreed { .. } => "agreed",
		Outcome::Denied { .. } => "denied",
		Outcome::Expired => "expired",
		Outcome::Withdrawn { .. } => "withdrawn",
		Outcome::Voided { .. } => "voided",
	}
}

/// `stoa negotiate sell`.
///
/// # Errors
///
/// Those of keys, files, stores and chain.
pub async fn sell(context: &Context, args: &Sell) -> Result<Report, Failure> {
	let listener = match &args.listen {
		Some(address) => Some(bind(address, "--listen, like 127.0.0.1:8403").await?),
		None => None,
	};
	let mut desk = Desk::start(context, &args.profile, Side::Seller, args.operator, None).await?;
	let (close, closed) = oneshot::channel::<()>();
	let door = listener.map(|(listener, address)| {
		context.progress(&format!("listening on http://{address}"));
		let until = async {
			// A dropped sender closes it as well.
			let _ = closed.await;
		};
		tokio::spawn(serve_negotiations(listener, desk.handle.clone(), until))
	});
	context.progress(&format!("{} answers whoever asks", desk.key.address()));
	let (mut over, mut agreed) = (HashSet::new(), BTreeMap::new());
	let count = |over: &HashSet<_>| u64::try_from(over.len()).unwrap_or(u64::MAX);
	while args.count.is_none_or(|most| count(&over) < most) {
		tokio::select! {
			event = desk.next() => if let Event::Ended { key, outcome } = event? {
				over.insert(key);
				match outcome {
					Outcome::Agreed { agreement } => agreed.insert(key, agreement),
					_ => agreed.remove(&key),
				};
			},
			stop = stopped() => {
				stop?;
				break;
			},
		}
	}
	for key in agreed.keys() {
		desk.complete(*key).await;
	}
	drop(close);
	if let Some(door) = door {
		door.await.map_err(broken)?;
	}
	desk.stop().await?;
	let (over, made) = (count(&over), agreed.len());
	Ok(Report::line(format!("{over} negotiations ended, {made} of them with an agreement."))
		.with("ended", over)
		.with("agreements", agreed.values().map(to_hex).collect::<Vec<_>>()))
}
