//! A connection to one node.

use super::{
	api, calls, events::decode, submit::Turns, AgentInfo, At, BlockRef, Call, ChainError,
	ChainView, Changes, ChannelInfo, DelegateKey, EventRecord, MarketEvent, NativeBalance,
	OpenChannel, Phase, SubmitOptions, Submitted,
};
use crate::{
	config::{Hash, StoaConfig},
	keys::AccountKey,
};
use codec::{Decode, Encode};
use futures::{future::BoxFuture, FutureExt};
use std::{fmt, future::Future, sync::Arc, time::Duration};
use stoa_primitives::{
	channel::{channel_id, ChannelId},
	payload::Domain,
	AccountId, AssetId, Balance, BlockNumber, BLOCK_MILLIS, H256,
};
use subxt::{
	backend::LegacyBackend,
	client::{ClientAtBlock, OnlineClient, OnlineClientAtBlockImpl},
	config::RpcConfigFor,
	error::{ExtrinsicError, StorageError, ViewFunctionError},
	events::Phase as EventPhase,
	ext::scale_decode::DecodeAsType,
	rpcs::{
		client::{jsonrpsee_client, JsonrpseeRpcClient, RpcClient},
		methods::legacy::LegacyRpcMethods,
	},
	utils::Static,
	view_functions::Payload as ViewPayload,
};
use tokio::sync::RwLock;

/// A client at one block.
pub(super) type AtBlock = ClientAtBlock<StoaConfig, OnlineClientAtBlockImpl<StoaConfig>>;

macro_rules! chain_error_from {
	($($error:ident),+ $(,)?) => {
		$(impl From<subxt::error::$error> for ChainError {
			fn from(error: subxt::error::$error) -> Self {
				rpc_error(error)
			}
		})+
	};
}

chain_error_from!(
	BackendError,
	BlocksError,
	EventsError,
	ExtrinsicError,
	OnlineClientAtBlockError,
	OnlineClientError,
	RuntimeApiError,
	StorageError,
	StorageValueError,
	TransactionEventsError,
	ViewFunctionError,
);

impl From<subxt::rpcs::Error> for ChainError {
	fn from(error: subxt::rpcs::Error) -> Self {
		rpc_error(error)
	}
}

pub(super) fn rpc_error(error: impl Into<subxt::Error>) -> ChainError {
	use subxt::Error;
	let error = error.into();
	let incompatible = matches!(
		&error,
		Error::ExtrinsicError(
			ExtrinsicError::IncompatibleCodegen
				| ExtrinsicError::PalletNameNotFound(_)
				| ExtrinsicError::CallNameNotFound { .. }
		) | Error::StorageError(
			StorageError::IncompatibleCodegen
				| StorageError::PalletNameNotFound(_)
				| StorageError::StorageEntryNotFound { .. }
		) | Error::ViewFunctionError(
			ViewFunctionError::IncompatibleCodegen
				| ViewFunctionError::PalletNotFound(_)
				| ViewFunctionError::ViewFunctionNotFound { .. }
		)
	);
	// The cause is often one level down.
	let mut reason = error.to_string();
	let mut source = std::error::Error::source(&error);
	while let Some(cause) = source {
		let text = cause.to_string();
		if !reason.contains(&text) {
			reason.push_str(": ");
			reason.push_str(&text);
		}
		source = cause.source();
	}
	if incompatible {
		ChainError::Incompatible { what: reason }
	} else {
		ChainError::Rpc { reason }
	}
}

/// How to connect.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
	/// How long to try.
	pub timeout: Duration,
	/// The genesis hash that the node must have; `None` accepts any chain.
	pub genesis: Option<H256>,
}

impl Default for ConnectOptions {
	/// Ten seconds, any chain.
	fn default() -> Self {
		Self { timeout: Duration::from_secs(10), genesis: None }
	}
}

