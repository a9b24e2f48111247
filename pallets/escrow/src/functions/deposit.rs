//! Who puts up storage deposits, and what they cover.

use super::*;
use frame_support::{
	storage::with_storage_layer,
	traits::{Consideration, Defensive, Footprint, Get},
};
use stoa_primitives::{
	agreement::{NegotiationKey, MAX_MILESTONES},
	traits::AgentRegistry,
};

/// Length of an account as a `Blake2_128Concat` key.
const ACCOUNT_KEY: usize = 48;

/// A row of a map keyed by a hash.
fn row<V: MaxEncodedLen>() -> usize {
	NegotiationKey::max_encoded_len().saturating_add(V::max_encoded_len())
}

fn sponsor_row() -> usize {
	ACCOUNT_KEY.saturating_mul(2).saturating_add(Sponsored::max_encoded_len())
}

impl<T: Config> Pallet<T> {
	/// What the storage deposit of an agreement with so many milestones covers, a sponsor's counter
	/// included.
	pub(crate) fn agreement_footprint(milestones: usize) -> Footprint {
		let most = usize::try_from(MAX_MILESTONES).unwrap_or(usize::MAX);
		let each = Milestone::max_encoded_len().saturating_add(Progress::max_encoded_len());
		let unused = most.saturating_sub(milestones).saturating_mul(each);
		let size = row::<AgreementOf<T>>().saturating_sub(unused).saturating_add(sponsor_row());
		Footprint::from_parts(1, size)
	}

	/// What the storage deposit of a negotiation covers: what is known of it, what is left of its
	/// agreement, what is counted of both sides, and a sponsor's counter.
	pub(crate) fn record_footprint() -> Footprint {
		let counted = ACCOUNT_KEY.saturating_add(AgentRow::max_encoded_len());
		let size = row::<StandingOf<T>>()
			.saturating_add(row::<Outcome>())
			.saturating_add(counted.saturating_mul(2))
			.saturating_add(sponsor_row());
		Footprint::from_parts(1, size)
	}

	/// Who answers for the storage of `who`: the operator of an active agent.
	fn sponsor_of(who: &AccountId) -> Option<AccountId> {
		T::Registry::operator_of(who)
			.filter(|operator| operator != who && T::Registry::ensure_active(who).is_ok())
	}

	/// Take a storage deposit for `owner`: from its sponsor if fewer than `limit` are counted, else from
	/// itself. Returns who has put it up.
	fn take<C: Consideration<AccountId, Footprint>>(
		owner: &AccountId,
		footprint: Footprint,
		limit: u32,
		count: fn(&mut Sponsored) -> &mut u32,
	) -> Result<(AccountId, C), DispatchError> {
		let Some(operator) = Self::sponsor_of(owner) else {
			let ticket = C::new(owner, footprint).map_err(|_| Error::<T>::OwnerCannotPay)?;
			return Ok((owner.clone(), ticket));
		};
		let mut sponsored = Sponsorships::<T>::get(&operator, owner);
		let used = count(&mut sponsored);
		let refusal = if *used < limit {
			if let Ok(ticket) = with_storage_layer(|| C::new(&operator, footprint)) {
				// Saturating: it is below the limit.
				*used = used.saturating_add(1);
				Sponsorships::<T>::insert(&operator, owner, sponsored);
				return Ok((operator, ticket));
			}
			Error::<T>::SponsorCannotPay
		} else {
			Error::<T>::SponsorLimitReached
		};
		let ticket = C::new(owner, footprint).map_err(|_| refusal)?;
		Ok((owner.clone(), ticket))
	}

	/// Give a storage deposit back to whoever has put it up for `owner`.
	fn give_back<C: Consideration<AccountId, Footprint>>(
		owner: &AccountId,
		depositor: &AccountId,
		ticket: C,
		count: fn(&mut Sponsored) -> &mut u32,
	) {
		if depositor != owner {
			Sponsorships::<T>::mutate_exists(depositor, owner, |row| {
				let mut sponsored = row.take().unwrap_or_default();
				let used = count(&mut sponsored);
				// Saturating: a wrong count must not keep anybody from its money. `try_state` sees it.
				*used = used.saturating_sub(1);
				*row = (sponsored != Sponsored::default()).then_some(sponsored);
			});
		}
		// Neither must a storage deposit that cannot be given back.
		let _: DispatchResult = ticket.drop(depositor).defensive();
	}

	pub(super) fn take_for_agreement(
		owner: &AccountId,
		milestones: usize,
	) -> Result<(AccountId, T::AgreementConsideration), DispatchError> {
		let footprint = Self::agreement_footprint(milestones);
		let limit = T::MaxSponsoredAgreements::get();
		Self::take(owner, footprint, limit, |sponsored| &mut sponsored.agreements)
	}

	pub(super) fn give_back_for_agreement(
		owner: &AccountId,
		depositor: &AccountId,
		ticket: T::AgreementConsideration,
	) {
		Self::give_back(owner, depositor, ticket, |sponsored| &mut sponsored.agreements);
	}

	/// A row of a negotiation of which nothing is known yet, kept until anybody says otherwise.
	pub(super) fn new_standing(
		buyer: &AccountId,
		seller: &AccountId,
		owner: Side,
	) -> Result<StandingOf<T>, DispatchError> {
		let account = match owner {
			Side::Buyer => buyer,
			Side::Seller => seller,
		};
		let limit = T::MaxSponsoredRecords::get();
		let (depositor, ticket) =
			Self::take(account, Self::record_footprint(), limit, |sponsored| {
				&mut sponsored.records
			})?;
		for who in [buyer, seller] {
			AgentRows::<T>::mutate(who, |row| {
				let mut counted = row.unwrap_or_default();
				counted.records = counted.records.saturating_add(1);
				*row = Some(counted);
			});
		}
		let (buyer, seller) = (buyer.clone(), seller.clone());
		let (buyer_bar, seller_bar, agreement, keep_until) = (0, 0, None, None);
		Ok(Standing {
			buyer,
			seller,
			buyer_bar,
			seller_bar,
			withdrawn: false,
			agreement,
			keep_until,
			owner,
			depositor,
			ticket,
		})
	}

	pub(crate) fn do_forget(key: NegotiationKey) -> DispatchResult {
		let standing = Standings::<T>::get(key).ok_or(Error::<T>::UnknownNegotiation)?;
		let is_over = standing.keep_until.is_some_and(|last| last < Self::now());
		ensure!(is_over, Error::<T>::StillNeeded);
		Standings::<T>::remove(key);
		if let Some(id) = standing.agreement {
			Outcomes::<T>::remove(id);
		}
		for who in [&standing.buyer, &standing.seller] {
			AgentRows::<T>::mutate(who, |row| {
				let mut counted = row.unwrap_or_default();
				counted.records = counted.records.saturating_sub(1);
				*row = (counted.records > 0).then_some(counted);
			});
		}
		let owner = standing.owner_account().clone();
		let Standing { agreement, depositor, ticket, .. } = standing;
		Self::give_back(&owner, &depositor, ticket, |sponsored| &mut sponsored.records);
		Self::deposit_event(Event::Forgotten { negotiation: key, agreement });
		Ok(())
	}
}
