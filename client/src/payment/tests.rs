use super::*;
use crate::{
	agreement::{OpenTerms, SignedConsent, SignedOpen},
	keys::{AccountKey, Scheme, VoucherKey},
	payee::Rejection,
	ticks::{SignedCommit, SignedTicks, TickChain},
};
use proptest::prelude::*;
use std::collections::HashSet;
use stoa_primitives::payload::{CloseConsent, TickCommit};

const GENESIS: H256 = H256::repeat_byte(0xAB);

fn request() -> PaymentRequest {
	PaymentRequest {
		amount: 250,
		asset: AssetId::WithId(1),
		genesis: GENESIS,
		payee: AccountId::new([2; 32]),
		suggested_deposit: 25_000,
		min_grace: 450,
		tick_value: Some(125),
		open_minimum: None,
	}
}

fn challenge() -> Challenge {
	Challenge::issue(&[7; 32], "api \"one\"", &request(), 2_000_000_000, &[1; 16])
}

fn signed() -> SignedVoucher {
	let key = VoucherKey::from_uri("//V", Scheme::Ed25519).unwrap();
	let voucher = Voucher { channel: [9; 32], lane: 3, cumulative: 500, valid_until: 77 };
	key.sign_voucher(voucher, &Domain::channels(GENESIS))
}

#[test]
fn names_of_chains_and_assets_should_be_readable() {
	assert_eq!(chain_id(GENESIS), "polkadot:abababababababababababababababab");
	for asset in [AssetId::Native, AssetId::WithId(7)] {
		assert_eq!(parse_asset(GENESIS, &asset_name(GENESIS, &asset)), Some(asset.clone()));
		assert_eq!(parse_asset(H256::zero(), &asset_name(GENESIS, &asset)), None);
	}
	for id in ["-1", "+1", "01", "", "1 ", "4294967296"] {
		assert_eq!(
			parse_asset(GENESIS, &format!("{}/asset:{id}", chain_id(GENESIS))),
			None,
			"{id}"
		);
	}
}

#[test]
fn requests_should_survive_their_text_and_be_canonical() {
	let text = request().encode();
	assert_eq!(PaymentRequest::decode(&text).unwrap(), request());
	let json = URL_SAFE_NO_PAD.decode(&text).unwrap();
	// Sorted keys, no blanks: parsing into a sorted map and writing it again changes nothing.
	let sorted: std::collections::BTreeMap<String, serde_json::Value> =
		serde_json::from_slice(&json).unwrap();
	let keys: Vec<_> = sorted.keys().cloned().collect();
	let text = String::from_utf8(json).unwrap();
	let places: Vec<_> =
		keys.iter().map(|key| text.find(&format!("\"{key}\":")).unwrap()).collect();
	assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
	assert!(!text.contains(' '));
}

#[test]
fn requests_should_be_refused_when_fields_disagree() {
	let json: serde_json::Value = decode_json(&request().encode()).unwrap();
	let with = |change: &dyn Fn(&mut serde_json::Value)| {
		let mut json = json.clone();
		change(&mut json);
		PaymentRequest::decode(&encode_json(&json))
	};
	let field = |name| Err(CodecError::Field(name));
	assert_eq!(with(&|j| j["amount"] = "-1".into()), field("amount"));
	assert_eq!(with(&|j| j["amount"] = "+1".into()), field("amount"));
	assert_eq!(with(&|j| j["amount"] = "1e3".into()), field("amount"));
	assert_eq!(with(&|j| j["recipient"] = "x".into()), field("recipient"));
	assert_eq!(with(&|j| j["methodDetails"]["payee"] = to_hex([3; 32]).into()), field("payee"));
	assert_eq!(with(&|j| j["methodDetails"]["chain"] = "polkadot:00".into()), field("chain"));
	assert_eq!(with(&|j| j["currency"] = "eip155:1/asset:1".into()), field("currency"));
	assert_eq!(with(&|j| j["unitType"] = "token".into()), field("unitType"));
}

