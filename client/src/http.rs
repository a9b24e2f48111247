//! Calling URLs that cost money.
//!
//! [`PaidClient`] sends a request, reads the 402 that comes back, checks it against its own pins and
//! limits, signs a voucher on one of the payer's channels and repeats the request. It never takes a
//! chain, a payee beyond the allowed ones, or a price above the limit from a challenge: what does not
//! fit is an error that says so.
//!
//! A payment counts as used up when a receipt comes back that fits. Without one (the service failed,
//! the connection broke) the next call sends the same voucher again. A payee that then says that it
//! was used is believed, up to [`Policy::max_unanswered`](crate::payer::Policy::max_unanswered) over
//! the life of a channel: one that takes vouchers and does not answer gets no more than that.
//!
//! What was paid on a channel is told to its payer only. When a voucher is said to be too low, the
//! request is repeated once with a [`ChannelProof`](crate::payment::ChannelProof), and the payee then
//! shows the highest voucher that it has.

//!
//! # Ticks
//!
//! With [`HttpPolicy::ticks`], a payee that takes ticks is paid by them: it then checks one hash for each
//! call, not a signature. A commitment is sent until a tick of it has bought an answer, and again when the
//! payee says that it does not know it. A payee that does not take a tick is paid by voucher from then on.

mod agreements;
mod call;
mod payees;

pub use agreements::{address_of, ask_consent, ask_open, terms_of, Opener};
pub(crate) use agreements::{client, exchange};
pub use payees::HttpPayees;

use crate::{
	agreement::Disagreement,
	chain::{to_hex, At, ChainError, ChainView},
	keys::format_account,
	payer::{
		top_up::{Funder, TopUpError},
		PayError, Payer, Payment, Refusal, TickTerms,
	},
	payment::{
		chain_id, parse_challenges, Challenge, ChannelProof, CodecError, Credential,
		PaymentReceipt, PaymentRequest, Problem, PROOF_HEADER,
	},
	voucher::LaneKey,
};
use call::PaidCall;
use futures::StreamExt;
use reqwest::{
	header::{HeaderMap, HeaderName, HeaderValue, AUTHORIZATION, WWW_AUTHENTICATE},
	Method, StatusCode, Url,
};
use std::{
	collections::{HashMap, HashSet},
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc, Mutex, MutexGuard, PoisonError,
	},
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_primitives::{
	channel::ChannelId,
	tick::{Tick, MAX_TICKS},
	AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS, H256,
};

/// How many challenges are remembered.
const MAX_CHALLENGES: usize = 1_024;

/// Largest answer that is a document about channels, in bytes: some kilobytes for each lane that there can
/// be.
const MAX_DOCUMENT: usize = 1_024 * 1_024;

/// A challenge is not used in its last seconds, so that it is still good when it arrives.
const EXPIRY_MARGIN: u64 = 5;

/// How long a payee takes, at most, to read a channel again whose deposit did not suffice: twice the
/// eighth of a block that this crate's payee takes.
const TOP_UP_SEEN: Duration = Duration::from_millis(BLOCK_MILLIS / 4);

/// What the caller allows.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpPolicy {
	/// Most that one call may cost, in units of the asset.
	pub max_price: Balance,
	/// The asset to pay in; `None` for any in which there is a channel.
	pub asset: Option<AssetId>,
	/// Who may be paid; `None` for anybody to whom there is a channel.
	pub payees: Option<Vec<AccountId>>,
	/// Longest time that one exchange may take.
	pub timeout: Duration,
	/// Largest answer, in bytes.
	pub max_body: usize,
	/// Whether payees that take ticks are paid by them. Worth it for a client that makes many calls: the
	/// first one on each lane costs a signature and a thousand hashes.
	pub ticks: bool,
}

impl HttpPolicy {
	/// At most `max_price` per call, by voucher, thirty seconds, 16 MiB.
	pub fn new(max_price: Balance) -> Self {
		Self {
			max_price,
			asset: None,
			payees: None,
			timeout: Duration::from_secs(30),
			max_body: 16 * 1_024 * 1_024,
			ticks: false,
		}
	}
}

