//! What the calls do.

use crate::{
	pallet::*,
	types::{ChannelOf, CloseReason, NonceRow, Phase, Sponsored},
	weights::WeightInfo,
	Channel,
};
use alloc::{collections::BTreeMap, vec::Vec};
use codec::MaxEncodedLen;
use frame_support::{
	dispatch::{DispatchResultWithPostInfo, WithPostDispatchInfo},
	ensure,
	storage::with_storage_layer,
	traits::{Consideration, Defensive, Footprint, Get},
	weights::Weight,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{BlockNumberProvider, Zero},
	ArithmeticError, DispatchError, DispatchResult,
};
use stoa_primitives::{
	channel::{channel_id, ChannelId, Item, Proof, SkipReason},
	keys::{Key, KeySignature},
	money::{LockReason, Source},
	payload::{Domain, Payload, Voucher},
	referral::{MAX_SIDE_WORK, MAX_WORK},
	traits::{AgentRegistry, Ledger, Locker, OutcomeHook, Receipt, Settle, Settlement, SpendGuard},
	AccountId, AssetId, Balance, BlockNumber,
};

/// An item that was not paid.
struct Unpaid {
	/// What a batch says.
	reason: SkipReason,
	/// What a call says that fails for it.
	error: DispatchError,
	/// Whether the signature had been checked, which is most of the cost.
	verified: bool,
}

impl Unpaid {
	fn cheap<T: Config>(reason: SkipReason, error: Error<T>) -> Self {
		Self { reason, error: error.into(), verified: false }
	}
}

/// What a valid item takes.
struct Claim {
	/// The lane's watermark afterwards.
	watermark: Balance,
	/// The sum of all lanes afterwards.
	settled: Balance,
	/// The difference.
	amount: Balance,
}

/// An item that was paid.
struct Paid {
	/// What the settlement had to do for referrers of both sides.
	referral_work: u32,
	/// What it had to do for those of the side that has more of them.
	side_work: u32,
	/// Whether somebody else than the caller was paid.
	foreign: bool,
}

impl Paid {
	/// The most work that an item can be.
	const WORST: Self = Self { referral_work: MAX_WORK, side_work: MAX_SIDE_WORK, foreign: true };
}

/// How much work a batch is: how many items of each cost.
#[derive(Clone, Copy, Default)]
pub(crate) struct Work {
	/// Verified, by an ed25519 or sr25519 signature.
	plain: u32,
	/// Verified, by an ecdsa signature, which is longer and recovers the key.
	ecdsa: u32,
	/// Skipped before the signature was checked.
	skipped: u32,
	/// Work for referrers: for each item, that of its larger side.
	referral: u32,
	/// Paid to somebody else than the caller, so that each may bring records of its own.
	foreign: u32,
}

impl Work {
	/// The most work that `items` can be.
	pub(crate) fn declared(items: &[Item]) -> Self {
		let mut work = Self::default();
		for item in items {
			work.verified(item);
			work.paid(&Paid::WORST);
		}
		work
	}

	/// The least work that `n` items can be.
	fn refused(n: usize) -> Self {
		// A batch is far shorter than u32::MAX.
		Self { skipped: u32::try_from(n).unwrap_or(u32::MAX), ..Self::default() }
	}

	fn paid(&mut self, paid: &Paid) {
		self.referral = self.referral.saturating_add(paid.side_work);
		self.foreign = self.foreign.saturating_add(paid.foreign.into());
	}

	// A key verifies signatures of its own scheme only, so the signature alone tells the cost.
	// Saturating: a batch is far shorter than u32::MAX.
	fn verified(&mut self, item: &Item) {
		let Proof::Voucher { signature, .. } = &item.proof;
		match signature {
			KeySignature::Ecdsa(_) => self.ecdsa = self.ecdsa.saturating_add(1),
			KeySignature::Ed25519(_) | KeySignature::Sr25519(_) => {
				self.plain = self.plain.saturating_add(1)
			},
		}
	}

	fn skipped(&mut self) {
		self.skipped = self.skipped.saturating_add(1);
	}

