//! What can be typed.

mod agreement;
mod channel;
mod negotiate;

pub use agreement::{
	Agreement, Cancel, Commit, Extend, Milestone, OfOffer, WithEvidence, WithdrawOffer,
};
pub use channel::{Authorize, Channel, ChannelConsent, Close, Open, Settle};
pub use negotiate::{Buy, Negotiate, Operator, Sell, Verify};

use crate::{backup::BackupArgs, output::Format};
use channel::lanes;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Let software agents pay each other per call, and see what they were paid.
#[derive(Debug, Parser)]
#[command(name = "stoa", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
	/// What every command takes.
	#[command(flatten)]
	pub global: Global,
	/// What to do.
	#[command(subcommand)]
	pub command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
pub struct Global {
	/// Address of a node's RPC.
	#[arg(long, global = true, env = "STOA_NODE", default_value = "ws://127.0.0.1:9944")]
	pub node: String,
	/// Directory of keys and of what must not be lost; ~/.local/share/stoa unless given.
	#[arg(long, global = true, env = "STOA_HOME", value_name = "DIR")]
	pub home: Option<PathBuf>,
	/// How results are printed.
	#[arg(long, global = true, value_enum, default_value_t = Format::Text)]
	pub output: Format,
	/// Key that signs: a name from `stoa keys list`, or a development key like //Alice.
	#[arg(long, global = true, env = "STOA_KEY", value_name = "NAME")]
	pub key: Option<String>,
	/// Pay transaction fees from credits of this asset (an id, or `native`), or with `account` from
	/// the account's own native tokens. Unless given: native tokens if the account has enough, else
	/// credits of asset 1.
	#[arg(long, global = true, env = "STOA_FEES", value_name = "ASSET")]
	pub fees: Option<String>,
	/// Log what happens to standard error; twice for more.
	#[arg(short, long, global = true, action = clap::ArgAction::Count)]
	pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
	/// Make, import and show keys.
	#[command(subcommand)]
	Keys(Keys),
	/// Register agents and answer for them.
	#[command(subcommand)]
	Agent(Agent),
	/// Earn from agents you bring.
	#[command(subcommand)]
	Referral(Referral),
	/// Turn assets into credits, with which everything on the market is paid.
	Deposit(Deposit),
	/// Turn credits back into assets.
	Withdraw(Withdraw),
	/// Show what an account owns, and what it has locked in channels.
	Balances(Balances),
	/// Pay an agent once, without a channel.
	Pay(Pay),
	/// Open, change, settle and close payment channels.
	#[command(subcommand)]
	Channel(Channel),
	/// Come to an agreement with another agent: ask, offer, haggle, commit.
	#[command(subcommand)]
	Negotiate(Negotiate),
	/// Carry out what was agreed with another agent: commit, deliver, accept, dispute.
	#[command(subcommand)]
	Agreement(Agreement),
	/// Call a paid URL: the body goes to standard output, what was paid to standard error.
	Call(Call),
	/// Sell a local HTTP API per call.
	Serve(Serve),
	/// Play the main job on a development chain, and check every figure against the chain.
	Demo(Demo),
}

/// In what is paid.
#[derive(Args, Clone, Debug)]
pub struct InAsset {
	/// Asset: an id, or `native`.
	#[arg(long, default_value = "1", value_name = "ASSET")]
	pub asset: String,
}

/// Make, import and show keys.
#[derive(Debug, Subcommand)]
pub enum Keys {
	/// Make a key; its mnemonic is printed once and stored nowhere.
	New {
		/// Name of the new key.
		name: String,
	},
	/// Store a key whose mnemonic or seed is read from standard input.
	Import {
		/// Name of the new key.
		name: String,
	},
	/// List all keys.
	List,
	/// Show the public side of a key.
	Show {
		/// Name of the key, or a development key like //Alice.
		name: String,
	},
}

/// Register agents and answer for them.
#[derive(Debug, Subcommand)]
pub enum Agent {
	/// Register an agent; the key that signs is its operator.
	Register(Register),
	/// Extend an agent's lease.
	Renew(OneAgent),
	/// Show what the chain says of an agent.
	Show(OneAgent),
	/// Stop an agent of yours.
	Pause(OneAgent),
	/// Let a paused agent act again.
	Resume(OneAgent),
	/// End an agent for good.
	Retire(OneAgent),
	/// Let a key sign in the name of an agent of yours. It signs offers, but no transactions.
	AddKey(AddKey),
	/// Let a key sign in the name of an agent of yours no more, from now on.
	RemoveKey(DelegateKey),
	/// Print the agent's consent to an operator, for `stoa agent register --proof`.
	Consent(Consent),
}

