//! What the errors of the client and the gateway mean for who typed the command.

use crate::output::Failure;
use stoa_client::{
	chain::{ChainError, DispatchFailure},
	http::HttpError,
	keys::KeyError,
	payee::PayeeError,
	payer::{PayError, Refusal},
	settle::SettleError,
	store::StoreError,
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
			ChainError::Dispatch(dispatch) => return failed(dispatch),
			ChainError::Rejected { reason } => refused(reason),
			ChainError::Unknown { .. } => "look whether it was included before you try again",
			// As nodes say it that keep the state of recent blocks only.
			ChainError::Rpc { reason } if reason.contains("State already discarded") => {
				"this node keeps no state of blocks that old: name an archive node with --node"
			},
			ChainError::Rpc { .. } => "try again, and look at the node's log if it goes on",
			ChainError::NotFound { .. } => "check what was named",
		};
		Self::new(error.to_string(), advice)
	}
}

/// What to do about a transaction that the node did not take. The node says why in words only.
fn refused(reason: &str) -> &'static str {
	let has = |text: &str| reason.to_ascii_lowercase().contains(text);
	if has("inability to pay") {
		"nothing was charged; fees need native tokens or credits of the signer: see `stoa balances`"
	} else if has("priority is too low") || has("outdated") || has("already imported") {
		"another transaction of this key was faster; look at the outcome of that one, then try again"
	} else if has("bad signature") || has("bad proof") {
		"nothing was charged; use the `stoa` that was built with this chain's runtime"
	} else if has("ancient birth block") {
		"nothing was charged; the node's last final block is too old: does its chain finalise?"
	} else if has("temporarily banned") || has("exhaust") || has("dropped") {
		"nothing was charged; the node is busy: try again in a minute"
	} else {
		"nothing was charged; the node's log may say more"
	}
}

/// A call that was included and failed. The runtime says what went wrong in its first sentence and what
/// to do in the others, unless the command has better words for it.
fn failed(dispatch: &DispatchFailure) -> Failure {
	let DispatchFailure { pallet, name, doc } = dispatch;
	let (cause, advice) = doc.split_once(". ").unwrap_or((doc, ""));
	let advice = advice_for(pallet, name).unwrap_or(advice);
	let dispatch = DispatchFailure { doc: cause.into(), ..dispatch.clone() };
	Failure::new(ChainError::Dispatch(dispatch).to_string(), advice)
		.with("pallet", pallet.clone())
		.with("error", name.clone())
}

