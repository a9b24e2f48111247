//! Each call at its worst case.
//!
//! Offers and consents are signed in setup by keys of the keystore that benchmarks run with.

#![cfg(feature = "runtime-benchmarks")]

use super::*;
use crate::Pallet as Escrow;
use alloc::{boxed::Box, vec, vec::Vec};
use frame_benchmarking::v2::*;
use frame_support::{
	traits::{Consideration, Get},
	BoundedVec,
};
use frame_system::RawOrigin;
use sp_core::{crypto::KeyTypeId, ecdsa};
use sp_io::crypto;
use sp_runtime::{traits::IdentifyAccount, MultiSigner, Permill};
use stoa_primitives::{
	agent::MAX_URI_LEN,
	agreement::{
		lock_of, AgreementId, Evidence, Milestone, Offer, Panel, Side, MAX_ARBITERS, MAX_DURATION,
		MAX_MILESTONES, MAX_VALIDITY, MIN_REVIEW,
	},
	keys::AgentSignature,
	payload::{CancelConsent, ExtendConsent, Payload},
	traits::{AgentRegistry, Ledger, OutcomeHook, Settlement, SpendGuard},
	AccountId, AssetId, Balance, H256,
};

const ASSET: AssetId = AssetId::WithId(1);
const AMOUNT: Balance = 1_000_000_000;
const PENALTY: Balance = AMOUNT / 10;
const FEE: Balance = AMOUNT / 100;
const TURN: u32 = 150;
const KEYS: KeyTypeId = KeyTypeId(*b"offr");
const LOCK_KEY: [u8; 32] = [7; 32];

/// An account whose signatures are the dearest to check: ecdsa, which is recovered, in the wrapping of
/// a wallet, so that it is recovered twice.
#[derive(Clone)]
struct Signer {
	public: ecdsa::Public,
	account: AccountId,
}

impl Signer {
	fn new() -> Self {
		let public = crypto::ecdsa_generate(KEYS, None);
		Self { public, account: MultiSigner::Ecdsa(public).into_account() }
	}

	/// One that is an active agent, whose operator can put up storage deposits.
	fn agent<T: Config>() -> Self {
		let signer = Self::new();
		let operator = T::Registry::benchmark_agent(&signer.account);
		let most = Escrow::<T>::agreement_footprint(MAX_MILESTONES as usize);
		T::AgreementConsideration::ensure_successful(&operator, most);
		T::RecordConsideration::ensure_successful(&operator, Escrow::<T>::record_footprint());
		signer
	}

	fn sign(&self, message: &[u8]) -> AgentSignature {
		let wrapped = [b"<Bytes>".as_slice(), message, b"</Bytes>".as_slice()].concat();
		let signature = crypto::ecdsa_sign(KEYS, &self.public, &wrapped).expect("generated here");
		AgentSignature::Account(signature.into())
	}

	fn origin(&self) -> RawOrigin<AccountId> {
		RawOrigin::Signed(self.account.clone())
	}

	/// So many credits more, and no others.
	fn give<T: Config>(&self, amount: Balance) {
		T::Ledger::benchmark_deposit(&self.account, &ASSET, amount);
	}
}

/// What an agreement is made with.
struct Deal {
	buyer: Signer,
	seller: Signer,
	offer: Offer,
}

