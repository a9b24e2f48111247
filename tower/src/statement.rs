//! How proofs travel: as signed statements, through the statement store of the nodes or over HTTP.
//!
//! | field | is |
//! |---|---|
//! | proof | signature by an account key of the channels' payee |
//! | topic 1 | `blake2_256("stoa/tower/v1" ‖ payee 32)` |
//! | topic 2 | `blake2_256("stoa/tower/v1")`: the backups of all payees |
//! | channel | `blake2_256("stoa/tower/v1/slot" ‖ slot u32)`, little-endian: a later statement replaces the one in its slot |
//! | expiry | Unix seconds of the end « 32, with what tells statements of one second apart below |
//! | data | SCALE of `Vec<Item>`, 1 to [`MAX_ITEMS`] of them |
//!
//! The items speak for themselves: each carries the voucher key's signature, over bytes that are bound to
//! one chain. The statement's signature only shows that the payee wants them kept.

use codec::{Compact, Decode, DecodeAll, Encode};
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use sp_statement_store::{Proof, SignatureVerificationResult, Statement, Topic};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use stoa_primitives::{
	channel::{Item, MAX_BATCH},
	statement::MAX_STATEMENT_BYTES,
	AccountId,
};

const TAG: &[u8] = b"stoa/tower/v1";
const SLOT: &[u8] = b"stoa/tower/v1/slot";

/// Items in one statement, at most.
pub const MAX_ITEMS: u32 = MAX_BATCH;

/// Bytes of data that one payee's backup may have in all: three quarters of what an agent may keep. Beyond
/// it, a later statement would push an earlier one out of the store.
pub const MAX_BACKUP_BYTES: u32 = MAX_STATEMENT_BYTES / 4 * 3;

/// How long a statement lives: twice the longest grace period, counted from when it was signed.
pub const LIFE: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// The topic of one payee's backups.
pub fn topic(payee: &AccountId) -> Topic {
	Topic(blake2_256(&[TAG, payee.as_ref()].concat()))
}

/// The topic of all backups.
pub fn topic_of_all() -> Topic {
	Topic(blake2_256(TAG))
}

/// Why a statement is no backup.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum StatementError {
	/// It is not signed, or not by who it says.
	#[error("the statement's signature is missing or wrong")]
	BadProof,
	/// It is over.
	#[error("the statement has expired")]
	Expired,
	/// It lacks the topic of all backups.
	#[error("the statement is about something else")]
	Topic,
	/// Its data are not one to 256 items.
	#[error("the statement's data are not a list of 1 to 256 items")]
	Data,
}

/// What a backup says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Backup {
	/// Who has signed it: the payee of the items' channels.
	pub signer: AccountId,
	/// What is to be kept.
	pub items: Vec<Item>,
}

impl Backup {
	/// Reads a statement. Cheap checks first; the items are not checked.
	///
	/// # Errors
	///
	/// [`StatementError`].
	pub fn read(statement: &Statement, now: SystemTime) -> Result<Self, StatementError> {
		if statement.is_expired(seconds(now).as_secs()) {
			return Err(StatementError::Expired);
		}
		let signer = AccountId::new(statement.account_id().ok_or(StatementError::BadProof)?);
		if !statement.topics().contains(&topic_of_all()) {
			return Err(StatementError::Topic);
		}
		let data = statement.data().ok_or(StatementError::Data)?;
		let items = read_items(data).ok_or(StatementError::Data)?;
		match statement.verify_signature() {
			SignatureVerificationResult::Valid(_) => Ok(Self { signer, items }),
			_ => Err(StatementError::BadProof),
		}
	}
}

fn read_items(data: &[u8]) -> Option<Vec<Item>> {
	// The length stands in front: too many are refused before room is made for them.
	let count = Compact::<u32>::decode(&mut &*data).ok()?.0;
	(1..=MAX_ITEMS).contains(&count).then_some(())?;
	Vec::decode_all(&mut &*data).ok()
}

