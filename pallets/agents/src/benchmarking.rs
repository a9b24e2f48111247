//! Each call at its worst case.

use super::*;
use alloc::vec;
use codec::Encode;
use frame_benchmarking::v2::*;
use frame_support::traits::{Consideration, EnsureOrigin, Get};
use frame_system::RawOrigin;
use sp_core::crypto::KeyTypeId;
use sp_runtime::{
	traits::{BlockNumberProvider, IdentifyAccount},
	MultiSigner,
};
use stoa_primitives::{
	agent::{Manifest, Scope, Scopes, Status, Uri, MAX_URI_LEN},
	keys::Key,
	payload::{Consent, Payload},
	traits::{ReferralBook, RegistrationHook},
	AccountId, BlockNumber,
};

const KEYS: KeyTypeId = KeyTypeId(*b"stoa");

/// The block in which the measured call runs: setting up happens in block 0, the call in block 1.
fn now<T: Config>() -> BlockNumber {
	T::BlockNumberProvider::current_block_number().max(1)
}

fn longest_manifest() -> Manifest {
	Manifest { digest: [7; 32], uri: Uri::truncate_from(vec![b'u'; MAX_URI_LEN as usize]) }
}

/// Lets `who` pay for one agent.
fn fund<T: Config>(who: &AccountId) {
	let footprint = Pallet::<T>::record_footprint(Some(&longest_manifest()), true);
	T::AgentConsideration::ensure_successful(who, footprint);
}

/// An active agent of `operator`, referred and with the longest manifest.
fn insert<T: Config>(agent: &AccountId, operator: &AccountId) {
	fund::<T>(operator);
	let footprint = Pallet::<T>::record_footprint(Some(&longest_manifest()), true);
	let ticket = T::AgentConsideration::new(operator, footprint).expect("funded above");
	let record = AgentRecord {
		operator: operator.clone(),
		depositor: operator.clone(),
		status: Status::Active,
		paused: false,
		manifest: Some(longest_manifest()),
		lease_until: now::<T>().saturating_add(T::LeasePeriod::get()),
		epoch: 0,
		keys: 0,
		transfer_to: None,
		referred: true,
		ticket,
	};
	Agents::<T>::insert(agent, record);
	// So that there is something to take away when the agent retires.
	T::Registration::registered(agent);
}

/// Makes `who` an active agent, with an operator of its own unless it has one already.
pub(crate) fn insert_agent<T: Config>(who: &AccountId) -> AccountId {
	if let Some(mut record) = Agents::<T>::get(who) {
		let operator = record.operator.clone();
		record.status = Status::Active;
		record.paused = false;
		record.manifest.get_or_insert_with(longest_manifest);
		record.lease_until = now::<T>().saturating_add(T::LeasePeriod::get());
		Agents::<T>::insert(who, record);
		return operator;
	}
	let seed = (b"stoa/benchmark/operator", who).using_encoded(sp_io::hashing::blake2_256);
	let operator = AccountId::new(seed);
	insert::<T>(who, &operator);
	operator
}

fn key(seed: u32) -> Key {
	let mut bytes = [2; 33];
	let (head, _) = bytes.split_at_mut(4);
	head.copy_from_slice(&seed.to_le_bytes());
	Key::Ecdsa(bytes)
}

fn all_scopes() -> Scopes {
	Scopes::NONE.with(Scope::Offer).with(Scope::Voucher).with(Scope::Endorse)
}

/// Adds `count` keys that are good for this block only.
fn add_keys<T: Config>(agent: &AccountId, operator: &AccountId, count: u32) {
	for seed in 0..count {
		T::KeyConsideration::ensure_successful(operator, Pallet::<T>::key_footprint());
		Pallet::<T>::do_add_key(
			operator.clone(),
			agent.clone(),
			key(seed),
			all_scopes(),
			now::<T>(),
		)
		.expect("the agent has room for the key, and its operator can pay");
	}
}

/// The caller as operator, and its agent.
fn caller_and_agent() -> (AccountId, AccountId) {
	(whitelisted_caller(), account("agent", 0, 0))
}

/// Another account than the caller as operator, and its agent.
fn operator_and_agent() -> (AccountId, AccountId) {
	(account("operator", 0, 0), account("agent", 0, 0))
}

