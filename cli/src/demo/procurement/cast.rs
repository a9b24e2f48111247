//! Who plays, and how they come to the market: three operators, so that neither of the sides of an agreement nor its
//! arbiter answers to the same one.

use crate::{
	amount::Unit,
	commands::agent::{make_manifest, sign_consent},
	context::Context,
	keys::KeyPair,
	output::Failure,
};
use sp_crypto_hashing::blake2_256;
use stoa_client::chain::{
	calls, At, BlockRef, Call, Chain, FeeAsset, SubmitOptions, Submitted, Wait,
};
use stoa_primitives::{AssetId, Balance, MINUTES};

/// How long the agents' consents can be used, in blocks.
const CONSENT: u32 = 10 * MINUTES;

/// Whole dollars that the buyer is given: more than the dearest offer that it would take.
const BUDGET: Balance = 150;

/// Whole dollars that each vendor is given for its bond and for fees.
const VENDOR: Balance = 30;

/// Everybody. All but the bank are fresh on every run and own nothing.
pub struct Cast {
	/// The development account that endows the operators.
	pub bank: KeyPair,
	/// Answers for the buyer.
	pub factory: KeyPair,
	/// Answers for the vendors.
	pub dealers: KeyPair,
	/// Answers for the arbiter.
	pub court: KeyPair,
	/// Runs out of stock.
	pub buyer: KeyPair,
	/// Sell.
	pub vendors: Vec<KeyPair>,
	/// Would rule in a dispute.
	pub arbiter: KeyPair,
}

impl Cast {
	/// Fresh keys for everybody.
	///
	/// # Errors
	///
	/// Those of the key library.
	pub fn new() -> Result<Self, Failure> {
		let fresh = |name: &str| KeyPair::generate(name).map(|(pair, _)| pair);
		Ok(Self {
			bank: KeyPair::development("//Alice")?,
			factory: fresh("buyer's operator")?,
			dealers: fresh("vendors' operator")?,
			court: fresh("arbiter's operator")?,
			buyer: fresh("buyer")?,
			vendors: ["vendor 1", "vendor 2", "vendor 3"]
				.into_iter()
				.map(fresh)
				.collect::<Result<_, _>>()?,
			arbiter: fresh("arbiter")?,
		})
	}

	/// Those whose every movement is known.
	pub fn parties(&self) -> impl Iterator<Item = &KeyPair> {
		std::iter::once(&self.buyer).chain(&self.vendors)
	}

	/// Each operator with its agents and what each of these is given, in whole dollars.
	fn houses(&self) -> [(&KeyPair, Vec<(&KeyPair, Balance)>); 3] {
		let vendors = self.vendors.iter().map(|vendor| (vendor, VENDOR)).collect();
		[
			(&self.factory, vec![(&self.buyer, BUDGET)]),
			(&self.dealers, vendors),
			(&self.court, vec![(&self.arbiter, 1)]),
		]
	}
}

/// Where it is played.
pub struct Stage<'a> {
	/// What commands share.
	pub context: &'a Context,
	/// The chain.
	pub chain: &'a Chain,
	/// The stablecoin.
	pub unit: &'a Unit,
}

impl Stage<'_> {
	/// Agents own credits only, and believe what is final only.
	pub fn options(&self) -> SubmitOptions {
		let fee = FeeAsset::Credits(self.unit.asset.clone());
		SubmitOptions { wait: Wait::Finalized, fee, ..SubmitOptions::default() }
	}

	/// Sends a call of an agent.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn submit(&self, key: &KeyPair, call: &Call) -> Result<Submitted, Failure> {
		Ok(self.chain.submit(call, &key.account, self.options()).await?)
	}

	/// Gives the operators native tokens and stablecoins.
	///
	/// # Errors
	///
	/// When the bank has not enough, as on a chain that is not a development chain.
	pub async fn endow(&self, cast: &Cast) -> Result<(), Failure> {
		let AssetId::WithId(id) = self.unit.asset else {
			return Err(Failure::new("the demo needs an asset", "use the development stablecoin"));
		};
		let (stoa, dollar) = (Unit::native().one()?, self.unit.one()?);
		let native = stoa.saturating_mul(20);
		let mut transfers = Vec::new();
		let mut coins: Balance = 0;
		for (operator, agents) in cast.houses() {
			let sum =
				agents.iter().fold(0, |sum: Balance, (_, dollars)| sum.saturating_add(*dollars));
			// One unit stays: an account's last minimum balance cannot be deposited.
			let sum = sum.saturating_mul(dollar).saturating_add(1);
			coins = coins.saturating_add(sum);
			let account = operator.account_id();
			transfers.push(calls::transfer(account.clone(), native));
			transfers.push(calls::transfer_asset(id, account, sum));
		}
		let bank = cast.bank.account_id();
		let has = self.chain.native_balance(&bank, At::Best).await?.free;
		let has_coins = self.chain.asset_balance(&bank, id, At::Best).await?;
		if has < native.saturating_mul(4) || has_coins <= coins {
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
		let options = SubmitOptions { fee: FeeAsset::Native, ..self.options() };
		self.chain.submit(&calls::batch_all(transfers), &cast.bank.account, options).await?;
		Ok(())
	}

	/// Registers all agents and pays credits in for them. Returns the block in which that is final.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn onboard(&self, cast: &Cast) -> Result<BlockRef, Failure> {
		let dollar = self.unit.one()?;
		let mut last = self.chain.block(At::Finalized).await?;
		for (operator, agents) in cast.houses() {
			let mut all = Vec::new();
			for (agent, dollars) in agents {
				let proof =
					sign_consent(self.chain, agent, &operator.account_id(), CONSENT).await?;
				let text = format!("{{\"name\":\"stoa demo {}\"}}", agent.name);
				let manifest = make_manifest(
					blake2_256(text.as_bytes()),
					"https://example.org/stoa-demo.json",
				)?;
				all.push(calls::register(agent.account_id(), Some(proof), manifest, None));
				let amount = dollars.saturating_mul(dollar);
				all.push(calls::deposit(self.unit.asset.clone(), amount, agent.account_id()));
			}
			let options = SubmitOptions { fee: FeeAsset::Native, ..self.options() };
			let call = calls::batch_all(all);
			last = self.chain.submit(&call, &operator.account, options).await?.block;
		}
		Ok(last)
	}
}
