//! The bytes that agents sign off chain.
//!
//! Every payload has a fixed length, little-endian integers, and a header of [`HEADER_LEN`] bytes:
//! `0xFF 'S' 'T' 'O' 'A'`, version 1, payload type, flags 0, then a [`Domain`] of 32 bytes. The
//! first byte keeps a payload from being read as a call (no pallet has index 255), the type from
//! being read as another payload, the domain from being used on another chain.
//!
//! | type | payload | after the header | whole |
//! |---|---|---|---|
//! | 1 | [`Voucher`] | channel 32, lane u32, cumulative u128, valid_until u32 | 96 |
//! | 2 | [`TickCommit`] | channel 32, lane u32, base u128, value u128, count u32, prefix 16, root 32, valid_until u32 | 164 |
//! | 3 | [`OpenAuth`] | payee 32, asset digest 32, amount u128, voucher key 34, grace u32, nonce u64, expires u32 | 170 |
//! | 4 | [`CloseConsent`] | channel 32, final u128, expires u32 | 92 |
//! | 5 | [`Receipt`] | channel 32, lane u32, cumulative u128, request hash 32, response hash 32 | 156 |
//! | 7 | [`Consent`] | operator 32, agent 32, expires u32 | 108 |
//! | 9 | [`CancelConsent`] | agreement 32, seller u128, sequence u32, expires u32 | 96 |
//! | 10 | [`ExtendConsent`] | agreement 32, milestone u32, deliver_by u32, sequence u32, expires u32 | 88 |
//!
//! Type 6, an [`Offer`](crate::agreement::Offer), varies in length and is signed by its digest. Type 8,
//! with which a payer shows a payee that a request is its own, never reaches the chain: it is in
//! `stoa_client::payment`.

use crate::{keys::Key, AccountId, AssetId, Balance, BlockNumber};
use alloc::vec::Vec;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_io::hashing::blake2_256;

/// Length of a payload's header, in bytes.
pub const HEADER_LEN: usize = 40;

/// The first byte of every payload and of every channel id's preimage.
pub const MARK: u8 = 0xFF;

const MAGIC: [u8; 6] = [MARK, b'S', b'T', b'O', b'A', 1];

/// What binds a signature to one chain and one use: `blake2_256(tag ‖ genesis hash)`.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Domain(pub [u8; 32]);

impl Domain {
	fn of(tag: &[u8], genesis: H256) -> Self {
		Self(blake2_256(&[tag, genesis.as_bytes()].concat()))
	}

	/// Payloads about payment channels: types 1 to 5.
	pub fn channels(genesis: H256) -> Self {
		Self::of(b"stoa/channels/v1", genesis)
	}

	/// Payloads about agents: type 7.
	pub fn agents(genesis: H256) -> Self {
		Self::of(b"stoa/agents/v1", genesis)
	}

	/// Payloads about agreements: types 6, 9 and 10.
	pub fn agreements(genesis: H256) -> Self {
		Self::of(b"stoa/escrow/v1", genesis)
	}
}

/// The header of a payload of type `kind`.
pub(crate) fn header(kind: u8, domain: &Domain) -> [u8; HEADER_LEN] {
	let mut out = [0; HEADER_LEN];
	let kind_and_flags = [kind, 0];
	let bytes = MAGIC.iter().chain(&kind_and_flags).chain(&domain.0);
	for (to, from) in out.iter_mut().zip(bytes) {
		*to = *from;
	}
	out
}

/// Checks the header and leaves the reader at the body.
pub(crate) fn read_header(
	reader: &mut Reader,
	kind: u8,
	domain: &Domain,
) -> Result<(), PayloadError> {
	let magic: [u8; 6] = reader.array().ok_or(PayloadError::Length)?;
	let [found, flags]: [u8; 2] = reader.array().ok_or(PayloadError::Length)?;
	if magic != MAGIC || flags != 0 {
		return Err(PayloadError::Header);
	}
	if found != kind {
		return Err(PayloadError::Type);
	}
	let found: [u8; 32] = reader.array().ok_or(PayloadError::Length)?;
	if found != domain.0 {
		return Err(PayloadError::Domain);
	}
	Ok(())
}

