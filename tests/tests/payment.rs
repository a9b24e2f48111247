//! The way of a payment over real extrinsics, and everything that must be refused on it.

use std::sync::LazyLock;
use stoa_client::{
	chain::{
		calls, At, Call, ChainError, ChannelInfo, FeeAsset, MarketEvent, OpenChannel, Phase,
		SubmitOptions, Submitted,
	},
	keys::VoucherKey,
	voucher::SignedVoucher,
};
use stoa_primitives::{
	agent::Status,
	channel::{Item, Proof, SkipReason, MAX_GRACE, MIN_GRACE},
	money::{Shares, Source},
	payload::{Domain, Voucher},
	referral::Referral,
	AccountId, AssetId, Balance, DAYS, H256, MINUTES,
};
use stoa_tests::{
	governance,
	market::{
		claimed, fee, flip_bit, fresh, from_credits, manifest, open_call, skipped, Agent, Market,
		DOLLAR, DUSD,
	},
	rpc, Node,
};

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

/// Own tokens pay the fee.
fn native() -> SubmitOptions {
	SubmitOptions::default()
}

/// The whole voucher.
fn item(signed: &SignedVoucher) -> Item {
	signed.to_item(Balance::MAX)
}

/// One payee, one payer, and a channel of 10,000 units between them.
struct Trade {
	market: Market,
	payee: Agent,
	payer: Agent,
	channel: ChannelInfo,
}

impl Trade {
	async fn new(node: &Node) -> Self {
		let market = Market::new(node).await;
		let [payee, payer] = market.agents(2, DOLLAR, None).await.try_into().ok().unwrap();
		let channel = market.open(&payer, &payee.id(), 10_000).await;
		Self { market, payee, payer, channel }
	}

	fn sign(&self, cumulative: Balance) -> SignedVoucher {
		self.payer.sign(&self.market.domain(), self.channel.id, cumulative)
	}

	async fn settle(&self, items: Vec<Item>) -> Submitted {
		self.market.submit(&calls::settle_batch(items), &self.payee.key, from_credits()).await
	}

	/// Credits of payer and payee, and the channel.
	async fn state(&self) -> (Balance, Balance, Option<ChannelInfo>) {
		let market = &self.market;
		(
			market.credits(&self.payer.id()).await,
			market.credits(&self.payee.id()).await,
			market.channel(&self.channel.id).await,
		)
	}

	/// Submits `item` as the payee and expects it to be skipped: nothing changes but for the fee.
	async fn skip(&self, what: &str, item: Item, reason: SkipReason) {
		let before = self.state().await;
		let submitted = self.settle(vec![item]).await;
		assert_eq!(skipped(&submitted), [(0, reason)], "{what}");
		assert_eq!(claimed(&submitted), [], "{what}");
		let (payer, payee, channel) = self.state().await;
		assert_eq!((payer, payee + fee(&submitted), channel), before, "{what}");
	}

	/// Submits `call` as `by`, from its credits, and expects an error: nothing changes but for fees.
	async fn refuse(&self, call: Call, by: &Agent, pallet: &str, error: &str) {
		let before = self.state().await;
		let own = self.market.credits(&by.id()).await;
		self.market.refused(&call, &by.key, from_credits(), pallet, error).await;
		let (payer, payee, channel) = self.state().await;
		let paid = own - self.market.credits(&by.id()).await;
		assert!(paid > 0, "{call}: a failed call costs its fee");
		let paid_by = |who: &Agent| if who.id() == by.id() { paid } else { 0 };
		let after = (payer + paid_by(&self.payer), payee + paid_by(&self.payee), channel);
		assert_eq!(after, before, "{call}");
	}
}

