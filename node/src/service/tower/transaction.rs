//! A settlement as a signed transaction.

use super::super::Hash;
use codec::Encode;
use sp_core::sr25519;
use sp_keystore::KeystorePtr;
use sp_runtime::{
	generic::{Era, SignedPayload},
	MultiAddress, MultiSignature, OpaqueExtrinsic,
};
use stoa_primitives::{channel::Item, BlockNumber};
use stoa_runtime::{
	AccountId, Nonce, Runtime, RuntimeCall, TxExtension, UncheckedExtrinsic, VERSION,
};

/// Blocks for which a settlement is valid. One that is lost must not come back after others were sent.
pub const LIFE: BlockNumber = 16;

/// On what a transaction is based.
#[derive(Clone, Copy, Debug)]
pub struct Base {
	/// The hash of block 0.
	pub genesis: Hash,
	/// The block it is born at.
	pub number: BlockNumber,
	/// That block's hash.
	pub hash: Hash,
	/// The account's next nonce.
	pub nonce: Nonce,
}

/// `settle_batch(items)`, signed by the key's account. `None` for more items than a batch takes, and when
/// the keystore does not sign.
pub fn settle(
	keystore: &KeystorePtr,
	key: &sr25519::Public,
	items: Vec<Item>,
	base: Base,
) -> Option<OpaqueExtrinsic> {
	let items = items.try_into().ok()?;
	let call = RuntimeCall::Channels(pallet_stoa_channels::Call::settle_batch { items });
	let era = Era::mortal(LIFE.into(), base.number.into());
	let extension: TxExtension = (
		frame_system::AuthorizeCall::new(),
		frame_system::CheckNonZeroSender::new(),
		frame_system::CheckSpecVersion::new(),
		frame_system::CheckTxVersion::new(),
		frame_system::CheckGenesis::new(),
		frame_system::CheckEra::from(era),
		frame_system::CheckNonce::from(base.nonce.into()),
		frame_system::CheckWeight::new(),
		pallet_asset_tx_payment::ChargeAssetTxPayment::<Runtime>::from(0, None),
		frame_metadata_hash_extension::CheckMetadataHash::new(false),
		frame_system::WeightReclaim::new(),
	);
	let (spec, transaction) = (VERSION.spec_version, VERSION.transaction_version);
	let implicit = ((), (), spec, transaction, base.genesis, base.hash, (), (), (), None, ());
	let payload = SignedPayload::from_raw(call, extension, implicit);
	let sign = |bytes: &[u8]| keystore.sr25519_sign(super::KEY_TYPE, key, bytes).ok().flatten();
	let signature = MultiSignature::Sr25519(payload.using_encoded(sign)?);
	let (call, extension, _) = payload.deconstruct();
	let signer = MultiAddress::Id(AccountId::from(*key));
	Some(UncheckedExtrinsic::new_signed(call, signer, signature, extension).into())
}

#[cfg(test)]
mod tests {
	use super::*;
	use codec::Decode;
	use sc_service::config::KeystoreConfig;
	use sp_runtime::{generic::Preamble, traits::Verify};
	use stoa_primitives::{channel::Proof, keys::KeySignature};

	#[test]
	fn a_settlement_should_be_signed_over_all_that_the_runtime_checks() {
		let keystore =
			sc_service::KeystoreContainer::new(&KeystoreConfig::InMemory).unwrap().keystore();
		let key = keystore.sr25519_generate_new(super::super::KEY_TYPE, None).unwrap();
		let proof = Proof::Voucher {
			cumulative: 5,
			valid_until: 0,
			signature: KeySignature::Ed25519([3; 64]),
		};
		let item = Item { channel: [1; 32], lane: 0, capture: None, proof };
		let (genesis, hash) = (Hash::repeat_byte(1), Hash::repeat_byte(2));
		let base = Base { genesis, number: 100, hash, nonce: 7 };
		let sent = settle(&keystore, &key, vec![item], base).unwrap().encode();

		let read = UncheckedExtrinsic::decode(&mut sent.as_slice()).unwrap();
		let RuntimeCall::Channels(pallet_stoa_channels::Call::settle_batch { items }) =
			&read.function
		else {
			panic!("another call: {read:?}")
		};
		assert_eq!(items.to_vec(), [item]);
		let Preamble::Signed(signer, signature, extension) = read.preamble else {
			panic!("not signed")
		};
		assert_eq!(signer, MultiAddress::Id(AccountId::from(key)));
		let (spec, transaction) = (VERSION.spec_version, VERSION.transaction_version);
		let verify = |genesis, hash| {
			let implicit = ((), (), spec, transaction, genesis, hash, (), (), (), None, ());
			SignedPayload::from_raw(read.function.clone(), extension.clone(), implicit)
				.using_encoded(|bytes| signature.verify(bytes, &AccountId::from(key)))
		};
		assert!(verify(genesis, hash));
		assert!(!verify(hash, hash) && !verify(genesis, genesis));

		let other = sr25519::Public::from_raw([9; 32]);
		assert!(settle(&keystore, &other, vec![item], base).is_none());
		assert!(settle(&keystore, &key, vec![item; 257], base).is_none());
	}
}
