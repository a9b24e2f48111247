//! Disputes and rulings.

use super::*;

#[test]
fn a_dispute_should_lock_the_fee_of_who_opens_it() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		assert_ok!(dispute(BUYER, id, 0));
		let event = Event::Disputed {
			id,
			milestone: 0,
			by: Side::Buyer,
			evidence: evidence(3),
			fee: 7,
			ends: Some(21),
		};
		assert_eq!(events(), [event]);
		assert_eq!(state(id, 0), State::Disputed { by: Side::Buyer, opened: 1, answered: false });
		assert_eq!(free(&BUYER, &USD), CREDITS - 107);
		assert_eq!(locked(&USD), 137);
		assert_eq!(heard(&BUYER, &SELLER).disputed, 1);
		assert_eq!(view(id).disputes, 1);
		refused!(dispute(BUYER, id, 0), AlreadyDisputed);
		refused!(dispute(SELLER, id, 0), AlreadyDisputed);
		refused!(deliver(id, 0), AlreadyDelivered);
		refused!(Escrow::accept(signed(BUYER), id, 0), NotDelivered);
	});
}

#[test]
fn a_dispute_should_be_refused_with_the_reason() {
	build_and_execute(|| {
		let id = commit(&offer());
		refused!(dispute(BUYER, NOWHERE, 0), UnknownAgreement);
		refused!(dispute(STRANGER, id, 0), NotParty);
		refused!(dispute(BUYER, id, 9), UnknownMilestone);
		refused!(dispute(BUYER, id, 0), NotDelivered);
		refused!(dispute(SELLER, id, 0), NoChangesRequested);
		assert_ok!(deliver(id, 0));
		refused!(dispute(SELLER, id, 0), NoChangesRequested);
		assert_ok!(request_changes(id, 0));
		refused!(dispute(BUYER, id, 0), NotDelivered);
		wait(31);
		refused!(dispute(SELLER, id, 0), DeliveryOver);
	});
}

#[test]
fn a_dispute_should_be_refused_to_who_cannot_or_may_not_pay() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		set_free(&BUYER, &USD, 6);
		refused!(dispute(BUYER, id, 0), DisputerCannotPay);
		set_free(&BUYER, &USD, CREDITS - 100);
		let dear = Offer {
			negotiation: [2; 32],
			panel: Panel { fee: GUARDED, ..panel(1) },
			..single(milestone())
		};
		let id = commit(&dear);
		assert_ok!(deliver(id, 0));
		assert_noop!(dispute(BUYER, id, 0), DispatchError::Other("guarded"));
	});
}

#[test]
fn the_fallback_should_apply_at_once_without_arbiters() {
	build_and_execute(|| {
		let id = delivered(panel(0));
		assert_ok!(dispute(BUYER, id, 0));
		let seen = events();
		assert!(matches!(seen[0], Event::Disputed { fee: 0, ends: None, .. }));
		let sums = Sums { released: 34, refunded: 66, ..Sums::default() };
		assert_eq!(seen[2], Event::Ended { id, reason: EndReason::Completed, sums, bond: 30 });
		assert_eq!(outcome(id).disputes, 1);
	});
}

#[test]
fn the_seller_should_dispute_a_request_for_changes() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		assert_ok!(request_changes(id, 0));
		wait(30);
		assert_ok!(dispute(SELLER, id, 0));
		assert_eq!(state(id, 0), State::Disputed { by: Side::Seller, opened: 31, answered: false });
		assert_eq!(free(&SELLER, &USD), CREDITS - 37);
		assert_eq!(heard(&BUYER, &SELLER).disputed, 0);
	});
}

#[test]
fn arbiters_should_have_their_turns_one_after_the_other() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		refused!(rule(FIRST, id, 0, 50), NotDisputed);
		run_to(5);
		assert_ok!(dispute(BUYER, id, 0));
		assert_ok!(answer(SELLER, id, 0));
		for (block, seat) in [
			(5, Some(FIRST)),
			(15, Some(FIRST)),
			(16, Some(SECOND)),
			(25, Some(SECOND)),
			(26, None),
		] {
			run_to(block);
			assert_eq!(Escrow::seat(id, 0), seat, "{block}");
			for who in ARBITERS.into_iter().chain([BUYER, SELLER, STRANGER]) {
				let may_rule = seat.as_ref() == Some(&who);
				let result = frame_support::hypothetically!(rule(who.clone(), id, 0, 50));
				let refusal = if block > 25 {
					Error::<Test>::DisputeOver
				} else {
					Error::<Test>::NotInTheSeat
				};
				let expected = if may_rule { Ok(()) } else { Err(refusal.into()) };
				assert_eq!(result, expected, "{block}");
			}
		}
	});
}

