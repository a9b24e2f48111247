//! A negotiator that survives a restart: what it says is on disk before it leaves.

use super::{
	machine::{Action, Config, ConfigError, Input, Negotiator, Rejection},
	rows::{self, Kept},
};
use crate::store::{Committer, Store, StoreError};
use std::sync::Arc;
use stoa_primitives::{agreement::negotiation_key, BlockNumber};

/// Why a negotiation does not go on.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
	/// The input was not taken.
	#[error(transparent)]
	Rejected(#[from] Rejection),
	/// The configuration makes no sense, or is of another negotiation than what was kept.
	#[error(transparent)]
	Config(#[from] ConfigError),
	/// The store failed: nothing was said.
	#[error(transparent)]
	Store(#[from] StoreError),
}

/// One negotiation of an agent, with its store.
///
/// An action that is given out was written down before, so an agent that was killed says the same again and nothing
/// else under the same number. If the disk fails, or the caller stops waiting, nothing has happened: what may be on
/// disk then was never sent, and is written over.
#[derive(Clone)]
pub struct Desk {
	negotiator: Negotiator,
	committer: Committer,
}

impl Desk {
	/// Takes up the negotiation that `config` names: goes on with what the store has of it, or begins anew, as of
	/// the final block `now`. `committer` writes to `store`, which should be [bound](crate::store::bind_chain) to the
	/// chain.
	///
	/// # Errors
	///
	/// [`DeskError::Config`], [`DeskError::Store`].
	pub fn open(
		store: &Arc<dyn Store>,
		committer: Committer,
		config: Config,
		now: BlockNumber,
	) -> Result<Self, DeskError> {
		let parties = config.parties();
		let key = negotiation_key(&parties.buyer, &parties.seller, &parties.negotiation);
		let negotiator = match rows::load(store.as_ref(), &key)? {
			Some(kept) => Negotiator::restore(config, kept, now)?,
			None => Negotiator::new(config, now)?,
		};
		Ok(Self { negotiator, committer })
	}

	/// The machine.
	pub fn negotiator(&self) -> &Negotiator {
		&self.negotiator
	}

	/// As [`Negotiator::open`], durably.
	///
	/// # Errors
	///
	/// [`DeskError::Rejected`], [`DeskError::Store`].
	pub async fn ask(&mut self) -> Result<Vec<Action>, DeskError> {
		self.attempt(Negotiator::open).await
	}

	/// As [`Negotiator::handle`], durably.
	///
	/// # Errors
	///
	/// [`DeskError::Rejected`], [`DeskError::Store`]; then nothing has changed.
	pub async fn handle(&mut self, input: Input) -> Result<Vec<Action>, DeskError> {
		self.attempt(|negotiator| negotiator.handle(input)).await
	}

	/// Forgets the negotiation.
	///
	/// # Errors
	///
	/// [`DeskError::Store`].
	pub async fn forget(self) -> Result<(), DeskError> {
		let removals = rows::removals(self.negotiator.transcript());
		Ok(self.committer.commit(removals).await?)
	}

	async fn attempt(
		&mut self,
		change: impl FnOnce(&mut Negotiator) -> Result<Vec<Action>, Rejection>,
	) -> Result<Vec<Action>, DeskError> {
		let mut next = self.negotiator.clone();
		let actions = change(&mut next)?;
		let (before, after): (Kept, Kept) = (self.negotiator.kept(), next.kept());
		if before != after {
			let written = before.transcript.messages().len();
			self.committer.commit(rows::writes(&after, written)?).await?;
		}
		self.negotiator = next;
		Ok(actions)
	}
}
