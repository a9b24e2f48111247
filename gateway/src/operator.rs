//! The operator's door: figures, and commands for a payee that goes on selling meanwhile.
//!
//! Commands are taken from this machine only, and only with a header that no web page can send to another
//! host without asking first: a page in the operator's browser must not settle or close anything.

use crate::{
	agreements::{consent_failed, document, not_found, plain},
	serve::Gateway,
};
use axum::{
	extract::{ConnectInfo, Path, Request, State},
	http::{header, HeaderMap, HeaderName, HeaderValue, StatusCode},
	middleware::{self, Next},
	response::{IntoResponse, Response},
	routing::{get, post},
	Router,
};
use serde::Serialize;
use std::{net::SocketAddr, time::Duration};
use stoa_client::{
	chain::{parse_hash, to_hex, ChainError, SettleOutcome, Skip, Submitted},
	payee::{PayeeError, Unsettled},
	payment::{Problem, ProblemType},
	settle::{SettleError, SettleReport},
};
use stoa_primitives::{
	channel::{ChannelId, SkipReason},
	Balance, BlockNumber, MINUTES,
};

/// What commands must carry, whatever its value.
const OPERATOR_HEADER: HeaderName = HeaderName::from_static("stoa-operator");

/// How long a channel takes no payments while it is being closed, in blocks: if the close fails, it goes on
/// after that.
const CLOSING: BlockNumber = 2 * MINUTES;

/// How often to look whether the calls on a channel have ended.
const PAUSE: Duration = Duration::from_millis(20);

pub(crate) fn router(gateway: &Gateway) -> Router {
	let commands = Router::new()
		.route("/settle", post(settle))
		.route("/channel/{id}/close", post(close))
		.layer(middleware::from_fn(guard));
	Router::new().route("/metrics", get(metrics)).merge(commands).with_state(gateway.clone())
}

/// `GET /metrics`: the Prometheus text format.
async fn metrics(State(gateway): State<Gateway>) -> Response {
	let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
	([(header::CONTENT_TYPE, kind)], gateway.metrics()).into_response()
}

/// Lets nobody in but the operator.
async fn guard(request: Request, next: Next) -> Response {
	let local = request
		.extensions()
		.get::<ConnectInfo<SocketAddr>>()
		.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
	let headers = request.headers();
	if local && headers.contains_key(OPERATOR_HEADER) && is_direct(headers) {
		return next.run(request).await;
	}
	let detail = format!(
		"commands are taken from this machine only, by its address, with a `{OPERATOR_HEADER}` header"
	);
	let problem = Problem::new(ProblemType::ProofRequired, detail);
	plain(&Problem { title: "Only the operator".into(), ..problem })
}

/// Whether a request was meant for this machine, by its own address, and passed on by nobody: names can be
/// made to lead here by whoever owns them.
fn is_direct(headers: &HeaderMap) -> bool {
	let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
	let name = match host.parse::<SocketAddr>() {
		Ok(address) => return address.ip().is_loopback() && !is_forwarded(headers),
		Err(_) => host.split(':').next().unwrap_or_default(),
	};
	let own =
		name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
	own && !is_forwarded(headers)
}

fn is_forwarded(headers: &HeaderMap) -> bool {
	headers.contains_key(header::FORWARDED) || headers.contains_key("x-forwarded-for")
}

/// A transaction that settled or closed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Transaction {
	/// Hash of the block.
	block: String,
	/// Hash of the transaction.
	extrinsic: String,
}

impl Transaction {
	fn new(submitted: &Submitted) -> Self {
		Self { block: to_hex(submitted.block.hash), extrinsic: to_hex(submitted.extrinsic) }
	}
}

/// A claim that the chain has not paid.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Skipped {
	channel_id: String,
	lane: u32,
	/// The name of the chain's reason.
	reason: String,
}

impl Skipped {
	fn new(skip: &Skip) -> Self {
		let reason = format!("{:?}", skip.reason);
		Self { channel_id: to_hex(skip.channel), lane: skip.lane, reason }
	}
}

/// What was settled. Amounts are decimal strings in units of the asset.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settled {
	/// What was paid, before shares were taken.
	claimed: String,
	transactions: Vec<Transaction>,
	skipped: Vec<Skipped>,
	/// What is still not settled.
	unsettled: String,
}

impl Settled {
	fn new(report: &SettleReport, unsettled: Balance) -> Self {
		Self {
			claimed: report.claimed.to_string(),
			transactions: report
				.batches
				.iter()
				.map(|one| Transaction::new(&one.submitted))
				.collect(),
			skipped: report.skipped.iter().map(Skipped::new).collect(),
			unsettled: unsettled.to_string(),
		}
	}
}

