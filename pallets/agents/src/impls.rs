//! What the calls do, and what the registry answers.

use crate::{
	AgentRecord, AgentView, Agents, Config, ConsentProof, Error, Event, KeyRecord, KeyRecordOf,
	KeyView, Keys, Pallet, RecordOf, MAX_KEYS,
};
use alloc::vec::Vec;
use codec::MaxEncodedLen;
use frame_support::{
	ensure,
	traits::{Consideration, Footprint, Get},
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{
	traits::{BlockNumberProvider, Zero},
	ArithmeticError, DispatchError, DispatchResult,
};
use stoa_primitives::{
	agent::{Manifest, Scope, Scopes, Status},
	keys::{verify_account, AgentSignature, Key},
	payload::{Consent, Domain, Payload},
	referral::Referral,
	traits::{AgentRegistry, ReferralBook, RegistrationHook},
	AccountId, BlockNumber,
};

/// What `frame_system` stores of an account.
type AccountOf<T> = frame_system::AccountInfo<
	<T as frame_system::Config>::Nonce,
	<T as frame_system::Config>::AccountData,
>;

/// Registration, lease and manifest.
impl<T: Config> Pallet<T> {
	pub(crate) fn do_register(
		operator: AccountId,
		agent: AccountId,
		proof: Option<ConsentProof>,
		manifest: Manifest,
		referral: Option<Referral>,
	) -> DispatchResult {
		match Agents::<T>::get(&agent).map(|record| record.status) {
			Some(Status::Retired) => return Err(Error::<T>::Retired.into()),
			Some(_) => return Err(Error::<T>::AlreadyRegistered.into()),
			None => (),
		}
		Self::ensure_uri(&manifest)?;
		let lease_until = Self::lease_from_now()?;
		if operator != agent {
			let proof = proof.ok_or(Error::<T>::ProofMissing)?;
			Self::ensure_consent(&operator, &agent, &proof)?;
		}

		let footprint = Self::record_footprint(Some(&manifest), referral.is_some());
		let record = AgentRecord {
			operator: operator.clone(),
			depositor: operator.clone(),
			status: Status::Active,
			paused: false,
			manifest: Some(manifest),
			lease_until,
			epoch: 0,
			keys: 0,
			transfer_to: None,
			referred: referral.is_some(),
			ticket: T::AgentConsideration::new(&operator, footprint)?,
		};
		Agents::<T>::insert(&agent, record);
		// The record is never removed, and neither may the account be, or its nonce would be gone with
		// it. An agent that owns nothing but credits would be gone whenever it has spent or locked the
		// last of them.
		frame_system::Pallet::<T>::inc_sufficients(&agent);
		T::Registration::registered(&agent);
		Self::deposit_event(Event::Registered { agent: agent.clone(), operator, lease_until });
		// The book asks this registry who operates the agent, so the record must stand by now.
		if let Some(referral) = referral {
			T::Referrals::bind(&agent, &referral)?;
		}
		Ok(())
	}

	pub(crate) fn do_renew(operator: AccountId, agent: AccountId) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		let lease_until = Self::lease_from_now()?;
		record.lease_until = lease_until;
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::Renewed { agent, lease_until });
		Ok(())
	}

	pub(crate) fn do_set_manifest(
		operator: AccountId,
		agent: AccountId,
		manifest: Manifest,
	) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		Self::ensure_uri(&manifest)?;
		let digest = manifest.digest;
		let footprint = Self::record_footprint(Some(&manifest), record.referred);
		record.ticket = record.ticket.update(&record.depositor, footprint)?;
		record.manifest = Some(manifest);
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::ManifestSet { agent, digest });
		Ok(())
	}

	/// Cheap checks of a consent before its signature.
	fn ensure_consent(
		operator: &AccountId,
		agent: &AccountId,
		proof: &ConsentProof,
	) -> DispatchResult {
		let now = T::BlockNumberProvider::current_block_number();
		let expires = proof.expires;
		ensure!(now <= expires, Error::<T>::ProofExpired);
		// `expires` is not before `now`, so nothing saturates.
		ensure!(expires.saturating_sub(now) <= T::MaxConsentAge::get(), Error::<T>::ProofTooLong);
		let consent = Consent { operator: operator.clone(), agent: agent.clone(), expires };
		let message = consent.to_bytes(&Self::domain());
		ensure!(verify_account(agent, &message, &proof.signature), Error::<T>::ProofInvalid);
		Ok(())
	}

	/// What binds consents to this chain. The hash of the genesis block is never pruned.
	pub(crate) fn domain() -> Domain {
		Domain::agents(frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::zero()))
	}

	/// The URI's syntax is the reader's affair; bytes that break terminals and parsers are not.
	fn ensure_uri(manifest: &Manifest) -> DispatchResult {
		ensure!(manifest.uri.iter().all(u8::is_ascii_graphic), Error::<T>::MalformedUri);
		Ok(())
	}

	fn lease_from_now() -> Result<BlockNumber, DispatchError> {
		let now = T::BlockNumberProvider::current_block_number();
		Ok(now.checked_add(T::LeasePeriod::get()).ok_or(ArithmeticError::Overflow)?)
	}
}

