//! Fees of real transactions, natively or from credits.

use super::*;
use frame_support::{
	dispatch::GetDispatchInfo,
	traits::{fungibles::Inspect as _, Get},
	weights::Weight,
};
use sp_runtime::{
	transaction_validity::{InvalidTransaction, TransactionSource, TransactionValidityError},
	ApplyExtrinsicResult,
};
use stoa_primitives::DAYS;

pub(super) const FROM_DUSD: FeeTerms = FeeTerms { asset: Some(DUSD), tip: 0 };
const FROM_NATIVE_CREDITS: FeeTerms = FeeTerms { asset: Some(NATIVE), tip: 0 };
const NATIVE_FEE: FeeTerms = FeeTerms { asset: None, tip: 0 };

const PAYMENT: ApplyExtrinsicResult =
	Err(TransactionValidityError::Invalid(InvalidTransaction::Payment));

fn remark() -> RuntimeCall {
	frame_system::Call::remark { remark: vec![1; 32] }.into()
}

fn treasury() -> AccountId {
	configs::TreasuryAccount::get()
}

/// The validator that makes the blocks of these tests.
fn author() -> AccountId {
	Session::validators()[0].clone()
}

fn native_of(who: &AccountId) -> Balance {
	configs::Tokens::balance(NATIVE, who)
}

fn credits(who: &AccountId, asset: &AssetId) -> Balance {
	Credits::balance(who.clone(), asset.clone())
}

/// What the signer of `transaction` is charged before it runs, in native units.
fn declared_fee(transaction: &UncheckedExtrinsic, tip: Balance) -> Balance {
	let length = u32::try_from(transaction.encoded_size()).expect("short");
	TransactionPayment::compute_fee(length, &transaction.get_dispatch_info(), tip)
}

/// The last fee that was paid from credits: who, asset, fee and tip.
pub(super) fn paid() -> Option<(AccountId, Option<AssetId>, Balance, Balance)> {
	System::events().into_iter().rev().find_map(|record| match record.event {
		RuntimeEvent::AssetTxPayment(pallet_asset_tx_payment::Event::AssetTxFeePaid {
			who,
			actual_fee,
			tip,
			asset_id,
		}) => Some((who, asset_id, actual_fee, tip)),
		_ => None,
	})
}

/// Apply in a block of its own.
pub(super) fn in_block(transaction: UncheckedExtrinsic) -> ApplyExtrinsicResult {
	block(Some(0), || apply(transaction))
}

/// Apply in a block of its own what must not be included, and must leave no trace.
fn not_included(transaction: UncheckedExtrinsic, reason: ApplyExtrinsicResult) {
	block(Some(0), || {
		let version = sp_runtime::StateVersion::V1;
		let before = sp_io::storage::root(version);
		assert_eq!(apply(transaction.clone()), reason);
		assert_eq!(sp_io::storage::root(version), before, "it left a trace");
		// The pool says the same.
		let _ = with_storage_layer(|| -> Result<(), DispatchError> {
			let validity = Executive::validate_transaction(
				TransactionSource::External,
				transaction,
				System::parent_hash(),
			);
			assert_eq!(validity.map(|_| ()).err(), reason.err());
			Err(DispatchError::Other("only a question"))
		});
	});
}

