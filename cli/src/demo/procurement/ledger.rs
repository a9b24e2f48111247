//! What was agreed and paid, from transcripts, events and state, and whether they say the same.

use super::{
	super::checks::Check,
	cast::{Cast, Stage},
	deal,
};
use crate::{
	amount::{percent, Unit},
	output::{money, Failure, Report},
	show::show_body,
};
use serde_json::{json, Value};
use std::{collections::HashMap, fmt::Write};
use stoa_client::{
	chain::{to_hex, AgreementEvent, At, BlockRef, MarketEvent, Solvency},
	keys::format_account,
	negotiation::{Body, EscalateReason, Kept, Message, Transcript, Turn},
};
use stoa_primitives::{
	agreement::{AgreementId, EndReason, Kpis, Offer, Outcome, Side, Sums},
	money::{Schedule, Shares, Source},
	AccountId, Balance, H256,
};

/// A settlement of a part of the agreement, by its event.
struct Slice {
	gross: Balance,
	shares: Shares,
}

/// Somebody's credits at both ends, and what it paid in transaction fees in between, by events.
struct Account {
	name: String,
	id: AccountId,
	before: Balance,
	after: Balance,
	fees: Balance,
}

/// What is said of the agreement when it begins and ends, by events.
#[derive(Default)]
struct Stages {
	total: Option<Balance>,
	bond: Option<Balance>,
	transcript: Option<H256>,
	terms: Option<[u8; 32]>,
	sums: Option<Sums>,
	bond_back: Option<Balance>,
}

/// One negotiation: what each side has kept.
struct Talk {
	vendor: String,
	buyer: Transcript,
	seller: Option<Transcript>,
	/// Whether an auditor who has the exported file only finds it to be good.
	good: bool,
}

/// All that was observed.
pub struct Book {
	unit: Unit,
	id: AgreementId,
	/// What the buyer may lock without asking its operator.
	threshold: Balance,
	won: usize,
	blocks: (BlockRef, BlockRef),
	talks: Vec<Talk>,
	stages: Stages,
	slices: Vec<Slice>,
	schedule: Option<Schedule>,
	accounts: Vec<Account>,
	running: bool,
	outcome: Option<Outcome>,
	ledger: Solvency,
	market: Kpis,
}

/// What each side of a negotiation has kept: the buyer, and the vendor as far as it still knew it.
pub type Kepts = (Kept, Option<Kept>);

impl Stage<'_> {
	/// Everybody's credits at a block.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn credits(
		&self,
		cast: &Cast,
		at: At,
	) -> Result<HashMap<AccountId, Balance>, Failure> {
		let mut credits = HashMap::new();
		for party in cast.parties() {
			let account = party.account_id();
			let amount = self.chain.credits(&account, &self.unit.asset, at).await?;
			credits.insert(account, amount);
		}
		Ok(credits)
	}
}

impl Book {
	/// Reads the blocks after the first up to the last one, which is final, and the state there.
	///
	/// # Errors
	///
	/// Those of the chain.
	pub async fn read(
		stage: &Stage<'_>,
		cast: &Cast,
		won: usize,
		id: AgreementId,
		blocks: (BlockRef, BlockRef),
		before: &HashMap<AccountId, Balance>,
		kept: Vec<Kepts>,
	) -> Result<Self, Failure> {
		let (chain, unit) = (stage.chain, stage.unit);
		let (first, last) = blocks;
		let at = At::Hash(last.hash);
		let mut events = Vec::new();
		for number in first.number.saturating_add(1)..=last.number {
			let block = chain.block_by_number(number).await?.ok_or_else(|| {
				Failure::new(format!("the node does not know block {number}"), "run the demo again")
			})?;
			events.extend(chain.events(block.hash).await?.into_iter().map(|record| record.event));
		}
		let after = stage.credits(cast, at).await?;
		let accounts = cast.parties().map(|party| {
			let id = party.account_id();
			let amount = |of: &HashMap<AccountId, Balance>| of.get(&id).copied().unwrap_or(0);
			let (before, after) = (amount(before), amount(&after));
			Account { name: party.name.clone(), before, after, fees: fees(&events, &id, unit), id }
		});
		let accounts = accounts.collect();
		let mut schedule = None;
		for event in &events {
			if let MarketEvent::Settled {
				source: Source::Agreement(of), schedule: number, ..
			} = event
			{
				if *of == id && schedule.is_none() {
					schedule = chain.schedule(*number, at).await?;
				}
			}
		}
		let names = cast.vendors.iter().map(|vendor| vendor.name.clone());
		Ok(Self {
			unit: unit.clone(),
			id,
			threshold: deal::threshold(unit)?,
			won,
			blocks,
			talks: names.zip(kept).map(|(vendor, kept)| Talk::new(vendor, kept)).collect(),
			stages: stages(&events, &id),
			slices: slices(&events, &id),
			schedule,
			accounts,
			running: chain.agreement(&id, at).await?.is_some(),
			outcome: chain.outcome(&id, at).await?,
			ledger: chain.solvency(&unit.asset, at).await?,
			market: chain.market_kpis(at).await?,
		})
	}

