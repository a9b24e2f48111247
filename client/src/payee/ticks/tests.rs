use super::*;
use crate::{
	chain::{
		fake::{self, channel, settle_item},
		ChannelInfo, Phase,
	},
	keys::{Scheme, VoucherKey},
	payee::{Assessment, Rules},
	ticks::TickChain,
	voucher::SignedVoucher,
};
use sp_core::H256;
use stoa_primitives::{
	payload::{Domain, TickCommit, Voucher},
	tick::MAX_TICKS,
};

const ID: ChannelId = [9; 32];

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn domain() -> Domain {
	Domain::channels(H256::repeat_byte(1))
}

fn info(deposit: Balance) -> ChannelInfo {
	ChannelInfo { lanes: 4, lane_settled: vec![0; 4], ..channel(ID, key().key(), deposit) }
}

fn at(lane: u32) -> LaneKey {
	LaneKey { channel: ID, lane }
}

fn machine(deposit: Balance) -> Machine {
	let rules = Rules {
		payee: fake::payee(),
		asset: fake::ASSET,
		min_grace: 450,
		settle_horizon: 100,
		accept_expiring: true,
	};
	let mut machine = Machine::new(rules, domain());
	machine.sync(ID, 1, 1, Some(info(deposit)), Some(&info(deposit)));
	machine.trust(&ID, 1_000);
	machine
}

fn commit(chain: &TickChain, lane: u32, base: Balance, value: Balance) -> SignedCommit {
	let commit = TickCommit {
		channel: ID,
		lane,
		base,
		value,
		count: chain.count(),
		prefix: chain.prefix(),
		root: chain.root(),
		valid_until: 0,
	};
	SignedCommit::sign(commit, &key(), &domain())
}

fn open(machine: &mut Machine, signed: &SignedCommit) -> Result<(), Rejection> {
	let opening = machine.assess_commit(signed, 1)?.unwrap();
	assert_eq!(machine.signers(&signed.lane())?.unwrap(), [key().key()]);
	assert!(machine.open_commit(&opening, &key().key(), 1)?);
	Ok(())
}

fn payment(chain: &TickChain, lane: u32, index: u32, price: Balance) -> TickPayment {
	let tick = chain.tick(index).unwrap();
	TickPayment { at: at(lane), index, tick, price, request: [7; 32] }
}

fn take(machine: &mut Machine, payment: TickPayment) -> TickVerdict {
	let mut verdicts = Vec::new();
	machine.accept_ticks(&[payment], 1, 0, &mut verdicts);
	verdicts.remove(0)
}

fn rejected(verdict: TickVerdict) -> Rejection {
	match verdict {
		TickVerdict::Rejected(rejection) => *rejection,
		other => panic!("{other:?}"),
	}
}

fn flush(machine: &mut Machine) {
	let flush = machine.to_flush();
	machine.flushed(flush);
}

fn voucher(lane: u32, cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel: ID, lane, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &domain())
}

#[test]
fn each_tick_should_pay_once_and_be_claimed_with_its_commitment() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(20);
	assert_eq!(rejected(take(&mut machine, payment(&chain, 0, 1, 10))), Rejection::NoCommitment);
	open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
	for index in 1..=5 {
		assert_eq!(take(&mut machine, payment(&chain, 0, index, 10)), TickVerdict::Fresh);
		let replay = TickVerdict::Replay { same_request: true };
		assert_eq!(take(&mut machine, payment(&chain, 0, index, 10)), replay);
	}
	let other = TickPayment { request: [8; 32], ..payment(&chain, 0, 5, 10) };
	assert_eq!(take(&mut machine, other), TickVerdict::Replay { same_request: false });
	let old = rejected(take(&mut machine, payment(&chain, 0, 3, 10)));
	assert!(matches!(old, Rejection::Insufficient { required: 60, accepted: 50, .. }));
	// Claimed only once it is durable.
	assert!(machine.unsettled(1).is_empty() && machine.is_dirty(&at(0)));
	assert_eq!(machine.unflushed(), 50);
	flush(&mut machine);
	assert!(!machine.is_dirty(&at(0)) && machine.unflushed() == 0);
	let claims = machine.unsettled(1);
	assert_eq!((claims.len(), claims[0].amount, claims[0].item.ticks()), (1, 50, 5));
	assert_eq!(settle_item(&mut info(1_000), &claims[0].item, &domain(), 2), Ok(50));
	assert_eq!(machine.record(&at(0)).unwrap().count, 5);
}

