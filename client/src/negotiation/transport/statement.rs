//! Messages through the nodes' statement store: two agents need no address, only a node each.
//!
//! | field | of a message | of a key card |
//! |---|---|---|
//! | proof | by the sender's account key | by the account's key |
//! | topic 1 | `blake2_256(tag ‖ "inbox" ‖ receiver 32)` | `blake2_256(tag ‖ "card" ‖ account 32)` |
//! | topic 2 | `blake2_256(tag ‖ "pair" ‖ sender 32 ‖ receiver 32)` | |
//! | channel | `blake2_256(tag ‖ "slot" ‖ receiver 32 ‖ negotiation 32 ‖ sequence & 1)` | `blake2_256(tag ‖ "card")` |
//! | expiry | Unix seconds of the end « 32, nanoseconds below | likewise |
//! | data | the message, [sealed](super::seal()) | SCALE of genesis hash 32, X25519 key 32 |
//!
//! with the tag `"stoa/negotiation/v1"`. A message replaces the sender's message before the last: of one side at most two
//! messages wait for an answer, a question to the operator and what follows it, and they have numbers one apart.
//!
//! An agent announces the key that opens its messages in its card, bound to the chain and to its account by the
//! statement's signature. A card of a later expiry replaces an earlier one.

use super::{
	seal::{seal, SealingKey, BLOCK, OVERHEAD},
	Transport, TransportError,
};
use crate::{
	keys::AccountKey,
	negotiation::message::{Message, Signed, MAX_MESSAGE_LEN},
};
use codec::{DecodeAll, Encode};
use futures::future::BoxFuture;
use sp_core::{bounded_vec::BoundedVec, Bytes};
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use sp_statement_store::{
	Proof, SignatureVerificationResult, Statement, StatementEvent, SubmitResult, Topic, TopicFilter,
};
use std::{
	collections::VecDeque,
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_primitives::{AccountId, H256};
use subxt::rpcs::client::{rpc_params, RpcClient, RpcSubscription};
use tokio::{
	sync::{Mutex, RwLock},
	time::Instant,
};

const TAG: &[u8] = b"stoa/negotiation/v1";

/// How long a node may take to tell the next of the statements that it has.
const TELLING: Duration = Duration::from_secs(30);

/// Longest data of a message's statement.
const MAX_SEALED: usize = (MAX_MESSAGE_LEN + 4).next_multiple_of(BLOCK) + OVERHEAD;

/// How long statements live.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
	/// A message.
	pub message: Duration,
	/// A key card, counted from when the transport connects.
	pub card: Duration,
}

impl Default for Timing {
	/// An hour for a message, 30 days for a card.
	fn default() -> Self {
		let hour = Duration::from_secs(60 * 60);
		Self { message: hour, card: hour.saturating_mul(24 * 30) }
	}
}

/// The statement store of a node. The agent must be registered: strangers may keep no statements.
pub struct StatementTransport {
	url: String,
	/// Replaced when its connection is gone.
	node: RwLock<RpcClient>,
	genesis: H256,
	key: AccountKey,
	secret: SealingKey,
	timing: Timing,
	arriving: Mutex<Arriving>,
}

#[derive(Default)]
struct Arriving {
	events: Option<RpcSubscription<StatementEvent>>,
	/// When the node was told last how to seal messages for this agent.
	announced: Option<Instant>,
	/// Opened, in the order in which the node told of them.
	waiting: VecDeque<Vec<u8>>,
}

impl StatementTransport {
	/// Connects the agent of `key` to the node at `url` (`ws://`, `wss://`) and announces the key with which messages
	/// are to be sealed for it.
	///
	/// # Errors
	///
	/// [`TransportError::Node`], [`TransportError::Refused`], [`TransportError::Key`].
	pub async fn connect(
		url: &str,
		genesis: H256,
		key: AccountKey,
		secret: SealingKey,
		timing: Timing,
	) -> Result<Self, TransportError> {
		// The caller's configuration says where the node is: it may be one without TLS.
		let node = RwLock::new(RpcClient::from_insecure_url(url).await?);
		let (url, arriving) = (url.to_owned(), Mutex::default());
		let transport = Self { url, node, genesis, key, secret, timing, arriving };
		transport.announce().await?;
		transport.arriving.lock().await.announced = Some(Instant::now());
		Ok(transport)
	}

