//! Other implementations: what checking one of their payments takes.

use crate::{
	report::Report,
	rounds::{measure as in_turns, Case},
	Scale,
};
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use sp_core::{ecdsa, Pair};
use sp_crypto_hashing::blake2_256;
use std::{path::Path, process::Command};
use stoa_client::{
	keys::{Scheme, VoucherKey},
	verify::{verify_all, Check, KnownKeys, MAX_GROUP},
	voucher::SignedVoucher,
};
use stoa_primitives::{
	payload::{Domain, Payload, Voucher},
	H256,
};

const SECTION: &str = "Next to others";

/// Measures and reports.
///
/// # Panics
///
/// When a peer cannot be run; `scripts/bench` installs them.
pub fn measure(report: &mut Report, scale: &Scale) {
	let domain = Domain::channels(H256::zero());
	let key = VoucherKey::from_uri("//Payer", Scheme::Ed25519).expect("the URI is well-formed");
	let signed: Vec<_> = (0..MAX_GROUP as u128)
		.map(|n| Voucher { channel: [7; 32], lane: 0, cumulative: n, valid_until: 0 })
		.map(|voucher| key.sign_voucher(voucher, &domain))
		.collect();
	let public = key.key();
	let check = |signed: &SignedVoucher| Check {
		key: public,
		message: signed.voucher.to_bytes(&domain),
		signature: signed.signature,
	};
	let checks: Vec<_> = signed.iter().map(check).collect();
	let pair = ecdsa::Pair::from_seed(&[7; 32]);
	let recoverable: Vec<([u8; 32], ecdsa::Signature)> = (0..32u8)
		.map(|n| blake2_256(&[n; 96]))
		.map(|digest| (digest, pair.sign_prehashed(&digest)))
		.collect();
	let (in_c, in_rust) = (recover_in_c, recover_in_rust);
	for (digest, signature) in &recoverable {
		assert_eq!(in_c(digest, signature).as_deref(), Some(&pair.public().0[..]));
		assert_eq!(in_rust(digest, signature).as_deref(), Some(&pair.public().0[..]));
	}
	let (known, bare) = (KnownKeys::default(), |check: &Check| check.verify());
	let [ours, bare, grouped, c, rust] = in_turns(
		scale,
		[
			Case::new("ours", &signed, |signed| known.verify(&check(signed))),
			Case::new("bare", &checks, bare),
			Case::many("grouped", || {
				assert!(checks.chunks(MAX_GROUP).flat_map(verify_all).all(|good| good));
				checks.len()
			}),
			Case::new("c", &recoverable, |(digest, signature)| in_c(digest, signature)),
			Case::new("rust", &recoverable, |(digest, signature)| in_rust(digest, signature)),
		],
	);
	let mppx = mppx(scale);
	report.time(SECTION, "voucher checked alone, its key being known", ours);
	report.time(SECTION, "bare ed25519 verification, once more beside these", bare);
	report.time(SECTION, format!("voucher checked among {MAX_GROUP}"), grouped);
	report.time(SECTION, "secp256k1 key recovered in Rust (k256)", rust);
	report.time(SECTION, "secp256k1 key recovered in C (libsecp256k1)", c);
	report.time(
		SECTION,
		format!("`verifyVoucher` of mppx {}, Node.js {}", mppx.version, mppx.node),
		mppx.seconds,
	);
	report.at_least("voucher checked alone, × mppx verifyVoucher rate", 100.0, mppx.seconds / ours);
	let name = format!("voucher checked among {MAX_GROUP}, × mppx verifyVoucher rate");
	report.at_least(name, 100.0, mppx.seconds / grouped);
	report.at_least("voucher checked alone, × secp256k1 recovery in Rust", 5.0, rust / ours);
}

fn recover_in_c(digest: &[u8; 32], signature: &ecdsa::Signature) -> Option<Vec<u8>> {
	signature.recover_prehashed(digest).map(|public| public.0.to_vec())
}

fn recover_in_rust(digest: &[u8; 32], signature: &ecdsa::Signature) -> Option<Vec<u8>> {
	let (bytes, v) = (signature.0.get(..64)?, signature.0.last()?);
	let parsed = Signature::from_slice(bytes).ok()?;
	let key =
		VerifyingKey::recover_from_prehash(digest, &parsed, RecoveryId::from_byte(*v)?).ok()?;
	Some(key.to_encoded_point(true).as_bytes().to_vec())
}

struct Mppx {
	version: String,
	node: String,
	seconds: f64,
}

fn mppx(scale: &Scale) -> Mppx {
	let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
	let seconds = scale.turn.as_secs_f64() * scale.rounds as f64;
	let output = Command::new("node")
		.args(["mppx.js", &seconds.to_string()])
		.current_dir(&folder)
		.output()
		.expect("Node.js is installed");
	let error = String::from_utf8_lossy(&output.stderr);
	assert!(output.status.success(), "mppx does not run, is it installed? {error}");
	let found: serde_json::Value =
		serde_json::from_slice(&output.stdout).expect("the script prints JSON");
	let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
	Mppx {
		version: text("version"),
		node: text("node"),
		seconds: found["seconds"].as_f64().expect("the script prints seconds"),
	}
}
