//! One side of a negotiation. No clock, no disk, no network: the driver brings messages, blocks, the operator's
//! decisions and what happens on chain, and carries out the actions that come back.
//!
//! **Who is bound to what.** A signed offer binds its maker until its last block, or until a withdrawal is on chain: the
//! other side commits it or does not. So the chain says what was agreed, and the machine never ends without a deal
//! while an offer of its own could still be committed, unless one side has denied
//! ([`Outcome::Denied`] then says how long it could: a refusal can be shown to the chain, it keeps nobody from a commit). An acceptance off chain is an announcement: whoever accepts
//! commits, and both sides have a deal when that is final.
//!
//! **Last offers.** An offer can be marked as its maker's last. The other side then takes it if it can live with it at
//! all, because nothing better follows. A side makes its last offer when its rounds or its time run out, and the last
//! offer is its reservation. Hence two sides agree exactly when their ranges overlap, as long as messages arrive
//! in time, each may make at least one offer, and the operators agree to what they are asked
//! (for [`Utility`](super::Utility) with a reserve: when only one issue is negotiated).
//!
//! **Silence.** Each wait has an end: an unanswered request at its last block, an offer at its own, a question to the
//! operator at the block that ESCALATE names.
//!
//! **Messages that are lost, repeated or late.** What was not answered is sent again after
//! [`Config::patience`] blocks; what comes twice is answered by what was said after it. Everything else that does not
//! follow is [rejected](Rejection) with a reason and changes nothing.

mod config;
mod decide;
mod types;

pub use self::{
	config::{Config, ConfigError, NoDeal},
	types::{
		Action, Decision, Fact, Input, Notes, Outcome, Question, Rejection, DRIFT, OPENING_AGE,
		OPENING_DRIFT,
	},
};

use self::decide::Step;
use super::{
	message::{offer_nonce, Body, Message, Quote, Signed, PROTOCOL},
	plan::PlanRule,
	rows::Kept,
	state::{Standing, Turn, Violation},
	strategy::Proposal,
	transcript::Transcript,
};
use stoa_primitives::{
	agreement::{AgreementId, Offer, Side, MAX_VALIDITY, VOID_WINDOW},
	keys::Key,
	BlockNumber,
};

/// One side.
#[derive(Clone, Debug)]
pub struct Negotiator {
	config: Config,
	transcript: Transcript,
	notes: Notes,
	/// What the operator is to decide. Follows from the transcript.
	question: Option<Question>,
	now: BlockNumber,
	/// When something was last sent. Begins anew with a restart.
	sent: BlockNumber,
	/// The other side's delegate keys that may sign offers, and the last block of each.
	keys: Vec<(Key, BlockNumber)>,
}

impl Negotiator {
	/// A side of a negotiation in which nothing was said, as of the final block `now`.
	///
	/// # Errors
	///
	/// [`ConfigError`].
	pub fn new(config: Config, now: BlockNumber) -> Result<Self, ConfigError> {
		config.validate()?;
		let transcript = Transcript::new(config.parties());
		let (notes, keys) = (Notes::default(), Vec::new());
		Ok(Self { config, transcript, notes, question: None, now, sent: now, keys })
	}

	/// A side as it was kept, as of the final block `now`.
	///
	/// # Errors
	///
	/// [`ConfigError`], also when what was kept is another negotiation or side.
	pub fn restore(config: Config, kept: Kept, now: BlockNumber) -> Result<Self, ConfigError> {
		let mut negotiator = Self::new(config, now)?;
		let ours = kept.side == negotiator.config.side
			&& kept.transcript.state().parties() == negotiator.transcript.state().parties();
		if !ours {
			return Err(ConfigError::OtherNegotiation);
		}
		negotiator.transcript = kept.transcript;
		negotiator.notes = kept.notes;
		negotiator.sent = negotiator.transcript.state().sent();
		if negotiator.asked().is_some() && negotiator.notes.outcome.is_none() {
			// The same transcript and the same block make the same question.
			let asked = negotiator.transcript.state().sent();
			if let Step::Ask { question, .. } = negotiator.step(asked) {
				negotiator.question = Some(question);
			}
		}
		Ok(negotiator)
	}

	/// What has to be kept.
	pub fn kept(&self) -> Kept {
		let (transcript, notes) = (self.transcript.clone(), self.notes.clone());
		Kept { side: self.config.side, transcript, notes }
	}

	/// What was said.
	pub fn transcript(&self) -> &Transcript {
		&self.transcript
	}

