//! The part of the chain that opening a channel by authorisation needs.

use super::{calls, At, Chain, ChainError, ChainView, SignedChain, Submitted};
use crate::agreement::SignedOpen;
use futures::{future::BoxFuture, FutureExt};
use stoa_primitives::{keys::AgentSignature, AccountId, AssetId, Balance};

/// What decides whether a channel can be opened, at the best block.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Prospect {
	/// The nonce that the next channel of the pair takes.
	pub next_nonce: u64,
	/// What the payer can lock, in units of the asset.
	pub credits: Balance,
}

/// Reading what is there before a channel is.
pub trait PairView: ChainView {
	/// What decides whether `payer` can have a channel to `payee` in `asset`.
	fn prospect(
		&self,
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
	) -> BoxFuture<'_, Result<Prospect, ChainError>>;
}

/// Opening channels that payers have authorised, as their payee, which pays the fees.
pub trait OpeningChain: PairView {
	/// Opens the channel. Returns once that is final.
	fn open_authorized(&self, signed: SignedOpen) -> BoxFuture<'_, Result<Submitted, ChainError>>;
}

impl PairView for Chain {
	fn prospect(
		&self,
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
	) -> BoxFuture<'_, Result<Prospect, ChainError>> {
		async move {
			let at = At::Hash(self.block(At::Best).await?.hash);
			let next_nonce = self.next_nonce(&payer, &payee, at).await?;
			let credits = self.credits(&payer, &asset, at).await?;
			Ok(Prospect { next_nonce, credits })
		}
		.boxed()
	}
}

impl PairView for SignedChain {
	fn prospect(
		&self,
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
	) -> BoxFuture<'_, Result<Prospect, ChainError>> {
		self.chain().prospect(payer, payee, asset)
	}
}

/// The call that opens what `signed` agrees to.
pub fn opening_call(signed: &SignedOpen) -> calls::Call {
	let signature = AgentSignature::Account(signed.signature.clone());
	calls::open_authorized(signed.payer.clone(), signed.asset.clone(), &signed.auth, signature)
}

impl OpeningChain for SignedChain {
	fn open_authorized(&self, signed: SignedOpen) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move { self.submit_final(&opening_call(&signed)).await }.boxed()
	}
}
