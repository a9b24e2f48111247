use super::*;
use crate::store::{tests::FailingStore, MemoryStore, RedbStore};
use std::sync::atomic::Ordering;
use stoa_primitives::payload::Payload;

const GENESIS: H256 = H256::repeat_byte(3);
const CHANNEL: ChannelId = [7; 32];

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", crate::keys::Scheme::Ed25519).unwrap()
}

fn info(deposit: Balance) -> ChannelInfo {
	crate::chain::fake::channel(CHANNEL, key().key(), deposit)
}

async fn payer_with(store: Arc<dyn Store>, deposit: Balance, policy: Policy) -> Payer {
	let payer = Payer::new(store, GENESIS, policy).unwrap();
	payer.add_channel(&info(deposit), key()).await.unwrap();
	payer
}

async fn payer(deposit: Balance) -> Payer {
	payer_with(Arc::new(MemoryStore::default()), deposit, Policy::per_call(100)).await
}

fn sign(cumulative: Balance) -> SignedVoucher {
	let voucher =
		stoa_primitives::payload::Voucher { channel: CHANNEL, lane: 0, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &Domain::channels(GENESIS))
}

fn refused<T>(result: Result<T, PayError>) -> Refusal {
	match result {
		Err(PayError::Refused(refusal)) => refusal,
		Err(other) => panic!("{other}"),
		Ok(_) => panic!("not refused"),
	}
}

#[tokio::test]
async fn vouchers_should_rise_by_the_price_and_verify() {
	let payer = payer(1_000).await;
	for n in 1..=3 {
		let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
		assert_eq!(payment.signed().voucher.cumulative, n * 10);
		assert!(payment.signed().verify(&key().key(), payer.domain()));
		assert_eq!(payment.signed().voucher.to_bytes(payer.domain()).len(), 96);
		payment.acknowledge();
	}
	let channel = payer.channels().remove(0);
	assert_eq!((channel.signed, channel.acknowledged), (30, 30));
}

#[tokio::test]
async fn an_unacknowledged_voucher_should_be_used_again() {
	let payer = payer(1_000).await;
	let first = *payer.pay(&CHANNEL, 0, 10).await.unwrap().signed();
	assert_eq!(*payer.pay(&CHANNEL, 0, 10).await.unwrap().signed(), first);
	// A cheaper call is covered by the same voucher, a dearer one is not.
	assert_eq!(*payer.pay(&CHANNEL, 0, 5).await.unwrap().signed(), first);
	assert_eq!(payer.pay(&CHANNEL, 0, 15).await.unwrap().signed().voucher.cumulative, 15);
}

#[tokio::test]
async fn limits_should_refuse_before_anything_is_signed() {
	let policy = Policy { max_price: 50, budget: 60 };
	let payer = payer_with(Arc::new(MemoryStore::default()), 80, policy).await;
	assert_eq!(refused(payer.pay(&CHANNEL, 0, 0).await), Refusal::ZeroPrice);
	assert_eq!(
		refused(payer.pay(&CHANNEL, 0, 51).await),
		Refusal::AboveMaxPrice { price: 51, limit: 50 }
	);
	assert_eq!(refused(payer.pay(&CHANNEL, 1, 1).await), Refusal::UnknownLane { lane: 1 });
	payer.pay(&CHANNEL, 0, 50).await.unwrap().acknowledge();
	assert_eq!(
		refused(payer.pay(&CHANNEL, 0, 11).await),
		Refusal::BudgetSpent { remaining: 10, price: 11 }
	);
	assert_eq!(payer.channels()[0].signed, 50);
}

#[tokio::test]
async fn a_low_deposit_should_name_the_shortfall_and_a_top_up_cure_it() {
	let payer = payer(25).await;
	for _ in 0..2 {
		payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	}
	assert_eq!(refused(payer.pay(&CHANNEL, 0, 10).await), Refusal::DepositTooLow { shortfall: 5 });
	payer.set_deposit(&CHANNEL, 30).unwrap();
	payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
}

#[tokio::test]
async fn nothing_should_leave_when_the_store_fails() {
	let store = Arc::new(FailingStore::default());
	let payer = payer_with(store.clone(), 100, Policy::per_call(100)).await;
	store.fail.store(true, Ordering::SeqCst);
	assert!(matches!(payer.pay(&CHANNEL, 0, 10).await, Err(PayError::Store(_))));
	assert_eq!(payer.channels()[0].signed, 0);
	store.fail.store(false, Ordering::SeqCst);
	assert_eq!(payer.pay(&CHANNEL, 0, 10).await.unwrap().signed().voucher.cumulative, 10);
}

