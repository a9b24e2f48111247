//! What is stored, byte by byte. A new field, another order or another index changes it: then a
//! migration is due.

use super::*;
use codec::Encode;
use frame_support::storage::{unhashed, KeyPrefixIterator};
use sp_io::hashing::twox_128;

/// All rows of the pallet as version 1 of the state has them: key=value in each line.
const ROWS: &str = include_str!("layout.txt");

/// An agreement with a milestone in every state and every option there is, a record of another, and a
/// negotiation of which only a withdrawal is known.
fn fill() {
	let milestones = vec![milestone(), milestone(), milestone(), milestone(), locked_milestone()];
	let milestones = milestones.try_into().unwrap();
	let rich = Offer {
		buyer: AGENT,
		milestones,
		bond: 60,
		panel: panel(3),
		round: 2,
		previous: Some([8; 32]),
		..offer()
	};
	let id = commit(&rich);
	run_to(4);
	for milestone in 1..4 {
		assert_ok!(deliver(id, milestone));
	}
	assert_ok!(Escrow::release(signed(AGENT), id, 1, 25));
	assert_ok!(Escrow::request_changes(signed(AGENT), id, 2, evidence(2)));
	assert_ok!(dispute(AGENT, id, 3));
	assert_ok!(Escrow::reveal(signed(SELLER), id, 4, LOCK_KEY));
	let ended = commit(&single(milestone()));
	assert_ok!(deliver(ended, 0));
	assert_ok!(dispute(BUYER, ended, 0));
	assert_ok!(answer(SELLER, ended, 0));
	assert_ok!(rule(FIRST, ended, 0, 40));
	let withdrawn = Escrow::withdraw_offer(signed(SELLER2), BUYER, [3; 32], Side::Seller, 2);
	assert_ok!(withdrawn);
}

fn digits(bytes: &[u8]) -> String {
	bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// All rows of the pallet, in hexadecimal digits.
fn rows() -> Vec<String> {
	let prefix = twox_128(b"Escrow").to_vec();
	KeyPrefixIterator::new(prefix.clone(), prefix.clone(), |key| Ok(key.to_vec()))
		.map(|rest| [prefix.clone(), rest].concat())
		.map(|key| {
			let value = unhashed::get_raw(&key).expect("the key is there");
			format!("{}={}", digits(&key), digits(&value))
		})
		.collect()
}

fn bytes(digits: &str) -> Vec<u8> {
	let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
	(0..digits.len()).step_by(2).map(digit).collect()
}

/// A value is stored under this key with exactly these bytes.
fn assert_stored(key: Vec<u8>, value: impl Encode) {
	assert_eq!(unhashed::get_raw(&key), Some(value.encode()));
}

#[test]
fn e13_state_should_decode_from_the_bytes_of_version_1() {
	new_test_ext().execute_with(|| {
		fill();
		assert_eq!(rows(), ROWS.lines().collect::<Vec<_>>(), "{}", rows().join("\n"));
	});
	// From the bytes alone, each row is read and written as it was.
	new_test_ext().execute_with(|| {
		run_to(4);
		for row in ROWS.lines() {
			let (key, value) = row.split_once('=').unwrap();
			unhashed::put_raw(&bytes(key), &bytes(value));
		}
		let mut read = 0;
		for (id, agreement) in Agreements::<Test>::iter() {
			assert_stored(Agreements::<Test>::hashed_key_for(id), agreement);
			read += 1;
		}
		for (key, standing) in Standings::<Test>::iter() {
			assert_stored(Standings::<Test>::hashed_key_for(key), standing);
			read += 1;
		}
		for (id, outcome) in Outcomes::<Test>::iter() {
			assert_stored(Outcomes::<Test>::hashed_key_for(id), outcome);
			read += 1;
		}
		for (operator, agent, row) in Sponsorships::<Test>::iter() {
			assert_stored(Sponsorships::<Test>::hashed_key_for(operator, agent), row);
			read += 1;
		}
		for (who, row) in AgentRows::<Test>::iter() {
			assert_stored(AgentRows::<Test>::hashed_key_for(who), row);
			read += 1;
		}
		assert_stored(Market::<Test>::hashed_key().to_vec(), Market::<Test>::get());
		// One of each kind at least, and the market: nothing else is stored.
		assert_eq!((read + 1, read), (ROWS.lines().count(), 1 + 3 + 1 + 1 + 4));
	});
}
