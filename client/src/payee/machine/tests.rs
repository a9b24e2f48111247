use super::*;
use crate::{
	chain::{
		fake::{self, channel},
		Phase,
	},
	keys::{Scheme, VoucherKey},
};
use proptest::prelude::*;
use sp_core::H256;
use stoa_primitives::{
	keys::{Key, KeySignature},
	payload::Voucher,
	AccountId, AssetId,
};

const ID: ChannelId = [9; 32];
const GENESIS: H256 = H256::repeat_byte(1);

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn rules() -> Rules {
	Rules {
		payee: fake::payee(),
		asset: fake::ASSET,
		min_grace: 450,
		settle_horizon: 100,
		accept_expiring: true,
	}
}

fn sign(cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel: ID, lane: 0, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &Domain::channels(GENESIS))
}

fn info(deposit: Balance) -> ChannelInfo {
	channel(ID, key().key(), deposit)
}

fn machine(deposit: Balance) -> Machine {
	let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
	machine.sync(ID, 1, 1, Some(info(deposit)), Some(&info(deposit)));
	machine
}

fn accept(machine: &mut Machine, cumulative: Balance, price: Balance) {
	match machine.assess(&sign(cumulative), price, &[0; 32], 1) {
		Assessment::Fresh(record) => assert!(machine.apply(record)),
		other => panic!("{other:?}"),
	}
}

fn rejection(machine: &Machine, signed: &SignedVoucher, price: Balance) -> Rejection {
	match machine.assess(signed, price, &[0; 32], 1) {
		Assessment::Rejected(rejection) => rejection,
		other => panic!("{other:?}"),
	}
}

#[test]
fn rising_vouchers_should_be_accepted_and_claimed_once() {
	let mut machine = machine(100);
	accept(&mut machine, 10, 10);
	accept(&mut machine, 20, 10);
	let claims = machine.unsettled(1);
	assert_eq!(claims.len(), 1);
	assert_eq!((claims[0].amount, claims[0].item.capture), (20, None));
	machine.note_settled(&LaneKey { channel: ID, lane: 0 }, 20, 1);
	assert!(machine.unsettled(1).is_empty());
}

#[test]
fn nothing_should_be_accepted_before_the_first_sync() {
	let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
	assert_eq!(machine.assess(&sign(10), 10, &[0; 32], 1), Assessment::NotSynced);
	machine.restore(
		Record { proof: sign(30).into(), key: None, earned: 30, request: [0; 32], count: 3 },
		None,
	);
	assert_eq!(machine.assess(&sign(40), 10, &[0; 32], 1), Assessment::NotSynced);
	machine.sync(ID, 1, 1, Some(info(100)), Some(&info(100)));
	accept(&mut machine, 40, 10);
}

#[test]
fn a_replay_should_be_told_from_another_request() {
	let mut machine = machine(100);
	accept(&mut machine, 10, 10);
	let replay = |same_request| Assessment::Replay { same_request };
	assert_eq!(machine.assess(&sign(10), 10, &[0; 32], 1), replay(true));
	assert_eq!(machine.assess(&sign(10), 10, &[1; 32], 1), replay(false));
	let mut forged = sign(10);
	forged.signature = KeySignature::Ed25519([0; 64]);
	assert_eq!(rejection(&machine, &forged, 10), Rejection::BadSignature);
}

#[test]
fn too_little_should_name_what_is_required() {
	let mut machine = machine(100);
	accept(&mut machine, 10, 10);
	assert_eq!(
		rejection(&machine, &sign(19), 10),
		Rejection::Insufficient {
			required: 20,
			shortfall: 1,
			accepted: 10,
			last: Some(Box::new(sign(10).into()))
		}
	);
	// A free call cannot be bought with a used voucher either.
	assert!(matches!(machine.assess(&sign(10), 0, &[0; 32], 1), Assessment::Replay { .. }));
	let mut other = sign(10);
	other.voucher.valid_until = 9_999;
	let other = key().sign_voucher(other.voucher, &Domain::channels(GENESIS));
	assert!(matches!(rejection(&machine, &other, 0), Rejection::Insufficient { .. }));
}

