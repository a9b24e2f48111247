//! What an input means: which call, by whom, on what.
//!
//! | byte | says |
//! |---|---|
//! | 0 | which call, or that time passes, or that an encoded call follows |
//! | 1 | below 160: by whom the call is meant for, else by one of the people |
//! | 2 to 7 | people, channels, assets, amounts, keys, in the order in which the call has them |

use super::{
	agreements,
	world::{account, agents_domain, domain, manifest, DOLLAR, DUSD},
	Step, STEP,
};
use crate::{
	bytes::{block, Source},
	sample::{self, amount, Facts, CLAIM},
};
use codec::DecodeLimit;
use frame_support::{traits::GetCallMetadata, weights::Weight, BoundedVec, MAX_EXTRINSIC_DEPTH};
use pallet_stoa_agents::{Call as AgentCall, ConsentProof};
use pallet_stoa_channels::{Call as ChannelCall, ChannelView};
use pallet_stoa_credits::Call as CreditCall;
use pallet_stoa_fee_split::Call as SplitCall;
use pallet_stoa_referrals::{Call as ReferralCall, Terms};
use sp_runtime::Permill;
use stoa_primitives::{
	agent::Scopes,
	channel::{Cap, ChannelId, Item, DEFAULT_GRACE, MAX_BATCH, MAX_GRACE, MIN_GRACE},
	keys::AgentSignature,
	payload::{CloseConsent, OpenAuth, Payload},
	referral::{Code, Referral},
	AccountId, AssetId, Balance, BlockNumber, DAYS, HOURS,
};
use stoa_runtime::{
	units::{EXISTENTIAL_DEPOSIT, STOA},
	Agents, Channels, Credits, Referrals, Runtime, RuntimeCall, RuntimeOrigin, System,
	UncheckedExtrinsic,
};

/// How many kinds of steps there are; of numbers above, the rest counts.
const KINDS: u8 = AGREEMENTS + agreements::KINDS;

/// The first kind that is a call of an agreement.
pub(super) const AGREEMENTS: u8 = 40;

/// Kinds that are not calls.
pub(super) const WAIT: u8 = 37;
const IDLE: u8 = 38;
const RAW: u8 = 39;

/// The bytes of a step.
pub(super) struct Bytes {
	kind: u8,
	by: u8,
	/// What the call has.
	pub(super) a: [u8; STEP - 2],
}

/// The next step; `None` for an encoded call that is none.
pub fn step(source: &mut Source) -> Option<Step> {
	let [kind, by, a @ ..] = source.array::<STEP>();
	let bytes = Bytes { kind: kind % KINDS, by, a };
	match bytes.kind {
		WAIT => Some(Step::Wait(blocks(bytes.a[0]))),
		IDLE => {
			let room = u64::from(u16::from_le_bytes([bytes.a[0], bytes.a[1]]));
			Some(Step::Idle(Weight::from_parts(room.saturating_mul(100_000_000), u64::MAX)))
		},
		RAW => encoded(&bytes, source.block()),
		_ => Some(made(&bytes, source)),
	}
}

fn blocks(n: u8) -> BlockNumber {
	match n {
		0..=99 => n.into(),
		100..=199 => MIN_GRACE / 16 * BlockNumber::from(n - 99),
		200..=229 => HOURS * BlockNumber::from(n - 199),
		230..=254 => 8 * DAYS * BlockNumber::from(n - 229),
		255 => 400 * DAYS,
	}
}

/// An encoded call of one of the people; of governance, if it is a call of the market.
fn encoded(bytes: &Bytes, call: &[u8]) -> Option<Step> {
	let call = RuntimeCall::decode_all_with_depth_limit(MAX_EXTRINSIC_DEPTH, &mut &*call).ok()?;
	let governs = bytes.by >= 248 && is_market(&call);
	let origin = match governs {
		true => RuntimeOrigin::root(),
		false => RuntimeOrigin::signed(account(bytes.by)),
	};
	Some(Step::Call(origin, Box::new(call)))
}

/// Whether a call is one of the market's own.
pub fn is_market(call: &RuntimeCall) -> bool {
	matches!(
		call,
		RuntimeCall::Agents(_)
			| RuntimeCall::Channels(_)
			| RuntimeCall::Credits(_)
			| RuntimeCall::Escrow(_)
			| RuntimeCall::FeeSplit(_)
			| RuntimeCall::Referrals(_)
	)
}

