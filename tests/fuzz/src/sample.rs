//! Known keys, and items that they sign: without them no input would get past a signature.

use crate::bytes::Source;
use std::sync::OnceLock;
use stoa_client::keys::{AccountKey, Scheme, VoucherKey};
use stoa_primitives::{
	channel::{ChannelId, Item, Proof, TickProof},
	keys::{Key, KeySignature},
	payload::{Domain, Payload, TickCommit, Voucher},
	tick, Balance, BlockNumber, H256,
};

/// The chain of the targets that have no runtime.
pub const GENESIS: H256 = H256::repeat_byte(7);

/// The domain of vouchers on it.
pub fn domain() -> Domain {
	Domain::channels(GENESIS)
}

/// People with account keys.
pub const PEOPLE: usize = 8;

/// The account keys, ed25519 and sr25519 in turn.
///
/// # Panics
///
/// Never: the names are good.
pub fn people() -> &'static [AccountKey] {
	static PEOPLE_KEYS: OnceLock<Vec<AccountKey>> = OnceLock::new();
	PEOPLE_KEYS.get_or_init(|| {
		let schemes = [Scheme::Ed25519, Scheme::Sr25519];
		let key = |n: usize| AccountKey::from_uri(&format!("//Fuzz//{n}"), schemes[n % 2]);
		(0..PEOPLE).map(|n| key(n).expect("a good name")).collect()
	})
}

/// Keys that sign vouchers: two of each scheme.
///
/// # Panics
///
/// Never: the names are good.
pub fn keys() -> &'static [VoucherKey] {
	static KEYS: OnceLock<Vec<VoucherKey>> = OnceLock::new();
	KEYS.get_or_init(|| {
		let schemes = [Scheme::Ed25519, Scheme::Sr25519, Scheme::Ecdsa];
		let key = |n: usize| VoucherKey::from_uri(&format!("//Voucher//{n}"), schemes[n % 3]);
		(0..6).map(|n| key(n).expect("a good name")).collect()
	})
}

/// One of the keys.
pub fn key(n: u8) -> &'static VoucherKey {
	&keys()[usize::from(n) % keys().len()]
}

/// The secret of a key, if it is one of ours.
pub fn secret(key: &Key) -> Option<&'static VoucherKey> {
	keys().iter().find(|secret| secret.key() == *key)
}

/// An amount, beside what there is: none, one unit, all, more than all, the largest number, or so many
/// parts of 256.
pub fn amount(n: u8, there_is: Balance, least: Balance) -> Balance {
	match n {
		0 => 0,
		1 => 1,
		2 => least.saturating_sub(1),
		3 => least,
		4 => there_is,
		5 => there_is.saturating_add(1),
		6 => Balance::MAX,
		7 => there_is.saturating_sub(1),
		n => there_is / 256 * Balance::from(n),
	}
}

/// What has to be known of a channel to make a claim on it.
#[derive(Clone, Debug)]
pub struct Facts {
	/// Its id.
	pub id: ChannelId,
	/// The key that signs.
	pub key: Key,
	/// What each lane has paid.
	pub lanes: Vec<Balance>,
	/// What is left of its deposit.
	pub left: Balance,
	/// The block.
	pub now: BlockNumber,
}

/// Bytes of a claim.
pub const CLAIM: usize = 10;

/// An item on one of the channels that `find` knows, in ten bytes: a voucher or a tick, good or forged
/// in one of many ways.
///
/// | byte | says |
/// |---|---|
/// | 0 | which channel |
/// | 1 | which lane |
/// | 2 | what is allowed, see [`amount`] |
/// | 3 | 64 and above: what of it is captured |
/// | 4 | 128 and above: until which block it is valid |
/// | 5 | 128 and above: a tick of a chain of that length |
/// | 6 | which tick |
/// | 7 | below 192: genuine |
/// | 8 | below 192: signed by the channel's key, else by another |
/// | 9 | of which chain |
pub fn item(source: &mut Source, domain: &Domain, find: impl Fn(u8) -> Facts) -> Item {
	let claim: [u8; CLAIM] = source.array();
	let facts = find(claim[0]);
	let lane = lane(claim[1], facts.lanes.len());
	let place = usize::try_from(lane).unwrap_or(usize::MAX);
	let settled = facts.lanes.get(place).copied().unwrap_or_default();
	let allowed = settled.saturating_add(amount(claim[2], facts.left, 2));
	let part = claim[3].checked_sub(64);
	let capture =
		part.map(|n| settled.saturating_add(amount(n, allowed.saturating_sub(settled), 2)));
	let valid_until = match claim[4] {
		0..=127 => 0,
		n => facts.now.saturating_add_signed(i32::from(n) - 160).max(1),
	};
	let signer = match claim[8] {
		0..=191 => secret(&facts.key).unwrap_or(key(0)),
		n => key(n),
	};
	let domain = match claim[9] {
		0..=249 => *domain,
		_ => Domain::channels(H256::repeat_byte(claim[9])),
	};
	let forged = claim[7].checked_sub(192);
	let voucher = Voucher { channel: facts.id, lane, cumulative: allowed, valid_until };
	let proof = match claim[5].checked_sub(128) {
		None => by_voucher(voucher, signer, &domain, forged),
		Some(count) => {
			let shape = [count, claim[6]];
			by_tick(voucher, settled, shape, signer, &domain, forged)
		},
	};
	Item { channel: facts.id, lane, capture, proof }
}