/// Why bytes are not the payload that was expected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PayloadError {
	/// Shorter or longer than the payload.
	Length,
	/// Not a payload of Stoa, or of another version or with unknown flags.
	Header,
	/// A payload of another type.
	Type,
	/// A payload for another chain or another use.
	Domain,
	/// A field has a value that no encoder writes.
	Field,
}

#[cfg(feature = "std")]
impl std::fmt::Display for PayloadError {
	fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
		f.write_str(match self {
			Self::Length => "the payload has the wrong length",
			Self::Header => "the bytes are not a payload of this version",
			Self::Type => "the payload is of another type",
			Self::Domain => "the payload is for another chain or another use",
			Self::Field => "a field of the payload is malformed",
		})
	}
}

#[cfg(feature = "std")]
impl std::error::Error for PayloadError {}

/// Something that is signed off chain.
pub trait Payload: Sized {
	/// The type byte of the header.
	const TYPE: u8;
	/// Length of header and body, in bytes.
	const LEN: usize;

	/// Append the body.
	fn write(&self, out: &mut Vec<u8>);

	/// Read the body; the reader holds exactly `LEN - HEADER_LEN` bytes.
	fn read(body: &mut Reader) -> Option<Self>;

	/// The bytes to sign.
	fn to_bytes(&self, domain: &Domain) -> Vec<u8> {
		let mut out = Vec::with_capacity(Self::LEN);
		out.extend_from_slice(&header(Self::TYPE, domain));
		self.write(&mut out);
		out
	}

	/// The inverse of [`Payload::to_bytes`].
	///
	/// # Errors
	///
	/// See [`PayloadError`]; causes are checked in the order in which they are listed there.
	fn from_bytes(bytes: &[u8], domain: &Domain) -> Result<Self, PayloadError> {
		if bytes.len() != Self::LEN {
			return Err(PayloadError::Length);
		}
		let mut reader = Reader::new(bytes);
		read_header(&mut reader, Self::TYPE, domain)?;
		Self::read(&mut reader).ok_or(PayloadError::Field)
	}
}

/// Takes fixed-length fields off the front of a slice.
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
	/// A reader of all of `bytes`.
	pub(crate) fn new(bytes: &'a [u8]) -> Self {
		Self(bytes)
	}

	/// What was not read yet.
	pub(crate) fn rest(&self) -> &'a [u8] {
		self.0
	}

	/// The next `N` bytes.
	pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
		let (head, rest) = self.0.split_first_chunk::<N>()?;
		self.0 = rest;
		Some(*head)
	}

	fn u32(&mut self) -> Option<u32> {
		self.array().map(u32::from_le_bytes)
	}

	fn u64(&mut self) -> Option<u64> {
		self.array().map(u64::from_le_bytes)
	}

	fn u128(&mut self) -> Option<u128> {
		self.array().map(u128::from_le_bytes)
	}

	fn account(&mut self) -> Option<AccountId> {
		self.array().map(AccountId::new)
	}
}

/// The payer allows the payee to capture up to `cumulative` on one lane of a channel.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Voucher {
	/// Channel id.
	pub channel: [u8; 32],
	/// Lane within the channel.
	pub lane: u32,
	/// All that was ever allowed on this lane, in units of the channel's asset.
	pub cumulative: Balance,
	/// Last block in which the voucher can be settled, 0 for no limit.
	pub valid_until: BlockNumber,
}

impl Payload for Voucher {
	const TYPE: u8 = 1;
	const LEN: usize = 96;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.channel);
		out.extend_from_slice(&self.lane.to_le_bytes());
		out.extend_from_slice(&self.cumulative.to_le_bytes());
		out.extend_from_slice(&self.valid_until.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self {
			channel: body.array()?,
			lane: body.u32()?,
			cumulative: body.u128()?,
			valid_until: body.u32()?,
		})
	}
}

