//! A chain in memory.

use futures::{future::BoxFuture, FutureExt};
use std::{
	collections::HashMap,
	sync::{Mutex, MutexGuard},
	time::Duration,
};
use stoa_client::{
	agreement::SignedOpen,
	chain::{
		At, BlockRef, ChainError, ChainView, Changes, ChannelInfo, Claim, DispatchFailure,
		OpeningChain, PairView, PayeeChain, PayerChain, Phase, Prospect, SettleOutcome, Skip,
		Submitted,
	},
};
use stoa_primitives::{
	channel::{ChannelId, Item, SkipReason},
	payload::Domain,
	AccountId, AssetId, Balance, BlockNumber, H256,
};

#[derive(Default)]
pub struct Chain {
	pub finalized: HashMap<ChannelId, ChannelInfo>,
	pub down: bool,
	/// The hash of all its blocks: another life has another one.
	pub hash: H256,
	pub batches: Vec<Vec<Item>>,
	/// Claims on this lane are skipped.
	pub skip: Option<u32>,
	/// What closes have claimed.
	pub closed: Vec<(ChannelId, Option<Item>)>,
	/// The best block's number above 100.
	pub later: BlockNumber,
	/// The next nonce of every pair.
	pub nonce: u64,
	/// What every payer has.
	pub credits: Balance,
	/// Authorisations that were submitted.
	pub openings: Vec<SignedOpen>,
	/// Openings fail on chain.
	pub refuse_openings: bool,
	/// How long an opening takes.
	pub opening_time: Duration,
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
		async { self.up().map(|state| BlockRef { number: 100 + state.later, hash: state.hash }) }
			.boxed()
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
			let (mut claimed, mut skipped) = (Vec::new(), Vec::new());
			let skip = state.skip;
			for (index, item) in (0..).zip(items) {
				let Item { channel, lane, .. } = item;
				if skip == Some(lane) {
					let reason = SkipReason::AboveCap;
					skipped.push(Skip { index, channel, lane, reason });
					continue;
				}
				let info = state.finalized.get_mut(&channel).unwrap();
				let amount = pay(info, &item);
				claimed.push(Claim { channel, lane, amount, settled: info.settled });
			}
			Ok(SettleOutcome { submitted: submitted(), claimed, skipped })
		}
		.boxed()
	}

	fn close(
		&self,
		channel: ChannelId,
		last: Option<Item>,
	) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move {
			let mut state = self.up()?;
			state.finalized.remove(&channel);
			state.closed.push((channel, last));
			Ok(submitted())
		}
		.boxed()
	}
}

/// Takes what an item allows, as much as it captures. Returns what is paid now.
fn pay(info: &mut ChannelInfo, item: &Item) -> Balance {
	let settled = item.capture.unwrap_or(item.allowed().unwrap());
	let lane = usize::try_from(item.lane).unwrap();
	let amount = settled - info.lane_settled[lane];
	info.lane_settled[lane] = settled;
	info.settled += amount;
	amount
}

impl PairView for FakeChain {
	fn prospect(
		&self,
		_: AccountId,
		_: AccountId,
		_: AssetId,
	) -> BoxFuture<'_, Result<Prospect, ChainError>> {
		async move {
			let state = self.up()?;
			Ok(Prospect { next_nonce: state.nonce, credits: state.credits })
		}
		.boxed()
	}
}

impl OpeningChain for FakeChain {
	fn open_authorized(&self, signed: SignedOpen) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move {
			let time = self.up()?.opening_time;
			tokio::time::sleep(time).await;
			let mut state = self.up()?;
			state.openings.push(signed.clone());
			if state.refuse_openings {
				return Err(ChainError::Dispatch(DispatchFailure {
					pallet: "Channels".into(),
					name: "NonceNotNext".into(),
					doc: "not the next".into(),
				}));
			}
			let auth = &signed.auth;
			let id = signed.channel(&Domain::channels(self.genesis));
			state.nonce += 1;
			state.credits -= auth.amount;
			let info = ChannelInfo {
				id,
				payer: signed.payer.clone(),
				payee: auth.payee.clone(),
				asset: signed.asset.clone(),
				key: auth.voucher_key,
				deposit: auth.amount,
				settled: 0,
				lane_settled: vec![0],
				lanes: 1,
				grace: auth.grace,
				phase: Phase::Open,
				cap: None,
				changes: Changes::default(),
				schedule: 0,
				nonce: auth.nonce,
			};
			state.finalized.insert(id, info);
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
