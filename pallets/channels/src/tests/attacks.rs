//! Attacks on channels that others have suffered, by their numbers in the attack catalogue: what
//! the chain does about each.

use super::*;
use codec::{DecodeAll, Encode, MaxEncodedLen};
use frame_support::dispatch::{GetDispatchInfo, Pays};
use proptest::prelude::*;
use sp_runtime::traits::Dispatchable;
use stoa_primitives::{
	channel::{channel_id, TickProof, MAX_BATCH},
	payload::{Receipt, TickCommit},
	H256,
};

/// The usual key's signature over any bytes.
fn sign(bytes: &[u8]) -> KeySignature {
	KeySignature::Ed25519(pair().sign(bytes).0)
}

#[test]
fn a1_voucher_should_be_refused_when_it_was_signed_for_another_chain() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let voucher = voucher(id, 10);
		let genesis = H256::repeat_byte(0xAA);
		for domain in [Domain::channels(genesis), Domain::agents(System::block_hash(0))] {
			let foreign = item_with(voucher, sign(&voucher.to_bytes(&domain)));
			assert_skipped(PAYEE, foreign, SkipReason::BadSignature);
		}
		// The same parties have other channel ids there.
		let ids = [domain(), Domain::channels(genesis)]
			.map(|domain| channel_id(&domain, &PAYER, &PAYEE, &USD, 0));
		assert_eq!(ids[0], id);
		assert_ne!(ids[1], id);
	});
}

#[test]
fn a2_voucher_should_be_refused_when_its_channel_has_ended_and_another_was_opened() {
	build_and_execute(|| {
		let set_native = |who: AccountId, amount| {
			assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), who, amount));
		};
		// An agent whose operator puts up all deposits: nothing of it is held, so its account can go.
		set_native(AGENT, NATIVE);
		let payers = [PAYER, AGENT];
		let old = payers.clone().map(|payer| open(&payer, &PAYEE, 100));
		let items = old.map(|id| [item(id, 60), item(id, 90)]);
		for (id, [spent, _]) in old.into_iter().zip(items) {
			assert_ok!(settle_all(PAYEE, vec![spent]));
			assert_ok!(Channels::close(signed(PAYEE), id, None));
		}
		assert!(System::account_exists(&AGENT));
		set_native(AGENT, 0);
		assert!(!System::account_exists(&AGENT));
		set_native(AGENT, NATIVE);
		// The other's cannot: it has put up the deposit of a nonce row, which is never given back.
		let removal = Balances::force_set_balance(RuntimeOrigin::root(), PAYER, 0);
		assert_eq!(removal, Err(DispatchError::ConsumerRemaining));
		for ((payer, old), items) in payers.into_iter().zip(old).zip(items) {
			assert_eq!(Channels::next_nonce(payer.clone(), PAYEE), 1);
			let new = open(&payer, &PAYEE, 100);
			assert_ne!(new, old);
			for item in items {
				assert_skipped(PAYEE, item, SkipReason::UnknownChannel);
				let relabelled = Item { channel: new, ..item };
				assert_skipped(PAYEE, relabelled, SkipReason::BadSignature);
			}
		}
	});
}

