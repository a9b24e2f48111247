//! What the gateway tells about itself.

use crate::serve::{now, problem_response, Gateway};
use axum::{
	extract::{Path, State},
	http::{header, HeaderMap, HeaderValue, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use serde::Serialize;
use stoa_client::{
	chain::{parse_hash, to_hex},
	keys::format_account,
	payment::{
		asset_name, chain_id, format_time, ChannelStatus, LaneStatus, Problem, ProblemType, INTENT,
		METHOD, PROOF_HEADER, PROOF_WINDOW,
	},
};

/// Price, payee and chain: what a client can learn without making a call.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Terms {
	realm: String,
	method: &'static str,
	intent: &'static str,
	price: String,
	unit_type: &'static str,
	currency: String,
	chain: String,
	genesis: String,
	payee: String,
	payee_hex: String,
	min_grace: u32,
	suggested_deposit: String,
}

/// `GET /.well-known/stoa`.
pub(crate) async fn terms(State(gateway): State<Gateway>) -> Response {
	let terms = &gateway.0.terms;
	let payee: &[u8] = terms.payee.as_ref();
	Json(Terms {
		realm: gateway.0.config.realm.clone(),
		method: METHOD,
		intent: INTENT,
		price: terms.amount.to_string(),
		unit_type: "request",
		currency: asset_name(terms.genesis, &terms.asset),
		chain: chain_id(terms.genesis),
		genesis: to_hex(terms.genesis),
		payee: format_account(&terms.payee),
		payee_hex: to_hex(payee),
		min_grace: terms.min_grace,
		suggested_deposit: terms.suggested_deposit.to_string(),
	})
	.into_response()
}

/// `GET /.well-known/stoa/channel/{id}`: for a payer that has lost its records. It proves to be the
/// payer: what it has paid is nobody else's business, not even whether there is anything.
pub(crate) async fn channel(
	State(gateway): State<Gateway>,
	Path(id): Path<String>,
	headers: HeaderMap,
) -> Response {
	let problem = |problem| problem_response(&problem, HeaderMap::new());
	let stranger = || {
		let detail = format!(
			"send a {PROOF_HEADER} header that the channel's voucher key has signed less than \
			{PROOF_WINDOW} seconds from {}",
			format_time(now())
		);
		problem(Problem::new(ProblemType::ProofRequired, detail))
	};
	let Some(proof) = parse_hash(&id).and_then(|channel| gateway.proof(&headers, &channel)) else {
		return stranger();
	};
	match gateway.0.payee.lookup(&proof.channel).await {
		Ok(Some(info)) if gateway.is_payer(&proof, &info) => {},
		Ok(_) => return stranger(),
		Err(error) => {
			tracing::warn!(%error, "a channel could not be read");
			let detail = "the chain cannot be read at present";
			return problem(Problem::new(ProblemType::Unavailable, detail));
		},
	}
	let records = gateway.0.payee.records(&proof.channel);
	if records.is_empty() {
		let mut missing = Problem::new(
			ProblemType::ChannelNotFound,
			"no payment was accepted on a channel of this id",
		);
		missing.status = StatusCode::NOT_FOUND.as_u16();
		return problem(missing);
	}
	let lanes =
		records.iter().map(|record| LaneStatus::new(&record.proof, record.earned, record.count));
	let status = ChannelStatus { channel_id: to_hex(proof.channel), lanes: lanes.collect() };
	let mut response = Json(status).into_response();
	response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
	response
}

/// `GET /metrics`: the Prometheus text format.
pub(crate) async fn metrics(State(gateway): State<Gateway>) -> Response {
	let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
	([(header::CONTENT_TYPE, kind)], gateway.stats().to_prometheus()).into_response()
}
