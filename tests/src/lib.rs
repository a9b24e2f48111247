//! What end-to-end tests share: real nodes, real accounts, and the programs that were built beside
//! the test.
//!
//! | module | has |
//! |---|---|
//! | [`process`] | child processes that end with the test, however it ends |
//! | [`node`] | `stoa-node` on ports that the system chooses |
//! | [`rpc`] | JSON-RPC without the client library |
//! | [`market`] | accounts, agents and channels on a development chain |
//! | [`service`] | an HTTP service to be sold |
//! | [`command`] | `stoa` as a user types it |
//! | [`governance`] | what only time, governance or other clients do |

pub mod command;
pub mod governance;
pub mod market;
pub mod node;
pub mod process;
pub mod rpc;
pub mod service;

pub use node::Node;