fn lane(n: u8, lanes: usize) -> u32 {
	let lanes = u32::try_from(lanes.max(1)).unwrap_or(u32::MAX);
	match n {
		0..=191 => u32::from(n) % lanes,
		255 => u32::MAX,
		n => u32::from(n),
	}
}

fn by_voucher(voucher: Voucher, key: &VoucherKey, domain: &Domain, forged: Option<u8>) -> Proof {
	let mut signed = voucher;
	match forged.unwrap_or(u8::MAX) {
		0..=7 => signed.channel[0] ^= 1,
		8..=15 => signed.lane ^= 1,
		16..=23 => signed.cumulative = signed.cumulative.wrapping_sub(1),
		24..=31 => signed.valid_until ^= 1,
		_ => {},
	}
	let signature = flip(key.sign(&signed.to_bytes(domain)), forged);
	let Voucher { cumulative, valid_until, .. } = voucher;
	Proof::Voucher { cumulative, valid_until, signature }
}

fn by_tick(
	allowed: Voucher,
	settled: Balance,
	[count, place]: [u8; 2],
	key: &VoucherKey,
	domain: &Domain,
	forged: Option<u8>,
) -> Proof {
	let Voucher { channel, lane, cumulative, valid_until } = allowed;
	let (prefix, seed) = ([count; 16], [place; 32]);
	// The last forgeries are of chains that are too long.
	let far = if forged.is_some_and(|n| n >= 56) { tick::MAX_TICKS } else { 0 };
	let count = u32::from(count) + 1 + far;
	let index = far + 1 + u32::from(place) % (count - far);
	let value = (cumulative.saturating_sub(settled) / Balance::from(index)).max(1);
	let root = tick::walk(&prefix, count, 0, seed);
	let commit =
		TickCommit { channel, lane, base: settled, value, count, prefix, root, valid_until };
	let signature = flip(key.sign(&commit.to_bytes(domain)), forged);
	let tick = tick::walk(&prefix, count, index, seed);
	let mut proof = TickProof::new(&commit, signature, index, tick);
	match forged.unwrap_or(u8::MAX) {
		0..=7 => proof.tick[0] ^= 1,
		8..=15 => proof.index = proof.index.wrapping_add(1),
		16..=23 => proof.index = 0,
		24..=31 => proof.value = Balance::MAX,
		_ => {},
	}
	Proof::Ticks(proof)
}

fn flip(mut signature: KeySignature, forged: Option<u8>) -> KeySignature {
	if forged.is_some_and(|n| (32..56).contains(&n)) {
		match &mut signature {
			KeySignature::Ed25519(bytes) | KeySignature::Sr25519(bytes) => bytes[5] ^= 4,
			KeySignature::Ecdsa(bytes) => bytes[5] ^= 4,
		}
	}
	signature
}

#[cfg(test)]
mod tests {
	use super::*;

	fn facts() -> Facts {
		Facts { id: [1; 32], key: key(0).key(), lanes: vec![10, 0], left: 1_000, now: 100 }
	}

	fn made(claim: [u8; CLAIM]) -> Item {
		item(&mut Source::new(&claim), &domain(), |_| facts())
	}

	fn genuine(item: &Item) -> bool {
		let ticks = match &item.proof {
			Proof::Voucher { .. } => true,
			Proof::Ticks(ticks) => ticks.in_range() && ticks.leads_to_root(),
		};
		ticks && facts().key.verify(&item.message(&domain()), item.signature())
	}

	#[test]
	fn claims_should_be_genuine_unless_they_say_otherwise() {
		let voucher = made([0, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
		assert!(genuine(&voucher) && voucher.allowed() == Some(1_010));
		let ticks = made([0, 0, 4, 0, 0, 128 + 19, 3, 0, 0, 0]);
		assert!(genuine(&ticks) && ticks.allowed() == Some(1_010) && ticks.ticks() == 4);
		for forgery in 192..=255u8 {
			let forged = made([0, 0, 4, 0, 0, 200, 3, forgery, 0, 0]);
			assert!(!genuine(&forged), "{forgery}");
			assert_eq!(genuine(&made([0, 0, 4, 0, 0, 0, 0, forgery, 0, 0])), forgery >= 192 + 56);
		}
		assert!(!genuine(&made([0, 0, 4, 0, 0, 0, 0, 0, 193, 0])));
		assert!(!genuine(&made([0, 0, 4, 0, 0, 0, 0, 0, 0, 255])));
	}
}
