//! What the runtime is made of: indices, presets, sizes, weights, holds, proxies.

use super::*;
use codec::{Decode, MaxEncodedLen};
use frame_support::{
	dispatch::{DispatchClass, GetDispatchInfo},
	traits::{GetCallName, InstanceFilter, PalletsInfoAccess, VariantCount},
};
use sp_runtime::Permill;
use stoa_primitives::{
	agent::{Scope, Scopes},
	agreement::{Evidence, Side},
	channel::{TickProof, MAX_BATCH},
	keys::AgentSignature,
	payload::{CancelConsent, ExtendConsent},
	referral::Code,
	tick::MAX_TICKS,
};

/// One of every call of the market.
fn market_calls() -> Vec<RuntimeCall> {
	use pallet_stoa_agents::Call as A;
	use pallet_stoa_channels::Call as C;
	use pallet_stoa_credits::Call as K;
	use pallet_stoa_escrow::Call as E;
	use pallet_stoa_fee_split::Call as F;
	use pallet_stoa_referrals::Call as R;
	let agent = || AccountId::new([1; 32]);
	let (to, key, id) = (agent(), Key::Ed25519([1; 32]), [1; 32]);
	let code = || Code::truncate_from(b"code".to_vec());
	let agents: Vec<A<Runtime>> = vec![
		A::register { agent: agent(), proof: None, manifest: manifest(), referral: None },
		A::renew { agent: agent() },
		A::set_manifest { agent: agent(), manifest: manifest() },
		A::pause { agent: agent() },
		A::resume { agent: agent() },
		A::suspend { agent: agent() },
		A::reinstate { agent: agent() },
		A::retire { agent: agent() },
		A::offer_transfer { agent: agent(), to: to.clone() },
		A::accept_transfer { agent: agent() },
		A::cancel_transfer { agent: agent() },
		A::add_key {
			agent: agent(),
			key,
			scopes: Scopes::NONE.with(Scope::Voucher),
			expires_at: 1,
		},
		A::remove_key { agent: agent(), key },
		A::remove_expired_key { agent: agent(), key },
	];
	let credits: Vec<K<Runtime>> = vec![
		deposit(&NATIVE, 1, &to),
		withdraw(&NATIVE, 1, &to),
		K::accept_asset { asset: NATIVE, dust_bound: 1 },
		K::stop_accepting { asset: NATIVE },
		K::withdraw_all { asset: NATIVE, to: to.clone() },
	];
	let percent = Permill::from_percent;
	let fee_split: Vec<F<Runtime>> = vec![
		pay(&to, &NATIVE, 1),
		F::propose_schedule { provider: percent(85), platform: percent(10), referral: percent(5) },
		F::cancel_schedule {},
	];
	let referrals: Vec<R<Runtime>> = vec![
		R::claim_code { code: code() },
		R::release_code { code: code() },
		R::set_terms { terms: Default::default() },
		R::set_cap { asset: NATIVE, cap: 1 },
		R::grant_bonus { agent: agent(), asset: NATIVE, amount: 1 },
	];
	let voucher = |key: VoucherKey| {
		item(&key, Voucher { channel: id, lane: 0, cumulative: 1, valid_until: 0 }, genesis_hash())
	};
	let signature = KeySignature::Ed25519([0; 64]);
	let channels: Vec<C<Runtime>> = vec![
		open(&to, &NATIVE, 1, key),
		C::top_up { id, amount: 1 },
		settle(vec![voucher(VoucherKey::ed25519(1))]),
		C::request_close { id },
		C::cancel_close { id },
		close(id, Some(voucher(VoucherKey::ecdsa(1)))),
		C::finalize { ids: vec![id].try_into().expect("one id") },
		C::open_authorized {
			payer: agent(),
			asset: NATIVE,
			deposit: 1,
			key,
			grace: 1,
			nonce: 0,
			expires: 1,
			signature: AgentSignature::Delegate { key, signature },
		},
		C::close_with_consent {
			id,
			total: 1,
			expires: 1,
			signature: AgentSignature::Delegate { key, signature },
		},
		C::settle_batch_all {
			items: vec![voucher(VoucherKey::ed25519(1))].try_into().expect("one item"),
		},
		C::rotate_key { id, key },
		C::set_cap { id, cap: None },
		C::revoke_lane { id, lane: 0 },
	];

	let by_delegate = || AgentSignature::Delegate { key, signature };
	let (milestone, evidence) = (0, || Evidence { digest: id, uri: Default::default() });
	let escrow: Vec<E<Runtime>> = vec![
		E::commit {
			offer: Box::new(offer(&Person::new(1), &Person::new(2))),
			signature: by_delegate(),
			transcript: Hash::zero(),
		},
		E::withdraw_offer { counterparty: agent(), negotiation: id, side: Side::Buyer, round: 1 },
		E::supersede {
			offer: Box::new(offer(&Person::new(1), &Person::new(2))),
			signature: by_delegate(),
		},
		E::deliver { id, milestone, evidence: evidence() },
		E::reveal { id, milestone, key: id },
		E::accept { id, milestone },
		E::release { id, milestone, amount: 1 },
		E::request_changes { id, milestone, evidence: evidence() },
		E::dispute { id, milestone, evidence: evidence() },
		E::rule { id, milestone, share: Permill::zero(), evidence: evidence() },
		E::poke { id },
		E::cancel {
			consent: CancelConsent { agreement: id, seller: 1, sequence: 0, expires: 1 },
			signature: by_delegate(),
		},
		E::extend {
			consent: ExtendConsent {
				agreement: id,
				milestone,
				deliver_by: 1,
				sequence: 0,
				expires: 1,
			},
			signature: by_delegate(),
		},
		E::forget { negotiation: id },
		E::answer { id, milestone, evidence: evidence() },
	];

	fn complete<C: GetCallName + Into<RuntimeCall>>(calls: Vec<C>) -> Vec<RuntimeCall> {
		let names: Vec<_> = calls.iter().map(GetCallName::get_call_name).collect();
		assert_eq!(names, C::get_call_names(), "not one of every call");
		calls.into_iter().map(Into::into).collect()
	}
	[
		complete(agents),
		complete(credits),
		complete(fee_split),
		complete(referrals),
		complete(channels),
		complete(escrow),
	]
	.concat()
}

