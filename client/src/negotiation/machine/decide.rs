//! What to do when it is one's turn. Follows from the transcript, the configuration and the block alone.

use super::{
	config::NoDeal,
	types::{Question, Rejection},
	Negotiator,
};
use crate::negotiation::{
	message::{DenyReason, EscalateReason},
	plan::{Departure, Plan, PlanRule},
	state::Standing,
	strategy::{ratio, Moment, Proposal},
	terms::{Terms, MILLION},
};
use stoa_primitives::{
	agreement::{Side, MAX_ROUNDS},
	money::mul_div_floor,
	Balance, BlockNumber,
};

/// What to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Step {
	/// Take the other side's offer.
	Accept,
	/// Make an offer.
	Offer { proposal: Proposal, last: bool },
	/// Say that there is no deal.
	Deny { reason: DenyReason, retry_at: Option<BlockNumber> },
	/// Ask the operator.
	Ask { question: Question, why: EscalateReason, until: BlockNumber },
}

impl Step {
	fn deny(reason: DenyReason) -> Self {
		Self::Deny { reason, retry_at: None }
	}

	/// The operator does not want it.
	pub(super) fn refused() -> Self {
		Self::deny(DenyReason::Operator)
	}

	/// This side does not want it any more.
	pub(super) fn withdrawn() -> Self {
		Self::deny(DenyReason::Withdrawn)
	}
}

impl Negotiator {
	/// The plan and the terms that are negotiated about, if this side agrees to them.
	pub(super) fn plan(&self) -> Option<(&Plan, &Terms)> {
		let request = self.transcript.state().request();
		match &self.config.plan {
			PlanRule::Own { plan, terms } => {
				let fits = |plan_: &Plan, terms_: &Terms| {
					plan_ == plan && terms_.with_quality(terms.quality()) == *terms
				};
				let agreed = request.is_none_or(|it| fits(&it.plan, &it.terms));
				agreed.then_some((plan, terms))
			},
			PlanRule::Theirs(limits) => {
				let request = request?;
				let agreed = limits.admit(&request.plan, &request.terms);
				agreed.then_some((&request.plan, &request.terms))
			},
		}
	}

	/// The hash lock of a milestone: one's own, or what the other side has offered.
	pub(super) fn lock(&self, place: usize) -> Option<[u8; 32]> {
		let (plan, _) = self.plan()?;
		let before = plan.milestones.iter().take(place).filter(|part| part.locked).count();
		let theirs = || {
			let offer = &self.transcript.state().offer_of(self.me().other())?.offer;
			offer.milestones.get(place)?.lock
		};
		self.config.locks.get(before).copied().or_else(theirs)
	}

	/// Whether an offer can still be committed when it is taken in block `now`.
	pub(super) fn usable(&self, standing: &Standing, now: BlockNumber) -> bool {
		standing.offer.valid_until >= now.saturating_add(self.config.margin)
	}

	/// What this side locks under a proposal, at most: a buyer the price, a seller its bond.
	pub(super) fn locked(&self, proposal: &Proposal) -> Balance {
		match self.me() {
			Side::Buyer => proposal.price,
			Side::Seller => {
				let rate = self.plan().map_or(MILLION, |(plan, _)| {
					let parts = plan.milestones.iter().map(|part| part.penalty_ppm);
					parts.max().unwrap_or(0).max(plan.bond_ppm)
				});
				mul_div_floor(proposal.price, rate, MILLION)
			},
		}
	}

	fn needs_approval(&self, proposal: &Proposal) -> bool {
		let locked = self.locked(proposal);
		self.config.threshold.is_some_and(|most| locked > most.max(self.notes.approved))
	}

	/// The operator has not answered in time.
	pub(super) fn give_up_asking(&self) -> Step {
		Step::refused()
	}

	/// What the other side's offer proposes, unless it departs from the plan.
	fn read(&self, standing: &Standing) -> Result<Proposal, Departure> {
		let (plan, terms) = self.plan().ok_or(Departure::Terms)?;
		let proposal = plan.read(terms, &standing.offer, &standing.terms)?;
		// One's own locks stay: a key opens what was hidden under it.
		let found: Vec<_> =
			standing.offer.milestones.iter().filter_map(|milestone| milestone.lock).collect();
		let own = self.config.locks.get(..found.len());
		match self.config.locks.is_empty() || own == Some(found.as_slice()) {
			true => Ok(proposal),
			false => Err(Departure::Milestones),
		}
	}

