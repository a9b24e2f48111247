//! What must always hold.

use crate::{Agents, Config, Keys, Pallet, MAX_KEYS};
use alloc::collections::BTreeMap;
use frame_support::ensure;
use sp_runtime::TryRuntimeError;
use stoa_primitives::{agent::Status, AccountId};

impl<T: Config> Pallet<T> {
	/// ## Invariants
	///
	/// 1. Who operates an agent has paid for its record.
	/// 2. An agent has a manifest unless it is retired.
	/// 3. A retired agent has no delegate keys and is not being offered.
	/// 4. Only a suspended agent remembers a pause, and nobody is offered its own agent.
	/// 5. Each delegate key belongs to a registered agent, whose operator has paid for it.
	/// 6. A delegate key has at least one scope and only known ones.
	/// 7. An agent's count of delegate keys is right, and at most [`MAX_KEYS`].
	pub fn do_try_state() -> Result<(), TryRuntimeError> {
		let mut counts = BTreeMap::<AccountId, u32>::new();
		for (agent, _, key) in Keys::<T>::iter() {
			let record = Agents::<T>::get(&agent).ok_or("5: a key without an agent")?;
			ensure!(record.operator == key.depositor, "5: a key that its operator did not pay for");
			ensure!(key.scopes.is_valid() && !key.scopes.is_empty(), "6: a key with bad scopes");
			let count = counts.entry(agent).or_default();
			*count = count.saturating_add(1);
		}
		for (agent, record) in Agents::<T>::iter() {
			let retired = record.status == Status::Retired;
			let keys = counts.get(&agent).copied().unwrap_or_default();
			ensure!(record.operator == record.depositor, "1: the operator did not pay");
			ensure!(record.manifest.is_some() != retired, "2: manifest and status disagree");
			ensure!(!retired || keys == 0, "3: a retired agent with keys");
			ensure!(
				!retired || record.transfer_to.is_none(),
				"3: a retired agent is being offered"
			);
			ensure!(
				!record.paused || record.status == Status::Suspended,
				"4: a remembered pause without a suspension"
			);
			ensure!(
				record.transfer_to.as_ref() != Some(&record.operator),
				"4: offered to its own operator"
			);
			ensure!(record.keys == keys && keys <= MAX_KEYS, "7: wrong count of keys");
		}
		Ok(())
	}
}
