//! What may happen in one step, good input and bad.

use super::{Balance, BlockNumber, PEOPLE};
use proptest::prelude::*;
use stoa_primitives::{
	channel::{DEFAULT_GRACE, MAX_GRACE, MIN_GRACE},
	DAYS,
};

/// An amount, beside what there is to spend.
#[derive(Clone, Copy, Debug)]
pub enum Amount {
	Zero,
	One,
	/// One unit less than the least that a deposit may leave.
	Dust,
	/// So many thousandths of what there is.
	Part(u32),
	All,
	/// One unit more than there is.
	Beyond,
	Max,
}

impl Amount {
	pub fn of(self, there_is: Balance, bound: Balance) -> Balance {
		match self {
			Self::Zero => 0,
			Self::One => 1,
			Self::Dust => bound.saturating_sub(1),
			Self::Part(part) => there_is / 1_000 * Balance::from(part),
			Self::All => there_is,
			Self::Beyond => there_is.saturating_add(1),
			Self::Max => Balance::MAX,
		}
	}
}

/// What is wrong with a voucher's signature.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Forgery {
	None,
	OtherChain,
	OtherChannel,
	OtherLane,
	OtherKey,
	LessWasSigned,
	OtherExpiry,
	FlippedBit,
}

/// Which key signs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SignedBy {
	/// The channel's.
	Current,
	/// The one that it has replaced last, if any.
	Replaced,
}

/// How an item shows what was allowed.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
	Voucher,
	/// By a tick of a chain of [`TICKS`].
	Ticks {
		index: u32,
		/// The tick is of the next place.
		wrong: bool,
	},
}

/// Ticks of one commitment.
pub const TICKS: u32 = 8;

/// A velocity cap.
#[derive(Clone, Copy, Debug)]
pub enum Capping {
	None,
	/// So many thousandths of the deposit in a window.
	Part(u32, BlockNumber),
	/// In nobody's way.
	Loose,
	OutOfBounds,
}

/// What can happen to dUSD itself.
#[derive(Clone, Copy, Debug)]
pub enum Freeze {
	Asset,
	ThawAsset,
	/// What custody holds of it.
	Custody,
	ThawCustody,
}

/// An item of a batch.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
	/// One of the channels that were ever opened, or none.
	pub channel: usize,
	pub lane: u32,
	/// The voucher's cumulative amount, beyond what was settled and up to the deposit.
	pub amount: Amount,
	/// To be captured, of what the voucher allows.
	pub capture: Option<Amount>,
	/// Last block, from now; 0 for none.
	pub valid_for: i8,
	pub kind: Kind,
	pub by: SignedBy,
	pub forgery: Forgery,
}

/// One step. `by: None` is whoever the call is meant for; `apt` looks, from the named one on, for
/// somebody for whom the call makes sense.
#[derive(Clone, Debug)]
pub enum Op {
	Deposit {
		by: usize,
		asset: usize,
		amount: Amount,
		to: usize,
	},
	Withdraw {
		by: usize,
		asset: usize,
		amount: Amount,
		to: usize,
	},
	Donate {
		by: usize,
		asset: usize,
	},
	AcceptAsset {
		asset: usize,
		bound: Balance,
	},
	StopAccepting {
		asset: usize,
	},
	Pay {
		by: usize,
		provider: usize,
		asset: usize,
		amount: Amount,
		apt: bool,
	},
	Propose {
		rates: [u32; 3],
	},
	CancelSchedule,
	ClaimCode {
		by: usize,
		code: u8,
	},
	ReleaseCode {
		by: Option<usize>,
		code: u8,
	},
	SetTerms {
		levels: [u32; 3],
		window: BlockNumber,
	},
	SetCap {
		asset: usize,
		cap: Balance,
	},
	GrantBonus {
		agent: usize,
		asset: usize,
		amount: Amount,
		apt: bool,
	},
	Open {
		by: usize,
		payee: usize,
		asset: usize,
		amount: Amount,
		grace: BlockNumber,
		lanes: u16,
		cap: Capping,
		key: u8,
		apt: bool,
	},
	TopUp {
		by: Option<usize>,
		channel: usize,
		amount: Amount,
	},
	Settle {
		by: Option<usize>,
		claims: Vec<Claim>,
		sorted: bool,
	},
	/// All or nothing.
	SettleAll {
		by: Option<usize>,
		claims: Vec<Claim>,
	},
	OpenAuthorized {
		by: usize,
		payee: usize,
		asset: usize,
		amount: Amount,
		key: u8,
		/// Beyond the next one.
		nonce: u64,
		/// Last block, from now.
		valid_for: i8,
		forged: bool,
		apt: bool,
	},
	RotateKey {
		by: Option<usize>,
		channel: usize,
		key: u8,
	},
	SetCapOf {
		by: Option<usize>,
		channel: usize,
		cap: Capping,
	},
	RevokeLane {
		by: Option<usize>,
		channel: usize,
		lane: u32,
	},
	CloseWithConsent {
		by: Option<usize>,
		channel: usize,
		/// Beyond what is settled.
		amount: Amount,
		/// Last block, from now.
		valid_for: i8,
		forged: bool,
	},
	RequestClose {
		by: Option<usize>,
		channel: usize,
	},
	CancelClose {
		by: Option<usize>,
		channel: usize,
	},
	Close {
		by: Option<usize>,
		channel: usize,
		last: Option<Claim>,
	},
	Finalize {
		channels: Vec<usize>,
	},
	/// What is left of a block is for so many channels.
	Idle {
		channels: u64,
	},
	/// dUSD or what custody holds of it is frozen, or thawed.
	Freeze(Freeze),
	/// Somebody gives all its native tokens away, or is given some.
	Native {
		who: usize,
		leaves: bool,
	},
	Register {
		by: usize,
		agent: usize,
		consent: Consents,
		referral: Referred,
		apt: bool,
	},
	Agent {
		by: Option<usize>,
		agent: usize,
		what: AgentOp,
		apt: bool,
	},
	/// A call of governance by somebody else.
	Usurp {
		by: usize,
		what: u8,
	},
	Wait {
		blocks: BlockNumber,
	},
}