#[tokio::test(flavor = "multi_thread")]
async fn payment_should_reach_everybody_when_agents_own_nothing_but_credits() {
	let market = Market::new(&NODE).await;
	let chain = &market.chain;
	let referrer = market.another().await;
	let code = referrer.claim_code().await;
	let operator = market.operator.account();
	let coins = chain.asset_balance(&operator, 1, At::Best).await.unwrap();

	// An operator onboards agents by their own consents and pays credits in.
	let [provider, payer] = market.agents(2, DOLLAR, Some(&code)).await.try_into().ok().unwrap();
	let now = chain.block(At::Best).await.unwrap().number;
	for agent in [&provider, &payer] {
		let info = chain.agent(&agent.id(), At::Finalized).await.unwrap().unwrap();
		assert_eq!(
			(info.operator, info.status, info.active),
			(operator.clone(), Status::Active, true)
		);
		assert!(info.lease_until > now + 89 * DAYS && info.manifest == Some(manifest()));
		assert_eq!(market.credits(&agent.id()).await, DOLLAR);
		assert_eq!(chain.native_balance(&agent.id(), At::Best).await.unwrap().free, 0);
		assert_eq!(chain.asset_balance(&agent.id(), 1, At::Best).await.unwrap(), 0);
	}
	let left = chain.asset_balance(&operator, 1, At::Best).await.unwrap();
	assert_eq!(coins - left, 2 * DOLLAR);

	assert_eq!(
		chain.referrer_of(&payer.id(), At::Best).await.unwrap(),
		Some(referrer.operator.account())
	);

	// The payer locks credits, under an id that is known before.
	let reserved = chain.native_balance(&operator, At::Best).await.unwrap().reserved;
	let expected = chain.next_channel_id(&payer.id(), &provider.id(), &DUSD).await.unwrap();
	let open = open_call(&payer, &provider.id(), 300_000);
	let (info, opened) = chain.open_channel(open, &payer.key, from_credits()).await.unwrap();
	assert_eq!((info.id, opened.opened()), (expected, Some(expected)));
	assert_eq!((info.payer, info.payee, info.asset), (payer.id(), provider.id(), DUSD));
	assert_eq!((info.deposit, info.settled, info.schedule), (300_000, 0, 0));
	assert_eq!((info.grace, info.phase, info.key), (MIN_GRACE, Phase::Open, payer.voucher.key()));
	let open_fee = fee(&opened);
	assert!(open_fee > 0);
	assert_eq!(market.credits(&payer.id()).await, DOLLAR - 300_000 - open_fee);
	let held = chain.native_balance(&operator, At::Best).await.unwrap().reserved;
	assert!(held > reserved, "the operator puts up the storage deposit");

	// Vouchers are settled, one slice after the other; shares follow the cumulative sum.
	let domain = market.domain();
	let mut earned = DOLLAR;
	let mut rewards = market.credits(&referrer.operator.account()).await;
	for (voucher, shares) in [
		(100_000, Shares { provider: 85_000, platform: 10_000, referral: 5_000 }),
		(200_020, Shares { provider: 85_017, platform: 10_002, referral: 5_001 }),
	] {
		let signed = payer.sign(&domain, info.id, voucher);
		let call = calls::settle_batch(vec![item(&signed)]);
		let submitted = market.submit(&call, &provider.key, from_credits()).await;
		let gross = shares.total().unwrap();
		assert_eq!(claimed(&submitted), [(info.id, gross)]);
		assert!(submitted.events.iter().any(|event| matches!(event,
			MarketEvent::Settled { source: Source::Channel(id), payer: from, provider: to, asset, gross: sum, shares: found, schedule: 0, .. }
				if *id == info.id && *from == payer.id() && *to == provider.id() && *asset == DUSD && *sum == gross && *found == shares
		)), "{submitted:?}");
		earned = earned + shares.provider - fee(&submitted);
		assert_eq!(market.credits(&provider.id()).await, earned);
		let channel = market.channel(&info.id).await.unwrap();
		assert_eq!((channel.settled, channel.settled_on(0)), (voucher, voucher));
		// The referrer of both sides is rewarded, never with more than the referral share.
		let reward = |event: &MarketEvent| match event {
			MarketEvent::Rewarded { referrer: to, amount, .. } => {
				assert_eq!(*to, referrer.operator.account());
				Some(*amount)
			},
			_ => None,
		};
		let sum: Balance = submitted.events.iter().filter_map(reward).sum();
		assert!(sum > 0 && sum <= shares.referral);
		rewards += sum;
		assert_eq!(market.credits(&referrer.operator.account()).await, rewards);
	}

	// The payee closes with its last voucher; the rest goes back at once.
	let last = payer.sign(&domain, info.id, 250_000);
	let before = market.credits(&payer.id()).await;
	let call = calls::close(info.id, Some(item(&last)));
	let closed = market.submit(&call, &provider.key, from_credits()).await;
	assert_eq!(claimed(&closed), [(info.id, 49_980)]);
	assert!(closed.events.contains(&MarketEvent::Closed {
		id: info.id,
		paid: 250_000,
		refunded: 50_000
	}));
	assert_eq!(market.channel(&info.id).await, None);
	assert_eq!(market.credits(&payer.id()).await, before + 50_000);
	assert_eq!(market.credits(&provider.id()).await, earned + 49_980 * 85 / 100 - fee(&closed));
	// The channel's deposit comes back; the pair's nonce row stays.
	let after = chain.native_balance(&operator, At::Best).await.unwrap().reserved;
	assert!(after < held && after > reserved);
	// Credits are real: they can be taken out.
	let call = calls::withdraw(DUSD, 100_000, operator.clone());
	market.submit(&call, &provider.key, from_credits()).await;
	assert_eq!(chain.asset_balance(&operator, 1, At::Best).await.unwrap(), left + 100_000);
	market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_should_pay_the_others_when_one_item_is_poisoned() {
	let market = Market::new(&NODE).await;
	let agents = market.agents(4, DOLLAR, None).await;
	let (payee, payers) = agents.split_first().unwrap();
	let mut items = Vec::new();
	for payer in payers {
		let channel = market.open(payer, &payee.id(), 5_000).await;
		items.push((payer, item(&payer.sign(&market.domain(), channel.id, 2_000))));
	}
	items.sort_by_key(|(_, item)| item.channel);
	items[1].1 = flip_bit(items[1].1, 300);
	let before = market.credits(&payee.id()).await;

	let call = calls::settle_batch(items.iter().map(|(_, item)| *item).collect());
	let submitted = market.submit(&call, &payee.key, from_credits()).await;

	assert_eq!(skipped(&submitted), [(1, SkipReason::BadSignature)]);
	let paid = [(items[0].1.channel, 2_000), (items[2].1.channel, 2_000)];
	assert_eq!(claimed(&submitted), paid);
	let gained = 2 * 2_000 * 85 / 100;
	assert_eq!(market.credits(&payee.id()).await, before + gained - fee(&submitted));
	for (place, (_, item)) in items.iter().enumerate() {
		let settled = if place == 1 { 0 } else { 2_000 };
		assert_eq!(market.channel(&item.channel).await.unwrap().settled, settled);
	}
	// Submitted again, nothing is paid twice.
	let again = market.submit(&call, &payee.key, from_credits()).await;
	let reasons: Vec<_> = skipped(&again).into_iter().map(|(_, reason)| reason).collect();
	assert_eq!(reasons, [SkipReason::Stale, SkipReason::BadSignature, SkipReason::Stale]);
	market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vouchers_should_be_skipped_with_their_reason_when_they_are_not_good() {
	let trade = Trade::new(&NODE).await;
	let (payer, id, domain) = (&trade.payer, trade.channel.id, trade.market.domain());
	let other = trade.market.open(payer, &trade.payee.id(), 10_000).await;
	use SkipReason::*;

	let foreign = payer.sign(&Domain::channels(H256::repeat_byte(9)), id, 100);
	trade.skip("of another chain", item(&foreign), BadSignature).await;

	let moved = Item { channel: id, ..item(&payer.sign(&domain, other.id, 100)) };
	trade.skip("of another channel", moved, BadSignature).await;
	let nowhere = item(&payer.sign(&domain, [5; 32], 100));
	trade.skip("of no channel", nowhere, UnknownChannel).await;

	let lane_1 = Voucher { channel: id, lane: 1, cumulative: 100, valid_until: 0 };
	let lane_1 = item(&payer.voucher.sign_voucher(lane_1, &domain));
	trade.skip("of a lane that is not there", lane_1, UnknownLane).await;
	trade.skip("of another lane", Item { lane: 0, ..lane_1 }, BadSignature).await;

	let stranger = Agent { key: payer.key.clone(), voucher: VoucherKey::generate().0 };
	trade.skip("of another key", item(&stranger.sign(&domain, id, 100)), BadSignature).await;

	let good = item(&trade.sign(100));
	for bit in [0, 255, 256, 511] {
		trade.skip("with a bit flipped in its signature", flip_bit(good, bit), BadSignature).await;
	}
	let Proof::Voucher { cumulative, valid_until, signature } = good.proof else {
		panic!("vouchers were signed")
	};
	for (cumulative, valid_until) in
		[(cumulative ^ 1, 0), (cumulative ^ 64, 0), (cumulative, valid_until ^ (1 << 31))]
	{
		let proof = Proof::Voucher { cumulative, valid_until, signature };
		trade.skip("with a bit flipped in its text", Item { proof, ..good }, BadSignature).await;
	}

	trade.skip("above the deposit", item(&trade.sign(10_001)), AboveDeposit).await;
	trade.skip("of all units there are", item(&trade.sign(Balance::MAX)), AboveDeposit).await;
	trade.skip("of nothing", item(&trade.sign(0)), Stale).await;
	let greedy = Item { capture: Some(101), ..good };
	trade.skip("of which more is taken", greedy, CaptureAboveVoucher).await;
	let past = Voucher { channel: id, lane: 0, cumulative: 100, valid_until: 1 };
	let past = item(&payer.voucher.sign_voucher(past, &domain));
	trade.skip("that has expired", past, Expired).await;

	// After all that the good one is still good, once.
	let paid = trade.settle(vec![good]).await;
	assert_eq!(claimed(&paid), [(id, 100)]);
	trade.skip("stale", good, Stale).await;
	trade.skip("below what was paid", item(&trade.sign(99)), Stale).await;

	// Nobody but the payee may settle an open channel, and lists must be in order.
	let [stranger] = trade.market.agents(1, DOLLAR, None).await.try_into().ok().unwrap();
	let before = trade.state().await;
	let next = item(&trade.sign(200));
	let call = calls::settle_batch(vec![next]);
	let by_stranger = trade.market.submit(&call, &stranger.key, from_credits()).await;
	assert_eq!(skipped(&by_stranger), [(0, NotPayee)]);
	assert_eq!(trade.state().await, before);
	let twice = calls::settle_batch(vec![next, next]);
	trade.refuse(twice, &trade.payee, "Channels", "NotAscending").await;
	trade.refuse(calls::settle_batch(vec![]), &trade.payee, "Channels", "EmptyBatch").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn close_should_be_refused_when_it_is_by_a_stranger_or_with_a_bad_item() {
	let trade = Trade::new(&NODE).await;
	let id = trade.channel.id;
	let [stranger] = trade.market.agents(1, DOLLAR, None).await.try_into().ok().unwrap();
	let good = item(&trade.sign(100));

	for (call, by, error) in [
		(calls::close(id, None), &stranger, "NotPayee"),
		(calls::close(id, Some(good)), &stranger, "NotPayee"),
		(calls::close(id, None), &trade.payer, "NotPayee"),
		(calls::close([5; 32], None), &trade.payee, "UnknownChannel"),
		(calls::request_close(id), &stranger, "NotPayer"),
		(calls::request_close(id), &trade.payee, "NotPayer"),
		(calls::request_close([5; 32]), &trade.payer, "UnknownChannel"),
		(calls::cancel_close(id), &trade.payer, "NotClosing"),
		(calls::finalize(vec![id]), &stranger, "NotClosing"),
		(calls::finalize(vec![]), &stranger, "EmptyBatch"),
		(calls::finalize(vec![[5; 32], [6; 32]]), &stranger, "NothingToFinalize"),
		(calls::close(id, Some(flip_bit(good, 7))), &trade.payee, "BadSignature"),
		(calls::close(id, Some(item(&trade.sign(10_001)))), &trade.payee, "AboveDeposit"),
		(
			calls::close(id, Some(Item { channel: [5; 32], ..good })),
			&trade.payee,
			"ItemOfAnotherChannel",
		),
	] {
		trade.refuse(call, by, "Channels", error).await;
	}
	let closed = calls::close(id, Some(good));
	trade.market.submit(&closed, &trade.payee.key, from_credits()).await;
	assert_eq!(trade.market.channel(&id).await, None);
	trade.refuse(calls::close(id, None), &trade.payee, "Channels", "UnknownChannel").await;
}

/// Has a chain of its own: its blocks run ahead, and other tests' transactions would expire.
#[tokio::test(flavor = "multi_thread")]
async fn closing_should_give_the_payee_its_grace_when_the_payer_asks_to_close() {
	let node = Node::start();
	let trade = Trade::new(&node).await;
	let (market, id) = (&trade.market, trade.channel.id);
	let [stranger] = market.agents(1, DOLLAR, None).await.try_into().ok().unwrap();
	let request = calls::request_close(id);

	let requested = market.submit(&request, &trade.payer.key, from_credits()).await;
	let ends = requested.block.number + MIN_GRACE;
	assert!(requested.events.contains(&MarketEvent::CloseRequested { id, ends }));
	assert_eq!(market.channel(&id).await.unwrap().phase, Phase::Closing { ends });
	trade.refuse(request.clone(), &trade.payer, "Channels", "AlreadyClosing").await;
	trade.refuse(calls::finalize(vec![id]), &stranger, "Channels", "GraceRunning").await;
	trade.refuse(calls::cancel_close(id), &stranger, "Channels", "NotPayer").await;
	// The payee can settle all the while.
	assert_eq!(claimed(&trade.settle(vec![item(&trade.sign(1_000))]).await), [(id, 1_000)]);

	market.submit(&calls::cancel_close(id), &trade.payer.key, from_credits()).await;
	assert_eq!(market.channel(&id).await.unwrap().phase, Phase::Open);
	trade.refuse(calls::finalize(vec![id]), &stranger, "Channels", "NotClosing").await;

	let requested = market.submit(&request, &trade.payer.key, from_credits()).await;
	let ends = requested.block.number + MIN_GRACE;
	let now = market.chain.block(At::Best).await.unwrap().number;
	rpc::make_blocks(&node, ends - now - 2).await;
	// One block before the end: the next one is the last in which the payee is paid.
	trade.refuse(calls::finalize(vec![id]), &stranger, "Channels", "GraceRunning").await;
	let best = market.chain.block(At::Best).await.unwrap().number;
	assert_eq!(best, ends - 1);
	// In the block after that nothing is settled any more, and the chain itself ends the channel.
	let before = market.credits(&trade.payer.id()).await;
	let late = trade.settle(vec![item(&trade.sign(2_000))]).await;
	assert_eq!((late.block.number, skipped(&late)), (ends, vec![(0, SkipReason::GraceOver)]));
	assert_eq!(market.channel(&id).await, None);
	assert_eq!(market.credits(&trade.payer.id()).await, before + 9_000);
	trade.skip("after the end", item(&trade.sign(2_000)), SkipReason::UnknownChannel).await;
	for call in [calls::finalize(vec![id]), calls::cancel_close(id), calls::top_up(id, 100)] {
		trade.refuse(call, &trade.payer, "Channels", "UnknownChannel").await;
	}

	// The id never returns.
	let again = market.open(&trade.payer, &trade.payee.id(), 10_000).await;
	assert!(again.id != id && again.nonce == 1);
	market.solvent().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registration_should_be_refused_when_consent_or_referral_is_not_right() {
	let market = Market::new(&NODE).await;
	let (chain, operator) = (&market.chain, &market.operator);
	let other = market.another().await;
	let code = other.claim_code().await;
	let agent = fresh();
	let domain = chain.agent_domain();
	let now = chain.block(At::Best).await.unwrap().number;
	let good = now + MINUTES;
	let register = |proof, referral| calls::register(agent.account(), proof, manifest(), referral);
	let consent = |key: &stoa_client::keys::AccountKey, domain, operator: &AccountId, expires| {
		Some((key.consent(domain, operator, expires), expires))
	};
	let me = operator.account();
	let proof = || consent(&agent, &domain, &me, good);
	let foreign = Domain::agents(H256::repeat_byte(9));
	let far = now + 2 * DAYS;
	// Agents of the same operator, and one of nobody.
	let [sibling] = market.agents(1, DOLLAR, None).await.try_into().ok().unwrap();
	let too_short = b"abc".to_vec().try_into().unwrap();
	let unknown = b"nobody-has-this".to_vec().try_into().unwrap();

	for (call, pallet, error) in [
		(register(None, None), "Agents", "ProofMissing"),
		(register(consent(&fresh(), &domain, &me, good), None), "Agents", "ProofInvalid"),
		(
			register(consent(&agent, &domain, &fresh().account(), good), None),
			"Agents",
			"ProofInvalid",
		),
		(register(consent(&agent, &foreign, &me, good), None), "Agents", "ProofInvalid"),
		(
			register(consent(&agent, &domain, &me, good).map(|(proof, at)| (proof, at + 1)), None),
			"Agents",
			"ProofInvalid",
		),
		(register(consent(&agent, &domain, &me, 0), None), "Agents", "ProofExpired"),
		(register(consent(&agent, &domain, &me, far), None), "Agents", "ProofTooLong"),
		(register(proof(), Some(Referral::Account(agent.account()))), "Referrals", "SelfReferral"),
		(register(proof(), Some(Referral::Account(sibling.id()))), "Referrals", "SameOperator"),
		(
			register(proof(), Some(Referral::Account(fresh().account()))),
			"Referrals",
			"ReferrerNotActive",
		),
		(register(proof(), Some(Referral::Code(unknown))), "Referrals", "UnknownCode"),
		(register(proof(), Some(Referral::Code(too_short))), "Referrals", "UnknownCode"),
		(calls::claim_code(code.clone()), "Referrals", "CodeTaken"),
		(calls::renew(agent.account()), "Agents", "NotRegistered"),
		(calls::renew(other.operator.account()), "Agents", "NotOperator"),
	] {
		market.refused(&call, operator, native(), pallet, error).await;
		assert_eq!(chain.agent(&agent.account(), At::Best).await.unwrap(), None, "{error}");
	}

	// The very same consent is good without the mistakes, and once only.
	let call = register(proof(), Some(Referral::Code(code)));
	market.submit(&call, operator, native()).await;
	let info = chain.agent(&agent.account(), At::Best).await.unwrap();
	assert!(info.as_ref().is_some_and(|info| info.active && info.operator == me));
	market.refused(&call, operator, native(), "Agents", "AlreadyRegistered").await;
	let call = other.registration(&agent, None).await;
	market.refused(&call, &other.operator, native(), "Agents", "AlreadyRegistered").await;
	// A circle: the referrer would have to be brought by the one that it has brought.
	let back = Some(Referral::Account(agent.account()));
	let call = calls::register(other.operator.account(), None, manifest(), back);
	market.refused(&call, &other.operator, native(), "Agents", "AlreadyRegistered").await;
	assert_eq!(chain.agent(&agent.account(), At::Best).await.unwrap(), info);
}

#[tokio::test(flavor = "multi_thread")]
async fn amounts_should_be_refused_when_they_are_zero_excessive_or_of_an_unknown_asset() {
	let trade = Trade::new(&NODE).await;
	let (market, payer, payee) = (&trade.market, &trade.payer, &trade.payee);
	let (id, to) = (trade.channel.id, payee.id());
	let nowhere = AssetId::WithId(99);
	let open = |deposit| calls::open(open_call(payer, &to, deposit));
	let open_with = |change: fn(&mut OpenChannel)| {
		let mut open = open_call(payer, &to, 100);
		change(&mut open);
		calls::open(open)
	};

	for (call, pallet, error) in [
		(open(0), "Channels", "ZeroAmount"),
		(open(2 * DOLLAR), "Credits", "InsufficientCredits"),
		(open(Balance::MAX), "Credits", "InsufficientCredits"),
		(open_with(|open| open.asset = AssetId::WithId(99)), "Credits", "UnknownAsset"),
		(open_with(|open| open.grace = MIN_GRACE - 1), "Channels", "GraceOutOfBounds"),
		(open_with(|open| open.grace = MAX_GRACE + 1), "Channels", "GraceOutOfBounds"),
		(calls::open(open_call(payer, &payer.id(), 100)), "Channels", "SelfChannel"),
		(calls::top_up(id, 0), "Channels", "ZeroAmount"),
		(calls::top_up(id, 2 * DOLLAR), "Credits", "InsufficientCredits"),
		(calls::top_up([5; 32], 100), "Channels", "UnknownChannel"),
		(calls::withdraw(DUSD, 0, to.clone()), "Credits", "ZeroAmount"),
		(calls::withdraw(DUSD, 2 * DOLLAR, to.clone()), "Credits", "InsufficientCredits"),
		(calls::withdraw(DUSD, Balance::MAX, to.clone()), "Credits", "InsufficientCredits"),
		(calls::withdraw(nowhere.clone(), 1, to.clone()), "Credits", "UnknownAsset"),
		(calls::pay(to.clone(), DUSD, 0, [0; 32]), "FeeSplit", "ZeroAmount"),
		(calls::pay(payer.id(), DUSD, 100, [0; 32]), "FeeSplit", "SelfPayment"),
		(calls::pay(to.clone(), DUSD, 2 * DOLLAR, [0; 32]), "Credits", "InsufficientCredits"),
		(calls::pay(to.clone(), nowhere.clone(), 1, [0; 32]), "Credits", "UnknownAsset"),
	] {
		trade.refuse(call, payer, pallet, error).await;
	}
	let overflow = calls::top_up(id, Balance::MAX);
	trade.refuse(overflow, payer, "", "Arithmetic.Overflow").await;

	let operator = &market.operator;
	let before = trade.state().await;
	let coins = market.chain.asset_balance(&operator.account(), 1, At::Best).await.unwrap();
	for (asset, amount, pallet, error) in [
		(DUSD, 0, "Credits", "ZeroAmount"),
		(DUSD, coins + 1, "Credits", "InsufficientAssets"),
		(nowhere, 100, "Credits", "AssetNotAccepted"),
	] {
		let call = calls::deposit(asset, amount, to.clone());
		market.refused(&call, operator, native(), pallet, error).await;
	}
	let overflow = calls::deposit(DUSD, Balance::MAX, to.clone());
	market.refused(&overflow, operator, native(), "Credits", "Overflow").await;
	let dust = calls::deposit(DUSD, 1, fresh().account());
	market.refused(&dust, operator, native(), "Credits", "BelowDustBound").await;
	assert_eq!(market.chain.asset_balance(&operator.account(), 1, At::Best).await.unwrap(), coins);
	assert_eq!(trade.state().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn fees_should_be_refused_when_the_account_cannot_pay_them() {
	let market = Market::new(&NODE).await;
	let pauper = fresh();
	let call = calls::remark(vec![1]);
	let unknown = SubmitOptions { fee: FeeAsset::Credits(AssetId::WithId(99)), ..native() };
	for (by, options) in [
		(&pauper, native()),
		(&pauper, from_credits()),
		(&market.operator, from_credits()),
		(&market.operator, unknown),
	] {
		let outcome = market.chain.submit(&call, by, options).await;
		assert!(matches!(outcome, Err(ChainError::Rejected { .. })), "{outcome:?}");
	}
	let before = market.chain.native_balance(&market.operator.account(), At::Best).await.unwrap();
	let submitted = market.submit(&call, &market.operator, native()).await;
	let after = market.chain.native_balance(&market.operator.account(), At::Best).await.unwrap();
	let paid = submitted.fee.unwrap();
	assert_eq!((paid.asset, paid.amount), (None, before.free - after.free));
}

#[tokio::test(flavor = "multi_thread")]
async fn payees_should_be_refused_when_they_are_unknown_lapsed_or_stopped() {
	let trade = Trade::new(&NODE).await;
	let (market, payer, payee) = (&trade.market, &trade.payer, &trade.payee);
	let nobody = fresh().account();
	for call in [
		calls::open(open_call(payer, &nobody, 100)),
		calls::pay(nobody.clone(), DUSD, 100, [0; 32]),
	] {
		trade.refuse(call, payer, "Agents", "NotRegistered").await;
	}

	governance::set_lease(&NODE, &payee.id(), 0).await;
	let info = market.chain.agent(&payee.id(), At::Best).await.unwrap().unwrap();
	assert_eq!((info.active, info.status), (false, Status::Active));
	for call in [
		calls::open(open_call(payer, &payee.id(), 100)),
		calls::pay(payee.id(), DUSD, 100, [0; 32]),
	] {
		trade.refuse(call, payer, "Agents", "LeaseLapsed").await;
	}
	// What it has earned is still its own.
	assert_eq!(
		claimed(&trade.settle(vec![item(&trade.sign(100))]).await),
		[(trade.channel.id, 100)]
	);
	let close = calls::close(trade.channel.id, Some(item(&trade.sign(200))));
	market.submit(&close, &payee.key, from_credits()).await;
	let withdraw = calls::withdraw(DUSD, 1_000, payee.id());
	market.submit(&withdraw, &payee.key, from_credits()).await;

	market.submit(&calls::renew(payee.id()), &market.operator, native()).await;
	market.open(payer, &payee.id(), 100).await;

	for (call, error) in
		[(calls::pause(payee.id()), "Paused"), (calls::retire(payee.id()), "Retired")]
	{
		market.submit(&call, &market.operator, native()).await;
		let open = calls::open(open_call(payer, &payee.id(), 100));
		trade.refuse(open, payer, "Agents", error).await;
	}
	market
		.refused(&calls::resume(payee.id()), &market.operator, native(), "Agents", "Retired")
		.await;
	market.solvent().await;
}
