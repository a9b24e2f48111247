//! Messages on the wire.

use super::*;
use crate::negotiation::{
	canonical::CanonicalError,
	message::{MAX_EXTENSIONS, MAX_REMARK_LEN},
};
use proptest::prelude::*;

fn request() -> Signed {
	sent(&negotiator(buyer()).open().unwrap())
}

fn offer() -> Signed {
	let mut seller = negotiator(seller());
	sent(&seller.handle(wire(&request())).unwrap())
}

fn parse(signed: &Signed) -> Result<Signed, MessageError> {
	Signed::parse(&signed.to_bytes().unwrap())
}

#[test]
fn messages_should_survive_the_wire() {
	for signed in [request(), offer()] {
		assert_eq!(parse(&signed), Ok(signed.clone()));
		assert_eq!(signed.verify(|_| false), Ok(()));
		assert_eq!(signed.message.parties(), parties());
	}
}

#[test]
fn what_is_signed_should_be_as_documented() {
	let signed = request();
	let hash = |parts: &[&[u8]]| sp_crypto_hashing::blake2_256(&parts.concat());
	let domain = hash(&[b"stoa/escrow/v1", &[7; 32]]);
	let (buyer, seller) = (account(Side::Buyer), account(Side::Seller));
	let root = hash(&[b"stoa/negotiation/v1", &domain, &[1; 32], buyer.as_ref(), seller.as_ref()]);
	assert_eq!(signed.message.previous, root);
	let wire = String::from_utf8(signed.to_bytes().unwrap()).unwrap();
	let message = wire.strip_prefix(r#"{"message":"#).unwrap();
	let (message, _) = message.split_once(r#","signature":"#).unwrap();
	let head = hash(&[&root, message.as_bytes()]);
	assert_eq!(signed.message.chain_hash(), Ok(head));
	let header = [0xFF, b'S', b'T', b'O', b'A', 1, 11, 0];
	let bytes = [&header[..], &domain, &head].concat();
	let AgentSignature::Account(signature) = &signed.signature else { panic!() };
	assert!(crate::keys::verify_raw(&buyer, &bytes, signature));
}

#[test]
fn only_canonical_bytes_of_the_known_version_should_be_read() {
	let wire = String::from_utf8(request().to_bytes().unwrap()).unwrap();
	let error = |from: &str, to: &str| {
		let changed = wire.replacen(from, to, 1);
		assert_ne!(changed, wire, "{from}");
		Signed::parse(changed.as_bytes()).unwrap_err()
	};
	let spaced = error(r#""sequence":1"#, r#""sequence": 1"#);
	assert_eq!(spaced, CanonicalError::NotCanonical.into());
	assert_eq!(error("stoa/negotiation/1", "stoa/negotiation/2"), MessageError::Protocol);
	let json = |error| matches!(error, MessageError::Canonical(CanonicalError::Json(_)));
	assert!(json(error(r#""sent":100"#, r#""sent":100,"sentt":1"#)));
	assert!(json(error(r#""bondPpm":50000"#, r#""bondPpm":50000.0"#)));
	assert!(json(error(r#""type":"REQUEST""#, r#""type":"PROPOSE""#)));
	// Members of the body that are not known are refused, or are not in what is written again.
	assert!(Signed::parse(wire.replacen(r#""expires":"#, r#""extra":1,"expires":"#, 1).as_bytes())
		.is_err());
	let long = [wire.as_bytes(), &[b' '; 20 * 1024]].concat();
	assert!(matches!(
		Signed::parse(&long),
		Err(MessageError::Canonical(CanonicalError::TooLong { .. }))
	));
}

#[test]
fn extensions_should_be_carried_unless_they_are_critical() {
	let key = AgentKey::from(key(Side::Buyer));
	let with = |change: &dyn Fn(&mut Message)| {
		let mut message = request().message;
		change(&mut message);
		Signed::sign(message, &key)
	};
	let extend = |name: &str, value: String| {
		let name = name.to_owned();
		with(&move |m| drop(m.extensions.insert(name.clone(), value.clone())))
	};
	let signed = extend("trace", "x".repeat(MAX_REMARK_LEN)).unwrap();
	assert_eq!(parse(&signed), Ok(signed.clone()));
	let mut seller = negotiator(seller());
	seller.handle(wire(&signed)).unwrap();
	assert_eq!(extend("trace", "x".repeat(257)), Err(MessageError::Extensions));
	assert_eq!(extend(&"x".repeat(33), String::new()), Err(MessageError::Extensions));
	assert_eq!(extend("", String::new()), Err(MessageError::Extensions));
	let many = with(&|m| {
		m.extensions = (0..=MAX_EXTENSIONS).map(|n| (n.to_string(), String::new())).collect();
	});
	assert_eq!(many, Err(MessageError::Extensions));
	let critical = with(&|m| m.critical = vec!["auction".into()]);
	assert_eq!(critical, Err(MessageError::Critical("auction".into())));
}

#[test]
fn plan_and_terms_should_be_checked_before_anything_else() {
	let key = AgentKey::from(key(Side::Buyer));
	let with = |change: fn(&mut Plan, &mut Terms)| {
		let mut message = request().message;
		let Body::Request { plan, terms, .. } = &mut message.body else { panic!() };
		change(plan, terms);
		Signed::sign(message, &key).unwrap_err()
	};
	assert_eq!(with(|p, _| p.milestones.clear()), PlanError::Milestones.into());
	assert_eq!(with(|_, t| t.version = 9), TermsError::Version(9).into());
	assert_eq!(with(|_, t| t.delivery.push(t.delivery[0].clone())), MessageError::Deliveries);
	let mut denial = request().message;
	let remark = Some("\u{7}".into());
	denial.body = Body::Deny { reason: DenyReason::Price, retry_at: None, remark };
	let error = Signed::sign(denial, &key).unwrap_err();
	assert_eq!(error, TermsError::Text("remark").into());
}

/// A message with all that it can hold is not longer than what is read.
#[test]
fn the_longest_message_should_have_room() {
	let mut terms = terms();
	let mut n = 0;
	// Terms of the greatest length.
	while terms.to_bytes().is_ok() {
		n += 1;
		terms.items[0].description = Some("x".repeat(n % 512 + 1));
		if n % 512 == 511 {
			terms.items.push(terms.items[0].clone());
		}
	}
	terms.items[0].description = None;
	terms.delivery = vec![terms.delivery[0].clone()];
	let part =
		Part { share_ppm: MILLION, locked: true, changes: 0, ..plan().milestones[1].clone() };
	let plan = Plan { milestones: vec![part], ..plan() };
	let mut message = offer().message;
	let quote = {
		let Body::Offer(quote) = &mut message.body else { panic!() };
		let (mut milestones, bond, panel) =
			plan.clauses(&proposal(u128::MAX / 4), |_| Some([0xFF; 32])).unwrap();
		let one = milestones[0];
		while milestones.try_push(one).is_ok() {}
		quote.offer.milestones = milestones;
		quote.offer.bond = bond;
		quote.offer.panel = panel;
		let ecdsa = AccountKey::from_uri("//X", Scheme::Ecdsa).unwrap();
		quote.signature = AgentKey::from(ecdsa).sign(b"");
		quote.terms = Terms { delivery: vec![terms.delivery[0].clone(); 16], ..terms.clone() };
		quote.terms.items.truncate(3);
		quote.clone()
	};
	message.body = Body::Offer(quote);
	message.extensions =
		(0..MAX_EXTENSIONS).map(|n| (format!("{n:032}"), "\"".repeat(MAX_REMARK_LEN))).collect();
	let signed = Signed::sign(message, &AgentKey::from(key(Side::Seller))).unwrap();
	let len = signed.to_bytes().unwrap().len();
	// What is missing to the greatest terms still fits.
	let Body::Offer(quote) = &signed.message.body else { panic!() };
	let rest = MAX_TERMS_LEN - quote.terms.to_bytes().unwrap().len();
	assert!(len + rest <= MAX_MESSAGE_LEN, "{len} + {rest}");
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(300))]

	#[test]
	fn changed_bytes_should_never_be_taken_for_signed(at in any::<usize>(), byte in any::<u8>()) {
		let mut bytes = offer().to_bytes().unwrap();
		let at = at % bytes.len();
		prop_assume!(bytes[at] != byte);
		bytes[at] = byte;
		if let Ok(signed) = Signed::parse(&bytes) {
			prop_assert!(signed.verify(|_| true).is_err());
		}
	}

	#[test]
	fn arbitrary_bytes_should_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
		let _ = Signed::parse(&bytes);
	}
}
