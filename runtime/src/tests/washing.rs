//! Trading with oneself must lose money, whoever is in league with whom.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// People of the market, each of whom may operate, bring and pay others.
const PEOPLE: usize = 8;

/// Who registers whom, and on whose word.
#[derive(Clone, Debug)]
struct Registration {
	operator: usize,
	agent: usize,
	referrer: Option<usize>,
}

#[derive(Clone, Debug)]
enum Trade {
	/// A charge.
	Charge { payer: usize, provider: usize, gross: Balance },
	/// A channel that is settled in slices.
	Channel { payer: usize, provider: usize, slices: Vec<Balance> },
	/// The largest bonus that governance could grant.
	Bonus { agent: usize },
}

fn person() -> impl Strategy<Value = usize> {
	0..PEOPLE
}

fn amount() -> impl Strategy<Value = Balance> {
	prop_oneof![1u128..50, 1u128..100_000, Just(20u128), Just(DOLLAR)]
}

fn registrations() -> impl Strategy<Value = Vec<Registration>> {
	// Everybody operates itself or is operated by the next; edges lead to whoever was there before.
	let one = (any::<bool>(), prop::option::weighted(0.8, any::<prop::sample::Index>()));
	prop::collection::vec(one, PEOPLE).prop_map(|list| {
		list.into_iter()
			.enumerate()
			.map(|(agent, (own, referrer))| Registration {
				operator: if own { agent } else { (agent + 1) % PEOPLE },
				agent,
				referrer: referrer.filter(|_| agent > 0).map(|index| index.index(agent)),
			})
			.collect()
	})
}

fn trade() -> impl Strategy<Value = Trade> {
	prop_oneof![
		4 => (person(), person(), amount())
			.prop_map(|(payer, provider, gross)| Trade::Charge { payer, provider, gross }),
		3 => (person(), person(), prop::collection::vec(amount(), 1..5))
			.prop_map(|(payer, provider, slices)| Trade::Channel { payer, provider, slices }),
		1 => person().prop_map(|agent| Trade::Bonus { agent }),
	]
}

/// Run a trade; the fees that were taken, 0 when the runtime refused it.
fn run_trade(people: &[Person], trade: &Trade, seed: u8) -> Balance {
	let fees = || {
		let totals = FeeSplit::totals(DUSD);
		totals.gross - totals.provider
	};
	let before = fees();
	match trade {
		Trade::Charge { payer, provider, gross } => {
			let call = pay(&people[*provider].account, &DUSD, *gross);
			let _ = dispatch(people[*payer].origin(), call);
		},
		Trade::Channel { payer, provider, slices } => {
			let (payer, provider) = (&people[*payer], &people[*provider]);
			let key = VoucherKey::ed25519(seed);
			let id = Channels::channel_id_of(payer.account.clone(), provider.account.clone(), DUSD);
			let deposit = slices.iter().sum();
			let opening = open(&provider.account, &DUSD, deposit, key.key());
			if dispatch(payer.origin(), opening).is_ok() {
				let channel = Channel { id, key };
				let mut cumulative = 0;
				for slice in slices {
					cumulative += slice;
					ok(provider.origin(), settle(vec![channel.voucher(cumulative)]));
				}
				ok(provider.origin(), close(id, None));
			}
		},
		Trade::Bonus { agent } => {
			let agent = people[*agent].account.clone();
			let amount = Referrals::bonus_left(agent.clone(), DUSD);
			let call = pallet_stoa_referrals::Call::grant_bonus { agent, asset: DUSD, amount };
			let _ = dispatch(root(), call);
		},
	}
	fees() - before
}

proptest! {
	#![proptest_config(model::config(24))]

	#[test]
	fn coalitions_should_lose_by_trading_with_themselves(
		registrations in registrations(),
		// The referees' caps do not matter, or stop rewards half-way.
		cap in prop_oneof![Just(Balance::MAX), 0..20_000u128],
		levels in prop_oneof![Just([70, 20, 10]), Just([100, 0, 0]), Just([34, 33, 33])],
		members in prop::collection::btree_set(person(), 1..=PEOPLE),
		trades in prop::collection::vec(trade(), 1..40),
	) {
		run(|| {
			let people: Vec<_> = (0..PEOPLE as u8)
				.map(|n| {
					let person = Person::new(1 + n).with_native(100 * STOA);
					person.with_credits(&DUSD, 1_000 * DOLLAR)
				})
				.collect();
			let terms = pallet_stoa_referrals::Terms {
				levels: levels.map(sp_runtime::Permill::from_percent),
				..Default::default()
			};
			ok(root(), pallet_stoa_referrals::Call::set_terms { terms });
			ok(root(), pallet_stoa_referrals::Call::set_cap { asset: DUSD, cap });
			for Registration { operator, agent, referrer } in &registrations {
				let (operator, agent) = (&people[*operator], &people[*agent]);
				let referral = referrer.map(|at| Referral::Account(people[at].account.clone()));
				// A forbidden edge is left out: the agent comes without.
				if dispatch(operator.origin(), register(operator, agent, referral)).is_err() {
					ok(operator.origin(), register(operator, agent, None));
				}
			}

			let wealth = |members: &BTreeSet<usize>| -> Balance {
				members.iter().map(|at| people[*at].credits(&DUSD)).sum()
			};
			let (start, mut fees_of_members) = (wealth(&members), 0);
			let mut outside = 0;
			for (n, trade) in trades.iter().enumerate() {
				let before = wealth(&members);
				let fees = run_trade(&people, trade, n as u8);
				let (payer, provider) = match trade {
					Trade::Charge { payer, provider, .. } |
					Trade::Channel { payer, provider, .. } => (payer, provider),
					Trade::Bonus { agent } => {
						// What was pooled by trade that is counted already.
						if !members.contains(agent) {
							continue;
						}
						assert!(wealth(&members) - before <= fees_of_members + outside);
						continue;
					},
				};
				let after = wealth(&members);
				if members.contains(payer) && members.contains(provider) {
					// Within the coalition money only gets less, by more than what fees it gets back.
					assert!(after <= before, "a wash trade has won");
					assert!(fees == 0 || after < before, "a wash trade has cost nothing");
					assert!(before - after <= fees);
					// More than half of the fees is gone for good.
					assert!((before - after) * 2 >= fees, "most of the fees came back");
					fees_of_members += fees;
				} else {
					// Outsiders pay the coalition, or are paid by it, at their own will.
					outside += fees + before.abs_diff(after);
				}
			}
			if outside == 0 {
				// With bonuses too, the coalition ends with less than it began.
				let end = wealth(&members);
				assert!(end <= start && (fees_of_members == 0 || end < start));
			}
		});
	}
}
