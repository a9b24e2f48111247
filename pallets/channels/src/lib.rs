//! # Channels pallet
//!
//! Unidirectional payment channels: a payer locks credits once, signs cumulative vouchers off chain
//! for every call it makes, and the payee turns the latest voucher into money whenever it likes.
//!
//! ## Overview
//!
//! 1. The payer calls [`open`](Pallet::open): credits are locked for one payee and one voucher key.
//! 2. With each call the payer signs a [voucher](stoa_primitives::payload::Voucher): the sum of all
//!    that it ever allowed on this channel. A higher voucher replaces all lower ones.
//! 3. The payee settles any number of channels in one
//!    [`settle_batch`](Pallet::settle_batch): each item is paid or skipped with a reason, so that
//!    one payer can never spoil another's settlement.
//! 4. The payee ends a channel at once with [`close`](Pallet::close). The payer ends it with
//!    [`request_close`](Pallet::request_close), a grace period in which the payee (or anyone that
//!    holds its vouchers) can still settle, and [`finalize`](Pallet::finalize), which is anybody's
//!    call. What was not settled goes back to the payer.
//!
//! ## What it promises
//!
//! - Settled never exceeds the deposit, nor the highest voucher that was signed for the lane.
//! - A voucher binds the chain, the channel, the lane and the amount. A channel id never returns, so
//!   neither does a voucher.
//! - The payer cannot take money back without giving the payee a grace period of at least
//!   [`MIN_GRACE`](stoa_primitives::channel::MIN_GRACE) blocks, which nothing shortens or extends.
//! - Only `open` asks whether the payee is an active agent: a stopped or lapsed one still settles
//!   and closes.
//!
//! ## Who pays for storage
//!
//! A channel and the nonce row of a pair of accounts each cost a native storage deposit. An agent
//! that owns nothing but credits cannot put one up, so the **operator** of an active agent does.
//! A stolen agent key must not tie up all that its operator owns, or all that its siblings need:
//! what one operator puts up for one agent is limited by [`Config::MaxSponsoredChannels`] at a time
//! and by [`Config::MaxSponsoredPairs`] in all, an agent that is not active is not sponsored at all,
//! and the operator may request the close of what it sponsors. Beyond the limits, or when the
//! operator cannot pay, the agent pays itself.
//!
//! The deposit of a channel goes back to whoever paid it when the channel ends; that of a nonce row
//! is kept, because the row is.
//!
//! ## Not supported yet
//!
//! More lanes than one ([`Error::LanesUnsupported`]) and velocity caps
//! ([`Error::CapUnsupported`]). Calls and storage already have room for both.

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

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod impls;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod try_state;
pub mod types;
pub mod weights;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use frame_support::{
		pallet_prelude::*,
		traits::{Consideration, Footprint, StorageVersion},
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::traits::BlockNumberProvider;
	use stoa_primitives::{
		channel::{Cap, ChannelId, Item, SkipReason, MAX_BATCH, MAX_GRACE, MIN_GRACE},
		keys::Key,
		money::ScheduleId,
		traits::{AgentRegistry, Ledger, OutcomeHook, Settlement, SpendGuard},
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

		/// Keeps the credits that channels lock.
		type Ledger: Ledger;

		/// Pays out what is claimed.
		type Settlement: Settlement;

		/// Limits what an agent may spend.
		type SpendGuard: SpendGuard;

		/// Hears of refunds.
		type Outcome: OutcomeHook;

		/// The storage deposit of a channel, given back when it ends.
		type ChannelConsideration: Consideration<AccountId, Footprint>;

		/// The storage deposit of a pair's nonce row, kept for good.
		type NonceConsideration: Consideration<AccountId, Footprint>;

		/// The clock of grace periods and of vouchers.
		type BlockNumberProvider: BlockNumberProvider<BlockNumber = BlockNumber>;

		/// Most channels of one agent at a time whose storage deposit its operator puts up.
		#[pallet::constant]
		type MaxSponsoredChannels: Get<u32>;

		/// Most nonce rows of one agent in all whose storage deposit its operator puts up.
		#[pallet::constant]
		type MaxSponsoredPairs: Get<u32>;

		/// Weights of the calls.
		type WeightInfo: WeightInfo;
	}

