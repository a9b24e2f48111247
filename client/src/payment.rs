//! The `Payment` HTTP authentication scheme, method `stoa`, intent `session`.
//!
//! A server answers 402 with a [`Challenge`] in `WWW-Authenticate`; the client repeats the request
//! with a [`Credential`] in `Authorization`; the server answers with a [`PaymentReceipt`] in
//! `Payment-Receipt`. All three carry JSON in base64url without padding. Errors are
//! [`Problem`]s of RFC 9457. The outer forms are those of the IETF draft on the scheme; what the
//! method defines is [`PaymentRequest`], [`VoucherPayload`], [`TickPayload`], [`ChannelProof`],
//! [`ConsentPayload`], [`OpenPayload`] and the fields of the receipt.
//!
//! Amounts are decimal strings in the asset's smallest unit, ids and hashes lower-case hex with `0x`,
//! chains CAIP-2 (`polkadot:` and the first 32 hex digits of the genesis hash).

mod agreement;
mod header;
mod problem;
mod proof;
mod service;
mod status;
mod tick;
mod time;

pub use agreement::{ConsentPayload, OpenPayload, OpenStatus};
pub use header::{parse_challenges, HeaderError};
pub use problem::{Problem, ProblemType};
pub use proof::{ChannelProof, PROOF_HEADER, PROOF_WINDOW};
pub use service::ServiceTerms;
pub use status::{ChannelStatus, LaneStatus};
pub use tick::{CommitPayload, TickPayload};
pub use time::{format_time, parse_time};

use crate::{
	allowance::Allowance,
	chain::{parse_hash, to_hex},
	keys::{format_account, parse_account},
	voucher::SignedVoucher,
};
use base64::{engine::general_purpose::URL_SAFE_NO_PAD, Engine};
use codec::{Decode, DecodeAll, Encode};
use serde::{de::DeserializeOwned, Deserialize, Serialize};
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use stoa_primitives::{
	keys::{verify_account, KeySignature},
	payload::{Domain, Payload, Receipt, Voucher},
	AccountId, AssetId, Balance, BlockNumber, H256,
};

/// The scheme's name.
pub const SCHEME: &str = "Payment";
/// The method's identifier.
pub const METHOD: &str = "stoa";
/// The intent: many calls under one channel.
pub const INTENT: &str = "session";
/// The header that carries the receipt.
pub const RECEIPT_HEADER: &str = "payment-receipt";

/// Why text is not what it should be.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum CodecError {
	/// Not base64url without padding.
	#[error("not base64url without padding")]
	Base64,
	/// Not the JSON that is expected.
	#[error("not the expected JSON: {0}")]
	Json(String),
	/// A field has a value that cannot be read.
	#[error("the field `{0}` is malformed")]
	Field(&'static str),
	/// Not a header of the scheme.
	#[error(transparent)]
	Header(#[from] HeaderError),
}

/// JSON as the scheme carries it.
pub(crate) fn encode_json(value: &impl Serialize) -> String {
	// Structs of strings, numbers and options always serialize; an empty object would be refused by
	// every reader.
	let json = serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec());
	URL_SAFE_NO_PAD.encode(json)
}

pub(crate) fn decode_json<T: DeserializeOwned>(text: &str) -> Result<T, CodecError> {
	let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CodecError::Base64)?;
	serde_json::from_slice(&bytes).map_err(|error| CodecError::Json(error.to_string()))
}

/// The CAIP-2 id of the chain with this genesis hash.
pub fn chain_id(genesis: H256) -> String {
	let digits = hex::encode(genesis);
	format!("polkadot:{}", digits.get(..32).unwrap_or(&digits))
}

/// An asset in the manner of CAIP-19: `<chain>/native:STOA` or `<chain>/asset:<id>`.
pub fn asset_name(genesis: H256, asset: &AssetId) -> String {
	match asset {
		AssetId::Native => format!("{}/native:STOA", chain_id(genesis)),
		AssetId::WithId(id) => format!("{}/asset:{id}", chain_id(genesis)),
	}
}

/// The inverse of [`asset_name`] for one chain. An asset has one name: `asset:+1` and `asset:01` are none.
pub fn parse_asset(genesis: H256, name: &str) -> Option<AssetId> {
	let asset = match name.strip_prefix(&chain_id(genesis))?.strip_prefix('/')? {
		"native:STOA" => AssetId::Native,
		other => AssetId::WithId(other.strip_prefix("asset:")?.parse().ok()?),
	};
	(asset_name(genesis, &asset) == name).then_some(asset)
}

