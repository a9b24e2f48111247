//! Agreements: what two agents offer each other, and the bytes they sign for it.
//!
//! An [`Offer`] varies in length, so it is signed by its digest: `blake2_256` of a payload header of
//! type 6 in the domain of agreements, then the offer in SCALE. The digest of the offer that is
//! committed is the id of the agreement.
//!
//! Both sides check an offer with [`Offer::validate`] before they sign it; the chain does the same
//! when it is committed.

mod course;

pub use course::{
	AgreementView, Deadline, Deadlines, EndReason, Ending, Kpis, Outcome, Progress, Quote,
	StandingView, State, Sums, WaitsFor,
};

use crate::{
	agent::Uri,
	payload::{header, read_header, Domain, PayloadError, Reader, HEADER_LEN},
	AccountId, AssetId, Balance, BlockNumber,
};
use alloc::vec::Vec;
use codec::{Decode, DecodeAll, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{traits::ConstU32, BoundedVec};
use scale_info::TypeInfo;
use sp_io::hashing::blake2_256;
use sp_runtime::{traits::Zero, Permill};

/// The id of an agreement: the digest of the offer that was committed, see [`Offer::digest`].
pub type AgreementId = [u8; 32];
/// What names a negotiation of two parties, see [`negotiation_key`].
pub type NegotiationKey = [u8; 32];

/// The type byte of an offer in the table of [`crate::payload`].
pub const OFFER_TYPE: u8 = 6;
/// Most milestones of one agreement.
pub const MAX_MILESTONES: u32 = 16;
/// Most arbiters that an offer can name.
pub const MAX_ARBITERS: u32 = 3;
/// Most requests for changes of one milestone.
pub const MAX_CHANGES: u8 = 8;
/// The highest round of a negotiation.
pub const MAX_ROUNDS: u32 = 64;
/// How long after its negotiation began an offer can be committed: 30 days. What the chain remembers of
/// a negotiation it can forget after that, and no offer comes back.
pub const MAX_VALIDITY: BlockNumber = 30 * crate::DAYS;

/// How long after the commit of an offer its signer can undo the agreement by showing that the other
/// side had refused the offer before: one day.
pub const VOID_WINDOW: BlockNumber = crate::DAYS;

/// How far ahead the last block of a consent can be: one day. What a side would agree to, it agrees to now.
pub const MAX_CONSENT_AGE: BlockNumber = crate::DAYS;
/// Shortest review of a delivery without a hash lock: 30 seconds. Whoever is silent needs the time to
/// look at what it bought.
pub const MIN_REVIEW: BlockNumber = 15;
/// Longest of all durations in an offer: 180 days.
pub const MAX_DURATION: BlockNumber = 180 * crate::DAYS;

/// A side of an agreement.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub enum Side {
	/// The side that pays.
	#[codec(index = 0)]
	Buyer,
	/// The side that delivers and is paid.
	#[codec(index = 1)]
	Seller,
}

impl Side {
	/// The other side.
	#[must_use]
	pub fn other(self) -> Self {
		match self {
			Self::Buyer => Self::Seller,
			Self::Seller => Self::Buyer,
		}
	}
}

/// A part of an agreement that is delivered and paid by itself.
///
/// All durations are in blocks, amounts in units of the agreement's asset.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Milestone {
	/// What the buyer pays for it, before shares are taken. Not zero.
	pub amount: Balance,
	/// How long after the commit it can be delivered, from 1 to [`MAX_DURATION`].
	pub deliver_within: BlockNumber,
	/// How long the buyer has after a delivery to refuse it, from [`MIN_REVIEW`] to [`MAX_DURATION`].
	/// Under a lock it may be shorter; 0 releases the money with the key.
	pub review: BlockNumber,
	/// How long the seller has after each request for changes, from 1 to [`MAX_DURATION`]; anything up
	/// to that when there are none.
	pub rework: BlockNumber,
	/// How many times the buyer may request changes, up to [`MAX_CHANGES`]. None under a lock: a key is
	/// revealed once.
	pub changes: u8,
	/// What goes from the bond to the buyer when it is not delivered, or pro rata by a ruling.
	pub penalty: Balance,
	/// `blake2_256` of the 32-byte key whose revelation is the delivery.
	pub lock: Option<[u8; 32]>,
}

