//! What is settled: SCALE of items with both kinds of proof, and what the chain reads out of them.

use crate::{
	ids::{genesis, Tag},
	json::{changed, changes, hex, Change},
	samples::{channel, commitment},
	signers::{Rule, Scheme, Signer},
};
use codec::{DecodeAll, Encode};
use serde_json::{json, Value};
use stoa_primitives::{
	channel::{Item, Proof, TickProof},
	keys::KeySignature,
	payload::{Payload, Voucher},
	tick::walk,
};

/// `items.json`.
pub fn file() -> Value {
	let valid = samples();
	let two = [valid[0].1, valid[4].1];
	json!({
		"valid": valid.iter().map(|(name, item, signer)| row(name, item, signer)).collect::<Value>(),
		"batches": [
			{ "of": [], "scale": hex(Vec::<Item>::new().encode()) },
			{ "of": [valid[0].0, valid[4].0], "scale": hex(two.to_vec().encode()) },
		],
		"malformed": malformed(&valid),
	})
}

fn sign(signer: &Signer, payload: &impl Payload) -> KeySignature {
	let bytes = payload.to_bytes(&Tag::Channels.domain(genesis()));
	KeySignature::decode_all(&mut signer.sign(&bytes).as_slice()).unwrap()
}

fn voucher(signer: &Signer, cumulative: u128, valid_until: u32, capture: Option<u128>) -> Item {
	let voucher = Voucher { channel: channel(), lane: 3, cumulative, valid_until };
	let proof = Proof::Voucher { cumulative, valid_until, signature: sign(signer, &voucher) };
	Item { channel: channel(), lane: 3, capture, proof }
}

fn ticks(signer: &Signer, index: u32) -> Item {
	let (commit, secret) = commitment();
	let tick = walk(&commit.prefix, commit.count, index, secret);
	let proof = TickProof::new(&commit, sign(signer, &commit), index, tick);
	Item { channel: commit.channel, lane: commit.lane, capture: None, proof: Proof::Ticks(proof) }
}

fn change_ticks(item: Item, change: impl FnOnce(&mut TickProof)) -> Item {
	let Proof::Ticks(mut ticks) = item.proof else { return item };
	change(&mut ticks);
	Item { proof: Proof::Ticks(ticks), ..item }
}

fn samples() -> Vec<(&'static str, Item, Signer)> {
	let [ed, sr, ec] = Scheme::KEYS.map(Signer::honest);
	let stranger = Signer::stranger(Scheme::Ed25519);
	let max = u128::MAX;
	let sign_huge = || {
		let huge = change_ticks(ticks(&ed, 2), |proof| proof.value = max / 2);
		let Proof::Ticks(proof) = huge.proof else { return huge };
		let signature = sign(&ed, &proof.commit(huge.channel, huge.lane));
		change_ticks(huge, |proof| proof.signature = signature)
	};
	vec![
		("voucher, ed25519", voucher(&ed, 1_234_567, 43_200, None), ed.clone()),
		("voucher, sr25519", voucher(&sr, 1_234_567, 43_200, None), sr.clone()),
		("voucher, ecdsa", voucher(&ec, 1_234_567, 43_200, None), ec.clone()),
		("captures less", voucher(&ed, 1_234_567, 0, Some(1_000_000)), ed.clone()),
		("ticks, ed25519", ticks(&ed, 500), ed.clone()),
		("ticks, sr25519", ticks(&sr, 1), sr.clone()),
		("ticks, ecdsa", ticks(&ec, 1_000), ec.clone()),
		("ticks, captures less", Item { capture: Some(1), ..ticks(&ed, 500) }, ed.clone()),
		("captures nothing", voucher(&ed, 1, 1, Some(0)), ed.clone()),
		("all at their highest", voucher(&ed, max, u32::MAX, Some(max)), ed.clone()),
		("tick 0", ticks(&ed, 0), ed.clone()),
		(
			"index above the count",
			change_ticks(ticks(&ed, 1_000), |proof| proof.index = 1_001),
			ed.clone(),
		),
		(
			"tick of another index",
			change_ticks(ticks(&ed, 500), |proof| proof.index = 501),
			ed.clone(),
		),
		("more than any number holds", sign_huge(), ed.clone()),
		("voucher of a stranger", voucher(&stranger, 1_234_567, 43_200, None), ed.clone()),
		("ticks of a stranger", ticks(&stranger, 500), ed.clone()),
		(
			"voucher of another lane",
			Item { lane: 2, ..voucher(&ed, 1_234_567, 0, None) },
			ed.clone(),
		),
		(
			"voucher of another channel",
			Item { channel: [9; 32], ..voucher(&ed, 1_234_567, 0, None) },
			ed.clone(),
		),
		("another value per tick", change_ticks(ticks(&ed, 500), |proof| proof.value += 1), ed),
	]
}

