//! Payment channels: identity and what is claimed from them.

use crate::{
	keys::KeySignature,
	payload::{Domain, Payload, TickCommit, Voucher, MARK},
	tick, AccountId, AssetId, Balance, BlockNumber,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
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
/// Most lanes of one channel: as many calls as can be under way in it at the same time.
pub const MAX_LANES: u16 = 256;
/// Longest window of a velocity cap.
pub const MAX_WINDOW: BlockNumber = 30 * crate::DAYS;

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
	/// A commitment to a hash chain and a value of that chain; channel and lane are the item's.
	#[codec(index = 1)]
	Ticks(TickProof),
}

/// A signed [`TickCommit`] and the latest tick that was revealed: allows `base + index · value`.
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
pub struct TickProof {
	/// [`TickCommit::base`].
	pub base: Balance,
	/// [`TickCommit::value`].
	pub value: Balance,
	/// [`TickCommit::count`].
	pub count: u32,
	/// [`TickCommit::prefix`].
	pub prefix: [u8; 16],
	/// [`TickCommit::root`].
	pub root: [u8; 32],
	/// [`TickCommit::valid_until`].
	pub valid_until: BlockNumber,
	/// By the channel's voucher key over the commitment's bytes.
	pub signature: KeySignature,
	/// Which tick this is, from 1 to `count`; at most [`tick::MAX_TICKS`] are walked on chain.
	pub index: u32,
	/// The value whose `index`-fold image is `root`.
	pub tick: [u8; 32],
}

impl TickProof {
	/// The proof that `tick` is the `index`-th of a signed commitment.
	pub fn new(commit: &TickCommit, signature: KeySignature, index: u32, tick: [u8; 32]) -> Self {
		let TickCommit { base, value, count, prefix, root, valid_until, .. } = *commit;
		Self { base, value, count, prefix, root, valid_until, signature, index, tick }
	}

	/// What was signed, for this channel and lane.
	pub fn commit(&self, channel: ChannelId, lane: u32) -> TickCommit {
		let Self { base, value, count, prefix, root, valid_until, .. } = *self;
		TickCommit { channel, lane, base, value, count, prefix, root, valid_until }
	}

	/// Whether the index is one of the chain's, and not too far along it to be walked on chain.
	pub fn in_range(&self) -> bool {
		(1..=self.count.min(tick::MAX_TICKS)).contains(&self.index)
	}

	/// Whether the tick belongs to the commitment. Costs `index` hashes: ask
	/// [`in_range`](Self::in_range) before.
	pub fn leads_to_root(&self) -> bool {
		tick::walk(&self.prefix, self.index, 0, self.tick) == self.root
	}
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

impl Item {
	/// The cumulative amount that the proof allows, if it is genuine. `None` when no number is as
	/// large.
	pub fn allowed(&self) -> Option<Balance> {
		match &self.proof {
			Proof::Voucher { cumulative, .. } => Some(*cumulative),
			Proof::Ticks(ticks) => {
				ticks.value.checked_mul(ticks.index.into())?.checked_add(ticks.base)
			},
		}
	}

	/// Last block in which the proof can be settled, 0 for no limit.
	pub fn valid_until(&self) -> BlockNumber {
		match &self.proof {
			Proof::Voucher { valid_until, .. } => *valid_until,
			Proof::Ticks(ticks) => ticks.valid_until,
		}
	}

	/// The voucher key's signature.
	pub fn signature(&self) -> &KeySignature {
		match &self.proof {
			Proof::Voucher { signature, .. } => signature,
			Proof::Ticks(ticks) => &ticks.signature,
		}
	}

	/// The bytes that the voucher key has signed: a [`Voucher`] or a [`TickCommit`].
	pub fn message(&self, domain: &Domain) -> Vec<u8> {
		let (channel, lane) = (self.channel, self.lane);
		match &self.proof {
			Proof::Voucher { cumulative, valid_until, .. } => {
				let (cumulative, valid_until) = (*cumulative, *valid_until);
				Voucher { channel, lane, cumulative, valid_until }.to_bytes(domain)
			},
			Proof::Ticks(ticks) => ticks.commit(channel, lane).to_bytes(domain),
		}
	}

