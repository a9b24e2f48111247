use super::*;
use crate::{
	chain::{
		fake::{self, channel, FakeChain},
		ChannelInfo, Phase,
	},
	keys::{Scheme, VoucherKey},
	payee::{Accepted, Checked, PayeeConfig},
	store::{MemoryStore, Store, StoreError, Table, Write},
	ticks::TickChain,
};
use sp_core::H256;
use std::{
	sync::{
		atomic::{AtomicBool, AtomicUsize, Ordering},
		Arc,
	},
	time::Duration,
};
use stoa_primitives::{
	channel::ChannelId,
	payload::{Domain, TickCommit, Voucher},
};

const GENESIS: H256 = H256::repeat_byte(1);
const ID: ChannelId = [9; 32];
const PRICE: Balance = 10;
const REQUEST: [u8; 32] = [7; 32];

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

/// A store that counts its commits, and fails when it is told to.
#[derive(Default)]
struct Disk {
	inner: MemoryStore,
	fail: AtomicBool,
	commits: AtomicUsize,
}

impl Store for Disk {
	fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
		self.inner.get(table, key)
	}
	fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
		self.inner.scan(table)
	}
	fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
		if self.fail.load(Ordering::SeqCst) {
			return Err(StoreError::Failed("no space left on device".into()));
		}
		self.commits.fetch_add(1, Ordering::SeqCst);
		// Long enough that calls which come together find a flush under way.
		std::thread::sleep(Duration::from_millis(5));
		self.inner.commit(writes)
	}
}

struct World {
	chain: Arc<FakeChain>,
	disk: Arc<Disk>,
	payee: Payee,
}

impl World {
	async fn new(deposit: Balance) -> Self {
		let chain = Arc::new(FakeChain::new(GENESIS));
		chain.put(info(deposit));
		Self::on(chain, Arc::new(Disk::default())).await
	}

	async fn on(chain: Arc<FakeChain>, disk: Arc<Disk>) -> Self {
		let config =
			PayeeConfig { max_age: Duration::ZERO, ..PayeeConfig::new(fake::payee(), fake::ASSET) };
		let payee = Payee::start(config, disk.clone(), chain.clone()).await.unwrap();
		Self { chain, disk, payee }
	}

	async fn check(&self, claim: &TickClaim) -> Result<VerifiedTick, Rejection> {
		match self.payee.check_tick(claim, PRICE).await.unwrap() {
			CheckedTick::Valid(verified) => Ok(verified),
			CheckedTick::Rejected(rejection) => Err(rejection),
		}
	}

	async fn reserve(&self, verified: &VerifiedTick) -> TickReservation {
		match self.payee.reserve_tick(verified, PRICE, REQUEST).await.unwrap() {
			TickDecision::Reserved(reservation) => reservation,
			TickDecision::Replay { .. } => panic!("a replay"),
			TickDecision::Rejected(rejection) => panic!("{rejection}"),
		}
	}

	async fn pay(&self, claim: &TickClaim) {
		let verified = self.check(claim).await.unwrap();
		self.reserve(&verified).await.commit().await.unwrap();
	}

	fn accepted(&self, lane: u32) -> Balance {
		let record = self.payee.record(&LaneKey { channel: ID, lane });
		record.map_or(0, |record| record.proof.amount())
	}
}

fn info(deposit: Balance) -> ChannelInfo {
	ChannelInfo { lanes: 8, lane_settled: vec![0; 8], ..channel(ID, key().key(), deposit) }
}

/// A hash chain and its commitment on a lane.
struct Series {
	chain: TickChain,
	signed: SignedCommit,
}

impl Series {
	fn new(lane: u32, base: Balance) -> Self {
		let (chain, _) = TickChain::random(100);
		let commit = TickCommit {
			channel: ID,
			lane,
			base,
			value: PRICE,
			count: 100,
			prefix: chain.prefix(),
			root: chain.root(),
			valid_until: 0,
		};
		let signed = SignedCommit::sign(commit, &key(), &Domain::channels(GENESIS));
		Self { chain, signed }
	}

