//! A runtime with this pallet and balances for deposits; registry and ledger are kept by the tests.

use crate::{self as pallet_stoa_referrals, *};
use frame_support::{
	derive_impl, parameter_types,
	traits::{
		fungible::{HoldConsideration, InspectHold},
		ConstU128, ConstU32, LinearStoragePrice,
	},
	PalletId,
};
use frame_system::EnsureRoot;
use sp_runtime::{traits::IdentityLookup, BuildStorage, DispatchError, DispatchResult};
use std::{cell::RefCell, collections::BTreeMap};
use stoa_primitives::{
	mock::{MockLedger, MockRegistry},
	money::LockReason,
	referral::{Code, Distributed, Referral},
	traits::{ReferralBook, ReferralRewards},
	AccountId, AssetId, Balance, BlockNumber,
};

#[frame_support::runtime]
mod runtime {
	#[runtime::runtime]
	#[runtime::derive(
		RuntimeCall,
		RuntimeEvent,
		RuntimeError,
		RuntimeOrigin,
		RuntimeFreezeReason,
		RuntimeHoldReason,
		RuntimeSlashReason,
		RuntimeLockId,
		RuntimeTask
	)]
	pub struct Test;

	#[runtime::pallet_index(0)]
	pub type System = frame_system;
	#[runtime::pallet_index(1)]
	pub type Balances = pallet_balances;
	#[runtime::pallet_index(2)]
	pub type Referrals = pallet_stoa_referrals;
}

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<10>;
	type AccountStore = System;
}

pub const MAX_CODES: u32 = 3;
pub const MAX_ASSETS: u32 = 3;
pub const EARLY_ADOPTER_END: BlockNumber = 1_000;
pub const START_BALANCE: Balance = 100_000;
/// Cap of [`USD`] at genesis; [`EUR`] has none.
pub const CAP: Balance = 1_000_000;
pub const USD: AssetId = AssetId::WithId(1);
pub const EUR: AssetId = AssetId::WithId(2);

parameter_types! {
	pub const CodeReason: RuntimeHoldReason = RuntimeHoldReason::Referrals(HoldReason::Code);
	pub const ReferralsId: PalletId = PalletId(*b"stoa/ref");
}

impl Config for Test {
	type AdminOrigin = EnsureRoot<AccountId>;
	type BlockNumberProvider = System;
	type Registry = MockRegistry;
	type Ledger = MockLedger;
	type Consideration = HoldConsideration<
		AccountId,
		Balances,
		CodeReason,
		LinearStoragePrice<ConstU128<100>, ConstU128<1>, Balance>,
	>;
	type PalletId = ReferralsId;
	type MaxCodes = ConstU32<MAX_CODES>;
	type MaxRewardAssets = ConstU32<MAX_ASSETS>;
	type EarlyAdopterEnd = ConstU32<EARLY_ADOPTER_END>;
	type WeightInfo = ();
}

thread_local! {
	/// Agents, their operators, and whether they are active.
	static AGENTS: RefCell<BTreeMap<AccountId, (AccountId, bool)>> = RefCell::default();
	/// Free credits.
	static CREDITS: RefCell<BTreeMap<(AccountId, AssetId), Balance>> = RefCell::default();
	/// What is in the purse for charges.
	static PURSE: RefCell<BTreeMap<AssetId, Balance>> = RefCell::default();
}

