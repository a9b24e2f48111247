//! Stores with arbitrary rows: after a disk has lied, or somebody has edited a file. Whoever starts on one
//! gets an error, or a state that holds together.
//!
//! An input is a list of rows: a byte for the table, one for the key, and the value behind its length. A
//! key is made of the value, where rows name their lane, or is given.

use crate::{
	bytes::{block, Source},
	chain::{self, StillChain},
	negotiation,
	sample::{self, CLAIM},
};
use codec::Encode;
use futures::executor::block_on;
use std::{cell::Cell, sync::Arc};
use stoa_client::{
	negotiation::{load, load_all, Desk},
	payee::{Payee, PayeeConfig, PayeeError},
	payer::{PayError, Payer, Policy},
	payment::ChannelProof,
	store::{Committer, MemoryStore, Store, StoreError, Table, Write},
	ticks::{SignedCommit, SignedTicks},
	voucher::{LaneKey, SignedVoucher},
};
use stoa_primitives::{
	agreement::{negotiation_key, Side},
	channel::{Item, Proof},
	keys::Key,
	payload::{Payload, Voucher},
	AccountId, Balance,
};
use stoa_tower::{chain::TowerChain, service::StoreKeep, Config, Held, Tower};

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let rows = rows(&mut Source::new(bytes));
	store.commit(&rows).expect("memory takes everything");
	payee(&store);
	payer(&store);
	tower(&store);
	negotiations(store.as_ref());
}

fn rows(source: &mut Source) -> Vec<Write> {
	let mut out = Vec::new();
	while !source.is_empty() && out.len() < 64 {
		let table = Table::ALL[usize::from(source.byte()) % Table::ALL.len()];
		let shape = source.byte();
		let value = source.block().to_vec();
		let key = match shape {
			0..=199 => key_of(table, &value),
			_ => source.block().to_vec(),
		};
		out.push(Write { table, key, value: Some(value) });
	}
	out
}

/// The key under which a good row of this value stands.
fn key_of(table: Table, value: &[u8]) -> Vec<u8> {
	// What stands in front of the channel and the lane.
	let before = match table {
		Table::Meta => return b"anchor".to_vec(),
		Table::Payee => 1 + usize::from(value.first() == Some(&3)),
		// The version, whether anything was signed, and in later versions what.
		Table::Payer => 2 + usize::from(value.first() == Some(&3)),
		Table::Tower => 1 + 32,
		// These do not say whose they are.
		Table::Channels => return chain::id(value.get(65).copied().unwrap_or_default()).to_vec(),
		Table::Consents => return chain::id(value.get(1).copied().unwrap_or_default()).to_vec(),
		Table::Spent => return (chain::payee(), chain::ASSET).encode(),
		Table::Negotiations => return key_of_negotiation(value),
		Table::Roots => return [&chain::id(0)[..], value.get(1..33).unwrap_or_default()].concat(),
	};
	let mut source = Source::new(value.get(before..).unwrap_or_default());
	let (channel, number): ([u8; 32], [u8; 4]) = (source.array(), source.array());
	LaneKey { channel, lane: u32::from_le_bytes(number) }.to_bytes().to_vec()
}

/// The key of a head that is good: version, genesis and negotiation stand in front of the parties.
fn key_of_negotiation(value: &[u8]) -> Vec<u8> {
	let mut source = Source::new(value.get(1 + 32..).unwrap_or_default());
	let (negotiation, buyer, seller) = (source.array(), source.array(), source.array());
	negotiation_key(&AccountId::new(buyer), &AccountId::new(seller), &negotiation).to_vec()
}

fn config() -> PayeeConfig {
	PayeeConfig { max_unflushed: 10_000, ..PayeeConfig::new(chain::payee(), chain::ASSET) }
}

/// All negotiations together are the same as each by itself.
fn negotiations(store: &dyn Store) {
	let all = match load_all(store) {
		Ok(all) => all,
		Err(error) => return refused(&error),
	};
	for kept in all {
		let one = load(store, &kept.transcript.key()).expect("what is good is good by itself");
		assert_eq!(one.as_ref(), Some(&kept));
		REACHED.set(REACHED.get() + 1);
	}
}

/// A payee that starts twice knows the same both times, and what it would claim can be claimed.
fn payee(store: &Arc<dyn Store>) {
	let start = || block_on(Payee::start(config(), store.clone(), StillChain::shared()));
	let payee = match start() {
		Ok(payee) => payee,
		Err(PayeeError::Store(error)) => return refused(&error),
		Err(error) => panic!("not for want of a good row: {error}"),
	};
	let totals = payee.totals();
	// Channels of other payees may be among them.
	let read = block_on(payee.refresh_all());
	assert!(matches!(read, Ok(()) | Err(PayeeError::Foreign(_))), "{read:?}");
	let (unsettled, payable) = (payee.unsettled(), payee.payable());
	assert!(payable.len() <= unsettled.len());
	for n in 0..chain::CHANNELS {
		let id = chain::id(n);
		for record in payee.records(&id) {
			assert_eq!(payee.record(&record.proof.lane()).as_ref(), Some(&record));
			REACHED.set(REACHED.get() + 1);
		}
	}
	if read.is_ok() {
		for claim in &payable {
			assert!(chain::channel(&claim.item.channel).is_some(), "a channel that is not there");
		}
	}
	drop(payee);
	// Channels that have ended were forgotten: never more than before.
	let again = start().expect("it has started before").totals();
	assert!(again.channels <= totals.channels && again.earned <= totals.earned);
}

