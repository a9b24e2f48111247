use super::*;
use crate::{
	chain::{
		fake::{self, channel, FakeChain},
		ChainView, ChannelInfo,
	},
	keys::Scheme,
	payee::{Accepted, Payee, PayeeConfig, TickPayment, TickVerdict},
	payer::{Payment, Policy, TickTerms},
	store::MemoryStore,
};
use futures::FutureExt;
use sp_core::H256;
use std::sync::Arc;

const GENESIS: H256 = H256::repeat_byte(1);
const IDS: [ChannelId; 2] = [[8; 32], [9; 32]];

fn key() -> VoucherKey {
	VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap()
}

/// A payee that answers whom it should.
struct Honest(Payee);

impl Payees for Honest {
	fn highest(
		&self,
		payee: AccountId,
		proof: ChannelProof,
	) -> BoxFuture<'_, Result<Vec<Allowance>, String>> {
		async move {
			assert_eq!(payee, fake::payee());
			let info = self.0.lookup(&proof.channel).await.unwrap().unwrap();
			assert!(proof.verify(&info.key, &self.0.domain()));
			Ok(self.0.records(&proof.channel).iter().map(|record| record.proof).collect())
		}
		.boxed()
	}
}

/// A payee that says what it is told to.
struct Saying(Result<Vec<Allowance>, String>);

impl Payees for Saying {
	fn highest(
		&self,
		_: AccountId,
		_: ChannelProof,
	) -> BoxFuture<'_, Result<Vec<Allowance>, String>> {
		let says = self.0.clone();
		async move { says }.boxed()
	}
}

fn new_payer() -> Payer {
	Payer::new(Arc::new(MemoryStore::default()), GENESIS, Policy::per_call(100)).unwrap()
}

fn chain() -> Arc<FakeChain> {
	let chain = Arc::new(FakeChain::new(GENESIS));
	for id in IDS {
		let lane_settled = vec![0; 2];
		chain.put(ChannelInfo { lanes: 2, lane_settled, ..channel(id, key().key(), 1_000) });
	}
	// Somebody else's, and one of another key.
	let other = channel([1; 32], VoucherKey::generate().0.key(), 100);
	chain.put(other.clone());
	chain.put(ChannelInfo { id: [2; 32], payer: fake::payee(), ..other });
	chain
}

async fn take(payee: &Payee, payment: &Payment) -> bool {
	match payment.proof() {
		Allowance::Voucher(signed) => {
			let outcome = payee.accept(signed, payment.price(), [0; 32]).await.unwrap();
			matches!(outcome, Accepted::Fresh(_))
		},
		Allowance::Ticks(ticks) => {
			payee.open_ticks(&ticks.signed).await.unwrap().unwrap();
			let (at, price) = (payment.lane(), payment.price());
			let (index, tick, request) = (ticks.index, ticks.tick, [0; 32]);
			let payment = TickPayment { at, index, tick, price, request };
			payee.pay_ticks(&[payment]).await.unwrap() == [TickVerdict::Fresh]
		},
	}
}

async fn payee(chain: &Arc<FakeChain>) -> Payee {
	let view: Arc<dyn ChainView> = chain.clone();
	let config = PayeeConfig::new(fake::payee(), fake::ASSET);
	Payee::start(config, Arc::new(MemoryStore::default()), view).await.unwrap()
}

/// The payer of [`channel`].
fn account() -> AccountId {
	AccountId::new([1; 32])
}

#[tokio::test]
async fn a_payer_that_has_lost_its_store_should_go_on_where_it_was() {
	let chain = chain();
	let (payee, before) = (payee(&chain).await, new_payer());
	for id in IDS {
		let info = chain.state().finalized[&id].clone();
		before.add_channel(&info, key()).await.unwrap();
	}
	for _ in 0..3 {
		let payment = before.pay(&IDS[0], 0, 10).await.unwrap();
		assert!(take(&payee, &payment).await);
		payment.acknowledge();
		let payment = before.pay_tick(&IDS[1], 1, 5, TickTerms::new(5)).await.unwrap();
		assert!(take(&payee, &payment).await);
		payment.acknowledge();
	}
	drop(before);

	let after = new_payer();
	let honest = Honest(payee.clone());
	let found = after.recover(&account(), &key(), chain.as_ref(), &honest, 7).await.unwrap();
	let expected = IDS.map(|channel| Recovered { channel, proven: 1, problem: None });
	assert_eq!(found, expected);
	let known: Vec<_> = after.channels().iter().map(|one| (one.signed, one.unanswered)).collect();
	assert_eq!(known, [(30, 0), (15, 0)]);
	// Each goes on at once, without a correction.
	assert!(take(&payee, &after.pay(&IDS[0], 0, 10).await.unwrap()).await);
	let tick = after.pay_tick(&IDS[1], 1, 5, TickTerms::new(5)).await.unwrap();
	assert_eq!(tick.proof().amount(), 20);
	assert!(take(&payee, &tick).await);
	tick.acknowledge();
	// Once more changes nothing.
	let again = after.recover(&account(), &key(), chain.as_ref(), &honest, 8).await.unwrap();
	assert_eq!(again, expected);
}

#[tokio::test]
async fn a_payee_should_gain_nothing_by_what_it_says() {
	let chain = chain();
	let stranger = VoucherKey::generate().0;
	let voucher = stoa_primitives::payload::Voucher {
		channel: IDS[0],
		lane: 0,
		cumulative: 500,
		valid_until: 0,
	};
	let payer = new_payer();
	let forged = stranger.sign_voucher(voucher, payer.domain());
	let says = Saying(Ok(vec![forged.into()]));
	let found = payer.recover(&account(), &key(), chain.as_ref(), &says, 7).await.unwrap();
	assert!(found.iter().all(|one| one.proven == 0 && one.problem.is_some()));
	let silent = Saying(Err("nobody is there".into()));
	let found = payer.recover(&account(), &key(), chain.as_ref(), &silent, 7).await.unwrap();
	assert_eq!(found[0].problem.as_deref(), Some("nobody is there"));
	assert!(payer.channels().iter().all(|one| one.signed == 0));
	assert_eq!(payer.pay(&IDS[0], 0, 10).await.unwrap().proof().amount(), 10);
}

#[tokio::test]
async fn what_was_settled_should_stand_in_for_a_payee_that_is_gone() {
	let chain = chain();
	let info = chain.state().finalized[&IDS[0]].clone();
	chain.put(ChannelInfo { settled: 70, lane_settled: vec![30, 40], ..info });
	let payer = new_payer();
	let silent = Saying(Err("gone".into()));
	payer.recover(&account(), &key(), chain.as_ref(), &silent, 7).await.unwrap();
	assert_eq!(payer.channels()[0].signed, 70);
	assert_eq!(payer.pay(&IDS[0], 1, 10).await.unwrap().proof().amount(), 50);
}
