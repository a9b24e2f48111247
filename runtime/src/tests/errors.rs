//! Bad input: each has an error or a skip reason of its own, and changes nothing.

use super::*;
use pallet_stoa_agents::Error as AgentError;
use pallet_stoa_channels::Error as ChannelError;
use pallet_stoa_credits::Error as CreditError;
use pallet_stoa_fee_split::Error as SplitError;
use pallet_stoa_referrals::Error as ReferralError;
use sp_runtime::{traits::BadOrigin, Permill};
use stoa_primitives::{
	agent::{Scope, Scopes},
	channel::{Cap, SkipReason, MAX_GRACE, MAX_LANES, MAX_WINDOW, MIN_GRACE},
	referral::Code,
	DAYS,
};

type Agent = AgentError<Runtime>;
type Chan = ChannelError<Runtime>;
type Credit = CreditError<Runtime>;
type Split = SplitError<Runtime>;
type Ref = ReferralError<Runtime>;

const LEASE: BlockNumber = 90 * DAYS;

fn code(text: &str) -> Code {
	text.as_bytes().to_vec().try_into().expect("a short code")
}

fn renew(agent: &Person) -> pallet_stoa_agents::Call<Runtime> {
	pallet_stoa_agents::Call::renew { agent: agent.account.clone() }
}

fn finalize(ids: &[ChannelId]) -> pallet_stoa_channels::Call<Runtime> {
	let ids = ids.to_vec().try_into().expect("within the bound");
	pallet_stoa_channels::Call::finalize { ids }
}

fn request_close(id: ChannelId) -> pallet_stoa_channels::Call<Runtime> {
	pallet_stoa_channels::Call::request_close { id }
}

fn by_account(who: &Person) -> Option<Referral> {
	Some(Referral::Account(who.account.clone()))
}

/// A provider of Alice's, a consumer of Bob's with $1, and a channel of 50 cents between them.
fn market() -> (Person, Person, Channel) {
	let provider = Person::new(1).registered_by(&alice(), None);
	let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
	let channel = Channel::open(&payer, &provider, &DUSD, DOLLAR / 2, VoucherKey::ed25519(1));
	(provider, payer, channel)
}

/// Submit one item that must be skipped for `reason`, and a close with it that must fail for `error`.
fn skips(by: &Person, item: Item, reason: SkipReason, error: Chan) {
	let before = market_state();
	take_events();
	ok(by.origin(), settle(vec![item]));
	let skipped: Vec<_> = take_events()
		.into_iter()
		.filter_map(|event| match event {
			RuntimeEvent::Channels(pallet_stoa_channels::Event::Skipped {
				index,
				id,
				lane,
				reason,
			}) => Some((index, id, lane, reason)),
			RuntimeEvent::Channels(pallet_stoa_channels::Event::BatchSettled {
				paid_items,
				skipped_items,
				..
			}) => {
				assert_eq!((paid_items, skipped_items), (0, 1));
				None
			},
			other => panic!("an unexpected event: {other:?}"),
		})
		.collect();
	assert_eq!(skipped, [(0, item.channel, item.lane, reason)]);
	assert_eq!(market_state(), before, "a skipped item changed something");
	refused(by.origin(), close(item.channel, Some(item)), error);
}

/// All that items can change.
fn market_state() -> Vec<u8> {
	let mut state = Vec::new();
	for (id, channel) in pallet_stoa_channels::Channels::<Runtime>::iter() {
		(id, channel).encode_to(&mut state);
	}
	for row in pallet_stoa_credits::Free::<Runtime>::iter() {
		row.encode_to(&mut state);
	}
	for row in pallet_stoa_credits::Locked::<Runtime>::iter() {
		row.encode_to(&mut state);
	}
	for row in pallet_stoa_fee_split::Totals::<Runtime>::iter() {
		row.encode_to(&mut state);
	}
	for row in pallet_stoa_referrals::Totals::<Runtime>::iter() {
		row.encode_to(&mut state);
	}
	state
}

#[test]
fn unknown_agents_should_be_refused() {
	run(|| {
		let stranger = Person::new(9);
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR);
		let key = VoucherKey::ed25519(1).key();
		refused(payer.origin(), open(&stranger.account, &DUSD, 1, key), Agent::NotRegistered);
		refused(payer.origin(), pay(&stranger.account, &DUSD, 1), Agent::NotRegistered);
		refused(alice().origin(), renew(&stranger), Agent::NotRegistered);
		let suspend = pallet_stoa_agents::Call::suspend { agent: stranger.account.clone() };
		refused(root(), suspend, Agent::NotRegistered);
		let claim = pallet_stoa_referrals::Call::claim_code { code: code("code-1") };
		refused(alice().origin(), claim, Agent::NotRegistered);
	});
}

