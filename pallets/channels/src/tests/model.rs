//! All calls, with time, against a reference model in plain Rust.

mod ops;
mod run;

use super::*;
use codec::Encode;
use ops::{op, Claim, Kind, Op};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use stoa_primitives::{
	channel::{channel_id, CapState, TickProof},
	payload::TickCommit,
	tick, BlockNumber,
};

const PAYERS: [AccountId; 3] = [PAYER, PAYER2, AGENT];
const PAYEES: [AccountId; 2] = [PAYEE, PAYEE2];
const EVERYONE: [AccountId; 7] = [PAYER, PAYER2, AGENT, PAYEE, PAYEE2, OPERATOR, STRANGER];
const ASSETS: [AssetId; 2] = [USD, STOA];
const GRACES: [BlockNumber; 3] = [MIN_GRACE, MIN_GRACE + 7, MIN_GRACE - 1];
/// What a deposit must leave of native tokens.
const KEPT: Balance = 10;

/// The public keys of [`Signer::all`].
fn public(index: usize) -> Key {
	Signer::all()[index].key()
}

/// In place of an account's signature, of which these accounts are not capable: a digest that nobody
/// else here makes.
fn seal(who: &AccountId, message: &[u8], forged: bool) -> AgentSignature {
	let digest = sp_io::hashing::blake2_256(&(who, message, forged).encode());
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(&digest);
	AgentSignature::Delegate { key: key(), signature: KeySignature::Ed25519(signature) }
}

/// What provider, platform and referrers have of the first `total` units, by the words of the design:
/// 15 % are fees, rounded down, and a third of them is the referrers', rounded down.
fn shares(total: Balance) -> [Balance; 3] {
	let fees = total * 15 / 100;
	[total - fees, fees - fees / 3, fees / 3]
}

/// A velocity cap and every capture.
#[derive(Clone, Debug)]
struct Capped {
	/// As the chain should have it.
	state: CapState,
	/// When it was asked for.
	asked: BlockNumber,
	/// Whether no window so far is longer than what is remembered block by block.
	exact: bool,
	log: Vec<(BlockNumber, Balance)>,
}

impl Capped {
	fn new(cap: Cap, asked: BlockNumber) -> Self {
		let exact = cap.window <= 7;
		Self { state: CapState::new(cap), asked, exact, log: Vec::new() }
	}

	fn change(&mut self, cap: Cap, asked: BlockNumber) {
		self.state.cap = cap;
		self.asked = asked;
		self.exact &= cap.window <= 7;
	}

	/// What was captured within the window, since this cap was asked for.
	fn captured(&self, now: BlockNumber) -> Balance {
		let first = (now + 1).saturating_sub(self.state.cap.window).max(self.asked);
		self.log.iter().filter(|(at, _)| *at >= first).map(|(_, amount)| amount).sum()
	}

	fn left(&self, now: BlockNumber) -> Balance {
		let (left, cap) = (self.state.headroom(now), self.state.cap);
		// The promise, by all that was ever captured.
		let most = cap.per_window.saturating_sub(self.captured(now));
		assert!(left <= most);
		// A cap that was there from the start, or for a window, counts nothing twice.
		if self.exact && self.asked + cap.window <= now {
			assert_eq!(left, most);
		}
		left
	}
}

/// A cap that comes, from when on, and when it was asked for.
type Next = (Option<Cap>, BlockNumber, BlockNumber);

#[derive(Clone, Debug)]
struct Row {
	payer: AccountId,
	payee: AccountId,
	asset: AssetId,
	deposit: Balance,
	lanes: Vec<Balance>,
	grace: BlockNumber,
	nonce: u64,
	key: usize,
	/// The key before, and the first block in which it is no longer valid.
	retired: Option<(usize, BlockNumber)>,
	cap: Option<Capped>,
	next_cap: Option<Next>,
	revoked: Vec<(u32, BlockNumber)>,
	ends: Option<BlockNumber>,
	/// Who put up the deposit has requested the close.
	sponsor_closes: bool,
	depositor: AccountId,
}

