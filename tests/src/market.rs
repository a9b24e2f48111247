//! Accounts, agents and channels on a development chain.

use crate::Node;
use stoa_client::{
	chain::{
		calls, At, Call, Chain, ChainError, ChannelInfo, ConnectOptions, MarketEvent, OpenChannel,
		SubmitOptions, Submitted,
	},
	keys::{AccountKey, Scheme, VoucherKey},
	voucher::SignedVoucher,
};
use stoa_primitives::{
	agent::Manifest,
	channel::{ChannelId, Item, Proof, SkipReason, MIN_GRACE},
	keys::KeySignature,
	payload::{Domain, Voucher},
	referral::{Code, Referral},
	AccountId, AssetId, Balance, MINUTES,
};
use tokio::sync::Mutex;

/// The development stablecoin.
pub const DUSD: AssetId = AssetId::WithId(1);
/// One dollar of it.
pub const DOLLAR: Balance = 1_000_000;
/// One native token.
pub const STOA: Balance = 1_000_000_000_000;

/// Whoever sends extrinsics of `//Alice` holds this, or two tests would take one nonce.
pub static BANK: Mutex<()> = Mutex::const_new(());

/// The sr25519 key of a secret URI like `//Alice`.
///
/// # Panics
///
/// When it is none.
pub fn key(uri: &str) -> AccountKey {
	AccountKey::from_uri(uri, Scheme::Sr25519).expect("the URI is well-formed")
}

/// A new key that owns nothing.
pub fn fresh() -> AccountKey {
	AccountKey::generate(Scheme::Sr25519).0
}

/// A manifest without content.
pub fn manifest() -> Manifest {
	Manifest {
		digest: [7; 32],
		uri: b"https://example.org/agent.json".to_vec().try_into().expect("is short"),
	}
}

/// A connection to the node, of the runtime that the test runs on.
///
/// # Panics
///
/// When the node cannot be reached.
pub async fn connect(node: &Node) -> Chain {
	Chain::connect(&node.url(), ConnectOptions::default()).await.expect("the node can be reached")
}

/// Options of an account that pays fees from its credits.
pub fn from_credits() -> SubmitOptions {
	SubmitOptions::default().fee_from_credits(DUSD)
}

/// An agent that owns nothing but credits.
#[derive(Clone)]
pub struct Agent {
	/// Signs its extrinsics.
	pub key: AccountKey,
	/// Signs its vouchers.
	pub voucher: VoucherKey,
}

impl Agent {
	/// Fresh keys.
	pub fn new() -> Self {
		Self { key: fresh(), voucher: VoucherKey::generate().0 }
	}

	/// The account.
	pub fn id(&self) -> AccountId {
		self.key.account()
	}

	/// A voucher for lane 0 without an end.
	pub fn sign(&self, domain: &Domain, channel: ChannelId, cumulative: Balance) -> SignedVoucher {
		let voucher = Voucher { channel, lane: 0, cumulative, valid_until: 0 };
		self.voucher.sign_voucher(voucher, domain)
	}
}

impl Default for Agent {
	fn default() -> Self {
		Self::new()
	}
}

/// An operator with money of its own, on a chain that others may use at the same time.
pub struct Market {
	/// The chain.
	pub chain: Chain,
	/// Answers for agents.
	pub operator: AccountKey,
}

impl Market {
	/// A new operator with 1,000 STOA and 1,000 dollars from `//Alice`.
	///
	/// # Panics
	///
	/// When the chain does not do it.
	pub async fn new(node: &Node) -> Self {
		let chain = connect(node).await;
		let market = Self { chain, operator: fresh() };
		market.endow(&market.operator.account()).await;
		market
	}

	/// Another operator on the same chain.
	pub async fn another(&self) -> Self {
		let market = Self { chain: self.chain.clone(), operator: fresh() };
		market.endow(&market.operator.account()).await;
		market
	}

	/// 1,000 STOA and 1,000 dollars from `//Alice`.
	async fn endow(&self, who: &AccountId) {
		let call = calls::batch_all(vec![
			calls::transfer(who.clone(), 1_000 * STOA),
			calls::transfer_asset(1, who.clone(), 1_000 * DOLLAR),
		]);
		let _bank = BANK.lock().await;
		self.submit(&call, &key("//Alice"), SubmitOptions::default()).await;
	}

	/// Submits a call that succeeds.
	///
	/// # Panics
	///
	/// When it does not.
	pub async fn submit(&self, call: &Call, by: &AccountKey, how: SubmitOptions) -> Submitted {
		let outcome = self.chain.submit(call, by, how).await;
		outcome.unwrap_or_else(|error| panic!("{call} failed: {error}"))
	}

	/// Submits a call that is included and fails with this error of this pallet.
	///
	/// # Panics
	///
	/// When something else happens.
	pub async fn refused(
		&self,
		call: &Call,
		by: &AccountKey,
		how: SubmitOptions,
		pallet: &str,
		error: &str,
	) {
		match self.chain.submit(call, by, how).await {
			Err(ChainError::Dispatch(failure)) => {
				assert_eq!((&*failure.pallet, &*failure.name), (pallet, error), "{call}");
				assert!(!failure.doc.is_empty(), "{failure} is not documented");
			},
			other => panic!("{call} should fail with {pallet}.{error}: {other:?}"),
		}
	}

