//! Money is neither made nor lost, whatever is settled under whatever schedule.

use crate::{mock::*, Totals, MIN_NOTICE_PERIOD};
use frame_support::assert_ok;
use proptest::prelude::*;
use sp_runtime::Permill;
use stoa_primitives::{
	mock::MockRewards,
	money::{LockReason, ScheduleId, Shares},
	referral::{Distributed, Reward},
	traits::Settlement,
	AccountId, Balance, BlockNumber,
};

#[derive(Clone, Debug)]
enum Step {
	/// Settle the next slice of one of four channels.
	Slice { channel: usize, gross: Balance },
	/// A one-off charge.
	Charge { gross: Balance },
	/// Propose rates: the provider's, and what of the fees is for referrers, both in millionths.
	Propose { provider: u32, referral: u32 },
	/// Withdraw the proposal.
	Cancel,
	/// Let time pass.
	Wait { blocks: BlockNumber },
	/// From now on, each of `count` referrers gets `part` in 256 of the pot.
	Reward { count: u8, part: u8 },
}

fn steps() -> impl Strategy<Value = Step> {
	let gross = || prop_oneof![1 => 0u128..3, 3 => 0u128..100, 3 => 0u128..100_000];
	prop_oneof![
		8 => (0usize..4, gross()).prop_map(|(channel, gross)| Step::Slice { channel, gross }),
		3 => gross().prop_map(|gross| Step::Charge { gross }),
		2 => (800_000u32..=1_000_000, any::<u32>()).prop_map(|(provider, referral)| {
			let most = (1_000_000 - provider) / 2;
			Step::Propose { provider, referral: referral % (most + 1) }
		}),
		1 => Just(Step::Cancel),
		2 => (1..MIN_NOTICE_PERIOD).prop_map(|blocks| Step::Wait { blocks }),
		1 => (0u8..=6, 0u8..=42).prop_map(|(count, part)| Step::Reward { count, part }),
	]
}

fn mock_rewards(count: u8, part: u8) {
	MockRewards::mock_distribute(move |_, payer, _, pot| {
		let amount = pot * Balance::from(part) / 256;
		let rewards: Vec<_> = (0..count)
			.filter(|_| amount > 0)
			.map(|level| Reward {
				to: AccountId::new([100 + level; 32]),
				referee: payer.clone(),
				level,
				amount,
			})
			.collect();
		let paid = amount * rewards.len() as Balance;
		Distributed { rewards, sides: 2, growth_pool: pot - paid }
	});
}

/// A channel: the schedule it was opened under, and what was settled so far.
#[derive(Clone, Copy)]
struct Opened {
	schedule: ScheduleId,
	settled: Balance,
	shares: Shares,
}

fn add(sum: &mut Shares, shares: &Shares) {
	sum.provider += shares.provider;
	sum.platform += shares.platform;
	sum.referral += shares.referral;
}

proptest! {
	#![proptest_config(ProptestConfig::with_cases(128))]

	#[test]
	fn settlements_should_pay_exactly_what_is_settled(steps in prop::collection::vec(steps(), 1..80)) {
		new_test_ext().execute_with(|| {
			fund_channel(START / 2);
			let mut channels: [Option<Opened>; 4] = [None; 4];
			let mut sum = Shares::default();
			for step in steps {
				let (locked, free_before) = (purse(USD, LockReason::Channel), free(&PAYER, USD));
				match step {
					Step::Slice { channel, gross } => {
						let opened = channels[channel].get_or_insert(Opened {
							schedule: FeeSplit::current_schedule(),
							settled: 0,
							shares: Shares::default(),
						});
						let settled = FeeSplit::settle(slice(opened.settled, gross, opened.schedule));
						assert_eq!(settled.is_ok(), gross > 0);
						let shares = settled.unwrap_or_default().shares;
						assert_eq!(shares.total(), Some(gross));
						assert_eq!(purse(USD, LockReason::Channel), locked - gross);
						opened.settled += gross;
						add(&mut opened.shares, &shares);
						add(&mut sum, &shares);
						// However it was sliced, a channel has paid what it would pay in one.
						let rates = FeeSplit::schedule(opened.schedule).unwrap();
						assert_eq!(rates.split(0, opened.settled), Some(opened.shares));
					},
					Step::Charge { gross } => {
						let quoted = FeeSplit::quote(USD, gross, 0).unwrap();
						let paid = FeeSplit::pay(signed(PAYER), PROVIDER, USD, gross, [7; 32]);
						assert_eq!(paid.is_ok(), gross > 0);
						assert_eq!(free(&PAYER, USD), free_before - gross);
						add(&mut sum, &quoted);
					},
					Step::Propose { provider, referral } => {
						let parts = Permill::from_parts;
						assert_ok!(FeeSplit::propose_schedule(
							RuntimeOrigin::root(),
							parts(provider),
							parts(1_000_000 - provider - referral),
							parts(referral),
						));
					},
					Step::Cancel => {
						let pending = FeeSplit::pending().is_some();
						let cancelled = FeeSplit::cancel_schedule(RuntimeOrigin::root());
						assert_eq!(cancelled.is_ok(), pending);
					},
					Step::Wait { blocks } => at(System::block_number() + blocks),
					Step::Reward { count, part } => mock_rewards(count, part),
				}
				assert_sound();
				assert_eq!((free(&PROVIDER, USD), free(&PLATFORM, USD)), (sum.provider, sum.platform));
				assert_eq!(Some(Totals::<Test>::get(USD).gross), sum.total());
			}
		});
	}
}
