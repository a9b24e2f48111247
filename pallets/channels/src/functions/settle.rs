//! Claiming what vouchers and ticks allow.

use super::*;
use crate::work::{Paid, Work};
use codec::Encode;
use core::marker::PhantomData;
use frame_support::{
	dispatch::{DispatchResultWithPostInfo, Pays, PostDispatchInfo, WithPostDispatchInfo},
	storage::with_storage_layer,
	weights::Weight,
};
use sp_runtime::DispatchError;
use stoa_primitives::{
	channel::{CapState, Item, Proof, SkipReason},
	money::Source,
	traits::{FeeCover, Receipt, Settle, Settlement},
};

/// Why an item was not paid.
pub(super) struct Unpaid {
	/// What a batch says.
	reason: SkipReason,
	/// What a call says that fails for it.
	pub(super) error: DispatchError,
}

fn unpaid<T: Config>(reason: SkipReason, error: Error<T>) -> Unpaid {
	Unpaid { reason, error: error.into() }
}

/// A valid item, and what is stored when it is paid.
struct Claim<T: Config> {
	channel: ChannelOf<T>,
	/// The row of changes, if there is one.
	changes: Option<Changes>,
	/// What lanes but the first have paid, if the item is on one of them.
	lanes: Option<LaneRow>,
	/// The lane's watermark afterwards.
	watermark: Balance,
	/// The sum of all lanes afterwards.
	settled: Balance,
	/// The difference.
	amount: Balance,
}

/// A batch on its way: who has submitted it, and what its items have taken and brought so far.
pub(super) struct Batch<T: Config> {
	by: AccountId,
	domain: Domain,
	now: BlockNumber,
	work: Work,
	/// The assets that were paid in, with what the platform received, in the order of items.
	earned: Vec<(AssetId, Balance)>,
	config: PhantomData<T>,
}

impl<T: Config> Batch<T> {
	pub(super) fn new(by: AccountId) -> Self {
		let (domain, now) = (Pallet::<T>::domain(), Pallet::<T>::now());
		Self { by, domain, now, work: Work::default(), earned: Vec::new(), config: PhantomData }
	}

	/// The weight of all that was done so far.
	pub(super) fn weight(&self) -> Weight {
		self.work.weight::<T>()
	}

	/// The outcome of a call of this weight and with so many bytes of arguments: free for the caller
	/// when the platform's share covers the fee. What it received in one asset counts, the first in which
	/// it received anything: batches of more than one are rare, and nothing is lost for others but the
	/// chance to go free.
	pub(super) fn outcome(&self, weight: Weight, length: usize) -> PostDispatchInfo {
		// An extrinsic is far shorter than u32::MAX.
		let length = u32::try_from(length).unwrap_or(u32::MAX);
		let covered = self
			.earned
			.iter()
			.find(|(_, sum)| *sum > 0)
			.is_some_and(|(asset, sum)| T::FeeCover::covers(asset, *sum, weight, length));
		let pays_fee = if covered { Pays::No } else { Pays::Yes };
		PostDispatchInfo { actual_weight: Some(weight), pays_fee }
	}

	/// The end of a batch of these items.
	fn end(self, items: &[Item], paid_items: u32, skipped_items: u32) -> PostDispatchInfo {
		let outcome = self.outcome(self.weight_of(items), items.encoded_size());
		let free = outcome.pays_fee == Pays::No;
		let by = self.by;
		Pallet::<T>::deposit_event(Event::BatchSettled { by, paid_items, skipped_items, free });
		outcome
	}

	/// What a batch of these items is charged for.
	fn weight_of(&self, items: &[Item]) -> Weight {
		let (weight, declared) = (self.weight(), Work::limit::<T>(items));
		debug_assert!(declared.all_gte(weight), "a batch weighs more than was declared");
		weight.min(declared)
	}

	/// The place of an asset among those that are paid in. Fails when there are too many others.
	fn admit(&mut self, asset: &AssetId) -> Result<usize, Unpaid> {
		if let Some(at) = self.earned.iter().position(|(other, _)| other == asset) {
			return Ok(at);
		}
		let at = self.earned.len();
		let fits = u32::try_from(at).is_ok_and(|assets| assets < MAX_ASSETS);
		ensure!(fits, unpaid::<T>(SkipReason::NotSettled, Error::TooManyAssets));
		self.work.asset();
		self.earned.push((asset.clone(), 0));
		Ok(at)
	}

