//! What only time or governance can do, and calls that the client has no function for: extrinsics
//! built from the runtime's own types, without the client library.

use crate::{market, rpc, Node};
use codec::{Decode, Encode};
use pallet_stoa_agents::{AgentRecord, Agents};
use serde_json::json;
use sp_core::H256;
use sp_runtime::{
	generic::{Era, SignedPayload},
	MultiAddress,
};
use std::time::Duration;
use stoa_client::keys::{format_account, AccountKey};
use stoa_primitives::{AccountId, BlockNumber};
use stoa_runtime::{Runtime, RuntimeCall, TxExtension, UncheckedExtrinsic, VERSION};

type Ticket = <Runtime as pallet_stoa_agents::Config>::AgentConsideration;

/// Signs a call with `key`, sends it, and waits until the account's nonce says that it is in a block.
///
/// # Panics
///
/// When the node refuses it.
pub async fn submit(node: &Node, key: &AccountKey, call: RuntimeCall) {
	let genesis = rpc::call(node, "chain_getBlockHash", json!([0])).await;
	let genesis = H256::from_slice(&rpc::bytes(&genesis));
	let account = format_account(&key.account());
	let nonce = rpc::call(node, "system_accountNextIndex", json!([account])).await;
	let nonce = u32::try_from(nonce.as_u64().expect("a nonce is a number")).expect("and small");
	let extension: TxExtension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(Era::Immortal),
		frame_system::CheckNonce::from(nonce.into()),
		frame_system::CheckWeight::new(),
		pallet_asset_tx_payment::ChargeAssetTxPayment::from(0, None),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	);
	let (spec, transaction) = (VERSION.spec_version, VERSION.transaction_version);
	let implicit = ((), (), spec, transaction, genesis, genesis, (), (), (), None, ());
	let payload = SignedPayload::from_raw(call, extension, implicit);
	let signature = payload.using_encoded(|bytes| key.sign(bytes));
	let (call, extension, _) = payload.deconstruct();
	let signer = MultiAddress::Id(key.account());
	let extrinsic = UncheckedExtrinsic::new_signed(call, signer, signature, extension);
	let hex = format!("0x{}", hex::encode(extrinsic.encode()));
	rpc::call(node, "author_submitExtrinsic", json!([hex])).await;
	for _ in 0..500 {
		let waiting = rpc::call(node, "author_pendingExtrinsics", json!([])).await;
		let next = rpc::call(node, "system_accountNextIndex", json!([account])).await;
		let waits = waiting.as_array().is_some_and(|all| all.iter().any(|one| *one == json!(hex)));
		if !waits && next.as_u64() > Some(nonce.into()) {
			return;
		}
		tokio::time::sleep(Duration::from_millis(20)).await;
	}
	panic!("the extrinsic was not included");
}

/// Sets the last block of an agent's lease, as only time could.
///
/// # Panics
///
/// When the account is no agent.
pub async fn set_lease(node: &Node, agent: &AccountId, lease_until: BlockNumber) {
	let key = Agents::<Runtime>::hashed_key_for(agent);
	let hex = format!("0x{}", hex::encode(&key));
	let read = || async {
		let value = rpc::bytes(&rpc::call(node, "state_getStorage", json!([hex])).await);
		AgentRecord::<Ticket>::decode(&mut value.as_slice()).expect("the record can be decoded")
	};
	let record = AgentRecord { lease_until, ..read().await };
	let items = vec![(key, record.encode())];
	let set = RuntimeCall::System(frame_system::Call::set_storage { items });
	let sudo = RuntimeCall::Sudo(pallet_sudo::Call::sudo { call: Box::new(set) });
	let _bank = market::BANK.lock().await;
	submit(node, &market::key("//Alice"), sudo).await;
	assert_eq!(read().await.lease_until, lease_until);
}
