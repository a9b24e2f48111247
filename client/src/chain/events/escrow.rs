//! What happens to agreements.

use super::super::api::escrow::Event;
use sp_runtime::Permill;
use stoa_primitives::{
	agreement::{AgreementId, EndReason, Ending, Evidence, NegotiationKey, Side, Sums},
	money::ScheduleId,
	AccountId, AssetId, Balance, BlockNumber, H256,
};

/// An event of the pallet `Escrow`. Amounts are in units of the agreement's asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AgreementEvent {
	/// An offer was committed: there is an agreement.
	Committed {
		/// Agreement id, the digest of the offer.
		id: AgreementId,
		/// The negotiation that it came of.
		negotiation: NegotiationKey,
		/// The side that pays.
		buyer: AccountId,
		/// The side that is paid.
		seller: AccountId,
		/// In what is paid.
		asset: AssetId,
		/// Credits of the buyer that were locked.
		total: Balance,
		/// Credits of the seller that were locked.
		bond: Balance,
		/// Digest of the terms.
		terms: [u8; 32],
		/// The side that has committed it. The other one has signed it.
		by: Side,
		/// The round of the offer.
		round: u32,
		/// The fee schedule that holds until the agreement ends.
		schedule: ScheduleId,
		/// The last hash of the chain of messages by which it was negotiated.
		transcript: H256,
		/// Who put up the storage deposit.
		depositor: AccountId,
	},
	/// Offers can no longer be committed because their signer has withdrawn them.
	OfferWithdrawn {
		/// The negotiation.
		negotiation: NegotiationKey,
		/// Whose offers.
		by: AccountId,
		/// Which side that is.
		side: Side,
		/// The last round that is concerned.
		round: u32,
	},
	/// Offers can no longer be committed because a later one was shown.
	OffersSuperseded {
		/// The negotiation.
		negotiation: NegotiationKey,
		/// Which side has signed the later one.
		by: Side,
		/// Its round. All offers of earlier rounds are concerned.
		round: u32,
	},
	/// A milestone was delivered.
	Delivered {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// What shows it.
		evidence: Evidence,
		/// Last block in which the buyer can refuse it.
		review_until: BlockNumber,
	},
	/// A milestone was delivered by revealing the key of its lock.
	Revealed {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// The key, for everybody to see.
		key: [u8; 32],
		/// Last block in which the buyer can refuse it. When it has none, the end of the milestone
		/// follows.
		review_until: BlockNumber,
	},
	/// The buyer has released a part of a milestone.
	PartReleased {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// How much, before shares were taken.
		amount: Balance,
		/// What the milestone still holds.
		open: Balance,
	},
	/// The buyer wants changes.
	ChangesRequested {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// What says which.
		evidence: Evidence,
		/// Last block in which the seller can deliver again, or dispute the request.
		deliver_by: BlockNumber,
		/// How many more requests the buyer has.
		left: u8,
	},
	/// A dispute was opened.
	Disputed {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// Who has opened it.
		by: Side,
		/// What shows why.
		evidence: Evidence,
		/// What that side has locked for the arbiter's fee.
		fee: Balance,
		/// Last block in which anybody can rule. `None` when there is nobody: the milestone has ended.
		ends: Option<BlockNumber>,
	},
	/// An arbiter has ruled. The end of the milestone follows.
	Ruled {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// Who.
		arbiter: AccountId,
		/// The seller's share of what was open.
		share: Permill,
		/// What the arbiter got.
		fee: Balance,
		/// What of it the buyer has borne for the seller.
		costs_of_buyer: Balance,
		/// What of it the seller has borne for the buyer.
		costs_of_seller: Balance,
		/// What says why.
		evidence: Evidence,
	},
	/// The side that has not opened a dispute has answered.
	Answered {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// Who has answered.
		by: Side,
		/// What it says.
		evidence: Evidence,
	},
	/// An arbiter was paid for a dispute that the parties have ended themselves.
	ArbiterPaid {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// Who had the seat.
		arbiter: AccountId,
		/// What it got.
		fee: Balance,
	},
	/// Nothing is left of a milestone.
	MilestoneEnded {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// What has become of it.
		ending: Ending,
		/// What of the rest was settled to the seller, before shares were taken.
		to_seller: Balance,
		/// What of the rest went back to the buyer.
		to_buyer: Balance,
		/// What the buyer got of the bond because it was not delivered.
		penalty: Balance,
	},
	/// Both sides have agreed to a later delivery.
	Extended {
		/// Agreement id.
		id: AgreementId,
		/// Place of the milestone, from 0.
		milestone: u32,
		/// Last block in which it can be delivered.
		deliver_by: BlockNumber,
		/// What the next consent must name.
		sequence: u32,
	},
	/// An agreement has ended.
	Ended {
		/// Agreement id.
		id: AgreementId,
		/// What ended it.
		reason: EndReason,
		/// Where the money went.
		sums: Sums,
		/// What went back to the seller of its bond.
		bond: Balance,
	},
	/// Nothing is known of a negotiation any more.
	Forgotten {
		/// The negotiation.
		negotiation: NegotiationKey,
		/// The agreement that came of it.
		agreement: Option<AgreementId>,
	},
}

