//! Ticks: payments of one hash each, after one signature over the end of a hash chain.
//!
//! The payer draws a [`TickChain`] and signs a commitment to it; each payment reveals a value further
//! along the chain. See [`stoa_primitives::tick`] for the hashes.

use crate::{
	keys::{random_bytes, VoucherKey},
	voucher::LaneKey,
};
use blake2b_simd::{
	many::{hash_many, HashManyJob, MAX_DEGREE},
	Params,
};
use codec::{Decode, Encode};
use sp_crypto_hashing::blake2_256;
use stoa_primitives::{
	channel::{Item, Proof, TickProof},
	keys::{Key, KeySignature},
	payload::{Domain, Payload, TickCommit},
	tick::{walk, Prefix, Tick, MAX_TICKS},
	Balance,
};

/// How far apart the values are that a [`TickChain`] keeps: about the root of [`MAX_TICKS`], so that
/// few are kept and few hashes lead from one to its neighbours.
const STRIDE: u32 = 32;

/// How many values [`images`] hashes at a time: as many as the processor does at once.
pub(crate) const GROUP: usize = MAX_DEGREE;

/// The hashes of what [`preimage`](stoa_primitives::tick::preimage) gives, as [`hash`](stoa_primitives::tick::hash) gives them; in half of the
/// time where the processor hashes four at once.
pub(crate) fn images(preimages: &[[u8; 53]; GROUP]) -> [Tick; GROUP] {
	let mut params = Params::new();
	params.hash_length(32);
	let mut jobs = preimages.each_ref().map(|bytes| HashManyJob::new(&params, bytes));
	hash_many(&mut jobs);
	jobs.map(|job| job.to_hash().as_bytes().first_chunk().copied().unwrap_or_default())
}

/// A commitment to a hash chain and the signature of the channel's voucher key over its bytes.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SignedCommit {
	/// What is committed to.
	pub commit: TickCommit,
	/// By the channel's voucher key over [`Payload::to_bytes`] under the chain's channel domain.
	pub signature: KeySignature,
}

impl SignedCommit {
	/// Signs a commitment for the chain of `domain`.
	pub fn sign(commit: TickCommit, key: &VoucherKey, domain: &Domain) -> Self {
		Self { commit, signature: key.sign(&commit.to_bytes(domain)) }
	}

	/// Whether `key` signed this commitment for the chain of `domain`.
	pub fn verify(&self, key: &Key, domain: &Domain) -> bool {
		key.verify(&self.commit.to_bytes(domain), &self.signature)
	}

	/// The lane that it is for.
	pub fn lane(&self) -> LaneKey {
		LaneKey { channel: self.commit.channel, lane: self.commit.lane }
	}

	/// The last tick that can be claimed on chain.
	pub fn last(&self) -> u32 {
		self.commit.count.min(MAX_TICKS)
	}

	/// What revealing tick `index` allows; `None` when no number is as large.
	pub fn amount(&self, index: u32) -> Option<Balance> {
		self.commit.value.checked_mul(index.into())?.checked_add(self.commit.base)
	}

	/// The first tick that allows at least `amount`, at least 1; `None` when there is none that can be
	/// claimed.
	pub fn index_for(&self, amount: Balance) -> Option<u32> {
		let missing = amount.saturating_sub(self.commit.base);
		let index = missing.checked_add(self.commit.value.checked_sub(1)?)?;
		let index = u32::try_from(index.checked_div(self.commit.value)?).ok()?.max(1);
		(index <= self.last()).then_some(index)
	}

	/// What tells this commitment from all others.
	pub fn digest(&self, domain: &Domain) -> [u8; 32] {
		blake2_256(&self.commit.to_bytes(domain))
	}
}

/// A commitment and the latest value that was revealed of its chain.
#[derive(Clone, Copy, Debug, Decode, Encode, Eq, PartialEq)]
pub struct SignedTicks {
	/// The commitment.
	pub signed: SignedCommit,
	/// Which tick it is, from 1.
	pub index: u32,
	/// The value whose `index`-fold image is the root.
	pub tick: Tick,
}

impl SignedTicks {
	/// What it allows; `None` when no number is as large.
	pub fn amount(&self) -> Option<Balance> {
		self.signed.amount(self.index)
	}

	/// Whether the tick can be claimed and belongs to the commitment, and whether `key` signed that for
	/// the chain of `domain`. Costs `index` hashes.
	pub fn verify(&self, key: &Key, domain: &Domain) -> bool {
		let proof = self.proof();
		proof.in_range() && proof.leads_to_root() && self.signed.verify(key, domain)
	}

	fn proof(&self) -> TickProof {
		TickProof::new(&self.signed.commit, self.signed.signature, self.index, self.tick)
	}

	/// The claim that takes `capture` of what is allowed; all of it when `capture` is not less.
	pub fn to_item(&self, capture: Balance) -> Item {
		let TickCommit { channel, lane, .. } = self.signed.commit;
		let all = self.amount().is_some_and(|amount| capture >= amount);
		let capture = (!all).then_some(capture);
		Item { channel, lane, capture, proof: Proof::Ticks(self.proof()) }
	}
}

/// The payer's side of a commitment: the seed, and some values on the way from it to the root.
#[derive(Clone)]
pub struct TickChain {
	prefix: Prefix,
	count: u32,
	/// The values at `0`, `STRIDE`, twice that and so on, then the seed.
	kept: Vec<Tick>,
}

