//! Takes values off an input.

/// What is left of an input. Beyond its end there are zeros, so that every input means something.
pub struct Source<'a>(&'a [u8]);

impl<'a> Source<'a> {
	/// All of an input.
	pub fn new(bytes: &'a [u8]) -> Self {
		Self(bytes)
	}

	/// Whether nothing is left.
	pub fn is_empty(&self) -> bool {
		self.0.is_empty()
	}

	/// The next `count` bytes, fewer at the end.
	pub fn take(&mut self, count: usize) -> &'a [u8] {
		let (head, rest) = self.0.split_at(count.min(self.0.len()));
		self.0 = rest;
		head
	}

	/// All that is left.
	pub fn rest(&mut self) -> &'a [u8] {
		self.take(usize::MAX)
	}

	/// The next `N` bytes.
	pub fn array<const N: usize>(&mut self) -> [u8; N] {
		let mut out = [0; N];
		let head = self.take(N);
		out[..head.len()].copy_from_slice(head);
		out
	}

	/// The next byte.
	pub fn byte(&mut self) -> u8 {
		let [byte] = self.array();
		byte
	}

	/// A number of two bytes.
	pub fn u16(&mut self) -> u16 {
		u16::from_le_bytes(self.array())
	}

	/// As many bytes as the next two say; all that is left if there are fewer.
	pub fn block(&mut self) -> &'a [u8] {
		let count = self.u16();
		self.take(count.into())
	}
}

/// Bytes behind their length, as [`Source::block`] reads them. Longer ones are cut.
pub fn block(bytes: &[u8]) -> Vec<u8> {
	let count = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
	[&count.to_le_bytes()[..], &bytes[..count.into()]].concat()
}
