//! Ending channels: by the payee, by the payer with the payee's consent, by anyone when it is time.

use super::{
	agreement::{decode, encode, explain},
	find, parse_channel,
	seller::{LastClaims, Seller},
};
use crate::{
	amount::Unit,
	cli::{ChannelConsent, Close},
	commands::included,
	context::Context,
	keys::KeyPair,
	output::{money, Failure, Report},
	paying::{unknown_key, Wallet},
	settling::received,
	time::{parse_span, to_blocks, Clock},
};
use serde_json::{json, Value};
use std::time::Duration;
use stoa_client::{
	agreement::SignedConsent,
	chain::{calls, to_hex, At, Call, Chain, ChannelInfo, MarketEvent, Submitted},
	http::{address_of, ask_consent, HttpError},
	payer::Policy,
	payment::ProblemType,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	keys::AgentSignature,
	money::Source,
	Balance,
};

/// How long to wait for a seller's answer.
const ANSWER: Duration = Duration::from_secs(30);

/// `stoa channel close`.
///
/// # Errors
///
/// Those of keys, stores and chain; when the payee does not agree.
pub async fn close(context: &Context, args: &Close) -> Result<Report, Failure> {
	let key = context.key()?;
	let id = parse_channel(&args.id)?;
	let chain = context.chain().await?;
	let info = find(&chain, &id).await?;
	let unit = context.unit_of(&chain, &info.asset).await?;
	let by_payer = args.with_consent || args.consent.is_some();
	match (by_payer, key.account_id()) {
		(true, account) if account == info.payer => {
			by_consent(context, &chain, key, &info, &unit, args).await
		},
		(false, account) if account == info.payee => {
			by_payee(context, &chain, &key, &info, &unit, args).await
		},
		(true, _) => Err(Failure::new(
			format!("{} is not the payer of this channel", key.address()),
			"as its payee, close it without a consent",
		)),
		(false, _) => Err(Failure::new(
			format!("{} is not the payee of this channel", key.address()),
			"as its payer, use `stoa channel close --with-consent` or `stoa channel request-close`",
		)),
	}
}

/// The payee's close: all that can be claimed and the end, or nothing at all.
async fn by_payee(
	context: &Context,
	chain: &Chain,
	key: &KeyPair,
	info: &ChannelInfo,
	unit: &Unit,
	args: &Close,
) -> Result<Report, Failure> {
	let last = if args.without_voucher {
		LastClaims::default()
	} else {
		let opened = Seller::open(context, chain, key, &info.asset, args.store.as_deref()).await;
		opened.and_then(|seller| seller.last_claims(&info.id)).map_err(|failure| {
			let advice = format!(
				"{}, or give up what was not settled with --without-voucher",
				failure.advice
			);
			Failure::new(failure.cause, advice)
		})?
	};
	let call = last_call(info.id, last.items);
	let submitted = context.submit(chain, &call, key).await?;
	let report = ended(&info.id, unit, &submitted)?;
	let mut report = report.money("received", "received", unit, received(&submitted, &info.payee));
	for (lane, amount, why) in &last.lost {
		let amount = unit.show(*amount);
		report.push_line(&format!("  lane {lane}: {amount} could not be claimed, since {why}"));
	}
	let lost: Vec<_> = last.lost.iter().map(|lost| lost_json(unit, lost)).collect();
	Ok(included(context, chain, report.with("lost", lost), &submitted).await)
}

fn lost_json(unit: &Unit, (lane, amount, why): &(u32, Balance, String)) -> Value {
	json!({ "lane": lane, "amount": money(unit, *amount), "reason": why })
}

/// The call that claims `items` and ends the channel. An item that is not paid fails all of it: a close
/// gives up what was not settled, so that a best-effort batch before it could lose money.
fn last_call(id: ChannelId, mut items: Vec<Item>) -> Call {
	match items.len() {
		0 | 1 => calls::close(id, items.pop()),
		_ => calls::batch_all(vec![calls::settle_batch_all(items), calls::close(id, None)]),
	}
}

