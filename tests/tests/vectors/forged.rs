//! Signatures that are genuine, but of something else: each row says what was signed and by whom, so
//! that it is refused for that reason and no other.

use crate::{
	ids::{genesis, other_genesis},
	json::{changed, hex, Change},
	payloads::{bytes, layout},
	samples::Sample,
	signers::{wrap, Rule, Scheme, Signer},
};
use serde_json::{json, Value};
use sp_crypto_hashing::blake2_256;

/// What is claimed: that `signer` has signed a payload.
struct Claim<'a> {
	rule: Rule,
	signer: &'a Signer,
	bytes: &'a [u8],
}

impl Claim<'_> {
	fn row(&self, reason: &str, by: &Signer, signed: &[u8], signature: &[u8]) -> Value {
		assert!(!self.rule.accepts(self.signer, self.bytes, signature), "{reason}");
		json!({
			"reason": reason,
			"of": "typical",
			"as": self.rule.name(),
			"signer": self.signer.name,
			"signature": hex(signature),
			"by": by.name,
			"signed": hex(signed),
		})
	}

	/// A row in which `by` has signed `signed`.
	fn refuse(&self, reason: &str, by: &Signer, signed: &[u8]) -> Value {
		self.row(reason, by, signed, &by.sign(signed))
	}

	/// The same with the scheme byte of the signer's own signatures.
	fn refuse_disguised(&self, reason: &str, by: &Signer, signed: &[u8]) -> Value {
		let mut signature = by.sign(signed);
		signature[0] = self.signer.sign(signed)[0];
		self.row(reason, by, signed, &signature)
	}
}

/// Everything that must be refused under one rule.
pub fn rows<P: Sample>(rule: Rule, payload: &P) -> Vec<Value> {
	let bytes = bytes(payload, genesis());
	let mut rows = Vec::new();
	for (i, scheme) in rule.schemes().iter().enumerate() {
		let signer = Signer::honest(*scheme);
		let claim = Claim { rule, signer: &signer, bytes: &bytes };
		rows.extend(each_scheme(&claim, payload));
		// What does not depend on the scheme is shown with one.
		if i == 0 {
			rows.extend(once(&claim, payload));
		}
	}
	rows
}

fn each_scheme<P: Sample>(claim: &Claim, payload: &P) -> Vec<Value> {
	let Claim { rule, signer, bytes: whole } = *claim;
	let scheme = signer.scheme;
	let mut rows = vec![
		claim.refuse("another signer", &Signer::stranger(scheme), whole),
		claim.refuse("another chain", signer, &bytes(payload, other_genesis())),
		claim.refuse("the digest instead of the bytes", signer, &blake2_256(whole)),
	];
	match rule {
		Rule::Key => rows.push(claim.refuse("wrapped, by a key", signer, &wrap(whole))),
		Rule::Account => {
			rows.push(claim.refuse("wrapped twice", signer, &wrap(&wrap(whole))));
			let digest = wrap(&blake2_256(whole));
			rows.push(claim.refuse("the digest, wrapped", signer, &digest));
		},
	}
	match scheme {
		Scheme::Ecdsa => {
			let by = Signer::honest(Scheme::Eth);
			rows.push(claim.refuse_disguised("keccak-256 instead of blake2b-256", &by, whole));
		},
		Scheme::Eth => {
			let by = Signer::honest(Scheme::Ecdsa);
			rows.push(claim.refuse_disguised("blake2b-256 instead of keccak-256", &by, whole));
		},
		Scheme::Ed25519 | Scheme::Sr25519 => {},
	}
	rows
}

fn once<P: Sample>(claim: &Claim, payload: &P) -> Vec<Value> {
	let Claim { rule, signer, bytes: whole } = *claim;
	let of = |changes: &[Change]| changed(whole, changes);
	let set = |at: usize, byte: u8| of(&[Change::Set(at, vec![byte])]);
	let sign = |reason: &str, signed: Vec<u8>| claim.refuse(reason, signer, &signed);
	let other_use = payload.to_bytes(&P::TAG.other().domain(genesis()));
	let mut rows = vec![
		sign("another use", other_use),
		sign("another type", set(6, if P::TYPE == 1 { 8 } else { 1 })),
		sign("another version", set(5, 2)),
		sign("another flag", set(7, 1)),
		sign("one byte short", of(&[Change::Cut(1)])),
		sign("one byte long", of(&[Change::Append(vec![0])])),
		sign("the body without its header", whole[40..].to_vec()),
		sign("nothing", Vec::new()),
	];
	// One bit of one field: another channel, another lane, another amount.
	for part in layout::<P>().iter().skip(4) {
		rows.push(sign(&format!("another {}", part.field), set(part.at, whole[part.at] ^ 1)));
	}
	if rule == Rule::Account {
		rows.push(sign("wrapping without its end", [b"<Bytes>", whole].concat()));
		let lower = [b"<bytes>", whole, b"</bytes>"].concat();
		rows.push(sign("wrapping in lower case", lower));
	}
	for other in rule.schemes().iter().filter(|other| **other != signer.scheme) {
		let by = Signer::honest(*other);
		let reason = format!("signature of the scheme {}", other.name());
		rows.push(claim.refuse(&reason, &by, whole));
		if matches!(other, Scheme::Ed25519 | Scheme::Sr25519) {
			rows.push(claim.refuse_disguised(&format!("disguised {reason}"), &by, whole));
		}
	}
	rows
}
