//! The ways in which a channel ends.

use super::*;

#[test]
fn request_close_should_start_the_grace_period() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		run_to(7);
		let open = Deadlines { closing: false, refundable_from: 7 + MIN_GRACE };
		assert_eq!(Channels::deadlines(id), Some(open));
		events();
		assert_ok!(Channels::request_close(signed(PAYER), id));
		let ends = 7 + MIN_GRACE;
		assert_eq!(events(), vec![Event::CloseRequested { id, by: PAYER, ends }]);
		assert_eq!(view(id).ends, Some(ends));
		run_to(9);
		let closing = Deadlines { closing: true, refundable_from: ends };
		assert_eq!(Channels::deadlines(id), Some(closing));
	});
}

#[test]
fn request_close_should_be_open_to_the_operator_that_put_up_the_storage_deposit() {
	build_and_execute(|| {
		let id = open(&AGENT, &PAYEE, 100);
		let own = open(&PAYER, &PAYEE, 100);
		assert_noop!(Channels::request_close(signed(OPERATOR), own), Error::<Test>::NotPayer);
		assert_ok!(Channels::request_close(signed(OPERATOR), id));
		// The credits are the agent's, and so is the choice to go on.
		assert_noop!(Channels::cancel_close(signed(OPERATOR), id), Error::<Test>::NotPayer);
		run_to(1 + MIN_GRACE);
		assert_ok!(finalize(vec![id]));
		assert_eq!(free(&AGENT, &USD), CREDITS);
		assert_eq!(held(&OPERATOR, HoldReason::Channel), 0);
	});
}

#[test]
fn request_close_should_fail_when_the_caller_is_not_the_payer() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		for by in [PAYEE, STRANGER, OPERATOR] {
			assert_noop!(Channels::request_close(signed(by), id), Error::<Test>::NotPayer);
		}
	});
}

#[test]
fn request_close_should_fail_when_the_channel_is_unknown() {
	build_and_execute(|| {
		assert_noop!(
			Channels::request_close(signed(PAYER), NOWHERE),
			Error::<Test>::UnknownChannel
		);
	});
}

#[test]
fn request_close_should_fail_when_it_was_requested_before() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(9);
		assert_noop!(Channels::request_close(signed(PAYER), id), Error::<Test>::AlreadyClosing);
	});
}

#[test]
fn request_close_should_fail_when_block_numbers_are_used_up() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		run_to(u32::MAX - 1);
		assert_noop!(Channels::request_close(signed(PAYER), id), ArithmeticError::Overflow);
	});
}

#[test]
fn cancel_close_should_open_the_channel_again() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let before = view(id);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(MIN_GRACE);
		events();
		assert_ok!(Channels::cancel_close(signed(PAYER), id));
		assert_eq!(events(), vec![Event::CloseCancelled { id }]);
		assert_eq!(view(id), before);
		// The next request gives a whole grace period again.
		assert_ok!(Channels::request_close(signed(PAYER), id));
		assert_eq!(view(id).ends, Some(2 * MIN_GRACE));
	});
}

#[test]
fn cancel_close_should_fail_when_the_sponsor_has_requested_the_close() {
	build_and_execute(|| {
		let cancel = |id| Channels::cancel_close(signed(AGENT), id);
		let first = open(&AGENT, &PAYEE, 10);
		assert_ok!(Channels::request_close(signed(OPERATOR), first));
		assert_noop!(cancel(first), Error::<Test>::ClosedBySponsor);

		// The agent was there before it; the sponsor neither shortens nor extends the grace period.
		let second = open(&AGENT, &PAYEE, 10);
		assert_ok!(Channels::request_close(signed(AGENT), second));
		let ends = view(second).ends;
		run_to(5);
		assert_ok!(Channels::request_close(signed(OPERATOR), second));
		assert_eq!(view(second).ends, ends);
		assert_noop!(cancel(second), Error::<Test>::ClosedBySponsor);
		for by in [OPERATOR, AGENT] {
			let again = Channels::request_close(signed(by), second);
			assert_noop!(again, Error::<Test>::AlreadyClosing);
		}
		run_to(ends.unwrap());
		assert_ok!(finalize(vec![second]));
	});
}

