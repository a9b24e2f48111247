//! Each call at its worst case.
//!
//! Vouchers are signed in setup by a key of the keystore that benchmarks run with.

#![cfg(feature = "runtime-benchmarks")]

use super::*;
use crate::Pallet as Channels;
use alloc::{vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{Consideration, ConstU32, Get},
	BoundedVec,
};
use frame_system::RawOrigin;
use sp_core::{crypto::KeyTypeId, ecdsa, ed25519, sr25519};
use sp_io::crypto;
use stoa_primitives::{
	channel::{ChannelId, Item, Proof, DEFAULT_GRACE, MAX_BATCH},
	keys::{Key, KeySignature},
	money::LockReason,
	payload::{Payload, Voucher},
	traits::{AgentRegistry, Ledger, OutcomeHook, Settlement, SpendGuard},
	AccountId, AssetId, Balance,
};

const ASSET: AssetId = AssetId::WithId(1);
const DEPOSIT: Balance = 1_000_000_000_000;
const KEYS: KeyTypeId = KeyTypeId(*b"vouc");

fn ecdsa_key() -> Key {
	Key::Ecdsa(crypto::ecdsa_generate(KEYS, None).0)
}

fn sr25519_key() -> Key {
	Key::Sr25519(crypto::sr25519_generate(KEYS, None).0)
}

fn sign(key: &Key, message: &[u8]) -> KeySignature {
	match key {
		Key::Ed25519(public) => KeySignature::Ed25519(
			crypto::ed25519_sign(KEYS, &ed25519::Public::from_raw(*public), message)
				.expect("generated here")
				.0,
		),
		Key::Sr25519(public) => KeySignature::Sr25519(
			crypto::sr25519_sign(KEYS, &sr25519::Public::from_raw(*public), message)
				.expect("generated here")
				.0,
		),
		Key::Ecdsa(public) => KeySignature::Ecdsa(
			crypto::ecdsa_sign(KEYS, &ecdsa::Public::from_raw(*public), message)
				.expect("generated here")
				.0,
		),
	}
}

/// An item that takes half of the deposit.
fn item<T: Config>(channel: ChannelId, key: &Key) -> Item {
	let voucher = Voucher { channel, lane: 0, cumulative: DEPOSIT / 2, valid_until: u32::MAX };
	Item {
		channel,
		lane: 0,
		capture: None,
		proof: Proof::Voucher {
			cumulative: voucher.cumulative,
			valid_until: voucher.valid_until,
			signature: sign(key, &voucher.to_bytes(&Channels::<T>::domain())),
		},
	}
}

fn payee<T: Config>() -> AccountId {
	let payee: AccountId = whitelisted_caller();
	T::Registry::benchmark_agent(&payee);
	payee
}

/// An active agent with just the credits of one channel, whose operator can put up storage deposits.
fn payer<T: Config>(seed: u32) -> (AccountId, AccountId) {
	let payer: AccountId = account("payer", seed, 0);
	let operator = T::Registry::benchmark_agent(&payer);
	T::Ledger::benchmark_deposit(&payer, &ASSET, DEPOSIT);
	T::ChannelConsideration::ensure_successful(&operator, Channels::<T>::channel_footprint());
	T::NonceConsideration::ensure_successful(&operator, Channels::<T>::nonce_footprint());
	(payer, operator)
}

/// A sponsored channel from a payer of its own, which has nothing left and no referrer.
fn channel<T: Config>(payee: &AccountId, seed: u32, key: Key) -> (ChannelId, AccountId) {
	let (payer, _) = payer::<T>(seed);
	let id = Channels::<T>::channel_id_of(payer.clone(), payee.clone(), ASSET);
	Channels::<T>::open(
		RawOrigin::Signed(payer.clone()).into(),
		payee.clone(),
		ASSET,
		DEPOSIT,
		key,
		DEFAULT_GRACE,
		1,
		None,
	)
	.expect("all that it needs was given");
	T::Outcome::worst_case(&payer, payee);
	(id, payer)
}

