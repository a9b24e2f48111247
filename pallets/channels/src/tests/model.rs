//! All calls, with time, against a reference model in plain Rust.

use super::*;
use proptest::prelude::*;
use sp_core::Pair;
use std::collections::BTreeMap;
use stoa_primitives::{channel::channel_id, money::Schedule, AssetId, BlockNumber};

const PAYERS: [AccountId; 3] = [PAYER, PAYER2, AGENT];
const PAYEES: [AccountId; 2] = [PAYEE, PAYEE2];
const EVERYONE: [AccountId; 7] = [PAYER, PAYER2, AGENT, PAYEE, PAYEE2, OPERATOR, STRANGER];
const ASSETS: [AssetId; 2] = [USD, STOA];
const GRACES: [BlockNumber; 3] = [MIN_GRACE, MIN_GRACE + 7, MIN_GRACE - 1];

/// An item of a channel, see [`Model::id`].
#[derive(Clone, Copy, Debug)]
struct Claim {
	channel: usize,
	/// Beyond what was paid, or from zero.
	beyond: bool,
	amount: Balance,
	/// Less or more than the voucher.
	capture: Option<i8>,
	/// Last block, from now.
	valid_for: Option<i8>,
	forged: bool,
}

/// `by` is one of everybody, or whom the call is for.
#[derive(Clone, Debug)]
enum Op {
	Open { payer: usize, payee: usize, asset: usize, deposit: Balance, grace: usize },
	TopUp { by: Option<usize>, channel: usize, amount: Balance },
	Settle { by: Option<usize>, claims: Vec<Claim> },
	RequestClose { by: Option<usize>, channel: usize },
	CancelClose { by: Option<usize>, channel: usize },
	Close { by: Option<usize>, channel: usize, last: Option<Claim> },
	Finalize { channels: Vec<usize> },
	Wait { blocks: BlockNumber },
}

fn claim() -> impl Strategy<Value = Claim> {
	(
		0..20usize,
		prop::bool::weighted(0.8),
		prop_oneof![8 => 0..60u128, 1 => Just(REFUSED_GROSS)],
		prop::option::weighted(0.3, -40..3i8),
		prop::option::weighted(0.3, -2..20i8),
		prop::bool::weighted(0.1),
	)
		.prop_map(|(channel, beyond, amount, capture, valid_for, forged)| Claim {
			channel,
			beyond,
			amount,
			capture,
			valid_for,
			forged,
		})
}

fn op() -> impl Strategy<Value = Op> {
	let by = || prop::option::weighted(0.2, 0..EVERYONE.len());
	let channel = || 0..20usize;
	let payee = prop_oneof![3 => Just(0usize), 1 => Just(1)];
	let grace = prop_oneof![9 => 0..2usize, 1 => Just(2)];
	prop_oneof![
		4 => (0..3usize, payee, 0..2usize, 0..200u128, grace).prop_map(
			|(payer, payee, asset, deposit, grace)| {
				Op::Open { payer, payee, asset, deposit, grace }
			}
		),
		1 => (by(), channel(), 0..50u128)
			.prop_map(|(by, channel, amount)| Op::TopUp { by, channel, amount }),
		6 => (by(), prop::collection::vec(claim(), 0..6))
			.prop_map(|(by, claims)| Op::Settle { by, claims }),
		4 => (by(), channel()).prop_map(|(by, channel)| Op::RequestClose { by, channel }),
		1 => (by(), channel()).prop_map(|(by, channel)| Op::CancelClose { by, channel }),
		1 => (by(), channel(), prop::option::of(claim()))
			.prop_map(|(by, channel, last)| Op::Close { by, channel, last }),
		3 => prop::collection::vec(channel(), 0..4).prop_map(|channels| Op::Finalize { channels }),
		4 => prop_oneof![1..20u32, Just(MIN_GRACE - 1), Just(MIN_GRACE / 2), Just(MIN_GRACE)]
			.prop_map(|blocks| Op::Wait { blocks }),
	]
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
	payer: AccountId,
	payee: AccountId,
	asset: AssetId,
	deposit: Balance,
	paid: Balance,
	grace: BlockNumber,
	ends: Option<BlockNumber>,
	/// Who put up the deposit has requested the close.
	sponsor_closes: bool,
	depositor: AccountId,
}

