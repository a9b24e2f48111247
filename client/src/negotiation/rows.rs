//! What a store keeps of negotiations, in [`Table::Negotiations`].
//!
//! Under the negotiation's key (32 bytes) what is known beside the messages; under the key and a sequence number (u32,
//! big-endian, so that rows come in order) each message as it is on the wire.

use super::{
	machine::Notes,
	message::{Parties, Signed},
	transcript::Transcript,
};
use crate::store::{Store, StoreError, Table, Write};
use codec::{Decode, DecodeAll, Encode};
use stoa_primitives::agreement::{NegotiationKey, Side};

const TABLE: Table = Table::Negotiations;

#[derive(Decode, Encode)]
enum HeadRow {
	#[codec(index = 1)]
	V1 {
		genesis: [u8; 32],
		negotiation: [u8; 32],
		buyer: stoa_primitives::AccountId,
		seller: stoa_primitives::AccountId,
		/// The side that the store's owner is on.
		side: Side,
		notes: Notes,
	},
}

#[derive(Decode, Encode)]
enum MessageRow {
	#[codec(index = 1)]
	V1(Vec<u8>),
}

/// A negotiation as it was kept.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Kept {
	/// The side that the store's owner is on.
	pub side: Side,
	/// What was said.
	pub transcript: Transcript,
	/// What is known beside it.
	pub notes: Notes,
}

fn malformed() -> StoreError {
	StoreError::Malformed(TABLE)
}

fn message_key(key: &NegotiationKey, sequence: u32) -> Vec<u8> {
	[key.as_slice(), &sequence.to_be_bytes()].concat()
}

/// The writes that keep a negotiation of which the messages up to `from` are kept already.
pub(super) fn writes(kept: &Kept, from: usize) -> Result<Vec<Write>, StoreError> {
	let parties = kept.transcript.state().parties();
	let key = kept.transcript.key();
	let head = HeadRow::V1 {
		genesis: parties.genesis.0,
		negotiation: parties.negotiation,
		buyer: parties.buyer.clone(),
		seller: parties.seller.clone(),
		side: kept.side,
		notes: kept.notes.clone(),
	};
	let mut writes = vec![Write::put(TABLE, &key, &head)];
	for signed in kept.transcript.messages().skip(from) {
		let bytes = signed.to_bytes().map_err(|error| StoreError::Failed(error.to_string()))?;
		let key = message_key(&key, signed.message.sequence);
		writes.push(Write::put(TABLE, &key, &MessageRow::V1(bytes)));
	}
	Ok(writes)
}

/// The writes that forget a negotiation.
pub(super) fn removals(transcript: &Transcript) -> Vec<Write> {
	let key = transcript.key();
	let rows = (1..=transcript.state().length()).map(|at| message_key(&key, at));
	std::iter::once(key.to_vec()).chain(rows).map(|key| Write::remove(TABLE, &key)).collect()
}

/// One negotiation.
///
/// # Errors
///
/// [`StoreError`]; [`StoreError::Malformed`] when what is kept breaks the rules of the protocol.
pub fn load(store: &dyn Store, key: &NegotiationKey) -> Result<Option<Kept>, StoreError> {
	let Some(head) = store.get(TABLE, key)? else { return Ok(None) };
	let mut kept = begin(key, &head)?;
	while let Some(row) = store.get(TABLE, &message_key(key, next(&kept)))? {
		append(&mut kept, &row)?;
	}
	Ok(Some(kept))
}

/// All negotiations.
///
/// # Errors
///
/// As [`load`].
pub fn load_all(store: &dyn Store) -> Result<Vec<Kept>, StoreError> {
	let mut all: Vec<Kept> = Vec::new();
	for (key, row) in store.scan(TABLE)? {
		let (head, rest) = key.split_first_chunk::<32>().ok_or_else(malformed)?;
		if rest.is_empty() {
			all.push(begin(head, &row)?);
			continue;
		}
		// Rows come in order: the head is in front of its messages.
		let kept = all.last_mut().filter(|kept| kept.transcript.key() == *head);
		let kept = kept.ok_or_else(malformed)?;
		if key != message_key(head, next(kept)) {
			return Err(malformed());
		}
		append(kept, &row)?;
	}
	Ok(all)
}

fn next(kept: &Kept) -> u32 {
	kept.transcript.state().length().saturating_add(1)
}

fn begin(key: &NegotiationKey, row: &[u8]) -> Result<Kept, StoreError> {
	let row = HeadRow::decode_all(&mut &*row).map_err(|_| malformed())?;
	let HeadRow::V1 { genesis, negotiation, buyer, seller, side, notes } = row;
	let transcript =
		Transcript::new(Parties { genesis: genesis.into(), negotiation, buyer, seller });
	match transcript.key() == *key {
		true => Ok(Kept { side, transcript, notes }),
		false => Err(malformed()),
	}
}

fn append(kept: &mut Kept, row: &[u8]) -> Result<(), StoreError> {
	let MessageRow::V1(bytes) = MessageRow::decode_all(&mut &*row).map_err(|_| malformed())?;
	let signed = Signed::parse(&bytes).map_err(|_| malformed())?;
	kept.transcript.push(signed).map_err(|_| malformed())
}
