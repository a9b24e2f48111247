//! A tower beside a provider, or on a machine of its own.
//!
//! | module | has |
//! |---|---|
//! | [`chain`] | the chain over RPC |
//! | [`keep`] | proofs in a [`Store`](stoa_client::store::Store) |
//! | [`feed`] | backups from a node's statement store |
//! | [`http`] | backups over HTTP |
//! | [`publish`] | sends one backup to a node or a tower |
//! | [`fetch`] | has back what they keep |
//! | [`provider`] | keeps nodes and towers up to date with what a payee holds |

pub mod chain;
pub mod feed;
pub mod fetch;
pub mod http;
pub mod keep;
pub mod provider;
pub mod publish;

pub use self::{
	chain::RpcChain,
	fetch::{fetch, fetch_published},
	keep::StoreKeep,
	provider::{Provider, Target},
	publish::{publish, push, PublishError, Published, Pushed},
};
