//! From offers to an agreement.

use super::*;
use frame_support::{
	storage::{with_transaction, TransactionOutcome},
	traits::Get,
};
use stoa_primitives::{
	agent::Scope,
	agreement::{negotiation_key, MAX_ROUNDS, MAX_VALIDITY, MIN_REVIEW},
	keys::AgentSignature,
	traits::{AgentRegistry, Ledger, Settlement, SpendGuard},
	H256,
};

impl<T: Config> Pallet<T> {
	fn ensure_signed_by_party(offer: &Offer, signature: &AgentSignature) -> DispatchResult {
		let digest = offer.digest(&Self::domain());
		T::Registry::verify(offer.signer(), Scope::Offer, &digest, signature)
	}

	/// Fails when the offer leaves a seller too little time for changes, or arbiters for a ruling.
	fn ensure_unhurried(offer: &Offer) -> Result<(), Error<T>> {
		let mut reworked = offer.milestones.iter().filter(|milestone| milestone.changes > 0);
		let in_time = reworked.all(|milestone| milestone.rework >= MIN_REVIEW);
		ensure!(in_time, Error::<T>::ReworkOutOfBounds);
		let panel = &offer.panel;
		let in_time = panel.arbiters.is_empty() || panel.turn >= T::MinTurn::get();
		ensure!(in_time, Error::<T>::PanelOutOfBounds);
		Ok(())
	}

	/// Commit `offer` in the name of its recipient. Without a signature only to see what comes of it.
	pub(crate) fn do_commit(
		by: &AccountId,
		offer: Offer,
		signature: Option<&AgentSignature>,
		transcript: H256,
	) -> Result<Quote, DispatchError> {
		ensure!(by == offer.recipient(), Error::<T>::NotRecipient);
		offer.validate().map_err(Error::<T>::from)?;
		Self::ensure_unhurried(&offer)?;
		let now = Self::now();
		ensure!(offer.opened <= now, Error::<T>::NotOpenedYet);
		ensure!(now <= offer.valid_until, Error::<T>::OfferExpired);
		let key = offer.key();
		let known = Standings::<T>::get(key);
		if let Some(standing) = &known {
			ensure!(standing.agreement.is_none(), Error::<T>::NegotiationConcluded);
			ensure!(standing.bar(offer.by) < offer.round, Error::<T>::OfferSuperseded);
		}

		let Offer { buyer, seller, asset, bond, .. } = &offer;
		let (asset, bond) = (asset.clone(), *bond);
		T::Registry::ensure_active(seller)?;
		// Whoever pays can be any account; an agent that was stopped shall not pay either.
		if T::Registry::operator_of(buyer).is_some() {
			T::Registry::ensure_active(buyer)?;
		}
		ensure!(!T::Registry::related(buyer, seller), Error::<T>::SameOperator);
		T::Arbitration::ensure_panel(&offer.panel, buyer, seller)?;
		if let Some(signature) = signature {
			Self::ensure_signed_by_party(&offer, signature)?;
		}

		let total = offer.total().ok_or(Error::<T>::AmountOverflow)?;
		T::SpendGuard::ensure_may_spend(buyer, seller, &asset, total)?;
		if bond > 0 {
			// Of a bond, too, the other side may get all: a stolen key must not send one past the limits.
			T::SpendGuard::ensure_may_spend(seller, buyer, &asset, bond)?;
		}
		ensure!(T::Ledger::free(buyer, &asset) >= total, Error::<T>::BuyerCannotPay);
		T::Ledger::lock(buyer, &asset, total, PURSE)?;
		if bond > 0 {
			ensure!(T::Ledger::free(seller, &asset) >= bond, Error::<T>::SellerCannotPay);
			T::Ledger::lock(seller, &asset, bond, PURSE)?;
		}

		let (depositor, ticket) = Self::take_for_agreement(by, offer.milestones.len())?;
		let mut standing = match known {
			Some(standing) => standing,
			None => Self::new_standing(buyer, seller, offer.by.other())?,
		};
		let id = offer.digest(&Self::domain());
		standing.agreement = Some(id);
		standing.keep_until = None;
		Standings::<T>::insert(key, standing);

		let milestones: Vec<_> = offer
			.milestones
			.iter()
			.map(|milestone| {
				let deliver_by = Self::after(milestone.deliver_within);
				let state = State::Funded { deliver_by };
				Progress { state, released: 0, changes: 0, delivery: None }
			})
			.collect();
		// As many as there are terms of.
		let milestones = Milestones::try_from(milestones).map_err(|_| ArithmeticError::Overflow)?;
		let schedule = T::Settlement::current_schedule();
		let agreement = Agreement {
			offer,
			started: now,
			schedule,
			transcript,
			sequence: 0,
			is_relied_on: false,
			milestones,
			bond,
			sums: Sums::default(),
			disputes: 0,
			breaches: 0,
			depositor,
			ticket,
		};
		let ends = Self::deadlines_of(id, &agreement).ends;
		Self::announce(id, key, &agreement, total);
		Agreements::<T>::insert(id, agreement);
		Ok(Quote { id, total, bond, schedule, ends })
	}

