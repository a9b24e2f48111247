//! Settling: each outcome of an item, and of a batch.

use super::*;
use crate::weights::WeightInfo;
use codec::Encode;
use frame_support::dispatch::{GetDispatchInfo, Pays};
use sp_core::ecdsa;

#[test]
fn settle_batch_should_pay_what_the_voucher_allows_beyond_what_was_paid() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		events();
		assert_ok!(settle(PAYEE, vec![item(id, 200)]));
		assert_eq!(
			events(),
			vec![
				Event::Claimed { id, lane: 0, amount: 200, settled: 200 },
				Event::BatchSettled { by: PAYEE, paid_items: 1, skipped_items: 0, free: false },
			]
		);
		assert_eq!((free(&PAYEE, &USD), locked(&USD)), (170, 800));
		assert_ok!(settle(PAYEE, vec![item(id, 300)]));
		assert_eq!((free(&PAYEE, &USD), locked(&USD)), (255, 700));
		assert_eq!((free(&PLATFORM, &USD), free(&REFERRERS, &USD)), (30, 15));
		assert_eq!(
			(view(id).settled, view(id).lane_settled[0], view(id).deposit),
			(300, 300, 1_000)
		);
	});
}

#[test]
fn settle_batch_should_pay_channels_of_many_payers_and_assets() {
	build_and_execute(|| {
		let a = open(&PAYER, &PAYEE, 100);
		let b = open(&PAYER2, &PAYEE, 100);
		let c = Channels::channel_id_of(AGENT, PAYEE, STOA);
		assert_ok!(Channels::open(signed(AGENT), PAYEE, STOA, 100, key(), MIN_GRACE, 1, None));
		assert_ok!(settle(PAYEE, sorted(vec![item(a, 20), item(b, 40), item(c, 60)])));
		assert_eq!([a, b, c].map(|id| view(id).settled), [20, 40, 60]);
		assert_eq!((free(&PAYEE, &USD), free(&PAYEE, &STOA)), (51, 51));
	});
}

#[test]
fn settle_batch_should_accept_vouchers_of_every_scheme() {
	build_and_execute(|| {
		let sr = sr25519::Pair::from_seed(&[1; 32]);
		let ec = ecdsa::Pair::from_seed(&[1; 32]);
		for key in [Key::Sr25519(sr.public().0), Key::Ecdsa(ec.public().0)] {
			let id = Channels::channel_id_of(PAYER, PAYEE, USD);
			assert_ok!(Channels::open(signed(PAYER), PAYEE, USD, 100, key, MIN_GRACE, 1, None));
			let voucher = voucher(id, 40);
			let bytes = voucher.to_bytes(&domain());
			let signatures = [
				KeySignature::Ed25519(pair().sign(&bytes).0),
				KeySignature::Sr25519(sr.sign(&bytes).0),
				KeySignature::Ecdsa(ec.sign(&bytes).0),
			];
			let (fitting, other): (Vec<_>, Vec<_>) =
				signatures.into_iter().partition(|signature| {
					matches!(
						(key, signature),
						(Key::Sr25519(_), KeySignature::Sr25519(_))
							| (Key::Ecdsa(_), KeySignature::Ecdsa(_))
					)
				});
			for signature in other {
				assert_skipped(PAYEE, item_with(voucher, signature), SkipReason::BadSignature);
			}
			assert_ok!(settle(PAYEE, vec![item_with(voucher, fitting[0])]));
			assert_eq!(view(id).settled, 40);
		}
	});
}

#[test]
fn settle_batch_should_fail_when_it_is_empty() {
	build_and_execute(|| {
		assert_noop!(settle(PAYEE, vec![]).map_err(|e| e.error), Error::<Test>::EmptyBatch);
	});
}

#[test]
fn settle_batch_should_fail_when_the_origin_is_not_signed() {
	build_and_execute(|| {
		let items = BoundedVec::truncate_from(vec![item(NOWHERE, 1)]);
		assert_noop!(
			Channels::settle_batch(RuntimeOrigin::none(), items).map_err(|e| e.error),
			DispatchError::BadOrigin
		);
	});
}

