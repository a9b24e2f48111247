//! How much nonsense is looked at, so that nobody keeps a tower from those it serves: each item that
//! turns out to be of no channel, or of somebody else's, costs a read of the chain.

use std::{collections::HashMap, time::Duration};
use stoa_primitives::AccountId;
use tokio::time::Instant;

/// Items that are refused for what their sender should know, before the rest is not looked at: of one
/// sender in each [`WINDOW`].
pub const PATIENCE: usize = 32;

/// The same, of all together for whom nothing is kept. There may be any number of them.
pub const STRANGERS: usize = 512;

/// After it everybody starts anew.
pub const WINDOW: Duration = Duration::from_secs(60);

/// Who has used up how much.
#[derive(Debug)]
pub struct Patience {
	begun: Instant,
	used: HashMap<AccountId, usize>,
	strangers: usize,
}

/// What one request may use up; to be [given back](Patience::give_back).
#[derive(Debug)]
#[must_use]
pub struct Grant {
	/// Items that may be refused.
	pub strikes: usize,
	who: AccountId,
	stranger: bool,
	begun: Instant,
}

impl Patience {
	/// Nobody has used up anything.
	pub fn new(now: Instant) -> Self {
		Self { begun: now, used: HashMap::new(), strangers: 0 }
	}

	/// Sets apart what a request of `most` items may use up, so that many at a time get no more than one
	/// after the other.
	pub fn grant(&mut self, who: &AccountId, stranger: bool, most: usize, now: Instant) -> Grant {
		if now.saturating_duration_since(self.begun) >= WINDOW {
			*self = Self::new(now);
		}
		let used = self.used.get(who).copied().unwrap_or(0);
		let mut strikes = most.min(PATIENCE.saturating_sub(used));
		if stranger {
			strikes = strikes.min(STRANGERS.saturating_sub(self.strangers));
			self.strangers = self.strangers.saturating_add(strikes);
		}
		// Nothing is remembered of those who use up nothing, so what is remembered is bounded.
		if strikes > 0 {
			self.used.insert(who.clone(), used.saturating_add(strikes));
		}
		Grant { strikes, who: who.clone(), stranger, begun: self.begun }
	}

	/// Gives back what a request has left of its grant.
	pub fn give_back(&mut self, grant: Grant, left: usize) {
		if grant.begun != self.begun {
			return;
		}
		if grant.stranger {
			self.strangers = self.strangers.saturating_sub(left);
		}
		if let Some(used) = self.used.get_mut(&grant.who) {
			*used = used.saturating_sub(left);
			if *used == 0 {
				self.used.remove(&grant.who);
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn who(n: u16) -> AccountId {
		let mut bytes = [0; 32];
		bytes[..2].copy_from_slice(&n.to_le_bytes());
		AccountId::new(bytes)
	}

	#[test]
	fn everybody_should_have_a_patience_of_its_own_that_comes_back() {
		let start = Instant::now();
		let mut patience = Patience::new(start);
		let first = patience.grant(&who(1), false, 20, start);
		assert_eq!(first.strikes, 20);
		// At the same time.
		let second = patience.grant(&who(1), false, 20, start);
		assert_eq!(second.strikes, PATIENCE - 20);
		patience.give_back(first, 15);
		patience.give_back(second, 0);
		let third = patience.grant(&who(1), false, 256, start);
		assert_eq!(third.strikes, 15);
		patience.give_back(third, 0);
		assert_eq!(patience.grant(&who(1), false, 256, start).strikes, 0);
		assert_eq!(patience.grant(&who(2), false, 256, start).strikes, PATIENCE);
		let later = start.checked_add(WINDOW).unwrap();
		assert_eq!(patience.grant(&who(1), false, 256, later).strikes, PATIENCE);
	}

	#[test]
	fn strangers_should_share_what_there_is_and_take_nothing_from_others() {
		let start = Instant::now();
		let mut patience = Patience::new(start);
		let many = u16::try_from(2 * STRANGERS / PATIENCE).unwrap();
		let granted = (0..many).map(|n| patience.grant(&who(n), true, 256, start).strikes);
		assert_eq!(granted.sum::<usize>(), STRANGERS);
		assert!(patience.used.len() <= STRANGERS);
		assert_eq!(patience.grant(&who(9_999), false, 256, start).strikes, PATIENCE);
	}

	#[test]
	fn who_uses_up_nothing_should_not_be_remembered() {
		let start = Instant::now();
		let mut patience = Patience::new(start);
		let grant = patience.grant(&who(1), true, 256, start);
		let strikes = grant.strikes;
		patience.give_back(grant, strikes);
		assert!(patience.used.is_empty() && patience.strangers == 0);
	}
}