/// The batch that costs most: every item is signed by ecdsa, has all its fields, and the last tick
/// that is walked on chain.
fn largest_batch() -> RuntimeCall {
	let items = (0..MAX_BATCH)
		.map(|n| Item {
			channel: sp_io::hashing::blake2_256(&n.to_le_bytes()),
			lane: u32::MAX,
			capture: Some(Balance::MAX),
			proof: Proof::Ticks(TickProof {
				base: Balance::MAX,
				value: Balance::MAX,
				count: u32::MAX,
				prefix: [255; 16],
				root: [255; 32],
				valid_until: BlockNumber::MAX,
				signature: KeySignature::Ecdsa([255; 65]),
				index: MAX_TICKS,
				tick: [255; 32],
			}),
		})
		.collect();
	settle(items).into()
}

#[test]
fn payloads_should_never_be_calls() {
	let indices: Vec<_> = AllPalletsWithSystem::infos().iter().map(|info| info.index).collect();
	assert!(!indices.contains(&255), "a pallet has the index with which signed payloads start");
	assert!(indices.len() > 15, "not all pallets were looked at");
	run(|| {
		let payload = Voucher { channel: [0; 32], lane: 0, cumulative: 0, valid_until: 0 }
			.to_bytes(&Domain::channels(genesis_hash()));
		assert!(RuntimeCall::decode(&mut &payload[..]).is_err());
		let payload = Consent {
			operator: AccountId::new([0; 32]),
			agent: AccountId::new([0; 32]),
			expires: 0,
		}
		.to_bytes(&Domain::agents(genesis_hash()));
		assert!(RuntimeCall::decode(&mut &payload[..]).is_err());
	});
}

#[test]
fn pallet_indices_should_stay_what_clients_know() {
	let infos = AllPalletsWithSystem::infos();
	let index = |name| infos.iter().find(|info| info.name == name).map(|info| info.index);
	for (name, expected) in [
		("System", 0),
		("Balances", 10),
		("Assets", 11),
		("Utility", 20),
		("Proxy", 22),
		("Sudo", 23),
		("Agents", 50),
		("Credits", 51),
		("FeeSplit", 52),
		("Referrals", 53),
		("Channels", 54),
		("Escrow", 55),
	] {
		assert_eq!(index(name), Some(expected), "{name}");
	}
}