	/// How it ended, if it has.
	pub fn outcome(&self) -> Option<&Outcome> {
		self.notes.outcome.as_ref()
	}

	/// What the operator is to decide.
	pub fn question(&self) -> Option<&Question> {
		self.question.as_ref()
	}

	/// What this side has said since the other one spoke last: what that one needs to go on.
	pub fn unanswered(&self) -> Vec<&Signed> {
		let (me, length) = (self.me(), self.transcript.state().length());
		let mut said: Vec<_> = (1..=length)
			.rev()
			.map_while(|sequence| {
				self.transcript.message(sequence).filter(|signed| signed.message.side == me)
			})
			.collect();
		said.reverse();
		said
	}

	/// By what it acts.
	pub fn config(&self) -> &Config {
		&self.config
	}

	/// Opens the negotiation: asks the other side for an offer.
	///
	/// # Errors
	///
	/// [`Rejection`]: something was said already, or the plan is not this side's.
	pub fn open(&mut self) -> Result<Vec<Action>, Rejection> {
		let PlanRule::Own { plan, terms } = &self.config.plan else {
			return Err(Rejection::NoPlan);
		};
		let (plan, terms, expires) = (plan.clone(), terms.clone(), self.config.deadline);
		let request = Body::Request { plan, terms, expires };
		self.attempt(|next| next.say(request))
	}

	/// Takes an input and says what is to be done. Nothing of it may be done before [`Negotiator::kept`] is on disk.
	///
	/// # Errors
	///
	/// [`Rejection`]; then nothing has changed.
	pub fn handle(&mut self, input: Input) -> Result<Vec<Action>, Rejection> {
		self.attempt(|next| match input {
			Input::Message(bytes) => next.hear(&bytes),
			Input::Tick(now) => next.tick(now),
			Input::Decision(decision) => next.decided(decision),
			Input::Chain(fact) => Ok(next.learn(&fact)),
			Input::Keys(keys) => {
				next.keys = keys;
				Ok(Vec::new())
			},
		})
	}

	fn attempt(
		&mut self,
		change: impl FnOnce(&mut Self) -> Result<Vec<Action>, Rejection>,
	) -> Result<Vec<Action>, Rejection> {
		let mut next = self.clone();
		let actions = change(&mut next)?;
		*self = next;
		Ok(actions)
	}

	fn me(&self) -> Side {
		self.config.side
	}

	/// Until when the operator has been asked by this side.
	fn asked(&self) -> Option<BlockNumber> {
		match self.transcript.state().turn() {
			Turn::Asked { side, until } if *side == self.me() => Some(*until),
			_ => None,
		}
	}

	/// The latest offer of the other side, if it stands.
	fn theirs(&self) -> Option<&Standing> {
		self.transcript.state().standing().filter(|standing| standing.offer.by != self.me())
	}

	/// The latest own offer, if it stands.
	fn ours(&self) -> Option<&Standing> {
		self.transcript.state().standing().filter(|standing| standing.offer.by == self.me())
	}

	/// The last block in which an offer of this side could be committed, the refused ones among them: a refusal is shown
	/// to the chain, it does not keep anybody from a commit.
	fn exposed_until(&self) -> Option<BlockNumber> {
		let own = self.transcript.messages().filter(|signed| signed.message.side == self.me());
		own.filter_map(|signed| signed.message.body.quote()).map(|it| it.offer.valid_until).max()
	}