	/// What to do in block `now`, when it is this side's turn.
	pub(super) fn step(&self, now: BlockNumber) -> Step {
		if self.notes.withdrawing {
			return Step::withdrawn();
		}
		if self.plan().is_none() {
			return Step::deny(DenyReason::Terms);
		}
		let standing = self.theirs();
		let theirs = match standing.map(|standing| self.read(standing)).transpose() {
			Ok(theirs) => theirs,
			Err(departure) => return self.depart(departure, now),
		};
		let strategy = &self.config.strategy;
		let usable = standing.is_some_and(|standing| self.usable(standing, now));
		let value = theirs.as_ref().filter(|_| usable).and_then(|it| strategy.value(it));
		let next = self.next_offer(now, theirs.as_ref());
		if let (Some(standing), Some(theirs), Some(value)) = (standing, &theirs, value) {
			let wanted = next.as_ref().map(|(next, _)| strategy.value(next).unwrap_or(0));
			if wanted.is_none_or(|wanted| value >= wanted) {
				let (offer, proposal) = (standing.digest, theirs.clone());
				return match self.needs_approval(&proposal) {
					true => self.ask(
						Question::Accept { offer, proposal },
						EscalateReason::Approval,
						now,
					),
					false => Step::Accept,
				};
			}
		}
		match next {
			Some((proposal, last)) if self.needs_approval(&proposal) => {
				self.ask(Question::Offer { proposal, last }, EscalateReason::Approval, now)
			},
			Some((proposal, last)) => Step::Offer { proposal, last },
			None => self.no_deal(theirs, usable, now),
		}
	}

	/// What to offer next, and whether that is the last offer. `None` when no offer can be made.
	fn next_offer(&self, now: BlockNumber, theirs: Option<&Proposal>) -> Option<(Proposal, bool)> {
		let (state, config) = (self.transcript.state(), &self.config);
		let (made, round) = (state.made(self.me()), state.next_round());
		let left = config.rounds.saturating_sub(made);
		let final_word = self.theirs().is_some_and(|standing| standing.last);
		if left == 0 || round > MAX_ROUNDS || now > config.deadline || final_word {
			return None;
		}
		// The round after the other side's answer, and the block.
		let rounds_over = left == 1 || round.saturating_add(2) > MAX_ROUNDS;
		let last = rounds_over || now.saturating_add(config.pace) > config.deadline;
		let part = |part: u32, whole: u32| ratio(part.into(), whole.into()).unwrap_or(0);
		let by_rounds = part(made, config.rounds.saturating_sub(1));
		let began = self.notes.began.unwrap_or(now);
		let time = config.deadline.saturating_sub(began);
		let by_time = part(now.saturating_sub(began), time);
		let progress = match last {
			true => MILLION,
			false => by_rounds.max(by_time).min(MILLION.saturating_sub(1)),
		};
		let proposal = config.strategy.propose(&Moment { progress, made, theirs });
		// A price that cannot be divided among the milestones makes no offer.
		let (plan, _) = self.plan()?;
		plan.clauses(&proposal, |place| self.lock(place))?;
		Some((proposal, last))
	}

	fn ask(&self, question: Question, why: EscalateReason, now: BlockNumber) -> Step {
		let deadline = self.config.deadline;
		let standing = self.theirs().filter(|standing| self.usable(standing, now));
		let until = standing.map_or(deadline, |standing| {
			// Approval of an offer of one's own has no hurry, taking theirs has.
			match question {
				Question::Offer { .. } => deadline,
				_ => standing.offer.valid_until.saturating_sub(self.config.margin),
			}
		});
		Step::Ask { question, why, until: until.max(now) }
	}

	fn depart(&self, departure: Departure, now: BlockNumber) -> Step {
		match (self.config.no_deal, self.theirs()) {
			(NoDeal::Escalate, Some(standing)) => {
				let offer = standing.digest;
				self.ask(Question::Clauses { offer, departure }, EscalateReason::Clauses, now)
			},
			_ => Step::deny(DenyReason::Terms),
		}
	}

	fn no_deal(&self, theirs: Option<Proposal>, usable: bool, now: BlockNumber) -> Step {
		let limit = self.config.strategy.range().limit();
		let buys = self.me() == Side::Buyer;
		let reason = match &theirs {
			Some(it) if usable => {
				let beyond = |theirs: Balance, limit: Balance, low: bool| match low {
					true => theirs > limit,
					false => theirs < limit,
				};
				if beyond(it.price, limit.price, buys) {
					DenyReason::Price
				} else if beyond(it.time.into(), limit.time.into(), buys) {
					DenyReason::Time
				} else if beyond(it.quality.into(), limit.quality.into(), !buys) {
					DenyReason::Quality
				} else {
					// Within the limits, but not worth enough in all.
					DenyReason::Price
				}
			},
			_ => DenyReason::Expired,
		};
		match self.config.no_deal {
			NoDeal::Abort => Step::deny(reason),
			NoDeal::Escalate => self.ask(Question::NoDeal { theirs }, EscalateReason::NoDeal, now),
			NoDeal::Post { after } => {
				let retry_at = Some(now.saturating_add(after));
				Step::Deny { reason, retry_at }
			},
		}
	}
}

impl From<crate::negotiation::canonical::CanonicalError> for Rejection {
	fn from(error: crate::negotiation::canonical::CanonicalError) -> Self {
		Self::Message(error.into())
	}
}
