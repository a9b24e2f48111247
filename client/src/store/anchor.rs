//! Telling apart the lives of a chain that begins anew with the same genesis.

use super::{Committer, Store, StoreError, Table, Write};
use crate::chain::{ChainError, ChainView};
use std::{
	path::{Path, PathBuf},
	sync::{Mutex, MutexGuard, PoisonError},
};
use stoa_primitives::{BlockNumber, H256};

const ANCHOR: &[u8] = b"anchor";

/// The block whose hash a store keeps. A development chain that is started anew has the same genesis,
/// and so the same channel ids; the first block holds the time, so that its hash is another one.
///
/// It is the first and not a late one, so that every chain with a final block can be judged: one that
/// began anew has few blocks, and so has a node that has not caught up.
const NUMBER: BlockNumber = 1;

/// What a store has seen of its chain: the hash of one block that was final. Kept from the first time
/// that there is one.
pub(crate) struct Anchor {
	path: Option<PathBuf>,
	seen: Mutex<Option<H256>>,
}

impl Anchor {
	/// Reads it.
	pub(crate) fn load(store: &dyn Store) -> Result<Self, StoreError> {
		let seen = match store.get(Table::Meta, ANCHOR)? {
			Some(bytes) => Some(
				<[u8; 32]>::try_from(bytes.as_slice())
					.map_err(|_| StoreError::Malformed(Table::Meta))?
					.into(),
			),
			None => None,
		};
		Ok(Self { path: store.path().map(Path::to_path_buf), seen: Mutex::new(seen) })
	}

	fn seen(&self) -> MutexGuard<'_, Option<H256>> {
		// Nothing panics while the lock is held.
		self.seen.lock().unwrap_or_else(PoisonError::into_inner)
	}

	/// Makes sure that `chain`, which is final up to block `finalized`, has the block that the store
	/// has seen; if it has seen none yet, writes it down. Returns whether there is one.
	///
	/// # Errors
	///
	/// [`StoreError::ChainAnew`] when there is another block in its place, which a final block rules
	/// out on one and the same chain; [`StoreError::ChainBehind`] when there is none, which may also
	/// mean that the node has not caught up.
	pub(crate) async fn verify<E>(
		&self,
		chain: &dyn ChainView,
		finalized: BlockNumber,
		committer: &Committer,
	) -> Result<bool, E>
	where
		E: From<ChainError> + From<StoreError>,
	{
		let found = match finalized >= NUMBER {
			true => chain.block_by_number(NUMBER).await?.map(|block| block.hash),
			false => None,
		};
		let seen = *self.seen();
		match (seen, found) {
			(Some(seen), Some(found)) if seen == found => Ok(true),
			(Some(_), Some(_)) => Err(StoreError::ChainAnew(self.path.clone()).into()),
			(Some(_), None) => Err(StoreError::ChainBehind(self.path.clone()).into()),
			(None, Some(found)) => {
				let value = Some(found.as_bytes().to_vec());
				let write = Write { table: Table::Meta, key: ANCHOR.to_vec(), value };
				committer.commit(vec![write]).await?;
				*self.seen() = Some(found);
				Ok(true)
			},
			(None, None) => Ok(false),
		}
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use crate::{
		chain::fake::FakeChain,
		payer::PayError,
		store::{tests::FailingStore, RedbStore},
	};
	use std::sync::{atomic::Ordering, Arc};

	async fn verify(store: &Arc<dyn Store>, chain: &FakeChain) -> Result<bool, PayError> {
		let anchor = Anchor::load(store.as_ref())?;
		let committer = Committer::start(store.clone())?;
		let finalized = {
			let state = chain.state();
			state.number - state.unfinalized
		};
		anchor.verify(chain, finalized, &committer).await
	}

	#[tokio::test]
	async fn a_chain_that_goes_on_should_be_known_again() {
		let store: Arc<dyn Store> = Arc::new(FailingStore::default());
		let chain = FakeChain::new(H256::zero());
		assert!(verify(&store, &chain).await.unwrap());
		// Later, and by a node that has not caught up.
		for number in [1_000, 5] {
			chain.state().number = number;
			assert!(verify(&store, &chain).await.unwrap());
		}
	}

	#[tokio::test]
	async fn a_chain_that_began_anew_should_be_refused_with_the_file_to_remove() {
		let dir = tempfile::tempdir().unwrap();
		let path = dir.path().join("payer.redb");
		let store: Arc<dyn Store> = Arc::new(RedbStore::open(&path).unwrap());
		let chain = FakeChain::new(H256::zero());
		verify(&store, &chain).await.unwrap();
		chain.state().life = 1;
		// Shorter or longer than before.
		for number in [1, 100, 1_000] {
			chain.state().number = number;
			let error = verify(&store, &chain).await.unwrap_err();
			assert!(matches!(error, PayError::Store(StoreError::ChainAnew(_))), "{error}");
			let text = error.to_string();
			assert!(text.contains("began anew") && text.contains(path.to_str().unwrap()), "{text}");
		}
	}

	#[tokio::test]
	async fn a_chain_without_a_final_block_should_be_refused_only_if_there_was_one() {
		let store: Arc<dyn Store> = Arc::new(FailingStore::default());
		let chain = FakeChain::new(H256::zero());
		let at = |number, unfinalized| {
			let mut state = chain.state();
			(state.number, state.unfinalized) = (number, unfinalized);
		};
		// A block that is not final may still be another one.
		for (number, unfinalized) in [(0, 0), (7, 7)] {
			at(number, unfinalized);
			assert!(!verify(&store, &chain).await.unwrap());
		}
		at(7, 6);
		assert!(verify(&store, &chain).await.unwrap());
		for (number, unfinalized) in [(0, 0), (7, 7)] {
			at(number, unfinalized);
			let error = verify(&store, &chain).await.unwrap_err();
			assert!(matches!(error, PayError::Store(StoreError::ChainBehind(_))), "{error}");
		}
	}

	#[tokio::test]
	async fn what_was_not_written_should_not_be_taken_for_seen() {
		let failing = Arc::new(FailingStore::default());
		let store: Arc<dyn Store> = failing.clone();
		let chain = FakeChain::new(H256::zero());
		failing.fail.store(true, Ordering::SeqCst);
		assert!(verify(&store, &chain).await.is_err());
		failing.fail.store(false, Ordering::SeqCst);
		chain.state().life = 1;
		assert!(verify(&store, &chain).await.unwrap());
	}
}