	fn hear(&mut self, bytes: &[u8]) -> Result<Vec<Action>, Rejection> {
		let signed = Signed::parse(bytes)?;
		let message = &signed.message;
		let state = self.transcript.state();
		if message.chain != state.parties().genesis.0 {
			return Err(Violation::Chain.into());
		}
		if message.parties() != *state.parties() {
			return Err(Violation::Parties.into());
		}
		if message.side == self.me() {
			return Err(Rejection::Own);
		}
		if let Some(known) = self.transcript.message(message.sequence) {
			if known.message == *message {
				// What is here was checked; another signature over the same was not.
				if known.signature != signed.signature {
					signed.verify(|key| self.may_sign(key))?;
				}
				return Ok(self.say_again());
			}
			if known.message.side == self.me() {
				return Err(Violation::Fork.into());
			}
			// Only what the other side has signed is held against it.
			let first = Box::new(known.clone());
			signed.verify(|key| self.may_sign(key))?;
			if self.notes.equivocation.is_some() {
				return Err(Rejection::Equivocation { sequence: message.sequence });
			}
			self.notes.equivocation = Some(bytes.to_vec());
			return Ok(vec![Action::Convict { first, second: Box::new(signed) }]);
		}
		let open = match self.notes.outcome {
			None => true,
			// The chain was quicker than the message that completes the transcript.
			Some(Outcome::Agreed { agreement }) => {
				matches!(message.body, Body::Accept { offer } if offer == agreement)
			},
			Some(_) => false,
		};
		if !open {
			return Err(Rejection::Ended);
		}
		// No offer can be committed before the block in which its negotiation began.
		let drift = match message.body {
			Body::Request { .. } => OPENING_DRIFT,
			_ => DRIFT,
		};
		let (sent, now) = (message.sent, self.now);
		if sent > now.saturating_add(drift) {
			return Err(Rejection::Future { sent, now });
		}
		if let Body::Request { expires, .. } = message.body {
			if expires < now || sent.saturating_add(OPENING_AGE) < now {
				return Err(Rejection::Old { sent, now });
			}
		}
		// Cheap checks first: this does not look at signatures.
		state.after(message)?;
		signed.verify(|key| self.may_sign(key))?;
		self.transcript.push(signed)?;
		self.notes.began.get_or_insert(now);
		self.react()
	}

	fn may_sign(&self, key: &Key) -> bool {
		self.keys.iter().any(|(known, until)| known == key && *until >= self.now)
	}

	fn react(&mut self) -> Result<Vec<Action>, Rejection> {
		match self.transcript.state().turn() {
			Turn::Of(side) if *side == self.me() => {
				let step = self.step(self.now);
				self.take(step)
			},
			Turn::Denied { by, reason, retry_at } => {
				let exposed_until = self.exposed_until();
				let (by, reason, retry_at) = (*by, *reason, *retry_at);
				Ok(self.end(Outcome::Denied { by, reason, retry_at, exposed_until }))
			},
			_ => Ok(Vec::new()),
		}
	}

	fn take(&mut self, step: Step) -> Result<Vec<Action>, Rejection> {
		match step {
			Step::Accept => self.accept(),
			Step::Offer { proposal, last } => self.offer(&proposal, last),
			Step::Deny { reason, retry_at } => {
				let mut actions = self.say(Body::Deny { reason, retry_at, remark: None })?;
				actions.extend(retry_at.map(|at| Action::Post { at }));
				let (by, exposed_until) = (self.me(), self.exposed_until());
				actions.extend(self.end(Outcome::Denied { by, reason, retry_at, exposed_until }));
				Ok(actions)
			},
			Step::Ask { question, why, until } => {
				let mut actions = self.say(Body::Escalate { why, until })?;
				self.question = Some(question.clone());
				actions.push(Action::Ask(question));
				Ok(actions)
			},
		}
	}

	/// Takes the standing offer: says so and commits it.
	fn accept(&mut self) -> Result<Vec<Action>, Rejection> {
		let standing = self.theirs().ok_or(Rejection::NothingStands)?;
		if !self.usable(standing, self.now) {
			let valid_until = standing.offer.valid_until;
			return Err(Rejection::TooLate { valid_until });
		}
		let mut actions = self.say(Body::Accept { offer: standing.digest })?;
		actions.extend(self.commitment());
		Ok(actions)
	}

	/// Commits what this side has accepted, as long as it can be.
	fn commitment(&self) -> Option<Action> {
		let accepted = matches!(self.transcript.state().turn(), Turn::Accepted { .. });
		let standing = self.theirs().filter(|_| accepted)?;
		let in_time = standing.offer.valid_until >= self.now;
		in_time.then(|| Action::Commit {
			offer: Box::new(standing.offer.clone()),
			signature: standing.signature.clone(),
			transcript: self.transcript.state().head().into(),
		})
	}

