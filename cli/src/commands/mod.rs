//! The commands, one module for each part of the market.

pub mod agent;
pub mod call;
pub mod channel;
pub mod keys;
pub mod money;
pub mod referral;
pub mod serve;

use crate::output::Report;
use stoa_client::chain::{to_hex, FeePaid, Submitted};

use crate::amount::Unit;

/// Add to a report where an extrinsic ended up and what it cost.
fn included(report: Report, submitted: &Submitted) -> Report {
	let block = submitted.block;
	let report = report
		.row("block", "block", block.number)
		.with("block_hash", to_hex(block.hash))
		.with("extrinsic", to_hex(submitted.extrinsic));
	match &submitted.fee {
		Some(FeePaid { asset, amount, .. }) => match asset {
			// Paid from credits; without a look at the chain only two assets' decimals are known.
			Some(asset) if *asset == Unit::development().asset => {
				report.money("fee", "fee", &Unit::development(), *amount)
			},
			Some(stoa_primitives::AssetId::WithId(id)) => {
				report.row("fee", "fee", format!("{amount} units of asset {id}"))
			},
			_ => report.money("fee", "fee", &Unit::native(), *amount),
		},
		None => report,
	}
}
