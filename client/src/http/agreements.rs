//! Agreements with sellers over HTTP: channels that open without a transaction of the payer's, and close
//! at once.

use super::{now, problem, transport, HttpError, Reply, MAX_DOCUMENT};
use crate::{
	agreement::{OpenTerms, SignedConsent, SignedOpen},
	chain::{parse_hash, to_hex, At, ChainView, ChannelInfo, PairView},
	keys::{AccountKey, VoucherKey},
	payer::Payer,
	payment::{
		ConsentPayload, OpenPayload, OpenStatus, PaymentRequest, Problem, ProblemType,
		ServiceTerms, PROOF_HEADER,
	},
};
use futures::StreamExt;
use reqwest::{header::CONTENT_TYPE, Method, StatusCode, Url};
use std::{sync::Arc, time::Duration};
use stoa_primitives::{
	channel::{ChannelId, DEFAULT_GRACE},
	payload::Domain,
	Balance, BlockNumber, BLOCK_MILLIS, MINUTES,
};

/// How long an authorisation can be used: a seller that does not open the channel in this time may not
/// do so later, when nobody expects it.
const AUTHORIZATION: BlockNumber = 10 * MINUTES;

/// How often to look whether a channel is there.
const LOOK: Duration = Duration::from_millis(BLOCK_MILLIS / 4);

/// Opens channels by authorisations: the payer signs, the seller sends the transaction and pays its fee.
#[derive(Clone)]
pub struct Opener {
	/// Who pays: the key signs the authorisation, and credits of its account are locked.
	pub account: AccountKey,
	/// The key that will sign vouchers.
	pub voucher: VoucherKey,
	/// What to lock for a seller, in units of the asset.
	pub deposit: Balance,
	/// Grace period, in blocks; longer if the seller asks for it, up to [`Opener::max_grace`].
	pub grace: BlockNumber,
	/// The longest grace period that is agreed to, in blocks.
	pub max_grace: BlockNumber,
	/// What may be locked in all by one client, whatever becomes of the channels.
	pub budget: Balance,
	/// Reads the next nonce.
	pub chain: Arc<dyn PairView>,
	/// How long to wait until the channel is final.
	pub patience: Duration,
}

impl Opener {
	/// Locks `deposit` for one seller, with the chain's usual grace period and no longer one, and waits for
	/// two minutes. More sellers, or the same one again, need a larger [`Opener::budget`].
	pub fn new(
		account: AccountKey,
		voucher: VoucherKey,
		deposit: Balance,
		chain: Arc<dyn PairView>,
	) -> Self {
		let patience = Duration::from_secs(120);
		let (grace, max_grace) = (DEFAULT_GRACE, DEFAULT_GRACE);
		let budget = deposit;
		Self { account, voucher, deposit, grace, max_grace, budget, chain, patience }
	}

	/// Whether a seller with these terms opens channels for this opener.
	pub fn suits(&self, terms: &PaymentRequest) -> bool {
		terms.open_minimum.is_some_and(|least| least <= self.deposit)
			&& terms.min_grace <= self.max_grace
	}

	/// Signs an authorisation for a seller with these terms and has it opened at `address`. Returns the
	/// channel once it is final.
	///
	/// # Errors
	///
	/// [`HttpError`]. When the outcome is not known, the authorisation may still be used until it expires:
	/// [`ChainView::channel`] tells.
	pub async fn open(
		&self,
		http: &reqwest::Client,
		address: &str,
		terms: &PaymentRequest,
	) -> Result<ChannelInfo, HttpError> {
		let (payee, asset) = (terms.payee.clone(), terms.asset.clone());
		let prospect =
			self.chain.prospect(self.account.account(), payee.clone(), asset.clone()).await?;
		let best = self.chain.block(At::Best).await?.number;
		let agreed = OpenTerms {
			payee,
			asset,
			deposit: self.deposit,
			key: self.voucher.key(),
			grace: self.grace.max(terms.min_grace),
			nonce: prospect.next_nonce,
			expires: best.saturating_add(AUTHORIZATION),
		};
		let domain = Domain::channels(self.chain.genesis());
		let signed = SignedOpen::sign(agreed, &self.account, &domain);
		ask_open_with(http, self.chain.as_ref(), address, &signed, self.patience).await
	}
}

/// The address of a seller's gateway, from any URL that it sells: scheme, host and port.
///
/// # Errors
///
/// [`HttpError::Url`].
pub fn address_of(url: &str) -> Result<String, HttpError> {
	let url = Url::parse(url).map_err(|error| HttpError::Url(error.to_string()))?;
	match url.scheme() {
		"http" | "https" => Ok(url.origin().ascii_serialization()),
		scheme => Err(HttpError::Url(format!("the scheme `{scheme}` cannot be called"))),
	}
}

