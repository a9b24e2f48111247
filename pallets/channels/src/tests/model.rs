//! All calls, with time, against a reference model in plain Rust.

mod ops;

use super::*;
use codec::Encode;
use ops::{op, Claim, Kind, Op};
use proptest::prelude::*;
use std::collections::BTreeMap;
use stoa_primitives::{
	channel::{channel_id, TickProof},
	money::Schedule,
	payload::TickCommit,
	tick, BlockNumber,
};

const PAYERS: [AccountId; 3] = [PAYER, PAYER2, AGENT];
const PAYEES: [AccountId; 2] = [PAYEE, PAYEE2];
const EVERYONE: [AccountId; 7] = [PAYER, PAYER2, AGENT, PAYEE, PAYEE2, OPERATOR, STRANGER];
const ASSETS: [AssetId; 2] = [USD, STOA];
const GRACES: [BlockNumber; 3] = [MIN_GRACE, MIN_GRACE + 7, MIN_GRACE - 1];

/// Voucher keys; the first opens channels.
fn pairs() -> [ed25519::Pair; 2] {
	[pair(), ed25519::Pair::from_seed(&[43; 32])]
}

fn public(index: usize) -> Key {
	Key::Ed25519(pairs()[index].public().0)
}

/// In place of an account's signature, of which these accounts are not capable: a digest that nobody
/// else here makes.
fn seal(who: &AccountId, message: &[u8], forged: bool) -> AgentSignature {
	let digest = sp_io::hashing::blake2_256(&(who, message, forged).encode());
	let mut signature = [0; 64];
	signature[..32].copy_from_slice(&digest);
	AgentSignature::Delegate { key: key(), signature: KeySignature::Ed25519(signature) }
}

/// A velocity cap and every capture.
#[derive(Clone, Debug, PartialEq)]
struct Capped {
	cap: Cap,
	log: Vec<(BlockNumber, Balance)>,
}

impl Capped {
	fn left(&self, now: BlockNumber) -> Balance {
		let recent = self.log.iter().filter(|(at, _)| at + self.cap.window > now);
		self.cap.per_window.saturating_sub(recent.map(|(_, amount)| amount).sum())
	}
}

#[derive(Clone, Debug, PartialEq)]
struct Row {
	payer: AccountId,
	payee: AccountId,
	asset: AssetId,
	deposit: Balance,
	lanes: Vec<Balance>,
	grace: BlockNumber,
	key: usize,
	/// The key before, and the first block in which it is no longer valid.
	retired: Option<(usize, BlockNumber)>,
	cap: Option<Capped>,
	/// The cap that comes, and when.
	next_cap: Option<(Option<Cap>, BlockNumber)>,
	revoked: BTreeMap<u32, BlockNumber>,
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
		if let Some((cap, _)) = self.next_cap.filter(|(_, from)| *from <= now) {
			let log = self.cap.take().map(|capped| capped.log).unwrap_or_default();
			self.cap = cap.map(|cap| Capped { cap, log });
			self.next_cap = None;
		}
	}
}

