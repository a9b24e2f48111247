//! Beside a provider: keeps towers and nodes up to date with what it holds.

use super::publish::{publish, push, PublishError};
use crate::tower::{Tower, TowerError};
use std::{cmp::Reverse, collections::HashMap, future::Future, time::Duration};
use stoa_client::keys::AccountKey;
use stoa_primitives::channel::{ChannelId, Item};

/// Where a backup goes.
#[derive(Clone)]
pub enum Target {
	/// A tower in this process.
	Here(Tower),
	/// A tower that listens on HTTP, like `http://127.0.0.1:8403`.
	Tower(String),
	/// The statement store of a node, like `ws://127.0.0.1:9944`.
	Node(String),
}

/// Why a target did not take a backup. It gets the same again.
#[derive(Debug, thiserror::Error)]
enum Failure {
	#[error(transparent)]
	Here(#[from] TowerError),
	#[error(transparent)]
	There(#[from] PublishError),
}

/// A target, and what it has got.
struct Backup {
	target: Target,
	sent: HashMap<(ChannelId, u32), Item>,
}

/// Sends what `items` gives to every target, every so often, until `shutdown` resolves: only what has changed
/// since that target last took it. The last time is when `shutdown` resolves, for as long as `every`.
///
/// `items` is what the payee has accepted and not yet settled, one item for each lane, like
/// `payee.unsettled()`. `key` is the payee's account key, or one that the towers trust.
pub async fn run(
	items: impl Fn() -> Vec<Item>,
	key: &AccountKey,
	targets: Vec<Target>,
	every: Duration,
	shutdown: impl Future<Output = ()>,
) {
	let client = reqwest::Client::new();
	let mut backups: Vec<_> =
		targets.into_iter().map(|target| Backup { target, sent: HashMap::new() }).collect();
	tokio::pin!(shutdown);
	loop {
		let over = tokio::select! {
			() = &mut shutdown => true,
			() = tokio::time::sleep(every) => false,
		};
		let all = dearest_first(items());
		let round = futures::future::join_all(
			backups.iter_mut().map(|backup| backup.bring_up_to_date(&all, key, &client)),
		);
		if over {
			let _ = tokio::time::timeout(every, round).await;
			return;
		}
		round.await;
	}
}

/// What there is no room for should be what is worth least.
fn dearest_first(mut items: Vec<Item>) -> Vec<Item> {
	items.sort_by_cached_key(|item| Reverse(item.capture.or(item.allowed())));
	items
}

impl Backup {
	async fn bring_up_to_date(&mut self, all: &[Item], key: &AccountKey, client: &reqwest::Client) {
		let fresh = self.fresh(all);
		if fresh.is_empty() {
			return;
		}
		match self.send(all, &fresh, key, client).await {
			Ok(()) => self.took(all),
			Err(error) => tracing::warn!(%error, "a backup of vouchers did not arrive"),
		}
	}

	/// What the target has not got.
	fn fresh(&self, all: &[Item]) -> Vec<Item> {
		let new = |item: &&Item| self.sent.get(&(item.channel, item.lane)) != Some(*item);
		all.iter().filter(new).copied().collect()
	}

	/// Remembers what the target has got. What is no longer owed is forgotten.
	fn took(&mut self, all: &[Item]) {
		self.sent = all.iter().map(|item| ((item.channel, item.lane), *item)).collect();
	}

	async fn send(
		&self,
		all: &[Item],
		fresh: &[Item],
		key: &AccountKey,
		client: &reqwest::Client,
	) -> Result<(), Failure> {
		match &self.target {
			Target::Here(tower) => {
				tower.offer(None, fresh).await?;
			},
			Target::Tower(url) => {
				let pushed = push(client, url, key, fresh).await?;
				if !pushed.refused.is_empty() {
					tracing::warn!(refused = ?pushed.refused, "the tower does not keep everything");
				}
			},
			// A statement replaces the one before it, so everything goes.
			Target::Node(url) => {
				let published = publish(url, key, all).await?;
				if published.left_out > 0 {
					tracing::warn!(left_out = published.left_out, "the backup has no room for all");
				}
			},
		}
		Ok(())
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use std::sync::{
		atomic::{AtomicUsize, Ordering},
		Arc,
	};
	use stoa_client::keys::Scheme;
	use stoa_primitives::{channel::Proof, keys::KeySignature};

	fn item(lane: u32, cumulative: u128) -> Item {
		let signature = KeySignature::Ed25519([3; 64]);
		let proof = Proof::Voucher { cumulative, valid_until: 0, signature };
		Item { channel: [2; 32], lane, capture: None, proof }
	}

	#[test]
	fn only_what_has_changed_should_be_sent_again() {
		let mut backup = Backup { target: Target::Node(String::new()), sent: HashMap::new() };
		assert_eq!(backup.fresh(&[item(0, 5), item(1, 5)]), [item(0, 5), item(1, 5)]);
		backup.took(&[item(0, 5), item(1, 5)]);
		assert_eq!(backup.fresh(&[item(0, 5), item(1, 6)]), [item(1, 6)]);
		// Lane 0 was settled, and is used again.
		backup.took(&[item(1, 6)]);
		assert_eq!(backup.fresh(&[item(0, 5), item(1, 6)]), [item(0, 5)]);
	}

	#[test]
	fn the_dearest_should_come_first() {
		let capture = Item { capture: Some(7), ..item(2, 99) };
		assert_eq!(
			dearest_first(vec![item(0, 6), capture, item(1, 8)]),
			[item(1, 8), capture, item(0, 6)]
		);
	}

	#[tokio::test]
	async fn a_target_that_fails_should_get_the_same_again_and_once_more_at_the_end() {
		// Turns everything away.
		let asked = Arc::new(AtomicUsize::new(0));
		let counter = asked.clone();
		let router = axum::Router::new().fallback(move || {
			counter.fetch_add(1, Ordering::SeqCst);
			async { axum::http::StatusCode::SERVICE_UNAVAILABLE }
		});
		let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
		let url = format!("http://{}", listener.local_addr().unwrap());
		let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
		let server = super::super::http::serve(listener, router, async { drop(stopped.await) });
		let key = AccountKey::from_uri("//Payee", Scheme::Sr25519).unwrap();
		let provider = async {
			let every = Duration::from_millis(200);
			let shutdown = tokio::time::sleep(Duration::from_millis(700));
			run(|| vec![item(0, 5)], &key, vec![Target::Tower(url)], every, shutdown).await;
			drop(stop);
		};
		tokio::join!(server, provider);
		assert!(asked.load(Ordering::SeqCst) >= 3, "{asked:?}");
	}
}
