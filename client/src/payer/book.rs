//! What the payer knows and stores of its channels.

use super::{
	budget::Spendings,
	machine::{Budgets, Commitment, LaneState, Policy, Signed, Terms},
};
use crate::{
	allowance::Allowance,
	chain::ChannelInfo,
	keys::VoucherKey,
	store::{Store, StoreError, Table, Write},
	ticks::TickChain,
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, DecodeAll, Encode};
use std::{
	collections::{HashMap, HashSet},
	sync::Arc,
};
use stoa_primitives::{
	channel::ChannelId, keys::Key, tick::MAX_TICKS, AccountId, AssetId, Balance, BlockNumber,
};

/// A channel, as it is stored.
#[derive(Clone, Debug, Decode, Encode)]
pub(super) enum ChannelRow {
	#[codec(index = 1)]
	V1 {
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
		key: Key,
		deposit: Balance,
		grace: BlockNumber,
		lanes: u16,
	},
	/// The first that knows of caps, of keys that were replaced, and of lanes that were revoked.
	#[codec(index = 2)]
	V2 {
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
		key: Key,
		retired: Option<Key>,
		deposit: Balance,
		limit: Balance,
		grace: BlockNumber,
		lanes: u16,
		revoked: Vec<u32>,
	},
	/// The first that knows a final block which has the channel.
	#[codec(index = 3)]
	V3 {
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
		key: Key,
		retired: Option<Key>,
		deposit: Balance,
		limit: Balance,
		grace: BlockNumber,
		lanes: u16,
		revoked: Vec<u32>,
		seen: Option<BlockNumber>,
	},
}

impl ChannelRow {
	pub(super) fn new(terms: Terms, info: &ChannelInfo, seen: Option<BlockNumber>) -> Self {
		let Terms { payee, asset, key, retired, deposit, limit, lanes, revoked, .. } = terms;
		let (payer, grace) = (info.payer.clone(), info.grace);
		Self::V3 { payer, payee, asset, key, retired, deposit, limit, grace, lanes, revoked, seen }
	}

	/// A final block that has the channel, if one is known.
	pub(super) fn seen(&self) -> Option<BlockNumber> {
		match self {
			Self::V1 { .. } | Self::V2 { .. } => None,
			Self::V3 { seen, .. } => *seen,
		}
	}

	pub(super) fn terms(&self, channel: ChannelId) -> Terms {
		match self.clone() {
			Self::V1 { payee, asset, key, deposit, lanes, .. } => Terms {
				channel,
				payee,
				asset,
				key,
				retired: None,
				deposit,
				limit: Balance::MAX,
				lanes,
				revoked: Vec::new(),
			},
			Self::V2 { payee, asset, key, retired, deposit, limit, lanes, revoked, .. }
			| Self::V3 { payee, asset, key, retired, deposit, limit, lanes, revoked, .. } => {
				Terms { channel, payee, asset, key, retired, deposit, limit, lanes, revoked }
			},
		}
	}
}

/// A lane, as it is stored.
#[derive(Clone, Debug, Decode, Encode)]
pub(super) enum LaneRow {
	#[codec(index = 1)]
	V1 { signed: Option<SignedVoucher>, acknowledged: Balance },
	#[codec(index = 2)]
	V2 { signed: Option<SignedVoucher>, acknowledged: Balance, unanswered: Balance },
	/// The first that may hold ticks.
	#[codec(index = 3)]
	V3 {
		signed: Option<Allowance>,
		acknowledged: Balance,
		unanswered: Balance,
		commitment: Option<Commitment>,
	},
}

impl LaneRow {
	pub(super) fn new(state: &LaneState) -> Self {
		let LaneState { signed, acknowledged, unanswered, commitment } = *state;
		Self::V3 { signed, acknowledged, unanswered, commitment }
	}

	fn state(self) -> LaneState {
		let voucher = |signed: Option<SignedVoucher>| signed.map(Allowance::Voucher);
		match self {
			Self::V1 { signed, acknowledged } => {
				LaneState { signed: voucher(signed), acknowledged, ..LaneState::default() }
			},
			Self::V2 { signed, acknowledged, unanswered } => {
				let signed = voucher(signed);
				LaneState { signed, acknowledged, unanswered, commitment: None }
			},
			Self::V3 { signed, acknowledged, unanswered, commitment } => {
				LaneState { signed, acknowledged, unanswered, commitment }
			},
		}
	}
}

