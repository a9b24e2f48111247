//! The plan: everything in an offer that is not negotiated.
//!
//! A REQUEST carries it. With it an offer follows from a [`Proposal`] and the other way round: price, time and level
//! of service are all that two offers of a negotiation differ in, and an offer that departs from the plan in
//! anything else is noticed ([`Plan::read`]).

use super::{
	encoding,
	strategy::Proposal,
	terms::{Quantity, Terms, MILLION},
};
use serde::{Deserialize, Serialize};
use sp_runtime::Permill;
use std::{collections::BTreeMap, ops::RangeInclusive};
use stoa_primitives::{
	agreement::{self, Milestone, Milestones, Offer, Panel, MAX_MILESTONES},
	money::mul_div_floor,
	AccountId, AssetId, Balance, BlockNumber,
};

/// One milestone of a plan.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Part {
	/// Which part of the price it costs, in parts per million.
	pub share_ppm: u32,
	/// After which part of the time it is due, in parts per million, rounded up to a block.
	pub within_ppm: u32,
	/// How long the buyer has to refuse a delivery, in blocks.
	pub review: BlockNumber,
	/// How long the seller has after each request for changes, in blocks.
	pub rework: BlockNumber,
	/// How many requests for changes the buyer has.
	pub changes: u8,
	/// Which part of its amount is the penalty, in parts per million, rounded down.
	pub penalty_ppm: u32,
	/// Whether it is delivered by revealing the key of a hash lock.
	pub locked: bool,
}

/// Who decides in a dispute: [`Panel`] as JSON.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PanelPlan {
	/// Who may rule, in order.
	#[serde(with = "encoding::accounts")]
	pub arbiters: Vec<AccountId>,
	/// What a ruling costs, in units of the asset.
	#[serde(with = "encoding::amount")]
	pub fee: Balance,
	/// How long each arbiter has, in blocks.
	pub turn: BlockNumber,
	/// The seller's share when nobody rules, in parts per million.
	pub fallback_ppm: u32,
}

/// What is not negotiated.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plan {
	/// In what is paid.
	#[serde(with = "encoding::asset")]
	pub asset: AssetId,
	/// The milestones in order.
	pub milestones: Vec<Part>,
	/// The seller's bond as part of the price, in parts per million; at least all penalties.
	pub bond_ppm: u32,
	/// Who decides in a dispute.
	pub panel: PanelPlan,
}

/// Why a plan is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PlanError {
	/// No milestone, or too many.
	#[error("a plan has from 1 to {MAX_MILESTONES} milestones")]
	Milestones,
	/// The milestones' shares of the price are not positive or do not sum to one million.
	#[error("the shares of the price are not positive, or do not sum to one million")]
	Shares,
	/// No milestone is due at the end, or one is due at once or after the end.
	#[error("a milestone is due at once or after the end, or none is due at the end")]
	Within,
	/// A rate is above one million.
	#[error("a rate is above one million parts per million")]
	Rate,
	/// There are too many arbiters.
	#[error("there are too many arbiters")]
	Arbiters,
}

/// In what an offer departs from the plan.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Departure {
	/// Another asset.
	#[error("the offer is in another asset")]
	Asset,
	/// Milestones that do not follow from price and time, or that have locks where there should be none.
	#[error("the milestones are not those of the plan")]
	Milestones,
	/// Another bond.
	#[error("the bond is not that of the plan")]
	Bond,
	/// Another panel.
	#[error("the panel is not that of the plan")]
	Panel,
	/// Other terms, the negotiated level of service aside.
	#[error("the terms are not those of the request")]
	Terms,
}

impl Plan {
	/// Whether the plan makes sense in itself. What depends on amounts is checked with each offer.
	///
	/// # Errors
	///
	/// [`PlanError`].
	pub fn validate(&self) -> Result<(), PlanError> {
		let most = usize::try_from(MAX_MILESTONES).unwrap_or(usize::MAX);
		if !(1..=most).contains(&self.milestones.len()) {
			return Err(PlanError::Milestones);
		}
		let mut shares = self.milestones.iter().map(|part| part.share_ppm);
		let sum = shares.clone().try_fold(0u32, |sum, share| sum.checked_add(share));
		if sum != Some(MILLION) || shares.any(|share| share == 0) {
			return Err(PlanError::Shares);
		}
		let mut times = self.milestones.iter().map(|part| part.within_ppm);
		if !times.clone().all(|at| (1..=MILLION).contains(&at)) || !times.any(|at| at == MILLION) {
			return Err(PlanError::Within);
		}
		let mut penalties = self.milestones.iter().map(|part| part.penalty_ppm);
		let rates = [self.bond_ppm, self.panel.fallback_ppm];
		if rates.into_iter().any(|rate| rate > MILLION) || penalties.any(|rate| rate > MILLION) {
			return Err(PlanError::Rate);
		}
		match self.panel.arbiters.len() <= agreement::MAX_ARBITERS as usize {
			true => Ok(()),
			false => Err(PlanError::Arbiters),
		}
	}