/// What a transaction that has ended a channel says of it.
fn ended(id: &ChannelId, unit: &Unit, submitted: &Submitted) -> Result<Report, Failure> {
	let closed = submitted.events.iter().find_map(|event| match event {
		MarketEvent::Closed { id: of, paid, refunded } if of == id => Some((*paid, *refunded)),
		_ => None,
	});
	let (paid, refunded) = closed.ok_or_else(|| {
		Failure::new("the chain does not say that the channel has ended", "see `stoa channel show`")
	})?;
	// Market money changes owner in settlements only, whatever they were made by.
	let now = submitted.events.iter().filter_map(|event| match event {
		MarketEvent::Settled { source: Source::Channel(of), gross, .. } if of == id => Some(*gross),
		_ => None,
	});
	Ok(Report::line(format!("Closed {}.", to_hex(id)))
		.with("channel", to_hex(id))
		.money("paid", "paid", unit, paid)
		.money("of it now", "paid_now", unit, now.fold(0, Balance::saturating_add))
		.money("refunded", "refunded", unit, refunded))
}

/// The payer's close, with the payee's consent to what it will have been paid.
async fn by_consent(
	context: &Context,
	chain: &Chain,
	key: KeyPair,
	info: &ChannelInfo,
	unit: &Unit,
	args: &Close,
) -> Result<Report, Failure> {
	let max_unanswered = match &args.max_unanswered {
		Some(text) => unit.parse(text)?,
		None => 0,
	};
	let policy = Policy { max_unanswered, ..Policy::per_call(0) };
	let mut wallet = Wallet::open(context, chain, key, policy).await?;
	wallet.refresh().await?;
	if !wallet.take_over(info, None).await? {
		let failure = Failure::new(unknown_key(info), "sign with the key that has opened it");
		return Err(otherwise(info, failure));
	}
	let signed: SignedConsent = match &args.consent {
		Some(text) => decode(text, "consent", "stoa channel consent")?,
		None => {
			let from = match &args.from {
				Some(url) => address_of(url)?,
				None => known_address(&wallet, info)?,
			};
			let asked = ask_consent(&wallet.payer, chain, &from, &info.id, ANSWER).await;
			asked.map_err(|error| otherwise(info, refused(error, info, unit)))?
		},
	};
	// What was settled in the meantime is part of what the payee agrees to.
	let info = &find(chain, &info.id).await?;
	let best = chain.block(At::Best).await?;
	wallet
		.payer
		.check_consent(&signed, info, best)
		.map_err(|error| otherwise(info, explain(error, unit)))?;
	let signature = AgentSignature::Account(signed.signature);
	let call = calls::close_with_consent(signed.consent, signature);
	let submitted = context.submit(chain, &call, &wallet.key).await?;
	let report = ended(&info.id, unit, &submitted)?;
	Ok(included(context, chain, report, &submitted).await)
}

/// Where the payee was paid last.
fn known_address(wallet: &Wallet<'_>, info: &ChannelInfo) -> Result<String, Failure> {
	wallet.sellers().find(&info.payee).map(str::to_owned).ok_or_else(|| {
		otherwise(info, Failure::new("it is not known where the payee can be asked", ""))
	})
}

/// Why the payee's consent was not had.
fn refused(error: HttpError, info: &ChannelInfo, unit: &Unit) -> Failure {
	match error {
		HttpError::Refused(problem)
			if problem.is(ProblemType::ProofRequired) && info.changes.key.is_some() =>
		{
			Failure::new(
				"the seller does not know the channel's new voucher key yet",
				"try again in a minute",
			)
		},
		HttpError::Disagreement(error) => explain(error, unit),
		other => other.into(),
	}
}

/// The failure, and how a channel is closed without the payee.
fn otherwise(info: &ChannelInfo, failure: Failure) -> Failure {
	let id = to_hex(info.id);
	let without = format!("ask for the close with `stoa channel request-close {id}`");
	let advice = match failure.advice.is_empty() {
		true => format!("name its address with --from URL, or {without}"),
		false => format!("{}, or {without}", failure.advice),
	};
	Failure { details: failure.details, ..Failure::new(failure.cause, advice) }
}