#[test]
fn agents_that_own_nothing_but_credits_should_pay_from_them() {
	run(|| {
		let agent = Person::new(1).with_credits(&DUSD, DOLLAR);
		assert_eq!(System::account(&agent.account).providers, 0);
		assert_eq!(configs::Tokens::balance(NATIVE, &agent.account), 0);
		let tx = transaction(&agent, 0, remark(), FROM_DUSD);
		let declared = declared_fee(&tx, 0) / 1_000_000;
		assert_eq!(in_block(tx), Ok(Ok(())));

		let fee = DOLLAR - agent.credits(&DUSD);
		assert_eq!(paid(), Some((agent.account.clone(), Some(DUSD), fee, 0)));
		assert!(fee > 0 && fee <= declared.max(1), "{fee} of at most {declared}");
		// Four fifths to the treasury, the rest to the author; in sum all of it.
		assert_eq!(credits(&author(), &DUSD), fee / 5);
		assert_eq!(credits(&treasury(), &DUSD), fee - fee / 5);
		assert_eq!(agent.sent(), 1);
		assert_eq!(Credits::solvency(DUSD).issued, DOLLAR);
		// Real money has not moved: neither native balances nor those of the asset.
		assert_eq!(
			configs::Tokens::balance(NATIVE, &treasury()),
			crate::units::EXISTENTIAL_DEPOSIT
		);
		assert_eq!(Assets::balance(1, treasury()), 0);

		// And on.
		let tx = transaction(&agent, 1, remark(), FROM_DUSD);
		assert_eq!(in_block(tx), Ok(Ok(())));
		assert_eq!(agent.credits(&DUSD), DOLLAR - 2 * fee);
	});
}

#[test]
fn agents_that_own_nothing_but_credits_should_do_their_business() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None).with_credits(&DUSD, DOLLAR);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let id = Channels::channel_id_of(payer.account.clone(), provider.account.clone(), DUSD);
		let channel = Channel { id, key: VoucherKey::ed25519(1) };
		let opening = open(&provider.account, &DUSD, DOLLAR / 2, channel.key.key());
		let run = |who: &Person, nonce, call: RuntimeCall| {
			assert_eq!(in_block(transaction(who, nonce, call, FROM_DUSD)), Ok(Ok(())));
		};
		run(&payer, 0, opening.into());
		run(&provider, 0, settle(vec![channel.voucher(100_000)]).into());
		run(&payer, 1, pay(&provider.account, &DUSD, 1_000).into());
		run(&provider, 1, close(id, None).into());
		let fees = credits(&treasury(), &DUSD) + credits(&author(), &DUSD);
		let market = credits(&configs::PlatformAccount::get(), &DUSD)
			+ credits(&Referrals::growth_pool_account(), &DUSD);
		assert_eq!(market, 15_150);
		assert_eq!(payer.credits(&DUSD) + provider.credits(&DUSD) + fees + market, 2 * DOLLAR);
	});
}

#[test]
fn settlement_should_be_free_when_the_platforms_share_is_worth_more_than_its_fee() {
	run(|| {
		let provider = Person::new(1)
			.registered_by(&alice(), None)
			.with_credits(&DUSD, DOLLAR)
			.with_native(10 * STOA);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, 10 * DOLLAR);
		let channel = Channel::open(&payer, &provider, &DUSD, 5 * DOLLAR, VoucherKey::ed25519(1));
		let platform = || credits(&configs::PlatformAccount::get(), &DUSD);
		// Settles so much more; what the provider has got, and what the platform has.
		let mut total = 0;
		let mut settle_more = |nonce, gross: Balance, terms| {
			total += gross;
			let before = (provider.credits(&DUSD), native_of(&provider.account), platform());
			let tx = transaction(&provider, nonce, settle(vec![channel.voucher(total)]), terms);
			assert_eq!(in_block(tx), Ok(Ok(())));
			let share = platform() - before.2;
			let fee = before.0 + (gross - 3 * (gross / 20)) - provider.credits(&DUSD);
			(fee, before.1 - native_of(&provider.account), share)
		};
		// A thousandth of a dollar does not pay for it, natively or from credits; ten cents do.
		let (fee, _, share) = settle_more(0, 1_000, FROM_DUSD);
		assert!(fee > 0 && share == 100);
		let (_, native, _) = settle_more(1, 1_000, NATIVE_FEE);
		assert!(native > 0);
		for (nonce, terms) in [(2, FROM_DUSD), (3, NATIVE_FEE)] {
			let (from_credits, native, share) = settle_more(nonce, DOLLAR / 10, terms);
			assert_eq!((from_credits, native, share), (0, 0, DOLLAR / 100));
		}
		// It turns free where the share is just more than the fee, which the length hardly changes.
		let (mut paying, mut free) = (1_000, DOLLAR / 10);
		for nonce in 4..18 {
			let gross = (paying + free) / 40 * 20;
			match settle_more(nonce, gross, FROM_DUSD).0 {
				0 => free = gross,
				_ => paying = gross,
			}
		}
		let least = free / 10;
		assert!((fee..fee + fee / 10).contains(&least), "a share of {least} for a fee of {fee}");

		// Tips are not refunded, and a close with an item is as free.
		let tip = FeeTerms { tip: 5_000_000, ..FROM_DUSD };
		let before = provider.credits(&DUSD);
		let tx = transaction(&provider, 18, settle(vec![channel.voucher(total + DOLLAR)]), tip);
		assert_eq!(in_block(tx), Ok(Ok(())));
		assert_eq!(provider.credits(&DUSD), before + DOLLAR * 85 / 100 - 5);
		let before = provider.credits(&DUSD);
		let last = Some(channel.voucher(total + 2 * DOLLAR));
		let tx = transaction(&provider, 19, close(channel.id, last), FROM_DUSD);
		assert_eq!(in_block(tx), Ok(Ok(())));
		assert_eq!(provider.credits(&DUSD), before + DOLLAR * 85 / 100);
	});
}

