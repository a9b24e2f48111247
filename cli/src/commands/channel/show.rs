//! How channels are shown.

use super::{find, parse_channel};
use crate::{
	amount::Unit,
	context::Context,
	keys::key_hex,
	output::{money, table, Failure, Report},
	time::{show_blocks, Clock},
};
use serde_json::{json, Map, Value};
use std::collections::HashMap;
use stoa_client::{
	chain::{to_hex, At, ChannelInfo, Phase},
	keys::format_account,
};
use stoa_primitives::{channel::Cap, Balance, BlockNumber};

/// The first block in which nothing can be settled any more, once a close was requested.
pub fn ends(phase: Phase) -> Option<BlockNumber> {
	match phase {
		Phase::Open => None,
		Phase::Closing { ends } => Some(ends),
	}
}

/// A state for people.
pub fn show_phase(phase: Phase, now: BlockNumber) -> String {
	let Phase::Closing { ends } = phase else { return "open".into() };
	match ends.checked_sub(now) {
		None | Some(0) => format!("grace period over since block {ends}: finalize it"),
		Some(left) => format!("closing, ends in {} at block {ends}", show_blocks(left)),
	}
}

/// A cap for people.
pub fn show_cap(cap: Option<&Cap>, unit: &Unit) -> String {
	match cap {
		Some(cap) => format!("{} in {}", unit.show(cap.per_window), show_blocks(cap.window)),
		None => "none".into(),
	}
}

/// A cap for programs.
pub fn cap_json(cap: Option<&Cap>, unit: &Unit) -> Value {
	cap.map_or(
		Value::Null,
		|cap| json!({ "per_window": money(unit, cap.per_window), "window": cap.window }),
	)
}

/// What the cap in force leaves for the next block; `None` without a cap.
fn headroom(info: &ChannelInfo, clock: Clock) -> Option<Balance> {
	info.cap.as_ref().map(|state| state.headroom(clock.now()))
}

fn left(info: &ChannelInfo) -> Balance {
	info.deposit.saturating_sub(info.settled)
}

/// From when on a lane pays nothing any more, if it was revoked.
fn revoked(info: &ChannelInfo, lane: u32) -> Option<BlockNumber> {
	info.changes.revoked.iter().find(|(of, _)| *of == lane).map(|(_, from)| *from)
}

/// From when on the payer can have back what was not settled: when the grace period ends, or would
/// end if the close was requested now.
fn refundable_from(info: &ChannelInfo, clock: Clock) -> BlockNumber {
	ends(info.phase).unwrap_or_else(|| clock.after(info.grace))
}

/// A channel for programs: the same fields wherever one is shown.
pub fn fields(info: &ChannelInfo, unit: &Unit, clock: Clock) -> Map<String, Value> {
	let changes = &info.changes;
	let fields = json!({
		"channel": to_hex(info.id),
		"payer": format_account(&info.payer),
		"payee": format_account(&info.payee),
		"deposit": money(unit, info.deposit),
		"settled": money(unit, info.settled),
		"left": money(unit, left(info)),
		"state": show_phase(info.phase, clock.now()),
		"closing": ends(info.phase).is_some(),
		"ends": ends(info.phase),
		"refundable_from": clock.json(refundable_from(info, clock)),
		"grace": show_blocks(info.grace),
		"grace_blocks": info.grace,
		"lanes": (0..u32::from(info.lanes)).map(|lane| json!({
			"lane": lane,
			"settled": money(unit, info.settled_on(lane)),
			"revoked_from": revoked(info, lane).map(|from| clock.json(from)),
		})).collect::<Vec<_>>(),
		"cap": cap_json(info.cap.as_ref().map(|state| &state.cap), unit),
		"cap_headroom": headroom(info, clock).map(|left| money(unit, left)),
		"voucher_key": key_hex(&info.key),
		"changes": {
			"key": changes.key.as_ref().map(|(key, until)| json!({
				"replaced": key_hex(key),
				"until": clock.json(*until),
			})),
			"cap": changes.cap.as_ref().map(|(cap, from)| json!({
				"cap": cap_json(cap.as_ref(), unit),
				"from": clock.json(*from),
			})),
			"revoked": changes.revoked.iter().map(|(lane, from)| json!({
				"lane": lane,
				"from": clock.json(*from),
			})).collect::<Vec<_>>(),
		},
		"schedule": info.schedule,
	});
	match fields {
		Value::Object(fields) => fields,
		_ => Map::new(),
	}
}

