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

#[cfg(feature = "runtime-benchmarks")]
mod benchmarking;
mod functions;
#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;
mod try_state;
pub mod types;
pub mod weights;
pub mod work;

pub use pallet::*;
pub use types::*;
pub use weights::WeightInfo;

#[frame_support::pallet]
// The macros write `expect` into what they generate.
#[allow(clippy::expect_used)]
pub mod pallet {
	use super::*;
	use crate::functions::Opening;
	use frame_support::{
		pallet_prelude::*,
		traits::{Consideration, Footprint, StorageVersion},
	};
	use frame_system::pallet_prelude::*;
	use sp_runtime::traits::BlockNumberProvider;
	use stoa_primitives::{
		channel::{
			Cap, ChannelId, Item, SkipReason, MAX_BATCH, MAX_GRACE, MAX_LANES, MAX_WINDOW,
			MIN_GRACE,
		},
		keys::{AgentSignature, Key},
		money::ScheduleId,
		tick::MAX_TICKS,
		traits::{AgentRegistry, FeeCover, Ledger, OutcomeHook, Settlement, SpendGuard},
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

		/// Says when a settlement has earned the platform enough to be free.
		type FeeCover: FeeCover;

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

	// Keys of this map and the next two are hashes already.
	/// All channels that have not ended. Each is covered by a storage deposit.
	#[pallet::storage]
	pub type Channels<T: Config> = StorageMap<_, Identity, ChannelId, ChannelOf<T>>;

	/// What lanes but the first have paid, for channels that have more than one and used it.
	#[pallet::storage]
	pub type Lanes<T: Config> = StorageMap<_, Identity, ChannelId, LaneRow, ValueQuery>;

	/// What the payer has changed, for channels that are marked as pending.
	#[pallet::storage]
	pub type Waiting<T: Config> = StorageMap<_, Identity, ChannelId, Changes, ValueQuery>;

	// Nobody chooses either key: one is the clock plus a grace period, the other a hash.
	/// Channels whose close was requested, by the first block in which they can be finalized.
	#[pallet::storage]
	pub type Due<T: Config> =
		StorageDoubleMap<_, Twox64Concat, BlockNumber, Identity, ChannelId, ()>;

	/// The first block whose rows of [`Due`] may not have been worked through.
	#[pallet::storage]
	pub type NextDue<T: Config> = StorageValue<_, BlockNumber, ValueQuery>;

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
			/// Whether the platform's share covers the fee. The sender then pays none, unless the call was
			/// made inside of another one (a proxy, a multisig, a batch of calls), which is charged as if
			/// it were not.
			free: bool,
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
		/// A channel has another voucher key.
		#[codec(index = 10)]
		KeyRotated {
			/// Channel id.
			id: ChannelId,
			/// The key that signs from now on.
			key: Key,
			/// First block in which the key before is no longer valid.
			until: BlockNumber,
		},
		/// A velocity cap was set, changed or lifted.
		#[codec(index = 11)]
		CapSet {
			/// Channel id.
			id: ChannelId,
			/// The cap, if any.
			cap: Option<Cap>,
			/// First block in which it holds.
			from: BlockNumber,
		},
		/// A lane was revoked.
		#[codec(index = 12)]
		LaneRevoked {
			/// Channel id.
			id: ChannelId,
			/// Lane within the channel.
			lane: u32,
			/// First block in which nothing can be settled on it.
			from: BlockNumber,
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
		/// A channel has from 1 to the constant `MaxLanes` lanes. Pass a number in between.
		LanesOutOfBounds,
		/// A cap allows at least one unit in a window of 1 to the constant `MaxWindow` blocks. Pass other
		/// values, or `None` for no cap.
		CapOutOfBounds,
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
		/// The channel has no such lane. Use one from 0 to the channel's number of lanes less one.
		UnknownLane,
		/// The voucher's last block has passed. Ask the payer for a fresh voucher, or close without it.
		Expired,
		/// Nothing new: as much or more was paid before. Close without an item.
		Stale,
		/// The item wants more than its voucher allows. Lower `capture`.
		CaptureAboveVoucher,
		/// The channel does not hold as much. Lower `capture`, or have the payer top up.
		AboveDeposit,
		/// The signature is not the voucher key's over this voucher or commitment on this chain.
		BadSignature,
		/// The lane has been revoked. Use another one.
		LaneRevoked,
		/// More than the velocity cap leaves for now. Lower `capture`, or wait until earlier captures are
		/// one window old.
		AboveCap,
		/// The tick's index is 0, beyond its hash chain, above the constant `MaxTicks`, or allows more
		/// than any number holds. Have the payer replace the ticks by a voucher.
		TickOutOfRange,
		/// The tick does not lead to the root that was signed. Submit the value that the payer revealed
		/// for this index.
		BadTick,
		/// The last block of the authorisation has passed. Ask the payer for a fresh one.
		AuthorizationExpired,
		/// The authorisation is not for the next channel of this pair of accounts. Ask the payer for one
		/// with the nonce that the view function `next_nonce` returns.
		NonceNotNext,
		/// The last block of the consent has passed. Ask the payee for a fresh one.
		ConsentExpired,
		/// More has been settled than the consent allows. Ask the payee for one over at least that much.
		BelowSettled,
		/// The channel has this key already. Pass another one.
		SameKey,
		/// The key before is still valid: one rotation at a time. Wait for the end of its grace period, or
		/// request the close.
		RotationRunning,
		/// The items before are in as many assets as one batch may have, the constant `MaxAssets`. Settle
		/// the rest in another batch.
		TooManyAssets,
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

		/// Most lanes of one channel.
		#[pallet::constant_name(MaxLanes)]
		fn max_lanes() -> u16 {
			MAX_LANES
		}

		/// Most ticks that are walked for one item.
		#[pallet::constant_name(MaxTicks)]
		fn max_ticks() -> u32 {
			MAX_TICKS
		}

		/// Longest window of a velocity cap, in blocks.
		#[pallet::constant_name(MaxWindow)]
		fn max_window() -> BlockNumber {
			MAX_WINDOW
		}

		/// Most assets in one batch.
		#[pallet::constant_name(MaxAssets)]
		fn max_assets() -> u32 {
			MAX_ASSETS
		}

		/// Most channels finalized in one call.
		#[pallet::constant_name(MaxFinalize)]
		fn max_finalize() -> u32 {
			MAX_FINALIZE
		}
	}

	#[pallet::hooks]
	impl<T: Config> Hooks<BlockNumberFor<T>> for Pallet<T> {
		/// Help with `finalize`, as far as the block has room, for `MaxFinalize` channels at most.
		fn on_idle(_: BlockNumberFor<T>, remaining: Weight) -> Weight {
			Self::finalize_due(remaining)
		}

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
		/// requested. `lanes` is how many calls can be under way at the same time; each adds to the storage
		/// deposit. `cap` bounds what is captured in a window of blocks.
		///
		/// The storage deposit of the channel, and of the pair's nonce row at its first channel, is
		/// put up by the operator of an active agent, within limits and if it can, else by the payer.
		///
		/// ## Errors
		///
		/// - [`Error::SelfChannel`], [`Error::ZeroAmount`], [`Error::GraceOutOfBounds`],
		///   [`Error::LanesOutOfBounds`], [`Error::CapOutOfBounds`]: see there.
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
			Self::do_open(Opening { payer, payee, asset, deposit, key, grace, lanes, cap })
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
		/// its lane has paid to `capture`, or to all that the voucher or tick allows; the rest of the same
		/// proof stays usable. Submitting a batch again pays nothing. What was not done is given back:
		/// an item that is skipped before its signature is checked costs a few reads, one that is
		/// paid as much as it has referrers to reward.
		///
		/// The call is free when the platform's share of what was paid, in the first asset in which it
		/// received anything, is worth more than the fee of all that was done, and the call is a
		/// transaction of its own. Inside of another call, as through a proxy, it saves nobody anything: send it by itself.
		///
		/// Items are paid in up to `MaxAssets` different assets; those in further ones are skipped with
		/// [`Error::TooManyAssets`].
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
		#[pallet::weight(work::Work::limit::<T>(items))]
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
		/// call, so that no money is given up by mistake; without one the call fails only when the
		/// channel is unknown or the caller is not its payee. With an item the call is free when the
		/// platform's share covers the fee, as for [`settle_batch`](Self::settle_batch).
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayee`], [`Error::ItemOfAnotherChannel`].
		/// - Those of the item, [`Error::GraceOver`] among them: see
		///   [`settle_batch_all`](Self::settle_batch_all).
		///
		/// ## Events
		///
		/// [`Event::Claimed`] if there is an item, [`Event::Closed`].
		#[pallet::call_index(5)]
		#[pallet::weight(work::close_weight::<T>(last.as_ref()))]
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
		#[pallet::weight(work::finalize_weight::<T>(ids.len(), 0))]
		pub fn finalize(
			origin: OriginFor<T>,
			ids: BoundedVec<ChannelId, ConstU32<MAX_FINALIZE>>,
		) -> DispatchResultWithPostInfo {
			ensure_signed(origin)?;
			Self::do_finalize(&ids)
		}

		/// Open a channel that the payer has authorised: the payer sends no transaction.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payee.
		///
		/// ## Details
		///
		/// The channel has one lane and no cap. Everything else is as in [`open`](Self::open), the storage
		/// deposit included, and the payer has signed for it: the caller as the payee, the asset, the
		/// deposit, the key, the grace period, the nonce of the pair and a last block, in an
		/// [`OpenAuth`](stoa_primitives::payload::OpenAuth). The signature is by the payer's account key or
		/// by a delegate key with the scope for vouchers. An authorisation is good for one channel, since
		/// the nonce is.
		///
		/// ## Errors
		///
		/// - [`Error::AuthorizationExpired`], [`Error::NonceNotNext`]: see there.
		/// - What the registry says of the signature, and those of [`open`](Self::open).
		///
		/// ## Events
		///
		/// [`Event::Opened`].
		#[pallet::call_index(7)]
		#[pallet::weight(T::WeightInfo::open_authorized())]
		pub fn open_authorized(
			origin: OriginFor<T>,
			payer: AccountId,
			asset: AssetId,
			deposit: Balance,
			key: Key,
			grace: BlockNumber,
			nonce: u64,
			expires: BlockNumber,
			signature: AgentSignature,
		) -> DispatchResult {
			let payee = ensure_signed(origin)?;
			let (lanes, cap) = (1, None);
			let opening = Opening { payer, payee, asset, deposit, key, grace, lanes, cap };
			Self::do_open_authorized(opening, nonce, expires, &signature)
		}

		/// End a channel at once, with the payee's consent to what it will have been paid.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer.
		///
		/// ## Details
		///
		/// `total` is all that the payee will have been paid over the channel's life. What of it was not
		/// settled yet is paid, whatever the velocity cap, since the payer itself asks for it; the rest goes
		/// back to the payer. The payee has signed a
		/// [`CloseConsent`](stoa_primitives::payload::CloseConsent), by its account key or by a delegate key
		/// with the scope for vouchers.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayer`], [`Error::ConsentExpired`],
		///   [`Error::AboveDeposit`], [`Error::BelowSettled`]: see there.
		/// - What the registry says of the signature and the settlement when it refuses.
		///
		/// ## Events
		///
		/// [`Event::Closed`].
		#[pallet::call_index(8)]
		#[pallet::weight(T::WeightInfo::close_with_consent())]
		pub fn close_with_consent(
			origin: OriginFor<T>,
			id: ChannelId,
			total: Balance,
			expires: BlockNumber,
			signature: AgentSignature,
		) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_close_with_consent(by, id, total, expires, &signature)
		}