/// What a call costs and how to pay for it: the `request` parameter of a challenge.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PaymentRequest {
	/// Price of one call, in units of the asset.
	pub amount: Balance,
	/// In what.
	pub asset: AssetId,
	/// The chain.
	pub genesis: H256,
	/// Who is paid.
	pub payee: AccountId,
	/// A deposit that the payee finds sensible, in units of the asset.
	pub suggested_deposit: Balance,
	/// The shortest grace period that the payee accepts, in blocks.
	pub min_grace: BlockNumber,
	/// What one tick is to be worth, in units of the asset, if the payee takes ticks: a divisor of all its
	/// prices, so that no payer allows more than a call costs.
	pub tick_value: Option<Balance>,
	/// The smallest deposit for which the payee opens a channel by the payer's authorisation, in units of
	/// the asset, if it does so.
	pub open_minimum: Option<Balance>,
}

// Fields in alphabetical order: the JSON is canonical (RFC 8785) as it is written.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireRequest {
	amount: String,
	currency: String,
	method_details: WireDetails,
	recipient: String,
	suggested_deposit: String,
	unit_type: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct WireDetails {
	chain: String,
	genesis: String,
	min_grace: BlockNumber,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	open_minimum: Option<String>,
	payee: String,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	tick_value: Option<String>,
}

impl PaymentRequest {
	/// The `request` parameter: canonical JSON in base64url.
	pub fn encode(&self) -> String {
		let payee: &[u8] = self.payee.as_ref();
		encode_json(&WireRequest {
			amount: self.amount.to_string(),
			currency: asset_name(self.genesis, &self.asset),
			method_details: WireDetails {
				chain: chain_id(self.genesis),
				genesis: to_hex(self.genesis),
				min_grace: self.min_grace,
				open_minimum: self.open_minimum.map(|amount| amount.to_string()),
				payee: to_hex(payee),
				tick_value: self.tick_value.map(|amount| amount.to_string()),
			},
			recipient: format_account(&self.payee),
			suggested_deposit: self.suggested_deposit.to_string(),
			unit_type: "request".into(),
		})
	}

	/// The inverse of [`PaymentRequest::encode`].
	///
	/// # Errors
	///
	/// [`CodecError`], also when two fields that say the same thing disagree.
	pub fn decode(text: &str) -> Result<Self, CodecError> {
		let wire: WireRequest = decode_json(text)?;
		let genesis = parse_hash(&wire.method_details.genesis)
			.map(H256)
			.ok_or(CodecError::Field("genesis"))?;
		if wire.method_details.chain != chain_id(genesis) {
			return Err(CodecError::Field("chain"));
		}
		let payee = parse_account(&wire.recipient).map_err(|_| CodecError::Field("recipient"))?;
		if parse_account(&wire.method_details.payee).ok().as_ref() != Some(&payee) {
			return Err(CodecError::Field("payee"));
		}
		if wire.unit_type != "request" {
			return Err(CodecError::Field("unitType"));
		}
		let details = &wire.method_details;
		let optional = |text: &Option<String>, field| {
			text.as_deref().map(|text| amount(text, field)).transpose()
		};
		Ok(Self {
			amount: amount(&wire.amount, "amount")?,
			asset: parse_asset(genesis, &wire.currency).ok_or(CodecError::Field("currency"))?,
			genesis,
			payee,
			suggested_deposit: amount(&wire.suggested_deposit, "suggestedDeposit")?,
			min_grace: details.min_grace,
			tick_value: optional(&details.tick_value, "tickValue")?,
			open_minimum: optional(&details.open_minimum, "openMinimum")?,
		})
	}
}

/// Decimal digits only: no sign, no leading `+`, nothing that parsers disagree about.
fn amount(text: &str, field: &'static str) -> Result<Balance, CodecError> {
	let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
	digits.then(|| text.parse().ok()).flatten().ok_or(CodecError::Field(field))
}

/// A challenge: what a server wants for access.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Challenge {
	/// Binds all other parameters; only the server can make it.
	pub id: String,
	/// The protection space.
	pub realm: String,
	/// [`METHOD`] for this crate.
	pub method: String,
	/// [`INTENT`] for this crate.
	pub intent: String,
	/// See [`PaymentRequest`].
	pub request: String,
	/// When the challenge expires, RFC 3339 in UTC.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub expires: Option<String>,
	/// The server's own data, returned unchanged.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub opaque: Option<String>,
}

impl Challenge {
	/// A challenge for `request` until `expires` (seconds since 1970), bound to `secret`. `opaque` is
	/// returned by the client; 16 random bytes in it make ids impossible to guess for others.
	pub fn issue(
		secret: &[u8; 32],
		realm: &str,
		request: &PaymentRequest,
		expires: u64,
		opaque: &[u8],
	) -> Self {
		let mut challenge = Self {
			id: String::new(),
			realm: realm.into(),
			method: METHOD.into(),
			intent: INTENT.into(),
			request: request.encode(),
			expires: Some(format_time(expires)),
			opaque: Some(URL_SAFE_NO_PAD.encode(opaque)),
		};
		challenge.id = challenge.binding(secret);
		challenge
	}