/// One agent.
#[derive(Args, Debug)]
pub struct OneAgent {
	/// The agent: an address or the name of a key; the key that signs unless given.
	#[arg(value_name = "AGENT")]
	pub agent: Option<String>,
}

/// A key that signs in an agent's name.
#[derive(Args, Debug)]
pub struct DelegateKey {
	/// The agent: an address or the name of a key.
	#[arg(value_name = "AGENT")]
	pub agent: String,
	/// The key: its hex, like ed25519:0x…, as `stoa keys show` prints voucher keys, or the name of a key, whose
	/// voucher key is meant.
	#[arg(value_name = "KEY")]
	pub delegate: String,
}

/// Let a key sign in an agent's name.
#[derive(Args, Debug)]
pub struct AddKey {
	/// Which key, for which agent.
	#[command(flatten)]
	pub of: DelegateKey,
	/// What it may sign.
	#[arg(long, value_enum, value_delimiter = ',', required = true)]
	pub scope: Vec<ScopeName>,
	/// How long it may.
	#[arg(long, value_name = "TIME", default_value = "30d")]
	pub valid: String,
}

/// What a key may sign in the name of its agent.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum ScopeName {
	/// Offers and counter-offers, and the messages that carry them: it can bind the agent to all that it owns.
	Offer,
	/// That the other side opens a channel which the agent pays, and consents to close one.
	Voucher,
	/// Endorsements of other agents.
	Endorse,
}

/// Register an agent.
#[derive(Args, Debug)]
pub struct Register {
	/// The agent: an address or the name of a key; the key that signs unless given.
	#[arg(value_name = "AGENT")]
	pub agent: Option<String>,
	/// The agent's consent, as `stoa agent consent` prints it; not needed when its key is here.
	#[arg(long, value_name = "HEX")]
	pub proof: Option<String>,
	/// Who brought the agent: an address or a referral code.
	#[arg(long, value_name = "ACCOUNT|CODE")]
	pub referral: Option<String>,
	/// Where the agent's description can be fetched.
	#[arg(long, value_name = "URI", default_value = "")]
	pub manifest_uri: String,
	/// The description itself; its digest is registered.
	#[arg(long, value_name = "FILE")]
	pub manifest_file: Option<PathBuf>,
}

/// Print an agent's consent.
#[derive(Args, Debug)]
pub struct Consent {
	/// Who will answer for the agent that `--key` names.
	#[arg(value_name = "OPERATOR")]
	pub operator: String,
	/// How long the consent can be used: like 30m, 1h, and 1d at most on the development chain.
	#[arg(long, default_value = "1h", value_name = "TIME")]
	pub valid: String,
}

/// Earn from agents you bring.
#[derive(Debug, Subcommand)]
pub enum Referral {
	/// Claim a code by which agents can say that you brought them.
	Claim {
		/// 4 to 24 of `a`–`z`, `0`–`9` and `-`.
		code: String,
	},
	/// Show who brought an account, and its own codes.
	Show(OneAgent),
}