/// A consent to be registered.
#[derive(Clone, Copy, Debug)]
pub enum Consents {
	Good,
	Missing,
	ByAnother,
	Expired,
}

/// Who is named to have brought an agent.
#[derive(Clone, Copy, Debug)]
pub enum Referred {
	Nobody,
	Account(usize),
	Code(u8),
}

/// Calls about a registered agent.
#[derive(Clone, Copy, Debug)]
pub enum AgentOp {
	Renew,
	SetManifest(usize),
	Pause,
	Resume,
	Suspend,
	Reinstate,
	Retire,
	Offer(usize),
	Accept,
	CancelTransfer,
	AddKey { key: u8, scopes: u8, lasts: BlockNumber },
	RemoveKey(u8),
	RemoveExpiredKey(u8),
}

fn person() -> impl Strategy<Value = usize> {
	0..PEOPLE
}

/// Mostly whom the call is for.
fn by() -> impl Strategy<Value = Option<usize>> {
	prop::option::weighted(0.2, person())
}

fn apt() -> impl Strategy<Value = bool> {
	prop::bool::weighted(0.8)
}

/// Native, dUSD, and rarely what nobody knows.
fn asset() -> impl Strategy<Value = usize> {
	prop_oneof![3 => Just(0usize), 6 => Just(1usize), 1 => Just(2usize)]
}

fn amount() -> impl Strategy<Value = Amount> {
	prop_oneof![
		8 => (1..400u32).prop_map(Amount::Part),
		1 => Just(Amount::Zero),
		2 => Just(Amount::One),
		1 => Just(Amount::Dust),
		1 => Just(Amount::All),
		1 => Just(Amount::Beyond),
		1 => Just(Amount::Max),
	]
}

fn claim() -> impl Strategy<Value = Claim> {
	let forgery = prop_oneof![
		12 => Just(Forgery::None),
		1 => Just(Forgery::OtherChain),
		1 => Just(Forgery::OtherChannel),
		1 => Just(Forgery::OtherLane),
		1 => Just(Forgery::OtherKey),
		1 => Just(Forgery::LessWasSigned),
		1 => Just(Forgery::OtherExpiry),
		1 => Just(Forgery::FlippedBit),
	];
	let lane = prop_oneof![10 => Just(0u32), 5 => 1..3u32, 1 => Just(u32::MAX)];
	let valid_for = prop_oneof![6 => Just(0i8), 1 => -2..5i8];
	let kind = prop_oneof![
		3 => Just(Kind::Voucher),
		2 => (0..=TICKS + 1, prop::bool::weighted(0.1))
			.prop_map(|(index, wrong)| Kind::Ticks { index, wrong }),
	];
	let signed_by = prop_oneof![4 => Just(SignedBy::Current), 1 => Just(SignedBy::Replaced)];
	let capture = prop::option::weighted(0.2, amount());
	(0..12usize, lane, amount(), capture, valid_for, kind, signed_by, forgery).prop_map(
		|(channel, lane, amount, capture, valid_for, kind, by, forgery)| Claim {
			channel,
			lane,
			amount,
			capture,
			valid_for,
			kind,
			by,
			forgery,
		},
	)
}

