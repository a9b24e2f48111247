//! Tests of the runtime: real pallets, no node.
//!
//! State comes from the genesis presets. A call reaches the runtime either as a dispatched
//! [`RuntimeCall`], or, where fees, nonces and extensions matter, as a signed transaction in a block
//! that [`Executive`] builds. [`check_books`] runs after every step of every test.

mod agreements;
mod attacks;
mod costs;
mod delegates;
mod errors;
mod fees;
mod model;
mod payment;
mod structure;
mod washing;
mod work;

use crate::{genesis_presets, units::*, *};
use codec::{Decode, Encode};
use frame_support::{
	dispatch::{GetDispatchInfo, PostDispatchInfo},
	storage::with_storage_layer,
	traits::{
		fungibles::{Inspect as _, Mutate as _},
		tokens::Preservation,
		GetCallMetadata as _,
	},
};
use pallet_stoa_agents::ConsentProof;
use sp_core::{ecdsa, ed25519, sr25519, Pair};
use sp_runtime::{
	traits::{Dispatchable, Header as _},
	Digest, DigestItem, DispatchError, Storage,
};
use std::{cell::Cell, collections::BTreeMap, sync::OnceLock};
use stoa_primitives::{
	agent::Manifest,
	agreement::{AgreementId, Milestone, Offer, Panel, Side},
	channel::{ChannelId, Item, Proof, DEFAULT_GRACE},
	keys::{AgentSignature, Key, KeySignature},
	payload::{Consent, Domain, Payload, Voucher},
	referral::Referral,
};

/// The native token.
const NATIVE: AssetId = AssetId::Native;
/// The development stablecoin.
const DUSD: AssetId = AssetId::WithId(genesis_presets::DUSD);
/// One dollar of it.
const DOLLAR: Balance = genesis_presets::DOLLAR;

/// The state that a preset makes.
fn preset_storage(name: &str) -> Storage {
	genesis_presets::storage(name).expect("a known preset builds")
}

/// The state of the preset `development`, built once.
fn development() -> sp_io::TestExternalities {
	static STORAGE: OnceLock<Storage> = OnceLock::new();
	STORAGE.get_or_init(|| preset_storage(sp_genesis_builder::DEV_RUNTIME_PRESET)).clone().into()
}

thread_local! {
	/// Native issuance, dUSD supply, and what custody holds of each beyond what it owes.
	static GENESIS: Cell<Books> = const { Cell::new(Books { native: (0, 0), dusd: (0, 0) }) };
}

thread_local! {
	/// Which calls were dispatched, and whether they succeeded.
	static OUTCOMES: Cell<Vec<(&'static str, bool)>> = const { Cell::new(Vec::new()) };
}

/// Supply, and custody's surplus.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Books {
	native: (Balance, Balance),
	dusd: (Balance, Balance),
}

fn surplus(asset: &AssetId) -> Balance {
	let solvency = Credits::solvency(asset.clone());
	assert_eq!(solvency.issued, solvency.free + solvency.locked, "{asset:?}");
	solvency.custody.checked_sub(solvency.issued).unwrap_or_else(|| panic!("{asset:?}: insolvent"))
}

fn books() -> Books {
	Books {
		native: (Balances::total_issuance(), surplus(&NATIVE)),
		dusd: (Assets::total_issuance(genesis_presets::DUSD), surplus(&DUSD)),
	}
}

/// Run `test` on the state of the preset `development` in block 1.
fn run(test: impl FnOnce()) {
	run_in(development(), test);
}

fn run_in(mut state: sp_io::TestExternalities, test: impl FnOnce()) {
	state.execute_with(|| {
		System::set_block_number(1);
		GENESIS.set(books());
		check_books();
		test();
		check_books();
	});
}

/// The invariants of every market pallet; and no unit of money was made, lost, or left custody
/// without a credit less.
fn check_books() {
	check_invariants();
	assert_eq!(books(), GENESIS.get(), "supply or custody's surplus has changed");
}

fn check_invariants() {
	Agents::do_try_state().expect("agents");
	Credits::do_try_state().expect("credits");
	FeeSplit::do_try_state().expect("fee-split");
	Referrals::do_try_state().expect("referrals");
	Channels::do_try_state().expect("channels");
	Escrow::do_try_state().expect("escrow");
	check_holds();
	check_payers();
}