#[test]
fn an_arbiter_that_is_no_longer_independent_should_lose_its_turn() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		assert_ok!(dispute(BUYER, id, 0));
		assert_ok!(answer(SELLER, id, 0));
		for party in [BUYER, SELLER] {
			set_operator(&FIRST, &party);
			assert_eq!(Escrow::seat(id, 0), None);
			refused!(rule(FIRST, id, 0, 50), NotInTheSeat);
			refused!(rule(SECOND, id, 0, 50), NotInTheSeat);
		}
		set_operator(&FIRST, &FIRST);
		set_inactive(&FIRST, true);
		refused!(rule(FIRST, id, 0, 50), NotInTheSeat);
		run_to(12);
		assert_ok!(rule(SECOND, id, 0, 50));
	});
}

#[test]
fn one_operator_should_not_have_two_turns() {
	build_and_execute(|| {
		let id = delivered(panel(3));
		assert_ok!(dispute(BUYER, id, 0));
		// The second one comes under the first, and later the third one.
		set_operator(&SECOND, &FIRST);
		for (block, seat) in [(11, Some(FIRST)), (12, None), (22, Some(THIRD))] {
			run_to(block);
			assert_eq!(Escrow::seat(id, 0), seat, "{block}");
		}
		set_operator(&THIRD, &FIRST);
		refused!(rule(THIRD, id, 0, 50), NotInTheSeat);
		set_operator(&THIRD, &THIRD);
		assert_ok!(rule(THIRD, id, 0, 50));
	});
}

#[test]
fn nobody_should_rule_before_the_other_side_was_heard_or_had_its_time() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		assert_ok!(dispute(BUYER, id, 0));
		assert_eq!(Escrow::seat(id, 0), None);
		refused!(rule(FIRST, id, 0, 0), TooEarlyToRule);
		// With its answer, in the same block.
		frame_support::hypothetically!({
			assert_ok!(answer(SELLER, id, 0));
			assert_eq!(Escrow::seat(id, 0), Some(FIRST));
			assert_ok!(rule(FIRST, id, 0, 0));
		});
		// Or when a tenth of ten blocks has passed without one.
		run_to(2);
		refused!(rule(FIRST, id, 0, 0), TooEarlyToRule);
		run_to(3);
		assert_eq!(Escrow::seat(id, 0), Some(FIRST));
		assert_ok!(rule(FIRST, id, 0, 0));
	});
}

#[test]
fn a_dispute_should_be_answered_once_by_the_other_side() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		refused!(answer(SELLER, id, 0), NotDisputed);
		assert_ok!(dispute(BUYER, id, 0));
		refused!(answer(SELLER, NOWHERE, 0), UnknownAgreement);
		refused!(answer(FIRST, id, 0), NotParty);
		refused!(answer(SELLER, id, 1), UnknownMilestone);
		refused!(answer(BUYER, id, 0), OwnDispute);
		events();
		run_to(11);
		assert_ok!(answer(SELLER, id, 0));
		let answered =
			Event::Answered { id, milestone: 0, by: Side::Seller, evidence: evidence(5) };
		assert_eq!(events(), [answered]);
		assert_eq!(state(id, 0), State::Disputed { by: Side::Buyer, opened: 1, answered: true });
		refused!(answer(SELLER, id, 0), AlreadyAnswered);
	});
	build_and_execute(|| {
		let id = delivered(panel(1));
		assert_ok!(dispute(BUYER, id, 0));
		run_to(12);
		refused!(answer(SELLER, id, 0), DisputeOver);
	});
}