/// Pallet and name of a call.
pub fn name(call: &RuntimeCall) -> (&'static str, &'static str) {
	let metadata = call.get_call_metadata();
	(metadata.pallet_name, metadata.function_name)
}

/// Pallets and names of all calls of the market.
#[cfg(test)]
pub fn names() -> Vec<(&'static str, &'static str)> {
	use frame_support::traits::GetCallName;
	let of = |pallet, names: &'static [&'static str]| names.iter().map(move |name| (pallet, *name));
	of("Agents", AgentCall::<Runtime>::get_call_names())
		.chain(of("Channels", ChannelCall::<Runtime>::get_call_names()))
		.chain(of("Credits", CreditCall::<Runtime>::get_call_names()))
		.chain(of("Escrow", pallet_stoa_escrow::Call::<Runtime>::get_call_names()))
		.chain(of("FeeSplit", SplitCall::<Runtime>::get_call_names()))
		.chain(of("Referrals", ReferralCall::<Runtime>::get_call_names()))
		.collect()
}

/// For whom a call is meant.
pub(super) enum Meant {
	Root,
	Account(AccountId),
}

/// A call of the market, made of the bytes.
fn made(bytes: &Bytes, source: &mut Source) -> Step {
	let (meant, call) = match bytes.kind {
		0..=10 => agents(bytes),
		11..=16 => credits(bytes),
		17..=21 => trade(bytes),
		AGREEMENTS.. => agreements::made(bytes.kind - AGREEMENTS, bytes),
		_ => channels(bytes, source),
	};
	let origin = match (bytes.by, meant) {
		(0..=159, Meant::Root) => RuntimeOrigin::root(),
		(0..=159, Meant::Account(who)) => RuntimeOrigin::signed(who),
		(n, _) => RuntimeOrigin::signed(account(n)),
	};
	Step::Call(origin, Box::new(call))
}

pub(super) fn now() -> BlockNumber {
	System::block_number()
}

pub(super) fn asset(n: u8) -> AssetId {
	match n {
		0..=99 => DUSD,
		100..=229 => AssetId::Native,
		n => AssetId::WithId(n.into()),
	}
}

fn code(n: u8) -> Code {
	// Those below are too short.
	let text = if n < 250 { format!("code-{}", n % 4) } else { "x".into() };
	Code::truncate_from(text.into_bytes())
}

/// Somebody's consent to be operated: the agent's own, unless `forged`.
pub(super) fn register(
	operator: u8,
	agent: u8,
	referral: Option<Referral>,
	form: u8,
) -> AgentCall<Runtime> {
	let expires = match form {
		0..=199 => now().saturating_add(100),
		200..=219 => now().saturating_sub(1),
		_ => now().saturating_add(2 * DAYS),
	};
	let signer = if form >= 240 { agent.wrapping_add(1) } else { agent };
	let signer = &sample::people()[usize::from(signer) % sample::PEOPLE];
	let consent = stoa_primitives::payload::Consent {
		operator: account(operator),
		agent: account(agent),
		expires,
	};
	let signature = signer.sign(&consent.to_bytes(&agents_domain()));
	let own = account(operator) == account(agent) || form == 230;
	let proof = (!own).then_some(ConsentProof { signature, expires });
	AgentCall::register { agent: account(agent), proof, manifest: manifest(form / 2), referral }
}

fn operator_of(agent: &AccountId) -> Meant {
	let known = Agents::agent(agent.clone()).map(|record| record.operator);
	Meant::Account(known.unwrap_or_else(|| agent.clone()))
}