		/// Claim what vouchers allow, from many channels at once, all or nothing.
		///
		/// ## Dispatch Origin
		///
		/// As for [`settle_batch`](Self::settle_batch).
		///
		/// ## Details
		///
		/// The first item that cannot be paid fails the whole call with its own error, and nothing has
		/// changed. For everything else see [`settle_batch`](Self::settle_batch).
		///
		/// ## Errors
		///
		/// - [`Error::EmptyBatch`], [`Error::NotAscending`]: the whole batch.
		/// - [`Error::UnknownChannel`], [`Error::NotPayee`], [`Error::UnknownLane`], [`Error::GraceOver`],
		///   [`Error::Expired`], [`Error::TickOutOfRange`], [`Error::CaptureAboveVoucher`],
		///   [`Error::LaneRevoked`], [`Error::Stale`], [`Error::AboveDeposit`], [`Error::AboveCap`],
		///   [`Error::BadSignature`], [`Error::BadTick`], [`Error::TooManyAssets`]: an item.
		/// - What the settlement says when it refuses an item.
		///
		/// ## Events
		///
		/// [`Event::Claimed`] for each item in order, then [`Event::BatchSettled`].
		#[pallet::call_index(9)]
		#[pallet::weight(work::Work::limit::<T>(items))]
		pub fn settle_batch_all(
			origin: OriginFor<T>,
			items: BoundedVec<Item, ConstU32<MAX_BATCH>>,
		) -> DispatchResultWithPostInfo {
			let by = ensure_signed(origin)?;
			Self::do_settle_batch_all(by, &items)
		}

