//! Writes and reads ISO-8601 dates, in whatever offset a vendor prefers.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY_MS: i64 = 86_400_000;

/// Milliseconds since 1970, now.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// `2026-11-22T12:10:00+05:30`, without fractions.
pub fn with_offset(ms: i64, offset_minutes: i64) -> String {
    let sign = if offset_minutes < 0 { '-' } else { '+' };
    let offset = offset_minutes.abs();
    let clock = clock(ms + offset_minutes * 60_000);
    format!("{clock}{sign}{:02}:{:02}", offset / 60, offset % 60)
}

/// `2026-11-22T06:40:00.123Z`.
pub fn utc(ms: i64) -> String {
    format!("{}.{:03}Z", clock(ms), ms.rem_euclid(1000))
}

fn clock(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1000 % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")
}

/// Reads `yyyy-MM-ddTHH:mm:ss[.fraction]` with `Z` or an offset.
pub fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T')?;
    let numbers = |text: &str, sign: char| -> Option<Vec<i64>> {
        text.split(sign).map(|part| part.parse().ok()).collect()
    };
    let date = numbers(date, '-')?;
    let at = time.find(['Z', '+', '-'])?;
    let (clock, zone) = time.split_at(at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let clock = numbers(clock, ':')?;
    let ([year, month, day], [hour, minute, second]) = (date.as_slice(), clock.as_slice()) else {
        return None;
    };
    let is_date = (1..=12).contains(month) && (1..=31).contains(day);
    let is_time = (0..24).contains(hour) && (0..60).contains(minute) && (0..=60).contains(second);
    let milli: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let offset = match zone.strip_prefix(['+', '-']) {
        None => (zone == "Z").then_some(0)?,
        Some(digits) => {
            let total = numbers(digits, ':')?;
            let [hours, minutes] = total.as_slice() else { return None };
            (hours * 60 + minutes) * if zone.starts_with('-') { -1 } else { 1 }
        }
    };
    let whole = days(*year, *month, *day) * 86_400 + hour * 3_600 + minute * 60 + second;
    (is_date && is_time).then(|| (whole - offset * 60) * 1000 + milli)
}

// Howard Hinnant's civil calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(month <= 2), month, doy - (153 * mp + 2) / 5 + 1)
}

fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, yoe) = (year.div_euclid(400), year.rem_euclid(400));
    let doy = (153 * (month + if month > 2 { -3 } else { 9 }) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_reads_back_in_every_offset() {
        let ms = 1_795_329_600_000 + 123;
        assert_eq!(utc(ms), "2026-11-22T06:40:00.123Z");
        assert_eq!(parse(&utc(ms)), Some(ms));
        for offset in [-570, -60, 0, 330, 840] {
            let text = with_offset(ms, offset);
            assert_eq!(parse(&text), Some(ms - 123), "{text}");
        }
        assert_eq!(with_offset(ms, 330), "2026-11-22T12:10:00+05:30");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in ["", "2026", "2026-11-22", "2026-13-01T00:00:00Z", "2026-01-01T25:00:00Z", "x"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
