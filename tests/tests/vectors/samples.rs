//! Which payloads the vectors show, and what their fields are called.

use crate::{
	ids::Tag,
	json::{hex, Change},
	signers::{seed, Rule, Scheme, Signer},
};
use serde_json::{json, Value};
use sp_crypto_hashing::blake2_256;
use std::fmt::Debug;
use stoa_primitives::{
	channel::ChannelId,
	keys::Key,
	payload::{
		CancelConsent, CloseConsent, Consent, ExtendConsent, OpenAuth, Payload, Reader, Receipt,
		TickCommit, Voucher, HEADER_LEN,
	},
	tick, AccountId, AssetId,
};

/// A payload that vectors are made of.
pub trait Sample: Clone + Debug + PartialEq + Payload {
	const NAME: &'static str;
	/// What it is for.
	const TAG: Tag;
	/// Who may sign it.
	const RULES: &'static [Rule];
	/// Fields in the order of the bytes, each with its length.
	const FIELDS: &'static [(&'static str, usize)];

	/// Named values; the first is the one that refused rows are derived from.
	fn samples() -> Vec<(&'static str, Self)>;

	/// What the files say of the value; numbers above u32 as decimal strings.
	fn fields(&self) -> Value;

	/// Changes that make a field unreadable.
	fn malformed() -> Vec<(&'static str, Change)> {
		Vec::new()
	}
}

pub fn channel() -> ChannelId {
	seed("channel")
}

/// The tick commitment that is used wherever one is needed: 1,000 ticks of 0.0001 dUSD.
pub fn commitment() -> (TickCommit, tick::Tick) {
	let (secret, count) = (seed("ticks"), 1_000);
	let prefix = *b"sixteen bytes of";
	let root = tick::walk(&prefix, count, 0, secret);
	let (base, value) = (250_000, 100);
	let commit = TickCommit {
		channel: channel(),
		lane: 3,
		base,
		value,
		count,
		prefix,
		root,
		valid_until: 0,
	};
	(commit, secret)
}

impl Sample for Voucher {
	const NAME: &'static str = "Voucher";
	const TAG: Tag = Tag::Channels;
	const RULES: &'static [Rule] = &[Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] =
		&[("channel", 32), ("lane", 4), ("cumulative", 16), ("valid_until", 4)];

	fn samples() -> Vec<(&'static str, Self)> {
		let of = |channel, lane, cumulative, valid_until| Self {
			channel,
			lane,
			cumulative,
			valid_until,
		};
		vec![
			("typical", of(channel(), 3, 1_234_567, 43_200)),
			("without limit of time", of(channel(), 0, 100, 0)),
			("all 0", of([0; 32], 0, 0, 0)),
			("all 1", of([1; 32], 1, 1, 1)),
			("all at their highest", of([0xFF; 32], u32::MAX, u128::MAX, u32::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"channel": hex(self.channel),
			"lane": self.lane,
			"cumulative": self.cumulative.to_string(),
			"valid_until": self.valid_until,
		})
	}
}

impl Sample for TickCommit {
	const NAME: &'static str = "TickCommit";
	const TAG: Tag = Tag::Channels;
	const RULES: &'static [Rule] = &[Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] = &[
		("channel", 32),
		("lane", 4),
		("base", 16),
		("value", 16),
		("count", 4),
		("prefix", 16),
		("root", 32),
		("valid_until", 4),
	];

	fn samples() -> Vec<(&'static str, Self)> {
		let all = |byte, small, large| Self {
			channel: [byte; 32],
			lane: small,
			base: large,
			value: large,
			count: small,
			prefix: [byte; 16],
			root: [byte; 32],
			valid_until: small,
		};
		vec![
			("typical", commitment().0),
			("all 0", all(0, 0, 0)),
			("all 1", all(1, 1, 1)),
			("all at their highest", all(0xFF, u32::MAX, u128::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"channel": hex(self.channel),
			"lane": self.lane,
			"base": self.base.to_string(),
			"value": self.value.to_string(),
			"count": self.count,
			"prefix": hex(self.prefix),
			"root": hex(self.root),
			"valid_until": self.valid_until,
		})
	}
}

impl Sample for OpenAuth {
	const NAME: &'static str = "OpenAuth";
	const TAG: Tag = Tag::Channels;
	const RULES: &'static [Rule] = &[Rule::Account, Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] = &[
		("payee", 32),
		("asset", 32),
		("amount", 16),
		("voucher_key", 34),
		("grace", 4),
		("nonce", 8),
		("expires", 4),
	];

