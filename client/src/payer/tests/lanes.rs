//! Several lanes, caps, keys and agreements to close.

use super::*;
use crate::keys::{AccountKey, Scheme};
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
