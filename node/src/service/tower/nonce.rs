//! The nonces of the tower's transactions.

use super::transaction::LIFE;
use std::collections::VecDeque;
use stoa_primitives::BlockNumber;
use stoa_runtime::Nonce;

/// Transactions that were handed to the pool: the nonce of each, and the best block of then, in ascending
/// order.
#[derive(Debug, Default)]
pub struct Nonces(VecDeque<(Nonce, BlockNumber)>);

impl Nonces {
	/// The nonce to use next when the state of block `now` says `state`: after what waits in the pool.
	///
	/// What is in no block after its life never will be, and what was sent after it waits for its nonce in
	/// vain: then it is the state's.
	pub fn next(&mut self, state: Nonce, now: BlockNumber) -> Nonce {
		let alive = |at: BlockNumber| now < at.saturating_add(LIFE);
		// What was included may be reverted, as long as it is alive.
		self.0.retain(|(nonce, at)| *nonce >= state || alive(*at));
		let waiting = self.0.iter().find(|(nonce, _)| *nonce >= state);
		let last = self.0.back().map(|(nonce, _)| nonce.saturating_add(1));
		match (waiting, last) {
			(Some((nonce, at)), Some(next)) if *nonce == state && alive(*at) => next,
			(Some(_), _) => {
				self.0.clear();
				state
			},
			(None, _) => state,
		}
	}

	/// A transaction with this nonce was handed to the pool when `now` was the best block.
	pub fn used(&mut self, nonce: Nonce, now: BlockNumber) {
		self.0.push_back((nonce, now));
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn nonces_should_follow_each_other_while_what_was_sent_may_still_be_included() {
		let mut nonces = Nonces::default();
		assert_eq!(nonces.next(7, 100), 7);
		nonces.used(7, 100);
		assert_eq!(nonces.next(7, 101), 8);
		nonces.used(8, 101);
		// The first is in a block, and so are both.
		assert_eq!(nonces.next(8, 102), 9);
		assert_eq!(nonces.next(9, 103), 9);
		// That block is reverted: both are in the pool again.
		assert_eq!(nonces.next(7, 102), 9);
		// Somebody else uses the account.
		assert_eq!(nonces.next(12, 104), 12);
	}

	#[test]
	fn a_lost_transaction_should_hold_up_the_account_no_longer_than_it_lives() {
		let mut nonces = Nonces::default();
		nonces.used(7, 100);
		// Others are sent all the time, behind the one that was lost.
		for block in 101..100 + LIFE {
			let next = nonces.next(7, block);
			assert_eq!(next, 7 + block - 100);
			nonces.used(next, block);
		}
		assert_eq!(nonces.next(7, 100 + LIFE), 7);
		nonces.used(7, 100 + LIFE);
		assert_eq!(nonces.next(7, 101 + LIFE), 8);
		// What waited behind it gets in with it.
		assert_eq!(nonces.next(22, 102 + LIFE), 22);
	}

	#[test]
	fn what_is_over_should_be_forgotten() {
		let mut nonces = Nonces::default();
		for nonce in 0..1_000 {
			assert_eq!(nonces.next(nonce, nonce), nonce);
			nonces.used(nonce, nonce);
		}
		assert!(nonces.0.len() <= LIFE as usize + 1, "{}", nonces.0.len());
	}

	#[test]
	fn a_gap_before_what_waits_should_be_filled() {
		let mut nonces = Nonces::default();
		nonces.used(7, 100);
		nonces.used(8, 110);
		// The first was included and is forgotten, then its block is reverted.
		assert_eq!(nonces.next(8, 100 + LIFE), 9);
		assert_eq!(nonces.next(7, 100 + LIFE), 7);
	}
}
