//! The whole way of a payment, with the real pallets.

use super::*;
use frame_support::traits::Get;
use sp_runtime::Permill;
use stoa_primitives::{
	channel::SkipReason,
	money::{LockReason, Shares, Source},
	referral::{Code, Reward},
};

/// What an account has, in dollars' smallest unit.
fn dollars(who: &AccountId) -> Balance {
	Credits::balance(who.clone(), DUSD)
}

fn platform() -> AccountId {
	configs::PlatformAccount::get()
}

fn growth_pool() -> AccountId {
	Referrals::growth_pool_account()
}

/// The settlements among `events`, each with its rewards.
fn settlements(events: Vec<RuntimeEvent>) -> Vec<(Source, Balance, Shares, Vec<Reward>, Balance)> {
	let mut rewards = Vec::new();
	let mut settlements = Vec::new();
	for event in events {
		match event {
			RuntimeEvent::Referrals(pallet_stoa_referrals::Event::Rewarded {
				referrer,
				referee,
				amount,
				level,
				..
			}) => rewards.push(Reward { to: referrer, referee, level, amount }),
			RuntimeEvent::FeeSplit(pallet_stoa_fee_split::Event::Settled {
				source,
				gross,
				shares,
				growth_pool,
				..
			}) => {
				settlements.push((source, gross, shares, std::mem::take(&mut rewards), growth_pool))
			},
			_ => (),
		}
	}
	assert!(rewards.is_empty(), "a reward without a settlement");
	settlements
}

fn skipped(events: &[RuntimeEvent]) -> Vec<(u32, SkipReason)> {
	events
		.iter()
		.filter_map(|event| match event {
			RuntimeEvent::Channels(pallet_stoa_channels::Event::Skipped {
				index, reason, ..
			}) => Some((*index, *reason)),
			_ => None,
		})
		.collect()
}

fn code(text: &str) -> Code {
	text.as_bytes().to_vec().try_into().expect("a short code")
}

/// Three levels of referrers, each under an operator of its own; the lowest has a code.
struct Referrers {
	near: Person,
	middle: Person,
	far: Person,
}

impl Referrers {
	fn new() -> Self {
		let above = |who: &Person| Some(Referral::Account(who.account.clone()));
		let far = Person::known(sp_keyring::Sr25519Keyring::Dave);
		let far = far.clone().registered_by(&far, None);
		let middle = Person::known(sp_keyring::Sr25519Keyring::Eve);
		let middle = middle.clone().registered_by(&middle, above(&far));
		let near = Person::new(101).with_native(STOA).registered_by(&bob(), above(&middle));
		ok(near.origin(), pallet_stoa_referrals::Call::claim_code { code: code("come-in-1") });
		Self { near, middle, far }
	}
}

fn by_code() -> Option<Referral> {
	Some(Referral::Code(code("come-in-1")))
}

/// An agent of Alice's that owns nothing but `amount` of credits.
fn consumer(seed: u8, referral: Option<Referral>, amount: Balance) -> Person {
	Person::new(seed).registered_by(&alice(), referral).with_credits(&DUSD, amount)
}

fn propose(provider: u32, platform: u32, referral: u32) -> pallet_stoa_fee_split::Call<Runtime> {
	pallet_stoa_fee_split::Call::propose_schedule {
		provider: Permill::from_percent(provider),
		platform: Permill::from_percent(platform),
		referral: Permill::from_percent(referral),
	}
}