/// What the pallet should do, said in the simplest way.
#[derive(Default)]
struct Model {
	now: BlockNumber,
	free: BTreeMap<(AccountId, AssetId), Balance>,
	rows: BTreeMap<ChannelId, Row>,
	/// Every id that ever was, in order.
	created: Vec<ChannelId>,
	/// Channels ever opened by a pair, and who paid for the pair.
	pairs: BTreeMap<(AccountId, AccountId), (u64, AccountId)>,
	/// The highest genuine voucher ever made for a channel.
	promised: BTreeMap<ChannelId, Balance>,
}

type Outcome = Result<(), DispatchError>;

fn is(error: Error<Test>) -> Outcome {
	Err(error.into())
}

impl Model {
	/// One of the channels that there are, mostly; else one that has ended, or none.
	fn id(&self, index: usize) -> ChannelId {
		let (live, ended): (Vec<_>, Vec<_>) =
			self.created.iter().partition(|id| self.rows.contains_key(*id));
		match index {
			19 => ended.last().copied().unwrap_or(NOWHERE),
			18 => NOWHERE,
			_ if live.is_empty() => NOWHERE,
			_ => live[index % live.len()],
		}
	}

	/// `by`, or the party that `of` names of the channel.
	fn party(&self, by: Option<usize>, id: ChannelId, of: fn(&Row) -> &AccountId) -> AccountId {
		match (by, self.rows.get(&id)) {
			(None, Some(row)) => of(row).clone(),
			(by, _) => EVERYONE[by.unwrap_or(0)].clone(),
		}
	}

	fn purse(&mut self, who: &AccountId, asset: &AssetId) -> &mut Balance {
		self.free.entry((who.clone(), asset.clone())).or_default()
	}

	fn item(&mut self, claim: Claim, channel: ChannelId) -> Item {
		let paid = self.rows.get(&channel).map_or(0, |row| row.paid);
		let cumulative = if claim.beyond { paid + claim.amount } else { claim.amount };
		let valid_until = claim
			.valid_for
			.map_or(0, |blocks| self.now.saturating_add_signed(i32::from(blocks)).max(1));
		let voucher = Voucher { channel, lane: 0, cumulative, valid_until };
		let item = if claim.forged {
			item_with(voucher, KeySignature::Ed25519(pair().sign(b"forged").0))
		} else {
			let promised = self.promised.entry(channel).or_default();
			*promised = cumulative.max(*promised);
			item_of(voucher)
		};
		let capture = claim.capture.map(|by| cumulative.saturating_add_signed(i128::from(by)));
		Item { capture, ..item }
	}

	fn open(
		&mut self,
		payer: &AccountId,
		payee: &AccountId,
		asset: &AssetId,
		deposit: Balance,
		grace: BlockNumber,
	) -> Outcome {
		if deposit == 0 {
			return is(Error::ZeroAmount);
		}
		if grace < MIN_GRACE {
			return is(Error::GraceOutOfBounds);
		}
		if *self.purse(payer, asset) < deposit {
			return Err(DispatchError::Other("credits"));
		}
		let depositor = if *payer == AGENT { OPERATOR } else { payer.clone() };
		let sponsored = |row: &&Row| row.depositor != row.payer;
		if depositor != *payer && self.rows.values().filter(sponsored).count() == 3 {
			return is(Error::SponsorLimitReached);
		}
		let pair = (payer.clone(), payee.clone());
		let (nonce, _) = self.pairs.entry(pair).or_insert((0, depositor.clone()));
		let id = channel_id(&domain(), payer, payee, asset, *nonce);
		*nonce += 1;
		*self.purse(payer, asset) -= deposit;
		assert!(!self.created.contains(&id));
		self.created.push(id);
		self.rows.insert(
			id,
			Row {
				payer: payer.clone(),
				payee: payee.clone(),
				asset: asset.clone(),
				deposit,
				paid: 0,
				grace,
				ends: None,
				sponsor_closes: false,
				depositor,
			},
		);
		Ok(())
	}

