use super::*;
use crate::{
	chain::{
		fake::{self, channel, FakeChain},
		ChainView, ChannelInfo,
	},
	keys::{AccountKey, Scheme, VoucherKey},
	payee::{rows::VoucherRecord, Accepted, PayeeConfig},
	store::{tests::FailingStore, MemoryStore, RedbStore, Store},
	ticks::TickChain,
	voucher::{LaneKey, SignedVoucher},
};
use sp_core::H256;
use std::sync::Arc;
use stoa_primitives::{
	channel::ChannelId,
	payload::{CloseConsent, Domain, TickCommit, Voucher},
	Balance,
};

const ID: ChannelId = [9; 32];
const GENESIS: H256 = H256::repeat_byte(1);

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn domain() -> Domain {
	Domain::channels(GENESIS)
}

fn account() -> AccountKey {
	AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap()
}

fn chain(deposit: Balance) -> Arc<FakeChain> {
	let chain = Arc::new(FakeChain::new(GENESIS));
	let payee = account().account();
	let lane_settled = vec![0; 8];
	chain.put(ChannelInfo { payee, lanes: 8, lane_settled, ..channel(ID, key().key(), deposit) });
	chain
}

async fn payee(store: Arc<dyn Store>, chain: &Arc<FakeChain>, max_unflushed: Balance) -> Payee {
	let config = PayeeConfig::new(account().account(), fake::ASSET);
	let view: Arc<dyn ChainView> = chain.clone();
	Payee::start(PayeeConfig { max_unflushed, ..config }, store, view).await.unwrap()
}

fn commit(chain: &TickChain, lane: u32) -> SignedCommit {
	let (count, prefix, root) = (chain.count(), chain.prefix(), chain.root());
	let commit =
		TickCommit { channel: ID, lane, base: 0, value: 10, count, prefix, root, valid_until: 0 };
	SignedCommit::sign(commit, &key(), &domain())
}

fn ticks(chain: &TickChain, lane: u32, indices: std::ops::RangeInclusive<u32>) -> Vec<TickPayment> {
	let at = LaneKey { channel: ID, lane };
	indices
		.map(|index| {
			let tick = chain.tick(index).unwrap();
			TickPayment { at, index, tick, price: 10, request: [1; 32] }
		})
		.collect()
}

fn fresh(verdicts: &[TickVerdict]) -> usize {
	verdicts.iter().filter(|verdict| **verdict == TickVerdict::Fresh).count()
}

fn sign(cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel: ID, lane: 0, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &domain())
}

#[tokio::test]
async fn ticks_that_were_served_should_survive_a_killed_process() {
	let dir = tempfile::tempdir().unwrap();
	let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let before = payee(Arc::new(RedbStore::open(&path).unwrap()), &chain, 0).await;
	assert_eq!(before.open_ticks(&commit(&hashes, 3)).await.unwrap(), Ok(()));
	let verdicts = before.pay_ticks(&ticks(&hashes, 3, 1..=20)).await.unwrap();
	assert_eq!(fresh(&verdicts), 20);
	// Accepted, not flushed, not served.
	let mut verdicts = Vec::new();
	let ticket = before.accept_ticks(&ticks(&hashes, 3, 21..=30), &mut verdicts);
	assert!(fresh(&verdicts) == 10 && !ticket.may_serve);
	std::fs::copy(&path, &copy).unwrap();
	let after = payee(Arc::new(RedbStore::open(&copy).unwrap()), &chain, 0).await;
	after.refresh_all().await.unwrap();
	assert_eq!(after.unsettled()[0].amount, 200);
	let verdicts = after.pay_ticks(&ticks(&hashes, 3, 20..=21)).await.unwrap();
	assert_eq!(verdicts, [TickVerdict::Replay { same_request: true }, TickVerdict::Fresh]);
	// The root is still known to be used.
	let other = after.open_ticks(&commit(&hashes, 4)).await.unwrap();
	assert_eq!(other, Err(Rejection::RootReused));
}