impl Row {
	fn paid(&self) -> Balance {
		self.lanes.iter().sum()
	}

	/// Let time do what is due.
	fn age(&mut self, now: BlockNumber) {
		self.retired = self.retired.filter(|(_, until)| now < *until);
		if let Some((cap, _, asked)) = self.next_cap.filter(|(_, from, _)| *from <= now) {
			match (&mut self.cap, cap) {
				(Some(capped), Some(cap)) => capped.change(cap, asked),
				(capped, cap) => *capped = cap.map(|cap| Capped::new(cap, now)),
			}
			self.next_cap = None;
		}
	}

	fn is_over(&self, now: BlockNumber) -> bool {
		self.ends.is_some_and(|ends| now >= ends)
	}

	fn may_sign(&self, signer: usize) -> bool {
		signer == self.key || self.retired.is_some_and(|(key, _)| key == signer)
	}

	/// What the view function should say.
	fn view(&self) -> ChannelView {
		ChannelView {
			payer: self.payer.clone(),
			payee: self.payee.clone(),
			asset: self.asset.clone(),
			key: public(self.key),
			deposit: self.deposit,
			settled: self.paid(),
			lane_settled: self.lanes.clone(),
			grace: self.grace,
			ends: self.ends,
			cancellable: self.ends.is_some() && !self.sponsor_closes,
			cap: self.cap.as_ref().map(|capped| capped.state.clone()),
			changes: Changes {
				key: self.retired.map(|(key, until)| (public(key), until)),
				cap: self.next_cap.map(|(cap, from, _)| (cap, from)),
				revoked: BoundedVec::truncate_from(self.revoked.clone()),
			},
			schedule: SCHEDULE,
			nonce: self.nonce,
			depositor: self.depositor.clone(),
		}
	}
}

/// What an opening asks for.
struct Opening<'a> {
	payer: &'a AccountId,
	payee: &'a AccountId,
	asset: &'a AssetId,
	deposit: Balance,
	key: usize,
	grace: BlockNumber,
	lanes: u16,
	cap: Option<Cap>,
}

/// What the pallet should do, said in the simplest way.
#[derive(Clone, Default)]
struct Model {
	now: BlockNumber,
	free: BTreeMap<(AccountId, AssetId), Balance>,
	/// Native tokens that are not held.
	native: BTreeMap<AccountId, Balance>,
	inactive: BTreeSet<AccountId>,
	rows: BTreeMap<ChannelId, Row>,
	/// Every id that ever was, in order.
	created: Vec<ChannelId>,
	/// Channels ever opened by a pair, and who paid for the pair.
	pairs: BTreeMap<(AccountId, AccountId), (u64, AccountId)>,
	/// The most that was ever allowed on a lane by a key: by a voucher, or by a tick that was revealed.
	promised: BTreeMap<(ChannelId, u32, usize), Balance>,
	/// What the call should announce.
	events: Vec<Event<Test>>,
}

type Outcome = Result<(), DispatchError>;

fn is(error: Error<Test>) -> Outcome {
	Err(error.into())
}

fn skip(reason: SkipReason, error: Error<Test>) -> Result<(), (SkipReason, DispatchError)> {
	Err((reason, error.into()))
}

impl Model {
	fn new() -> Self {
		let mut model = Self { now: 1, ..Default::default() };
		for who in [PAYER, PAYER2, AGENT, OPERATOR] {
			for asset in ASSETS {
				*model.purse(&who, &asset) = CREDITS;
			}
		}
		for who in [PAYER, PAYER2, PAYEE, PAYEE2, OPERATOR] {
			model.native.insert(who, NATIVE);
		}
		model
	}

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

	fn is_active(&self, who: &AccountId) -> bool {
		[PAYEE, PAYEE2, AGENT].contains(who) && !self.inactive.contains(who)
	}

	fn promise(&mut self, channel: ChannelId, lane: u32, signer: usize, amount: Balance) {
		let promised = self.promised.entry((channel, lane, signer)).or_default();
		*promised = amount.max(*promised);
	}