	/// Pay one item, or change nothing. Either way, note what it took.
	pub(super) fn settle(&mut self, item: &Item) -> Result<(), Unpaid> {
		let claim =
			Pallet::<T>::check(&self.by, item, self.now).inspect_err(|_| self.work.skipped())?;
		self.work.verified(item, claim.changes.is_some());
		ensure!(
			Pallet::<T>::is_signed(item, &claim, &self.domain, self.now),
			unpaid::<T>(SkipReason::BadSignature, Error::BadSignature)
		);
		self.work.walked(item);
		if let Proof::Ticks(ticks) = &item.proof {
			let genuine = ticks.leads_to_root();
			ensure!(genuine, unpaid::<T>(SkipReason::BadTick, Error::BadTick));
		}
		let foreign = claim.channel.payee != self.by;
		let asset = self.admit(&claim.channel.asset)?;
		match with_storage_layer(|| Pallet::<T>::pay(item, claim, self.now)) {
			Ok(Receipt { shares, side_work, .. }) => {
				self.work.paid(&Paid { side_work, foreign });
				if let Some((_, sum)) = self.earned.get_mut(asset) {
					*sum = sum.saturating_add(shares.platform);
				}
				Ok(())
			},
			Err(error) => {
				// It may have done all its work before.
				self.work.paid(&Paid::WORST);
				Err(Unpaid { reason: SkipReason::NotSettled, error })
			},
		}
	}
}

impl<T: Config> Pallet<T> {
	fn ensure_sound(items: &[Item]) -> DispatchResultWithPostInfo {
		let refuse = |error: Error<T>| error.with_weight(Work::refused(items.len()).weight::<T>());
		ensure!(!items.is_empty(), refuse(Error::EmptyBatch));
		let place = |item: &Item| (item.channel, item.lane);
		let ascending = items.iter().zip(items.iter().skip(1)).all(|(a, b)| place(a) < place(b));
		ensure!(ascending, refuse(Error::NotAscending));
		Ok(().into())
	}

	pub(crate) fn do_settle_batch(by: AccountId, items: &[Item]) -> DispatchResultWithPostInfo {
		Self::ensure_sound(items)?;
		let mut batch = Batch::<T>::new(by);
		// Saturating: no more than `MAX_BATCH` of each.
		let (mut paid_items, mut skipped_items) = (0u32, 0u32);
		for (index, item) in (0u32..).zip(items) {
			match batch.settle(item) {
				Ok(()) => paid_items = paid_items.saturating_add(1),
				Err(Unpaid { reason, error }) => {
					skipped_items = skipped_items.saturating_add(1);
					let (id, lane) = (item.channel, item.lane);
					if reason == SkipReason::NotSettled {
						Self::deposit_event(Event::SettlementRefused { id, lane, error });
					}
					Self::deposit_event(Event::Skipped { index, id, lane, reason });
				},
			}
		}
		Ok(batch.end(items, paid_items, skipped_items))
	}

	pub(crate) fn do_settle_batch_all(by: AccountId, items: &[Item]) -> DispatchResultWithPostInfo {
		Self::ensure_sound(items)?;
		let mut batch = Batch::<T>::new(by);
		let mut paid_items = 0u32;
		for item in items {
			if let Err(unpaid) = batch.settle(item) {
				return Err(unpaid.error.with_weight(batch.weight_of(items)));
			}
			paid_items = paid_items.saturating_add(1);
		}
		Ok(batch.end(items, paid_items, 0))
	}

