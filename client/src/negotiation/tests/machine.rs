//! One path each.

use super::*;

fn run(buyer: Config, seller: Config) -> World {
	let mut world = World::new(buyer, seller);
	world.open();
	world.run();
	world.block();
	world
}

fn denied(world: &mut World, side: Side) -> (Side, DenyReason, Option<BlockNumber>) {
	match world.outcome(side) {
		Some(Outcome::Denied { by, reason, retry_at, .. }) => (by, reason, retry_at),
		other => panic!("not denied: {other:?}"),
	}
}

#[test]
fn sides_whose_ranges_overlap_should_agree_in_between() {
	let mut world = run(buyer(), seller());
	let price = world.deal().unwrap();
	assert!((1_400..=1_500).contains(&price), "{price}");
	let root = world.sides[0].transcript().state().head();
	assert_eq!(world.chain.transcript, Some(root.into()));
	assert_eq!(world.sides[0].transcript(), world.sides[1].transcript());
}

#[test]
fn sides_whose_ranges_do_not_overlap_should_not_agree() {
	let seller = config(Side::Seller, linear(Side::Seller, 2_000, 1_501));
	let mut world = run(buyer(), seller);
	assert_eq!(world.deal(), None);
	let said = denied(&mut world, Side::Buyer);
	assert_eq!(said, denied(&mut world, Side::Seller));
	assert_eq!(said.1, DenyReason::Price);
}

#[test]
fn an_ultimatum_should_be_taken_if_one_can_live_with_it() {
	for (limit, deal) in [(1_400, Some(1_400)), (1_399, None)] {
		let seller = config(Side::Seller, linear(Side::Seller, 1_400, 1_400));
		let buyer = config(Side::Buyer, linear(Side::Buyer, 1_000, limit));
		let mut world = run(buyer, Config { rounds: 1, ..seller });
		assert_eq!(world.deal(), deal);
	}
}

#[test]
fn operators_should_be_asked_beyond_the_threshold() {
	let buyer = Config { threshold: Some(1_200), ..buyer() };
	let mut world = run(buyer.clone(), seller());
	let (side, question) = world.asked.pop().unwrap();
	let Question::Offer { proposal, .. } = &question else { panic!("{question:?}") };
	assert!(side == Side::Buyer && proposal.price > 1_200);
	assert_eq!(world.sides[0].question(), Some(&question));
	// The other side was told, and waits.
	let turn = world.sides[1].transcript().state().turn().clone();
	assert!(matches!(turn, Turn::Asked { side: Side::Buyer, .. }));
	let price = proposal.price;
	world.handle(Side::Buyer, Input::Decision(Decision::Approve)).unwrap();
	let (_, bytes) = world.wire.last().unwrap();
	let quote = Signed::parse(bytes).unwrap().message.body.quote().unwrap().clone();
	assert_eq!(quote.offer.total(), Some(price));
	// Every higher price is asked about again.
	while world.outcome(Side::Buyer).is_none() {
		world.run();
		world.block();
		if world.asked.pop().is_some() {
			world.handle(Side::Buyer, Input::Decision(Decision::Approve)).unwrap();
		}
	}
	assert!(world.deal().is_some());
	assert!(world.sides[0].kept().notes.approved > 1_200);
}

#[test]
fn an_operator_should_be_able_to_allow_more_once_and_for_all() {
	let mut world = run(Config { threshold: Some(0), ..buyer() }, seller());
	assert_eq!(world.asked.len(), 1);
	// Less than what was asked for is no answer.
	let too_little = world.handle(Side::Buyer, Input::Decision(Decision::Allow(1)));
	assert!(matches!(too_little, Err(Rejection::Violation(_))), "{too_little:?}");
	assert!(world.sides[0].question().is_some());
	world.handle(Side::Buyer, Input::Decision(Decision::Allow(1_500))).unwrap();
	world.run();
	world.block();
	assert!(world.deal().is_some());
	assert_eq!(world.asked.len(), 1);
}

#[test]
fn a_threshold_should_hold_for_what_is_taken_too() {
	let fixed = |side, aim, limit| {
		config(side, Arc::new(FixedRule { range: range(side, aim, limit), step: 0 }))
	};
	let buyer = Config { threshold: Some(1_399), ..fixed(Side::Buyer, 1_400, 1_500) };
	let mut world = run(buyer, fixed(Side::Seller, 1_400, 1_400));
	let (side, question) = world.asked.remove(0);
	assert!(matches!(&question, Question::Accept { proposal, .. } if proposal.price == 1_400));
	assert_eq!((side, world.deal_is_open()), (Side::Buyer, true));
	world.handle(Side::Buyer, Input::Decision(Decision::Refuse)).unwrap();
	world.run();
	assert_eq!(denied(&mut world, Side::Seller).1, DenyReason::Operator);
}