#[test]
fn cancel_close_should_fail_when_the_caller_is_not_the_payer() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		for by in [PAYEE, STRANGER] {
			assert_noop!(Channels::cancel_close(signed(by), id), Error::<Test>::NotPayer);
		}
	});
}

#[test]
fn cancel_close_should_fail_when_the_channel_is_unknown() {
	build_and_execute(|| {
		assert_noop!(Channels::cancel_close(signed(PAYER), NOWHERE), Error::<Test>::UnknownChannel);
	});
}

#[test]
fn cancel_close_should_fail_when_nothing_was_requested() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_noop!(Channels::cancel_close(signed(PAYER), id), Error::<Test>::NotClosing);
	});
}

#[test]
fn cancel_close_should_fail_when_the_grace_period_is_over() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(1 + MIN_GRACE);
		assert_noop!(Channels::cancel_close(signed(PAYER), id), Error::<Test>::GraceOver);
	});
}

#[test]
fn close_should_pay_the_last_item_and_refund_the_rest() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(settle(PAYEE, vec![item(id, 20)]));
		events();
		assert_ok!(Channels::close(signed(PAYEE), id, Some(item(id, 60))));
		let reason = CloseReason::ByPayee;
		assert_eq!(
			events(),
			vec![
				Event::Claimed { id, lane: 0, amount: 40, settled: 60 },
				Event::Closed { id, paid: 60, refunded: 40, reason },
			]
		);
		assert_eq!((free(&PAYEE, &USD), free(&PAYER, &USD)), (51, CREDITS - 60));
		assert_eq!((locked(&USD), Channels::channel(id)), (0, None));
		assert_eq!(refunded(&PAYER, &PAYEE, &USD), 40);
		assert_eq!(held(&PAYER, HoldReason::Channel), 0);
	});
}

#[test]
fn close_should_refund_everything_when_nothing_was_claimed() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_eq!(free(&PAYER, &USD), CREDITS);
	});
}

#[test]
fn close_should_refund_nothing_when_everything_was_claimed() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::close(signed(PAYEE), id, Some(item(id, 100))));
		assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS - 100, 0));
		// Nobody is told of a refund of nothing.
		assert_eq!(refunded(&PAYER, &PAYEE, &USD), 0);
	});
}

#[test]
fn close_should_work_while_the_grace_period_runs_and_after() {
	build_and_execute(|| {
		let a = open(&PAYER, &PAYEE, 100);
		let b = open(&PAYER2, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), a));
		assert_ok!(Channels::request_close(signed(PAYER2), b));
		run_to(MIN_GRACE);
		assert_ok!(Channels::close(signed(PAYEE), a, Some(item(a, 20))));
		run_to(1 + MIN_GRACE);
		let last = Some(item(b, 20));
		assert_noop!(close_with(PAYEE, b, last), Error::<Test>::GraceOver);
		assert_ok!(Channels::close(signed(PAYEE), b, None));
		assert_eq!((free(&PAYER, &USD), free(&PAYER2, &USD)), (CREDITS - 20, CREDITS));
	});
}

#[test]
fn close_should_fail_when_the_channel_is_unknown() {
	build_and_execute(|| {
		assert_noop!(close_with(PAYEE, NOWHERE, None), Error::<Test>::UnknownChannel);
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_noop!(close_with(PAYEE, id, None), Error::<Test>::UnknownChannel);
	});
}

#[test]
fn close_should_fail_when_the_caller_is_not_the_payee() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		// In the grace period strangers may settle, but not close.
		for by in [PAYER, STRANGER, PAYEE2] {
			for last in [None, Some(item(id, 10))] {
				assert_noop!(
					Channels::close(signed(by.clone()), id, last),
					Error::<Test>::NotPayee
				);
			}
		}
	});
}

#[test]
fn close_should_fail_when_the_item_is_of_another_channel() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let other = open(&PAYER2, &PAYEE, 100);
		assert_noop!(
			close_with(PAYEE, id, Some(item(other, 10))),
			Error::<Test>::ItemOfAnotherChannel
		);
	});
}

