//! Ticks: checked, and accepted durably.

use crate::{
	chain::{start_payee, Channels},
	report::Report,
	rounds::{beside, measure as in_turns, Case},
	Scale,
};
use futures::future::join_all;
use sp_crypto_hashing::blake2_256;
use std::{collections::VecDeque, time::Instant};
use stoa_client::{
	chain::ChainView,
	keys::VoucherKey,
	payee::{Payee, TickPayment, TickVerdict},
	ticks::{SignedCommit, TickChain},
	voucher::LaneKey,
};
use stoa_primitives::{
	channel::ChannelId,
	payload::{Domain, TickCommit},
	tick::{hash, MAX_TICKS},
	Balance,
};
use tempfile::TempDir;
use tokio::{
	runtime::{Builder, Runtime},
	task::JoinHandle,
};

const SECTION: &str = "Ticks";
/// How many arrive at a time.
const BATCH: usize = 1_024;
/// How many batches may wait for the disk.
const AHEAD: usize = 64;
/// What a tick pays.
const PRICE: Balance = 100;

/// Measures and reports.
pub fn measure(report: &mut Report, scale: &Scale) {
	let bytes: Vec<[u8; 53]> = (0..=255).map(|n| [n; 53]).collect();
	let ticks: Vec<([u8; 16], u32, [u8; 32])> =
		(0..=255u8).map(|n| ([n; 16], n.into(), [n; 32])).collect();
	let [alone, checked] = in_turns(
		scale,
		[
			Case::new("bare", &bytes, |bytes| blake2_256(bytes)),
			Case::new("checked", &ticks, |(prefix, index, tick)| hash(prefix, *index, tick)),
		],
	);
	report.time(SECTION, "bare blake2b-256 of 53 bytes", alone);
	report.time(SECTION, "tick checked (`tick::hash`)", checked);

	for (run, name) in [(64, "in runs of 64 on a lane"), (1, "one of each lane in turn")] {
		let mut load = Load::new(scale, run);
		let rounds = 0..scale.rounds.div_ceil(2);
		let bare = Case::new("bare", &bytes, |bytes| blake2_256(bytes));
		let (found, alone) = beside(scale, bare, rounds.map(|_| load.round()));
		report.time(SECTION, format!("tick accepted durably, {name}"), found);
		let name = format!("tick accepted durably, {name}, × bare blake2b rate");
		report.at_least(name, 0.5, alone / found);
	}
}

/// Lanes on which somebody pays by ticks, and a payee with a store on disk.
struct Load {
	runtime: Runtime,
	key: VoucherKey,
	domain: Domain,
	lanes: Vec<(ChannelId, u32)>,
	/// How many ticks of a lane follow each other.
	run: usize,
	/// How many commitments each lane has had.
	commitments: Balance,
	payee: Payee,
	_dir: TempDir,
}

impl Load {
	fn new(scale: &Scale, run: usize) -> Self {
		let runtime =
			Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
		let channels = Channels::new(4);
		let (key, domain) = (channels.key.clone(), Domain::channels(channels.genesis()));
		let mut lanes = channels.lanes();
		lanes.truncate(scale.ticks / MAX_TICKS as usize);
		let (payee, _dir) = runtime.block_on(start_payee(channels));
		let mut load = Self { runtime, key, domain, lanes, run, commitments: 0, payee, _dir };
		// The store's file grows at first.
		load.round();
		load
	}

	/// What one tick takes when each is acknowledged once it is on disk. The commitments' signatures, one
	/// for 1,024 ticks, are checked on the way.
	fn round(&mut self) -> f64 {
		let turn = Turn::new(self);
		self.commitments += 1;
		let payee = &self.payee;
		self.runtime.block_on(async move {
			let start = Instant::now();
			let paid = turn.pay(payee).await;
			start.elapsed().as_secs_f64() / paid as f64
		})
	}
}

/// What the payers send.
struct Turn {
	commits: Vec<SignedCommit>,
	payments: Vec<TickPayment>,
}

impl Turn {
	fn new(load: &Load) -> Self {
		let Load { key, domain, lanes, run, commitments, .. } = load;
		let base = PRICE * Balance::from(MAX_TICKS) * commitments;
		let chains: Vec<_> = lanes.iter().map(|_| TickChain::random(MAX_TICKS).0).collect();
		let commits = lanes.iter().zip(&chains).map(|((channel, lane), chain)| {
			let commit = TickCommit {
				channel: *channel,
				lane: *lane,
				base,
				value: PRICE,
				count: chain.count(),
				prefix: chain.prefix(),
				root: chain.root(),
				valid_until: 0,
			};
			SignedCommit::sign(commit, key, domain)
		});
		let indices: Vec<u32> = (1..=MAX_TICKS).collect();
		let payments = indices.chunks(*run).flat_map(|indices| {
			lanes.iter().zip(&chains).flat_map(|((channel, lane), chain)| {
				let at = LaneKey { channel: *channel, lane: *lane };
				indices.iter().filter_map(move |index| {
					let tick = chain.tick(*index)?;
					Some(TickPayment { at, index: *index, tick, price: PRICE, request: [7; 32] })
				})
			})
		});
		let (commits, payments) = (commits.collect(), payments.collect());
		Self { commits, payments }
	}

	async fn pay(self, payee: &Payee) -> usize {
		// As from payers that know nothing of each other.
		for opened in join_all(self.commits.iter().map(|commit| payee.open_ticks(commit))).await {
			opened.expect("the store works").expect("it is good");
		}
		let mut flushes: VecDeque<JoinHandle<()>> = VecDeque::new();
		let mut verdicts = Vec::with_capacity(BATCH);
		for batch in self.payments.chunks(BATCH) {
			verdicts.clear();
			let ticket = payee.accept_ticks(batch, &mut verdicts);
			assert!(
				verdicts.iter().all(|verdict| *verdict == TickVerdict::Fresh),
				"{:?}",
				verdicts[0]
			);
			let payee = payee.clone();
			flushes.push_back(tokio::spawn(async move {
				payee.flush(&ticket).await.expect("the store works");
			}));
			tokio::task::yield_now().await;
			if flushes.len() > AHEAD {
				if let Some(first) = flushes.pop_front() {
					first.await.expect("no flush panics");
				}
			}
		}
		for flush in flushes {
			flush.await.expect("no flush panics");
		}
		self.payments.len()
	}
}
