//! Submitting calls and learning what became of them.

use super::{
	calls::{self, RawCall},
	online::{block_number, read_event, AtBlock},
	to_hex, At, BlockRef, Call, Chain, ChainError, ChainView, ChannelInfo, Claim, MarketEvent,
	PayeeChain, PayerChain, SettleOutcome, Skip,
};
use crate::{config::StoaConfig, keys::AccountKey};
use futures::{
	future::{join_all, BoxFuture},
	FutureExt, Stream, StreamExt,
};
use std::{
	collections::HashMap,
	fmt,
	future::Future,
	pin::pin,
	sync::{Arc, Mutex, PoisonError},
	time::Duration,
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	AccountId, AssetId, Balance, BlockNumber, H256,
};
use subxt::{
	client::OnlineClientAtBlockImpl,
	config::DefaultExtrinsicParamsBuilder,
	error::{BackendError, ExtrinsicError},
	tx::{SubmittableTransaction, TransactionInBlock, TransactionProgress, TransactionStatus},
	utils::{AccountId32, Static},
};
use tokio::{
	sync::{Mutex as AsyncMutex, OwnedMutexGuard},
	time::{timeout, Instant},
};

type Client = OnlineClientAtBlockImpl<StoaConfig>;
type Transaction = SubmittableTransaction<StoaConfig, Client>;
type Included = TransactionInBlock<StoaConfig, Client>;

/// The longest life of a transaction, in blocks: the runtime forgets the hashes of blocks that are
/// older than 2,400, and lives are powers of two.
const MAX_MORTALITY: u64 = 2_048;

/// How long to look for a transaction whose outcome did not come.
const LOOK: Duration = Duration::from_secs(10);

/// For what to wait after a submission.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Wait {
	/// A best block: fast, may still be reverted.
	InBlock,
	/// A finalized block: never reverted.
	#[default]
	Finalized,
}

/// In what the fee is paid.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum FeeAsset {
	/// Native tokens of the signer.
	#[default]
	Native,
	/// Credits of the signer in this asset, at the governed rate.
	Credits(AssetId),
}

/// How to submit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SubmitOptions {
	/// For what to wait.
	pub wait: Wait,
	/// In what the fee is paid.
	pub fee: FeeAsset,
	/// A tip to the block's author, in the fee's asset.
	pub tip: Balance,
	/// For how many blocks the transaction is valid: rounded up to a power of two, from 4 to 2,048. When
	/// finality lags, up to half of it has passed at the start.
	pub mortality: u64,
	/// How long to wait before the outcome counts as unknown.
	pub timeout: Duration,
}

impl Default for SubmitOptions {
	/// Native fee, no tip, valid for 64 blocks, waits up to three minutes for finality.
	fn default() -> Self {
		Self {
			wait: Wait::Finalized,
			fee: FeeAsset::Native,
			tip: 0,
			mortality: 64,
			timeout: Duration::from_secs(180),
		}
	}
}

impl SubmitOptions {
	/// The default, but does not wait for finality.
	pub fn in_block() -> Self {
		Self { wait: Wait::InBlock, ..Self::default() }
	}

	/// The same with the fee from credits in `asset`.
	#[must_use]
	pub fn fee_from_credits(self, asset: AssetId) -> Self {
		Self { fee: FeeAsset::Credits(asset), ..self }
	}
}

/// A fee that was taken.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FeePaid {
	/// In credits of this asset; `None` for native tokens.
	pub asset: Option<AssetId>,
	/// Fee and tip, in units of the asset.
	pub amount: Balance,
	/// The tip alone.
	pub tip: Balance,
}

/// A transaction that is in a block and did what it was to do.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Submitted {
	/// The block.
	pub block: BlockRef,
	/// Hash of the transaction.
	pub extrinsic: H256,
	/// Place of the transaction in the block.
	pub index: u32,
	/// What it cost; `None` if the runtime reports no fee.
	pub fee: Option<FeePaid>,
	/// What it did.
	pub events: Vec<MarketEvent>,
}

