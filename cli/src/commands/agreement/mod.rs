//! `stoa agreement`.

mod consent;
mod perform;
mod show;

use crate::{
	amount::Unit,
	cli::{Agreement, Commit, WithdrawOffer},
	commands::included,
	context::Context,
	output::{Failure, Report},
};
use codec::DecodeAll;
use stoa_client::{
	chain::{
		calls::escrow as calls, parse_hash, to_hex, AgreementEvent, At, Call, Chain, MarketEvent,
		Submitted,
	},
	keys::format_account,
};
use stoa_primitives::{
	agreement::{AgreementId, AgreementView, Offer, Side},
	keys::AgentSignature,
	AccountId, H256,
};

/// Run a command of `stoa agreement`.
///
/// # Errors
///
/// Those of keys, files, amounts and chain.
pub async fn run(context: &Context, command: &Agreement) -> Result<Report, Failure> {
	match command {
		Agreement::List { account } => show::list(context, account.as_deref()).await,
		Agreement::Show { id } => show::show(context, id).await,
		Agreement::Kpis { agent } => show::kpis(context, agent.as_deref()).await,
		Agreement::Commit(args) => commit(context, args).await,
		Agreement::Deliver(args) => perform::deliver(context, args).await,
		Agreement::Reveal { milestone, opening } => {
			perform::reveal(context, milestone, opening).await
		},
		Agreement::Accept(milestone) => perform::accept(context, milestone).await,
		Agreement::Release { milestone, amount } => {
			perform::release(context, milestone, amount).await
		},
		Agreement::RequestChanges(args) => perform::request_changes(context, args).await,
		Agreement::Dispute(args) => perform::dispute(context, args).await,
		Agreement::Rule { case, seller } => perform::rule(context, case, seller).await,
		Agreement::Poke { id } => perform::poke(context, id).await,
		Agreement::Cancel(args) => consent::cancel(context, args).await,
		Agreement::Extend(args) => consent::extend(context, args).await,
		Agreement::WithdrawOffer(args) => withdraw(context, args).await,
		Agreement::Supersede { offer } => supersede(context, offer).await,
		Agreement::Forget { id } => forget(context, id).await,
	}
}

/// An agreement's id as it was typed.
///
/// # Errors
///
/// When it is not 32 bytes of hex.
fn parse_id(text: &str) -> Result<AgreementId, Failure> {
	parse_hash(text.trim()).ok_or_else(|| {
		Failure::new(
			format!("`{text}` is no id of an agreement"),
			"give 0x and 64 hex digits, as `stoa agreement list` shows them",
		)
	})
}

/// An offer with its signature, as text: the hex of its SCALE encoding, a tuple of both.
///
/// # Errors
///
/// When `text` is something else.
pub fn parse_offer(text: &str) -> Result<(Offer, AgentSignature), Failure> {
	let text = text.trim();
	hex::decode(text.strip_prefix("0x").unwrap_or(text))
		.ok()
		.and_then(|bytes| DecodeAll::decode_all(&mut bytes.as_slice()).ok())
		.ok_or_else(|| {
			Failure::new("this is no signed offer", "pass what `stoa negotiate` printed, all of it")
		})
}

/// An agreement that must run.
///
/// # Errors
///
/// When there is none of this id.
async fn find(chain: &Chain, id: &AgreementId) -> Result<AgreementView, Failure> {
	chain.agreement(id, At::Best).await?.ok_or_else(|| {
		Failure::new(
			format!("no agreement {} runs", to_hex(id)),
			"it may have ended: `stoa agreement show` says how",
		)
	})
}

/// What has happened to agreements by a transaction.
fn events(submitted: &Submitted) -> impl Iterator<Item = &AgreementEvent> {
	submitted.events.iter().filter_map(|event| match event {
		MarketEvent::Agreement(event) => Some(event),
		_ => None,
	})
}

/// Sends a call of the key that signs and waits until it is final: the other side believes nothing else.
async fn send(context: &Context, chain: &Chain, call: &Call) -> Result<Submitted, Failure> {
	let key = context.key()?;
	let options = context.final_options(chain, &key, call).await?;
	Ok(chain.submit(call, &key.account, options).await?)
}

