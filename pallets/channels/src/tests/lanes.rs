//! Lanes and ticks.

use super::*;
use stoa_primitives::{
	channel::TickProof,
	payload::TickCommit,
	tick::{self, MAX_TICKS},
};

/// A voucher's item on a lane.
fn on(channel: ChannelId, lane: u32, cumulative: Balance) -> Item {
	item_of(Voucher { lane, ..voucher(channel, cumulative) })
}

#[test]
fn lanes_should_be_paid_apart_and_share_the_deposit() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 100, 4, None);
		assert_ok!(settle(PAYEE, vec![on(id, 0, 30), on(id, 2, 20), on(id, 3, 40)]));
		assert_eq!(view(id).lane_settled, vec![30, 0, 20, 40]);
		assert_eq!((view(id).settled, locked(&USD)), (90, 10));
		// Each lane is stale for itself, and all together stay below the deposit.
		assert_skipped(PAYEE, on(id, 2, 20), SkipReason::Stale);
		assert_skipped(PAYEE, on(id, 1, 11), SkipReason::AboveDeposit);
		assert_ok!(settle(PAYEE, vec![on(id, 1, 10)]));
		assert_eq!(view(id).lane_settled, vec![30, 10, 20, 40]);
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_eq!(free(&PAYER, &USD), CREDITS - 100);
		assert_eq!(Lanes::<Test>::iter().count(), 0);
	});
}

#[test]
fn items_of_one_batch_should_see_each_other() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 100, 3, None);
		events();
		assert_ok!(settle(PAYEE, vec![on(id, 0, 60), on(id, 1, 41), on(id, 2, 40)]));
		assert_eq!(view(id).lane_settled, vec![60, 0, 40]);
	});
}

#[test]
fn a_lane_should_be_unknown_beyond_the_number_of_lanes() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 100, MAX_LANES, None);
		let last = u32::from(MAX_LANES) - 1;
		assert_ok!(settle(PAYEE, vec![on(id, last, 1)]));
		assert_eq!(view(id).lane_settled.len(), usize::from(MAX_LANES));
		for lane in [last + 1, u32::MAX] {
			assert_skipped(PAYEE, on(id, lane, 1), SkipReason::UnknownLane);
		}
	});
}

#[test]
fn a_lanes_voucher_should_be_good_on_its_lane_only() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 100, 3, None);
		let item = on(id, 1, 10);
		assert_skipped(PAYEE, Item { lane: 0, ..item }, SkipReason::BadSignature);
		assert_skipped(PAYEE, Item { lane: 2, ..item }, SkipReason::BadSignature);
		assert_ok!(settle(PAYEE, vec![item]));
	});
}

#[test]
fn ticks_should_pay_base_and_value_times_index() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		let commit = commit(id, 0, 3, 200);
		for (index, settled) in [(1, 3), (2, 6), (200, 600)] {
			assert_ok!(settle(PAYEE, vec![tick_item(commit, index)]));
			assert_eq!(view(id).settled, settled);
		}
		assert_skipped(PAYEE, tick_item(commit, 200), SkipReason::Stale);
		assert_skipped(PAYEE, tick_item(commit, 1), SkipReason::Stale);
	});
}

#[test]
fn ticks_and_vouchers_should_mix_on_a_lane() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		assert_ok!(settle(PAYEE, vec![item(id, 50)]));
		// The commitment begins where the voucher ended.
		assert_ok!(settle(PAYEE, vec![tick_item(commit(id, 50, 10, 20), 5)]));
		assert_eq!(view(id).settled, 100);
		assert_ok!(settle(PAYEE, vec![item(id, 101)]));
		assert_skipped(PAYEE, tick_item(commit(id, 50, 10, 20), 5), SkipReason::Stale);
		let partly = Item { capture: Some(120), ..tick_item(commit(id, 50, 10, 20), 20) };
		assert_ok!(settle(PAYEE, vec![partly]));
		assert_eq!(view(id).settled, 120);
		assert_ok!(Channels::close(signed(PAYEE), id, Some(tick_item(commit(id, 50, 10, 20), 20))));
		assert_eq!(free(&PAYER, &USD), CREDITS - 250);
	});
}

#[test]
fn ticks_should_be_refused_when_they_do_not_lead_to_the_root() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		let good = tick_item(commit(id, 0, 1, 50), 20);
		let Proof::Ticks(ticks) = good.proof else { unreachable!() };
		let with = |ticks| Item { proof: Proof::Ticks(ticks), ..good };
		let further = TickProof { index: 21, ..ticks };
		assert_skipped(PAYEE, with(further), SkipReason::BadTick);
		assert_skipped(PAYEE, with(TickProof { index: 19, ..ticks }), SkipReason::BadTick);
		assert_skipped(PAYEE, with(TickProof { tick: SEED, ..ticks }), SkipReason::BadTick);
		// What was signed cannot be altered.
		for altered in [
			TickProof { base: 1, ..ticks },
			TickProof { value: 2, ..ticks },
			TickProof { count: 51, ..ticks },
			TickProof { prefix: [0; 16], ..ticks },
			TickProof { root: ticks.tick, ..ticks },
			TickProof { valid_until: 1, ..ticks },
		] {
			assert_skipped(PAYEE, with(altered), SkipReason::BadSignature);
		}
		assert_ok!(settle(PAYEE, vec![good]));
	});
}

#[test]
fn ticks_should_be_refused_when_their_index_is_out_of_range() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, CREDITS);
		let long = commit(id, 0, 1, MAX_TICKS + 10);
		assert_skipped(PAYEE, tick_item(long, 0), SkipReason::TickOutOfRange);
		assert_skipped(PAYEE, tick_item(long, MAX_TICKS + 1), SkipReason::TickOutOfRange);
		let short = commit(id, 0, 1, 5);
		let mut beyond = tick_item(short, 5);
		let Proof::Ticks(ticks) = &mut beyond.proof else { unreachable!() };
		ticks.index = 6;
		assert_skipped(PAYEE, beyond, SkipReason::TickOutOfRange);
		// No number is as large.
		let huge = commit(id, 1, Balance::MAX / 2, 5);
		assert_skipped(PAYEE, tick_item(huge, 3), SkipReason::TickOutOfRange);
		assert_skipped(PAYEE, tick_item(huge, 1), SkipReason::AboveDeposit);
		assert_ok!(settle(PAYEE, vec![tick_item(long, MAX_TICKS)]));
		assert_eq!(view(id).settled, Balance::from(MAX_TICKS));
	});
}

#[test]
fn ticks_should_expire() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		let item = tick_item(TickCommit { valid_until: 9, ..commit(id, 0, 1, 5) }, 5);
		run_to(10);
		assert_skipped(PAYEE, item, SkipReason::Expired);
		run_to(9);
		assert_ok!(settle(PAYEE, vec![item]));
	});
}

#[test]
fn ticks_of_value_zero_should_allow_the_base() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		assert_ok!(settle(PAYEE, vec![tick_item(commit(id, 70, 0, 5), 5)]));
		assert_eq!(view(id).settled, 70);
		assert_eq!(tick::walk(&[6; 16], 5, 0, SEED), commit(id, 0, 0, 5).root);
	});
}