	/// The panel of each offer.
	///
	/// # Errors
	///
	/// [`PlanError::Arbiters`].
	pub fn panel(&self) -> Result<Panel, PlanError> {
		let arbiters = self.panel.arbiters.clone().try_into().map_err(|_| PlanError::Arbiters)?;
		let fallback = Permill::from_parts(self.panel.fallback_ppm);
		Ok(Panel { arbiters, fee: self.panel.fee, turn: self.panel.turn, fallback })
	}

	/// The milestones at a price and a time. `lock` gives the lock of each place that is to be locked.
	///
	/// The n-th amount is the difference of the floors of the first n and the first n − 1 shares, so that amounts
	/// sum to the price. `None` when the price is too low to give each milestone something, or a lock is missing.
	pub fn milestones(
		&self,
		proposal: &Proposal,
		lock: impl Fn(usize) -> Option<[u8; 32]>,
	) -> Option<Milestones> {
		let (mut share, mut before) = (0u32, 0);
		let mut out = Vec::with_capacity(self.milestones.len());
		for (place, part) in self.milestones.iter().enumerate() {
			share = share.checked_add(part.share_ppm)?;
			let until = mul_div_floor(proposal.price, share, MILLION);
			let amount = until.checked_sub(before).filter(|amount| *amount > 0)?;
			before = until;
			let due = u64::from(proposal.time).checked_mul(part.within_ppm.into())?;
			out.push(Milestone {
				amount,
				deliver_within: u32::try_from(due.div_ceil(MILLION.into())).ok()?,
				review: part.review,
				rework: part.rework,
				changes: part.changes,
				penalty: mul_div_floor(amount, part.penalty_ppm, MILLION),
				lock: match part.locked {
					true => Some(lock(place)?),
					false => None,
				},
			});
		}
		out.try_into().ok()
	}

	/// What the seller locks at a price, with these penalties.
	fn bond(&self, price: Balance, milestones: &[Milestone]) -> Balance {
		let penalties = milestones.iter().fold(0, |sum: Balance, m| sum.saturating_add(m.penalty));
		mul_div_floor(price, self.bond_ppm, MILLION).max(penalties)
	}

	/// Milestones, bond and panel of an offer; `None` as for [`Plan::milestones`].
	pub fn clauses(
		&self,
		proposal: &Proposal,
		lock: impl Fn(usize) -> Option<[u8; 32]>,
	) -> Option<(Milestones, Balance, Panel)> {
		let milestones = self.milestones(proposal, lock)?;
		let bond = self.bond(proposal.price, &milestones);
		Some((milestones, bond, self.panel().ok()?))
	}

	/// What an offer proposes, if it departs from plan and terms in nothing else.
	///
	/// # Errors
	///
	/// [`Departure`].
	pub fn read(&self, base: &Terms, offer: &Offer, terms: &Terms) -> Result<Proposal, Departure> {
		if offer.asset != self.asset {
			return Err(Departure::Asset);
		}
		if terms.with_quality(base.quality()) != *base {
			return Err(Departure::Terms);
		}
		let time = offer.milestones.iter().map(|milestone| milestone.deliver_within).max();
		let (Some(price), Some(time)) = (offer.total(), time) else {
			return Err(Departure::Milestones);
		};
		let proposal = Proposal { price, time, quality: terms.quality() };
		let lock = |place: usize| offer.milestones.get(place)?.lock;
		let Some((milestones, bond, panel)) = self.clauses(&proposal, lock) else {
			return Err(Departure::Milestones);
		};
		if milestones != offer.milestones {
			return Err(Departure::Milestones);
		}
		if bond != offer.bond {
			return Err(Departure::Bond);
		}
		match panel == offer.panel {
			true => Ok(proposal),
			false => Err(Departure::Panel),
		}
	}
}

