use super::*;
use crate::{
	chain::{
		fake::{channel, FakeChain, ASSET},
		ChannelInfo, Phase,
	},
	keys::{Scheme, VoucherKey},
	payer::{Payer, Policy},
	store::{MemoryStore, Store, Table, Write},
};
use sp_core::H256;
use std::sync::Arc;
use stoa_primitives::channel::ChannelId;

const ID: ChannelId = [7; 32];
const HOUR: Duration = Duration::from_secs(3_600);
const POLICY: TopUpPolicy =
	TopUpPolicy { below: 10, add: 50, max_deposit: 1_000, budget: 100, period: HOUR };

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn deposit(needed: Balance, known: Balance, newest: Balance, spent: Balance) -> Deposit {
	Deposit { needed, known, newest, spent }
}

#[test]
fn too_little_should_be_topped_up_within_the_limits() {
	let decide = |deposit| POLICY.decide(deposit);
	assert_eq!(decide(deposit(90, 100, 100, 0)), Ok(None));
	assert_eq!(decide(deposit(91, 100, 100, 0)), Ok(Some(50)));
	assert_eq!(decide(deposit(150, 100, 100, 50)), Ok(Some(50)));
	let refused = |deposit| decide(deposit).unwrap_err();
	let missing = TopUpRefusal::TooLittle { missing: 51, add: 50 };
	assert_eq!(refused(deposit(151, 100, 100, 0)), missing);
	let spent = TopUpRefusal::BudgetSpent { spent: 51, add: 50, budget: 100 };
	assert_eq!(refused(deposit(101, 100, 100, 51)), spent);
	let full = TopUpRefusal::AboveDeposit { deposit: 960, add: 50, limit: 1_000 };
	assert_eq!(refused(deposit(961, 960, 960, 0)), full);
	// The last top-up is seen, and not final.
	assert_eq!(refused(deposit(101, 100, 150, 50)), TopUpRefusal::Unfinalized);
	// What is there suffices for this call: no reason to fail it.
	assert_eq!(decide(deposit(95, 100, 100, 100)), Ok(None));
	assert_eq!(decide(deposit(95, 100, 150, 100)), Ok(None));
}

fn funder_of(payer: &Payer, store: &Arc<MemoryStore>, chain: &Arc<FakeChain>) -> Funder {
	Funder::new(payer.clone(), store.as_ref(), chain.clone(), ASSET, POLICY).unwrap()
}

async fn funder(store: &Arc<MemoryStore>, chain: &Arc<FakeChain>) -> (Payer, Funder) {
	let payer = Payer::new(store.clone(), H256::zero(), Policy::per_call(100)).unwrap();
	let infos: Vec<_> = chain.state().finalized.values().cloned().collect();
	for info in infos {
		payer.add_channel(&info, key()).await.unwrap();
	}
	let funder = funder_of(&payer, store, chain);
	(payer, funder)
}

fn chain(deposit: Balance) -> Arc<FakeChain> {
	let chain = Arc::new(FakeChain::new(H256::zero()));
	chain.put(channel(ID, key().key(), deposit));
	chain
}

/// Waits for what is done in the background.
async fn until(mut done: impl FnMut() -> bool) {
	let waiting = async {
		while !done() {
			tokio::time::sleep(Duration::from_millis(2)).await;
		}
	};
	tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("done in time");
}

#[tokio::test]
async fn the_budget_of_a_period_should_hold_over_restarts() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	let (payer, first) = funder(&store, &chain).await;
	assert_eq!(first.ensure(&ID, 20, 1_000).await.unwrap(), 50);
	assert_eq!(chain.state().finalized[&ID].deposit, 60);
	assert_eq!(first.ensure(&ID, 20, 1_000).await.unwrap(), 0);
	payer.pay(&ID, 0, 60).await.unwrap().acknowledge();
	drop((payer, first));
	let (payer, second) = funder(&store, &chain).await;
	assert_eq!(second.spent(1_001), 50);
	assert_eq!(second.ensure(&ID, 20, 1_001).await.unwrap(), 50);
	payer.pay(&ID, 0, 50).await.unwrap().acknowledge();
	let error = second.ensure(&ID, 50, 1_002).await.unwrap_err();
	assert!(matches!(error, TopUpError::Refused(TopUpRefusal::BudgetSpent { spent: 100, .. })));
	// The period is over.
	assert_eq!(second.ensure(&ID, 50, 1_000 + 3_600).await.unwrap(), 50);
}

#[tokio::test]
async fn an_unknown_outcome_should_count_as_spent_and_a_refusal_not() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	let (_, funder) = funder(&store, &chain).await;
	chain.state().refuse_top_ups = true;
	let error = funder.ensure(&ID, 20, 1_000).await.unwrap_err();
	assert!(matches!(error, TopUpError::Chain(ChainError::Rejected { .. })));
	assert_eq!(funder.spent(1_000), 0);
	chain.state().refuse_top_ups = false;
	chain.state().lose_top_ups = true;
	let error = funder.ensure(&ID, 20, 1_100).await.unwrap_err();
	assert!(matches!(error, TopUpError::Chain(ChainError::Unknown { .. })));
	assert_eq!(funder.spent(1_100), 50);
	// It was made: the chain says so, and nothing is locked twice.
	chain.state().lose_top_ups = false;
	let error = funder.ensure(&ID, 21, 1_200).await.unwrap_err();
	assert!(matches!(error, TopUpError::Refused(TopUpRefusal::Unfinalized)));
	assert_eq!(chain.state().best[&ID].deposit, 60);
}

