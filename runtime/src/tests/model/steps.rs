//! What the model expects of each call, and what it books when the call succeeds.

use super::*;
use frame_support::dispatch::Pays;
use stoa_primitives::{
	agent::Status,
	keys::AgentSignature,
	payload::{CloseConsent, OpenAuth},
};

fn delegate_key(n: u8) -> Key {
	Key::Sr25519([n; 32])
}

/// Whether `who` has native tokens for any storage deposit.
fn is_rich(who: &AccountId) -> bool {
	let (preservation, force) = (Preservation::Preserve, Fortitude::Polite);
	configs::Tokens::reducible_balance(NATIVE, who, preservation, force) > STOA
}

/// A batch does what its items do one by one, and nothing when it is submitted again.
fn is_a_fold(by: &AccountId, items: &[Item]) {
	let root_after = |batches: &[&[Item]]| {
		frame_support::hypothetically!({
			for batch in batches {
				let items = batch.to_vec().try_into().expect("a short batch");
				let call = pallet_stoa_channels::Call::<Runtime>::settle_batch { items };
				RuntimeCall::from(call).dispatch(signed(by)).expect("a sound batch");
			}
			System::reset_events();
			sp_io::storage::root(sp_runtime::StateVersion::V1)
		})
	};
	let singles: Vec<_> = items.chunks(1).collect();
	let whole = root_after(&[items]);
	assert_eq!(root_after(&singles), whole, "not what its items do");
	assert_eq!(root_after(&[items, items]), whole, "submitted again, it did something");
}

impl AgentOp {
	/// Whether `who` is in a state that the call is for.
	pub(super) fn makes_sense_for(self, who: &AccountId) -> bool {
		let Some(view) = Agents::agent(who.clone()) else { return false };
		let has = |n| Agents::keys(who.clone()).into_iter().find(|of| of.key == delegate_key(n));
		match self {
			Self::Renew => view.lease_until < now(),
			Self::Resume => view.status == Status::Paused,
			Self::Reinstate => view.status == Status::Suspended,
			Self::Accept | Self::CancelTransfer => view.transfer_to.is_some(),
			Self::RemoveKey(n) => has(n).is_some(),
			Self::RemoveExpiredKey(n) => has(n).is_some_and(|of| of.expires_at < now()),
			_ => view.active,
		}
	}
}

