//! The calls that agents, operators and auditors submit.

pub mod escrow;

use super::{api, online::AtBlock, ChainError, OpenChannel};
use codec::{Compact, Encode};
use sp_runtime::MultiSignature;
use std::{fmt, sync::Arc};
use stoa_primitives::{
	agent::{Manifest, Scopes},
	channel::{Cap, ChannelId, Item},
	keys::{AgentSignature, Key},
	payload::{CloseConsent, OpenAuth},
	referral::{Code, Referral},
	AccountId, AssetId, Balance, BlockNumber,
};
use subxt::{
	ext::{
		scale_decode::{FieldIter, TypeResolver},
		scale_encode::{EncodeAsFields, Error as EncodeError},
	},
	tx::Payload,
	utils::{MultiAddress, Static},
};

type Encoder = dyn Fn(&AtBlock) -> Result<Vec<u8>, ChainError> + Send + Sync;

/// A call of the runtime, ready to be submitted with [`Chain::submit`](super::Chain::submit).
///
/// It is checked against the node's own metadata when it is submitted: a runtime that has changed the
/// call gives [`ChainError::Incompatible`].
#[derive(Clone)]
pub struct Call {
	pallet: &'static str,
	name: &'static str,
	encode: Arc<Encoder>,
}

impl fmt::Debug for Call {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}.{}", self.pallet, self.name)
	}
}

impl fmt::Display for Call {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		write!(f, "{}.{}", self.pallet, self.name)
	}
}

impl Call {
	/// The pallet's name.
	pub fn pallet(&self) -> &str {
		self.pallet
	}

	/// The call's name.
	pub fn name(&self) -> &str {
		self.name
	}

	/// Pallet index, call index and arguments, as they are in an extrinsic.
	pub(super) fn encode(&self, at: &AtBlock) -> Result<Vec<u8>, ChainError> {
		(self.encode)(at)
	}

	fn new<P>(pallet: &'static str, name: &'static str, payload: P) -> Self
	where
		P: Payload + Send + Sync + 'static,
	{
		let encode = move |at: &AtBlock| {
			let tx = at.transactions();
			tx.validate(&payload)?;
			Ok(tx.call_data(&payload)?)
		};
		Self { pallet, name, encode: Arc::new(encode) }
	}

	/// A call of the utility pallet whose only argument is a list of calls.
	fn of_calls(name: &'static str, template: Call, calls: Vec<Call>) -> Self {
		let encode = move |at: &AtBlock| {
			// An empty list encodes to one byte 0 behind the two indices; the real list takes its place.
			let mut out = template.encode(at)?;
			out.truncate(2);
			let count = u32::try_from(calls.len()).unwrap_or(u32::MAX);
			Compact(count).encode_to(&mut out);
			for call in &calls {
				out.extend(call.encode(at)?);
			}
			Ok(out)
		};
		Self { pallet: "Utility", name, encode: Arc::new(encode) }
	}
}

/// An encoded call in the form that subxt builds transactions from.
pub(super) struct RawCall {
	pallet: &'static str,
	name: &'static str,
	arguments: RawArguments,
}

pub(super) struct RawArguments(Vec<u8>);

impl RawCall {
	pub(super) fn new(call: &Call, at: &AtBlock) -> Result<Self, ChainError> {
		let data = call.encode(at)?;
		let arguments = RawArguments(data.get(2..).unwrap_or_default().to_vec());
		Ok(Self { pallet: call.pallet, name: call.name, arguments })
	}
}

impl EncodeAsFields for RawArguments {
	fn encode_as_fields_to<R: TypeResolver>(
		&self,
		_: &mut dyn FieldIter<'_, R::TypeId>,
		_: &R,
		out: &mut Vec<u8>,
	) -> Result<(), EncodeError> {
		out.extend_from_slice(&self.0);
		Ok(())
	}
}

impl Payload for RawCall {
	type CallData = RawArguments;

	fn pallet_name(&self) -> &str {
		self.pallet
	}

	fn call_name(&self) -> &str {
		self.name
	}

	fn call_data(&self) -> &RawArguments {
		&self.arguments
	}
}

/// `Agents.register`: the signer becomes the operator of `agent`. `proof` is the agent's consent (see
/// [`AccountKey::consent`](crate::keys::AccountKey::consent)) and its last block; not needed when
/// operator and agent are one account.
pub fn register(
	agent: AccountId,
	proof: Option<(MultiSignature, BlockNumber)>,
	manifest: Manifest,
	referral: Option<Referral>,
) -> Call {
	let proof = proof.map(|(signature, expires)| {
		api::runtime_types::pallet_stoa_agents::types::ConsentProof {
			signature: Static(signature),
			expires,
		}
	});
	let payload =
		api::tx().agents().register(Static(agent), proof, Static(manifest), referral.map(Static));
	Call::new("Agents", "register", payload)
}

