//! Opening channels: by the payer, or by the payee with what the payer has signed.

use super::{
	agreement::{decode, encode, explain},
	show::describe,
	terms::{parse_cap, parse_grace},
};
use crate::{
	cli::{Authorize, Open},
	commands::included,
	context::Context,
	keys::KeyPair,
	output::{money, Failure, Report},
	paying::Wallet,
	time::{parse_span, to_blocks, Clock},
};
use std::time::Duration;
use stoa_client::{
	agreement::{OpenTerms, SignedOpen},
	chain::{calls, opening_call, to_hex, At, Chain, ChannelInfo, OpenChannel, PairView},
	http::{address_of, ask_open, HttpError},
	keys::format_account,
	payee::PayeeConfig,
	payer::Policy,
};
use stoa_primitives::{AccountId, AssetId, Balance, BlockNumber};

/// How long to wait until a channel that a seller opens is final.
const OPENED: Duration = Duration::from_secs(120);

/// `stoa channel open`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn open(context: &Context, args: &Open) -> Result<Report, Failure> {
	match (&args.authorization, &args.payee, &args.deposit) {
		(Some(text), ..) => open_authorized(context, text).await,
		(None, Some(payee), Some(deposit)) => open_own(context, args, payee, deposit).await,
		// The parser demands them.
		_ => Err(Failure::new("payee and deposit are missing", "see `stoa channel open --help`")),
	}
}

async fn open_own(
	context: &Context,
	args: &Open,
	payee: &str,
	deposit: &str,
) -> Result<Report, Failure> {
	let key = context.key()?;
	let payee = context.account(payee)?;
	let grace = parse_grace(&args.grace)?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let deposit = unit.parse_positive(deposit)?;
	let cap = args.cap.as_deref().map(|text| parse_cap(text, &unit)).transpose()?;
	let (asset, voucher, lanes) = (unit.asset.clone(), key.voucher.key(), args.lanes);
	let open = OpenChannel { payee, asset, deposit, key: voucher, grace, lanes, cap };
	// Sellers believe finalized state only, and `stoa call` is to find this channel.
	let options = context.final_options(&chain, &key, &calls::open(open.clone())).await?;
	let (info, submitted) = chain.open_channel(open, &key.account, options).await?;
	let clock = Clock::at(submitted.block.number);
	let report = describe(Report::line("Opened a channel."), &info, &unit, clock);
	Ok(included(context, &chain, report, &submitted).await)
}

/// The payee opens what the payer has signed for.
async fn open_authorized(context: &Context, text: &str) -> Result<Report, Failure> {
	let key = context.key()?;
	let signed: SignedOpen = decode(text, "authorisation", "stoa channel authorize")?;
	let chain = context.chain().await?;
	let unit = context.unit_of(&chain, &signed.asset).await?;
	let best = chain.block(At::Best).await?;
	let payee = key.account_id();
	let nonce = chain.next_nonce(&signed.payer, &payee, At::Hash(best.hash)).await?;
	let rules = PayeeConfig::new(payee, signed.asset.clone()).rules;
	signed
		.check(&rules, 1, nonce, best, &chain.channel_domain())
		.map_err(|error| explain(error, &unit))?;
	let call = opening_call(&signed);
	let options = context.final_options(&chain, &key, &call).await?;
	let submitted = chain.submit(&call, &key.account, options).await?;
	let id = signed.channel(&chain.channel_domain());
	let info = chain.channel(&id, At::Hash(submitted.block.hash)).await?.ok_or_else(|| {
		Failure::new("the chain does not show the channel", "see `stoa channel list`")
	})?;
	let clock = Clock::at(submitted.block.number);
	let report =
		describe(Report::line("Opened the channel that was authorised."), &info, &unit, clock);
	Ok(included(context, &chain, report, &submitted).await)
}

/// What lets `payee` open a channel out of the credits of `key` in the next `blocks` blocks.
///
/// # Errors
///
/// When the account has too few credits, or the chain cannot be read.
pub async fn sign_open(
	chain: &Chain,
	key: &KeyPair,
	payee: &AccountId,
	asset: &AssetId,
	deposit: Balance,
	grace: BlockNumber,
	blocks: BlockNumber,
) -> Result<SignedOpen, Failure> {
	let best = chain.block(At::Best).await?;
	let prospect = chain.prospect(key.account_id(), payee.clone(), asset.clone()).await?;
	if prospect.credits < deposit {
		return Err(Failure::new(
			format!("{} has fewer credits than the deposit", key.address()),
			"see `stoa balances`, pay in with `stoa deposit`, or name less",
		));
	}
	let terms = OpenTerms {
		payee: payee.clone(),
		asset: asset.clone(),
		deposit,
		key: key.voucher.key(),
		grace,
		nonce: prospect.next_nonce,
		expires: best.number.saturating_add(blocks),
	};
	Ok(SignedOpen::sign(terms, &key.account, &chain.channel_domain()))
}

/// `stoa channel authorize`.
///
/// # Errors
///
/// Those of keys, amounts and chain; when the seller does not open the channel.
pub async fn authorize(context: &Context, args: &Authorize) -> Result<Report, Failure> {
	let key = context.key()?;
	let payee = context.account(&args.payee)?;
	let grace = parse_grace(&args.grace)?;
	let blocks = to_blocks(parse_span(&args.valid)?);
	let to = args.to.as_deref().map(address_of).transpose()?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let deposit = unit.parse_positive(&args.deposit)?;
	let signed = sign_open(&chain, &key, &payee, &unit.asset, deposit, grace, blocks).await?;
	let clock = Clock::at(signed.auth.expires.saturating_sub(blocks));
	let (id, text) = (signed.channel(&chain.channel_domain()), encode(&signed));
	let report = match to {
		// The authorisation alone on its line, so that it can be copied or piped.
		None => Report::line(text.clone())
			.with("channel", to_hex(id))
			.with("payer", key.address())
			.with("payee", format_account(&payee))
			.with("deposit", money(&unit, deposit))
			.with("grace_blocks", grace)
			.with("opened", false),
		Some(to) => {
			context.progress(&format!("asking {to} to open channel {}", to_hex(id)));
			let asked = ask_open(&chain, &to, &signed, OPENED).await;
			let info = asked.map_err(|error| not_opened(error, clock, &signed))?;
			let now = Clock::at(chain.block(At::Best).await?.number);
			keep(context, &chain, key, &info, &to).await?;
			describe(Report::line("The seller has opened the channel."), &info, &unit, now)
				.with("opened", true)
		},
	};
	Ok(report
		.with("authorization", text)
		.with("nonce", signed.auth.nonce)
		.with("expires", clock.json(signed.auth.expires)))
}

/// Why a seller has opened nothing, and until when it still could.
fn not_opened(error: HttpError, clock: Clock, signed: &SignedOpen) -> Failure {
	let failure = Failure::from(error);
	let advice = format!(
		"{}; the authorisation can be used up to {}",
		failure.advice,
		clock.show(signed.auth.expires)
	);
	Failure { details: failure.details, ..Failure::new(failure.cause, advice) }
		.with("expires", clock.json(signed.auth.expires))
}

/// Keep a channel that a seller has opened, and where that was.
async fn keep(
	context: &Context,
	chain: &Chain,
	key: KeyPair,
	info: &ChannelInfo,
	to: &str,
) -> Result<(), Failure> {
	let mut wallet = Wallet::open(context, chain, key, Policy::per_call(0)).await?;
	wallet.sellers().remember(&info.payee, to);
	wallet.take_over_final(&info.id).await?;
	Ok(())
}