/// Whether the last batch says that it is free.
fn said_free() -> bool {
	let said = System::events().into_iter().rev().find_map(|record| match record.event {
		RuntimeEvent::Channels(pallet_stoa_channels::Event::BatchSettled { free, .. }) => {
			Some(free)
		},
		_ => None,
	});
	said.expect("a batch was settled")
}

#[test]
fn settlement_should_pay_the_fee_of_the_call_that_it_is_made_in() {
	run(|| {
		let provider = Person::new(1)
			.registered_by(&alice(), None)
			.with_credits(&DUSD, DOLLAR)
			.with_native(10 * STOA);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, 10 * DOLLAR);
		let channel = Channel::open(&payer, &provider, &DUSD, 5 * DOLLAR, VoucherKey::ed25519(1));
		let helper = Person::new(3).with_credits(&DUSD, DOLLAR);
		ok(
			provider.origin(),
			pallet_proxy::Call::add_proxy {
				delegate: helper.account.clone().into(),
				proxy_type: configs::ProxyType::Agent,
				delay: 0,
			},
		);
		let settle = |total| RuntimeCall::from(settle(vec![channel.voucher(total)]));
		// By itself it is free. What it is charged otherwise is the weight that it took.
		let tx = transaction(&provider, 0, settle(DOLLAR), FROM_DUSD);
		assert_eq!(in_block(tx), Ok(Ok(())));
		assert_eq!(paid().map(|(_, _, fee, _)| fee), Some(0));
		assert!(said_free());

		let batch = pallet_utility::Call::batch_all { calls: vec![settle(2 * DOLLAR)] };
		let tx = transaction(&provider, 1, batch, FROM_DUSD);
		let declared = declared_fee(&tx, 0) / 1_000_000;
		assert_eq!(in_block(tx), Ok(Ok(())));
		let (_, _, fee, _) = paid().expect("a fee was paid");
		assert!(said_free() && fee > 0 && fee < declared, "{fee} of {declared}");

		// Through a proxy it is charged what was declared.
		let proxied = pallet_proxy::Call::proxy {
			real: provider.account.clone().into(),
			force_proxy_type: None,
			call: Box::new(settle(3 * DOLLAR)),
		};
		let tx = transaction(&helper, 0, proxied, FROM_DUSD);
		let declared = declared_fee(&tx, 0) / 1_000_000;
		assert_eq!(in_block(tx), Ok(Ok(())));
		let (by, _, fee, _) = paid().expect("a fee was paid");
		assert_eq!(by, helper.account);
		assert!(
			said_free() && fee.abs_diff(declared) <= 1 + declared / 1_000,
			"{fee} of {declared}"
		);
		assert_eq!(Channels::channel(channel.id).map(|view| view.settled), Some(3 * DOLLAR));
	});
}

