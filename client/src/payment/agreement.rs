//! Agreements on the wire: the payer's to an opening, the payee's to a close.
//!
//! A payer posts an [`OpenPayload`] to a gateway that takes them and gets an [`OpenStatus`]; it asks the
//! gateway to agree to a close and gets a [`ConsentPayload`].

use super::{amount, asset_name, decode_hex, parse_asset, CodecError};
use crate::{
	agreement::{SignedConsent, SignedOpen},
	chain::{parse_hash, to_hex},
	keys::{format_account, parse_account},
};
use codec::Encode;
use serde::{Deserialize, Serialize};
use stoa_primitives::{
	channel::ChannelId,
	keys::Key,
	payload::{CloseConsent, OpenAuth},
	BlockNumber, H256,
};

/// The payee agrees that the payer closes a channel at once.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ConsentPayload {
	/// Channel id.
	pub channel_id: String,
	/// What the payee will have been paid over the channel's life, a decimal string in units of its asset.
	pub total: String,
	/// Last block in which the channel can be closed with it.
	pub expires: BlockNumber,
	/// SCALE of the payee's multi-signature over the consent payload (type 4).
	pub signature: String,
}

impl ConsentPayload {
	/// Writes an agreement.
	pub fn new(signed: &SignedConsent) -> Self {
		let CloseConsent { channel, total, expires } = signed.consent;
		Self {
			channel_id: to_hex(channel),
			total: total.to_string(),
			expires,
			signature: to_hex(signed.signature.encode()),
		}
	}

	/// Reads the agreement. The signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn signed(&self) -> Result<SignedConsent, CodecError> {
		let channel = parse_hash(&self.channel_id).ok_or(CodecError::Field("channelId"))?;
		let total = amount(&self.total, "total")?;
		let consent = CloseConsent { channel, total, expires: self.expires };
		Ok(SignedConsent { consent, signature: decode_hex(&self.signature)? })
	}
}

/// The payer agrees that the payee opens a channel out of the payer's credits.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenPayload {
	/// Who pays: an SS58 address.
	pub payer: String,
	/// Who will be paid: an SS58 address.
	pub payee: String,
	/// In what, as [`asset_name`] writes it.
	pub currency: String,
	/// What will be locked, a decimal string in units of the asset.
	pub amount: String,
	/// The key that will sign vouchers, 34 bytes: scheme (0 ed25519, 1 sr25519, 2 ecdsa) and key, keys of
	/// 32 bytes padded with one 0.
	pub voucher_key: String,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// The next nonce of payer and payee.
	pub nonce: u64,
	/// Last block in which the channel can be opened.
	pub expires: BlockNumber,
	/// SCALE of the payer's multi-signature over the authorisation payload (type 3).
	pub signature: String,
}

impl OpenPayload {
	/// Writes an agreement for the chain of `genesis`.
	pub fn new(signed: &SignedOpen, genesis: H256) -> Self {
		let auth = &signed.auth;
		Self {
			payer: format_account(&signed.payer),
			payee: format_account(&auth.payee),
			currency: asset_name(genesis, &signed.asset),
			amount: auth.amount.to_string(),
			voucher_key: to_hex(auth.voucher_key.to_bytes()),
			grace: auth.grace,
			nonce: auth.nonce,
			expires: auth.expires,
			signature: to_hex(signed.signature.encode()),
		}
	}

	/// Reads the agreement, for the chain of `genesis`. The signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn signed(&self, genesis: H256) -> Result<SignedOpen, CodecError> {
		let account = |text, field| parse_account(text).map_err(|_| CodecError::Field(field));
		let currency = || CodecError::Field("currency");
		let asset = parse_asset(genesis, &self.currency).ok_or_else(currency)?;
		let auth = OpenAuth {
			payee: account(&self.payee, "payee")?,
			asset: OpenAuth::asset_digest(&asset),
			amount: amount(&self.amount, "amount")?,
			voucher_key: voucher_key(&self.voucher_key)?,
			grace: self.grace,
			nonce: self.nonce,
			expires: self.expires,
		};
		let payer = account(&self.payer, "payer")?;
		Ok(SignedOpen { payer, asset, auth, signature: decode_hex(&self.signature)? })
	}
}

/// What has become of an authorisation.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OpenStatus {
	/// The channel's id.
	pub channel_id: String,
	/// Whether the channel is there, finally. If not, it is being opened: read the chain, or post the same
	/// again.
	pub opened: bool,
}

impl OpenStatus {
	/// The state of the channel `id`.
	pub fn new(id: ChannelId, opened: bool) -> Self {
		Self { channel_id: to_hex(id), opened }
	}
}

fn voucher_key(text: &str) -> Result<Key, CodecError> {
	let mut bytes = [0; Key::LEN];
	let digits = text.strip_prefix("0x").unwrap_or(text);
	hex::decode_to_slice(digits, &mut bytes).map_err(|_| CodecError::Field("voucherKey"))?;
	Key::from_bytes(&bytes).ok_or(CodecError::Field("voucherKey"))
}
