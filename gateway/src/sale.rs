//! Selling one call: judging what pays for it, asking the service, and keeping the payment.

use crate::{
	metrics::Counters,
	proxy::{
		discard, forward, is_payment, read_body, request_headers, Answer, BodyError, Call, Failure,
		CHANNEL_HEADER, PAYER_HEADER,
	},
	serve::{now, Gateway},
};
use axum::{
	body::HttpBody,
	extract::{Request, State},
	http::{
		header::{AUTHORIZATION, CACHE_CONTROL},
		HeaderMap, HeaderValue,
	},
	response::Response,
};
use std::time::Instant;
use stoa_client::{
	allowance::Allowance,
	chain::to_hex,
	keys::format_account,
	payee::{
		Checked, CheckedTick, Decision, PayeeError, Rejection, Reservation, TickClaim,
		TickDecision, TickReservation, Verified, VerifiedTick,
	},
	payment::{
		request_hash, response_hash, Credential, CredentialPayload, PaymentReceipt, Problem,
		ProblemType, TickPayload, VoucherPayload, RECEIPT_HEADER,
	},
	voucher::LaneKey,
};
use stoa_primitives::payload::Receipt;

/// What pays for a call: good, but not accepted yet.
enum Good {
	Voucher(Verified),
	Tick(VerifiedTick),
}

impl Good {
	fn proof(&self) -> Allowance {
		match self {
			Self::Voucher(verified) => (*verified.signed()).into(),
			Self::Tick(verified) => (*verified.ticks()).into(),
		}
	}
}

/// What pays for a call, on a lane that waits for it.
enum Reserved {
	Voucher(Reservation),
	Tick(TickReservation),
}

impl Reserved {
	/// Makes it durable. Only after this may the answer leave.
	async fn commit(self) -> Result<(), PayeeError> {
		match self {
			Self::Voucher(reservation) => reservation.commit().await.map(|_| ()),
			Self::Tick(reservation) => reservation.commit().await,
		}
	}
}

/// What to do with a payment, of either kind.
enum Decided {
	Reserved(Reserved),
	Replay { same_request: bool },
	Rejected(Rejection),
}

impl From<Decision> for Decided {
	fn from(decision: Decision) -> Self {
		match decision {
			Decision::Reserved(reservation) => Self::Reserved(Reserved::Voucher(reservation)),
			Decision::Replay { same_request } => Self::Replay { same_request },
			Decision::Rejected(rejection) => Self::Rejected(rejection),
		}
	}
}

impl From<TickDecision> for Decided {
	fn from(decision: TickDecision) -> Self {
		match decision {
			TickDecision::Reserved(reservation) => Self::Reserved(Reserved::Tick(reservation)),
			TickDecision::Replay { same_request } => Self::Replay { same_request },
			TickDecision::Rejected(rejection) => Self::Rejected(rejection),
		}
	}
}

/// What a request without its body has shown.
struct Admitted {
	payment: Good,
	/// The id of the challenge that it came with.
	challenge: String,
}

fn malformed(error: impl ToString) -> Box<Problem> {
	Box::new(Problem::new(ProblemType::MalformedCredential, error.to_string()))
}

impl Gateway {
	/// Why a payment is not accepted. Only the payer is told what it has paid so far.
	fn rejected(
		&self,
		rejection: &Rejection,
		headers: &HeaderMap,
		at: &LaneKey,
		by_tick: bool,
	) -> Box<Problem> {
		let proven = || {
			let (proof, info) =
				(self.proof(headers, &at.channel)?, self.0.payee.channel(&at.channel)?);
			self.is_payer(&proof, &info).then_some(())
		};
		Box::new(match by_tick {
			true => Problem::of_tick(rejection, proven().is_some()),
			false => {
				let private = matches!(rejection, Rejection::Insufficient { .. });
				Problem::of_rejection(rejection, private && proven().is_some())
			},
		})
	}

	/// Judges all of a request but its body: whether there is a credential, and whether its challenge
	/// and what pays are good.
	async fn admit(&self, headers: &HeaderMap) -> Result<Admitted, Box<Problem>> {
		let inner = &self.0;
		let credentials = headers.get_all(AUTHORIZATION);
		let Some(value) = credentials.iter().find(|value| is_payment(value)) else {
			let detail = format!("this resource costs {} units per call", inner.config.price);
			return Err(Box::new(Problem::new(ProblemType::PaymentRequired, detail)));
		};
		let Credential { challenge, payload } = value
			.to_str()
			.ok()
			.and_then(Credential::parse)
			.ok_or_else(|| malformed("not a credential"))?
			.map_err(malformed)?;
		if !challenge.is_bound(&inner.secret) || challenge.is_expired(now()) {
			return Err(Box::new(Problem::new(
				ProblemType::InvalidChallenge,
				"the challenge is not of this gateway, was changed, or has expired",
			)));
		}
		let payment = match payload {
			CredentialPayload::Voucher(voucher) => self.check_voucher(&voucher, headers).await?,
			CredentialPayload::Tick(_) if inner.config.tick_value.is_none() => {
				return Err(malformed("this gateway takes vouchers only"));
			},
			CredentialPayload::Tick(tick) => self.check_tick(&tick, headers).await?,
		};
		Ok(Admitted { payment, challenge: challenge.id })
	}

