//! Passing a request on to the service, and its answer back.

use axum::{
	body::{Body, Bytes, HttpBody},
	http::{
		header::{self, HeaderName},
		HeaderMap, HeaderValue, Method, StatusCode, Uri,
	},
	response::Response,
};
use futures::StreamExt;
use std::time::Duration;
use stoa_client::payment::SCHEME;

/// Headers that concern one connection only (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
	header::CONNECTION,
	HeaderName::from_static("keep-alive"),
	header::PROXY_AUTHENTICATE,
	header::PROXY_AUTHORIZATION,
	header::TE,
	header::TRAILER,
	header::TRANSFER_ENCODING,
	header::UPGRADE,
];

/// Headers that the gateway alone tells the service: clients cannot forge them.
const OWN_PREFIX: &str = "stoa-";

/// Who pays for the call, as the service sees it.
pub(crate) const PAYER_HEADER: HeaderName = HeaderName::from_static("stoa-payer");
/// Which channel pays for the call, as the service sees it.
pub(crate) const CHANNEL_HEADER: HeaderName = HeaderName::from_static("stoa-channel");

/// A request, read in full.
pub(crate) struct Call {
	pub(crate) method: Method,
	pub(crate) uri: Uri,
	pub(crate) headers: HeaderMap,
	pub(crate) body: Bytes,
}

impl Call {
	pub(crate) fn path_and_query(&self) -> &str {
		self.uri.path_and_query().map_or("/", |path| path.as_str())
	}
}

/// An answer, read in full.
#[derive(Clone)]
pub(crate) struct Answer {
	pub(crate) status: StatusCode,
	pub(crate) headers: HeaderMap,
	pub(crate) body: Bytes,
}

impl Answer {
	pub(crate) fn into_response(self) -> Response {
		let mut response = Response::new(Body::from(self.body));
		*response.status_mut() = self.status;
		*response.headers_mut() = self.headers;
		response
	}

	/// What it takes to keep it, about.
	pub(crate) fn size(&self) -> usize {
		let headers = self.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
		headers.sum::<usize>().saturating_add(self.body.len())
	}
}

/// Why the service gave no answer.
pub(crate) enum Failure {
	/// It took too long.
	Timeout,
	/// It could not be reached, broke off, or sent too much.
	Broken(String),
}

/// Whether a header value is a credential of the `Payment` scheme.
pub(crate) fn is_payment(value: &HeaderValue) -> bool {
	let scheme = value.as_bytes().split(|byte| *byte == b' ').next().unwrap_or_default();
	scheme.eq_ignore_ascii_case(SCHEME.as_bytes())
}

/// What `Connection` names, besides the headers that always concern one connection only.
fn named_by_connection(headers: &HeaderMap) -> Vec<HeaderName> {
	headers
		.get_all(header::CONNECTION)
		.iter()
		.filter_map(|value| value.to_str().ok())
		.flat_map(|value| value.split(','))
		.filter_map(|name| name.trim().parse().ok())
		.collect()
}

/// The headers without those that concern one connection only.
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
	let named = named_by_connection(headers);
	headers
		.iter()
		.filter(|(name, _)| !HOP_BY_HOP.contains(name) && !named.contains(name))
		.map(|(name, value)| (name.clone(), value.clone()))
		.collect()
}

/// What the service may see of a request's headers.
pub(crate) fn request_headers(headers: &HeaderMap) -> HeaderMap {
	end_to_end(headers)
		.into_iter()
		.scan(None, |last, (name, value)| {
			// A map yields the name only with the first of several values.
			*last = name.or_else(|| last.take());
			last.clone().map(|name| (name, value))
		})
		.filter(|(name, value)| {
			*name != header::HOST
				&& *name != header::CONTENT_LENGTH
				&& !name.as_str().starts_with(OWN_PREFIX)
				&& !(*name == header::AUTHORIZATION && is_payment(value))
		})
		.fold(HeaderMap::new(), |mut map, (name, value)| {
			map.append(name, value);
			map
		})
}

/// What a client may see of an answer's headers. The length is set anew, and only the gateway gives
/// receipts.
fn response_headers(headers: &HeaderMap) -> HeaderMap {
	let mut headers = end_to_end(headers);
	headers.remove(header::CONTENT_LENGTH);
	headers.remove(stoa_client::payment::RECEIPT_HEADER);
	headers
}