/// Turn assets into credits.
#[derive(Args, Debug)]
pub struct Deposit {
	/// How much, like 1.5.
	#[arg(allow_hyphen_values = true)]
	pub amount: String,
	/// Whose credits they become: an address or the name of a key; the signer's unless given.
	#[arg(long = "for", value_name = "ACCOUNT")]
	pub beneficiary: Option<String>,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// Turn credits back into assets.
#[derive(Args, Debug)]
pub struct Withdraw {
	/// How much, like 1.5, or `all` that is left after the fee.
	#[arg(allow_hyphen_values = true)]
	pub amount: String,
	/// Who gets the assets: an address or the name of a key; the signer unless given.
	#[arg(long, value_name = "ACCOUNT")]
	pub to: Option<String>,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// Show what an account owns.
#[derive(Args, Debug)]
pub struct Balances {
	/// An address or the name of a key; the key that signs unless given.
	pub account: Option<String>,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// Pay an agent once.
#[derive(Args, Debug)]
pub struct Pay {
	/// Who is paid: an address or the name of a key.
	pub provider: String,
	/// How much, like 1.5.
	#[arg(allow_hyphen_values = true)]
	pub amount: String,
	/// For what: 32 bytes of hex after 0x, or any text, of which the hash is used.
	#[arg(long, default_value = "")]
	pub reference: String,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// Call a paid URL.
#[derive(Args, Debug)]
pub struct Call {
	/// The URL.
	pub url: String,
	/// HTTP method; GET, or POST when there is a body.
	#[arg(short = 'X', long = "request", value_name = "METHOD")]
	pub method: Option<String>,
	/// Body, or @FILE, or @- for standard input.
	#[arg(short = 'd', long = "data", value_name = "BODY")]
	pub data: Option<String>,
	/// Header, like `Content-Type: text/plain`; can be repeated.
	#[arg(short = 'H', long = "header", value_name = "HEADER")]
	pub headers: Vec<String>,
	/// The most that this call may cost, like 0.001.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub max_price: String,
	/// When there is no open channel to the seller, open one with this deposit: at most once for each
	/// run of the command, so for each seller and each time that a channel has ended.
	#[arg(long, value_name = "DEPOSIT", allow_hyphen_values = true)]
	pub open: Option<String>,
	/// How many lanes a channel has that --open opens: as many calls can be under way at a time.
	#[arg(long, value_name = "N", requires = "open", value_parser = lanes())]
	pub lanes: Option<u16>,
	/// Velocity cap of a channel that --open opens, like 0.5/1h: see `stoa channel open`.
	#[arg(long, value_name = "AMOUNT/BLOCKS", requires = "open", allow_hyphen_values = true)]
	pub cap: Option<String>,
	/// Have the seller open the channel that --open allows, by your authorisation: it sends the
	/// transaction and pays its fee.
	#[arg(long, requires = "open", conflicts_with_all = ["lanes", "cap"])]
	pub authorize: bool,
	/// When the deposit runs out, lock this much more, at most once for each run and within --budget.
	#[arg(long, value_name = "AMOUNT", requires = "budget", allow_hyphen_values = true)]
	pub top_up: Option<String>,
	/// The most that --top-up may bring the deposit of one channel to, over the channel's life.
	#[arg(long, value_name = "TOTAL", requires = "top_up", allow_hyphen_values = true)]
	pub budget: Option<String>,
	/// The most that the seller may take, over a channel's life, for calls to which no answer came;
	/// three times --max-price unless given.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub max_unanswered: Option<String>,
	/// The most that calls may cost in --spend-period at one seller. What is signed counts, from the first
	/// call with such a limit on.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub spend_per_seller: Option<String>,
	/// As --spend-per-seller, at all sellers together.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub spend_in_all: Option<String>,
	/// How long what was signed counts for --spend-per-seller and --spend-in-all.
	#[arg(long, default_value = "1d", value_name = "TIME")]
	pub spend_period: String,
	/// Pay by ticks if the seller takes them: the first call costs a signature, those after it a hash.
	#[arg(long)]
	pub ticks: bool,
	/// Seconds to wait for the answer.
	#[arg(long, default_value_t = 60, value_name = "SECONDS")]
	pub timeout: u64,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// Sell a local HTTP API per call.
#[derive(Args, Debug)]
pub struct Serve {
	/// Address of the API that is sold.
	#[arg(long, value_name = "URL")]
	pub upstream: String,
	/// Price of one call, like 0.0001.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub price: String,
	/// Where buyers come in.
	#[arg(long, default_value = "127.0.0.1:8402", value_name = "ADDRESS")]
	pub listen: String,
	/// What buyers are told they buy from.
	#[arg(long, default_value = "stoa", value_name = "NAME")]
	pub realm: String,
	/// File of the vouchers; in the home directory unless given.
	#[arg(long, value_name = "FILE")]
	pub store: Option<PathBuf>,
	/// Settle at least this often: like 10m, 6h.
	#[arg(long, default_value = "1h", value_name = "TIME")]
	pub settle_every: String,
	/// Settle as soon as this much is owed; a hundred thousand calls' worth unless given.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub settle_above: Option<String>,
	/// Leave claims alone that add up to less, unless their channel closes; unless given, what does not
	/// pay the fee of a settlement at the start. 0 settles all.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub min_claim: Option<String>,
	/// Take vouchers only. Unless given, buyers who want it pay by ticks: one hash to check for each call
	/// instead of a signature, and a larger settlement.
	#[arg(long)]
	pub no_ticks: bool,
	/// What one tick is worth: the price unless given. It must divide the prices of all that this key sells.
	#[arg(long, value_name = "AMOUNT", conflicts_with = "no_ticks", allow_hyphen_values = true)]
	pub tick_value: Option<String>,
	/// Open channels for buyers who have signed for a deposit of at least this much, and pay the fee of the
	/// transaction for them; nobody's unless given.
	#[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
	pub open_min: Option<String>,
	/// How many such channels are opened within an hour, failed ones included: a bound on what strangers can
	/// make you pay.
	#[arg(long, default_value_t = 60, value_name = "N", requires = "open_min")]
	pub opens_per_hour: u32,
	/// The shortest grace period of channels that are taken: 15m to 30d.
	#[arg(long, default_value = "15m", value_name = "TIME")]
	pub min_grace: String,
	/// How long a key that was replaced must stay valid, so that what it has signed can be settled.
	#[arg(long, default_value = "1h", value_name = "TIME")]
	pub settle_horizon: String,
	/// Sell nothing once the node's best block has stayed the same for this long: it may be cut off. A chain
	/// that makes blocks on demand only needs a long time here.
	#[arg(long, default_value = "1m", value_name = "TIME")]
	pub max_stall: String,
	/// Serve metrics for Prometheus here, and take the operator's commands from this machine: settling, and
	/// closing a channel. Not for the public: it tells what is earned.
	#[arg(long, value_name = "ADDRESS")]
	pub metrics: Option<String>,
	/// Who settles while nobody is here.
	#[command(flatten)]
	pub backup: BackupArgs,
	/// In what.
	#[command(flatten)]
	pub asset: InAsset,
}

/// What the demo plays.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Scenario {
	/// Consumers pay a provider per call, through channels.
	Calls,
	/// An agent negotiates with three vendors, agrees with one and pays by milestone.
	Procurement,
}

/// Play the main job.
#[derive(Args, Debug)]
pub struct Demo {
	/// What is played. The options below but --keep are for `calls`.
	#[arg(long, value_enum, default_value_t = Scenario::Calls)]
	pub scenario: Scenario,
	/// Paid calls of each consumer.
	#[arg(
		long,
		default_value_t = 1_000,
		value_parser = clap::value_parser!(u32).range(1..=1_000_000)
	)]
	pub calls: u32,
	/// Consumers that call at the same time.
	#[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
	pub consumers: u32,
	/// Price of one call.
	#[arg(long, default_value = "0.0001", value_name = "AMOUNT", allow_hyphen_values = true)]
	pub price: String,
	/// Keep the stores of the run in this new directory.
	#[arg(long, value_name = "DIR")]
	pub keep: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
	use super::*;
	use clap::CommandFactory;