impl World {
	fn deal_is_open(&mut self) -> bool {
		[Side::Buyer, Side::Seller].iter().all(|side| self.outcome(*side).is_none())
	}
}

#[test]
fn a_sellers_threshold_should_be_about_its_bond() {
	// The bond is a tenth of the price: the penalties are more than five percent.
	for (threshold, asked) in [(200, 0), (199, 1)] {
		let seller = Config { threshold: Some(threshold), ..seller() };
		let (world, _) = match asked {
			0 => offered(buyer(), seller),
			_ => {
				let mut world = World::new(buyer(), seller);
				world.open();
				let (_, request) = world.wire.remove(0);
				world.handle(Side::Seller, Input::Message(request.clone())).unwrap();
				(world, Signed::parse(&request).unwrap())
			},
		};
		assert_eq!(world.asked.len(), asked);
	}
}

#[test]
fn an_operator_that_is_silent_should_end_it_within_a_bound() {
	let buyer = Config { threshold: Some(1), deadline: START + 50, ..buyer() };
	let mut world = run(buyer, seller());
	let until = match world.sides[1].transcript().state().turn() {
		Turn::Asked { until, .. } => *until,
		turn => panic!("{turn:?}"),
	};
	assert_eq!(until, START + 50);
	while world.chain.now < until {
		world.block();
		assert!(world.deal_is_open());
	}
	world.block();
	world.run();
	for side in [Side::Buyer, Side::Seller] {
		assert_eq!(denied(&mut world, side).1, DenyReason::Operator);
	}
}

#[test]
fn no_deal_should_end_as_configured() {
	let dear = config(Side::Seller, linear(Side::Seller, 2_000, 1_600));
	let mut world = run(Config { no_deal: NoDeal::Post { after: 500 }, ..buyer() }, dear.clone());
	let (by, _, retry_at) = denied(&mut world, Side::Seller);
	if by == Side::Buyer {
		let at = retry_at.unwrap();
		assert!(world.done.contains(&(Side::Buyer, Action::Post { at })));
	}
	// The seller has one round: its last offer leaves the buyer to say that there is none.
	let firm = Config { rounds: 1, ..dear.clone() };
	let post = Config { no_deal: NoDeal::Post { after: 500 }, ..buyer() };
	let mut world = run(post, firm.clone());
	let (by, reason, retry_at) = denied(&mut world, Side::Seller);
	assert_eq!((by, reason), (Side::Buyer, DenyReason::Price));
	let at = retry_at.unwrap();
	assert!(world.done.contains(&(Side::Buyer, Action::Post { at })));
	// Asked, the operator may take what is beyond the limits,
	let escalate = Config { no_deal: NoDeal::Escalate, ..buyer() };
	let mut world = run(escalate.clone(), firm.clone());
	let (_, question) = world.asked.remove(0);
	assert_eq!(question, Question::NoDeal { theirs: Some(proposal(1_600)) });
	let mut other = world.clone();
	world.handle(Side::Buyer, Input::Decision(Decision::Approve)).unwrap();
	world.run();
	world.block();
	assert_eq!(world.deal(), Some(1_600));
	// or offer something else.
	let counter = Decision::Counter { proposal: proposal(1_650), last: true };
	other.handle(Side::Buyer, Input::Decision(counter)).unwrap();
	other.run();
	other.block();
	assert_eq!(other.deal(), Some(1_650));
}

#[test]
fn plans_beyond_the_limits_should_be_denied() {
	let mut plan = plan();
	plan.milestones[0].penalty_ppm = 200_000;
	let buyer = Config { plan: PlanRule::Own { plan, terms: terms() }, ..buyer() };
	let mut world = run(buyer, seller());
	assert_eq!(denied(&mut world, Side::Buyer), (Side::Seller, DenyReason::Terms, None));
	// A side with a plan of its own takes no other.
	let mut other = super::plan();
	other.bond_ppm = 1;
	let own = |plan| Config { plan: PlanRule::Own { plan, terms: terms() }, ..seller() };
	let mut world = run(super::buyer(), own(other));
	assert_eq!(denied(&mut world, Side::Buyer).1, DenyReason::Terms);
	assert!(run(super::buyer(), own(super::plan())).deal().is_some());
}

