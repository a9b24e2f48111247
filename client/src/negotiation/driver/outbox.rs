//! Sends beside everything else, and keeps the order of what is said in one negotiation.
//!
//! A message that arrives before the one it follows is not taken. Those of one negotiation are therefore sent one after
//! the other, those of different ones at the same time.

use crate::negotiation::{
	message::Signed,
	transport::{Transport, TransportError},
};
use std::{
	collections::{HashMap, VecDeque},
	sync::Arc,
	time::Duration,
};
use stoa_primitives::agreement::NegotiationKey;
use tokio::{sync::Semaphore, task::JoinSet};

/// Most messages that are being sent at the same time.
const SENDING: usize = 16;

/// How often a message is sent that the way does not take, and how long it is left alone in between. Afterwards its
/// machine sends it again, as long as it waits for an answer.
const TRIES: u32 = 3;
const PAUSE: Duration = Duration::from_secs(1);

type Sent = (NegotiationKey, Result<(), TransportError>);

/// What is to be sent.
pub(super) struct Outbox {
	transport: Arc<dyn Transport>,
	/// What waits for its turn, for each negotiation of which something is being sent.
	waiting: HashMap<NegotiationKey, VecDeque<Box<Signed>>>,
	under_way: JoinSet<Sent>,
	places: Arc<Semaphore>,
}

impl Outbox {
	pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
		let (waiting, under_way) = Default::default();
		Self { transport, waiting, under_way, places: Arc::new(Semaphore::new(SENDING)) }
	}

	/// Sends a message after those of its negotiation that are on their way.
	pub(super) fn push(&mut self, key: NegotiationKey, message: Box<Signed>) {
		match self.waiting.get_mut(&key) {
			// What is said again while it still waits goes once.
			Some(queue) => match queue.contains(&message) {
				true => {},
				false => queue.push_back(message),
			},
			None => {
				self.waiting.insert(key, VecDeque::new());
				self.send(key, message);
			},
		}
	}

	fn send(&mut self, key: NegotiationKey, message: Box<Signed>) {
		let (transport, places) = (self.transport.clone(), self.places.clone());
		self.under_way.spawn(async move {
			// Nobody closes it.
			let _place = places.acquire().await;
			(key, deliver(transport.as_ref(), &message).await)
		});
	}

	/// The next message that was sent, or could not be; never when nothing is being sent.
	pub(super) async fn next(&mut self) -> Sent {
		loop {
			let sent = match self.under_way.join_next().await {
				Some(Ok(sent)) => sent,
				// Nobody stops a task: its transport has panicked, which must not look like silence.
				Some(Err(error)) => match error.try_into_panic() {
					Ok(panic) => std::panic::resume_unwind(panic),
					Err(_) => continue,
				},
				None => std::future::pending().await,
			};
			let key = sent.0;
			match self.waiting.get_mut(&key).and_then(VecDeque::pop_front) {
				Some(message) => self.send(key, message),
				None => {
					self.waiting.remove(&key);
				},
			}
			return sent;
		}
	}

	pub(super) fn is_empty(&self) -> bool {
		self.under_way.is_empty()
	}
}

async fn deliver(transport: &dyn Transport, message: &Signed) -> Result<(), TransportError> {
	let mut tries = 1;
	loop {
		match transport.send(message.clone()).await {
			Err(error) if error.is_passing() && tries < TRIES => {
				tracing::debug!(%error, tries, "a message is sent again");
				tries = tries.saturating_add(1);
				tokio::time::sleep(PAUSE).await;
			},
			done => return done,
		}
	}
}
