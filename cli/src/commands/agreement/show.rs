//! How agreements are shown.

use super::{parse_id, side_of};
use crate::{
	amount::Unit,
	context::Context,
	output::{money, table, Failure, Report},
	show::show_side,
	time::{show_blocks, Clock},
};
use serde_json::{json, Map, Value};
use std::collections::HashMap;
use stoa_client::{
	chain::{to_hex, At},
	keys::format_account,
};
use stoa_primitives::{
	agreement::{
		AgreementId, AgreementView, Deadline, Deadlines, EndReason, Ending, Kpis, Outcome, State,
		Sums, WaitsFor,
	},
	AccountId, BLOCK_MILLIS,
};

/// What has become of a milestone, in a word.
pub fn show_ending(ending: Ending) -> &'static str {
	match ending {
		Ending::Released => "released",
		Ending::Expired => "expired",
		Ending::Resolved => "resolved",
		Ending::Cancelled => "cancelled",
	}
}

/// What ended an agreement, in a word.
pub fn show_reason(reason: EndReason) -> &'static str {
	match reason {
		EndReason::Completed => "completed",
		EndReason::Cancelled => "cancelled by both",
		EndReason::Voided => "undone",
	}
}

/// A state in a word.
fn name(state: State) -> &'static str {
	match state {
		State::Funded { .. } => "funded",
		State::Delivered { .. } => "delivered",
		State::Reworking { .. } => "reworking",
		State::Disputed { answered: false, .. } => "disputed",
		State::Disputed { answered: true, .. } => "disputed, answered",
		State::Ended(ending) => show_ending(ending),
	}
}

/// Whose silence a milestone waits for, and what happens then.
fn show_deadline(deadline: &Deadline, unit: &Unit, clock: Clock) -> String {
	let who = match deadline.waits_for {
		WaitsFor::Seller => "the seller has to deliver",
		WaitsFor::Buyer => "the buyer can refuse",
		WaitsFor::Arbiters => "the arbiters have to rule",
	};
	let mut line = format!("{who} before {}; else", clock.show(deadline.from));
	let parts = [
		(deadline.to_seller, "to the seller"),
		(deadline.to_buyer, "to the buyer"),
		(deadline.penalty, "penalty to the buyer"),
	];
	let parts = parts.into_iter().filter(|(amount, _)| *amount > 0);
	let parts: Vec<_> = parts.map(|(amount, to)| format!("{} {to}", unit.show(amount))).collect();
	line.push(' ');
	line.push_str(&parts.join(", "));
	if let Some((side, fee)) = deadline.fee {
		line.push_str(&format!(", fee of {} back to the {}", unit.show(fee), show_side(side)));
	}
	line
}

fn sums_json(sums: &Sums, unit: &Unit) -> Value {
	json!({
		"released": money(unit, sums.released),
		"refunded": money(unit, sums.refunded),
		"penalties": money(unit, sums.penalties),
		"costs_of_buyer": money(unit, sums.costs_of_buyer),
		"costs_of_seller": money(unit, sums.costs_of_seller),
		"fees": money(unit, sums.fees),
	})
}

fn milestones_json(
	agreement: &AgreementView,
	deadlines: Option<&Deadlines>,
	unit: &Unit,
	clock: Clock,
) -> Vec<Value> {
	let due = |place: u32| {
		let due = deadlines?.milestones.iter().find(|due| due.milestone == place)?;
		Some(json!({
			"from": clock.json(due.from),
			"waits_for": match due.waits_for {
				WaitsFor::Seller => "seller",
				WaitsFor::Buyer => "buyer",
				WaitsFor::Arbiters => "arbiters",
			},
			"to_seller": money(unit, due.to_seller),
			"to_buyer": money(unit, due.to_buyer),
			"penalty": money(unit, due.penalty),
		}))
	};
	let milestones = agreement.offer.milestones.iter().zip(&agreement.milestones);
	(0u32..)
		.zip(milestones)
		.map(|(place, (milestone, progress))| {
			json!({
				"milestone": place,
				"state": name(progress.state),
				"amount": money(unit, milestone.amount),
				"released": money(unit, progress.released),
				"penalty": money(unit, milestone.penalty),
				"changes": progress.changes,
				"changes_allowed": milestone.changes,
				"lock": milestone.lock.map(to_hex),
				"delivery": progress.delivery.map(to_hex),
				"if_silent": due(place),
			})
		})
		.collect()
}