	fn short(&self, index: u32) -> TickClaim {
		let tick = self.chain.tick(index).unwrap();
		TickClaim { at: self.signed.lane(), index, tick, commit: None }
	}

	fn full(&self, index: u32) -> TickClaim {
		TickClaim { commit: Some(self.signed), ..self.short(index) }
	}
}

#[tokio::test]
async fn a_commitment_should_be_opened_by_its_first_tick_and_be_left_out_after() {
	let world = World::new(1_000).await;
	let series = Series::new(0, 0);
	assert_eq!(world.check(&series.short(1)).await.unwrap_err(), Rejection::NoCommitment);
	// Checking opens nothing, nor does a call that comes to nothing.
	let verified = world.check(&series.full(1)).await.unwrap();
	drop(world.reserve(&verified).await);
	assert_eq!(world.check(&series.short(1)).await.unwrap_err(), Rejection::NoCommitment);
	world.pay(&series.full(1)).await;
	world.pay(&series.short(2)).await;
	assert_eq!(world.accepted(0), 2 * PRICE);
	assert_eq!(world.payee.totals().vouchers, 2);

	// It is known after a restart as well.
	let again = World::on(world.chain.clone(), world.disk.clone()).await;
	again.pay(&series.short(3)).await;
	assert_eq!(again.accepted(0), 3 * PRICE);
}

#[tokio::test]
async fn the_same_tick_should_be_a_replay_and_buy_nothing_else() {
	let world = World::new(1_000).await;
	let series = Series::new(0, 0);
	world.pay(&series.full(1)).await;
	for (claim, request, same) in [
		(series.short(1), REQUEST, true),
		(series.full(1), REQUEST, true),
		(series.short(1), [8; 32], false),
	] {
		let verified = world.check(&claim).await.unwrap();
		let decision = world.payee.reserve_tick(&verified, PRICE, request).await.unwrap();
		let TickDecision::Replay { same_request } = decision else { panic!("no replay") };
		assert_eq!(same_request, same);
	}
	world.pay(&series.short(2)).await;
	let old = world.check(&series.short(1)).await.unwrap_err();
	assert!(matches!(old, Rejection::Insufficient { required: 30, accepted: 20, .. }), "{old:?}");
}

#[tokio::test]
async fn an_old_commitment_should_change_nothing_whoever_shows_it() {
	let world = World::new(1_000).await;
	let (old, new) = (Series::new(0, 0), Series::new(0, PRICE));
	world.pay(&old.full(1)).await;
	world.pay(&new.full(1)).await;
	// Settled ticks are public, with their commitments.
	let shown = world.check(&old.full(1)).await.unwrap_err();
	assert!(matches!(shown, Rejection::Insufficient { .. }), "{shown:?}");
	world.pay(&new.short(2)).await;
	assert_eq!(world.accepted(0), 3 * PRICE);
}

#[tokio::test]
async fn commitments_of_others_should_be_refused() {
	let world = World::new(1_000).await;
	let mut forged = Series::new(0, 0);
	let other = VoucherKey::from_uri("//Other", Scheme::Ed25519).unwrap();
	forged.signed = SignedCommit::sign(forged.signed.commit, &other, &Domain::channels(GENESIS));
	assert_eq!(world.check(&forged.full(1)).await.unwrap_err(), Rejection::BadSignature);
	let mut moved = Series::new(0, 0).full(1);
	moved.at.lane = 1;
	assert_eq!(world.check(&moved).await.unwrap_err(), Rejection::NoCommitment);
	let mut unknown = Series::new(0, 0).full(1);
	unknown.at.channel = [3; 32];
	assert_eq!(world.check(&unknown).await.unwrap_err(), Rejection::UnknownChannel);
	unknown.commit = None;
	assert_eq!(world.check(&unknown).await.unwrap_err(), Rejection::UnknownChannel);
}