	async fn announce(&self) -> Result<(), TransportError> {
		let card = card(&self.key, self.genesis, &self.secret, expiry(self.timing.card));
		self.submit(&card.ok_or(TransportError::Key)?).await
	}

	/// The agent that it sends for.
	pub fn account(&self) -> AccountId {
		self.key.account()
	}

	async fn submit(&self, statement: &Statement) -> Result<(), TransportError> {
		let submit = rpc_params![Bytes(statement.encode())];
		let node = self.node.read().await.clone();
		let submitted = node.request("statement_submit", submit).await;
		let submitted = match submitted {
			Ok(submitted) => submitted,
			Err(error) => return Err(self.after(error).await),
		};
		match submitted {
			SubmitResult::New | SubmitResult::Known => Ok(()),
			refused => Err(TransportError::Refused(format!("{refused:?}"))),
		}
	}

	async fn subscribe(
		&self,
		topic: Topic,
	) -> Result<RpcSubscription<StatementEvent>, TransportError> {
		let filter = TopicFilter::MatchAll(BoundedVec::truncate_from(vec![topic]));
		let (subscribe, unsubscribe) =
			("statement_subscribeStatement", "statement_unsubscribeStatement");
		let node = self.node.read().await.clone();
		match node.subscribe(subscribe, rpc_params![filter], unsubscribe).await {
			Ok(events) => Ok(events),
			Err(error) => Err(self.after(error).await),
		}
	}

	/// Connects anew when a request has failed because the connection is gone. What has failed is for the caller to try
	/// again.
	async fn after(&self, error: subxt::rpcs::Error) -> TransportError {
		if !matches!(error, subxt::rpcs::Error::User(_)) {
			match RpcClient::from_insecure_url(&self.url).await {
				Ok(node) => *self.node.write().await = node,
				Err(error) => tracing::debug!(%error, "the node cannot be reached"),
			}
		}
		error.into()
	}

	/// The key with which messages are to be sealed for an account, by its latest card. It is asked for each time:
	/// an agent that has started anew has another.
	async fn sealing_key(&self, of: &AccountId) -> Result<[u8; 32], TransportError> {
		let mut events = self.subscribe(card_topic(of)).await?;
		let mut latest = None;
		loop {
			let next = tokio::time::timeout(TELLING, events.next()).await;
			let Some(event) = next.map_err(|_| TransportError::Silent)? else { break };
			let StatementEvent::NewStatements { statements, remaining } = event?;
			for Bytes(bytes) in statements {
				let Some((expiry, key)) = read_card(&bytes, of, self.genesis, SystemTime::now())
				else {
					continue;
				};
				if latest.is_none_or(|(before, _)| before < expiry) {
					latest = Some((expiry, key));
				}
			}
			// What the store had says how many follow; what has just come does not.
			if remaining == Some(0) {
				break;
			}
		}
		let (_, key) = latest.ok_or_else(|| TransportError::NoKey(of.clone()))?;
		Ok(key)
	}

	async fn deliver(&self, message: &Signed) -> Result<(), TransportError> {
		let to = self.sealing_key(&message.message.to).await?;
		let sealed = seal(&to, &message.to_bytes()?)?;
		let end = expiry(self.timing.message);
		let statement = statement(&self.key, &message.message, sealed, end);
		self.submit(&statement.ok_or(TransportError::Key)?).await
	}

