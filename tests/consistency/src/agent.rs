//! The agent: the payer's machine on a disk, and what drives it.

use crate::{
	books::Books,
	chain::Node,
	disk::{Disk, Health},
	network::{Answer, Message, Network, Request},
};
use sp_crypto_hashing::blake2_256;
use std::{collections::BTreeMap, sync::Arc};
use stoa_client::{
	allowance::Allowance,
	chain::{At, ChainView},
	keys::{AccountKey, VoucherKey},
	payer::recovery::Payees,
	payer::{PayError, Payer, Payment, Policy, TickTerms},
	payment::ChannelProof,
};
use stoa_primitives::{channel::ChannelId, Balance};

/// The price of the cheapest call; all prices are multiples of it.
pub const UNIT: Balance = 1_000;
/// The price of the dearest call.
pub const MAX_PRICE: Balance = 3 * UNIT;
/// What may go unanswered on a channel.
pub const MAX_UNANSWERED: Balance = 3 * MAX_PRICE;

/// A call under way.
struct Call {
	payment: Payment,
	price: Balance,
	hash: [u8; 32],
}

/// An agent that pays.
pub struct Agent {
	/// Its account.
	pub account: AccountKey,
	/// The keys that it has signed with, the present one last.
	pub keys: Vec<VoucherKey>,
	/// Its node.
	pub node: Node,
	/// Its disk.
	pub disk: Disk,
	/// Its channels, the latest last.
	pub channels: Vec<ChannelId>,
	/// How often its disk was put back to an earlier state.
	pub rollbacks: Balance,
	payer: Option<Payer>,
	calls: BTreeMap<u64, Call>,
	next: u64,
}

/// A voucher key.
pub fn voucher_key(n: usize) -> VoucherKey {
	let scheme = stoa_client::keys::Scheme::Ed25519;
	VoucherKey::from_uri(&format!("//Voucher//{n}"), scheme).expect("a good URI")
}

impl Agent {
	/// An agent that has no channel yet.
	pub fn new(account: AccountKey, node: Node) -> Self {
		let mut agent = Self {
			account,
			keys: vec![voucher_key(0)],
			node,
			disk: Disk::default(),
			channels: Vec::new(),
			rollbacks: 0,
			payer: None,
			calls: BTreeMap::new(),
			next: 0,
		};
		agent.start();
		agent
	}

	/// Starts from what is on the disk, if it is down.
	pub fn start(&mut self) {
		if self.payer.is_some() {
			return;
		}
		let policy = Policy { max_unanswered: MAX_UNANSWERED, ..Policy::per_call(MAX_PRICE) };
		let store = Arc::new(self.disk.clone());
		// A disk that fails just now is tried again later.
		let Ok(payer) = Payer::new(store, self.node.genesis(), policy) else { return };
		for key in &self.keys {
			payer.add_key(key.clone());
		}
		self.payer = Some(payer);
	}

	/// Dies, and finds on its disk what was there `back` commits ago.
	pub fn crash(&mut self, back: usize) {
		let (disk, missing) = self.disk.crash(back);
		self.disk = disk;
		self.rollbacks += Balance::from(missing > 0);
		self.calls.clear();
		self.payer = None;
	}

	/// What the disk does from now on.
	pub fn set_disk(&self, health: Health) {
		self.disk.set(health);
	}

	/// Its machine, while it is up.
	pub fn payer(&self) -> Option<&Payer> {
		self.payer.as_ref()
	}

	/// Whether an answer is awaited on a lane.
	fn is_busy(&self, id: &ChannelId, lane: u32) -> bool {
		let mut lanes = self.calls.values().map(|call| call.payment.lane());
		lanes.any(|at| at.channel == *id && at.lane == lane)
	}

