//! Agreements with the real ledger, settlement and registry.

use super::*;
use frame_support::traits::GetCallName;
use pallet_stoa_agents::Error as AgentError;
use pallet_stoa_escrow::{Call, Error, Event, RECORD_PERIOD};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sp_runtime::Permill;
use std::collections::BTreeSet;
use stoa_primitives::{
	agent::{Scope, Scopes},
	agreement::{lock_of, Evidence, VOID_WINDOW},
	payload::{CancelConsent, ExtendConsent},
};

type Escrow = Call<Runtime>;

fn evidence() -> Evidence {
	let uri = b"https://evidence.example/1".to_vec();
	Evidence { digest: [8; 32], uri: uri.try_into().expect("a short URI") }
}

fn deliver(id: AgreementId, milestone: u32) -> Escrow {
	Call::deliver { id, milestone, evidence: evidence() }
}

fn dispute(id: AgreementId, milestone: u32) -> Escrow {
	Call::dispute { id, milestone, evidence: evidence() }
}

fn rule(id: AgreementId, percent: u32) -> Escrow {
	let share = Permill::from_percent(percent);
	Call::rule { id, milestone: 0, share, evidence: evidence() }
}

fn domain() -> Domain {
	Domain::agreements(genesis_hash())
}

fn sign(who: &Person, message: &[u8]) -> AgentSignature {
	AgentSignature::Account(who.pair.sign(message).into())
}

/// A buyer of Bob's with $1, a seller of Alice's with ten cents, an arbiter of Charlie's.
fn parties() -> (Person, Person, Person) {
	let buyer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
	let seller = Person::new(1).registered_by(&alice(), None).with_credits(&DUSD, DOLLAR / 10);
	let arbiter = Person::new(3).registered_by(&charlie(), None);
	(buyer, seller, arbiter)
}

/// With a bond of two cents, a penalty of one, and an arbiter for two cents.
fn judged(buyer: &Person, seller: &Person, arbiter: &Person) -> Offer {
	let mut offer = offer(buyer, seller);
	offer.milestones[0].penalty = DOLLAR / 100;
	offer.bond = DOLLAR / 50;
	let arbiters = vec![arbiter.account.clone()].try_into().expect("one arbiter");
	let fallback = Permill::from_percent(50);
	Offer { panel: Panel { arbiters, fee: DOLLAR / 50, turn: 150, fallback }, ..offer }
}

#[test]
fn an_agreement_should_settle_at_the_schedule_and_leave_a_record() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let offer = judged(&buyer, &seller, &arbiter);
		let quote = pallet_stoa_escrow::Pallet::<Runtime>::quote(offer.clone()).expect("it can be");
		let id = commit(&offer);
		assert_eq!(quote.id, id);
		assert_eq!(buyer.credits(&DUSD), DOLLAR * 9 / 10);
		assert_eq!(seller.credits(&DUSD), DOLLAR * 8 / 100);
		assert_eq!(Credits::solvency(DUSD).locked, DOLLAR * 12 / 100);
		ok(seller.origin(), deliver(id, 0));
		take_events();
		ok(buyer.origin(), Call::accept { id, milestone: 0 });
		let events = take_events();
		let settled = events.iter().find_map(|event| match event {
			RuntimeEvent::FeeSplit(pallet_stoa_fee_split::Event::Settled {
				gross, source, ..
			}) => Some((*gross, *source)),
			_ => None,
		});
		let source = stoa_primitives::money::Source::Agreement(id);
		assert_eq!(settled, Some((DOLLAR / 10, source)));
		assert!(matches!(events.last(), Some(RuntimeEvent::Escrow(Event::Ended { .. }))));
		assert_eq!(seller.credits(&DUSD), DOLLAR / 10 + DOLLAR / 10 * 85 / 100);
		assert_eq!(Credits::solvency(DUSD).locked, 0);
		let outcome = crate::Escrow::outcome(id).expect("it is kept");
		assert_eq!(outcome.sums.released, DOLLAR / 10);
		advance(RECORD_PERIOD + 1);
		ok(alice().origin(), Call::forget { negotiation: offer.key() });
		assert!(crate::Escrow::outcome(id).is_none());
	});
}