#[test]
fn an_offer_that_departs_from_the_plan_should_be_denied_or_asked_about() {
	let change = |quote: &mut Quote| quote.offer.bond += 1;
	let (mut world, offer) = offered(buyer(), seller());
	world.handle(Side::Buyer, wire(&reoffered(&offer, change))).unwrap();
	let said = Signed::parse(&world.wire[0].1).unwrap();
	assert!(matches!(said.message.body, Body::Deny { reason: DenyReason::Terms, .. }));
	let escalate = Config { no_deal: NoDeal::Escalate, ..buyer() };
	let (mut world, offer) = offered(escalate, seller());
	world.handle(Side::Buyer, wire(&reoffered(&offer, change))).unwrap();
	let (_, question) = &world.asked[0];
	assert!(matches!(question, Question::Clauses { departure: Departure::Bond, .. }));
}

#[test]
fn an_offer_that_ends_too_soon_should_not_be_taken() {
	let cheap = config(Side::Seller, linear(Side::Seller, 900, 900));
	let (mut world, offer) = offered(buyer(), cheap.clone());
	let until = offer.message.body.quote().unwrap().offer.valid_until;
	let margin = buyer().margin;
	let mut late = world.clone();
	world.handle(Side::Buyer, Input::Tick(until - margin)).unwrap();
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	assert!(matches!(world.done.last(), Some((Side::Buyer, Action::Commit { .. }))));
	late.handle(Side::Buyer, Input::Tick(until - margin + 1)).unwrap();
	late.handle(Side::Buyer, wire(&offer)).unwrap();
	assert!(late.done.is_empty());
	let said = Signed::parse(&late.wire.last().unwrap().1).unwrap();
	assert!(matches!(said.message.body, Body::Counter(_)));
}

#[test]
fn silence_should_end_a_negotiation_when_nothing_can_be_committed_any_more() {
	// Nobody answers the request.
	let mut world = World::new(Config { deadline: START + 20, ..buyer() }, seller());
	world.open();
	for now in START..=START + 20 {
		world.handle(Side::Buyer, Input::Tick(now)).unwrap();
		assert_eq!(world.outcome(Side::Buyer), None);
	}
	world.handle(Side::Buyer, Input::Tick(START + 21)).unwrap();
	assert_eq!(world.outcome(Side::Buyer), Some(Outcome::Expired));
	// Nobody answers the offer.
	let (mut world, offer) = offered(buyer(), seller());
	let until = offer.message.body.quote().unwrap().offer.valid_until;
	world.handle(Side::Seller, Input::Tick(until)).unwrap();
	assert_eq!(world.outcome(Side::Seller), None);
	world.handle(Side::Seller, Input::Tick(until + 1)).unwrap();
	assert_eq!(world.outcome(Side::Seller), Some(Outcome::Expired));
	// What comes too late changes nothing.
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	let (_, counter) = world.wire.pop().unwrap();
	let counter = Signed::parse(&counter).unwrap();
	assert_eq!(rejection(&mut world, Side::Seller, &counter), Rejection::Ended);
}

#[test]
fn what_was_accepted_and_not_committed_should_come_to_nothing() {
	let cheap = config(Side::Seller, linear(Side::Seller, 900, 900));
	let (mut world, offer) = offered(buyer(), cheap);
	// The chain does not take it.
	world.chain.refuses = true;
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	world.run();
	let until = offer.message.body.quote().unwrap().offer.valid_until;
	while world.chain.now < until {
		world.block();
		assert!(world.deal_is_open());
	}
	world.block();
	assert_eq!(world.deal(), None);
}

#[test]
fn an_acceptance_that_was_lost_should_be_learned_from_the_chain() {
	let cheap = config(Side::Seller, linear(Side::Seller, 900, 900));
	let (mut world, offer) = offered(buyer(), cheap);
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	world.wire.clear();
	world.block();
	assert_eq!(world.deal(), Some(900));
}

