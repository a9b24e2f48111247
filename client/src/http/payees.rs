//! Asking payees over HTTP what they have accepted.

use super::agreements::{client, exchange};
use crate::{
	allowance::Allowance,
	chain::to_hex,
	payer::recovery::Payees,
	payment::{ChannelProof, ChannelStatus, PROOF_HEADER},
};
use futures::{future::BoxFuture, FutureExt};
use reqwest::StatusCode;
use std::{collections::HashMap, time::Duration};
use stoa_primitives::AccountId;

/// Payees that run a gateway, by the address of each.
pub struct HttpPayees {
	http: reqwest::Client,
	addresses: HashMap<AccountId, String>,
}

impl HttpPayees {
	/// Payees at these addresses: scheme, host and port, without a path.
	///
	/// # Errors
	///
	/// [`HttpError::Transport`](super::HttpError::Transport) when no TLS configuration can be loaded.
	pub fn new(
		addresses: HashMap<AccountId, String>,
		timeout: Duration,
	) -> Result<Self, super::HttpError> {
		Ok(Self { http: client(timeout)?, addresses })
	}

	async fn ask(&self, payee: &AccountId, proof: &ChannelProof) -> Result<Vec<Allowance>, String> {
		let address = self.addresses.get(payee).ok_or("the payee's address is not known")?;
		let address = address.trim_end_matches('/');
		let url = format!("{address}/.well-known/stoa/channel/{}", to_hex(proof.channel));
		let request = self.http.get(url).header(PROOF_HEADER, proof.to_header());
		let reply = exchange(request).await.map_err(|error| error.to_string())?;
		match reply.status {
			StatusCode::OK => {},
			// It has accepted nothing.
			StatusCode::NOT_FOUND => return Ok(Vec::new()),
			status => return Err(format!("the payee answers with status {}", status.as_u16())),
		}
		let status: ChannelStatus =
			serde_json::from_slice(&reply.body).map_err(|error| format!("no status: {error}"))?;
		let proofs = status.lanes.iter().map(|lane| lane.proof());
		let proofs: Result<Vec<_>, _> = proofs.collect();
		Ok(proofs.map_err(|error| error.to_string())?.into_iter().flatten().collect())
	}
}

impl Payees for HttpPayees {
	fn highest(
		&self,
		payee: AccountId,
		proof: ChannelProof,
	) -> BoxFuture<'_, Result<Vec<Allowance>, String>> {
		async move { self.ask(&payee, &proof).await }.boxed()
	}
}
