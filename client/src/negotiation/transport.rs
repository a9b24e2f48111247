//! How messages travel. A transport may lose, repeat, delay and reorder them, and show them to others: the messages
//! themselves are signed, numbered and chained, and the machine sends again what is not answered.
//!
//! | transport | for | who else can see |
//! |---|---|---|
//! | [`HttpTransport`] | an agent with an address, and whoever calls it | nobody under `https` |
//! | [`StatementTransport`] | agents behind any node, without addresses | nodes see who writes to whom, when, and about how much |

mod http;
mod seal;
mod statement;

pub use self::{
	http::{respond, HttpTransport, NEGOTIATION_PATH},
	seal::{seal, SealError, SealingKey},
	statement::{StatementTransport, Timing},
};

use super::message::Signed;
use crate::keys::format_account;
use futures::future::BoxFuture;
use stoa_primitives::AccountId;

/// Carries messages to other agents and from them.
pub trait Transport: Send + Sync + 'static {
	/// Sends a message to the agent that it is for. That it was sent does not mean that it has arrived.
	fn send(&self, message: Signed) -> BoxFuture<'_, Result<(), TransportError>>;

	/// The next message that has arrived: bytes from anybody, which nobody has checked. Waits until there is one.
	fn receive(&self) -> BoxFuture<'_, Result<Vec<u8>, TransportError>>;
}

/// Why a message was not sent, or none is received.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
	/// The message cannot be written.
	#[error(transparent)]
	Message(#[from] super::canonical::CanonicalError),
	/// It is not known where the receiver is.
	#[error("it is not known how to reach {}", format_account(.0))]
	Unknown(AccountId),
	/// The other side cannot be reached, or its answer cannot be read.
	#[error("the other side cannot be reached: {0}")]
	Http(#[from] crate::http::HttpError),
	/// The other side has rejected the message.
	#[error("the other side has rejected the message: {0}")]
	Rejected(String),
	/// The node cannot be asked.
	#[error("the node cannot be asked: {0}")]
	Node(#[from] subxt::rpcs::Error),
	/// The node does not go on telling what it has.
	#[error("the node does not tell its statements in time")]
	Silent,
	/// The node refuses a statement. Whoever is no agent may keep none.
	#[error("the node refuses the statement: {0}")]
	Refused(String),
	/// The receiver has announced no key to seal messages for it.
	#[error("{} has announced no key to seal messages for it", format_account(.0))]
	NoKey(AccountId),
	/// The message could not be sealed.
	#[error(transparent)]
	Seal(#[from] SealError),
	/// The account's key does not sign for it.
	#[error("the key does not sign for its account")]
	Key,
}

impl TransportError {
	/// Whether the same may go through a moment later.
	pub fn is_passing(&self) -> bool {
		matches!(self, Self::Http(_) | Self::Node(_) | Self::Silent | Self::NoKey(_))
	}
}
