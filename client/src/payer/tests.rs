use super::*;
use crate::{
	agreement::{Disagreement, SignedConsent},
	allowance::Allowance,
	chain::{BlockRef, ChannelInfo, Phase},
	store::{tests::FailingStore, MemoryStore, RedbStore},
	voucher::SignedVoucher,
};
use std::sync::atomic::Ordering;
use stoa_primitives::{payload::Payload, AccountId, AssetId};

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

/// What a process leaves that is killed now, or a copy of its store.
fn copy(store: &dyn Store) -> Arc<MemoryStore> {
	let copy = MemoryStore::default();
	for table in Table::ALL {
		let rows = store.scan(table).unwrap().into_iter();
		let writes: Vec<_> =
			rows.map(|(key, value)| Write { table, key, value: Some(value) }).collect();
		copy.commit(&writes).unwrap();
	}
	Arc::new(copy)
}

fn sign_voucher(cumulative: Balance) -> SignedVoucher {
	let voucher =
		stoa_primitives::payload::Voucher { channel: CHANNEL, lane: 0, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &Domain::channels(GENESIS))
}

fn sign(cumulative: Balance) -> Allowance {
	sign_voucher(cumulative).into()
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
		assert_eq!(payment.proof().amount(), n * 10);
		assert!(payment.proof().verify(&key().key(), payer.domain()));
		assert_eq!(payment.voucher().unwrap().voucher.to_bytes(payer.domain()).len(), 96);
		payment.acknowledge();
	}
	let channel = payer.channels().remove(0);
	assert_eq!((channel.signed, channel.acknowledged), (30, 30));
}

#[tokio::test]
async fn an_unacknowledged_voucher_should_be_used_again() {
	let payer = payer(1_000).await;
	let first = *payer.pay(&CHANNEL, 0, 10).await.unwrap().proof();
	assert_eq!(*payer.pay(&CHANNEL, 0, 10).await.unwrap().proof(), first);
	// A cheaper call is covered by the same voucher, a dearer one is not.
	assert_eq!(*payer.pay(&CHANNEL, 0, 5).await.unwrap().proof(), first);
	assert_eq!(payer.pay(&CHANNEL, 0, 15).await.unwrap().proof().amount(), 15);
}

#[tokio::test]
async fn limits_should_refuse_before_anything_is_signed() {
	let policy = Policy { budget: 60, max_unanswered: 0, ..Policy::per_call(50) };
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
	assert_eq!(payer.pay(&CHANNEL, 0, 10).await.unwrap().proof().amount(), 10);
}

#[tokio::test]
async fn a_restart_should_never_sign_less_or_twice_differently() {
	let dir = tempfile::tempdir().unwrap();
	let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
	let store = Arc::new(RedbStore::open(&path).unwrap());
	let before = payer_with(store, 100, Policy::per_call(100)).await;
	before.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	let pending = *before.pay(&CHANNEL, 0, 10).await.unwrap().proof();
	// What a killed process leaves: the file as it is, with nothing closed.
	std::fs::copy(&path, &copy).unwrap();
	let after =
		Payer::new(Arc::new(RedbStore::open(&copy).unwrap()), GENESIS, Policy::per_call(100))
			.unwrap();
	assert!(matches!(after.pay(&CHANNEL, 0, 20).await, Err(PayError::KeyMissing(_))));
	after.add_key(key());
	assert_eq!(*after.pay(&CHANNEL, 0, 10).await.unwrap().proof(), pending);
}

#[tokio::test]
async fn a_proven_statement_should_correct_once() {
	let payer = payer(1_000).await;
	// An older copy of the store: the payee has seen 40, we remember nothing.
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let payment = payment.correct(&sign(40)).await.unwrap();
	assert_eq!(payment.proof().amount(), 50);
	assert!(matches!(payment.correct(&sign(50)).await, Err(PayError::Unproven)));
	assert_eq!(payer.channels()[0].acknowledged, 40);
}

#[tokio::test]
async fn a_lost_answer_should_be_corrected_when_the_voucher_was_sent_before() {
	let payer = payer(1_000).await;
	let lost = *payer.pay(&CHANNEL, 0, 10).await.unwrap().proof();
	let again = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let next = again.correct(&lost).await.unwrap();
	assert_eq!(next.proof().amount(), 20);
}

#[tokio::test]
async fn a_payee_should_not_milk_a_payer_by_claiming_what_it_just_received() {
	let payer = payer(1_000).await;
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let received = *payment.proof();
	assert!(matches!(payment.correct(&received).await, Err(PayError::Unproven)));
	assert_eq!(payer.channels()[0].signed, 10);
}