	/// The offer that was committed, by the buyer's transcript.
	fn offer(&self) -> Option<&Offer> {
		let state = self.talks.get(self.won)?.buyer.state();
		state
			.standing()
			.filter(|standing| standing.digest == self.id)
			.map(|standing| &standing.offer)
	}

	fn shares(&self) -> Option<Shares> {
		self.slices.iter().try_fold(Shares::default(), |sum, slice| {
			Some(Shares {
				provider: sum.provider.checked_add(slice.shares.provider)?,
				platform: sum.platform.checked_add(slice.shares.platform)?,
				referral: sum.referral.checked_add(slice.shares.referral)?,
			})
		})
	}

	fn money(&self, what: &str, expected: Option<Balance>, found: Option<Balance>) -> Check {
		let show = |units: Option<Balance>| units.map_or("nothing".into(), |it| self.unit.show(it));
		let mut check = Check::equal(what, show(expected), show(found));
		check.passed = expected.is_some() && expected == found;
		check
	}

	/// Compares everything with everything. All must pass.
	pub fn verify(&self) -> Vec<Check> {
		let mut checks = Vec::new();
		self.verify_talks(&mut checks);
		self.verify_approval(&mut checks);
		self.verify_agreement(&mut checks);
		self.verify_money(&mut checks);
		checks
	}

	fn verify_talks(&self, checks: &mut Vec<Check>) {
		for talk in &self.talks {
			let what = format!("{}: transcript checked as an auditor would", talk.vendor);
			checks.push(Check::equal(what, "good", if talk.good { "good" } else { "bad" }));
			let other = talk.seller.as_ref().map(|transcript| to_hex(transcript.state().head()));
			checks.push(Check::equal(
				format!("{}: both sides have kept the same", talk.vendor),
				to_hex(talk.buyer.state().head()),
				other.unwrap_or_else(|| "nothing".into()),
			));
		}
		let root = self.talks.get(self.won).map(|talk| to_hex(talk.buyer.state().head()));
		checks.push(Check::equal(
			"root of the transcript on chain",
			root.unwrap_or_default(),
			self.stages.transcript.map(to_hex).unwrap_or_default(),
		));
		let said = self.talks.get(self.won).and_then(|talk| {
			let mut quotes = talk.buyer.messages().filter_map(|signed| signed.message.body.quote());
			quotes.next_back().and_then(|quote| quote.terms.digest().ok())
		});
		checks.push(Check::equal(
			"digest of the terms on chain",
			said.map(to_hex).unwrap_or_default(),
			self.stages.terms.map(to_hex).unwrap_or_default(),
		));
	}

	/// Above its threshold the buyer has bound itself to nothing unasked, and the price that was agreed is above it.
	fn verify_approval(&self, checks: &mut Vec<Check>) {
		let (least, price) = (self.threshold.saturating_add(1), self.stages.total.unwrap_or(0));
		let what = "price, which the buyer may not lock alone";
		checks.push(Check::at_least(what, &self.unit, least, price));
		let asked = |talk: &Talk| talk.approvals(self.threshold);
		let all: Vec<_> = self.talks.iter().flat_map(asked).collect();
		checks.push(Check::equal(
			"offers above that were made or taken right after the operator was asked",
			all.len(),
			all.iter().filter(|asked| **asked).count(),
		));
		let last = self.talks.get(self.won).and_then(|talk| asked(talk).pop());
		checks.push(Check::equal(
			"operator asked about the price",
			"yes",
			if last == Some(true) { "yes" } else { "no" },
		));
	}

