//! What may be signed for a payee and in all, and what may be under way.

use super::*;
use std::{sync::atomic::AtomicU64, time::Duration};

const OTHER: ChannelId = [8; 32];
const ELSEWHERE: ChannelId = [9; 32];

#[derive(Clone, Default)]
struct Time(Arc<AtomicU64>);

impl Time {
	fn set(&self, now: u64) {
		self.0.store(now, Ordering::SeqCst);
	}
}

fn budgets(per_payee: Balance, in_all: Balance) -> Policy {
	let budgets = Budgets { per_payee, in_all, period: Duration::from_secs(3_600) };
	Policy { budgets, ..Policy::per_call(100) }
}

/// Two channels to one payee and one to another, with three lanes each.
async fn payer_on(store: Arc<dyn Store>, time: &Time, policy: Policy) -> Payer {
	let now = time.0.clone();
	let clock = move || now.load(Ordering::SeqCst);
	let payer = Payer::with_clock(store, GENESIS, policy, clock).unwrap();
	let wide = ChannelInfo { lanes: 3, lane_settled: vec![0; 3], ..info(1_000) };
	let elsewhere = ChannelInfo { id: ELSEWHERE, payee: AccountId::new([3; 32]), ..wide.clone() };
	for info in [wide.clone(), ChannelInfo { id: OTHER, ..wide }, elsewhere] {
		payer.add_channel(&info, key()).await.unwrap();
	}
	payer
}

#[tokio::test]
async fn budgets_should_hold_for_a_payee_and_in_all_until_the_period_is_over() {
	let (time, store) = (Time::default(), Arc::new(MemoryStore::default()));
	time.set(10_000);
	let payer = payer_on(store.clone(), &time, budgets(25, 40)).await;
	payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	payer.pay(&OTHER, 0, 10).await.unwrap().acknowledge();
	let spent = Refusal::PayeeBudgetSpent { remaining: 5, price: 10 };
	assert_eq!(refused(payer.pay(&CHANNEL, 1, 10).await), spent);
	payer.pay(&ELSEWHERE, 0, 15).await.unwrap().acknowledge();
	let spent = Refusal::TotalBudgetSpent { remaining: 5, price: 10 };
	assert_eq!(refused(payer.pay(&ELSEWHERE, 0, 10).await), spent);
	// Also after a crash.
	let after = payer_on(copy(store.as_ref()), &time, budgets(25, 40)).await;
	assert_eq!(refused(after.pay(&ELSEWHERE, 1, 10).await), spent);
	time.set(13_599);
	assert_eq!(refused(payer.pay(&ELSEWHERE, 0, 10).await), spent);
	time.set(13_600);
	payer.pay(&ELSEWHERE, 0, 10).await.unwrap().acknowledge();
	payer.pay(&CHANNEL, 0, 25).await.unwrap();
}

#[tokio::test]
async fn each_asset_should_have_budgets_of_its_own() {
	let payer = payer_on(Arc::new(MemoryStore::default()), &Time::default(), budgets(10, 10)).await;
	let native = ChannelInfo { id: [6; 32], asset: AssetId::Native, ..info(1_000) };
	payer.add_channel(&native, key()).await.unwrap();
	payer.pay(&CHANNEL, 0, 10).await.unwrap().acknowledge();
	payer.pay(&[6; 32], 0, 10).await.unwrap().acknowledge();
	assert!(matches!(
		refused(payer.pay(&[6; 32], 0, 1).await),
		Refusal::PayeeBudgetSpent { remaining: 0, .. }
	));
}

#[tokio::test]
async fn what_is_sent_again_should_count_once() {
	let payer = payer_on(Arc::new(MemoryStore::default()), &Time::default(), budgets(10, 10)).await;
	let first = *payer.pay(&CHANNEL, 0, 10).await.unwrap().proof();
	assert_eq!(*payer.pay(&CHANNEL, 0, 10).await.unwrap().proof(), first);
}

