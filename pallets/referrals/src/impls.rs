//! What the calls do, and what others ask for.

use crate::{
	Caps, Chain, CodeRecord, CodeRecordOf, Codes, CodesOf, Config, CurrentTerms, Edge, Edges,
	Error, Event, Pallet, RefereeCount, SideTotals, Terms, Totals, MAX_WINDOW,
};
use alloc::vec::Vec;
use codec::MaxEncodedLen;
use core::marker::PhantomData;
use frame_support::{
	ensure,
	traits::{Consideration, Footprint, Get},
};
use sp_runtime::{
	traits::{AccountIdConversion, BlockNumberProvider},
	ArithmeticError, DispatchResult, Permill,
};
use stoa_primitives::{
	money::LockReason,
	referral::{Code, Distributed, Referral, Reward, MIN_CODE_LEN},
	traits::{AgentRegistry, Ledger, ReferralBook, ReferralRewards},
	AccountId, AssetId, Balance, BlockNumber,
};

/// All that one referee can ever make this pallet store: its edge, its referrer's count, and its
/// totals in every asset that is rewarded in.
pub struct AgentFootprint<T>(PhantomData<T>);

impl<T: Config> Get<Footprint> for AgentFootprint<T> {
	fn get() -> Footprint {
		// A few small constants: nothing saturates unless the runtime means to price referrals out.
		let assets = usize::try_from(T::MaxRewardAssets::get()).unwrap_or(usize::MAX);
		let size = <(AccountId, Edge)>::max_encoded_len()
			.saturating_add(<(AccountId, u32)>::max_encoded_len())
			.saturating_add(
				<(AccountId, AssetId, SideTotals)>::max_encoded_len().saturating_mul(assets),
			);
		Footprint::from_parts(1, size)
	}
}

/// Codes.
impl<T: Config> Pallet<T> {
	pub(crate) fn do_claim_code(owner: AccountId, code: Code) -> DispatchResult {
		ensure!(Self::is_well_formed(&code), Error::<T>::CodeMalformed);
		ensure!(!Codes::<T>::contains_key(&code), Error::<T>::CodeTaken);
		let count = CodesOf::<T>::get(&owner);
		ensure!(count < T::MaxCodes::get(), Error::<T>::TooManyCodes);
		T::Registry::ensure_active(&owner)?;

		let count = count.checked_add(1).ok_or(ArithmeticError::Overflow)?;
		let ticket = T::Consideration::new(&owner, Self::code_footprint())?;
		Codes::<T>::insert(&code, CodeRecord { owner: owner.clone(), ticket });
		CodesOf::<T>::insert(&owner, count);
		Self::deposit_event(Event::CodeClaimed { code, owner });
		Ok(())
	}

	pub(crate) fn do_release_code(owner: AccountId, code: Code) -> DispatchResult {
		let record = Codes::<T>::get(&code).ok_or(Error::<T>::UnknownCode)?;
		ensure!(record.owner == owner, Error::<T>::NotCodeOwner);
		let count = CodesOf::<T>::get(&owner).checked_sub(1).ok_or(ArithmeticError::Underflow)?;

		record.ticket.drop(&owner)?;
		Codes::<T>::remove(&code);
		if count == 0 {
			CodesOf::<T>::remove(&owner);
		} else {
			CodesOf::<T>::insert(&owner, count);
		}
		Self::deposit_event(Event::CodeReleased { code, owner });
		Ok(())
	}

	/// The length's upper bound is in the type.
	pub(crate) fn is_well_formed(code: &Code) -> bool {
		let known = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
		u32::try_from(code.len()).is_ok_and(|len| len >= MIN_CODE_LEN) && code.iter().all(known)
	}

	/// What the deposit for a code covers: its row, and the owner's count, which the first code
	/// brings along.
	pub(crate) fn code_footprint() -> Footprint {
		Footprint::from_mel::<(Code, CodeRecordOf<T>, AccountId, u32)>()
	}
}

/// Governance.
impl<T: Config> Pallet<T> {
	pub(crate) fn do_set_terms(terms: Terms) -> DispatchResult {
		Self::ensure_terms(&terms)?;
		CurrentTerms::<T>::put(terms);
		Self::deposit_event(Event::TermsSet { terms });
		Ok(())
	}