#[test]
fn settle_batch_should_fail_when_items_do_not_ascend() {
	build_and_execute(|| {
		let a = open(&PAYER, &PAYEE, 100);
		let b = open(&PAYER2, &PAYEE, 100);
		let mut descending = sorted(vec![item(a, 20), item(b, 20)]);
		descending.reverse();
		for items in [descending, vec![item(a, 20), item(a, 30)], vec![item(a, 20); 2]] {
			assert_noop!(settle(PAYEE, items).map_err(|e| e.error), Error::<Test>::NotAscending);
		}
	});
}

#[test]
fn item_should_be_skipped_when_the_channel_is_unknown() {
	build_and_execute(|| {
		assert_skipped(PAYEE, item(NOWHERE, 1), SkipReason::UnknownChannel);
	});
}

#[test]
fn item_should_be_skipped_when_the_submitter_is_not_the_payee() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		for by in [STRANGER, PAYER, PAYEE2] {
			assert_skipped(by, item(id, 1), SkipReason::NotPayee);
		}
	});
}

#[test]
fn item_should_be_skipped_when_the_lane_is_unknown() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		for lane in [1, u32::from(u16::MAX), u32::MAX] {
			let item = item_of(Voucher { lane, ..voucher(id, 1) });
			assert_skipped(PAYEE, item, SkipReason::UnknownLane);
		}
	});
}

#[test]
fn item_should_be_skipped_when_the_voucher_has_expired() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let until =
			|valid_until, cumulative| item_of(Voucher { valid_until, ..voucher(id, cumulative) });
		run_to(50);
		assert_skipped(PAYEE, until(49, 10), SkipReason::Expired);
		assert_ok!(settle(PAYEE, vec![until(50, 20)]));
		assert_ok!(settle(PAYEE, vec![until(51, 30)]));
		assert_eq!(view(id).settled, 30);
	});
}

#[test]
fn item_should_be_skipped_when_nothing_is_new() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_skipped(PAYEE, item(id, 0), SkipReason::Stale);
		assert_ok!(settle(PAYEE, vec![item(id, 50)]));
		assert_skipped(PAYEE, item(id, 49), SkipReason::Stale);
		assert_skipped(PAYEE, item(id, 50), SkipReason::Stale);
		let capture = Some(50);
		assert_skipped(PAYEE, Item { capture, ..item(id, 70) }, SkipReason::Stale);
		let capture = Some(0);
		assert_skipped(PAYEE, Item { capture, ..item(id, 70) }, SkipReason::Stale);
	});
}

#[test]
fn item_should_be_skipped_when_it_captures_more_than_the_voucher() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		for capture in [51, 100, Balance::MAX] {
			let item = Item { capture: Some(capture), ..item(id, 50) };
			assert_skipped(PAYEE, item, SkipReason::CaptureAboveVoucher);
		}
		assert_ok!(settle(PAYEE, vec![Item { capture: Some(50), ..item(id, 50) }]));
	});
}

#[test]
fn item_should_be_skipped_when_the_deposit_is_too_small() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		// Another channel's deposit is no help.
		open(&PAYER2, &PAYEE, 1_000);
		assert_skipped(PAYEE, item(id, 101), SkipReason::AboveDeposit);
		assert_skipped(PAYEE, item(id, Balance::MAX), SkipReason::AboveDeposit);
		// What the deposit does cover can be captured.
		assert_ok!(settle(PAYEE, vec![Item { capture: Some(100), ..item(id, 101) }]));
		assert_skipped(PAYEE, item(id, 101), SkipReason::AboveDeposit);
		assert_eq!(view(id).settled, 100);
	});
}

#[test]
fn item_should_be_skipped_when_another_key_signed() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let other = sp_core::ed25519::Pair::from_seed(&[43; 32]);
		let voucher = voucher(id, 10);
		let signature = KeySignature::Ed25519(other.sign(&voucher.to_bytes(&domain())).0);
		assert_skipped(PAYEE, item_with(voucher, signature), SkipReason::BadSignature);
	});
}

