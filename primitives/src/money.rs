//! How a settled amount is divided.
//!
//! A [`Schedule`] names the rates; [`Schedule::split`] applies them to a slice of a sum that is
//! claimed bit by bit. The result depends on the cumulative total alone, so a sum claimed in a
//! thousand slices gives provider, platform and referral side exactly what it would have given in one.

use crate::Balance;
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_runtime::Permill;

/// The number of a fee schedule. A channel or agreement keeps the number it was opened under.
pub type ScheduleId = u32;

/// The least that a provider may be promised by any schedule.
pub const MIN_PROVIDER_RATE: Permill = Permill::from_percent(80);

const MILLION: u32 = 1_000_000;

/// The rates at which a gross amount is divided. They sum to exactly 100 %.
///
/// Encoding: three `u32` in millionths, 12 bytes.
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
pub struct Schedule {
	provider: Permill,
	platform: Permill,
	referral: Permill,
}

/// Why rates do not make a [`Schedule`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScheduleError {
	/// The three rates do not sum to exactly 100 %.
	NotWhole,
	/// The provider's rate is below [`MIN_PROVIDER_RATE`].
	ProviderBelowMinimum,
	/// The platform's rate is below the referral rate. A coalition that collects every referral
	/// reward of its own trade must lose by trading, so more must leave it than can return.
	PlatformBelowReferral,
}

/// What each side receives of a gross amount; the three sum to it exactly. Encoding: 48 bytes.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Default,
	Encode,
	Eq,
	MaxEncodedLen,
	PartialEq,
	TypeInfo,
)]
pub struct Shares {
	/// To the provider, in units of the settled asset.
	pub provider: Balance,
	/// To the platform.
	pub platform: Balance,
	/// To referrers and the growth pool.
	pub referral: Balance,
}

impl Shares {
	/// The sum of the three shares, `None` on overflow.
	pub fn total(&self) -> Option<Balance> {
		self.provider.checked_add(self.platform)?.checked_add(self.referral)
	}
}

impl Schedule {
	/// 85 % provider, 10 % platform, 5 % referral: the schedule at genesis.
	pub const GENESIS: Self = Self {
		provider: Permill::from_percent(85),
		platform: Permill::from_percent(10),
		referral: Permill::from_percent(5),
	};

	/// A schedule of these rates.
	///
	/// # Errors
	///
	/// See [`ScheduleError`].
	pub fn new(
		provider: Permill,
		platform: Permill,
		referral: Permill,
	) -> Result<Self, ScheduleError> {
		// Each part is at most one million: the sum cannot overflow a u32.
		let sum = provider
			.deconstruct()
			.saturating_add(platform.deconstruct())
			.saturating_add(referral.deconstruct());
		if sum != MILLION {
			return Err(ScheduleError::NotWhole);
		}
		if provider < MIN_PROVIDER_RATE {
			return Err(ScheduleError::ProviderBelowMinimum);
		}
		if platform < referral {
			return Err(ScheduleError::PlatformBelowReferral);
		}
		Ok(Self { provider, platform, referral })
	}

	/// The provider's rate.
	pub fn provider(&self) -> Permill {
		self.provider
	}

	/// The platform's rate.
	pub fn platform(&self) -> Permill {
		self.platform
	}

	/// The referral rate.
	pub fn referral(&self) -> Permill {
		self.referral
	}

	/// Shares of the first `total` units ever claimed under one channel, milestone or charge.
	///
	/// With `f` the sum of the platform's and the referral rate and `F(x) = ⌊f·x⌋` all fees of the
	/// first `x` units: referral is `⌊F·referral/f⌋`, platform the rest of `F`, provider `x − F`.
	/// All three are monotone in `x`, which separate floors of the two fees are not (at 10 % and
	/// 5 %, the 20th unit would owe one unit to each and take one from the provider).
	fn cumulative(&self, total: Balance) -> Shares {
		let rate = self.platform.deconstruct().saturating_add(self.referral.deconstruct());
		let fees = mul_div_floor(total, rate, MILLION);
		let referral = mul_div_floor(fees, self.referral.deconstruct(), rate);
		Shares {
			provider: total.saturating_sub(fees),
			platform: fees.saturating_sub(referral),
			referral,
		}
	}

	/// Shares of the slice `[before, before + gross)` of a sum that is claimed bit by bit.
	///
	/// `None` when `before + gross` overflows. The shares sum to `gross`, none is negative, and the
	/// shares of consecutive slices sum to those of the joint slice.
	pub fn split(&self, before: Balance, gross: Balance) -> Option<Shares> {
		let after = self.cumulative(before.checked_add(gross)?);
		let before = self.cumulative(before);
		Some(Shares {
			provider: after.provider.checked_sub(before.provider)?,
			platform: after.platform.checked_sub(before.platform)?,
			referral: after.referral.checked_sub(before.referral)?,
		})
	}
}

/// `⌊value · part / whole⌋` for `part ≤ whole`, without overflow; 0 when `whole` is 0.
///
/// With `value = q·whole + r`: `q·part ≤ value`, and `r·part` is below 2⁶⁴.
pub fn mul_div_floor(value: Balance, part: u32, whole: u32) -> Balance {
	let (part, whole) = (Balance::from(part), Balance::from(whole));
	let (Some(q), Some(r)) = (value.checked_div(whole), value.checked_rem(whole)) else { return 0 };
	let rest = r.saturating_mul(part).checked_div(whole).unwrap_or(0);
	q.saturating_mul(part).saturating_add(rest)
}