/// What an error says of a store with bad rows.
fn refused(error: &StoreError) {
	let known = matches!(
		error,
		StoreError::Malformed(_)
			| StoreError::OtherChain(_)
			| StoreError::ChainAnew(_)
			| StoreError::ChainBehind(_)
	);
	assert!(known, "{error}");
	assert!(!error.to_string().is_empty());
}

/// A payer pays no more than it may, whatever it believes to have paid.
fn payer(store: &Arc<dyn Store>) {
	let policy = Policy { budget: 500_000, ..Policy::per_call(1_000) };
	let payer = match Payer::new(store.clone(), sample::GENESIS, policy) {
		Ok(payer) => payer,
		Err(PayError::Store(error)) => return refused(&error),
		Err(error) => panic!("not for want of a good row: {error}"),
	};
	for key in sample::keys() {
		payer.add_key(key.clone());
	}
	let chain = block_on(payer.verify_chain(StillChain::shared().as_ref()));
	assert!(matches!(chain, Ok(_) | Err(PayError::Store(_))), "{chain:?}");
	for known in payer.channels() {
		REACHED.set(REACHED.get() + 1);
		if let Ok(proof) = payer.prove(&known.id, 1_700_000_000) {
			let same = ChannelProof::parse(&proof.to_header());
			assert_eq!(same, Ok(proof));
		}
		let Ok(payment) = block_on(payer.pay(&known.id, 0, 10)) else { continue };
		let after = payer.channels().into_iter().find(|channel| channel.id == known.id);
		let signed = after.map_or(Balance::MAX, |channel| channel.signed);
		// What was signed before may be shown again, whatever it was.
		assert!(signed == known.signed || signed <= known.deposit.min(policy.budget));
		assert!(signed <= known.signed.saturating_add(10));
		payment.acknowledge();
	}
	let before = payer.channels();
	drop(payer);
	let again = Payer::new(store.clone(), sample::GENESIS, policy).expect("it has started before");
	let key = |channel: &stoa_client::payer::PayerChannel| (channel.id, channel.signed);
	let same = |list: &[stoa_client::payer::PayerChannel]| list.iter().map(key).collect::<Vec<_>>();
	assert_eq!(same(&again.channels()), same(&before), "what was signed is forgotten");
}

/// A tower keeps and settles what its rows say, if the chain knows the channels.
fn tower(store: &Arc<dyn Store>) {
	let keep = match StoreKeep::start(store.clone(), sample::GENESIS) {
		Ok(keep) => keep,
		Err(error) => return refused(&error),
	};
	let held = match keep.load() {
		Ok(held) => held,
		Err(error) => return refused(&error),
	};
	REACHED.set(REACHED.get() + held.len());
	let chain: Arc<dyn TowerChain> = StillChain::shared();
	let tower = Tower::new(Config::new([1; 32]), chain, None, held.clone());
	assert_eq!(tower.counts().1, held.len());
}

thread_local! {
	/// How many rows were believed: inputs must get as far as that.
	static REACHED: Cell<usize> = const { Cell::new(0) };
}

fn row(table: Table, value: Vec<u8>) -> Vec<u8> {
	let place = Table::ALL.iter().position(|other| *other == table).unwrap_or_default();
	[vec![u8::try_from(place).unwrap_or_default(), 0], block(&value)].concat()
}

fn claim(claim: [u8; CLAIM]) -> Item {
	sample::item(&mut Source::new(&claim), &sample::domain(), chain::facts)
}

/// The rows of a payee, by the layouts of `stoa_client::payee`.
fn payee_rows(items: &[Item]) -> Vec<Vec<u8>> {
	let domain = sample::domain();
	let (earned, request, count): (Balance, _, u64) = (2_000, [5u8; 32], 3);
	let mut out = Vec::new();
	for item in items {
		let seen: Option<u32> = Some(chain::NOW - 5);
		let key: Option<Key> = None;
		let rest = (earned, request, count).encode();
		let message = item.message(&domain);
		match &item.proof {
			Proof::Voucher { signature, .. } => {
				let voucher = Voucher::from_bytes(&message, &domain).expect("a voucher");
				let signed = SignedVoucher { voucher, signature: *signature }.encode();
				out.push(row(Table::Payee, [vec![1], signed.clone(), rest.clone()].concat()));
				let second = [vec![2], signed.clone(), rest.clone(), seen.encode()];
				out.push(row(Table::Payee, second.concat()));
				let third = [vec![3, 0], signed, key.encode(), rest, seen.encode()];
				out.push(row(Table::Payee, third.concat()));
			},
			Proof::Ticks(ticks) => {
				let ticks = signed_ticks(item, ticks).encode();
				let third = [vec![3, 1], ticks, key.encode(), rest, seen.encode()];
				out.push(row(Table::Payee, third.concat()));
			},
		}
	}
	out.push(row(Table::Roots, [vec![1], vec![8; 32]].concat()));
	out.push(row(Table::Consents, [vec![1], (chain::NOW + 10).encode()].concat()));
	out
}

