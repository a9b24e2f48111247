//! `stoa channel`.

use super::included;
use crate::{
	amount::Unit,
	cli::Channel,
	context::{parse_channel, Context, STORE_PATIENCE},
	keys::KeyPair,
	output::{money, table, Failure, Report},
	settling::{open_vouchers, quote, received, report_settled, worth, Till},
	time::{parse_span, show_blocks, to_blocks},
};
use serde_json::{json, Value};
use std::{collections::HashMap, path::Path, sync::Arc};
use stoa_client::{
	chain::{calls, to_hex, At, Call, Chain, ChannelInfo, OpenChannel, Phase, SubmitOptions},
	keys::format_account,
	payee::{Payee, PayeeConfig, Unsettled},
	settle::{SettlePolicy, Settler},
};
use stoa_primitives::{
	channel::{ChannelId, MAX_GRACE, MIN_GRACE},
	AssetId, Balance, BlockNumber,
};

/// Run a command of `stoa channel`.
///
/// # Errors
///
/// Those of keys, amounts, stores and chain.
pub async fn run(context: &Context, command: &Channel) -> Result<Report, Failure> {
	match command {
		Channel::Open { payee, deposit, grace, asset } => {
			let key = context.key()?;
			let payee = context.account(payee)?;
			let grace = parse_grace(grace)?;
			let chain = context.chain().await?;
			let unit = context.unit(&chain, &asset.asset).await?;
			let deposit = unit.parse_positive(deposit)?;
			let (asset, voucher) = (unit.asset.clone(), key.voucher.key());
			let open = OpenChannel { grace, ..OpenChannel::new(payee, asset, deposit, voucher) };
			let options = context.options(&chain, &key, &calls::open(open.clone())).await?;
			let (info, submitted) = chain.open_channel(open, &key.account, options).await?;
			let report = describe(Report::line("Opened a channel."), &info, &unit, None);
			Ok(included(context, &chain, report, &submitted).await)
		},
		Channel::List { account } => list(context, account.as_deref()).await,
		Channel::Show { id } => {
			let id = parse_channel(id)?;
			let chain = context.chain().await?;
			let block = chain.block(At::Best).await?;
			let info = find(&chain, &id).await?;
			let unit = context.unit_of(&chain, &info.asset).await?;
			Ok(describe(Report::line("Channel"), &info, &unit, Some(block.number)))
		},
		Channel::TopUp { id, amount } => top_up(context, id, amount).await,
		Channel::RequestClose { id } => {
			act(context, id, "Requested the close of", calls::request_close).await
		},
		Channel::CancelClose { id } => act(context, id, "Kept open", calls::cancel_close).await,
		Channel::Close { id, store, without_voucher } => {
			close(context, id, store.as_deref(), *without_voucher).await
		},
		Channel::Finalize { ids } => finalize(context, ids).await,
		Channel::Settle { store, min_claim, asset } => {
			settle(context, store.as_deref(), min_claim.as_deref(), &asset.asset).await
		},
	}
}

/// The grace period that `text` names, in blocks.
fn parse_grace(text: &str) -> Result<BlockNumber, Failure> {
	let blocks = to_blocks(parse_span(text)?);
	match (MIN_GRACE..=MAX_GRACE).contains(&blocks) {
		true => Ok(blocks),
		false => Err(Failure::new(
			format!("a grace period of {text} is not allowed"),
			format!("choose from {} to {}", show_blocks(MIN_GRACE), show_blocks(MAX_GRACE)),
		)),
	}
}

/// A channel that must be there.
///
/// # Errors
///
/// When there is none of this id.
pub async fn find(chain: &Chain, id: &ChannelId) -> Result<ChannelInfo, Failure> {
	chain.channel(id, At::Best).await?.ok_or_else(|| {
		Failure::new(
			format!("the chain has no channel {}", to_hex(id)),
			"it may have been closed; `stoa channel list` shows what is open",
		)
	})
}

