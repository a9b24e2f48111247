//! What is encoded in SCALE: in extrinsics, in statements and in stores.
//!
//! The first byte says which decoder, the others are for it.

use crate::{
	dispatch::is_market,
	heap,
	sample::{self, Facts},
};
use codec::{Codec, DecodeAll, DecodeLimit, Encode, MaxEncodedLen};
use frame_support::{dispatch::GetDispatchInfo, traits::ConstU32, BoundedVec, MAX_EXTRINSIC_DEPTH};
use sp_runtime::OpaqueExtrinsic;
use std::fmt::Debug;
use stoa_client::{allowance::Allowance, ticks::SignedTicks, voucher::SignedVoucher};
use stoa_primitives::{
	agent::Manifest,
	channel::{Cap, CapState, Item, Proof, TickProof, MAX_BATCH},
	keys::{AgentSignature, Key, KeySignature},
	payload::{CloseConsent, Consent, OpenAuth, Payload, Receipt, TickCommit, Voucher},
	referral::Referral,
	tick::MAX_TICKS,
	Balance,
};
use stoa_runtime::{RuntimeCall, UncheckedExtrinsic};
use stoa_tower::Held;

/// A batch, as extrinsics carry it.
type Batch = BoundedVec<Item, ConstU32<MAX_BATCH>>;

/// All decoders. The place of each is in corpora: new ones come last.
const DECODERS: &[fn(&[u8])] = &[
	item,
	batch,
	bounded::<Proof>,
	bounded::<TickProof>,
	bounded::<Key>,
	bounded::<KeySignature>,
	bounded::<AgentSignature>,
	bounded::<Cap>,
	bounded::<CapState>,
	bounded::<Voucher>,
	bounded::<TickCommit>,
	bounded::<OpenAuth>,
	bounded::<CloseConsent>,
	bounded::<Receipt>,
	bounded::<Consent>,
	bounded::<Manifest>,
	bounded::<Referral>,
	allowance,
	held,
	call,
	extrinsic,
];

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let Some((which, bytes)) = bytes.split_first() else { return };
	DECODERS[usize::from(*which) % DECODERS.len()](bytes);
}

/// What is read gives the same bytes again.
fn scale<T: Codec + PartialEq + Debug>(bytes: &[u8]) -> Option<T> {
	let value = heap::within(bytes.len(), || T::decode_all(&mut &*bytes)).ok()?;
	assert_eq!(value.encode(), bytes, "{value:?} has two encodings");
	assert_eq!(value.encoded_size(), bytes.len());
	Some(value)
}

fn bounded<T: Codec + MaxEncodedLen + PartialEq + Debug>(bytes: &[u8]) {
	if let Some(value) = scale::<T>(bytes) {
		assert!(bytes.len() <= T::max_encoded_len(), "{value:?} is longer than it can be");
	}
}

fn item(bytes: &[u8]) {
	bounded::<Item>(bytes);
	if let Some(item) = scale::<Item>(bytes) {
		check_item(&item);
	}
}

fn batch(bytes: &[u8]) {
	bounded::<Batch>(bytes);
	for item in scale::<Batch>(bytes).unwrap_or_default() {
		check_item(&item);
	}
}

/// What is signed is a payload that says the same, and checking it ends.
fn check_item(item: &Item) {
	let domain = sample::domain();
	let message = item.message(&domain);
	assert!(item.ticks() <= MAX_TICKS);
	match &item.proof {
		Proof::Voucher { cumulative, valid_until, .. } => {
			let voucher = Voucher::from_bytes(&message, &domain).expect("a voucher is signed");
			let Item { channel, lane, .. } = *item;
			let (cumulative, valid_until) = (*cumulative, *valid_until);
			assert_eq!(voucher, Voucher { channel, lane, cumulative, valid_until });
			assert_eq!(item.allowed(), Some(cumulative));
		},
		Proof::Ticks(ticks) => {
			let commit = TickCommit::from_bytes(&message, &domain).expect("a commitment is signed");
			assert_eq!(TickProof::new(&commit, ticks.signature, ticks.index, ticks.tick), *ticks);
			assert_eq!(ticks.in_range(), item.ticks() == ticks.index && ticks.index > 0);
			if ticks.in_range() {
				ticks.leads_to_root();
			}
		},
	}
	let key = match item.signature() {
		KeySignature::Ed25519(bytes) => Key::Ed25519(head(bytes)),
		KeySignature::Sr25519(bytes) => Key::Sr25519(head(bytes)),
		KeySignature::Ecdsa(bytes) => Key::Ecdsa(head(bytes)),
	};
	key.verify(&message, item.signature());
}

/// Some key that nobody has made.
fn head<const N: usize>(bytes: &[u8]) -> [u8; N] {
	*bytes.first_chunk().expect("signatures are longer than keys")
}

/// What the client keeps gives back what the chain takes.
fn allowance(bytes: &[u8]) {
	scale::<SignedVoucher>(bytes);
	scale::<SignedTicks>(bytes);
	let Some(allowance) = scale::<Allowance>(bytes) else { return };
	let item = allowance.to_item(Balance::MAX);
	assert_eq!((item.channel, item.lane), (allowance.lane().channel, allowance.lane().lane));
	assert_eq!(item.allowed().unwrap_or(Balance::MAX), allowance.amount());
	assert_eq!(item.valid_until(), allowance.valid_until());
	let less = allowance.amount() / 2;
	assert_eq!(allowance.to_item(less).capture.unwrap_or(allowance.amount()), less);
	check_item(&item);
}