/// Some that bind, with windows that are told apart block by block, and others.
fn capping() -> impl Strategy<Value = Capping> {
	let window = prop_oneof![1..8u32, 8..60u32, Just(MIN_GRACE), Just(DEFAULT_GRACE)];
	prop_oneof![
		6 => (1..600u32, window).prop_map(|(part, window)| Capping::Part(part, window)),
		1 => Just(Capping::Loose),
		1 => Just(Capping::None),
		1 => Just(Capping::OutOfBounds),
	]
}

fn token_op() -> impl Strategy<Value = Op> {
	let freeze = prop_oneof![
		1 => Just(Freeze::Asset),
		3 => Just(Freeze::ThawAsset),
		1 => Just(Freeze::Custody),
		3 => Just(Freeze::ThawCustody),
	];
	prop_oneof![
		2 => freeze.prop_map(Op::Freeze),
		1 => (person(), any::<bool>()).prop_map(|(who, leaves)| Op::Native { who, leaves }),
	]
}

/// Last blocks of what is signed: over, now, and later.
fn valid_for() -> impl Strategy<Value = i8> {
	prop_oneof![1 => -2..0i8, 4 => 0..3i8]
}

fn rates() -> impl Strategy<Value = [u32; 3]> {
	prop_oneof![
		4 => (800_000..=1_000_000u32, 500..=1_000u32).prop_map(|(provider, part)| {
			let fees = 1_000_000 - provider;
			// Rounded up, so that the platform never has less than the referral side.
			let platform = (fees * part).div_ceil(1_000).max(fees.div_ceil(2)).min(fees);
			[provider, platform, fees - platform]
		}),
		1 => Just([850_000, 100_000, 50_001]),
		1 => Just([799_999, 150_001, 50_000]),
		1 => Just([850_000, 70_000, 80_000]),
	]
}

fn agent_op() -> impl Strategy<Value = AgentOp> {
	let lasts = prop_oneof![1 => Just(0u32), 1 => 1..1_000u32, 3 => Just(200 * DAYS)];
	prop_oneof![
		4 => Just(AgentOp::Renew),
		1 => (0..=256usize).prop_map(AgentOp::SetManifest),
		2 => Just(AgentOp::Pause),
		4 => Just(AgentOp::Resume),
		2 => Just(AgentOp::Suspend),
		4 => Just(AgentOp::Reinstate),
		1 => Just(AgentOp::Retire),
		2 => person().prop_map(AgentOp::Offer),
		2 => Just(AgentOp::Accept),
		1 => Just(AgentOp::CancelTransfer),
		4 => (0..2u8, 0..10u8, lasts)
			.prop_map(|(key, scopes, lasts)| AgentOp::AddKey { key, scopes, lasts }),
		2 => (0..2u8).prop_map(AgentOp::RemoveKey),
		2 => (0..2u8).prop_map(AgentOp::RemoveExpiredKey),
	]
}

fn credits_op() -> impl Strategy<Value = Op> {
	let (who, to) = (person(), person());
	let bound = prop_oneof![Just(0u128), Just(1u128), Just(10_000u128), Just(2_000_000_000u128)];
	prop_oneof![
		6 => (who, asset(), amount(), to)
			.prop_map(|(by, asset, amount, to)| Op::Deposit { by, asset, amount, to }),
		6 => (person(), asset(), amount(), person())
			.prop_map(|(by, asset, amount, to)| Op::Withdraw { by, asset, amount, to }),
		1 => (person(), 0..2usize).prop_map(|(by, asset)| Op::Donate { by, asset }),
		2 => (asset(), bound).prop_map(|(asset, bound)| Op::AcceptAsset { asset, bound }),
		1 => asset().prop_map(|asset| Op::StopAccepting { asset }),
	]
}

fn money_op() -> impl Strategy<Value = Op> {
	let cap = prop_oneof![Just(0u128), 0..1_000_000u128, Just(Balance::MAX)];
	let levels = prop_oneof![
		Just([70, 20, 10]),
		Just([50, 50, 0]),
		Just([0, 0, 0]),
		Just([60, 30, 20]),
		Just([10, 20, 30]),
	];
	let window = prop_oneof![Just(0u32), Just(DAYS), Just(365 * DAYS), Just(u32::MAX)];
	prop_oneof![
		12 => (person(), person(), asset(), amount(), apt()).prop_map(
			|(by, provider, asset, amount, apt)| Op::Pay { by, provider, asset, amount, apt }
		),
		2 => rates().prop_map(|rates| Op::Propose { rates }),
		1 => Just(Op::CancelSchedule),
		2 => (person(), 0..5u8).prop_map(|(by, code)| Op::ClaimCode { by, code }),
		1 => (by(), 0..5u8).prop_map(|(by, code)| Op::ReleaseCode { by, code }),
		1 => (levels, window).prop_map(|(levels, window)| Op::SetTerms { levels, window }),
		1 => (asset(), cap).prop_map(|(asset, cap)| Op::SetCap { asset, cap }),
		3 => (person(), asset(), amount(), apt())
			.prop_map(|(agent, asset, amount, apt)| Op::GrantBonus { agent, asset, amount, apt }),
		1 => (person(), 0..8u8).prop_map(|(by, what)| Op::Usurp { by, what }),
	]
}

