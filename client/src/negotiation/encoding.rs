//! How values are written in messages: amounts as decimal strings, hashes as `0x` and lower-case hex digits,
//! accounts as SS58 addresses, assets as `native:STOA` or `asset:<id>` (the last part of CAIP-19; the envelope
//! names the chain). Each value has one form; readers refuse others.

use crate::{
	chain::{parse_hash, to_hex},
	keys::{format_account, parse_account},
};
use codec::{DecodeAll, Encode};
use serde::{de::Error, Deserialize, Deserializer, Serializer};
use stoa_primitives::{agreement::Side, AccountId, AssetId, Balance};

fn text<'de, D: Deserializer<'de>, T>(
	deserializer: D,
	what: &str,
	read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
	let text = String::deserialize(deserializer)?;
	read(&text).ok_or_else(|| D::Error::custom(format!("expected {what}")))
}

/// Whether a text is what would be written.
fn canonical<T>(value: T, written: String, text: &str) -> Option<T> {
	(written == text).then_some(value)
}

macro_rules! encoding {
	($name:ident, $type:ty, $what:literal, $write:expr, $read:expr) => {
		pub mod $name {
			use super::*;

			pub fn serialize<S: Serializer>(value: &$type, to: S) -> Result<S::Ok, S::Error> {
				let write: fn(&$type) -> String = $write;
				to.serialize_str(&write(value))
			}

			pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
				let (write, read): (fn(&$type) -> String, fn(&str) -> Option<$type>) =
					($write, $read);
				text(from, $what, |text| {
					let value = read(text)?;
					let written = write(&value);
					canonical(value, written, text)
				})
			}
		}
	};
}

encoding!(hash, [u8; 32], "0x and 64 hex digits", |hash| to_hex(hash), parse_hash);
encoding!(amount, Balance, "a decimal amount", Balance::to_string, |text| text.parse().ok());
encoding!(account, AccountId, "an SS58 address", format_account, |text| parse_account(text).ok());
encoding!(asset, AssetId, "native:STOA or asset:<id>", asset_text, read_asset);

fn asset_text(asset: &AssetId) -> String {
	match asset {
		AssetId::Native => "native:STOA".into(),
		AssetId::WithId(id) => format!("asset:{id}"),
	}
}

fn read_asset(text: &str) -> Option<AssetId> {
	match text {
		"native:STOA" => Some(AssetId::Native),
		other => other.strip_prefix("asset:")?.parse().ok().map(AssetId::WithId),
	}
}

/// A list of accounts.
pub mod accounts {
	use super::*;
	use serde::ser::SerializeSeq;

	#[derive(Deserialize)]
	struct Account(#[serde(with = "super::account")] AccountId);

	pub fn serialize<S: Serializer>(accounts: &[AccountId], to: S) -> Result<S::Ok, S::Error> {
		let mut list = to.serialize_seq(Some(accounts.len()))?;
		for account in accounts {
			list.serialize_element(&format_account(account))?;
		}
		list.end()
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<AccountId>, D::Error> {
		Ok(Vec::<Account>::deserialize(from)?.into_iter().map(|Account(who)| who).collect())
	}
}

/// SCALE in hex.
pub mod scale {
	use super::*;

	pub fn serialize<S: Serializer>(value: &impl Encode, to: S) -> Result<S::Ok, S::Error> {
		to.serialize_str(&to_hex(value.encode()))
	}

	pub fn deserialize<'de, D: Deserializer<'de>, T: DecodeAll + Encode>(
		from: D,
	) -> Result<T, D::Error> {
		text(from, "SCALE in hex", |text| {
			let bytes = hex::decode(text.strip_prefix("0x")?).ok()?;
			let value = T::decode_all(&mut bytes.as_slice()).ok()?;
			let written = to_hex(value.encode());
			canonical(value, written, text)
		})
	}
}

/// A side.
pub mod side {
	use super::*;

	pub fn serialize<S: Serializer>(side: &Side, to: S) -> Result<S::Ok, S::Error> {
		to.serialize_str(match side {
			Side::Buyer => "buyer",
			Side::Seller => "seller",
		})
	}

	pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Side, D::Error> {
		text(from, "buyer or seller", |text| match text {
			"buyer" => Some(Side::Buyer),
			"seller" => Some(Side::Seller),
			_ => None,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use serde::Serialize;

	#[derive(Debug, Deserialize, PartialEq, Serialize)]
	struct All {
		#[serde(with = "hash")]
		hash: [u8; 32],
		#[serde(with = "amount")]
		amount: Balance,
		#[serde(with = "account")]
		account: AccountId,
		#[serde(with = "accounts")]
		accounts: Vec<AccountId>,
		#[serde(with = "asset")]
		asset: AssetId,
		#[serde(with = "scale")]
		scale: (u32, Option<[u8; 2]>),
		#[serde(with = "side")]
		side: Side,
	}

	#[test]
	fn values_should_have_one_form() {
		let account = AccountId::new([7; 32]);
		let all = All {
			hash: [0xAB; 32],
			amount: Balance::MAX,
			account: account.clone(),
			accounts: vec![account.clone(), AccountId::new([8; 32])],
			asset: AssetId::WithId(1),
			scale: (1, None),
			side: Side::Seller,
		};
		let json = serde_json::to_value(&all).unwrap();
		assert_eq!(json["amount"], "340282366920938463463374607431768211455");
		assert_eq!(json["scale"], "0x0100000000");
		assert_eq!(serde_json::from_value::<All>(json.clone()).unwrap(), all);
		let other = |field: &str, value: &str| {
			let mut json = json.clone();
			json[field] = value.into();
			serde_json::from_value::<All>(json).is_err()
		};
		let digits: &[u8; 32] = account.as_ref();
		for (field, value) in [
			("hash", "AB".repeat(32)),
			("hash", "ab".repeat(32)),
			("hash", format!("0x{}", "AB".repeat(32))),
			("amount", "01".into()),
			("amount", "+1".into()),
			("amount", "1.0".into()),
			("account", to_hex(digits)),
			("account", format_account(&account).to_lowercase()),
			("asset", "asset:01".into()),
			("asset", "native".into()),
			("scale", "0x010000000".into()),
			("scale", "0x010000000000".into()),
			("side", "Buyer".into()),
		] {
			assert!(other(field, &value), "{field}: {value}");
		}
		let mut native = json;
		native["asset"] = "native:STOA".into();
		assert_eq!(serde_json::from_value::<All>(native).unwrap().asset, AssetId::Native);
	}
}
