//! The provider's side: sends what it holds to where towers find it.

use crate::statement::{topic, List, MAX_ITEMS};
use codec::{DecodeAll, Encode};
use serde::{Deserialize, Serialize};
use sp_core::{bounded_vec::BoundedVec, Bytes};
use sp_statement_store::{Statement, StatementEvent, SubmitResult, TopicFilter};
use std::{
	collections::HashSet,
	time::{Duration, SystemTime},
};
use stoa_client::keys::AccountKey;
use stoa_primitives::{channel::Item, AccountId};
use subxt::rpcs::client::{rpc_params, RpcClient};

/// How long a tower may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long a node may take to tell the next of the statements that it has.
const TELLING: Duration = Duration::from_secs(30);

/// Slots of a list that are looked for: no list is longer than what an agent may keep.
const SLOTS: u32 = stoa_primitives::statement::MAX_STATEMENTS;

/// What went out to a node.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Published {
	/// Statements with items that the node took.
	pub statements: usize,
	/// Items in them: the first ones.
	pub items: usize,
	/// Items that found no room.
	pub left_out: usize,
}

/// An item that a tower does not keep.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct NotKept {
	/// Place in the list, from 0.
	pub index: usize,
	/// Whether it may be kept later: it should be sent again.
	#[serde(default)]
	pub again: bool,
	/// Whether the tower did not even look at it, because of others that it refused: it should be sent before
	/// them the next time.
	#[serde(default)]
	pub unseen: bool,
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

/// Why a backup did not arrive, or could not be had back. Some of its statements may have arrived.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
	/// The node cannot be reached.
	#[error("the node cannot be asked: {0}")]
	Node(#[from] subxt::rpcs::Error),
	/// The node does not go on telling what it has.
	#[error("the node does not tell its statements within {} seconds", TELLING.as_secs())]
	Silent,
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
	/// The key signs for no account of its own.
	#[error("the key does not sign for its account")]
	Key,
}

/// What the statement store of a node has of an account's backups.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Survey {
	/// Lists of the account's other payees.
	others: usize,
	/// The slots of the own list that are in use, or were: from 0 to before this one.
	slots: u32,
}

/// The statement store of a node.
pub(super) struct NodeStore(RpcClient);

impl NodeStore {
	/// Connects to the node at `url`.
	pub(super) async fn connect(url: &str) -> Result<Self, PublishError> {
		// The caller's configuration says where the node is: it may be one without TLS.
		Ok(Self(RpcClient::from_insecure_url(url).await?))
	}

	/// What the store has of an account's backups now. Statements of others under its topic are left out.
	pub(super) async fn backups_of(
		&self,
		account: &AccountId,
	) -> Result<Vec<Statement>, PublishError> {
		let filter = TopicFilter::MatchAll(BoundedVec::truncate_from(vec![topic(account)]));
		let (subscribe, unsubscribe) =
			("statement_subscribeStatement", "statement_unsubscribeStatement");
		let mut events =
			self.0.subscribe::<StatementEvent>(subscribe, rpc_params![filter], unsubscribe).await?;
		let mut found = Vec::new();
		loop {
			let next = tokio::time::timeout(TELLING, events.next()).await;
			let Some(event) = next.map_err(|_| PublishError::Silent)? else { break };
			let StatementEvent::NewStatements { statements, remaining } = event?;
			let decode = |Bytes(bytes): Bytes| Statement::decode_all(&mut bytes.as_slice()).ok();
			found.extend(statements.into_iter().filter_map(decode));
			// What the store had says how many follow; what has just come does not.
			if remaining == Some(0) {
				break;
			}
		}
		let own = AsRef::<[u8; 32]>::as_ref(account);
		found.retain(|statement| statement.account_id().as_ref() == Some(own));
		Ok(found)
	}

	/// What has to be known before a list is published.
	pub(super) async fn survey(
		&self,
		account: &AccountId,
		list: &List,
	) -> Result<Survey, PublishError> {
		Ok(survey(&self.backups_of(account).await?, list))
	}

	/// Puts items in place of what the list said before, and the next survey into `survey`.
	pub(super) async fn publish(
		&self,
		key: &AccountKey,
		list: List,
		items: &[Item],
		survey: &mut Survey,
	) -> Result<Published, PublishError> {
		let (account, now) = (key.account(), SystemTime::now());
		let list = room(list, survey);
		let sign = |bytes: &[u8]| key.sign(bytes);
		let packed = list.pack(&account, items, now, sign);
		if packed.items < list.room(items) {
			return Err(PublishError::Key);
		}
		// No list has so many statements.
		let slots = u32::try_from(packed.statements.len()).unwrap_or(u32::MAX);
		for statement in &packed.statements {
			self.submit(statement).await?;
		}
		survey.slots = survey.slots.max(slots);
		for statement in list.clear(&account, slots..survey.slots, now, sign) {
			self.submit(&statement).await?;
		}
		survey.slots = slots;
		let left_out = items.len().saturating_sub(packed.items);
		Ok(Published { statements: packed.statements.len(), items: packed.items, left_out })
	}

	async fn submit(&self, statement: &Statement) -> Result<(), PublishError> {
		let submit = rpc_params![Bytes(statement.encode())];
		match self.0.request("statement_submit", submit).await? {
			SubmitResult::New | SubmitResult::Known => Ok(()),
			refused => Err(PublishError::Refused(refused)),
		}
	}
}