/// Status.
impl<T: Config> Pallet<T> {
	pub(crate) fn do_pause(operator: AccountId, agent: AccountId) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		Self::ensure_running(record.status)?;
		record.status = Status::Paused;
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::Paused { agent });
		Ok(())
	}

	pub(crate) fn do_resume(operator: AccountId, agent: AccountId) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		match record.status {
			Status::Paused => record.status = Status::Active,
			Status::Active => return Err(Error::<T>::NotPaused.into()),
			Status::Suspended => return Err(Error::<T>::Suspended.into()),
			Status::Retired => return Err(Error::<T>::Retired.into()),
		}
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::Resumed { agent });
		Ok(())
	}

	pub(crate) fn do_suspend(agent: AccountId) -> DispatchResult {
		let mut record = Self::registered(&agent)?;
		match record.status {
			Status::Active => record.paused = false,
			Status::Paused => record.paused = true,
			Status::Suspended => return Err(Error::<T>::Suspended.into()),
			Status::Retired => return Err(Error::<T>::Retired.into()),
		}
		record.status = Status::Suspended;
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::Suspended { agent });
		Ok(())
	}

	pub(crate) fn do_reinstate(agent: AccountId) -> DispatchResult {
		let mut record = Self::registered(&agent)?;
		ensure!(record.status == Status::Suspended, Error::<T>::NotSuspended);
		let status = if record.paused { Status::Paused } else { Status::Active };
		record.status = status;
		record.paused = false;
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::Reinstated { agent, status });
		Ok(())
	}

	/// Returns how many delegate keys went.
	pub(crate) fn do_retire(operator: AccountId, agent: AccountId) -> Result<u32, DispatchError> {
		let mut record = Self::operated(&operator, &agent)?;
		let removed = Self::remove_all_keys(&agent)?;
		let footprint = Self::record_footprint(None, record.referred);
		record.ticket = record.ticket.update(&record.depositor, footprint)?;
		record.status = Status::Retired;
		record.paused = false;
		record.manifest = None;
		record.transfer_to = None;
		record.keys = 0;
		Agents::<T>::insert(&agent, record);
		T::Registration::retired(&agent);
		Self::deposit_event(Event::Retired { agent });
		Ok(removed)
	}
}

/// Change of operator.
impl<T: Config> Pallet<T> {
	pub(crate) fn do_offer_transfer(
		operator: AccountId,
		agent: AccountId,
		to: AccountId,
	) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		ensure!(to != operator, Error::<T>::TransferToSelf);
		record.transfer_to = Some(to.clone());
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::TransferOffered { agent, to });
		Ok(())
	}

	/// Returns how many delegate keys went.
	pub(crate) fn do_accept_transfer(
		to: AccountId,
		agent: AccountId,
	) -> Result<u32, DispatchError> {
		let mut record = Self::registered(&agent)?;
		let recipient = record.transfer_to.take().ok_or(Error::<T>::NoTransfer)?;
		ensure!(recipient == to, Error::<T>::NotRecipient);
		let epoch = record.epoch.checked_add(1).ok_or(ArithmeticError::Overflow)?;

		let footprint = Self::record_footprint(record.manifest.as_ref(), record.referred);
		let ticket = T::AgentConsideration::new(&to, footprint)?;
		record.ticket.drop(&record.depositor)?;
		let removed = Self::remove_all_keys(&agent)?;
		let from = record.operator;
		record.operator = to.clone();
		record.depositor = to.clone();
		record.ticket = ticket;
		record.epoch = epoch;
		record.keys = 0;
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::Transferred { agent, from, to, epoch });
		Ok(removed)
	}

	pub(crate) fn do_cancel_transfer(operator: AccountId, agent: AccountId) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		let to = record.transfer_to.take().ok_or(Error::<T>::NoTransfer)?;
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::TransferCancelled { agent, to });
		Ok(())
	}
}

