//! What the sides of an agreement do, and its arbiters.

use super::{events, parse_id, Deed};
use crate::{
	cli::{Milestone, WithEvidence},
	context::Context,
	output::{money, Failure, Report},
};
use sp_crypto_hashing::blake2_256;
use sp_runtime::Permill;
use std::fs;
use stoa_client::chain::{calls::escrow as calls, parse_hash, to_hex, AgreementEvent};
use stoa_primitives::agreement::Evidence;

/// The evidence that was typed.
fn evidence(args: &WithEvidence) -> Result<Evidence, Failure> {
	let digest = match (&args.file, &args.digest) {
		(Some(path), _) => blake2_256(&fs::read(path).map_err(|error| {
			Failure::new(
				format!("{} cannot be read: {error}", path.display()),
				"name the file that shows it",
			)
		})?),
		(None, text) => text.as_deref().and_then(parse_hash).ok_or_else(|| {
			Failure::new(
				"the digest is not 32 bytes of hex",
				"give 0x and 64 hex digits, or --file",
			)
		})?,
	};
	let uri = args
		.uri
		.as_bytes()
		.to_vec()
		.try_into()
		.map_err(|_| Failure::new("the URI is longer than 256 bytes", "use a shorter one"))?;
	Ok(Evidence { digest, uri })
}

/// `stoa agreement deliver`.
///
/// # Errors
///
/// Those of keys, files and chain.
pub async fn deliver(context: &Context, args: &WithEvidence) -> Result<Report, Failure> {
	let evidence = evidence(args)?;
	let Milestone { id, place } = &args.milestone;
	let deed = Deed::of(context, id).await?;
	let digest = to_hex(evidence.digest);
	let call = calls::deliver(deed.id, *place, evidence);
	let report = deed.done(&call, format!("Delivered milestone {place}.")).await?;
	Ok(report.row("evidence", "evidence", digest))
}

/// `stoa agreement accept`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn accept(context: &Context, milestone: &Milestone) -> Result<Report, Failure> {
	let Milestone { id, place } = milestone;
	let deed = Deed::of(context, id).await?;
	deed.done(&calls::accept(deed.id, *place), format!("Accepted milestone {place}.")).await
}

/// `stoa agreement release`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn release(
	context: &Context,
	milestone: &Milestone,
	amount: &str,
) -> Result<Report, Failure> {
	let Milestone { id, place } = milestone;
	let deed = Deed::of(context, id).await?;
	let amount = deed.unit.parse_positive(amount)?;
	let line = format!("Released {} of milestone {place}.", deed.unit.show(amount));
	let report = deed.done(&calls::release(deed.id, *place, amount), line).await?;
	Ok(report.with("amount", money(&deed.unit, amount)))
}

/// `stoa agreement request-changes`.
///
/// # Errors
///
/// Those of keys, files and chain.
pub async fn request_changes(context: &Context, args: &WithEvidence) -> Result<Report, Failure> {
	let evidence = evidence(args)?;
	let Milestone { id, place } = &args.milestone;
	let deed = Deed::of(context, id).await?;
	let call = calls::request_changes(deed.id, *place, evidence);
	deed.done(&call, format!("Asked for changes of milestone {place}.")).await
}

/// `stoa agreement dispute`.
///
/// # Errors
///
/// Those of keys, files and chain.
pub async fn dispute(context: &Context, args: &WithEvidence) -> Result<Report, Failure> {
	let evidence = evidence(args)?;
	let Milestone { id, place } = &args.milestone;
	let deed = Deed::of(context, id).await?;
	let call = calls::dispute(deed.id, *place, evidence);
	deed.done(&call, format!("Milestone {place} is in dispute.")).await
}

/// `stoa agreement answer`.
///
/// # Errors
///
/// Those of keys, files and chain.
pub async fn answer(context: &Context, args: &WithEvidence) -> Result<Report, Failure> {
	let evidence = evidence(args)?;
	let Milestone { id, place } = &args.milestone;
	let deed = Deed::of(context, id).await?;
	let call = calls::answer(deed.id, *place, evidence);
	deed.done(&call, format!("Answered the dispute about milestone {place}.")).await
}

/// `stoa agreement rule`.
///
/// # Errors
///
/// Those of keys, files and chain; a share that is none.
pub async fn rule(context: &Context, case: &WithEvidence, share: &str) -> Result<Report, Failure> {
	let (evidence, share) = (evidence(case)?, parse_share(share)?);
	let Milestone { id, place } = &case.milestone;
	let deed = Deed::of(context, id).await?;
	let call = calls::rule(deed.id, *place, share, evidence);
	let report = deed.done(&call, format!("Ruled on milestone {place}.")).await?;
	Ok(report.with("seller_ppm", share.deconstruct()))
}

/// A share like `60%` or `12.5%`, to the ten-thousandth of a percent.
fn parse_share(text: &str) -> Result<Permill, Failure> {
	let refuse = || {
		Failure::new(
			format!("`{text}` is no share"),
			"give a percentage from 0% to 100%, like 60% or 12.5%",
		)
	};
	let number = text.trim().strip_suffix('%').ok_or_else(refuse)?;
	let (whole, part) = number.split_once('.').unwrap_or((number, ""));
	let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
	if whole.is_empty() || whole.len() > 3 || part.len() > 4 || !digits(whole) || !digits(part) {
		return Err(refuse());
	}
	// Ten-thousandths of a percent are millionths.
	let ppm: u32 = format!("{whole}{part:0<4}").parse().map_err(|_| refuse())?;
	match ppm {
		0..=1_000_000 => Ok(Permill::from_parts(ppm)),
		_ => Err(refuse()),
	}
}

/// `stoa agreement poke`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn poke(context: &Context, id: &str) -> Result<Report, Failure> {
	let deed = Deed::of(context, &to_hex(parse_id(id)?)).await?;
	let submitted = super::send(context, &deed.chain, &calls::poke(deed.id)).await?;
	let ended = events(&submitted)
		.filter(|event| matches!(event, AgreementEvent::MilestoneEnded { .. }))
		.count();
	let line = match ended {
		0 => "Nothing was due.".to_owned(),
		n => format!("Did what was due for {n} of the milestones."),
	};
	let report = Report::line(line).with("agreement", to_hex(deed.id)).with("milestones", ended);
	let report = deed.happened(report, &submitted);
	Ok(crate::commands::included(context, &deed.chain, report, &submitted).await)
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn shares_should_be_percentages() {
		for (text, ppm) in
			[("0%", 0), ("100%", 1_000_000), ("60%", 600_000), ("12.5%", 125_000), ("0.0001%", 1)]
		{
			assert_eq!(parse_share(text).unwrap().deconstruct(), ppm, "{text}");
		}
		for bad in ["", "%", "60", "100.0001%", "101%", "-1%", "1e1%", "0.00001%", "1.2.3%", "+5%"]
		{
			assert!(parse_share(bad).unwrap_err().advice.contains("60%"), "{bad}");
		}
	}
}
