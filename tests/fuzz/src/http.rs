//! Headers and documents of the `Payment` scheme: what a server sends to a client, and a client to a
//! server.
//!
//! The first byte says which parser, the others are for it. Where the scheme wraps JSON in base64url, the
//! input is the JSON for one parser, and the header for another.

use crate::{chain, heap, items, sample};
use axum::http::HeaderValue;
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine};
use codec::Encode;
use serde::{de::DeserializeOwned, Serialize};
use std::fmt::Debug;
use stoa_client::{
	agreement::{OpenTerms, SignedConsent, SignedOpen},
	allowance::Allowance,
	chain::{parse_hash, to_hex},
	keys::{format_account, parse_account},
	payment::{
		asset_name, format_time, parse_asset, parse_challenges, parse_time, Challenge,
		ChannelProof, ChannelStatus, ConsentPayload, Credential, LaneStatus, OpenPayload,
		OpenStatus, PaymentReceipt, PaymentRequest, Problem, ProblemType, ServiceTerms,
		TickPayload, VoucherPayload,
	},
	ticks::{SignedCommit, SignedTicks},
	voucher::SignedVoucher,
};
use stoa_primitives::{
	channel::{Item, Proof},
	payload::{CloseConsent, Payload, Receipt, Voucher},
	AssetId,
};
use stoa_tower::service::Pushed;

/// All parsers. The place of each is in corpora: new ones come last.
const PARSERS: &[fn(&[u8])] = &[
	challenges,
	|bytes| credential(text(bytes)),
	|bytes| credential(&format!("Payment {}", wrapped(bytes))),
	|bytes| receipt(text(bytes)),
	|bytes| receipt(&wrapped(bytes)),
	|bytes| proof(text(bytes)),
	|bytes| proof(&wrapped(bytes)),
	|bytes| request(text(bytes)),
	|bytes| request(&wrapped(bytes)),
	problem,
	status,
	pushed,
	time,
	asset,
	account,
	hash,
	consent,
	opening,
	|bytes| drop(document::<OpenStatus>(bytes)),
	service,
];

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let Some((which, bytes)) = bytes.split_first() else { return };
	PARSERS[usize::from(*which) % PARSERS.len()](bytes);
}

/// What of an input is text.
fn text(bytes: &[u8]) -> &str {
	match std::str::from_utf8(bytes) {
		Ok(text) => text,
		Err(error) => std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default(),
	}
}

fn wrapped(bytes: &[u8]) -> String {
	URL_SAFE_NO_PAD.encode(bytes)
}

/// The value of a header, as HTTP lets it through.
fn value(bytes: &[u8]) -> Option<String> {
	HeaderValue::from_bytes(bytes).ok()?.to_str().ok().map(str::to_owned)
}

fn challenges(bytes: &[u8]) {
	let Some(value) = value(bytes) else { return };
	let parse = |value: &str| heap::within(value.len(), || parse_challenges(value));
	for challenge in parse(&value).unwrap_or_default() {
		// Tabs are lost.
		let [plain] = &*parse(&challenge.to_header()).expect("own headers are read") else {
			panic!("one challenge is read as several: {challenge:?}");
		};
		let again = parse(&plain.to_header()).expect("own headers are read");
		assert_eq!(again, std::slice::from_ref(plain));
		check_challenge(plain);
	}
}

fn check_challenge(challenge: &Challenge) {
	// Nobody knows the secret.
	assert!(!challenge.is_bound(&SECRET));
	let expires = challenge.expires.as_deref();
	assert_eq!(challenge.is_expired(u64::MAX), expires.is_some());
	assert_eq!(
		challenge.is_expired(0),
		expires.is_some_and(|t| parse_time(t).is_none_or(|t| t == 0))
	);
	if let Ok(terms) = challenge.terms() {
		check_request(&terms);
	}
}

const SECRET: [u8; 32] = [0xA5; 32];

fn credential(header: &str) {
	let parse = |header: &str| heap::within(header.len(), || Credential::parse(header));
	let Some(Ok(credential)) = parse(header) else { return };
	let again = parse(&credential.to_header()).expect("of this scheme").expect("it was read");
	assert_eq!(again, credential);
	check_challenge(&credential.challenge);
	if let Ok(Some(proof)) = credential.proof() {
		let again = Credential::new(credential.challenge.clone(), proof);
		assert_eq!(again.proof(), Ok(Some(proof)), "a proof changes on the wire");
		proof.verify(&sample::key(0).key(), &sample::domain());
	}
}