#[test]
fn presets_should_build_a_solvent_market() {
	for (name, validators, sudo) in [
		(sp_genesis_builder::DEV_RUNTIME_PRESET, 1, Some(alice().account)),
		(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET, 2, None),
	] {
		run_in(preset_storage(name).into(), || {
			assert_eq!(pallet_sudo::Key::<Runtime>::get(), sudo, "{name}");
			assert_eq!(Session::validators().len(), validators, "{name}");
			assert_eq!(Babe::authorities().len(), validators, "{name}");
			assert_eq!(Grandpa::grandpa_authorities().len(), validators, "{name}");
			let mut accepted = Credits::accepted_assets();
			accepted.sort_by_key(|(_, bound)| *bound);
			assert_eq!(
				accepted,
				[(DUSD, genesis_presets::DUSD_DUST_BOUND), (NATIVE, EXISTENTIAL_DEPOSIT)]
			);
			for asset in [NATIVE, DUSD] {
				let solvency = Credits::solvency(asset.clone());
				assert_eq!(solvency.issued, 0, "{name}: credits out of nothing");
				assert_eq!(
					solvency.custody,
					configs::Tokens::minimum_balance(asset),
					"{name}: custody is not endowed"
				);
			}
			assert_eq!(FeeSplit::current(), 0);
			assert_eq!(
				FeeSplit::schedule(0),
				Some(stoa_primitives::money::Schedule::GENESIS),
				"{name}"
			);
			assert!(Referrals::cap(DUSD).is_some() && Referrals::cap(NATIVE).is_some());
		});
	}
	assert_eq!(genesis_presets::preset_names().len(), 2);
	assert_eq!(genesis_presets::get_preset(&"mainnet".into()), None);
}

#[test]
fn presets_should_differ_in_their_genesis_hash_inputs() {
	let development = preset_storage(sp_genesis_builder::DEV_RUNTIME_PRESET);
	let local = preset_storage(sp_genesis_builder::LOCAL_TESTNET_RUNTIME_PRESET);
	assert_ne!(development.top, local.top, "vouchers of one chain would hold on the other");
}

#[test]
fn largest_batch_should_fit_a_block() {
	run(|| {
		let call = largest_batch();
		let limits = configs::RuntimeBlockWeights::get();
		let info = call.get_dispatch_info();
		let limit = limits.get(DispatchClass::Normal).max_extrinsic.expect("a limit is set");
		assert_eq!(info.class, DispatchClass::Normal);
		assert!(
			info.total_weight().all_lte(limit),
			"{:?} of at most {limit:?}",
			info.total_weight()
		);

		let length = <Runtime as frame_system::Config>::BlockLength::get();
		let most = *length.max.get(DispatchClass::Normal) as usize;
		let bytes =
			transaction(&alice(), 0, call, FeeTerms { asset: Some(DUSD), tip: u64::MAX.into() })
				.encoded_size();
		// What the comment at the block's length says.
		assert!(bytes < 64_000 && bytes < most, "{bytes} bytes");
	});
}

#[test]
fn largest_finalize_should_fit_a_block() {
	let ids = (0..pallet_stoa_channels::MAX_FINALIZE)
		.map(|n| sp_io::hashing::blake2_256(&n.to_le_bytes()))
		.collect::<Vec<_>>();
	let call: RuntimeCall =
		pallet_stoa_channels::Call::finalize { ids: ids.try_into().expect("within the bound") }
			.into();
	let limits = configs::RuntimeBlockWeights::get();
	let limit = limits.get(DispatchClass::Normal).max_extrinsic.expect("a limit is set");
	assert!(call.get_dispatch_info().total_weight().all_lte(limit));
}

#[test]
fn every_market_call_should_cost_time_and_be_ordinary() {
	run(|| {
		let limits = configs::RuntimeBlockWeights::get();
		let limit = limits.get(DispatchClass::Normal).max_extrinsic.expect("a limit is set");
		for call in market_calls() {
			let info = call.get_dispatch_info();
			assert!(info.call_weight.ref_time() > 0, "{call:?} is free");
			assert!(info.call_weight.all_lte(limit), "{call:?} fits no block");
			assert_eq!(info.class, DispatchClass::Normal, "{call:?}");
			assert_eq!(info.pays_fee, frame_support::dispatch::Pays::Yes, "{call:?}");
		}
	});
}

#[test]
fn calls_should_be_small_in_memory() {
	assert!(core::mem::size_of::<RuntimeCall>() < 512, "{}", core::mem::size_of::<RuntimeCall>());
}

