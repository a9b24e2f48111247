//! The way of a block into the database.

use super::{FullBackend, FullClient, FullSelectChain};
use async_trait::async_trait;
use sc_consensus::{BlockCheckParams, BlockImport, BlockImportParams, ImportResult};
use sp_consensus::Error;
use std::sync::Arc;
use stoa_runtime::opaque::Block;

/// Import that follows GRANDPA's authority sets and justifications.
pub type GrandpaImport =
	sc_consensus_grandpa::GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;

/// Import of a block that BABE has checked.
pub type BabeImport = sc_consensus_babe::BabeBlockImport<
	Block,
	FullClient,
	FinalityImport,
	super::clock::Inherents,
	FullSelectChain,
>;

/// What comes after BABE.
#[derive(Clone)]
pub enum FinalityImport {
	/// Blocks become final by GRANDPA's votes.
	Grandpa(Box<GrandpaImport>),
	/// Blocks become final because their author says so. GRANDPA's import must not see them: it
	/// applies a change of the authority set when a justification arrives, and none ever would, so
	/// that the second change would be refused.
	Sealed(Arc<FullClient>),
}

#[async_trait]
impl BlockImport<Block> for FinalityImport {
	type Error = Error;

	async fn check_block(&self, block: BlockCheckParams<Block>) -> Result<ImportResult, Error> {
		match self {
			Self::Grandpa(import) => import.check_block(block).await,
			Self::Sealed(client) => client.check_block(block).await,
		}
	}

	async fn import_block(&self, block: BlockImportParams<Block>) -> Result<ImportResult, Error> {
		match self {
			Self::Grandpa(import) => import.import_block(block).await,
			Self::Sealed(client) => client.import_block(block).await,
		}
	}
}
