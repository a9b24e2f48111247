//! Messages over HTTP. A message is posted; the answer carries what the other side has to say at once, so that an agent
//! without an address of its own can negotiate: what is said to it later it gets when it sends its last message again,
//! which the machine does as long as it has no answer.
//!
//! `POST <address>/.well-known/stoa/negotiation`, the body being the message as it is signed. The answer is
//! `{"messages":[…]}`, or `{"messages":[],"rejected":"<why>"}`, with status 200 both times: other statuses are those of
//! whatever stands in between.

use super::{Transport, TransportError};
use crate::{
	http::{client, exchange, HttpError},
	negotiation::message::{Signed, MAX_MESSAGE_LEN},
};
use futures::future::BoxFuture;
use reqwest::{header::CONTENT_TYPE, StatusCode};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, fmt, future::Future, time::Duration};
use stoa_primitives::AccountId;
use tokio::sync::{mpsc, Mutex};

/// Where an agent takes messages, below its address.
pub const NEGOTIATION_PATH: &str = "/.well-known/stoa/negotiation";

/// Messages that wait to be received. More are dropped: what is not answered is sent again.
const WAITING: usize = 256;

/// Messages that an answer carries, at most.
const MAX_ANSWERED: usize = 8;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Answer {
	messages: Vec<Signed>,
	#[serde(default, skip_serializing_if = "Option::is_none")]
	rejected: Option<String>,
}

/// The calling side. What is answered is received like what has been sent.
pub struct HttpTransport {
	http: reqwest::Client,
	addresses: HashMap<AccountId, String>,
	inbox: mpsc::Sender<Vec<u8>>,
	waiting: Mutex<mpsc::Receiver<Vec<u8>>>,
}

impl HttpTransport {
	/// Reaches agents at these addresses: scheme, host and port, as a directory or an operator names them. Redirects
	/// are not followed. A request may take `timeout`.
	///
	/// # Errors
	///
	/// [`TransportError::Http`] when the system has no TLS to offer.
	pub fn new(
		addresses: HashMap<AccountId, String>,
		timeout: Duration,
	) -> Result<Self, TransportError> {
		let (inbox, waiting) = mpsc::channel(WAITING);
		Ok(Self { http: client(timeout)?, addresses, inbox, waiting: Mutex::new(waiting) })
	}

	async fn post(&self, message: &Signed) -> Result<(), TransportError> {
		let to = &message.message.to;
		let address = self.addresses.get(to).ok_or_else(|| TransportError::Unknown(to.clone()))?;
		let url = format!("{}{NEGOTIATION_PATH}", address.trim_end_matches('/'));
		let request = self.http.post(url).header(CONTENT_TYPE, "application/json");
		let reply = exchange(request.body(message.to_bytes()?)).await?;
		if reply.status != StatusCode::OK {
			let status = reply.status.as_u16();
			return Err(TransportError::Rejected(format!("status {status}")));
		}
		let answer: Answer = serde_json::from_slice(&reply.body)
			.map_err(|error| HttpError::Document(error.to_string()))?;
		for answered in answer.messages.iter().take(MAX_ANSWERED) {
			if self.inbox.try_send(answered.to_bytes()?).is_err() {
				tracing::warn!("a message was dropped: {WAITING} are waiting to be received");
			}
		}
		match answer.rejected {
			Some(reason) => Err(TransportError::Rejected(printable(&reason))),
			None => Ok(()),
		}
	}
}

/// A stranger's text, as it can be shown.
fn printable(text: &str) -> String {
	text.chars().filter(|c| !c.is_control()).take(256).collect()
}

impl Transport for HttpTransport {
	fn send(&self, message: Signed) -> BoxFuture<'_, Result<(), TransportError>> {
		Box::pin(async move { self.post(&message).await })
	}

	fn receive(&self) -> BoxFuture<'_, Result<Vec<u8>, TransportError>> {
		Box::pin(async move {
			match self.waiting.lock().await.recv().await {
				Some(bytes) => Ok(bytes),
				// The sender is this value's own, so it is there.
				None => std::future::pending().await,
			}
		})
	}
}

/// The answering side: makes an answer's body of a request's, for a server to mount under [`NEGOTIATION_PATH`].
///
/// `take` brings the message to its negotiation and returns what that has to say to the sender, or why it does not take
/// the message. What is too long never reaches it.
pub async fn respond<F, T, E>(body: &[u8], take: T) -> Vec<u8>
where
	T: FnOnce(Vec<u8>) -> F,
	F: Future<Output = Result<Vec<Signed>, E>>,
	E: fmt::Display,
{
	let answer = match body.len() <= MAX_MESSAGE_LEN {
		false => Err(format!("a message has at most {MAX_MESSAGE_LEN} bytes")),
		true => take(body.to_vec()).await.map_err(|reason| reason.to_string()),
	};
	let answer = match answer {
		Ok(messages) => Answer { messages, rejected: None },
		Err(reason) => Answer { messages: Vec::new(), rejected: Some(reason) },
	};
	// Only a message with a number that is none could not be written, and there is none.
	serde_json::to_vec(&answer).unwrap_or_default()
}
