use super::*;
use crate::{
	chain::{
		fake::{self, channel, FakeChain},
		ChannelInfo, Phase,
	},
	keys::{Scheme, VoucherKey},
	payee::{Accepted, PayeeConfig},
	store::MemoryStore,
};
use sp_core::H256;
use stoa_primitives::{
	channel::{Cap, CapState, SkipReason},
	payload::{Domain, Voucher},
};

const GENESIS: H256 = H256::repeat_byte(1);

async fn setup(channels: u32) -> (Arc<FakeChain>, Payee) {
	let chain = Arc::new(FakeChain::new(GENESIS));
	let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
	let mut config =
		PayeeConfig { max_age: Duration::ZERO, ..PayeeConfig::new(fake::payee(), fake::ASSET) };
	config.rules.accept_expiring = true;
	let store = Arc::new(MemoryStore::default());
	let payee = Payee::start(config, store, chain.clone()).await.unwrap();
	for n in 0..channels {
		let id = id(n);
		chain.put(channel(id, key.key(), 100));
		let voucher = Voucher { channel: id, lane: 0, cumulative: 10, valid_until: 0 };
		let signed = key.sign_voucher(voucher, &Domain::channels(GENESIS));
		let outcome = payee.accept(&signed, 10, [0; 32]).await.unwrap();
		assert!(matches!(outcome, Accepted::Fresh(_)));
	}
	(chain, payee)
}

fn id(n: u32) -> ChannelId {
	let mut id = [0; 32];
	id[..4].copy_from_slice(&n.to_le_bytes());
	id
}

#[tokio::test]
async fn claims_should_be_settled_in_ascending_batches_of_256() {
	let (chain, payee) = setup(300).await;
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	let report = settler.settle_now().await.unwrap();
	assert_eq!((report.claimed, report.batches.len()), (3_000, 2));
	let batches = chain.state().batches.clone();
	assert_eq!((batches[0].len(), batches[1].len()), (256, 44));
	let order: Vec<_> = batches.concat().iter().map(|item| item.channel).collect();
	assert!(order.windows(2).all(|pair| pair[0] < pair[1]));
	assert!(payee.unsettled().is_empty());
	// Nothing new: nothing is sent.
	assert!(settler.settle_now().await.unwrap().batches.is_empty());
}

#[tokio::test]
async fn skipped_claims_should_be_reported_and_the_others_paid() {
	let (chain, payee) = setup(2).await;
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	chain.state().skip = Some(id(0));
	let report = settler.settle_now().await.unwrap();
	assert_eq!(report.claimed, 10);
	assert_eq!(report.skipped[0].reason, SkipReason::NotSettled);
	// Not again before something has changed.
	assert!(settler.settle_now().await.unwrap().batches.is_empty());
	let policy = SettlePolicy { interval: Duration::ZERO, ..SettlePolicy::default() };
	assert!(Settler::new(payee, chain.clone(), policy).due().is_some());
	assert!(settler.open_claims().is_empty());
	chain.state().skip = None;
	let topped_up = ChannelInfo { deposit: 200, ..chain.state().best[&id(0)].clone() };
	chain.put(topped_up);
	assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
	assert_eq!(settler.skips(), 0);
}

#[tokio::test]
async fn claims_that_come_too_late_should_be_left_out() {
	let (chain, payee) = setup(2).await;
	let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
	// Closed a moment ago; and the grace period is over at the best block, which is 100.
	chain.state().best.remove(&id(0));
	chain.state().best.get_mut(&id(1)).unwrap().phase = Phase::Closing { ends: 100 };
	let report = settler.settle_now().await.unwrap();
	assert!(report.batches.is_empty());
	// What became of the channel that is gone is not known: it may have been closed with a last claim.
	assert_eq!(report.lost, [Lost { channel: id(1), lane: 0, amount: 10, ends: 100 }]);
	assert_eq!(settler.lost(), report.lost);
	assert!(settler.due().is_none());
	chain.state().best.get_mut(&id(1)).unwrap().phase = Phase::Closing { ends: 102 };
	let report = settler.settle_now().await.unwrap();
	assert_eq!((report.claimed, report.lost), (10, Vec::new()));
}

