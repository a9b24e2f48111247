//! A chain that does not move, for what reads one: a few channels of known keys and accounts.

use crate::sample::{self, Facts};
use futures::{future::BoxFuture, FutureExt};
use std::sync::Arc;
use stoa_client::chain::{
	At, BlockRef, ChainError, ChainView, Changes, ChannelInfo, PayeeChain, Phase, SettleOutcome,
	Submitted,
};
use stoa_primitives::{
	channel::{Cap, CapState, ChannelId, Item, DEFAULT_GRACE},
	AccountId, AssetId, Balance, BlockNumber, H256,
};
use stoa_tower::{
	chain::{Block, ChainFailure, TowerChain},
	ChannelState,
};

/// The best block. The last final one is the block before.
pub const NOW: BlockNumber = 10_000;

/// The asset of all channels.
pub const ASSET: AssetId = AssetId::WithId(1);

/// What is locked in each channel.
pub const DEPOSIT: Balance = 1_000_000;

/// How many channels there are.
pub const CHANNELS: u8 = 6;

/// The id of a channel, of one that is not there for large numbers.
pub fn id(n: u8) -> ChannelId {
	match n {
		0..=191 => [n % CHANNELS + 1; 32],
		n => [n; 32],
	}
}

/// The payee of all channels but the last.
pub fn payee() -> AccountId {
	sample::people()[0].account()
}

/// A channel: open, closing, closing soon, with a new key, capped and with a lane revoked, somebody
/// else's.
pub fn channel(id: &ChannelId) -> Option<ChannelInfo> {
	let n =
		id[0].checked_sub(1).filter(|n| *n < CHANNELS && id.iter().all(|byte| *byte == n + 1))?;
	let lanes = if n == 0 { 1 } else { 4 };
	let changes = match n {
		3 => Changes { key: Some((sample::key(0).key(), NOW + 300)), ..Changes::default() },
		4 => Changes { revoked: vec![(1, NOW + 50), (2, NOW - 5)], ..Changes::default() },
		_ => Changes::default(),
	};
	Some(ChannelInfo {
		id: *id,
		payer: sample::people()[1].account(),
		payee: sample::people()[usize::from(n == 5) * 2].account(),
		asset: ASSET,
		key: sample::key(n).key(),
		deposit: DEPOSIT,
		settled: 1_000,
		lane_settled: vec![1_000, 0, 0, 0][..lanes].to_vec(),
		lanes: u16::try_from(lanes).unwrap_or_default(),
		grace: DEFAULT_GRACE,
		phase: match n {
			1 => Phase::Closing { ends: NOW + 900 },
			2 => Phase::Closing { ends: NOW + 3 },
			_ => Phase::Open,
		},
		cap: (n == 4).then(|| CapState::new(Cap { per_window: 5_000, window: 100 })),
		changes,
		schedule: 0,
		nonce: 0,
	})
}

/// What a claim needs to know.
pub fn facts(n: u8) -> Facts {
	let id = id(n);
	let info = channel(&id);
	Facts {
		id,
		key: info.as_ref().map_or(sample::key(0).key(), |info| info.key),
		lanes: info.as_ref().map_or_else(Vec::new, |info| info.lane_settled.clone()),
		left: info.as_ref().map_or(0, |info| info.deposit - info.settled),
		now: NOW,
	}
}

/// The chain.
pub struct StillChain;

impl StillChain {
	/// To be shared.
	pub fn shared() -> Arc<Self> {
		Arc::new(Self)
	}
}

fn block(number: BlockNumber) -> BlockRef {
	BlockRef { number, hash: H256::from_low_u64_be(number.into()) }
}

impl ChainView for StillChain {
	fn genesis(&self) -> H256 {
		sample::GENESIS
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		let number = match at {
			At::Best => NOW,
			_ => NOW - 1,
		};
		async move { Ok(block(number)) }.boxed()
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		async move { Ok((number <= NOW).then(|| block(number))) }.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		_: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		async move { Ok(channel(&id)) }.boxed()
	}
}

impl PayeeChain for StillChain {
	fn settle(&self, _: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>> {
		async { Err(still()) }.boxed()
	}

	fn close(&self, _: ChannelId, _: Option<Item>) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async { Err(still()) }.boxed()
	}
}

fn still() -> ChainError {
	ChainError::Rpc { reason: "this chain does not move".into() }
}

impl TowerChain for StillChain {
	fn genesis(&self) -> H256 {
		sample::GENESIS
	}

	fn best(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		let BlockRef { number, hash } = block(NOW);
		async move { Ok(Block { number, hash }) }.boxed()
	}

	fn finalized(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		let BlockRef { number, hash } = block(NOW - 1);
		async move { Ok(Block { number, hash }) }.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		_: Block,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>> {
		async move { Ok(channel(&id).map(state)) }.boxed()
	}

	/// A tower's batch: in order, on channels that end, within what is owed.
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		let lanes: Vec<_> = items.iter().map(|item| (item.channel, item.lane)).collect();
		assert!(lanes.is_sorted_by(|a, b| a < b), "a batch is out of order");
		for item in &items {
			let info = channel(&item.channel).expect("claims are on channels");
			let Phase::Closing { ends } = info.phase else {
				panic!("it is for its payee to settle")
			};
			assert!(NOW < ends);
			let claim = item.capture.or(item.allowed()).expect("claims have amounts");
			assert!(item.allowed().is_some_and(|allowed| claim <= allowed));
			assert!(claim > info.settled_on(item.lane));
			assert!(claim - info.settled_on(item.lane) <= info.deposit - info.settled);
			assert!(info.key.verify(&item.message(&sample::domain()), item.signature()));
		}
		async { Ok(()) }.boxed()
	}
}

fn state(info: ChannelInfo) -> ChannelState {
	let ends = match info.phase {
		Phase::Open => None,
		Phase::Closing { ends } => Some(ends),
	};
	ChannelState {
		payee: info.payee,
		asset: info.asset,
		key: info.key,
		retired: info.changes.key,
		deposit: info.deposit,
		settled: info.settled,
		lane_settled: info.lane_settled,
		revoked: info.changes.revoked,
		cap: info.cap,
		grace: info.grace,
		ends,
	}
}