/// The milestones of an agreement, in order.
pub type Milestones = BoundedVec<Milestone, ConstU32<MAX_MILESTONES>>;

/// Who decides in a dispute, and what happens when nobody does.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Panel {
	/// Who may rule, one after the other. None: the fallback decides at once.
	pub arbiters: BoundedVec<AccountId, ConstU32<MAX_ARBITERS>>,
	/// What an arbiter gets for a ruling, in the agreement's asset. 0 without arbiters.
	pub fee: Balance,
	/// How long each arbiter has, from 1 to [`MAX_DURATION`] blocks. 0 without arbiters.
	pub turn: BlockNumber,
	/// The seller's share of what is in dispute when nobody rules.
	pub fallback: Permill,
}

impl Panel {
	/// No arbiters: a dispute gives `fallback` of the open amount to the seller, at once.
	pub fn none(fallback: Permill) -> Self {
		Self { arbiters: BoundedVec::new(), fee: 0, turn: 0, fallback }
	}
}

/// A dispute that a panel is to decide.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Case {
	/// Agreement id.
	pub agreement: AgreementId,
	/// Place of the milestone, from 0.
	pub milestone: u32,
	/// The side that pays.
	pub buyer: AccountId,
	/// The side that is paid.
	pub seller: AccountId,
	/// The block in which the dispute was opened.
	pub opened: BlockNumber,
}

/// A document that shows something, and the digest that pins it.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Evidence {
	/// `blake2_256` of the document.
	pub digest: [u8; 32],
	/// Where the document is. May be empty when the other side has it.
	pub uri: Uri,
}

/// What one side offers the other. Encoding: SCALE, fields in this order.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Offer {
	/// Random, drawn by whoever opens the negotiation. All offers of the negotiation share it.
	pub negotiation: [u8; 32],
	/// The side that pays.
	pub buyer: AccountId,
	/// The side that delivers and is paid.
	pub seller: AccountId,
	/// In what is paid, bond and fee of the arbiters included.
	pub asset: AssetId,
	/// What is delivered when, and for how much.
	pub milestones: Milestones,
	/// `blake2_256` of the terms, a JSON document in its canonical form (RFC 8785).
	pub terms: [u8; 32],
	/// What the seller locks, at least the sum of all penalties.
	pub bond: Balance,
	/// Who decides in a dispute.
	pub panel: Panel,
	/// Who signs this offer. The other side commits it.
	pub by: Side,
	/// From 1 to [`MAX_ROUNDS`]; a counter-offer has the round after that of the offer it answers.
	pub round: u32,
	/// Digest of the offer that this one answers. `None` in the first round and in no other.
	pub previous: Option<[u8; 32]>,
	/// The block in which the negotiation began, as both sides see it. No offer of it can be committed
	/// before. An offer that says a block which has not come yet is not to be taken.
	pub opened: BlockNumber,
	/// The seller's first total price in this negotiation, 0 if it named none. For statistics.
	pub first_ask: Balance,
	/// Last block in which the offer can be committed, up to [`MAX_VALIDITY`] after `opened`.
	pub valid_until: BlockNumber,
	/// Free for the signer. Makes offers differ that are otherwise equal.
	pub nonce: u64,
}

/// Why an offer cannot be agreed to, whatever the state of the chain.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OfferError {
	/// Buyer and seller are the same account.
	SameParty,
	/// A party is among the arbiters.
	PartyIsArbiter,
	/// An arbiter is named twice.
	ArbiterTwice,
	/// There is no milestone.
	NoMilestones,
	/// A milestone costs nothing.
	ZeroAmount,
	/// Amounts, bond and fees for all milestones sum to more than any amount.
	AmountOverflow,
	/// A time for delivery is 0 or above [`MAX_DURATION`].
	DeliveryOutOfBounds,
	/// A review is above [`MAX_DURATION`], or below [`MIN_REVIEW`] without a lock.
	ReviewOutOfBounds,
	/// There are more than [`MAX_CHANGES`] requests for changes, or any under a lock.
	ChangesOutOfBounds,
	/// A time for rework is above [`MAX_DURATION`], or 0 though changes can be requested.
	ReworkOutOfBounds,
	/// The penalties sum to more than the bond.
	PenaltiesAboveBond,
	/// There are arbiters and their turn is 0 or above [`MAX_DURATION`], or a turn or a fee without
	/// arbiters.
	PanelOutOfBounds,
	/// The round is 0 or above [`MAX_ROUNDS`].
	RoundOutOfBounds,
	/// The first round answers an offer, or a later one answers none.
	PreviousMismatch,
	/// The negotiation begins after the offer's last block.
	OpenedAfterEnd,
	/// The offer's last block is more than [`MAX_VALIDITY`] after the negotiation began.
	ValidityOutOfBounds,
}