	/// How many hashes the proof takes to check, no more than [`tick::MAX_TICKS`].
	pub fn ticks(&self) -> u32 {
		match &self.proof {
			Proof::Ticks(ticks) if ticks.in_range() => ticks.index,
			_ => 0,
		}
	}
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
	/// In units of the channel's asset, not zero.
	pub per_window: Balance,
	/// In blocks, from 1 to [`MAX_WINDOW`].
	pub window: BlockNumber,
}

impl Cap {
	/// Whether the values are within bounds.
	pub fn is_valid(&self) -> bool {
		self.per_window > 0 && (1..=MAX_WINDOW).contains(&self.window)
	}

	/// Whether whatever `other` allows is allowed under this cap too.
	pub fn is_looser_than(&self, other: &Self) -> bool {
		self.per_window >= other.per_window && self.window <= other.window
	}
}

/// Most captures that [`CapState`] tells apart.
pub const MAX_CAPTURES: u32 = 8;

/// What was captured in a stretch of blocks, see [`CapState`].
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
pub struct Capture {
	/// The last block of them in which something was captured.
	pub at: BlockNumber,
	/// How much in all of them, over all lanes.
	pub amount: Balance,
}

/// What [`CapState`] remembers.
pub type Captures = BoundedVec<Capture, ConstU32<MAX_CAPTURES>>;

/// A velocity cap and what was captured under it of late.
///
/// In any `window` blocks in a row no more than `per_window` is captured. The window is divided into
/// seven stretches, and captures of one stretch count as if all had been made with the last of them:
/// for windows of up to seven blocks, and for who captures less often, that is exact; who captures in
/// every block still gets seven eighths of the cap in the long run.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct CapState {
	/// The cap.
	pub cap: Cap,
	/// The latest captures, in ascending order of blocks.
	pub recent: Captures,
}

impl CapState {
	/// A cap under which nothing was captured yet.
	pub fn new(cap: Cap) -> Self {
		Self { cap, recent: BoundedVec::new() }
	}

	fn counts(&self, capture: &Capture, now: BlockNumber) -> bool {
		// A capture of a later block, which a reorganised view can show, counts as one of now.
		now.saturating_sub(capture.at) < self.cap.window
	}

	/// How much can be captured in block `now`. Only captures make it less.
	pub fn headroom(&self, now: BlockNumber) -> Balance {
		let captured = self
			.recent
			.iter()
			.filter(|capture| self.counts(capture, now))
			.fold(0, |sum: Balance, capture| sum.saturating_add(capture.amount));
		self.cap.per_window.saturating_sub(captured)
	}

	/// Counts `amount` as captured in block `now`. Returns `false`, and changes nothing, when it is more
	/// than the headroom.
	#[must_use]
	pub fn capture(&mut self, now: BlockNumber, amount: Balance) -> bool {
		if amount > self.headroom(now) {
			return false;
		}
		let length = self.cap.window.div_ceil(MAX_CAPTURES.saturating_sub(1)).max(1);
		let stretch = |block: BlockNumber| block.checked_div(length);
		let mut recent: Vec<_> =
			self.recent.iter().filter(|capture| self.counts(capture, now)).copied().collect();
		match recent.last_mut() {
			// A block of an earlier time, which a reorganised view can show, joins the latest.
			Some(last) if stretch(last.at.max(now)) == stretch(last.at) => {
				last.at = last.at.max(now);
				// Within the headroom, so no more than the cap.
				last.amount = last.amount.saturating_add(amount);
			},
			_ => recent.push(Capture { at: now, amount }),
		}
		// A window overlaps no more than eight stretches.
		self.recent = BoundedVec::truncate_from(recent);
		true
	}
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
	/// The payer has revoked the lane, and the grace period of that is over.
	#[codec(index = 10)]
	LaneRevoked,
	/// More than the velocity cap leaves for now.
	#[codec(index = 11)]
	AboveCap,
	/// The tick's index is 0, beyond the end of its hash chain, or further along it than is walked on
	/// chain.
	#[codec(index = 12)]
	TickOutOfRange,
	/// The tick does not lead to the root that was committed to.
	#[codec(index = 13)]
	BadTick,
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::Key;
	use proptest::prelude::*;
	use sp_core::{ed25519, Pair, H256};

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

	const CAP: Cap = Cap { per_window: 100, window: 10 };

	#[test]
	fn headroom_should_come_back_one_window_after_a_capture() {
		let mut state = CapState::new(CAP);
		assert!(state.capture(5, 60));
		assert!(!state.capture(5, 41));
		assert!(state.capture(7, 40));
		assert_eq!((state.headroom(14), state.headroom(15), state.headroom(17)), (0, 60, 100));
		assert_eq!(state.recent.len(), 2);
		assert!(state.capture(15, 60));
		assert_eq!(state.recent.len(), 2);
	}