/// `Agents.renew`: extends the lease of an agent that the signer operates.
pub fn renew(agent: AccountId) -> Call {
	Call::new("Agents", "renew", api::tx().agents().renew(Static(agent)))
}

/// `Agents.pause`: stops an agent that the signer operates.
pub fn pause(agent: AccountId) -> Call {
	Call::new("Agents", "pause", api::tx().agents().pause(Static(agent)))
}

/// `Agents.resume`: lets a paused agent act again.
pub fn resume(agent: AccountId) -> Call {
	Call::new("Agents", "resume", api::tx().agents().resume(Static(agent)))
}

/// `Agents.retire`: ends an agent for good.
pub fn retire(agent: AccountId) -> Call {
	Call::new("Agents", "retire", api::tx().agents().retire(Static(agent)))
}

/// `Agents.add_key`: lets `key` sign in the name of an agent that the signer operates what is in `scopes`, up to and
/// including block `last`.
pub fn add_key(agent: AccountId, key: Key, scopes: Scopes, last: BlockNumber) -> Call {
	let payload = api::tx().agents().add_key(Static(agent), Static(key), Static(scopes), last);
	Call::new("Agents", "add_key", payload)
}

/// `Agents.remove_key`: from the next call on, nothing that `key` has signed binds the agent.
pub fn remove_key(agent: AccountId, key: Key) -> Call {
	let payload = api::tx().agents().remove_key(Static(agent), Static(key));
	Call::new("Agents", "remove_key", payload)
}

/// `Credits.deposit`: real assets of the signer become credits of `beneficiary`.
pub fn deposit(asset: AssetId, amount: Balance, beneficiary: AccountId) -> Call {
	let payload = api::tx().credits().deposit(Static(asset), amount, Static(beneficiary));
	Call::new("Credits", "deposit", payload)
}

/// `Credits.withdraw`: credits of the signer become real assets of `to`.
pub fn withdraw(asset: AssetId, amount: Balance, to: AccountId) -> Call {
	let payload = api::tx().credits().withdraw(Static(asset), amount, Static(to));
	Call::new("Credits", "withdraw", payload)
}

/// `Credits.withdraw_all`: all free credits of the signer in `asset`, after the fee of this call, become
/// real assets of `to`.
pub fn withdraw_all(asset: AssetId, to: AccountId) -> Call {
	Call::new(
		"Credits",
		"withdraw_all",
		api::tx().credits().withdraw_all(Static(asset), Static(to)),
	)
}

/// `FeeSplit.pay`: a one-off charge, divided by the current schedule.
pub fn pay(provider: AccountId, asset: AssetId, amount: Balance, reference: [u8; 32]) -> Call {
	let payload = api::tx().fee_split().pay(Static(provider), Static(asset), amount, reference);
	Call::new("FeeSplit", "pay", payload)
}

/// `Referrals.claim_code`.
pub fn claim_code(code: Code) -> Call {
	let payload = api::tx().referrals().claim_code(bounded(code.into_inner()));
	Call::new("Referrals", "claim_code", payload)
}

/// `Channels.open`: locks credits of the signer for one payee.
pub fn open(channel: OpenChannel) -> Call {
	let OpenChannel { payee, asset, deposit, key, grace, lanes, cap } = channel;
	let payload = api::tx().channels().open(
		Static(payee),
		Static(asset),
		deposit,
		Static(key),
		grace,
		lanes,
		cap.map(Static),
	);
	Call::new("Channels", "open", payload)
}

/// `Channels.top_up`.
pub fn top_up(id: ChannelId, amount: Balance) -> Call {
	Call::new("Channels", "top_up", api::tx().channels().top_up(id, amount))
}

/// `Channels.settle_batch`: items in strictly ascending order of (channel, lane), at most 256.
pub fn settle_batch(items: Vec<Item>) -> Call {
	let items = items.into_iter().map(Static).collect();
	let payload = api::tx().channels().settle_batch(bounded(items));
	Call::new("Channels", "settle_batch", payload)
}

/// `Channels.request_close`.
pub fn request_close(id: ChannelId) -> Call {
	Call::new("Channels", "request_close", api::tx().channels().request_close(id))
}

/// `Channels.cancel_close`.
pub fn cancel_close(id: ChannelId) -> Call {
	Call::new("Channels", "cancel_close", api::tx().channels().cancel_close(id))
}

/// `Channels.close`: the payee claims a last item, if there is one, and ends the channel.
pub fn close(id: ChannelId, last: Option<Item>) -> Call {
	Call::new("Channels", "close", api::tx().channels().close(id, last.map(Static)))
}

/// `Channels.finalize`: ends channels whose grace period is over, at most 64.
pub fn finalize(ids: Vec<ChannelId>) -> Call {
	Call::new("Channels", "finalize", api::tx().channels().finalize(bounded(ids)))
}