fn show_phase(phase: Phase, now: Option<BlockNumber>) -> String {
	match phase {
		Phase::Open => "open".into(),
		Phase::Closing { ends } => match now.map(|now| ends.checked_sub(now)) {
			Some(None | Some(0)) => format!("grace period over since block {ends}: finalize it"),
			Some(Some(left)) => format!("closing, ends in {} at block {ends}", show_blocks(left)),
			None => format!("closing, ends at block {ends}"),
		},
	}
}

/// The first block in which nothing can be settled any more, once a close was requested.
fn ends(phase: Phase) -> Option<BlockNumber> {
	match phase {
		Phase::Open => None,
		Phase::Closing { ends } => Some(ends),
	}
}

fn describe(report: Report, info: &ChannelInfo, unit: &Unit, now: Option<BlockNumber>) -> Report {
	report
		.row("channel", "channel", to_hex(info.id))
		.row("payer", "payer", format_account(&info.payer))
		.row("payee", "payee", format_account(&info.payee))
		.money("deposit", "deposit", unit, info.deposit)
		.money("settled", "settled", unit, info.settled)
		.money("left", "left", unit, info.deposit.saturating_sub(info.settled))
		.row("state", "state", show_phase(info.phase, now))
		.with("closing", ends(info.phase).is_some())
		.with("ends", ends(info.phase))
		.row("grace period", "grace", show_blocks(info.grace))
		.with("grace_blocks", info.grace)
		.row("voucher key", "voucher_key", crate::keys::key_hex(&info.key))
		.with("schedule", info.schedule)
}

async fn list(context: &Context, account: Option<&str>) -> Result<Report, Failure> {
	let account = context.account_or_own(account)?;
	let chain = context.chain().await?;
	let block = chain.block(At::Best).await?;
	let mut units: HashMap<String, Unit> = HashMap::new();
	let mut rows = Vec::new();
	let mut channels: Vec<Value> = Vec::new();
	for info in chain.channels(At::Hash(block.hash)).await? {
		let (side, other) = match (info.payer == account, info.payee == account) {
			(true, _) => ("payer", &info.payee),
			(_, true) => ("payee", &info.payer),
			_ => continue,
		};
		let name = format!("{:?}", info.asset);
		if !units.contains_key(&name) {
			units.insert(name.clone(), context.unit_of(&chain, &info.asset).await?);
		}
		let Some(unit) = units.get(&name) else { continue };
		let state = show_phase(info.phase, Some(block.number));
		rows.push(vec![
			to_hex(info.id),
			side.into(),
			format_account(other),
			unit.show(info.deposit),
			unit.show(info.settled),
			state.clone(),
		]);
		channels.push(json!({
			"channel": to_hex(info.id),
			"side": side,
			"payer": format_account(&info.payer),
			"payee": format_account(&info.payee),
			"deposit": money(unit, info.deposit),
			"settled": money(unit, info.settled),
			"state": state,
			"closing": ends(info.phase).is_some(),
			"ends": ends(info.phase),
		}));
	}
	let head = ["channel", "side", "other side", "deposit", "settled", "state"];
	let address = format_account(&account);
	let report = match rows.is_empty() {
		true => Report::line(format!("{address} has no channels.")),
		false => Report { text: table(&head, &rows), ..Report::default() },
	};
	Ok(report.with("account", address).with("block", block.number).with("channels", channels))
}

async fn top_up(context: &Context, id: &str, amount: &str) -> Result<Report, Failure> {
	let key = context.key()?;
	let id = parse_channel(id)?;
	let chain = context.chain().await?;
	let info = find(&chain, &id).await?;
	let unit = context.unit_of(&chain, &info.asset).await?;
	let amount = unit.parse_positive(amount)?;
	let submitted = context.submit(&chain, &calls::top_up(id, amount), &key).await?;
	let deposit = info.deposit.saturating_add(amount);
	let report = Report::line(format!("Topped up {} by {}.", to_hex(id), unit.show(amount)))
		.with("channel", to_hex(id))
		.with("amount", money(&unit, amount))
		.money("deposit", "deposit", &unit, deposit);
	Ok(included(context, &chain, report, &submitted).await)
}

