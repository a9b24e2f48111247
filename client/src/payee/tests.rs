use super::*;
use crate::{
	chain::{
		fake::{self, channel, FakeChain},
		Phase,
	},
	keys::{Scheme, VoucherKey},
	store::{tests::FailingStore, MemoryStore, RedbStore},
};
use proptest::prelude::*;
use sp_core::H256;
use stoa_primitives::payload::Voucher;

const ID: ChannelId = [9; 32];
const GENESIS: H256 = H256::repeat_byte(1);

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn sign_on(channel: ChannelId, cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel, lane: 0, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &Domain::channels(GENESIS))
}

fn sign(cumulative: Balance) -> SignedVoucher {
	sign_on(ID, cumulative)
}

fn chain(deposit: Balance) -> Arc<FakeChain> {
	let chain = Arc::new(FakeChain::new(GENESIS));
	chain.put(channel(ID, key().key(), deposit));
	chain
}

fn config() -> PayeeConfig {
	PayeeConfig::new(fake::payee(), fake::ASSET)
}

async fn payee(store: Arc<dyn Store>, chain: &Arc<FakeChain>) -> Payee {
	Payee::start(config(), store, chain.clone()).await.unwrap()
}

async fn reserve(payee: &Payee, cumulative: Balance, request: u8) -> Result<Decision, PayeeError> {
	match payee.check(&sign(cumulative), 10).await? {
		Checked::Valid(verified) => payee.reserve(&verified, 10, [request; 32]).await,
		Checked::Rejected(rejection) => Ok(Decision::Rejected(rejection)),
	}
}

fn rejected(outcome: Result<Accepted, PayeeError>) -> Rejection {
	match outcome.unwrap() {
		Accepted::Rejected(rejection) => rejection,
		other => panic!("{other:?}"),
	}
}