#[test]
fn a_ruling_should_pay_the_arbiter_and_divide_to_the_unit() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let id = commit(&judged(&buyer, &seller, &arbiter));
		ok(seller.origin(), deliver(id, 0));
		ok(buyer.origin(), dispute(id, 0));
		refused(arbiter.origin(), rule(id, 25), Error::<Runtime>::TooEarlyToRule);
		ok(seller.origin(), Call::answer { id, milestone: 0, evidence: evidence() });
		refused(seller.origin(), rule(id, 100), Error::<Runtime>::NotInTheSeat);
		ok(arbiter.origin(), rule(id, 25));
		assert_eq!(arbiter.credits(&DUSD), DOLLAR / 50);
		// A quarter of ten cents, less fees; three quarters of penalty and fee out of the bond, of which
		// no more is left than half a cent for the latter.
		let sums = crate::Escrow::outcome(id).expect("it is kept").sums;
		let cent = DOLLAR / 100;
		assert_eq!((sums.released, sums.refunded), (cent * 10 / 4, cent * 30 / 4));
		assert_eq!((sums.penalties, sums.costs_of_seller), (cent * 3 / 4, cent * 5 / 4));
		assert_eq!(buyer.credits(&DUSD), DOLLAR - 2 * cent - sums.released + 2 * cent);
		assert_eq!(Credits::solvency(DUSD).locked, 0);
	});
}

#[test]
fn silence_should_end_agreements_of_agents_that_are_gone() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let of = |n: u8| Offer { negotiation: [n; 32], ..judged(&buyer, &seller, &arbiter) };
		let ids = [1, 2, 3].map(|n| commit(&of(n)));
		for id in &ids[1..] {
			ok(seller.origin(), deliver(*id, 0));
		}
		ok(buyer.origin(), dispute(ids[2], 0));
		for (operator, agent) in [(alice(), &seller), (bob(), &buyer), (charlie(), &arbiter)] {
			let agent = agent.account.clone();
			ok(operator.origin(), pallet_stoa_agents::Call::retire { agent });
		}
		let ends = |id| crate::Escrow::deadlines(id).expect("it runs").ends;
		let mut in_time = ids.map(|id| (ends(id), id));
		in_time.sort_unstable();
		for (ends, id) in in_time {
			System::set_block_number(ends - 1);
			refused(ferdie().origin(), Call::poke { id }, Error::<Runtime>::NothingDue);
			System::set_block_number(ends);
			ok(ferdie().origin(), Call::poke { id });
		}
		let released = ids.map(|id| crate::Escrow::outcome(id).expect("it is kept").sums.released);
		assert_eq!(released, [0, DOLLAR / 10, DOLLAR / 20]);
		assert_eq!(Credits::solvency(DUSD).locked, 0);
	});
}

#[test]
fn only_the_scope_for_offers_should_bind_an_agent() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let offer = judged(&buyer, &seller, &arbiter);
		let key = VoucherKey::ed25519(21);
		let add = |scope| {
			let (agent, key) = (seller.account.clone(), key.key());
			let scopes = Scopes::NONE.with(scope);
			ok(
				alice().origin(),
				pallet_stoa_agents::Call::add_key { agent, key, scopes, expires_at: 100 },
			);
		};
		let commit = |message: &[u8]| Call::commit {
			offer: Box::new(offer.clone()),
			signature: AgentSignature::Delegate { key: key.key(), signature: key.sign(message) },
			transcript: Hash::zero(),
		};
		let digest = offer.digest(&domain());
		refused(buyer.origin(), commit(&digest), AgentError::<Runtime>::KeyNotFound);
		add(Scope::Voucher);
		refused(buyer.origin(), commit(&digest), AgentError::<Runtime>::ScopeMissing);
		let agent = seller.account.clone();
		ok(alice().origin(), pallet_stoa_agents::Call::remove_key { agent, key: key.key() });
		add(Scope::Offer);
		let foreign = offer.digest(&Domain::agreements(Hash::repeat_byte(9)));
		refused(buyer.origin(), commit(&foreign), AgentError::<Runtime>::SignatureInvalid);
		ok(buyer.origin(), commit(&digest));
	});
}