	fn parse(line: &str) -> Result<Cli, clap::Error> {
		Cli::try_parse_from(line.split(' '))
	}

	#[test]
	fn definitions_should_be_consistent() {
		Cli::command().debug_assert();
	}

	#[test]
	fn global_options_should_be_accepted_after_any_command() {
		let cli = parse("stoa keys list --output json --node ws://x:1 --home /tmp/h --key //Bob");
		let global = cli.unwrap().global;
		assert_eq!(global.output, Format::Json);
		assert_eq!(global.node, "ws://x:1");
		assert_eq!(global.home, Some("/tmp/h".into()));
		assert_eq!(global.key.as_deref(), Some("//Bob"));
	}

	#[test]
	fn keys_of_other_things_should_not_be_taken_for_the_one_that_signs() {
		for line in [
			"stoa negotiate show 0x01",
			"stoa negotiate export 0x01",
			"stoa negotiate offer 0x01",
			"stoa agreement commit 0x01",
			"stoa agent add-key a b --scope offer",
			"stoa agent remove-key a b",
			"stoa agreement reveal 0x01 0 0x01",
		] {
			assert_eq!(parse(line).unwrap().global.key, None, "{line}");
		}
	}

	#[test]
	fn negative_amounts_should_reach_the_amount_parser() {
		let command = parse("stoa deposit -1").unwrap().command;
		assert!(matches!(command, Command::Deposit(deposit) if deposit.amount == "-1"));
		assert!(parse("stoa call http://x --max-price -1").is_ok());
	}

	#[test]
	fn usage_errors_should_have_exit_code_2() {
		for line in [
			"stoa",
			"stoa nonsense",
			"stoa call http://x",
			"stoa call http://x --max-price 1 --top-up 1",
			"stoa call http://x --max-price 1 --lanes 2",
			"stoa call http://x --max-price 1 --open 1 --lanes 2 --authorize",
			"stoa channel open b 1 --lanes 0",
			"stoa channel open b 1 --lanes 257",
			"stoa channel open b",
			"stoa channel open b 1 --authorization 0x00",
			"stoa channel close 0x00 --from http://x",
			"stoa channel close 0x00 --with-consent --consent 0x00",
			"stoa channel revoke-lane 0x00 -1",
			"stoa demo --calls 0",
			"stoa channel finalize",
			"stoa agreement deliver 0x00 0",
			"stoa agreement accept 0x00",
			"stoa agreement accept 0x00 -1",
			"stoa agreement cancel 0x00 1 --consent 0x00 --valid 1h",
			"stoa agent add-key a b",
			"stoa agent add-key a b --scope all",
			"stoa agreement commit",
			"stoa agreement supersede 0x00 --offer file",
			"stoa agreement withdraw-offer --offer file --round 2",
		] {
			assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
		}
	}