/// What to do about an error of the chain whose own words name what the command does not have, or name
/// nothing to do.
fn advice_for(pallet: &str, name: &str) -> Option<&'static str> {
	Some(match (pallet, name) {
		("Agents", "NotRegistered") => "register it with `stoa agent register`",
		("Agents", "Paused") => "its operator can let it act with `stoa agent resume`",
		("Agents", "LeaseLapsed") => "its operator can extend the lease with `stoa agent renew`",
		("Agents", "AlreadyRegistered" | "NotOperator") => {
			"`stoa agent show` names its operator, whose key signs with --key"
		},
		("Agents", "ProofMissing" | "ProofExpired" | "ProofTooLong" | "ProofInvalid") => {
			"have the agent sign a new one with `stoa agent consent`, for the operator who signs here"
		},
		("Agents", "KeyExists" | "KeyNotFound") => "`stoa agent show` lists the agent's delegate keys",
		("Agents", "TooManyKeys") => "remove one with `stoa agent remove-key`",
		("Credits", "AssetNotAccepted" | "UnknownAsset") => "name another with --asset",
		("Credits", "InsufficientCredits") => {
			"see `stoa balances`, and pay in with `stoa deposit`; fees may come out of them as well"
		},
		("Credits", "LeavesDust") => "name less, or take all with `stoa withdraw all`",
		("Credits", "InsufficientAssets") => "see `stoa balances`, and name less",
		("Channels", "UnknownChannel") => "`stoa channel list` shows which there are",
		("Channels", "GraceOutOfBounds") => "choose --grace from 15m to 30d",
		("Channels", "NotPayee") => "sign with the key of the payee: `stoa channel show` names it",
		("Channels", "NotPayer") => "sign with the key of the payer: `stoa channel show` names it",
		("Channels", "AlreadyClosing" | "GraceRunning") => "`stoa channel show` says when it ends",
		("Channels", "NotClosing") => "request it with `stoa channel request-close`",
		("Channels", "GraceOver") => "end the channel with `stoa channel finalize`",
		("Channels", "NothingToFinalize") => "`stoa channel show` says when each of them ends",
		("Channels", "Expired" | "Stale" | "AboveCap") => {
			"nothing was given up; try again in some seconds, `stoa channel show` says what was settled"
		},
		("Channels", "LaneRevoked" | "UnknownLane") => "`stoa channel show` lists the lanes",
		("Channels", "LanesOutOfBounds") => "choose --lanes from 1 to 256",
		("Channels", "CapOutOfBounds") => {
			"give an amount above 0 and a window of 1 block to 30d, like --cap 0.5/1h"
		},
		("Channels", "RotationRunning") => {
			"`stoa channel show` says when the key before ends; `stoa channel request-close` is for a \
			 second theft"
		},
		("Channels", "NonceNotNext" | "AuthorizationExpired") => {
			"have the payer sign a new one with `stoa channel authorize`"
		},
		("Channels", "ConsentExpired" | "BelowSettled") => {
			"ask the payee for a new one: `stoa channel close --with-consent`"
		},
		("Channels", "ClosedBySponsor") => "open another one with `stoa channel open`",
		("Channels", "AboveDeposit") => "have the payer add to it with `stoa channel top-up`",
		("Channels", "BadSignature") => "name the gateway's own store with --store",
		("Escrow", "NegotiationConcluded") => "`stoa agreement list` shows it as long as it runs",
		("Escrow", "NothingNew") => "nothing is left to be done",
		("Escrow", "OfferSuperseded") => {
			"`stoa negotiate offer` prints the latest one; ask for a fresh one if that was withdrawn"
		},
		("Escrow", "NotRefused") => "it stands; `stoa agreement cancel` ends it if both want it",
		("Escrow", "TooLateToVoid") => "`stoa agreement cancel` ends it if both want it",
		("Escrow", "TooEarlyToRule") => "hear the other side first: try again once it has answered, or a tenth of the turn has passed",
		("Escrow", "SequenceNotNext") => "something has happened since it was signed: sign it again",
		("Escrow", "ConsentExpired" | "ConsentTooLong") => "sign it again, with --valid of a day at most",
		("Escrow", "NothingDue") => "`stoa agreement show` says what is due, and when",
		("Escrow", "StillNeeded") => "it is kept for 30 days; try again then",
		("Referrals", "UnknownCode") => "check the code, or pass the address of who brought it",
		("Referrals", "SelfReferral" | "SameOperator" | "AlreadyBound" | "Cycle") => {
			"leave --referral out"
		},
		("Referrals", "TooManyCodes") => "use one of those that `stoa referral show` lists",
		_ => return None,
	})
}

impl From<KeyError> for Failure {
	fn from(error: KeyError) -> Self {
		let advice = match &error {
			KeyError::Secret(_) => "give a mnemonic, a 32-byte seed in hex, or a path like //Alice",
			KeyError::Scheme(_) => "name one of these",
			KeyError::Account(_) => "`stoa keys list` shows the addresses of your keys",
			KeyError::Io { .. } => "check the file and its permissions",
			KeyError::Exposed { .. } => "then try again",
			KeyError::Malformed(_) => "restore it from a copy",
		};
		Self::new(error.to_string(), advice)
	}
}

impl From<StoreError> for Failure {
	fn from(error: StoreError) -> Self {
		let advice = match &error {
			StoreError::InUse(_) => "wait for it to end, or stop it",
			StoreError::Format { .. } => "use the `stoa` that has written it",
			StoreError::OtherChain(_) => {
				"name a node of that chain with --node; a store of a chain that is gone can be removed"
			},
			StoreError::ChainAnew(_) => "a development chain that is started again is another one",
			StoreError::ChainBehind(_) => "try again in a minute",
			StoreError::Malformed(_) | StoreError::Failed(_) | StoreError::Stopped => {
				"nothing was signed or accepted; check the disk"
			},
		};
		Self::new(error.to_string(), advice)
	}
}