#[tokio::test]
async fn accepted_vouchers_should_survive_a_killed_process() {
	let dir = tempfile::tempdir().unwrap();
	let (path, copy) = (dir.path().join("a"), dir.path().join("b"));
	let chain = chain(1_000);
	let before = payee(Arc::new(RedbStore::open(&path).unwrap()), &chain).await;
	for n in 1..=5 {
		assert!(matches!(before.accept(&sign(n * 10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
	}
	std::fs::copy(&path, &copy).unwrap();
	let after = payee(Arc::new(RedbStore::open(&copy).unwrap()), &chain).await;
	assert!(matches!(
		after.accept(&sign(50), 10, [0; 32]).await,
		Ok(Accepted::Replay { same_request: true })
	));
	after.refresh_all().await.unwrap();
	assert_eq!(after.unsettled()[0].amount, 50);
	assert_eq!(
		after.totals(),
		Totals { channels: 1, vouchers: 5, earned: 50, unsettled: 50, ..Totals::default() }
	);
}

#[tokio::test]
async fn a_failing_store_should_fail_the_call_and_change_nothing() {
	let store = Arc::new(FailingStore::default());
	let payee = payee(store.clone(), &chain(100)).await;
	store.fail.store(true, Ordering::SeqCst);
	let outcome = payee.accept(&sign(10), 10, [0; 32]).await;
	assert!(matches!(outcome, Err(PayeeError::Store(_))));
	assert!(payee.record(&sign(10).lane()).is_none());
	store.fail.store(false, Ordering::SeqCst);
	assert!(matches!(payee.accept(&sign(10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
}

#[tokio::test]
async fn a_dropped_reservation_should_bill_nothing() {
	let payee = payee(Arc::new(MemoryStore::default()), &chain(100)).await;
	let decision = reserve(&payee, 10, 0).await.unwrap();
	assert!(matches!(decision, Decision::Reserved(_)));
	drop(decision);
	assert!(payee.unsettled().is_empty());
	assert!(matches!(payee.accept(&sign(10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_equal_vouchers_should_be_fresh() {
	let payee = payee(Arc::new(MemoryStore::default()), &chain(100)).await;
	let calls: Vec<_> = (0..50)
		.map(|_| {
			let payee = payee.clone();
			tokio::spawn(async move { payee.accept(&sign(10), 10, [0; 32]).await.unwrap() })
		})
		.collect();
	let mut fresh = 0;
	for call in calls {
		match call.await.unwrap() {
			Accepted::Fresh(_) => fresh += 1,
			Accepted::Replay { same_request: true } => {},
			other => panic!("{other:?}"),
		}
	}
	assert_eq!(fresh, 1);
}

#[tokio::test]
async fn nothing_should_be_accepted_while_the_chain_is_silent() {
	let chain = chain(100);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	chain.state().down = true;
	let outcome = payee.accept(&sign(10), 10, [0; 32]).await;
	assert!(matches!(outcome, Err(PayeeError::Chain(_))));
	chain.state().down = false;
	assert!(matches!(payee.accept(&sign(10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
}

#[tokio::test]
async fn starting_should_need_the_chain() {
	let chain = chain(100);
	chain.state().down = true;
	let outcome = Payee::start(config(), Arc::new(MemoryStore::default()), chain).await;
	assert!(matches!(outcome, Err(PayeeError::Chain(_))));
}

fn began_anew<T>(outcome: Result<T, PayeeError>) -> bool {
	matches!(outcome, Err(PayeeError::Store(StoreError::ChainAnew(_))))
}

#[tokio::test]
async fn records_of_a_chains_earlier_life_should_be_refused() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let chain = chain(100);
	drop(payee(store.clone(), &chain).await);
	// The same genesis, and a channel of the same id.
	chain.state().life = 1;
	assert!(began_anew(Payee::start(config(), store, chain.clone()).await));
	Payee::start(config(), Arc::new(MemoryStore::default()), chain).await.unwrap();
}

#[tokio::test]
async fn nothing_should_be_accepted_once_the_chain_began_anew() {
	let chain = chain(100);
	let config = PayeeConfig { max_age: Duration::ZERO, ..config() };
	let payee =
		Payee::start(config, Arc::new(MemoryStore::default()), chain.clone()).await.unwrap();
	payee.accept(&sign(10), 10, [0; 32]).await.unwrap();
	chain.state().life = 1;
	assert!(began_anew(payee.accept(&sign(20), 10, [0; 32]).await));
	assert!(began_anew(payee.refresh_all().await));
}

#[tokio::test]
async fn states_should_be_read_again_when_they_have_aged() {
	let chain = chain(100);
	let config = PayeeConfig { max_age: Duration::from_millis(30), ..config() };
	let payee =
		Payee::start(config, Arc::new(MemoryStore::default()), chain.clone()).await.unwrap();
	payee.accept(&sign(10), 10, [0; 32]).await.unwrap();
	let closing = Phase::Closing { ends: 500 };
	chain.state().best.get_mut(&ID).unwrap().phase = closing;
	assert!(matches!(payee.accept(&sign(20), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
	tokio::time::sleep(Duration::from_millis(40)).await;
	assert_eq!(rejected(payee.accept(&sign(30), 10, [0; 32]).await), Rejection::Closing);
	assert_eq!(payee.unsettled()[0].ends, Some(500));
}

#[tokio::test]
async fn unknown_channels_should_cost_one_read_and_no_memory() {
	let chain = chain(100);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	for n in 0..20u8 {
		let outcome = payee.accept(&sign_on([n; 32], 10), 10, [0; 32]).await;
		if n != ID[0] {
			assert_eq!(rejected(outcome), Rejection::UnknownChannel);
		}
	}
	// One for each of 19, and for the one that exists two more.
	assert_eq!(chain.state().reads, 19 + 3);
	assert_eq!((payee.turns().len(), payee.checks().len()), (1, 1));
}

#[tokio::test]
async fn an_unknown_channel_should_be_looked_up_again_only_after_a_while() {
	let chain = Arc::new(FakeChain::new(GENESIS));
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	for _ in 0..5 {
		let outcome = payee.accept(&sign(10), 10, [0; 32]).await;
		assert_eq!(rejected(outcome), Rejection::UnknownChannel);
	}
	assert_eq!(chain.state().reads, 1);
	// Opened meanwhile: an eighth of a block later it is known.
	chain.put(channel(ID, key().key(), 100));
	tokio::time::sleep(RECHECK).await;
	assert!(matches!(payee.accept(&sign(10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
}

#[tokio::test]
async fn what_is_remembered_of_unknown_channels_should_be_bounded() {
	let payee = payee(Arc::new(MemoryStore::default()), &chain(100)).await;
	for n in 0..=MAX_ABSENT {
		let mut id = [0xAA; 32];
		id[..8].copy_from_slice(&n.to_le_bytes());
		assert!(!payee.exists(&id).await.unwrap());
	}
	assert!(payee.absent().len() <= MAX_ABSENT);
	assert_eq!(payee.machine().channels().count(), 0);
}

#[tokio::test]
async fn known_channels_should_not_wait_for_unknown_ones() {
	let chain = chain(100);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	payee.accept(&sign(10), 10, [0; 32]).await.unwrap();
	let _strangers = payee.0.lookups.acquire_many(PARALLEL_LOOKUPS as u32).await.unwrap();
	let stranger = tokio::spawn({
		let payee = payee.clone();
		async move { payee.accept(&sign_on([1; 32], 10), 10, [0; 32]).await }
	});
	tokio::task::yield_now().await;
	let known = tokio::time::timeout(Duration::from_secs(5), async {
		payee.read(&ID, Duration::ZERO, None).await.unwrap();
		payee.accept(&sign(20), 10, [0; 32]).await
	});
	assert!(matches!(known.await, Ok(Ok(Accepted::Fresh(_)))));
	assert!(!stranger.is_finished());
	stranger.abort();
}

#[tokio::test]
async fn a_check_should_hold_and_change_nothing() {
	let payee = payee(Arc::new(MemoryStore::default()), &chain(100)).await;
	let check = || async {
		match payee.check(&sign(10), 10).await.unwrap() {
			Checked::Valid(verified) => verified,
			Checked::Rejected(rejection) => panic!("{rejection}"),
		}
	};
	let (first, second) = (check().await, check().await);
	assert!(payee.record(&sign(10).lane()).is_none() && payee.turns().is_empty());
	// Of two that were good when they were checked, one is served.
	let Decision::Reserved(reservation) = payee.reserve(&first, 10, [0; 32]).await.unwrap() else {
		panic!()
	};
	reservation.commit().await.unwrap();
	let second = payee.reserve(&second, 10, [1; 32]).await.unwrap();
	assert!(matches!(second, Decision::Replay { same_request: false }));
	let mut forged = sign(20);
	forged.signature = sign(10).signature;
	let outcome = payee.check(&forged, 10).await.unwrap();
	assert!(matches!(outcome, Checked::Rejected(Rejection::BadSignature)));
}

#[tokio::test]
async fn channels_that_ended_while_nobody_looked_should_be_forgotten_after_a_restart() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let chain = chain(100);
	let before = payee(store.clone(), &chain).await;
	before.accept(&sign(10), 10, [0; 32]).await.unwrap();
	drop(before);
	let after = payee(store.clone(), &chain).await;
	{
		let mut state = chain.state();
		state.best.clear();
		state.finalized.clear();
	}
	// A node at the very block that had the channel proves nothing.
	after.refresh_due(10).await.unwrap();
	assert_eq!(store.scan(Table::Payee).unwrap().len(), 1);
	chain.state().number += 1;
	let after = payee(store.clone(), &chain).await;
	assert!(!after.refresh_due(10).await.unwrap());
	assert!(store.scan(Table::Payee).unwrap().is_empty());
	// Whether all of it was settled cannot be known.
	let lost = Losses { units: 0, unread: 1 };
	assert_eq!(after.totals(), Totals { lost, ..Totals::default() });
}

#[tokio::test]
async fn each_pass_should_be_bounded_and_go_on_where_the_last_one_ended() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let chain = chain(100);
	let before = payee(store.clone(), &chain).await;
	for n in 1..=5 {
		chain.put(channel([n; 32], key().key(), 100));
		before.accept(&sign_on([n; 32], 10), 10, [0; 32]).await.unwrap();
	}
	let after = payee(store, &chain).await;
	chain.state().reads = 0;
	chain.state().unreadable = Some([1; 32]);
	assert!(after.refresh_due(2).await.is_err());
	chain.state().unreadable = None;
	// The channel that could not be read is left behind, the others are read.
	assert!(after.refresh_due(2).await.unwrap());
	let known = |n| after.channel(&[n; 32]).is_some();
	assert_eq!([1, 2, 3, 4, 5].map(known), [false, true, true, true, false]);
	assert!(!after.refresh_due(2).await.unwrap());
	assert_eq!([1, 2, 3, 4, 5].map(known), [true; 5]);
	// Nothing has aged.
	let reads = chain.state().reads;
	assert!(!after.refresh_due(2).await.unwrap());
	assert_eq!(chain.state().reads, reads);
}

#[tokio::test]
async fn ended_channels_should_be_removed_from_the_store() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let chain = chain(100);
	let config = PayeeConfig { max_age: Duration::ZERO, ..config() };
	let payee = Payee::start(config, store.clone(), chain.clone()).await.unwrap();
	payee.accept(&sign(10), 10, [0; 32]).await.unwrap();
	{
		let mut state = chain.state();
		state.best.clear();
		state.finalized.clear();
		state.number += 1;
	}
	payee.refresh_all().await.unwrap();
	assert!(store.scan(Table::Payee).unwrap().is_empty());
	let lost = Losses { units: 10, unread: 0 };
	assert_eq!(payee.totals(), Totals { lost, ..Totals::default() });
}

#[tokio::test]
async fn a_channel_that_is_forgotten_should_not_be_new_to_a_node_that_has_fallen_back() {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let chain = chain(100);
	let config = PayeeConfig { max_age: Duration::ZERO, ..config() };
	let start = || Payee::start(config.clone(), store.clone(), chain.clone());
	let payee = start().await.unwrap();
	payee.accept(&sign(10), 10, [0; 32]).await.unwrap();
	let number = chain.state().number;
	let channels = chain.state().best.clone();
	let set = |number, channels: &std::collections::HashMap<_, _>| {
		let mut state = chain.state();
		state.number = number;
		(state.best, state.finalized) = (channels.clone(), channels.clone());
	};
	set(number + 5, &Default::default());
	payee.refresh_all().await.unwrap();
	// In the same process and in the next one: the node still, or again, has the channel.
	set(number + 4, &channels);
	for payee in [payee, start().await.unwrap()] {
		let outcome = payee.accept(&sign(20), 10, [1; 32]).await;
		assert!(matches!(outcome, Err(PayeeError::Chain(_))), "{outcome:?}");
	}
	// A node that has come as far says the truth, and so does a channel that is there.
	set(number + 5, &channels);
	assert!(matches!(
		start().await.unwrap().accept(&sign(20), 20, [1; 32]).await,
		Ok(Accepted::Fresh(_))
	));
}

#[tokio::test(start_paused = true)]
async fn a_replaced_key_should_be_found_when_a_signature_does_not_fit() {
	let chain = chain(1_000);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	payee.lookup(&ID).await.unwrap().unwrap();
	let new = VoucherKey::from_uri("//New", Scheme::Ed25519).unwrap().key();
	chain.put(ChannelInfo { key: new, ..channel(ID, key().key(), 1_000) });
	chain.finalize();
	// Not as soon as somebody signs badly.
	assert_eq!(payee.lookup_keys(&ID).await.unwrap().unwrap().key, key().key());
	tokio::time::advance(KEY_RECHECK).await;
	assert_eq!(payee.lookup(&ID).await.unwrap().unwrap().key, key().key());
	assert_eq!(payee.lookup_keys(&ID).await.unwrap().unwrap().key, new);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_does_not_go_on_should_not_be_believed() {
	let chain = chain(1_000);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	let mut paid = 0;
	let mut accept = |payee: &Payee| {
		paid += 10;
		let (payee, signed) = (payee.clone(), sign(paid));
		async move { payee.accept(&signed, 10, [0; 32]).await }
	};
	for _ in 0..3 {
		tokio::time::advance(Duration::from_secs(50)).await;
		chain.state().number += 1;
		assert!(matches!(accept(&payee).await, Ok(Accepted::Fresh(_))));
	}
	// What was read is believed for a minute, and the next read finds the same block.
	tokio::time::advance(Duration::from_secs(61)).await;
	assert!(matches!(accept(&payee).await, Err(PayeeError::Chain(_))));
	// A node behind the one before is no better.
	chain.state().number -= 2;
	assert!(matches!(accept(&payee).await, Err(PayeeError::Chain(_))));
	chain.state().number += 3;
	assert!(matches!(payee.accept(&sign(40), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
}

#[tokio::test]
async fn nothing_should_be_accepted_while_the_node_fetches_the_chain() {
	let chain = chain(1_000);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	chain.state().catching_up = true;
	assert!(matches!(payee.accept(&sign(10), 10, [0; 32]).await, Err(PayeeError::Chain(_))));
	chain.state().catching_up = false;
	assert!(matches!(payee.accept(&sign(10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
}

#[tokio::test]
async fn calls_at_the_same_time_should_not_be_served_for_more_than_is_locked() {
	let chain = Arc::new(FakeChain::new(GENESIS));
	chain.put(ChannelInfo { lanes: 8, lane_settled: vec![0; 8], ..channel(ID, key().key(), 25) });
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	let voucher = |lane| Voucher { channel: ID, lane, cumulative: 10, valid_until: 0 };
	let mut held = Vec::new();
	for lane in 0..8 {
		let signed = key().sign_voucher(voucher(lane), &Domain::channels(GENESIS));
		if let Checked::Valid(verified) = payee.check(&signed, 10).await.unwrap() {
			match payee.reserve(&verified, 10, [0; 32]).await.unwrap() {
				Decision::Reserved(reservation) => held.push(reservation),
				Decision::Rejected(Rejection::AboveDeposit { .. }) => {},
				_ => panic!("neither served nor refused"),
			}
		}
	}
	assert_eq!(held.len(), 2);
	for reservation in held {
		reservation.commit().await.unwrap();
	}
	assert_eq!(payee.totals().unsettled, 20);
}

#[tokio::test]
async fn proofs_that_expire_should_be_refused_unless_they_are_wanted() {
	for (accept_expiring, fits) in [(false, false), (true, true)] {
		let mut config = config();
		config.rules.accept_expiring = accept_expiring;
		let store = Arc::new(MemoryStore::default());
		let payee = Payee::start(config, store, chain(100)).await.unwrap();
		let voucher = Voucher { channel: ID, lane: 0, cumulative: 10, valid_until: 1_000_000 };
		let signed = key().sign_voucher(voucher, &Domain::channels(GENESIS));
		let outcome = payee.accept(&signed, 10, [0; 32]).await.unwrap();
		assert_eq!(matches!(outcome, Accepted::Fresh(_)), fits, "{outcome:?}");
	}
}

#[tokio::test]
async fn a_lane_that_stays_busy_should_be_reported() {
	let config = PayeeConfig { lane_wait: Duration::from_millis(10), ..config() };
	let payee = Payee::start(config, Arc::new(MemoryStore::default()), chain(100)).await.unwrap();
	let _held = reserve(&payee, 10, 0).await.unwrap();
	assert!(matches!(reserve(&payee, 20, 1).await, Err(PayeeError::Busy)));
}

#[tokio::test]
async fn a_commit_should_end_even_if_nobody_waits_for_it() {
	let payee = payee(Arc::new(MemoryStore::default()), &chain(100)).await;
	let Decision::Reserved(reservation) = reserve(&payee, 10, 0).await.unwrap() else { panic!() };
	let commit = reservation.commit();
	let _ = tokio::time::timeout(Duration::ZERO, commit).await;
	for _ in 0..100 {
		if payee.record(&sign(10).lane()).is_some() {
			return;
		}
		tokio::time::sleep(Duration::from_millis(5)).await;
	}
	panic!("the commit was lost");
}

#[derive(Clone, Debug)]
enum Step {
	Accept { cumulative: Balance, price: Balance, request: u8 },
	Settle,
	Kill,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
	let step = prop_oneof![
		6 => (1u128..60, 1u128..6, 0u8..2)
			.prop_map(|(cumulative, price, request)| Step::Accept { cumulative, price, request }),
		1 => Just(Step::Settle),
		1 => Just(Step::Kill),
	];
	prop::collection::vec(step, 1..25)
}

/// Runs steps on a real file and returns the first disagreement with a plain model.
async fn run(steps: Vec<Step>) -> Result<(), String> {
	let dir = tempfile::tempdir().unwrap();
	let chain = chain(40);
	let config = PayeeConfig { max_age: Duration::ZERO, ..config() };
	let open = |path: &std::path::Path| Arc::new(RedbStore::open(path).unwrap());
	let mut path = dir.path().join("0");
	let mut payee = Payee::start(config.clone(), open(&path), chain.clone()).await.unwrap();
	let (mut accepted, mut earned, mut last) = (0, 0, None);
	for (n, step) in steps.into_iter().enumerate() {
		let state = format!("step {n} {step:?}: accepted {accepted}, earned {earned}");
		match step {
			Step::Accept { cumulative, price, request } => {
				let outcome = payee.accept(&sign(cumulative), price, [request; 32]).await.unwrap();
				let fits = cumulative >= accepted + price && cumulative <= 40;
				let expected = match outcome {
					Accepted::Fresh(_) => fits,
					Accepted::Replay { same_request } => {
						cumulative == accepted && same_request == (last == Some(request))
					},
					Accepted::Rejected(_) => !fits,
				};
				if !expected {
					return Err(format!("{state}: {outcome:?}"));
				}
				if matches!(outcome, Accepted::Fresh(_)) {
					(accepted, earned, last) = (cumulative, earned + price, Some(request));
				}
			},
			Step::Settle => {
				payee.refresh_all().await.unwrap();
				for claim in payee.unsettled() {
					let mut chain = chain.state();
					for view in [0, 1] {
						let channels =
							if view == 0 { &mut chain.best } else { &mut chain.finalized };
						let channel = channels.get_mut(&ID).unwrap();
						channel.settled += claim.amount;
						channel.lane_settled = vec![channel.settled];
					}
				}
				let settled = chain.state().finalized[&ID].settled;
				if settled != earned {
					return Err(format!("{state}: settled {settled}"));
				}
			},
			Step::Kill => {
				// The file as it is while the process still runs.
				let copy = dir.path().join((n + 1).to_string());
				std::fs::copy(&path, &copy).unwrap();
				path = copy;
				payee = Payee::start(config.clone(), open(&path), chain.clone()).await.unwrap();
			},
		}
		if earned > accepted || accepted > 40 {
			return Err(state);
		}
	}
	Ok(())
}

proptest! {
	#![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

	#[test]
	fn no_accepted_voucher_should_be_lost_or_served_twice(steps in steps()) {
		let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
		if let Err(error) = runtime.block_on(run(steps)) {
			prop_assert!(false, "{}", error);
		}
	}
}

#[tokio::test]
async fn channels_of_others_should_be_refused_and_not_kept() {
	let chain = chain(1_000);
	let payee = payee(Arc::new(MemoryStore::default()), &chain).await;
	let stranger = channel([8; 32], key().key(), 1_000);
	let others = [
		ChannelInfo { payee: AccountId::new([7; 32]), ..stranger.clone() },
		ChannelInfo { asset: AssetId::Native, ..stranger },
	];
	for info in others {
		chain.put(info);
		let outcome = payee.accept(&sign_on([8; 32], 10), 10, [0; 32]).await;
		assert_eq!(rejected(outcome), Rejection::UnknownChannel);
		assert_eq!(payee.machine().channels().count(), 0);
	}
}

#[tokio::test]
async fn vouchers_for_another_payee_should_be_kept() {
	let store = Arc::new(MemoryStore::default());
	let chain = chain(1_000);
	let owner = payee(store.clone(), &chain).await;
	assert!(matches!(owner.accept(&sign(10), 10, [0; 32]).await, Ok(Accepted::Fresh(_))));
	drop(owner);

	let other = PayeeConfig::new(AccountId::new([7; 32]), fake::ASSET);
	let other = Payee::start(other, store.clone(), chain.clone()).await.unwrap();
	let refused = |outcome| matches!(outcome, Err(PayeeError::Foreign(id)) if id == ID);
	assert!(refused(other.refresh_all().await));
	drop(other);
	let owner = payee(store, &chain).await;
	owner.refresh_all().await.unwrap();
	assert_eq!(owner.unsettled()[0].amount, 10);
}