#[test]
fn batches_should_be_refused_when_they_are_too_long() {
	let RuntimeCall::Channels(call) = largest_batch() else { unreachable!() };
	let mut bytes = call.encode();
	assert!(pallet_stoa_channels::Call::<Runtime>::decode(&mut &bytes[..]).is_ok());
	// Index 2, then the compact length of the list: 256 as two bytes.
	assert_eq!(bytes[..3], [2, 1, 4]);
	bytes[1..3].copy_from_slice(&[5, 4]);
	bytes.extend(vec![0; 200]);
	assert!(pallet_stoa_channels::Call::<Runtime>::decode(&mut &bytes[..]).is_err());
}

#[test]
fn every_deposit_should_be_held_for_its_own_reason() {
	run(|| {
		let operator = alice();
		let payee = Person::new(1).registered_by(&bob(), None);
		let payer = Person::new(2).with_credits(&DUSD, DOLLAR).registered_by(&operator, None);
		let owner = Person::new(3).with_native(STOA).registered_by(&charlie(), None);
		ok(
			operator.origin(),
			pallet_stoa_agents::Call::add_key {
				agent: payer.account.clone(),
				key: Key::Ed25519([1; 32]),
				scopes: Scopes::NONE.with(Scope::Voucher),
				expires_at: 100,
			},
		);
		ok(
			owner.origin(),
			pallet_stoa_referrals::Call::claim_code {
				code: b"owner-1".to_vec().try_into().expect("a short code"),
			},
		);
		let channel = Channel::open(&payer, &payee, &DUSD, DOLLAR / 2, VoucherKey::ed25519(1));
		let offer = offer(&payer, &payee);
		let agreement = commit(&offer);

		let held = |who: &Person| {
			let mut held: Vec<_> = pallet_balances::Holds::<Runtime>::get(&who.account)
				.into_iter()
				.map(|hold| (hold.id, hold.amount))
				.collect();
			held.sort_by_key(|(reason, _)| reason.encode());
			held
		};
		let agents = RuntimeHoldReason::Agents;
		let channels = RuntimeHoldReason::Channels;
		let of_operator = held(&operator);
		let of_owner = held(&owner);
		assert!(held(&payer).is_empty(), "an agent that owns nothing put up a deposit");
		let all: Vec<_> = of_operator.iter().chain(&of_owner).copied().collect();
		let reasons: Vec<_> = all.iter().map(|(reason, _)| *reason).collect();
		let channel_hold = channels(pallet_stoa_channels::HoldReason::Channel);
		let escrow = RuntimeHoldReason::Escrow;
		let agreement_hold = escrow(pallet_stoa_escrow::HoldReason::Agreement);
		let record_hold = escrow(pallet_stoa_escrow::HoldReason::Record);
		let key_hold = agents(pallet_stoa_agents::HoldReason::DelegateKey);
		assert_eq!(
			reasons,
			[
				agents(pallet_stoa_agents::HoldReason::Registration),
				key_hold,
				channel_hold,
				channels(pallet_stoa_channels::HoldReason::Nonce),
				agreement_hold,
				record_hold,
				RuntimeHoldReason::Referrals(pallet_stoa_referrals::HoldReason::Code),
			]
		);
		// Every reason that the market has was seen, so none was mistaken for another.
		let there_are = pallet_stoa_agents::HoldReason::VARIANT_COUNT
			+ pallet_stoa_referrals::HoldReason::VARIANT_COUNT
			+ pallet_stoa_channels::HoldReason::VARIANT_COUNT
			+ pallet_stoa_escrow::HoldReason::VARIANT_COUNT;
		assert_eq!(reasons.len(), usize::try_from(there_are).unwrap());
		assert!(all.iter().all(|(_, amount)| *amount > 0));
		let codes: std::collections::BTreeSet<_> = reasons.iter().map(Encode::encode).collect();
		assert_eq!(codes.len(), reasons.len());

		// Each goes back for itself.
		let without = |reasons: &[RuntimeHoldReason]| {
			let mut rest = of_operator.clone();
			rest.retain(|(reason, _)| !reasons.contains(reason));
			rest
		};
		ok(payee.origin(), close(channel.id, None));
		assert_eq!(held(&operator), without(&[channel_hold]));
		ok(
			operator.origin(),
			pallet_stoa_agents::Call::remove_key {
				agent: payer.account.clone(),
				key: Key::Ed25519([1; 32]),
			},
		);
		assert_eq!(held(&operator), without(&[channel_hold, key_hold]));
		let (milestone, amount) = (0, offer.total().unwrap());
		let release = pallet_stoa_escrow::Call::release { id: agreement, milestone, amount };
		ok(payer.origin(), release);
		assert_eq!(held(&operator), without(&[channel_hold, key_hold, agreement_hold]));
		advance(pallet_stoa_escrow::RECORD_PERIOD + 1);
		ok(charlie().origin(), pallet_stoa_escrow::Call::forget { negotiation: offer.key() });
		assert_eq!(
			held(&operator),
			without(&[channel_hold, key_hold, agreement_hold, record_hold])
		);
	});
}