/// Why a call was not made or not paid.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
	/// Not a URL that can be called.
	#[error("not a usable URL: {0}")]
	Url(String),
	/// A header cannot be sent.
	#[error("not a usable header: {0}")]
	Header(String),
	/// The exchange failed. If a voucher was sent, the next call sends it again.
	#[error("the request failed: {0}")]
	Transport(String),
	/// The answer is larger than the caller allows.
	#[error("the answer is larger than {limit} bytes")]
	TooLarge {
		/// What the caller allows.
		limit: usize,
	},
	/// The server wants money and offers no way to pay that is known here.
	#[error("the server asks for payment in a way that is not supported")]
	Unsupported,
	/// The challenge cannot be read.
	#[error("the server's challenge is malformed: {0}")]
	Challenge(#[from] CodecError),
	/// The challenge is for another chain.
	#[error(
		"the server wants payment on {}, this client pays on {} only",
		chain_id(*actual),
		chain_id(*expected)
	)]
	WrongChain {
		/// The chain of the payer.
		expected: H256,
		/// The chain in the challenge.
		actual: H256,
	},
	/// The challenge is for another asset than the caller pays in.
	#[error("the server wants payment in {actual:?}, the caller pays in {expected:?}")]
	WrongAsset {
		/// What the caller pays in.
		expected: AssetId,
		/// What the challenge wants.
		actual: AssetId,
	},
	/// The caller does not pay this account.
	#[error("{} is not among the accounts that may be paid", format_account(payee))]
	WrongPayee {
		/// Whom the challenge names.
		payee: AccountId,
	},
	/// The call costs more than the caller allows.
	#[error("the call costs {price}, the limit is {limit}")]
	PriceAboveLimit {
		/// What it costs.
		price: Balance,
		/// What the caller allows.
		limit: Balance,
	},
	/// There is no open channel to this payee: open one and add it to the payer.
	#[error(
		"no open channel to {}: open one with a deposit of {suggested_deposit} or so, and a grace \
		period of at least {min_grace} blocks",
		format_account(payee)
	)]
	ChannelMissing {
		/// Who is to be paid.
		payee: AccountId,
		/// In what.
		asset: AssetId,
		/// What the payee finds sensible.
		suggested_deposit: Balance,
		/// The shortest grace period that the payee accepts, in blocks.
		min_grace: BlockNumber,
	},
	/// The channel's deposit does not suffice.
	#[error("channel {} is short by {shortfall}: top it up", to_hex(channel))]
	TopUpNeeded {
		/// The channel.
		channel: ChannelId,
		/// By how much its deposit must rise, at least.
		shortfall: Balance,
	},
	/// The payer refuses, or cannot remember the voucher.
	#[error(transparent)]
	Pay(#[from] PayError),
	/// The chain could not be read.
	#[error(transparent)]
	Chain(#[from] ChainError),
	/// The payee refuses, and says why.
	#[error("the payee refuses: {} ({})", .0.title, .0.detail.as_deref().unwrap_or(""))]
	Refused(Box<Problem>),
	/// What the payee has sent is not the document that it should be.
	#[error("the payee's answer cannot be read: {0}")]
	Document(String),
	/// What the payee has signed is not what was agreed.
	#[error("the payee has signed something else: {0}")]
	Disagreement(#[from] Disagreement),
	/// The channel has ended.
	#[error("channel {} is not there, or no more", to_hex(channel))]
	ChannelGone {
		/// The channel.
		channel: ChannelId,
	},
	/// The payee was to open this channel, and it is not there yet. It may be opened later, until the
	/// authorisation expires.
	#[error(
		"channel {} is not final yet: look for it before authorising another",
		to_hex(channel)
	)]
	NotOpened {
		/// The channel.
		channel: ChannelId,
	},
	/// Another channel would lock more than the opener may lock in all.
	#[error("a channel with {deposit} does not fit what is left to lock, {left}")]
	OpeningBudget {
		/// What it would lock.
		deposit: Balance,
		/// What may still be locked.
		left: Balance,
	},
}

/// A request that can be sent more than once.
#[derive(Clone, Debug)]
pub struct PaidRequest {
	/// The HTTP method.
	pub method: String,
	/// The URL.
	pub url: String,
	/// Headers, besides `Authorization`.
	pub headers: Vec<(String, String)>,
	/// The body.
	pub body: Vec<u8>,
}

