//! One test for each way a call succeeds or fails, the attacks on channels by their numbers in the
//! attack catalogue, and all calls against a reference model.

mod attacks;
mod bits;
mod change;
mod close;
mod exhaustive;
mod lanes;
mod layout;
mod model;
mod open;
mod readme;
mod settle;

use crate::mock::Channels;
use crate::{mock::*, pallet::*, types::*, Error};
use frame_support::{assert_noop, assert_ok, dispatch::DispatchResultWithPostInfo, BoundedVec};
use sp_core::{ed25519, sr25519, Pair};
use sp_runtime::{ArithmeticError, DispatchError};
use stoa_primitives::{
	channel::{
		Cap, ChannelId, Item, Proof, SkipReason, MAX_GRACE, MAX_LANES, MAX_WINDOW, MIN_GRACE,
	},
	keys::{AgentSignature, Key, KeySignature},
	payload::{CloseConsent, Domain, OpenAuth, Payload, Voucher},
	AccountId, AssetId, Balance,
};

/// An id that no channel has.
const NOWHERE: ChannelId = [0xEE; 32];

/// So many cases unless `PROPTEST_CASES` says otherwise, without files of failed ones.
fn config(cases: u32) -> proptest::test_runner::Config {
	let told = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
	let cases = told.unwrap_or(cases);
	proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}

fn settle(by: AccountId, items: Vec<Item>) -> DispatchResultWithPostInfo {
	Channels::settle_batch(signed(by), BoundedVec::truncate_from(items))
}

fn settle_all(by: AccountId, items: Vec<Item>) -> Result<(), DispatchError> {
	Channels::settle_batch_all(signed(by), BoundedVec::truncate_from(items))
		.map(|_| ())
		.map_err(|error| error.error)
}

fn close_with(by: AccountId, id: ChannelId, last: Option<Item>) -> Result<(), DispatchError> {
	Channels::close(signed(by), id, last).map(|_| ()).map_err(|error| error.error)
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
	assert_eq!(
		seen.pop(),
		Some(Event::BatchSettled { by, paid_items: 0, skipped_items: 1, free: false })
	);
	let Item { channel: id, lane, .. } = item;
	assert_eq!(seen.pop(), Some(Event::Skipped { index: 0, id, lane, reason }));
	assert_eq!(root(), before);
}

fn held(who: &AccountId, reason: HoldReason) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&RuntimeHoldReason::Channels(reason), who)
}