	/// What it weighs: the base of a batch once, and each item at its own price.
	pub(crate) fn weight<T: Config>(self) -> Weight {
		let times = |weight: Weight, n: u32| weight.saturating_mul(n.into());
		let rewarded = per_item(T::WeightInfo::settle_batch_rewarded);
		let foreign = per_item(T::WeightInfo::settle_batch_foreign).saturating_sub(rewarded);
		// Items that pay the caller share its side: that side's records are read and written once.
		let shared = match self.referral {
			0 => Weight::zero(),
			_ => T::WeightInfo::settle_batch_rewarded(0)
				.saturating_sub(T::WeightInfo::settle_batch(0)),
		};
		T::WeightInfo::settle_batch(self.plain)
			.saturating_add(shared)
			.saturating_add(times(per_item(T::WeightInfo::settle_batch_ecdsa), self.ecdsa))
			.saturating_add(times(per_item(T::WeightInfo::settle_batch_skipped), self.skipped))
			.saturating_add(times(per_side_work::<T>(), self.referral))
			.saturating_add(times(foreign, self.foreign))
	}
}

/// What one item adds to a batch.
fn per_item(weight: fn(u32) -> Weight) -> Weight {
	weight(1).saturating_sub(weight(0))
}

/// What one unit of work for referrers of the larger side adds to an item of a batch.
///
/// In the benchmark both sides have all the work there can be, but only the payer's side brings
/// records of its own with each item. So the difference is storage for one side, and computation for
/// both: what is charged by the larger side is never too little.
fn per_side_work<T: Config>() -> Weight {
	per_item(T::WeightInfo::settle_batch_rewarded)
		.saturating_sub(per_item(T::WeightInfo::settle_batch))
		.saturating_div(MAX_SIDE_WORK.into())
}

/// The weight of closing with a last item that was that much work for referrers of both sides.
fn close_weight<T: Config>(item: &Item, referral_work: u32) -> Weight {
	// With one item, nothing is shared.
	let per_work = T::WeightInfo::settle_batch_rewarded(1)
		.saturating_sub(T::WeightInfo::settle_batch(1))
		.saturating_div(MAX_WORK.into());
	let unused = MAX_WORK.saturating_sub(referral_work);
	let mut weight =
		T::WeightInfo::close_settled().saturating_sub(per_work.saturating_mul(unused.into()));
	let Proof::Voucher { signature, .. } = &item.proof;
	if !matches!(signature, KeySignature::Ecdsa(_)) {
		weight = weight
			.saturating_sub(per_item(T::WeightInfo::settle_batch_ecdsa))
			.saturating_add(per_item(T::WeightInfo::settle_batch));
	}
	weight.min(T::WeightInfo::close_settled())
}

/// The weight of ending `ended` channels and skipping `skipped` ids.
pub(crate) fn finalize_weight<T: Config>(ended: usize, skipped: usize) -> Weight {
	// Both are bounded by `MAX_FINALIZE`.
	let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
	T::WeightInfo::finalize(count(ended)).saturating_add(
		T::WeightInfo::finalize_skipped(count(skipped))
			.saturating_sub(T::WeightInfo::finalize_skipped(0)),
	)
}

/// One record of type `Value` under a key of `key` bytes.
fn footprint<Value: MaxEncodedLen>(key: usize) -> Footprint {
	Footprint::from_parts(1, key.saturating_add(Value::max_encoded_len()))
}

/// Length of two accounts as `Blake2_128Concat` keys.
const PAIR_KEY: usize = 96;

