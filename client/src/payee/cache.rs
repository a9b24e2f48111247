//! Answers that were paid for, kept for a while in case they got lost on the way.

use crate::voucher::LaneKey;
use std::{
	collections::{HashMap, VecDeque},
	sync::{Mutex, PoisonError},
};
use stoa_primitives::Balance;

type Key = (LaneKey, Balance);

struct State<R> {
	rows: HashMap<Key, (R, usize)>,
	order: VecDeque<Key>,
	bytes: usize,
}

/// Answers by (channel, lane, cumulative amount): what identifies a paid call. Bounded by number and
/// by size; the oldest go first.
pub struct ResponseCache<R> {
	max_rows: usize,
	max_bytes: usize,
	state: Mutex<State<R>>,
}

impl<R: Clone> ResponseCache<R> {
	/// A cache of at most `max_rows` answers and `max_bytes` bytes.
	pub fn new(max_rows: usize, max_bytes: usize) -> Self {
		let state = State { rows: HashMap::new(), order: VecDeque::new(), bytes: 0 };
		Self { max_rows, max_bytes, state: Mutex::new(state) }
	}

	/// Keeps an answer of `size` bytes. One that is larger than the whole cache is not kept.
	pub fn put(&self, at: LaneKey, cumulative: Balance, answer: R, size: usize) {
		if size > self.max_bytes || self.max_rows == 0 {
			return;
		}
		let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
		let key = (at, cumulative);
		if let Some((_, old)) = state.rows.insert(key, (answer, size)) {
			state.bytes = state.bytes.saturating_sub(old);
		} else {
			state.order.push_back(key);
		}
		state.bytes = state.bytes.saturating_add(size);
		while state.bytes > self.max_bytes || state.rows.len() > self.max_rows {
			let Some(oldest) = state.order.pop_front() else { break };
			if let Some((_, size)) = state.rows.remove(&oldest) {
				state.bytes = state.bytes.saturating_sub(size);
			}
		}
	}

	/// The answer that was bought with this voucher, if it is still there.
	pub fn get(&self, at: LaneKey, cumulative: Balance) -> Option<R> {
		let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
		state.rows.get(&(at, cumulative)).map(|(answer, _)| answer.clone())
	}
}

#[cfg(test)]
mod tests {
	use super::*;

	fn lane(b: u8) -> LaneKey {
		LaneKey { channel: [b; 32], lane: 0 }
	}

	#[test]
	fn the_oldest_answers_should_go_when_there_are_too_many() {
		let cache = ResponseCache::new(2, 1_000);
		for n in 1..=3 {
			cache.put(lane(1), n, n, 10);
		}
		assert_eq!(cache.get(lane(1), 1), None);
		assert_eq!((cache.get(lane(1), 2), cache.get(lane(1), 3)), (Some(2), Some(3)));
		assert_eq!(cache.get(lane(2), 3), None);
	}

	#[test]
	fn size_should_bound_what_is_kept() {
		let cache = ResponseCache::new(100, 100);
		cache.put(lane(1), 1, "a", 60);
		cache.put(lane(1), 2, "b", 60);
		assert_eq!((cache.get(lane(1), 1), cache.get(lane(1), 2)), (None, Some("b")));
		cache.put(lane(1), 3, "huge", 101);
		assert_eq!((cache.get(lane(1), 2), cache.get(lane(1), 3)), (Some("b"), None));
		cache.put(lane(1), 2, "c", 90);
		assert_eq!(cache.get(lane(1), 2), Some("c"));
	}
}
