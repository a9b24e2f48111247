//! `stoa agreement`.

mod consent;
mod lock;
mod offer;
mod perform;
mod show;

use crate::{
	amount::Unit,
	cli::Agreement,
	commands::included,
	context::Context,
	output::{Failure, Report},
};
use stoa_client::chain::{
	calls::escrow as calls, parse_hash, to_hex, AgreementEvent, At, Call, Chain, MarketEvent,
	Submitted,
};
use stoa_primitives::{
	agreement::{AgreementId, AgreementView, Side},
	AccountId,
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
		Agreement::Commit(args) => offer::commit(context, args).await,
		Agreement::Deliver(args) => perform::deliver(context, args).await,
		Agreement::Reveal { milestone, opening } => {
			lock::reveal(context, milestone, opening.as_deref()).await
		},
		Agreement::Key(milestone) => lock::key(context, milestone).await,
		Agreement::Accept(milestone) => perform::accept(context, milestone).await,
		Agreement::Release { milestone, amount } => {
			perform::release(context, milestone, amount).await
		},
		Agreement::RequestChanges(args) => perform::request_changes(context, args).await,
		Agreement::Dispute(args) => perform::dispute(context, args).await,
		Agreement::Answer(args) => perform::answer(context, args).await,
		Agreement::Rule { case, seller } => perform::rule(context, case, seller).await,
		Agreement::Poke { id } => perform::poke(context, id).await,
		Agreement::Cancel(args) => consent::cancel(context, args).await,
		Agreement::Extend(args) => consent::extend(context, args).await,
		Agreement::WithdrawOffer(args) => offer::withdraw(context, args).await,
		Agreement::Supersede(of) => offer::supersede(context, of).await,
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

async fn forget(context: &Context, id: &str) -> Result<Report, Failure> {
	let id = parse_id(id)?;
	let chain = context.chain().await?;
	if chain.agreement(&id, At::Best).await?.is_some() {
		return Err(Failure::new(
			"the agreement still runs",
			"`stoa agreement show` says when it is over at the latest",
		));
	}
	// Where no agreement came of it, a negotiation is known by its own name.
	let outcome = chain.outcome(&id, At::Best).await?;
	let negotiation = outcome.map_or(id, |outcome| outcome.negotiation);
	let submitted = send(context, &chain, &calls::forget(negotiation)).await?;
	let report = Report::line(format!("Forgot {}.", to_hex(id))).with("agreement", to_hex(id));
	Ok(included(context, &chain, report, &submitted).await)
}

/// Which side an account is on.
fn side_of(agreement: &AgreementView, account: &AccountId) -> Option<Side> {
	[Side::Buyer, Side::Seller].into_iter().find(|side| agreement.offer.party(*side) == account)
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

	#[test]
	fn ids_should_be_32_bytes() {
		assert_eq!(parse_id(&to_hex([7; 32])).unwrap(), [7; 32]);
		for bad in ["", "0x", "0x00", "negotiation"] {
			assert!(parse_id(bad).unwrap_err().advice.contains("agreement list"), "{bad}");
		}
	}
}