impl<T: Config> Pallet<T> {
	/// What binds a signature to this chain and to channels.
	pub(crate) fn domain() -> Domain {
		Domain::channels(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()))
	}

	fn now() -> BlockNumber {
		T::BlockNumberProvider::current_block_number()
	}

	fn find(id: &ChannelId) -> Result<ChannelOf<T>, Error<T>> {
		Channels::<T>::get(id).ok_or(Error::<T>::UnknownChannel)
	}

	/// What the storage deposit of a channel covers. A sponsor's counter is part of it.
	pub(crate) fn channel_footprint() -> Footprint {
		let sponsored = PAIR_KEY.saturating_add(Sponsored::max_encoded_len());
		footprint::<ChannelOf<T>>(sponsored.saturating_add(32))
	}

	/// What the storage deposit of a nonce row covers. A sponsor's counter is part of it.
	pub(crate) fn nonce_footprint() -> Footprint {
		let sponsored = PAIR_KEY.saturating_add(Sponsored::max_encoded_len());
		footprint::<NonceRow<T::NonceConsideration>>(sponsored.saturating_add(PAIR_KEY))
	}

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

	pub(crate) fn do_open(
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
		deposit: Balance,
		key: Key,
		grace: BlockNumber,
	) -> DispatchResult {
		use stoa_primitives::channel::{MAX_GRACE, MIN_GRACE};
		ensure!(payer != payee, Error::<T>::SelfChannel);
		ensure!(deposit > 0, Error::<T>::ZeroAmount);
		ensure!((MIN_GRACE..=MAX_GRACE).contains(&grace), Error::<T>::GraceOutOfBounds);
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
			Self::channel_footprint(),
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
			lanes: 1,
			grace,
			phase: Phase::Open,
			cap: None,
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
			lanes: 1,
			cap: None,
			nonce,
			schedule,
			depositor,
		});
		Ok(())
	}

	pub(crate) fn do_top_up(by: AccountId, id: ChannelId, amount: Balance) -> DispatchResult {
		ensure!(amount > 0, Error::<T>::ZeroAmount);
		let mut channel = Self::find(&id)?;
		if let Phase::Closing { ends, .. } = channel.phase {
			ensure!(Self::now() < ends, Error::<T>::GraceOver);
		}
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

	pub(crate) fn do_settle_batch(by: AccountId, items: &[Item]) -> DispatchResultWithPostInfo {
		let refuse = |error: Error<T>| error.with_weight(Work::refused(items.len()).weight::<T>());
		ensure!(!items.is_empty(), refuse(Error::EmptyBatch));
		let place = |item: &Item| (item.channel, item.lane);
		let ascending = items.iter().zip(items.iter().skip(1)).all(|(a, b)| place(a) < place(b));
		ensure!(ascending, refuse(Error::NotAscending));

		let (domain, now) = (Self::domain(), Self::now());
		let mut work = Work::default();
		// Saturating: no more than `MAX_BATCH` of each.
		let (mut paid_items, mut skipped_items) = (0u32, 0u32);
		for (index, item) in (0u32..).zip(items) {
			let unpaid = match Self::settle_item(&by, item, &domain, now) {
				Ok(paid) => {
					paid_items = paid_items.saturating_add(1);
					work.verified(item);
					work.paid(&paid);
					continue;
				},
				Err(unpaid) => unpaid,
			};
			skipped_items = skipped_items.saturating_add(1);
			if unpaid.verified {
				work.verified(item);
				// A settlement that refused may have done all its work before.
				if unpaid.reason == SkipReason::NotSettled {
					work.paid(&Paid::WORST);
				}
			} else {
				work.skipped();
			}
			let (id, lane, reason) = (item.channel, item.lane, unpaid.reason);
			if reason == SkipReason::NotSettled {
				Self::deposit_event(Event::SettlementRefused { id, lane, error: unpaid.error });
			}
			Self::deposit_event(Event::Skipped { index, id, lane, reason });
		}
		Self::deposit_event(Event::BatchSettled { by, paid_items, skipped_items });
		Ok(Some(work.weight::<T>().min(Work::declared(items).weight::<T>())).into())
	}

	/// Pay one item, or change nothing.
	fn settle_item(
		by: &AccountId,
		item: &Item,
		domain: &Domain,
		now: BlockNumber,
	) -> Result<Paid, Unpaid> {
		let channel = Channels::<T>::get(item.channel)
			.ok_or(Unpaid::cheap::<T>(SkipReason::UnknownChannel, Error::UnknownChannel))?;
		let claim = Self::check(&channel, by, item, now)?;
		ensure!(
			Self::is_signed(&channel.key, item, domain),
			Unpaid {
				reason: SkipReason::BadSignature,
				error: Error::<T>::BadSignature.into(),
				verified: true
			}
		);
		let foreign = channel.payee != *by;
		with_storage_layer(|| Self::pay(item, channel, claim))
			.map(|Receipt { referral_work, side_work, .. }| Paid {
				referral_work,
				side_work,
				foreign,
			})
			.map_err(|error| Unpaid { reason: SkipReason::NotSettled, error, verified: true })
	}

	/// All that can be said of an item without its signature, cheapest first.
	fn check(
		channel: &ChannelOf<T>,
		by: &AccountId,
		item: &Item,
		now: BlockNumber,
	) -> Result<Claim, Unpaid> {
		use SkipReason as Reason;
		let skip = Unpaid::cheap::<T>;
		let open = channel.phase == Phase::Open;
		ensure!(!open || *by == channel.payee, skip(Reason::NotPayee, Error::NotPayee));
		// Only lane 0 exists, whose watermark is in the channel itself.
		ensure!(
			item.lane < u32::from(channel.lanes),
			skip(Reason::UnknownLane, Error::UnknownLane)
		);
		if let Phase::Closing { ends, .. } = channel.phase {
			ensure!(now < ends, skip(Reason::GraceOver, Error::GraceOver));
		}
		let Proof::Voucher { cumulative, valid_until, .. } = item.proof;
		ensure!(valid_until == 0 || now <= valid_until, skip(Reason::Expired, Error::Expired));
		let watermark = item.capture.unwrap_or(cumulative);
		ensure!(
			watermark <= cumulative,
			skip(Reason::CaptureAboveVoucher, Error::CaptureAboveVoucher)
		);
		let amount = watermark
			.checked_sub(channel.lane0)
			.filter(|amount| *amount > 0)
			.ok_or(skip(Reason::Stale, Error::Stale))?;
		let settled = channel
			.settled
			.checked_add(amount)
			.filter(|settled| *settled <= channel.deposit)
			.ok_or(skip(Reason::AboveDeposit, Error::AboveDeposit))?;
		Ok(Claim { watermark, settled, amount })
	}

	fn is_signed(key: &Key, item: &Item, domain: &Domain) -> bool {
		let Proof::Voucher { cumulative, valid_until, signature } = item.proof;
		let voucher = Voucher { channel: item.channel, lane: item.lane, cumulative, valid_until };
		key.verify(&voucher.to_bytes(domain), &signature)
	}

	/// Must run in a storage layer of its own.
	fn pay(item: &Item, mut channel: ChannelOf<T>, claim: Claim) -> Result<Receipt, DispatchError> {
		let settle = Settle {
			asset: channel.asset.clone(),
			payer: channel.payer.clone(),
			provider: channel.payee.clone(),
			settled_before: channel.settled,
			gross: claim.amount,
			schedule: channel.schedule,
			source: Source::Channel(item.channel),
		};
		channel.lane0 = claim.watermark;
		channel.settled = claim.settled;
		Channels::<T>::insert(item.channel, channel);
		let receipt = T::Settlement::settle(settle)?;
		Self::deposit_event(Event::Claimed {
			id: item.channel,
			lane: item.lane,
			amount: claim.amount,
			settled: claim.settled,
		});
		Ok(receipt)
	}

	pub(crate) fn do_request_close(by: AccountId, id: ChannelId) -> DispatchResult {
		let mut channel = Self::find(&id)?;
		let by_payer = by == channel.payer;
		ensure!(by_payer || by == channel.depositor, Error::<T>::NotPayer);
		let ends = match channel.phase {
			Phase::Open => {
				Self::now().checked_add(channel.grace).ok_or(ArithmeticError::Overflow)?
			},
			// What the payer has requested, the sponsor can make final.
			Phase::Closing { ends, cancellable: true } if !by_payer => ends,
			Phase::Closing { .. } => return Err(Error::<T>::AlreadyClosing.into()),
		};
		channel.phase = Phase::Closing { ends, cancellable: by_payer };
		Channels::<T>::insert(id, channel);
		Self::deposit_event(Event::CloseRequested { id, by, ends });
		Ok(())
	}

	pub(crate) fn do_cancel_close(by: AccountId, id: ChannelId) -> DispatchResult {
		let mut channel = Self::find(&id)?;
		ensure!(by == channel.payer, Error::<T>::NotPayer);
		let Phase::Closing { ends, cancellable } = channel.phase else {
			return Err(Error::<T>::NotClosing.into());
		};
		ensure!(cancellable, Error::<T>::ClosedBySponsor);
		ensure!(Self::now() < ends, Error::<T>::GraceOver);
		channel.phase = Phase::Open;
		Channels::<T>::insert(id, channel);
		Self::deposit_event(Event::CloseCancelled { id });
		Ok(())
	}

	pub(crate) fn do_close(
		by: AccountId,
		id: ChannelId,
		last: Option<Item>,
	) -> DispatchResultWithPostInfo {
		ensure!(by == Self::find(&id)?.payee, Error::<T>::NotPayee);
		let mut weight = None;
		if let Some(item) = last {
			ensure!(item.channel == id, Error::<T>::ItemOfAnotherChannel);
			let paid = Self::settle_item(&by, &item, &Self::domain(), Self::now())
				.map_err(|unpaid| unpaid.error)?;
			weight = Some(close_weight::<T>(&item, paid.referral_work));
		}
		Self::end(id, CloseReason::ByPayee)?;
		Ok(weight.into())
	}

	pub(crate) fn do_finalize(ids: &[ChannelId]) -> DispatchResultWithPostInfo {
		ensure!(!ids.is_empty(), Error::<T>::EmptyBatch);
		let now = Self::now();
		// Whether an id was due decides what it cost, whether it ended what the call says.
		let (mut due, mut ended) = (0usize, 0usize);
		let mut refusal = None;
		for id in ids {
			let result = Self::ensure_due(id, now).map_err(Into::into).and_then(|()| {
				due = due.saturating_add(1);
				with_storage_layer(|| Self::end(*id, CloseReason::GraceOver))
			});
			match result {
				Ok(()) => ended = ended.saturating_add(1),
				Err(error) => {
					refusal = Some(error);
					Self::deposit_event(Event::FinalizeSkipped { id: *id, error });
				},
			}
		}
		let declared = finalize_weight::<T>(ids.len(), 0);
		let weight = finalize_weight::<T>(due, ids.len().saturating_sub(due)).min(declared);
		match refusal {
			Some(error) if ids.len() == 1 => Err(error.with_weight(weight)),
			Some(_) if ended == 0 => Err(Error::<T>::NothingToFinalize.with_weight(weight)),
			_ => Ok(Some(weight).into()),
		}
	}

	fn ensure_due(id: &ChannelId, now: BlockNumber) -> Result<(), Error<T>> {
		match Self::find(id)?.phase {
			Phase::Open => Err(Error::NotClosing),
			Phase::Closing { ends, .. } if now < ends => Err(Error::GraceRunning),
			Phase::Closing { .. } => Ok(()),
		}
	}

	/// Remove a channel, and give back what is left of both deposits.
	fn end(id: ChannelId, reason: CloseReason) -> DispatchResult {
		let channel = Channels::<T>::take(id).ok_or(Error::<T>::UnknownChannel)?;
		let Channel { payer, payee, asset, deposit, settled, depositor, ticket, .. } = channel;
		let refunded = deposit.checked_sub(settled).ok_or(ArithmeticError::Underflow)?;
		if refunded > 0 {
			T::Ledger::unlock(&payer, &asset, refunded, LockReason::Channel)?;
			T::Outcome::refunded(&payer, &payee, &asset, refunded);
		}
		if depositor != payer {
			Sponsorships::<T>::mutate_exists(&depositor, &payer, |row| {
				let mut sponsored = row.take().unwrap_or_default();
				// Saturating: a wrong count must not keep anybody from its money. `try_state` sees it.
				sponsored.channels = sponsored.channels.saturating_sub(1);
				*row = (sponsored != Sponsored::default()).then_some(sponsored);
			});
		}
		// Neither must a storage deposit that cannot be given back.
		let _: DispatchResult = ticket.drop(&depositor).defensive();
		Self::deposit_event(Event::Closed { id, paid: settled, refunded, reason });
		Ok(())
	}
}

impl<T: Config> Locker for Pallet<T> {
	const REASON: LockReason = LockReason::Channel;

	fn locked_totals() -> Vec<(AssetId, Balance)> {
		let mut totals = BTreeMap::<AssetId, Balance>::new();
		for channel in Channels::<T>::iter_values() {
			// Saturating: a sum or difference out of range differs from the ledger's, which shows it.
			let locked = channel.deposit.saturating_sub(channel.settled);
			let total = totals.entry(channel.asset).or_default();
			*total = total.saturating_add(locked);
		}
		totals.into_iter().collect()
	}
}
