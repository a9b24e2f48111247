//! The gateway itself.

use crate::{
	agreements::{self, Openings},
	config::GatewayConfig,
	metrics::{Counters, GatewayStats},
	operator,
	proxy::Answer,
	sale::sell,
	server::{self, Limits},
	well_known,
};
use axum::{
	http::{
		header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
		HeaderMap, HeaderValue, StatusCode,
	},
	response::Response,
	routing::{get, post},
	Router,
};
use std::{
	future::Future,
	net::SocketAddr,
	sync::Arc,
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_client::{
	chain::{ChainView, ChannelInfo, OpeningChain, PayeeChain},
	keys::random_bytes,
	payee::{Payee, PayeeConfig, PayeeError, ResponseCache},
	payment::{Challenge, ChannelProof, PaymentRequest, Problem, ProblemType, PROOF_HEADER},
	settle::{SettleError, SettleReport, Settler},
	store::{RedbStore, Store, StoreError},
};
use stoa_primitives::{channel::ChannelId, payload::Domain, tick::MAX_TICKS, Balance};

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
	pub(crate) domain: Domain,
	pub(crate) chain: Arc<dyn PayeeChain>,
	pub(crate) openings: Option<Openings>,
	settler: Settler,
	pub(crate) upstream: reqwest::Url,
	pub(crate) http: reqwest::Client,
	/// Makes challenges that nobody else can. Fresh with each start: clients of an earlier run get a
	/// new challenge and go on.
	pub(crate) secret: [u8; 32],
	pub(crate) answers: ResponseCache<Answer>,
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
		Self::build(config, store, chain, None).await
	}

	/// As [`Gateway::with_store`]; `opener` opens the channels that
	/// [`GatewayConfig::openings`] allows.
	///
	/// # Errors
	///
	/// [`GatewayError`].
	pub async fn with_openings(
		config: GatewayConfig,
		store: Arc<dyn Store>,
		chain: Arc<dyn PayeeChain>,
		opener: Arc<dyn OpeningChain>,
	) -> Result<Self, GatewayError> {
		Self::build(config, store, chain, Some(opener)).await
	}

	async fn build(
		config: GatewayConfig,
		store: Arc<dyn Store>,
		chain: Arc<dyn PayeeChain>,
		opener: Option<Arc<dyn OpeningChain>>,
	) -> Result<Self, GatewayError> {
		let upstream = check(&config)?;
		let openings = match (config.openings, opener) {
			(Some(policy), Some(opener)) => Some(Openings::new(policy, opener)),
			(Some(_), None) => {
				let reason = "openings need a chain that can open channels";
				return Err(GatewayError::Config(reason.into()));
			},
			(None, _) => None,
		};
		let account = config.payee.account();
		let mut rules = PayeeConfig::new(account.clone(), config.asset.clone());
		rules.rules.min_grace = config.min_grace;
		rules.rules.settle_horizon = config.settle_horizon;
		rules.lane_wait = config.lane_wait;
		rules.max_stall = config.max_stall;
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
			tick_value: config.tick_value,
			open_minimum: config.openings.map(|policy| policy.min_deposit),
		};
		let answers = ResponseCache::new(config.kept_answers, config.kept_bytes);
		Ok(Self(Arc::new(Inner {
			config,
			terms,
			payee,
			counters: Counters::default(),
			domain: Domain::channels(genesis),
			chain,
			openings,
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
			.route("/.well-known/stoa/channel", post(agreements::open))
			.route("/.well-known/stoa/channel/{id}", get(well_known::channel))
			.route("/.well-known/stoa/channel/{id}/close", post(agreements::close))
			.fallback(sell)
			.with_state(self.clone())
	}

	/// What is for the operator only: `GET /metrics` for anybody who can reach it, `POST /settle` and
	/// `POST /channel/{id}/close` from this machine, with a header `Stoa-Operator`. Needs a listener of its
	/// own, which is not public: it tells what the gateway earns.
	pub fn operator_router(&self) -> Router {
		operator::router(self)
	}

	/// Serves [`Gateway::operator_router`] until `shutdown` resolves.
	///
	/// # Errors
	///
	/// When the listener fails.
	pub async fn serve_operator(
		&self,
		listener: tokio::net::TcpListener,
		shutdown: impl Future<Output = ()> + Send + 'static,
	) -> std::io::Result<()> {
		let service = self.operator_router().into_make_service_with_connect_info::<SocketAddr>();
		axum::serve(listener, service).with_graceful_shutdown(shutdown).await
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

	/// The payee behind it: what it holds, for a backup.
	pub fn payee(&self) -> &Payee {
		&self.0.payee
	}

	/// What was done since the start, and what the channels add up to.
	pub fn stats(&self) -> GatewayStats {
		let lost = self.0.settler.lost();
		let unpayable = lost.iter().fold(0, |sum: Balance, one| sum.saturating_add(one.amount));
		GatewayStats::new(&self.0.counters, self.0.payee.totals(), unpayable)
	}

	/// The same and more in the Prometheus text format.
	pub(crate) fn metrics(&self) -> String {
		let limit = self.0.config.settle.max_unsettled;
		self.stats().to_prometheus(limit) + &self.0.counters.flushes.to_prometheus()
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
	pub(crate) fn refuse(&self, mut problem: Problem) -> Response {
		let mut headers = HeaderMap::new();
		if problem.status == StatusCode::PAYMENT_REQUIRED.as_u16() {
			let challenge = self.challenge();
			if let Ok(value) = HeaderValue::from_str(&challenge.to_header()) {
				headers.insert(WWW_AUTHENTICATE, value);
			}
			problem.challenge_id = Some(challenge.id);
		}
		problem_response(&problem, headers)
	}

	/// Counts a problem and answers with it.
	pub(crate) fn fail(&self, problem: Problem) -> Response {
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
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
	SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The service's address, if the configuration makes sense.
fn check(config: &GatewayConfig) -> Result<reqwest::Url, GatewayError> {
	let refuse = |reason: &str| Err(GatewayError::Config(reason.into()));
	if config.price == 0 {
		return refuse("the price must not be zero");
	}
	if let Some(value) = config.tick_value {
		let whole = value > 0 && config.price.is_multiple_of(value);
		let few = config.price.checked_div(value).is_some_and(|n| n <= MAX_TICKS.into());
		if !(whole && few) {
			return refuse(
				"the price must be a whole number of ticks, no more than can be claimed",
			);
		}
	}
	if config.max_connections == 0 {
		return refuse("max_connections must not be zero");
	}
	if config.max_connections_per_address == 0 {
		return refuse("max_connections_per_address must not be zero");
	}
	let upstream = reqwest::Url::parse(&config.upstream)
		.map_err(|error| GatewayError::Config(format!("upstream: {error}")))?;
	match upstream.scheme() {
		"http" | "https" => Ok(upstream),
		_ => refuse("upstream must be http or https"),
	}
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
	if problem.is(ProblemType::LaneBusy) || problem.is(ProblemType::Unavailable) {
		headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
	}
	response
}
