//! What `docs/costs.md` says a paid call costs is what the chain charges.
//!
//! After a change of weights or fees, write the table anew:
//!
//! ```sh
//! STOA_WRITE_COSTS=1 cargo test --package stoa-runtime costs
//! ```

use super::{fees::*, *};
use frame_support::dispatch::Pays;
use std::{fmt::Write, path::Path};

const CALLS: u128 = 3_000;
const BEGIN: &str = "<!-- Written by a test of the runtime: runtime/src/tests/costs.rs -->\n";
const END: &str = "<!-- end -->";

/// Transactions of one kind.
struct Row {
	name: &'static str,
	count: u128,
	/// Execution of one, in picoseconds, with base and extensions.
	picos: u128,
	/// Length of one.
	bytes: u128,
	/// Fee of one, in units of dUSD, each a millionth of a dollar.
	fee: Balance,
	/// What it would be if the platform's share did not cover it.
	covered: Option<Balance>,
}

/// Send a transaction whose fee is paid from dUSD credits, and read off what was charged.
fn charge(name: &'static str, count: u128, tx: UncheckedExtrinsic) -> Row {
	let bytes = tx.encoded_size() as u128;
	assert_eq!(in_block(tx), Ok(Ok(())), "{name}");
	let (_, asset, fee, _) = paid().expect("a fee was paid");
	assert_eq!(asset, Some(DUSD));
	let info = System::events()
		.into_iter()
		.rev()
		.find_map(|record| match record.event {
			RuntimeEvent::System(frame_system::Event::ExtrinsicSuccess { dispatch_info }) => {
				Some(dispatch_info)
			},
			_ => None,
		})
		.expect("it was executed");
	let picos = u128::from(info.weight.ref_time());
	// The formula of the docs, at multiplier 1: a tenth of a unit of STOA for a picosecond, 10⁵ for a
	// byte; 10⁶ are a unit of dUSD.
	let formula = (picos / 10 + bytes * 100_000) / 1_000_000;
	if info.pays_fee == Pays::No {
		assert_eq!(fee, 0, "{name}");
		return Row { name, count, picos, bytes, fee, covered: Some(formula) };
	}
	assert!(fee.abs_diff(formula) <= 1, "{name}: {fee} is not {formula}");
	Row { name, count, picos, bytes, fee, covered: None }
}

/// The transactions of the main job: three consumers, all four brought by one referrer.
fn main_job() -> Vec<Row> {
	let referrer = Person::new(1).registered_by(&charlie(), None);
	let brought = |person: Person, operator: &Person| {
		let referral = Referral::Account(referrer.account.clone());
		person.registered_by(operator, Some(referral)).with_credits(&DUSD, DOLLAR)
	};
	let provider = brought(Person::new(2), &bob());
	let consumers = [10, 11, 12].map(|n| brought(Person::new(n), &bob()));

	let mut rows = Vec::new();
	let mut channels = Vec::new();
	for (n, payer) in consumers.iter().enumerate() {
		let key = VoucherKey::ed25519(n as u8);
		let id = Channels::channel_id_of(payer.account.clone(), provider.account.clone(), DUSD);
		let call = open(&provider.account, &DUSD, DOLLAR / 2, key.key());
		rows.push(charge("open a channel", 3, transaction(payer, 0, call, FROM_DUSD)));
		channels.push(Channel { id, key });
	}
	rows.truncate(1);
	let items = channels.iter().map(|channel| channel.voucher(100_000)).collect();
	let tx = transaction(&provider, 0, settle(items), FROM_DUSD);
	rows.push(charge("settle all channels", 1, tx));
	let closes = channels.iter().map(|channel| close(channel.id, None).into()).collect();
	let calls = pallet_utility::Call::batch_all { calls: closes };
	let tx = transaction(&provider, 1, calls, FROM_DUSD);
	rows.push(charge("close all channels", 1, tx));
	rows
}

/// The table, and what it comes to for one call, in dollars.
fn table(rows: &[Row]) -> (String, f64) {
	let mut text = String::from(
		"| transactions | execution of one, ms | bytes of one | fee of one, $0.000001 | fee of all |\n\
		 |---|---|---|---|---|\n",
	);
	let mut sum = 0;
	for Row { name, count, picos, bytes, fee, covered } in rows {
		let millis = *picos as f64 / 1e9;
		let covered = covered.map_or_else(String::new, |fee| format!(" ({fee} covered)"));
		let of_all = count * fee;
		writeln!(text, "| {count} × {name} | {millis:.3} | {bytes} | {fee}{covered} | {of_all} |")
			.expect("a string");
		sum += count * fee;
	}
	let per_call = sum as f64 / 1e6 / CALLS as f64;
	writeln!(text, "| sum | | | | {sum} |").expect("a string");
	writeln!(text, "\n`{sum} / {CALLS} calls = ${per_call:.9} per call`").expect("a string");
	(text, per_call)
}

#[test]
fn the_costs_in_the_docs_should_be_those_of_the_chain() {
	run(|| {
		let (table, per_call) = table(&main_job());
		assert!(per_call < 0.000_001, "a call costs a millionth of a dollar or more:\n{table}");
		let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/costs.md");
		let text = std::fs::read_to_string(&path).expect("the docs are there");
		let (head, rest) = text.split_once(BEGIN).expect("the table has a beginning");
		let (old, tail) = rest.split_once(END).expect("the table has an end");
		if std::env::var_os("STOA_WRITE_COSTS").is_some() {
			std::fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).expect("it is ours");
		} else {
			assert_eq!(old, table, "write the docs anew, as the head of this file says");
		}
	});
}
