//! All calls, with time, against a reference model in plain Rust.

mod deals;
mod ops;
mod run;

use super::*;
use crate::kpis::Counters;
use ops::{op, Draft, Op, ALL};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const EVERYONE: [AccountId; 9] =
	[BUYER, SELLER, SELLER2, AGENT, OPERATOR, FIRST, SECOND, THIRD, STRANGER];
const AGENTS: [AccountId; 6] = [SELLER, SELLER2, AGENT, FIRST, SECOND, THIRD];
/// Buyers and sellers. One pair is of the same operator.
const PAIRS: [(AccountId, AccountId); 6] = [
	(BUYER, SELLER),
	(BUYER, AGENT),
	(AGENT, SELLER),
	(SELLER2, SELLER),
	(SELLER, SELLER2),
	(OPERATOR, AGENT),
];
/// How many kinds of milestones there are, see [`terms`].
const TERMS: usize = 4;
/// What a deposit must leave of native tokens.
const KEPT: Balance = 10;

type Told = Result<(), DispatchError>;

fn is(error: Error<Test>) -> Told {
	Err(error.into())
}

/// The terms of a milestone.
fn terms(kind: usize, amount: Balance) -> Milestone {
	let plain = Milestone { amount, deliver_within: 20, review: 15, rework: 15, ..milestone() };
	match kind {
		0 => Milestone { changes: 2, ..plain },
		1 => Milestone { penalty: 0, changes: 0, rework: 0, ..plain },
		2 => Milestone { amount, deliver_within: 30, ..locked_milestone() },
		_ => Milestone { amount, review: 5, penalty: 3, ..locked_milestone() },
	}
}

/// What is known of a negotiation.
#[derive(Clone, Debug)]
struct Talk {
	buyer: AccountId,
	seller: AccountId,
	/// The buyer's bar and the seller's.
	bars: [u32; 2],
	withdrawn: bool,
	deal: Option<AgreementId>,
	keep_until: Option<BlockNumber>,
	depositor: AccountId,
	owner: AccountId,
}

impl Talk {
	fn view(&self) -> StandingView {
		StandingView {
			buyer_bar: self.bars[0],
			seller_bar: self.bars[1],
			agreement: self.deal,
			keep_until: self.keep_until,
		}
	}
}

/// An agreement.
#[derive(Clone, Debug)]
struct Deal {
	offer: Offer,
	started: BlockNumber,
	schedule: u32,
	sequence: u32,
	/// Whether the offer's signer has acted.
	relied: bool,
	steps: Vec<Progress>,
	bond: Balance,
	sums: Sums,
	disputes: u32,
	breaches: u32,
	depositor: AccountId,
}

impl Deal {
	fn open(&self, at: usize) -> Balance {
		match self.steps[at].state {
			State::Ended(_) => 0,
			_ => self.offer.milestones[at].amount - self.steps[at].released,
		}
	}

	/// Somebody changes it.
	fn touch(&mut self, by: Option<Side>) {
		self.sequence += 1;
		self.relied |= by == Some(self.offer.by);
	}

	fn running(&self) -> Vec<usize> {
		(0..self.steps.len()).filter(|at| !self.steps[*at].state.is_ended()).collect()
	}

	/// The first block in which nobody needs to be waited for any more.
	fn due(&self, at: usize) -> BlockNumber {
		// For a signer who can still undo the agreement, a day at least.
		let day = |side| {
			let can_undo = self.offer.by == side && !self.relied;
			if can_undo {
				self.started + 43_200
			} else {
				0
			}
		};
		1 + match self.steps[at].state {
			State::Funded { deliver_by } | State::Reworking { deliver_by } => {
				deliver_by.max(day(Side::Seller))
			},
			State::Delivered { review_until } => review_until.max(day(Side::Buyer)),
			State::Disputed { opened, .. } => {
				opened + self.offer.panel.turn * self.offer.panel.arbiters.len() as u32
			},
			State::Ended(_) => panic!("it has ended"),
		}
	}

