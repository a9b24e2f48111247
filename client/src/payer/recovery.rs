//! A payer that has lost its records, and has its keys: what it has signed is known to the chain, as far
//! as it was settled, and to its payees, which have its own signatures to show for it.

use super::{machine::correct, PayError, Payer};
use crate::{
	allowance::Allowance,
	chain::{At, PayerChain},
	keys::VoucherKey,
	payment::ChannelProof,
	voucher::LaneKey,
};
use futures::future::BoxFuture;
use stoa_primitives::{channel::ChannelId, AccountId};

/// Whoever can ask the payees of channels.
pub trait Payees: Send + Sync {
	/// The highest proof that the payee of a channel has on each lane. `proof` shows the payee that the
	/// payer is asking.
	fn highest(
		&self,
		payee: AccountId,
		proof: ChannelProof,
	) -> BoxFuture<'_, Result<Vec<Allowance>, String>>;
}

/// A channel that was found again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Recovered {
	/// Channel id.
	pub channel: ChannelId,
	/// How many lanes the payee has shown a proof for, each with our own signature.
	pub proven: usize,
	/// What kept the payee from being asked, or what it has shown that is not ours. The channel is usable
	/// all the same: the first payment is then corrected by the payee, if it has to be.
	pub problem: Option<String>,
}

impl Payer {
	/// Finds the channels of `account` again that `key` signs for, and asks their payees what was signed.
	/// `time` is in seconds since 1970. Channels that are known already are brought up to date.
	///
	/// No more is taken from a payee than what carries our own signature. A payee that hides its highest
	/// proof gains nothing: the next payment is then one that it has been paid before.
	///
	/// # Errors
	///
	/// [`PayError`]; what was found before that stays.
	pub async fn recover(
		&self,
		account: &AccountId,
		key: &VoucherKey,
		chain: &dyn PayerChain,
		payees: &dyn Payees,
		time: u64,
	) -> Result<Vec<Recovered>, PayError> {
		self.verify_chain(chain).await?;
		self.note_block(chain.block(At::Best).await?.number);
		let mut out = Vec::new();
		let channels = chain.channels_of(account.clone()).await?;
		// What was read is of this final block or of one before it.
		let seen = chain.block(At::Finalized).await?.number;
		for info in channels {
			if info.key != key.key() {
				continue;
			}
			self.add_final_channel(&info, key.clone(), seen).await?;
			let proof = self.prove(&info.id, time)?;
			let mut found = Recovered { channel: info.id, proven: 0, problem: None };
			match payees.highest(info.payee, proof).await {
				Ok(proofs) => {
					for proof in proofs {
						match self.take_over(&info.id, &proof).await? {
							true => found.proven = found.proven.saturating_add(1),
							false => {
								found.problem = Some("the payee shows what we did not sign".into());
							},
						}
					}
				},
				Err(problem) => found.problem = Some(problem),
			}
			out.push(found);
		}
		Ok(out)
	}

	/// Takes over a proof of ours that these records do not have. Returns `false` when it is not ours;
	/// one that says nothing new changes nothing.
	async fn take_over(&self, channel: &ChannelId, proof: &Allowance) -> Result<bool, PayError> {
		let at: LaneKey = proof.lane();
		if at.channel != *channel {
			return Ok(false);
		}
		let _turn = self.turn(at).await;
		let state = {
			let book = self.book();
			let known = book.channels.get(channel).ok_or(PayError::UnknownChannel(*channel))?;
			let before = known.lanes.get(&at.lane).cloned().unwrap_or_default();
			if proof.amount() <= before.acknowledged {
				let keys = [Some(known.terms.key), known.terms.retired];
				return Ok(keys.iter().flatten().any(|key| proof.verify(key, self.domain())));
			}
			let remembered = before.signed.is_some_and(|own| own.amount() >= proof.amount());
			if remembered {
				// Not lost: whether it was answered is for the payment in question to find out.
				return Ok(true);
			}
			match correct(&known.terms, self.domain(), at.lane, &before, proof) {
				Some(state) => state,
				None => return Ok(false),
			}
		};
		self.persist(at, state).await?;
		Ok(true)
	}
}

#[cfg(test)]
mod tests;
