//! How subxt talks to Stoa: the types of accounts, signatures and transaction extensions.

use crate::keys::AccountKey;
use sp_runtime::MultiSignature;
use stoa_primitives::AssetId;
use subxt::{
	config::{substrate::SubstrateConfig, Config, DefaultTransactionExtensions, HashFor, Hasher},
	utils::{AccountId32, MultiAddress, Static},
	ArcMetadata,
};

/// The chain's configuration for subxt. Fees are paid in native tokens, or in credits of an
/// [`AssetId`].
#[derive(Clone, Debug, Default)]
pub struct StoaConfig(SubstrateConfig);

impl Config for StoaConfig {
	type AccountId = AccountId32;
	type Address = MultiAddress<AccountId32, ()>;
	type Signature = Static<MultiSignature>;
	type Header = <SubstrateConfig as Config>::Header;
	type Hasher = <SubstrateConfig as Config>::Hasher;
	type TransactionExtensions = DefaultTransactionExtensions<Self>;
	type AssetId = Static<AssetId>;

	fn genesis_hash(&self) -> Option<HashFor<Self>> {
		self.0.genesis_hash()
	}

	fn metadata_for_spec_version(&self, spec_version: u32) -> Option<ArcMetadata> {
		self.0.metadata_for_spec_version(spec_version)
	}

	fn set_metadata_for_spec_version(&self, spec_version: u32, metadata: ArcMetadata) {
		self.0.set_metadata_for_spec_version(spec_version, metadata);
	}
}

/// The hash of a block or a transaction.
pub(crate) type Hash = <<StoaConfig as Config>::Hasher as Hasher>::Hash;

impl subxt::tx::Signer<StoaConfig> for AccountKey {
	fn account_id(&self) -> AccountId32 {
		AccountId32(self.account().into())
	}

	fn sign(&self, payload: &[u8]) -> Static<MultiSignature> {
		Static(AccountKey::sign(self, payload))
	}
}