#[test]
fn both_sides_should_extend_and_cancel() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let id = commit(&judged(&buyer, &seller, &arbiter));
		let consent =
			ExtendConsent { agreement: id, milestone: 0, deliver_by: 500, sequence: 0, expires: 9 };
		let signature = sign(&buyer, &consent.to_bytes(&domain()));
		ok(seller.origin(), Call::extend { consent, signature });
		let consent = CancelConsent { agreement: id, seller: 40_000, sequence: 1, expires: 9 };
		let signature = sign(&seller, &consent.to_bytes(&domain()));
		ok(buyer.origin(), Call::cancel { consent, signature });
		assert_eq!(buyer.credits(&DUSD), DOLLAR - 40_000);
		assert_eq!(seller.credits(&DUSD), DOLLAR / 10 + 34_000);
	});
}

#[test]
fn parties_should_not_share_an_operator_with_each_other_or_an_arbiter() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let sibling = Person::new(4).registered_by(&alice(), None);
		let refuses = |offer: Offer, error: Error<Runtime>| {
			let quote = crate::Escrow::quote(offer);
			assert_eq!(quote.unwrap_err(), error.into());
		};
		let with = |buyer: &Person, arbiter: &Person| judged(buyer, &seller, arbiter);
		refuses(with(&sibling, &arbiter), Error::SameOperator);
		// The seller's operator itself, which is no agent, answers for itself.
		refuses(with(&alice(), &arbiter), Error::SameOperator);
		refuses(with(&buyer, &sibling), Error::ArbiterNotIndependent);
	});
}

#[test]
fn a_stopped_agent_should_buy_nothing_and_leave_all_the_same() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let id = commit(&judged(&buyer, &seller, &arbiter));
		let agent = || buyer.account.clone();
		ok(bob().origin(), pallet_stoa_agents::Call::pause { agent: agent() });
		let next = || Offer { negotiation: [2; 32], ..judged(&buyer, &seller, &arbiter) };
		let refusal = crate::Escrow::quote(next()).unwrap_err();
		assert_eq!(refusal, AgentError::<Runtime>::Paused.into());
		ok(buyer.origin(), Call::release { id, milestone: 0, amount: DOLLAR / 10 });
		ok(bob().origin(), pallet_stoa_agents::Call::retire { agent: agent() });
		assert_eq!(
			crate::Escrow::quote(next()).unwrap_err(),
			AgentError::<Runtime>::Retired.into()
		);
		// Bob himself is no agent, and can buy.
		let offer = Offer { buyer: bob().account, ..next() };
		let refusal = crate::Escrow::quote(offer).unwrap_err();
		assert_eq!(refusal, Error::<Runtime>::BuyerCannotPay.into());
	});
}

#[test]
fn e8_a_schedule_that_takes_effect_should_not_concern_what_runs() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let mut of = judged(&buyer, &seller, &arbiter);
		of.milestones[0].deliver_within = 30 * stoa_primitives::DAYS;
		let id = commit(&of);
		let percent = Permill::from_percent;
		let (provider, platform, referral) = (percent(80), percent(15), percent(5));
		let call = pallet_stoa_fee_split::Call::propose_schedule { provider, platform, referral };
		ok(root(), call);
		let release = |id, amount| Call::release { id, milestone: 0, amount };
		// Half before and half after the new one is in effect, by the old one both.
		ok(buyer.origin(), release(id, DOLLAR / 20));
		advance(15 * stoa_primitives::DAYS);
		let before = seller.credits(&DUSD);
		let next = commit(&Offer {
			negotiation: [2; 32],
			opened: System::block_number(),
			valid_until: System::block_number() + 100,
			..of
		});
		let schedules =
			[id, next].map(|id| crate::Escrow::agreement(id).expect("it runs").schedule);
		assert_eq!(schedules, [0, 1]);
		ok(buyer.origin(), release(id, DOLLAR / 20));
		// The bonds of two cents: that of the first is back, that of the other is locked.
		assert_eq!(seller.credits(&DUSD), before + DOLLAR / 20 * 85 / 100);
		ok(buyer.origin(), release(next, DOLLAR / 10));
		let all = DOLLAR / 20 * 85 / 100 + DOLLAR / 10 * 80 / 100 + DOLLAR / 50;
		assert_eq!(seller.credits(&DUSD), before + all);
	});
}