/// Delegate keys.
impl<T: Config> Pallet<T> {
	pub(crate) fn do_add_key(
		operator: AccountId,
		agent: AccountId,
		key: Key,
		scopes: Scopes,
		expires_at: BlockNumber,
	) -> DispatchResult {
		let mut record = Self::operated(&operator, &agent)?;
		ensure!(scopes.is_valid() && !scopes.is_empty(), Error::<T>::InvalidScopes);
		let now = T::BlockNumberProvider::current_block_number();
		ensure!(now <= expires_at, Error::<T>::ExpiryInPast);
		ensure!(record.keys < MAX_KEYS, Error::<T>::TooManyKeys);
		ensure!(!Keys::<T>::contains_key(&agent, key), Error::<T>::KeyExists);

		let ticket = T::KeyConsideration::new(&operator, Self::key_footprint())?;
		record.keys = record.keys.checked_add(1).ok_or(ArithmeticError::Overflow)?;
		Keys::<T>::insert(
			&agent,
			key,
			KeyRecord { scopes, expires_at, depositor: operator, ticket },
		);
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::KeyAdded { agent, key, scopes, expires_at });
		Ok(())
	}

	pub(crate) fn do_remove_key(operator: AccountId, agent: AccountId, key: Key) -> DispatchResult {
		let record = Self::operated(&operator, &agent)?;
		let key_record = Keys::<T>::get(&agent, key).ok_or(Error::<T>::KeyNotFound)?;
		Self::remove_one_key(agent, record, key, key_record)
	}

	pub(crate) fn do_remove_expired_key(agent: AccountId, key: Key) -> DispatchResult {
		let record = Self::registered(&agent)?;
		let key_record = Keys::<T>::get(&agent, key).ok_or(Error::<T>::KeyNotFound)?;
		let now = T::BlockNumberProvider::current_block_number();
		ensure!(now > key_record.expires_at, Error::<T>::KeyNotExpired);
		Self::remove_one_key(agent, record, key, key_record)
	}

	fn remove_one_key(
		agent: AccountId,
		mut record: RecordOf<T>,
		key: Key,
		key_record: KeyRecordOf<T>,
	) -> DispatchResult {
		key_record.ticket.drop(&key_record.depositor)?;
		record.keys = record.keys.checked_sub(1).ok_or(ArithmeticError::Underflow)?;
		Keys::<T>::remove(&agent, key);
		Agents::<T>::insert(&agent, record);
		Self::deposit_event(Event::KeyRemoved { agent, key });
		Ok(())
	}

	/// Removes the keys and gives their deposits back; the caller sets the record's count to 0. At
	/// most [`MAX_KEYS`] steps.
	fn remove_all_keys(agent: &AccountId) -> Result<u32, DispatchError> {
		let mut removed = 0u32;
		for (key, record) in Keys::<T>::drain_prefix(agent) {
			record.ticket.drop(&record.depositor)?;
			removed = removed.checked_add(1).ok_or(ArithmeticError::Overflow)?;
			Self::deposit_event(Event::KeyRemoved { agent: agent.clone(), key });
		}
		Ok(removed)
	}
}

/// Reading.
impl<T: Config> Pallet<T> {
	/// The record of `agent`, retired or not.
	fn registered(agent: &AccountId) -> Result<RecordOf<T>, Error<T>> {
		Agents::<T>::get(agent).ok_or(Error::<T>::NotRegistered)
	}

	/// The record of `agent` for its operator to change.
	fn operated(operator: &AccountId, agent: &AccountId) -> Result<RecordOf<T>, Error<T>> {
		let record = Self::registered(agent)?;
		ensure!(record.operator == *operator, Error::<T>::NotOperator);
		ensure!(record.status != Status::Retired, Error::<T>::Retired);
		Ok(record)
	}

