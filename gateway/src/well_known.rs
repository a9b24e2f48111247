//! What the gateway tells about itself.

use crate::{
	agreements::{document, not_found, plain},
	serve::{now, Gateway},
};
use axum::{
	extract::{Path, State},
	http::{HeaderMap, StatusCode},
	response::{IntoResponse, Response},
	Json,
};
use stoa_client::{
	chain::{parse_hash, to_hex, ChannelInfo},
	payee::PayeeError,
	payment::{
		format_time, ChannelStatus, LaneStatus, Problem, ProblemType, ServiceTerms, PROOF_HEADER,
		PROOF_WINDOW,
	},
};

/// `GET /.well-known/stoa`: price, payee and chain.
pub(crate) async fn terms(State(gateway): State<Gateway>) -> Response {
	Json(ServiceTerms::new(&gateway.0.config.realm, &gateway.0.terms)).into_response()
}

/// `GET /.well-known/stoa/channel/{id}`: for a payer that has lost its records. It proves to be the
/// payer: what it has paid is nobody else's business, not even whether there is anything.
pub(crate) async fn channel(
	State(gateway): State<Gateway>,
	Path(id): Path<String>,
	headers: HeaderMap,
) -> Response {
	let info = match gateway.payer_of(&id, &headers).await {
		Ok(info) => info,
		Err(problem) => return plain(&problem),
	};
	let records = gateway.0.payee.records(&info.id);
	if records.is_empty() {
		let detail = "no payment was accepted on a channel of this id";
		return plain(&Problem { detail: Some(detail.into()), ..not_found() });
	}
	let lanes =
		records.iter().map(|record| LaneStatus::new(&record.proof, record.earned, record.count));
	let status = ChannelStatus { channel_id: to_hex(info.id), lanes: lanes.collect() };
	document(StatusCode::OK, &status)
}

impl Gateway {
	/// The channel of this id, for a request that proves to be its payer's.
	pub(crate) async fn payer_of(
		&self,
		id: &str,
		headers: &HeaderMap,
	) -> Result<ChannelInfo, Box<Problem>> {
		let stranger = || {
			let detail = format!(
				"send a {PROOF_HEADER} header that the channel's voucher key has signed less than \
				{PROOF_WINDOW} seconds from {}",
				format_time(now())
			);
			Box::new(Problem::new(ProblemType::ProofRequired, detail))
		};
		let proof = parse_hash(id).and_then(|channel| self.proof(headers, &channel));
		let proof = proof.ok_or_else(stranger)?;
		let unreadable = |error: PayeeError| {
			tracing::warn!(%error, "a channel could not be read");
			let detail = "the chain cannot be read at present";
			Box::new(Problem::new(ProblemType::Unavailable, detail))
		};
		let payee = &self.0.payee;
		let info = payee.lookup(&proof.channel).await.map_err(unreadable)?.ok_or_else(stranger)?;
		if self.is_payer(&proof, &info) {
			return Ok(info);
		}
		let info = payee.lookup_keys(&proof.channel).await.map_err(unreadable)?;
		info.filter(|info| self.is_payer(&proof, info)).ok_or_else(stranger)
	}
}
