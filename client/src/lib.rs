//! # Stoa client
//!
//! How agents talk to Stoa: chain access, payment-channel machines for both sides, negotiation, and a
//! durable store.
//!
//! The crate is built in layers, so that each can be tested without the one above:
//!
//! | layer | modules | does |
//! |---|---|---|
//! | machines | [`payer::machine`], [`payee::machine`], [`negotiation::Negotiator`] | decide; no clock, no network, no disk |
//! | drivers | [`payer`], [`payee`], [`settle`], [`negotiation::Desk`] | run the machines against a [`store::Store`] and a [`chain::ChainView`] |
//! | edges | [`chain`], [`payment`], [`http`], [`negotiation::Transport`] | a node over RPC, the `Payment` scheme, paid HTTP calls, messages between agents |
//!
//! Two rules hold everywhere. **Persist before advance:** a voucher is on disk before it leaves the
//! payer and before the payee's answer leaves the payee, a message before it is sent; if the disk fails,
//! the call fails.
//! **The chain is pinned:** signatures are bound to one genesis hash, and nothing that a
//! counterparty says can change chain, payee or price limit.

#![cfg_attr(
	not(test),
	deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

pub mod agreement;
pub mod allowance;
pub mod chain;
pub mod config;
pub mod http;
pub mod keys;
pub mod negotiation;
pub mod payee;
pub mod payer;
pub mod payment;
pub mod settle;
pub mod store;
pub mod ticks;
pub mod verify;
pub mod voucher;

pub use stoa_primitives as primitives;
