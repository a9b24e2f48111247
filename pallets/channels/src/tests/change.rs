//! Rotating the key, setting a cap, revoking a lane.

use super::*;

fn other_pair() -> ed25519::Pair {
	ed25519::Pair::from_seed(&[43; 32])
}

fn other_key() -> Key {
	Key::Ed25519(other_pair().public().0)
}

/// The item of a voucher that the other key has signed.
fn by_other(id: ChannelId, cumulative: Balance) -> Item {
	let voucher = voucher(id, cumulative);
	let signature = other_pair().sign(&voucher.to_bytes(&domain()));
	item_with(voucher, KeySignature::Ed25519(signature.0))
}

fn cap(per_window: Balance, window: u32) -> Option<Cap> {
	Some(Cap { per_window, window })
}

#[test]
fn rotate_key_should_let_both_keys_sign_for_one_grace_period() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_skipped(PAYEE, by_other(id, 10), SkipReason::BadSignature);
		events();
		assert_ok!(Channels::rotate_key(signed(PAYER), id, other_key()));
		let until = 1 + MIN_GRACE;
		assert_eq!(events(), vec![Event::KeyRotated { id, key: other_key(), until }]);
		assert_eq!((view(id).key, view(id).changes.key), (other_key(), Some((key(), until))));
		assert_ok!(settle(PAYEE, vec![by_other(id, 10)]));
		run_to(until - 1);
		assert_ok!(settle(PAYEE, vec![item(id, 20)]));
		run_to(until);
		assert_eq!(view(id).changes, Changes::default());
		assert_skipped(PAYEE, item(id, 30), SkipReason::BadSignature);
		// A claim after that time takes the row away.
		assert!(Waiting::<Test>::contains_key(id));
		assert_ok!(settle(PAYEE, vec![by_other(id, 30)]));
		assert!(!Waiting::<Test>::contains_key(id));
		assert_eq!(view(id).settled, 30);
	});
}

#[test]
fn rotate_key_should_fail_while_a_rotation_is_running() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let rotate = |key| Channels::rotate_key(signed(PAYER), id, key);
		assert_noop!(rotate(key()), Error::<Test>::SameKey);
		assert_ok!(rotate(other_key()));
		assert_noop!(rotate(Key::Ed25519([1; 32])), Error::<Test>::RotationRunning);
		assert_noop!(rotate(key()), Error::<Test>::RotationRunning);
		run_to(MIN_GRACE);
		assert_noop!(rotate(key()), Error::<Test>::RotationRunning);
		run_to(MIN_GRACE + 1);
		assert_ok!(rotate(key()));
		assert_eq!(view(id).changes.key, Some((other_key(), 2 * MIN_GRACE + 1)));
	});
}

#[test]
fn changes_should_be_the_payers_alone() {
	build_and_execute(|| {
		let id = open(&AGENT, &PAYEE, 100);
		for by in [PAYEE, OPERATOR, STRANGER] {
			let error = DispatchError::from(Error::<Test>::NotPayer);
			assert_noop!(Channels::rotate_key(signed(by.clone()), id, other_key()), error);
			assert_noop!(Channels::set_cap(signed(by.clone()), id, cap(1, 1)), error);
			assert_noop!(Channels::revoke_lane(signed(by), id, 0), error);
		}
		let error = DispatchError::from(Error::<Test>::UnknownChannel);
		assert_noop!(Channels::rotate_key(signed(PAYER), NOWHERE, other_key()), error);
		assert_noop!(Channels::set_cap(signed(PAYER), NOWHERE, None), error);
		assert_noop!(Channels::revoke_lane(signed(PAYER), NOWHERE, 0), error);
	});
}

#[test]
fn changes_should_be_refused_when_the_grace_period_is_over() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(MIN_GRACE);
		assert_ok!(Channels::rotate_key(signed(PAYER), id, other_key()));
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(1, 1)));
		assert_ok!(Channels::revoke_lane(signed(PAYER), id, 0));
		// None of them keeps the payee from what it can settle before the end.
		assert_ok!(settle(PAYEE, vec![item(id, 40)]));
		run_to(MIN_GRACE + 1);
		let error = DispatchError::from(Error::<Test>::GraceOver);
		assert_noop!(Channels::rotate_key(signed(PAYER), id, key()), error);
		assert_noop!(Channels::set_cap(signed(PAYER), id, None), error);
		assert_noop!(Channels::revoke_lane(signed(PAYER), id, 0), error);
		assert_ok!(finalize(vec![id]));
		assert_eq!(Waiting::<Test>::iter().count(), 0);
		assert_eq!(free(&PAYER, &USD), CREDITS - 40);
	});
}