/// How much is sold of an item.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ItemLimit {
	/// The most for what one agreement costs.
	pub most: Quantity,
	/// In what it is counted.
	pub unit: String,
	/// The description that is taken besides none.
	pub description: Option<String>,
}

/// What a side takes of a plan that the other side asks for, and of the terms that come with it. All of that costs or
/// binds as much as price and time do, and none of it is negotiated.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanLimits {
	/// Which assets.
	pub assets: Vec<AssetId>,
	/// Items of which names, and how much of each; `None` for anything.
	pub items: Option<BTreeMap<String, ItemLimit>>,
	/// What may be handed over, in the words of the terms; `None` for anything.
	pub what: Option<Vec<String>>,
	/// How deliveries may be handed over, in the words of the terms; `None` for any.
	pub how: Option<Vec<String>>,
	/// By what deliveries may be judged, in the words of the terms; `None` for anything.
	pub acceptance: Option<Vec<String>>,
	/// The highest availability that is promised, in parts per million; 0 for none.
	pub availability_ppm: u32,
	/// The shortest time to answer that is promised as the 95th percentile, in milliseconds; `None` for none.
	pub latency_p95_ms: Option<u32>,
	/// Most milestones.
	pub milestones: usize,
	/// The part of the time after which a milestone may be due at the earliest, in parts per million.
	pub within_ppm: u32,
	/// How far deliveries may be ahead of time, in parts per million: by how much the share of the price that is due up
	/// to some moment may exceed the part of the time that is over then.
	pub ahead_ppm: u32,
	/// The bond, in parts per million of the price.
	pub bond_ppm: RangeInclusive<u32>,
	/// The penalty of each milestone, in parts per million of its amount.
	pub penalty_ppm: RangeInclusive<u32>,
	/// The review of each milestone, in blocks.
	pub review: RangeInclusive<BlockNumber>,
	/// The time for rework where changes can be requested, in blocks.
	pub rework: RangeInclusive<BlockNumber>,
	/// Requests for changes of each milestone.
	pub changes: RangeInclusive<u8>,
	/// Whether milestones may be under hash locks.
	pub locked: bool,
	/// Which arbiters.
	pub arbiters: Vec<AccountId>,
	/// How many of them at least.
	pub least_arbiters: usize,
	/// How long each arbiter has, in blocks.
	pub turn: RangeInclusive<BlockNumber>,
	/// The most that a ruling may cost, in units of the asset.
	pub fee: Balance,
	/// The seller's share when nobody rules, in parts per million.
	pub fallback_ppm: RangeInclusive<u32>,
}

impl PlanLimits {
	/// Whether the plan is within these limits.
	pub fn admit(&self, plan: &Plan, terms: &Terms) -> bool {
		self.admit_terms(terms)
			&& self.admit_milestones(plan)
			&& self.admit_panel(&plan.panel)
			&& self.assets.contains(&plan.asset)
			&& self.bond_ppm.contains(&plan.bond_ppm)
	}

	fn admit_terms(&self, terms: &Terms) -> bool {
		let sold = |limits: &BTreeMap<String, ItemLimit>| {
			// One item may be on several lines.
			let mut sums = BTreeMap::<&str, u128>::new();
			terms.items.iter().all(|item| {
				let Some(limit) = limits.get(&item.name) else { return false };
				let sum = sums.entry(&item.name).or_default();
				*sum = sum.saturating_add(item.quantity.parts());
				let described = item.description.is_none() || item.description == limit.description;
				item.unit == limit.unit && described && *sum <= limit.most.parts()
			})
		};
		let said = |taken: &Option<Vec<String>>, text: &String| {
			taken.as_ref().is_none_or(|taken| taken.contains(text))
		};
		let slow = |promised: u32| self.latency_p95_ms.is_some_and(|least| promised >= least);
		self.items.as_ref().is_none_or(sold)
			&& terms.delivery.iter().all(|delivery| {
				said(&self.what, &delivery.what)
					&& said(&self.how, &delivery.how)
					&& said(&self.acceptance, &delivery.acceptance)
			}) && terms.sla.availability_ppm.unwrap_or(0) <= self.availability_ppm
			&& terms.sla.latency_p95_ms.is_none_or(slow)
	}