#[test]
fn challenges_should_survive_the_header_among_others() {
	let challenge = challenge();
	assert_eq!(parse_challenges(&challenge.to_header()).unwrap(), std::slice::from_ref(&challenge));
	let many = format!(
		"Basic realm=\"x, Payment id=1\", Negotiate a2V5==, {}, PAYMENT id=a, realm=b, method=c, \
		intent=d, request=e, unknown=\"f\"",
		challenge.to_header()
	);
	let found = parse_challenges(&many).unwrap();
	assert_eq!(found.len(), 2);
	assert_eq!(found[0], challenge);
	assert!(found[0].is_supported() && !found[1].is_supported());
	assert_eq!(parse_challenges("Basic realm=\"x\"").unwrap(), []);
}

#[test]
fn malformed_challenges_should_be_refused() {
	let header = |error| Err(CodecError::Header(error));
	assert_eq!(parse_challenges("Payment id=\"a"), header(HeaderError::Quote));
	assert_eq!(parse_challenges("id=\"a\""), header(HeaderError::Syntax));
	assert_eq!(parse_challenges("Payment realm=b"), header(HeaderError::Missing("id")));
	assert_eq!(parse_challenges("Payment id=\"\""), header(HeaderError::Missing("id")));
	assert_eq!(parse_challenges("Payment id=a, id=b"), header(HeaderError::Twice));
	assert_eq!(parse_challenges(&"a".repeat(20_000)), header(HeaderError::Syntax));
}

#[test]
fn challenge_ids_should_bind_every_parameter() {
	let challenge = challenge();
	assert!(challenge.is_bound(&[7; 32]));
	assert!(!challenge.is_bound(&[8; 32]));
	let changes: [fn(&mut Challenge); 6] = [
		|c| c.realm.push('x'),
		|c| c.method.push('x'),
		|c| c.intent.push('x'),
		|c| c.request.push('x'),
		|c| c.expires = None,
		|c| c.opaque = None,
	];
	for change in changes {
		let mut changed = challenge.clone();
		change(&mut changed);
		assert!(!changed.is_bound(&[7; 32]));
	}
	assert!(!challenge.is_expired(1_999_999_999));
	assert!(challenge.is_expired(2_000_000_000));
	assert!(Challenge { expires: Some("soon".into()), ..challenge }.is_expired(0));
}

#[test]
fn credentials_should_survive_the_header() {
	let credential = Credential::new(challenge(), signed());
	let header = credential.to_header();
	let read = Credential::parse(&header).unwrap().unwrap();
	assert_eq!(read, credential);
	assert_eq!(read.proof().unwrap(), Some(signed().into()));
	assert!(Credential::parse("Bearer abc").is_none());
	assert!(Credential::parse("").is_none());
	assert_eq!(Credential::parse("Payment ===").unwrap(), Err(CodecError::Base64));
	assert!(matches!(Credential::parse("payment e30").unwrap(), Err(CodecError::Json(_))));
}

fn ticks() -> SignedTicks {
	let (chain, _) = TickChain::random(20);
	let commit = TickCommit {
		channel: [9; 32],
		lane: 3,
		base: 50,
		value: 7,
		count: 20,
		prefix: chain.prefix(),
		root: chain.root(),
		valid_until: 8,
	};
	let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
	let signed = SignedCommit::sign(commit, &key, &Domain::channels(GENESIS));
	SignedTicks { signed, index: 4, tick: chain.tick(4).unwrap() }
}

