//! The calls: real HTTP through the gateway, one voucher or one tick for each.

use super::{
	api::{self, Statistics},
	documents::{contradiction, document},
	ledger::Latency,
};
use crate::{
	context::{open_store, STORE_PATIENCE},
	keys::KeyPair,
	output::Failure,
};
use std::{
	path::Path,
	sync::{
		atomic::{AtomicU64, Ordering},
		Arc,
	},
	time::{Duration, Instant},
};
use stoa_client::{
	chain::{Chain, ChannelInfo},
	http::{HttpPolicy, PaidClient},
	payer::{Payer, Policy},
};
use stoa_primitives::Balance;

/// Of how many calls one answer is compared with the text by other means.
const SAMPLE: u64 = 20;

/// Failed calls of one consumer after which it gives up.
const MAX_ERRORS: u64 = 10;

/// What one consumer has seen.
pub struct Tally {
	/// Calls that were answered.
	pub answered: u64,
	/// Answers that came with a receipt signed by the provider for exactly this call and answer.
	pub receipts: u64,
	/// Calls that failed.
	pub errors: u64,
	/// Why the first of them failed.
	pub first_error: Option<String>,
	/// Answers that were recounted.
	pub sampled: u64,
	/// Answers that were wrong.
	pub wrong: u64,
	/// The cumulative amount of the last voucher or tick, as the store has it.
	pub signed: Balance,
	/// Response times.
	pub latency: Latency,
}

/// What a consumer calls, and how often.
pub struct Task {
	/// Place among the consumers, from 0.
	pub place: usize,
	/// The gateway, as `http://host:port`.
	pub gateway: String,
	/// Price of a call, which is also the most that it may cost.
	pub price: Balance,
	/// How many calls to make.
	pub calls: u32,
	/// Answered calls of all consumers so far, for the display.
	pub progress: Arc<AtomicU64>,
}

impl Task {
	/// Whether the consumer pays by ticks: every second one does, so that both ways are seen side by side.
	fn by_tick(&self) -> bool {
		!self.place.is_multiple_of(2)
	}
}

/// Make the calls of one consumer, one after the other.
///
/// # Errors
///
/// When the consumer cannot start. Failed calls are counted.
pub async fn consume(
	chain: Chain,
	consumer: KeyPair,
	channel: ChannelInfo,
	store: &Path,
	task: Task,
) -> Result<Tally, Failure> {
	let store = open_store(store, STORE_PATIENCE).await?;
	let payer = Payer::new(store, chain.genesis(), Policy::per_call(task.price))?;
	payer.add_channel(&channel, consumer.voucher.clone()).await?;
	let policy = HttpPolicy {
		asset: Some(channel.asset.clone()),
		payees: Some(vec![channel.payee.clone()]),
		ticks: task.by_tick(),
		..HttpPolicy::new(task.price)
	};
	let client = PaidClient::new(payer.clone(), Arc::new(chain), policy)?;
	let url = format!("{}{}", task.gateway, api::PATH);
	let mut tally = Tally {
		answered: 0,
		receipts: 0,
		errors: 0,
		first_error: None,
		sampled: 0,
		wrong: 0,
		signed: 0,
		latency: Latency::new()?,
	};
	for call in 0..u64::from(task.calls) {
		let text = document(task.place, call);
		let started = Instant::now();
		let outcome = client.post(&url, "text/plain; charset=utf-8", text.clone()).await;
		let took = started.elapsed();
		let failed = match outcome {
			Ok(answer) if answer.status == 200 && answer.paid == task.price => {
				tally.latency.record(took);
				tally.answered = tally.answered.saturating_add(1);
				task.progress.fetch_add(1, Ordering::Relaxed);
				if answer.receipt.is_some() {
					tally.receipts = tally.receipts.saturating_add(1);
				}
				judge(&mut tally, call, &text, &answer.body);
				continue;
			},
			Ok(answer) => format!("status {}, paid {} units", answer.status, answer.paid),
			Err(error) => error.to_string(),
		};
		tally.errors = tally.errors.saturating_add(1);
		tally.first_error.get_or_insert(failed);
		if tally.errors >= MAX_ERRORS {
			break;
		}
		tokio::time::sleep(Duration::from_millis(100)).await;
	}
	let channels = payer.channels();
	tally.signed =
		channels.iter().find(|known| known.id == channel.id).map_or(0, |known| known.signed);
	Ok(tally)
}

/// Every answer must be statistics; some are recounted.
fn judge(tally: &mut Tally, call: u64, text: &str, body: &[u8]) {
	let Ok(statistics) = serde_json::from_slice::<Statistics>(body) else {
		tally.wrong = tally.wrong.saturating_add(1);
		return;
	};
	if call.is_multiple_of(SAMPLE) {
		tally.sampled = tally.sampled.saturating_add(1);
		if let Some(why) = contradiction(text, &statistics) {
			tracing::error!("the answer to call {call} is wrong: {why}");
			tally.wrong = tally.wrong.saturating_add(1);
		}
	}
}

#[cfg(test)]
mod tests {
	use super::{super::api::statistics, *};

	fn tally() -> Tally {
		Tally {
			answered: 0,
			receipts: 0,
			errors: 0,
			first_error: None,
			sampled: 0,
			wrong: 0,
			signed: 0,
			latency: Latency::new().unwrap(),
		}
	}

	#[test]
	fn answers_should_be_judged_by_the_text_that_was_sent() {
		let text = document(0, 0);
		let right = serde_json::to_vec(&statistics(&text)).unwrap();
		let other = serde_json::to_vec(&statistics(&document(0, 1))).unwrap();
		let mut tally = tally();
		judge(&mut tally, 0, &text, &right);
		assert_eq!((tally.sampled, tally.wrong), (1, 0));
		judge(&mut tally, 0, &text, &other);
		assert_eq!((tally.sampled, tally.wrong), (2, 1));
		judge(&mut tally, 1, &text, b"no JSON");
		assert_eq!((tally.sampled, tally.wrong), (2, 2));
	}
}
