//! Finding the channels of an account again whose store was lost.

use crate::{
	context::{show_asset, Context},
	keys::key_hex,
	output::{table, Failure, Report},
	paying::{unknown_key, Wallet},
	time::seconds_now,
};
use serde_json::{json, Value};
use std::{
	collections::{BTreeMap, HashMap},
	time::Duration,
};
use stoa_client::{
	chain::{to_hex, Chain, ChannelInfo, PayerChain, SignedChain, SubmitOptions},
	http::{address_of, terms_of, HttpPayees},
	keys::{format_account, VoucherKey},
	payer::{recovery::Recovered, Policy},
};
use stoa_primitives::{channel::ChannelId, AccountId};

/// What became of one channel.
struct Found {
	info: ChannelInfo,
	/// How many lanes the payee has shown a proof for.
	proven: usize,
	problem: Option<String>,
}

/// `stoa channel recover`. The failure is that not everything could be found out.
///
/// # Errors
///
/// Those of keys, stores and chain.
pub async fn recover(
	context: &Context,
	sellers: &[String],
	timeout: u64,
) -> Result<(Report, Option<Failure>), Failure> {
	let key = context.key()?;
	let timeout = Duration::from_secs(timeout);
	let chain = context.chain().await?;
	let mut wallet = Wallet::open(context, &chain, key, Policy::per_call(0)).await?;
	let (addresses, mut problems) = addresses(context, &wallet, sellers, timeout).await?;
	let payees = HttpPayees::new(addresses.clone(), timeout)?;
	let account = wallet.key.account_id();
	let signed =
		SignedChain::new(chain.clone(), wallet.key.account.clone(), SubmitOptions::default());
	let channels = signed.channels_of(account.clone()).await?;

	let (keys, mut found) = sort(&mut wallet, channels)?;
	let mut outcomes: HashMap<ChannelId, Recovered> = HashMap::new();
	for voucher in keys.values() {
		let time = seconds_now();
		let recovered = wallet.payer.recover(&account, voucher, &signed, &payees, time).await?;
		outcomes.extend(recovered.into_iter().map(|outcome| (outcome.channel, outcome)));
	}
	for one in &mut found {
		if let Some(outcome) = outcomes.remove(&one.info.id) {
			one.proven = outcome.proven;
			one.problem = outcome.problem.map(|problem| advise(problem, &one.info, &addresses));
		}
	}
	remember(&wallet, &found, &addresses);
	problems.extend(found.iter().filter_map(|one| one.problem.clone()));
	let report = report(context, &chain, &wallet, &found).await?;
	let report = report.with("problems", problems.clone());
	let failure = problems.first().map(|first| {
		Failure::new(
			match problems.len() {
				1 => first.clone(),
				n => format!("{first}; and {} more", n.saturating_sub(1)),
			},
			"channels that are listed can be used all the same; run this again once it is put right",
		)
		.with("problems", problems.clone())
	});
	Ok((report, failure))
}

/// Where payees can be asked: those that are named, and those that are known. A seller that does not answer
/// is a problem that hides no other.
async fn addresses(
	context: &Context,
	wallet: &Wallet<'_>,
	sellers: &[String],
	timeout: Duration,
) -> Result<(HashMap<AccountId, String>, Vec<String>), Failure> {
	let mut addresses: HashMap<_, _> = wallet.sellers().all().collect();
	let mut problems = Vec::new();
	for url in sellers {
		let address = address_of(url)?;
		context.progress(&format!("asking {address} who it is"));
		match terms_of(&address, timeout).await {
			Ok(terms) => {
				addresses.insert(terms.payee, address);
			},
			Err(error) => problems.push(format!("{address} does not say who it is: {error}")),
		}
	}
	Ok((addresses, problems))
}

