//! What may happen in one step, good input and bad.

use super::*;

/// How an item shows what was allowed.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
	Voucher,
	/// So many ticks of this value beyond a base.
	Ticks {
		index: u32,
		value: Balance,
		/// The tick is of another place.
		wrong: bool,
	},
}

/// An item of a channel, see [`Model::id`].
#[derive(Clone, Copy, Debug)]
pub struct Claim {
	pub channel: usize,
	pub lane: u32,
	pub kind: Kind,
	/// Beyond what the lane has paid, or from zero.
	pub beyond: bool,
	pub amount: Balance,
	/// Less or more than is allowed.
	pub capture: Option<i8>,
	/// Last block, from now.
	pub valid_for: Option<i8>,
	/// Which of [`Signer::all`] signs, 3 for whoever may; none forges.
	pub signer: Option<usize>,
}

/// `by` is one of everybody, or whom the call is for.
#[derive(Clone, Debug)]
pub enum Op {
	Open {
		payer: usize,
		payee: usize,
		asset: usize,
		deposit: Balance,
		key: usize,
		grace: usize,
		lanes: u16,
		cap: Option<Cap>,
	},
	OpenAuthorized {
		payer: usize,
		payee: usize,
		deposit: Balance,
		/// Beyond the next one.
		nonce: u64,
		/// Last block, from now.
		valid_for: i8,
		forged: bool,
	},
	TopUp {
		by: Option<usize>,
		channel: usize,
		amount: Balance,
	},
	Settle {
		by: Option<usize>,
		claims: Vec<Claim>,
		all: bool,
		sorted: bool,
	},
	/// An agent is stopped, or runs again.
	SetInactive {
		who: usize,
		inactive: bool,
	},
	/// Somebody comes to so many native tokens that are not held.
	SetNative {
		who: usize,
		amount: Balance,
	},
	RotateKey {
		by: Option<usize>,
		channel: usize,
		key: usize,
	},
	SetCap {
		by: Option<usize>,
		channel: usize,
		cap: Option<Cap>,
	},
	RevokeLane {
		by: Option<usize>,
		channel: usize,
		lane: u32,
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
	CloseWithConsent {
		by: Option<usize>,
		channel: usize,
		/// Beyond what is settled.
		more: i8,
		valid_for: i8,
		forged: bool,
	},
	Finalize {
		channels: Vec<usize>,
	},
	/// A block with this much room.
	Idle {
		channels: u64,
	},
	Wait {
		blocks: BlockNumber,
	},
}

fn kind() -> impl Strategy<Value = Kind> {
	prop_oneof![
		2 => Just(Kind::Voucher),
		1 => (0..8u32, 0..12u128, prop::bool::weighted(0.1))
			.prop_map(|(index, value, wrong)| Kind::Ticks { index, value, wrong }),
	]
}

fn claim() -> impl Strategy<Value = Claim> {
	let amount = prop_oneof![8 => 0..60u128, 1 => Just(REFUSED_GROSS)];
	let signer =
		prop_oneof![6 => Just(Some(3usize)), 3 => (0..3usize).prop_map(Some), 1 => Just(None)];
	(
		(0..20usize, 0..4u32, kind(), prop::bool::weighted(0.8)),
		amount,
		prop::option::weighted(0.3, -40..3i8),
		prop::option::weighted(0.3, -2..20i8),
		signer,
	)
		.prop_map(|((channel, lane, kind, beyond), amount, capture, valid_for, signer)| Claim {
			channel,
			lane,
			kind,
			beyond,
			amount,
			capture,
			valid_for,
			signer,
		})
}

/// Windows short enough for captures to be remembered one by one, and others.
fn cap() -> impl Strategy<Value = Option<Cap>> {
	let window = prop_oneof![4 => 0..8u32, 3 => 8..60u32, 1 => Just(2 * MIN_GRACE)];
	prop::option::of(
		(0..50u128, window).prop_map(|(per_window, window)| Cap { per_window, window }),
	)
}

/// Mostly small, and sometimes what the guard refuses.
fn spend(most: Balance) -> impl Strategy<Value = Balance> {
	prop_oneof![20 => 0..most, 1 => Just(GUARDED)]
}

pub fn op() -> impl Strategy<Value = Op> {
	let by = || prop::option::weighted(0.2, 0..EVERYONE.len());
	let channel = || 0..20usize;
	let payee = || prop_oneof![3 => Just(0usize), 1 => Just(1)];
	let grace = prop_oneof![9 => 0..2usize, 1 => Just(2)];
	let lanes = prop_oneof![1 => Just(0u16), 8 => 1..4u16];
	let waits = prop_oneof![
		2 => 1..4u32,
		1 => 1..20u32,
		1 => prop_oneof![Just(MIN_GRACE - 1), Just(MIN_GRACE / 2), Just(MIN_GRACE)],
	];
	let few_caps = || prop_oneof![2 => Just(None), 1 => cap()];
	prop_oneof![
		4 => (0..3usize, payee(), 0..2usize, spend(200), 0..3usize, grace, lanes, few_caps())
			.prop_map(|(payer, payee, asset, deposit, key, grace, lanes, cap)| {
				Op::Open { payer, payee, asset, deposit, key, grace, lanes, cap }
			}),
		1 => (0..3usize, payee(), spend(200), prop_oneof![4 => Just(0u64), 1 => Just(1)], -1..3i8,
			prop::bool::weighted(0.1))
			.prop_map(|(payer, payee, deposit, nonce, valid_for, forged)| {
				Op::OpenAuthorized { payer, payee, deposit, nonce, valid_for, forged }
			}),
		1 => (by(), channel(), spend(50))
			.prop_map(|(by, channel, amount)| Op::TopUp { by, channel, amount }),
		8 => (by(), prop::collection::vec(claim(), 0..6), prop::bool::weighted(0.25),
			prop::bool::weighted(0.9))
			.prop_map(|(by, claims, all, sorted)| Op::Settle { by, claims, all, sorted }),
		1 => (0..3usize, any::<bool>())
			.prop_map(|(who, inactive)| Op::SetInactive { who, inactive }),
		1 => (0..EVERYONE.len(), prop::sample::select(vec![10u128, 60, 115, 155, 1_000, 1_000]))
			.prop_map(|(who, amount)| Op::SetNative { who, amount }),
		1 => (by(), channel(), 0..3usize)
			.prop_map(|(by, channel, key)| Op::RotateKey { by, channel, key }),
		2 => (by(), channel(), cap()).prop_map(|(by, channel, cap)| Op::SetCap { by, channel, cap }),
		1 => (by(), channel(), 0..4u32)
			.prop_map(|(by, channel, lane)| Op::RevokeLane { by, channel, lane }),
		3 => (by(), channel()).prop_map(|(by, channel)| Op::RequestClose { by, channel }),
		1 => (by(), channel()).prop_map(|(by, channel)| Op::CancelClose { by, channel }),
		1 => (by(), channel(), prop::option::of(claim()))
			.prop_map(|(by, channel, last)| Op::Close { by, channel, last }),
		1 => (by(), channel(), -2..60i8, -1..3i8, prop::bool::weighted(0.1)).prop_map(
			|(by, channel, more, valid_for, forged)| {
				Op::CloseWithConsent { by, channel, more, valid_for, forged }
			}
		),
		2 => prop::collection::vec(channel(), 0..4).prop_map(|channels| Op::Finalize { channels }),
		1 => (0..4u64).prop_map(|channels| Op::Idle { channels }),
		5 => waits.prop_map(|blocks| Op::Wait { blocks }),
	]
}
