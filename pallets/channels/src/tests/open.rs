//! Opening and topping up, and who pays for storage.

use super::*;

fn try_open(
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
		assert_ok!(try_open(PAYEE, 300, 2 * MIN_GRACE, 1, None));
		assert_eq!((free(&PAYER, &USD), locked(&USD)), (CREDITS - 300, 300));
		let channel = view(id);
		let expected = ChannelView {
			payer: PAYER,
			payee: PAYEE,
			asset: USD,
			key: key(),
			deposit: 300,
			settled: 0,
			lane_settled: vec![0],
			grace: 2 * MIN_GRACE,
			ends: None,
			cancellable: false,
			cap: None,
			changes: Changes::default(),
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
		assert_noop!(try_open(PAYER, 10, MIN_GRACE, 1, None), Error::<Test>::SelfChannel);
	});
}

#[test]
fn open_should_fail_when_the_payee_is_not_an_active_agent() {
	build_and_execute(|| {
		let inactive = DispatchError::Other("inactive");
		assert_noop!(try_open(STRANGER, 10, MIN_GRACE, 1, None), inactive);
		set_inactive(&PAYEE, true);
		assert_noop!(try_open(PAYEE, 10, MIN_GRACE, 1, None), inactive);
	});
}

#[test]
fn open_should_fail_when_the_deposit_is_zero() {
	build_and_execute(|| {
		assert_noop!(try_open(PAYEE, 0, MIN_GRACE, 1, None), Error::<Test>::ZeroAmount);
	});
}

#[test]
fn open_should_fail_when_grace_is_out_of_bounds() {
	build_and_execute(|| {
		for grace in [0, MIN_GRACE - 1, MAX_GRACE + 1, u32::MAX] {
			assert_noop!(try_open(PAYEE, 10, grace, 1, None), Error::<Test>::GraceOutOfBounds);
		}
		assert_ok!(try_open(PAYEE, 10, MIN_GRACE, 1, None));
		assert_ok!(try_open(PAYEE, 10, MAX_GRACE, 1, None));
	});
}

#[test]
fn open_should_fail_when_lanes_are_out_of_bounds() {
	build_and_execute(|| {
		for lanes in [0, MAX_LANES + 1, u16::MAX] {
			let error = DispatchError::from(Error::<Test>::LanesOutOfBounds);
			assert_noop!(try_open(PAYEE, 10, MIN_GRACE, lanes, None), error);
		}
		assert_ok!(try_open(PAYEE, 10, MIN_GRACE, MAX_LANES, None));
	});
}

#[test]
fn open_should_fail_when_the_cap_is_out_of_bounds() {
	build_and_execute(|| {
		for (per_window, window) in [(0, 1), (1, 0), (1, MAX_WINDOW + 1)] {
			let cap = Some(Cap { per_window, window });
			let error = DispatchError::from(Error::<Test>::CapOutOfBounds);
			assert_noop!(try_open(PAYEE, 10, MIN_GRACE, 1, cap), error);
		}
		let cap = Some(Cap { per_window: Balance::MAX, window: MAX_WINDOW });
		assert_ok!(try_open(PAYEE, 10, MIN_GRACE, 1, cap));
	});
}

#[test]
fn open_should_fail_when_the_payer_lacks_credits() {
	build_and_execute(|| {
		let missing = DispatchError::Other("credits");
		assert_noop!(try_open(PAYEE, CREDITS + 1, MIN_GRACE, 1, None), missing);
		assert_ok!(try_open(PAYEE, CREDITS, MIN_GRACE, 1, None));
	});
}

#[test]
fn open_should_fail_when_the_guard_refuses() {
	build_and_execute(|| {
		let guarded = DispatchError::Other("guarded");
		assert_noop!(try_open(PAYEE, GUARDED, MIN_GRACE, 1, None), guarded);
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
		assert_noop!(try_open(PAYEE, 10, MIN_GRACE, 1, None), Error::<Test>::PayerCannotPay);
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
	for lanes in [1, 2, MAX_LANES] {
		build_and_execute(|| {
			let cap = Some(Cap { per_window: 10, window: 10 });
			let id = open_with(&AGENT, &PAYEE, 1_000, lanes, cap);
			// Every row that a channel can have, as long as it can be.
			for n in 0..9 {
				run_to(2 + 2 * n);
				let item = Item { capture: Some(Balance::from(n) + 1), ..item(id, 1_000) };
				assert_ok!(settle(PAYEE, vec![item]));
			}
			let lane = u32::from(lanes) - 1;
			if lane > 0 {
				assert_ok!(settle(PAYEE, vec![item_of(Voucher { lane, ..voucher(id, 1) })]));
			}
			let other = Key::Ecdsa([2; 33]);
			assert_ok!(Channels::rotate_key(signed(AGENT), id, other));
			let tighter = Cap { per_window: 9, window: 10 };
			assert_ok!(Channels::set_cap(signed(AGENT), id, Some(tighter)));
			for lane in 0..u32::from(lanes) {
				assert_ok!(Channels::revoke_lane(signed(AGENT), id, lane));
			}
			assert_ok!(Channels::request_close(signed(AGENT), id));

			let counter = Sponsorships::<Test>::get(OPERATOR, AGENT);
			let channel = crate::Channels::<Test>::get(id).unwrap();
			let (due, ends) = (32 + 8 + 4, view(id).ends.unwrap());
			assert!(Due::<Test>::contains_key(ends, id));
			let rows =
				Lanes::<Test>::get(id).encoded_size() + Waiting::<Test>::get(id).encoded_size();
			let stored = 32 + channel.encoded_size() + 32 + 32 + rows + due;
			let counted = stored + 96 + counter.encoded_size();
			assert!(Channels::channel_footprint(lanes).size >= counted as u64);
			let row = Nonces::<Test>::get(AGENT, PAYEE).unwrap();
			let nonce = 96 + row.encoded_size() + 96 + counter.encoded_size();
			assert!(Channels::nonce_footprint().size >= nonce as u64);
		});
	}
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
		assert_noop!(try_open(PAYEE, 10, MIN_GRACE, 1, None), ArithmeticError::Overflow);
	});
}