#[test]
fn a_cap_should_bound_what_is_captured_in_any_window() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 1_000, 2, cap(30, 5));
		assert_ok!(settle(PAYEE, vec![item(id, 20)]));
		assert_skipped(PAYEE, item(id, 31), SkipReason::AboveCap);
		// All lanes share it.
		let lane1 = |cumulative| item_of(Voucher { lane: 1, ..voucher(id, cumulative) });
		assert_skipped(PAYEE, lane1(11), SkipReason::AboveCap);
		run_to(3);
		assert_ok!(settle(PAYEE, vec![lane1(10)]));
		assert_skipped(PAYEE, item(id, 21), SkipReason::AboveCap);
		run_to(6);
		assert_skipped(PAYEE, item(id, 41), SkipReason::AboveCap);
		assert_ok!(settle(PAYEE, vec![item(id, 40)]));
		assert_eq!(view(id).settled, 50);
		// Less of the same voucher can be taken.
		run_to(8);
		assert_ok!(settle(PAYEE, vec![Item { capture: Some(50), ..item(id, 1_000) }]));
		assert_eq!(view(id).cap.unwrap().headroom(8), 0);
	});
}

#[test]
fn a_first_or_tighter_cap_should_hold_after_one_grace_period() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		events();
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(10, 5)));
		let from = 1 + MIN_GRACE;
		assert_eq!(events(), vec![Event::CapSet { id, cap: cap(10, 5), from }]);
		assert_eq!((view(id).cap, view(id).changes.cap), (None, Some((cap(10, 5), from))));
		run_to(from - 1);
		assert_ok!(settle(PAYEE, vec![item(id, 500)]));
		run_to(from);
		assert_eq!(view(id).cap.unwrap().cap, cap(10, 5).unwrap());
		assert_skipped(PAYEE, item(id, 511), SkipReason::AboveCap);
		assert_ok!(settle(PAYEE, vec![item(id, 510)]));
		assert!(!Waiting::<Test>::contains_key(id));
		// Tighter in either way.
		for tighter in [cap(9, 5), cap(10, 6), cap(100, 6)] {
			assert_ok!(Channels::set_cap(signed(PAYER), id, tighter));
			assert_eq!(view(id).changes.cap, Some((tighter, from + MIN_GRACE)));
			assert_eq!(view(id).cap.unwrap().cap, cap(10, 5).unwrap());
		}
	});
}

#[test]
fn a_looser_cap_or_none_should_hold_at_once_and_replace_what_waits() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 1_000, 1, cap(10, 5));
		assert_ok!(settle(PAYEE, vec![item(id, 10)]));
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(5, 5)));
		assert!(Waiting::<Test>::contains_key(id));
		events();
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(15, 5)));
		assert_eq!(events(), vec![Event::CapSet { id, cap: cap(15, 5), from: 1 }]);
		assert!(!Waiting::<Test>::contains_key(id));
		// What was captured before counts under it.
		assert_skipped(PAYEE, item(id, 16), SkipReason::AboveCap);
		assert_ok!(settle(PAYEE, vec![item(id, 15)]));
		assert_ok!(Channels::set_cap(signed(PAYER), id, None));
		assert_eq!(view(id).cap, None);
		assert_ok!(settle(PAYEE, vec![item(id, 500)]));
	});
}

#[test]
fn a_tighter_cap_should_count_what_was_captured_before() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 1_000, 1, cap(100, 50));
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(40, 50)));
		run_to(MIN_GRACE);
		assert_ok!(settle(PAYEE, vec![item(id, 30)]));
		run_to(MIN_GRACE + 1);
		assert_skipped(PAYEE, item(id, 41), SkipReason::AboveCap);
		assert_ok!(settle(PAYEE, vec![item(id, 40)]));
		// The next change finds the cap that holds, not the one that is stored.
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(50, 50)));
		assert_eq!(view(id).cap.unwrap().cap, cap(50, 50).unwrap());
	});
}