/// An agreement for programs: the same fields wherever one is shown.
fn fields(
	id: &AgreementId,
	agreement: &AgreementView,
	deadlines: Option<&Deadlines>,
	unit: &Unit,
	clock: Clock,
) -> Map<String, Value> {
	let offer = &agreement.offer;
	let fields = json!({
		"agreement": to_hex(id),
		"state": "running",
		"buyer": format_account(&offer.buyer),
		"seller": format_account(&offer.seller),
		"total": money(unit, offer.total().unwrap_or_default()),
		"bond": money(unit, offer.bond),
		"bond_left": money(unit, agreement.bond),
		"terms": to_hex(offer.terms),
		"negotiation": to_hex(offer.negotiation),
		"round": offer.round,
		"transcript": to_hex(agreement.transcript),
		"arbiters": offer.panel.arbiters.iter().map(format_account).collect::<Vec<_>>(),
		"arbiter_fee": money(unit, offer.panel.fee),
		"started": clock.json(agreement.started),
		"over_if_silent": deadlines.map(|deadlines| clock.json(deadlines.ends)),
		"sequence": agreement.sequence,
		"schedule": agreement.schedule,
		"disputes": agreement.disputes,
		"sums": sums_json(&agreement.sums, unit),
		"milestones": milestones_json(agreement, deadlines, unit, clock),
	});
	match fields {
		Value::Object(fields) => fields,
		_ => Map::new(),
	}
}

fn describe(
	id: &AgreementId,
	agreement: &AgreementView,
	deadlines: Option<&Deadlines>,
	unit: &Unit,
	clock: Clock,
) -> Report {
	let offer = &agreement.offer;
	let mut report = Report::line("Agreement");
	report.json.extend(fields(id, agreement, deadlines, unit, clock));
	report = report
		.shown("agreement", to_hex(id))
		.shown("buyer", format_account(&offer.buyer))
		.shown("seller", format_account(&offer.seller))
		.shown("total", unit.show(offer.total().unwrap_or_default()))
		.shown("bond", format!("{}, {} left", unit.show(offer.bond), unit.show(agreement.bond)))
		.shown("terms", to_hex(offer.terms))
		.shown("transcript", to_hex(agreement.transcript));
	for (place, (milestone, progress)) in
		(0u32..).zip(offer.milestones.iter().zip(&agreement.milestones))
	{
		let mut line = format!("{}, {}", unit.show(milestone.amount), name(progress.state));
		if progress.released > 0 {
			line.push_str(&format!(", {} of it paid", unit.show(progress.released)));
		}
		report = report.shown(&format!("milestone {place}"), line);
		let due =
			deadlines.and_then(|all| all.milestones.iter().find(|due| due.milestone == place));
		if let Some(due) = due {
			report = report.shown("", show_deadline(due, unit, clock));
		}
	}
	match deadlines {
		Some(deadlines) => report.shown("over if silent", clock.show(deadlines.ends)),
		None => report,
	}
}

fn describe_outcome(id: &AgreementId, outcome: &Outcome, unit: &Unit, clock: Clock) -> Report {
	let Outcome { sums, .. } = outcome;
	let mut report = Report::line("Agreement that has ended")
		.row("agreement", "agreement", to_hex(id))
		.row("ended", "ended", show_reason(outcome.reason))
		.row("buyer", "buyer", format_account(&outcome.buyer))
		.row("seller", "seller", format_account(&outcome.seller))
		.money("total", "total", unit, outcome.total)
		.money("bond", "bond", unit, outcome.bond);
	for (label, amount) in [
		("released", sums.released),
		("refunded", sums.refunded),
		("penalties", sums.penalties),
		("fees", sums.fees),
	] {
		if amount > 0 || label == "released" {
			report = report.shown(label, unit.show(amount));
		}
	}
	report
		.count("disputes", "disputes", outcome.disputes)
		.count("breaches", "breaches", outcome.breaches)
		.row("transcript", "transcript", to_hex(outcome.transcript))
		.shown("took", show_blocks(outcome.ended.saturating_sub(outcome.started)))
		.with("state", "ended")
		.with("sums", sums_json(sums, unit))
		.with("started", clock.json(outcome.started))
		.with("ended_at", clock.json(outcome.ended))
}