/// Open a dispute by `by` about 100 units with a penalty of 10, a bond of `bond` and a fee of 7, rule
/// `percent`, and return where the money went. `other` is the penalty of another milestone.
fn ruled(by: Side, bond: Balance, other: Balance, percent: u32) -> Sums {
	let mut sums = Sums::default();
	build_and_execute(|| {
		let others = Milestone { penalty: other, ..milestone() };
		let milestones = vec![milestone(), others].try_into().unwrap();
		let offer = Offer { milestones, bond, panel: panel(1), ..offer() };
		let id = commit(&offer);
		assert_ok!(deliver(id, 0));
		match by {
			Side::Buyer => dispute(BUYER, id, 0).unwrap(),
			Side::Seller => {
				assert_ok!(request_changes(id, 0));
				assert_ok!(dispute(SELLER, id, 0));
			},
		}
		let other = if by == Side::Buyer { SELLER } else { BUYER };
		assert_ok!(answer(other, id, 0));
		let before = HOLDERS.map(|who| free(&who, &USD));
		events();
		assert_ok!(rule(FIRST, id, 0, percent));
		sums = view(id).sums;
		assert_eq!(free(&FIRST, &USD), 7);
		let net = |index: usize| free(&HOLDERS[index], &USD) - before[index];
		assert_eq!(net(0), sums.refunded + sums.penalties + sums.costs_of_seller);
		let shares = schedule(0).split(0, sums.released).unwrap();
		assert_eq!(net(1), shares.provider + sums.costs_of_buyer);
		let Event::Ruled { share, fee, costs_of_buyer, costs_of_seller, .. } = events()[0] else {
			panic!("no ruling")
		};
		assert_eq!((share, fee), (Permill::from_percent(percent), 7));
		assert_eq!((costs_of_buyer, costs_of_seller), (sums.costs_of_buyer, sums.costs_of_seller));
		assert_eq!(heard(&BUYER, &SELLER).breached, u32::from(percent < 50));
	});
	sums
}

#[test]
fn a_ruling_should_divide_as_documented() {
	let sums = |released, refunded, penalties, costs_of_buyer, costs_of_seller| Sums {
		released,
		refunded,
		penalties,
		costs_of_buyer,
		costs_of_seller,
		fees: 7,
	};
	// The buyer is right, wrong, and half right.
	assert_eq!(ruled(Side::Buyer, 30, 10, 0), sums(0, 100, 10, 0, 7));
	assert_eq!(ruled(Side::Buyer, 30, 10, 100), sums(100, 0, 0, 0, 0));
	assert_eq!(ruled(Side::Buyer, 30, 10, 50), sums(50, 50, 5, 0, 3));
	assert_eq!(ruled(Side::Buyer, 30, 10, 33), sums(33, 67, 6, 0, 4));
	// The bond reaches no further: what other milestones need of it is theirs.
	assert_eq!(ruled(Side::Buyer, 22, 10, 0), sums(0, 100, 10, 0, 2));
	assert_eq!(ruled(Side::Buyer, 20, 10, 0), sums(0, 100, 10, 0, 0));
	// The seller is right, wrong, and half right.
	assert_eq!(ruled(Side::Seller, 30, 10, 100), sums(100, 0, 0, 0, 0));
	assert_eq!(ruled(Side::Seller, 30, 10, 0), sums(0, 100, 10, 0, 0));
	assert_eq!(ruled(Side::Seller, 30, 10, 50), sums(50, 47, 5, 3, 0));
	// The buyer's part reaches no further.
	assert_eq!(ruled(Side::Seller, 30, 10, 97), sums(97, 0, 0, 3, 0));
}

#[test]
fn shares_should_round_to_the_seller() {
	let division = Division::fallback(10, Permill::from_parts(333_333));
	assert_eq!((division.to_seller, division.to_buyer), (4, 6));
	let share = Permill::from_parts(1);
	let division = Division::ruling(3, share, 10, 10, 7, Side::Buyer);
	assert_eq!((division.to_seller, division.to_buyer, division.penalty), (1, 2, 9));
	assert_eq!(division.costs_of_seller, 1);
}

#[test]
fn releasing_all_should_end_a_dispute_and_give_the_fee_back() {
	build_and_execute(|| {
		let id = delivered(panel(2));
		assert_ok!(dispute(BUYER, id, 0));
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 40));
		assert_eq!(state(id, 0), State::Disputed { by: Side::Buyer, opened: 1, answered: false });
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 60));
		assert_eq!(outcome(id).sums, Sums { released: 100, ..Sums::default() });
		assert_eq!(free(&BUYER, &USD), CREDITS - 100);
	});
}

