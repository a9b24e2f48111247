//! Each step on the chain and in the model.

use super::*;
use crate::weights::WeightInfo;
use frame_support::{storage::with_storage_layer, traits::Hooks};

/// A batch does what its items do one by one, and its channels in any order, and nothing when it is
/// submitted again.
fn settle_and_compare(by: &AccountId, items: &[Item]) -> Outcome {
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
	settle(by.clone(), items.to_vec()).map(|_| ()).map_err(|error| error.error)
}

/// A block ends no more channels than it has room for, those that are due longest first.
fn idle(model: &mut Model, room: u64) {
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
		model.end(*id, CloseReason::GraceOver);
	}
}

fn open_authorized(
	model: &mut Model,
	(payer, payee): (&AccountId, &AccountId),
	deposit: Balance,
	nonce: u64,
	valid_for: i8,
	forged: bool,
) -> (Outcome, Outcome) {
	let nonce = Channels::next_nonce(payer.clone(), payee.clone()) + nonce;
	let expires = model.now.saturating_add_signed(valid_for.into());
	let auth = OpenAuth {
		payee: payee.clone(),
		asset: OpenAuth::asset_digest(&USD),
		amount: deposit,
		voucher_key: key(),
		grace: MIN_GRACE,
		nonce,
		expires,
	};
	let signature = seal(payer, &auth.to_bytes(&domain()), forged);
	let opening = Opening {
		payer,
		payee,
		asset: &USD,
		deposit,
		key: 0,
		grace: MIN_GRACE,
		lanes: 1,
		cap: None,
	};
	let expected = match () {
		() if expires < model.now => is(Error::AuthorizationExpired),
		() if nonce != Channels::next_nonce(payer.clone(), payee.clone()) => {
			is(Error::NonceNotNext)
		},
		() if forged => Err(DispatchError::BadOrigin),
		() => model.open(opening),
	};
	let (origin, payer) = (signed(payee.clone()), payer.clone());
	let seen = Channels::open_authorized(
		origin,
		payer,
		USD,
		deposit,
		key(),
		MIN_GRACE,
		nonce,
		expires,
		signature,
	);
	(expected, seen)
}

fn settle_step(
	model: &mut Model,
	by: Option<usize>,
	claims: Vec<Claim>,
	all: bool,
	sorted: bool,
) -> (Outcome, Outcome) {
	let first = claims.first().map_or(NOWHERE, |claim| model.id(claim.channel));
	let by = model.party(by, first, |row| &row.payee);
	let mut rows: Vec<_> = claims
		.into_iter()
		.map(|claim| (model.item(claim, model.id(claim.channel)), claim))
		.collect();
	let place = |(item, _): &(Item, Claim)| (item.channel, item.lane);
	if sorted {
		rows.sort_by_key(place);
		rows.dedup_by_key(|row| place(row));
	}
	let items: Vec<_> = rows.iter().map(|(item, _)| *item).collect();
	let ascends = rows.windows(2).all(|pair| place(&pair[0]) < place(&pair[1]));
	let expected = match () {
		() if items.is_empty() => is(Error::EmptyBatch),
		() if !ascends => is(Error::NotAscending),
		() if all => model.batch_all(&by, &rows),
		() => model.batch(&by, &rows),
	};
	let seen = if all {
		settle_all(by, items)
	} else if expected.is_ok() {
		settle_and_compare(&by, &items)
	} else {
		settle(by, items).map(|_| ()).map_err(|error| error.error)
	};
	(expected, seen)
}

fn consent_step(
	model: &mut Model,
	by: Option<usize>,
	id: ChannelId,
	more: i8,
	valid_for: i8,
	forged: bool,
) -> (Outcome, Outcome) {
	let by = model.party(by, id, |row| &row.payer);
	let row = model.rows.get(&id).cloned();
	let paid = row.as_ref().map_or(0, Row::paid);
	let total = paid.saturating_add_signed(more.into());
	let expires = model.now.saturating_add_signed(valid_for.into());
	let message = CloseConsent { channel: id, total, expires }.to_bytes(&domain());
	let payee = row.map_or(PAYEE, |row| row.payee);
	let signature = seal(&payee, &message, forged);
	let expected = model.close_with_consent(&by, id, total, expires, forged);
	let seen = Channels::close_with_consent(signed(by), id, total, expires, signature);
	(expected, seen)
}

/// One step: what the model says, and what the chain does.
fn step(model: &mut Model, op: Op) -> (Outcome, Outcome) {
	match op {
		Op::Open { payer, payee, asset, deposit, key, grace, lanes, cap } => {
			let (payer, payee) = (&PAYERS[payer], &PAYEES[payee]);
			let (asset, grace) = (&ASSETS[asset], GRACES[grace]);
			let opening = Opening { payer, payee, asset, deposit, key, grace, lanes, cap };
			let expected = model.open(opening);
			let origin = signed(payer.clone());
			let (payee, asset, key) = (payee.clone(), asset.clone(), public(key));
			(expected, Channels::open(origin, payee, asset, deposit, key, grace, lanes, cap))
		},
		Op::OpenAuthorized { payer, payee, deposit, nonce, valid_for, forged } => {
			let parties = (&PAYERS[payer], &PAYEES[payee]);
			open_authorized(model, parties, deposit, nonce, valid_for, forged)
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
		Op::Settle { by, claims, all, sorted } => settle_step(model, by, claims, all, sorted),
		Op::SetInactive { who, inactive } => {
			let who = [PAYEE, PAYEE2, AGENT][who].clone();
			set_inactive(&who, inactive);
			if inactive {
				model.inactive.insert(who);
			} else {
				model.inactive.remove(&who);
			}
			(Ok(()), Ok(()))
		},
		Op::SetNative { who, amount } => {
			let who = EVERYONE[who].clone();
			assert_ok!(Balances::force_set_balance(RuntimeOrigin::root(), who.clone(), amount));
			model.native.insert(who, amount);
			(Ok(()), Ok(()))
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
			(expected, close_with(by, id, last.map(|(item, _)| item)))
		},
		Op::CloseWithConsent { by, channel, more, valid_for, forged } => {
			consent_step(model, by, model.id(channel), more, valid_for, forged)
		},
		Op::Idle { channels } => {
			idle(model, channels);
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
	}
}

pub(super) fn run(ops: Vec<Op>) {
	stoa_primitives::mock::MockRegistry::mock_verify(|who, _, message, signature| {
		(*signature == seal(who, message, false)).then_some(()).ok_or(DispatchError::BadOrigin)
	});
	let mut model = Model::new();
	for op in ops {
		events();
		let before = model.clone();
		let mut expected = Ok(());
		// As dispatch does it: nothing is kept of a call that fails.
		let seen = with_storage_layer(|| {
			let (told, seen) = step(&mut model, op.clone());
			expected = told;
			seen
		});
		assert_eq!(seen, expected, "{op:?}");
		let seen = events();
		assert_eq!(seen, std::mem::take(&mut model.events), "{op:?}");
		model.check_promises(&seen, &before);
		model.check();
	}
}

proptest! {
	#![proptest_config(config(128))]

	#[test]
	fn every_sequence_of_calls_should_do_what_the_model_does(
		ops in prop::collection::vec(op(), 1..100),
	) {
		new_test_ext().execute_with(|| run(ops));
	}
}
