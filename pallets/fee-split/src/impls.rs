//! Settling.

use crate::{Config, Current, Error, Event, Pallet, Pending, Schedules, Totals, WeightInfo};
use alloc::vec::Vec;
use frame_support::{ensure, storage::with_storage_layer, traits::Get, weights::Weight};
use sp_runtime::{traits::BlockNumberProvider, DispatchError};
use stoa_primitives::{
	money::{ScheduleId, Shares},
	referral::{Distributed, MAX_DEPTH, MAX_WORK},
	traits::{Ledger, OutcomeHook, Receipt, ReferralRewards, Settle, Settlement},
	AccountId, AssetId, Balance, BlockNumber,
};

/// The weight of a charge with that much work for its referral share.
pub(crate) fn pay_weight<T: Config>(work: u32) -> Weight {
	let (plain, rewarded) = (T::WeightInfo::pay(), T::WeightInfo::pay_rewarded());
	let per_work = rewarded.saturating_sub(plain).saturating_div(u64::from(MAX_WORK));
	plain.saturating_add(per_work.saturating_mul(u64::from(work))).min(rewarded)
}

impl<T: Config> Pallet<T> {
	/// The schedule in effect at block `now`, and the proposal that is to take effect later.
	pub(crate) fn schedules_at(
		now: BlockNumber,
	) -> (ScheduleId, Option<(ScheduleId, BlockNumber)>) {
		match Pending::<T>::get() {
			Some((schedule, effective)) if effective <= now => (schedule, None),
			pending => (Current::<T>::get(), pending),
		}
	}

	/// Divide and pay; the caller rolls back what fails.
	fn do_settle(settle: Settle) -> Result<Receipt, DispatchError> {
		let Settle { asset, payer, provider, settled_before, gross, schedule, source } = settle;
		ensure!(gross > 0, Error::<T>::ZeroAmount);
		let rates = Schedules::<T>::get(schedule).ok_or(Error::<T>::UnknownSchedule)?;
		let shares = rates.split(settled_before, gross).ok_or(Error::<T>::Overflow)?;
		let distributed = Self::distribute(&asset, &payer, &provider, shares.referral)?;
		let receipt = Receipt {
			shares,
			referral_work: distributed.work(),
			side_work: distributed.side_work(&payer),
		};
		let Distributed { rewards, growth_pool, .. } = distributed;

		let (platform, pool) = (T::PlatformAccount::get(), T::Rewards::growth_pool());
		let mut parts = Vec::from([(&provider, shares.provider), (&platform, shares.platform)]);
		parts.extend(rewards.iter().map(|reward| (&reward.to, reward.amount)));
		parts.push((&pool, growth_pool));
		parts.retain(|(_, amount)| *amount > 0);
		T::Ledger::pay_locked_parts(&asset, &parts, source.lock_reason())?;

		Self::record(&asset, &shares);
		T::Outcome::settled(&payer, &provider, &asset, gross);
		Self::deposit_event(Event::Settled {
			source,
			payer,
			provider,
			asset,
			gross,
			shares,
			growth_pool,
			schedule,
		});
		Ok(receipt)
	}

	/// Ask how the referral share is to be paid, and check the answer.
	fn distribute(
		asset: &AssetId,
		payer: &AccountId,
		provider: &AccountId,
		pot: Balance,
	) -> Result<Distributed, DispatchError> {
		if pot == 0 {
			return Ok(Distributed::default());
		}
		let distributed = T::Rewards::distribute(asset, payer, provider, pot);
		let sum = distributed
			.rewards
			.iter()
			.try_fold(distributed.growth_pool, |sum, reward| sum.checked_add(reward.amount));
		ensure!(sum == Some(pot), Error::<T>::DistributionMismatch);
		// The weight of a settlement counts on it.
		let Distributed { rewards, sides, .. } = &distributed;
		ensure!(
			*sides <= 2 && rewards.len() <= MAX_DEPTH.saturating_mul(2),
			Error::<T>::DistributionMismatch
		);
		Ok(distributed)
	}

	/// Add a settlement to the lifetime totals.
	///
	/// What is settled again and again can exceed all numbers, though no asset does. A statistic must
	/// not stop a payment: totals that are full stay as they are, consistent among themselves.
	fn record(asset: &AssetId, shares: &Shares) {
		Totals::<T>::mutate(asset, |totals| {
			if let Some(sum) = totals.with(shares) {
				*totals = sum;
			}
		});
	}
}

impl<T: Config> Settlement for Pallet<T> {
	fn current_schedule() -> ScheduleId {
		Self::schedules_at(T::BlockNumberProvider::current_block_number()).0
	}

	fn settle(settle: Settle) -> Result<Receipt, DispatchError> {
		// A caller that settles item by item goes on when one fails: nothing of it may remain.
		with_storage_layer(|| Self::do_settle(settle))
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(payer: &AccountId, provider: &AccountId, asset: &AssetId) {
		T::Rewards::benchmark_worst_case(payer, provider, asset);
		T::Outcome::worst_case(payer, provider);
	}
}