	/// The call that registers `agent` with its consent.
	///
	/// # Panics
	///
	/// When the chain cannot be read.
	pub async fn registration(&self, agent: &AccountKey, referral: Option<Referral>) -> Call {
		let best = self.chain.block(At::Best).await.expect("the chain can be read").number;
		let expires = best + MINUTES;
		let proof = agent.consent(&self.chain.agent_domain(), &self.operator.account(), expires);
		calls::register(agent.account(), Some((proof, expires)), manifest(), referral)
	}

	/// Registers the operator as an agent of its own, with a referral code.
	pub async fn claim_code(&self) -> Code {
		let account = self.operator.account();
		let digits: &[u8] = account.as_ref();
		let text = format!("e2e-{}", &hex::encode(digits)[..16]);
		let code: Code = text.into_bytes().try_into().expect("is short");
		let call = calls::batch_all(vec![
			calls::register(account, None, manifest(), None),
			calls::claim_code(code.clone()),
		]);
		self.submit(&call, &self.operator, SubmitOptions::default()).await;
		code
	}

	/// New agents with this many credits each, registered and paid in for in one extrinsic.
	pub async fn agents(&self, count: usize, credits: Balance, code: Option<&Code>) -> Vec<Agent> {
		let agents: Vec<Agent> = (0..count).map(|_| Agent::new()).collect();
		let mut all = Vec::new();
		for agent in &agents {
			let referral = code.cloned().map(Referral::Code);
			all.push(self.registration(&agent.key, referral).await);
			all.push(calls::deposit(DUSD, credits, agent.id()));
		}
		self.submit(&calls::batch_all(all), &self.operator, SubmitOptions::default()).await;
		agents
	}

	/// Opens a channel with the shortest grace period, its fee paid from credits, and waits until it
	/// is final.
	///
	/// # Panics
	///
	/// When the chain does not do it.
	pub async fn open(&self, payer: &Agent, payee: &AccountId, deposit: Balance) -> ChannelInfo {
		let open = open_call(payer, payee, deposit);
		let opened = self.chain.open_channel(open, &payer.key, from_credits()).await;
		opened.expect("the channel is opened").0
	}

	/// The domain of vouchers.
	pub fn domain(&self) -> Domain {
		self.chain.channel_domain()
	}

	/// Free credits in dollars.
	///
	/// # Panics
	///
	/// When the chain cannot be read.
	pub async fn credits(&self, who: &AccountId) -> Balance {
		self.chain.credits(who, &DUSD, At::Best).await.expect("the chain can be read")
	}

	/// Checks that custody holds all that it owes, and that what it owes is what the ledger says.
	///
	/// # Panics
	///
	/// When it is not so.
	pub async fn solvent(&self) {
		let found = self.chain.solvency(&DUSD, At::Best).await.expect("the chain can be read");
		assert!(found.custody >= found.issued, "{found:?}");
		assert_eq!(found.issued, found.free + found.locked, "{found:?}");
	}

	/// A channel at the best block.
	///
	/// # Panics
	///
	/// When the chain cannot be read.
	pub async fn channel(&self, id: &ChannelId) -> Option<ChannelInfo> {
		self.chain.channel(id, At::Best).await.expect("the chain can be read")
	}
}

/// What a channel with the shortest grace period is opened with.
pub fn open_call(payer: &Agent, payee: &AccountId, deposit: Balance) -> OpenChannel {
	let key = payer.voucher.key();
	OpenChannel { grace: MIN_GRACE, ..OpenChannel::new(payee.clone(), DUSD, deposit, key) }
}

/// What an extrinsic cost in credits; 0 when it was free.
///
/// # Panics
///
/// When the fee was paid in something else.
pub fn fee(submitted: &Submitted) -> Balance {
	submitted.fee.as_ref().map_or(0, |fee| {
		assert_eq!(fee.asset, Some(DUSD), "the fee comes from credits");
		fee.amount
	})
}

/// What was paid, by channel.
pub fn claimed(submitted: &Submitted) -> Vec<(ChannelId, Balance)> {
	let claim = |event: &MarketEvent| match event {
		MarketEvent::Claimed { id, amount, .. } => Some((*id, *amount)),
		_ => None,
	};
	submitted.events.iter().filter_map(claim).collect()
}

/// What was skipped: place in the batch and reason.
pub fn skipped(submitted: &Submitted) -> Vec<(u32, SkipReason)> {
	let skip = |event: &MarketEvent| match event {
		MarketEvent::Skipped { index, reason, .. } => Some((*index, *reason)),
		_ => None,
	};
	submitted.events.iter().filter_map(skip).collect()
}

/// The item with one bit of its signature flipped.
pub fn flip_bit(item: Item, bit: usize) -> Item {
	let Proof::Voucher { cumulative, valid_until, signature } = item.proof else {
		panic!("a voucher is flipped")
	};
	let KeySignature::Ed25519(mut raw) = signature else { panic!("keys of tests are ed25519") };
	raw[bit / 8] ^= 1 << (bit % 8);
	let signature = KeySignature::Ed25519(raw);
	Item { proof: Proof::Voucher { cumulative, valid_until, signature }, ..item }
}