	/// Why native tokens are held.
	#[pallet::composite_enum]
	pub enum HoldReason {
		/// Storage deposit of a channel, given back when the channel ends.
		#[codec(index = 0)]
		Channel,
		/// Storage deposit of the nonce row of a pair of accounts, kept for good.
		#[codec(index = 1)]
		Nonce,
	}

	// The key is a hash already.
	/// All channels that have not ended. Each is covered by a storage deposit.
	#[pallet::storage]
	pub type Channels<T: Config> = StorageMap<_, Identity, ChannelId, ChannelOf<T>>;

	// Users choose the keys, so they are hashed.
	/// The next nonce of a payer and a payee. A row is never removed, or ids would return; its storage
	/// deposit is taken at the first channel of the pair and kept.
	#[pallet::storage]
	pub type Nonces<T: Config> = StorageDoubleMap<
		_,
		Blake2_128Concat,
		AccountId,
		Blake2_128Concat,
		AccountId,
		NonceRowOf<T>,
	>;

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

	#[pallet::event]
	#[pallet::generate_deposit(pub(super) fn deposit_event)]
	pub enum Event<T: Config> {
		/// A channel was opened.
		#[codec(index = 0)]
		Opened {
			/// Channel id.
			id: ChannelId,
			/// The side that pays.
			payer: AccountId,
			/// The side that is paid.
			payee: AccountId,
			/// In what is paid.
			asset: AssetId,
			/// Credits locked.
			deposit: Balance,
			/// The key that signs vouchers.
			key: Key,
			/// Grace period, in blocks.
			grace: BlockNumber,
			/// How many lanes there are.
			lanes: u16,
			/// The velocity cap, if any.
			cap: Option<Cap>,
			/// The nonce of the pair that is part of the id.
			nonce: u64,
			/// The fee schedule that holds until the channel ends.
			schedule: ScheduleId,
			/// Who put up the storage deposit.
			depositor: AccountId,
		},
		/// A deposit was raised.
		#[codec(index = 1)]
		ToppedUp {
			/// Channel id.
			id: ChannelId,
			/// Who paid for it.
			by: AccountId,
			/// By how much.
			amount: Balance,
			/// The whole deposit from now on.
			deposit: Balance,
		},
		/// An item was paid.
		#[codec(index = 2)]
		Claimed {
			/// Channel id.
			id: ChannelId,
			/// Lane within the channel.
			lane: u32,
			/// What was paid now, before shares were taken.
			amount: Balance,
			/// What has been paid over the channel's life.
			settled: Balance,
		},
		/// An item was not paid. Nothing has changed for its channel.
		#[codec(index = 3)]
		Skipped {
			/// Place of the item in the batch, from 0.
			index: u32,
			/// Channel id as in the item.
			id: ChannelId,
			/// Lane as in the item.
			lane: u32,
			/// Why.
			reason: SkipReason,
		},
		/// A valid item was not paid because the settlement refused; `Skipped` follows.
		#[codec(index = 4)]
		SettlementRefused {
			/// Channel id.
			id: ChannelId,
			/// Lane within the channel.
			lane: u32,
			/// What the settlement says.
			error: DispatchError,
		},
		/// A batch was worked through.
		#[codec(index = 5)]
		BatchSettled {
			/// Who submitted it.
			by: AccountId,
			/// How many items were paid.
			paid_items: u32,
			/// How many were skipped.
			skipped_items: u32,
		},
		/// The grace period of a channel has begun.
		#[codec(index = 6)]
		CloseRequested {
			/// Channel id.
			id: ChannelId,
			/// The payer, or who put up the storage deposit.
			by: AccountId,
			/// First block in which nothing can be settled any more and anyone can finalize.
			ends: BlockNumber,
		},
		/// The payer wants the channel to stay open.
		#[codec(index = 7)]
		CloseCancelled {
			/// Channel id.
			id: ChannelId,
		},
		/// A channel has ended.
		#[codec(index = 8)]
		Closed {
			/// Channel id.
			id: ChannelId,
			/// All that was ever paid through it, before shares were taken.
			paid: Balance,
			/// What went back to the payer.
			refunded: Balance,
			/// What ended it.
			reason: CloseReason,
		},
		/// A channel was not finalized. Nothing has changed for it.
		#[codec(index = 9)]
		FinalizeSkipped {
			/// Channel id as submitted.
			id: ChannelId,
			/// Why.
			error: DispatchError,
		},
	}

