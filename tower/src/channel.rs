//! A channel, as far as a tower has to know it.

use crate::judge::Held;
use stoa_primitives::{channel::CapState, keys::Key, AccountId, AssetId, Balance, BlockNumber};

/// A channel at some block. Amounts are in units of its asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelState {
	/// The side that is paid.
	pub payee: AccountId,
	/// In what.
	pub asset: AssetId,
	/// The key that signs vouchers.
	pub key: Key,
	/// The key before it, and the first block in which that one is no longer valid.
	pub retired: Option<(Key, BlockNumber)>,
	/// All that was ever locked.
	pub deposit: Balance,
	/// All that was ever paid, over all lanes.
	pub settled: Balance,
	/// What each lane has paid, lane 0 first.
	pub lane_settled: Vec<Balance>,
	/// Lanes that were revoked, and the first block in which nothing can be settled on each.
	pub revoked: Vec<(u32, BlockNumber)>,
	/// The velocity cap in force, if any.
	pub cap: Option<CapState>,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// First block after the grace period, if a close was requested.
	pub ends: Option<BlockNumber>,
}

impl ChannelState {
	/// What a lane has paid; `None` if there is no such lane.
	pub fn lane(&self, lane: u32) -> Option<Balance> {
		self.lane_settled.get(usize::try_from(lane).ok()?).copied()
	}

	/// The first block in which a claim by `key` on `lane` can no longer be settled, whatever its own
	/// limit; `None` for no limit. 0 for a key that is not the channel's.
	pub fn closed_to(&self, key: &Key, lane: u32) -> Option<BlockNumber> {
		let key = match &self.retired {
			_ if self.key == *key => None,
			Some((retired, until)) if retired == key => Some(*until),
			_ => Some(0),
		};
		let revoked = self.revoked.iter().find(|(other, _)| *other == lane).map(|(_, from)| *from);
		[self.ends, key, revoked].into_iter().flatten().min()
	}

	/// How much more all lanes together can pay in block `now`.
	pub fn room(&self, now: BlockNumber) -> Balance {
		let unspent = self.deposit.saturating_sub(self.settled);
		self.cap.as_ref().map_or(unspent, |cap| cap.headroom(now).min(unspent))
	}

	/// The last block in which `held` can be settled; `None` when that was never, `BlockNumber::MAX` for
	/// no limit.
	pub fn last_block(&self, held: &Held) -> Option<BlockNumber> {
		let closed = match self.closed_to(&held.key, held.item.lane) {
			Some(from) => from.checked_sub(1)?,
			None => BlockNumber::MAX,
		};
		Some(match held.item.valid_until() {
			0 => closed,
			until => closed.min(until),
		})
	}

	/// What `held` would still bring its lane if there were no limits.
	pub fn owed(&self, held: &Held) -> Balance {
		self.lane(held.item.lane).map_or(0, |settled| held.claim.saturating_sub(settled))
	}
}
