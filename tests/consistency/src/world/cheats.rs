//! What those do who do not keep to the rules.

use super::World;
use crate::{
	agent::{MAX_PRICE, UNIT},
	chain::Sight,
	input::Input,
	network::{Answer, Message, Request},
};
use pallet_stoa_channels::Call as ChannelsCall;
use stoa_client::{
	agreement::SignedConsent,
	allowance::Allowance,
	keys::VoucherKey,
	ticks::{SignedCommit, SignedTicks, TickChain},
	voucher::LaneKey,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	payload::{CloseConsent, TickCommit, Voucher},
	Balance,
};

impl World {
	pub(super) async fn cheat(&mut self, input: &mut Input<'_>) {
		if !self.honest.agent {
			self.cheat_provider(input);
		}
		if !self.honest.provider {
			self.cheat_agent(input).await;
		}
	}

	/// The agent presents something that it should not.
	fn cheat_provider(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		let key = input.pick(&self.agent.keys);
		let price = UNIT * (1 + input.below(3) as Balance);
		let kept: Vec<Allowance> = self.provider.hoard.values().copied().collect();
		let proof: Allowance = match input.below(4) {
			// What was used before, for something else.
			0 | 1 if !kept.is_empty() => input.pick(&kept),
			_ => {
				let cumulative = UNIT * input.below(24) as Balance;
				let valid_until = if input.chance(64) { self.best() + 100 } else { 0 };
				let lane = input.below(4) as u32;
				let voucher = Voucher { channel: id, lane, cumulative, valid_until };
				key.sign_voucher(voucher, &self.domain()).into()
			},
		};
		self.books.signs(&proof);
		let hash = [input.byte(); 32];
		self.network.send(Message::Request(Request { call: u64::MAX, proof, price, hash }));
	}

	/// The provider takes or says something that it should not.
	async fn cheat_agent(&mut self, input: &mut Input<'_>) {
		let kept: Vec<Allowance> = self.provider.hoard.values().copied().collect();
		if kept.is_empty() {
			return;
		}
		match input.below(3) {
			// All that was ever signed, whether it was served or not.
			0 => {
				let items: Vec<Item> =
					kept.iter().map(|proof| proof.to_item(Balance::MAX)).collect();
				let items = items.try_into().expect("there are few lanes");
				let call = ChannelsCall::settle_batch { items };
				self.chain.submit(&self.provider.account.account(), call);
			},
			// That a call was paid for before.
			1 => {
				let answer = Answer::Used(Box::new(input.pick(&kept)));
				let call = u64::from(input.byte());
				self.network.send(Message::Answer(call, answer));
			},
			_ => self.network.lose(input),
		}
	}

	/// Who cheats tries something that it has thought out; if nobody does, the agent is in a hurry.
	pub(super) async fn trick(&mut self, input: &mut Input<'_>) {
		if self.honest.agent && self.honest.provider {
			return self.rush(input).await;
		}
		if !self.honest.agent {
			self.trick_provider(input).await;
		}
		if !self.honest.provider {
			self.trick_agent(input).await;
		}
	}

	/// The agent pays with what is not there, or is not there any more.
	async fn trick_provider(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		let lane = input.below(3) as u32;
		let key = self.agent.keys[self.agent.keys.len() - 1].clone();
		match input.below(6) {
			// All lanes at once take what is left.
			0 => {
				let left = self.left(id).clamp(UNIT, MAX_PRICE);
				for lane in 0..3 {
					let amount = self.floor(id, lane) + left;
					self.pay(id, lane, amount, left, &key, true).await;
				}
			},
			// More than there is, perhaps.
			1 => {
				for lane in 0..3 {
					self.overdraw(input, id, lane, &key).await;
				}
			},
			// Two calls on one lane, and by whatever key.
			2 => {
				let (key, floor) = (input.pick(&self.agent.keys), self.floor(id, lane));
				self.pay(id, lane, floor + UNIT, UNIT, &key, true).await;
				self.pay(id, lane, floor + 2 * UNIT, UNIT, &key, true).await;
			},
			// What was settled, as if it were new.
			3 | 4 => {
				if input.chance(96) {
					let lag = 1 + input.below(5);
					self.provider.node.set(Sight { lag, down: false });
					self.go_to(self.best() + 100).await;
				}
				for lane in 0..3 {
					let settled = self.chain.channel(&id).map_or(0, |info| info.settled_on(lane));
					if settled > 0 {
						self.pay(id, lane, settled, UNIT, &key, input.chance(96)).await;
					}
				}
			},
			_ => self.pay_twice(input, id).await,
		}
	}

