//! RFC 3339 in UTC with whole seconds, the one form of time that the scheme needs.

const DAY: u64 = 86_400;

/// `YYYY-MM-DDTHH:MM:SSZ` of a number of seconds since 1970.
pub fn format_time(seconds: u64) -> String {
	let (days, rest) = (seconds / DAY, seconds % DAY);
	// Days since 0000-03-01, in eras of 400 years of 146,097 days; years begin in March, so that the
	// leap day is the last one.
	let days = days.saturating_add(719_468);
	let (era, day_of_era) = (days / 146_097, days % 146_097);
	let year_of_era =
		(day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
	let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	let shifted = (5 * day_of_year + 2) / 153;
	let day = day_of_year - (153 * shifted + 2) / 5 + 1;
	let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
	let year = year_of_era.saturating_add(era.saturating_mul(400)) + u64::from(month <= 2);
	format!(
		"{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
		rest / 3_600,
		rest / 60 % 60,
		rest % 60
	)
}

/// The inverse of [`format_time`]. A fraction of a second is cut off, a leap second counts as the next one;
/// other zones than UTC are not read, nor days that the calendar does not have.
pub fn parse_time(text: &str) -> Option<u64> {
	let text = text.strip_suffix(['Z', 'z'])?;
	let (date, time) = text.split_once(['T', 't'])?;
	let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
	let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
	let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
	let valid = (1970..=9999).contains(&year)
		&& (1..=12).contains(&month)
		&& (1..=days_of(year, month)).contains(&day)
		&& hour < 24
		&& minute < 60
		&& second < 61
		&& is_digits(fraction);
	if !valid {
		return None;
	}
	let year = year - u64::from(month <= 2);
	let shifted = if month > 2 { month - 3 } else { month + 9 };
	let day_of_year = (153 * shifted + 2) / 5 + day - 1;
	let year_of_era = year % 400;
	let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	let days = (year / 400 * 146_097 + day_of_era).checked_sub(719_468)?;
	Some(days * DAY + hour * 3_600 + minute * 60 + second)
}

fn is_digits(text: &str) -> bool {
	!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Three numbers of so many digits.
fn numbers(text: &str, separator: char, digits: [usize; 3]) -> Option<[u64; 3]> {
	let mut parts = text.split(separator).zip(digits).map(|(part, digits)| {
		let fits = part.len() == digits && is_digits(part);
		fits.then(|| part.parse::<u64>().ok()).flatten()
	});
	let out = [parts.next()??, parts.next()??, parts.next()??];
	(text.split(separator).count() == out.len()).then_some(out)
}

fn days_of(year: u64, month: u64) -> u64 {
	let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
	match month {
		2 => 28 + u64::from(leap),
		4 | 6 | 9 | 11 => 30,
		_ => 31,
	}
}

#[cfg(test)]
mod tests {
	use super::*;
	use proptest::prelude::*;

	#[test]
	fn known_times_should_be_written_and_read() {
		for (seconds, text) in [
			(0, "1970-01-01T00:00:00Z"),
			(951_782_400, "2000-02-29T00:00:00Z"),
			(951_868_799, "2000-02-29T23:59:59Z"),
			(1_704_067_199, "2023-12-31T23:59:59Z"),
			(1_788_739_200, "2026-09-07T00:00:00Z"),
			(4_107_542_400, "2100-03-01T00:00:00Z"),
		] {
			assert_eq!(format_time(seconds), text);
			assert_eq!(parse_time(text), Some(seconds));
		}
	}

	#[test]
	fn other_forms_should_be_refused() {
		for text in [
			"",
			"2026-01-01",
			"2026-01-01T00:00:00+01:00",
			"2026-13-01T00:00:00Z",
			"2026-01-01T24:00:00Z",
			"2026-1-+1T00:00:00Z",
			"2026-1-01T00:00:00Z",
			"2026-01-01T0:00:00Z",
			"2026-02-29T00:00:00Z",
			"2100-02-29T00:00:00Z",
			"2026-04-31T00:00:00Z",
			"2026-01-01T00:00:00.Z",
			"2026-01-01T00:00:00.xZ",
			"2026-01-01T00:00:00:00Z",
			"1969-12-31T23:59:59Z",
			"2026-01-01T00:00Z",
		] {
			assert_eq!(parse_time(text), None, "{text}");
		}
		assert_eq!(parse_time("2026-01-01t00:00:00.999z"), parse_time("2026-01-01T00:00:00Z"));
		assert_eq!(parse_time("2016-12-31T23:59:60Z"), parse_time("2017-01-01T00:00:00Z"));
	}

	proptest! {
		#[test]
		fn times_should_survive_their_text(seconds in 0u64..253_402_300_800) {
			prop_assert_eq!(parse_time(&format_time(seconds)), Some(seconds));
		}

		#[test]
		fn arbitrary_text_should_never_panic(text in "\\PC{0,40}") {
			let _ = parse_time(&text);
		}
	}
}
