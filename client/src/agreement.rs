//! What one side of a channel signs so that the other can act alone: the payer that the payee may open a
//! channel, the payee that the payer may close one at once.

use crate::{
	chain::{BlockRef, ChannelInfo},
	keys::AccountKey,
	payee::Rules,
};
use codec::{Decode, Encode};
use sp_crypto_hashing::blake2_256;
use sp_runtime::MultiSignature;
use stoa_primitives::{
	channel::{channel_id, ChannelId, MAX_GRACE, MIN_GRACE},
	keys::verify_account,
	payload::{CloseConsent, Domain, OpenAuth, Payload},
	AccountId, AssetId, Balance, BlockNumber,
};

/// Why an agreement is of no use.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Disagreement {
	/// The signature is not the other side's.
	#[error("the signature is not by the account of the other side over this on this chain")]
	BadSignature,
	/// It is about something else.
	#[error("it is for another channel, account or asset")]
	Other,
	/// It has expired, or will before it can be used.
	#[error("it expires in block {expires}, too soon")]
	Expired {
		/// Its last block.
		expires: BlockNumber,
	},
	/// The sum is not what this side has agreed to pay.
	#[error("it says {total}, at most {limit} was paid for")]
	TooMuch {
		/// What the payee will have been paid.
		total: Balance,
		/// What the payer finds due.
		limit: Balance,
	},
	/// The deposit is smaller than what is asked for.
	#[error("the deposit of {deposit} is below the {min} required")]
	DepositTooLow {
		/// What would be locked.
		deposit: Balance,
		/// What is asked for.
		min: Balance,
	},
	/// The grace period is shorter than what is asked for, or none of the chain's.
	#[error("the grace period of {grace} blocks is not acceptable")]
	Grace {
		/// In blocks.
		grace: BlockNumber,
	},
	/// Another channel of the pair was opened since.
	#[error("it has nonce {found}, the next one of the pair is {next}")]
	Nonce {
		/// The one it has.
		found: u64,
		/// The one that is next.
		next: u64,
	},
}

/// The payee's agreement to a close, signed by its account key.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SignedConsent {
	/// What is agreed to.
	pub consent: CloseConsent,
	/// By the payee's account key, raw or in the wrapping of wallets.
	pub signature: MultiSignature,
}

impl SignedConsent {
	/// Signs an agreement for the chain of `domain`.
	pub fn sign(consent: CloseConsent, payee: &AccountKey, domain: &Domain) -> Self {
		Self { signature: payee.sign(&consent.to_bytes(domain)), consent }
	}

	/// Whether the payer of `info` can close its channel with this in a block after `now`, and pays no
	/// more than `limit` over the channel's life by it.
	///
	/// # Errors
	///
	/// [`Disagreement`].
	pub fn check(
		&self,
		info: &ChannelInfo,
		limit: Balance,
		now: BlockRef,
		domain: &Domain,
	) -> Result<(), Disagreement> {
		let CloseConsent { channel, total, expires } = self.consent;
		if channel != info.id {
			return Err(Disagreement::Other);
		}
		if !verify_account(&info.payee, &self.consent.to_bytes(domain), &self.signature) {
			return Err(Disagreement::BadSignature);
		}
		if expires <= now.number {
			return Err(Disagreement::Expired { expires });
		}
		// The chain takes no less than what was settled, and no more than was locked.
		if total > limit.max(info.settled).min(info.deposit) {
			return Err(Disagreement::TooMuch { total, limit });
		}
		Ok(())
	}
}

/// The payer's agreement that the payee opens a channel out of the payer's credits.
#[derive(Clone, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SignedOpen {
	/// Who pays, and has signed.
	pub payer: AccountId,
	/// In what.
	pub asset: AssetId,
	/// What is agreed to.
	pub auth: OpenAuth,
	/// By the payer's account key, raw or in the wrapping of wallets.
	pub signature: MultiSignature,
}

