//! The gateway itself.

use crate::{
	config::GatewayConfig,
	metrics::{Counters, GatewayStats},
	proxy::{
		discard, forward, is_payment, read_body, request_headers, Answer, BodyError, Call, Failure,
		CHANNEL_HEADER, PAYER_HEADER,
	},
	server::{self, Limits},
	well_known,
};
use axum::{
	body::HttpBody,
	extract::{Request, State},
	http::{
		header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
		HeaderMap, HeaderValue, StatusCode,
	},
	response::Response,
	routing::get,
	Router,
};
use std::{
	future::Future,
	sync::Arc,
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_client::{
	chain::{to_hex, ChainView, ChannelInfo, PayeeChain},
	keys::{format_account, random_bytes},
	payee::{
		Checked, Decision, Payee, PayeeConfig, PayeeError, Rejection, Reservation, ResponseCache,
		Verified,
	},
	payment::{
		request_hash, response_hash, Challenge, ChannelProof, Credential, CredentialPayload,
		PaymentReceipt, PaymentRequest, Problem, ProblemType, PROOF_HEADER, RECEIPT_HEADER,
	},
	settle::{SettleError, SettleReport, Settler},
	store::{RedbStore, Store, StoreError},
	voucher::SignedVoucher,
};
use stoa_primitives::{
	channel::ChannelId,
	payload::{Domain, Receipt},
};

/// How long the last settlement may take when the gateway is shut down.
const LAST_SETTLEMENT: Duration = Duration::from_secs(60);

/// Why a gateway cannot start or serve.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
	/// A setting makes no sense.
	#[error("bad configuration: {0}")]
	Config(String),
	/// The store cannot be used.
	#[error(transparent)]
	Store(#[from] StoreError),
	/// The payee's records or its chain cannot be read.
	#[error(transparent)]
	Payee(#[from] PayeeError),
	/// The last settlement failed. Nothing is lost: the store has every voucher.
	#[error("the last settlement failed: {0}")]
	Settle(#[from] SettleError),
}

pub(crate) struct Inner {
	pub(crate) config: GatewayConfig,
	pub(crate) terms: PaymentRequest,
	pub(crate) payee: Payee,
	pub(crate) counters: Counters,
	domain: Domain,
	settler: Settler,
	upstream: reqwest::Url,
	http: reqwest::Client,
	/// Makes challenges that nobody else can. Fresh with each start: clients of an earlier run get a
	/// new challenge and go on.
	secret: [u8; 32],
	answers: ResponseCache<Answer>,
}

/// A gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway(pub(crate) Arc<Inner>);

impl Gateway {
	/// Opens the store and reads the chain.
	///
	/// # Errors
	///
	/// [`GatewayError`].
	pub async fn new(
		config: GatewayConfig,
		chain: Arc<dyn PayeeChain>,
	) -> Result<Self, GatewayError> {
		let store = Arc::new(RedbStore::open(&config.store)?);
		Self::with_store(config, store, chain).await
	}

	/// As [`Gateway::new`] with a store of the caller's.
	///
	/// # Errors
	///
	/// [`GatewayError`].
	pub async fn with_store(
		config: GatewayConfig,
		store: Arc<dyn Store>,
		chain: Arc<dyn PayeeChain>,
	) -> Result<Self, GatewayError> {
		if config.price == 0 {
			return Err(GatewayError::Config("the price must not be zero".into()));
		}
		if config.max_connections == 0 {
			return Err(GatewayError::Config("max_connections must not be zero".into()));
		}
		if config.max_connections_per_address == 0 {
			let reason = "max_connections_per_address must not be zero";
			return Err(GatewayError::Config(reason.into()));
		}
		let upstream = reqwest::Url::parse(&config.upstream)
			.map_err(|error| GatewayError::Config(format!("upstream: {error}")))?;
		if !matches!(upstream.scheme(), "http" | "https") {
			return Err(GatewayError::Config("upstream must be http or https".into()));
		}
		let account = config.payee.account();
		let mut rules = PayeeConfig::new(account.clone(), config.asset.clone());
		rules.rules.min_grace = config.min_grace;
		rules.rules.settle_horizon = config.settle_horizon;
		rules.lane_wait = config.lane_wait;
		let view: Arc<dyn ChainView> = chain.clone();
		let payee = Payee::start(rules, store, view).await?;
		let settler = Settler::new(payee.clone(), chain.clone(), config.settle);
		let http = reqwest::Client::builder()
			.redirect(reqwest::redirect::Policy::none())
			.connect_timeout(config.upstream_timeout)
			.build()
			.map_err(|error| GatewayError::Config(error.to_string()))?;
		let genesis = chain.genesis();
		let terms = PaymentRequest {
			amount: config.price,
			asset: config.asset.clone(),
			genesis,
			payee: account,
			suggested_deposit: config.suggested_deposit,
			min_grace: config.min_grace,
		};
		let answers = ResponseCache::new(config.kept_answers, config.kept_bytes);
		Ok(Self(Arc::new(Inner {
			config,
			terms,
			payee,
			counters: Counters::default(),
			domain: Domain::channels(genesis),
			settler,
			upstream,
			http,
			secret: random_bytes(),
			answers,
		})))
	}

	/// The routes: everything under `/.well-known/stoa` is the gateway's own, all else is sold.
	pub fn router(&self) -> Router {
		Router::new()
			.route("/.well-known/stoa", get(well_known::terms))
			.route("/.well-known/stoa/channel/{id}", get(well_known::channel))
			.fallback(sell)
			.with_state(self.clone())
	}

	/// `GET /metrics` in the Prometheus text format, for a listener that is not public: it tells what
	/// the gateway earns.
	pub fn metrics_router(&self) -> Router {
		Router::new().route("/metrics", get(well_known::metrics)).with_state(self.clone())
	}

	/// Serves HTTP/1.1 until `shutdown` resolves, then lets calls under way end within
	/// [`GatewayConfig::drain_timeout`], and settles once more if the configuration says so. Settles
	/// and watches for close requests all the while.
	///
	/// # Errors
	///
	/// [`GatewayError::Settle`].
	pub async fn serve(
		&self,
		listener: tokio::net::TcpListener,
		shutdown: impl Future<Output = ()> + Send + 'static,
	) -> Result<(), GatewayError> {
		let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
		let settler = self.0.settler.clone();
		let settling = tokio::spawn(async move {
			// Resolves when the sender is used or dropped: both mean the end.
			settler
				.run(async {
					let _ = stopped.await;
				})
				.await;
		});
		let config = &self.0.config;
		let limits = Limits {
			connections: config.max_connections,
			connections_per_address: config.max_connections_per_address,
			header_timeout: config.header_timeout,
			write_timeout: config.write_timeout,
			drain_timeout: config.drain_timeout,
		};
		server::serve(listener, self.router(), limits, shutdown).await;
		drop(stop);
		if let Err(error) = settling.await {
			tracing::error!(%error, "the settlement task failed");
		}
		if self.0.config.settle_on_shutdown {
			match tokio::time::timeout(LAST_SETTLEMENT, self.0.settler.settle_now()).await {
				Ok(outcome) => {
					outcome?;
				},
				Err(_) => tracing::warn!("the last settlement did not end in time"),
			}
		}
		Ok(())
	}

	/// Settles everything that is worth it, now.
	///
	/// # Errors
	///
	/// [`SettleError`].
	pub async fn settle_now(&self) -> Result<SettleReport, SettleError> {
		self.0.settler.settle_now().await
	}

	/// What was done since the start, and what the channels add up to.
	pub fn stats(&self) -> GatewayStats {
		GatewayStats::new(&self.0.counters, self.0.payee.totals())
	}

	/// A fresh challenge.
	fn challenge(&self) -> Challenge {
		let inner = &self.0;
		let expires = now().saturating_add(inner.config.challenge_ttl.as_secs());
		let nonce = random_bytes();
		let nonce = nonce.first_chunk::<16>().map_or(nonce.as_slice(), <[u8; 16]>::as_slice);
		Challenge::issue(&inner.secret, &inner.config.realm, &inner.terms, expires, nonce)
	}

	/// A problem; those of status 402 come with a challenge.
	fn refuse(&self, mut problem: Problem) -> Response {
		let mut headers = HeaderMap::new();
		if problem.status == StatusCode::PAYMENT_REQUIRED.as_u16() {
			let challenge = self.challenge();
			if let Ok(value) = HeaderValue::from_str(&challenge.to_header()) {
				headers.insert(WWW_AUTHENTICATE, value);
			}
			problem.challenge_id = Some(challenge.id);
		}
		if problem.is(ProblemType::LaneBusy) || problem.is(ProblemType::Unavailable) {
			headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
		}
		problem_response(&problem, headers)
	}

	/// Counts a problem and answers with it.
	fn fail(&self, problem: Problem) -> Response {
		let counters = &self.0.counters;
		let counter = match problem.status {
			_ if problem.is(ProblemType::PaymentRequired) => Some(&counters.challenged),
			502 | 504 => Some(&counters.uncharged),
			503 => Some(&counters.unavailable),
			// It says nothing about the credential.
			408 | 413 => None,
			_ => Some(&counters.rejected),
		};
		if let Some(counter) = counter {
			Counters::add(counter);
		}
		self.refuse(problem)
	}

	/// The request's proof to be made by the payer of `channel`, if it has a recent one. The signature
	/// is not checked.
	pub(crate) fn proof(&self, headers: &HeaderMap, channel: &ChannelId) -> Option<ChannelProof> {
		let proof = ChannelProof::parse(headers.get(PROOF_HEADER)?.to_str().ok()?).ok()?;
		(proof.channel == *channel && proof.is_recent(now())).then_some(proof)
	}

	/// Whether a proof is signed by the voucher key of a channel.
	pub(crate) fn is_payer(&self, proof: &ChannelProof, info: &ChannelInfo) -> bool {
		// A key that was replaced belongs to the payer too, as long as it is valid.
		let keys = [Some(info.key), info.changes.key.map(|(key, _)| key)];
		proof.channel == info.id
			&& keys.iter().flatten().any(|key| proof.verify(key, &self.0.domain))
	}

	/// Why a voucher is not accepted. Only the payer is told what it has paid so far.
	fn rejected(&self, rejection: &Rejection, headers: &HeaderMap, channel: &ChannelId) -> Problem {
		let proven = || {
			let (proof, info) = (self.proof(headers, channel)?, self.0.payee.channel(channel)?);
			self.is_payer(&proof, &info).then_some(())
		};
		let private = matches!(rejection, Rejection::Insufficient { .. });
		Problem::of_rejection(rejection, private && proven().is_some())
	}

	/// Judges all of a request but its body: whether there is a credential, and whether its challenge
	/// and its voucher are good.
	async fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Box<Problem>> {
		let malformed =
			|error: String| Box::new(Problem::new(ProblemType::MalformedCredential, error));
		let inner = &self.0;
		let credentials = headers.get_all(AUTHORIZATION);
		let Some(value) = credentials.iter().find(|value| is_payment(value)) else {
			let detail = format!("this resource costs {} units per call", inner.config.price);
			return Err(Box::new(Problem::new(ProblemType::PaymentRequired, detail)));
		};
		let credential = value
			.to_str()
			.ok()
			.and_then(Credential::parse)
			.ok_or_else(|| malformed("not a credential".into()))?
			.map_err(|error| malformed(error.to_string()))?;
		let challenge = credential.challenge;
		if !challenge.is_bound(&inner.secret) || challenge.is_expired(now()) {
			return Err(Box::new(Problem::new(
				ProblemType::InvalidChallenge,
				"the challenge is not of this gateway, was changed, or has expired",
			)));
		}
		let CredentialPayload::Voucher(voucher) = &credential.payload else {
			return Err(malformed("this gateway takes vouchers only".into()));
		};
		let signed = voucher.signed().map_err(|error| malformed(error.to_string()))?;
		let checked = inner.payee.check(&signed, inner.config.price).await;
		match checked.map_err(|error| self.unavailable(&signed, error))? {
			Checked::Valid(voucher) => Ok(Admitted { voucher, challenge: challenge.id }),
			Checked::Rejected(rejection) => {
				Err(Box::new(self.rejected(&rejection, headers, &signed.voucher.channel)))
			},
		}
	}

	/// A call that was admitted, with its body.
	async fn paid(&self, admitted: Admitted, call: Call) -> Response {
		match self.try_paid(admitted, call).await {
			Ok(answer) => answer.into_response(),
			Err(problem) => self.fail(*problem),
		}
	}

	async fn try_paid(&self, admitted: Admitted, call: Call) -> Result<Answer, Box<Problem>> {
		let inner = &self.0;
		let signed = *admitted.voucher.signed();
		let asked = request_hash(call.method.as_str(), call.path_and_query(), &call.body);
		// The challenge's id is a secret between the gateway and whoever was challenged: somebody who
		// has merely seen the voucher cannot fetch the answer that it bought.
		let bought = request_hash(&admitted.challenge, "", &asked);
		let decision = inner
			.payee
			.reserve(&admitted.voucher, inner.config.price, bought)
			.await
			.map_err(|error| self.unavailable(&signed, error))?;
		match decision {
			Decision::Rejected(rejection) => {
				let channel = &signed.voucher.channel;
				Err(Box::new(self.rejected(&rejection, &call.headers, channel)))
			},
			Decision::Replay { same_request } => {
				let kept = inner.answers.get(signed.lane(), signed.voucher.cumulative);
				let answer = kept
					.filter(|_| same_request)
					.ok_or_else(|| Box::new(Problem::used(&signed)))?;
				Counters::add(&inner.counters.replayed);
				Ok(answer)
			},
			Decision::Reserved(reservation) => self.sell(reservation, signed, asked, call).await,
		}
	}

	/// A call whose voucher is reserved.
	async fn sell(
		&self,
		reservation: Reservation,
		signed: SignedVoucher,
		asked: [u8; 32],
		call: Call,
	) -> Result<Answer, Box<Problem>> {
		let inner = &self.0;
		let mut answer = self.ask(&signed, &call).await?;
		if answer.status.as_u16() >= 400 {
			// The service says no: dropping the reservation charges nothing.
			drop(reservation);
			Counters::add(&inner.counters.uncharged);
			return Ok(answer);
		}
		let voucher = &signed.voucher;
		let receipt = Receipt {
			channel: voucher.channel,
			lane: voucher.lane,
			cumulative: voucher.cumulative,
			request: asked,
			response: response_hash(answer.status.as_u16(), &answer.body),
		};
		let receipt =
			PaymentReceipt::issue(&receipt, inner.config.price, now(), &inner.domain, |bytes| {
				inner.config.payee.sign(bytes)
			});
		if let Ok(value) = HeaderValue::from_str(&receipt.to_header()) {
			answer.headers.insert(RECEIPT_HEADER, value);
		}
		answer.headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
		let size = answer.size();
		// Kept before the commit: whoever finds the voucher used also finds what it bought.
		inner.answers.put(signed.lane(), voucher.cumulative, answer.clone(), size);
		reservation.commit().await.map_err(|error| self.unavailable(&signed, error))?;
		Counters::add(&inner.counters.accepted);
		Ok(answer)
	}

	/// Asks the service.
	async fn ask(&self, signed: &SignedVoucher, call: &Call) -> Result<Answer, Box<Problem>> {
		let inner = &self.0;
		let mut headers = request_headers(&call.headers);
		let channel = signed.voucher.channel;
		if let Ok(value) = HeaderValue::from_str(&to_hex(channel)) {
			headers.insert(CHANNEL_HEADER, value);
		}
		let payer = inner.payee.channel(&channel).map(|info| format_account(&info.payer));
		if let Some(value) = payer.and_then(|payer| HeaderValue::from_str(&payer).ok()) {
			headers.insert(PAYER_HEADER, value);
		}
		let url = target(&inner.upstream, call.path_and_query());
		let (limit, timeout) = (inner.config.max_response_body, inner.config.upstream_timeout);
		forward(&inner.http, url, call, headers, limit, timeout).await.map_err(|failure| {
			Box::new(match failure {
				Failure::Timeout => Problem::new(
					ProblemType::UpstreamTimeout,
					format!("no answer within {timeout:?}; nothing was charged"),
				),
				Failure::Broken(reason) => {
					tracing::warn!(reason, "the service failed");
					Problem::new(
						ProblemType::UpstreamFailed,
						"the service gave no answer; nothing was charged",
					)
				},
			})
		})
	}

	fn unavailable(&self, signed: &SignedVoucher, error: PayeeError) -> Box<Problem> {
		tracing::warn!(%error, "a voucher could not be judged or kept");
		Box::new(match error {
			PayeeError::Busy => Problem::new(ProblemType::LaneBusy, error.to_string()),
			PayeeError::Superseded => Problem::used(signed),
			PayeeError::Chain(_) => Problem::new(
				ProblemType::Unavailable,
				"the chain cannot be read at present; nothing was charged",
			),
			PayeeError::Store(_)
			| PayeeError::Foreign(_)
			| PayeeError::TakenBack
			| PayeeError::Stopped => Problem::new(
				ProblemType::Unavailable,
				"the voucher cannot be kept at present; nothing was charged",
			),
		})
	}
}

/// The service's URL for a path of the gateway.
fn target(upstream: &reqwest::Url, path_and_query: &str) -> reqwest::Url {
	let mut url = upstream.clone();
	let (path, query) = match path_and_query.split_once('?') {
		Some((path, query)) => (path, Some(query)),
		None => (path_and_query, None),
	};
	// `set_path` resolves dot segments within the joined path; the base must stay in front.
	let base = upstream.path().trim_end_matches('/');
	url.set_path(&format!("{base}{path}"));
	if !url.path().starts_with(base) {
		url.set_path(base);
	}
	url.set_query(query);
	url
}

/// What a request without its body has shown.
struct Admitted {
	/// Good, but not accepted yet.
	voucher: Verified,
	/// The id of the challenge that it came with.
	challenge: String,
}

/// Every path that is sold.
async fn sell(State(gateway): State<Gateway>, request: Request) -> Response {
	let (parts, body) = request.into_parts();
	let config = &gateway.0.config;
	let (limit, timeout) = (config.max_request_body, config.body_timeout);
	let too_large = || {
		let detail = format!("at most {limit} bytes are taken; nothing was charged");
		Problem::new(ProblemType::RequestTooLarge, detail)
	};
	// What the client says of the length is known before a byte of the body has arrived.
	if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
		return gateway.fail(too_large());
	}
	let admitted = match gateway.admit(&parts.headers).await {
		Ok(admitted) => admitted,
		Err(problem) => {
			discard(&parts.headers, body, limit, timeout);
			return gateway.fail(*problem);
		},
	};
	let body = match read_body(body, limit, timeout).await {
		Ok(body) => body,
		Err(BodyError::TooLarge) => return gateway.fail(too_large()),
		Err(BodyError::Timeout) => {
			let detail = format!("the body did not arrive within {timeout:?}; nothing was charged");
			return gateway.fail(Problem::new(ProblemType::RequestTimeout, detail));
		},
		// Nobody is there to read the answer.
		Err(BodyError::Broken) => return Response::new(axum::body::Body::empty()),
	};
	let call = Call { method: parts.method, uri: parts.uri, headers: parts.headers, body };
	// A task of its own: a client that hangs up must not stop a call between service and commit.
	let task = tokio::spawn({
		let gateway = gateway.clone();
		async move { gateway.paid(admitted, call).await }
	});
	task.await.unwrap_or_else(|error| {
		tracing::error!(%error, "a call failed");
		gateway.refuse(Problem::new(ProblemType::Unavailable, "the gateway failed"))
	})
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
	SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

pub(crate) fn problem_response(problem: &Problem, headers: HeaderMap) -> Response {
	let body = serde_json::to_vec(problem).unwrap_or_default();
	let mut response = Response::new(axum::body::Body::from(body));
	*response.status_mut() =
		StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
	*response.headers_mut() = headers;
	let headers = response.headers_mut();
	headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
	headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
	response
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn paths_should_stay_below_the_service() {
		let url =
			|base: &str, path: &str| target(&reqwest::Url::parse(base).unwrap(), path).to_string();
		assert_eq!(url("http://h", "/a/b?c=d"), "http://h/a/b?c=d");
		assert_eq!(url("http://h/", "/"), "http://h/");
		assert_eq!(url("http://h/base/", "/a"), "http://h/base/a");
		assert_eq!(url("http://h/base", "/../../secret"), "http://h/base");
		assert_eq!(url("http://h/base", "//evil/x"), "http://h/base//evil/x");
		assert_eq!(url("http://h/base", "/%2e%2e/secret"), "http://h/base");
	}
}
