//! One negotiation of a driver, and what the chain has told it.

use super::{Deed, NegotiationChain, Way};
use crate::{
	chain::{BlockRef, ChainError},
	negotiation::{
		desk::Desk,
		machine::{Fact, Negotiator, Outcome},
		rows::Kept,
	},
};
use std::collections::BTreeSet;
use stoa_primitives::{
	agreement::{NegotiationKey, Side, StandingView, VOID_WINDOW},
	BlockNumber,
};

/// A negotiation that is open or remembered.
pub(super) struct Seat {
	pub desk: Desk,
	/// How the other side is answered.
	pub way: Way,
	/// What is being submitted, is done, or has failed for good: none of it is submitted again by this process.
	pub deeds: BTreeSet<Deed>,
	/// The last message that whoever listens was told of.
	pub shown: u32,
	/// When it was told the other side's delegate keys.
	pub keys_at: Option<BlockNumber>,
	/// What of the chain it was told last.
	told: Option<StandingView>,
	/// When it was looked at last.
	seen: BlockNumber,
	/// The last block in which the chain can say something new of it once it is over.
	watched_until: BlockNumber,
}

impl Seat {
	pub fn new(desk: Desk) -> Self {
		let watched_until = watched_until(&desk.negotiator().kept(), None);
		let shown = desk.negotiator().transcript().state().length();
		let (way, keys_at, told, seen) = (Way::Transport, None, None, 0);
		let deeds = BTreeSet::new();
		Self { desk, way, deeds, shown, keys_at, told, seen, watched_until }
	}

	pub fn negotiator(&self) -> &Negotiator {
		self.desk.negotiator()
	}

	pub fn key(&self) -> NegotiationKey {
		self.negotiator().transcript().key()
	}

	/// How many messages were said.
	pub fn length(&self) -> u32 {
		self.negotiator().transcript().state().length()
	}

	pub fn is_over(&self) -> bool {
		self.negotiator().outcome().is_some()
	}

	/// Whether the chain may still say something new of it once it is over.
	pub fn is_watched(&self, now: BlockNumber) -> bool {
		self.watched_until >= now
	}

	/// Takes note that it has ended, in block `now`.
	pub fn end(&mut self, now: BlockNumber) {
		self.watched_until = watched_until(&self.negotiator().kept(), Some(now));
	}

	/// Whether the chain is to be asked in block `now`: always while it is open, every so many blocks when it is over and
	/// the chain may still say otherwise.
	pub fn is_due(&self, now: BlockNumber, every: BlockNumber) -> bool {
		let is_late = now >= self.seen.saturating_add(every);
		!self.is_over() || (is_late && self.seen <= self.watched_until)
	}

	/// Asks the chain. Returns what is new.
	pub async fn learn(
		&mut self,
		chain: &dyn NegotiationChain,
		block: &BlockRef,
	) -> Result<Vec<Fact>, ChainError> {
		let parties = self.negotiator().transcript().state().parties();
		let found = chain.standing(parties, block.hash).await?;
		let mut facts = facts(self.told.as_ref(), found.as_ref());
		let ended = |view: &StandingView| view.agreement.filter(|_| view.keep_until.is_some());
		if let Some(agreement) = found.as_ref().and_then(ended) {
			let is_known = self.told.as_ref().and_then(ended).is_some();
			if !is_known && chain.voided(&agreement, block.hash).await? {
				facts.push(Fact::Voided { agreement });
			}
		}
		(self.told, self.seen) = (found, block.number);
		Ok(facts)
	}
}

/// The last block in which the chain can say something new of a negotiation that is over: that its agreement, which was
/// known in block `known`, is undone, or that somebody who has denied commits all the same.
pub(super) fn watched_until(kept: &Kept, known: Option<BlockNumber>) -> BlockNumber {
	let offers = kept.transcript.messages().filter_map(|signed| signed.message.body.quote());
	let offered = offers.map(|quote| quote.offer.valid_until).max().unwrap_or_default();
	match &kept.notes.outcome {
		Some(Outcome::Agreed { .. }) => known.unwrap_or(offered).saturating_add(VOID_WINDOW),
		Some(Outcome::Voided { .. }) => 0,
		Some(Outcome::Denied { .. } | Outcome::Expired | Outcome::Withdrawn { .. }) | None => {
			offered
		},
	}
}

/// What has become final of a negotiation since it was told last.
fn facts(before: Option<&StandingView>, after: Option<&StandingView>) -> Vec<Fact> {
	let Some(after) = after else { return Vec::new() };
	let bar = |view: &StandingView, side| match side {
		Side::Buyer => view.buyer_bar,
		Side::Seller => view.seller_bar,
	};
	let mut facts = Vec::new();
	for by in [Side::Buyer, Side::Seller] {
		let round = bar(after, by);
		if round > before.map_or(0, |before| bar(before, by)) {
			facts.push(Fact::Withdrawn { by, round });
		}
	}
	// It has the last word.
	let known = before.is_some_and(|before| before.agreement.is_some());
	facts.extend(after.agreement.filter(|_| !known).map(|agreement| Fact::Committed { agreement }));
	facts
}