	/// Reads a channel and takes over what the chain says of it.
	pub async fn sync(&mut self, id: ChannelId) {
		let Some(payer) = &self.payer else { return };
		let node = &self.node;
		let (Ok(now), Ok(info)) =
			(node.block(At::Best).await, node.channel(id, At::Finalized).await)
		else {
			return;
		};
		payer.note_block(now.number);
		match info {
			Some(info) => {
				let key = self.keys.iter().find(|key| key.key() == info.key).cloned();
				let busy = (0..u32::from(info.lanes)).any(|lane| self.is_busy(&id, lane));
				match key.filter(|_| !busy) {
					// A disk that fails leaves it as it was.
					Some(key) => drop(payer.add_channel(&info, key).await),
					None => payer.observe(&id, Some(&info)),
				}
			},
			None => payer.observe(&id, None),
		}
	}

	/// Calls the provider and pays on a lane that is free; says why if it does not.
	pub async fn call(
		&mut self,
		id: ChannelId,
		lane: u32,
		price: Balance,
		ticks: bool,
		books: &mut Books,
		network: &mut Network,
	) -> Result<(), PayError> {
		if self.is_busy(&id, lane) {
			return Ok(());
		}
		let Some(payer) = self.payer.clone() else { return Ok(()) };
		let payment = match ticks {
			true => payer.pay_tick(&id, lane, price, TickTerms { value: UNIT, count: 24 }).await?,
			false => payer.pay(&id, lane, price).await?,
		};
		self.next += 1;
		let hash = blake2_256(&self.next.to_le_bytes());
		let call = Call { payment, price, hash };
		send(self.next, &call, books, network);
		self.calls.insert(self.next, call);
		Ok(())
	}

	/// Sends a request once more.
	pub fn repeat(&self, nth: usize, books: &mut Books, network: &mut Network) {
		if let Some((number, call)) = self.calls.iter().nth(nth) {
			send(*number, call, books, network);
		}
	}

	/// Waits no longer for an answer.
	pub fn give_up(&mut self, nth: usize) {
		let number = self.calls.keys().nth(nth).copied();
		number.and_then(|number| self.calls.remove(&number));
	}

	/// Waits no longer for any answer.
	pub fn give_up_all(&mut self) {
		self.calls.clear();
	}

	/// Takes an answer. Returns whether it was one that was awaited, with a receipt.
	pub async fn take(
		&mut self,
		number: u64,
		answer: Answer,
		books: &mut Books,
		network: &mut Network,
	) -> bool {
		let Some(call) = self.calls.remove(&number) else { return false };
		match answer {
			Answer::Served(amount) if amount == call.payment.proof().amount() => {
				books.of(call.payment.lane().channel).answered += call.price;
				call.payment.acknowledge();
				true
			},
			// A receipt for another payment: this one is still awaited.
			Answer::Served(_) | Answer::Consent(_) => {
				self.calls.insert(number, call);
				false
			},
			Answer::Refused(_) => false,
			Answer::Used(statement) => {
				let Call { payment, price, hash } = call;
				if let Ok(payment) = payment.correct(&statement).await {
					let call = Call { payment, price, hash };
					send(number, &call, books, network);
					self.calls.insert(number, call);
				}
				false
			},
		}
	}

	/// Finds its channels again with the keys that it has, and asks the provider what was signed.
	pub async fn recover(&mut self, payees: &dyn Payees) {
		let Some(payer) = self.payer.clone() else { return };
		if !self.calls.is_empty() {
			return;
		}
		let account = self.account.account();
		for key in self.keys.clone() {
			// What cannot be reached is found again later.
			drop(payer.recover(&account, &key, &self.node, payees, 0).await);
		}
	}
}

fn send(call: u64, of: &Call, books: &mut Books, network: &mut Network) {
	let proof = *of.payment.proof();
	books.signs(&proof);
	network.send(Message::Request(Request { call, proof, price: of.price, hash: of.hash }));
}

/// A provider that shows its highest proofs.
pub struct Shown(pub Vec<Allowance>);

impl Payees for Shown {
	fn highest(
		&self,
		_: stoa_primitives::AccountId,
		proof: ChannelProof,
	) -> futures::future::BoxFuture<'_, Result<Vec<Allowance>, String>> {
		let ours = self.0.iter().filter(|shown| shown.lane().channel == proof.channel).copied();
		Box::pin(std::future::ready(Ok(ours.collect())))
	}
}