/// Sends a request to the service and reads the answer, up to `limit` bytes, within `timeout`.
pub(crate) async fn forward(
	http: &reqwest::Client,
	url: reqwest::Url,
	call: &Call,
	headers: HeaderMap,
	limit: usize,
	timeout: Duration,
) -> Result<Answer, Failure> {
	let exchange = async {
		let response = http
			.request(call.method.clone(), url)
			.headers(headers)
			.body(call.body.clone())
			.send()
			.await
			.map_err(|error| Failure::Broken(error.without_url().to_string()))?;
		let status = response.status();
		let headers = response_headers(response.headers());
		let mut body = Vec::new();
		let mut stream = response.bytes_stream();
		while let Some(chunk) = stream.next().await {
			let chunk = chunk.map_err(|error| Failure::Broken(error.without_url().to_string()))?;
			if body.len().saturating_add(chunk.len()) > limit {
				return Err(Failure::Broken(format!("the answer is larger than {limit} bytes")));
			}
			body.extend_from_slice(&chunk);
		}
		Ok(Answer { status, headers, body: body.into() })
	};
	tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Failure::Timeout))
}

/// Why a request's body could not be read.
pub(crate) enum BodyError {
	/// It is too large.
	TooLarge,
	/// It did not arrive in time.
	Timeout,
	/// The connection broke.
	Broken,
}

/// Reads a request's body, up to `limit` bytes, within `timeout`.
pub(crate) async fn read_body(
	body: Body,
	limit: usize,
	timeout: Duration,
) -> Result<Bytes, BodyError> {
	let read = async {
		let mut out = Vec::new();
		let mut stream = body.into_data_stream();
		while let Some(chunk) = stream.next().await {
			let chunk = chunk.map_err(|_| BodyError::Broken)?;
			if out.len().saturating_add(chunk.len()) > limit {
				return Err(BodyError::TooLarge);
			}
			out.extend_from_slice(&chunk);
		}
		Ok(out.into())
	};
	tokio::time::timeout(timeout, read).await.unwrap_or(Err(BodyError::Timeout))
}

/// Lets a body that nobody wants pass by, without keeping it, up to `limit` bytes and within
/// `timeout`, while the answer is sent: a client whose connection is closed while it writes may never
/// see the answer. A client that has asked whether it should send the body is not told to.
pub(crate) fn discard(headers: &HeaderMap, body: Body, limit: usize, timeout: Duration) {
	if body.is_end_stream() || headers.contains_key(header::EXPECT) {
		return;
	}
	tokio::spawn(tokio::time::timeout(timeout, async move {
		let mut left = limit;
		let mut stream = body.into_data_stream();
		while let Some(Ok(chunk)) = stream.next().await {
			match left.checked_sub(chunk.len()) {
				Some(rest) => left = rest,
				None => return,
			}
		}
	}));
}

#[cfg(test)]
mod tests {
	use super::*;

	fn map(rows: &[(&'static str, &'static str)]) -> HeaderMap {
		let mut map = HeaderMap::new();
		for (name, value) in rows {
			map.append(*name, HeaderValue::from_static(value));
		}
		map
	}

	#[test]
	fn connection_headers_and_credentials_should_not_reach_the_service() {
		let headers = request_headers(&map(&[
			("connection", "close, X-Hop"),
			("x-hop", "1"),
			("te", "trailers"),
			("upgrade", "websocket"),
			("host", "gateway"),
			("content-length", "3"),
			("authorization", "PAYMENT abc"),
			("authorization", "Bearer xyz"),
			("stoa-payer", "forged"),
			("accept", "a"),
			("accept", "b"),
		]));
		let expected = map(&[("authorization", "Bearer xyz"), ("accept", "a"), ("accept", "b")]);
		assert_eq!(headers, expected);
	}

	#[test]
	fn the_service_should_not_forge_receipts() {
		let headers =
			response_headers(&map(&[("payment-receipt", "x"), ("keep-alive", "5"), ("etag", "e")]));
		assert_eq!(headers, map(&[("etag", "e")]));
	}
}