#[test]
fn paid_calls_should_be_settled_to_the_unit() {
	run(|| {
		let referrers = Referrers::new();
		let provider = Person::new(1).registered_by(&alice(), None);
		let consumers = [
			consumer(11, by_code(), DOLLAR),
			consumer(12, by_code(), DOLLAR),
			consumer(13, None, DOLLAR),
		];
		assert_eq!(
			Referrals::chain_of(consumers[0].account.clone()),
			[&referrers.near, &referrers.middle, &referrers.far].map(|who| who.account.clone())
		);

		// 1,000 calls at $0.0001 each: one voucher per call, the last of which is worth all.
		let (calls, price) = (1_000, DOLLAR / 10_000);
		let channels: Vec<Channel> = consumers
			.iter()
			.enumerate()
			.map(|(n, consumer)| {
				let key = VoucherKey::ed25519(50 + n as u8);
				Channel::open(consumer, &provider, &DUSD, DOLLAR / 2, key)
			})
			.collect();
		assert_eq!(Credits::locked(DUSD), [(LockReason::Channel, 3 * DOLLAR / 2)]);
		take_events();
		let items = channels.iter().map(|channel| channel.voucher(calls * price)).collect();
		ok(provider.origin(), settle(items));
		let events = take_events();
		assert_eq!(skipped(&events), []);

		let gross = calls * price;
		let settled = settlements(events);
		assert_eq!(settled.len(), 3);
		for (_, one, shares, rewards, pool) in &settled {
			assert_eq!(*one, gross);
			assert_eq!(
				*shares,
				Shares { provider: 85_000, platform: 10_000, referral: 5_000 },
				"85 : 10 : 5"
			);
			let rewarded: Balance = rewards.iter().map(|reward| reward.amount).sum();
			assert_eq!(rewarded + pool, shares.referral);
		}
		// Half of the referral share is the payer's side: 70, 20 and 10 % of it by level. The
		// provider was brought by nobody, so its half goes to the pool.
		let half = 2_500;
		assert_eq!(dollars(&referrers.near.account), 2 * half * 70 / 100);
		assert_eq!(dollars(&referrers.middle.account), 2 * half * 20 / 100);
		assert_eq!(dollars(&referrers.far.account), 2 * half * 10 / 100);
		assert_eq!(dollars(&growth_pool()), 2 * half + 2 * half);
		assert_eq!(dollars(&platform()), 3 * 10_000);
		assert_eq!(dollars(&provider.account), 3 * 85_000);
		let totals = FeeSplit::totals(DUSD);
		assert_eq!(
			(totals.gross, totals.provider, totals.platform, totals.referral, totals.settlements),
			(300_000, 255_000, 30_000, 15_000, 3)
		);

		// A second voucher pays the difference only.
		ok(provider.origin(), settle(vec![channels[0].voucher(calls * price + 20)]));
		assert_eq!(dollars(&provider.account), 3 * 85_000 + 17);
		for (consumer, channel) in consumers.iter().zip(&channels) {
			ok(provider.origin(), close(channel.id, None));
			let paid = if consumer.account == consumers[0].account { gross + 20 } else { gross };
			assert_eq!(dollars(&consumer.account), DOLLAR - paid);
		}
		assert_eq!(Credits::locked(DUSD), []);

		// What was earned can be taken out.
		let earned = dollars(&provider.account);
		let before = Assets::balance(1, &alice().account);
		ok(provider.origin(), withdraw(&DUSD, earned, &alice().account));
		assert_eq!(Assets::balance(1, &alice().account), before + earned);
	});
}

#[test]
fn both_sides_referrers_should_be_rewarded() {
	run(|| {
		let referrers = Referrers::new();
		// Far brought Middle, who brought Near, who brought the provider.
		let provider = Person::new(1).registered_by(&alice(), by_code());
		let payer = Person::new(2)
			.registered_by(&charlie(), Some(Referral::Account(referrers.far.account.clone())))
			.with_credits(&DUSD, DOLLAR);
		take_events();
		ok(payer.origin(), pay(&provider.account, &DUSD, 200_000));
		let [(source, _, shares, rewards, pool)] = &settlements(take_events())[..] else {
			panic!("one settlement")
		};
		assert_eq!(*source, Source::Charge([9; 32]));
		assert_eq!(shares.referral, 10_000);
		let reward = |to: &Person, referee: &Person, level, amount| Reward {
			to: to.account.clone(),
			referee: referee.account.clone(),
			level,
			amount,
		};
		assert_eq!(
			*rewards,
			[
				reward(&referrers.far, &payer, 1, 3_500),
				reward(&referrers.near, &provider, 1, 3_500),
				reward(&referrers.middle, &provider, 2, 1_000),
				reward(&referrers.far, &provider, 3, 500),
			]
		);
		// The payer's side has nobody above its referrer.
		assert_eq!(*pool, 1_500);
		let totals = Referrals::totals(payer.account, DUSD);
		assert_eq!((totals.rewarded, totals.pooled), (3_500, 1_500));
		let totals = Referrals::totals(provider.account, DUSD);
		assert_eq!((totals.rewarded, totals.pooled), (5_000, 0));
	});
}

