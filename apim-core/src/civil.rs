//! A moment as people write it.

use std::fmt;

use crate::clock::Timestamp;

/// Date and time of day, in UTC.
///
/// ```
/// use apim_core::Timestamp;
///
/// let at = Timestamp::from_millis(784_111_777_042);
/// assert_eq!(at.civil().day, 6);
/// assert_eq!(at.to_string(), "1994-11-06T08:49:37.042Z");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Civil {
    /// Days since the last Thursday, the day on which the epoch began.
    pub days_since_thursday: u8,
    /// The year; 9999 at most, the last that the usual formats can hold.
    pub year: u64,
    /// The month, from 1.
    pub month: u8,
    /// The day of the month, from 1.
    pub day: u8,
    /// The hour, from 0.
    pub hour: u8,
    /// The minute.
    pub minute: u8,
    /// The second.
    pub second: u8,
}

impl Civil {
    /// The date in the proleptic Gregorian calendar, by counting in eras of 400 years that begin in March,
    /// so that the leap day is the last of its year.
    pub(crate) fn of(at: Timestamp) -> Self {
        let seconds = at.as_secs().min(253_402_300_799);
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12;
        // All of these are below 256 by the arithmetic above.
        let small = |number: u64| u8::try_from(number).unwrap_or(u8::MAX);
        Self {
            days_since_thursday: small(days % 7),
            year: era * 400 + year_of_era + u64::from(month < 2),
            month: small(month + 1),
            day: small(of_year - (153 * from_march + 2) / 5 + 1),
            hour: small(seconds / 3_600 % 24),
            minute: small(seconds / 60 % 60),
            second: small(seconds % 60),
        }
    }
}

/// As RFC 3339 has it, in UTC, with milliseconds.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Civil { year, month, day, hour, minute, second, .. } = self.civil();
        let millis = self.as_millis() % 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_and_the_ends_of_time() {
        let text = |seconds| Timestamp::from_secs(seconds).to_string();
        assert_eq!(text(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(text(951_782_400), "2000-02-29T00:00:00.000Z");
        assert_eq!(text(4_107_542_400), "2100-03-01T00:00:00.000Z");
        assert!(text(u64::MAX).starts_with("9999-12-31T23:59:59."));
    }
}