#[test]
fn e10_a_delegate_key_should_sign_for_its_own_side_alone() {
	run(|| {
		let (buyer, seller, arbiter) = parties();
		let id = commit(&judged(&buyer, &seller, &arbiter));
		let key = VoucherKey::ed25519(21);
		let by_key = |message: &[u8]| AgentSignature::Delegate {
			key: key.key(),
			signature: key.sign(message),
		};
		let (agent, expires_at) = (seller.account.clone(), 100);
		let scopes = Scopes::NONE.with(Scope::Offer);
		let add = pallet_stoa_agents::Call::add_key { agent, key: key.key(), scopes, expires_at };
		ok(alice().origin(), add);
		let consent =
			ExtendConsent { agreement: id, milestone: 0, deliver_by: 500, sequence: 0, expires: 9 };
		let extend = |message: &[u8]| Call::extend { consent, signature: by_key(message) };
		// A thief with the seller's key: not in the seller's name, which needs the buyer's signature, and
		// not in its own.
		let message = consent.to_bytes(&domain());
		refused(seller.origin(), extend(&message), AgentError::<Runtime>::KeyNotFound);
		refused(ferdie().origin(), extend(&message), Error::<Runtime>::NotParty);
		// With the buyer, who submits, it does what the seller can do, and once.
		ok(buyer.origin(), extend(&message));
		refused(buyer.origin(), extend(&message), Error::<Runtime>::SequenceNotNext);
		// Without the scope, or when it was removed, it signs nothing.
		let agent = seller.account.clone();
		ok(alice().origin(), pallet_stoa_agents::Call::remove_key { agent, key: key.key() });
		let consent = CancelConsent { agreement: id, seller: 0, sequence: 1, expires: 9 };
		let signature = by_key(&consent.to_bytes(&domain()));
		let cancel = Call::cancel { consent, signature };
		refused(buyer.origin(), cancel, AgentError::<Runtime>::KeyNotFound);
	});
}

#[test]
fn proxies_for_agents_should_lock_no_bond() {
	run(|| {
		use frame_support::traits::InstanceFilter;
		let (buyer, seller, arbiter) = parties();
		let allowed = |offer: Offer| {
			let signature = sign(&seller, &[]);
			let transcript = Hash::zero();
			let call = Call::commit { offer: Box::new(offer), signature, transcript };
			configs::ProxyType::Agent.filter(&call.into())
		};
		let bonded = judged(&buyer, &seller, &arbiter);
		assert!(allowed(bonded.clone()));
		assert!(!allowed(Offer { by: Side::Buyer, ..bonded }));
		assert!(allowed(Offer { by: Side::Buyer, ..offer(&buyer, &seller) }));
	});
}

#[test]
fn a_barter_should_take_two_keys() {
	run(|| {
		let (buyer, seller, _) = parties();
		let keys = [[9; 32], [10; 32]];
		let locked = |buyer: &Person, seller: &Person, key, deliver_within| {
			let mut offer = offer(buyer, seller);
			let milestone = &mut offer.milestones[0];
			milestone.lock = Some(lock_of(&key));
			(milestone.review, milestone.changes) = (0, 0);
			(milestone.amount, milestone.deliver_within) = (DOLLAR / 20, deliver_within);
			commit(&offer)
		};
		let there = locked(&buyer, &seller, keys[0], 50);
		let back = locked(&seller, &buyer, keys[1], 100);
		take_events();
		ok(seller.origin(), Call::reveal { id: there, milestone: 0, key: keys[0] });
		let revealed = take_events().into_iter().find_map(|event| match event {
			RuntimeEvent::Escrow(Event::Revealed { key, .. }) => Some(key),
			_ => None,
		});
		// What the first one has put on the chain pays for nothing of the second one's.
		let key = revealed.expect("the chain has seen it");
		refused(
			buyer.origin(),
			Call::reveal { id: back, milestone: 0, key },
			Error::<Runtime>::WrongKey,
		);
		ok(buyer.origin(), Call::reveal { id: back, milestone: 0, key: keys[1] });
		let share = DOLLAR / 20 * 85 / 100;
		assert_eq!(buyer.credits(&DUSD), DOLLAR - DOLLAR / 20 + share);
		assert_eq!(seller.credits(&DUSD), DOLLAR / 10 - DOLLAR / 20 + share);
	});
}