	/// Makes an offer.
	fn offer(&mut self, proposal: &Proposal, last: bool) -> Result<Vec<Action>, Rejection> {
		let state = self.transcript.state();
		let (plan, base) = self.plan().ok_or(Rejection::NoPlan)?;
		let terms = base.with_quality(proposal.quality);
		let lock = |place| self.lock(place);
		let (milestones, bond, panel) =
			plan.clauses(proposal, lock).ok_or(Rejection::CannotOffer)?;
		let parties = state.parties();
		let sent = self.now.max(state.sent());
		let offer = Offer {
			negotiation: parties.negotiation,
			buyer: parties.buyer.clone(),
			seller: parties.seller.clone(),
			asset: plan.asset.clone(),
			milestones,
			terms: terms.digest().map_err(|_| Rejection::CannotOffer)?,
			bond,
			panel,
			by: self.me(),
			round: state.next_round(),
			previous: state.standing().map(|standing| standing.digest),
			opened: state.opened(),
			first_ask: state.ask_in(self.me(), proposal.price),
			// The chain takes no offer longer than that after the negotiation began.
			valid_until: sent
				.saturating_add(self.config.validity)
				.min(state.opened().saturating_add(MAX_VALIDITY)),
			nonce: offer_nonce(&state.head()),
		};
		let first = state.standing().is_none();
		let signature = self.config.key.sign(&offer.digest(&parties.domain()));
		let quote = Quote { offer, signature, terms, last };
		self.say(match first {
			true => Body::Offer(quote),
			false => Body::Counter(quote),
		})
	}

	/// Says something: signs it, writes it down, and sends it.
	fn say(&mut self, body: Body) -> Result<Vec<Action>, Rejection> {
		let state = self.transcript.state();
		let parties = state.parties();
		let message = Message {
			protocol: PROTOCOL.into(),
			chain: parties.genesis.0,
			negotiation: parties.negotiation,
			from: parties.of(self.me()).clone(),
			to: parties.of(self.me().other()).clone(),
			side: self.me(),
			sequence: state.length().saturating_add(1),
			previous: state.head(),
			sent: self.now.max(state.sent()),
			body,
			extensions: Default::default(),
			critical: Vec::new(),
		};
		let signed = Signed::sign(message, &self.config.key)?;
		self.transcript.push(signed.clone())?;
		self.notes.began.get_or_insert(self.now);
		self.sent = self.now;
		self.question = None;
		Ok(vec![Action::Send(Box::new(signed))])
	}

	/// Sends again what was said since the other side spoke last, once in a block.
	fn say_again(&mut self) -> Vec<Action> {
		if self.sent >= self.now {
			return Vec::new();
		}
		self.sent = self.now;
		let own = self.unanswered().into_iter();
		own.map(|signed| Action::Send(Box::new(signed.clone()))).collect()
	}

	fn end(&mut self, outcome: Outcome) -> Vec<Action> {
		self.question = None;
		self.notes.outcome = Some(outcome.clone());
		vec![Action::End(outcome)]
	}

	fn tick(&mut self, now: BlockNumber) -> Result<Vec<Action>, Rejection> {
		self.now = self.now.max(now);
		let patient = self.now.saturating_sub(self.sent) < self.config.patience;
		if self.notes.outcome.is_some() {
			let mut actions = match self.lacks_accept() && !patient {
				true => self.say_again(),
				false => Vec::new(),
			};
			actions.extend(self.undoing());
			return Ok(actions);
		}
		let state = self.transcript.state();
		match state.turn() {
			Turn::Open => match self.now > self.config.deadline {
				true => Ok(self.end(Outcome::Expired)),
				false => Ok(Vec::new()),
			},
			Turn::Of(side) if *side == self.me() => self.react(),
			Turn::Asked { side, until } if *side == self.me() => match self.now > *until {
				true => self.take(self.give_up_asking()),
				false => Ok(Vec::new()),
			},
			Turn::Denied { .. } => self.react(),
			Turn::Of(_) | Turn::Asked { .. } | Turn::Accepted { .. } => {
				let offered = state.standing().map(|standing| standing.offer.valid_until);
				let asked = state.request().map(|request| request.expires);
				// Nothing that was said can become an agreement any more.
				let until = offered.or(asked).max(self.exposed_until());
				if until.is_some_and(|until| self.now > until) {
					return Ok(self.end(Outcome::Expired));
				}
				if patient {
					return Ok(Vec::new());
				}
				let mut actions = self.say_again();
				// It may have failed, or the process may have ended before it.
				actions.extend(self.commitment());
				let withdrawn = self.ours().filter(|_| self.notes.withdrawing);
				let withdrawn = withdrawn.map(|standing| standing.offer.round);
				actions.extend(withdrawn.map(|round| Action::Withdraw { round }));
				Ok(actions)
			},
		}
	}

	/// Whether the chain has told of the agreement, the other side has not, and may still be asked: until the last block
	/// of the offer.
	fn lacks_accept(&self) -> bool {
		let agreed = match &self.notes.outcome {
			Some(Outcome::Agreed { agreement }) => agreement,
			_ => return false,
		};
		let open = matches!(self.transcript.state().turn(), Turn::Of(_) | Turn::Asked { .. });
		let standing = self.ours().filter(|standing| standing.digest == *agreed);
		open && standing.is_some_and(|standing| standing.offer.valid_until >= self.now)
	}