	/// What the view function should say.
	fn deadlines(&self) -> Deadlines {
		let fallback = self.offer.panel.fallback.deconstruct();
		let milestones: Vec<_> = self
			.running()
			.into_iter()
			.map(|at| {
				let (open, from) = (self.open(at), self.due(at));
				let penalty = self.offer.milestones[at].penalty;
				let (waits_for, to_seller, penalty, fee) = match self.steps[at].state {
					State::Delivered { .. } => (WaitsFor::Buyer, open, 0, None),
					State::Disputed { by, .. } => {
						let fee = self.offer.panel.fee;
						(
							WaitsFor::Arbiters,
							part_up(open, fallback),
							0,
							(fee > 0).then_some((by, fee)),
						)
					},
					_ => (WaitsFor::Seller, 0, penalty, None),
				};
				let to_buyer = open - to_seller;
				let milestone = at as u32;
				Deadline { milestone, from, waits_for, to_seller, to_buyer, penalty, fee }
			})
			.collect();
		let penalties: Balance = milestones.iter().map(|row| row.penalty).sum();
		let ends = milestones.iter().map(|row| row.from).max().unwrap();
		Deadlines { milestones, ends, bond: self.bond - penalties }
	}
}

/// `part` millionths of `of`, rounded up.
fn part_up(of: Balance, part: u32) -> Balance {
	(of * Balance::from(part)).div_ceil(1_000_000)
}

/// `part` millionths of `of`, rounded down.
fn part_down(of: Balance, part: u32) -> Balance {
	of * Balance::from(part) / 1_000_000
}

/// What provider, platform and referrers have of the first `total` units: 15 % are fees, rounded down,
/// and a third of them is the referrers', rounded down. The other schedule takes none.
fn shares(schedule: u32, total: Balance) -> [Balance; 3] {
	let fees = if schedule == 0 { total * 15 / 100 } else { 0 };
	[total - fees, fees - fees / 3, fees / 3]
}

/// What the pallet should do, said in the simplest way.
#[derive(Clone, Default)]
struct Model {
	now: BlockNumber,
	schedule: u32,
	/// Who answers for the first arbiter, if not itself.
	operator: Option<AccountId>,
	free: BTreeMap<AccountId, Balance>,
	/// Native tokens that are not held.
	native: BTreeMap<AccountId, Balance>,
	inactive: BTreeSet<AccountId>,
	talks: BTreeMap<[u8; 32], Talk>,
	deals: BTreeMap<AgreementId, Deal>,
	outcomes: BTreeMap<AgreementId, Outcome>,
	/// All ids that ever were.
	made: Vec<AgreementId>,
	counted: BTreeMap<AccountId, Counters>,
	market: Counters,
	events: Vec<Event<Test>>,
	/// Names of all events and errors so far.
	seen: BTreeSet<String>,
}

impl Model {
	fn new() -> Self {
		let mut model = Self { now: 1, ..Default::default() };
		for who in [BUYER, SELLER, SELLER2, AGENT] {
			model.free.insert(who, CREDITS);
		}
		for who in [BUYER, SELLER, SELLER2, OPERATOR] {
			model.native.insert(who, NATIVE);
		}
		model
	}

	fn purse(&mut self, who: &AccountId) -> &mut Balance {
		self.free.entry(who.clone()).or_default()
	}

	fn is_active(&self, who: &AccountId) -> bool {
		AGENTS.contains(who) && !self.inactive.contains(who)
	}

	fn operator(&self, who: &AccountId) -> AccountId {
		match who {
			who if *who == AGENT => OPERATOR,
			who if *who == FIRST => self.operator.clone().unwrap_or(FIRST),
			who => who.clone(),
		}
	}

	/// One is the other or its operator, or they have the same.
	fn related(&self, a: &AccountId, b: &AccountId) -> bool {
		let of = |who: &AccountId| BTreeSet::from([who.clone(), self.operator(who)]);
		!of(a).is_disjoint(&of(b))
	}

	/// One of the agreements that run, mostly; else one that has ended, or none.
	fn id(&self, index: usize) -> AgreementId {
		let running: Vec<_> = self.deals.keys().collect();
		match index {
			11 => self.made.last().copied().unwrap_or(NOWHERE),
			_ if running.is_empty() => NOWHERE,
			_ => *running[index % running.len()],
		}
	}

	/// The number of an agreement as it was before so many changes.
	fn sequence(&self, id: AgreementId, behind: u32) -> u32 {
		self.deals.get(&id).map_or(0, |deal| deal.sequence.saturating_sub(behind))
	}