#[test]
fn lapsed_agents_should_be_refused_until_they_are_renewed() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR);
		advance(LEASE);
		ok(payer.origin(), pay(&provider.account, &DUSD, 1));
		advance(1);
		let key = VoucherKey::ed25519(1).key();
		refused(payer.origin(), open(&provider.account, &DUSD, 1, key), Agent::LeaseLapsed);
		refused(payer.origin(), pay(&provider.account, &DUSD, 1), Agent::LeaseLapsed);
		refused(bob().origin(), renew(&provider), Agent::NotOperator);
		ok(alice().origin(), renew(&provider));
		ok(payer.origin(), pay(&provider.account, &DUSD, 1));
	});
}

#[test]
fn stopped_agents_should_be_refused_with_their_status() {
	run(|| {
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR);
		let agent = Person::new(1).registered_by(&alice(), None);
		let of = || agent.account.clone();
		let refuses = |error: Agent| {
			let error: DispatchError = error.into();
			refused(payer.origin(), pay(&of(), &DUSD, 1), error);
			let key = VoucherKey::ed25519(1).key();
			refused(payer.origin(), open(&of(), &DUSD, 1, key), error);
		};
		ok(alice().origin(), pallet_stoa_agents::Call::pause { agent: of() });
		refuses(Agent::Paused);
		ok(root(), pallet_stoa_agents::Call::suspend { agent: of() });
		refuses(Agent::Suspended);
		refused(
			alice().origin(),
			pallet_stoa_agents::Call::resume { agent: of() },
			Agent::Suspended,
		);
		ok(alice().origin(), pallet_stoa_agents::Call::retire { agent: of() });
		refuses(Agent::Retired);
		refused(root(), pallet_stoa_agents::Call::reinstate { agent: of() }, Agent::NotSuspended);
		refused(alice().origin(), register(&alice(), &agent, None), Agent::Retired);
	});
}

#[test]
fn wrong_proofs_should_be_refused() {
	run(|| {
		advance(10);
		let (operator, agent) = (alice(), Person::new(1));
		let now = System::block_number();
		let good = consent(&operator.account, &agent, now + 10);
		let with = |proof| pallet_stoa_agents::Call::register {
			agent: agent.account.clone(),
			proof,
			manifest: manifest(),
			referral: None,
		};
		let refuses = |proof, error: Agent| refused(operator.origin(), with(Some(proof)), error);
		refused(operator.origin(), with(None), Agent::ProofMissing);
		refuses(consent(&operator.account, &agent, now - 1), Agent::ProofExpired);
		refuses(consent(&operator.account, &agent, now + DAYS + 1), Agent::ProofTooLong);
		// To another operator, by another agent, with another expiry.
		refuses(consent(&bob().account, &agent, now + 10), Agent::ProofInvalid);
		refuses(consent(&operator.account, &Person::new(2), now + 10), Agent::ProofInvalid);
		refuses(ConsentProof { expires: now + 11, ..good.clone() }, Agent::ProofInvalid);
		// On another chain, and in the words of another use.
		let message = Consent {
			operator: operator.account.clone(),
			agent: agent.account.clone(),
			expires: now + 10,
		};
		for domain in [Domain::agents(Hash::repeat_byte(1)), Domain::channels(genesis_hash())] {
			let signature = agent.pair.sign(&message.to_bytes(&domain)).into();
			refuses(ConsentProof { signature, expires: now + 10 }, Agent::ProofInvalid);
		}
		// One bit flipped.
		let mut bytes = good.signature.encode();
		bytes[10] ^= 1;
		let signature = codec::Decode::decode(&mut &bytes[..]).expect("still a signature");
		refuses(ConsentProof { signature, ..good.clone() }, Agent::ProofInvalid);
		// By somebody else: a consent names who may use it.
		refused(bob().origin(), with(Some(good.clone())), Agent::ProofInvalid);
		ok(operator.origin(), with(Some(good)));
	});
}