/// One live connection.
pub(super) struct Connection {
	pub(super) client: OnlineClient<StoaConfig>,
	pub(super) methods: LegacyRpcMethods<RpcConfigFor<StoaConfig>>,
	socket: Arc<JsonrpseeRpcClient>,
}

struct Inner {
	url: String,
	options: ConnectOptions,
	config: StoaConfig,
	genesis: H256,
	connection: RwLock<Arc<Connection>>,
	turns: Turns,
}

/// A node of the chain. Cheap to clone; connects again by itself when the connection is lost.
#[derive(Clone)]
pub struct Chain(Arc<Inner>);

impl fmt::Debug for Chain {
	fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
		f.debug_struct("Chain").field("url", &self.0.url).field("genesis", &self.0.genesis).finish()
	}
}

async fn open(
	url: &str,
	timeout: Duration,
	config: &StoaConfig,
) -> Result<(Connection, H256), ChainError> {
	let unreachable = |reason: String| ChainError::NodeUnreachable { url: url.into(), reason };
	let attempt = async {
		let socket =
			Arc::new(jsonrpsee_client(url).await.map_err(|error| unreachable(deepest(&error)))?);
		let rpc = RpcClient::new(socket.clone());
		let methods = LegacyRpcMethods::new(rpc.clone());
		let genesis = methods.genesis_hash().await.map_err(|error| unreachable(deepest(&error)))?;
		// The legacy methods alone: every block can be asked for by hash, finalized or not.
		let backend = LegacyBackend::builder().build(rpc);
		let client =
			OnlineClient::from_backend_with_config(config.clone(), Arc::new(backend)).await?;
		Ok((Connection { client, methods, socket }, genesis))
	};
	tokio::time::timeout(timeout, attempt)
		.await
		.map_err(|_| unreachable(format!("no answer within {timeout:?}")))?
}

/// The innermost cause: what the operating system said.
fn deepest(error: &dyn std::error::Error) -> String {
	let mut error = error;
	while let Some(source) = error.source() {
		error = source;
	}
	let text = error.to_string();
	text.rsplit("client error: ").next().unwrap_or(&text).to_owned()
}

impl Chain {
	/// Connects to the node at a `ws://` or `wss://` address.
	///
	/// # Errors
	///
	/// [`ChainError::NodeUnreachable`], [`ChainError::WrongGenesis`].
	pub async fn connect(url: &str, options: ConnectOptions) -> Result<Self, ChainError> {
		let config = StoaConfig::default();
		let (connection, genesis) = open(url, options.timeout, &config).await?;
		if let Some(expected) = options.genesis.filter(|expected| *expected != genesis) {
			return Err(ChainError::WrongGenesis { expected, actual: genesis });
		}
		let (connection, turns) = (RwLock::new(Arc::new(connection)), Turns::default());
		Ok(Self(Arc::new(Inner { url: url.into(), options, config, genesis, connection, turns })))
	}

	/// Whose turn it is to submit.
	pub(super) fn turns(&self) -> &Turns {
		&self.0.turns
	}

	/// The connection, made anew if it was lost.
	pub(super) async fn connection(&self) -> Result<Arc<Connection>, ChainError> {
		{
			let connection = self.0.connection.read().await;
			if connection.socket.is_connected() {
				return Ok(connection.clone());
			}
		}
		let mut connection = self.0.connection.write().await;
		if connection.socket.is_connected() {
			return Ok(connection.clone());
		}
		let (fresh, genesis) = open(&self.0.url, self.0.options.timeout, &self.0.config).await?;
		// What was signed for one chain must not be judged by another.
		if genesis != self.0.genesis {
			return Err(ChainError::WrongGenesis { expected: self.0.genesis, actual: genesis });
		}
		*connection = Arc::new(fresh);
		Ok(connection.clone())
	}

	/// The node's address.
	pub fn url(&self) -> &str {
		&self.0.url
	}

