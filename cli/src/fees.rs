//! How transaction fees are paid, and what they come to in other assets.

use crate::{amount::Unit, context::parse_asset, output::Failure};
use stoa_client::{
	chain::{At, Call, Chain, ChainError, FeeAsset, SubmitOptions},
	keys::AccountKey,
};
use stoa_primitives::{AccountId, AssetId, Balance};

/// Units of native tokens that one unit of an asset buys are counted in parts of this.
const RATE_ONE: Balance = 1_000_000_000_000_000_000;

/// Native tokens for this many fees are more than somebody sends to be a nuisance, and enough to leave
/// an account its minimum balance.
const AMPLE: Balance = 100;

/// From what fees are paid: as the user says, or from what an account has.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeeSource(Option<FeeAsset>);

impl FeeSource {
	/// What `--fees` means.
	///
	/// # Errors
	///
	/// When it names no asset.
	pub fn new(text: Option<&str>) -> Result<Self, Failure> {
		Ok(Self(match text {
			None => None,
			Some("account") => Some(FeeAsset::Native),
			Some(asset) => Some(FeeAsset::Credits(parse_asset(asset)?)),
		}))
	}

	/// From what `key` pays the fee of `call`.
	///
	/// Unless the user has said it, native tokens pay, if the account has any, else its credits in the
	/// development stablecoin. A few native tokens do not count when there are credits: else anybody
	/// could stop an account that lives on credits by sending it some.
	///
	/// # Errors
	///
	/// When the node cannot be asked.
	pub async fn choose(
		&self,
		chain: &Chain,
		key: &AccountKey,
		call: &Call,
	) -> Result<FeeAsset, ChainError> {
		if let Some(given) = &self.0 {
			return Ok(given.clone());
		}
		let credits = FeeAsset::Credits(Unit::development().asset);
		let native = spendable(chain, &key.account(), &FeeAsset::Native).await?;
		let owned = spendable(chain, &key.account(), &credits).await?;
		if native == 0 || owned == 0 {
			return Ok(if owned > 0 { credits } else { FeeAsset::Native });
		}
		let fee = chain.quote_fee(call, key, &SubmitOptions::default()).await?;
		let few = native < fee.saturating_mul(AMPLE);
		match few && can_pay(chain, &key.account(), &credits, fee).await? {
			true => Ok(credits),
			false => Ok(FeeAsset::Native),
		}
	}
}

/// What `account` owns of what fees are paid from.
async fn spendable(
	chain: &Chain,
	account: &AccountId,
	source: &FeeAsset,
) -> Result<Balance, ChainError> {
	match source {
		FeeAsset::Native => {
			let owned = chain.native_balance(account, At::Best).await?;
			Ok(owned.free.saturating_sub(owned.frozen))
		},
		FeeAsset::Credits(asset) => chain.credits(account, asset, At::Best).await,
	}
}

/// Whether `account` owns a fee of `native` units in what it would pay it from.
///
/// # Errors
///
/// When the node cannot be asked.
pub async fn can_pay(
	chain: &Chain,
	account: &AccountId,
	source: &FeeAsset,
	native: Balance,
) -> Result<bool, ChainError> {
	let fee = match source {
		FeeAsset::Native => Some(native),
		FeeAsset::Credits(asset) => in_asset(chain, native, asset).await?,
	};
	match fee {
		Some(fee) => Ok(spendable(chain, account, source).await? >= fee),
		None => Ok(false),
	}
}

/// What `native` units come to in units of an asset, rounded up; `None` when the chain has no rate for
/// it, or no balance is that large.
///
/// # Errors
///
/// When the node cannot be asked.
pub async fn in_asset(
	chain: &Chain,
	native: Balance,
	asset: &AssetId,
) -> Result<Option<Balance>, ChainError> {
	Ok(match asset {
		AssetId::Native => Some(native),
		AssetId::WithId(id) => {
			chain.asset_rate(*id, At::Best).await?.and_then(|rate| convert(native, rate))
		},
	})
}

fn convert(native: Balance, rate: Balance) -> Option<Balance> {
	if rate == 0 {
		return None;
	}
	// In two steps: of a large fee, the whole product with the scale would not fit.
	let (whole, rest) = (native / rate, native % rate);
	whole.checked_mul(RATE_ONE)?.checked_add(rest.checked_mul(RATE_ONE)?.div_ceil(rate))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn sources_should_be_assets_or_the_account() {
		assert_eq!(FeeSource::new(None).unwrap(), FeeSource(None));
		assert_eq!(FeeSource::new(Some("account")).unwrap(), FeeSource(Some(FeeAsset::Native)));
		let credits = |asset| FeeSource(Some(FeeAsset::Credits(asset)));
		assert_eq!(FeeSource::new(Some("1")).unwrap(), credits(AssetId::WithId(1)));
		assert_eq!(FeeSource::new(Some("native")).unwrap(), credits(AssetId::Native));
		assert!(FeeSource::new(Some("credits")).is_err());
	}

	#[test]
	fn fees_should_be_converted_by_the_rate_and_rounded_up() {
		// A unit of the development stablecoin is worth a million units of the native token.
		let rate = 1_000_000 * RATE_ONE;
		assert_eq!(convert(150_000_000, rate), Some(150));
		assert_eq!(convert(150_000_001, rate), Some(151));
		assert_eq!(convert(1, rate), Some(1));
		assert_eq!(convert(0, rate), Some(0));
		assert_eq!(convert(3, RATE_ONE / 2), Some(6));
		assert_eq!(convert(1, 0), None);
	}
}