#[test]
fn duplicate_registrations_should_be_refused() {
	run(|| {
		let agent = Person::new(1).registered_by(&alice(), None);
		refused(alice().origin(), register(&alice(), &agent, None), Agent::AlreadyRegistered);
		refused(bob().origin(), register(&bob(), &agent, None), Agent::AlreadyRegistered);
		refused(agent.origin(), register(&agent, &agent, None), Agent::AlreadyRegistered);
	});
}

#[test]
fn malformed_manifests_should_be_refused() {
	run(|| {
		for uri in [&b"https://a b"[..], b"\x1b[31m", "https://\u{e9}".as_bytes()] {
			let uri = uri.to_vec().try_into().expect("a short URI");
			let call = pallet_stoa_agents::Call::register {
				agent: alice().account,
				proof: None,
				manifest: Manifest { digest: [0; 32], uri },
				referral: None,
			};
			refused(alice().origin(), call, Agent::MalformedUri);
		}
	});
}

#[test]
fn wrong_referrals_should_be_refused_and_register_nothing() {
	run(|| {
		let referrer = Person::new(1).registered_by(&alice(), None);
		let agent = Person::new(2);
		let refuses = |operator: &Person, referral, error: Ref| {
			refused(operator.origin(), register(operator, &agent, referral), error);
		};
		refuses(&bob(), by_account(&agent), Ref::SelfReferral);
		refuses(&bob(), by_account(&Person::new(3)), Ref::ReferrerNotActive);
		refuses(&bob(), Some(Referral::Code(code("nobody-1"))), Ref::UnknownCode);
		// Two agents of one operator, or an agent and its own operator.
		refuses(&alice(), by_account(&referrer), Ref::SameOperator);
		let bob_agent = bob().registered_by(&bob(), None);
		refuses(&bob(), by_account(&bob_agent), Ref::SameOperator);
		// A stopped referrer.
		let pause = pallet_stoa_agents::Call::pause { agent: referrer.account.clone() };
		ok(alice().origin(), pause);
		refuses(&bob(), by_account(&referrer), Ref::ReferrerNotActive);
		assert_eq!(Agents::agent(agent.account.clone()), None);
	});
}

#[test]
fn circles_of_referrals_should_be_impossible() {
	run(|| {
		// An edge is made at registration, to an agent that is registered: a circle would need an
		// agent that has brought somebody before it was registered.
		let a = Person::new(1).registered_by(&alice(), None);
		let b = Person::new(2).registered_by(&bob(), by_account(&a));
		let c = Person::new(3).registered_by(&charlie(), by_account(&b));
		for (operator, agent, referrer) in [(alice(), &a, &c), (alice(), &a, &b), (bob(), &b, &c)] {
			refused(
				operator.origin(),
				register(&operator, agent, by_account(referrer)),
				Agent::AlreadyRegistered,
			);
		}
		// The book itself refuses too, whoever asks it.
		use stoa_primitives::traits::ReferralBook;
		let referral = Referral::Account(c.account.clone());
		assert_eq!(Referrals::bind(&a.account, &referral), Err(Ref::Cycle.into()));
		assert_eq!(Referrals::bind(&b.account, &referral), Err(Ref::AlreadyBound.into()));
	});
}

#[test]
fn bad_codes_should_be_refused() {
	run(|| {
		let owner = alice().registered_by(&alice(), None);
		let other = bob().registered_by(&bob(), None);
		let claim = |text: &str| pallet_stoa_referrals::Call::claim_code { code: code(text) };
		let release = |text| pallet_stoa_referrals::Call::release_code { code: code(text) };
		for text in ["", "abc", "UPPER", "spa ce", "dot.dot", "\u{e9}t\u{e9}"] {
			refused(owner.origin(), claim(text), Ref::CodeMalformed);
		}
		ok(owner.origin(), claim("mine-1"));
		refused(other.origin(), claim("mine-1"), Ref::CodeTaken);
		refused(other.origin(), release("mine-1"), Ref::NotCodeOwner);
		refused(owner.origin(), release("mine-2"), Ref::UnknownCode);
		for n in 2..=8 {
			ok(owner.origin(), claim(&format!("mine-{n}")));
		}
		refused(owner.origin(), claim("mine-9"), Ref::TooManyCodes);
		ok(owner.origin(), release("mine-1"));
		let referral = Some(Referral::Code(code("mine-1")));
		refused(
			charlie().origin(),
			register(&charlie(), &Person::new(5), referral),
			Ref::UnknownCode,
		);
	});
}