	/// The hash of block 0, which names the chain.
	pub fn genesis(&self) -> H256 {
		self.0.genesis
	}

	/// The domain of payloads about channels.
	pub fn channel_domain(&self) -> Domain {
		Domain::channels(self.0.genesis)
	}

	/// The domain of payloads about agents.
	pub fn agent_domain(&self) -> Domain {
		Domain::agents(self.0.genesis)
	}

	async fn hash(&self, at: At) -> Result<Hash, ChainError> {
		let methods = &self.connection().await?.methods;
		match at {
			At::Hash(hash) => Ok(hash),
			At::Finalized => Ok(methods.chain_get_finalized_head().await?),
			At::Best => methods
				.chain_get_block_hash(None)
				.await?
				.ok_or_else(|| ChainError::NotFound { what: "the best block".into() }),
		}
	}

	pub(super) async fn at(&self, at: At) -> Result<AtBlock, ChainError> {
		let hash = self.hash(at).await?;
		Ok(self.connection().await?.client.at_block(hash).await?)
	}

	/// Number and hash of a block.
	///
	/// # Errors
	///
	/// [`ChainError::NotFound`] for an unknown hash.
	pub async fn block(&self, at: At) -> Result<BlockRef, ChainError> {
		let hash = self.hash(at).await?;
		let header = self
			.connection()
			.await?
			.methods
			.chain_get_header(Some(hash))
			.await?
			.ok_or_else(|| ChainError::NotFound { what: format!("block {hash:?}") })?;
		Ok(BlockRef { number: block_number(header.number), hash })
	}