/// The report with a channel.
pub fn describe(mut report: Report, info: &ChannelInfo, unit: &Unit, clock: Clock) -> Report {
	report.json.extend(fields(info, unit, clock));
	let report = report
		.shown("channel", to_hex(info.id))
		.shown("payer", format_account(&info.payer))
		.shown("payee", format_account(&info.payee))
		.shown("deposit", unit.show(info.deposit))
		.shown("settled", unit.show(info.settled))
		.shown("left", unit.show(left(info)))
		.shown("state", show_phase(info.phase, clock.now()))
		.shown("grace period", show_blocks(info.grace));
	let report = lanes(report, info, unit, clock);
	let report = limits(report, info, unit, clock);
	let from = clock.show(refundable_from(info, clock));
	match info.phase {
		Phase::Open => report.shown("refundable", format!("{from}, if you ask for it now")),
		Phase::Closing { .. } => report.shown("refundable", from),
	}
}

/// How many lanes there are, and those on which something has happened.
fn lanes(mut report: Report, info: &ChannelInfo, unit: &Unit, clock: Clock) -> Report {
	report = report.shown("lanes", info.lanes);
	for lane in 0..u32::from(info.lanes) {
		let (settled, revoked) = (info.settled_on(lane), revoked(info, lane));
		if (settled == 0 || info.lanes == 1) && revoked.is_none() {
			continue;
		}
		let mut line = format!("{} settled", unit.show(settled));
		if let Some(from) = revoked {
			line.push_str(&format!(", revoked from {}", clock.show(from)));
		}
		report = report.shown(&format!("  lane {lane}"), line);
	}
	report
}

/// Cap and key, and what of them is about to change.
fn limits(mut report: Report, info: &ChannelInfo, unit: &Unit, clock: Clock) -> Report {
	let cap = info.cap.as_ref().map(|state| &state.cap);
	report = report.shown(
		"velocity cap",
		match headroom(info, clock) {
			Some(left) => format!("{}, {} left", show_cap(cap, unit), unit.show(left)),
			None => show_cap(None, unit),
		},
	);
	if let Some((cap, from)) = &info.changes.cap {
		let line = format!("{}, from {}", show_cap(cap.as_ref(), unit), clock.show(*from));
		report = report.shown("cap to come", line);
	}
	report = report.shown("voucher key", key_hex(&info.key));
	if let Some((key, until)) = &info.changes.key {
		let line = format!("{}, valid before {}", key_hex(key), clock.show(*until));
		report = report.shown("key before", line);
	}
	report
}

/// `stoa channel show`.
///
/// # Errors
///
/// When there is no such channel.
pub async fn show(context: &Context, id: &str) -> Result<Report, Failure> {
	let id = parse_channel(id)?;
	let chain = context.chain().await?;
	let block = chain.block(At::Best).await?;
	let info = find(&chain, &id).await?;
	let unit = context.unit_of(&chain, &info.asset).await?;
	let report = describe(Report::line("Channel"), &info, &unit, Clock::at(block.number));
	Ok(report.with("block", block.number))
}

/// State and what waits, in few words.
fn state(info: &ChannelInfo, clock: Clock) -> String {
	let mut state = show_phase(info.phase, clock.now());
	let changes = &info.changes;
	let waiting = [
		changes.key.as_ref().map(|(_, until)| format!("key before valid until block {until}")),
		changes.cap.as_ref().map(|(_, from)| format!("another cap from block {from}")),
	];
	let revoked =
		changes.revoked.iter().map(|(lane, from)| format!("lane {lane} revoked from block {from}"));
	for change in waiting.into_iter().flatten().chain(revoked) {
		state.push_str("; ");
		state.push_str(&change);
	}
	state
}

