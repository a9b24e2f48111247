//! A runtime with real native balances for storage deposits and, behind the closures of the
//! neighbours' mocks, a small ledger and settlement that keep their books in storage: what a call
//! rolls back is rolled back there too.

use crate::{self as pallet_escrow, pallet::*, NamedArbiters};
use codec::Encode;
use frame_support::{
	construct_runtime, derive_impl, parameter_types,
	storage::unhashed,
	traits::{fungible::HoldConsideration, ConstU128, ConstU32, LinearStoragePrice},
};
use sp_runtime::{
	traits::IdentityLookup, BuildStorage, DispatchError, DispatchResult, Permill, StateVersion,
};
use stoa_primitives::{
	agent::Scope,
	agreement::{AgreementId, Case, Evidence, Milestone, Offer, Panel, Side},
	keys::{AgentSignature, Key, KeySignature},
	mock::{MockLedger, MockOutcome, MockRegistry, MockSettlement, MockSpendGuard},
	money::{LockReason, Schedule, Source},
	payload::Domain,
	traits::{Arbitration, Receipt, Settle},
	AccountId, AssetId, Balance, BlockNumber, H256,
};

construct_runtime!(
	pub enum Test {
		System: frame_system = 0,
		Balances: pallet_balances = 1,
		Escrow: pallet_escrow = 2,
	}
);

#[derive_impl(frame_system::config_preludes::TestDefaultConfig)]
impl frame_system::Config for Test {
	type Block = frame_system::mocking::MockBlockU32<Test>;
	type AccountId = AccountId;
	type Lookup = IdentityLookup<AccountId>;
	type AccountData = pallet_balances::AccountData<Balance>;
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Test {
	type Balance = Balance;
	type ExistentialDeposit = ConstU128<10>;
	type AccountStore = System;
}

parameter_types! {
	pub const AgreementHold: RuntimeHoldReason = RuntimeHoldReason::Escrow(HoldReason::Agreement);
	pub const RecordHold: RuntimeHoldReason = RuntimeHoldReason::Escrow(HoldReason::Record);
}

/// Storage deposit of an agreement.
pub const AGREEMENT_PRICE: Balance = 100;
/// Storage deposit of a negotiation.
pub const RECORD_PRICE: Balance = 40;
/// Most agreements that an operator puts up the deposit for.
pub const MAX_SPONSORED: u32 = 2;

impl Config for Test {
	type Registry = MockRegistry;
	type Ledger = MockLedger;
	type Settlement = MockSettlement;
	type SpendGuard = MockSpendGuard;
	type Outcome = MockOutcome;
	type Arbitration = Courts;
	type AgreementConsideration = HoldConsideration<
		AccountId,
		Balances,
		AgreementHold,
		LinearStoragePrice<ConstU128<AGREEMENT_PRICE>, ConstU128<0>, Balance>,
	>;
	type RecordConsideration = HoldConsideration<
		AccountId,
		Balances,
		RecordHold,
		LinearStoragePrice<ConstU128<RECORD_PRICE>, ConstU128<0>, Balance>,
	>;
	type BlockNumberProvider = System;
	type MaxSponsoredAgreements = ConstU32<MAX_SPONSORED>;
	type MaxSponsoredRecords = ConstU32<3>;
	type MinTurn = ConstU32<10>;
	type WeightInfo = ();
}

/// Arbiters that the offer names, or a [`COURT`].
///
/// A court draws two of the arbiters when a case opens, who have as many blocks as two turns. What they
/// decide, the court rules, and shares its fee among them when the case closes.
pub struct Courts;

impl Courts {
	fn is_court(panel: &Panel) -> bool {
		panel.arbiters.contains(&COURT)
	}

	fn drawn_key(case: &Case) -> Vec<u8> {
		key(b"drawn", (case.agreement, case.milestone))
	}

	/// Who was drawn for a case that is open.
	pub fn drawn(agreement: AgreementId, milestone: u32) -> Vec<AccountId> {
		unhashed::get_or_default(&key(b"drawn", (agreement, milestone)))
	}

	/// How the last case was closed.
	pub fn last_ruling() -> Option<Option<Permill>> {
		unhashed::get(&key(b"ruling", ()))
	}
}

impl Arbitration for Courts {
	fn ensure_panel(panel: &Panel, buyer: &AccountId, seller: &AccountId) -> DispatchResult {
		match Self::is_court(panel) {
			true => Ok(()),
			false => NamedArbiters::<Test>::ensure_panel(panel, buyer, seller),
		}
	}

	fn seat(panel: &Panel, case: &Case, now: BlockNumber) -> Option<AccountId> {
		if !Self::is_court(panel) {
			return NamedArbiters::<Test>::seat(panel, case, now);
		}
		let is_in_time = Self::ends(panel, case).is_some_and(|last| now <= last);
		is_in_time.then_some(COURT)
	}

