//! What a gateway counts.

use std::{
	sync::atomic::{AtomicU64, Ordering},
	time::Duration,
};
use stoa_client::payee::Totals;
use stoa_primitives::Balance;

/// The upper ends of the classes of flush times, in microseconds.
const CLASSES: [u64; 10] = [100, 250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

/// Counters since the start.
#[derive(Default)]
pub(crate) struct Counters {
	pub(crate) challenged: AtomicU64,
	pub(crate) by_voucher: AtomicU64,
	pub(crate) by_tick: AtomicU64,
	pub(crate) replayed: AtomicU64,
	pub(crate) rejected: AtomicU64,
	pub(crate) uncharged: AtomicU64,
	pub(crate) unavailable: AtomicU64,
	pub(crate) consents: AtomicU64,
	pub(crate) opened: AtomicU64,
	pub(crate) openings_failed: AtomicU64,
	pub(crate) flushes: Flushes,
}

impl Counters {
	pub(crate) fn add(counter: &AtomicU64) {
		counter.fetch_add(1, Ordering::Relaxed);
	}
}

/// How long it took until a payment was durable.
#[derive(Default)]
pub(crate) struct Flushes {
	/// How many took no longer than each of [`CLASSES`], and longer than the one before; the last for all
	/// that took longer.
	counts: [AtomicU64; CLASSES.len() + 1],
	/// All together, in microseconds.
	sum: AtomicU64,
}

impl Flushes {
	pub(crate) fn note(&self, time: Duration) {
		let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
		let class = CLASSES.iter().take_while(|end| **end < micros).count();
		if let Some(count) = self.counts.get(class) {
			Counters::add(count);
		}
		self.sum.fetch_add(micros, Ordering::Relaxed);
	}

	/// A histogram in the Prometheus text format.
	pub(crate) fn to_prometheus(&self) -> String {
		const NAME: &str = "stoa_gateway_flush_seconds";
		let mut out =
			format!("# HELP {NAME} Time until a payment was durable.\n# TYPE {NAME} histogram\n");
		let mut all: u64 = 0;
		let ends = CLASSES.iter().map(|end| seconds(*end)).chain(["+Inf".into()]);
		for (count, end) in self.counts.iter().zip(ends) {
			all = all.saturating_add(count.load(Ordering::Relaxed));
			out.push_str(&format!("{NAME}_bucket{{le=\"{end}\"}} {all}\n"));
		}
		let sum = seconds(self.sum.load(Ordering::Relaxed));
		out.push_str(&format!("{NAME}_sum {sum}\n{NAME}_count {all}\n"));
		out
	}
}

/// Microseconds as a decimal number of seconds.
fn seconds(micros: u64) -> String {
	format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}

/// What a gateway has done since its start, and what its channels add up to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GatewayStats {
	/// Requests without a credential.
	pub challenged: u64,
	/// Calls that were served and charged.
	pub accepted: u64,
	/// How many of them were paid by tick.
	pub by_tick: u64,
	/// Answers that were given again.
	pub replayed: u64,
	/// Credentials that were refused.
	pub rejected: u64,
	/// Calls that were not charged because the service did not answer well.
	pub uncharged: u64,
	/// Calls that failed because chain or store could not be used.
	pub unavailable: u64,
	/// Agreements to a close that were given to payers.
	pub consents: u64,
	/// Channels that were opened by authorisation.
	pub opened: u64,
	/// Channels that were to be opened by authorisation, and whose transaction failed.
	pub openings_failed: u64,
	/// Channels with accepted payments.
	pub channels: u64,
	/// Payments accepted over the life of these channels.
	pub vouchers: u64,
	/// Earned over the life of these channels, in units of the asset.
	pub earned: Balance,
	/// What of it is not settled yet.
	pub unsettled: Balance,
	/// What channels that have ended since the start have not paid, at most, in units of the asset.
	pub lost: Balance,
	/// Channels that had ended before they were read: what of them was not paid is not known.
	pub ended_unread: u64,
	/// What of [`GatewayStats::unsettled`] can no longer be paid: it is lost when its channel ends.
	pub unpayable: Balance,
}