#[test]
fn a_price_of_several_ticks_should_take_as_many() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(20);
	open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
	let short = rejected(take(&mut machine, payment(&chain, 0, 2, 25)));
	assert!(matches!(short, Rejection::Insufficient { required: 25, shortfall: 5, .. }));
	assert_eq!(take(&mut machine, payment(&chain, 0, 3, 25)), TickVerdict::Fresh);
	flush(&mut machine);
	// What is more than the price goes back to the payer.
	let claims = machine.unsettled(1);
	assert_eq!((claims[0].amount, claims[0].item.capture), (25, Some(25)));
}

#[test]
fn what_is_no_tick_should_change_nothing() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(MAX_TICKS);
	open(&mut machine, &commit(&chain, 0, 0, 1)).unwrap();
	let wrong = TickPayment { tick: [3; 32], ..payment(&chain, 0, 1, 1) };
	assert_eq!(rejected(take(&mut machine, wrong)), Rejection::BadTick);
	let shifted = TickPayment { index: 2, ..payment(&chain, 0, 1, 1) };
	assert_eq!(rejected(take(&mut machine, shifted)), Rejection::BadTick);
	// What the price does not explain is not hashed without end.
	let far = rejected(take(&mut machine, payment(&chain, 0, MAX_AHEAD + 2, 1)));
	assert_eq!(far, Rejection::TickTooFar { last: MAX_AHEAD + 1 });
	assert_eq!(take(&mut machine, payment(&chain, 0, 900, 900)), TickVerdict::Fresh);
	let beyond = TickPayment { index: MAX_TICKS + 1, ..payment(&chain, 0, 1, 1) };
	assert_eq!(rejected(take(&mut machine, beyond)), Rejection::TickOutOfRange { last: MAX_TICKS });
	machine.accept_ticks(&[payment(&chain, 0, 901, 1)], 1, 1_000, &mut Vec::new());
	assert_eq!(machine.unflushed(), 900);
}

#[test]
fn chains_longer_than_what_is_walked_should_be_taken_up_to_there() {
	let mut machine = machine(10_000);
	let (chain, _) = TickChain::random(MAX_TICKS + 10);
	open(&mut machine, &commit(&chain, 0, 0, 1)).unwrap();
	let most = Balance::from(MAX_TICKS);
	assert_eq!(take(&mut machine, payment(&chain, 0, MAX_TICKS, most)), TickVerdict::Fresh);
	assert_eq!(
		rejected(take(&mut machine, payment(&chain, 0, MAX_TICKS + 1, 1))),
		Rejection::TickOutOfRange { last: MAX_TICKS }
	);
	flush(&mut machine);
	let item = machine.unsettled(1)[0].item;
	assert_eq!(settle_item(&mut info(10_000), &item, &domain(), 2), Ok(most));
}

#[test]
fn commitments_of_no_use_should_be_refused() {
	let machine_ = machine(100);
	let (chain, _) = TickChain::random(20);
	let refused = |signed: SignedCommit| machine_.assess_commit(&signed, 1).unwrap_err();
	let good = commit(&chain, 0, 0, 10);
	assert_eq!(refused(commit(&chain, 0, 0, 0)), Rejection::WorthlessCommitment);
	assert_eq!(refused(commit(&chain, 4, 0, 10)), Rejection::UnknownLane);
	assert_eq!(refused(commit(&chain, 0, 0, Balance::MAX)), Rejection::Overflow);
	assert!(matches!(refused(commit(&chain, 0, 0, 101)), Rejection::AboveDeposit { .. }));
	let with = |change: fn(&mut TickCommit)| {
		let mut commit = good.commit;
		change(&mut commit);
		refused(SignedCommit { commit, ..good })
	};
	assert_eq!(with(|commit| commit.count = 0), Rejection::WorthlessCommitment);
	assert_eq!(with(|commit| commit.valid_until = 100), Rejection::ExpiresTooSoon { needed: 101 });
	assert_eq!(
		machine_.assess_commit(&commit(&chain, 0, 0, 10), 1).map(|open| open.is_some()),
		Ok(true)
	);
	let mut machine = machine(100);
	let opening = machine.assess_commit(&good, 1).unwrap().unwrap();
	let stranger = VoucherKey::generate().0.key();
	assert_eq!(machine.open_commit(&opening, &stranger, 1), Err(Rejection::BadSignature));
}

