//! Who plays in the demo, and how they come to the market.

use super::ledger::{Fees, Purpose};
use crate::{
	amount::Unit,
	commands::agent::{make_manifest, sign_consent},
	context::Context,
	keys::KeyPair,
	output::Failure,
};
use sp_crypto_hashing::blake2_256;
use stoa_client::chain::{
	calls, At, BlockRef, Call, Chain, ChannelInfo, FeeAsset, OpenChannel, SubmitOptions, Submitted,
	Wait,
};
use stoa_primitives::{
	agent::Manifest,
	referral::{Code, Referral},
	AssetId, Balance, MINUTES,
};

/// For fees and as a buffer, each consumer and the provider get this many units of the stablecoin
/// on top of what they spend: 0.1 dUSD, some hundred transactions.
pub const FEE_CREDITS: Balance = 100_000;

/// How long the agents' consents can be used, in blocks.
const CONSENT: u32 = 10 * MINUTES;

/// Everybody in the demo. All but the bank are fresh on every run and own nothing.
pub struct Cast {
	/// The development account that endows the operators.
	pub bank: KeyPair,
	/// Answers for the provider and the consumers, and pays their storage deposits.
	pub operator: KeyPair,
	/// Brings them all; answers for itself, since rewards within one operator are refused.
	pub referrer: KeyPair,
	/// Sells.
	pub provider: KeyPair,
	/// Buy.
	pub consumers: Vec<KeyPair>,
	/// The referrer's code.
	pub code: Code,
}

/// The amounts of one run, in units of the stablecoin.
#[derive(Clone, Debug)]
pub struct Plan {
	/// Price of a call.
	pub price: Balance,
	/// Calls of each consumer.
	pub calls: u32,
	/// What a consumer locks in its channel: half more than it will spend, so that there is a rest
	/// to be given back.
	pub deposit: Balance,
	/// What is paid in for a consumer.
	pub credits: Balance,
}

impl Plan {
	/// The amounts for `calls` calls at `price`.
	///
	/// # Errors
	///
	/// When they are too large for the ledger.
	pub fn new(unit: &Unit, price: Balance, calls: u32) -> Result<Self, Failure> {
		let deposit = price
			.checked_mul(Balance::from(calls))
			.and_then(|spent| spent.checked_add((spent / 2).max(1)));
		let credits = deposit.and_then(|deposit| deposit.checked_add(FEE_CREDITS));
		match (deposit, credits) {
			(Some(deposit), Some(credits)) if credits <= Balance::MAX / 1_000 => {
				Ok(Self { price, calls, deposit, credits })
			},
			_ => Err(Failure::new(
				format!("{calls} calls at {} are too much money", unit.show(price)),
				"choose a lower --price",
			)),
		}
	}

	/// What the operator needs to pay in for `consumers` of them and the provider.
	fn endowment(&self, consumers: usize) -> Balance {
		let consumers = Balance::try_from(consumers).unwrap_or(Balance::MAX);
		self.credits.saturating_mul(consumers).saturating_add(FEE_CREDITS)
	}
}

impl Cast {
	/// Fresh keys for everybody.
	///
	/// # Errors
	///
	/// Those of the key library.
	pub fn new(consumers: u32) -> Result<Self, Failure> {
		let fresh = |name: &str| KeyPair::generate(name).map(|(pair, _)| pair);
		let referrer = fresh("referrer")?;
		let account = referrer.account_id();
		let digits: &[u8] = account.as_ref();
		let code = format!("demo-{}", hex::encode(digits).get(..12).unwrap_or_default());
		Ok(Self {
			bank: KeyPair::development("//Alice")?,
			operator: fresh("operator")?,
			provider: fresh("provider")?,
			consumers: (1..=consumers)
				.map(|n| fresh(&format!("consumer {n}")))
				.collect::<Result<_, _>>()?,
			code: code
				.into_bytes()
				.try_into()
				.map_err(|_| Failure::new("the code is too long", "report this as a bug"))?,
			referrer,
		})
	}

	/// All that the operator answers for: the provider, then the consumers.
	pub fn agents(&self) -> impl Iterator<Item = &KeyPair> {
		std::iter::once(&self.provider).chain(&self.consumers)
	}
}