/// What is held of an account's native tokens for the market is what its records say, to the unit.
fn check_holds() {
	// A ticket is the amount that it stands for.
	let amount = |ticket: Vec<u8>| Balance::decode(&mut &ticket[..]).expect("a ticket");
	let mut tickets = BTreeMap::<(AccountId, Vec<u8>), Balance>::new();
	let mut add = |who: AccountId, reason: RuntimeHoldReason, ticket: Vec<u8>| {
		*tickets.entry((who, reason.encode())).or_default() += amount(ticket);
	};
	for record in pallet_stoa_agents::Agents::<Runtime>::iter_values() {
		let reason = pallet_stoa_agents::HoldReason::Registration.into();
		add(record.depositor, reason, record.ticket.encode());
	}
	for record in pallet_stoa_agents::Keys::<Runtime>::iter_values() {
		let reason = pallet_stoa_agents::HoldReason::DelegateKey.into();
		add(record.depositor, reason, record.ticket.encode());
	}
	for record in pallet_stoa_referrals::Codes::<Runtime>::iter_values() {
		let reason = pallet_stoa_referrals::HoldReason::Code.into();
		add(record.owner, reason, record.ticket.encode());
	}
	for channel in pallet_stoa_channels::Channels::<Runtime>::iter_values() {
		let reason = pallet_stoa_channels::HoldReason::Channel.into();
		add(channel.depositor, reason, channel.ticket.encode());
	}
	for row in pallet_stoa_channels::Nonces::<Runtime>::iter_values() {
		let reason = pallet_stoa_channels::HoldReason::Nonce.into();
		add(row.depositor, reason, row.ticket.encode());
	}
	for agreement in pallet_stoa_escrow::Agreements::<Runtime>::iter_values() {
		let reason = pallet_stoa_escrow::HoldReason::Agreement.into();
		add(agreement.depositor, reason, agreement.ticket.encode());
	}
	for standing in pallet_stoa_escrow::Standings::<Runtime>::iter_values() {
		let reason = pallet_stoa_escrow::HoldReason::Record.into();
		add(standing.depositor, reason, standing.ticket.encode());
	}
	let held: BTreeMap<_, _> = pallet_balances::Holds::<Runtime>::iter()
		.flat_map(|(who, holds)| holds.into_iter().map(move |hold| (who.clone(), hold)))
		.filter(|(_, hold)| {
			matches!(
				hold.id,
				RuntimeHoldReason::Agents(_)
					| RuntimeHoldReason::Referrals(_)
					| RuntimeHoldReason::Channels(_)
					| RuntimeHoldReason::Escrow(_)
			)
		})
		.map(|(who, hold)| ((who, hold.id.encode()), hold.amount))
		.collect();
	assert_eq!(held, tickets, "what is held is not what records say");
}

/// An account that has ever opened a channel stays: a nonce row is covered by a deposit that is kept,
/// either its own, which is held of the account, or its operator's, and then it is an agent, whose
/// registration counts as a reference of the account for good. So its transactions never start anew.
fn check_payers() {
	for (payer, _, _) in pallet_stoa_channels::Nonces::<Runtime>::iter() {
		assert!(
			frame_system::Account::<Runtime>::contains_key(&payer),
			"a payer's account is gone"
		);
	}
}

/// Dispatch a call; what it weighs afterwards.
fn dispatch(
	origin: RuntimeOrigin,
	call: impl Into<RuntimeCall>,
) -> Result<PostDispatchInfo, DispatchError> {
	let call = call.into();
	let name = call.get_call_metadata().function_name;
	let declared = call.get_dispatch_info().call_weight;
	let result = call.dispatch(origin);
	let actual = match &result {
		Ok(info) => info.actual_weight,
		Err(failed) => failed.post_info.actual_weight,
	};
	assert!(actual.is_none_or(|actual| declared.all_gte(actual)), "{name} weighs too much");
	let result = result.map_err(|failed| failed.error);
	check_books();
	let mut outcomes = OUTCOMES.take();
	outcomes.push((name, result.is_ok()));
	OUTCOMES.set(outcomes);
	result
}

/// Dispatch a call that must succeed.
fn ok(origin: RuntimeOrigin, call: impl Into<RuntimeCall>) -> PostDispatchInfo {
	let call = call.into();
	match dispatch(origin, call.clone()) {
		Ok(info) => info,
		Err(error) => panic!("{call:?} failed: {error:?}"),
	}
}