/// The same, where both sides have as many referrers to reward as there can be.
fn rewarded_channel<T: Config>(payee: &AccountId, seed: u32, key: Key) -> (ChannelId, AccountId) {
	let (id, payer) = channel::<T>(payee, seed, key);
	T::Settlement::benchmark_worst_case(&payer, payee, &ASSET);
	(id, payer)
}

/// `n` valid items for what `channel` opens.
fn items<T: Config>(n: u32, key: Key, channel: impl Fn(u32) -> ChannelId) -> Vec<Item> {
	let mut items: Vec<_> = (0..n).map(|i| item::<T>(channel(i), &key)).collect();
	items.sort_by_key(|item| item.channel);
	items
}

fn bounded<V, const N: u32>(values: Vec<V>) -> BoundedVec<V, ConstU32<N>> {
	BoundedVec::truncate_from(values)
}

/// The grace period is over.
fn make_due<T: Config>(id: &ChannelId) {
	crate::Channels::<T>::mutate(id, |channel| {
		channel.as_mut().expect("opened here").phase =
			Phase::Closing { ends: 0, cancellable: true };
	});
}

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(event.into());
}

fn assert_closed<T: Config>(id: ChannelId, paid: Balance) {
	let reason = CloseReason::ByPayee;
	assert_last_event::<T>(Event::Closed { id, paid, refunded: DEPOSIT - paid, reason });
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn open() {
		// The operator puts up the one deposit, the agent the other, and spends its last credit.
		let payee = payee::<T>();
		let (payer, operator) = payer::<T>(0);
		T::NonceConsideration::ensure_successful(&payer, Channels::<T>::nonce_footprint());
		let pairs = T::MaxSponsoredPairs::get();
		Sponsorships::<T>::insert(&operator, &payer, Sponsored { channels: 0, pairs });
		T::SpendGuard::benchmark_worst_case(&payer, &payee, &ASSET);
		let id = Channels::<T>::channel_id_of(payer.clone(), payee.clone(), ASSET);
		let key = sr25519_key();

		#[extrinsic_call]
		_(
			RawOrigin::Signed(payer.clone()),
			payee.clone(),
			ASSET,
			DEPOSIT,
			key,
			DEFAULT_GRACE,
			1,
			None,
		);

		let view = Channels::<T>::channel(id).expect("just opened");
		assert_eq!((view.deposit, view.nonce), (DEPOSIT, 0));
		assert_eq!(view.depositor, operator);
		assert_eq!(Sponsorships::<T>::get(operator, payer), Sponsored { channels: 1, pairs });
	}

	#[benchmark]
	fn top_up() {
		let payee = payee::<T>();
		let (id, payer) = channel::<T>(&payee, 0, sr25519_key());
		let operator = T::Registry::operator_of(&payer).expect("an agent");
		T::Ledger::benchmark_deposit(&operator, &ASSET, DEPOSIT);
		T::SpendGuard::benchmark_worst_case(&operator, &payer, &ASSET);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator.clone()), id, DEPOSIT);

		assert_last_event::<T>(Event::ToppedUp {
			id,
			by: operator,
			amount: DEPOSIT,
			deposit: DEPOSIT * 2,
		});
	}

	#[benchmark]
	fn settle_batch(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), sr25519_key());
		let items = bounded(items::<T>(n, key, |i| channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		_(RawOrigin::Signed(payee.clone()), items);

		assert_last_event::<T>(Event::BatchSettled { by: payee, paid_items: n, skipped_items: 0 });
	}

	#[benchmark]
	fn settle_batch_rewarded(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), sr25519_key());
		let items = bounded(items::<T>(n, key, |i| rewarded_channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), items);

		assert_last_event::<T>(Event::BatchSettled { by: payee, paid_items: n, skipped_items: 0 });
	}

	#[benchmark]
	fn settle_batch_foreign(n: Linear<1, { MAX_BATCH }>) {
		let key = sr25519_key();
		let items = items::<T>(n, key, |i| {
			let payee: AccountId = account("payee", i, 0);
			T::Registry::benchmark_agent(&payee);
			let (id, payer) = rewarded_channel::<T>(&payee, i, key);
			Channels::<T>::request_close(RawOrigin::Signed(payer).into(), id).expect("it is open");
			id
		});
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(caller.clone()), bounded(items));

		assert_last_event::<T>(Event::BatchSettled { by: caller, paid_items: n, skipped_items: 0 });
	}

	#[benchmark]
	fn settle_batch_ecdsa(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), ecdsa_key());
		let items = bounded(items::<T>(n, key, |i| channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), items);

		assert_last_event::<T>(Event::BatchSettled { by: payee, paid_items: n, skipped_items: 0 });
	}

	#[benchmark]
	fn settle_batch_skipped(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), sr25519_key());
		let mut items = items::<T>(n, key, |i| channel::<T>(&payee, i, key).0);
		for item in &mut items {
			let Proof::Voucher { cumulative, .. } = &mut item.proof;
			*cumulative = DEPOSIT + 1;
		}

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), bounded(items));

		assert_last_event::<T>(Event::BatchSettled { by: payee, paid_items: 0, skipped_items: n });
	}

	#[benchmark]
	fn request_close() {
		let payee = payee::<T>();
		let (id, payer) = channel::<T>(&payee, 0, sr25519_key());

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), id);

		assert!(Channels::<T>::deadlines(id).expect("still there").closing);
	}

	#[benchmark]
	fn cancel_close() {
		let payee = payee::<T>();
		let (id, payer) = channel::<T>(&payee, 0, sr25519_key());
		Channels::<T>::request_close(RawOrigin::Signed(payer.clone()).into(), id)
			.expect("the channel is open");

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), id);

		assert_last_event::<T>(Event::CloseCancelled { id });
	}

	#[benchmark]
	fn close() {
		let payee = payee::<T>();
		let (id, _) = channel::<T>(&payee, 0, ecdsa_key());

		#[extrinsic_call]
		_(RawOrigin::Signed(payee), id, None);

		assert_closed::<T>(id, 0);
	}

	#[benchmark]
	fn close_settled() {
		let payee = payee::<T>();
		let key = ecdsa_key();
		let (id, _) = rewarded_channel::<T>(&payee, 0, key);
		let last = item::<T>(id, &key);

		#[extrinsic_call]
		close(RawOrigin::Signed(payee), id, Some(last));

		assert_closed::<T>(id, DEPOSIT / 2);
	}

	#[benchmark]
	fn finalize(n: Linear<1, { MAX_FINALIZE }>) {
		let payee = payee::<T>();
		let key = sr25519_key();
		let ids: Vec<_> = (0..n).map(|i| channel::<T>(&payee, i, key).0).collect();
		ids.iter().for_each(make_due::<T>);
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		_(RawOrigin::Signed(caller), bounded(ids));

		assert_eq!(T::Ledger::locked(&ASSET, LockReason::Channel), 0);
	}

	#[benchmark]
	fn finalize_skipped(n: Linear<1, { MAX_FINALIZE }>) {
		let payee = payee::<T>();
		let key = sr25519_key();
		// One that is due, or the call would fail; the rest is open.
		let due = channel::<T>(&payee, n, key).0;
		make_due::<T>(&due);
		let mut ids = vec![due];
		ids.extend((1..n).map(|i| channel::<T>(&payee, i, key).0));
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		finalize(RawOrigin::Signed(caller), bounded(ids));

		assert!(Channels::<T>::channel(due).is_none());
		assert_eq!(crate::Channels::<T>::iter().count() as u32, n - 1);
	}
}