	async fn next(&self) -> Result<Vec<u8>, TransportError> {
		let mut arriving = self.arriving.lock().await;
		loop {
			if let Some(bytes) = arriving.waiting.pop_front() {
				return Ok(bytes);
			}
			// Before the card ends, and whenever the node may have lost it.
			let half = self.timing.card / 2;
			let since = match arriving.announced {
				Some(at) if at.elapsed() < half => at,
				_ => {
					// A node that takes no card may bring messages all the same.
					match self.announce().await {
						Err(TransportError::Refused(reason)) => {
							tracing::warn!(reason, "the node does not take the key for messages");
						},
						announced => announced?,
					}
					*arriving.announced.insert(Instant::now())
				},
			};
			let events = match &mut arriving.events {
				Some(events) => events,
				none => none.insert(self.subscribe(inbox_topic(&self.account())).await?),
			};
			let left = half.saturating_sub(since.elapsed());
			let Ok(next) = tokio::time::timeout(left, events.next()).await else { continue };
			match next {
				Some(Ok(StatementEvent::NewStatements { statements, .. })) => {
					let now = SystemTime::now();
					let read =
						|Bytes(bytes): &Bytes| open(bytes, &self.account(), &self.secret, now);
					let mut opened: Vec<_> = statements.iter().filter_map(read).collect();
					// What a store has comes in any order; what follows too early is not taken.
					opened.sort_by_key(|(expiry, _)| *expiry);
					arriving.waiting.extend(opened.into_iter().map(|(_, bytes)| bytes));
				},
				// The next call asks anew, and is told again what the node still has.
				Some(Err(error)) => {
					(arriving.events, arriving.announced) = (None, None);
					return Err(error.into());
				},
				None => {
					(arriving.events, arriving.announced) = (None, None);
					return Err(TransportError::Silent);
				},
			}
		}
	}
}

impl Transport for StatementTransport {
	fn send(&self, message: Signed) -> BoxFuture<'_, Result<(), TransportError>> {
		Box::pin(async move { self.deliver(&message).await })
	}

	fn receive(&self) -> BoxFuture<'_, Result<Vec<u8>, TransportError>> {
		Box::pin(self.next())
	}
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
	blake2_256(&[TAG, &parts.concat()].concat())
}

fn inbox_topic(of: &AccountId) -> Topic {
	Topic(hash(&[b"inbox", of.as_ref()]))
}

fn pair_topic(from: &AccountId, to: &AccountId) -> Topic {
	Topic(hash(&[b"pair", from.as_ref(), to.as_ref()]))
}

fn card_topic(of: &AccountId) -> Topic {
	Topic(hash(&[b"card", of.as_ref()]))
}

fn slot(message: &Message) -> [u8; 32] {
	let parity = u8::from(message.sequence % 2 == 1);
	hash(&[b"slot", message.to.as_ref(), &message.negotiation, &[parity]])
}

fn expiry(life: Duration) -> u64 {
	let end = since_1970(SystemTime::now()).saturating_add(life);
	// Seconds end in the year 2106.
	let seconds = u64::from(u32::try_from(end.as_secs()).unwrap_or(u32::MAX));
	seconds << 32 | u64::from(end.subsec_nanos())
}

