//! Settling: each outcome of an item, and of a batch.

use super::*;
use crate::weights::WeightInfo;
use frame_support::dispatch::GetDispatchInfo;
use sp_core::{ecdsa, sr25519, Pair};

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
				Event::BatchSettled { by: PAYEE, paid_items: 1, skipped_items: 0 },
			]
		);
		assert_eq!((free(&PAYEE, &USD), locked(&USD)), (170, 800));
		assert_ok!(settle(PAYEE, vec![item(id, 300)]));
		assert_eq!((free(&PAYEE, &USD), locked(&USD)), (255, 700));
		assert_eq!((free(&PLATFORM, &USD), free(&REFERRERS, &USD)), (30, 15));
		assert_eq!((view(id).settled, view(id).lane0, view(id).deposit), (300, 300, 1_000));
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
			let skipped = Event::BatchSettled { by: PAYEE, paid_items: 0, skipped_items: 1 };
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
				Event::BatchSettled { by: PAYEE, paid_items: 0, skipped_items: 1 },
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
		// Declared: four plain items and one ecdsa item, each to a payee of its own, with everybody
		// rewarded, and what the caller's side costs once.
		let (shared, worst) = (300_000, 8_000 + 11_000);
		let declared = base + step(shared + 4_000 + 5_000 + 5 * worst);
		assert_eq!(call.get_dispatch_info().call_weight, declared);
		// Done: one paid, one with a bad ecdsa signature, three that were cheap to skip.
		let post = settle(PAYEE, items).unwrap();
		assert_eq!(post.actual_weight, Some(base + step(1_000 + 5_000 + 3 * 100)));

		// Rewarded; submitted by a stranger; refused by the settlement after it has done its work.
		let weight = |by, gross| {
			let cumulative = view(ids[0]).settled + gross;
			settle(by, vec![item(ids[0], cumulative)]).unwrap().actual_weight.unwrap()
		};
		assert_eq!(weight(PAYEE, REWARDED_GROSS), base + step(shared + 9_000));
		assert_eq!(weight(PAYEE, ONE_SIDED_GROSS), base + step(shared + 9_000));
		assert_ok!(Channels::request_close(signed(PAYER), ids[0]));
		assert_eq!(weight(STRANGER, REWARDED_GROSS), base + step(shared + 20_000));
		assert_eq!(weight(STRANGER, 1), base + step(12_000));
		assert_eq!(weight(PAYEE, REFUSED_GROSS), base + step(shared + 20_000));
		// What is refused as a whole costs a look at each item.
		let twice = vec![item(ids[0], 10), item(ids[0], 11)];
		let refused = settle(PAYEE, twice).unwrap_err().post_info;
		assert_eq!(refused.actual_weight, Some(base + step(2 * 100)));
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
		// Declared for an ecdsa signature and all rewards: 4_000 and 308_000 more than a plain item.
		let worst = <()>::close_settled();
		let step = |n: u64| frame_support::weights::Weight::from_parts(n, 0);
		assert_eq!(close(Some(REWARDED_GROSS)), Some(worst - step(4_000)));
		assert_eq!(close(Some(ONE_SIDED_GROSS)), Some(worst - step(4_000 + 154_000)));
		assert_eq!(close(Some(1)), Some(worst - step(4_000 + 308_000)));
		assert_eq!(close(None), None);
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
