//! A chain in memory.

use futures::{future::BoxFuture, FutureExt};
use std::{
	collections::HashMap,
	sync::{Mutex, MutexGuard},
};
use stoa_client::chain::{
	At, BlockRef, ChainError, ChainView, ChannelInfo, Claim, PayeeChain, PayerChain, SettleOutcome,
	Submitted,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	AccountId, Balance, BlockNumber, H256,
};

#[derive(Default)]
pub struct Chain {
	pub finalized: HashMap<ChannelId, ChannelInfo>,
	pub down: bool,
	/// The hash of all its blocks: another life has another one.
	pub hash: H256,
	pub batches: Vec<Vec<Item>>,
}

pub struct FakeChain {
	genesis: H256,
	state: Mutex<Chain>,
}

impl FakeChain {
	pub fn new(genesis: H256) -> Self {
		Self { genesis, state: Mutex::default() }
	}

	pub fn state(&self) -> MutexGuard<'_, Chain> {
		self.state.lock().unwrap()
	}

	pub fn put(&self, channel: ChannelInfo) {
		self.state().finalized.insert(channel.id, channel);
	}

	fn up(&self) -> Result<MutexGuard<'_, Chain>, ChainError> {
		let state = self.state();
		match state.down {
			true => Err(ChainError::Rpc { reason: "down".into() }),
			false => Ok(state),
		}
	}
}

impl ChainView for FakeChain {
	fn genesis(&self) -> H256 {
		self.genesis
	}

	fn block(&self, _: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		async { self.up().map(|state| BlockRef { number: 100, hash: state.hash }) }.boxed()
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		async move { self.up().map(|state| Some(BlockRef { number, hash: state.hash })) }.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		_: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		async move { Ok(self.up()?.finalized.get(&id).cloned()) }.boxed()
	}
}

impl PayeeChain for FakeChain {
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>> {
		async move {
			let mut state = self.up()?;
			state.batches.push(items.clone());
			let mut claimed = Vec::new();
			for item in items {
				let allowed = item.allowed().unwrap();
				let channel = state.finalized.get_mut(&item.channel).unwrap();
				let settled = item.capture.unwrap_or(allowed);
				let amount = settled - channel.settled;
				(channel.settled, channel.lane_settled) = (settled, vec![settled]);
				claimed.push(Claim { channel: item.channel, lane: item.lane, amount, settled });
			}
			Ok(SettleOutcome { submitted: submitted(), claimed, skipped: Vec::new() })
		}
		.boxed()
	}

	fn close(
		&self,
		channel: ChannelId,
		_: Option<Item>,
	) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move {
			self.up()?.finalized.remove(&channel);
			Ok(submitted())
		}
		.boxed()
	}
}

impl PayerChain for FakeChain {
	fn top_up(
		&self,
		channel: ChannelId,
		amount: Balance,
	) -> BoxFuture<'_, Result<ChannelInfo, ChainError>> {
		async move {
			let mut state = self.up()?;
			let info = state.finalized.get_mut(&channel).unwrap();
			info.deposit += amount;
			Ok(info.clone())
		}
		.boxed()
	}

	fn channels_of(&self, payer: AccountId) -> BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>> {
		async move {
			let all = self.up()?.finalized.values().cloned().collect::<Vec<_>>();
			Ok(all.into_iter().filter(|info| info.payer == payer).collect())
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