/// The voucher keys that the channels name, and the channels themselves. A channel whose key is none of this
/// account's is found, and of no use here.
fn sort(
	wallet: &mut Wallet<'_>,
	channels: Vec<ChannelInfo>,
) -> Result<(BTreeMap<u32, VoucherKey>, Vec<Found>), Failure> {
	let (mut keys, mut found) = (BTreeMap::new(), Vec::new());
	for info in channels {
		let problem = match wallet.key.vouchers.find(&info.key) {
			Some((number, voucher)) => {
				wallet.learn(number)?;
				keys.insert(number, voucher);
				None
			},
			None => Some(unknown_key(&info)),
		};
		found.push(Found { info, proven: 0, problem });
	}
	Ok((keys, found))
}

/// What kept a payee from being asked, with its channel and what to do.
fn advise(problem: String, info: &ChannelInfo, addresses: &HashMap<AccountId, String>) -> String {
	let (id, payee) = (to_hex(info.id), format_account(&info.payee));
	match addresses.get(&info.payee) {
		Some(address) if info.changes.key.is_some() => format!(
			"channel {id}: {address}: {problem}; the key was replaced of late, which it may not know yet"
		),
		Some(address) => format!("channel {id}: {address}: {problem}"),
		None => format!(
			"channel {id}: it is not known where its payee {payee} can be asked, name it with --seller"
		),
	}
}

/// Keep where sellers have shown what carries our own signatures.
fn remember(wallet: &Wallet<'_>, found: &[Found], addresses: &HashMap<AccountId, String>) {
	let mut sellers = wallet.sellers();
	for one in found.iter().filter(|one| one.proven > 0) {
		if let Some(address) = addresses.get(&one.info.payee) {
			sellers.remember(&one.info.payee, address);
		}
	}
}

async fn report(
	context: &Context,
	chain: &Chain,
	wallet: &Wallet<'_>,
	found: &[Found],
) -> Result<Report, Failure> {
	let address = wallet.key.address();
	let mut rows = Vec::new();
	let mut channels: Vec<Value> = Vec::new();
	for Found { info, proven, problem } in found {
		let unit = context.unit_of(chain, &info.asset).await?;
		let known = wallet.payer.channel(&info.id);
		let signed = known.as_ref().map(|known| known.signed);
		let show = |amount| unit.show(amount);
		rows.push(vec![
			to_hex(info.id),
			format_account(&info.payee),
			show(info.deposit),
			signed.map_or("-".into(), show),
			proven.to_string(),
			problem.as_ref().map_or("found", |_| "problem").into(),
		]);
		channels.push(json!({
			"channel": to_hex(info.id),
			"payee": format_account(&info.payee),
			"asset": show_asset(&info.asset),
			"deposit": crate::output::money(&unit, info.deposit),
			"signed": signed.map(|amount| crate::output::money(&unit, amount)),
			"usable": known.is_some_and(|known| known.usable),
			"voucher_key": key_hex(&info.key),
			"lanes_proven": proven,
			"problem": problem,
		}));
	}
	let head = ["channel", "payee", "deposit", "signed", "lanes proven", "state"];
	let report = match found.is_empty() {
		true => Report::line(format!("{address} has no channels that it pays through.")),
		false => Report { text: table(&head, &rows), ..Report::default() },
	};
	Ok(report.with("account", address).with("channels", channels))
}

#[cfg(test)]
mod tests {
	use super::{super::sample, *};

	#[test]
	fn problems_should_name_the_channel_and_where_it_was_asked() {
		let info = sample::channel();
		let asked = HashMap::from([(info.payee.clone(), "http://x".to_string())]);
		let problem = advise("no answer".into(), &info, &asked);
		assert!(problem.contains("0x0909") && problem.contains("http://x: no answer"), "{problem}");
		let mut rotated = info.clone();
		rotated.changes.key = Some((info.key, 7));
		assert!(advise("no answer".into(), &rotated, &asked).contains("replaced of late"));
		let unknown = advise("unknown".into(), &info, &HashMap::new());
		assert!(unknown.contains("--seller"), "{unknown}");
	}
}
