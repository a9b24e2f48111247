//! Backups over HTTP.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/statements`, body: a signed statement in SCALE | 200 and what became of its items, once they are on disk |
//! | `GET /v1/status` | how much is kept |
//!
//! 400 for a statement that is none, 403 for a signer that is not served, 413 for a body that is too
//! long, 503 when chain or store fail: then try again.

use super::publish::{NotKept, Pushed};
use crate::{
	door::{Door, DoorError},
	machine::Outcome,
	tower::Tower,
};
use axum::{
	body::Bytes,
	extract::{DefaultBodyLimit, State},
	http::StatusCode,
	response::{IntoResponse, Response},
	routing::{get, post},
	Json, Router,
};
use hyper::server::conn::http1;
use hyper_util::{
	rt::{TokioIo, TokioTimer},
	service::TowerToHyperService,
};
use serde_json::json;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
	net::{TcpListener, TcpStream},
	sync::Semaphore,
	task::JoinSet,
};

/// No statement of [`MAX_ITEMS`](crate::statement::MAX_ITEMS) items is longer.
const MAX_BODY: usize = 68 * 1024;

/// Connections at a time; above it, clients wait in the listener's queue.
const CONNECTIONS: usize = 256;

/// How long the head of a request may take, and a connection in all: providers push from time to time.
const HEAD: Duration = Duration::from_secs(10);
const CONNECTION: Duration = Duration::from_secs(120);

/// How long connections may go on after the end.
const DRAIN: Duration = Duration::from_secs(10);

/// How long to wait when the operating system gives no connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

#[derive(Clone)]
struct Service {
	tower: Tower,
	door: Arc<Door>,
}

/// The routes.
pub fn router(tower: Tower, door: Arc<Door>) -> Router {
	Router::new()
		.route("/v1/statements", post(bring))
		.route("/v1/status", get(status))
		.layer(DefaultBodyLimit::max(MAX_BODY))
		.with_state(Service { tower, door })
}

async fn bring(State(service): State<Service>, body: Bytes) -> Response {
	match service.door.bring(&service.tower, &body).await {
		Ok(outcomes) => Json(sum(&outcomes)).into_response(),
		Err(error) => {
			let status = match &error {
				DoorError::Malformed | DoorError::Statement(_) => StatusCode::BAD_REQUEST,
				DoorError::Stranger => StatusCode::FORBIDDEN,
				DoorError::Tower(_) => StatusCode::SERVICE_UNAVAILABLE,
			};
			(status, Json(json!({ "error": error.to_string() }))).into_response()
		},
	}
}

async fn status(State(service): State<Service>) -> Response {
	let (channels, lanes) = service.tower.counts();
	Json(json!({ "channels": channels, "lanes": lanes })).into_response()
}

fn sum(outcomes: &[Outcome]) -> Pushed {
	let mut out = Pushed::default();
	for (index, outcome) in outcomes.iter().enumerate() {
		match outcome {
			Outcome::Kept => out.kept = out.kept.saturating_add(1),
			Outcome::Known => out.known = out.known.saturating_add(1),
			Outcome::Refused(reason) => {
				out.refused.push(NotKept { index, reason: reason.to_string() });
			},
		}
	}
	out
}

/// Serves until `shutdown` resolves and the connections have ended, or were cut.
pub async fn serve(listener: TcpListener, router: Router, shutdown: impl Future<Output = ()>) {
	tokio::pin!(shutdown);
	let seats = Arc::new(Semaphore::new(CONNECTIONS));
	let mut connections = JoinSet::new();
	loop {
		tokio::select! {
			() = &mut shutdown => break,
			Some(_) = connections.join_next() => {},
			Ok(seat) = seats.clone().acquire_owned() => {
				tokio::select! {
					() = &mut shutdown => break,
					stream = accept(&listener) => {
						let router = router.clone();
						connections.spawn(async move {
							connection(stream, router).await;
							drop(seat);
						});
					},
				}
			},
		}
	}
	drop(listener);
	let drained = async { while connections.join_next().await.is_some() {} };
	if tokio::time::timeout(DRAIN, drained).await.is_err() {
		connections.shutdown().await;
	}
}

async fn accept(listener: &TcpListener) -> TcpStream {
	loop {
		match listener.accept().await {
			Ok((stream, _)) => return stream,
			Err(error) => {
				tracing::warn!(%error, "no connection can be accepted");
				tokio::time::sleep(ACCEPT_PAUSE).await;
			},
		}
	}
}

async fn connection(stream: TcpStream, router: Router) {
	let connection = http1::Builder::new()
		.timer(TokioTimer::new())
		.header_read_timeout(HEAD)
		.keep_alive(false)
		.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
	match tokio::time::timeout(CONNECTION, connection).await {
		Ok(Ok(())) => {},
		Ok(Err(error)) => tracing::debug!(%error, "a connection broke"),
		Err(_) => tracing::debug!("a connection took too long"),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{judge::Refused, statement::MAX_ITEMS};
	use codec::MaxEncodedLen;
	use stoa_primitives::channel::Item;

	#[test]
	fn the_longest_statement_should_fit() {
		let items = Item::max_encoded_len() * usize::try_from(MAX_ITEMS).unwrap();
		// Proof, expiry, channel, two topics and lengths take less than 300 bytes.
		assert!((items..items + 8 * 1024).contains(&(MAX_BODY - 300)), "{items}");
	}

	#[test]
	fn outcomes_should_be_summed_with_the_place_of_each_refusal() {
		let refused = Outcome::Refused(Refused::Settled);
		let sum = sum(&[Outcome::Kept, refused, Outcome::Known, Outcome::Kept]);
		assert_eq!((sum.kept, sum.known), (2, 1));
		let reason = "as much was settled before".to_owned();
		assert_eq!(sum.refused, [NotKept { index: 1, reason }]);
	}
}