#[test]
fn bad_amounts_and_assets_should_be_refused() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR);
		let key = VoucherKey::ed25519(1).key();
		let unknown = AssetId::WithId(99);
		let someone = payer.account.clone();

		// Zero.
		refused(alice().origin(), deposit(&DUSD, 0, &someone), Credit::ZeroAmount);
		refused(payer.origin(), withdraw(&DUSD, 0, &someone), Credit::ZeroAmount);
		refused(payer.origin(), pay(&provider.account, &DUSD, 0), Split::ZeroAmount);
		refused(payer.origin(), open(&provider.account, &DUSD, 0, key), Chan::ZeroAmount);

		// Too much.
		for amount in [DOLLAR + 1, Balance::MAX] {
			let lacking = Credit::InsufficientCredits;
			refused(payer.origin(), withdraw(&DUSD, amount, &someone), lacking);
			let lacking = Credit::InsufficientCredits;
			refused(payer.origin(), pay(&provider.account, &DUSD, amount), lacking);
			let lacking = Credit::InsufficientCredits;
			refused(payer.origin(), open(&provider.account, &DUSD, amount, key), lacking);
		}
		refused(alice().origin(), deposit(&DUSD, Balance::MAX, &someone), Credit::Overflow);
		// More than the depositor has, or the last of it, which keeps its account alive.
		for asset in [NATIVE, DUSD] {
			let all = configs::Tokens::balance(asset.clone(), &alice().account);
			for amount in [Balance::MAX, all + 1, all] {
				let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
				let call = deposit(&asset, amount, &provider.account);
				assert!(dispatch(alice().origin(), call).is_err(), "{asset:?} {amount}");
				assert_eq!(sp_io::storage::root(sp_runtime::StateVersion::V1), before);
			}
		}

		// Too little for a row.
		let bound = genesis_presets::DUSD_DUST_BOUND;
		refused(
			alice().origin(),
			deposit(&DUSD, bound - 1, &provider.account),
			Credit::BelowDustBound,
		);
		ok(alice().origin(), deposit(&DUSD, bound, &provider.account));

		// Unknown.
		refused(alice().origin(), deposit(&unknown, 1, &someone), Credit::AssetNotAccepted);
		refused(payer.origin(), withdraw(&unknown, 1, &someone), Credit::UnknownAsset);
		refused(payer.origin(), pay(&provider.account, &unknown, 1), Credit::UnknownAsset);
		refused(payer.origin(), open(&provider.account, &unknown, 1, key), Credit::UnknownAsset);

		// Parties that cannot be.
		let custody = Credits::custody_account();
		refused(alice().origin(), deposit(&DUSD, DOLLAR, &custody), Credit::CustodyNotAllowed);
		refused(payer.origin(), withdraw(&DUSD, 1, &custody), Credit::CustodyNotAllowed);
		let provider_pays = pay(&provider.account, &DUSD, 1);
		refused(provider.origin(), provider_pays, Split::SelfPayment);
		refused(provider.origin(), open(&provider.account, &DUSD, 1, key), Chan::SelfChannel);
	});
}

#[test]
fn assets_should_be_accepted_by_governance_only_and_when_custody_is_funded() {
	run(|| {
		let accept = |asset: u32, dust_bound| pallet_stoa_credits::Call::accept_asset {
			asset: AssetId::WithId(asset),
			dust_bound,
		};
		refused(alice().origin(), accept(1, 10), BadOrigin);
		refused(
			alice().origin(),
			pallet_stoa_credits::Call::stop_accepting { asset: DUSD },
			BadOrigin,
		);
		refused(root(), accept(2, 10), Credit::UnknownAsset);
		ok(
			alice().origin(),
			pallet_assets::Call::create { id: 2, admin: alice().account.into(), min_balance: 10 },
		);
		refused(root(), accept(2, 9), Credit::DustBoundTooLow);
		refused(root(), accept(1, 0), Credit::DustBoundTooLow);
		refused(root(), accept(2, 10), Credit::CustodyNotFunded);

		// An asset that is no longer accepted can still be taken out.
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR);
		ok(root(), pallet_stoa_credits::Call::stop_accepting { asset: DUSD });
		refused(alice().origin(), deposit(&DUSD, DOLLAR, &payer.account), Credit::AssetNotAccepted);
		ok(payer.origin(), withdraw(&DUSD, DOLLAR, &bob().account));
	});
}