impl World {
	pub(super) fn deposit(&mut self, by: usize, asset: AssetId, amount: Amount, to: usize) {
		let (by, to) = (self.account(by), self.account(to));
		// Of a frozen asset, what there would be to spend.
		let frozen = asset == DUSD && self.frozen.0;
		let accepted = Credits::accepted_assets().into_iter().find(|(known, _)| *known == asset);
		let there_is = if frozen {
			Assets::balance(genesis_presets::DUSD, &by).saturating_sub(1)
		} else {
			let (preservation, force) = (Preservation::Preserve, Fortitude::Polite);
			configs::Tokens::reducible_balance(asset.clone(), &by, preservation, force)
		};
		let amount = amount.of(there_is, accepted.as_ref().map_or(10_000, |(_, bound)| *bound));
		let expected = accepted.is_some_and(|(_, bound)| {
			amount > 0
				&& !frozen && amount <= there_is
				&& self.free(&to, &asset).saturating_add(amount) >= bound
		});
		let result = dispatch(signed(&by), crate::tests::deposit(&asset, amount, &to));
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			self.credit(&to, &asset, amount);
			*self.issued.entry(asset).or_default() += amount;
		}
	}

	pub(super) fn withdraw(&mut self, by: usize, asset: AssetId, amount: Amount, to: usize) {
		let (by, to) = (self.account(by), self.account(to));
		let amount = amount.of(self.free(&by, &asset), 2);
		let arrives = configs::Tokens::can_deposit(asset.clone(), &to, amount, Provenance::Extant)
			== DepositConsequence::Success
			&& !(asset == DUSD && (self.frozen.0 || self.frozen.1));
		let bound = Credits::accepted_assets().into_iter().find(|(id, _)| *id == asset);
		let leaves_dust = |rest| rest > 0 && bound.is_some_and(|(_, bound)| rest < bound);
		let rest = self.free(&by, &asset).checked_sub(amount);
		let expected = amount > 0 && arrives && rest.is_some_and(|rest| !leaves_dust(rest));
		// To take all is the same by two calls.
		let result = if amount == self.free(&by, &asset) {
			let call =
				pallet_stoa_credits::Call::withdraw_all { asset: asset.clone(), to: to.clone() };
			dispatch(signed(&by), call)
		} else {
			dispatch(signed(&by), crate::tests::withdraw(&asset, amount, &to))
		};
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			self.debit(&by, &asset, amount);
			*self.issued.entry(asset).or_default() -= amount;
		}
	}

	/// Somebody sends real money to custody: nobody's credits, and nobody's loss but its own.
	pub(super) fn donate(&mut self, by: usize, asset: AssetId) {
		let by = self.account(by);
		let there_is = configs::Tokens::reducible_balance(
			asset.clone(),
			&by,
			Preservation::Preserve,
			Fortitude::Polite,
		);
		if there_is >= 1_000 {
			transfer(&asset, &by, &Credits::custody_account(), 1_000);
			let mut expected = GENESIS.get();
			if asset == NATIVE {
				expected.native.1 += 1_000;
			} else {
				expected.dusd.1 += 1_000;
			}
			GENESIS.set(expected);
			check_books();
		}
	}

	pub(super) fn pay(&mut self, by: AccountId, to: AccountId, asset: AssetId, amount: Amount) {
		let amount = amount.of(self.free(&by, &asset), 2);
		let expected = amount > 0
			&& by != to
			&& Agents::is_active(to.clone())
			&& amount <= self.free(&by, &asset);
		let schedule = self.schedule();
		let result = dispatch(signed(&by), crate::tests::pay(&to, &asset, amount));
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			self.debit(&by, &asset, amount);
			let source = Source::Charge([9; 32]);
			let mut events = take_events().into_iter();
			self.settle(&by, &to, &asset, 0, amount, schedule, source, &mut events);
			assert_eq!(events.next(), None);
		}
	}

	pub(super) fn propose(&mut self, rates: [u32; 3]) {
		let [provider, platform, referral] = rates;
		let expected = provider + platform + referral == 1_000_000
			&& provider >= 800_000
			&& platform >= referral;
		self.schedule();
		let [provider, platform, referral] = rates.map(Permill::from_parts);
		let call = pallet_stoa_fee_split::Call::propose_schedule { provider, platform, referral };
		assert_eq!(dispatch(root(), call).is_ok(), expected, "{rates:?}");
		if expected {
			self.pending = Some((self.schedules.len() as ScheduleId, now() + 14 * DAYS));
			self.schedules.push(rates);
		}
	}

	pub(super) fn grant(&mut self, agent: AccountId, asset: AssetId, amount: Amount) {
		let left = Referrals::bonus_left(agent.clone(), asset.clone());
		let amount = amount.of(left, 2);
		let call = pallet_stoa_referrals::Call::grant_bonus {
			agent: agent.clone(),
			asset: asset.clone(),
			amount,
		};
		let expected = amount > 0 && amount <= left && Agents::is_active(agent.clone());
		let result = dispatch(root(), call);
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			self.debit(&Referrals::growth_pool_account(), &asset, amount);
			*self.pool.entry(asset.clone()).or_default() -= amount;
			self.credit(&agent, &asset, amount);
		}
	}

	/// dUSD, or what custody holds of it, is frozen or thawed by who may. Credits move all the same.
	pub(super) fn freeze(&mut self, what: Freeze) {
		use pallet_assets::Call;
		let (id, custody) = (genesis_presets::DUSD, Credits::custody_account().into());
		let call = match what {
			Freeze::Asset => Call::freeze_asset { id },
			Freeze::ThawAsset => Call::thaw_asset { id },
			Freeze::Custody => Call::freeze { id, who: custody },
			Freeze::ThawCustody => Call::thaw { id, who: custody },
		};
		if dispatch(alice().origin(), call).is_ok() {
			match what {
				Freeze::Asset => self.frozen.0 = true,
				Freeze::ThawAsset => self.frozen.0 = false,
				Freeze::Custody => self.frozen.1 = true,
				Freeze::ThawCustody => self.frozen.1 = false,
			}
		}
	}

	/// Somebody gives away all native tokens that it can, its account with them if nothing else keeps
	/// it, or is given some.
	pub(super) fn native(&mut self, who: usize, leaves: bool) {
		let (who, ferdie) = (self.account(who), ferdie());
		if leaves {
			let call = pallet_balances::Call::transfer_all {
				dest: ferdie.account.into(),
				keep_alive: false,
			};
			let _ = dispatch(signed(&who), call);
		} else {
			let (dest, value) = (who.into(), 100 * STOA);
			let call = pallet_balances::Call::transfer_keep_alive { dest, value };
			ok(ferdie.origin(), call);
		}
	}

	/// A cap for a channel of this deposit.
	fn cap(capping: Capping, deposit: Balance) -> Option<Cap> {
		match capping {
			Capping::None => None,
			Capping::Part(part, window) => {
				let per_window = (deposit / 1_000 * Balance::from(part)).max(1);
				Some(Cap { per_window, window })
			},
			Capping::Loose => Some(Cap { per_window: Balance::MAX, window: MIN_GRACE }),
			Capping::OutOfBounds => Some(Cap { per_window: 0, window: 1 }),
		}
	}

	pub(super) fn open(&mut self, op: &Op) {
		let Op::Open { by, payee, asset, amount, grace, lanes, cap, key, apt } = *op else {
			unreachable!("only for this step")
		};
		let (payer, asset) = (self.account(by), assets(asset));
		let payee = self.fit(payee, apt, |who| *who != payer && Agents::is_active(who.clone()));
		let deposit = amount.of(self.free(&payer, &asset), 2);
		let cap = Self::cap(cap, deposit);
		let call = pallet_stoa_channels::Call::open {
			payee: payee.clone(),
			asset: asset.clone(),
			deposit,
			key: voucher_key(key).key(),
			grace,
			lanes,
			cap,
		};
		let expected = self.can_open(&payer, &payee, &asset, deposit)
			&& lanes > 0
			&& (MIN_GRACE..=MAX_GRACE).contains(&grace)
			&& cap.is_none_or(|cap| cap.is_valid());
		let opening = self.opening(payer, payee, asset, deposit, grace, lanes, cap, key);
		let by = opening.payer.clone();
		self.opened(opening, expected, || dispatch(signed(&by), call));
	}

	fn can_open(
		&self,
		payer: &AccountId,
		payee: &AccountId,
		asset: &AssetId,
		deposit: u128,
	) -> bool {
		payer != payee
			&& deposit > 0
			&& Agents::is_active(payee.clone())
			&& deposit <= self.free(payer, asset)
	}

	/// A channel as it will be, but for who puts up the storage deposit.
	#[allow(clippy::too_many_arguments)]
	fn opening(
		&mut self,
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
		deposit: Balance,
		grace: BlockNumber,
		lanes: u16,
		cap: Option<Cap>,
		key: u8,
	) -> Open {
		let pair = (payer.clone(), payee.clone());
		Open {
			nonce: self.nonces.get(&pair).copied().unwrap_or_default(),
			depositor: payer.clone(),
			payer,
			payee,
			asset,
			deposit,
			lanes: vec![0; lanes.into()],
			grace,
			key,
			replaced: None,
			cap: cap.map(CapState::new),
			next_cap: None,
			revoked: Vec::new(),
			ends: None,
			sponsor_closes: false,
			schedule: self.schedule(),
		}
	}

	/// Open a channel, and book it if that succeeds.
	fn opened(
		&mut self,
		mut opening: Open,
		expected: bool,
		open: impl FnOnce() -> Result<PostDispatchInfo, DispatchError>,
	) {
		let Open { payer, payee, asset, .. } = opening.clone();
		let id = Channels::channel_id_of(payer.clone(), payee.clone(), asset.clone());
		let rich = is_rich(&payer);
		let result = open();
		if rich {
			// It can put up the storage deposit if nobody else does.
			assert_eq!(result.is_ok(), expected, "{result:?}");
		}
		if result.is_ok() {
			assert!(expected);
			assert!(self.opened.iter().all(|(other, _)| *other != id), "an id has returned");
			self.debit(&payer, &asset, opening.deposit);
			*self.nonces.entry((payer.clone(), payee)).or_default() += 1;
			let view = Channels::channel(id).expect("opened under another id");
			let operator = Agents::operator_of(payer.clone());
			assert!(view.depositor == payer || Some(&view.depositor) == operator.as_ref());
			opening.depositor = view.depositor;
			self.opened.push((id, opening.key));
			self.channels.insert(id, opening);
		}
	}

	pub(super) fn top_up(&mut self, by: Option<usize>, channel: usize, amount: Amount) {
		let (id, _) = self.channel(channel);
		let open = self.channels.get(&id).cloned();
		let by = self.by(by, open.as_ref().map(|open| open.payer.clone()));
		let asset = open.as_ref().map_or(DUSD, |open| open.asset.clone());
		let amount = amount.of(self.free(&by, &asset), 2);
		let expected = open.is_some_and(|open| {
			let operator = Agents::operator_of(open.payer.clone());
			open.ends.is_none_or(|ends| now() < ends)
				&& (by == open.payer || operator.as_ref() == Some(&by))
		}) && amount > 0
			&& amount <= self.free(&by, &asset);
		let result = dispatch(signed(&by), pallet_stoa_channels::Call::top_up { id, amount });
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			self.debit(&by, &asset, amount);
			self.channels.get_mut(&id).expect("it is there").deposit += amount;
		}
	}

	pub(super) fn settle_batch(&mut self, by: Option<usize>, claims: &[Claim], sorted: bool) {
		let mut items: Vec<_> = claims.iter().map(|claim| self.item(*claim)).collect();
		let place = |(item, _): &(Item, Shown)| (item.channel, item.lane);
		if sorted {
			items.sort_by_key(place);
			items.dedup_by_key(|item| place(item));
		}
		let first = items.first().and_then(|(item, _)| self.channels.get(&item.channel));
		let by = self.by(by, first.map(|open| open.payee.clone()));
		let expected =
			!items.is_empty() && items.windows(2).all(|pair| place(&pair[0]) < place(&pair[1]));
		let batch = items.iter().map(|(item, _)| *item).collect::<Vec<_>>();
		if expected {
			is_a_fold(&by, &batch);
		}
		take_events();
		let call = pallet_stoa_channels::Call::settle_batch {
			items: batch.try_into().expect("a short batch"),
		};
		let result = dispatch(signed(&by), call);
		assert_eq!(result.is_ok(), expected, "{result:?}");
		let Ok(post) = result else { return };
		let (mut paid_items, mut skipped_items) = (0, 0);
		let mut events = take_events().into_iter();
		for (index, (item, shown)) in items.into_iter().enumerate() {
			match self.verdict(&by, &item, shown) {
				Ok(amount) => {
					self.claim((item.channel, item.lane), amount, &mut events);
					paid_items += 1;
				},
				Err(reason) => {
					let skipped = pallet_stoa_channels::Event::Skipped {
						index: index as u32,
						id: item.channel,
						lane: item.lane,
						reason,
					};
					assert_eq!(events.next(), Some(skipped.into()), "{item:?}");
					self.skipped.extend(reason.encode());
					skipped_items += 1;
				},
			}
		}
		let free = post.pays_fee == Pays::No;
		let end = pallet_stoa_channels::Event::BatchSettled { by, paid_items, skipped_items, free };
		assert_eq!(events.collect::<Vec<_>>(), [end.into()]);
	}

	pub(super) fn open_authorized(&mut self, op: &Op) {
		let Op::OpenAuthorized {
			by,
			payee,
			asset,
			amount,
			key,
			nonce: beyond,
			valid_for,
			forged,
			apt,
		} = *op
		else {
			unreachable!("only for this step")
		};
		let (payer, asset) = (self.account(by), assets(asset));
		let payee = self.fit(payee, apt, |who| *who != payer && Agents::is_active(who.clone()));
		let deposit = amount.of(self.free(&payer, &asset), 2);
		let nonce = Channels::next_nonce(payer.clone(), payee.clone()) + beyond;
		let (grace, expires) = (MIN_GRACE, now().saturating_add_signed(valid_for.into()));
		let voucher_key_of = voucher_key(key).key();
		let auth = OpenAuth {
			payee: payee.clone(),
			asset: OpenAuth::asset_digest(&asset),
			amount: deposit,
			voucher_key: voucher_key_of,
			grace,
			nonce,
			expires,
		};
		let call = pallet_stoa_channels::Call::open_authorized {
			payer: payer.clone(),
			asset: asset.clone(),
			deposit,
			key: voucher_key_of,
			grace,
			nonce,
			expires,
			signature: self.sign(&payer, &auth, forged),
		};
		let expected = self.can_open(&payer, &payee, &asset, deposit)
			&& !forged
			&& beyond == 0
			&& expires >= now();
		let opening = self.opening(payer, payee, asset, deposit, grace, 1, None, key);
		let by = opening.payee.clone();
		self.opened(opening, expected, || dispatch(signed(&by), call));
	}

	/// The account's signature over a payload about channels, or that of somebody else.
	fn sign(&self, who: &AccountId, payload: &impl Payload, forged: bool) -> AgentSignature {
		let at = self.people.iter().position(|person| person.account == *who).unwrap_or(0);
		let signer = &self.people[(at + usize::from(forged)) % PEOPLE];
		let message = payload.to_bytes(&Domain::channels(genesis_hash()));
		AgentSignature::Account(signer.pair.sign(&message).into())
	}

	pub(super) fn settle_batch_all(&mut self, by: Option<usize>, claims: &[Claim]) {
		let mut items: Vec<_> = claims.iter().map(|claim| self.item(*claim)).collect();
		let place = |(item, _): &(Item, Shown)| (item.channel, item.lane);
		items.sort_by_key(place);
		items.dedup_by_key(|item| place(item));
		let first = items.first().and_then(|(item, _)| self.channels.get(&item.channel));
		let by = self.by(by, first.map(|open| open.payee.clone()));
		// Lanes of a channel share its deposit and its cap, so items are judged one after the other.
		let before = self.channels.clone();
		let all = items.iter().all(|(item, shown)| {
			let verdict = self.verdict(&by, item, *shown);
			if let (Ok(amount), Some(open)) = (verdict, self.channels.get_mut(&item.channel)) {
				open.raise(item.lane, amount);
			}
			verdict.is_ok()
		});
		self.channels = before;
		let batch = items.iter().map(|(item, _)| *item).collect::<Vec<_>>();
		take_events();
		let call = pallet_stoa_channels::Call::settle_batch_all {
			items: batch.try_into().expect("a short batch"),
		};
		let result = dispatch(signed(&by), call);
		assert_eq!(result.is_ok(), all && !items.is_empty(), "{result:?}");
		if result.is_ok() {
			let mut events = take_events().into_iter();
			for (item, shown) in items {
				let amount = self.verdict(&by, &item, shown).expect("it was paid");
				self.claim((item.channel, item.lane), amount, &mut events);
			}
		}
	}

	pub(super) fn rotate_key(&mut self, by: Option<usize>, channel: usize, key: u8) {
		let (id, old) = self.channel(channel);
		let by = self.by(by, self.channels.get(&id).map(|open| open.payer.clone()));
		let new = voucher_key(key).key();
		let expected = self.changeable(&id, &by)
			&& new != voucher_key(old).key()
			&& self.channels.get(&id).is_some_and(|open| open.replaced.is_none());
		let call = pallet_stoa_channels::Call::rotate_key { id, key: new };
		let result = dispatch(signed(&by), call);
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			let open = self.channels.get_mut(&id).expect("it is there");
			open.replaced = Some((open.key, now() + open.grace));
			open.key = key;
		}
	}

	pub(super) fn set_cap_of(&mut self, by: Option<usize>, channel: usize, cap: Capping) {
		let (id, _) = self.channel(channel);
		let open = self.channels.get(&id);
		let cap = Self::cap(cap, open.map_or(0, |open| open.deposit));
		let by = self.by(by, open.map(|open| open.payer.clone()));
		let expected = self.changeable(&id, &by) && cap.is_none_or(|cap| cap.per_window > 0);
		let result = dispatch(signed(&by), pallet_stoa_channels::Call::set_cap { id, cap });
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			let open = self.channels.get_mut(&id).expect("it is there");
			let at_once = match (&open.cap, cap) {
				(_, None) => true,
				(None, _) => false,
				(Some(CapState { cap: old, .. }), Some(new)) => {
					new.per_window >= old.per_window && new.window <= old.window
				},
			};
			open.next_cap = Some((cap, if at_once { now() } else { now() + open.grace }));
			open.age();
		}
	}

	pub(super) fn revoke_lane(&mut self, by: Option<usize>, channel: usize, lane: u32) {
		let (id, _) = self.channel(channel);
		let by = self.by(by, self.channels.get(&id).map(|open| open.payer.clone()));
		let expected = self.changeable(&id, &by)
			&& self.channels.get(&id).is_some_and(|open| {
				let known = open.revoked.iter().any(|(other, _)| *other == lane);
				(lane as usize) < open.lanes.len() && !known
			});
		let result = dispatch(signed(&by), pallet_stoa_channels::Call::revoke_lane { id, lane });
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			let open = self.channels.get_mut(&id).expect("it is there");
			open.revoked.push((lane, now() + open.grace));
		}
	}

	pub(super) fn close_with_consent(
		&mut self,
		by: Option<usize>,
		channel: usize,
		amount: Amount,
		valid_for: i8,
		forged: bool,
	) {
		let (id, _) = self.channel(channel);
		let open = self.channels.get(&id).cloned();
		let by = self.by(by, open.as_ref().map(|open| open.payer.clone()));
		let (settled, left) =
			open.as_ref().map_or((0, 0), |open| (open.settled(), open.deposit - open.settled()));
		let gross = amount.of(left, 2);
		let total = settled.saturating_add(gross);
		let expires = now().saturating_add_signed(valid_for.into());
		let payee = open.as_ref().map_or_else(|| self.account(0), |open| open.payee.clone());
		let consent = CloseConsent { channel: id, total, expires };
		let signature = self.sign(&payee, &consent, forged);
		let expected = open.as_ref().is_some_and(|open| open.payer == by)
			&& expires >= now()
			&& gross <= left
			&& !forged;
		take_events();
		let call = pallet_stoa_channels::Call::close_with_consent { id, total, expires, signature };
		let result = dispatch(signed(&by), call);
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if let Some(open) = open.filter(|_| expected) {
			if gross > 0 {
				let (source, mut events) = (Source::Channel(id), take_events().into_iter());
				self.settle(
					&open.payer,
					&open.payee,
					&open.asset,
					settled,
					gross,
					open.schedule,
					source,
					&mut events,
				);
				*self.claimed.entry(id).or_default() += gross;
				self.channels.get_mut(&id).expect("it is there").lanes[0] += gross;
			}
			self.end(id);
		}
	}

	pub(super) fn request_close(&mut self, by: Option<usize>, channel: usize) {
		let (id, _) = self.channel(channel);
		let open = self.channels.get(&id).cloned();
		let by = self.by(by, open.as_ref().map(|open| open.payer.clone()));
		let expected = open.as_ref().is_some_and(|open| {
			if by == open.payer {
				open.ends.is_none()
			} else {
				!open.sponsor_closes && by == open.depositor
			}
		});
		let result = dispatch(signed(&by), pallet_stoa_channels::Call::request_close { id });
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			let open = self.channels.get_mut(&id).expect("it is there");
			open.ends = open.ends.or(Some(now() + open.grace));
			open.sponsor_closes = by != open.payer;
		}
	}

	pub(super) fn cancel_close(&mut self, by: Option<usize>, channel: usize) {
		let (id, _) = self.channel(channel);
		let open = self.channels.get(&id).cloned();
		let by = self.by(by, open.as_ref().map(|open| open.payer.clone()));
		let expected = open.as_ref().is_some_and(|open| {
			by == open.payer && !open.sponsor_closes && open.ends.is_some_and(|ends| now() < ends)
		});
		let result = dispatch(signed(&by), pallet_stoa_channels::Call::cancel_close { id });
		assert_eq!(result.is_ok(), expected, "{result:?}");
		if expected {
			self.channels.get_mut(&id).expect("it is there").ends = None;
		}
	}

	pub(super) fn close(&mut self, by: Option<usize>, channel: usize, last: Option<Claim>) {
		let (id, _) = self.channel(channel);
		let by = self.by(by, self.channels.get(&id).map(|open| open.payee.clone()));
		// Mostly of this channel.
		let last = last.map(|claim| {
			let channel = if claim.channel < 10 { channel } else { claim.channel };
			self.item(Claim { channel, ..claim })
		});
		let verdict = match &last {
			Some((item, _)) if item.channel != id => Err(SkipReason::UnknownChannel),
			Some((item, shown)) => self.verdict(&by, item, *shown).map(Some),
			None => Ok(None),
		};
		let is_payee = self.channels.get(&id).is_some_and(|open| open.payee == by);
		take_events();
		let result = dispatch(signed(&by), crate::tests::close(id, last.map(|(item, _)| item)));
		assert_eq!(result.is_ok(), is_payee && verdict.is_ok(), "{result:?} {verdict:?}");
		if result.is_ok() {
			if let (Ok(Some(amount)), Some((item, _))) = (verdict, last) {
				self.claim((id, item.lane), amount, &mut take_events().into_iter());
			}
			self.end(id);
		}
	}

	pub(super) fn finalize(&mut self, channels: &[usize]) {
		let ids: Vec<_> = channels.iter().map(|n| self.channel(*n).0).collect();
		let call = pallet_stoa_channels::Call::finalize {
			ids: ids.clone().try_into().expect("a short list"),
		};
		let mut due: Vec<_> = ids
			.into_iter()
			.filter(|id| {
				self.channels
					.get(id)
					.is_some_and(|open| open.ends.is_some_and(|ends| ends <= now()))
			})
			.collect();
		due.sort();
		due.dedup();
		let result = dispatch(signed(&self.account(0)), call);
		assert_eq!(result.is_ok(), !due.is_empty(), "{result:?}");
		due.into_iter().for_each(|id| self.end(id));
	}

	/// What is left of a block ends channels that are due, those of earlier blocks first.
	pub(super) fn idle(&mut self, room: u64) {
		use frame_support::{traits::Hooks, weights::Weight};
		use pallet_stoa_channels::{Due, NextDue, WeightInfo as _};
		type Weights = crate::weights::pallet_stoa_channels::WeightInfo<Runtime>;
		let mut due: Vec<_> = self
			.channels
			.iter()
			.filter_map(|(id, open)| Some((open.ends.filter(|ends| *ends <= now())?, *id)))
			.collect();
		due.sort();
		// Blocks of the time between in which nothing was due have been looked through.
		let first = Due::<Runtime>::iter_keys().map(|(block, _)| block).min().unwrap_or(now());
		let first = first.min(now()).max(NextDue::<Runtime>::get());
		NextDue::<Runtime>::put(first);
		let per_block = Weights::on_idle_blocks(1) - Weights::on_idle_blocks(0);
		let one = Weights::on_idle(1) - Weights::on_idle(0);
		let blocks = u64::from(now().saturating_sub(first).min(3_000) + 1);
		let limit: Weight = Weights::on_idle(0) + one * room + per_block * blocks;
		let used = Channels::on_idle(now(), limit);
		assert!(limit.all_gte(used));
		let left: Vec<_> = due.iter().map(|(_, id)| Channels::channel(*id).is_some()).collect();
		let ended = left.iter().filter(|left| !**left).count();
		assert!(left[ended..].iter().all(|left| *left), "not those that are due longest");
		let in_reach = due.iter().filter(|(ends, _)| *ends < first + blocks as u32).count();
		assert!(ended >= in_reach.min(room as usize), "{ended} of {in_reach}");
		due.into_iter().take(ended).for_each(|(_, id)| self.end(id));
		self.idled += ended;
		check_books();
	}

	pub(super) fn register(
		&mut self,
		by: usize,
		agent: usize,
		consents: Consents,
		referred: Referred,
	) {
		let (operator, who) = (&self.people[by], &self.people[agent]);
		let other = &self.people[(agent + 1) % PEOPLE];
		let proof = match consents {
			Consents::Good => Some(consent(&operator.account, who, now() + 10)),
			Consents::Missing => None,
			Consents::ByAnother => {
				let other = Person { account: who.account.clone(), ..other.clone() };
				Some(consent(&operator.account, &other, now() + 10))
			},
			Consents::Expired => Some(consent(&operator.account, who, now() - 1)),
		};
		let referral = match referred {
			Referred::Nobody => None,
			Referred::Account(n) => Some(Referral::Account(self.account(n))),
			Referred::Code(n) => Some(Referral::Code(code(n))),
		};
		let known = Agents::agent(who.account.clone()).is_some();
		let rich = is_rich(&operator.account);
		let call = pallet_stoa_agents::Call::register {
			agent: who.account.clone(),
			proof,
			manifest: manifest(),
			referral: referral.clone(),
		};
		let result = dispatch(operator.origin(), call);
		let consented = by == agent || matches!(consents, Consents::Good);
		if known || !consented {
			assert!(result.is_err(), "registered without consent or twice");
		} else if rich && referral.is_none() {
			assert!(result.is_ok(), "{result:?}");
		}
	}

	pub(super) fn agent(&mut self, by: Option<usize>, agent: AccountId, what: AgentOp) {
		use pallet_stoa_agents::Call;
		let of = delegate_key;
		let view = Agents::agent(agent.clone());
		let operator = view.as_ref().map(|view| view.operator.clone());
		let recipient = view.and_then(|view| view.transfer_to);
		let governance = matches!(what, AgentOp::Suspend | AgentOp::Reinstate);
		let meant = if matches!(what, AgentOp::Accept) { recipient } else { operator };
		let by = self.by(by, meant);
		let origin = if governance { root() } else { signed(&by) };
		let call = match what {
			AgentOp::Renew => Call::renew { agent },
			AgentOp::SetManifest(length) => {
				let uri = vec![b'x'; length].try_into().expect("within the bound");
				Call::set_manifest { agent, manifest: Manifest { digest: [1; 32], uri } }
			},
			AgentOp::Pause => Call::pause { agent },
			AgentOp::Resume => Call::resume { agent },
			AgentOp::Suspend => Call::suspend { agent },
			AgentOp::Reinstate => Call::reinstate { agent },
			AgentOp::Retire => Call::retire { agent },
			AgentOp::Offer(to) => Call::offer_transfer { agent, to: self.account(to) },
			AgentOp::Accept => Call::accept_transfer { agent },
			AgentOp::CancelTransfer => Call::cancel_transfer { agent },
			AgentOp::AddKey { key, scopes, lasts } => Call::add_key {
				agent,
				key: of(key),
				scopes: codec::Decode::decode(&mut &[scopes][..]).unwrap_or(Scopes::NONE),
				expires_at: now() + lasts,
			},
			AgentOp::RemoveKey(key) => Call::remove_key { agent, key: of(key) },
			AgentOp::RemoveExpiredKey(key) => Call::remove_expired_key { agent, key: of(key) },
		};
		let _ = dispatch(origin, call);
	}

	/// What only governance may do, by somebody else.
	pub(super) fn usurp(&mut self, by: usize, what: u8) {
		let agent = self.account((by + 1) % PEOPLE);
		let percent = Permill::from_percent;
		let call: RuntimeCall = match what {
			0 => pallet_stoa_credits::Call::accept_asset { asset: DUSD, dust_bound: 1 }.into(),
			1 => pallet_stoa_credits::Call::stop_accepting { asset: DUSD }.into(),
			2 => pallet_stoa_fee_split::Call::propose_schedule {
				provider: percent(80),
				platform: percent(20),
				referral: percent(0),
			}
			.into(),
			3 => pallet_stoa_fee_split::Call::cancel_schedule {}.into(),
			4 => pallet_stoa_referrals::Call::set_cap { asset: DUSD, cap: 1 }.into(),
			5 => pallet_stoa_referrals::Call::grant_bonus { agent, asset: DUSD, amount: 1 }.into(),
			6 => pallet_stoa_agents::Call::suspend { agent }.into(),
			_ => pallet_stoa_agents::Call::reinstate { agent }.into(),
		};
		refused(signed(&self.account(by)), call, sp_runtime::traits::BadOrigin);
	}
}
