//! Each step on the chain and in the model.

use super::*;
use frame_support::storage::with_storage_layer;

/// An offer's signature by somebody.
fn sealed(
	offer: &Offer,
	signer: Option<usize>,
) -> (AccountId, stoa_primitives::keys::AgentSignature) {
	let signer = signer.map_or_else(|| offer.signer().clone(), |index| EVERYONE[index].clone());
	let signature = seal(&signer, &offer.digest(&domain()));
	(signer, signature)
}

/// Calls that make, withdraw or forget offers.
fn talk_step(model: &mut Model, op: Op) -> (Told, Told) {
	match op {
		Op::Commit { by, draft, signer } => {
			let offer = model.offer(&draft);
			let by = by.map_or_else(|| offer.recipient().clone(), |index| EVERYONE[index].clone());
			let (signer, signature) = sealed(&offer, signer);
			let quote = Escrow::quote(offer.clone());
			let expected = model.commit(&by, &offer, &signer);
			// A quote knows all but who submits and who has signed.
			if by == *offer.recipient() && signer == *offer.signer() {
				assert_eq!(quote.map(|_| ()), expected);
			}
			let call = Escrow::commit(signed(by), Box::new(offer), signature, H256::zero());
			(expected, call)
		},
		Op::Withdraw { pair, negotiation, side, round } => {
			let (buyer, seller) = PAIRS[pair].clone();
			let offer = Offer { buyer, seller, negotiation: [negotiation; 32], ..offer() };
			let expected = model.withdraw(&offer, side, round);
			let origin = signed(offer.party(side).clone());
			let other = offer.party(side.other()).clone();
			(expected, Escrow::withdraw_offer(origin, other, [negotiation; 32], side, round))
		},
		Op::Supersede { by, draft, signer, by_seller } => {
			let offer = model.offer(&draft);
			let party = if by_seller { &offer.seller } else { &offer.buyer };
			let by = by.map_or_else(|| party.clone(), |index| EVERYONE[index].clone());
			let (signer, signature) = sealed(&offer, signer);
			let expected = model.supersede(&by, &offer, &signer);
			(expected, Escrow::supersede(signed(by), Box::new(offer), signature))
		},
		Op::Forget { negotiation } => {
			let keys: Vec<_> = model.talks.keys().collect();
			let key = keys.get(negotiation).map_or(NOWHERE, |key| **key);
			(model.forget(key), Escrow::forget(signed(STRANGER), key))
		},
		other => panic!("{other:?} is no such call"),
	}
}

