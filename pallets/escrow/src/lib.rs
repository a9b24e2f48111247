#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![cfg_attr(
	not(any(test, feature = "runtime-benchmarks")),
	deny(
		clippy::arithmetic_side_effects,
		clippy::expect_used,
		clippy::indexing_slicing,
		clippy::unwrap_used
	)
)]

extern crate alloc;

pub mod arbiters;
#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod functions;
pub mod kpis;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod try_state;
pub mod types;
pub mod weights;

pub use arbiters::NamedArbiters;
pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use crate::kpis::{AgentRow, Counters};
	use alloc::boxed::Box;
	use frame_support::{
		pallet_prelude::*,
		traits::{Consideration, Footprint, StorageVersion},
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::{traits::BlockNumberProvider, Permill};
	use stoa_primitives::{
		agreement::{
			negotiation_key, AgreementId, Evidence, Kpis, NegotiationKey, Offer, Side,
			MAX_ARBITERS, MAX_CHANGES, MAX_DURATION, MAX_MILESTONES, MAX_ROUNDS, MAX_VALIDITY,
			MIN_REVIEW, VOID_WINDOW,
		},
		keys::AgentSignature,
		money::ScheduleId,
		payload::{CancelConsent, ExtendConsent},
		traits::{AgentRegistry, Arbitration, Ledger, OutcomeHook, Settlement, SpendGuard},
		AccountId, AssetId, Balance, BlockNumber, H256,
	};

	const STORAGE_VERSION: StorageVersion = StorageVersion::new(1);

	#[pallet::pallet]
	#[pallet::storage_version(STORAGE_VERSION)]
	pub struct Pallet<T>(_);

	#[pallet::config]
	pub trait Config:
		frame_system::Config<AccountId = AccountId, Hash = H256, RuntimeEvent: From<Event<Self>>>
	{
		/// Says who is an active agent and who answers for it.
		type Registry: AgentRegistry;

		/// Keeps the credits that agreements lock.
		type Ledger: Ledger;

		/// Pays out what is released.
		type Settlement: Settlement;

		/// Limits what an agent may spend.
		type SpendGuard: SpendGuard;

		/// Hears of refunds, breaches and disputes.
		type Outcome: OutcomeHook;

		/// Says who may rule in a dispute. [`NamedArbiters`] takes those that the offer names.
		type Arbitration: Arbitration;

		/// The storage deposit of an agreement, given back when it ends.
		type AgreementConsideration: Consideration<AccountId, Footprint>;

		/// The storage deposit of what is known of a negotiation, given back when it is forgotten.
		type RecordConsideration: Consideration<AccountId, Footprint>;

		/// The clock of all deadlines.
		type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;

		/// Most agreements of one agent at a time whose storage deposit its operator puts up.
		#[pallet::constant]
		type MaxSponsoredAgreements: Get<u32>;

		/// Most negotiations of one agent at a time whose storage deposit its operator puts up.
		#[pallet::constant]
		type MaxSponsoredRecords: Get<u32>;

		/// Shortest turn of an arbiter in an offer that can be committed, in blocks: it must be able to read
		/// both sides.
		#[pallet::constant]
		type MinTurn: Get<BlockNumber>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why native tokens are held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Storage deposit of an agreement, given back when it ends.
		#[codec(index = 0)]
		Agreement,
		/// Storage deposit of what is known of a negotiation, given back when it is forgotten.
		#[codec(index = 1)]
		Record,
	}

	// Keys of this map and the next two are hashes already.
	/// All agreements that run. Each is covered by a storage deposit.
	#[pallet::storage]
	pub type Agreements<T: Config> = StorageMap<_, Identity, AgreementId, AgreementOf<T>>;

	/// Negotiations of which something is known: an offer was withdrawn, superseded or committed. Each
	/// is covered by a storage deposit.
	#[pallet::storage]
	pub type Standings<T: Config> = StorageMap<_, Identity, NegotiationKey, StandingOf<T>>;

	/// What is left of agreements that have ended. Covered by the deposit of the negotiation.
	#[pallet::storage]
	pub type Outcomes<T: Config> = StorageMap<_, Identity, AgreementId, Outcome>;

	// Users choose the keys, so they are hashed.
	/// For how many records of an agent its operator, or an operator that it had before, put up the
	/// storage deposit. A row is there as long as it counts anything.
	#[pallet::storage]
	pub type Sponsorships<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		AccountId,
		Blake2_128Concat,
		AccountId,
		Sponsored,
		ValueQuery,
	>;

	// Users choose the keys, so they are hashed.
	/// What is counted of each account of which something is known. Covered by the deposits of its
	/// negotiations, and gone with the last of them.
	#[pallet::storage]
	pub type AgentRows<T: Config> = StorageMap<_, Blake2_128Concat, AccountId, AgentRow>;

	/// What is counted of all agreements.
	#[pallet::storage]
	pub type Market<T: Config> = StorageValue<_, Counters, ValueQuery>;

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// An offer was committed: there is an agreement.
		#[codec(index = 0)]
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
		#[codec(index = 1)]
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
		#[codec(index = 2)]
		OffersSuperseded {
			/// The negotiation.
			negotiation: NegotiationKey,
			/// Which side has signed the later one.
			by: Side,
			/// Its round. All offers of earlier rounds are concerned.
			round: u32,
		},
		/// A milestone was delivered.
		#[codec(index = 3)]
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
		#[codec(index = 4)]
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
		#[codec(index = 5)]
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
		#[codec(index = 6)]
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
		#[codec(index = 7)]
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
		#[codec(index = 8)]
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
		/// Nothing is left of a milestone.
		#[codec(index = 9)]
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
		#[codec(index = 10)]
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
		#[codec(index = 11)]
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
		#[codec(index = 12)]
		Forgotten {
			/// The negotiation.
			negotiation: NegotiationKey,
			/// The agreement that came of it.
			agreement: Option<AgreementId>,
		},
		/// An arbiter was paid for a dispute that the parties have ended themselves.
		#[codec(index = 13)]
		ArbiterPaid {
			/// Agreement id.
			id: AgreementId,
			/// Place of the milestone, from 0.
			milestone: u32,
			/// Who had the seat.
			arbiter: AccountId,
			/// What it got, of what was locked by whoever has opened the dispute.
			fee: Balance,
		},
		/// The side that has not opened a dispute has answered.
		#[codec(index = 14)]
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
	}

	#[pallet::error]
	pub enum Error<T> {
		/// No agreement of this id runs; it may have ended. Ask the view functions `agreement` and
		/// `outcome`.
		UnknownAgreement,
		/// The agreement has no such milestone. Count from 0.
		UnknownMilestone,
		/// Nothing is left of the milestone.
		MilestoneEnded,
		/// Only the buyer may do this.
		NotBuyer,
		/// Only the seller may do this.
		NotSeller,
		/// Only the buyer and the seller may do this.
		NotParty,
		/// An offer is committed by the side that has not signed it.
		NotRecipient,
		/// Buyer and seller are the same account. Name another one.
		SameParty,
		/// A party is among the arbiters. Name others.
		PartyIsArbiter,
		/// An arbiter is named twice. Name each once.
		ArbiterTwice,
		/// The offer has no milestone. Name at least one.
		NoMilestones,
		/// A milestone costs nothing. Name at least one unit.
		ZeroAmount,
		/// Amounts, bond and fees sum to more than any number holds. Lower them.
		AmountOverflow,
		/// A time for delivery is 0 or above the constant `MaxDuration`.
		DeliveryOutOfBounds,
		/// A review is above the constant `MaxDuration`, or below `MinReview` without a lock.
		ReviewOutOfBounds,
		/// There are more requests for changes than the constant `MaxChanges`, or any under a lock.
		ChangesOutOfBounds,
		/// A time for rework is above the constant `MaxDuration`, or below `MinReview` though changes can be
		/// requested.
		ReworkOutOfBounds,
		/// The penalties sum to more than the bond. Raise the bond.
		PenaltiesAboveBond,
		/// An arbiter's turn is below the constant `MinTurn` or above `MaxDuration`, or there is a turn or a fee
		/// without any arbiter.
		PanelOutOfBounds,
		/// The round is 0 or above the constant `MaxRounds`.
		RoundOutOfBounds,
		/// The offer of the first round answers another one, or a later one answers none.
		PreviousMismatch,
		/// The negotiation begins after the offer's last block.
		OpenedAfterEnd,
		/// The offer's last block is more than the constant `MaxValidity` after its negotiation began. Begin
		/// a new negotiation.
		ValidityOutOfBounds,
		/// The negotiation begins in a block that has not come yet.
		NotOpenedYet,
		/// The offer's last block has passed. Ask for a fresh offer.
		OfferExpired,
		/// The offer was withdrawn, or a later one was shown. Commit the latest one.
		OfferSuperseded,
		/// The negotiation has made its agreement. Begin a new negotiation.
		NegotiationConcluded,
		/// As much is known already.
		NothingNew,
		/// One operator answers for both sides, or one side operates the other.
		SameOperator,
		/// An arbiter shares its operator with a party or with another arbiter, or operates it, or is operated
		/// by it. Name others.
		ArbiterNotIndependent,
		/// The buyer has fewer credits than the milestones are worth. Deposit more.
		BuyerCannotPay,
		/// The seller has fewer credits than its bond. Deposit more.
		SellerCannotPay,
		/// The side that disputes has fewer credits than an arbiter's fee. Deposit more.
		DisputerCannotPay,
		/// The operator puts up no more storage deposits for this agent, and the agent cannot put one up
		/// itself. Have negotiations forgotten that are over, or give the agent native tokens.
		SponsorLimitReached,
		/// Neither the agent's operator nor the agent can put up the storage deposit. Give either of them
		/// more native tokens.
		SponsorCannotPay,
		/// The caller is no active agent of another operator, and cannot put up the storage deposit itself.
		/// Give it native tokens, or register it as an agent.
		OwnerCannotPay,
		/// Only the signer of the offer that was committed can undo the agreement.
		NotSigner,
		/// The offer that is shown is no later one by the side that has committed.
		NotRefused,
		/// The time in which an agreement can be undone is over, or the signer of its offer has acted on it
		/// itself, so that it stands by it.
		TooLateToVoid,
		/// The URI contains something else than printable ASCII characters. Percent-encode it.
		MalformedUri,
		/// The milestone is delivered by revealing its key. Use `reveal`.
		Locked,
		/// The milestone has no lock. Use `deliver`.
		NotLocked,
		/// The key does not open the lock.
		WrongKey,
		/// The time for delivery is over.
		DeliveryOver,
		/// The milestone was delivered, and no changes were requested since.
		AlreadyDelivered,
		/// The milestone is not delivered, or in dispute. Wait for the delivery, or use `release`.
		NotDelivered,
		/// The review is over: the delivery counts as accepted.
		ReviewOver,
		/// All requests for changes are used up. Accept or dispute the delivery.
		NoChangesLeft,
		/// The amount is zero. Name at least one unit.
		ZeroRelease,
		/// The milestones hold less than that. Ask the view function `agreement`.
		AboveOpen,
		/// A dispute is open already.
		AlreadyDisputed,
		/// The seller can dispute a request for changes only, and there is none.
		NoChangesRequested,
		/// There is no dispute about the milestone.
		NotDisputed,
		/// Nobody can rule any more. Use `poke`.
		DisputeOver,
		/// It is not the caller's turn to rule, or it may not rule between these parties.
		NotInTheSeat,
		/// Nothing is due. Wait for the block that the view function `deadlines` names.
		NothingDue,
		/// The agreement has changed since the consent was signed. Ask for one with the sequence that the
		/// view function `agreement` returns.
		SequenceNotNext,
		/// The last block of the consent has passed. Ask for a fresh one.
		ConsentExpired,
		/// The delivery would not be later, be over at once, or be further away than the constant
		/// `MaxDuration`.
		ExtensionOutOfBounds,
		/// Nothing is known of such a negotiation.
		UnknownNegotiation,
		/// The negotiation may not be forgotten yet. Wait for the block after the one that the view
		/// function `standing` returns.
		StillNeeded,
		/// The last block of the consent is further ahead than the constant `MaxConsentAge`. Ask for one
		/// that ends sooner.
		ConsentTooLong,
		/// The caller has opened the dispute itself. Its evidence is in the event.
		OwnDispute,
		/// The dispute was answered. What is to be added can be sent to the arbiters.
		AlreadyAnswered,
		/// The other side has not answered yet. Wait until it has, or until a tenth of the first turn has
		/// passed.
		TooEarlyToRule,
	}

	#[pallet::extra_constants]
	impl<T: Config> Pallet<T> {
		/// Most milestones of one agreement.
		#[pallet::constant_name(MaxMilestones)]
		fn max_milestones() -> u32 {
			MAX_MILESTONES
		}

		/// Most arbiters of one agreement.
		#[pallet::constant_name(MaxArbiters)]
		fn max_arbiters() -> u32 {
			MAX_ARBITERS
		}

		/// Most requests for changes of one milestone.
		#[pallet::constant_name(MaxChanges)]
		fn max_changes() -> u8 {
			MAX_CHANGES
		}

		/// The last round of a negotiation.
		#[pallet::constant_name(MaxRounds)]
		fn max_rounds() -> u32 {
			MAX_ROUNDS
		}

		/// How long after its negotiation began an offer can be committed, in blocks.
		#[pallet::constant_name(MaxValidity)]
		fn max_validity() -> BlockNumber {
			MAX_VALIDITY
		}

		/// Shortest review without a lock, and shortest time for changes, in blocks.
		#[pallet::constant_name(MinReview)]
		fn min_review() -> BlockNumber {
			MIN_REVIEW
		}

		/// Longest of all durations in an offer, in blocks.
		#[pallet::constant_name(MaxDuration)]
		fn max_duration() -> BlockNumber {
			MAX_DURATION
		}

		/// How long after the commit an agreement can be undone, in blocks.
		#[pallet::constant_name(VoidWindow)]
		fn void_window() -> BlockNumber {
			VOID_WINDOW
		}

		/// How long the record of an agreement is kept, in blocks.
		#[pallet::constant_name(RecordPeriod)]
		fn record_period() -> BlockNumber {
			RECORD_PERIOD
		}

		/// How far ahead the last block of a consent can be, in blocks.
		#[pallet::constant_name(MaxConsentAge)]
		fn max_consent_age() -> BlockNumber {
			MAX_CONSENT_AGE
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		#[cfg(feature = "try-runtime")]
		fn try_state(_: BlockNumberFor<T>) -> Result<(), sp_runtime::TryRuntimeError> {
			Self::do_try_state()
		}
	}

	#[pallet::call]
	impl<T: Config> Pallet<T> {
		/// Make an agreement of an offer: lock the buyer's credits and the seller's bond.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the side that has not signed the offer.
		///
		/// ## Details
		///
		/// `signature` is over the offer's digest (see [`Offer::digest`]), by the account key of the other
		/// side or by a delegate key with the scope for offers. The digest is the agreement's id.
		/// `transcript` is the last hash of the chain of messages by which it was negotiated, which shows
		/// in a dispute what was said; it is the caller's word.
		///
		/// An offer is good once, as long as it was not withdrawn, no later one was shown, and no other
		/// offer of its negotiation was committed. Of offers that nobody has shown the chain knows nothing:
		/// see [`supersede`](Self::supersede) for what happens when the caller had refused this one.
		///
		/// The storage deposits of the agreement and of its record are put up by the operator of the caller,
		/// if that is an active agent, within limits and if it can, else by the caller.
		///
		/// ## Errors
		///
		/// - [`Error::NotRecipient`], and what is wrong with the offer by itself: see the errors from
		///   [`Error::SameParty`] to [`Error::ValidityOutOfBounds`].
		/// - [`Error::NotOpenedYet`], [`Error::OfferExpired`], [`Error::OfferSuperseded`],
		///   [`Error::NegotiationConcluded`], [`Error::SameOperator`],
		///   [`Error::ArbiterNotIndependent`], [`Error::BuyerCannotPay`], [`Error::SellerCannotPay`]:
		///   see there.
		/// - [`Error::SponsorLimitReached`], [`Error::SponsorCannotPay`], [`Error::OwnerCannotPay`]: the
		///   storage deposits.
		/// - What the registry says of a seller or an arbiter that is not active, of a buyer that is an agent
		///   and not active, and of the signature, and the spend guard of a spend beyond a limit.
		///
		/// ## Events
		///
		/// [`Event::Committed`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::commit())]
		pub fn commit(
			origin: OriginFor<T>,
			offer: Box<Offer>,
			signature: AgentSignature,
			transcript: H256,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_commit(&by, *offer, Some(&signature), transcript).map(|_| ())
		}

		/// Let the caller's own offers of a negotiation, up to a round, no longer be committed.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the side of the negotiation that `side` names.
		///
		/// ## Details
		///
		/// An offer ends by itself with its last block. This is for who wants it to end before. What the
		/// chain keeps for it costs a storage deposit until the offers could not be committed anyway.
		///
		/// ## Errors
		///
		/// - [`Error::SameParty`], [`Error::RoundOutOfBounds`], [`Error::NegotiationConcluded`],
		///   [`Error::NothingNew`]: see there.
		/// - [`Error::SponsorLimitReached`], [`Error::SponsorCannotPay`], [`Error::OwnerCannotPay`]: the
		///   storage deposit.
		///
		/// ## Events
		///
		/// [`Event::OfferWithdrawn`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::withdraw_offer())]
		pub fn withdraw_offer(
			origin: OriginFor<T>,
			counterparty: AccountId,
			negotiation: [u8; 32],
			side: Side,
			round: u32,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_withdraw_offer(by, counterparty, negotiation, side, round)
		}

		/// Show a later offer of a negotiation, so that earlier ones can no longer be committed.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the buyer or the seller.
		///
		/// ## Details
		///
		/// The offer may be by either side, and may have expired: it shows that the negotiation went on.
		///
		/// A counter-offer is a refusal. If the other side has committed an offer although it had signed a
		/// later one itself, the signer of the committed offer undoes the agreement by showing that one,
		/// within the constant `VoidWindow` and as long as it has not acted on the agreement itself. What
		/// the other side did in it changes nothing: what is still there goes back, what was paid stays
		/// paid, and the negotiation is over. Until then the silence of the signer ends no milestone.
		///
		/// ## Errors
		///
		/// - [`Error::NotParty`], and what is wrong with the offer by itself.
		/// - [`Error::NothingNew`] before there is an agreement; [`Error::NotSigner`],
		///   [`Error::NotRefused`], [`Error::TooLateToVoid`] when there is one, and
		///   [`Error::NegotiationConcluded`] when it has ended.
		/// - What the registry says of the signature; storage deposits as for
		///   [`withdraw_offer`](Self::withdraw_offer).
		///
		/// ## Events
		///
		/// [`Event::OffersSuperseded`], or [`Event::Ended`].
		#[pallet::call_index(2)]
		#[pallet::weight(T::WeightInfo::supersede())]
		pub fn supersede(
			origin: OriginFor<T>,
			offer: Box<Offer>,
			signature: AgentSignature,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_supersede(by, *offer, &signature)
		}

		/// Deliver a milestone.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the seller.
		///
		/// ## Details
		///
		/// Up to and including the last block for it. The buyer's review begins. What was delivered cannot
		/// be replaced, unless the buyer requests changes.
		///
		/// ## Errors
		///
		/// - [`Error::MalformedUri`], [`Error::UnknownAgreement`], [`Error::NotSeller`],
		///   [`Error::UnknownMilestone`], [`Error::MilestoneEnded`], [`Error::Locked`],
		///   [`Error::DeliveryOver`], [`Error::AlreadyDelivered`]: see there.
		///
		/// ## Events
		///
		/// [`Event::Delivered`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::deliver())]
		pub fn deliver(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			evidence: Evidence,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_deliver(by, id, milestone, evidence)
		}

		/// Deliver a milestone by revealing the key of its lock.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the seller.
		///
		/// ## Details
		///
		/// The key becomes public. With a review of 0 blocks the seller is paid at once; else the buyer's
		/// review begins.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownAgreement`], [`Error::NotSeller`], [`Error::UnknownMilestone`],
		///   [`Error::MilestoneEnded`], [`Error::NotLocked`], [`Error::DeliveryOver`],
		///   [`Error::AlreadyDelivered`], [`Error::WrongKey`]: see there.
		///
		/// ## Events
		///
		/// [`Event::Revealed`], and when it releases, [`Event::MilestoneEnded`] and perhaps
		/// [`Event::Ended`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::reveal())]
		pub fn reveal(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			key: [u8; 32],
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_reveal(by, id, milestone, key)
		}

		/// Accept a delivery: the seller is paid all that the milestone holds.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the buyer.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownAgreement`], [`Error::NotBuyer`], [`Error::UnknownMilestone`],
		///   [`Error::MilestoneEnded`], [`Error::NotDelivered`]: see there.
		///
		/// ## Events
		///
		/// [`Event::MilestoneEnded`], and [`Event::Ended`] with the last milestone.
		#[pallet::call_index(5)]
		#[pallet::weight(T::WeightInfo::accept())]
		pub fn accept(origin: OriginFor<T>, id: AgreementId, milestone: u32) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_accept(by, id, milestone)
		}

		/// Pay the seller a part of a milestone.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the buyer.
		///
		/// ## Details
		///
		/// At any time before the milestone ends, in a dispute as well. When nothing is left, whoever has
		/// opened that gets the fee back, or whoever has the seat is paid it, if more than half of the first
		/// turn has passed. What was released is not coming back, whatever happens later.
		///
		/// ## Errors
		///
		/// - [`Error::ZeroRelease`], [`Error::UnknownAgreement`], [`Error::NotBuyer`],
		///   [`Error::UnknownMilestone`], [`Error::MilestoneEnded`], [`Error::AboveOpen`]: see there.
		///
		/// ## Events
		///
		/// [`Event::PartReleased`], or [`Event::MilestoneEnded`] when nothing is left of it, after
		/// [`Event::ArbiterPaid`] in a dispute, and [`Event::Ended`] with the last milestone.
		#[pallet::call_index(6)]
		#[pallet::weight(T::WeightInfo::release())]
		pub fn release(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			amount: Balance,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_release(by, id, milestone, amount)
		}

		/// Ask for changes of what was delivered.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the buyer.
		///
		/// ## Details
		///
		/// Up to and including the last block of the review, as many times as the offer says. The seller
		/// delivers again or disputes the request.
		///
		/// ## Errors
		///
		/// - [`Error::MalformedUri`], [`Error::UnknownAgreement`], [`Error::NotBuyer`],
		///   [`Error::UnknownMilestone`], [`Error::MilestoneEnded`], [`Error::NotDelivered`],
		///   [`Error::ReviewOver`], [`Error::NoChangesLeft`]: see there.
		///
		/// ## Events
		///
		/// [`Event::ChangesRequested`].
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::request_changes())]
		pub fn request_changes(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			evidence: Evidence,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_request_changes(by, id, milestone, evidence)
		}

		/// Have others decide about a milestone.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the buyer during the review, or by the seller after a request for changes.
		///
		/// ## Details
		///
		/// Up to and including the last block of the review, or of the time for rework. The caller locks
		/// the fee of a ruling, a spend that its operator's limits are asked for. Without arbiters what is
		/// open is divided at once as the offer says.
		///
		/// ## Errors
		///
		/// - [`Error::MalformedUri`], [`Error::UnknownAgreement`], [`Error::NotParty`],
		///   [`Error::UnknownMilestone`], [`Error::MilestoneEnded`], [`Error::AlreadyDisputed`],
		///   [`Error::NotDelivered`], [`Error::ReviewOver`], [`Error::NoChangesRequested`],
		///   [`Error::DeliveryOver`], [`Error::DisputerCannotPay`]: see there.
		/// - What the spend guard says of a spend beyond a limit.
		///
		/// ## Events
		///
		/// [`Event::Disputed`], and without arbiters [`Event::MilestoneEnded`] and perhaps
		/// [`Event::Ended`].
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::dispute().max(T::WeightInfo::dispute_unjudged()))]
		pub fn dispute(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			evidence: Evidence,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_dispute(by, id, milestone, evidence)
		}

		/// Decide a dispute: give `share` of what the milestone holds to the seller, the rest to the buyer.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the arbiter whose turn it is.
		///
		/// ## Details
		///
		/// Not before the other side has answered, or a tenth of the first turn has passed.
		///
		/// The crate's documentation has the exact division, with penalty and fee.
		///
		/// ## Errors
		///
		/// - [`Error::MalformedUri`], [`Error::UnknownAgreement`], [`Error::UnknownMilestone`],
		///   [`Error::MilestoneEnded`], [`Error::NotDisputed`], [`Error::DisputeOver`],
		///   [`Error::TooEarlyToRule`], [`Error::NotInTheSeat`]: see there.
		///
		/// ## Events
		///
		/// [`Event::Ruled`], [`Event::MilestoneEnded`], and [`Event::Ended`] with the last milestone.
		#[pallet::call_index(9)]
		#[pallet::weight(T::WeightInfo::rule())]
		pub fn rule(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			share: Permill,
			evidence: Evidence,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_rule(by, id, milestone, share, evidence)
		}

		/// Do all that is due because somebody was silent.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone.
		///
		/// ## Details
		///
		/// What was not delivered in time goes back to the buyer with the penalty; what was not refused in
		/// time goes to the seller; what nobody has ruled on is divided as the offer says, and the fee goes
		/// back. Only the milestones that end are charged.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownAgreement`], [`Error::NothingDue`]: see there.
		///
		/// ## Events
		///
		/// [`Event::MilestoneEnded`] for each, and [`Event::Ended`] with the last milestone.
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::poke(MAX_MILESTONES))]
		pub fn poke(origin: OriginFor<T>, id: AgreementId) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			Self::do_poke(id)
		}

		/// End an agreement at once, as both sides want it.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the buyer or the seller; the other one has signed the consent, by its account key or by
		/// a delegate key with the scope for offers.
		///
		/// ## Details
		///
		/// The seller is settled what the consent says of all that milestones still hold, the rest goes back
		/// to the buyer, the bond to the seller, and fees of disputes to whoever has put them up, or to whoever
		/// has the seat, if more than half of the first turn has passed. A consent is
		/// about the agreement as it is: any delivery, release, request, dispute, ruling or poke ends it.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownAgreement`], [`Error::NotParty`], [`Error::SequenceNotNext`],
		///   [`Error::ConsentExpired`], [`Error::ConsentTooLong`], [`Error::AboveOpen`]: see there.
		/// - What the registry says of the signature.
		///
		/// ## Events
		///
		/// [`Event::ArbiterPaid`] for disputes, and [`Event::Ended`].
		#[pallet::call_index(11)]
		// Disputes that were opened a turn apart have other arbiters in the seat: two more accounts and their
		// credits than the one that is measured.
		#[pallet::weight(T::WeightInfo::cancel().saturating_add(T::DbWeight::get().reads_writes(4, 4)))]
		pub fn cancel(
			origin: OriginFor<T>,
			consent: CancelConsent,
			signature: AgentSignature,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_cancel(by, consent, &signature)
		}

		/// Give the seller more time for a milestone, as both sides want it.
		///
		/// ## Dispatch Origin
		///
		/// As for [`cancel`](Self::cancel).
		///
		/// ## Details
		///
		/// Even when the time was over, as long as nobody has poked.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownAgreement`], [`Error::NotParty`], [`Error::SequenceNotNext`],
		///   [`Error::ConsentExpired`], [`Error::ConsentTooLong`], [`Error::UnknownMilestone`],
		///   [`Error::MilestoneEnded`], [`Error::AlreadyDelivered`], [`Error::ExtensionOutOfBounds`]: see
		///   there.
		/// - What the registry says of the signature.
		///
		/// ## Events
		///
		/// [`Event::Extended`].
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::extend())]
		pub fn extend(
			origin: OriginFor<T>,
			consent: ExtendConsent,
			signature: AgentSignature,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_extend(by, consent, &signature)
		}

		/// Remove what is known of a negotiation, and give its storage deposit back.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone.
		///
		/// ## Details
		///
		/// Not before none of its offers could be committed any more, and not before the record of its
		/// agreement was kept for the constant `RecordPeriod`.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownNegotiation`], [`Error::StillNeeded`]: see there.
		///
		/// ## Events
		///
		/// [`Event::Forgotten`].
		#[pallet::call_index(13)]
		#[pallet::weight(T::WeightInfo::forget())]
		pub fn forget(origin: OriginFor<T>, negotiation: NegotiationKey) -> DispatchResult {
			ensure_signed(origin)?;
			Self::do_forget(negotiation)
		}

		/// Answer a dispute that the other side has opened.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the side that has not opened it.
		///
		/// ## Details
		///
		/// Once, as long as anybody can rule. Arbiters can rule from then on; without an answer they wait
		/// for a tenth of the first turn.
		///
		/// ## Errors
		///
		/// - [`Error::MalformedUri`], [`Error::UnknownAgreement`], [`Error::NotParty`],
		///   [`Error::UnknownMilestone`], [`Error::MilestoneEnded`], [`Error::NotDisputed`],
		///   [`Error::OwnDispute`], [`Error::AlreadyAnswered`], [`Error::DisputeOver`]: see there.
		///
		/// ## Events
		///
		/// [`Event::Answered`].
		#[pallet::call_index(14)]
		#[pallet::weight(T::WeightInfo::answer())]
		pub fn answer(
			origin: OriginFor<T>,
			id: AgreementId,
			milestone: u32,
			evidence: Evidence,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_answer(by, id, milestone, evidence)
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// An agreement that runs.
		pub fn agreement(id: AgreementId) -> Option<AgreementView> {
			Agreements::<T>::get(id).map(Into::into)
		}

		/// What is left of an agreement that has ended.
		pub fn outcome(id: AgreementId) -> Option<Outcome> {
			Outcomes::<T>::get(id)
		}

		/// What happens when, and to whom, if everybody stays silent.
		pub fn deadlines(id: AgreementId) -> Option<Deadlines> {
			Agreements::<T>::get(id).map(|agreement| Self::deadlines_of(id, &agreement))
		}

		/// Who may rule on a milestone in the current block.
		pub fn seat(id: AgreementId, milestone: u32) -> Option<AccountId> {
			Self::seat_of(id, milestone)
		}

		/// Whether, and as what, an offer can be committed by its recipient in the current block. Its
		/// signature is not looked at.
		pub fn quote(offer: Offer) -> Result<Quote, DispatchError> {
			Self::do_quote(offer)
		}

		/// What is known of a negotiation.
		pub fn standing(
			buyer: AccountId,
			seller: AccountId,
			negotiation: [u8; 32],
		) -> Option<StandingView> {
			let standing = Standings::<T>::get(negotiation_key(&buyer, &seller, &negotiation))?;
			let Standing { buyer_bar, seller_bar, agreement, keep_until, .. } = standing;
			Some(StandingView { buyer_bar, seller_bar, agreement, keep_until })
		}

		/// How agreements of an agent come about and how they go, since something is known of it.
		pub fn agent_kpis(agent: AccountId) -> Option<Kpis> {
			AgentRows::<T>::get(agent).map(|row| row.counters.kpis())
		}

		/// How all agreements come about and how they go.
		pub fn market_kpis() -> Kpis {
			Market::<T>::get().kpis()
		}
	}
}