/// `stoa channel consent`.
///
/// # Errors
///
/// Those of keys, stores and chain; when calls are under way on the channel.
pub async fn consent(context: &Context, args: &ChannelConsent) -> Result<Report, Failure> {
	let key = context.key()?;
	let id = parse_channel(&args.id)?;
	let blocks = to_blocks(parse_span(&args.valid)?);
	let chain = context.chain().await?;
	let info = find(&chain, &id).await?;
	if info.payee != key.account_id() {
		return Err(Failure::new(
			format!("{} is not the payee of this channel", key.address()),
			"sign with the key of the payee: `stoa channel show` names it",
		));
	}
	let unit = context.unit_of(&chain, &info.asset).await?;
	let seller = Seller::open(context, &chain, &key, &info.asset, args.store.as_deref()).await?;
	let signed = seller.payee.consent(&id, blocks, &key.account).await?.map_err(|rejection| {
		Failure::new(rejection.to_string(), "try again once it is no longer so")
	})?;
	let clock = Clock::at(chain.block(At::Best).await?.number);
	let text = encode(&signed);
	// The consent alone on its line, so that it can be copied or piped.
	Ok(Report::line(text.clone())
		.with("consent", text)
		.with("channel", to_hex(id))
		.with("total", money(&unit, signed.consent.total))
		.with("refund", money(&unit, info.deposit.saturating_sub(signed.consent.total)))
		.with("expires", clock.json(signed.consent.expires)))
}

/// `stoa channel finalize`.
///
/// # Errors
///
/// Those of keys and chain; when none of the channels is due.
pub async fn finalize(context: &Context, ids: &[String]) -> Result<Report, Failure> {
	let key = context.key()?;
	let ids: Vec<ChannelId> = ids.iter().map(|id| parse_channel(id)).collect::<Result<_, _>>()?;
	let chain = context.chain().await?;
	let submitted = context.submit(&chain, &calls::finalize(ids.clone()), &key).await?;
	let closed = |id: &ChannelId| {
		let mut events = submitted.events.iter();
		events.any(|event| matches!(event, MarketEvent::Closed { id: of, .. } if of == id))
	};
	let (mut ended, mut not_due, mut unknown) = (Vec::new(), Vec::new(), Vec::new());
	for id in ids {
		let list = if closed(&id) {
			&mut ended
		} else if chain.channel(&id, At::Hash(submitted.block.hash)).await?.is_some() {
			&mut not_due
		} else {
			&mut unknown
		};
		list.push(to_hex(id));
	}
	let all = ended.len().saturating_add(not_due.len()).saturating_add(unknown.len());
	let mut report = Report::line(format!("Ended {} of {all} channels.", ended.len()));
	for id in &not_due {
		report.push_line(&format!("  not due: {id}"));
	}
	for id in &unknown {
		report.push_line(&format!("  no such channel, or ended before: {id}"));
	}
	let report = report.with("ended", ended).with("not_due", not_due).with("unknown", unknown);
	Ok(included(context, &chain, report, &submitted).await)
}

#[cfg(test)]
mod tests {
	use super::{super::sample, *};
	use crate::settling::sample_item;
	use stoa_client::payment::Problem;

	#[test]
	fn several_claims_should_be_paid_all_or_the_channel_stay() {
		let item = |lane| Item { lane, ..sample_item() };
		assert_eq!(last_call([0; 32], vec![]).to_string(), "Channels.close");
		assert_eq!(last_call([0; 32], vec![item(0)]).to_string(), "Channels.close");
		let batch = last_call([0; 32], vec![item(0), item(1)]);
		assert_eq!(batch.to_string(), "Utility.batch_all");
	}

	#[test]
	fn a_payee_that_does_not_know_the_key_yet_should_be_asked_again() {
		let refusal = || {
			HttpError::Refused(Box::new(Problem::new(ProblemType::ProofRequired, "send a proof")))
		};
		let mut info = sample::channel();
		let unit = Unit::development();
		assert!(refused(refusal(), &info, &unit).cause.contains("send a proof"));
		info.changes.key = Some((info.key, 7));
		assert!(refused(refusal(), &info, &unit).advice.contains("in a minute"));
	}

	#[test]
	fn a_payee_that_does_not_agree_should_leave_another_way() {
		let failure = Failure::new("no answer", "try again").with("x", 1);
		let failure = otherwise(&sample::channel(), failure);
		assert!(failure.advice.starts_with("try again, or ask"), "{failure}");
		assert!(failure.advice.contains("request-close 0x0909"), "{failure}");
		assert_eq!(failure.details["x"], 1);
	}
}