/// Calls about agreements that run.
fn deal_step(model: &mut Model, op: Op) -> (Told, Told) {
	match op {
		Op::Deliver { by, deal, milestone, reveal, good } => {
			let id = model.id(deal);
			let by = model.party(by, id, Side::Seller);
			// Mostly in the way that the milestone is delivered.
			let is_locked = model
				.deals
				.get(&id)
				.and_then(|deal| deal.offer.milestones.get(milestone as usize))
				.is_some_and(|terms| terms.lock.is_some());
			let key = if good { LOCK_KEY } else { [1; 32] };
			if reveal != is_locked && (is_locked || !good) {
				return (
					model.deliver(&by, id, milestone, Some(key)),
					Escrow::reveal(signed(by), id, milestone, key),
				);
			}
			(
				model.deliver(&by, id, milestone, None),
				Escrow::deliver(signed(by), id, milestone, evidence(1)),
			)
		},
		Op::Accept { by, deal, milestone } => {
			let id = model.id(deal);
			let by = model.party(by, id, Side::Buyer);
			(model.accept(&by, id, milestone), Escrow::accept(signed(by), id, milestone))
		},
		Op::Release { by, deal, milestone, amount } => {
			let (id, milestone, amount) = match model.disputed().filter(|_| amount == ALL) {
				Some((id, at, open)) => (id, at, open),
				None => (model.id(deal), milestone, amount),
			};
			let by = model.party(by, id, Side::Buyer);
			let expected = model.release(&by, id, milestone, amount);
			(expected, Escrow::release(signed(by), id, milestone, amount))
		},
		Op::RequestChanges { by, deal, milestone } => {
			let id = model.id(deal);
			let by = model.party(by, id, Side::Buyer);
			let expected = model.request_changes(&by, id, milestone);
			(expected, Escrow::request_changes(signed(by), id, milestone, evidence(2)))
		},
		Op::Dispute { by, deal, milestone, by_seller, aimed } => {
			let (id, milestone) = match model.disputable(by_seller).filter(|_| aimed) {
				Some((id, at, _)) => (id, at),
				None => (model.id(deal), milestone),
			};
			let side = if by_seller { Side::Seller } else { Side::Buyer };
			let by = model.party(by, id, side);
			let expected = model.dispute(&by, id, milestone);
			(expected, dispute(by, id, milestone))
		},
		Op::Rule { by, deal, milestone, share, aimed } => {
			let (id, milestone) = match model.disputed().filter(|_| aimed) {
				Some((id, at, _)) => (id, at),
				None => (model.id(deal), milestone),
			};
			let seat = model.seat(id, milestone).filter(|_| model.is_heard(id, milestone));
			assert_eq!(Escrow::seat(id, milestone), seat);
			let by = by.map(|index| EVERYONE[index].clone()).or(seat).unwrap_or(FIRST);
			let expected = model.rule(&by, id, milestone, share);
			let share = Permill::from_parts(share);
			(expected, Escrow::rule(signed(by), id, milestone, share, evidence(4)))
		},
		Op::Answer { by, by_seller } => {
			let (id, milestone, _) = model.disputed().unwrap_or((NOWHERE, 0, 0));
			let by = model.party(by, id, if by_seller { Side::Seller } else { Side::Buyer });
			(model.answer(&by, id, milestone), answer(by, id, milestone))
		},
		Op::Poke { deal } => {
			let id = model.id(deal);
			(model.poke(id), poke(id))
		},
		Op::Cancel { by, deal, seller, behind, expires, good } => {
			let id = model.id(deal);
			let sequence = model.sequence(id, behind);
			let by = by_party(model, by, id);
			let expires = model.now.saturating_add_signed(expires);
			let consent = CancelConsent { agreement: id, seller, sequence, expires };
			let signature = other_seal(model, &by, id, &consent.to_bytes(&domain()), good);
			let expected = model
				.amend(&by, id, sequence, expires)
				.and_then(|()| model.cancel(id, seller, good));
			(expected, Escrow::cancel(signed(by), consent, signature))
		},
		Op::Extend { by, deal, milestone, deliver_by, behind, good } => {
			let id = model.id(deal);
			let sequence = model.sequence(id, behind);
			let by = by_party(model, by, id);
			let deliver_by = model.now.saturating_add_signed(deliver_by.into());
			let expires = model.now;
			let consent = ExtendConsent { agreement: id, milestone, deliver_by, sequence, expires };
			let signature = other_seal(model, &by, id, &consent.to_bytes(&domain()), good);
			let expected = model
				.amend(&by, id, sequence, expires)
				.and_then(|()| model.extend(id, milestone, deliver_by, good));
			(expected, Escrow::extend(signed(by), consent, signature))
		},
		other => panic!("{other:?} is no such call"),
	}
}

/// Mostly a party of the agreement.
fn by_party(model: &Model, by: usize, id: AgreementId) -> AccountId {
	match by {
		0..=3 => model.party(None, id, Side::Buyer),
		4..=7 => model.party(None, id, Side::Seller),
		_ => STRANGER,
	}
}

/// The other side's signature, or one that nobody needs.
fn other_seal(
	model: &Model,
	by: &AccountId,
	id: AgreementId,
	message: &[u8],
	good: bool,
) -> stoa_primitives::keys::AgentSignature {
	let other = model.deals.get(&id).map(|deal| {
		let side = if *by == deal.offer.buyer { Side::Seller } else { Side::Buyer };
		deal.offer.party(side).clone()
	});
	seal(&other.filter(|_| good).unwrap_or(STRANGER), message)
}

/// What happens around the pallet.
fn outside(model: &mut Model, op: Op) {
	match op {
		Op::SetInactive { who, inactive } => {
			set_inactive(&AGENTS[who], inactive);
			if inactive {
				model.inactive.insert(AGENTS[who].clone());
			} else {
				model.inactive.remove(&AGENTS[who]);
			}
		},
		Op::SetOperator { to } => {
			let to = [FIRST, BUYER, SELLER, SECOND, AGENT][to].clone();
			set_operator(&FIRST, &to);
			model.operator = Some(to);
		},
		Op::SetSchedule { to } => {
			set_schedule(to);
			model.schedule = to;
		},
		Op::SetNative { who, amount } => {
			let who = EVERYONE[who].clone();
			assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), who.clone(), amount));
			model.native.insert(who, amount);
		},
		Op::Wait { blocks } => {
			model.now += blocks;
			run_to(model.now);
		},
		other => panic!("{other:?} is a call"),
	}
}