#[test]
fn ticks_should_survive_the_header() {
	let ticks = ticks();
	let credential = Credential::new(challenge(), ticks);
	let read = Credential::parse(&credential.to_header()).unwrap().unwrap();
	assert_eq!(read.proof(), Ok(Some(ticks.into())));
	let short = TickPayload::short(&ticks);
	assert_eq!(short.tick(), Ok((ticks.signed.lane(), ticks.tick)));
	assert_eq!(short.proof(), Ok(None));
	let with = |change: fn(&mut TickPayload, &mut CommitPayload)| {
		let mut payload = TickPayload::full(&ticks);
		let mut commit = payload.commit.take().unwrap();
		change(&mut payload, &mut commit);
		TickPayload { commit: Some(commit), ..payload }.proof().unwrap_err()
	};
	assert_eq!(with(|tick, _| tick.action = "voucher".into()), CodecError::Field("action"));
	assert_eq!(with(|tick, _| tick.channel_id.push('0')), CodecError::Field("channelId"));
	assert_eq!(with(|tick, _| tick.tick = "0x00".into()), CodecError::Field("tick"));
	assert_eq!(with(|_, commit| commit.base = "-1".into()), CodecError::Field("base"));
	assert_eq!(with(|_, commit| commit.value = String::new()), CodecError::Field("value"));
	assert_eq!(with(|_, commit| commit.prefix.push('0')), CodecError::Field("prefix"));
	assert_eq!(with(|_, commit| commit.root = "x".into()), CodecError::Field("root"));
	assert_eq!(with(|_, commit| commit.signature.push_str("00")), CodecError::Field("signature"));
}

#[test]
fn problems_should_show_the_payer_its_last_tick() {
	let ticks = ticks();
	let rejection = Rejection::Insufficient {
		required: 90,
		shortfall: 1,
		accepted: 78,
		last: Some(Box::new(ticks.into())),
	};
	let problem = Problem::of_rejection(&rejection, true);
	let json = serde_json::to_string(&problem).unwrap();
	let read: Problem = serde_json::from_str(&json).unwrap();
	assert_eq!(read.last(), Ok(Some(ticks.into())));
	assert_eq!(Problem::of_rejection(&rejection, false).last(), Ok(None));
	let capped = Rejection::AboveCap { shortfall: 3, headroom: 40 };
	let problem = Problem::of_rejection(&capped, false);
	assert_eq!(
		(problem.shortfall.as_deref(), problem.headroom.as_deref()),
		(Some("3"), Some("40"))
	);
}

#[test]
fn strangers_should_be_told_one_thing_about_ticks_that_do_not_pay() {
	let ticks = ticks();
	let insufficient = |accepted| Rejection::Insufficient {
		required: accepted + 10,
		shortfall: 1,
		accepted,
		last: Some(Box::new(ticks.into())),
	};
	let rejections = [
		insufficient(50),
		insufficient(90),
		Rejection::TickOutOfRange { last: 20 },
		Rejection::TickTooFar { last: 300 },
		Rejection::BadTick,
	];
	let told: HashSet<String> = rejections
		.iter()
		.map(|one| serde_json::to_string(&Problem::of_tick(one, false)).unwrap())
		.collect();
	assert_eq!(told.len(), 1);
	assert!(Problem::of_tick(&rejections[0], false).is(ProblemType::InvalidTick));
	let proven = Problem::of_tick(&rejections[0], true);
	assert!(proven.is(ProblemType::InsufficientVoucher));
	assert_eq!(proven.last(), Ok(Some(ticks.into())));
	// What does not depend on what was paid is told to everybody.
	assert!(Problem::of_tick(&Rejection::NoCommitment, false).is(ProblemType::CommitmentRequired));
	assert!(Problem::of_tick(&Rejection::Closing, false).is(ProblemType::ChannelUnusable));
}

fn consent() -> SignedConsent {
	let payee = AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap();
	let consent = CloseConsent { channel: [9; 32], total: 310, expires: 77 };
	SignedConsent::sign(consent, &payee, &Domain::channels(GENESIS))
}

fn authorization() -> SignedOpen {
	let terms = OpenTerms {
		payee: AccountId::new([2; 32]),
		asset: AssetId::WithId(1),
		deposit: 500,
		key: VoucherKey::from_uri("//V", Scheme::Ecdsa).unwrap().key(),
		grace: 450,
		nonce: u64::MAX,
		expires: 77,
	};
	let payer = AccountKey::from_uri("//Payer", Scheme::Sr25519).unwrap();
	SignedOpen::sign(terms, &payer, &Domain::channels(GENESIS))
}

