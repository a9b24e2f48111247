//! What the chain says: state at both ends of a run, and all events in between.

use super::{
	cast::{Cast, Plan, Stage},
	checks::{ChannelFacts, Facts, NativeFacts, Party, Slice, Solvency, Totals},
	ledger::Rates,
	trade::Tally,
};
use crate::{amount::Unit, keys::KeyPair, output::Failure};
use futures::{stream, StreamExt, TryStreamExt};
use std::collections::HashMap;
use stoa_client::chain::{At, BlockRef, Chain, ChannelInfo, MarketEvent};
use stoa_primitives::{
	channel::ChannelId,
	money::{Schedule, Source},
	AccountId, AssetId, Balance,
};

/// How many blocks are read at the same time.
const PARALLEL_READS: usize = 8;

/// State at one block.
pub struct Snapshot {
	block: BlockRef,
	/// Credits of everybody in the demo, by account.
	credits: HashMap<AccountId, Balance>,
	/// Free and held native tokens of the two operators.
	native: HashMap<AccountId, Balance>,
	platform: Balance,
	pool: Balance,
	totals: Totals,
	ledger: Solvency,
	/// Channels that have not ended, of everybody.
	channels: Vec<ChannelId>,
	native_per_unit: u128,
}

/// Everybody whose credits are looked at.
fn parties(cast: &Cast) -> impl Iterator<Item = &KeyPair> {
	cast.agents().chain(std::iter::once(&cast.referrer))
}

impl Snapshot {
	/// Read state at `block`.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn take(
		chain: &Chain,
		asset: &AssetId,
		block: BlockRef,
		cast: &Cast,
	) -> Result<Self, Failure> {
		let at = At::Hash(block.hash);
		let mut credits = HashMap::new();
		for party in parties(cast) {
			let account = party.account_id();
			credits.insert(account.clone(), chain.credits(&account, asset, at).await?);
		}
		let mut native = HashMap::new();
		for operator in [&cast.operator, &cast.referrer] {
			let account = operator.account_id();
			let balance = chain.native_balance(&account, at).await?;
			native.insert(account, balance.free.saturating_add(balance.reserved));
		}
		let totals = chain.settled_totals(asset, at).await?;
		let ledger = chain.solvency(asset, at).await?;
		let platform = chain.platform_account().await?;
		let pool = chain.growth_pool_account().await?;
		let rate = match asset {
			AssetId::Native => None,
			AssetId::WithId(id) => chain.asset_rate(*id, at).await?,
		};
		Ok(Self {
			block,
			credits,
			native,
			platform: chain.credits(&platform, asset, at).await?,
			pool: chain.credits(&pool, asset, at).await?,
			totals: Totals { gross: totals.gross, shares: totals.shares },
			ledger: Solvency {
				issued: ledger.issued,
				free: ledger.free,
				locked: ledger.locked,
				custody: ledger.custody,
			},
			channels: chain.channels(at).await?.iter().map(|info| info.id).collect(),
			// Without a rate no fee in dollars can be told; it is shown as unknown.
			native_per_unit: rate.unwrap_or(0),
		})
	}

	/// What native tokens are worth, by the chain's rate at this block.
	pub fn rates(&self, unit: &Unit) -> Rates {
		Rates { dollar: unit.clone(), native_per_unit: self.native_per_unit }
	}

	fn credits_of(&self, key: &KeyPair) -> Balance {
		self.credits.get(&key.account_id()).copied().unwrap_or(0)
	}

	fn native_of(&self, key: &KeyPair) -> Balance {
		self.native.get(&key.account_id()).copied().unwrap_or(0)
	}
}

/// All events after one block up to another, and the schedules that they name.
pub struct Seen {
	asset: AssetId,
	events: Vec<MarketEvent>,
	schedules: HashMap<u32, Schedule>,
}

