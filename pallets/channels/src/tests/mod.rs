//! One test for each way a call succeeds or fails, the attacks on channels by their numbers in the
//! attack catalogue, and all calls against a reference model.

mod attacks;
mod close;
mod model;
mod open;
mod settle;

use crate::mock::Channels;
use crate::{mock::*, pallet::*, types::*, Error};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResultWithPostInfo, BoundedVec};
use sp_runtime::{ArithmeticError, DispatchError};
use stoa_primitives::{
	channel::{Cap, ChannelId, Item, Proof, SkipReason, MAX_GRACE, MIN_GRACE},
	keys::{Key, KeySignature},
	payload::{Domain, Payload, Voucher},
	AccountId, Balance,
};

/// An id that no channel has.
const NOWHERE: ChannelId = [0xEE; 32];

fn settle(by: AccountId, items: Vec<Item>) -> DispatchResultWithPostInfo {
	Channels::settle_batch(signed(by), BoundedVec::truncate_from(items))
}

fn finalize(ids: Vec<ChannelId>) -> DispatchResultWithPostInfo {
	Channels::finalize(signed(STRANGER), BoundedVec::truncate_from(ids))
}

fn view(id: ChannelId) -> ChannelView {
	Channels::channel(id).unwrap()
}

/// The batch of one is skipped for `reason`, and nothing but events changes.
#[track_caller]
fn assert_skipped(by: AccountId, item: Item, reason: SkipReason) {
	let before = root();
	events();
	assert_ok!(settle(by.clone(), vec![item]));
	let mut seen = events();
	assert_eq!(seen.pop(), Some(Event::BatchSettled { by, paid_items: 0, skipped_items: 1 }));
	let Item { channel: id, lane, .. } = item;
	assert_eq!(seen.pop(), Some(Event::Skipped { index: 0, id, lane, reason }));
	assert_eq!(root(), before);
}

fn held(who: &AccountId, reason: HoldReason) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&RuntimeHoldReason::Channels(reason), who)
}