/// `POST /settle`: settles everything that is worth it.
async fn settle(State(gateway): State<Gateway>) -> Response {
	// A task of its own: a client that hangs up must not leave the outcome unknown.
	let task = tokio::spawn({
		let gateway = gateway.clone();
		async move { gateway.settle_now().await }
	});
	match task.await {
		Ok(Ok(report)) => {
			document(StatusCode::OK, &Settled::new(&report, gateway.stats().unsettled))
		},
		Ok(Err(SettleError::Chain(error))) => plain(&chain_failed(&error)),
		Ok(Err(SettleError::Payee(PayeeError::Chain(error)))) => plain(&chain_failed(&error)),
		Ok(Err(error)) => plain(&Problem::new(ProblemType::Unavailable, error.to_string())),
		Err(_) => plain(&Problem::new(ProblemType::Unavailable, "the gateway failed")),
	}
}

fn chain_failed(error: &ChainError) -> Problem {
	Problem::new(ProblemType::Unavailable, error.to_string())
}

/// A channel that was closed. Amounts are decimal strings in units of the asset.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Closed {
	channel_id: String,
	/// What was owed on the channel and is paid now, before shares are taken.
	claimed: String,
	transactions: Vec<Transaction>,
}

/// `POST /channel/{id}/close`: settles what is owed on a channel and ends it. Nothing is accepted on it from
/// then on.
async fn close(State(gateway): State<Gateway>, Path(id): Path<String>) -> Response {
	let Some(id) = parse_hash(&id) else { return plain(&not_found()) };
	let task = tokio::spawn(async move { gateway.close(id).await });
	match task.await {
		Ok(Ok(closed)) => document(StatusCode::OK, &closed),
		Ok(Err(problem)) => plain(&problem),
		Err(_) => plain(&Problem::new(ProblemType::Unavailable, "the gateway failed")),
	}
}

impl Gateway {
	async fn close(&self, id: ChannelId) -> Result<Closed, Box<Problem>> {
		self.stop_accepting(&id).await?;
		let inner = &self.0;
		let mut claims: Vec<Unsettled> = inner.payee.unsettled();
		claims.retain(|claim| claim.item.channel == id);
		let sum = claims.iter().fold(0, |sum: Balance, one| sum.saturating_add(one.amount));
		let failed = |error: ChainError| Box::new(chain_failed(&error));
		// A close takes one item: the other lanes are settled before it.
		let last = claims.pop().map(|claim| claim.item);
		let mut transactions = Vec::new();
		if !claims.is_empty() {
			let items = claims.iter().map(|claim| claim.item).collect();
			let outcome = inner.chain.settle(items).await.map_err(failed)?;
			all_paid(&outcome)?;
			transactions.push(Transaction::new(&outcome.submitted));
		}
		let submitted = inner.chain.close(id, last).await.map_err(failed)?;
		transactions.push(Transaction::new(&submitted));
		Ok(Closed { channel_id: to_hex(id), claimed: sum.to_string(), transactions })
	}

	/// Takes nothing more on a channel, once the calls that are under way on it have ended. That is what an
	/// agreement to a close does; this one is given to nobody.
	async fn stop_accepting(&self, id: &ChannelId) -> Result<(), Box<Problem>> {
		let inner = &self.0;
		let free = async {
			loop {
				match inner.payee.consent(id, CLOSING, &inner.config.payee).await {
					Err(PayeeError::Busy) => tokio::time::sleep(PAUSE).await,
					other => return other,
				}
			}
		};
		let free = tokio::time::timeout(inner.config.lane_wait, free).await;
		match free.unwrap_or(Err(PayeeError::Busy)) {
			Ok(Ok(_)) => Ok(()),
			Ok(Err(_)) => Err(Box::new(not_found())),
			Err(error) => Err(Box::new(consent_failed(error))),
		}
	}
}

/// Whether all claims were paid, by this batch or by an earlier one.
fn all_paid(outcome: &SettleOutcome) -> Result<(), Box<Problem>> {
	let left = outcome.skipped.iter().find(|skip| skip.reason != SkipReason::Stale);
	left.map_or(Ok(()), |skip| {
		let (lane, reason) = (skip.lane, skip.reason);
		let detail = format!(
			"what is owed on lane {lane} cannot be settled ({reason:?}): the channel was not closed"
		);
		Err(Box::new(Problem::new(ProblemType::LaneBusy, detail)))
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn requests_should_be_meant_for_this_machine() {
		let headers = |host: &str, forwarded: bool| {
			let mut headers = HeaderMap::new();
			headers.insert(header::HOST, host.parse().unwrap());
			if forwarded {
				headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
			}
			headers
		};
		for host in ["127.0.0.1:9100", "127.0.0.1", "localhost", "localhost:9100", "[::1]:9100"] {
			assert!(is_direct(&headers(host, false)), "{host}");
			assert!(!is_direct(&headers(host, true)), "{host}");
		}
		for host in
			["evil.example", "evil.example:9100", "10.0.0.1:9100", "", "127.0.0.1.evil.example"]
		{
			assert!(!is_direct(&headers(host, false)), "{host}");
		}
	}
}
