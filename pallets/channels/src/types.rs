//! What the pallet stores and what its view functions return.

use crate::Config;
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use stoa_primitives::{
	channel::{Cap, CapState, MAX_LANES},
	keys::Key,
	money::ScheduleId,
	AccountId, AssetId, Balance, BlockNumber,
};

/// Most channels in one [`finalize`](crate::Pallet::finalize), and most that a block ends by itself.
pub const MAX_FINALIZE: u32 = 64;

/// Most assets in one batch: as many as referrers can be rewarded in.
pub const MAX_ASSETS: u32 = 8;

/// Whether a close was requested.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub enum Phase {
	/// The payee settles as it likes.
	#[codec(index = 0)]
	Open,
	/// The grace period runs or is over.
	#[codec(index = 1)]
	Closing {
		/// First block after the grace period: nothing can be settled any more, anyone can finalize.
		ends: BlockNumber,
		/// Whether the payer may keep the channel open after all: not when whoever put up the storage
		/// deposit has requested the close.
		cancellable: bool,
	},
}

/// Rows of the storage map of lanes: what lanes 1, 2 and so on have paid. Lanes beyond the end have
/// paid nothing; lane 0 is in the channel itself.
pub type LaneRow = BoundedVec<Balance, ConstU32<{ MAX_LANES as u32 - 1 }>>;

/// What the payer has changed and what the payee was given one grace period to react to.
///
/// Each part names the block from which it holds, which is a grace period after it was asked for.
#[derive(Clone, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Changes {
	/// A key that was replaced, and the first block in which it is no longer valid.
	pub key: Option<(Key, BlockNumber)>,
	/// The velocity cap that waits, and the first block in which it holds.
	pub cap: Option<(Option<Cap>, BlockNumber)>,
	/// Lanes that were revoked, and the first block in which nothing can be settled on them.
	pub revoked: BoundedVec<(u32, BlockNumber), ConstU32<{ MAX_LANES as u32 }>>,
}

impl Changes {
	/// The replaced key, as long as it is valid.
	pub(crate) fn retired_key(&self, now: BlockNumber) -> Option<&Key> {
		self.key.as_ref().filter(|(_, until)| now < *until).map(|(key, _)| key)
	}

	/// The first block in which nothing can be settled on a lane, if it was revoked.
	pub(crate) fn revoked_from(&self, lane: u32) -> Option<BlockNumber> {
		self.revoked.iter().find(|(other, _)| *other == lane).map(|(_, from)| *from)
	}

	/// The cap that holds now, given the one that was in force so far. Captures under that one count
	/// under the new one too.
	pub(crate) fn effective_cap(
		&self,
		current: Option<CapState>,
		now: BlockNumber,
	) -> Option<CapState> {
		match &self.cap {
			Some((waiting, from)) if *from <= now => {
				let recent = current.map(|state| state.recent).unwrap_or_default();
				waiting.map(|cap| CapState { cap, recent })
			},
			_ => current,
		}
	}

	/// The cap that waits, unless it is none.
	pub(crate) fn next_cap(&self) -> Option<&Cap> {
		self.cap.as_ref().and_then(|(cap, _)| cap.as_ref())
	}

	/// Drop what is over: a cap that has come into force and a key that is no longer valid.
	pub(crate) fn prune(&mut self, now: BlockNumber) {
		self.cap = self.cap.take().filter(|(_, from)| now < *from);
		self.key = self.key.take().filter(|(_, until)| now < *until);
	}
}

/// A channel, with the ticket of its storage deposit.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Channel<Ticket> {
	/// The side that pays, and gets back what is not settled.
	pub payer: AccountId,
	/// The side that is paid.
	pub payee: AccountId,
	/// In what is paid.
	pub asset: AssetId,
	/// The key that signs vouchers.
	pub key: Key,
	/// All that was ever locked. Only rises.
	pub deposit: Balance,
	/// All that was ever paid, the sum of all lanes. Only rises.
	pub settled: Balance,
	/// What lane 0 has paid. Only rises.
	pub lane0: Balance,
	/// How many lanes there are.
	pub lanes: u16,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// Whether a close was requested.
	pub phase: Phase,
	/// The velocity cap, if any.
	pub cap: Option<CapState>,
	/// Whether there is a row of [`Changes`]. Claims read that row for such channels only.
	pub pending: bool,
	/// The fee schedule that was current when the channel was opened.
	pub schedule: ScheduleId,
	/// The nonce of the pair that is part of the id.
	pub nonce: u64,
	/// Who put up the storage deposit, and gets it back.
	pub depositor: AccountId,
	/// The storage deposit.
	pub ticket: Ticket,
}

