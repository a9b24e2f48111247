//! What the calls do, by phase of a channel's life.

mod change;
mod close;
mod open;
mod settle;

use crate::{pallet::*, types::*};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::MaxEncodedLen;
use frame_support::{ensure, traits::Footprint};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::traits::{BlockNumberProvider, Zero};
use stoa_primitives::{
	channel::{Cap, ChannelId},
	keys::Key,
	money::LockReason,
	payload::Domain,
	traits::Locker,
	AccountId, AssetId, Balance, BlockNumber,
};

pub(crate) use open::Opening;

/// Length of two accounts as `Blake2_128Concat` keys.
const PAIR_KEY: usize = 96;

impl<T: Config> Pallet<T> {
	/// What binds a signature to this chain and to channels.
	pub(crate) fn domain() -> Domain {
		Domain::channels(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()))
	}

	pub(crate) fn now() -> BlockNumber {
		T::BlockNumberProvider::current_block_number()
	}

	fn find(id: &ChannelId) -> Result<ChannelOf<T>, Error<T>> {
		Channels::<T>::get(id).ok_or(Error::<T>::UnknownChannel)
	}

	/// The row of changes of a channel, which there is only if the channel says so.
	pub(crate) fn changes(id: &ChannelId, channel: &ChannelOf<T>) -> Changes {
		if channel.pending {
			Waiting::<T>::get(id)
		} else {
			Changes::default()
		}
	}

	/// Fails when the grace period of a requested close is over.
	fn ensure_live(channel: &ChannelOf<T>, now: BlockNumber) -> Result<(), Error<T>> {
		if let Phase::Closing { ends, .. } = channel.phase {
			ensure!(now < ends, Error::<T>::GraceOver);
		}
		Ok(())
	}

	/// What the storage deposit of a channel with so many lanes covers: all its rows, those included
	/// that come later, and a sponsor's counter.
	pub(crate) fn channel_footprint(lanes: u16) -> Footprint {
		let lanes = usize::from(lanes);
		let id = ChannelId::max_encoded_len();
		// Of lanes: what all but the first have paid, and the block from which each is revoked.
		let per_lane = Balance::max_encoded_len()
			.saturating_add(u32::max_encoded_len())
			.saturating_add(BlockNumber::max_encoded_len());
		let due = id.saturating_add(BlockNumber::max_encoded_len()).saturating_add(8);
		let change = id
			.saturating_add(Key::max_encoded_len())
			.saturating_add(<Option<Cap>>::max_encoded_len())
			.saturating_add(BlockNumber::max_encoded_len().saturating_mul(2))
			// Two flags and a length.
			.saturating_add(4);
		let sponsored = PAIR_KEY.saturating_add(Sponsored::max_encoded_len());
		let size = id
			.saturating_add(ChannelOf::<T>::max_encoded_len())
			.saturating_add(lanes.saturating_mul(per_lane))
			// The key and the length of the row of lanes.
			.saturating_add(id.saturating_add(2))
			.saturating_add(due)
			.saturating_add(change)
			.saturating_add(sponsored);
		Footprint::from_parts(1, size)
	}

	/// What the storage deposit of a nonce row covers. A sponsor's counter is part of it.
	pub(crate) fn nonce_footprint() -> Footprint {
		let sponsored = PAIR_KEY.saturating_add(Sponsored::max_encoded_len());
		let row = NonceRow::<T::NonceConsideration>::max_encoded_len();
		Footprint::from_parts(1, PAIR_KEY.saturating_add(row).saturating_add(sponsored))
	}
}

impl<T: Config> Locker for Pallet<T> {
	const REASON: LockReason = LockReason::Channel;

	fn locked_totals() -> Vec<(AssetId, Balance)> {
		let mut totals = BTreeMap::<AssetId, Balance>::new();
		for channel in Channels::<T>::iter_values() {
			// Saturating: a sum or difference out of range differs from the ledger's, which shows it.
			let locked = channel.deposit.saturating_sub(channel.settled);
			let total = totals.entry(channel.asset).or_default();
			*total = total.saturating_add(locked);
		}
		totals.into_iter().collect()
	}
}
