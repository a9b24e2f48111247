//! What must hold between any two calls.

use crate::{Config, Current, NextSchedule, Pallet, Pending, Schedules, Totals};
use frame_support::ensure;
use sp_runtime::TryRuntimeError;
use stoa_primitives::money::{Schedule, Shares};

impl<T: Config> Pallet<T> {
	/// Check all invariants. Walks all schedules and totals: for tests and inspection.
	///
	/// 1. Schedules are numbered from 0 without gaps, up to the next number.
	/// 2. Every schedule sums to 100 %, within the bounds for provider and referral rates.
	/// 3. The current schedule exists, and so does the pending one, which is another.
	/// 4. Per asset, the three totals sum to the gross total, and something was settled.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_state_schedules()?;
		Self::try_state_current()?;
		Self::try_state_totals()
	}

	/// ### Invariants
	///
	/// 1. Schedules are numbered from 0 without gaps, up to the next number.
	/// 2. Every schedule sums to 100 %, within the bounds for provider and referral rates.
	fn try_state_schedules() -> Result<(), TryRuntimeError> {
		let next = NextSchedule::<T>::get();
		for id in 0..next {
			let schedule = Schedules::<T>::get(id).ok_or("1: a schedule is missing")?;
			let valid =
				Schedule::new(schedule.provider(), schedule.platform(), schedule.referral());
			ensure!(valid == Ok(schedule), "2: a schedule is out of bounds");
		}
		ensure!(
			Schedules::<T>::iter_keys().all(|id| id < next),
			"1: a number is ahead of the next"
		);
		Ok(())
	}

	/// ### Invariants
	///
	/// 3. The current schedule exists, and so does the pending one, which is another.
	fn try_state_current() -> Result<(), TryRuntimeError> {
		let current = Current::<T>::get();
		ensure!(Schedules::<T>::contains_key(current), "3: the current schedule does not exist");
		if let Some((pending, _)) = Pending::<T>::get() {
			ensure!(
				Schedules::<T>::contains_key(pending),
				"3: the pending schedule does not exist"
			);
			ensure!(pending != current, "3: the current schedule is pending");
		}
		Ok(())
	}

	/// ### Invariants
	///
	/// 4. Per asset, the three totals sum to the gross total, and something was settled.
	fn try_state_totals() -> Result<(), TryRuntimeError> {
		for totals in Totals::<T>::iter_values() {
			let shares = Shares {
				provider: totals.provider,
				platform: totals.platform,
				referral: totals.referral,
			};
			ensure!(shares.total() == Some(totals.gross), "4: totals do not sum to gross");
			ensure!(
				totals.gross >= totals.settlements.into() && totals.settlements > 0,
				"4: totals without settlements"
			);
		}
		Ok(())
	}
}