fn receipt(header: &str) {
	let parse = |header: &str| heap::within(header.len(), || PaymentReceipt::parse(header));
	let Ok(receipt) = parse(header) else { return };
	assert_eq!(parse(&receipt.to_header()), Ok(receipt.clone()));
	let payload = receipt.payload();
	let genuine = receipt.verify(&chain::payee(), &sample::domain());
	assert!(!genuine || payload.is_ok(), "a receipt is genuine that says nothing");
	if let Ok(payload) = payload {
		assert_eq!(payload.to_bytes(&sample::domain()).len(), Receipt::LEN);
	}
}

fn proof(header: &str) {
	let parse = |header: &str| heap::within(header.len(), || ChannelProof::parse(header));
	let Ok(proof) = parse(header) else { return };
	assert_eq!(parse(&proof.to_header()), Ok(proof.clone()));
	assert!(proof.is_recent(proof.time));
	if proof.verify(&sample::key(0).key(), &sample::domain()) {
		// Only what the seeds have is signed.
		assert_eq!(proof.channel, chain::id(0));
	}
}

fn request(text: &str) {
	let decode = |text: &str| heap::within(text.len(), || PaymentRequest::decode(text));
	if let Ok(request) = decode(text) {
		check_request(&request);
	}
}

fn check_request(request: &PaymentRequest) {
	assert_eq!(PaymentRequest::decode(&request.encode()), Ok(request.clone()));
}

/// What is read of a document is read again.
fn document<T: DeserializeOwned + Serialize + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
	let read = |bytes: &[u8]| heap::within(bytes.len(), || serde_json::from_slice::<T>(bytes));
	let document = read(bytes).ok()?;
	let text = serde_json::to_vec(&document).expect("documents can be written");
	assert_eq!(read(&text).ok().as_ref(), Some(&document));
	Some(document)
}

fn problem(bytes: &[u8]) {
	let Some(problem) = document::<Problem>(bytes) else { return };
	let known = ProblemType::ALL.into_iter().filter(|kind| problem.is(*kind)).count();
	assert!(known <= 1);
	if let Ok(Some(last)) = problem.last() {
		check_proof(&last);
	}
}

fn status(bytes: &[u8]) {
	let Some(status) = document::<ChannelStatus>(bytes) else { return };
	for lane in &status.lanes {
		let Ok(Some(proof)) = lane.proof() else { continue };
		check_proof(&proof);
		let again = LaneStatus::new(&proof, 0, lane.calls);
		assert_eq!(again.proof(), Ok(Some(proof)));
	}
}

fn check_proof(proof: &Allowance) {
	let item = proof.to_item(proof.amount());
	assert_eq!(item.encode().len(), item.encoded_size());
	match proof {
		Allowance::Voucher(signed) => {
			assert_eq!(VoucherPayload::new(signed).signed(), Ok(*signed));
		},
		Allowance::Ticks(ticks) => {
			assert_eq!(TickPayload::full(ticks).proof(), Ok(Some(*ticks)));
			assert_eq!(TickPayload::short(ticks).proof(), Ok(None));
		},
	}
}

fn consent(bytes: &[u8]) {
	let Some(payload) = document::<ConsentPayload>(bytes) else { return };
	if let Ok(signed) = payload.signed() {
		assert_eq!(ConsentPayload::new(&signed).signed(), Ok(signed.clone()));
		assert_eq!(signed.consent.to_bytes(&sample::domain()).len(), CloseConsent::LEN);
	}
}

fn opening(bytes: &[u8]) {
	let Some(payload) = document::<OpenPayload>(bytes) else { return };
	if let Ok(signed) = payload.signed(sample::GENESIS) {
		assert_eq!(OpenPayload::new(&signed, sample::GENESIS).signed(sample::GENESIS), Ok(signed));
	}
}

fn service(bytes: &[u8]) {
	let Some(terms) = document::<ServiceTerms>(bytes) else { return };
	if let Ok(request) = terms.request() {
		check_request(&request);
		assert_eq!(ServiceTerms::new(&terms.realm, &request).request(), Ok(request));
	}
}

fn pushed(bytes: &[u8]) {
	document::<Pushed>(bytes);
}

