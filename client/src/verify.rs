//! Checking many signatures at once.
//!
//! Ed25519 signatures are checked in one equation, which takes about half the time of one check each,
//! and less when they are by one key. The rule is that of ZIP-215, by which a batch and its single
//! signatures always agree; it is the rule of the chain. When the equation does not hold, each
//! signature is checked by itself, so that one bad one costs the others nothing but time.

use ed25519_zebra::{batch, Signature, VerificationKey, VerificationKeyBytes};
use rand_core::OsRng;
use std::{
	collections::HashMap,
	sync::{Mutex, MutexGuard, PoisonError},
};
use stoa_primitives::keys::{Key, KeySignature};
use tokio::sync::oneshot;

/// Most signatures that are checked in one equation: beyond, it hardly gets cheaper, and the first of
/// them would wait long.
pub const MAX_GROUP: usize = 64;

/// A signature to be checked.
#[derive(Clone, Debug)]
pub struct Check {
	/// Whose it should be.
	pub key: Key,
	/// What should be signed.
	pub message: Vec<u8>,
	/// The signature.
	pub signature: KeySignature,
}

impl Check {
	/// Whether it is good, checked by itself.
	pub fn verify(&self) -> bool {
		self.key.verify(&self.message, &self.signature)
	}

	fn item(&self) -> Option<batch::Item> {
		match (&self.key, &self.signature) {
			(Key::Ed25519(key), KeySignature::Ed25519(signature)) => {
				let key = VerificationKeyBytes::from(*key);
				Some((key, Signature::from(*signature), self.message.as_slice()).into())
			},
			_ => None,
		}
	}
}

/// Which of the signatures are good, in their order.
pub fn verify_all<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Vec<bool> {
	let checks: Vec<&Check> = checks.into_iter().collect();
	let mut out = Vec::with_capacity(checks.len());
	for group in checks.chunks(MAX_GROUP) {
		let mut equation = batch::Verifier::new();
		let mut queued = 0usize;
		for item in group.iter().filter_map(|check| check.item()) {
			equation.queue(item);
			queued = queued.saturating_add(1);
		}
		let together = queued > 1 && equation.verify(OsRng).is_ok();
		out.extend(group.iter().map(|check| match (&check.key, &check.signature) {
			(Key::Ed25519(_), KeySignature::Ed25519(_)) if together => true,
			_ => check.verify(),
		}));
	}
	out
}

/// Most keys that are remembered: 4 MiB of them.
const MAX_KEYS: usize = 16_384;

/// The points of Ed25519 keys that have signed something before. To find the point takes a tenth of the
/// time of checking a signature, and a payer signs every call with the same key.
#[derive(Default)]
pub struct KnownKeys(Mutex<HashMap<[u8; 32], VerificationKey>>);

impl KnownKeys {
	fn keys(&self) -> MutexGuard<'_, HashMap<[u8; 32], VerificationKey>> {
		// Nothing panics while the lock is held.
		self.0.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Whether a signature is good. Only the keys of good ones are remembered, so that nobody fills the
	/// memory with keys that are made up.
	pub fn verify(&self, check: &Check) -> bool {
		let (Key::Ed25519(key), KeySignature::Ed25519(signature)) = (&check.key, &check.signature)
		else {
			return check.verify();
		};
		let known = self.keys().get(key).copied();
		let Some(point) = known.or_else(|| VerificationKey::try_from(*key).ok()) else {
			return false;
		};
		let good = point.verify(&Signature::from(*signature), &check.message).is_ok();
		if good && known.is_none() {
			let mut keys = self.keys();
			if keys.len() >= MAX_KEYS {
				keys.clear();
			}
			keys.insert(*key, point);
		}
		good
	}
}

struct Waiting {
	check: Check,
	done: oneshot::Sender<bool>,
}

/// Gathers the signatures that concurrent calls want to have checked. A call alone waits for nobody:
/// it lets the others that are ready run once, and checks what there is then.
#[derive(Default)]
pub struct Verifier {
	waiting: Mutex<Vec<Waiting>>,
	known: KnownKeys,
}

impl Verifier {
	fn waiting(&self) -> MutexGuard<'_, Vec<Waiting>> {
		// Nothing panics while the lock is held.
		self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Whether the signature is good.
	pub async fn verify(&self, check: Check) -> bool {
		let (done, mut outcome) = oneshot::channel();
		self.waiting().push(Waiting { check: check.clone(), done });
		tokio::task::yield_now().await;
		if let Ok(good) = outcome.try_recv() {
			return good;
		}
		self.work();
		// Either it was among those, or another thread is at it. That one has ended without a word only
		// if it was torn down.
		outcome.await.unwrap_or_else(|_| check.verify())
	}