#[tokio::test]
async fn a_restart_should_never_sign_less_or_twice_differently() {
	let dir = tempfile::tempdir().unwrap();
	let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
	let store = Arc::new(RedbStore::open(&path).unwrap());
	let before = payer_with(store, 100, Policy::per_call(100)).await;
	before.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	let pending = *before.pay(&CHANNEL, 0, 10).await.unwrap().signed();
	// What a killed process leaves: the file as it is, with nothing closed.
	std::fs::copy(&path, &copy).unwrap();
	let after =
		Payer::new(Arc::new(RedbStore::open(&copy).unwrap()), GENESIS, Policy::per_call(100))
			.unwrap();
	assert!(matches!(after.pay(&CHANNEL, 0, 20).await, Err(PayError::KeyMissing(_))));
	after.add_key(key());
	assert_eq!(*after.pay(&CHANNEL, 0, 10).await.unwrap().signed(), pending);
}

#[tokio::test]
async fn a_proven_statement_should_correct_once() {
	let payer = payer(1_000).await;
	// An older copy of the store: the payee has seen 40, we remember nothing.
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let payment = payment.correct(&sign(40)).await.unwrap();
	assert_eq!(payment.signed().voucher.cumulative, 50);
	assert!(matches!(payment.correct(&sign(50)).await, Err(PayError::Unproven)));
	assert_eq!(payer.channels()[0].acknowledged, 40);
}

#[tokio::test]
async fn a_lost_answer_should_be_corrected_when_the_voucher_was_sent_before() {
	let payer = payer(1_000).await;
	let lost = *payer.pay(&CHANNEL, 0, 10).await.unwrap().signed();
	let again = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let next = again.correct(&lost).await.unwrap();
	assert_eq!(next.signed().voucher.cumulative, 20);
}

#[tokio::test]
async fn a_payee_should_not_milk_a_payer_by_claiming_what_it_just_received() {
	let payer = payer(1_000).await;
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let received = *payment.signed();
	assert!(matches!(payment.correct(&received).await, Err(PayError::Unproven)));
	assert_eq!(payer.channels()[0].signed, 10);
}

#[tokio::test]
async fn unproven_statements_should_change_nothing() {
	let payer = payer(1_000).await;
	let mut other_chain = sign(40);
	other_chain.signature =
		key().sign_voucher(other_chain.voucher, &Domain::channels(H256::zero())).signature;
	let mut altered = sign(40);
	altered.voucher.cumulative = 41;
	let mut other_lane = sign(40);
	other_lane.voucher.lane = 1;
	let mut other_channel = sign(40);
	other_channel.voucher.channel = [8; 32];
	for statement in [other_chain, altered, other_lane, other_channel] {
		let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
		assert!(matches!(payment.correct(&statement).await, Err(PayError::Unproven)));
	}
	assert_eq!(payer.channels()[0].signed, 10);
}

#[tokio::test]
async fn keys_and_chains_should_be_checked() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let payer = Payer::new(store.clone(), GENESIS, Policy::per_call(1)).unwrap();
	let wrong = VoucherKey::generate().0;
	assert!(matches!(payer.add_channel(&info(1), wrong).await, Err(PayError::WrongKey(_))));
	assert!(matches!(payer.pay(&CHANNEL, 0, 1).await, Err(PayError::UnknownChannel(_))));
	assert!(matches!(
		Payer::new(store, H256::zero(), Policy::per_call(1)),
		Err(PayError::Store(StoreError::OtherChain(_)))
	));
}

#[tokio::test]
async fn calls_on_one_lane_should_take_turns() {
	let payer = payer(1_000).await;
	let first = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let second = {
		let payer = payer.clone();
		tokio::spawn(async move { *payer.pay(&CHANNEL, 0, 10).await.unwrap().signed() })
	};
	tokio::task::yield_now().await;
	assert!(!second.is_finished());
	first.acknowledge();
	assert_eq!(second.await.unwrap().voucher.cumulative, 20);
}

#[tokio::test]
async fn channels_should_be_found_by_payee_and_asset() {
	let payer = payer(100).await;
	let info = info(100);
	assert_eq!(payer.find(&info.payee, &info.asset), Some(CHANNEL));
	assert_eq!(payer.find(&info.payee, &AssetId::Native), None);
	let closing = ChannelInfo { phase: Phase::Closing { ends: 1 }, ..info.clone() };
	for seen in [Some(&closing), None] {
		payer.observe(&CHANNEL, seen);
		assert_eq!(payer.find(&info.payee, &info.asset), None);
		payer.observe(&CHANNEL, Some(&info));
		assert_eq!(payer.find(&info.payee, &info.asset), Some(CHANNEL));
	}
	payer.remove_channel(&CHANNEL).await.unwrap();
	assert_eq!(payer.find(&info.payee, &info.asset), None);
}