#[test]
fn settlement_should_not_be_free_without_a_rate() {
	run(|| {
		use stoa_primitives::traits::FeeCover;
		let covers = |asset| {
			let weight = Weight::from_parts(1_000_000_000, 0);
			configs::PlatformShare::covers(&asset, Balance::MAX, weight, 100)
		};
		assert!(covers(NATIVE) && covers(DUSD));
		assert!(!covers(AssetId::WithId(77)));
		pallet_asset_rate::ConversionRateToNative::<Runtime>::remove(1);
		assert!(!covers(DUSD));
	});
}

#[test]
fn native_credits_should_pay_at_par() {
	run(|| {
		let agent = Person::new(1).with_credits(&NATIVE, STOA);
		let tx = transaction(&agent, 0, remark(), FROM_NATIVE_CREDITS);
		assert_eq!(in_block(tx), Ok(Ok(())));
		let fee = STOA - agent.credits(&NATIVE);
		assert_eq!(paid(), Some((agent.account.clone(), Some(NATIVE), fee, 0)));
		assert!(fee > 1_000_000, "{fee} is too little for a native fee");
		assert_eq!(credits(&author(), &NATIVE), fee / 5);
		assert_eq!(credits(&treasury(), &NATIVE), fee - fee / 5);

		// The same transaction costs the same in dollars, rounded down to a whole unit. Its asset
		// takes four more bytes; the price of weight has fallen a little since the block before.
		let other = Person::new(2).with_credits(&DUSD, DOLLAR);
		assert_eq!(in_block(transaction(&other, 0, remark(), FROM_DUSD)), Ok(Ok(())));
		let bytes = TransactionPayment::length_to_fee(4);
		let in_dollars = DOLLAR - other.credits(&DUSD);
		assert!(((fee - fee / 1_000) / 1_000_000..=(fee + bytes) / 1_000_000).contains(&in_dollars));
	});
}

#[test]
fn native_fees_should_reach_treasury_and_author_in_full() {
	run(|| {
		let payer = bob();
		let balance = |who: &AccountId| configs::Tokens::balance(NATIVE, who);
		let before = (balance(&payer.account), balance(&treasury()), balance(&author()));
		// In the block, `check_books` says whether any of it was burned.
		let tx = transaction(&payer, 0, remark(), NATIVE_FEE);
		assert_eq!(in_block(tx), Ok(Ok(())));
		let fee = before.0 - balance(&payer.account);
		assert!(fee > 0);
		assert_eq!(balance(&author()) - before.2, fee / 5);
		assert_eq!(balance(&treasury()) - before.1, fee - fee / 5);
		assert_eq!(credits(&treasury(), &NATIVE), 0);
	});
}

#[test]
fn fees_should_all_go_to_the_treasury_when_a_block_has_no_author() {
	run(|| {
		let agent = Person::new(1).with_credits(&DUSD, DOLLAR);
		let tx = transaction(&agent, 0, remark(), FROM_DUSD);
		assert_eq!(block(None, || apply(tx)), Ok(Ok(())));
		let fee = DOLLAR - agent.credits(&DUSD);
		assert_eq!(credits(&treasury(), &DUSD), fee);
		assert_eq!(credits(&author(), &DUSD), 0);
	});
}

