//! Opening and topping up, and who pays for storage.

use super::*;

fn open_with(
	payee: AccountId,
	deposit: Balance,
	grace: u32,
	lanes: u16,
	cap: Option<Cap>,
) -> Result<(), DispatchError> {
	Channels::open(signed(PAYER), payee, USD, deposit, key(), grace, lanes, cap)
}

#[test]
fn open_should_lock_the_deposit_and_announce_the_channel() {
	build_and_execute(|| {
		let id = Channels::channel_id_of(PAYER, PAYEE, USD);
		assert_ok!(open_with(PAYEE, 300, 2 * MIN_GRACE, 1, None));
		assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS - 300, 300));
		let channel = view(id);
		let expected = ChannelView {
			payer: PAYER,
			payee: PAYEE,
			asset: USD,
			key: key(),
			deposit: 300,
			settled: 0,
			lane0: 0,
			lanes: 1,
			grace: 2 * MIN_GRACE,
			ends: None,
			cancellable: false,
			cap: None,
			schedule: SCHEDULE,
			nonce: 0,
			depositor: PAYER,
		};
		assert_eq!(channel, expected);
		let opened = Event::Opened {
			id,
			payer: PAYER,
			payee: PAYEE,
			asset: USD,
			deposit: 300,
			key: key(),
			grace: 2 * MIN_GRACE,
			lanes: 1,
			cap: None,
			nonce: 0,
			schedule: SCHEDULE,
			depositor: PAYER,
		};
		assert_eq!(events(), vec![opened]);
	});
}

#[test]
fn open_should_give_every_channel_of_a_pair_an_id_of_its_own() {
	build_and_execute(|| {
		let first = open(&PAYER, &PAYEE, 10);
		assert_eq!(Channels::next_nonce(PAYER, PAYEE), 1);
		let second = open(&PAYER, &PAYEE, 10);
		// Other payees and payers have nonces of their own.
		let third = open(&PAYER, &PAYEE2, 10);
		let fourth = open(&PAYER2, &PAYEE, 10);
		assert_eq!([second, third, fourth].map(|id| view(id).nonce), [1, 0, 0]);
		assert_ne!(first, second);
		assert_eq!(Channels::next_nonce(PAYEE, PAYER), 0);
	});
}

#[test]
fn open_should_fail_when_the_payee_is_the_payer() {
	build_and_execute(|| {
		assert_noop!(open_with(PAYER, 10, MIN_GRACE, 1, None), Error::<Test>::SelfChannel);
	});
}

#[test]
fn open_should_fail_when_the_payee_is_not_an_active_agent() {
	build_and_execute(|| {
		let inactive = DispatchError::Other("inactive");
		assert_noop!(open_with(STRANGER, 10, MIN_GRACE, 1, None), inactive);
		set_inactive(&PAYEE, true);
		assert_noop!(open_with(PAYEE, 10, MIN_GRACE, 1, None), inactive);
	});
}