		/// Let another key sign vouchers.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer.
		///
		/// ## Details
		///
		/// The new key is valid at once. The key before stays valid for one grace period, so that the payee
		/// can settle what it was promised. A velocity cap bounds what a thief can do in that time.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayer`], [`Error::GraceOver`], [`Error::SameKey`],
		///   [`Error::RotationRunning`]: see there.
		///
		/// ## Events
		///
		/// [`Event::KeyRotated`].
		#[pallet::call_index(10)]
		#[pallet::weight(T::WeightInfo::rotate_key())]
		pub fn rotate_key(origin: OriginFor<T>, id: ChannelId, key: Key) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_rotate_key(by, id, key)
		}

		/// Set, change or lift the velocity cap.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer.
		///
		/// ## Details
		///
		/// A cap that allows whatever the one in force does, or none, holds at once. Any other holds after
		/// one grace period. A change that still waits is replaced.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayer`], [`Error::GraceOver`],
		///   [`Error::CapOutOfBounds`]: see there.
		///
		/// ## Events
		///
		/// [`Event::CapSet`].
		#[pallet::call_index(11)]
		#[pallet::weight(T::WeightInfo::set_cap())]
		pub fn set_cap(origin: OriginFor<T>, id: ChannelId, cap: Option<Cap>) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_set_cap(by, id, cap)
		}

		/// Let nothing more be settled on a lane, after one grace period and for good.
		///
		/// ## Dispatch Origin
		///
		/// Signed by the payer.
		///
		/// ## Errors
		///
		/// - [`Error::UnknownChannel`], [`Error::NotPayer`], [`Error::GraceOver`],
		///   [`Error::UnknownLane`], [`Error::LaneRevoked`]: see there.
		///
		/// ## Events
		///
		/// [`Event::LaneRevoked`].
		#[pallet::call_index(12)]
		#[pallet::weight(T::WeightInfo::revoke_lane())]
		pub fn revoke_lane(origin: OriginFor<T>, id: ChannelId, lane: u32) -> DispatchResult {
			let by = ensure_signed(origin)?;
			Self::do_revoke_lane(by, id, lane)
		}
	}

	#[pallet::view_functions]
	impl<T: Config> Pallet<T> {
		/// A channel that has not ended.
		pub fn channel(id: ChannelId) -> Option<ChannelView> {
			let channel = Channels::<T>::get(id)?;
			let changes = Self::changes(&id, &channel);
			Some(ChannelView::new(channel, Lanes::<T>::get(id), changes, Self::now()))
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
			Channels::<T>::get(id).map(|channel| channel.deadlines(Self::now()))
		}
	}
}
