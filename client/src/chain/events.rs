//! What happened in a block, as an auditor needs it to recompute every figure.

mod escrow;

pub use escrow::AgreementEvent;

use super::{api, DispatchFailure};
use stoa_primitives::{
	channel::{Cap, ChannelId, SkipReason},
	keys::Key,
	money::{ScheduleId, Shares, Source},
	AccountId, AssetId, Balance, BlockNumber,
};
use subxt::Metadata;

/// An event and the extrinsic that caused it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct EventRecord {
	/// Place of the extrinsic in the block; `None` for events of the block itself.
	pub extrinsic: Option<u32>,
	/// What happened.
	pub event: MarketEvent,
}

/// An event. Amounts are in units of the asset that is named, or of the channel's asset.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum MarketEvent {
	/// `FeeSplit.Settled`: market money changed owner.
	Settled {
		/// What was settled.
		source: Source,
		/// The side that paid.
		payer: AccountId,
		/// The side that was paid.
		provider: AccountId,
		/// The asset.
		asset: AssetId,
		/// Before shares were taken; the sum of the shares.
		gross: Balance,
		/// What provider, platform and referral side received.
		shares: Shares,
		/// What of the referral share was due to no referrer.
		growth_pool: Balance,
		/// The schedule whose rates applied.
		schedule: ScheduleId,
	},
	/// `Referrals.Rewarded`: a referrer's part of a referral share.
	Rewarded {
		/// Who is rewarded.
		referrer: AccountId,
		/// Because of whose trade.
		referee: AccountId,
		/// The asset.
		asset: AssetId,
		/// How much.
		amount: Balance,
		/// Steps from referee to referrer, 1 for the direct one.
		level: u8,
	},
	/// `Referrals.ReferrerBound`: it was fixed who brought an agent.
	ReferrerBound {
		/// The agent.
		referee: AccountId,
		/// Who brought it.
		referrer: AccountId,
	},
	/// `Referrals.CodeClaimed`.
	CodeClaimed {
		/// The code, as text.
		code: Vec<u8>,
		/// Whom it names.
		owner: AccountId,
	},
	/// `Credits.Deposited`: real assets came into custody.
	Deposited {
		/// Who paid them in.
		who: AccountId,
		/// Who was credited.
		beneficiary: AccountId,
		/// The asset.
		asset: AssetId,
		/// How much.
		amount: Balance,
	},
	/// `Credits.Withdrawn`: real assets left custody.
	Withdrawn {
		/// Whose credits they were.
		who: AccountId,
		/// Who received them.
		to: AccountId,
		/// The asset.
		asset: AssetId,
		/// How much.
		amount: Balance,
	},
	/// `Agents.Registered`.
	Registered {
		/// The agent.
		agent: AccountId,
		/// Who answers for it.
		operator: AccountId,
		/// Last block of its lease.
		lease_until: BlockNumber,
	},
	/// `Agents.Renewed`.
	Renewed {
		/// The agent.
		agent: AccountId,
		/// Last block of its lease.
		lease_until: BlockNumber,
	},
	/// `Channels.Opened`.
	Opened {
		/// Channel id.
		id: ChannelId,
		/// The side that pays.
		payer: AccountId,
		/// The side that is paid.
		payee: AccountId,
		/// In what is paid.
		asset: AssetId,
		/// Credits locked.
		deposit: Balance,
		/// The key that signs vouchers.
		key: Key,
		/// Grace period, in blocks.
		grace: BlockNumber,
		/// The nonce of the pair that is part of the id.
		nonce: u64,
		/// The fee schedule that holds until the channel ends.
		schedule: ScheduleId,
	},
	/// `Channels.ToppedUp`.
	ToppedUp {
		/// Channel id.
		id: ChannelId,
		/// By how much.
		amount: Balance,
		/// The whole deposit from now on.
		deposit: Balance,
	},
	/// `Channels.Claimed`: an item was paid.
	Claimed {
		/// Channel id.
		id: ChannelId,
		/// Lane within the channel.
		lane: u32,
		/// What was paid now, before shares were taken.
		amount: Balance,
		/// What has been paid over the channel's life.
		settled: Balance,
	},
	/// `Channels.Skipped`: an item was not paid.
	Skipped {
		/// Place of the item in the batch, from 0.
		index: u32,
		/// Channel id.
		id: ChannelId,
		/// Lane within the channel.
		lane: u32,
		/// Why.
		reason: SkipReason,
	},
	/// `Channels.SettlementRefused`: why the next skipped item could not be paid.
	SettlementRefused {
		/// Channel id.
		id: ChannelId,
		/// What the settlement says.
		error: DispatchFailure,
	},
	/// `Channels.BatchSettled`: a batch was worked through.
	BatchSettled {
		/// Who submitted it.
		by: AccountId,
		/// How many items were paid.
		paid_items: u32,
		/// How many were skipped.
		skipped_items: u32,
		/// Whether the platform's share covers the fee, so that the sender pays none.
		free: bool,
	},
	/// `Channels.KeyRotated`: a channel has another voucher key.
	KeyRotated {
		/// Channel id.
		id: ChannelId,
		/// The key that signs from now on.
		key: Key,
		/// First block in which the key before is no longer valid.
		until: BlockNumber,
	},
	/// `Channels.CapSet`: a velocity cap was set, changed or lifted.
	CapSet {
		/// Channel id.
		id: ChannelId,
		/// The cap, if any.
		cap: Option<Cap>,
		/// First block in which it holds.
		from: BlockNumber,
	},
	/// `Channels.LaneRevoked`.
	LaneRevoked {
		/// Channel id.
		id: ChannelId,
		/// Lane within the channel.
		lane: u32,
		/// First block in which nothing can be settled on it.
		from: BlockNumber,
	},
	/// `Channels.CloseRequested`: a grace period has begun.
	CloseRequested {
		/// Channel id.
		id: ChannelId,
		/// First block in which nothing can be settled any more.
		ends: BlockNumber,
	},
	/// `Channels.CloseCancelled`.
	CloseCancelled {
		/// Channel id.
		id: ChannelId,
	},
	/// `Channels.Closed`: a channel has ended.
	Closed {
		/// Channel id.
		id: ChannelId,
		/// All that was ever paid through it, before shares were taken.
		paid: Balance,
		/// What went back to the payer.
		refunded: Balance,
	},
	/// Something has happened to an agreement or a negotiation.
	Agreement(AgreementEvent),
	/// A transaction fee was taken.
	FeePaid {
		/// Who paid it.
		who: AccountId,
		/// In credits of this asset; `None` for native tokens.
		asset: Option<AssetId>,
		/// Fee and tip.
		amount: Balance,
		/// The tip alone.
		tip: Balance,
	},
	/// `System.ExtrinsicFailed`.
	ExtrinsicFailed(DispatchFailure),
	/// `Utility.ItemFailed`: one call of a `force_batch` failed.
	ItemFailed(DispatchFailure),
	/// Another event of the runtime.
	Other {
		/// The pallet.
		pallet: String,
		/// The event.
		name: String,
	},
}