#[test]
fn a3_signature_over_another_payload_should_be_no_voucher() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let d = domain();
		let voucher = Voucher { valid_until: 64, ..voucher(id, 10) };
		let ticks = TickCommit {
			channel: id,
			lane: 0,
			base: 10,
			value: 1,
			count: 1,
			prefix: [0; 16],
			root: [0; 32],
			valid_until: 64,
		};
		let auth = OpenAuth {
			payee: PAYEE,
			asset: [0; 32],
			amount: 10,
			voucher_key: key(),
			grace: MIN_GRACE,
			nonce: 1,
			expires: 64,
		};
		let receipt =
			Receipt { channel: id, lane: 0, cumulative: 10, request: [0; 32], response: [0; 32] };
		let consent = CloseConsent { channel: id, total: 10, expires: 64 };
		let bytes = voucher.to_bytes(&d);
		let wrapped = [b"<Bytes>".as_slice(), &bytes, b"</Bytes>"].concat();
		let call = RuntimeCall::Channels(Call::close { id, last: None }).encode();
		for message in [
			ticks.to_bytes(&d),
			auth.to_bytes(&d),
			receipt.to_bytes(&d),
			consent.to_bytes(&d),
			// A voucher key signs raw bytes only, and never a digest.
			wrapped,
			sp_io::hashing::blake2_256(&bytes).to_vec(),
			call,
		] {
			assert_skipped(PAYEE, item_with(voucher, sign(&message)), SkipReason::BadSignature);
		}
		// And no voucher is a call: the first byte names no pallet.
		assert!(RuntimeCall::decode_all(&mut &bytes[..]).is_err());
		assert_ok!(settle(PAYEE, vec![item_with(voucher, sign(&bytes))]));
	});
}

#[test]
fn a4_payer_should_not_close_before_the_payee_had_a_whole_grace_period() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(settle(PAYEE, vec![item(id, 10)]));
		assert_ok!(Channels::request_close(signed(PAYER), id));
		let ends = 1 + MIN_GRACE;
		// Neither a settlement nor a top-up moves the end, and a second request does not restart it.
		for (block, cumulative) in [(2, 20), (100, 30), (ends - 1, 40)] {
			run_to(block);
			assert_noop!(finalize(vec![id]).map_err(|e| e.error), Error::<Test>::GraceRunning);
			assert_noop!(Channels::request_close(signed(PAYER), id), Error::<Test>::AlreadyClosing);
			assert_ok!(Channels::top_up(signed(PAYER), id, 1));
			assert_ok!(settle(PAYEE, vec![item(id, cumulative)]));
			assert_eq!((view(id).ends, view(id).settled), (Some(ends), cumulative));
		}
		run_to(ends);
		assert_ok!(finalize(vec![id]));
		assert_eq!(free(&PAYER, &USD), CREDITS - 40);
	});
}

#[test]
fn a6_topping_up_should_not_disturb_a_close() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(MIN_GRACE);
		assert_noop!(Channels::top_up(signed(PAYER2), id, 1), Error::<Test>::NotPayer);
		assert_ok!(Channels::top_up(signed(PAYER), id, 1));
		assert_eq!(view(id).ends, Some(1 + MIN_GRACE));
		assert_noop!(Channels::cancel_close(signed(PAYER2), id), Error::<Test>::NotPayer);
		run_to(1 + MIN_GRACE);
		assert_ok!(finalize(vec![id]));
		assert_eq!(free(&PAYER, &USD), CREDITS);
	});
}

#[test]
fn a7_bad_items_should_not_spoil_a_batch() {
	build_and_execute(|| {
		let good: Vec<_> = [PAYER, PAYER2, AGENT].iter().map(|p| open(p, &PAYEE, 100)).collect();
		let (poor, refused, forged, foreign) = (
			open(&PAYER, &PAYEE, 5),
			open(&PAYER2, &PAYEE, 100),
			open(&PAYER2, &PAYEE, 100),
			open(&PAYER2, &PAYEE2, 100),
		);
		let mut items: Vec<_> = good.iter().map(|id| item(*id, 20)).collect();
		items.extend([
			item(NOWHERE, 20),
			item(poor, 20),
			item(refused, REFUSED_GROSS),
			item_with(voucher(forged, 20), sign(b"something else")),
			item(foreign, 20),
		]);
		let items = sorted(items);
		events();
		assert_ok!(settle(PAYEE, items.clone()));
		assert!(good.iter().all(|id| view(*id).settled == 20));
		assert_eq!(free(&PAYEE, &USD), 3 * 17);
		let skipped: Vec<_> = events()
			.into_iter()
			.filter_map(|event| match event {
				Event::Skipped { index, id, reason, .. } => {
					assert_eq!(items[index as usize].channel, id);
					Some((id, reason))
				},
				_ => None,
			})
			.collect();
		assert_eq!(skipped.len(), 5);
		for row in [
			(NOWHERE, SkipReason::UnknownChannel),
			(poor, SkipReason::AboveDeposit),
			(refused, SkipReason::NotSettled),
			(forged, SkipReason::BadSignature),
			(foreign, SkipReason::NotPayee),
		] {
			assert!(skipped.contains(&row));
		}
	});
}

