use super::*;
use crate::{
	chain::fake::{self, channel, FakeChain},
	keys::{Scheme, VoucherKey},
	payee::{Accepted, PayeeConfig},
	settle::{SettlePolicy, Settler},
	store::MemoryStore,
	ticks::TickChain,
};
use std::sync::Arc;
use stoa_primitives::{payload::TickCommit, H256};

const GENESIS: H256 = H256::repeat_byte(1);
const ID: ChannelId = [7; 32];

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

fn domain() -> Domain {
	Domain::channels(GENESIS)
}

fn voucher(lane: u32, cumulative: Balance) -> SignedVoucher {
	let voucher = Voucher { channel: ID, lane, cumulative, valid_until: 0 };
	key().sign_voucher(voucher, &domain())
}

fn ticks(lane: u32, index: u32) -> SignedTicks {
	let chain = TickChain::new([3; 16], [4; 32], 20);
	let commit = TickCommit {
		channel: ID,
		lane,
		base: 0,
		value: 2,
		count: 20,
		prefix: [3; 16],
		root: chain.root(),
		valid_until: 0,
	};
	let signed = SignedCommit::sign(commit, &key(), &domain());
	SignedTicks { signed, index, tick: chain.tick(index).unwrap() }
}

fn chain() -> Arc<FakeChain> {
	let chain = Arc::new(FakeChain::new(GENESIS));
	let info = channel(ID, key().key(), 100);
	chain.put(ChannelInfo { lanes: 3, lane_settled: vec![0; 3], ..info });
	chain
}

async fn start(chain: &Arc<FakeChain>, store: &Arc<MemoryStore>) -> Payee {
	let config = PayeeConfig::new(fake::payee(), fake::ASSET);
	Payee::start(config, store.clone(), chain.clone()).await.unwrap()
}

async fn put_back(chain: &Arc<FakeChain>, store: &Arc<MemoryStore>, items: &[Item]) -> Restored {
	let (store, chain) = (store.as_ref(), chain.as_ref());
	restore(store, chain, &fake::payee(), &fake::ASSET, items).await.unwrap()
}

#[tokio::test]
async fn a_payee_that_lost_its_store_should_claim_what_came_back_and_serve_none_of_it_again() {
	let (chain, store) = (chain(), Arc::new(MemoryStore::default()));
	let payee = start(&chain, &store).await;
	// 25 are allowed, 20 were earned.
	payee.accept(&voucher(0, 25), 20, [1; 32]).await.unwrap();
	payee.accept(&voucher(1, 9), 9, [2; 32]).await.unwrap();
	let proofs: Vec<Item> = payee.proofs().into_iter().map(|claim| claim.item).collect();
	assert_eq!(proofs, [voucher(0, 25).to_item(20), voucher(1, 9).to_item(9)]);

	let empty = Arc::new(MemoryStore::default());
	let older = voucher(1, 5).to_item(5);
	let restored = put_back(&chain, &empty, &[proofs.clone(), vec![older]].concat()).await;
	assert_eq!(restored, Restored { lanes: 2, owed: 29, known: 0, refused: 0 });
	let payee = start(&chain, &empty).await;
	// Nothing has been read yet.
	let kept: Vec<_> = payee.proofs().into_iter().map(|claim| claim.item).collect();
	assert_eq!(kept, proofs);
	let again = payee.accept(&voucher(0, 25), 5, [1; 32]).await.unwrap();
	assert!(matches!(again, Accepted::Replay { same_request: false }), "{again:?}");
	let lower = payee.accept(&voucher(1, 8), 1, [1; 32]).await.unwrap();
	assert!(matches!(lower, Accepted::Rejected(_)), "{lower:?}");
	let settler = Settler::new(payee.clone(), chain.clone(), SettlePolicy::default());
	assert_eq!(settler.settle_now().await.unwrap().claimed, 29);
	assert!(payee.proofs().is_empty());
}

#[tokio::test]
async fn ticks_should_come_back_with_their_commitment() {
	let (chain, store) = (chain(), Arc::new(MemoryStore::default()));
	let item = ticks(2, 7).to_item(10);
	assert_eq!(put_back(&chain, &store, &[item]).await.owed, 10);
	let payee = start(&chain, &store).await;
	payee.refresh_all().await.unwrap();
	assert_eq!(payee.unsettled()[0].item, item);
	// Its root is known: another commitment with it is refused.
	let other = TickCommit { lane: 1, ..ticks(2, 7).signed.commit };
	let other = SignedCommit::sign(other, &key(), &domain());
	let opened = payee.open_ticks(&other).await.unwrap();
	assert_eq!(opened, Err(super::super::Rejection::RootReused));
}

#[tokio::test]
async fn an_older_store_should_be_brought_up_to_date_and_a_newer_one_be_left() {
	let (chain, store) = (chain(), Arc::new(MemoryStore::default()));
	start(&chain, &store).await.accept(&voucher(0, 10), 10, [1; 32]).await.unwrap();
	let known = Restored { known: 1, ..Restored::default() };
	for item in [voucher(0, 9).to_item(9), voucher(0, 10).to_item(10)] {
		assert_eq!(put_back(&chain, &store, &[item]).await, known);
	}
	let newer = voucher(0, 30).to_item(30);
	assert_eq!(put_back(&chain, &store, &[newer]).await.lanes, 1);
	assert_eq!(start(&chain, &store).await.proofs()[0].item, newer);
}

#[tokio::test]
async fn what_the_chain_would_not_pay_should_not_come_back() {
	let (chain, store) = (chain(), Arc::new(MemoryStore::default()));
	let good = voucher(0, 10).to_item(10);
	let forged = VoucherKey::from_uri("//Other", Scheme::Ed25519).unwrap();
	let forged = forged.sign_voucher(voucher(0, 50).voucher, &domain()).to_item(50);
	let bad = [
		forged,
		// A floor above the deposit would close the lane.
		voucher(0, 101).to_item(101),
		Item { capture: Some(11), ..good },
		voucher(3, 10).to_item(10),
		Item { channel: [9; 32], ..good },
		Item { lane: 1, ..good },
	];
	for item in bad {
		let refused = Restored { refused: 1, ..Restored::default() };
		assert_eq!(put_back(&chain, &store, &[item]).await, refused, "{item:?}");
	}
	// The good one beside a forged higher one.
	assert_eq!(put_back(&chain, &store, &[forged, good]).await.owed, 10);
	let elsewhere = AssetId::Native;
	let foreign =
		restore(store.as_ref(), chain.as_ref(), &fake::payee(), &elsewhere, &[good]).await.unwrap();
	assert_eq!(foreign.refused, 1);
	chain.state().down = true;
	let failed =
		restore(store.as_ref(), chain.as_ref(), &fake::payee(), &fake::ASSET, &[good]).await;
	assert!(matches!(failed, Err(PayeeError::Chain(_))));
}
