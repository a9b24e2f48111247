//! Ending channels.

use super::*;
use crate::{weights::WeightInfo, work};
use codec::Encode;
use frame_support::{
	dispatch::{DispatchResultWithPostInfo, WithPostDispatchInfo},
	storage::with_storage_layer,
	traits::{Consideration, Defensive},
	weights::{Weight, WeightMeter},
};
use sp_runtime::{ArithmeticError, DispatchResult};
use stoa_primitives::{
	agent::Scope,
	channel::Item,
	keys::AgentSignature,
	payload::{CloseConsent, Payload},
	traits::{AgentRegistry, Ledger, OutcomeHook, Settlement},
};

impl<T: Config> Pallet<T> {
	pub(crate) fn do_request_close(by: AccountId, id: ChannelId) -> DispatchResult {
		let mut channel = Self::find(&id)?;
		let by_payer = by == channel.payer;
		ensure!(by_payer || by == channel.depositor, Error::<T>::NotPayer);
		let ends = match channel.phase {
			Phase::Open => {
				let ends =
					Self::now().checked_add(channel.grace).ok_or(ArithmeticError::Overflow)?;
				Due::<T>::insert(ends, id, ());
				ends
			},
			// What the payer has requested, the sponsor can make final. It is due already.
			Phase::Closing { ends, cancellable: true } if !by_payer => ends,
			Phase::Closing { .. } => return Err(Error::<T>::AlreadyClosing.into()),
		};
		channel.phase = Phase::Closing { ends, cancellable: by_payer };
		Channels::<T>::insert(id, channel);
		Self::deposit_event(Event::CloseRequested { id, by, ends });
		Ok(())
	}

	pub(crate) fn do_cancel_close(by: AccountId, id: ChannelId) -> DispatchResult {
		let mut channel = Self::find(&id)?;
		ensure!(by == channel.payer, Error::<T>::NotPayer);
		let Phase::Closing { ends, cancellable } = channel.phase else {
			return Err(Error::<T>::NotClosing.into());
		};
		ensure!(cancellable, Error::<T>::ClosedBySponsor);
		ensure!(Self::now() < ends, Error::<T>::GraceOver);
		channel.phase = Phase::Open;
		Channels::<T>::insert(id, channel);
		Due::<T>::remove(ends, id);
		Self::deposit_event(Event::CloseCancelled { id });
		Ok(())
	}

	pub(crate) fn do_close(
		by: AccountId,
		id: ChannelId,
		last: Option<Item>,
	) -> DispatchResultWithPostInfo {
		ensure!(by == Self::find(&id)?.payee, Error::<T>::NotPayee);
		let Some(item) = last else {
			Self::end(id, CloseReason::ByPayee)?;
			return Ok(().into());
		};
		ensure!(item.channel == id, Error::<T>::ItemOfAnotherChannel);
		let mut batch = settle::Batch::new(by);
		let declared = work::close_weight::<T>(Some(&item));
		let weight = |batch: &settle::Batch<T>| {
			T::WeightInfo::close().saturating_add(batch.weight()).min(declared)
		};
		if let Err(unpaid) = batch.settle(&item) {
			return Err(unpaid.error.with_weight(weight(&batch)));
		}
		Self::end(id, CloseReason::ByPayee)?;
		Ok(batch.outcome(weight(&batch), item.encoded_size().saturating_add(id.len())))
	}

	pub(crate) fn do_close_with_consent(
		by: AccountId,
		id: ChannelId,
		total: Balance,
		expires: BlockNumber,
		signature: &AgentSignature,
	) -> DispatchResult {
		let mut channel = Self::find(&id)?;
		ensure!(by == channel.payer, Error::<T>::NotPayer);
		ensure!(Self::now() <= expires, Error::<T>::ConsentExpired);
		ensure!(total <= channel.deposit, Error::<T>::AboveDeposit);
		let gross = total.checked_sub(channel.settled).ok_or(Error::<T>::BelowSettled)?;
		let message = CloseConsent { channel: id, total, expires }.to_bytes(&Self::domain());
		T::Registry::verify(&channel.payee, Scope::Voucher, &message, signature)?;
		if gross > 0 {
			let settle = Self::settlement(id, &channel, gross);
			channel.settled = total;
			Channels::<T>::insert(id, channel);
			T::Settlement::settle(settle)?;
		}
		Self::end(id, CloseReason::ByConsent)
	}

