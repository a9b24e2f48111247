//! What a signed offer is good for: committing it, taking it back, and showing that one was refused.

use super::{events, find, send};
use crate::{
	cli::{Commit, OfOffer, WithdrawOffer},
	commands::{included, negotiate::kept},
	context::Context,
	output::{Failure, Report},
	show::show_side,
	time::Clock,
};
use codec::DecodeAll;
use serde_json::Value;
use std::{fs, io::Read, path::Path};
use stoa_client::{
	chain::{calls::escrow as calls, parse_hash, to_hex, AgreementEvent, At, Chain},
	keys::format_account,
	negotiation::{Kept, Standing},
};
use stoa_primitives::{
	agreement::{Offer, Side},
	keys::AgentSignature,
	BlockNumber, H256,
};

/// An offer with its signature.
#[derive(Clone, Debug, Eq, PartialEq)]
struct SignedOffer {
	offer: Offer,
	signature: AgentSignature,
	/// The hash of the transcript that it is from, if that is known.
	transcript: Option<H256>,
}

impl SignedOffer {
	fn new(standing: &Standing, kept: &Kept) -> Self {
		Self {
			offer: standing.offer.clone(),
			signature: standing.signature.clone(),
			transcript: Some(kept.transcript.state().head().into()),
		}
	}

	/// What `stoa negotiate offer` prints: hex of the SCALE encoding of offer and signature, or an object
	/// with it.
	fn parse(text: &str) -> Result<Self, Failure> {
		let bad = || {
			Failure::new(
				"this is no signed offer",
				"pass what `stoa negotiate offer` printed, all of it",
			)
		};
		let (hex, transcript) = match serde_json::from_str::<Value>(text) {
			Ok(Value::Object(fields)) => {
				let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
				let transcript = match text("transcript") {
					Some(text) => Some(parse_hash(&text).ok_or_else(bad)?.into()),
					None => None,
				};
				(text("offer").ok_or_else(bad)?, transcript)
			},
			_ => (text.trim().to_owned(), None),
		};
		let bytes = hex::decode(hex.strip_prefix("0x").unwrap_or(&hex)).map_err(|_| bad())?;
		let (offer, signature) = DecodeAll::decode_all(&mut bytes.as_slice()).map_err(|_| bad())?;
		Ok(Self { offer, signature, transcript })
	}

	fn read(path: &Path) -> Result<Self, Failure> {
		let mut text = String::new();
		let read = match path.as_os_str() == "-" {
			true => std::io::stdin().read_to_string(&mut text).map(|_| text),
			false => fs::read_to_string(path),
		};
		let text = read.map_err(|error| {
			Failure::new(
				format!("{} cannot be read: {error}", path.display()),
				"name a file with what `stoa negotiate offer` printed",
			)
		})?;
		Self::parse(&text)
	}

	/// The side of the key that signs.
	fn own_side(&self, context: &Context) -> Result<Side, Failure> {
		let own = context.key()?.account_id();
		let sides = [Side::Buyer, Side::Seller];
		sides.into_iter().find(|side| *self.offer.party(*side) == own).ok_or_else(|| {
			Failure::new(
				"the key that signs is on neither side of this offer",
				format!(
					"name that of {} or {} with --key",
					format_account(&self.offer.buyer),
					format_account(&self.offer.seller)
				),
			)
		})
	}

	/// Which one it is, in words.
	async fn describe(&self, context: &Context, chain: &Chain) -> Result<String, Failure> {
		let unit = context.unit_of(chain, &self.offer.asset).await?;
		let price = unit.show(self.offer.total().unwrap_or_default());
		Ok(format!("round {}, by the {}, {price}", self.offer.round, show_side(self.offer.by)))
	}
}

/// Where an offer is looked for.
enum Source {
	/// It was named.
	File(Box<SignedOffer>),
	/// Among what was said.
	Store(Box<Kept>),
}

impl Source {
	async fn open(context: &Context, of: &OfOffer) -> Result<(Chain, Self), Failure> {
		match (&of.offer, &of.negotiation) {
			(Some(path), _) => {
				let offer = SignedOffer::read(path)?;
				Ok((context.chain().await?, Self::File(Box::new(offer))))
			},
			(None, Some(negotiation)) => {
				let (chain, kept) = kept(context, negotiation).await?;
				Ok((chain, Self::Store(Box::new(kept))))
			},
			(None, None) => Err(Failure::new(
				"no negotiation was named",
				"name one that `stoa negotiate list` shows, or a file with --offer",
			)),
		}
	}
}

