//! How proofs travel: as signed statements, through the statement store of the nodes or over HTTP.
//!
//! | field | is |
//! |---|---|
//! | proof | signature by an account key of the channels' payee |
//! | topic 1 | `blake2_256("stoa/tower/v1" ‖ payee 32)` |
//! | topic 2 | `blake2_256("stoa/tower/v1")`: the backups of all payees |
//! | topic 3 | the list that it is a part of, [`List`] |
//! | channel | `blake2_256("stoa/tower/v1/slot" ‖ list 32 ‖ slot u32)`, little-endian: a later statement replaces the one in its slot |
//! | expiry | Unix seconds of the end « 32, with what tells statements of one second apart below |
//! | data | SCALE of `Vec<Item>`, 1 to [`MAX_ITEMS`] of them |
//!
//! The items speak for themselves: each carries the voucher key's signature, over bytes that are bound to
//! one chain. The statement's signature only shows that the payee wants them kept.
//!
//! An account that is paid in several assets has a payee, and so a list, for each:
//! `blake2_256("stoa/tower/v1/list" ‖ SCALE(asset))`. Without lists of their own they would replace each
//! other's statements.
//!
//! What a tower has is [read back](ReadRequest) with a statement of another kind.

use codec::{Compact, Decode, DecodeAll, Encode};
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use sp_statement_store::{Proof, SignatureVerificationResult, Statement, Topic};
use std::{
	ops::Range,
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_primitives::{
	channel::{Item, MAX_BATCH},
	statement::MAX_STATEMENT_BYTES,
	AccountId, AssetId, H256,
};

const TAG: &[u8] = b"stoa/tower/v1";
const SLOT: &[u8] = b"stoa/tower/v1/slot";
const LIST: &[u8] = b"stoa/tower/v1/list";
const READ: &[u8] = b"stoa/tower/v1/read";

/// Items in one statement, at most.
pub const MAX_ITEMS: u32 = MAX_BATCH;

/// Bytes of data that one account's backups may have in all: three quarters of what an agent may keep. Beyond
/// it, a later statement would push an earlier one out of the store.
pub const MAX_BACKUP_BYTES: u32 = MAX_STATEMENT_BYTES / 4 * 3;

/// How long a statement lives: twice the longest grace period, counted from when it was signed.
pub const LIFE: Duration = Duration::from_secs(60 * 24 * 60 * 60);

/// How long a [`ReadRequest`] may be used.
pub const READ_LIFE: Duration = Duration::from_secs(60);

/// Bytes in front of the items of a statement: how many they are.
const COUNT: usize = 4;

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
		verify(statement)?;
		Ok(Self { signer, items })
	}
}

fn verify(statement: &Statement) -> Result<(), StatementError> {
	match statement.verify_signature() {
		SignatureVerificationResult::Valid(_) => Ok(()),
		_ => Err(StatementError::BadProof),
	}
}

fn read_items(data: &[u8]) -> Option<Vec<Item>> {
	// The length stands in front: too many are refused before room is made for them.
	let count = Compact::<u32>::decode(&mut &*data).ok()?.0;
	(1..=MAX_ITEMS).contains(&count).then_some(())?;
	Vec::decode_all(&mut &*data).ok()
}

/// One of the lists of proofs that an account has: each replaces itself as a whole and leaves the others
/// alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct List {
	/// What tells it from the account's other lists.
	pub id: [u8; 32],
	/// Bytes of data that its statements may have together.
	pub bytes: usize,
}

/// The statements of a list.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Packed {
	/// In the order of their slots.
	pub statements: Vec<Statement>,
	/// How many of the items are in them: the first ones.
	pub items: usize,
}

impl List {
	/// The list of an account that has no other, with all the room there is for backups.
	pub fn only() -> Self {
		Self { id: [0; 32], bytes: share(1) }
	}

	/// The list of what is paid in `asset`, with all the room there is for backups.
	pub fn of(asset: &AssetId) -> Self {
		Self { id: blake2_256(&[LIST, &asset.encode()].concat()), ..Self::only() }
	}