#[test]
fn rewards_should_end_with_their_window_and_their_cap() {
	run(|| {
		let referrers = Referrers::new();
		let provider = Person::new(1).registered_by(&charlie(), None);
		let payer = consumer(2, by_code(), 10 * DOLLAR);
		ok(root(), pallet_stoa_referrals::Call::set_cap { asset: DUSD, cap: 3_000 });
		for expected in [2_500, 3_000, 3_000] {
			ok(payer.origin(), pay(&provider.account, &DUSD, 100_000));
			assert_eq!(Referrals::totals(payer.account.clone(), DUSD).rewarded, expected);
		}
		ok(root(), pallet_stoa_referrals::Call::set_cap { asset: DUSD, cap: Balance::MAX });
		let window = Referrals::terms().window;
		advance(window);
		for agent in [&referrers.near, &referrers.middle, &referrers.far, &provider, &payer] {
			let operator = Agents::operator_of(agent.account.clone()).expect("it is registered");
			let renew = pallet_stoa_agents::Call::renew { agent: agent.account.clone() };
			ok(signed(&operator), renew);
		}
		let pool = dollars(&growth_pool());
		ok(payer.origin(), pay(&provider.account, &DUSD, 100_000));
		assert_eq!(dollars(&growth_pool()), pool + 5_000);
	});
}

#[test]
fn open_channels_should_keep_their_schedule_when_another_takes_effect() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = consumer(2, None, 10 * DOLLAR);
		let old = Channel::open(&payer, &provider, &DUSD, DOLLAR, VoucherKey::ed25519(1));
		ok(provider.origin(), settle(vec![old.voucher(100_000)]));
		assert_eq!(dollars(&provider.account), 85_000);

		ok(root(), propose(90, 7, 3));
		let (pending, effective) = FeeSplit::pending().expect("it was proposed");
		advance(effective - System::block_number() - 1);
		assert_eq!(FeeSplit::current(), 0, "one block too early");
		let late = Channel::open(&payer, &provider, &DUSD, DOLLAR, VoucherKey::ed25519(2));
		advance(1);
		assert_eq!(FeeSplit::current(), pending);
		let new = Channel::open(&payer, &provider, &DUSD, DOLLAR, VoucherKey::ed25519(3));

		take_events();
		ok(
			provider.origin(),
			settle(vec![old.voucher(200_000), late.voucher(100_000), new.voucher(100_000)]),
		);
		let shares: std::collections::BTreeMap<_, _> = settlements(take_events())
			.into_iter()
			.map(|(source, _, shares, _, _)| (source.encode(), shares))
			.collect();
		let of = |channel: &Channel| shares[&Source::Channel(channel.id).encode()];
		let genesis = Shares { provider: 85_000, platform: 10_000, referral: 5_000 };
		assert_eq!(of(&old), genesis);
		assert_eq!(of(&late), genesis);
		assert_eq!(of(&new), Shares { provider: 90_000, platform: 7_000, referral: 3_000 });

		// A charge is settled under what is current.
		ok(payer.origin(), pay(&provider.account, &DUSD, 100_000));
		assert_eq!(dollars(&provider.account), 85_000 * 3 + 90_000 * 2);
	});
}

#[test]
fn slices_should_pay_what_one_claim_pays() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = consumer(2, None, DOLLAR);
		let sliced = Channel::open(&payer, &provider, &DUSD, 1_000, VoucherKey::sr25519(1));
		// Slices of one unit, each too small for any share on its own.
		for cumulative in 1..=100 {
			ok(provider.origin(), settle(vec![sliced.voucher(cumulative)]));
		}
		assert_eq!(dollars(&provider.account), 85);
		assert_eq!(dollars(&platform()), 10);
		assert_eq!(dollars(&growth_pool()), 5);
	});
}