/// The answer to a call.
#[derive(Clone, Debug)]
pub struct PaidResponse {
	/// The HTTP status.
	pub status: u16,
	/// The headers.
	pub headers: Vec<(String, String)>,
	/// The body.
	pub body: Vec<u8>,
	/// What was paid, in units of the asset; 0 if nothing was charged.
	pub paid: Balance,
	/// The channel that paid.
	pub channel: Option<ChannelId>,
	/// The payee's receipt, if it came and if payee, request and answer are what it is signed for. An
	/// answer without it does not count as one: what was paid then counts as unanswered.
	pub receipt: Option<PaymentReceipt>,
}

pub(crate) struct Reply {
	pub(crate) status: StatusCode,
	headers: HeaderMap,
	pub(crate) body: Vec<u8>,
}

struct Prepared {
	method: Method,
	url: Url,
	headers: HeaderMap,
	body: Vec<u8>,
}

impl Prepared {
	fn path_and_query(&self) -> String {
		match self.url.query() {
			Some(query) => format!("{}?{query}", self.url.path()),
			None => self.url.path().to_owned(),
		}
	}

	/// What a challenge is remembered under: prices may differ from path to path.
	fn resource(&self) -> String {
		let origin = self.url.origin().ascii_serialization();
		format!("{} {origin}{}", self.method, self.url.path())
	}
}

struct Inner {
	http: reqwest::Client,
	payer: Payer,
	chain: Arc<dyn ChainView>,
	policy: HttpPolicy,
	funder: Option<Funder>,
	opener: Option<Opener>,
	/// What openings have locked so far. Held while a channel is opened: calls that find none at the same
	/// time need one only.
	locked: tokio::sync::Mutex<Balance>,
	challenges: Mutex<HashMap<String, Challenge>>,
	/// The root of the commitment that the payee is known to have, on each lane.
	shown: Mutex<HashMap<LaneKey, Tick>>,
	/// Channels on which a tick was not taken.
	by_voucher: Mutex<HashSet<ChannelId>>,
	/// Whether the chain is known to be the one that the payer's store was written for.
	verified: AtomicBool,
}

/// Calls URLs and pays for them. Cheap to clone.
#[derive(Clone)]
pub struct PaidClient(Arc<Inner>);

impl PaidClient {
	/// A client that pays with `payer`, on the chain that `chain` reads.
	///
	/// # Errors
	///
	/// [`HttpError::Transport`] when no TLS configuration can be loaded, [`HttpError::WrongChain`]
	/// when payer and `chain` are not of one chain.
	pub fn new(
		payer: Payer,
		chain: Arc<dyn ChainView>,
		policy: HttpPolicy,
	) -> Result<Self, HttpError> {
		Self::with_funding(payer, chain, policy, None, None)
	}

	/// As [`PaidClient::new`], and channels are topped up by `funder` when little is left of them.
	///
	/// # Errors
	///
	/// As [`PaidClient::new`].
	pub fn with_funder(
		payer: Payer,
		chain: Arc<dyn ChainView>,
		policy: HttpPolicy,
		funder: Funder,
	) -> Result<Self, HttpError> {
		Self::with_funding(payer, chain, policy, Some(funder), None)
	}

	/// As [`PaidClient::with_funder`], and `opener` has sellers open channels by authorisation to which there
	/// are none.
	///
	/// # Errors
	///
	/// As [`PaidClient::new`].
	pub fn with_funding(
		payer: Payer,
		chain: Arc<dyn ChainView>,
		policy: HttpPolicy,
		funder: Option<Funder>,
		opener: Option<Opener>,
	) -> Result<Self, HttpError> {
		if payer.genesis() != chain.genesis() {
			return Err(HttpError::WrongChain {
				expected: payer.genesis(),
				actual: chain.genesis(),
			});
		}
		Ok(Self(Arc::new(Inner {
			http: agreements::client(policy.timeout)?,
			payer,
			chain,
			policy,
			funder,
			opener,
			locked: tokio::sync::Mutex::default(),
			challenges: Mutex::default(),
			shown: Mutex::default(),
			by_voucher: Mutex::default(),
			verified: AtomicBool::new(false),
		})))
	}