#[test]
fn withdrawals_that_cannot_arrive_should_change_nothing() {
	run(|| {
		let payer = Person::new(2).with_credits(&NATIVE, STOA);
		// Below the existential deposit of an account that does not exist.
		let nobody = AccountId::new([77; 32]);
		let call = RuntimeCall::from(withdraw(&NATIVE, 1, &nobody));
		let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
		assert!(dispatch(payer.origin(), call).is_err());
		assert_eq!(sp_io::storage::root(sp_runtime::StateVersion::V1), before);
		assert_eq!(payer.credits(&NATIVE), STOA);
	});
}

#[test]
fn bad_channels_should_be_refused() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let opening = |grace, lanes, cap| pallet_stoa_channels::Call::open {
			payee: provider.account.clone(),
			asset: DUSD,
			deposit: 100,
			key: Key::Ed25519([1; 32]),
			grace,
			lanes,
			cap,
		};
		for grace in [0, MIN_GRACE - 1, MAX_GRACE + 1, BlockNumber::MAX] {
			refused(payer.origin(), opening(grace, 1, None), Chan::GraceOutOfBounds);
		}
		for lanes in [0, MAX_LANES + 1, u16::MAX] {
			refused(payer.origin(), opening(MIN_GRACE, lanes, None), Chan::LanesOutOfBounds);
		}
		for (per_window, window) in [(0, 1), (1, 0), (1, MAX_WINDOW + 1)] {
			let cap = Some(Cap { per_window, window });
			refused(payer.origin(), opening(MIN_GRACE, 1, cap), Chan::CapOutOfBounds);
		}
		ok(payer.origin(), opening(MIN_GRACE, 1, None));
		ok(payer.origin(), opening(MAX_GRACE, 1, None));

		// A storage deposit that nobody can put up: an account that is no agent has no operator.
		let poor = Person::new(3).with_credits(&DUSD, DOLLAR);
		let call = RuntimeCall::from(opening(MIN_GRACE, 1, None));
		let before = sp_io::storage::root(sp_runtime::StateVersion::V1);
		assert!(dispatch(poor.origin(), call).is_err());
		assert_eq!(sp_io::storage::root(sp_runtime::StateVersion::V1), before);
	});
}

#[test]
fn agents_should_pay_storage_themselves_beyond_what_their_operator_puts_up() {
	run(|| {
		let provider = Person::new(1).registered_by(&alice(), None);
		let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
		let key = VoucherKey::ed25519(1).key();
		for _ in 0..64 {
			ok(payer.origin(), open(&provider.account, &DUSD, 1, key));
		}
		refused(payer.origin(), open(&provider.account, &DUSD, 1, key), Chan::SponsorLimitReached);
		// An operator without means.
		let poor = Person::new(3);
		let held = {
			use frame_support::traits::fungible::InspectHold;
			Balances::total_balance_on_hold(&alice().account)
		};
		let poor = poor.with_native(held + 2 * EXISTENTIAL_DEPOSIT);
		let agent = Person::new(4).registered_by(&poor, None).with_credits(&DUSD, DOLLAR);
		refused(agent.origin(), open(&provider.account, &DUSD, 1, key), Chan::SponsorCannotPay);
	});
}