#[test]
fn an_arbiter_should_be_paid_when_the_parties_agree_after_half_of_the_first_turn() {
	let ends: [fn(AgreementId) -> DispatchResult; 2] = [
		|id| Escrow::release(signed(BUYER), id, 0, 100),
		|id| {
			let sequence = view(id).sequence;
			let consent = CancelConsent { agreement: id, seller: 100, sequence, expires: 100 };
			let signature = seal(&SELLER, &consent.to_bytes(&domain()));
			Escrow::cancel(signed(BUYER), consent, signature)
		},
	];
	for end in ends {
		// Of turns of 10 blocks, the first from block 1 on. When all turns are over, nobody has worked.
		for (block, paid) in [
			(1, None),
			(6, None),
			(7, Some(FIRST)),
			(11, Some(FIRST)),
			(12, Some(SECOND)),
			(21, Some(SECOND)),
			(22, None),
		] {
			build_and_execute(|| {
				let id = delivered(panel(2));
				assert_ok!(dispute(BUYER, id, 0));
				run_to(block);
				events();
				assert_ok!(end(id));
				let fee = if paid.is_some() { 7 } else { 0 };
				let told = events().into_iter().find_map(|event| match event {
					Event::ArbiterPaid { milestone: 0, arbiter, fee: 7, .. } => Some(arbiter),
					_ => None,
				});
				assert_eq!(told, paid, "{block}");
				assert!(paid.is_none_or(|who| free(&who, &USD) == 7), "{block}");
				let sums = Sums { released: 100, fees: fee, ..Sums::default() };
				assert_eq!(outcome(id).sums, sums, "{block}");
				// By whoever has locked it.
				assert_eq!(free(&BUYER, &USD), CREDITS - 100 - fee);
			});
		}
	}
}

#[test]
fn an_arbiter_that_may_not_rule_should_not_be_paid_either() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		assert_ok!(dispute(BUYER, id, 0));
		run_to(7);
		set_inactive(&FIRST, true);
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 100));
		assert_eq!((outcome(id).sums.fees, free(&FIRST, &USD)), (0, 0));
	});
}

#[test]
fn a_ruling_should_concern_only_what_is_open() {
	build_and_execute(|| {
		let id = delivered(panel(1));
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 40));
		assert_ok!(dispute(BUYER, id, 0));
		assert_ok!(answer(SELLER, id, 0));
		assert_ok!(rule(FIRST, id, 0, 50));
		let sums = outcome(id).sums;
		assert_eq!((sums.released, sums.refunded, sums.penalties), (70, 30, 3));
	});
}

#[test]
fn a_penalty_should_be_in_proportion_to_what_is_in_dispute() {
	// Of 100 units, and a penalty of 10 or 1,000 for all of them: the seller loses what is still open.
	for (penalty, released, due) in
		[(10, 0, 10), (10, 1, 9), (10, 99, 0), (1_000, 99, 10), (1_000, 33, 670)]
	{
		build_and_execute(|| {
			let offer = Offer { bond: 1_050, panel: panel(1), ..single(milestone()) };
			let milestones = vec![Milestone { penalty, ..milestone() }].try_into().unwrap();
			let id = commit(&Offer { milestones, ..offer });
			assert_ok!(deliver(id, 0));
			if released > 0 {
				assert_ok!(Escrow::release(signed(BUYER), id, 0, released));
			}
			assert_ok!(dispute(BUYER, id, 0));
			assert_ok!(answer(SELLER, id, 0));
			assert_ok!(rule(FIRST, id, 0, 0));
			assert_eq!(outcome(id).sums.penalties, due);
			// What the penalty leaves of the bond is there for the fee.
			assert_eq!(outcome(id).sums.costs_of_seller, 7);
		});
	}
}

#[test]
fn an_advance_should_not_lessen_the_penalty_of_who_delivers_nothing() {
	build_and_execute(|| {
		let id = commit(&Offer { by: Side::Buyer, ..single(milestone()) });
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 99));
		run_to(52);
		assert_eq!(Escrow::deadlines(id).unwrap().milestones[0].penalty, 10);
		assert_ok!(poke(id));
		assert_eq!(outcome(id).sums.penalties, 10);
	});
}

