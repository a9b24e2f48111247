//! Lanes, caps, keys, revocations and agreements to close.

use super::*;
use crate::payee::Unsettled;
use stoa_primitives::channel::{Cap, CapState, Capture};

/// Three lanes.
fn wide(deposit: Balance) -> ChannelInfo {
	ChannelInfo { lanes: 3, lane_settled: vec![0; 3], ..info(deposit) }
}

fn capped(per_window: Balance) -> ChannelInfo {
	ChannelInfo { cap: Some(CapState::new(Cap { per_window, window: 10 })), ..wide(1_000) }
}

fn synced(info: &ChannelInfo) -> Machine {
	let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
	sync(&mut machine, info);
	machine
}

fn sync(machine: &mut Machine, info: &ChannelInfo) {
	machine.sync(ID, 1, 1, Some(info.clone()), Some(info));
}

fn sign_by(key: &VoucherKey, lane: u32, cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel: ID, lane, cumulative, valid_until: 0 };
	key.sign_voucher(voucher, &Domain::channels(GENESIS))
}

fn offer(machine: &mut Machine, signed: &SignedVoucher, now: BlockNumber) -> Option<Rejection> {
	match machine.assess(signed, 10, &[0; 32], now) {
		Assessment::Fresh(record) => {
			assert!(machine.apply(record));
			None
		},
		Assessment::Rejected(rejection) => Some(rejection),
		other => panic!("{other:?}"),
	}
}

fn pay(machine: &mut Machine, lane: u32, cumulative: Balance) -> Option<Rejection> {
	offer(machine, &sign_by(&key(), lane, cumulative), 1)
}

fn ends(claims: &[Unsettled]) -> Vec<Option<BlockNumber>> {
	claims.iter().map(|claim| claim.ends).collect()
}

#[test]
fn each_lane_should_have_a_floor_and_all_one_deposit() {
	let mut machine = synced(&wide(100));
	assert_eq!(pay(&mut machine, 0, 40), None);
	assert_eq!(pay(&mut machine, 1, 40), None);
	let above = Rejection::AboveDeposit { shortfall: 1, deposit: 100 };
	assert_eq!(pay(&mut machine, 2, 21), Some(above));
	assert_eq!(pay(&mut machine, 2, 20), None);
	assert_eq!(pay(&mut machine, 3, 20), Some(Rejection::UnknownLane));
	let claims = machine.unsettled(1);
	assert_eq!(claims.iter().map(|claim| claim.item.lane).collect::<Vec<_>>(), [0, 1, 2]);
	assert_eq!(claims.iter().map(|claim| claim.amount).collect::<Vec<_>>(), [10, 10, 10]);
}

#[test]
fn lanes_that_only_the_chain_remembers_should_count() {
	let settled = ChannelInfo { settled: 90, lane_settled: vec![0, 0, 90], ..wide(100) };
	let mut machine = synced(&settled);
	let above = Rejection::AboveDeposit { shortfall: 10, deposit: 100 };
	assert_eq!(pay(&mut machine, 0, 20), Some(above));
	assert_eq!(pay(&mut machine, 0, 10), None);
	// A node that lags behind lowers nothing.
	sync(&mut machine, &wide(100));
	assert!(pay(&mut machine, 1, 10).is_some());
}

#[test]
fn the_cap_should_bound_what_is_not_settled_over_all_lanes() {
	let mut machine = synced(&capped(50));
	assert_eq!(pay(&mut machine, 0, 30), None);
	let above = Rejection::AboveCap { shortfall: 1, headroom: 50 };
	assert_eq!(pay(&mut machine, 1, 21), Some(above));
	assert_eq!(pay(&mut machine, 1, 20), None);
	// What is settled is under the cap until its window has passed.
	machine.note_settled(&LaneKey { channel: ID, lane: 0 }, 10, 5);
	let more = |machine: &mut Machine, now| offer(machine, &sign_by(&key(), 2, 10), now);
	let headroom = Rejection::AboveCap { shortfall: 10, headroom: 40 };
	assert_eq!(more(&mut machine, 14), Some(headroom));
	assert_eq!(more(&mut machine, 15), None);
}

#[test]
fn a_node_that_lags_behind_should_not_give_headroom_back() {
	let mut machine = synced(&capped(50));
	assert_eq!(pay(&mut machine, 0, 50), None);
	machine.note_settled(&LaneKey { channel: ID, lane: 0 }, 10, 1);
	sync(&mut machine, &capped(50));
	let above = Rejection::AboveCap { shortfall: 10, headroom: 40 };
	assert_eq!(pay(&mut machine, 1, 10), Some(above));
}

