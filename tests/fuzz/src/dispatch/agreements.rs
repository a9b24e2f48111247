//! Calls of agreements, made of bytes.
//!
//! An offer is made of its six bytes alone and of what its parties own, so that a later step can make the same again, or
//! a counter to it.
//!
//! | byte | of an offer | of an agreement's call |
//! |---|---|---|
//! | 2 | buyer | which agreement |
//! | 3 | seller | which milestone |
//! | 4 | negotiation, round, who signs | amount or share |
//! | 5 | milestones, lock, arbiters, bond | what else the call has |
//! | 6 | price | |
//! | 7 | by what key | by what key |

use super::{
	calls::{self, asset, at, now, sign, Bytes, Meant, WAIT},
	world::{account, DOLLAR},
};
use crate::sample::amount;
use pallet_stoa_escrow::Call;
use sp_runtime::Permill;
use stoa_primitives::{
	agreement::{
		lock_of, AgreementId, AgreementView, Evidence, Milestone, Offer, Panel, Side, MIN_REVIEW,
	},
	payload::{CancelConsent, Domain, ExtendConsent, Payload},
	AccountId, Balance, BlockNumber, H256, HOURS,
};
use stoa_runtime::{Credits, Escrow, Runtime, RuntimeCall, System};

/// How many kinds of calls there are.
pub const KINDS: u8 = 15;

const LOCK_KEY: [u8; 32] = [9; 32];

fn domain() -> Domain {
	Domain::agreements(System::block_hash(0))
}

fn evidence(length: u8) -> Evidence {
	let uri = vec![b'e'; length.into()].try_into().unwrap_or_default();
	Evidence { digest: [length; 32], uri }
}

/// Rounds go on: the counter to an offer has the bytes of that, but for the fifth.
fn offer(a: [u8; 6]) -> Offer {
	let [who, other, course, form, price, _] = a;
	let (buyer, seller) = (account(who), account(other));
	let asset = asset(price % 120);
	let count = usize::from(form % 3) + 1;
	let most = Credits::balance(buyer.clone(), asset.clone()).min(60 * DOLLAR);
	let part = (amount(price, most, 3) / (count as Balance)).max(u128::from(price > 1));
	let free = form >= 224;
	let milestone = |place: usize| {
		let locked = form & 4 != 0 && place + 1 == count;
		Milestone {
			amount: part,
			deliver_within: if free { BlockNumber::from(price) } else { 2 * HOURS },
			review: if locked { BlockNumber::from(form & 3) } else { MIN_REVIEW },
			rework: HOURS,
			changes: if locked { 0 } else { 2 },
			penalty: part / 10,
			lock: locked.then(|| lock_of(&LOCK_KEY)),
		}
	};
	let arbiters = match form >> 3 & 3 {
		0 => Vec::new(),
		1 => vec![account(6)],
		2 => vec![account(6), account(4)],
		_ => vec![account(who.wrapping_add(1)), account(other)],
	};
	let fallback = Permill::from_percent(u32::from(price) % 101);
	let panel = match arbiters.is_empty() {
		true => Panel::none(fallback),
		false => {
			let fee = DOLLAR.min(part);
			Panel {
				arbiters: arbiters.try_into().expect("two at most"),
				fee,
				turn: HOURS,
				fallback,
			}
		},
	};
	let round = u32::from(course >> 2 & 7) + u32::from(course < 224);
	Offer {
		negotiation: [course & 3; 32],
		buyer,
		seller,
		asset,
		milestones: (0..count)
			.map(milestone)
			.collect::<Vec<_>>()
			.try_into()
			.expect("three at most"),
		terms: [form; 32],
		bond: if free { 0 } else { part / 10 * (count as Balance) },
		panel,
		by: if course & 32 == 0 { Side::Seller } else { Side::Buyer },
		round,
		previous: (round > 1).then_some([1; 32]),
		// As both sides would see it who have met a while ago.
		opened: now().saturating_sub(20),
		first_ask: part.saturating_mul(2),
		valid_until: now().saturating_add(if free { 0 } else { 1_000 }),
		nonce: 0,
	}
}