async fn act(
	context: &Context,
	id: &str,
	done: &str,
	call: fn(ChannelId) -> Call,
) -> Result<Report, Failure> {
	let key = context.key()?;
	let id = parse_channel(id)?;
	let chain = context.chain().await?;
	let submitted = context.submit(&chain, &call(id), &key).await?;
	let block = submitted.block.number;
	let mut report = Report::line(format!("{done} {}.", to_hex(id))).with("channel", to_hex(id));
	if let Some(info) = chain.channel(&id, At::Best).await? {
		report = report
			.row("state", "state", show_phase(info.phase, Some(block)))
			.with("closing", ends(info.phase).is_some())
			.with("ends", ends(info.phase));
	}
	Ok(included(context, &chain, report, &submitted).await)
}

async fn finalize(context: &Context, ids: &[String]) -> Result<Report, Failure> {
	let key = context.key()?;
	let ids: Vec<ChannelId> = ids.iter().map(|id| parse_channel(id)).collect::<Result<_, _>>()?;
	let chain = context.chain().await?;
	let submitted = context.submit(&chain, &calls::finalize(ids.clone()), &key).await?;
	let mut ended = Vec::new();
	let mut left = Vec::new();
	for id in ids {
		match chain.channel(&id, At::Hash(submitted.block.hash)).await? {
			None => ended.push(to_hex(id)),
			Some(_) => left.push(to_hex(id)),
		}
	}
	let mut report =
		Report::line(format!("Ended {} of {} channels.", ended.len(), ended.len() + left.len()));
	for id in &left {
		report.push_line(&format!("  not due: {id}"));
	}
	Ok(included(context, &chain, report.with("ended", ended).with("not_due", left), &submitted)
		.await)
}

/// What the payee `key` has accepted in an asset, brought up to date with the chain.
struct Seller {
	till: Arc<Till>,
	payee: Payee,
}

impl Seller {
	/// Open the store, which must be there.
	async fn open(
		context: &Context,
		chain: &Chain,
		key: &KeyPair,
		asset: &AssetId,
		store: Option<&Path>,
	) -> Result<Self, Failure> {
		let account = key.account_id();
		let path = match store {
			Some(path) => path.to_path_buf(),
			None => context.payee_store(chain, &account, asset),
		};
		if !path.is_file() {
			return Err(Failure::new(
				format!("there is no store of vouchers at {}", path.display()),
				"name the one of your gateway with --store",
			));
		}
		let store = open_vouchers(context, chain, &path, STORE_PATIENCE, &account, asset).await?;
		// What was settled in the last seconds must be final before it is read, or it would be
		// claimed again. Where nothing becomes final any more, claiming twice does no harm.
		context.reaches_finality(chain).await?;
		let options = SubmitOptions::in_block();
		let format = context.format();
		let till = Till::new(chain.clone(), key.clone(), context.fees()?, options, format);
		let till = Arc::new(till);
		let payee =
			Payee::start(PayeeConfig::new(account, asset.clone()), store, till.clone()).await?;
		payee.refresh_all().await?;
		Ok(Self { till, payee })
	}

	/// The claims on a channel that its velocity cap lets the payee make now, in ascending order of lanes;
	/// none when all that was earned is settled.
	fn last_claims(&self, id: &ChannelId) -> Result<Vec<Unsettled>, Failure> {
		if self.payee.records(id).is_empty() {
			return Err(Failure::new(
				format!("the store has no voucher of channel {}", to_hex(id)),
				"name the one of your gateway with --store",
			));
		}
		if self.payee.channel(id).is_none() {
			return Err(Failure::new(
				format!("the channel {} is not final yet", to_hex(id)),
				"try again in some seconds",
			));
		}
		let of = |claims: Vec<Unsettled>| -> Vec<Unsettled> {
			claims.into_iter().filter(|claim| claim.item.channel == *id).collect()
		};
		let (owed, payable) = (of(self.payee.unsettled()), of(self.payee.payable()));
		match owed == payable {
			true => Ok(payable),
			false => Err(Failure::new(
				format!("the velocity cap of channel {} leaves too little for now", to_hex(id)),
				"settle, and close it once all was settled",
			)),
		}
	}
}

