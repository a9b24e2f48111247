//! A runtime with real native balances for storage deposits and, behind the closures of the
//! neighbours' mocks, a small ledger and settlement that keep their books in storage: what a call
//! rolls back is rolled back there too.

use crate::{self as pallet_channels, pallet::*};
use codec::Encode;
use frame_support::{
	construct_runtime, derive_impl, parameter_types,
	storage::unhashed,
	traits::{fungible::HoldConsideration, ConstU128, ConstU32, LinearStoragePrice},
	weights::Weight,
};
use sp_core::{ecdsa, ed25519, sr25519, Pair};
use sp_runtime::{
	traits::IdentityLookup, BuildStorage, DispatchError, DispatchResult, StateVersion,
};
use stoa_primitives::{
	agent::Scope,
	channel::{Cap, ChannelId, Item, Proof, TickProof, MIN_GRACE},
	keys::{verify_account, AgentSignature, Key, KeySignature},
	mock::{MockFeeCover, MockLedger, MockOutcome, MockRegistry, MockSettlement, MockSpendGuard},
	money::{LockReason, Schedule},
	payload::{Domain, Payload, TickCommit, Voucher},
	referral::{MAX_SIDE_WORK, MAX_WORK},
	tick,
	traits::{Receipt, Settle},
	AccountId, AssetId, Balance, BlockNumber,
};