#[test]
fn vouchers_that_are_not_good_should_be_skipped() {
	run(|| {
		let (provider, payer, channel) = market();
		let good = Voucher { channel: channel.id, lane: 0, cumulative: 1_000, valid_until: 0 };
		let on = |key: &VoucherKey, voucher| item(key, voucher, genesis_hash());
		let skip = |item, reason, error| skips(&provider, item, reason, error);

		// Of another chain.
		let other_chain = item(&channel.key, good, Hash::repeat_byte(7));
		skip(other_chain, SkipReason::BadSignature, Chan::BadSignature);

		// Of another channel: between the same two, in the same asset, with the same key.
		let other = Channel::open(&payer, &provider, &DUSD, 1_000, VoucherKey::ed25519(1));
		let moved = Item { channel: other.id, ..channel.voucher(1_000) };
		skip(moved, SkipReason::BadSignature, Chan::BadSignature);
		let unknown = Item { channel: [3; 32], ..channel.voucher(1_000) };
		take_events();
		ok(provider.origin(), settle(vec![unknown]));
		assert!(take_events().iter().any(|event| matches!(
			event,
			RuntimeEvent::Channels(pallet_stoa_channels::Event::Skipped {
				reason: SkipReason::UnknownChannel,
				..
			})
		)));
		refused(provider.origin(), close([3; 32], None), Chan::UnknownChannel);

		// Of another lane: signed for it, or moved to it.
		let lane = on(&channel.key, Voucher { lane: 1, ..good });
		skip(lane, SkipReason::UnknownLane, Chan::UnknownLane);
		skip(Item { lane: 0, ..lane }, SkipReason::BadSignature, Chan::BadSignature);

		// Of another key, of the same scheme or another; the payer's account key is another too.
		for key in [VoucherKey::ed25519(2), VoucherKey::sr25519(1), VoucherKey::ecdsa(1)] {
			skip(on(&key, good), SkipReason::BadSignature, Chan::BadSignature);
		}
		let by_account = VoucherKey::Sr25519(Box::new(payer.pair.clone()));
		skip(on(&by_account, good), SkipReason::BadSignature, Chan::BadSignature);

		// In a wallet's wrapping: voucher keys sign raw only.
		let message = good.to_bytes(&Domain::channels(genesis_hash()));
		let wrapped = [&b"<Bytes>"[..], &message, b"</Bytes>"].concat();
		let proof = Proof::Voucher {
			cumulative: 1_000,
			valid_until: 0,
			signature: channel.key.sign(&wrapped),
		};
		let wrapped = Item { channel: channel.id, lane: 0, capture: None, proof };
		skip(wrapped, SkipReason::BadSignature, Chan::BadSignature);

		// Above the deposit.
		for cumulative in [DOLLAR / 2 + 1, Balance::MAX] {
			skip(channel.voucher(cumulative), SkipReason::AboveDeposit, Chan::AboveDeposit);
		}

		// Above itself, and nothing at all.
		let greedy = Item { capture: Some(1_001), ..channel.voucher(1_000) };
		skip(greedy, SkipReason::CaptureAboveVoucher, Chan::CaptureAboveVoucher);
		skip(channel.voucher(0), SkipReason::Stale, Chan::Stale);
		let none = Item { capture: Some(0), ..channel.voucher(1_000) };
		skip(none, SkipReason::Stale, Chan::Stale);

		// Expired.
		let until = System::block_number() + 5;
		let brief = on(&channel.key, Voucher { valid_until: until, ..good });
		advance(6);
		skip(brief, SkipReason::Expired, Chan::Expired);
		let (cumulative, signature) = (1_000, *brief.signature());
		let proof = Proof::Voucher { cumulative, valid_until: 0, signature };
		skip(Item { proof, ..brief }, SkipReason::BadSignature, Chan::BadSignature);

		// Stale, equal or less, after it was paid.
		ok(provider.origin(), settle(vec![channel.voucher(1_000)]));
		for cumulative in [1_000, 999, 1] {
			skip(channel.voucher(cumulative), SkipReason::Stale, Chan::Stale);
		}
	});
}

#[test]
fn every_flipped_bit_should_spoil_a_voucher() {
	run(|| {
		let (provider, payer, ed25519) = market();
		let sr25519 = Channel::open(&payer, &provider, &DUSD, 1_000, VoucherKey::sr25519(2));
		let ecdsa = Channel::open(&payer, &provider, &DUSD, 1_000, VoucherKey::ecdsa(3));
		for channel in [ed25519, sr25519, ecdsa] {
			let bytes = channel.voucher(1_000).encode();
			let before = Channels::channel(channel.id);
			// One bit of each byte, another one in each.
			for at in 0..bytes.len() {
				let mut flipped = bytes.clone();
				flipped[at] ^= 1 << (at % 8);
				let Ok(item) = <Item as codec::Decode>::decode(&mut &flipped[..]) else {
					continue;
				};
				let paid = Credits::balance(provider.account.clone(), DUSD);
				ok(provider.origin(), settle(vec![item]));
				// A smaller capture is the payee's right; nothing else of an item may be changed.
				if item.capture.is_none() {
					assert_eq!(Credits::balance(provider.account.clone(), DUSD), paid, "{at}");
					assert_eq!(Channels::channel(channel.id), before, "byte {at}");
				}
			}
			ok(provider.origin(), settle(vec![channel.voucher(1_000)]));
			assert_ne!(Channels::channel(channel.id), before);
		}
	});
}

