//! One mock per trait, driven by closures, so that a pallet's unit tests need no neighbour.
//!
//! Closures are per thread, as tests are. A function that was given none panics with its name.
//!
//! ```
//! use stoa_primitives::{mock::MockRegistry, traits::AgentRegistry, AccountId};
//!
//! MockRegistry::mock_ensure_active(|who| {
//! 	if *who == AccountId::new([1; 32]) { Ok(()) } else { Err("NotAgent".into()) }
//! });
//! assert!(MockRegistry::ensure_active(&AccountId::new([2; 32])).is_err());
//! ```

use crate::{
	agent::Scope,
	agreement::{Case, Panel},
	keys::AgentSignature,
	money::{LockReason, ScheduleId},
	referral::{Distributed, Referral},
	traits::*,
	AccountId, AssetId, Balance, BlockNumber,
};
use frame_support::{traits::Footprint, weights::Weight};
use sp_runtime::{DispatchError, DispatchResult, Permill};

macro_rules! mock {
	(
		$(#[$doc:meta])* $mock:ident: $trait:ident {
			$($name:ident / $set:ident ($($arg:ident: $ty:ty),*) $(-> $ret:ty)?;)*
		}
		$($extra:tt)*
	) => {
		$(#[$doc])*
		pub struct $mock;

		impl $mock {
			$(
				#[doc = concat!("Answer `", stringify!($name), "` with this closure on this thread.")]
				pub fn $set(answer: impl Fn($($ty),*) $(-> $ret)? + 'static) {
					$name::ANSWER.with(|cell| *cell.borrow_mut() = Some(std::rc::Rc::new(answer)));
				}
			)*
		}

		$(
			#[allow(non_snake_case, unused_imports)]
			mod $name {
				use super::*;
				type Answer = dyn Fn($($ty),*) $(-> $ret)?;
				thread_local! {
					pub static ANSWER: std::cell::RefCell<Option<std::rc::Rc<Answer>>> =
						const { std::cell::RefCell::new(None) };
				}
				pub fn answer() -> std::rc::Rc<Answer> {
					ANSWER
						.with(|cell| cell.borrow().clone())
						.unwrap_or_else(|| panic!(concat!(stringify!($mock), "::", stringify!($set), " was not called")))
				}
			}
		)*

		impl $trait for $mock {
			$(
				fn $name($($arg: $ty),*) $(-> $ret)? {
					$name::answer()($($arg),*)
				}
			)*
			$($extra)*
		}
	};
}

mock! {
	/// Mock of [`AgentRegistry`].
	MockRegistry: AgentRegistry {
		ensure_active / mock_ensure_active (who: &AccountId) -> DispatchResult;
		operator_of / mock_operator_of (who: &AccountId) -> Option<AccountId>;
		verify / mock_verify (who: &AccountId, scope: Scope, payload: &[u8], signature: &AgentSignature) -> DispatchResult;
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_agent(who: &AccountId) -> AccountId { who.clone() }
}

mock! {
	/// Mock of [`Ledger`].
	MockLedger: Ledger {
		free / mock_free (who: &AccountId, asset: &AssetId) -> Balance;
		lock / mock_lock (who: &AccountId, asset: &AssetId, amount: Balance, reason: LockReason) -> DispatchResult;
		unlock / mock_unlock (who: &AccountId, asset: &AssetId, amount: Balance, reason: LockReason) -> DispatchResult;
		pay_locked / mock_pay_locked (to: &AccountId, asset: &AssetId, amount: Balance, reason: LockReason) -> DispatchResult;
		locked / mock_locked (asset: &AssetId, reason: LockReason) -> Balance;
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_deposit(_: &AccountId, _: &AssetId, _: Balance) {}
}

mock! {
	/// Mock of [`Settlement`].
	MockSettlement: Settlement {
		current_schedule / mock_current_schedule () -> ScheduleId;
		settle / mock_settle (settle: Settle) -> Result<Receipt, DispatchError>;
	}
}

mock! {
	/// Mock of [`FeeCover`].
	MockFeeCover: FeeCover {
		covers / mock_covers (asset: &AssetId, earned: Balance, weight: Weight, length: u32) -> bool;
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(_: &AssetId) {}
}

mock! {
	/// Mock of [`ReferralRewards`].
	MockRewards: ReferralRewards {
		distribute / mock_distribute (asset: &AssetId, payer: &AccountId, provider: &AccountId, pot: Balance) -> Distributed;
		growth_pool / mock_growth_pool () -> AccountId;
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(_: &AccountId, _: &AccountId, _: &AssetId) {}
}

mock! {
	/// Mock of [`ReferralBook`].
	MockReferralBook: ReferralBook {
		bind / mock_bind (referee: &AccountId, referral: &Referral) -> DispatchResult;
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_referral(_: &AccountId) -> Option<Referral> { None }
}

mock! {
	/// Mock of [`RegistrationHook`].
	MockRegistration: RegistrationHook {
		footprint / mock_footprint () -> Footprint;
		registered / mock_registered (who: &AccountId);
		retired / mock_retired (who: &AccountId);
	}
}

mock! {
	/// Mock of [`SpendGuard`].
	MockSpendGuard: SpendGuard {
		ensure_may_spend / mock_ensure_may_spend (payer: &AccountId, payee: &AccountId, asset: &AssetId, amount: Balance) -> DispatchResult;
		ensure_may_withdraw / mock_ensure_may_withdraw (who: &AccountId, to: &AccountId, asset: &AssetId, amount: Balance) -> DispatchResult;
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(_: &AccountId, _: &AccountId, _: &AssetId) {}
}

mock! {
	/// Mock of [`OutcomeHook`].
	MockOutcome: OutcomeHook {
		settled / mock_settled (payer: &AccountId, provider: &AccountId, asset: &AssetId, gross: Balance);
		refunded / mock_refunded (payer: &AccountId, provider: &AccountId, asset: &AssetId, amount: Balance);
		breached / mock_breached (payer: &AccountId, provider: &AccountId);
		disputed / mock_disputed (payer: &AccountId, provider: &AccountId);
	}
	#[cfg(feature = "runtime-benchmarks")]
	fn worst_case(_: &AccountId, _: &AccountId) {}
}

mock! {
	/// Mock of [`Arbitration`].
	MockArbitration: Arbitration {
		ensure_panel / mock_ensure_panel (panel: &Panel, buyer: &AccountId, seller: &AccountId) -> DispatchResult;
		seat / mock_seat (panel: &Panel, case: &Case, now: BlockNumber) -> Option<AccountId>;
		ends / mock_ends (panel: &Panel, case: &Case) -> Option<BlockNumber>;
		opened / mock_opened (panel: &Panel, case: &Case);
		closed / mock_closed (panel: &Panel, case: &Case, ruling: Option<Permill>);
	}
}