#[tokio::test]
async fn an_older_copy_of_the_store_should_count_what_it_learns() {
	let (time, store) = (Time::default(), Arc::new(MemoryStore::default()));
	let payer = payer_on(store.clone(), &time, budgets(100, 100)).await;
	let older = copy(store.as_ref());
	let mut last = None;
	for _ in 0..3 {
		let payment = payer.pay(&CHANNEL, 0, 30).await.unwrap();
		last = Some(*payment.proof());
		payment.acknowledge();
	}
	// By the payee, which shows what it has, and by the chain.
	let payer = payer_on(copy(older.as_ref()), &time, budgets(100, 100)).await;
	let payment = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let payment = payment.correct(&last.unwrap()).await.unwrap();
	assert_eq!(payment.proof().amount(), 100);
	payment.acknowledge();
	let none = Refusal::PayeeBudgetSpent { remaining: 0, price: 1 };
	assert_eq!(refused(payer.pay(&CHANNEL, 0, 1).await), none);
	let payer = payer_on(older, &time, budgets(100, 100)).await;
	payer.add_channel(&settled(90), key()).await.unwrap();
	let spent = Refusal::PayeeBudgetSpent { remaining: 10, price: 11 };
	assert_eq!(refused(payer.pay(&CHANNEL, 0, 11).await), spent);
}

#[tokio::test]
async fn what_could_not_be_written_down_should_not_count() {
	let store = Arc::new(FailingStore::default());
	let payer = payer_on(store.clone(), &Time::default(), budgets(10, 10)).await;
	store.fail.store(true, Ordering::SeqCst);
	assert!(matches!(payer.pay(&CHANNEL, 0, 10).await, Err(PayError::Store(_))));
	store.fail.store(false, Ordering::SeqCst);
	payer.pay(&CHANNEL, 0, 10).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parallel_calls_should_leave_nothing_uncounted_on_disk() {
	let (time, store) = (Time::default(), Arc::new(MemoryStore::default()));
	let payer = payer_on(store.clone(), &time, budgets(10_000, 10_000)).await;
	let calls: Vec<_> = (0..60)
		.map(|n| {
			let payer = payer.clone();
			let channel = if n % 2 == 0 { CHANNEL } else { OTHER };
			tokio::spawn(async move {
				payer.pay_any(&channel, 7, None).await.unwrap().acknowledge();
			})
		})
		.collect();
	for call in calls {
		call.await.unwrap();
	}
	// One more unit than what was signed last and not written down as answered.
	for (budget, fits) in [(420, false), (421, true)] {
		let after = payer_on(copy(store.as_ref()), &time, budgets(budget, 10_000)).await;
		let signed: Balance = after.channels().iter().map(|channel| channel.signed).sum();
		assert_eq!(signed, 420);
		assert_eq!(after.pay(&CHANNEL, 0, 8).await.is_ok(), fits);
	}
}

#[tokio::test]
async fn no_more_than_the_limit_should_be_under_way_to_a_payee() {
	let policy = Policy { max_in_flight: 25, ..Policy::per_call(100) };
	let payer = payer_on(Arc::new(MemoryStore::default()), &Time::default(), policy).await;
	let first = payer.pay(&CHANNEL, 0, 10).await.unwrap();
	let second = payer.pay(&OTHER, 0, 10).await.unwrap();
	let full = Refusal::InFlight { remaining: 5, price: 10 };
	assert_eq!(refused(payer.pay(&CHANNEL, 1, 10).await), full);
	// Another payee has a limit of its own.
	payer.pay(&ELSEWHERE, 0, 25).await.unwrap();
	first.acknowledge();
	payer.pay(&CHANNEL, 1, 10).await.unwrap();
	drop(second);
	// Nothing more may be signed: what was sent without an answer is sent again, on its own lane.
	let again = payer.pay_any(&CHANNEL, 10, None).await.unwrap();
	assert_eq!((again.lane().lane, again.proof().amount()), (1, 10));
}