impl From<PayError> for Failure {
	fn from(error: PayError) -> Self {
		let advice = match &error {
			PayError::Store(error) => return error.clone().into(),
			PayError::Chain(error) => return error.clone().into(),
			PayError::Refused(refusal) => match refusal {
				Refusal::AboveMaxPrice { .. } => "raise --max-price if it is worth that much",
				Refusal::DepositTooLow { .. } => "add to it with `stoa channel top-up`",
				Refusal::Unanswered { .. } => "go on with a larger --max-unanswered",
				Refusal::LaneRevoked { .. } => "every lane is revoked: open another channel",
				_ => "nothing was signed; ask the seller",
			},
			PayError::UnknownChannel(_) => "try again: the command looks for it on the chain",
			PayError::KeyMissing(_) | PayError::WrongKey(_) => {
				"sign with the key that has opened the channel: --key"
			},
			PayError::Unproven => {
				"nothing more was signed; try again, and close the channel if it goes on"
			},
		};
		Self::new(error.to_string(), advice)
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
			HttpError::Document(_) => "check that the address is a seller's",
			HttpError::Disagreement(_) => "nothing was sent to the chain; ask the seller",
			HttpError::ChannelGone { .. } => "`stoa channel list` shows what is open",
			HttpError::NotOpened { .. } => {
				"look for it with `stoa channel show` before you open another"
			},
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
			PayeeError::Foreign(_) => {
				Self::new(error.to_string(), "name the store of this key with --store")
			},
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
			GatewayError::Store(error) => error.into(),
			GatewayError::Payee(error) => error.into(),
			GatewayError::Settle(error) => error.into(),
			other => Self::new(other.to_string(), "check the arguments of the command"),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn dispatch(pallet: &str, name: &str, doc: &str) -> Failure {
		let (pallet, name, doc) = (pallet.into(), name.into(), doc.into());
		ChainError::Dispatch(DispatchFailure { pallet, name, doc }).into()
	}

	#[test]
	fn errors_of_the_chain_should_say_what_to_type_in_place_of_what_the_command_lacks() {
		let doc = "The account has fewer free credits. See the view function `balance`.";
		let failure = dispatch("Credits", "InsufficientCredits", doc);
		assert!(failure.cause.ends_with("InsufficientCredits: The account has fewer free credits"));
		assert!(failure.advice.contains("stoa deposit"), "{failure}");
		assert!(!failure.to_string().contains("view function"), "{failure}");
	}

	#[test]
	fn other_errors_of_the_chain_should_keep_the_advice_that_they_have() {
		let failure = dispatch("Channels", "SelfChannel", "The same account. Name another payee.");
		assert_eq!(failure.advice, "Name another payee.");
		let failure = dispatch("", "Token.Frozen", "The asset is frozen");
		assert_eq!(failure.cause, "the call failed: Token.Frozen: The asset is frozen");
		assert_eq!(failure.advice, "");
		assert_eq!(failure.details["error"], "Token.Frozen");
	}

	#[test]
	fn a_node_that_has_forgotten_old_state_should_be_told_from_one_that_fails() {
		let advice = |reason: &str| Failure::from(ChainError::Rpc { reason: reason.into() }).advice;
		let pruned = "4003: Client error: UnknownBlock: State already discarded for 0x00";
		assert!(advice(pruned).contains("archive node"));
		assert!(advice("the connection was closed").contains("log"));
	}

	#[test]
	fn refusals_of_the_node_should_have_advice_of_their_own() {
		let advice = |reason: &str| Failure::from(ChainError::Rejected { reason: reason.into() });
		let pay = "Invalid Transaction: Inability to pay some fees (e.g. account balance too low)";
		let cases = [
			(pay, "stoa balances"),
			("Priority is too low: (10 vs 10)", "another transaction"),
			("Invalid Transaction: Transaction is outdated", "another transaction"),
			("Invalid Transaction: Transaction has a bad signature", "runtime"),
			("Invalid Transaction: Transaction has an ancient birth block", "finalise"),
			("Something new", "log"),
		];
		for (reason, expected) in cases {
			let failure = advice(reason);
			assert!(failure.advice.contains(expected), "{failure}");
		}
	}

	#[test]
	fn a_payer_that_refuses_should_say_what_to_do() {
		let refusals = [
			(PayError::from(Refusal::AboveMaxPrice { price: 2, limit: 1 }), "--max-price"),
			(PayError::from(Refusal::Unanswered { unanswered: 2, limit: 1 }), "--max-unanswered"),
			(PayError::WrongKey([0; 32]), "--key"),
			(PayError::Unproven, "close"),
		];
		for (error, expected) in refusals {
			let failure = Failure::from(error);
			assert!(failure.advice.contains(expected), "{failure}");
		}
	}
}