#[test]
fn a8_another_signature_over_the_same_voucher_should_claim_nothing() {
	build_and_execute(|| {
		// Sr25519 signatures are randomised: each is another one.
		let pair = sr25519::Pair::from_seed(&[7; 32]);
		let id = Channels::channel_id_of(PAYER, PAYEE, USD);
		let key = Key::Sr25519(pair.public().0);
		assert_ok!(Channels::open(signed(PAYER), PAYEE, USD, 100, key, MIN_GRACE, 1, None));
		let voucher = voucher(id, 40);
		let signatures =
			[0, 1].map(|_| KeySignature::Sr25519(pair.sign(&voucher.to_bytes(&domain())).0));
		assert_ne!(signatures[0], signatures[1]);
		assert_ok!(settle(PAYEE, vec![item_with(voucher, signatures[0])]));
		assert_skipped(PAYEE, item_with(voucher, signatures[1]), SkipReason::Stale);
		assert_eq!(view(id).settled, 40);
	});
}

#[test]
fn a9_one_voucher_should_pay_once_however_often_it_is_submitted() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let item = item(id, 40);
		assert_noop!(
			settle(PAYEE, vec![item, item]).map_err(|e| e.error),
			Error::<Test>::NotAscending
		);
		assert_ok!(settle(PAYEE, vec![item]));
		assert_skipped(PAYEE, item, SkipReason::Stale);
		// In slices it pays no more than at once.
		let slice = |capture| Item { capture: Some(capture), ..item_of(voucher(id, 90)) };
		for capture in [50, 60, 90] {
			assert_ok!(settle(PAYEE, vec![slice(capture)]));
		}
		assert_skipped(PAYEE, slice(90), SkipReason::Stale);
		assert_eq!(view(id).settled, 90);
	});
}

#[test]
fn a10_settled_voucher_should_not_close_a_channel_again() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(settle(PAYEE, vec![item(id, 40)]));
		for cumulative in [0, 39, 40] {
			assert_noop!(close_with(PAYEE, id, Some(item(id, cumulative))), Error::<Test>::Stale);
		}
		assert_ok!(Channels::close(signed(PAYEE), id, None));
		assert_eq!(free(&PAYEE, &USD), 34);
	});
}

#[test]
fn a12_channel_id_should_follow_from_a_pinned_genesis_alone() {
	build_and_execute(|| {
		// A client computes the id before it signs; nothing that a payee says is part of it.
		let pinned = Domain::channels(H256(System::block_hash(0).0));
		for nonce in 0..3 {
			let expected = channel_id(&pinned, &PAYER, &PAYEE, &USD, nonce);
			assert_eq!(Channels::channel_id_of(PAYER, PAYEE, USD), expected);
			assert_eq!(open(&PAYER, &PAYEE, 10), expected);
			assert!(Channels::channel(expected).is_some());
		}
	});
}

#[test]
fn a13_payee_should_be_able_to_close_with_less_than_the_highest_voucher() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let last = Item { capture: Some(5), ..item(id, 100) };
		assert_ok!(Channels::close(signed(PAYEE), id, Some(last)));
		assert_eq!(free(&PAYER, &USD), CREDITS - 5);
	});
}