#[tokio::test]
async fn expiring_claims_should_be_settled_whatever_the_amount_until_they_expire() {
	let (chain, payee) = setup(1).await;
	let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
	let valid_until = 100 + payee.config().rules.settle_horizon;
	let voucher = Voucher { channel: id(0), lane: 0, cumulative: 20, valid_until };
	let signed = key.sign_voucher(voucher, &Domain::channels(GENESIS));
	payee.accept(&signed, 10, [0; 32]).await.unwrap();
	let policy = SettlePolicy { min_batch: 1_000, ..SettlePolicy::default() };
	let settler = Settler::new(payee, chain.clone(), policy);
	assert!(settler.due().is_some());
	chain.state().number = valid_until;
	let report = settler.settle_now().await.unwrap();
	assert!(report.batches.is_empty());
	assert_eq!(report.lost, [Lost { channel: id(0), lane: 0, amount: 20, ends: valid_until }]);
	assert!(settler.due().is_none());
}

#[tokio::test]
async fn a_failing_batch_should_not_stop_those_after_it() {
	let (chain, payee) = setup(300).await;
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	chain.state().failing_batches = 1;
	assert!(settler.settle_now().await.is_err());
	assert_eq!(chain.state().batches[0].len(), 44);
	assert_eq!(settler.settle_now().await.unwrap().claimed, 2_560);
}

#[tokio::test]
async fn a_channel_that_cannot_be_read_should_not_stop_the_others() {
	let (chain, payee) = setup(2).await;
	let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
	chain.state().unreadable = Some(id(0));
	assert_eq!(settler.settle_now().await.unwrap().claimed, 20);
	// With nothing to settle, the failure is what there is to tell.
	assert!(settler.settle_now().await.is_err());
}

#[tokio::test]
async fn closing_channels_should_be_settled_at_once() {
	let (chain, payee) = setup(1).await;
	let policy = SettlePolicy { poll: Duration::from_millis(10), ..SettlePolicy::default() };
	let settler = Settler::new(payee.clone(), chain.clone(), policy);
	assert!(settler.due().is_none());
	chain.state().best.get_mut(&id(0)).unwrap().phase = Phase::Closing { ends: 999 };
	settler.run(tokio::time::sleep(Duration::from_millis(300))).await;
	assert_eq!(chain.state().batches.len(), 1);
	assert!(payee.unsettled().is_empty());
}

#[tokio::test]
async fn the_first_look_should_be_at_the_start() {
	let (chain, payee) = setup(1).await;
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	chain.state().best.get_mut(&id(0)).unwrap().phase = Phase::Closing { ends: 999 };
	settler.run(std::future::ready(())).await;
	assert_eq!(chain.state().batches.len(), 1);
}

#[tokio::test]
async fn a_look_should_read_no_more_than_one_pass() {
	let channels = 10 + u32::try_from(PASS).unwrap();
	let (chain, payee) = setup(channels).await;
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	chain.state().reads = 0;
	assert!(settler.look(&mut Vec::new()).await);
	assert_eq!(chain.state().reads, 2 * PASS);
}

#[tokio::test]
async fn exposure_and_time_should_make_settlement_due() {
	let (chain, payee) = setup(2).await;
	let due = |policy| {
		let settler = Settler::new(payee.clone(), chain.clone(), policy);
		async move { settler.due().is_some() }
	};
	let policy = SettlePolicy::default();
	assert!(!due(policy).await);
	assert!(due(SettlePolicy { max_unsettled: 20, ..policy }).await);
	assert!(!due(SettlePolicy { max_unsettled: 21, ..policy }).await);
	assert!(due(SettlePolicy { interval: Duration::ZERO, ..policy }).await);
}

#[tokio::test]
async fn claims_of_a_chains_earlier_life_should_not_be_settled() {
	let (chain, payee) = setup(1).await;
	let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
	chain.state().life = 1;
	assert!(settler.settle_now().await.is_err());
	assert!(settler.settle_known().await.is_err());
	assert!(chain.state().batches.is_empty());
}

#[tokio::test]
async fn small_claims_should_wait_until_a_batch_of_them_pays() {
	for (channels, claimed) in [(1, 0), (2, 0), (3, 30)] {
		let (chain, payee) = setup(channels).await;
		let policy =
			SettlePolicy { min_batch: 21, interval: Duration::ZERO, ..SettlePolicy::default() };
		let settler = Settler::new(payee, chain.clone(), policy);
		assert_eq!(settler.due().is_some(), claimed > 0);
		assert_eq!(settler.settle_now().await.unwrap().claimed, claimed);
	}
}