	/// The payer behind this client.
	pub fn payer(&self) -> &Payer {
		&self.0.payer
	}

	/// Calls `GET url`.
	///
	/// # Errors
	///
	/// [`HttpError`].
	pub async fn get(&self, url: &str) -> Result<PaidResponse, HttpError> {
		self.send(PaidRequest {
			method: "GET".into(),
			url: url.into(),
			headers: Vec::new(),
			body: Vec::new(),
		})
		.await
	}

	/// Calls `POST url` with a body.
	///
	/// # Errors
	///
	/// [`HttpError`].
	pub async fn post(
		&self,
		url: &str,
		content_type: &str,
		body: impl Into<Vec<u8>>,
	) -> Result<PaidResponse, HttpError> {
		self.send(PaidRequest {
			method: "POST".into(),
			url: url.into(),
			headers: vec![("content-type".into(), content_type.into())],
			body: body.into(),
		})
		.await
	}

	/// What `GET url` costs, without paying; `None` if it costs nothing.
	///
	/// # Errors
	///
	/// [`HttpError`]; limits are not checked.
	pub async fn quote(&self, url: &str) -> Result<Option<PaymentRequest>, HttpError> {
		let request = prepare(PaidRequest {
			method: "GET".into(),
			url: url.into(),
			headers: Vec::new(),
			body: Vec::new(),
		})?;
		let reply = self.exchange(&request, None, None).await?;
		if reply.status != StatusCode::PAYMENT_REQUIRED {
			return Ok(None);
		}
		Ok(Some(offer(&reply)?.1))
	}

	/// Makes a call, and pays for it if the server asks.
	///
	/// # Errors
	///
	/// [`HttpError`]. An HTTP status of 400 and above is not an error here: it is in the response.
	pub async fn send(&self, request: PaidRequest) -> Result<PaidResponse, HttpError> {
		let request = prepare(request)?;
		let challenge = match self.remembered(&request) {
			Some(challenge) => challenge,
			None => {
				let reply = self.exchange(&request, None, None).await?;
				if reply.status != StatusCode::PAYMENT_REQUIRED {
					return Ok(unpaid(reply));
				}
				self.remember(&request, offer(&reply)?.0)
			},
		};
		let terms = challenge.terms()?;
		self.check(&terms)?;
		self.verify_chain().await?;
		let channel = self.channel(&request, &terms).await?;
		if let Some(funder) = &self.0.funder {
			match funder.ensure(&channel, terms.amount, now()).await {
				// What there is may do all the same; if not, the payment says what is missing.
				Ok(_) | Err(TopUpError::Refused(_) | TopUpError::OtherAsset { .. }) => {},
				Err(TopUpError::Payer(error)) => return Err(error.into()),
				Err(TopUpError::Store(error)) => return Err(PayError::Store(error).into()),
				Err(TopUpError::Chain(error)) => return Err(error.into()),
			}
		}
		let payment = self.pay(&channel, &terms).await?;
		PaidCall::new(self, &request, challenge, terms, payment).run().await
	}

	/// A channel to the payee of `terms`, opened by authorisation if there is none and that is possible.
	async fn channel(
		&self,
		request: &Prepared,
		terms: &PaymentRequest,
	) -> Result<ChannelId, HttpError> {
		let Inner { http, payer, opener, locked, .. } = self.0.as_ref();
		let find = || payer.find(&terms.payee, &terms.asset);
		if let Some(channel) = find() {
			return Ok(channel);
		}
		let Some(opener) = opener.as_ref().filter(|opener| opener.suits(terms)) else {
			return Err(missing(terms.clone()));
		};
		let mut locked = locked.lock().await;
		if let Some(channel) = find() {
			return Ok(channel);
		}
		let left = opener.budget.saturating_sub(*locked);
		let deposit = opener.deposit;
		*locked = match locked.checked_add(deposit).filter(|_| deposit <= left) {
			Some(locked) => locked,
			None => return Err(HttpError::OpeningBudget { deposit, left }),
		};
		let address = request.url.origin().ascii_serialization();
		let info = opener.open(http, &address, terms).await?;
		payer.add_channel(&info, opener.voucher.clone()).await?;
		Ok(info.id)
	}