	fn admit_milestones(&self, plan: &Plan) -> bool {
		let due = |moment: u32| {
			let before = plan.milestones.iter().filter(|part| part.within_ppm <= moment);
			before.fold(0, |sum: u32, part| sum.saturating_add(part.share_ppm))
		};
		let part = |part: &Part| {
			part.within_ppm >= self.within_ppm
				&& due(part.within_ppm) <= part.within_ppm.saturating_add(self.ahead_ppm)
				&& self.penalty_ppm.contains(&part.penalty_ppm)
				&& self.review.contains(&part.review)
				&& self.changes.contains(&part.changes)
				&& (part.changes == 0 || self.rework.contains(&part.rework))
				&& (self.locked || !part.locked)
		};
		plan.milestones.len() <= self.milestones && plan.milestones.iter().all(part)
	}

	fn admit_panel(&self, panel: &PanelPlan) -> bool {
		panel.arbiters.len() >= self.least_arbiters
			&& panel.arbiters.iter().all(|arbiter| self.arbiters.contains(arbiter))
			// Without arbiters nobody has a turn.
			&& (panel.arbiters.is_empty() || self.turn.contains(&panel.turn))
			&& panel.fee <= self.fee
			&& self.fallback_ppm.contains(&panel.fallback_ppm)
	}
}

/// Which plan is negotiated about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PlanRule {
	/// This side's: it is what a request asks for, and no other is taken.
	Own {
		/// What is not negotiated.
		plan: Plan,
		/// The terms, at any level of service.
		terms: Terms,
	},
	/// The other side's, within limits.
	Theirs(PlanLimits),
}

#[cfg(test)]
pub(super) mod tests {
	use super::*;
	use crate::negotiation::terms;
	use proptest::prelude::*;

	/// A plan of two milestones without locks.
	pub fn plan() -> Plan {
		let part = |share_ppm, within_ppm| Part {
			share_ppm,
			within_ppm,
			review: 30,
			rework: 20,
			changes: 1,
			penalty_ppm: 100_000,
			locked: false,
		};
		Plan {
			asset: AssetId::WithId(1),
			milestones: vec![part(300_000, 250_000), part(700_000, MILLION)],
			bond_ppm: 50_000,
			panel: PanelPlan {
				arbiters: vec![AccountId::new([9; 32])],
				fee: 5,
				turn: 100,
				fallback_ppm: 500_000,
			},
		}
	}

	/// What [`plan`] admits.
	pub fn limits() -> PlanLimits {
		PlanLimits {
			assets: vec![AssetId::WithId(1)],
			items: None,
			what: None,
			how: None,
			acceptance: None,
			availability_ppm: 0,
			latency_p95_ms: Some(250),
			milestones: 4,
			within_ppm: 250_000,
			ahead_ppm: 50_000,
			bond_ppm: 0..=100_000,
			penalty_ppm: 0..=100_000,
			review: 0..=100,
			rework: 10..=1_000,
			changes: 0..=2,
			locked: false,
			arbiters: vec![AccountId::new([9; 32])],
			least_arbiters: 1,
			turn: 50..=100,
			fee: 10,
			fallback_ppm: 500_000..=MILLION,
		}
	}

	fn offer(plan: &Plan, proposal: &Proposal) -> (Offer, Terms) {
		let terms = terms::tests::terms().with_quality(proposal.quality);
		let (milestones, bond, panel) =
			plan.clauses(proposal, |place| Some([place as u8; 32])).unwrap();
		let offer = Offer {
			negotiation: [1; 32],
			buyer: AccountId::new([2; 32]),
			seller: AccountId::new([3; 32]),
			asset: plan.asset.clone(),
			milestones,
			terms: terms.digest().unwrap(),
			bond,
			panel,
			by: stoa_primitives::agreement::Side::Seller,
			round: 1,
			previous: None,
			opened: 5,
			first_ask: proposal.price,
			valid_until: 100,
			nonce: 0,
		};
		(offer, terms)
	}

	const PROPOSAL: Proposal = Proposal { price: 1_001, time: 101, quality: 980_000 };

	#[test]
	fn offers_should_follow_from_plan_and_proposal() {
		let (offer, terms) = offer(&plan(), &PROPOSAL);
		assert_eq!(offer.validate(), Ok(()));
		let rows: Vec<_> =
			offer.milestones.iter().map(|m| (m.amount, m.deliver_within, m.penalty)).collect();
		assert_eq!(rows, [(300, 26, 30), (701, 101, 70)]);
		// Five percent are less than the penalties.
		assert_eq!(offer.bond, 100);
		assert_eq!(plan().read(&terms::tests::terms(), &offer, &terms), Ok(PROPOSAL));
	}

