//! How an agent negotiates, as its operator writes it down: a JSON file like those in `docs/examples`.

use crate::{
	amount::Unit,
	context::Context,
	output::Failure,
	time::{parse_span, to_blocks},
};
use serde::Deserialize;
use std::{collections::BTreeMap, fs, path::Path, sync::Arc};
use stoa_client::{
	keys::parse_account,
	negotiation::{
		Config, FixedRule, ItemLimit, NoDeal, Parties, Plan, PlanLimits, PlanRule, Proposal,
		Quantity, Range, Shape, Strategy, Terms, TimeDependent, Utility, Weights,
	},
};
use stoa_primitives::{agreement::Side, AccountId, BlockNumber};

/// One million.
const MILLION: u32 = 1_000_000;

/// The file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
	/// What to offer and what to take.
	pub strategy: StrategyProfile,
	/// As the buyer: everything in an offer that is not negotiated.
	#[serde(default)]
	pub plan: Option<Plan>,
	/// As the buyer: what is bought.
	#[serde(default)]
	pub terms: Option<Terms>,
	/// As the seller: which plans are taken.
	#[serde(default)]
	pub limits: Option<LimitsProfile>,
	/// As the seller: the asset that its prices are in, an id or `native`; the development stablecoin unless given.
	#[serde(default)]
	pub asset: Option<String>,
	/// How many offers this side makes at most.
	#[serde(default = "rounds")]
	pub rounds: u32,
	/// How long it is negotiated at most, like `10m`.
	#[serde(default = "ten_minutes")]
	pub deadline: String,
	/// How long an offer can be committed, like `10m`.
	#[serde(default = "ten_minutes")]
	pub validity: String,
	/// As the seller: how many agreements there may be in a day, negotiations that are under way included. Any number
	/// unless given.
	#[serde(default)]
	pub per_day: Option<usize>,
	/// What may be locked without asking the operator, like `50`: the price as the buyer, the bond as the seller.
	/// Everything unless given.
	#[serde(default)]
	pub ask_above: Option<String>,
	/// What to do when there is no deal within the limits.
	#[serde(default)]
	pub no_deal: NoDealProfile,
}

fn rounds() -> u32 {
	16
}

fn ten_minutes() -> String {
	"10m".into()
}

/// What to do when there is no deal within the limits.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum NoDealProfile {
	/// Say so.
	#[default]
	Abort,
	/// Ask the operator.
	Escalate,
	/// Say so, and that it makes sense to ask anew after this time.
	PostAfter(String),
}

/// What is negotiated, in the units that people use.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProposalProfile {
	/// Like `12.5`.
	pub price: String,
	/// Until the last delivery, like `24h`.
	pub time: String,
	/// Level of service, in parts per million.
	#[serde(default)]
	pub success_ppm: u32,
}

/// A strategy.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StrategyProfile {
	/// What is hoped for.
	pub aim: ProposalProfile,
	/// What is agreed to at worst.
	pub limit: ProposalProfile,
	/// How to get from one to the other.
	pub rule: RuleProfile,
}

/// How to give in.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum RuleProfile {
	/// By the same step with each offer.
	#[serde(rename_all = "camelCase")]
	Fixed {
		/// In parts per million of the way.
		step_ppm: u32,
	},
	/// With time.
	#[serde(rename_all = "camelCase")]
	Time {
		/// How concessions are spread.
		shape: ShapeProfile,
		/// What the first offer gives in already.
		#[serde(default)]
		start_ppm: u32,
	},
	/// With time, trading one issue for another.
	#[serde(rename_all = "camelCase")]
	Utility {
		/// How concessions are spread.
		shape: ShapeProfile,
		/// What price, time and level of service weigh, in parts per million.
		weights_ppm: [u32; 3],
		/// The least utility that is agreed to.
		#[serde(default)]
		reserve_ppm: u32,
		/// What the first offer gives in already.
		#[serde(default)]
		start_ppm: u32,
	},
}

/// How concessions are spread over time.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum ShapeProfile {
	/// Late.
	Boulware,
	/// Evenly.
	Linear,
	/// Soon.
	Conceder,
}

/// How much of an item a seller sells.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ItemProfile {
	/// The most for one price, like `1000`.
	pub most: Quantity,
	/// In what it is counted, like `h`.
	pub unit: String,
	/// The description that is taken besides none.
	#[serde(default)]
	pub description: Option<String>,
}