impl Deal {
	/// An offer by the seller of `milestones`, the last of them under a lock if `locked`, and `arbiters`.
	/// Both sides have just the credits that it takes, so that nothing is left when it is committed.
	fn new<T: Config>(milestones: u32, arbiters: u32, locked: bool) -> Self {
		let (buyer, seller) = (Signer::agent::<T>(), Signer::agent::<T>());
		let arbiters: Vec<AccountId> = (0..arbiters)
			.map(|n| {
				let arbiter = account("arbiter", n, 0);
				T::Registry::benchmark_agent(&arbiter);
				arbiter
			})
			.collect();
		let fallback = Permill::from_percent(50);
		let panel = if arbiters.is_empty() {
			Panel::none(fallback)
		} else {
			let arbiters = BoundedVec::truncate_from(arbiters);
			Panel { arbiters, fee: FEE, turn: TURN, fallback }
		};
		let plain = Milestone {
			amount: AMOUNT,
			deliver_within: MAX_DURATION / 2,
			review: MIN_REVIEW,
			rework: MIN_REVIEW,
			changes: 1,
			penalty: PENALTY,
			lock: None,
		};
		let mut terms = vec![plain; milestones as usize];
		if let Some(last) = terms.last_mut().filter(|_| locked) {
			*last = Milestone { review: 0, changes: 0, lock: Some(lock_of(&LOCK_KEY)), ..plain };
		}
		let now = Escrow::<T>::now();
		let offer = Offer {
			negotiation: [1; 32],
			buyer: buyer.account.clone(),
			seller: seller.account.clone(),
			asset: ASSET,
			milestones: BoundedVec::truncate_from(terms),
			terms: [2; 32],
			bond: PENALTY * Balance::from(milestones) + FEE * Balance::from(milestones),
			panel,
			by: Side::Seller,
			round: 1,
			previous: None,
			opened: now,
			first_ask: AMOUNT,
			valid_until: now + MAX_VALIDITY,
			nonce: 0,
		};
		buyer.give::<T>(offer.total().expect("within bounds"));
		seller.give::<T>(offer.bond);
		Self { buyer, seller, offer }
	}

	fn id<T: Config>(&self) -> AgreementId {
		self.offer.digest(&Escrow::<T>::domain())
	}

	/// Commit it. Its settlement is as dear as can be.
	fn commit<T: Config>(self) -> Self {
		let signature = self.seller.sign(&self.id::<T>());
		let offer = Box::new(self.offer.clone());
		Escrow::<T>::commit(self.buyer.origin().into(), offer, signature, H256::zero())
			.expect("all that it needs was given");
		T::Settlement::benchmark_worst_case(&self.buyer.account, &self.seller.account, &ASSET);
		T::Outcome::worst_case(&self.buyer.account, &self.seller.account);
		self
	}

	/// Put every milestone but the last, or that as well, into a state.
	fn set<T: Config>(self, state: State, last: State) -> Self {
		Agreements::<T>::mutate(self.id::<T>(), |agreement| {
			let agreement = agreement.as_mut().expect("just committed");
			for progress in agreement.milestones.iter_mut() {
				progress.state = state;
			}
			agreement.milestones.last_mut().expect("one at least").state = last;
		});
		self
	}

	/// The buyer has opened a dispute about each milestone that is delivered.
	fn dispute<T: Config>(self) -> Self {
		let id = self.id::<T>();
		let progress = Agreements::<T>::get(id).expect("just committed").milestones;
		for (milestone, progress) in (0..).zip(progress) {
			if progress.state == DELIVERED {
				self.buyer.give::<T>(self.offer.panel.fee);
				let origin = self.buyer.origin().into();
				Escrow::<T>::dispute(origin, id, milestone, evidence()).expect("it is in review");
			}
		}
		self
	}

	/// What a consent must name.
	fn sequence<T: Config>(&self) -> u32 {
		Agreements::<T>::get(self.id::<T>()).expect("it runs").sequence
	}

	/// The place of the last milestone.
	fn last(&self) -> u32 {
		self.offer.milestones.len() as u32 - 1
	}

	fn assert_ended<T: Config>(&self) {
		assert!(Agreements::<T>::get(self.id::<T>()).is_none());
		assert!(Outcomes::<T>::get(self.id::<T>()).is_some());
	}
}

const DELIVERED: State = State::Delivered { review_until: u32::MAX };
const OVER: State = State::Ended(Ending::Released);

/// With as many arbiters and milestones as there can be, of which only the last has not ended.
fn nearly_over<T: Config>(last: State, locked: bool) -> Deal {
	Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, locked).commit::<T>().set::<T>(OVER, last)
}

