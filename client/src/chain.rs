//! The chain, as agents need it: reading accounts, agents and channels, and submitting calls.
//!
//! [`Chain`] is a connection to one node. What drives the channel machines needs less and asks for
//! a [`ChainView`] or a [`PayeeChain`], so that it can be tested without a node. All code that the
//! runtime's metadata generates is used inside this module and nowhere else.

mod api;
pub mod calls;
mod error;
mod escrow;
mod events;
mod online;
mod opening;
mod state;
mod submit;
mod view;

#[cfg(test)]
pub(crate) mod fake;

pub use self::state::{AssetMetadata, LifetimeTotals, Solvency};
pub use self::{
	calls::Call,
	error::{ChainError, DispatchFailure},
	events::{AgreementEvent, EventRecord, MarketEvent},
	online::{Chain, ConnectOptions},
	opening::{opening_call, OpeningChain, PairView, Prospect},
	submit::{FeeAsset, FeePaid, SignedChain, SubmitOptions, Submitted, Wait},
	view::{ChainView, Claim, PayeeChain, PayerChain, SettleOutcome, Skip},
};

use stoa_primitives::{
	agent::{Manifest, Scopes, Status},
	channel::{Cap, CapState, ChannelId, DEFAULT_GRACE},
	keys::Key,
	money::ScheduleId,
	AccountId, AssetId, Balance, BlockNumber, H256,
};

/// At which block to read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum At {
	/// The best block: newest, may be reverted.
	Best,
	/// The last finalized block: older by a few seconds, never reverted.
	#[default]
	Finalized,
	/// The block of this hash.
	Hash(H256),
}

/// A block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BlockRef {
	/// Its number.
	pub number: BlockNumber,
	/// Its hash.
	pub hash: H256,
}

/// Native tokens of an account, in units of 10⁻¹² STOA.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NativeBalance {
	/// What is not reserved; a part of it may be frozen.
	pub free: Balance,
	/// What is held as storage deposits and the like.
	pub reserved: Balance,
	/// What of `free` cannot be spent.
	pub frozen: Balance,
}

/// An agent's record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct AgentInfo {
	/// Who answers for it.
	pub operator: AccountId,
	/// Whether it may act, its lease aside.
	pub status: Status,
	/// Where it describes itself; gone once it is retired.
	pub manifest: Option<Manifest>,
	/// Last block of its lease.
	pub lease_until: BlockNumber,
	/// How often its operator has changed.
	pub epoch: u32,
	/// Who may accept it as its next operator.
	pub transfer_to: Option<AccountId>,
	/// Whether it may act at the block that was read.
	pub active: bool,
}

/// A key that may sign in an agent's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DelegateKey {
	/// The key.
	pub key: Key,
	/// What it may sign.
	pub scopes: Scopes,
	/// Last block in which it may.
	pub last: BlockNumber,
}

/// Whether a channel's close was requested.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Phase {
	/// It was not.
	Open,
	/// The grace period runs or is over.
	Closing {
		/// First block in which nothing can be settled any more.
		ends: BlockNumber,
	},
}

/// A channel as the chain knows it. Amounts are in units of its asset.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ChannelInfo {
	/// Channel id.
	pub id: ChannelId,
	/// The side that pays.
	pub payer: AccountId,
	/// The side that is paid.
	pub payee: AccountId,
	/// In what is paid.
	pub asset: AssetId,
	/// The key that signs vouchers.
	pub key: Key,
	/// All that was ever locked.
	pub deposit: Balance,
	/// All that was ever paid, over all lanes.
	pub settled: Balance,
	/// What each lane has paid, lane 0 first. Lanes beyond the end have paid nothing.
	pub lane_settled: Vec<Balance>,
	/// How many lanes there are.
	pub lanes: u16,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// Whether a close was requested.
	pub phase: Phase,
	/// The velocity cap in force, if any, and what was captured under it of late.
	pub cap: Option<CapState>,
	/// What holds after a grace period, or no longer does then.
	pub changes: Changes,
	/// The fee schedule that holds until the channel ends.
	pub schedule: ScheduleId,
	/// The nonce of the pair that is part of the id.
	pub nonce: u64,
}

/// What the payer has changed, and what the payee was given one grace period to react to.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
	/// A key that was replaced, and the first block in which it is no longer valid.
	pub key: Option<(Key, BlockNumber)>,
	/// The velocity cap that waits, and the first block in which it holds.
	pub cap: Option<(Option<Cap>, BlockNumber)>,
	/// Lanes that were revoked, and the first block in which nothing can be settled on them.
	pub revoked: Vec<(u32, BlockNumber)>,
}

impl ChannelInfo {
	/// What has been paid on a lane.
	pub fn settled_on(&self, lane: u32) -> Balance {
		let place = usize::try_from(lane).ok();
		place.and_then(|place| self.lane_settled.get(place)).copied().unwrap_or(0)
	}

	/// What has been paid on all lanes.
	pub(crate) fn paid(&self) -> Balance {
		self.lane_settled.iter().fold(0, |sum: Balance, paid| sum.saturating_add(*paid))
	}

	/// Takes over what a lane has paid, if that is more than is known.
	pub(crate) fn raise_lane(&mut self, lane: u32, settled: Balance) {
		let Ok(place) = usize::try_from(lane) else { return };
		if lane >= u32::from(self.lanes) {
			return;
		}
		if self.lane_settled.len() <= place {
			self.lane_settled.resize(place.saturating_add(1), 0);
		}
		if let Some(paid) = self.lane_settled.get_mut(place) {
			*paid = settled.max(*paid);
		}
		self.settled = self.settled.max(self.paid());
	}

	/// Takes over what `other` knows to be paid.
	pub(crate) fn raise_settled(&mut self, other: &Self) {
		for (lane, paid) in (0u32..).zip(&other.lane_settled) {
			self.raise_lane(lane, *paid);
		}
		self.settled = self.settled.max(other.settled);
	}
}

/// What a channel is opened with.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenChannel {
	/// The side that will be paid.
	pub payee: AccountId,
	/// In what.
	pub asset: AssetId,
	/// Credits to lock, in units of the asset.
	pub deposit: Balance,
	/// The key that will sign vouchers.
	pub key: Key,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// How many calls can be under way at the same time, from 1 to
	/// [`MAX_LANES`](stoa_primitives::channel::MAX_LANES).
	pub lanes: u16,
	/// The velocity cap, if any.
	pub cap: Option<Cap>,
}

impl OpenChannel {
	/// A channel of one lane without a cap, with the default grace period of one hour.
	pub fn new(payee: AccountId, asset: AssetId, deposit: Balance, key: Key) -> Self {
		Self { payee, asset, deposit, key, grace: DEFAULT_GRACE, lanes: 1, cap: None }
	}
}

/// `0x` and lower-case hex digits.
pub fn to_hex(bytes: impl AsRef<[u8]>) -> String {
	format!("0x{}", hex::encode(bytes))
}

/// The inverse of [`to_hex`] for 32 bytes; case does not matter, the `0x` may be missing.
pub fn parse_hash(text: &str) -> Option<[u8; 32]> {
	let mut out = [0u8; 32];
	hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), &mut out).ok()?;
	Some(out)
}