	fn item(&mut self, claim: Claim, channel: ChannelId) -> Item {
		let Claim { lane, .. } = claim;
		let lanes = self.rows.get(&channel).map(|row| &row.lanes[..]).unwrap_or_default();
		let paid = lanes.get(lane as usize).copied().unwrap_or_default();
		let target = if claim.beyond { paid + claim.amount } else { claim.amount };
		let valid_until = claim
			.valid_for
			.map_or(0, |blocks| self.now.saturating_add_signed(i32::from(blocks)).max(1));
		// Mostly by a key that may sign.
		let signer = claim.signer.map(|signer| {
			self.rows.get(&channel).filter(|_| signer == 3).map_or(signer % 3, |row| row.key)
		});
		let sign = |message: &[u8]| {
			let message = if signer.is_some() { message } else { b"forged" };
			Signer::all()[signer.unwrap_or_default()].sign(message)
		};
		let item = match claim.kind {
			Kind::Voucher => {
				let voucher = Voucher { channel, lane, cumulative: target, valid_until };
				if let Some(signer) = signer {
					self.promise(channel, lane, signer, target);
				}
				item_with(voucher, sign(&voucher.to_bytes(&domain())))
			},
			Kind::Ticks { index, value, wrong } => {
				let base = target.saturating_sub(value * Balance::from(index));
				// A hash chain of its own: one tick must not pay for another commitment.
				let digest = sp_io::hashing::blake2_128(&(channel, lane, base, value).encode());
				let root = tick::walk(&digest, 6, 0, SEED);
				let commit = commit(channel, base, value, 6);
				let commit = TickCommit { lane, valid_until, prefix: digest, root, ..commit };
				let place = if wrong { index + 1 } else { index }.min(6);
				let tick = tick::walk(&commit.prefix, 6, place, SEED);
				// The root itself pays nothing.
				if let Some(signer) = signer.filter(|_| place > 0) {
					let allowed = base + value * Balance::from(place);
					self.promise(channel, lane, signer, allowed);
				}
				let signature = sign(&commit.to_bytes(&domain()));
				let proof = Proof::Ticks(TickProof::new(&commit, signature, index, tick));
				Item { channel, lane, capture: None, proof }
			},
		};
		let allowed = item.allowed().unwrap();
		let capture = claim.capture.map(|by| allowed.saturating_add_signed(i128::from(by)));
		Item { capture, ..item }
	}

	/// Take a storage deposit, and say from whom.
	fn take_deposit(
		&mut self,
		payer: &AccountId,
		used: usize,
		limit: usize,
		price: Balance,
	) -> Result<AccountId, DispatchError> {
		let mut hold = |who: &AccountId| {
			let native = self.native.entry(who.clone()).or_default();
			let left = native.checked_sub(price).filter(|left| *left >= KEPT);
			left.map(|left| *native = left).is_some()
		};
		let refusal: Error<Test> = if *payer != AGENT || self.inactive.contains(&AGENT) {
			Error::PayerCannotPay
		} else if used >= limit {
			Error::SponsorLimitReached
		} else if hold(&OPERATOR) {
			return Ok(OPERATOR);
		} else {
			Error::SponsorCannotPay
		};
		if hold(payer) {
			Ok(payer.clone())
		} else {
			Err(refusal.into())
		}
	}

