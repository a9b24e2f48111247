use super::*;
use futures::FutureExt;
use sp_core::{ed25519, Pair, H256};
use std::collections::BTreeMap;
use stoa_primitives::{
	channel::Proof,
	keys::{Key, KeySignature},
	payload::{Payload, Voucher},
	Balance,
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
	/// A channel of which the node says nothing for ever.
	silent: Option<ChannelId>,
	refusing: bool,
	/// What claims must be worth; nothing when nobody asked for it.
	worth: Option<Balance>,
	unpriced: bool,
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
			self.up()?.reads += 1;
			if self.state().silent == Some(id) {
				std::future::pending::<()>().await;
			}
			let state = self.up()?;
			if state.unreadable == Some(id) {
				return Err(ChainFailure("unreadable".into()));
			}
			let channels = state.blocks.range(..=at.number).next_back();
			Ok(channels.and_then(|(_, channels)| channels.get(&id).cloned()))
		}
		.boxed()
	}

	fn worth(&self, _: AssetId) -> BoxFuture<'_, Result<Option<Balance>, ChainFailure>> {
		async move {
			let state = self.up()?;
			match state.unpriced {
				true => Err(ChainFailure("no quote".into())),
				false => Ok(Some(state.worth.unwrap_or(1))),
			}
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
		asset: AssetId::WithId(1),
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
	voucher_until(n, cumulative, 0)
}

fn voucher_until(n: u8, cumulative: Balance, valid_until: BlockNumber) -> Item {
	voucher_by(&key(), n, cumulative, valid_until)
}