/// Sends extrinsics and keeps their fees.
pub struct Stage<'a> {
	/// What commands share.
	pub context: &'a Context,
	/// The chain.
	pub chain: &'a Chain,
	/// The stablecoin.
	pub unit: &'a Unit,
	/// Fees so far.
	pub fees: Fees,
	/// Fees by who paid them: account name, asset, amount.
	pub paid: Vec<(String, AssetId, Balance)>,
}

impl Stage<'_> {
	/// How an account of the demo pays for its extrinsics.
	pub fn options(&self, wait: Wait, credits: bool) -> SubmitOptions {
		let fee = match credits {
			true => FeeAsset::Credits(self.unit.asset.clone()),
			false => FeeAsset::Native,
		};
		SubmitOptions { wait, fee, ..SubmitOptions::default() }
	}

	/// Note what an extrinsic of `key` cost.
	pub fn charge(
		&mut self,
		kind: &'static str,
		purpose: Purpose,
		key: &KeyPair,
		submitted: &Submitted,
	) {
		let (asset, amount) = match &submitted.fee {
			Some(fee) => (fee.asset.clone().unwrap_or(AssetId::Native), fee.amount),
			None => (self.unit.asset.clone(), 0),
		};
		self.fees.add(kind, purpose, asset.clone(), amount);
		self.paid.push((key.name.clone(), asset, amount));
	}

	/// What `name` has paid in fees in `asset`.
	pub fn paid_by(&self, name: &str, asset: &AssetId) -> Balance {
		let rows = self.paid.iter().filter(|(who, what, _)| who == name && what == asset);
		rows.fold(0, |sum, (_, _, amount)| sum.saturating_add(*amount))
	}

	/// Endow the two operators from the bank. Returns the block in which this is final.
	///
	/// # Errors
	///
	/// When the bank has not enough, as on a chain that is not a development chain.
	pub async fn endow(&mut self, cast: &Cast, plan: &Plan) -> Result<BlockRef, Failure> {
		let AssetId::WithId(id) = self.unit.asset else {
			return Err(Failure::new("the demo needs an asset", "use the development stablecoin"));
		};
		let consumers = Balance::try_from(cast.consumers.len()).unwrap_or(Balance::MAX);
		let stoa = Unit::native().one()?;
		let native = stoa.saturating_mul(consumers.saturating_add(10));
		let coins = plan.endowment(cast.consumers.len());
		let bank = cast.bank.account_id();
		let has = self.chain.native_balance(&bank, At::Best).await?.free;
		let has_coins = self.chain.asset_balance(&bank, id, At::Best).await?;
		if has < native.saturating_mul(2) || has_coins <= coins {
			return Err(Failure::new(
				format!(
					"{} has {} and {}, not enough to endow the demo",
					cast.bank.name,
					Unit::native().show(has),
					self.unit.show(has_coins)
				),
				"run the demo against a development chain: `./scripts/run`, or `stoa-node --dev`",
			));
		}
		let operator = cast.operator.account_id();
		let call = calls::batch_all(vec![
			calls::transfer(operator.clone(), native),
			calls::transfer(cast.referrer.account_id(), stoa.saturating_mul(5)),
			// One unit stays: an account's last minimum balance cannot be deposited.
			calls::transfer_asset(id, operator, coins.saturating_add(1)),
		]);
		let options = self.options(Wait::Finalized, false);
		let submitted = self.chain.submit(&call, &cast.bank.account, options).await?;
		Ok(submitted.block)
	}

	/// Register everybody and pay credits in.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn onboard(&mut self, cast: &Cast, plan: &Plan) -> Result<(), Failure> {
		let referrer = calls::batch_all(vec![
			calls::register(cast.referrer.account_id(), None, manifest("referrer")?, None),
			calls::claim_code(cast.code.clone()),
		]);
		let options = self.options(Wait::InBlock, false);
		let submitted = self.chain.submit(&referrer, &cast.referrer.account, options).await?;
		self.charge("register referrer, claim code", Purpose::SetUp, &cast.referrer, &submitted);

		let operator = cast.operator.account_id();
		let mut registrations = Vec::new();
		for agent in cast.agents() {
			let proof = sign_consent(self.chain, agent, &operator, CONSENT).await?;
			let referral = Some(Referral::Code(cast.code.clone()));
			let account = agent.account_id();
			registrations.push(calls::register(
				account,
				Some(proof),
				manifest(&agent.name)?,
				referral,
			));
		}
		let asset = &self.unit.asset;
		let deposits: Vec<Call> = cast
			.agents()
			.map(|agent| {
				let amount =
					if agent.name == cast.provider.name { FEE_CREDITS } else { plan.credits };
				calls::deposit(asset.clone(), amount, agent.account_id())
			})
			.collect();
		let batches = [calls::batch_all(registrations), calls::batch_all(deposits)];
		let options = self.options(Wait::InBlock, false);
		let sent = self.chain.submit_many(&batches, &cast.operator.account, options).await;
		let kinds = ["register provider and consumers", "deposit credits"];
		for (submitted, kind) in sent.into_iter().zip(kinds) {
			self.charge(kind, Purpose::SetUp, &cast.operator, &submitted?);
		}
		Ok(())
	}

	/// Every consumer opens its channel, paying the fee from its credits.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn open(&mut self, cast: &Cast, plan: &Plan) -> Result<Vec<ChannelInfo>, Failure> {
		let options = self.options(Wait::InBlock, true);
		let payee = cast.provider.account_id();
		let opens = cast.consumers.iter().map(|consumer| {
			let (asset, key) = (self.unit.asset.clone(), consumer.voucher.key());
			let call = calls::open(OpenChannel::new(payee.clone(), asset, plan.deposit, key));
			let (chain, options) = (self.chain, options.clone());
			async move { chain.submit(&call, &consumer.account, options).await }
		});
		let opened = futures::future::try_join_all(opens).await?;
		let mut last = 0;
		let mut ids = Vec::new();
		for (submitted, consumer) in opened.iter().zip(&cast.consumers) {
			self.charge("open a channel", Purpose::Trade, consumer, submitted);
			last = last.max(submitted.block.number);
			ids.push(submitted.opened().ok_or_else(|| {
				Failure::new(
					format!("the extrinsic of {} opened no channel", consumer.name),
					"report this as a bug",
				)
			})?);
		}
		// The provider believes finalized state only.
		let block = self.chain.wait_for_block(last, true).await?;
		let mut channels = Vec::new();
		for id in ids {
			let info = self.chain.channel(&id, At::Hash(block.hash)).await?;
			channels.push(info.ok_or_else(|| {
				Failure::new(
					"a channel is gone at once",
					"run the demo again: the chain has reorganised",
				)
			})?);
		}
		Ok(channels)
	}

	/// The provider closes the channels in one batch; the rest goes back to the consumers. Returns
	/// the block in which this is final.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn close(
		&mut self,
		cast: &Cast,
		channels: &[ChannelInfo],
	) -> Result<BlockRef, Failure> {
		let closes = channels.iter().map(|info| calls::close(info.id, None)).collect();
		let options = self.options(Wait::Finalized, true);
		let call = calls::batch_all(closes);
		let submitted = self.chain.submit(&call, &cast.provider.account, options).await?;
		self.charge("close all channels", Purpose::Trade, &cast.provider, &submitted);
		Ok(submitted.block)
	}
}