	fn verify_agreement(&self, checks: &mut Vec<Check>) {
		let (offer, stages) = (self.offer(), &self.stages);
		let total = offer.and_then(Offer::total);
		checks.push(self.money("locked by the buyer", total, stages.total));
		checks.push(self.money("locked by the vendor", offer.map(|it| it.bond), stages.bond));
		checks.push(Check::equal("agreements that still run", 0, u32::from(self.running)));
		let ended = self.outcome.as_ref().map(|outcome| outcome.reason);
		checks.push(Check::equal(
			"how it ended",
			"completed",
			match ended {
				Some(EndReason::Completed) => "completed",
				Some(EndReason::Cancelled) => "cancelled",
				Some(EndReason::Voided) => "undone",
				None => "not at all",
			},
		));
		let sums = stages.sums.unwrap_or_default();
		checks.push(self.money("released", total, Some(sums.released)));
		checks.push(self.money("refunded", Some(0), Some(sums.refunded)));
		checks.push(self.money("penalties", Some(0), Some(sums.penalties)));
		checks.push(self.money("bond given back", offer.map(|it| it.bond), stages.bond_back));
		let recorded = self.outcome.as_ref().map(|outcome| outcome.sums.released);
		checks.push(self.money("released, by the record that stays", total, recorded));
	}

	fn verify_money(&self, checks: &mut Vec<Check>) {
		let total = self.stages.total;
		let gross =
			self.slices.iter().try_fold(0, |sum: Balance, slice| sum.checked_add(slice.gross));
		checks.push(self.money("settled", total, gross));
		let mut before = 0;
		let right = self.slices.iter().filter(|slice| {
			let due = self.schedule.as_ref().and_then(|it| it.split(before, slice.gross));
			before = before.saturating_add(slice.gross);
			due == Some(slice.shares)
		});
		let right = right.count();
		checks.push(Check::equal("slices divided as scheduled", self.slices.len(), right));
		let (shares, due) = (
			self.shares(),
			total.and_then(|total| self.schedule.as_ref().and_then(|it| it.split(0, total))),
		);
		let rows: [(&str, fn(&Shares) -> Balance); 3] = [
			("vendor's share", |it| it.provider),
			("platform's share", |it| it.platform),
			("referral share", |it| it.referral),
		];
		for (what, of) in rows {
			checks.push(self.money(what, due.as_ref().map(of), shares.as_ref().map(of)));
		}
		for (place, account) in self.accounts.iter().enumerate() {
			let change = match place.checked_sub(1) {
				None => total.and_then(|total| account.before.checked_sub(total)),
				Some(vendor) if vendor == self.won => {
					shares.as_ref().and_then(|shares| account.before.checked_add(shares.provider))
				},
				Some(_) => Some(account.before),
			};
			let expected = change.and_then(|amount| amount.checked_sub(account.fees));
			let what = format!("{}: credits", account.name);
			checks.push(self.money(&what, expected, Some(account.after)));
		}
		let Solvency { custody, issued, free, locked } = self.ledger;
		checks.push(self.money("free + locked = issued", Some(issued), free.checked_add(locked)));
		checks.push(Check::at_least("custody covers the issued", &self.unit, issued, custody));
	}

	/// Transcript and ledger.
	pub fn report(&self, checks: &[Check]) -> Report {
		let mut text = String::new();
		let _ = writeln!(text, "Transcripts");
		for talk in &self.talks {
			let _ = writeln!(text, "  buyer and {}", talk.vendor);
			for signed in talk.buyer.messages() {
				let _ = writeln!(text, "    {}", line(&signed.message, &talk.vendor, &self.unit));
			}
			let _ = writeln!(text, "    root {}", to_hex(talk.buyer.state().head()));
		}
		let _ = writeln!(text, "\nAgreement {}", to_hex(self.id));
		let total = self.stages.total.unwrap_or(0);
		let rows = [
			("price", total),
			("bond", self.stages.bond.unwrap_or(0)),
			("released", self.stages.sums.unwrap_or_default().released),
		];
		for (label, amount) in rows {
			let _ = writeln!(text, "  {label:<16} {:>14}", self.unit.show(amount));
		}
		let shares = self.shares().unwrap_or_default();
		let rows = [
			("vendor", shares.provider),
			("platform", shares.platform),
			("referral", shares.referral),
		];
		for (label, amount) in rows {
			let amount = (self.unit.show(amount), percent(amount, total));
			let _ = writeln!(text, "  {label:<16} {:>14}   {}", amount.0, amount.1);
		}
		let _ = writeln!(text, "\nCredits");
		for Account { name, before, after, fees, .. } in &self.accounts {
			let show = |units: Balance| self.unit.show(units);
			let _ = writeln!(
				text,
				"  {name:<16} {:>14} → {:>14}, transaction fees {}",
				show(*before),
				show(*after),
				show(*fees)
			);
		}
		let _ = writeln!(text, "\nChecked against state and events");
		for check in checks {
			let _ = writeln!(text, "  {}", check.line());
		}
		let json = match self.json(checks) {
			Value::Object(json) => json,
			_ => Default::default(),
		};
		Report { text, json }
	}