	/// The same when `lists` in all, this one among them, have to share the room.
	#[must_use]
	pub fn among(self, lists: usize) -> Self {
		Self { bytes: share(lists), ..self }
	}

	/// The same where room is no question: for a tower, which is told over HTTP.
	#[must_use]
	pub fn unbounded(self) -> Self {
		Self { bytes: usize::MAX, ..self }
	}

	/// The statement channel of a slot.
	pub fn channel(&self, slot: u32) -> [u8; 32] {
		blake2_256(&[SLOT, &self.id, &slot.to_le_bytes()].concat())
	}

	/// Whether a statement says that it is a part of this list.
	pub fn has(&self, statement: &Statement) -> bool {
		statement.topic(2) == Some(Topic(self.id))
	}

	/// How many items have room, from the first on.
	pub fn room(&self, items: &[Item]) -> usize {
		let size = usize::try_from(MAX_ITEMS).unwrap_or(usize::MAX);
		let (mut bytes, mut room) = (0usize, 0usize);
		for run in items.chunks(size) {
			bytes = bytes.saturating_add(COUNT);
			for item in run {
				bytes = bytes.saturating_add(item.encoded_size());
				if bytes > self.bytes {
					return room;
				}
				room = room.saturating_add(1);
			}
		}
		room
	}

	/// Signs `items` as statements of `payee`, one for each [`MAX_ITEMS`], as far as there is room: the
	/// dearest should come first.
	///
	/// They replace what an earlier list has in the same slots, which are counted from 0. `sign` signs raw
	/// bytes with the payee's account key; without a signature that is the payee's there is no statement.
	pub fn pack(
		&self,
		payee: &AccountId,
		items: &[Item],
		now: SystemTime,
		sign: impl Fn(&[u8]) -> MultiSignature,
	) -> Packed {
		// It fits a usize on every platform that the standard library's networking runs on.
		let size = usize::try_from(MAX_ITEMS).unwrap_or(usize::MAX);
		let items = items.get(..self.room(items)).unwrap_or_default();
		let mut packed = Packed { statements: Vec::new(), items: 0 };
		for (slot, run) in (0u32..).zip(items.chunks(size)) {
			let Some(statement) = self.statement(payee, slot, Some(run.encode()), now, &sign)
			else {
				break;
			};
			packed.statements.push(statement);
			packed.items = packed.items.saturating_add(run.len());
		}
		packed
	}

	/// Statements that say nothing, to be put over what an earlier, longer list has left in these slots.
	pub fn clear(
		&self,
		payee: &AccountId,
		slots: Range<u32>,
		now: SystemTime,
		sign: impl Fn(&[u8]) -> MultiSignature,
	) -> Vec<Statement> {
		slots.filter_map(|slot| self.statement(payee, slot, None, now, &sign)).collect()
	}

	fn statement(
		&self,
		payee: &AccountId,
		slot: u32,
		data: Option<Vec<u8>>,
		now: SystemTime,
		sign: impl Fn(&[u8]) -> MultiSignature,
	) -> Option<Statement> {
		let mut statement = Statement::new();
		statement.set_topic(0, topic(payee));
		statement.set_topic(1, topic_of_all());
		statement.set_topic(2, Topic(self.id));
		statement.set_channel(self.channel(slot));
		expire(&mut statement, seconds(now).saturating_add(LIFE));
		if let Some(data) = data {
			statement.set_plain_data(data);
		}
		signed(statement, payee, sign)
	}
}

fn share(lists: usize) -> usize {
	let all = usize::try_from(MAX_BACKUP_BYTES).unwrap_or(usize::MAX);
	all.checked_div(lists).unwrap_or(all)
}

/// Signs `items` as the [only](List::only) list of `payee`. Also returns how many items found no room: the
/// last ones.
pub fn statements(
	payee: &AccountId,
	items: &[Item],
	now: SystemTime,
	sign: impl Fn(&[u8]) -> MultiSignature,
) -> (Vec<Statement>, usize) {
	let packed = List::only().pack(payee, items, now, sign);
	(packed.statements, items.len().saturating_sub(packed.items))
}

