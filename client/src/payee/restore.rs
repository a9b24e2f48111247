//! Proofs that leave the payee's store for safe keeping, and come back when it was lost.

use super::{
	channel::Channel,
	rows::{records, root_key, RootRow, Row},
	rules::Record,
	Payee, PayeeError, Unsettled, PARALLEL_READS,
};
use crate::{
	allowance::Allowance,
	chain::{At, BlockRef, ChainError, ChainView, ChannelInfo},
	store::{bind_chain, Store, Table, Write},
	ticks::{SignedCommit, SignedTicks},
	voucher::{LaneKey, SignedVoucher},
};
use futures::{stream, StreamExt, TryStreamExt};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use stoa_primitives::{
	channel::{ChannelId, Item, Proof},
	keys::Key,
	payload::{Domain, Voucher},
	AccountId, AssetId, Balance, BlockNumber,
};

/// What came back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Restored {
	/// Lanes that have a higher proof than before.
	pub lanes: usize,
	/// What is owed on them, in units of the asset, before shares are taken.
	pub owed: Balance,
	/// Lanes whose proof was as high before.
	pub known: usize,
	/// Lanes of which nothing that came is of use: the channel has ended or is another payee's, or what came
	/// is not what its payer has signed.
	pub refused: usize,
}

impl Channel {
	/// The proof of each lane that is owed something, or may be as far as is known.
	fn proofs(&self, out: &mut Vec<Unsettled>) {
		if self.ended {
			return;
		}
		for (lane, state) in self.lanes.iter() {
			let Some(row) = &state.record else { continue };
			let amount = row.earned.saturating_sub(self.settled(lane));
			if amount > 0 {
				let (item, valid_until) = (row.proof.to_item(row.earned), row.proof.valid_until());
				let ends = self.facts.as_ref().and_then(|facts| facts.closing);
				out.push(Unsettled { item, amount, ends, valid_until });
			}
		}
	}
}

impl Payee {
	/// What a watchtower should have: as [`Payee::unsettled`], also of channels that have not been read
	/// since the start, of which all that was earned counts as owed.
	pub fn proofs(&self) -> Vec<Unsettled> {
		let machine = self.machine();
		let mut out = Vec::new();
		for channel in machine.channels.values() {
			channel.proofs(&mut out);
		}
		out.sort_by_key(|claim| (claim.item.channel, claim.item.lane));
		out
	}
}

/// Puts proofs that watchtowers have kept into the store of the payee that `payee` and `asset` name, which
/// must not be running. Only what the chain would take is written, and nothing over a higher proof.
///
/// What was accepted after a proof was sent to the tower is lost: it can be presented, and is served, once
/// more. Counts of payments begin anew, and so do the answers that were kept for replays.
///
/// # Errors
///
/// [`PayeeError::Chain`], [`PayeeError::Store`]; nothing was written then.
pub async fn restore(
	store: &dyn Store,
	chain: &dyn ChainView,
	payee: &AccountId,
	asset: &AssetId,
	items: &[Item],
) -> Result<Restored, PayeeError> {
	bind_chain(store, chain.genesis())?;
	let domain = Domain::channels(chain.genesis());
	let known: HashMap<LaneKey, Record> =
		records(store)?.into_iter().map(|(record, _)| (record.proof.lane(), record)).collect();
	let finalized = chain.block(At::Finalized).await?;
	let ids: BTreeSet<ChannelId> = items.iter().map(|item| item.channel).collect();
	let channels: HashMap<ChannelId, Found> = stream::iter(ids)
		.map(|id| find(chain, id, finalized))
		.buffer_unordered(PARALLEL_READS)
		.try_filter_map(|found| async { Ok(found) })
		.try_collect()
		.await?;
	let mut best = BTreeMap::<LaneKey, Option<Record>>::new();
	for item in items {
		let at = LaneKey { channel: item.channel, lane: item.lane };
		let ours = |found: &&Found| found.info.payee == *payee && found.info.asset == *asset;
		let found = channels.get(&item.channel).filter(ours);
		let record = found.and_then(|found| genuine(&found.info, item, &domain));
		let lane = best.entry(at).or_default();
		if record.as_ref().is_some_and(|new| lane.as_ref().is_none_or(|old| is_higher(new, old))) {
			*lane = record;
		}
	}
	let (mut restored, mut writes) = (Restored::default(), Vec::new());
	for (at, record) in best {
		let found = channels.get(&at.channel);
		let Some((found, record)) = found.zip(record) else {
			restored.refused = restored.refused.saturating_add(1);
			continue;
		};
		if known.get(&at).is_some_and(|old| !is_higher(&record, old)) {
			restored.known = restored.known.saturating_add(1);
			continue;
		}
		let owed = record.earned.saturating_sub(found.info.settled_on(at.lane));
		restored.lanes = restored.lanes.saturating_add(1);
		restored.owed = restored.owed.saturating_add(owed);
		let count = known.get(&at).map_or(1, |old| old.count);
		put(Record { count, ..record }, found.seen, &domain, &mut writes);
	}
	if !writes.is_empty() {
		store.commit(&writes)?;
	}
	Ok(restored)
}