/// Asks the payee of a channel, at `address` (scheme, host and port), to agree that the payer closes it at
/// once. What comes back is for [`calls::close_with_consent`](crate::chain::calls::close_with_consent), was
/// signed by the payee, and says no more than was paid for: see
/// [`Payer::check_consent`](crate::payer::Payer::check_consent). Until it expires the payee takes no payment
/// on the channel.
///
/// # Errors
///
/// [`HttpError::Refused`] with what the payee says, [`HttpError::Disagreement`] when what it has signed is not
/// what was agreed, or as reading and sending demand.
pub async fn ask_consent(
	payer: &Payer,
	chain: &dyn ChainView,
	address: &str,
	channel: &ChannelId,
	timeout: Duration,
) -> Result<SignedConsent, HttpError> {
	let url = format!("{}/close", channel_url(address, channel));
	let proof = payer.prove(channel, now())?;
	let http = client(timeout)?;
	let request = http.request(Method::POST, url).header(PROOF_HEADER, proof.to_header());
	let reply = exchange(request).await?;
	if reply.status != StatusCode::OK {
		return Err(refused(&reply));
	}
	let payload: ConsentPayload = document(&reply)?;
	let signed = payload.signed()?;
	let info = chain.channel(*channel, At::Best).await?;
	let info = info.ok_or(HttpError::ChannelGone { channel: *channel })?;
	payer.check_consent(&signed, &info, chain.block(At::Best).await?)?;
	Ok(signed)
}

/// Has the seller at `address` (scheme, host and port) open the channel that `signed` authorises. Returns it
/// once it is final. The same authorisation can be sent again: it opens one channel only.
///
/// # Errors
///
/// [`HttpError::Refused`] with what the seller says, [`HttpError::NotOpened`] when the channel is not final
/// within `patience`, or as reading and sending demand.
pub async fn ask_open(
	chain: &dyn ChainView,
	address: &str,
	signed: &SignedOpen,
	patience: Duration,
) -> Result<ChannelInfo, HttpError> {
	ask_open_with(&client(patience)?, chain, address, signed, patience).await
}

async fn ask_open_with(
	http: &reqwest::Client,
	chain: &dyn ChainView,
	address: &str,
	signed: &SignedOpen,
	patience: Duration,
) -> Result<ChannelInfo, HttpError> {
	let genesis = chain.genesis();
	let id = signed.channel(&Domain::channels(genesis));
	let url = format!("{}/.well-known/stoa/channel", address.trim_end_matches('/'));
	let body = serde_json::to_vec(&OpenPayload::new(signed, genesis))
		.map_err(|error| HttpError::Document(error.to_string()))?;
	let request = http.post(url).header(CONTENT_TYPE, "application/json").body(body);
	let reply = exchange(request).await?;
	match reply.status {
		StatusCode::CREATED | StatusCode::OK | StatusCode::ACCEPTED => {},
		_ => return Err(refused(&reply)),
	}
	// The id is known before: a seller cannot pass off another channel.
	let status: OpenStatus = document(&reply)?;
	if parse_hash(&status.channel_id) != Some(id) {
		return Err(HttpError::Document("the seller speaks of another channel".into()));
	}
	let look = async {
		loop {
			if let Some(info) = chain.channel(id, At::Finalized).await? {
				return Ok::<_, HttpError>(info);
			}
			tokio::time::sleep(LOOK).await;
		}
	};
	match tokio::time::timeout(patience, look).await {
		Ok(found) => found,
		Err(_) => Err(HttpError::NotOpened { channel: id }),
	}
}

/// What a seller at `address` (scheme, host and port) asks for, without a call: as a challenge says it.
///
/// # Errors
///
/// [`HttpError`].
pub async fn terms_of(address: &str, timeout: Duration) -> Result<PaymentRequest, HttpError> {
	let url = format!("{}/.well-known/stoa", address.trim_end_matches('/'));
	let reply = exchange(client(timeout)?.get(url)).await?;
	match reply.status {
		StatusCode::OK => Ok(document::<ServiceTerms>(&reply)?.request()?),
		_ => Err(refused(&reply)),
	}
}

fn channel_url(address: &str, channel: &ChannelId) -> String {
	format!("{}/.well-known/stoa/channel/{}", address.trim_end_matches('/'), to_hex(channel))
}

/// A client that follows no redirects: a redirect must not decide who sees a proof.
pub(crate) fn client(timeout: Duration) -> Result<reqwest::Client, HttpError> {
	reqwest::Client::builder()
		.redirect(reqwest::redirect::Policy::none())
		.timeout(timeout)
		.build()
		.map_err(transport)
}

/// Sends a request and reads the answer, up to [`MAX_DOCUMENT`].
pub(crate) async fn exchange(request: reqwest::RequestBuilder) -> Result<Reply, HttpError> {
	let response = request.send().await.map_err(transport)?;
	let (status, headers) = (response.status(), response.headers().clone());
	let mut body = Vec::new();
	let mut stream = response.bytes_stream();
	while let Some(chunk) = stream.next().await {
		let chunk = chunk.map_err(transport)?;
		if body.len().saturating_add(chunk.len()) > MAX_DOCUMENT {
			return Err(HttpError::TooLarge { limit: MAX_DOCUMENT });
		}
		body.extend_from_slice(&chunk);
	}
	Ok(Reply { status, headers, body })
}

fn document<T: serde::de::DeserializeOwned>(reply: &Reply) -> Result<T, HttpError> {
	serde_json::from_slice(&reply.body).map_err(|error| HttpError::Document(error.to_string()))
}

/// What an answer says that is none of those expected.
fn refused(reply: &Reply) -> HttpError {
	let unknown = || {
		let status = reply.status.as_u16();
		let detail = format!("the seller answers with status {status}");
		Problem { status, ..Problem::new(ProblemType::NotOffered, detail) }
	};
	HttpError::Refused(Box::new(problem(reply).unwrap_or_else(unknown)))
}
