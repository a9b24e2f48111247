//! Group commit: many callers, one flush.

use super::{Store, StoreError, Write};
use std::{
	future::Future,
	sync::Arc,
	thread::{yield_now, JoinHandle},
	time::{Duration, Instant},
};
use tokio::sync::{mpsc, oneshot};

/// How many requests one flush may carry.
const MAX_GROUP: usize = 1_024;

/// For how long a flush may wait for more to write, counted from the end of the last one, which took `took`:
/// three times as long, so that who is busy without end spends a quarter of the time on the disk, and never
/// so long that somebody who waits for an answer would notice.
pub(crate) fn patience(took: Duration) -> Duration {
	took.saturating_mul(3).min(Duration::from_millis(20))
}

struct Request {
	writes: Vec<Write>,
	done: oneshot::Sender<Result<(), StoreError>>,
}

/// Collects what concurrent callers want to write and commits it together, so that the cost of a
/// flush is shared: while one flush runs, the next group gathers. Where callers and writer share a core, the
/// next flush also waits as long as each time that the callers have run there are more requests.
///
/// The order of requests is kept. If a group fails, every request in it fails. The writer is a
/// thread of its own; dropping the last handle waits until it has ended and let go of the store.
#[derive(Clone)]
pub struct Committer(Arc<Writer>);

struct Writer {
	/// Taken away first when the writer is dropped: that ends the thread.
	queue: Option<mpsc::Sender<Request>>,
	thread: Option<JoinHandle<()>>,
}

impl Drop for Writer {
	fn drop(&mut self) {
		self.queue = None;
		if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
			tracing::error!("the store's writer has panicked");
		}
	}
}

impl Committer {
	/// Starts the writer thread.
	///
	/// # Errors
	///
	/// [`StoreError::Failed`] when the operating system gives no thread.
	pub fn start(store: Arc<dyn Store>) -> Result<Self, StoreError> {
		let (queue, requests) = mpsc::channel(MAX_GROUP);
		let thread = std::thread::Builder::new()
			.name("stoa-store".into())
			.spawn(move || write_groups(store.as_ref(), requests))
			.map_err(|error| StoreError::Failed(error.to_string()))?;
		Ok(Self(Arc::new(Writer { queue: Some(queue), thread: Some(thread) })))
	}

	/// Writes durably: returns once the writes would survive a power cut.
	///
	/// If the caller stops waiting, the writes may still happen.
	///
	/// # Errors
	///
	/// [`StoreError`]; nothing may then be served on the strength of these writes.
	pub async fn commit(&self, writes: Vec<Write>) -> Result<(), StoreError> {
		let (done, outcome) = oneshot::channel();
		let queue = self.0.queue.as_ref().ok_or(StoreError::Stopped)?;
		queue.send(Request { writes, done }).await.map_err(|_| StoreError::Stopped)?;
		outcome.await.map_err(|_| StoreError::Stopped)?
	}

	/// Waits for a place in the queue. Whoever has one can decide under a lock what to write, and in which
	/// order, without waiting there.
	///
	/// # Errors
	///
	/// [`StoreError::Stopped`].
	pub(crate) async fn place(&self) -> Result<Place<'_>, StoreError> {
		let queue = self.0.queue.as_ref().ok_or(StoreError::Stopped)?;
		Ok(Place(queue.reserve().await.map_err(|_| StoreError::Stopped)?))
	}

	/// Queues writes without waiting for them. They are on disk at the latest when the last handle is
	/// dropped, if the disk takes them.
	///
	/// # Errors
	///
	/// [`StoreError::Stopped`] when the queue is full or the writer has ended.
	pub fn enqueue(&self, writes: Vec<Write>) -> Result<(), StoreError> {
		let queue = self.0.queue.as_ref().ok_or(StoreError::Stopped)?;
		let (done, _) = oneshot::channel();
		queue.try_send(Request { writes, done }).map_err(|_| StoreError::Stopped)
	}
}

/// A place in the writer's queue.
pub(crate) struct Place<'a>(mpsc::Permit<'a, Request>);

impl Place<'_> {
	/// Hands writes over at once; what is returned waits until they would survive a power cut, as
	/// [`Committer::commit`] does.
	pub(crate) fn commit(
		self,
		writes: Vec<Write>,
	) -> impl Future<Output = Result<(), StoreError>> + 'static {
		let (done, outcome) = oneshot::channel();
		self.0.send(Request { writes, done });
		async move { outcome.await.map_err(|_| StoreError::Stopped)? }
	}
}

/// Lets callers that are ready run first.
fn gather(requests: &mpsc::Receiver<Request>, last: Option<(Instant, Duration)>) {
	let Some((end, took)) = last else { return };
	while requests.len() < MAX_GROUP && end.elapsed() < patience(took) {
		let before = requests.len();
		yield_now();
		if requests.len() == before {
			break;
		}
	}
}