#[test]
fn deposits_should_grow_with_what_is_stored() {
	run(|| {
		let reason = RuntimeHoldReason::Agents(pallet_stoa_agents::HoldReason::Registration);
		let held = |operator: &Person| {
			use frame_support::traits::fungible::InspectHold;
			Balances::balance_on_hold(&reason, &operator.account)
		};
		let agent = Person::new(1).registered_by(&alice(), None);
		let plain = held(&alice());
		let _ =
			Person::new(2).registered_by(&bob(), Some(Referral::Account(agent.account.clone())));
		assert!(held(&bob()) > plain, "rows of the referral book are not paid for");
		let bytes = |n: usize| {
			let uri = vec![b'a'; n].try_into().expect("within the bound");
			let manifest = Manifest { digest: [0; 32], uri };
			let agent = agent.account.clone();
			ok(alice().origin(), pallet_stoa_agents::Call::set_manifest { agent, manifest });
			held(&alice())
		};
		assert_eq!(bytes(256) - bytes(0), deposit_of(256));
	});
}

fn deposit_of(bytes: u32) -> Balance {
	crate::units::deposit(0, bytes)
}

#[test]
fn agent_proxies_should_reach_the_market_only() {
	run(|| {
		let refused = |call: &RuntimeCall| !configs::ProxyType::Agent.filter(call);
		for call in market_calls() {
			use pallet_stoa_agents::Call;
			let beyond_trade = matches!(
				call,
				RuntimeCall::Credits(_)
					| RuntimeCall::Agents(
						Call::register { .. }
							| Call::add_key { .. }
							| Call::retire { .. } | Call::offer_transfer { .. }
							| Call::accept_transfer { .. }
							| Call::cancel_transfer { .. }
					)
			);
			assert_eq!(refused(&call), beyond_trade, "{call:?}");
		}
		let call = || Box::new(RuntimeCall::from(frame_system::Call::remark { remark: vec![] }));
		let to: Address = bob().account.into();
		let others: Vec<RuntimeCall> = vec![
			pallet_balances::Call::transfer_allow_death { dest: to.clone(), value: 1 }.into(),
			pallet_balances::Call::transfer_all { dest: to.clone(), keep_alive: false }.into(),
			pallet_assets::Call::transfer { id: 1, target: to.clone(), amount: 1 }.into(),
			pallet_assets::Call::approve_transfer { id: 1, delegate: to.clone(), amount: 1 }.into(),
			pallet_sudo::Call::sudo { call: call() }.into(),
			pallet_proxy::Call::add_proxy {
				delegate: to.clone(),
				proxy_type: configs::ProxyType::Any,
				delay: 0,
			}
			.into(),
			pallet_proxy::Call::proxy { real: to, force_proxy_type: None, call: call() }.into(),
			pallet_multisig::Call::as_multi_threshold_1 { other_signatories: vec![], call: call() }
				.into(),
			frame_system::Call::remark { remark: vec![] }.into(),
		];
		for call in others {
			assert!(refused(&call), "{call:?}");
		}
	});
}