/// The generated error of the runtime, in the words of its metadata.
pub(super) fn failure(
	error: &api::runtime_types::sp_runtime::DispatchError,
	metadata: &Metadata,
) -> DispatchFailure {
	use api::runtime_types::sp_runtime::DispatchError as E;
	let plain = |name: &str, doc: &str| DispatchFailure {
		pallet: String::new(),
		name: name.into(),
		doc: doc.into(),
	};
	match error {
		E::Module(module) => metadata
			.pallet_by_error_index(module.index)
			.and_then(|pallet| {
				let variant = pallet.error_variant_by_index(*module.error.first()?)?;
				Some(DispatchFailure {
					pallet: pallet.name().into(),
					name: variant.name.clone(),
					doc: variant.docs.join(" ").split_whitespace().collect::<Vec<_>>().join(" "),
				})
			})
			.unwrap_or_else(|| {
				plain(
					"Module",
					"An error that the metadata does not name. Use the client of this runtime.",
				)
			}),
		E::Token(token) => plain(&format!("Token.{token:?}"), token_doc(token)),
		E::Arithmetic(error) => plain(
			&format!("Arithmetic.{error:?}"),
			"An amount is out of range. Name a smaller one.",
		),
		E::BadOrigin => plain("BadOrigin", "The signer may not do this. Sign with another key."),
		E::Unavailable => plain("Unavailable", "Not possible on this chain or at this time."),
		other => plain(&format!("{other:?}"), ""),
	}
}

/// Why tokens could not be moved or held, and what to do. The metadata has no words for it.
fn token_doc(error: &api::runtime_types::sp_runtime::TokenError) -> &'static str {
	use api::runtime_types::sp_runtime::TokenError as E;
	match error {
		E::FundsUnavailable => {
			"An account owns too little. Storage deposits are put up in native tokens, by the operator \
			 for its agents. Give it more, or name less."
		},
		E::OnlyProvider | E::NotExpendable => {
			"An account must keep its minimum balance. Name less, or give it more."
		},
		E::BelowMinimum | E::CannotCreate => {
			"The receiver would own less than the asset's minimum balance. Send more, or give it native \
			 tokens first."
		},
		E::UnknownAsset => "No such asset exists. Name another.",
		E::Frozen => "The asset or the account is frozen. Ask the asset's issuer.",
		E::Unsupported => "The asset cannot be moved like that.",
		E::CannotCreateHold => {
			"Nothing more can be held of the account. Release some of what it has put up."
		},
		E::Blocked => "The receiver is blocked for the asset. Name another.",
	}
}

