//! What must hold after every block.

use crate::{pallet::*, types::Phase, Sponsored};
use alloc::collections::BTreeMap;
use frame_support::ensure;
use sp_runtime::{traits::BlockNumberProvider, TryRuntimeError};
use stoa_primitives::{
	channel::{channel_id, MAX_GRACE, MIN_GRACE},
	money::LockReason,
	traits::{Ledger, Locker},
	AccountId,
};

impl<T: Config> Pallet<T> {
	/// Check the state of the pallet.
	///
	/// # Invariants
	///
	/// 1. `lane0 == settled ≤ deposit`, and the deposit is not zero.
	/// 2. Per asset, what channels still hold is what the ledger keeps in their purse.
	/// 3. A channel's id is made of its own fields, and its nonce is below the next of its pair.
	/// 4. A sponsor's counts are those of its agent's channels and nonce rows, and none is empty.
	/// 5. Grace periods are within bounds, and none that runs ends later than one from now.
	/// 6. Payer and payee differ; there is one lane, no cap and no pending change.
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		Self::try_state_channels()?;
		Self::try_state_purse()?;
		Self::try_state_sponsorships()
	}

	/// Invariants 1, 3, 5 and 6.
	fn try_state_channels() -> Result<(), TryRuntimeError> {
		let (domain, now) = (Self::domain(), T::BlockNumberProvider::current_block_number());
		for (id, channel) in Channels::<T>::iter() {
			ensure!(channel.lane0 == channel.settled, "lanes do not sum to what is settled");
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
			ensure!(
				channel.lanes == 1 && channel.cap.is_none() && !channel.pending,
				"an unsupported channel"
			);
		}
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
