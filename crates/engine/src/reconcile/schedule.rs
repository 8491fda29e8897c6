//! When runs begin by themselves: every day at a time of a time zone.
//!
//! On the night in which clocks go forward past that time, it is an hour later by the
//! clock, which is the same distance after midnight; on the night in which it comes
//! twice, the first of the two counts. There is one run a day on either.

use domain::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;
use jiff::{Timestamp as Instant, ToSpan as _};

/// A time of day in a time zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    at: Time,
    zone: TimeZone,
}

impl Schedule {
    /// `at` as `03:00`, `zone` as IANA names it: `Europe/Berlin`.
    ///
    /// # Errors
    /// What is wrong with which of the two.
    pub fn new(at: &str, zone: &str) -> Result<Self, String> {
        let is_time = at.len() == 5 && at.as_bytes()[2] == b':';
        let parsed = if is_time { Time::strptime("%H:%M", at).ok() } else { None };
        let at = parsed.ok_or_else(|| format!("`{at}` is no time of day: write 03:00"))?;
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("`{zone}` is no time zone: write Europe/Berlin or UTC"))?;
        Ok(Self { at, zone })
    }

    /// The last time at which a run was due, `now` included; `None` only at the ends of time.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        let instant = Instant::from_millisecond(now.0).ok()?;
        let today = instant.to_zoned(self.zone.clone()).date();
        let day = |back: i64| today.checked_sub(back.days()).ok();
        [0, 1].into_iter().filter_map(day).find_map(|date| {
            let due = date.to_datetime(self.at).to_zoned(self.zone.clone()).ok()?;
            let due = Timestamp(due.timestamp().as_millisecond());
            (due <= now).then_some(due)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use domain::Timestamp;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn check(schedule: &Schedule, now: &str, expected: &str) {
        assert_eq!(schedule.last(at(now)), Some(at(expected)), "at {now}");
    }

    #[test]
    fn a_run_is_due_once_a_day_by_the_clock_on_the_wall() {
        let berlin = Schedule::new("03:00", "Europe/Berlin").expect("a schedule");
        check(&berlin, "2026-11-22T01:59:59Z", "2026-11-21T03:00:00+01:00");
        check(&berlin, "2026-11-22T02:00:00Z", "2026-11-22T03:00:00+01:00");
        check(&berlin, "2026-07-01T12:00:00Z", "2026-07-01T03:00:00+02:00");
        let utc = Schedule::new("00:00", "UTC").expect("a schedule");
        check(&utc, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z");
    }

    #[test]
    fn an_hour_that_is_missing_is_made_up_for_an_hour_later() {
        // On 29 March 2026 the clocks in Berlin went from 02:00 to 03:00.
        let berlin = Schedule::new("02:30", "Europe/Berlin").expect("a schedule");
        check(&berlin, "2026-03-29T01:29:59Z", "2026-03-28T02:30:00+01:00");
        check(&berlin, "2026-03-29T01:30:00Z", "2026-03-29T03:30:00+02:00");
        check(&berlin, "2026-03-30T00:29:59Z", "2026-03-29T03:30:00+02:00");
        check(&berlin, "2026-03-30T00:30:00Z", "2026-03-30T02:30:00+02:00");
    }

    #[test]
    fn an_hour_that_comes_twice_has_one_run() {
        // On 25 October 2026 the clocks in Berlin went from 03:00 back to 02:00.
        let berlin = Schedule::new("02:30", "Europe/Berlin").expect("a schedule");
        let first = "2026-10-25T02:30:00+02:00";
        check(&berlin, "2026-10-25T00:30:00Z", first);
        check(&berlin, "2026-10-25T01:30:00Z", first);
        check(&berlin, "2026-10-26T01:29:59Z", first);
        check(&berlin, "2026-10-26T01:30:00Z", "2026-10-26T02:30:00+01:00");
    }

    #[test]
    fn what_is_no_time_or_no_zone_is_refused_by_name() {
        for (at, zone, word) in [
            ("25:00", "UTC", "25:00"),
            ("3", "UTC", "`3`"),
            ("3:00am", "UTC", "3:00am"),
            ("03:00", "Europe/Nowhere", "Europe/Nowhere"),
            ("03:00", "", "no time zone"),
        ] {
            let error = Schedule::new(at, zone).expect_err("a refusal");
            assert!(error.contains(word), "{error}");
        }
    }
}
