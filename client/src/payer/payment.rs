//! One payment: what to send, and what becomes of it.

use super::{
	book::Book,
	machine::{allow_unanswered, correct, next_payment, Commitment, LaneState, Next, TickTerms},
	PayError, Payer,
};
use crate::{
	allowance::Allowance,
	ticks::{SignedCommit, SignedTicks, TickChain},
	voucher::{LaneKey, SignedVoucher},
};
use stoa_primitives::{channel::ChannelId, payload::TickCommit, tick::MAX_TICKS, Balance};
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

/// Keeps what is being signed on a lane in the sum that other lanes see.
struct Reserved<'a> {
	payer: &'a Payer,
	at: LaneKey,
}

impl Drop for Reserved<'_> {
	fn drop(&mut self) {
		if let Some(channel) = self.payer.book().channels.get_mut(&self.at.channel) {
			channel.pending.remove(&self.at.lane);
		}
	}
}

impl Payer {
	/// What to send, and whether it was never sent before. Needs the lane's turn.
	async fn next(
		&self,
		at: LaneKey,
		price: Balance,
		ticks: Option<&TickTerms>,
	) -> Result<(Allowance, bool), PayError> {
		let state = {
			let mut book = self.book();
			let channel =
				book.channels.get(&at.channel).ok_or(PayError::UnknownChannel(at.channel))?;
			let fresh = LaneState::default();
			let mut state = channel.lanes.get(&at.lane).unwrap_or(&fresh).clone();
			if channel.terms.retired.is_some() {
				// What the key before this one has committed to is of use for a while only.
				let key = &channel.terms.key;
				state.commitment =
					state.commitment.filter(|one| one.signed.verify(key, self.domain()));
			}
			let (terms, others) = (&channel.terms, channel.others(at.lane));
			let policy = self.policy();
			let next = match next_payment(terms, policy, &state, at.lane, others, price, ticks)? {
				Next::Reuse(proof) => return Ok((proof, false)),
				next => next,
			};
			allow_unanswered(self.policy(), book.unanswered(&at.channel))?;
			let state = self.sign(&mut book, at, next, state, ticks)?;
			if let Some(channel) = book.channels.get_mut(&at.channel) {
				channel.pending.insert(at.lane, state.signed_amount());
			}
			state
		};
		let _reserved = Reserved { payer: self, at };
		let proof = state.signed.ok_or(PayError::UnknownChannel(at.channel))?;
		self.persist(at, state).await?;
		Ok((proof, true))
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

	/// The payee has answered, and its receipt fits: the payment is used up.
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
			state.acknowledged = state.acknowledged.max(self.proof.amount());
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
}
