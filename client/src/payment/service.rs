//! What a gateway tells of itself under `/.well-known/stoa`.

use super::{
	amount, asset_name, chain_id, parse_asset, CodecError, PaymentRequest, INTENT, METHOD,
};
use crate::{
	chain::{parse_hash, to_hex},
	keys::{format_account, parse_account},
};
use serde::{Deserialize, Serialize};
use stoa_primitives::{BlockNumber, H256};

/// Price, payee and chain: what a client can learn without making a call. Amounts are decimal strings in
/// units of the asset.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceTerms {
	/// The protection space.
	pub realm: String,
	/// [`METHOD`].
	pub method: String,
	/// [`INTENT`].
	pub intent: String,
	/// Price of one call.
	pub price: String,
	/// Always `request`.
	pub unit_type: String,
	/// In what, as [`asset_name`] writes it.
	pub currency: String,
	/// The chain's CAIP-2 id.
	pub chain: String,
	/// The chain's genesis hash.
	pub genesis: String,
	/// Who is paid: an SS58 address.
	pub payee: String,
	/// The same as 32 bytes of hex.
	pub payee_hex: String,
	/// The shortest grace period that is accepted, in blocks.
	pub min_grace: BlockNumber,
	/// A deposit that the payee finds sensible.
	pub suggested_deposit: String,
	/// What one tick is to be worth, if ticks are taken.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub tick_value: Option<String>,
	/// The smallest deposit for which the payee opens a channel by authorisation, if it does so.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub open_minimum: Option<String>,
}

impl ServiceTerms {
	/// Writes what `request` asks for.
	pub fn new(realm: &str, request: &PaymentRequest) -> Self {
		let payee: &[u8] = request.payee.as_ref();
		Self {
			realm: realm.into(),
			method: METHOD.into(),
			intent: INTENT.into(),
			price: request.amount.to_string(),
			unit_type: "request".into(),
			currency: asset_name(request.genesis, &request.asset),
			chain: chain_id(request.genesis),
			genesis: to_hex(request.genesis),
			payee: format_account(&request.payee),
			payee_hex: to_hex(payee),
			min_grace: request.min_grace,
			suggested_deposit: request.suggested_deposit.to_string(),
			tick_value: request.tick_value.map(|amount| amount.to_string()),
			open_minimum: request.open_minimum.map(|amount| amount.to_string()),
		}
	}

	/// The same as a challenge says it.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn request(&self) -> Result<PaymentRequest, CodecError> {
		let genesis = parse_hash(&self.genesis).map(H256).ok_or(CodecError::Field("genesis"))?;
		let optional = |text: &Option<String>, field| {
			text.as_deref().map(|text| amount(text, field)).transpose()
		};
		Ok(PaymentRequest {
			amount: amount(&self.price, "price")?,
			asset: parse_asset(genesis, &self.currency).ok_or(CodecError::Field("currency"))?,
			genesis,
			payee: parse_account(&self.payee).map_err(|_| CodecError::Field("payee"))?,
			suggested_deposit: amount(&self.suggested_deposit, "suggestedDeposit")?,
			min_grace: self.min_grace,
			tick_value: optional(&self.tick_value, "tickValue")?,
			open_minimum: optional(&self.open_minimum, "openMinimum")?,
		})
	}
}