#[test]
fn an_offer_should_be_withdrawn_on_chain() {
	let (mut world, offer) = offered(buyer(), seller());
	world.handle(Side::Seller, Input::Decision(Decision::Withdraw)).unwrap();
	assert_eq!(world.done, [(Side::Seller, Action::Withdraw { round: 1 })]);
	assert!(world.sides[1].kept().notes.withdrawing);
	// Not before the chain says so.
	assert_eq!(world.outcome(Side::Seller), None);
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	world.block();
	let withdrawn = Outcome::Withdrawn { by: Side::Seller };
	assert_eq!(world.outcome(Side::Seller), Some(withdrawn));
	// The buyer has countered: that offer of its own still stands.
	assert_eq!(world.outcome(Side::Buyer), None);
	// Where the counter comes first, it is denied.
	let (mut world, offer) = offered(buyer(), seller());
	world.handle(Side::Seller, Input::Decision(Decision::Withdraw)).unwrap();
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	world.run();
	assert_eq!(denied(&mut world, Side::Buyer), (Side::Seller, DenyReason::Withdrawn, None));
	// A request binds nobody, and whoever has the turn says so.
	let mut world = World::new(buyer(), seller());
	world.open();
	world.handle(Side::Buyer, Input::Decision(Decision::Withdraw)).unwrap();
	assert_eq!(world.outcome(Side::Buyer), Some(Outcome::Withdrawn { by: Side::Buyer }));
	let mut world = run(Config { threshold: Some(1), ..buyer() }, seller());
	world.handle(Side::Buyer, Input::Decision(Decision::Withdraw)).unwrap();
	world.run();
	assert_eq!(denied(&mut world, Side::Seller).1, DenyReason::Withdrawn);
}

#[test]
fn a_refused_offer_that_is_committed_nonetheless_should_be_superseded() {
	let (mut world, offer) = offered(buyer(), seller());
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	let (_, counter) = world.wire.remove(0);
	world.handle(Side::Seller, Input::Message(counter.clone())).unwrap();
	// The buyer has countered and commits what it refused by that. In between, the seller has countered again.
	let digest = offer.message.body.quote().unwrap().offer.digest(&parties().domain());
	world.done.clear();
	world.handle(Side::Seller, Input::Chain(Fact::Committed { agreement: digest })).unwrap();
	let supersede = world.done.iter().find_map(|(_, action)| match action {
		Action::Supersede { agreement, offer, .. } => Some((*agreement, offer.round)),
		_ => None,
	});
	assert_eq!(supersede, Some((digest, 2)));
	assert_eq!(world.outcome(Side::Seller), Some(Outcome::Agreed { agreement: digest }));
	world.handle(Side::Seller, Input::Chain(Fact::Voided { agreement: digest })).unwrap();
	let voided = Some(Outcome::Voided { agreement: digest });
	assert_eq!(world.outcome(Side::Seller), voided);
	world.handle(Side::Seller, Input::Chain(Fact::Committed { agreement: digest })).unwrap();
	assert_eq!(world.outcome(Side::Seller), voided);
}

#[test]
fn negotiations_should_begin_now_and_offers_end_while_the_chain_takes_them() {
	let mut late = negotiator(seller());
	let mut ahead = Negotiator::new(buyer(), START + OPENING_DRIFT + 1).unwrap();
	let request = sent(&ahead.open().unwrap());
	let sent_at = START + OPENING_DRIFT + 1;
	let future = Rejection::Future { sent: sent_at, now: START };
	assert_eq!(late.handle(wire(&request)), Err(future));
	late.handle(Input::Tick(START + 1)).unwrap();
	sent(&late.handle(wire(&request)).unwrap());
	// Thirty days after the beginning is the end, however long offers are to be valid.
	let longest = stoa_primitives::agreement::MAX_VALIDITY;
	let long = Config { validity: longest, deadline: u32::MAX, ..seller() };
	let request = sent(&negotiator(buyer()).open().unwrap());
	let mut seller = negotiator(long);
	seller.handle(Input::Tick(START + 50)).unwrap();
	let offer = sent(&seller.handle(wire(&request)).unwrap());
	let offer = offer.message.body.quote().unwrap().offer.clone();
	assert_eq!(offer.valid_until, START + longest);
}

