//! `stoa channel`.

use super::included;
use crate::{
	amount::Unit,
	cli::Channel,
	context::{open_store, parse_channel, Context},
	keys::KeyPair,
	output::{money, table, Failure, Report},
	time::{parse_span, show_blocks, to_blocks},
};
use serde_json::{json, Value};
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use stoa_client::{
	chain::{calls, to_hex, At, Call, Chain, ChannelInfo, OpenChannel, Phase, SignedChain},
	keys::format_account,
	payee::{Payee, PayeeConfig},
	settle::{SettlePolicy, SettleReport, Settler},
};
use stoa_primitives::{
	channel::{ChannelId, MAX_GRACE, MIN_GRACE},
	AssetId, BlockNumber,
};

/// How long to wait until the newest block is final.
const FINALITY_PATIENCE: Duration = Duration::from_secs(30);

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
			let open = OpenChannel {
				payee,
				asset: unit.asset.clone(),
				deposit,
				key: key.voucher.key(),
				grace,
			};
			let options = context.options(&chain, &key).await?;
			let (info, submitted) = chain.open_channel(open, &key.account, options).await?;
			let report = describe(Report::line("Opened a channel."), &info, &unit, None);
			Ok(included(report, &submitted))
		},
		Channel::List { account } => list(context, account.as_deref()).await,
		Channel::Show { id } => {
			let id = parse_channel(id)?;
			let chain = context.chain().await?;
			let block = chain.block(At::Best).await?;
			let info = find(&chain, &id).await?;
			let unit = unit_of(context, &chain, &info.asset).await?;
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
		Channel::Settle { store, asset } => settle(context, store.as_deref(), &asset.asset).await,
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

/// The unit of a channel's asset.
///
/// # Errors
///
/// When the chain has no such asset any more.
pub async fn unit_of(context: &Context, chain: &Chain, asset: &AssetId) -> Result<Unit, Failure> {
	match asset {
		AssetId::Native => Ok(Unit::native()),
		AssetId::WithId(id) => context.unit(chain, &id.to_string()).await,
	}
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

fn describe(report: Report, info: &ChannelInfo, unit: &Unit, now: Option<BlockNumber>) -> Report {
	report
		.row("channel", "channel", to_hex(info.id))
		.row("payer", "payer", format_account(&info.payer))
		.row("payee", "payee", format_account(&info.payee))
		.money("deposit", "deposit", unit, info.deposit)
		.money("settled", "settled", unit, info.settled)
		.money("left", "left", unit, info.deposit.saturating_sub(info.settled))
		.row("state", "state", show_phase(info.phase, now))
		.with("closing", matches!(info.phase, Phase::Closing { .. }))
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
			units.insert(name.clone(), unit_of(context, &chain, &info.asset).await?);
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
	let unit = unit_of(context, &chain, &info.asset).await?;
	let amount = unit.parse_positive(amount)?;
	let submitted = context.submit(&chain, &calls::top_up(id, amount), &key).await?;
	let deposit = info.deposit.saturating_add(amount);
	let report = Report::line(format!("Topped up {} by {}.", to_hex(id), unit.show(amount)))
		.with("channel", to_hex(id))
		.with("amount", money(&unit, amount))
		.money("deposit", "deposit", &unit, deposit);
	Ok(included(report, &submitted))
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
		report = report.row("state", "state", show_phase(info.phase, Some(block)));
	}
	Ok(included(report, &submitted))
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
	Ok(included(report.with("ended", ended).with("not_due", left), &submitted))
}

/// What the payee `key` has accepted in an asset, brought up to date with the chain.
struct Seller {
	chain: Arc<SignedChain>,
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
		let path = match store {
			Some(path) => path.to_path_buf(),
			None => context.payee_store(chain, &key.account_id(), asset),
		};
		if !path.is_file() {
			return Err(Failure::new(
				format!("there is no store of vouchers at {}", path.display()),
				"name the one of your gateway with --store",
			));
		}
		let store = open_store(&path).await?;
		// What was settled in the last seconds must be final before it is read, or it would be
		// claimed again. Where nothing becomes final any more, claiming twice does no harm.
		let best = chain.block(At::Best).await?;
		let settled = chain.wait_for_block(best.number, true);
		if let Ok(waited) = tokio::time::timeout(FINALITY_PATIENCE, settled).await {
			waited?;
		}
		let options = context.options(chain, key).await?;
		let chain = Arc::new(SignedChain::new(chain.clone(), key.account.clone(), options));
		let config = PayeeConfig::new(key.account_id(), asset.clone());
		let payee = Payee::start(config, store, chain.clone()).await?;
		payee.refresh_all().await?;
		Ok(Self { chain, payee })
	}
}

async fn settle(context: &Context, store: Option<&Path>, asset: &str) -> Result<Report, Failure> {
	let key = context.key()?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, asset).await?;
	let seller = Seller::open(context, &chain, &key, &unit.asset, store).await?;
	let settler = Settler::new(seller.payee, seller.chain, SettlePolicy::default());
	Ok(report_settled(&unit, &settler.settle_now().await?))
}

/// What a settlement did.
pub fn report_settled(unit: &Unit, settled: &SettleReport) -> Report {
	let claims: Vec<_> = settled.batches.iter().flat_map(|batch| &batch.claimed).collect();
	let mut report = Report::line(match (claims.len(), settled.skipped.len()) {
		(0, 0) => "Nothing was left to settle.".into(),
		(channels, _) => {
			format!("Settled {} from {channels} channels.", unit.show(settled.claimed))
		},
	});
	let mut skipped = Vec::new();
	for skip in &settled.skipped {
		let (channel, reason) = (to_hex(skip.channel), format!("{:?}", skip.reason));
		report.push_line(&format!("  skipped {channel}: {reason}"));
		skipped.push(json!({ "channel": channel, "reason": reason }));
	}
	let claims: Vec<_> = claims
		.iter()
		.map(|claim| {
			let amount = money(unit, claim.amount);
			json!({ "channel": to_hex(claim.channel), "amount": amount })
		})
		.collect();
	report
		.with("gross", money(unit, settled.claimed))
		.with("claimed", claims)
		.with("skipped", skipped)
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
	let unit = unit_of(context, &chain, &info.asset).await?;
	let claim = if without_voucher {
		None
	} else {
		let opened = Seller::open(context, &chain, &key, &info.asset, store).await;
		let seller = opened.map_err(|failure| {
			Failure::new(
				failure.cause,
				"name the gateway's store with --store, or give up what was not settled with \
				 --without-voucher",
			)
		})?;
		let mut claims = seller.payee.unsettled().into_iter();
		claims.find(|claim| claim.item.channel == id)
	};
	let last = claim.as_ref().map_or(0, |claim| claim.amount);
	let call = calls::close(id, claim.map(|claim| claim.item));
	let submitted = context.submit(&chain, &call, &key).await?;
	let paid = info.settled.saturating_add(last);
	let report = Report::line(format!("Closed {}.", to_hex(id)))
		.with("channel", to_hex(id))
		.money("paid", "paid", &unit, paid)
		.money("of it now", "paid_now", &unit, last)
		.money("refunded", "refunded", &unit, info.deposit.saturating_sub(paid));
	Ok(included(report, &submitted))
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