#[test]
fn agreements_should_survive_their_text() {
	let consent = consent();
	let text = serde_json::to_string(&ConsentPayload::new(&consent)).unwrap();
	let read: ConsentPayload = serde_json::from_str(&text).unwrap();
	assert_eq!(read.signed(), Ok(consent));
	let payload = OpenPayload::new(&authorization(), GENESIS);
	let text = serde_json::to_string(&payload).unwrap();
	let read: OpenPayload = serde_json::from_str(&text).unwrap();
	let signed = read.signed(GENESIS).unwrap();
	assert_eq!(OpenPayload::new(&signed, GENESIS), payload);
	assert_eq!(signed.auth, authorization().auth);
	let terms = ServiceTerms::new("r", &request());
	let text = serde_json::to_string(&terms).unwrap();
	assert!(!text.contains("openMinimum"));
	let read: ServiceTerms = serde_json::from_str(&text).unwrap();
	assert_eq!(read.request(), Ok(request()));
}

#[test]
fn malformed_agreements_should_be_refused() {
	let with = |change: fn(&mut ConsentPayload)| {
		let mut payload = ConsentPayload::new(&consent());
		change(&mut payload);
		payload.signed().unwrap_err()
	};
	assert_eq!(with(|p| p.channel_id.push('0')), CodecError::Field("channelId"));
	assert_eq!(with(|p| p.total = "-1".into()), CodecError::Field("total"));
	assert_eq!(with(|p| p.signature.push_str("00")), CodecError::Field("signature"));
	let with = |change: fn(&mut OpenPayload)| {
		let mut payload = OpenPayload::new(&authorization(), GENESIS);
		change(&mut payload);
		payload.signed(GENESIS).unwrap_err()
	};
	assert_eq!(with(|p| p.payer = "x".into()), CodecError::Field("payer"));
	assert_eq!(with(|p| p.payee.push('x')), CodecError::Field("payee"));
	assert_eq!(with(|p| p.currency = "asset:1".into()), CodecError::Field("currency"));
	assert_eq!(with(|p| p.amount = "+1".into()), CodecError::Field("amount"));
	assert_eq!(with(|p| p.voucher_key = "0x05".into()), CodecError::Field("voucherKey"));
	// A padding that is not 0.
	let padded = |p: &mut OpenPayload| p.voucher_key = format!("0x00{}01", "ab".repeat(32));
	assert_eq!(with(padded), CodecError::Field("voucherKey"));
	assert_eq!(with(|p| p.signature.clear()), CodecError::Field("signature"));
	let elsewhere = OpenPayload::new(&authorization(), GENESIS).signed(H256::zero());
	assert_eq!(elsewhere.unwrap_err(), CodecError::Field("currency"));
}

#[test]
fn malformed_vouchers_should_be_refused() {
	let good = VoucherPayload::new(&signed());
	let with = |change: fn(&mut VoucherPayload)| {
		let mut payload = good.clone();
		change(&mut payload);
		payload.signed().unwrap_err()
	};
	assert_eq!(with(|p| p.action = "open".into()), CodecError::Field("action"));
	assert_eq!(with(|p| p.channel_id.push('0')), CodecError::Field("channelId"));
	assert_eq!(with(|p| p.cumulative_amount = " 1".into()), CodecError::Field("cumulativeAmount"));
	assert_eq!(with(|p| p.signature = "0x00".into()), CodecError::Field("signature"));
	assert_eq!(with(|p| p.signature.push_str("00")), CodecError::Field("signature"));
	// Case does not make another channel: ids are compared as bytes.
	let mut upper = good.clone();
	upper.channel_id = upper.channel_id.to_uppercase().replace("0X", "0x");
	assert_eq!(upper.signed().unwrap(), signed());
}

#[test]
fn receipts_should_bind_request_and_answer() {
	let payee = AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap();
	let domain = Domain::channels(GENESIS);
	let receipt = Receipt {
		channel: [9; 32],
		lane: 0,
		cumulative: 500,
		request: request_hash("GET", "/a?b", b""),
		response: response_hash(200, b"answer"),
	};
	let issued = PaymentReceipt::issue(&receipt, 250, 0, &domain, |bytes| payee.sign(bytes));
	let read = PaymentReceipt::parse(&issued.to_header()).unwrap();
	assert_eq!(read.payload().unwrap(), receipt);
	assert!(read.verify(&payee.account(), &domain));
	assert!(!read.verify(&AccountId::new([1; 32]), &domain));
	assert!(!read.verify(&payee.account(), &Domain::channels(H256::zero())));
	let changed = PaymentReceipt { response_hash: to_hex([0; 32]), ..read };
	assert!(!changed.verify(&payee.account(), &domain));
	assert_ne!(request_hash("GET", "/a", b"b"), request_hash("GET", "/a\nb", b""));
}