/// Dispatch a call that must fail for exactly this reason and change nothing.
fn refused(origin: RuntimeOrigin, call: impl Into<RuntimeCall>, error: impl Into<DispatchError>) {
	let call = call.into();
	let root = sp_io::storage::root(sp_runtime::StateVersion::V1);
	let result = dispatch(origin, call.clone()).map(|_| ());
	assert_eq!(result, Err(error.into()), "{call:?}");
	let after = sp_io::storage::root(sp_runtime::StateVersion::V1);
	assert_eq!(root, after, "{call:?} failed and changed storage");
}

fn signed(who: &AccountId) -> RuntimeOrigin {
	RuntimeOrigin::signed(who.clone())
}

fn root() -> RuntimeOrigin {
	RuntimeOrigin::root()
}

fn advance(blocks: BlockNumber) {
	System::set_block_number(System::block_number() + blocks);
}

/// The events since the last call of this function, but for those of tokens and accounts.
fn take_events() -> Vec<RuntimeEvent> {
	let events = System::events()
		.into_iter()
		.map(|record| record.event)
		.filter(|event| {
			!matches!(
				event,
				RuntimeEvent::System(_) | RuntimeEvent::Balances(_) | RuntimeEvent::Assets(_)
			)
		})
		.collect();
	System::reset_events();
	events
}

/// Somebody with an account key.
#[derive(Clone)]
struct Person {
	account: AccountId,
	pair: sr25519::Pair,
	/// The nonce of the first transaction.
	first: Nonce,
}

impl Person {
	/// Somebody who owns nothing. What it is given must reach it in the same block.
	fn new(seed: u8) -> Self {
		let pair = sr25519::Pair::from_seed(&[seed; 32]);
		Self { account: pair.public().into(), pair, first: 16 * System::block_number() }
	}

	/// Somebody with a million of each at genesis.
	fn known(keyring: sp_keyring::Sr25519Keyring) -> Self {
		Self { account: keyring.to_account_id(), pair: keyring.pair(), first: 0 }
	}

	/// How many transactions the account has sent.
	fn sent(&self) -> Nonce {
		*System::account_nonce(&self.account) - self.first
	}

	fn origin(&self) -> RuntimeOrigin {
		signed(&self.account)
	}

	fn credits(&self, asset: &AssetId) -> Balance {
		Credits::balance(self.account.clone(), asset.clone())
	}

	/// Credits of `asset`, paid for by Ferdie.
	fn with_credits(self, asset: &AssetId, amount: Balance) -> Self {
		ok(ferdie().origin(), deposit(asset, amount, &self.account));
		self
	}

	/// Native tokens, paid for by Ferdie.
	fn with_native(self, amount: Balance) -> Self {
		ok(
			ferdie().origin(),
			pallet_balances::Call::transfer_keep_alive {
				dest: self.account.clone().into(),
				value: amount,
			},
		);
		self
	}

	/// Registered by `operator`.
	fn registered_by(self, operator: &Person, referral: Option<Referral>) -> Self {
		ok(operator.origin(), register(operator, &self, referral));
		self
	}
}

fn alice() -> Person {
	Person::known(sp_keyring::Sr25519Keyring::Alice)
}

fn bob() -> Person {
	Person::known(sp_keyring::Sr25519Keyring::Bob)
}

fn charlie() -> Person {
	Person::known(sp_keyring::Sr25519Keyring::Charlie)
}

fn ferdie() -> Person {
	Person::known(sp_keyring::Sr25519Keyring::Ferdie)
}

fn genesis_hash() -> Hash {
	System::block_hash(0)
}

fn manifest() -> Manifest {
	let uri = b"https://agents.example/manifest.json".to_vec();
	Manifest { digest: [7; 32], uri: uri.try_into().expect("a short URI") }
}

/// The agent's consent to be operated by `operator`.
fn consent(operator: &AccountId, agent: &Person, expires: BlockNumber) -> ConsentProof {
	let consent = Consent { operator: operator.clone(), agent: agent.account.clone(), expires };
	let message = consent.to_bytes(&Domain::agents(genesis_hash()));
	ConsentProof { signature: agent.pair.sign(&message).into(), expires }
}

fn register(
	operator: &Person,
	agent: &Person,
	referral: Option<Referral>,
) -> pallet_stoa_agents::Call<Runtime> {
	let proof = (operator.account != agent.account)
		.then(|| consent(&operator.account, agent, System::block_number() + 100));
	pallet_stoa_agents::Call::register {
		agent: agent.account.clone(),
		proof,
		manifest: manifest(),
		referral,
	}
}