/// Somebody wants to have back what a tower keeps for a payee.
///
/// As a statement: topic 1 is that of the payee's backups, topic 2 is `blake2_256("stoa/tower/v1/read")`, the
/// data are `genesis hash 32 ‖ payee 32`, the end is within [`READ_LIFE`]. No backup can be taken for one, nor
/// the other way round, and none is good for another chain or for long.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReadRequest {
	/// Who has signed it.
	pub signer: AccountId,
	/// Whose proofs are to be read.
	pub payee: AccountId,
}

impl ReadRequest {
	/// Signs a request of `signer`, who is the payee or one that the tower trusts. `sign` is as for
	/// [`List::pack`].
	pub fn sign(
		&self,
		genesis: H256,
		now: SystemTime,
		sign: impl Fn(&[u8]) -> MultiSignature,
	) -> Option<Statement> {
		let mut statement = Statement::new();
		statement.set_topic(0, topic(&self.payee));
		statement.set_topic(1, Topic(blake2_256(READ)));
		expire(&mut statement, seconds(now).saturating_add(READ_LIFE));
		statement.set_plain_data((genesis, &self.payee).encode());
		signed(statement, &self.signer, sign)
	}

	/// Reads a request for the chain with this genesis hash. Cheap checks first.
	///
	/// # Errors
	///
	/// [`StatementError`]. A clock that is wrong by more than a minute looks like an end that is over, or
	/// too far away.
	pub fn read(
		statement: &Statement,
		genesis: H256,
		now: SystemTime,
	) -> Result<Self, StatementError> {
		let now = seconds(now);
		let longest = now.saturating_add(READ_LIFE.saturating_mul(2)).as_secs();
		let end = u64::from(statement.get_expiration_timestamp_secs());
		if statement.is_expired(now.as_secs()) || end > longest {
			return Err(StatementError::Expired);
		}
		let signer = AccountId::new(statement.account_id().ok_or(StatementError::BadProof)?);
		let data = statement.data().ok_or(StatementError::Data)?;
		let (chain, payee) = <(H256, AccountId)>::decode_all(&mut data.as_slice())
			.map_err(|_| StatementError::Data)?;
		if statement.topics() != [topic(&payee), Topic(blake2_256(READ))] || chain != genesis {
			return Err(StatementError::Topic);
		}
		verify(statement)?;
		Ok(Self { signer, payee })
	}
}

fn seconds(time: SystemTime) -> Duration {
	time.duration_since(UNIX_EPOCH).unwrap_or_default()
}

fn expire(statement: &mut Statement, end: Duration) {
	// Seconds end in the year 2106; nanoseconds are below 2³⁰.
	let end_seconds = u32::try_from(end.as_secs()).unwrap_or(u32::MAX);
	statement.set_expiry_from_parts(end_seconds, end.subsec_nanos());
}

