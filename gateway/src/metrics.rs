//! What a gateway counts.

use std::sync::atomic::{AtomicU64, Ordering};
use stoa_client::payee::Totals;
use stoa_primitives::Balance;

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Counters {
	pub(crate) challenged: AtomicU64,
	pub(crate) accepted: AtomicU64,
	pub(crate) replayed: AtomicU64,
	pub(crate) rejected: AtomicU64,
	pub(crate) uncharged: AtomicU64,
	pub(crate) unavailable: AtomicU64,
}

impl Counters {
	pub(crate) fn add(counter: &AtomicU64) {
		counter.fetch_add(1, Ordering::Relaxed);
	}
}

/// What a gateway has done since its start, and what its channels add up to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GatewayStats {
	/// Requests without a credential.
	pub challenged: u64,
	/// Calls that were served and charged.
	pub accepted: u64,
	/// Answers that were given again.
	pub replayed: u64,
	/// Credentials that were refused.
	pub rejected: u64,
	/// Calls that were not charged because the service did not answer well.
	pub uncharged: u64,
	/// Calls that failed because chain or store could not be used.
	pub unavailable: u64,
	/// Channels with accepted vouchers.
	pub channels: u64,
	/// Vouchers accepted over the life of these channels.
	pub vouchers: u64,
	/// Earned over the life of these channels, in units of the asset.
	pub earned: Balance,
	/// What of it is not settled yet.
	pub unsettled: Balance,
}

impl GatewayStats {
	pub(crate) fn new(counters: &Counters, totals: Totals) -> Self {
		let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
		Self {
			challenged: read(&counters.challenged),
			accepted: read(&counters.accepted),
			replayed: read(&counters.replayed),
			rejected: read(&counters.rejected),
			uncharged: read(&counters.uncharged),
			unavailable: read(&counters.unavailable),
			channels: u64::try_from(totals.channels).unwrap_or(u64::MAX),
			vouchers: totals.vouchers,
			earned: totals.earned,
			unsettled: totals.unsettled,
		}
	}

	/// The Prometheus text format.
	pub(crate) fn to_prometheus(self) -> String {
		let calls = [
			("challenged", self.challenged),
			("accepted", self.accepted),
			("replayed", self.replayed),
			("rejected", self.rejected),
			("uncharged", self.uncharged),
			("unavailable", self.unavailable),
		];
		let mut out = String::from(
			"# HELP stoa_gateway_calls_total Calls by outcome.\n\
			# TYPE stoa_gateway_calls_total counter\n",
		);
		for (outcome, count) in calls {
			out.push_str(&format!("stoa_gateway_calls_total{{outcome=\"{outcome}\"}} {count}\n"));
		}
		let gauges = [
			("channels", "Channels with accepted vouchers.", Balance::from(self.channels)),
			("vouchers", "Vouchers accepted on these channels.", Balance::from(self.vouchers)),
			("earned_units", "Earned on these channels.", self.earned),
			("unsettled_units", "Earned and not settled yet.", self.unsettled),
		];
		for (name, help, value) in gauges {
			out.push_str(&format!(
				"# HELP stoa_gateway_{name} {help}\n# TYPE stoa_gateway_{name} gauge\n\
				stoa_gateway_{name} {value}\n"
			));
		}
		out
	}
}
