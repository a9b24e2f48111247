//! The seams: what one pallet may ask of another.
//!
//! A trait's docs say what it promises, not who keeps the promise. Calls that fail have changed
//! nothing once the surrounding extrinsic or storage layer is rolled back.

use crate::{
	agent::Scope,
	agreement::{Case, Panel},
	keys::AgentSignature,
	money::{LockReason, ScheduleId, Shares, Source},
	referral::{Distributed, Referral},
	AccountId, AssetId, Balance, BlockNumber,
};
use alloc::vec::Vec;
use frame_support::{traits::Footprint, weights::Weight};
use sp_runtime::{DispatchError, DispatchResult, Permill};

/// Who is an agent, and who answers for it.
pub trait AgentRegistry {
	/// Fails, with the reason, unless `who` is registered, not stopped, and its lease runs.
	fn ensure_active(who: &AccountId) -> DispatchResult;

	/// Who answers for `who`; `None` for an account that is not a registered agent.
	fn operator_of(who: &AccountId) -> Option<AccountId>;

	/// Whether the two are not independent: they are the same, one operates the other, or one operator
	/// answers for both. An account that is no agent answers for itself. Who operates an operator is not
	/// asked.
	fn related(a: &AccountId, b: &AccountId) -> bool {
		let of = |who: &AccountId| Self::operator_of(who).unwrap_or_else(|| who.clone());
		let (of_a, of_b) = (of(a), of(b));
		[a, &of_a].iter().any(|who| *who == b || **who == of_b)
	}

	/// Fails, with the reason, unless `signature` over `payload` binds `who`: by its account key, raw
	/// or in a wallet's wrapping, or by an unexpired delegate key with `scope`.
	fn verify(
		who: &AccountId,
		scope: Scope,
		payload: &[u8],
		signature: &AgentSignature,
	) -> DispatchResult;

	/// Makes `who` an active agent and returns an operator of its own.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_agent(who: &AccountId) -> AccountId;
}

/// The internal ledger of market money.
///
/// Per asset, free and locked amounts sum to what custody owes. Nothing here fails because of what a
/// beneficiary's account is or holds.
pub trait Ledger {
	/// What `who` can spend.
	fn free(who: &AccountId, asset: &AssetId) -> Balance;

	/// Take `amount` from `who`'s free credits into the purse of `reason`. A spend. Fails when `who`
	/// has less.
	fn lock(
		who: &AccountId,
		asset: &AssetId,
		amount: Balance,
		reason: LockReason,
	) -> DispatchResult;

	/// Give `amount` from the purse of `reason` back to `who`, who locked it.
	fn unlock(
		who: &AccountId,
		asset: &AssetId,
		amount: Balance,
		reason: LockReason,
	) -> DispatchResult;

	/// Pay `amount` from the purse of `reason` to `to`.
	fn pay_locked(
		to: &AccountId,
		asset: &AssetId,
		amount: Balance,
		reason: LockReason,
	) -> DispatchResult;

	/// [`Ledger::pay_locked`] for each of `parts`.
	fn pay_locked_parts(
		asset: &AssetId,
		parts: &[(&AccountId, Balance)],
		reason: LockReason,
	) -> DispatchResult {
		parts.iter().try_for_each(|(to, amount)| Self::pay_locked(to, asset, *amount, reason))
	}

	/// All that is in the purse of `reason`.
	fn locked(asset: &AssetId, reason: LockReason) -> Balance;

	/// Makes `asset` acceptable and gives `who` `amount` of it, fully backed.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_deposit(who: &AccountId, asset: &AssetId, amount: Balance);
}

/// A pallet that locks credits, and its own account of how much.
pub trait Locker {
	/// The purse it uses.
	const REASON: LockReason;

	/// What its records say is locked, per asset. Walks all records: for checks, not for dispatch.
	fn locked_totals() -> Vec<(AssetId, Balance)>;
}

/// What all pallets that lock credits say they have locked: a tuple of [`Locker`]s.
pub trait LockerTotals {
	/// [`Locker::locked_totals`] of each, with its purse. For checks, not for dispatch.
	fn totals() -> Vec<(LockReason, Vec<(AssetId, Balance)>)>;
}

