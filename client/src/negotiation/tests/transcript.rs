//! Transcripts: kept, exported, verified.

use super::*;
use crate::store::{tests::FailingStore, Committer, MemoryStore, RedbStore, Store, StoreError};
use std::sync::atomic::Ordering;

fn agreed() -> World {
	let mut world = World::new(buyer(), seller());
	world.open();
	world.run();
	world.block();
	world
}

fn verify(export: &[u8]) -> Result<Transcript, TranscriptError> {
	Transcript::verify(export, |_, _, _| false)
}

#[test]
fn an_exported_transcript_should_be_verified_by_anybody() {
	let world = agreed();
	let transcript = world.sides[0].transcript();
	let export = transcript.export().unwrap();
	let verified = verify(&export).unwrap();
	assert_eq!(&verified, transcript);
	let summary = verified.summary();
	assert_eq!(summary.agreement, world.chain.committed);
	assert_eq!(Some(H256::from(summary.root)), world.chain.transcript);
	assert_eq!(summary.rounds as usize, verified.messages().len() - 2);
	// However it is laid out.
	let value: serde_json::Value = serde_json::from_slice(&export).unwrap();
	let pretty = serde_json::to_vec_pretty(&value).unwrap();
	assert_eq!(verify(&pretty).as_ref(), Ok(transcript));
	assert_eq!(Kpis::of([transcript]).deals, 1);
	assert_eq!(Kpis::of([&world.sides[1].kept()]).deals, 1);
}

#[test]
fn a_transcript_that_was_changed_should_be_refused_with_the_place() {
	let export = agreed().sides[0].transcript().export().unwrap();
	let changed = |change: &dyn Fn(&mut serde_json::Value)| {
		let mut value: serde_json::Value = serde_json::from_slice(&export).unwrap();
		change(&mut value);
		verify(&serde_json::to_vec(&value).unwrap()).unwrap_err()
	};
	let signature =
		|sequence| TranscriptError::Signature { sequence, reason: SignatureError::Message };
	assert_eq!(changed(&|v| v["protocol"] = "x".into()), TranscriptError::Protocol);
	let sent = changed(&|v| v["messages"][2]["message"]["sent"] = 5_000.into());
	assert_eq!(sent, signature(3));
	// Every message but the last names the ones before it; without the last one the root is another.
	let cut = |at: usize| changed(&move |v| drop(v["messages"].as_array_mut().unwrap().remove(at)));
	assert!(matches!(cut(1), TranscriptError::Violation { sequence: 2, .. }));
	let last = serde_json::from_slice::<serde_json::Value>(&export).unwrap()["messages"]
		.as_array()
		.unwrap()
		.len() - 1;
	assert_eq!(cut(last), TranscriptError::Root);
	let swapped = changed(&|v| v["messages"].as_array_mut().unwrap().swap(1, 2));
	assert!(matches!(swapped, TranscriptError::Violation { sequence: 2, .. }));
	let other = changed(&|v| v["negotiation"] = crate::chain::to_hex([9; 32]).into());
	let parties = TranscriptError::Violation { sequence: 1, reason: Violation::Parties };
	assert_eq!(other, parties);
	let unknown = changed(&|v| v["note"] = 1.into());
	assert!(matches!(unknown, TranscriptError::Canonical(_)));
	let terms = changed(&|v| v["messages"][1]["message"]["body"]["terms"]["version"] = 2.into());
	assert!(matches!(terms, TranscriptError::Message { sequence: 2, .. }));
}

#[test]
fn a_root_should_be_the_word_of_the_side_that_has_committed() {
	let world = agreed();
	let whole = world.sides[0].transcript().clone();
	let messages: Vec<_> = whole.messages().cloned().collect();
	let first = |count: usize| {
		let mut part = Transcript::new(parties());
		messages[..count].iter().for_each(|signed| part.push(signed.clone()).unwrap());
		part
	};
	let (id, root) = (world.chain.committed.unwrap(), world.chain.transcript.unwrap().0);
	let length = whole.state().length();
	let by = whole.state().standing().unwrap().offer.by;
	assert_eq!(whole.evidence(&id, &root), Some(Evidence::Through(length)));
	assert_eq!(whole.offers().next_back().map(|(id, _)| id), Some(id));

	// Without the ACCEPT: what the committer has named cannot be known, but the offer is proven.
	let part = first(messages.len() - 1);
	assert_eq!(part.evidence(&id, &root), Some(Evidence::Offer));
	// The committer has named what was said up to the offer.
	let head = part.state().head();
	assert_eq!(whole.evidence(&id, &head), Some(Evidence::Through(length - 1)));
	// It has named what leaves the offer out, or something else, though it has signed the ACCEPT.
	let contradicted = Some(Evidence::Contradicted(by.other()));
	let before = first(messages.len() - 2).state().head();
	assert_eq!(whole.evidence(&id, &before), contradicted);
	assert_eq!(whole.evidence(&id, &[9; 32]), contradicted);

	// An earlier offer, which a counter has refused, was committed.
	let (early, offer) = whole.offers().next().unwrap();
	let refused = Some(Evidence::Contradicted(offer.by.other()));
	assert_eq!(whole.evidence(&early, &[9; 32]), refused);
	assert_eq!(whole.evidence(&early, &first(2).state().head()), Some(Evidence::Through(2)));
	assert_eq!(first(1).evidence(&early, &root), None);
}