#[tokio::test]
async fn all_claims_should_count_towards_the_exposure() {
	let (_, payee) = setup(3).await;
	let policy = SettlePolicy { min_batch: 21, max_unsettled: 30, ..SettlePolicy::default() };
	assert!(Settler::new(payee.clone(), payee_chain(), policy).due().is_some());
	let policy = SettlePolicy { max_unsettled: 31, ..policy };
	assert!(Settler::new(payee, payee_chain(), policy).due().is_none());
}

fn payee_chain() -> Arc<FakeChain> {
	Arc::new(FakeChain::new(GENESIS))
}

#[tokio::test]
async fn what_could_be_lost_should_be_settled_whatever_the_amount() {
	let other = VoucherKey::from_uri("//Other", Scheme::Ed25519).unwrap().key();
	let changes: [fn(&mut ChannelInfo, stoa_primitives::keys::Key); 3] = [
		|info, other| (info.key, info.changes.key) = (other, Some((info.key, 999))),
		|info, _| info.changes.revoked.push((0, 999)),
		|info, _| {
			let cap = Cap { per_window: 9, window: 10 };
			info.changes.cap = Some((Some(cap), 999));
		},
	];
	for change in changes {
		let (chain, payee) = setup(1).await;
		let policy = SettlePolicy { min_batch: 1_000, ..SettlePolicy::default() };
		let settler = Settler::new(payee.clone(), chain.clone(), policy);
		payee.refresh_all().await.unwrap();
		assert!(settler.due().is_none());
		change(chain.state().best.get_mut(&id(0)).unwrap(), other);
		payee.refresh_all().await.unwrap();
		assert!(settler.due().is_some());
		assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
		assert!(settler.due().is_none());
	}
}

#[tokio::test]
async fn claims_above_the_cap_should_be_settled_piece_by_piece() {
	let (chain, payee) = setup(1).await;
	let policy = SettlePolicy { interval: Duration::ZERO, ..SettlePolicy::default() };
	let settler = Settler::new(payee.clone(), chain.clone(), policy);
	let cap = CapState::new(Cap { per_window: 4, window: 10 });
	let capped = ChannelInfo { cap: Some(cap), ..chain.state().best[&id(0)].clone() };
	chain.put(capped);
	for claimed in [4, 4, 2] {
		assert_eq!(settler.settle_now().await.unwrap().claimed, claimed);
		// Nothing is sent that the cap would not pay.
		let sent = chain.state().batches.len();
		assert_eq!(settler.settle_now().await.unwrap().claimed, 0);
		assert_eq!(chain.state().batches.len(), sent);
		// It was captured in the block after.
		chain.state().number += 11;
	}
	assert!(payee.unsettled().is_empty());
}

#[tokio::test]
async fn a_failed_settlement_should_be_tried_again() {
	let (chain, payee) = setup(1).await;
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	chain.state().down = true;
	assert!(settler.settle_now().await.is_err());
	chain.state().down = false;
	assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
}

async fn accept(payee: &Payee, channel: ChannelId, cumulative: Balance) {
	let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
	let voucher = Voucher { channel, lane: 0, cumulative, valid_until: 0 };
	let signed = key.sign_voucher(voucher, &Domain::channels(GENESIS));
	let outcome = payee.accept(&signed, 10, [1; 32]).await.unwrap();
	assert!(matches!(outcome, Accepted::Fresh(_)));
}

fn close(chain: &FakeChain, n: u32, ends: BlockNumber) {
	chain.state().best.get_mut(&id(n)).unwrap().phase = Phase::Closing { ends };
}

/// Waits until so many batches were sent.
async fn until_sent(chain: &FakeChain, batches: usize) {
	let sent = async {
		while chain.state().batches.len() < batches {
			tokio::time::sleep(Duration::from_millis(5)).await;
		}
	};
	tokio::time::timeout(Duration::from_secs(5), sent).await.expect("a batch is sent");
}

#[tokio::test]
async fn what_is_lost_first_should_be_settled_first() {
	let (chain, payee) = setup(600).await;
	let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
	for n in 0..300 {
		close(&chain, n, 900);
	}
	for n in 590..595 {
		close(&chain, n, 500);
	}
	settler.settle_now().await.unwrap();
	let batches = chain.state().batches.clone();
	assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [256, 256, 88]);
	let in_first = |n| batches[0].iter().any(|item| item.channel == id(n));
	assert!((590..595).all(in_first) && !(300..590).any(in_first));
	let in_second = |n| batches[1].iter().any(|item| item.channel == id(n));
	assert!((0..300).all(|n| in_first(n) || in_second(n)));
	for batch in &batches {
		assert!(batch.windows(2).all(|pair| pair[0].channel < pair[1].channel));
	}
}