fn assert_last_event<T: Config>(event: Event<T>) {
	frame_system::Pallet::<T>::assert_last_event(event.into());
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn register() -> Result<(), BenchmarkError> {
		let operator: AccountId = whitelisted_caller();
		fund::<T>(&operator);
		// A wrapped ECDSA signature is the dearest proof: it is recovered twice.
		let public = sp_io::crypto::ecdsa_generate(KEYS, None);
		let agent: AccountId = MultiSigner::Ecdsa(public).into_account();
		let expires = now::<T>().saturating_add(T::MaxConsentAge::get());
		let payload = Consent { operator: operator.clone(), agent: agent.clone(), expires }
			.to_bytes(&Pallet::<T>::domain());
		let message = [b"<Bytes>".as_slice(), &payload, b"</Bytes>".as_slice()].concat();
		let signature = sp_io::crypto::ecdsa_sign(KEYS, &public, &message)
			.ok_or(BenchmarkError::Stop("the keystore cannot sign"))?;
		let proof = ConsentProof { signature: signature.into(), expires };
		let referral = T::Referrals::benchmark_referral(&agent);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone(), Some(proof), longest_manifest(), referral);

		assert!(Pallet::<T>::is_active(agent));
		Ok(())
	}

	#[benchmark]
	fn renew() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);
		let lease_until = now::<T>().saturating_add(T::LeasePeriod::get());

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone());

		assert_last_event::<T>(Event::Renewed { agent, lease_until });
		Ok(())
	}

	#[benchmark]
	fn set_manifest() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);
		let short = Manifest { digest: [0; 32], uri: Uri::default() };
		Pallet::<T>::do_set_manifest(operator.clone(), agent.clone(), short)?;

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone(), longest_manifest());

		assert_last_event::<T>(Event::ManifestSet { agent, digest: longest_manifest().digest });
		Ok(())
	}

	#[benchmark]
	fn pause() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone());

		assert_last_event::<T>(Event::Paused { agent });
		Ok(())
	}

	#[benchmark]
	fn resume() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);
		Pallet::<T>::do_pause(operator.clone(), agent.clone())?;

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone());

		assert_last_event::<T>(Event::Resumed { agent });
		Ok(())
	}

	#[benchmark]
	fn suspend() -> Result<(), BenchmarkError> {
		let admin =
			T::AdminOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)?;
		let (operator, agent) = operator_and_agent();
		insert::<T>(&agent, &operator);

		#[extrinsic_call]
		_(admin as T::RuntimeOrigin, agent.clone());

		assert_last_event::<T>(Event::Suspended { agent });
		Ok(())
	}

	#[benchmark]
	fn reinstate() -> Result<(), BenchmarkError> {
		let admin =
			T::AdminOrigin::try_successful_origin().map_err(|()| BenchmarkError::Weightless)?;
		let (operator, agent) = operator_and_agent();
		insert::<T>(&agent, &operator);
		Pallet::<T>::do_suspend(agent.clone())?;

		#[extrinsic_call]
		_(admin as T::RuntimeOrigin, agent.clone());

		assert_last_event::<T>(Event::Reinstated { agent, status: Status::Active });
		Ok(())
	}

	#[benchmark]
	fn retire(k: Linear<0, { MAX_KEYS }>) -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);
		add_keys::<T>(&agent, &operator, k);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone());

		assert!(Pallet::<T>::keys(agent.clone()).is_empty());
		assert_last_event::<T>(Event::Retired { agent });
		Ok(())
	}

	#[benchmark]
	fn offer_transfer() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		let to: AccountId = account("recipient", 0, 0);
		insert::<T>(&agent, &operator);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone(), to.clone());

		assert_last_event::<T>(Event::TransferOffered { agent, to });
		Ok(())
	}

	#[benchmark]
	fn accept_transfer(k: Linear<0, { MAX_KEYS }>) -> Result<(), BenchmarkError> {
		let (from, agent) = operator_and_agent();
		let to: AccountId = whitelisted_caller();
		insert::<T>(&agent, &from);
		add_keys::<T>(&agent, &from, k);
		fund::<T>(&to);
		Pallet::<T>::do_offer_transfer(from.clone(), agent.clone(), to.clone())?;

		#[extrinsic_call]
		_(RawOrigin::Signed(to.clone()), agent.clone());

		assert!(Pallet::<T>::keys(agent.clone()).is_empty());
		assert_last_event::<T>(Event::Transferred { agent, from, to, epoch: 1 });
		Ok(())
	}

	#[benchmark]
	fn cancel_transfer() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		let to: AccountId = account("recipient", 0, 0);
		insert::<T>(&agent, &operator);
		Pallet::<T>::do_offer_transfer(operator.clone(), agent.clone(), to.clone())?;

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone());

		assert_last_event::<T>(Event::TransferCancelled { agent, to });
		Ok(())
	}

	#[benchmark]
	fn add_key() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);
		add_keys::<T>(&agent, &operator, MAX_KEYS - 1);
		T::KeyConsideration::ensure_successful(&operator, Pallet::<T>::key_footprint());
		let (key, scopes, expires_at) = (key(MAX_KEYS), all_scopes(), now::<T>());

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone(), key, scopes, expires_at);

		assert_last_event::<T>(Event::KeyAdded { agent, key, scopes, expires_at });
		Ok(())
	}

	#[benchmark]
	fn remove_key() -> Result<(), BenchmarkError> {
		let (operator, agent) = caller_and_agent();
		insert::<T>(&agent, &operator);
		add_keys::<T>(&agent, &operator, MAX_KEYS);

		#[extrinsic_call]
		_(RawOrigin::Signed(operator), agent.clone(), key(0));

		assert_last_event::<T>(Event::KeyRemoved { agent, key: key(0) });
		Ok(())
	}

	#[benchmark]
	fn remove_expired_key() -> Result<(), BenchmarkError> {
		let (operator, agent) = operator_and_agent();
		insert::<T>(&agent, &operator);
		add_keys::<T>(&agent, &operator, MAX_KEYS);
		// Time is not ours to move here: the key expires instead.
		Keys::<T>::mutate(&agent, key(0), |record| {
			if let Some(record) = record {
				record.expires_at = 0;
			}
		});

		#[extrinsic_call]
		_(RawOrigin::Signed(whitelisted_caller::<AccountId>()), agent.clone(), key(0));

		assert_last_event::<T>(Event::KeyRemoved { agent, key: key(0) });
		Ok(())
	}
}