/// One call that the payee does not answer, and claims as used in the next.
async fn unanswered(payer: &Payer) -> Result<Allowance, PayError> {
	let sent = *payer.pay(&CHANNEL, 0, 10).await?.proof();
	Ok(*payer.pay(&CHANNEL, 0, 10).await?.correct(&sent).await?.proof())
}

#[tokio::test]
async fn a_payee_that_never_answers_should_get_no_more_than_the_limit() {
	let policy = Policy { max_unanswered: 30, ..Policy::per_call(100) };
	let payer = payer_with(Arc::new(MemoryStore::default()), 10_000, policy).await;
	for n in 1..=3 {
		let next = unanswered(&payer).await.unwrap();
		assert_eq!(next.amount(), 10 * (n + 1));
		assert_eq!(payer.channels()[0].unanswered, 10 * n);
	}
	// However often it is called: what was signed stays what it was.
	for _ in 0..5 {
		let refusal = refused(unanswered(&payer).await);
		assert_eq!(refusal, Refusal::Unanswered { unanswered: 40, limit: 30 });
		assert_eq!(payer.channels()[0].signed, 40);
	}
	// An honest answer to the voucher that is out is taken all the same.
	payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	assert_eq!(payer.pay(&CHANNEL, 0, 10).await.unwrap().proof().amount(), 50);
}

#[tokio::test]
async fn answers_should_not_pay_for_calls_that_were_never_answered() {
	let policy = Policy { max_unanswered: 20, ..Policy::per_call(100) };
	let payer = payer_with(Arc::new(MemoryStore::default()), 10_000, policy).await;
	// Every other call is answered: the answered ones cost nothing of the limit.
	for n in 1..=2 {
		unanswered(&payer).await.unwrap();
		payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
		assert_eq!(payer.channels()[0].unanswered, 10 * n);
	}
	assert!(matches!(refused(unanswered(&payer).await), Refusal::Unanswered { .. }));
	assert!(matches!(payer.forgive(&[8; 32]).await, Err(PayError::UnknownChannel(_))));
	payer.forgive(&CHANNEL).await.unwrap();
	assert_eq!(payer.channels()[0].unanswered, 0);
	unanswered(&payer).await.unwrap();
}

#[tokio::test]
async fn a_restart_should_not_reset_what_was_not_answered() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let policy = Policy { max_unanswered: 10, ..Policy::per_call(100) };
	let before = payer_with(store.clone(), 1_000, policy).await;
	unanswered(&before).await.unwrap();
	drop(before);
	let after = payer_with(store, 1_000, policy).await;
	assert_eq!(after.channels()[0].unanswered, 10);
	assert!(matches!(refused(unanswered(&after).await), Refusal::Unanswered { .. }));
	assert_eq!(after.channels()[0].signed, 20);
}

#[tokio::test]
async fn a_limit_of_nothing_should_never_take_the_payees_word() {
	let policy = Policy { max_unanswered: 0, ..Policy::per_call(100) };
	let payer = payer_with(Arc::new(MemoryStore::default()), 1_000, policy).await;
	assert!(matches!(refused(unanswered(&payer).await), Refusal::Unanswered { .. }));
	assert_eq!((payer.channels()[0].signed, payer.channels()[0].unanswered), (10, 0));
}

#[tokio::test]
async fn vouchers_of_a_lost_record_should_not_count_as_unanswered() {
	let policy = Policy { max_unanswered: 0, ..Policy::per_call(100) };
	let payer = payer_with(Arc::new(MemoryStore::default()), 1_000, policy).await;
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap().correct(&sign(40)).await.unwrap();
	assert_eq!(payment.proof().amount(), 50);
	assert_eq!(payer.channels()[0].unanswered, 0);
}

/// The channel, of which `settled` was paid on chain.
fn settled(settled: Balance) -> ChannelInfo {
	ChannelInfo { settled, lane_settled: vec![settled], ..info(10_000) }
}

#[tokio::test]
async fn what_was_settled_should_be_used_up_without_the_payees_word() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let before = payer_with(store.clone(), 10_000, Policy::per_call(100)).await;
	// The answer is lost, and the payee has settled and then lost its records.
	before.pay(&CHANNEL, 0, 10).await.unwrap();
	before.add_channel(&settled(10), key()).await.unwrap();
	assert_eq!(before.pay(&CHANNEL, 0, 10).await.unwrap().proof().amount(), 20);
	drop(before);
	let after = Payer::new(store, GENESIS, Policy::per_call(100)).unwrap();
	let channel = after.channels().remove(0);
	assert_eq!((channel.signed, channel.acknowledged, channel.unanswered), (20, 10, 10));
}