#[tokio::test]
async fn a_failing_disk_should_take_ticks_back() {
	let store = Arc::new(FailingStore::default());
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let payee = payee(store.clone(), &chain, 0).await;
	payee.open_ticks(&commit(&hashes, 0)).await.unwrap().unwrap();
	payee.pay_ticks(&ticks(&hashes, 0, 1..=1)).await.unwrap();
	store.fail.store(true, Ordering::SeqCst);
	let mut verdicts = Vec::new();
	let first = payee.accept_ticks(&ticks(&hashes, 0, 2..=2), &mut verdicts);
	let second = payee.accept_ticks(&ticks(&hashes, 0, 3..=3), &mut verdicts);
	assert_eq!(fresh(&verdicts), 2);
	assert!(matches!(payee.flush(&first).await, Err(PayeeError::Store(_))));
	assert!(matches!(payee.flush(&second).await, Err(PayeeError::TakenBack)));
	store.fail.store(false, Ordering::SeqCst);
	let verdicts = payee.pay_ticks(&ticks(&hashes, 0, 2..=3)).await.unwrap();
	assert_eq!((fresh(&verdicts), payee.unsettled()[0].amount), (2, 30));
}

#[tokio::test]
async fn batches_should_share_a_flush() {
	let store = Arc::new(FailingStore::default());
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let payee = payee(store.clone(), &chain, 0).await;
	payee.open_ticks(&commit(&hashes, 0)).await.unwrap().unwrap();
	let tickets: Vec<_> = (1..=20)
		.map(|index| payee.accept_ticks(&ticks(&hashes, 0, index..=index), &mut Vec::new()))
		.collect();
	let before = store.commits.load(Ordering::SeqCst);
	for ticket in &tickets {
		payee.flush(ticket).await.unwrap();
	}
	assert_eq!(store.commits.load(Ordering::SeqCst), before + 1);
}

#[tokio::test]
async fn what_is_served_ahead_of_the_disk_should_be_bounded() {
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let payee = payee(Arc::new(MemoryStore::default()), &chain, 30).await;
	payee.open_ticks(&commit(&hashes, 0)).await.unwrap().unwrap();
	let take = |index| payee.accept_ticks(&ticks(&hashes, 0, index..=index), &mut Vec::new());
	let served = [1, 2, 3, 4].map(|index| take(index).may_serve);
	assert_eq!(served, [true, true, true, false]);
	payee.flush(&take(5)).await.unwrap();
	assert!(take(6).may_serve);
}

#[tokio::test]
async fn nothing_should_be_served_ahead_of_a_disk_that_has_failed() {
	let store = Arc::new(FailingStore::default());
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let payee = payee(store.clone(), &chain, 30).await;
	payee.open_ticks(&commit(&hashes, 0)).await.unwrap().unwrap();
	let take = |index| payee.accept_ticks(&ticks(&hashes, 0, index..=index), &mut Vec::new());
	store.fail.store(true, Ordering::SeqCst);
	// The same tick is taken again after it was taken back, but served once only.
	for served in [true, false, false] {
		let ticket = take(1);
		assert_eq!(ticket.may_serve, served);
		assert!(payee.flush(&ticket).await.is_err());
	}
	store.fail.store(false, Ordering::SeqCst);
	let ticket = take(1);
	assert!(!ticket.may_serve);
	payee.flush(&ticket).await.unwrap();
	assert!(take(2).may_serve);
}

#[tokio::test]
async fn a_voucher_should_wait_until_the_ticks_of_its_lane_are_kept() {
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let payee = payee(Arc::new(MemoryStore::default()), &chain, 0).await;
	payee.open_ticks(&commit(&hashes, 0)).await.unwrap().unwrap();
	payee.accept_ticks(&ticks(&hashes, 0, 1..=3), &mut Vec::new());
	let Accepted::Fresh(record) = payee.accept(&sign(40), 10, [0; 32]).await.unwrap() else {
		panic!()
	};
	assert_eq!((record.earned, record.count), (40, 4));
	let verdicts = payee.pay_ticks(&ticks(&hashes, 0, 4..=5)).await.unwrap();
	assert!(matches!(verdicts[0], TickVerdict::Rejected(_)));
	assert_eq!((&verdicts[1], payee.unsettled()[0].amount), (&TickVerdict::Fresh, 50));
}

