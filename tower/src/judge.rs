//! Whether a proof is worth keeping.

use crate::channel::ChannelState;
use codec::{Decode, Encode};
use stoa_primitives::{
	channel::{Item, Proof},
	keys::Key,
	payload::Domain,
	AccountId, Balance, BlockNumber,
};

/// A proof that was checked against the chain.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct Held {
	/// Who is paid.
	pub payee: AccountId,
	/// What can be settled.
	pub item: Item,
	/// The cumulative amount that the item takes: its capture, or all that its proof allows.
	pub claim: Balance,
	/// Whose signature it is: the channel's key, or the one before it.
	pub key: Key,
	/// The best block when it was checked.
	pub at: BlockNumber,
}

impl Held {
	/// Whether the proof is good for ever.
	pub fn lasts(&self) -> bool {
		self.item.valid_until() == 0
	}

	/// Whether it brings the lane more than `other`, or as much for longer.
	pub(crate) fn beats(&self, other: &Self) -> bool {
		(self.claim, self.lasts()) > (other.claim, other.lasts())
	}
}

/// Why an item is not kept.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
pub enum Refused {
	/// The best block of the tower's node has no such channel.
	#[error("the chain has no such channel, or not yet")]
	UnknownChannel,
	/// The channel pays somebody else than who brings the item.
	#[error("the channel does not pay who brings the item")]
	NotPayee,
	/// The channel has no such lane.
	#[error("the channel has no such lane")]
	UnknownLane,
	/// The proof allows no amount, or less than the item takes.
	#[error("the item takes more than its proof allows")]
	CaptureAboveProof,
	/// As much or more was settled.
	#[error("as much was settled before")]
	Settled,
	/// It cannot be in a block in time.
	#[error("the proof, its key, its lane or the grace period ends before the next block")]
	TooLate,
	/// The tick is no tick of its chain that can be settled.
	#[error("the tick is out of range, or does not lead to the root")]
	BadTick,
	/// Neither the channel's key nor the one before it has signed the proof.
	#[error("the signature is not the channel's")]
	BadSignature,
	/// A lasting proof that is worth something gives way to a lasting one only.
	#[error("a proof that expires does not replace one that lasts")]
	WouldExpire,
	/// The tower holds as much as it may.
	#[error("the tower is full")]
	Full,
	/// It was not looked at: too much was refused before it.
	#[error("the tower did not look at it, since too much before it was refused")]
	Unseen,
}

impl Refused {
	/// Whether the same item may be kept later: the tower's node lags, the payer has replaced its key just
	/// now, or what stands in the way goes.
	pub fn may_change(self) -> bool {
		matches!(
			self,
			Self::UnknownChannel
				| Self::BadSignature
				| Self::WouldExpire
				| Self::Full | Self::Unseen
		)
	}

	/// Whether it speaks against who brings the item.
	pub(crate) fn is_strike(self) -> bool {
		matches!(self, Self::UnknownChannel | Self::NotPayee | Self::BadSignature | Self::BadTick)
	}
}

/// Checks an item against its channel as it is in block `now`. Cheap checks first.
///
/// # Errors
///
/// The first [`Refused`] in the order of the enum.
pub fn judge(
	domain: &Domain,
	channel: &ChannelState,
	now: BlockNumber,
	item: &Item,
) -> Result<Held, Refused> {
	let settled = channel.lane(item.lane).ok_or(Refused::UnknownLane)?;
	let allowed = item.allowed().ok_or(Refused::CaptureAboveProof)?;
	let claim = item.capture.unwrap_or(allowed);
	if claim > allowed {
		return Err(Refused::CaptureAboveProof);
	}
	if claim <= settled {
		return Err(Refused::Settled);
	}
	let held = |key| Held { payee: channel.payee.clone(), item: *item, claim, key, at: now };
	let in_time = |held: &Held| channel.last_block(held).is_some_and(|last| last > now);
	let retired = channel.retired.map(|(key, _)| key);
	let mut candidates: Vec<_> =
		[Some(channel.key), retired].into_iter().flatten().map(held).collect();
	candidates.retain(in_time);
	if candidates.is_empty() {
		return Err(Refused::TooLate);
	}
	if matches!(&item.proof, Proof::Ticks(ticks) if !ticks.in_range()) {
		return Err(Refused::BadTick);
	}
	let message = item.message(domain);
	let signed = |held: &Held| held.key.verify(&message, item.signature());
	let found = candidates.into_iter().find(signed).ok_or(Refused::BadSignature)?;
	match &item.proof {
		Proof::Ticks(ticks) if !ticks.leads_to_root() => Err(Refused::BadTick),
		_ => Ok(found),
	}
}
