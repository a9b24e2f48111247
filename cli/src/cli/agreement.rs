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
	/// Commit the offer of the other side that stands: lock the money, make the agreement.
	Commit(Commit),
	/// As the seller: deliver a milestone.
	Deliver(WithEvidence),
	/// As the seller: deliver a milestone by the key of its lock, for everybody to see.
	Reveal {
		/// Which milestone.
		#[command(flatten)]
		milestone: Milestone,
		/// The key of the lock, 32 bytes of hex; the one that this seller has drawn unless given.
		opening: Option<String>,
	},
	/// The key of a milestone's lock: as the seller, under which to encrypt what is delivered; as anybody else, once it
	/// is revealed.
	Key(Milestone),
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
	/// As the side that has not opened a dispute: say your part. Nobody rules before, for the first tenth of a turn.
	Answer(WithEvidence),
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
	/// Let your own offers of a negotiation no longer be committed: all of them, or those up to a round.
	WithdrawOffer(WithdrawOffer),
	/// Undo an agreement that the other side has made of an offer of yours which it had refused before, by
	/// its later offer. Without an agreement: show the chain the latest offer, so that earlier ones can no longer be
	/// committed.
	Supersede(OfOffer),
	/// Remove the record of a negotiation that is over, and give its storage deposit back; anyone may.
	Forget {
		/// The id of the agreement that came of it; the negotiation where none did.
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

/// Where an offer comes from.
#[derive(Args, Debug)]
pub struct OfOffer {
	/// The negotiation, 32 bytes of hex, as `stoa negotiate list` shows it for the key that signs.
	#[arg(required_unless_present = "offer")]
	pub negotiation: Option<String>,
	/// Take the offer from this file instead, or from standard input if it is -: what `stoa negotiate offer`
	/// printed, here or elsewhere.
	#[arg(long, value_name = "FILE", conflicts_with = "negotiation")]
	pub offer: Option<PathBuf>,
}

/// Commit an offer.
#[derive(Args, Debug)]
pub struct Commit {
	/// Which offer.
	#[command(flatten)]
	pub of: OfOffer,
	/// The hash of the transcript to put on chain: with a negotiation its own unless given, with --offer that
	/// of the file, if it has one.
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
	/// Of which negotiation.
	#[command(flatten)]
	pub of: OfOffer,
	/// The last round that is withdrawn; that of your latest offer unless given.
	#[arg(long, value_name = "N", conflicts_with = "offer")]
	pub round: Option<u32>,
}
