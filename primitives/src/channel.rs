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

/// Most captures that [`CapState`] tells apart: eight within the window of the cap in force, and eight
/// before it while a cap with a longer window waits.
pub const MAX_CAPTURES: u32 = 16;

/// Into how many stretches a window is divided. It overlaps no more than one more.
const STRETCHES: BlockNumber = 7;

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
///
/// While a cap with a longer window waits, what is older than the present window is remembered too, by
/// the stretches of the longer one, so that nothing of it is forgotten when that cap comes into force.
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

	/// Whether something captured in block `at` is within `window` blocks that end with `now`.
	fn within(window: BlockNumber, at: BlockNumber, now: BlockNumber) -> bool {
		// A capture of a later block, which a reorganised view can show, counts as one of now.
		now.saturating_sub(at) < window
	}

	/// How much can be captured in block `now`. Only captures make it less.
	pub fn headroom(&self, now: BlockNumber) -> Balance {
		let captured = self
			.recent
			.iter()
			.filter(|capture| Self::within(self.cap.window, capture.at, now))
			.fold(0, |sum: Balance, capture| sum.saturating_add(capture.amount));
		self.cap.per_window.saturating_sub(captured)
	}

	/// [`capture_before`](Self::capture_before) when no other cap waits.
	#[must_use]
	pub fn capture(&mut self, now: BlockNumber, amount: Balance) -> bool {
		self.capture_before(now, amount, None)
	}

	/// Counts `amount` as captured in block `now`, while `next` waits to come into force. Returns
	/// `false`, and changes nothing, when it is more than the headroom.
	#[must_use]
	pub fn capture_before(
		&mut self,
		now: BlockNumber,
		amount: Balance,
		next: Option<&Cap>,
	) -> bool {
		if amount > self.headroom(now) {
			return false;
		}
		let window = self.cap.window;
		let kept = next.map_or(window, |next| next.window.max(window));
		// A block of an earlier time, which a reorganised view can show, joins the latest.
		let at = self.recent.last().map_or(now, |last| last.at.max(now));
		let mut recent = Captures::new();
		for capture in self.recent.iter().copied().chain([Capture { at, amount }]) {
			if Self::within(kept, capture.at, now) {
				let place = |at| place(at, now, window, kept);
				let joins = recent.last().is_some_and(|last| place(last.at) == place(capture.at));
				remember(&mut recent, capture, joins);
			}
		}
		self.recent = recent;
		true
	}
}

/// Where a block belongs: in a stretch of the present window, or before it in one of those that are
/// kept for a longer window to come.
fn place(
	at: BlockNumber,
	now: BlockNumber,
	window: BlockNumber,
	kept: BlockNumber,
) -> (bool, Option<BlockNumber>) {
	let present = CapState::within(window, at, now);
	let length = if present { window } else { kept }.div_ceil(STRETCHES).max(1);
	(present, at.checked_div(length))
}

