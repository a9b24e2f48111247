//! Vouchers: signed, checked, and accepted durably.

use crate::{
	chain::{config, start_payee, Channels},
	report::Report,
	rounds::{beside, measure as in_turns, Case},
	Scale,
};
use ed25519_zebra::{Signature, VerificationKey};
use futures::future::join_all;
use std::time::Instant;
use stoa_client::{
	chain::{At, ChainView},
	keys::VoucherKey,
	payee::{machine::Machine, Accepted, Assessment, Payee},
	verify::{verify_all, Check, MAX_GROUP},
	voucher::SignedVoucher,
};
use stoa_primitives::{
	channel::ChannelId,
	keys::{Key, KeySignature},
	payload::{Domain, Payload, Voucher},
	Balance,
};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

const SECTION: &str = "Vouchers";
/// What a voucher pays.
const PRICE: Balance = 100;
/// How many are checked in one turn of the loop.
const INPUTS: usize = 256;

/// A voucher as its parts: what a bare verifier gets.
struct Bare {
	key: [u8; 32],
	message: Vec<u8>,
	signature: [u8; 64],
}

impl Bare {
	fn new(signed: &SignedVoucher, key: &Key, domain: &Domain) -> Self {
		let (Key::Ed25519(key), KeySignature::Ed25519(signature)) = (*key, signed.signature) else {
			unreachable!("the key is ed25519")
		};
		Self { key, message: signed.voucher.to_bytes(domain), signature }
	}

	fn verify(&self) -> bool {
		let key = VerificationKey::try_from(self.key).expect("the key is a point");
		key.verify(&Signature::from(self.signature), &self.message).is_ok()
	}
}

/// Measures and reports.
///
/// # Panics
///
/// When something is refused that is good.
pub fn measure(report: &mut Report, scale: &Scale) {
	let channels = Channels::new(1);
	let domain = Domain::channels(channels.genesis());
	let key = channels.key.key();
	let lanes = channels.lanes();
	let vouchers: Vec<Voucher> = (0..INPUTS)
		.map(|n| Voucher {
			channel: lanes[0].0,
			lane: lanes[n].1,
			cumulative: PRICE,
			valid_until: 0,
		})
		.collect();
	let signed: Vec<_> =
		vouchers.iter().map(|voucher| channels.key.sign_voucher(*voucher, &domain)).collect();
	let bare: Vec<_> = signed.iter().map(|signed| Bare::new(signed, &key, &domain)).collect();
	assert!(bare.iter().all(Bare::verify) && signed.iter().all(|s| s.verify(&key, &domain)));
	let checks: Vec<_> = signed
		.iter()
		.map(|signed| Check {
			key,
			message: signed.voucher.to_bytes(&domain),
			signature: signed.signature,
		})
		.collect();
	let fresh = || {
		let mut machine = Machine::new(config().rules, domain);
		let info = futures::executor::block_on(channels.channel(lanes[0].0, At::Best))
			.expect("the chain answers");
		machine.sync(lanes[0].0, 1, 1, info.clone(), info.as_ref());
		machine
	};
	let accept = || {
		let mut machine = fresh();
		for signed in &signed {
			let Assessment::Fresh(record) = machine.assess(signed, PRICE, &[7; 32], 1) else {
				panic!("a good voucher is refused")
			};
			assert!(machine.apply(record));
		}
		signed.len()
	};

	let [alone, checked, accepted, grouped, made] = in_turns(
		scale,
		[
			Case::new("bare", &bare, Bare::verify),
			Case::new("checked", &signed, |signed| signed.verify(&key, &domain)),
			Case::many("accepted", accept),
			Case::many("grouped", || {
				assert!(checks.chunks(MAX_GROUP).flat_map(verify_all).all(|good| good));
				checks.len()
			}),
			Case::new("made", &vouchers, |voucher| channels.key.sign_voucher(*voucher, &domain)),
		],
	);
	report.time(SECTION, "bare ed25519 verification (ed25519-zebra) of 96 bytes", alone);
	report.time(SECTION, "voucher checked (`SignedVoucher::verify`)", checked);
	report.time(SECTION, "voucher accepted by the payee's machine, in memory", accepted);
	report.time(
		SECTION,
		format!("signature checked in groups of {MAX_GROUP} (`verify_all`)"),
		grouped,
	);
	report.time(SECTION, "voucher signed by the payer", made);
	report.at_least("voucher accepted by the machine, × bare ed25519 rate", 0.9, alone / accepted);

	let mut load = Load::new(scale);
	let one = load.one_at_a_time();
	report.time(SECTION, "voucher accepted durably, one call at a time", one);
	let rounds = 0..scale.rounds.div_ceil(2);
	let bare = Case::new("bare", &bare, Bare::verify);
	let (durable, alone) = beside(scale, bare, rounds.map(|_| load.round(scale)));
	report.time(SECTION, "voucher accepted durably, 512 calls at a time", durable);
	report.at_least(
		"voucher accepted durably under load, × bare ed25519 rate",
		1.5,
		alone / durable,
	);
}

