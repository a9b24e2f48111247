//! The chain over RPC, with the client's connection.

use crate::{
	chain::{dearest_claim, free_from, in_asset, Block, ChainFailure, TowerChain},
	channel::ChannelState,
};
use futures::{future::BoxFuture, FutureExt};
use std::time::Duration;
use stoa_client::{
	chain::{calls, At, BlockRef, Chain, ChainError, ChannelInfo, Phase, SubmitOptions},
	keys::AccountKey,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	money::Schedule,
	AssetId, Balance, H256,
};

/// How a tower's transactions are sent: alive for 16 blocks, so that one that is lost does not come back
/// when the tower has sent others.
pub fn submit_options() -> SubmitOptions {
	SubmitOptions { mortality: 16, timeout: Duration::from_secs(10), ..SubmitOptions::default() }
}

/// A tower's view of a node. What it settles is signed with a key of its own and handed to the node, which
/// need not have it in a block before the next look: the state tells what became of it.
pub struct RpcChain {
	chain: Chain,
	key: AccountKey,
	options: SubmitOptions,
}

impl RpcChain {
	/// A tower's view of `chain`. `options` are [`submit_options`] but for the asset that pays fees.
	pub fn new(chain: Chain, key: AccountKey, options: SubmitOptions) -> Self {
		Self { chain, key, options }
	}

	async fn block(&self, at: At) -> Result<Block, ChainFailure> {
		let BlockRef { number, hash } = self.chain.block(at).await?;
		Ok(Block { number, hash })
	}

	/// What the settlement of one claim costs now, in units of `asset`.
	async fn fee(&self, asset: &AssetId) -> Result<Option<Balance>, ChainError> {
		let call = calls::settle_batch(vec![dearest_claim()]);
		let native = self.chain.quote_fee(&call, &self.key, &self.options).await?;
		let AssetId::WithId(id) = asset else { return Ok(Some(native)) };
		let rate = self.chain.asset_rate(*id, At::Best).await?;
		Ok(rate.and_then(|rate| in_asset(native, rate)))
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
			asset: info.asset,
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
		self.chain.genesis()
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
		async move { Ok(self.chain.channel(&id, At::Hash(at.hash)).await?.map(ChannelState::from)) }
			.boxed()
	}

	fn worth(&self, asset: AssetId) -> BoxFuture<'_, Result<Option<Balance>, ChainFailure>> {
		async move {
			let fee = self.fee(&asset).await?;
			Ok(fee.map(|fee| free_from(fee, Schedule::GENESIS.platform())))
		}
		.boxed()
	}

	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		async move {
			let call = calls::settle_batch(items);
			let extrinsic = self.chain.send(&call, &self.key, &self.options).await?;
			tracing::debug!(extrinsic = hex::encode(extrinsic), "a batch was sent");
			Ok(())
		}
		.boxed()
	}
}