/// A span of time, like `1h`, and another one.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SpanProfile {
	/// The shortest.
	pub least: String,
	/// The longest.
	pub most: String,
}

/// Which plans a seller takes.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitsProfile {
	/// Items of which names, and how much of each.
	pub items: BTreeMap<String, ItemProfile>,
	/// What may be handed over, in the words of the terms; anything unless given.
	#[serde(default)]
	pub what: Option<Vec<String>>,
	/// In which words of the terms deliveries may be handed over; any unless given.
	#[serde(default)]
	pub how: Option<Vec<String>>,
	/// In which words of the terms deliveries may be judged; any unless given.
	#[serde(default)]
	pub acceptance: Option<Vec<String>>,
	/// The highest availability that is promised, in parts per million; 0 for none.
	pub availability_ppm: u32,
	/// The shortest time to answer that is promised, in milliseconds; none is unless given.
	#[serde(default)]
	pub latency_p95_ms: Option<u32>,
	/// Most milestones.
	pub milestones: usize,
	/// The part of the time after which a milestone may be due at the earliest, in parts per million.
	pub within_ppm: u32,
	/// By how much the share of the price that is due may be ahead of the time that is over, in parts per million.
	pub ahead_ppm: u32,
	/// The highest bond, in parts per million of the price.
	pub bond_ppm: u32,
	/// The highest penalty of a milestone, in parts per million of its amount.
	pub penalty_ppm: u32,
	/// The longest review, like `24h`.
	pub review: String,
	/// The shortest time for rework, like `1h`.
	pub rework: String,
	/// Most requests for changes.
	pub changes: u8,
	/// Whether milestones may be under hash locks.
	#[serde(default)]
	pub locked: bool,
	/// Which arbiters, by address.
	#[serde(default)]
	pub arbiters: Vec<String>,
	/// How many of them at least.
	pub least_arbiters: usize,
	/// How long each of them may have.
	pub turn: SpanProfile,
	/// The most that a ruling may cost, like `1`.
	pub fee: String,
	/// The lowest share of this side when nobody rules, in parts per million.
	pub fallback_ppm: u32,
}

impl Profile {
	/// Reads the file.
	///
	/// # Errors
	///
	/// When it cannot be read or is no profile.
	pub fn read(path: &Path) -> Result<Self, Failure> {
		let bytes = fs::read(path).map_err(|error| {
			Failure::new(
				format!("the profile {} cannot be read: {error}", path.display()),
				"name the file that says how to negotiate",
			)
		})?;
		serde_json::from_slice(&bytes).map_err(|error| {
			Failure::new(
				format!("{} is no profile: {error}", path.display()),
				"docs/agents.md says what it has to look like, docs/examples has two",
			)
		})
	}

	/// The asset of a seller's prices.
	pub fn asset(&self) -> &str {
		self.asset.as_deref().unwrap_or("1")
	}

	/// What this side does in a negotiation that begins at block `now`.
	///
	/// # Errors
	///
	/// When the profile makes no sense for this side.
	pub fn config(
		&self,
		context: &Context,
		parties: &Parties,
		side: Side,
		unit: &Unit,
		now: BlockNumber,
	) -> Result<Config, Failure> {
		let key = context.key()?.account.into();
		let plan = match side {
			Side::Buyer => self.own_plan()?,
			Side::Seller => PlanRule::Theirs(self.limits(unit)?),
		};
		let strategy = self.strategy(side, unit)?;
		let deadline = now.saturating_add(blocks(&self.deadline)?);
		let mut config = Config::new(parties, side, key, plan, strategy, deadline);
		config.rounds = self.rounds;
		config.validity = blocks(&self.validity)?;
		config.threshold = self.ask_above.as_deref().map(|text| unit.parse(text)).transpose()?;
		config.no_deal = match &self.no_deal {
			NoDealProfile::Abort => NoDeal::Abort,
			NoDealProfile::Escalate => NoDeal::Escalate,
			NoDealProfile::PostAfter(time) => NoDeal::Post { after: blocks(time)? },
		};
		config.validate().map_err(|error| senseless(error.to_string()))?;
		Ok(config)
	}

	fn own_plan(&self) -> Result<PlanRule, Failure> {
		match (&self.plan, &self.terms) {
			(Some(plan), Some(terms)) => {
				Ok(PlanRule::Own { plan: plan.clone(), terms: terms.clone() })
			},
			_ => Err(senseless("a buyer's profile has a `plan` and `terms`".into())),
		}
	}

