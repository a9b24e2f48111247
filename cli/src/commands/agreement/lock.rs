//! Delivery under a hash lock: keys that a seller has drawn, and those that were revealed.

use super::{parse_id, Deed};
use crate::{
	cli::Milestone,
	commands::negotiate::open,
	context::Context,
	output::{Failure, Report},
};
use stoa_client::{
	chain::{calls::escrow as calls, parse_hash, to_hex, AgreementEvent, At, Chain, MarketEvent},
	negotiation::Locks,
};
use stoa_primitives::{
	agreement::{lock_of, AgreementId, NegotiationKey},
	AccountId, BlockNumber,
};

/// `stoa agreement reveal`.
///
/// # Errors
///
/// Those of keys, stores and chain; a key that does not open the lock.
pub async fn reveal(
	context: &Context,
	milestone: &Milestone,
	opening: Option<&str>,
) -> Result<Report, Failure> {
	let Milestone { id, place } = milestone;
	let deed = Deed::of(context, id).await?;
	let offer = &deed.agreement.offer;
	let part = usize::try_from(*place).ok().and_then(|place| offer.milestones.get(place));
	let lock = part.and_then(|part| part.lock).ok_or_else(|| {
		Failure::new(
			format!("there is no lock on a milestone {place}"),
			"deliver it with `stoa agreement deliver`; `stoa agreement show` lists the milestones",
		)
	})?;
	let key = match opening {
		Some(text) => parse_hash(text.trim()).ok_or_else(|| {
			Failure::new("the key is not 32 bytes of hex", "give 0x and 64 hex digits")
		})?,
		None => drawn(context, &deed.chain, &offer.key(), *place).await?,
	};
	if lock_of(&key) != lock {
		return Err(Failure::new(
			"the key does not open the milestone's lock",
			"give the key whose blake2b-256 hash is the lock, or use the seller's own store",
		));
	}
	let call = calls::reveal(deed.id, *place, key);
	deed.done(&call, format!("Revealed the key of milestone {place}.")).await
}

/// The key that this seller has drawn.
async fn drawn(
	context: &Context,
	chain: &Chain,
	negotiation: &NegotiationKey,
	place: u32,
) -> Result<[u8; 32], Failure> {
	let store = open(context, chain, &context.key()?.account_id()).await?;
	let locks = Locks::load(store.as_ref())?.ok_or_else(|| {
		Failure::new(
			"no keys of locks were drawn here",
			"name the seller with --key and the --home in which it has negotiated",
		)
	})?;
	Ok(locks.key(negotiation, place))
}

/// `stoa agreement key`.
///
/// # Errors
///
/// Those of keys, stores and chain; a key that was not revealed.
pub async fn key(context: &Context, milestone: &Milestone) -> Result<Report, Failure> {
	let Milestone { id, place } = milestone;
	let id = parse_id(id)?;
	let chain = context.chain().await?;
	let (seller, negotiation, blocks) = when(&chain, &id).await?;
	if context.key()?.account_id() == seller {
		let key = drawn(context, &chain, &negotiation, *place).await?;
		let line = format!("Deliver milestone {place} encrypted under this key, then reveal it.");
		let report = Report::line(line).row("key", "key", to_hex(key));
		return Ok(report.row("lock", "lock", to_hex(lock_of(&key))));
	}
	for number in blocks.0..=blocks.1 {
		let Some(block) = chain.block_by_number(number).await? else { break };
		for record in chain.events(block.hash).await? {
			match record.event {
				MarketEvent::Agreement(AgreementEvent::Revealed {
					id: of, milestone, key, ..
				}) if of == id && milestone == *place => {
					let report = Report::line(format!("Milestone {place} was revealed."));
					let report = report.row("key", "key", to_hex(key));
					return Ok(report.count("block", "block", number));
				},
				_ => {},
			}
		}
	}
	Err(Failure::new(
		format!("no key of milestone {place} was revealed"),
		"the seller has not delivered it yet, or it has no lock: see `stoa agreement show`",
	))
}

/// Who sells, under what the chain knows the negotiation, and between which blocks a key can have been revealed.
async fn when(
	chain: &Chain,
	id: &AgreementId,
) -> Result<(AccountId, NegotiationKey, (BlockNumber, BlockNumber)), Failure> {
	let now = chain.block(At::Best).await?;
	if let Some(view) = chain.agreement(id, At::Hash(now.hash)).await? {
		let negotiation = view.offer.key();
		return Ok((view.offer.seller, negotiation, (view.started, now.number)));
	}
	match chain.outcome(id, At::Hash(now.hash)).await? {
		Some(over) => Ok((over.seller, over.negotiation, (over.started, over.ended))),
		None => Err(Failure::new(
			format!("nothing is known of an agreement {}", to_hex(id)),
			"give its id as `stoa agreement list` shows it",
		)),
	}
}