	/// `blake2_256(secret ‖ parameters)`, parameters joined as the draft does it. BLAKE2 needs no
	/// HMAC around it: it cannot be extended.
	fn binding(&self, secret: &[u8; 32]) -> String {
		let text = |value: &Option<String>| value.clone().unwrap_or_default();
		let input = [
			self.realm.as_str(),
			self.method.as_str(),
			self.intent.as_str(),
			self.request.as_str(),
			&text(&self.expires),
			"",
			&text(&self.opaque),
		]
		.join("|");
		URL_SAFE_NO_PAD.encode(blake2_256(&[secret.as_slice(), input.as_bytes()].concat()))
	}

	/// Whether this is a challenge that the holder of `secret` has issued, unchanged.
	pub fn is_bound(&self, secret: &[u8; 32]) -> bool {
		// Hashes are compared, so that timing tells nothing about the expected id.
		blake2_256(self.id.as_bytes()) == blake2_256(self.binding(secret).as_bytes())
	}

	/// Whether the challenge has expired at `now`, in seconds since 1970. A time that cannot be read
	/// counts as passed.
	pub fn is_expired(&self, now: u64) -> bool {
		self.expires
			.as_ref()
			.is_some_and(|text| parse_time(text).is_none_or(|expires| expires <= now))
	}

	/// What the challenge asks for.
	///
	/// # Errors
	///
	/// [`CodecError`].
	pub fn terms(&self) -> Result<PaymentRequest, CodecError> {
		PaymentRequest::decode(&self.request)
	}

	/// The value of `WWW-Authenticate`.
	pub fn to_header(&self) -> String {
		header::format_challenge(self)
	}

	/// Whether this crate knows how to pay it.
	pub fn is_supported(&self) -> bool {
		self.method == METHOD && self.intent == INTENT
	}
}

/// The answer to a challenge: one payment.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Credential {
	/// The challenge, unchanged.
	pub challenge: Challenge,
	/// The payment.
	pub payload: CredentialPayload,
}

/// What pays: told apart by the field `action`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum CredentialPayload {
	/// A voucher.
	Voucher(VoucherPayload),
	/// A tick.
	Tick(TickPayload),
}

/// The payload of a credential.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VoucherPayload {
	/// Always `voucher`.
	pub action: String,
	/// Channel id.
	pub channel_id: String,
	/// All that was ever allowed on the lane.
	pub cumulative_amount: String,
	/// Lane within the channel.
	#[serde(default)]
	pub lane: u32,
	/// Last block in which the voucher can be settled, 0 for no limit.
	#[serde(default)]
	pub valid_until: BlockNumber,
	/// SCALE of the key signature: one scheme byte (0 ed25519, 1 sr25519, 2 ecdsa) and the signature.
	pub signature: String,
}

impl VoucherPayload {
	/// Writes a voucher.
	pub fn new(signed: &SignedVoucher) -> Self {
		Self {
			action: "voucher".into(),
			channel_id: to_hex(signed.voucher.channel),
			cumulative_amount: signed.voucher.cumulative.to_string(),
			lane: signed.voucher.lane,
			valid_until: signed.voucher.valid_until,
			signature: to_hex(signed.signature.encode()),
		}
	}

	/// Reads the voucher. The signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn signed(&self) -> Result<SignedVoucher, CodecError> {
		if self.action != "voucher" {
			return Err(CodecError::Field("action"));
		}
		let channel = parse_hash(&self.channel_id).ok_or(CodecError::Field("channelId"))?;
		let signature: KeySignature = decode_hex(&self.signature)?;
		let voucher = Voucher {
			channel,
			lane: self.lane,
			cumulative: amount(&self.cumulative_amount, "cumulativeAmount")?,
			valid_until: self.valid_until,
		};
		Ok(SignedVoucher { voucher, signature })
	}
}

fn decode_hex<T: Decode>(text: &str) -> Result<T, CodecError> {
	let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text))
		.map_err(|_| CodecError::Field("signature"))?;
	T::decode_all(&mut bytes.as_slice()).map_err(|_| CodecError::Field("signature"))
}

impl Credential {
	/// As [`Credential::new`], but a tick comes without its commitment, which the payee has seen before.
	pub fn short(challenge: Challenge, proof: impl Into<Allowance>) -> Self {
		match proof.into() {
			Allowance::Ticks(ticks) => {
				Self { challenge, payload: CredentialPayload::Tick(TickPayload::short(&ticks)) }
			},
			voucher => Self::new(challenge, voucher),
		}
	}

