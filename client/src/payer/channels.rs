//! The payer's channels: what is known of them, and how it is brought up to date.

use super::{
	book::{Book, Channel, ChannelRow},
	machine::{settle, LaneState, Terms},
	PayError, Payer,
};
use crate::{
	agreement::{Disagreement, SignedConsent},
	chain::{BlockRef, ChannelInfo, Phase},
	keys::VoucherKey,
	store::{Table, Write},
	voucher::LaneKey,
};
use stoa_primitives::{channel::ChannelId, AccountId, AssetId, Balance, BlockNumber};
use tokio::sync::OwnedMutexGuard;

/// One of the payer's channels. Amounts are in units of its asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PayerChannel {
	/// Channel id.
	pub id: ChannelId,
	/// The side that is paid.
	pub payee: AccountId,
	/// In what is paid.
	pub asset: AssetId,
	/// What is known to be locked.
	pub deposit: Balance,
	/// Highest amount ever signed, over all lanes.
	pub signed: Balance,
	/// Highest amount that is used up, over all lanes.
	pub acknowledged: Balance,
	/// How much of it no answer came for, over all lanes.
	pub unanswered: Balance,
	/// How many calls can be under way at the same time.
	pub lanes: u16,
	/// Whether the channel's secret key is loaded.
	pub unlocked: bool,
	/// Whether the channel is open, as far as is known.
	pub usable: bool,
	/// A final block that is known to have the channel, by [`Payer::add_final_channel`].
	pub seen: Option<BlockNumber>,
}

impl PayerChannel {
	fn new(channel: &Channel, book: &Book) -> Self {
		let sum = |of: fn(&LaneState) -> Balance| {
			channel.lanes.values().map(of).fold(0, Balance::saturating_add)
		};
		Self {
			id: channel.terms.channel,
			payee: channel.terms.payee.clone(),
			asset: channel.terms.asset.clone(),
			deposit: channel.terms.deposit,
			signed: sum(LaneState::signed_amount),
			acknowledged: sum(|lane| lane.acknowledged),
			unanswered: sum(|lane| lane.unanswered),
			lanes: channel.terms.lanes,
			unlocked: book.keys.contains_key(&channel.terms.key.to_bytes()),
			usable: channel.usable,
			seen: channel.seen,
		}
	}
}

impl Payer {
	/// Remembers a channel durably, with what the chain says of it, and loads its key. Adding a
	/// channel again updates its deposit, and what was settled meanwhile counts as used up: no payee
	/// has to say so. A requested close makes [`Payer::find`] pass it over, a cancelled one does so no
	/// longer. Waits for a payment under way.
	///
	/// # Errors
	///
	/// [`PayError::WrongKey`], [`PayError::Store`].
	pub async fn add_channel(&self, info: &ChannelInfo, key: VoucherKey) -> Result<(), PayError> {
		self.add(info, key, None).await
	}

	/// As [`Payer::add_channel`], for a channel that finalized block `seen` is known to have. Once is
	/// enough: from then on [`Payer::observe_gone`] can tell whether it has ended.
	///
	/// # Errors
	///
	/// As [`Payer::add_channel`].
	pub async fn add_final_channel(
		&self,
		info: &ChannelInfo,
		key: VoucherKey,
		seen: BlockNumber,
	) -> Result<(), PayError> {
		self.add(info, key, Some(seen)).await
	}

	async fn add(
		&self,
		info: &ChannelInfo,
		key: VoucherKey,
		seen: Option<BlockNumber>,
	) -> Result<(), PayError> {
		if key.key() != info.key {
			return Err(PayError::WrongKey(info.id));
		}
		let _turns = self.turns(&info.id, info).await;
		let place = self.committer().place().await?;
		let (row, settled, written, reserved) = {
			let mut book = self.book();
			let (row, settled) = updated(&book, info, seen);
			let to = (info.payee.clone(), info.asset.clone());
			let (lanes, reserved) = self.reserve(&mut book, &info.id, to, &settled);
			let mut writes = vec![Write::put(Table::Channels, &info.id, &row)];
			writes.extend(lanes);
			(row, settled, place.commit(writes), reserved)
		};
		written.await?;
		{
			let mut book = self.book();
			book.keys.insert(info.key.to_bytes(), key);
			for (lane, _) in &settled {
				book.unsaved.remove(&LaneKey { channel: info.id, lane: *lane });
			}
			let fresh = Channel::new(&row, info.id);
			let channel = book.channels.entry(info.id).or_insert(fresh);
			(channel.terms, channel.seen) = (row.terms(info.id), row.seen());
			channel.lanes.extend(settled);
			channel.usable = info.phase == Phase::Open;
		}
		reserved.keep();
		Ok(())
	}

	/// The turns of all lanes that `info` may say something new of.
	async fn turns(&self, id: &ChannelId, info: &ChannelInfo) -> Vec<OwnedMutexGuard<()>> {
		let mut turns = Vec::new();
		for lane in
			(0..u32::from(info.lanes)).filter(|lane| *lane == 0 || info.settled_on(*lane) > 0)
		{
			turns.push(self.turn(LaneKey { channel: *id, lane }).await);
		}
		turns
	}

	/// Takes note of the best block's number: velocity caps leave more with each block.
	pub fn note_block(&self, now: BlockNumber) {
		let mut book = self.book();
		book.now = book.now.max(now);
	}

	/// Takes over a deposit that was read from the chain, after a top-up.
	///
	/// # Errors
	///
	/// [`PayError::UnknownChannel`].
	pub fn set_deposit(&self, channel: &ChannelId, deposit: Balance) -> Result<(), PayError> {
		let mut book = self.book();
		let channel = book.channels.get_mut(channel).ok_or(PayError::UnknownChannel(*channel))?;
		channel.terms.deposit = deposit;
		Ok(())
	}