	fn limits(&self, unit: &Unit) -> Result<PlanLimits, Failure> {
		let limits = self.limits.as_ref().ok_or_else(|| {
			senseless("a seller's profile says in `limits` which plans it takes".into())
		})?;
		let account = |text: &String| {
			parse_account(text).map_err(|_| senseless(format!("`{text}` is no address")))
		};
		let item = |(name, item): (&String, &ItemProfile)| {
			let ItemProfile { most, unit, description } = item.clone();
			(name.clone(), ItemLimit { most, unit, description })
		};
		Ok(PlanLimits {
			assets: vec![unit.asset.clone()],
			items: Some(limits.items.iter().map(item).collect()),
			what: limits.what.clone(),
			how: limits.how.clone(),
			acceptance: limits.acceptance.clone(),
			availability_ppm: limits.availability_ppm,
			latency_p95_ms: limits.latency_p95_ms,
			milestones: limits.milestones,
			within_ppm: limits.within_ppm,
			ahead_ppm: limits.ahead_ppm,
			bond_ppm: 0..=limits.bond_ppm,
			penalty_ppm: 0..=limits.penalty_ppm,
			review: 0..=blocks(&limits.review)?,
			rework: blocks(&limits.rework)?..=BlockNumber::MAX,
			changes: 0..=limits.changes,
			locked: limits.locked,
			arbiters: limits.arbiters.iter().map(account).collect::<Result<Vec<AccountId>, _>>()?,
			least_arbiters: limits.least_arbiters,
			turn: blocks(&limits.turn.least)?..=blocks(&limits.turn.most)?,
			fee: unit.parse(&limits.fee)?,
			fallback_ppm: limits.fallback_ppm..=MILLION,
		})
	}

	fn strategy(&self, side: Side, unit: &Unit) -> Result<Arc<dyn Strategy>, Failure> {
		let StrategyProfile { aim, limit, rule } = &self.strategy;
		let proposal = |of: &ProposalProfile| {
			Ok::<_, Failure>(Proposal {
				price: unit.parse_positive(&of.price)?,
				time: blocks(&of.time)?,
				quality: of.success_ppm,
			})
		};
		let range = Range::new(side, proposal(aim)?, proposal(limit)?)
			.map_err(|error| senseless(error.to_string()))?;
		Ok(match *rule {
			RuleProfile::Fixed { step_ppm } => Arc::new(FixedRule { range, step: step_ppm }),
			RuleProfile::Time { shape, start_ppm } => {
				Arc::new(TimeDependent { range, start: start_ppm, shape: shape.shape() })
			},
			RuleProfile::Utility {
				shape,
				weights_ppm: [price, time, quality],
				reserve_ppm,
				start_ppm,
			} => {
				let weights = Weights::new(price, time, quality)
					.ok_or_else(|| senseless("`weightsPpm` must sum to one million".into()))?;
				let (reserve, start) = (reserve_ppm, start_ppm);
				Arc::new(Utility { range, weights, reserve, start, shape: shape.shape() })
			},
		})
	}
}

impl ShapeProfile {
	fn shape(self) -> Shape {
		match self {
			Self::Boulware => Shape::BOULWARE,
			Self::Linear => Shape::LINEAR,
			Self::Conceder => Shape::CONCEDER,
		}
	}
}

fn blocks(time: &str) -> Result<BlockNumber, Failure> {
	Ok(to_blocks(parse_span(time)?))
}

fn senseless(why: String) -> Failure {
	Failure::new(
		format!("the profile makes no sense: {why}"),
		"docs/agents.md says what it has to look like, docs/examples has two",
	)
}

#[cfg(test)]
mod tests {
	use super::*;

	fn read(text: &str) -> Profile {
		serde_json::from_str(text).unwrap()
	}

	fn examples() -> [(Side, Profile); 2] {
		[
			(Side::Buyer, read(include_str!("../../../../docs/examples/buyer.json"))),
			(Side::Seller, read(include_str!("../../../../docs/examples/seller.json"))),
		]
	}

	#[test]
	fn the_examples_should_make_sense_for_their_sides() {
		let unit = Unit::development();
		for (side, profile) in examples() {
			let strategy = profile.strategy(side, &unit).unwrap();
			assert_eq!(strategy.range().side(), side);
			assert!(profile.strategy(side.other(), &unit).is_err());
			match side {
				Side::Buyer => {
					let PlanRule::Own { plan, terms } = profile.own_plan().unwrap() else {
						panic!("a buyer has its own plan")
					};
					plan.validate().unwrap();
					terms.validate().unwrap();
					assert!(profile.limits(&unit).unwrap_err().cause.contains("limits"));
				},
				Side::Seller => {
					assert_eq!(profile.limits(&unit).unwrap().fee, 2_000_000);
					assert!(profile.own_plan().unwrap_err().cause.contains("plan"));
				},
			}
		}
	}