fn deposit(
	asset: &AssetId,
	amount: Balance,
	beneficiary: &AccountId,
) -> pallet_stoa_credits::Call<Runtime> {
	pallet_stoa_credits::Call::deposit {
		asset: asset.clone(),
		amount,
		beneficiary: beneficiary.clone(),
	}
}

fn withdraw(
	asset: &AssetId,
	amount: Balance,
	to: &AccountId,
) -> pallet_stoa_credits::Call<Runtime> {
	pallet_stoa_credits::Call::withdraw { asset: asset.clone(), amount, to: to.clone() }
}

fn pay(
	provider: &AccountId,
	asset: &AssetId,
	amount: Balance,
) -> pallet_stoa_fee_split::Call<Runtime> {
	pallet_stoa_fee_split::Call::pay {
		provider: provider.clone(),
		asset: asset.clone(),
		amount,
		reference: [9; 32],
	}
}

/// A voucher key of any scheme.
#[derive(Clone)]
enum VoucherKey {
	Ed25519(ed25519::Pair),
	Sr25519(Box<sr25519::Pair>),
	Ecdsa(ecdsa::Pair),
}

impl VoucherKey {
	fn ed25519(seed: u8) -> Self {
		Self::Ed25519(ed25519::Pair::from_seed(&[seed; 32]))
	}

	fn sr25519(seed: u8) -> Self {
		Self::Sr25519(Box::new(sr25519::Pair::from_seed(&[seed; 32])))
	}

	fn ecdsa(seed: u8) -> Self {
		Self::Ecdsa(ecdsa::Pair::from_seed(&[seed; 32]))
	}

	fn key(&self) -> Key {
		match self {
			Self::Ed25519(pair) => Key::Ed25519(pair.public().0),
			Self::Sr25519(pair) => Key::Sr25519(pair.public().0),
			Self::Ecdsa(pair) => Key::Ecdsa(pair.public().0),
		}
	}

	fn sign(&self, message: &[u8]) -> KeySignature {
		match self {
			Self::Ed25519(pair) => KeySignature::Ed25519(pair.sign(message).0),
			Self::Sr25519(pair) => KeySignature::Sr25519(pair.sign(message).0),
			Self::Ecdsa(pair) => KeySignature::Ecdsa(pair.sign(message).0),
		}
	}
}

/// An item with a voucher signed by `key` on the chain of `genesis`.
fn item(key: &VoucherKey, voucher: Voucher, genesis: Hash) -> Item {
	let signature = key.sign(&voucher.to_bytes(&Domain::channels(genesis)));
	let Voucher { channel, lane, cumulative, valid_until } = voucher;
	let proof = Proof::Voucher { cumulative, valid_until, signature };
	Item { channel, lane, capture: None, proof }
}

/// A channel and the key that signs its vouchers.
#[derive(Clone)]
struct Channel {
	id: ChannelId,
	key: VoucherKey,
}

impl Channel {
	/// Open a channel with the default grace period.
	fn open(
		payer: &Person,
		payee: &Person,
		asset: &AssetId,
		amount: Balance,
		key: VoucherKey,
	) -> Self {
		let id =
			Channels::channel_id_of(payer.account.clone(), payee.account.clone(), asset.clone());
		ok(payer.origin(), open(&payee.account, asset, amount, key.key()));
		assert!(Channels::channel(id).is_some(), "opened under another id");
		Self { id, key }
	}

	/// A good voucher over `cumulative`, to be captured in full.
	fn voucher(&self, cumulative: Balance) -> Item {
		let voucher = Voucher { channel: self.id, lane: 0, cumulative, valid_until: 0 };
		item(&self.key, voucher, genesis_hash())
	}
}

fn open(
	payee: &AccountId,
	asset: &AssetId,
	deposit: Balance,
	key: Key,
) -> pallet_stoa_channels::Call<Runtime> {
	pallet_stoa_channels::Call::open {
		payee: payee.clone(),
		asset: asset.clone(),
		deposit,
		key,
		grace: DEFAULT_GRACE,
		lanes: 1,
		cap: None,
	}
}

/// A batch in the order that the chain wants.
fn settle(mut items: Vec<Item>) -> pallet_stoa_channels::Call<Runtime> {
	items.sort_by_key(|item| (item.channel, item.lane));
	pallet_stoa_channels::Call::settle_batch {
		items: items.try_into().expect("no more than a batch holds"),
	}
}

fn close(id: ChannelId, last: Option<Item>) -> pallet_stoa_channels::Call<Runtime> {
	pallet_stoa_channels::Call::close { id, last }
}