#[test]
fn stopped_payees_should_settle_close_and_withdraw() {
	type Stop = fn(&Person);
	let stops: [Stop; 4] = [
		|who| {
			ok(root(), pallet_stoa_agents::Call::suspend { agent: who.account.clone() });
		},
		|who| {
			ok(alice().origin(), pallet_stoa_agents::Call::pause { agent: who.account.clone() });
		},
		|who| {
			ok(alice().origin(), pallet_stoa_agents::Call::retire { agent: who.account.clone() });
		},
		|_| advance(91 * stoa_primitives::DAYS),
	];
	for stop in stops {
		run(|| {
			let provider = Person::new(1).registered_by(&alice(), None);
			let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
			let key = VoucherKey::ed25519(1);
			let channel = Channel::open(&payer, &provider, &DUSD, DOLLAR / 2, key.clone());
			stop(&provider);
			assert!(!Agents::is_active(provider.account.clone()));

			// Nothing new begins.
			let opening = open(&provider.account, &DUSD, 1_000, key.key());
			let charge = pay(&provider.account, &DUSD, 1_000);
			assert!(dispatch(payer.origin(), opening).is_err());
			assert!(dispatch(payer.origin(), charge).is_err());

			// What was earned is paid and can be taken home.
			ok(provider.origin(), settle(vec![channel.voucher(100_000)]));
			ok(provider.origin(), close(channel.id, Some(channel.voucher(200_000))));
			assert_eq!(dollars(&provider.account), 170_000);
			assert_eq!(dollars(&payer.account), DOLLAR - 200_000);
			ok(provider.origin(), withdraw(&DUSD, 170_000, &alice().account));
			assert_eq!(dollars(&provider.account), 0);
		});
	}
}

#[test]
fn stopped_payers_should_get_their_money_back() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let channel = Channel::open(&payer, &provider, &DUSD, DOLLAR, VoucherKey::ed25519(1));
		ok(root(), pallet_stoa_agents::Call::suspend { agent: payer.account.clone() });
		ok(payer.origin(), pallet_stoa_channels::Call::request_close { id: channel.id });
		advance(DEFAULT_GRACE);
		let ids = vec![channel.id].try_into().expect("one id");
		ok(ferdie().origin(), pallet_stoa_channels::Call::finalize { ids });
		ok(payer.origin(), withdraw(&DUSD, DOLLAR, &bob().account));
	});
}

#[test]
fn operators_should_reclaim_channels_of_agents_that_lost_their_key() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let channel = Channel::open(&payer, &provider, &DUSD, DOLLAR, VoucherKey::ed25519(1));
		let view = Channels::channel(channel.id).expect("it is open");
		assert_eq!(view.depositor, bob().account);
		ok(bob().origin(), pallet_stoa_channels::Call::request_close { id: channel.id });
		// The payee keeps its grace period, and anyone may bring its vouchers.
		advance(DEFAULT_GRACE - 1);
		ok(ferdie().origin(), settle(vec![channel.voucher(100)]));
		assert_eq!(dollars(&provider.account), 85);
		advance(1);
		let ids = vec![channel.id].try_into().expect("one id");
		ok(ferdie().origin(), pallet_stoa_channels::Call::finalize { ids });
		assert_eq!(dollars(&payer.account), DOLLAR - 100);
	});
}

#[test]
fn charges_should_pay_from_free_credits_in_every_asset() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		for (asset, amount) in [(DUSD, DOLLAR), (NATIVE, STOA)] {
			let payer = Person::new(2).with_credits(&asset, amount);
			ok(payer.origin(), pay(&provider.account, &asset, amount));
			assert_eq!(provider.credits(&asset), amount / 100 * 85);
			assert_eq!(Credits::balance(platform(), asset.clone()), amount / 100 * 10);
			assert_eq!(Credits::balance(growth_pool(), asset.clone()), amount / 100 * 5);
			assert_eq!(payer.credits(&asset), 0);
		}
	});
}