	#[test]
	fn the_examples_should_fit_each_other() {
		let [(_, buyer), (_, seller)] = examples();
		let limits = seller.limits(&Unit::development()).unwrap();
		assert!(limits.admit(&buyer.plan.unwrap(), &buyer.terms.unwrap()));
	}

	#[test]
	fn the_example_of_a_seller_should_refuse_plans_and_terms_that_hurt_it() {
		let [(_, buyer), (_, seller)] = examples();
		let limits = seller.limits(&Unit::development()).unwrap();
		type Change = fn(&mut Plan, &mut Terms);
		let abuses: [(&str, Change); 12] = [
			("nearly all is due one block after the commit", |plan, _| {
				plan.milestones[0].share_ppm = 999_999;
				plan.milestones[0].within_ppm = 1;
				plan.milestones[1].share_ppm = 1;
			}),
			("nearly all is due in the middle", |plan, _| {
				plan.milestones[0].share_ppm = 999_999;
				plan.milestones[1].share_ppm = 1;
			}),
			("a trifle is due at once", |plan, _| {
				plan.milestones[0].share_ppm = 1;
				plan.milestones[0].within_ppm = 1;
				plan.milestones[1].share_ppm = 999_999;
			}),
			("nobody rules, and three quarters go back", |plan, _| {
				plan.panel.arbiters.clear();
				plan.panel.turn = 0;
				plan.panel.fee = 0;
				plan.panel.fallback_ppm = 250_000;
			}),
			("as much as can be written, for the same price", |_, terms| {
				terms.items[0].quantity = "99999999999999999999".parse().unwrap();
			}),
			("more by the description", |_, terms| {
				terms.items[0].description = Some("of a thousand GPUs each".into());
			}),
			("as many years as hours", |_, terms| terms.items[0].unit = "year".into()),
			("the same item again and again", |_, terms| {
				terms.items = vec![terms.items[0].clone(); 3];
			}),
			("an arbiter has half a year", |plan, _| plan.panel.turn = 180 * stoa_primitives::DAYS),
			("an arbiter has a block", |plan, _| plan.panel.turn = 1),
			("an answer in a millisecond", |_, terms| terms.sla.latency_p95_ms = Some(1)),
			("never down", |_, terms| terms.sla.availability_ppm = Some(MILLION)),
		];
		for (name, change) in abuses {
			let (mut plan, mut terms) = (buyer.plan.clone().unwrap(), buyer.terms.clone().unwrap());
			change(&mut plan, &mut terms);
			assert_eq!((plan.validate(), terms.validate()), (Ok(()), Ok(())), "{name}");
			assert!(!limits.admit(&plan, &terms), "{name}");
		}
	}

	#[test]
	fn a_seller_should_have_to_say_what_would_hurt_it() {
		let text = include_str!("../../../../docs/examples/seller.json");
		let whole: serde_json::Value = serde_json::from_str(text).unwrap();
		for name in [
			"items",
			"availabilityPpm",
			"withinPpm",
			"aheadPpm",
			"leastArbiters",
			"turn",
			"fallbackPpm",
		] {
			let mut part = whole.clone();
			part["limits"].as_object_mut().unwrap().remove(name).expect(name);
			assert!(serde_json::from_value::<Profile>(part).is_err(), "{name}");
		}
	}

	#[test]
	fn what_is_not_known_should_be_refused() {
		let text = include_str!("../../../../docs/examples/seller.json");
		for (from, to) in [
			("\"rounds\"", "\"round\""),
			("\"linear\"", "\"lineal\""),
			("\"price\": \"115\"", "\"price\": 115"),
			("[700000, 200000, 100000]", "[700000, 200000]"),
		] {
			assert!(text.contains(from), "{from}");
			assert!(serde_json::from_str::<Profile>(&text.replace(from, to)).is_err(), "{to}");
		}
		let weights = text.replace("[700000, 200000, 100000]", "[700000, 200000, 100001]");
		let failure = read(&weights).strategy(Side::Seller, &Unit::development()).unwrap_err();
		assert!(failure.cause.contains("million"), "{failure}");
	}
}