	fn samples() -> Vec<(&'static str, Self)> {
		let all = |byte, voucher_key, small, nonce, amount| Self {
			payee: AccountId::new([byte; 32]),
			asset: [byte; 32],
			amount,
			voucher_key,
			grace: small,
			nonce,
			expires: small,
		};
		let typical = |scheme| Self {
			payee: Signer::new("payee", Scheme::Sr25519).account(),
			asset: Self::asset_digest(&AssetId::WithId(1)),
			amount: 10_000_000,
			voucher_key: Signer::honest(scheme).key().unwrap(),
			grace: 1_800,
			nonce: 7,
			expires: 43_200,
		};
		vec![
			("typical", typical(Scheme::Ed25519)),
			("sr25519 voucher key", typical(Scheme::Sr25519)),
			("ecdsa voucher key", typical(Scheme::Ecdsa)),
			("all 0", all(0, Key::Ed25519([0; 32]), 0, 0, 0)),
			("all 1", all(1, Key::Sr25519([1; 32]), 1, 1, 1)),
			(
				"all at their highest",
				all(0xFF, Key::Ecdsa([0xFF; 33]), u32::MAX, u64::MAX, u128::MAX),
			),
		]
	}

	fn fields(&self) -> Value {
		let (scheme, public) = match &self.voucher_key {
			Key::Ed25519(key) => ("ed25519", key.as_slice()),
			Key::Sr25519(key) => ("sr25519", key.as_slice()),
			Key::Ecdsa(key) => ("ecdsa", key.as_slice()),
		};
		json!({
			"payee": hex(&self.payee),
			"asset": hex(self.asset),
			"amount": self.amount.to_string(),
			"voucher_key": { "scheme": scheme, "public": hex(public) },
			"grace": self.grace,
			"nonce": self.nonce.to_string(),
			"expires": self.expires,
		})
	}

	fn malformed() -> Vec<(&'static str, Change)> {
		let key = HEADER_LEN + 32 + 32 + 16;
		vec![
			("voucher key of an unknown scheme", Change::Set(key, vec![3])),
			("voucher key with padding that is not 0", Change::Set(key + 33, vec![1])),
		]
	}
}

impl Sample for CloseConsent {
	const NAME: &'static str = "CloseConsent";
	const TAG: Tag = Tag::Channels;
	const RULES: &'static [Rule] = &[Rule::Account, Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] =
		&[("channel", 32), ("total", 16), ("expires", 4)];

	fn samples() -> Vec<(&'static str, Self)> {
		let of = |channel, total, expires| Self { channel, total, expires };
		vec![
			("typical", of(channel(), 1_234_567, 43_200)),
			("all 0", of([0; 32], 0, 0)),
			("all 1", of([1; 32], 1, 1)),
			("all at their highest", of([0xFF; 32], u128::MAX, u32::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"channel": hex(self.channel),
			"total": self.total.to_string(),
			"expires": self.expires,
		})
	}
}

impl Sample for Receipt {
	const NAME: &'static str = "Receipt";
	const TAG: Tag = Tag::Channels;
	const RULES: &'static [Rule] = &[Rule::Account];
	const FIELDS: &'static [(&'static str, usize)] =
		&[("channel", 32), ("lane", 4), ("cumulative", 16), ("request", 32), ("response", 32)];

	fn samples() -> Vec<(&'static str, Self)> {
		let all = |byte, lane, cumulative| Self {
			channel: [byte; 32],
			lane,
			cumulative,
			request: [byte; 32],
			response: [byte; 32],
		};
		let typical = Self {
			channel: channel(),
			request: blake2_256(b"GET\n/statistics?of=text\n"),
			response: blake2_256(b"200\n{\"words\":2}"),
			..all(0, 3, 1_234_567)
		};
		vec![
			("typical", typical),
			("all 0", all(0, 0, 0)),
			("all 1", all(1, 1, 1)),
			("all at their highest", all(0xFF, u32::MAX, u128::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"channel": hex(self.channel),
			"lane": self.lane,
			"cumulative": self.cumulative.to_string(),
			"request": hex(self.request),
			"response": hex(self.response),
		})
	}
}