#[test]
fn item_should_be_skipped_when_any_bit_of_it_is_flipped() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 1_000);
		let good = Voucher { valid_until: 64, ..voucher(id, 512) };
		let Proof::Voucher { signature: KeySignature::Ed25519(signature), .. } =
			item_of(good).proof
		else {
			panic!("the usual key is ed25519")
		};
		let before = root();
		let mut bad = Vec::new();
		for bit in 0..128 {
			bad.push((Voucher { cumulative: good.cumulative ^ (1 << bit), ..good }, signature));
		}
		for bit in 0..32 {
			bad.push((Voucher { valid_until: good.valid_until ^ (1 << bit), ..good }, signature));
			bad.push((Voucher { lane: good.lane ^ (1 << bit), ..good }, signature));
		}
		for bit in 0..256 {
			let mut channel = good.channel;
			channel[bit / 8] ^= 1 << (bit % 8);
			bad.push((Voucher { channel, ..good }, signature));
		}
		for bit in 0..512 {
			let mut signature = signature;
			signature[bit / 8] ^= 1 << (bit % 8);
			bad.push((good, signature));
		}
		for (voucher, signature) in bad {
			events();
			assert_ok!(settle(PAYEE, vec![item_with(voucher, KeySignature::Ed25519(signature))]));
			let skipped =
				Event::BatchSettled { by: PAYEE, paid_items: 0, skipped_items: 1, free: false };
			assert_eq!(events().pop(), Some(skipped));
		}
		assert_eq!(root(), before);
		assert_ok!(settle(PAYEE, vec![item_of(good)]));
		assert_eq!(view(id).settled, 512);
	});
}

#[test]
fn item_should_be_skipped_when_the_grace_period_is_over() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		assert_ok!(Channels::request_close(signed(PAYER), id));
		run_to(MIN_GRACE);
		assert_ok!(settle(PAYEE, vec![item(id, 10)]));
		run_to(1 + MIN_GRACE);
		assert_skipped(PAYEE, item(id, 20), SkipReason::GraceOver);
		assert_skipped(STRANGER, item(id, 20), SkipReason::GraceOver);
		assert_ok!(finalize(vec![id]));
		assert_skipped(PAYEE, item(id, 20), SkipReason::UnknownChannel);
	});
}

#[test]
fn item_should_be_skipped_when_the_settlement_refuses() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		let before = root();
		events();
		assert_ok!(settle(PAYEE, vec![item(id, REFUSED_GROSS)]));
		let error = REFUSED;
		let reason = SkipReason::NotSettled;
		assert_eq!(
			events(),
			vec![
				Event::SettlementRefused { id, lane: 0, error },
				Event::Skipped { index: 0, id, lane: 0, reason },
				Event::BatchSettled { by: PAYEE, paid_items: 0, skipped_items: 1, free: false },
			]
		);
		// What the settlement had paid before it refused is undone, too.
		assert_eq!(root(), before);
	});
}

