//! The two ways in which a moment is written in an answer.

use apim_core::Timestamp;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// As HTTP writes it (RFC 9110 section 5.6.7): `Tue, 14 Nov 2023 22:13:20 GMT`.
pub(super) fn http(at: Timestamp) -> String {
    let Civil { weekday, year, month, day, hour, minute, second } = Civil::of(at);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// As WSO2's throttling answers write it: `2023-Nov-14 22:13:20+0000 UTC`.
pub(super) fn access(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = Civil::of(at);
    format!("{year:04}-{month}-{day:02} {hour:02}:{minute:02}:{second:02}+0000 UTC")
}

struct Civil {
    weekday: &'static str,
    year: u64,
    month: &'static str,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Civil {
    /// The date in the proleptic Gregorian calendar, by counting in eras of 400 years that begin in March,
    /// so that the leap day is the last of its year.
    fn of(at: Timestamp) -> Self {
        // The year 9999 is the last that either format can hold.
        let seconds = at.as_secs().min(253_402_300_799);
        let days = seconds / 86_400;
        let shifted = days + 719_468;
        let (era, of_era) = (shifted / 146_097, shifted % 146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * of_year + 2) / 153;
        let month = (from_march + 2) % 12;
        Self {
            weekday: DAYS[usize::try_from(days % 7).unwrap_or(0)],
            year: era * 400 + year_of_era + u64::from(month < 2),
            month: MONTHS[usize::try_from(month).unwrap_or(0)],
            day: of_year - (153 * from_march + 2) / 5 + 1,
            hour: seconds / 3_600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_around_leap_days_and_the_epoch() {
        let http = |seconds| http(Timestamp::from_secs(seconds));
        assert_eq!(http(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(http(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(http(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(http(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
        assert_eq!(http(u64::MAX / 1000), "Fri, 31 Dec 9999 23:59:59 GMT");
    }
}
