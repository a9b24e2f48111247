//! Random sequences of calls: whatever happens, deposits match what is stored.

use crate::{mock::*, Agents as Records, Keys};
use frame_support::traits::Footprint;
use proptest::prelude::*;
use sp_runtime::DispatchResult;
use stoa_primitives::{agent::Status, referral::Referral, AccountId, Balance};

#[derive(Clone, Debug)]
enum Op {
	Register { referred: bool },
	Renew,
	SetManifest(usize),
	Pause,
	Resume,
	Suspend,
	Reinstate,
	Retire,
	Offer { to: bool },
	Accept,
	Cancel,
	AddKey(u8),
	RemoveKey(u8),
	RemoveExpired(u8),
	Wait(u32),
}

fn ops() -> impl Strategy<Value = (u8, bool, Op)> {
	let op = prop_oneof![
		4 => any::<bool>().prop_map(|referred| Op::Register { referred }),
		1 => Just(Op::Renew),
		2 => (0usize..256).prop_map(Op::SetManifest),
		1 => Just(Op::Pause),
		1 => Just(Op::Resume),
		1 => Just(Op::Suspend),
		1 => Just(Op::Reinstate),
		1 => Just(Op::Retire),
		2 => any::<bool>().prop_map(|to| Op::Offer { to }),
		2 => Just(Op::Accept),
		1 => Just(Op::Cancel),
		8 => (0u8..20).prop_map(Op::AddKey),
		2 => (0u8..20).prop_map(Op::RemoveKey),
		2 => (0u8..20).prop_map(Op::RemoveExpired),
		2 => (1u32..10).prop_map(Op::Wait),
	];
	(10u8..13, any::<bool>(), op)
}

fn apply(seed: u8, first: bool, op: Op) -> DispatchResult {
	let operator = if first { OP } else { OP2 };
	let (by, who) = (signed(&operator), agent(seed));
	match op {
		Op::Register { referred } => {
			let proof = Some(proof(seed, &operator, now() + 1));
			let referral = referred.then_some(Referral::Account(REFERRER));
			Agents::register(by, who, proof, manifest("u"), referral)
		},
		Op::Renew => Agents::renew(by, who),
		Op::SetManifest(len) => Agents::set_manifest(by, who, manifest(&"u".repeat(len))),
		Op::Pause => Agents::pause(by, who),
		Op::Resume => Agents::resume(by, who),
		Op::Suspend => Agents::suspend(RuntimeOrigin::root(), who),
		Op::Reinstate => Agents::reinstate(RuntimeOrigin::root(), who),
		Op::Retire => Agents::retire(by, who).map(|_| ()).map_err(|e| e.error),
		Op::Offer { to } => Agents::offer_transfer(by, who, if to { OP } else { OP2 }),
		Op::Accept => Agents::accept_transfer(by, who).map(|_| ()).map_err(|e| e.error),
		Op::Cancel => Agents::cancel_transfer(by, who),
		Op::AddKey(k) => Agents::add_key(by, who, key(k), vouchers(), now() + 15),
		Op::RemoveKey(k) => Agents::remove_key(by, who, key(k)),
		Op::RemoveExpired(k) => Agents::remove_expired_key(by, who, key(k)),
		Op::Wait(blocks) => {
			run_to(now() + blocks);
			Ok(())
		},
	}
}

fn price(footprint: Footprint) -> Balance {
	100 + Balance::from(footprint.count * footprint.size)
}

/// What `who` should have on hold for agents and for keys.
fn due(who: &AccountId) -> (Balance, Balance) {
	let records = Records::<Test>::iter()
		.filter(|(_, record)| record.depositor == *who)
		.map(|(_, r)| price(Agents::record_footprint(r.manifest.as_ref(), r.referred)))
		.sum();
	let keys = Keys::<Test>::iter()
		.filter(|(_, _, record)| record.depositor == *who)
		.map(|_| price(Agents::key_footprint()))
		.sum();
	(records, keys)
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(64))]

	#[test]
	fn deposits_should_match_what_is_stored(ops in prop::collection::vec(ops(), 1..80)) {
		build_and_execute(|| {
			for (seed, first, op) in ops {
				let before = Records::<Test>::get(agent(seed));
				let root = sp_io::storage::root(sp_runtime::StateVersion::V1);
				let waits = matches!(op, Op::Wait(_));
				let result = frame_support::storage::with_storage_layer(|| apply(seed, first, op));
				if result.is_err() {
					assert_eq!(root, sp_io::storage::root(sp_runtime::StateVersion::V1));
				}
				let after = Records::<Test>::get(agent(seed));
				if let (Some(before), Some(after)) = (before, after) {
					// Epochs rise with the operator only, and nobody comes back from retirement.
					let changed = u32::from(before.operator != after.operator);
					assert_eq!(after.epoch, before.epoch + changed);
					if before.status == Status::Retired {
						assert!(waits || result.is_err());
						assert_eq!(after.status, Status::Retired);
					}
				}
				Agents::do_try_state().unwrap();
				for who in [OP, OP2] {
					assert_eq!(held(&who), due(&who));
				}
			}
		});
	}
}
