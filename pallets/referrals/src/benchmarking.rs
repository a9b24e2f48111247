//! Each call at its worst case, and the worst cases of what others ask for.

use super::*;
use alloc::vec;
use codec::Encode;
use frame_benchmarking::v2::*;
use frame_support::traits::{Consideration, EnsureOrigin};
use frame_system::RawOrigin;
use sp_runtime::{traits::BlockNumberProvider, Permill};
use stoa_primitives::{
	referral::{Code, Referral, MAX_CODE_LEN, MAX_DEPTH},
	traits::{AgentRegistry, Ledger, ReferralRewards},
	AccountId, AssetId, Balance,
};

const ASSET: AssetId = AssetId::WithId(1);

/// An account that nobody else uses, `level` steps above `referee`.
fn referrer(referee: &AccountId, level: u8) -> AccountId {
	let seed = (b"stoa/benchmark/referrer", referee, level);
	AccountId::new(seed.using_encoded(sp_io::hashing::blake2_256))
}

/// Puts as many active agents above `referee` as are ever rewarded, each with an operator of its own.
fn insert_chain<T: Config>(referee: &AccountId) -> Chain {
	let chain = (1u8..)
		.take(MAX_DEPTH)
		.map(|level| referrer(referee, level))
		.collect::<alloc::vec::Vec<_>>();
	let since = T::BlockNumberProvider::current_block_number();
	let below = core::iter::once(referee).chain(&chain);
	for (i, who) in below.enumerate().take(MAX_DEPTH) {
		let above = chain.iter().skip(i).cloned().collect();
		Edges::<T>::insert(who, Edge { since, referrers: Chain::truncate_from(above) });
	}
	for who in &chain {
		T::Registry::benchmark_agent(who);
		RefereeCount::<T>::insert(who, 1);
	}
	Chain::truncate_from(chain)
}

/// Every side has a full chain, is in its window and far from its cap, and every level is rewarded.
pub(crate) fn worst_case<T: Config>(payer: &AccountId, provider: &AccountId, asset: &AssetId) {
	insert_chain::<T>(payer);
	insert_chain::<T>(provider);
	Caps::<T>::insert(asset, Balance::MAX);
	CurrentTerms::<T>::put(Terms::default());
}

/// A code of the longest kind, whose owner has a full chain above it.
pub(crate) fn longest_referral<T: Config>(referee: &AccountId) -> Referral {
	let owner = referrer(referee, 0);
	T::Registry::benchmark_agent(&owner);
	insert_chain::<T>(&owner);
	let code = longest_code(b'r');
	insert_code::<T>(&owner, code.clone());
	Referral::Code(code)
}

fn longest_code(letter: u8) -> Code {
	Code::truncate_from(vec![letter; MAX_CODE_LEN as usize])
}

fn insert_code<T: Config>(owner: &AccountId, code: Code) {
	T::Consideration::ensure_successful(owner, Pallet::<T>::code_footprint());
	let ticket = T::Consideration::new(owner, Pallet::<T>::code_footprint()).expect("funded");
	Codes::<T>::insert(code, CodeRecord { owner: owner.clone(), ticket });
	CodesOf::<T>::mutate(owner, |count| *count += 1);
}

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(event.into());
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn claim_code() -> Result<(), BenchmarkError> {
		let owner: AccountId = whitelisted_caller();
		T::Registry::benchmark_agent(&owner);
		insert_code::<T>(&owner, longest_code(b'a'));
		T::Consideration::ensure_successful(&owner, Pallet::<T>::code_footprint());
		let code = longest_code(b'b');

		#[extrinsic_call]
		_(RawOrigin::Signed(owner.clone()), code.clone());

		assert_last_event::<T>(Event::CodeClaimed { code, owner });
		Ok(())
	}

	#[benchmark]
	fn release_code() -> Result<(), BenchmarkError> {
		let owner: AccountId = whitelisted_caller();
		let code = longest_code(b'a');
		insert_code::<T>(&owner, code.clone());

		#[extrinsic_call]
		_(RawOrigin::Signed(owner.clone()), code.clone());

		assert_last_event::<T>(Event::CodeReleased { code, owner });
		Ok(())
	}

	#[benchmark]
	fn set_terms() -> Result<(), BenchmarkError> {
		let admin =
			T::AdminOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)?;
		let terms = Terms { levels: [Permill::from_percent(30); MAX_DEPTH], window: MAX_WINDOW };

		#[extrinsic_call]
		_(admin as T::RuntimeOrigin, terms);

		assert_last_event::<T>(Event::TermsSet { terms });
		Ok(())
	}

	#[benchmark]
	fn set_cap() -> Result<(), BenchmarkError> {
		let admin =
			T::AdminOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)?;
		// A cap that is new costs a count more than one that is changed.
		let asset = AssetId::WithId(u32::MAX);

		#[extrinsic_call]
		_(admin as T::RuntimeOrigin, asset.clone(), Balance::MAX);

		assert_last_event::<T>(Event::CapSet { asset, cap: Balance::MAX });
		Ok(())
	}

	#[benchmark]
	fn grant_bonus() -> Result<(), BenchmarkError> {
		let admin =
			T::AdminOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)?;
		let agent: AccountId = account("agent", 0, 0);
		T::Registry::benchmark_agent(&agent);
		let referrers = insert_chain::<T>(&agent);
		Edges::<T>::insert(&agent, Edge { since: 0, referrers });
		let amount: Balance = 1_000_000_000_000;
		Caps::<T>::insert(ASSET, Balance::MAX);
		let totals = SideTotals { rewarded: 0, pooled: amount, granted: 0 };
		Totals::<T>::insert(&agent, ASSET, totals);
		T::Ledger::benchmark_deposit(&Pallet::<T>::growth_pool(), &ASSET, amount);

		#[extrinsic_call]
		_(admin as T::RuntimeOrigin, agent.clone(), ASSET, amount);

		assert_eq!(Pallet::<T>::bonus_left(agent.clone(), ASSET), 0);
		assert_last_event::<T>(Event::BonusGranted { agent, asset: ASSET, amount });
		Ok(())
	}
}