/// `Channels.open_authorized`: the signer opens the channel in which the payer has authorised it to be
/// paid. The channel's terms are those of the authorisation, which names the asset by its digest only.
pub fn open_authorized(
	payer: AccountId,
	asset: AssetId,
	auth: &OpenAuth,
	signature: AgentSignature,
) -> Call {
	let payload = api::tx().channels().open_authorized(
		Static(payer),
		Static(asset),
		auth.amount,
		Static(auth.voucher_key),
		auth.grace,
		auth.nonce,
		auth.expires,
		Static(signature),
	);
	Call::new("Channels", "open_authorized", payload)
}

/// `Channels.close_with_consent`: the payer ends the channel at once, as the payee has agreed.
pub fn close_with_consent(consent: CloseConsent, signature: AgentSignature) -> Call {
	let CloseConsent { channel, total, expires } = consent;
	let payload =
		api::tx().channels().close_with_consent(channel, total, expires, Static(signature));
	Call::new("Channels", "close_with_consent", payload)
}

/// `Channels.settle_batch_all`: as [`settle_batch`], but all items or none.
pub fn settle_batch_all(items: Vec<Item>) -> Call {
	let items = items.into_iter().map(Static).collect();
	let payload = api::tx().channels().settle_batch_all(bounded(items));
	Call::new("Channels", "settle_batch_all", payload)
}

/// `Channels.rotate_key`: another key signs vouchers.
pub fn rotate_key(id: ChannelId, key: Key) -> Call {
	Call::new("Channels", "rotate_key", api::tx().channels().rotate_key(id, Static(key)))
}

/// `Channels.set_cap`: sets, changes or lifts the velocity cap.
pub fn set_cap(id: ChannelId, cap: Option<Cap>) -> Call {
	Call::new("Channels", "set_cap", api::tx().channels().set_cap(id, cap.map(Static)))
}

/// `Channels.revoke_lane`: nothing more is settled on a lane after one grace period.
pub fn revoke_lane(id: ChannelId, lane: u32) -> Call {
	Call::new("Channels", "revoke_lane", api::tx().channels().revoke_lane(id, lane))
}

/// `Balances.transfer_keep_alive`: native tokens, in units of 10⁻¹² STOA.
pub fn transfer(to: AccountId, amount: Balance) -> Call {
	let payload = api::tx().balances().transfer_keep_alive(MultiAddress::Id(Static(to)), amount);
	Call::new("Balances", "transfer_keep_alive", payload)
}

/// `Assets.transfer_keep_alive`.
pub fn transfer_asset(id: u32, to: AccountId, amount: Balance) -> Call {
	let payload = api::tx().assets().transfer_keep_alive(id, MultiAddress::Id(Static(to)), amount);
	Call::new("Assets", "transfer_keep_alive", payload)
}

/// `Assets.mint`: the signer must be the asset's issuer.
pub fn mint_asset(id: u32, to: AccountId, amount: Balance) -> Call {
	let payload = api::tx().assets().mint(id, MultiAddress::Id(Static(to)), amount);
	Call::new("Assets", "mint", payload)
}

/// `System.remark`: does nothing.
pub fn remark(bytes: Vec<u8>) -> Call {
	Call::new("System", "remark", api::tx().system().remark(bytes))
}

/// `Utility.batch_all`: all calls or none.
pub fn batch_all(calls: Vec<Call>) -> Call {
	let template = Call::new("Utility", "batch_all", api::tx().utility().batch_all(Vec::new()));
	Call::of_calls("batch_all", template, calls)
}

/// `Utility.force_batch`: every call by itself; a failure shows as an event.
pub fn force_batch(calls: Vec<Call>) -> Call {
	let template = Call::new("Utility", "force_batch", api::tx().utility().force_batch(Vec::new()));
	Call::of_calls("force_batch", template, calls)
}

/// `Sudo.sudo`: only on chains that have a sudo key.
pub fn sudo(call: Call) -> Call {
	let encode = move |at: &AtBlock| {
		let remark = api::runtime_types::frame_system::pallet::Call::remark { remark: Vec::new() };
		let template = api::tx().sudo().sudo(api::Call::System(remark));
		let tx = at.transactions();
		tx.validate(&template)?;
		let mut out = tx.call_data(&template)?;
		out.truncate(2);
		out.extend(call.encode(at)?);
		Ok(out)
	};
	Call { pallet: "Sudo", name: "sudo", encode: Arc::new(encode) }
}

/// The generated twin of a bounded list. The runtime checks the bound.
pub(super) fn bounded<T>(
	items: Vec<T>,
) -> api::runtime_types::bounded_collections::bounded_vec::BoundedVec<T> {
	api::runtime_types::bounded_collections::bounded_vec::BoundedVec(items)
}