pub(super) struct Channel {
	pub terms: Terms,
	pub lanes: HashMap<u32, LaneState>,
	/// What payments that are being written down will have signed: it counts for those beside them.
	pub pending: HashMap<u32, Balance>,
	/// Cleared when the chain says that the channel is closing or has ended.
	pub usable: bool,
	/// A final block that has the channel, if one is known.
	pub seen: Option<BlockNumber>,
}

impl Channel {
	pub(super) fn new(row: &ChannelRow, id: ChannelId) -> Self {
		let (lanes, pending) = (HashMap::new(), HashMap::new());
		Self { terms: row.terms(id), lanes, pending, usable: true, seen: row.seen() }
	}

	/// What was signed and what is used up on all lanes but one.
	fn amounts(&self, except: Option<u32>) -> impl Iterator<Item = (Balance, Balance)> + '_ {
		let pending = |lane: &u32| self.pending.get(lane).copied().unwrap_or(0);
		let known = self.lanes.iter().map(move |(lane, state)| {
			(*lane, state.signed_amount().max(pending(lane)), state.acknowledged)
		});
		let fresh = self.pending.iter().filter(|(lane, _)| !self.lanes.contains_key(lane));
		let fresh = fresh.map(|(lane, amount)| (*lane, *amount, 0));
		known
			.chain(fresh)
			.filter(move |(lane, ..)| Some(*lane) != except)
			.map(|(_, signed, used)| (signed, used))
	}

	/// What was signed on all lanes but one.
	pub(super) fn others(&self, lane: u32) -> Balance {
		self.amounts(Some(lane)).fold(0, |sum: Balance, (signed, _)| sum.saturating_add(signed))
	}

	/// What was signed and is not used up, on all lanes but one.
	fn in_flight(&self, except: Option<u32>) -> Balance {
		self.amounts(except)
			.fold(0, |sum: Balance, (signed, used)| sum.saturating_add(signed.saturating_sub(used)))
	}

	/// Whether what was sent on a lane and is not used up pays `price`.
	pub(super) fn has_unused(&self, lane: u32, price: Balance) -> bool {
		self.lanes.get(&lane).is_some_and(|state| state.in_flight() >= price)
	}
}

#[derive(Default)]
pub(super) struct Book {
	pub channels: HashMap<ChannelId, Channel>,
	pub keys: HashMap<[u8; Key::LEN], VoucherKey>,
	turns: HashMap<LaneKey, Arc<tokio::sync::Mutex<()>>>,
	/// Lanes whose last answer is not written down yet.
	pub unsaved: HashSet<LaneKey>,
	/// Hash chains that ticks were taken from of late.
	chains: HashMap<LaneKey, Arc<TickChain>>,
	/// The best block, as last heard of.
	pub now: BlockNumber,
	/// What was signed of late.
	spendings: Spendings,
}

impl Book {
	/// Reads the store.
	pub(super) fn load(store: &dyn Store) -> Result<Self, StoreError> {
		let mut book = Self { spendings: Spendings::load(store)?, ..Self::default() };
		for (key, value) in store.scan(Table::Channels)? {
			let malformed = || StoreError::Malformed(Table::Channels);
			let id = ChannelId::try_from(key.as_slice()).map_err(|_| malformed())?;
			let row = ChannelRow::decode_all(&mut value.as_slice()).map_err(|_| malformed())?;
			book.channels.insert(id, Channel::new(&row, id));
		}
		for (key, value) in store.scan(Table::Payer)? {
			let malformed = || StoreError::Malformed(Table::Payer);
			let lane = LaneKey::from_bytes(&key).ok_or_else(malformed)?;
			let row = LaneRow::decode_all(&mut value.as_slice()).map_err(|_| malformed())?;
			let state = row.state();
			// Walked whenever the chain is needed; none that was made here is longer.
			let commit = state.commitment.as_ref().map(|commitment| commitment.signed.commit);
			if commit.is_some_and(|commit| commit.count > MAX_TICKS) {
				return Err(malformed());
			}
			if let Some(channel) = book.channels.get_mut(&lane.channel) {
				channel.lanes.insert(lane.lane, state);
			}
		}
		Ok(book)
	}