/// 512 lanes on which somebody pays, and a payee with a store on disk.
struct Load {
	runtime: Runtime,
	key: VoucherKey,
	domain: Domain,
	/// Each with the number of vouchers that were paid.
	lanes: Vec<(ChannelId, u32, Balance)>,
	payee: Payee,
	_dir: TempDir,
}

impl Load {
	fn new(scale: &Scale) -> Self {
		let runtime =
			Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
		let channels = Channels::new(2);
		let (key, domain) = (channels.key.clone(), Domain::channels(channels.genesis()));
		let lanes =
			channels.lanes().into_iter().map(|(channel, lane)| (channel, lane, 0)).collect();
		let (payee, _dir) = runtime.block_on(start_payee(channels));
		let mut load = Self { runtime, key, domain, lanes, payee, _dir };
		// The store's file grows at first.
		load.round(scale);
		load
	}

	/// The next vouchers of each lane.
	fn sign(&mut self, each: usize) -> Vec<Vec<SignedVoucher>> {
		let (key, domain) = (&self.key, &self.domain);
		let lanes = self.lanes.iter_mut().map(|(channel, lane, paid)| {
			let next = |_| {
				*paid += 1;
				let cumulative = PRICE * *paid;
				let voucher =
					Voucher { channel: *channel, lane: *lane, cumulative, valid_until: 0 };
				key.sign_voucher(voucher, domain)
			};
			(0..each).map(next).collect()
		});
		lanes.collect()
	}

	/// What one voucher takes when all lanes pay at a time, each as soon as its last voucher is on disk.
	fn round(&mut self, scale: &Scale) -> f64 {
		let lanes = self.sign(scale.vouchers / self.lanes.len());
		let payee = self.payee.clone();
		self.runtime.block_on(async move {
			let start = Instant::now();
			let calls =
				lanes.into_iter().map(|vouchers| tokio::spawn(pay(payee.clone(), vouchers)));
			let paid = join_all(calls).await.into_iter().map(|paid| paid.expect("no call panics"));
			let paid: usize = paid.sum();
			start.elapsed().as_secs_f64() / paid as f64
		})
	}

	/// What one voucher takes when nobody else pays: mostly the disk.
	fn one_at_a_time(&mut self) -> f64 {
		let vouchers = self.sign(32).swap_remove(0);
		// The others' numbers have risen as well, and nobody misses the vouchers.
		let payee = self.payee.clone();
		self.runtime.block_on(async move {
			let start = Instant::now();
			let paid = pay(payee, vouchers).await;
			start.elapsed().as_secs_f64() / paid as f64
		})
	}
}

async fn pay(payee: Payee, vouchers: Vec<SignedVoucher>) -> usize {
	for signed in &vouchers {
		let accepted = payee.accept(signed, PRICE, [7; 32]).await.expect("the store works");
		assert!(matches!(accepted, Accepted::Fresh(_)), "{accepted:?}");
	}
	vouchers.len()
}
