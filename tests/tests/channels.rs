//! What channels can do beyond one voucher after another, on a real node.

use std::sync::LazyLock;
use stoa_client::{
	chain::{calls, At, ChannelInfo, MarketEvent, OpenChannel},
	keys::{AccountKey, Scheme, VoucherKey},
};
use stoa_primitives::{
	channel::{Cap, Item, Proof, SkipReason, TickProof, MAX_BATCH, MAX_LANES, MIN_GRACE},
	keys::AgentSignature,
	payload::{CloseConsent, Domain, OpenAuth, Payload, TickCommit, Voucher},
	tick::{self, MAX_TICKS},
	Balance, MINUTES,
};
use stoa_tests::{
	market::{claimed, fee, from_credits, skipped, Agent, Market, DOLLAR, DUSD},
	rpc, Node,
};

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

/// A payee, a payer and a channel between them.
struct Trade {
	market: Market,
	payee: Agent,
	payer: Agent,
	channel: ChannelInfo,
}

impl Trade {
	async fn new(node: &Node, deposit: Balance, lanes: u16, cap: Option<Cap>) -> Self {
		Self::with_key(node, VoucherKey::generate().0, deposit, lanes, cap).await
	}

	async fn with_key(
		node: &Node,
		voucher: VoucherKey,
		deposit: Balance,
		lanes: u16,
		cap: Option<Cap>,
	) -> Self {
		let market = Market::new(node).await;
		let [payee, payer] = market.agents(2, 2 * DOLLAR, None).await.try_into().ok().unwrap();
		let payer = Agent { voucher, ..payer };
		let terms = OpenChannel::new(payee.id(), DUSD, deposit, payer.voucher.key());
		let terms = OpenChannel { grace: MIN_GRACE, lanes, cap, ..terms };
		let channel = market.chain.open_channel(terms, &payer.key, from_credits()).await.unwrap().0;
		Self { market, payee, payer, channel }
	}

	fn domain(&self) -> Domain {
		self.market.domain()
	}

	fn on(&self, lane: u32, cumulative: Balance) -> Item {
		self.by(&self.payer.voucher, lane, cumulative)
	}

	fn by(&self, key: &VoucherKey, lane: u32, cumulative: Balance) -> Item {
		let voucher = Voucher { channel: self.channel.id, lane, cumulative, valid_until: 0 };
		key.sign_voucher(voucher, &self.domain()).to_item(Balance::MAX)
	}

	/// The `index`-th of `count` ticks of one unit on a lane.
	fn tick(&self, lane: u32, base: Balance, count: u32, index: u32) -> Item {
		let (channel, prefix) = (self.channel.id, [lane as u8; 16]);
		let seed = [7; 32];
		let root = tick::walk(&prefix, count, 0, seed);
		let (value, valid_until) = (1, 0);
		let commit = TickCommit { channel, lane, base, value, count, prefix, root, valid_until };
		let signature = self.payer.voucher.sign(&commit.to_bytes(&self.domain()));
		let tick = tick::walk(&prefix, count, index, seed);
		let proof = Proof::Ticks(TickProof::new(&commit, signature, index, tick));
		Item { channel, lane, capture: None, proof }
	}

	async fn state(&self) -> ChannelInfo {
		self.market.channel(&self.channel.id).await.expect("the channel is there")
	}
}

