use super::*;
use futures::FutureExt;
use sp_core::{ed25519, Pair, H256};
use std::collections::BTreeMap;
use stoa_primitives::{
	channel::Proof,
	keys::{Key, KeySignature},
	payload::{Payload, Voucher},
	Balance, BlockNumber,
};

const GRACE: BlockNumber = 480;

#[derive(Default)]
struct State {
	best: BlockNumber,
	lag: BlockNumber,
	/// Channels after each block.
	blocks: BTreeMap<BlockNumber, HashMap<ChannelId, ChannelState>>,
	batches: Vec<Vec<Item>>,
	reads: usize,
	down: bool,
	unreadable: Option<ChannelId>,
	refusing: bool,
}

/// A chain in memory that a test moves as it likes.
#[derive(Default)]
struct FakeChain(Mutex<State>);

impl FakeChain {
	fn state(&self) -> MutexGuard<'_, State> {
		self.0.lock().unwrap()
	}

	fn up(&self) -> Result<MutexGuard<'_, State>, ChainFailure> {
		let state = self.state();
		if state.down {
			Err(ChainFailure("down".into()))
		} else {
			Ok(state)
		}
	}

	/// The best block is `number`, with these channels.
	fn at(&self, number: BlockNumber, channels: &[(u8, ChannelState)]) {
		let mut state = self.state();
		state.best = number;
		let channels = channels.iter().map(|(n, channel)| (id(*n), channel.clone())).collect();
		state.blocks.insert(number, channels);
	}
}

fn block(number: BlockNumber) -> Block {
	Block { number, hash: H256::from_low_u64_be(number.into()) }
}

impl TowerChain for FakeChain {
	fn genesis(&self) -> H256 {
		H256::repeat_byte(9)
	}

	fn best(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		async move { Ok(block(self.up()?.best)) }.boxed()
	}

	fn finalized(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		async move {
			let state = self.up()?;
			Ok(block(state.best.saturating_sub(state.lag)))
		}
		.boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		at: Block,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>> {
		async move {
			let mut state = self.up()?;
			state.reads += 1;
			if state.unreadable == Some(id) {
				return Err(ChainFailure("unreadable".into()));
			}
			let channels = state.blocks.range(..=at.number).next_back();
			Ok(channels.and_then(|(_, channels)| channels.get(&id).cloned()))
		}
		.boxed()
	}

	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		async move {
			let mut state = self.up()?;
			if state.refusing {
				return Err(ChainFailure("refused".into()));
			}
			state.batches.push(items);
			Ok(())
		}
		.boxed()
	}
}

#[derive(Default)]
struct FakeKeep {
	rows: Mutex<BTreeMap<(ChannelId, u32), Held>>,
	full: Mutex<bool>,
}

impl Keep for FakeKeep {
	fn keep(&self, proofs: Vec<Held>) -> BoxFuture<'_, Result<(), KeepFailure>> {
		async move {
			if *self.full.lock().unwrap() {
				return Err(KeepFailure("no space left on device".into()));
			}
			let mut rows = self.rows.lock().unwrap();
			for held in proofs {
				rows.insert((held.item.channel, held.item.lane), held);
			}
			Ok(())
		}
		.boxed()
	}

	fn forget(
		&self,
		channel: ChannelId,
		lanes: Vec<u32>,
	) -> BoxFuture<'_, Result<(), KeepFailure>> {
		async move {
			let mut rows = self.rows.lock().unwrap();
			for lane in lanes {
				rows.remove(&(channel, lane)).expect("it was kept");
			}
			Ok(())
		}
		.boxed()
	}
}

fn id(n: u8) -> ChannelId {
	[n; 32]
}

fn payee() -> AccountId {
	AccountId::new([1; 32])
}

fn key() -> ed25519::Pair {
	ed25519::Pair::from_seed(&[1; 32])
}