fn none(cause: impl AsRef<str>) -> Failure {
	Failure::new(cause, "`stoa negotiate show` says who has offered what")
}

/// The offer that the owner of the store can commit.
fn standing(kept: &Kept) -> Result<SignedOffer, Failure> {
	let state = kept.transcript.state();
	let standing = state.standing().ok_or_else(|| none("no offer was made in this negotiation"))?;
	match standing.offer.by == kept.side {
		false => Ok(SignedOffer::new(standing, kept)),
		true => Err(Failure::new(
			"the offer that stands is your own",
			"the other side commits it, or does not; `stoa agreement withdraw-offer` takes it back",
		)),
	}
}

/// Up to which round, and up to which block, the owner of the store has made offers; up to round `most` if that
/// is given.
fn own_offers(kept: &Kept, most: Option<u32>) -> Result<(u32, BlockNumber), Failure> {
	let quotes = kept.transcript.messages().filter_map(|signed| signed.message.body.quote());
	let own = quotes
		.map(|quote| &quote.offer)
		.filter(|offer| offer.by == kept.side && most.is_none_or(|most| offer.round <= most));
	own.fold(None, |found: Option<(u32, BlockNumber)>, offer| {
		let (round, until) = found.unwrap_or_default();
		Some((round.max(offer.round), until.max(offer.valid_until)))
	})
	.ok_or_else(|| match most {
		Some(round) => none(format!("you have made no offer up to round {round}")),
		None => none("you have made no offer in this negotiation"),
	})
}

/// The offer which shows that `committed`, an own one, was refused; without an agreement the latest of all,
/// which refuses those before it.
fn later(kept: &Kept, committed: Option<&Offer>) -> Result<SignedOffer, Failure> {
	let state = kept.transcript.state();
	let found = match committed {
		Some(committed) if committed.by != kept.side => {
			return Err(Failure::new(
				"the offer that was committed is the other side's",
				"only its signer can undo the agreement; `stoa agreement cancel` ends it if both want it",
			))
		},
		Some(committed) => state
			.offer_of(kept.side.other())
			.filter(|standing| standing.offer.round > committed.round)
			.ok_or_else(|| {
				none("the other side has made no offer after the one that it has committed")
			})?,
		None => state
			.standing()
			.filter(|standing| standing.offer.round > 1)
			.ok_or_else(|| none("there is no offer that a later one has refused"))?,
	};
	Ok(SignedOffer::new(found, kept))
}

/// `stoa agreement commit`.
///
/// # Errors
///
/// Those of keys, stores, files and chain; when there is no such offer.
pub async fn commit(context: &Context, args: &Commit) -> Result<Report, Failure> {
	let given = match &args.transcript {
		Some(text) => Some(H256(parse_hash(text).ok_or_else(|| {
			Failure::new(format!("`{text}` is no hash"), "give 0x and 64 hex digits")
		})?)),
		None => None,
	};
	let (chain, source) = Source::open(context, &args.of).await?;
	let signed = match source {
		Source::File(signed) => *signed,
		Source::Store(kept) => standing(&kept)?,
	};
	if signed.own_side(context)? == signed.offer.by {
		return Err(Failure::new(
			"the offer is your own",
			"the other side commits it; `stoa agreement withdraw-offer` takes it back",
		));
	}
	let transcript = given.or(signed.transcript).unwrap_or_default();
	let offer = &signed.offer;
	let unit = context.unit_of(&chain, &offer.asset).await?;
	let quote = chain.quote(offer, At::Best).await?;
	let which = signed.describe(context, &chain).await?;
	let report = |line: &str| {
		Report::line(line)
			.row("agreement", "agreement", to_hex(quote.id))
			.row("offer", "offer", &which)
			.row("buyer", "buyer", format_account(&offer.buyer))
			.row("seller", "seller", format_account(&offer.seller))
			.money("buyer locks", "total", &unit, quote.total)
			.money("seller locks", "bond", &unit, quote.bond)
			.row("transcript", "transcript", to_hex(transcript))
	};
	if args.dry_run {
		let report = report("The offer can be committed, if its signature is good.");
		return Ok(report.count("over at", "ends", quote.ends));
	}
	let call = calls::commit(offer.clone(), signed.signature.clone(), transcript);
	let submitted = send(context, &chain, &call).await?;
	Ok(included(context, &chain, report("Made the agreement."), &submitted).await)
}

