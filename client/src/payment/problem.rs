//! Problem details (RFC 9457) of paid calls. They carry what a client needs to put things right: the
//! shortfall, the next required amount, and the payer's own last voucher as proof. Strangers are not
//! told what somebody else has paid.

use super::{CodecError, TickPayload, VoucherPayload, PROOF_HEADER};
use crate::{allowance::Allowance, payee::Rejection};
use serde::{Deserialize, Serialize};

/// What went wrong. The text of [`ProblemType::uri`] is stable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProblemType {
	/// The resource costs money.
	PaymentRequired,
	/// The credential cannot be read.
	MalformedCredential,
	/// The challenge was not issued here, was changed, or has expired.
	InvalidChallenge,
	/// The signature is not the channel key's.
	InvalidSignature,
	/// The voucher allows too little.
	InsufficientVoucher,
	/// The channel holds too little.
	AmountExceedsDeposit,
	/// More would be unsettled than the channel's velocity cap lets the payee settle.
	AmountExceedsCap,
	/// No commitment is open on the lane of this tick.
	CommitmentRequired,
	/// The commitment is of no use, or its root was used before.
	InvalidCommitment,
	/// The value is no tick of the commitment, or not one that can be claimed.
	InvalidTick,
	/// No such channel, or not for this payee, asset or lane.
	ChannelNotFound,
	/// The channel is closing or its grace period is too short.
	ChannelUnusable,
	/// The voucher expires too soon.
	VoucherExpires,
	/// The voucher or tick has bought another answer already, or one that is no longer kept.
	VoucherUsed,
	/// Another call on this lane is under way.
	LaneBusy,
	/// The request is larger than the gateway takes.
	RequestTooLarge,
	/// The request did not arrive in time; nothing was charged.
	RequestTimeout,
	/// Only the payer of a channel is told of it, and the request does not prove to be the payer's.
	ProofRequired,
	/// The service behind the gateway failed; nothing was charged.
	UpstreamFailed,
	/// The service behind the gateway took too long; nothing was charged.
	UpstreamTimeout,
	/// The gateway cannot judge or keep vouchers at present; nothing was charged.
	Unavailable,
	/// The document that was posted cannot be read.
	MalformedRequest,
	/// The gateway does not do this.
	NotOffered,
	/// The payee does not open a channel by this authorisation.
	AuthorizationRefused,
	/// The payee opens no more channels by authorisation for now.
	TooManyOpenings,
}

impl ProblemType {
	/// All types.
	pub const ALL: [Self; 25] = [
		Self::PaymentRequired,
		Self::MalformedCredential,
		Self::InvalidChallenge,
		Self::InvalidSignature,
		Self::InsufficientVoucher,
		Self::AmountExceedsDeposit,
		Self::AmountExceedsCap,
		Self::CommitmentRequired,
		Self::InvalidCommitment,
		Self::InvalidTick,
		Self::ChannelNotFound,
		Self::ChannelUnusable,
		Self::VoucherExpires,
		Self::VoucherUsed,
		Self::LaneBusy,
		Self::RequestTooLarge,
		Self::RequestTimeout,
		Self::ProofRequired,
		Self::UpstreamFailed,
		Self::UpstreamTimeout,
		Self::Unavailable,
		Self::MalformedRequest,
		Self::NotOffered,
		Self::AuthorizationRefused,
		Self::TooManyOpenings,
	];

