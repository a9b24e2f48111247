//! Each call at its worst case.
//!
//! The asset is one of the assets pallet, whose transfers touch more storage than those of the
//! native token. Deposits make a new row and a new account; withdrawals remove a row, give back its
//! reference and pay to an account that does not exist yet.

use super::*;
use frame_benchmarking::v2::*;
use frame_support::traits::{
	tokens::fungibles::{Inspect as _, Mutate as _},
	EnsureOrigin,
};
use frame_system::RawOrigin;
use stoa_primitives::{
	traits::{Ledger, SpendGuard},
	AccountId, AssetId, Balance,
};

const ASSET: AssetId = AssetId::WithId(1);

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(event.into());
}

/// An accepted asset of which somebody has credits; returns an amount above all bounds.
fn accepted<T: Config>() -> Balance {
	Pallet::<T>::benchmark_deposit(&account("holder", 0, 0), &ASSET, 1_000_000);
	let bound = Accepted::<T>::get(ASSET).expect("just accepted");
	bound.max(T::Fungibles::minimum_balance(ASSET)) * 10
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn deposit() {
		let amount = accepted::<T>();
		let caller: AccountId = whitelisted_caller();
		let beneficiary: AccountId = account("beneficiary", 0, 0);
		T::Fungibles::mint_into(ASSET, &caller, amount * 2).expect("a sufficient asset");

		#[extrinsic_call]
		_(RawOrigin::Signed(caller.clone()), ASSET, amount, beneficiary.clone());

		assert_eq!(
			Free::<T>::get(&beneficiary, ASSET),
			Some(Row { free: amount, sufficient: true })
		);
		assert_last_event::<T>(Event::Deposited { who: caller, beneficiary, asset: ASSET, amount });
	}

	#[benchmark]
	fn withdraw() {
		let amount = accepted::<T>();
		let caller: AccountId = whitelisted_caller();
		let to: AccountId = account("receiver", 0, 0);
		Pallet::<T>::benchmark_deposit(&caller, &ASSET, amount);
		T::SpendGuard::benchmark_worst_case(&caller, &to, &ASSET);

		#[extrinsic_call]
		_(RawOrigin::Signed(caller.clone()), ASSET, amount, to.clone());

		assert_eq!(T::Fungibles::balance(ASSET, &to), amount);
		assert!(!Free::<T>::contains_key(&caller, ASSET));
		assert_last_event::<T>(Event::Withdrawn { who: caller, to, asset: ASSET, amount });
	}

	#[benchmark]
	fn accept_asset() -> Result<(), BenchmarkError> {
		let dust_bound = accepted::<T>();
		let origin =
			T::AdminOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, ASSET, dust_bound);

		assert_eq!(Accepted::<T>::get(ASSET), Some(dust_bound));
		assert_last_event::<T>(Event::AssetAccepted { asset: ASSET, dust_bound });
		Ok(())
	}

	#[benchmark]
	fn stop_accepting() -> Result<(), BenchmarkError> {
		accepted::<T>();
		let origin =
			T::AdminOrigin::try_successful_origin().map_err(|_| BenchmarkError::Weightless)?;

		#[extrinsic_call]
		_(origin as T::RuntimeOrigin, ASSET);

		assert!(!Accepted::<T>::contains_key(ASSET));
		assert_last_event::<T>(Event::AssetStopped { asset: ASSET });
		Ok(())
	}
}