#[tokio::test]
async fn channels_that_have_aged_should_be_read_first() {
	let (chain, hashes) = (chain(1_000), TickChain::random(50).0);
	let payee = payee(Arc::new(MemoryStore::default()), &chain, 0).await;
	let mut verdicts = Vec::new();
	payee.accept_ticks(&ticks(&hashes, 0, 1..=1), &mut verdicts);
	assert_eq!(verdicts, [TickVerdict::NotSynced]);
	chain.state().down = true;
	assert!(payee.open_ticks(&commit(&hashes, 0)).await.is_err());
	chain.state().down = false;
	let forged = SignedCommit { signature: sign(1).signature, ..commit(&hashes, 0) };
	assert_eq!(payee.open_ticks(&forged).await.unwrap(), Err(Rejection::BadSignature));
	assert_eq!(payee.open_ticks(&commit(&hashes, 0)).await.unwrap(), Ok(()));
}

#[tokio::test]
async fn an_agreement_to_close_should_outlast_a_restart() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let chain = chain(1_000);
	let before = payee(store.clone(), &chain, 0).await;
	before.accept(&sign(40), 10, [0; 32]).await.unwrap();
	let agreed = before.consent(&ID, 20, &account()).await.unwrap().unwrap();
	let until = 120;
	assert_eq!(agreed.consent, CloseConsent { channel: ID, total: 10, expires: until });
	drop(before);
	let after = payee(store.clone(), &chain, 0).await;
	let consented = || Ok(Accepted::Rejected(Rejection::Consented { until }));
	let accept = |cumulative| {
		let after = after.clone();
		async move { after.accept(&sign(cumulative), 10, [0; 32]).await.map_err(|_| ()) }
	};
	assert_eq!(accept(50).await, consented());
	chain.state().number = until + 1;
	tokio::time::sleep(super::super::RECHECK).await;
	assert!(matches!(accept(50).await, Ok(Accepted::Fresh(_))));
	// A channel that has ended takes its row with it.
	after.consent(&ID, 20, &account()).await.unwrap().unwrap();
	{
		let mut state = chain.state();
		state.best.clear();
		state.finalized.clear();
		state.number += 1;
	}
	drop(after);
	let last = payee(store.clone(), &chain, 0).await;
	last.refresh_all().await.unwrap();
	for table in [Table::Consents, Table::Payee, Table::Roots] {
		assert!(store.scan(table).unwrap().is_empty());
	}
}

#[tokio::test]
async fn nothing_should_be_agreed_to_that_was_not_written_down() {
	let store = Arc::new(FailingStore::default());
	let payee = payee(store.clone(), &chain(1_000), 0).await;
	payee.accept(&sign(40), 10, [0; 32]).await.unwrap();
	store.fail.store(true, Ordering::SeqCst);
	assert!(payee.consent(&ID, 20, &account()).await.is_err());
	store.fail.store(false, Ordering::SeqCst);
	// And what nobody has does not keep the channel shut.
	assert!(matches!(payee.accept(&sign(50), 10, [0; 32]).await.unwrap(), Accepted::Fresh(_)));
}

#[tokio::test]
async fn rows_of_the_first_versions_should_be_read() {
	let store = Arc::new(MemoryStore::default());
	let chain = chain(1_000);
	let old = |cumulative| VoucherRecord {
		voucher: sign(cumulative),
		earned: cumulative,
		request: [5; 32],
		count: 2,
	};
	let at = LaneKey { channel: ID, lane: 0 };
	for row in [Row::V1(old(30)), Row::V2 { record: old(30), seen: Some(7) }] {
		store.commit(&[Write::put(Table::Payee, &at.to_bytes(), &row)]).unwrap();
		let payee = payee(store.clone(), &chain, 0).await;
		payee.refresh_all().await.unwrap();
		let record = payee.record(&at).unwrap();
		assert_eq!((record.proof, record.count), (sign(30).into(), 2));
		assert_eq!(record.key, Some(key().key()));
		assert_eq!(payee.payable()[0].ends, None);
	}
}