	fn top_up(&mut self, by: &AccountId, id: ChannelId, amount: Balance) -> Outcome {
		if amount == 0 {
			return is(Error::ZeroAmount);
		}
		let now = self.now;
		let Some(row) = self.rows.get(&id).cloned() else { return is(Error::UnknownChannel) };
		if row.ends.is_some_and(|ends| now >= ends) {
			return is(Error::GraceOver);
		}
		if *by != row.payer && (row.payer != AGENT || *by != OPERATOR) {
			return is(Error::NotPayer);
		}
		if *self.purse(by, &row.asset) < amount {
			return Err(DispatchError::Other("credits"));
		}
		*self.purse(by, &row.asset) -= amount;
		self.rows.get_mut(&id).unwrap().deposit += amount;
		Ok(())
	}

	fn claim(&mut self, by: &AccountId, item: &Item, forged: bool) -> Outcome {
		let Proof::Voucher { cumulative, valid_until, .. } = item.proof;
		let Some(row) = self.rows.get(&item.channel).cloned() else {
			return is(Error::UnknownChannel);
		};
		let upto = item.capture.unwrap_or(cumulative);
		match row.ends {
			None if row.payee != *by => return is(Error::NotPayee),
			Some(ends) if self.now >= ends => return is(Error::GraceOver),
			_ => (),
		}
		if valid_until != 0 && self.now > valid_until {
			return is(Error::Expired);
		}
		if upto > cumulative {
			return is(Error::CaptureAboveVoucher);
		}
		if upto <= row.paid {
			return is(Error::Stale);
		}
		if upto > row.deposit {
			return is(Error::AboveDeposit);
		}
		if forged {
			return is(Error::BadSignature);
		}
		if upto - row.paid == REFUSED_GROSS {
			return Err(REFUSED);
		}
		let shares = Schedule::GENESIS.split(row.paid, upto - row.paid).unwrap();
		*self.purse(&row.payee, &row.asset) += shares.provider;
		*self.purse(&PLATFORM, &row.asset) += shares.platform;
		*self.purse(&REFERRERS, &row.asset) += shares.referral;
		self.rows.get_mut(&item.channel).unwrap().paid = upto;
		Ok(())
	}

	fn end(&mut self, id: &ChannelId) {
		let row = self.rows.remove(id).unwrap();
		*self.purse(&row.payer, &row.asset) += row.deposit - row.paid;
	}

	fn request_close(&mut self, by: &AccountId, id: ChannelId) -> Outcome {
		let now = self.now;
		match self.rows.get_mut(&id) {
			None => is(Error::UnknownChannel),
			Some(row) if row.payer != *by && row.depositor != *by => is(Error::NotPayer),
			Some(row) if row.ends.is_some() && (row.sponsor_closes || row.payer == *by) => {
				is(Error::AlreadyClosing)
			},
			Some(row) => {
				row.ends = row.ends.or(Some(now + row.grace));
				row.sponsor_closes = row.payer != *by;
				Ok(())
			},
		}
	}

	fn cancel_close(&mut self, by: &AccountId, id: ChannelId) -> Outcome {
		let now = self.now;
		match self.rows.get_mut(&id) {
			None => is(Error::UnknownChannel),
			Some(row) if row.payer != *by => is(Error::NotPayer),
			Some(row) => match row.ends {
				None => is(Error::NotClosing),
				Some(_) if row.sponsor_closes => is(Error::ClosedBySponsor),
				Some(ends) if now >= ends => is(Error::GraceOver),
				Some(_) => {
					row.ends = None;
					Ok(())
				},
			},
		}
	}