fn voucher_by(key: &ed25519::Pair, n: u8, cumulative: Balance, valid_until: BlockNumber) -> Item {
	let voucher = Voucher { channel: id(n), lane: 0, cumulative, valid_until };
	let bytes = voucher.to_bytes(&Domain::channels(H256::repeat_byte(9)));
	let signature = KeySignature::Ed25519(key.sign(&bytes).0);
	let proof = Proof::Voucher { cumulative, valid_until, signature };
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

/// What comes in one offer is judged as what comes in several.
#[tokio::test]
async fn proofs_of_one_lane_in_one_offer_should_be_weighed_against_each_other() {
	let (_, keep, tower) = setup();
	let items = [voucher_until(1, 10, 2_000), voucher(1, 10), voucher_until(1, 20, 2_000)];
	let outcomes = tower.offer(Some(&payee()), &items).await.unwrap();
	let expires = Outcome::Refused(Refused::WouldExpire);
	assert_eq!(outcomes, [Outcome::Kept, Outcome::Kept, expires]);
	let rows: Vec<_> = keep.rows.lock().unwrap().values().map(|held| held.item).collect();
	assert_eq!(rows, [voucher(1, 10)]);
}

/// The tower looks at a channel from time to time only; what a payee has left after its disk was put back must
/// not seem to be kept because of what it had before.
#[tokio::test]
async fn a_proof_by_a_key_that_has_died_since_the_last_look_should_give_way() {
	let (chain, keep, tower) = setup();
	let offer = |item| {
		let tower = tower.clone();
		async move { tower.offer(Some(&payee()), &[item]).await.unwrap() }
	};
	assert_eq!(offer(voucher(1, 20)).await, [Outcome::Kept]);
	assert_eq!(offer(voucher(1, 15)).await, [Outcome::Known]);
	let (old, new) = (Key::Ed25519(key().public().0), ed25519::Pair::from_seed(&[2; 32]));
	let key = Key::Ed25519(new.public().0);
	chain.at(960, &[(1, ChannelState { key, retired: Some((old, 950)), ..open() })]);
	assert_eq!(offer(voucher_by(&new, 1, 15, 0)).await, [Outcome::Kept]);
	let rows: Vec<_> = keep.rows.lock().unwrap().values().map(|held| held.claim).collect();
	assert_eq!(rows, [15]);
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

/// Items of channels that are not there.
fn nonsense() -> Vec<Item> {
	(100..200).map(|n| voucher(n, 10)).collect()
}

const UNKNOWN: Outcome = Outcome::Refused(Refused::UnknownChannel);
const UNSEEN: Outcome = Outcome::Refused(Refused::Unseen);

#[tokio::test]
async fn patience_with_nonsense_should_end() {
	let (chain, _, tower) = setup();
	let items = [nonsense(), vec![voucher(1, 10)]].concat();
	let outcomes = tower.offer(Some(&payee()), &items).await.unwrap();
	assert_eq!(outcomes[..PATIENCE], [UNKNOWN; PATIENCE]);
	assert_eq!(outcomes[PATIENCE..], [UNSEEN; 101 - PATIENCE]);
	assert_eq!(chain.state().reads, PATIENCE);
	// Not with the next request either, but with others, and with channels that are watched.
	assert_eq!(tower.offer(Some(&payee()), &items[100..]).await.unwrap(), [UNSEEN]);
	assert_eq!(tower.offer(None, &items[100..]).await.unwrap(), [Outcome::Kept]);
	assert_eq!(chain.state().reads, PATIENCE + 1);
	assert_eq!(tower.offer(Some(&payee()), &[voucher(1, 11)]).await.unwrap(), [Outcome::Kept]);
	// Forged ones cost signature checks, and those are bounded too.
	let Proof::Voucher { signature, .. } = voucher(1, 12).proof else { panic!("a voucher") };
	let forged = |cumulative| {
		let proof = Proof::Voucher { cumulative, valid_until: 0, signature };
		Item { proof, ..voucher(1, cumulative) }
	};
	let forged: Vec<_> = (20..90).map(forged).collect();
	let outcomes = tower.offer(Some(&payee()), &forged).await.unwrap();
	assert_eq!(outcomes.iter().filter(|it| **it == UNSEEN).count(), 70 - PATIENCE);
}

#[tokio::test(start_paused = true)]
async fn strangers_should_not_take_the_towers_time_from_those_it_serves() {
	let (chain, _, tower) = setup();
	tower.offer(Some(&payee()), &[voucher(1, 10)]).await.unwrap();
	let before = chain.state().reads;
	for n in 50..100 {
		let stranger = AccountId::new([n; 32]);
		tower.offer(Some(&stranger), &nonsense()).await.unwrap();
	}
	assert_eq!(chain.state().reads - before, crate::patience::STRANGERS);
	assert_eq!(tower.offer(Some(&payee()), &[voucher(1, 20)]).await.unwrap(), [Outcome::Kept]);
	let newcomer = AccountId::new([9; 32]);
	let state = ChannelState { payee: newcomer.clone(), ..open() };
	chain.at(901, &[(1, open()), (3, state)]);
	let item = [voucher(3, 10)];
	assert_eq!(tower.offer(Some(&newcomer), &item).await.unwrap(), [UNSEEN]);
	tokio::time::advance(crate::patience::WINDOW).await;
	assert_eq!(tower.offer(Some(&newcomer), &item).await.unwrap(), [Outcome::Kept]);
}

#[tokio::test]
async fn an_offer_that_waits_for_the_chain_should_hold_up_no_other() {
	let (chain, _, tower) = setup();
	chain.state().silent = Some(id(2));
	let (other, stranger) = (tower.clone(), AccountId::new([7; 32]));
	let waiting = tokio::spawn(async move { other.offer(Some(&stranger), &[voucher(2, 5)]).await });
	while chain.state().reads == 0 {
		tokio::task::yield_now().await;
	}
	assert_eq!(tower.offer(Some(&payee()), &[voucher(1, 10)]).await.unwrap(), [Outcome::Kept]);
	assert!(!waiting.is_finished());
	waiting.abort();
}

#[tokio::test]
async fn of_two_offers_at_a_time_the_higher_should_stay() {
	let (_, keep, tower) = setup();
	let payee = payee();
	for round in 0..20u128 {
		let amounts = [1 + 3 * round, 3 + 3 * round, 2 + 3 * round].map(|n| [voucher(1, n)]);
		let offers = amounts.iter().map(|items| tower.offer(Some(&payee), items));
		for outcome in futures::future::join_all(offers).await {
			assert!(matches!(outcome.unwrap()[..], [Outcome::Kept | Outcome::Known]));
		}
		let rows: Vec<_> = keep.rows.lock().unwrap().values().map(|held| held.claim).collect();
		assert_eq!(rows, [3 + 3 * round]);
	}
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

#[tokio::test]
async fn trifles_should_be_left_alone_while_their_fee_is_known() {
	let (chain, _, tower) = setup();
	tower.offer(None, &[voucher(1, 10), voucher(2, 20)]).await.unwrap();
	chain.state().worth = Some(20);
	chain.at(LATE, &[(1, closing()), (2, closing())]);
	assert_eq!(tower.pass().await.unwrap().claimed, 1);
	assert_eq!(chain.state().batches, [[voucher(2, 20)]]);
	// Better a fee too many than a payee too few.
	let (chain, _, tower) = setup();
	tower.offer(None, &[voucher(1, 10)]).await.unwrap();
	chain.state().unpriced = true;
	chain.at(LATE, &[(1, closing())]);
	assert_eq!(tower.pass().await.unwrap().claimed, 1);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_stands_still_should_be_an_error_until_it_goes_on() {
	let (chain, _, tower) = setup();
	assert_eq!(tower.health(), Health::default());
	tower.pass().await.unwrap();
	tokio::time::advance(Duration::from_secs(60)).await;
	tower.pass().await.unwrap();
	tokio::time::advance(Duration::from_secs(1)).await;
	assert!(matches!(tower.pass().await, Err(TowerError::Stalled { number: 900, .. })));
	let health = tower.health();
	assert_eq!((health.best, health.stalled), (Some(900), Some(Duration::from_secs(61))));
	// Backups are taken all the same.
	assert_eq!(tower.offer(None, &[voucher(1, 10)]).await.unwrap(), [Outcome::Kept]);
	chain.at(901, &[(1, open())]);
	tower.pass().await.unwrap();
	assert_eq!(tower.health(), Health { best: Some(901), stalled: None });
	// A node that does not answer shows as little.
	chain.state().down = true;
	tokio::time::advance(Duration::from_secs(61)).await;
	assert!(matches!(tower.pass().await, Err(TowerError::Chain(_))));
	assert_eq!(tower.health().stalled, Some(Duration::from_secs(61)));
}

#[tokio::test]
async fn a_payee_should_get_its_own_back() {
	let (_, _, tower) = setup();
	tower.offer(None, &[voucher(2, 20), voucher(1, 10)]).await.unwrap();
	assert_eq!(tower.items_of(&payee()), [voucher(1, 10), voucher(2, 20)]);
	assert!(tower.items_of(&AccountId::new([7; 32])).is_empty());
}

/// What the payee signs as a statement.
fn statement(items: &[Item]) -> sp_statement_store::Statement {
	let (now, sign) = (std::time::SystemTime::now(), |bytes: &[u8]| key().sign(bytes).into());
	crate::List::only().pack(&signer(), items, now, sign).statements.remove(0)
}

/// A payee whose account key the test has.
fn signer() -> AccountId {
	AccountId::new(key().public().0)
}

#[tokio::test(start_paused = true)]
async fn a_backup_from_the_statement_store_should_be_tried_again_until_it_can_be_taken() {
	let (chain, _, tower) = setup();
	let ours = || ChannelState { payee: signer(), ..open() };
	let (door, mut later) = (crate::Door::default(), crate::Later::new());
	// The channel is not in the node's best block yet.
	later.take(statement(&[voucher(3, 10)]), &door, &tower).await;
	assert_eq!(tower.counts(), (0, 0));
	chain.at(901, &[(1, open()), (3, ours()), (4, ours())]);
	later.take_due(&door, &tower).await;
	assert_eq!(tower.counts(), (0, 0), "it is too early");
	tokio::time::advance(Duration::from_secs(6)).await;
	later.take_due(&door, &tower).await;
	assert_eq!(tower.counts(), (1, 1));
	// The node does not answer, and once more.
	chain.state().down = true;
	later.take(statement(&[voucher(3, 10), voucher(4, 7)]), &door, &tower).await;
	for seconds in [6, 12] {
		tokio::time::advance(Duration::from_secs(seconds)).await;
		later.take_due(&door, &tower).await;
	}
	assert_eq!(tower.counts(), (1, 1));
	chain.state().down = false;
	tokio::time::advance(Duration::from_secs(24)).await;
	later.take_due(&door, &tower).await;
	assert_eq!(tower.counts(), (2, 2));
	// What is good for nothing is not tried again.
	let reads = chain.state().reads;
	later.take(statement(&[voucher(1, 10)]), &door, &tower).await;
	tokio::time::advance(Duration::from_secs(60)).await;
	later.take_due(&door, &tower).await;
	assert_eq!(chain.state().reads, reads + 1);
}
