//! What auditors read: totals, rates, accounts of the system and referrals.

use super::{
	api,
	online::{rpc_error, view},
	At, Chain, ChainError,
};
use codec::Decode;
use stoa_primitives::{
	money::{Schedule, ScheduleId, Shares},
	referral::Code,
	AccountId, AssetId, Balance, BlockNumber,
};
use subxt::utils::Static;

/// The ledger of credits in one asset.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Solvency {
	/// The real balance of the custody account.
	pub custody: Balance,
	/// All credits, free and locked.
	pub issued: Balance,
	/// Credits that their owners can spend.
	pub free: Balance,
	/// Credits in purses.
	pub locked: Balance,
}

/// All that was ever settled in one asset.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct LifetimeTotals {
	/// Before shares were taken.
	pub gross: Balance,
	/// The three shares.
	pub shares: Shares,
	/// In how many settlements.
	pub settlements: u64,
}

/// How an asset is shown.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AssetMetadata {
	/// Its symbol.
	pub symbol: String,
	/// Its decimals.
	pub decimals: u8,
}

impl Chain {
	/// What custody holds of an asset, and what it owes.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn solvency(&self, asset: &AssetId, at: At) -> Result<Solvency, ChainError> {
		let call = api::view_functions().credits().solvency(Static(asset.clone()));
		let found = view(&self.at(at).await?, call).await?;
		Ok(Solvency {
			custody: found.custody,
			issued: found.issued,
			free: found.free,
			locked: found.locked,
		})
	}

	/// All that was ever settled in an asset.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn settled_totals(
		&self,
		asset: &AssetId,
		at: At,
	) -> Result<LifetimeTotals, ChainError> {
		let call = api::view_functions().fee_split().totals(Static(asset.clone()));
		let found = view(&self.at(at).await?, call).await?;
		Ok(LifetimeTotals {
			gross: found.gross,
			shares: Shares {
				provider: found.provider,
				platform: found.platform,
				referral: found.referral,
			},
			settlements: found.settlements,
		})
	}

	/// The rates of a schedule.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn schedule(&self, id: ScheduleId, at: At) -> Result<Option<Schedule>, ChainError> {
		let call = api::view_functions().fee_split().schedule(id);
		let found = view(&self.at(at).await?, call).await?;
		Ok(found.map(|schedule| schedule.0))
	}

	/// The number of the schedule that new channels and agreements keep.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn current_schedule(&self, at: At) -> Result<ScheduleId, ChainError> {
		let call = api::view_functions().fee_split().current();
		view(&self.at(at).await?, call).await
	}

	/// The account that receives the platform's share.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn platform_account(&self) -> Result<AccountId, ChainError> {
		let at = self.at(At::Finalized).await?;
		let account = at.constants().entry(api::constants().fee_split().platform_account());
		Ok(account.map_err(rpc_error)?.0)
	}

	/// The account that keeps referral shares that are due to nobody.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn growth_pool_account(&self) -> Result<AccountId, ChainError> {
		let call = api::view_functions().referrals().growth_pool_account();
		Ok(view(&self.at(At::Finalized).await?, call).await?.0)
	}

	/// Native units that one unit of an asset buys, times 10^18; `None` when there is no rate.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn asset_rate(&self, id: u32, at: At) -> Result<Option<u128>, ChainError> {
		let at = self.at(at).await?;
		let rate = at
			.storage()
			.try_fetch(api::storage().asset_rate().conversion_rate_to_native(), (id,))
			.await?;
		rate.map_or(Ok(None), |rate| Ok(Some(rate.decode()?.0)))
	}

	/// Symbol and decimals of an asset; `None` when there is no such asset.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn asset_metadata(
		&self,
		id: u32,
		at: At,
	) -> Result<Option<AssetMetadata>, ChainError> {
		let at = self.at(at).await?;
		// The map of metadata has a default value: only the asset itself tells whether there is one.
		if at.storage().try_fetch(api::storage().assets().asset(), (id,)).await?.is_none() {
			return Ok(None);
		}
		let found = at.storage().fetch(api::storage().assets().metadata(), (id,)).await?;
		let metadata = found.decode()?;
		Ok(Some(AssetMetadata {
			symbol: String::from_utf8_lossy(&metadata.symbol.0).into_owned(),
			decimals: metadata.decimals,
		}))
	}

	/// Who brought an agent.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn referrer_of(
		&self,
		who: &AccountId,
		at: At,
	) -> Result<Option<AccountId>, ChainError> {
		let call = api::view_functions().referrals().referrer_of(Static(who.clone()));
		Ok(view(&self.at(at).await?, call).await?.map(|referrer| referrer.0))
	}

	/// How many agents an account has brought.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn referee_count(&self, who: &AccountId, at: At) -> Result<u32, ChainError> {
		let call = api::view_functions().referrals().referee_count(Static(who.clone()));
		view(&self.at(at).await?, call).await
	}

	/// The referral codes that name an account, sorted. Walks the whole map.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn codes_of(&self, who: &AccountId, at: At) -> Result<Vec<String>, ChainError> {
		let at = self.at(at).await?;
		let mut rows = at.storage().iter(api::storage().referrals().codes(), ()).await?;
		let mut out = Vec::new();
		while let Some(row) = rows.next().await {
			let row = row?;
			if row.value().decode()?.owner.0 != *who {
				continue;
			}
			// The key is the code behind the 32 bytes of pallet and item and the 16 of a hash.
			let code = row
				.key_bytes()
				.get(48..)
				.and_then(|mut code| Code::decode(&mut code).ok())
				.ok_or_else(|| ChainError::Incompatible { what: "Referrals.Codes".into() })?;
			out.push(String::from_utf8_lossy(&code).into_owned());
		}
		out.sort();
		Ok(out)
	}

	/// For how many blocks, at most, an agent's consent may be good when it is used.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn max_consent_age(&self) -> Result<BlockNumber, ChainError> {
		let at = self.at(At::Finalized).await?;
		let age = at.constants().entry(api::constants().agents().max_consent_age());
		age.map_err(rpc_error)
	}

	/// Whom a referral code names.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn code_owner(&self, code: &Code, at: At) -> Result<Option<AccountId>, ChainError> {
		let code = super::calls::bounded(code.clone().into_inner());
		let call = api::view_functions().referrals().code_owner(code);
		Ok(view(&self.at(at).await?, call).await?.map(|owner| owner.0))
	}
}