/// `stoa agreement withdraw-offer`.
///
/// # Errors
///
/// Those of keys, stores, files and chain; when there is no such offer, or when it ends by itself.
pub async fn withdraw(context: &Context, args: &WithdrawOffer) -> Result<Report, Failure> {
	let (chain, source) = Source::open(context, &args.of).await?;
	let (buyer, seller, negotiation, side, (round, until)) = match source {
		Source::File(signed) => {
			let side = signed.own_side(context)?;
			let offer = signed.offer;
			if offer.by != side {
				return Err(none("the offer is the other side's, not yours"));
			}
			let until = (offer.round, offer.valid_until);
			(offer.buyer, offer.seller, offer.negotiation, side, until)
		},
		Source::Store(kept) => {
			let own = own_offers(&kept, args.round)?;
			let parties = kept.transcript.state().parties().clone();
			(parties.buyer, parties.seller, parties.negotiation, kept.side, own)
		},
	};
	let now = chain.block(At::Best).await?.number;
	if until <= now {
		return Err(Failure::new(
			format!("your offers could be committed up to block {until}, which has come"),
			"nothing has to be taken back",
		));
	}
	let counterparty = match side {
		Side::Buyer => seller,
		Side::Seller => buyer,
	};
	let call = calls::withdraw_offer(counterparty.clone(), negotiation, side, round);
	let submitted = send(context, &chain, &call).await?;
	let line = format!("Your offers up to round {round} can no longer be committed.");
	let report = Report::line(line)
		.with("round", round)
		.row("you are the", "side", show_side(side))
		.row("other side", "other_side", format_account(&counterparty))
		.shown("they were good to", Clock::at(now).show(until))
		.with("valid_until", until);
	Ok(included(context, &chain, report, &submitted).await)
}

/// `stoa agreement supersede`.
///
/// # Errors
///
/// Those of keys, stores, files and chain; when there is no such offer.
pub async fn supersede(context: &Context, of: &OfOffer) -> Result<Report, Failure> {
	let (chain, source) = Source::open(context, of).await?;
	let signed = match source {
		Source::File(signed) => *signed,
		Source::Store(kept) => {
			let parties = kept.transcript.state().parties();
			let known = chain
				.standing(&parties.buyer, &parties.seller, &parties.negotiation, At::Best)
				.await?;
			let agreement = match known.and_then(|known| known.agreement) {
				Some(id) => Some(find(&chain, &id).await?),
				None => None,
			};
			later(&kept, agreement.as_ref().map(|agreement| &agreement.offer))?
		},
	};
	let which = signed.describe(context, &chain).await?;
	let round = signed.offer.round;
	let call = calls::supersede(signed.offer, signed.signature);
	let submitted = send(context, &chain, &call).await?;
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
		None => Report::line(format!("Offers before round {round} can no longer be committed.")),
	};
	let report = report.row("offer shown", "offer", which).with("round", round);
	Ok(included(context, &chain, report, &submitted).await)
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Encode;
	use sp_runtime::{MultiSignature, Permill};
	use stoa_primitives::{
		agreement::{Milestone, Panel},
		AccountId,
	};

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
		let text = to_hex((&offer, &signature).encode());
		let signed = SignedOffer { offer, signature, transcript: None };
		assert_eq!(SignedOffer::parse(&format!(" {text}\n")).unwrap(), signed);
		// As programs get it, with the root of the transcript.
		let root = H256::repeat_byte(9);
		let object = serde_json::json!({ "offer": text, "transcript": to_hex(root), "round": 1 });
		let with_root = SignedOffer { transcript: Some(root), ..signed };
		assert_eq!(SignedOffer::parse(&object.to_string()).unwrap(), with_root);
		let cut = serde_json::json!({ "offer": text, "transcript": "0x09" }).to_string();
		for bad in ["", "0x", "zz", "{}", "7", &cut, &text[..text.len() - 2], &format!("{text}00")]
		{
			assert!(SignedOffer::parse(bad).unwrap_err().cause.contains("offer"), "{bad}");
		}
	}
}