#[test]
fn a_request_that_is_backdated_should_get_no_better_offer() {
	// Sent, as it says, when the seller's time would be all but over.
	let aged = |age| {
		let ahead = Negotiator::new(buyer(), START).unwrap().open().unwrap();
		let mut seller = Negotiator::new(Config { deadline: START + age + 300, ..seller() }, START);
		let seller = seller.as_mut().unwrap();
		seller.handle(Input::Tick(START + age)).unwrap();
		seller.handle(wire(&sent(&ahead))).map(|actions| {
			sent(&actions).message.body.quote().map(|quote| (quote.offer.total(), quote.last))
		})
	};
	for age in [0, 290, OPENING_AGE] {
		assert_eq!(aged(age), Ok(Some((Some(2_000), false))), "{age}");
	}
	let now = START + OPENING_AGE + 1;
	assert_eq!(aged(OPENING_AGE + 1), Err(Rejection::Old { sent: START, now }));
	// What nobody waits for any more is not answered either.
	let over = forged(
		&sent(&negotiator(buyer()).open().unwrap()),
		&AgentKey::from(key(Side::Buyer)),
		|message| match &mut message.body {
			Body::Request { expires, .. } => *expires = START,
			other => panic!("{other:?}"),
		},
	);
	let mut late = negotiator(seller());
	late.handle(Input::Tick(START + 1)).unwrap();
	let old = Rejection::Old { sent: START, now: START + 1 };
	assert_eq!(late.handle(wire(&over)), Err(old));
}

#[test]
fn whoever_denies_should_know_until_when_its_own_offers_bind() {
	// The buyer has made offers, the seller has refused them all, and the buyer denies the last one.
	let mut world = run(buyer(), config(Side::Seller, linear(Side::Seller, 9_000, 8_000)));
	let until = |world: &World| {
		let own = world.sides[0].transcript().messages().filter_map(|it| it.message.body.quote());
		let own = own.filter(|quote| quote.offer.by == Side::Buyer);
		own.map(|quote| quote.offer.valid_until).max().unwrap()
	};
	let until = until(&world);
	let outcome = world.outcome(Side::Buyer);
	assert!(
		matches!(outcome, Some(Outcome::Denied { by: Side::Buyer, exposed_until: Some(at), .. }) if at == until),
		"{outcome:?}"
	);
}

#[test]
fn a_commit_should_be_tried_again_until_the_offer_ends() {
	// Whoever accepts is killed before its commit is on chain.
	let eager = config(Side::Buyer, linear(Side::Buyer, 2_000, 2_500));
	let (mut world, offer) = offered(eager.clone(), seller());
	let accepted = world.side(Side::Buyer).handle(wire(&offer)).unwrap();
	let commit = accepted.iter().find(|action| matches!(action, Action::Commit { .. })).unwrap();
	let kept = world.sides[0].kept();
	let mut again = Negotiator::restore(eager, kept, START).unwrap();
	assert_eq!(again.handle(Input::Tick(START + 1)), Ok(Vec::new()));
	let until = offer.message.body.quote().unwrap().offer.valid_until;
	for block in [START + again.config().patience, until] {
		let actions = again.handle(Input::Tick(block)).unwrap();
		assert_eq!(actions.last(), Some(commit), "{block}");
	}
	let over = again.handle(Input::Tick(until + 1)).unwrap();
	assert_eq!(over, [Action::End(Outcome::Expired)]);
}

#[test]
fn an_agreement_of_a_refused_offer_should_be_undone_also_after_a_restart() {
	let (mut world, first) = offered(buyer(), seller());
	world.handle(Side::Buyer, wire(&first)).unwrap();
	let (_, counter) = world.wire.remove(0);
	world.handle(Side::Seller, Input::Message(counter.clone())).unwrap();
	// The buyer commits what it has answered by a counter.
	let committed = first.message.body.quote().unwrap().offer.clone();
	let agreement = committed.digest(&parties().domain());
	let fact = Input::Chain(Fact::Committed { agreement });
	let actions = world.side(Side::Seller).handle(fact).unwrap();
	let undoing = actions.first().unwrap().clone();
	let Action::Supersede { offer, .. } = &undoing else { panic!("{actions:?}") };
	let quote = Signed::parse(&counter).unwrap().message.body.quote().unwrap().clone();
	assert_eq!(**offer, quote.offer);
	// The process is killed before that is on chain.
	let kept = world.sides[1].kept();
	let mut again = Negotiator::restore(seller(), kept, START).unwrap();
	assert_eq!(again.handle(Input::Tick(START + 1)), Ok(vec![undoing.clone()]));
	let own = again.transcript().messages().filter_map(|signed| signed.message.body.quote());
	let own = own.filter(|quote| quote.offer.by == Side::Seller);
	let until = own.map(|quote| quote.offer.valid_until).max().unwrap();
	let last = until + stoa_primitives::agreement::VOID_WINDOW;
	let mut late = again.clone();
	assert_eq!(late.handle(Input::Tick(last)), Ok(vec![undoing]));
	assert_eq!(late.handle(Input::Tick(last + 1)), Ok(Vec::new()));
	again.handle(Input::Chain(Fact::Voided { agreement })).unwrap();
	assert_eq!(again.handle(Input::Tick(START + 2)), Ok(Vec::new()));
}

