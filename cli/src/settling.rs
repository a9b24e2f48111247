//! What `stoa serve` and `stoa channel` share of settling: from what its fee is paid, which claims are
//! worth one, whose vouchers a store holds, and what came of it all.

use crate::{
	amount::Unit,
	context::{asset_argument, open_store, show_asset, Context},
	fees::{in_asset, FeeSource},
	keys::KeyPair,
	output::{money, tell, Failure, Format, Report},
};
use futures::{future::BoxFuture, stream, FutureExt, StreamExt, TryStreamExt};
use serde_json::{json, Value};
use sp_runtime::Permill;
use std::{
	path::Path,
	sync::{
		atomic::{AtomicBool, Ordering},
		Arc, Mutex, MutexGuard, PoisonError,
	},
	time::Duration,
};
use stoa_client::{
	agreement::SignedOpen,
	chain::{
		calls, opening_call, to_hex, At, BlockRef, Call, Chain, ChainError, ChainView, ChannelInfo,
		MarketEvent, OpeningChain, PairView, PayeeChain, Prospect, SettleOutcome, SignedChain,
		SubmitOptions, Submitted,
	},
	keys::format_account,
	settle::SettleReport,
	store::{Store, Table},
	voucher::LaneKey,
};
use stoa_primitives::{
	channel::{ChannelId, Item, Proof, MAX_BATCH},
	keys::KeySignature,
	money::MIN_PROVIDER_RATE,
	AccountId, AssetId, Balance, BlockNumber, H256,
};

/// How many channels of a store are looked up at the same time.
const PARALLEL_READS: usize = 16;

/// What settlements have come to, in units of the payee's asset but for the fees.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Sums {
	/// How many transactions there were.
	batches: u64,
	/// Before shares were taken.
	gross: Balance,
	/// What the payee received.
	received: Balance,
	/// What the transactions cost, by asset; `None` for native tokens.
	fees: Vec<(Option<AssetId>, Balance)>,
}

impl Sums {
	/// What one settlement has come to for `payee`.
	fn of(settled: &SettleReport, payee: &AccountId) -> Self {
		let mut sums = Self::default();
		for batch in &settled.batches {
			sums.add(batch, payee);
		}
		sums
	}

	fn add(&mut self, batch: &SettleOutcome, payee: &AccountId) {
		self.batches = self.batches.saturating_add(1);
		let gross = batch.claimed.iter().map(|claim| claim.amount);
		self.gross = gross.fold(self.gross, Balance::saturating_add);
		self.received = self.received.saturating_add(received(&batch.submitted, payee));
		let Some(fee) = &batch.submitted.fee else { return };
		match self.fees.iter_mut().find(|(asset, _)| *asset == fee.asset) {
			Some((_, sum)) => *sum = sum.saturating_add(fee.amount),
			None => self.fees.push((fee.asset.clone(), fee.amount)),
		}
	}

	/// The fees with their units.
	async fn fees(&self, context: &Context, chain: &Chain) -> Vec<(Unit, Balance)> {
		let mut fees = Vec::new();
		for (asset, amount) in &self.fees {
			fees.push((context.fee_unit(chain, asset.as_ref()).await, *amount));
		}
		fees
	}

	/// The sums for people.
	pub async fn line(&self, context: &Context, chain: &Chain, unit: &Unit) -> String {
		let mut line = format!(
			"{} in {} settlements, {} received",
			unit.show(self.gross),
			self.batches,
			unit.show(self.received)
		);
		for (unit, fee) in self.fees(context, chain).await {
			line.push_str(&format!(", {} fee", unit.show(fee)));
		}
		line
	}

	/// The sums for programs.
	pub async fn json(&self, context: &Context, chain: &Chain, unit: &Unit) -> Value {
		let fees = self.fees(context, chain).await;
		let fees: Vec<_> = fees.iter().map(|(unit, amount)| money(unit, *amount)).collect();
		json!({
			"settlements": self.batches,
			"gross": money(unit, self.gross),
			"received": money(unit, self.received),
			"fees": fees,
		})
	}
}

/// What `payee` received of the payments that an extrinsic made.
pub fn received(submitted: &Submitted, payee: &AccountId) -> Balance {
	let shares = submitted.events.iter().filter_map(|event| match event {
		MarketEvent::Settled { provider, shares, .. } if provider == payee => Some(shares.provider),
		_ => None,
	});
	shares.fold(0, Balance::saturating_add)
}

/// Says when something begins to fail and when it works again, and nothing in between.
struct Watch {
	/// For people, at the beginning of a sentence.
	what: &'static str,
	/// For programs.
	key: &'static str,
	failing: AtomicBool,
}

impl Watch {
	fn new(what: &'static str, key: &'static str) -> Self {
		Self { what, key, failing: AtomicBool::new(false) }
	}