fn agents(bytes: &Bytes) -> (Meant, RuntimeCall) {
	let [a, b, c, d, ..] = bytes.a;
	let (agent, key) = (account(a), sample::key(b).key());
	let meant = operator_of(&agent);
	let (meant, call) = match bytes.kind {
		0 => {
			let referral = match c {
				0..=99 => None,
				100..=199 => Some(Referral::Account(account(c))),
				n => Some(Referral::Code(code(n))),
			};
			// Its own operator, or one of the people.
			let operator = if bytes.by >= 160 { bytes.by } else { b };
			(Meant::Account(account(operator)), register(operator, a, referral, d))
		},
		1 => (meant, AgentCall::renew { agent }),
		2 => (meant, AgentCall::set_manifest { agent, manifest: manifest(b) }),
		3 => match b % 2 {
			0 => (meant, AgentCall::pause { agent }),
			_ => (meant, AgentCall::resume { agent }),
		},
		4 => match b % 2 {
			0 => (Meant::Root, AgentCall::suspend { agent }),
			_ => (Meant::Root, AgentCall::reinstate { agent }),
		},
		5 => (meant, AgentCall::retire { agent }),
		6 => (meant, AgentCall::offer_transfer { agent, to: account(b) }),
		7 => {
			let to = Agents::agent(agent.clone()).and_then(|record| record.transfer_to);
			(Meant::Account(to.unwrap_or_else(|| account(b))), AgentCall::accept_transfer { agent })
		},
		8 => (meant, AgentCall::cancel_transfer { agent }),
		9 => {
			let scopes = Scopes::from_bits(c % 8).unwrap_or_default();
			let expires_at = now().saturating_add(blocks(d));
			(meant, AgentCall::add_key { agent, key, scopes, expires_at })
		},
		_ => match c % 2 {
			0 => (meant, AgentCall::remove_key { agent, key }),
			_ => (Meant::Account(account(d)), AgentCall::remove_expired_key { agent, key }),
		},
	};
	(meant, AgentCall::<Runtime>::into(call))
}

/// The least credits of an asset that are worth a row.
fn bound(asset: &AssetId) -> Balance {
	if *asset == DUSD {
		DOLLAR / 100
	} else {
		EXISTENTIAL_DEPOSIT
	}
}

fn wealth(who: &AccountId, asset: &AssetId) -> Balance {
	use frame_support::traits::fungibles::Inspect as _;
	stoa_runtime::configs::Tokens::balance(asset.clone(), who)
}

fn credits(bytes: &Bytes) -> (Meant, RuntimeCall) {
	let [a, b, c, d, ..] = bytes.a;
	let (who, asset, to) = (account(a), asset(b), account(d));
	let mine = Meant::Account(who.clone());
	let free = Credits::balance(who.clone(), asset.clone());
	let (meant, call) = match bytes.kind {
		11 | 12 => {
			let amount = amount(c, wealth(&who, &asset), bound(&asset));
			(mine, CreditCall::deposit { asset, amount, beneficiary: to })
		},
		13 => {
			let amount = amount(c, free, bound(&asset));
			(mine, CreditCall::withdraw { asset, amount, to })
		},
		14 => (mine, CreditCall::withdraw_all { asset, to }),
		15 => {
			let dust_bound = amount(c, 100 * bound(&asset), bound(&asset));
			(Meant::Root, CreditCall::accept_asset { asset, dust_bound })
		},
		_ => (Meant::Root, CreditCall::stop_accepting { asset }),
	};
	(meant, CreditCall::<Runtime>::into(call))
}

/// Charges, schedules, referrals.
fn trade(bytes: &Bytes) -> (Meant, RuntimeCall) {
	let [a, b, c, d, e, _] = bytes.a;
	let (who, asset) = (account(a), asset(b));
	let free = Credits::balance(who.clone(), asset.clone());
	let percent = |n: u8| Permill::from_percent(u32::from(n) % 101);
	match bytes.kind {
		17 => {
			let (amount, provider) = (amount(c, free, 2), account(d));
			let call = SplitCall::pay { provider, asset, amount, reference: [e; 32] };
			(Meant::Account(who), SplitCall::<Runtime>::into(call))
		},
		18 => {
			let call = match a % 4 {
				0 => SplitCall::cancel_schedule {},
				// Whole, most of the time.
				1 | 2 => SplitCall::propose_schedule {
					provider: Permill::from_percent(80 + u32::from(b) % 21),
					platform: percent(c % 21),
					referral: Permill::from_percent(
						(20 - u32::from(b) % 21).saturating_sub(u32::from(c) % 21),
					),
				},
				_ => SplitCall::propose_schedule {
					provider: percent(b),
					platform: percent(c),
					referral: percent(d),
				},
			};
			(Meant::Root, SplitCall::<Runtime>::into(call))
		},
		19 => {
			let code = code(c);
			let call = match b % 2 {
				0 => (Meant::Account(who), ReferralCall::claim_code { code }),
				_ => {
					let owner = Referrals::code_owner(code.clone()).unwrap_or(who);
					(Meant::Account(owner), ReferralCall::release_code { code })
				},
			};
			(call.0, ReferralCall::<Runtime>::into(call.1))
		},
		20 => {
			let levels = [percent(b), percent(c % 51), percent(d % 51)];
			let terms = Terms { levels, window: blocks(e) };
			(Meant::Root, ReferralCall::<Runtime>::set_terms { terms }.into())
		},
		_ => {
			let agent = account(a);
			let left = Referrals::bonus_left(agent.clone(), asset.clone());
			let call = match e % 2 {
				0 => ReferralCall::set_cap { asset, cap: amount(c, 1_000 * STOA, 2) },
				_ => ReferralCall::grant_bonus { agent, asset, amount: amount(c, left, 2) },
			};
			(Meant::Root, ReferralCall::<Runtime>::into(call))
		},
	}
}

