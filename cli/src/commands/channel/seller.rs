//! What the payee has accepted, and what of it can still be claimed.

use crate::{
	context::{Context, STORE_PATIENCE},
	keys::KeyPair,
	output::Failure,
	settling::{open_vouchers, Till},
};
use std::{collections::HashMap, path::Path, sync::Arc};
use stoa_client::{
	chain::{to_hex, Chain, ChannelInfo, Phase, SubmitOptions},
	payee::{Payee, PayeeConfig, Record, Unsettled},
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	AssetId, Balance, BlockNumber,
};

/// What the payee `key` has accepted in an asset, brought up to date with the chain.
pub struct Seller {
	/// Submits, and adds up.
	pub till: Arc<Till>,
	/// What was accepted.
	pub payee: Payee,
}

/// What the payee claims when it ends a channel, and what it cannot claim any more.
#[derive(Debug, Default)]
pub struct LastClaims {
	/// In ascending order of lanes.
	pub items: Vec<Item>,
	/// Claims that the chain would not pay, whatever is done: lane, amount and why.
	pub lost: Vec<(u32, Balance, String)>,
}

impl Seller {
	/// Open the store, which must be there.
	///
	/// # Errors
	///
	/// When it is not there, is not this payee's, or chain or store cannot be read.
	pub async fn open(
		context: &Context,
		chain: &Chain,
		key: &KeyPair,
		asset: &AssetId,
		store: Option<&Path>,
	) -> Result<Self, Failure> {
		let account = key.account_id();
		let path = match store {
			Some(path) => path.to_path_buf(),
			None => context.payee_store(chain, &account, asset),
		};
		if !path.is_file() {
			return Err(Failure::new(
				format!("there is no store of vouchers at {}", path.display()),
				"name the one of your gateway with --store",
			));
		}
		let store = open_vouchers(context, chain, &path, STORE_PATIENCE, &account, asset).await?;
		// What was settled in the last seconds must be final before it is read, or it would be
		// claimed again. Where nothing becomes final any more, claiming twice does no harm.
		context.reaches_finality(chain).await?;
		let options = SubmitOptions::in_block();
		let format = context.format();
		let till = Till::new(chain.clone(), key.clone(), context.fees()?, options, format);
		let till = Arc::new(till);
		let payee =
			Payee::start(PayeeConfig::new(account, asset.clone()), store, till.clone()).await?;
		payee.refresh_all().await?;
		Ok(Self { till, payee })
	}

	/// What is left to claim of a channel before it ends.
	///
	/// # Errors
	///
	/// When nothing is known of the channel, or its velocity cap does not let all be claimed now.
	pub fn last_claims(&self, id: &ChannelId) -> Result<LastClaims, Failure> {
		let records = self.payee.records(id);
		if records.is_empty() {
			return Err(Failure::new(
				format!("the store has no voucher of channel {}", to_hex(id)),
				"name the one of your gateway with --store",
			));
		}
		let info = self.payee.channel(id).ok_or_else(|| {
			Failure::new(
				format!("the channel {} is not final yet", to_hex(id)),
				"try again in some seconds",
			)
		})?;
		let of = |claims: Vec<Unsettled>| -> Vec<Unsettled> {
			claims.into_iter().filter(|claim| claim.item.channel == *id).collect()
		};
		let (owed, payable) = (of(self.payee.unsettled()), of(self.payee.payable()));
		split(&info, &records, owed, payable, self.payee.best_block())
	}
}

/// Divides what is owed on a channel in block `now` into what the next block pays and what none does any
/// more. `payable` is what of it the velocity cap lets the next block pay.
fn split(
	info: &ChannelInfo,
	records: &[Record],
	owed: Vec<Unsettled>,
	payable: Vec<Unsettled>,
	now: BlockNumber,
) -> Result<LastClaims, Failure> {
	let records: HashMap<_, _> =
		records.iter().map(|record| (record.proof.lane().lane, record)).collect();
	let why = |claim: &Unsettled| {
		let record = records.get(&claim.item.lane)?;
		lost(info, record, claim.item.lane, now.saturating_add(1))
	};
	let mut last = LastClaims::default();
	let mut short = 0;
	for claim in owed {
		let lane = claim.item.lane;
		if let Some(why) = why(&claim) {
			last.lost.push((lane, claim.amount, why));
			continue;
		}
		let now = payable.iter().find(|other| other.item.lane == lane);
		short = short.max(claim.amount.saturating_sub(now.map_or(0, |claim| claim.amount)));
		last.items.push(claim.item);
	}
	match short {
		0 => Ok(last),
		_ => Err(Failure::new(
			format!("the velocity cap of channel {} leaves too little for now", to_hex(info.id)),
			"settle, and close it once all was settled",
		)),
	}
}

/// Why the chain pays nothing for a record in block `next` or later; `None` when it does.
fn lost(info: &ChannelInfo, record: &Record, lane: u32, next: BlockNumber) -> Option<String> {
	let valid_until = record.proof.valid_until();
	if valid_until != 0 && valid_until < next {
		return Some(format!("its voucher was valid up to block {valid_until}"));
	}
	if let Phase::Closing { ends } = info.phase {
		if ends <= next {
			return Some(format!("the grace period was over with block {ends}"));
		}
	}
	let revoked = info.changes.revoked.iter().find(|(of, _)| *of == lane);
	if let Some((_, from)) = revoked.filter(|(_, from)| *from <= next) {
		return Some(format!("the lane was revoked from block {from} on"));
	}
	let key = record.key.unwrap_or(info.key);
	match info.changes.key {
		_ if key == info.key => None,
		Some((before, until)) if before == key && until > next => None,
		Some((before, until)) if before == key => {
			Some(format!("its key was replaced and valid before block {until}"))
		},
		_ => Some("its key was replaced and is not valid any more".into()),
	}
}