/// A delivered agreement that names the court, with turns of 10 blocks and a fee of 7.
fn before_the_court() -> AgreementId {
	delivered(Panel { arbiters: vec![COURT].try_into().unwrap(), ..panel(1) })
}

#[test]
fn a_panel_that_is_drawn_should_rule_and_be_paid() {
	build_and_execute(|| {
		let id = before_the_court();
		assert_eq!(Courts::drawn(id, 0), []);
		run_to(4);
		assert_ok!(dispute(BUYER, id, 0));
		// Drawn by the block of the dispute, and known to whoever asks how long it lasts.
		assert_eq!(Courts::drawn(id, 0), [FIRST, THIRD]);
		assert!(matches!(events()[0], Event::Disputed { ends: Some(24), .. }));
		assert_eq!(Escrow::deadlines(id).unwrap().ends, 25);
		run_to(24);
		assert_eq!(Escrow::seat(id, 0), Some(COURT));
		refused!(rule(FIRST, id, 0, 30), NotInTheSeat);
		assert_ok!(rule(COURT, id, 0, 30));
		assert_eq!(outcome(id).sums.fees, 7);
		assert_eq!(Courts::drawn(id, 0), []);
		assert_eq!(Courts::last_ruling(), Some(Some(Permill::from_percent(30))));
		assert_eq!([FIRST, SECOND, THIRD, COURT].map(|who| free(&who, &USD)), [3, 0, 3, 1]);
	});
}

#[test]
fn a_panel_that_is_drawn_should_be_let_go_however_its_case_ends() {
	let ends: [(fn(AgreementId) -> DispatchResult, Balance); 3] = [
		(|id| Escrow::release(signed(BUYER), id, 0, 100), 7),
		(
			|id| {
				let sequence = view(id).sequence;
				let consent = CancelConsent { agreement: id, seller: 0, sequence, expires: 100 };
				let signature = seal(&SELLER, &consent.to_bytes(&domain()));
				Escrow::cancel(signed(BUYER), consent, signature)
			},
			7,
		),
		(
			|id| {
				run_to(22);
				poke(id)
			},
			0,
		),
	];
	for (end, fee) in ends {
		build_and_execute(|| {
			let id = before_the_court();
			assert_ok!(dispute(BUYER, id, 0));
			assert_eq!(Courts::drawn(id, 0), [FIRST, THIRD]);
			run_to(10);
			assert_ok!(end(id));
			assert_eq!((outcome(id).sums.fees, Courts::drawn(id, 0)), (fee, vec![]));
			assert_eq!(Courts::last_ruling(), Some(None));
			assert_eq!(free(&FIRST, &USD), fee / 2);
		});
	}
}

proptest::proptest! {
	#![proptest_config(config(2_000))]

	#[test]
	fn a_division_should_be_exact_and_within_what_is_there(
		open: Balance, ppm in 0..=1_000_000u32, penalty: Balance, more: Balance, fee: Balance, buyer: bool,
	) {
		let by = if buyer { Side::Buyer } else { Side::Seller };
		let spare = penalty.saturating_add(more);
		let share = Permill::from_parts(ppm);
		let division = Division::ruling(open, share, penalty, spare, fee, by);
		let Division { to_seller, to_buyer, penalty: taken, costs_of_buyer, costs_of_seller } = division;
		assert_eq!(to_seller + to_buyer + costs_of_buyer, open);
		assert!(taken <= penalty && taken + costs_of_seller <= spare);
		assert!(costs_of_buyer + costs_of_seller <= fee);
		assert!(costs_of_buyer == 0 || costs_of_seller == 0);
		// In whole millions and the rest, where nothing overflows.
		let (part, million) = (Balance::from(ppm), 1_000_000);
		let up = |of: Balance| of / million * part + (of % million * part).div_ceil(million);
		let down = |of: Balance, part| of / million * part + of % million * part / million;
		assert_eq!(to_seller, up(open));
		assert_eq!(taken, down(penalty, million - part));
		match by {
			Side::Buyer => assert_eq!(costs_of_seller, down(fee, million - part).min(spare - taken)),
			Side::Seller => assert_eq!(costs_of_buyer, down(fee, part).min(open - to_seller)),
		}
	}
}