/// The payer commits to a hash chain: revealing tick `i` allows `base + i · value` on the lane.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct TickCommit {
	/// Channel id.
	pub channel: [u8; 32],
	/// Lane within the channel.
	pub lane: u32,
	/// Cumulative amount before the first tick.
	pub base: Balance,
	/// What one tick adds.
	pub value: Balance,
	/// Length of the hash chain.
	pub count: u32,
	/// Random, fresh for each commitment.
	pub prefix: [u8; 16],
	/// The image of the last tick under all hashes of the chain.
	pub root: [u8; 32],
	/// Last block in which a tick can be settled, 0 for no limit.
	pub valid_until: BlockNumber,
}

impl Payload for TickCommit {
	const TYPE: u8 = 2;
	const LEN: usize = 164;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.channel);
		out.extend_from_slice(&self.lane.to_le_bytes());
		out.extend_from_slice(&self.base.to_le_bytes());
		out.extend_from_slice(&self.value.to_le_bytes());
		out.extend_from_slice(&self.count.to_le_bytes());
		out.extend_from_slice(&self.prefix);
		out.extend_from_slice(&self.root);
		out.extend_from_slice(&self.valid_until.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self {
			channel: body.array()?,
			lane: body.u32()?,
			base: body.u128()?,
			value: body.u128()?,
			count: body.u32()?,
			prefix: body.array()?,
			root: body.array()?,
			valid_until: body.u32()?,
		})
	}
}

/// The payer allows the payee to open a channel out of the payer's credits.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct OpenAuth {
	/// Who may submit it and will be paid.
	pub payee: AccountId,
	/// The asset, see [`OpenAuth::asset_digest`].
	pub asset: [u8; 32],
	/// Deposit, in units of the asset.
	pub amount: Balance,
	/// The key that will sign vouchers.
	pub voucher_key: Key,
	/// Grace period, in blocks.
	pub grace: BlockNumber,
	/// The channel's nonce between these two accounts.
	pub nonce: u64,
	/// Last block in which the channel can be opened.
	pub expires: BlockNumber,
}

impl OpenAuth {
	/// How [`OpenAuth::asset`] names an asset: `blake2_256(SCALE(asset id))`.
	pub fn asset_digest(asset: &AssetId) -> [u8; 32] {
		asset.using_encoded(blake2_256)
	}
}

impl Payload for OpenAuth {
	const TYPE: u8 = 3;
	const LEN: usize = 170;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(self.payee.as_ref());
		out.extend_from_slice(&self.asset);
		out.extend_from_slice(&self.amount.to_le_bytes());
		out.extend_from_slice(&self.voucher_key.to_bytes());
		out.extend_from_slice(&self.grace.to_le_bytes());
		out.extend_from_slice(&self.nonce.to_le_bytes());
		out.extend_from_slice(&self.expires.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self {
			payee: body.account()?,
			asset: body.array()?,
			amount: body.u128()?,
			voucher_key: Key::from_bytes(&body.array()?)?,
			grace: body.u32()?,
			nonce: body.u64()?,
			expires: body.u32()?,
		})
	}
}

/// The payee agrees to close a channel at once with `total` paid over its life.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct CloseConsent {
	/// Channel id.
	pub channel: [u8; 32],
	/// Everything that the payee will have been paid, in units of the channel's asset.
	pub total: Balance,
	/// Last block in which the consent can be used.
	pub expires: BlockNumber,
}

impl Payload for CloseConsent {
	const TYPE: u8 = 4;
	const LEN: usize = 92;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.channel);
		out.extend_from_slice(&self.total.to_le_bytes());
		out.extend_from_slice(&self.expires.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self { channel: body.array()?, total: body.u128()?, expires: body.u32()? })
	}
}

/// The payee confirms off chain what was bought with a voucher.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Receipt {
	/// Channel id.
	pub channel: [u8; 32],
	/// Lane within the channel.
	pub lane: u32,
	/// The voucher's cumulative amount that paid for the call.
	pub cumulative: Balance,
	/// `blake2_256` of the request.
	pub request: [u8; 32],
	/// `blake2_256` of the response.
	pub response: [u8; 32],
}

impl Payload for Receipt {
	const TYPE: u8 = 5;
	const LEN: usize = 156;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.channel);
		out.extend_from_slice(&self.lane.to_le_bytes());
		out.extend_from_slice(&self.cumulative.to_le_bytes());
		out.extend_from_slice(&self.request);
		out.extend_from_slice(&self.response);
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self {
			channel: body.array()?,
			lane: body.u32()?,
			cumulative: body.u128()?,
			request: body.array()?,
			response: body.array()?,
		})
	}
}