/// `stoa agreement show`.
///
/// # Errors
///
/// When nothing is known of such an agreement.
pub async fn show(context: &Context, id: &str) -> Result<Report, Failure> {
	let id = parse_id(id)?;
	let chain = context.chain().await?;
	let block = chain.block(At::Best).await?;
	let (at, clock) = (At::Hash(block.hash), Clock::at(block.number));
	if let Some(agreement) = chain.agreement(&id, at).await? {
		let deadlines = chain.deadlines(&id, at).await?;
		let unit = context.unit_of(&chain, &agreement.offer.asset).await?;
		let report = describe(&id, &agreement, deadlines.as_ref(), &unit, clock);
		return Ok(report.with("block", block.number));
	}
	let outcome = chain.outcome(&id, at).await?.ok_or_else(|| {
		Failure::new(
			format!("the chain knows no agreement {}", to_hex(id)),
			"what has ended is kept for 30 days; `stoa agreement list` shows what runs",
		)
	})?;
	let unit = context.unit_of(&chain, &outcome.asset).await?;
	Ok(describe_outcome(&id, &outcome, &unit, clock).with("block", block.number))
}

/// The states of all milestones in few words.
fn states(agreement: &AgreementView) -> String {
	let states: Vec<_> = agreement.milestones.iter().map(|progress| name(progress.state)).collect();
	states.join(", ")
}

/// `stoa agreement list`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn list(context: &Context, account: Option<&str>) -> Result<Report, Failure> {
	let account: AccountId = context.account_or_own(account)?;
	let chain = context.chain().await?;
	let block = chain.block(At::Best).await?;
	let clock = Clock::at(block.number);
	let mut units: HashMap<String, Unit> = HashMap::new();
	let (mut rows, mut list) = (Vec::new(), Vec::new());
	for (id, agreement) in chain.agreements(At::Hash(block.hash)).await? {
		let Some(side) = side_of(&agreement, &account) else { continue };
		let name = format!("{:?}", agreement.offer.asset);
		if !units.contains_key(&name) {
			let unit = context.unit_of(&chain, &agreement.offer.asset).await?;
			units.insert(name.clone(), unit);
		}
		let Some(unit) = units.get(&name) else { continue };
		rows.push(vec![
			to_hex(id),
			show_side(side).into(),
			format_account(agreement.offer.party(side.other())),
			unit.show(agreement.offer.total().unwrap_or_default()),
			states(&agreement),
		]);
		let mut fields = fields(&id, &agreement, None, unit, clock);
		fields.insert("side".into(), show_side(side).into());
		list.push(Value::from(fields));
	}
	let address = format_account(&account);
	let report = match rows.is_empty() {
		true => Report::line(format!("No agreement of {address} runs.")),
		false => Report {
			text: table(&["agreement", "side", "other side", "total", "milestones"], &rows),
			..Report::default()
		},
	};
	Ok(report.with("account", address).with("block", block.number).with("agreements", list))
}

/// Millionths as a percentage.
fn percent(ppm: Option<u32>) -> String {
	ppm.map_or("-".into(), |ppm| format!("{}.{:02} %", ppm / 10_000, ppm % 10_000 / 100))
}

fn describe_kpis(report: Report, kpis: &Kpis) -> Report {
	let seconds = |blocks: u32| u64::from(blocks).saturating_mul(BLOCK_MILLIS) / 1_000;
	let wait = match kpis.median_wait {
		Some((from, to)) => format!("{} to {} s", seconds(from), seconds(to)),
		None => "-".into(),
	};
	report
		.count("agreements", "agreements", kpis.agreements)
		.shown("median time to agreement", wait)
		.shown("offers accepted", percent(kpis.acceptance_ppm))
		.shown("price against first ask", percent(kpis.price_ppm))
		.count("with a dispute", "disputes", kpis.disputes)
		.shown(
			"disputes per 1,000",
			kpis.disputes_per_thousand.map_or("-".into(), |rate| rate.to_string()),
		)
		.count("milestones failed", "breaches", kpis.breaches)
		.with(
			"median_wait_blocks",
			kpis.median_wait.map_or(Value::Null, |(from, to)| json!({ "from": from, "to": to })),
		)
		.with("acceptance_ppm", kpis.acceptance_ppm)
		.with("price_ppm", kpis.price_ppm)
		.with("disputes_per_thousand", kpis.disputes_per_thousand)
}

/// `stoa agreement kpis`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn kpis(context: &Context, agent: Option<&str>) -> Result<Report, Failure> {
	let agent = agent.map(|agent| context.account(agent)).transpose()?;
	let chain = context.chain().await?;
	let kpis = match &agent {
		Some(agent) => chain.agreement_kpis(agent, At::Best).await?,
		None => Some(chain.market_kpis(At::Best).await?),
	};
	let address = agent.as_ref().map(format_account);
	let report = match (&kpis, &address) {
		(None, Some(address)) => Report::line(format!("No agreement of {address} is on record.")),
		_ => Report::default(),
	};
	let report = kpis.iter().fold(report, describe_kpis);
	Ok(report.with("agent", address))
}
