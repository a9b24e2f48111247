//! Backups, as a watchtower takes them.
//!
//! The first byte says what the others are: an encoded statement, what a signed statement's data are,
//! or claims of a signed statement.

use crate::{
	bytes::Source,
	chain::{self, StillChain},
	heap, items,
	sample::{self, CLAIM},
};
use codec::{DecodeAll, Encode};
use futures::executor::block_on;
use sp_statement_store::Statement;
use std::{
	cell::RefCell,
	sync::Arc,
	time::{Duration, SystemTime, UNIX_EPOCH},
};
use stoa_primitives::{channel::Item, AccountId};
use stoa_tower::{
	chain::TowerChain,
	statement::{statements, StatementError, MAX_ITEMS},
	Backup, Config, Door, DoorError, Outcome, Tower,
};

/// So late that statements of it never expire: the end of time as statements count it.
const LATE: u64 = u32::MAX as u64;

fn late() -> SystemTime {
	UNIX_EPOCH + Duration::from_secs(LATE)
}

/// Tries one input.
///
/// # Panics
///
/// When a property does not hold.
pub fn run(bytes: &[u8]) {
	let mut source = Source::new(bytes);
	match source.byte() % 3 {
		0 => encoded(source.rest()),
		1 => {
			let by = source.byte();
			encoded(&signed(by, source.rest().to_vec()).encode());
		},
		_ => {
			let by = source.byte();
			let items = claims(&mut source);
			encoded(&signed(by, items.encode()).encode());
			from(by, &items);
		},
	}
}

/// Items, ten bytes each.
fn claims(source: &mut Source) -> Vec<Item> {
	let mut items = Vec::new();
	while !source.is_empty() && items.len() <= 12 {
		items.push(sample::item(source, &sample::domain(), chain::facts));
	}
	items
}

/// A statement of somebody with these data.
fn signed(by: u8, data: Vec<u8>) -> Statement {
	let person = &sample::people()[usize::from(by) % sample::PEOPLE];
	let account = person.account();
	// Sent by the tower's own code, so that what is signed is what it signs.
	let (mut list, _) =
		statements(&account, &items::samples()[..1], late(), |bytes| person.sign(bytes));
	let mut statement = list.remove(0);
	statement.remove_proof();
	statement.set_plain_data(data);
	let message = statement.encode().split_off(1);
	statement.set_proof(proof(&account, person.sign(&message)));
	statement
}

fn proof(account: &AccountId, signature: sp_runtime::MultiSignature) -> sp_statement_store::Proof {
	let signer = *AsRef::<[u8; 32]>::as_ref(account);
	match signature {
		sp_runtime::MultiSignature::Ed25519(signature) => {
			sp_statement_store::Proof::Ed25519 { signature: signature.0, signer }
		},
		sp_runtime::MultiSignature::Sr25519(signature) => {
			sp_statement_store::Proof::Sr25519 { signature: signature.0, signer }
		},
		_ => unreachable!("people have keys of two schemes"),
	}
}

/// What a tower makes of bytes that somebody sends.
fn encoded(bytes: &[u8]) {
	let decoded = heap::within(bytes.len(), || Statement::decode_all(&mut &*bytes));
	let tower = tower();
	let brought = block_on(Door::default().bring(&tower, bytes));
	let Ok(statement) = decoded else {
		assert!(matches!(brought, Err(DoorError::Malformed | DoorError::Stranger)));
		return;
	};
	// One that does not say when it ends has ended at the beginning of time, and says so when written.
	let same = statement.encode() == bytes || statement.expiry() == 0;
	assert!(same, "a statement has two encodings");
	let read = heap::within(bytes.len(), || Backup::read(&statement, UNIX_EPOCH));
	let Ok(backup) = read else {
		assert!(brought.is_err(), "no backup was taken for one");
		return;
	};
	assert_eq!(statement.account_id().map(AccountId::new), Some(backup.signer.clone()));
	assert!((1..=MAX_ITEMS).contains(&u32::try_from(backup.items.len()).unwrap_or(u32::MAX)));
	assert_eq!(statement.data(), Some(&backup.items.encode()));
	match brought {
		Ok(outcomes) => check(&tower, &backup.signer, &backup.items, &outcomes),
		// The door has a clock, the test has none.
		Err(DoorError::Statement(StatementError::Expired)) => {},
		Err(error) => panic!("a backup was turned away: {error}"),
	}
}