#[test]
fn settled_amounts_should_raise_the_floor_when_local_state_is_lost() {
	let mut info = info(100);
	(info.settled, info.lane_settled) = (50, vec![50]);
	let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
	machine.sync(ID, 1, 1, Some(info.clone()), Some(&info));
	assert!(matches!(
		rejection(&machine, &sign(50), 10),
		Rejection::Insufficient { required: 60, accepted: 50, last: None, .. }
	));
	accept(&mut machine, 60, 10);
	assert_eq!(machine.unsettled(1)[0].amount, 10);
}

#[test]
fn the_finalized_deposit_should_bound_what_is_accepted() {
	let machine = machine(15);
	assert_eq!(
		rejection(&machine, &sign(16), 10),
		Rejection::AboveDeposit { shortfall: 1, deposit: 15 }
	);
}

#[test]
fn a_top_up_should_count_only_once_it_is_final() {
	let mut machine = machine(15);
	machine.sync(ID, 1, 1, Some(info(15)), Some(&info(30)));
	assert!(matches!(rejection(&machine, &sign(20), 20), Rejection::AboveDeposit { .. }));
	machine.sync(ID, 1, 1, Some(info(30)), Some(&info(30)));
	accept(&mut machine, 20, 20);
}

#[test]
fn closing_channels_should_be_refused_as_soon_as_the_best_block_says_so() {
	let closing = ChannelInfo { phase: Phase::Closing { ends: 500 }, ..info(100) };
	for (finalized, best) in [
		(info(100), Some(closing.clone())),
		(closing.clone(), Some(closing.clone())),
		(info(100), None),
	] {
		let mut machine = machine(100);
		accept(&mut machine, 10, 10);
		machine.sync(ID, 1, 1, Some(finalized), best.as_ref());
		assert_eq!(rejection(&machine, &sign(20), 10), Rejection::Closing);
		// What was served before is still claimed, and its answer still owed.
		assert!(machine.unsettled(1)[0].ends.is_some());
		assert!(matches!(
			machine.assess(&sign(10), 10, &[0; 32], 1),
			Assessment::Replay { same_request: true }
		));
	}
}

#[test]
fn foreign_channels_should_be_refused() {
	let with = |change: fn(&mut ChannelInfo)| {
		let mut info = info(100);
		change(&mut info);
		let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
		machine.sync(ID, 1, 1, Some(info.clone()), Some(&info));
		rejection(&machine, &sign(10), 10)
	};
	assert_eq!(with(|info| info.payee = AccountId::new([8; 32])), Rejection::NotOurs);
	assert_eq!(with(|info| info.asset = AssetId::Native), Rejection::NotOurs);
	assert_eq!(with(|info| info.grace = 449), Rejection::GraceTooShort { grace: 449, min: 450 });
	assert_eq!(with(|info| info.lanes = 0), Rejection::UnknownLane);
	assert_eq!(with(|info| info.key = Key::Ed25519([3; 32])), Rejection::BadSignature);
}

#[test]
fn vouchers_should_outlive_the_settlement_horizon() {
	let mut machine = machine(100);
	let with = |valid_until| {
		let voucher = Voucher { channel: ID, lane: 0, cumulative: 10, valid_until };
		key().sign_voucher(voucher, &Domain::channels(GENESIS))
	};
	assert_eq!(rejection(&machine, &with(100), 10), Rejection::ExpiresTooSoon { needed: 101 });
	match machine.assess(&with(101), 10, &[0; 32], 1) {
		Assessment::Fresh(record) => assert!(machine.apply(record)),
		other => panic!("{other:?}"),
	}
}