#[cfg(feature = "std")]
impl std::fmt::Display for OfferError {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str(match self {
			Self::SameParty => "buyer and seller are the same account",
			Self::PartyIsArbiter => "a party is among the arbiters",
			Self::ArbiterTwice => "an arbiter is named twice",
			Self::NoMilestones => "there is no milestone",
			Self::ZeroAmount => "a milestone costs nothing",
			Self::AmountOverflow => "the amounts sum to more than any amount",
			Self::DeliveryOutOfBounds => "a time for delivery is out of bounds",
			Self::ReviewOutOfBounds => "a review is out of bounds",
			Self::ChangesOutOfBounds => "there are too many requests for changes",
			Self::ReworkOutOfBounds => "a time for rework is out of bounds",
			Self::PenaltiesAboveBond => "the penalties sum to more than the bond",
			Self::PanelOutOfBounds => "turn and fee do not fit the arbiters",
			Self::RoundOutOfBounds => "the round is out of bounds",
			Self::PreviousMismatch => {
				"the offer answers none though its round is not the first, or one though it is"
			},
			Self::OpenedAfterEnd => "the negotiation begins after the offer's last block",
			Self::ValidityOutOfBounds => "the offer is valid for too long",
		})
	}
}

#[cfg(feature = "std")]
impl std::error::Error for OfferError {}

fn ensure(holds: bool, error: OfferError) -> Result<(), OfferError> {
	if holds {
		Ok(())
	} else {
		Err(error)
	}
}

impl Milestone {
	/// # Errors
	///
	/// What is wrong with this milestone by itself.
	fn validate(&self) -> Result<(), OfferError> {
		ensure(!self.amount.is_zero(), OfferError::ZeroAmount)?;
		let within = |from, value| (from..=MAX_DURATION).contains(&value);
		ensure(within(1, self.deliver_within), OfferError::DeliveryOutOfBounds)?;
		let shortest = if self.lock.is_some() { 0 } else { MIN_REVIEW };
		ensure(within(shortest, self.review), OfferError::ReviewOutOfBounds)?;
		let most = if self.lock.is_some() { 0 } else { MAX_CHANGES };
		ensure(self.changes <= most, OfferError::ChangesOutOfBounds)?;
		ensure(within(self.changes.min(1).into(), self.rework), OfferError::ReworkOutOfBounds)
	}
}

impl Panel {
	/// # Errors
	///
	/// What is wrong with this panel by itself.
	fn validate(&self) -> Result<(), OfferError> {
		let turns = if self.arbiters.is_empty() { 0..=0 } else { 1..=MAX_DURATION };
		let fits = turns.contains(&self.turn) && (!self.arbiters.is_empty() || self.fee == 0);
		ensure(fits, OfferError::PanelOutOfBounds)?;
		let twice = |(at, who)| self.arbiters.iter().skip(at).skip(1).any(|other| other == who);
		ensure(!self.arbiters.iter().enumerate().any(twice), OfferError::ArbiterTwice)
	}
}

impl Offer {
	/// Longest preimage of a digest, in bytes: see [`Offer::to_bytes`].
	pub fn max_len() -> usize {
		HEADER_LEN.saturating_add(Self::max_encoded_len())
	}

	/// What is hashed: a header of type 6, then the offer in SCALE.
	pub fn to_bytes(&self, domain: &Domain) -> Vec<u8> {
		let mut out = Vec::with_capacity(HEADER_LEN.saturating_add(self.encoded_size()));
		out.extend_from_slice(&header(OFFER_TYPE, domain));
		self.encode_to(&mut out);
		out
	}