	fn ends(panel: &Panel, case: &Case) -> Option<BlockNumber> {
		if !Self::is_court(panel) {
			return NamedArbiters::<Test>::ends(panel, case);
		}
		let members = Self::drawn(case.agreement, case.milestone).len() as u32;
		Some(case.opened + panel.turn * members)
	}

	fn opened(panel: &Panel, case: &Case) {
		if Self::is_court(panel) {
			let mut members = ARBITERS.to_vec();
			members.remove(case.opened as usize % members.len());
			assert!(!unhashed::exists(&Self::drawn_key(case)), "the case was opened before");
			unhashed::put(&Self::drawn_key(case), &members);
		}
	}

	fn closed(panel: &Panel, case: &Case, ruling: Option<Permill>) {
		if Self::is_court(panel) {
			let members = unhashed::take::<Vec<AccountId>>(&Self::drawn_key(case));
			let members = members.expect("the case was opened, and is closed once");
			let each = free(&COURT, &USD) / members.len() as Balance;
			for member in members.iter().filter(|_| each > 0) {
				shift(&free_key(&COURT, &USD), &free_key(member, &USD), each).unwrap();
			}
			unhashed::put(&key(b"ruling", ()), &ruling);
		}
	}
}

const fn account(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

/// No agent; owns native tokens and credits.
pub const BUYER: AccountId = account(1);
/// An active agent of its own.
pub const SELLER: AccountId = account(2);
/// An active agent of its own.
pub const SELLER2: AccountId = account(3);
/// An active agent of [`OPERATOR`] that owns nothing but credits.
pub const AGENT: AccountId = account(4);
/// Owns native tokens.
pub const OPERATOR: AccountId = account(5);
/// An active agent of its own that rules.
pub const FIRST: AccountId = account(6);
/// The same.
pub const SECOND: AccountId = account(7);
/// The same.
pub const THIRD: AccountId = account(8);
/// In this order.
pub const ARBITERS: [AccountId; 3] = [FIRST, SECOND, THIRD];
/// No agent; has no account and no credits.
pub const STRANGER: AccountId = account(9);
/// Where the platform's share goes.
pub const PLATFORM: AccountId = account(10);
/// Where the referral share goes.
pub const REFERRERS: AccountId = account(11);

/// All that may hold credits.
pub const HOLDERS: [AccountId; 12] = [
	BUYER, SELLER, SELLER2, AGENT, OPERATOR, FIRST, SECOND, THIRD, STRANGER, PLATFORM, REFERRERS,
	COURT,
];

/// Active agents, unless stopped.
const AGENTS: [AccountId; 6] = [SELLER, SELLER2, AGENT, FIRST, SECOND, THIRD];

/// The asset of most tests.
pub const USD: AssetId = AssetId::WithId(1);
/// Another.
pub const STOA: AssetId = AssetId::Native;
/// What everybody who trades has at first, of each asset.
pub const CREDITS: Balance = 10_000;
/// What every account with native tokens has at first.
pub const NATIVE: Balance = 5_000;
/// Stands for a court of which the members are drawn, when an offer names it as its only arbiter.
pub const COURT: AccountId = account(12);

/// The mock guard refuses spends of this amount.
pub const GUARDED: Balance = 666;
/// The mock settlement refuses this gross amount.
pub const REFUSED_GROSS: Balance = 13;
/// With this error.
pub const REFUSED: DispatchError = DispatchError::Unavailable;

fn key(name: &[u8], of: impl Encode) -> Vec<u8> {
	(b"mock", name, of).encode()
}

/// Stop an agent, or let it run again.
pub fn set_inactive(who: &AccountId, inactive: bool) {
	unhashed::put(&key(b"inactive", who), &inactive);
}

/// Let another operator answer for an agent.
pub fn set_operator(who: &AccountId, operator: &AccountId) {
	unhashed::put(&key(b"operator", who), operator);
}

/// The fee schedule of what is opened from now on.
pub fn set_schedule(schedule: u32) {
	unhashed::put(&key(b"schedule", ()), &schedule);
}

/// The rates of a schedule: those of number 0 hold at first.
pub fn schedule(number: u32) -> Schedule {
	let rates = [(85, 10, 5), (100, 0, 0)][number as usize];
	let percent = Permill::from_percent;
	Schedule::new(percent(rates.0), percent(rates.1), percent(rates.2)).unwrap()
}

fn free_key(who: &AccountId, asset: &AssetId) -> Vec<u8> {
	key(b"free", (who, asset))
}

fn locked_key(asset: &AssetId) -> Vec<u8> {
	key(b"locked", asset)
}

/// Free credits of `who`.
pub fn free(who: &AccountId, asset: &AssetId) -> Balance {
	unhashed::get_or_default(&free_key(who, asset))
}

/// Set the free credits of `who`.
pub fn set_free(who: &AccountId, asset: &AssetId, amount: Balance) {
	unhashed::put(&free_key(who, asset), &amount);
}

/// All that agreements have locked.
pub fn locked(asset: &AssetId) -> Balance {
	unhashed::get_or_default(&locked_key(asset))
}

/// All credits that there are.
pub fn issued(asset: &AssetId) -> Balance {
	HOLDERS.iter().map(|who| free(who, asset)).sum::<Balance>() + locked(asset)
}

fn shift(from: &[u8], to: &[u8], amount: Balance) -> DispatchResult {
	assert!(amount > 0, "nothing is moved");
	let left = unhashed::get_or_default::<Balance>(from)
		.checked_sub(amount)
		.ok_or(DispatchError::Other("credits"))?;
	unhashed::put(from, &left);
	unhashed::put(to, &(unhashed::get_or_default::<Balance>(to) + amount));
	Ok(())
}

fn settle(settle: Settle) -> Result<Receipt, DispatchError> {
	assert!(matches!(settle.source, Source::Agreement(_)));
	assert!(settle.gross > 0);
	let shares = schedule(settle.schedule).split(settle.settled_before, settle.gross).unwrap();
	let from = locked_key(&settle.asset);
	for (to, amount) in [
		(&settle.provider, shares.provider),
		(&PLATFORM, shares.platform),
		(&REFERRERS, shares.referral),
	] {
		if amount > 0 {
			shift(&from, &free_key(to, &settle.asset), amount)?;
		}
	}
	// Refused after it has paid: the payments must be rolled back.
	if settle.gross == REFUSED_GROSS {
		return Err(REFUSED);
	}
	Ok(Receipt { shares, ..Default::default() })
}

/// What the outcome hook has heard.
#[derive(Clone, Debug, Default, Eq, PartialEq, codec::Encode, codec::Decode)]
pub struct Heard {
	/// What went back.
	pub refunded: Balance,
	/// How many breaches there were.
	pub breached: u32,
	/// How many disputes by the buyer there were.
	pub disputed: u32,
}

/// What the outcome hook has heard of two parties.
pub fn heard(buyer: &AccountId, seller: &AccountId) -> Heard {
	unhashed::get_or_default(&key(b"heard", (buyer, seller)))
}

fn hear(buyer: &AccountId, seller: &AccountId, change: impl Fn(&mut Heard)) {
	let mut all = heard(buyer, seller);
	change(&mut all);
	unhashed::put(&key(b"heard", (buyer, seller)), &all);
}

/// In place of an account's signature: a digest that nobody else here makes.
pub fn seal(who: &AccountId, message: &[u8]) -> AgentSignature {
	let digest = sp_io::hashing::blake2_256(&(who, message).encode());
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(&digest);
	let (key, signature) = (Key::Ed25519([1; 32]), KeySignature::Ed25519(signature));
	AgentSignature::Delegate { key, signature }
}

fn mock_neighbours() {
	MockRegistry::mock_ensure_active(|who| {
		let inactive = unhashed::get_or_default::<bool>(&key(b"inactive", who));
		let is_active = AGENTS.contains(who) && !inactive;
		is_active.then_some(()).ok_or(DispatchError::Other("inactive"))
	});
	MockRegistry::mock_operator_of(|who| {
		let own = if *who == AGENT { OPERATOR } else { who.clone() };
		let operator = unhashed::get(&key(b"operator", who)).unwrap_or(own);
		AGENTS.contains(who).then_some(operator)
	});
	MockRegistry::mock_verify(|who, scope, payload, signature| {
		assert_eq!(scope, Scope::Offer);
		(*signature == seal(who, payload)).then_some(()).ok_or(DispatchError::BadOrigin)
	});
	MockLedger::mock_free(free);
	MockLedger::mock_locked(|asset, reason| {
		assert_eq!(reason, LockReason::Agreement);
		locked(asset)
	});
	MockLedger::mock_lock(|who, asset, amount, reason| {
		assert_eq!(reason, LockReason::Agreement);
		shift(&free_key(who, asset), &locked_key(asset), amount)
	});
	MockLedger::mock_unlock(|who, asset, amount, reason| {
		assert_eq!(reason, LockReason::Agreement);
		shift(&locked_key(asset), &free_key(who, asset), amount)
	});
	MockLedger::mock_pay_locked(|to, asset, amount, reason| {
		assert_eq!(reason, LockReason::Agreement);
		shift(&locked_key(asset), &free_key(to, asset), amount)
	});
	MockSettlement::mock_current_schedule(|| unhashed::get_or_default(&key(b"schedule", ())));
	MockSettlement::mock_settle(settle);
	MockSpendGuard::mock_ensure_may_spend(|payer, payee, _, amount| {
		assert_ne!(payer, payee);
		assert!(amount > 0);
		if amount == GUARDED {
			Err(DispatchError::Other("guarded"))
		} else {
			Ok(())
		}
	});
	MockOutcome::mock_refunded(|buyer, seller, _, amount| {
		hear(buyer, seller, |heard| heard.refunded += amount);
	});
	MockOutcome::mock_breached(|buyer, seller| hear(buyer, seller, |heard| heard.breached += 1));
	MockOutcome::mock_disputed(|buyer, seller| hear(buyer, seller, |heard| heard.disputed += 1));
}

/// Block 1, with credits and native tokens given out.
pub fn new_test_ext() -> sp_io::TestExternalities {
	mock_neighbours();
	let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
	pallet_balances::GenesisConfig::<Test> {
		balances: [BUYER, SELLER, SELLER2, OPERATOR].map(|who| (who, NATIVE)).to_vec(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.unwrap();
	let mut ext: sp_io::TestExternalities = storage.into();
	ext.execute_with(|| {
		System::set_block_number(1);
		for who in [BUYER, SELLER, SELLER2, AGENT] {
			for asset in [USD, STOA] {
				set_free(&who, &asset, CREDITS);
			}
		}
	});
	ext
}

/// Run `test`, then check that the state is sound and no credit came or went.
pub fn build_and_execute(test: impl FnOnce()) {
	new_test_ext().execute_with(|| {
		let before = [USD, STOA].map(|asset| issued(&asset));
		test();
		Escrow::do_try_state().unwrap();
		assert_eq!([USD, STOA].map(|asset| issued(&asset)), before);
	});
}

/// Hash of all state but the events of this block.
pub fn root() -> Vec<u8> {
	frame_support::hypothetically!({
		System::reset_events();
		sp_io::storage::root(StateVersion::V1)
	})
}

pub fn signed(who: AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who)
}

pub fn run_to(block: BlockNumber) {
	System::set_block_number(block);
}

pub fn wait(blocks: BlockNumber) {
	run_to(System::block_number() + blocks);
}

/// The domain of the chain under test.
pub fn domain() -> Domain {
	Domain::agreements(System::block_hash(0))
}

/// A milestone without a lock, of 100 units with a penalty of 10.
pub fn milestone() -> Milestone {
	Milestone {
		amount: 100,
		deliver_within: 50,
		review: 20,
		rework: 30,
		changes: 1,
		penalty: 10,
		lock: None,
	}
}

/// The key and the lock of [`locked_milestone`].
pub const LOCK_KEY: [u8; 32] = [77; 32];

/// One that is released by revealing [`LOCK_KEY`].
pub fn locked_milestone() -> Milestone {
	let lock = Some(stoa_primitives::agreement::lock_of(&LOCK_KEY));
	Milestone { review: 0, changes: 0, lock, ..milestone() }
}

/// The first `n` arbiters for a fee of 7 and turns of 10 blocks, else a third to the seller.
pub fn panel(n: usize) -> Panel {
	let fallback = Permill::from_parts(333_333);
	if n == 0 {
		return Panel::none(fallback);
	}
	Panel { arbiters: ARBITERS[..n].to_vec().try_into().unwrap(), fee: 7, turn: 10, fallback }
}

/// The seller's first offer of two milestones to the buyer, with a bond of 30 and two arbiters.
pub fn offer() -> Offer {
	Offer {
		negotiation: [1; 32],
		buyer: BUYER,
		seller: SELLER,
		asset: USD,
		milestones: vec![milestone(), milestone()].try_into().unwrap(),
		terms: [4; 32],
		bond: 30,
		panel: panel(2),
		by: Side::Seller,
		round: 1,
		previous: None,
		opened: 1,
		first_ask: 250,
		valid_until: 1_000,
		nonce: 0,
	}
}

/// The signer's signature over an offer.
pub fn sign(offer: &Offer) -> AgentSignature {
	seal(offer.signer(), &offer.digest(&domain()))
}

/// Commit an offer by its recipient.
pub fn try_commit(offer: &Offer) -> DispatchResult {
	let origin = signed(offer.recipient().clone());
	Escrow::commit(origin, Box::new(offer.clone()), sign(offer), H256::repeat_byte(5))
}

/// The same, which must succeed; returns the id.
pub fn commit(offer: &Offer) -> AgreementId {
	try_commit(offer).unwrap();
	offer.digest(&domain())
}

/// Evidence with this digest.
pub fn evidence(digest: u8) -> Evidence {
	Evidence { digest: [digest; 32], uri: b"https://e.example/1".to_vec().try_into().unwrap() }
}

/// The pallet's events since the last call of this function.
pub fn events() -> Vec<Event<Test>> {
	let events = System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Escrow(event) => Some(event),
			_ => None,
		})
		.collect();
	System::reset_events();
	events
}
