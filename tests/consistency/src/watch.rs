//! The watchtower, and what it keeps.

use crate::chain::Node;
use futures::{future::BoxFuture, FutureExt};
use std::{
	collections::BTreeMap,
	sync::{Arc, Mutex, MutexGuard},
};
use stoa_primitives::{
	channel::{ChannelId, Item},
	AccountId,
};
use stoa_tower::{
	judge::Held,
	machine::Config,
	machine::Outcome,
	tower::{Keep, KeepFailure, Tower},
};

/// Rows of a tower.
#[derive(Clone, Default)]
struct Shelf(Arc<Mutex<BTreeMap<(ChannelId, u32), Held>>>);

impl Shelf {
	fn rows(&self) -> MutexGuard<'_, BTreeMap<(ChannelId, u32), Held>> {
		self.0.lock().expect("nothing panics while it holds the lock")
	}
}

impl Keep for Shelf {
	fn keep(&self, proofs: Vec<Held>) -> BoxFuture<'_, Result<(), KeepFailure>> {
		async move {
			for held in proofs {
				self.rows().insert((held.item.channel, held.item.lane), held);
			}
			Ok(())
		}
		.boxed()
	}

	fn forget(
		&self,
		channel: ChannelId,
		lanes: Vec<u32>,
	) -> BoxFuture<'_, Result<(), KeepFailure>> {
		async move {
			for lane in lanes {
				self.rows().remove(&(channel, lane));
			}
			Ok(())
		}
		.boxed()
	}
}

/// A watchtower with its node.
pub struct Watch {
	/// Its node.
	pub node: Node,
	shelf: Shelf,
	tower: Option<Tower>,
}

impl Watch {
	/// A tower that keeps nothing yet.
	pub fn new(node: Node) -> Self {
		let mut watch = Self { node, shelf: Shelf::default(), tower: None };
		watch.start();
		watch
	}

	/// Starts with what it has kept, if it is down.
	pub fn start(&mut self) {
		if self.tower.is_none() {
			let rows: Vec<_> = self.shelf.rows().values().cloned().collect();
			let (node, keep) = (Arc::new(self.node.clone()), Arc::new(self.shelf.clone()));
			self.tower = Some(Tower::new(Config::new([7; 32]), node, Some(keep), rows));
		}
	}

	/// Dies.
	pub fn crash(&mut self) {
		self.tower = None;
	}

	/// Is given proofs by their payee. Returns whether it has all of them now.
	pub async fn feed(&self, payee: &AccountId, items: &[Item]) -> bool {
		let Some(tower) = &self.tower else { return false };
		let outcomes = tower.offer(Some(payee), items).await.unwrap_or_default();
		let kept = outcomes.iter().filter(|one| matches!(one, Outcome::Kept | Outcome::Known));
		kept.count() == items.len()
	}

	/// Looks at channels and settles what is due.
	pub async fn pass(&self) {
		if let Some(tower) = &self.tower {
			// What fails is tried again.
			drop(tower.pass().await);
		}
	}
}