/// What can happen to an agreement.
#[derive(Clone, Copy, Debug)]
enum Step {
	Deliver,
	Reveal,
	Accept,
	Release(Balance),
	RequestChanges,
	Dispute(Side),
	Answer(Side),
	Rule(u32),
	Poke,
	Cancel(Balance),
	Extend,
	Supersede,
	Wait(BlockNumber),
}

fn steps() -> impl Strategy<Value = Vec<(usize, Step)>> {
	let side = || prop_oneof![Just(Side::Buyer), Just(Side::Seller)];
	let step = prop_oneof![
		6 => Just(Step::Deliver),
		1 => Just(Step::Reveal),
		1 => Just(Step::Accept),
		2 => (1..DOLLAR / 10).prop_map(Step::Release),
		3 => Just(Step::RequestChanges),
		4 => side().prop_map(Step::Dispute),
		2 => side().prop_map(Step::Answer),
		3 => (0..=100u32).prop_map(Step::Rule),
		2 => Just(Step::Poke),
		1 => (0..DOLLAR / 10).prop_map(Step::Cancel),
		1 => Just(Step::Extend),
		1 => Just(Step::Supersede),
		4 => prop_oneof![4 => 1..40u32, 1 => Just(100u32), 1 => Just(VOID_WINDOW)].prop_map(Step::Wait),
	];
	prop::collection::vec((0..3usize, step), 10..40)
}

/// Two that trade, an arbiter, and three agreements: by either side, and one under a lock.
struct Trade {
	buyer: Person,
	seller: Person,
	arbiter: Person,
	offers: [Offer; 3],
}

impl Trade {
	const KEY: [u8; 32] = [9; 32];

	fn new() -> Self {
		let (buyer, seller, arbiter) = parties();
		let plain = judged(&buyer, &seller, &arbiter);
		let mut locked = Offer { negotiation: [3; 32], ..plain.clone() };
		let milestone = &mut locked.milestones[0];
		milestone.lock = Some(lock_of(&Self::KEY));
		(milestone.review, milestone.changes) = (0, 0);
		let by_buyer = Offer { negotiation: [2; 32], by: Side::Buyer, ..plain.clone() };
		let offers = [plain, by_buyer, locked];
		offers.iter().for_each(|offer| _ = commit(offer));
		Self { buyer, seller, arbiter, offers }
	}

	fn person(&self, side: Side) -> &Person {
		match side {
			Side::Buyer => &self.buyer,
			Side::Seller => &self.seller,
		}
	}

	fn ids(&self) -> [AgreementId; 3] {
		self.offers.clone().map(|offer| offer.digest(&domain()))
	}

	/// Whether it can be done is the pallet's affair; the books are checked either way.
	fn perform(&self, index: usize, step: Step) {
		let (offer, id, milestone) = (&self.offers[index], self.ids()[index], 0);
		let (buyer, seller) = (self.buyer.origin(), self.seller.origin());
		let sequence = crate::Escrow::agreement(id).map_or(0, |view| view.sequence);
		let expires = System::block_number();
		let (by, call) = match step {
			Step::Deliver => (seller, deliver(id, 0)),
			Step::Reveal => (seller, Call::reveal { id, milestone, key: Self::KEY }),
			Step::Accept => (buyer, Call::accept { id, milestone }),
			Step::Release(amount) => (buyer, Call::release { id, milestone, amount }),
			Step::RequestChanges => {
				(buyer, Call::request_changes { id, milestone, evidence: evidence() })
			},
			Step::Dispute(side) => (self.person(side).origin(), dispute(id, 0)),
			Step::Answer(side) => {
				(self.person(side).origin(), Call::answer { id, milestone, evidence: evidence() })
			},
			Step::Rule(percent) => (self.arbiter.origin(), rule(id, percent)),
			Step::Poke => (ferdie().origin(), Call::poke { id }),
			Step::Cancel(amount) => {
				let consent = CancelConsent { agreement: id, seller: amount, sequence, expires };
				let signature = sign(&self.seller, &consent.to_bytes(&domain()));
				(buyer, Call::cancel { consent, signature })
			},
			Step::Extend => {
				let deliver_by = expires + 200;
				let consent =
					ExtendConsent { agreement: id, milestone, deliver_by, sequence, expires };
				let signature = sign(&self.buyer, &consent.to_bytes(&domain()));
				(seller, Call::extend { consent, signature })
			},
			Step::Supersede => {
				let (by, previous) = (offer.by.other(), Some(id));
				let counter = Offer { by, round: 2, previous, ..offer.clone() };
				let signature = sign(self.person(by), &counter.digest(&domain()));
				let call = Call::supersede { offer: Box::new(counter), signature };
				(self.person(offer.by).origin(), call)
			},
			Step::Wait(blocks) => return advance(blocks),
		};
		_ = dispatch(by, call);
	}