#[test]
fn a_root_should_serve_one_commitment() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(20);
	let first = commit(&chain, 0, 0, 10);
	open(&mut machine, &first).unwrap();
	// Also before it has paid, on another lane, with another base.
	assert_eq!(open(&mut machine, &commit(&chain, 1, 0, 10)), Err(Rejection::RootReused));
	take(&mut machine, payment(&chain, 0, 2, 20));
	let written = machine.to_flush();
	assert_eq!(written.roots.len(), 1);
	machine.flushed(written);
	let (next, _) = TickChain::random(20);
	open(&mut machine, &commit(&next, 0, 20, 10)).unwrap();
	assert_eq!(open(&mut machine, &commit(&chain, 0, 20, 10)), Err(Rejection::RootReused));
	// The very same one goes on where the lane is.
	open(&mut machine, &first).unwrap();
	let used = rejected(take(&mut machine, payment(&chain, 0, 2, 10)));
	assert!(matches!(used, Rejection::Insufficient { required: 30, .. }));
	assert_eq!(take(&mut machine, payment(&chain, 0, 3, 10)), TickVerdict::Fresh);
	assert!(machine.to_flush().roots.is_empty());
}

#[test]
fn a_base_below_the_floor_should_show_what_was_accepted() {
	let mut machine = machine(1_000);
	let Assessment::Fresh(record) = machine.assess(&voucher(0, 30), 30, &[0; 32], 1) else {
		panic!()
	};
	assert!(machine.apply(record));
	let (chain, _) = TickChain::random(20);
	let Err(Rejection::Insufficient { required: 30, last, .. }) =
		open(&mut machine, &commit(&chain, 0, 29, 10))
	else {
		panic!()
	};
	assert_eq!(*last.unwrap(), voucher(0, 30).into());
	// Above is fine: what was signed and never arrived is not earned.
	open(&mut machine, &commit(&chain, 0, 50, 10)).unwrap();
	assert_eq!(take(&mut machine, payment(&chain, 0, 1, 10)), TickVerdict::Fresh);
	flush(&mut machine);
	assert_eq!(machine.unsettled(1)[0].amount, 40);
}

/// The payee's disk was put back, and the payer has ticks left of a commitment from before.
#[test]
fn a_base_below_what_was_settled_should_be_good_for_ticks_above_it() {
	let mut machine = machine(1_000);
	machine.note_settled(&at(0), 30, 1);
	let (chain, _) = TickChain::random(20);
	open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
	for index in 1..=3 {
		let verdict = take(&mut machine, payment(&chain, 0, index, 10));
		assert!(matches!(rejected(verdict), Rejection::Insufficient { required: 40, .. }));
	}
	assert_eq!(take(&mut machine, payment(&chain, 0, 4, 10)), TickVerdict::Fresh);
	flush(&mut machine);
	assert_eq!(machine.unsettled(1)[0].amount, 10);
}

#[test]
fn vouchers_and_ticks_should_mix_on_a_lane() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(20);
	open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
	assert_eq!(take(&mut machine, payment(&chain, 0, 2, 20)), TickVerdict::Fresh);
	// A lane with ticks in memory waits for the disk before it takes a voucher.
	assert!(!machine.hold(&at(0), 45));
	flush(&mut machine);
	assert!(machine.hold(&at(0), 45));
	assert_eq!(take(&mut machine, payment(&chain, 0, 3, 10)), TickVerdict::Busy);
	let Assessment::Fresh(record) = machine.assess(&voucher(0, 45), 10, &[0; 32], 1) else {
		panic!()
	};
	assert_eq!((record.earned, record.count), (30, 2));
	assert!(machine.apply(record));
	machine.release(&at(0));
	let behind = rejected(take(&mut machine, payment(&chain, 0, 4, 10)));
	assert!(matches!(behind, Rejection::Insufficient { required: 55, accepted: 45, .. }));
	assert_eq!(take(&mut machine, payment(&chain, 0, 6, 10)), TickVerdict::Fresh);
	let low = machine.assess(&voucher(0, 60), 10, &[0; 32], 1);
	assert!(matches!(low, Assessment::Rejected(Rejection::Insufficient { required: 70, .. })));
	flush(&mut machine);
	assert_eq!(machine.unsettled(1)[0].amount, 40);
}

#[test]
fn ticks_of_all_lanes_should_stay_within_the_deposit() {
	let mut machine = machine(50);
	let chains: Vec<_> = (0..4).map(|_| TickChain::random(20).0).collect();
	for (lane, chain) in (0u32..).zip(&chains) {
		open(&mut machine, &commit(chain, lane, 0, 10)).unwrap();
	}
	let mut verdicts = Vec::new();
	let payments: Vec<_> =
		(0..8u32).map(|n| payment(&chains[n as usize % 4], n % 4, n / 4 + 1, 10)).collect();
	machine.accept_ticks(&payments, 1, 0, &mut verdicts);
	let fresh = verdicts.iter().filter(|verdict| **verdict == TickVerdict::Fresh).count();
	assert_eq!(fresh, 5);
	let above = Rejection::AboveDeposit { shortfall: 10, deposit: 50 };
	assert_eq!(rejected(verdicts[7].clone()), above);
	flush(&mut machine);
	let mut on_chain = info(50);
	for claim in machine.unsettled(1) {
		settle_item(&mut on_chain, &claim.item, &domain(), 2).unwrap();
	}
	assert_eq!(on_chain.settled, 50);
}

