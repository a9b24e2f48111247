//! No batch weighs more than was declared for it, with the weights of this runtime, whatever its items
//! turn out to be.

use super::*;
use pallet_stoa_channels::{
	work::{Paid, Work},
	WeightInfo as _, MAX_ASSETS,
};
use proptest::prelude::*;
use stoa_primitives::{
	channel::{TickProof, MAX_BATCH},
	referral::MAX_SIDE_WORK,
	tick::MAX_TICKS,
};

type Weights = crate::weights::pallet_stoa_channels::WeightInfo<Runtime>;

/// How far an item comes.
#[derive(Clone, Copy, Debug)]
enum Fate {
	/// It fails a cheap check.
	Skipped,
	/// Its signature, or its tick.
	Refused { tick: bool },
	Paid {
		side_work: u32,
		foreign: bool,
		/// In an asset of its own, if a batch may have one more.
		asset: bool,
	},
}

fn item_of(scheme: u8, lane: u32, ticks: Option<u32>) -> Item {
	let signature = match scheme {
		0 => KeySignature::Ed25519([0; 64]),
		1 => KeySignature::Sr25519([0; 64]),
		_ => KeySignature::Ecdsa([0; 65]),
	};
	let proof = match ticks {
		None => Proof::Voucher { cumulative: 1, valid_until: 0, signature },
		Some(index) => Proof::Ticks(TickProof {
			base: 0,
			value: 1,
			count: u32::MAX,
			prefix: [0; 16],
			root: [0; 32],
			valid_until: 0,
			signature,
			index,
			tick: [0; 32],
		}),
	};
	Item { channel: [0; 32], lane, capture: None, proof }
}

fn any_item() -> impl Strategy<Value = Item> {
	(0..3u8, 0..3u32, prop::option::of(0..MAX_TICKS + 10))
		.prop_map(|(scheme, lane, ticks)| item_of(scheme, lane, ticks))
}

fn fate() -> impl Strategy<Value = Fate> {
	prop_oneof![
		1 => Just(Fate::Skipped),
		1 => any::<bool>().prop_map(|tick| Fate::Refused { tick }),
		4 => (prop_oneof![1 => 0..=MAX_SIDE_WORK, 2 => Just(MAX_SIDE_WORK)], any::<bool>(),
			prop::bool::weighted(0.3))
			.prop_map(|(side_work, foreign, asset)| Fate::Paid { side_work, foreign, asset }),
	]
}

/// Items with what becomes of them, and whether their channels have changes: any mixture, or all alike.
fn batches() -> impl Strategy<Value = Vec<(Item, Fate, bool)>> {
	let one = || (any_item(), fate(), any::<bool>());
	let most = MAX_BATCH as usize;
	prop_oneof![
		prop::collection::vec(one(), 1..20),
		(one(), 1..=most).prop_map(|(one, n)| vec![one; n]),
	]
}

proptest! {
	#![proptest_config(model::config(2_000))]

	#[test]
	fn no_work_should_weigh_more_than_was_declared_for_it(batch in batches()) {
		let (mut work, mut assets) = (Work::default(), 0);
		for (item, fate, changed) in &batch {
			if let Fate::Skipped = fate {
				work.skipped();
				continue;
			}
			work.verified(item, *changed);
			match *fate {
				Fate::Skipped | Fate::Refused { tick: false } => (),
				Fate::Refused { tick: true } => work.walked(item),
				Fate::Paid { side_work, foreign, asset } => {
					work.walked(item);
					// The first is of the first asset.
					if assets == 0 || asset && assets < MAX_ASSETS {
						work.asset();
						assets += 1;
					}
					work.paid(&Paid { side_work, foreign });
				},
			}
		}
		let items: Vec<_> = batch.iter().map(|(item, ..)| *item).collect();
		let (declared, done) = (Work::limit::<Runtime>(&items), work.weight::<Runtime>());
		prop_assert!(declared.all_gte(done), "{done} of {declared}");
		let refused = Work::refused(items.len()).weight::<Runtime>();
		prop_assert!(declared.all_gte(refused), "{refused} of {declared}");
	}
}

/// A channel in each of so many assets, all of one pair, and its item.
fn items_of_assets(payer: &Person, provider: &Person, assets: u32) -> Vec<Item> {
	let alice = alice();
	(0..assets)
		.map(|n| {
			let (id, custody) = (100 + n, Credits::custody_account());
			let asset = AssetId::WithId(id);
			let create = pallet_assets::Call::force_create {
				id,
				owner: alice.account.clone().into(),
				is_sufficient: true,
				min_balance: 1,
			};
			assert_eq!(RuntimeCall::from(create).dispatch(root()).map(|_| ()), Ok(()));
			for (to, amount) in [(&custody, 1), (&alice.account, 2 * DOLLAR)] {
				<Assets as frame_support::traits::fungibles::Mutate<_>>::mint_into(id, to, amount)
					.expect("a new asset");
			}
			ok(
				root(),
				pallet_stoa_credits::Call::accept_asset { asset: asset.clone(), dust_bound: 1 },
			);
			ok(alice.origin(), deposit(&asset, DOLLAR, &payer.account));
			let key = VoucherKey::ed25519(n as u8);
			Channel::open(payer, provider, &asset, DOLLAR / 2, key).voucher(1_000)
		})
		.collect()
}

#[test]
fn batches_of_many_assets_should_be_charged_for_each_of_them() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).registered_by(&bob(), None);
		let mut items = items_of_assets(&payer, &provider, MAX_ASSETS + 1);
		items.sort_by_key(|item| item.channel);
		let weight_of = |items: &[Item]| {
			let call = RuntimeCall::from(settle(items.to_vec()));
			let declared = call.get_dispatch_info().call_weight;
			let info = frame_support::hypothetically!(ok(provider.origin(), call));
			let actual = info.actual_weight.expect("a batch says what it weighed");
			assert!(declared.all_gte(actual));
			actual
		};
		// Each but the first costs what a batch of its own would, less the question of the fee.
		let (one, cover) = (weight_of(&items[..1]), Weights::fee_cover());
		for n in 2..=MAX_ASSETS {
			let expected = one * u64::from(n) - cover * u64::from(n - 1);
			assert_eq!(weight_of(&items[..n as usize]), expected);
		}
		// The ninth waits for the next batch.
		take_events();
		ok(provider.origin(), settle(items.clone()));
		let refused = take_events().into_iter().find_map(|event| match event {
			RuntimeEvent::Channels(pallet_stoa_channels::Event::SettlementRefused {
				id,
				error,
				..
			}) => Some((id, error)),
			_ => None,
		});
		let last = items[MAX_ASSETS as usize];
		let error = pallet_stoa_channels::Error::<Runtime>::TooManyAssets.into();
		assert_eq!(refused, Some((last.channel, error)));
		ok(provider.origin(), settle(vec![last]));
		assert!(items
			.iter()
			.all(|item| { Channels::channel(item.channel).expect("it is open").settled == 1_000 }));
	});
}