macro_rules! locker_totals {
	($($locker:ident)*) => {
		impl<$($locker: Locker),*> LockerTotals for ($($locker,)*) {
			fn totals() -> Vec<(LockReason, Vec<(AssetId, Balance)>)> {
				alloc::vec![$(($locker::REASON, $locker::locked_totals())),*]
			}
		}
	};
}

locker_totals!();
locker_totals!(A);
locker_totals!(A B);
locker_totals!(A B C);
locker_totals!(A B C D);
locker_totals!(A B C D E);
locker_totals!(A B C D E F);

/// One settlement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Settle {
	/// In what is paid.
	pub asset: AssetId,
	/// The side that pays.
	pub payer: AccountId,
	/// The side that is paid.
	pub provider: AccountId,
	/// What was settled before under the same source.
	pub settled_before: Balance,
	/// What is settled now, before shares are taken.
	pub gross: Balance,
	/// The schedule that was stored when the source was opened.
	pub schedule: ScheduleId,
	/// What is being settled.
	pub source: Source,
}

/// What a settlement has done.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Receipt {
	/// What each side received; they sum to the gross.
	pub shares: Shares,
	/// How much work the referral share was, see [`Distributed::work`]. For weights.
	pub referral_work: u32,
	/// How much of it was on the larger side, see [`Distributed::side_work`]. For weights.
	pub side_work: u32,
}

/// The only door through which market money changes owner.
pub trait Settlement {
	/// The schedule that a channel or agreement opened now is to keep.
	fn current_schedule() -> ScheduleId;

	/// Pay `gross` out of the purse of the source to provider, platform and referrers.
	fn settle(settle: Settle) -> Result<Receipt, DispatchError>;

	/// Makes the next [`Settlement::settle`] between these two as costly as it can be.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(_payer: &AccountId, _provider: &AccountId, _asset: &AssetId) {}
}

/// Judges whether the platform has earned enough by a transaction to let its sender off the fee.
pub trait FeeCover {
	/// Whether `earned`, what the platform received in one asset, is worth at least the fee of a
	/// transaction of this weight and length, in bytes. Never for an asset without a rate.
	fn covers(asset: &AssetId, earned: Balance, weight: Weight, length: u32) -> bool;

	/// Makes the next [`FeeCover::covers`] for `asset` as costly as it can be.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(asset: &AssetId);
}

/// Nothing covers a fee.
impl FeeCover for () {
	fn covers(_: &AssetId, _: Balance, _: Weight, _: u32) -> bool {
		false
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(_: &AssetId) {}
}

/// Who is rewarded out of a referral share.
pub trait ReferralRewards {
	/// Record and return how `pot` is to be paid out; rewards and pool sum to it exactly.
	fn distribute(
		asset: &AssetId,
		payer: &AccountId,
		provider: &AccountId,
		pot: Balance,
	) -> Distributed;

	/// The account that keeps what is due to nobody.
	fn growth_pool() -> AccountId;

	/// Makes the next [`ReferralRewards::distribute`] for these two as costly as it can be.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(payer: &AccountId, provider: &AccountId, asset: &AssetId);
}

/// Who brought whom.
pub trait ReferralBook {
	/// Fix who brought `referee`, once. Fails, with the reason, when the referral is unknown, leads to
	/// the referee itself or its operator's agents, or could close a circle.
	fn bind(referee: &AccountId, referral: &Referral) -> DispatchResult;

	/// A referral that [`ReferralBook::bind`] accepts for `referee`, as costly as it can be.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_referral(referee: &AccountId) -> Option<Referral>;
}

impl ReferralBook for () {
	fn bind(_: &AccountId, _: &Referral) -> DispatchResult {
		Err(DispatchError::Unavailable)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_referral(_: &AccountId) -> Option<Referral> {
		None
	}
}

/// Hears who becomes an agent, and who no longer is one. Cannot veto.
pub trait RegistrationHook {
	/// All that the hook may store because of one agent that is not retired, in rows of equal size. It
	/// is part of the agent's own deposit.
	fn footprint() -> Footprint;
	/// `who` was registered. An account is registered once and never again.
	fn registered(who: &AccountId);
	/// `who` is retired, for good.
	fn retired(who: &AccountId);
}

impl RegistrationHook for () {
	fn footprint() -> Footprint {
		Footprint::default()
	}

