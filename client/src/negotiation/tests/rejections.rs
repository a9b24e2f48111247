//! What is not taken, and why.

use super::*;
use crate::keys::VoucherKey;

#[test]
fn messages_that_do_not_follow_should_be_rejected_with_the_reason() {
	let (mut world, offer) = offered(buyer(), seller());
	let world = &mut world;
	let seller = AgentKey::from(key(Side::Seller));
	let mut expect = |signed: &Signed, expected: Rejection| {
		assert_eq!(rejection(world, Side::Buyer, signed), expected);
	};
	let field = |name| Rejection::from(Violation::Field(name));
	// Foreign.
	expect(&forged(&offer, &seller, |m| m.chain = [8; 32]), Violation::Chain.into());
	expect(&forged(&offer, &seller, |m| m.negotiation = [2; 32]), Violation::Parties.into());
	let stranger = AccountId::new([9; 32]);
	expect(&forged(&offer, &seller, |m| m.from = stranger.clone()), Violation::Parties.into());
	expect(&forged(&offer, &seller, |m| m.to = stranger), Violation::Parties.into());
	// Early, of another transcript, of the future, of the past.
	let early = Violation::Early { expected: 2, found: 3 };
	expect(&forged(&offer, &seller, |m| m.sequence = 3), early.into());
	expect(&forged(&offer, &seller, |m| m.previous = [0; 32]), Violation::Fork.into());
	expect(&forged(&offer, &seller, |m| m.sequence = 1), Violation::Fork.into());
	let sent = START + DRIFT + 1;
	let future = Rejection::Future { sent, now: START };
	expect(&forged(&offer, &seller, |m| m.sent = sent), future);
	let past = Violation::Sent { sent: START - 1 };
	expect(&forged(&offer, &seller, |m| m.sent = START - 1), past.into());
	// Tampered, or signed by somebody else.
	let mut tampered = offer.clone();
	tampered.message.sent += 1;
	expect(&tampered, SignatureError::Message.into());
	let other = AgentKey::from(key(Side::Buyer));
	expect(&forged(&offer, &other, |_| {}), SignatureError::Message.into());
	let unsigned = forged(&offer, &seller, |m| match &mut m.body {
		Body::Offer(quote) => quote.signature = other.sign(b"something else"),
		_ => unreachable!(),
	});
	expect(&unsigned, SignatureError::Offer.into());
	// Of the wrong kind.
	let quote = offer.message.body.quote().unwrap().clone();
	expect(&forged(&offer, &seller, |m| m.body = Body::Counter(quote)), Violation::Kind.into());
	let accept = Body::Accept { offer: [5; 32] };
	expect(&forged(&offer, &seller, |m| m.body = accept), Violation::NotStanding.into());
	// Offers with another content than they may have here.
	expect(&reoffered(&offer, |q| q.offer.negotiation = [2; 32]), field("negotiation"));
	expect(&reoffered(&offer, |q| q.offer.buyer = AccountId::new([9; 32])), field("buyer"));
	expect(&reoffered(&offer, |q| q.offer.by = Side::Buyer), field("by"));
	expect(&reoffered(&offer, |q| q.offer.round = 2), field("round"));
	expect(&reoffered(&offer, |q| q.offer.previous = Some([1; 32])), field("previous"));
	expect(&reoffered(&offer, |q| q.offer.opened += 1), field("opened"));
	expect(&reoffered(&offer, |q| q.offer.nonce += 1), field("nonce"));
	expect(&reoffered(&offer, |q| q.offer.first_ask += 1), field("firstAsk"));
	expect(&reoffered(&offer, |q| q.offer.terms = [0; 32]), field("terms"));
	expect(&reoffered(&offer, |q| q.terms.title = "other".into()), field("terms"));
	let zero = stoa_primitives::agreement::OfferError::ZeroAmount;
	expect(&reoffered(&offer, |q| q.offer.milestones[0].amount = 0), Violation::from(zero).into());
	let expired = reoffered(&offer, |q| {
		q.offer.valid_until = START - 1;
		q.offer.opened = START;
	});
	// The offer is checked by itself before its time is.
	let opened = stoa_primitives::agreement::OfferError::OpenedAfterEnd;
	expect(&expired, Violation::from(opened).into());
	let late =
		forged(&reoffered(&offer, |q| q.offer.valid_until = START), &seller, |m| m.sent += 1);
	let passed = Violation::Expired { valid_until: START };
	expect(&late, passed.into());
	// The good one still is.
	world.handle(Side::Buyer, wire(&offer)).unwrap();
}