	#[pallet::error]
	pub enum Error<T> {
		/// No channel has this id; it may have ended. Ask the view function `channel`.
		UnknownChannel,
		/// Payer and payee are the same account. Name another payee.
		SelfChannel,
		/// The amount is zero. Name at least one unit.
		ZeroAmount,
		/// The grace period is shorter or longer than the constants `MinGrace` and `MaxGrace` allow.
		GraceOutOfBounds,
		/// Only channels of exactly one lane can be opened so far. Pass 1.
		LanesUnsupported,
		/// Velocity caps cannot be set so far. Pass `None`.
		CapUnsupported,
		/// The operator puts up no more storage deposits for this agent, and the agent cannot put
		/// one up itself. Close channels that are not needed, or give the agent native tokens.
		SponsorLimitReached,
		/// Neither the agent's operator nor the agent can put up the storage deposit. Give either of
		/// them more native tokens.
		SponsorCannotPay,
		/// The payer is no active agent of another operator, and cannot put up the storage deposit itself.
		/// Give it native tokens, or register it as an agent.
		PayerCannotPay,
		/// Only the payee may do this.
		NotPayee,
		/// Only the payer may do this, or whoever answers or has put up the storage deposit for it.
		NotPayer,
		/// Whoever put up the storage deposit ends the channel. Open another one.
		ClosedBySponsor,
		/// The list is empty. Submit at least one item.
		EmptyBatch,
		/// Items are not in strictly ascending order of channel and lane. Sort them, and keep only the
		/// highest voucher of a lane.
		NotAscending,
		/// The grace period is running already.
		AlreadyClosing,
		/// No close was requested. Request it first.
		NotClosing,
		/// The grace period is over; the channel can only be ended. Settle in time.
		GraceOver,
		/// The grace period is still running. Wait for the block that `deadlines` names.
		GraceRunning,
		/// None of the channels can be finalized. Submit one alone to learn why.
		NothingToFinalize,
		/// The last item names another channel than the one to be closed.
		ItemOfAnotherChannel,
		/// The channel has no such lane. Use lane 0.
		UnknownLane,
		/// The voucher's last block has passed. Ask the payer for a fresh voucher, or close without it.
		Expired,
		/// Nothing new: as much or more was paid before. Close without an item.
		Stale,
		/// The item wants more than its voucher allows. Lower `capture`.
		CaptureAboveVoucher,
		/// The channel does not hold as much. Lower `capture`, or have the payer top up.
		AboveDeposit,
		/// The signature is not the voucher key's over this voucher on this chain.
		BadSignature,
	}

	#[pallet::extra_constants]
	impl<T: Config> Pallet<T> {
		/// Shortest grace period, in blocks.
		#[pallet::constant_name(MinGrace)]
		fn min_grace() -> BlockNumber {
			MIN_GRACE
		}

		/// Longest grace period, in blocks.
		#[pallet::constant_name(MaxGrace)]
		fn max_grace() -> BlockNumber {
			MAX_GRACE
		}

		/// Most items in one batch.
		#[pallet::constant_name(MaxBatch)]
		fn max_batch() -> u32 {
			MAX_BATCH
		}

