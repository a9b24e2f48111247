//! How a gateway works.

use std::{path::PathBuf, time::Duration};
use stoa_client::{keys::AccountKey, settle::SettlePolicy};
use stoa_primitives::{channel::MIN_GRACE, AssetId, Balance, BlockNumber, HOURS, MINUTES};

/// How a gateway works. Amounts are in units of its asset.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
	/// Where the service is: `http://` or `https://`, with an optional path in front of all paths.
	pub upstream: String,
	/// What one call costs; never 0.
	pub price: Balance,
	/// In what.
	pub asset: AssetId,
	/// The account that is paid; its key signs receipts.
	pub payee: AccountKey,
	/// The file that remembers vouchers. One gateway per file.
	pub store: PathBuf,
	/// The protection space, as clients see it.
	pub realm: String,
	/// What one tick is to be worth: the price, or a part of it that all prices of the payee are multiples of.
	/// `None` takes vouchers only.
	pub tick_value: Option<Balance>,
	/// The shortest grace period that is accepted, in blocks.
	pub min_grace: BlockNumber,
	/// How many blocks a key that was replaced must stay valid from now on, so that what it has signed can be
	/// settled in time.
	pub settle_horizon: BlockNumber,
	/// For how long the node's best block may stay the same until nothing that it says is believed: see
	/// [`PayeeConfig::max_stall`](stoa_client::payee::PayeeConfig::max_stall).
	pub max_stall: Duration,
	/// How many blocks from now on a payer can use the payee's agreement to a close. Until then nothing is
	/// accepted on its channel.
	pub consent_blocks: BlockNumber,
	/// Whether channels are opened that their payers have authorised, at the payee's cost.
	pub openings: Option<OpeningPolicy>,
	/// A deposit that clients are advised to open a channel with.
	pub suggested_deposit: Balance,
	/// Largest request body, in bytes.
	pub max_request_body: usize,
	/// Largest answer of the service, in bytes. Answers are read in full before they are charged.
	pub max_response_body: usize,
	/// How long the service may take.
	pub upstream_timeout: Duration,
	/// How many connections may be open at the same time. When there are as many, new ones wait until
	/// one is closed. A payer can make the gateway keep [`Self::max_request_body`] for each; somebody
	/// without a good voucher cannot.
	pub max_connections: usize,
	/// How many of them one client address may have. Those above it are closed at once, so that one
	/// client cannot take all. Behind a reverse proxy all clients share its address: raise this there,
	/// to [`Self::max_connections`] if nobody else can connect.
	pub max_connections_per_address: usize,
	/// How long a client may take to send the head of a request, from the moment it has connected or
	/// got the last answer: so also how long a connection may be idle.
	pub header_timeout: Duration,
	/// How long a client may take to send the body of a request.
	pub body_timeout: Duration,
	/// How long a client may take no byte of an answer.
	pub write_timeout: Duration,
	/// How long calls under way may go on when the gateway is shut down. Then their connections are
	/// cut; what was accepted stays accepted.
	pub drain_timeout: Duration,
	/// How long a challenge is good.
	pub challenge_ttl: Duration,
	/// How long a call waits for another one on its lane.
	pub lane_wait: Duration,
	/// How many answers are kept for retries.
	pub kept_answers: usize,
	/// How many bytes of answers are kept for retries.
	pub kept_bytes: usize,
	/// When vouchers are settled.
	pub settle: SettlePolicy,
	/// Whether everything is settled when the gateway is shut down.
	pub settle_on_shutdown: bool,
}

/// Which channels are opened by authorisation: the payer signs, the payee sends the transaction and pays its
/// fee.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OpeningPolicy {
	/// The smallest deposit, in units of the asset. It should let the payee earn many times the fee.
	pub min_deposit: Balance,
	/// How many are opened within an hour, failed ones included: what strangers can make the payee pay is the
	/// fees of that many transactions.
	pub per_hour: u32,
	/// How long a client waits for the channel to be final before it is told to look for itself.
	pub wait: Duration,
}

impl OpeningPolicy {
	/// Deposits from `min_deposit` on, sixty channels an hour.
	pub fn new(min_deposit: Balance) -> Self {
		Self { min_deposit, per_hour: 60, wait: Duration::from_secs(20) }
	}
}

impl GatewayConfig {
	/// Sells `upstream` for `price` units of `asset` per call, by voucher or by tick, with defaults for all
	/// else: 1 MiB requests, 8 MiB answers, 1,024 connections, 256 of one address, 30 seconds for each step,
	/// channels with the chain's minimum grace period, none opened by authorisation.
	pub fn new(
		upstream: impl Into<String>,
		price: Balance,
		asset: AssetId,
		payee: AccountKey,
		store: impl Into<PathBuf>,
	) -> Self {
		Self {
			upstream: upstream.into(),
			price,
			asset,
			payee,
			store: store.into(),
			realm: "stoa".into(),
			tick_value: Some(price),
			min_grace: MIN_GRACE,
			settle_horizon: HOURS,
			max_stall: Duration::from_secs(60),
			consent_blocks: 5 * MINUTES,
			openings: None,
			suggested_deposit: price.saturating_mul(1_000),
			max_request_body: 1024 * 1024,
			max_response_body: 8 * 1024 * 1024,
			upstream_timeout: Duration::from_secs(30),
			max_connections: 1_024,
			max_connections_per_address: 256,
			header_timeout: Duration::from_secs(30),
			body_timeout: Duration::from_secs(30),
			write_timeout: Duration::from_secs(30),
			drain_timeout: Duration::from_secs(30),
			challenge_ttl: Duration::from_secs(600),
			lane_wait: Duration::from_secs(30),
			kept_answers: 10_000,
			kept_bytes: 64 * 1024 * 1024,
			settle: SettlePolicy::default(),
			settle_on_shutdown: true,
		}
	}
}
