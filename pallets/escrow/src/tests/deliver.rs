//! Delivery and what the buyer says to it.

use super::*;

#[test]
fn a_delivery_should_begin_the_review() {
	build_and_execute(|| {
		let id = commit(&offer());
		run_to(51);
		events();
		assert_ok!(deliver(id, 1));
		let delivered =
			Event::Delivered { id, milestone: 1, evidence: evidence(1), review_until: 71 };
		assert_eq!(events(), [delivered]);
		let progress = view(id).milestones[1];
		assert_eq!(progress.state, State::Delivered { review_until: 71 });
		assert_eq!(progress.delivery, Some([1; 32]));
	});
}

#[test]
fn a_delivery_should_be_refused_with_the_reason() {
	build_and_execute(|| {
		let id = commit(&offer());
		refused!(deliver(NOWHERE, 0), UnknownAgreement);
		refused!(deliver(id, 2), UnknownMilestone);
		refused!(Escrow::deliver(signed(BUYER), id, 0, evidence(1)), NotSeller);
		let mut spaced = evidence(1);
		spaced.uri = b"https://e.example/a b".to_vec().try_into().unwrap();
		refused!(Escrow::deliver(signed(SELLER), id, 0, spaced), MalformedUri);
		refused!(Escrow::reveal(signed(SELLER), id, 0, LOCK_KEY), NotLocked);
		assert_ok!(deliver(id, 0));
		refused!(deliver(id, 0), AlreadyDelivered);
		assert_ok!(Escrow::accept(signed(BUYER), id, 0));
		refused!(deliver(id, 0), MilestoneEnded);
		run_to(52);
		refused!(deliver(id, 1), DeliveryOver);
	});
}

#[test]
fn accepting_should_pay_the_seller_and_end_with_the_last_milestone() {
	build_and_execute(|| {
		let id = commit(&offer());
		assert_ok!(deliver(id, 0));
		assert_ok!(deliver(id, 1));
		refused!(Escrow::accept(signed(SELLER), id, 0), NotBuyer);
		assert_ok!(Escrow::accept(signed(BUYER), id, 0));
		assert_eq!(free(&SELLER, &USD), CREDITS - 30 + 85);
		events();
		assert_ok!(Escrow::accept(signed(BUYER), id, 1));
		let sums = Sums { released: 200, ..Sums::default() };
		assert_eq!(
			events(),
			[
				Event::MilestoneEnded {
					id,
					milestone: 1,
					ending: Ending::Released,
					to_seller: 100,
					to_buyer: 0,
					penalty: 0,
				},
				Event::Ended { id, reason: EndReason::Completed, sums, bond: 30 },
			]
		);
		assert_eq!(free(&SELLER, &USD), CREDITS + 170);
		assert_eq!((free(&PLATFORM, &USD), free(&REFERRERS, &USD)), (20, 10));
		assert_eq!(locked(&USD), 0);
		assert_eq!(
			outcome(id),
			Outcome {
				negotiation: offer().key(),
				buyer: BUYER,
				seller: SELLER,
				asset: USD,
				total: 200,
				bond: 30,
				sums,
				disputes: 0,
				breaches: 0,
				started: 1,
				ended: 1,
				transcript: H256::repeat_byte(5),
				reason: EndReason::Completed,
			}
		);
		assert_eq!(held(&BUYER, HoldReason::Agreement), 0);
		assert_eq!(heard(&BUYER, &SELLER), Heard::default());
		refused!(Escrow::accept(signed(BUYER), id, 1), UnknownAgreement);
	});
}

#[test]
fn accepting_should_wait_for_a_delivery() {
	build_and_execute(|| {
		let id = commit(&offer());
		refused!(Escrow::accept(signed(BUYER), id, 0), NotDelivered);
		assert_ok!(deliver(id, 0));
		assert_ok!(request_changes(id, 0));
		refused!(Escrow::accept(signed(BUYER), id, 0), NotDelivered);
		assert_ok!(deliver(id, 0));
		// When the review is over as well: it is the same that a poke does.
		wait(21);
		assert_ok!(Escrow::accept(signed(BUYER), id, 0));
	});
}

#[test]
fn parts_should_be_released_at_any_time_and_give_the_shares_of_the_whole() {
	build_and_execute(|| {
		let id = commit(&offer());
		refused!(Escrow::release(signed(BUYER), id, 0, 0), ZeroRelease);
		refused!(Escrow::release(signed(BUYER), id, 0, 101), AboveOpen);
		refused!(Escrow::release(signed(SELLER), id, 0, 1), NotBuyer);
		events();
		assert_ok!(Escrow::release(signed(BUYER), id, 0, 33));
		assert_eq!(events(), [Event::PartReleased { id, milestone: 0, amount: 33, open: 67 }]);
		refused!(Escrow::release(signed(BUYER), id, 0, 68), AboveOpen);
		for _ in 0..67 {
			assert_ok!(Escrow::release(signed(BUYER), id, 0, 1));
		}
		assert_eq!(state(id, 0), State::Ended(Ending::Released));
		refused!(Escrow::release(signed(BUYER), id, 0, 1), MilestoneEnded);
		assert_eq!((free(&PLATFORM, &USD), free(&REFERRERS, &USD)), (10, 5));
		assert_noop!(Escrow::release(signed(BUYER), id, 1, REFUSED_GROSS), REFUSED);
	});
}