impl Submitted {
	/// The id of the channel that was opened, if one was.
	pub fn opened(&self) -> Option<ChannelId> {
		self.events.iter().find_map(|event| match event {
			MarketEvent::Opened { id, .. } => Some(*id),
			_ => None,
		})
	}
}

impl Chain {
	/// Signs a call, submits it, and waits as the options say.
	///
	/// # Errors
	///
	/// [`ChainError::Dispatch`] when it was included and failed (the fee is paid),
	/// [`ChainError::Rejected`] when the node refused it (nothing happened), [`ChainError::Unknown`]
	/// when it was sent and its outcome was not seen: then look for it before sending another. That is
	/// also the error when it is in a block that does not become final; the reason says in which.
	pub async fn submit(
		&self,
		call: &Call,
		key: &AccountKey,
		options: SubmitOptions,
	) -> Result<Submitted, ChainError> {
		let at = self.birth_block(&options).await?;
		let entered = {
			let _turn = self.turns().take(&key.account()).await;
			let nonce = self.next_account_nonce(key).await?;
			enter(sign(&at, call, key, &options, nonce)?, &options).await?
		};
		self.watch(entered, &options).await
	}

	/// Signs calls with consecutive nonces and submits them together; outcomes in the same order.
	/// Much faster than one after the other, and each call is a transaction of its own.
	///
	/// If one is refused, those after it wait for a nonce that never comes, and are reported as
	/// [`ChainError::Unknown`].
	pub async fn submit_many(
		&self,
		calls: &[Call],
		key: &AccountKey,
		options: SubmitOptions,
	) -> Vec<Result<Submitted, ChainError>> {
		let entered = async {
			let at = self.birth_block(&options).await?;
			let _turn = self.turns().take(&key.account()).await;
			let first = self.next_account_nonce(key).await?;
			let transactions = (first..)
				.zip(calls)
				.map(|(nonce, call)| sign(&at, call, key, &options, nonce))
				.collect::<Result<Vec<_>, ChainError>>()?;
			let enter = |transaction| enter(transaction, &options);
			Ok(join_all(transactions.into_iter().map(enter)).await)
		};
		match entered.await {
			Ok(entered) => {
				let watch = |entered: Result<Entered, ChainError>| async {
					self.watch(entered?, &options).await
				};
				join_all(entered.into_iter().map(watch)).await
			},
			Err::<_, ChainError>(error) => calls.iter().map(|_| Err(error.clone())).collect(),
		}
	}

	/// Signs a call and hands it to the node, whose pool takes it or refuses it. Does not wait for a block: for
	/// callers that find out from the chain's state what became of it. Returns the transaction's hash.
	///
	/// # Errors
	///
	/// [`ChainError::Rejected`] when the node refused it (nothing happened), [`ChainError::Unknown`] when it
	/// did not say within the timeout of the options.
	pub async fn send(
		&self,
		call: &Call,
		key: &AccountKey,
		options: &SubmitOptions,
	) -> Result<H256, ChainError> {
		let at = self.birth_block(options).await?;
		let nonce = self.next_account_nonce(key).await?;
		let transaction = sign(&at, call, key, options, nonce)?;
		let extrinsic = transaction.hash();
		match timeout(options.timeout, transaction.submit()).await {
			Ok(Ok(_)) => Ok(extrinsic),
			Ok(Err(error)) => Err(refused(error, extrinsic)),
			Err(_) => {
				let reason = format!("the node did not take it within {:?}", options.timeout);
				Err(ChainError::Unknown { extrinsic, reason })
			},
		}
	}