	async fn check_voucher(
		&self,
		payload: &VoucherPayload,
		headers: &HeaderMap,
	) -> Result<Good, Box<Problem>> {
		let signed = payload.signed().map_err(malformed)?;
		let checked = self.0.payee.check(&signed, self.0.config.price).await;
		match checked.map_err(|error| self.unavailable(Some(signed.into()), error))? {
			Checked::Valid(verified) => Ok(Good::Voucher(verified)),
			Checked::Rejected(rejection) => {
				Err(self.rejected(&rejection, headers, &signed.lane(), false))
			},
		}
	}

	async fn check_tick(
		&self,
		payload: &TickPayload,
		headers: &HeaderMap,
	) -> Result<Good, Box<Problem>> {
		let (at, tick) = payload.tick().map_err(malformed)?;
		let commit = payload.commitment().map_err(malformed)?;
		let claim = TickClaim { at, index: payload.index, tick, commit };
		let checked = self.0.payee.check_tick(&claim, self.0.config.price).await;
		match checked.map_err(|error| self.unavailable(None, error))? {
			CheckedTick::Valid(verified) => Ok(Good::Tick(verified)),
			CheckedTick::Rejected(rejection) => Err(self.rejected(&rejection, headers, &at, true)),
		}
	}

	async fn reserve(&self, payment: &Good, request: [u8; 32]) -> Result<Decided, PayeeError> {
		let (payee, price) = (&self.0.payee, self.0.config.price);
		Ok(match payment {
			Good::Voucher(verified) => payee.reserve(verified, price, request).await?.into(),
			Good::Tick(verified) => payee.reserve_tick(verified, price, request).await?.into(),
		})
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
		let Admitted { payment, challenge } = admitted;
		let proof = payment.proof();
		let asked = request_hash(call.method.as_str(), call.path_and_query(), &call.body);
		// The challenge's id is a secret between the gateway and whoever was challenged: somebody who
		// has merely seen the payment cannot fetch the answer that it bought.
		let bought = request_hash(&challenge, "", &asked);
		let decided = self.reserve(&payment, bought).await;
		match decided.map_err(|error| self.unavailable(Some(proof), error))? {
			Decided::Rejected(rejection) => {
				let by_tick = matches!(payment, Good::Tick(_));
				Err(self.rejected(&rejection, &call.headers, &proof.lane(), by_tick))
			},
			Decided::Replay { same_request } => {
				let kept = inner.answers.get(proof.lane(), proof.amount());
				let answer =
					kept.filter(|_| same_request).ok_or_else(|| Box::new(Problem::used(proof)))?;
				Counters::add(&inner.counters.replayed);
				Ok(answer)
			},
			Decided::Reserved(reserved) => self.sell(reserved, proof, asked, call).await,
		}
	}

	/// A call whose payment is reserved.
	async fn sell(
		&self,
		reserved: Reserved,
		proof: Allowance,
		asked: [u8; 32],
		call: Call,
	) -> Result<Answer, Box<Problem>> {
		let inner = &self.0;
		let (at, cumulative) = (proof.lane(), proof.amount());
		let mut answer = self.ask(&at, &call).await?;
		if answer.status.as_u16() >= 400 {
			// The service says no: dropping the reservation charges nothing.
			drop(reserved);
			Counters::add(&inner.counters.uncharged);
			return Ok(answer);
		}
		let receipt = Receipt {
			channel: at.channel,
			lane: at.lane,
			cumulative,
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
		// Kept before the commit: whoever finds the payment used also finds what it bought.
		inner.answers.put(at, cumulative, answer.clone(), size);
		let since = Instant::now();
		reserved.commit().await.map_err(|error| self.unavailable(Some(proof), error))?;
		inner.counters.flushes.note(since.elapsed());
		Counters::add(match proof {
			Allowance::Voucher(_) => &inner.counters.by_voucher,
			Allowance::Ticks(_) => &inner.counters.by_tick,
		});
		Ok(answer)
	}

	/// Asks the service.
	async fn ask(&self, at: &LaneKey, call: &Call) -> Result<Answer, Box<Problem>> {
		let inner = &self.0;
		let mut headers = request_headers(&call.headers);
		if let Ok(value) = HeaderValue::from_str(&to_hex(at.channel)) {
			headers.insert(CHANNEL_HEADER, value);
		}
		let payer = inner.payee.channel(&at.channel).map(|info| format_account(&info.payer));
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

	/// A payment that could not be judged or kept.
	fn unavailable(&self, proof: Option<Allowance>, error: PayeeError) -> Box<Problem> {
		tracing::warn!(%error, "a payment could not be judged or kept");
		Box::new(match (error, proof) {
			(error @ PayeeError::Busy, _) => Problem::new(ProblemType::LaneBusy, error.to_string()),
			(PayeeError::Superseded, Some(proof)) => Problem::used(proof),
			(PayeeError::Chain(_), _) => Problem::new(
				ProblemType::Unavailable,
				"the chain cannot be read at present; nothing was charged",
			),
			_ => Problem::new(
				ProblemType::Unavailable,
				"the payment cannot be kept at present; nothing was charged",
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

/// Every path that is sold.
pub(crate) async fn sell(State(gateway): State<Gateway>, request: Request) -> Response {
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