	/// The inverse of [`Offer::to_bytes`]. Does not [`validate`](Offer::validate).
	///
	/// # Errors
	///
	/// See [`PayloadError`]: bytes that are shorter than a header or longer than any offer have the
	/// wrong length; what is behind the header must be exactly one offer.
	pub fn from_bytes(bytes: &[u8], domain: &Domain) -> Result<Self, PayloadError> {
		if bytes.len() > Self::max_len() {
			return Err(PayloadError::Length);
		}
		let mut reader = Reader::new(bytes);
		read_header(&mut reader, OFFER_TYPE, domain)?;
		Self::decode_all(&mut reader.rest()).map_err(|_| PayloadError::Field)
	}

	/// `blake2_256` of [`Offer::to_bytes`]: the 32 bytes that are signed, and the id of the agreement
	/// that it makes.
	pub fn digest(&self, domain: &Domain) -> AgreementId {
		blake2_256(&self.to_bytes(domain))
	}

	/// The negotiation that this offer belongs to.
	pub fn key(&self) -> NegotiationKey {
		negotiation_key(&self.buyer, &self.seller, &self.negotiation)
	}

	/// The account of one side.
	pub fn party(&self, side: Side) -> &AccountId {
		match side {
			Side::Buyer => &self.buyer,
			Side::Seller => &self.seller,
		}
	}

	/// Whose signature makes this an offer.
	pub fn signer(&self) -> &AccountId {
		self.party(self.by)
	}

	/// Who can commit it.
	pub fn recipient(&self) -> &AccountId {
		self.party(self.by.other())
	}

	/// What the buyer pays for all milestones; `None` on overflow.
	pub fn total(&self) -> Option<Balance> {
		self.milestones.iter().try_fold(0, |sum: Balance, m| sum.checked_add(m.amount))
	}

	/// The sum of all penalties; `None` on overflow.
	pub fn penalties(&self) -> Option<Balance> {
		self.milestones.iter().try_fold(0, |sum: Balance, m| sum.checked_add(m.penalty))
	}

	/// All that can be locked at the same time: total, bond, and the fee of a dispute about each
	/// milestone; `None` on overflow.
	pub fn most_locked(&self) -> Option<Balance> {
		let milestones = Balance::try_from(self.milestones.len()).ok()?;
		let fees = self.panel.fee.checked_mul(milestones)?;
		self.total()?.checked_add(self.bond)?.checked_add(fees)
	}

	/// Checks everything that needs no state of the chain.
	///
	/// # Errors
	///
	/// See [`OfferError`].
	pub fn validate(&self) -> Result<(), OfferError> {
		ensure(self.buyer != self.seller, OfferError::SameParty)?;
		let arbiters = &self.panel.arbiters;
		let party = |who: &AccountId| *who == self.buyer || *who == self.seller;
		ensure(!arbiters.iter().any(party), OfferError::PartyIsArbiter)?;
		self.panel.validate()?;
		ensure(!self.milestones.is_empty(), OfferError::NoMilestones)?;
		self.milestones.iter().try_for_each(Milestone::validate)?;
		ensure(self.most_locked().is_some(), OfferError::AmountOverflow)?;
		let covered = self.penalties().is_some_and(|sum| sum <= self.bond);
		ensure(covered, OfferError::PenaltiesAboveBond)?;
		ensure((1..=MAX_ROUNDS).contains(&self.round), OfferError::RoundOutOfBounds)?;
		ensure((self.round == 1) == self.previous.is_none(), OfferError::PreviousMismatch)?;
		let valid_for = self.valid_until.checked_sub(self.opened);
		let valid_for = valid_for.ok_or(OfferError::OpenedAfterEnd)?;
		ensure(valid_for <= MAX_VALIDITY, OfferError::ValidityOutOfBounds)
	}
}

/// `blake2_256(buyer ‖ seller ‖ negotiation)`: names a negotiation on chain.
pub fn negotiation_key(
	buyer: &AccountId,
	seller: &AccountId,
	negotiation: &[u8; 32],
) -> NegotiationKey {
	let (buyer, seller): (&[u8; 32], &[u8; 32]) = (buyer.as_ref(), seller.as_ref());
	blake2_256(&[*buyer, *seller, *negotiation].concat())
}

