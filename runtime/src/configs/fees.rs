//! Transaction fees: how much, from which purse, to whom.
//!
//! A fee is paid natively, or in any asset from the signer's **credits**, so that an agent that owns
//! nothing but credits can act. Both ways four fifths go to the treasury and the rest to the author
//! of the block.

use crate::*;
use frame_support::{
	dispatch::DispatchInfo,
	parameter_types,
	traits::{
		fungible::{Balanced, Credit},
		fungibles::{self, Balanced as _},
		tokens::ConversionToAssetBalance,
		Imbalance, OnUnbalanced,
	},
	weights::{ConstantMultiplier, Weight},
	PalletId,
};
use pallet_asset_tx_payment::{FungiblesAdapter, HandleCredit};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{
	generic::Era,
	traits::{AccountIdConversion, Bounded, Get, TransactionExtension},
	transaction_validity::{InvalidTransaction, TransactionValidityError},
	FixedPointNumber, Perquintill,
};
use stoa_primitives::traits::FeeCover;

/// Keeps the chain's share of fees.
pub struct TreasuryAccount;
impl Get<AccountId> for TreasuryAccount {
	fn get() -> AccountId {
		PalletId(*b"stoa/try").into_account_truncating()
	}
}

/// A tenth of a STOA for one second of execution. With 1 STOA at $1, as the development rate has it, a
/// transaction of one millisecond costs $0.0001, and the three quarters of a second of every two that
/// ordinary transactions can fill, sold out at multiplier 1, earn the chain $3,240 a day.
pub struct WeightToFee;
impl sp_weights::WeightToFee for WeightToFee {
	type Balance = Balance;

	fn weight_to_fee(weight: &Weight) -> Balance {
		// One picosecond is a tenth of the smallest unit: 10¹² of both make the whole.
		Balance::from(weight.ref_time()) / 10
	}
}

parameter_types! {
	/// 0.1 µSTOA a byte: a transfer's 150 bytes cost about a fifth of what its execution does.
	pub const TransactionByteFee: Balance = units::MICRO / 10;
	/// Blocks a quarter full leave the price as it is.
	pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
	/// How fast the price follows: constantly full blocks raise it by 25 · 10⁻⁶ · (1 − 1/4) each, so
	/// by a factor of e^0.81 = 2.2 in the 43,200 blocks of a day; the pace of chains with three times
	/// the block time and three times the variable.
	pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(25, 1_000_000);
	/// An idle chain is ten times cheaper than one at its target, and no cheaper: filling it stays a
	/// cost.
	pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10u128);
	/// No upper bound.
	pub MaximumMultiplier: Multiplier = Bounded::max_value();
	/// Operational calls outbid ordinary ones.
	pub const OperationalFeeMultiplier: u8 = 5;
}

/// Four fifths to the treasury, the rest to the block's author.
fn treasury_share(amount: Balance) -> Balance {
	// A fifth is less than the whole: nothing saturates.
	amount.saturating_sub(amount / 5)
}

/// Hands out native fees.
pub struct DealWithFees;
impl OnUnbalanced<Credit<AccountId, Balances>> for DealWithFees {
	fn on_nonzero_unbalanced(fee: Credit<AccountId, Balances>) {
		let share = treasury_share(fee.peek());
		let (treasury, author) = fee.split(share);
		let author = match Authorship::author() {
			Some(who) => Balances::resolve(&who, author).err(),
			None => Some(author),
		};
		// Without an author, or with one that cannot hold so little, all goes to the treasury.
		let treasury = match author {
			Some(author) => treasury.merge(author),
			None => treasury,
		};
		// Below the existential deposit it is burned.
		drop(Balances::resolve(&TreasuryAccount::get(), treasury));
	}
}

impl pallet_transaction_payment::Config for Runtime {
	type FeeMultiplierUpdate = TargetedFeeAdjustment<
		Self,
		TargetBlockFullness,
		AdjustmentVariable,
		MinimumMultiplier,
		MaximumMultiplier,
	>;
	type LengthToFee = ConstantMultiplier<Balance, TransactionByteFee>;
	type OnChargeTransaction = FungibleAdapter<Balances, DealWithFees>;
	type OperationalFeeMultiplier = OperationalFeeMultiplier;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
	type WeightToFee = WeightToFee;
}