	/// What a call would cost if it were submitted now, in native units, without a tip.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn quote_fee(
		&self,
		call: &Call,
		key: &AccountKey,
		options: &SubmitOptions,
	) -> Result<Balance, ChainError> {
		let at = self.birth_block(options).await?;
		let nonce = self.next_account_nonce(key).await?;
		Ok(sign(&at, call, key, options, nonce)?.partial_fee_estimate().await?)
	}

	/// The block that a transaction is born at.
	async fn birth_block(&self, options: &SubmitOptions) -> Result<AtBlock, ChainError> {
		let block = birth_block(self, options.mortality).await?;
		self.at(At::Hash(block.hash)).await
	}

	/// The next nonce of an account, with what is in the node's pool.
	async fn next_account_nonce(&self, key: &AccountKey) -> Result<u64, ChainError> {
		let account = AccountId32(key.account().into());
		let connection = self.connection().await?;
		Ok(connection.methods.system_account_next_index(&account).await?)
	}

	/// Waits for what becomes of a transaction that the node has taken.
	async fn watch(
		&self,
		entered: Entered,
		options: &SubmitOptions,
	) -> Result<Submitted, ChainError> {
		let Entered { extrinsic, progress, since } = entered;
		let unknown = |reason: String| ChainError::Unknown { extrinsic, reason };
		let mut late = pin!(late(since, options));
		let statuses = progress.map(|status| match status {
			Ok(TransactionStatus::InBestBlock(block)) => Status::InBlock(block),
			Ok(TransactionStatus::InFinalizedBlock(block)) => Status::Finalized(block),
			Ok(TransactionStatus::Invalid { message }) => Status::Invalid(message),
			Ok(TransactionStatus::Dropped { message } | TransactionStatus::Error { message }) => {
				Status::Lost(message)
			},
			Ok(
				TransactionStatus::Validated
				| TransactionStatus::Broadcasted
				| TransactionStatus::NoLongerInBestBlock,
			) => Status::Pending,
			Err(error) => Status::Lost(error.to_string()),
		});
		match follow(statuses, options.wait, &mut late).await {
			Followed::Included(block) => outcome(block).await,
			Followed::Rejected(reason) => Err(ChainError::Rejected { reason }),
			Followed::Lost { reason, block: None } => Err(unknown(reason)),
			Followed::Lost { reason, block: Some(block) } => {
				let looked = timeout(LOOK, locate(self, block.block_hash())).await;
				match looked {
					Ok(Ok(Place::Final)) => outcome(block).await,
					Ok(Ok(place)) => Err(unknown(format!("{reason}; {place}"))),
					_ => {
						Err(unknown(format!("{reason}; it was in block {:?}", block.block_hash())))
					},
				}
			},
		}
	}
}

/// A transaction that the node has taken into its pool.
struct Entered {
	extrinsic: H256,
	progress: TransactionProgress<StoaConfig, Client>,
	since: Instant,
}

/// Hands a transaction to the node. Once it is in the pool, the account's next nonce counts it.
async fn enter(transaction: Transaction, options: &SubmitOptions) -> Result<Entered, ChainError> {
	let (extrinsic, since) = (transaction.hash(), Instant::now());
	let mut late = pin!(late(since, options));
	let progress = tokio::select! {
		progress = transaction.submit_and_watch() => {
			progress.map_err(|error| refused(error, extrinsic))?
		},
		reason = &mut late => return Err(ChainError::Unknown { extrinsic, reason }),
	};
	Ok(Entered { extrinsic, progress, since })
}

/// Resolves when a transaction that was sent at `since` has taken too long, with what to say of it.
async fn late(since: Instant, options: &SubmitOptions) -> String {
	tokio::time::sleep(options.timeout.saturating_sub(since.elapsed())).await;
	let what = match options.wait {
		Wait::InBlock => "in no block",
		Wait::Finalized => "not final",
	};
	format!("{what} within {:?}", options.timeout)
}

/// Submissions of one account take turns, from the look at its nonce until the node has taken the
/// transaction: two with one nonce would be one too many. They are watched side by side.
#[derive(Default)]
pub(super) struct Turns(Mutex<HashMap<AccountId, Arc<AsyncMutex<()>>>>);

impl Turns {
	async fn take(&self, account: &AccountId) -> OwnedMutexGuard<()> {
		let turn = {
			// Nothing panics while the lock is held.
			let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
			turns.entry(account.clone()).or_default().clone()
		};
		turn.lock_owned().await
	}
}

