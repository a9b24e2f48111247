//! # Stoa gateway
//!
//! An HTTP reverse proxy that sells any API per call. Put it in front of a service: a request
//! without payment is answered with 402 and the price; a request with a voucher is checked, passed
//! on, and answered with a receipt. The service itself needs to know nothing of it.
//!
//! ## What happens to a call
//!
//! 1. The credential is read and its challenge checked: only this gateway can have issued it. The
//!    payment is **checked**: its channel, its amount, its signature or its hash.
//! 2. The body is read, up to a limit: only for somebody who pays. A body that is too large, or does
//!    not arrive in time, costs nothing.
//! 3. The payment is **reserved**: it is still good, and its lane belongs to this call until it ends.
//! 4. The request goes to the service, without the credential and without hop-by-hop headers.
//! 5. If the answer's status is below 400, the payment is **committed**: flushed to disk together
//!    with its watermark. Only then does the answer leave, with a signed receipt. Calls that end
//!    together share a flush.
//!
//! A call whose service fails, times out, or answers with 400 and above is **not charged**: the
//! payment can be used again. A call whose payment cannot be made durable is not answered at all.
//! So a payer loses at most the price of one call on each lane that it uses at the same time, to a
//! gateway that takes payments and does not answer; the operator loses at most the work of the calls
//! that were under way when its process or disk died.
//!
//! The same payment with the same request gets the same answer again as long as it is kept; with
//! another request it gets 409.
//!
//! ## What else payers can ask for
//!
//! What was accepted on their channel, the payee's agreement to a close at once, and, if the
//! configuration allows it, a channel without sending a transaction: see the README for the routes.

#![cfg_attr(
	not(test),
	deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod agreements;
mod config;
mod metrics;
mod negotiation;
mod operator;
mod proxy;
mod sale;
mod serve;
mod server;
mod well_known;

#[cfg(test)]
mod tests;

pub use config::{GatewayConfig, OpeningPolicy};
pub use metrics::GatewayStats;
pub use negotiation::{negotiation_router, serve_negotiations};
pub use serve::{Gateway, GatewayError};
