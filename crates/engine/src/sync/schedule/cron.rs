//! The five fields of a cron pattern: minute, hour, day of month, month, day of week.
//!
//! `*`, lists, ranges, steps, names of months and days, and `L` for a month's last day. Where
//! both days are told, either will do, as in every cron.

use jiff::civil::{Date, Time};
use std::fmt;

/// A pattern. Each field is the set of its values, as bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    minutes: u64,
    hours: u64,
    days: u64,
    /// `L`.
    has_last_day: bool,
    months: u64,
    /// From Sunday, 0.
    weekdays: u64,
    /// The days of the month, and of the week, begin with `*`: they do not choose.
    is_any_day: bool,
    is_any_weekday: bool,
}

/// What a field is called, and what may stand in it.
struct Field {
    name: &'static str,
    least: u64,
    most: u64,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", least: 0, most: 59, names: &[] };
const HOUR: Field = Field { name: "hour", least: 0, most: 23, names: &[] };
const DAY: Field = Field { name: "day of month", least: 1, most: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
/// 7 is Sunday too.
const WEEKDAY: Field = Field {
    name: "day of week",
    least: 0,
    most: 7,
    names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
};

impl Pattern {
    /// # Errors
    /// Which field has what that it cannot have.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let fields: Vec<&str> = lower.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(format!("`{text}` has {} fields, a cron pattern five", fields.len()));
        };
        let has_last_day = day.split(',').any(|part| part == "l");
        let days: Vec<&str> = day.split(',').filter(|part| *part != "l").collect();
        let days = if days.is_empty() { 0 } else { DAY.bits(&days.join(","))? };
        let weekdays = WEEKDAY.bits(weekday)?;
        Ok(Self {
            text: fields.join(" "),
            minutes: MINUTE.bits(minute)?,
            hours: HOUR.bits(hour)?,
            days,
            has_last_day,
            months: MONTH.bits(month)?,
            weekdays: (weekdays | weekdays >> 7) & 0x7f,
            is_any_day: day.starts_with('*'),
            is_any_weekday: weekday.starts_with('*'),
        })
    }

    /// Its times on a day, ascending.
    pub(super) fn of_day(&self, date: Date) -> Vec<Time> {
        if !self.is_on(date) {
            return Vec::new();
        }
        let hours = (0..24).filter(|hour| has(self.hours, *hour));
        let times = hours.flat_map(|hour| {
            (0..60).filter(|minute| has(self.minutes, *minute)).map(move |minute| (hour, minute))
        });
        times.filter_map(|(hour, minute)| Time::new(hour, minute, 0, 0).ok()).collect()
    }

    /// It names no hours.
    pub(super) fn is_each_hour(&self) -> bool {
        self.hours.count_ones() == 24
    }

    fn is_on(&self, date: Date) -> bool {
        let is_last = self.has_last_day && date == date.last_of_month();
        let day = has(self.days, date.day()) || is_last;
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        let is_day =
            if self.is_any_day || self.is_any_weekday { day && weekday } else { day || weekday };
        is_day && has(self.months, date.month())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cron {}", self.text)
    }
}

fn has(bits: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| bits >> value & 1 == 1)
}

impl Field {
    fn bits(&self, text: &str) -> Result<u64, String> {
        let mut bits = 0;
        for part in text.split(',') {
            let (range, step) = match part.split_once('/') {
                Some((range, step)) => (range, Some(step)),
                None => (part, None),
            };
            let (from, to) = match range.split_once('-') {
                _ if range == "*" => (self.least, self.most),
                Some((from, to)) => (self.value(from)?, self.value(to)?),
                // `5/15` goes on to the end.
                None if step.is_some() => (self.value(range)?, self.most),
                None => (self.value(range)?, self.value(range)?),
            };
            let step = match step.map(str::parse::<u64>) {
                None => 1,
                Some(Ok(step)) if (1..=self.most).contains(&step) => step,
                Some(_) => return Err(self.refusal(part)),
            };
            if from > to {
                return Err(self.refusal(part));
            }
            let mut value = from;
            while value <= to {
                bits |= 1 << value;
                value += step;
            }
        }
        Ok(bits)
    }

    fn value(&self, text: &str) -> Result<u64, String> {
        let named = self.names.iter().position(|name| *name == text);
        let named = named.map(|at| self.least + u64::try_from(at).unwrap_or_default());
        let is_digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let told = named.or_else(|| if is_digits { text.parse().ok() } else { None });
        told.filter(|value| (self.least..=self.most).contains(value))
            .ok_or_else(|| self.refusal(text))
    }

    fn refusal(&self, part: &str) -> String {
        let (name, least, most) = (self.name, self.least, self.most);
        let names = match (self.names.first(), self.names.last()) {
            (Some(first), Some(last)) => format!(" or {first} to {last}"),
            _ => String::new(),
        };
        format!(
            "`{part}` is no {name} of a cron pattern: {least} to {most}{names}, `a-b`, `a,b`, \
             `*/n`"
        )
    }
}
