//! A runtime with this pallet alone. The neighbours are mocks; the ledger behind them keeps its rows
//! in the test's storage, so that they are rolled back as the real ones would be.

use crate as pallet_stoa_fee_split;
use crate::{Config, Event, MIN_NOTICE_PERIOD};
use frame_support::{
	assert_ok, construct_runtime, derive_impl, ensure, parameter_types, storage_alias,
	traits::ConstU32, Blake2_128Concat,
};
use frame_system::EnsureRoot;
use sp_runtime::{traits::IdentityLookup, BuildStorage, DispatchError, DispatchResult, Permill};
use stoa_primitives::{
	mock::{MockLedger, MockOutcome, MockRegistry, MockRewards, MockSpendGuard},
	money::{LockReason, ScheduleId, Source},
	referral::{Distributed, Reward},
	traits::Settle,
	AccountId, AssetId, Balance, BlockNumber,
};

construct_runtime!(
	pub enum Test {
		System: frame_system,
		FeeSplit: pallet_stoa_fee_split,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type AccountId = AccountId;
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type Lookup = IdentityLookup<AccountId>;
}

parameter_types! {
	pub PlatformAccount: AccountId = PLATFORM;
}

impl Config for Test {
	type AdminOrigin = EnsureRoot<AccountId>;
	type BlockNumberProvider = System;
	type Ledger = MockLedger;
	type NoticePeriod = ConstU32<MIN_NOTICE_PERIOD>;
	type Outcome = MockOutcome;
	type PlatformAccount = PlatformAccount;
	type Registry = MockRegistry;
	type Rewards = MockRewards;
	type SpendGuard = MockSpendGuard;
	type WeightInfo = ();
}

pub const USD: AssetId = AssetId::WithId(1);
pub const STOA: AssetId = AssetId::Native;
/// All that a payer has at the start, of each asset.
pub const START: Balance = 1_000_000_000;

pub const PAYER: AccountId = AccountId::new([1; 32]);
/// An active agent.
pub const PROVIDER: AccountId = AccountId::new([2; 32]);
/// The payer's referrer.
pub const REFERRER: AccountId = AccountId::new([3; 32]);
pub const PLATFORM: AccountId = AccountId::new([8; 32]);
pub const POOL: AccountId = AccountId::new([9; 32]);
/// No agent.
pub const STRANGER: AccountId = AccountId::new([10; 32]);

#[storage_alias]
type Rows =
	StorageDoubleMap<MockedLedger, Blake2_128Concat, AccountId, Blake2_128Concat, AssetId, Balance>;

#[storage_alias]
type Purses = StorageDoubleMap<
	MockedLedger,
	Blake2_128Concat,
	AssetId,
	Blake2_128Concat,
	LockReason,
	Balance,
>;

/// What the outcome hook has heard last.
#[storage_alias]
type Heard = StorageValue<MockedOutcome, (AccountId, AccountId, AssetId, Balance)>;

fn mock_ledger() {
	MockLedger::mock_free(|who, asset| free(who, asset.clone()));
	MockLedger::mock_locked(|asset, reason| purse(asset.clone(), reason));
	MockLedger::mock_lock(|who, asset, amount, reason| {
		let rest = Rows::get(who, asset).unwrap_or_default().checked_sub(amount);
		Rows::insert(who, asset, rest.ok_or(DispatchError::Other("InsufficientCredits"))?);
		Purses::mutate(asset, reason, |purse| {
			*purse = Some(purse.unwrap_or_default() + amount);
		});
		Ok(())
	});
	MockLedger::mock_pay_locked(|to, asset, amount, reason| {
		assert!(amount > 0, "a payment of nothing to {to:?}");
		let rest = Purses::get(asset, reason).unwrap_or_default().checked_sub(amount);
		Purses::insert(asset, reason, rest.ok_or(DispatchError::Other("InsufficientLocked"))?);
		Rows::mutate(to, asset, |row| *row = Some(row.unwrap_or_default() + amount));
		Ok(())
	});
}

fn mock_neighbours() {
	MockRegistry::mock_ensure_active(|who| {
		ensure!(*who == PROVIDER, DispatchError::Other("NotActive"));
		Ok(())
	});
	MockSpendGuard::mock_ensure_may_spend(|_, _, _, _| Ok(()));
	MockOutcome::mock_settled(|payer, provider, asset, gross| {
		Heard::put((payer.clone(), provider.clone(), asset.clone(), gross));
	});
	MockRewards::mock_growth_pool(|| POOL);
	reward_half();
}

/// Half of the referral share, rounded down, goes to the payer's referrer.
pub fn reward_half() {
	MockRewards::mock_distribute(|_, payer, _, pot| {
		let amount = pot / 2;
		let reward = Reward { to: REFERRER, referee: payer.clone(), level: 1, amount };
		let rewards = if amount > 0 { vec![reward] } else { vec![] };
		Distributed { rewards, sides: 1, growth_pool: pot - amount }
	});
}

/// A reward to the payer's referrer.
pub fn reward(amount: Balance) -> Reward {
	Reward { to: REFERRER, referee: PAYER, level: 1, amount }
}

pub fn new_test_ext() -> sp_io::TestExternalities {
	let storage = RuntimeGenesisConfig::default().build_storage().unwrap();
	let mut ext = sp_io::TestExternalities::from(storage);
	ext.execute_with(|| {
		System::set_block_number(1);
		mock_ledger();
		mock_neighbours();
		for asset in [USD, STOA] {
			Rows::insert(PAYER, asset, START);
		}
	});
	ext
}

/// What exists of `asset`, free and locked.
pub fn supply(asset: AssetId) -> Balance {
	let rows = Rows::iter().filter(|(_, a, _)| *a == asset).map(|(_, _, row)| row);
	rows.chain(Purses::iter_prefix_values(&asset)).sum()
}

/// What holds after everything.
pub fn assert_sound() {
	assert_ok!(FeeSplit::do_try_state());
	for asset in [USD, STOA] {
		assert_eq!(supply(asset.clone()), START, "market money was made or lost");
		assert_eq!(purse(asset, LockReason::Charge), 0, "a charge was not paid out");
	}
}

/// Run a test, then check all invariants.
pub fn build_and_execute(test: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		test();
		assert_sound();
	});
}

