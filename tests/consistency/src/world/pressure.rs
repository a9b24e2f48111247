//! Steps that bring about what seldom comes about by itself.

use super::{World, MARGIN};
use crate::{agent::UNIT, chain::Sight, disk::Health, input::Input};
use pallet_stoa_channels::Call as ChannelsCall;
use stoa_client::{
	agreement::SignedConsent,
	chain::{At, ChainView},
};
use stoa_primitives::{
	channel::{Cap, ChannelId},
	keys::AgentSignature,
	Balance, BlockNumber,
};

impl World {
	/// The agent calls on all lanes of a channel at once, and all that arrives.
	pub(super) async fn rush(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		let (later, ticks) = (input.chance(160), input.chance(96));
		for lane in 0..3 {
			let price = UNIT * (1 + input.below(3) as Balance);
			self.call_now(id, lane, price, ticks, later).await;
		}
	}

	/// The agent calls, and the request arrives at once.
	async fn call_now(
		&mut self,
		id: ChannelId,
		lane: u32,
		price: Balance,
		ticks: bool,
		later: bool,
	) {
		// What is refused is checked at the end, when there is no reason for it.
		drop(self.agent.call(id, lane, price, ticks, &mut self.books, &mut self.network).await);
		if let Some(message) = self.network.take_last() {
			self.arrive(message, later).await;
		}
	}

	/// Somebody dies and is back at once, perhaps with an older disk.
	pub(super) async fn reboot(&mut self, input: &mut Input<'_>) {
		let who = input.below(3);
		let back = if input.chance(96) { 1 + input.below(6) } else { 0 };
		match who {
			0 => {
				// Its bound grows with each older disk.
				self.agent.crash(if input.chance(64) { back } else { 0 });
				self.agent.start();
			},
			_ => {
				if input.chance(96) {
					self.provider.settle().await;
				}
				self.provider.crash(back, &mut self.books);
				self.provider.start().await;
				if input.chance(128) {
					self.provider.look().await;
				}
			},
		}
	}

	/// The disk of one side fails while the agent is in a hurry, and perhaps its process dies of it.
	pub(super) async fn hiccup(&mut self, input: &mut Input<'_>) {
		let health = [Health::Full, Health::Full, Health::Lying][input.below(3)];
		let (agent, dies) = (input.chance(128), input.chance(96));
		match agent {
			true => self.agent.set_disk(health),
			false => self.provider.set_disk(health),
		}
		self.rush(input).await;
		match (agent, dies) {
			(true, true) => self.agent.crash(0),
			(false, true) => self.provider.crash(0, &mut self.books),
			_ => {},
		}
		self.agent.set_disk(Health::Good);
		self.provider.set_disk(Health::Good);
		self.restart().await;
	}

	/// The agent sets a cap, mostly a tight one that lasts.
	pub(super) fn tighten(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		let per_window = UNIT * [3, 4, 8, 100][input.below(4)];
		let window = [7, 90, 1_000, 5_000][input.below(4)];
		self.submit(ChannelsCall::set_cap { id, cap: Some(Cap { per_window, window }) });
	}

	/// The provider agrees to a close, or the agent makes one to which it has agreed before.
	pub(super) async fn agree(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		if input.chance(96) && !self.agreed.is_empty() {
			let signed = self.agreed.remove(0);
			return self.use_consent(signed).await;
		}
		if let Some(signed) = self.provider.consent(id, &mut self.books).await {
			self.agreed.push(signed);
			if input.chance(64) {
				self.provider.crash(0, &mut self.books);
				self.provider.start().await;
			}
		}
	}

	/// The agent makes a close to which the provider has agreed.
	pub(super) async fn use_consent(&mut self, signed: SignedConsent) {
		let id = signed.consent.channel;
		let (Ok(now), Ok(Some(info))) =
			(self.agent.node.block(At::Best).await, self.agent.node.channel(id, At::Best).await)
		else {
			return;
		};
		let payer = self.agent.payer();
		let agrees = payer.is_some_and(|payer| payer.check_consent(&signed, &info, now).is_ok());
		if self.honest.agent && !agrees {
			return;
		}
		let (total, expires) = (signed.consent.total, signed.consent.expires);
		let signature = AgentSignature::Account(signed.signature);
		self.submit(ChannelsCall::close_with_consent { id, total, expires, signature });
	}

	/// The provider has just been online, for as long as that takes: whatever is paid from now on to block
	/// `at` is settled after it.
	pub(super) async fn last_calls(&mut self, at: BlockNumber, since: BlockNumber) {
		if self.best() < since.saturating_add(MARGIN / 2) || self.provider.payee().is_none() {
			return;
		}
		self.provider.node.set(Sight::default());
		for id in self.agent.channels.clone() {
			for lane in 0..3 {
				match self.honest.agent {
					true => self.call_now(id, lane, UNIT, false, false).await,
					false => {
						let keys = self.agent.keys.clone();
						for key in keys.iter().rev().take(2) {
							self.pay_next(id, lane, key).await;
						}
					},
				}
			}
		}
		self.agent.give_up_all();
		debug_assert!(self.best() < at);
	}
}