#[test]
fn open_should_fail_when_the_deposit_is_zero() {
	build_and_execute(|| {
		assert_noop!(open_with(PAYEE, 0, MIN_GRACE, 1, None), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn open_should_fail_when_grace_is_out_of_bounds() {
	build_and_execute(|| {
		for grace in [0, MIN_GRACE - 1, MAX_GRACE + 1, u32::MAX] {
			assert_noop!(open_with(PAYEE, 10, grace, 1, None), Error::<Test>::GraceOutOfBounds);
		}
		assert_ok!(open_with(PAYEE, 10, MIN_GRACE, 1, None));
		assert_ok!(open_with(PAYEE, 10, MAX_GRACE, 1, None));
	});
}

#[test]
fn open_should_fail_when_lanes_are_not_one() {
	build_and_execute(|| {
		for lanes in [0, 2, u16::MAX] {
			assert_noop!(
				open_with(PAYEE, 10, MIN_GRACE, lanes, None),
				Error::<Test>::LanesUnsupported
			);
		}
	});
}

#[test]
fn open_should_fail_when_a_cap_is_given() {
	build_and_execute(|| {
		let cap = Cap { per_window: 1, window: 1 };
		assert_noop!(open_with(PAYEE, 10, MIN_GRACE, 1, Some(cap)), Error::<Test>::CapUnsupported);
	});
}

#[test]
fn open_should_fail_when_the_payer_lacks_credits() {
	build_and_execute(|| {
		let missing = DispatchError::Other("credits");
		assert_noop!(open_with(PAYEE, CREDITS + 1, MIN_GRACE, 1, None), missing);
		assert_ok!(open_with(PAYEE, CREDITS, MIN_GRACE, 1, None));
	});
}

#[test]
fn open_should_fail_when_the_guard_refuses() {
	build_and_execute(|| {
		let guarded = DispatchError::Other("guarded");
		assert_noop!(open_with(PAYEE, GUARDED, MIN_GRACE, 1, None), guarded);
	});
}

#[test]
fn open_should_fail_when_the_origin_is_not_signed() {
	build_and_execute(|| {
		assert_noop!(
			Channels::open(RuntimeOrigin::none(), PAYEE, USD, 1, key(), MIN_GRACE, 1, None),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn open_should_take_both_storage_deposits_from_a_payer_that_is_no_agent() {
	build_and_execute(|| {
		let first = open(&PAYER, &PAYEE, 10);
		open(&PAYER, &PAYEE, 10);
		assert_eq!(held(&PAYER, HoldReason::Channel), 2 * CHANNEL_PRICE);
		assert_eq!(held(&PAYER, HoldReason::Nonce), NONCE_PRICE);
		assert_ok!(Channels::close(signed(PAYEE), first, None));
		assert_eq!(held(&PAYER, HoldReason::Channel), CHANNEL_PRICE);
		// The row stays, and so does its deposit.
		assert_eq!(held(&PAYER, HoldReason::Nonce), NONCE_PRICE);
	});
}

#[test]
fn open_should_fail_when_a_payer_that_is_no_agent_lacks_native_tokens() {
	build_and_execute(|| {
		assert_ok!(Balances::transfer_allow_death(signed(PAYER), STRANGER, NATIVE));
		assert_noop!(open_with(PAYEE, 10, MIN_GRACE, 1, None), Error::<Test>::PayerCannotPay);
		assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS, 0));
	});
}

#[test]
fn open_should_take_the_storage_deposit_from_the_operator_of_an_active_agent() {
	build_and_execute(|| {
		let id = open(&AGENT, &PAYEE, 10);
		assert_eq!(view(id).depositor, OPERATOR);
		assert_eq!(held(&OPERATOR, HoldReason::Channel), CHANNEL_PRICE);
		assert_eq!(held(&OPERATOR, HoldReason::Nonce), NONCE_PRICE);
		assert_eq!(Sponsorships::<Test>::get(OPERATOR, AGENT), Sponsored { channels: 1, pairs: 1 });
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_eq!(held(&OPERATOR, HoldReason::Channel), 0);
		assert_eq!(held(&OPERATOR, HoldReason::Nonce), NONCE_PRICE);
		assert_eq!(Sponsorships::<Test>::get(OPERATOR, AGENT), Sponsored { channels: 0, pairs: 1 });
	});
}

#[test]
fn open_should_fail_when_the_agent_has_reached_its_sponsored_channels_and_owns_nothing() {
	build_and_execute(|| {
		let ids: Vec<_> = (0..3).map(|_| open(&AGENT, &PAYEE, 10)).collect();
		let again = || Channels::open(signed(AGENT), PAYEE, USD, 10, key(), MIN_GRACE, 1, None);
		assert_noop!(again(), Error::<Test>::SponsorLimitReached);
		// One that ends makes room for another.
		assert_ok!(Channels::close(signed(PAYEE), ids[0], None));
		assert_ok!(again());
		// Beyond the limit the agent pays itself, if it can.
		assert_ok!(Balances::transfer_allow_death(signed(PAYER), AGENT, 1_000));
		let own = open(&AGENT, &PAYEE, 10);
		assert_eq!(view(own).depositor, AGENT);
		assert_eq!(held(&AGENT, HoldReason::Channel), CHANNEL_PRICE);
		assert_eq!(held(&OPERATOR, HoldReason::Channel), 3 * CHANNEL_PRICE);
	});
}

#[test]
fn open_should_fail_when_the_agent_has_reached_its_sponsored_pairs_and_owns_nothing() {
	build_and_execute(|| {
		// Payees that were ever paid count, not channels that are open.
		for payee in [PAYEE, PAYEE2] {
			let id = open(&AGENT, &payee, 10);
			assert_ok!(Channels::close(signed(payee), id, None));
		}
		mock_third_payee();
		assert_noop!(
			Channels::open(signed(AGENT), PAYER2, USD, 10, key(), MIN_GRACE, 1, None),
			Error::<Test>::SponsorLimitReached
		);
		open(&AGENT, &PAYEE, 10);
	});
}

/// `PAYER2` is an active agent too, for the rest of this thread's test.
fn mock_third_payee() {
	stoa_primitives::mock::MockRegistry::mock_ensure_active(|_| Ok(()));
}

#[test]
fn open_should_fail_when_the_operator_lacks_native_tokens() {
	build_and_execute(|| {
		assert_ok!(Balances::transfer_allow_death(signed(OPERATOR), PAYER, NATIVE - 20));
		assert_noop!(
			Channels::open(signed(AGENT), PAYEE, USD, 10, key(), MIN_GRACE, 1, None),
			Error::<Test>::SponsorCannotPay
		);
		// The agent may do so itself.
		assert_ok!(Balances::transfer_allow_death(signed(PAYER), AGENT, 1_000));
		let id = open(&AGENT, &PAYEE, 10);
		assert_eq!((view(id).depositor, held(&OPERATOR, HoldReason::Channel)), (AGENT, 0));
	});
}

#[test]
fn open_should_not_be_sponsored_when_the_agent_is_not_active() {
	build_and_execute(|| {
		set_inactive(&AGENT, true);
		assert_noop!(
			Channels::open(signed(AGENT), PAYEE, USD, 10, key(), MIN_GRACE, 1, None),
			Error::<Test>::PayerCannotPay
		);
		assert_ok!(Balances::transfer_allow_death(signed(PAYER), AGENT, 1_000));
		let id = open(&AGENT, &PAYEE, 10);
		assert_eq!(view(id).depositor, AGENT);
		assert_eq!(held(&OPERATOR, HoldReason::Channel), 0);
	});
}

#[test]
fn storage_deposits_should_go_back_to_who_paid_them_when_the_operator_has_changed() {
	build_and_execute(|| {
		let old = open(&AGENT, &PAYEE, 10);
		stoa_primitives::mock::MockRegistry::mock_operator_of(|_| Some(PAYER2));
		let new = open(&AGENT, &PAYEE, 10);
		assert_eq!([old, new].map(|id| view(id).depositor), [OPERATOR, PAYER2]);
		assert_eq!(Sponsorships::<Test>::get(OPERATOR, AGENT), Sponsored { channels: 1, pairs: 1 });
		assert_eq!(Sponsorships::<Test>::get(PAYER2, AGENT), Sponsored { channels: 1, pairs: 0 });
		for id in [old, new] {
			assert_ok!(Channels::close(signed(PAYEE), id, None));
		}
		assert_eq!([OPERATOR, PAYER2].map(|who| held(&who, HoldReason::Channel)), [0, 0]);
		// A counter that counts nothing is gone, one that counts a nonce row stays.
		assert_eq!(Sponsorships::<Test>::iter().count(), 1);
	});
}

#[test]
fn storage_deposits_should_cover_all_that_is_stored() {
	use codec::Encode;
	build_and_execute(|| {
		let id = open(&AGENT, &PAYEE, 10);
		let counter = Sponsorships::<Test>::get(OPERATOR, AGENT);
		let channel = crate::Channels::<Test>::get(id).unwrap();
		let stored = 32 + channel.encoded_size() + 96 + counter.encoded_size();
		assert!(Channels::channel_footprint().size >= stored as u64);
		let row = Nonces::<Test>::get(AGENT, PAYEE).unwrap();
		let nonce = 96 + row.encoded_size() + 96 + counter.encoded_size();
		assert!(Channels::nonce_footprint().size >= nonce as u64);
	});
}

#[test]
fn top_up_should_raise_the_deposit_and_nothing_else() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 10);
		let mut before = view(id);
		events();
		assert_ok!(Channels::top_up(signed(PAYER), id, 5));
		before.deposit = 15;
		assert_eq!(view(id), before);
		assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS - 15, 15));
		assert_eq!(events(), vec![Event::ToppedUp { id, by: PAYER, amount: 5, deposit: 15 }]);
		// What was not enough before is now.
		assert_ok!(settle(PAYEE, vec![item(id, 15)]));
		assert_eq!(view(id).settled, 15);
	});
}

