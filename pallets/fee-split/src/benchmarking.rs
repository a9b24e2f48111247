//! Each call at its worst case.
//!
//! A charge pays the growth pool, and a provider and a platform without a row, after limits and hooks
//! at their worst; rewarded, it also pays as many referrers on both sides as there can be.

use super::*;
use frame_benchmarking::v2::*;
use frame_support::traits::{EnsureOrigin, Get};
use frame_system::RawOrigin;
use sp_runtime::{traits::BlockNumberProvider, Permill};
use stoa_primitives::{
	money::Schedule,
	traits::{AgentRegistry, Ledger, OutcomeHook, ReferralRewards, Settlement, SpendGuard},
	AccountId, AssetId, Balance, BlockNumber,
};

const ASSET: AssetId = AssetId::WithId(1);
const AMOUNT: Balance = 1_000_000_000_000;

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(event.into());
}

/// A payer that will have spent all, and an active agent; neither has a referrer.
fn parties<T: Config>() -> (AccountId, AccountId) {
	let payer: AccountId = whitelisted_caller();
	let provider: AccountId = account("provider", 0, 0);
	T::Registry::benchmark_agent(&provider);
	T::Ledger::benchmark_deposit(&payer, &ASSET, AMOUNT);
	T::SpendGuard::benchmark_worst_case(&payer, &provider, &ASSET);
	T::Outcome::worst_case(&payer, &provider);
	(payer, provider)
}

fn propose<T: Config>() -> Result<(), BenchmarkError> {
	let origin = T::AdminOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
	let p = Permill::from_percent;
	Pallet::<T>::propose_schedule(origin, p(80), p(10), p(10))?;
	Ok(())
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn pay() {
		let (payer, provider) = parties::<T>();
		let earned = T::Ledger::free(&provider, &ASSET);

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), provider.clone(), ASSET, AMOUNT, [7; 32]);

		assert!(T::Ledger::free(&provider, &ASSET) > earned);
	}

	#[benchmark]
	fn pay_rewarded() {
		let (payer, provider) = parties::<T>();
		T::Rewards::benchmark_worst_case(&payer, &provider, &ASSET);
		let schedule = Pallet::<T>::current_schedule();
		let shares = Schedules::<T>::get(schedule)
			.and_then(|rates| rates.split(0, AMOUNT))
			.expect("the current schedule");
		let (had, earned) = (T::Ledger::free(&payer, &ASSET), T::Ledger::free(&provider, &ASSET));
		let before = Totals::<T>::get(ASSET);

		#[extrinsic_call]
		pay(RawOrigin::Signed(payer.clone()), provider.clone(), ASSET, AMOUNT, [7; 32]);

		assert_eq!(T::Ledger::free(&payer, &ASSET), had - AMOUNT);
		assert_eq!(T::Ledger::free(&provider, &ASSET), earned + shares.provider);
		assert_eq!(Some(Totals::<T>::get(ASSET)), before.with(&shares));
	}

	#[benchmark]
	fn propose_schedule() -> Result<(), BenchmarkError> {
		// Replaces a proposal that is pending.
		propose::<T>()?;
		let origin =
			T::AdminOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
		let rates = Schedule::GENESIS;
		let (provider, platform, referral) = (rates.provider(), rates.platform(), rates.referral());
		let schedule = NextSchedule::<T>::get();
		// Setting up happens in block 0, the measured call in block 1.
		let now: BlockNumber = T::BlockNumberProvider::current_block_number().max(1);
		let effective = now + T::NoticePeriod::get();

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, provider, platform, referral);

		assert_eq!(Pending::<T>::get(), Some((schedule, effective)));
		assert_last_event::<T>(Event::ScheduleProposed {
			schedule,
			provider,
			platform,
			referral,
			effective,
		});
		Ok(())
	}

	#[benchmark]
	fn cancel_schedule() -> Result<(), BenchmarkError> {
		propose::<T>()?;
		let origin =
			T::AdminOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;
		let (schedule, _) = Pending::<T>::get().expect("just proposed");

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin);

		assert_eq!(Pending::<T>::get(), None);
		assert_last_event::<T>(Event::ScheduleCancelled { schedule });
		Ok(())
	}
}