async fn commit(context: &Context, args: &Commit) -> Result<Report, Failure> {
	let (offer, signature) = parse_offer(&args.offer)?;
	let transcript = match &args.transcript {
		Some(text) => H256(parse_hash(text).ok_or_else(|| {
			Failure::new(format!("`{text}` is no hash"), "give 0x and 64 hex digits")
		})?),
		None => H256::zero(),
	};
	let chain = context.chain().await?;
	let unit = context.unit_of(&chain, &offer.asset).await?;
	let quote = chain.quote(&offer, At::Best).await?;
	let report = |line: &str| {
		Report::line(line)
			.row("agreement", "agreement", to_hex(quote.id))
			.row("buyer", "buyer", format_account(&offer.buyer))
			.row("seller", "seller", format_account(&offer.seller))
			.money("buyer locks", "total", &unit, quote.total)
			.money("seller locks", "bond", &unit, quote.bond)
	};
	if args.dry_run {
		let report = report("The offer can be committed, if its signature is good.");
		return Ok(report.count("over at", "ends", quote.ends));
	}
	let submitted =
		send(context, &chain, &calls::commit(offer.clone(), signature, transcript)).await?;
	Ok(included(context, &chain, report("Made the agreement."), &submitted).await)
}

async fn withdraw(context: &Context, args: &WithdrawOffer) -> Result<Report, Failure> {
	let counterparty = context.account(&args.counterparty)?;
	let negotiation = parse_negotiation(&args.negotiation)?;
	let side = if args.as_seller { Side::Seller } else { Side::Buyer };
	let chain = context.chain().await?;
	let call = calls::withdraw_offer(counterparty, negotiation, side, args.round);
	let submitted = send(context, &chain, &call).await?;
	let line = format!("Your offers up to round {} can no longer be committed.", args.round);
	let report = Report::line(line).with("round", args.round);
	Ok(included(context, &chain, report, &submitted).await)
}

fn parse_negotiation(text: &str) -> Result<[u8; 32], Failure> {
	parse_hash(text.trim()).ok_or_else(|| {
		Failure::new(
			format!("`{text}` is no name of a negotiation"),
			"give 0x and 64 hex digits, as `stoa negotiate` shows them",
		)
	})
}

async fn supersede(context: &Context, text: &str) -> Result<Report, Failure> {
	let (offer, signature) = parse_offer(text)?;
	let chain = context.chain().await?;
	let submitted = send(context, &chain, &calls::supersede(offer.clone(), signature)).await?;
	let undone = events(&submitted).find_map(|event| match event {
		AgreementEvent::Ended { id, .. } => Some(*id),
		_ => None,
	});
	let report = match undone {
		Some(id) => Report::line("Undid the agreement; all that was locked went back.").row(
			"agreement",
			"agreement",
			to_hex(id),
		),
		None => {
			Report::line(format!("Offers before round {} can no longer be committed.", offer.round))
		},
	};
	Ok(included(context, &chain, report.with("round", offer.round), &submitted).await)
}

async fn forget(context: &Context, id: &str) -> Result<Report, Failure> {
	let id = parse_id(id)?;
	let chain = context.chain().await?;
	let outcome = chain.outcome(&id, At::Best).await?.ok_or_else(|| {
		Failure::new(
			format!("nothing is kept of an agreement {}", to_hex(id)),
			"it may run still, or was forgotten: see `stoa agreement show`",
		)
	})?;
	let submitted = send(context, &chain, &calls::forget(outcome.negotiation)).await?;
	let report = Report::line(format!("Forgot {}.", to_hex(id))).with("agreement", to_hex(id));
	Ok(included(context, &chain, report, &submitted).await)
}

/// Which side an account is on.
fn side_of(agreement: &AgreementView, account: &AccountId) -> Option<Side> {
	[Side::Buyer, Side::Seller].into_iter().find(|side| agreement.offer.party(*side) == account)
}