fn proof_json(proof: &Proof) -> Value {
	match proof {
		Proof::Voucher { cumulative, valid_until, signature } => json!({
			"kind": "voucher",
			"cumulative": cumulative.to_string(),
			"valid_until": valid_until,
			"signature": hex(signature.encode()),
		}),
		Proof::Ticks(ticks) => json!({
			"kind": "ticks",
			"base": ticks.base.to_string(),
			"value": ticks.value.to_string(),
			"count": ticks.count,
			"prefix": hex(ticks.prefix),
			"root": hex(ticks.root),
			"valid_until": ticks.valid_until,
			"signature": hex(ticks.signature.encode()),
			"index": ticks.index,
			"tick": hex(ticks.tick),
		}),
	}
}

fn row(name: &str, item: &Item, signer: &Signer) -> Value {
	let scale = item.encode();
	assert_eq!(Item::decode_all(&mut scale.as_slice()).as_ref(), Ok(item));
	let message = item.message(&Tag::Channels.domain(genesis()));
	let signature = item.signature().encode();
	let (in_range, leads_to_root) = match &item.proof {
		Proof::Voucher { .. } => (None, None),
		Proof::Ticks(ticks) => (Some(ticks.in_range()), Some(ticks.leads_to_root())),
	};
	json!({
		"name": name,
		"genesis": hex(genesis()),
		"item": {
			"channel": hex(item.channel),
			"lane": item.lane,
			"capture": item.capture.map(|capture| capture.to_string()),
			"proof": proof_json(&item.proof),
		},
		"scale": hex(scale),
		"message": hex(&message),
		"allowed": item.allowed().map(|allowed| allowed.to_string()),
		"valid_until": item.valid_until(),
		"hashes": item.ticks(),
		"in_range": in_range,
		"leads_to_root": leads_to_root,
		"signer": signer.name,
		"signed": Rule::Key.accepts(signer, &message, &signature),
	})
}

fn malformed(valid: &[(&str, Item, Signer)]) -> Value {
	let mut rows = Vec::new();
	let mut refuse = |name: &str, of: usize, change: Change| {
		let (base, item, _) = &valid[of];
		let bytes = changed(&item.encode(), std::slice::from_ref(&change));
		assert!(Item::decode_all(&mut bytes.as_slice()).is_err(), "{name}");
		rows.push(json!({
			"name": name,
			"of": base,
			"changes": changes(&[change]),
			"scale": hex(bytes),
		}));
	};
	let (voucher, captures, ticks) = (0, 3, 4);
	for of in [voucher, captures, ticks] {
		refuse("one byte short", of, Change::Cut(1));
		refuse("one byte long", of, Change::Append(vec![0]));
	}
	// Channel 32, lane 4: then whether there is a capture, the kind of proof, its fields.
	refuse("capture that is neither there nor not", voucher, Change::Set(36, vec![2]));
	refuse("capture that is not there", voucher, Change::Set(36, vec![1]));
	refuse("unknown kind of proof", voucher, Change::Set(37, vec![2]));
	refuse("voucher that claims to be ticks", voucher, Change::Set(37, vec![1]));
	refuse("ticks that claim to be a voucher", ticks, Change::Set(37, vec![0]));
	refuse("unknown scheme of signature", voucher, Change::Set(58, vec![3]));
	refuse("ed25519 signature that claims to be ecdsa", voucher, Change::Set(58, vec![2]));
	rows.into()
}
