//! What is negotiated about, and how each side negotiates.

use super::cast::{Cast, Stage};
use crate::{amount::Unit, keys::KeyPair, output::Failure};
use std::{collections::BTreeMap, sync::Arc};
use stoa_client::{
	chain::to_hex,
	keys::random_bytes,
	negotiation::{
		Config, Delivery, FixedRule, ItemLimit, Kept, LineItem, Load, Message, PanelPlan, Part,
		Parties, PenaltyClause, Plan, PlanLimits, PlanRule, Policy, Proposal, Quantity, Range,
		ServiceLevel, Shape, Strategy, Terms, TimeDependent, Utility, Weights, TERMS_VERSION,
	},
};
use stoa_primitives::{
	agreement::{AgreementId, Side},
	AccountId, Balance, BlockNumber, H256, HOURS, MINUTES,
};

/// What is bought.
const ITEM: &str = "GPU hours";

/// In what it is counted.
const UNIT: &str = "h";

/// Rounds of each side.
const ROUNDS: u32 = 6;

/// How long it may be negotiated, in blocks.
const DEADLINE: BlockNumber = 10 * MINUTES;

/// One million.
const MILLION: u32 = 1_000_000;

fn broken(error: impl std::fmt::Display) -> Failure {
	Failure::new(format!("the demo's own figures make no sense: {error}"), "report this as a bug")
}

/// So many whole dollars.
fn dollars(unit: &Unit, whole: Balance) -> Result<Balance, Failure> {
	Ok(unit.one()?.saturating_mul(whole))
}

/// What the buyer may lock without asking its operator, once it has compared the offers.
///
/// # Errors
///
/// When the unit has too many decimals.
pub fn threshold(unit: &Unit) -> Result<Balance, Failure> {
	dollars(unit, 80)
}

/// A range by prices in whole dollars, hours and success rates.
fn range(
	unit: &Unit,
	side: Side,
	aim: (Balance, BlockNumber, u32),
	limit: (Balance, BlockNumber, u32),
) -> Result<Range, Failure> {
	let proposal = |(price, hours, quality): (Balance, BlockNumber, u32)| {
		let time = hours.saturating_mul(HOURS);
		Ok::<_, Failure>(Proposal { price: dollars(unit, price)?, time, quality })
	};
	Range::new(side, proposal(aim)?, proposal(limit)?).map_err(broken)
}

/// Two milestones of equal worth, a tenth of each as penalty, a bond for both, one arbiter.
fn plan(cast: &Cast, unit: &Unit) -> Result<Plan, Failure> {
	let part = |within_ppm| Part {
		share_ppm: MILLION / 2,
		within_ppm,
		review: HOURS,
		rework: HOURS,
		changes: 1,
		penalty_ppm: MILLION / 10,
		locked: false,
	};
	Ok(Plan {
		asset: unit.asset.clone(),
		milestones: vec![part(MILLION / 2), part(MILLION)],
		bond_ppm: MILLION / 10,
		panel: PanelPlan {
			arbiters: vec![cast.arbiter.account_id()],
			fee: dollars(unit, 1)?,
			turn: 24 * HOURS,
			fallback_ppm: MILLION / 2,
		},
	})
}

fn terms(quantity: u64) -> Result<Terms, Failure> {
	let delivery = |what: &str| Delivery {
		what: what.into(),
		how: "access tokens at https://example.org/cluster".into(),
		acceptance: "a benchmark of one minute reaches the level that is promised".into(),
	};
	Ok(Terms {
		version: TERMS_VERSION,
		title: "Computing for four days".into(),
		items: vec![LineItem {
			name: ITEM.into(),
			description: None,
			quantity: Quantity::whole(quantity).ok_or_else(|| broken("nothing is to be bought"))?,
			unit: UNIT.into(),
		}],
		delivery: vec![delivery("the first half of the hours"), delivery("the other half")],
		sla: ServiceLevel {
			success_ppm: Some(990_000),
			latency_p95_ms: None,
			availability_ppm: Some(999_000),
		},
		penalties: vec![PenaltyClause {
			milestone: 0,
			when: stoa_client::negotiation::Failure::Success,
			share_ppm: MILLION / 2,
		}],
	})
}