	fn close(&mut self, by: &AccountId, id: ChannelId, last: Option<(Item, bool)>) -> Outcome {
		match self.rows.get(&id) {
			None => return is(Error::UnknownChannel),
			Some(row) if row.payee != *by => return is(Error::NotPayee),
			Some(_) => (),
		}
		if let Some((item, forged)) = last {
			if item.channel != id {
				return is(Error::ItemOfAnotherChannel);
			}
			self.claim(by, &item, forged)?;
		}
		self.end(&id);
		Ok(())
	}

	fn finalize(&mut self, ids: &[ChannelId]) -> Outcome {
		if ids.is_empty() {
			return is(Error::EmptyBatch);
		}
		let mut ended = 0;
		let mut refusal = Ok(());
		for id in ids {
			refusal = match self.rows.get(id).map(|row| row.ends) {
				None => is(Error::UnknownChannel),
				Some(None) => is(Error::NotClosing),
				Some(Some(ends)) if self.now < ends => is(Error::GraceRunning),
				Some(Some(_)) => {
					self.end(id);
					ended += 1;
					continue;
				},
			};
		}
		match ids.len() {
			1 => refusal,
			_ if ended == 0 => is(Error::NothingToFinalize),
			_ => Ok(()),
		}
	}

	/// The chain is as the model says, to the unit.
	fn check(&self) {
		Channels::do_try_state().unwrap();
		for asset in ASSETS {
			let mut held = 0;
			for row in self.rows.values().filter(|row| row.asset == asset) {
				held += row.deposit - row.paid;
			}
			assert_eq!(locked(&asset), held);
			for who in HOLDERS {
				let expected = self.free.get(&(who.clone(), asset.clone()));
				assert_eq!(free(&who, &asset), expected.copied().unwrap_or_default());
			}
			assert_eq!(issued(&asset), 4 * CREDITS);
		}
		assert_eq!(crate::Channels::<Test>::iter().count(), self.rows.len());
		for (id, row) in &self.rows {
			let view = view(*id);
			let seen = Row {
				payer: view.payer,
				payee: view.payee,
				asset: view.asset,
				deposit: view.deposit,
				paid: view.settled,
				grace: view.grace,
				ends: view.ends,
				sponsor_closes: view.ends.is_some() && !view.cancellable,
				depositor: view.depositor,
			};
			assert_eq!(&seen, row);
			// No more was ever paid than was promised.
			assert!(row.paid <= self.promised.get(id).copied().unwrap_or_default());
		}
		for ((payer, payee), (nonce, _)) in &self.pairs {
			assert_eq!(Channels::next_nonce(payer.clone(), payee.clone()), *nonce);
		}
		for who in EVERYONE {
			let channels = self.rows.values().filter(|row| row.depositor == who).count();
			assert_eq!(held(&who, HoldReason::Channel), channels as Balance * CHANNEL_PRICE);
			let pairs = self.pairs.values().filter(|(_, depositor)| *depositor == who).count();
			assert_eq!(held(&who, HoldReason::Nonce), pairs as Balance * NONCE_PRICE);
		}
	}
}

/// A batch does what its items do one by one in any order, and nothing when it is submitted again.
fn settle_and_compare(by: &AccountId, items: &[Item]) {
	// Roots are compared at one depth of storage layers, since the depth is part of the state.
	let root_after = |batches: &[Vec<Item>]| {
		frame_support::hypothetically!({
			for batch in batches {
				assert_ok!(settle(by.clone(), batch.clone()));
			}
			root()
		})
	};
	let mut singles: Vec<_> = items.iter().map(|item| vec![*item]).collect();
	let whole = root_after(&[items.to_vec()]);
	assert_eq!(root_after(&singles), whole);
	singles.reverse();
	assert_eq!(root_after(&singles), whole);
	assert_eq!(root_after(&[items.to_vec(), items.to_vec()]), whole);
	assert_ok!(settle(by.clone(), items.to_vec()));
}

