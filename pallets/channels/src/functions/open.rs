//! Opening and topping up.

use super::*;
use frame_support::{
	storage::with_storage_layer,
	traits::{Consideration, Get},
};
use sp_runtime::{ArithmeticError, DispatchError, DispatchResult};
use stoa_primitives::{
	agent::Scope,
	channel::{channel_id, Cap, CapState, MAX_GRACE, MAX_LANES, MIN_GRACE},
	keys::AgentSignature,
	payload::{OpenAuth, Payload},
	traits::{AgentRegistry, Ledger, Settlement, SpendGuard},
};

/// What a channel is opened with.
pub(crate) struct Opening {
	pub payer: AccountId,
	pub payee: AccountId,
	pub asset: AssetId,
	pub deposit: Balance,
	pub key: Key,
	pub grace: BlockNumber,
	pub lanes: u16,
	pub cap: Option<Cap>,
}

impl<T: Config> Pallet<T> {
	/// Who answers for the storage of `payer`: the operator of an active agent.
	fn sponsor_of(payer: &AccountId) -> Option<AccountId> {
		T::Registry::operator_of(payer)
			.filter(|operator| operator != payer && T::Registry::ensure_active(payer).is_ok())
	}

	/// Take a storage deposit from `sponsor` if `used` is below `limit`, else from `payer`.
	fn take_deposit<C: Consideration<AccountId, Footprint>>(
		payer: &AccountId,
		sponsor: Option<&AccountId>,
		used: &mut u32,
		limit: u32,
		footprint: Footprint,
	) -> Result<(AccountId, C), DispatchError> {
		let Some(operator) = sponsor else {
			let ticket = C::new(payer, footprint).map_err(|_| Error::<T>::PayerCannotPay)?;
			return Ok((payer.clone(), ticket));
		};
		let refusal = if *used < limit {
			if let Ok(ticket) = with_storage_layer(|| C::new(operator, footprint)) {
				// Saturating: it is below the limit.
				*used = used.saturating_add(1);
				return Ok((operator.clone(), ticket));
			}
			Error::<T>::SponsorCannotPay
		} else {
			Error::<T>::SponsorLimitReached
		};
		let ticket = C::new(payer, footprint).map_err(|_| refusal)?;
		Ok((payer.clone(), ticket))
	}

	pub(crate) fn do_open(opening: Opening) -> DispatchResult {
		let Opening { payer, payee, asset, deposit, key, grace, lanes, cap } = opening;
		ensure!(payer != payee, Error::<T>::SelfChannel);
		ensure!(deposit > 0, Error::<T>::ZeroAmount);
		ensure!((MIN_GRACE..=MAX_GRACE).contains(&grace), Error::<T>::GraceOutOfBounds);
		ensure!((1..=MAX_LANES).contains(&lanes), Error::<T>::LanesOutOfBounds);
		ensure!(cap.is_none_or(|cap| cap.is_valid()), Error::<T>::CapOutOfBounds);
		T::Registry::ensure_active(&payee)?;
		T::SpendGuard::ensure_may_spend(&payer, &payee, &asset, deposit)?;
		T::Ledger::lock(&payer, &asset, deposit, LockReason::Channel)?;

		let sponsor = Self::sponsor_of(&payer);
		let before =
			sponsor.as_ref().map_or_else(Sponsored::default, |s| Sponsorships::<T>::get(s, &payer));
		let mut sponsored = before;
		let (depositor, ticket) = Self::take_deposit::<T::ChannelConsideration>(
			&payer,
			sponsor.as_ref(),
			&mut sponsored.channels,
			T::MaxSponsoredChannels::get(),
			Self::channel_footprint(lanes),
		)?;
		let mut row = match Nonces::<T>::get(&payer, &payee) {
			Some(row) => row,
			None => {
				let (depositor, ticket) = Self::take_deposit::<T::NonceConsideration>(
					&payer,
					sponsor.as_ref(),
					&mut sponsored.pairs,
					T::MaxSponsoredPairs::get(),
					Self::nonce_footprint(),
				)?;
				NonceRow { next: 0, depositor, ticket }
			},
		};
		if let Some(sponsor) = sponsor.filter(|_| sponsored != before) {
			Sponsorships::<T>::insert(sponsor, &payer, sponsored);
		}

		let nonce = row.next;
		row.next = nonce.checked_add(1).ok_or(ArithmeticError::Overflow)?;
		Nonces::<T>::insert(&payer, &payee, row);
		let id = channel_id(&Self::domain(), &payer, &payee, &asset, nonce);
		let schedule = T::Settlement::current_schedule();
		let channel = Channel {
			payer: payer.clone(),
			payee: payee.clone(),
			asset: asset.clone(),
			key,
			deposit,
			settled: 0,
			lane0: 0,
			lanes,
			grace,
			phase: Phase::Open,
			cap: cap.map(CapState::new),
			pending: false,
			schedule,
			nonce,
			depositor: depositor.clone(),
			ticket,
		};
		Channels::<T>::insert(id, channel);
		Self::deposit_event(Event::Opened {
			id,
			payer,
			payee,
			asset,
			deposit,
			key,
			grace,
			lanes,
			cap,
			nonce,
			schedule,
			depositor,
		});
		Ok(())
	}

	pub(crate) fn do_open_authorized(
		opening: Opening,
		nonce: u64,
		expires: BlockNumber,
		signature: &AgentSignature,
	) -> DispatchResult {
		ensure!(Self::now() <= expires, Error::<T>::AuthorizationExpired);
		let next = Self::next_nonce(opening.payer.clone(), opening.payee.clone());
		ensure!(nonce == next, Error::<T>::NonceNotNext);
		let authorization = OpenAuth {
			payee: opening.payee.clone(),
			asset: OpenAuth::asset_digest(&opening.asset),
			amount: opening.deposit,
			voucher_key: opening.key,
			grace: opening.grace,
			nonce,
			expires,
		};
		let message = authorization.to_bytes(&Self::domain());
		T::Registry::verify(&opening.payer, Scope::Voucher, &message, signature)?;
		Self::do_open(opening)
	}

	pub(crate) fn do_top_up(by: AccountId, id: ChannelId, amount: Balance) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let mut channel = Self::find(&id)?;
		Self::ensure_live(&channel, Self::now())?;
		channel.deposit = channel.deposit.checked_add(amount).ok_or(ArithmeticError::Overflow)?;
		// What is not settled goes back to the payer. If anybody could pay for a top-up, a stolen key
		// could send credits to any account past the settlement and past the limits of a withdrawal.
		if by == channel.payer {
			T::SpendGuard::ensure_may_spend(&by, &channel.payee, &channel.asset, amount)?;
		} else {
			let operator = T::Registry::operator_of(&channel.payer);
			ensure!(operator.as_ref() == Some(&by), Error::<T>::NotPayer);
			T::SpendGuard::ensure_may_withdraw(&by, &channel.payer, &channel.asset, amount)?;
		}
		T::Ledger::lock(&by, &channel.asset, amount, LockReason::Channel)?;
		let deposit = channel.deposit;
		Channels::<T>::insert(id, channel);
		Self::deposit_event(Event::ToppedUp { id, by, amount, deposit });
		Ok(())
	}
}
