//! Signatures at the edge of what a scheme allows, where libraries differ. What counts is the runtime:
//! ed25519 by ZIP-215, sr25519 as schnorrkel has it, ECDSA by recovery of the public key.

use crate::{
	json::{changed, changes, hex, Change},
	payloads::bytes,
	samples::Sample,
	signers::{seed, Scheme, Signer},
};
use codec::{Decode, DecodeAll};
use curve25519_dalek::{
	constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION, RISTRETTO_BASEPOINT_POINT},
	edwards::CompressedEdwardsY,
	EdwardsPoint, Scalar,
};
use serde_json::{json, Value};
use sha2::{Digest, Sha512};
use sp_core::U256;
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use stoa_primitives::{
	keys::{verify_account, Key, KeySignature},
	payload::Voucher,
	AccountId,
};

/// `edges.json`.
pub fn file() -> Value {
	let (_, voucher) = Voucher::samples().swap_remove(0);
	let message = bytes(&voucher, crate::ids::genesis());
	let mut rows = Rows { message, base: None, out: Vec::new() };
	ed25519(&mut rows);
	sr25519(&mut rows);
	ecdsa(&mut rows);
	json!({ "message": hex(rows.message), "rows": rows.out })
}

/// Whether a signature is good, by a voucher or delegate key and by an account.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Verdict {
	Both,
	AccountOnly,
	Neither,
}
use Verdict::{AccountOnly, Both, Neither};

struct Rows {
	message: Vec<u8>,
	/// Name, public key and signature that refused rows were changed from.
	base: Option<(&'static str, Vec<u8>, Vec<u8>)>,
	out: Vec<Value>,
}

impl Rows {
	/// A row that stands for itself. `strict` is what RFC 8032 read narrowly says of an ed25519
	/// signature: canonical points, no cofactor.
	fn add(
		&mut self,
		name: &str,
		public: &[u8],
		signature: &[u8],
		verdict: Verdict,
		strict: Option<bool>,
	) {
		let scheme = ["ed25519", "sr25519", "ecdsa"][usize::from(signature[0])];
		let key = Key::decode(&mut [&signature[..1], public].concat().as_slice()).unwrap();
		let by_key = KeySignature::decode_all(&mut &signature[..]).unwrap();
		let account = match key {
			Key::Ed25519(key) | Key::Sr25519(key) => AccountId::new(key),
			Key::Ecdsa(key) => AccountId::new(blake2_256(&key)),
		};
		let by_account = MultiSignature::decode_all(&mut &signature[..]).unwrap();
		let (as_key, as_account) = (
			key.verify(&self.message, &by_key),
			verify_account(&account, &self.message, &by_account),
		);
		assert_eq!(as_key, verdict == Both, "{name}");
		assert_eq!(as_account, verdict != Neither, "{name}");
		let mut row = json!({
			"name": name,
			"scheme": scheme,
			"public": hex(public),
			"signature": hex(signature),
			"key": as_key,
			"account": as_account,
		});
		if signature[0] == 0 {
			let found = strictly_valid(public, &signature[1..], &self.message);
			assert_eq!(Some(found), strict, "{name}");
			row["strict"] = found.into();
		}
		self.out.push(row);
	}

	/// A genuine signature, from which the rows that follow are changed.
	fn base(&mut self, name: &'static str, public: &[u8], signature: &[u8]) {
		self.add(name, public, signature, Both, (signature[0] == 0).then_some(true));
		self.base = Some((name, public.to_vec(), signature.to_vec()));
	}

