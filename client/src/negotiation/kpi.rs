//! Figures of a set of negotiations.
//!
//! They are taken from transcripts, so that both sides, and whoever audits them, come to the same. How agreements went
//! afterwards, disputes above all, is not in a transcript: the chain counts those (`agent_kpis` and `market_kpis` of
//! `pallet-stoa-escrow`).

use super::{
	machine::Outcome,
	rows::Kept,
	state::{State, Turn},
	strategy::ratio,
	transcript::Transcript,
};
use stoa_primitives::{agreement::AgreementId, Balance, BlockNumber};

/// What one negotiation adds to the figures.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Figures {
	/// How many offers were made.
	pub offers: u32,
	/// What was agreed on.
	pub deal: Option<Deal>,
}

/// What was agreed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Deal {
	/// Blocks from the request to the acceptance.
	pub blocks: BlockNumber,
	/// The total price, in units of the asset.
	pub price: Balance,
	/// The seller's first total price, 0 if it named none.
	pub first_ask: Balance,
}

impl Figures {
	fn of(state: &State, agreement: Option<AgreementId>) -> Self {
		let offers = state.next_round().saturating_sub(1);
		let standing = state.standing().filter(|standing| Some(standing.digest) == agreement);
		let deal = standing.map(|standing| Deal {
			blocks: state.sent().saturating_sub(state.opened()),
			price: standing.offer.total().unwrap_or(0),
			first_ask: standing.offer.first_ask,
		});
		Self { offers, deal }
	}
}

impl From<&Transcript> for Figures {
	/// A deal is what was accepted.
	fn from(transcript: &Transcript) -> Self {
		let state = transcript.state();
		let accepted = matches!(state.turn(), Turn::Accepted { .. });
		let standing = state.standing().filter(|_| accepted);
		Self::of(state, standing.map(|standing| standing.digest))
	}
}

impl From<&Kept> for Figures {
	/// A deal is what was committed.
	fn from(kept: &Kept) -> Self {
		let agreement = match kept.notes.outcome {
			Some(Outcome::Agreed { agreement }) => Some(agreement),
			_ => None,
		};
		Self::of(kept.transcript.state(), agreement)
	}
}

/// Figures of many negotiations.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Kpis {
	/// How many there were.
	pub negotiations: u64,
	/// How many ended in a deal.
	pub deals: u64,
	/// How many offers were made in all.
	pub offers: u64,
	/// The median of the blocks from request to acceptance, the lower one of two.
	pub median_blocks: Option<BlockNumber>,
	/// Deals among negotiations, in parts per million.
	pub success_ppm: Option<u32>,
	/// Deals among offers, in parts per million: the acceptance rate, as the chain has it.
	pub acceptance_ppm: Option<u32>,
	/// The mean of price to first ask over the deals whose seller named a first price, in parts per million.
	pub price_to_ask_ppm: Option<u32>,
}

impl Kpis {
	/// The figures of these negotiations.
	pub fn of<T: Into<Figures>>(negotiations: impl IntoIterator<Item = T>) -> Self {
		let (mut kpis, mut blocks) = (Self::default(), Vec::new());
		let (mut ratios, mut asked) = (0u64, 0u64);
		for figures in negotiations.into_iter().map(Into::into) {
			kpis.negotiations = kpis.negotiations.saturating_add(1);
			kpis.offers = kpis.offers.saturating_add(figures.offers.into());
			let Some(deal) = figures.deal else { continue };
			kpis.deals = kpis.deals.saturating_add(1);
			blocks.push(deal.blocks);
			if let Some(ratio) = ratio(deal.price, deal.first_ask) {
				ratios = ratios.saturating_add(ratio.into());
				asked = asked.saturating_add(1);
			}
		}
		blocks.sort_unstable();
		let middle = blocks.len().saturating_sub(1).checked_div(2);
		kpis.median_blocks = middle.and_then(|middle| blocks.get(middle)).copied();
		kpis.success_ppm = ratio(kpis.deals.into(), kpis.negotiations.into());
		kpis.acceptance_ppm = ratio(kpis.deals.into(), kpis.offers.into());
		let mean = ratios.checked_div(asked);
		kpis.price_to_ask_ppm = mean.and_then(|mean| u32::try_from(mean).ok());
		kpis
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn figures(offers: u32, deal: Option<(u32, u128, u128)>) -> Figures {
		let deal = deal.map(|(blocks, price, first_ask)| Deal { blocks, price, first_ask });
		Figures { offers, deal }
	}

	#[test]
	fn figures_should_be_as_documented() {
		let kpis = Kpis::of([
			figures(2, Some((30, 90, 100))),
			figures(4, Some((10, 50, 100))),
			figures(6, None),
			figures(3, Some((20, 5, 0))),
			figures(1, Some((40, 70, 70))),
		]);
		assert_eq!(kpis.negotiations, 5);
		assert_eq!(kpis.median_blocks, Some(20));
		assert_eq!(kpis.success_ppm, Some(800_000));
		assert_eq!(kpis.acceptance_ppm, Some(250_000));
		assert_eq!(kpis.price_to_ask_ppm, Some(800_000));
	}

	#[test]
	fn there_should_be_no_figures_of_nothing() {
		assert_eq!(Kpis::of::<Figures>([]), Kpis::default());
		let none = Kpis::of([figures(0, None)]);
		assert_eq!((none.median_blocks, none.success_ppm), (None, Some(0)));
		assert_eq!((none.acceptance_ppm, none.price_to_ask_ppm), (None, None));
	}
}