#[test]
fn top_up_should_come_from_the_operator_and_be_refunded_to_the_payer() {
	build_and_execute(|| {
		let id = open(&AGENT, &PAYEE, 10);
		assert_ok!(Channels::top_up(signed(OPERATOR), id, 5));
		assert_eq!(free(&OPERATOR, &USD), CREDITS - 5);
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_eq!(free(&AGENT, &USD), CREDITS + 5);
	});
}

#[test]
fn top_up_should_be_asked_as_a_withdrawal_when_the_operator_pays() {
	build_and_execute(|| {
		let id = open(&AGENT, &PAYEE, 10);
		stoa_primitives::mock::MockSpendGuard::mock_ensure_may_withdraw(|who, to, _, amount| {
			assert_eq!((who, to, amount), (&OPERATOR, &AGENT, 5));
			Err(DispatchError::Other("kept in"))
		});
		let refused = DispatchError::Other("kept in");
		assert_noop!(Channels::top_up(signed(OPERATOR), id, 5), refused);
		assert_ok!(Channels::top_up(signed(AGENT), id, 5));
	});
}

#[test]
fn top_up_should_fail_when_the_caller_is_neither_payer_nor_its_operator() {
	build_and_execute(|| {
		for (payer, by) in
			[(PAYER, OPERATOR), (PAYER, PAYEE), (AGENT, PAYER), (AGENT, PAYEE), (AGENT, STRANGER)]
		{
			let id = open(&payer, &PAYEE, 10);
			assert_noop!(Channels::top_up(signed(by), id, 5), Error::<Test>::NotPayer);
			assert_ok!(Channels::close(signed(PAYEE), id, None));
		}
	});
}

