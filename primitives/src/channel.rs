//! Payment channels: identity and what is claimed from them.

use crate::{
	keys::KeySignature,
	payload::{Domain, MARK},
	AccountId, AssetId, Balance, BlockNumber,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_io::hashing::blake2_256;

/// The id of a channel, see [`channel_id`].
pub type ChannelId = [u8; 32];

/// Shortest grace period: 15 minutes, the floor of the field (x402, MPP).
pub const MIN_GRACE: BlockNumber = 15 * crate::MINUTES;
/// Grace period unless the payer asks for another: one hour.
pub const DEFAULT_GRACE: BlockNumber = crate::HOURS;
/// Longest grace period: 30 days.
pub const MAX_GRACE: BlockNumber = 30 * crate::DAYS;
/// Most items in one batch.
pub const MAX_BATCH: u32 = 256;

/// `blake2_256(0xFF ‖ "CHAN" ‖ 1 ‖ domain ‖ payer ‖ payee ‖ SCALE(asset) ‖ nonce u64)`.
///
/// Known before the channel is opened and never used twice, since the nonce of a pair of accounts
/// only rises.
pub fn channel_id(
	domain: &Domain,
	payer: &AccountId,
	payee: &AccountId,
	asset: &AssetId,
	nonce: u64,
) -> ChannelId {
	let mut bytes = Vec::with_capacity(128);
	bytes.push(MARK);
	bytes.extend_from_slice(b"CHAN\x01");
	bytes.extend_from_slice(&domain.0);
	bytes.extend_from_slice(payer.as_ref());
	bytes.extend_from_slice(payee.as_ref());
	asset.encode_to(&mut bytes);
	bytes.extend_from_slice(&nonce.to_le_bytes());
	blake2_256(&bytes)
}

/// What shows that the payer allowed a cumulative amount.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum Proof {
	/// A voucher; channel and lane are the item's.
	#[codec(index = 0)]
	Voucher {
		/// [`Voucher::cumulative`](crate::payload::Voucher::cumulative).
		cumulative: Balance,
		/// [`Voucher::valid_until`](crate::payload::Voucher::valid_until).
		valid_until: BlockNumber,
		/// By the channel's voucher key over the voucher's bytes.
		signature: KeySignature,
	},
}

/// One claim in a batch: pay what `proof` allows on this lane beyond what was paid before.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Item {
	/// Channel id.
	pub channel: ChannelId,
	/// Lane within the channel.
	pub lane: u32,
	/// The cumulative amount to take, if less than the proof allows. The rest of the same voucher
	/// stays usable.
	pub capture: Option<Balance>,
	/// What shows that the payer allowed it.
	pub proof: Proof,
}

/// At most `per_window` captured in any `window` blocks, so that a stolen voucher key cannot drain
/// the deposit.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Cap {
	/// In units of the channel's asset.
	pub per_window: Balance,
	/// In blocks.
	pub window: BlockNumber,
}

/// Why an item of a batch was not paid.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum SkipReason {
	/// No channel has this id; it may have been finalized.
	#[codec(index = 0)]
	UnknownChannel,
	/// The submitter may not settle this channel.
	#[codec(index = 1)]
	NotPayee,
	/// The channel has no such lane.
	#[codec(index = 2)]
	UnknownLane,
	/// The proof's last block has passed.
	#[codec(index = 3)]
	Expired,
	/// Nothing new: as much or more was paid before.
	#[codec(index = 4)]
	Stale,
	/// The item wants more than its proof allows.
	#[codec(index = 5)]
	CaptureAboveVoucher,
	/// The channel does not hold as much.
	#[codec(index = 6)]
	AboveDeposit,
	/// The signature is not the voucher key's over this voucher on this chain.
	#[codec(index = 7)]
	BadSignature,
	/// The grace period is over; the channel can only be finalized.
	#[codec(index = 8)]
	GraceOver,
	/// The ledger refused the payment; the event before says why.
	#[codec(index = 9)]
	NotSettled,
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_core::H256;

	#[test]
	fn ids_should_differ_in_every_part() {
		let domain = Domain::channels(H256::repeat_byte(1));
		let account = |b| AccountId::new([b; 32]);
		let id = |d: &Domain, a, b, asset, n| channel_id(d, &account(a), &account(b), &asset, n);
		let base = id(&domain, 1, 2, AssetId::WithId(1), 0);
		assert_eq!(base, id(&domain, 1, 2, AssetId::WithId(1), 0));
		for other in [
			id(&Domain::channels(H256::zero()), 1, 2, AssetId::WithId(1), 0),
			id(&domain, 2, 1, AssetId::WithId(1), 0),
			id(&domain, 1, 3, AssetId::WithId(1), 0),
			id(&domain, 1, 2, AssetId::Native, 0),
			id(&domain, 1, 2, AssetId::WithId(2), 0),
			id(&domain, 1, 2, AssetId::WithId(1), 1),
		] {
			assert_ne!(base, other);
		}
	}
}
