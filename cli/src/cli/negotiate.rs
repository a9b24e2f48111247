//! What can be typed after `stoa negotiate`.

use clap::{Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Come to an agreement with another agent: messages travel over HTTP, or through the node's statement store, sealed
/// for their receiver.
#[derive(Debug, Subcommand)]
pub enum Negotiate {
	/// As the buyer: ask a seller, haggle by the profile, commit what is agreed.
	Buy(Buy),
	/// As the seller: answer whoever asks, until interrupted.
	Sell(Sell),
	/// List the negotiations that were kept.
	List,
	/// Show what was said in a negotiation.
	Show {
		/// The negotiation, 32 bytes of hex, as `stoa negotiate list` shows it.
		negotiation: String,
	},
	/// Print an offer of a negotiation with its signature, for `stoa agreement commit --offer` and the like.
	Offer {
		/// The negotiation.
		negotiation: String,
		/// Of which round; the latest unless given.
		#[arg(long, value_name = "N")]
		round: Option<u32>,
	},
	/// Write a transcript as a file that arbiters and auditors can check, to standard output.
	Export {
		/// The negotiation.
		negotiation: String,
	},
	/// Check a transcript's form, order and signatures, and compare it with the agreement on chain.
	Verify(Verify),
}

/// Check a transcript.
#[derive(Args, Debug)]
pub struct Verify {
	/// The file, as `stoa negotiate export` writes it.
	pub file: PathBuf,
	/// Ask no node: neither which agreement came of it, nor whether delegate keys might sign.
	#[arg(long)]
	pub offline: bool,
	/// Believe that the delegate keys in the file might sign when they did, instead of asking the chain as of
	/// then, for which it takes an archive node.
	#[arg(long)]
	pub trust_delegates: bool,
}

/// What answers when a profile says that the operator is to be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Operator {
	/// Whoever sits here: yes or no is read from standard input. No where nobody can be asked.
	Ask,
	/// Yes.
	Approve,
	/// No.
	Refuse,
}

/// Ask a seller.
#[derive(Args, Debug)]
pub struct Buy {
	/// Who sells: an address or the name of a key.
	pub seller: String,
	/// How to negotiate: a JSON file, see docs/agents.md.
	#[arg(long, value_name = "FILE")]
	pub profile: PathBuf,
	/// Where the seller listens, like https://seller.example. Without it, messages go through the statement store.
	#[arg(long, value_name = "URL")]
	pub url: Option<String>,
	/// Who decides what the profile leaves to the operator.
	#[arg(long, value_enum, default_value_t = Operator::Ask)]
	pub operator: Operator,
}

/// Answer whoever asks.
#[derive(Args, Debug)]
pub struct Sell {
	/// How to negotiate: a JSON file, see docs/agents.md.
	#[arg(long, value_name = "FILE")]
	pub profile: PathBuf,
	/// Answer over HTTP as well, at this address; put TLS in front of it where others can reach it.
	#[arg(long, value_name = "ADDRESS")]
	pub listen: Option<String>,
	/// Who decides what the profile leaves to the operator.
	#[arg(long, value_enum, default_value_t = Operator::Refuse)]
	pub operator: Operator,
	/// End after so many negotiations that are over.
	#[arg(long, value_name = "N")]
	pub count: Option<u64>,
}