async fn settle(
	context: &Context,
	store: Option<&Path>,
	min_claim: Option<&str>,
	asset: &str,
) -> Result<Report, Failure> {
	let key = context.key()?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, asset).await?;
	let min_claim = match min_claim {
		Some(text) => unit.parse(text)?,
		None => worth(&chain, quote(&chain, &key).await?, &unit.asset).await?,
	};
	let seller = Seller::open(context, &chain, &key, &unit.asset, store).await?;
	let policy = SettlePolicy { min_batch: min_claim, ..SettlePolicy::default() };
	let settler = Settler::new(seller.payee.clone(), seller.till, policy);
	let settled = settler.settle_now().await?;
	let (account, left) = (key.account_id(), seller.payee.totals().unsettled);
	Ok(report_settled(context, &chain, &unit, &account, &settled, left, min_claim).await)
}

async fn close(
	context: &Context,
	id: &str,
	store: Option<&Path>,
	without_voucher: bool,
) -> Result<Report, Failure> {
	let key = context.key()?;
	let id = parse_channel(id)?;
	let chain = context.chain().await?;
	let info = find(&chain, &id).await?;
	if info.payee != key.account_id() {
		return Err(Failure::new(
			format!("{} is not the payee of this channel", key.address()),
			"as its payer, use `stoa channel request-close`",
		));
	}
	let unit = context.unit_of(&chain, &info.asset).await?;
	let mut claims = if without_voucher {
		Vec::new()
	} else {
		let opened = Seller::open(context, &chain, &key, &info.asset, store).await;
		opened.and_then(|seller| seller.last_claims(&id)).map_err(|failure| {
			let advice = format!(
				"{}, or give up what was not settled with --without-voucher",
				failure.advice
			);
			Failure::new(failure.cause, advice)
		})?
	};
	let last = claims.iter().fold(0, |sum: Balance, claim| sum.saturating_add(claim.amount));
	// A close takes one claim: those of other lanes go before it, in the same transaction.
	let close = calls::close(id, claims.pop().map(|claim| claim.item));
	let call = match claims.is_empty() {
		true => close,
		false => {
			let items = claims.iter().map(|claim| claim.item).collect();
			calls::batch_all(vec![calls::settle_batch(items), close])
		},
	};
	let submitted = context.submit(&chain, &call, &key).await?;
	let paid = info.settled.saturating_add(last);
	let report = Report::line(format!("Closed {}.", to_hex(id)))
		.with("channel", to_hex(id))
		.money("paid", "paid", &unit, paid)
		.money("of it now", "paid_now", &unit, last)
		.money("received", "received", &unit, received(&submitted, &key.account_id()))
		.money("refunded", "refunded", &unit, info.deposit.saturating_sub(paid));
	Ok(included(context, &chain, report, &submitted).await)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn grace_periods_should_be_within_the_bounds_of_the_chain() {
		assert_eq!(parse_grace("1h").unwrap(), 1_800);
		assert_eq!(parse_grace("15m").unwrap(), MIN_GRACE);
		assert_eq!(parse_grace("30d").unwrap(), MAX_GRACE);
		for text in ["14m", "31d", "0s", "x"] {
			assert!(parse_grace(text).is_err(), "{text}");
		}
		assert!(parse_grace("1m").unwrap_err().advice.contains("15 m to 30 d"));
	}

	#[test]
	fn phases_should_say_what_is_to_be_done() {
		assert_eq!(show_phase(Phase::Open, Some(1)), "open");
		let closing = Phase::Closing { ends: 100 };
		assert_eq!(show_phase(closing, Some(70)), "closing, ends in 1 m at block 100");
		assert!(show_phase(closing, Some(100)).contains("finalize"));
		assert!(show_phase(closing, Some(101)).contains("finalize"));
	}
}
