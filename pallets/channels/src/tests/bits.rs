//! No bit of an item, or of what was signed for it, can be another one.

use super::*;
use codec::{DecodeAll, Encode};
use stoa_primitives::{
	channel::TickProof,
	payload::{TickCommit, HEADER_LEN},
};

/// Both kinds of items for 512 units on lane 1 of a new channel, by this key.
fn good_items(signer: &Signer) -> [Item; 2] {
	let id = Channels::channel_id_of(PAYER, PAYEE, USD);
	let key = signer.key();
	assert_ok!(Channels::open(signed(PAYER), PAYEE, USD, 1_000, key, MIN_GRACE, 3, None));
	let voucher = Voucher { channel: id, lane: 1, cumulative: 512, valid_until: 64 };
	let commit = TickCommit { lane: 1, valid_until: 64, ..commit(id, 112, 2, 256) };
	let Item { proof: Proof::Ticks(ticks), .. } = tick_item(commit, 200) else { unreachable!() };
	let signature = signer.sign(&commit.to_bytes(&domain()));
	let proof = Proof::Ticks(TickProof { signature, ..ticks });
	[
		item_with(voucher, signer.sign(&voucher.to_bytes(&domain()))),
		Item { channel: id, lane: 1, capture: None, proof },
	]
}

fn with_signature(item: Item, signature: KeySignature) -> Item {
	let proof = match item.proof {
		Proof::Voucher { cumulative, valid_until, .. } => {
			Proof::Voucher { cumulative, valid_until, signature }
		},
		Proof::Ticks(ticks) => Proof::Ticks(TickProof { signature, ..ticks }),
	};
	Item { proof, ..item }
}

/// These bytes with one bit flipped, for each bit.
fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
	(0..bytes.len() * 8).map(|bit| {
		let mut bytes = bytes.to_vec();
		bytes[bit / 8] ^= 1 << (bit % 8);
		bytes
	})
}

/// Why a batch of this item alone was skipped.
fn skipped(item: Item) -> SkipReason {
	events();
	assert_ok!(settle(PAYEE, vec![item]));
	match events()[..] {
		[Event::Skipped { reason, .. }, Event::BatchSettled { paid_items: 0, .. }] => reason,
		ref other => panic!("{item:?}: {other:?}"),
	}
}

/// Both kinds of items, by each scheme.
fn each(test: impl Fn(&Signer, Item)) {
	for signer in Signer::all() {
		build_and_execute(|| {
			for item in good_items(&signer) {
				let before = root();
				test(&signer, item);
				assert_eq!(root(), before);
				frame_support::hypothetically!({
					assert_ok!(settle_all(PAYEE, vec![item]));
					assert_eq!(view(item.channel).lane_settled, vec![0, 512, 0]);
				});
			}
		});
	}
}

#[test]
fn item_should_be_skipped_when_any_bit_of_its_bytes_is_flipped() {
	each(|_, good| {
		let bytes = good.encode();
		let mut tried = 0;
		for bytes in flipped(&bytes) {
			if let Ok(item) = Item::decode_all(&mut &bytes[..]) {
				skipped(item);
				tried += 1;
			}
		}
		// All but the bits that say what follows: of `capture`, the kind of proof and the scheme.
		assert!(tried >= bytes.len() * 8 - 3 * 8);
	});
}

#[test]
fn item_should_be_skipped_when_any_bit_of_what_was_signed_is_flipped() {
	each(|signer, good| {
		let message = good.message(&domain());
		assert!(message.len() > HEADER_LEN);
		for message in flipped(&message) {
			let item = with_signature(good, signer.sign(&message));
			assert_eq!(skipped(item), SkipReason::BadSignature);
		}
	});
}
