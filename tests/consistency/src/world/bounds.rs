//! The bounds, and how all wounds are dressed before the last of them are checked.

use super::{issuance, World, MARGIN};
use crate::{
	agent::{MAX_PRICE, MAX_UNANSWERED, UNIT},
	chain::{Event, Fate, Sight},
	disk::Health,
	network::{Answer, Message},
};
use pallet_stoa_channels::Call as ChannelsCall;
use std::time::Duration;
use stoa_client::{
	chain::{ChannelInfo, Phase},
	payer::PayError,
};
use stoa_primitives::{
	channel::{ChannelId, MIN_GRACE},
	Balance,
};
use stoa_runtime::{Agents, Channels, Credits, FeeSplit, Referrals};

impl World {
	/// What must hold at any time.
	pub(super) fn check(&mut self) {
		self.hear();
		for (id, account) in &self.books.0 {
			for (lane, paid) in &account.paid {
				let signed = account.signed.get(lane).copied().unwrap_or(0);
				// What is agreed to at a close is part of no lane.
				assert!(*paid <= signed, "lane {lane} was paid {paid} of {signed} signed");
			}
			if self.honest.agent {
				let signed: Balance = account.signed.values().sum();
				let lanes = account.signed.len() as Balance;
				let lost = MAX_UNANSWERED + lanes * MAX_PRICE;
				let bound = account.answered + (1 + self.agent.rollbacks) * lost;
				assert!(signed <= bound, "signed {signed}, bound {bound}: {account:?} of {id:?}");
			}
		}
		self.note_read();
	}

	/// What the provider knows to be paid is not lost as long as it lives, whatever its disk knows.
	fn note_read(&mut self) {
		let Some(payee) = self.provider.payee() else { return };
		for (id, account) in &mut self.books.0 {
			let paid = payee.channel(id).map_or(0, |info| info.lane_settled.iter().sum());
			account.missing = account.missing.min(account.served.saturating_sub(paid));
		}
	}

	/// Takes note of what has become final.
	fn hear(&mut self) {
		for (_, event) in self.chain.take_news() {
			match event {
				Event::Opened { id, deposit, .. } | Event::ToppedUp { id, deposit, .. } => {
					self.books.of(id).deposit = deposit;
				},
				Event::Claimed { id, lane, amount, .. } => {
					*self.books.of(id).paid.entry(lane).or_default() += amount;
				},
				Event::Closed { id, paid, refunded, .. } => {
					let account = self.books.of(id);
					assert_eq!(paid + refunded, account.deposit);
					assert_eq!(account.ended.replace(paid), None, "a channel ends once");
				},
				_ => {},
			}
		}
	}

	/// Dresses all wounds.
	async fn heal(&mut self) {
		self.chain.set_fate(Fate::Final);
		for node in [&self.agent.node, &self.provider.node, &self.watch.node] {
			node.set(Sight::default());
		}
		self.agent.set_disk(Health::Good);
		self.provider.set_disk(Health::Good);
		self.restart().await;
		self.provider.work_all(&mut self.books, &mut self.network).await;
		for message in self.network.drain() {
			self.arrive(message, false).await;
		}
		self.agent.give_up_all();
		self.network.drain();
		self.advance(3).await;
		self.chain.finalize(usize::MAX);
		for id in self.agent.channels.clone() {
			self.agent.sync(id).await;
		}
		tokio::time::advance(Duration::from_secs(120)).await;
	}

	/// With everybody well and honest, a channel that can be paid on is paid on.
	async fn expect_service(&mut self) {
		for id in self.agent.channels.clone() {
			if self.books.of(id).disowned {
				continue;
			}
			for lane in 0..3 {
				self.expect_answer(id, lane).await;
			}
		}
	}

	async fn expect_answer(&mut self, id: ChannelId, lane: u32) {
		let Some(info) = self.chain.channel(&id) else { return };
		let usable = info.phase == Phase::Open
			&& lane < u32::from(info.lanes)
			&& info.changes.revoked.iter().all(|(revoked, _)| *revoked != lane);
		if !usable {
			return;
		}
		let before = self.books.of(id).answered;
		let called = self.agent.call(id, lane, UNIT, false, &mut self.books, &mut self.network);
		match called.await {
			// Its own limits, each of which it has set itself.
			Err(PayError::Refused(_)) => return,
			Err(error) => panic!("{error}"),
			Ok(()) => {},
		}
		let mut last = None;
		for _ in 0..8 {
			for message in self.network.drain() {
				if let Message::Answer(_, answer) = &message {
					last = Some(answer.clone());
				}
				self.arrive(message, false).await;
			}
		}
		let served = self.books.of(id).answered > before;
		self.agent.give_up_all();
		if served {
			return;
		}
		let payee = self.provider.payee().expect("it is up");
		let record = payee.records(&id);
		let said = format!("{last:?}; the channel {info:?}; what was accepted {record:?}");
		let excused = self.is_excused(&id, &info, last.as_ref());
		assert!(excused, "a call was not answered: {said}");
	}

	/// Whether the provider has a reason not to answer that it has given.
	fn is_excused(&self, id: &ChannelId, info: &ChannelInfo, last: Option<&Answer>) -> bool {
		let account = &self.books.0[id];
		// It has agreed to a close that may still be made.
		account.consented.is_some()
			// The agent's word is taken up to its own limit.
			|| matches!(last, Some(Answer::Used(_)))
			// What is not settled is bounded by the tighter of two caps.
			|| info.cap.is_some()
			|| info.changes.cap.is_some()
			// Calls that an earlier life of the agent made are part of the deposit.
			|| account.signed.values().sum::<Balance>() + UNIT > info.deposit
	}

	/// All wounds are dressed, all channels are closed, and the bounds are checked.
	pub(super) async fn end(mut self) {
		self.heal().await;
		if self.honest.agent && self.honest.provider {
			self.expect_service().await;
			self.check();
		}
		// Nothing that was announced may take effect without a watch.
		for id in self.agent.channels.clone() {
			self.submit(ChannelsCall::request_close { id });
		}
		self.advance(1).await;
		self.advance(MIN_GRACE + 2 * MARGIN).await;
		self.advance(2).await;
		self.chain.finalize(usize::MAX);
		self.check();
		self.judge();
		self.chain.read(|| {
			Agents::do_try_state().expect("agents");
			Credits::do_try_state().expect("credits");
			FeeSplit::do_try_state().expect("fee-split");
			Referrals::do_try_state().expect("referrals");
			Channels::do_try_state().expect("channels");
		});
		assert_eq!(self.chain.read(issuance), self.issued);
	}

	/// The bounds that hold when all is over.
	fn judge(&self) {
		for (id, account) in &self.books.0 {
			let Some(paid) = account.ended else {
				assert!(account.deposit == 0, "{id:?} has not ended: {account:?}");
				continue;
			};
			assert!(paid <= account.deposit);
			let lanes: Balance = account.paid.values().sum();
			assert!(paid <= lanes.max(account.consented.unwrap_or(0)), "{account:?}");
			if self.honest.agent {
				let signed: Balance = account.signed.values().sum();
				assert!(paid <= signed, "paid more than was signed: {account:?} of {id:?}");
			}
			if !self.honest.provider {
				continue;
			}
			assert!(paid <= account.served + account.phantom, "overpaid: {account:?}");
			if !account.disowned {
				assert!(paid + account.missing >= account.served, "lost: {account:?} of {id:?}");
			}
		}
	}
}