/// What an agent of the demo says of itself.
fn manifest(name: &str) -> Result<Manifest, Failure> {
	let text = format!("{{\"name\":\"stoa demo {name}\"}}");
	make_manifest(blake2_256(text.as_bytes()), "https://example.org/stoa-demo.json")
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::collections::HashSet;

	#[test]
	fn casts_should_be_fresh_on_every_run() {
		let (one, two) = (Cast::new(3).unwrap(), Cast::new(3).unwrap());
		let accounts: HashSet<_> = [&one, &two]
			.iter()
			.flat_map(|cast| cast.agents().chain([&cast.operator, &cast.referrer]))
			.map(|pair| pair.account_id())
			.collect();
		assert_eq!(accounts.len(), 12);
		assert_ne!(one.code, two.code);
		assert!(
			crate::commands::referral::parse_code(std::str::from_utf8(&one.code).unwrap()).is_ok()
		);
	}

	#[test]
	fn plans_should_leave_a_rest_to_give_back() {
		let unit = Unit::development();
		let plan = Plan::new(&unit, 100, 1_000).unwrap();
		assert_eq!((plan.deposit, plan.credits), (150_000, 250_000));
		assert_eq!(plan.endowment(3), 850_000);
		assert_eq!(Plan::new(&unit, 1, 1).unwrap().deposit, 2);
		assert!(Plan::new(&unit, Balance::MAX / 2, 1_000).is_err());
	}
}
