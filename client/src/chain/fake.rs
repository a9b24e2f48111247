//! A chain in memory, for tests.

use super::*;
use futures::{future::BoxFuture, FutureExt};
use std::{
	collections::HashMap,
	sync::{Mutex, MutexGuard},
	time::Duration,
};
use stoa_primitives::{
	channel::{Item, Proof, SkipReason},
	payload::Domain,
};

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
		lane_settled: vec![0],
		lanes: 1,
		grace: DEFAULT_GRACE,
		phase: Phase::Open,
		cap: None,
		changes: Changes::default(),
		schedule: 0,
		nonce: 0,
	}
}

/// What the chain does with an item in block `now`: what it pays, or why it does not.
pub fn settle_item(
	info: &mut ChannelInfo,
	item: &Item,
	domain: &Domain,
	now: BlockNumber,
) -> Result<Balance, SkipReason> {
	match info.phase {
		Phase::Closing { ends } if now >= ends => return Err(SkipReason::GraceOver),
		_ => {},
	}
	if item.lane >= u32::from(info.lanes) {
		return Err(SkipReason::UnknownLane);
	}
	let revoked = info.changes.revoked.iter().find(|(lane, _)| *lane == item.lane);
	if revoked.is_some_and(|(_, from)| now >= *from) {
		return Err(SkipReason::LaneRevoked);
	}
	if item.valid_until() != 0 && item.valid_until() < now {
		return Err(SkipReason::Expired);
	}
	let allowed = item.allowed().ok_or(SkipReason::AboveDeposit)?;
	let take = item.capture.unwrap_or(allowed);
	if take > allowed {
		return Err(SkipReason::CaptureAboveVoucher);
	}
	let amount = take.checked_sub(info.settled_on(item.lane)).filter(|amount| *amount > 0);
	let amount = amount.ok_or(SkipReason::Stale)?;
	if info.settled + amount > info.deposit {
		return Err(SkipReason::AboveDeposit);
	}
	let recent = info.cap.as_ref().map(|state| state.recent.clone()).unwrap_or_default();
	let mut cap = match info.changes.cap {
		Some((waiting, from)) if now >= from => waiting.map(|cap| CapState { cap, recent }),
		_ => info.cap.clone(),
	};
	if cap.as_mut().is_some_and(|cap| !cap.capture(now, amount)) {
		return Err(SkipReason::AboveCap);
	}
	let retired = info.changes.key.filter(|(_, until)| now < *until).map(|(key, _)| key);
	let signed = |key: &Key| key.verify(&item.message(domain), item.signature());
	if !signed(&info.key) && !retired.as_ref().is_some_and(signed) {
		return Err(SkipReason::BadSignature);
	}
	if let Proof::Ticks(ticks) = &item.proof {
		if !ticks.in_range() {
			return Err(SkipReason::TickOutOfRange);
		}
		if !ticks.leads_to_root() {
			return Err(SkipReason::BadTick);
		}
	}
	info.cap = cap;
	info.raise_lane(item.lane, take);
	Ok(amount)
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
	/// The node says that it is fetching the chain's blocks.
	pub catching_up: bool,
	/// A channel whose reads fail.
	pub unreadable: Option<ChannelId>,
	/// A channel whose claims are skipped.
	pub skip: Option<ChannelId>,
	/// How many batches from now on fail.
	pub failing_batches: usize,
	/// Nothing becomes final: batches are included, and their outcome waits for [`FakeChain::finalize`].
	pub stalled: bool,
	/// Batches are included, not final yet, and nobody is told.
	pub lose_batches: bool,
	/// Batches are sent, not included, and nobody is told.
	pub drop_batches: bool,
	/// Top-ups are refused by the node.
	pub refuse_top_ups: bool,
	/// Top-ups are included, not final yet, and nobody is told.
	pub lose_top_ups: bool,
	/// Top-ups of this channel are included and fail.
	pub failing_top_up: Option<ChannelId>,
	/// The top-ups that were sent, by transaction.
	pub top_ups: Vec<Vec<(ChannelId, Balance)>>,
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

	/// Makes the best block final.
	pub fn finalize(&self) {
		let mut state = self.state();
		state.finalized = state.best.clone();
		state.stalled = false;
	}

	/// Puts a batch into the best block.
	fn include(&self, items: Vec<Item>) -> Result<SettleOutcome, ChainError> {
		let mut state = self.up()?;
		if let Some(left) = state.failing_batches.checked_sub(1) {
			state.failing_batches = left;
			return Err(ChainError::Rpc { reason: "failing".into() });
		}
		if state.drop_batches {
			return Err(lost());
		}
		state.batches.push(items.clone());
		let (mut claimed, mut skipped) = (Vec::new(), Vec::new());
		let (now, refused) = (state.number + 1, state.skip);
		for (index, item) in (0u32..).zip(items) {
			let Item { channel, lane, .. } = item;
			let outcome = match state.best.get_mut(&channel) {
				_ if refused == Some(channel) => Err(SkipReason::NotSettled),
				Some(info) => settle_item(info, &item, &Domain::channels(self.genesis), now),
				None => Err(SkipReason::UnknownChannel),
			};
			match outcome {
				Ok(amount) => {
					let settled = state.best[&channel].settled;
					claimed.push(Claim { channel, lane, amount, settled });
				},
				Err(reason) => skipped.push(Skip { index, channel, lane, reason }),
			}
		}
		if state.lose_batches {
			return Err(lost());
		}
		if !state.stalled {
			state.finalized = state.best.clone();
		}
		Ok(SettleOutcome { submitted: submitted(), claimed, skipped })
	}

	/// Adds to deposits, to all or to none.
	fn add(&self, top_ups: &[(ChannelId, Balance)]) -> Result<Vec<ChannelInfo>, ChainError> {
		let mut state = self.up()?;
		state.top_ups.push(top_ups.to_vec());
		if state.refuse_top_ups {
			return Err(ChainError::Rejected { reason: "refused".into() });
		}
		if top_ups.iter().any(|(channel, _)| state.failing_top_up == Some(*channel)) {
			let failure = DispatchFailure {
				pallet: "Channels".into(),
				name: "Failing".into(),
				doc: String::new(),
			};
			return Err(ChainError::Dispatch(failure));
		}
		let mut infos = Vec::new();
		for (channel, amount) in top_ups {
			let info = state.best.get_mut(channel).unwrap();
			info.deposit += amount;
			infos.push(info.clone());
		}
		if state.lose_top_ups {
			return Err(lost());
		}
		for info in &infos {
			state.finalized.insert(info.id, info.clone());
		}
		Ok(infos)
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

	fn caught_up(&self) -> BoxFuture<'_, Result<bool, ChainError>> {
		async move { Ok(!self.up()?.catching_up) }.boxed()
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
			let outcome = self.include(items);
			while outcome.is_ok() && self.state().stalled {
				tokio::time::sleep(Duration::from_millis(1)).await;
			}
			outcome
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

impl PayerChain for FakeChain {
	fn top_up(
		&self,
		channel: ChannelId,
		amount: Balance,
	) -> BoxFuture<'_, Result<ChannelInfo, ChainError>> {
		async move { self.add(&[(channel, amount)]).map(|infos| infos[0].clone()) }.boxed()
	}

	fn top_up_many(
		&self,
		top_ups: Vec<(ChannelId, Balance)>,
	) -> Option<BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>>> {
		Some(async move { self.add(&top_ups) }.boxed())
	}

	fn channels_of(&self, payer: AccountId) -> BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>> {
		async move {
			let state = self.up()?;
			let mut out: Vec<_> = state.finalized.values().cloned().collect();
			out.retain(|info| info.payer == payer);
			out.sort_by_key(|info| info.id);
			Ok(out)
		}
		.boxed()
	}
}

fn lost() -> ChainError {
	ChainError::Unknown { extrinsic: H256::zero(), reason: "lost".into() }
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
