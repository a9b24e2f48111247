//! A runtime with this pallet, balances for deposits, and a mocked referral book.

use crate::{self as pallet_stoa_agents, *};
use frame_support::{
	derive_impl, parameter_types,
	traits::{
		fungible::{HoldConsideration, InspectHold},
		ConstU128, ConstU32, Footprint, LinearStoragePrice,
	},
};
use frame_system::EnsureRoot;
use sp_core::{sr25519, Pair};
use sp_runtime::{traits::IdentityLookup, BuildStorage, DispatchResult};
use stoa_primitives::{
	agent::{Manifest, Scope, Scopes, Uri},
	keys::Key,
	mock::{MockReferralBook, MockRegistration},
	payload::{Consent, Domain, Payload},
	AccountId, Balance, BlockNumber,
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
	pub type Agents = pallet_stoa_agents;
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

pub const LEASE: BlockNumber = 100;
pub const MAX_CONSENT_AGE: BlockNumber = 50;
pub const START_BALANCE: Balance = 100_000;
/// What the deposit of a referred agent covers beyond that of others: 3 rows of 100 bytes.
pub const REFERRAL_BYTES: Balance = 300;
/// What the deposit of an agent that is not retired covers for the registration hook: 2 rows of 30
/// bytes.
pub const HOOK_BYTES: Balance = 60;

parameter_types! {
	pub const RecordReason: RuntimeHoldReason =
		RuntimeHoldReason::Agents(HoldReason::Registration);
	pub const KeyReason: RuntimeHoldReason = RuntimeHoldReason::Agents(HoldReason::DelegateKey);
	pub ReferralFootprint: Footprint = Footprint::from_parts(3, 100);
}

/// 100 for a row and 1 for a byte.
type Price = LinearStoragePrice<ConstU128<100>, ConstU128<1>, Balance>;

impl Config for Test {
	type AdminOrigin = EnsureRoot<AccountId>;
	type BlockNumberProvider = System;
	type AgentConsideration = HoldConsideration<AccountId, Balances, RecordReason, Price>;
	type KeyConsideration = HoldConsideration<AccountId, Balances, KeyReason, Price>;
	type Referrals = MockReferralBook;
	type ReferralFootprint = ReferralFootprint;
	type Registration = MockRegistration;
	type LeasePeriod = ConstU32<LEASE>;
	type MaxConsentAge = ConstU32<MAX_CONSENT_AGE>;
	type WeightInfo = ();
}

/// An operator.
pub const OP: AccountId = AccountId::new([1; 32]);
/// Another operator.
pub const OP2: AccountId = AccountId::new([2; 32]);
/// Owns nothing.
pub const POOR: AccountId = AccountId::new([3; 32]);
/// A referrer.
pub const REFERRER: AccountId = AccountId::new([4; 32]);

/// The key of the agent `agent(seed)`.
pub fn pair(seed: u8) -> sr25519::Pair {
	sr25519::Pair::from_seed(&[seed; 32])
}

pub fn agent(seed: u8) -> AccountId {
	AccountId::new(pair(seed).public().0)
}

pub fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

pub fn manifest(uri: &str) -> Manifest {
	Manifest { digest: [7; 32], uri: Uri::try_from(uri.as_bytes().to_vec()).unwrap() }
}

pub fn domain() -> Domain {
	Domain::agents(System::block_hash(0))
}

/// What an agent signs to be operated by `operator` until `expires`.
pub fn consent(operator: &AccountId, agent: &AccountId, expires: BlockNumber) -> Vec<u8> {
	Consent { operator: operator.clone(), agent: agent.clone(), expires }.to_bytes(&domain())
}

/// The consent of `agent(seed)` to be operated by `operator`.
pub fn proof(seed: u8, operator: &AccountId, expires: BlockNumber) -> ConsentProof {
	let signature = pair(seed).sign(&consent(operator, &agent(seed), expires));
	ConsentProof { signature: signature.into(), expires }
}

/// Register `agent(seed)` for `operator`.
pub fn register(seed: u8, operator: &AccountId) -> DispatchResult {
	let proof = proof(seed, operator, now() + 1);
	Agents::register(signed(operator), agent(seed), Some(proof), manifest("u"), None)
}

/// A registered agent of [`OP`].
pub fn registered() -> AccountId {
	register(10, &OP).unwrap();
	agent(10)
}

pub fn key(seed: u8) -> Key {
	Key::Sr25519([seed; 32])
}

pub fn vouchers() -> Scopes {
	Scopes::NONE.with(Scope::Voucher)
}

pub fn now() -> BlockNumber {
	System::block_number()
}

pub fn run_to(block: BlockNumber) {
	System::set_block_number(block);
}

/// What the ledger holds of `who` for records of agents and for delegate keys.
pub fn held(who: &AccountId) -> (Balance, Balance) {
	let held = |reason| Balances::balance_on_hold(&reason, who);
	(held(RecordReason::get()), held(KeyReason::get()))
}

/// Runs a test in a new chain at block 1, then checks the invariants.
pub fn build_and_execute(test: impl FnOnce()) {
	let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
	pallet_balances::GenesisConfig::<Test> {
		balances: [OP, OP2, agent(10), agent(11)].map(|who| (who, START_BALANCE)).to_vec(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.unwrap();
	sp_io::TestExternalities::new(storage).execute_with(|| {
		run_to(1);
		MockReferralBook::mock_bind(|_, _| Ok(()));
		MockRegistration::mock_footprint(|| Footprint::from_parts(2, 30));
		MockRegistration::mock_registered(|_| ());
		MockRegistration::mock_retired(|_| ());
		test();
		Agents::do_try_state().unwrap();
	});
}