/// What a native amount costs in another asset. The native token is worth itself; others need a rate
/// in `pallet-asset-rate`.
pub struct FeeRates;
impl ConversionToAssetBalance<Balance, AssetId, Balance> for FeeRates {
	type Error = TransactionValidityError;

	fn to_asset_balance(native: Balance, asset: AssetId) -> Result<Balance, Self::Error> {
		match asset {
			AssetId::Native => Ok(native),
			AssetId::WithId(id) => AssetRate::to_asset_balance(native, id)
				.map_err(|_| InvalidTransaction::Payment.into()),
		}
	}
}

/// What a transaction is made of but for the arguments of its call, in bytes: signer, signature and
/// extensions.
const ENVELOPE: u32 = 150;

/// What the extensions of a transaction weigh whose fee is paid from credits, the dearer of the two ways.
fn extension_weight() -> Weight {
	let extension: TxExtension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(Default::default()),
		frame_system::CheckWeight::new(),
		pallet_asset_tx_payment::ChargeAssetTxPayment::from(0, Some(AssetId::Native)),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	);
	extension.weight(&frame_system::Call::remark { remark: Default::default() }.into())
}

/// The platform's share of a settlement covers its fee when it is more than the fee would be in the
/// same asset.
pub struct PlatformShare;
impl FeeCover for PlatformShare {
	fn covers(asset: &AssetId, earned: Balance, weight: Weight, length: u32) -> bool {
		let info = DispatchInfo {
			call_weight: weight,
			extension_weight: extension_weight(),
			..Default::default()
		};
		let fee = TransactionPayment::compute_fee(length.saturating_add(ENVELOPE), &info, 0);
		// More, not as much: the fee is rounded down to whole units of the asset.
		FeeRates::to_asset_balance(fee, asset.clone()).is_ok_and(|fee| earned > fee)
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_worst_case(asset: &AssetId) {
		if let AssetId::WithId(id) = asset {
			let rate = sp_runtime::FixedU128::from_rational(1, 3);
			pallet_asset_rate::ConversionRateToNative::<Runtime>::insert(id, rate);
		}
	}
}

/// Hands out fees that were paid from credits.
pub struct DealWithCreditFees;
impl HandleCredit<AccountId, Credits> for DealWithCreditFees {
	fn handle_credit(fee: fungibles::Credit<AccountId, Credits>) {
		let share = treasury_share(fee.peek());
		let (treasury, author) = fee.split(share);
		let treasury = match Authorship::author() {
			Some(who) => match Credits::resolve(&who, author) {
				Ok(()) => treasury,
				Err(author) => merged(treasury, author),
			},
			None => merged(treasury, author),
		};
		// Only a row above 2¹²⁸ refuses; what it refuses stays in custody and is owed to nobody.
		let _ = Credits::resolve(&TreasuryAccount::get(), treasury);
	}
}

/// Both are of one asset, being parts of one fee.
fn merged(
	mut fee: fungibles::Credit<AccountId, Credits>,
	rest: fungibles::Credit<AccountId, Credits>,
) -> fungibles::Credit<AccountId, Credits> {
	let _ = fee.subsume(rest);
	fee
}

impl pallet_asset_tx_payment::Config for Runtime {
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = crate::benchmarks::FeeHelper;
	// Rows of the market's ledger, not the assets themselves: money stays in custody.
	type Fungibles = Credits;
	type OnChargeAssetTransaction = FungiblesAdapter<FeeRates, DealWithCreditFees>;
	type RuntimeEvent = RuntimeEvent;
	type WeightInfo = weights::pallet_asset_tx_payment::WeightInfo<Runtime>;
}

impl pallet_asset_rate::Config for Runtime {
	type AssetKind = u32;
	#[cfg(feature = "runtime-benchmarks")]
	type BenchmarkHelper = crate::benchmarks::RateHelper;
	type CreateOrigin = frame_system::EnsureRoot<AccountId>;
	type Currency = Balances;
	type RemoveOrigin = frame_system::EnsureRoot<AccountId>;
	type RuntimeEvent = RuntimeEvent;
	type UpdateOrigin = frame_system::EnsureRoot<AccountId>;
	type WeightInfo = pallet_asset_rate::weights::SubstrateWeight<Runtime>;
}

impl genesis_rates::Config for Runtime {}
