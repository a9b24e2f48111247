//! `offers.json`: offers, what is hashed of them, and signatures over the digest.

use crate::{
	ids::{genesis, other_genesis, Tag},
	json::{changed, changes, hex, Change},
	payloads::error_name,
	signers::{agent_signature, seed, wrap, Rule, Scheme, Signer},
};
use serde_json::{json, Value};
use sp_runtime::Permill;
use stoa_primitives::{
	agreement::{Milestone, Offer, Panel, Side, OFFER_TYPE},
	payload::{PayloadError, HEADER_LEN},
	AccountId, AssetId,
};

/// Who may sign an offer.
const RULES: [Rule; 2] = [Rule::Account, Rule::Key];

fn milestone(amount: u128, lock: Option<[u8; 32]>) -> Milestone {
	Milestone {
		amount,
		deliver_within: 43_200,
		review: if lock.is_some() { 0 } else { 1_800 },
		rework: 3_600,
		changes: u8::from(lock.is_none()),
		penalty: amount / 10,
		lock,
	}
}

fn typical() -> Offer {
	let account = |label| AccountId::new(seed(label));
	Offer {
		negotiation: seed("negotiation"),
		buyer: account("buyer"),
		seller: account("seller"),
		asset: AssetId::WithId(1),
		milestones: vec![milestone(1_000_000, None), milestone(250_000, Some(seed("lock")))]
			.try_into()
			.unwrap(),
		terms: seed("terms"),
		bond: 125_000,
		panel: Panel {
			arbiters: vec![account("arbiter"), account("another arbiter")].try_into().unwrap(),
			fee: 20_000,
			turn: 1_800,
			fallback: Permill::from_percent(50),
		},
		by: Side::Seller,
		round: 3,
		previous: Some(seed("previous offer")),
		opened: 1_000,
		first_ask: 1_500_000,
		valid_until: 2_800,
		nonce: 7,
	}
}

/// Named offers; the first is the one that refused rows are derived from.
fn samples() -> Vec<(&'static str, Offer)> {
	let first = Offer {
		asset: AssetId::Native,
		milestones: vec![milestone(1, None)].try_into().unwrap(),
		bond: 0,
		panel: Panel::none(Permill::zero()),
		by: Side::Buyer,
		round: 1,
		previous: None,
		first_ask: 0,
		..typical()
	};
	let highest = Milestone {
		amount: u128::MAX,
		deliver_within: u32::MAX,
		review: u32::MAX,
		rework: u32::MAX,
		changes: u8::MAX,
		penalty: u128::MAX,
		lock: Some([0xFF; 32]),
	};
	let account = || AccountId::new([0xFF; 32]);
	let longest = Offer {
		negotiation: [0xFF; 32],
		buyer: account(),
		seller: account(),
		asset: AssetId::WithId(u32::MAX),
		milestones: vec![highest; 16].try_into().unwrap(),
		terms: [0xFF; 32],
		bond: u128::MAX,
		panel: Panel {
			arbiters: vec![account(); 3].try_into().unwrap(),
			fee: u128::MAX,
			turn: u32::MAX,
			fallback: Permill::one(),
		},
		by: Side::Seller,
		round: u32::MAX,
		previous: Some([0xFF; 32]),
		opened: u32::MAX,
		first_ask: u128::MAX,
		valid_until: u32::MAX,
		nonce: u64::MAX,
	};
	assert!(typical().validate().is_ok() && first.validate().is_ok());
	assert_eq!(longest.to_bytes(&Tag::Agreements.domain(genesis())).len(), Offer::max_len());
	vec![("typical", typical()), ("first of a buyer", first), ("longest", longest)]
}

fn fields(offer: &Offer) -> Value {
	let milestones: Vec<_> = offer
		.milestones
		.iter()
		.map(|milestone| {
			json!({
				"amount": milestone.amount.to_string(),
				"deliver_within": milestone.deliver_within,
				"review": milestone.review,
				"rework": milestone.rework,
				"changes": milestone.changes,
				"penalty": milestone.penalty.to_string(),
				"lock": milestone.lock.map(hex),
			})
		})
		.collect();
	json!({
		"negotiation": hex(offer.negotiation),
		"buyer": hex(&offer.buyer),
		"seller": hex(&offer.seller),
		"asset": match offer.asset {
			AssetId::Native => None,
			AssetId::WithId(id) => Some(id),
		},
		"milestones": milestones,
		"terms": hex(offer.terms),
		"bond": offer.bond.to_string(),
		"panel": {
			"arbiters": offer.panel.arbiters.iter().map(hex).collect::<Vec<_>>(),
			"fee": offer.panel.fee.to_string(),
			"turn": offer.panel.turn,
			"fallback": offer.panel.fallback.deconstruct(),
		},
		"by": match offer.by {
			Side::Buyer => "buyer",
			Side::Seller => "seller",
		},
		"round": offer.round,
		"previous": offer.previous.map(hex),
		"opened": offer.opened,
		"first_ask": offer.first_ask.to_string(),
		"valid_until": offer.valid_until,
		"nonce": offer.nonce.to_string(),
	})
}