	/// Takes note of an outcome: what to say of it, if anything.
	fn see(&self, error: Option<&ChainError>) -> Option<(String, Value)> {
		let failing = error.is_some();
		if self.failing.swap(failing, Ordering::Relaxed) == failing {
			return None;
		}
		let Self { what, key, .. } = self;
		Some(match error.cloned().map(Failure::from) {
			Some(failure) => (
				format!("{what} fails: {failure}. Vouchers are kept, and it is tried again."),
				json!({ *key: {
					"state": "failing", "cause": failure.cause, "advice": failure.advice
				} }),
			),
			None => (format!("{what} works again."), json!({ *key: { "state": "recovered" } })),
		})
	}
}

/// The chain as a payee uses it. Decides at each settlement from what the fee is paid, since credits
/// come and go, adds up what was settled, and says when that begins to fail.
pub struct Till {
	chain: Chain,
	key: KeyPair,
	fees: FeeSource,
	options: SubmitOptions,
	sums: Mutex<Sums>,
	format: Format,
	watched: AtomicBool,
	settling: Watch,
	reading: Watch,
}

impl Till {
	/// The till of `key`. What fails is told by whoever asked for it, until [`Till::watch`].
	pub fn new(
		chain: Chain,
		key: KeyPair,
		fees: FeeSource,
		options: SubmitOptions,
		format: Format,
	) -> Self {
		Self {
			chain,
			key,
			fees,
			options,
			sums: Mutex::default(),
			format,
			watched: AtomicBool::new(false),
			settling: Watch::new("Settling", "settling"),
			reading: Watch::new("Reading the chain", "reading"),
		}
	}

	/// Tell on standard error from now on, or no more, what fails.
	pub fn watch(&self, on: bool) {
		self.watched.store(on, Ordering::Relaxed);
	}

	/// All that was settled so far.
	pub fn sums(&self) -> Sums {
		self.locked().clone()
	}

	fn locked(&self) -> MutexGuard<'_, Sums> {
		// Nothing panics while the lock is held.
		self.sums.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// The chain with the key and with what pays the fee of `call`.
	async fn signed(&self, call: &Call) -> Result<SignedChain, ChainError> {
		let fee = self.fees.choose(&self.chain, &self.key.account, call).await?;
		let options = SubmitOptions { fee, ..self.options.clone() };
		Ok(SignedChain::new(self.chain.clone(), self.key.account.clone(), options))
	}

	fn see<T>(&self, watch: &Watch, outcome: Result<T, ChainError>) -> Result<T, ChainError> {
		if self.watched.load(Ordering::Relaxed) {
			if let Some((line, json)) = watch.see(outcome.as_ref().err()) {
				tell(self.format, &line, &json);
			}
		}
		outcome
	}
}

impl ChainView for Till {
	fn genesis(&self) -> H256 {
		self.chain.genesis()
	}

	fn caught_up(&self) -> BoxFuture<'_, Result<bool, ChainError>> {
		ChainView::caught_up(&self.chain)
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		async move { self.see(&self.reading, self.chain.block(at).await) }.boxed()
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		ChainView::block_by_number(&self.chain, number)
	}

	fn channel(
		&self,
		id: ChannelId,
		at: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		ChainView::channel(&self.chain, id, at)
	}
}

impl PayeeChain for Till {
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>> {
		async move {
			let call = calls::settle_batch(items.clone());
			let outcome = async { self.signed(&call).await?.settle(items).await }.await;
			let outcome = self.see(&self.settling, outcome)?;
			self.locked().add(&outcome, &self.key.account_id());
			Ok(outcome)
		}
		.boxed()
	}

	fn close(
		&self,
		channel: ChannelId,
		last: Option<Item>,
	) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move {
			let call = calls::close(channel, last);
			self.signed(&call).await?.close(channel, last).await
		}
		.boxed()
	}
}

/// A claim, to ask what its settlement costs.
pub fn sample_item() -> Item {
	let proof =
		Proof::Voucher { cumulative: 1, valid_until: 0, signature: KeySignature::Ed25519([0; 64]) };
	Item { channel: [0; 32], lane: 0, capture: None, proof }
}

/// A settlement of so many claims, of as many channels.
fn samples(claims: u32) -> Call {
	let item = |n: u32| {
		let mut item = sample_item();
		for (to, from) in item.channel.iter_mut().zip(n.to_be_bytes()) {
			*to = from;
		}
		item
	};
	calls::settle_batch((0..claims.clamp(1, MAX_BATCH)).map(item).collect())
}

impl PairView for Till {
	fn prospect(
		&self,
		payer: AccountId,
		payee: AccountId,
		asset: AssetId,
	) -> BoxFuture<'_, Result<Prospect, ChainError>> {
		self.chain.prospect(payer, payee, asset)
	}
}