	/// A credential for `challenge`. A tick comes with its commitment.
	pub fn new(challenge: Challenge, proof: impl Into<Allowance>) -> Self {
		let payload = match proof.into() {
			Allowance::Voucher(signed) => CredentialPayload::Voucher(VoucherPayload::new(&signed)),
			Allowance::Ticks(ticks) => CredentialPayload::Tick(TickPayload::full(&ticks)),
		};
		Self { challenge, payload }
	}

	/// What pays, in full; `None` for a tick without its commitment. Nothing is checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn proof(&self) -> Result<Option<Allowance>, CodecError> {
		match &self.payload {
			CredentialPayload::Voucher(voucher) => Ok(Some(voucher.signed()?.into())),
			CredentialPayload::Tick(tick) => Ok(tick.proof()?.map(Into::into)),
		}
	}

	/// The value of `Authorization`.
	pub fn to_header(&self) -> String {
		format!("{SCHEME} {}", encode_json(self))
	}

	/// Reads the value of `Authorization`; `None` if it is of another scheme.
	///
	/// # Errors
	///
	/// [`CodecError`].
	pub fn parse(header: &str) -> Option<Result<Self, CodecError>> {
		let (scheme, rest) = header.trim().split_once(' ')?;
		scheme.eq_ignore_ascii_case(SCHEME).then(|| decode_json(rest.trim()))
	}
}

/// What a payee confirms: which voucher bought which answer, signed by its account key.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentReceipt {
	/// Always `success`.
	pub status: String,
	/// [`METHOD`].
	pub method: String,
	/// When the call was served, RFC 3339 in UTC.
	pub timestamp: String,
	/// `<channel>/<lane>/<cumulative amount>`: what identifies a paid call.
	pub reference: String,
	/// What was charged.
	pub amount: String,
	/// Channel id.
	pub channel_id: String,
	/// Lane within the channel.
	pub lane: u32,
	/// The voucher's cumulative amount.
	pub cumulative_amount: String,
	/// [`request_hash`].
	pub request_hash: String,
	/// [`response_hash`].
	pub response_hash: String,
	/// SCALE of the payee's multi-signature over the receipt payload (type 5).
	pub signature: String,
}

impl PaymentReceipt {
	/// Writes a receipt that `sign` signs.
	pub fn issue(
		receipt: &Receipt,
		charged: Balance,
		now: u64,
		domain: &Domain,
		sign: impl FnOnce(&[u8]) -> MultiSignature,
	) -> Self {
		let channel = to_hex(receipt.channel);
		Self {
			status: "success".into(),
			method: METHOD.into(),
			timestamp: format_time(now),
			reference: format!("{channel}/{}/{}", receipt.lane, receipt.cumulative),
			amount: charged.to_string(),
			channel_id: channel,
			lane: receipt.lane,
			cumulative_amount: receipt.cumulative.to_string(),
			request_hash: to_hex(receipt.request),
			response_hash: to_hex(receipt.response),
			signature: to_hex(sign(&receipt.to_bytes(domain)).encode()),
		}
	}

	/// The payload that was signed. The signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn payload(&self) -> Result<Receipt, CodecError> {
		let hash = |text, field| parse_hash(text).ok_or(CodecError::Field(field));
		Ok(Receipt {
			channel: hash(&self.channel_id, "channelId")?,
			lane: self.lane,
			cumulative: amount(&self.cumulative_amount, "cumulativeAmount")?,
			request: hash(&self.request_hash, "requestHash")?,
			response: hash(&self.response_hash, "responseHash")?,
		})
	}

	/// Whether `payee` signed this receipt on the chain of `domain`.
	pub fn verify(&self, payee: &AccountId, domain: &Domain) -> bool {
		let Ok(payload) = self.payload() else { return false };
		let Ok(signature) = decode_hex::<MultiSignature>(&self.signature) else { return false };
		verify_account(payee, &payload.to_bytes(domain), &signature)
	}

	/// The value of `Payment-Receipt`.
	pub fn to_header(&self) -> String {
		encode_json(self)
	}

	/// Reads the value of `Payment-Receipt`.
	///
	/// # Errors
	///
	/// [`CodecError`].
	pub fn parse(header: &str) -> Result<Self, CodecError> {
		decode_json(header.trim())
	}
}

/// What a receipt says of a request: `blake2_256(method ‖ "\n" ‖ path and query ‖ "\n" ‖ body)`.
pub fn request_hash(method: &str, path_and_query: &str, body: &[u8]) -> [u8; 32] {
	let head = format!("{method}\n{path_and_query}\n");
	blake2_256(&[head.as_bytes(), body].concat())
}

/// What a receipt says of an answer: `blake2_256(status as decimal ‖ "\n" ‖ body)`.
pub fn response_hash(status: u16, body: &[u8]) -> [u8; 32] {
	let head = format!("{status}\n");
	blake2_256(&[head.as_bytes(), body].concat())
}

#[cfg(test)]
mod tests;