/// What the pallet should do, said in the simplest way.
#[derive(Clone, Default)]
struct Model {
	now: BlockNumber,
	free: BTreeMap<(AccountId, AssetId), Balance>,
	rows: BTreeMap<ChannelId, Row>,
	/// Every id that ever was, in order.
	created: Vec<ChannelId>,
	/// Channels ever opened by a pair, and who paid for the pair.
	pairs: BTreeMap<(AccountId, AccountId), (u64, AccountId)>,
	/// The most that was ever genuinely allowed on a lane by a key.
	promised: BTreeMap<(ChannelId, u32, usize), Balance>,
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
		let Claim { lane, .. } = claim;
		let lanes = self.rows.get(&channel).map(|row| &row.lanes[..]).unwrap_or_default();
		let paid = lanes.get(lane as usize).copied().unwrap_or_default();
		let target = if claim.beyond { paid + claim.amount } else { claim.amount };
		let valid_until = claim
			.valid_for
			.map_or(0, |blocks| self.now.saturating_add_signed(i32::from(blocks)).max(1));
		let sign = |message: &[u8]| {
			let signer = &pairs()[claim.signer.unwrap_or_default()];
			let message = if claim.signer.is_some() { message } else { b"forged" };
			KeySignature::Ed25519(signer.sign(message).0)
		};
		let item = match claim.kind {
			Kind::Voucher => {
				let voucher = Voucher { channel, lane, cumulative: target, valid_until };
				item_with(voucher, sign(&voucher.to_bytes(&domain())))
			},
			Kind::Ticks { index, value, wrong } => {
				let base = target.saturating_sub(value * Balance::from(index));
				let commit = TickCommit { lane, valid_until, ..commit(channel, base, value, 6) };
				let place = if wrong { index + 1 } else { index };
				let tick = tick::walk(&commit.prefix, 6, place.min(6), SEED);
				let signature = sign(&commit.to_bytes(&domain()));
				let proof = Proof::Ticks(TickProof::new(&commit, signature, index, tick));
				Item { channel, lane, capture: None, proof }
			},
		};
		let allowed = item.allowed().unwrap();
		if let Some(signer) = claim.signer {
			let promised = self.promised.entry((channel, lane, signer)).or_default();
			*promised = allowed.max(*promised);
		}
		let capture = claim.capture.map(|by| allowed.saturating_add_signed(i128::from(by)));
		Item { capture, ..item }
	}

	fn open(
		&mut self,
		payer: &AccountId,
		payee: &AccountId,
		asset: &AssetId,
		deposit: Balance,
		grace: BlockNumber,
		lanes: u16,
		cap: Option<Cap>,
	) -> Outcome {
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
				lanes: vec![0; lanes.into()],
				grace,
				key: 0,
				retired: None,
				cap: cap.map(|cap| Capped { cap, log: Vec::new() }),
				next_cap: None,
				revoked: BTreeMap::new(),
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

	fn claim(&mut self, by: &AccountId, item: &Item, claim: &Claim) -> Outcome {
		let now = self.now;
		let Some(row) = self.rows.get(&item.channel).cloned() else {
			return is(Error::UnknownChannel);
		};
		match row.ends {
			None if row.payee != *by => return is(Error::NotPayee),
			_ if item.lane as usize >= row.lanes.len() => return is(Error::UnknownLane),
			Some(ends) if now >= ends => return is(Error::GraceOver),
			_ => (),
		}
		if item.valid_until() != 0 && now > item.valid_until() {
			return is(Error::Expired);
		}
		if matches!(claim.kind, Kind::Ticks { index, .. } if index == 0 || index > 6) {
			return is(Error::TickOutOfRange);
		}
		let allowed = item.allowed().unwrap();
		let upto = item.capture.unwrap_or(allowed);
		if upto > allowed {
			return is(Error::CaptureAboveVoucher);
		}
		if row.revoked.get(&item.lane).is_some_and(|from| *from <= now) {
			return is(Error::LaneRevoked);
		}
		let paid = row.lanes[item.lane as usize];
		if upto <= paid {
			return is(Error::Stale);
		}
		let amount = upto - paid;
		if row.paid() + amount > row.deposit {
			return is(Error::AboveDeposit);
		}
		if row.cap.as_ref().is_some_and(|cap| amount > cap.left(now)) {
			return is(Error::AboveCap);
		}
		let valid = |signer| signer == row.key || row.retired.is_some_and(|(key, _)| key == signer);
		let Some(signer) = claim.signer.filter(|signer| valid(*signer)) else {
			return is(Error::BadSignature);
		};
		// The seed is the sixth tick: at its place, no other can be meant.
		if matches!(claim.kind, Kind::Ticks { index, wrong: true, .. } if index < 6) {
			return is(Error::BadTick);
		}
		if amount == REFUSED_GROSS {
			return Err(REFUSED);
		}
		// No more is paid than a key that is valid now has allowed.
		assert!(upto <= self.promised[&(item.channel, item.lane, signer)]);
		self.pay(&row, amount);
		let row = self.rows.get_mut(&item.channel).unwrap();
		row.lanes[item.lane as usize] = upto;
		if let Some(cap) = &mut row.cap {
			cap.log.push((now, amount));
		}
		Ok(())
	}

	/// Share `amount` out, with what was paid before.
	fn pay(&mut self, row: &Row, amount: Balance) {
		let shares = Schedule::GENESIS.split(row.paid(), amount).unwrap();
		*self.purse(&row.payee, &row.asset) += shares.provider;
		*self.purse(&PLATFORM, &row.asset) += shares.platform;
		*self.purse(&REFERRERS, &row.asset) += shares.referral;
	}

	/// The channel, if `by` may change it now.
	fn changeable(&mut self, by: &AccountId, id: ChannelId) -> Result<&mut Row, DispatchError> {
		let now = self.now;
		match self.rows.get_mut(&id) {
			None => Err(Error::<Test>::UnknownChannel.into()),
			Some(row) if row.payer != *by => Err(Error::<Test>::NotPayer.into()),
			Some(row) if row.ends.is_some_and(|ends| now >= ends) => {
				Err(Error::<Test>::GraceOver.into())
			},
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
		row.retired = Some((row.key, now + row.grace));
		row.key = key;
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
				new.per_window >= old.cap.per_window && new.window <= old.cap.window
			},
		};
		row.next_cap = Some((cap, if looser { now } else { now + row.grace }));
		row.age(now);
		Ok(())
	}

	fn revoke_lane(&mut self, by: &AccountId, id: ChannelId, lane: u32) -> Outcome {
		let now = self.now;
		let row = self.changeable(by, id)?;
		if lane as usize >= row.lanes.len() {
			return is(Error::UnknownLane);
		}
		if row.revoked.contains_key(&lane) {
			return is(Error::LaneRevoked);
		}
		row.revoked.insert(lane, now + row.grace);
		Ok(())
	}

	fn end(&mut self, id: &ChannelId) {
		let row = self.rows.remove(id).unwrap();
		*self.purse(&row.payer, &row.asset) += row.deposit - row.paid();
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
			self.claim(by, &item, &claim)?;
		}
		self.end(&id);
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
			let view = view(*id);
			let index = |key: Key| (0..2).find(|i| public(*i) == key).unwrap();
			assert_eq!(view.settled, row.paid());
			let seen = Row {
				payer: view.payer,
				payee: view.payee,
				asset: view.asset,
				deposit: view.deposit,
				lanes: view.lane_settled,
				grace: view.grace,
				key: index(view.key),
				retired: view.changes.key.map(|(key, until)| (index(key), until)),
				// What is left of it is compared below.
				cap: row.cap.clone(),
				next_cap: view.changes.cap,
				revoked: view.changes.revoked.into_iter().collect(),
				ends: view.ends,
				sponsor_closes: view.ends.is_some() && !view.cancellable,
				depositor: view.depositor,
			};
			assert_eq!(&seen, row);
			assert_eq!(view.cap.as_ref().map(|state| state.cap), row.cap.as_ref().map(|c| c.cap));
			if let (Some(state), Some(capped)) = (view.cap, &row.cap) {
				for later in 0..8 {
					assert_eq!(state.headroom(self.now + later), capped.left(self.now + later));
				}
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
		}
	}
}

