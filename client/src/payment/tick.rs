//! Ticks on the wire.

use super::{amount, decode_hex, CodecError};
use crate::{
	chain::{parse_hash, to_hex},
	ticks::{SignedCommit, SignedTicks},
	voucher::LaneKey,
};
use codec::Encode;
use serde::{Deserialize, Serialize};
use stoa_primitives::{payload::TickCommit, tick::Tick, BlockNumber};

/// A commitment to a hash chain. Channel and lane are those of the tick that it comes with.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CommitPayload {
	/// Cumulative amount before the first tick.
	pub base: String,
	/// What one tick adds.
	pub value: String,
	/// Length of the hash chain.
	pub count: u32,
	/// 16 bytes.
	pub prefix: String,
	/// 32 bytes.
	pub root: String,
	/// Last block in which a tick can be settled, 0 for no limit.
	#[serde(default)]
	pub valid_until: BlockNumber,
	/// SCALE of the key signature, as in a voucher.
	pub signature: String,
}

/// A tick.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TickPayload {
	/// Always `tick`.
	pub action: String,
	/// Channel id.
	pub channel_id: String,
	/// Lane within the channel.
	#[serde(default)]
	pub lane: u32,
	/// Which tick, from 1.
	pub index: u32,
	/// Its value, 32 bytes.
	pub tick: String,
	/// The commitment that it belongs to. May be left out once a tick of it was accepted.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub commit: Option<CommitPayload>,
}

impl TickPayload {
	/// A tick with its commitment.
	pub fn full(ticks: &SignedTicks) -> Self {
		let SignedCommit { commit, signature } = &ticks.signed;
		let commit = CommitPayload {
			base: commit.base.to_string(),
			value: commit.value.to_string(),
			count: commit.count,
			prefix: to_hex(commit.prefix),
			root: to_hex(commit.root),
			valid_until: commit.valid_until,
			signature: to_hex(signature.encode()),
		};
		Self { commit: Some(commit), ..Self::short(ticks) }
	}

	/// A tick of a commitment that the payee knows.
	pub fn short(ticks: &SignedTicks) -> Self {
		let LaneKey { channel, lane } = ticks.signed.lane();
		Self {
			action: "tick".into(),
			channel_id: to_hex(channel),
			lane,
			index: ticks.index,
			tick: to_hex(ticks.tick),
			commit: None,
		}
	}

	/// The lane, and the value.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn tick(&self) -> Result<(LaneKey, Tick), CodecError> {
		if self.action != "tick" {
			return Err(CodecError::Field("action"));
		}
		let channel = parse_hash(&self.channel_id).ok_or(CodecError::Field("channelId"))?;
		let tick = parse_hash(&self.tick).ok_or(CodecError::Field("tick"))?;
		Ok((LaneKey { channel, lane: self.lane }, tick))
	}

	/// The commitment, if it is there. The signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn commitment(&self) -> Result<Option<SignedCommit>, CodecError> {
		let Some(wire) = &self.commit else { return Ok(None) };
		let (LaneKey { channel, lane }, _) = self.tick()?;
		let mut prefix = [0; 16];
		let digits = wire.prefix.strip_prefix("0x").unwrap_or(&wire.prefix);
		hex::decode_to_slice(digits, &mut prefix).map_err(|_| CodecError::Field("prefix"))?;
		let commit = TickCommit {
			channel,
			lane,
			base: amount(&wire.base, "base")?,
			value: amount(&wire.value, "value")?,
			count: wire.count,
			prefix,
			root: parse_hash(&wire.root).ok_or(CodecError::Field("root"))?,
			valid_until: wire.valid_until,
		};
		Ok(Some(SignedCommit { commit, signature: decode_hex(&wire.signature)? }))
	}

	/// The whole proof, if the commitment is there. Neither signature nor value is checked.
	///
	/// # Errors
	///
	/// [`CodecError::Field`].
	pub fn proof(&self) -> Result<Option<SignedTicks>, CodecError> {
		let ((_, tick), index) = (self.tick()?, self.index);
		Ok(self.commitment()?.map(|signed| SignedTicks { signed, index, tick }))
	}
}
