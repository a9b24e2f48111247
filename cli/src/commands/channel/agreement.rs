//! What one side signs so that the other can act alone, as text, and why it is of no use.

use crate::{amount::Unit, output::Failure, time::show_blocks};
use codec::{DecodeAll, Encode};
use stoa_client::agreement::Disagreement;

/// An agreement as text: the hex of its SCALE encoding.
pub fn encode(agreement: &impl Encode) -> String {
	format!("0x{}", hex::encode(agreement.encode()))
}

/// The inverse of [`encode`]. `what` it should be is what `command` prints.
///
/// # Errors
///
/// When `text` is something else.
pub fn decode<T: DecodeAll>(text: &str, what: &str, command: &str) -> Result<T, Failure> {
	let text = text.trim();
	hex::decode(text.strip_prefix("0x").unwrap_or(text))
		.ok()
		.and_then(|bytes| T::decode_all(&mut bytes.as_slice()).ok())
		.ok_or_else(|| {
			Failure::new(
				format!("this is no signed {what}"),
				format!("pass what `{command}` printed, all of it"),
			)
		})
}

/// Why an agreement is of no use, in amounts of `unit`.
pub fn explain(error: Disagreement, unit: &Unit) -> Failure {
	match error {
		Disagreement::TooMuch { total, limit } => Failure::new(
			format!(
				"the payee wants {} in all, at most {} was paid for by what is known here",
				unit.show(total),
				unit.show(limit)
			),
			"if its store was lost here, run `stoa channel recover`; if calls were answered that nothing \
			 came of here, pass --max-unanswered with the difference",
		),
		Disagreement::DepositTooLow { deposit, .. } => Failure::new(
			format!("a deposit of {} is too little", unit.show(deposit)),
			"have the payer sign for more",
		),
		Disagreement::Grace { grace } => Failure::new(
			format!("a grace period of {} is not acceptable", show_blocks(grace)),
			"have the payer sign for one from 15 m to 30 d",
		),
		Disagreement::Expired { .. } => {
			Failure::new(error.to_string(), "have the other side sign a new one")
		},
		Disagreement::Nonce { .. } => Failure::new(
			format!("{error}, so that it was used, or another channel was opened since"),
			"see `stoa channel list`, and have the payer sign a new one if it is not there",
		),
		Disagreement::BadSignature | Disagreement::Other => Failure::new(
			error.to_string(),
			"check which account signs with --key, and that both sides use one chain",
		),
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_client::{
		agreement::SignedConsent,
		keys::{AccountKey, Scheme},
	};
	use stoa_primitives::{
		payload::{CloseConsent, Domain},
		H256,
	};

	#[test]
	fn agreements_should_survive_their_text() {
		let key = AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap();
		let consent = CloseConsent { channel: [9; 32], total: 7, expires: 8 };
		let signed = SignedConsent::sign(consent, &key, &Domain::channels(H256::zero()));
		let text = encode(&signed);
		let read = |text: &str| decode::<SignedConsent>(text, "consent", "stoa x");
		assert_eq!(read(&text).unwrap(), signed);
		assert_eq!(read(&format!(" {text}\n")).unwrap(), signed);
		for bad in ["", "0x", "zz", &text[..text.len() - 2], &format!("{text}00")] {
			let failure = read(bad).unwrap_err();
			assert!(failure.cause.contains("consent") && failure.advice.contains("stoa x"));
		}
	}

	#[test]
	fn disagreements_should_be_in_amounts_and_say_what_to_do() {
		let unit = Unit::development();
		let dear = explain(Disagreement::TooMuch { total: 200, limit: 100 }, &unit);
		assert!(dear.cause.contains("0.0002 dUSD") && dear.cause.contains("0.0001 dUSD"), "{dear}");
		assert!(dear.advice.contains("channel recover"), "{dear}");
		let used = explain(Disagreement::Nonce { found: 1, next: 2 }, &unit);
		assert!(used.advice.contains("channel list"), "{used}");
		for error in [
			Disagreement::BadSignature,
			Disagreement::Other,
			Disagreement::Expired { expires: 1 },
			Disagreement::DepositTooLow { deposit: 0, min: 1 },
			Disagreement::Grace { grace: 1 },
		] {
			assert!(!explain(error, &unit).advice.is_empty());
		}
	}
}