fn held(bytes: &[u8]) {
	if let Some(held) = scale::<Held>(bytes) {
		check_item(&held.item);
	}
}

/// A call, as it is decoded in a block: not deeper than the chain takes.
fn call(bytes: &[u8]) {
	let decode = || RuntimeCall::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &*bytes);
	let Ok(call) = heap::within(worth(bytes), decode) else { return };
	assert_eq!(call.encode(), bytes, "{call:?} has two encodings");
	let info = call.get_dispatch_info();
	assert!(info.call_weight.ref_time() > 0 || !is_market(&call), "{call:?} costs nothing");
}

/// Calls hold others: two bytes can be one, and in memory each is as large as the largest.
fn worth(bytes: &[u8]) -> usize {
	4 * 1024 + 8 * bytes.len()
}

/// A transaction. Nodes take its bytes as they are before the runtime decodes them: so the length in front
/// is true, for which the SDK's decoder makes room before it reads on.
fn extrinsic(bytes: &[u8]) {
	let decode = || {
		let whole = OpaqueExtrinsic::decode_all(&mut &*bytes)?.encode();
		UncheckedExtrinsic::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &*whole)
	};
	let Ok(extrinsic) = heap::within(worth(bytes), decode) else { return };
	assert_eq!(extrinsic.encode(), bytes, "{extrinsic:?} has two encodings");
	let call = extrinsic.function.encode();
	assert!(bytes.ends_with(&call), "the call is not what was signed");
}

fn facts() -> Facts {
	let (id, key) = ([1; 32], sample::key(0).key());
	Facts { id, key, lanes: vec![10, 0], left: 1_000, now: 100 }
}

/// Items of both kinds, by keys of each scheme.
pub(crate) fn samples() -> Vec<Item> {
	let claims = [[0, 0, 9, 0, 0, 0, 0, 0, 0, 0], [0, 1, 9, 70, 140, 150, 3, 0, 0, 0]];
	let item = |(key, claim): (u8, [u8; sample::CLAIM])| {
		let mut source = crate::bytes::Source::new(&claim);
		let facts = Facts { key: sample::key(key).key(), ..facts() };
		sample::item(&mut source, &sample::domain(), |_| facts.clone())
	};
	(0..3).flat_map(|key| claims.map(|claim| (key, claim))).map(item).collect()
}

fn seed(decoder: fn(&[u8]), value: &impl Encode) -> Vec<u8> {
	let place = DECODERS.iter().position(|other| *other as usize == decoder as usize);
	let place = u8::try_from(place.unwrap_or_default()).unwrap_or_default();
	[vec![place], value.encode()].concat()
}

/// A value for each decoder.
pub fn seeds() -> Vec<Vec<u8>> {
	let items = samples();
	let (domain, person) = (sample::domain(), &sample::people()[1]);
	let mut out = vec![seed(batch, &items)];
	out.extend(items.iter().map(|sample| seed(item, sample)));
	for sample in &items {
		let key = sample::key(0);
		let signed = match &sample.proof {
			Proof::Ticks(ticks) => {
				let signed = stoa_client::ticks::SignedCommit {
					commit: ticks.commit(sample.channel, sample.lane),
					signature: ticks.signature,
				};
				Allowance::Ticks(SignedTicks { signed, index: ticks.index, tick: ticks.tick })
			},
			Proof::Voucher { .. } => {
				let voucher = Voucher::from_bytes(&sample.message(&domain), &domain);
				Allowance::Voucher(key.sign_voucher(voucher.expect("a voucher"), &domain))
			},
		};
		out.push(seed(allowance, &signed));
		out.push(seed(bounded::<Proof>, &sample.proof));
		out.push(seed(bounded::<KeySignature>, sample.signature()));
		let (payee, key) = (person.account(), key.key());
		let claim = sample.allowed().unwrap_or_default();
		out.push(seed(held, &Held { payee, item: *sample, claim, key, at: 7 }));
	}
	out.extend(sample::keys().iter().map(|key| seed(bounded::<Key>, &key.key())));
	let cap = Cap { per_window: 100, window: 10 };
	let mut state = CapState::new(cap);
	assert!(state.capture(5, 60) && state.capture(9, 20));
	out.push(seed(bounded::<Cap>, &cap));
	out.push(seed(bounded::<CapState>, &state));
	let account = AgentSignature::Account(person.sign(b"text"));
	let delegate = AgentSignature::Delegate {
		key: sample::key(2).key(),
		signature: sample::key(2).sign(b"text"),
	};
	out.extend([account, delegate].map(|by| seed(bounded::<AgentSignature>, &by)));
	for bytes in crate::dispatch::samples() {
		out.push([seed(call, &()), bytes].concat());
	}
	out.extend(crate::dispatch::extrinsics().iter().map(|sample| seed(extrinsic, sample)));
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn samples_should_be_read() {
		for sample in samples() {
			assert_eq!(scale::<Item>(&sample.encode()), Some(sample));
		}
		let calls = crate::dispatch::samples();
		assert!(calls.iter().all(|bytes| RuntimeCall::decode_all(&mut &**bytes).is_ok()));
	}
}
