//! What can be typed after `stoa channel`.

use super::InAsset;
use clap::{builder::RangedI64ValueParser, Args, Subcommand};
use std::path::PathBuf;
use stoa_primitives::channel::MAX_LANES;

/// How many lanes a channel can have.
pub(super) fn lanes() -> RangedI64ValueParser<u16> {
	RangedI64ValueParser::new().range(1..=i64::from(MAX_LANES))
}

/// Open, change, settle and close payment channels.
#[derive(Debug, Subcommand)]
pub enum Channel {
	/// As the payer: open a channel. As the payee: open the one that a payer has authorised.
	Open(Open),
	/// As the payer: let the payee open a channel out of your credits, without a transaction of yours.
	Authorize(Authorize),
	/// List the channels of an account.
	List {
		/// An address or the name of a key; the key that signs unless given.
		account: Option<String>,
	},
	/// Show one channel: lanes, cap, what is about to change, and when.
	Show {
		/// The channel's id, 32 bytes of hex.
		id: String,
	},
	/// As the payer: lock more for a channel.
	TopUp {
		/// The channel's id.
		id: String,
		/// How much more, like 1.5.
		#[arg(allow_hyphen_values = true)]
		amount: String,
	},
	/// As the payer: sign with another voucher key from now on; what the one before has signed can be
	/// settled for one grace period.
	RotateKey {
		/// The channel's id.
		id: String,
	},
	/// As the payer: set, change or lift the velocity cap; a tighter one holds after one grace period.
	SetCap {
		/// The channel's id.
		id: String,
		/// What may be captured in how many blocks, like 0.5/1800 or 0.5/1h; or `none`.
		#[arg(value_name = "AMOUNT/BLOCKS", allow_hyphen_values = true)]
		cap: String,
	},
	/// As the payer: let nothing be settled on a lane after one grace period, for good.
	RevokeLane {
		/// The channel's id.
		id: String,
		/// The lane, from 0.
		lane: u32,
	},
	/// As the payer: ask to close; the payee has the grace period to settle.
	RequestClose {
		/// The channel's id.
		id: String,
	},
	/// As the payer: keep the channel open after all.
	CancelClose {
		/// The channel's id.
		id: String,
	},
	/// As the payee: settle the last vouchers, close at once, give the rest back to the payer. As the
	/// payer, with the payee's consent: the same.
	Close(Close),
	/// As the payee: print your consent to a close, for `stoa channel close --consent`.
	Consent(ChannelConsent),
	/// Close channels whose grace period is over; anyone may.
	Finalize {
		/// The channels' ids.
		#[arg(required = true, num_args = 1..=64)]
		ids: Vec<String>,
	},
	/// As the payee: settle what the vouchers in the store are worth.
	Settle(Settle),
	/// As the payer that has lost its store: find its channels, and ask their payees what was signed.
	Recover {
		/// Address of a seller, like http://127.0.0.1:8402; can be repeated. Sellers that `stoa call` has
		/// paid from this machine are known.
		#[arg(long = "seller", value_name = "URL")]
		sellers: Vec<String>,
		/// Seconds to wait for each answer.
		#[arg(long, default_value_t = 30, value_name = "SECONDS")]
		timeout: u64,
	},
}

/// Open a channel.
#[derive(Args, Debug)]
pub struct Open {
	/// Who will be paid: an address or the name of a key.
	#[arg(required_unless_present = "authorization")]
	pub payee: Option<String>,
	/// How much is locked for it, like 1.5.
	#[arg(required_unless_present = "authorization", allow_hyphen_values = true)]
	pub deposit: Option<String>,
	/// How long the payee may still settle once you ask to close: 15m to 30d.
	#[arg(long, default_value = "1h", value_name = "TIME")]
	pub grace: String,
	/// How many calls can be under way at the same time: each takes a lane.
	#[arg(long, default_value_t = 1, value_name = "N", value_parser = lanes())]
	pub lanes: u16,
	/// The most that can be captured in any stretch of so many blocks, like 0.5/1800 or 0.5/1h: what a
	/// stolen voucher key can take.
	#[arg(long, value_name = "AMOUNT/BLOCKS", allow_hyphen_values = true)]
	pub cap: Option<String>,
	/// As the payee: what the payer has signed, as `stoa channel authorize` prints it.
	#[arg(
		long,
		value_name = "HEX",
		conflicts_with_all = ["payee", "deposit", "grace", "lanes", "cap", "asset"]
	)]
	pub authorization: Option<String>,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// Let the payee open a channel.
#[derive(Args, Debug)]
pub struct Authorize {
	/// Who will be paid, and opens the channel: an address or the name of a key.
	pub payee: String,
	/// How much is locked for it, like 1.5.
	#[arg(allow_hyphen_values = true)]
	pub deposit: String,
	/// How long the payee may still settle once you ask to close: 15m to 30d.
	#[arg(long, default_value = "1h", value_name = "TIME")]
	pub grace: String,
	/// How long the channel can be opened: like 30m, 1h.
	#[arg(long, default_value = "1h", value_name = "TIME")]
	pub valid: String,
	/// Send it to the seller at this address, which opens the channel; else it is printed.
	#[arg(long, value_name = "URL")]
	pub to: Option<String>,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// End a channel at once.
#[derive(Args, Debug)]
pub struct Close {
	/// The channel's id.
	pub id: String,
	/// As the payee: file of the gateway's vouchers; the one of `stoa serve` with this key unless given.
	#[arg(long, value_name = "FILE", conflicts_with_all = ["with_consent", "consent"])]
	pub store: Option<PathBuf>,
	/// As the payee: close although no voucher of this channel is here: what was not settled is given up.
	#[arg(long, conflicts_with_all = ["with_consent", "consent"])]
	pub without_voucher: bool,
	/// As the payer: ask the payee for its consent.
	#[arg(long)]
	pub with_consent: bool,
	/// Where the payee is asked, like http://127.0.0.1:8402; where it was paid last unless given.
	#[arg(long, value_name = "URL", requires = "with_consent")]
	pub from: Option<String>,
	/// As the payer: the payee's consent, as `stoa channel consent` prints it.
	#[arg(long, value_name = "HEX", conflicts_with = "with_consent")]
	pub consent: Option<String>,
	/// As the payer: the most that the payee may take for calls to which no answer came; nothing unless
	/// given.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub max_unanswered: Option<String>,
}

/// Print the payee's consent to a close.
#[derive(Args, Debug)]
pub struct ChannelConsent {
	/// The channel's id.
	pub id: String,
	/// How long it can be used, 1h at most: nothing is accepted on the channel in the meantime.
	#[arg(long, default_value = "10m", value_name = "TIME")]
	pub valid: String,
	/// File of the gateway's vouchers; the one of `stoa serve` with this key unless given.
	#[arg(long, value_name = "FILE")]
	pub store: Option<PathBuf>,
}

/// Settle what the vouchers in the store are worth.
#[derive(Args, Debug)]
pub struct Settle {
	/// File of the gateway's vouchers; the one of `stoa serve` with this key unless given.
	#[arg(long, value_name = "FILE")]
	pub store: Option<PathBuf>,
	/// Leave claims alone that add up to less, unless their channel closes; unless given, what is not
	/// settled for free. 0 settles all.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub min_claim: Option<String>,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}