fn since_1970(time: SystemTime) -> Duration {
	time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn card(key: &AccountKey, genesis: H256, secret: &SealingKey, expiry: u64) -> Option<Statement> {
	let mut statement = Statement::new();
	statement.set_topic(0, card_topic(&key.account()));
	statement.set_channel(hash(&[b"card"]));
	statement.set_expiry(expiry);
	statement.set_plain_data((genesis, secret.public()).encode());
	signed(statement, key)
}

/// Expiry and key of a card of this account, for this chain.
fn read_card(
	bytes: &[u8],
	of: &AccountId,
	genesis: H256,
	now: SystemTime,
) -> Option<(u64, [u8; 32])> {
	let statement = read(bytes, now)?;
	let own = statement.topics() == [card_topic(of)]
		&& statement.account_id().as_ref() == Some(AsRef::<[u8; 32]>::as_ref(of));
	let data = statement.data().filter(|_| own)?;
	let (chain, key) = <(H256, [u8; 32])>::decode_all(&mut data.as_slice()).ok()?;
	(chain == genesis && is_signed(&statement)).then_some((statement.expiry(), key))
}

fn statement(
	key: &AccountKey,
	message: &Message,
	sealed: Vec<u8>,
	expiry: u64,
) -> Option<Statement> {
	let mut statement = Statement::new();
	statement.set_topic(0, inbox_topic(&message.to));
	statement.set_topic(1, pair_topic(&key.account(), &message.to));
	statement.set_channel(slot(message));
	statement.set_expiry(expiry);
	statement.set_plain_data(sealed);
	signed(statement, key)
}

/// Expiry and message of a statement for this account, from whoever has signed the statement. Everything else is none:
/// anybody can put anything under a topic.
fn open(
	bytes: &[u8],
	to: &AccountId,
	secret: &SealingKey,
	now: SystemTime,
) -> Option<(u64, Vec<u8>)> {
	let statement = read(bytes, now)?;
	let from = AccountId::new(statement.account_id()?);
	let ours = statement.topics() == [inbox_topic(to), pair_topic(&from, to)];
	let sealed = statement.data().filter(|data| ours && data.len() <= MAX_SEALED)?;
	let message = is_signed(&statement).then(|| secret.open(sealed).ok())??;
	Some((statement.expiry(), message))
}

fn read(bytes: &[u8], now: SystemTime) -> Option<Statement> {
	let statement = Statement::decode_all(&mut &*bytes).ok()?;
	(!statement.is_expired(since_1970(now).as_secs())).then_some(statement)
}

fn is_signed(statement: &Statement) -> bool {
	matches!(statement.verify_signature(), SignatureVerificationResult::Valid(_))
}

/// Signs a statement with the key of its account: over its fields without their count, which is one byte, as there are
/// fewer than 64.
fn signed(mut statement: Statement, key: &AccountKey) -> Option<Statement> {
	let message = statement.encode().split_off(1);
	let account = *AsRef::<[u8; 32]>::as_ref(&key.account());
	let proof = match key.sign(&message) {
		MultiSignature::Ed25519(signature) => {
			Proof::Ed25519 { signature: signature.0, signer: account }
		},
		MultiSignature::Sr25519(signature) => {
			Proof::Sr25519 { signature: signature.0, signer: account }
		},
		MultiSignature::Ecdsa(signature) => {
			let signer = signature.recover(&message)?.0;
			Proof::Secp256k1Ecdsa { signature: signature.0, signer }
		},
		_ => return None,
	};
	statement.set_proof(proof);
	Some(statement)
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::Scheme;
	use crate::negotiation::message::Body;
	use stoa_primitives::agreement::Side;

	const GENESIS: H256 = H256::repeat_byte(7);
	const NOW: SystemTime = UNIX_EPOCH;
	/// A second after the beginning.
	const LATER: u64 = 1 << 32;

	fn key(name: &str, scheme: Scheme) -> AccountKey {
		AccountKey::from_uri(name, scheme).unwrap()
	}

	fn message(from: &AccountKey, to: &AccountKey, sequence: u32) -> Message {
		Message {
			protocol: crate::negotiation::PROTOCOL.into(),
			chain: GENESIS.0,
			negotiation: [1; 32],
			from: from.account(),
			to: to.account(),
			side: Side::Buyer,
			sequence,
			previous: [0; 32],
			sent: 0,
			body: Body::Accept { offer: [2; 32] },
			extensions: Default::default(),
			critical: Vec::new(),
		}
	}

	#[test]
	fn messages_should_be_opened_by_their_receiver_only() {
		let secret = SealingKey::generate();
		let to = key("//To", Scheme::Sr25519);
		for scheme in [Scheme::Sr25519, Scheme::Ed25519, Scheme::Ecdsa] {
			let from = key("//From", scheme);
			let sealed = seal(&secret.public(), b"message").unwrap();
			let statement = statement(&from, &message(&from, &to, 1), sealed, LATER).unwrap();
			let bytes = statement.encode();
			let opened = open(&bytes, &to.account(), &secret, NOW);
			assert_eq!(opened, Some((statement.expiry(), b"message".to_vec())));
			assert_eq!(open(&bytes, &from.account(), &secret, NOW), None);
			assert_eq!(open(&bytes, &to.account(), &SealingKey::generate(), NOW), None);
			let over = NOW + Duration::from_secs(1);
			assert_eq!(open(&bytes, &to.account(), &secret, over), None);
			for change in [
				(|s: &mut Statement| s.set_expiry(LATER + 1)) as fn(&mut Statement),
				|s| s.set_topic(1, Topic([0; 32])),
				|s| s.set_plain_data(vec![0; MAX_SEALED + 1]),
				|s| s.remove_proof(),
			] {
				let mut changed = statement.clone();
				change(&mut changed);
				assert_eq!(open(&changed.encode(), &to.account(), &secret, NOW), None);
			}
			assert_eq!(open(&bytes[1..], &to.account(), &secret, NOW), None);
		}
	}

	#[test]
	fn the_longest_message_should_be_opened() {
		let (from, to) = (key("//From", Scheme::Sr25519), key("//To", Scheme::Sr25519));
		let secret = SealingKey::generate();
		let longest = vec![7; MAX_MESSAGE_LEN];
		let sealed = seal(&secret.public(), &longest).unwrap();
		assert_eq!(sealed.len(), MAX_SEALED);
		let statement = statement(&from, &message(&from, &to, 1), sealed, LATER).unwrap();
		let opened = open(&statement.encode(), &to.account(), &secret, NOW);
		assert_eq!(opened, Some((statement.expiry(), longest)));
		// A question and what follows it, in two negotiations, fit beside the backups.
		let room = stoa_primitives::statement::MAX_STATEMENT_BYTES as usize / 4;
		assert!(MAX_SEALED * 3 <= room);
	}

	#[test]
	fn cards_should_be_their_accounts_and_for_their_chain() {
		let (owner, other) = (key("//Owner", Scheme::Ecdsa), key("//Other", Scheme::Sr25519));
		let secret = SealingKey::generate();
		let good = card(&owner, GENESIS, &secret, LATER).unwrap().encode();
		let read =
			|bytes: &[u8], of: &AccountKey, genesis| read_card(bytes, &of.account(), genesis, NOW);
		assert_eq!(read(&good, &owner, GENESIS), Some((LATER, secret.public())));
		assert_eq!(read(&good, &other, GENESIS), None);
		assert_eq!(read(&good, &owner, H256::zero()), None);
		// Somebody else's, under the owner's topic.
		let mut forged = Statement::new();
		forged.set_topic(0, card_topic(&owner.account()));
		forged.set_expiry(LATER);
		forged.set_plain_data((GENESIS, secret.public()).encode());
		let forged = signed(forged, &other).unwrap().encode();
		assert_eq!(read(&forged, &owner, GENESIS), None);
		let over = NOW + Duration::from_secs(1);
		assert_eq!(read_card(&good, &owner.account(), GENESIS, over), None);
	}

	#[test]
	fn two_messages_of_a_side_should_have_room_in_each_negotiation() {
		let (from, to) = (key("//From", Scheme::Sr25519), key("//To", Scheme::Sr25519));
		let at = |sequence| slot(&message(&from, &to, sequence));
		assert_ne!(at(4), at(5));
		assert_eq!(at(5), at(7));
		let other = Message { negotiation: [9; 32], ..message(&from, &to, 4) };
		assert_ne!(slot(&other), at(4));
	}
}