	pub(crate) fn ensure_terms(terms: &Terms) -> Result<(), Error<T>> {
		// Each part is at most one million: the sum cannot overflow a u32.
		let sum = |sum: u32, level: &Permill| sum.saturating_add(level.deconstruct());
		let whole = Permill::one().deconstruct();
		ensure!(terms.levels.iter().fold(0, sum) <= whole, Error::<T>::LevelsAboveWhole);
		let pairs = terms.levels.iter().zip(terms.levels.iter().skip(1));
		ensure!(pairs.into_iter().all(|(near, far)| near >= far), Error::<T>::LevelsRising);
		ensure!(terms.window <= MAX_WINDOW, Error::<T>::WindowTooLong);
		Ok(())
	}

	pub(crate) fn do_set_cap(asset: AssetId, cap: Balance) -> DispatchResult {
		let known = Caps::<T>::contains_key(&asset);
		ensure!(known || Caps::<T>::count() < T::MaxRewardAssets::get(), Error::<T>::TooManyAssets);
		Caps::<T>::insert(&asset, cap);
		Self::deposit_event(Event::CapSet { asset, cap });
		Ok(())
	}

	/// The largest bonus that `agent` can be granted, or why it can have none.
	pub(crate) fn bonus_room(agent: &AccountId, asset: &AssetId) -> Result<Balance, Error<T>> {
		let edge = Edges::<T>::get(agent).ok_or(Error::<T>::NotReferred)?;
		ensure!(edge.since <= T::EarlyAdopterEnd::get(), Error::<T>::NotEarlyAdopter);
		let totals = Totals::<T>::get(agent, asset);
		totals.pooled.checked_sub(totals.granted).ok_or(Error::<T>::BonusTooLarge)
	}

	pub(crate) fn do_grant_bonus(
		agent: AccountId,
		asset: AssetId,
		amount: Balance,
	) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroBonus);
		ensure!(amount <= Self::bonus_room(&agent, &asset)?, Error::<T>::BonusTooLarge);
		T::Registry::ensure_active(&agent)?;

		Totals::<T>::try_mutate(&agent, &asset, |totals| {
			totals.granted = totals.granted.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
			Ok::<_, ArithmeticError>(())
		})?;
		T::Ledger::lock(&Self::growth_pool(), &asset, amount, LockReason::Charge)?;
		T::Ledger::pay_locked(&agent, &asset, amount, LockReason::Charge)?;
		Self::deposit_event(Event::BonusGranted { agent, asset, amount });
		Ok(())
	}
}

/// One settlement's referral share, on its way to the referrers.
struct Distribution<'a> {
	asset: &'a AssetId,
	payer: &'a AccountId,
	provider: &'a AccountId,
	/// What each side has to give.
	half: Balance,
	terms: Terms,
	cap: Balance,
	/// Payer, provider and who answers for them, once anybody has asked.
	insiders: Option<[AccountId; 4]>,
	rewards: Vec<Reward>,
}

impl Distribution<'_> {
	/// Rewards the referrers of `referee` and keeps its totals.
	fn reward_side<T: Config>(&mut self, referee: &AccountId, referrers: &Chain) {
		let mut totals = Totals::<T>::get(referee, self.asset);
		// A cap can be lowered below what was paid; then nothing is left of it.
		let mut left = self.cap.saturating_sub(totals.rewarded).min(self.half);
		let mut paid: Balance = 0;
		for ((level, rate), to) in (1u8..).zip(self.terms.levels).zip(referrers) {
			let amount = rate.mul_floor(self.half).min(left);
			if amount == 0 || !self.may_reward::<T>(to) {
				continue;
			}
			// `amount` is at most `left`, and all that is taken from `left` at most `half`: neither
			// saturates.
			left = left.saturating_sub(amount);
			paid = paid.saturating_add(amount);
			self.rewards.push(Reward { to: to.clone(), referee: referee.clone(), level, amount });
			Pallet::<T>::deposit_event(Event::Rewarded {
				referrer: to.clone(),
				referee: referee.clone(),
				asset: self.asset.clone(),
				amount,
				level,
			});
		}
		// Lifetime sums of money that exists; should they ever end, bonuses end, not settlements.
		totals.rewarded = totals.rewarded.saturating_add(paid);
		totals.pooled = totals.pooled.saturating_add(self.half.saturating_sub(paid));
		Totals::<T>::insert(referee, self.asset, totals);
	}

	/// Whether `referrer` is an active agent, and no operator stands behind both it and this trade.
	fn may_reward<T: Config>(&mut self, referrer: &AccountId) -> bool {
		if T::Registry::ensure_active(referrer).is_err() {
			return false;
		}
		let (payer, provider) = (self.payer, self.provider);
		let insiders = self.insiders.get_or_insert_with(|| {
			[payer.clone(), provider.clone(), answering::<T>(payer), answering::<T>(provider)]
		});
		!insiders.contains(referrer) && !insiders.contains(&answering::<T>(referrer))
	}
}