	/// Checks what is waiting, this call's own included unless another thread has it.
	fn work(&self) {
		loop {
			let group: Vec<Waiting> = {
				let mut waiting = self.waiting();
				let count = waiting.len().min(MAX_GROUP);
				waiting.drain(..count).collect()
			};
			if group.is_empty() {
				return;
			}
			let good = match group.as_slice() {
				[alone] => vec![self.known.verify(&alone.check)],
				group => verify_all(group.iter().map(|waiting| &waiting.check)),
			};
			for (waiting, good) in group.into_iter().zip(good) {
				// A caller that has gone away needs no answer.
				let _ = waiting.done.send(good);
			}
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::keys::{Scheme, VoucherKey};
	use std::sync::Arc;

	fn check(key: u8, scheme: Scheme, message: u8) -> Check {
		let key = VoucherKey::from_uri(&format!("//{key}"), scheme).unwrap();
		let message = vec![message; 96];
		Check { key: key.key(), signature: key.sign(&message), message }
	}

	fn spoiled(mut check: Check) -> Check {
		check.message[0] ^= 1;
		check
	}

	#[test]
	fn groups_of_all_schemes_should_agree_with_single_checks() {
		let schemes = [Scheme::Ed25519, Scheme::Sr25519, Scheme::Ecdsa];
		for bad in [None, Some(0), Some(7), Some(150)] {
			let checks: Vec<_> = (0..200u8)
				.map(|n| {
					let check = check(n % 5, schemes[usize::from(n % 4).min(2)], n);
					if bad == Some(n) {
						spoiled(check)
					} else {
						check
					}
				})
				.collect();
			let expected: Vec<_> = checks.iter().map(Check::verify).collect();
			assert_eq!(expected.iter().filter(|good| !**good).count(), bad.iter().count());
			assert_eq!(verify_all(&checks), expected);
		}
		assert!(verify_all(&[]).is_empty());
	}

	#[test]
	fn known_keys_should_agree_with_single_checks() {
		let known = KnownKeys::default();
		for round in 0..2 {
			for n in 0..30 {
				let scheme = [Scheme::Ed25519, Scheme::Sr25519, Scheme::Ecdsa][usize::from(n % 3)];
				let good = check(n % 7, scheme, n);
				let bad = spoiled(good.clone());
				assert!(good.verify() && known.verify(&good), "{round}");
				assert!(!bad.verify() && !known.verify(&bad));
			}
		}
		assert_eq!(known.keys().len(), 7);
		let no_point = Check { key: Key::Ed25519([2; 32]), ..check(1, Scheme::Ed25519, 1) };
		assert!(!known.verify(&no_point));
		// A key alone is remembered once it has signed.
		let fresh = KnownKeys::default();
		assert!(!fresh.verify(&spoiled(check(1, Scheme::Ed25519, 1))));
		assert!(fresh.keys().is_empty());
	}

	#[test]
	fn a_key_that_is_no_point_should_spoil_nothing_but_itself() {
		let good = check(1, Scheme::Ed25519, 1);
		let mut bad = good.clone();
		bad.key = Key::Ed25519([2; 32]);
		let mut other = good.clone();
		other.signature = KeySignature::Sr25519([0; 64]);
		assert_eq!(verify_all([&good, &bad, &other, &good]), [true, false, false, true]);
	}

	#[tokio::test]
	async fn concurrent_calls_should_each_get_their_own_verdict() {
		let verifier = Arc::new(Verifier::default());
		let calls: Vec<_> = (0..200u8)
			.map(|n| {
				let verifier = verifier.clone();
				let check = check(n % 3, Scheme::Ed25519, n);
				let check = if n % 10 == 0 { spoiled(check) } else { check };
				tokio::spawn(async move { (n, verifier.verify(check).await) })
			})
			.collect();
		for call in calls {
			let (n, good) = call.await.unwrap();
			assert_eq!(good, n % 10 != 0);
		}
		assert!(verifier.waiting().is_empty());
	}

	#[tokio::test]
	async fn a_caller_that_goes_away_should_hold_up_nobody() {
		let verifier = Verifier::default();
		for _ in 0..3 {
			let gone = verifier.verify(check(1, Scheme::Ed25519, 1));
			let _ = tokio::time::timeout(std::time::Duration::ZERO, gone).await;
		}
		assert!(verifier.verify(check(1, Scheme::Ed25519, 2)).await);
		assert!(!verifier.verify(spoiled(check(1, Scheme::Ed25519, 2))).await);
	}
}