	fn json(&self, checks: &[Check]) -> Value {
		let unit = &self.unit;
		let shares = self.shares().unwrap_or_default();
		let (first, last) = self.blocks;
		json!({
			"scenario": "procurement",
			"passed": checks.iter().all(|check| check.passed),
			"agreement": to_hex(self.id),
			"blocks": { "first": first.number.saturating_add(1), "last": last.number },
			"price": money(unit, self.stages.total.unwrap_or(0)),
			"threshold": money(unit, self.threshold),
			"bond": money(unit, self.stages.bond.unwrap_or(0)),
			"shares": {
				"provider": money(unit, shares.provider),
				"platform": money(unit, shares.platform),
				"referral": money(unit, shares.referral),
			},
			"negotiations": self.talks.iter().map(|talk| json!({
				"vendor": talk.vendor,
				"rounds": talk.buyer.state().next_round().saturating_sub(1),
				"agreed": matches!(talk.buyer.state().turn(), Turn::Accepted { .. }),
				"root": to_hex(talk.buyer.state().head()),
				"messages": talk
					.buyer
					.messages()
					.map(|signed| line(&signed.message, &talk.vendor, unit))
					.collect::<Vec<_>>(),
			})).collect::<Vec<_>>(),
			"accounts": self.accounts.iter().map(|account| json!({
				"name": account.name,
				"account": format_account(&account.id),
				"before": money(unit, account.before),
				"after": money(unit, account.after),
				"fees": money(unit, account.fees),
			})).collect::<Vec<_>>(),
			"market": { "agreements": self.market.agreements, "disputes": self.market.disputes },
			"checks": checks,
		})
	}
}

impl Talk {
	fn new(vendor: String, (buyer, seller): Kepts) -> Self {
		let buyer = buyer.transcript;
		// No delegate key signs in the demo.
		let good =
			buyer.export().is_ok_and(|file| Transcript::verify(&file, |_, _, _| false).is_ok());
		Self { vendor, buyer, seller: seller.map(|kept| kept.transcript), good }
	}

	/// For each message by which the buyer binds itself to more than `threshold`, in order, whether it is the next one
	/// after a question to its operator.
	fn approvals(&self, threshold: Balance) -> Vec<bool> {
		let (mut asked, mut standing) = (false, 0);
		let mut found = Vec::new();
		for Message { side, body, .. } in self.buyer.messages().map(|signed| &signed.message) {
			if let Some(quote) = body.quote() {
				standing = quote.offer.total().unwrap_or(0);
			}
			let binds = body.quote().is_some() || matches!(body, Body::Accept { .. });
			if *side == Side::Buyer && binds && standing > threshold {
				found.push(asked);
			}
			let why = EscalateReason::Approval;
			asked = *side == Side::Buyer
				&& matches!(body, Body::Escalate { why: of, .. } if *of == why);
		}
		found
	}
}

fn line(message: &Message, vendor: &str, unit: &Unit) -> String {
	let from = match message.side {
		Side::Buyer => "buyer",
		Side::Seller => vendor,
	};
	format!("{:>2} {from}: {}", message.sequence, show_body(&message.body, unit))
}

/// Transaction fees of an account in the stablecoin.
fn fees(events: &[MarketEvent], of: &AccountId, unit: &Unit) -> Balance {
	let paid = events.iter().filter_map(|event| match event {
		MarketEvent::FeePaid { who, asset: Some(asset), amount, .. }
			if who == of && *asset == unit.asset =>
		{
			Some(*amount)
		},
		_ => None,
	});
	paid.fold(0, Balance::saturating_add)
}

fn slices(events: &[MarketEvent], id: &AgreementId) -> Vec<Slice> {
	let found = events.iter().filter_map(|event| match event {
		MarketEvent::Settled { source: Source::Agreement(of), gross, shares, .. } if of == id => {
			Some(Slice { gross: *gross, shares: *shares })
		},
		_ => None,
	});
	found.collect()
}

fn stages(events: &[MarketEvent], id: &AgreementId) -> Stages {
	let mut stages = Stages::default();
	for event in events {
		match event {
			MarketEvent::Agreement(AgreementEvent::Committed {
				id: of,
				total,
				bond,
				transcript,
				terms,
				..
			}) if of == id => {
				stages.total = Some(*total);
				stages.bond = Some(*bond);
				stages.transcript = Some(*transcript);
				stages.terms = Some(*terms);
			},
			MarketEvent::Agreement(AgreementEvent::Ended { id: of, sums, bond, .. })
				if of == id =>
			{
				stages.sums = Some(*sums);
				stages.bond_back = Some(*bond);
			},
			_ => {},
		}
	}
	stages
}