	/// Takes over what the chain says of a channel; `None` or a requested close makes
	/// [`Payer::find`] pass it over until it is seen or added as open again. A key that was replaced
	/// meanwhile signs no longer.
	pub fn observe(&self, channel: &ChannelId, info: Option<&ChannelInfo>) {
		let mut book = self.book();
		let now = book.now;
		if let Some(known) = book.channels.get_mut(channel) {
			known.usable = info.is_some_and(|info| info.phase == Phase::Open);
			if let Some(info) = info {
				let Terms { deposit, limit, revoked, key, .. } = Terms::new(info, now);
				(known.terms.deposit, known.terms.limit) = (deposit, limit);
				known.terms.revoked = revoked;
				// The one before the current one is what a node that lags behind still shows.
				if key != known.terms.key && Some(key) != known.terms.retired {
					known.terms.retired = Some(known.terms.key);
					known.terms.key = key;
				}
			}
		}
	}

	/// Takes over that neither the best block nor finalized block `at` has a channel: [`Payer::find`]
	/// passes it over. Returns whether it has ended for good, so that [`Payer::remove_channel`] may
	/// forget it. A node that lags behind the channel's opening does not have it either: that is no end.
	pub fn observe_gone(&self, channel: &ChannelId, at: BlockNumber) -> bool {
		self.observe(channel, None);
		let book = self.book();
		let seen = book.channels.get(channel).and_then(|known| known.seen);
		seen.is_some_and(|seen| seen < at)
	}

	/// Whether an agreement of the payee's to a close fits what was paid on the channel: no more than was
	/// signed, and beyond what was answered no more than
	/// [`Policy::max_unanswered`](super::Policy::max_unanswered). `info` is the channel at block `now`.
	///
	/// # Errors
	///
	/// [`Disagreement`].
	pub fn check_consent(
		&self,
		signed: &SignedConsent,
		info: &ChannelInfo,
		now: BlockRef,
	) -> Result<(), Disagreement> {
		let known = self.channel(&info.id).ok_or(Disagreement::Other)?;
		let answered = known.acknowledged.saturating_add(self.policy().max_unanswered);
		signed.check(info, known.signed.min(answered), now, self.domain())
	}

	/// Forgets a channel that has ended.
	///
	/// # Errors
	///
	/// [`PayError::Store`].
	pub async fn remove_channel(&self, id: &ChannelId) -> Result<(), PayError> {
		let lanes: Vec<u32> = self
			.book()
			.channels
			.get(id)
			.map(|channel| channel.lanes.keys().copied().collect())
			.unwrap_or_default();
		let mut writes = vec![Write::remove(Table::Channels, id)];
		let rows = lanes.into_iter().map(|lane| LaneKey { channel: *id, lane }.to_bytes());
		writes.extend(rows.map(|key| Write::remove(Table::Payer, &key)));
		self.committer().commit(writes).await?;
		let mut book = self.book();
		book.channels.remove(id);
		book.unsaved.retain(|at| at.channel != *id);
		Ok(())
	}

	/// One channel.
	pub fn channel(&self, id: &ChannelId) -> Option<PayerChannel> {
		let book = self.book();
		book.channels.get(id).map(|channel| PayerChannel::new(channel, &book))
	}

	/// All channels, in ascending order of ids.
	pub fn channels(&self) -> Vec<PayerChannel> {
		let book = self.book();
		let mut out: Vec<_> =
			book.channels.values().map(|channel| PayerChannel::new(channel, &book)).collect();
		out.sort_by_key(|channel| channel.id);
		out
	}

	/// The open channel to this payee in this asset that has most left; loaded keys come first.
	pub fn find(&self, payee: &AccountId, asset: &AssetId) -> Option<ChannelId> {
		self.channels()
			.into_iter()
			.filter(|channel| channel.usable)
			.filter(|channel| channel.payee == *payee && channel.asset == *asset)
			.max_by_key(|channel| {
				(channel.unlocked, channel.deposit.saturating_sub(channel.signed))
			})
			.map(|channel| channel.id)
	}

	/// What a channel has to hold in all for one more call at `price`: a payment that is not used up can
	/// be sent again.
	pub(super) fn needed(&self, id: &ChannelId, price: Balance) -> Option<Balance> {
		let book = self.book();
		let channel = book.channels.get(id)?;
		let unused = channel.lanes.keys().any(|lane| channel.has_unused(*lane, price));
		let signed = PayerChannel::new(channel, &book).signed;
		Some(if unused { signed } else { signed.saturating_add(price) })
	}
}

/// A channel as it is to be stored, and its lanes on which more is used up than was known.
fn updated(
	book: &Book,
	info: &ChannelInfo,
	seen: Option<BlockNumber>,
) -> (ChannelRow, Vec<(u32, LaneState)>) {
	let known = book.channels.get(&info.id);
	let mut terms = Terms::new(info, book.now);
	// What the key before this one has signed is still ours.
	let before = known.map(|known| &known.terms);
	let replaced = before.and_then(|before| match before.key == info.key {
		true => before.retired,
		false => Some(before.key),
	});
	terms.retired = terms.retired.or(replaced);
	let fresh = LaneState::default();
	let settled = (0..u32::from(info.lanes))
		.filter_map(|lane| {
			let state = known.and_then(|known| known.lanes.get(&lane));
			Some((lane, settle(state.unwrap_or(&fresh), info.settled_on(lane))?))
		})
		.collect();
	let seen = seen.max(known.and_then(|known| known.seen));
	(ChannelRow::new(terms, info, seen), settled)
}