	/// Everybody is silent: what still runs ends in the block and with the amounts that it says.
	fn fall_silent(&self) {
		let ends = |id| crate::Escrow::deadlines(id).map(|said| (said.ends, id));
		let mut running: Vec<_> = self.ids().into_iter().filter_map(ends).collect();
		running.sort_unstable();
		for (last, id) in running {
			System::set_block_number(last.max(System::block_number()));
			let said = crate::Escrow::deadlines(id).expect("it runs").milestones[0];
			let before = crate::Escrow::agreement(id).expect("it runs").sums;
			ok(ferdie().origin(), Call::poke { id });
			let sums = crate::Escrow::outcome(id).expect("it is kept").sums;
			assert_eq!(sums.released - before.released, said.to_seller);
			assert_eq!(sums.refunded - before.refunded, said.to_buyer);
			assert_eq!(sums.penalties - before.penalties, said.penalty);
		}
	}

	/// What the outcomes say is where the money is, to the unit: the market has its fees of what was
	/// released, the arbiter has its own, and the two have the rest.
	fn settle_accounts(&self) {
		let percent = Permill::from_percent;
		let schedule = stoa_primitives::money::Schedule::new(percent(85), percent(10), percent(5));
		let schedule = schedule.expect("that of genesis");
		let (mut market, mut fees) = (0, 0);
		for id in self.ids() {
			let outcome = crate::Escrow::outcome(id).expect("it is kept");
			let sums = outcome.sums;
			assert_eq!(outcome.total, sums.released + sums.refunded + sums.costs_of_buyer);
			assert!(sums.penalties + sums.costs_of_seller <= outcome.bond);
			let shares = schedule.split(0, sums.released).expect("no more than a dollar");
			market += shares.platform + shares.referral;
			fees += sums.fees;
		}
		assert_eq!(Credits::solvency(DUSD).locked, 0);
		assert_eq!(self.arbiter.credits(&DUSD), fees);
		let left = self.buyer.credits(&DUSD) + self.seller.credits(&DUSD);
		assert_eq!(left, DOLLAR + DOLLAR / 10 - market - fees);
		advance(RECORD_PERIOD + 1);
		for offer in &self.offers {
			ok(ferdie().origin(), Call::forget { negotiation: offer.key() });
		}
	}
}

#[test]
fn every_sequence_of_calls_should_leave_the_books_exact() {
	let mut runner = TestRunner::deterministic();
	OUTCOMES.take();
	for _ in 0..100 {
		let sequence = steps().new_tree(&mut runner).expect("no filter").current();
		run(|| {
			let trade = Trade::new();
			for (index, step) in sequence {
				trade.perform(index, step);
			}
			trade.fall_silent();
			trade.settle_accounts();
		});
	}
	let done: BTreeSet<_> =
		OUTCOMES.take().into_iter().filter(|(_, is_ok)| *is_ok).map(|(name, _)| name).collect();
	for name in Escrow::get_call_names().iter().filter(|name| **name != "withdraw_offer") {
		assert!(done.contains(name), "{name} has never succeeded: {done:?}");
	}
}
