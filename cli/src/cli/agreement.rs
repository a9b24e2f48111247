//! What can be typed after `stoa agreement`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Carry out what was agreed with another agent.
#[derive(Debug, Subcommand)]
pub enum Agreement {
	/// List the agreements of an account that run.
	List {
		/// An address or the name of a key; the key that signs unless given.
		account: Option<String>,
	},
	/// Show one agreement: milestones, money, and what happens when if everybody stays silent.
	Show {
		/// The agreement's id, 32 bytes of hex.
		id: String,
	},
	/// Commit an offer that the other side has signed: lock the money, make the agreement.
	Commit(Commit),
	/// As the seller: deliver a milestone.
	Deliver(WithEvidence),
	/// As the seller: deliver a milestone by the key of its lock, for everybody to see.
	Reveal {
		/// Which milestone.
		#[command(flatten)]
		milestone: Milestone,
		/// The key of the lock, 32 bytes of hex.
		opening: String,
	},
	/// As the buyer: pay what a milestone holds.
	Accept(Milestone),
	/// As the buyer: pay a part of a milestone.
	Release {
		/// Which milestone.
		#[command(flatten)]
		milestone: Milestone,
		/// How much, like 1.5.
		#[arg(allow_hyphen_values = true)]
		amount: String,
	},
	/// As the buyer: send a delivery back, as often as the offer allows.
	RequestChanges(WithEvidence),
	/// Have the arbiters decide: as the buyer about a delivery, as the seller about a request for changes.
	Dispute(WithEvidence),
	/// As the arbiter whose turn it is: divide what a milestone in dispute holds.
	Rule {
		/// Which milestone, and why.
		#[command(flatten)]
		case: WithEvidence,
		/// The seller's share, like 60% or 12.5%.
		#[arg(long, value_name = "PERCENT", allow_hyphen_values = true)]
		seller: String,
	},
	/// Do all that is due because somebody was silent; anyone may.
	Poke {
		/// The agreement's id.
		id: String,
	},
	/// End an agreement at once: print your consent, or with --consent use the other side's.
	Cancel(Cancel),
	/// Give the seller more time: print your consent, or with --consent use the other side's.
	Extend(Extend),
	/// Let your own offers of a negotiation, up to a round, no longer be committed.
	WithdrawOffer(WithdrawOffer),
	/// Show the chain a later offer of a negotiation, so that earlier ones can no longer be committed; or
	/// undo an agreement that was made of an offer which the other side had refused before.
	Supersede {
		/// The later offer with its signature, as `stoa negotiate` prints it.
		#[arg(value_name = "HEX")]
		offer: String,
	},
	/// Remove the record of a negotiation that is over, and give its storage deposit back; anyone may.
	Forget {
		/// The id of the agreement that came of it.
		id: String,
	},
	/// Show how agreements come about and how they go: of an agent, or of the whole market.
	Kpis {
		/// An address or the name of a key; the market unless given.
		agent: Option<String>,
	},
}

/// One milestone of an agreement.
#[derive(Args, Debug)]
pub struct Milestone {
	/// The agreement's id, 32 bytes of hex.
	pub id: String,
	/// The milestone, from 0.
	#[arg(value_name = "MILESTONE")]
	pub place: u32,
}

/// A milestone, and a document about it.
#[derive(Args, Debug)]
pub struct WithEvidence {
	/// Which milestone.
	#[command(flatten)]
	pub milestone: Milestone,
	/// The document: its digest goes to the chain.
	#[arg(long, value_name = "FILE", conflicts_with = "digest")]
	pub file: Option<PathBuf>,
	/// The blake2b-256 digest of the document, 32 bytes of hex.
	#[arg(long, value_name = "HEX", required_unless_present = "file")]
	pub digest: Option<String>,
	/// Where the document can be fetched.
	#[arg(long, value_name = "URI", default_value = "")]
	pub uri: String,
}

/// Commit an offer.
#[derive(Args, Debug)]
pub struct Commit {
	/// The offer with its signature, as `stoa negotiate` prints it.
	#[arg(value_name = "HEX")]
	pub offer: String,
	/// The last hash of the transcript of the negotiation; none was kept unless given.
	#[arg(long, value_name = "HEX")]
	pub transcript: Option<String>,
	/// Show what it would do, and do nothing.
	#[arg(long)]
	pub dry_run: bool,
}

/// End an agreement by both.
#[derive(Args, Debug)]
pub struct Cancel {
	/// The agreement's id.
	pub id: String,
	/// What the seller gets of all that is still held, like 1.5; the rest goes back to the buyer.
	#[arg(value_name = "TO_SELLER", allow_hyphen_values = true)]
	pub seller: String,
	/// The other side's consent, as this command prints it there.
	#[arg(long, value_name = "HEX")]
	pub consent: Option<String>,
	/// How long your consent can be used.
	#[arg(long, default_value = "1h", value_name = "TIME", conflicts_with = "consent")]
	pub valid: String,
}

/// Give the seller more time.
#[derive(Args, Debug)]
pub struct Extend {
	/// Which milestone.
	#[command(flatten)]
	pub milestone: Milestone,
	/// The new last block for the delivery, or how long from now: like 4711, 2h.
	#[arg(value_name = "BLOCK|TIME")]
	pub until: String,
	/// The other side's consent, as this command prints it there. Name the block that it names.
	#[arg(long, value_name = "HEX")]
	pub consent: Option<String>,
	/// How long your consent can be used.
	#[arg(long, default_value = "1h", value_name = "TIME", conflicts_with = "consent")]
	pub valid: String,
}

/// Withdraw offers.
#[derive(Args, Debug)]
pub struct WithdrawOffer {
	/// The other side: an address or the name of a key.
	pub counterparty: String,
	/// The negotiation, 32 bytes of hex.
	pub negotiation: String,
	/// The last round that is withdrawn.
	#[arg(long, default_value_t = stoa_primitives::agreement::MAX_ROUNDS, value_name = "N")]
	pub round: u32,
	/// You are the seller in this negotiation; the buyer unless given.
	#[arg(long)]
	pub as_seller: bool,
}
