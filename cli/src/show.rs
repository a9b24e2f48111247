//! How agreements, and what is said until there is one, are shown: the same words in all commands.

use crate::{amount::Unit, time::show_blocks};
use stoa_client::{
	chain::to_hex,
	negotiation::{Body, Message, Outcome, Quote},
};
use stoa_primitives::agreement::Side;

/// A side in a word.
pub fn show_side(side: Side) -> &'static str {
	match side {
		Side::Buyer => "buyer",
		Side::Seller => "seller",
	}
}

/// How a negotiation ended, in words.
pub fn show_outcome(outcome: &Outcome) -> String {
	match outcome {
		Outcome::Agreed { agreement } => format!("agreed, {}", to_hex(agreement)),
		Outcome::Denied { by, reason, .. } => {
			format!("the {} denied: {}", show_side(*by), format!("{reason:?}").to_lowercase())
		},
		Outcome::Expired => "expired".into(),
		Outcome::Withdrawn { by } => format!("the {} has withdrawn", show_side(*by)),
		Outcome::Voided { agreement } => format!("undone, {}", to_hex(agreement)),
	}
}

/// A share of a million as a percentage, without zeros that say nothing.
fn show_ppm(ppm: u32) -> String {
	let text = format!("{}.{:04}", ppm / 10_000, ppm % 10_000);
	format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn show_quote(name: &str, quote: &Quote, unit: &Unit) -> String {
	let offer = &quote.offer;
	let time = offer.milestones.iter().map(|part| part.deliver_within).max().unwrap_or(0);
	let mut line =
		format!("{name} {} in {}", unit.show(offer.total().unwrap_or_default()), show_blocks(time));
	if let Some(success) = quote.terms.sla.success_ppm {
		line.push_str(&format!(" at {} success", show_ppm(success)));
	}
	line.push_str(&format!(", round {}", offer.round));
	if quote.last {
		line.push_str(", the last one");
	}
	line
}

/// What a message says, without who says it.
pub fn show_body(body: &Body, unit: &Unit) -> String {
	match body {
		Body::Request { terms, .. } => {
			let item = |item: &stoa_client::negotiation::LineItem| {
				format!("{} {} of {}", item.quantity, item.unit, item.name)
			};
			let items: Vec<_> = terms.items.iter().map(item).collect();
			format!("REQUEST {}: {}", terms.title, items.join(", "))
		},
		Body::Offer(quote) => show_quote("OFFER", quote, unit),
		Body::Counter(quote) => show_quote("COUNTER", quote, unit),
		Body::Accept { .. } => "ACCEPT".into(),
		Body::Deny { reason, remark, .. } => {
			let remark = remark.as_ref().map_or(String::new(), |remark| format!(": {remark}"));
			format!("DENY {reason:?}{remark}")
		},
		Body::Escalate { why, .. } => format!("ESCALATE {why:?}"),
	}
}

/// A message in a line.
pub fn show_message(message: &Message, unit: &Unit) -> String {
	let said = show_body(&message.body, unit);
	format!("{:>3} {:<6} {said}", message.sequence, show_side(message.side))
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn shares_should_be_shown_to_the_millionth_and_no_longer_than_needed() {
		for (ppm, text) in [(0, "0 %"), (1, "0.0001 %"), (985_000, "98.5 %"), (1_000_000, "100 %")]
		{
			assert_eq!(show_ppm(ppm), text);
		}
	}
}
