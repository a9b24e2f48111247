//! Signatures of agents about channels, by account keys and delegate keys, through the real registry.

use super::*;
use pallet_stoa_agents::Error as AgentError;
use stoa_primitives::{
	agent::{Scope, Scopes},
	channel::MIN_GRACE,
	keys::AgentSignature,
	payload::{CloseConsent, OpenAuth},
};

type Agent = AgentError<Runtime>;

/// A payer and a provider, both agents of others, who have signed nothing yet.
fn parties() -> (Person, Person) {
	let provider = Person::new(1).registered_by(&alice(), None);
	let payer = Person::new(2).registered_by(&bob(), None).with_credits(&DUSD, DOLLAR);
	(payer, provider)
}

fn domain() -> Domain {
	Domain::channels(genesis_hash())
}

fn wrapped(message: &[u8]) -> Vec<u8> {
	[b"<Bytes>", message, b"</Bytes>"].concat()
}

fn by_account(who: &Person, message: &[u8]) -> AgentSignature {
	AgentSignature::Account(who.pair.sign(message).into())
}

fn by_delegate(key: &VoucherKey, message: &[u8]) -> AgentSignature {
	AgentSignature::Delegate { key: key.key(), signature: key.sign(message) }
}

fn add_key(operator: &Person, agent: &Person, key: &VoucherKey, scopes: Scopes, until: u32) {
	let (agent, key) = (agent.account.clone(), key.key());
	let call = pallet_stoa_agents::Call::add_key { agent, key, scopes, expires_at: until };
	ok(operator.origin(), call);
}

fn remove_key(operator: &Person, agent: &Person, key: &VoucherKey) {
	let (agent, key) = (agent.account.clone(), key.key());
	ok(operator.origin(), pallet_stoa_agents::Call::remove_key { agent, key });
}

/// One signer of each scheme, each good for a delegate key.
fn delegates() -> [VoucherKey; 3] {
	[VoucherKey::ed25519(21), VoucherKey::sr25519(22), VoucherKey::ecdsa(23)]
}

/// Something that an agent signs, and the call that needs it.
trait Signed {
	/// Who signs, and who answers for it.
	fn signer(&self) -> (&Person, Person);
	/// The bytes.
	fn message(&self) -> Vec<u8>;
	/// By whom the call is made.
	fn by(&self) -> &Person;
	fn call(&self, signature: AgentSignature) -> pallet_stoa_channels::Call<Runtime>;
}

struct Opening {
	payer: Person,
	provider: Person,
	auth: OpenAuth,
}

impl Opening {
	fn new((payer, provider): (Person, Person)) -> Self {
		let auth = OpenAuth {
			payee: provider.account.clone(),
			asset: OpenAuth::asset_digest(&DUSD),
			amount: DOLLAR / 4,
			voucher_key: VoucherKey::ed25519(9).key(),
			grace: MIN_GRACE,
			nonce: 0,
			expires: 1_000,
		};
		Self { payer, provider, auth }
	}
}

impl Signed for Opening {
	fn signer(&self) -> (&Person, Person) {
		(&self.payer, bob())
	}

	fn message(&self) -> Vec<u8> {
		self.auth.to_bytes(&domain())
	}

	fn by(&self) -> &Person {
		&self.provider
	}

	fn call(&self, signature: AgentSignature) -> pallet_stoa_channels::Call<Runtime> {
		let OpenAuth { amount, voucher_key, grace, nonce, expires, .. } = self.auth;
		pallet_stoa_channels::Call::open_authorized {
			payer: self.payer.account.clone(),
			asset: DUSD,
			deposit: amount,
			key: voucher_key,
			grace,
			nonce,
			expires,
			signature,
		}
	}
}

struct Closing {
	payer: Person,
	provider: Person,
	consent: CloseConsent,
}

impl Closing {
	fn new((payer, provider): (Person, Person)) -> Self {
		let channel = Channel::open(&payer, &provider, &DUSD, 50_000, VoucherKey::ed25519(9)).id;
		let consent = CloseConsent { channel, total: 20_000, expires: 1_000 };
		Self { payer, provider, consent }
	}
}

impl Signed for Closing {
	fn signer(&self) -> (&Person, Person) {
		(&self.provider, alice())
	}

	fn message(&self) -> Vec<u8> {
		self.consent.to_bytes(&domain())
	}

	fn by(&self) -> &Person {
		&self.payer
	}

	fn call(&self, signature: AgentSignature) -> pallet_stoa_channels::Call<Runtime> {
		let CloseConsent { channel: id, total, expires } = self.consent;
		pallet_stoa_channels::Call::close_with_consent { id, total, expires, signature }
	}
}