	pub(crate) fn do_finalize(ids: &[ChannelId]) -> DispatchResultWithPostInfo {
		ensure!(!ids.is_empty(), Error::<T>::EmptyBatch);
		let now = Self::now();
		// Whether an id was due decides what it cost, whether it ended what the call says.
		let (mut due, mut ended) = (0usize, 0usize);
		let mut refusal = None;
		for id in ids {
			let result = Self::ensure_due(id, now).map_err(Into::into).and_then(|()| {
				due = due.saturating_add(1);
				with_storage_layer(|| Self::end(*id, CloseReason::GraceOver))
			});
			match result {
				Ok(()) => ended = ended.saturating_add(1),
				Err(error) => {
					refusal = Some(error);
					Self::deposit_event(Event::FinalizeSkipped { id: *id, error });
				},
			}
		}
		let declared = work::finalize_weight::<T>(ids.len(), 0);
		let weight = work::finalize_weight::<T>(due, ids.len().saturating_sub(due)).min(declared);
		match refusal {
			Some(error) if ids.len() == 1 => Err(error.with_weight(weight)),
			Some(_) if ended == 0 => Err(Error::<T>::NothingToFinalize.with_weight(weight)),
			_ => Ok(Some(weight).into()),
		}
	}

	fn ensure_due(id: &ChannelId, now: BlockNumber) -> Result<(), Error<T>> {
		match Self::find(id)?.phase {
			Phase::Open => Err(Error::NotClosing),
			Phase::Closing { ends, .. } if now < ends => Err(Error::GraceRunning),
			Phase::Closing { .. } => Ok(()),
		}
	}

	/// End channels whose grace period is over, oldest first, as far as `limit` goes and no more than
	/// [`MAX_FINALIZE`], so that the work is one that was measured. What is left is for the next block,
	/// or for anybody's `finalize`.
	pub(crate) fn finalize_due(limit: Weight) -> Weight {
		let mut meter = WeightMeter::with_limit(limit);
		if meter.try_consume(T::WeightInfo::on_idle(0)).is_err() {
			return meter.consumed();
		}
		let per_block = work::per_item(T::WeightInfo::on_idle_blocks);
		let now = Self::now();
		let start = NextDue::<T>::get();
		let (mut block, mut left) = (start, MAX_FINALIZE);
		while block <= now && meter.try_consume(per_block).is_ok() {
			let is_done = Self::finalize_due_in(block, &mut left, &mut meter);
			let Some(next) = block.checked_add(1).filter(|_| is_done) else { break };
			block = next;
		}
		if block != start {
			NextDue::<T>::put(block);
		}
		meter.consumed()
	}

	/// End channels that are due in `block`, `left` at most, which becomes less, and as many as the meter
	/// admits. Returns whether there are no more of them.
	fn finalize_due_in(block: BlockNumber, left: &mut u32, meter: &mut WeightMeter) -> bool {
		let per_channel = work::per_item(T::WeightInfo::on_idle);
		let admitted = meter.remaining().checked_div_per_component(&per_channel);
		let room = admitted.unwrap_or(u64::MAX).min((*left).into());
		// Removal while iterating is not defined for storage maps, and to look for each anew would mean
		// to pass all that are gone: so all ids first. No more than `MAX_FINALIZE`.
		let mut due = Due::<T>::iter_key_prefix(block);
		let ids: Vec<_> = due.by_ref().take(usize::try_from(room).unwrap_or(usize::MAX)).collect();
		let is_last = due.next().is_none();
		for id in ids {
			// There is room for it.
			meter.consume(per_channel);
			*left = left.saturating_sub(1);
			// Whatever comes of it, the others get their turn, and `finalize` can try again.
			Due::<T>::remove(block, id);
			let ended = with_storage_layer(|| Self::end(id, CloseReason::GraceOver));
			if let Err(error) = ended {
				Self::deposit_event(Event::FinalizeSkipped { id, error });
			}
		}
		is_last
	}

	/// Remove a channel and its rows, and give back what is left of both deposits.
	fn end(id: ChannelId, reason: CloseReason) -> DispatchResult {
		let channel = Channels::<T>::take(id).ok_or(Error::<T>::UnknownChannel)?;
		let Channel { payer, payee, asset, deposit, settled, depositor, ticket, .. } = channel;
		let refunded = deposit.checked_sub(settled).ok_or(ArithmeticError::Underflow)?;
		if refunded > 0 {
			T::Ledger::unlock(&payer, &asset, refunded, LockReason::Channel)?;
			T::Outcome::refunded(&payer, &payee, &asset, refunded);
		}
		if channel.lanes > 1 {
			Lanes::<T>::remove(id);
		}
		if channel.pending {
			Waiting::<T>::remove(id);
		}
		if let Phase::Closing { ends, .. } = channel.phase {
			Due::<T>::remove(ends, id);
		}
		if depositor != payer {
			Sponsorships::<T>::mutate_exists(&depositor, &payer, |row| {
				let mut sponsored = row.take().unwrap_or_default();
				// Saturating: a wrong count must not keep anybody from its money. `try_state` sees it.
				sponsored.channels = sponsored.channels.saturating_sub(1);
				*row = (sponsored != Sponsored::default()).then_some(sponsored);
			});
		}
		// Neither must a storage deposit that cannot be given back.
		let _: DispatchResult = ticket.drop(&depositor).defensive();
		Self::deposit_event(Event::Closed { id, paid: settled, refunded, reason });
		Ok(())
	}
}
