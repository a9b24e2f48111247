//! What a payer changes in a channel: deposit, voucher key, cap, lanes, and whether it is to end.

use super::{
	find, parse_channel,
	show::{cap_json, fields, show_cap, show_phase},
	terms::parse_change,
};
use crate::{
	amount::Unit,
	commands::included,
	context::Context,
	keys::{key_hex, KeyPair},
	output::{money, Failure, Report},
	time::Clock,
};
use stoa_client::chain::{calls, to_hex, At, Call, Chain, ChannelInfo, MarketEvent, Submitted};
use stoa_primitives::channel::ChannelId;

/// A channel that is about to be changed, and who does it.
struct Change<'a> {
	context: &'a Context,
	key: KeyPair,
	chain: Chain,
	info: ChannelInfo,
	unit: Unit,
}

impl<'a> Change<'a> {
	async fn of(context: &'a Context, id: &str) -> Result<Self, Failure> {
		let key = context.key()?;
		let id = parse_channel(id)?;
		let chain = context.chain().await?;
		let info = find(&chain, &id).await?;
		let unit = context.unit_of(&chain, &info.asset).await?;
		Ok(Self { context, key, chain, info, unit })
	}

	fn id(&self) -> ChannelId {
		self.info.id
	}

	/// Make it. Payees believe finalized state only, so that is what is waited for.
	async fn submit(&self, call: &Call) -> Result<Submitted, Failure> {
		let options = self.context.final_options(&self.chain, &self.key, call).await?;
		Ok(self.chain.submit(call, &self.key.account, options).await?)
	}

	/// The report with the channel as it is then, for programs, and what the change has cost.
	async fn conclude(&self, mut report: Report, done: &Submitted) -> Result<Report, Failure> {
		if let Some(info) = self.chain.channel(&self.id(), At::Hash(done.block.hash)).await? {
			report.json.extend(fields(&info, &self.unit, Clock::at(done.block.number)));
		}
		Ok(included(self.context, &self.chain, report, done).await)
	}
}

/// The chain has done it, and does not say so in a form that is known here.
fn silent() -> Failure {
	Failure::new("the chain does not say what has changed", "see `stoa channel show`")
}

/// `stoa channel top-up`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn top_up(context: &Context, id: &str, amount: &str) -> Result<Report, Failure> {
	let change = Change::of(context, id).await?;
	let amount = change.unit.parse_positive(amount)?;
	let submitted = change.submit(&calls::top_up(change.id(), amount)).await?;
	let deposit = submitted.events.iter().find_map(|event| match event {
		MarketEvent::ToppedUp { deposit, .. } => Some(*deposit),
		_ => None,
	});
	let deposit = deposit.ok_or_else(silent)?;
	let (id, shown) = (to_hex(change.id()), change.unit.show(amount));
	let report = Report::line(format!("Topped up {id} by {shown}."))
		.shown("deposit", change.unit.show(deposit))
		.with("amount", money(&change.unit, amount));
	change.conclude(report, &submitted).await
}

/// `stoa channel rotate-key`.
///
/// The next voucher key takes over; a channel that has fallen behind others of the account gets the newest
/// one, so that all of them end up with the same.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn rotate_key(context: &Context, id: &str) -> Result<Report, Failure> {
	let mut change = Change::of(context, id).await?;
	let vouchers = &change.key.vouchers;
	let newest = vouchers.newest();
	let number = match vouchers.find(&change.info.key) {
		Some((number, _)) if number >= newest => number.saturating_add(1),
		_ => newest,
	};
	// Written down first: a key that the chain knows must not be forgotten here.
	change.key = context.ring().use_voucher(&change.key, number)?;
	let voucher = change.key.voucher.key();
	let submitted = change.submit(&calls::rotate_key(change.id(), voucher)).await?;
	let until = submitted.events.iter().find_map(|event| match event {
		MarketEvent::KeyRotated { until, .. } => Some(*until),
		_ => None,
	});
	let (until, clock) = (until.ok_or_else(silent)?, Clock::at(submitted.block.number));
	let report = Report::line(format!("Rotated the voucher key of {}.", to_hex(change.id())))
		.shown("voucher key", key_hex(&voucher))
		.shown("key before", key_hex(&change.info.key))
		.shown("valid before", clock.show(until))
		.with("voucher_key_number", number)
		.with("until", clock.json(until));
	change.conclude(report, &submitted).await
}

/// `stoa channel set-cap`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn set_cap(context: &Context, id: &str, cap: &str) -> Result<Report, Failure> {
	let change = Change::of(context, id).await?;
	let cap = parse_change(cap, &change.unit)?;
	let submitted = change.submit(&calls::set_cap(change.id(), cap)).await?;
	let from = submitted.events.iter().find_map(|event| match event {
		MarketEvent::CapSet { from, .. } => Some(*from),
		_ => None,
	});
	let (from, clock) = (from.ok_or_else(silent)?, Clock::at(submitted.block.number));
	let report = Report::line(format!("Set the velocity cap of {}.", to_hex(change.id())))
		.shown("velocity cap", show_cap(cap.as_ref(), &change.unit))
		.shown("holds from", clock.show(from));
	let report = change.conclude(report, &submitted).await?;
	Ok(report.with("set", cap_json(cap.as_ref(), &change.unit)).with("from", clock.json(from)))
}

/// `stoa channel revoke-lane`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn revoke_lane(context: &Context, id: &str, lane: u32) -> Result<Report, Failure> {
	let change = Change::of(context, id).await?;
	let submitted = change.submit(&calls::revoke_lane(change.id(), lane)).await?;
	let from = submitted.events.iter().find_map(|event| match event {
		MarketEvent::LaneRevoked { from, .. } => Some(*from),
		_ => None,
	});
	let (from, clock) = (from.ok_or_else(silent)?, Clock::at(submitted.block.number));
	let report = Report::line(format!("Revoked lane {lane} of {}.", to_hex(change.id())))
		.shown("nothing from", clock.show(from))
		.with("lane", lane)
		.with("from", clock.json(from));
	change.conclude(report, &submitted).await
}

/// `stoa channel request-close`: waits for no finality, since a payer may want its money back from a chain
/// that has stopped finalising.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn request_close(context: &Context, id: &str) -> Result<Report, Failure> {
	let change = Change::of(context, id).await?;
	let call = calls::request_close(change.id());
	let submitted = context.submit(&change.chain, &call, &change.key).await?;
	phase(&change, "Requested the close of", &submitted).await
}

/// `stoa channel cancel-close`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn cancel_close(context: &Context, id: &str) -> Result<Report, Failure> {
	let change = Change::of(context, id).await?;
	let submitted = change.submit(&calls::cancel_close(change.id())).await?;
	phase(&change, "Kept open", &submitted).await
}

async fn phase(change: &Change<'_>, done: &str, submitted: &Submitted) -> Result<Report, Failure> {
	let id = change.id();
	let mut report = Report::line(format!("{done} {}.", to_hex(id)));
	if let Some(info) = change.chain.channel(&id, At::Hash(submitted.block.hash)).await? {
		let (state, ends) = (show_phase(info.phase, submitted.block.number), super::ends(&info));
		report = report.shown("state", state);
		if let Some(ends) = ends {
			report = report.shown("refundable", Clock::at(submitted.block.number).show(ends));
		}
	}
	change.conclude(report, submitted).await
}
