//! The RPC methods that are Stoa's choice.
//!
//! The service adds the rest itself: `author`, `chain`, `state`, `system`, `offchain`, and of the
//! JSON-RPC specification `chainHead_v1`, `chainSpec_v1`, `transaction_v1`, `transactionWatch_v1`
//! and, on a node that keeps all states and blocks, `archive_v1`.

use crate::service::{FullClient, Hash, TransactionPool};
use futures::channel::mpsc;
use jsonrpsee::RpcModule;
use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
use sc_consensus_manual_seal::{
	rpc::{ManualSeal, ManualSealApiServer},
	EngineCommand,
};
use sc_rpc::{
	statement::{StatementApiServer, StatementStore},
	SubscriptionTaskExecutor,
};
use sc_statement_store::Store;
use std::{error::Error, sync::Arc};
use stoa_runtime::opaque::Block;
use substrate_frame_rpc_system::{System, SystemApiServer};

/// What the methods work on.
pub struct Deps {
	/// The chain.
	pub client: Arc<FullClient>,
	/// The transactions that wait for a block.
	pub pool: Arc<TransactionPool>,
	/// What agents keep off chain.
	pub statements: Arc<Store>,
	/// Where orders for blocks go, on a chain that is sealed on demand.
	pub sealing: Option<mpsc::Sender<EngineCommand<Hash>>>,
}

impl Deps {
	/// A module with these methods; `executor` runs its subscriptions.
	pub fn module(
		&self,
		executor: SubscriptionTaskExecutor,
	) -> Result<RpcModule<()>, Box<dyn Error + Send + Sync>> {
		let mut module = RpcModule::new(());
		let system = System::<TransactionPool, FullClient, Block>::new(
			self.client.clone(),
			self.pool.clone(),
		);
		module.merge(system.into_rpc())?;
		module.merge(TransactionPayment::<_, Block>::new(self.client.clone()).into_rpc())?;
		module.merge(StatementStore::new(self.statements.clone(), executor).into_rpc())?;
		if let Some(sealing) = &self.sealing {
			module.merge(ManualSeal::new(sealing.clone()).into_rpc())?;
		}
		Ok(module)
	}
}
