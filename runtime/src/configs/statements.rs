//! Who may use the nodes' statement store, and how much of it.
//!
//! Statements never reach a block. Nodes keep and gossip what an account signs, within the quota that
//! they find under a well-known key of the chain's state. Every agent that is not retired has one; its
//! operator's deposit covers the row.

use crate::AccountId;
use frame_support::{storage::unhashed, traits::Footprint};
use sp_statement_store::{statement_allowance_key, StatementAllowance, STATEMENT_ALLOWANCE_PREFIX};
use stoa_primitives::{
	statement::{MAX_STATEMENTS, MAX_STATEMENT_BYTES},
	traits::RegistrationHook,
};

/// What every agent may keep in the statement store.
pub const QUOTA: StatementAllowance =
	StatementAllowance { max_count: MAX_STATEMENTS, max_size: MAX_STATEMENT_BYTES };

/// Gives agents their quota, and takes it away when they retire.
///
/// A paused, suspended or lapsed agent keeps it: the backup of its vouchers is how it is paid for what it
/// has delivered, and exits stay open.
pub struct Statements;

impl RegistrationHook for Statements {
	fn footprint() -> Footprint {
		// Prefix and account are the key, two numbers of four bytes the value. Nothing saturates.
		Footprint::from_parts(1, STATEMENT_ALLOWANCE_PREFIX.len().saturating_add(32 + 2 * 4))
	}

	// Nothing else gives quotas, so there is none yet to add to.
	fn registered(who: &AccountId) {
		unhashed::put(&statement_allowance_key(who), &QUOTA);
	}

	fn retired(who: &AccountId) {
		unhashed::kill(&statement_allowance_key(who));
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use sp_statement_store::get_allowance;

	#[test]
	fn the_quota_should_come_with_registration_and_go_with_retirement() {
		sp_io::TestExternalities::default().execute_with(|| {
			let (agent, other) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
			Statements::registered(&agent);
			assert_eq!(get_allowance(&agent), QUOTA);
			assert!(get_allowance(&other).is_depleted());
			Statements::retired(&agent);
			assert!(!unhashed::exists(&statement_allowance_key(&agent)));
		});
	}

	#[test]
	fn the_footprint_should_be_that_of_the_row() {
		let row = statement_allowance_key(AccountId::new([1; 32])).len() + QUOTA.encode().len();
		assert_eq!(Statements::footprint(), Footprint::from_parts(1, row));
	}
}
