use super::*;
use crate::{
	chain::fake::{channel, FakeChain},
	keys::{Scheme, VoucherKey},
	payer::Policy,
	store::MemoryStore,
};
use sp_core::H256;

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

async fn funder(store: &Arc<MemoryStore>, chain: &Arc<FakeChain>) -> Funder {
	let payer = Payer::new(store.clone(), H256::zero(), Policy::per_call(100)).unwrap();
	let info = chain.state().finalized[&ID].clone();
	payer.add_channel(&info, key()).await.unwrap();
	Funder::new(payer, store.as_ref(), chain.clone(), POLICY).unwrap()
}

fn chain(deposit: Balance) -> Arc<FakeChain> {
	let chain = Arc::new(FakeChain::new(H256::zero()));
	chain.put(channel(ID, key().key(), deposit));
	chain
}

#[tokio::test]
async fn the_budget_of_a_period_should_hold_over_restarts() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(20));
	let first = funder(&store, &chain).await;
	assert_eq!(first.ensure(&ID, 20, 1_000).await.unwrap(), 50);
	assert_eq!(chain.state().finalized[&ID].deposit, 70);
	assert_eq!(first.ensure(&ID, 20, 1_000).await.unwrap(), 0);
	first.payer.pay(&ID, 0, 65).await.unwrap();
	drop(first);
	let second = funder(&store, &chain).await;
	assert_eq!(second.spent(1_001), 50);
	assert_eq!(second.ensure(&ID, 20, 1_001).await.unwrap(), 50);
	second.payer.pay(&ID, 0, 100).await.unwrap();
	let error = second.ensure(&ID, 50, 1_002).await.unwrap_err();
	assert!(matches!(error, TopUpError::Refused(TopUpRefusal::BudgetSpent { spent: 100, .. })));
	// The period is over.
	assert_eq!(second.ensure(&ID, 50, 1_000 + 3_600).await.unwrap(), 50);
}

#[tokio::test]
async fn an_unknown_outcome_should_count_as_spent_and_a_refusal_not() {
	let (store, chain) = (Arc::new(MemoryStore::default()), chain(20));
	let funder = funder(&store, &chain).await;
	chain.state().refuse_top_ups = true;
	let error = funder.ensure(&ID, 20, 1_000).await.unwrap_err();
	assert!(matches!(error, TopUpError::Chain(ChainError::Rejected { .. })));
	assert_eq!(funder.spent(1_000), 0);
	chain.state().refuse_top_ups = false;
	chain.state().lose_top_ups = true;
	let error = funder.ensure(&ID, 20, 1_000).await.unwrap_err();
	assert!(matches!(error, TopUpError::Chain(ChainError::Unknown { .. })));
	assert_eq!(funder.spent(1_000), 50);
	// It was made: the chain says so, and nothing is locked twice.
	chain.state().lose_top_ups = false;
	let error = funder.ensure(&ID, 21, 1_000).await.unwrap_err();
	assert!(matches!(error, TopUpError::Refused(TopUpRefusal::Unfinalized)));
	assert_eq!(chain.state().best[&ID].deposit, 70);
}