fn signed(
	mut statement: Statement,
	signer: &AccountId,
	sign: impl Fn(&[u8]) -> MultiSignature,
) -> Option<Statement> {
	let message = material(&statement);
	statement.set_proof(proof(signer, &message, sign(&message))?);
	Some(statement)
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

	fn packed(items: &[Item], now: SystemTime) -> (Vec<Statement>, usize) {
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
		let (list, left) = packed(&items(300), now);
		assert_eq!((list.len(), left), (2, 0));
		for (slot, statement) in list.iter().enumerate() {
			let topics = [blake2_256(&[TAG, payee().as_ref()].concat()), blake2_256(TAG), [0; 32]];
			assert_eq!(statement.topics(), topics.map(Topic));
			let slot = [b"stoa/tower/v1/slot".as_slice(), &[0; 32], &[slot as u8, 0, 0, 0]];
			assert_eq!(statement.channel(), Some(blake2_256(&slot.concat())));
			assert_eq!(statement.expiry(), (1_000 + 60 * 86_400) << 32 | 5);
		}
		let later = packed(&items(1), now + Duration::from_nanos(1)).0;
		assert!(later[0].expiry() > list[0].expiry() && later[0].channel() == list[0].channel());
	}

	#[test]
	fn a_backup_should_fit_what_an_agent_may_keep() {
		let (list, left) = packed(&items(10_000), NOW);
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
	fn lists_of_different_assets_should_leave_each_other_alone_and_share_the_room() {
		let sign = |bytes: &[u8]| pair().sign(bytes).into();
		let (one, other) = (List::of(&AssetId::WithId(1)), List::of(&AssetId::Native));
		let channels = |list: List| {
			let packed = list.pack(&payee(), &items(300), NOW, sign);
			packed.statements.iter().map(Statement::channel).collect::<Vec<_>>()
		};
		assert!(channels(one).iter().all(|channel| !channels(other).contains(channel)));
		assert_eq!(channels(one)[1], Some(one.channel(1)));
		let (alone, shared) = (one.room(&items(5_000)), one.among(2).room(&items(5_000)));
		assert!((alone / 2 - 1..=alone / 2).contains(&shared), "{shared} of {alone}");
		let bytes = |list: List| -> usize {
			let packed = list.pack(&payee(), &items(5_000), NOW, sign);
			packed.statements.iter().map(Statement::data_len).sum()
		};
		assert!(bytes(one.among(2)) + bytes(other.among(2)) <= MAX_BACKUP_BYTES as usize);
		assert_eq!(one.unbounded().pack(&payee(), &items(5_000), NOW, sign).items, 5_000);
		// What is left of a longer list is put out.
		let gone = one.clear(&payee(), 1..3, NOW + Duration::from_secs(1), sign);
		assert_eq!(gone.len(), 2);
		assert_eq!(gone[0].channel(), Some(one.channel(1)));
		assert!(one.has(&gone[0]) && !other.has(&gone[0]) && gone[0].data().is_none());
		assert_eq!(Backup::read(&gone[0], NOW), Err(StatementError::Data));
	}

	#[test]
	fn requests_to_read_should_be_told_from_all_else() {
		let genesis = H256::repeat_byte(9);
		let request = ReadRequest { signer: payee(), payee: payee() };
		let sign = |bytes: &[u8]| pair().sign(bytes).into();
		let good = request.sign(genesis, NOW, sign).unwrap();
		let read = |statement: &Statement, seconds| {
			ReadRequest::read(statement, genesis, NOW + Duration::from_secs(seconds))
		};
		assert_eq!(read(&good, 0), Ok(request.clone()));
		assert_eq!(read(&good, 59), Ok(request.clone()));
		assert_eq!(read(&good, 60), Err(StatementError::Expired));
		// Not to be used for long, whoever has signed it.
		let mut long = good.clone();
		long.remove_proof();
		expire(&mut long, LIFE);
		let long = signed(long, &payee(), sign).unwrap();
		assert_eq!(read(&long, 0), Err(StatementError::Expired));
		let elsewhere = ReadRequest::read(&good, H256::zero(), NOW);
		assert_eq!(elsewhere, Err(StatementError::Topic));
		let mut other = good.clone();
		other.set_plain_data((genesis, AccountId::new([7; 32])).encode());
		assert_eq!(read(&other, 0), Err(StatementError::Topic));
		let mut moved = good.clone();
		expire(&mut moved, Duration::from_secs(61));
		assert_eq!(read(&moved, 1), Err(StatementError::BadProof));
		let backup = packed(&items(1), NOW).0.remove(0);
		assert!(read(&backup, 0).is_err());
		assert_eq!(Backup::read(&good, NOW), Err(StatementError::Topic));
		// Another's key cannot sign it.
		let stranger = ReadRequest { signer: AccountId::new([7; 32]), payee: payee() };
		let forged = stranger.sign(genesis, NOW, sign).unwrap();
		assert_eq!(read(&forged, 0), Err(StatementError::BadProof));
	}

	#[test]
	fn what_is_no_backup_should_be_refused() {
		let good = packed(&items(1), NOW).0.remove(0);
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
