//! A chain in memory, for tests.

use super::*;
use futures::{future::BoxFuture, FutureExt};
use std::{
	collections::HashMap,
	sync::{Mutex, MutexGuard},
};
use stoa_primitives::channel::{Item, Proof, SkipReason};

/// The asset of [`channel`].
pub const ASSET: AssetId = AssetId::WithId(1);

/// The hash of the best block; every other hash is that of a finalized one.
const BEST: H256 = H256::repeat_byte(0xBE);

/// The payee of [`channel`].
pub fn payee() -> AccountId {
	AccountId::new([2; 32])
}

/// An open channel of one lane.
pub fn channel(id: ChannelId, key: Key, deposit: Balance) -> ChannelInfo {
	ChannelInfo {
		id,
		payer: AccountId::new([1; 32]),
		payee: payee(),
		asset: ASSET,
		key,
		deposit,
		settled: 0,
		lane0: 0,
		lanes: 1,
		grace: DEFAULT_GRACE,
		phase: Phase::Open,
		cap: None,
		schedule: 0,
		nonce: 0,
	}
}

#[derive(Default)]
pub struct State {
	/// The number of the best block.
	pub number: BlockNumber,
	/// How many blocks before it are not final.
	pub unfinalized: BlockNumber,
	/// Another life has other blocks under the same genesis.
	pub life: u8,
	pub best: HashMap<ChannelId, ChannelInfo>,
	pub finalized: HashMap<ChannelId, ChannelInfo>,
	pub down: bool,
	/// A channel whose reads fail.
	pub unreadable: Option<ChannelId>,
	/// A channel whose claims are skipped.
	pub skip: Option<ChannelId>,
	/// How many batches from now on fail.
	pub failing_batches: usize,
	pub reads: usize,
	pub batches: Vec<Vec<Item>>,
}

impl State {
	fn finalized(&self) -> BlockRef {
		self.block(self.number - self.unfinalized)
	}

	/// The hash holds life and number.
	fn block(&self, number: BlockNumber) -> BlockRef {
		let mut hash = H256::repeat_byte(self.life);
		hash[..4].copy_from_slice(&number.to_le_bytes());
		BlockRef { number, hash }
	}
}

/// Two views of channels, best and finalized, which a test moves as it likes.
pub struct FakeChain {
	pub genesis: H256,
	state: Mutex<State>,
}

impl FakeChain {
	pub fn new(genesis: H256) -> Self {
		Self { genesis, state: Mutex::new(State { number: 100, ..State::default() }) }
	}

	pub fn state(&self) -> MutexGuard<'_, State> {
		self.state.lock().unwrap()
	}

	/// Puts a channel into both views.
	pub fn put(&self, channel: ChannelInfo) {
		let mut state = self.state();
		state.best.insert(channel.id, channel.clone());
		state.finalized.insert(channel.id, channel);
	}

	fn up(&self) -> Result<MutexGuard<'_, State>, ChainError> {
		let state = self.state();
		if state.down {
			return Err(ChainError::Rpc { reason: "down".into() });
		}
		Ok(state)
	}
}

impl ChainView for FakeChain {
	fn genesis(&self) -> H256 {
		self.genesis
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		async move {
			let state = self.up()?;
			Ok(match at {
				At::Best => BlockRef { number: state.number, hash: BEST },
				At::Finalized => state.finalized(),
				At::Hash(hash) if hash == BEST => BlockRef { number: state.number, hash },
				At::Hash(hash) => {
					let number = hash.as_bytes().first_chunk().map(|n| u32::from_le_bytes(*n));
					BlockRef { number: number.unwrap(), hash }
				},
			})
		}
		.boxed()
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		async move {
			let state = self.up()?;
			Ok((number <= state.number).then(|| state.block(number)))
		}
		.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		at: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		async move {
			let mut state = self.up()?;
			state.reads += 1;
			if state.unreadable == Some(id) {
				return Err(ChainError::Rpc { reason: "unreadable".into() });
			}
			let best = matches!(at, At::Best) || at == At::Hash(BEST);
			let view = if best { &state.best } else { &state.finalized };
			Ok(view.get(&id).cloned())
		}
		.boxed()
	}
}

impl PayeeChain for FakeChain {
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>> {
		async move {
			let mut state = self.up()?;
			if let Some(left) = state.failing_batches.checked_sub(1) {
				state.failing_batches = left;
				return Err(ChainError::Rpc { reason: "failing".into() });
			}
			state.batches.push(items.clone());
			let (mut claimed, mut skipped) = (Vec::new(), Vec::new());
			for (index, item) in (0u32..).zip(items) {
				let Proof::Voucher { cumulative, .. } = item.proof;
				let take = item.capture.unwrap_or(cumulative);
				let mut skip = |reason| {
					let (channel, lane) = (item.channel, item.lane);
					skipped.push(Skip { index, channel, lane, reason });
				};
				if state.skip == Some(item.channel) {
					skip(SkipReason::NotSettled);
					continue;
				}
				let Some(channel) = state.best.get_mut(&item.channel) else {
					skip(SkipReason::UnknownChannel);
					continue;
				};
				if take <= channel.settled {
					skip(SkipReason::Stale);
					continue;
				}
				let amount = take - channel.settled;
				channel.settled = take;
				channel.lane0 = take;
				let settled = channel.settled;
				claimed.push(Claim { channel: item.channel, lane: item.lane, amount, settled });
			}
			state.finalized = state.best.clone();
			Ok(SettleOutcome { submitted: submitted(), claimed, skipped })
		}
		.boxed()
	}

	fn close(
		&self,
		channel: ChannelId,
		_: Option<Item>,
	) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move {
			let mut state = self.up()?;
			state.best.remove(&channel);
			state.finalized.remove(&channel);
			Ok(submitted())
		}
		.boxed()
	}
}

fn submitted() -> Submitted {
	Submitted {
		block: BlockRef { number: 1, hash: H256::zero() },
		extrinsic: H256::zero(),
		index: 1,
		fee: None,
		events: Vec::new(),
	}
}