impl Sample for Consent {
	const NAME: &'static str = "Consent";
	const TAG: Tag = Tag::Agents;
	const RULES: &'static [Rule] = &[Rule::Account];
	const FIELDS: &'static [(&'static str, usize)] =
		&[("operator", 32), ("agent", 32), ("expires", 4)];

	fn samples() -> Vec<(&'static str, Self)> {
		let of = |operator, agent, expires| Self {
			operator: AccountId::new(operator),
			agent: AccountId::new(agent),
			expires,
		};
		vec![
			("typical", of(seed("operator"), seed("agent"), 43_200)),
			("all 0", of([0; 32], [0; 32], 0)),
			("all 1", of([1; 32], [1; 32], 1)),
			("all at their highest", of([0xFF; 32], [0xFF; 32], u32::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"operator": hex(&self.operator),
			"agent": hex(&self.agent),
			"expires": self.expires,
		})
	}
}

impl Sample for CancelConsent {
	const NAME: &'static str = "CancelConsent";
	const TAG: Tag = Tag::Agreements;
	const RULES: &'static [Rule] = &[Rule::Account, Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] =
		&[("agreement", 32), ("seller", 16), ("sequence", 4), ("expires", 4)];

	fn samples() -> Vec<(&'static str, Self)> {
		let of =
			|agreement, seller, sequence, expires| Self { agreement, seller, sequence, expires };
		vec![
			("typical", of(seed("agreement"), 1_234_567, 2, 43_200)),
			("all 0", of([0; 32], 0, 0, 0)),
			("all 1", of([1; 32], 1, 1, 1)),
			("all at their highest", of([0xFF; 32], u128::MAX, u32::MAX, u32::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"agreement": hex(self.agreement),
			"seller": self.seller.to_string(),
			"sequence": self.sequence,
			"expires": self.expires,
		})
	}
}

impl Sample for ExtendConsent {
	const NAME: &'static str = "ExtendConsent";
	const TAG: Tag = Tag::Agreements;
	const RULES: &'static [Rule] = &[Rule::Account, Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] =
		&[("agreement", 32), ("milestone", 4), ("deliver_by", 4), ("sequence", 4), ("expires", 4)];

	fn samples() -> Vec<(&'static str, Self)> {
		let of = |agreement, milestone, deliver_by, sequence, expires| Self {
			agreement,
			milestone,
			deliver_by,
			sequence,
			expires,
		};
		vec![
			("typical", of(seed("agreement"), 3, 86_400, 2, 43_200)),
			("all 0", of([0; 32], 0, 0, 0, 0)),
			("all 1", of([1; 32], 1, 1, 1, 1)),
			("all at their highest", of([0xFF; 32], u32::MAX, u32::MAX, u32::MAX, u32::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({
			"agreement": hex(self.agreement),
			"milestone": self.milestone,
			"deliver_by": self.deliver_by,
			"sequence": self.sequence,
			"expires": self.expires,
		})
	}
}

/// Payload type 8, as the client's `ChannelProof` signs it.
#[derive(Clone, Debug, PartialEq)]
pub struct Inquiry {
	pub channel: ChannelId,
	pub time: u64,
}

impl Payload for Inquiry {
	const TYPE: u8 = 8;
	const LEN: usize = 80;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.channel);
		out.extend_from_slice(&self.time.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self { channel: body.array()?, time: u64::from_le_bytes(body.array()?) })
	}
}

impl Sample for Inquiry {
	const NAME: &'static str = "Inquiry";
	const TAG: Tag = Tag::Channels;
	const RULES: &'static [Rule] = &[Rule::Key];
	const FIELDS: &'static [(&'static str, usize)] = &[("channel", 32), ("time", 8)];

	fn samples() -> Vec<(&'static str, Self)> {
		let of = |channel, time| Self { channel, time };
		vec![
			("typical", of(channel(), 1_795_219_200)),
			("all 0", of([0; 32], 0)),
			("all 1", of([1; 32], 1)),
			("all at their highest", of([0xFF; 32], u64::MAX)),
		]
	}

	fn fields(&self) -> Value {
		json!({ "channel": hex(self.channel), "time": self.time.to_string() })
	}
}