impl Seen {
	/// Read the events of the blocks after `first` up to `last`, which must be final.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn read(
		chain: &Chain,
		asset: &AssetId,
		first: BlockRef,
		last: BlockRef,
	) -> Result<Self, Failure> {
		let blocks: Vec<Vec<MarketEvent>> =
			stream::iter(first.number.saturating_add(1)..=last.number)
				.map(|number| async move {
					let block = chain.block_by_number(number).await?.ok_or_else(|| {
						Failure::new(
							format!("the node does not know block {number}"),
							"run the demo again",
						)
					})?;
					let records = chain.events(block.hash).await?;
					Ok::<_, Failure>(records.into_iter().map(|record| record.event).collect())
				})
				.buffered(PARALLEL_READS)
				.try_collect()
				.await?;
		let events: Vec<_> = blocks.into_iter().flatten().collect();
		tracing::debug!(?events, "seen");
		let mut schedules = HashMap::new();
		for event in &events {
			if let MarketEvent::Settled { schedule, .. } = event {
				if !schedules.contains_key(schedule) {
					if let Some(rates) = chain.schedule(*schedule, At::Hash(last.hash)).await? {
						schedules.insert(*schedule, rates);
					}
				}
			}
		}
		Ok(Self { asset: asset.clone(), events, schedules })
	}

	/// The sum of what `amount` finds in the events.
	fn sum(&self, amount: impl Fn(&MarketEvent) -> Option<Balance>) -> Balance {
		self.events.iter().filter_map(amount).fold(0, |sum, more| sum.saturating_add(more))
	}

	fn deposited(&self, who: Option<&AccountId>) -> Balance {
		self.sum(|event| match event {
			MarketEvent::Deposited { beneficiary, asset, amount, .. }
				if *asset == self.asset && who.is_none_or(|who| who == beneficiary) =>
			{
				Some(*amount)
			},
			_ => None,
		})
	}

	fn withdrawn(&self) -> Balance {
		self.sum(|event| match event {
			MarketEvent::Withdrawn { asset, amount, .. } if *asset == self.asset => Some(*amount),
			_ => None,
		})
	}

	fn rewarded(&self, who: &AccountId) -> Balance {
		self.sum(|event| match event {
			MarketEvent::Rewarded { referrer, asset, amount, .. }
				if *asset == self.asset && referrer == who =>
			{
				Some(*amount)
			},
			_ => None,
		})
	}

	/// The growth pool's part of what was paid to `provider`, or to anybody.
	fn growth(&self, provider: Option<&AccountId>) -> Balance {
		self.sum(|event| match event {
			MarketEvent::Settled { asset, provider: paid, growth_pool, .. }
				if *asset == self.asset && provider.is_none_or(|provider| provider == paid) =>
			{
				Some(*growth_pool)
			},
			_ => None,
		})
	}

	/// All settlements in the asset, whoever traded; `None` on overflow.
	fn settled(&self) -> Option<Totals> {
		self.events.iter().try_fold(Totals::default(), |sum, event| match event {
			MarketEvent::Settled { asset, gross, shares, .. } if *asset == self.asset => {
				sum.plus(*gross, shares)
			},
			_ => Some(sum),
		})
	}

	/// The settlements of one channel, in order.
	fn slices(&self, id: &ChannelId) -> Vec<Slice> {
		let mut before = 0u128;
		let mut slices = Vec::new();
		for event in &self.events {
			if let MarketEvent::Settled { source: Source::Channel(of), gross, shares, .. } = event {
				if of == id {
					slices.push(Slice { before, gross: *gross, shares: *shares });
					before = before.saturating_add(*gross);
				}
			}
		}
		slices
	}

	/// What `payer` has paid to providers.
	fn spent(&self, who: &AccountId) -> Balance {
		self.sum(|event| match event {
			MarketEvent::Settled { asset, payer, gross, .. }
				if *asset == self.asset && payer == who =>
			{
				Some(*gross)
			},
			_ => None,
		})
	}

	/// What `provider` has received.
	fn earned(&self, who: &AccountId) -> Balance {
		self.sum(|event| match event {
			MarketEvent::Settled { asset, provider, shares, .. }
				if *asset == self.asset && provider == who =>
			{
				Some(shares.provider)
			},
			_ => None,
		})
	}

	fn fees(&self, payer: &AccountId, of: Option<&AssetId>) -> Balance {
		self.sum(|event| match event {
			MarketEvent::FeePaid { who, asset, amount, .. }
				if who == payer && asset.as_ref() == of =>
			{
				Some(*amount)
			},
			_ => None,
		})
	}

	fn channel(
		&self,
		role: &str,
		info: &ChannelInfo,
		tally: &Tally,
		recorded: bool,
	) -> ChannelFacts {
		let mut facts = ChannelFacts {
			role: role.into(),
			answered: tally.answered,
			signed: tally.signed,
			slices: self.slices(&info.id),
			recorded,
			..ChannelFacts::default()
		};
		for event in &self.events {
			match event {
				MarketEvent::Opened { id, deposit, .. } if *id == info.id => {
					facts.deposit = *deposit
				},
				MarketEvent::Claimed { id, amount, .. } if *id == info.id => {
					facts.claimed = facts.claimed.saturating_add(*amount)
				},
				MarketEvent::Closed { id, paid, refunded } if *id == info.id => {
					facts.closed_paid = Some(*paid);
					facts.refunded = *refunded;
				},
				_ => {},
			}
		}
		facts
	}
}