impl<Ticket> Channel<Ticket> {
	/// See [`Deadlines`].
	pub(crate) fn deadlines(&self, now: BlockNumber) -> Deadlines {
		match self.phase {
			// Saturating: at the end of time there is no later block to name.
			Phase::Open => {
				Deadlines { closing: false, refundable_from: now.saturating_add(self.grace) }
			},
			Phase::Closing { ends, .. } => Deadlines { closing: true, refundable_from: ends },
		}
	}
}

/// The channel of a runtime.
pub type ChannelOf<T> = Channel<<T as Config>::ChannelConsideration>;

/// The next nonce of a payer and a payee.
#[derive(Clone, Debug, Decode, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct NonceRow<Ticket> {
	/// What the next channel of the pair takes. Only rises.
	pub next: u64,
	/// Who put up the storage deposit.
	pub depositor: AccountId,
	/// The storage deposit, kept as long as the row: for good.
	pub ticket: Ticket,
}

/// The nonce row of a runtime.
pub type NonceRowOf<T> = NonceRow<<T as Config>::NonceConsideration>;

/// For how many records of one agent one operator put up the storage deposit.
#[derive(Clone, Copy, Debug, Decode, Default, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo)]
pub struct Sponsored {
	/// Channels that have not ended.
	pub channels: u32,
	/// Nonce rows.
	pub pairs: u32,
}

/// What ended a channel.
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
pub enum CloseReason {
	/// The payee closed it.
	#[codec(index = 0)]
	ByPayee,
	/// It was finalized after the grace period.
	#[codec(index = 1)]
	GraceOver,
	/// The payer closed it with the payee's consent.
	#[codec(index = 2)]
	ByConsent,
}

/// A channel as clients see it.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct ChannelView {
	/// The side that pays.
	pub payer: AccountId,
	/// The side that is paid.
	pub payee: AccountId,
	/// In what is paid.
	pub asset: AssetId,
	/// The key that signs vouchers.
	pub key: Key,
	/// All that was ever locked.
	pub deposit: Balance,
	/// All that was ever paid, before shares were taken.
	pub settled: Balance,
	/// What each lane has paid, lane 0 first; as many as there are lanes.
	pub lane_settled: Vec<Balance>,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// First block after the grace period, if a close was requested.
	pub ends: Option<BlockNumber>,
	/// Whether the payer may keep the channel open although a close was requested.
	pub cancellable: bool,
	/// The velocity cap in force, if any.
	pub cap: Option<CapState>,
	/// What holds after a grace period, or no longer does then.
	pub changes: Changes,
	/// The fee schedule that holds until the channel ends.
	pub schedule: ScheduleId,
	/// The nonce of the pair that is part of the id.
	pub nonce: u64,
	/// Who put up the storage deposit.
	pub depositor: AccountId,
}

impl ChannelView {
	/// A channel with its rows, as it is in block `now`.
	pub(crate) fn new<Ticket>(
		channel: Channel<Ticket>,
		lanes: LaneRow,
		mut changes: Changes,
		now: BlockNumber,
	) -> Self {
		let mut lane_settled = Vec::from([channel.lane0]);
		lane_settled.extend(lanes);
		lane_settled.resize(channel.lanes.into(), 0);
		let cap = changes.effective_cap(channel.cap, now);
		changes.prune(now);
		Self {
			payer: channel.payer,
			payee: channel.payee,
			asset: channel.asset,
			key: channel.key,
			deposit: channel.deposit,
			settled: channel.settled,
			lane_settled,
			grace: channel.grace,
			ends: match channel.phase {
				Phase::Open => None,
				Phase::Closing { ends, .. } => Some(ends),
			},
			cancellable: matches!(channel.phase, Phase::Closing { cancellable: true, .. }),
			cap,
			changes,
			schedule: channel.schedule,
			nonce: channel.nonce,
			depositor: channel.depositor,
		}
	}
}

/// When the payer can have its money back though everybody else is silent.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq, TypeInfo)]
pub struct Deadlines {
	/// Whether a close was requested.
	pub closing: bool,
	/// First block in which anyone can finalize. For an open channel: if the payer requests the close
	/// in the current block.
	pub refundable_from: BlockNumber,
}