/// Every signature that does and every one that does not.
fn check(signed: &impl Signed) {
	let (agent, operator) = signed.signer();
	let (message, by) = (signed.message(), signed.by());
	let works = |signature| {
		frame_support::hypothetically!(ok(by.origin(), signed.call(signature)));
	};
	let refuses = |signature, error: Agent| refused(by.origin(), signed.call(signature), error);

	// The account's own, raw and as wallets wrap it, once.
	works(by_account(agent, &message));
	works(by_account(agent, &wrapped(&message)));
	for bad in [wrapped(&wrapped(&message)), [b"<Bytes>", &message[..]].concat()] {
		refuses(by_account(agent, &bad), Agent::SignatureInvalid);
	}
	refuses(by_account(&operator, &message), Agent::SignatureInvalid);
	refuses(by_account(by, &message), Agent::SignatureInvalid);

	for key in delegates() {
		refuses(by_delegate(&key, &message), Agent::KeyNotFound);
		for scope in [Scope::Offer, Scope::Endorse] {
			add_key(&operator, agent, &key, Scopes::NONE.with(scope), 100);
			refuses(by_delegate(&key, &message), Agent::ScopeMissing);
			remove_key(&operator, agent, &key);
		}
		let scopes = Scopes::NONE.with(Scope::Voucher);
		add_key(&operator, agent, &key, scopes, System::block_number() + 5);
		works(by_delegate(&key, &message));
		// Delegate keys sign raw bytes only, and only their own.
		refuses(by_delegate(&key, &wrapped(&message)), Agent::SignatureInvalid);
		refuses(by_delegate(&key, &message[1..]), Agent::SignatureInvalid);
		let other = VoucherKey::ed25519(99);
		let forged = AgentSignature::Delegate { key: key.key(), signature: other.sign(&message) };
		refuses(forged, Agent::SignatureInvalid);
		// Until the last block, and not beyond it.
		advance(5);
		works(by_delegate(&key, &message));
		advance(1);
		refuses(by_delegate(&key, &message), Agent::KeyExpired);
		remove_key(&operator, agent, &key);
		refuses(by_delegate(&key, &message), Agent::KeyNotFound);
	}
	// A change of operator takes all keys away.
	let key = VoucherKey::ed25519(31);
	add_key(&operator, agent, &key, Scopes::NONE.with(Scope::Voucher), 1_000);
	works(by_delegate(&key, &message));
	let (of, to) = (agent.account.clone(), charlie());
	let offer =
		pallet_stoa_agents::Call::offer_transfer { agent: of.clone(), to: to.account.clone() };
	ok(operator.origin(), offer);
	ok(to.origin(), pallet_stoa_agents::Call::accept_transfer { agent: of });
	refuses(by_delegate(&key, &message), Agent::KeyNotFound);
	works(by_account(agent, &message));
}

#[test]
fn authorisations_should_be_good_by_the_payers_keys_alone() {
	run(|| check(&Opening::new(parties())));
}

#[test]
fn consents_should_be_good_by_the_payees_keys_alone() {
	run(|| check(&Closing::new(parties())));
}

#[test]
fn a_delegate_key_for_vouchers_should_lock_credits_and_close_channels_and_nothing_more() {
	run(|| {
		let (payer, provider) = parties();
		let thief = VoucherKey::ed25519(21);
		add_key(&bob(), &payer, &thief, Scopes::NONE.with(Scope::Voucher), 1_000);
		// Whoever holds it can lock what its agent owns in a channel with any active agent. That the
		// agent gets back after the grace period, less what the channel's voucher key signs for.
		let opening = Opening::new((payer.clone(), provider.clone()));
		let signature = by_delegate(&thief, &opening.message());
		ok(provider.origin(), opening.call(signature));
		assert_eq!(payer.credits(&DUSD), DOLLAR - DOLLAR / 4);
		// It signs no transaction: nothing leaves the market by it.
		let stolen = thief.key();
		let Key::Ed25519(bytes) = stolen else { unreachable!("it is one") };
		assert_eq!(Credits::balance(AccountId::new(bytes), DUSD), 0);
		assert_eq!(Assets::balance(genesis_presets::DUSD, &payer.account), 0);
		// As a payee's key it gives away what was not settled.
		add_key(&alice(), &provider, &thief, Scopes::NONE.with(Scope::Voucher), 1_000);
		let closing = Closing::new((payer.clone(), provider.clone()));
		let nothing = Closing { consent: CloseConsent { total: 0, ..closing.consent }, ..closing };
		let signature = by_delegate(&thief, &nothing.message());
		ok(payer.origin(), nothing.call(signature));
		assert_eq!(provider.credits(&DUSD), 0);
	});
}
