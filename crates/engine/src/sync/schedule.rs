//! When a sync runs by itself: every so often, every day, or as a cron pattern says.
//!
//! Daily times and patterns are told by the clock on the wall of a time zone. In the night in
//! which clocks go forward, what falls into the hour that is missing comes an hour later; in
//! the night in which an hour comes twice, a time counts once, except where a pattern says
//! every hour. Times that nobody was there for are made up for by one run: [`Schedule::due`].

mod cron;

use cron::Pattern;
use domain::Timestamp;
use jiff::Timestamp as Instant;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;

/// Shorter ones would begin a run before a vendor has told what the last one did.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(24 * 3_600);

/// Every day that a pattern can name comes within so many: the 29th of February may be eight
/// years away.
const DAYS_MAX: i32 = 8 * 366 + 1;

/// When runs are due.
#[derive(Debug, Clone)]
pub struct Schedule {
    every: Every,
    zone: TimeZone,
}

#[derive(Debug, Clone)]
enum Every {
    /// At whole multiples since the beginning of 1970, so that all nodes mean the same.
    Period(Duration),
    Day(Time),
    Pattern(Pattern),
}

impl Default for Schedule {
    /// Every 30 minutes.
    fn default() -> Self {
        Self { every: Every::Period(Duration::from_secs(1_800)), zone: TimeZone::UTC }
    }
}

impl Schedule {
    /// Reads `30m` (also `15 minutes`, `every 5 min`, `1h`), `hourly`, `daily`,
    /// `daily 03:00`, or the five fields of a cron pattern, by the clock of `zone` as IANA
    /// names it: `Europe/Berlin`.
    ///
    /// # Errors
    /// What is wrong with which part, and how it is written.
    pub fn new(text: &str, zone: &str) -> Result<Self, String> {
        let zone = TimeZone::get(zone)
            .map_err(|_| format!("`{zone}` is no time zone: write Europe/Berlin or UTC"))?;
        let words: Vec<String> = text.split_whitespace().map(str::to_lowercase).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let every = match words.as_slice() {
            ["hourly"] => Every::Period(Duration::from_secs(3_600)),
            ["daily"] => Every::Day(Time::midnight()),
            ["daily", at] | ["daily", "at", at] => Every::Day(time_of_day(at)?),
            [_, _, _, _, _] => Every::Pattern(Pattern::parse(text)?),
            ["every", rest @ ..] | rest => Every::Period(period(text, rest)?),
        };
        let schedule = Self { every, zone };
        let start = Timestamp(0);
        if schedule.next(start).is_none() {
            return Err(format!("`{text}` never comes: no month has that day"));
        }
        Ok(schedule)
    }

    /// The first time after `now` at which a run is due; `None` only at the ends of time.
    #[must_use]
    pub fn next(&self, now: Timestamp) -> Option<Timestamp> {
        if let Every::Period(period) = self.every {
            return Some(before(now, period)?.plus(period));
        }
        // A time that is missing on its own day may fall on the next one.
        self.around(now, 1, |due| due > now).into_iter().min()
    }

    /// The last time at which a run was due, `now` included; `None` only at the ends of time.
    #[must_use]
    pub fn last(&self, now: Timestamp) -> Option<Timestamp> {
        if let Every::Period(period) = self.every {
            return before(now, period);
        }
        self.around(now, -1, |due| due <= now).into_iter().max()
    }

    /// The time for which a run is to begin now, if one is: the last one due, unless the run
    /// of that time, or of a later one, has `begun`. However many were missed, it is one run.
    #[must_use]
    pub fn due(&self, begun: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        self.last(now).filter(|due| begun.is_none_or(|begun| begun < *due))
    }