#[test]
fn settle_batch_should_charge_the_work_that_was_done() {
	build_and_execute(|| {
		let ids = [PAYER, PAYER2, AGENT].map(|payer| open(&payer, &PAYEE, 100));
		let other = open(&PAYER, &PAYEE2, 100);
		let ecdsa = item_with(voucher(ids[1], 10), KeySignature::Ecdsa([0; 65]));
		let items = sorted(vec![
			item(ids[0], 10),
			ecdsa,
			item(ids[2], 0),
			item(NOWHERE, 10),
			item(other, 10),
		]);
		let call = Call::<Test>::settle_batch { items: BoundedVec::truncate_from(items.clone()) };
		let base = <()>::settle_batch(0);
		let step = |n: u64| frame_support::weights::Weight::from_parts(n, 0);
		// Declared: four plain items and one ecdsa item, each of a channel with changes, to a payee of
		// its own, with everybody rewarded, and what the caller's side costs once.
		let (shared, worst, cover) = (300_000, 7_000 + 8_000 + 11_000, 100_000);
		let declared = base * 5 + step(cover + shared + 4_000 + 5_000 + 5 * worst);
		assert_eq!(call.get_dispatch_info().call_weight, declared);
		// Done: one paid, one with a bad ecdsa signature, three that were cheap to skip.
		let post = settle(PAYEE, items).unwrap();
		assert_eq!(post.actual_weight, Some(base + step(cover + 1_000 + 5_000 + 3 * 100)));

		// Rewarded; submitted by a stranger; refused by the settlement after it has done its work.
		let weight = |by, gross| {
			let cumulative = view(ids[0]).settled + gross;
			settle(by, vec![item(ids[0], cumulative)]).unwrap().actual_weight.unwrap()
		};
		assert_eq!(weight(PAYEE, REWARDED_GROSS), base + step(cover + shared + 9_000));
		assert_eq!(weight(PAYEE, ONE_SIDED_GROSS), base + step(cover + shared + 9_000));
		assert_ok!(Channels::request_close(signed(PAYER), ids[0]));
		assert_eq!(weight(STRANGER, REWARDED_GROSS), base + step(cover + shared + 20_000));
		assert_eq!(weight(STRANGER, 1), base + step(cover + 12_000));
		assert_eq!(weight(PAYEE, REFUSED_GROSS), base + step(cover + shared + 20_000));
		// What is refused as a whole costs a look at each item.
		let twice = vec![item(ids[0], 10), item(ids[0], 11)];
		let refused = settle(PAYEE, twice).unwrap_err().post_info;
		assert_eq!(refused.actual_weight, Some(base + step(cover + 2 * 100)));
	});
}

#[test]
fn close_should_charge_the_work_that_was_done() {
	build_and_execute(|| {
		let close = |gross: Option<Balance>| {
			let id = open(&PAYER, &PAYEE, 100);
			let last = gross.map(|gross| item(id, gross));
			Channels::close(signed(PAYEE), id, last).unwrap().actual_weight
		};
		let step = |n: u64| frame_support::weights::Weight::from_parts(n, 0);
		// A close and a batch of one plain item, and what was done for referrers.
		let base = <()>::close() + <()>::settle_batch(1) + <()>::fee_cover();
		assert_eq!(close(Some(REWARDED_GROSS)), Some(base + step(300_000 + 8_000)));
		assert_eq!(close(Some(ONE_SIDED_GROSS)), Some(base + step(300_000 + 8_000)));
		assert_eq!(close(Some(1)), Some(base));
		assert_eq!(close(None), None);
	});
}

#[test]
fn items_should_be_charged_for_lanes_changes_and_ticks() {
	build_and_execute(|| {
		let step = |n: u64| frame_support::weights::Weight::from_parts(n, 0);
		let base = <()>::settle_batch(1) + <()>::fee_cover();
		let id = open_with(&PAYER, &PAYEE, 1_000, 2, None);
		let weight = |item: Item| {
			let call = Call::<Test>::settle_batch { items: BoundedVec::truncate_from(vec![item]) };
			let declared = call.get_dispatch_info().call_weight;
			let actual = settle(PAYEE, vec![item]).unwrap().actual_weight.unwrap();
			assert!(declared.all_gte(actual));
			actual
		};
		assert_eq!(weight(item(id, 1)), base);
		assert_eq!(weight(item_of(Voucher { lane: 1, ..voucher(id, 1) })), base + step(2_000));
		assert_eq!(weight(tick_item(commit(id, 1, 1, 1_024), 7)), base + step(7 * 10));
		// A tick that leads nowhere has been walked, one with a bad signature has not.
		let mut bad = tick_item(commit(id, 1, 1, 1_024), 9);
		let Proof::Ticks(ticks) = &mut bad.proof else { unreachable!() };
		ticks.tick = [0; 32];
		assert_eq!(weight(bad), base + step(9 * 10));
		let Proof::Ticks(ticks) = &mut bad.proof else { unreachable!() };
		ticks.root = [0; 32];
		assert_eq!(weight(bad), base);
		assert_ok!(Channels::rotate_key(signed(PAYER), id, Key::Ed25519([1; 32])));
		assert_eq!(weight(item(id, 10)), base + step(7_000));
	});
}

