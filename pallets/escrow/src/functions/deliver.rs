//! Delivery and what the buyer says to it.

use super::*;
use stoa_primitives::agreement::lock_of;

impl<T: Config> Pallet<T> {
	/// Fails unless the seller can deliver now.
	fn ensure_deliverable(state: State) -> Result<(), Error<T>> {
		match state {
			State::Funded { deliver_by } | State::Reworking { deliver_by } => {
				ensure!(Self::now() <= deliver_by, Error::<T>::DeliveryOver);
				Ok(())
			},
			State::Delivered { .. } | State::Disputed { .. } => Err(Error::<T>::AlreadyDelivered),
			State::Ended(_) => Err(Error::<T>::MilestoneEnded),
		}
	}

	/// Fails unless the buyer can refuse a delivery now.
	pub(super) fn ensure_in_review(state: State) -> Result<(), Error<T>> {
		let State::Delivered { review_until } = state else {
			return Err(Error::<T>::NotDelivered);
		};
		ensure!(Self::now() <= review_until, Error::<T>::ReviewOver);
		Ok(())
	}

	pub(crate) fn do_deliver(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		evidence: Evidence,
	) -> DispatchResult {
		Self::ensure_uri(&evidence)?;
		let (mut agreement, index, terms, mut progress) =
			Self::find_for(&by, Side::Seller, &id, milestone)?;
		ensure!(terms.lock.is_none(), Error::<T>::Locked);
		Self::ensure_deliverable(progress.state)?;
		let review_until = Self::after(terms.review);
		progress.state = State::Delivered { review_until };
		progress.delivery = Some(evidence.digest);
		agreement.touch(Some(Side::Seller));
		Self::set(&mut agreement, index, progress)?;
		Agreements::<T>::insert(id, agreement);
		Self::deposit_event(Event::Delivered { id, milestone, evidence, review_until });
		Ok(())
	}

	pub(crate) fn do_reveal(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		key: [u8; 32],
	) -> DispatchResult {
		let (mut agreement, index, terms, mut progress) =
			Self::find_for(&by, Side::Seller, &id, milestone)?;
		let lock = terms.lock.ok_or(Error::<T>::NotLocked)?;
		Self::ensure_deliverable(progress.state)?;
		ensure!(lock_of(&key) == lock, Error::<T>::WrongKey);
		let review_until = Self::after(terms.review);
		progress.state = State::Delivered { review_until };
		progress.delivery = Some(key);
		agreement.touch(Some(Side::Seller));
		Self::set(&mut agreement, index, progress)?;
		Self::deposit_event(Event::Revealed { id, milestone, key, review_until });
		if terms.review == 0 {
			Self::release_rest(id, &mut agreement, index)?;
		}
		Self::store(id, agreement)
	}

	pub(crate) fn do_accept(by: AccountId, id: AgreementId, milestone: u32) -> DispatchResult {
		let (mut agreement, index, _, progress) = Self::find_for(&by, Side::Buyer, &id, milestone)?;
		// Even when the review is over: what is due then is the same.
		let is_delivered = matches!(progress.state, State::Delivered { .. });
		ensure!(is_delivered, Error::<T>::NotDelivered);
		agreement.touch(Some(Side::Buyer));
		Self::release_rest(id, &mut agreement, index)?;
		Self::store(id, agreement)
	}

	pub(crate) fn do_release(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		amount: Balance,
	) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroRelease);
		let (mut agreement, index, _, mut progress) =
			Self::find_for(&by, Side::Buyer, &id, milestone)?;
		let open = agreement.open(index);
		ensure!(amount <= open, Error::<T>::AboveOpen);
		agreement.touch(Some(Side::Buyer));
		if amount == open {
			Self::release_rest(id, &mut agreement, index)?;
		} else {
			progress.released =
				progress.released.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
			Self::set(&mut agreement, index, progress)?;
			Self::pay(id, &mut agreement, amount)?;
			let open = open.saturating_sub(amount);
			Self::deposit_event(Event::PartReleased { id, milestone, amount, open });
		}
		Self::store(id, agreement)
	}

	pub(crate) fn do_request_changes(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		evidence: Evidence,
	) -> DispatchResult {
		Self::ensure_uri(&evidence)?;
		let (mut agreement, index, terms, mut progress) =
			Self::find_for(&by, Side::Buyer, &id, milestone)?;
		Self::ensure_in_review(progress.state)?;
		let left = terms.changes.checked_sub(progress.changes).filter(|left| *left > 0);
		let left = left.ok_or(Error::<T>::NoChangesLeft)?.saturating_sub(1);
		let deliver_by = Self::after(terms.rework);
		// Saturating: it is below the number of changes that there are.
		progress.changes = progress.changes.saturating_add(1);
		progress.state = State::Reworking { deliver_by };
		agreement.touch(Some(Side::Buyer));
		Self::set(&mut agreement, index, progress)?;
		Agreements::<T>::insert(id, agreement);
		let event = Event::ChangesRequested { id, milestone, evidence, deliver_by, left };
		Self::deposit_event(event);
		Ok(())
	}
}