	#[test]
	fn commands_of_the_guide_should_parse() {
		for line in [
			"stoa keys new a",
			"stoa agent register a --key op --referral code-1 --manifest-uri https://x/y",
			"stoa agent consent 5Grw --key a --valid 2h",
			"stoa agent add-key a b --scope offer,voucher,endorse --valid 30d --key op",
			"stoa agent remove-key a ed25519:0x00 --key op",
			"stoa referral claim code-1",
			"stoa deposit 1.5 --for a --asset native",
			"stoa withdraw 1 --to b",
			"stoa withdraw all",
			"stoa balances",
			"stoa pay b 1 --reference invoice-7",
			"stoa channel open b 1 --grace 1h --lanes 256 --cap 0.5/1h",
			"stoa channel open --authorization 0x00",
			"stoa channel authorize b 1 --valid 30m --to http://x",
			"stoa channel rotate-key 0x00",
			"stoa channel set-cap 0x00 none",
			"stoa channel revoke-lane 0x00 3",
			"stoa channel close 0x00 --with-consent --from http://x",
			"stoa channel close 0x00 --consent 0x00 --max-unanswered 0.1",
			"stoa channel consent 0x00 --valid 5m",
			"stoa channel recover --seller http://x --seller http://y",
			"stoa channel top-up 0x00 1",
			"stoa channel request-close 0x00",
			"stoa channel cancel-close 0x00",
			"stoa channel close 0x00",
			"stoa channel finalize 0x00 0x01",
			"stoa channel settle --min-claim 0",
			"stoa call http://x -X POST -d @file -H a:b -H c:d --max-price 0.1 --open 1",
			"stoa call http://x --max-price 0.1 --top-up 1 --budget 10 --max-unanswered 0.2",
			"stoa call http://x --max-price 0.1 --open 1 --lanes 8 --cap 0.5/1800 --ticks",
			"stoa call http://x --max-price 0.1 --open 1 --authorize",
			"stoa call http://x --max-price 0.1 --spend-per-seller 1 --spend-in-all 5 --spend-period 1h",
			"stoa serve --upstream http://127.0.0.1:8080 --price 0.0001",
			"stoa serve --upstream http://h --price 0.1 --no-ticks --metrics 127.0.0.1:9100 --max-stall 5m",
			"stoa serve --upstream http://h --price 0.1 --tick-value 0.05 --open-min 1 --opens-per-hour 5",
			"stoa serve --upstream http://h --price 0.1 --min-grace 1h --settle-horizon 2h",
			"stoa serve --upstream http://x --price 1 --tower http://y:1 --backup-to-node --recover",
			"stoa agreement list",
			"stoa agreement show 0x00",
			"stoa agreement commit 0x00 --transcript 0x00 --dry-run",
			"stoa agreement commit --offer file",
			"stoa agreement deliver 0x00 0 --file report.pdf --uri https://x/y",
			"stoa agreement reveal 0x00 1 0x00",
			"stoa agreement accept 0x00 0",
			"stoa agreement release 0x00 0 1.5",
			"stoa agreement request-changes 0x00 0 --digest 0x00",
			"stoa agreement dispute 0x00 0 --file why.txt",
			"stoa agreement rule 0x00 0 --seller 62.5% --file why.txt",
			"stoa agreement poke 0x00",
			"stoa agreement cancel 0x00 1.5 --valid 10m",
			"stoa agreement cancel 0x00 1.5 --consent 0x00",
			"stoa agreement extend 0x00 0 2h",
			"stoa agreement extend 0x00 0 4711 --consent 0x00",
			"stoa agreement withdraw-offer 0x00 --round 3",
			"stoa agreement withdraw-offer --offer -",
			"stoa agreement supersede 0x00",
			"stoa agreement supersede --offer file",
			"stoa agreement forget 0x00",
			"stoa agreement kpis",
			"stoa agreement kpis b",
			"stoa negotiate buy b --profile buy.json --operator approve",
			"stoa negotiate sell --profile sell.json --count 3",
			"stoa negotiate list",
			"stoa negotiate show 0x00",
			"stoa negotiate offer 0x00 --round 2",
			"stoa negotiate export 0x00",
			"stoa negotiate verify file.json",
			"stoa negotiate verify file.json --offline --trust-delegates",
			"stoa demo --calls 10 --consumers 2",
			"stoa demo --scenario procurement --keep run",
		] {
			assert!(parse(line).is_ok(), "{line}");
		}
	}
}