impl AgreementEvent {
	/// The agreement that it is about; `None` for one about a negotiation.
	pub fn agreement(&self) -> Option<&AgreementId> {
		match self {
			Self::Committed { id, .. } => Some(id),
			Self::OfferWithdrawn { .. } => None,
			Self::OffersSuperseded { .. } => None,
			Self::Delivered { id, .. } => Some(id),
			Self::Revealed { id, .. } => Some(id),
			Self::PartReleased { id, .. } => Some(id),
			Self::ChangesRequested { id, .. } => Some(id),
			Self::Disputed { id, .. } => Some(id),
			Self::Ruled { id, .. } => Some(id),
			Self::Answered { id, .. } => Some(id),
			Self::ArbiterPaid { id, .. } => Some(id),
			Self::MilestoneEnded { id, .. } => Some(id),
			Self::Extended { id, .. } => Some(id),
			Self::Ended { id, .. } => Some(id),
			Self::Forgotten { agreement, .. } => agreement.as_ref(),
		}
	}
}

pub(super) fn decode(event: Event) -> AgreementEvent {
	match event {
		Event::Committed {
			id,
			negotiation,
			buyer,
			seller,
			asset,
			total,
			bond,
			terms,
			by,
			round,
			schedule,
			transcript,
			depositor,
		} => AgreementEvent::Committed {
			id,
			negotiation,
			buyer: buyer.0,
			seller: seller.0,
			asset: asset.0,
			total,
			bond,
			terms,
			by: by.0,
			round,
			schedule,
			transcript,
			depositor: depositor.0,
		},
		Event::OfferWithdrawn { negotiation, by, side, round } => {
			AgreementEvent::OfferWithdrawn { negotiation, by: by.0, side: side.0, round }
		},
		Event::OffersSuperseded { negotiation, by, round } => {
			AgreementEvent::OffersSuperseded { negotiation, by: by.0, round }
		},
		Event::Delivered { id, milestone, evidence, review_until } => {
			AgreementEvent::Delivered { id, milestone, evidence: evidence.0, review_until }
		},
		Event::Revealed { id, milestone, key, review_until } => {
			AgreementEvent::Revealed { id, milestone, key, review_until }
		},
		Event::PartReleased { id, milestone, amount, open } => {
			AgreementEvent::PartReleased { id, milestone, amount, open }
		},
		Event::ChangesRequested { id, milestone, evidence, deliver_by, left } => {
			AgreementEvent::ChangesRequested {
				id,
				milestone,
				evidence: evidence.0,
				deliver_by,
				left,
			}
		},
		Event::Disputed { id, milestone, by, evidence, fee, ends } => {
			AgreementEvent::Disputed { id, milestone, by: by.0, evidence: evidence.0, fee, ends }
		},
		Event::Answered { id, milestone, by, evidence } => {
			AgreementEvent::Answered { id, milestone, by: by.0, evidence: evidence.0 }
		},
		Event::ArbiterPaid { id, milestone, arbiter, fee } => {
			AgreementEvent::ArbiterPaid { id, milestone, arbiter: arbiter.0, fee }
		},
		Event::Ruled {
			id,
			milestone,
			arbiter,
			share,
			fee,
			costs_of_buyer,
			costs_of_seller,
			evidence,
		} => AgreementEvent::Ruled {
			id,
			milestone,
			arbiter: arbiter.0,
			share: share.0,
			fee,
			costs_of_buyer,
			costs_of_seller,
			evidence: evidence.0,
		},
		Event::MilestoneEnded { id, milestone, ending, to_seller, to_buyer, penalty } => {
			AgreementEvent::MilestoneEnded {
				id,
				milestone,
				ending: ending.0,
				to_seller,
				to_buyer,
				penalty,
			}
		},
		Event::Extended { id, milestone, deliver_by, sequence } => {
			AgreementEvent::Extended { id, milestone, deliver_by, sequence }
		},
		Event::Ended { id, reason, sums, bond } => {
			AgreementEvent::Ended { id, reason: reason.0, sums: sums.0, bond }
		},
		Event::Forgotten { negotiation, agreement } => {
			AgreementEvent::Forgotten { negotiation, agreement }
		},
	}
}
