//! Several lanes, caps, keys and agreements to close.

use super::*;
use crate::{
	chain::{
		fake::{self, FakeChain},
		Changes,
	},
	keys::{AccountKey, Scheme},
	payee::{Accepted, Payee, PayeeConfig, Rejection},
};
use stoa_primitives::{
	channel::{Cap, CapState},
	payload::CloseConsent,
};

fn wide(deposit: Balance) -> ChannelInfo {
	ChannelInfo { lanes: 3, lane_settled: vec![0; 3], ..info(deposit) }
}

async fn wide_payer(info: &ChannelInfo, policy: Policy) -> Payer {
	let payer = Payer::new(Arc::new(MemoryStore::default()), GENESIS, policy).unwrap();
	payer.add_channel(info, key()).await.unwrap();
	payer
}

#[tokio::test]
async fn calls_should_run_in_parallel_on_free_lanes() {
	let payer = wide_payer(&wide(1_000), Policy::per_call(100)).await;
	let mut running = Vec::new();
	for lane in 0..3 {
		let payment = payer.pay_any(&CHANNEL, 10, None).await.unwrap();
		assert_eq!((payment.lane().lane, payment.proof().amount()), (lane, 10));
		running.push(payment);
	}
	let waiting = {
		let payer = payer.clone();
		tokio::spawn(async move { payer.pay_any(&CHANNEL, 10, None).await.unwrap().lane().lane })
	};
	tokio::task::yield_now().await;
	assert!(!waiting.is_finished());
	running.remove(1).acknowledge();
	assert_eq!(waiting.await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_calls_should_not_sign_more_than_the_deposit_together() {
	let payer = wide_payer(&wide(25), Policy::per_call(100)).await;
	let calls: Vec<_> = (0..3)
		.map(|lane| {
			let payer = payer.clone();
			tokio::spawn(async move { payer.pay(&CHANNEL, lane, 10).await.is_ok() })
		})
		.collect();
	let mut signed = 0;
	for call in calls {
		signed += u32::from(call.await.unwrap());
	}
	assert_eq!((signed, payer.channels()[0].signed), (2, 20));
}

#[tokio::test]
async fn nothing_should_be_signed_above_the_cap() {
	let cap = CapState::new(Cap { per_window: 25, window: 10 });
	let mut capped = ChannelInfo { cap: Some(cap), ..wide(1_000) };
	let payer = wide_payer(&capped, Policy::per_call(100)).await;
	payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	payer.pay(&CHANNEL, 1, 10).await.unwrap().acknowledge();
	let short = Refusal::AboveCap { shortfall: 5 };
	assert_eq!(refused(payer.pay(&CHANNEL, 2, 10).await), short);
	// Settled: the window has to pass.
	assert!(capped.cap.as_mut().unwrap().capture(100, 20));
	(capped.settled, capped.lane_settled) = (20, vec![10, 10, 0]);
	payer.note_block(105);
	payer.observe(&CHANNEL, Some(&capped));
	assert_eq!(refused(payer.pay(&CHANNEL, 2, 10).await), short);
	payer.note_block(110);
	payer.observe(&CHANNEL, Some(&capped));
	payer.pay(&CHANNEL, 2, 10).await.unwrap().acknowledge();
	// A tighter one that waits binds the payee, so it binds here.
	capped.changes.cap = Some((Some(Cap { per_window: 15, window: 10 }), 900));
	payer.observe(&CHANNEL, Some(&capped));
	assert_eq!(refused(payer.pay(&CHANNEL, 2, 6).await), Refusal::AboveCap { shortfall: 1 });
}

#[tokio::test]
async fn revoked_lanes_should_be_left_alone() {
	let mut revoked = wide(1_000);
	revoked.changes.revoked = vec![(0, 500)];
	let payer = wide_payer(&revoked, Policy::per_call(100)).await;
	assert_eq!(refused(payer.pay(&CHANNEL, 0, 10).await), Refusal::LaneRevoked { lane: 0 });
	assert_eq!(payer.pay_any(&CHANNEL, 10, None).await.unwrap().lane().lane, 1);
	revoked.changes.revoked = vec![(0, 500), (1, 500), (2, 500)];
	payer.observe(&CHANNEL, Some(&revoked));
	assert!(matches!(
		refused(payer.pay_any(&CHANNEL, 10, None).await),
		Refusal::LaneRevoked { .. }
	));
}

#[tokio::test]
async fn what_the_key_before_has_signed_should_still_be_ours() {
	let payer = wide_payer(&wide(1_000), Policy::per_call(100)).await;
	let new = VoucherKey::from_uri("//New", Scheme::Ed25519).unwrap();
	let rotated = ChannelInfo { key: new.key(), ..wide(1_000) };
	payer.add_channel(&rotated, new.clone()).await.unwrap();
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	assert!(payment.proof().verify(&new.key(), payer.domain()));
	let next = payment.correct(&sign(40)).await.unwrap();
	assert_eq!(next.proof().amount(), 50);
	assert!(next.proof().verify(&new.key(), payer.domain()));
}

fn new_key() -> VoucherKey {
	VoucherKey::from_uri("//New", Scheme::Ed25519).unwrap()
}

async fn rotate(payer: &Payer) {
	let rotated = ChannelInfo { key: new_key().key(), ..wide(1_000) };
	payer.add_channel(&rotated, new_key()).await.unwrap();
}

#[tokio::test]
async fn an_unanswered_voucher_should_be_signed_anew_after_a_rotation() {
	let store = Arc::new(MemoryStore::default());
	let payer = Payer::new(store.clone(), GENESIS, Policy::per_call(100)).unwrap();
	payer.add_channel(&wide(1_000), key()).await.unwrap();
	let lost = *payer.pay(&CHANNEL, 0, 10).await.unwrap().proof();
	rotate(&payer).await;
	let again = payer.pay_any(&CHANNEL, 10, None).await.unwrap();
	assert_eq!((again.lane().lane, again.proof().amount()), (0, 10));
	assert!(again.proof().verify(&new_key().key(), payer.domain()));
	assert_eq!(payer.channels()[0].signed, 10);
	// It is durable, and sent once more as it is.
	let after = Payer::new(copy(store.as_ref()), GENESIS, Policy::per_call(100)).unwrap();
	after.add_key(new_key());
	assert_eq!(after.pay(&CHANNEL, 0, 10).await.unwrap().proof(), again.proof());
	// The payee has taken the first one: its answer was lost.
	let next = again.correct(&lost).await.unwrap();
	assert_eq!(next.proof().amount(), 20);
	assert!(next.proof().verify(&new_key().key(), payer.domain()));
	assert_eq!(payer.channels()[0].unanswered, 10);
}

#[tokio::test]
async fn a_payee_should_take_what_was_signed_anew_after_a_rotation() {
	let chain = Arc::new(FakeChain::new(GENESIS));
	chain.put(wide(1_000));
	let config = PayeeConfig {
		max_age: std::time::Duration::ZERO,
		..PayeeConfig::new(fake::payee(), fake::ASSET)
	};
	let payee =
		Payee::start(config, Arc::new(MemoryStore::default()), chain.clone()).await.unwrap();
	let take = |proof: Allowance| {
		let payee = payee.clone();
		async move { payee.accept(proof.voucher().unwrap(), 10, [0; 32]).await.unwrap() }
	};
	let payer = wide_payer(&wide(1_000), Policy::per_call(100)).await;
	// One whose answer is lost, and one that does not arrive.
	let taken = *payer.pay(&CHANNEL, 0, 10).await.unwrap().proof();
	assert!(matches!(take(taken).await, Accepted::Fresh(_)));
	let lost = *payer.pay(&CHANNEL, 1, 10).await.unwrap().proof();
	let changes = Changes { key: Some((key().key(), 150)), ..Changes::default() };
	let rotated = ChannelInfo { key: new_key().key(), changes, ..wide(1_000) };
	chain.put(rotated.clone());
	payer.add_channel(&rotated, new_key()).await.unwrap();
	assert!(matches!(take(lost).await, Accepted::Rejected(Rejection::KeyRetired { .. })));
	let again = payer.pay(&CHANNEL, 1, 10).await.unwrap();
	assert!(matches!(take(*again.proof()).await, Accepted::Fresh(_)));
	let again = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	assert!(matches!(take(*again.proof()).await, Accepted::Replay { .. }));
	let shown = payee.record(&again.lane()).unwrap().proof;
	let next = again.correct(&shown).await.unwrap();
	assert!(matches!(take(*next.proof()).await, Accepted::Fresh(_)));
	assert_eq!(next.proof().amount(), 20);
}

#[tokio::test]
async fn an_unanswered_tick_should_become_a_voucher_after_a_rotation() {
	let payer = wide_payer(&wide(1_000), Policy::per_call(100)).await;
	let ticks = TickTerms { value: 10, count: 4 };
	payer.pay_tick(&CHANNEL, 0, 10, ticks).await.unwrap();
	rotate(&payer).await;
	let again = payer.pay_tick(&CHANNEL, 0, 10, ticks).await.unwrap();
	assert!(again.voucher().is_some());
	assert_eq!(again.proof().amount(), 10);
	assert!(again.proof().verify(&new_key().key(), payer.domain()));
	again.acknowledge();
	let next = payer.pay_tick(&CHANNEL, 0, 10, ticks).await.unwrap();
	assert!(next.voucher().is_none());
	assert!(next.proof().verify(&new_key().key(), payer.domain()));
}

#[tokio::test]
async fn a_rotation_by_another_process_should_end_the_use_of_the_old_key() {
	let payer = wide_payer(&wide(1_000), Policy::per_call(100)).await;
	let changes = Changes { key: Some((key().key(), 900)), ..Changes::default() };
	let rotated = ChannelInfo { key: new_key().key(), changes, ..wide(1_000) };
	payer.observe(&CHANNEL, Some(&rotated));
	assert!(matches!(payer.pay(&CHANNEL, 0, 10).await, Err(PayError::KeyMissing(_))));
	payer.add_key(new_key());
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	assert!(payment.proof().verify(&new_key().key(), payer.domain()));
	drop(payment);
	// A node that lags behind changes nothing.
	payer.observe(&CHANNEL, Some(&wide(1_000)));
	let payment = payer.pay(&CHANNEL, 0, 20).await.unwrap();
	assert!(payment.proof().verify(&new_key().key(), payer.domain()));
}

#[tokio::test]
async fn every_lane_should_take_over_what_was_settled() {
	let payer = wide_payer(&wide(1_000), Policy::per_call(100)).await;
	payer.pay(&CHANNEL, 1, 10).await.unwrap();
	let settled = ChannelInfo { settled: 40, lane_settled: vec![0, 10, 30], ..wide(1_000) };
	payer.add_channel(&settled, key()).await.unwrap();
	let known = payer.channels().remove(0);
	assert_eq!((known.signed, known.acknowledged, known.unanswered), (40, 40, 10));
	let amounts = [(0, 10), (1, 20), (2, 40)];
	for (lane, amount) in amounts {
		assert_eq!(payer.pay(&CHANNEL, lane, 10).await.unwrap().proof().amount(), amount);
	}
}

#[tokio::test]
async fn an_agreement_to_close_should_fit_what_was_answered() {
	let payee = AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap();
	let known = ChannelInfo { payee: payee.account(), ..wide(1_000) };
	let policy = Policy { max_unanswered: 5, ..Policy::per_call(100) };
	let payer = wide_payer(&known, policy).await;
	payer.pay(&CHANNEL, 0, 40).await.unwrap().acknowledge();
	payer.pay(&CHANNEL, 1, 40).await.unwrap();
	let check = |total| {
		let consent = CloseConsent { channel: CHANNEL, total, expires: 50 };
		let signed = SignedConsent::sign(consent, &payee, payer.domain());
		payer.check_consent(&signed, &known, BlockRef { number: 1, hash: GENESIS })
	};
	assert_eq!((check(40), check(45)), (Ok(()), Ok(())));
	assert_eq!(check(46), Err(Disagreement::TooMuch { total: 46, limit: 45 }));
}