fn sign(
	at: &AtBlock,
	call: &Call,
	key: &AccountKey,
	options: &SubmitOptions,
	nonce: u64,
) -> Result<Transaction, ChainError> {
	let raw = RawCall::new(call, at)?;
	let params =
		DefaultExtrinsicParamsBuilder::<StoaConfig>::new().nonce(nonce).mortal_from_unchecked(
			period(options.mortality).into(),
			at.block_number(),
			at.block_hash(),
		);
	let params = match &options.fee {
		FeeAsset::Native => params.tip(options.tip),
		FeeAsset::Credits(asset) => params.tip_of(options.tip, Static(asset.clone())),
	};
	let transactions = at.transactions();
	let mut signable = transactions.create_signable_offline(&raw, params.build())?;
	Ok(signable.sign(key)?)
}

/// The block that a transaction of this mortality is born at.
async fn birth_block(chain: &dyn ChainView, mortality: u64) -> Result<BlockRef, ChainError> {
	let finalized = chain.block(At::Finalized).await?;
	let best = chain.block(At::Best).await?;
	let number = birth(best.number, finalized.number, period(mortality));
	if number == finalized.number {
		return Ok(finalized);
	}
	let ancestor = chain.block_by_number(number).await?;
	ancestor.ok_or_else(|| ChainError::NotFound { what: format!("block {number}") })
}

/// For how many blocks a transaction is valid: what the encoding of eras makes of `mortality`.
fn period(mortality: u64) -> BlockNumber {
	let period = mortality.min(MAX_MORTALITY).next_power_of_two().max(4);
	BlockNumber::try_from(period).unwrap_or(BlockNumber::MAX)
}

/// The number of the block that a transaction is born at: the last finalized one, so that no re-org
/// makes it invalid. When finality lags so far that more than half of its life would be over, it is
/// a block at a quarter of the life behind the best one: deep enough for most re-orgs, and a chain
/// that does not finalize still takes transactions.
fn birth(best: BlockNumber, finalized: BlockNumber, period: BlockNumber) -> BlockNumber {
	if best.saturating_sub(finalized) <= period / 2 {
		finalized
	} else {
		best.saturating_sub(period / 4)
	}
}

/// What the node says of a transaction that is watched. `B` is a block that has it.
enum Status<B> {
	InBlock(B),
	Finalized(B),
	Invalid(String),
	Lost(String),
	Pending,
}

/// How watching has ended.
#[derive(Debug, Eq, PartialEq)]
enum Followed<B> {
	/// It is in a block, as the caller wanted.
	Included(B),
	/// It is in no block and never will be.
	Rejected(String),
	/// Nothing more will be seen; the last block that was said to have it.
	Lost { reason: String, block: Option<B> },
}

/// Follows what the node says until the transaction is where the caller wants it, or until `late`
/// gives a reason to stop.
async fn follow<B>(
	statuses: impl Stream<Item = Status<B>>,
	wait: Wait,
	late: impl Future<Output = String>,
) -> Followed<B> {
	let (mut statuses, mut late) = (pin!(statuses), pin!(late));
	let mut last = None;
	loop {
		let status = tokio::select! {
			status = statuses.next() => status,
			reason = &mut late => return Followed::Lost { reason, block: last },
		};
		match status {
			Some(Status::InBlock(block)) if wait == Wait::InBlock => {
				return Followed::Included(block)
			},
			Some(Status::InBlock(block)) => last = Some(block),
			Some(Status::Finalized(block)) => return Followed::Included(block),
			Some(Status::Invalid(reason)) if last.is_none() => return Followed::Rejected(reason),
			Some(Status::Invalid(reason) | Status::Lost(reason)) => {
				return Followed::Lost { reason, block: last }
			},
			Some(Status::Pending) => {},
			None => {
				let reason = "the node stopped reporting".into();
				return Followed::Lost { reason, block: last };
			},
		}
	}
}

/// Where a block is that has a transaction.
#[derive(Debug, Eq, PartialEq)]
enum Place {
	/// It is final.
	Final,
	/// It is on the best chain, which is final up to another block only.
	NotFinal { block: BlockRef, finalized: BlockRef },
	/// It was reverted.
	Reverted { block: BlockRef },
}

