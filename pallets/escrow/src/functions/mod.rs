//! What the calls do, by phase of an agreement's life.

mod amend;
mod commit;
mod deliver;
mod deposit;
mod dispute;
mod end;

use crate::{
	kpis::{AgentRow, Counters},
	pallet::*,
	types::*,
};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::MaxEncodedLen;
use frame_support::ensure;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{BlockNumberProvider, Zero},
	ArithmeticError, DispatchError, DispatchResult,
};
use stoa_primitives::{
	agreement::{AgreementId, Case, Evidence, Milestone, Offer, OfferError, Side},
	money::LockReason,
	payload::Domain,
	traits::{Arbitration, Locker},
	AccountId, AssetId, Balance, BlockNumber,
};

/// The purse of this pallet.
const PURSE: LockReason = LockReason::Agreement;

impl<T: Config> Pallet<T> {
	/// What binds a signature to this chain and to agreements.
	pub(crate) fn domain() -> Domain {
		Domain::agreements(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()))
	}

	pub(crate) fn now() -> BlockNumber {
		T::BlockNumberProvider::current_block_number()
	}

	/// So many blocks from now. Saturating: at the end of time there is no later block to name.
	fn after(blocks: BlockNumber) -> BlockNumber {
		Self::now().saturating_add(blocks)
	}

	fn find(id: &AgreementId) -> Result<AgreementOf<T>, Error<T>> {
		Agreements::<T>::get(id).ok_or(Error::<T>::UnknownAgreement)
	}

	/// The agreement, which `by` must be the given side of, and the place, terms and progress of one of
	/// its milestones.
	fn find_for(
		by: &AccountId,
		side: Side,
		id: &AgreementId,
		milestone: u32,
	) -> Result<(AgreementOf<T>, usize, Milestone, Progress), Error<T>> {
		let agreement = Self::find(id)?;
		let refusal = match side {
			Side::Buyer => Error::<T>::NotBuyer,
			Side::Seller => Error::<T>::NotSeller,
		};
		ensure!(agreement.offer.party(side) == by, refusal);
		let (index, terms, progress) = Self::milestone(&agreement, milestone)?;
		Ok((agreement, index, terms, progress))
	}

	/// Place, terms and progress of a milestone that has not ended.
	fn milestone(
		agreement: &AgreementOf<T>,
		milestone: u32,
	) -> Result<(usize, Milestone, Progress), Error<T>> {
		let index = usize::try_from(milestone).map_err(|_| Error::<T>::UnknownMilestone)?;
		let terms = agreement.offer.milestones.get(index).ok_or(Error::<T>::UnknownMilestone)?;
		let progress = agreement.milestones.get(index).ok_or(Error::<T>::UnknownMilestone)?;
		ensure!(!progress.state.is_ended(), Error::<T>::MilestoneEnded);
		Ok((index, *terms, *progress))
	}

	/// Which side of an agreement somebody is.
	fn side_of(offer: &Offer, who: &AccountId) -> Result<Side, Error<T>> {
		match who {
			who if *who == offer.buyer => Ok(Side::Buyer),
			who if *who == offer.seller => Ok(Side::Seller),
			_ => Err(Error::<T>::NotParty),
		}
	}

	/// Fails unless the URI of a document is one, as far as its characters go.
	fn ensure_uri(evidence: &Evidence) -> Result<(), Error<T>> {
		ensure!(evidence.uri.iter().all(u8::is_ascii_graphic), Error::<T>::MalformedUri);
		Ok(())
	}

	/// Write down how far a milestone is.
	fn set(
		agreement: &mut AgreementOf<T>,
		index: usize,
		progress: Progress,
	) -> Result<(), Error<T>> {
		let row = agreement.milestones.get_mut(index).ok_or(Error::<T>::UnknownMilestone)?;
		*row = progress;
		Ok(())
	}

	/// The dispute about the milestone at `index` that was opened in block `opened`.
	fn case(id: AgreementId, offer: &Offer, index: usize, opened: BlockNumber) -> Case {
		let (buyer, seller) = (offer.buyer.clone(), offer.seller.clone());
		// It fits: there are few milestones.
		let milestone = u32::try_from(index).unwrap_or(u32::MAX);
		Case { agreement: id, milestone, buyer, seller, opened }
	}

	/// The last block in which a dispute can be decided. A panel that decides nothing has ended it when
	/// it was opened.
	fn case_ends(offer: &Offer, case: &Case) -> BlockNumber {
		T::Arbitration::ends(&offer.panel, case).unwrap_or(case.opened)
	}

	/// Count something for both sides and the market.
	fn count(offer: &Offer, change: impl Fn(&mut Counters)) {
		Self::count_for(&offer.buyer, &change);
		Self::count_for(&offer.seller, &change);
		Market::<T>::mutate(&change);
	}

	/// Count something for one agent.
	fn count_for(who: &AccountId, change: impl Fn(&mut Counters)) {
		AgentRows::<T>::mutate_extant(who, |row: &mut AgentRow| change(&mut row.counters));
	}
}

impl<T> From<OfferError> for Error<T> {
	fn from(error: OfferError) -> Self {
		match error {
			OfferError::SameParty => Self::SameParty,
			OfferError::PartyIsArbiter => Self::PartyIsArbiter,
			OfferError::ArbiterTwice => Self::ArbiterTwice,
			OfferError::NoMilestones => Self::NoMilestones,
			OfferError::ZeroAmount => Self::ZeroAmount,
			OfferError::AmountOverflow => Self::AmountOverflow,
			OfferError::DeliveryOutOfBounds => Self::DeliveryOutOfBounds,
			OfferError::ReviewOutOfBounds => Self::ReviewOutOfBounds,
			OfferError::ChangesOutOfBounds => Self::ChangesOutOfBounds,
			OfferError::ReworkOutOfBounds => Self::ReworkOutOfBounds,
			OfferError::PenaltiesAboveBond => Self::PenaltiesAboveBond,
			OfferError::PanelOutOfBounds => Self::PanelOutOfBounds,
			OfferError::RoundOutOfBounds => Self::RoundOutOfBounds,
			OfferError::PreviousMismatch => Self::PreviousMismatch,
			OfferError::OpenedAfterEnd => Self::OpenedAfterEnd,
			OfferError::ValidityOutOfBounds => Self::ValidityOutOfBounds,
		}
	}
}

impl<T: Config> Locker for Pallet<T> {
	const REASON: LockReason = PURSE;

	fn locked_totals() -> Vec<(AssetId, Balance)> {
		let mut totals = BTreeMap::<AssetId, Balance>::new();
		for agreement in Agreements::<T>::iter_values() {
			let held = agreement.held();
			let total = totals.entry(agreement.offer.asset).or_default();
			// Saturating: a sum out of range differs from the ledger's, which shows it.
			*total = total.saturating_add(held);
		}
		totals.into_iter().collect()
	}
}
