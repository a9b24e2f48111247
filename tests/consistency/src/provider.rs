//! The provider: the payee's machine on a disk, its settler, and what drives them.

use crate::{
	books::Books,
	chain::Node,
	disk::{Disk, Health},
	network::{Answer, Message, Network, Request},
};
use std::{collections::BTreeMap, future::ready, sync::Arc};
use stoa_client::{
	agreement::SignedConsent,
	allowance::Allowance,
	keys::AccountKey,
	payee::{
		Checked, CheckedTick, Decision, Payee, PayeeConfig, Rejection, Reservation, TickClaim,
		TickDecision, TickPayment, TickReservation, TickVerdict,
	},
	settle::{SettlePolicy, Settler},
	ticks::SignedTicks,
	voucher::LaneKey,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	AssetId, Balance,
};

/// A call that is being served.
struct Job {
	reserved: Reserved,
	request: Request,
}

/// What pays for it.
enum Reserved {
	Voucher(Reservation),
	Tick(TickReservation),
}

/// A provider.
pub struct Provider {
	/// Its account.
	pub account: AccountKey,
	/// Its node.
	pub node: Node,
	/// Its disk.
	pub disk: Disk,
	/// Everything that it was ever sent: what one that cheats tries to claim.
	pub hoard: BTreeMap<LaneKey, Allowance>,
	/// Every tick that it was ever sent.
	pub ticks: Vec<SignedTicks>,
	running: Option<Running>,
	/// What was served after how many commits of the disk.
	served_at: Vec<(u64, BTreeMap<ChannelId, Balance>)>,
	/// After how many commits a close was agreed to, by channel.
	consents: BTreeMap<ChannelId, u64>,
	asset: AssetId,
	/// Whether calls that are paid by tick are served first and stored then, as those by voucher are.
	ticks_wait: bool,
}

struct Running {
	payee: Payee,
	settler: Settler,
	jobs: Vec<Job>,
	/// Answers that were given, by lane and amount.
	answers: BTreeMap<(LaneKey, Balance), [u8; 32]>,
}

impl Provider {
	/// A provider that has nothing yet.
	pub fn new(account: AccountKey, node: Node, asset: AssetId, ticks_wait: bool) -> Self {
		Self {
			account,
			node,
			disk: Disk::default(),
			hoard: BTreeMap::new(),
			ticks: Vec::new(),
			running: None,
			served_at: Vec::new(),
			consents: BTreeMap::new(),
			asset,
			ticks_wait,
		}
	}

	/// Starts from what is on the disk, if it is down.
	pub async fn start(&mut self) {
		if self.running.is_some() {
			return;
		}
		let config = PayeeConfig {
			lane_wait: std::time::Duration::ZERO,
			max_stall: std::time::Duration::MAX,
			..PayeeConfig::new(self.account.account(), self.asset.clone())
		};
		let store = Arc::new(self.disk.clone());
		let node = Arc::new(self.node.clone());
		// A disk or a node that fails just now is tried again later.
		let Ok(payee) = Payee::start(config, store, node.clone()).await else { return };
		let settler = Settler::new(payee.clone(), node, SettlePolicy::default());
		let (jobs, answers) = (Vec::new(), BTreeMap::new());
		self.running = Some(Running { payee, settler, jobs, answers });
	}

	/// Dies, and finds on its disk what was there `back` commits ago.
	pub fn crash(&mut self, back: usize, books: &mut Books) {
		let known = self.disk.commits();
		// What was being served is not on the disk.
		self.running = None;
		let (disk, missing) = self.disk.crash(back);
		self.disk = disk;
		let at = known - missing;
		if missing > 0 {
			let then = self.served_at.iter().rev().find(|(commits, _)| *commits <= at);
			let then = then.map(|(_, served)| served.clone()).unwrap_or_default();
			for (id, served) in books.served() {
				let before = then.get(&id).copied().unwrap_or(0);
				books.of(id).forgotten += served - before;
			}
			for (id, _) in self.consents.iter().filter(|(_, commits)| **commits > at) {
				books.of(*id).disowned = true;
			}
		}
		for account in books.0.values_mut() {
			account.missing = account.forgotten;
		}
		self.served_at = vec![(0, books.served())];
		self.consents.clear();
	}

	/// What the disk does from now on.
	pub fn set_disk(&self, health: Health) {
		self.disk.set(health);
	}

	/// Its machine, while it is up.
	pub fn payee(&self) -> Option<&Payee> {
		self.running.as_ref().map(|running| &running.payee)
	}

