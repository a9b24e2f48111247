//! Problem details (RFC 9457) of paid calls. They carry what a client needs to put things right: the
//! shortfall, the next required amount, and the payer's own last voucher as proof. Strangers are not
//! told what somebody else has paid.

use super::{VoucherPayload, PROOF_HEADER};
use crate::{payee::Rejection, voucher::SignedVoucher};
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
	/// No such channel, or not for this payee, asset or lane.
	ChannelNotFound,
	/// The channel is closing or its grace period is too short.
	ChannelUnusable,
	/// The voucher expires too soon.
	VoucherExpires,
	/// The voucher has bought another answer already, or one that is no longer kept.
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
}

impl ProblemType {
	/// All types.
	pub const ALL: [Self; 17] = [
		Self::PaymentRequired,
		Self::MalformedCredential,
		Self::InvalidChallenge,
		Self::InvalidSignature,
		Self::InsufficientVoucher,
		Self::AmountExceedsDeposit,
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
			Self::VoucherExpires => "urn:stoa:problem:voucher-expires",
			Self::VoucherUsed => "urn:stoa:problem:voucher-used",
			Self::LaneBusy => "urn:stoa:problem:lane-busy",
			Self::RequestTooLarge => "urn:stoa:problem:request-too-large",
			Self::RequestTimeout => "urn:stoa:problem:request-timeout",
			Self::ProofRequired => "urn:stoa:problem:proof-required",
			Self::UpstreamFailed => "urn:stoa:problem:upstream-failed",
			Self::UpstreamTimeout => "urn:stoa:problem:upstream-timeout",
			Self::Unavailable => "urn:stoa:problem:unavailable",
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
			Self::VoucherExpires => "The voucher expires too soon",
			Self::VoucherUsed => "The voucher is used up",
			Self::LaneBusy => "The lane is busy",
			Self::RequestTooLarge => "The request is too large",
			Self::RequestTimeout => "The request took too long",
			Self::ProofRequired => "Only the payer is told",
			Self::UpstreamFailed => "The service failed",
			Self::UpstreamTimeout => "The service took too long",
			Self::Unavailable => "Temporarily unavailable",
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
	/// The payer's own last voucher, which proves the accepted amount.
	#[serde(default, skip_serializing_if = "Option::is_none")]
	pub last_voucher: Option<VoucherPayload>,
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
			last_voucher: None,
		}
	}

	/// Why a payee does not accept a voucher. What was paid on the channel so far is told only to the
	/// payer: `proven` says that the request carries a valid [`ChannelProof`](super::ChannelProof).
	pub fn of_rejection(rejection: &Rejection, proven: bool) -> Self {
		let kind = match rejection {
			Rejection::UnknownChannel | Rejection::NotOurs | Rejection::UnknownLane => {
				ProblemType::ChannelNotFound
			},
			Rejection::GraceTooShort { .. } | Rejection::Closing => ProblemType::ChannelUnusable,
			Rejection::ExpiresTooSoon { .. } => ProblemType::VoucherExpires,
			Rejection::Insufficient { .. } => ProblemType::InsufficientVoucher,
			Rejection::AboveDeposit { .. } => ProblemType::AmountExceedsDeposit,
			Rejection::BadSignature => ProblemType::InvalidSignature,
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
				problem.last_voucher = last.as_ref().map(VoucherPayload::new);
			},
			Rejection::AboveDeposit { shortfall, deposit } => {
				problem.shortfall = Some(shortfall.to_string());
				problem.deposit = Some(deposit.to_string());
			},
			_ => {},
		}
		problem
	}

	/// The voucher `last` has bought something else.
	pub fn used(last: &SignedVoucher) -> Self {
		let mut problem = Self::new(
			ProblemType::VoucherUsed,
			"this voucher has bought another answer, or one that is no longer kept",
		);
		problem.accepted_cumulative = Some(last.voucher.cumulative.to_string());
		problem.last_voucher = Some(VoucherPayload::new(last));
		problem
	}

	/// Whether the problem is of this type.
	pub fn is(&self, kind: ProblemType) -> bool {
		self.kind == kind.uri()
	}
}
