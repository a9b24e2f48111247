//! A voucher together with its signature: what travels, is stored and is settled.

use codec::{Decode, Encode};
use stoa_primitives::{
	channel::{ChannelId, Item, Proof},
	keys::{Key, KeySignature},
	payload::{Domain, Payload, Voucher},
	Balance,
};

/// A voucher and the signature of the channel's voucher key over its bytes.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SignedVoucher {
	/// What is allowed.
	pub voucher: Voucher,
	/// By the channel's voucher key over [`Payload::to_bytes`] under the chain's channel domain.
	pub signature: KeySignature,
}

impl SignedVoucher {
	/// Whether `key` signed this voucher for the chain of `domain`.
	pub fn verify(&self, key: &Key, domain: &Domain) -> bool {
		key.verify(&self.voucher.to_bytes(domain), &self.signature)
	}

	/// The claim that takes `capture` of what the voucher allows; all of it when `capture` is not
	/// less than that.
	pub fn to_item(&self, capture: Balance) -> Item {
		Item {
			channel: self.voucher.channel,
			lane: self.voucher.lane,
			capture: (capture < self.voucher.cumulative).then_some(capture),
			proof: Proof::Voucher {
				cumulative: self.voucher.cumulative,
				valid_until: self.voucher.valid_until,
				signature: self.signature,
			},
		}
	}

	/// The lane this voucher is for.
	pub fn lane(&self) -> LaneKey {
		LaneKey { channel: self.voucher.channel, lane: self.voucher.lane }
	}
}

/// One lane of one channel.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct LaneKey {
	/// Channel id.
	pub channel: ChannelId,
	/// Lane within the channel.
	pub lane: u32,
}

impl LaneKey {
	/// Length of [`LaneKey::to_bytes`].
	pub const LEN: usize = 36;

	/// `channel 32 ‖ lane u32` big-endian, so that bytes sort as (channel, lane) does.
	pub fn to_bytes(&self) -> [u8; Self::LEN] {
		let mut out = [0u8; Self::LEN];
		let bytes = self.channel.iter().copied().chain(self.lane.to_be_bytes());
		for (to, from) in out.iter_mut().zip(bytes) {
			*to = from;
		}
		out
	}

	/// The inverse of [`LaneKey::to_bytes`].
	pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
		let (channel, rest) = bytes.split_first_chunk::<32>()?;
		Some(Self { channel: *channel, lane: u32::from_be_bytes(rest.try_into().ok()?) })
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn lane_keys_should_survive_and_sort() {
		let key = |b, lane| LaneKey { channel: [b; 32], lane };
		let rows = [key(1, 0), key(1, 1), key(1, 256), key(2, 0)];
		for pair in rows.windows(2) {
			assert!(pair[0].to_bytes() < pair[1].to_bytes());
		}
		for row in rows {
			assert_eq!(LaneKey::from_bytes(&row.to_bytes()), Some(row));
		}
		assert_eq!(LaneKey::from_bytes(&[0; 35]), None);
	}

	#[test]
	fn items_should_capture_only_when_less_is_taken() {
		let signed = SignedVoucher {
			voucher: Voucher { channel: [1; 32], lane: 0, cumulative: 10, valid_until: 0 },
			signature: KeySignature::Ed25519([0; 64]),
		};
		assert_eq!(signed.to_item(10).capture, None);
		assert_eq!(signed.to_item(11).capture, None);
		assert_eq!(signed.to_item(9).capture, Some(9));
	}
}
