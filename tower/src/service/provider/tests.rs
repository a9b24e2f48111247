use super::*;
use crate::{
	chain::{Block, ChainFailure, TowerChain},
	channel::ChannelState,
	door::Door,
	machine::Config,
	service::http,
};
use futures::future::BoxFuture;
use sp_core::{ed25519, Pair};
use std::sync::{
	atomic::{AtomicUsize, Ordering},
	Arc, Mutex,
};
use stoa_client::keys::Scheme;
use stoa_primitives::{
	channel::Proof,
	keys::{Key, KeySignature},
	payload::{Domain, Payload, Voucher},
	AssetId, Balance, H256,
};

fn key() -> AccountKey {
	AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap()
}

fn pair() -> ed25519::Pair {
	ed25519::Pair::from_seed(&[1; 32])
}

fn item(lane: u32, cumulative: Balance) -> Item {
	let voucher = Voucher { channel: [2; 32], lane, cumulative, valid_until: 0 };
	let bytes = voucher.to_bytes(&Domain::channels(H256::zero()));
	let signature = KeySignature::Ed25519(pair().sign(&bytes).0);
	let proof = Proof::Voucher { cumulative, valid_until: 0, signature };
	Item { channel: [2; 32], lane, capture: None, proof }
}

fn owed(item: Item, amount: Balance) -> Unsettled {
	Unsettled { item, amount, ends: None, valid_until: 0 }
}

/// A chain with one channel of many lanes, once it is there.
#[derive(Default)]
struct Lagging {
	there: Mutex<bool>,
}

impl TowerChain for Lagging {
	fn genesis(&self) -> H256 {
		H256::zero()
	}

	fn best(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		async { Ok(Block { number: 7, hash: H256::zero() }) }.boxed()
	}

	fn finalized(&self) -> BoxFuture<'_, Result<Block, ChainFailure>> {
		self.best()
	}

	fn channel(
		&self,
		id: ChannelId,
		_: Block,
	) -> BoxFuture<'_, Result<Option<ChannelState>, ChainFailure>> {
		let there = *self.there.lock().unwrap() && id == [2; 32];
		let state = ChannelState {
			payee: key().account(),
			asset: AssetId::WithId(1),
			key: Key::Ed25519(pair().public().0),
			retired: None,
			deposit: 1_000_000,
			settled: 0,
			lane_settled: vec![0; 2_000],
			revoked: Vec::new(),
			cap: None,
			grace: 480,
			ends: None,
		};
		async move { Ok(there.then_some(state)) }.boxed()
	}

	fn settle(&self, _: Vec<Item>) -> BoxFuture<'_, Result<(), ChainFailure>> {
		async { Ok(()) }.boxed()
	}
}

/// A tower, and the chain that it reads.
fn tower() -> (Tower, Arc<Lagging>) {
	let chain = Arc::new(Lagging::default());
	(Tower::new(Config::new([0; 32]), chain.clone(), None, []), chain)
}

async fn listen() -> (tokio::net::TcpListener, String) {
	let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
	let url = format!("http://{}", listener.local_addr().unwrap());
	(listener, url)
}

#[test]
fn what_a_target_has_not_answered_to_should_come_before_what_it_did_not_want() {
	let mut backup = Backup::new(Target::Tower(String::new()));
	let all = [item(0, 5), item(1, 5), item(2, 5), item(3, 5)];
	assert_eq!(backup.fresh(&all), all);
	backup.remember(&all, vec![Answer::Again, Answer::Took, Answer::Refused, Answer::Unseen]);
	assert_eq!(backup.fresh(&all), [all[3], all[0]]);
	// More on lanes that were taken and refused.
	let more = [item(0, 5), item(1, 6), item(2, 6), item(3, 5)];
	assert_eq!(backup.fresh(&more), [more[1], more[2], more[3], more[0]]);
}

#[test]
fn the_dearest_should_come_first() {
	// What was paid of the first is not owed.
	let all = vec![owed(item(0, 900), 6), owed(item(2, 99), 7), owed(item(1, 8), 8)];
	assert_eq!(dearest_first(all), [item(1, 8), item(2, 99), item(0, 900)]);
}