/// Ids of all agreements that run, in order.
fn running() -> Vec<AgreementId> {
	let mut ids: Vec<_> = pallet_stoa_escrow::Agreements::<Runtime>::iter_keys().collect();
	ids.sort_unstable();
	ids
}

/// One of the agreements; for large numbers, one that is not there.
fn agreement(n: u8) -> (AgreementId, Option<AgreementView>) {
	let running = running();
	let id = match n {
		0..=239 if !running.is_empty() => running[usize::from(n) % running.len()],
		n => [n; 32],
	};
	(id, Escrow::agreement(id))
}

/// A call, and for whom it is meant.
pub fn made(kind: u8, bytes: &Bytes) -> (Meant, RuntimeCall) {
	let [a, b, c, d, _, form] = bytes.a;
	let (meant, call) = match kind {
		0..=2 => offers(kind, bytes),
		13 => {
			let mut known: Vec<_> = pallet_stoa_escrow::Standings::<Runtime>::iter_keys().collect();
			known.sort_unstable();
			let negotiation = known.get(usize::from(a) % known.len().max(1)).copied();
			let negotiation = negotiation.unwrap_or([a; 32]);
			(Meant::Account(account(b)), Call::forget { negotiation })
		},
		_ => {
			let (id, view) = agreement(a);
			let milestone = u32::from(b % 4);
			let side = |pick: fn(&Offer) -> &AccountId| {
				Meant::Account(
					view.as_ref().map_or_else(|| account(b), |it| pick(&it.offer).clone()),
				)
			};
			let (buyer, seller) = (side(|offer| &offer.buyer), side(|offer| &offer.seller));
			let evidence = evidence(d);
			match kind {
				3 => (seller, Call::deliver { id, milestone, evidence }),
				4 => {
					let key = if c < 200 { LOCK_KEY } else { [c; 32] };
					(seller, Call::reveal { id, milestone, key })
				},
				5 => (buyer, Call::accept { id, milestone }),
				6 => {
					let open = view.as_ref().and_then(|view| {
						let part = view.offer.milestones.get(b as usize % 4)?;
						let done = view.milestones.get(b as usize % 4)?;
						Some(part.amount.saturating_sub(done.released))
					});
					let amount = amount(c, open.unwrap_or(1_000), 2);
					(buyer, Call::release { id, milestone, amount })
				},
				7 => (buyer, Call::request_changes { id, milestone, evidence }),
				8 => {
					let by = if c < 128 { buyer } else { seller };
					(by, Call::dispute { id, milestone, evidence })
				},
				9 => {
					let seat = Escrow::seat(id, milestone).unwrap_or_else(|| account(c));
					let share = Permill::from_percent(u32::from(c) % 101);
					(Meant::Account(seat), Call::rule { id, milestone, share, evidence })
				},
				10 => (Meant::Account(account(c)), Call::poke { id }),
				14 => {
					let by = if c < 128 { seller } else { buyer };
					(by, Call::answer { id, milestone, evidence })
				},
				_ => {
					let by = if form % 2 == 0 { buyer } else { seller };
					(by, consented(kind, bytes.a, id, view.as_ref()))
				},
			}
		},
	};
	(meant, Call::<Runtime>::into(call))
}

fn offers(kind: u8, bytes: &Bytes) -> (Meant, Call<Runtime>) {
	let [.., form] = bytes.a;
	let offer = offer(bytes.a);
	let signature = sign(offer.signer(), form, &offer.digest(&domain()));
	let other = Meant::Account(offer.recipient().clone());
	match kind {
		0 => {
			let (offer, transcript) = (Box::new(offer), H256::repeat_byte(5));
			(other, Call::commit { offer, signature, transcript })
		},
		1 => {
			let (negotiation, side, round) = (offer.negotiation, offer.by, offer.round);
			let by = Meant::Account(offer.signer().clone());
			let counterparty = offer.recipient().clone();
			(by, Call::withdraw_offer { counterparty, negotiation, side, round })
		},
		_ => (other, Call::supersede { offer: Box::new(offer), signature }),
	}
}