/// `stoa channel list`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn list(context: &Context, account: Option<&str>) -> Result<Report, Failure> {
	let account = context.account_or_own(account)?;
	let chain = context.chain().await?;
	let block = chain.block(At::Best).await?;
	let clock = Clock::at(block.number);
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
		rows.push(vec![
			to_hex(info.id),
			side.into(),
			format_account(other),
			unit.show(info.deposit),
			unit.show(info.settled),
			info.lanes.to_string(),
			headroom(&info, clock).map_or("-".into(), |left| unit.show(left)),
			state(&info, clock),
		]);
		let mut fields = fields(&info, unit, clock);
		fields.insert("side".into(), side.into());
		channels.push(fields.into());
	}
	let head =
		["channel", "side", "other side", "deposit", "settled", "lanes", "cap leaves", "state"];
	let address = format_account(&account);
	let report = match rows.is_empty() {
		true => Report::line(format!("{address} has no channels.")),
		false => Report { text: table(&head, &rows), ..Report::default() },
	};
	Ok(report.with("account", address).with("block", block.number).with("channels", channels))
}

#[cfg(test)]
mod tests {
	use super::{super::sample, *};
	use stoa_client::chain::Changes;
	use stoa_primitives::{channel::CapState, keys::Key};

	fn info() -> ChannelInfo {
		let lane_settled = vec![100, 0, 200];
		ChannelInfo { settled: 300, lane_settled, lanes: 3, ..sample::channel() }
	}

	fn shown(info: &ChannelInfo) -> Report {
		describe(Report::default(), info, &Unit::development(), Clock::at(100))
	}

	#[test]
	fn phases_should_say_what_is_to_be_done() {
		assert_eq!(show_phase(Phase::Open, 1), "open");
		let closing = Phase::Closing { ends: 100 };
		assert_eq!(show_phase(closing, 70), "closing, ends in 1 m at block 100");
		assert!(show_phase(closing, 100).contains("finalize"));
		assert!(show_phase(closing, 101).contains("finalize"));
	}

	#[test]
	fn lanes_should_be_shown_with_what_each_has_paid() {
		let report = shown(&info());
		assert!(report.text.contains("lane 0         0.0001 dUSD settled"), "{}", report.text);
		assert!(!report.text.contains("lane 1"), "{}", report.text);
		let lanes = report.json["lanes"].as_array().unwrap();
		assert_eq!((lanes.len(), &lanes[2]["settled"]["units"]), (3, &"200".into()));
		assert!(report.text.contains("velocity cap     none"), "{}", report.text);
		assert_eq!(report.json["cap"], Value::Null);
		let refundable = &report.json["refundable_from"];
		assert_eq!((&refundable["block"], &refundable["blocks_left"]), (&550.into(), &450.into()));
	}

	#[test]
	fn caps_and_changes_should_be_shown_with_their_blocks() {
		let cap = Cap { per_window: 1_000, window: 30 };
		let mut state = CapState::new(cap);
		assert!(state.capture(90, 400));
		let changes = Changes {
			key: Some((Key::Ed25519([2; 32]), 130)),
			cap: Some((Some(Cap { per_window: 10, window: 60 }), 160)),
			revoked: vec![(1, 190)],
		};
		let report = shown(&ChannelInfo { cap: Some(state), changes, ..info() });
		let text = &report.text;
		for part in [
			"0.001 dUSD in 1 m, 0.0006 dUSD left",
			"0.00001 dUSD in 2 m, from block 160, in 2 m",
			"valid before block 130, in 1 m",
			"0 dUSD settled, revoked from block 190, in 3 m",
		] {
			assert!(text.contains(part), "{part}: {text}");
		}
		assert_eq!(report.json["cap"]["per_window"]["units"], "1000");
		assert_eq!(report.json["cap_headroom"]["units"], "600");
		let changes = &report.json["changes"];
		assert_eq!(changes["key"]["until"]["block"], 130);
		assert_eq!(changes["cap"]["cap"]["window"], 60);
		assert_eq!(changes["revoked"][0]["from"]["block"], 190);
		assert_eq!(report.json["lanes"][1]["revoked_from"]["block"], 190);
	}
}
