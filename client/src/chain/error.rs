//! What can go wrong between an agent and the chain.

use crate::chain::to_hex;
use std::fmt;
use stoa_primitives::H256;

/// Why a call that was included did nothing: the runtime's own words.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct DispatchFailure {
	/// The pallet, empty for an error of the runtime itself.
	pub pallet: String,
	/// The error's name.
	pub name: String,
	/// What it means and how to avoid it, from the runtime's metadata.
	pub doc: String,
}

impl fmt::Display for DispatchFailure {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		if !self.pallet.is_empty() {
			write!(f, "{}.", self.pallet)?;
		}
		write!(f, "{}", self.name)?;
		if !self.doc.is_empty() {
			write!(f, ": {}", self.doc)?;
		}
		Ok(())
	}
}

/// Why the chain could not be asked, or did not do what was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ChainError {
	/// No connection to the node.
	#[error("no node answers at {url}: {reason}")]
	NodeUnreachable {
		/// The address that was tried.
		url: String,
		/// What failed.
		reason: String,
	},
	/// The node is of another chain than the caller expects.
	#[error(
		"the node is of another chain: expected genesis {}, found {}",
		to_hex(expected),
		to_hex(actual)
	)]
	WrongGenesis {
		/// What the caller pinned.
		expected: H256,
		/// What the node says.
		actual: H256,
	},
	/// The runtime does not have what this client was built for.
	#[error("the runtime does not fit this client ({what}): update the client")]
	Incompatible {
		/// What is missing or different.
		what: String,
	},
	/// The call was included and failed: the fee is paid, nothing else happened.
	#[error("the call failed: {0}")]
	Dispatch(DispatchFailure),
	/// The node refused the transaction. Nothing happened, no fee was paid.
	#[error("the transaction was refused: {reason}")]
	Rejected {
		/// What the node says.
		reason: String,
	},
	/// The transaction was sent and its outcome is not known. It may still be included: look for it
	/// before sending another.
	#[error("the outcome of transaction {} is not known ({reason})", to_hex(extrinsic))]
	Unknown {
		/// Hash of the transaction.
		extrinsic: H256,
		/// What kept the outcome from being seen.
		reason: String,
	},
	/// The node failed to answer a request.
	#[error("the node failed: {reason}")]
	Rpc {
		/// What it says.
		reason: String,
	},
	/// What was asked for does not exist.
	#[error("not found: {what}")]
	NotFound {
		/// What.
		what: String,
	},
}
