//! A runtime with native and other assets; limits and locking pallets are mocked.

use crate as pallet_stoa_credits;
use crate::{Config, Event, Free, Pallet, Row};
use frame_support::{
	assert_ok, construct_runtime, derive_impl, parameter_types,
	traits::{
		fungible::{NativeFromLeft, UnionOf},
		tokens::fungibles::{Inspect as _, Mutate as _},
		AsEnsureOriginWithArg, ConstU128,
	},
	PalletId,
};
use frame_system::{EnsureRoot, EnsureSigned};
use sp_runtime::{traits::IdentityLookup, BuildStorage, DispatchResult};
use std::{cell::RefCell, collections::BTreeMap};
use stoa_primitives::{
	mock::MockSpendGuard,
	money::LockReason,
	traits::{Ledger, LockerTotals},
	AccountId, AssetId, Balance,
};

construct_runtime!(
	pub enum Test {
		System: frame_system,
		Balances: pallet_balances,
		Assets: pallet_assets,
		Credits: pallet_stoa_credits,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountData = pallet_balances::AccountData<Balance>;
	type AccountId = AccountId;
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type Lookup = IdentityLookup<AccountId>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type AccountStore = System;
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<ED>;
}

#[derive_impl(pallet_assets::config_preludes::TestDefaultConfig)]
impl pallet_assets::Config for Test {
	type Balance = Balance;
	type CreateOrigin = AsEnsureOriginWithArg<EnsureSigned<AccountId>>;
	type Currency = Balances;
	type ForceOrigin = EnsureRoot<AccountId>;
}

parameter_types! {
	pub const CreditsPalletId: PalletId = PalletId(*b"stoa/crd");
}

pub type Fungibles = UnionOf<Balances, Assets, NativeFromLeft, AssetId, AccountId>;

thread_local! {
	static LOCKED: RefCell<BTreeMap<(LockReason, AssetId), Balance>> =
		const { RefCell::new(BTreeMap::new()) };
}

/// What the helpers below have locked, as locking pallets would report it.
pub struct MockLockers;
impl LockerTotals for MockLockers {
	fn totals() -> Vec<(LockReason, Vec<(AssetId, Balance)>)> {
		LOCKED.with_borrow(|locked| {
			locked
				.iter()
				.map(|((reason, asset), amount)| (*reason, vec![(asset.clone(), *amount)]))
				.collect()
		})
	}
}

impl Config for Test {
	type AdminOrigin = EnsureRoot<AccountId>;
	type Fungibles = Fungibles;
	type Lockers = MockLockers;
	type PalletId = CreditsPalletId;
	type SpendGuard = MockSpendGuard;
	type WeightInfo = ();
}

/// The native token.
pub const STOA: AssetId = AssetId::Native;
/// A sufficient asset with a minimum balance of 1.
pub const USD: AssetId = AssetId::WithId(1);
/// An asset that exists and is not accepted at genesis.
pub const EUR: AssetId = AssetId::WithId(2);

pub const ED: Balance = 10;
pub const EUR_MINIMUM: Balance = 7;
pub const STOA_DUST: Balance = 20;
pub const USD_DUST: Balance = 100;
pub const START: Balance = 1_000_000;

pub const ALICE: AccountId = AccountId::new([1; 32]);
pub const BOB: AccountId = AccountId::new([2; 32]);
pub const CHARLIE: AccountId = AccountId::new([3; 32]);
pub const DAVE: AccountId = AccountId::new([4; 32]);
/// Owns nothing and does not exist.
pub const NOBODY: AccountId = AccountId::new([9; 32]);

pub fn new_test_ext() -> sp_io::TestExternalities {
	let custody = Pallet::<Test>::custody();
	let users = [ALICE, BOB, CHARLIE, DAVE];
	let storage = RuntimeGenesisConfig {
		balances: pallet_balances::GenesisConfig {
			balances: users
				.iter()
				.map(|who| (who.clone(), START))
				.chain([(custody.clone(), ED)])
				.collect(),
			..Default::default()
		},
		assets: pallet_assets::GenesisConfig {
			assets: vec![(1, DAVE, true, 1), (2, DAVE, true, EUR_MINIMUM)],
			accounts: users
				.iter()
				.flat_map(|who| [(1, who.clone(), START), (2, who.clone(), START)])
				.chain([(1, custody, 1)])
				.collect(),
			..Default::default()
		},
		credits: crate::GenesisConfig {
			accepted: vec![(STOA, STOA_DUST), (USD, USD_DUST)],
			..Default::default()
		},
		system: Default::default(),
	}
	.build_storage()
	.unwrap();
	let mut ext = sp_io::TestExternalities::from(storage);
	ext.execute_with(|| {
		System::set_block_number(1);
		LOCKED.with_borrow_mut(|locked| locked.clear());
		MockSpendGuard::mock_ensure_may_withdraw(|_, _, _, _| Ok(()));
	});
	ext
}

/// Run a test, then check all invariants.
pub fn build_and_execute(test: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		test();
		assert_ok!(Credits::do_try_state());
	});
}