	/// Whether the node is not busy fetching blocks that others have: as it says itself.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn caught_up(&self) -> Result<bool, ChainError> {
		Ok(!self.connection().await?.methods.system_health().await?.is_syncing)
	}

	/// The block of this number on the best chain, if there is one yet.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn block_by_number(
		&self,
		number: BlockNumber,
	) -> Result<Option<BlockRef>, ChainError> {
		let methods = &self.connection().await?.methods;
		let hash = methods.chain_get_block_hash(Some(u64::from(number).into())).await?;
		Ok(hash.map(|hash| BlockRef { number, hash }))
	}

	/// Waits until the best, or the finalized, chain has this block number.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn wait_for_block(
		&self,
		number: BlockNumber,
		finalized: bool,
	) -> Result<BlockRef, ChainError> {
		let at = if finalized { At::Finalized } else { At::Best };
		loop {
			let block = self.block(at).await?;
			if block.number >= number {
				return Ok(block);
			}
			tokio::time::sleep(Duration::from_millis(BLOCK_MILLIS / 4)).await;
		}
	}

	/// The runtime's version at a block.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn spec_version(&self, at: At) -> Result<u32, ChainError> {
		Ok(self.at(at).await?.spec_version())
	}

	/// Native tokens of an account.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn native_balance(
		&self,
		who: &AccountId,
		at: At,
	) -> Result<NativeBalance, ChainError> {
		let at = self.at(at).await?;
		let account = at
			.storage()
			.try_fetch(api::storage().system().account(), (Static(who.clone()),))
			.await?;
		Ok(match account {
			Some(account) => {
				let data = account.decode()?.data;
				NativeBalance { free: data.free, reserved: data.reserved, frozen: data.frozen }
			},
			None => NativeBalance::default(),
		})
	}

	/// What an account can spend of an asset in the market.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn credits(
		&self,
		who: &AccountId,
		asset: &AssetId,
		at: At,
	) -> Result<Balance, ChainError> {
		let call =
			api::view_functions().credits().balance(Static(who.clone()), Static(asset.clone()));
		view(&self.at(at).await?, call).await
	}

	/// Units of an asset that an account holds outside the market.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn asset_balance(
		&self,
		who: &AccountId,
		id: u32,
		at: At,
	) -> Result<Balance, ChainError> {
		let at = self.at(at).await?;
		let account = at
			.storage()
			.try_fetch(api::storage().assets().account(), (id, Static(who.clone())))
			.await?;
		account.map_or(Ok(0), |account| Ok(account.decode()?.balance))
	}

	/// All native tokens there are.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn total_issuance(&self, at: At) -> Result<Balance, ChainError> {
		let at = self.at(at).await?;
		let issuance = at.storage().fetch(api::storage().balances().total_issuance(), ()).await?;
		Ok(issuance.decode()?)
	}

	/// An agent's record.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn agent(&self, who: &AccountId, at: At) -> Result<Option<AgentInfo>, ChainError> {
		let call = api::view_functions().agents().agent(Static(who.clone()));
		let agent = view(&self.at(at).await?, call).await?;
		Ok(agent.map(|agent| AgentInfo {
			operator: agent.operator.0,
			status: agent.status.0,
			manifest: agent.manifest.map(|manifest| manifest.0),
			lease_until: agent.lease_until,
			epoch: agent.epoch,
			transfer_to: agent.transfer_to.map(|to| to.0),
			active: agent.active,
		}))
	}

	/// The keys that may sign in an agent's name. Expired ones are among them.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn delegate_keys(
		&self,
		agent: &AccountId,
		at: At,
	) -> Result<Vec<DelegateKey>, ChainError> {
		let call = api::view_functions().agents().keys(Static(agent.clone()));
		let keys = view(&self.at(at).await?, call).await?.into_iter();
		let seen = keys.map(|found| DelegateKey {
			key: found.key.0,
			scopes: found.scopes.0,
			last: found.expires_at,
		});
		Ok(seen.collect())
	}

	/// A channel that has not ended.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn channel(&self, id: &ChannelId, at: At) -> Result<Option<ChannelInfo>, ChainError> {
		let call = api::view_functions().channels().channel(*id);
		let channel = view(&self.at(at).await?, call).await?;
		Ok(channel.map(|channel| seen(*id, channel)))
	}

	/// All channels that have not ended, in no order. Walks the whole map: for auditors.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn channels(&self, at: At) -> Result<Vec<ChannelInfo>, ChainError> {
		let at = self.at(at).await?;
		let mut rows = at.storage().iter(api::storage().channels().channels(), ()).await?;
		let mut out = Vec::new();
		while let Some(row) = rows.next().await {
			let row = row?;
			// The key is the id behind the 32 bytes of pallet and item.
			let id = row
				.key_bytes()
				.get(32..)
				.and_then(|id| ChannelId::try_from(id).ok())
				.ok_or_else(|| ChainError::Incompatible { what: "Channels.Channels".into() })?;
			let channel = row.value().decode()?;
			let has_rows = channel.lanes > 1 || channel.pending;
			let mut info = stored(id, channel);
			if has_rows {
				let call = api::view_functions().channels().channel(id);
				info = view(&at, call).await?.map_or(info, |channel| seen(id, channel));
			}
			out.push(info);
		}
		Ok(out)
	}

	/// The nonce that the next channel of a pair takes.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn next_nonce(
		&self,
		payer: &AccountId,
		payee: &AccountId,
		at: At,
	) -> Result<u64, ChainError> {
		let call = api::view_functions()
			.channels()
			.next_nonce(Static(payer.clone()), Static(payee.clone()));
		view(&self.at(at).await?, call).await
	}

	/// The id that the next channel of a pair in this asset takes, if no other is opened before.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn next_channel_id(
		&self,
		payer: &AccountId,
		payee: &AccountId,
		asset: &AssetId,
	) -> Result<ChannelId, ChainError> {
		let nonce = self.next_nonce(payer, payee, At::Best).await?;
		Ok(channel_id(&self.channel_domain(), payer, payee, asset, nonce))
	}

	/// The events of a block.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn events(&self, block: H256) -> Result<Vec<EventRecord>, ChainError> {
		let at = self.at(At::Hash(block)).await?;
		let events = at.events().fetch().await?;
		let mut out = Vec::new();
		for event in events.iter() {
			let event = event?;
			let extrinsic = match event.phase() {
				EventPhase::ApplyExtrinsic(index) => Some(index),
				EventPhase::Initialization | EventPhase::Finalization => None,
			};
			out.push(EventRecord { extrinsic, event: read_event(&event, at.metadata_ref())? });
		}
		Ok(out)
	}

	/// Opens a channel and reads it back.
	///
	/// # Errors
	///
	/// [`ChainError`].
	pub async fn open_channel(
		&self,
		channel: OpenChannel,
		key: &AccountKey,
		options: SubmitOptions,
	) -> Result<(ChannelInfo, Submitted), ChainError> {
		let submitted = self.submit(&calls::open(channel), key, options).await?;
		let id = submitted
			.opened()
			.ok_or_else(|| ChainError::Incompatible { what: "no event Channels.Opened".into() })?;
		let info = self
			.channel(&id, At::Hash(submitted.block.hash))
			.await?
			.ok_or_else(|| ChainError::NotFound { what: "the channel just opened".into() })?;
		Ok((info, submitted))
	}

	/// Whether the runtime has this call in the form that this client knows.
	///
	/// # Errors
	///
	/// [`ChainError::Incompatible`] if not.
	pub async fn check_call(&self, call: &Call) -> Result<(), ChainError> {
		call.encode(&self.at(At::Finalized).await?).map(|_| ())
	}
}

