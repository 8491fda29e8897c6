//! Dates and times in the forms Salesforce reads and writes them.
//!
//! Milliseconds since 1970 UTC inside; outside `2026-01-01T00:00:00.000+0000` in
//! answers, ISO 8601 with `Z` or an offset in SOQL and bodies, and the HTTP date of
//! conditional requests.

use std::time::{SystemTime, UNIX_EPOCH};

/// One day in milliseconds.
pub(crate) const DAY: i64 = 86_400_000;
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];

/// Now, in milliseconds since 1970 UTC.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Days since 1970-01-01 of a civil date (proleptic Gregorian).
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let yoe = y.rem_euclid(400);
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

/// Year, month and day of a number of days since 1970-01-01.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

/// `2026-01-01T00:00:00.000+0000`.
pub(crate) fn datetime(at: i64) -> String {
    let (y, mo, d) = civil(at.div_euclid(DAY));
    let (h, mi, s, ms) = hms(at);
    format!("{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{ms:03}+0000")
}

/// `2026-01-01` of a number of days.
pub(crate) fn date(days: i64) -> String {
    let (y, m, d) = civil(days);
    format!("{y:04}-{m:02}-{d:02}")
}

/// `Thu, 01 Jan 2026 00:00:00 GMT`, whole seconds.
pub(crate) fn http_date(at: i64) -> String {
    let day = at.div_euclid(DAY);
    let (y, mo, d) = civil(day);
    let (h, mi, s, _) = hms(at);
    let weekday = WEEKDAYS[usize::try_from(day.rem_euclid(7)).unwrap_or(0)];
    let month = MONTHS[usize::try_from(mo - 1).unwrap_or(0).min(11)];
    format!("{weekday}, {d:02} {month} {y:04} {h:02}:{mi:02}:{s:02} GMT")
}

fn hms(at: i64) -> (i64, i64, i64, i64) {
    let ms = at.rem_euclid(DAY);
    (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000)
}

/// Reads `2026-01-01T00:00:00[.000](Z|+00:00|+0000)`; a blank counts as `+`, because
/// that is what an unescaped `+` in a URL becomes.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let days = parse_date(day)?;
    let rest = rest.strip_prefix('T')?;
    let (h, mi, s) = (number(rest, 0, 2)?, number(rest, 3, 5)?, number(rest, 6, 8)?);
    let separators = rest.get(2..3) == Some(":") && rest.get(5..6) == Some(":");
    if !separators || h > 23 || mi > 59 || s > 59 {
        return None;
    }
    let (ms, zone) = fraction(&rest[8..])?;
    Some(days * DAY + h * 3_600_000 + mi * 60_000 + s * 1000 + ms - offset(zone)?)
}

fn fraction(rest: &str) -> Option<(i64, &str)> {
    let Some(after) = rest.strip_prefix('.') else { return Some((0, rest)) };
    let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    let digits = format!("{:0<3}", after.get(..end.min(3))?);
    (end > 0).then_some((digits.parse().ok()?, &after[end..]))
}

fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let sign = match zone.as_bytes().first()? {
        b'+' | b' ' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = zone[1..].chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 {
        return None;
    }
    Some(sign * (number(&digits, 0, 2)? * 3_600_000 + number(&digits, 2, 4)? * 60_000))
}

/// Reads `2026-01-01` as days since 1970-01-01.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    if text.len() != 10 || text.get(4..5) != Some("-") || text.get(7..8) != Some("-") {
        return None;
    }
    let (y, m, d) = (number(text, 0, 4)?, number(text, 5, 7)?, number(text, 8, 10)?);
    let found = days(y, m, d);
    (civil(found) == (y, m, d)).then_some(found)
}

/// Reads the preferred HTTP date; other old forms are not read.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let rest = text.split_once(", ")?.1;
    let mut parts = rest.split(' ');
    let day: i64 = parts.next()?.parse().ok()?;
    let month = parts.next()?;
    let month = MONTHS.iter().position(|m| *m == month)?;
    let year: i64 = parts.next()?.parse().ok()?;
    let time = parts.next()?;
    if parts.next() != Some("GMT") || time.len() != 8 {
        return None;
    }
    let seconds = number(time, 0, 2)? * 3600 + number(time, 3, 5)? * 60 + number(time, 6, 8)?;
    Some(days(year, i64::try_from(month).ok()? + 1, day) * DAY + seconds * 1000)
}

fn number(text: &str, from: usize, to: usize) -> Option<i64> {
    let part = text.get(from..to)?;
    part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datetimes_go_out_and_come_back() {
        let at = 1_767_225_600_123;
        assert_eq!(datetime(at), "2026-01-01T00:00:00.123+0000");
        for text in [
            "2026-01-01T00:00:00.123Z",
            "2026-01-01T00:00:00.123+0000",
            "2026-01-01T02:00:00.123+02:00",
            "2026-01-01T02:00:00.123 02:00",
            "2025-12-31T19:30:00.123-04:30",
        ] {
            assert_eq!(parse_datetime(text), Some(at), "{text}");
        }
        for text in [
            "2026-01-01",
            "2026-02-30T00:00:00Z",
            "2026-01-01T25:00:00Z",
            "x",
            "2026-01-01T00:00:00",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }

    #[test]
    fn http_dates_go_out_and_come_back() {
        assert_eq!(http_date(1_767_225_600_999), "Thu, 01 Jan 2026 00:00:00 GMT");
        assert_eq!(parse_http_date("Thu, 01 Jan 2026 00:00:00 GMT"), Some(1_767_225_600_000));
        assert_eq!(parse_http_date("yesterday"), None);
    }

    #[test]
    fn every_day_of_four_centuries_is_itself() {
        assert!((-80_000..80_000).all(|n| {
            let (y, m, d) = civil(n);
            days(y, m, d) == n
        }));
    }
}