#[tokio::test]
async fn what_was_settled_should_stand_in_for_lost_records() {
	let payer = payer(10_000).await;
	payer.add_channel(&settled(9_980), key()).await.unwrap();
	let channel = payer.channels().remove(0);
	assert_eq!((channel.signed, channel.acknowledged, channel.unanswered), (9_980, 9_980, 0));
	let refusal = refused(payer.pay(&CHANNEL, 0, 30).await);
	assert_eq!(refusal, Refusal::DepositTooLow { shortfall: 10 });
	assert_eq!(payer.pay(&CHANNEL, 0, 20).await.unwrap().proof().amount(), 10_000);
}

#[tokio::test]
async fn what_was_settled_should_lower_nothing() {
	let payer = payer(10_000).await;
	for _ in 0..2 {
		payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	}
	for amount in [0, 10, 20] {
		payer.add_channel(&settled(amount), key()).await.unwrap();
		let channel = payer.channels().remove(0);
		assert_eq!((channel.signed, channel.acknowledged, channel.unanswered), (20, 20, 0));
	}
	assert_eq!(payer.pay(&CHANNEL, 0, 10).await.unwrap().proof().amount(), 30);
}

#[tokio::test]
async fn a_payee_that_settles_instead_of_answering_should_get_no_more_than_the_limit() {
	let policy = Policy { max_unanswered: 30, ..Policy::per_call(100) };
	let payer = payer_with(Arc::new(MemoryStore::default()), 10_000, policy).await;
	for n in 1..=4 {
		payer.pay(&CHANNEL, 0, 10).await.unwrap();
		payer.add_channel(&settled(10 * n), key()).await.unwrap();
	}
	let refusal = refused(payer.pay(&CHANNEL, 0, 10).await);
	assert_eq!(refusal, Refusal::Unanswered { unanswered: 40, limit: 30 });
	assert_eq!(payer.channels()[0].signed, 40);
	payer.forgive(&CHANNEL).await.unwrap();
	assert_eq!(payer.pay(&CHANNEL, 0, 10).await.unwrap().proof().amount(), 50);
}

#[tokio::test]
async fn nothing_should_be_taken_for_settled_that_could_not_be_written_down() {
	let store = Arc::new(FailingStore::default());
	let payer = payer_with(store.clone(), 10_000, Policy::per_call(100)).await;
	store.fail.store(true, Ordering::SeqCst);
	assert!(matches!(payer.add_channel(&settled(10), key()).await, Err(PayError::Store(_))));
	assert_eq!(payer.channels()[0].acknowledged, 0);
}

#[tokio::test]
async fn the_last_answer_should_survive_a_clean_end() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let before = payer_with(store.clone(), 1_000, Policy::per_call(100)).await;
	before.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	drop(before);
	let after = payer_with(store, 1_000, Policy::per_call(100)).await;
	assert_eq!(after.channels()[0].acknowledged, 10);
	assert_eq!(after.pay(&CHANNEL, 0, 10).await.unwrap().proof().amount(), 20);
}

#[tokio::test]
async fn rows_of_the_first_version_should_be_read() {
	let store = Arc::new(MemoryStore::default());
	drop(payer_with(store.clone(), 1_000, Policy::per_call(100)).await);
	let at = LaneKey { channel: CHANNEL, lane: 0 };
	let row = LaneRow::V1 { signed: Some(sign_voucher(30)), acknowledged: 20 };
	store.commit(&[Write::put(Table::Payer, &at.to_bytes(), &row)]).unwrap();
	let payer = payer_with(store, 1_000, Policy::per_call(100)).await;
	let channel = payer.channels().remove(0);
	assert_eq!((channel.signed, channel.acknowledged, channel.unanswered), (30, 20, 0));
}

#[tokio::test]
async fn a_channel_should_be_gone_only_after_a_final_block_that_had_it() {
	let store = Arc::new(MemoryStore::default());
	let payer = payer_with(store.clone(), 1_000, Policy::per_call(100)).await;
	// Never seen in finalized state: a node that lags behind does not have it yet.
	assert!(!payer.observe_gone(&CHANNEL, 1_000));
	assert!(!payer.channels()[0].usable);
	payer.add_final_channel(&info(1_000), key(), 50).await.unwrap();
	payer.add_channel(&info(1_000), key()).await.unwrap();
	for at in [49, 50] {
		assert!(!payer.observe_gone(&CHANNEL, at));
	}
	assert!(payer.observe_gone(&CHANNEL, 51));
	assert!(!payer.observe_gone(&[8; 32], 51));
	// Also after a restart.
	drop(payer);
	let payer = Payer::new(store, GENESIS, Policy::per_call(100)).unwrap();
	assert_eq!(payer.channel(&CHANNEL).unwrap().seen, Some(50));
	assert!(payer.observe_gone(&CHANNEL, 51) && !payer.observe_gone(&CHANNEL, 50));
}