#[test]
fn close_should_fail_and_change_nothing_when_the_item_is_bad() {
	build_and_execute(|| {
		run_to(5);
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(settle(PAYEE, vec![item(id, 20)]));
		let good = voucher(id, 40);
		let rows = [
			(item_of(Voucher { lane: 1, ..good }), Error::<Test>::UnknownLane.into()),
			(item_of(Voucher { valid_until: 4, ..good }), Error::<Test>::Expired.into()),
			(item(id, 20), Error::<Test>::Stale.into()),
			(
				Item { capture: Some(41), ..item_of(good) },
				Error::<Test>::CaptureAboveVoucher.into(),
			),
			(item(id, 101), Error::<Test>::AboveDeposit.into()),
			(item_with(good, KeySignature::Ed25519([0; 64])), Error::<Test>::BadSignature.into()),
			(item(id, 20 + REFUSED_GROSS), REFUSED),
		];
		for (item, error) in rows {
			assert_noop!(close_with(PAYEE, id, Some(item)), error);
		}
		assert_ok!(Channels::close(signed(PAYEE), id, Some(item_of(good))));
	});
}

#[test]
fn finalize_should_refund_what_was_not_settled() {
	build_and_execute(|| {
		let a = open(&PAYER, &PAYEE, 100);
		let b = open(&PAYER2, &PAYEE2, 100);
		assert_ok!(settle(PAYEE, vec![item(a, 40)]));
		for (id, payer) in [(a, PAYER), (b, PAYER2)] {
			assert_ok!(Channels::request_close(signed(payer), id));
		}
		run_to(1 + MIN_GRACE);
		events();
		assert_ok!(finalize(vec![a, b]));
		let reason = CloseReason::GraceOver;
		assert_eq!(
			events(),
			vec![
				Event::Closed { id: a, paid: 40, refunded: 60, reason },
				Event::Closed { id: b, paid: 0, refunded: 100, reason },
			]
		);
		assert_eq!((free(&PAYER, &USD), free(&PAYER2, &USD)), (CREDITS - 40, CREDITS));
		assert_eq!(refunded(&PAYER, &PAYEE, &USD), 60);
		assert_eq!((locked(&USD), held(&PAYER, HoldReason::Channel)), (0, 0));
	});
}

#[test]
fn finalize_should_skip_what_is_not_due() {
	build_and_execute(|| {
		let due = open(&PAYER, &PAYEE, 100);
		let running = open(&PAYER, &PAYEE, 100);
		let open = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), due));
		run_to(2);
		assert_ok!(Channels::request_close(signed(PAYER), running));
		run_to(1 + MIN_GRACE);
		events();
		let post = finalize(vec![NOWHERE, open, running, due, due]).unwrap();
		let skipped = |id, error: Error<Test>| Event::FinalizeSkipped { id, error: error.into() };
		assert_eq!(
			events(),
			vec![
				skipped(NOWHERE, Error::UnknownChannel),
				skipped(open, Error::NotClosing),
				skipped(running, Error::GraceRunning),
				Event::Closed { id: due, paid: 0, refunded: 100, reason: CloseReason::GraceOver },
				skipped(due, Error::UnknownChannel),
			]
		);
		let weight = crate::work::finalize_weight::<Test>(1, 4);
		assert_eq!(post.actual_weight, Some(weight));
		assert!(weight.ref_time() < crate::work::finalize_weight::<Test>(5, 0).ref_time());
	});
}

#[test]
fn finalize_should_fail_when_no_id_is_given() {
	build_and_execute(|| {
		assert_noop!(finalize(vec![]).map_err(|e| e.error), Error::<Test>::EmptyBatch);
	});
}

#[test]
fn finalize_should_fail_for_its_cause_when_one_id_is_given() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let one = |id| finalize(vec![id]).map_err(|e| e.error);
		assert_noop!(one(NOWHERE), Error::<Test>::UnknownChannel);
		assert_noop!(one(id), Error::<Test>::NotClosing);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(MIN_GRACE);
		assert_noop!(one(id), Error::<Test>::GraceRunning);
		run_to(1 + MIN_GRACE);
		assert_ok!(one(id));
		assert_noop!(one(id), Error::<Test>::UnknownChannel);
	});
}