#[test]
fn poisoned_batches_should_pay_the_good_items() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let other = Person::new(2).registered_by(&alice(), None);
		let keys = [
			VoucherKey::ed25519(1),
			VoucherKey::sr25519(2),
			VoucherKey::ecdsa(3),
			VoucherKey::ed25519(4),
			VoucherKey::ed25519(5),
			VoucherKey::ed25519(6),
		];
		let mut channels: Vec<_> = keys
			.into_iter()
			.enumerate()
			.map(|(n, key)| {
				let payer = consumer(20 + n as u8, None, DOLLAR);
				Channel::open(&payer, &provider, &DUSD, 100_000, key)
			})
			.collect();
		let payer = consumer(30, None, DOLLAR);
		channels.push(Channel::open(&payer, &other, &DUSD, 100_000, VoucherKey::ed25519(7)));
		channels.sort_by_key(|channel| channel.id);
		let foreign = channels
			.iter()
			.position(|channel| {
				Channels::channel(channel.id).expect("it is open").payee == other.account
			})
			.expect("one is foreign");
		let bad: Vec<_> = (0..7).filter(|n| *n != foreign).take(3).collect();

		let mut items: Vec<_> = channels.iter().map(|channel| channel.voucher(10_000)).collect();
		items[bad[0]] = channels[bad[0]].voucher(100_001);
		items[bad[1]] = Item { channel: channels[bad[1]].id, ..items[bad[0]] };
		let (cumulative, signature) = (10_000, *items[bad[1]].signature());
		items[bad[1]].proof = Proof::Voucher { cumulative, valid_until: 0, signature };
		items[bad[2]].lane = 1;
		let mut expected = vec![
			(foreign as u32, SkipReason::NotPayee),
			(bad[0] as u32, SkipReason::AboveDeposit),
			(bad[1] as u32, SkipReason::BadSignature),
			(bad[2] as u32, SkipReason::UnknownLane),
		];
		expected.sort_by_key(|(index, _)| *index);

		take_events();
		ok(provider.origin(), settle(items));
		let events = take_events();
		assert_eq!(skipped(&events), expected);
		let settled = settlements(events);
		assert_eq!(settled.len(), 3);
		assert!(settled.iter().all(|(_, gross, ..)| *gross == 10_000));
		assert_eq!(dollars(&provider.account), 3 * 8_500);

		// Again with what was paid before: nothing is paid twice.
		let items = channels.iter().map(|channel| channel.voucher(10_000)).collect();
		ok(provider.origin(), settle(items));
		assert_eq!(dollars(&provider.account), 6 * 8_500);
		assert_eq!(dollars(&other.account), 0);
	});
}

#[test]
fn payees_that_own_nothing_should_be_paid() {
	run(|| {
		// Less than any account of pallet-assets or pallet-balances could hold.
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).with_credits(&NATIVE, STOA);
		let payer = payer.registered_by(&bob(), None);
		let channel = Channel::open(&payer, &provider, &NATIVE, STOA, VoucherKey::ecdsa(1));
		ok(provider.origin(), settle(vec![channel.voucher(7)]));
		assert_eq!(provider.credits(&NATIVE), 6);
		// A row below the dust bound does not count as what keeps an account alive.
		let row = pallet_stoa_credits::Free::<Runtime>::get(&provider.account, NATIVE);
		assert_eq!(row, Some(pallet_stoa_credits::Row { free: 6, sufficient: false }));
	});
}

#[test]
fn captures_should_leave_the_rest_of_a_voucher_usable() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = consumer(2, None, DOLLAR);
		let channel = Channel::open(&payer, &provider, &DUSD, 100_000, VoucherKey::ed25519(1));
		let voucher = channel.voucher(50_000);
		ok(provider.origin(), settle(vec![Item { capture: Some(20_000), ..voucher }]));
		assert_eq!(dollars(&provider.account), 17_000);
		ok(provider.origin(), settle(vec![voucher]));
		assert_eq!(dollars(&provider.account), 42_500);
	});
}

#[test]
fn accounts_that_have_opened_a_channel_should_stay() {
	run(|| {
		let exists = |who: &Person| frame_system::Account::<Runtime>::contains_key(&who.account);
		let provider = Person::new(1).registered_by(&alice(), None);
		// One whose operator puts up the deposit of the nonce row, and one that does itself.
		let agent = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let own = Person::new(3).with_native(STOA).with_credits(&DUSD, DOLLAR);
		let other = Person::new(4).with_native(STOA).with_credits(&DUSD, DOLLAR);
		for payer in [&agent, &own] {
			let channel = Channel::open(payer, &provider, &DUSD, DOLLAR, VoucherKey::ed25519(1));
			ok(provider.origin(), close(channel.id, None));
		}
		for payer in [&agent, &own, &other] {
			ok(payer.origin(), withdraw(&DUSD, DOLLAR, &bob().account));
			let (dest, keep_alive) = (bob().account.into(), false);
			let _ =
				dispatch(payer.origin(), pallet_balances::Call::transfer_all { dest, keep_alive });
		}
		// Whoever never opened one goes with the last that it owned.
		assert_eq!([&agent, &own, &other].map(exists), [true, true, false]);
	});
}