fn evidence() -> Evidence {
	let uri = BoundedVec::truncate_from(vec![b'a'; MAX_URI_LEN as usize]);
	Evidence { digest: [3; 32], uri }
}

fn run_to<T: Config>(block: u32) {
	frame_system::Pallet::<T>::set_block_number(block.into());
}

#[benchmarks]
mod benchmarks {
	use super::*;

	#[benchmark]
	fn commit() {
		// The operator puts up the one deposit, the agent the other.
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false);
		let Deal { buyer, seller, offer } = &deal;
		let operator = T::Registry::operator_of(&buyer.account).expect("an agent");
		let records = T::MaxSponsoredRecords::get();
		let sponsored = Sponsored { agreements: 0, records };
		Sponsorships::<T>::insert(&operator, &buyer.account, sponsored);
		T::RecordConsideration::ensure_successful(&buyer.account, Escrow::<T>::record_footprint());
		T::SpendGuard::benchmark_worst_case(&buyer.account, &seller.account, &ASSET);
		T::SpendGuard::benchmark_worst_case(&seller.account, &buyer.account, &ASSET);
		let signature = seller.sign(&deal.id::<T>());

		#[extrinsic_call]
		_(buyer.origin(), Box::new(offer.clone()), signature, H256::zero());

		assert_eq!(Agreements::<T>::get(deal.id::<T>()).expect("made").depositor, operator);
	}

	#[benchmark]
	fn withdraw_offer() {
		let signer = Signer::agent::<T>();
		let other: AccountId = account("other", 0, 0);

		#[extrinsic_call]
		_(signer.origin(), other, [1; 32], Side::Seller, 1);

		assert_eq!(Standings::<T>::iter().count(), 1);
	}

	#[benchmark]
	fn supersede() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false).commit::<T>();
		let previous = Some(deal.id::<T>());
		let counter = Offer { by: Side::Buyer, round: 2, previous, ..deal.offer.clone() };
		let signature = deal.buyer.sign(&counter.digest(&Escrow::<T>::domain()));

		#[extrinsic_call]
		_(deal.seller.origin(), Box::new(counter), signature);

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn deliver() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false).commit::<T>();

		#[extrinsic_call]
		_(deal.seller.origin(), deal.id::<T>(), deal.last(), evidence());

		let agreement = Agreements::<T>::get(deal.id::<T>()).expect("it runs");
		let last = agreement.milestones.last().expect("there are some");
		assert!(matches!(last.state, State::Delivered { .. }));
	}

	#[benchmark]
	fn reveal() {
		let deal = nearly_over::<T>(State::Funded { deliver_by: u32::MAX }, true);

		#[extrinsic_call]
		_(deal.seller.origin(), deal.id::<T>(), deal.last(), LOCK_KEY);

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn accept() {
		let deal = nearly_over::<T>(DELIVERED, false);

		#[extrinsic_call]
		_(deal.buyer.origin(), deal.id::<T>(), deal.last());

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn release() {
		// In the turn of the last arbiter, who is paid.
		let deal = nearly_over::<T>(DELIVERED, false).dispute::<T>();
		run_to::<T>(Escrow::<T>::now() + TURN * MAX_ARBITERS);

		#[extrinsic_call]
		_(deal.buyer.origin(), deal.id::<T>(), deal.last(), AMOUNT);

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn request_changes() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false)
			.commit::<T>()
			.set::<T>(DELIVERED, DELIVERED);

		#[extrinsic_call]
		_(deal.buyer.origin(), deal.id::<T>(), deal.last(), evidence());

		let agreement = Agreements::<T>::get(deal.id::<T>()).expect("it runs");
		assert_eq!(agreement.milestones.last().expect("there are some").changes, 1);
	}

	#[benchmark]
	fn dispute() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false)
			.commit::<T>()
			.set::<T>(DELIVERED, DELIVERED);
		deal.buyer.give::<T>(FEE);
		let (buyer, seller) = (&deal.buyer.account, &deal.seller.account);
		T::SpendGuard::benchmark_worst_case(buyer, seller, &ASSET);

		#[extrinsic_call]
		_(deal.buyer.origin(), deal.id::<T>(), deal.last(), evidence());

		assert_eq!(Agreements::<T>::get(deal.id::<T>()).expect("it runs").disputes, 1);
	}

	#[benchmark]
	fn dispute_unjudged() {
		let deal = Deal::new::<T>(MAX_MILESTONES, 0, false).commit::<T>().set::<T>(OVER, DELIVERED);

		#[extrinsic_call]
		dispute(deal.buyer.origin(), deal.id::<T>(), deal.last(), evidence());

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn rule() {
		let deal = nearly_over::<T>(DELIVERED, false).dispute::<T>();
		run_to::<T>(Escrow::<T>::now() + TURN * MAX_ARBITERS);
		let arbiter = deal.offer.panel.arbiters.last().expect("there are some").clone();
		let share = Permill::from_parts(333_333);

		#[extrinsic_call]
		_(RawOrigin::Signed(arbiter), deal.id::<T>(), deal.last(), share, evidence());

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn poke(n: Linear<1, MAX_MILESTONES>) {
		let deal = Deal::new::<T>(n, MAX_ARBITERS, false)
			.commit::<T>()
			.set::<T>(DELIVERED, DELIVERED)
			.dispute::<T>();
		run_to::<T>(Escrow::<T>::now() + TURN * MAX_ARBITERS + 1);
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		_(RawOrigin::Signed(caller), deal.id::<T>());

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn cancel() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false)
			.commit::<T>()
			.set::<T>(DELIVERED, DELIVERED)
			.dispute::<T>();
		// In the turn of the last arbiter, who is paid for each.
		run_to::<T>(Escrow::<T>::now() + TURN * MAX_ARBITERS);
		let consent = CancelConsent {
			agreement: deal.id::<T>(),
			seller: AMOUNT,
			sequence: deal.sequence::<T>(),
			expires: Escrow::<T>::now() + MAX_CONSENT_AGE,
		};
		let signature = deal.seller.sign(&consent.to_bytes(&Escrow::<T>::domain()));

		#[extrinsic_call]
		_(deal.buyer.origin(), consent, signature);

		deal.assert_ended::<T>();
	}

	#[benchmark]
	fn extend() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false).commit::<T>();
		let consent = ExtendConsent {
			agreement: deal.id::<T>(),
			milestone: deal.last(),
			deliver_by: MAX_DURATION,
			sequence: deal.sequence::<T>(),
			expires: Escrow::<T>::now() + MAX_CONSENT_AGE,
		};
		let signature = deal.seller.sign(&consent.to_bytes(&Escrow::<T>::domain()));

		#[extrinsic_call]
		_(deal.buyer.origin(), consent, signature);

		assert_eq!(Agreements::<T>::get(deal.id::<T>()).expect("it runs").sequence, 1);
	}

	#[benchmark]
	fn forget() {
		let deal = nearly_over::<T>(DELIVERED, false);
		let origin = deal.buyer.origin().into();
		Escrow::<T>::accept(origin, deal.id::<T>(), deal.last()).expect("it is delivered");
		run_to::<T>(Escrow::<T>::now() + RECORD_PERIOD + 1);
		let caller: AccountId = whitelisted_caller();

		#[extrinsic_call]
		_(RawOrigin::Signed(caller), deal.offer.key());

		assert_eq!(Standings::<T>::iter().count(), 0);
	}

	#[benchmark]
	fn answer() {
		let deal = Deal::new::<T>(MAX_MILESTONES, MAX_ARBITERS, false)
			.commit::<T>()
			.set::<T>(DELIVERED, DELIVERED)
			.dispute::<T>();

		#[extrinsic_call]
		_(deal.seller.origin(), deal.id::<T>(), deal.last(), evidence());

		let agreement = Agreements::<T>::get(deal.id::<T>()).expect("it runs");
		let last = agreement.milestones.last().expect("there are some");
		assert!(matches!(last.state, State::Disputed { answered: true, .. }));
	}
}