#[test]
fn settlement_should_be_free_when_the_platforms_share_covers_the_fee() {
	build_and_execute(|| {
		let first = open(&PAYER, &PAYEE, CREDITS);
		let second = open(&PAYER2, &PAYEE, CREDITS);
		let fee_of = |items: &[Item]| {
			let n = items.len() as u32;
			fee(<()>::settle_batch(n) + <()>::fee_cover(), items.encoded_size() as u32)
		};
		let both = |gross| sorted(vec![item(first, gross), item(second, gross)]);
		// The platform's tenths of both are less than the fee, then not.
		let enough = fee_of(&both(1)).div_ceil(2) * 10;
		for (gross, free) in [(enough - 10, false), (enough, true)] {
			frame_support::hypothetically!({
				events();
				let post = settle(PAYEE, both(gross)).unwrap();
				assert_eq!(post.pays_fee == Pays::No, free);
				let (paid_items, skipped_items) = (2, 0);
				let last = Event::BatchSettled { by: PAYEE, paid_items, skipped_items, free };
				assert_eq!(events().pop(), Some(last));
			});
		}
		// All or nothing is as free, and so is a last item.
		frame_support::hypothetically!({
			let items = BoundedVec::truncate_from(both(enough));
			let post = Channels::settle_batch_all(signed(PAYEE), items).unwrap();
			assert_eq!(post.pays_fee, Pays::No);
		});
		let close = |gross| {
			let last = Some(item(first, gross));
			frame_support::hypothetically!(Channels::close(signed(PAYEE), first, last).unwrap())
		};
		assert_eq!(close(CREDITS).pays_fee, Pays::No);
		assert_eq!(close(10).pays_fee, Pays::Yes);
	});
}

#[test]
fn settlement_should_not_be_free_for_an_asset_without_a_rate_or_for_nothing() {
	build_and_execute(|| {
		let id = Channels::channel_id_of(PAYER, PAYEE, STOA);
		let open = Channels::open(signed(PAYER), PAYEE, STOA, CREDITS, key(), MIN_GRACE, 1, None);
		assert_ok!(open);
		assert_eq!(settle(PAYEE, vec![item(id, CREDITS)]).unwrap().pays_fee, Pays::Yes);
		assert_eq!(settle(PAYEE, vec![item(id, CREDITS)]).unwrap().pays_fee, Pays::Yes);
	});
}

#[test]
fn settle_batch_all_should_pay_every_item() {
	build_and_execute(|| {
		let ids = [open(&PAYER, &PAYEE, 100), open(&PAYER2, &PAYEE, 100)];
		events();
		let items = sorted(vec![item(ids[0], 20), item(ids[1], 40)]);
		assert_ok!(settle_all(PAYEE, items.clone()));
		assert_eq!(free(&PAYEE, &USD), 51);
		let seen = events();
		assert_eq!(seen.len(), 3);
		let (paid_items, skipped_items, free) = (2, 0, false);
		let last = Event::BatchSettled { by: PAYEE, paid_items, skipped_items, free };
		assert_eq!(seen.last(), Some(&last));
		// What was paid already fails it too.
		assert_noop!(settle_all(PAYEE, items), Error::<Test>::Stale);
	});
}

#[test]
fn settle_batch_all_should_change_nothing_when_an_item_fails() {
	build_and_execute(|| {
		let ids = sorted((0..3).map(|_| item(open(&PAYER, &PAYEE, 100), 10)).collect());
		let ids: Vec<_> = ids.iter().map(|item| item.channel).collect();
		let forged = KeySignature::Ed25519(pair().sign(b"forged").0);
		for (bad, error) in [
			(item(ids[1], 0), Error::<Test>::Stale.into()),
			(item(ids[1], 101), Error::<Test>::AboveDeposit.into()),
			(item_with(voucher(ids[1], 10), forged), Error::<Test>::BadSignature.into()),
			(item(ids[1], REFUSED_GROSS), REFUSED),
			(Item { lane: 1, ..item(ids[1], 10) }, Error::<Test>::UnknownLane.into()),
		] {
			let items = vec![item(ids[0], 10), bad, item(ids[2], 10)];
			assert_noop!(settle_all(PAYEE, items), error);
		}
		assert_noop!(settle_all(PAYEE, vec![]), Error::<Test>::EmptyBatch);
		let twice = vec![item(ids[0], 10), item(ids[0], 20)];
		assert_noop!(settle_all(PAYEE, twice), Error::<Test>::NotAscending);
	});
}

