//! The provider's side: sends what it holds to where towers find it.

use crate::statement::statements;
use codec::Encode;
use serde::{Deserialize, Serialize};
use sp_core::Bytes;
use sp_statement_store::{Statement, SubmitResult};
use std::time::{Duration, SystemTime};
use stoa_client::keys::AccountKey;
use stoa_primitives::channel::Item;
use subxt::rpcs::client::{rpc_params, RpcClient};

/// How long a tower may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What went out to a node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Published {
	/// Statements that the node took.
	pub statements: usize,
	/// Items that found no room.
	pub left_out: usize,
}

/// An item that a tower does not keep.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NotKept {
	/// Place in the list, from 0.
	pub index: usize,
	/// Why, in words.
	pub reason: String,
}

/// What a tower did with items.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Pushed {
	/// On the tower's disk now.
	pub kept: usize,
	/// There before: as much, or more.
	pub known: usize,
	/// Not kept.
	pub refused: Vec<NotKept>,
}

/// Why a backup did not arrive. Some of its statements may have.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
	/// The node cannot be reached.
	#[error("the node cannot be asked: {0}")]
	Node(#[from] subxt::rpcs::Error),
	/// The node refuses a statement. Whoever is no agent may keep none.
	#[error("the node refuses the statement: {0:?}")]
	Refused(SubmitResult),
	/// The tower cannot be reached, or its answer not be read.
	#[error("the tower cannot be asked: {0}")]
	Tower(#[from] reqwest::Error),
	/// The tower turned the statement away.
	#[error("the tower turned the statement away with status {status}: {reason}")]
	TurnedAway {
		/// HTTP status.
		status: u16,
		/// What the tower says.
		reason: String,
	},
}

/// Puts the latest items of a payee into the statement store of the node at `url` (`ws://`, `wss://`), in
/// place of what was published before. `key` is the payee's account key.
///
/// Items of channels that have ended should be left out: towers lose patience with lists of them.
///
/// # Errors
///
/// [`PublishError::Node`], [`PublishError::Refused`].
pub async fn publish(
	url: &str,
	key: &AccountKey,
	items: &[Item],
) -> Result<Published, PublishError> {
	let (statements, left_out) = sign(key, items);
	// The caller's configuration says where the node is: it may be one without TLS.
	let node = RpcClient::from_insecure_url(url).await?;
	for statement in &statements {
		let submit = rpc_params![Bytes(statement.encode())];
		match node.request("statement_submit", submit).await? {
			SubmitResult::New | SubmitResult::Known => {},
			refused => return Err(PublishError::Refused(refused)),
		}
	}
	Ok(Published { statements: statements.len(), left_out })
}

/// Sends items to the tower at `url`, like `http://127.0.0.1:8403`. `key` is the payee's account key, or one
/// that the tower trusts. Returns when the tower has them on disk.
///
/// # Errors
///
/// [`PublishError::Tower`], [`PublishError::TurnedAway`].
pub async fn push(
	client: &reqwest::Client,
	url: &str,
	key: &AccountKey,
	items: &[Item],
) -> Result<Pushed, PublishError> {
	let url = format!("{}/v1/statements", url.trim_end_matches('/'));
	let mut all = Pushed::default();
	for statement in sign(key, items).0 {
		let request = client.post(&url).timeout(PATIENCE).body(statement.encode());
		let answer = request.send().await?;
		let status = answer.status();
		let text = answer.text().await?;
		let turned_away = |reason| PublishError::TurnedAway { status: status.as_u16(), reason };
		if !status.is_success() {
			return Err(turned_away(text));
		}
		let pushed: Pushed =
			serde_json::from_str(&text).map_err(|error| turned_away(error.to_string()))?;
		let before = all.kept.saturating_add(all.known).saturating_add(all.refused.len());
		all.kept = all.kept.saturating_add(pushed.kept);
		all.known = all.known.saturating_add(pushed.known);
		all.refused.extend(
			pushed
				.refused
				.into_iter()
				.map(|it| NotKept { index: it.index.saturating_add(before), ..it }),
		);
	}
	Ok(all)
}

fn sign(key: &AccountKey, items: &[Item]) -> (Vec<Statement>, usize) {
	statements(&key.account(), items, SystemTime::now(), |bytes| key.sign(bytes))
}
