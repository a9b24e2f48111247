//! Where the slot and the timestamp of a block come from.

use super::{FullClient, Hash};
use async_trait::async_trait;
use sc_consensus_babe::find_pre_digest;
use sp_consensus_babe::{inherents::InherentDataProvider as SlotInherent, Slot, SlotDuration};
use sp_inherents::CreateInherentDataProviders;
use sp_timestamp::{InherentDataProvider as TimestampInherent, Timestamp};
use std::{
	error::Error,
	sync::{Arc, Mutex, PoisonError},
};
use stoa_runtime::opaque::Block;

type Pair = (SlotInherent, TimestampInherent);
type BoxError = Box<dyn Error + Send + Sync>;

/// Makes the slot and the timestamp that go into a block, or that a block is checked against.
#[derive(Clone)]
pub enum Inherents {
	/// Those of this machine's clock.
	WallClock(SlotDuration),
	/// To make a block on a sealed chain: each use takes a slot.
	Sealing(Arc<SealingClock>, Arc<FullClient>),
	/// To check a block of a sealed chain: now, in the time of its clock.
	Sealed(Arc<SealingClock>),
}

#[async_trait]
impl CreateInherentDataProviders<Block, ()> for Inherents {
	type InherentDataProviders = Pair;

	async fn create_inherent_data_providers(&self, parent: Hash, _: ()) -> Result<Pair, BoxError> {
		match self {
			Self::WallClock(slot_duration) => {
				let time = TimestampInherent::from_system_time();
				let slot = SlotInherent::from_timestamp_and_slot_duration(*time, *slot_duration);
				Ok((slot, time))
			},
			Self::Sealing(clock, client) => {
				let header = client.header(parent)?.ok_or("the parent block is unknown")?;
				let parent = find_pre_digest::<Block>(&header)?.slot();
				clock.inherents(clock.take(parent, clock.now()))
			},
			Self::Sealed(clock) => clock.inherents(clock.latest(clock.now())),
		}
	}
}

/// The clock of a chain that is sealed on demand.
///
/// BABE wants every block in a later slot than its parent, and a slot lasts seconds, so blocks that
/// are sealed quickly have to run ahead of the wall clock. This one follows the wall clock while it
/// can and goes on slot by slot while it cannot.
pub struct SealingClock {
	slot_duration: SlotDuration,
	last: Mutex<Slot>,
}

impl SealingClock {
	/// A clock that has issued no slot yet.
	pub fn new(slot_duration: SlotDuration) -> Arc<Self> {
		Arc::new(Self { slot_duration, last: Mutex::new(Slot::default()) })
	}

	fn now(&self) -> Slot {
		Slot::from_timestamp(Timestamp::current(), self.slot_duration)
	}

	/// A slot after the parent's that was never issued before: two blocks of one author in one slot
	/// are an equivocation, also when they are forks that a test asked for.
	fn take(&self, parent: Slot, now: Slot) -> Slot {
		let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
		*last = now.max(parent.saturating_add(1u64)).max(last.saturating_add(1u64));
		*last
	}

	fn latest(&self, now: Slot) -> Slot {
		now.max(*self.last.lock().unwrap_or_else(PoisonError::into_inner))
	}

	/// The timestamp is the start of the slot, as far from the neighbouring blocks as can be: the
	/// timestamp pallet wants half a slot between two blocks.
	fn inherents(&self, slot: Slot) -> Result<Pair, BoxError> {
		let timestamp =
			slot.timestamp(self.slot_duration).ok_or("the slot is too far in the future")?;
		Ok((SlotInherent::new(slot), TimestampInherent::new(timestamp)))
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn clock() -> Arc<SealingClock> {
		SealingClock::new(SlotDuration::from_millis(2_000))
	}

	#[test]
	fn follows_the_wall_clock_while_it_can() {
		let clock = clock();
		assert_eq!(clock.take(0u64.into(), 100u64.into()), 100u64);
		assert_eq!(clock.take(100u64.into(), 130u64.into()), 130u64);
	}

	#[test]
	fn runs_ahead_slot_by_slot() {
		let clock = clock();
		assert_eq!(clock.take(0u64.into(), 100u64.into()), 100u64);
		assert_eq!(clock.take(100u64.into(), 100u64.into()), 101u64);
		assert_eq!(clock.take(101u64.into(), 100u64.into()), 102u64);
		assert_eq!(clock.latest(100u64.into()), 102u64);
		assert_eq!(clock.latest(200u64.into()), 200u64);
	}

	#[test]
	fn goes_on_after_a_restart_that_found_blocks_ahead() {
		assert_eq!(clock().take(500u64.into(), 100u64.into()), 501u64);
	}

	#[test]
	fn forks_get_slots_of_their_own() {
		let clock = clock();
		let first = clock.take(7u64.into(), 8u64.into());
		let second = clock.take(7u64.into(), 8u64.into());
		assert!(second > first);
	}

	#[test]
	fn the_timestamp_lies_in_its_slot() {
		let clock = clock();
		let Ok((slot, timestamp)) = clock.inherents(9u64.into()) else {
			panic!("slot 9 has a time")
		};
		assert_eq!(Slot::from_timestamp(*timestamp, clock.slot_duration), slot.slot());
		assert!(clock.inherents(u64::MAX.into()).is_err());
	}
}
