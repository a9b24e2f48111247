//! `stoa demo --scenario procurement`: an agent runs out of stock, asks three vendors, haggles, asks its
//! operator because the sum is above what it may lock alone, agrees with the cheapest, is delivered to and
//! pays, without anybody typing anything. Every figure is checked against the chain.
//!
//! Messages travel through the statement store of the node that the demo is played on, sealed for their
//! receivers.

mod cast;
mod deal;
mod ledger;

use super::Stores;
use crate::{
	amount::Unit,
	cli::Demo,
	context::{open_store, Context},
	keys::KeyPair,
	output::{Failure, Report},
	show::show_body,
};
use cast::{Cast, Stage};
use deal::{Buyer, Dealer};
use ledger::Book;
use sp_crypto_hashing::blake2_256;
use std::{collections::HashSet, sync::Arc, time::Duration};
use stoa_client::{
	chain::{calls::escrow as calls, to_hex, At, SignedChain},
	negotiation::{
		Decision, Driver, Event, Events, Handle, Kept, Outcome, Policy, Question, SealingKey,
		StatementTransport, Timing,
	},
	store::{bind_chain, Committer},
};
use stoa_primitives::{
	agreement::{AgreementId, Evidence, NegotiationKey},
	AccountId, Balance,
};
use tokio::{task::JoinHandle, time::Instant};

/// How long all vendors together may take to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// The buyer's stock, in hours of computing.
struct Inventory {
	stock: u64,
	/// Used up in a day.
	daily: u64,
	/// Order when it falls below.
	reorder_at: u64,
	/// Order up to this.
	target: u64,
}

impl Inventory {
	const BEGIN: Self = Self { stock: 640, daily: 90, reorder_at: 300, target: 800 };

	/// Days pass until something has to be ordered. Returns how much.
	fn run_down(&mut self, mut day: impl FnMut(u32, u64)) -> u64 {
		for number in 1.. {
			self.stock = self.stock.saturating_sub(self.daily);
			day(number, self.stock);
			if self.stock < self.reorder_at {
				break;
			}
		}
		self.target.saturating_sub(self.stock)
	}
}

/// An agent that negotiates.
struct Negotiating {
	handle: Handle,
	events: Events,
	task: JoinHandle<()>,
}

impl Negotiating {
	async fn start(
		stage: &Stage<'_>,
		stores: &Stores,
		key: &KeyPair,
		policy: Arc<dyn Policy>,
	) -> Result<Self, Failure> {
		let chain = stage.chain;
		let store = open_store(&stores.path(&key.name.replace(' ', "-")), Duration::ZERO).await?;
		bind_chain(store.as_ref(), chain.genesis())?;
		let committer = Committer::start(store.clone())?;
		let transport = StatementTransport::connect(
			stage.context.node(),
			chain.genesis(),
			key.account.clone(),
			SealingKey::generate(),
			Timing::default(),
		)
		.await
		.map_err(|error| {
			Failure::new(
				format!("{} cannot use the node's statement store: {error}", key.name),
				"use a node of this chain; public nodes may have it switched off",
			)
		})?;
		let signed = SignedChain::new(chain.clone(), key.account.clone(), stage.options());
		let (driver, events) =
			Driver::new(store, committer, Arc::new(signed), Arc::new(transport), policy)
				.await
				.map_err(bug)?;
		let (handle, task) = driver.start();
		Ok(Self { handle, events, task })
	}

	/// Ends it and lets go of its store.
	async fn stop(self) -> Result<(), Failure> {
		let Self { handle, events, task } = self;
		drop((handle, events));
		task.await.map_err(bug)
	}
}

fn bug(error: impl std::fmt::Display) -> Failure {
	Failure::new(format!("the negotiation broke off: {error}"), "run the demo again with -v")
}