	/// Makes sure, before the first voucher, that the payer's store is of this life of the chain.
	async fn verify_chain(&self) -> Result<(), HttpError> {
		let Inner { payer, chain, verified, .. } = self.0.as_ref();
		if !verified.load(Ordering::Relaxed) {
			let told = payer.verify_chain(chain.as_ref()).await.map_err(|error| match error {
				PayError::Chain(error) => HttpError::Chain(error),
				other => other.into(),
			})?;
			verified.store(told, Ordering::Relaxed);
		}
		Ok(())
	}

	/// Signs, on a lane that is free, and reads the channel again if its deposit or its cap does not
	/// suffice: it may have been topped up, or more was settled.
	async fn pay(&self, channel: &ChannelId, terms: &PaymentRequest) -> Result<Payment, HttpError> {
		let Inner { payer, chain, .. } = self.0.as_ref();
		let (price, ticks) = (terms.amount, self.ticks(channel, terms));
		match payer.pay_any(channel, price, ticks).await {
			Err(PayError::Refused(Refusal::DepositTooLow { .. } | Refusal::AboveCap { .. })) => {
				payer.note_block(chain.block(At::Best).await?.number);
				let info = chain.channel(*channel, At::Finalized).await?;
				if let Some(info) = info {
					payer.observe(channel, Some(&info));
				}
				payer.pay_any(channel, price, ticks).await.map_err(|error| short(*channel, error))
			},
			other => Ok(other?),
		}
	}

	/// How to pay by ticks, if both sides want it and the price is a whole number of them: with a part of
	/// one, more would be allowed than the call costs.
	fn ticks(&self, channel: &ChannelId, terms: &PaymentRequest) -> Option<TickTerms> {
		let value = terms.tick_value.filter(|_| self.0.policy.ticks)?;
		let whole = terms.amount.checked_rem(value)? == 0;
		let few = terms.amount.checked_div(value)? <= MAX_TICKS.into();
		let taken = !locked(&self.0.by_voucher).contains(channel);
		(whole && few && taken).then(|| TickTerms::new(value))
	}

	fn check(&self, terms: &PaymentRequest) -> Result<(), HttpError> {
		let policy = &self.0.policy;
		let genesis = self.0.payer.genesis();
		if terms.genesis != genesis {
			return Err(HttpError::WrongChain { expected: genesis, actual: terms.genesis });
		}
		if let Some(expected) = policy.asset.as_ref().filter(|asset| **asset != terms.asset) {
			return Err(HttpError::WrongAsset {
				expected: expected.clone(),
				actual: terms.asset.clone(),
			});
		}
		if policy.payees.as_ref().is_some_and(|payees| !payees.contains(&terms.payee)) {
			return Err(HttpError::WrongPayee { payee: terms.payee.clone() });
		}
		if terms.amount > policy.max_price {
			return Err(HttpError::PriceAboveLimit {
				price: terms.amount,
				limit: policy.max_price,
			});
		}
		Ok(())
	}

	async fn exchange(
		&self,
		request: &Prepared,
		credential: Option<&Credential>,
		proof: Option<&ChannelProof>,
	) -> Result<Reply, HttpError> {
		let mut headers = request.headers.clone();
		if let Some(proof) = proof {
			let value = HeaderValue::from_str(&proof.to_header())
				.map_err(|error| HttpError::Header(error.to_string()))?;
			headers.insert(PROOF_HEADER, value);
		}
		if let Some(credential) = credential {
			let mut value = HeaderValue::from_str(&credential.to_header())
				.map_err(|error| HttpError::Header(error.to_string()))?;
			value.set_sensitive(true);
			headers.insert(AUTHORIZATION, value);
		}
		let response = self
			.0
			.http
			.request(request.method.clone(), request.url.clone())
			.headers(headers)
			.body(request.body.clone())
			.send()
			.await
			.map_err(transport)?;
		let (status, headers) = (response.status(), response.headers().clone());
		let limit = self.0.policy.max_body;
		let mut body = Vec::new();
		let mut stream = response.bytes_stream();
		while let Some(chunk) = stream.next().await {
			let chunk = chunk.map_err(transport)?;
			if body.len().saturating_add(chunk.len()) > limit {
				return Err(HttpError::TooLarge { limit });
			}
			body.extend_from_slice(&chunk);
		}
		Ok(Reply { status, headers, body })
	}

