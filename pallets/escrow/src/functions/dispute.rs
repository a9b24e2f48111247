//! Disputes and rulings.

use super::{end::Verdict, *};
use sp_runtime::Permill;
use stoa_primitives::traits::{Ledger, OutcomeHook, SpendGuard};

impl<T: Config> Pallet<T> {
	/// Fails unless `side` can dispute a milestone that is in this state: the buyer what it reviews, the
	/// seller a request for changes.
	fn ensure_disputable(state: State, side: Side) -> Result<(), Error<T>> {
		match (state, side) {
			(State::Disputed { .. }, _) => Err(Error::<T>::AlreadyDisputed),
			(_, Side::Buyer) => Self::ensure_in_review(state),
			(State::Reworking { deliver_by }, Side::Seller) => {
				ensure!(Self::now() <= deliver_by, Error::<T>::DeliveryOver);
				Ok(())
			},
			(_, Side::Seller) => Err(Error::<T>::NoChangesRequested),
		}
	}

	pub(crate) fn do_dispute(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		evidence: Evidence,
	) -> DispatchResult {
		Self::ensure_uri(&evidence)?;
		let mut agreement = Self::find(&id)?;
		let side = Self::side_of(&agreement.offer, &by)?;
		let (index, _, mut progress) = Self::milestone(&agreement, milestone)?;
		Self::ensure_disputable(progress.state, side)?;
		let opened = Self::now();
		let offer = &agreement.offer;
		let (asset, fee) = (offer.asset.clone(), offer.panel.fee);
		let case = Self::case(id, offer, index, opened);
		if fee > 0 {
			// A spend like any other. Towards the other side, with which the operator lets it trade.
			T::SpendGuard::ensure_may_spend(&by, offer.party(side.other()), &asset, fee)?;
			ensure!(T::Ledger::free(&by, &asset) >= fee, Error::<T>::DisputerCannotPay);
			T::Ledger::lock(&by, &asset, fee, PURSE)?;
		}
		if side == Side::Buyer {
			T::Outcome::disputed(&offer.buyer, &offer.seller);
		}
		T::Arbitration::opened(&offer.panel, &case);
		let ends = T::Arbitration::ends(&offer.panel, &case);
		agreement.disputes = agreement.disputes.saturating_add(1);
		progress.state = State::Disputed { by: side, opened, answered: false };
		agreement.touch(Some(side));
		Self::set(&mut agreement, index, progress)?;
		Self::deposit_event(Event::Disputed { id, milestone, by: side, evidence, fee, ends });
		if ends.is_none() {
			Self::fall_back(id, &mut agreement, index)?;
		}
		Self::store(id, agreement)
	}

	/// Nobody has ruled: what is open is divided as the offer says.
	pub(super) fn fall_back(
		id: AgreementId,
		agreement: &mut AgreementOf<T>,
		index: usize,
	) -> DispatchResult {
		let division = Division::fallback(agreement.open(index), agreement.offer.panel.fallback);
		Self::end_milestone(id, agreement, index, Ending::Resolved, division, Verdict::None)
	}

	/// Whether the side that has not opened a dispute has had its time to say something: a tenth of the
	/// first turn.
	fn is_time_to_answer_over(offer: &Offer, opened: BlockNumber) -> bool {
		// Saturating: what is as long as all time is longer than a turn.
		Self::now().saturating_sub(opened).saturating_mul(10) > offer.panel.turn
	}

	pub(crate) fn do_answer(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		evidence: Evidence,
	) -> DispatchResult {
		Self::ensure_uri(&evidence)?;
		let mut agreement = Self::find(&id)?;
		let side = Self::side_of(&agreement.offer, &by)?;
		let (index, _, mut progress) = Self::milestone(&agreement, milestone)?;
		let State::Disputed { by: opener, opened, answered } = &mut progress.state else {
			return Err(Error::<T>::NotDisputed.into());
		};
		ensure!(side != *opener, Error::<T>::OwnDispute);
		ensure!(!*answered, Error::<T>::AlreadyAnswered);
		let case = Self::case(id, &agreement.offer, index, *opened);
		let ends = Self::case_ends(&agreement.offer, &case);
		ensure!(Self::now() <= ends, Error::<T>::DisputeOver);
		*answered = true;
		agreement.touch(Some(side));
		Self::set(&mut agreement, index, progress)?;
		Agreements::<T>::insert(id, agreement);
		Self::deposit_event(Event::Answered { id, milestone, by: side, evidence });
		Ok(())
	}

	pub(crate) fn do_rule(
		by: AccountId,
		id: AgreementId,
		milestone: u32,
		share: Permill,
		evidence: Evidence,
	) -> DispatchResult {
		Self::ensure_uri(&evidence)?;
		let mut agreement = Self::find(&id)?;
		let (index, terms, progress) = Self::milestone(&agreement, milestone)?;
		let State::Disputed { by: disputer, opened, answered } = progress.state else {
			return Err(Error::<T>::NotDisputed.into());
		};
		let (now, offer) = (Self::now(), &agreement.offer);
		let case = Self::case(id, offer, index, opened);
		ensure!(now <= Self::case_ends(offer, &case), Error::<T>::DisputeOver);
		let is_heard = answered || Self::is_time_to_answer_over(offer, opened);
		ensure!(is_heard, Error::<T>::TooEarlyToRule);
		let seat = T::Arbitration::seat(&offer.panel, &case, now);
		ensure!(seat.as_ref() == Some(&by), Error::<T>::NotInTheSeat);

		// What other milestones may need of the bond is theirs.
		let others = agreement.reserved_bond().saturating_sub(terms.penalty);
		let division = Division::ruling(
			agreement.open(index),
			share,
			agreement.penalty_at_stake(index),
			agreement.bond.saturating_sub(others),
			offer.panel.fee,
			disputer,
		);
		Self::deposit_event(Event::Ruled {
			id,
			milestone,
			arbiter: by.clone(),
			share,
			fee: offer.panel.fee,
			costs_of_buyer: division.costs_of_buyer,
			costs_of_seller: division.costs_of_seller,
			evidence,
		});
		agreement.touch(None);
		if share < Permill::from_percent(50) {
			Self::note_breach(&mut agreement);
		}
		Self::end_milestone(
			id,
			&mut agreement,
			index,
			Ending::Resolved,
			division,
			Verdict::Ruled(by, share),
		)?;
		Self::store(id, agreement)
	}

	/// Who may rule on a milestone now.
	pub(crate) fn seat_of(id: AgreementId, milestone: u32) -> Option<AccountId> {
		let agreement = Agreements::<T>::get(id)?;
		let (index, _, progress) = Self::milestone(&agreement, milestone).ok()?;
		let State::Disputed { opened, answered, .. } = progress.state else { return None };
		if !answered && !Self::is_time_to_answer_over(&agreement.offer, opened) {
			return None;
		}
		let case = Self::case(id, &agreement.offer, index, opened);
		T::Arbitration::seat(&agreement.offer.panel, &case, Self::now())
	}
}
