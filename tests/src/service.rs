//! An HTTP service that knows nothing of payments.

use axum::{
	extract::State,
	http::{HeaderMap, StatusCode, Uri},
	response::IntoResponse,
	Router,
};
use std::{
	net::SocketAddr,
	sync::{
		atomic::{AtomicUsize, Ordering},
		Arc, Mutex, PoisonError,
	},
	time::Duration,
};
use tokio::task::JoinHandle;

#[derive(Default)]
struct Inner {
	calls: AtomicUsize,
	seen: Mutex<Vec<HeaderMap>>,
}

/// Counts words. Lives as long as this value.
pub struct Service {
	address: SocketAddr,
	inner: Arc<Inner>,
	task: JoinHandle<()>,
}

/// `/words` answers with the number of words of the body and the number of the call, `/slow` does the
/// same after 50 milliseconds, `/broken` fails.
async fn answer(
	State(inner): State<Arc<Inner>>,
	uri: Uri,
	headers: HeaderMap,
	body: String,
) -> impl IntoResponse {
	let call = inner.calls.fetch_add(1, Ordering::SeqCst);
	inner.seen.lock().unwrap_or_else(PoisonError::into_inner).push(headers);
	match uri.path() {
		"/broken" => return (StatusCode::INTERNAL_SERVER_ERROR, "broken".to_owned()),
		"/slow" => tokio::time::sleep(Duration::from_millis(50)).await,
		_ => {},
	}
	(StatusCode::OK, format!("{} words, call {call}", body.split_whitespace().count()))
}

impl Service {
	/// Starts the service on a free port.
	///
	/// # Panics
	///
	/// When there is none.
	pub async fn start() -> Self {
		let listener =
			tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
		let address = listener.local_addr().expect("a bound listener has an address");
		let inner = Arc::new(Inner::default());
		let router = Router::new().fallback(answer).with_state(inner.clone());
		let task = tokio::spawn(async move {
			axum::serve(listener, router).await.expect("the service goes on");
		});
		Self { address, inner, task }
	}

	/// Its address, as `http://host:port`.
	pub fn url(&self) -> String {
		format!("http://{}", self.address)
	}

	/// How often it was called.
	pub fn calls(&self) -> usize {
		self.inner.calls.load(Ordering::SeqCst)
	}

	/// The headers of all calls.
	pub fn seen(&self) -> Vec<HeaderMap> {
		self.inner.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
	}
}

impl Drop for Service {
	fn drop(&mut self) {
		self.task.abort();
	}
}
