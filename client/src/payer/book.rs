//! What the payer knows and stores of its channels.

use super::machine::{Commitment, LaneState, Terms};
use crate::{
	allowance::Allowance,
	chain::ChannelInfo,
	keys::VoucherKey,
	store::{Store, StoreError, Table},
	ticks::TickChain,
	voucher::{LaneKey, SignedVoucher},
};
use codec::{Decode, Encode};
use std::{
	collections::{HashMap, HashSet},
	sync::Arc,
};
use stoa_primitives::{channel::ChannelId, keys::Key, AccountId, AssetId, Balance, BlockNumber};

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
}

impl ChannelRow {
	pub(super) fn new(terms: Terms, info: &ChannelInfo) -> Self {
		let Terms { payee, asset, key, retired, deposit, limit, lanes, revoked, .. } = terms;
		let (payer, grace) = (info.payer.clone(), info.grace);
		Self::V2 { payer, payee, asset, key, retired, deposit, limit, grace, lanes, revoked }
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
			Self::V2 { payee, asset, key, retired, deposit, limit, lanes, revoked, .. } => {
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
}

impl Channel {
	pub(super) fn new(terms: Terms) -> Self {
		Self { terms, lanes: HashMap::new(), pending: HashMap::new(), usable: true }
	}

	/// What was signed on all lanes but one.
	pub(super) fn others(&self, lane: u32) -> Balance {
		let pending = |lane: &u32| self.pending.get(lane).copied().unwrap_or(0);
		let lanes = self.lanes.iter().filter(|(other, _)| **other != lane);
		let signed = lanes.map(|(lane, state)| state.signed_amount().max(pending(lane)));
		let fresh = self
			.pending
			.iter()
			.filter(|(other, _)| **other != lane && !self.lanes.contains_key(other));
		signed.chain(fresh.map(|(_, amount)| *amount)).fold(0, Balance::saturating_add)
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
}

impl Book {
	/// Reads the store.
	pub(super) fn load(store: &dyn Store) -> Result<Self, StoreError> {
		let mut book = Self::default();
		for (key, value) in store.scan(Table::Channels)? {
			let malformed = || StoreError::Malformed(Table::Channels);
			let id = ChannelId::try_from(key.as_slice()).map_err(|_| malformed())?;
			let row = ChannelRow::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			book.channels.insert(id, Channel::new(row.terms(id)));
		}
		for (key, value) in store.scan(Table::Payer)? {
			let malformed = || StoreError::Malformed(Table::Payer);
			let lane = LaneKey::from_bytes(&key).ok_or_else(malformed)?;
			let row = LaneRow::decode(&mut value.as_slice()).map_err(|_| malformed())?;
			if let Some(channel) = book.channels.get_mut(&lane.channel) {
				channel.lanes.insert(lane.lane, row.state());
			}
		}
		Ok(book)
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