	/// The agent changes its channel, pays by that, and has the block taken back that has the change.
	async fn pay_twice(&mut self, input: &mut Input<'_>, id: ChannelId) {
		let mut key = self.agent.keys[self.agent.keys.len() - 1].clone();
		if input.chance(128) {
			key = self.new_key();
			self.submit(ChannelsCall::rotate_key { id, key: key.key() });
		} else {
			self.submit(ChannelsCall::top_up { id, amount: 10 * UNIT });
		}
		self.go_to(self.best() + 3).await;
		for lane in 0..3 {
			self.overdraw(input, id, lane, &key).await;
		}
		self.chain.revert(1);
		self.chain.drop_pool();
	}

	/// Pays for a call what the provider asks beyond what it has accepted, whatever the channel has. The call
	/// may be one of two that overtake each other.
	pub(super) async fn overdraw(
		&mut self,
		input: &mut Input<'_>,
		id: ChannelId,
		lane: u32,
		key: &VoucherKey,
	) {
		let price = UNIT * (1 + input.below(3) as Balance);
		let above = if input.chance(64) { UNIT } else { 0 };
		let (later, ticks) = (input.chance(160), input.chance(96));
		let amount = self.floor(id, lane) + above + price;
		match ticks {
			true => self.pay_by_tick(id, lane, amount, price, key, later).await,
			false => self.pay(id, lane, amount, price, key, later).await,
		}
	}

	/// What all lanes of a channel leave of its deposit.
	fn left(&self, id: ChannelId) -> Balance {
		let deposit = self.chain.channel(&id).map_or(0, |info| info.deposit);
		(0..3).fold(deposit, |left: Balance, lane| left.saturating_sub(self.floor(id, lane)))
	}

	/// Pays for a call by voucher, at once.
	pub(super) async fn pay_next(&mut self, id: ChannelId, lane: u32, key: &VoucherKey) {
		let amount = self.floor(id, lane) + UNIT;
		self.pay(id, lane, amount, UNIT, key, false).await;
	}

	/// What the provider has accepted or been paid on a lane.
	fn floor(&self, id: ChannelId, lane: u32) -> Balance {
		let record =
			self.provider.payee().and_then(|one| one.record(&LaneKey { channel: id, lane }));
		let settled = self.chain.channel(&id).map_or(0, |info| info.settled_on(lane));
		record.map_or(0, |record| record.proof.amount()).max(settled)
	}

	/// Pays by voucher.
	async fn pay(
		&mut self,
		id: ChannelId,
		lane: u32,
		cumulative: Balance,
		price: Balance,
		key: &VoucherKey,
		later: bool,
	) {
		let voucher = Voucher { channel: id, lane, cumulative, valid_until: 0 };
		let proof = key.sign_voucher(voucher, &self.domain()).into();
		self.present(proof, price, later).await;
	}

	/// Pays by a tick of a new commitment.
	async fn pay_by_tick(
		&mut self,
		id: ChannelId,
		lane: u32,
		amount: Balance,
		price: Balance,
		key: &VoucherKey,
		later: bool,
	) {
		self.tricks += 1;
		let number = self.tricks.to_le_bytes();
		let (mut prefix, mut seed) = ([1; 16], [1; 32]);
		prefix[..8].copy_from_slice(&number);
		seed[..8].copy_from_slice(&number);
		let chain = TickChain::new(prefix, seed, 4);
		let commit = TickCommit {
			channel: id,
			lane,
			base: amount - price,
			value: UNIT,
			count: 4,
			prefix,
			root: chain.root(),
			valid_until: 0,
		};
		let signed = SignedCommit::sign(commit, key, &self.domain());
		let index = (price / UNIT) as u32;
		let tick = chain.tick(index).expect("no call costs more");
		self.present(SignedTicks { signed, index, tick }.into(), price, later).await;
	}