#[test]
fn transactions_should_be_refused_when_their_fee_cannot_be_paid() {
	run(|| {
		let agent = Person::new(1).with_credits(&DUSD, DOLLAR);
		let with = |who: &Person, nonce, asset| {
			transaction(who, nonce, remark(), FeeTerms { asset, tip: 0 })
		};
		// In an asset that nobody knows, that has no rate, or that the agent has no credits of.
		not_included(with(&agent, 0, Some(AssetId::WithId(99))), PAYMENT);
		not_included(with(&agent, 0, Some(NATIVE)), PAYMENT);
		// Natively, with no native balance.
		not_included(with(&agent, 0, None), PAYMENT);
		// By somebody who has money but no credits of it.
		not_included(with(&bob(), 0, Some(DUSD)), PAYMENT);
		// By somebody who has nothing at all.
		not_included(with(&Person::new(3), 0, Some(DUSD)), PAYMENT);
		// With a tip beyond all means.
		let tip = FeeTerms { asset: Some(DUSD), tip: 2 * STOA };
		not_included(transaction(&agent, 0, remark(), tip), PAYMENT);
		let tip = FeeTerms { asset: Some(DUSD), tip: Balance::MAX };
		not_included(transaction(&agent, 0, remark(), tip), PAYMENT);
		// Once governance has taken the rate away.
		ok(root(), pallet_asset_rate::Call::remove { asset_kind: Box::new(1) });
		not_included(with(&agent, 0, Some(DUSD)), PAYMENT);
		assert_eq!(agent.credits(&DUSD), DOLLAR);
		assert_eq!(agent.sent(), 0);
	});
}

#[test]
fn transactions_of_the_wrong_chain_nonce_or_signer_should_be_refused() {
	run(|| {
		let agent = Person::new(1).with_credits(&DUSD, DOLLAR);
		let future = transaction(&agent, 1, remark(), FROM_DUSD);
		let result = block(Some(0), || apply(future));
		assert_eq!(result, Err(InvalidTransaction::Future.into()));
		let forged = transaction(
			&Person { account: agent.account.clone(), ..Person::new(2) },
			0,
			remark(),
			FROM_DUSD,
		);
		not_included(forged, Err(InvalidTransaction::BadProof.into()));
		let tx = transaction(&agent, 0, remark(), FROM_DUSD);
		assert_eq!(in_block(tx.clone()), Ok(Ok(())));
		not_included(tx, Err(InvalidTransaction::Stale.into()));
	});
}

#[test]
fn unused_weight_should_be_given_back() {
	run(|| {
		let agent = Person::new(1).with_credits(&NATIVE, STOA);
		// Items of unknown channels are skipped before their signatures are looked at.
		let items = (0..100u32)
			.map(|n| {
				let id = sp_io::hashing::blake2_256(&n.to_le_bytes());
				Channel { id, key: VoucherKey::ecdsa(1) }.voucher(1)
			})
			.collect();
		let tx = transaction(&agent, 0, settle(items), FROM_NATIVE_CREDITS);
		let declared = declared_fee(&tx, 0);
		assert_eq!(in_block(tx), Ok(Ok(())));
		let fee = STOA - agent.credits(&NATIVE);
		assert!(fee < declared, "{fee} of {declared}: nothing was given back");
		assert_eq!(
			fee,
			credits(&treasury(), &NATIVE) + credits(&author(), &NATIVE),
			"what was not given back was not handed on"
		);
	});
}

#[test]
fn failed_calls_should_pay_their_fee_and_nothing_else() {
	run(|| {
		let agent = Person::new(1).with_credits(&DUSD, DOLLAR);
		let call = pay(&bob().account, &DUSD, 1_000);
		let tx = transaction(&agent, 0, call, FROM_DUSD);
		let error = pallet_stoa_agents::Error::<Runtime>::NotRegistered.into();
		assert_eq!(in_block(tx), Ok(Err(error)));
		let (_, _, fee, _) = paid().expect("a fee was paid");
		assert_eq!(agent.credits(&DUSD), DOLLAR - fee);
		assert_eq!(agent.sent(), 1);
	});
}