#[test]
fn settle_batch_should_work_for_a_payee_that_is_not_active_any_more() {
	build_and_execute(|| {
		let id = open(&PAYER, &PAYEE, 100);
		set_inactive(&PAYEE, true);
		assert_ok!(settle(PAYEE, vec![item(id, 10)]));
		assert_ok!(Channels::close(signed(PAYEE), id, Some(item(id, 20))));
		assert_eq!(free(&PAYEE, &USD), 17);
	});
}

/// A channel in each of so many assets, and its item.
fn items_of_assets(assets: u32) -> Vec<Item> {
	let items = (1..=assets).map(|n| {
		let asset = AssetId::WithId(n);
		give(&PAYER, &asset, CREDITS);
		let id = Channels::channel_id_of(PAYER, PAYEE, asset.clone());
		assert_ok!(Channels::open(signed(PAYER), PAYEE, asset, 100, key(), MIN_GRACE, 1, None));
		item(id, 20)
	});
	sorted(items.collect())
}

#[test]
fn a_further_asset_should_be_charged_as_another_base() {
	new_test_ext().execute_with(|| {
		let items = items_of_assets(3);
		let one = <()>::settle_batch(0);
		let weight_of = |items: &[Item]| {
			frame_support::hypothetically!(settle(PAYEE, items.to_vec()).unwrap().actual_weight)
		};
		let plain = |n: u32| <()>::settle_batch(n) + <()>::fee_cover();
		assert_eq!(weight_of(&items[..1]), Some(plain(1)));
		assert_eq!(weight_of(&items[..2]), Some(plain(2) + one));
		assert_eq!(weight_of(&items), Some(plain(3) + one * 2));
		// Two of one asset are one; what is skipped is none.
		let again = [items[0], item(NOWHERE, 1)];
		let skipped = <()>::settle_batch_skipped(1) - <()>::settle_batch_skipped(0);
		assert_eq!(weight_of(&sorted(again.to_vec())), Some(plain(1) + skipped));
		// Declared for as many as there can be.
		let most = |n: usize| {
			let items = BoundedVec::truncate_from(vec![items[0]; n]);
			Call::<Test>::settle_batch { items }.get_dispatch_info().call_weight
		};
		let step = most(2) - most(1);
		assert_eq!(most(8), most(1) + step * 7);
		assert_eq!(most(10), most(8) + (step - one) * 2);
	});
}

#[test]
fn items_should_be_skipped_when_a_batch_has_too_many_assets() {
	new_test_ext().execute_with(|| {
		let items = items_of_assets(MAX_ASSETS + 2);
		assert_noop!(settle_all(PAYEE, items.clone()), Error::<Test>::TooManyAssets);
		events();
		let post = settle(PAYEE, items.clone()).unwrap();
		let call = Call::<Test>::settle_batch { items: BoundedVec::truncate_from(items.clone()) };
		assert!(call.get_dispatch_info().call_weight.all_gte(post.actual_weight.unwrap()));
		let seen = events();
		let (refused, error) = (&items[MAX_ASSETS as usize..], Error::<Test>::TooManyAssets.into());
		let mut expected = Vec::new();
		for (index, Item { channel: id, lane, .. }) in (MAX_ASSETS..).zip(refused) {
			let (id, lane, reason) = (*id, *lane, SkipReason::NotSettled);
			expected.push(Event::SettlementRefused { id, lane, error });
			expected.push(Event::Skipped { index, id, lane, reason });
		}
		let (paid_items, skipped_items, free) = (MAX_ASSETS, 2, false);
		expected.push(Event::BatchSettled { by: PAYEE, paid_items, skipped_items, free });
		assert_eq!(seen[MAX_ASSETS as usize..], expected);
		// The next batch pays them, and those before are stale.
		assert_ok!(settle_all(PAYEE, refused.to_vec()));
		assert_noop!(settle_all(PAYEE, items), Error::<Test>::Stale);
		Channels::do_try_state().unwrap();
	});
}