construct_runtime!(
	pub enum Test {
		System: frame_system = 0,
		Balances: pallet_balances = 1,
		Channels: pallet_channels = 2,
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
	pub const ChannelHold: RuntimeHoldReason = RuntimeHoldReason::Channels(HoldReason::Channel);
	pub const NonceHold: RuntimeHoldReason = RuntimeHoldReason::Channels(HoldReason::Nonce);
}

/// Storage deposit of a channel.
pub const CHANNEL_PRICE: Balance = 100;
/// Storage deposit of a nonce row.
pub const NONCE_PRICE: Balance = 40;

impl Config for Test {
	type Registry = MockRegistry;
	type Ledger = MockLedger;
	type Settlement = MockSettlement;
	type SpendGuard = MockSpendGuard;
	type Outcome = MockOutcome;
	type FeeCover = MockFeeCover;
	type ChannelConsideration = HoldConsideration<
		AccountId,
		Balances,
		ChannelHold,
		LinearStoragePrice<ConstU128<CHANNEL_PRICE>, ConstU128<0>, Balance>,
	>;
	type NonceConsideration = HoldConsideration<
		AccountId,
		Balances,
		NonceHold,
		LinearStoragePrice<ConstU128<NONCE_PRICE>, ConstU128<0>, Balance>,
	>;
	type BlockNumberProvider = System;
	type MaxSponsoredChannels = ConstU32<3>;
	type MaxSponsoredPairs = ConstU32<2>;
	type WeightInfo = ();
}

const fn account(n: u8) -> AccountId {
	AccountId::new([n; 32])
}

/// No agent; owns native tokens and credits.
pub const PAYER: AccountId = account(1);
/// The same.
pub const PAYER2: AccountId = account(2);
/// An active agent of its own.
pub const PAYEE: AccountId = account(3);
/// The same.
pub const PAYEE2: AccountId = account(4);
/// An active agent of [`OPERATOR`] that owns nothing but credits.
pub const AGENT: AccountId = account(5);
/// Owns native tokens.
pub const OPERATOR: AccountId = account(6);
/// No agent; has no account and no credits.
pub const STRANGER: AccountId = account(7);
/// Where the platform's share goes.
pub const PLATFORM: AccountId = account(8);
/// Where the referral share goes.
pub const REFERRERS: AccountId = account(9);

/// All that may hold credits, but for whom [`lend`] gives them.
pub const HOLDERS: [AccountId; 9] =
	[PAYER, PAYER2, PAYEE, PAYEE2, AGENT, OPERATOR, STRANGER, PLATFORM, REFERRERS];

/// The asset of most tests.
pub const USD: AssetId = AssetId::WithId(1);
/// Another.
pub const STOA: AssetId = AssetId::Native;

/// What every payer has at first, of each asset.
pub const CREDITS: Balance = 10_000;
/// What every account with native tokens has at first.
pub const NATIVE: Balance = 5_000;
/// The schedule in force.
pub const SCHEDULE: u32 = 7;
/// The mock settlement says of this gross amount that it rewarded everybody there can be.
pub const REWARDED_GROSS: Balance = 17;
/// Of this one, that it rewarded everybody of one side.
pub const ONE_SIDED_GROSS: Balance = 19;
/// The mock settlement refuses this gross amount.
pub const REFUSED_GROSS: Balance = 13;
/// With this error, whose encoding is not that of any other here.
pub const REFUSED: DispatchError = DispatchError::Unavailable;
/// The mock guard refuses spends and withdrawals of this amount.
pub const GUARDED: Balance = 666;

fn flag(name: &[u8], who: &AccountId) -> Vec<u8> {
	(b"mock", name, who).encode()
}

/// Stop an agent, or let it run again.
pub fn set_inactive(who: &AccountId, inactive: bool) {
	unhashed::put(&flag(b"inactive", who), &inactive);
}

fn free_key(who: &AccountId, asset: &AssetId) -> Vec<u8> {
	(b"mock free", who, asset).encode()
}

fn locked_key(asset: &AssetId) -> Vec<u8> {
	(b"mock locked", asset).encode()
}

/// Free credits of `who`.
pub fn free(who: &AccountId, asset: &AssetId) -> Balance {
	unhashed::get_or_default(&free_key(who, asset))
}

/// All that channels have locked.
pub fn locked(asset: &AssetId) -> Balance {
	unhashed::get_or_default(&locked_key(asset))
}

/// All credits that there are.
pub fn issued(asset: &AssetId) -> Balance {
	let lent: Vec<AccountId> = unhashed::get_or_default(LENT);
	let holders = HOLDERS.iter().chain(&lent);
	let held = holders.map(|who| free(who, asset)).sum::<Balance>() + locked(asset);
	held - lent.len() as Balance * CREDITS
}

const LENT: &[u8] = b"mock lent";

/// Give credits of each asset to somebody else. They do not count as issued.
pub fn lend(who: &AccountId) {
	let mut lent: Vec<AccountId> = unhashed::get_or_default(LENT);
	lent.push(who.clone());
	unhashed::put(LENT, &lent);
	for asset in [USD, STOA] {
		unhashed::put(&free_key(who, &asset), &CREDITS);
	}
}

/// Give somebody credits of any other asset. They do not count as issued.
pub fn give(who: &AccountId, asset: &AssetId, amount: Balance) {
	unhashed::put(&free_key(who, asset), &amount);
}

fn shift(from: &[u8], to: &[u8], amount: Balance) -> DispatchResult {
	let left = unhashed::get_or_default::<Balance>(from)
		.checked_sub(amount)
		.ok_or(DispatchError::Other("credits"))?;
	unhashed::put(from, &left);
	unhashed::put(to, &(unhashed::get_or_default::<Balance>(to) + amount));
	Ok(())
}

/// Move credits from the purse of channels to `who`, as the ledger does.
pub fn give_back(who: &AccountId, asset: &AssetId, amount: Balance) -> DispatchResult {
	shift(&locked_key(asset), &free_key(who, asset), amount)
}

fn outcome_key(payer: &AccountId, payee: &AccountId, asset: &AssetId) -> Vec<u8> {
	(b"mock refunded", payer, payee, asset).encode()
}

/// What the outcome hook has heard of refunds.
pub fn refunded(payer: &AccountId, payee: &AccountId, asset: &AssetId) -> Balance {
	unhashed::get_or_default(&outcome_key(payer, payee, asset))
}

fn settle(settle: Settle) -> Result<Receipt, DispatchError> {
	assert_eq!(settle.source.lock_reason(), LockReason::Channel);
	assert_eq!(settle.schedule, SCHEDULE);
	let shares = Schedule::GENESIS.split(settle.settled_before, settle.gross).unwrap();
	let from = locked_key(&settle.asset);
	for (to, amount) in [
		(&settle.provider, shares.provider),
		(&PLATFORM, shares.platform),
		(&REFERRERS, shares.referral),
	] {
		shift(&from, &free_key(to, &settle.asset), amount)?;
	}
	// Refused after it has paid: the payments must be rolled back.
	if settle.gross == REFUSED_GROSS {
		return Err(REFUSED);
	}
	let (referral_work, side_work) = match settle.gross {
		REWARDED_GROSS => (MAX_WORK, MAX_SIDE_WORK),
		ONE_SIDED_GROSS => (MAX_SIDE_WORK, MAX_SIDE_WORK),
		_ => (0, 0),
	};
	Ok(Receipt { shares, referral_work, side_work })
}

/// What the mock says a transaction costs, in units of USD.
pub fn fee(weight: Weight, length: u32) -> Balance {
	Balance::from(weight.ref_time() / 10_000) + Balance::from(length)
}

fn guard(amount: Balance) -> DispatchResult {
	if amount == GUARDED {
		Err(DispatchError::Other("guarded"))
	} else {
		Ok(())
	}
}

fn mock_neighbours() {
	MockRegistry::mock_ensure_active(|who| {
		let inactive = unhashed::get_or_default::<bool>(&flag(b"inactive", who));
		if [PAYEE, PAYEE2, AGENT].contains(who) && !inactive {
			Ok(())
		} else {
			Err(DispatchError::Other("inactive"))
		}
	});
	MockRegistry::mock_operator_of(|who| match who {
		who if *who == AGENT => Some(OPERATOR),
		who if [PAYEE, PAYEE2].contains(who) => Some(who.clone()),
		_ => None,
	});
	MockLedger::mock_free(free);
	MockLedger::mock_locked(|asset, reason| {
		assert_eq!(reason, LockReason::Channel);
		locked(asset)
	});
	MockLedger::mock_lock(|who, asset, amount, reason| {
		assert_eq!(reason, LockReason::Channel);
		shift(&free_key(who, asset), &locked_key(asset), amount)
	});
	MockLedger::mock_unlock(|who, asset, amount, reason| {
		assert_eq!(reason, LockReason::Channel);
		assert!(amount > 0);
		give_back(who, asset, amount)
	});
	MockSettlement::mock_current_schedule(|| SCHEDULE);
	MockSettlement::mock_settle(settle);
	MockSpendGuard::mock_ensure_may_spend(|_, _, _, amount| guard(amount));
	MockSpendGuard::mock_ensure_may_withdraw(|who, to, _, amount| {
		assert_ne!(who, to);
		guard(amount)
	});
	MockRegistry::mock_verify(|who, scope, payload, signature| {
		assert_eq!(scope, Scope::Voucher);
		match signature {
			AgentSignature::Account(signature) if verify_account(who, payload, signature) => Ok(()),
			_ => Err(DispatchError::BadOrigin),
		}
	});
	MockFeeCover::mock_covers(|asset, earned, weight, length| {
		*asset == USD && earned >= fee(weight, length)
	});
	MockOutcome::mock_refunded(|payer, payee, asset, amount| {
		let key = outcome_key(payer, payee, asset);
		unhashed::put(&key, &(unhashed::get_or_default::<Balance>(&key) + amount));
	});
}

/// Block 1, with credits and native tokens given out.
pub fn new_test_ext() -> sp_io::TestExternalities {
	mock_neighbours();
	let mut storage = frame_system::GenesisConfig::<Test>::default().build_storage().unwrap();
	pallet_balances::GenesisConfig::<Test> {
		balances: [PAYER, PAYER2, PAYEE, PAYEE2, OPERATOR].map(|who| (who, NATIVE)).to_vec(),
		..Default::default()
	}
	.assimilate_storage(&mut storage)
	.unwrap();
	let mut ext: sp_io::TestExternalities = storage.into();
	ext.execute_with(|| {
		System::set_block_number(1);
		for who in [PAYER, PAYER2, AGENT, OPERATOR] {
			for asset in [USD, STOA] {
				unhashed::put(&free_key(&who, &asset), &CREDITS);
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
		Channels::do_try_state().unwrap();
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

/// The voucher key of most tests.
pub fn pair() -> ed25519::Pair {
	ed25519::Pair::from_seed(&[42; 32])
}

pub fn key() -> Key {
	Key::Ed25519(pair().public().0)
}

/// A voucher key of any scheme.
pub enum Signer {
	Ed25519(ed25519::Pair),
	Sr25519(Box<sr25519::Pair>),
	Ecdsa(ecdsa::Pair),
}

impl Signer {
	/// One of each scheme, of which the first is the usual key.
	pub fn all() -> [Self; 3] {
		let seed = [43; 32];
		[
			Self::Ed25519(pair()),
			Self::Sr25519(Box::new(sr25519::Pair::from_seed(&seed))),
			Self::Ecdsa(ecdsa::Pair::from_seed(&seed)),
		]
	}

	pub fn key(&self) -> Key {
		match self {
			Self::Ed25519(pair) => Key::Ed25519(pair.public().0),
			Self::Sr25519(pair) => Key::Sr25519(pair.public().0),
			Self::Ecdsa(pair) => Key::Ecdsa(pair.public().0),
		}
	}

	pub fn sign(&self, message: &[u8]) -> KeySignature {
		match self {
			Self::Ed25519(pair) => KeySignature::Ed25519(pair.sign(message).0),
			Self::Sr25519(pair) => KeySignature::Sr25519(pair.sign(message).0),
			Self::Ecdsa(pair) => KeySignature::Ecdsa(pair.sign(message).0),
		}
	}
}

/// The domain of the chain under test.
pub fn domain() -> Domain {
	Domain::channels(System::block_hash(0))
}

/// Open a channel in USD with the usual key and the shortest grace period; returns its id.
pub fn open(payer: &AccountId, payee: &AccountId, deposit: Balance) -> ChannelId {
	open_with(payer, payee, deposit, 1, None)
}

/// The same with so many lanes and this cap.
pub fn open_with(
	payer: &AccountId,
	payee: &AccountId,
	deposit: Balance,
	lanes: u16,
	cap: Option<Cap>,
) -> ChannelId {
	let id = Channels::channel_id_of(payer.clone(), payee.clone(), USD);
	let (origin, payee) = (signed(payer.clone()), payee.clone());
	Channels::open(origin, payee, USD, deposit, key(), MIN_GRACE, lanes, cap).unwrap();
	id
}

/// A voucher without a time limit.
pub fn voucher(channel: ChannelId, cumulative: Balance) -> Voucher {
	Voucher { channel, lane: 0, cumulative, valid_until: 0 }
}

/// The item of a voucher, with any signature.
pub fn item_with(voucher: Voucher, signature: KeySignature) -> Item {
	Item {
		channel: voucher.channel,
		lane: voucher.lane,
		capture: None,
		proof: Proof::Voucher {
			cumulative: voucher.cumulative,
			valid_until: voucher.valid_until,
			signature,
		},
	}
}

/// The item of a voucher, signed with the usual key for this chain.
pub fn item_of(voucher: Voucher) -> Item {
	let signature = pair().sign(&voucher.to_bytes(&domain()));
	item_with(voucher, KeySignature::Ed25519(signature.0))
}

/// The item of a signed voucher over `cumulative`.
pub fn item(channel: ChannelId, cumulative: Balance) -> Item {
	item_of(voucher(channel, cumulative))
}

/// The seed of [`commit`]'s hash chain.
pub const SEED: tick::Tick = [5; 32];

/// A commitment to `count` ticks of one value on lane 0.
pub fn commit(channel: ChannelId, base: Balance, value: Balance, count: u32) -> TickCommit {
	let prefix = [6; 16];
	let root = tick::walk(&prefix, count, 0, SEED);
	TickCommit { channel, lane: 0, base, value, count, prefix, root, valid_until: 0 }
}

/// The item of the `index`-th tick of a commitment made with [`commit`], signed with the usual key.
pub fn tick_item(commit: TickCommit, index: u32) -> Item {
	let signature = KeySignature::Ed25519(pair().sign(&commit.to_bytes(&domain())).0);
	let tick = tick::walk(&commit.prefix, commit.count, index, SEED);
	Item {
		channel: commit.channel,
		lane: commit.lane,
		capture: None,
		proof: Proof::Ticks(TickProof::new(&commit, signature, index, tick)),
	}
}

/// Sorted as a batch must be.
pub fn sorted(mut items: Vec<Item>) -> Vec<Item> {
	items.sort_by_key(|item| (item.channel, item.lane));
	items
}

/// The pallet's events since the last call of this function.
pub fn events() -> Vec<Event<Test>> {
	let events = System::events()
		.into_iter()
		.filter_map(|record| match record.event {
			RuntimeEvent::Channels(event) => Some(event),
			_ => None,
		})
		.collect();
	System::reset_events();
	events
}