/// Agent number `n`.
pub fn agent(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

/// Operator number `n`.
pub fn operator(n: u8) -> AccountId {
	AccountId::new([100 + n; 32])
}

/// Makes agent `n` an active agent of operator `by`.
pub fn enlist(n: u8, by: u8) {
	set_operator(&agent(n), &operator(by));
}

pub fn set_operator(who: &AccountId, by: &AccountId) {
	AGENTS.with(|map| map.borrow_mut().insert(who.clone(), (by.clone(), true)));
}

pub fn set_active(n: u8, active: bool) {
	AGENTS.with(|map| {
		if let Some(row) = map.borrow_mut().get_mut(&agent(n)) {
			row.1 = active;
		}
	});
}

pub fn is_active(who: &AccountId) -> bool {
	AGENTS.with(|map| map.borrow().get(who).is_some_and(|(_, active)| *active))
}

/// The operator of `who`, or itself.
pub fn answering(who: &AccountId) -> AccountId {
	AGENTS.with(|map| map.borrow().get(who).map_or_else(|| who.clone(), |(by, _)| by.clone()))
}

pub fn credits(who: &AccountId, asset: &AssetId) -> Balance {
	CREDITS.with(|map| *map.borrow_mut().entry((who.clone(), asset.clone())).or_default())
}

pub fn set_credits(who: &AccountId, asset: &AssetId, amount: Balance) {
	CREDITS.with(|map| map.borrow_mut().insert((who.clone(), asset.clone()), amount));
}

pub fn bind(referee: u8, referrer: u8) -> DispatchResult {
	let referral = Referral::Account(agent(referrer));
	<Referrals as ReferralBook>::bind(&agent(referee), &referral)
}

pub fn distribute(asset: &AssetId, payer: u8, provider: u8, pot: Balance) -> Distributed {
	Referrals::distribute(asset, &agent(payer), &agent(provider), pot)
}

pub fn pool() -> AccountId {
	<Referrals as ReferralRewards>::growth_pool()
}

pub fn code(text: &str) -> Code {
	Code::try_from(text.as_bytes().to_vec()).unwrap()
}

pub fn signed(n: u8) -> RuntimeOrigin {
	RuntimeOrigin::signed(agent(n))
}

pub fn root() -> RuntimeOrigin {
	RuntimeOrigin::root()
}

pub fn run_to(block: BlockNumber) {
	System::set_block_number(block);
}

pub fn held(n: u8) -> Balance {
	Balances::balance_on_hold(&CodeReason::get(), &agent(n))
}

fn wire_neighbours() {
	AGENTS.with(|map| map.borrow_mut().clear());
	CREDITS.with(|map| map.borrow_mut().clear());
	PURSE.with(|map| map.borrow_mut().clear());
	MockRegistry::mock_ensure_active(|who| {
		is_active(who).then_some(()).ok_or(DispatchError::Other("not active"))
	});
	MockRegistry::mock_operator_of(|who| {
		AGENTS.with(|map| map.borrow().get(who).map(|(by, _)| by.clone()))
	});
	MockLedger::mock_lock(|who, asset, amount, reason| {
		assert_eq!(reason, LockReason::Charge);
		let left = credits(who, asset).checked_sub(amount);
		set_credits(who, asset, left.ok_or(DispatchError::Other("no credits"))?);
		PURSE.with(|map| *map.borrow_mut().entry(asset.clone()).or_default() += amount);
		Ok(())
	});
	MockLedger::mock_pay_locked(|to, asset, amount, reason| {
		assert_eq!(reason, LockReason::Charge);
		PURSE.with(|map| *map.borrow_mut().entry(asset.clone()).or_default() -= amount);
		set_credits(to, asset, credits(to, asset) + amount);
		Ok(())
	});
}

/// Runs a test in a new chain at block 1, then checks the invariants. Agents 1 to 9 are active, each
/// with the operator of the same number.
pub fn build_and_execute(test: impl FnOnce()) {
	let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
	pallet_balances::GenesisConfig::<Test> {
		balances: (1..10).map(|n| (agent(n), START_BALANCE)).collect(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.unwrap();
	GenesisConfig::<Test> { caps: vec![(USD, CAP)], ..Default::default() }
		.assimilate_storage(&mut storage)
		.unwrap();
	wire_neighbours();
	sp_io::TestExternalities::new(storage).execute_with(|| {
		run_to(1);
		(1..10).for_each(|n| enlist(n, n));
		test();
		Referrals::do_try_state().unwrap();
		PURSE.with(|map| assert!(map.borrow().values().all(|amount| *amount == 0)));
	});
}
