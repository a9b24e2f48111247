//! Who calls, and what it puts right so that a call can be made.

use super::{super::channel::find, explain::check_top_up};
use crate::{
	amount::Unit,
	commands::channel::sign_open,
	context::Context,
	output::{money, Failure},
	paying::Wallet,
	time::show_blocks,
};
use serde_json::{json, Value};
use std::time::Duration;
use stoa_client::{
	chain::{calls, to_hex, At, Chain, ChannelInfo, OpenChannel, Phase},
	http::{address_of, ask_open, HttpError, PaidResponse},
	payer::{top_up::Deposit, PayError, Refusal},
	payment::ProblemType,
};
use stoa_primitives::{
	channel::{Cap, ChannelId, DEFAULT_GRACE},
	AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS, MINUTES,
};

/// How long a seller can use an authorisation, and how long it is waited for.
const AUTHORIZATION: BlockNumber = 10 * MINUTES;
const OPENED: Duration = Duration::from_secs(120);

/// How long a seller takes, at most, to read a channel again whose key is another one than it knows: three
/// blocks, and some time to do it.
const KEY_SEEN: Duration = Duration::from_millis(3 * BLOCK_MILLIS + BLOCK_MILLIS / 4);

/// What a run of the command does to put its call right that must not be done twice.
#[derive(Default)]
pub struct Funds {
	/// Whether it has tried to lock money: not again, since the first time may have worked.
	tried: bool,
	/// Whether it has waited for the seller to learn of another key.
	waited: bool,
	/// What it has locked, for programs.
	pub locked: Option<(&'static str, Value)>,
}

/// What to open a channel with.
pub struct Opening {
	/// What is locked.
	pub deposit: Balance,
	/// How many lanes there are.
	pub lanes: u16,
	/// The velocity cap.
	pub cap: Option<Cap>,
	/// Whether the seller is to send the transaction.
	pub by_seller: bool,
}

/// Who calls, and with what.
pub struct Buyer<'a> {
	/// What commands share.
	pub context: &'a Context,
	/// The chain.
	pub chain: &'a Chain,
	/// Who pays.
	pub wallet: Wallet<'a>,
	/// In what.
	pub unit: &'a Unit,
	/// What is called.
	pub url: String,
	/// What to open a channel with.
	pub opening: Option<Opening>,
	/// What to add to a deposit, and what the deposit may come to.
	pub top_up: Option<(Balance, Balance)>,
}