impl fmt::Display for Place {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		match self {
			Self::Final => f.write_str("it is in a final block"),
			Self::NotFinal { block, finalized } => write!(
				f,
				"it is in block {} ({}), but the chain does not finalize: its last final block is {}",
				block.number,
				to_hex(block.hash),
				finalized.number
			),
			Self::Reverted { block } => write!(
				f,
				"it was in block {} ({}), which is not on the best chain any more",
				block.number,
				to_hex(block.hash)
			),
		}
	}
}

async fn locate(chain: &dyn ChainView, hash: H256) -> Result<Place, ChainError> {
	let finalized = chain.block(At::Finalized).await?;
	let block = chain.block(At::Hash(hash)).await?;
	Ok(if chain.block_by_number(block.number).await? != Some(block) {
		Place::Reverted { block }
	} else if block.number <= finalized.number {
		Place::Final
	} else {
		Place::NotFinal { block, finalized }
	})
}

/// An error of the node's pool means that nothing happened; an error on the way there may not.
fn refused(error: ExtrinsicError, extrinsic: H256) -> ChainError {
	use subxt::{error::RpcError, rpcs::Error as ClientError};
	match error {
		ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(RpcError::ClientError(
			ClientError::User(user),
		))) => {
			let data = user.data.as_ref().map(|data| data.get().trim_matches('"').to_owned());
			let reason = match data {
				Some(data) => format!("{}: {data}", user.message),
				None => user.message,
			};
			ChainError::Rejected { reason }
		},
		other => ChainError::Unknown { extrinsic, reason: other.to_string() },
	}
}

async fn outcome(block: Included) -> Result<Submitted, ChainError> {
	let extrinsic = block.extrinsic_hash();
	let lost = |error: String| ChainError::Unknown {
		extrinsic,
		reason: format!(
			"included in {:?}, but its events cannot be read: {error}",
			block.block_hash()
		),
	};
	let at = block.at().await.map_err(|error| lost(error.to_string()))?;
	let found = block.fetch_events().await.map_err(|error| lost(error.to_string()))?;
	let mut events = Vec::new();
	for event in found.iter() {
		let event = event.map_err(|error| lost(error.to_string()))?;
		// The transaction did what it did: an event that is not understood must not hide that.
		events.push(read_event(&event, at.metadata_ref()).unwrap_or_else(|error| {
			tracing::warn!(%error, "an event cannot be read");
			MarketEvent::Other {
				pallet: event.pallet_name().into(),
				name: event.event_name().into(),
			}
		}));
	}
	let failure = events.iter().find_map(|event| match event {
		MarketEvent::ExtrinsicFailed(failure) => Some(failure.clone()),
		_ => None,
	});
	if let Some(failure) = failure {
		return Err(ChainError::Dispatch(failure));
	}
	let fee = events.iter().find_map(|event| match event {
		MarketEvent::FeePaid { asset, amount, tip, .. } => {
			Some(FeePaid { asset: asset.clone(), amount: *amount, tip: *tip })
		},
		_ => None,
	});
	Ok(Submitted {
		block: BlockRef { number: block_number(at.block_number()), hash: block.block_hash() },
		extrinsic,
		// A block has far fewer extrinsics than a u32 counts.
		index: u32::try_from(found.extrinsic_index()).unwrap_or(u32::MAX),
		fee,
		events,
	})
}

/// A chain together with the payee's key: what the settlement driver needs.
#[derive(Clone)]
pub struct SignedChain {
	chain: Chain,
	key: AccountKey,
	options: SubmitOptions,
}

impl SignedChain {
	/// Submits with `key` as `options` say.
	pub fn new(chain: Chain, key: AccountKey, options: SubmitOptions) -> Self {
		Self { chain, key, options }
	}

	/// The chain.
	pub fn chain(&self) -> &Chain {
		&self.chain
	}

	/// Submits a call and waits until it is final, whatever the options say of that.
	pub(super) async fn submit_final(&self, call: &Call) -> Result<Submitted, ChainError> {
		let options = SubmitOptions { wait: Wait::Finalized, ..self.options.clone() };
		self.chain.submit(call, &self.key, options).await
	}

