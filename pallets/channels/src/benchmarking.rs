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
	weights::Weight,
	BoundedVec,
};
use frame_system::RawOrigin;
use sp_core::{crypto::KeyTypeId, ecdsa, ed25519, sr25519};
use sp_io::crypto;
use sp_runtime::{traits::IdentifyAccount, MultiSigner};
use stoa_primitives::{
	channel::{
		Cap, Capture, ChannelId, Item, Proof, DEFAULT_GRACE, MAX_BATCH, MAX_CAPTURES, MAX_LANES,
	},
	keys::{AgentSignature, Key, KeySignature},
	money::LockReason,
	payload::{CloseConsent, OpenAuth, Payload, Voucher},
	tick::{self, MAX_TICKS},
	traits::{AgentRegistry, FeeCover, Ledger, OutcomeHook, Settlement, SpendGuard},
	AccountId, AssetId, Balance,
};

const ASSET: AssetId = AssetId::WithId(1);
const DEPOSIT: Balance = 1_000_000_000_000;
const KEYS: KeyTypeId = KeyTypeId(*b"vouc");

/// A cap that is in nobody's way.
const CAP: Cap = Cap { per_window: Balance::MAX, window: DEFAULT_GRACE };

fn ed25519_key() -> Key {
	Key::Ed25519(crypto::ed25519_generate(KEYS, None).0)
}

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

/// An account whose signatures are the dearest to check: ecdsa, which is recovered, in the wrapping of
/// a wallet, so that it is recovered twice.
struct Signer {
	public: ecdsa::Public,
	account: AccountId,
}

impl Signer {
	fn new() -> Self {
		let public = crypto::ecdsa_generate(KEYS, None);
		Self { public, account: MultiSigner::Ecdsa(public).into_account() }
	}

	fn sign(&self, message: &[u8]) -> AgentSignature {
		let wrapped = [b"<Bytes>".as_slice(), message, b"</Bytes>".as_slice()].concat();
		let signature = crypto::ecdsa_sign(KEYS, &self.public, &wrapped).expect("generated here");
		AgentSignature::Account(signature.into())
	}
}

/// An item that takes half of the deposit.
fn item<T: Config>(channel: ChannelId, key: &Key) -> Item {
	item_on::<T>(channel, 0, key)
}