	/// The claims that a watchtower should have.
	pub fn backup(&self) -> Vec<Item> {
		let claims = self.payee().map(Payee::proofs).unwrap_or_default();
		claims.into_iter().map(|claim| claim.item).collect()
	}

	/// The highest proofs that it has, as it shows them to its payers.
	pub fn shown(&self, ids: &[ChannelId]) -> Vec<Allowance> {
		let Some(payee) = self.payee() else { return Vec::new() };
		ids.iter().flat_map(|id| payee.records(id)).map(|record| record.proof).collect()
	}

	fn served(&mut self, request: &Request, books: &mut Books) -> Answer {
		books.of(request.proof.lane().channel).served += request.price;
		self.served_at.push((self.disk.commits(), books.served()));
		self.repeat_answer(request)
	}

	fn repeat_answer(&mut self, request: &Request) -> Answer {
		let (at, amount) = (request.proof.lane(), request.proof.amount());
		if let Some(running) = &mut self.running {
			running.answers.insert((at, amount), request.hash);
		}
		Answer::Served(amount)
	}

	/// Keeps what it was sent.
	pub fn remember(&mut self, request: &Request) {
		let kept = self.hoard.entry(request.proof.lane()).or_insert(request.proof);
		if kept.amount() < request.proof.amount() {
			*kept = request.proof;
		}
		if let Allowance::Ticks(ticks) = &request.proof {
			self.ticks.push(*ticks);
		}
	}

	/// Whether a call is being served.
	pub fn is_serving(&self) -> bool {
		self.running.as_ref().is_some_and(|running| !running.jobs.is_empty())
	}

	/// Takes a request: judges what pays for it, and serves it, now or later.
	pub async fn take(
		&mut self,
		request: Request,
		later: bool,
		books: &mut Books,
		network: &mut Network,
	) {
		self.remember(&request);
		let Some(payee) = self.payee().cloned() else { return };
		let answer = match request.proof {
			Allowance::Ticks(ticks) if self.ticks_wait => {
				return self.take_tick(&payee, &ticks, request, later, books, network).await;
			},
			Allowance::Ticks(_) => self.take_ticks(&payee, &request, books).await,
			Allowance::Voucher(signed) => {
				let checked = payee.check(&signed, request.price).await;
				let verified = match checked {
					Ok(Checked::Valid(verified)) => verified,
					Ok(Checked::Rejected(rejection)) => {
						return self.reject(&request, rejection, network);
					},
					Err(_) => return,
				};
				match payee.reserve(&verified, request.price, request.hash).await {
					Ok(Decision::Reserved(reservation)) => {
						let reserved = Reserved::Voucher(reservation);
						return self.serve(Job { reserved, request }, later, books, network).await;
					},
					Ok(Decision::Replay { same_request }) => self.replay(&request, same_request),
					Ok(Decision::Rejected(rejection)) => {
						return self.reject(&request, rejection, network);
					},
					Err(_) => return,
				}
			},
		};
		network.send(Message::Answer(request.call, answer));
	}

	/// As a call that is paid by voucher.
	async fn take_tick(
		&mut self,
		payee: &Payee,
		ticks: &SignedTicks,
		request: Request,
		later: bool,
		books: &mut Books,
		network: &mut Network,
	) {
		let SignedTicks { signed, index, tick } = *ticks;
		let claim = TickClaim { at: signed.lane(), index, tick, commit: Some(signed) };
		let verified = match payee.check_tick(&claim, request.price).await {
			Ok(CheckedTick::Valid(verified)) => verified,
			Ok(CheckedTick::Rejected(rejection)) => {
				return self.reject(&request, rejection, network);
			},
			Err(_) => return,
		};
		match payee.reserve_tick(&verified, request.price, request.hash).await {
			Ok(TickDecision::Reserved(reservation)) => {
				let reserved = Reserved::Tick(reservation);
				self.serve(Job { reserved, request }, later, books, network).await;
			},
			Ok(TickDecision::Replay { same_request }) => {
				let answer = self.replay(&request, same_request);
				network.send(Message::Answer(request.call, answer));
			},
			Ok(TickDecision::Rejected(rejection)) => self.reject(&request, rejection, network),
			Err(_) => {},
		}
	}