/// Ids of all channels that have not ended, in order.
fn live() -> Vec<ChannelId> {
	let mut ids: Vec<_> = pallet_stoa_channels::Channels::<Runtime>::iter_keys().collect();
	ids.sort_unstable();
	ids
}

/// One of the channels; for large numbers, one that is not there.
fn channel(n: u8) -> (ChannelId, Option<ChannelView>) {
	let live = live();
	let id = match n {
		0..=239 if !live.is_empty() => live[usize::from(n) % live.len()],
		n => [n; 32],
	};
	(id, Channels::channel(id))
}

fn facts(n: u8) -> Facts {
	let (id, view) = channel(n);
	let key = sample::key(0).key();
	let (key, lanes, left) = view.map_or((key, Vec::new(), 1_000), |view| {
		(view.key, view.lane_settled, view.deposit.saturating_sub(view.settled))
	});
	Facts { id, key, lanes, left, now: now() }
}

fn claim(source: &mut Source) -> Item {
	sample::item(source, &domain(), facts)
}

/// A batch of up to sixteen claims, in order unless `shuffled`.
fn batch(count: u8, shuffled: bool, source: &mut Source) -> Batch {
	let mut items: Vec<_> = (0..=count % 16).map(|_| claim(source)).collect();
	if !shuffled {
		items.sort_by_key(|item| (item.channel, item.lane));
		items.dedup_by_key(|item| (item.channel, item.lane));
	}
	BoundedVec::truncate_from(items)
}

type Batch = BoundedVec<Item, frame_support::traits::ConstU32<MAX_BATCH>>;

fn grace(n: u8) -> BlockNumber {
	match n {
		0..=149 => DEFAULT_GRACE,
		150..=199 => MIN_GRACE,
		200..=219 => MIN_GRACE - 1,
		220..=239 => MAX_GRACE,
		_ => MAX_GRACE + 1,
	}
}

fn cap(n: u8) -> Option<Cap> {
	match n {
		0..=99 => None,
		100..=239 => {
			let per_window = DOLLAR * Balance::from(n - 99) / 8;
			Some(Cap { per_window, window: 10 * BlockNumber::from(n - 99) })
		},
		_ => Some(Cap { per_window: 0, window: u32::MAX }),
	}
}

/// By the account's own key, or by a delegate.
pub(super) fn sign(who: &AccountId, form: u8, message: &[u8]) -> AgentSignature {
	let known = sample::people().iter().find(|key| key.account() == *who);
	let forged = form >= 240;
	match (form, known) {
		(128..=239, _) => {
			let key = sample::key(form);
			AgentSignature::Delegate { key: key.key(), signature: key.sign(message) }
		},
		(_, Some(key)) if !forged => AgentSignature::Account(key.sign(message)),
		_ => AgentSignature::Account(sample::people()[7].sign(message)),
	}
}

