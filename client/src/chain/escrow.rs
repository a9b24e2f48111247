//! Agreements, as the chain knows them.

use super::{
	api, calls::escrow as calls, events::failure, online::view, At, BlockRef, Chain, ChainError,
	SignedChain,
};
use crate::negotiation::{NegotiationChain, Parties};
use futures::{future::BoxFuture, FutureExt};
use stoa_primitives::{
	agent::Scope,
	agreement::{
		AgreementId, AgreementView, Deadlines, EndReason, Kpis, Offer, Outcome, Quote, Side,
		StandingView,
	},
	keys::{AgentSignature, Key},
	payload::Domain,
	AccountId, BlockNumber, H256,
};
use subxt::utils::Static;

impl Chain {
	/// The domain of offers and of what both sides of an agreement sign.
	pub fn agreement_domain(&self) -> Domain {
		Domain::agreements(self.genesis())
	}

	/// An agreement that runs.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn agreement(
		&self,
		id: &AgreementId,
		at: At,
	) -> Result<Option<AgreementView>, ChainError> {
		let call = api::view_functions().escrow().agreement(*id);
		Ok(view(&self.at(at).await?, call).await?.map(|agreement| agreement.0))
	}

	/// What is left of an agreement that has ended, for 30 days at least.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn outcome(&self, id: &AgreementId, at: At) -> Result<Option<Outcome>, ChainError> {
		let call = api::view_functions().escrow().outcome(*id);
		Ok(view(&self.at(at).await?, call).await?.map(|outcome| outcome.0))
	}

	/// What happens to each milestone of an agreement, and when, if everybody stays silent.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn deadlines(
		&self,
		id: &AgreementId,
		at: At,
	) -> Result<Option<Deadlines>, ChainError> {
		let call = api::view_functions().escrow().deadlines(*id);
		Ok(view(&self.at(at).await?, call).await?.map(|deadlines| deadlines.0))
	}

	/// Who may rule in the dispute about a milestone.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn seat(
		&self,
		id: &AgreementId,
		milestone: u32,
		at: At,
	) -> Result<Option<AccountId>, ChainError> {
		let call = api::view_functions().escrow().seat(*id, milestone);
		Ok(view(&self.at(at).await?, call).await?.map(|arbiter| arbiter.0))
	}

	/// What committing an offer would do in the block that follows, its signature aside; or why it would
	/// fail.
	///
	/// # Errors
	///
	/// [`ChainError`], among them [`ChainError::Dispatch`] with the reason.
	pub async fn quote(&self, offer: &Offer, at: At) -> Result<Quote, ChainError> {
		let call = api::view_functions().escrow().quote(Static(offer.clone()));
		let at = self.at(at).await?;
		match view(&at, call).await? {
			Ok(quote) => Ok(quote.0),
			Err(error) => Err(ChainError::Dispatch(failure(&error, at.metadata_ref()))),
		}
	}

	/// What is known on chain of a negotiation.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn standing(
		&self,
		buyer: &AccountId,
		seller: &AccountId,
		negotiation: &[u8; 32],
		at: At,
	) -> Result<Option<StandingView>, ChainError> {
		let call = api::view_functions().escrow().standing(
			Static(buyer.clone()),
			Static(seller.clone()),
			*negotiation,
		);
		Ok(view(&self.at(at).await?, call).await?.map(|standing| standing.0))
	}

	/// The delegate keys that may sign offers for an agent, each with its last block. Expired ones are among them.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn offer_keys(
		&self,
		agent: &AccountId,
		at: At,
	) -> Result<Vec<(Key, BlockNumber)>, ChainError> {
		let keys = self.delegate_keys(agent, at).await?.into_iter();
		let offers = keys.filter(|key| key.scopes.contains(Scope::Offer));
		Ok(offers.map(|key| (key.key, key.last)).collect())
	}

	/// How an agent's agreements came about and went; `None` when nothing is known of it.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn agreement_kpis(
		&self,
		agent: &AccountId,
		at: At,
	) -> Result<Option<Kpis>, ChainError> {
		let call = api::view_functions().escrow().agent_kpis(Static(agent.clone()));
		Ok(view(&self.at(at).await?, call).await?.map(|kpis| kpis.0))
	}

	/// How all agreements came about and went.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn market_kpis(&self, at: At) -> Result<Kpis, ChainError> {
		let call = api::view_functions().escrow().market_kpis();
		Ok(view(&self.at(at).await?, call).await?.0)
	}

	/// All agreements that run, in no order. Walks the whole map: for auditors.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn agreements(
		&self,
		at: At,
	) -> Result<Vec<(AgreementId, AgreementView)>, ChainError> {
		let at = self.at(at).await?;
		let mut rows = at.storage().iter(api::storage().escrow().agreements(), ()).await?;
		let mut out = Vec::new();
		while let Some(row) = rows.next().await {
			// The key is the id behind the 32 bytes of pallet and item.
			let id = row?
				.key_bytes()
				.get(32..)
				.and_then(|id| AgreementId::try_from(id).ok())
				.ok_or_else(|| ChainError::Incompatible { what: "Escrow.Agreements".into() })?;
			let call = api::view_functions().escrow().agreement(id);
			if let Some(agreement) = view(&at, call).await? {
				out.push((id, agreement.0));
			}
		}
		Ok(out)
	}
}

impl NegotiationChain for SignedChain {
	fn finalized(&self) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		self.chain().block(At::Finalized).boxed()
	}

	fn standing(
		&self,
		parties: &Parties,
		at: H256,
	) -> BoxFuture<'_, Result<Option<StandingView>, ChainError>> {
		let Parties { negotiation, buyer, seller, .. } = parties.clone();
		async move { self.chain().standing(&buyer, &seller, &negotiation, At::Hash(at)).await }
			.boxed()
	}

	fn voided(&self, agreement: &AgreementId, at: H256) -> BoxFuture<'_, Result<bool, ChainError>> {
		let id = *agreement;
		async move {
			let outcome = self.chain().outcome(&id, At::Hash(at)).await?;
			Ok(outcome.is_some_and(|outcome| outcome.reason == EndReason::Voided))
		}
		.boxed()
	}

	fn offer_keys(
		&self,
		agent: &AccountId,
		at: H256,
	) -> BoxFuture<'_, Result<Vec<(Key, BlockNumber)>, ChainError>> {
		let agent = agent.clone();
		async move { self.chain().offer_keys(&agent, At::Hash(at)).await }.boxed()
	}

	fn commit(
		&self,
		offer: Offer,
		signature: AgentSignature,
		transcript: H256,
	) -> BoxFuture<'_, Result<(), ChainError>> {
		async move {
			// What the other side cannot cover would cost this one its fee.
			self.chain().quote(&offer, At::Best).await?;
			let call = calls::commit(offer, signature, transcript);
			self.submit_final(&call).await.map(|_| ())
		}
		.boxed()
	}

	fn withdraw(
		&self,
		counterparty: AccountId,
		negotiation: [u8; 32],
		side: Side,
		round: u32,
	) -> BoxFuture<'_, Result<(), ChainError>> {
		async move {
			let call = calls::withdraw_offer(counterparty, negotiation, side, round);
			self.submit_final(&call).await.map(|_| ())
		}
		.boxed()
	}

	fn supersede(
		&self,
		offer: Offer,
		signature: AgentSignature,
	) -> BoxFuture<'_, Result<(), ChainError>> {
		async move {
			let call = calls::supersede(offer, signature);
			self.submit_final(&call).await.map(|_| ())
		}
		.boxed()
	}
}