fn valid(name: &str, offer: &Offer) -> Value {
	let domain = Tag::Agreements.domain(genesis());
	let bytes = offer.to_bytes(&domain);
	assert_eq!(Offer::from_bytes(&bytes, &domain).as_ref(), Ok(offer));
	let digest = offer.digest(&domain);
	let mut signatures = Vec::new();
	for rule in RULES {
		for scheme in rule.schemes() {
			let signer = Signer::honest(*scheme);
			let wrappings: &[bool] = if rule == Rule::Account { &[false, true] } else { &[false] };
			for wrapped in wrappings {
				let signed = if *wrapped { wrap(&digest) } else { digest.to_vec() };
				let signature = signer.sign(&signed);
				assert!(rule.accepts(&signer, &digest, &signature));
				// It is the digest that is signed, not what it is made of.
				assert!(!rule.accepts(&signer, &digest, &signer.sign(&bytes)));
				signatures.push(json!({
					"as": rule.name(),
					"signer": signer.name,
					"wrapped": wrapped,
					"signature": hex(&signature),
					"submitted": hex(agent_signature(rule, &signer, &signature)),
				}));
			}
		}
	}
	json!({
		"name": name,
		"genesis": hex(genesis()),
		"fields": fields(offer),
		"bytes": hex(&bytes),
		"digest": hex(digest),
		"key": hex(offer.key()),
		"signatures": signatures,
	})
}

/// Bytes that are no offer, or not for the reader's chain.
fn malformed() -> Value {
	let domain = Tag::Agreements.domain(genesis());
	let of = typical().to_bytes(&domain);
	let mut rows = Vec::new();
	let mut refuse = |name: &str, list: &[Change], error| {
		let bytes = changed(&of, list);
		assert_eq!(Offer::from_bytes(&bytes, &domain), Err(error), "{name}");
		rows.push(json!({
			"name": name,
			"of": "typical",
			"changes": changes(list),
			"bytes": hex(bytes),
			"error": error_name(error),
		}));
	};
	let set = |at: usize, bytes: &[u8]| Change::Set(at, bytes.to_vec());
	let (length, field) = (PayloadError::Length, PayloadError::Field);
	refuse("nothing", &[Change::Cut(of.len())], length);
	refuse("a byte less than a header", &[Change::Cut(of.len() - HEADER_LEN + 1)], length);
	refuse("longer than any offer", &[Change::Append(vec![0; Offer::max_len()])], length);
	refuse("header alone", &[Change::Cut(of.len() - HEADER_LEN)], field);
	refuse("one byte short", &[Change::Cut(1)], field);
	refuse("one byte long", &[Change::Append(vec![0])], field);
	refuse("first byte of a call", &[set(0, &[0])], PayloadError::Header);
	refuse("version 2", &[set(5, &[2])], PayloadError::Header);
	refuse("lowest flag", &[set(7, &[1])], PayloadError::Header);
	refuse("type 9", &[set(6, &[9])], PayloadError::Type);
	let other_chain = Tag::Agreements.domain(other_genesis()).0;
	refuse("another chain", &[set(8, &other_chain)], PayloadError::Domain);
	let other_use = Tag::Channels.domain(genesis()).0;
	refuse("another use", &[set(8, &other_use)], PayloadError::Domain);
	// Behind negotiation, buyer and seller.
	let asset = HEADER_LEN + 3 * 32;
	refuse("asset of an unknown kind", &[set(asset, &[2])], field);
	refuse("17 milestones", &[set(asset + 5, &[17 << 2])], field);
	// Before round, previous, opened, first ask, last block and nonce.
	let by = of.len() - 4 - 33 - 4 - 16 - 4 - 8 - 1;
	refuse("a side that there is not", &[set(by, &[2])], field);
	refuse("a share of more than the whole", &[set(by - 4, &1_000_001u32.to_le_bytes())], field);
	refuse("previous that is neither there nor not", &[set(by + 5, &[2])], field);
	rows.into()
}

/// `offers.json`.
pub fn file() -> Value {
	let samples = samples();
	let typical = &samples[0].1;
	let whole = typical.to_bytes(&Tag::Agreements.domain(genesis()));
	let signer = Signer::honest(Scheme::Ed25519);
	let signature = signer.sign(&typical.digest(&Tag::Agreements.domain(genesis())));
	// Whatever bit is flipped, it is not what was signed.
	for bit in 0..whole.len() * 8 {
		let mut other = whole.clone();
		other[bit / 8] ^= 1 << (bit % 8);
		let digest = sp_crypto_hashing::blake2_256(&other);
		assert!(!Rule::Key.accepts(&signer, &digest, &signature), "bit {bit}");
	}
	json!({
		"type": OFFER_TYPE,
		"tag": Tag::Agreements.name(),
		"longest": Offer::max_len(),
		"valid": samples.iter().map(|(name, offer)| valid(name, offer)).collect::<Value>(),
		"malformed": malformed(),
	})
}
