//! Who may bring what.

use crate::{
	machine::Outcome,
	statement::{Backup, ReadRequest, StatementError},
	tower::{Tower, TowerError},
};
use codec::DecodeAll;
use sp_statement_store::Statement;
use std::{collections::HashSet, time::SystemTime};
use stoa_primitives::{channel::Item, AccountId};

/// Why a statement was turned away.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DoorError {
	/// The bytes are no statement.
	#[error("the bytes are not a statement")]
	Malformed,
	/// It is no backup, or no request.
	#[error(transparent)]
	Statement(#[from] StatementError),
	/// The tower is not for its signer.
	#[error("this tower does not serve the statement's signer")]
	Stranger,
	/// Nothing was kept.
	#[error(transparent)]
	Tower(#[from] TowerError),
}

/// Whether a statement should be brought again: something in it was not taken that may be taken later.
pub fn is_open(brought: &Result<Vec<Outcome>, DoorError>) -> bool {
	match brought {
		Ok(outcomes) => outcomes
			.iter()
			.any(|outcome| matches!(outcome, Outcome::Refused(reason) if reason.may_change())),
		Err(error) => matches!(error, DoorError::Tower(_)),
	}
}

/// Lets statements in. The default serves every payee, each for itself.
#[derive(Clone, Debug, Default)]
pub struct Door {
	/// Who is served; nobody in it means everybody.
	pub payees: HashSet<AccountId>,
	/// Who is believed to act for any payee: the server of a payee whose account key is elsewhere.
	pub trusted: HashSet<AccountId>,
}

impl Door {
	/// Reads a statement and offers to the tower what it says. An outcome for each item.
	///
	/// # Errors
	///
	/// [`DoorError`].
	pub async fn bring(&self, tower: &Tower, bytes: &[u8]) -> Result<Vec<Outcome>, DoorError> {
		let statement = Statement::decode_all(&mut &*bytes).map_err(|_| DoorError::Malformed)?;
		self.bring_statement(tower, &statement).await
	}

	/// The same for a statement that was decoded.
	///
	/// # Errors
	///
	/// [`DoorError`].
	pub async fn bring_statement(
		&self,
		tower: &Tower,
		statement: &Statement,
	) -> Result<Vec<Outcome>, DoorError> {
		// Before its signature is checked.
		let signer = statement.account_id().map(AccountId::new);
		let trusted = signer.as_ref().is_some_and(|signer| self.trusted.contains(signer));
		let served = self.payees.is_empty()
			|| signer.as_ref().is_some_and(|signer| self.payees.contains(signer));
		if !trusted && !served {
			return Err(DoorError::Stranger);
		}
		let Backup { signer, items } = Backup::read(statement, SystemTime::now())?;
		Ok(tower.offer((!trusted).then_some(&signer), &items).await?)
	}
	/// What is kept for the payee that a signed [`ReadRequest`] names, if it is for its signer to know.
	///
	/// # Errors
	///
	/// [`DoorError`].
	pub fn read(&self, tower: &Tower, bytes: &[u8]) -> Result<Vec<Item>, DoorError> {
		let statement = Statement::decode_all(&mut &*bytes).map_err(|_| DoorError::Malformed)?;
		let request = ReadRequest::read(&statement, tower.genesis(), SystemTime::now())?;
		if request.signer != request.payee && !self.trusted.contains(&request.signer) {
			return Err(DoorError::Stranger);
		}
		Ok(tower.items_of(&request.payee))
	}
}