use api::runtime_types::pallet_stoa_channels::types::{
	Channel as StoredChannel, ChannelView as ViewedChannel, Phase as StoredPhase,
};

/// A channel as the view function gives it.
fn seen(id: ChannelId, channel: ViewedChannel) -> ChannelInfo {
	ChannelInfo {
		id,
		payer: channel.payer.0,
		payee: channel.payee.0,
		asset: channel.asset.0,
		key: channel.key.0,
		deposit: channel.deposit,
		settled: channel.settled,
		// There are as many as lanes, which are counted in 16 bits.
		lanes: u16::try_from(channel.lane_settled.len()).unwrap_or(u16::MAX),
		lane_settled: channel.lane_settled,
		grace: channel.grace,
		phase: channel.ends.map_or(Phase::Open, |ends| Phase::Closing { ends }),
		cap: channel.cap.map(|cap| cap.0),
		changes: Changes {
			key: channel.changes.key.map(|(key, until)| (key.0, until)),
			cap: channel.changes.cap.map(|(cap, from)| (cap.map(|cap| cap.0), from)),
			revoked: channel.changes.revoked.0,
		},
		schedule: channel.schedule,
		nonce: channel.nonce,
	}
}

/// A channel as it is stored, when it has no row of lanes and none of changes.
fn stored<Ticket>(id: ChannelId, channel: StoredChannel<Ticket>) -> ChannelInfo {
	ChannelInfo {
		id,
		payer: channel.payer.0,
		payee: channel.payee.0,
		asset: channel.asset.0,
		key: channel.key.0,
		deposit: channel.deposit,
		settled: channel.settled,
		lane_settled: vec![channel.lane0],
		lanes: channel.lanes,
		grace: channel.grace,
		phase: match channel.phase {
			StoredPhase::Open => Phase::Open,
			StoredPhase::Closing { ends, .. } => Phase::Closing { ends },
		},
		cap: channel.cap.map(|cap| cap.0),
		changes: Changes::default(),
		schedule: channel.schedule,
		nonce: channel.nonce,
	}
}

/// Block numbers of this chain are 32 bits wide; subxt reads 64.
pub(super) fn block_number(number: u64) -> BlockNumber {
	BlockNumber::try_from(number).unwrap_or(BlockNumber::MAX)
}