/// Signs `items` as statements of `payee`, one for each [`MAX_ITEMS`]. Also returns how many items found
/// no room in [`MAX_BACKUP_BYTES`]: the last ones, so the dearest should come first.
///
/// The list replaces an earlier one: slots are counted from 0. What an earlier, longer list has in the
/// slots after that stays until it expires, and does no harm. `sign` signs raw bytes with the payee's
/// account key; without a signature that is the payee's there is no statement.
pub fn statements(
	payee: &AccountId,
	items: &[Item],
	now: SystemTime,
	sign: impl Fn(&[u8]) -> MultiSignature,
) -> (Vec<Statement>, usize) {
	let (mut out, mut bytes, mut packed) = (Vec::new(), 0usize, 0usize);
	// Both fit a usize on every platform that the standard library's networking runs on.
	let size = usize::try_from(MAX_ITEMS).unwrap_or(usize::MAX);
	let limit = usize::try_from(MAX_BACKUP_BYTES).unwrap_or(usize::MAX);
	for (slot, chunk) in (0u32..).zip(items.chunks(size)) {
		let data = chunk.encode();
		bytes = bytes.saturating_add(data.len());
		if bytes > limit {
			break;
		}
		let mut statement = unsigned(payee, slot, now);
		statement.set_plain_data(data);
		let message = material(&statement);
		let Some(proof) = proof(payee, &message, sign(&message)) else { break };
		statement.set_proof(proof);
		out.push(statement);
		packed = packed.saturating_add(chunk.len());
	}
	(out, items.len().saturating_sub(packed))
}

