//! One payment: what to send, and what becomes of it.

use super::{
	book::{Book, LaneRow},
	machine::{
		allow_unanswered, answer, correct, next_payment, renew, Commitment, LaneState, Next,
		TickTerms,
	},
	PayError, Payer,
};
use crate::{
	allowance::Allowance,
	store::{StoreError, Table, Write},
	ticks::{SignedCommit, SignedTicks, TickChain},
	voucher::{LaneKey, SignedVoucher},
};
use std::future::Future;
use stoa_primitives::{
	channel::ChannelId,
	payload::{TickCommit, Voucher},
	tick::MAX_TICKS,
	AccountId, AssetId, Balance,
};
use tokio::sync::OwnedMutexGuard;

/// A signed voucher or a tick on its way, which holds its lane until it is acknowledged or dropped.
pub struct Payment {
	payer: Payer,
	price: Balance,
	ticks: Option<TickTerms>,
	proof: Allowance,
	fresh: bool,
	corrected: bool,
	turn: OwnedMutexGuard<()>,
}

/// Keeps what is being signed on lanes of a channel in the sums that others see, until it is written down
/// or is known not to be.
pub(super) struct Reserved<'a> {
	payer: &'a Payer,
	channel: ChannelId,
	lanes: Vec<u32>,
	/// What was counted, and for whom; nothing once it is written down.
	counted: Option<((AccountId, AssetId), Balance)>,
}

impl Reserved<'_> {
	/// It is written down: it counts for good.
	pub(super) fn keep(mut self) {
		self.counted = None;
	}
}

impl Drop for Reserved<'_> {
	fn drop(&mut self) {
		let mut book = self.payer.book();
		if let Some(channel) = book.channels.get_mut(&self.channel) {
			for lane in &self.lanes {
				channel.pending.remove(lane);
			}
		}
		if let Some((to, amount)) = &self.counted {
			book.take_back(to, *amount);
		}
	}
}