	/// What was signed beside a lane of a channel, as far as the policy has limits for it. `now` is in
	/// seconds since 1970.
	pub(super) fn signed(&self, channel: &Channel, lane: u32, policy: &Policy, now: u64) -> Signed {
		let mut signed = Signed { channel: channel.others(lane), ..Signed::default() };
		let Terms { payee, asset, .. } = &channel.terms;
		if policy.max_in_flight < Balance::MAX {
			signed.in_flight = self.in_flight(channel, Some(lane));
		}
		if policy.budgets.is_limited() {
			self.spendings.read(payee, asset, now, &policy.budgets, &mut signed);
		}
		signed
	}

	/// What was signed and is not used up, on all channels to the payee of `of` in its asset, but for one
	/// lane of it.
	fn in_flight(&self, of: &Channel, except: Option<u32>) -> Balance {
		let same =
			|one: &&Channel| one.terms.payee == of.terms.payee && one.terms.asset == of.terms.asset;
		let channels = self.channels.values().filter(same);
		let own = |one: &Channel| one.terms.channel == of.terms.channel;
		let flying = channels.map(|one| one.in_flight(if own(one) { except } else { None }));
		flying.fold(0, Balance::saturating_add)
	}

	/// Whether `price` may be signed beside all that was, by the limits that do not depend on the lane.
	pub(super) fn has_room(
		&self,
		channel: &Channel,
		price: Balance,
		policy: &Policy,
		now: u64,
	) -> bool {
		let in_flight = match policy.max_in_flight {
			Balance::MAX => 0,
			_ => self.in_flight(channel, None),
		};
		let mut signed = Signed::default();
		let Budgets { per_payee, in_all, .. } = policy.budgets;
		if policy.budgets.is_limited() {
			let Terms { payee, asset, .. } = &channel.terms;
			self.spendings.read(payee, asset, now, &policy.budgets, &mut signed);
		}
		let rooms = [(policy.max_in_flight, in_flight), (per_payee, signed.payee)];
		let rooms = rooms.into_iter().chain([(in_all, signed.in_all)]);
		rooms.into_iter().all(|(limit, used)| price <= limit.saturating_sub(used))
	}

	/// Counts what is about to be signed for a payee, if the policy has budgets. Returns the row that has
	/// to be durable with it.
	pub(super) fn count(
		&mut self,
		to: &(AccountId, AssetId),
		amount: Balance,
		policy: &Policy,
		now: u64,
	) -> Option<Write> {
		(amount > 0 && policy.budgets.is_limited())
			.then(|| self.spendings.add(&to.0, &to.1, now, amount, &policy.budgets))
	}

	/// Takes back what [`Book::count`] has counted and what could not be written down.
	pub(super) fn take_back(&mut self, to: &(AccountId, AssetId), amount: Balance) {
		self.spendings.take_back(&to.0, &to.1, amount);
	}

	/// What no answer came for on a channel.
	pub(super) fn unanswered(&self, id: &ChannelId) -> Balance {
		self.channels.get(id).map_or(0, |channel| {
			channel.lanes.values().map(|lane| lane.unanswered).fold(0, Balance::saturating_add)
		})
	}

	/// What payments on a lane take turns by.
	pub(super) fn turn(&mut self, at: LaneKey) -> Arc<tokio::sync::Mutex<()>> {
		self.turns.entry(at).or_default().clone()
	}

	/// The hash chain of a commitment, computed again if it is not at hand.
	pub(super) fn chain(&mut self, commitment: &Commitment) -> Arc<TickChain> {
		let commit = &commitment.signed.commit;
		let at = commitment.signed.lane();
		match self.chains.get(&at).filter(|chain| chain.root() == commit.root) {
			Some(chain) => chain.clone(),
			None => {
				let chain = TickChain::new(commit.prefix, commitment.seed, commit.count);
				let chain = Arc::new(chain);
				self.chains.insert(at, chain.clone());
				chain
			},
		}
	}
}
