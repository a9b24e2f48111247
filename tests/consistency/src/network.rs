//! What travels between agent and provider: messages get lost, come twice, and overtake each other.

use crate::input::Input;
use stoa_client::{agreement::SignedConsent, allowance::Allowance};
use stoa_primitives::Balance;

/// A message.
#[derive(Clone, Debug)]
pub enum Message {
	/// The agent calls.
	Request(Request),
	/// The provider answers the call of this number.
	Answer(u64, Answer),
}

/// A call.
#[derive(Clone, Debug)]
pub struct Request {
	/// Which call.
	pub call: u64,
	/// What pays for it.
	pub proof: Allowance,
	/// What it costs.
	pub price: Balance,
	/// What it asks for.
	pub hash: [u8; 32],
}

/// What a provider says.
#[derive(Clone, Debug)]
pub enum Answer {
	/// The answer, with a receipt for this amount.
	Served(Balance),
	/// This proof is used up already.
	Used(Box<Allowance>),
	/// No, and why.
	Refused(String),
	/// The channel may be closed at once.
	Consent(Box<SignedConsent>),
}

/// Most messages under way.
const CAPACITY: usize = 32;

/// Messages under way.
#[derive(Default)]
pub struct Network(Vec<Message>);

impl Network {
	/// Sends a message. When too many are under way the oldest gets lost.
	pub fn send(&mut self, message: Message) {
		if self.0.len() == CAPACITY {
			self.0.remove(0);
		}
		self.0.push(message);
	}

	/// The message that arrives next, if one is under way: any of them. It may arrive again.
	pub fn receive(&mut self, input: &mut Input<'_>) -> Option<Message> {
		if self.0.is_empty() {
			return None;
		}
		let at = input.below(self.0.len());
		match input.chance(48) {
			true => Some(self.0[at].clone()),
			false => Some(self.0.remove(at)),
		}
	}

	/// The message that was sent last, if one is under way.
	pub fn take_last(&mut self) -> Option<Message> {
		self.0.pop()
	}

	/// The request that was sent last, if that is still under way.
	pub fn take_request(&mut self) -> Option<Request> {
		let at = self.0.iter().rposition(|message| matches!(message, Message::Request(_)))?;
		match self.0.remove(at) {
			Message::Request(request) => Some(request),
			Message::Answer(..) => None,
		}
	}

	/// Loses a message.
	pub fn lose(&mut self, input: &mut Input<'_>) {
		if !self.0.is_empty() {
			self.0.remove(input.below(self.0.len()));
		}
	}

	/// The messages under way, in the order in which they were sent.
	pub fn drain(&mut self) -> Vec<Message> {
		std::mem::take(&mut self.0)
	}
}