/// The provider's offer of one milestone for ten cents, delivered within 100 blocks and reviewed within
/// 50, without bond and arbiters.
fn offer(buyer: &Person, seller: &Person) -> Offer {
	let milestone = Milestone {
		amount: DOLLAR / 10,
		deliver_within: 100,
		review: 50,
		rework: 50,
		changes: 1,
		penalty: 0,
		lock: None,
	};
	let now = System::block_number();
	Offer {
		negotiation: [1; 32],
		buyer: buyer.account.clone(),
		seller: seller.account.clone(),
		asset: DUSD,
		milestones: vec![milestone].try_into().expect("one milestone"),
		terms: [2; 32],
		bond: 0,
		panel: Panel::none(sp_runtime::Permill::from_percent(50)),
		by: Side::Seller,
		round: 1,
		previous: None,
		opened: now,
		first_ask: DOLLAR / 10,
		valid_until: now + 100,
		nonce: 0,
	}
}

/// Commit an offer by its recipient, signed by the other side's account key; returns the id.
fn commit(offer: &Offer) -> AgreementId {
	let signer = (0..=255)
		.map(Person::new)
		.find(|person| person.account == *offer.signer())
		.expect("made from a seed");
	let id = offer.digest(&Domain::agreements(genesis_hash()));
	let signature = AgentSignature::Account(signer.pair.sign(&id).into());
	let offer = Box::new(offer.clone());
	let by = signed(offer.recipient());
	let transcript = Hash::repeat_byte(3);
	ok(by, pallet_stoa_escrow::Call::commit { offer, signature, transcript });
	id
}

/// In what a transaction's fee is paid.
#[derive(Clone)]
struct FeeTerms {
	asset: Option<AssetId>,
	tip: Balance,
}

/// A transaction as a client signs it, after `sent` others of the same account.
fn transaction(
	who: &Person,
	sent: Nonce,
	call: impl Into<RuntimeCall>,
	fee: FeeTerms,
) -> UncheckedExtrinsic {
	let extension: TxExtension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(generic::Era::Immortal),
		frame_system::CheckNonce::from((who.first + sent).into()),
		frame_system::CheckWeight::new(),
		pallet_asset_tx_payment::ChargeAssetTxPayment::from(fee.tip, fee.asset),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	);
	let call = call.into();
	let payload =
		generic::SignedPayload::new(call.clone(), extension.clone()).expect("all is known");
	let signature = payload.using_encoded(|bytes| who.pair.sign(bytes));
	UncheckedExtrinsic::new_signed(call, who.account.clone().into(), signature.into(), extension)
}

/// Build a whole block by the validator of that index: inherent, then whatever `build` applies.
fn block<R>(author: Option<u32>, build: impl FnOnce() -> R) -> R {
	let number = System::block_number() + 1;
	let slot = u64::from(number) + 1_000;
	let mut digest = Digest::default();
	if let Some(authority_index) = author {
		let digests = sp_consensus_babe::digests::SecondaryPlainPreDigest {
			authority_index,
			slot: slot.into(),
		};
		digest.push(DigestItem::PreRuntime(
			sp_consensus_babe::BABE_ENGINE_ID,
			sp_consensus_babe::digests::PreDigest::SecondaryPlain(digests).encode(),
		));
	}
	let header =
		Header::new(number, Default::default(), Default::default(), System::parent_hash(), digest);
	Executive::initialize_block(&header);
	if author.is_some() {
		let set = pallet_timestamp::Call::set { now: slot * SLOT_MILLIS };
		Executive::apply_extrinsic(UncheckedExtrinsic::new_bare(set.into()))
			.expect("a valid inherent")
			.expect("an inherent succeeds");
	}
	let result = build();
	if author.is_some() {
		Executive::finalize_block();
	}
	check_books();
	result
}

/// Apply a transaction as a block producer does: what is invalid leaves no trace.
fn apply(transaction: UncheckedExtrinsic) -> sp_runtime::ApplyExtrinsicResult {
	let mut result = None;
	let _ = with_storage_layer(|| -> Result<(), DispatchError> {
		let applied = Executive::apply_extrinsic(transaction);
		let kept = applied.is_ok();
		result = Some(applied);
		kept.then_some(()).ok_or(DispatchError::Other("not included"))
	});
	result.expect("it was applied")
}

/// A direct transfer of real assets.
fn transfer(asset: &AssetId, from: &AccountId, to: &AccountId, amount: Balance) {
	configs::Tokens::transfer(asset.clone(), from, to, amount, Preservation::Preserve)
		.expect("enough of it");
}