	#[test]
	fn departures_from_the_plan_should_be_noticed() {
		let (offer, terms) = offer(&plan(), &PROPOSAL);
		let departure = |change: fn(&mut Offer, &mut Terms)| {
			let (mut offer, mut terms) = (offer.clone(), terms.clone());
			change(&mut offer, &mut terms);
			plan().read(&terms::tests::terms(), &offer, &terms).unwrap_err()
		};
		assert_eq!(departure(|o, _| o.asset = AssetId::Native), Departure::Asset);
		assert_eq!(departure(|o, _| o.milestones[0].amount += 1), Departure::Milestones);
		assert_eq!(departure(|o, _| o.milestones[0].review -= 1), Departure::Milestones);
		assert_eq!(departure(|o, _| o.milestones[1].penalty -= 1), Departure::Milestones);
		assert_eq!(departure(|o, _| o.milestones[1].lock = Some([1; 32])), Departure::Milestones);
		assert_eq!(departure(|o, _| o.milestones.truncate(1)), Departure::Milestones);
		assert_eq!(departure(|o, _| o.milestones.clear()), Departure::Milestones);
		assert_eq!(departure(|o, _| o.bond += 1), Departure::Bond);
		assert_eq!(departure(|o, _| o.panel.fee = 0), Departure::Panel);
		assert_eq!(departure(|_, t| t.items.truncate(1)), Departure::Terms);
		assert_eq!(departure(|_, t| t.sla.latency_p95_ms = Some(300)), Departure::Terms);
		assert_eq!(departure(|_, t| t.sla.success_ppm = None), Departure::Terms);
	}

	#[test]
	fn locks_should_be_where_the_plan_has_them() {
		let mut locked = plan();
		locked.milestones[1] = Part { locked: true, changes: 0, ..locked.milestones[1].clone() };
		let (offer, terms) = offer(&locked, &PROPOSAL);
		assert_eq!(offer.milestones[0].lock, None);
		assert_eq!(offer.milestones[1].lock, Some([1; 32]));
		assert_eq!(locked.read(&terms::tests::terms(), &offer, &terms), Ok(PROPOSAL));
		assert_eq!(plan().read(&terms::tests::terms(), &offer, &terms), Err(Departure::Milestones));
		assert!(locked.milestones(&PROPOSAL, |_| None).is_none());
	}

	#[test]
	fn plans_should_be_refused_with_the_reason() {
		let error = |change: fn(&mut Plan)| {
			let mut plan = plan();
			change(&mut plan);
			plan.validate().unwrap_err()
		};
		assert_eq!(plan().validate(), Ok(()));
		assert_eq!(error(|p| p.milestones.clear()), PlanError::Milestones);
		assert_eq!(error(|p| p.milestones[0].share_ppm += 1), PlanError::Shares);
		assert_eq!(error(|p| p.milestones[0].share_ppm = u32::MAX), PlanError::Shares);
		let nothing = |p: &mut Plan| {
			p.milestones[0].share_ppm = 0;
			p.milestones[1].share_ppm = MILLION;
		};
		assert_eq!(error(nothing), PlanError::Shares);
		assert_eq!(error(|p| p.milestones[1].within_ppm = 999_999), PlanError::Within);
		assert_eq!(error(|p| p.milestones[0].within_ppm = 0), PlanError::Within);
		assert_eq!(error(|p| p.milestones[0].within_ppm = MILLION + 1), PlanError::Within);
		assert_eq!(error(|p| p.bond_ppm = MILLION + 1), PlanError::Rate);
		assert_eq!(error(|p| p.milestones[0].penalty_ppm = MILLION + 1), PlanError::Rate);
		assert_eq!(error(|p| p.panel.fallback_ppm = MILLION + 1), PlanError::Rate);
		let many = |p: &mut Plan| p.panel.arbiters = vec![AccountId::new([9; 32]); 4];
		assert_eq!(error(many), PlanError::Arbiters);
	}

	#[test]
	fn a_price_that_leaves_a_milestone_without_an_amount_should_make_no_offer() {
		for price in [0, 1, 2, 3] {
			let clauses = plan().clauses(&Proposal { price, ..PROPOSAL }, |_| None);
			assert!(clauses.is_none(), "{price}");
		}
		assert!(plan().clauses(&Proposal { price: 4, ..PROPOSAL }, |_| None).is_some());
	}