	/// All that can be said of an item without verifying anything, cheapest first.
	fn check(by: &AccountId, item: &Item, now: BlockNumber) -> Result<Claim<T>, Unpaid> {
		use SkipReason as Reason;
		let skip = unpaid::<T>;
		let mut channel = Channels::<T>::get(item.channel)
			.ok_or(skip(Reason::UnknownChannel, Error::UnknownChannel))?;
		let open = channel.phase == Phase::Open;
		ensure!(!open || *by == channel.payee, skip(Reason::NotPayee, Error::NotPayee));
		ensure!(
			item.lane < u32::from(channel.lanes),
			skip(Reason::UnknownLane, Error::UnknownLane)
		);
		if let Phase::Closing { ends, .. } = channel.phase {
			ensure!(now < ends, skip(Reason::GraceOver, Error::GraceOver));
		}
		let valid_until = item.valid_until();
		ensure!(valid_until == 0 || now <= valid_until, skip(Reason::Expired, Error::Expired));
		let in_range = match &item.proof {
			Proof::Voucher { .. } => true,
			Proof::Ticks(ticks) => ticks.in_range(),
		};
		let allowed = item
			.allowed()
			.filter(|_| in_range)
			.ok_or(skip(Reason::TickOutOfRange, Error::TickOutOfRange))?;
		let watermark = item.capture.unwrap_or(allowed);
		ensure!(
			watermark <= allowed,
			skip(Reason::CaptureAboveVoucher, Error::CaptureAboveVoucher)
		);

		let changes = channel.pending.then(|| Waiting::<T>::get(item.channel));
		if let Some(changes) = &changes {
			let revoked = changes.revoked_from(item.lane).is_some_and(|from| from <= now);
			ensure!(!revoked, skip(Reason::LaneRevoked, Error::LaneRevoked));
			channel.cap = changes.effective_cap(channel.cap.take(), now);
		}
		let lanes = (item.lane > 0).then(|| Lanes::<T>::get(item.channel));
		let paid = match &lanes {
			None => channel.lane0,
			Some(row) => place(item.lane).and_then(|i| row.get(i)).copied().unwrap_or_default(),
		};
		let amount = watermark
			.checked_sub(paid)
			.filter(|amount| *amount > 0)
			.ok_or(skip(Reason::Stale, Error::Stale))?;
		let settled = channel
			.settled
			.checked_add(amount)
			.filter(|settled| *settled <= channel.deposit)
			.ok_or(skip(Reason::AboveDeposit, Error::AboveDeposit))?;
		let headroom = channel.cap.as_ref().map_or(Balance::MAX, |cap| cap.headroom(now));
		ensure!(amount <= headroom, skip(Reason::AboveCap, Error::AboveCap));
		Ok(Claim { channel, changes, lanes, watermark, settled, amount })
	}

	fn is_signed(item: &Item, claim: &Claim<T>, domain: &Domain, now: BlockNumber) -> bool {
		let message = item.message(domain);
		let signed = |key: &Key| key.verify(&message, item.signature());
		let retired = claim.changes.as_ref().and_then(|changes| changes.retired_key(now));
		signed(&claim.channel.key) || retired.is_some_and(signed)
	}

	/// Must run in a storage layer of its own.
	fn pay(item: &Item, claim: Claim<T>, now: BlockNumber) -> Result<Receipt, DispatchError> {
		let Claim { mut channel, changes, lanes, watermark, settled, amount } = claim;
		let settle = Self::settlement(item.channel, &channel, amount);
		match lanes {
			None => channel.lane0 = watermark,
			Some(mut row) => {
				Self::set_lane(&mut row, item.lane, watermark)?;
				Lanes::<T>::insert(item.channel, row);
			},
		}
		let mut next = None;
		if let Some(mut changes) = changes {
			// The cap in the channel is the one that holds now: what waited for that is over.
			changes.prune(now);
			next = changes.next_cap().copied();
			Self::put_changes(item.channel, &mut channel, changes);
		}
		let count = |cap: &mut CapState| cap.capture_before(now, amount, next.as_ref());
		ensure!(channel.cap.as_mut().is_none_or(count), Error::<T>::AboveCap);
		channel.settled = settled;
		Channels::<T>::insert(item.channel, channel);
		let receipt = T::Settlement::settle(settle)?;
		let (id, lane) = (item.channel, item.lane);
		Self::deposit_event(Event::Claimed { id, lane, amount, settled });
		Ok(receipt)
	}

	/// What is asked of the settlement to pay `gross` more out of a channel.
	pub(super) fn settlement(id: ChannelId, channel: &ChannelOf<T>, gross: Balance) -> Settle {
		Settle {
			asset: channel.asset.clone(),
			payer: channel.payer.clone(),
			provider: channel.payee.clone(),
			settled_before: channel.settled,
			gross,
			schedule: channel.schedule,
			source: Source::Channel(id),
		}
	}

	/// Set what a lane but the first has paid.
	fn set_lane(row: &mut LaneRow, lane: u32, watermark: Balance) -> Result<(), Error<T>> {
		let index = place(lane).ok_or(Error::<T>::UnknownLane)?;
		if row.len() <= index {
			let length = index.saturating_add(1);
			row.bounded_resize(length, 0);
		}
		*row.get_mut(index).ok_or(Error::<T>::UnknownLane)? = watermark;
		Ok(())
	}
}

/// The place of a lane in [`LaneRow`]. Lane 0 has none.
fn place(lane: u32) -> Option<usize> {
	usize::try_from(lane.checked_sub(1)?).ok()
}