fn seconds(time: SystemTime) -> Duration {
	time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn unsigned(payee: &AccountId, slot: u32, now: SystemTime) -> Statement {
	let end = seconds(now).saturating_add(LIFE);
	let mut statement = Statement::new();
	statement.set_topic(0, topic(payee));
	statement.set_topic(1, topic_of_all());
	statement.set_channel(blake2_256(&[SLOT, &slot.to_le_bytes()].concat()));
	// Seconds end in the year 2106; nanoseconds are below 2³⁰.
	let end_seconds = u32::try_from(end.as_secs()).unwrap_or(u32::MAX);
	statement.set_expiry_from_parts(end_seconds, end.subsec_nanos());
	statement
}

/// What a statement's signature is over: its fields without their count. There are fewer than 64, so the
/// count is one byte.
fn material(statement: &Statement) -> Vec<u8> {
	statement.encode().split_off(1)
}

/// A signature with the key that made it: the account itself, or for ECDSA what follows from signature
/// and message.
fn proof(payee: &AccountId, message: &[u8], signature: MultiSignature) -> Option<Proof> {
	let account = *AsRef::<[u8; 32]>::as_ref(payee);
	let proof = match signature {
		MultiSignature::Ed25519(signature) => {
			Proof::Ed25519 { signature: signature.0, signer: account }
		},
		MultiSignature::Sr25519(signature) => {
			Proof::Sr25519 { signature: signature.0, signer: account }
		},
		MultiSignature::Ecdsa(signature) => {
			let signer = signature.recover(message)?.0;
			Proof::Secp256k1Ecdsa { signature: signature.0, signer }
		},
		_ => return None,
	};
	(proof.account_id() == account).then_some(proof)
}

#[cfg(test)]
mod tests {
	use super::*;
	use sp_core::{ecdsa, ed25519, sr25519, Pair};
	use sp_runtime::{traits::IdentifyAccount, MultiSigner};
	use stoa_primitives::{channel, keys::KeySignature};

	const NOW: SystemTime = UNIX_EPOCH;

	fn item(n: u32) -> Item {
		Item {
			channel: [7; 32],
			lane: n,
			capture: Some(u128::MAX),
			proof: channel::Proof::Voucher {
				cumulative: u128::MAX,
				valid_until: n,
				signature: KeySignature::Ecdsa([3; 65]),
			},
		}
	}

	fn items(count: u32) -> Vec<Item> {
		(0..count).map(item).collect()
	}

	fn pair() -> sr25519::Pair {
		sr25519::Pair::from_seed(&[1; 32])
	}

	fn payee() -> AccountId {
		AccountId::new(pair().public().0)
	}

	fn signed(items: &[Item], now: SystemTime) -> (Vec<Statement>, usize) {
		statements(&payee(), items, now, |bytes| pair().sign(bytes).into())
	}

	#[test]
	fn backups_of_keys_of_all_schemes_should_be_read_back() {
		fn check<P: Pair>(pair: P)
		where
			MultiSigner: From<P::Public>,
			MultiSignature: From<P::Signature>,
		{
			let payee = MultiSigner::from(pair.public()).into_account();
			let (list, left) = statements(&payee, &items(3), NOW, |bytes| pair.sign(bytes).into());
			assert_eq!((list.len(), left), (1, 0));
			let sent = Statement::decode(&mut list[0].encode().as_slice()).unwrap();
			let read = Backup::read(&sent, NOW).unwrap();
			assert_eq!(read, Backup { signer: payee, items: items(3) });
		}
		check(sr25519::Pair::from_seed(&[1; 32]));
		check(ed25519::Pair::from_seed(&[1; 32]));
		check(ecdsa::Pair::from_seed(&[1; 32]));
	}

	#[test]
	fn a_key_of_another_account_should_sign_nothing() {
		let other = ecdsa::Pair::from_seed(&[2; 32]);
		let (list, left) = statements(&payee(), &items(3), NOW, |bytes| other.sign(bytes).into());
		assert_eq!((list.len(), left), (0, 3));
	}

	#[test]
	fn topics_slots_and_expiry_should_be_as_documented() {
		let now = UNIX_EPOCH + Duration::new(1_000, 5);
		let (list, left) = signed(&items(300), now);
		assert_eq!((list.len(), left), (2, 0));
		for (slot, statement) in list.iter().enumerate() {
			let topics = [blake2_256(&[TAG, payee().as_ref()].concat()), blake2_256(TAG)];
			assert_eq!(statement.topics(), topics.map(Topic));
			let slot = [b"stoa/tower/v1/slot".as_slice(), &[slot as u8, 0, 0, 0]].concat();
			assert_eq!(statement.channel(), Some(blake2_256(&slot)));
			assert_eq!(statement.expiry(), (1_000 + 60 * 86_400) << 32 | 5);
		}
		let later = signed(&items(1), now + Duration::from_nanos(1)).0;
		assert!(later[0].expiry() > list[0].expiry() && later[0].channel() == list[0].channel());
	}

	#[test]
	fn a_backup_should_fit_what_an_agent_may_keep() {
		let (list, left) = signed(&items(10_000), NOW);
		let bytes: usize = list.iter().map(Statement::data_len).sum();
		assert!(bytes <= MAX_BACKUP_BYTES as usize, "{bytes}");
		assert!(list.len() <= stoa_primitives::statement::MAX_STATEMENTS as usize);
		// What the documentation of the quota says.
		assert!(10_000 - left > 1_200, "{left}");
		assert_eq!(
			list.iter().map(|s| Backup::read(s, NOW).unwrap().items.len()).sum::<usize>(),
			10_000 - left
		);
	}

	#[test]
	fn what_is_no_backup_should_be_refused() {
		let good = signed(&items(1), NOW).0.remove(0);
		let read = |change: &dyn Fn(&mut Statement), at| {
			let mut statement = good.clone();
			change(&mut statement);
			Backup::read(&statement, at).err()
		};
		assert_eq!(read(&|_| (), NOW), None);
		assert_eq!(read(&|_| (), NOW + LIFE), Some(StatementError::Expired));
		assert_eq!(read(&|s| s.remove_proof(), NOW), Some(StatementError::BadProof));
		assert_eq!(read(&|s| s.set_expiry(s.expiry() + 1), NOW), Some(StatementError::BadProof));
		assert_eq!(
			read(&|s| s.set_plain_data(items(2).encode()), NOW),
			Some(StatementError::BadProof)
		);
		assert_eq!(read(&|s| s.set_topic(1, Topic([0; 32])), NOW), Some(StatementError::Topic));
		for data in [
			vec![],
			vec![0],
			vec![1, 2],
			items(257).encode(),
			[items(1).encode(), vec![0]].concat(),
		] {
			assert_eq!(read(&|s| s.set_plain_data(data.clone()), NOW), Some(StatementError::Data));
		}
		// Says that a billion items follow.
		let lie = Compact(1_000_000_000u32).encode();
		assert_eq!(read(&|s| s.set_plain_data(lie.clone()), NOW), Some(StatementError::Data));
	}
}