#[test]
fn a15_deposit_should_be_reserved_for_one_channel() {
	build_and_execute(|| {
		let a = open(&PAYER, &PAYEE, 6_000);
		assert_noop!(
			Channels::open(signed(PAYER), PAYEE2, USD, 6_000, key(), MIN_GRACE, 1, None),
			DispatchError::Other("credits")
		);
		let b = open(&PAYER, &PAYEE2, 4_000);
		// Promising more to one does not take from the other.
		assert_skipped(PAYEE2, item(b, 4_001), SkipReason::AboveDeposit);
		assert_ok!(settle(PAYEE, vec![item(a, 6_000)]));
		assert_ok!(settle(PAYEE2, vec![item(b, 4_000)]));
		assert_eq!((free(&PAYEE, &USD), free(&PAYEE2, &USD)), (5_100, 3_400));
	});
}

#[test]
fn a16_stolen_voucher_key_should_take_no_more_than_the_cap_until_it_is_rotated() {
	build_and_execute(|| {
		let cap = Cap { per_window: 100, window: MIN_GRACE };
		let id = open_with(&PAYER, &PAYEE, 10_000, 3, Some(cap));
		// The thief, in league with the payee, signs for everything on every lane, day and night.
		let steal = |block| {
			run_to(block);
			for lane in 0..3 {
				for take in [9_900, 1_000, 100, 40, 1] {
					let paid = view(id).lane_settled[lane as usize];
					let item = item_of(Voucher { lane, ..voucher(id, paid + take) });
					assert_ok!(settle(PAYEE, vec![item]));
				}
			}
		};
		for block in 1..MIN_GRACE {
			steal(block);
		}
		assert_eq!(view(id).settled, 100);
		// The payer notices. For one more grace period the old key is good, no longer.
		assert_ok!(Channels::rotate_key(signed(PAYER), id, Key::Ed25519([9; 32])));
		for block in (MIN_GRACE..4 * MIN_GRACE).step_by(50) {
			steal(block);
		}
		assert!(view(id).settled <= 300, "{}", view(id).settled);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		steal(5 * MIN_GRACE - 1);
		assert!(view(id).settled <= 300);
	});
}

#[test]
fn a16_stolen_voucher_key_should_be_stopped_by_revoking_its_lane() {
	build_and_execute(|| {
		let id = open_with(&PAYER, &PAYEE, 10_000, 2, None);
		assert_ok!(Channels::revoke_lane(signed(PAYER), id, 1));
		run_to(1 + MIN_GRACE);
		let stolen = item_of(Voucher { lane: 1, ..voucher(id, 10_000) });
		assert_skipped(PAYEE, stolen, SkipReason::LaneRevoked);
	});
}

#[test]
fn a17_slices_should_pay_everybody_what_one_claim_would() {
	build_and_execute(|| {
		let sliced = open(&PAYER, &PAYEE, 1_000);
		let whole = open(&PAYER2, &PAYEE2, 1_000);
		let mut cumulative = 0;
		for slice in [1, 1, 2, 3, 5, 8, 14, 21, 34, 55, 89, 1, 7] {
			cumulative += slice;
			assert_ok!(settle(PAYEE, vec![item(sliced, cumulative)]));
		}
		let fees = |who| free(&who, &USD);
		let (platform, referrers) = (fees(PLATFORM), fees(REFERRERS));
		assert_ok!(settle(PAYEE2, vec![item(whole, cumulative)]));
		assert_eq!(free(&PAYEE, &USD), free(&PAYEE2, &USD));
		assert_eq!((fees(PLATFORM), fees(REFERRERS)), (2 * platform, 2 * referrers));
	});
}

#[test]
fn a17_payout_should_reach_an_account_that_does_not_exist() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), PAYEE, 0));
		assert!(!System::account_exists(&PAYEE));
		assert_ok!(Channels::close(signed(PAYEE), id, Some(item(id, 20))));
		assert_eq!(free(&PAYEE, &USD), 17);
	});
}

#[test]
fn a19_voucher_without_a_limit_should_be_good_until_the_last_block_of_grace() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let forever = item(id, 20);
		let limited = item_of(Voucher { valid_until: 10, ..voucher(id, 10) });
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(11);
		assert_skipped(PAYEE, limited, SkipReason::Expired);
		run_to(MIN_GRACE);
		assert_ok!(settle(PAYEE, vec![forever]));
		assert_eq!(view(id).settled, 20);
	});
}