pub fn signed(who: AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who)
}

/// Give `who` credits, paid in by Dave.
pub fn give(who: AccountId, asset: AssetId, amount: Balance) {
	assert_ok!(Credits::deposit(signed(DAVE), asset, amount, who));
}

pub fn row(who: &AccountId, asset: AssetId) -> Option<Row> {
	Free::<Test>::get(who, asset)
}

pub fn free(who: &AccountId, asset: AssetId) -> Balance {
	Credits::balance(who.clone(), asset)
}

pub fn purse(asset: AssetId, reason: LockReason) -> Balance {
	<Credits as Ledger>::locked(&asset, reason)
}

/// What `who` really has of `asset`, outside the ledger.
pub fn real(who: &AccountId, asset: AssetId) -> Balance {
	Fungibles::balance(asset, who)
}

/// Add to what custody really has of `asset`.
pub fn endow_custody(asset: AssetId, amount: Balance) {
	assert_ok!(Fungibles::mint_into(asset, &Credits::custody(), amount));
}

fn report(result: DispatchResult, asset: AssetId, reason: LockReason, change: i128) {
	if result.is_ok() {
		LOCKED.with_borrow_mut(|locked| {
			let purse = locked.entry((reason, asset)).or_default();
			*purse = purse.checked_add_signed(change).unwrap();
		});
	}
}

fn signed_amount(amount: Balance) -> i128 {
	amount.try_into().unwrap_or(i128::MAX)
}

/// [`Ledger::lock`], reported to [`MockLockers`].
pub fn lock(
	who: &AccountId,
	asset: AssetId,
	amount: Balance,
	reason: LockReason,
) -> DispatchResult {
	let result = Credits::lock(who, &asset, amount, reason);
	report(result, asset, reason, signed_amount(amount));
	result
}

/// [`Ledger::unlock`], reported to [`MockLockers`].
pub fn unlock(
	who: &AccountId,
	asset: AssetId,
	amount: Balance,
	reason: LockReason,
) -> DispatchResult {
	let result = Credits::unlock(who, &asset, amount, reason);
	report(result, asset, reason, -signed_amount(amount));
	result
}

/// [`Ledger::pay_locked`], reported to [`MockLockers`].
pub fn pay_locked(
	to: &AccountId,
	asset: AssetId,
	amount: Balance,
	reason: LockReason,
) -> DispatchResult {
	let result = Credits::pay_locked(to, &asset, amount, reason);
	report(result, asset, reason, -signed_amount(amount));
	result
}

/// [`Ledger::pay_locked_parts`], reported to [`MockLockers`].
pub fn pay_locked_parts(
	parts: &[(&AccountId, Balance)],
	asset: AssetId,
	reason: LockReason,
) -> DispatchResult {
	let result = frame_support::storage::with_storage_layer(|| {
		Credits::pay_locked_parts(&asset, parts, reason)
	});
	let sum = parts.iter().fold(0, |sum: Balance, (_, amount)| sum.saturating_add(*amount));
	report(result, asset, reason, -signed_amount(if result.is_ok() { sum } else { 0 }));
	result
}

pub fn events() -> Vec<Event<Test>> {
	System::read_events_for_pallet::<Event<Test>>()
}

pub fn last_event() -> Event<Test> {
	events().pop().expect("an event")
}
