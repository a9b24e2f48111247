//! What a block may hold, and what storage costs.

use crate::*;
use frame_support::{
	derive_impl,
	dispatch::DispatchClass,
	parameter_types,
	storage::{storage_prefix, transactional::with_transaction_unchecked, unhashed},
	traits::{ConstU32, Get},
	weights::{
		constants::{ParityDbWeight, WEIGHT_REF_TIME_PER_MILLIS, WEIGHT_REF_TIME_PER_SECOND},
		Weight,
	},
};
use frame_system::limits::{BlockLength, BlockWeights};
use sp_runtime::{
	traits::AccountIdLookup, type_with_default::TypeWithDefault, Perbill, TransactionOutcome,
};

/// Share of a block that ordinary transactions may fill. The rest is for operational calls and
/// inherents, so that a full market cannot keep out a fix.
const NORMAL_DISPATCH_RATIO: Perbill = Perbill::from_percent(75);

/// One second of execution in a slot of two. The node fills a block during the first half of the slot,
/// on hardware as fast as that of the benchmarks all of it; the other half is for those who import it
/// before the next slot starts. Three quarters of that second are for ordinary transactions, so that
/// an importer at three quarters of that speed still keeps up with a full market. Proof size has no
/// meaning on a solo chain and is not limited.
const MAXIMUM_BLOCK_WEIGHT: Weight = Weight::from_parts(WEIGHT_REF_TIME_PER_SECOND, u64::MAX);

/// Bytes of a block. The largest useful call, a batch of 256 claims, is below 64 kB, so 5 MiB are
/// never the limit before weight is; it is the SDK's limit for what a network can gossip in time.
const MAXIMUM_BLOCK_LENGTH: u32 = 5 * 1024 * 1024;

parameter_types! {
	/// Blocks whose hashes are kept; bounds the life of a mortal transaction to 80 minutes.
	pub const BlockHashCount: BlockNumber = 2_400;
	/// The version of the runtime.
	pub const Version: RuntimeVersion = VERSION;
	/// See [`MAXIMUM_BLOCK_LENGTH`].
	pub RuntimeBlockLength: BlockLength = BlockLength::builder()
		.max_length(MAXIMUM_BLOCK_LENGTH)
		.modify_max_length_for_class(DispatchClass::Normal, |length| {
			*length = NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_LENGTH
		})
		.build();
	/// See [`MAXIMUM_BLOCK_WEIGHT`]. An empty block is charged what `on_initialize` of all pallets
	/// costs, 2 % at most: BABE and GRANDPA bookkeeping, no market job.
	pub RuntimeBlockWeights: BlockWeights = BlockWeights::builder()
		.base_block(Weight::from_parts(WEIGHT_REF_TIME_PER_MILLIS, 0))
		.for_class(DispatchClass::all(), |weights| {
			weights.base_extrinsic = frame_support::weights::constants::ExtrinsicBaseWeight::get();
		})
		.for_class(DispatchClass::Normal, |weights| {
			weights.max_total = Some(NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
		})
		.for_class(DispatchClass::Operational, |weights| {
			weights.max_total = Some(MAXIMUM_BLOCK_WEIGHT);
			weights.reserved =
				Some(MAXIMUM_BLOCK_WEIGHT - NORMAL_DISPATCH_RATIO * MAXIMUM_BLOCK_WEIGHT);
		})
		.avg_block_initialization(Perbill::from_percent(2))
		.build_or_panic();
	/// Addresses start with 5, as on every chain without a registered prefix.
	pub const SS58Prefix: u16 = 42;
}

/// How many transactions an account is expected to send per block of its life, at most.
const NONCES_PER_BLOCK: Nonce = 16;

/// A new account counts its transactions from 16 times the number of the block in which it appears. An
/// account whose last token or credit is spent is removed, and may come back: counted from 0, it could
/// be made to repeat each transaction that it signed before and that has not expired. Now none fits,
/// unless the account sent more than 16 transactions for each block of its first life. A `u32`, which
/// every client knows, lasts for 17 years of blocks of two seconds.
#[derive(Debug)]
pub struct FirstNonce;
impl Get<Nonce> for FirstNonce {
	fn get() -> Nonce {
		System::block_number().saturating_mul(NONCES_PER_BLOCK)
	}
}

/// Read `metadata` as it is in the genesis block. It holds what absent storage values read as, and that
/// of an account would differ from block to block.
pub(crate) fn at_genesis<R>(metadata: impl FnOnce() -> R) -> R {
	with_transaction_unchecked(|| {
		unhashed::kill(&storage_prefix(b"System", b"Number"));
		TransactionOutcome::Rollback(metadata())
	})
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
	type AccountData = pallet_balances::AccountData<Balance>;
	type AccountId = AccountId;
	type Block = Block;
	type BlockHashCount = BlockHashCount;
	type BlockLength = RuntimeBlockLength;
	type BlockWeights = RuntimeBlockWeights;
	// The node stores state in ParityDB and is built without RocksDB: 8 µs a read, 50 µs a write, the
	// SDK's figures for that database.
	type DbWeight = ParityDbWeight;
	type ExtensionsWeightInfo = frame_system::SubstrateExtensionsWeight<Runtime>;
	type Hash = Hash;
	type Lookup = AccountIdLookup<AccountId, ()>;
	type MaxConsumers = ConstU32<16>;
	type Nonce = TypeWithDefault<Nonce, FirstNonce>;
	type SS58Prefix = SS58Prefix;
	type SystemWeightInfo = frame_system::weights::SubstrateWeight<Runtime>;
	type Version = Version;
}

parameter_types! {
	/// Half a slot, as BABE asks.
	pub const MinimumPeriod: u64 = SLOT_MILLIS / 2;
}

impl pallet_timestamp::Config for Runtime {
	type MinimumPeriod = MinimumPeriod;
	type Moment = u64;
	type OnTimestampSet = Babe;
	type WeightInfo = pallet_timestamp::weights::SubstrateWeight<Runtime>;
}