/// What both sides want: by one of them, with the other one's signature.
fn consented(kind: u8, a: [u8; 6], id: AgreementId, view: Option<&AgreementView>) -> Call<Runtime> {
	let [_, b, c, d, e, form] = a;
	let offer = view.map(|view| &view.offer);
	let other = offer.map(|offer| if form % 2 == 0 { &offer.seller } else { &offer.buyer });
	let other = other.cloned().unwrap_or_else(|| account(b));
	// Mostly the next one.
	let sequence = view.map_or(0, |view| view.sequence).saturating_add(u32::from(d >= 240));
	let expires = now().saturating_add(10).saturating_sub(u32::from(e == 127) * 11);
	match kind {
		11 => {
			let total = offer.and_then(Offer::total).unwrap_or(1_000);
			let seller = amount(c, total, 2);
			let consent = CancelConsent { agreement: id, seller, sequence, expires };
			let signature = sign(&other, form, &consent.to_bytes(&domain()));
			Call::cancel { consent, signature }
		},
		_ => {
			let deliver_by = now().saturating_add(u32::from(c) * HOURS);
			let milestone = u32::from(b % 4);
			let consent = ExtendConsent { agreement: id, milestone, deliver_by, sequence, expires };
			let signature = sign(&other, form, &consent.to_bytes(&domain()));
			Call::extend { consent, signature }
		},
	}
}

/// Sequences in which agreements come about and end in each way.
pub fn sequences() -> Vec<Vec<u8>> {
	let step = |kind: u8, a: [u8; 6]| at(calls::AGREEMENTS + kind, a);
	let wait = |n: u8| at(WAIT, [n, 0, 0, 0, 0, 0]);
	let begin = wait(50);
	// Buyer 0, seller 2; two milestones; one arbiter or two.
	let commit = |form: u8| step(0, [0, 2, 0, form, 60, 0]);
	vec![
		// Delivered, sent back, accepted; a part released, the rest ruled on.
		[
			begin.clone(),
			commit(10),
			step(3, [0, 0, 0, 9, 0, 0]),
			step(7, [0, 0, 0, 9, 0, 0]),
			step(3, [0, 0, 0, 9, 0, 0]),
			step(5, [0, 0, 0, 0, 0, 0]),
			step(6, [0, 1, 40, 0, 0, 0]),
			step(3, [0, 1, 0, 9, 0, 0]),
			step(8, [0, 1, 0, 9, 0, 0]),
			step(14, [0, 1, 0, 9, 0, 0]),
			step(9, [0, 1, 60, 9, 0, 0]),
			at(WAIT, [240, 0, 0, 0, 0, 0]),
			step(13, [0, 5, 0, 0, 0, 0]),
		]
		.concat(),
		// Under a lock: the last of two by its key.
		[
			begin.clone(),
			commit(4),
			step(4, [0, 1, 0, 0, 0, 0]),
			step(3, [0, 0, 0, 9, 0, 0]),
			wait(99),
			step(10, [0, 0, 3, 0, 0, 0]),
			step(5, [0, 1, 0, 0, 0, 0]),
		]
		.concat(),
		// Nobody does anything: not delivered; nobody rules.
		[
			begin.clone(),
			commit(16),
			step(3, [0, 0, 0, 9, 0, 0]),
			step(8, [0, 0, 0, 9, 0, 0]),
			at(WAIT, [231, 0, 0, 0, 0, 0]),
			step(10, [0, 0, 3, 0, 0, 0]),
		]
		.concat(),
		// Withdrawn and superseded before the commit; refused afterwards, and undone.
		[
			begin.clone(),
			step(1, [0, 2, 0, 9, 60, 0]),
			commit(9),
			step(2, [0, 2, 4 + 32, 9, 60, 0]),
			step(2, [0, 2, 1 + 8 + 32, 9, 60, 0]),
			step(0, [0, 2, 2, 9, 60, 0]),
			step(2, [0, 2, 2 + 4 + 32, 9, 60, 0]),
		]
		.concat(),
		// Extended, then ended by both.
		[
			begin,
			commit(0),
			step(12, [0, 0, 9, 0, 0, 0]),
			step(12, [0, 0, 9, 0, 0, 1]),
			step(11, [0, 0, 50, 0, 0, 1]),
		]
		.concat(),
	]
}