    /// Times of the first day, going by `step` from a day before or after, that has any that
    /// count, and of the day behind it.
    fn around(
        &self,
        now: Timestamp,
        step: i32,
        counts: impl Fn(Timestamp) -> bool,
    ) -> Vec<Timestamp> {
        let Ok(instant) = Instant::from_millisecond(now.0) else { return Vec::new() };
        let today = instant.to_zoned(self.zone.clone()).date();
        let day = |by: i32| today.checked_add(jiff::Span::new().try_days(by).ok()?).ok();
        let times = |by: i32| -> Vec<Timestamp> {
            let found = day(by).map(|date| self.of_day(date)).unwrap_or_default();
            found.into_iter().filter(|due| counts(*due)).collect()
        };
        for by in -1..=DAYS_MAX {
            let mut found = times(by * step);
            if !found.is_empty() {
                found.extend(times((by + 1) * step));
                return found;
            }
        }
        Vec::new()
    }

    /// Every time of a day, in no order.
    fn of_day(&self, date: Date) -> Vec<Timestamp> {
        let (times, is_each_hour) = match &self.every {
            Every::Period(_) => (Vec::new(), false),
            Every::Day(at) => (vec![*at], false),
            Every::Pattern(pattern) => (pattern.of_day(date), pattern.is_each_hour()),
        };
        let mut all = Vec::with_capacity(times.len());
        for time in times {
            let told = self.zone.to_ambiguous_zoned(date.to_datetime(time));
            let twice = (is_each_hour && told.is_ambiguous()).then(|| told.clone().later());
            // What is missing comes later by what is missing; of two the first counts.
            let both = [Some(told.compatible()), twice].into_iter().flatten().flatten();
            all.extend(both.map(|at| Timestamp(at.timestamp().as_millisecond())));
        }
        all
    }
}

impl fmt::Display for Schedule {
    /// In words: `every 30 minutes`, `daily at 03:00 Europe/Berlin`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let zone = self.zone.iana_name().unwrap_or("UTC");
        match &self.every {
            Every::Period(period) => match period.as_secs() {
                3_600 => f.write_str("hourly"),
                secs if secs % 3_600 == 0 => write!(f, "every {} hours", secs / 3_600),
                60 => f.write_str("every minute"),
                secs if secs % 60 == 0 => write!(f, "every {} minutes", secs / 60),
                secs => write!(f, "every {secs} seconds"),
            },
            Every::Day(at) => write!(f, "daily at {:02}:{:02} {zone}", at.hour(), at.minute()),
            Every::Pattern(pattern) => write!(f, "{pattern} {zone}"),
        }
    }
}

/// The last whole multiple.
fn before(now: Timestamp, period: Duration) -> Option<Timestamp> {
    let ms = i64::try_from(period.as_millis()).ok()?;
    now.0.div_euclid(ms).checked_mul(ms).map(Timestamp)
}

fn time_of_day(text: &str) -> Result<Time, String> {
    let is_time = text.len() == 5 && text.as_bytes()[2] == b':';
    let parsed = if is_time { Time::strptime("%H:%M", text).ok() } else { None };
    parsed.ok_or_else(|| format!("`{text}` is no time of day: write `daily 03:00`"))
}

fn period(text: &str, words: &[&str]) -> Result<Duration, String> {
    let told = words.concat();
    let digits = told.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = told.split_at(digits);
    let seconds = match unit {
        "s" | "sec" | "second" | "seconds" => Some(1),
        "m" | "min" | "minute" | "minutes" => Some(60),
        "h" | "hour" | "hours" => Some(3_600),
        _ => None,
    };
    let count = if count.is_empty() && words.len() == 1 { Some(1) } else { count.parse().ok() };
    let (Some(seconds), Some(count)) = (seconds, count) else {
        return Err(format!(
            "`{text}` is no schedule: write 5m, 15m, 30m, hourly, daily, `daily 03:00`, or the \
             five fields of cron"
        ));
    };
    let period = Duration::from_secs(u64::saturating_mul(count, seconds));
    if !(SHORTEST..=LONGEST).contains(&period) {
        return Err(format!("`{text}` is out of range: from 5s to 24h; what is rarer is cron's"));
    }
    Ok(period)
}

#[cfg(test)]
mod tests;