	fn open(&mut self, opening: Opening) -> Outcome {
		let Opening { payer, payee, asset, deposit, key, grace, lanes, cap } = opening;
		if deposit == 0 {
			return is(Error::ZeroAmount);
		}
		if grace < MIN_GRACE {
			return is(Error::GraceOutOfBounds);
		}
		if lanes == 0 {
			return is(Error::LanesOutOfBounds);
		}
		if cap.is_some_and(|cap| cap.per_window == 0 || cap.window == 0) {
			return is(Error::CapOutOfBounds);
		}
		if !self.is_active(payee) {
			return Err(DispatchError::Other("inactive"));
		}
		if deposit == GUARDED {
			return Err(DispatchError::Other("guarded"));
		}
		if *self.purse(payer, asset) < deposit {
			return Err(DispatchError::Other("credits"));
		}
		let before = self.clone();
		let sponsored = self.rows.values().filter(|row| row.depositor != row.payer).count();
		let pair = (payer.clone(), payee.clone());
		let result = self.take_deposit(payer, sponsored, 3, CHANNEL_PRICE).and_then(|depositor| {
			if !self.pairs.contains_key(&pair) {
				let paid_for =
					|((payer, _), (_, by)): &(&(AccountId, AccountId), &(u64, AccountId))| {
						payer != by
					};
				let sponsored = self.pairs.iter().filter(paid_for).count();
				let by = self.take_deposit(payer, sponsored, 2, NONCE_PRICE)?;
				self.pairs.insert(pair.clone(), (0, by));
			}
			Ok(depositor)
		});
		let depositor = match result {
			Ok(depositor) => depositor,
			Err(error) => {
				*self = before;
				return Err(error);
			},
		};
		let (next, _) = self.pairs.get_mut(&pair).unwrap();
		let nonce = *next;
		*next += 1;
		let id = channel_id(&domain(), payer, payee, asset, nonce);
		*self.purse(payer, asset) -= deposit;
		assert!(!self.created.contains(&id));
		self.created.push(id);
		let (payer, payee, asset) = (payer.clone(), payee.clone(), asset.clone());
		self.events.push(Event::Opened {
			id,
			payer: payer.clone(),
			payee: payee.clone(),
			asset: asset.clone(),
			deposit,
			key: public(key),
			grace,
			lanes,
			cap,
			nonce,
			schedule: SCHEDULE,
			depositor: depositor.clone(),
		});
		let row = Row {
			payer,
			payee,
			asset,
			deposit,
			lanes: vec![0; lanes.into()],
			grace,
			nonce,
			key,
			retired: None,
			cap: cap.map(|cap| Capped::new(cap, self.now)),
			next_cap: None,
			revoked: Vec::new(),
			ends: None,
			sponsor_closes: false,
			depositor,
		};
		self.rows.insert(id, row);
		Ok(())
	}

	fn top_up(&mut self, by: &AccountId, id: ChannelId, amount: Balance) -> Outcome {
		if amount == 0 {
			return is(Error::ZeroAmount);
		}
		let Some(row) = self.rows.get(&id).cloned() else { return is(Error::UnknownChannel) };
		if row.is_over(self.now) {
			return is(Error::GraceOver);
		}
		if *by != row.payer && (row.payer != AGENT || *by != OPERATOR) {
			return is(Error::NotPayer);
		}
		if amount == GUARDED {
			return Err(DispatchError::Other("guarded"));
		}
		if *self.purse(by, &row.asset) < amount {
			return Err(DispatchError::Other("credits"));
		}
		*self.purse(by, &row.asset) -= amount;
		let deposit = row.deposit + amount;
		self.rows.get_mut(&id).unwrap().deposit = deposit;
		self.events.push(Event::ToppedUp { id, by: by.clone(), amount, deposit });
		Ok(())
	}

	/// Which of its keys has signed an item, if one that may.
	fn signer(&self, row: &Row, item: &Item) -> Option<usize> {
		let message = item.message(&domain());
		(0..3)
			.filter(|signer| row.may_sign(*signer))
			.find(|signer| public(*signer).verify(&message, item.signature()))
	}