	#[test]
	fn caps_should_compare() {
		let cap = |per_window, window| Cap { per_window, window };
		assert!(CAP.is_looser_than(&CAP) && cap(101, 9).is_looser_than(&CAP));
		assert!(!cap(99, 1).is_looser_than(&CAP) && !cap(1_000, 11).is_looser_than(&CAP));
		assert!(CAP.is_valid() && cap(1, 1).is_valid() && cap(1, MAX_WINDOW).is_valid());
		for wrong in [cap(0, 1), cap(1, 0), cap(1, MAX_WINDOW + 1)] {
			assert!(!wrong.is_valid());
		}
	}

	#[test]
	fn proofs_of_both_kinds_should_allow_what_was_signed() {
		let pair = ed25519::Pair::from_seed(&[1; 32]);
		let (key, domain) = (Key::Ed25519(pair.public().0), Domain::channels(H256::zero()));
		let (prefix, seed) = ([3; 16], [4; 32]);
		let commit = TickCommit {
			channel: [1; 32],
			lane: 2,
			base: 50,
			value: 7,
			count: 20,
			prefix,
			root: tick::walk(&prefix, 20, 0, seed),
			valid_until: 9,
		};
		let signature = KeySignature::Ed25519(pair.sign(&commit.to_bytes(&domain)).0);
		let proof = TickProof::new(&commit, signature, 5, tick::walk(&prefix, 20, 5, seed));
		let item = Item { channel: [1; 32], lane: 2, capture: None, proof: Proof::Ticks(proof) };
		assert_eq!((item.allowed(), item.valid_until(), item.ticks()), (Some(85), 9, 5));
		assert!(key.verify(&item.message(&domain), item.signature()));
		assert!(proof.in_range() && proof.leads_to_root());
		assert!(!TickProof { index: 6, ..proof }.leads_to_root());
		assert!(!TickProof { index: 0, ..proof }.in_range());
		assert!(!TickProof { index: 21, ..proof }.in_range());
		let far = TickProof { count: 5_000, index: tick::MAX_TICKS + 1, ..proof };
		assert!(!far.in_range());
		let huge = TickProof { value: Balance::MAX, ..proof };
		assert_eq!(Item { proof: Proof::Ticks(huge), ..item }.allowed(), None);
		assert_eq!(Item { proof: Proof::Ticks(far), ..item }.ticks(), 0);
	}

	proptest! {
		#[test]
		fn no_window_should_see_more_than_the_cap(
			steps in prop::collection::vec((0..4u32, 0..40u128), 0..120), exact in any::<bool>(),
		) {
			let (mut state, mut log, mut now) = (CapState::new(CAP), Vec::<Capture>::new(), 1);
			for (wait, amount) in steps {
				// Two blocks are one stretch of this window.
				now += if exact { 2 * wait } else { wait };
				let before = state.clone();
				let recent = log.iter().filter(|c| c.at + CAP.window > now);
				let sum: u128 = recent.map(|c| c.amount).sum();
				prop_assert!(state.headroom(now) <= CAP.per_window - sum);
				if CAP.window <= 7 || exact {
					prop_assert_eq!(state.headroom(now), CAP.per_window - sum);
				}
				if state.capture(now, amount) {
					log.push(Capture { at: now, amount });
					prop_assert_eq!(state.headroom(now), before.headroom(now) - amount);
				} else {
					prop_assert_eq!(&state, &before);
				}
				for later in now..now + 12 {
					prop_assert!(state.headroom(later) <= state.headroom(later + 1));
				}
			}
			for start in 1..=now {
				let window = log.iter().filter(|c| (start..start + CAP.window).contains(&c.at));
				prop_assert!(window.map(|c| c.amount).sum::<u128>() <= CAP.per_window);
			}
		}

		#[test]
		fn capturing_in_every_block_should_get_seven_eighths_of_the_cap(window in 8..200u32) {
			let mut state = CapState::new(Cap { per_window: 8_000, window });
			let mut total = 0;
			for now in 1..=20 * window {
				// A payee that settles as much as it can, in even slices.
				let slice = state.headroom(now).min(8_000 / u128::from(window));
				if slice > 0 && state.capture(now, slice) {
					total += slice;
				}
			}
			prop_assert!(total >= 20 * 8_000 / 8 * 7, "{} of {}", total, 20 * 8_000);
		}
	}
}