fn channels(bytes: &Bytes, source: &mut Source) -> (Meant, RuntimeCall) {
	let [a, b, ..] = bytes.a;
	let (id, view) = channel(a);
	let side = |pick: fn(&ChannelView) -> &AccountId| {
		Meant::Account(view.as_ref().map_or_else(|| account(b), |view| pick(view).clone()))
	};
	let (payer, payee) = (side(|view| &view.payer), side(|view| &view.payee));
	let (meant, call) = match bytes.kind {
		22 | 23 => opening(bytes),
		24 => authorized(bytes),
		25 => (payer, ChannelCall::top_up { id, amount: amount(b, 20 * DOLLAR, 2) }),
		26..=28 => {
			(payee, ChannelCall::settle_batch { items: batch(b, bytes.a[2] >= 240, source) })
		},
		29 => (payee, ChannelCall::settle_batch_all { items: batch(b, bytes.a[2] >= 240, source) }),
		30 => match b % 3 {
			0 => (payer, ChannelCall::cancel_close { id }),
			1 => (payer, ChannelCall::request_close { id }),
			_ => (side(|view| &view.depositor), ChannelCall::request_close { id }),
		},
		31 => {
			let last = (b >= 64).then(|| claim(source));
			// Of this channel, most of the time.
			let last = last.map(|item| if b < 240 { Item { channel: id, ..item } } else { item });
			(payee, ChannelCall::close { id, last })
		},
		32 => {
			let ids = (0..=b % 8).map(|n| channel(a.wrapping_add(n)).0).collect::<Vec<_>>();
			(
				Meant::Account(account(b)),
				ChannelCall::finalize { ids: BoundedVec::truncate_from(ids) },
			)
		},
		33 => (payer, consented(bytes, id, view.as_ref())),
		34 => (payer, ChannelCall::rotate_key { id, key: sample::key(b).key() }),
		35 => (payer, ChannelCall::set_cap { id, cap: cap(b) }),
		_ => (payer, ChannelCall::revoke_lane { id, lane: (b % 5).into() }),
	};
	(meant, ChannelCall::<Runtime>::into(call))
}

fn opening(bytes: &Bytes) -> (Meant, ChannelCall<Runtime>) {
	let [a, b, c, d, e, f] = bytes.a;
	let (who, payee, asset) = (account(a), account(b), asset(c));
	let deposit = amount(d, Credits::balance(who.clone(), asset.clone()), 2);
	let (key, grace) = (sample::key(e).key(), grace(e));
	let lanes = match f {
		0..=99 => 1,
		100..=239 => u16::from(f - 98),
		240..=247 => 0,
		_ => 257,
	};
	let cap = cap(f.rotate_left(3));
	(Meant::Account(who), ChannelCall::open { payee, asset, deposit, key, grace, lanes, cap })
}

fn authorized(bytes: &Bytes) -> (Meant, ChannelCall<Runtime>) {
	let [a, b, c, d, e, f] = bytes.a;
	let (payer, payee, asset) = (account(a), account(b), asset(c));
	let deposit = amount(d, Credits::balance(payer.clone(), asset.clone()), 2);
	let (key, grace) = (sample::key(e).key(), grace(e));
	let nonce = Channels::next_nonce(payer.clone(), payee.clone());
	let expires = now().saturating_add(100).saturating_sub(u32::from(f == 127) * 101);
	let auth = OpenAuth {
		payee: payee.clone(),
		asset: OpenAuth::asset_digest(&asset),
		amount: deposit,
		voucher_key: key,
		grace,
		nonce,
		expires,
	};
	let signature = sign(&payer, f, &auth.to_bytes(&domain()));
	let call = ChannelCall::open_authorized {
		payer,
		asset,
		deposit,
		key,
		grace,
		nonce,
		expires,
		signature,
	};
	(Meant::Account(payee), call)
}

fn consented(bytes: &Bytes, id: ChannelId, view: Option<&ChannelView>) -> ChannelCall<Runtime> {
	let [_, _, c, d, ..] = bytes.a;
	let (settled, left) =
		view.map_or((0, 1_000), |view| (view.settled, view.deposit.saturating_sub(view.settled)));
	let total = match c {
		255 => settled.saturating_sub(1),
		n => settled.saturating_add(amount(n, left, 2)),
	};
	let expires = now().saturating_add(10).saturating_sub(u32::from(d == 127) * 11);
	let message = CloseConsent { channel: id, total, expires }.to_bytes(&domain());
	let payee = view.map_or_else(|| account(0), |view| view.payee.clone());
	ChannelCall::close_with_consent { id, total, expires, signature: sign(&payee, d, &message) }
}