impl Payer {
	/// What is to be written before the new states of lanes count, all of one channel to `to`. Counts what
	/// they allow more than before. The lock on the book must be given free before what is returned is
	/// dropped.
	pub(super) fn reserve<'a>(
		&'a self,
		book: &mut Book,
		id: &ChannelId,
		to: (AccountId, AssetId),
		states: &[(u32, LaneState)],
	) -> (Vec<Write>, Reserved<'a>) {
		let (mut writes, mut more) = (Vec::new(), 0 as Balance);
		let mut known = book.channels.get_mut(id);
		for (lane, state) in states {
			let at = LaneKey { channel: *id, lane: *lane };
			writes.push(Write::put(Table::Payer, &at.to_bytes(), &LaneRow::new(state)));
			let before = known.as_ref().and_then(|channel| channel.lanes.get(lane));
			let before = before.map_or(0, LaneState::signed_amount);
			more = more.saturating_add(state.signed_amount().saturating_sub(before));
			if let Some(channel) = known.as_mut() {
				channel.pending.insert(*lane, state.signed_amount());
			}
		}
		let row = book.count(&to, more, self.policy(), self.seconds());
		let counted = row.is_some().then_some((to, more));
		writes.extend(row);
		let lanes = states.iter().map(|(lane, _)| *lane).collect();
		(writes, Reserved { payer: self, channel: *id, lanes, counted })
	}

	/// Takes over the state of a lane, once it is written down.
	pub(super) async fn conclude(
		&self,
		at: LaneKey,
		state: LaneState,
		written: impl Future<Output = Result<(), StoreError>>,
		reserved: Reserved<'_>,
	) -> Result<(), PayError> {
		written.await?;
		{
			let mut book = self.book();
			book.unsaved.remove(&at);
			if let Some(channel) = book.channels.get_mut(&at.channel) {
				channel.lanes.insert(at.lane, state);
			}
		}
		reserved.keep();
		Ok(())
	}

	/// What to send, and whether it was never sent before. Needs the lane's turn.
	async fn next(
		&self,
		at: LaneKey,
		price: Balance,
		ticks: Option<&TickTerms>,
	) -> Result<(Allowance, bool), PayError> {
		let place = self.committer().place().await?;
		let (state, fresh, written, reserved) = {
			let mut book = self.book();
			let (state, next) = self.decide(&book, at, price, ticks)?;
			let (next, fresh) = match next {
				Next::Reuse(proof) => match self.renew(&book, at, &proof)? {
					// An amount that was sent before, whoever has signed it then.
					Some(voucher) => (Next::Sign(voucher), false),
					None => return Ok((proof, false)),
				},
				next => {
					allow_unanswered(self.policy(), book.unanswered(&at.channel))?;
					(next, true)
				},
			};
			let state = self.sign(&mut book, at, next, state, ticks)?;
			let to = book.channels.get(&at.channel).map(|channel| channel.terms.receiver());
			let to = to.ok_or(PayError::UnknownChannel(at.channel))?;
			let states = [(at.lane, state)];
			let (writes, reserved) = self.reserve(&mut book, &at.channel, to, &states);
			let [(_, state)] = states;
			(state, fresh, place.commit(writes), reserved)
		};
		let proof = state.signed.ok_or(PayError::UnknownChannel(at.channel))?;
		self.conclude(at, state, written, reserved).await?;
		Ok((proof, fresh))
	}

	/// The state of a lane, and what pays `price` more on it.
	fn decide(
		&self,
		book: &Book,
		at: LaneKey,
		price: Balance,
		ticks: Option<&TickTerms>,
	) -> Result<(LaneState, Next), PayError> {
		let channel = book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
		let mut state = channel.lanes.get(&at.lane).cloned().unwrap_or_default();
		if channel.terms.retired.is_some() {
			// What the key before this one has committed to is of use for a while only.
			let key = &channel.terms.key;
			state.commitment = state.commitment.filter(|one| one.signed.verify(key, self.domain()));
		}
		let (policy, now) = (self.policy(), self.seconds());
		let others = book.signed(channel, at.lane, policy, now);
		let next = next_payment(&channel.terms, policy, &state, at.lane, &others, price, ticks)?;
		Ok((state, next))
	}

	/// The voucher to send in place of a payment that a key before the current one has signed.
	fn renew(
		&self,
		book: &Book,
		at: LaneKey,
		proof: &Allowance,
	) -> Result<Option<Voucher>, PayError> {
		let channel = book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
		Ok(renew(&channel.terms, self.domain(), proof))
	}

	/// The state with what is to be sent. Nothing of it may leave before it is durable.
	fn sign(
		&self,
		book: &mut Book,
		at: LaneKey,
		next: Next,
		state: LaneState,
		ticks: Option<&TickTerms>,
	) -> Result<LaneState, PayError> {
		let channel = book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
		let named = channel.terms.key.to_bytes();
		let key = book.keys.get(&named).ok_or(PayError::KeyMissing(at.channel))?;
		let (commitment, index) = match next {
			Next::Reuse(proof) => return Ok(LaneState { signed: Some(proof), ..state }),
			Next::Sign(voucher) => {
				let signed = key.sign_voucher(voucher, self.domain());
				return Ok(LaneState { signed: Some(signed.into()), ..state });
			},
			Next::Reveal(index) => (state.commitment, index),
			Next::Commit { base, index } => {
				let ticks = ticks.copied().unwrap_or(TickTerms::new(1));
				let (chain, seed) = TickChain::random(ticks.count.min(MAX_TICKS));
				let LaneKey { channel, lane } = at;
				let commit = TickCommit {
					channel,
					lane,
					base,
					value: ticks.value,
					count: chain.count(),
					prefix: chain.prefix(),
					root: chain.root(),
					valid_until: 0,
				};
				let signed = SignedCommit::sign(commit, key, self.domain());
				(Some(Commitment { signed, seed }), index)
			},
		};
		let missing = || PayError::UnknownChannel(at.channel);
		let open = commitment.ok_or_else(missing)?;
		let tick = book.chain(&open).tick(index).ok_or_else(missing)?;
		let proof = SignedTicks { signed: open.signed, index, tick };
		Ok(LaneState { signed: Some(proof.into()), commitment, ..state })
	}
}

impl Payment {
	pub(super) async fn make(
		payer: Payer,
		channel: ChannelId,
		lane: u32,
		price: Balance,
		ticks: Option<TickTerms>,
		turn: OwnedMutexGuard<()>,
	) -> Result<Self, PayError> {
		let (proof, fresh) = payer.next(LaneKey { channel, lane }, price, ticks.as_ref()).await?;
		Ok(Self { payer, price, ticks, proof, fresh, corrected: false, turn })
	}