/// A batch does what its items do one by one, and its channels in any order, and nothing when it is
/// submitted again.
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
	let singles: Vec<_> = items.iter().map(|item| vec![*item]).collect();
	let mut channels: Vec<_> =
		items.chunk_by(|a, b| a.channel == b.channel).map(<[Item]>::to_vec).collect();
	channels.reverse();
	let whole = root_after(&[items.to_vec()]);
	assert_eq!(root_after(&singles), whole);
	assert_eq!(root_after(&channels), whole);
	assert_eq!(root_after(&[items.to_vec(), items.to_vec()]), whole);
	assert_ok!(settle(by.clone(), items.to_vec()));
}

/// A block ends no more channels than it has room for, those that are due longest first.
fn idle(model: &mut Model, room: u64) {
	use crate::weights::WeightInfo;
	use frame_support::traits::Hooks;
	let mut due: Vec<_> = model
		.rows
		.iter()
		.filter_map(|(id, row)| Some((row.ends.filter(|ends| *ends <= model.now)?, *id)))
		.collect();
	due.sort_unstable();
	let one = <()>::on_idle(1) - <()>::on_idle(0);
	let now = model.now;
	let looked_through = now + 1 - NextDue::<Test>::get();
	let limit = <()>::on_idle(0)
		+ one * room
		+ (<()>::on_idle_blocks(1) - <()>::on_idle_blocks(0)) * u64::from(looked_through);
	let before = crate::Channels::<Test>::iter().count();
	let used = <Channels as Hooks<u32>>::on_idle(now, limit);
	assert!(limit.all_gte(used));
	let ended = before - crate::Channels::<Test>::iter().count();
	// What is not spent on blocks may end a few more.
	assert!(ended >= due.len().min(room as usize));
	for (_, id) in due.iter().take(ended) {
		model.end(id);
	}
}