#[test]
fn top_up_should_fail_when_the_guard_refuses() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 10);
		let guarded = DispatchError::Other("guarded");
		assert_noop!(Channels::top_up(signed(PAYER), id, GUARDED), guarded);
	});
}

#[test]
fn top_up_should_fail_when_the_channel_is_unknown() {
	build_and_execute(|| {
		assert_noop!(Channels::top_up(signed(PAYER), NOWHERE, 5), Error::<Test>::UnknownChannel);
	});
}

#[test]
fn top_up_should_fail_when_the_amount_is_zero() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 10);
		assert_noop!(Channels::top_up(signed(PAYER), id, 0), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn top_up_should_fail_when_the_caller_lacks_credits() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 10);
		let missing = DispatchError::Other("credits");
		assert_noop!(Channels::top_up(signed(PAYER), id, CREDITS), missing);
	});
}

#[test]
fn top_up_should_fail_when_the_deposit_overflows() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 10);
		assert_noop!(Channels::top_up(signed(PAYER), id, Balance::MAX), ArithmeticError::Overflow);
	});
}

#[test]
fn top_up_should_fail_when_the_grace_period_is_over() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 10);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(MIN_GRACE);
		assert_ok!(Channels::top_up(signed(PAYER), id, 5));
		run_to(1 + MIN_GRACE);
		assert_noop!(Channels::top_up(signed(PAYER), id, 5), Error::<Test>::GraceOver);
	});
}

#[test]
fn open_should_fail_when_the_nonces_of_a_pair_are_used_up() {
	build_and_execute(|| {
		open(&PAYER, &PAYEE, 10);
		Nonces::<Test>::mutate(PAYER, PAYEE, |row| row.as_mut().unwrap().next = u64::MAX);
		assert_noop!(open_with(PAYEE, 10, MIN_GRACE, 1, None), ArithmeticError::Overflow);
	});
}