fn account_signature(key: &AccountKey, message: &[u8]) -> AgentSignature {
	AgentSignature::Account(key.sign(message))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_batch_should_be_paid_in_one_block() {
	// Every item as long as it can be: ecdsa, on a lane of its own, with a capture, and all the ticks
	// that are walked on chain.
	let key = VoucherKey::from_uri("//Largest", Scheme::Ecdsa).unwrap();
	let trade = Trade::with_key(&NODE, key, DOLLAR, MAX_LANES, None).await;
	let items: Vec<_> = (0..u32::from(MAX_LANES))
		.map(|lane| {
			let item = trade.tick(lane, 0, MAX_TICKS, MAX_TICKS);
			Item { capture: Some(1_000), ..item }
		})
		.collect();
	assert_eq!(items.len() as u32, MAX_BATCH);
	let call = calls::settle_batch(items.clone());
	let submitted = trade.market.submit(&call, &trade.payee.key, from_credits()).await;
	assert_eq!(skipped(&submitted), []);
	assert_eq!(claimed(&submitted), vec![(trade.channel.id, 1_000); 256]);
	let state = trade.state().await;
	assert_eq!((state.settled, state.lane_settled), (256_000, vec![1_000; 256]));
	// What the fee was for is what was done: less than was declared for items of 256 payees.
	assert!(fee(&submitted) < 50_000, "{}", fee(&submitted));
	trade.market.solvent().await;

	// All of them again, all or nothing: nothing.
	let again = calls::settle_batch_all(items);
	trade.market.refused(&again, &trade.payee.key, from_credits(), "Channels", "Stale").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lanes_vouchers_and_ticks_should_be_paid_under_a_cap() {
	let cap = Cap { per_window: 1_000, window: MIN_GRACE };
	let trade = Trade::new(&NODE, 10_000, 3, Some(cap)).await;
	let settle = |items| async {
		let call = calls::settle_batch(items);
		trade.market.submit(&call, &trade.payee.key, from_credits()).await
	};
	let paid = settle(vec![trade.on(0, 300), trade.tick(1, 0, 500, 200), trade.on(2, 100)]).await;
	assert_eq!(claimed(&paid).len(), 3);
	// A voucher after ticks, ticks after a voucher.
	settle(vec![trade.on(1, 250), trade.tick(2, 100, 50, 50)]).await;
	assert_eq!(trade.state().await.lane_settled, [300, 250, 150]);
	// 700 of 1,000 are used up, by all lanes together.
	let refused = settle(vec![trade.on(0, 601), trade.on(1, 251), trade.on(2, 450)]).await;
	assert_eq!(skipped(&refused), [(0, SkipReason::AboveCap), (2, SkipReason::AboveCap)]);
	let state = trade.state().await;
	let best = trade.market.chain.block(At::Best).await.unwrap().number;
	assert_eq!(state.cap.unwrap().headroom(best), 299);
	let mut forged = trade.tick(0, 300, 100, 10);
	let Proof::Ticks(ticks) = &mut forged.proof else { panic!("it is one") };
	ticks.index = 11;
	assert_eq!(skipped(&settle(vec![forged]).await), [(0, SkipReason::BadTick)]);
	trade.market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_caps_and_lanes_should_change_after_a_grace_period() {
	let node = Node::start();
	let trade = Trade::new(&node, 10_000, 2, None).await;
	let (id, by) = (trade.channel.id, &trade.payer.key);
	let fresh = VoucherKey::generate().0;
	let cap = Some(Cap { per_window: 50, window: 10 });
	for call in
		[calls::rotate_key(id, fresh.key()), calls::set_cap(id, cap), calls::revoke_lane(id, 1)]
	{
		trade.market.submit(&call, by, from_credits()).await;
	}
	let state = trade.state().await;
	assert_eq!(state.key, fresh.key());
	let (old, until) = state.changes.key.expect("the old key is valid still");
	assert_eq!(old, trade.payer.voucher.key());
	assert_eq!(state.changes.cap.map(|(cap, _)| cap), Some(cap));
	assert_eq!(state.changes.revoked.len(), 1);
	let settle = |items| async {
		let call = calls::settle_batch(items);
		trade.market.submit(&call, &trade.payee.key, from_credits()).await
	};
	// Both keys, every lane, any amount.
	assert_eq!(skipped(&settle(vec![trade.on(0, 400), trade.by(&fresh, 1, 100)]).await), []);

	let best = trade.market.chain.block(At::Best).await.unwrap().number;
	rpc::make_blocks(&node, until + 10 - best).await;
	use SkipReason::*;
	assert_eq!(skipped(&settle(vec![trade.on(0, 410)]).await), [(0, BadSignature)]);
	assert_eq!(skipped(&settle(vec![trade.by(&fresh, 1, 110)]).await), [(0, LaneRevoked)]);
	assert_eq!(skipped(&settle(vec![trade.by(&fresh, 0, 451)]).await), [(0, AboveCap)]);
	assert_eq!(skipped(&settle(vec![trade.by(&fresh, 0, 450)]).await), []);
	assert_eq!(trade.state().await.settled, 550);

	// A close that nobody finalizes is finalized by the chain.
	let free = trade.market.credits(&trade.payer.id()).await;
	let request = trade.market.submit(&calls::request_close(id), by, from_credits()).await;
	rpc::make_blocks(&node, MIN_GRACE + 2).await;
	assert_eq!(trade.market.channel(&id).await, None);
	let refunded = trade.market.credits(&trade.payer.id()).await + fee(&request) - free;
	assert_eq!(refunded, 10_000 - 550);
	trade.market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_should_open_and_close_by_agreement() {
	let market = Market::new(&NODE).await;
	let [payee, payer] = market.agents(2, DOLLAR, None).await.try_into().ok().unwrap();
	let (chain, domain) = (&market.chain, market.domain());
	let before = market.credits(&payer.id()).await;
	let now = chain.block(At::Best).await.unwrap().number;
	let auth = OpenAuth {
		payee: payee.id(),
		asset: OpenAuth::asset_digest(&DUSD),
		amount: 500_000,
		voucher_key: payer.voucher.key(),
		grace: MIN_GRACE,
		nonce: 0,
		expires: now + MINUTES,
	};
	let signature = account_signature(&payer.key, &auth.to_bytes(&domain));
	let open = calls::open_authorized(payer.id(), DUSD, &auth, signature.clone());
	let opened = market.submit(&open, &payee.key, from_credits()).await;
	let id = opened.opened().expect("a channel was opened");
	// The payer has sent nothing and paid nothing but the deposit.
	assert_eq!(before - market.credits(&payer.id()).await, 500_000);
	market.refused(&open, &payee.key, from_credits(), "Channels", "NonceNotNext").await;
	let more = OpenAuth { amount: 600_000, nonce: 1, ..auth };
	let forged = calls::open_authorized(payer.id(), DUSD, &more, signature);
	market.refused(&forged, &payee.key, from_credits(), "Agents", "SignatureInvalid").await;

	// A settlement whose platform share covers the fee costs the payee nothing.
	let own = market.credits(&payee.id()).await;
	let settle = calls::settle_batch(vec![payer.sign(&domain, id, 300_000).to_item(Balance::MAX)]);
	let settled = market.submit(&settle, &payee.key, from_credits()).await;
	let free = |event: &MarketEvent| matches!(event, MarketEvent::BatchSettled { free: true, .. });
	assert!(settled.events.iter().any(free));
	assert_eq!(fee(&settled), 0);
	assert_eq!(market.credits(&payee.id()).await - own, 255_000);

	// The payee agrees to 310,000 in all; the payer closes at once.
	let consent = CloseConsent { channel: id, total: 310_000, expires: now + MINUTES };
	let signature = account_signature(&payee.key, &consent.to_bytes(&domain));
	let by_payee = calls::close_with_consent(consent, signature.clone());
	market.refused(&by_payee, &payee.key, from_credits(), "Channels", "NotPayer").await;
	let less = CloseConsent { total: 300_000, ..consent };
	let altered = calls::close_with_consent(less, signature.clone());
	market.refused(&altered, &payer.key, from_credits(), "Agents", "SignatureInvalid").await;
	let free = market.credits(&payer.id()).await;
	let call = calls::close_with_consent(consent, signature);
	let closed = market.submit(&call, &payer.key, from_credits()).await;
	assert_eq!(market.channel(&id).await, None);
	assert_eq!(market.credits(&payer.id()).await + fee(&closed) - free, 190_000);
	market.solvent().await;
}