#[test]
fn malformed_batches_should_be_refused() {
	run(|| {
		let (provider, payer, channel) = market();
		let other = Channel::open(&payer, &provider, &DUSD, 1_000, VoucherKey::ed25519(1));
		let batch = |items: Vec<Item>| pallet_stoa_channels::Call::settle_batch {
			items: items.try_into().expect("within the bound"),
		};
		refused(provider.origin(), batch(vec![]), Chan::EmptyBatch);
		let (one, two) = (channel.voucher(100), other.voucher(100));
		refused(provider.origin(), batch(vec![one, one]), Chan::NotAscending);
		let mut items = [one, two];
		items.sort_by_key(|item| core::cmp::Reverse(item.channel));
		refused(provider.origin(), batch(items.to_vec()), Chan::NotAscending);
		refused(provider.origin(), finalize(&[]), Chan::EmptyBatch);
	});
}

#[test]
fn strangers_should_not_settle_close_or_end_channels() {
	run(|| {
		let (provider, payer, channel) = market();
		for stranger in [&payer, &ferdie(), &alice()] {
			skips(stranger, channel.voucher(100), SkipReason::NotPayee, Chan::NotPayee);
			refused(stranger.origin(), close(channel.id, None), Chan::NotPayee);
		}
		for stranger in [&provider, &ferdie(), &alice()] {
			refused(stranger.origin(), request_close(channel.id), Chan::NotPayer);
		}
		ok(payer.origin(), request_close(channel.id));
		let cancel = || pallet_stoa_channels::Call::cancel_close { id: channel.id };
		for stranger in [&provider, &ferdie(), &bob()] {
			refused(stranger.origin(), cancel(), Chan::NotPayer);
			let last = Some(channel.voucher(100));
			if stranger.account != provider.account {
				refused(stranger.origin(), close(channel.id, last), Chan::NotPayee);
			}
		}
		refused(payer.origin(), request_close(channel.id), Chan::AlreadyClosing);
		ok(payer.origin(), cancel());
		refused(payer.origin(), cancel(), Chan::NotClosing);
		let item = Channel { id: [1; 32], key: channel.key.clone() }.voucher(100);
		refused(provider.origin(), close(channel.id, Some(item)), Chan::ItemOfAnotherChannel);
	});
}

#[test]
fn channels_should_not_be_finalized_too_early() {
	run(|| {
		let (_, payer, channel) = market();
		refused(ferdie().origin(), finalize(&[channel.id]), Chan::NotClosing);
		refused(ferdie().origin(), finalize(&[[1; 32]]), Chan::UnknownChannel);
		ok(payer.origin(), request_close(channel.id));
		advance(DEFAULT_GRACE - 1);
		refused(ferdie().origin(), finalize(&[channel.id]), Chan::GraceRunning);
		refused(ferdie().origin(), finalize(&[channel.id, [1; 32]]), Chan::NothingToFinalize);
		advance(1);
		assert_eq!(
			Channels::deadlines(channel.id).expect("it is there").refundable_from,
			System::block_number()
		);
		ok(ferdie().origin(), finalize(&[[1; 32], channel.id]));
		refused(ferdie().origin(), finalize(&[channel.id]), Chan::UnknownChannel);
		assert_eq!(payer.credits(&DUSD), DOLLAR);
	});
}

#[test]
fn nothing_should_be_settled_after_the_grace_period_or_the_end() {
	run(|| {
		let (provider, payer, channel) = market();
		ok(payer.origin(), request_close(channel.id));
		advance(DEFAULT_GRACE);
		skips(&provider, channel.voucher(100), SkipReason::GraceOver, Chan::GraceOver);
		let cancel = pallet_stoa_channels::Call::cancel_close { id: channel.id };
		refused(payer.origin(), cancel, Chan::GraceOver);
		let top_up = || pallet_stoa_channels::Call::top_up { id: channel.id, amount: 1 };
		refused(payer.origin(), top_up(), Chan::GraceOver);
		ok(ferdie().origin(), finalize(&[channel.id]));

		take_events();
		ok(provider.origin(), settle(vec![channel.voucher(100)]));
		assert!(take_events().iter().any(|event| matches!(
			event,
			RuntimeEvent::Channels(pallet_stoa_channels::Event::Skipped {
				reason: SkipReason::UnknownChannel,
				..
			})
		)));
		assert_eq!(provider.credits(&DUSD), 0);
		refused(payer.origin(), top_up(), Chan::UnknownChannel);
		refused(payer.origin(), request_close(channel.id), Chan::UnknownChannel);
		refused(
			provider.origin(),
			close(channel.id, Some(channel.voucher(100))),
			Chan::UnknownChannel,
		);

		// The same two parties get another id, for which the old voucher is worth nothing.
		let again = Channel::open(&payer, &provider, &DUSD, 1_000, channel.key.clone());
		assert_ne!(again.id, channel.id);
		let moved = Item { channel: again.id, ..channel.voucher(100) };
		skips(&provider, moved, SkipReason::BadSignature, Chan::BadSignature);
	});
}