/// Play it.
///
/// # Errors
///
/// When it cannot be played to its end.
pub async fn play(context: &Context, args: &Demo) -> Result<(Report, Option<Failure>), Failure> {
	let chain = context.chain().await?;
	let unit = context.unit(&chain, "1").await?;
	let cast = Cast::new()?;
	let stores = Stores::new(args.keep.clone())?;
	super::await_finality(context, &chain).await?;
	let stage = Stage { context, chain: &chain, unit: &unit };

	context.progress("1/7 endowing three operators from //Alice");
	context.progress("    registering a buyer, three vendors and an arbiter, paying credits in");
	stage.endow(&cast).await?;
	let first = stage.onboard(&cast).await?;
	let before = stage.credits(&cast, At::Hash(first.hash)).await?;

	let mut inventory = Inventory::BEGIN;
	let quantity = inventory.run_down(|day, stock| {
		context.progress(&format!("2/7 day {day}: {stock} hours of computing left"));
	});
	context.progress(&format!(
		"    below {}: {quantity} hours are to be bought",
		inventory.reorder_at
	));

	context.progress("3/7 asking three vendors through the statement store");
	let mut vendors = Vec::new();
	for (place, vendor) in cast.vendors.iter().enumerate() {
		let dealer = Dealer::new(&cast, &stage, place)?;
		vendors.push(Negotiating::start(&stage, &stores, vendor, Arc::new(dealer)).await?);
	}
	let mut buyer = Negotiating::start(&stage, &stores, &cast.buyer, Arc::new(Buyer)).await?;
	let now = chain.block(At::Finalized).await?.number;
	let mut talks = Vec::new();
	for vendor in &cast.vendors {
		let config = deal::buyer_config(&cast, &stage, vendor, quantity, now)?;
		let asked = buyer.handle.ask(config).await.ok_or_else(|| bug("its driver has ended"))?;
		talks.push(asked.map_err(bug)?);
	}

	context.progress("4/7 comparing offers, haggling with the cheapest");
	let mut floor = Floor { context, unit: &unit, cast: &cast, talks: &talks, buyer: &mut buyer };
	let ranking = floor.compare().await?;
	let (won, agreement) = floor.haggle(ranking, deal::threshold(&unit)?).await?;
	context.progress(&format!("5/7 agreed, {}", to_hex(agreement)));

	context.progress("6/7 delivering and releasing, milestone by milestone");
	deliver(&stage, &cast, won, agreement).await?;

	context.progress("7/7 reading state and events");
	let mut transcripts = Vec::new();
	for (key, vendor) in talks.iter().zip(&vendors) {
		transcripts.push((read(&buyer.handle, *key).await?, vendor.handle.read(*key).await));
	}
	buyer.stop().await?;
	for vendor in vendors {
		vendor.stop().await?;
	}
	let last = chain.block(At::Finalized).await?;
	let blocks = (first, last);
	let book = Book::read(&stage, &cast, won, agreement, blocks, &before, transcripts).await?;
	let checks = book.verify();
	let failed = checks.iter().filter(|check| !check.passed).count();
	let report = book.report(&checks);
	let failure = (failed > 0).then(|| {
		Failure::new(
			format!("{failed} of {} checks failed", checks.len()),
			"the report says which: expected and found",
		)
	});
	Ok((report, failure))
}

async fn read(handle: &Handle, key: NegotiationKey) -> Result<Kept, Failure> {
	handle.read(key).await.ok_or_else(|| bug("its driver has ended"))
}

/// Where it is negotiated, as the buyer sees it.
struct Floor<'a> {
	context: &'a Context,
	unit: &'a Unit,
	cast: &'a Cast,
	/// One with each vendor, in their order.
	talks: &'a [NegotiationKey],
	buyer: &'a mut Negotiating,
}