/// An agent agrees to be operated by `operator`.
#[derive(
	Clone, Debug, Decode, DecodeWithMemTracking, Encode, Eq, MaxEncodedLen, PartialEq, TypeInfo,
)]
pub struct Consent {
	/// Who will answer for the agent.
	pub operator: AccountId,
	/// The agent, whose account key signs.
	pub agent: AccountId,
	/// Last block in which the consent can be used.
	pub expires: BlockNumber,
}

impl Payload for Consent {
	const TYPE: u8 = 7;
	const LEN: usize = 108;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(self.operator.as_ref());
		out.extend_from_slice(self.agent.as_ref());
		out.extend_from_slice(&self.expires.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self { operator: body.account()?, agent: body.account()?, expires: body.u32()? })
	}
}

/// One side of an agreement agrees to end it at once with `seller` paid.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct CancelConsent {
	/// Agreement id.
	pub agreement: [u8; 32],
	/// What the seller gets of all that milestones still hold, in units of the agreement's asset and
	/// before shares are taken. The rest goes to the buyer, the bond to the seller.
	pub seller: Balance,
	/// How many changes the agreement has had of any kind, so that a consent is about what its signer knew, and is
	/// used once at most.
	pub sequence: u32,
	/// Last block in which the consent can be used.
	pub expires: BlockNumber,
}

impl Payload for CancelConsent {
	const TYPE: u8 = 9;
	const LEN: usize = 96;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.agreement);
		out.extend_from_slice(&self.seller.to_le_bytes());
		out.extend_from_slice(&self.sequence.to_le_bytes());
		out.extend_from_slice(&self.expires.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self {
			agreement: body.array()?,
			seller: body.u128()?,
			sequence: body.u32()?,
			expires: body.u32()?,
		})
	}
}

/// One side of an agreement agrees to a later delivery of one milestone.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct ExtendConsent {
	/// Agreement id.
	pub agreement: [u8; 32],
	/// Place of the milestone in the offer, from 0.
	pub milestone: u32,
	/// Last block in which it can be delivered from now on.
	pub deliver_by: BlockNumber,
	/// How many changes the agreement has had of any kind, so that a consent is about what its signer knew, and is
	/// used once at most.
	pub sequence: u32,
	/// Last block in which the consent can be used.
	pub expires: BlockNumber,
}

impl Payload for ExtendConsent {
	const TYPE: u8 = 10;
	const LEN: usize = 88;

	fn write(&self, out: &mut Vec<u8>) {
		out.extend_from_slice(&self.agreement);
		out.extend_from_slice(&self.milestone.to_le_bytes());
		out.extend_from_slice(&self.deliver_by.to_le_bytes());
		out.extend_from_slice(&self.sequence.to_le_bytes());
		out.extend_from_slice(&self.expires.to_le_bytes());
	}