#[tokio::test]
async fn ticks_and_vouchers_should_take_turns_on_a_lane() {
	let world = World::new(1_000).await;
	let series = Series::new(0, 0);
	let verified = world.check(&series.full(1)).await.unwrap();
	let reservation = world.reserve(&verified).await;
	let voucher = Voucher { channel: ID, lane: 0, cumulative: 3 * PRICE, valid_until: 0 };
	let signed = key().sign_voucher(voucher, &Domain::channels(GENESIS));
	let queued = {
		let (payee, signed) = (world.payee.clone(), signed);
		tokio::spawn(async move { payee.accept(&signed, PRICE, [1; 32]).await })
	};
	// A second tick waits behind them.
	let Checked::Valid(_) = world.payee.check(&signed, PRICE).await.unwrap() else {
		panic!("the voucher is good");
	};
	tokio::time::sleep(Duration::from_millis(20)).await;
	assert!(!queued.is_finished());
	reservation.commit().await.unwrap();
	assert!(matches!(queued.await.unwrap().unwrap(), Accepted::Fresh(_)));
	assert_eq!(world.accepted(0), 3 * PRICE);
	let low = world.check(&series.short(3)).await.unwrap_err();
	assert!(matches!(low, Rejection::Insufficient { required: 40, .. }), "{low:?}");
	world.pay(&series.short(4)).await;
}

#[tokio::test]
async fn calls_under_way_should_leave_room_for_each_other_and_forbid_a_consent() {
	let world = World::new(PRICE).await;
	let (one, two) = (Series::new(0, 0), Series::new(1, 0));
	let first = world.check(&one.full(1)).await.unwrap();
	let second = world.check(&two.full(1)).await.unwrap();
	let reservation = world.reserve(&first).await;
	let decision = world.payee.reserve_tick(&second, PRICE, REQUEST).await.unwrap();
	let TickDecision::Rejected(Rejection::AboveDeposit { .. }) = decision else {
		panic!("both would be served");
	};
	let account = crate::keys::AccountKey::from_uri("//P", Scheme::Sr25519).unwrap();
	let consent = world.payee.consent(&ID, 10, &account).await;
	assert!(matches!(consent, Err(PayeeError::Busy)));
	reservation.commit().await.unwrap();
	assert_eq!(world.accepted(0), PRICE);
}

#[tokio::test]
async fn what_was_served_should_be_taken_although_a_close_was_requested_meanwhile() {
	let world = World::new(1_000).await;
	let series = Series::new(0, 0);
	let verified = world.check(&series.full(1)).await.unwrap();
	let reservation = world.reserve(&verified).await;
	let mut closing = info(1_000);
	closing.phase = Phase::Closing { ends: 999 };
	world.chain.put(closing);
	world.payee.refresh_all().await.unwrap();
	reservation.commit().await.unwrap();
	assert_eq!(world.accepted(0), PRICE);
	assert_eq!(world.check(&series.short(2)).await.unwrap_err(), Rejection::Closing);
}

#[tokio::test]
async fn a_tick_that_cannot_be_kept_should_be_free_again() {
	let world = World::new(1_000).await;
	let series = Series::new(0, 0);
	let verified = world.check(&series.full(1)).await.unwrap();
	let reservation = world.reserve(&verified).await;
	world.disk.fail.store(true, Ordering::SeqCst);
	assert!(reservation.commit().await.is_err());
	world.disk.fail.store(false, Ordering::SeqCst);
	assert_eq!(world.accepted(0), 0);
	world.pay(&series.full(1)).await;
	assert_eq!(world.accepted(0), PRICE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_come_together_should_share_a_flush() {
	let world = World::new(1_000).await;
	let series: Vec<_> = (0..8).map(|lane| Series::new(lane, 0)).collect();
	let mut reservations = Vec::new();
	for one in &series {
		let verified = world.check(&one.full(1)).await.unwrap();
		reservations.push(world.reserve(&verified).await);
	}
	let before = world.disk.commits.load(Ordering::SeqCst);
	let commits = reservations.into_iter().map(|reservation| tokio::spawn(reservation.commit()));
	for commit in commits.collect::<Vec<_>>() {
		commit.await.unwrap().unwrap();
	}
	let flushes = world.disk.commits.load(Ordering::SeqCst) - before;
	assert!(flushes <= 4, "{flushes} flushes for eight calls");
	assert!((0..8).all(|lane| world.accepted(lane) == PRICE));
}