fn run(ops: Vec<Op>) {
	let mut model = Model { now: 1, ..Default::default() };
	for who in [PAYER, PAYER2, AGENT, OPERATOR] {
		for asset in ASSETS {
			*model.purse(&who, &asset) = CREDITS;
		}
	}
	for op in ops {
		events();
		let (expected, seen) = match op.clone() {
			Op::Open { payer, payee, asset, deposit, grace } => {
				let (payer, payee) = (&PAYERS[payer], &PAYEES[payee]);
				let (asset, grace) = (&ASSETS[asset], GRACES[grace]);
				let expected = model.open(payer, payee, asset, deposit, grace);
				let origin = signed(payer.clone());
				let (payee, asset) = (payee.clone(), asset.clone());
				let seen = Channels::open(origin, payee, asset, deposit, key(), grace, 1, None);
				(expected, seen)
			},
			Op::TopUp { by, channel, amount } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				(model.top_up(&by, id, amount), Channels::top_up(signed(by), id, amount))
			},
			Op::Settle { by, claims } => {
				let first = claims.first().map_or(NOWHERE, |claim| model.id(claim.channel));
				let by = model.party(by, first, |row| &row.payee);
				let mut items: Vec<_> = claims
					.into_iter()
					.map(|claim| (model.item(claim, model.id(claim.channel)), claim.forged))
					.collect();
				items.sort_by_key(|(item, _)| item.channel);
				items.dedup_by_key(|(item, _)| item.channel);
				if items.is_empty() {
					let seen = settle(by, vec![]).map(|_| ()).map_err(|e| e.error);
					(is(Error::EmptyBatch), seen)
				} else {
					let paid: Vec<_> = items
						.iter()
						.filter(|(item, forged)| model.claim(&by, item, *forged).is_ok())
						.map(|(item, _)| item.channel)
						.collect();
					let items: Vec<_> = items.into_iter().map(|(item, _)| item).collect();
					settle_and_compare(&by, &items);
					let claimed: Vec<_> = events()
						.into_iter()
						.filter_map(|event| match event {
							Event::Claimed { id, .. } => Some(id),
							_ => None,
						})
						.collect();
					assert_eq!(claimed, paid);
					(Ok(()), Ok(()))
				}
			},
			Op::RequestClose { by, channel } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.depositor);
				(model.request_close(&by, id), Channels::request_close(signed(by), id))
			},
			Op::CancelClose { by, channel } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				(model.cancel_close(&by, id), Channels::cancel_close(signed(by), id))
			},
			Op::Close { by, channel, last } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payee);
				// Sometimes an item of another channel.
				let last = last.map(|claim| {
					let of = if claim.channel == 0 { model.id(channel + 1) } else { id };
					(model.item(claim, of), claim.forged)
				});
				let expected = model.close(&by, id, last);
				let seen = Channels::close(signed(by), id, last.map(|(item, _)| item));
				(expected, seen.map(drop).map_err(|refused| refused.error))
			},
			Op::Finalize { channels } => {
				let ids: Vec<_> = channels.into_iter().map(|index| model.id(index)).collect();
				let expected = model.finalize(&ids);
				(expected, finalize(ids).map(|_| ()).map_err(|error| error.error))
			},
			Op::Wait { blocks } => {
				model.now += blocks;
				run_to(model.now);
				(Ok(()), Ok(()))
			},
		};
		assert_eq!(seen, expected, "{op:?}");
		model.check();
	}
}

proptest! {
	#![proptest_config(ProptestConfig {
		cases: 128,
		failure_persistence: None,
		..Default::default()
	})]

	#[test]
	fn every_sequence_of_calls_should_do_what_the_model_does(
		ops in prop::collection::vec(op(), 1..100),
	) {
		new_test_ext().execute_with(|| run(ops));
	}
}