#[test]
fn tips_should_be_paid_on_top_and_raise_priority() {
	run(|| {
		let plain = Person::new(1).with_credits(&NATIVE, STOA);
		let tipping = Person::new(2).with_credits(&NATIVE, STOA);
		let tip = 10 * MILLI;
		let without = transaction(&plain, 0, remark(), FROM_NATIVE_CREDITS);
		let with = transaction(&tipping, 0, remark(), FeeTerms { asset: Some(NATIVE), tip });
		let priority = |tx: &UncheckedExtrinsic| {
			let mut priority = 0;
			let _ = with_storage_layer(|| -> Result<(), DispatchError> {
				let source = TransactionSource::External;
				let validity =
					Executive::validate_transaction(source, tx.clone(), System::parent_hash());
				priority = validity.expect("it is valid").priority;
				Err(DispatchError::Other("only a question"))
			});
			priority
		};
		assert!(priority(&with) > priority(&without));
		// The tip's bytes cost too.
		let longer = (with.encoded_size() - without.encoded_size()) as Balance;
		let byte = TransactionPayment::length_to_fee(1);
		// In one block, since the price of weight moves from block to block.
		let results = block(Some(0), || [apply(without), apply(with)]);
		assert_eq!(results, [Ok(Ok(())), Ok(Ok(()))]);
		let (_, _, fee, paid_tip) = paid().expect("a fee was paid");
		assert_eq!(paid_tip, tip);
		assert_eq!(tipping.credits(&NATIVE), STOA - fee);
		assert_eq!(fee, STOA - plain.credits(&NATIVE) + tip + longer * byte);
		let sum = 2 * STOA - plain.credits(&NATIVE) - tipping.credits(&NATIVE);
		assert_eq!(credits(&treasury(), &NATIVE) + credits(&author(), &NATIVE), sum);
		// Rounding of each fee is to the treasury's side.
		assert!(credits(&author(), &NATIVE) <= sum / 5);
	});
}

#[test]
fn fees_should_not_be_paid_twice_out_of_what_a_call_takes_away() {
	run(|| {
		let agent = Person::new(1).with_credits(&DUSD, DOLLAR);
		// All that there is: the fee is taken first, so the call lacks it and fails cleanly.
		let all = withdraw(&DUSD, DOLLAR, &bob().account);
		let tx = transaction(&agent, 0, all, FROM_DUSD);
		let error = pallet_stoa_credits::Error::<Runtime>::InsufficientCredits.into();
		assert_eq!(in_block(tx), Ok(Err(error)));
		let (_, _, fee, _) = paid().expect("a fee was paid");
		assert_eq!(agent.credits(&DUSD), DOLLAR - fee);

		// All that the fee leaves.
		let probe = withdraw(&DUSD, 0, &bob().account);
		let declared = declared_fee(&transaction(&agent, 1, probe, FROM_DUSD), 0) / 1_000_000;
		let rest = agent.credits(&DUSD) - declared.max(1);
		let before = Assets::balance(1, &bob().account);
		let tx = transaction(&agent, 1, withdraw(&DUSD, rest, &bob().account), FROM_DUSD);
		assert_eq!(in_block(tx), Ok(Ok(())));
		assert_eq!(Assets::balance(1, &bob().account), before + rest);
		// What is left is what was given back of the fee.
		let (_, _, fee, _) = paid().expect("a fee was paid");
		assert_eq!(agent.credits(&DUSD), declared.max(1) - fee);
		let owed = Credits::solvency(DUSD).issued;
		let fees = credits(&treasury(), &DUSD) + credits(&author(), &DUSD);
		assert_eq!(owed, fees + agent.credits(&DUSD));
	});
}

#[test]
fn fees_should_never_end_the_account_that_pays_them() {
	run(|| {
		// Exactly the fee and nothing more would take the last credit, and the nonce with it.
		let bound = genesis_presets::DUSD_DUST_BOUND;
		let agent = Person::new(1).with_credits(&DUSD, bound);
		let declared = declared_fee(&transaction(&agent, 0, remark(), FROM_DUSD), 0) / 1_000_000;
		let spare = bound - declared.max(1);
		for (left, included) in [(0, false), (1, true)] {
			let _ = with_storage_layer(|| -> Result<(), DispatchError> {
				if spare > left {
					let provider = Person::new(2).registered_by(&bob(), None);
					ok(agent.origin(), pay(&provider.account, &DUSD, spare - left));
				}
				let tx = transaction(&agent, 0, remark(), FROM_DUSD);
				let result = block(Some(0), || apply(tx));
				if included {
					assert_eq!(result, Ok(Ok(())));
					assert_eq!(agent.sent(), 1);
				} else {
					assert_eq!(result, PAYMENT);
				}
				Err(DispatchError::Other("only a question"))
			});
		}
	});
}