	/// The latest dispute that is open, and how much it is about.
	fn disputed(&self) -> Option<(AgreementId, u32, Balance)> {
		self.latest(|state| match state {
			State::Disputed { opened, .. } => Some(opened),
			_ => None,
		})
	}

	/// The milestone that a side can dispute for longest, and how much it is about.
	fn disputable(&self, by_seller: bool) -> Option<(AgreementId, u32, Balance)> {
		self.latest(|state| match state {
			State::Reworking { deliver_by } if by_seller => Some(deliver_by),
			State::Delivered { review_until } if !by_seller => Some(review_until),
			_ => None,
		})
	}

	fn latest(
		&self,
		of: impl Fn(State) -> Option<BlockNumber>,
	) -> Option<(AgreementId, u32, Balance)> {
		let steps = self.deals.iter().flat_map(|(id, deal)| {
			(0..deal.steps.len()).map(|at| (deal.steps[at].state, (*id, at as u32, deal.open(at))))
		});
		steps.filter_map(|(state, found)| Some((of(state)?, found))).max().map(|(_, found)| found)
	}

	/// `by`, or a party of the agreement.
	fn party(&self, by: Option<usize>, id: AgreementId, side: Side) -> AccountId {
		match (by, self.deals.get(&id)) {
			(None, Some(deal)) => deal.offer.party(side).clone(),
			(by, _) => EVERYONE[by.unwrap_or(0)].clone(),
		}
	}

	fn offer(&self, draft: &Draft) -> Offer {
		let (buyer, seller) = PAIRS[draft.pair].clone();
		let milestones: Vec<_> =
			draft.milestones.iter().map(|kind| terms(*kind, draft.amount)).collect();
		let opened = self.now.saturating_add_signed(draft.opened.into());
		Offer {
			negotiation: [draft.negotiation; 32],
			buyer,
			seller,
			asset: USD,
			milestones: milestones.try_into().unwrap(),
			terms: [4; 32],
			bond: draft.bond,
			panel: panel(draft.arbiters),
			by: draft.by,
			round: draft.round,
			previous: (draft.round > 1).then_some([1; 32]),
			opened,
			first_ask: draft.first_ask,
			valid_until: opened + u32::from(draft.valid_for),
			nonce: 0,
		}
	}

	/// Take a storage deposit for `owner`, and say from whom.
	fn take(
		&mut self,
		owner: &AccountId,
		used: usize,
		limit: usize,
		price: Balance,
	) -> Result<AccountId, DispatchError> {
		let is_sponsored = *owner == AGENT && self.is_active(owner);
		let mut hold = |who: &AccountId| {
			let native = self.native.entry(who.clone()).or_default();
			let left = native.checked_sub(price).filter(|left| *left >= KEPT);
			left.map(|left| *native = left).is_some()
		};
		let refusal: Error<Test> = if !is_sponsored {
			Error::OwnerCannotPay
		} else if used >= limit {
			Error::SponsorLimitReached
		} else if hold(&OPERATOR) {
			return Ok(OPERATOR);
		} else {
			Error::SponsorCannotPay
		};
		if hold(owner) {
			Ok(owner.clone())
		} else {
			Err(refusal.into())
		}
	}

	/// The row of a negotiation, made if there is none.
	fn talk(&mut self, offer: &Offer, owner: Side) -> Result<&mut Talk, DispatchError> {
		let key = offer.key();
		if !self.talks.contains_key(&key) {
			let owner = offer.party(owner).clone();
			let sponsored = |talk: &&Talk| talk.depositor != talk.owner;
			let used = self.talks.values().filter(sponsored).count();
			let depositor = self.take(&owner, used, 3, RECORD_PRICE)?;
			let (buyer, seller) = (offer.buyer.clone(), offer.seller.clone());
			for who in [&buyer, &seller] {
				self.counted.entry(who.clone()).or_default();
			}
			let (bars, deal, keep_until) = ([0; 2], None, None);
			let withdrawn = false;
			let talk = Talk { buyer, seller, bars, withdrawn, deal, keep_until, depositor, owner };
			self.talks.insert(key, talk);
		}
		Ok(self.talks.get_mut(&key).unwrap())
	}