/// The pallets whose events carry figures: none of them may be passed over silently.
const MARKET: [&str; 6] = ["Agents", "Channels", "Credits", "Escrow", "FeeSplit", "Referrals"];

/// Reads one event; fails if it is a market event that this client does not know in this form.
pub(super) fn read_event(
	event: &subxt::events::Event<'_, StoaConfig>,
	metadata: &subxt::Metadata,
) -> Result<MarketEvent, ChainError> {
	let (pallet, name) = (event.pallet_name(), event.event_name());
	match event.decode_as::<api::Event>() {
		Ok(decoded) => Ok(decode(decoded, metadata)
			.unwrap_or_else(|| MarketEvent::Other { pallet: pallet.into(), name: name.into() })),
		Err(_) if MARKET.contains(&pallet) => {
			Err(ChainError::Incompatible { what: format!("event {pallet}.{name}") })
		},
		Err(_) => Ok(MarketEvent::Other { pallet: pallet.into(), name: name.into() }),
	}
}

/// Calls a view function.
///
/// The runtime takes the arguments as one byte string and answers with a result that holds another;
/// subxt's own call leaves both wrappings out, so they are put on and taken off here.
pub(super) async fn view<P>(at: &AtBlock, payload: P) -> Result<P::ReturnType, ChainError>
where
	P: ViewPayload,
	for<'a> &'a P: ViewPayload<ArgsType = P::ArgsType, ReturnType = P::ReturnType>,
{
	let what = || format!("view function {}.{}", payload.pallet_name(), payload.function_name());
	let incompatible = || ChainError::Incompatible { what: what() };
	let views = at.view_functions();
	views.validate(&payload)?;
	let encoded = views.encode_args(&payload)?;
	let (id, arguments) = encoded.split_first_chunk::<32>().ok_or_else(incompatible)?;
	let input = (id, arguments).encode();
	let output = at.runtime_apis().call_raw(EXECUTE_VIEW, Some(&input)).await?;
	// The error says that the function or its arguments are not known.
	let output = Result::<Vec<u8>, ViewFailed>::decode(&mut output.as_slice())
		.ok()
		.and_then(Result::ok)
		.ok_or_else(incompatible)?;
	let metadata = at.metadata_ref();
	let kind = metadata
		.pallet_by_name(payload.pallet_name())
		.and_then(|pallet| Some(pallet.view_function_by_name(payload.function_name())?.output_ty()))
		.ok_or_else(incompatible)?;
	P::ReturnType::decode_as_type(&mut output.as_slice(), kind, metadata.types())
		.map_err(|_| incompatible())
}

const EXECUTE_VIEW: &str = "RuntimeViewFunction_execute_view_function";

/// Why the runtime did not call a view function: of no interest beyond that.
struct ViewFailed;

impl Decode for ViewFailed {
	fn decode<I: codec::Input>(_: &mut I) -> Result<Self, codec::Error> {
		Ok(Self)
	}
}

impl ChainView for Chain {
	fn genesis(&self) -> H256 {
		self.0.genesis
	}

	fn caught_up(&self) -> BoxFuture<'_, Result<bool, ChainError>> {
		boxed(Chain::caught_up(self))
	}

	fn block(&self, at: At) -> BoxFuture<'_, Result<BlockRef, ChainError>> {
		boxed(Chain::block(self, at))
	}

	fn block_by_number(
		&self,
		number: BlockNumber,
	) -> BoxFuture<'_, Result<Option<BlockRef>, ChainError>> {
		boxed(Chain::block_by_number(self, number))
	}

	fn channel(
		&self,
		id: ChannelId,
		at: At,
	) -> BoxFuture<'_, Result<Option<ChannelInfo>, ChainError>> {
		boxed(async move { Chain::channel(self, &id, at).await })
	}
}

fn boxed<'a, T>(future: impl Future<Output = T> + Send + 'a) -> BoxFuture<'a, T> {
	future.boxed()
}