#[test]
fn finalize_should_fail_when_none_of_several_is_due() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_noop!(
			finalize(vec![id, NOWHERE]).map_err(|e| e.error),
			Error::<Test>::NothingToFinalize
		);
	});
}

#[test]
fn finalize_should_fail_when_the_origin_is_not_signed() {
	build_and_execute(|| {
		let ids = BoundedVec::truncate_from(vec![NOWHERE]);
		assert_noop!(
			Channels::finalize(RuntimeOrigin::none(), ids).map_err(|e| e.error),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn finalize_should_not_let_one_channel_block_another() {
	build_and_execute(|| {
		let a = open(&PAYER, &PAYEE, 100);
		let b = open(&PAYER2, &PAYEE, 50);
		for (id, payer) in [(a, PAYER), (b, PAYER2)] {
			assert_ok!(Channels::request_close(signed(payer), id));
		}
		run_to(1 + MIN_GRACE);
		// The ledger refuses one of them.
		stoa_primitives::mock::MockLedger::mock_unlock(|who, asset, amount, _| {
			if *who == PAYER {
				return Err(DispatchError::Corruption);
			}
			give_back(who, asset, amount)
		});
		events();
		assert_ok!(finalize(vec![a, b]));
		let error = DispatchError::Corruption;
		assert_eq!(events()[0], Event::FinalizeSkipped { id: a, error });
		assert_eq!((view(a).deposit, Channels::channel(b)), (100, None));
	});
}

#[test]
fn views_should_say_nothing_of_an_unknown_channel() {
	build_and_execute(|| {
		assert_eq!((Channels::channel(NOWHERE), Channels::deadlines(NOWHERE)), (None, None));
	});
}

#[test]
fn locker_should_report_what_channels_hold() {
	use stoa_primitives::{money::LockReason, traits::Locker};
	build_and_execute(|| {
		assert_eq!(<Channels as Locker>::REASON, LockReason::Channel);
		assert_eq!(<Channels as Locker>::locked_totals(), vec![]);
		let id = open(&PAYER, &PAYEE, 100);
		open(&PAYER2, &PAYEE, 50);
		assert_ok!(Channels::open(signed(PAYER), PAYEE, STOA, 7, key(), MIN_GRACE, 1, None));
		assert_ok!(settle(PAYEE, vec![item(id, 30)]));
		assert_eq!(<Channels as Locker>::locked_totals(), vec![(STOA, 7), (USD, 120)]);
	});
}

/// A payee whose key is known here.
fn consenting_payee() -> (sr25519::Pair, AccountId) {
	let pair = sr25519::Pair::from_seed(&[8; 32]);
	let who = AccountId::new(pair.public().0);
	lend(&who);
	stoa_primitives::mock::MockRegistry::mock_ensure_active(|_| Ok(()));
	(pair, who)
}

fn consent(
	pair: &sr25519::Pair,
	channel: ChannelId,
	total: Balance,
	expires: u32,
) -> AgentSignature {
	let message = CloseConsent { channel, total, expires }.to_bytes(&domain());
	AgentSignature::Account(pair.sign(&message).into())
}

#[test]
fn close_with_consent_should_pay_the_rest_and_refund_at_once() {
	build_and_execute(|| {
		let (pair, payee) = consenting_payee();
		// The velocity cap does not bind what the payer itself asks for.
		let cap = Some(Cap { per_window: 5, window: 100 });
		let id = open_with(&PAYER, &payee, 100, 1, cap);
		assert_ok!(settle(payee.clone(), vec![item(id, 5)]));
		events();
		let signature = consent(&pair, id, 40, 1);
		assert_ok!(Channels::close_with_consent(signed(PAYER), id, 40, 1, signature.clone()));
		assert_eq!(free(&payee, &USD), CREDITS + 34);
		assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS - 40, 0));
		let reason = CloseReason::ByConsent;
		assert_eq!(events(), vec![Event::Closed { id, paid: 40, refunded: 60, reason }]);
		let again = Channels::close_with_consent(signed(PAYER), id, 40, 1, signature);
		assert_noop!(again, Error::<Test>::UnknownChannel);
	});
}

#[test]
fn close_with_consent_should_do_for_what_was_settled_and_for_everything() {
	build_and_execute(|| {
		let (pair, payee) = consenting_payee();
		for (total, phase) in [(5, false), (100, false), (5, true)] {
			let id = open(&PAYER, &payee, 100);
			assert_ok!(settle(payee.clone(), vec![item(id, 5)]));
			if phase {
				assert_ok!(Channels::request_close(signed(PAYER), id));
			}
			let signature = consent(&pair, id, total, 1);
			assert_ok!(Channels::close_with_consent(signed(PAYER), id, total, 1, signature));
		}
		assert_eq!(free(&PAYER, &USD), CREDITS - 110);
		assert_eq!(Due::<Test>::iter().count(), 0);
	});
}

#[test]
fn close_with_consent_should_fail_when_anything_is_wrong() {
	build_and_execute(|| {
		let (pair, payee) = consenting_payee();
		let id = open(&PAYER, &payee, 100);
		let other = open(&PAYER, &payee, 100);
		assert_ok!(settle(payee.clone(), vec![item(id, 50)]));
		let close = |by, total, expires, signature| {
			Channels::close_with_consent(signed(by), id, total, expires, signature)
		};
		run_to(5);
		let good = consent(&pair, id, 60, 5);
		assert_noop!(close(payee, 60, 5, good.clone()), Error::<Test>::NotPayer);
		let old = consent(&pair, id, 60, 4);
		assert_noop!(close(PAYER, 60, 4, old), Error::<Test>::ConsentExpired);
		let low = consent(&pair, id, 49, 5);
		assert_noop!(close(PAYER, 49, 5, low), Error::<Test>::BelowSettled);
		let high = consent(&pair, id, 101, 5);
		assert_noop!(close(PAYER, 101, 5, high), Error::<Test>::AboveDeposit);
		// Another amount, another end, another channel, another signer.
		for (total, expires, signature) in [
			(59, 5, good.clone()),
			(60, 6, good.clone()),
			(60, 5, consent(&pair, other, 60, 5)),
			(60, 5, consent(&sr25519::Pair::from_seed(&[1; 32]), id, 60, 5)),
		] {
			assert_noop!(close(PAYER, total, expires, signature), DispatchError::BadOrigin);
		}
		let refused = consent(&pair, id, 50 + REFUSED_GROSS, 5);
		assert_noop!(close(PAYER, 50 + REFUSED_GROSS, 5, refused), REFUSED);
		assert_ok!(close(PAYER, 60, 5, good));
	});
}

#[test]
fn on_idle_should_end_due_channels_as_far_as_the_weight_goes() {
	use crate::weights::WeightInfo;
	use frame_support::{traits::Hooks, weights::Weight};
	build_and_execute(|| {
		let idle = |limit: Weight| <Channels as Hooks<u32>>::on_idle(System::block_number(), limit);
		let plenty = Weight::from_parts(u64::MAX, u64::MAX);
		let ids: Vec<_> = (0..5).map(|_| open(&PAYER, &PAYEE, 10)).collect();
		for (block, id) in [(1, ids[0]), (1, ids[1]), (2, ids[2]), (4, ids[3])] {
			run_to(block);
			assert_ok!(Channels::request_close(signed(PAYER), id));
		}
		assert_ok!(Channels::cancel_close(signed(PAYER), ids[2]));
		assert_ok!(Channels::request_close(signed(PAYER), ids[2]));
		run_to(MIN_GRACE);
		idle(plenty);
		assert_eq!(crate::Channels::<Test>::iter().count(), 5);
		run_to(MIN_GRACE + 1);
		// Nothing without weight, one with that of one.
		assert_eq!(idle(Weight::zero()), Weight::zero());
		let one = <()>::on_idle(1) + (<()>::on_idle_blocks(1) - <()>::on_idle_blocks(0));
		assert_eq!(idle(one), one);
		assert_eq!(crate::Channels::<Test>::iter().count(), 4);
		idle(plenty);
		assert_eq!(crate::Channels::<Test>::iter().count(), 3);
		// Those that someone has finalized are no matter; the others have their turn in their block.
		run_to(MIN_GRACE + 10);
		assert_ok!(finalize(vec![ids[2]]));
		events();
		idle(plenty);
		let (refunded, reason) = (10, CloseReason::GraceOver);
		assert_eq!(events(), vec![Event::Closed { id: ids[3], paid: 0, refunded, reason }]);
		assert_eq!(crate::Channels::<Test>::iter().count(), 1);
		assert_eq!(NextDue::<Test>::get(), MIN_GRACE + 11);
	});
}

#[test]
fn on_idle_should_not_stop_at_a_channel_that_cannot_end() {
	use frame_support::{traits::Hooks, weights::Weight};
	build_and_execute(|| {
		let ids = [(PAYER, 10), (AGENT, 20), (PAYER, 10)].map(|(payer, amount)| {
			let id = open(&payer, &PAYEE, amount);
			assert_ok!(Channels::request_close(signed(payer), id));
			id
		});
		stoa_primitives::mock::MockLedger::mock_unlock(|who, asset, amount, _| {
			if amount == 20 {
				return Err(DispatchError::Corruption);
			}
			give_back(who, asset, amount)
		});
		let ends = MIN_GRACE + 1;
		run_to(ends);
		events();
		let plenty = Weight::from_parts(u64::MAX, u64::MAX);
		<Channels as Hooks<u32>>::on_idle(ends, plenty);
		let seen = events();
		assert_eq!(seen.len(), 3);
		let (id, error) = (ids[1], DispatchError::Corruption);
		assert!(seen.contains(&Event::FinalizeSkipped { id, error }));
		assert_eq!(crate::Channels::<Test>::iter_keys().collect::<Vec<_>>(), vec![id]);
		assert_ok!(Channels::do_try_state());
		// No block tries again, and the sponsor's request brings it back to none that is over.
		run_to(ends + 1);
		<Channels as Hooks<u32>>::on_idle(ends + 1, plenty);
		assert_eq!(events(), vec![]);
		assert_ok!(Channels::request_close(signed(OPERATOR), id));
		assert_ok!(Channels::do_try_state());
		assert_eq!(Due::<Test>::iter().count(), 0);
		assert_noop!(finalize(vec![id]).map_err(|e| e.error), error);
		// Anybody can, once nothing stands in the way.
		stoa_primitives::mock::MockLedger::mock_unlock(|who, asset, amount, _| {
			give_back(who, asset, amount)
		});
		assert_ok!(finalize(vec![id]));
		assert_eq!((free(&AGENT, &USD), crate::Channels::<Test>::iter().count()), (CREDITS, 0));
	});
}

#[test]
fn on_idle_should_end_a_bounded_number_of_channels_in_one_block() {
	use frame_support::{traits::Hooks, weights::Weight};
	build_and_execute(|| {
		let due = MAX_FINALIZE as usize * 5 / 2;
		assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), PAYER, 1_000_000));
		for n in 0..due {
			// Two of them a block later than the rest.
			run_to(1 + u32::from(n + 2 >= due));
			let id = open(&PAYER, &PAYEE, 1);
			assert_ok!(Channels::request_close(signed(PAYER), id));
		}
		let left = || crate::Channels::<Test>::iter_keys().count();
		let idle = |block| {
			run_to(block);
			let limit = Weight::from_parts(u64::MAX, u64::MAX);
			<Channels as Hooks<u32>>::on_idle(block, limit)
		};
		for (block, expected) in (MIN_GRACE + 1..).zip([96, 32, 0, 0]) {
			idle(block);
			assert_eq!(left(), expected, "in block {block}");
			assert_ok!(Channels::do_try_state());
		}
		assert_eq!(NextDue::<Test>::get(), MIN_GRACE + 5);
		assert_eq!(free(&PAYER, &USD), CREDITS);
	});
}