#[test]
fn frozen_assets_should_stop_deposits_and_withdrawals_and_nothing_else() {
	use pallet_assets::Call;
	let (id, who) = (genesis_presets::DUSD, || Credits::custody_account().into());
	let freezes: [(Call<Runtime>, Call<Runtime>, bool); 2] = [
		(Call::freeze_asset { id }, Call::thaw_asset { id }, false),
		(Call::freeze { id, who: who() }, Call::thaw { id, who: who() }, true),
	];
	for (freeze, thaw, can_deposit) in freezes {
		run(|| {
			let provider = Person::new(1).registered_by(&alice(), None);
			let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
			let early = Channel::open(&payer, &provider, &DUSD, DOLLAR / 4, VoucherKey::ed25519(1));
			ok(alice().origin(), freeze);
			let more = || deposit(&DUSD, DOLLAR, &payer.account);
			assert_eq!(dispatch(ferdie().origin(), more()).is_ok(), can_deposit);
			let out = || withdraw(&DUSD, dollars(&provider.account), &alice().account);
			// Credits move as before.
			let late = Channel::open(&payer, &provider, &DUSD, DOLLAR / 4, VoucherKey::ed25519(2));
			ok(payer.origin(), pallet_stoa_channels::Call::top_up { id: late.id, amount: 1 });
			ok(provider.origin(), settle(vec![early.voucher(100), late.voucher(100)]));
			assert_eq!(dollars(&provider.account), 170);
			assert!(dispatch(provider.origin(), out()).is_err());
			for channel in [&early, &late] {
				ok(provider.origin(), close(channel.id, Some(channel.voucher(200))));
			}
			assert_eq!(dollars(&provider.account), 340);
			// And are as good as ever once it is over.
			ok(alice().origin(), thaw);
			ok(ferdie().origin(), more());
			ok(provider.origin(), out());
		});
	}
}

#[test]
fn early_adopters_should_be_granted_no_more_than_their_trade_has_pooled() {
	run(|| {
		let referrers = Referrers::new();
		let provider = Person::new(1).registered_by(&charlie(), None);
		let payer = consumer(2, by_code(), DOLLAR);
		let suspend = pallet_stoa_agents::Call::suspend { agent: referrers.near.account.clone() };
		ok(root(), suspend);
		ok(payer.origin(), pay(&provider.account, &DUSD, 100_000));
		// A suspended referrer is not rewarded; its part goes to the pool.
		assert_eq!(dollars(&referrers.near.account), 0);
		assert_eq!(Referrals::bonus_left(payer.account.clone(), DUSD), 1_750);
		let grant = |amount| pallet_stoa_referrals::Call::grant_bonus {
			agent: payer.account.clone(),
			asset: DUSD,
			amount,
		};
		refused(root(), grant(1_751), pallet_stoa_referrals::Error::<Runtime>::BonusTooLarge);
		ok(root(), grant(1_750));
		assert_eq!(dollars(&payer.account), DOLLAR - 100_000 + 1_750);
		refused(root(), grant(1), pallet_stoa_referrals::Error::<Runtime>::BonusTooLarge);
	});
}

#[test]
fn view_functions_should_answer_through_the_runtime_api() {
	run(|| {
		use frame_support::view_functions::ViewFunction;
		let payer = consumer(2, None, DOLLAR);
		let query =
			pallet_stoa_credits::BalanceViewFunction::<Runtime>::new(payer.account.clone(), DUSD);
		let id = <pallet_stoa_credits::BalanceViewFunction<Runtime> as ViewFunction>::id();
		let mut input = query.encode();
		let answer = Runtime::execute_view_function(id.clone(), input.clone());
		assert_eq!(answer.expect("it is known"), DOLLAR.encode());
		input.pop();
		assert!(Runtime::execute_view_function(id, input).is_err());
	});
}