impl Buyer<'_> {
	/// Put right what `error` says is missing, if `--open` or `--top-up` allow it. Returns whether to try
	/// again. Locks money at most once: what a seller says must not cost more than these options allow.
	///
	/// # Errors
	///
	/// When it cannot be put right.
	pub async fn help(&mut self, error: &HttpError, funds: &mut Funds) -> Result<bool, Failure> {
		match error {
			HttpError::ChannelMissing { payee, asset, min_grace, .. } => {
				self.find_channel(payee, asset, *min_grace, funds).await
			},
			HttpError::TopUpNeeded { channel, shortfall } => {
				self.add(channel, *shortfall, funds).await
			},
			HttpError::Refused(problem) if problem.is(ProblemType::InvalidSignature) => {
				self.wait_for_key(funds).await
			},
			// The seller has just told what the last voucher was, and the next does not fit the
			// deposit: the second try says which channel is short.
			HttpError::Pay(PayError::Refused(Refusal::DepositTooLow { .. })) => Ok(true),
			_ => Ok(false),
		}
	}

	/// Remember where the seller was found, once it has proven who it is: by a receipt.
	pub fn remember(&self, response: &PaidResponse) {
		let proven = response.channel.filter(|_| response.receipt.is_some());
		if let Some(known) = proven.and_then(|id| self.wallet.payer.channel(&id)) {
			self.wallet.sellers().remember(&known.payee, &self.url);
		}
	}

	/// Wait until the seller has seen that a voucher key was replaced of late, once.
	async fn wait_for_key(&self, funds: &mut Funds) -> Result<bool, Failure> {
		if funds.waited {
			return Ok(false);
		}
		funds.waited = true;
		for known in self.wallet.payer.channels() {
			let info = self.chain.channel(&known.id, At::Finalized).await?;
			if info.is_some_and(|info| info.changes.key.is_some()) {
				self.context.progress("waiting until the seller knows the new voucher key");
				tokio::time::sleep(KEY_SEEN).await;
				return Ok(true);
			}
		}
		Ok(false)
	}

	/// Another channel than the one that was tried: one that is known, one that the chain knows, or a new
	/// one.
	async fn find_channel(
		&mut self,
		payee: &AccountId,
		asset: &AssetId,
		min_grace: BlockNumber,
		funds: &mut Funds,
	) -> Result<bool, Failure> {
		// The one that was tried is passed over now, since the chain says that it is not open.
		let other = match self.wallet.payer.find(payee, asset) {
			Some(other) => Some(other),
			None => self.adopt(payee, asset).await?,
		};
		if let Some(other) = other {
			self.context.progress(&format!("using channel {}", to_hex(other)));
			return Ok(true);
		}
		let Some(deposit) = self.opening.as_ref().map(|opening| opening.deposit) else {
			return Ok(false);
		};
		if funds.tried {
			return Ok(false);
		}
		let grace = grace(min_grace)?;
		funds.tried = true;
		let id = to_hex(self.open(payee, asset, grace).await?);
		self.context.progress(&format!("opened channel {id} with {}", self.unit.show(deposit)));
		let amount = money(self.unit, deposit);
		funds.locked = Some(("opened", json!({ "channel": id, "deposit": amount })));
		Ok(true)
	}

	/// A channel that this account has opened to `payee` before, and that the store does not know. One that
	/// was opened a moment ago is waited for: opening another would lock money twice.
	async fn adopt(
		&mut self,
		payee: &AccountId,
		asset: &AssetId,
	) -> Result<Option<ChannelId>, Failure> {
		let known: Vec<_> = self.wallet.payer.channels().iter().map(|channel| channel.id).collect();
		let payer = self.wallet.key.account_id();
		let fits = |info: &ChannelInfo| {
			info.payer == payer
				&& info.payee == *payee
				&& info.asset == *asset
				&& info.phase == Phase::Open
				&& !known.contains(&info.id)
		};
		let mut best: Option<ChannelInfo> = None;
		let left = |info: &ChannelInfo| info.deposit.saturating_sub(info.settled);
		for info in self.chain.channels(At::Best).await?.into_iter().filter(fits) {
			if self.wallet.key.vouchers.find(&info.key).is_none() {
				// Said, not used.
				self.wallet.take_over(&info, None).await?;
			} else if best.as_ref().is_none_or(|best| left(best) < left(&info)) {
				best = Some(info);
			}
		}
		let Some(info) = best else { return Ok(None) };
		if self.wallet.take_over_final(&info.id).await? {
			return Ok(Some(info.id));
		}
		let id = to_hex(info.id);
		self.context.progress(&format!("waiting until channel {id} is final"));
		self.context.reaches_finality(self.chain).await?;
		match self.wallet.take_over_final(&info.id).await? {
			true => Ok(Some(info.id)),
			false => Err(Failure::new(
				format!("channel {id} is open, but not in a final block yet"),
				"try again in some seconds",
			)),
		}
	}

	async fn open(
		&mut self,
		payee: &AccountId,
		asset: &AssetId,
		grace: BlockNumber,
	) -> Result<ChannelId, Failure> {
		let Some(Opening { deposit, lanes, cap, by_seller }) = self.opening.as_ref() else {
			return Err(Failure::new("no deposit was given", "pass --open DEPOSIT"));
		};
		let key = self.wallet.key.clone();
		let id = if *by_seller {
			let address = address_of(&self.url)?;
			let signed =
				sign_open(self.chain, &key, payee, asset, *deposit, grace, AUTHORIZATION).await?;
			let info = ask_open(self.chain, &address, &signed, OPENED).await;
			info.map_err(|error| no_opening(error, signed.auth.expires))?.id
		} else {
			let terms = OpenChannel::new(payee.clone(), asset.clone(), *deposit, key.voucher.key());
			let open = OpenChannel { grace, lanes: *lanes, cap: *cap, ..terms };
			// Sellers believe finalized state only.
			let call = calls::open(open.clone());
			let options = self.context.final_options(self.chain, &key, &call).await?;
			self.chain.open_channel(open, &key.account, options).await?.0.id
		};
		self.wallet.take_over_final(&id).await?;
		Ok(id)
	}

	/// Add to the deposit of a channel, if that is allowed and enough.
	async fn add(
		&mut self,
		channel: &ChannelId,
		shortfall: Balance,
		funds: &mut Funds,
	) -> Result<bool, Failure> {
		let Some((amount, budget)) = self.top_up.filter(|_| !funds.tried) else {
			return Ok(false);
		};
		let known = self.wallet.payer.channel(channel).map_or(0, |known| known.deposit);
		let newest = find(self.chain, channel).await?.deposit;
		let needed = known.saturating_add(shortfall);
		let deposit = Deposit { needed, known, newest, spent: 0 };
		check_top_up(self.unit, deposit, amount, budget)?;
		funds.tried = true;
		let call = calls::top_up(*channel, amount);
		let options = self.context.final_options(self.chain, &self.wallet.key, &call).await?;
		self.chain.submit(&call, &self.wallet.key.account, options).await?;
		self.wallet.take_over_final(channel).await?;
		// A seller reads a channel again no sooner than an eighth of a block after the last
		// time, which was just now.
		tokio::time::sleep(Duration::from_millis(BLOCK_MILLIS / 4)).await;
		let (id, added) = (to_hex(channel), money(self.unit, amount));
		self.context.progress(&format!("topped up channel {id} by {}", self.unit.show(amount)));
		funds.locked = Some(("topped_up", json!({ "channel": id, "amount": added })));
		Ok(true)
	}
}

/// Why a seller has opened nothing, and until when it still could.
fn no_opening(error: HttpError, expires: BlockNumber) -> Failure {
	let failure = Failure::from(error);
	let advice = format!(
		"the authorisation can be used up to block {expires}; leave --authorize out to open the channel \
		 yourself"
	);
	Failure { details: failure.details, ..Failure::new(failure.cause, advice) }
}

/// The grace period to open a channel with: the default, if the seller takes it.
fn grace(min_grace: BlockNumber) -> Result<BlockNumber, Failure> {
	match min_grace <= DEFAULT_GRACE {
		true => Ok(DEFAULT_GRACE),
		false => Err(Failure::new(
			format!(
				"the seller wants a grace period of {}, longer than the {} that --open gives",
				show_blocks(min_grace),
				show_blocks(DEFAULT_GRACE)
			),
			"if that is fine, open a channel with `stoa channel open --grace`",
		)),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn grace_periods_should_not_be_longer_than_the_default() {
		assert_eq!(grace(0).unwrap(), DEFAULT_GRACE);
		assert_eq!(grace(DEFAULT_GRACE).unwrap(), DEFAULT_GRACE);
		let failure = grace(DEFAULT_GRACE + 1).unwrap_err();
		assert!(failure.cause.contains("grace period"), "{failure}");
	}

	#[test]
	fn an_authorisation_that_was_not_used_should_say_how_long_it_can_be() {
		let failure = no_opening(HttpError::Unsupported, 7);
		assert!(failure.advice.contains("block 7"), "{failure}");
	}
}
