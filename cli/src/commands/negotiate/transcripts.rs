//! What was said: kept, shown, exported.

use crate::{
	amount::Unit,
	context::{open_store, Context, STORE_PATIENCE},
	output::{money, table, Failure, Report},
	show::show_side,
};
use codec::Encode;
use serde_json::json;
use std::sync::Arc;
use stoa_client::{
	chain::{parse_hash, to_hex, Chain},
	keys::format_account,
	negotiation::{load, load_all, Body, Kept, Quote, Transcript},
	store::{bind_chain, Store},
};
use stoa_primitives::AccountId;

pub use crate::show::{show_message as describe, show_outcome};

/// The store of an account's negotiations.
///
/// # Errors
///
/// When it cannot be opened, or is of another chain.
pub async fn open(
	context: &Context,
	chain: &Chain,
	account: &AccountId,
) -> Result<Arc<dyn Store>, Failure> {
	let path = context.negotiations_store(chain, account);
	let store = open_store(&path, STORE_PATIENCE).await?;
	bind_chain(store.as_ref(), chain.genesis())?;
	Ok(store)
}

/// A negotiation of the key that signs, as it was kept.
///
/// # Errors
///
/// Those of keys, stores and chain; when there is none.
pub async fn kept(context: &Context, text: &str) -> Result<(Chain, Kept), Failure> {
	let account = context.key()?.account_id();
	let chain = context.chain().await?;
	let key = parse_hash(text.trim()).ok_or_else(|| {
		Failure::new(
			format!("`{text}` is no key of a negotiation"),
			"give 0x and 64 hex digits, as `stoa negotiate list` shows them",
		)
	})?;
	let store = open(context, &chain, &account).await?;
	let kept = load(store.as_ref(), &key)?.ok_or_else(|| {
		Failure::new(
			format!("no negotiation {} was kept", to_hex(key)),
			"`stoa negotiate list` shows those of the key that is named",
		)
	})?;
	Ok((chain, kept))
}

/// The unit in which a transcript is priced.
async fn unit_of(
	context: &Context,
	chain: &Chain,
	transcript: &Transcript,
) -> Result<Unit, Failure> {
	let asset = transcript.messages().find_map(|signed| match &signed.message.body {
		Body::Request { plan, .. } => Some(plan.asset.clone()),
		_ => None,
	});
	match asset {
		Some(asset) => context.unit_of(chain, &asset).await,
		None => Ok(Unit::native()),
	}
}

/// `stoa negotiate list`.
///
/// # Errors
///
/// Those of keys, stores and chain.
pub async fn list(context: &Context) -> Result<Report, Failure> {
	let account = context.key()?.account_id();
	let chain = context.chain().await?;
	let store = open(context, &chain, &account).await?;
	let (mut rows, mut all) = (Vec::new(), Vec::new());
	for kept in load_all(store.as_ref())? {
		let state = kept.transcript.state();
		let other = format_account(state.parties().of(kept.side.other()));
		let outcome = kept.notes.outcome.as_ref().map_or("under way".into(), show_outcome);
		let key = to_hex(kept.transcript.key());
		all.push(json!({
			"negotiation": key,
			"side": show_side(kept.side),
			"other_side": other,
			"messages": state.length(),
			"rounds": state.next_round().saturating_sub(1),
			"outcome": outcome,
			"transcript": to_hex(state.head()),
		}));
		rows.push(vec![
			key,
			show_side(kept.side).into(),
			other,
			state.length().to_string(),
			outcome,
		]);
	}
	let head = ["negotiation", "side", "other side", "messages", "outcome"];
	let report = match rows.is_empty() {
		true => Report::line("Nothing was negotiated with this key here."),
		false => Report { text: table(&head, &rows), ..Report::default() },
	};
	Ok(report.with("negotiations", all))
}

/// `stoa negotiate show`.
///
/// # Errors
///
/// Those of keys, stores and chain.
pub async fn show(context: &Context, key: &str) -> Result<Report, Failure> {
	let (chain, kept) = kept(context, key).await?;
	let unit = unit_of(context, &chain, &kept.transcript).await?;
	let lines: Vec<_> =
		kept.transcript.messages().map(|signed| describe(&signed.message, &unit)).collect();
	let mut report = Report::default();
	for line in &lines {
		report.push_line(line);
	}
	let state = kept.transcript.state();
	let outcome = kept.notes.outcome.as_ref().map_or("under way".into(), show_outcome);
	Ok(report
		.row("outcome", "outcome", outcome)
		.row("transcript", "transcript", to_hex(state.head()))
		.with("messages", lines))
}

/// `stoa negotiate offer`.
///
/// # Errors
///
/// Those of keys, stores and chain; when there is no such offer.
pub async fn offer(context: &Context, key: &str, round: Option<u32>) -> Result<Report, Failure> {
	let (chain, kept) = kept(context, key).await?;
	let mut quotes = kept.transcript.messages().filter_map(|signed| signed.message.body.quote());
	let quote = match round {
		Some(round) => quotes.find(|quote| quote.offer.round == round),
		None => quotes.next_back(),
	};
	let Quote { offer, signature, .. } = quote.ok_or_else(|| {
		Failure::new(
			match round {
				Some(round) => format!("the negotiation has no offer of round {round}"),
				None => "no offer was made in this negotiation".into(),
			},
			"`stoa negotiate show` says what was offered",
		)
	})?;
	let unit = context.unit_of(&chain, &offer.asset).await?;
	let text = to_hex((offer, signature).encode());
	// The offer alone on its line, so that it can be copied or piped.
	Ok(Report::line(text.clone())
		.with("offer", text)
		.with("agreement", to_hex(offer.digest(&chain.agreement_domain())))
		.with("by", show_side(offer.by))
		.with("round", offer.round)
		.with("price", money(&unit, offer.total().unwrap_or_default()))
		.with("valid_until", offer.valid_until)
		.with("transcript", to_hex(kept.transcript.state().head())))
}

/// `stoa negotiate export`.
///
/// # Errors
///
/// Those of keys, stores and chain.
pub async fn export(context: &Context, key: &str) -> Result<Report, Failure> {
	let (_, kept) = kept(context, key).await?;
	let file = kept.transcript.export().map_err(|error| {
		Failure::new(format!("the transcript cannot be written: {error}"), "report this as a bug")
	})?;
	let text = String::from_utf8_lossy(&file).into_owned();
	let json = serde_json::from_slice(&file).unwrap_or_default();
	Ok(Report { text: format!("{text}\n"), json })
}
