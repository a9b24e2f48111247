//! How money leaves an agreement, and how milestones and agreements end.

use super::*;
use crate::weights::WeightInfo;
use frame_support::dispatch::DispatchResultWithPostInfo;
use sp_runtime::Permill;
use stoa_primitives::{
	money::Source,
	traits::{Ledger, OutcomeHook, Settle, Settlement},
};

/// How a dispute about a milestone ends, if there is one.
pub(super) enum Verdict {
	/// Nobody has ruled.
	None,
	/// The parties have ended it themselves.
	Agreed,
	/// By somebody, with this share to the seller.
	Ruled(AccountId, Permill),
}

impl<T: Config> Pallet<T> {
	/// Settle `amount` to the seller.
	pub(super) fn pay(
		id: AgreementId,
		agreement: &mut AgreementOf<T>,
		amount: Balance,
	) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		let settled_before = agreement.sums.released;
		let sum = settled_before.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
		agreement.sums.released = sum;
		T::Settlement::settle(Settle {
			asset: agreement.offer.asset.clone(),
			payer: agreement.offer.buyer.clone(),
			provider: agreement.offer.seller.clone(),
			settled_before,
			gross: amount,
			schedule: agreement.schedule,
			source: Source::Agreement(id),
		})?;
		Ok(())
	}

	/// Give `amount` back to the buyer.
	fn refund(agreement: &mut AgreementOf<T>, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		let Offer { buyer, seller, asset, .. } = &agreement.offer;
		T::Ledger::unlock(buyer, asset, amount, PURSE)?;
		T::Outcome::refunded(buyer, seller, asset, amount);
		let sum = agreement.sums.refunded.checked_add(amount);
		agreement.sums.refunded = sum.ok_or(ArithmeticError::Overflow)?;
		Ok(())
	}

	/// Pay `amount` of the bond to the buyer.
	fn take_bond(agreement: &mut AgreementOf<T>, amount: Balance) -> DispatchResult {
		if amount == 0 {
			return Ok(());
		}
		agreement.bond = agreement.bond.checked_sub(amount).ok_or(ArithmeticError::Underflow)?;
		T::Ledger::pay_locked(&agreement.offer.buyer, &agreement.offer.asset, amount, PURSE)
	}

	/// Who is paid the fee of a dispute that the parties end themselves: whoever has the seat, once more than
	/// half of the first turn has passed, because it has worked for it by then. Nobody before, and nobody
	/// for a milestone that is not in dispute.
	fn pay_for_work(
		id: AgreementId,
		agreement: &AgreementOf<T>,
		index: usize,
	) -> Option<AccountId> {
		let State::Disputed { opened, .. } = agreement.milestones.get(index)?.state else {
			return None;
		};
		let (now, panel) = (Self::now(), &agreement.offer.panel);
		// Saturating: what is as long as all time is longer than a turn.
		let elapsed = now.saturating_sub(opened);
		if panel.fee == 0 || elapsed.saturating_mul(2) <= panel.turn {
			return None;
		}
		let case = Self::case(id, &agreement.offer, index, opened);
		let arbiter = T::Arbitration::seat(panel, &case, now)?;
		let (milestone, fee, to) = (case.milestone, panel.fee, arbiter.clone());
		Self::deposit_event(Event::ArbiterPaid { id, milestone, arbiter: to, fee });
		Some(arbiter)
	}

	/// Close the dispute about a milestone, if there is one: its fee goes to whoever has earned it, or back to
	/// whoever has put it up.
	fn close_case(
		id: AgreementId,
		agreement: &mut AgreementOf<T>,
		index: usize,
		verdict: Verdict,
	) -> DispatchResult {
		let state = agreement.milestones.get(index).map(|progress| progress.state);
		let Some(State::Disputed { by, opened, .. }) = state else { return Ok(()) };
		let (arbiter, ruling) = match verdict {
			Verdict::None => (None, None),
			Verdict::Agreed => (Self::pay_for_work(id, agreement, index), None),
			Verdict::Ruled(arbiter, share) => (Some(arbiter), Some(share)),
		};
		let offer = &agreement.offer;
		let fee = offer.panel.fee;
		match arbiter {
			_ if fee == 0 => (),
			Some(arbiter) => {
				T::Ledger::pay_locked(&arbiter, &offer.asset, fee, PURSE)?;
				let sum = agreement.sums.fees.checked_add(fee);
				agreement.sums.fees = sum.ok_or(ArithmeticError::Overflow)?;
			},
			None => T::Ledger::unlock(offer.party(by), &offer.asset, fee, PURSE)?,
		}
		let case = Self::case(id, offer, index, opened);
		T::Arbitration::closed(&offer.panel, &case, ruling);
		Ok(())
	}

	/// The seller has failed a milestone.
	pub(super) fn note_breach(agreement: &mut AgreementOf<T>) {
		agreement.breaches = agreement.breaches.saturating_add(1);
		let Offer { buyer, seller, .. } = &agreement.offer;
		T::Outcome::breached(buyer, seller);
		let breached = |counters: &mut Counters| {
			counters.breaches = counters.breaches.saturating_add(1);
		};
		Self::count_for(seller, breached);
		Market::<T>::mutate(breached);
	}

	/// Divide what a milestone still holds, and the fee of its dispute if there is one.
	pub(super) fn end_milestone(
		id: AgreementId,
		agreement: &mut AgreementOf<T>,
		index: usize,
		ending: Ending,
		division: Division,
		verdict: Verdict,
	) -> DispatchResult {
		let progress =
			agreement.milestones.get(index).copied().ok_or(Error::<T>::UnknownMilestone)?;
		Self::close_case(id, agreement, index, verdict)?;
		let Division { to_seller, to_buyer, penalty, costs_of_buyer, costs_of_seller } = division;
		Self::pay(id, agreement, to_seller)?;
		Self::refund(agreement, to_buyer)?;
		let sums = &mut agreement.sums;
		for (sum, more) in [
			(&mut sums.penalties, penalty),
			(&mut sums.costs_of_buyer, costs_of_buyer),
			(&mut sums.costs_of_seller, costs_of_seller),
		] {
			*sum = sum.checked_add(more).ok_or(ArithmeticError::Overflow)?;
		}
		if costs_of_buyer > 0 {
			let Offer { seller, asset, .. } = &agreement.offer;
			T::Ledger::pay_locked(seller, asset, costs_of_buyer, PURSE)?;
		}
		let from_bond = penalty.checked_add(costs_of_seller).ok_or(ArithmeticError::Overflow)?;
		Self::take_bond(agreement, from_bond)?;
		let ended = Progress { state: State::Ended(ending), ..progress };
		Self::set(agreement, index, ended)?;
		let milestone = u32::try_from(index).map_err(|_| ArithmeticError::Overflow)?;
		let event = Event::MilestoneEnded { id, milestone, ending, to_seller, to_buyer, penalty };
		Self::deposit_event(event);
		Ok(())
	}

	/// The seller is paid all that a milestone still holds.
	pub(super) fn release_rest(
		id: AgreementId,
		agreement: &mut AgreementOf<T>,
		index: usize,
	) -> DispatchResult {
		let to_seller = agreement.open(index);
		let division = Division { to_seller, ..Division::default() };
		Self::end_milestone(id, agreement, index, Ending::Released, division, Verdict::Agreed)
	}

	/// The seller has not delivered in time.
	fn expire(id: AgreementId, agreement: &mut AgreementOf<T>, index: usize) -> DispatchResult {
		let penalty = agreement.offer.milestones.get(index).map_or(0, |terms| terms.penalty);
		let to_buyer = agreement.open(index);
		let division = Division { to_buyer, penalty, ..Division::default() };
		Self::note_breach(agreement);
		Self::end_milestone(id, agreement, index, Ending::Expired, division, Verdict::None)
	}

	/// Write an agreement back, or end it when no milestone is left.
	pub(super) fn store(id: AgreementId, agreement: AgreementOf<T>) -> DispatchResult {
		if agreement.running().next().is_none() {
			return Self::conclude(id, agreement, EndReason::Completed);
		}
		Agreements::<T>::insert(id, agreement);
		Ok(())
	}

	/// End all milestones at once: `seller` of what they hold is settled, the rest goes back, and so do
	/// the fees of disputes that nobody has earned.
	pub(super) fn wind_up(
		id: AgreementId,
		mut agreement: AgreementOf<T>,
		seller: Balance,
		reason: EndReason,
	) -> DispatchResult {
		let open = agreement.open_total();
		let to_buyer = open.checked_sub(seller).ok_or(Error::<T>::AboveOpen)?;
		Self::pay(id, &mut agreement, seller)?;
		Self::refund(&mut agreement, to_buyer)?;
		let running: Vec<_> = agreement.running().collect();
		for index in running {
			let progress =
				agreement.milestones.get(index).copied().ok_or(Error::<T>::UnknownMilestone)?;
			Self::close_case(id, &mut agreement, index, Verdict::Agreed)?;
			let ended = Progress { state: State::Ended(Ending::Cancelled), ..progress };
			Self::set(&mut agreement, index, ended)?;
		}
		Self::conclude(id, agreement, reason)
	}

	/// Remove an agreement, give back bond and storage deposit, and keep what came of it.
	fn conclude(id: AgreementId, agreement: AgreementOf<T>, reason: EndReason) -> DispatchResult {
		let owner = agreement.offer.recipient().clone();
		let total = agreement.offer.total().ok_or(ArithmeticError::Overflow)?;
		let negotiation = agreement.offer.key();
		let came_off = match reason {
			EndReason::Completed => true,
			EndReason::Cancelled => agreement.sums.released > 0,
			EndReason::Voided => false,
		};
		let (started, disputed) = (agreement.started, agreement.disputes > 0);
		Self::count(&agreement.offer, |counters| {
			counters.ended(&agreement.offer, total, started, came_off, disputed);
		});
		let Agreement { offer, bond, sums, depositor, ticket, .. } = agreement;
		Agreements::<T>::remove(id);
		if bond > 0 {
			T::Ledger::unlock(&offer.seller, &offer.asset, bond, PURSE)?;
		}
		Self::give_back_for_agreement(&owner, &depositor, ticket);
		let outcome = Outcome {
			negotiation,
			buyer: offer.buyer,
			seller: offer.seller,
			asset: offer.asset,
			total,
			bond: offer.bond,
			sums,
			disputes: agreement.disputes,
			breaches: agreement.breaches,
			started: agreement.started,
			ended: Self::now(),
			transcript: agreement.transcript,
			reason,
		};
		Outcomes::<T>::insert(id, outcome);
		Standings::<T>::mutate_extant(negotiation, |standing| {
			standing.keep_until = Some(Self::after(RECORD_PERIOD));
		});
		Self::deposit_event(Event::Ended { id, reason, sums, bond });
		Ok(())
	}

	/// Whether a milestone's time is over, see [`Deadlines`].
	fn is_due(id: AgreementId, agreement: &AgreementOf<T>, index: usize, now: BlockNumber) -> bool {
		Self::last_block(id, agreement, index).is_some_and(|last| last < now)
	}

	/// The last block before the silence of whoever a milestone waits for ends it.
	///
	/// The silence of who can still undo the agreement ends nothing: it need not know that there is one.
	fn last_block(
		id: AgreementId,
		agreement: &AgreementOf<T>,
		index: usize,
	) -> Option<BlockNumber> {
		let offer = &agreement.offer;
		let (last, waits_for) = match agreement.milestones.get(index)?.state {
			State::Funded { deliver_by } | State::Reworking { deliver_by } => {
				(deliver_by, Some(Side::Seller))
			},
			State::Delivered { review_until } => (review_until, Some(Side::Buyer)),
			State::Disputed { opened, .. } => {
				let case = Self::case(id, offer, index, opened);
				(Self::case_ends(offer, &case), None)
			},
			State::Ended(_) => return None,
		};
		let undo_until = agreement.undo_until();
		let undo_until = undo_until.filter(|_| waits_for == Some(offer.by));
		Some(last.max(undo_until.unwrap_or(last)))
	}

	pub(crate) fn do_poke(id: AgreementId) -> DispatchResultWithPostInfo {
		let mut agreement = Self::find(&id)?;
		let now = Self::now();
		let (mut done, running) = (0u32, agreement.running().collect::<Vec<_>>());
		for index in running {
			let Some(state) = agreement.milestones.get(index).map(|progress| progress.state) else {
				continue;
			};
			if !Self::is_due(id, &agreement, index, now) {
				continue;
			}
			match state {
				State::Funded { .. } | State::Reworking { .. } => {
					Self::expire(id, &mut agreement, index)?;
				},
				State::Delivered { .. } => Self::release_rest(id, &mut agreement, index)?,
				State::Disputed { .. } => Self::fall_back(id, &mut agreement, index)?,
				State::Ended(_) => continue,
			}
			done = done.saturating_add(1);
		}
		ensure!(done > 0, Error::<T>::NothingDue);
		agreement.touch(None);
		Self::store(id, agreement)?;
		Ok(Some(T::WeightInfo::poke(done)).into())
	}

	/// What happens when if everybody stays silent.
	pub(crate) fn deadlines_of(id: AgreementId, agreement: &AgreementOf<T>) -> Deadlines {
		let offer = &agreement.offer;
		let milestones: Vec<_> = agreement
			.running()
			.filter_map(|index| {
				let state = agreement.milestones.get(index)?.state;
				let from = Self::last_block(id, agreement, index)?.saturating_add(1);
				let milestone = u32::try_from(index).ok()?;
				let open = agreement.open(index);
				let penalty = offer.milestones.get(index)?.penalty;
				let (waits_for, division, fee) = match state {
					State::Delivered { .. } => {
						let division = Division { to_seller: open, ..Division::default() };
						(WaitsFor::Buyer, division, None)
					},
					State::Disputed { by, .. } => {
						let division = Division::fallback(open, offer.panel.fallback);
						let fee = Some((by, offer.panel.fee)).filter(|(_, fee)| *fee > 0);
						(WaitsFor::Arbiters, division, fee)
					},
					_ => {
						let division = Division { to_buyer: open, penalty, ..Division::default() };
						(WaitsFor::Seller, division, None)
					},
				};
				let Division { to_seller, to_buyer, penalty, .. } = division;
				Some(Deadline { milestone, from, waits_for, to_seller, to_buyer, penalty, fee })
			})
			.collect();
		let ends = milestones.iter().map(|deadline| deadline.from).max().unwrap_or_default();
		let penalties =
			milestones.iter().fold(0, |sum: Balance, row| sum.saturating_add(row.penalty));
		Deadlines { bond: agreement.bond.saturating_sub(penalties), milestones, ends }
	}
}