#[test]
fn the_chain_should_have_the_last_word_after_a_denial() {
	let firm = Config { rounds: 1, ..config(Side::Seller, linear(Side::Seller, 1_600, 1_600)) };
	let mut world = run(buyer(), firm);
	let standing = world.sides[1].transcript().state().standing().unwrap().clone();
	let until = standing.offer.valid_until;
	let outcome = world.outcome(Side::Seller);
	assert!(
		matches!(outcome, Some(Outcome::Denied { exposed_until: Some(at), .. }) if at == until)
	);
	let agreement = standing.digest;
	world.handle(Side::Seller, Input::Chain(Fact::Committed { agreement })).unwrap();
	assert_eq!(world.outcome(Side::Seller), Some(Outcome::Agreed { agreement }));
}

#[test]
fn locks_should_be_the_sellers_and_stay() {
	let mut plan = plan();
	plan.milestones[1] = Part { locked: true, changes: 0, ..plan.milestones[1].clone() };
	let buyer = Config { plan: PlanRule::Own { plan, terms: terms() }, ..buyer() };
	let limits = PlanLimits { locked: true, ..super::super::plan::tests::limits() };
	let seller = Config { plan: PlanRule::Theirs(limits), ..seller() };
	let mut world = run(buyer.clone(), Config { locks: vec![[6; 32]], ..seller.clone() });
	assert!(world.deal().is_some());
	for side in [Side::Buyer, Side::Seller] {
		let offer = &world.sides[0].transcript().state().offer_of(side).unwrap().offer;
		assert_eq!(offer.milestones[1].lock, Some([6; 32]));
	}
	// Another lock than the seller's own is none of the plan.
	let locked = Config { locks: vec![[6; 32]], ..seller.clone() };
	let (mut world, offer) = offered(buyer.clone(), locked);
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	let (_, counter) = world.wire.remove(0);
	let relocked = reoffered(&Signed::parse(&counter).unwrap(), |quote| {
		quote.offer.milestones[1].lock = Some([7; 32]);
	});
	world.handle(Side::Seller, wire(&relocked)).unwrap();
	assert_eq!(denied(&mut world, Side::Seller).1, DenyReason::Terms);
	// A seller without a lock has nothing to offer.
	let mut world = run(buyer, seller);
	assert_eq!(denied(&mut world, Side::Buyer).0, Side::Seller);
}

#[test]
fn machines_should_be_refused_configurations_that_make_no_sense() {
	let error = |change: fn(&mut Config)| {
		let mut config = buyer();
		change(&mut config);
		Negotiator::new(config, START).unwrap_err()
	};
	assert_eq!(error(|c| c.peer = account(Side::Buyer)), ConfigError::SameParty);
	assert_eq!(error(|c| c.side = Side::Seller), ConfigError::Side);
	assert_eq!(error(|c| c.rounds = 0), ConfigError::Rounds);
	assert_eq!(error(|c| c.rounds = 33), ConfigError::Rounds);
	assert_eq!(error(|c| c.validity = c.margin), ConfigError::Validity);
	assert_eq!(error(|c| c.validity = u32::MAX), ConfigError::Validity);
	let kept = negotiator(seller()).kept();
	let other = Negotiator::restore(buyer(), kept, START).unwrap_err();
	assert_eq!(other, ConfigError::OtherNegotiation);
	assert_eq!(negotiator(seller()).open(), Err(Rejection::NoPlan));
	let mut opened = negotiator(buyer());
	opened.open().unwrap();
	assert!(matches!(opened.open(), Err(Rejection::Violation(_))));
	let undecided = opened.handle(Input::Decision(Decision::Approve));
	assert_eq!(undecided, Err(Rejection::NoQuestion));
}

#[test]
fn the_last_round_of_all_should_be_a_last_offer() {
	let many = |config: Config| Config { rounds: 32, ..config };
	let slow = |side, aim, limit| {
		many(config(side, Arc::new(FixedRule { range: range(side, aim, limit), step: 0 })))
	};
	let mut world = run(slow(Side::Buyer, 1_000, 1_400), slow(Side::Seller, 2_000, 1_400));
	let price = world.deal();
	let rounds = world.sides[0].transcript().summary().rounds;
	assert_eq!((price, rounds), (Some(1_400), 63));
}