	async fn take_ticks(&mut self, payee: &Payee, request: &Request, books: &mut Books) -> Answer {
		let Allowance::Ticks(ticks) = &request.proof else { return refused("no tick") };
		match payee.open_ticks(&ticks.signed).await {
			Ok(Ok(())) => {},
			Ok(Err(rejection)) => return refusal(rejection),
			Err(error) => return refused(error),
		}
		let payment = TickPayment {
			at: request.proof.lane(),
			index: ticks.index,
			tick: ticks.tick,
			price: request.price,
			request: request.hash,
		};
		let before = self.disk.commits();
		let verdicts = payee.pay_ticks(&[payment]).await;
		match verdicts.map(|mut verdicts| verdicts.pop()) {
			Ok(Some(TickVerdict::Fresh)) => self.served(request, books),
			Ok(Some(TickVerdict::Replay { same_request })) => self.replay(request, same_request),
			Ok(Some(TickVerdict::Rejected(rejection))) => refusal(*rejection),
			Ok(verdict) => refused(format!("{verdict:?}")),
			Err(error) => {
				self.came_to_nothing(request, before, books);
				refused(error)
			},
		}
	}

	/// An answer that was given is given again; else the payer has to pay anew.
	fn replay(&mut self, request: &Request, same_request: bool) -> Answer {
		let (at, amount) = (request.proof.lane(), request.proof.amount());
		let given = self.running.as_ref().and_then(|one| one.answers.get(&(at, amount)));
		match same_request && given == Some(&request.hash) {
			true => Answer::Served(amount),
			false => Answer::Used(Box::new(request.proof)),
		}
	}

	fn reject(&self, request: &Request, rejection: Rejection, network: &mut Network) {
		network.send(Message::Answer(request.call, refusal(rejection)));
	}

	/// A call was not served. It may be on the disk all the same if that has written since.
	fn came_to_nothing(&self, request: &Request, before: u64, books: &mut Books) {
		if self.disk.commits() > before {
			books.of(request.proof.lane().channel).phantom += request.price;
		}
	}

	/// Serves a call, now or later.
	async fn serve(&mut self, job: Job, later: bool, books: &mut Books, network: &mut Network) {
		match self.running.as_mut().filter(|_| later) {
			Some(running) => running.jobs.push(job),
			None => self.finish(job, books, network).await,
		}
	}

	async fn finish(&mut self, job: Job, books: &mut Books, network: &mut Network) {
		let Job { reserved, request } = job;
		let before = self.disk.commits();
		let committed = match reserved {
			Reserved::Voucher(reservation) => reservation.commit().await.map(drop),
			Reserved::Tick(reservation) => reservation.commit().await,
		};
		match committed {
			Ok(()) => {
				let answer = self.served(&request, books);
				network.send(Message::Answer(request.call, answer));
			},
			Err(_) => self.came_to_nothing(&request, before, books),
		}
	}

	/// Ends the serving of a call: the answer is there, or the service has failed.
	pub async fn work(
		&mut self,
		nth: usize,
		fails: bool,
		books: &mut Books,
		network: &mut Network,
	) {
		let Some(running) = &mut self.running else { return };
		if running.jobs.is_empty() {
			return;
		}
		let job = running.jobs.remove(nth % running.jobs.len());
		match fails {
			true => {
				network.send(Message::Answer(job.request.call, refused("the service has failed")))
			},
			false => self.finish(job, books, network).await,
		}
	}

	/// Ends the serving of all calls.
	pub async fn work_all(&mut self, books: &mut Books, network: &mut Network) {
		while self.running.as_ref().is_some_and(|running| !running.jobs.is_empty()) {
			self.work(0, false, books, network).await;
		}
	}

	/// Settles all that is worth it.
	pub async fn settle(&self) {
		if let Some(running) = &self.running {
			// What fails is tried again.
			drop(running.settler.settle_now().await);
		}
	}

	/// Looks at channels that are due, and settles what could be lost.
	pub async fn look(&self) {
		if let Some(running) = &self.running {
			running.settler.run(ready(())).await;
		}
	}

	/// Agrees to a close.
	pub async fn consent(&mut self, id: ChannelId, books: &mut Books) -> Option<SignedConsent> {
		let payee = self.payee().cloned()?;
		let signed = payee.consent(&id, 200, &self.account).await.ok()?.ok()?;
		self.consents.insert(id, self.disk.commits());
		let account = books.of(id);
		account.consented = account.consented.max(Some(signed.consent.total));
		Some(signed)
	}
}

/// What a payer is told.
fn refusal(rejection: Rejection) -> Answer {
	match rejection {
		Rejection::Insufficient { last: Some(last), .. } => Answer::Used(last),
		other => refused(other),
	}
}

fn refused(why: impl ToString) -> Answer {
	Answer::Refused(why.to_string())
}