impl GatewayStats {
	pub(crate) fn new(counters: &Counters, totals: Totals, unpayable: Balance) -> Self {
		let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
		let by_tick = read(&counters.by_tick);
		Self {
			challenged: read(&counters.challenged),
			accepted: read(&counters.by_voucher).saturating_add(by_tick),
			by_tick,
			replayed: read(&counters.replayed),
			rejected: read(&counters.rejected),
			uncharged: read(&counters.uncharged),
			unavailable: read(&counters.unavailable),
			consents: read(&counters.consents),
			opened: read(&counters.opened),
			openings_failed: read(&counters.openings_failed),
			channels: u64::try_from(totals.channels).unwrap_or(u64::MAX),
			vouchers: totals.vouchers,
			earned: totals.earned,
			unsettled: totals.unsettled,
			lost: totals.lost.units,
			ended_unread: totals.lost.unread,
			unpayable,
		}
	}

	/// The Prometheus text format. `limit` is what makes the gateway settle, in units of the asset.
	pub(crate) fn to_prometheus(self, limit: Balance) -> String {
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
		for (kind, name, help, value) in self.figures(limit) {
			out.push_str(&format!(
				"# HELP stoa_gateway_{name} {help}\n# TYPE stoa_gateway_{name} {kind}\n\
				stoa_gateway_{name} {value}\n"
			));
		}
		out
	}

	/// Kind, name, meaning and value of all figures without labels.
	fn figures(self, limit: Balance) -> [(&'static str, &'static str, &'static str, Balance); 12] {
		let (counter, gauge) = ("counter", "gauge");
		[
			(counter, "ticks_total", "Calls that were paid by tick.", self.by_tick.into()),
			(counter, "consents_total", "Agreements to a close.", self.consents.into()),
			(counter, "opened_total", "Channels opened by authorisation.", self.opened.into()),
			(
				counter,
				"openings_failed_total",
				"Transactions that should have opened a channel and failed.",
				self.openings_failed.into(),
			),
			(
				counter,
				"lost_units_total",
				"Earned on channels that have ended, and not paid, at most.",
				self.lost,
			),
			(
				counter,
				"ended_unread_total",
				"Channels that had ended before they were read: what was lost is not known.",
				self.ended_unread.into(),
			),
			(gauge, "channels", "Channels with accepted payments.", self.channels.into()),
			(gauge, "vouchers", "Payments accepted on these channels.", self.vouchers.into()),
			(gauge, "earned_units", "Earned on these channels.", self.earned),
			(gauge, "unsettled_units", "Earned and not settled yet.", self.unsettled),
			(gauge, "unpayable_units", "Not settled in time: lost.", self.unpayable),
			(gauge, "unsettled_limit_units", "What is settled at once.", limit),
		]
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn flush_times_should_be_counted_in_classes() {
		let flushes = Flushes::default();
		for micros in [100, 101, 1_000_000, 2_000_001] {
			flushes.note(Duration::from_micros(micros));
		}
		let text = flushes.to_prometheus();
		for line in [
			"stoa_gateway_flush_seconds_bucket{le=\"0.000100\"} 1\n",
			"stoa_gateway_flush_seconds_bucket{le=\"0.000250\"} 2\n",
			"stoa_gateway_flush_seconds_bucket{le=\"1.000000\"} 3\n",
			"stoa_gateway_flush_seconds_bucket{le=\"+Inf\"} 4\n",
			"stoa_gateway_flush_seconds_sum 3.000202\n",
			"stoa_gateway_flush_seconds_count 4\n",
		] {
			assert!(text.contains(line), "{line} {text}");
		}
	}
}