		/// Most channels finalized in one call.
		#[pallet::constant_name(MaxFinalize)]
		fn max_finalize() -> u32 {
			MAX_FINALIZE
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
		/// Open a channel to `payee` and lock `deposit` of the caller's credits for it.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer, any account with credits.
		///
		/// ## Details
		///
		/// The id is known before inclusion: it is made of the chain, both accounts, the asset and the
		/// pair's next nonce (view function `channel_id_of`). `key` signs the vouchers; it should be
		/// used for nothing else. `grace` is how many blocks the payee has to settle once a close is
		/// requested. `lanes` must be 1 and `cap` `None` so far.
		///
		/// The storage deposit of the channel, and of the pair's nonce row at its first channel, is
		/// put up by the operator of an active agent, within limits and if it can, else by the payer.
		///
		/// ## Errors
		///
		/// - [`Error::SelfChannel`], [`Error::ZeroAmount`], [`Error::GraceOutOfBounds`],
		///   [`Error::LanesUnsupported`], [`Error::CapUnsupported`]: see there.
		/// - [`Error::SponsorLimitReached`], [`Error::SponsorCannotPay`], [`Error::PayerCannotPay`]: the
		///   storage deposit.
		/// - What the registry says of a payee that is not an active agent, the spend guard of a spend
		///   beyond a limit, and the ledger of missing credits.
		///
		/// ## Events
		///
		/// [`Event::Opened`].
		#[pallet::call_index(0)]
		#[pallet::weight(T::WeightInfo::open())]
		pub fn open(
			origin: OriginFor<T>,
			payee: AccountId,
			asset: AssetId,
			deposit: Balance,
			key: Key,
			grace: BlockNumber,
			lanes: u16,
			cap: Option<Cap>,
		) -> DispatchResult {
			let payer = ensure_signed(origin)?;
			ensure!(lanes == 1, Error::<T>::LanesUnsupported);
			ensure!(cap.is_none(), Error::<T>::CapUnsupported);
			Self::do_open(payer, payee, asset, deposit, key, grace)
		}

		/// Raise the deposit of a channel by `amount` of the caller's credits.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer, or by the operator that answers for it.
		///
		/// ## Details
		///
		/// Changes the deposit and nothing else: a requested close goes on. Whoever pays, what is not
		/// settled goes back to the channel's payer. So the caller's limits are asked as for a spend
		/// towards the payee when the payer tops up, and as for a withdrawal to the payer when its
		/// operator does.
		///
		/// ## Errors
		///
		/// - [`Error::ZeroAmount`], [`Error::UnknownChannel`], [`Error::NotPayer`]: see there.
		/// - [`Error::GraceOver`]: nothing can be settled any more.
		/// - What the spend guard says of a limit and the ledger of missing credits.
		///
		/// ## Events
		///
		/// [`Event::ToppedUp`].
		#[pallet::call_index(1)]
		#[pallet::weight(T::WeightInfo::top_up())]
		pub fn top_up(origin: OriginFor<T>, id: ChannelId, amount: Balance) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_top_up(by, id, amount)
		}

		/// Claim what vouchers allow, from many channels at once.
		///
		/// ## Dispatch Origin
		///
		/// Signed. Items of an open channel are for its payee alone; while a grace period runs, anyone
		/// may submit them, since a voucher pays nobody but the payee.
		///
		/// ## Details
		///
		/// Best effort: each item is paid or skipped with a reason, by itself. A paid item raises what
		/// its lane has paid to `capture`, or to all that the voucher allows; the rest of the same
		/// voucher stays usable. Submitting a batch again pays nothing. What was not done is given back:
		/// an item that is skipped before its signature is checked costs about one read, one that is
		/// paid as much as it has referrers to reward.
		///
		/// ## Errors
		///
		/// - [`Error::EmptyBatch`], [`Error::NotAscending`]: the whole batch, before any work.
		///
		/// ## Events
		///
		/// [`Event::Claimed`] or [`Event::Skipped`] for each item in order, the latter after
		/// [`Event::SettlementRefused`] when a valid item could not be paid, then
		/// [`Event::BatchSettled`].
		#[pallet::call_index(2)]
		#[pallet::weight(impls::Work::declared(items).weight::<T>())]
		pub fn settle_batch(
			origin: OriginFor<T>,
			items: BoundedVec<Item, ConstU32<MAX_BATCH>>,
		) -> DispatchResultWithPostInfo {
			let by = ensure_signed(origin)?;
			Self::do_settle_batch(by, &items)
		}

		/// Begin the grace period after which the deposit goes back to the payer.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer, or by whoever put up the channel's storage deposit: an operator gets
		/// its deposits back even from an agent that has lost its key.
		///
		/// ## Details
		///
		/// The payee can settle until the grace period is over. Nothing shortens or extends it. What
		/// the payer has requested, the payer can cancel, until the other has requested it too.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayer`], [`Error::AlreadyClosing`]: see there.
		///
		/// ## Events
		///
		/// [`Event::CloseRequested`].
		#[pallet::call_index(3)]
		#[pallet::weight(T::WeightInfo::request_close())]
		pub fn request_close(origin: OriginFor<T>, id: ChannelId) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_request_close(by, id)
		}