	fn claim(
		&mut self,
		by: &AccountId,
		item: &Item,
		claim: &Claim,
	) -> Result<(), (SkipReason, DispatchError)> {
		let now = self.now;
		let Some(row) = self.rows.get(&item.channel).cloned() else {
			return skip(SkipReason::UnknownChannel, Error::UnknownChannel);
		};
		if row.ends.is_none() && row.payee != *by {
			return skip(SkipReason::NotPayee, Error::NotPayee);
		}
		if item.lane as usize >= row.lanes.len() {
			return skip(SkipReason::UnknownLane, Error::UnknownLane);
		}
		if row.is_over(now) {
			return skip(SkipReason::GraceOver, Error::GraceOver);
		}
		if item.valid_until() != 0 && now > item.valid_until() {
			return skip(SkipReason::Expired, Error::Expired);
		}
		if matches!(claim.kind, Kind::Ticks { index, .. } if index == 0 || index > 6) {
			return skip(SkipReason::TickOutOfRange, Error::TickOutOfRange);
		}
		let allowed = item.allowed().unwrap();
		let upto = item.capture.unwrap_or(allowed);
		if upto > allowed {
			return skip(SkipReason::CaptureAboveVoucher, Error::CaptureAboveVoucher);
		}
		if row.revoked.iter().any(|(lane, from)| *lane == item.lane && *from <= now) {
			return skip(SkipReason::LaneRevoked, Error::LaneRevoked);
		}
		let paid = row.lanes[item.lane as usize];
		if upto <= paid {
			return skip(SkipReason::Stale, Error::Stale);
		}
		let amount = upto - paid;
		if row.paid() + amount > row.deposit {
			return skip(SkipReason::AboveDeposit, Error::AboveDeposit);
		}
		if row.cap.as_ref().is_some_and(|cap| amount > cap.left(now)) {
			return skip(SkipReason::AboveCap, Error::AboveCap);
		}
		if self.signer(&row, item).is_none() {
			return skip(SkipReason::BadSignature, Error::BadSignature);
		}
		// The seed is the sixth tick: at its place, no other can be meant.
		if matches!(claim.kind, Kind::Ticks { index, wrong: true, .. } if index < 6) {
			return skip(SkipReason::BadTick, Error::BadTick);
		}
		if amount == REFUSED_GROSS {
			return Err((SkipReason::NotSettled, REFUSED));
		}
		self.pay(&row, amount);
		let row = self.rows.get_mut(&item.channel).unwrap();
		row.lanes[item.lane as usize] = upto;
		if let Some(capped) = &mut row.cap {
			let next = row.next_cap.and_then(|(cap, ..)| cap);
			assert!(capped.state.capture_before(now, amount, next.as_ref()));
			capped.log.push((now, amount));
		}
		let (id, lane, settled) = (item.channel, item.lane, row.paid());
		self.events.push(Event::Claimed { id, lane, amount, settled });
		Ok(())
	}

	/// Share `amount` out, with what was paid before.
	fn pay(&mut self, row: &Row, amount: Balance) {
		let (before, after) = (shares(row.paid()), shares(row.paid() + amount));
		for (who, share) in [row.payee.clone(), PLATFORM, REFERRERS].iter().zip(0..3) {
			*self.purse(who, &row.asset) += after[share] - before[share];
		}
	}

	/// A whole batch, best effort.
	fn batch(&mut self, by: &AccountId, rows: &[(Item, Claim)]) -> Outcome {
		let (mut paid_items, mut skipped_items, free) = (0, 0, false);
		for (index, (item, claim)) in (0..).zip(rows) {
			match self.claim(by, item, claim) {
				Ok(()) => paid_items += 1,
				Err((reason, error)) => {
					skipped_items += 1;
					let (id, lane) = (item.channel, item.lane);
					if reason == SkipReason::NotSettled {
						self.events.push(Event::SettlementRefused { id, lane, error });
					}
					self.events.push(Event::Skipped { index, id, lane, reason });
				},
			}
		}
		let by = by.clone();
		self.events.push(Event::BatchSettled { by, paid_items, skipped_items, free });
		Ok(())
	}

	/// A whole batch, all or nothing.
	fn batch_all(&mut self, by: &AccountId, rows: &[(Item, Claim)]) -> Outcome {
		let before = self.clone();
		for (item, claim) in rows {
			if let Err((_, error)) = self.claim(by, item, claim) {
				*self = before;
				return Err(error);
			}
		}
		let (paid_items, skipped_items, free) = (rows.len() as u32, 0, false);
		self.events.push(Event::BatchSettled { by: by.clone(), paid_items, skipped_items, free });
		Ok(())
	}