#[test]
fn a_list_should_be_published_again_when_its_room_or_what_fits_has_changed() {
	let mut backup = Backup::new(Target::Node(String::new()));
	let all: Vec<_> = (0..2_000).map(|lane| item(lane, 5)).collect();
	let (alone, shared) = (List::only(), List::only().among(2));
	let room = alone.room(&all);
	assert!(room < all.len() && !backup.has(&all, &alone));
	backup.remember(&all[..room], vec![Answer::Took; room]);
	assert!(backup.has(&all, &alone));
	// Another list of the account wants half of it.
	assert!(!backup.has(&all, &shared));
	// Some were paid, and so there is room for what was left out.
	let left = &all[100..];
	let lanes: HashSet<Lane> = left.iter().map(lane).collect();
	backup.answers.retain(|lane, _| lanes.contains(lane));
	assert!(!backup.has(left, &alone));
	// When all that is left was published, there is nothing to do.
	backup.answers.retain(|lane, _| (100..200).contains(&lane.1));
	assert!(backup.has(&all[100..200], &alone));
}

#[tokio::test]
async fn what_a_tower_refuses_for_now_should_be_sent_again_until_it_is_kept() {
	let (tower, chain) = tower();
	let (listener, url) = listen().await;
	let router = http::router(tower.clone(), Arc::new(Door::default()));
	let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
	let server = http::serve(listener, router, async { drop(stopped.await) });
	let (key, client) = (key(), reqwest::Client::new());
	let sender = Sender { key: &key, list: List::only(), client: &client };
	let provider = async {
		for target in [Target::Tower(url), Target::Here(tower.clone())] {
			let mut backup = Backup::new(target);
			*chain.there.lock().unwrap() = false;
			let all = vec![item(0, 5 + tower.counts().1 as u128), item(3_000, 5)];
			backup.bring_up_to_date(all.clone(), &sender).await.unwrap();
			let before = tower.counts();
			assert_eq!(backup.fresh(&all), all, "the node lags");
			*chain.there.lock().unwrap() = true;
			backup.bring_up_to_date(all.clone(), &sender).await.unwrap();
			assert_eq!(tower.counts(), (1, 1), "{before:?}");
			assert_eq!(backup.answer(&all[0]), Some(Answer::Took));
			// There is no such lane, and there never will be.
			assert_eq!(backup.answer(&all[1]), Some(Answer::Refused));
			assert!(backup.fresh(&all).is_empty());
		}
		drop(stop);
	};
	tokio::join!(server, provider);
}

#[tokio::test]
async fn more_than_fits_one_body_should_reach_a_tower() {
	let (tower, chain) = tower();
	*chain.there.lock().unwrap() = true;
	let (listener, url) = listen().await;
	let router = http::router(tower.clone(), Arc::new(Door::default()));
	let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
	let server = http::serve(listener, router, async { drop(stopped.await) });
	let provider = async {
		let items: Vec<_> = (0..1_500).map(|lane| item(lane, 5)).collect();
		let pushed = super::super::push(&reqwest::Client::new(), &url, &key(), &items).await;
		assert_eq!(pushed.unwrap().kept, 1_500);
		assert_eq!(tower.counts(), (1, 1_500));
		// It is had back by whom it is for, and by nobody else.
		let (client, genesis) = (reqwest::Client::new(), H256::zero());
		let fetch = |key: AccountKey| {
			let (client, url) = (&client, &url);
			async move {
				let payee = super::tests::key().account();
				super::super::fetch(client, url, &key, &payee, genesis).await
			}
		};
		assert_eq!(fetch(key()).await.unwrap(), items);
		let stranger = AccountKey::from_uri("//Stranger", Scheme::Sr25519).unwrap();
		let turned_away = fetch(stranger).await.unwrap_err();
		assert!(matches!(turned_away, PublishError::TurnedAway { status: 403, .. }));
		drop(stop);
	};
	tokio::join!(server, provider);
}

