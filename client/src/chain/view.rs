//! The part of the chain that the channel machines' drivers need.

use super::{At, BlockRef, ChainError, ChannelInfo, Submitted};
use futures::future::BoxFuture;
use stoa_primitives::{
	channel::{ChannelId, Item, SkipReason},
	AccountId, Balance, BlockNumber, H256,
};

/// Reading channels.
pub trait ChainView: Send + Sync + 'static {
	/// The hash of block 0, which names the chain.
	fn genesis(&self) -> H256;

	/// Whether the node has the chain's newest blocks, as far as it knows: one that has just started and
	/// is catching up shows channels as they were long ago.
	fn caught_up(&self) -> BoxFuture<'_, Result<bool, ChainError>> {
		Box::pin(std::future::ready(Ok(true)))
	}

	/// Resolves `at` to a block.
	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>>;

	/// The block of this number on the best chain, if there is one yet.
	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>>;

	/// A channel that has not ended at that block.
	fn channel(
		&self,
		id: ChannelId,
		at: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>>;
}

/// Reading channels, and acting as their payee.
pub trait PayeeChain: ChainView {
	/// Submits one best-effort batch of claims, in ascending order of (channel, lane), at most
	/// [`MAX_BATCH`](stoa_primitives::channel::MAX_BATCH) of them.
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>>;

	/// Claims a last item, if there is one, and ends the channel at once.
	fn close(
		&self,
		channel: ChannelId,
		last: Option<Item>,
	) -> BoxFuture<'_, Result<Submitted, ChainError>>;
}

/// Reading channels, and acting as their payer.
pub trait PayerChain: ChainView {
	/// Adds to a channel's deposit. Returns the channel as it is then, in finalized state: payees believe
	/// no other.
	fn top_up(
		&self,
		channel: ChannelId,
		amount: Balance,
	) -> BoxFuture<'_, Result<ChannelInfo, ChainError>>;

	/// Adds to the deposits of several channels in one transaction: all or none. Returns the channels as
	/// they are then, in finalized state; `None` when this chain cannot do so.
	fn top_up_many(
		&self,
		top_ups: Vec<(ChannelId, Balance)>,
	) -> Option<BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>>> {
		let _ = top_ups;
		None
	}

	/// All channels that `payer` has opened and that have not ended, in finalized state. May walk all
	/// channels that there are: for payers that have lost their records.
	fn channels_of(&self, payer: AccountId) -> BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>>;
}

/// An item that was paid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
	/// Channel id.
	pub channel: ChannelId,
	/// Lane within the channel.
	pub lane: u32,
	/// Paid now, before shares were taken.
	pub amount: Balance,
	/// Paid over the channel's life, on all lanes together.
	pub settled: Balance,
}

/// An item that was not paid.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Skip {
	/// Place in the batch, from 0.
	pub index: u32,
	/// Channel id.
	pub channel: ChannelId,
	/// Lane within the channel.
	pub lane: u32,
	/// Why.
	pub reason: SkipReason,
}

/// What became of a batch.
#[derive(Clone, Debug)]
pub struct SettleOutcome {
	/// The transaction.
	pub submitted: Submitted,
	/// The items that were paid.
	pub claimed: Vec<Claim>,
	/// The items that were not.
	pub skipped: Vec<Skip>,
}
