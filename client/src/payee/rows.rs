//! What the payee stores.

use super::rules::Record;
use crate::{
	allowance::Allowance,
	store::{Store, StoreError, Table, Write},
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, DecodeAll, Encode};
use stoa_primitives::{
	channel::{ChannelId, MAX_LANES},
	tick::Tick,
	Balance, BlockNumber,
};

/// A record of the first versions: vouchers only, without the key.
#[derive(Clone, Debug, Decode, Encode)]
pub(super) struct VoucherRecord {
	pub voucher: SignedVoucher,
	pub earned: Balance,
	pub request: [u8; 32],
	pub count: u64,
}

impl From<VoucherRecord> for Record {
	fn from(old: VoucherRecord) -> Self {
		let VoucherRecord { voucher, earned, request, count } = old;
		Self { proof: Allowance::Voucher(voucher), key: None, earned, request, count }
	}
}

/// A lane.
#[derive(Clone, Debug, Decode, Encode)]
pub(super) enum Row {
	/// Does not say when the channel was there, so it is kept until the channel is seen once more.
	#[codec(index = 1)]
	V1(VoucherRecord),
	#[codec(index = 2)]
	V2 {
		record: VoucherRecord,
		/// The latest finalized block that was known to have the channel.
		seen: Option<BlockNumber>,
	},
	/// The first that may hold ticks.
	#[codec(index = 3)]
	V3 { record: Record, seen: Option<BlockNumber> },
}

/// A root that was used, and what tells its commitment apart.
#[derive(Clone, Debug, Decode, Encode)]
pub(super) enum RootRow {
	#[codec(index = 1)]
	V1([u8; 32]),
}

/// A close that was agreed to.
#[derive(Clone, Debug, Decode, Encode)]
pub(super) enum ConsentRow {
	#[codec(index = 1)]
	V1 {
		/// Last block in which it can be made.
		until: BlockNumber,
	},
}

/// `channel 32 ‖ root 32`.
pub(super) fn root_key(id: &ChannelId, root: &Tick) -> [u8; 64] {
	let mut out = [0u8; 64];
	for (to, from) in out.iter_mut().zip(id.iter().chain(root)) {
		*to = *from;
	}
	out
}

/// Under what [`forgotten`] is kept, in [`Table::Meta`].
const FORGOTTEN: &[u8] = b"forgotten";

/// Until which block channels have ended that are forgotten.
#[derive(Clone, Debug, Decode, Encode)]
enum ForgottenRow {
	#[codec(index = 1)]
	V1(BlockNumber),
}

fn rows<T: Decode>(store: &dyn Store, table: Table) -> Result<Vec<(Vec<u8>, T)>, StoreError> {
	let decode = |(key, value): (Vec<u8>, Vec<u8>)| {
		let row = T::decode_all(&mut value.as_slice()).map_err(|_| StoreError::Malformed(table))?;
		Ok((key, row))
	};
	store.scan(table)?.into_iter().map(decode).collect()
}

/// All records, with the block that [`Machine::seen`](super::machine::Machine::seen) gave.
pub(super) fn records(store: &dyn Store) -> Result<Vec<(Record, Option<BlockNumber>)>, StoreError> {
	let read = |(key, row): (Vec<u8>, Row)| {
		let (record, seen) = match row {
			Row::V1(record) => (record.into(), None),
			Row::V2 { record, seen } => (record.into(), seen),
			Row::V3 { record, seen } => (record, seen),
		};
		let at = record.proof.lane();
		match LaneKey::from_bytes(&key) == Some(at) && at.lane < u32::from(MAX_LANES) {
			true => Ok((record, seen)),
			false => Err(StoreError::Malformed(Table::Payee)),
		}
	};
	rows(store, Table::Payee)?.into_iter().map(read).collect()
}

/// All roots that were used.
pub(super) fn roots(store: &dyn Store) -> Result<Vec<(ChannelId, Tick, [u8; 32])>, StoreError> {
	let read = |(key, RootRow::V1(digest)): (Vec<u8>, RootRow)| {
		let malformed = || StoreError::Malformed(Table::Roots);
		let (id, root) = key.split_first_chunk::<32>().ok_or_else(malformed)?;
		Ok((*id, Tick::try_from(root).map_err(|_| malformed())?, digest))
	};
	rows(store, Table::Roots)?.into_iter().map(read).collect()
}

/// All closes that were agreed to, with the last block in which each can be made.
pub(super) fn consents(store: &dyn Store) -> Result<Vec<(ChannelId, BlockNumber)>, StoreError> {
	let read = |(key, ConsentRow::V1 { until }): (Vec<u8>, ConsentRow)| {
		let id = ChannelId::try_from(key.as_slice());
		Ok((id.map_err(|_| StoreError::Malformed(Table::Consents))?, until))
	};
	rows(store, Table::Consents)?.into_iter().map(read).collect()
}

/// The block by which all channels had ended that are forgotten; 0 if none is.
pub(super) fn forgotten(store: &dyn Store) -> Result<BlockNumber, StoreError> {
	let Some(row) = store.get(Table::Meta, FORGOTTEN)? else { return Ok(0) };
	let row = ForgottenRow::decode_all(&mut row.as_slice());
	let ForgottenRow::V1(block) = row.map_err(|_| StoreError::Malformed(Table::Meta))?;
	Ok(block)
}

/// Keeps it.
pub(super) fn forgotten_write(block: BlockNumber) -> Write {
	Write::put(Table::Meta, FORGOTTEN, &ForgottenRow::V1(block))
}