fn open() -> ChannelState {
	ChannelState {
		payee: payee(),
		key: Key::Ed25519(key().public().0),
		retired: None,
		deposit: 100,
		settled: 0,
		lane_settled: vec![0],
		revoked: Vec::new(),
		cap: None,
		grace: GRACE,
		ends: None,
	}
}

fn closing() -> ChannelState {
	ChannelState { ends: Some(1_000 + GRACE), ..open() }
}

fn voucher(n: u8, cumulative: Balance) -> Item {
	let voucher = Voucher { channel: id(n), lane: 0, cumulative, valid_until: 0 };
	let bytes = voucher.to_bytes(&Domain::channels(H256::repeat_byte(9)));
	let signature = KeySignature::Ed25519(key().sign(&bytes).0);
	let proof = Proof::Voucher { cumulative, valid_until: 0, signature };
	Item { channel: id(n), lane: 0, capture: None, proof }
}

fn setup() -> (Arc<FakeChain>, Arc<FakeKeep>, Tower) {
	let chain = Arc::new(FakeChain::default());
	chain.at(900, &[(1, open()), (2, open())]);
	let keep = Arc::new(FakeKeep::default());
	let tower = start(&chain, &keep);
	(chain, keep, tower)
}

fn start(chain: &Arc<FakeChain>, keep: &Arc<FakeKeep>) -> Tower {
	let rows: Vec<_> = keep.rows.lock().unwrap().values().cloned().collect();
	Tower::new(Config::new([0; 32]), chain.clone(), Some(keep.clone()), rows)
}

/// After every tower's slot.
const LATE: BlockNumber = 1_000 + GRACE / 2;

#[tokio::test]
async fn offers_should_be_on_disk_and_told_apart() {
	let (_, keep, tower) = setup();
	let items = [voucher(1, 10), voucher(3, 10), voucher(1, 20), voucher(1, 15), voucher(2, 5)];
	let outcomes = tower.offer(Some(&payee()), &items).await.unwrap();
	let unknown = Outcome::Refused(Refused::UnknownChannel);
	use Outcome::{Kept, Known};
	assert_eq!(outcomes, [Kept, unknown, Kept, Known, Kept]);
	let rows: Vec<_> = keep.rows.lock().unwrap().values().map(|held| held.claim).collect();
	assert_eq!(rows, [20, 5]);
	assert_eq!(tower.counts(), (2, 2));
	assert_eq!(tower.offer(None, &items[..1]).await.unwrap(), [Known]);
}

#[tokio::test]
async fn only_the_payee_or_who_is_trusted_should_bring_items() {
	let (_, _, tower) = setup();
	let stranger = AccountId::new([7; 32]);
	let refused = [Outcome::Refused(Refused::NotPayee)];
	assert_eq!(tower.offer(Some(&stranger), &[voucher(1, 10)]).await.unwrap(), refused);
	assert_eq!(tower.offer(None, &[voucher(1, 10)]).await.unwrap(), [Outcome::Kept]);
	// Not even what is known is told to a stranger.
	assert_eq!(tower.offer(Some(&stranger), &[voucher(1, 10)]).await.unwrap(), refused);
}

#[tokio::test]
async fn patience_with_nonsense_should_end() {
	let (chain, _, tower) = setup();
	let items: Vec<_> = (100..200).map(|n| voucher(n, 10)).chain([voucher(1, 10)]).collect();
	let outcomes = tower.offer(Some(&payee()), &items).await.unwrap();
	assert_eq!(outcomes.len(), 101);
	assert!(outcomes.iter().all(|it| *it == Outcome::Refused(Refused::UnknownChannel)));
	assert_eq!(chain.state().reads, PATIENCE);
}

#[tokio::test]
async fn what_is_not_on_disk_should_not_be_called_kept() {
	let (_, keep, tower) = setup();
	*keep.full.lock().unwrap() = true;
	let failed = tower.offer(None, &[voucher(1, 10)]).await;
	assert!(matches!(failed, Err(TowerError::Store(_))));
	assert_eq!(tower.counts(), (0, 0));
	*keep.full.lock().unwrap() = false;
	assert_eq!(tower.offer(None, &[voucher(1, 10)]).await.unwrap(), [Outcome::Kept]);
}

