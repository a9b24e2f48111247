//! What can happen, drawn at random.

use super::*;

/// An offer, in small numbers.
#[derive(Clone, Debug)]
pub struct Draft {
	pub pair: usize,
	pub negotiation: u8,
	pub by: Side,
	pub round: u32,
	pub milestones: Vec<usize>,
	pub amount: Balance,
	pub bond: Balance,
	pub arbiters: usize,
	/// From now.
	pub opened: i8,
	/// From the opening.
	pub valid_for: u8,
	pub first_ask: Balance,
}

/// All that the latest dispute is about.
pub const ALL: Balance = Balance::MAX;

/// `by` and `signer` are places in [`EVERYONE`]; `None` is who may, or must.
#[derive(Clone, Debug)]
pub enum Op {
	Commit {
		by: Option<usize>,
		draft: Draft,
		signer: Option<usize>,
	},
	Withdraw {
		pair: usize,
		negotiation: u8,
		side: Side,
		round: u32,
	},
	Supersede {
		by: Option<usize>,
		draft: Draft,
		signer: Option<usize>,
		by_seller: bool,
	},
	Deliver {
		by: Option<usize>,
		deal: usize,
		milestone: u32,
		reveal: bool,
		good: bool,
	},
	Accept {
		by: Option<usize>,
		deal: usize,
		milestone: u32,
	},
	Release {
		by: Option<usize>,
		deal: usize,
		milestone: u32,
		amount: Balance,
	},
	RequestChanges {
		by: Option<usize>,
		deal: usize,
		milestone: u32,
	},
	Dispute {
		by: Option<usize>,
		deal: usize,
		milestone: u32,
		by_seller: bool,
		/// At what can be disputed for longest.
		aimed: bool,
	},
	Rule {
		by: Option<usize>,
		deal: usize,
		milestone: u32,
		share: u32,
		/// At the latest dispute.
		aimed: bool,
	},
	/// Of the latest dispute.
	Answer {
		by: Option<usize>,
		by_seller: bool,
	},
	Poke {
		deal: usize,
	},
	Cancel {
		by: usize,
		deal: usize,
		seller: Balance,
		/// How many changes of the agreement it does not know of.
		behind: u32,
		/// From now.
		expires: i32,
		good: bool,
	},
	Extend {
		by: usize,
		deal: usize,
		milestone: u32,
		deliver_by: i8,
		behind: u32,
		good: bool,
	},
	Forget {
		negotiation: usize,
	},
	SetInactive {
		who: usize,
		inactive: bool,
	},
	/// The first arbiter comes under another operator.
	SetOperator {
		to: usize,
	},
	SetSchedule {
		to: u32,
	},
	SetNative {
		who: usize,
		amount: Balance,
	},
	Wait {
		blocks: BlockNumber,
	},
}

fn side() -> impl Strategy<Value = Side> {
	prop_oneof![2 => Just(Side::Seller), 1 => Just(Side::Buyer)]
}

fn draft() -> impl Strategy<Value = Draft> {
	let bond = prop_oneof![6 => 30..80u128, 1 => 0..30u128];
	let opened = prop_oneof![8 => -4..1i8, 1 => Just(1i8)];
	let valid_for = prop_oneof![8 => 5..60u8, 1 => 0..3u8];
	let terms = (prop::collection::vec(0..TERMS, 1..4), 1..120u128, bond, 0..4usize);
	let names = (0..PAIRS.len(), 0..4u8, side(), 1..5u32);
	(names, terms, opened, valid_for, 0..300u128).prop_map(
		|(
			(pair, negotiation, by, round),
			(milestones, amount, bond, arbiters),
			opened,
			valid_for,
			first_ask,
		)| {
			Draft {
				pair,
				negotiation,
				by,
				round,
				milestones,
				amount,
				bond,
				arbiters,
				opened,
				valid_for,
				first_ask,
			}
		},
	)
}

pub fn op() -> impl Strategy<Value = Op> {
	let by = || prop::option::weighted(0.15, 0..EVERYONE.len());
	let good = || prop::bool::weighted(0.9);
	let at = || (0..12usize, 0..4u32);
	let behind = || prop_oneof![4 => Just(0u32), 1 => Just(1)];
	let expires = prop_oneof![8 => -1..5i32, 1 => Just(43_200), 1 => Just(43_201)];
	let waits = prop_oneof![4 => 1..12u32, 2 => 10..60u32, 1 => Just(RECORD_PERIOD)];
	prop_oneof![
		9 => (by(), draft(), by()).prop_map(|(by, draft, signer)| Op::Commit { by, draft, signer }),
		1 => (0..PAIRS.len(), 0..4u8, side(), 0..5u32).prop_map(
			|(pair, negotiation, side, round)| Op::Withdraw { pair, negotiation, side, round }
		),
		3 => (by(), draft(), by(), any::<bool>()).prop_map(|(by, draft, signer, by_seller)| {
			Op::Supersede { by, draft, signer, by_seller }
		}),
		9 => (by(), at(), prop::bool::weighted(0.25), good()).prop_map(
			|(by, (deal, milestone), reveal, good)| Op::Deliver { by, deal, milestone, reveal, good }
		),
		3 => (by(), at()).prop_map(|(by, (deal, milestone))| Op::Accept { by, deal, milestone }),
		6 => (by(), at(), prop_oneof![1 => 0..130u128, 1 => Just(ALL)]).prop_map(|(by, (deal, milestone), amount)| Op::Release {
			by, deal, milestone, amount
		}),
		4 => (by(), at())
			.prop_map(|(by, (deal, milestone))| Op::RequestChanges { by, deal, milestone }),
		7 => (by(), at(), any::<bool>(), any::<bool>()).prop_map(
			|(by, (deal, milestone), by_seller, aimed)| {
				Op::Dispute { by, deal, milestone, by_seller, aimed }
			}
		),
		5 => (by(), at(), prop_oneof![Just(0u32), Just(1_000_000), 0..=1_000_000u32], any::<bool>()).prop_map(
			|(by, (deal, milestone), share, aimed)| Op::Rule { by, deal, milestone, share, aimed }
		),
		3 => (by(), any::<bool>()).prop_map(|(by, by_seller)| Op::Answer { by, by_seller }),
		4 => (0..12usize).prop_map(|deal| Op::Poke { deal }),
		1 => (0..EVERYONE.len(), 0..12usize, 0..200u128, behind(), expires, good()).prop_map(
			|(by, deal, seller, behind, expires, good)| {
				Op::Cancel { by, deal, seller, behind, expires, good }
			}
		),
		2 => (0..EVERYONE.len(), at(), -5..90i8, behind(), good()).prop_map(
			|(by, (deal, milestone), deliver_by, behind, good)| {
				Op::Extend { by, deal, milestone, deliver_by, behind, good }
			}
		),
		2 => (0..12usize).prop_map(|negotiation| Op::Forget { negotiation }),
		1 => (0..AGENTS.len(), prop::bool::weighted(0.3))
			.prop_map(|(who, inactive)| Op::SetInactive { who, inactive }),
		1 => (0..5usize).prop_map(|to| Op::SetOperator { to }),
		1 => (0..2u32).prop_map(|to| Op::SetSchedule { to }),
		1 => (0..EVERYONE.len(), prop::sample::select(vec![20u128, 120, 1_000, 1_000]))
			.prop_map(|(who, amount)| Op::SetNative { who, amount }),
		7 => waits.prop_map(|blocks| Op::Wait { blocks }),
	]
}