#[test]
fn bad_schedules_should_be_refused() {
	run(|| {
		let propose =
			|provider, platform, referral| pallet_stoa_fee_split::Call::propose_schedule {
				provider: Permill::from_parts(provider),
				platform: Permill::from_parts(platform),
				referral: Permill::from_parts(referral),
			};
		refused(alice().origin(), propose(850_000, 100_000, 50_000), BadOrigin);
		refused(root(), propose(850_000, 100_000, 50_001), Split::RatesNotWhole);
		refused(root(), propose(799_999, 150_001, 50_000), Split::ProviderBelowMinimum);
		refused(root(), propose(850_000, 70_000, 80_000), Split::PlatformBelowReferral);
		let cancel = || pallet_stoa_fee_split::Call::cancel_schedule {};
		refused(root(), cancel(), Split::NoPendingSchedule);
		ok(root(), propose(900_000, 100_000, 0));
		refused(alice().origin(), cancel(), BadOrigin);
		advance(14 * DAYS);
		refused(root(), cancel(), Split::NoPendingSchedule);
	});
}

#[test]
fn market_money_should_be_out_of_the_reach_of_governance_and_strangers() {
	run(|| {
		let (_, payer, _) = market();
		let terms = || pallet_stoa_referrals::Call::set_terms { terms: Default::default() };
		let cap = || pallet_stoa_referrals::Call::set_cap { asset: DUSD, cap: 1 };
		let grant = || pallet_stoa_referrals::Call::grant_bonus {
			agent: payer.account.clone(),
			asset: DUSD,
			amount: 1,
		};
		refused(alice().origin(), terms(), BadOrigin);
		refused(alice().origin(), cap(), BadOrigin);
		refused(alice().origin(), grant(), BadOrigin);
		refused(root(), grant(), Ref::NotReferred);
		// Root itself owns nothing and signs for nobody.
		refused(root(), withdraw(&DUSD, 1, &alice().account), BadOrigin);
		refused(root(), pay(&payer.account, &DUSD, 1), BadOrigin);
		refused(RuntimeOrigin::none(), withdraw(&DUSD, 1, &alice().account), BadOrigin);
	});
}

#[test]
fn bad_delegate_keys_should_be_refused() {
	run(|| {
		let agent = Person::new(1).registered_by(&alice(), None);
		let add = |byte, scopes, expires_at| pallet_stoa_agents::Call::add_key {
			agent: agent.account.clone(),
			key: Key::Ed25519([byte; 32]),
			scopes,
			expires_at,
		};
		let offer = Scopes::NONE.with(Scope::Offer);
		refused(bob().origin(), add(1, offer, 10), Agent::NotOperator);
		refused(alice().origin(), add(1, Scopes::NONE, 10), Agent::InvalidScopes);
		let unknown = <Scopes as codec::Decode>::decode(&mut &[8u8][..]).expect("any byte");
		refused(alice().origin(), add(1, unknown, 10), Agent::InvalidScopes);
		refused(alice().origin(), add(1, offer, 0), Agent::ExpiryInPast);
		for byte in 0..16 {
			ok(alice().origin(), add(byte, offer, 10));
		}
		refused(alice().origin(), add(16, offer, 10), Agent::TooManyKeys);
		let remove = |byte| pallet_stoa_agents::Call::remove_expired_key {
			agent: agent.account.clone(),
			key: Key::Ed25519([byte; 32]),
		};
		refused(ferdie().origin(), remove(1), Agent::KeyNotExpired);
		advance(10);
		ok(ferdie().origin(), remove(1));
		refused(ferdie().origin(), remove(1), Agent::KeyNotFound);
	});
}