/// A channel as it is at the best block.
struct Found {
	info: ChannelInfo,
	/// The finalized block, if it has the channel.
	seen: Option<BlockNumber>,
}

async fn find(
	chain: &dyn ChainView,
	id: ChannelId,
	finalized: BlockRef,
) -> Result<Option<(ChannelId, Found)>, ChainError> {
	let Some(info) = chain.channel(id, At::Best).await? else { return Ok(None) };
	let old = chain.channel(id, At::Hash(finalized.hash)).await?;
	Ok(Some((id, Found { info, seen: old.map(|_| finalized.number) })))
}

/// The amount decides, then what was earned of it.
fn is_higher(new: &Record, old: &Record) -> bool {
	(new.proof.amount(), new.earned) > (old.proof.amount(), old.earned)
}

/// What a payee would have stored when it accepted the proof of an item.
fn genuine(info: &ChannelInfo, item: &Item, domain: &Domain) -> Option<Record> {
	let (proof, allowed) = (allowance(item), item.allowed()?);
	let earned = item.capture.unwrap_or(allowed);
	// No payee accepts more than is locked, and a proof that allows no more than was paid is of no use.
	let fits = earned <= allowed && allowed <= info.deposit && allowed > info.settled_on(item.lane);
	if item.lane >= u32::from(info.lanes) || !fits {
		return None;
	}
	let keys = [Some(info.key), info.changes.key.map(|(key, _)| key)];
	let key: Key = keys.into_iter().flatten().find(|key| proof.verify(key, domain))?;
	Some(Record { proof, key: Some(key), earned, request: [0; 32], count: 1 })
}

fn allowance(item: &Item) -> Allowance {
	let (channel, lane, signature) = (item.channel, item.lane, *item.signature());
	match &item.proof {
		Proof::Voucher { cumulative, valid_until, .. } => {
			let (cumulative, valid_until) = (*cumulative, *valid_until);
			let voucher = Voucher { channel, lane, cumulative, valid_until };
			SignedVoucher { voucher, signature }.into()
		},
		Proof::Ticks(ticks) => {
			let signed = SignedCommit { commit: ticks.commit(channel, lane), signature };
			SignedTicks { signed, index: ticks.index, tick: ticks.tick }.into()
		},
	}
}

/// The rows of a record, as they are written when it is accepted.
fn put(record: Record, seen: Option<BlockNumber>, domain: &Domain, writes: &mut Vec<Write>) {
	let at = record.proof.lane();
	if let Allowance::Ticks(ticks) = &record.proof {
		let (root, digest) = (ticks.signed.commit.root, ticks.signed.digest(domain));
		let key = root_key(&at.channel, &root);
		writes.push(Write::put(Table::Roots, &key, &RootRow::V1(digest)));
	}
	writes.push(Write::put(Table::Payee, &at.to_bytes(), &Row::V3 { record, seen }));
}

#[cfg(test)]
mod tests;