#[test]
fn another_chain_should_never_match() {
	let mut machine = Machine::new(rules(), Domain::channels(H256::zero()));
	machine.sync(ID, 1, 1, Some(info(100)), Some(&info(100)));
	assert_eq!(rejection(&machine, &sign(10), 10), Rejection::BadSignature);
}

#[test]
fn huge_amounts_should_be_refused_without_panic() {
	let mut machine = machine(Balance::MAX);
	accept(&mut machine, Balance::MAX - 1, 1);
	assert_eq!(rejection(&machine, &sign(Balance::MAX), 2), Rejection::Overflow);
	assert_eq!(
		machine.assess(&sign(Balance::MAX), 1, &[0; 32], BlockNumber::MAX),
		Assessment::Rejected(Rejection::Overflow)
	);
}

#[test]
fn only_what_was_earned_should_be_captured() {
	let mut machine = machine(100);
	accept(&mut machine, 50, 10);
	accept(&mut machine, 60, 10);
	let claim = machine.unsettled(1).remove(0);
	assert_eq!((claim.amount, claim.item.capture), (20, Some(20)));
}

#[test]
fn apply_should_compare_and_set() {
	let mut machine = machine(100);
	let Assessment::Fresh(first) = machine.assess(&sign(10), 10, &[0; 32], 1) else { panic!() };
	let Assessment::Fresh(second) = machine.assess(&sign(10), 10, &[1; 32], 1) else { panic!() };
	assert!(machine.apply(first));
	assert!(!machine.apply(second));
}

#[test]
fn an_ended_channel_should_be_forgotten_only_on_request() {
	let mut machine = machine(100);
	accept(&mut machine, 10, 10);
	// A node that lags behind does not know the channel yet.
	machine.sync(ID, 1, 1, None, None);
	assert!(machine.is_synced(&ID) && machine.ended().is_empty());
	machine.sync(ID, 2, 2, None, None);
	assert!(!machine.is_synced(&ID));
	assert_eq!(machine.ended(), [ID]);
	assert_eq!(rejection(&machine, &sign(20), 10), Rejection::UnknownChannel);
	assert_eq!(machine.record(&LaneKey { channel: ID, lane: 0 }).unwrap().earned, 10);
	assert_eq!(machine.lanes(&ID), [LaneKey { channel: ID, lane: 0 }]);
	machine.forget(&ID);
	assert!(machine.record(&LaneKey { channel: ID, lane: 0 }).is_none());
}

#[test]
fn amounts_should_be_told_only_to_a_valid_signature() {
	let mut machine = machine(100);
	accept(&mut machine, 50, 10);
	// Too little, enough, and above the deposit: without the key nobody can tell which.
	for cumulative in [1, 50, 59, 60, 100, 101, Balance::MAX] {
		let mut forged = sign(cumulative);
		forged.signature = KeySignature::Ed25519([0; 64]);
		assert_eq!(rejection(&machine, &forged, 10), Rejection::BadSignature, "{cumulative}");
	}
}

#[test]
fn a_verified_signature_should_be_checked_again_only_for_another_key() {
	let machine = machine(100);
	let mut forged = sign(10);
	forged.signature = KeySignature::Ed25519([0; 64]);
	let with = |key: &Key| machine.assess_verified(&forged, Some(key), 10, &[0; 32], 1);
	assert!(matches!(with(&key().key()), Assessment::Fresh(_)));
	assert_eq!(with(&Key::Ed25519([3; 32])), Assessment::Rejected(Rejection::BadSignature));
}