impl Floor<'_> {
	/// The next thing that happens, which is shown.
	async fn next(&mut self, deadline: Instant) -> Result<Event, Failure> {
		let event = tokio::time::timeout_at(deadline, self.buyer.events.next()).await;
		let event = event.map_err(|_| {
			Failure::new(
				format!("the vendors have not answered within {PATIENCE:?}"),
				"look at the node's log, and run the demo again",
			)
		})?;
		let event = event.ok_or_else(|| bug("its driver has ended"))?;
		self.show(&event);
		Ok(event)
	}

	/// Waits for the first offers. Returns the places of the vendors that have made one, the cheapest first.
	async fn compare(&mut self) -> Result<Vec<usize>, Failure> {
		let mut answered = HashSet::new();
		let deadline = Instant::now() + PATIENCE;
		while answered.len() < self.talks.len() {
			if let Event::Asked { key, .. } | Event::Ended { key, .. } = self.next(deadline).await?
			{
				answered.insert(key);
			}
		}
		let mut offers = Vec::new();
		for (place, key) in self.talks.iter().enumerate() {
			let kept = read(&self.buyer.handle, *key).await?;
			let price = kept.transcript.state().standing().and_then(|it| it.offer.total());
			offers.extend(price.map(|price| (price, place)));
		}
		offers.sort_unstable();
		Ok(offers.into_iter().map(|(_, place)| place).collect())
	}

	/// Haggles with one vendor after the other, so that never more than one can commit an offer of the buyer's, until
	/// one has agreed; up to `threshold` alone, beyond with the operator's approval. Refuses the others then. Returns
	/// the vendor and the agreement.
	async fn haggle(
		&mut self,
		ranking: Vec<usize>,
		threshold: Balance,
	) -> Result<(usize, AgreementId), Failure> {
		let mut ranking = ranking.into_iter();
		let agreed = loop {
			let Some(place) = ranking.next() else {
				return Err(Failure::new("no vendor has agreed", "report this as a bug"));
			};
			if let Some(agreement) = self.haggle_with(place, threshold).await? {
				break (place, agreement);
			}
		};
		for place in ranking {
			if let Some(key) = self.talks.get(place) {
				self.buyer.handle.decide(*key, Decision::Refuse).await;
				self.until_over(*key).await?;
			}
		}
		Ok(agreed)
	}

	async fn haggle_with(
		&mut self,
		place: usize,
		threshold: Balance,
	) -> Result<Option<AgreementId>, Failure> {
		let Some(talk) = self.talks.get(place) else { return Ok(None) };
		self.buyer.handle.decide(*talk, Decision::Allow(threshold)).await;
		let deadline = Instant::now() + PATIENCE;
		loop {
			match self.next(deadline).await? {
				Event::Asked { key, question } if key == *talk => {
					let (price, decision) = match question {
						Question::Accept { proposal, .. } | Question::Offer { proposal, .. } => {
							(Some(proposal.price), Decision::Approve)
						},
						// The demo's operator takes nothing that is beyond the limits or departs from the plan.
						Question::NoDeal { .. } | Question::Clauses { .. } => {
							(None, Decision::Refuse)
						},
					};
					self.context.progress(&match price {
						Some(price) => format!(
							"    the operator approves {}: more than the agent's {}",
							self.unit.show(price),
							self.unit.show(threshold)
						),
						None => "    the operator refuses".into(),
					});
					self.buyer.handle.decide(key, decision).await;
				},
				Event::Ended { key, outcome } if key == *talk => {
					return Ok(match outcome {
						Outcome::Agreed { agreement } => Some(agreement),
						Outcome::Denied { .. }
						| Outcome::Expired
						| Outcome::Withdrawn { .. }
						| Outcome::Voided { .. } => None,
					})
				},
				Event::Failed { reason, .. } => return Err(bug(reason)),
				_ => {},
			}
		}
	}

	async fn until_over(&mut self, talk: NegotiationKey) -> Result<(), Failure> {
		let deadline = Instant::now() + PATIENCE;
		loop {
			if matches!(self.next(deadline).await?, Event::Ended { key, .. } if key == talk) {
				return Ok(());
			}
		}
	}

	fn name(&self, account: &AccountId) -> &str {
		let all = self.cast.vendors.iter().chain([&self.cast.buyer]);
		let named = all.into_iter().find(|pair| pair.account_id() == *account);
		named.map_or("somebody", |pair| pair.name.as_str())
	}

	fn show(&self, event: &Event) {
		let line = match event {
			Event::Said { message, .. } => {
				let message = &message.message;
				let (from, to) = (self.name(&message.from), self.name(&message.to));
				format!("{from} → {to}: {}", show_body(&message.body, self.unit))
			},
			Event::Rejected { reason } => format!("a message was not taken: {reason}"),
			Event::Failed { reason, .. } => format!("failed: {reason}"),
			Event::Missed { count } => format!("{count} events were missed"),
			Event::Convicted { .. } => "a vendor has said two different things".into(),
			Event::Asked { .. } | Event::Post { .. } | Event::Ended { .. } => return,
		};
		self.context.progress(&format!("    {line}"));
	}
}

/// The vendor at `won` delivers, the buyer pays: the first milestone at once, the second one half before it
/// is delivered.
async fn deliver(
	stage: &Stage<'_>,
	cast: &Cast,
	won: usize,
	id: AgreementId,
) -> Result<(), Failure> {
	let vendor = cast.vendors.get(won).ok_or_else(|| bug("there is no such vendor"))?;
	let view = stage.chain.agreement(&id, At::Finalized).await?;
	let view = view.ok_or_else(|| bug("the agreement is not there"))?;
	for (place, milestone) in (0u32..).zip(&view.offer.milestones) {
		if place > 0 {
			let part = milestone.amount / 2;
			stage.submit(&cast.buyer, &calls::release(id, place, part)).await?;
			stage.context.progress(&format!(
				"    buyer releases {} of milestone {place} ahead",
				stage.unit.show(part)
			));
		}
		let note = deal::delivery_note(&id, place);
		let evidence = Evidence {
			digest: blake2_256(note.as_bytes()),
			uri: b"https://example.org/delivery-note".to_vec().try_into().unwrap_or_default(),
		};
		stage.submit(vendor, &calls::deliver(id, place, evidence)).await?;
		stage.context.progress(&format!("    {} delivers milestone {place}", vendor.name));
		stage.submit(&cast.buyer, &calls::accept(id, place)).await?;
		stage.context.progress(&format!("    buyer accepts milestone {place}"));
	}
	Ok(())
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn stock_should_be_ordered_when_it_is_low_and_not_before() {
		let mut days = Vec::new();
		let mut inventory = Inventory::BEGIN;
		let quantity = inventory.run_down(|day, stock| days.push((day, stock)));
		assert_eq!(days, [(1, 550), (2, 460), (3, 370), (4, 280)]);
		assert_eq!(quantity, 520);
	}
}