fn write_groups(store: &dyn Store, mut requests: mpsc::Receiver<Request>) {
	let mut group = Vec::new();
	let mut waiting = Vec::new();
	let mut last = None;
	while let Some(first) = requests.blocking_recv() {
		gather(&requests, last);
		let mut next = Some(first);
		while let Some(request) = next.take() {
			group.extend(request.writes);
			waiting.push(request.done);
			if waiting.len() < MAX_GROUP {
				next = requests.try_recv().ok();
			}
		}
		let start = Instant::now();
		let outcome = store.commit(&group);
		last = Some((Instant::now(), start.elapsed()));
		if let Err(error) = &outcome {
			tracing::error!(%error, requests = waiting.len(), "the store refused a commit");
		}
		for done in waiting.drain(..) {
			// A caller that has gone away needs no answer.
			let _ = done.send(outcome.clone());
		}
		group.clear();
	}
}

#[cfg(test)]
mod tests {
	use super::super::{tests::FailingStore, MemoryStore, Table};
	use super::*;
	use std::sync::atomic::Ordering;

	fn put(key: u8) -> Vec<Write> {
		vec![Write { table: Table::Payee, key: vec![key], value: Some(vec![key]) }]
	}

	/// Blocks the first commit until told, so that the following ones must gather.
	struct SlowStore {
		inner: FailingStore,
		gate: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
	}

	impl Store for SlowStore {
		fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
			self.inner.get(table, key)
		}
		fn scan(&self, table: Table) -> Result<Vec<(Vec<u8>, Vec<u8>)>, StoreError> {
			self.inner.scan(table)
		}
		fn commit(&self, writes: &[Write]) -> Result<(), StoreError> {
			self.gate.lock().unwrap().recv().unwrap();
			self.inner.commit(writes)
		}
	}

	#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
	async fn concurrent_requests_should_share_a_flush() {
		let (open, gate) = std::sync::mpsc::channel();
		let store = Arc::new(SlowStore {
			inner: FailingStore::default(),
			gate: std::sync::Mutex::new(gate),
		});
		let committer = Committer::start(store.clone()).unwrap();
		let calls: Vec<_> = (0..100u8)
			.map(|n| {
				let committer = committer.clone();
				tokio::spawn(async move { committer.commit(put(n)).await })
			})
			.collect();
		// All requests are queued once each task has run up to its wait.
		tokio::time::sleep(std::time::Duration::from_millis(200)).await;
		for _ in 0..100 {
			open.send(()).unwrap();
		}
		for call in calls {
			call.await.unwrap().unwrap();
		}
		assert_eq!(store.scan(Table::Payee).unwrap().len(), 100);
		assert!(store.inner.commits.load(Ordering::SeqCst) <= 3);
	}

	#[test]
	fn a_flush_should_wait_for_nobody_who_does_not_come() {
		let (queue, requests) = mpsc::channel(MAX_GROUP);
		let long_ago = Instant::now();
		let busy = Some((long_ago + Duration::from_secs(1), Duration::from_secs(1)));
		let start = Instant::now();
		gather(&requests, None);
		gather(&requests, busy);
		let (done, _) = oneshot::channel();
		assert!(queue.try_send(Request { writes: put(1), done }).is_ok());
		gather(&requests, busy);
		assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
		assert_eq!(patience(Duration::from_millis(1)), Duration::from_millis(3));
		assert_eq!(patience(Duration::MAX), Duration::from_millis(20));
	}

	#[tokio::test]
	async fn a_failing_store_should_fail_every_request_of_the_group() {
		let store = Arc::new(FailingStore::default());
		let committer = Committer::start(store.clone()).unwrap();
		store.fail.store(true, Ordering::SeqCst);
		assert!(matches!(committer.commit(put(1)).await, Err(StoreError::Failed(_))));
		store.fail.store(false, Ordering::SeqCst);
		committer.commit(put(2)).await.unwrap();
		assert_eq!(store.scan(Table::Payee).unwrap().len(), 1);
	}

	#[tokio::test]
	async fn the_store_should_be_free_when_the_last_handle_is_gone() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("store");
		for n in 0..5 {
			let store = crate::store::RedbStore::open(&path).unwrap();
			let committer = Committer::start(Arc::new(store)).unwrap();
			committer.commit(put(n)).await.unwrap();
		}
	}

	#[test]
	fn queued_writes_should_be_there_when_the_last_handle_is_gone() {
		let store = Arc::new(FailingStore::default());
		let committer = Committer::start(store.clone()).unwrap();
		committer.enqueue(put(1)).unwrap();
		drop(committer);
		assert_eq!(store.scan(Table::Payee).unwrap().len(), 1);
	}

	#[tokio::test]
	async fn order_should_be_kept() {
		let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
		let committer = Committer::start(store.clone()).unwrap();
		for value in 0..20u8 {
			let write = Write { table: Table::Payee, key: vec![0], value: Some(vec![value]) };
			committer.commit(vec![write]).await.unwrap();
		}
		assert_eq!(store.get(Table::Payee, &[0]).unwrap(), Some(vec![19]));
	}
}
