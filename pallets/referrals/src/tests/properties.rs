//! Random graphs and settlements: no circle, exact sums, and nobody earns its own fees back.

use crate::{mock::*, Edges, Error, Terms};
use frame_support::assert_ok;
use proptest::prelude::*;
use sp_runtime::Permill;
use std::collections::BTreeSet;
use stoa_primitives::{
	money::{Schedule, MIN_PROVIDER_RATE},
	referral::Distributed,
	AccountId, Balance,
};

const AGENTS: u8 = 12;

/// Agents with their operators: few operators, so that they often meet.
fn operators() -> impl Strategy<Value = Vec<u8>> {
	prop::collection::vec(1u8..7, AGENTS as usize)
}

fn binds() -> impl Strategy<Value = Vec<(u8, u8)>> {
	prop::collection::vec((0..AGENTS, 0..AGENTS), 0..80)
}

fn all_terms() -> impl Strategy<Value = Terms> {
	let levels = (0u32..=1_000_000, 0u32..=1_000_000, 0u32..=1_000_000);
	(levels, 1u32..100).prop_map(|((a, b, c), window)| {
		let mut levels = [a / 2, b / 3, c / 6];
		levels.sort_by(|a, b| b.cmp(a));
		Terms { levels: levels.map(Permill::from_parts), window }
	})
}

/// All schedules that can be made, those with the dearest referral share often.
fn schedules() -> impl Strategy<Value = Schedule> {
	let cheapest = MIN_PROVIDER_RATE.deconstruct();
	(cheapest..1_000_000, any::<bool>()).prop_flat_map(|(provider, dearest)| {
		let fees = 1_000_000 - provider;
		let from = if dearest { fees / 2 } else { 0 };
		(from..=fees / 2).prop_map(move |referral| {
			let rates = [provider, fees - referral, referral].map(Permill::from_parts);
			Schedule::new(rates[0], rates[1], rates[2]).unwrap()
		})
	})
}

/// Small amounts, where rounding bites, and large ones.
fn amounts() -> impl Strategy<Value = Balance> {
	prop_oneof![0u128..100, 0u128..1_000_000, 0u128..1_000_000_000_000_000_000]
}

fn enlist_all(operators: &[u8]) {
	for (n, by) in (0u8..).zip(operators) {
		enlist(n, *by);
	}
}

/// Walks up from everybody, by direct edges alone.
fn assert_no_circle() {
	for n in 0..AGENTS {
		let mut seen = BTreeSet::from([agent(n)]);
		let mut at = agent(n);
		while let Some(up) = Referrals::referrer_of(at) {
			assert!(seen.insert(up.clone()), "a circle");
			at = up;
		}
	}
}

fn try_bind(referee: u8, referrer: u8) {
	let before = Edges::<Test>::get(agent(referee));
	match frame_support::storage::with_storage_layer(|| bind(referee, referrer)) {
		Ok(()) => {
			assert_eq!(before, None);
			assert_ne!(answering(&agent(referee)), answering(&agent(referrer)));
		},
		Err(error) => {
			assert_eq!(before, Edges::<Test>::get(agent(referee)));
			// Nothing is refused without need.
			let needed = [
				(Error::<Test>::SelfReferral, referee == referrer),
				(Error::<Test>::AlreadyBound, before.is_some()),
				(Error::<Test>::Cycle, Referrals::referee_count(agent(referee)) > 0),
				(Error::<Test>::ReferrerNotActive, !is_active(&agent(referrer))),
				(
					Error::<Test>::SameOperator,
					answering(&agent(referee)) == answering(&agent(referrer)),
				),
			];
			assert!(needed.into_iter().any(|(e, holds)| holds && error == e.into()));
		},
	}
}

/// What any referrer may be paid because of this trade, checked one by one.
fn assert_fair(split: &Distributed, payer: u8, provider: u8, pot: Balance) {
	let paid: Balance = split.rewards.iter().map(|reward| reward.amount).sum();
	assert_eq!(paid + split.growth_pool, pot);
	let sides: [AccountId; 2] = [agent(payer), agent(provider)];
	for reward in &split.rewards {
		assert!(reward.amount > 0);
		assert!(is_active(&reward.to));
		assert!(sides.contains(&reward.referee));
		assert!(!sides.contains(&reward.to));
		let chain = Referrals::chain_of(reward.referee.clone());
		assert_eq!(chain[usize::from(reward.level) - 1], reward.to);
		for side in &sides {
			assert_ne!(answering(&reward.to), answering(side));
		}
	}
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	#[test]
	fn edges_should_never_form_a_circle(
		operators in operators(), binds in binds(), asleep in 0..AGENTS,
	) {
		build_and_execute(|| {
			enlist_all(&operators);
			set_active(asleep, false);
			for (referee, referrer) in binds {
				try_bind(referee, referrer);
				assert_no_circle();
			}
			Referrals::do_try_state().unwrap();
		});
	}

	#[test]
	fn nobody_should_earn_its_own_fees_back(
		(operators, moved) in (operators(), operators()),
		binds in binds(),
		terms in all_terms(),
		schedule in schedules(),
		cap in amounts(),
		trades in prop::collection::vec((0..AGENTS, 0..AGENTS, amounts(), any::<bool>()), 1..30),
	) {
		build_and_execute(|| {
			enlist_all(&operators);
			for (referee, referrer) in binds {
				try_bind(referee, referrer);
			}
			// Operators change after agents were bound.
			enlist_all(&moved);
			assert_ok!(Referrals::set_terms(root(), terms));
			assert_ok!(Referrals::set_cap(root(), USD, cap));

			let (mut at, mut fees, mut back) = (0, 0, 0);
			for (payer, provider, gross, bonus) in trades {
				let shares = schedule.split(at, gross).unwrap();
				at += gross;
				let slice_fees = shares.platform + shares.referral;
				let split = distribute(&USD, payer, provider, shares.referral);
				assert_fair(&split, payer, provider, shares.referral);
				let pooled = credits(&pool(), &USD) + split.growth_pool;
				set_credits(&pool(), &USD, pooled);

				// The largest coalition there can be is everybody.
				let paid: Balance = split.rewards.iter().map(|reward| reward.amount).sum();
				assert!(paid < slice_fees || slice_fees == 0);
				fees += slice_fees;
				back += paid;
				if bonus {
					for n in [payer, provider] {
						let amount = Referrals::bonus_left(agent(n), USD);
						if amount > 0 {
							assert_ok!(Referrals::grant_bonus(root(), agent(n), USD, amount));
							back += amount;
						}
					}
				}
				assert!(back < fees || fees == 0);
				Referrals::do_try_state().unwrap();
				for n in 0..AGENTS {
					assert!(Referrals::totals(agent(n), USD).rewarded <= cap);
				}
			}
			// The same with every bonus that can be granted at all.
			for n in 0..AGENTS {
				let amount = Referrals::bonus_left(agent(n), USD);
				if amount > 0 {
					assert_ok!(Referrals::grant_bonus(root(), agent(n), USD, amount));
					back += amount;
				}
			}
			assert!(back < fees || fees == 0);
		});
	}
}