	/// The URI that identifies the type: the draft's own where it has one.
	pub fn uri(self) -> &'static str {
		match self {
			Self::PaymentRequired => "https://paymentauth.org/problems/payment-required",
			Self::MalformedCredential => "https://paymentauth.org/problems/malformed-credential",
			Self::InvalidChallenge => "https://paymentauth.org/problems/invalid-challenge",
			Self::InvalidSignature => "https://paymentauth.org/problems/session/invalid-signature",
			Self::InsufficientVoucher => {
				"https://paymentauth.org/problems/session/insufficient-balance"
			},
			Self::AmountExceedsDeposit => {
				"https://paymentauth.org/problems/session/amount-exceeds-deposit"
			},
			Self::ChannelNotFound => "https://paymentauth.org/problems/session/channel-not-found",
			Self::ChannelUnusable => "https://paymentauth.org/problems/session/channel-finalized",
			Self::AmountExceedsCap => "urn:stoa:problem:amount-exceeds-cap",
			Self::CommitmentRequired => "urn:stoa:problem:commitment-required",
			Self::InvalidCommitment => "urn:stoa:problem:invalid-commitment",
			Self::InvalidTick => "urn:stoa:problem:invalid-tick",
			Self::VoucherExpires => "urn:stoa:problem:voucher-expires",
			Self::VoucherUsed => "urn:stoa:problem:voucher-used",
			Self::LaneBusy => "urn:stoa:problem:lane-busy",
			Self::RequestTooLarge => "urn:stoa:problem:request-too-large",
			Self::RequestTimeout => "urn:stoa:problem:request-timeout",
			Self::ProofRequired => "urn:stoa:problem:proof-required",
			Self::UpstreamFailed => "urn:stoa:problem:upstream-failed",
			Self::UpstreamTimeout => "urn:stoa:problem:upstream-timeout",
			Self::Unavailable => "urn:stoa:problem:unavailable",
			Self::MalformedRequest => "urn:stoa:problem:malformed-request",
			Self::NotOffered => "urn:stoa:problem:not-offered",
			Self::AuthorizationRefused => "urn:stoa:problem:authorization-refused",
			Self::TooManyOpenings => "urn:stoa:problem:too-many-openings",
		}
	}

	/// A short summary.
	pub fn title(self) -> &'static str {
		match self {
			Self::PaymentRequired => "Payment required",
			Self::MalformedCredential => "Malformed credential",
			Self::InvalidChallenge => "Invalid or expired challenge",
			Self::InvalidSignature => "Invalid signature",
			Self::InsufficientVoucher => "The voucher allows too little",
			Self::AmountExceedsDeposit => "The channel holds too little",
			Self::ChannelNotFound => "No such channel",
			Self::ChannelUnusable => "The channel cannot be used",
			Self::AmountExceedsCap => "The channel's velocity cap leaves too little",
			Self::CommitmentRequired => "A commitment is required",
			Self::InvalidCommitment => "The commitment cannot be used",
			Self::InvalidTick => "Not a tick of the commitment",
			Self::VoucherExpires => "The voucher expires too soon",
			Self::VoucherUsed => "The voucher is used up",
			Self::LaneBusy => "The lane is busy",
			Self::RequestTooLarge => "The request is too large",
			Self::RequestTimeout => "The request took too long",
			Self::ProofRequired => "Only the payer is told",
			Self::UpstreamFailed => "The service failed",
			Self::UpstreamTimeout => "The service took too long",
			Self::Unavailable => "Temporarily unavailable",
			Self::MalformedRequest => "Malformed request",
			Self::NotOffered => "Not offered here",
			Self::AuthorizationRefused => "The authorisation cannot be used",
			Self::TooManyOpenings => "Too many channels were opened",
		}
	}

	/// The HTTP status.
	pub fn status(self) -> u16 {
		match self {
			Self::VoucherUsed | Self::LaneBusy => 409,
			Self::ProofRequired => 403,
			Self::RequestTimeout => 408,
			Self::RequestTooLarge => 413,
			Self::UpstreamFailed => 502,
			Self::UpstreamTimeout => 504,
			Self::Unavailable => 503,
			Self::MalformedRequest => 400,
			Self::NotOffered => 404,
			Self::AuthorizationRefused => 422,
			Self::TooManyOpenings => 429,
			_ => 402,
		}
	}
}

/// A problem. Amounts are decimal strings in units of the asset.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
	/// [`ProblemType::uri`].
	#[serde(rename = "type")]
	pub kind: String,
	/// [`ProblemType::title`].
	pub title: String,
	/// The HTTP status.
	pub status: u16,
	/// What happened this time.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub detail: Option<String>,
	/// The challenge that comes with the problem.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub challenge_id: Option<String>,
	/// How much is missing: in the voucher, or in the deposit.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub shortfall: Option<String>,
	/// The least cumulative amount that the next voucher must allow.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub required_cumulative: Option<String>,
	/// What was accepted or settled before.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub accepted_cumulative: Option<String>,
	/// The finalized deposit.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub deposit: Option<String>,
	/// What may be accepted and not settled under the velocity cap, over all lanes.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub headroom: Option<String>,
	/// The payer's own last voucher, which proves the accepted amount.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub last_voucher: Option<VoucherPayload>,
	/// The payer's own last tick, with its commitment, which proves the accepted amount.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub last_ticks: Option<TickPayload>,
}

impl Problem {
	/// A problem with a sentence about this occurrence.
	pub fn new(kind: ProblemType, detail: impl Into<String>) -> Self {
		Self {
			kind: kind.uri().into(),
			title: kind.title().into(),
			status: kind.status(),
			detail: Some(detail.into()),
			challenge_id: None,
			shortfall: None,
			required_cumulative: None,
			accepted_cumulative: None,
			deposit: None,
			headroom: None,
			last_voucher: None,
			last_ticks: None,
		}
	}

