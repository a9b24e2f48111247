//! # Stoa gateway
//!
//! An HTTP reverse proxy that sells any API per call. Put it in front of a service: a request
//! without payment is answered with 402 and the price; a request with a voucher is checked, passed
//! on, and answered with a receipt. The service itself needs to know nothing of it.
//!
//! ## What happens to a call
//!
//! 1. The credential is read and its challenge checked: only this gateway can have issued it. The
//!    voucher is **checked**: its channel, its amount, its signature.
//! 2. The body is read, up to a limit: only for somebody who pays. A body that is too large, or does
//!    not arrive in time, costs nothing.
//! 3. The voucher is **reserved**: it is still good, and its lane belongs to this call until it ends.
//! 4. The request goes to the service, without the credential and without hop-by-hop headers.
//! 5. If the answer's status is below 400, the voucher is **committed**: flushed to disk together
//!    with its watermark. Only then does the answer leave, with a signed receipt.
//!
//! A call whose service fails, times out, or answers with 400 and above is **not charged**: the
//! voucher can be used again. A call whose voucher cannot be made durable is not answered at all.
//! So a payer loses at most the price of one call, to a gateway that takes a voucher and does not
//! answer; the operator loses at most the work of the calls that were under way when its process or
//! disk died.
//!
//! The same voucher with the same request gets the same answer again as long as it is kept; with
//! another request it gets 409.

#![cfg_attr(
	not(test),
	deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod config;
mod metrics;
mod proxy;
mod serve;
mod server;
mod well_known;

#[cfg(test)]
mod tests;

pub use config::GatewayConfig;
pub use metrics::GatewayStats;
pub use serve::{Gateway, GatewayError};
