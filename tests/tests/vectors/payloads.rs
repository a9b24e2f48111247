//! One file for each payload: what is signed, who signed it, and what must be refused.

use crate::{
	forged,
	ids::{genesis, other_genesis},
	json::{changed, changes, hex, Change},
	samples::{Inquiry, Sample},
	signers::{agent_signature, wrap, Rule, Scheme, Signer},
};
use serde_json::{json, Value};
use sp_core::H256;
use stoa_client::{keys::VoucherKey, payment::ChannelProof};
use stoa_primitives::{
	keys::Key,
	payload::{PayloadError, HEADER_LEN},
};

/// The file of a payload.
pub fn file<P: Sample>() -> Value {
	let samples = P::samples();
	assert!(samples.iter().all(|(_, sample)| fits::<P>(sample)));
	let (_, typical) = &samples[0];
	check_flips(typical);
	let forged = P::RULES.iter().flat_map(|rule| forged::rows(*rule, typical));
	json!({
		"payload": P::NAME,
		"type": P::TYPE,
		"length": P::LEN,
		"tag": P::TAG.name(),
		"signed_by": P::RULES.iter().map(|rule| rule.name()).collect::<Value>(),
		"layout": layout::<P>().iter().map(Part::to_json).collect::<Value>(),
		"valid": samples.iter().map(|(name, sample)| valid(name, sample)).collect::<Value>(),
		"malformed": malformed(typical),
		"forged": forged.collect::<Value>(),
	})
}

/// The file of inquiries, with the request headers that carry them.
pub fn inquiries() -> Value {
	let mut file = file::<Inquiry>();
	let domain = Inquiry::TAG.domain(genesis());
	file["headers"] = Inquiry::samples()
		.iter()
		.flat_map(|(name, inquiry)| Scheme::KEYS.map(|scheme| (*name, inquiry.clone(), scheme)))
		.map(|(name, inquiry, scheme)| {
			let signer = Signer::honest(scheme);
			let signature = signer.sign(&bytes(&inquiry, genesis()));
			let proof = ChannelProof {
				channel: inquiry.channel,
				time: inquiry.time,
				signature: codec::DecodeAll::decode_all(&mut signature.as_slice()).unwrap(),
			};
			let key = signer.key().unwrap();
			let header = proof.to_header();
			assert_eq!(ChannelProof::parse(&header).as_ref(), Ok(&proof));
			assert!(proof.verify(&key, &domain));
			assert!(!proof.verify(&key, &Inquiry::TAG.domain(other_genesis())));
			json!({ "of": name, "signer": signer.name, "header": header })
		})
		.collect();
	// What is called an inquiry here is what the client signs.
	let key = VoucherKey::from_uri("//signer", Default::default()).unwrap();
	let proof = ChannelProof::sign([7; 32], 7, &key, &domain);
	let message = bytes(&Inquiry { channel: [7; 32], time: 7 }, genesis());
	assert!(Key::verify(&key.key(), &message, &proof.signature));
	file
}

/// The bytes of a payload on the chain with this genesis.
pub fn bytes<P: Sample>(payload: &P, genesis: H256) -> Vec<u8> {
	payload.to_bytes(&P::TAG.domain(genesis))
}

fn fits<P: Sample>(payload: &P) -> bool {
	let bytes = bytes(payload, genesis());
	let body: usize = P::FIELDS.iter().map(|(_, length)| length).sum();
	bytes.len() == P::LEN
		&& HEADER_LEN + body == P::LEN
		&& P::from_bytes(&bytes, &P::TAG.domain(genesis())).as_ref() == Ok(payload)
}

/// A stretch of a payload's bytes.
pub struct Part {
	pub field: &'static str,
	pub at: usize,
	pub length: usize,
	/// What reading gives when any one bit of it is flipped; `None` if that is another payload, or a
	/// malformed field.
	error: Option<PayloadError>,
}

impl Part {
	fn to_json(&self) -> Value {
		json!({
			"field": self.field,
			"at": self.at,
			"length": self.length,
			"flip": self.error.map_or("other", error_name),
		})
	}
}

/// Header and fields, in order.
pub fn layout<P: Sample>() -> Vec<Part> {
	let mut at = 0;
	let mut part = |field, length, error| {
		let part = Part { field, at, length, error };
		at += length;
		part
	};
	let mut parts = vec![
		part("mark and version", 6, Some(PayloadError::Header)),
		part("type", 1, Some(PayloadError::Type)),
		part("flags", 1, Some(PayloadError::Header)),
		part("domain", 32, Some(PayloadError::Domain)),
	];
	parts.extend(P::FIELDS.iter().map(|(field, length)| part(field, *length, None)));
	parts
}

pub fn error_name(error: PayloadError) -> &'static str {
	match error {
		PayloadError::Length => "length",
		PayloadError::Header => "header",
		PayloadError::Type => "type",
		PayloadError::Domain => "domain",
		PayloadError::Field => "field",
	}
}