#[tokio::test]
async fn channel_rows_of_earlier_versions_should_be_read() {
	let store = Arc::new(MemoryStore::default());
	drop(payer_with(store.clone(), 1_000, Policy::per_call(100)).await);
	let ChannelInfo { payer, payee, asset, key, grace, lanes, .. } = info(1_000);
	let (retired, deposit, limit, revoked) = (None, 70, 60, vec![3]);
	let row = book::ChannelRow::V2 {
		payer,
		payee,
		asset,
		key,
		retired,
		deposit,
		limit,
		grace,
		lanes,
		revoked,
	};
	store.commit(&[Write::put(Table::Channels, &CHANNEL, &row)]).unwrap();
	let payer = Payer::new(store, GENESIS, Policy::per_call(100)).unwrap();
	let known = payer.channel(&CHANNEL).unwrap();
	assert_eq!((known.deposit, known.seen), (70, None));
}

#[tokio::test]
async fn an_answer_to_a_cheaper_call_should_not_pay_for_a_dearer_one() {
	let payer = payer(1_000).await;
	payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let cheaper = payer.pay(&CHANNEL, 0, 4).await.unwrap();
	assert_eq!(cheaper.proof().amount(), 10);
	cheaper.acknowledge();
	let channel = payer.channels().remove(0);
	assert_eq!((channel.acknowledged, channel.unanswered), (10, 6));
	// What was sent for this very call is worth it.
	payer.pay(&CHANNEL, 0, 5).await.unwrap().acknowledge();
	payer.pay(&CHANNEL, 0, 5).await.unwrap();
	payer.pay(&CHANNEL, 0, 5).await.unwrap().acknowledge();
	assert_eq!(payer.channels()[0].unanswered, 6);
}

#[tokio::test]
async fn proofs_should_be_of_the_channels_key() {
	let payer = payer(100).await;
	let proof = payer.prove(&CHANNEL, 1_000).unwrap();
	assert_eq!((proof.channel, proof.time), (CHANNEL, 1_000));
	assert!(proof.verify(&key().key(), payer.domain()));
	assert!(matches!(payer.prove(&[8; 32], 1_000), Err(PayError::UnknownChannel(_))));
}

#[tokio::test]
async fn unproven_statements_should_change_nothing() {
	let payer = payer(1_000).await;
	let mut other_chain = sign_voucher(40);
	other_chain.signature =
		key().sign_voucher(other_chain.voucher, &Domain::channels(H256::zero())).signature;
	let mut altered = sign_voucher(40);
	altered.voucher.cumulative = 41;
	let mut other_lane = sign_voucher(40);
	other_lane.voucher.lane = 1;
	let mut other_channel = sign_voucher(40);
	other_channel.voucher.channel = [8; 32];
	for statement in [other_chain, altered, other_lane, other_channel] {
		let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
		assert!(matches!(payment.correct(&statement.into()).await, Err(PayError::Unproven)));
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
		tokio::spawn(async move { *payer.pay(&CHANNEL, 0, 10).await.unwrap().proof() })
	};
	tokio::task::yield_now().await;
	assert!(!second.is_finished());
	first.acknowledge();
	assert_eq!(second.await.unwrap().amount(), 20);
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

#[tokio::test]
async fn channels_that_are_closing_when_added_should_not_be_found() {
	let payer = payer(100).await;
	let open = info(100);
	let closing = ChannelInfo { phase: Phase::Closing { ends: 9 }, ..open.clone() };
	payer.add_channel(&closing, key()).await.unwrap();
	assert_eq!(payer.find(&open.payee, &open.asset), None);
	// An open one is found, though less is left of it.
	let smaller = ChannelInfo { id: [8; 32], ..info(10) };
	payer.add_channel(&smaller, key()).await.unwrap();
	assert_eq!(payer.find(&open.payee, &open.asset), Some(smaller.id));
	let usable: Vec<_> = payer.channels().iter().map(|channel| channel.usable).collect();
	assert_eq!(usable, [false, true]);
}

#[tokio::test]
async fn a_cancelled_close_should_make_a_channel_usable_again() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let payer = Payer::new(store, GENESIS, Policy::per_call(100)).unwrap();
	let open = info(100);
	let closing = ChannelInfo { phase: Phase::Closing { ends: 9 }, ..open.clone() };
	for (seen, found) in [(&closing, None), (&open, Some(CHANNEL)), (&closing, None)] {
		payer.add_channel(seen, key()).await.unwrap();
		assert_eq!(payer.find(&open.payee, &open.asset), found);
	}
	payer.add_channel(&open, key()).await.unwrap();
	payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	assert_eq!(payer.channels()[0].signed, 10);
}

mod budgets;
mod lanes;
mod model;
mod ticks;