/// What was kept is good, and the tower settles it without complaint.
fn check(tower: &Tower, signer: &AccountId, items: &[Item], outcomes: &[Outcome]) {
	assert_eq!(items.len(), outcomes.len());
	let mut lanes = std::collections::BTreeSet::new();
	for (item, outcome) in items.iter().zip(outcomes) {
		if *outcome != Outcome::Kept {
			continue;
		}
		KEPT.with_borrow_mut(|kept| *kept += 1);
		lanes.insert((item.channel, item.lane));
		let info = chain::channel(&item.channel).expect("channels are known");
		assert_eq!(info.payee, *signer, "somebody else's channel");
		let keys = [Some(info.key), info.changes.key.map(|(key, _)| key)];
		let message = item.message(&sample::domain());
		assert!(keys.iter().flatten().any(|key| key.verify(&message, item.signature())));
		let claim = item.capture.or(item.allowed()).expect("claims have amounts");
		assert!(claim > info.settled_on(item.lane));
	}
	assert_eq!(tower.counts().1, lanes.len(), "one proof is kept for a lane");
	// Claims are checked by the chain that they are sent to.
	block_on(tower.pass()).expect("this chain always answers");
	let again = block_on(tower.offer(Some(signer), items)).expect("this chain always answers");
	assert!(!again.contains(&Outcome::Kept), "kept twice: {outcomes:?}, {again:?}");
}

/// What a tower keeps does not depend on how it was told.
fn from(by: u8, items: &[Item]) {
	let signer = sample::people()[usize::from(by) % sample::PEOPLE].account();
	let tower = tower();
	let outcomes = block_on(tower.offer(Some(&signer), items)).expect("this chain always answers");
	check(&tower, &signer, items, &outcomes);
}

thread_local! {
	/// How many items were kept: inputs must get as far as that.
	static KEPT: RefCell<usize> = const { RefCell::new(0) };
}

fn tower() -> Tower {
	let chain: Arc<dyn TowerChain> = StillChain::shared();
	let config = Config { lanes_per_payee: 8, lanes: 12, ..Config::new([1; 32]) };
	Tower::new(config, chain, None, [])
}

/// Claims on each channel, good and forged.
fn good() -> Vec<[u8; CLAIM]> {
	let mut out = Vec::new();
	for channel in 0..chain::CHANNELS {
		out.push([channel, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
		out.push([channel, 1, 20, 100, 0, 150, 4, 0, 0, 0]);
		out.push([channel, 3, 4, 0, 200, 0, 0, 0, 0, 0]);
	}
	out
}

/// Statements in each form.
pub fn seeds() -> Vec<Vec<u8>> {
	let claims = good();
	let encoded = |by: u8, items: &[Item]| {
		let statement = signed(by, items.encode());
		[vec![0], statement.encode()].concat()
	};
	let items: Vec<_> = claims
		.iter()
		.map(|claim| sample::item(&mut Source::new(claim), &sample::domain(), chain::facts))
		.collect();
	let mut out = vec![encoded(0, &items[..3]), encoded(1, &items[..1])];
	out.push([vec![1, 0], items[..2].to_vec().encode()].concat());
	out.extend(claims.chunks(3).map(|claims| [vec![2, 0], claims.concat()].concat()));
	out.push([vec![2, 2], claims.concat()].concat());
	let forged = (192..=255).step_by(9).map(|n| [0, 0, 9, 0, 0, n, 0, n, 0, 0]);
	out.push([vec![2, 0], forged.collect::<Vec<_>>().concat()].concat());
	out
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn seeds_should_bring_proofs_that_are_kept() {
		KEPT.set(0);
		for seed in seeds() {
			run(&seed);
		}
		assert!(KEPT.take() > 20);
	}
}
