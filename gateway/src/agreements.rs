//! What payers and the gateway agree to beside calls: the close of a channel at once, and the opening of
//! one without a transaction of the payer's.

use crate::{
	config::OpeningPolicy,
	metrics::Counters,
	proxy::{discard, read_body, BodyError},
	serve::{problem_response, Gateway},
};
use axum::{
	extract::{Path, Request, State},
	http::{header, HeaderMap, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use serde::Serialize;
use std::{
	collections::{HashMap, VecDeque},
	sync::{Arc, Mutex, MutexGuard, PoisonError},
	time::Duration,
};
use stoa_client::{
	agreement::{Disagreement, SignedOpen},
	chain::{At, ChainError, OpeningChain},
	payee::{PayeeError, Rejection},
	payment::{ConsentPayload, OpenPayload, OpenStatus, Problem, ProblemType},
};
use stoa_primitives::channel::ChannelId;
use tokio::{
	sync::{watch, Mutex as AsyncMutex},
	time::Instant,
};

/// Largest authorisation, in bytes.
const MAX_AUTHORIZATION: usize = 4 * 1_024;

/// How many authorisations are looked at, or wait for their transaction, at the same time.
const MAX_UNDER_WAY: usize = 16;

/// What openings are counted over.
const HOUR: Duration = Duration::from_secs(3_600);

/// What has become of a transaction; nothing yet while it is under way.
type Outcome = Option<Result<(), Box<Problem>>>;

/// Opening channels by authorisation.
pub(crate) struct Openings {
	policy: OpeningPolicy,
	chain: Arc<dyn OpeningChain>,
	/// By the ids of the channels.
	under_way: Mutex<HashMap<ChannelId, watch::Receiver<Outcome>>>,
	/// When the last transactions were sent. Held while one is: two at once would take one account nonce.
	sent: AsyncMutex<VecDeque<Instant>>,
}

impl Openings {
	pub(crate) fn new(policy: OpeningPolicy, chain: Arc<dyn OpeningChain>) -> Self {
		let (under_way, sent) = (Mutex::default(), AsyncMutex::default());
		Self { policy, chain, under_way, sent }
	}

	fn under_way(&self) -> MutexGuard<'_, HashMap<ChannelId, watch::Receiver<Outcome>>> {
		// Nothing panics while the lock is held.
		self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
	}
}

/// A document, which is not to be kept by anybody.
pub(crate) fn document(status: StatusCode, document: &impl Serialize) -> Response {
	let mut response = (status, Json(document)).into_response();
	response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
	response
}

pub(crate) fn plain(problem: &Problem) -> Response {
	problem_response(problem, HeaderMap::new())
}

fn unreadable(error: impl std::fmt::Display) -> Box<Problem> {
	tracing::warn!(%error, "the chain could not be read");
	Box::new(Problem::new(ProblemType::Unavailable, "the chain cannot be read at present"))
}

/// `POST /.well-known/stoa/channel/{id}/close`: the payee agrees that the payer closes its channel at once.
/// Only the payer is answered: until the agreement expires, nothing is accepted on the channel.
pub(crate) async fn close(
	State(gateway): State<Gateway>,
	Path(id): Path<String>,
	headers: HeaderMap,
) -> Response {
	let info = match gateway.payer_of(&id, &headers).await {
		Ok(info) => info,
		Err(problem) => return plain(&problem),
	};
	let inner = &gateway.0;
	let (blocks, key) = (inner.config.consent_blocks, &inner.config.payee);
	match inner.payee.consent(&info.id, blocks, key).await {
		Ok(Ok(signed)) => {
			Counters::add(&inner.counters.consents);
			document(StatusCode::OK, &ConsentPayload::new(&signed))
		},
		Ok(Err(rejection)) => plain(&Problem::of_rejection(&rejection, true)),
		Err(error) => plain(&consent_failed(error)),
	}
}

/// Why the payee does not agree just now.
pub(crate) fn consent_failed(error: PayeeError) -> Problem {
	match error {
		PayeeError::Busy => {
			let detail = "calls are under way on the channel: ask again when they have ended";
			Problem::new(ProblemType::LaneBusy, detail)
		},
		PayeeError::Chain(error) => *unreadable(error),
		error => {
			tracing::warn!(%error, "an agreement could not be kept");
			let detail = "the agreement cannot be kept at present";
			Problem::new(ProblemType::Unavailable, detail)
		},
	}
}

/// `POST /.well-known/stoa/channel`: opens the channel that its payer has authorised.
pub(crate) async fn open(State(gateway): State<Gateway>, request: Request) -> Response {
	let (parts, body) = request.into_parts();
	let timeout = gateway.0.config.body_timeout;
	let Some(openings) = &gateway.0.openings else {
		discard(&parts.headers, body, MAX_AUTHORIZATION, timeout);
		let detail = "this payee opens no channels: send the transaction yourself";
		return plain(&Problem::new(ProblemType::NotOffered, detail));
	};
	let body = match read_body(body, MAX_AUTHORIZATION, timeout).await {
		Ok(body) => body,
		Err(BodyError::TooLarge) => {
			let detail = format!("at most {MAX_AUTHORIZATION} bytes are taken");
			return plain(&Problem::new(ProblemType::RequestTooLarge, detail));
		},
		Err(BodyError::Timeout) => {
			let detail = format!("the body did not arrive within {timeout:?}");
			return plain(&Problem::new(ProblemType::RequestTimeout, detail));
		},
		// Nobody is there to read the answer.
		Err(BodyError::Broken) => return Response::new(axum::body::Body::empty()),
	};
	let malformed = |error: String| plain(&Problem::new(ProblemType::MalformedRequest, error));
	let payload: OpenPayload = match serde_json::from_slice(&body) {
		Ok(payload) => payload,
		Err(error) => return malformed(error.to_string()),
	};
	let signed = match payload.signed(gateway.0.terms.genesis) {
		Ok(signed) => signed,
		Err(error) => return malformed(error.to_string()),
	};
	let id = signed.channel(&gateway.0.domain);
	match gateway.open_authorized(openings, id, signed).await {
		Ok(Opened::Before) => document(StatusCode::OK, &OpenStatus::new(id, true)),
		Ok(Opened::Now) => document(StatusCode::CREATED, &OpenStatus::new(id, true)),
		Ok(Opened::Later) => document(StatusCode::ACCEPTED, &OpenStatus::new(id, false)),
		Err(problem) => plain(&problem),
	}
}

/// What has become of an authorisation.
enum Opened {
	/// The channel was there already.
	Before,
	/// It is there now, finally.
	Now,
	/// The transaction is under way.
	Later,
}

impl Gateway {
	async fn open_authorized(
		&self,
		openings: &Openings,
		id: ChannelId,
		signed: SignedOpen,
	) -> Result<Opened, Box<Problem>> {
		let known = openings.under_way().get(&id).cloned();
		let outcome = match known {
			// The same once more: it is answered together with the first.
			Some(outcome) => outcome,
			None => {
				self.check_signed(openings, &signed).await?;
				// The chain itself: a payee that has found nothing does not look again at once.
				let known = self.0.chain.channel(id, At::Finalized).await.map_err(unreadable)?;
				if known.is_some() {
					return Ok(Opened::Before);
				}
				self.begin(openings, id, signed)?
			},
		};
		self.await_opening(openings, outcome).await
	}

	/// Whether the authorisation is one for this payee, as far as can be told without its nonce: costs no
	/// more than the check of a signature and a look at the best block.
	async fn check_signed(
		&self,
		openings: &Openings,
		signed: &SignedOpen,
	) -> Result<(), Box<Problem>> {
		self.check_open(openings, signed, signed.auth.nonce).await
	}

	async fn check_open(
		&self,
		openings: &Openings,
		signed: &SignedOpen,
		nonce: u64,
	) -> Result<(), Box<Problem>> {
		let best = self.0.chain.block(At::Best).await.map_err(unreadable)?;
		let (rules, least) = (&self.0.payee.config().rules, openings.policy.min_deposit);
		signed.check(rules, least, nonce, best, &self.0.domain).map_err(|error| {
			let mut problem = Problem::new(ProblemType::AuthorizationRefused, error.to_string());
			if let Disagreement::DepositTooLow { deposit, min } = error {
				problem.shortfall = Some(min.saturating_sub(deposit).to_string());
				problem.deposit = Some(deposit.to_string());
			}
			Box::new(problem)
		})
	}

	/// Opens the channel in a task of its own: a client that hangs up must not leave it unknown.
	fn begin(
		&self,
		openings: &Openings,
		id: ChannelId,
		signed: SignedOpen,
	) -> Result<watch::Receiver<Outcome>, Box<Problem>> {
		let mut under_way = openings.under_way();
		if let Some(outcome) = under_way.get(&id) {
			return Ok(outcome.clone());
		}
		if under_way.len() >= MAX_UNDER_WAY {
			return Err(too_many("too many channels are being opened: try again in some seconds"));
		}
		let (tell, outcome) = watch::channel(None);
		under_way.insert(id, outcome.clone());
		drop(under_way);
		let gateway = self.clone();
		tokio::spawn(async move {
			let Some(openings) = &gateway.0.openings else { return };
			let outcome = gateway.send(openings, signed).await;
			// Removed first: whoever comes after finds the channel.
			openings.under_way().remove(&id);
			tell.send_replace(Some(outcome));
		});
		Ok(outcome)
	}

	/// Checks the authorisation by what the chain says now, and sends the transaction.
	async fn send(&self, openings: &Openings, signed: SignedOpen) -> Result<(), Box<Problem>> {
		let mut sent = openings.sent.lock().await;
		let (payer, payee) = (signed.payer.clone(), signed.auth.payee.clone());
		let prospect = openings.chain.prospect(payer, payee, signed.asset.clone()).await;
		let prospect = prospect.map_err(unreadable)?;
		self.check_open(openings, &signed, prospect.next_nonce).await?;
		if prospect.credits < signed.auth.amount {
			let missing = signed.auth.amount.saturating_sub(prospect.credits);
			let detail = format!("the payer's credits are short by {missing}");
			let mut problem = Problem::new(ProblemType::AuthorizationRefused, detail);
			problem.shortfall = Some(missing.to_string());
			return Err(Box::new(problem));
		}
		let now = Instant::now();
		sent.retain(|at| now.saturating_duration_since(*at) < HOUR);
		if sent.len() >= usize::try_from(openings.policy.per_hour).unwrap_or(usize::MAX) {
			return Err(too_many("no more channels are opened in this hour"));
		}
		sent.push_back(now);
		match openings.chain.open_authorized(signed).await {
			Ok(_) => {
				Counters::add(&self.0.counters.opened);
				Ok(())
			},
			Err(error) => {
				Counters::add(&self.0.counters.openings_failed);
				Err(opening_failed(error))
			},
		}
	}

	async fn await_opening(
		&self,
		openings: &Openings,
		mut outcome: watch::Receiver<Outcome>,
	) -> Result<Opened, Box<Problem>> {
		let ended = async {
			match outcome.wait_for(Option::is_some).await {
				Ok(outcome) => outcome.clone(),
				// The task has panicked.
				Err(_) => None,
			}
		};
		match tokio::time::timeout(openings.policy.wait, ended).await {
			Ok(Some(ended)) => ended.map(|()| Opened::Now),
			Ok(None) => Err(Box::new(Problem::new(ProblemType::Unavailable, "the gateway failed"))),
			Err(_) => Ok(Opened::Later),
		}
	}
}

fn too_many(detail: &str) -> Box<Problem> {
	Box::new(Problem::new(ProblemType::TooManyOpenings, detail))
}

fn opening_failed(error: ChainError) -> Box<Problem> {
	tracing::warn!(%error, "a channel was not opened");
	Box::new(match error {
		ChainError::Dispatch(failure) => {
			let detail = format!("the chain does not open the channel: {failure}");
			Problem::new(ProblemType::AuthorizationRefused, detail)
		},
		_ => Problem::new(
			ProblemType::Unavailable,
			"whether the channel was opened is not known: read the chain, or post the same again",
		),
	})
}

/// A channel that this payee does not have.
pub(crate) fn not_found() -> Problem {
	let detail = Rejection::UnknownChannel.to_string();
	let mut problem = Problem::new(ProblemType::ChannelNotFound, detail);
	problem.status = StatusCode::NOT_FOUND.as_u16();
	problem
}