#[tokio::test]
async fn looking_should_go_on_while_batches_are_under_way() {
	let (chain, payee) = setup(2).await;
	let policy = SettlePolicy { poll: Duration::from_millis(5), ..SettlePolicy::default() };
	let settler = Settler::new(payee.clone(), chain.clone(), policy);
	chain.state().stalled = true;
	close(&chain, 0, 500);
	let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
	let running = {
		let settler = settler.clone();
		tokio::spawn(async move { settler.run(async { drop(stopped.await) }).await })
	};
	until_sent(&chain, 1).await;
	// More is earned, and may be lost, before the first batch is final.
	accept(&payee, id(1), 20).await;
	close(&chain, 1, 400);
	until_sent(&chain, 2).await;
	tokio::time::sleep(Duration::from_millis(50)).await;
	let batches = chain.state().batches.clone();
	assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
	assert_eq!((batches[1][0].channel, batches[1][0].allowed()), (id(1), Some(20)));
	// Nothing counts as settled before it is final.
	assert_eq!(payee.totals().unsettled, 30);
	chain.finalize();
	drop(stop);
	running.await.unwrap();
	assert_eq!((payee.totals().unsettled, chain.state().batches.len()), (0, 2));
}

#[tokio::test]
async fn what_the_best_block_shows_as_settled_should_not_be_sent_again() {
	let (chain, payee) = setup(1).await;
	let policy = SettlePolicy { interval: Duration::ZERO, ..SettlePolicy::default() };
	let settler = Settler::new(payee.clone(), chain.clone(), policy);
	chain.state().lose_batches = true;
	assert!(settler.settle_now().await.is_err());
	// Also by one that knows nothing of the batch.
	for settler in [settler, Settler::new(payee.clone(), chain.clone(), policy)] {
		for _ in 0..3 {
			assert!(settler.settle_now().await.unwrap().batches.is_empty());
			assert!(settler.due().is_none());
		}
	}
	assert_eq!((payee.totals().unsettled, chain.state().batches.len()), (10, 1));
	// More was earned meanwhile: that alone counts.
	accept(&payee, id(0), 20).await;
	let policy = SettlePolicy { max_unsettled: 11, interval: Duration::MAX, ..policy };
	assert!(Settler::new(payee.clone(), chain.clone(), policy).due().is_none());
	chain.finalize();
	payee.refresh_all().await.unwrap();
	assert_eq!(payee.totals().unsettled, 10);
}

#[tokio::test(start_paused = true)]
async fn claims_of_an_unknown_outcome_should_wait_until_the_chain_was_asked() {
	let (chain, payee) = setup(1).await;
	let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
	chain.state().drop_batches = true;
	assert!(settler.settle_now().await.is_err());
	chain.state().drop_batches = false;
	assert!(settler.settle_now().await.unwrap().batches.is_empty());
	tokio::time::advance(Duration::from_secs(7)).await;
	assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
}

#[tokio::test(start_paused = true)]
async fn claims_of_an_unknown_outcome_should_not_wait_for_their_end() {
	let (chain, payee) = setup(1).await;
	let settler = Settler::new(payee, chain.clone(), SettlePolicy::default());
	chain.state().drop_batches = true;
	close(&chain, 0, 103);
	assert!(settler.settle_now().await.is_err());
	chain.state().drop_batches = false;
	assert_eq!(settler.settle_now().await.unwrap().claimed, 10);
}

#[tokio::test]
async fn failures_should_be_tried_again_less_and_less_often_while_there_is_time() {
	let poll = Duration::from_millis(5);
	let policy = SettlePolicy { poll, max_unsettled: 1, ..SettlePolicy::default() };
	for (ends, expected) in [(None, 2..=8), (Some(900), 2..=8), (Some(130), 12..=100)] {
		let (chain, payee) = setup(1).await;
		if let Some(ends) = ends {
			close(&chain, 0, ends);
		}
		chain.state().failing_batches = 1_000;
		let settler = Settler::new(payee, chain.clone(), policy);
		settler.run(tokio::time::sleep(Duration::from_millis(300))).await;
		let tried = 1_000 - chain.state().failing_batches;
		assert!(expected.contains(&tried), "{ends:?}: {tried}");
	}
}
