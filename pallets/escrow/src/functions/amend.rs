//! What both sides change together: one signs, the other submits.

use super::*;
use stoa_primitives::{
	agent::Scope,
	agreement::MAX_DURATION,
	keys::AgentSignature,
	payload::{CancelConsent, ExtendConsent, Payload},
	traits::AgentRegistry,
};

impl<T: Config> Pallet<T> {
	/// Fails unless `by` is a party and the consent is about the agreement as it is, not too old, and not
	/// good for too long. Returns whose signature it needs.
	fn ensure_consent(
		agreement: &AgreementOf<T>,
		by: &AccountId,
		sequence: u32,
		expires: BlockNumber,
	) -> Result<AccountId, Error<T>> {
		let side = Self::side_of(&agreement.offer, by)?;
		ensure!(sequence == agreement.sequence, Error::<T>::SequenceNotNext);
		ensure!(Self::now() <= expires, Error::<T>::ConsentExpired);
		ensure!(expires <= Self::after(MAX_CONSENT_AGE), Error::<T>::ConsentTooLong);
		Ok(agreement.offer.party(side.other()).clone())
	}

	pub(crate) fn do_cancel(
		by: AccountId,
		consent: CancelConsent,
		signature: &AgentSignature,
	) -> DispatchResult {
		let CancelConsent { agreement: id, seller, sequence, expires } = consent;
		let agreement = Self::find(&id)?;
		let signer = Self::ensure_consent(&agreement, &by, sequence, expires)?;
		ensure!(seller <= agreement.open_total(), Error::<T>::AboveOpen);
		let message = consent.to_bytes(&Self::domain());
		T::Registry::verify(&signer, Scope::Offer, &message, signature)?;
		Self::wind_up(id, agreement, seller, EndReason::Cancelled)
	}

	pub(crate) fn do_extend(
		by: AccountId,
		consent: ExtendConsent,
		signature: &AgentSignature,
	) -> DispatchResult {
		let ExtendConsent { agreement: id, milestone, deliver_by, sequence, expires } = consent;
		let mut agreement = Self::find(&id)?;
		let signer = Self::ensure_consent(&agreement, &by, sequence, expires)?;
		let (index, _, mut progress) = Self::milestone(&agreement, milestone)?;
		let (State::Funded { deliver_by: before } | State::Reworking { deliver_by: before }) =
			&mut progress.state
		else {
			return Err(Error::<T>::AlreadyDelivered.into());
		};
		let bounds = Self::now()..=Self::after(MAX_DURATION);
		let is_later = deliver_by > *before && bounds.contains(&deliver_by);
		ensure!(is_later, Error::<T>::ExtensionOutOfBounds);
		let message = consent.to_bytes(&Self::domain());
		T::Registry::verify(&signer, Scope::Offer, &message, signature)?;
		*before = deliver_by;
		agreement.touch(Some(agreement.offer.by));
		Self::set(&mut agreement, index, progress)?;
		let sequence = agreement.sequence;
		Agreements::<T>::insert(id, agreement);
		Self::deposit_event(Event::Extended { id, milestone, deliver_by, sequence });
		Ok(())
	}
}
