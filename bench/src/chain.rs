//! The part of a chain that a payee reads, without a node: channels that are open and stay so.

use futures::future::{ready, BoxFuture, FutureExt};
use std::{collections::HashMap, sync::Arc};
use stoa_client::{
	chain::{At, BlockRef, ChainError, ChainView, Changes, ChannelInfo, Phase},
	keys::{Scheme, VoucherKey},
	payee::{Payee, PayeeConfig},
	store::RedbStore,
};
use stoa_primitives::{
	channel::{ChannelId, DEFAULT_GRACE, MAX_LANES},
	AccountId, AssetId, Balance, BlockNumber, H256,
};
use tempfile::TempDir;

/// In what is paid.
const ASSET: AssetId = AssetId::WithId(1);
const GENESIS: H256 = H256::repeat_byte(9);

/// Open channels with all lanes and more money than is ever spent, all under one voucher key.
pub struct Channels {
	/// Signs for all of them.
	pub key: VoucherKey,
	infos: HashMap<ChannelId, ChannelInfo>,
}

impl Channels {
	/// So many of them.
	///
	/// # Panics
	///
	/// Never: the key's name is well-formed.
	pub fn new(count: u8) -> Self {
		let key = VoucherKey::from_uri("//Payer", Scheme::Ed25519).expect("the URI is well-formed");
		let channel = |n: u8| ChannelInfo {
			id: [n; 32],
			payer: AccountId::new([1; 32]),
			payee: payee(),
			asset: ASSET,
			key: key.key(),
			deposit: Balance::MAX / 2,
			settled: 0,
			lane_settled: Vec::new(),
			lanes: MAX_LANES,
			grace: DEFAULT_GRACE,
			phase: Phase::Open,
			cap: None,
			changes: Changes::default(),
			schedule: 0,
			nonce: n.into(),
		};
		let infos = (1..=count).map(|n| ([n; 32], channel(n))).collect();
		Self { key, infos }
	}

	/// Each lane of each channel.
	pub fn lanes(&self) -> Vec<(ChannelId, u32)> {
		let mut ids: Vec<_> = self.infos.keys().copied().collect();
		ids.sort_unstable();
		ids.iter().flat_map(|id| (0..MAX_LANES).map(|lane| (*id, lane.into()))).collect()
	}
}

/// Who is paid.
pub fn payee() -> AccountId {
	AccountId::new([2; 32])
}

/// What a payee asks for.
pub fn config() -> PayeeConfig {
	PayeeConfig::new(payee(), ASSET)
}

impl ChainView for Channels {
	fn genesis(&self) -> H256 {
		GENESIS
	}

	fn block(&self, _: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		ready(Ok(BlockRef { number: 1, hash: H256::repeat_byte(1) })).boxed()
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		ready(Ok(Some(BlockRef { number, hash: H256::repeat_byte(1) }))).boxed()
	}

	fn channel(
		&self,
		id: ChannelId,
		_: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		ready(Ok(self.infos.get(&id).cloned())).boxed()
	}
}

/// A payee of these channels with a store on disk, as long as the folder lives.
///
/// # Panics
///
/// When the disk does not do it.
pub async fn start_payee(channels: Channels) -> (Payee, TempDir) {
	let dir = tempfile::tempdir().expect("the system has a folder for temporary files");
	let store = RedbStore::open(dir.path().join("payee.redb")).expect("the store can be made");
	let payee = Payee::start(config(), Arc::new(store), Arc::new(channels)).await;
	(payee.expect("the payee starts"), dir)
}
