//! Agreeing to a close: the payee signs what it will have been paid, and takes nothing more.

use super::{rows::ConsentRow, Payee, PayeeError, Rejection};
use crate::{
	agreement::SignedConsent,
	keys::AccountKey,
	store::{Table, Write},
};
use stoa_primitives::{channel::ChannelId, payload::CloseConsent, BlockNumber};

/// How long an agreement to a close can be used, at most: a payer that does not use it keeps its channel
/// shut for as long.
pub const MAX_CONSENT: BlockNumber = stoa_primitives::HOURS;

impl Payee {
	/// Agrees that the payer closes a channel at once with what was earned on it so far, up to `blocks`
	/// after the best block. From then on, durably, nothing is accepted on the channel before the last of
	/// these blocks is final without a close. Settling goes on meanwhile: it is part of the sum.
	///
	/// # Errors
	///
	/// [`PayeeError::Busy`] while a call is under way on the channel, or as reading and storing demand.
	pub async fn consent(
		&self,
		id: &ChannelId,
		blocks: BlockNumber,
		key: &AccountKey,
	) -> Result<Result<SignedConsent, Rejection>, PayeeError> {
		if self.lookup(id).await?.is_none() {
			return Ok(Err(Rejection::UnknownChannel));
		}
		let _one = self.0.agreeing.lock().await;
		self.flush_all().await?;
		let expires = self.best_block().saturating_add(blocks.min(MAX_CONSENT));
		let (before, total) = {
			let mut machine = self.machine_mut();
			(machine.consented(id), machine.consent(id, expires))
		};
		let total = match total {
			Ok(total) => total.ok_or(PayeeError::Busy)?,
			Err(rejection) => return Ok(Err(rejection)),
		};
		let row = ConsentRow::V1 { until: expires };
		let kept = self.0.committer.commit(vec![Write::put(Table::Consents, id, &row)]).await;
		if let Err(error) = kept {
			// Nobody has it, so it need not keep the channel shut.
			self.machine_mut().take_back_consent(id, expires, before);
			return Err(error.into());
		}
		let consent = CloseConsent { channel: *id, total, expires };
		Ok(Ok(SignedConsent::sign(consent, key, &self.domain())))
	}
}
