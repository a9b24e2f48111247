//! Backups from a node's statement store.

use crate::{
	door::{Door, DoorError},
	statement::topic_of_all,
	tower::Tower,
};
use sp_core::{bounded_vec::BoundedVec, Bytes};
use sp_statement_store::{StatementEvent, TopicFilter};
use std::{future::Future, time::Duration};
use subxt::rpcs::{
	client::{rpc_params, RpcClient},
	Error,
};

/// How long to wait before the node is asked again.
const PAUSE: Duration = Duration::from_secs(6);

/// Takes every backup that the node has or gets, until `shutdown` resolves. A lost connection is made
/// anew, and the node then tells everything again.
pub async fn run(url: &str, tower: &Tower, door: &Door, shutdown: impl Future<Output = ()>) {
	tokio::pin!(shutdown);
	loop {
		let ended = tokio::select! {
			() = &mut shutdown => return,
			ended = follow(url, tower, door) => ended,
		};
		match ended {
			Ok(()) => tracing::info!("the node stopped telling of statements"),
			Err(error) => tracing::warn!(%error, "the node tells of no statements"),
		}
		tokio::select! {
			() = &mut shutdown => return,
			() = tokio::time::sleep(PAUSE) => {},
		}
	}
}

async fn follow(url: &str, tower: &Tower, door: &Door) -> Result<(), Error> {
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
	while let Some(event) = events.next().await {
		let StatementEvent::NewStatements { statements, .. } = event?;
		for Bytes(statement) in statements {
			take(tower, door, &statement).await;
		}
	}
	Ok(())
}

/// Takes one statement, of which there is nobody to tell the outcome.
async fn take(tower: &Tower, door: &Door, statement: &[u8]) {
	match door.bring(tower, statement).await {
		Ok(outcomes) => tracing::debug!(?outcomes, "a backup came from the statement store"),
		Err(DoorError::Tower(error)) => tracing::warn!(%error, "a backup was not kept"),
		Err(error) => tracing::debug!(%error, "a statement was turned away"),
	}
}