/// Reads one event. `None` when it cannot be decoded with this client's metadata.
pub(super) fn decode(event: api::Event, metadata: &Metadata) -> Option<MarketEvent> {
	use api::{
		agents::Event as Agents, channels::Event as Channels, credits::Event as Credits,
		fee_split::Event as FeeSplit, referrals::Event as Referrals, Event,
	};
	Some(match event {
		Event::FeeSplit(FeeSplit::Settled {
			source,
			payer,
			provider,
			asset,
			gross,
			shares,
			growth_pool,
			schedule,
			..
		}) => MarketEvent::Settled {
			source: source.0,
			payer: payer.0,
			provider: provider.0,
			asset: asset.0,
			gross,
			shares: shares.0,
			growth_pool,
			schedule,
		},
		Event::Referrals(Referrals::Rewarded { referrer, referee, asset, amount, level }) => {
			MarketEvent::Rewarded {
				referrer: referrer.0,
				referee: referee.0,
				asset: asset.0,
				amount,
				level,
			}
		},
		Event::Referrals(Referrals::ReferrerBound { referee, referrer }) => {
			MarketEvent::ReferrerBound { referee: referee.0, referrer: referrer.0 }
		},
		Event::Referrals(Referrals::CodeClaimed { code, owner }) => {
			MarketEvent::CodeClaimed { code: code.0, owner: owner.0 }
		},
		Event::Credits(Credits::Deposited { who, beneficiary, asset, amount }) => {
			MarketEvent::Deposited {
				who: who.0,
				beneficiary: beneficiary.0,
				asset: asset.0,
				amount,
			}
		},
		Event::Credits(Credits::Withdrawn { who, to, asset, amount }) => {
			MarketEvent::Withdrawn { who: who.0, to: to.0, asset: asset.0, amount }
		},
		Event::Agents(Agents::Registered { agent, operator, lease_until }) => {
			MarketEvent::Registered { agent: agent.0, operator: operator.0, lease_until }
		},
		Event::Agents(Agents::Renewed { agent, lease_until }) => {
			MarketEvent::Renewed { agent: agent.0, lease_until }
		},
		Event::Channels(Channels::Opened {
			id,
			payer,
			payee,
			asset,
			deposit,
			key,
			grace,
			nonce,
			schedule,
			..
		}) => MarketEvent::Opened {
			id,
			payer: payer.0,
			payee: payee.0,
			asset: asset.0,
			deposit,
			key: key.0,
			grace,
			nonce,
			schedule,
		},
		Event::Channels(Channels::ToppedUp { id, amount, deposit, .. }) => {
			MarketEvent::ToppedUp { id, amount, deposit }
		},
		Event::Channels(Channels::Claimed { id, lane, amount, settled }) => {
			MarketEvent::Claimed { id, lane, amount, settled }
		},
		Event::Channels(Channels::Skipped { index, id, lane, reason }) => {
			MarketEvent::Skipped { index, id, lane, reason: reason.0 }
		},
		Event::Channels(Channels::SettlementRefused { id, error, .. }) => {
			MarketEvent::SettlementRefused { id, error: failure(&error, metadata) }
		},
		Event::Channels(Channels::BatchSettled { by, paid_items, skipped_items, free }) => {
			MarketEvent::BatchSettled { by: by.0, paid_items, skipped_items, free }
		},
		Event::Channels(Channels::KeyRotated { id, key, until }) => {
			MarketEvent::KeyRotated { id, key: key.0, until }
		},
		Event::Channels(Channels::CapSet { id, cap, from }) => {
			MarketEvent::CapSet { id, cap: cap.map(|cap| cap.0), from }
		},
		Event::Channels(Channels::LaneRevoked { id, lane, from }) => {
			MarketEvent::LaneRevoked { id, lane, from }
		},
		Event::Channels(Channels::CloseRequested { id, ends, .. }) => {
			MarketEvent::CloseRequested { id, ends }
		},
		Event::Channels(Channels::CloseCancelled { id }) => MarketEvent::CloseCancelled { id },
		Event::Channels(Channels::Closed { id, paid, refunded, .. }) => {
			MarketEvent::Closed { id, paid, refunded }
		},
		Event::TransactionPayment(api::transaction_payment::Event::TransactionFeePaid {
			who,
			actual_fee,
			tip,
		}) => MarketEvent::FeePaid { who: who.0, asset: None, amount: actual_fee, tip },
		Event::AssetTxPayment(api::asset_tx_payment::Event::AssetTxFeePaid {
			who,
			actual_fee,
			tip,
			asset_id,
		}) => MarketEvent::FeePaid {
			who: who.0,
			asset: asset_id.map(|asset| asset.0),
			amount: actual_fee,
			tip,
		},
		Event::Escrow(event) => MarketEvent::Agreement(escrow::decode(event)),
		Event::System(api::system::Event::ExtrinsicFailed { dispatch_error, .. }) => {
			MarketEvent::ExtrinsicFailed(failure(&dispatch_error, metadata))
		},
		Event::Utility(api::utility::Event::ItemFailed { error }) => {
			MarketEvent::ItemFailed(failure(&error, metadata))
		},
		// What sudo wraps fails without failing the extrinsic: report it as if it had.
		Event::Sudo(api::sudo::Event::Sudid { sudo_result: Err(error) }) => {
			MarketEvent::ExtrinsicFailed(failure(&error, metadata))
		},
		_ => return None,
	})
}
