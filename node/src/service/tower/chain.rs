//! The chain that the node itself has, as a tower sees it.

use super::{
	super::{FullClient, Hash, TransactionPool},
	transaction::{self, Base, LIFE},
};
use codec::{DecodeAll, Encode};
use frame_support::view_functions::{runtime_api::RuntimeViewFunction, ViewFunction};
use futures::{future::BoxFuture, FutureExt};
use pallet_stoa_channels::{ChannelView, ChannelViewFunction};
use sc_transaction_pool_api::{TransactionPool as _, TransactionSource};
use sp_api::{Core, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_core::sr25519;
use sp_keystore::KeystorePtr;
use std::sync::{Arc, Mutex, PoisonError};
use stoa_primitives::{
	channel::{ChannelId, Item},
	BlockNumber,
};
use stoa_runtime::{AccountId, Nonce, Runtime, VERSION};
use stoa_tower::{chain::Block, ChainFailure, ChannelState, TowerChain};
use substrate_frame_rpc_system::AccountNonceApi;

/// The chain, and the key that settles.
pub struct NodeChain {
	client: Arc<FullClient>,
	pool: Arc<TransactionPool>,
	keystore: KeystorePtr,
	key: sr25519::Public,
	/// The nonce after the last one that was used, and the block in which that was.
	used: Mutex<Option<(Nonce, BlockNumber)>>,
}

fn failure(error: impl std::fmt::Display) -> ChainFailure {
	ChainFailure(error.to_string())
}

impl NodeChain {
	/// The chain of `client`.
	pub fn new(
		client: Arc<FullClient>,
		pool: Arc<TransactionPool>,
		keystore: KeystorePtr,
		key: sr25519::Public,
	) -> Self {
		Self { client, pool, keystore, key, used: Mutex::new(None) }
	}

	fn read(&self, id: ChannelId, at: Hash) -> Result<Option<ChannelState>, ChainFailure> {
		let view = ChannelViewFunction::<Runtime>::id();
		let output = self
			.client
			.runtime_api()
			.execute_view_function(at, view, id.encode())
			.map_err(failure)?
			.map_err(|error| failure(format!("{error:?}")))?;
		let channel = Option::<ChannelView>::decode_all(&mut output.as_slice()).map_err(failure)?;
		Ok(channel.map(state))
	}

	/// The account's next nonce: of the state, or after what waits in the pool for no longer than it can.
	fn next_nonce(&self, best: &Block) -> Result<Nonce, ChainFailure> {
		let account = AccountId::from(self.key);
		let nonce = self.client.runtime_api().account_nonce(best.hash, account).map_err(failure)?;
		// Nothing panics while the lock is held.
		let used = *self.used.lock().unwrap_or_else(PoisonError::into_inner);
		Ok(match used {
			Some((next, at)) if best.number < at.saturating_add(LIFE) => nonce.max(next),
			_ => nonce,
		})
	}

	async fn submit(&self, items: Vec<Item>) -> Result<(), ChainFailure> {
		let best = self.best().await?;
		let version = self.client.runtime_api().version(best.hash).map_err(failure)?;
		if (version.spec_version, version.transaction_version)
			!= (VERSION.spec_version, VERSION.transaction_version)
		{
			// What this node would sign may mean something else there.
			return Err(failure("the chain's runtime is not the node's: update the node"));
		}
		let genesis = self.client.info().genesis_hash;
		let nonce = self.next_nonce(&best)?;
		let base = Base { genesis, number: best.number, hash: best.hash, nonce };
		let transaction = transaction::settle(&self.keystore, &self.key, items, base)
			.ok_or_else(|| failure("the keystore does not sign"))?;
		self.pool
			.submit_one(best.hash, TransactionSource::Local, transaction)
			.await
			.map_err(failure)?;
		let next = Some((nonce.saturating_add(1), best.number));
		*self.used.lock().unwrap_or_else(PoisonError::into_inner) = next;
		Ok(())
	}
}

fn state(view: ChannelView) -> ChannelState {
	ChannelState {
		payee: view.payee,
		key: view.key,
		retired: view.changes.key,
		deposit: view.deposit,
		settled: view.settled,
		lane_settled: view.lane_settled,
		revoked: view.changes.revoked.into_inner(),
		cap: view.cap,
		grace: view.grace,
		ends: view.ends,
	}
}

impl TowerChain for NodeChain {
	fn genesis(&self) -> Hash {
		self.client.info().genesis_hash
	}

	fn best(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		let info = self.client.info();
		async move { Ok(Block { number: info.best_number, hash: info.best_hash }) }.boxed()
	}

	fn finalized(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		let info = self.client.info();
		async move { Ok(Block { number: info.finalized_number, hash: info.finalized_hash }) }
			.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		at: Block,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>> {
		async move { self.read(id, at.hash) }.boxed()
	}

	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		self.submit(items).boxed()
	}
}