#[cfg(test)]
mod tests {
	use super::{super::sample, *};
	use stoa_client::{
		chain::Changes,
		keys::{Scheme, VoucherKey},
		voucher::SignedVoucher,
	};
	use stoa_primitives::{
		payload::{Domain, Voucher},
		H256,
	};

	fn key(name: &str) -> VoucherKey {
		VoucherKey::from_uri(name, Scheme::Ed25519).unwrap()
	}

	fn info(changes: Changes, phase: Phase) -> ChannelInfo {
		ChannelInfo { key: key("//New").key(), lanes: 4, changes, phase, ..sample::channel() }
	}

	fn open(changes: Changes) -> ChannelInfo {
		info(changes, Phase::Open)
	}

	fn signed(by: &VoucherKey, lane: u32, valid_until: BlockNumber) -> SignedVoucher {
		let voucher = Voucher { channel: [9; 32], lane, cumulative: 100, valid_until };
		by.sign_voucher(voucher, &Domain::channels(H256::zero()))
	}

	fn record(by: &VoucherKey, lane: u32, valid_until: BlockNumber) -> Record {
		let proof = signed(by, lane, valid_until).into();
		Record { proof, key: Some(by.key()), earned: 100, request: [0; 32], count: 1 }
	}

	fn claim(record: &Record, amount: Balance) -> Unsettled {
		let (item, valid_until) = (record.proof.to_item(amount), record.proof.valid_until());
		Unsettled { item, amount, ends: None, valid_until }
	}

	#[test]
	fn claims_that_are_lost_should_be_named_and_the_others_made() {
		let (new, old, gone) = (key("//New"), key("//Old"), key("//Gone"));
		let records =
			[record(&new, 0, 0), record(&old, 1, 0), record(&gone, 2, 0), record(&new, 3, 99)];
		let claims: Vec<_> = records.iter().map(|record| claim(record, 100)).collect();
		let at = |changes: &Changes, now| {
			let info = open(changes.clone());
			split(&info, &records, claims.clone(), claims.clone(), now).unwrap()
		};
		let lanes = |last: &LastClaims| -> (Vec<u32>, Vec<u32>) {
			let lost = last.lost.iter().map(|(lane, ..)| *lane).collect();
			(last.items.iter().map(|item| item.lane).collect(), lost)
		};
		let changes = Changes { key: Some((old.key(), 120)), ..Changes::default() };
		// The voucher of lane 3 can still be in block 99, that of lane 1 in block 119.
		assert_eq!(lanes(&at(&changes, 98)), (vec![0, 1, 3], vec![2]));
		assert_eq!(lanes(&at(&changes, 99)), (vec![0, 1], vec![2, 3]));
		assert_eq!(lanes(&at(&changes, 118)), (vec![0, 1], vec![2, 3]));
		let last = at(&changes, 119);
		assert_eq!(lanes(&last), (vec![0], vec![1, 2, 3]));
		assert!(last.lost[0].2.contains("before block 120"), "{:?}", last.lost);
		assert!(last.lost[1].2.contains("not valid any more"), "{:?}", last.lost);
		assert!(last.lost[2].2.contains("up to block 99"), "{:?}", last.lost);
		assert!(last.lost.iter().all(|(_, amount, _)| *amount == 100));
		let revoked = Changes { revoked: vec![(0, 50)], ..changes };
		assert_eq!(lanes(&at(&revoked, 48)), (vec![0, 1, 3], vec![2]));
		assert_eq!(lanes(&at(&revoked, 49)), (vec![1, 3], vec![0, 2]));
	}

	#[test]
	fn nothing_should_be_claimed_when_the_grace_period_is_over() {
		let records = [record(&key("//New"), 0, 0)];
		let claims = vec![claim(&records[0], 100)];
		let closing = info(Changes::default(), Phase::Closing { ends: 100 });
		let at = |now| split(&closing, &records, claims.clone(), claims.clone(), now).unwrap();
		assert_eq!(at(98).items.len(), 1);
		let last = at(99);
		assert_eq!((last.items.len(), last.lost.len()), (0, 1));
		assert!(last.lost[0].2.contains("block 100"), "{:?}", last.lost);
	}

	#[test]
	fn a_channel_should_not_be_closed_when_its_cap_would_take_money() {
		let records = [record(&key("//New"), 0, 0), record(&key("//New"), 1, 0)];
		let owed: Vec<_> = records.iter().map(|record| claim(record, 100)).collect();
		let less = vec![claim(&records[0], 100), claim(&records[1], 60)];
		let info = open(Changes::default());
		for payable in [less, vec![claim(&records[0], 100)]] {
			let failure = split(&info, &records, owed.clone(), payable, 1).unwrap_err();
			assert!(failure.cause.contains("velocity cap"), "{failure}");
		}
		assert!(split(&info, &records, owed.clone(), owed, 1).is_ok());
	}
}