/// One call of each kind, and by whom.
pub fn all() -> Vec<(u8, RuntimeCall)> {
	let mut out: Vec<(u8, RuntimeCall)> = Vec::new();
	for kind in (0..WAIT).chain(AGREEMENTS..KINDS) {
		for b in 0..2 {
			let bytes = Bytes { kind, by: 0, a: [1, b, 9, 9, 1, 0] };
			let claims = [1u8, 0, 20, 0, 0, 0, 0, 0, 0, 0].repeat(2);
			let Step::Call(_, call) = made(&bytes, &mut Source::new(&claims)) else { continue };
			out.push((if is_market(&call) && kind % 7 == 0 { 255 } else { 1 }, *call));
		}
	}
	let few = out.iter().take(5).map(|(_, call)| call.clone()).collect();
	out.push((1, pallet_utility::Call::<Runtime>::batch { calls: few }.into()));
	let (dest, value) = (account(7).into(), STOA);
	out.push((0, pallet_balances::Call::<Runtime>::transfer_keep_alive { dest, value }.into()));
	let (id, target, amount) = (stoa_runtime::genesis_presets::DUSD, account(7).into(), 5);
	out.push((0, pallet_assets::Call::<Runtime>::transfer { id, target, amount }.into()));
	out.push((0, frame_system::Call::<Runtime>::remark_with_event { remark: vec![1, 2] }.into()));
	out
}

/// A step with an encoded call.
pub fn raw(by: u8, call: &[u8]) -> Vec<u8> {
	[vec![RAW, by, 0, 0, 0, 0, 0, 0], block(call)].concat()
}

/// A call as a bare and as a signed transaction.
pub fn extrinsics(call: RuntimeCall) -> Vec<UncheckedExtrinsic> {
	// Immortal, nonce 0, no tip, no asset, no metadata hash: all else is empty.
	let extension: stoa_runtime::TxExtension =
		codec::Decode::decode(&mut &[0; 5][..]).expect("an extension of zeros");
	let who = &sample::people()[1];
	let signature = who.sign(b"not what is signed, but a decoder does not know");
	let signed =
		UncheckedExtrinsic::new_signed(call.clone(), who.account().into(), signature, extension);
	vec![UncheckedExtrinsic::new_bare(call), signed]
}

/// A step of a sequence.
pub(super) fn at(kind: u8, a: [u8; STEP - 2]) -> Vec<u8> {
	[&[kind, 0][..], &a].concat()
}

/// The same by somebody else.
fn by(n: u8, kind: u8, a: [u8; STEP - 2]) -> Vec<u8> {
	[&[kind, 160 + n][..], &a].concat()
}

fn voucher(channel: u8, lane: u8, part: u8) -> [u8; CLAIM] {
	[channel, lane, part, 0, 0, 0, 0, 0, 0, 0]
}

fn tick(channel: u8, lane: u8, part: u8) -> [u8; CLAIM] {
	[channel, lane, part, 0, 0, 148, 5, 0, 0, 0]
}

fn with(step: Vec<u8>, claims: &[[u8; CLAIM]]) -> Vec<u8> {
	[step, claims.concat()].concat()
}

