//! `stoa deposit`, `withdraw`, `balances` and `pay`.

use super::included;
use crate::{
	amount::Unit,
	cli::{Balances, Deposit, Pay, Withdraw},
	context::Context,
	output::{money, Failure, Report},
};
use sp_crypto_hashing::blake2_256;
use stoa_client::{
	chain::{calls, parse_hash, At, MarketEvent},
	keys::format_account,
};
use stoa_primitives::{AssetId, Balance};

/// Run `stoa deposit`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn deposit(context: &Context, args: &Deposit) -> Result<Report, Failure> {
	let key = context.key()?;
	let beneficiary = context.account_or_own(args.beneficiary.as_deref())?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let amount = unit.parse_positive(&args.amount)?;
	let call = calls::deposit(unit.asset.clone(), amount, beneficiary.clone());
	let submitted = context.submit(&chain, &call, &key).await?;
	let address = format_account(&beneficiary);
	let report = Report::line(format!("Deposited {} for {address}.", unit.show(amount)))
		.with("amount", money(&unit, amount))
		.with("beneficiary", address);
	Ok(included(context, &chain, report, &submitted).await)
}

/// Run `stoa withdraw`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn withdraw(context: &Context, args: &Withdraw) -> Result<Report, Failure> {
	let key = context.key()?;
	let to = context.account_or_own(args.to.as_deref())?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let call = if args.amount == "all" {
		calls::withdraw_all(unit.asset.clone(), to.clone())
	} else {
		calls::withdraw(unit.asset.clone(), unit.parse_positive(&args.amount)?, to.clone())
	};
	let submitted = context.submit(&chain, &call, &key).await?;
	let amount = submitted
		.events
		.iter()
		.find_map(|event| match event {
			MarketEvent::Withdrawn { amount, .. } => Some(*amount),
			_ => None,
		})
		.ok_or_else(|| {
			Failure::new("the chain does not say what was withdrawn", "see `stoa balances`")
		})?;
	let address = format_account(&to);
	let report = Report::line(format!("Withdrew {} to {address}.", unit.show(amount)))
		.with("amount", money(&unit, amount))
		.with("to", address);
	Ok(included(context, &chain, report, &submitted).await)
}

/// Run `stoa balances`.
///
/// # Errors
///
/// Those of keys and chain.
pub async fn balances(context: &Context, args: &Balances) -> Result<Report, Failure> {
	let account = context.account_or_own(args.account.as_deref())?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	// One block for all figures.
	let block = chain.block(At::Best).await?;
	let at = At::Hash(block.hash);
	let native = chain.native_balance(&account, at).await?;
	let stoa = Unit::native();
	let address = format_account(&account);
	let mut report = Report::line(format!("Balances of {address} at block {}", block.number))
		.with("account", address)
		.with("block", block.number)
		.money("native, free", "native_free", &stoa, native.free)
		.money("native, held", "native_reserved", &stoa, native.reserved);
	if let AssetId::WithId(id) = unit.asset {
		let held = chain.asset_balance(&account, id, at).await?;
		report = report.money("asset", "asset", &unit, held);
		let credits = chain.credits(&account, &AssetId::Native, at).await?;
		if credits > 0 {
			report = report.money("credits", "credits_native", &stoa, credits);
		}
	}
	let credits = chain.credits(&account, &unit.asset, at).await?;
	let channels = chain.channels(at).await?;
	let own = channels.iter().filter(|info| info.payer == account && info.asset == unit.asset);
	let locked = own.map(|info| info.deposit.saturating_sub(info.settled));
	let locked = locked.fold(0, Balance::saturating_add);
	Ok(report.money("credits", "credits", &unit, credits).money(
		"in channels",
		"in_channels",
		&unit,
		locked,
	))
}

/// Run `stoa pay`.
///
/// # Errors
///
/// Those of keys, amounts and chain.
pub async fn pay(context: &Context, args: &Pay) -> Result<Report, Failure> {
	let key = context.key()?;
	let provider = context.account(&args.provider)?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let amount = unit.parse_positive(&args.amount)?;
	let reference = reference(&args.reference);
	let call = calls::pay(provider.clone(), unit.asset.clone(), amount, reference);
	let submitted = context.submit(&chain, &call, &key).await?;
	let address = format_account(&provider);
	let report = Report::line(format!("Paid {} to {address}, fees included.", unit.show(amount)))
		.with("amount", money(&unit, amount))
		.with("provider", address)
		.row("reference", "reference", format!("0x{}", hex::encode(reference)));
	Ok(included(context, &chain, report, &submitted).await)
}

/// 32 bytes of hex as they are, of any other text the hash; nothing is all zeros.
fn reference(text: &str) -> [u8; 32] {
	let hex = text.starts_with("0x").then(|| parse_hash(text)).flatten();
	match hex {
		Some(reference) => reference,
		None if text.is_empty() => [0; 32],
		None => blake2_256(text.as_bytes()),
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn references_should_be_hex_or_hashed() {
		assert_eq!(reference(""), [0; 32]);
		assert_eq!(reference(&format!("0x{}", "07".repeat(32))), [7; 32]);
		assert_eq!(reference("invoice-7"), blake2_256(b"invoice-7"));
		assert_ne!(reference("0x07"), [0; 32]);
	}
}
