//! What happens in negotiations, for whoever listens.

use crate::negotiation::{
	machine::{Outcome, Question},
	message::Signed,
};
use stoa_primitives::{agreement::NegotiationKey, BlockNumber};
use tokio::sync::broadcast::{self, error::RecvError};

/// Events that are kept for a listener that falls behind.
pub const EVENTS: usize = 1_024;

/// What happens in negotiations.
#[derive(Clone, Debug)]
pub enum Event {
	/// A message was taken, or said.
	Said {
		/// Which negotiation.
		key: NegotiationKey,
		/// The message.
		message: Box<Signed>,
	},
	/// The operator is asked: [`Handle::decide`](super::Handle::decide).
	Asked {
		/// Which negotiation.
		key: NegotiationKey,
		/// What.
		question: Question,
	},
	/// A message of somebody's was not taken.
	Rejected {
		/// Why.
		reason: String,
	},
	/// Something that was to be done failed, and may be done again.
	Failed {
		/// Which negotiation.
		key: NegotiationKey,
		/// What and why.
		reason: String,
	},
	/// The other side has signed two messages of one number. Both are kept, as evidence.
	Convicted {
		/// Which negotiation.
		key: NegotiationKey,
		/// What was taken.
		first: Box<Signed>,
		/// What came later.
		second: Box<Signed>,
	},
	/// It makes sense to ask anew in this block.
	Post {
		/// Which negotiation.
		key: NegotiationKey,
		/// When.
		at: BlockNumber,
	},
	/// A negotiation is over. Comes again if the chain says otherwise later: an agreement is undone, or somebody who
	/// has denied commits all the same.
	Ended {
		/// Which.
		key: NegotiationKey,
		/// How.
		outcome: Outcome,
	},
	/// The listener has fallen behind by more than [`EVENTS`]: so many are lost to it. How each negotiation stands is
	/// for [`Handle::overview`](super::Handle::overview) to say.
	Missed {
		/// How many.
		count: u64,
	},
}

/// Listens to a [`Driver`](super::Driver). Whoever does not listen holds up nobody and costs no more than [`EVENTS`].
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
	pub(super) fn new(capacity: usize) -> (broadcast::Sender<Event>, Self) {
		let (teller, heard) = broadcast::channel(capacity);
		(teller, Self(heard))
	}

	/// The next event; `None` when the driver has ended.
	pub async fn next(&mut self) -> Option<Event> {
		match self.0.recv().await {
			Ok(event) => Some(event),
			Err(RecvError::Lagged(count)) => Some(Event::Missed { count }),
			Err(RecvError::Closed) => None,
		}
	}
}