fn run(ops: Vec<Op>) {
	stoa_primitives::mock::MockRegistry::mock_verify(|who, _, message, signature| {
		(*signature == seal(who, message, false)).then_some(()).ok_or(DispatchError::BadOrigin)
	});
	let mut model = Model { now: 1, ..Default::default() };
	for who in [PAYER, PAYER2, AGENT, OPERATOR] {
		for asset in ASSETS {
			*model.purse(&who, &asset) = CREDITS;
		}
	}
	for op in ops {
		events();
		let (expected, seen) = match op.clone() {
			Op::Open { payer, payee, asset, deposit, grace, lanes, cap } => {
				let (payer, payee) = (&PAYERS[payer], &PAYEES[payee]);
				let (asset, grace) = (&ASSETS[asset], GRACES[grace]);
				let expected = model.open(payer, payee, asset, deposit, grace, lanes, cap);
				let origin = signed(payer.clone());
				let (payee, asset) = (payee.clone(), asset.clone());
				let seen = Channels::open(origin, payee, asset, deposit, key(), grace, lanes, cap);
				(expected, seen)
			},
			Op::OpenAuthorized { payer, payee, deposit, nonce, valid_for, forged } => {
				let (payer, payee) = (&PAYERS[payer], &PAYEES[payee]);
				let next = Channels::next_nonce(payer.clone(), payee.clone());
				let expires = model.now.saturating_add_signed(valid_for.into());
				let auth = OpenAuth {
					payee: payee.clone(),
					asset: OpenAuth::asset_digest(&USD),
					amount: deposit,
					voucher_key: key(),
					grace: MIN_GRACE,
					nonce: next + nonce,
					expires,
				};
				let signature = seal(payer, &auth.to_bytes(&domain()), forged);
				let expected = match () {
					() if expires < model.now => is(Error::AuthorizationExpired),
					() if nonce > 0 => is(Error::NonceNotNext),
					() if forged => Err(DispatchError::BadOrigin),
					() => model.open(payer, payee, &USD, deposit, MIN_GRACE, 1, None),
				};
				let seen = Channels::open_authorized(
					signed(payee.clone()),
					payer.clone(),
					USD,
					deposit,
					key(),
					MIN_GRACE,
					next + nonce,
					expires,
					signature,
				);
				(expected, seen)
			},
			Op::RotateKey { by, channel, key } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				let expected = model.rotate_key(&by, id, key);
				(expected, Channels::rotate_key(signed(by), id, public(key)))
			},
			Op::SetCap { by, channel, cap } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				(model.set_cap(&by, id, cap), Channels::set_cap(signed(by), id, cap))
			},
			Op::RevokeLane { by, channel, lane } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				(model.revoke_lane(&by, id, lane), Channels::revoke_lane(signed(by), id, lane))
			},
			Op::TopUp { by, channel, amount } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				(model.top_up(&by, id, amount), Channels::top_up(signed(by), id, amount))
			},
			Op::Settle { by, claims, all } => {
				let first = claims.first().map_or(NOWHERE, |claim| model.id(claim.channel));
				let by = model.party(by, first, |row| &row.payee);
				let mut rows: Vec<_> = claims
					.into_iter()
					.map(|claim| (model.item(claim, model.id(claim.channel)), claim))
					.collect();
				rows.sort_by_key(|(item, _)| (item.channel, item.lane));
				rows.dedup_by_key(|(item, _)| (item.channel, item.lane));
				let items: Vec<_> = rows.iter().map(|(item, _)| *item).collect();
				if items.is_empty() {
					let seen = settle(by, vec![]).map(|_| ()).map_err(|e| e.error);
					(is(Error::EmptyBatch), seen)
				} else if all {
					let mut after = model.clone();
					let expected =
						rows.iter().try_for_each(|(item, claim)| after.claim(&by, item, claim));
					if expected.is_ok() {
						model = after;
					}
					let seen = frame_support::storage::with_storage_layer(|| {
						settle_all(by.clone(), items)
					});
					(expected, seen)
				} else {
					let paid: Vec<_> = rows
						.iter()
						.filter(|(item, claim)| model.claim(&by, item, claim).is_ok())
						.map(|(item, _)| (item.channel, item.lane))
						.collect();
					settle_and_compare(&by, &items);
					let claimed: Vec<_> = events()
						.into_iter()
						.filter_map(|event| match event {
							Event::Claimed { id, lane, .. } => Some((id, lane)),
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
					(model.item(claim, of), claim)
				});
				let expected = model.close(&by, id, last);
				// As dispatch does it: nothing is kept of a call that fails.
				let seen = frame_support::storage::with_storage_layer(|| {
					close_with(by, id, last.map(|(item, _)| item))
				});
				(expected, seen)
			},
			Op::CloseWithConsent { by, channel, more, valid_for, forged } => {
				let id = model.id(channel);
				let by = model.party(by, id, |row| &row.payer);
				let row = model.rows.get(&id).cloned();
				let paid = row.as_ref().map_or(0, Row::paid);
				let total = paid.saturating_add_signed(more.into());
				let expires = model.now.saturating_add_signed(valid_for.into());
				let message = CloseConsent { channel: id, total, expires }.to_bytes(&domain());
				let payee = row.map_or(PAYEE, |row| row.payee);
				let signature = seal(&payee, &message, forged);
				let expected = model.close_with_consent(&by, id, total, expires, forged);
				let seen = frame_support::storage::with_storage_layer(|| {
					Channels::close_with_consent(signed(by), id, total, expires, signature)
				});
				(expected, seen)
			},
			Op::Idle { channels } => {
				idle(&mut model, channels);
				(Ok(()), Ok(()))
			},
			Op::Finalize { channels } => {
				let ids: Vec<_> = channels.into_iter().map(|index| model.id(index)).collect();
				let expected = model.finalize(&ids);
				(expected, finalize(ids).map(|_| ()).map_err(|error| error.error))
			},
			Op::Wait { blocks } => {
				model.wait(blocks);
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