	/// Why a payee does not accept a voucher. What was paid on the channel so far is told only to the
	/// payer: `proven` says that the request carries a valid [`ChannelProof`](super::ChannelProof).
	pub fn of_rejection(rejection: &Rejection, proven: bool) -> Self {
		let kind = match rejection {
			Rejection::UnknownChannel | Rejection::NotOurs | Rejection::UnknownLane => {
				ProblemType::ChannelNotFound
			},
			Rejection::GraceTooShort { .. }
			| Rejection::Closing
			| Rejection::Consented { .. }
			| Rejection::LaneRevoked { .. } => ProblemType::ChannelUnusable,
			Rejection::ExpiresTooSoon { .. } => ProblemType::VoucherExpires,
			Rejection::Insufficient { .. } => ProblemType::InsufficientVoucher,
			Rejection::AboveDeposit { .. } => ProblemType::AmountExceedsDeposit,
			Rejection::AboveCap { .. } => ProblemType::AmountExceedsCap,
			Rejection::BadSignature | Rejection::KeyRetired { .. } => ProblemType::InvalidSignature,
			Rejection::NoCommitment => ProblemType::CommitmentRequired,
			Rejection::WorthlessCommitment
			| Rejection::RootReused
			| Rejection::TooManyCommitments => ProblemType::InvalidCommitment,
			Rejection::TickOutOfRange { .. }
			| Rejection::TickTooFar { .. }
			| Rejection::BadTick => ProblemType::InvalidTick,
			Rejection::Overflow => ProblemType::MalformedCredential,
		};
		if matches!(rejection, Rejection::Insufficient { .. }) && !proven {
			let detail = format!(
				"repeat the request with a valid {PROOF_HEADER} header to be told what is required"
			);
			return Self::new(kind, detail);
		}
		let mut problem = Self::new(kind, rejection.to_string());
		match rejection {
			Rejection::Insufficient { required, shortfall, accepted, last } => {
				problem.required_cumulative = Some(required.to_string());
				problem.shortfall = Some(shortfall.to_string());
				problem.accepted_cumulative = Some(accepted.to_string());
				problem.show(last.as_deref());
			},
			Rejection::AboveDeposit { shortfall, deposit } => {
				problem.shortfall = Some(shortfall.to_string());
				problem.deposit = Some(deposit.to_string());
			},
			Rejection::AboveCap { shortfall, headroom } => {
				problem.shortfall = Some(shortfall.to_string());
				problem.headroom = Some(headroom.to_string());
			},
			_ => {},
		}
		problem
	}

	fn show(&mut self, last: Option<&Allowance>) {
		match last {
			Some(Allowance::Voucher(signed)) => {
				self.last_voucher = Some(VoucherPayload::new(signed));
			},
			Some(Allowance::Ticks(ticks)) => self.last_ticks = Some(TickPayload::full(ticks)),
			None => {},
		}
	}

	/// The payer's own highest proof, if the problem shows one. Its signature is not checked.
	///
	/// # Errors
	///
	/// [`CodecError`].
	pub fn last(&self) -> Result<Option<Allowance>, CodecError> {
		match (&self.last_voucher, &self.last_ticks) {
			(Some(voucher), _) => Ok(Some(voucher.signed()?.into())),
			(None, Some(ticks)) => Ok(ticks.proof()?.map(Into::into)),
			(None, None) => Ok(None),
		}
	}

	/// As [`Problem::of_rejection`], of a tick. Whoever does not prove to be the payer gets one answer for
	/// all that depends on how far along the hash chain the payee is: ticks can be made up, and what comes
	/// back would tell what was paid.
	pub fn of_tick(rejection: &Rejection, proven: bool) -> Self {
		let private = matches!(
			rejection,
			Rejection::Insufficient { .. }
				| Rejection::TickOutOfRange { .. }
				| Rejection::TickTooFar { .. }
				| Rejection::BadTick
		);
		if proven || !private {
			return Self::of_rejection(rejection, proven);
		}
		let detail = format!(
			"not a tick that pays for this call: repeat the request with its commitment and a valid \
			{PROOF_HEADER} header to be told what is required"
		);
		Self::new(ProblemType::InvalidTick, detail)
	}

	/// The voucher or tick `last` has bought something else.
	pub fn used(last: impl Into<Allowance>) -> Self {
		let last = last.into();
		let mut problem = Self::new(
			ProblemType::VoucherUsed,
			"this has bought another answer, or one that is no longer kept",
		);
		problem.accepted_cumulative = Some(last.amount().to_string());
		problem.show(Some(&last));
		problem
	}

	/// Whether the problem is of this type.
	pub fn is(&self, kind: ProblemType) -> bool {
		self.kind == kind.uri()
	}
}