	fn remembered(&self, request: &Prepared) -> Option<Challenge> {
		let challenges = locked(&self.0.challenges);
		let soon = now().saturating_add(EXPIRY_MARGIN);
		challenges.get(&request.resource()).filter(|challenge| !challenge.is_expired(soon)).cloned()
	}

	fn remember(&self, request: &Prepared, challenge: Challenge) -> Challenge {
		let mut challenges = locked(&self.0.challenges);
		if challenges.len() >= MAX_CHALLENGES {
			challenges.clear();
		}
		challenges.insert(request.resource(), challenge.clone());
		challenge
	}

	fn forget(&self, request: &Prepared) {
		locked(&self.0.challenges).remove(&request.resource());
	}
}

/// What a lock guards. Nothing panics while one is held.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
	lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Seconds since 1970.
fn now() -> u64 {
	SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn transport(error: reqwest::Error) -> HttpError {
	// The cause is in the chain of sources, the URL may hold secrets.
	let error = error.without_url();
	let mut text = error.to_string();
	let mut source = std::error::Error::source(&error);
	while let Some(cause) = source {
		text.push_str(": ");
		text.push_str(&cause.to_string());
		source = cause.source();
	}
	HttpError::Transport(text)
}

fn short(channel: ChannelId, error: PayError) -> HttpError {
	match error {
		PayError::Refused(Refusal::DepositTooLow { shortfall }) => {
			HttpError::TopUpNeeded { channel, shortfall }
		},
		other => other.into(),
	}
}

fn missing(terms: PaymentRequest) -> HttpError {
	HttpError::ChannelMissing {
		payee: terms.payee,
		asset: terms.asset,
		suggested_deposit: terms.suggested_deposit,
		min_grace: terms.min_grace,
	}
}

fn prepare(request: PaidRequest) -> Result<Prepared, HttpError> {
	let method = Method::from_bytes(request.method.as_bytes())
		.map_err(|error| HttpError::Header(error.to_string()))?;
	let url = Url::parse(&request.url).map_err(|error| HttpError::Url(error.to_string()))?;
	if !matches!(url.scheme(), "http" | "https") {
		return Err(HttpError::Url(format!("the scheme `{}` cannot be called", url.scheme())));
	}
	let mut headers = HeaderMap::new();
	for (name, value) in request.headers {
		let name = HeaderName::from_bytes(name.as_bytes())
			.map_err(|error| HttpError::Header(error.to_string()))?;
		let value =
			HeaderValue::from_str(&value).map_err(|error| HttpError::Header(error.to_string()))?;
		headers.append(name, value);
	}
	Ok(Prepared { method, url, headers, body: request.body })
}

/// The challenge of a 402 that this crate can pay, and what it asks for.
fn offer(reply: &Reply) -> Result<(Challenge, PaymentRequest), HttpError> {
	let mut malformed = None;
	for value in reply.headers.get_all(WWW_AUTHENTICATE) {
		let Ok(text) = value.to_str() else { continue };
		match parse_challenges(text) {
			Ok(challenges) => {
				if let Some(challenge) = challenges.into_iter().find(Challenge::is_supported) {
					let terms = challenge.terms()?;
					return Ok((challenge, terms));
				}
			},
			Err(error) => malformed = Some(error),
		}
	}
	Err(malformed.map_or(HttpError::Unsupported, HttpError::Challenge))
}

fn problem(reply: &Reply) -> Option<Problem> {
	let kind = reply.headers.get(reqwest::header::CONTENT_TYPE)?.to_str().ok()?;
	kind.starts_with("application/problem+json")
		.then(|| serde_json::from_slice(&reply.body).ok())
		.flatten()
}

fn text_headers(headers: &HeaderMap) -> Vec<(String, String)> {
	headers
		.iter()
		.filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())))
		.collect()
}

fn unpaid(reply: Reply) -> PaidResponse {
	PaidResponse {
		status: reply.status.as_u16(),
		headers: text_headers(&reply.headers),
		body: reply.body,
		paid: 0,
		channel: None,
		receipt: None,
	}
}
