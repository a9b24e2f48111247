//! A tower beside a provider, or on a machine of its own.
//!
//! | module | has |
//! |---|---|
//! | [`chain`] | the chain over RPC |
//! | [`keep`] | proofs in a [`Store`](stoa_client::store::Store) |
//! | [`feed`] | backups from a node's statement store |
//! | [`http`] | backups over HTTP |
//! | [`publish`] | sends one backup to a node or a tower |
//! | [`provider`] | keeps nodes and towers up to date with what a payee holds |

pub mod chain;
pub mod feed;
pub mod http;
pub mod keep;
pub mod provider;
pub mod publish;

pub use self::{
	chain::RpcChain,
	keep::StoreKeep,
	publish::{publish, push, PublishError, Published, Pushed},
};
