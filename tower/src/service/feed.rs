//! Backups from a node's statement store.

use crate::{door::Door, later::Later, statement::topic_of_all, tower::Tower};
use codec::DecodeAll;
use sp_core::{bounded_vec::BoundedVec, Bytes};
use sp_statement_store::{Statement, StatementEvent, TopicFilter};
use std::{future::Future, time::Duration};
use subxt::rpcs::{
	client::{rpc_params, RpcClient},
	Error,
};
use tokio::time::MissedTickBehavior;

/// How long to wait before the node is asked again, and how often it is seen what waits for another try.
const PAUSE: Duration = Duration::from_secs(6);

/// How often everything that the node has is taken again: what came before its channel was opened, or
/// while the tower could not read the chain.
const AGAIN: Duration = Duration::from_secs(30 * 60);

/// Takes every backup that the node has or gets, until `shutdown` resolves. A lost connection is made
/// anew, and the node then tells everything again; it is made anew from time to time for the same reason. A
/// backup that could not be taken in full is tried again.
pub async fn run(url: &str, tower: &Tower, door: &Door, shutdown: impl Future<Output = ()>) {
	tokio::pin!(shutdown);
	let mut later = Later::new();
	loop {
		let ended = tokio::select! {
			() = &mut shutdown => return,
			ended = tokio::time::timeout(AGAIN, follow(url, tower, door, &mut later)) => ended,
		};
		match ended {
			// Everything is asked for again at once.
			Err(_) => continue,
			Ok(Ok(())) => tracing::info!("the node stopped telling of statements"),
			Ok(Err(error)) => tracing::warn!(%error, "the node tells of no statements"),
		}
		tokio::select! {
			() = &mut shutdown => return,
			() = tokio::time::sleep(PAUSE) => {},
		}
	}
}

async fn follow(url: &str, tower: &Tower, door: &Door, later: &mut Later) -> Result<(), Error> {
	// The caller's configuration says where the node is: it may be one without TLS.
	let node = RpcClient::from_insecure_url(url).await?;
	let filter = TopicFilter::MatchAll(BoundedVec::truncate_from(vec![topic_of_all()]));
	let mut events = node
		.subscribe::<StatementEvent>(
			"statement_subscribeStatement",
			rpc_params![filter],
			"statement_unsubscribeStatement",
		)
		.await?;
	let mut again = tokio::time::interval(PAUSE);
	again.set_missed_tick_behavior(MissedTickBehavior::Delay);
	loop {
		let event = tokio::select! {
			event = events.next() => event,
			_ = again.tick() => {
				later.take_due(door, tower).await;
				continue;
			},
		};
		let Some(event) = event else { return Ok(()) };
		let StatementEvent::NewStatements { statements, .. } = event?;
		for Bytes(bytes) in statements {
			if let Ok(statement) = Statement::decode_all(&mut bytes.as_slice()) {
				later.take(statement, door, tower).await;
			}
		}
	}
}