	/// The channel, if `by` may change it now.
	fn changeable(&mut self, by: &AccountId, id: ChannelId) -> Result<&mut Row, DispatchError> {
		let now = self.now;
		match self.rows.get_mut(&id) {
			None => Err(Error::<Test>::UnknownChannel.into()),
			Some(row) if row.payer != *by => Err(Error::<Test>::NotPayer.into()),
			Some(row) if row.is_over(now) => Err(Error::<Test>::GraceOver.into()),
			Some(row) => Ok(row),
		}
	}

	fn rotate_key(&mut self, by: &AccountId, id: ChannelId, key: usize) -> Outcome {
		let now = self.now;
		let row = self.changeable(by, id)?;
		if key == row.key {
			return is(Error::SameKey);
		}
		if row.retired.is_some() {
			return is(Error::RotationRunning);
		}
		let until = now + row.grace;
		row.retired = Some((row.key, until));
		row.key = key;
		self.events.push(Event::KeyRotated { id, key: public(key), until });
		Ok(())
	}

	fn set_cap(&mut self, by: &AccountId, id: ChannelId, cap: Option<Cap>) -> Outcome {
		if cap.is_some_and(|cap| cap.per_window == 0 || cap.window == 0) {
			return is(Error::CapOutOfBounds);
		}
		let now = self.now;
		let row = self.changeable(by, id)?;
		let looser = match (&row.cap, cap) {
			(_, None) => true,
			(None, Some(_)) => false,
			(Some(old), Some(new)) => {
				let old = old.state.cap;
				new.per_window >= old.per_window && new.window <= old.window
			},
		};
		let from = if looser { now } else { now + row.grace };
		row.next_cap = Some((cap, from, now));
		row.age(now);
		self.events.push(Event::CapSet { id, cap, from });
		Ok(())
	}

	fn revoke_lane(&mut self, by: &AccountId, id: ChannelId, lane: u32) -> Outcome {
		let now = self.now;
		let row = self.changeable(by, id)?;
		if lane as usize >= row.lanes.len() {
			return is(Error::UnknownLane);
		}
		if row.revoked.iter().any(|(other, _)| *other == lane) {
			return is(Error::LaneRevoked);
		}
		let from = now + row.grace;
		row.revoked.push((lane, from));
		self.events.push(Event::LaneRevoked { id, lane, from });
		Ok(())
	}

