//! The chain over RPC, with the client's connection.

use crate::{
	chain::{Block, ChainFailure, TowerChain},
	channel::ChannelState,
};
use futures::{future::BoxFuture, FutureExt};
use std::{sync::Arc, time::Duration};
use stoa_client::chain::{
	At, BlockRef, ChainError, ChannelInfo, PayeeChain, Phase, SubmitOptions, Wait,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	H256,
};

/// How a tower's transactions are sent: alive for 16 blocks, so that one that is lost does not come back
/// when the tower has sent others, and watched into a block only, since the state tells the rest.
pub fn submit_options() -> SubmitOptions {
	SubmitOptions {
		wait: Wait::InBlock,
		mortality: 16,
		timeout: Duration::from_secs(40),
		..SubmitOptions::default()
	}
}

/// A tower's view of a node. What it settles is submitted with the key behind the [`PayeeChain`], which
/// needs [`submit_options`].
pub struct RpcChain(Arc<dyn PayeeChain>);

impl RpcChain {
	/// A tower's view of `chain`.
	pub fn new(chain: Arc<dyn PayeeChain>) -> Self {
		Self(chain)
	}

	async fn block(&self, at: At) -> Result<Block, ChainFailure> {
		let BlockRef { number, hash } = self.0.block(at).await?;
		Ok(Block { number, hash })
	}
}

impl From<ChainError> for ChainFailure {
	fn from(error: ChainError) -> Self {
		Self(error.to_string())
	}
}

impl From<ChannelInfo> for ChannelState {
	fn from(info: ChannelInfo) -> Self {
		let mut lane_settled = info.lane_settled;
		lane_settled.resize(info.lanes.into(), 0);
		Self {
			payee: info.payee,
			key: info.key,
			retired: info.changes.key,
			deposit: info.deposit,
			settled: info.settled,
			lane_settled,
			revoked: info.changes.revoked,
			cap: info.cap,
			grace: info.grace,
			ends: match info.phase {
				Phase::Open => None,
				Phase::Closing { ends, .. } => Some(ends),
			},
		}
	}
}

impl TowerChain for RpcChain {
	fn genesis(&self) -> H256 {
		self.0.genesis()
	}

	fn best(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		self.block(At::Best).boxed()
	}

	fn finalized(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		self.block(At::Finalized).boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		at: Block,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>> {
		async move { Ok(self.0.channel(id, At::Hash(at.hash)).await?.map(ChannelState::from)) }
			.boxed()
	}

	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		async move {
			let outcome = self.0.settle(items).await?;
			for skip in &outcome.skipped {
				tracing::warn!(
					channel = hex::encode(skip.channel),
					lane = skip.lane,
					reason = ?skip.reason,
					"a claim was skipped"
				);
			}
			Ok(())
		}
		.boxed()
	}
}