impl OpeningChain for Till {
	fn open_authorized(&self, signed: SignedOpen) -> BoxFuture<'_, Result<Submitted, ChainError>> {
		async move { self.signed(&opening_call(&signed)).await?.open_authorized(signed).await }
			.boxed()
	}
}

/// A settlement of one claim, to ask what such a thing costs.
pub fn sample() -> Call {
	samples(1)
}

/// What a settlement of one claim costs now, in native units.
///
/// # Errors
///
/// When the node cannot be asked.
pub async fn quote(chain: &Chain, key: &KeyPair) -> Result<Balance, ChainError> {
	fee_of(chain, key, 1).await
}

/// What a settlement of so many claims costs now, in native units; of more than fit into one, the largest.
///
/// # Errors
///
/// When the node cannot be asked.
pub async fn fee_of(chain: &Chain, key: &KeyPair, claims: usize) -> Result<Balance, ChainError> {
	let claims = u32::try_from(claims).unwrap_or(MAX_BATCH);
	chain.quote_fee(&samples(claims), &key.account, &SubmitOptions::default()).await
}

/// The least claim in `asset` that is settled for free, when the fee would be `native` units: the
/// platform's share covers it. Under a schedule that gives the platform nothing, the least of which the
/// provider's share pays the fee. 0 when the chain cannot compare the two.
///
/// # Errors
///
/// When the node cannot be asked.
pub async fn worth(chain: &Chain, native: Balance, asset: &AssetId) -> Result<Balance, ChainError> {
	let fee = in_asset(chain, native, asset).await?.unwrap_or(0);
	let current = chain.current_schedule(At::Best).await?;
	let platform = chain.schedule(current, At::Best).await?.map(|schedule| schedule.platform());
	Ok(least(fee, platform.unwrap_or_default()))
}

/// The least claim that is worth a fee, when the platform gets this rate of it.
fn least(fee: Balance, platform: Permill) -> Balance {
	match (fee, platform == Permill::zero()) {
		(0, _) => 0,
		(_, true) => MIN_PROVIDER_RATE.saturating_reciprocal_mul_ceil(fee),
		// The share has to be more than the fee, not as much.
		(_, false) => platform.saturating_reciprocal_mul_ceil(fee.saturating_add(1)),
	}
}

/// Open the store of what `payee` has accepted in `asset`, made if it is not there.
///
/// A store with vouchers for another payee or in another asset is refused here, where it is known which
/// key or asset to name; a payee would refuse it too.
///
/// # Errors
///
/// When it is such a store, it stays in use longer than `patience`, or store or node cannot be read.
pub async fn open_vouchers(
	context: &Context,
	chain: &Chain,
	path: &Path,
	patience: Duration,
	payee: &AccountId,
	asset: &AssetId,
) -> Result<Arc<dyn Store>, Failure> {
	let store = open_store(path, patience).await?;
	let shown = path.display();
	let rows = store.scan(Table::Payee).map_err(|error| {
		Failure::new(format!("the store {shown} cannot be read: {error}"), "check the disk")
	})?;
	let mut ids: Vec<_> =
		rows.iter().filter_map(|(key, _)| LaneKey::from_bytes(key)).map(|at| at.channel).collect();
	ids.dedup();
	let mut found = stream::iter(ids)
		.map(|id| async move { chain.channel(&id, At::Finalized).await })
		.buffer_unordered(PARALLEL_READS);
	while let Some(info) = found.try_next().await? {
		let Some(info) = info else { continue };
		if info.payee != *payee {
			let (theirs, own) = (format_account(&info.payee), format_account(payee));
			return Err(Failure::new(
				format!("the store {shown} has vouchers for {theirs}, not for {own}"),
				match context.ring().of_account(&info.payee) {
					Ok(Some(key)) => format!("pass --key {}, or another --store", key.name),
					_ => "pass the key of that account with --key, or another --store".into(),
				},
			));
		}
		if info.asset != *asset {
			let (theirs, own) = (show_asset(&info.asset), show_asset(asset));
			return Err(Failure::new(
				format!("the store {shown} has vouchers in {theirs}, not in {own}"),
				format!("pass --asset {}, or another --store", asset_argument(&info.asset)),
			));
		}
	}
	drop(found);
	Ok(store)
}