#[test]
fn changes_should_be_requested_as_often_as_the_offer_says() {
	build_and_execute(|| {
		let id = commit(&single(Milestone { changes: 2, ..milestone() }));
		refused!(request_changes(id, 0), NotDelivered);
		assert_ok!(deliver(id, 0));
		events();
		wait(20);
		assert_ok!(request_changes(id, 0));
		assert_eq!(
			events(),
			[Event::ChangesRequested {
				id,
				milestone: 0,
				evidence: evidence(2),
				deliver_by: 51,
				left: 1
			}]
		);
		refused!(request_changes(id, 0), NotDelivered);
		wait(30);
		assert_ok!(Escrow::deliver(signed(SELLER), id, 0, evidence(9)));
		assert_eq!(view(id).milestones[0].delivery, Some([9; 32]));
		refused!(Escrow::request_changes(signed(SELLER), id, 0, evidence(2)), NotBuyer);
		assert_ok!(request_changes(id, 0));
		assert_ok!(deliver(id, 0));
		refused!(request_changes(id, 0), NoChangesLeft);
		wait(21);
		refused!(request_changes(id, 0), ReviewOver);
	});
}

#[test]
fn revealing_the_key_should_release_at_once_without_a_review() {
	build_and_execute(|| {
		let id = commit(&single(locked_milestone()));
		refused!(deliver(id, 0), Locked);
		refused!(Escrow::reveal(signed(BUYER), id, 0, LOCK_KEY), NotSeller);
		refused!(Escrow::reveal(signed(SELLER), id, 0, [78; 32]), WrongKey);
		run_to(51);
		events();
		assert_ok!(Escrow::reveal(signed(SELLER), id, 0, LOCK_KEY));
		let seen = events();
		let revealed = Event::Revealed { id, milestone: 0, key: LOCK_KEY, review_until: 51 };
		assert_eq!(seen[0], revealed);
		assert!(matches!(seen[2], Event::Ended { reason: EndReason::Completed, .. }));
		assert_eq!(outcome(id).sums.released, 100);
	});
}

#[test]
fn revealing_the_key_should_begin_a_review_if_there_is_one() {
	build_and_execute(|| {
		let id = commit(&single(Milestone { review: 5, ..locked_milestone() }));
		assert_ok!(Escrow::reveal(signed(SELLER), id, 0, LOCK_KEY));
		assert_eq!(state(id, 0), State::Delivered { review_until: 6 });
		assert_eq!(view(id).milestones[0].delivery, Some(LOCK_KEY));
		refused!(Escrow::reveal(signed(SELLER), id, 0, LOCK_KEY), AlreadyDelivered);
		refused!(request_changes(id, 0), NoChangesLeft);
		assert_ok!(dispute(BUYER, id, 0));
	});
}

#[test]
fn a_key_should_not_be_revealed_too_late() {
	build_and_execute(|| {
		let id = commit(&single(locked_milestone()));
		run_to(52);
		refused!(Escrow::reveal(signed(SELLER), id, 0, LOCK_KEY), DeliveryOver);
	});
}

/// Two agreements in which SELLER and SELLER2 sell to each other, each under a lock that one of them has the key
/// to.
fn barter(of_seller: [u8; 32], of_seller2: [u8; 32]) -> (AgreementId, AgreementId) {
	let under = |key, deliver_within| {
		let lock = Some(stoa_primitives::agreement::lock_of(&key));
		let milestone = Milestone { lock, deliver_within, ..locked_milestone() };
		Offer { panel: panel(0), ..single(milestone) }
	};
	let there = Offer { buyer: SELLER2, ..under(of_seller, 50) };
	let back = Offer { buyer: SELLER, seller: SELLER2, ..under(of_seller2, 100) };
	(commit(&there), commit(&back))
}

/// The key that an agreement was paid for, from the chain.
fn revealed(id: AgreementId) -> [u8; 32] {
	let key = events().into_iter().find_map(|event| match event {
		Event::Revealed { id: of, key, .. } if of == id => Some(key),
		_ => None,
	});
	key.expect("it was revealed")
}

#[test]
fn each_leg_of_a_barter_should_be_a_fair_exchange_under_the_lock_of_its_own_seller() {
	build_and_execute(|| {
		let keys = ([77; 32], [78; 32]);
		let (there, back) = barter(keys.0, keys.1);
		events();
		assert_ok!(Escrow::reveal(signed(SELLER), there, 0, keys.0));
		// The other side cannot be paid with what it has bought: it must give its own key.
		let key = revealed(there);
		refused!(Escrow::reveal(signed(SELLER2), back, 0, key), WrongKey);
		run_to(101);
		assert_ok!(frame_support::hypothetically!(Escrow::reveal(
			signed(SELLER2),
			back,
			0,
			keys.1
		)));
		// If it does not, it gets nothing: SELLER has its money back, and the penalty.
		run_to(2 + VOID_WINDOW);
		assert_ok!(poke(back));
		assert_eq!(outcome(there).sums.released, 100);
		assert_eq!((outcome(back).sums.refunded, outcome(back).sums.penalties), (100, 10));
	});
}

#[test]
fn one_lock_for_both_should_pay_the_second_side_for_nothing() {
	build_and_execute(|| {
		// Good for a swap of money, where the payment is all there is. As a barter it would be a gift: SELLER2
		// has never had anything to reveal, and is paid with the key that SELLER has put on the chain.
		let (there, back) = barter(LOCK_KEY, LOCK_KEY);
		events();
		assert_ok!(Escrow::reveal(signed(SELLER), there, 0, LOCK_KEY));
		let key = revealed(there);
		// Even after the first deadline.
		run_to(101);
		assert_ok!(Escrow::reveal(signed(SELLER2), back, 0, key));
		assert_eq!((outcome(there).sums.released, outcome(back).sums.released), (100, 100));
	});
}