/// Add a capture, as one with the latest if it joins that.
fn remember(recent: &mut Captures, capture: Capture, joins: bool) {
	// Each of both windows overlaps no more than eight stretches, so there is room. Were there none, it
	// would join the latest as well: it then counts longer than it has to, and is never forgotten.
	if !joins && recent.try_push(capture).is_ok() {
		return;
	}
	if let Some(last) = recent.last_mut() {
		last.at = last.at.max(capture.at);
		// What is within the headroom sums to no more than the cap.
		last.amount = last.amount.saturating_add(capture.amount);
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
	/// The payment was refused; the event before says why.
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

	#[test]
	fn captures_should_not_be_forgotten_when_a_longer_window_comes_into_force() {
		let longer = Cap { per_window: 100, window: 1_400 };
		let mut state = CapState::new(Cap { per_window: 100, window: 14 });
		for now in [437, 439, 441, 443, 445, 447, 449, 450] {
			assert!(state.capture_before(now, 1, Some(&longer)));
		}
		let mut state = CapState { cap: longer, ..state };
		// More than eight captures of short stretches are within the long window.
		assert!(state.capture(600, 92));
		assert_eq!(state.headroom(600), 0);
		assert!((601..450 + 1_400).all(|now| !state.capture(now, 92)));
		assert!((600..2_000).filter(|now| state.capture(*now, 92)).count() <= 1);
	}

	#[test]
	fn captures_should_be_remembered_for_a_longer_window_that_waits() {
		let longer = Cap { per_window: 50, window: 7 };
		let mut state = CapState::new(Cap { per_window: 50, window: 1 });
		assert!(state.capture_before(449, 40, Some(&longer)));
		assert!(state.capture_before(450, 40, Some(&longer)));
		assert_eq!(state.headroom(450), 10);
		let state = CapState { cap: longer, ..state };
		assert_eq!(
			(451..=457).map(|now| state.headroom(now)).collect::<Vec<_>>(),
			[0, 0, 0, 0, 0, 10, 50]
		);
	}

	#[test]
	fn a_shorter_window_should_forget_what_is_older() {
		let mut state = CapState::new(CAP);
		assert!(state.capture(1, 30) && state.capture(8, 30));
		state.cap = Cap { per_window: 100, window: 2 };
		assert_eq!((state.headroom(9), state.headroom(10)), (70, 100));
		assert!(state.capture_before(10, 1, Some(&CAP)));
		assert_eq!(
			state.recent.to_vec(),
			[
				Capture { at: 1, amount: 30 },
				Capture { at: 8, amount: 30 },
				Capture { at: 10, amount: 1 },
			]
		);
		assert!(state.capture(10, 1));
		assert_eq!(state.recent.to_vec(), [Capture { at: 10, amount: 2 }]);
	}

	#[test]
	fn a_longer_window_should_count_no_more_than_one_stretch_beyond_it() {
		// One unit in every block, for much longer than the window that waits.
		let longer = Cap { per_window: 5_000, window: 1_000 };
		let mut state = CapState::new(Cap { per_window: 60, window: 60 });
		let mut refused = 0;
		for now in 1..=5_000 {
			refused += u32::from(!state.capture_before(now, 1, Some(&longer)));
			assert!(state.recent.len() <= 16);
		}
		// Nothing of the present cap is lost to the other one: still more than seven eighths.
		assert!(refused <= 5_000 / 8);
		let counted = 5_000 - CapState { cap: longer, ..state }.headroom(5_000);
		assert!((1_000 * 7 / 8..=1_000 + 143).contains(&counted), "{counted}");
	}

	/// What may happen to a cap.
	#[derive(Clone, Debug)]
	enum Step {
		Wait(BlockNumber),
		/// So many hundredths of the headroom, or one unit more than it.
		Capture(u8),
		/// Ask for another cap, which holds after some blocks unless it is looser.
		Set(Cap, BlockNumber),
	}

	fn cap(longest: BlockNumber) -> impl Strategy<Value = Cap> {
		(1..1_000u128, 1..=longest).prop_map(|(per_window, window)| Cap { per_window, window })
	}

	fn step(longest: BlockNumber) -> impl Strategy<Value = Step> {
		prop_oneof![
			4 => (0..4u32).prop_map(Step::Wait),
			1 => (0..2 * longest).prop_map(Step::Wait),
			8 => (1..=101u8).prop_map(Step::Capture),
			2 => (cap(longest), 0..30u32).prop_map(|(cap, delay)| Step::Set(cap, delay)),
		]
	}

	/// A cap that is changed as channels change it, beside a list of all that was captured.
	struct Changing {
		state: CapState,
		/// The block in which the cap in force was asked for.
		asked: BlockNumber,
		/// The cap that waits, when it was asked for, and when it holds.
		waiting: Option<(Cap, BlockNumber, BlockNumber)>,
		/// The longest stretch of any cap so far, and by how much all changes together can stretch it.
		stretch: (BlockNumber, BlockNumber),
		log: Vec<Capture>,
		/// What of it was not older than both windows at the last capture.
		known: Vec<Capture>,
		now: BlockNumber,
	}

	fn sum(log: &[Capture], from: BlockNumber) -> Balance {
		log.iter().filter(|capture| capture.at >= from).map(|capture| capture.amount).sum()
	}

	impl Changing {
		fn new(cap: Cap) -> Self {
			let (asked, now, length) = (100, 100, cap.window.div_ceil(STRETCHES));
			let (log, known, stretch) = (Vec::new(), Vec::new(), (length, length));
			Self { state: CapState::new(cap), asked, waiting: None, stretch, log, known, now }
		}

		/// The first block of the window in force.
		fn first(&self) -> BlockNumber {
			(self.now + 1).saturating_sub(self.state.cap.window)
		}

		fn wait(&mut self, blocks: BlockNumber) {
			self.now += blocks;
			if let Some((cap, asked, _)) = self.waiting.filter(|(_, _, from)| *from <= self.now) {
				(self.state.cap, self.asked, self.waiting) = (cap, asked, None);
			}
		}

		fn set(&mut self, cap: Cap, delay: BlockNumber) {
			let length = cap.window.div_ceil(STRETCHES);
			self.stretch = (self.stretch.0.max(length), self.stretch.1 + 2 * length);
			let delay = if cap.is_looser_than(&self.state.cap) { 0 } else { delay };
			self.waiting = Some((cap, self.now, self.now + delay));
			self.wait(0);
		}

		fn capture(&mut self, hundredths: u8) {
			let before = self.state.clone();
			let headroom = before.headroom(self.now);
			let next = self.waiting.map(|(cap, ..)| cap);
			if hundredths > 100 {
				assert!(!self.state.capture_before(self.now, headroom + 1, next.as_ref()));
				assert_eq!(self.state, before);
				return;
			}
			let amount = (headroom * Balance::from(hundredths)).div_ceil(100);
			assert!(self.state.capture_before(self.now, amount, next.as_ref()));
			assert_eq!(self.state.headroom(self.now), headroom - amount);
			let capture = Capture { at: self.now, amount };
			self.log.push(capture);
			let window = self.state.cap.window;
			let kept = next.map_or(window, |next| next.window.max(window));
			self.known.retain(|capture| capture.at + kept > self.now);
			self.known.push(capture);
			// The promise: since it was asked for, no more than the cap in its window.
			let since = self.first().max(self.asked);
			assert!(amount == 0 || sum(&self.log, since) <= self.state.cap.per_window);
		}

		fn check(&self) {
			let CapState { cap, recent } = &self.state;
			assert!(recent.windows(2).all(|pair| pair[0].at < pair[1].at));
			let (headroom, first) = (self.state.headroom(self.now), self.first());
			let left = |counted| cap.per_window.saturating_sub(counted);
			if self.stretch.0 == 1 {
				assert_eq!(headroom, left(sum(&self.known, first)));
			}
			// Nothing that is known is left out, and nothing counts for much longer than the window.
			assert!(headroom <= left(sum(&self.known, first)));
			assert!(headroom >= left(sum(&self.log, (first + 1).saturating_sub(self.stretch.1))));
			for later in self.now..self.now + 80 {
				assert!(self.state.headroom(later) <= self.state.headroom(later + 1));
			}
		}
	}

	proptest! {
		#[test]
		fn no_window_should_see_more_than_the_cap_though_it_is_changed(
			(first, steps) in prop_oneof![Just(7u32), Just(60)].prop_flat_map(|longest| {
				(cap(longest), prop::collection::vec(step(longest), 0..150))
			}),
		) {
			let mut changing = Changing::new(first);
			for step in steps {
				match step {
					Step::Wait(blocks) => changing.wait(blocks),
					Step::Capture(hundredths) => changing.capture(hundredths),
					Step::Set(cap, delay) => changing.set(cap, delay),
				}
				changing.check();
			}
		}

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