	/// The genuine signature with changes. None of these is good for a strict verifier either.
	fn change(&mut self, name: &str, what: What, list: &[Change], verdict: Verdict) {
		let (of, mut public, mut signature) = self.base.clone().unwrap();
		match what {
			What::Public => public = changed(&public, list),
			What::Signature => signature = changed(&signature, list),
		}
		let strict = (signature[0] == 0).then_some(false);
		self.add(name, &public, &signature, verdict, strict);
		let row = self.out.last_mut().unwrap();
		row["of"] = of.into();
		row[match what {
			What::Public => "public_changes",
			What::Signature => "signature_changes",
		}] = changes(list);
	}
}

#[derive(Clone, Copy)]
enum What {
	Public,
	Signature,
}

/// `r ‖ s` of ed25519, with its scheme byte.
fn ed(r: &[u8; 32], s: &Scalar) -> Vec<u8> {
	[&[0][..], r, s.as_bytes()].concat()
}

fn challenge(r: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Scalar {
	let digest =
		Sha512::new().chain_update(r).chain_update(public).chain_update(message).finalize();
	Scalar::from_bytes_mod_order_wide(&digest.into())
}

/// The order of the group of ed25519 and ristretto255.
fn order() -> U256 {
	U256::from_little_endian((-Scalar::ONE).as_bytes()) + 1
}

fn le(number: U256) -> Vec<u8> {
	number.to_little_endian().to_vec()
}

fn strictly_valid(public: &[u8], signature: &[u8], message: &[u8]) -> bool {
	let point = |bytes: &[u8]| {
		let bytes = CompressedEdwardsY(bytes.try_into().unwrap());
		bytes.decompress().filter(|point| point.compress() == bytes)
	};
	let (r, s) = signature.split_at(32);
	let s: Option<Scalar> = Scalar::from_canonical_bytes(s.try_into().unwrap()).into();
	let (Some(a), Some(big_r), Some(s)) = (point(public), point(r), s) else { return false };
	let k = challenge(r.try_into().unwrap(), public.try_into().unwrap(), message);
	s * ED25519_BASEPOINT_POINT == big_r + k * a
}

/// Every encoding of a point of small order that ZIP-215 reads: eight canonical ones, and six more.
fn small_order() -> Vec<(String, [u8; 32])> {
	let mut out: Vec<_> = EIGHT_TORSION
		.iter()
		.enumerate()
		.map(|(i, point)| (format!("small order {i}"), point.compress().0))
		.collect();
	let p = (U256::one() << 255) - 19;
	let mut add = |name: &str, y: U256, sign: bool| {
		let y = if sign { y + (U256::one() << 255) } else { y };
		out.push((format!("small order, {name}"), y.to_little_endian()));
	};
	add("y = 1 with a sign", 1.into(), true);
	add("y = p", p, false);
	add("y = p with a sign", p, true);
	add("y = p + 1", p + 1, false);
	add("y = p + 1 with a sign", p + 1, true);
	add("y = p - 1 with a sign", p - 1, true);
	out
}

fn ed25519(rows: &mut Rows) {
	let signer = Signer::honest(Scheme::Ed25519);
	let (public, signature) = (signer.public(), signer.sign(&rows.message));
	rows.base("ed25519", &public, &signature);
	let s = U256::from_little_endian(&signature[33..]);
	let set = |at: usize, bytes: Vec<u8>| [Change::Set(at, bytes)];
	rows.change("s + L", What::Signature, &set(33, le(s + order())), Neither);
	rows.change("s = L", What::Signature, &set(33, le(order())), Neither);
	rows.change("highest bit of s", What::Signature, &set(64, vec![signature[64] | 128]), Neither);
	rows.change("sign of R", What::Signature, &set(32, vec![signature[32] ^ 128]), Neither);
	rows.change("sign of A", What::Public, &set(31, vec![public[31] ^ 128]), Neither);
	let off_curve = (2u8..)
		.map(|y| U256::from(y).to_little_endian())
		.find(|bytes| CompressedEdwardsY(*bytes).decompress().is_none())
		.unwrap();
	rows.change("R is not on the curve", What::Signature, &set(1, off_curve.to_vec()), Neither);
	rows.change("A is not on the curve", What::Public, &set(0, off_curve.to_vec()), Neither);

	// A key whose secret is a plain scalar, for signatures that no ordinary signer makes.
	let secret = Scalar::from_bytes_mod_order(seed("scalar"));
	let nonce = Scalar::from_bytes_mod_order(seed("nonce"));
	let sign = |a: EdwardsPoint, r: [u8; 32], nonce: Scalar, message: &[u8]| {
		let public = a.compress().0;
		(public, ed(&r, &(nonce + challenge(&r, &public, message) * secret)))
	};
	let a = secret * ED25519_BASEPOINT_POINT;
	let big_r = nonce * ED25519_BASEPOINT_POINT;
	let torsion = EIGHT_TORSION[1];
	for (name, a, r, nonce, strict) in [
		("plain scalar", a, big_r.compress().0, nonce, true),
		("A of mixed order", a + torsion, big_r.compress().0, nonce, false),
		("R of mixed order", a, (big_r + torsion).compress().0, nonce, false),
		("R is the identity", a, EIGHT_TORSION[0].compress().0, Scalar::ZERO, true),
	] {
		let (public, signature) = sign(a, r, nonce, &rows.message);
		rows.add(name, &public, &signature, Both, Some(strict));
	}
	for (name, encoding) in small_order() {
		// Under a key of small order this signature is good for every message.
		let signature = ed(&encoding, &Scalar::ZERO);
		let strict = strictly_valid(&encoding, &signature[1..], &rows.message);
		rows.add(&format!("A and R of {name}"), &encoding, &signature, Both, Some(strict));
		let (public, signature) = sign(a, encoding, Scalar::ZERO, &rows.message);
		let canonical_identity = encoding == EIGHT_TORSION[0].compress().0;
		rows.add(&format!("R of {name}"), &public, &signature, Both, Some(canonical_identity));
	}
}

fn sr25519(rows: &mut Rows) {
	let signer = Signer::honest(Scheme::Sr25519);
	let (public, signature) = (signer.public(), signer.sign(&rows.message));
	rows.base("sr25519", &public, &signature);
	let last = signature[64];
	assert_eq!(last & 128, 128);
	let s = U256::from_little_endian(&[&signature[33..64], &[last & 127]].concat());
	let marked = |number: U256| {
		let mut bytes = le(number);
		bytes[31] |= 128;
		bytes
	};
	// The other encoding of the same field element: p minus it is negative, so not canonical.
	let p = (U256::one() << 255) - 19;
	let negated = |bytes: &[u8]| le(p - U256::from_little_endian(bytes));
	let set = |at: usize, bytes: Vec<u8>| [Change::Set(at, bytes)];
	rows.change("mark is missing", What::Signature, &set(64, vec![last & 127]), Neither);
	rows.change("s + L, marked", What::Signature, &set(33, marked(s + order())), Neither);
	rows.change("s = L, marked", What::Signature, &set(33, marked(order())), Neither);
	let other_r = negated(&signature[1..33]);
	rows.change("negative R", What::Signature, &set(1, other_r), Neither);
	rows.change("negative public key", What::Public, &set(0, negated(&public)), Neither);
	rows.change("p as public key", What::Public, &set(0, le(p)), Neither);

	// Nobody's key: whatever is signed, R = s · B is good.
	let nonce = Scalar::from_bytes_mod_order(seed("nonce"));
	let identity = |r: Scalar| {
		let point = (r * RISTRETTO_BASEPOINT_POINT).compress().0;
		[&[1][..], &point, &marked(U256::from_little_endian(r.as_bytes()))].concat()
	};
	rows.add("public key 0, s not 0", &[0; 32], &identity(nonce), Both, None);
	rows.add("public key 0, s = 0", &[0; 32], &identity(Scalar::ZERO), Both, None);
}

/// The order of secp256k1.
const N: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";

fn ecdsa(rows: &mut Rows) {
	let n = U256::from_big_endian(&hex::decode(N).unwrap());
	let signer = Signer::honest(Scheme::Ecdsa);
	let (public, signature) = (signer.public(), signer.sign(&rows.message));
	rows.base("ecdsa", &public, &signature);
	let v = signature[65];
	let s = U256::from_big_endian(&signature[33..65]);
	assert!(v < 2 && s <= n / 2, "signers make the lower s");
	let set = |at: usize, bytes: Vec<u8>| Change::Set(at, bytes);
	let be = |number: U256| number.to_big_endian().to_vec();
	let high = |v: u8| [set(33, be(n - s)), set(65, vec![v])];
	rows.change("higher s", What::Signature, &high(v ^ 1), Both);
	rows.change("higher s, v unchanged", What::Signature, &high(v), Neither);
	for (name, v, verdict) in [
		("the other v", v ^ 1, Neither),
		("v + 2", v + 2, Neither),
		("v = 4", 4, Neither),
		("v + 27", v + 27, AccountOnly),
		("the other v + 27", (v ^ 1) + 27, Neither),
		("v = 26", 26, Neither),
		("v = 31", 31, Neither),
		("v = 255", 255, Neither),
	] {
		rows.change(name, What::Signature, &[set(65, vec![v])], verdict);
	}
	for (name, at, number) in
		[("r = 0", 1, U256::zero()), ("s = 0", 33, U256::zero()), ("r = n", 1, n), ("s = n", 33, n)]
	{
		rows.change(name, What::Signature, &[set(at, be(number))], Neither);
	}
	rows.change("s above n", What::Signature, &[set(33, vec![0xFF; 32])], Neither);
	rows.change("the other y", What::Public, &[set(0, vec![public[0] ^ 1])], Neither);
	rows.change("mark of a long public key", What::Public, &[set(0, vec![4])], Neither);
}
