//! What both sides of an agreement must want: one signs, the other one submits.

use super::{side_of, Deed};
use crate::{
	cli::{Cancel, Extend, Milestone},
	context::Context,
	output::{money, Failure, Report},
	time::{parse_span, show_blocks, to_blocks, Clock},
};
use codec::{Decode, DecodeAll, Encode};
use sp_runtime::MultiSignature;
use stoa_client::chain::{calls::escrow as calls, At};
use stoa_primitives::{
	agreement::MAX_CONSENT_AGE,
	keys::{verify_account, AgentSignature},
	payload::{CancelConsent, ExtendConsent, Payload},
	BlockNumber,
};

/// Signs for the side of the key that is named, and prints it for the other side.
fn sign<P: Payload + Encode>(
	deed: &Deed,
	consent: &P,
	what: &str,
	expires: u32,
	clock: Clock,
) -> Result<Report, Failure> {
	let key = deed.context.key()?;
	own_side(deed)?;
	let signature = key.account.sign(&consent.to_bytes(&deed.chain.agreement_domain()));
	let text = format!("0x{}", hex::encode((consent, signature).encode()));
	Ok(Report::line(format!("{what} The other side passes this as --consent:"))
		.row("consent", "consent", text)
		.shown("usable until", clock.show(expires))
		.with("expires", clock.json(expires)))
}

/// The side of the key that is named.
fn own_side(deed: &Deed) -> Result<stoa_primitives::agreement::Side, Failure> {
	let account = deed.context.key()?.account_id();
	side_of(&deed.agreement, &account).ok_or_else(|| {
		Failure::new(
			"the key that signs is neither the buyer's nor the seller's",
			"name the right one with --key",
		)
	})
}

/// What the other side has signed, checked as far as it can be without the chain: delegate keys sign too.
fn read<P: Payload + Decode>(deed: &Deed, text: &str) -> Result<(P, AgentSignature), Failure> {
	let bad = || {
		Failure::new(
			"this is no consent of the other side's to that",
			"pass what the same command printed there, with the same numbers",
		)
	};
	let text = text.trim();
	let bytes = hex::decode(text.strip_prefix("0x").unwrap_or(text)).map_err(|_| bad())?;
	let (consent, signature) =
		<(P, MultiSignature)>::decode_all(&mut bytes.as_slice()).map_err(|_| bad())?;
	let other = deed.agreement.offer.party(own_side(deed)?.other());
	let bytes = consent.to_bytes(&deed.chain.agreement_domain());
	match verify_account(other, &bytes, &signature) {
		true => Ok((consent, AgentSignature::Account(signature))),
		false => Err(bad()),
	}
}

/// Fails unless what was signed is what is wanted here.
fn same<T: PartialEq>(found: &T, wanted: &T) -> Result<(), Failure> {
	match found == wanted {
		true => Ok(()),
		false => Err(Failure::new(
			"the other side has agreed to something else",
			"compare the numbers; both sides must name the same",
		)),
	}
}

/// For how many blocks a consent is to be good.
fn valid_for(text: &str) -> Result<BlockNumber, Failure> {
	let blocks = to_blocks(parse_span(text)?);
	match blocks <= MAX_CONSENT_AGE {
		true => Ok(blocks),
		false => Err(Failure::new(
			format!("the chain takes no consent for longer than {}", show_blocks(MAX_CONSENT_AGE)),
			"choose a shorter time with --valid",
		)),
	}
}

/// `stoa agreement cancel`.
///
/// # Errors
///
/// Those of keys, amounts and chain; a consent to something else.
pub async fn cancel(context: &Context, args: &Cancel) -> Result<Report, Failure> {
	let deed = Deed::of(context, &args.id).await?;
	let seller = deed.unit.parse(&args.seller)?;
	let (agreement, sequence) = (deed.id, deed.agreement.sequence);
	let shown = deed.unit.show(seller);
	match &args.consent {
		None => {
			let clock = Clock::at(deed.chain.block(At::Best).await?.number);
			let expires = clock.after(valid_for(&args.valid)?);
			let consent = CancelConsent { agreement, seller, sequence, expires };
			let what = format!("You agree to end it with {shown} to the seller.");
			let report = sign(&deed, &consent, &what, expires, clock)?;
			Ok(report.with("to_seller", money(&deed.unit, seller)))
		},
		Some(text) => {
			let (consent, signature) = read::<CancelConsent>(&deed, text)?;
			let expires = consent.expires;
			same(&consent, &CancelConsent { agreement, seller, sequence, expires })?;
			let line = format!("Ended the agreement with {shown} to the seller.");
			deed.done(&calls::cancel(consent, signature), line).await
		},
	}
}

/// `stoa agreement extend`.
///
/// # Errors
///
/// Those of keys, times and chain; a consent to something else.
pub async fn extend(context: &Context, args: &Extend) -> Result<Report, Failure> {
	let Milestone { id, place: milestone } = &args.milestone;
	let (deed, milestone) = (Deed::of(context, id).await?, *milestone);
	let clock = Clock::at(deed.chain.block(At::Best).await?.number);
	let deliver_by = match args.until.parse::<BlockNumber>() {
		Ok(block) => block,
		Err(_) => clock.after(to_blocks(parse_span(&args.until)?)),
	};
	let (agreement, sequence) = (deed.id, deed.agreement.sequence);
	match &args.consent {
		None => {
			let expires = clock.after(valid_for(&args.valid)?);
			let consent = ExtendConsent { agreement, milestone, deliver_by, sequence, expires };
			let what = format!(
				"You agree to a delivery of milestone {milestone} up to block {deliver_by}."
			);
			let report = sign(&deed, &consent, &what, expires, clock)?;
			Ok(report.with("deliver_by", clock.json(deliver_by)))
		},
		Some(text) => {
			let (consent, signature) = read::<ExtendConsent>(&deed, text)?;
			let expires = consent.expires;
			same(&consent, &ExtendConsent { agreement, milestone, deliver_by, sequence, expires })?;
			let line = format!("Milestone {milestone} can be delivered up to block {deliver_by}.");
			deed.done(&calls::extend(consent, signature), line).await
		},
	}
}