fn channel_op() -> impl Strategy<Value = Op> {
	let channel = || 0..12usize;
	let grace = prop_oneof![
		6 => Just(MIN_GRACE),
		2 => Just(DEFAULT_GRACE),
		1 => Just(MAX_GRACE),
		1 => Just(MIN_GRACE - 1),
		1 => Just(MAX_GRACE + 1),
	];
	let lanes = prop_oneof![8 => Just(1u16), 1 => Just(0u16), 8 => 2..4u16];
	let cap = prop_oneof![3 => Just(Capping::None), 1 => capping()];
	let opening = (person(), person(), asset(), amount(), grace, lanes, cap, 0..6u8, apt())
		.prop_map(|(by, payee, asset, amount, grace, lanes, cap, key, apt)| Op::Open {
			by,
			payee,
			asset,
			amount,
			grace,
			lanes,
			cap,
			key,
			apt,
		});
	prop_oneof![
		8 => opening,
		2 => (by(), channel(), amount())
			.prop_map(|(by, channel, amount)| Op::TopUp { by, channel, amount }),
		12 => (by(), prop::collection::vec(claim(), 0..6), prop::bool::weighted(0.9))
			.prop_map(|(by, claims, sorted)| Op::Settle { by, claims, sorted }),
		3 => (by(), prop::collection::vec(claim(), 0..3))
			.prop_map(|(by, claims)| Op::SettleAll { by, claims }),
		3 => (
			(person(), person(), asset(), amount(), 0..6u8),
			prop_oneof![5 => Just(0u64), 1 => 1..3u64], valid_for(), prop::bool::weighted(0.2), apt(),
		)
			.prop_map(|((by, payee, asset, amount, key), nonce, valid_for, forged, apt)| {
				Op::OpenAuthorized { by, payee, asset, amount, key, nonce, valid_for, forged, apt }
			}),
		2 => (by(), channel(), 0..6u8)
			.prop_map(|(by, channel, key)| Op::RotateKey { by, channel, key }),
		2 => (by(), channel(), capping())
			.prop_map(|(by, channel, cap)| Op::SetCapOf { by, channel, cap }),
		1 => (by(), channel(), 0..4u32)
			.prop_map(|(by, channel, lane)| Op::RevokeLane { by, channel, lane }),
		1 => (by(), channel(), amount(), valid_for(), prop::bool::weighted(0.2)).prop_map(
			|(by, channel, amount, valid_for, forged)| {
				Op::CloseWithConsent { by, channel, amount, valid_for, forged }
			}
		),
		2 => (0..4u64).prop_map(|channels| Op::Idle { channels }),
		3 => (by(), channel()).prop_map(|(by, channel)| Op::RequestClose { by, channel }),
		1 => (by(), channel()).prop_map(|(by, channel)| Op::CancelClose { by, channel }),
		3 => (by(), channel(), prop::option::of(claim()))
			.prop_map(|(by, channel, last)| Op::Close { by, channel, last }),
		3 => prop::collection::vec(channel(), 0..6)
			.prop_map(|channels| Op::Finalize { channels }),
	]
}

fn register_op() -> impl Strategy<Value = Op> {
	let consent = prop_oneof![
		6 => Just(Consents::Good),
		1 => Just(Consents::Missing),
		1 => Just(Consents::ByAnother),
		1 => Just(Consents::Expired),
	];
	let referral = prop_oneof![
		2 => Just(Referred::Nobody),
		3 => person().prop_map(Referred::Account),
		2 => (0..5u8).prop_map(Referred::Code),
	];
	(person(), person(), consent, referral, apt()).prop_map(
		|(by, agent, consent, referral, apt)| Op::Register { by, agent, consent, referral, apt },
	)
}

fn wait_op() -> impl Strategy<Value = Op> {
	prop_oneof![
		4 => Just(1u32),
		3 => Just(MIN_GRACE),
		2 => Just(DEFAULT_GRACE),
		2 => Just(DAYS),
		1 => Just(15 * DAYS),
		1 => Just(91 * DAYS),
	]
	.prop_map(|blocks| Op::Wait { blocks })
}

/// Any step.
pub fn op() -> impl Strategy<Value = Op> {
	prop_oneof![
		4 => credits_op(),
		5 => money_op(),
		10 => channel_op(),
		1 => token_op(),
		2 => register_op(),
		4 => (by(), person(), agent_op(), apt())
			.prop_map(|(by, agent, what, apt)| Op::Agent { by, agent, what, apt }),
		2 => wait_op(),
	]
}
