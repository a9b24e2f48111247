//! What a payee has accepted on a channel, with the payer's own signatures as proof: for a payer that has
//! lost its records.

use super::{CodecError, TickPayload, VoucherPayload};
use crate::allowance::Allowance;
use serde::{Deserialize, Serialize};
use stoa_primitives::Balance;

/// A channel.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChannelStatus {
	/// Channel id.
	pub channel_id: String,
	/// The lanes on which something was accepted.
	pub lanes: Vec<LaneStatus>,
}

/// A lane. Amounts are decimal strings in units of the channel's asset.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LaneStatus {
	/// Lane within the channel.
	pub lane: u32,
	/// What was accepted.
	pub accepted_cumulative: String,
	/// What of it was earned.
	pub earned: String,
	/// How many calls were paid.
	pub calls: u64,
	/// The highest proof, if it is a voucher.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub last_voucher: Option<VoucherPayload>,
	/// The highest proof, if it is a tick, with its commitment.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub last_ticks: Option<TickPayload>,
}

impl LaneStatus {
	/// What was accepted last on a lane.
	pub fn new(proof: &Allowance, earned: Balance, calls: u64) -> Self {
		let (last_voucher, last_ticks) = match proof {
			Allowance::Voucher(signed) => (Some(VoucherPayload::new(signed)), None),
			Allowance::Ticks(ticks) => (None, Some(TickPayload::full(ticks))),
		};
		Self {
			lane: proof.lane().lane,
			accepted_cumulative: proof.amount().to_string(),
			earned: earned.to_string(),
			calls,
			last_voucher,
			last_ticks,
		}
	}

	/// The proof, if one is shown in full. Its signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn proof(&self) -> Result<Option<Allowance>, CodecError> {
		match (&self.last_voucher, &self.last_ticks) {
			(Some(voucher), _) => Ok(Some(voucher.signed()?.into())),
			(None, Some(ticks)) => Ok(ticks.proof()?.map(Into::into)),
			(None, None) => Ok(None),
		}
	}
}
