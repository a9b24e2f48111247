//! The chain, as a tower needs it.

use crate::channel::ChannelState;
use futures::future::BoxFuture;
use stoa_primitives::{
	channel::{ChannelId, Item},
	BlockNumber, H256,
};

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

	/// Sends one best-effort batch of claims, in ascending order of (channel, lane), at most
	/// [`MAX_BATCH`](stoa_primitives::channel::MAX_BATCH) of them. It must not be valid for long: what
	/// counts is what the chain's state shows afterwards.
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>>;
}
