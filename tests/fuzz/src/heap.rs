//! How much memory a decoder asks for: what it takes must be in proportion to its input.

use std::{
	alloc::{GlobalAlloc, Layout, System},
	cell::Cell,
};

thread_local! {
	/// Bytes that this thread has asked for and not given back. Below zero where it gives back what
	/// another has asked for.
	static HELD: Cell<isize> = const { Cell::new(0) };
	/// The most that it was.
	static PEAK: Cell<isize> = const { Cell::new(0) };
}

/// The system's allocator, with a count.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn count(bytes: isize) {
	// Fails only while a thread ends: then nobody asks any more.
	let _ = HELD.try_with(|held| {
		held.set(held.get().wrapping_add(bytes));
		let _ = PEAK.try_with(|peak| peak.set(peak.get().max(held.get())));
	});
}

// The trait is unsafe to implement. All is left to the system's allocator.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
	unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
		count(layout.size().cast_signed());
		System.alloc(layout)
	}

	unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
		count(layout.size().cast_signed());
		System.alloc_zeroed(layout)
	}

	unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
		// Both may be there for a moment.
		count(size.cast_signed());
		count(layout.size().cast_signed().wrapping_neg());
		System.realloc(place, layout, size)
	}

	unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
		count(layout.size().cast_signed().wrapping_neg());
		System.dealloc(place, layout)
	}
}

/// Runs `work`. Returns what it does, and the most bytes that it held on this thread beyond what was
/// held before.
pub fn peak<R>(work: impl FnOnce() -> R) -> (R, usize) {
	let before = HELD.get();
	PEAK.set(before);
	let result = work();
	(result, usize::try_from(PEAK.get().wrapping_sub(before)).unwrap_or(0))
}

/// What any decoder may hold, whatever its input.
const FREE: usize = 32 * 1024;

/// What it may hold for each byte of input. A document of small numbers becomes a list of structs with
/// optional parts, and a growing list is there twice for a moment.
const PER_BYTE: usize = 64;

/// Decodes, and makes sure that it took no more memory than `input` bytes are worth.
///
/// # Panics
///
/// When it did.
pub fn within<R>(input: usize, work: impl FnOnce() -> R) -> R {
	let (result, held) = peak(work);
	let most = FREE + PER_BYTE * input;
	assert!(held <= most, "decoding {input} bytes took {held} bytes of memory");
	result
}

#[cfg(test)]
mod tests {
	use super::*;

	#[test]
	fn the_peak_should_be_what_was_held_at_a_time() {
		let (kept, held) = peak(|| {
			drop(vec![1u8; 5_000]);
			vec![1u8; 1_000]
		});
		assert!((5_000..6_000).contains(&held), "{held}");
		let ((), held) = peak(|| drop(kept));
		assert_eq!(held, 0);
	}

	#[test]
	#[should_panic = "decoding 10 bytes took"]
	fn too_much_should_be_noticed() {
		within(10, || vec![0u8; 100_000]);
	}
}