	/// Submits a call that tops up channels, and reads these once that is final.
	async fn top_up_by(
		&self,
		call: Call,
		ids: Vec<ChannelId>,
	) -> Result<Vec<ChannelInfo>, ChainError> {
		let submitted = self.submit_final(&call).await?;
		let mut infos = Vec::new();
		for id in ids {
			let read = self.chain.channel(&id, At::Finalized).await;
			// The money is locked, whatever keeps the channel from being read.
			let info = read.map_err(|error| ChainError::Unknown {
				extrinsic: submitted.extrinsic,
				reason: format!("it is final, but the channel cannot be read: {error}"),
			})?;
			infos.extend(info);
		}
		Ok(infos)
	}
}

impl ChainView for SignedChain {
	fn genesis(&self) -> H256 {
		self.chain.genesis()
	}

	fn caught_up(&self) -> BoxFuture<'_, Result<bool, ChainError>> {
		ChainView::caught_up(&self.chain)
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		ChainView::block(&self.chain, at)
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

impl PayeeChain for SignedChain {
	fn settle(&self, items: Vec<Item>) -> BoxFuture<'_, Result<SettleOutcome, ChainError>> {
		async move {
			let call = calls::settle_batch(items);
			let submitted = self.chain.submit(&call, &self.key, self.options.clone()).await?;
			let (mut claimed, mut skipped) = (Vec::new(), Vec::new());
			for event in &submitted.events {
				match event {
					MarketEvent::Claimed { id, lane, amount, settled } => claimed.push(Claim {
						channel: *id,
						lane: *lane,
						amount: *amount,
						settled: *settled,
					}),
					MarketEvent::Skipped { index, id, lane, reason } => skipped.push(Skip {
						index: *index,
						channel: *id,
						lane: *lane,
						reason: *reason,
					}),
					_ => {},
				}
			}
			Ok(SettleOutcome { submitted, claimed, skipped })
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
			self.chain.submit(&call, &self.key, self.options.clone()).await
		}
		.boxed()
	}
}