/// The same on any lane.
fn item_on<T: Config>(channel: ChannelId, lane: u32, key: &Key) -> Item {
	let voucher = Voucher { channel, lane, cumulative: DEPOSIT / 2, valid_until: u32::MAX };
	Item {
		channel,
		lane,
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
	let operator = fund::<T>(&payer);
	(payer, operator)
}

/// Make `payer` such an agent; returns its operator.
fn fund<T: Config>(payer: &AccountId) -> AccountId {
	let operator = T::Registry::benchmark_agent(payer);
	T::Ledger::benchmark_deposit(payer, &ASSET, DEPOSIT);
	let footprint = Channels::<T>::channel_footprint(MAX_LANES);
	T::ChannelConsideration::ensure_successful(&operator, footprint);
	T::NonceConsideration::ensure_successful(&operator, Channels::<T>::nonce_footprint());
	operator
}

/// A sponsored channel from a payer of its own, which has nothing left and no referrer. Of the cap
/// as many captures are remembered as can be.
fn channel<T: Config>(payee: &AccountId, seed: u32, key: Key) -> (ChannelId, AccountId) {
	let (payer, _) = payer::<T>(seed);
	(open_from::<T>(&payer, payee, key), payer)
}

/// The same from this payer.
fn open_from<T: Config>(payer: &AccountId, payee: &AccountId, key: Key) -> ChannelId {
	let id = Channels::<T>::channel_id_of(payer.clone(), payee.clone(), ASSET);
	Channels::<T>::open(
		RawOrigin::Signed(payer.clone()).into(),
		payee.clone(),
		ASSET,
		DEPOSIT,
		key,
		DEFAULT_GRACE,
		MAX_LANES,
		Some(CAP),
	)
	.expect("all that it needs was given");
	crate::Channels::<T>::mutate(id, |channel| {
		let cap = channel.as_mut().and_then(|channel| channel.cap.as_mut());
		// In as many stretches, of blocks to come, so that none is too old.
		let at = |n| Channels::<T>::now() + n * (DEFAULT_GRACE / 7 + 1);
		let recent = (0..MAX_CAPTURES).map(|n| Capture { at: at(n), amount: 1 }).collect();
		cap.expect("opened with one").recent = BoundedVec::truncate_from(recent);
	});
	T::Outcome::worst_case(payer, payee);
	id
}

/// Give a channel every row that it can have, as long as it can be, and request its close. Its key
/// becomes a replaced one.
fn fill<T: Config>(id: &ChannelId, payer: &AccountId) {
	let origin = || RawOrigin::Signed(payer.clone()).into();
	Lanes::<T>::insert(id, bounded::<Balance, { MAX_LANES as u32 - 1 }>(vec![0; 255]));
	Channels::<T>::rotate_key(origin(), *id, ecdsa_key()).expect("it is another key");
	let tighter = Cap { per_window: Balance::MAX - 1, ..CAP };
	Channels::<T>::set_cap(origin(), *id, Some(tighter)).expect("it is within bounds");
	for lane in 1..u32::from(MAX_LANES) - 1 {
		Channels::<T>::revoke_lane(origin(), *id, lane).expect("it was not revoked");
	}
	Channels::<T>::request_close(origin(), *id).expect("it is open");
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

/// The grace period of a channel with all rows is over.
fn make_due<T: Config>(id: &ChannelId, payer: &AccountId) {
	fill::<T>(id, payer);
	let mut channel = crate::Channels::<T>::get(id).expect("opened here");
	let Phase::Closing { ends, .. } = channel.phase else { unreachable!("just requested") };
	Due::<T>::remove(ends, id);
	Due::<T>::insert(0, id, ());
	channel.phase = Phase::Closing { ends: 0, cancellable: true };
	crate::Channels::<T>::insert(id, channel);
}

/// So many of them, to one payee.
fn due_channels<T: Config>(n: u32) -> Vec<ChannelId> {
	let payee = payee::<T>();
	let key = ed25519_key();
	(0..n)
		.map(|i| {
			let (id, payer) = channel::<T>(&payee, i, key);
			make_due::<T>(&id, &payer);
			id
		})
		.collect()
}

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(event.into());
}

fn assert_settled<T: Config>(by: AccountId, paid_items: u32, skipped_items: u32) {
	let [free, paid] = [true, false].map(|free| {
		let by = by.clone();
		<T as frame_system::Config>::RuntimeEvent::from(Event::<T>::BatchSettled {
			by,
			paid_items,
			skipped_items,
			free,
		})
	});
	let last = frame_system::Pallet::<T>::events().pop().map(|record| record.event);
	// Whether it was free is a matter of the rate.
	assert!(last.as_ref() == Some(&free) || last.as_ref() == Some(&paid));
}

fn assert_closed<T: Config>(id: ChannelId, paid: Balance, reason: CloseReason) {
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
			MAX_LANES,
			Some(CAP),
		);

		let view = Channels::<T>::channel(id).expect("just opened");
		assert_eq!((view.deposit, view.nonce), (DEPOSIT, 0));
		assert_eq!(view.depositor, operator);
		assert_eq!(Sponsorships::<T>::get(operator, payer), Sponsored { channels: 1, pairs });
	}

	#[benchmark]
	fn open_authorized() {
		// The same, with a signature that is dear to check.
		let payee = payee::<T>();
		let signer = Signer::new();
		let payer = signer.account.clone();
		let operator = fund::<T>(&payer);
		T::NonceConsideration::ensure_successful(&payer, Channels::<T>::nonce_footprint());
		let pairs = T::MaxSponsoredPairs::get();
		Sponsorships::<T>::insert(&operator, &payer, Sponsored { channels: 0, pairs });
		T::SpendGuard::benchmark_worst_case(&payer, &payee, &ASSET);
		let id = Channels::<T>::channel_id_of(payer.clone(), payee.clone(), ASSET);
		let (key, nonce, expires) = (ed25519_key(), 0, u32::MAX);
		let auth = OpenAuth {
			payee: payee.clone(),
			asset: OpenAuth::asset_digest(&ASSET),
			amount: DEPOSIT,
			voucher_key: key,
			grace: DEFAULT_GRACE,
			nonce,
			expires,
		};
		let signature = signer.sign(&auth.to_bytes(&Channels::<T>::domain()));

		#[extrinsic_call]
		_(
			RawOrigin::Signed(payee),
			payer,
			ASSET,
			DEPOSIT,
			key,
			DEFAULT_GRACE,
			nonce,
			expires,
			signature,
		);

		assert_eq!(Channels::<T>::channel(id).expect("just opened").depositor, operator);
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
		let (payee, key) = (payee::<T>(), ed25519_key());
		let items = bounded(items::<T>(n, key, |i| channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		_(RawOrigin::Signed(payee.clone()), items);

		assert_settled::<T>(payee, n, 0);
	}

	#[benchmark]
	fn settle_batch_sr25519(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), sr25519_key());
		let items = bounded(items::<T>(n, key, |i| channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), items);

		assert_settled::<T>(payee, n, 0);
	}

	#[benchmark]
	fn settle_batch_lanes(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), ed25519_key());
		let last = u32::from(MAX_LANES) - 1;
		let mut items: Vec<_> = (0..n)
			.map(|i| {
				let (id, _) = channel::<T>(&payee, i, key);
				Lanes::<T>::insert(id, bounded::<Balance, { MAX_LANES as u32 - 1 }>(vec![0; 255]));
				item_on::<T>(id, last, &key)
			})
			.collect();
		items.sort_by_key(|item| item.channel);

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), bounded(items));

		assert_settled::<T>(payee, n, 0);
	}

	#[benchmark]
	fn settle_batch_changed(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), ecdsa_key());
		let items = items::<T>(n, key, |i| {
			let (id, payer) = channel::<T>(&payee, i, key);
			fill::<T>(&id, &payer);
			// The waiting cap is due, so that the row is written.
			Waiting::<T>::mutate(id, |changes| {
				changes.cap = changes.cap.map(|(cap, _)| (cap, 0));
			});
			id
		});

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), bounded(items));

		assert_settled::<T>(payee, n, 0);
	}

	#[benchmark]
	fn settle_batch_rewarded(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), ed25519_key());
		let items = bounded(items::<T>(n, key, |i| rewarded_channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), items);

		assert_settled::<T>(payee, n, 0);
	}

	#[benchmark]
	fn settle_batch_foreign(n: Linear<1, { MAX_BATCH }>) {
		let key = ed25519_key();
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

		assert_settled::<T>(caller, n, 0);
	}

	#[benchmark]
	fn settle_batch_ecdsa(n: Linear<1, { MAX_BATCH }>) {
		let (payee, key) = (payee::<T>(), ecdsa_key());
		let items = bounded(items::<T>(n, key, |i| channel::<T>(&payee, i, key).0));

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), items);

		assert_settled::<T>(payee, n, 0);
	}

	#[benchmark]
	fn settle_batch_skipped(n: Linear<1, { MAX_BATCH }>) {
		// They fail the last check before the signature's, with all rows read.
		let (payee, key) = (payee::<T>(), ed25519_key());
		let last = u32::from(MAX_LANES) - 1;
		let mut items: Vec<_> = (0..n)
			.map(|i| {
				let (id, payer) = channel::<T>(&payee, i, key);
				fill::<T>(&id, &payer);
				let mut item = item_on::<T>(id, last, &key);
				let Proof::Voucher { cumulative, .. } = &mut item.proof else {
					unreachable!("it is one")
				};
				*cumulative = DEPOSIT + 1;
				item
			})
			.collect();
		items.sort_by_key(|item| item.channel);

		#[extrinsic_call]
		settle_batch(RawOrigin::Signed(payee.clone()), bounded(items));

		assert_settled::<T>(payee, 0, n);
	}

	#[benchmark]
	fn walk_ticks(n: Linear<0, MAX_TICKS>) {
		let (prefix, seed) = ([1; 16], [2; 32]);
		let root;

		#[block]
		{
			root = tick::walk(&prefix, n, 0, seed);
		}

		assert_eq!(root == seed, n == 0);
	}

	#[benchmark]
	fn fee_cover() {
		T::FeeCover::benchmark_worst_case(&ASSET);
		let covers;

		#[block]
		{
			covers = T::FeeCover::covers(&ASSET, 0, Weight::from_parts(1_000_000, 0), 1);
		}

		assert!(!covers);
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
		let (id, payer) = channel::<T>(&payee, 0, ed25519_key());
		fill::<T>(&id, &payer);

		#[extrinsic_call]
		_(RawOrigin::Signed(payee), id, None);

		assert_closed::<T>(id, 0, CloseReason::ByPayee);
	}

	#[benchmark]
	fn close_with_consent() {
		let signer = Signer::new();
		let payee = signer.account.clone();
		T::Registry::benchmark_agent(&payee);
		let (id, payer) = rewarded_channel::<T>(&payee, 0, ed25519_key());
		fill::<T>(&id, &payer);
		let (total, expires) = (DEPOSIT / 2, u32::MAX);
		let consent = CloseConsent { channel: id, total, expires };
		let signature = signer.sign(&consent.to_bytes(&Channels::<T>::domain()));

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), id, total, expires, signature);

		assert_closed::<T>(id, total, CloseReason::ByConsent);
	}

	#[benchmark]
	fn finalize(n: Linear<1, { MAX_FINALIZE }>) {
		let ids = due_channels::<T>(n);
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		_(RawOrigin::Signed(caller), bounded(ids));

		assert_eq!(T::Ledger::locked(&ASSET, LockReason::Channel), 0);
	}

	#[benchmark]
	fn finalize_skipped(n: Linear<1, { MAX_FINALIZE }>) {
		// One that is due, or the call would fail; the rest is open.
		let mut ids = due_channels::<T>(1);
		let (due, payee) = (ids[0], payee::<T>());
		let key = ed25519_key();
		ids.extend((1..n).map(|i| channel::<T>(&payee, i, key).0));
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		finalize(RawOrigin::Signed(caller), bounded(ids));

		assert!(Channels::<T>::channel(due).is_none());
		assert_eq!(crate::Channels::<T>::iter().count() as u32, n - 1);
	}

	#[benchmark]
	fn on_idle(n: Linear<0, { MAX_FINALIZE }>) {
		due_channels::<T>(n);
		// The one block in which they are due is the next to look at, and they are as many as a block
		// ends at most.
		frame_system::Pallet::<T>::set_block_number(0u32.into());

		#[block]
		{
			Channels::<T>::finalize_due(Weight::MAX);
		}

		assert_eq!(crate::Channels::<T>::iter().count(), 0);
	}

	#[benchmark]
	fn on_idle_blocks(n: Linear<0, 100>) {
		let now = 1_000u32;
		frame_system::Pallet::<T>::set_block_number(now.into());
		NextDue::<T>::put(now + 1 - n);

		#[block]
		{
			Channels::<T>::finalize_due(Weight::MAX);
		}

		assert_eq!(NextDue::<T>::get(), now + 1);
	}

	#[benchmark]
	fn rotate_key() {
		let payee = payee::<T>();
		let (id, payer) = channel::<T>(&payee, 0, ed25519_key());
		fill::<T>(&id, &payer);
		// The rotation before is over.
		Waiting::<T>::mutate(id, |changes| changes.key = changes.key.map(|(key, _)| (key, 0)));
		let key = ecdsa_key();

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), id, key);

		assert_eq!(Channels::<T>::channel(id).expect("still there").key, key);
	}

	#[benchmark]
	fn set_cap() {
		let payee = payee::<T>();
		let (id, payer) = channel::<T>(&payee, 0, ed25519_key());
		fill::<T>(&id, &payer);
		let cap = Some(Cap { per_window: 1, ..CAP });

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), id, cap);

		let changes = Channels::<T>::channel(id).expect("still there").changes;
		assert_eq!(changes.cap.map(|(cap, _)| cap), Some(cap));
	}

	#[benchmark]
	fn revoke_lane() {
		let payee = payee::<T>();
		let (id, payer) = channel::<T>(&payee, 0, ed25519_key());
		fill::<T>(&id, &payer);
		let lane = u32::from(MAX_LANES) - 1;

		#[extrinsic_call]
		_(RawOrigin::Signed(payer), id, lane);

		let changes = Channels::<T>::channel(id).expect("still there").changes;
		assert_eq!(changes.revoked.len() as u32, lane);
	}
}
