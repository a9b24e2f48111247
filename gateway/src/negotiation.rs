//! Negotiations over HTTP: `POST /.well-known/stoa/negotiation`, see [`stoa_client::negotiation::respond`].
//!
//! The route needs no gateway: whoever sells work rather than calls mounts it alone.

use crate::{
	proxy::{read_body, BodyError},
	server::{self, Limits},
};
use axum::{
	body::Body,
	extract::{Request, State},
	http::{header::CONTENT_TYPE, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	routing::post,
	Router,
};
use std::{future::Future, time::Duration};
use stoa_client::negotiation::{respond, Handle, MAX_MESSAGE_LEN, NEGOTIATION_PATH};
use tokio::net::TcpListener;

/// How long the body of a message may take.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// What callers may take: a message is short, and an answer does not wait for anybody.
const LIMITS: Limits = Limits {
	connections: 512,
	connections_per_address: 32,
	header_timeout: Duration::from_secs(10),
	write_timeout: Duration::from_secs(10),
	drain_timeout: Duration::from_secs(5),
};

/// The route, for a server of any kind. Callers are answered by the negotiations of this driver.
pub fn negotiation_router(negotiations: Handle) -> Router {
	Router::new().route(NEGOTIATION_PATH, post(hear)).with_state(negotiations)
}

/// Serves [`negotiation_router`] over HTTP/1.1 until `shutdown` resolves.
pub async fn serve_negotiations(
	listener: TcpListener,
	negotiations: Handle,
	shutdown: impl Future<Output = ()>,
) {
	server::serve(listener, negotiation_router(negotiations), LIMITS, shutdown).await;
}

async fn hear(State(negotiations): State<Handle>, request: Request) -> Response {
	match read_body(request.into_body(), MAX_MESSAGE_LEN, BODY_TIMEOUT).await {
		Ok(body) => {
			let answer = respond(&body, |bytes| async move { negotiations.hear(bytes).await });
			let json = HeaderValue::from_static("application/json");
			([(CONTENT_TYPE, json)], answer.await).into_response()
		},
		Err(BodyError::TooLarge) => StatusCode::PAYLOAD_TOO_LARGE.into_response(),
		Err(BodyError::Timeout) => StatusCode::REQUEST_TIMEOUT.into_response(),
		// Nobody is there to read the answer.
		Err(BodyError::Broken) => Response::new(Body::empty()),
	}
}