	fn announce(
		id: AgreementId,
		negotiation: [u8; 32],
		agreement: &AgreementOf<T>,
		total: Balance,
	) {
		let offer = &agreement.offer;
		Self::deposit_event(Event::Committed {
			id,
			negotiation,
			buyer: offer.buyer.clone(),
			seller: offer.seller.clone(),
			asset: offer.asset.clone(),
			total,
			bond: offer.bond,
			terms: offer.terms,
			by: offer.by.other(),
			round: offer.round,
			schedule: agreement.schedule,
			transcript: agreement.transcript,
			depositor: agreement.depositor.clone(),
		});
	}

	/// What a commit by the offer's recipient would do, without its signature being looked at.
	pub(crate) fn do_quote(offer: Offer) -> Result<Quote, DispatchError> {
		with_transaction(|| {
			let by = offer.recipient().clone();
			let quote = Self::do_commit(&by, offer, None, H256::zero());
			TransactionOutcome::Rollback(quote)
		})
	}

	pub(crate) fn do_withdraw_offer(
		by: AccountId,
		counterparty: AccountId,
		negotiation: [u8; 32],
		side: Side,
		round: u32,
	) -> DispatchResult {
		ensure!(by != counterparty, Error::<T>::SameParty);
		ensure!((1..=MAX_ROUNDS).contains(&round), Error::<T>::RoundOutOfBounds);
		let (buyer, seller) = match side {
			Side::Buyer => (by, counterparty),
			Side::Seller => (counterparty, by),
		};
		let key = negotiation_key(&buyer, &seller, &negotiation);
		let mut standing = match Standings::<T>::get(key) {
			Some(standing) => standing,
			None => Self::new_standing(&buyer, &seller, side)?,
		};
		ensure!(standing.agreement.is_none(), Error::<T>::NegotiationConcluded);
		ensure!(standing.raise(side, round), Error::<T>::NothingNew);
		let is_first = !standing.withdrawn;
		standing.withdrawn = true;
		standing.keep_until = Some(Self::after(MAX_VALIDITY));
		Standings::<T>::insert(key, standing);
		let by = match side {
			Side::Buyer => buyer,
			Side::Seller => seller,
		};
		if is_first {
			let withdrawn = |counters: &mut Counters| {
				counters.withdrawn = counters.withdrawn.saturating_add(1);
			};
			Self::count_for(&by, withdrawn);
			Market::<T>::mutate(withdrawn);
		}
		Self::deposit_event(Event::OfferWithdrawn { negotiation: key, by, side, round });
		Ok(())
	}

	pub(crate) fn do_supersede(
		by: AccountId,
		offer: Offer,
		signature: &AgentSignature,
	) -> DispatchResult {
		let side = Self::side_of(&offer, &by)?;
		offer.validate().map_err(Error::<T>::from)?;
		let key = offer.key();
		let known = Standings::<T>::get(key);
		if let Some(id) = known.as_ref().and_then(|standing| standing.agreement) {
			let agreement = Agreements::<T>::get(id).ok_or(Error::<T>::NegotiationConcluded)?;
			Self::ensure_voidable(&agreement, side, &offer)?;
			Self::ensure_signed_by_party(&offer, signature)?;
			return Self::wind_up(id, agreement, 0, EndReason::Voided);
		}
		let older = offer.round.saturating_sub(1);
		let lowest = known.as_ref().map_or(0, |known| known.buyer_bar.min(known.seller_bar));
		ensure!(lowest < older, Error::<T>::NothingNew);
		Self::ensure_signed_by_party(&offer, signature)?;
		let mut standing = match known {
			Some(standing) => standing,
			None => Self::new_standing(&offer.buyer, &offer.seller, side)?,
		};
		standing.raise(Side::Buyer, older);
		standing.raise(Side::Seller, older);
		standing.keep_until = Some(Self::after(MAX_VALIDITY));
		Standings::<T>::insert(key, standing);
		let (by, round) = (offer.by, offer.round);
		Self::deposit_event(Event::OffersSuperseded { negotiation: key, by, round });
		Ok(())
	}

	/// Fails unless `side` may undo the agreement because the other one has signed `counter`.
	fn ensure_voidable(agreement: &AgreementOf<T>, side: Side, counter: &Offer) -> DispatchResult {
		let committed = &agreement.offer;
		ensure!(side == committed.by, Error::<T>::NotSigner);
		let refused = counter.by != committed.by && counter.round > committed.round;
		ensure!(refused, Error::<T>::NotRefused);
		let in_time = agreement.undo_until().is_some_and(|last| Self::now() <= last);
		ensure!(in_time, Error::<T>::TooLateToVoid);
		Ok(())
	}
}
