//! `stoa negotiate verify`: what a transcript proves, to whom it is shown later.

use crate::{
	cli::Verify,
	context::Context,
	keys::key_hex,
	output::{Failure, Report},
	show::show_side,
};
use std::{fs, path::Path};
use stoa_client::{
	chain::{to_hex, At, Chain},
	keys::format_account,
	negotiation::{Body, Evidence, Transcript},
};
use stoa_primitives::{
	agreement::{AgreementId, Side},
	keys::Key,
	AccountId, BlockNumber, H256,
};

/// A delegate key that has signed for an agent in a block.
type Delegate = (AccountId, Key, BlockNumber);

/// `stoa negotiate verify`.
///
/// # Errors
///
/// When the transcript is not what it says, when its delegate keys might not sign or nobody was asked whether they
/// might, or when the agreement on chain is not by it.
pub async fn verify(context: &Context, args: &Verify) -> Result<Report, Failure> {
	let transcript = read(&args.file)?;
	let delegates = transcript.delegates();
	if args.offline {
		if !args.trust_delegates && !delegates.is_empty() {
			return Err(unasked(&delegates));
		}
		return Ok(agreement(describe(&transcript), transcript.summary().agreement));
	}
	let chain = context.chain().await?;
	if chain.genesis() != transcript.state().parties().genesis {
		return Err(Failure::new(
			"the transcript is of another chain",
			"name a node of its chain with --node, or pass --offline",
		));
	}
	if !args.trust_delegates {
		for delegate in &delegates {
			check_delegate(&chain, delegate).await?;
		}
	}
	let report = describe(&transcript);
	match committed(&chain, &transcript).await? {
		Some((id, root)) => {
			let says = judge(&transcript, &id, &root)?;
			Ok(agreement(report, Some(id)).row("on chain", "on_chain", says))
		},
		None => Ok(agreement(report, transcript.summary().agreement).row(
			"on chain",
			"on_chain",
			"nothing is known of an agreement by any of its offers",
		)),
	}
}

/// The file, checked but for the delegate keys.
fn read(file: &Path) -> Result<Transcript, Failure> {
	let bytes = fs::read(file).map_err(|error| {
		Failure::new(
			format!("{} cannot be read: {error}", file.display()),
			"name a file that `stoa negotiate export` has written",
		)
	})?;
	// Whether these keys might sign is asked separately: the chain is not read in between.
	Transcript::verify(&bytes, |_, _, _| true).map_err(|error| {
		Failure::new(
			format!("the transcript is not good: {error}"),
			"do not rely on it; ask the other side for theirs",
		)
	})
}

fn describe(transcript: &Transcript) -> Report {
	let summary = transcript.summary();
	let delegates: Vec<_> = transcript.delegates().iter().map(show_delegate).collect();
	let report = Report::line("The transcript is good.")
		.row("transcript", "transcript", to_hex(summary.root))
		.count("messages", "messages", transcript.state().length())
		.count("offers", "offers", summary.rounds);
	let shown = |report: Report, delegate| report.shown("delegate key", delegate);
	delegates.iter().fold(report, shown).with("delegates", delegates)
}

fn agreement(report: Report, id: Option<AgreementId>) -> Report {
	report.row("agreement", "agreement", id.map_or("none".into(), to_hex))
}

fn show_delegate((agent, key, block): &Delegate) -> String {
	format!("{} for {} in block {block}", key_hex(key), format_account(agent))
}

/// Nobody was asked about these keys.
fn unasked(delegates: &[Delegate]) -> Failure {
	let all: Vec<_> = delegates.iter().map(show_delegate).collect();
	Failure::new(
		format!(
			"all is good but the delegate keys, of which only the chain knows: {}",
			all.join(", ")
		),
		"leave out --offline to have them looked up, or pass --trust-delegates if you know them",
	)
	.with("delegates", all)
}

/// Fails unless the key might sign offers for the agent in that block.
async fn check_delegate(chain: &Chain, delegate: &Delegate) -> Result<(), Failure> {
	let (agent, key, sent) = delegate;
	let block = chain.block_by_number(*sent).await?.ok_or_else(|| {
		Failure::new(
			format!("the node does not know block {sent}, in which a delegate key has signed"),
			"name a node that has all blocks with --node",
		)
	})?;
	let keys = chain.offer_keys(agent, At::Hash(block.hash)).await?;
	match keys.iter().any(|(known, last)| known == key && last >= sent) {
		true => Ok(()),
		false => Err(Failure::new(
			format!("no key of its agent's, or none for offers: {}", show_delegate(delegate)),
			"do not rely on the transcript: whoever has this key could not speak for the agent",
		)),
	}
}

/// The agreement that came of the negotiation, and the root that it names; of a commit at any time, of any of the
/// offers.
async fn committed(
	chain: &Chain,
	transcript: &Transcript,
) -> Result<Option<(AgreementId, H256)>, Failure> {
	// The accepted one first.
	for (id, _) in transcript.offers().rev() {
		if let Some(view) = chain.agreement(&id, At::Finalized).await? {
			return Ok(Some((id, view.transcript)));
		}
		if let Some(outcome) = chain.outcome(&id, At::Finalized).await? {
			return Ok(Some((id, outcome.transcript)));
		}
	}
	let parties = transcript.state().parties();
	let known = chain
		.standing(&parties.buyer, &parties.seller, &parties.negotiation, At::Finalized)
		.await?;
	match known.and_then(|known| known.agreement) {
		Some(id) => Err(Failure::new(
			format!(
				"the agreement of this negotiation, {}, is by no offer of the file",
				to_hex(id)
			),
			"messages are missing: ask the other side for its transcript",
		)),
		None => Ok(None),
	}
}

/// What the root says, in words.
fn judge(transcript: &Transcript, id: &AgreementId, root: &H256) -> Result<String, Failure> {
	let length = transcript.state().length();
	let last = transcript.messages().next_back().map(|signed| &signed.message.body);
	let committer = |by: Side| format!("the {}, who has committed,", show_side(by));
	Ok(match transcript.evidence(id, &root.0) {
		Some(Evidence::Through(through)) if through == length => {
			"the agreement names this transcript".into()
		},
		Some(Evidence::Through(through))
			if through.saturating_add(1) == length && matches!(last, Some(Body::Accept { .. })) =>
		{
			"the agreement names this transcript without its ACCEPT".into()
		},
		Some(Evidence::Through(through)) => format!(
			"the agreement names this transcript up to message {through}; the rest was said besides"
		),
		Some(Evidence::Offer) => {
			let by = transcript.state().standing().map(|standing| standing.offer.by.other());
			format!(
				"the agreement is by the last offer here, which is proven with all that led to it; {} has \
				 named messages that are not in this file, {}",
				by.map_or("its committer".into(), committer),
				to_hex(root)
			)
		},
		Some(Evidence::Contradicted(by)) => {
			return Err(Failure::new(
				format!("{} has named another transcript, {}", committer(by), to_hex(root)),
				"this one is signed by both and proves the offer all the same; ask that side what it has \
				 named",
			)
			.with("committer", show_side(by)))
		},
		// It was found by an offer of the transcript.
		None => "the agreement is by none of these offers".into(),
	})
}
