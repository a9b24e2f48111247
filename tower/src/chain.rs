//! The chain, as a tower needs it.

use crate::channel::ChannelState;
use futures::future::BoxFuture;
use sp_runtime::Permill;
use stoa_primitives::{
	channel::{ChannelId, Item, Proof, TickProof},
	keys::KeySignature,
	tick::MAX_TICKS,
	AssetId, Balance, BlockNumber, H256,
};

/// Rates are counted in parts of this.
const RATE_ONE: Balance = 1_000_000_000_000_000_000;

/// The least claim of which the platform's share is worth more than a fee of `fee` units of the same asset,
/// when the platform gets `rate` of it.
///
/// It is paid in whole units, and what is rounded off adds up to less than three of them.
pub fn free_from(fee: Balance, rate: Permill) -> Balance {
	if rate.is_zero() {
		return Balance::MAX;
	}
	rate.saturating_reciprocal_mul_ceil(fee.saturating_add(3))
}

/// A claim of the dearest kind, to ask what its settlement costs: by the tick at the end of the longest walk.
pub fn dearest_claim() -> Item {
	let proof = Proof::Ticks(TickProof {
		base: 0,
		value: 1,
		count: MAX_TICKS,
		prefix: [0; 16],
		root: [0; 32],
		valid_until: 0,
		signature: KeySignature::Ecdsa([0; 65]),
		index: MAX_TICKS,
		tick: [0; 32],
	});
	Item { channel: [0; 32], lane: 0, capture: Some(1), proof }
}

/// What `native` units come to in an asset of which one unit buys `rate` native units, in parts of 10¹⁸, as
/// the chain counts rates. Rounded up; `None` when no number is as large.
pub fn in_asset(native: Balance, rate: Balance) -> Option<Balance> {
	// In two steps: of a large fee, the whole product with the scale would not fit.
	let whole = native.checked_div(rate)?.checked_mul(RATE_ONE)?;
	let rest = native.checked_rem(rate)?.checked_mul(RATE_ONE)?;
	let (part, more) = (rest.checked_div(rate)?, rest.checked_rem(rate)?);
	whole.checked_add(part)?.checked_add(Balance::from(more > 0))
}

/// Why the chain could not be asked, or a batch not be sent. Nothing is lost by it: the tower tries again.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ChainFailure(pub String);

/// A block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Block {
	/// Its number.
	pub number: BlockNumber,
	/// Its hash.
	pub hash: H256,
}

/// Reading channels, and settling them with the tower's own account.
pub trait TowerChain: Send + Sync + 'static {
	/// The hash of block 0, which names the chain.
	fn genesis(&self) -> H256;

	/// The best block: the newest, may be reverted.
	fn best(&self) -> BoxFuture<'_, Result<Block, ChainFailure>>;

	/// The last block that is final.
	fn finalized(&self) -> BoxFuture<'_, Result<Block, ChainFailure>>;

	/// A channel that has not ended at that block.
	fn channel(
		&self,
		id: ChannelId,
		at: Block,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>>;

	/// The least claim in units of `asset` whose settlement costs the tower nothing, since the platform's
	/// share of it is worth more than the fee. `None` when the chain cannot compare the two, so that
	/// settlements in this asset are never free.
	///
	/// The default is for chains without fees.
	fn worth(&self, asset: AssetId) -> BoxFuture<'_, Result<Option<Balance>, ChainFailure>> {
		let _ = asset;
		Box::pin(std::future::ready(Ok(Some(1))))
	}

	/// Sends one best-effort batch of claims in one asset, in ascending order of (channel, lane), at most
	/// [`MAX_BATCH`](stoa_primitives::channel::MAX_BATCH) of them. Returns when the node has taken it,
	/// not when it is in a block. It must not be valid for long: what counts is what the chain's state
	/// shows afterwards.
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>>;
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_primitives::money::Schedule;

	#[test]
	fn fees_should_be_converted_by_the_rate_and_rounded_up() {
		let rate = 1_000_000 * RATE_ONE;
		assert_eq!(in_asset(150_000_000, rate), Some(150));
		assert_eq!(in_asset(150_000_001, rate), Some(151));
		assert_eq!(in_asset(3, RATE_ONE / 2), Some(6));
		assert_eq!((in_asset(0, rate), in_asset(1, 0)), (Some(0), None));
	}

	#[test]
	fn the_platforms_share_of_what_is_worth_it_should_be_more_than_the_fee() {
		let schedule = Schedule::GENESIS;
		for fee in [0, 1, 7, 99, 382, 1_000_000_007] {
			let least = free_from(fee, schedule.platform());
			for before in [0, 1, 13, 99_999] {
				for more in [0, 1, 5, 1_000] {
					let shares = schedule.split(before, least + more).unwrap();
					assert!(shares.platform > fee, "{fee}: {shares:?} of {least}");
				}
			}
			assert!(least <= 10 * (fee + 4), "{least}");
		}
		assert_eq!(free_from(1, Permill::zero()), Balance::MAX);
	}
}
