//! The commands, one module for each part of the market.

pub mod agent;
pub mod agreement;
pub mod call;
pub mod channel;
pub mod keys;
pub mod money;
pub mod negotiate;
pub mod referral;
pub mod serve;

use crate::{context::Context, output::Report};
use stoa_client::chain::{to_hex, Chain, Submitted};

/// Add to a report where an extrinsic ended up and what it cost.
async fn included(
	context: &Context,
	chain: &Chain,
	report: Report,
	submitted: &Submitted,
) -> Report {
	let block = submitted.block;
	let report = report
		.count("block", "block", block.number)
		.with("block_hash", to_hex(block.hash))
		.with("extrinsic", to_hex(submitted.extrinsic));
	match &submitted.fee {
		Some(fee) => {
			let unit = context.fee_unit(chain, fee.asset.as_ref()).await;
			report.money("fee", "fee", &unit, fee.amount)
		},
		None => report,
	}
}
