//! The calls about agreements: see the calls of `pallet-stoa-escrow` for who may make them, and when.

use super::{api, Call};
use sp_runtime::Permill;
use stoa_primitives::{
	agreement::{AgreementId, Evidence, NegotiationKey, Offer, Side},
	keys::AgentSignature,
	payload::{CancelConsent, ExtendConsent},
	AccountId, Balance, H256,
};
use subxt::utils::Static;

const PALLET: &str = "Escrow";

/// `Escrow.commit`: the signer agrees to an offer that the other side has signed. `transcript` is the last
/// hash of the chain of messages by which it was negotiated, as its
/// transcript gives it.
pub fn commit(offer: Offer, signature: AgentSignature, transcript: H256) -> Call {
	let payload = api::tx().escrow().commit(Static(offer), Static(signature), transcript);
	Call::new(PALLET, "commit", payload)
}

/// `Escrow.withdraw_offer`: the signer's own offers of a negotiation, up to `round`, can no longer be
/// committed. `side` is the one that the signer is on.
pub fn withdraw_offer(
	counterparty: AccountId,
	negotiation: [u8; 32],
	side: Side,
	round: u32,
) -> Call {
	let payload =
		api::tx().escrow().withdraw_offer(Static(counterparty), negotiation, Static(side), round);
	Call::new(PALLET, "withdraw_offer", payload)
}

/// `Escrow.supersede`: shows a later offer of a negotiation.
pub fn supersede(offer: Offer, signature: AgentSignature) -> Call {
	let payload = api::tx().escrow().supersede(Static(offer), Static(signature));
	Call::new(PALLET, "supersede", payload)
}

/// `Escrow.deliver`: the seller delivers a milestone.
pub fn deliver(id: AgreementId, milestone: u32, evidence: Evidence) -> Call {
	let payload = api::tx().escrow().deliver(id, milestone, Static(evidence));
	Call::new(PALLET, "deliver", payload)
}

/// `Escrow.reveal`: the seller delivers a milestone by the key of its lock.
pub fn reveal(id: AgreementId, milestone: u32, key: [u8; 32]) -> Call {
	Call::new(PALLET, "reveal", api::tx().escrow().reveal(id, milestone, key))
}

/// `Escrow.accept`: the buyer pays what a milestone holds.
pub fn accept(id: AgreementId, milestone: u32) -> Call {
	Call::new(PALLET, "accept", api::tx().escrow().accept(id, milestone))
}

/// `Escrow.release`: the buyer pays a part of a milestone.
pub fn release(id: AgreementId, milestone: u32, amount: Balance) -> Call {
	Call::new(PALLET, "release", api::tx().escrow().release(id, milestone, amount))
}

/// `Escrow.request_changes`: the buyer sends a delivery back.
pub fn request_changes(id: AgreementId, milestone: u32, evidence: Evidence) -> Call {
	let payload = api::tx().escrow().request_changes(id, milestone, Static(evidence));
	Call::new(PALLET, "request_changes", payload)
}

/// `Escrow.dispute`: has the arbiters decide.
pub fn dispute(id: AgreementId, milestone: u32, evidence: Evidence) -> Call {
	let payload = api::tx().escrow().dispute(id, milestone, Static(evidence));
	Call::new(PALLET, "dispute", payload)
}

/// `Escrow.answer`: tells the arbiters the other side of a dispute.
pub fn answer(id: AgreementId, milestone: u32, evidence: Evidence) -> Call {
	let payload = api::tx().escrow().answer(id, milestone, Static(evidence));
	Call::new(PALLET, "answer", payload)
}

/// `Escrow.rule`: the arbiter whose turn it is gives `share` of what a milestone holds to the seller.
pub fn rule(id: AgreementId, milestone: u32, share: Permill, evidence: Evidence) -> Call {
	let payload = api::tx().escrow().rule(id, milestone, Static(share), Static(evidence));
	Call::new(PALLET, "rule", payload)
}

/// `Escrow.poke`: does all that is due because somebody was silent.
pub fn poke(id: AgreementId) -> Call {
	Call::new(PALLET, "poke", api::tx().escrow().poke(id))
}

/// `Escrow.cancel`: both sides end an agreement; `signature` is the other side's.
pub fn cancel(consent: CancelConsent, signature: AgentSignature) -> Call {
	let payload = api::tx().escrow().cancel(Static(consent), Static(signature));
	Call::new(PALLET, "cancel", payload)
}

/// `Escrow.extend`: both sides give the seller more time; `signature` is the other side's.
pub fn extend(consent: ExtendConsent, signature: AgentSignature) -> Call {
	let payload = api::tx().escrow().extend(Static(consent), Static(signature));
	Call::new(PALLET, "extend", payload)
}

/// `Escrow.forget`: removes what is known of a negotiation that is over.
pub fn forget(negotiation: NegotiationKey) -> Call {
	Call::new(PALLET, "forget", api::tx().escrow().forget(negotiation))
}
