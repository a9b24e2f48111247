//! What is stored, byte by byte. A new field, another order or another index changes it: then a
//! migration is due.

use super::*;
use codec::Encode;
use frame_support::{
	storage::{unhashed, KeyPrefixIterator},
	traits::Hooks,
	weights::Weight,
};
use sp_core::hexdisplay::HexDisplay;
use sp_io::hashing::twox_128;

/// All rows of the pallet as version 1 of the state has them: key=value in each line.
const ROWS: &str = include_str!("layout.txt");

/// One channel with every row and every option there is, and one without.
fn fill() {
	let [_, sr25519, ecdsa] = Signer::all().map(|signer| signer.key());
	let cap = Some(Cap { per_window: 500, window: 10 });
	let id = Channels::channel_id_of(AGENT, PAYEE, STOA);
	assert_ok!(Channels::open(signed(AGENT), PAYEE, STOA, 1_000, key(), MIN_GRACE, 3, cap));
	for (block, lane, cumulative) in [(2, 0, 20), (5, 2, 300)] {
		run_to(block);
		let item = item_of(Voucher { lane, ..voucher(id, cumulative) });
		assert_ok!(settle_all(PAYEE, vec![item]));
	}
	assert_ok!(Channels::rotate_key(signed(AGENT), id, ecdsa));
	let tighter = Some(Cap { per_window: 400, window: 20 });
	assert_ok!(Channels::set_cap(signed(AGENT), id, tighter));
	for lane in [1, 2] {
		assert_ok!(Channels::revoke_lane(signed(AGENT), id, lane));
	}
	assert_ok!(Channels::request_close(signed(OPERATOR), id));
	let plain = Channels::open(signed(PAYER), PAYEE, USD, 100, sr25519, MIN_GRACE + 1, 1, None);
	assert_ok!(plain);
	<Channels as Hooks<u32>>::on_idle(5, Weight::MAX);
}

/// All rows of the pallet, in hexadecimal digits.
fn rows() -> Vec<String> {
	let prefix = twox_128(b"Channels").to_vec();
	KeyPrefixIterator::new(prefix.clone(), prefix.clone(), |key| Ok(key.to_vec()))
		.map(|rest| [prefix.clone(), rest].concat())
		.map(|key| {
			let value = unhashed::get_raw(&key).expect("the key is there");
			format!("{}={}", HexDisplay::from(&key), HexDisplay::from(&value))
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
fn a23_state_should_decode_from_the_bytes_of_version_1() {
	let mut views = Vec::new();
	new_test_ext().execute_with(|| {
		fill();
		assert_eq!(rows(), ROWS.lines().collect::<Vec<_>>(), "{}", rows().join("\n"));
		views.extend(crate::Channels::<Test>::iter_keys().map(|id| (id, view(id))));
	});
	// From the bytes alone, each row is read and written as it was.
	new_test_ext().execute_with(|| {
		run_to(5);
		for row in ROWS.lines() {
			let (key, value) = row.split_once('=').unwrap();
			unhashed::put_raw(&bytes(key), &bytes(value));
		}
		let mut read = 0;
		for (id, channel) in crate::Channels::<Test>::iter() {
			assert_stored(crate::Channels::<Test>::hashed_key_for(id), channel);
			read += 1;
		}
		for (id, lanes) in Lanes::<Test>::iter() {
			assert_stored(Lanes::<Test>::hashed_key_for(id), lanes);
			read += 1;
		}
		for (id, changes) in Waiting::<Test>::iter() {
			assert!(changes.key.is_some() && changes.next_cap().is_some());
			assert_eq!(changes.revoked.len(), 2);
			assert_stored(Waiting::<Test>::hashed_key_for(id), changes);
			read += 1;
		}
		for (block, id, ()) in Due::<Test>::iter() {
			assert_stored(Due::<Test>::hashed_key_for(block, id), ());
			read += 1;
		}
		assert_stored(NextDue::<Test>::hashed_key().to_vec(), NextDue::<Test>::get());
		for (payer, payee, row) in Nonces::<Test>::iter() {
			assert_stored(Nonces::<Test>::hashed_key_for(payer, payee), row);
			read += 1;
		}
		for (operator, agent, row) in Sponsorships::<Test>::iter() {
			assert_stored(Sponsorships::<Test>::hashed_key_for(operator, agent), row);
			read += 1;
		}
		// One of each kind at least, and `NextDue`: nothing else is stored.
		assert_eq!((read + 1, read), (ROWS.lines().count(), 2 + 1 + 1 + 1 + 2 + 1));
		for (id, before) in views {
			assert_eq!(view(id), before);
		}
	});
}
