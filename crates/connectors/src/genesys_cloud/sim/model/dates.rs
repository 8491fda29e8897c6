//! Writes and reads the vendor's dates: ISO-8601, UTC, milliseconds, `Z`.

const DAY_MS: i64 = 86_400_000;

/// `2025-04-10T13:31:49.570Z` for milliseconds since 1970.
pub(crate) fn iso(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, day) = civil(days);
    let (hour, minute) = (rest / 3_600_000, rest / 60_000 % 60);
    let (second, milli) = (rest / 1000 % 60, rest % 1000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

/// Reads `yyyy-MM-dd[THH:mm[:ss[.SSS]]]` with an optional `Z` or `+hh:mm`.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (date, time) = text.split_once('T').unwrap_or((text, ""));
    let mut parts = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    Some(days_from_civil(year, month, day) * DAY_MS + time_of_day(time)?)
}

fn time_of_day(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (clock, offset_minutes) = match text.find(['Z', '+', '-']) {
        None => (text, 0),
        Some(at) if text.as_bytes()[at] == b'Z' => (&text[..at], 0),
        Some(at) => {
            let (hours, minutes) = text[at + 1..].split_once(':')?;
            let total = hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?;
            (&text[..at], if text.as_bytes()[at] == b'-' { -total } else { total })
        }
    };
    let mut parts = clock.split(':');
    let hour: i64 = parts.next()?.parse().ok()?;
    let minute: i64 = parts.next()?.parse().ok()?;
    let seconds: f64 = parts.next().unwrap_or("0").parse().ok()?;
    let valid = (0..=24).contains(&hour) && (0..60).contains(&minute) && seconds < 61.0;
    let whole = (hour * 60 + minute - offset_minutes) * 60_000;
    valid.then(|| whole + (seconds * 1000.0).round() as i64)
}

/// `from/to`, widened to whole days: the analytics query selects conversations
/// that started on a day touched by the interval.
pub(crate) fn interval_in_days(text: &str) -> Option<(i64, i64)> {
    let (from, to) = text.split_once('/')?;
    let (from, to) = (parse(from)?, parse(to)?);
    let last = to + (DAY_MS - to.rem_euclid(DAY_MS)) % DAY_MS;
    (from < to).then_some((from - from.rem_euclid(DAY_MS), last))
}

// Howard Hinnant's civil calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let (era, doe) = (z.div_euclid(146_097), z.rem_euclid(146_097));
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = yoe + era * 400 + i64::from(month <= 2);
    (year, month, doy - (153 * mp + 2) / 5 + 1)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let y = if month <= 2 { year - 1 } else { year };
    let (era, yoe) = (y.div_euclid(400), y.rem_euclid(400));
    let doy = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719_468
}

#[cfg(test)]
mod tests {
    use super::{interval_in_days, iso, parse};

    #[test]
    fn a_date_survives_writing_and_reading() {
        for ms in [0, 1_744_291_909_570, 951_782_400_000, 4_102_444_799_999] {
            assert_eq!(parse(&iso(ms)), Some(ms));
        }
        assert_eq!(iso(1_744_291_909_570), "2025-04-10T13:31:49.570Z");
        assert_eq!(parse("2025-04-10T15:31:49.570+02:00"), Some(1_744_291_909_570));
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn an_interval_touches_whole_days() {
        let (from, to) = interval_in_days("2025-04-10T13:00Z/2025-04-10T14:00Z").expect("interval");
        assert_eq!(
            (iso(from), iso(to)),
            ("2025-04-10T00:00:00.000Z".to_owned(), "2025-04-11T00:00:00.000Z".to_owned(),)
        );
        assert_eq!(interval_in_days("2025-04-10T13:00Z"), None);
    }
}