/// All that a run has left behind.
pub struct Run<'a> {
	/// The amounts.
	pub plan: &'a Plan,
	/// The asset.
	pub unit: &'a Unit,
	/// Who played.
	pub cast: &'a Cast,
	/// What extrinsics cost, as they were reported when they were sent.
	pub stage: &'a Stage<'a>,
	/// The channels, one for each consumer.
	pub channels: &'a [ChannelInfo],
	/// What the consumers counted.
	pub tallies: &'a [Tally],
	/// What the gateway counted.
	pub served: u64,
	/// State at the first block.
	pub before: &'a Snapshot,
	/// State at the last block.
	pub after: &'a Snapshot,
	/// The events in between.
	pub seen: &'a Seen,
}

/// Put together what was observed.
///
/// # Errors
///
/// When events name a schedule that state does not know, or balances shrink that cannot.
pub fn facts(run: Run) -> Result<Facts, Failure> {
	let Run { plan, unit, cast, stage, channels, tallies, served, before, after, seen } = run;
	let shrunk = |what: &str| {
		Failure::new(
			format!(
				"{what} has fewer credits at block {} than at block {}",
				after.block.number, before.block.number
			),
			"run the demo on a chain where nobody withdraws from it meanwhile",
		)
	};
	let provider = cast.provider.account_id();
	let schedule = channels
		.first()
		.and_then(|info| seen.schedules.get(&info.schedule).copied())
		.ok_or_else(|| {
			Failure::new(
				"nothing was settled, so there is nothing to check",
				"look at the calls' errors",
			)
		})?;
	let rows = cast.consumers.iter().zip(channels).zip(tallies);
	let channels = rows
		.map(|((consumer, info), tally)| {
			seen.channel(&consumer.name, info, tally, after.channels.contains(&info.id))
		})
		.collect();
	let party = |key: &KeyPair| {
		let account = key.account_id();
		Party {
			role: key.name.clone(),
			before: before.credits_of(key),
			after: after.credits_of(key),
			deposited: seen.deposited(Some(&account)),
			earned: seen.earned(&account).saturating_add(seen.rewarded(&account)),
			spent: seen.spent(&account),
			fees: seen.fees(&account, Some(&unit.asset)),
			fees_reported: stage.paid_by(&key.name, &unit.asset),
		}
	};
	let native = [&cast.operator, &cast.referrer].map(|key| NativeFacts {
		role: key.name.clone(),
		funded: before.native_of(key),
		after: after.native_of(key),
		fees: seen.fees(&key.account_id(), None),
		fees_reported: stage.paid_by(&key.name, &AssetId::Native),
	});
	let count = |of: fn(&Tally) -> u64| tallies.iter().map(of).fold(0, u64::saturating_add);
	Ok(Facts {
		unit: unit.clone(),
		price: plan.price,
		planned: u64::from(plan.calls),
		sampled: count(|tally| tally.sampled),
		wrong: count(|tally| tally.wrong),
		receipts: count(|tally| tally.receipts),
		served,
		schedule,
		channels,
		parties: parties(cast).map(party).collect(),
		rewards: seen.rewarded(&cast.referrer.account_id()),
		growth: seen.growth(Some(&provider)),
		platform: (
			after.platform.checked_sub(before.platform).ok_or_else(|| shrunk("the platform"))?,
			seen.settled().map_or(0, |totals| totals.shares.platform),
		),
		pool: (
			after.pool.checked_sub(before.pool).ok_or_else(|| shrunk("the growth pool"))?,
			seen.growth(None),
		),
		totals_before: before.totals,
		totals_after: after.totals,
		settled: seen.settled().unwrap_or_default(),
		ledger_before: before.ledger,
		ledger_after: after.ledger,
		paid_in: seen.deposited(None),
		paid_out: seen.withdrawn(),
		native: native.to_vec(),
	})
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_primitives::money::Shares;

	fn account(n: u8) -> AccountId {
		AccountId::new([n; 32])
	}

	fn settled(channel: u8, payer: u8, gross: Balance, asset: AssetId) -> MarketEvent {
		MarketEvent::Settled {
			source: Source::Channel([channel; 32]),
			payer: account(payer),
			provider: account(9),
			asset,
			gross,
			shares: Schedule::GENESIS.split(0, gross).unwrap(),
			growth_pool: 1,
			schedule: 0,
		}
	}

	fn seen(events: Vec<MarketEvent>) -> Seen {
		Seen { asset: AssetId::WithId(1), events, schedules: HashMap::new() }
	}

	#[test]
	fn sums_should_take_only_what_belongs_to_account_and_asset() {
		let usd = AssetId::WithId(1);
		let deposited = |to: u8, amount: Balance, asset: AssetId| MarketEvent::Deposited {
			who: account(0),
			beneficiary: account(to),
			asset,
			amount,
		};
		let fee = |who: u8, asset: Option<AssetId>, amount: Balance| MarketEvent::FeePaid {
			who: account(who),
			asset,
			amount,
			tip: 0,
		};
		let seen = seen(vec![
			deposited(1, 10, usd.clone()),
			deposited(1, 99, AssetId::Native),
			deposited(2, 5, usd.clone()),
			settled(1, 1, 100, usd.clone()),
			settled(2, 2, 200, usd.clone()),
			settled(3, 1, 999, AssetId::Native),
			fee(1, Some(usd.clone()), 3),
			fee(1, None, 7),
			fee(2, Some(usd.clone()), 4),
		]);
		assert_eq!(seen.deposited(Some(&account(1))), 10);
		assert_eq!(seen.deposited(None), 15);
		assert_eq!(seen.spent(&account(1)), 100);
		assert_eq!(seen.earned(&account(9)), 85 + 170);
		assert_eq!(seen.growth(None), 2);
		assert_eq!(seen.growth(Some(&account(8))), 0);
		assert_eq!(seen.fees(&account(1), Some(&usd)), 3);
		assert_eq!(seen.fees(&account(1), None), 7);
		assert_eq!(seen.settled().unwrap().gross, 300);
	}

	#[test]
	fn slices_should_carry_what_was_settled_before() {
		let usd = AssetId::WithId(1);
		let events = vec![
			settled(1, 1, 100, usd.clone()),
			settled(2, 1, 7, usd.clone()),
			settled(1, 1, 50, usd),
		];
		let slices = seen(events).slices(&[1; 32]);
		let rows: Vec<_> = slices.iter().map(|slice| (slice.before, slice.gross)).collect();
		assert_eq!(rows, [(0, 100), (100, 50)]);
		assert_eq!(slices[0].shares, Shares { provider: 85, platform: 10, referral: 5 });
	}
}
