//! Times as AWS writes them.
//!
//! Owns: both forms. Must not know: what they are for.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `20150830T123600Z`
pub(super) fn compact_time(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, second) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date_of(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

/// `2015-08-30T12:36:00Z`, perhaps with a fraction; always of UTC.
pub(super) fn read_time(text: &str) -> Option<SystemTime> {
    let text = text.trim().strip_suffix('Z')?;
    let (date, clock) = text.split_once('T')?;
    let numbers = |text: &str, separator| -> Option<Vec<u64>> {
        text.split(separator).map(|part| part.split('.').next()?.parse().ok()).collect()
    };
    let ([year, month, day], [hour, minute, second]) = (&numbers(date, '-')?[..], &numbers(clock, ':')?[..])
    else {
        return None;
    };
    let is_sane = (1970..=9999).contains(year) && (1..=12).contains(month) && (1..=31).contains(day);
    (is_sane && *hour < 24 && *minute < 60 && *second <= 60).then_some(())?;
    let days = days_to(*year, *month, *day)?;
    let seconds = days * DAY + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Year, month and day of that many days after 1970-01-01. Years begin in March here, so that a leap day is their last.
fn date_of(days: u64) -> (u64, u64, u64) {
    let days = days + FROM_MARCH_OF_YEAR_0;
    let (era, day) = (days / ERA, days % ERA);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    let of_month = of_year - (153 * march_month + 2) / 5 + 1;
    (year + era * 400 + u64::from(month <= 2), month, of_month)
}

/// The other way round.
fn days_to(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year - 1 } else { year };
    let march_month = (month + 9) % 12;
    let of_year = (153 * march_month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + of_year;
    days.checked_sub(FROM_MARCH_OF_YEAR_0)
}

const DAY: u64 = 24 * 3600;
/// Days of 400 years.
const ERA: u64 = 146_097;
/// Days from there to 1970-01-01.
const FROM_MARCH_OF_YEAR_0: u64 = 719_468;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_and_read() {
        for (seconds, compact, long) in [
            (0, "19700101T000000Z", "1970-01-01T00:00:00Z"),
            (1_440_938_160, "20150830T123600Z", "2015-08-30T12:36:00Z"),
            (951_782_399, "20000228T235959Z", "2000-02-28T23:59:59Z"),
            (951_782_400, "20000229T000000Z", "2000-02-29T00:00:00.5Z"),
            (951_868_800, "20000301T000000Z", "2000-03-01T00:00:00Z"),
            (4_107_542_400, "21000301T000000Z", "2100-03-01T00:00:00Z"),
        ] {
            let time = UNIX_EPOCH + Duration::from_secs(seconds);
            assert_eq!((compact_time(time).as_str(), read_time(long)), (compact, Some(time)));
        }
        for bad in
            ["", "Z", "2015-08-30T12:36Z", "2015-13-30T12:36:00Z", "2015-08-30 12:36:00Z", "1-1-1T1:1:1Z"]
        {
            assert_eq!(read_time(bad), None, "{bad}");
        }
    }
}