/// What a payer signs so that the payee can open.
fn authorization(asset: &AssetId, amount: Balance, nonce: u64, expires: u32) -> OpenAuth {
	let (asset, grace) = (OpenAuth::asset_digest(asset), MIN_GRACE);
	OpenAuth { payee: PAYEE, asset, amount, voucher_key: key(), grace, nonce, expires }
}

/// A payer whose key is known here, with credits.
fn signer() -> (sr25519::Pair, AccountId) {
	let pair = sr25519::Pair::from_seed(&[9; 32]);
	let who = AccountId::new(pair.public().0);
	assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), who.clone(), NATIVE));
	lend(&who);
	(pair, who)
}

fn open_authorized(
	payer: &AccountId,
	by: AccountId,
	auth: &OpenAuth,
	signature: sr25519::Signature,
) -> Result<(), DispatchError> {
	Channels::open_authorized(
		signed(by),
		payer.clone(),
		USD,
		auth.amount,
		auth.voucher_key,
		auth.grace,
		auth.nonce,
		auth.expires,
		AgentSignature::Account(signature.into()),
	)
}

#[test]
fn open_authorized_should_open_without_a_transaction_of_the_payer() {
	build_and_execute(|| {
		let (pair, payer) = signer();
		let auth = authorization(&USD, 300, 0, 5);
		let signature = pair.sign(&auth.to_bytes(&domain()));
		let id = Channels::channel_id_of(payer.clone(), PAYEE, USD);
		run_to(5);
		assert_ok!(open_authorized(&payer, PAYEE, &auth, signature));
		let view = view(id);
		assert_eq!((view.payer, view.payee, view.deposit), (payer.clone(), PAYEE, 300));
		assert_eq!((view.key, view.lane_settled.len(), view.cap), (key(), 1, None));
		assert_eq!(locked(&USD), 300);
		// It is good for one channel.
		let error = DispatchError::from(Error::<Test>::NonceNotNext);
		assert_noop!(open_authorized(&payer, PAYEE, &auth, signature), error);
		assert_ok!(settle(PAYEE, vec![item(id, 200)]));
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_noop!(open_authorized(&payer, PAYEE, &auth, signature), error);
	});
}

#[test]
fn open_authorized_should_fail_when_it_has_expired() {
	build_and_execute(|| {
		let (pair, payer) = signer();
		let auth = authorization(&USD, 300, 0, 5);
		let signature = pair.sign(&auth.to_bytes(&domain()));
		run_to(6);
		let error = DispatchError::from(Error::<Test>::AuthorizationExpired);
		assert_noop!(open_authorized(&payer, PAYEE, &auth, signature), error);
	});
}

#[test]
fn open_authorized_should_fail_when_anything_was_altered() {
	build_and_execute(|| {
		let (pair, payer) = signer();
		let auth = authorization(&USD, 300, 0, 5);
		let signature = pair.sign(&auth.to_bytes(&domain()));
		let altered = [
			OpenAuth { amount: 301, ..auth.clone() },
			OpenAuth { voucher_key: Key::Ed25519([1; 32]), ..auth.clone() },
			OpenAuth { grace: MIN_GRACE + 1, ..auth.clone() },
			OpenAuth { expires: 6, ..auth.clone() },
		];
		for auth in altered {
			assert_noop!(
				open_authorized(&payer, PAYEE, &auth, signature),
				DispatchError::BadOrigin
			);
		}
		// Not for another payee, payer, asset or chain.
		let refused = DispatchError::BadOrigin;
		assert_noop!(open_authorized(&payer, PAYEE2, &auth, signature), refused);
		assert_noop!(open_authorized(&PAYER, PAYEE, &auth, signature), refused);
		let other = pair.sign(&authorization(&STOA, 300, 0, 5).to_bytes(&domain()));
		assert_noop!(open_authorized(&payer, PAYEE, &auth, other), refused);
		let elsewhere = Domain::channels(sp_core::H256::repeat_byte(7));
		let other = pair.sign(&auth.to_bytes(&elsewhere));
		assert_noop!(open_authorized(&payer, PAYEE, &auth, other), refused);
	});
}

#[test]
fn open_authorized_should_fail_for_whatever_open_fails_for() {
	build_and_execute(|| {
		let (pair, payer) = signer();
		let refused = |auth: OpenAuth| {
			let signature = pair.sign(&auth.to_bytes(&domain()));
			open_authorized(&payer, PAYEE, &auth, signature)
		};
		let auth = authorization(&USD, 300, 0, 5);
		assert_noop!(refused(OpenAuth { amount: 0, ..auth.clone() }), Error::<Test>::ZeroAmount);
		let short = OpenAuth { grace: 1, ..auth.clone() };
		assert_noop!(refused(short), Error::<Test>::GraceOutOfBounds);
		let guarded = DispatchError::Other("guarded");
		assert_noop!(refused(OpenAuth { amount: GUARDED, ..auth.clone() }), guarded);
		let missing = DispatchError::Other("credits");
		assert_noop!(refused(OpenAuth { amount: CREDITS + 1, ..auth.clone() }), missing);
		set_inactive(&PAYEE, true);
		assert_noop!(refused(auth), DispatchError::Other("inactive"));
	});
}
