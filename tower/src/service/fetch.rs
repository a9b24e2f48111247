//! The payee's side when its store is lost: has back what towers and nodes keep for it.
//!
//! What comes back is what was sent last. Whether it is genuine is for the payee to find out from the chain
//! (`stoa_client::payee::restore`): a tower may say anything.

use super::{
	http::READ_HEADER,
	publish::{NodeStore, PublishError, PATIENCE},
};
use crate::statement::{Backup, ReadRequest};
use codec::{DecodeAll, Encode};
use std::time::SystemTime;
use stoa_client::keys::AccountKey;
use stoa_primitives::{channel::Item, AccountId, H256};

/// The longest answer that is read: a quarter of a million lanes.
const MAX_ANSWER: usize = 64 * 1024 * 1024;

/// What the tower at `url`, like `http://127.0.0.1:8403`, keeps for `payee` on the chain with this genesis
/// hash. `key` is the payee's account key, or one that the tower trusts.
///
/// # Errors
///
/// [`PublishError::Tower`], [`PublishError::TurnedAway`], [`PublishError::Key`].
pub async fn fetch(
	client: &reqwest::Client,
	url: &str,
	key: &AccountKey,
	payee: &AccountId,
	genesis: H256,
) -> Result<Vec<Item>, PublishError> {
	let request = ReadRequest { signer: key.account(), payee: payee.clone() };
	let statement = request
		.sign(genesis, SystemTime::now(), |bytes| key.sign(bytes))
		.ok_or(PublishError::Key)?;
	let url = format!("{}/v1/proofs", url.trim_end_matches('/'));
	let request = client.get(&url).timeout(PATIENCE);
	let answer = request.header(READ_HEADER, hex::encode(statement.encode())).send().await?;
	let status = answer.status();
	let body = read(answer).await?;
	let turned_away = |reason| PublishError::TurnedAway { status: status.as_u16(), reason };
	if !status.is_success() {
		return Err(turned_away(String::from_utf8_lossy(&body).into_owned()));
	}
	Vec::decode_all(&mut body.as_slice()).map_err(|error| turned_away(error.to_string()))
}

/// As much of an answer as fits.
async fn read(mut answer: reqwest::Response) -> Result<Vec<u8>, PublishError> {
	let mut body = Vec::new();
	while let Some(bytes) = answer.chunk().await? {
		if body.len().saturating_add(bytes.len()) > MAX_ANSWER {
			break;
		}
		body.extend_from_slice(&bytes);
	}
	Ok(body)
}

/// What `payee` has signed itself and the statement store of the node at `url` (`ws://`, `wss://`) still has,
/// of all its lists. Of one lane there may be several items.
///
/// # Errors
///
/// [`PublishError::Node`], [`PublishError::Silent`].
pub async fn fetch_published(url: &str, payee: &AccountId) -> Result<Vec<Item>, PublishError> {
	let node = NodeStore::connect(url).await?;
	let statements = node.backups_of(payee).await?;
	let now = SystemTime::now();
	let read = |statement| Backup::read(statement, now).ok().filter(|it| it.signer == *payee);
	Ok(statements.iter().filter_map(read).flat_map(|backup| backup.items).collect())
}
