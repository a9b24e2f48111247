//! One test for each way a call succeeds or fails, attacks, and all calls against a reference model.

mod amend;
mod attacks;
mod commit;
mod deliver;
mod dispute;
mod end;
mod kpis;
mod layout;
mod model;
mod readme;
mod standing;

use crate::{mock::*, pallet::*, types::*, Error};
use frame_support::{assert_noop, assert_ok};
use sp_runtime::{DispatchError, DispatchResult, Permill};
use stoa_primitives::{
	agreement::{
		negotiation_key, AgreementId, Milestone, Offer, Panel, Side, MAX_DURATION, MAX_ROUNDS,
		MAX_VALIDITY, VOID_WINDOW,
	},
	payload::{CancelConsent, ExtendConsent, Payload},
	AccountId, Balance, BlockNumber, H256,
};

/// An id that no agreement has.
const NOWHERE: AgreementId = [0xEE; 32];

/// So many cases unless `PROPTEST_CASES` says otherwise, without files of failed ones.
fn config(cases: u32) -> proptest::test_runner::Config {
	let told = std::env::var("PROPTEST_CASES").ok().and_then(|text| text.parse().ok());
	let cases = told.unwrap_or(cases);
	proptest::test_runner::Config { cases, failure_persistence: None, ..Default::default() }
}

fn view(id: AgreementId) -> AgreementView {
	Escrow::agreement(id).unwrap()
}

fn outcome(id: AgreementId) -> Outcome {
	assert!(Escrow::agreement(id).is_none());
	Escrow::outcome(id).unwrap()
}

fn state(id: AgreementId, milestone: usize) -> State {
	view(id).milestones[milestone].state
}

fn deliver(id: AgreementId, milestone: u32) -> DispatchResult {
	Escrow::deliver(signed(SELLER), id, milestone, evidence(1))
}

fn request_changes(id: AgreementId, milestone: u32) -> DispatchResult {
	Escrow::request_changes(signed(BUYER), id, milestone, evidence(2))
}

fn dispute(by: AccountId, id: AgreementId, milestone: u32) -> DispatchResult {
	Escrow::dispute(signed(by), id, milestone, evidence(3))
}

fn answer(by: AccountId, id: AgreementId, milestone: u32) -> DispatchResult {
	Escrow::answer(signed(by), id, milestone, evidence(5))
}

fn rule(by: AccountId, id: AgreementId, milestone: u32, percent: u32) -> DispatchResult {
	Escrow::rule(signed(by), id, milestone, Permill::from_percent(percent), evidence(4))
}

fn poke(id: AgreementId) -> DispatchResult {
	Escrow::poke(signed(STRANGER), id).map(|_| ()).map_err(|error| error.error)
}

/// The call fails with this error and changes nothing.
macro_rules! refused {
	($call:expr, $error:ident) => {
		frame_support::assert_noop!($call, Error::<Test>::$error)
	};
}
use refused;

fn held(who: &AccountId, reason: HoldReason) -> Balance {
	use frame_support::traits::fungible::InspectHold;
	Balances::balance_on_hold(&RuntimeHoldReason::Escrow(reason), who)
}

/// One milestone with these terms, and the rest as usual.
fn single(milestone: Milestone) -> Offer {
	Offer { milestones: vec![milestone].try_into().unwrap(), ..offer() }
}

/// An agreement of one milestone that is delivered.
fn delivered(panel: Panel) -> AgreementId {
	let id = commit(&Offer { panel, ..single(milestone()) });
	assert_ok!(deliver(id, 0));
	events();
	id
}