#[tokio::test]
async fn a_call_should_not_wait_while_the_deposit_suffices() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(25));
	let (payer, funder) = funder(&store, &chain).await;
	// Nor fail when the chain cannot be read.
	chain.state().down = true;
	assert_eq!(funder.ensure(&ID, 20, 1_000).await.unwrap(), 0);
	tokio::time::sleep(Duration::from_millis(20)).await;
	assert!(chain.state().top_ups.is_empty());
	assert!(matches!(funder.ensure(&ID, 26, 1_000).await, Err(TopUpError::Chain(_))));
	chain.state().down = false;
	assert_eq!(funder.ensure(&ID, 20, 1_100).await.unwrap(), 0);
	until(|| payer.channel(&ID).unwrap().deposit == 75).await;
	assert_eq!(funder.ensure(&ID, 20, 1_100).await.unwrap(), 0);
	assert_eq!(chain.state().top_ups.len(), 1);
}

#[tokio::test]
async fn what_is_sent_again_should_need_no_more() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(30));
	let (payer, funder) = funder(&store, &chain).await;
	payer.pay(&ID, 0, 30).await.unwrap();
	chain.state().refuse_top_ups = true;
	assert_eq!(funder.ensure(&ID, 30, 1_000).await.unwrap(), 0);
	assert!(funder.ensure(&ID, 31, 1_000).await.is_err());
}

#[tokio::test]
async fn failures_should_cost_a_fee_less_and_less_often() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	let (_, funder) = funder(&store, &chain).await;
	chain.state().failing_top_up = Some(ID);
	// One call a second for an hour.
	for now in 1_000..4_600 {
		let error = funder.ensure(&ID, 20, now).await.unwrap_err();
		assert!(matches!(error, TopUpError::Chain(ChainError::Dispatch(_))));
	}
	let sent = chain.state().top_ups.len();
	assert!((10..=14).contains(&sent), "{sent}");
	// In the background as well.
	assert_eq!(funder.ensure(&ID, 5, 4_600).await.unwrap(), 0);
	tokio::time::sleep(Duration::from_millis(20)).await;
	assert_eq!(chain.state().top_ups.len(), sent);
	chain.state().failing_top_up = None;
	assert_eq!(funder.ensure(&ID, 20, 6_000).await.unwrap(), 50);
	assert_eq!(funder.spent(6_000), 50);
}

#[tokio::test]
async fn only_channels_of_its_asset_should_be_topped_up() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	let other = ChannelInfo { asset: AssetId::Native, ..channel([8; 32], key().key(), 10) };
	chain.put(other);
	let (_, funder) = funder(&store, &chain).await;
	let error = funder.ensure(&[8; 32], 20, 1_000).await.unwrap_err();
	assert!(matches!(error, TopUpError::OtherAsset { actual: AssetId::Native, .. }));
	assert_eq!(funder.ensure(&ID, 20, 1_000).await.unwrap(), 50);
	assert_eq!(chain.state().top_ups, [[(ID, 50)]]);
}

#[tokio::test]
async fn channels_that_are_low_should_be_topped_up_together() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	for (id, deposit) in [([8; 32], 9), ([9; 32], 100), ([10; 32], 5)] {
		chain.put(channel(id, key().key(), deposit));
	}
	let (payer, funder) = funder(&store, &chain).await;
	assert_eq!(funder.ensure(&ID, 20, 1_000).await.unwrap(), 50);
	// Within the budget, which has room for two.
	assert_eq!(chain.state().top_ups, [[(ID, 50), ([8; 32], 50)]]);
	assert_eq!(funder.spent(1_000), 100);
	let deposits: Vec<_> = payer.channels().iter().map(|channel| channel.deposit).collect();
	assert_eq!(deposits, [60, 59, 100, 5]);
}

#[tokio::test]
async fn one_bad_channel_should_not_keep_the_others_from_being_topped_up() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	chain.put(channel([8; 32], key().key(), 9));
	let (payer, funder) = funder(&store, &chain).await;
	chain.state().failing_top_up = Some([8; 32]);
	assert_eq!(funder.ensure(&ID, 20, 1_000).await.unwrap(), 50);
	assert_eq!(funder.spent(1_000), 50);
	payer.pay(&ID, 0, 60).await.unwrap().acknowledge();
	// Alone for a while.
	assert_eq!(funder.ensure(&ID, 20, 1_001).await.unwrap(), 50);
	let sent: Vec<_> = chain.state().top_ups.iter().map(Vec::len).collect();
	assert_eq!(sent, [2, 1, 1]);
}

#[tokio::test]
async fn a_closing_channel_should_not_be_topped_up() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	let (_, funder) = funder(&store, &chain).await;
	chain.state().best.get_mut(&ID).unwrap().phase = Phase::Closing { ends: 900 };
	assert!(matches!(funder.ensure(&ID, 20, 1_000).await, Err(TopUpError::Chain(_))));
	assert!(chain.state().top_ups.is_empty());
}

#[tokio::test]
async fn what_the_first_version_has_spent_should_count_once() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(10));
	let row = (1u8, vec![(900u64, 50 as Balance)]);
	store.commit(&[Write::put(Table::Meta, b"top-ups", &row)]).unwrap();
	for _ in 0..2 {
		let (_, funder) = funder(&store, &chain).await;
		assert_eq!(funder.spent(1_000), 50);
	}
	let (_, first) = funder(&store, &chain).await;
	assert_eq!(first.ensure(&ID, 20, 1_000).await.unwrap(), 50);
	drop(first);
	let (_, second) = funder(&store, &chain).await;
	assert_eq!(second.spent(1_000), 100);
}