#[tokio::test(start_paused = true)]
async fn everything_should_be_sent_anew_from_time_to_time() {
	let (tower, chain) = tower();
	*chain.there.lock().unwrap() = true;
	let (key, client) = (key(), reqwest::Client::new());
	let sender = Sender { key: &key, list: List::only(), client: &client };
	let mut backup = Backup::new(Target::Here(tower));
	let all = vec![item(0, 5)];
	backup.bring_up_to_date(all.clone(), &sender).await.unwrap();
	assert!(backup.fresh(&all).is_empty());
	// Another, whose disk is empty, takes its place.
	let (other, chain) = self::tower();
	*chain.there.lock().unwrap() = true;
	backup.target = Target::Here(other.clone());
	tokio::time::advance(REFRESH / 2).await;
	backup.bring_up_to_date(all.clone(), &sender).await.unwrap();
	assert_eq!(other.counts(), (0, 0));
	tokio::time::advance(REFRESH / 2).await;
	backup.bring_up_to_date(all, &sender).await.unwrap();
	assert_eq!(other.counts(), (1, 1));
}

#[tokio::test]
async fn a_target_that_fails_should_get_the_same_again_and_once_more_at_the_end() {
	// Turns everything away.
	let asked = Arc::new(AtomicUsize::new(0));
	let counter = asked.clone();
	let router = axum::Router::new().fallback(move || {
		counter.fetch_add(1, Ordering::SeqCst);
		async { axum::http::StatusCode::SERVICE_UNAVAILABLE }
	});
	let (listener, url) = listen().await;
	let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
	let server = http::serve(listener, router, async { drop(stopped.await) });
	let said = AtomicUsize::new(0);
	let provider = async {
		let every = Duration::from_millis(200);
		let shutdown = tokio::time::sleep(Duration::from_millis(700));
		// One that never answers holds up no other.
		let (_silent, nowhere) = listen().await;
		let targets = vec![Target::Tower(nowhere), Target::Tower(url.clone())];
		let provider = Provider { key: key(), list: List::only(), targets, every };
		let told = |target: &Target, news: Option<String>| {
			assert_eq!(target.to_string(), format!("the tower at {url}"));
			assert!(news.unwrap().contains("503"));
			said.fetch_add(1, Ordering::SeqCst);
		};
		let run = provider.run(|| vec![owed(item(0, 5), 5)], told, shutdown);
		let _ = tokio::time::timeout(Duration::from_millis(1_500), run).await;
		drop(stop);
	};
	tokio::join!(server, provider);
	assert!(asked.load(Ordering::SeqCst) >= 3, "{asked:?}");
	// Once for all.
	assert_eq!(said.load(Ordering::SeqCst), 1);
}

#[test]
fn troubles_should_be_told_when_they_begin_and_end_and_short_ones_not_at_all() {
	let start = Instant::now();
	let mut trouble = None;
	let mut see = |outcome, seconds| {
		let now = start.checked_add(Duration::from_secs(seconds)).unwrap();
		Trouble::news(&mut trouble, outcome, now)
	};
	let fails = || Err(Failure::There(PublishError::Silent));
	assert_eq!(see(Ok(Left::None), 0), None);
	assert!(see(fails(), 1).unwrap().unwrap().contains("30 seconds"));
	assert_eq!(see(fails(), 2), None);
	assert_eq!(see(Ok(Left::None), 3), Some(None));
	assert_eq!(see(Ok(Left::None), 4), None);
	// A node that is a block behind.
	assert_eq!(see(Ok(Left::Refused(1)), 5), None);
	assert_eq!(see(Ok(Left::None), 8), None);
	assert_eq!(see(Ok(Left::Refused(1)), 10), None);
	assert!(see(Ok(Left::Refused(2)), 40).unwrap().unwrap().contains("2 of the proofs"));
	assert!(see(Ok(Left::Room(3)), 41).unwrap().unwrap().contains("no room for 3"));
	// What was told ends, though something else has taken its place.
	assert_eq!(see(Ok(Left::Refused(1)), 42), None);
	assert_eq!(see(Ok(Left::None), 43), Some(None));
}