/// How the buyer asks a vendor: it aims at $60, agrees to $100 at worst and gives in evenly. Offers bind, so it may make
/// or take none before it has compared those of all vendors and chosen one: nothing is locked unasked.
///
/// # Errors
///
/// When the figures make no sense, which they do.
pub fn buyer_config(
	cast: &Cast,
	stage: &Stage<'_>,
	vendor: &KeyPair,
	quantity: u64,
	now: BlockNumber,
) -> Result<Config, Failure> {
	let unit = stage.unit;
	let parties = Parties {
		genesis: stage.chain.genesis(),
		negotiation: random_bytes(),
		buyer: cast.buyer.account_id(),
		seller: vendor.account_id(),
	};
	let range = range(unit, Side::Buyer, (60, 24, 990_000), (100, 48, 980_000))?;
	let strategy = TimeDependent { range, start: 0, shape: Shape::LINEAR };
	let plan = PlanRule::Own { plan: plan(cast, unit)?, terms: terms(quantity)? };
	let key = cast.buyer.account.clone().into();
	let deadline = now.saturating_add(DEADLINE);
	let mut config = Config::new(&parties, Side::Buyer, key, plan, Arc::new(strategy), deadline);
	config.rounds = ROUNDS;
	config.threshold = Some(0);
	Ok(config)
}

/// The buyer answers nobody: it asks.
pub struct Buyer;

impl Policy for Buyer {
	fn answer(&self, _: &Message, _: &Load) -> Option<Config> {
		None
	}

	fn resume(&self, _: &Kept) -> Option<Config> {
		None
	}
}

/// A vendor: answers whoever asks for what it sells.
pub struct Dealer {
	genesis: H256,
	key: KeyPair,
	limits: PlanLimits,
	strategy: Arc<dyn Strategy>,
}

impl Dealer {
	/// The vendor at this place. The first one is too dear for the buyer and gives in by even steps; the second holds
	/// out until late; the third trades price for time and level of service.
	///
	/// # Errors
	///
	/// When the figures make no sense, which they do.
	pub fn new(cast: &Cast, stage: &Stage<'_>, place: usize) -> Result<Self, Failure> {
		let (unit, side) = (stage.unit, Side::Seller);
		let strategy: Arc<dyn Strategy> = match place {
			0 => Arc::new(FixedRule {
				range: range(unit, side, (130, 48, 980_000), (105, 24, 990_000))?,
				step: MILLION / 5,
			}),
			1 => Arc::new(TimeDependent {
				range: range(unit, side, (120, 48, 980_000), (70, 24, 990_000))?,
				start: 0,
				shape: Shape::BOULWARE,
			}),
			_ => Arc::new(Utility {
				range: range(unit, side, (115, 48, 980_000), (80, 24, 990_000))?,
				weights: Weights::new(700_000, 200_000, 100_000)
					.ok_or_else(|| broken("the weights do not sum up"))?,
				reserve: 0,
				start: 0,
				shape: Shape::LINEAR,
			}),
		};
		let key = cast.vendors.get(place).ok_or_else(|| broken("there is no such vendor"))?.clone();
		let most = Quantity::whole(1_000).ok_or_else(|| broken("nothing is to be sold"))?;
		let stock = ItemLimit { most, unit: UNIT.into(), description: None };
		let limits = PlanLimits {
			assets: vec![unit.asset.clone()],
			items: Some(BTreeMap::from([(ITEM.into(), stock)])),
			what: None,
			how: None,
			acceptance: None,
			availability_ppm: 999_000,
			latency_p95_ms: None,
			milestones: 4,
			within_ppm: MILLION / 4,
			ahead_ppm: 0,
			bond_ppm: 0..=MILLION / 5,
			penalty_ppm: 0..=MILLION / 5,
			review: MINUTES..=24 * HOURS,
			rework: MINUTES..=24 * HOURS,
			changes: 0..=2,
			locked: false,
			arbiters: vec![cast.arbiter.account_id()],
			least_arbiters: 1,
			turn: HOURS..=24 * HOURS,
			fee: dollars(unit, 2)?,
			fallback_ppm: MILLION / 4..=MILLION,
		};
		Ok(Self { genesis: stage.chain.genesis(), key, limits, strategy })
	}

	fn config(&self, parties: &Parties, deadline: BlockNumber) -> Option<Config> {
		let own: AccountId = self.key.account_id();
		if parties.seller != own || parties.genesis != self.genesis {
			return None;
		}
		let (key, plan) = (self.key.account.clone().into(), PlanRule::Theirs(self.limits.clone()));
		let strategy = self.strategy.clone();
		let mut config = Config::new(parties, Side::Seller, key, plan, strategy, deadline);
		config.rounds = ROUNDS;
		Some(config)
	}
}

impl Policy for Dealer {
	fn answer(&self, request: &Message, load: &Load) -> Option<Config> {
		self.config(&request.parties(), load.now.saturating_add(DEADLINE))
	}

	// The demo ends with its process.
	fn resume(&self, _: &Kept) -> Option<Config> {
		None
	}
}

/// What is handed over with a milestone.
pub fn delivery_note(id: &AgreementId, place: u32) -> String {
	format!("Delivery note for milestone {place} of agreement {}.\n", to_hex(id))
}
