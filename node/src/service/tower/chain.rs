//! The chain that the node itself has, as a tower sees it.

use super::{
	super::{FullClient, Hash, TransactionPool},
	nonce::Nonces,
	transaction::{self, Base},
};
use codec::{DecodeAll, Encode};
use frame_support::view_functions::{runtime_api::RuntimeViewFunction, ViewFunction};
use futures::{future::BoxFuture, FutureExt};
use pallet_asset_rate::ConversionRateToNative;
use pallet_stoa_channels::{ChannelView, ChannelViewFunction};
use pallet_transaction_payment_rpc::TransactionPaymentRuntimeApi;
use sc_client_api::{StorageKey, StorageProvider};
use sc_transaction_pool_api::{TransactionPool as _, TransactionSource};
use sp_api::{Core, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use sp_core::sr25519;
use sp_keystore::KeystorePtr;
use sp_runtime::FixedU128;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stoa_primitives::{
	channel::{ChannelId, Item},
	money::Schedule,
	AssetId, Balance,
};
use stoa_runtime::{AccountId, Runtime, VERSION};
use stoa_tower::{
	chain::{dearest_claim, free_from, in_asset, Block},
	ChainFailure, ChannelState, TowerChain,
};
use substrate_frame_rpc_system::AccountNonceApi;

/// The chain, and the key that settles.
pub struct NodeChain {
	client: Arc<FullClient>,
	pool: Arc<TransactionPool>,
	keystore: KeystorePtr,
	key: sr25519::Public,
	nonces: Mutex<Nonces>,
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
		Self { client, pool, keystore, key, nonces: Mutex::default() }
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

	fn nonces(&self) -> MutexGuard<'_, Nonces> {
		// Nothing panics while the lock is held.
		self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// On what a transaction is based that is sent now.
	fn base(&self) -> Result<Base, ChainFailure> {
		let info = self.client.info();
		let (number, hash) = (info.best_number, info.best_hash);
		let version = self.client.runtime_api().version(hash).map_err(failure)?;
		if (version.spec_version, version.transaction_version)
			!= (VERSION.spec_version, VERSION.transaction_version)
		{
			// What this node would sign may mean something else there.
			return Err(failure("the chain's runtime is not the node's: update the node"));
		}
		let account = AccountId::from(self.key);
		let nonce = self.client.runtime_api().account_nonce(hash, account).map_err(failure)?;
		let nonce = self.nonces().next(nonce, number);
		Ok(Base { genesis: info.genesis_hash, number, hash, nonce })
	}

	/// What the settlement of one claim costs now, in units of `asset`; `None` when the chain has no rate for
	/// it.
	fn fee(&self, asset: &AssetId) -> Result<Option<Balance>, ChainFailure> {
		let base = self.base()?;
		let sample = transaction::settle(&self.keystore, &self.key, vec![dearest_claim()], base)
			.ok_or_else(|| failure("the keystore does not sign"))?;
		let length = u32::try_from(sample.encoded_size()).map_err(failure)?;
		let info =
			self.client.runtime_api().query_info(base.hash, sample, length).map_err(failure)?;
		let AssetId::WithId(id) = asset else { return Ok(Some(info.partial_fee)) };
		let key = StorageKey(ConversionRateToNative::<Runtime>::hashed_key_for(id));
		let Some(rate) = self.client.storage(base.hash, &key).map_err(failure)? else {
			return Ok(None);
		};
		let rate = FixedU128::decode_all(&mut rate.0.as_slice()).map_err(failure)?;
		Ok(in_asset(info.partial_fee, rate.into_inner()))
	}

	async fn submit(&self, items: Vec<Item>) -> Result<(), ChainFailure> {
		let base = self.base()?;
		let transaction = transaction::settle(&self.keystore, &self.key, items, base)
			.ok_or_else(|| failure("the keystore does not sign"))?;
		self.pool
			.submit_one(base.hash, TransactionSource::Local, transaction)
			.await
			.map_err(failure)?;
		self.nonces().used(base.nonce, base.number);
		Ok(())
	}
}

fn state(view: ChannelView) -> ChannelState {
	ChannelState {
		payee: view.payee,
		asset: view.asset,
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

	fn worth(&self, asset: AssetId) -> BoxFuture<'_, Result<Option<Balance>, ChainFailure>> {
		async move {
			let fee = self.fee(&asset)?;
			Ok(fee.map(|fee| free_from(fee, Schedule::GENESIS.platform())))
		}
		.boxed()
	}

	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		self.submit(items).boxed()
	}
}