	fn decided(&mut self, decision: Decision) -> Result<Vec<Action>, Rejection> {
		if self.notes.outcome.is_some() {
			return Err(Rejection::Ended);
		}
		if decision == Decision::Withdraw {
			return self.withdraw();
		}
		let question = self.question.clone().ok_or(Rejection::NoQuestion)?;
		match (decision, question) {
			(Decision::Approve, Question::Offer { proposal, last }) => {
				self.approve(&proposal);
				self.offer(&proposal, last)
			},
			(Decision::Approve, _) => self.accept(),
			(Decision::Counter { proposal, last }, _) => {
				self.approve(&proposal);
				self.offer(&proposal, last)
			},
			(Decision::Allow(most), _) => {
				self.notes.approved = self.notes.approved.max(most);
				let step = self.step(self.now);
				self.take(step)
			},
			(Decision::Refuse, _) => self.take(Step::refused()),
			(Decision::Withdraw, _) => self.withdraw(),
		}
	}

	fn approve(&mut self, proposal: &Proposal) {
		let locked = self.locked(proposal);
		self.notes.approved = self.notes.approved.max(locked);
	}

	/// Ends a negotiation that this side does not want any more, as far as it can.
	fn withdraw(&mut self) -> Result<Vec<Action>, Rejection> {
		match self.transcript.state().turn() {
			turn if turn.side() == Some(self.me()) => self.take(Step::withdrawn()),
			Turn::Accepted { .. } if self.theirs().is_some() => Err(Rejection::Accepted),
			_ => match self.ours() {
				// Only the chain can undo a signature.
				Some(standing) => {
					let round = standing.offer.round;
					self.notes.withdrawing = true;
					Ok(vec![Action::Withdraw { round }])
				},
				None => Ok(self.end(Outcome::Withdrawn { by: self.me() })),
			},
		}
	}

	/// Takes over what is final on chain. It has the last word, also after an end.
	fn learn(&mut self, fact: &Fact) -> Vec<Action> {
		let state = self.transcript.state();
		match fact {
			Fact::Committed { agreement } => {
				let agreement = *agreement;
				let known = [Outcome::Agreed { agreement }, Outcome::Voided { agreement }];
				if self.notes.outcome.as_ref().is_some_and(|outcome| known.contains(outcome)) {
					return Vec::new();
				}
				let ended = self.end(Outcome::Agreed { agreement });
				self.undoing().into_iter().chain(ended).collect()
			},
			Fact::Voided { agreement } => {
				let agreement = *agreement;
				match self.notes.outcome == Some(Outcome::Agreed { agreement }) {
					true => self.end(Outcome::Voided { agreement }),
					false => Vec::new(),
				}
			},
			Fact::Withdrawn { by, round } => {
				let gone = state.standing().is_some_and(|standing| {
					standing.offer.by == *by && standing.offer.round <= *round
				});
				match gone && self.notes.outcome.is_none() {
					true => self.end(Outcome::Withdrawn { by: *by }),
					false => Vec::new(),
				}
			},
		}
	}

	/// Undoes an agreement of an offer that the other side had refused, as long as the chain may let it.
	fn undoing(&self) -> Option<Action> {
		let Some(Outcome::Agreed { agreement }) = self.notes.outcome else { return None };
		let later = self.refusal_of(&agreement)?;
		let last = self.exposed_until()?.saturating_add(VOID_WINDOW);
		(self.now <= last).then(|| Action::Supersede {
			agreement,
			offer: Box::new(later.offer.clone()),
			signature: later.signature.clone(),
		})
	}

	/// The other side's latest offer, if by it or one before it has refused the own offer of this digest.
	fn refusal_of(&self, agreement: &AgreementId) -> Option<&Standing> {
		let (me, domain) = (self.me(), self.transcript.state().parties().domain());
		let own = self.transcript.messages().filter(|signed| signed.message.side == me);
		let mut offers = own.filter_map(|signed| signed.message.body.quote());
		let committed = offers.find(|quote| quote.offer.digest(&domain) == *agreement)?;
		let theirs = self.transcript.state().offer_of(me.other())?;
		(theirs.offer.round > committed.offer.round).then_some(theirs)
	}
}