#[test]
fn a_channel_that_ended_before_the_start_should_be_noticed() {
	let record =
		Record { proof: sign(30).into(), key: None, earned: 30, request: [0; 32], count: 3 };
	let restored = |seen| {
		let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
		machine.restore(record.clone(), seen);
		machine
	};
	let mut machine = restored(Some(5));
	// A node that lags behind does not have the channel yet.
	machine.sync(ID, 5, 5, None, None);
	assert!(machine.ended().is_empty());
	machine.sync(ID, 6, 6, None, None);
	assert_eq!(machine.ended(), [ID]);
	// When nobody knows when it was there, a node that lags behind cannot be told from the end.
	let mut machine = restored(None);
	machine.sync(ID, 1_000, 1_000, None, None);
	assert!(machine.ended().is_empty());
	// Being seen again moves the bound on.
	let mut machine = restored(Some(5));
	machine.sync(ID, 9, 9, Some(info(100)), Some(&info(100)));
	assert_eq!(machine.seen(&ID), Some(9));
	machine.sync(ID, 8, 8, None, None);
	assert!(machine.ended().is_empty());
}

#[derive(Clone, Debug)]
enum Step {
	Pay { cumulative: Balance, price: Balance, request: u8 },
	Settle,
	TopUp(Balance),
	Restart,
	RestartWithoutStore,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
	let step = prop_oneof![
		8 => (0u128..60, 0u128..8, 0u8..3)
			.prop_map(|(cumulative, price, request)| Step::Pay { cumulative, price, request }),
		1 => Just(Step::Settle),
		1 => (0u128..20).prop_map(Step::TopUp),
		1 => Just(Step::Restart),
		1 => Just(Step::RestartWithoutStore),
	];
	prop::collection::vec(step, 1..60)
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

	/// The machine next to a plain model: one number for what was accepted, one for what was earned.
	#[test]
	fn the_machine_should_agree_with_a_plain_model(steps in steps()) {
		let mut on_chain = info(30);
		let mut machine = machine(30);
		let mut stored: Option<Record> = None;
		let (mut accepted, mut earned, mut last) = (0u128, 0u128, None);
		for step in steps {
			match step {
				Step::Pay { cumulative, price, request } => {
					let request = [request; 32];
					let before = accepted;
					match machine.assess(&sign(cumulative), price, &request, 1) {
						Assessment::Fresh(record) => {
							prop_assert!(cumulative >= before + price && cumulative > before);
							prop_assert!(cumulative <= on_chain.deposit);
							stored = Some(record.clone());
							prop_assert!(machine.apply(record));
							accepted = cumulative;
							earned += price;
							last = Some(request);
						},
						Assessment::Replay { same_request } => {
							prop_assert_eq!(cumulative, accepted);
							prop_assert_eq!(Some(request) == last, same_request);
						},
						Assessment::Rejected(_) => prop_assert!(
							cumulative < before + price
								|| cumulative == before
								|| cumulative > on_chain.deposit
						),
						Assessment::NotSynced => prop_assert!(false, "was synced"),
					}
				},
				Step::Settle => {
					for claim in machine.unsettled(1) {
						let cumulative = claim.item.allowed().unwrap();
						let take = claim.item.capture.unwrap_or(cumulative);
						prop_assert_eq!(take, earned);
						prop_assert!(take <= cumulative && take <= on_chain.deposit);
						prop_assert_eq!(claim.amount, take - on_chain.settled);
						(on_chain.settled, on_chain.lane_settled) = (take, vec![take]);
					}
					machine.sync(ID, 1, 1, Some(on_chain.clone()), Some(&on_chain));
				},
				Step::TopUp(amount) => {
					on_chain.deposit += amount;
					machine.sync(ID, 1, 1, Some(on_chain.clone()), Some(&on_chain));
				},
				Step::Restart | Step::RestartWithoutStore => {
					if matches!(step, Step::RestartWithoutStore) {
						// All that is left is what the chain has settled.
						stored = None;
						(accepted, earned, last) = (on_chain.settled, on_chain.settled, None);
					}
					machine = Machine::new(rules(), Domain::channels(GENESIS));
					if let Some(record) = &stored {
						machine.restore(record.clone(), Some(1));
					}
					machine.sync(ID, 1, 1, Some(on_chain.clone()), Some(&on_chain));
				},
			}
		}
	}
}

mod limits;
mod model;