#[test]
fn a21_stranger_should_settle_for_the_payee_while_closing_only() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_skipped(STRANGER, item(id, 20), SkipReason::NotPayee);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		assert_ok!(settle(STRANGER, vec![item(id, 20)]));
		// It gains nothing by it, and takes nothing from the payee by capturing little.
		assert_ok!(settle(STRANGER, vec![Item { capture: Some(21), ..item(id, 60) }]));
		assert_ok!(settle(PAYEE, vec![item(id, 60)]));
		assert_eq!((free(&PAYEE, &USD), free(&STRANGER, &USD)), (51, 0));
		assert_ok!(Channels::cancel_close(signed(PAYER), id));
		assert_skipped(STRANGER, item(id, 70), SkipReason::NotPayee);
	});
}

#[test]
fn a22_settlement_that_earns_the_platform_too_little_should_pay_its_fee() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, CREDITS);
		let spam = [
			// Nothing at all, next to nothing, the same again, not signed, another's.
			vec![item(NOWHERE, 1)],
			vec![item(id, 1)],
			vec![item(id, 1)],
			vec![item_with(voucher(id, CREDITS), sign(b"something else"))],
			vec![item(open(&PAYER2, &PAYEE2, CREDITS), CREDITS)],
		];
		for items in spam {
			let post = settle(PAYEE, items).unwrap();
			assert_eq!(post.pays_fee, Pays::Yes);
			assert!(post.actual_weight.unwrap().ref_time() > 0);
		}
		// What is refused altogether is never free.
		let refused =
			Channels::settle_batch_all(signed(PAYEE), BoundedVec::truncate_from(vec![item(id, 1)]));
		assert_eq!(refused.unwrap_err().post_info.pays_fee, Pays::Yes);
		// Who pays itself free has given the platform more than the fee.
		let before = free(&PLATFORM, &USD);
		let post = settle(PAYEE, vec![item(id, CREDITS)]).unwrap();
		assert_eq!(post.pays_fee, Pays::No);
		let earned = free(&PLATFORM, &USD) - before;
		assert!(earned >= fee(post.actual_weight.unwrap(), 100));
	});
}

#[test]
fn a24_largest_batch_should_fit_into_an_extrinsic() {
	build_and_execute(|| {
		let items: Vec<_> = (0..MAX_BATCH)
			.map(|i| {
				let mut channel = [0xFF; 32];
				channel[..4].copy_from_slice(&i.to_be_bytes());
				let proof = TickProof {
					base: Balance::MAX,
					value: Balance::MAX,
					count: u32::MAX,
					prefix: [0xFF; 16],
					root: [0xFF; 32],
					valid_until: u32::MAX,
					signature: KeySignature::Ecdsa([0xFF; 65]),
					index: u32::MAX,
					tick: [0xFF; 32],
				};
				let (lane, capture) = (u32::MAX, Some(Balance::MAX));
				Item { channel, lane, capture, proof: Proof::Ticks(proof) }
			})
			.collect();
		let each = items[0].encoded_size();
		assert_eq!(each, Item::max_encoded_len());
		let call =
			RuntimeCall::Channels(Call::settle_batch { items: BoundedVec::truncate_from(items) });
		let bytes = call.encode();
		// Two bytes of call index, two of length, and 244 for each item.
		assert_eq!((each, bytes.len()), (244, 4 + 244 * 256));
		assert_eq!(RuntimeCall::decode_all(&mut &bytes[..]), Ok(call.clone()));
		assert_ok!(call.dispatch(signed(PAYEE)));
		let one_more =
			BoundedVec::<Item, frame_support::traits::ConstU32<{ MAX_BATCH + 1 }>>::truncate_from(
				vec![item(NOWHERE, 1); 257],
			);
		let mut bytes = vec![2, 2];
		bytes.extend(one_more.encode());
		assert!(RuntimeCall::decode_all(&mut &bytes[..]).is_err());
	});
}

