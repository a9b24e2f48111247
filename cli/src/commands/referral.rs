//! `stoa referral`.

use super::included;
use crate::{
	cli::{OneAgent, Referral},
	context::Context,
	output::{Failure, Report},
};
use stoa_client::{
	chain::{calls, At},
	keys::format_account,
};
use stoa_primitives::referral::{Code, MAX_CODE_LEN, MIN_CODE_LEN};

/// Run a command of `stoa referral`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn run(context: &Context, command: &Referral) -> Result<Report, Failure> {
	match command {
		Referral::Claim { code } => {
			let key = context.key()?;
			let parsed = parse_code(code)?;
			let chain = context.chain().await?;
			let submitted = context.submit(&chain, &calls::claim_code(parsed), &key).await?;
			let report = Report::line(format!(
				"The code `{code}` is yours: you bring agents registered with --referral {code}."
			))
			.with("code", code.clone())
			.with("agent", key.address());
			Ok(included(context, &chain, report, &submitted).await)
		},
		Referral::Show(args) => show(context, args).await,
	}
}

/// The code that `text` is.
///
/// # Errors
///
/// When it is none.
pub fn parse_code(text: &str) -> Result<Code, Failure> {
	let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
	let long_enough = u32::try_from(text.len()).is_ok_and(|len| len >= MIN_CODE_LEN);
	let code = long_enough.then(|| Code::try_from(text.as_bytes().to_vec()).ok()).flatten();
	code.filter(|_| text.bytes().all(fits)).ok_or_else(|| {
		Failure::new(
			format!("`{text}` is neither an address nor a referral code"),
			format!("codes have {MIN_CODE_LEN} to {MAX_CODE_LEN} of a-z, 0-9 and `-`"),
		)
	})
}

async fn show(context: &Context, args: &OneAgent) -> Result<Report, Failure> {
	let agent = context.account_or_own(args.agent.as_deref())?;
	let address = format_account(&agent);
	let chain = context.chain().await?;
	let referrer = chain.referrer_of(&agent, At::Best).await?;
	let brought = chain.referee_count(&agent, At::Best).await?;
	let codes = chain.codes_of(&agent, At::Best).await?;
	let report = Report::line(format!("Referrals of {address}"))
		.with("agent", address)
		.row(
			"brought by",
			"referrer",
			match &referrer {
				Some(referrer) => format_account(referrer),
				None => "nobody".into(),
			},
		)
		.count("has brought", "referees", brought)
		.shown("codes", if codes.is_empty() { "none".into() } else { codes.join(", ") })
		.with("codes", codes);
	Ok(match referrer {
		Some(_) => report,
		None => report.with("referrer", ()),
	})
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn codes_should_be_lower_case_and_of_fitting_length() {
		for text in ["abcd", "stoa-2026", "a234567890123456789012-4"] {
			assert_eq!(parse_code(text).unwrap().to_vec(), text.as_bytes());
		}
		for text in ["", "abc", "ABCD", "a b c", "käse", "a2345678901234567890123-5"] {
			assert!(parse_code(text).is_err(), "{text}");
		}
	}
}
