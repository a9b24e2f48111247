use super::*;
use crate::judge::judge;
use sp_core::{ed25519, Pair, H256};
use stoa_primitives::{
	channel::{Cap, CapState, Proof, TickProof},
	keys::{Key, KeySignature},
	payload::{Domain, Payload, TickCommit, Voucher},
	tick,
};

mod simulation;

const GRACE: BlockNumber = 480;
const SEED: [u8; 32] = [5; 32];

fn domain() -> Domain {
	Domain::channels(H256::repeat_byte(9))
}

fn pair(seed: u8) -> ed25519::Pair {
	ed25519::Pair::from_seed(&[seed; 32])
}

fn key(seed: u8) -> Key {
	Key::Ed25519(pair(seed).public().0)
}

fn payee(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

fn id(n: u8) -> ChannelId {
	[n; 32]
}

/// An open channel of two lanes with a deposit of 100.
fn open() -> ChannelState {
	ChannelState {
		payee: payee(1),
		asset: AssetId::WithId(1),
		key: key(1),
		retired: None,
		deposit: 100,
		settled: 0,
		lane_settled: vec![0, 0],
		revoked: Vec::new(),
		cap: None,
		grace: GRACE,
		ends: None,
	}
}

/// The same, with a close requested in block 1,000.
fn closing() -> ChannelState {
	ChannelState { ends: Some(1_000 + GRACE), ..open() }
}

fn voucher_by(seed: u8, channel: u8, lane: u32, cumulative: Balance, valid_until: u32) -> Item {
	let voucher = Voucher { channel: id(channel), lane, cumulative, valid_until };
	let signature = KeySignature::Ed25519(pair(seed).sign(&voucher.to_bytes(&domain())).0);
	let proof = Proof::Voucher { cumulative, valid_until, signature };
	Item { channel: id(channel), lane, capture: None, proof }
}

fn voucher(channel: u8, lane: u32, cumulative: Balance) -> Item {
	voucher_by(1, channel, lane, cumulative, 0)
}

fn ticks(index: u32) -> Item {
	let (prefix, seed) = ([3; 16], [4; 32]);
	let root = tick::walk(&prefix, 20, 0, seed);
	let commit = TickCommit {
		channel: id(1),
		lane: 0,
		base: 10,
		value: 2,
		count: 20,
		prefix,
		root,
		valid_until: 0,
	};
	let signature = KeySignature::Ed25519(pair(1).sign(&commit.to_bytes(&domain())).0);
	let proof = TickProof::new(&commit, signature, index, tick::walk(&prefix, 20, index, seed));
	Item { channel: id(1), lane: 0, capture: None, proof: Proof::Ticks(proof) }
}

fn config() -> Config {
	Config { lanes_per_payee: 3, lanes: 4, ..Config::new(SEED) }
}

/// Judges and keeps, as the driver does.
fn offer(machine: &mut Machine, state: &ChannelState, now: BlockNumber, item: Item) -> Outcome {
	let held = match judge(&domain(), state, now, &item) {
		Ok(held) => held,
		Err(reason) => return Outcome::Refused(reason),
	};
	match machine.judge(&held, 0) {
		Ok(true) => {
			machine.hold(held);
			machine.see(now, &item.channel, Some(state.clone()));
			Outcome::Kept
		},
		Ok(false) => Outcome::Known,
		Err(reason) => Outcome::Refused(reason),
	}
}

/// A machine with one proof for channel 1, which is closing.
fn closing_with(item: Item, state: &ChannelState) -> Machine {
	let mut machine = Machine::new(config());
	assert_eq!(offer(&mut machine, state, 1_000, item), Outcome::Kept);
	machine
}

fn my_slot() -> BlockNumber {
	slot(&SEED, &id(1), 1_000 + GRACE, GRACE)
}

#[test]
fn only_a_higher_amount_should_replace_what_is_kept() {
	let mut machine = Machine::new(config());
	for (amount, outcome) in
		[(10, Outcome::Kept), (10, Outcome::Known), (9, Outcome::Known), (11, Outcome::Kept)]
	{
		assert_eq!(offer(&mut machine, &open(), 7, voucher(1, 0, amount)), outcome, "{amount}");
	}
	assert_eq!(machine.held(&id(1), 0).unwrap().claim, 11);
	assert_eq!(machine.counts(), (1, 1));
	// Ticks and vouchers are compared by what they allow.
	assert_eq!(offer(&mut machine, &open(), 7, ticks(1)), Outcome::Kept);
	assert_eq!(machine.held(&id(1), 0).unwrap().claim, 12);
}

#[test]
fn a_capture_should_count_as_what_is_claimed() {
	let mut machine = Machine::new(config());
	let item = Item { capture: Some(40), ..voucher(1, 0, 90) };
	assert_eq!(offer(&mut machine, &open(), 7, item), Outcome::Kept);
	assert_eq!(offer(&mut machine, &open(), 7, voucher(1, 0, 41)), Outcome::Kept);
	let above = Item { capture: Some(91), ..voucher(1, 0, 90) };
	let refused = Outcome::Refused(Refused::CaptureAboveProof);
	assert_eq!(offer(&mut machine, &open(), 7, above), refused);
}

#[test]
fn what_the_chain_would_not_pay_should_be_refused() {
	let check = |state: ChannelState, item: Item| {
		let mut machine = Machine::new(config());
		match offer(&mut machine, &state, 1_000, item) {
			Outcome::Refused(reason) => Some(reason),
			_ => None,
		}
	};
	assert_eq!(check(open(), voucher(1, 2, 10)), Some(Refused::UnknownLane));
	let paid = ChannelState { settled: 10, lane_settled: vec![10, 0], ..open() };
	assert_eq!(check(paid, voucher(1, 0, 10)), Some(Refused::Settled));
	assert_eq!(check(open(), voucher_by(2, 1, 0, 10, 0)), Some(Refused::BadSignature));
	assert_eq!(check(open(), voucher_by(1, 1, 0, 10, 1_000)), Some(Refused::TooLate));
	assert_eq!(check(open(), voucher_by(1, 1, 0, 10, 1_001)), None);
	assert_eq!(
		check(ChannelState { ends: Some(1_001), ..open() }, voucher(1, 0, 9)),
		Some(Refused::TooLate)
	);
	assert_eq!(check(ChannelState { ends: Some(1_002), ..open() }, voucher(1, 0, 9)), None);
	let revoked = ChannelState { revoked: vec![(1, 1_001)], ..open() };
	assert_eq!(check(revoked.clone(), voucher(1, 1, 9)), Some(Refused::TooLate));
	assert_eq!(check(revoked, voucher(1, 0, 9)), None);
	let rotated = |until| ChannelState { key: key(2), retired: Some((key(1), until)), ..open() };
	assert_eq!(check(rotated(1_001), voucher(1, 0, 9)), Some(Refused::BadSignature));
	assert_eq!(check(rotated(1_002), voucher(1, 0, 9)), None);
	assert_eq!(check(rotated(1_001), voucher_by(2, 1, 0, 9, 0)), None);
}

#[test]
fn ticks_should_be_walked() {
	let state = open();
	let check = |item| judge(&domain(), &state, 7, &item).map(|held| held.claim);
	assert_eq!(check(ticks(20)), Ok(50));
	let wrong = |change: fn(&mut TickProof)| {
		let mut item = ticks(5);
		if let Proof::Ticks(proof) = &mut item.proof {
			change(proof);
		}
		check(item)
	};
	assert_eq!(wrong(|ticks| ticks.index = 0), Err(Refused::BadTick));
	assert_eq!(wrong(|ticks| ticks.index = 6), Err(Refused::BadTick));
	assert_eq!(wrong(|ticks| ticks.tick[0] ^= 1), Err(Refused::BadTick));
	assert_eq!(wrong(|ticks| ticks.base += 1), Err(Refused::BadSignature));
}

#[test]
fn a_proof_that_expires_should_not_replace_one_that_lasts_and_is_owed() {
	let mut machine = Machine::new(config());
	assert_eq!(offer(&mut machine, &open(), 7, voucher_by(1, 1, 0, 10, 500)), Outcome::Kept);
	assert_eq!(offer(&mut machine, &open(), 7, voucher(1, 0, 10)), Outcome::Kept);
	let expiring = voucher_by(1, 1, 0, 20, 500);
	let refused = Outcome::Refused(Refused::WouldExpire);
	assert_eq!(offer(&mut machine, &open(), 7, expiring), refused);
	let paid = ChannelState { settled: 10, lane_settled: vec![10, 0], ..open() };
	machine.see(8, &id(1), Some(paid.clone()));
	assert_eq!(offer(&mut machine, &paid, 8, expiring), Outcome::Kept);
}

#[test]
fn payees_should_be_bounded_and_together_too() {
	let mut machine = Machine::new(config());
	for (channel, lane) in [(1, 0), (1, 1), (2, 0)] {
		assert_eq!(offer(&mut machine, &open(), 7, voucher(channel, lane, 10)), Outcome::Kept);
	}
	let full = Outcome::Refused(Refused::Full);
	assert_eq!(offer(&mut machine, &open(), 7, voucher(2, 1, 10)), full);
	// What is kept can still rise.
	assert_eq!(offer(&mut machine, &open(), 7, voucher(2, 0, 11)), Outcome::Kept);
	let other = ChannelState { payee: payee(2), ..open() };
	assert_eq!(offer(&mut machine, &other, 7, voucher(3, 0, 10)), Outcome::Kept);
	assert_eq!(offer(&mut machine, &other, 7, voucher(3, 1, 10)), full);
	assert_eq!(machine.gone(8, &id(1)), [0, 1]);
	assert_eq!(offer(&mut machine, &other, 7, voucher(3, 1, 10)), Outcome::Kept);
	assert_eq!(machine.counts(), (2, 3));
}

#[test]
fn pending_lanes_should_count() {
	let machine = Machine::new(config());
	let held = judge(&domain(), &open(), 7, &voucher(1, 0, 10)).unwrap();
	assert_eq!(machine.judge(&held, 2), Ok(true));
	assert_eq!(machine.judge(&held, 3), Err(Refused::Full));
}

#[test]
fn nothing_should_be_settled_while_the_channel_is_open() {
	let mut machine = closing_with(voucher(1, 0, 10), &open());
	assert!(machine.due(my_slot()).is_empty());
	machine.see(1_001, &id(1), Some(closing()));
	assert!(!machine.due(my_slot()).is_empty());
	// The payer has changed its mind, or the request was reverted.
	machine.see(1_002, &id(1), Some(open()));
	assert!(machine.due(my_slot() + 100).is_empty());
}

#[test]
fn claims_should_wait_for_the_slot_between_a_quarter_and_half_of_the_grace_period() {
	let mut machine = closing_with(voucher(1, 0, 10), &closing());
	assert!((1_000 + GRACE / 4..=1_000 + GRACE / 2).contains(&my_slot()));
	assert!(machine.due(my_slot() - 1).is_empty());
	assert_eq!(machine.due(my_slot()), [voucher(1, 0, 10)]);
	let slots: std::collections::BTreeSet<_> =
		(0..50u8).map(|n| slot(&[n; 32], &id(1), 1_480, GRACE)).collect();
	assert!(slots.len() > 25, "{}", slots.len());
	assert!(slots.iter().all(|slot| (1_120..=1_240).contains(slot)));
}

#[test]
fn a_claim_that_ends_before_the_slot_should_be_made_in_time() {
	let ends_early = [
		(voucher_by(1, 1, 0, 10, 1_150), closing()),
		(voucher(1, 0, 10), ChannelState { revoked: vec![(0, 1_151)], ..closing() }),
		(
			voucher(1, 0, 10),
			ChannelState { key: key(2), retired: Some((key(1), 1_151)), ..closing() },
		),
	];
	for (item, state) in ends_early {
		let mut machine = closing_with(item, &state);
		assert!(machine.due(1_150 - GRACE / 4 - 1).is_empty());
		assert_eq!(machine.due(1_150 - GRACE / 4), [item]);
		// Too late for the next block.
		let mut machine = closing_with(item, &state);
		assert!(machine.due(1_150).is_empty());
	}
}

#[test]
fn tries_should_go_on_until_the_chain_shows_it() {
	let mut machine = closing_with(voucher(1, 0, 10), &closing());
	let mut tries = Vec::new();
	for now in my_slot()..1_000 + GRACE + 10 {
		if !machine.due(now).is_empty() {
			tries.push(now);
		}
	}
	assert_eq!(tries[..4], [0, 4, 12, 28].map(|after| my_slot() + after));
	// The last block in which it can be is one before the end; it is sent one before that.
	assert!(*tries.last().unwrap() < 1_000 + GRACE - 1);
	assert!(*tries.last().unwrap() > 1_000 + GRACE - 10);
	let mut machine = closing_with(voucher(1, 0, 10), &closing());
	assert_eq!(machine.due(my_slot()).len(), 1);
	let paid = ChannelState { settled: 10, lane_settled: vec![10, 0], ..closing() };
	machine.see(my_slot() + 1, &id(1), Some(paid));
	assert!((my_slot()..1_000 + GRACE).all(|now| machine.due(now).is_empty()));
}

#[test]
fn a_higher_proof_should_be_settled_at_once_when_the_slot_has_passed() {
	let mut machine = closing_with(voucher(1, 0, 10), &closing());
	assert_eq!(machine.due(my_slot()).len(), 1);
	assert!(machine.due(my_slot() + 1).is_empty());
	offer(&mut machine, &closing(), my_slot() + 1, voucher(1, 0, 20));
	assert_eq!(machine.due(my_slot() + 1), [voucher(1, 0, 20)]);
}

#[test]
fn claims_should_fit_deposit_and_cap() {
	let state = ChannelState { settled: 70, lane_settled: vec![30, 40], ..closing() };
	let mut machine = closing_with(voucher(1, 0, 50), &state);
	offer(&mut machine, &state, 1_000, voucher(1, 1, 90));
	let batch = machine.due(my_slot());
	assert_eq!(batch.iter().map(|item| item.capture).collect::<Vec<_>>(), [None, Some(50)]);
	let mut cap = CapState::new(Cap { per_window: 10, window: 50 });
	assert!(cap.capture(my_slot(), 4));
	let capped = ChannelState { cap: Some(cap), ..closing() };
	let mut machine = closing_with(voucher(1, 0, 50), &capped);
	assert_eq!(machine.due(my_slot())[0].capture, Some(6));
	// The window is over in the next block.
	let mut machine = closing_with(voucher(1, 0, 50), &capped);
	assert_eq!(machine.due(my_slot() + 49)[0].capture, Some(10));
}

#[test]
fn what_is_not_worth_it_should_be_left() {
	let mut machine = Machine::new(Config { min_claim: MinClaim::Amount(11), ..config() });
	offer(&mut machine, &closing(), 1_000, voucher(1, 0, 10));
	offer(&mut machine, &closing(), 1_000, voucher(1, 1, 11));
	assert_eq!(machine.due(my_slot()), [voucher(1, 1, 11)]);
	// Together with another they are.
	let mut machine = Machine::new(Config { min_claim: MinClaim::Amount(11), ..config() });
	offer(&mut machine, &closing(), 1_000, voucher(1, 0, 10));
	offer(&mut machine, &closing(), 1_000, voucher(1, 1, 12));
	assert_eq!(machine.due(my_slot()).len(), 2);
}

#[test]
fn nothing_that_costs_a_fee_should_be_settled_unless_it_is_to() {
	let state = |asset| ChannelState { asset, ..closing() };
	let (rated, unrated) = (AssetId::WithId(1), AssetId::WithId(2));
	let mut machine = Machine::new(Config::new(SEED));
	offer(&mut machine, &state(rated.clone()), 1_000, voucher(1, 0, 19));
	offer(&mut machine, &state(rated.clone()), 1_000, voucher(2, 0, 20));
	offer(&mut machine, &state(unrated.clone()), 1_000, voucher(3, 0, 99));
	assert_eq!(machine.to_price(1_000, 9), [rated.clone(), unrated.clone()]);
	assert_eq!(machine.to_price(1_000, 1).len(), 1);
	machine.price(1_000, rated.clone(), Some(20));
	machine.price(1_000, unrated.clone(), None);
	assert!(machine.to_price(1_000 + PRICE_LIFE - 1, 9).is_empty());
	let late = 1_000 + GRACE / 2;
	assert_eq!(machine.due(late), [voucher(2, 0, 20)]);
	assert!(machine.due(late).is_empty());
	// Fees fall, and a rate is set.
	assert_eq!(machine.to_price(1_000 + PRICE_LIFE, 9).len(), 2);
	machine.price(late, rated, Some(19));
	machine.price(late, unrated, Some(1));
	// Each asset in a batch of its own.
	assert_eq!(machine.due(late), [voucher(1, 0, 19)]);
	assert_eq!(machine.due(late), [voucher(3, 0, 99)]);
}

#[test]
fn open_channels_should_need_no_price() {
	let mut machine = Machine::new(Config::new(SEED));
	offer(&mut machine, &open(), 1_000, voucher(1, 0, 19));
	assert!(machine.to_price(1_000, 9).is_empty());
	let fixed = Config { min_claim: MinClaim::Amount(1), ..Config::new(SEED) };
	let mut machine = Machine::new(fixed);
	offer(&mut machine, &closing(), 1_000, voucher(1, 0, 19));
	assert!(machine.to_price(1_000, 9).is_empty());
}

#[test]
fn what_is_kept_for_a_payee_should_be_told_apart() {
	let mut machine = Machine::new(Config::new(SEED));
	offer(&mut machine, &open(), 7, voucher(1, 1, 5));
	offer(&mut machine, &open(), 7, voucher(1, 0, 9));
	offer(&mut machine, &ChannelState { payee: payee(2), ..open() }, 7, voucher(2, 0, 3));
	assert_eq!(machine.items_of(&payee(1)), [voucher(1, 0, 9), voucher(1, 1, 5)]);
	assert!(machine.serves(&payee(2)) && !machine.serves(&payee(3)));
	assert!(machine.items_of(&payee(3)).is_empty());
}

#[test]
fn batches_should_be_bounded_ascending_and_urgent_first() {
	let mut machine = Machine::new(Config::new(SEED));
	for n in 0..=255u8 {
		// Those of a high number end first.
		let state = ChannelState { ends: Some(1_000 + GRACE + 15 - u32::from(n / 16)), ..open() };
		offer(&mut machine, &state, 1_000, voucher(n, 0, 10));
		offer(&mut machine, &state, 1_000, voucher(n, 1, 10));
	}
	let now = 1_000 + GRACE / 2 + 15;
	let (first, second) = (machine.due(now), machine.due(now));
	assert_eq!((first.len(), second.len()), (256, 256));
	assert!(machine.due(now).is_empty());
	for batch in [&first, &second] {
		assert!(batch.windows(2).all(|w| (w[0].channel, w[0].lane) < (w[1].channel, w[1].lane)));
	}
	assert!(first.iter().all(|item| item.channel[0] >= 128));
}

#[test]
fn a_proof_by_a_dead_key_should_give_way_to_any_that_can_be_settled() {
	let mut machine = Machine::new(Config::new(SEED));
	machine.hold(judge(&domain(), &open(), 100, &voucher(1, 0, 50)).unwrap());
	// The payee has lost its newest records, and the payer pays on with another key.
	let rotated = ChannelState { key: key(2), retired: Some((key(1), 700)), ..open() };
	let other = |at| judge(&domain(), &rotated, at, &voucher_by(2, 1, 0, 20, 0)).unwrap();
	machine.see(699, &id(1), Some(rotated.clone()));
	assert_eq!(machine.judge(&other(698), 0), Ok(false));
	assert_eq!(machine.judge(&other(699), 0), Ok(true));
}

#[test]
fn channels_should_be_looked_at_often_enough() {
	let mut machine = Machine::new(config());
	offer(&mut machine, &open(), 100, voucher(1, 0, 10));
	assert!(machine.to_look(100 + GRACE / 16 - 1, 9).is_empty());
	assert_eq!(machine.to_look(100 + GRACE / 16, 9), [id(1)]);
	// After a start, at once; those that wait longest first.
	let mut fresh = Machine::new(config());
	for n in [2, 1] {
		fresh.hold(judge(&domain(), &open(), 7, &voucher(n, 0, 10)).unwrap());
	}
	assert_eq!(fresh.to_look(0, 9), [id(1), id(2)]);
	fresh.see(7, &id(1), Some(open()));
	assert_eq!(fresh.to_look(100, 1), [id(2)]);
}

#[test]
fn a_channel_should_be_forgotten_when_its_end_is_final() {
	let mut machine = Machine::new(config());
	offer(&mut machine, &open(), 100, voucher(1, 0, 10));
	assert!(machine.see(105, &id(1), None));
	// The final block is older than the last one in which it was there: it may not have been open yet.
	assert!(machine.gone(100, &id(1)).is_empty());
	assert!(machine.to_look(105, 9).is_empty());
	assert_eq!(machine.to_look(105 + RECHECK, 9), [id(1)]);
	assert_eq!(machine.gone(101, &id(1)), [0]);
	assert_eq!(machine.counts(), (0, 0));
}