fn any_signature() -> impl Strategy<Value = KeySignature> {
	prop_oneof![
		any::<[u8; 64]>().prop_map(KeySignature::Ed25519),
		any::<[u8; 64]>().prop_map(KeySignature::Sr25519),
		prop::collection::vec(any::<u8>(), 65)
			.prop_map(|bytes| KeySignature::Ecdsa(bytes.try_into().unwrap())),
	]
}

/// Mostly small numbers, and some at the ends of the range.
fn any_amount() -> impl Strategy<Value = Balance> {
	prop_oneof![0..200u128, any::<Balance>(), Just(Balance::MAX)]
}

/// An item whose channel is the n-th that there is, or none.
fn any_item() -> impl Strategy<Value = (usize, Item)> {
	let numbers = (any_amount(), prop_oneof![Just(0u32), any::<u32>()]);
	let lane = prop_oneof![4 => Just(0u32), 1 => any::<u32>()];
	let small = || prop_oneof![0..10u32, any::<u32>()];
	let ticks = prop::option::of((any_amount(), small(), small(), any::<[u8; 32]>()));
	(0..5usize, lane, prop::option::of(any_amount()), numbers, any_signature(), ticks).prop_map(
		|(index, lane, capture, (cumulative, valid_until), signature, ticks)| {
			let proof = match ticks {
				None => Proof::Voucher { cumulative, valid_until, signature },
				Some((value, count, index, tick)) => Proof::Ticks(TickProof {
					base: cumulative,
					value,
					count,
					prefix: [1; 16],
					root: [2; 32],
					valid_until,
					signature,
					index,
					tick,
				}),
			};
			(index, Item { channel: NOWHERE, lane, capture, proof })
		},
	)
}

proptest! {
	#![proptest_config(config(64))]

	#[test]
	fn a18_arbitrary_items_should_never_panic_pay_or_weigh_more_than_declared(
		mut items in prop::collection::vec(any_item(), 0..20), sort in any::<bool>(),
	) {
		build_and_execute(|| {
			let ed = open(&PAYER, &PAYEE, 100);
			let ids: Vec<_> = [Key::Sr25519([1; 32]), Key::Ecdsa([2; 33])]
				.into_iter()
				.map(|key| {
					let id = Channels::channel_id_of(PAYER2, PAYEE, USD);
					Channels::open(signed(PAYER2), PAYEE, USD, 100, key, MIN_GRACE, 1, None)
						.unwrap();
					id
				})
				.chain([ed])
				.collect();
			for (index, item) in &mut items {
				item.channel = ids.get(*index).copied().unwrap_or(NOWHERE);
			}
			let mut items: Vec<_> = items.into_iter().map(|(_, item)| item).collect();
			if sort {
				items = sorted(items);
				items.dedup_by_key(|item| (item.channel, item.lane));
			}
			let before = root();
			let all = BoundedVec::truncate_from(items.clone());
			let mut calls =
				vec![Call::settle_batch { items: all.clone() }, Call::settle_batch_all { items: all }];
			calls.extend(items.iter().map(|i| Call::close { id: i.channel, last: Some(*i) }));
			for call in calls {
				let call = RuntimeCall::Channels(call);
				let declared = call.get_dispatch_info().call_weight;
				let post = match call.dispatch(signed(PAYEE)) {
					Ok(post) => post,
					Err(error) => error.post_info,
				};
				assert!(post.actual_weight.is_none_or(|actual| declared.all_gte(actual)));
				assert_eq!(root(), before);
			}
		});
	}

	#[test]
	fn a18_arbitrary_bytes_should_never_panic(
		index in 0..13u8, bytes in prop::collection::vec(any::<u8>(), 0..400),
	) {
		build_and_execute(|| {
			open(&PAYER, &PAYEE, 100);
			let bytes = [vec![2, index], bytes].concat();
			if let Ok(call) = <RuntimeCall as codec::Decode>::decode(&mut &bytes[..]) {
				let _ = call.dispatch(signed(PAYER));
			}
		});
	}
}
