//! Paying by ticks.

use super::*;
use crate::ticks::SignedTicks;
use stoa_primitives::tick::MAX_TICKS;

const TICKS: TickTerms = TickTerms { value: 10, count: 4 };

fn ticks(payment: &Payment) -> SignedTicks {
	match payment.proof() {
		Allowance::Ticks(ticks) => *ticks,
		other => panic!("{other:?}"),
	}
}

async fn pay(payer: &Payer, price: Balance) -> SignedTicks {
	let payment = payer.pay_tick(&CHANNEL, 0, price, TICKS).await.unwrap();
	let sent = ticks(&payment);
	payment.acknowledge();
	sent
}

#[tokio::test]
async fn ticks_should_follow_each_other_and_verify() {
	let payer = payer(1_000).await;
	let mut last: Option<SignedTicks> = None;
	for index in 1..=4 {
		let sent = pay(&payer, 10).await;
		assert!(sent.verify(&key().key(), payer.domain()));
		assert_eq!((sent.index, sent.amount()), (index, Some(Balance::from(index) * 10)));
		assert!(last.is_none_or(|last| last.signed == sent.signed));
		last = Some(sent);
	}
	// Used up: a new commitment goes on from what was signed.
	let next = pay(&payer, 20).await;
	assert_eq!((next.signed.commit.base, next.index), (40, 2));
	assert_ne!(next.signed.commit.root, last.unwrap().signed.commit.root);
	assert_ne!(next.signed.commit.prefix, last.unwrap().signed.commit.prefix);
	assert_eq!(payer.channels()[0].acknowledged, 60);
}

#[tokio::test]
async fn no_more_should_be_revealed_than_was_paid() {
	let payer = payer(1_000).await;
	let first = ticks(&payer.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap());
	// Not acknowledged: the same tick again, also for a voucher's worth.
	let again = ticks(&payer.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap());
	assert_eq!(again, first);
	assert_eq!(*payer.pay(&CHANNEL, 0, 5).await.unwrap().proof(), first.into());
	assert_eq!(ticks(&payer.pay_tick(&CHANNEL, 0, 25, TICKS).await.unwrap()).index, 3);
	assert_eq!(payer.channels()[0].signed, 30);
}

#[tokio::test]
async fn vouchers_and_ticks_should_mix() {
	let payer = payer(1_000).await;
	assert_eq!(pay(&payer, 10).await.index, 1);
	let voucher = payer.pay(&CHANNEL, 0, 15).await.unwrap();
	assert_eq!(voucher.proof().amount(), 25);
	assert!(voucher.voucher().is_some());
	voucher.acknowledge();
	let next = pay(&payer, 10).await;
	assert_eq!((next.index, next.amount()), (4, Some(40)));
	// Another value is another commitment.
	let other = TickTerms { value: 7, count: 2_000 };
	let sent = ticks(&payer.pay_tick(&CHANNEL, 0, 10, other).await.unwrap());
	let commit = sent.signed.commit;
	assert_eq!((commit.base, commit.value, commit.count, sent.index), (40, 7, MAX_TICKS, 2));
}

#[tokio::test]
async fn a_crash_should_neither_use_a_commitment_twice_nor_reveal_more() {
	let dir = tempfile::tempdir().unwrap();
	let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
	let store = Arc::new(RedbStore::open(&path).unwrap());
	let before = payer_with(store, 1_000, Policy::per_call(100)).await;
	pay(&before, 10).await;
	let sent = ticks(&before.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap());
	std::fs::copy(&path, &copy).unwrap();
	let store = Arc::new(RedbStore::open(&copy).unwrap());
	let after = Payer::new(store, GENESIS, Policy::per_call(100)).unwrap();
	after.add_key(key());
	let again = after.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap();
	assert_eq!(ticks(&again), sent);
	again.acknowledge();
	let next = ticks(&after.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap());
	assert_eq!((next.index, next.signed), (3, sent.signed));
}

#[tokio::test]
async fn nothing_should_be_revealed_when_the_store_fails() {
	let store = Arc::new(FailingStore::default());
	let payer = payer_with(store.clone(), 100, Policy::per_call(100)).await;
	store.fail.store(true, Ordering::SeqCst);
	let failed = payer.pay_tick(&CHANNEL, 0, 10, TICKS).await;
	assert!(matches!(failed, Err(PayError::Store(_))));
	assert_eq!(payer.channels()[0].signed, 0);
	store.fail.store(false, Ordering::SeqCst);
	assert_eq!(pay(&payer, 10).await.index, 1);
}

#[tokio::test]
async fn limits_should_hold_for_ticks() {
	let policy = Policy { budget: 45, ..Policy::per_call(100) };
	let payer = payer_with(Arc::new(MemoryStore::default()), 60, policy).await;
	let refusal = |price, ticks| {
		let payer = payer.clone();
		async move { refused(payer.pay_tick(&CHANNEL, 0, price, ticks).await) }
	};
	let small = Refusal::TicksTooSmall { count: 4, value: 10, price: 41 };
	assert_eq!(refusal(41, TICKS).await, small);
	let free = TickTerms { value: 0, ..TICKS };
	assert!(matches!(refusal(1, free).await, Refusal::TicksTooSmall { .. }));
	assert!(matches!(refusal(101, TICKS).await, Refusal::AboveMaxPrice { .. }));
	pay(&payer, 40).await;
	// The tick would allow more than the price, so it is what counts.
	assert!(matches!(refusal(5, TICKS).await, Refusal::BudgetSpent { .. }));
}

#[tokio::test]
async fn a_payees_tick_should_correct_lost_records() {
	let payer = payer(1_000).await;
	let other = payer_with(Arc::new(MemoryStore::default()), 1_000, Policy::per_call(100)).await;
	let mut shown = None;
	for _ in 0..3 {
		shown = Some(pay(&other, 10).await);
	}
	let shown = shown.unwrap();
	let payment = payer.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap();
	let next = payment.correct(&shown.into()).await.unwrap();
	assert_eq!((next.proof().amount(), ticks(&next).signed.commit.base), (40, 30));
	// A payee cannot make up the tick that follows, nor another place for the one it has.
	let forged =
		[SignedTicks { tick: [1; 32], index: 4, ..shown }, SignedTicks { index: 4, ..shown }];
	drop(next);
	for statement in forged {
		let payment = payer.pay_tick(&CHANNEL, 0, 10, TICKS).await.unwrap();
		let outcome = payment.correct(&statement.into()).await;
		assert!(matches!(outcome, Err(PayError::Unproven)));
	}
}