	/// What to send.
	pub fn proof(&self) -> &Allowance {
		&self.proof
	}

	/// The voucher to send, if it is one.
	pub fn voucher(&self) -> Option<&SignedVoucher> {
		self.proof.voucher()
	}

	/// The lane that pays.
	pub fn lane(&self) -> LaneKey {
		self.proof.lane()
	}

	/// What the call costs.
	pub fn price(&self) -> Balance {
		self.price
	}

	/// The payee has answered, and its receipt fits: the payment is used up. One that was sent before,
	/// for a dearer call, allows more than this call costs: the difference counts as unanswered.
	///
	/// This is written down together with the next payment, or when the last handle of the payer is
	/// dropped. If the process is killed before, the next payment repeats this one, and the payee's
	/// statement about it, which carries our own signature, puts things right; it then counts as
	/// unanswered.
	pub fn acknowledge(self) {
		let at = self.lane();
		let mut book = self.payer.book();
		let Some(channel) = book.channels.get_mut(&at.channel) else { return };
		if let Some(state) = channel.lanes.get_mut(&at.lane) {
			*state = answer(state, self.proof.amount(), self.price, !self.fresh);
			book.unsaved.insert(at);
		}
	}

	/// The payee says that `statement`, a proof of ours, is used up already. If our signature
	/// proves it, makes the payment that follows.
	///
	/// A payee that claims the very payment it has just received for the first time, without having
	/// answered, is not believed: else it could ask for one unit after the other within one call. For
	/// the same reason one payment is corrected at most once. A payment that was sent in an earlier
	/// call may have been answered, so there the payee is believed, up to
	/// [`Policy::max_unanswered`](super::Policy::max_unanswered) over the channel's life.
	///
	/// # Errors
	///
	/// [`PayError::Unproven`], [`Refusal::Unanswered`](super::Refusal::Unanswered), or what forbids the
	/// next payment.
	pub async fn correct(self, statement: &Allowance) -> Result<Self, PayError> {
		if self.corrected || (self.fresh && statement.amount() <= self.proof.amount()) {
			return Err(PayError::Unproven);
		}
		let at = self.lane();
		let state = {
			let book = self.payer.book();
			let channel =
				book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
			let before = channel.lanes.get(&at.lane).cloned().unwrap_or_default();
			let state = correct(&channel.terms, self.payer.domain(), at.lane, &before, statement)
				.ok_or(PayError::Unproven)?;
			let others = book.unanswered(&at.channel).saturating_sub(before.unanswered);
			allow_unanswered(self.payer.policy(), others.saturating_add(state.unanswered))?;
			state
		};
		self.payer.persist(at, state).await?;
		let (proof, fresh) = self.payer.next(at, self.price, self.ticks.as_ref()).await?;
		let Self { payer, price, ticks, turn, .. } = self;
		Ok(Self { payer, price, ticks, proof, fresh, corrected: true, turn })
	}

	/// The same by voucher, for a payee that does not take the tick. It allows as much as the tick, so that
	/// the payee gets no more if it has taken the tick all the same. The hash chain is not used again.
	///
	/// # Errors
	///
	/// [`PayError::UnknownChannel`], [`PayError::KeyMissing`], [`PayError::Store`].
	pub async fn by_voucher(self) -> Result<Self, PayError> {
		let at = self.lane();
		let cumulative = self.proof.amount();
		let state = {
			let book = self.payer.book();
			let missing = || PayError::UnknownChannel(at.channel);
			let channel = book.channels.get(&at.channel).ok_or_else(missing)?;
			let named = channel.terms.key.to_bytes();
			let key = book.keys.get(&named).ok_or(PayError::KeyMissing(at.channel))?;
			let voucher =
				Voucher { channel: at.channel, lane: at.lane, cumulative, valid_until: 0 };
			let signed = key.sign_voucher(voucher, self.payer.domain());
			let state = channel.lanes.get(&at.lane).cloned().unwrap_or_default();
			LaneState { signed: Some(signed.into()), commitment: None, ..state }
		};
		let proof = state.signed.ok_or(PayError::UnknownChannel(at.channel))?;
		self.payer.persist(at, state).await?;
		Ok(Self { proof, ticks: None, ..self })
	}
}