	fn registered(_: &AccountId) {}
	fn retired(_: &AccountId) {}
}

/// Limits that an operator has set on what its agents may spend.
pub trait SpendGuard {
	/// Fails, with the reason, when the spend is beyond a limit; else counts it.
	fn ensure_may_spend(
		payer: &AccountId,
		payee: &AccountId,
		asset: &AssetId,
		amount: Balance,
	) -> DispatchResult;

	/// Fails, with the reason, unless `who` may take `amount` out of the market to `to`; else counts it.
	fn ensure_may_withdraw(
		who: &AccountId,
		to: &AccountId,
		asset: &AssetId,
		amount: Balance,
	) -> DispatchResult;

	/// Makes the next spend or withdrawal of `who` towards `to` as costly to judge as it can be, and
	/// allowed.
	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(who: &AccountId, to: &AccountId, asset: &AssetId);
}

/// No limits.
impl SpendGuard for () {
	fn ensure_may_spend(_: &AccountId, _: &AccountId, _: &AssetId, _: Balance) -> DispatchResult {
		Ok(())
	}

	fn ensure_may_withdraw(
		_: &AccountId,
		_: &AccountId,
		_: &AssetId,
		_: Balance,
	) -> DispatchResult {
		Ok(())
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(_: &AccountId, _: &AccountId, _: &AssetId) {}
}

/// Hears how trade between two parties went. Cannot veto.
pub trait OutcomeHook {
	/// `gross` was settled.
	fn settled(payer: &AccountId, provider: &AccountId, asset: &AssetId, gross: Balance);
	/// `amount` went back to the payer unspent.
	fn refunded(payer: &AccountId, provider: &AccountId, asset: &AssetId, amount: Balance);
	/// The provider did not do what it was bound to.
	fn breached(payer: &AccountId, provider: &AccountId);
	/// The payer disputes what was delivered.
	fn disputed(payer: &AccountId, provider: &AccountId);

	/// Makes the next `settled` or `refunded` for these two as costly as it can be.
	#[cfg(feature = "runtime-benchmarks")]
	fn worst_case(payer: &AccountId, provider: &AccountId);
}

impl OutcomeHook for () {
	fn settled(_: &AccountId, _: &AccountId, _: &AssetId, _: Balance) {}
	fn refunded(_: &AccountId, _: &AccountId, _: &AssetId, _: Balance) {}
	fn breached(_: &AccountId, _: &AccountId) {}
	fn disputed(_: &AccountId, _: &AccountId) {}

	#[cfg(feature = "runtime-benchmarks")]
	fn worst_case(_: &AccountId, _: &AccountId) {}
}

/// Who decides when two parties to an agreement do not agree.
///
/// What a panel is made of is the implementation's affair: arbiters that the offer names, or later
/// ones that are drawn. A case is over at a time that is known when it is opened, whoever is silent.
pub trait Arbitration {
	/// Fails, with the reason, unless `panel` may decide between `buyer` and `seller`.
	fn ensure_panel(panel: &Panel, buyer: &AccountId, seller: &AccountId) -> DispatchResult;

	/// Who may rule in `case` in block `now`. `None` when nobody may, for now or for good.
	fn seat(panel: &Panel, case: &Case, now: BlockNumber) -> Option<AccountId>;

	/// The last block in which anybody can rule in `case`; `None` when the panel never decides, so that the
	/// offer's fallback applies at once. The same in every block, from the opening of the case on.
	fn ends(panel: &Panel, case: &Case) -> Option<BlockNumber>;

	/// `case` was opened: the time to draw a panel. Cannot veto. Comes before all questions about the
	/// case.
	fn opened(panel: &Panel, case: &Case);

	/// `case` is over, with the share of the seller that was ruled, or without a ruling. Comes once for each
	/// case that was opened, after the fee was paid to whoever had the seat or went back. Cannot veto.
	fn closed(panel: &Panel, case: &Case, ruling: Option<Permill>);
}
