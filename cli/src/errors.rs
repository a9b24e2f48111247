//! What the errors of the client and the gateway mean for who typed the command.

use crate::output::Failure;
use stoa_client::{
	chain::ChainError, http::HttpError, keys::KeyError, payee::PayeeError, payer::PayError,
	settle::SettleError, store::StoreError,
};
use stoa_gateway::GatewayError;

impl From<ChainError> for Failure {
	fn from(error: ChainError) -> Self {
		let advice = match &error {
			ChainError::NodeUnreachable { .. } => {
				"start a node with `./scripts/run`, or name another with --node or STOA_NODE"
			},
			ChainError::WrongGenesis { .. } => "name a node of the right chain with --node",
			ChainError::Incompatible { .. } => {
				"use the `stoa` that was built with this chain's runtime"
			},
			// The runtime's documentation of the error says what to do.
			ChainError::Dispatch(_) => "",
			ChainError::Rejected { .. } => {
				"nothing was charged; see `stoa balances`: fees need native tokens or credits"
			},
			ChainError::Unknown { .. } => "look whether it was included before you try again",
			ChainError::Rpc { .. } => "try again, and look at the node's log if it goes on",
			ChainError::NotFound { .. } => "check what was named",
		};
		let failure = Self::new(error.to_string(), advice);
		match error {
			ChainError::Dispatch(dispatch) => {
				failure.with("pallet", dispatch.pallet).with("error", dispatch.name)
			},
			_ => failure,
		}
	}
}

impl From<KeyError> for Failure {
	fn from(error: KeyError) -> Self {
		Self::new(error.to_string(), "")
	}
}

impl From<StoreError> for Failure {
	fn from(error: StoreError) -> Self {
		Self::new(error.to_string(), "nothing was signed or accepted; check the disk")
	}
}

impl From<PayError> for Failure {
	fn from(error: PayError) -> Self {
		Self::new(error.to_string(), "nothing was signed")
	}
}

impl From<HttpError> for Failure {
	fn from(error: HttpError) -> Self {
		let advice = match error {
			HttpError::Chain(error) => return error.into(),
			HttpError::Pay(error) => return error.into(),
			HttpError::Url(_) => "give a URL like http://127.0.0.1:8402/path",
			HttpError::Header(_) => "check method and headers",
			HttpError::Transport(_) => {
				"check the URL and that the seller is up; at most one call is at stake"
			},
			HttpError::TooLarge { .. } => "ask the seller for less at a time",
			HttpError::WrongChain { .. } => "name a node of the seller's chain with --node",
			HttpError::Refused(_) => "nothing more was signed; try again, or ask the seller",
			_ => "nothing was paid",
		};
		Self::new(error.to_string(), advice)
	}
}

impl From<PayeeError> for Failure {
	fn from(error: PayeeError) -> Self {
		match error {
			PayeeError::Chain(error) => error.into(),
			PayeeError::Store(error) => error.into(),
			other => Self::new(other.to_string(), "stop the other process and try again"),
		}
	}
}

impl From<SettleError> for Failure {
	fn from(error: SettleError) -> Self {
		match error {
			SettleError::Chain(error) => error.into(),
			SettleError::Payee(error) => error.into(),
		}
	}
}

impl From<GatewayError> for Failure {
	fn from(error: GatewayError) -> Self {
		match error {
			GatewayError::Store(error @ StoreError::InUse(_)) => {
				Self::new(error.to_string(), "one gateway for one store")
			},
			GatewayError::Store(error) => error.into(),
			GatewayError::Payee(error) => error.into(),
			GatewayError::Settle(error) => error.into(),
			other => Self::new(other.to_string(), "check the arguments of the command"),
		}
	}
}