#[test]
fn ticks_that_could_not_be_kept_should_be_taken_back() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(20);
	open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
	take(&mut machine, payment(&chain, 0, 1, 10));
	flush(&mut machine);
	take(&mut machine, payment(&chain, 0, 2, 10));
	let written = machine.to_flush();
	take(&mut machine, payment(&chain, 0, 3, 10));
	drop(written);
	machine.revert();
	assert_eq!((machine.unflushed(), machine.unsettled(1)[0].amount), (0, 10));
	// They were not served and can be presented again.
	assert_eq!(take(&mut machine, payment(&chain, 0, 2, 10)), TickVerdict::Fresh);
}

#[test]
fn what_came_during_a_flush_should_stay_pending() {
	let mut machine = machine(1_000);
	let (chain, _) = TickChain::random(20);
	open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
	take(&mut machine, payment(&chain, 0, 1, 10));
	let written = machine.to_flush();
	take(&mut machine, payment(&chain, 0, 2, 10));
	machine.flushed(written);
	assert!(machine.is_dirty(&at(0)));
	assert_eq!(machine.unsettled(1)[0].amount, 10);
	machine.revert();
	assert_eq!(take(&mut machine, payment(&chain, 0, 2, 10)), TickVerdict::Fresh);
	flush(&mut machine);
	assert_eq!(machine.unsettled(1)[0].amount, 20);
}

#[test]
fn a_restart_should_go_on_with_the_tick_that_was_kept() {
	let mut before = machine(1_000);
	let (chain, _) = TickChain::random(20);
	open(&mut before, &commit(&chain, 0, 0, 10)).unwrap();
	take(&mut before, payment(&chain, 0, 3, 30));
	let written = before.to_flush();
	let (_, root, digest) = written.roots[0];
	let mut after = Machine::new(before.rules.clone(), domain());
	after.restore(written.records[0].clone(), Some(1));
	after.restore_root(ID, root, digest);
	assert_eq!(take(&mut after, payment(&chain, 0, 4, 10)), TickVerdict::NotSynced);
	after.sync(ID, 1, 1, Some(info(1_000)), Some(&info(1_000)));
	after.trust(&ID, 1_000);
	let replay = TickVerdict::Replay { same_request: true };
	assert_eq!(take(&mut after, payment(&chain, 0, 3, 10)), replay);
	assert_eq!(take(&mut after, payment(&chain, 0, 4, 10)), TickVerdict::Fresh);
	assert_eq!(open(&mut after, &commit(&chain, 1, 0, 10)), Err(Rejection::RootReused));
}

#[test]
fn what_ends_a_lane_should_end_its_ticks() {
	let key_end = |until| (VoucherKey::generate().0.key(), Some((key().key(), until)));
	let changed = |change: &dyn Fn(&mut ChannelInfo)| {
		let mut machine = machine(1_000);
		let (chain, _) = TickChain::random(20);
		open(&mut machine, &commit(&chain, 0, 0, 10)).unwrap();
		assert_eq!(take(&mut machine, payment(&chain, 0, 1, 10)), TickVerdict::Fresh);
		let mut best = info(1_000);
		change(&mut best);
		machine.sync(ID, 1, 1, Some(info(1_000)), Some(&best));
		take(&mut machine, payment(&chain, 0, 2, 10))
	};
	let rejection = |change: &dyn Fn(&mut ChannelInfo)| rejected(changed(change));
	let closing = rejection(&|info| info.phase = Phase::Closing { ends: 500 });
	assert_eq!(closing, Rejection::Closing);
	let revoked = rejection(&|info| info.changes.revoked.push((0, 500)));
	assert_eq!(revoked, Rejection::LaneRevoked { from: 500 });
	let retired = rejection(&|info| (info.key, info.changes.key) = key_end(100));
	assert_eq!(retired, Rejection::KeyRetired { until: 100 });
	let rotated = changed(&|info| (info.key, info.changes.key) = key_end(101));
	assert_eq!(rotated, TickVerdict::Fresh);
	let other = changed(&|info| info.changes.revoked.push((1, 500)));
	assert_eq!(other, TickVerdict::Fresh);
}