#[test]
fn what_is_kept_should_come_back() {
	let world = agreed();
	let kept = world.sides[0].kept();
	let key = kept.transcript.key();
	let store = MemoryStore::default();
	assert_eq!(load(&store, &key).unwrap(), None);
	// In two parts, as it grows.
	store.commit(&rows::writes(&kept, 0).unwrap()[..3]).unwrap();
	assert_eq!(load(&store, &key).unwrap().unwrap().transcript.messages().len(), 2);
	store.commit(&rows::writes(&kept, 2).unwrap()).unwrap();
	assert_eq!(load(&store, &key).unwrap().as_ref(), Some(&kept));
	// Beside others.
	let mut config = seller();
	config.negotiation = [0; 32];
	let other = negotiator(config).kept();
	store.commit(&rows::writes(&other, 0).unwrap()).unwrap();
	let mut all = load_all(&store).unwrap();
	all.sort_by_key(|kept| kept.transcript.messages().len());
	assert_eq!(all, [other.clone(), kept.clone()]);
	store.commit(&rows::removals(&kept.transcript)).unwrap();
	assert_eq!(load_all(&store).unwrap(), [other]);
}

#[test]
fn rows_that_make_no_transcript_should_be_refused() {
	let kept = agreed().sides[0].kept();
	let writes = rows::writes(&kept, 0).unwrap();
	let refused = |change: &dyn Fn(&mut Vec<crate::store::Write>)| {
		let mut writes = writes.clone();
		change(&mut writes);
		let store = MemoryStore::default();
		store.commit(&writes).unwrap();
		let one = load(&store, &kept.transcript.key()).map(|_| ());
		(one, load_all(&store).map(|_| ()))
	};
	let malformed =
		|result: &Result<(), StoreError>| matches!(result, Err(StoreError::Malformed(_)));
	// A head of another version, a message that does not follow, one that is none.
	for change in [
		(|w: &mut Vec<_>| edit(&mut w[0])) as fn(&mut Vec<crate::store::Write>),
		|w| w[2].value = w[3].value.clone(),
		|w| edit(&mut w[1]),
	] {
		let (one, all) = refused(&change);
		assert!(malformed(&one) && malformed(&all));
	}
	// A message is missing, the head is.
	assert!(malformed(&refused(&|w| drop(w.remove(2))).1));
	assert!(malformed(&refused(&|w| drop(w.remove(0))).1));
}

fn edit(write: &mut crate::store::Write) {
	write.value.as_mut().unwrap()[0] ^= 0xFF;
}

#[tokio::test]
async fn a_desk_should_go_on_after_a_restart() {
	let dir = tempfile::tempdir().unwrap();
	let path = dir.path().join("store");
	let mut seller = negotiator(seller());
	let offer = {
		let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path).unwrap());
		let committer = Committer::start(store.clone()).unwrap();
		let mut desk = Desk::open(&store, committer, buyer(), START).unwrap();
		let request = sent(&desk.ask().await.unwrap());
		let offer = sent(&seller.handle(wire(&request)).unwrap());
		desk.handle(wire(&offer)).await.unwrap();
		offer
	};
	let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path).unwrap());
	let committer = Committer::start(store.clone()).unwrap();
	let mut desk = Desk::open(&store, committer, buyer(), START + 9).unwrap();
	assert_eq!(desk.negotiator().transcript().messages().len(), 3);
	// The same answer as before, which the seller takes.
	let counter = sent(&desk.handle(wire(&offer)).await.unwrap());
	assert_eq!(counter.message.sequence, 3);
	seller.handle(Input::Tick(START + 9)).unwrap();
	sent(&seller.handle(wire(&counter)).unwrap());
	desk.forget().await.unwrap();
	assert_eq!(load_all(store.as_ref()).unwrap(), []);
}

#[tokio::test]
async fn nothing_should_be_said_that_is_not_on_disk() {
	let failing = Arc::new(FailingStore::default());
	let store: Arc<dyn Store> = failing.clone();
	let committer = Committer::start(store.clone()).unwrap();
	let mut desk = Desk::open(&store, committer, buyer(), START).unwrap();
	failing.fail.store(true, Ordering::SeqCst);
	assert!(matches!(desk.ask().await, Err(DeskError::Store(_))));
	assert_eq!(desk.negotiator().transcript().messages().len(), 0);
	failing.fail.store(false, Ordering::SeqCst);
	sent(&desk.ask().await.unwrap());
	// What changes nothing is not written.
	let commits = failing.commits.load(Ordering::SeqCst);
	desk.handle(Input::Tick(START + 1)).await.unwrap();
	assert!(desk.handle(Input::Message(vec![])).await.is_err());
	assert_eq!(failing.commits.load(Ordering::SeqCst), commits);
}