/// What was settled: the reason for which market money changed owner. Encoding: 33 bytes.
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
pub enum Source {
	/// Calls paid through the payment channel of this id.
	#[codec(index = 0)]
	Channel([u8; 32]),
	/// A milestone of the agreement of this id.
	#[codec(index = 1)]
	Agreement([u8; 32]),
	/// A one-off charge with the payer's reference.
	#[codec(index = 2)]
	Charge([u8; 32]),
}

impl Source {
	/// The part of locked money from which this source is paid.
	pub fn lock_reason(&self) -> LockReason {
		match self {
			Self::Channel(_) => LockReason::Channel,
			Self::Agreement(_) => LockReason::Agreement,
			Self::Charge(_) => LockReason::Charge,
		}
	}
}

/// For what credits are locked. Each reason is a purse of its own: an error in one locking pallet
/// cannot spend what another has locked.
#[derive(
	Clone,
	Copy,
	Debug,
	Decode,
	DecodeWithMemTracking,
	Encode,
	Eq,
	MaxEncodedLen,
	Ord,
	PartialEq,
	PartialOrd,
	TypeInfo,
)]
pub enum LockReason {
	/// Deposits of payment channels.
	#[codec(index = 0)]
	Channel,
	/// Funded milestones and bonds of agreements.
	#[codec(index = 1)]
	Agreement,
	/// One-off charges; locked and paid within one call.
	#[codec(index = 2)]
	Charge,
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	fn schedules() -> impl Strategy<Value = Schedule> {
		(800_000u32..=1_000_000).prop_flat_map(|provider| {
			let fees = MILLION - provider;
			(0..=fees / 2).prop_map(move |referral| {
				Schedule::new(
					Permill::from_parts(provider),
					Permill::from_parts(fees - referral),
					Permill::from_parts(referral),
				)
				.unwrap()
			})
		})
	}

	#[test]
	fn genesis_schedule_should_divide_exactly_when_gross_is_a_multiple_of_twenty() {
		let shares = Schedule::GENESIS.split(0, 300_000).unwrap();
		assert_eq!(shares, Shares { provider: 255_000, platform: 30_000, referral: 15_000 });
	}

	#[test]
	fn genesis_schedule_should_pass_its_own_checks() {
		let g = Schedule::GENESIS;
		assert_eq!(Schedule::new(g.provider(), g.platform(), g.referral()), Ok(g));
	}

	#[test]
	fn rates_should_be_refused_when_they_are_not_whole_or_out_of_bounds() {
		let p = Permill::from_percent;
		assert_eq!(Schedule::new(p(85), p(10), p(4)), Err(ScheduleError::NotWhole));
		assert_eq!(Schedule::new(p(79), p(15), p(6)), Err(ScheduleError::ProviderBelowMinimum));
		assert_eq!(Schedule::new(p(85), p(7), p(8)), Err(ScheduleError::PlatformBelowReferral));
	}

	#[test]
	fn split_should_be_none_when_the_total_overflows() {
		assert_eq!(Schedule::GENESIS.split(Balance::MAX, 1), None);
		let shares = Schedule::GENESIS.split(0, Balance::MAX).unwrap();
		assert_eq!(shares.total(), Some(Balance::MAX));
	}

	#[test]
	fn single_units_should_never_take_from_the_provider() {
		for before in 0..1_000 {
			assert_eq!(Schedule::GENESIS.split(before, 1).unwrap().total(), Some(1));
		}
	}

	#[test]
	fn nobody_should_get_anything_when_rates_are_zero() {
		let all = Schedule::new(Permill::one(), Permill::zero(), Permill::zero()).unwrap();
		assert_eq!(all.split(7, 9).unwrap(), Shares { provider: 9, platform: 0, referral: 0 });
	}

	proptest! {
		#[test]
		fn shares_should_sum_to_gross_and_never_round_against_the_provider(
			schedule in schedules(), before in 0..u128::MAX / 2, gross in 0..u128::MAX / 2,
		) {
			let shares = schedule.split(before, gross).unwrap();
			prop_assert_eq!(shares.total(), Some(gross));
			let whole = schedule.split(0, gross).unwrap();
			prop_assert!(whole.provider >= schedule.provider().mul_floor(gross));
		}

		#[test]
		fn slicing_should_change_nothing(
			schedule in schedules(),
			slices in prop::collection::vec(0u128..1_000_000, 1..50),
		) {
			let (mut at, mut sum) = (0u128, Shares::default());
			for slice in slices {
				let part = schedule.split(at, slice).unwrap();
				at += slice;
				sum.provider += part.provider;
				sum.platform += part.platform;
				sum.referral += part.referral;
			}
			prop_assert_eq!(sum, schedule.split(0, at).unwrap());
		}

		#[test]
		fn referral_should_stay_below_all_fees(schedule in schedules(), gross in any::<u128>()) {
			let shares = schedule.split(0, gross).unwrap();
			let fees = gross - shares.provider;
			prop_assert!(fees == 0 || shares.referral < fees);
		}
	}
}
