//! What really happened, by which the actors are judged: they never see it.

use std::collections::BTreeMap;
use stoa_client::allowance::Allowance;
use stoa_primitives::{channel::ChannelId, Balance};

/// What is known of one channel by somebody who sees everything.
#[derive(Clone, Debug, Default)]
pub struct Account {
	/// The most that was ever signed or revealed on each lane.
	pub signed: BTreeMap<u32, Balance>,
	/// The prices of calls to which an answer has arrived.
	pub answered: Balance,
	/// The prices of calls that the provider has served.
	pub served: Balance,
	/// The prices of calls that were not served although they are on the provider's disk.
	pub phantom: Balance,
	/// What the provider had served that a restored disk does not know of.
	pub forgotten: Balance,
	/// How much of that it has not learnt from the chain in its present life.
	pub missing: Balance,
	/// Whether the provider's disk was put back to before an agreement to close.
	pub disowned: bool,
	/// What the chain has paid on each lane, in final blocks.
	pub paid: BTreeMap<u32, Balance>,
	/// All that was paid when it ended, once that is final.
	pub ended: Option<Balance>,
	/// The largest deposit, in final blocks.
	pub deposit: Balance,
	/// The largest total that the provider has agreed to close with, if it has.
	pub consented: Option<Balance>,
}

/// The accounts of all channels.
#[derive(Clone, Debug, Default)]
pub struct Books(pub BTreeMap<ChannelId, Account>);

impl Books {
	/// The account of a channel.
	pub fn of(&mut self, id: ChannelId) -> &mut Account {
		self.0.entry(id).or_default()
	}

	/// Somebody who holds the key has made this.
	pub fn signs(&mut self, proof: &Allowance) {
		let at = proof.lane();
		let most = self.of(at.channel).signed.entry(at.lane).or_default();
		*most = proof.amount().max(*most);
	}

	/// What the provider has served so far, by channel.
	pub fn served(&self) -> BTreeMap<ChannelId, Balance> {
		self.0.iter().map(|(id, account)| (*id, account.served)).collect()
	}
}