/// Who answers for `who`: its operator, or itself when it is no agent.
fn answering<T: Config>(who: &AccountId) -> AccountId {
	T::Registry::operator_of(who).unwrap_or_else(|| who.clone())
}

impl<T: Config> Pallet<T> {
	fn now() -> BlockNumber {
		T::BlockNumberProvider::current_block_number()
	}

	/// The sides that have referrers and whose window has not ended.
	fn rewarded_sides(
		sides: [&AccountId; 2],
		window: BlockNumber,
	) -> impl Iterator<Item = (&AccountId, Chain)> {
		let now = Self::now();
		sides.into_iter().filter_map(move |referee| {
			let edge = Edges::<T>::get(referee)?;
			// An edge is never younger than the current block.
			(now.saturating_sub(edge.since) < window).then_some((referee, edge.referrers))
		})
	}
}

impl<T: Config> ReferralRewards for Pallet<T> {
	fn distribute(
		asset: &AssetId,
		payer: &AccountId,
		provider: &AccountId,
		pot: Balance,
	) -> Distributed {
		let half = pot / 2;
		let all_to_pool = Distributed { growth_pool: pot, ..Default::default() };
		if half == 0 {
			return all_to_pool;
		}
		let Some(cap) = Caps::<T>::get(asset) else { return all_to_pool };
		let terms = CurrentTerms::<T>::get();
		let mut distribution = Distribution {
			asset,
			payer,
			provider,
			half,
			terms,
			cap,
			insiders: None,
			rewards: Vec::new(),
		};
		let mut sides = 0u32;
		for (referee, referrers) in Self::rewarded_sides([payer, provider], terms.window) {
			sides = sides.saturating_add(1);
			distribution.reward_side::<T>(referee, &referrers);
		}
		let rewards = distribution.rewards;
		// Each side gives at most `half`, so rewards sum to at most `pot`: nothing saturates.
		let growth_pool = rewards.iter().fold(pot, |left, r| left.saturating_sub(r.amount));
		Distributed { rewards, sides, growth_pool }
	}

	fn growth_pool() -> AccountId {
		T::PalletId::get().into_account_truncating()
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(payer: &AccountId, provider: &AccountId, asset: &AssetId) {
		crate::benchmarking::worst_case::<T>(payer, provider, asset);
	}
}

impl<T: Config> ReferralBook for Pallet<T> {
	// Edges can never close a circle. Say an edge from `x` to `y` would close one: then edges lead
	// from `y` to `x`, and the last of them, from some `z` to `x`, has raised the count of `x` above
	// 0, which is refused here. `y == x` is refused too. Hence nothing above an account changes once
	// it has brought anybody, and the chain copied here is final.
	fn bind(referee: &AccountId, referral: &Referral) -> DispatchResult {
		let referrer = match referral {
			Referral::Account(referrer) => referrer.clone(),
			Referral::Code(code) => Codes::<T>::get(code).ok_or(Error::<T>::UnknownCode)?.owner,
		};
		ensure!(referrer != *referee, Error::<T>::SelfReferral);
		ensure!(!Edges::<T>::contains_key(referee), Error::<T>::AlreadyBound);
		ensure!(RefereeCount::<T>::get(referee) == 0, Error::<T>::Cycle);
		ensure!(T::Registry::ensure_active(&referrer).is_ok(), Error::<T>::ReferrerNotActive);
		let (above, below) = (answering::<T>(&referrer), answering::<T>(referee));
		ensure!(above != below && above != *referee && below != referrer, Error::<T>::SameOperator);

		let count = RefereeCount::<T>::get(&referrer);
		let count = count.checked_add(1).ok_or(ArithmeticError::Overflow)?;
		let upper = Edges::<T>::get(&referrer).map(|edge| edge.referrers).unwrap_or_default();
		let chain = core::iter::once(referrer.clone()).chain(upper).collect();
		let edge = Edge { since: Self::now(), referrers: Chain::truncate_from(chain) };
		Edges::<T>::insert(referee, edge);
		RefereeCount::<T>::insert(&referrer, count);
		Self::deposit_event(Event::ReferrerBound { referee: referee.clone(), referrer });
		Ok(())
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_referral(referee: &AccountId) -> Option<Referral> {
		Some(crate::benchmarking::longest_referral::<T>(referee))
	}
}