	fn read(body: &mut Reader) -> Option<Self> {
		Some(Self {
			agreement: body.array()?,
			milestone: body.u32()?,
			deliver_by: body.u32()?,
			sequence: body.u32()?,
			expires: body.u32()?,
		})
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use core::fmt::Debug;
	use proptest::prelude::*;

	fn domain() -> Domain {
		Domain::channels(H256::repeat_byte(7))
	}

	fn check<P: Payload + PartialEq + Debug>(payload: P) {
		let bytes = payload.to_bytes(&domain());
		assert_eq!(bytes.len(), P::LEN);
		assert_eq!(P::from_bytes(&bytes, &domain()), Ok(payload));
		let error = |bytes: &[u8]| P::from_bytes(bytes, &domain()).unwrap_err();
		assert_eq!(error(&bytes[1..]), PayloadError::Length);
		assert_eq!(error(&[bytes.clone(), vec![0]].concat()), PayloadError::Length);
		let flip = |at: usize| {
			let mut bytes = bytes.clone();
			bytes[at] ^= 1;
			bytes
		};
		for at in (0..6).chain([7]) {
			assert_eq!(error(&flip(at)), PayloadError::Header);
		}
		assert_eq!(error(&flip(6)), PayloadError::Type);
		for at in 8..HEADER_LEN {
			assert_eq!(error(&flip(at)), PayloadError::Domain);
		}
		// Every bit of the body carries meaning: flipping one never gives the same payload back.
		for at in HEADER_LEN..P::LEN {
			assert_ne!(P::from_bytes(&flip(at), &domain()), P::from_bytes(&bytes, &domain()));
		}
	}

	#[test]
	fn every_payload_should_survive_its_bytes_and_refuse_others() {
		let (channel, account) = ([9; 32], AccountId::new([4; 32]));
		check(Voucher { channel, lane: 1, cumulative: 2, valid_until: 3 });
		check(TickCommit {
			channel,
			lane: 1,
			base: 2,
			value: 3,
			count: 4,
			prefix: [5; 16],
			root: [6; 32],
			valid_until: 7,
		});
		for voucher_key in [Key::Ed25519([1; 32]), Key::Sr25519([1; 32]), Key::Ecdsa([2; 33])] {
			check(OpenAuth {
				payee: account.clone(),
				asset: [1; 32],
				amount: 2,
				voucher_key,
				grace: 3,
				nonce: 4,
				expires: 5,
			});
		}
		check(CloseConsent { channel, total: 1, expires: 2 });
		check(Receipt { channel, lane: 1, cumulative: 2, request: [3; 32], response: [4; 32] });
		check(Consent { operator: AccountId::new([1; 32]), agent: account, expires: 2 });
		check(CancelConsent { agreement: channel, seller: 1, sequence: 2, expires: 3 });
		check(ExtendConsent {
			agreement: channel,
			milestone: 1,
			deliver_by: 2,
			sequence: 3,
			expires: 4,
		});
	}

	#[test]
	fn voucher_bytes_should_be_as_documented() {
		let voucher =
			Voucher { channel: [0xAB; 32], lane: 2, cumulative: 0x0102, valid_until: 0x03 };
		let mut expected = vec![0xFF, b'S', b'T', b'O', b'A', 1, 1, 0];
		expected.extend(domain().0);
		expected.extend([0xAB; 32]);
		expected.extend([2, 0, 0, 0]);
		expected.extend([2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
		expected.extend([3, 0, 0, 0]);
		assert_eq!(voucher.to_bytes(&domain()), expected);
	}

	#[test]
	fn domains_should_differ_by_chain_and_by_use() {
		let (a, b) = (H256::repeat_byte(1), H256::repeat_byte(2));
		assert_ne!(Domain::channels(a), Domain::channels(b));
		assert_ne!(Domain::channels(a), Domain::agents(a));
		assert_ne!(Domain::agreements(a), Domain::agreements(b));
		assert_ne!(Domain::agreements(a), Domain::channels(a));
		assert_ne!(Domain::agreements(a), Domain::agents(a));
	}

	/// Bytes of any length, and of the right one behind a good header.
	fn arbitrary<P: Payload + PartialEq + Debug>(bytes: &[u8]) {
		let _ = P::from_bytes(bytes, &domain());
		let header = [&MAGIC[..], &[P::TYPE, 0], &domain().0].concat();
		let body = bytes.iter().copied().chain(core::iter::repeat(0)).take(P::LEN - HEADER_LEN);
		let whole: Vec<u8> = header.into_iter().chain(body).collect();
		// Whatever can be read has exactly these bytes.
		match P::from_bytes(&whole, &domain()) {
			Ok(payload) => assert_eq!(payload.to_bytes(&domain()), whole),
			Err(error) => assert_eq!(error, PayloadError::Field),
		}
	}

	proptest! {
		#[test]
		fn arbitrary_bytes_should_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
			arbitrary::<Voucher>(&bytes);
			arbitrary::<TickCommit>(&bytes);
			arbitrary::<OpenAuth>(&bytes);
			arbitrary::<CloseConsent>(&bytes);
			arbitrary::<Receipt>(&bytes);
			arbitrary::<Consent>(&bytes);
			arbitrary::<CancelConsent>(&bytes);
			arbitrary::<ExtendConsent>(&bytes);
		}
	}
}