	#[test]
	fn limits_should_refuse_what_is_beyond_them() {
		let terms = terms::tests::terms();
		let refused = |change: fn(&mut Plan)| {
			let mut plan = plan();
			change(&mut plan);
			!limits().admit(&plan, &terms)
		};
		assert!(limits().admit(&plan(), &terms));
		assert!(refused(|p| p.asset = AssetId::Native));
		assert!(refused(|p| p.milestones = vec![p.milestones[0].clone(); 5]));
		assert!(refused(|p| p.milestones[0].penalty_ppm = 100_001));
		assert!(refused(|p| p.milestones[1].review = 101));
		assert!(refused(|p| p.milestones[1].rework = 9));
		assert!(refused(|p| p.milestones[1].changes = 3));
		assert!(refused(|p| p.milestones[1].locked = true));
		assert!(refused(|p| p.bond_ppm = 100_001));
		assert!(refused(|p| p.milestones[0].within_ppm = 249_999));
		assert!(refused(|p| p.milestones[0].share_ppm = 300_001));
		assert!(refused(|p| p.milestones[1].within_ppm = 949_999));
		assert!(refused(|p| p.panel.arbiters = vec![AccountId::new([8; 32])]));
		assert!(refused(|p| p.panel.arbiters.clear()));
		assert!(refused(|p| p.panel.turn = 49));
		assert!(refused(|p| p.panel.turn = 101));
		assert!(refused(|p| p.panel.fee = 11));
		assert!(refused(|p| p.panel.fallback_ppm = 499_999));
	}

	#[test]
	fn limits_should_refuse_terms_that_are_beyond_them() {
		let sells = |items: &[(&str, &str, &str)], terms: &Terms| {
			let limit = |&(name, most, unit): &(&str, &str, &str)| {
				let description = Some("1,200 stations".into());
				let (most, unit) = (most.parse().unwrap(), unit.into());
				(name.into(), ItemLimit { most, unit, description })
			};
			let items = Some(items.iter().map(limit).collect());
			PlanLimits { items, ..limits() }.admit(&plan(), terms)
		};
		let base = terms::tests::terms();
		let (hours, support) =
			(("hourly observations", "8760", "h"), ("support", "0.5", "day/month"));
		assert!(sells(&[hours, support], &base));
		assert!(!sells(&[support], &base));
		assert!(!sells(&[("hourly observations", "8759.9", "h"), support], &base));
		assert!(!sells(&[("hourly observations", "8760", "year"), support], &base));
		assert!(!sells(&[hours, ("support", "0.499999999999", "day/month")], &base));
		// A description can ask for more than a quantity.
		let mut described = base.clone();
		described.items[0].description = Some("1,201 stations".into());
		assert!(!sells(&[hours, support], &described));
		described.items[0].description = None;
		assert!(sells(&[hours, support], &described));
		// On two lines it is as much as on one.
		let mut twice = base.clone();
		twice.items.push(twice.items[0].clone());
		assert!(!sells(&[hours, support], &twice));

		let admits = |change: fn(&mut PlanLimits)| {
			let mut limits = limits();
			change(&mut limits);
			limits.admit(&plan(), &terms::tests::terms())
		};
		assert!(!admits(|l| l.latency_p95_ms = Some(251)));
		assert!(!admits(|l| l.latency_p95_ms = None));
		assert!(!admits(|l| l.what = Some(vec!["sample of a month".into()])));
		assert!(!admits(|l| l.how = Some(vec!["by mail".into()])));
		assert!(admits(|l| l.how = Some(vec!["https://data.example/set, Parquet".into()])));
		assert!(!admits(|l| l.acceptance = Some(vec![])));
		let mut available = base;
		available.sla.availability_ppm = Some(1);
		assert!(!limits().admit(&plan(), &available));
		let limits = PlanLimits { availability_ppm: 1, ..limits() };
		assert!(limits.admit(&plan(), &available));
	}

	proptest! {
		#[test]
		fn proposals_should_be_read_back_from_their_offers(
			price in 4u128..1 << 120, time in 1u32..stoa_primitives::agreement::MAX_DURATION,
			quality in 0..=MILLION,
		) {
			let proposal = Proposal { price, time, quality };
			let (offer, terms) = offer(&plan(), &proposal);
			prop_assert_eq!(offer.validate(), Ok(()));
			prop_assert_eq!(offer.total(), Some(price));
			prop_assert_eq!(plan().read(&terms::tests::terms(), &offer, &terms), Ok(proposal));
		}
	}
}