fn time(bytes: &[u8]) {
	let number = bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
	let written = format_time(number);
	// Years of more than four digits are written, and not read.
	assert_eq!(parse_time(&written), (number < 253_402_300_800).then_some(number), "{written}");
	let text = text(bytes);
	let Some(seconds) = parse_time(text) else { return };
	let written = format_time(seconds);
	assert_eq!(parse_time(&written), Some(seconds));
	// A leap second and a fraction are the only things that are not written as they were read.
	let whole = text.split('.').next().unwrap_or_default().to_ascii_uppercase();
	let plain = whole.trim_end_matches('Z').len() == 19 && !whole.contains(":60");
	assert!(!plain || written.starts_with(whole.trim_end_matches('Z')), "{text} is {written}");
}

fn asset(bytes: &[u8]) {
	let genesis = sample::GENESIS;
	let number = bytes.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
	for asset in [AssetId::Native, AssetId::WithId(number)] {
		assert_eq!(parse_asset(genesis, &asset_name(genesis, &asset)), Some(asset));
	}
	let own = asset_name(genesis, &AssetId::Native).replace("native:STOA", text(bytes));
	for name in [text(bytes), &own] {
		if let Some(asset) = parse_asset(genesis, name) {
			assert_eq!(asset_name(genesis, &asset), name, "an asset has two names");
		}
	}
}

fn account(bytes: &[u8]) {
	let text = text(bytes);
	if let Ok(account) = heap::within(text.len(), || parse_account(text)) {
		assert_eq!(parse_account(&format_account(&account)).ok(), Some(account.clone()));
		let raw: &[u8] = account.as_ref();
		assert_eq!(parse_account(&to_hex(raw)).ok(), Some(account.clone()));
	}
}

fn hash(bytes: &[u8]) {
	if let Some(hash) = parse_hash(text(bytes)) {
		assert_eq!(parse_hash(&to_hex(hash)), Some(hash));
		let digits = text(bytes).strip_prefix("0x").unwrap_or(text(bytes));
		assert!(digits.eq_ignore_ascii_case(&to_hex(hash)[2..]));
	}
}

pub(crate) fn terms() -> PaymentRequest {
	PaymentRequest {
		amount: 1_000,
		asset: chain::ASSET,
		genesis: sample::GENESIS,
		payee: chain::payee(),
		suggested_deposit: 1_000_000,
		min_grace: 450,
		tick_value: Some(500),
		open_minimum: None,
	}
}

/// A challenge whose secret the targets do not know.
fn challenge() -> Challenge {
	Challenge::issue(&[1; 32], "stoa \"test\"", &terms(), 1_700_000_000, &[7; 16])
}

pub(crate) fn allowance(item: &Item) -> Allowance {
	let domain = sample::domain();
	match &item.proof {
		Proof::Voucher { signature, .. } => {
			let voucher = Voucher::from_bytes(&item.message(&domain), &domain).expect("a voucher");
			SignedVoucher { voucher, signature: *signature }.into()
		},
		Proof::Ticks(ticks) => {
			let commit = ticks.commit(item.channel, item.lane);
			let signed = SignedCommit { commit, signature: ticks.signature };
			SignedTicks { signed, index: ticks.index, tick: ticks.tick }.into()
		},
	}
}

fn opened() -> SignedOpen {
	let opening = OpenTerms {
		payee: chain::payee(),
		asset: chain::ASSET,
		deposit: 1_000,
		key: sample::key(2).key(),
		grace: 450,
		nonce: 3,
		expires: 100,
	};
	// An ed25519 key: always the same signature.
	SignedOpen::sign(opening, &sample::people()[2], &sample::domain())
}

