//! Proof of being the payer of a channel, for whoever wants to know what was paid on it so far.
//!
//! A voucher is no such proof: it becomes public when it is settled. So the payer signs the time of
//! asking with the channel's voucher key, and the proof is good for some minutes around that time.

use super::{decode_hex, decode_json, encode_json, CodecError};
use crate::{
	chain::{parse_hash, to_hex},
	keys::VoucherKey,
};
use codec::Encode;
use serde::{Deserialize, Serialize};
use stoa_primitives::{
	channel::ChannelId,
	keys::{Key, KeySignature},
	payload::{Domain, Payload, Reader, HEADER_LEN},
};

/// The request header that carries a [`ChannelProof`].
pub const PROOF_HEADER: &str = "stoa-proof";

/// How far the clocks of payer and payee may differ, in seconds.
pub const PROOF_WINDOW: u64 = 300;

/// What is signed: payload type 8 of the channels domain, channel 32 ‖ time u64, 80 bytes in all.
struct Inquiry {
	channel: ChannelId,
	time: u64,
}

impl Payload for Inquiry {
	const TYPE: u8 = 8;
	const LEN: usize = HEADER_LEN + 40;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.channel);
		out.extend_from_slice(&self.time.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self { channel: body.array()?, time: u64::from_le_bytes(body.array()?) })
	}
}

/// The payer of a channel asks what was paid on it. Bound to the channel, and so to its payee, to the
/// chain, and to a time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelProof {
	/// Channel id.
	pub channel: ChannelId,
	/// When it was made, in seconds since 1970.
	pub time: u64,
	/// By the channel's voucher key.
	pub signature: KeySignature,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
	channel_id: String,
	signature: String,
	time: u64,
}

impl ChannelProof {
	/// Signs a proof at `time`, in seconds since 1970, for the chain of `domain`.
	pub fn sign(channel: ChannelId, time: u64, key: &VoucherKey, domain: &Domain) -> Self {
		let signature = key.sign(&Inquiry { channel, time }.to_bytes(domain));
		Self { channel, time, signature }
	}

	/// Whether the proof was made around `now`, in seconds since 1970: cheap, and of no worth without
	/// [`ChannelProof::verify`].
	pub fn is_recent(&self, now: u64) -> bool {
		self.time.abs_diff(now) <= PROOF_WINDOW
	}

	/// Whether `key` signed this proof for the chain of `domain`.
	pub fn verify(&self, key: &Key, domain: &Domain) -> bool {
		let inquiry = Inquiry { channel: self.channel, time: self.time };
		key.verify(&inquiry.to_bytes(domain), &self.signature)
	}

	/// The value of [`PROOF_HEADER`].
	pub fn to_header(&self) -> String {
		encode_json(&Wire {
			channel_id: to_hex(self.channel),
			signature: to_hex(self.signature.encode()),
			time: self.time,
		})
	}

	/// Reads the value of [`PROOF_HEADER`]. The signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError`].
	pub fn parse(header: &str) -> Result<Self, CodecError> {
		let wire: Wire = decode_json(header.trim())?;
		Ok(Self {
			channel: parse_hash(&wire.channel_id).ok_or(CodecError::Field("channelId"))?,
			time: wire.time,
			signature: decode_hex(&wire.signature)?,
		})
	}
}