/// What a payer agrees to lock for a payee.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OpenTerms {
	/// Who will be paid.
	pub payee: AccountId,
	/// In what.
	pub asset: AssetId,
	/// Credits to lock, in units of the asset.
	pub deposit: Balance,
	/// The key that will sign vouchers.
	pub key: stoa_primitives::keys::Key,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// The next nonce of the pair.
	pub nonce: u64,
	/// Last block in which the channel can be opened.
	pub expires: BlockNumber,
}

/// `blake2_256` of the SCALE-encoded asset id, as [`OpenAuth`] names it.
pub fn asset_digest(asset: &AssetId) -> [u8; 32] {
	blake2_256(&asset.encode())
}

impl SignedOpen {
	/// Signs an agreement for the chain of `domain`.
	pub fn sign(terms: OpenTerms, payer: &AccountKey, domain: &Domain) -> Self {
		let auth = OpenAuth {
			payee: terms.payee,
			asset: asset_digest(&terms.asset),
			amount: terms.deposit,
			voucher_key: terms.key,
			grace: terms.grace,
			nonce: terms.nonce,
			expires: terms.expires,
		};
		let signature = payer.sign(&auth.to_bytes(domain));
		Self { payer: payer.account(), asset: terms.asset, auth, signature }
	}

	/// The channel that it opens.
	pub fn channel(&self, domain: &Domain) -> ChannelId {
		channel_id(domain, &self.payer, &self.auth.payee, &self.asset, self.auth.nonce)
	}