#[test]
fn a_tighter_cap_should_count_when_it_is_asked_for_and_a_looser_one_when_it_is_final() {
	let waiting = |per_window| {
		let mut info = capped(50);
		info.changes.cap = Some((Some(Cap { per_window, window: 10 }), 500));
		info
	};
	let mut machine = synced(&capped(50));
	machine.sync(ID, 1, 1, Some(capped(50)), Some(&waiting(20)));
	let above = Rejection::AboveCap { shortfall: 1, headroom: 20 };
	assert_eq!(pay(&mut machine, 0, 21), Some(above));
	assert_eq!(pay(&mut machine, 0, 20), None);
	machine.sync(ID, 1, 1, Some(capped(50)), Some(&capped(90)));
	assert!(matches!(pay(&mut machine, 1, 31), Some(Rejection::AboveCap { .. })));
	sync(&mut machine, &capped(90));
	assert_eq!(pay(&mut machine, 1, 70), None);
	// A first cap that waits, too.
	let mut first = ChannelInfo { cap: None, ..waiting(20) };
	first.settled = 0;
	let mut machine = synced(&first);
	assert!(matches!(pay(&mut machine, 0, 21), Some(Rejection::AboveCap { .. })));
}

#[test]
fn what_a_tighter_cap_would_hold_up_should_be_urgent() {
	let mut machine = synced(&capped(50));
	let signed = sign_by(&key(), 0, 40);
	let Assessment::Fresh(record) = machine.assess(&signed, 40, &[0; 32], 1) else { panic!() };
	assert!(machine.apply(record));
	assert_eq!(ends(&machine.payable(1)), [None]);
	let mut tightened = capped(50);
	tightened.changes.cap = Some((Some(Cap { per_window: 30, window: 10 }), 500));
	sync(&mut machine, &tightened);
	assert_eq!(ends(&machine.payable(1)), [Some(500)]);
	assert_eq!(machine.payable(1)[0].amount, 40);
	// Once it holds, as much as it leaves.
	let claims = machine.payable(499);
	assert_eq!((claims[0].amount, claims[0].item.capture), (30, Some(30)));
	assert_eq!(machine.unsettled(499)[0].amount, 40);
}

#[test]
fn a_batch_should_capture_no_more_than_the_headroom_of_a_channel() {
	let mut machine = synced(&wide(1_000));
	for lane in 0..3 {
		assert_eq!(pay(&mut machine, lane, 10), None);
	}
	let mut info = capped(25);
	let recent = vec![Capture { at: 1, amount: 5 }].try_into().unwrap();
	info.cap = Some(CapState { cap: info.cap.unwrap().cap, recent });
	sync(&mut machine, &info);
	let claims = machine.payable(2);
	assert_eq!(claims.iter().map(|claim| claim.amount).collect::<Vec<_>>(), [10, 10]);
	// Those that are lost first come first.
	info.changes.revoked.push((2, 500));
	sync(&mut machine, &info);
	let lanes: Vec<_> = machine.payable(2).iter().map(|claim| claim.item.lane).collect();
	assert_eq!(lanes, [0, 2]);
	assert!(machine.payable(2).iter().all(|claim| claim.amount == 10));
}

#[test]
fn a_new_key_should_count_once_it_is_final_and_the_old_one_while_it_lasts() {
	let (old, new) = (key(), VoucherKey::from_uri("//New", Scheme::Ed25519).unwrap());
	let mut rotated = wide(1_000);
	(rotated.key, rotated.changes.key) = (new.key(), Some((old.key(), 500)));
	let mut machine = synced(&wide(1_000));
	assert_eq!(offer(&mut machine, &sign_by(&old, 0, 10), 1), None);
	machine.sync(ID, 1, 1, Some(wide(1_000)), Some(&rotated));
	let early = offer(&mut machine, &sign_by(&new, 1, 10), 1);
	assert_eq!(early, Some(Rejection::BadSignature));
	// The horizon is of 100 blocks.
	assert_eq!(offer(&mut machine, &sign_by(&old, 1, 10), 400), None);
	let late = offer(&mut machine, &sign_by(&old, 1, 20), 401);
	assert_eq!(late, Some(Rejection::KeyRetired { until: 500 }));
	sync(&mut machine, &rotated);
	assert_eq!(offer(&mut machine, &sign_by(&new, 1, 20), 401), None);
	// What the old key has signed is to be settled before its end.
	assert_eq!(ends(&machine.payable(1)), [Some(500), None]);
	assert!(machine.has_key(&ID, &old.key()) && machine.has_key(&ID, &new.key()));
	let mut over = rotated.clone();
	over.changes.key = None;
	sync(&mut machine, &over);
	assert_eq!(ends(&machine.unsettled(1)), [Some(0), None]);
	let gone = offer(&mut machine, &sign_by(&old, 0, 20), 1);
	assert_eq!(gone, Some(Rejection::BadSignature));
}

