//! The ways in which a moment is written in messages.

use apim_core::Timestamp;
use apim_core::civil::Civil;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// As HTTP writes it (RFC 9110 section 5.6.7): `Tue, 14 Nov 2023 22:13:20 GMT`.
pub(super) fn http(at: Timestamp) -> String {
    let civil = at.civil();
    let (weekday, month) = (DAYS[usize::from(civil.days_since_thursday % 7)], month(civil));
    let Civil { year, day, hour, minute, second, .. } = civil;
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

/// As WSO2's throttling answers write it: `2023-Nov-14 22:13:20+0000 UTC`.
pub(super) fn access(at: Timestamp) -> String {
    let civil = at.civil();
    let month = month(civil);
    let Civil { year, day, hour, minute, second, .. } = civil;
    format!("{year:04}-{month}-{day:02} {hour:02}:{minute:02}:{second:02}+0000 UTC")
}

fn month(civil: Civil) -> &'static str {
    MONTHS[usize::from(civil.month.saturating_sub(1)) % 12]
}

/// As requests to AWS write it: `20231114T221320Z`.
pub(crate) fn compact(at: Timestamp) -> String {
    let Civil { year, month, day, hour, minute, second, .. } = at.civil();
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
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
