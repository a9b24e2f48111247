//! Domains, assets and channel ids.

use crate::{
	json::hex,
	signers::{seed, Scheme, Signer},
};
use codec::Encode;
use serde_json::{json, Value};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;
use std::collections::BTreeSet;
use stoa_primitives::{
	channel::channel_id,
	payload::{Domain, OpenAuth},
	AccountId, AssetId,
};

/// What a signature is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tag {
	Channels,
	Agents,
	Agreements,
}

impl Tag {
	pub fn name(self) -> &'static str {
		match self {
			Self::Channels => "stoa/channels/v1",
			Self::Agents => "stoa/agents/v1",
			Self::Agreements => "stoa/escrow/v1",
		}
	}

	pub fn domain(self, genesis: H256) -> Domain {
		match self {
			Self::Channels => Domain::channels(genesis),
			Self::Agents => Domain::agents(genesis),
			Self::Agreements => Domain::agreements(genesis),
		}
	}

	pub fn other(self) -> Self {
		match self {
			Self::Channels | Self::Agreements => Self::Agents,
			Self::Agents => Self::Channels,
		}
	}
}

/// The chain of the vectors.
pub fn genesis() -> H256 {
	H256(seed("genesis"))
}

/// Another chain.
pub fn other_genesis() -> H256 {
	H256(seed("other genesis"))
}

/// `domains.json`.
pub fn domains() -> Value {
	let genesis = [genesis(), other_genesis(), H256::zero(), H256::repeat_byte(0xFF)];
	let rows = [Tag::Channels, Tag::Agents, Tag::Agreements].iter().flat_map(|tag| {
		genesis.map(|genesis| {
			let domain = tag.domain(genesis).0;
			assert_eq!(domain, blake2_256(&[tag.name().as_bytes(), &genesis.0].concat()));
			json!({ "tag": tag.name(), "genesis": hex(genesis), "domain": hex(domain) })
		})
	});
	json!({ "valid": rows.collect::<Value>() })
}

fn asset_json(asset: &AssetId) -> Value {
	match asset {
		AssetId::Native => Value::Null,
		AssetId::WithId(id) => (*id).into(),
	}
}

/// `channel-ids.json`.
pub fn channels() -> Value {
	let assets =
		[AssetId::Native, AssetId::WithId(0), AssetId::WithId(1), AssetId::WithId(u32::MAX)];
	let asset_rows = assets.iter().map(|asset| {
		let scale = asset.encode();
		assert_eq!(OpenAuth::asset_digest(asset), blake2_256(&scale));
		json!({ "asset": asset_json(asset), "digest": hex(blake2_256(&scale)), "scale": hex(scale) })
	});
	let payer = Signer::new("payer", Scheme::Ed25519).account();
	let payee = Signer::new("payee", Scheme::Sr25519).account();
	let (zero, full) = (AccountId::new([0; 32]), AccountId::new([0xFF; 32]));
	let [native, zeroth, first, last] = &assets;
	let rows = [
		("typical", genesis(), &payer, &payee, first, 0),
		("next nonce", genesis(), &payer, &payee, first, 1),
		("other direction", genesis(), &payee, &payer, first, 0),
		("other chain", other_genesis(), &payer, &payee, first, 0),
		("native asset", genesis(), &payer, &payee, native, 0),
		("asset 0", genesis(), &payer, &payee, zeroth, 0),
		("to oneself", genesis(), &payer, &payer, first, 0),
		("all zero", H256::zero(), &zero, &zero, native, 0),
		("all at their highest", H256::repeat_byte(0xFF), &full, &full, last, u64::MAX),
	];
	let mut seen = BTreeSet::new();
	let rows = rows.map(|(name, genesis, payer, payee, asset, nonce)| {
		let domain = Tag::Channels.domain(genesis);
		let id = channel_id(&domain, payer, payee, asset, nonce);
		assert!(seen.insert(id), "{name} must have an id of its own");
		let accounts = [AsRef::<[u8]>::as_ref(payer), payee.as_ref()].concat();
		let head = [&[0xFF][..], b"CHAN", &[1], &domain.0].concat();
		let preimage = [head, accounts, asset.encode(), nonce.to_le_bytes().to_vec()].concat();
		assert_eq!(id, blake2_256(&preimage));
		json!({
			"name": name,
			"genesis": hex(genesis),
			"payer": hex(payer),
			"payee": hex(payee),
			"asset": asset_json(asset),
			"nonce": nonce.to_string(),
			"preimage": hex(preimage),
			"id": hex(id),
		})
	});
	json!({ "assets": asset_rows.collect::<Value>(), "valid": rows })
}