#[test]
fn a_cap_that_has_come_into_force_should_be_what_the_next_one_is_compared_with() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(40, 50)));
		run_to(MIN_GRACE + 1);
		// Looser than the one in force, though nothing was claimed since.
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(50, 50)));
		assert_eq!(view(id).cap.unwrap().cap, cap(50, 50).unwrap());
		assert!(!Waiting::<Test>::contains_key(id));
	});
}

#[test]
fn set_cap_should_fail_when_it_is_out_of_bounds() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		for wrong in [cap(0, 1), cap(1, 0), cap(1, MAX_WINDOW + 1)] {
			let error = DispatchError::from(Error::<Test>::CapOutOfBounds);
			assert_noop!(Channels::set_cap(signed(PAYER), id, wrong), error);
		}
	});
}

#[test]
fn revoke_lane_should_end_a_lane_after_one_grace_period() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 100, 3, None);
		let on = |lane, cumulative| item_of(Voucher { lane, ..voucher(id, cumulative) });
		events();
		assert_ok!(Channels::revoke_lane(signed(PAYER), id, 1));
		let from = 1 + MIN_GRACE;
		assert_eq!(events(), vec![Event::LaneRevoked { id, lane: 1, from }]);
		assert_eq!(view(id).changes.revoked.to_vec(), vec![(1, from)]);
		run_to(from - 1);
		assert_ok!(settle(PAYEE, vec![on(1, 10)]));
		run_to(from);
		assert_skipped(PAYEE, on(1, 20), SkipReason::LaneRevoked);
		assert_ok!(settle(PAYEE, vec![on(0, 5), on(2, 5)]));
		assert_eq!(view(id).lane_settled, vec![5, 10, 5]);
		// For good.
		assert_noop!(Channels::revoke_lane(signed(PAYER), id, 1), Error::<Test>::LaneRevoked);
		assert_noop!(Channels::revoke_lane(signed(PAYER), id, 3), Error::<Test>::UnknownLane);
		assert_ok!(Channels::revoke_lane(signed(PAYER), id, 0));
		assert_ok!(Channels::close(signed(PAYEE), id, Some(on(0, 10))));
		assert_eq!(Waiting::<Test>::iter().count() + Lanes::<Test>::iter().count(), 0);
	});
}

#[test]
fn a_cap_with_a_longer_window_should_count_what_was_captured_while_it_waited() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 1_000, 1, cap(50, 1));
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(50, 7)));
		let from = MIN_GRACE + 1;
		for (block, cumulative) in [(from - 2, 40), (from - 1, 80)] {
			run_to(block);
			assert_ok!(settle_all(PAYEE, vec![item(id, cumulative)]));
		}
		run_to(from);
		assert_eq!(view(id).cap.unwrap().headroom(from), 0);
		assert_skipped(PAYEE, item(id, 81), SkipReason::AboveCap);
		// The first of them is seven blocks old, then both.
		run_to(from + 5);
		assert_skipped(PAYEE, item(id, 91), SkipReason::AboveCap);
		assert_ok!(settle_all(PAYEE, vec![item(id, 90)]));
		run_to(from + 6);
		assert_eq!(view(id).cap.unwrap().headroom(from + 6), 40);
	});
}

#[test]
fn a_cap_with_a_longer_window_should_count_captures_of_many_short_stretches() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 10_000, 1, cap(100, 14));
		assert_ok!(Channels::set_cap(signed(PAYER), id, cap(100, 1_400)));
		for (cumulative, block) in (1..).zip([437, 439, 441, 443, 445, 447, 449, 450]) {
			run_to(block);
			assert_ok!(settle_all(PAYEE, vec![item(id, cumulative)]));
		}
		for block in 600..700 {
			run_to(block);
			let paid = view(id).settled;
			assert_ok!(settle(PAYEE, vec![item(id, paid + 92)]));
		}
		assert_eq!(view(id).settled, 100);
	});
}
