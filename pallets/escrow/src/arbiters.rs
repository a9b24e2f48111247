//! The arbiters that an offer names, one after the other.

use crate::{Config, Error};
use core::marker::PhantomData;
use frame_support::ensure;
use sp_runtime::{DispatchResult, Permill};
use stoa_primitives::{
	agreement::{Case, Panel},
	traits::{AgentRegistry, Arbitration},
	AccountId, BlockNumber,
};

/// Arbitration by the arbiters of the offer, in its order. The first has the turn from the block of the
/// dispute on, each for as many blocks as the offer says; who is silent has lost the turn.
///
/// An arbiter that is stopped, or is related to one of the parties or to an arbiter before it, cannot rule (see
/// [`AgentRegistry::related`]). Its turn passes all the same, so that everybody knows from the start when a
/// dispute is over.
pub struct NamedArbiters<T>(PhantomData<T>);

impl<T: Config> NamedArbiters<T> {
	/// Whose turn it is, and the place of that arbiter.
	fn turn(panel: &Panel, opened: BlockNumber, now: BlockNumber) -> Option<(usize, &AccountId)> {
		// The block of the dispute belongs to the first turn, which is one block longer for it.
		let elapsed = now.checked_sub(opened)?.saturating_sub(1);
		let index = elapsed.checked_div(panel.turn)?;
		let index = usize::try_from(index).ok()?;
		panel.arbiters.get(index).map(|arbiter| (index, arbiter))
	}
}

impl<T: Config> Arbitration for NamedArbiters<T> {
	fn ensure_panel(panel: &Panel, buyer: &AccountId, seller: &AccountId) -> DispatchResult {
		for (index, arbiter) in panel.arbiters.iter().enumerate() {
			T::Registry::ensure_active(arbiter)?;
			let others = panel.arbiters.iter().take(index).chain([buyer, seller]);
			for other in others {
				let conflict = T::Registry::related(arbiter, other);
				ensure!(!conflict, Error::<T>::ArbiterNotIndependent);
			}
		}
		Ok(())
	}

	fn seat(panel: &Panel, case: &Case, now: BlockNumber) -> Option<AccountId> {
		let (index, arbiter) = Self::turn(panel, case.opened, now)?;
		// Nobody judges its own case, and nobody has two turns.
		let mut others = panel.arbiters.iter().take(index).chain([&case.buyer, &case.seller]);
		let conflict = others.any(|other| T::Registry::related(arbiter, other));
		let may_rule = !conflict && T::Registry::ensure_active(arbiter).is_ok();
		may_rule.then(|| arbiter.clone())
	}

	fn ends(panel: &Panel, case: &Case) -> Option<BlockNumber> {
		let arbiters =
			BlockNumber::try_from(panel.arbiters.len()).ok().filter(|count| *count > 0)?;
		// Saturating: at the end of time there is no later block to name.
		Some(case.opened.saturating_add(panel.turn.saturating_mul(arbiters)))
	}

	// The offer has named everybody, and the fee is paid to who has the seat.
	fn opened(_: &Panel, _: &Case) {}

	fn closed(_: &Panel, _: &Case, _: Option<Permill>) {}
}