/// No single flipped bit gives the same payload, or a payload that somebody signed.
fn check_flips<P: Sample>(payload: &P) {
	let domain = P::TAG.domain(genesis());
	let whole = bytes(payload, genesis());
	let flip = |bit: usize| {
		changed(&whole, &[Change::Set(bit / 8, vec![whole[bit / 8] ^ (1 << (bit % 8))])])
	};
	for part in layout::<P>() {
		let bits = part.at * 8..(part.at + part.length) * 8;
		for bit in bits.clone() {
			let read = P::from_bytes(&flip(bit), &domain);
			match part.error {
				Some(error) => assert_eq!(read, Err(error), "bit {bit}"),
				None => assert!(read != Ok(payload.clone()), "bit {bit} means nothing"),
			}
		}
		for rule in P::RULES {
			for scheme in rule.schemes() {
				let signer = Signer::honest(*scheme);
				let signature = signer.sign(&whole);
				for bit in [bits.start, bits.end - 1] {
					assert!(!rule.accepts(&signer, &flip(bit), &signature), "bit {bit}");
				}
			}
		}
	}
}

fn valid<P: Sample>(name: &str, payload: &P) -> Value {
	let bytes = bytes(payload, genesis());
	let mut signatures = Vec::new();
	for rule in P::RULES {
		for scheme in rule.schemes() {
			let signer = Signer::honest(*scheme);
			let mut add = |wrapped: bool| {
				let signature = signer.sign(&if wrapped { wrap(&bytes) } else { bytes.clone() });
				assert!(rule.accepts(&signer, &bytes, &signature));
				let mut row = json!({
					"as": rule.name(),
					"signer": signer.name,
					"wrapped": wrapped,
					"signature": hex(&signature),
				});
				// Who submits these payloads sends the signature along in the name of an agent.
				if P::RULES.len() > 1 {
					row["submitted"] = hex(agent_signature(*rule, &signer, &signature)).into();
				}
				signatures.push(row);
			};
			add(false);
			if *rule == Rule::Account {
				add(true);
			}
		}
	}
	json!({
		"name": name,
		"genesis": hex(genesis()),
		"fields": payload.fields(),
		"bytes": hex(&bytes),
		"signatures": signatures,
	})
}

/// Bytes that are not this payload, or not for the reader's chain.
fn malformed<P: Sample>(typical: &P) -> Value {
	let of = bytes(typical, genesis());
	let domain = P::TAG.domain(genesis());
	let mut rows = Vec::new();
	let mut refuse = |name: String, list: &[Change], error| {
		let bytes = changed(&of, list);
		assert_eq!(P::from_bytes(&bytes, &domain), Err(error), "{name}");
		rows.push(json!({
			"name": name,
			"of": "typical",
			"changes": changes(list),
			"bytes": hex(bytes),
			"error": error_name(error),
		}));
	};
	let set = |at: usize, bytes: &[u8]| Change::Set(at, bytes.to_vec());
	let other_chain = set(8, &P::TAG.domain(other_genesis()).0);

	refuse("one byte short".into(), &[Change::Cut(1)], PayloadError::Length);
	refuse("one byte long".into(), &[Change::Append(vec![0])], PayloadError::Length);
	refuse("twice".into(), &[Change::Append(of.clone())], PayloadError::Length);
	refuse("header alone".into(), &[Change::Cut(P::LEN - HEADER_LEN)], PayloadError::Length);
	refuse("nothing".into(), &[Change::Cut(P::LEN)], PayloadError::Length);
	refuse("first byte of a call".into(), &[set(0, &[0])], PayloadError::Header);
	refuse("another magic".into(), &[set(1, b"stoa")], PayloadError::Header);
	refuse("version 0".into(), &[set(5, &[0])], PayloadError::Header);
	refuse("version 2".into(), &[set(5, &[2])], PayloadError::Header);
	refuse("lowest flag".into(), &[set(7, &[1])], PayloadError::Header);
	refuse("highest flag".into(), &[set(7, &[128])], PayloadError::Header);
	for kind in (0..=9).chain([255]).filter(|kind| *kind != P::TYPE) {
		refuse(format!("type {kind}"), &[set(6, &[kind])], PayloadError::Type);
	}
	refuse("another chain".into(), std::slice::from_ref(&other_chain), PayloadError::Domain);
	let other_use = P::TAG.other().domain(genesis()).0;
	refuse("another use".into(), &[set(8, &other_use)], PayloadError::Domain);
	refuse("genesis hash as domain".into(), &[set(8, &genesis().0)], PayloadError::Domain);
	for (name, change) in P::malformed() {
		refuse(name.into(), &[change], PayloadError::Field);
	}
	// Of several causes, the first in the order length, header, type, domain, field is the error.
	let (kind, version) = (set(6, &[0]), set(5, &[2]));
	refuse("version 2, short".into(), &[version.clone(), Change::Cut(1)], PayloadError::Length);
	refuse("type 0 of version 2".into(), &[version, kind.clone()], PayloadError::Header);
	refuse("type 0 of another chain".into(), &[kind, other_chain], PayloadError::Type);
	rows.into()
}