#[tokio::test]
async fn a_close_that_nobody_told_of_should_be_seen_and_settled() {
	let (chain, _, tower) = setup();
	tower.offer(None, &[voucher(1, 10), voucher(2, 20)]).await.unwrap();
	assert_eq!(tower.pass().await.unwrap().claimed, 0);
	chain.at(LATE, &[(1, closing()), (2, open())]);
	assert_eq!(tower.pass().await.unwrap(), Report { looked: 2, claimed: 1, more: false });
	assert_eq!(chain.state().batches, [[voucher(1, 10)]]);
}

#[tokio::test]
async fn a_tower_should_go_on_after_a_restart() {
	let (chain, keep, tower) = setup();
	tower.offer(None, &[voucher(1, 10)]).await.unwrap();
	drop(tower);
	let tower = start(&chain, &keep);
	chain.at(LATE, &[(1, closing())]);
	assert_eq!(tower.pass().await.unwrap().claimed, 1);
}

#[tokio::test]
async fn failures_should_be_tried_again() {
	let (chain, _, tower) = setup();
	tower.offer(None, &[voucher(1, 10), voucher(2, 10)]).await.unwrap();
	chain.at(LATE, &[(1, closing()), (2, closing())]);
	chain.state().down = true;
	assert!(matches!(tower.pass().await, Err(TowerError::Chain(_))));
	assert!(matches!(tower.offer(None, &[voucher(1, 11)]).await, Err(TowerError::Chain(_))));
	chain.state().down = false;
	chain.state().unreadable = Some(id(2));
	chain.state().refusing = true;
	// One cannot be read, and what is sent for the other is refused.
	assert_eq!(tower.pass().await.unwrap(), Report { looked: 1, claimed: 1, more: false });
	chain.state().unreadable = None;
	chain.state().refusing = false;
	chain.at(LATE + 4, &[(1, closing()), (2, closing())]);
	assert_eq!(tower.pass().await.unwrap().claimed, 2);
	assert_eq!(chain.state().batches.len(), 1);
}

#[tokio::test]
async fn what_has_ended_should_be_forgotten_when_that_is_final() {
	let (chain, keep, tower) = setup();
	tower.offer(None, &[voucher(1, 10), voucher(2, 10)]).await.unwrap();
	chain.at(1_000, &[(2, open())]);
	chain.state().lag = 99;
	tower.pass().await.unwrap();
	assert_eq!(tower.counts(), (2, 2), "the channel is still there in the final block");
	chain.at(1_100, &[(2, open())]);
	tower.pass().await.unwrap();
	assert_eq!(tower.counts(), (1, 1));
	assert_eq!(keep.rows.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_pass_should_be_bounded() {
	let (chain, keep, _) = setup();
	let held = Held {
		payee: payee(),
		item: voucher(1, 10),
		claim: 10,
		key: Key::Ed25519(key().public().0),
		at: 900,
	};
	for n in 0..600u32 {
		let mut channel = [0; 32];
		channel[..4].copy_from_slice(&n.to_le_bytes());
		let item = Item { channel, ..held.item };
		keep.rows.lock().unwrap().insert((channel, 0), Held { item, ..held.clone() });
	}
	let tower = start(&chain, &keep);
	assert_eq!(tower.pass().await.unwrap(), Report { looked: PASS, claimed: 0, more: true });
	assert_eq!(tower.pass().await.unwrap().looked, 600 - PASS);
}

#[tokio::test]
async fn running_should_begin_at_once_and_end_when_told() {
	let (chain, _, tower) = setup();
	tower.offer(None, &[voucher(1, 10)]).await.unwrap();
	chain.at(LATE, &[(1, closing())]);
	tower.run(std::future::ready(())).await;
	assert_eq!(chain.state().batches.len(), 1);
}