	/// Whether a payee with these rules can open the channel in a block after `now`, with a deposit of at
	/// least `min_deposit`. `next_nonce` is that of the pair.
	///
	/// # Errors
	///
	/// [`Disagreement`].
	pub fn check(
		&self,
		rules: &Rules,
		min_deposit: Balance,
		next_nonce: u64,
		now: BlockRef,
		domain: &Domain,
	) -> Result<(), Disagreement> {
		let auth = &self.auth;
		let ours = auth.payee == rules.payee
			&& self.asset == rules.asset
			&& auth.asset == asset_digest(&self.asset)
			&& self.payer != rules.payee;
		if !ours {
			return Err(Disagreement::Other);
		}
		if auth.amount < min_deposit || auth.amount == 0 {
			return Err(Disagreement::DepositTooLow { deposit: auth.amount, min: min_deposit });
		}
		if !(MIN_GRACE.max(rules.min_grace)..=MAX_GRACE).contains(&auth.grace) {
			return Err(Disagreement::Grace { grace: auth.grace });
		}
		if auth.expires <= now.number {
			return Err(Disagreement::Expired { expires: auth.expires });
		}
		if auth.nonce != next_nonce {
			return Err(Disagreement::Nonce { found: auth.nonce, next: next_nonce });
		}
		match verify_account(&self.payer, &auth.to_bytes(domain), &self.signature) {
			true => Ok(()),
			false => Err(Disagreement::BadSignature),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{
		chain::fake,
		keys::{Scheme, VoucherKey},
	};
	use sp_core::H256;

	fn account(name: &str) -> AccountKey {
		AccountKey::from_uri(name, Scheme::Sr25519).unwrap()
	}

	fn domain() -> Domain {
		Domain::channels(H256::repeat_byte(1))
	}

	fn block(number: BlockNumber) -> BlockRef {
		BlockRef { number, hash: H256::zero() }
	}

	fn info() -> ChannelInfo {
		let key = VoucherKey::from_uri("//V", Scheme::Ed25519).unwrap().key();
		ChannelInfo { payee: account("//Payee").account(), ..fake::channel([9; 32], key, 100) }
	}

	fn consent(total: Balance) -> SignedConsent {
		let consent = CloseConsent { channel: [9; 32], total, expires: 50 };
		SignedConsent::sign(consent, &account("//Payee"), &domain())
	}

	#[test]
	fn a_payer_should_pay_no_more_on_a_close_than_it_has_signed() {
		let check = |signed: &SignedConsent, limit, now| {
			signed.check(&info(), limit, block(now), &domain())
		};
		assert_eq!(check(&consent(40), 40, 49), Ok(()));
		let dear = Disagreement::TooMuch { total: 41, limit: 40 };
		assert_eq!(check(&consent(41), 40, 1), Err(dear));
		let all = Disagreement::TooMuch { total: 101, limit: Balance::MAX };
		assert_eq!(check(&consent(101), Balance::MAX, 1), Err(all));
		assert_eq!(check(&consent(40), 40, 50), Err(Disagreement::Expired { expires: 50 }));
		let mut changed = consent(40);
		changed.consent.total = 39;
		assert_eq!(check(&changed, 40, 1), Err(Disagreement::BadSignature));
		let forged = SignedConsent::sign(consent(40).consent, &account("//Payer"), &domain());
		assert_eq!(check(&forged, 40, 1), Err(Disagreement::BadSignature));
		let mut other = consent(40);
		other.consent.channel = [8; 32];
		assert_eq!(check(&other, 40, 1), Err(Disagreement::Other));
		let elsewhere = Domain::channels(H256::zero());
		let outcome = consent(40).check(&info(), 40, block(1), &elsewhere);
		assert_eq!(outcome, Err(Disagreement::BadSignature));
		// What was settled is paid already, whatever these records say.
		let settled = ChannelInfo { settled: 60, ..info() };
		assert_eq!(consent(60).check(&settled, 40, block(1), &domain()), Ok(()));
	}

	fn rules() -> Rules {
		let payee = account("//Payee").account();
		Rules {
			payee,
			asset: fake::ASSET,
			min_grace: 450,
			settle_horizon: 100,
			accept_expiring: true,
		}
	}

	fn terms() -> OpenTerms {
		OpenTerms {
			payee: account("//Payee").account(),
			asset: fake::ASSET,
			deposit: 100,
			key: info().key,
			grace: 450,
			nonce: 3,
			expires: 50,
		}
	}

	#[test]
	fn a_payee_should_open_what_its_payer_has_agreed_to_only() {
		let payer = account("//Payer");
		let check = |signed: &SignedOpen| signed.check(&rules(), 100, 3, block(49), &domain());
		let sign = |terms| SignedOpen::sign(terms, &payer, &domain());
		let good = sign(terms());
		assert_eq!(check(&good), Ok(()));
		let id = channel_id(&domain(), &payer.account(), &rules().payee, &fake::ASSET, 3);
		assert_eq!(good.channel(&domain()), id);
		let low = Disagreement::DepositTooLow { deposit: 99, min: 100 };
		assert_eq!(check(&sign(OpenTerms { deposit: 99, ..terms() })), Err(low));
		for grace in [449, MAX_GRACE + 1] {
			let refused = check(&sign(OpenTerms { grace, ..terms() }));
			assert_eq!(refused, Err(Disagreement::Grace { grace }));
		}
		let late = check(&sign(OpenTerms { expires: 49, ..terms() }));
		assert_eq!(late, Err(Disagreement::Expired { expires: 49 }));
		let used = check(&sign(OpenTerms { nonce: 2, ..terms() }));
		assert_eq!(used, Err(Disagreement::Nonce { found: 2, next: 3 }));
		let native = check(&sign(OpenTerms { asset: AssetId::Native, ..terms() }));
		assert_eq!(native, Err(Disagreement::Other));
		// Another asset in the words than in what was signed.
		let renamed = SignedOpen {
			asset: fake::ASSET,
			..sign(OpenTerms { asset: AssetId::Native, ..terms() })
		};
		assert_eq!(check(&renamed), Err(Disagreement::Other));
		let mut raised = good.clone();
		raised.auth.amount = 1_000;
		assert_eq!(check(&raised), Err(Disagreement::BadSignature));
		let stolen = SignedOpen { payer: account("//Other").account(), ..good };
		assert_eq!(check(&stolen), Err(Disagreement::BadSignature));
	}
}