#[test]
fn agent_proxies_should_not_get_round_the_filter() {
	run(|| {
		let owner = Person::new(1).with_native(STOA).with_credits(&DUSD, DOLLAR);
		let key = bob();
		ok(
			owner.origin(),
			pallet_proxy::Call::add_proxy {
				delegate: key.account.clone().into(),
				proxy_type: configs::ProxyType::Agent,
				delay: 0,
			},
		);
		let through = |call: RuntimeCall| {
			take_events();
			ok(
				key.origin(),
				pallet_proxy::Call::proxy {
					real: owner.account.clone().into(),
					force_proxy_type: None,
					call: Box::new(call),
				},
			);
			take_events()
				.into_iter()
				.find_map(|event| match event {
					RuntimeEvent::Proxy(pallet_proxy::Event::ProxyExecuted { result }) => {
						Some(result)
					},
					_ => None,
				})
				.expect("a proxied call has a result")
		};
		let exit = || RuntimeCall::from(withdraw(&DUSD, 1, &key.account));
		let filtered = Err(frame_system::Error::<Runtime>::CallFiltered.into());
		assert_eq!(through(exit()), filtered);
		for wrapped in [
			pallet_utility::Call::batch_all { calls: vec![exit()] },
			pallet_utility::Call::as_derivative { index: 0, call: Box::new(exit()) },
			pallet_utility::Call::batch_all {
				calls: vec![pallet_utility::Call::batch_all { calls: vec![exit()] }.into()],
			},
			pallet_utility::Call::if_else { main: Box::new(exit()), fallback: Box::new(exit()) },
		] {
			assert_eq!(through(wrapped.into()), filtered);
		}
		// Best-effort wrappers succeed and do nothing.
		for wrapped in [
			pallet_utility::Call::batch { calls: vec![exit()] },
			pallet_utility::Call::force_batch { calls: vec![exit()] },
		] {
			assert_eq!(through(wrapped.into()), Ok(()));
		}
		// Nor through the deposit of another's channel, which ends as a refund to its payer.
		let thief = Person::new(11).registered_by(&alice(), None);
		let accomplice = Person::new(12).with_credits(&DUSD, DOLLAR).with_native(STOA);
		let trap = Channel::open(&accomplice, &thief, &DUSD, 1, VoucherKey::ed25519(1));
		let top_up = pallet_stoa_channels::Call::top_up { id: trap.id, amount: DOLLAR };
		let refused = pallet_stoa_channels::Error::<Runtime>::NotPayer.into();
		assert_eq!(through(top_up.into()), Err(refused));
		assert_eq!(owner.credits(&DUSD), DOLLAR);

		// It can trade.
		let provider = Person::new(2).registered_by(&charlie(), None);
		assert_eq!(through(pay(&provider.account, &DUSD, 100).into()), Ok(()));
		assert_eq!(owner.credits(&DUSD), DOLLAR - 100);
	});
}

#[test]
fn non_transfer_proxies_should_not_move_tokens_through_the_market() {
	run(|| {
		for call in market_calls() {
			let moves = matches!(
				call,
				RuntimeCall::Credits(_)
					| RuntimeCall::Channels(_)
					| RuntimeCall::Escrow(_)
					| RuntimeCall::FeeSplit(_)
			);
			assert_eq!(configs::ProxyType::NonTransfer.filter(&call), !moves, "{call:?}");
		}
		let dest = AccountId::new([7; 32]).into();
		let call = pallet_balances::Call::transfer_keep_alive { dest, value: 1 };
		assert!(!configs::ProxyType::NonTransfer.filter(&call.into()));
	});
}

#[test]
fn validators_should_stay_across_epochs() {
	run(|| {
		let validators = Session::validators();
		for _ in 0..EPOCH_BLOCKS + 2 {
			block(Some(0), || ());
		}
		assert!(Session::current_index() > 0, "no session has ended");
		assert!(Babe::current_epoch().epoch_index > 0, "no epoch has ended");
		assert_eq!(Session::validators(), validators);
		assert_eq!(Babe::authorities().len(), validators.len());
	});
}

#[test]
fn metadata_should_have_version_16_and_be_the_same_in_every_block() {
	use sp_api::runtime_decl_for_metadata::MetadataV2;
	assert!(<Runtime as MetadataV2<Block>>::metadata_versions().contains(&16));
	run(|| {
		let [one, other] = [1, 1_000].map(|number| {
			System::set_block_number(number);
			let metadata = <Runtime as MetadataV2<Block>>::metadata_at_version(16);
			assert_eq!(System::block_number(), number);
			metadata.expect("version 16 is there")
		});
		assert!(one.len() > 10_000);
		assert!(*one == *other);
	});
}

#[test]
fn stored_types_of_the_market_should_be_bounded() {
	use frame_support::traits::StorageInfoTrait;
	for info in AllPalletsWithSystem::storage_info() {
		let pallet = String::from_utf8(info.pallet_name).expect("a name");
		if ["Agents", "Credits", "FeeSplit", "Referrals", "Channels", "Escrow"]
			.contains(&pallet.as_str())
		{
			let item = String::from_utf8(info.storage_name).expect("a name");
			assert!(info.max_size.is_some(), "{pallet}::{item} has no bound");
		}
	}
	assert!(Item::max_encoded_len() < 256);
}