impl PayerChain for SignedChain {
	fn top_up(
		&self,
		channel: ChannelId,
		amount: Balance,
	) -> BoxFuture<'_, Result<ChannelInfo, ChainError>> {
		async move {
			let infos = self.top_up_by(calls::top_up(channel, amount), vec![channel]).await?;
			let gone = || ChainError::NotFound { what: "the channel that was topped up".into() };
			infos.into_iter().next().ok_or_else(gone)
		}
		.boxed()
	}

	fn top_up_many(
		&self,
		top_ups: Vec<(ChannelId, Balance)>,
	) -> Option<BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>>> {
		let calls = top_ups.iter().map(|(id, amount)| calls::top_up(*id, *amount)).collect();
		let ids = top_ups.into_iter().map(|(id, _)| id).collect();
		Some(self.top_up_by(calls::batch_all(calls), ids).boxed())
	}

	fn channels_of(&self, payer: AccountId) -> BoxFuture<'_, Result<Vec<ChannelInfo>, ChainError>> {
		async move {
			let at = At::Hash(self.chain.block(At::Finalized).await?.hash);
			let mut out = Vec::new();
			for known in self.chain.channels(at).await? {
				if known.payer == payer {
					// The map does not have all of a channel, the view function does.
					out.extend(self.chain.channel(&known.id, at).await?);
				}
			}
			Ok(out)
		}
		.boxed()
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::chain::fake::FakeChain;
	use futures::stream;

	#[test]
	fn transactions_should_be_born_at_the_finalized_block_while_finality_keeps_up() {
		for lag in [0, 1, 3, 32] {
			assert_eq!(birth(1_000, 1_000 - lag, 64), 1_000 - lag);
		}
		// A node that has not caught up may say that more is final than its best block.
		assert_eq!(birth(5, 7, 64), 7);
	}

	#[test]
	fn transactions_should_be_born_near_the_best_block_when_finality_lags() {
		assert_eq!(birth(1_000, 967, 64), 984);
		assert_eq!(birth(1_000, 0, 64), 984);
		assert_eq!(birth(1_000, 997, 4), 999);
	}

	#[test]
	fn transactions_should_have_half_of_their_life_left() {
		for period in [4, 64, 256, 2_048] {
			for lag in 0..3_000 {
				let birth = birth(3_000, 3_000 - lag, period);
				assert!(birth >= 3_000 - lag && birth + period / 2 >= 3_000, "{period} {lag}");
			}
		}
	}

	#[test]
	fn lives_should_be_what_the_encoding_of_eras_makes_of_them() {
		let lives = [0, 4, 5, 64, 65, 2_048, 2_049, u64::MAX].map(period);
		assert_eq!(lives, [4, 4, 8, 64, 128, 2_048, 2_048, 2_048]);
	}

	#[tokio::test]
	async fn the_birth_should_be_a_block_of_the_chain() {
		let chain = FakeChain::new(H256::zero());
		let finalized = birth_block(&chain, 64).await.unwrap();
		assert_eq!(Some(finalized), chain.block(At::Finalized).await.ok());
		chain.state().unfinalized = 70;
		let recent = birth_block(&chain, 64).await.unwrap();
		assert_eq!(recent.number, 84);
		assert_eq!(Some(recent), chain.block_by_number(84).await.unwrap());
	}

	async fn followed(statuses: Vec<Status<u8>>, wait: Wait) -> Followed<u8> {
		follow(stream::iter(statuses), wait, std::future::pending()).await
	}

	fn lost(reason: &str, block: Option<u8>) -> Followed<u8> {
		Followed::Lost { reason: reason.into(), block }
	}

	#[tokio::test]
	async fn watching_should_end_where_the_caller_wants() {
		use Status::*;
		let statuses = || vec![Pending, InBlock(1), Pending, InBlock(2), Finalized(3)];
		assert_eq!(followed(statuses(), Wait::InBlock).await, Followed::Included(1));
		assert_eq!(followed(statuses(), Wait::Finalized).await, Followed::Included(3));
	}

	#[tokio::test]
	async fn only_what_was_in_no_block_should_be_called_rejected() {
		use Status::*;
		let invalid = || Invalid("bad".into());
		let rejected = followed(vec![Pending, invalid()], Wait::Finalized).await;
		assert_eq!(rejected, Followed::Rejected("bad".into()));
		let reverted = followed(vec![InBlock(1), invalid()], Wait::Finalized).await;
		assert_eq!(reverted, lost("bad", Some(1)));
		let dropped = followed(vec![Lost("full".into())], Wait::Finalized).await;
		assert_eq!(dropped, lost("full", None));
		let silent = followed(vec![InBlock(1), InBlock(2)], Wait::Finalized).await;
		assert_eq!(silent, lost("the node stopped reporting", Some(2)));
	}

	#[tokio::test]
	async fn finality_that_does_not_come_should_end_with_the_block() {
		let statuses = stream::iter([Status::InBlock(9)]).chain(stream::pending());
		let late = async {
			tokio::time::sleep(Duration::from_millis(20)).await;
			"late".to_owned()
		};
		assert_eq!(follow(statuses, Wait::Finalized, late).await, lost("late", Some(9)));
	}

	#[tokio::test]
	async fn submissions_should_take_turns_by_account() {
		let turns = Turns::default();
		let (a, b) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
		let first = turns.take(&a).await;
		assert!(turns.take(&a).now_or_never().is_none());
		assert!(turns.take(&b).now_or_never().is_some());
		drop(first);
		assert!(turns.take(&a).now_or_never().is_some());
	}

	#[tokio::test]
	async fn errors_should_say_where_the_transaction_is() {
		let chain = FakeChain::new(H256::zero());
		let block = chain.block_by_number(90).await.unwrap().unwrap();
		assert_eq!(locate(&chain, block.hash).await.unwrap(), Place::Final);
		chain.state().unfinalized = 30;
		let place = locate(&chain, block.hash).await.unwrap().to_string();
		assert!(place.contains("in block 90 (0x"), "{place}");
		assert!(place.contains("does not finalize: its last final block is 70"), "{place}");
		chain.state().life = 1;
		let place = locate(&chain, block.hash).await.unwrap().to_string();
		assert!(place.contains("was in block 90") && place.contains("not on the best"), "{place}");
	}
}