#[test]
fn problems_should_carry_what_puts_them_right() {
	let rejection = Rejection::Insufficient {
		required: 500,
		shortfall: 10,
		accepted: 250,
		last: Some(Box::new(signed().into())),
	};
	let problem = Problem::of_rejection(&rejection, true);
	let json = serde_json::to_value(&problem).unwrap();
	assert_eq!(json["status"], 402);
	assert_eq!(json["requiredCumulative"], "500");
	assert_eq!(json["shortfall"], "10");
	let read: Problem = serde_json::from_value(json).unwrap();
	assert_eq!(read.last_voucher.unwrap().signed().unwrap(), signed());
	let uris: HashSet<_> = ProblemType::ALL.iter().map(|kind| kind.uri()).collect();
	assert_eq!(uris.len(), ProblemType::ALL.len());
	for kind in ProblemType::ALL {
		assert!(Problem::new(kind, "").is(kind) && !kind.title().is_empty());
	}
}

#[test]
fn problems_should_tell_strangers_nothing_of_what_was_paid() {
	let rejection = Rejection::Insufficient {
		required: 500,
		shortfall: 11,
		accepted: 257,
		last: Some(Box::new(signed().into())),
	};
	let problem = Problem::of_rejection(&rejection, false);
	assert!(problem.is(ProblemType::InsufficientVoucher));
	assert_eq!(problem.last_voucher, None);
	let text = serde_json::to_string(&problem).unwrap();
	for figure in ["500", "11", "257"] {
		assert!(!text.contains(figure), "{text}");
	}
}

#[test]
fn proofs_should_bind_channel_time_key_and_chain() {
	let key = VoucherKey::from_uri("//V", Scheme::Ed25519).unwrap();
	let domain = Domain::channels(GENESIS);
	let proof = ChannelProof::sign([9; 32], 1_000_000, &key, &domain);
	let read = ChannelProof::parse(&proof.to_header()).unwrap();
	assert_eq!(read, proof);
	assert!(read.verify(&key.key(), &domain));
	assert!(!read.verify(&VoucherKey::generate().0.key(), &domain));
	assert!(!read.verify(&key.key(), &Domain::channels(H256::zero())));
	assert!(!ChannelProof { channel: [8; 32], ..read.clone() }.verify(&key.key(), &domain));
	assert!(!ChannelProof { time: 1_000_001, ..read.clone() }.verify(&key.key(), &domain));
	for (now, recent) in [(999_699, false), (999_700, true), (1_000_300, true), (1_000_301, false)]
	{
		assert_eq!(read.is_recent(now), recent, "{now}");
	}
	// A proof is no voucher, nor the other way round.
	let voucher = Voucher { channel: [9; 32], lane: 0, cumulative: 1_000_000, valid_until: 0 };
	let as_voucher = SignedVoucher { voucher, signature: proof.signature };
	assert!(!as_voucher.verify(&key.key(), &domain));
	let as_proof =
		ChannelProof { signature: key.sign_voucher(voucher, &domain).signature, ..proof };
	assert!(!as_proof.verify(&key.key(), &domain));
}

proptest! {
	#[test]
	fn arbitrary_headers_should_never_panic(text in "\\PC{0,120}") {
		let _ = parse_challenges(&text);
		let _ = parse_challenges(&format!("Payment {text}"));
		let _ = Credential::parse(&text);
		let _ = Credential::parse(&format!("Payment {text}"));
		let _ = PaymentReceipt::parse(&text);
		let _ = ChannelProof::parse(&text);
		let _ = PaymentRequest::decode(&text);
	}
}
