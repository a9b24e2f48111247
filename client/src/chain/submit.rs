//! Submitting calls and learning what became of them.

use super::{
	calls::{self, RawCall},
	online::{block_number, read_event, AtBlock},
	At, BlockRef, Call, Chain, ChainError, ChainView, ChannelInfo, Claim, MarketEvent, PayeeChain,
	SettleOutcome, Skip,
};
use crate::{config::StoaConfig, keys::AccountKey};
use futures::{
	future::{join_all, BoxFuture},
	FutureExt,
};
use std::time::Duration;
use stoa_primitives::{
	channel::{ChannelId, Item},
	AssetId, Balance, H256,
};
use subxt::{
	client::OnlineClientAtBlockImpl,
	config::DefaultExtrinsicParamsBuilder,
	error::{BackendError, ExtrinsicError},
	tx::{SubmittableTransaction, TransactionInBlock, TransactionStatus},
	utils::{AccountId32, Static},
};

type Client = OnlineClientAtBlockImpl<StoaConfig>;
type Transaction = SubmittableTransaction<StoaConfig, Client>;

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
	/// For how many blocks the transaction is valid.
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
	/// when it was sent and its outcome was not seen: then look for it before sending another.
	pub async fn submit(
		&self,
		call: &Call,
		key: &AccountKey,
		options: SubmitOptions,
	) -> Result<Submitted, ChainError> {
		let at = self.at(At::Finalized).await?;
		let nonce = self.next_account_nonce(key).await?;
		let transaction = sign(&at, call, key, &options, nonce)?;
		watch(transaction, &options).await
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
		let prepare = async {
			let at = self.at(At::Finalized).await?;
			let first = self.next_account_nonce(key).await?;
			(first..)
				.zip(calls)
				.map(|(nonce, call)| sign(&at, call, key, &options, nonce))
				.collect::<Result<Vec<_>, ChainError>>()
		};
		match prepare.await {
			Ok(transactions) => {
				join_all(transactions.into_iter().map(|transaction| watch(transaction, &options)))
					.await
			},
			Err(error) => calls.iter().map(|_| Err(error.clone())).collect(),
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
		let at = self.at(At::Finalized).await?;
		let nonce = self.next_account_nonce(key).await?;
		Ok(sign(&at, call, key, options, nonce)?.partial_fee_estimate().await?)
	}

	/// The next nonce of an account, with what is in the node's pool.
	async fn next_account_nonce(&self, key: &AccountKey) -> Result<u64, ChainError> {
		let account = AccountId32(key.account().into());
		let connection = self.connection().await?;
		Ok(connection.methods.system_account_next_index(&account).await?)
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
	let params = DefaultExtrinsicParamsBuilder::<StoaConfig>::new()
		.nonce(nonce)
		// Born at a finalized block, so that no re-org makes it invalid.
		.mortal_from_unchecked(options.mortality, at.block_number(), at.block_hash());
	let params = match &options.fee {
		FeeAsset::Native => params.tip(options.tip),
		FeeAsset::Credits(asset) => params.tip_of(options.tip, Static(asset.clone())),
	};
	let transactions = at.transactions();
	let mut signable = transactions.create_signable_offline(&raw, params.build())?;
	Ok(signable.sign(key)?)
}

async fn watch(transaction: Transaction, options: &SubmitOptions) -> Result<Submitted, ChainError> {
	let extrinsic = transaction.hash();
	let unknown = |reason: String| ChainError::Unknown { extrinsic, reason };
	let follow = async {
		let mut progress = match transaction.submit_and_watch().await {
			Ok(progress) => progress,
			Err(error) => return Err(refused(error, extrinsic)),
		};
		let mut seen = false;
		while let Some(status) = progress.next().await {
			match status.map_err(|error| unknown(error.to_string()))? {
				TransactionStatus::InBestBlock(block) => {
					seen = true;
					if options.wait == Wait::InBlock {
						return outcome(block).await;
					}
				},
				TransactionStatus::InFinalizedBlock(block) => return outcome(block).await,
				TransactionStatus::Invalid { message } if !seen => {
					return Err(ChainError::Rejected { reason: message })
				},
				TransactionStatus::Invalid { message }
				| TransactionStatus::Dropped { message }
				| TransactionStatus::Error { message } => return Err(unknown(message)),
				TransactionStatus::Validated
				| TransactionStatus::Broadcasted
				| TransactionStatus::NoLongerInBestBlock => {},
			}
		}
		Err(unknown("the node stopped reporting".into()))
	};
	tokio::time::timeout(options.timeout, follow)
		.await
		.unwrap_or_else(|_| Err(unknown(format!("not seen within {:?}", options.timeout))))
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

async fn outcome(block: TransactionInBlock<StoaConfig, Client>) -> Result<Submitted, ChainError> {
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
}

impl ChainView for SignedChain {
	fn genesis(&self) -> H256 {
		self.chain.genesis()
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		ChainView::block(&self.chain, at)
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