/// The documents of each parser, those in base64url unwrapped.
fn documents() -> Vec<(u8, Vec<u8>)> {
	let proofs: Vec<_> = items::samples().iter().map(allowance).collect();
	let json = |value: &serde_json::Value| value.to_string().into_bytes();
	let of = |value: &dyn Fn() -> serde_json::Result<Vec<u8>>| value().unwrap_or_default();
	let mut out = Vec::new();
	for proof in &proofs {
		let credential = Credential::new(challenge(), *proof);
		out.push((2, of(&|| serde_json::to_vec(&credential))));
		let lanes = vec![LaneStatus::new(proof, 7, 3)];
		let status = ChannelStatus { channel_id: to_hex([1; 32]), lanes };
		out.push((10, of(&|| serde_json::to_vec(&status))));
	}
	let receipt =
		Receipt { channel: [1; 32], lane: 0, cumulative: 5, request: [2; 32], response: [3; 32] };
	let receipt = PaymentReceipt::issue(&receipt, 1, 1_700_000_000, &sample::domain(), |bytes| {
		sample::people()[0].sign(bytes)
	});
	out.push((4, of(&|| serde_json::to_vec(&receipt))));
	for n in 0..3 {
		let proof =
			ChannelProof::sign(chain::id(0), 1_700_000_000, sample::key(n), &sample::domain());
		out.push((6, URL_SAFE_NO_PAD.decode(proof.to_header()).unwrap_or_default()));
	}
	out.push((8, URL_SAFE_NO_PAD.decode(terms().encode()).unwrap_or_default()));
	for (kind, proof) in ProblemType::ALL.into_iter().zip(proofs.iter().cycle()) {
		let mut problem = Problem::new(kind, "what happened");
		problem.shortfall = Some("12".into());
		match proof {
			Allowance::Voucher(signed) => problem.last_voucher = Some(VoucherPayload::new(signed)),
			Allowance::Ticks(ticks) => problem.last_ticks = Some(TickPayload::full(ticks)),
		}
		out.push((9, of(&|| serde_json::to_vec(&problem))));
	}
	let person = &sample::people()[0];
	let consent = CloseConsent { channel: [1; 32], total: 7, expires: 9 };
	let consent = SignedConsent::sign(consent, person, &sample::domain());
	out.push((16, of(&|| serde_json::to_vec(&ConsentPayload::new(&consent)))));
	let opening = OpenPayload::new(&opened(), sample::GENESIS);
	out.push((17, of(&|| serde_json::to_vec(&opening))));
	out.push((18, of(&|| serde_json::to_vec(&OpenStatus::new([1; 32], true)))));
	out.push((19, of(&|| serde_json::to_vec(&ServiceTerms::new("stoa", &terms())))));
	let refused = serde_json::json!({ "index": 1, "reason": "as much was settled before" });
	out.push((11, json(&serde_json::json!({ "kept": 1, "known": 2, "refused": [refused] }))));
	out
}

/// A document for each parser.
pub fn seeds() -> Vec<Vec<u8>> {
	let mut out = documents();
	// The same in base64url.
	for (which, bytes) in documents() {
		match which {
			2 => out.push((1, format!("Payment {}", wrapped(&bytes)).into_bytes())),
			4 | 6 | 8 => out.push((which - 1, wrapped(&bytes).into_bytes())),
			_ => {},
		}
	}
	out.push((0, challenge().to_header().into_bytes()));
	let two = format!("Basic realm=\"x\", {}, Bearer abc==", challenge().to_header());
	out.push((0, two.into_bytes()));
	let texts: [(u8, &str); 8] = [
		(12, "2024-02-29T23:59:59Z"),
		(12, "1970-01-01t00:00:00.5z"),
		(12, "2016-12-31T23:59:60Z"),
		(13, "asset:7"),
		(13, "native:STOA"),
		(14, "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"),
		(15, &"aB".repeat(32)),
		(15, "0x0101010101010101010101010101010101010101010101010101010101010101"),
	];
	out.extend(texts.map(|(which, text)| (which, text.as_bytes().to_vec())));
	out.push((14, to_hex([9; 32]).into_bytes()));
	out.into_iter().map(|(which, bytes)| [vec![which], bytes].concat()).collect()
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn documents_should_be_read() {
		for (which, bytes) in documents() {
			let header = wrapped(&bytes);
			let read = match which {
				2 => {
					Credential::parse(&format!("Payment {header}")).is_some_and(|read| read.is_ok())
				},
				4 => PaymentReceipt::parse(&header)
					.is_ok_and(|read| read.verify(&chain::payee(), &sample::domain())),
				6 => ChannelProof::parse(&header).is_ok(),
				8 => PaymentRequest::decode(&header).is_ok(),
				9 => document::<Problem>(&bytes).is_some_and(|read| read.last().is_ok()),
				10 => document::<ChannelStatus>(&bytes).is_some(),
				16 => document::<ConsentPayload>(&bytes).is_some_and(|read| read.signed().is_ok()),
				17 => document::<OpenPayload>(&bytes)
					.is_some_and(|read| read.signed(sample::GENESIS) == Ok(opened())),
				18 => document::<OpenStatus>(&bytes).is_some(),
				19 => document::<ServiceTerms>(&bytes)
					.is_some_and(|read| read.request() == Ok(terms())),
				_ => document::<Pushed>(&bytes).is_some(),
			};
			assert!(read, "{which}: {}", text(&bytes));
		}
	}
}