fn signed_ticks(item: &Item, ticks: &stoa_primitives::channel::TickProof) -> SignedTicks {
	let commit = ticks.commit(item.channel, item.lane);
	let signed = SignedCommit { commit, signature: ticks.signature };
	SignedTicks { signed, index: ticks.index, tick: ticks.tick }
}

/// The rows of a payer, by the layouts of `stoa_client::payer`.
fn payer_rows(items: &[Item]) -> Vec<Vec<u8>> {
	let domain = sample::domain();
	let mut out = Vec::new();
	for n in 0..chain::CHANNELS {
		let info = chain::channel(&chain::id(n)).expect("it is there");
		// The byte at 65 of a row, the first of the asset, would be the number of the channel: so rows
		// say their keys themselves.
		let (retired, revoked): (Option<Key>, Vec<u32>) = (None, vec![2]);
		let terms = (&info.payer, &info.payee, &info.asset, info.key);
		let value = match n {
			0 => (1u8, terms, info.deposit, info.grace, info.lanes).encode(),
			_ => (2u8, terms, retired, info.deposit, Balance::MAX, info.grace, info.lanes, revoked)
				.encode(),
		};
		let place = Table::ALL.iter().position(|other| *other == Table::Channels);
		let head = vec![u8::try_from(place.unwrap_or_default()).unwrap_or_default(), 200];
		out.push([head, block(&value), block(&info.id)].concat());
	}
	for item in items {
		let message = item.message(&domain);
		let (answered, open): (Balance, Balance) = (500, 20);
		match &item.proof {
			Proof::Voucher { signature, .. } => {
				let voucher = Voucher::from_bytes(&message, &domain).expect("a voucher");
				let signed = SignedVoucher { voucher, signature: *signature };
				out.push(row(Table::Payer, (1u8, Some(signed), answered).encode()));
				out.push(row(Table::Payer, (2u8, Some(signed), answered, open).encode()));
				let nothing: Option<u8> = None;
				let third = (3u8, 1u8, 0u8, signed, answered, open, nothing);
				out.push(row(Table::Payer, third.encode()));
			},
			Proof::Ticks(ticks) => {
				let ticks = signed_ticks(item, ticks);
				let commitment = Some((ticks.signed, [7u8; 32]));
				let third = (3u8, 1u8, 1u8, ticks, answered, open, commitment);
				out.push(row(Table::Payer, third.encode()));
			},
		}
	}
	out
}

/// The rows of a negotiation in which an offer was asked for.
fn negotiation_rows() -> Vec<Vec<u8>> {
	let config = negotiation::config(Side::Buyer, 1_000, 1_500);
	let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
	let committer = Committer::start(store.clone()).expect("there is a thread");
	let mut desk = Desk::open(&store, committer, config, chain::NOW).expect("it is new");
	block_on(desk.ask()).expect("nothing was said");
	let place = Table::ALL.iter().position(|other| *other == Table::Negotiations);
	let head = vec![u8::try_from(place.unwrap_or_default()).unwrap_or_default(), 200];
	let rows = store.scan(Table::Negotiations).expect("memory is read");
	rows.iter().map(|(key, value)| [head.clone(), block(value), block(key)].concat()).collect()
}

/// Stores of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
	let good: Vec<_> = (0..chain::CHANNELS)
		.flat_map(|n| {
			[[n, 0, 9, 0, 0, 0, 0, 0, 0, 0], [n, 1, 20, 0, 0, 140, 3, 0, 0, 0]].map(claim)
		})
		.collect();
	let held: Vec<_> = good
		.iter()
		.map(|item| {
			let claim = item.allowed().unwrap_or_default();
			let key = sample::key(0).key();
			let held = Held { payee: chain::payee(), item: *item, claim, key, at: chain::NOW };
			row(Table::Tower, (1u8, held).encode())
		})
		.collect();
	let mut out: Vec<_> = payee_rows(&good[..4]);
	let payer = payer_rows(&good[..4]);
	out.push(payer[..2].concat());
	out.push([payer[1].clone(), payer[8].clone()].concat());
	out.push(payer.concat());
	out.extend(held.iter().take(2).cloned());
	out.push(held.concat());
	out.push(payee_rows(&good).concat());
	out.push(row(Table::Meta, vec![0; 32]));
	out.push(negotiation_rows().concat());
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn good_rows_should_be_believed() {
		REACHED.set(0);
		for seed in seeds() {
			run(&seed);
		}
		assert!(REACHED.take() > 40);
		run(&negotiation_rows().concat());
		assert_eq!(REACHED.take(), 1);
	}
}