/// A side for people and programs.
fn show_side(side: Side) -> &'static str {
	match side {
		Side::Buyer => "buyer",
		Side::Seller => "seller",
	}
}

/// An agreement, and everything that is needed to do something about it.
struct Deed<'a> {
	context: &'a Context,
	chain: Chain,
	id: AgreementId,
	agreement: AgreementView,
	unit: Unit,
}

impl<'a> Deed<'a> {
	async fn of(context: &'a Context, id: &str) -> Result<Self, Failure> {
		let id = parse_id(id)?;
		let chain = context.chain().await?;
		let agreement = find(&chain, &id).await?;
		let unit = context.unit_of(&chain, &agreement.offer.asset).await?;
		Ok(Self { context, chain, id, agreement, unit })
	}

	/// Makes a call, and reports `line` with where the money went and what the agreement is then.
	async fn done(&self, call: &Call, line: impl Into<String>) -> Result<Report, Failure> {
		let submitted = send(self.context, &self.chain, call).await?;
		let report = Report::line(line).with("agreement", to_hex(self.id));
		let report = self.happened(report, &submitted);
		Ok(included(self.context, &self.chain, report, &submitted).await)
	}

	/// What milestones and agreement have come to by a transaction.
	fn happened(&self, mut report: Report, submitted: &Submitted) -> Report {
		let unit = &self.unit;
		for event in events(submitted) {
			match event {
				AgreementEvent::MilestoneEnded {
					milestone,
					ending,
					to_seller,
					to_buyer,
					penalty,
					..
				} => {
					let mut line = show::show_ending(*ending).to_owned();
					for (amount, to) in [
						(*to_seller, "to the seller, before shares"),
						(*to_buyer, "back to the buyer"),
						(*penalty, "penalty"),
					] {
						if amount > 0 {
							line.push_str(&format!(", {} {to}", unit.show(amount)));
						}
					}
					report = report.shown(&format!("milestone {milestone}"), line);
				},
				AgreementEvent::Ended { reason, sums, bond, .. } => {
					report = report
						.row("ended", "ended", show::show_reason(*reason))
						.money("released", "released", unit, sums.released)
						.money("refunded", "refunded", unit, sums.refunded)
						.money("bond back", "bond_returned", unit, *bond);
				},
				_ => {},
			}
		}
		report
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use sp_runtime::{MultiSignature, Permill};
	use stoa_primitives::agreement::{Milestone, Panel};

	#[test]
	fn signed_offers_should_survive_their_text() {
		let milestone = Milestone {
			amount: 1,
			deliver_within: 1,
			review: 15,
			rework: 1,
			changes: 1,
			penalty: 0,
			lock: None,
		};
		let offer = Offer {
			negotiation: [1; 32],
			buyer: AccountId::new([1; 32]),
			seller: AccountId::new([2; 32]),
			asset: stoa_primitives::AssetId::WithId(1),
			milestones: vec![milestone].try_into().unwrap(),
			terms: [3; 32],
			bond: 0,
			panel: Panel::none(Permill::from_percent(50)),
			by: Side::Seller,
			round: 1,
			previous: None,
			opened: 1,
			first_ask: 1,
			valid_until: 2,
			nonce: 0,
		};
		let signature = AgentSignature::Account(MultiSignature::Sr25519([7; 64].into()));
		let text = format!("0x{}", hex::encode((&offer, &signature).encode()));
		assert_eq!(parse_offer(&format!(" {text}\n")).unwrap(), (offer, signature));
		for bad in ["", "0x", "zz", &text[..text.len() - 2], &format!("{text}00")] {
			assert!(parse_offer(bad).unwrap_err().cause.contains("offer"), "{bad}");
		}
	}

	#[test]
	fn ids_should_be_32_bytes() {
		assert_eq!(parse_id(&to_hex([7; 32])).unwrap(), [7; 32]);
		for bad in ["", "0x", "0x00", "negotiation"] {
			assert!(parse_id(bad).unwrap_err().advice.contains("agreement list"), "{bad}");
		}
	}
}
