//! Backups over HTTP.
//!
//! | request | answer |
//! |---|---|
//! | `POST /v1/statements`, body: a signed statement in SCALE | 200 and what became of its items, once they are on disk |
//! | `GET /v1/proofs`, header [`READ_HEADER`]: a signed [`ReadRequest`](crate::statement::ReadRequest) in SCALE, in hex | 200 and what is kept for its payee: SCALE of `Vec<Item>` |
//! | `GET /v1/status` | how much is kept, the node's best block; 503 when that does not rise |
//!
//! 400 for a statement that is none, 403 for a signer that is not served, 413 for a body that is too
//! long, 503 when chain or store fail: then try again.

use super::publish::{NotKept, Pushed};
use crate::{
	door::{Door, DoorError},
	judge::Refused,
	machine::Outcome,
	tower::Tower,
};
use axum::{
	body::Bytes,
	extract::{DefaultBodyLimit, State},
	http::{
		header::{CACHE_CONTROL, CONTENT_TYPE},
		HeaderMap, StatusCode,
	},
	response::{IntoResponse, Response},
	routing::{get, post},
	Json, Router,
};
use codec::Encode;
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

/// The header with which proofs are read back.
pub const READ_HEADER: &str = "stoa-read";

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
		.route("/v1/proofs", get(proofs))
		.route("/v1/status", get(status))
		.layer(DefaultBodyLimit::max(MAX_BODY))
		.with_state(Service { tower, door })
}

async fn bring(State(service): State<Service>, body: Bytes) -> Response {
	match service.door.bring(&service.tower, &body).await {
		Ok(outcomes) => Json(sum(&outcomes)).into_response(),
		Err(error) => turned_away(&error),
	}
}

async fn proofs(State(service): State<Service>, headers: HeaderMap) -> Response {
	let request = headers.get(READ_HEADER).and_then(|value| hex::decode(value).ok());
	let Some(request) = request else { return turned_away(&DoorError::Malformed) };
	match service.door.read(&service.tower, &request) {
		Ok(items) => {
			let headers = [(CONTENT_TYPE, "application/octet-stream"), (CACHE_CONTROL, "no-store")];
			(headers, items.encode()).into_response()
		},
		Err(error) => turned_away(&error),
	}
}

fn turned_away(error: &DoorError) -> Response {
	let status = match error {
		DoorError::Malformed | DoorError::Statement(_) => StatusCode::BAD_REQUEST,
		DoorError::Stranger => StatusCode::FORBIDDEN,
		DoorError::Tower(_) => StatusCode::SERVICE_UNAVAILABLE,
	};
	(status, Json(json!({ "error": error.to_string() }))).into_response()
}

async fn status(State(service): State<Service>) -> Response {
	let ((channels, lanes), health) = (service.tower.counts(), service.tower.health());
	let status = match health.stalled {
		None => StatusCode::OK,
		Some(_) => StatusCode::SERVICE_UNAVAILABLE,
	};
	let stalled = health.stalled.map(|time| time.as_secs());
	let body = json!({
		"channels": channels, "lanes": lanes, "best": health.best, "stalled_seconds": stalled,
	});
	(status, Json(body)).into_response()
}

fn sum(outcomes: &[Outcome]) -> Pushed {
	let mut out = Pushed::default();
	for (index, outcome) in outcomes.iter().enumerate() {
		match outcome {
			Outcome::Kept => out.kept = out.kept.saturating_add(1),
			Outcome::Known => out.known = out.known.saturating_add(1),
			Outcome::Refused(reason) => {
				out.refused.push(NotKept {
					index,
					again: reason.may_change(),
					unseen: *reason == Refused::Unseen,
					reason: reason.to_string(),
				});
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
	use crate::statement::MAX_ITEMS;
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
		assert_eq!(sum.refused, [NotKept { index: 1, again: false, unseen: false, reason }]);
	}
}
