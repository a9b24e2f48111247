//! What the pallet stores and what its view functions return.

use crate::Config;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use stoa_primitives::{
	channel::Cap, keys::Key, money::ScheduleId, AccountId, AssetId, Balance, BlockNumber,
};

/// Most channels in one [`finalize`](crate::Pallet::finalize).
pub const MAX_FINALIZE: u32 = 64;

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

/// A velocity cap and what was captured under it.
///
/// Counted in adjacent windows. Any span of one window overlaps at most two of them, so a bound on
/// the sum of two holds in every span.
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
pub struct CapState {
	/// The cap.
	pub cap: Cap,
	/// First block of the current window.
	pub since: BlockNumber,
	/// Captured in the current window.
	pub current: Balance,
	/// Captured in the window before.
	pub previous: Balance,
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
	/// Whether a row of its own holds changes that wait for one grace period: another key, a tighter
	/// cap, a lane without use. None can be made so far. Claims read that row for such channels only.
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
	/// What lane 0 has paid.
	pub lane0: Balance,
	/// How many lanes there are.
	pub lanes: u16,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// First block after the grace period, if a close was requested.
	pub ends: Option<BlockNumber>,
	/// Whether the payer may keep the channel open although a close was requested.
	pub cancellable: bool,
	/// The velocity cap, if any.
	pub cap: Option<CapState>,
	/// The fee schedule that holds until the channel ends.
	pub schedule: ScheduleId,
	/// The nonce of the pair that is part of the id.
	pub nonce: u64,
	/// Who put up the storage deposit.
	pub depositor: AccountId,
}

impl<Ticket> From<Channel<Ticket>> for ChannelView {
	fn from(channel: Channel<Ticket>) -> Self {
		Self {
			payer: channel.payer,
			payee: channel.payee,
			asset: channel.asset,
			key: channel.key,
			deposit: channel.deposit,
			settled: channel.settled,
			lane0: channel.lane0,
			lanes: channel.lanes,
			grace: channel.grace,
			ends: match channel.phase {
				Phase::Open => None,
				Phase::Closing { ends, .. } => Some(ends),
			},
			cancellable: matches!(channel.phase, Phase::Closing { cancellable: true, .. }),
			cap: channel.cap,
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