/// A provider that was paid by a charge, and a payer who then parted with the rest of its credits for
/// a time, must not find the charge repeated.
#[test]
fn old_transactions_should_stay_stale_when_an_agent_had_no_free_credits_for_a_while() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None).with_credits(&DUSD, DOLLAR);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let charge = transaction(&payer, 0, pay(&provider.account, &DUSD, 100_000), FROM_DUSD);
		assert_eq!(in_block(charge.clone()), Ok(Ok(())));

		// A channel takes all that the fee leaves.
		let key = VoucherKey::ed25519(1);
		let opening = |amount| open(&provider.account, &DUSD, amount, key.key());
		let declared = declared_fee(&transaction(&payer, 1, opening(0), FROM_DUSD), 0) / 1_000_000;
		let rest = payer.credits(&DUSD) - declared.max(1);
		let id = Channels::channel_id_of(payer.account.clone(), provider.account.clone(), DUSD);
		let tx = transaction(&payer, 1, opening(rest), FROM_DUSD);
		assert_eq!(in_block(tx), Ok(Ok(())));
		assert_eq!(payer.sent(), 2, "the nonce started anew");

		// The provider closes it, and submits the old charge once more.
		let tx = transaction(&provider, 0, close(id, None), FROM_DUSD);
		assert_eq!(in_block(tx), Ok(Ok(())));
		let before = payer.credits(&DUSD);
		assert_eq!(in_block(charge), Err(InvalidTransaction::Stale.into()), "it was paid twice");
		assert_eq!(payer.credits(&DUSD), before);
	});
}

#[test]
fn old_transactions_should_stay_stale_when_credits_were_withdrawn_and_deposited_again() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let charge = transaction(&payer, 0, pay(&provider.account, &DUSD, 100_000), FROM_DUSD);
		assert_eq!(in_block(charge.clone()), Ok(Ok(())));
		ok(payer.origin(), withdraw(&DUSD, payer.credits(&DUSD), &bob().account));
		ok(bob().origin(), deposit(&DUSD, DOLLAR, &payer.account));
		assert_eq!(in_block(charge), Err(InvalidTransaction::Stale.into()), "it was paid twice");
		assert_eq!(payer.credits(&DUSD), DOLLAR);
	});
}

#[test]
fn old_transactions_should_stay_stale_when_an_account_was_removed_and_came_back() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		// No agent: nothing but its credits keeps the account.
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR);
		let charge = transaction(&payer, 0, pay(&provider.account, &DUSD, 100_000), FROM_DUSD);
		assert_eq!(in_block(charge.clone()), Ok(Ok(())));
		ok(payer.origin(), withdraw(&DUSD, payer.credits(&DUSD), &bob().account));
		assert!(!frame_system::Account::<Runtime>::contains_key(&payer.account));
		ok(bob().origin(), deposit(&DUSD, DOLLAR, &payer.account));
		assert_eq!(in_block(charge), Err(InvalidTransaction::Stale.into()), "it was paid twice");
		assert_eq!(payer.credits(&DUSD), DOLLAR);
	});
}

#[test]
fn blocks_should_follow_each_other_with_transactions_in_them() {
	run(|| {
		let agents: Vec<_> = (1..=3).map(|n| Person::new(n).with_credits(&DUSD, DOLLAR)).collect();
		for nonce in 0..5 {
			block(Some(0), || {
				for agent in &agents {
					let tx = transaction(agent, nonce, remark(), FROM_DUSD);
					assert_eq!(apply(tx), Ok(Ok(())));
				}
			});
		}
		assert!(System::block_number() < DAYS);
		assert!(agents.iter().all(|agent| agent.sent() == 5));
	});
}
