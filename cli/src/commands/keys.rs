//! `stoa keys`.

use crate::{
	cli::Keys,
	context::Context,
	keys::KeyPair,
	output::{note, table, write_out, Failure, Report},
};
use serde_json::json;
use std::io::{self, IsTerminal};

/// Run a command of `stoa keys`; `None` when it has printed its result itself.
///
/// # Errors
///
/// Those of the key files.
pub fn run(context: &Context, command: &Keys) -> Result<Option<Report>, Failure> {
	let report = match command {
		Keys::New { name } => {
			create(context, name)?;
			return Ok(None);
		},
		Keys::Import { name } => {
			if io::stdin().is_terminal() {
				note("Type the mnemonic or seed, then Enter:");
			}
			let mut secret = String::new();
			io::stdin().read_line(&mut secret).map_err(|error| {
				Failure::new(
					format!("standard input cannot be read: {error}"),
					"pipe the mnemonic in, or type it",
				)
			})?;
			let pair = context.ring().import(name, &secret)?;
			describe(Report::line(format!("Stored the key `{name}`.")), &pair)
		},
		Keys::List => list(context)?,
		Keys::Show { name } => {
			let pair = context.ring().get(name)?;
			describe(Report::line(format!("Key `{name}`")), &pair)
		},
	};
	Ok(Some(report))
}

/// Make a key and print it. A key whose mnemonic nobody could read is removed again.
fn create(context: &Context, name: &str) -> Result<(), Failure> {
	let (pair, mnemonic) = context.ring().create(name)?;
	let report = Report::line(format!(
		"Made the key `{name}`. Write down its mnemonic now: it is stored nowhere and will not be \
		 shown again."
	));
	let report = describe(report.row("mnemonic", "mnemonic", mnemonic), &pair);
	write_out(report.render(context.format()).as_bytes()).map_err(|error| {
		let left = match context.ring().remove(name) {
			Ok(()) => "no key was kept".into(),
			Err(failure) => failure.to_string(),
		};
		Failure::new(
			format!("the mnemonic cannot be written: {error}; {left}"),
			"let standard output go to a terminal, or to a file on a disk that is not full",
		)
	})
}

fn describe(report: Report, pair: &KeyPair) -> Report {
	report
		.with("name", pair.name.clone())
		.row("address", "address", pair.address())
		.row("account", "account", format!("0x{}", hex::encode(pair.account_id())))
		.row("voucher key", "voucher_key", pair.voucher_hex())
}

fn list(context: &Context) -> Result<Report, Failure> {
	let mut rows = Vec::new();
	let mut keys = Vec::new();
	for name in context.ring().names()? {
		// One damaged file must not hide the others.
		match context.ring().find(&name) {
			Ok(Some(pair)) => {
				keys.push(json!({
					"name": name,
					"address": pair.address(),
					"voucher_key": pair.voucher_hex(),
				}));
				rows.push(vec![name, pair.address(), pair.voucher_hex()]);
			},
			Ok(None) => {},
			Err(failure) => {
				keys.push(json!({ "name": name, "error": failure.to_string() }));
				rows.push(vec![name, failure.to_string(), String::new()]);
			},
		}
	}
	let report = match rows.is_empty() {
		true => Report::line("No keys yet. Make one with `stoa keys new NAME`."),
		false => {
			Report { text: table(&["name", "address", "voucher key"], &rows), ..Report::default() }
		},
	};
	Ok(report.with("keys", keys))
}