pub fn signed(who: AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who)
}

pub fn free(who: &AccountId, asset: AssetId) -> Balance {
	Rows::get(who, asset).unwrap_or_default()
}

/// Whether the ledger has a row for `who`.
pub fn has_row(who: &AccountId, asset: AssetId) -> bool {
	Rows::contains_key(who, asset)
}

pub fn purse(asset: AssetId, reason: LockReason) -> Balance {
	Purses::get(asset, reason).unwrap_or_default()
}

pub fn heard() -> Option<(AccountId, AccountId, AssetId, Balance)> {
	Heard::get()
}

/// Put credits of the payer into the purse of channels.
pub fn fund_channel(amount: Balance) {
	use stoa_primitives::traits::Ledger;
	assert_ok!(MockLedger::lock(&PAYER, &USD, amount, LockReason::Channel));
}

/// A slice of a channel in [`USD`].
pub fn slice(settled_before: Balance, gross: Balance, schedule: ScheduleId) -> Settle {
	Settle {
		asset: USD,
		payer: PAYER,
		provider: PROVIDER,
		settled_before,
		gross,
		schedule,
		source: Source::Channel([5; 32]),
	}
}

/// Rates in per cent.
pub fn propose(provider: u32, platform: u32, referral: u32) -> DispatchResult {
	let p = Permill::from_percent;
	FeeSplit::propose_schedule(RuntimeOrigin::root(), p(provider), p(platform), p(referral))
}

pub fn at(block: BlockNumber) {
	System::set_block_number(block);
}

pub fn events() -> Vec<Event<Test>> {
	System::read_events_for_pallet::<Event<Test>>()
}

pub fn last_event() -> Event<Test> {
	events().pop().expect("an event")
}