	fn ensure_running(status: Status) -> Result<(), Error<T>> {
		match status {
			Status::Active => Ok(()),
			Status::Paused => Err(Error::<T>::Paused),
			Status::Suspended => Err(Error::<T>::Suspended),
			Status::Retired => Err(Error::<T>::Retired),
		}
	}

	fn ensure_leased(lease_until: BlockNumber) -> Result<(), Error<T>> {
		let now = T::BlockNumberProvider::current_block_number();
		ensure!(now <= lease_until, Error::<T>::LeaseLapsed);
		Ok(())
	}

	pub(crate) fn ensure_acting(who: &AccountId) -> Result<(), Error<T>> {
		let record = Self::registered(who)?;
		Self::ensure_running(record.status)?;
		Self::ensure_leased(record.lease_until)
	}

	pub(crate) fn view_of(who: &AccountId) -> Option<AgentView> {
		let AgentRecord { operator, status, manifest, lease_until, epoch, transfer_to, .. } =
			Agents::<T>::get(who)?;
		let active =
			Self::ensure_running(status).and_then(|()| Self::ensure_leased(lease_until)).is_ok();
		Some(AgentView { operator, status, manifest, lease_until, epoch, transfer_to, active })
	}

	pub(crate) fn keys_of(who: &AccountId) -> Vec<KeyView> {
		Keys::<T>::iter_prefix(who)
			.map(|(key, KeyRecord { scopes, expires_at, .. })| KeyView { key, scopes, expires_at })
			.collect()
	}

	/// What the deposit for an agent covers: its row with every field at its longest but the URI, its
	/// account, which stays as long as the row, what the referral book may store and, until it retires,
	/// what the registration hook may store. Offers of a transfer, for one, thus cost nothing more.
	///
	/// Sums of a few small constants and one bounded length: nothing saturates.
	pub(crate) fn record_footprint(manifest: Option<&Manifest>, referred: bool) -> Footprint {
		let document =
			manifest.map_or(0, |manifest| manifest.digest.len().saturating_add(manifest.uri.len()));
		let row = AccountId::max_encoded_len()
			.saturating_add(RecordOf::<T>::max_encoded_len())
			.saturating_sub(Manifest::max_encoded_len())
			.saturating_add(document);
		let account =
			AccountId::max_encoded_len().saturating_add(AccountOf::<T>::max_encoded_len());
		let mut footprint = Footprint::from_parts(1, row.saturating_add(account));
		let referral = referred.then(T::ReferralFootprint::get);
		// A retired agent has no manifest, and every other has one.
		let registration = manifest.map(|_| T::Registration::footprint());
		for Footprint { count, size } in [referral, registration].into_iter().flatten() {
			footprint.size = footprint.size.saturating_add(count.saturating_mul(size));
		}
		footprint
	}

	/// What the deposit for a delegate key covers: its row and the row's keys.
	pub(crate) fn key_footprint() -> Footprint {
		Footprint::from_mel::<(AccountId, Key, KeyRecordOf<T>)>()
	}
}

impl<T: Config> AgentRegistry for Pallet<T> {
	fn ensure_active(who: &AccountId) -> DispatchResult {
		Ok(Self::ensure_acting(who)?)
	}

	fn operator_of(who: &AccountId) -> Option<AccountId> {
		Agents::<T>::get(who).map(|record| record.operator)
	}

	// An account's own signature binds it whether or not it is an agent. Whether it may act is
	// another question, asked by `ensure_active`.
	fn verify(
		who: &AccountId,
		scope: Scope,
		payload: &[u8],
		signature: &AgentSignature,
	) -> DispatchResult {
		match signature {
			AgentSignature::Account(signature) => {
				ensure!(verify_account(who, payload, signature), Error::<T>::SignatureInvalid);
			},
			AgentSignature::Delegate { key, signature } => {
				let record = Keys::<T>::get(who, key).ok_or(Error::<T>::KeyNotFound)?;
				let now = T::BlockNumberProvider::current_block_number();
				ensure!(now <= record.expires_at, Error::<T>::KeyExpired);
				ensure!(record.scopes.contains(scope), Error::<T>::ScopeMissing);
				ensure!(key.verify(payload, signature), Error::<T>::SignatureInvalid);
			},
		}
		Ok(())
	}

	#[cfg(feature = "runtime-benchmarks")]
	fn benchmark_agent(who: &AccountId) -> AccountId {
		crate::benchmarking::insert_agent::<T>(who)
	}
}
