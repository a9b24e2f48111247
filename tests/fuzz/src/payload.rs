//! What agents sign.
//!
//! An input is tried as a whole payload, and as the body of one of each type, whose header is put in
//! front: that way all fields are reached.

use crate::{heap, sample};
use stoa_primitives::{
	keys::Key,
	payload::{
		CloseConsent, Consent, Domain, OpenAuth, Payload, PayloadError, Receipt, TickCommit,
		Voucher, HEADER_LEN,
	},
	AccountId,
};

/// The type of the payload that `stoa_client::payment::ChannelProof` signs, and its length.
const INQUIRY: (u8, usize) = (8, HEADER_LEN + 40);

/// Reads a payload of each type, returns how many were read.
fn read(bytes: &[u8], domain: &Domain, other: &Domain) -> usize {
	[
		one::<Voucher>(bytes, domain, other),
		one::<TickCommit>(bytes, domain, other),
		one::<OpenAuth>(bytes, domain, other),
		one::<CloseConsent>(bytes, domain, other),
		one::<Receipt>(bytes, domain, other),
		one::<Consent>(bytes, domain, other),
	]
	.into_iter()
	.filter(|read| *read)
	.count()
}

/// What is read gives the same bytes again, and means nothing elsewhere.
fn one<P: Payload>(bytes: &[u8], domain: &Domain, other: &Domain) -> bool {
	let Ok(payload) = heap::within(bytes.len(), || P::from_bytes(bytes, domain)) else {
		return false;
	};
	assert_eq!(bytes.len(), P::LEN);
	assert_eq!(payload.to_bytes(domain), bytes, "not the bytes that were signed");
	assert_eq!(P::from_bytes(bytes, other).err(), Some(PayloadError::Domain));
	true
}

fn header(kind: u8, domain: &Domain) -> Vec<u8> {
	let mut out = vec![0xFF, b'S', b'T', b'O', b'A', 1, kind, 0];
	out.extend(domain.0);
	out
}

/// The length of a payload of a type.
fn length(kind: u8) -> Option<usize> {
	Some(match kind {
		Voucher::TYPE => Voucher::LEN,
		TickCommit::TYPE => TickCommit::LEN,
		OpenAuth::TYPE => OpenAuth::LEN,
		CloseConsent::TYPE => CloseConsent::LEN,
		Receipt::TYPE => Receipt::LEN,
		Consent::TYPE => Consent::LEN,
		_ => return None,
	})
}

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let (channels, agents) = (sample::domain(), Domain::agents(sample::GENESIS));
	let whole = read(bytes, &channels, &agents);
	assert!(whole <= 1, "one signature is good for two payloads");
	if (bytes.len(), bytes.get(6)) == (INQUIRY.1, Some(&INQUIRY.0)) {
		assert_eq!(whole, 0, "an inquiry passes for something else");
	}
	for kind in 0..=9u8 {
		let Some(length) = length(kind) else {
			assert_eq!(read(&[&header(kind, &channels), bytes].concat(), &channels, &agents), 0);
			continue;
		};
		let mut payload = header(kind, &channels);
		payload.extend(bytes);
		payload.resize(length, 0);
		let read = read(&payload, &channels, &agents);
		// Any value is a good one, but for keys.
		assert!(read == 1 || (read == 0 && kind == OpenAuth::TYPE), "type {kind} was not read");
	}
	key(bytes);
}

/// A key as payloads hold it.
fn key(bytes: &[u8]) {
	let Some(raw) = bytes.first_chunk::<{ Key::LEN }>() else { return };
	if let Some(key) = Key::from_bytes(raw) {
		assert_eq!(key.to_bytes(), *raw);
	}
}

/// A payload of each type, and an inquiry.
pub fn seeds() -> Vec<Vec<u8>> {
	let (domain, channel, account) = (sample::domain(), [9; 32], AccountId::new([4; 32]));
	let (prefix, root) = ([5; 16], [6; 32]);
	let commit =
		TickCommit { channel, lane: 1, base: 2, value: 3, count: 4, prefix, root, valid_until: 7 };
	let mut out = vec![
		Voucher { channel, lane: 1, cumulative: 2, valid_until: 3 }.to_bytes(&domain),
		commit.to_bytes(&domain),
		CloseConsent { channel, total: 1, expires: 2 }.to_bytes(&domain),
		Receipt { channel, lane: 1, cumulative: 2, request: [3; 32], response: [4; 32] }
			.to_bytes(&domain),
		Consent { operator: AccountId::new([1; 32]), agent: account.clone(), expires: 2 }
			.to_bytes(&domain),
		[header(INQUIRY.0, &domain), vec![1; 40]].concat(),
	];
	out.extend(sample::keys().iter().map(|key| {
		let (payee, voucher_key) = (account.clone(), key.key());
		let asset = [1; 32];
		OpenAuth { payee, asset, amount: 2, voucher_key, grace: 3, nonce: 4, expires: 5 }
			.to_bytes(&domain)
	}));
	out.extend(sample::keys().iter().map(|key| key.key().to_bytes().to_vec()));
	out
}