/// What a settlement did: `left` is still owed, a batch below `min_claim` was not to be settled.
pub async fn report_settled(
	context: &Context,
	chain: &Chain,
	unit: &Unit,
	payee: &AccountId,
	settled: &SettleReport,
	left: Balance,
	min_claim: Balance,
) -> Report {
	let claims: Vec<_> = settled.batches.iter().flat_map(|batch| &batch.claimed).collect();
	let sums = Sums::of(settled, payee);
	let mut report = Report::line(match (settled.batches.is_empty(), left) {
		(true, 0) => "Nothing was left to settle.".into(),
		(true, _) => "Nothing was settled.".into(),
		(false, _) => {
			format!("Settled {} from {} channels.", unit.show(sums.gross), claims.len())
		},
	});
	let fees = sums.fees(context, chain).await;
	if !settled.batches.is_empty() {
		report = report.shown("received", unit.show(sums.received));
		report =
			fees.iter().fold(report, |report, (unit, fee)| report.shown("fee", unit.show(*fee)));
	}
	let mut skipped = Vec::new();
	for skip in &settled.skipped {
		let (channel, reason) = (to_hex(skip.channel), format!("{:?}", skip.reason));
		report.push_line(&format!("  skipped {channel}: {reason}"));
		skipped.push(json!({ "channel": channel, "reason": reason }));
	}
	if left > 0 {
		report = report.shown("left", unit.show(left));
	}
	if left > 0 && min_claim > 0 {
		report.push_line(&format!(
			"Claims that add up to less than {} wait, unless their channel closes: only from there on \
			 is settling free. --min-claim 0 settles all.",
			unit.show(min_claim)
		));
	}
	let claims: Vec<_> = claims
		.iter()
		.map(|claim| {
			let amount = money(unit, claim.amount);
			json!({ "channel": to_hex(claim.channel), "amount": amount })
		})
		.collect();
	let fees: Vec<_> = fees.iter().map(|(unit, fee)| money(unit, *fee)).collect();
	report
		.with("gross", money(unit, sums.gross))
		.with("received", money(unit, sums.received))
		.with("fees", fees)
		.with("left", money(unit, left))
		.with("min_claim", money(unit, min_claim))
		.with("claimed", claims)
		.with("skipped", skipped)
}

#[cfg(test)]
mod tests {
	use super::*;
	use stoa_client::chain::{Claim, FeePaid};
	use stoa_primitives::money::{Shares, Source};

	const PAYEE: AccountId = AccountId::new([1; 32]);

	fn outcome(provider: AccountId, fee: Option<AssetId>) -> SettleOutcome {
		let shares = Shares { provider: 85, platform: 10, referral: 5 };
		let settled = MarketEvent::Settled {
			source: Source::Channel([0; 32]),
			payer: AccountId::new([9; 32]),
			provider,
			asset: AssetId::WithId(1),
			gross: 100,
			shares,
			growth_pool: 0,
			schedule: 0,
		};
		let submitted = Submitted {
			block: BlockRef { number: 1, hash: H256::zero() },
			extrinsic: H256::zero(),
			index: 0,
			fee: Some(FeePaid { asset: fee, amount: 7, tip: 0 }),
			events: vec![settled],
		};
		let claim = Claim { channel: [0; 32], lane: 0, amount: 100, settled: 100 };
		SettleOutcome { submitted, claimed: vec![claim], skipped: Vec::new() }
	}

	#[test]
	fn sums_should_keep_fees_of_different_assets_apart_and_count_only_what_the_payee_received() {
		let asset = Some(AssetId::WithId(1));
		let batches = vec![
			outcome(PAYEE, asset.clone()),
			outcome(PAYEE, None),
			outcome(AccountId::new([2; 32]), asset.clone()),
		];
		let report = SettleReport { batches, ..SettleReport::default() };
		let sums = Sums::of(&report, &PAYEE);
		assert_eq!((sums.batches, sums.gross, sums.received), (3, 300, 170));
		assert_eq!(sums.fees, [(asset, 14), (None, 7)]);
	}

	#[test]
	fn claims_should_be_worth_their_fee_when_the_share_of_the_platform_is_more() {
		let tenth = Permill::from_percent(10);
		for fee in [1, 9, 10, 382, 1_000_000] {
			let claim = least(fee, tenth);
			assert!(tenth.mul_floor(claim) > fee, "{fee} {claim}");
			assert!(tenth.mul_floor(claim - 1) <= fee, "{fee} {claim}");
		}
		assert_eq!(least(0, tenth), 0);
		assert_eq!(least(80, Permill::zero()), 100);
		assert_eq!(least(Balance::MAX, tenth), Balance::MAX);
	}

	#[test]
	fn failures_should_be_told_once_and_so_should_the_recovery() {
		let watch = Watch::new("Settling", "settling");
		let error = ChainError::Rejected { reason: "Inability to pay some fees".into() };
		assert!(watch.see(None).is_none());
		let (line, json) = watch.see(Some(&error)).unwrap();
		assert!(line.starts_with("Settling fails: ") && line.contains("pay"), "{line}");
		assert_eq!(json["settling"]["state"], "failing");
		assert!(watch.see(Some(&error)).is_none());
		let (line, json) = watch.see(None).unwrap();
		assert_eq!(line, "Settling works again.");
		assert_eq!(json["settling"]["state"], "recovered");
		assert!(watch.see(None).is_none());
	}
}