#[test]
fn records_of_the_first_versions_should_learn_their_key() {
	let mut rotated = wide(1_000);
	let new = VoucherKey::from_uri("//New", Scheme::Ed25519).unwrap();
	(rotated.key, rotated.changes.key) = (new.key(), Some((key().key(), 500)));
	let mut machine = Machine::new(rules(), Domain::channels(GENESIS));
	let proof = sign(30).into();
	machine.restore(Record { proof, key: None, earned: 30, request: [0; 32], count: 3 }, None);
	sync(&mut machine, &rotated);
	assert_eq!(ends(&machine.payable(1)), [Some(500)]);
	let lane = LaneKey { channel: ID, lane: 0 };
	assert_eq!(machine.record(&lane).unwrap().key, Some(key().key()));
}

#[test]
fn a_revoked_lane_should_take_nothing_and_be_urgent() {
	let mut machine = synced(&wide(1_000));
	assert_eq!(pay(&mut machine, 0, 10), None);
	assert_eq!(pay(&mut machine, 1, 10), None);
	let mut revoked = wide(1_000);
	revoked.changes.revoked.push((1, 700));
	machine.sync(ID, 1, 1, Some(wide(1_000)), Some(&revoked));
	assert_eq!(pay(&mut machine, 1, 20), Some(Rejection::LaneRevoked { from: 700 }));
	assert_eq!(pay(&mut machine, 0, 20), None);
	assert_eq!(ends(&machine.payable(1)), [None, Some(700)]);
}

#[test]
fn calls_under_way_on_other_lanes_should_leave_no_more_than_is_there() {
	let capped = |deposit, per_window| {
		let cap = Some(CapState::new(Cap { per_window, window: 10 }));
		synced(&ChannelInfo { cap, ..wide(deposit) })
	};
	for mut machine in [synced(&wide(25)), capped(1_000, 25)] {
		let lanes: Vec<_> = (0..3).map(|lane| LaneKey { channel: ID, lane }).collect();
		// All are good before any is written down: as many as there is money for may be served.
		let mut held = Vec::new();
		for at in &lanes {
			if let Assessment::Fresh(record) =
				machine.assess(&sign_by(&key(), at.lane, 10), 10, &[0; 32], 1)
			{
				assert!(machine.hold(at, record.proof.amount()));
				held.push(record);
			}
		}
		assert_eq!(held.len(), 2);
		// One comes to nothing, and gives its room back.
		machine.release(&held.pop().unwrap().proof.lane());
		assert_eq!(pay(&mut machine, 2, 15), None);
		assert!(pay(&mut machine, 1, 10).is_some());
		assert!(machine.apply(held.pop().unwrap()));
		machine.release(&lanes[0]);
		assert!(pay(&mut machine, 1, 10).is_some());
		let owed: Balance = machine.unsettled(1).iter().map(|claim| claim.amount).sum();
		assert_eq!(owed, 20);
	}
}

#[test]
fn an_agreement_to_close_should_name_all_that_was_earned_and_end_acceptance() {
	let settled = ChannelInfo { settled: 15, lane_settled: vec![0, 0, 15], ..wide(1_000) };
	let mut machine = synced(&settled);
	assert_eq!(pay(&mut machine, 0, 10), None);
	assert_eq!(pay(&mut machine, 1, 30), None);
	let lane = LaneKey { channel: ID, lane: 2 };
	assert!(machine.hold(&lane, 20));
	assert_eq!(machine.consent(&ID, 50), Ok(None));
	machine.release(&lane);
	assert_eq!(machine.consent(&ID, 50), Ok(Some(35)));
	let consented = Some(Rejection::Consented { until: 50 });
	assert_eq!(pay(&mut machine, 0, 20), consented);
	// Settling changes nothing about the sum.
	machine.note_settled(&LaneKey { channel: ID, lane: 0 }, 10, 1);
	assert_eq!(machine.consent(&ID, 50), Ok(Some(35)));
	machine.sync(ID, 50, 60, Some(settled.clone()), Some(&settled));
	assert_eq!(pay(&mut machine, 0, 20), consented);
	// A later block is final and has the channel.
	machine.sync(ID, 51, 60, Some(settled.clone()), Some(&settled));
	assert_eq!(pay(&mut machine, 0, 20), None);
}