/// A list with its share of the room.
pub(super) fn room(list: List, survey: &Survey) -> List {
	list.among(survey.others.saturating_add(1))
}

fn survey(statements: &[Statement], list: &List) -> Survey {
	// What says nothing takes no room.
	let full = statements.iter().filter(|statement| statement.data().is_some());
	let others: HashSet<_> =
		full.clone().filter(|it| !list.has(it)).map(|statement| statement.topic(2)).collect();
	let own: HashSet<_> = full.filter(|it| list.has(it)).map(Statement::channel).collect();
	let slots = (0..SLOTS).rev().find(|slot| own.contains(&Some(list.channel(*slot))));
	let slots = slots.map_or(0, |last| last.saturating_add(1));
	Survey { others: others.len(), slots }
}

/// Puts the latest items of a payee into the statement store of the node at `url` (`ws://`, `wss://`), in
/// place of what the same list said before. `key` is the payee's account key. The account's lists share the
/// room that it has.
///
/// Items of channels that have ended should be left out: towers lose patience with lists of them.
///
/// # Errors
///
/// [`PublishError::Node`], [`PublishError::Silent`], [`PublishError::Refused`], [`PublishError::Key`].
pub async fn publish(
	url: &str,
	key: &AccountKey,
	list: List,
	items: &[Item],
) -> Result<Published, PublishError> {
	let node = NodeStore::connect(url).await?;
	let mut survey = node.survey(&key.account(), &list).await?;
	node.publish(key, list, items, &mut survey).await
}

/// Sends items to the tower at `url`, like `http://127.0.0.1:8403`, however many they are. `key` is the
/// payee's account key, or one that the tower trusts. Returns when the tower has them on disk.
///
/// # Errors
///
/// [`PublishError::Tower`], [`PublishError::TurnedAway`], [`PublishError::Key`].
pub async fn push(
	client: &reqwest::Client,
	url: &str,
	key: &AccountKey,
	items: &[Item],
) -> Result<Pushed, PublishError> {
	let mut all = Pushed::default();
	let mut before = 0usize;
	// It fits a usize on every platform that the standard library's networking runs on.
	for run in items.chunks(usize::try_from(MAX_ITEMS).unwrap_or(usize::MAX)) {
		let pushed = push_run(client, url, key, run).await?;
		all.kept = all.kept.saturating_add(pushed.kept);
		all.known = all.known.saturating_add(pushed.known);
		let moved = |it: NotKept| NotKept { index: it.index.saturating_add(before), ..it };
		all.refused.extend(pushed.refused.into_iter().map(moved));
		before = before.saturating_add(run.len());
	}
	Ok(all)
}

/// As [`push`], for as many items as are in one statement.
pub(super) async fn push_run(
	client: &reqwest::Client,
	url: &str,
	key: &AccountKey,
	items: &[Item],
) -> Result<Pushed, PublishError> {
	let url = format!("{}/v1/statements", url.trim_end_matches('/'));
	let sign = |bytes: &[u8]| key.sign(bytes);
	let packed =
		List::only().unbounded().pack(&key.account(), items, SystemTime::now(), sign).statements;
	let [statement] = packed.as_slice() else { return Err(PublishError::Key) };
	let request = client.post(&url).timeout(PATIENCE).body(statement.encode());
	let answer = request.send().await?;
	let status = answer.status();
	let text = answer.text().await?;
	let turned_away = |reason| PublishError::TurnedAway { status: status.as_u16(), reason };
	if !status.is_success() {
		return Err(turned_away(text));
	}
	serde_json::from_str(&text).map_err(|error| turned_away(error.to_string()))
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_client::keys::Scheme;
	use stoa_primitives::{channel::Proof, keys::KeySignature, AssetId};

	fn items(count: u32) -> Vec<Item> {
		let signature = KeySignature::Ed25519([3; 64]);
		let proof = Proof::Voucher { cumulative: 5, valid_until: 0, signature };
		(0..count).map(|lane| Item { channel: [2; 32], lane, capture: None, proof }).collect()
	}

	#[test]
	fn a_survey_should_tell_the_own_list_from_the_others() {
		let key = AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap();
		let (own, other) = (List::of(&AssetId::WithId(1)), List::of(&AssetId::Native));
		let pack = |list: List, count| {
			let now = SystemTime::now();
			list.pack(&key.account(), &items(count), now, |bytes| key.sign(bytes)).statements
		};
		assert_eq!(survey(&[], &own), Survey { others: 0, slots: 0 });
		let mut found = [pack(own, 600), pack(other, 300)].concat();
		assert_eq!(survey(&found, &own), Survey { others: 1, slots: 3 });
		// A slot between is missing, the store says, and the last one is still there.
		found.remove(1);
		assert_eq!(survey(&found, &own), Survey { others: 1, slots: 3 });
		assert_eq!(survey(&found, &other), Survey { others: 1, slots: 2 });
		let sign = |bytes: &[u8]| key.sign(bytes);
		let gone = own.clear(&key.account(), 0..3, SystemTime::now(), sign);
		assert_eq!(survey(&gone, &other), Survey { others: 0, slots: 0 });
	}
}