	fn end(&mut self, id: ChannelId, reason: CloseReason) {
		let row = self.rows.remove(&id).unwrap();
		let (paid, refunded) = (row.paid(), row.deposit - row.paid());
		*self.purse(&row.payer, &row.asset) += refunded;
		*self.native.entry(row.depositor).or_default() += CHANNEL_PRICE;
		self.events.push(Event::Closed { id, paid, refunded, reason });
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
				let ends = row.ends.unwrap_or(now + row.grace);
				row.ends = Some(ends);
				row.sponsor_closes = row.payer != *by;
				self.events.push(Event::CloseRequested { id, by: by.clone(), ends });
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
					self.events.push(Event::CloseCancelled { id });
					Ok(())
				},
			},
		}
	}

	fn close(&mut self, by: &AccountId, id: ChannelId, last: Option<(Item, Claim)>) -> Outcome {
		match self.rows.get(&id) {
			None => return is(Error::UnknownChannel),
			Some(row) if row.payee != *by => return is(Error::NotPayee),
			Some(_) => (),
		}
		if let Some((item, claim)) = last {
			if item.channel != id {
				return is(Error::ItemOfAnotherChannel);
			}
			self.claim(by, &item, &claim).map_err(|(_, error)| error)?;
		}
		self.end(id, CloseReason::ByPayee);
		Ok(())
	}

	fn close_with_consent(
		&mut self,
		by: &AccountId,
		id: ChannelId,
		total: Balance,
		expires: BlockNumber,
		forged: bool,
	) -> Outcome {
		let Some(row) = self.rows.get(&id).cloned() else { return is(Error::UnknownChannel) };
		if row.payer != *by {
			return is(Error::NotPayer);
		}
		if self.now > expires {
			return is(Error::ConsentExpired);
		}
		if total > row.deposit {
			return is(Error::AboveDeposit);
		}
		if total < row.paid() {
			return is(Error::BelowSettled);
		}
		if forged {
			return Err(DispatchError::BadOrigin);
		}
		if total - row.paid() == REFUSED_GROSS {
			return Err(REFUSED);
		}
		self.pay(&row, total - row.paid());
		self.rows.get_mut(&id).unwrap().lanes[0] += total - row.paid();
		self.end(id, CloseReason::ByConsent);
		Ok(())
	}

	fn finalize(&mut self, ids: &[ChannelId]) -> Outcome {
		if ids.is_empty() {
			return is(Error::EmptyBatch);
		}
		let before = self.clone();
		let mut ended = 0;
		let mut refusal = Ok(());
		for id in ids {
			let error = match self.rows.get(id).map(|row| row.ends) {
				None => Error::<Test>::UnknownChannel,
				Some(None) => Error::NotClosing,
				Some(Some(ends)) if self.now < ends => Error::GraceRunning,
				Some(Some(_)) => {
					self.end(*id, CloseReason::GraceOver);
					ended += 1;
					continue;
				},
			};
			let error = DispatchError::from(error);
			self.events.push(Event::FinalizeSkipped { id: *id, error });
			refusal = Err(error);
		}
		let outcome = match ids.len() {
			1 => refusal,
			_ if ended == 0 => is(Error::NothingToFinalize),
			_ => Ok(()),
		};
		if outcome.is_err() {
			*self = before;
		}
		outcome
	}

	/// Time passes.
	fn wait(&mut self, blocks: BlockNumber) {
		self.now += blocks;
		self.rows.values_mut().for_each(|row| row.age(self.now));
	}

	/// The chain is as the model says, to the unit.
	fn check(&self) {
		Channels::do_try_state().unwrap();
		for asset in ASSETS {
			let mut held = 0;
			for row in self.rows.values().filter(|row| row.asset == asset) {
				held += row.deposit - row.paid();
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
			assert_eq!(view(*id), row.view());
			if let Some(capped) = &row.cap {
				(0..8).for_each(|later| _ = capped.left(self.now + later));
			}
		}
		for ((payer, payee), (nonce, _)) in &self.pairs {
			assert_eq!(Channels::next_nonce(payer.clone(), payee.clone()), *nonce);
		}
		for who in EVERYONE {
			let channels = self.rows.values().filter(|row| row.depositor == who).count();
			assert_eq!(held(&who, HoldReason::Channel), channels as Balance * CHANNEL_PRICE);
			let pairs = self.pairs.values().filter(|(_, depositor)| *depositor == who).count();
			assert_eq!(held(&who, HoldReason::Nonce), pairs as Balance * NONCE_PRICE);
			let native = self.native.get(&who).copied().unwrap_or_default();
			assert_eq!(Balances::free_balance(&who), native);
		}
	}

	/// Nothing was paid on a lane that a key which may sign has not allowed, as the chain tells it.
	fn check_promises(&self, seen: &[Event<Test>], before: &Model) {
		for event in seen {
			let Event::Claimed { id, lane, amount, .. } = event else { continue };
			let row = &before.rows[id];
			let promised = (0..3)
				.filter(|signer| row.may_sign(*signer))
				.filter_map(|signer| self.promised.get(&(*id, *lane, signer)))
				.max();
			let paid = match Channels::channel(*id) {
				Some(view) => view.lane_settled[*lane as usize],
				None => row.lanes[*lane as usize] + amount,
			};
			assert!(promised.is_some_and(|promised| paid <= *promised), "never allowed");
		}
	}
}
