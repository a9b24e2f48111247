//! What must hold after every block.

use crate::{pallet::*, types::Phase, Changes, Sponsored};
use alloc::collections::{BTreeMap, BTreeSet};
use frame_support::ensure;
use sp_runtime::TryRuntimeError;
use stoa_primitives::{
	channel::{channel_id, MAX_GRACE, MAX_LANES, MIN_GRACE},
	money::LockReason,
	traits::{Ledger, Locker},
	AccountId,
};

impl<T: Config> Pallet<T> {
	/// Check the state of the pallet.
	///
	/// # Invariants
	///
	/// 1. All lanes together are what is settled, which is no more than the deposit, which is not zero.
	/// 2. Per asset, what channels still hold is what the ledger keeps in their purse.
	/// 3. A channel's id is made of its own fields, and its nonce is below the next of its pair.
	/// 4. A sponsor's counts are those of its agent's channels and nonce rows, and none is empty.
	/// 5. Grace periods are within bounds, and none that runs ends later than one from now.
	/// 6. Payer and payee differ; the number of lanes and the caps, in force or waiting, are within
	///    bounds, and captures are in order.
	/// 7. There is a row of lanes only for a channel with more than one, and no longer than they are.
	/// 8. There is a row of changes exactly for each channel that says so; none is empty, no lane is
	///    revoked twice, none waits longer than one grace period from now.
	/// 9. Only channels whose close was requested are due, each in the block in which its grace period is
	///    over, and none in a block that was worked through. A channel that closes and is not due was
	///    tried by a block and could not be ended, as an event has said: it waits for `finalize`.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_state_channels()?;
		Self::try_state_rows()?;
		Self::try_state_due()?;
		Self::try_state_purse()?;
		Self::try_state_sponsorships()
	}

	/// Invariants 1, 3, 5 and 6.
	fn try_state_channels() -> Result<(), TryRuntimeError> {
		let (domain, now) = (Self::domain(), Self::now());
		for (id, channel) in Channels::<T>::iter() {
			let others = Lanes::<T>::get(id);
			let sum = others.iter().try_fold(channel.lane0, |sum, paid| sum.checked_add(*paid));
			ensure!(sum == Some(channel.settled), "lanes do not sum to what is settled");
			ensure!(channel.settled <= channel.deposit, "more is settled than deposited");
			ensure!(channel.deposit > 0, "a channel has no deposit");

			let of_fields =
				channel_id(&domain, &channel.payer, &channel.payee, &channel.asset, channel.nonce);
			ensure!(id == of_fields, "a channel id is not that of its fields");
			let row = Nonces::<T>::get(&channel.payer, &channel.payee)
				.ok_or("a channel's pair has no nonce row")?;
			ensure!(channel.nonce < row.next, "a nonce can be used again");

			ensure!(
				(MIN_GRACE..=MAX_GRACE).contains(&channel.grace),
				"a grace period is out of bounds"
			);
			if let Phase::Closing { ends, .. } = channel.phase {
				// Saturating: no end is later than the last block there can be.
				ensure!(ends <= now.saturating_add(channel.grace), "a grace period was extended");
			}

			ensure!(channel.payer != channel.payee, "a channel leads to its payer");
			ensure!((1..=MAX_LANES).contains(&channel.lanes), "too many or too few lanes");
			if let Some(state) = &channel.cap {
				ensure!(state.cap.is_valid(), "a velocity cap is out of bounds");
				let blocks = state.recent.iter().zip(state.recent.iter().skip(1));
				ensure!(blocks.clone().all(|(a, b)| a.at < b.at), "captures are out of order");
			}
		}
		Ok(())
	}

	/// Invariants 7 and 8.
	fn try_state_rows() -> Result<(), TryRuntimeError> {
		for (id, row) in Lanes::<T>::iter() {
			let channel = Channels::<T>::get(id).ok_or("lanes of no channel")?;
			ensure!(row.len() < usize::from(channel.lanes), "a row of lanes is too long");
		}
		let pending = Channels::<T>::iter().filter(|(_, channel)| channel.pending).count();
		ensure!(pending == Waiting::<T>::iter().count(), "changes and channels do not match");
		let now = Self::now();
		for (id, changes) in Waiting::<T>::iter() {
			let channel = Channels::<T>::get(id).ok_or("changes of no channel")?;
			ensure!(channel.pending && changes != Changes::default(), "an empty row of changes");
			let revoked: BTreeSet<_> = changes.revoked.iter().map(|(lane, _)| *lane).collect();
			ensure!(revoked.len() == changes.revoked.len(), "a lane is revoked twice");
			ensure!(
				revoked.iter().all(|lane| *lane < u32::from(channel.lanes)),
				"a lane is revoked that there is not"
			);
			let waiting = changes.cap.as_ref().and_then(|(cap, _)| *cap);
			ensure!(waiting.is_none_or(|cap| cap.is_valid()), "a waiting cap is out of bounds");
			// Saturating: no block is later than the last there can be.
			let latest = now.saturating_add(channel.grace);
			let blocks = changes.revoked.iter().map(|(_, from)| *from);
			let blocks = blocks.chain(changes.cap.iter().map(|(_, from)| *from));
			let mut blocks = blocks.chain(changes.key.iter().map(|(_, until)| *until));
			ensure!(blocks.all(|block| block <= latest), "a change waits too long");
		}
		Ok(())
	}

	/// Invariant 9.
	fn try_state_due() -> Result<(), TryRuntimeError> {
		let closing: BTreeSet<_> = Channels::<T>::iter()
			.filter_map(|(id, channel)| match channel.phase {
				Phase::Open => None,
				Phase::Closing { ends, .. } => Some((ends, id)),
			})
			.collect();
		let due: BTreeSet<_> = Due::<T>::iter_keys().collect();
		ensure!(due.is_subset(&closing), "a channel is due that does not close in that block");
		let next = NextDue::<T>::get();
		ensure!(due.iter().all(|(block, _)| *block >= next), "a due channel was passed over");
		ensure!(
			closing.difference(&due).all(|(ends, _)| *ends <= next),
			"a channel closes and is not due, though nothing has tried to end it"
		);
		Ok(())
	}

	/// Invariant 2. An asset without any channel is not seen from here, only from the ledger.
	fn try_state_purse() -> Result<(), TryRuntimeError> {
		for (asset, total) in Self::locked_totals() {
			ensure!(
				total == T::Ledger::locked(&asset, LockReason::Channel),
				"the purse of channels is not what they hold"
			);
		}
		Ok(())
	}

	/// Invariant 4.
	fn try_state_sponsorships() -> Result<(), TryRuntimeError> {
		let mut counts = BTreeMap::<(AccountId, AccountId), Sponsored>::new();
		for channel in Channels::<T>::iter_values() {
			if channel.depositor != channel.payer {
				let count = counts.entry((channel.depositor, channel.payer)).or_default();
				count.channels = count.channels.saturating_add(1);
			}
		}
		for (payer, _, row) in Nonces::<T>::iter() {
			if row.depositor != payer {
				let count = counts.entry((row.depositor, payer)).or_default();
				count.pairs = count.pairs.saturating_add(1);
			}
		}
		let stored: BTreeMap<_, _> = Sponsorships::<T>::iter()
			.map(|(operator, agent, row)| ((operator, agent), row))
			.collect();
		ensure!(stored == counts, "sponsored records are counted wrongly");
		Ok(())
	}
}