	/// Shows the provider something that pays for a new call.
	async fn present(&mut self, proof: Allowance, price: Balance, later: bool) {
		self.tricks += 1;
		let hash = sp_crypto_hashing::blake2_256(&(u64::MAX - self.tricks).to_le_bytes());
		self.books.signs(&proof);
		let request = Request { call: u64::MAX, proof, price, hash };
		self.arrive(Message::Request(request), later).await;
	}

	/// The provider takes what it has not earned, or says what is not so.
	async fn trick_agent(&mut self, input: &mut Input<'_>) {
		let id = self.channel(input);
		let lane = input.below(3) as u32;
		match input.below(6) {
			0 => self.agree_to_too_much(input, id).await,
			1 => self.mix_ticks(id),
			// It settles what it does not answer.
			2 | 3 => {
				let Some(request) = self.ask(input, id, lane).await else { return };
				self.provider.remember(&request);
				let items = vec![request.proof.to_item(Balance::MAX)];
				self.claim(items);
				self.go_to(self.best() + 1).await;
				self.chain.finalize(usize::MAX);
				self.agent.give_up_all();
				self.agent.sync(id).await;
			},
			// It says that the payment is used up, or one that was never made.
			how => {
				let Some(request) = self.ask(input, id, lane).await else { return };
				self.provider.remember(&request);
				let at = request.proof.lane();
				let statement = match how {
					4 => self.provider.hoard.get(&at).copied().unwrap_or(request.proof),
					_ => {
						let cumulative = request.proof.amount() + UNIT * input.below(4) as Balance;
						let LaneKey { channel, lane } = at;
						let voucher = Voucher { channel, lane, cumulative, valid_until: 0 };
						crate::agent::voucher_key(usize::MAX)
							.sign_voucher(voucher, &self.domain())
							.into()
					},
				};
				let answer = Answer::Used(Box::new(statement));
				self.arrive(Message::Answer(request.call, answer), false).await;
			},
		}
	}

	/// The agent calls on a lane; the provider has the request.
	async fn ask(&mut self, input: &mut Input<'_>, id: ChannelId, lane: u32) -> Option<Request> {
		let price = UNIT * (1 + input.below(3) as Balance);
		let ticks = input.chance(96);
		// It may have reasons not to.
		drop(self.agent.call(id, lane, price, ticks, &mut self.books, &mut self.network).await);
		self.network.take_request()
	}

	/// The provider signs a close for more than it was paid; the agent makes it if it agrees.
	async fn agree_to_too_much(&mut self, input: &mut Input<'_>, id: ChannelId) {
		let own = self.provider.hoard.iter().filter(|(at, _)| at.channel == id);
		let signed: Balance = own.map(|(_, proof)| proof.amount()).sum();
		let total = signed + UNIT * (1 + input.below(8) as Balance);
		let consent = CloseConsent { channel: id, total, expires: self.best() + 200 };
		let signed = SignedConsent::sign(consent, &self.provider.account, &self.domain());
		let account = self.books.of(id);
		account.consented = account.consented.max(Some(total));
		self.use_consent(signed).await;
	}

	/// The provider looks for commitments with the same hash chain, and claims by the later one what the
	/// earlier one has revealed.
	fn mix_ticks(&self, id: ChannelId) {
		let own = self.provider.ticks.iter().filter(|ticks| ticks.signed.commit.channel == id);
		let own: Vec<SignedTicks> = own.copied().collect();
		let mixed = own.iter().flat_map(|a| own.iter().map(move |b| (a, b))).find_map(|(a, b)| {
			let same = a.signed.commit.root == b.signed.commit.root
				&& a.signed.commit.lane == b.signed.commit.lane;
			(same && a.signed.commit.base < b.signed.commit.base && a.index > b.index)
				.then_some(SignedTicks { signed: b.signed, ..*a })
		});
		if let Some(mixed) = mixed {
			self.claim(vec![mixed.to_item(Balance::MAX)]);
		}
	}

	/// Sends what the provider wants to be paid.
	fn claim(&self, items: Vec<Item>) {
		let items = items.try_into().expect("there are few lanes");
		let call = ChannelsCall::settle_batch { items };
		self.chain.submit(&self.provider.account.account(), call);
	}
}