		/// Keep a channel open whose close was requested.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer.
		///
		/// ## Details
		///
		/// Only while the grace period runs: a payee may rely on a channel whose grace period is over
		/// being at its end.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayer`], [`Error::NotClosing`],
		///   [`Error::ClosedBySponsor`], [`Error::GraceOver`]: see there.
		///
		/// ## Events
		///
		/// [`Event::CloseCancelled`].
		#[pallet::call_index(4)]
		#[pallet::weight(T::WeightInfo::cancel_close())]
		pub fn cancel_close(origin: OriginFor<T>, id: ChannelId) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_cancel_close(by, id)
		}

		/// Claim a last item, if there is one, and end the channel at once.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payee, at any time until the channel has ended.
		///
		/// ## Details
		///
		/// What was not settled goes back to the payer. An item that cannot be paid fails the whole
		/// call, so that no money is given up by mistake; without an item the call cannot fail but
		/// for its origin.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayee`], [`Error::ItemOfAnotherChannel`].
		/// - [`Error::UnknownLane`], [`Error::GraceOver`], [`Error::Expired`],
		///   [`Error::CaptureAboveVoucher`], [`Error::Stale`], [`Error::AboveDeposit`],
		///   [`Error::BadSignature`]: the item.
		/// - What the settlement says when it refuses the item.
		///
		/// ## Events
		///
		/// [`Event::Claimed`] if there is an item, [`Event::Closed`].
		#[pallet::call_index(5)]
		#[pallet::weight(match last {
			None => T::WeightInfo::close(),
			Some(_) => T::WeightInfo::close_settled(),
		})]
		pub fn close(
			origin: OriginFor<T>,
			id: ChannelId,
			last: Option<Item>,
		) -> DispatchResultWithPostInfo {
			let by = ensure_signed(origin)?;
			Self::do_close(by, id, last)
		}

		/// End channels whose grace period is over.
		///
		/// ## Dispatch Origin
		///
		/// Signed by anyone.
		///
		/// ## Details
		///
		/// Best effort: a channel that is not due is skipped. What was not settled goes back to the
		/// payer, which need not be there. Only the work that was done is charged.
		///
		/// ## Errors
		///
		/// - [`Error::EmptyBatch`]: no id was given.
		/// - [`Error::UnknownChannel`], [`Error::NotClosing`], [`Error::GraceRunning`]: exactly one id
		///   was given, and it cannot be finalized.
		/// - [`Error::NothingToFinalize`]: none of several can.
		///
		/// ## Events
		///
		/// [`Event::Closed`] or [`Event::FinalizeSkipped`] for each id in order.
		#[pallet::call_index(6)]
		#[pallet::weight(impls::finalize_weight::<T>(ids.len(), 0))]
		pub fn finalize(
			origin: OriginFor<T>,
			ids: BoundedVec<ChannelId, ConstU32<MAX_FINALIZE>>,
		) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			Self::do_finalize(&ids)
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// A channel that has not ended.
		pub fn channel(id: ChannelId) -> Option<ChannelView> {
			Channels::<T>::get(id).map(Into::into)
		}

		/// The nonce that the next channel of a pair takes.
		pub fn next_nonce(payer: AccountId, payee: AccountId) -> u64 {
			Nonces::<T>::get(payer, payee).map_or(0, |row| row.next)
		}

		/// The id that the next channel of a pair in this asset takes, if no other is opened before.
		pub fn channel_id_of(payer: AccountId, payee: AccountId, asset: AssetId) -> ChannelId {
			let nonce = Self::next_nonce(payer.clone(), payee.clone());
			stoa_primitives::channel::channel_id(&Self::domain(), &payer, &payee, &asset, nonce)
		}

		/// When the payer can have its money back though everybody else is silent.
		pub fn deadlines(id: ChannelId) -> Option<Deadlines> {
			let now = T::BlockNumberProvider::current_block_number();
			Channels::<T>::get(id).map(|channel| channel.deadlines(now))
		}
	}
}
