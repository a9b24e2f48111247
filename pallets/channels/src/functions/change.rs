//! What a payer can change while a channel lives. Whatever could hurt the payee takes effect after one
//! grace period, so that it can settle before.

use super::*;
use sp_runtime::{ArithmeticError, DispatchError, DispatchResult};
use stoa_primitives::channel::{Cap, CapState};

impl<T: Config> Pallet<T> {
	/// Let the payer change its channel: `change` is given the channel and its changes as they are now,
	/// the present block, and the block from which a restriction holds.
	fn change(
		by: &AccountId,
		id: ChannelId,
		change: impl FnOnce(
			&mut ChannelOf<T>,
			&mut Changes,
			BlockNumber,
			BlockNumber,
		) -> Result<Event<T>, DispatchError>,
	) -> DispatchResult {
		let mut channel = Self::find(&id)?;
		ensure!(channel.payer == *by, Error::<T>::NotPayer);
		let now = Self::now();
		Self::ensure_live(&channel, now)?;
		let from = now.checked_add(channel.grace).ok_or(ArithmeticError::Overflow)?;
		let mut changes = Self::changes(&id, &channel);
		channel.cap = changes.effective_cap(channel.cap.take(), now);
		changes.prune(now);
		let event = change(&mut channel, &mut changes, now, from)?;
		Self::put_changes(id, &mut channel, changes);
		Channels::<T>::insert(id, channel);
		Self::deposit_event(event);
		Ok(())
	}

	/// Store the changes of a channel, and note in the channel, which is left to the caller to store,
	/// whether there are any.
	pub(super) fn put_changes(id: ChannelId, channel: &mut ChannelOf<T>, changes: Changes) {
		if changes != Changes::default() {
			channel.pending = true;
			Waiting::<T>::insert(id, changes);
		} else if channel.pending {
			channel.pending = false;
			Waiting::<T>::remove(id);
		}
	}

	pub(crate) fn do_rotate_key(by: AccountId, id: ChannelId, key: Key) -> DispatchResult {
		Self::change(&by, id, |channel, changes, _, until| {
			ensure!(key != channel.key, Error::<T>::SameKey);
			ensure!(changes.key.is_none(), Error::<T>::RotationRunning);
			changes.key = Some((channel.key, until));
			channel.key = key;
			Ok(Event::KeyRotated { id, key, until })
		})
	}

	pub(crate) fn do_set_cap(by: AccountId, id: ChannelId, cap: Option<Cap>) -> DispatchResult {
		ensure!(cap.is_none_or(|cap| cap.is_valid()), Error::<T>::CapOutOfBounds);
		Self::change(&by, id, |channel, changes, now, later| {
			let at_once = match (&channel.cap, &cap) {
				(_, None) => true,
				(None, Some(_)) => false,
				(Some(current), Some(cap)) => cap.is_looser_than(&current.cap),
			};
			let from = if at_once {
				let recent = channel.cap.take().map(|state| state.recent).unwrap_or_default();
				channel.cap = cap.map(|cap| CapState { cap, recent });
				changes.cap = None;
				now
			} else {
				changes.cap = Some((cap, later));
				later
			};
			Ok(Event::CapSet { id, cap, from })
		})
	}

	pub(crate) fn do_revoke_lane(by: AccountId, id: ChannelId, lane: u32) -> DispatchResult {
		Self::change(&by, id, |channel, changes, _, from| {
			ensure!(lane < u32::from(channel.lanes), Error::<T>::UnknownLane);
			ensure!(changes.revoked_from(lane).is_none(), Error::<T>::LaneRevoked);
			// There is room for as many as a channel can have lanes.
			changes.revoked.try_push((lane, from)).map_err(|_| ArithmeticError::Overflow)?;
			Ok(Event::LaneRevoked { id, lane, from })
		})
	}
}