#[test]
fn only_the_latest_offer_of_the_other_side_should_be_accepted() {
	let (mut world, first) = offered(buyer(), seller());
	world.handle(Side::Buyer, wire(&first)).unwrap();
	let (_, counter) = world.wire.remove(0);
	world.handle(Side::Seller, Input::Message(counter.clone())).unwrap();
	let (_, second) = world.wire.remove(0);
	world.handle(Side::Buyer, Input::Message(second.clone())).unwrap();
	let (_, third) = world.wire.remove(0);
	let key = AgentKey::from(key(Side::Buyer));
	let digest = |bytes: &[u8]| {
		let signed = Signed::parse(bytes).unwrap();
		signed.message.body.quote().unwrap().offer.digest(&parties().domain())
	};
	let accept = |bytes: &[u8], offer| {
		forged(&Signed::parse(bytes).unwrap(), &key, |m| m.body = Body::Accept { offer })
	};
	// Refused by the buyer's own counter, and the buyer's own.
	let first = digest(&first.to_bytes().unwrap());
	for offer in [first, digest(&counter)] {
		let found = rejection(&mut world, Side::Seller, &accept(&third, offer));
		assert_eq!(found, Violation::NotStanding.into());
	}
	// After its end.
	let standing = world.sides[1].transcript().state().standing().unwrap().clone();
	let until = standing.offer.valid_until;
	world.handle(Side::Seller, Input::Tick(until)).unwrap();
	let late = forged(&accept(&third, standing.digest), &key, |m| m.sent = until + 1);
	let found = rejection(&mut world, Side::Seller, &late);
	assert_eq!(found, Violation::Expired { valid_until: until }.into());
	world.handle(Side::Seller, wire(&accept(&third, standing.digest))).unwrap();
	// Nothing follows.
	let more = Signed::parse(&third).unwrap();
	let more = forged(&more, &key, |m| {
		m.sequence += 1;
		m.previous = accept(&third, standing.digest).message.chain_hash().unwrap();
		m.body = Body::Deny { reason: DenyReason::Withdrawn, retry_at: None, remark: None };
	});
	assert_eq!(rejection(&mut world, Side::Seller, &more), Violation::Over.into());
}

#[test]
fn saying_two_things_at_once_should_be_noticed() {
	let (mut world, offer) = offered(buyer(), seller());
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	let other = reoffered(&offer, |quote| quote.offer.valid_until += 1);
	// Nobody else can make it look so.
	let mut tampered = other.clone();
	tampered.message.sent += 1;
	let found = rejection(&mut world, Side::Buyer, &tampered);
	assert_eq!(found, SignatureError::Message.into());
	// Both are kept, and shown once.
	world.handle(Side::Buyer, wire(&other)).unwrap();
	let (first, second) = (Box::new(offer.clone()), Box::new(other.clone()));
	assert_eq!(world.done.last(), Some(&(Side::Buyer, Action::Convict { first, second })));
	assert_eq!(world.sides[0].kept().notes.equivocation, Some(other.to_bytes().unwrap()));
	let found = rejection(&mut world, Side::Buyer, &other);
	assert_eq!(found, Rejection::Equivocation { sequence: 2 });
	// One's own message that comes back is none of theirs.
	let own = Signed::parse(&world.wire[0].1).unwrap();
	assert_eq!(rejection(&mut world, Side::Buyer, &own), Rejection::Own);
}

#[test]
fn repeated_messages_should_be_answered_again_once_in_a_block() {
	let (mut world, offer) = offered(buyer(), seller());
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	let (_, counter) = world.wire.remove(0);
	let kept = world.sides[0].kept();
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	assert!(world.wire.is_empty(), "it was sent in this block");
	world.handle(Side::Buyer, Input::Tick(START + 1)).unwrap();
	for _ in 0..3 {
		world.handle(Side::Buyer, wire(&offer)).unwrap();
	}
	assert_eq!(world.wire, [(Side::Seller, counter.clone())]);
	assert_eq!(world.sides[0].kept(), kept);
	// What has no answer is sent again after a while.
	world.wire.clear();
	let patience = buyer().patience;
	world.handle(Side::Buyer, Input::Tick(START + patience)).unwrap();
	assert!(world.wire.is_empty());
	world.handle(Side::Buyer, Input::Tick(START + 1 + patience)).unwrap();
	assert_eq!(world.wire, [(Side::Seller, counter)]);
}

#[test]
fn delegate_keys_should_sign_while_the_chain_knows_them() {
	let (delegate, _) = VoucherKey::generate();
	let known = delegate.key();
	let agent = account(Side::Seller);
	let seller = Config { key: AgentKey::Delegate { agent, key: delegate }, ..seller() };
	let (mut world, offer) = offered(buyer(), seller);
	let expect = |keys, expected: Result<(), Rejection>| {
		let mut world = world.clone();
		world.handle(Side::Buyer, Input::Keys(keys)).unwrap();
		assert_eq!(world.handle(Side::Buyer, wire(&offer)), expected);
	};
	let refused = Err(SignatureError::Message.into());
	expect(vec![], refused.clone());
	expect(vec![(known, START - 1)], refused);
	expect(vec![(known, START)], Ok(()));
	world.handle(Side::Buyer, Input::Keys(vec![(known, DEADLINE)])).unwrap();
	world.handle(Side::Buyer, wire(&offer)).unwrap();
	let delegates = world.sides[0].transcript().delegates();
	assert_eq!(delegates, [(account(Side::Seller), known, START)]);
}