impl TickChain {
	/// A chain of `count` ticks with a random prefix and seed, which nobody has used before. With the
	/// seed, to be stored.
	pub fn random(count: u32) -> (Self, Tick) {
		let (prefix, seed) = (random_bytes(), random_bytes());
		let prefix = prefix.first_chunk().copied().unwrap_or_default();
		(Self::new(prefix, seed, count), seed)
	}

	/// The chain whose value at `count` is `seed`. Costs `count` hashes.
	pub fn new(prefix: Prefix, seed: Tick, count: u32) -> Self {
		let (mut kept, mut at, mut value) = (vec![seed], count, seed);
		while at > 0 {
			let next = at.saturating_sub(1) / STRIDE * STRIDE;
			value = walk(&prefix, at, next, value);
			kept.push(value);
			at = next;
		}
		kept.reverse();
		Self { prefix, count, kept }
	}

	/// What the chain's values are hashed with.
	pub fn prefix(&self) -> Prefix {
		self.prefix
	}

	/// How many ticks there are.
	pub fn count(&self) -> u32 {
		self.count
	}

	/// What is committed to.
	pub fn root(&self) -> Tick {
		self.kept.first().copied().unwrap_or_default()
	}

	/// The tick at `index`; `None` beyond the end. Costs less than [`MAX_TICKS`]' root hashes.
	pub fn tick(&self, index: u32) -> Option<Tick> {
		if index > self.count {
			return None;
		}
		let place = index.div_ceil(STRIDE);
		let from = place.saturating_mul(STRIDE).min(self.count);
		let value = self.kept.get(usize::try_from(place).ok()?)?;
		Some(walk(&self.prefix, from, index, *value))
	}
}

impl std::fmt::Debug for TickChain {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		// The values are money.
		f.debug_struct("TickChain").field("count", &self.count).finish_non_exhaustive()
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::Scheme;
	use sp_core::H256;
	use stoa_primitives::tick::{hash, preimage};

	fn signed(chain: &TickChain, base: Balance, value: Balance) -> SignedCommit {
		let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap();
		let commit = TickCommit {
			channel: [1; 32],
			lane: 2,
			base,
			value,
			count: chain.count(),
			prefix: chain.prefix(),
			root: chain.root(),
			valid_until: 0,
		};
		SignedCommit::sign(commit, &key, &Domain::channels(H256::zero()))
	}

	#[test]
	fn every_tick_of_a_chain_should_lead_to_its_root() {
		for count in [1, 31, 32, 33, 64, 1_000, MAX_TICKS] {
			let (chain, seed) = TickChain::random(count);
			assert_eq!(chain.tick(count), Some(seed));
			assert_eq!(chain.tick(0), Some(chain.root()));
			assert_eq!(chain.tick(count + 1), None);
			let mut last = chain.root();
			for index in 1..=count {
				let tick = chain.tick(index).unwrap();
				assert_eq!(walk(&chain.prefix(), index, index - 1, tick), last);
				last = tick;
			}
			let again = TickChain::new(chain.prefix(), seed, count);
			assert_eq!(again.root(), chain.root());
		}
	}

	#[test]
	fn images_should_be_what_each_hash_gives() {
		let tick = |n: usize| ([n as u8; 16], n as u32 * 7, [n as u8 + 1; 32]);
		let preimages = std::array::from_fn(|n| {
			let (prefix, index, value) = tick(n);
			preimage(&prefix, index, &value)
		});
		for (n, image) in images(&preimages).iter().enumerate() {
			let (prefix, index, value) = tick(n);
			assert_eq!(*image, hash(&prefix, index, &value));
		}
	}

	#[test]
	fn chains_should_not_repeat() {
		let ((a, _), (b, _)) = (TickChain::random(4), TickChain::random(4));
		assert!(a.root() != b.root() && a.prefix() != b.prefix());
	}

	#[test]
	fn amounts_and_indices_should_fit() {
		let (chain, _) = TickChain::random(10);
		let signed = signed(&chain, 50, 7);
		assert_eq!((signed.amount(0), signed.amount(10)), (Some(50), Some(120)));
		let index = |amount| signed.index_for(amount);
		assert_eq!(
			(index(0), index(51), index(57), index(58)),
			(Some(1), Some(1), Some(1), Some(2))
		);
		assert_eq!((index(120), index(121), index(Balance::MAX)), (Some(10), None, None));
		let huge = super::tests::signed(&chain, Balance::MAX, 7);
		assert_eq!(huge.amount(1), None);
		let free = super::tests::signed(&chain, 0, 0);
		assert_eq!(free.index_for(1), None);
	}

	#[test]
	fn ticks_beyond_the_reach_of_the_chain_should_not_verify() {
		let key = VoucherKey::from_uri("//Voucher", Scheme::Ed25519).unwrap().key();
		let domain = Domain::channels(H256::zero());
		let (chain, _) = TickChain::random(MAX_TICKS + 1);
		let signed = signed(&chain, 0, 1);
		let at = |index| SignedTicks { signed, index, tick: chain.tick(index).unwrap() };
		assert!(at(1).verify(&key, &domain) && at(MAX_TICKS).verify(&key, &domain));
		assert!(!at(MAX_TICKS + 1).verify(&key, &domain));
		assert!(!SignedTicks { index: 2, ..at(1) }.verify(&key, &domain));
		assert!(!at(1).verify(&Key::Ed25519([0; 32]), &domain));
		let item = at(5).to_item(3);
		assert_eq!((item.allowed(), item.capture), (Some(5), Some(3)));
		assert_eq!(at(5).to_item(5).capture, None);
	}
}