/// Sequences that a market would see, and some that it would not.
pub fn sequences() -> Vec<Vec<u8>> {
	let zero = [0; STEP - 2];
	let settle = |n: u8, claims: &[[u8; CLAIM]]| {
		let count = u8::try_from(claims.len() - 1).unwrap_or_default();
		with(at(26, [n, count, 0, 0, 0, 0]), claims)
	};
	let mut out = vec![
		// Agents come, change, go.
		[
			at(0, [1, 0, 150, 7, 0, 0]),
			at(1, [1, 0, 0, 0, 0, 0]),
			at(2, [1, 30, 0, 0, 0, 0]),
			at(9, [1, 2, 2, 50, 0, 0]),
			at(10, [1, 2, 0, 0, 0, 0]),
			at(9, [1, 3, 7, 1, 0, 0]),
			at(WAIT, [60, 0, 0, 0, 0, 0]),
			at(10, [1, 3, 1, 4, 0, 0]),
			at(3, [1, 0, 0, 0, 0, 0]),
			at(3, [1, 1, 0, 0, 0, 0]),
			at(4, [1, 0, 0, 0, 0, 0]),
			at(4, [1, 1, 0, 0, 0, 0]),
			at(6, [1, 4, 0, 0, 0, 0]),
			at(8, [1, 0, 0, 0, 0, 0]),
			at(6, [1, 4, 0, 0, 0, 0]),
			at(7, [1, 0, 0, 0, 0, 0]),
			at(5, [1, 0, 0, 0, 0, 0]),
		]
		.concat(),
		// Money comes and goes.
		[
			at(11, [1, 0, 90, 1, 0, 0]),
			at(13, [1, 0, 60, 1, 0, 0]),
			at(14, [1, 0, 0, 1, 0, 0]),
			at(16, [0, 0, 0, 0, 0, 0]),
			at(11, [1, 0, 90, 1, 0, 0]),
			at(15, [0, 0, 3, 0, 0, 0]),
			at(12, [2, 150, 40, 3, 0, 0]),
		]
		.concat(),
		// Charges, with referrers, under several schedules.
		[
			at(17, [0, 0, 50, 2, 0, 0]),
			at(18, [1, 5, 10, 0, 0, 0]),
			at(WAIT, [231, 0, 0, 0, 0, 0]),
			at(17, [0, 0, 50, 4, 0, 0]),
			at(18, [2, 3, 12, 0, 0, 0]),
			at(18, [0, 0, 0, 0, 0, 0]),
			at(20, [0, 40, 20, 10, 220, 0]),
			at(21, [0, 0, 100, 0, 0, 0]),
			at(17, [1, 150, 90, 6, 0, 0]),
			at(21, [2, 0, 60, 0, 1, 0]),
			at(21, [2, 0, 1, 0, 1, 0]),
			at(19, [2, 0, 1, 0, 0, 0]),
			at(19, [2, 1, 1, 0, 0, 0]),
		]
		.concat(),
	];
	// Each channel is settled by vouchers and by ticks, then ended in each way.
	for n in 0..4u8 {
		let claims = [voucher(n, 0, 20), tick(n, 1, 20)];
		let start = [
			settle(n, &claims),
			settle(n, &[tick(n, 0, 30)]),
			settle(n, &[voucher(n, 0, 0), voucher(n, 3, 250)]),
			with(at(29, [n, 0, 0, 0, 0, 0]), &[voucher(n, 0, 10)]),
			at(25, [n, 20, 0, 0, 0, 0]),
			at(34, [n, n, 0, 0, 0, 0]),
			at(35, [n, 150, 0, 0, 0, 0]),
			at(36, [n, 1, 0, 0, 0, 0]),
		]
		.concat();
		let ends = [
			with(at(31, [n, 100, 0, 0, 0, 0]), &[voucher(n, 0, 100)]),
			at(31, [n, 0, 0, 0, 0, 0]),
			at(33, [n, 0, 60, 0, 0, 0]),
			[
				at(30, [n, 1, 0, 0, 0, 0]),
				at(30, [n, 0, 0, 0, 0, 0]),
				at(30, [n, 2, 0, 0, 0, 0]),
				with(by(5, 26, [n, 0, 0, 0, 0, 0]), &[voucher(n, 0, 40)]),
				at(WAIT, [202, 0, 0, 0, 0, 0]),
				at(32, [n, 2, 0, 0, 0, 0]),
			]
			.concat(),
			[
				at(30, [n, 1, 0, 0, 0, 0]),
				at(WAIT, [202, 0, 0, 0, 0, 0]),
				at(IDLE, [255, 255, 0, 0, 0, 0]),
			]
			.concat(),
		];
		out.extend(ends.map(|end| [start.clone(), end].concat()));
	}
	// Opened in both ways, also for a delegate to sign.
	out.push(
		[
			at(22, [1, 4, 0, 60, 2, 105]),
			at(24, [0, 2, 0, 40, 1, 0]),
			at(9, [2, 4, 2, 200, 0, 0]),
			at(24, [2, 4, 0, 40, 1, 130]),
			settle(3, &[voucher(0, 0, 20), voucher(1, 0, 20), voucher(2, 0, 20), tick(4, 0, 9)]),
		]
		.concat(),
	);
	// All forgeries.
	out.extend((192..=255u8).collect::<Vec<_>>().chunks(16).map(|forgeries| {
		let forge = |form: u8| {
			forgeries
				.iter()
				.map(|n| [n % 5, 0, 20, 0, 0, form, 3, *n, 0, 0])
				.map(|claim| settle(claim[0], &[claim]))
				.collect::<Vec<_>>()
				.concat()
		};
		[forge(0), forge(150)].concat()
	}));
	out.push(by(3, 200 % KINDS, zero));
	out.extend(agreements::sequences());
	out
}