	fn forget(&mut self, key: [u8; 32]) -> Told {
		let Some(talk) = self.talks.get(&key).cloned() else {
			return is(Error::UnknownNegotiation);
		};
		if talk.keep_until.is_none_or(|last| self.now <= last) {
			return is(Error::StillNeeded);
		}
		self.talks.remove(&key);
		if let Some(id) = talk.deal {
			self.outcomes.remove(&id);
		}
		for who in [&talk.buyer, &talk.seller] {
			if !self.talks.values().any(|talk| talk.buyer == *who || talk.seller == *who) {
				self.counted.remove(who);
			}
		}
		*self.native.entry(talk.depositor).or_default() += RECORD_PRICE;
		self.events.push(Event::Forgotten { negotiation: key, agreement: talk.deal });
		Ok(())
	}

	/// Count something for both sides and the market.
	fn count(&mut self, offer: &Offer, change: impl Fn(&mut Counters)) {
		for who in [&offer.buyer, &offer.seller] {
			change(self.counted.get_mut(who).unwrap());
		}
		change(&mut self.market);
	}

	/// The chain is as the model says, to the unit.
	fn check(&self) {
		Escrow::do_try_state().unwrap();
		let mut purse = 0;
		for (id, deal) in &self.deals {
			let view = view(*id);
			assert_eq!((&view.offer, view.started), (&deal.offer, deal.started));
			assert_eq!((view.schedule, view.sequence), (deal.schedule, deal.sequence));
			assert_eq!(view.milestones, deal.steps);
			assert_eq!((view.bond, view.sums), (deal.bond, deal.sums));
			assert_eq!((view.disputes, view.depositor), (deal.disputes, deal.depositor.clone()));
			assert_eq!(Escrow::deadlines(*id), Some(deal.deadlines()));
			purse += deal.bond + (0..deal.steps.len()).map(|at| deal.open(at)).sum::<Balance>();
			let disputed = |step: &&Progress| matches!(step.state, State::Disputed { .. });
			let disputes = deal.steps.iter().filter(disputed).count() as Balance;
			purse += disputes * deal.offer.panel.fee;
		}
		assert_eq!(locked(&USD), purse);
		assert_eq!(issued(&USD), 4 * CREDITS);
		for who in HOLDERS {
			assert_eq!(free(&who, &USD), self.free.get(&who).copied().unwrap_or_default());
		}
		assert_eq!(Agreements::<Test>::iter().count(), self.deals.len());
		assert_eq!(Outcomes::<Test>::iter().count(), self.outcomes.len());
		for (id, outcome) in &self.outcomes {
			assert_eq!(Escrow::outcome(*id).as_ref(), Some(outcome));
			// Exact at the end: what was locked is what left.
			let Sums { released, refunded, penalties, costs_of_buyer, costs_of_seller, .. } =
				outcome.sums;
			assert_eq!(released + refunded + costs_of_buyer, outcome.total);
			assert!(penalties + costs_of_seller <= outcome.bond);
		}
		assert_eq!(Standings::<Test>::iter().count(), self.talks.len());
		for talk in self.talks.values() {
			let negotiation = (0..4).map(|n| [n; 32]).find(|n| {
				let key = negotiation_key(&talk.buyer, &talk.seller, n);
				self.talks.get(&key).is_some_and(|other| other.view() == talk.view())
			});
			let seen =
				Escrow::standing(talk.buyer.clone(), talk.seller.clone(), negotiation.unwrap());
			assert_eq!(seen, Some(talk.view()));
		}
		assert_eq!(Market::<Test>::get(), self.market);
		for who in EVERYONE {
			let counters = AgentRows::<Test>::get(&who).map(|row| row.counters);
			assert_eq!(counters, self.counted.get(&who).copied());
			let deals = self.deals.values().filter(|deal| deal.depositor == who).count();
			assert_eq!(held(&who, HoldReason::Agreement), deals as Balance * AGREEMENT_PRICE);
			let talks = self.talks.values().filter(|talk| talk.depositor == who).count();
			assert_eq!(held(&who, HoldReason::Record), talks as Balance * RECORD_PRICE);
			let native = self.native.get(&who).copied().unwrap_or_default();
			assert_eq!(Balances::free_balance(&who), native);
		}
	}
}