fn step(model: &mut Model, op: Op) -> (Told, Told) {
	match op {
		Op::Commit { .. } | Op::Withdraw { .. } | Op::Supersede { .. } | Op::Forget { .. } => {
			talk_step(model, op)
		},
		Op::SetInactive { .. }
		| Op::SetOperator { .. }
		| Op::SetSchedule { .. }
		| Op::SetNative { .. }
		| Op::Wait { .. } => {
			outside(model, op);
			(Ok(()), Ok(()))
		},
		_ => deal_step(model, op),
	}
}

/// What kind of event it is, with the way something ended.
fn name(event: &Event<Test>) -> String {
	match event {
		Event::MilestoneEnded { ending, .. } => format!("{ending:?}"),
		Event::Ended { reason, .. } => format!("{reason:?}"),
		event => {
			let text = format!("{event:?}");
			text.split(' ').next().unwrap().to_owned()
		},
	}
}

fn apply(model: &mut Model, op: Op) {
	let before = model.clone();
	let mut expected = Ok(());
	// As dispatch does it: nothing is kept of a call that fails.
	let seen = with_storage_layer(|| {
		let (told, seen) = step(model, op.clone());
		expected = told;
		seen
	});
	assert_eq!(seen, expected, "{op:?}");
	if expected.is_err() {
		*model = before;
	}
	let seen = events();
	assert_eq!(seen, std::mem::take(&mut model.events), "{op:?}");
	model.seen.extend(seen.iter().map(name));
	model.seen.extend(expected.err().map(|error| format!("{error:?}")));
	model.check();
}

/// Everybody is gone. Each agreement ends in the block that it said, by the poke of a stranger, unless
/// the settlement refuses.
fn fall_silent(model: &mut Model) {
	for who in 0..AGENTS.len() {
		outside(model, Op::SetInactive { who, inactive: true });
	}
	let mut ends: Vec<_> =
		model.deals.keys().map(|id| (Escrow::deadlines(*id).unwrap().ends, *id)).collect();
	ends.sort_unstable();
	for (last, id) in ends {
		let said = Escrow::deadlines(id).unwrap();
		let refuses = |row: &Deadline| row.to_seller == REFUSED_GROSS;
		if said.milestones.iter().any(refuses) {
			continue;
		}
		let blocks = last.saturating_sub(model.now);
		outside(model, Op::Wait { blocks });
		let before = model.deals[&id].sums;
		let deal = model.deals.keys().position(|other| *other == id).unwrap();
		if deal != 11 {
			apply(model, Op::Poke { deal });
			let sums = outcome(id).sums;
			let sum =
				|of: fn(&Deadline) -> Balance| said.milestones.iter().map(of).sum::<Balance>();
			assert_eq!(sums.released - before.released, sum(|row| row.to_seller));
			assert_eq!(sums.refunded - before.refunded, sum(|row| row.to_buyer));
			assert_eq!(sums.penalties - before.penalties, sum(|row| row.penalty));
		}
	}
}

fn run(ops: Vec<Op>) -> Model {
	let mut model = Model::new();
	for op in ops {
		apply(&mut model, op);
	}
	fall_silent(&mut model);
	model
}

#[test]
fn sequences_should_reach_every_event_and_nearly_every_error() {
	use proptest::{strategy::ValueTree, test_runner::TestRunner};
	let mut runner = TestRunner::deterministic();
	let strategy = prop::collection::vec(op(), 100..120);
	let mut seen = BTreeSet::new();
	for _ in 0..150 {
		let ops = strategy.new_tree(&mut runner).unwrap().current();
		new_test_ext().execute_with(|| seen.extend(run(ops).seen));
	}
	for name in [
		"Event::Committed",
		"Event::OfferWithdrawn",
		"Event::OffersSuperseded",
		"Event::Delivered",
		"Event::Revealed",
		"Event::PartReleased",
		"Event::ChangesRequested",
		"Event::Disputed",
		"Event::Ruled",
		"Event::ArbiterPaid",
		"Event::Answered",
		"Event::Extended",
		"Event::Forgotten",
		"Released",
		"Expired",
		"Resolved",
		"Completed",
		"Cancelled",
		"Voided",
	] {
		assert!(seen.contains(name), "{name} was never seen: {seen:?}");
	}
	let errors = seen.iter().filter(|name| name.starts_with("Module"));
	assert!(errors.clone().count() >= 38, "{} errors: {seen:?}", errors.count());
}

proptest! {
	#![proptest_config(config(256))]

	#[test]
	fn every_sequence_of_calls_should_do_what_the_model_does(
		ops in prop::collection::vec(op(), 1..120),
	) {
		new_test_ext().execute_with(|| _ = run(ops));
	}
}