/// The hash lock that `key` opens: `blake2_256(key)`.
pub fn lock_of(key: &[u8; 32]) -> [u8; 32] {
	blake2_256(key)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::H256;
	use proptest::prelude::*;

	fn account(byte: u8) -> AccountId {
		AccountId::new([byte; 32])
	}

	fn domain() -> Domain {
		Domain::agreements(H256::repeat_byte(7))
	}

	fn milestone() -> Milestone {
		Milestone {
			amount: 100,
			deliver_within: 50,
			review: MIN_REVIEW,
			rework: 10,
			changes: 1,
			penalty: 5,
			lock: None,
		}
	}

	fn offer() -> Offer {
		Offer {
			negotiation: [1; 32],
			buyer: account(2),
			seller: account(3),
			asset: AssetId::WithId(1),
			milestones: vec![milestone(), milestone()].try_into().unwrap(),
			terms: [4; 32],
			bond: 10,
			panel: Panel {
				arbiters: vec![account(5), account(6)].try_into().unwrap(),
				fee: 7,
				turn: 8,
				fallback: Permill::from_percent(50),
			},
			by: Side::Seller,
			round: 2,
			previous: Some([9; 32]),
			opened: 10,
			first_ask: 220,
			valid_until: 1_000,
			nonce: 11,
		}
	}

	#[test]
	fn offer_bytes_should_be_as_documented() {
		let offer = Offer {
			milestones: vec![Milestone { lock: Some([0xCC; 32]), ..milestone() }]
				.try_into()
				.unwrap(),
			..offer()
		};
		let mut expected = vec![0xFF, b'S', b'T', b'O', b'A', 1, 6, 0];
		expected.extend(domain().0);
		expected.extend([[1; 32], [2; 32], [3; 32]].concat());
		expected.extend([1, 1, 0, 0, 0]); // asset: with id, 1
		expected.push(4); // one milestone, compact
		expected.extend(100u128.to_le_bytes());
		expected.extend([50, 0, 0, 0, 15, 0, 0, 0, 10, 0, 0, 0, 1]);
		expected.extend(5u128.to_le_bytes());
		expected.push(1);
		expected.extend([0xCC; 32]);
		expected.extend([4; 32]);
		expected.extend(10u128.to_le_bytes());
		expected.push(8); // two arbiters, compact
		expected.extend([[5; 32], [6; 32]].concat());
		expected.extend(7u128.to_le_bytes());
		expected.extend([8, 0, 0, 0]);
		expected.extend(500_000u32.to_le_bytes());
		expected.push(1); // by the seller
		expected.extend([2, 0, 0, 0, 1]);
		expected.extend([9; 32]);
		expected.extend([10, 0, 0, 0]);
		expected.extend(220u128.to_le_bytes());
		expected.extend(1_000u32.to_le_bytes());
		expected.extend(11u64.to_le_bytes());
		assert_eq!(offer.to_bytes(&domain()), expected);
		assert_eq!(offer.digest(&domain()), blake2_256(&expected));
		assert_eq!(Offer::from_bytes(&expected, &domain()), Ok(offer));
	}

	#[test]
	fn offers_should_be_refused_when_bytes_are_tampered_foreign_or_malformed() {
		let (offer, bytes) = (offer(), offer().to_bytes(&domain()));
		let error = |bytes: &[u8]| Offer::from_bytes(bytes, &domain()).unwrap_err();
		let flip = |at: usize| {
			let mut bytes = bytes.clone();
			bytes[at] ^= 1;
			bytes
		};
		for at in (0..6).chain([7]) {
			assert_eq!(error(&flip(at)), PayloadError::Header);
		}
		assert_eq!(error(&flip(6)), PayloadError::Type);
		for at in 8..HEADER_LEN {
			assert_eq!(error(&flip(at)), PayloadError::Domain);
		}
		// Whatever else is changed, it is not the offer that was signed.
		for at in HEADER_LEN..bytes.len() {
			let tampered = flip(at);
			assert_ne!(Offer::from_bytes(&tampered, &domain()), Ok(offer.clone()));
			assert_ne!(blake2_256(&tampered), offer.digest(&domain()));
		}
		for length in 0..HEADER_LEN {
			assert_eq!(error(&bytes[..length]), PayloadError::Length);
		}
		for length in HEADER_LEN..bytes.len() {
			assert_eq!(error(&bytes[..length]), PayloadError::Field);
		}
		assert_eq!(error(&[bytes.clone(), vec![0]].concat()), PayloadError::Field);
		assert_eq!(error(&vec![0; Offer::max_len() + 1]), PayloadError::Length);
		// One arbiter and one milestone too many.
		let prefix = HEADER_LEN + 3 * 32 + 5;
		let mut many = bytes.clone();
		many[prefix] = 17 << 2;
		assert_eq!(error(&many), PayloadError::Field);
		// A share of more than the whole.
		let fallback = bytes.windows(4).position(|at| at == 500_000u32.to_le_bytes()).unwrap();
		let mut beyond = bytes.clone();
		beyond[fallback..fallback + 4].copy_from_slice(&1_000_001u32.to_le_bytes());
		assert_eq!(error(&beyond), PayloadError::Field);
		let foreign = Domain::agreements(H256::repeat_byte(8));
		assert_eq!(Offer::from_bytes(&bytes, &foreign), Err(PayloadError::Domain));
		assert_ne!(offer.digest(&foreign), offer.digest(&domain()));
		let channels = Domain::channels(H256::repeat_byte(7));
		assert_eq!(Offer::from_bytes(&bytes, &channels), Err(PayloadError::Domain));
	}

	#[test]
	fn the_longest_offer_should_have_the_length_that_is_stated() {
		let longest = Offer {
			milestones: vec![Milestone { lock: Some([1; 32]), ..milestone() }; 16]
				.try_into()
				.unwrap(),
			panel: Panel { arbiters: vec![account(1); 3].try_into().unwrap(), ..offer().panel },
			..offer()
		};
		assert_eq!(longest.to_bytes(&domain()).len(), Offer::max_len());
		assert!(Offer::from_bytes(&longest.to_bytes(&domain()), &domain()).is_ok());
	}

	#[test]
	fn a_good_offer_should_validate() {
		assert_eq!(offer().validate(), Ok(()));
		let plain = Offer {
			panel: Panel::none(Permill::zero()),
			round: 1,
			previous: None,
			bond: 10,
			valid_until: 10 + MAX_VALIDITY,
			..offer()
		};
		assert_eq!(plain.validate(), Ok(()));
		assert_eq!((plain.total(), plain.penalties()), (Some(200), Some(10)));
		assert_eq!(offer().most_locked(), Some(200 + 10 + 14));
		assert_eq!((plain.signer(), plain.recipient()), (&account(3), &account(2)));
	}

	/// The bounds of what a milestone may be, both ends.
	#[test]
	fn milestones_should_validate_up_to_their_bounds() {
		let key = Some([1; 32]);
		for good in [
			Milestone { deliver_within: 1, ..milestone() },
			Milestone { deliver_within: MAX_DURATION, ..milestone() },
			Milestone { review: MAX_DURATION, ..milestone() },
			Milestone { changes: 0, rework: 0, ..milestone() },
			Milestone { changes: MAX_CHANGES, rework: 1, ..milestone() },
			Milestone { lock: key, review: 0, changes: 0, ..milestone() },
			Milestone { lock: key, review: 1, changes: 0, ..milestone() },
		] {
			assert_eq!(good.validate(), Ok(()), "{good:?}");
		}
		let delivery = OfferError::DeliveryOutOfBounds;
		let (review, changes) = (OfferError::ReviewOutOfBounds, OfferError::ChangesOutOfBounds);
		let rework = OfferError::ReworkOutOfBounds;
		for (bad, error) in [
			(Milestone { amount: 0, ..milestone() }, OfferError::ZeroAmount),
			(Milestone { deliver_within: 0, ..milestone() }, delivery),
			(Milestone { deliver_within: MAX_DURATION + 1, ..milestone() }, delivery),
			(Milestone { review: MIN_REVIEW - 1, ..milestone() }, review),
			(Milestone { review: MAX_DURATION + 1, ..milestone() }, review),
			(Milestone { lock: key, review: MAX_DURATION + 1, changes: 0, ..milestone() }, review),
			(Milestone { changes: MAX_CHANGES + 1, ..milestone() }, changes),
			(Milestone { lock: key, changes: 1, ..milestone() }, changes),
			(Milestone { changes: 1, rework: 0, ..milestone() }, rework),
			(Milestone { rework: MAX_DURATION + 1, ..milestone() }, rework),
		] {
			let offer = Offer { milestones: vec![bad].try_into().unwrap(), ..offer() };
			assert_eq!(offer.validate(), Err(error), "{bad:?}");
		}
	}

	#[test]
	fn offers_should_be_refused_with_the_reason() {
		let error = |change: fn(&mut Offer)| {
			let mut offer = offer();
			change(&mut offer);
			offer.validate().unwrap_err()
		};
		let arbiters = |bytes: &[u8]| {
			bytes.iter().map(|b| account(*b)).collect::<Vec<_>>().try_into().unwrap()
		};
		assert_eq!(error(|o| o.seller = account(2)), OfferError::SameParty);
		assert_eq!(error(|o| o.buyer = account(5)), OfferError::PartyIsArbiter);
		assert_eq!(error(|o| o.seller = account(6)), OfferError::PartyIsArbiter);
		for twice in [[5, 5, 6], [5, 6, 5], [6, 5, 5]] {
			let panel = Panel { arbiters: arbiters(&twice), ..offer().panel };
			assert_eq!(Offer { panel, ..offer() }.validate(), Err(OfferError::ArbiterTwice));
		}
		assert_eq!(error(|o| o.milestones = Default::default()), OfferError::NoMilestones);
		assert_eq!(error(|o| o.bond = Balance::MAX), OfferError::AmountOverflow);
		assert_eq!(error(|o| o.panel.fee = Balance::MAX / 2 + 1), OfferError::AmountOverflow);
		assert_eq!(error(|o| o.milestones[0].amount = Balance::MAX), OfferError::AmountOverflow);
		assert_eq!(error(|o| o.bond = 9), OfferError::PenaltiesAboveBond);
		assert_eq!(
			error(|o| o.milestones[0].penalty = Balance::MAX),
			OfferError::PenaltiesAboveBond
		);
		assert_eq!(error(|o| o.panel.turn = 0), OfferError::PanelOutOfBounds);
		assert_eq!(error(|o| o.panel.turn = MAX_DURATION + 1), OfferError::PanelOutOfBounds);
		for (fee, turn) in [(1, 0), (0, 1)] {
			let panel = Panel { fee, turn, ..Panel::none(Permill::zero()) };
			assert_eq!(Offer { panel, ..offer() }.validate(), Err(OfferError::PanelOutOfBounds));
		}
		assert_eq!(error(|o| o.round = 0), OfferError::RoundOutOfBounds);
		assert_eq!(error(|o| o.round = MAX_ROUNDS + 1), OfferError::RoundOutOfBounds);
		assert_eq!(error(|o| o.round = 1), OfferError::PreviousMismatch);
		assert_eq!(error(|o| o.previous = None), OfferError::PreviousMismatch);
		assert_eq!(error(|o| o.opened = 1_001), OfferError::OpenedAfterEnd);
		assert_eq!(error(|o| o.valid_until = 11 + MAX_VALIDITY), OfferError::ValidityOutOfBounds);
	}

	#[test]
	fn keys_of_negotiations_should_differ_in_every_part() {
		let key = |a, b, n| negotiation_key(&account(a), &account(b), &[n; 32]);
		assert_eq!(key(2, 3, 1), offer().key());
		for other in [key(3, 2, 1), key(2, 4, 1), key(4, 3, 1), key(2, 3, 2)] {
			assert_ne!(other, offer().key());
		}
	}

	proptest! {
		#[test]
		fn arbitrary_bytes_should_never_panic_and_read_back(
			bytes in prop::collection::vec(any::<u8>(), 0..600), good in any::<bool>(),
		) {
			let mut whole = if good { header(OFFER_TYPE, &domain()).to_vec() } else { Vec::new() };
			whole.extend(bytes);
			if let Ok(offer) = Offer::from_bytes(&whole, &domain()) {
				let _ = offer.validate();
				prop_assert_eq!(offer.to_bytes(&domain()), whole);
			}
		}

		#[test]
		fn changed_offers_should_never_panic(at in 0..10_000usize, byte in any::<u8>()) {
			let mut bytes = offer().to_bytes(&domain());
			let at = HEADER_LEN + at % (bytes.len() - HEADER_LEN);
			bytes[at] = byte;
			if let Ok(offer) = Offer::from_bytes(&bytes, &domain()) {
				let _ = offer.validate();
				prop_assert_eq!(offer.to_bytes(&domain()), bytes);
			}
		}
	}
}
