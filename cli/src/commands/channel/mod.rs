//! `stoa channel`.

mod agreement;
mod change;
mod close;
mod open;
mod recover;
mod seller;
mod show;
mod terms;

pub use open::sign_open;
pub use terms::parse_cap;

use crate::{
	cli::{Channel, Settle},
	context::{parse_channel, Context},
	output::{Failure, Report},
	settling::{fee_of, report_settled, worth},
};
use seller::Seller;
use stoa_client::{
	chain::{to_hex, At, Chain, ChannelInfo},
	settle::{SettlePolicy, Settler},
};
use stoa_primitives::{channel::ChannelId, BlockNumber};

/// Run a command of `stoa channel`. Returns what it has to say, and the failure of one that has done only
/// a part.
///
/// # Errors
///
/// Those of keys, amounts, stores and chain.
pub async fn run(
	context: &Context,
	command: &Channel,
) -> Result<(Report, Option<Failure>), Failure> {
	let report = match command {
		Channel::Open(args) => open::open(context, args).await?,
		Channel::Authorize(args) => open::authorize(context, args).await?,
		Channel::List { account } => show::list(context, account.as_deref()).await?,
		Channel::Show { id } => show::show(context, id).await?,
		Channel::TopUp { id, amount } => change::top_up(context, id, amount).await?,
		Channel::RotateKey { id } => change::rotate_key(context, id).await?,
		Channel::SetCap { id, cap } => change::set_cap(context, id, cap).await?,
		Channel::RevokeLane { id, lane } => change::revoke_lane(context, id, *lane).await?,
		Channel::RequestClose { id } => change::request_close(context, id).await?,
		Channel::CancelClose { id } => change::cancel_close(context, id).await?,
		Channel::Close(args) => close::close(context, args).await?,
		Channel::Consent(args) => close::consent(context, args).await?,
		Channel::Finalize { ids } => close::finalize(context, ids).await?,
		Channel::Settle(args) => settle(context, args).await?,
		Channel::Recover { sellers, timeout } => {
			return recover::recover(context, sellers, *timeout).await
		},
	};
	Ok((report, None))
}

/// A channel that must be there.
///
/// # Errors
///
/// When there is none of this id.
pub async fn find(chain: &Chain, id: &ChannelId) -> Result<ChannelInfo, Failure> {
	chain.channel(id, At::Best).await?.ok_or_else(|| {
		Failure::new(
			format!("the chain has no channel {}", to_hex(id)),
			"it may have been closed; `stoa channel list` shows what is open",
		)
	})
}

/// The first block in which nothing can be settled any more, once a close was requested.
fn ends(info: &ChannelInfo) -> Option<BlockNumber> {
	show::ends(info.phase)
}

async fn settle(context: &Context, args: &Settle) -> Result<Report, Failure> {
	let key = context.key()?;
	let chain = context.chain().await?;
	let unit = context.unit(&chain, &args.asset.asset).await?;
	let given = args.min_claim.as_deref().map(|text| unit.parse(text)).transpose()?;
	let store = args.store.as_deref();
	let seller = Seller::open(context, &chain, &key, &unit.asset, store).await?;
	let min_claim = match given {
		Some(amount) => amount,
		// Of as many claims as there are: each adds to the fee.
		None => {
			let claims = seller.payee.payable().len();
			worth(&chain, fee_of(&chain, &key, claims).await?, &unit.asset).await?
		},
	};
	let policy = SettlePolicy { min_batch: min_claim, ..SettlePolicy::default() };
	let settler = Settler::new(seller.payee.clone(), seller.till, policy);
	let settled = settler.settle_now().await?;
	let (account, left) = (key.account_id(), seller.payee.totals().unsettled);
	Ok(report_settled(context, &chain, &unit, &account, &settled, left, min_claim).await)
}

/// What tests begin with.
#[cfg(test)]
mod sample {
	use stoa_client::chain::{Changes, ChannelInfo, Phase};
	use stoa_primitives::{keys::Key, AccountId, AssetId};

	/// A channel of one dollar on which nothing has happened.
	pub fn channel() -> ChannelInfo {
		ChannelInfo {
			id: [9; 32],
			payer: AccountId::new([1; 32]),
			payee: AccountId::new([2; 32]),
			asset: AssetId::WithId(1),
			key: Key::Ed25519([1; 32]),
			deposit: 1_000_000,
			settled: 0,
			lane_settled: vec![0],
			lanes: 1,
			grace: 450,
			phase: Phase::Open,
			cap: None,
			changes: Changes::default(),
			schedule: 0,
			nonce: 0,
		}
	}
}
