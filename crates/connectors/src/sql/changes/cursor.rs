//! Where a reader of changes is; pure.
//!
//! A place is the time and id of the last row that was told. At the end of what there is it
//! also knows when the end was reached: what is written with an earlier time may be committed
//! until an overlap later, so until then the end is read again from an overlap before it.

use crate::sql::civil::civil;
use domain::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// Places in the changes and in the deletions of one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) saved: Place,
    pub(super) deleted: Place,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    /// Of the last row told, as the database writes them.
    time: String,
    id: String,
    reading: Reading,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reading {
    /// More rows follow at once; the walk to the end began then, and the end it began from
    /// was reached then.
    UnderWay { began: Option<Timestamp>, end: Option<(String, String, Timestamp)> },
    /// This was the end when it was reached, and what is before it may still be committed.
    Fresh { reached: Timestamp },
    /// The end, and everything before it is told.
    Settled,
}

/// What an id is compared with where none was told yet: a number, where ids are numbers.
const NO_ID: &str = "0";

impl Cursor {
    /// Before everything.
    pub(super) fn at(begin: &str) -> Self {
        let place = Place {
            time: begin.to_owned(),
            id: NO_ID.to_owned(),
            reading: Reading::UnderWay { began: None, end: None },
        };
        Self { saved: place.clone(), deleted: place }
    }

    /// Ids and times only: nobody's name.
    pub(super) fn text(&self) -> String {
        json!({ "saved": self.saved.json(), "deleted": self.deleted.json() }).to_string()
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        Some(Self {
            saved: Place::parse(value.get("saved")?)?,
            deleted: Place::parse(value.get("deleted")?)?,
        })
    }
}

impl Place {
    /// After what the next page begins.
    pub(super) fn begin(&self, overlap: Duration) -> (String, String) {
        match self.reading {
            Reading::Fresh { .. } => match earlier(&self.time, overlap) {
                Some(time) => (time, NO_ID.to_owned()),
                // A version that only grows has no earlier time: it is compared as it is.
                None => (self.time.clone(), self.id.clone()),
            },
            _ => (self.time.clone(), self.id.clone()),
        }
    }

    pub(super) fn is_under_way(&self) -> bool {
        matches!(self.reading, Reading::UnderWay { .. })
    }

    /// The place after a page that ended with `last` and was read at `now`.
    pub(super) fn after(
        &self,
        last: Option<(String, String)>,
        is_full: bool,
        now: Timestamp,
        overlap: Duration,
    ) -> Self {
        let (began, end) = match &self.reading {
            Reading::UnderWay { began, end } => (began.unwrap_or(now), end.clone()),
            Reading::Fresh { reached } => {
                (now, Some((self.time.clone(), self.id.clone(), *reached)))
            }
            Reading::Settled => (now, None),
        };
        let (time, id) = last.unwrap_or_else(|| (self.time.clone(), self.id.clone()));
        if is_full {
            return Self { time, id, reading: Reading::UnderWay { began: Some(began), end } };
        }
        let reading = match (&self.reading, end) {
            // Nothing was ever told: there is no end to wait at.
            _ if self.is_at_the_beginning() && self.time == time => self.reading.clone(),
            // The same end as before: it is settled by a walk that began late enough.
            (_, Some((old_time, old_id, reached))) if (&old_time, &old_id) == (&time, &id) => {
                if began >= reached.plus(overlap) {
                    Reading::Settled
                } else {
                    Reading::Fresh { reached }
                }
            }
            (Reading::Settled, None) if (&self.time, &self.id) == (&time, &id) => Reading::Settled,
            _ => Reading::Fresh { reached: now },
        };
        // A first page that is empty is no page of many.
        let reading = match reading {
            Reading::UnderWay { .. } => Reading::Settled,
            reading => reading,
        };
        Self { time, id, reading }
    }

    fn is_at_the_beginning(&self) -> bool {
        matches!(self.reading, Reading::UnderWay { began: None, .. })
    }

    fn json(&self) -> Value {
        let mut value = json!({ "time": self.time, "id": self.id });
        match &self.reading {
            Reading::UnderWay { began, end } => {
                value["began"] = json!(began.map(|began| began.0));
                value["end"] = json!(end.as_ref().map(|(time, id, at)| json!([time, id, at.0])));
            }
            Reading::Fresh { reached } => value["reached"] = json!(reached.0),
            Reading::Settled => value["settled"] = json!(true),
        }
        value
    }

    fn parse(value: &Value) -> Option<Self> {
        let text = |key: &str| value.get(key)?.as_str().map(str::to_owned);
        let reading = if value.get("settled").is_some() {
            Reading::Settled
        } else if let Some(reached) = value.get("reached") {
            Reading::Fresh { reached: Timestamp(reached.as_i64()?) }
        } else {
            let end = match value.get("end")? {
                Value::Null => None,
                end => Some((
                    end.get(0)?.as_str()?.to_owned(),
                    end.get(1)?.as_str()?.to_owned(),
                    Timestamp(end.get(2)?.as_i64()?),
                )),
            };
            let began = value.get("began")?.as_i64().map(Timestamp);
            Reading::UnderWay { began, end }
        };
        Some(Self { time: text("time")?, id: text("id")?, reading })
    }
}

/// The time this much earlier in the same form, so that a database which compares texts
/// compares it rightly: `2026-11-22 08:00:00.123456+00`, or a number of (milli)seconds.
fn earlier(time: &str, by: Duration) -> Option<String> {
    if let Ok(number) = time.parse::<i64>() {
        // Seconds since 1970 reach this in the year 5138, milliseconds did in 1973.
        const MILLISECONDS: i64 = 100_000_000_000;
        let by = if number.abs() >= MILLISECONDS { by.as_millis() } else { by.as_secs().into() };
        // Smaller ones count changes, and no seconds.
        const COUNTS: i64 = 100_000_000;
        return (number >= COUNTS).then(|| (number - i64::try_from(by).unwrap_or(0)).to_string());
    }
    let clock = time.get(..19)?;
    let rest = time.get(19..)?;
    let at = Timestamp::parse(clock)?.minus(by);
    let days = at.0.div_euclid(86_400_000);
    let seconds = at.0.rem_euclid(86_400_000) / 1_000;
    let (year, month, day) = civil(days);
    let separator = time.get(10..11)?;
    let zeros: String = rest
        .strip_prefix('.')
        .map(|fraction| fraction.chars().take_while(char::is_ascii_digit).count())
        .map_or(String::new(), |digits| format!(".{}", "0".repeat(digits)));
    let zone = rest.get(zeros.len()..)?;
    Some(format!(
        "{year:04}-{month:02}-{day:02}{separator}{:02}:{:02}:{:02}{zeros}{zone}",
        seconds / 3_600,
        seconds / 60 % 60,
        seconds % 60
    ))
}

#[cfg(test)]
mod tests {
    use super::{Cursor, earlier};
    use domain::Timestamp;
    use std::time::Duration;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_earlier_time_has_the_form_of_the_later_one() {
        for (time, expected) in [
            ("2026-11-22 08:00:30", Some("2026-11-22 07:59:30")),
            ("2026-03-01T00:00:30.123456+00:00", Some("2026-02-28T23:59:30.000000+00:00")),
            ("2024-03-01T00:00:00Z", Some("2024-02-29T23:59:00Z")),
            ("2026-01-01 00:00:59.5", Some("2025-12-31 23:59:59.0")),
            ("1795292100", Some("1795292040")),
            ("1795292100000", Some("1795292040000")),
            ("4711", None),
            ("0x1f", None),
            ("", None),
        ] {
            assert_eq!(earlier(time, MINUTE).as_deref(), expected, "{time}");
        }
    }

    #[test]
    fn the_end_is_read_again_until_what_is_late_must_be_there() {
        let row = |time: &str, id: &str| Some((time.to_owned(), id.to_owned()));
        let at = Timestamp;
        let start = Cursor::at("0001-01-01 00:00:00").saved;
        // A full page, then the end.
        let middle = start.after(row("2026-11-22 07:00:00", "a"), true, at(0), MINUTE);
        assert!(middle.is_under_way());
        assert_eq!(middle.begin(MINUTE), ("2026-11-22 07:00:00".to_owned(), "a".to_owned()));
        let end = middle.after(row("2026-11-22 08:00:00", "b"), false, at(5_000), MINUTE);
        assert!(!end.is_under_way());
        assert_eq!(end.begin(MINUTE), ("2026-11-22 07:59:00".to_owned(), "0".to_owned()));
        // Read again too early: it stays so.
        let again = end.after(row("2026-11-22 08:00:00", "b"), false, at(30_000), MINUTE);
        assert_eq!(again, end);
        // Late enough: settled, and read on from there.
        let settled = again.after(row("2026-11-22 08:00:00", "b"), false, at(65_000), MINUTE);
        assert_eq!(settled.begin(MINUTE), ("2026-11-22 08:00:00".to_owned(), "b".to_owned()));
        assert_eq!(settled.after(None, false, at(99_000), MINUTE), settled);
        // Somebody changes something: it begins again.
        let fresh = settled.after(row("2026-11-22 09:00:00", "a"), false, at(100_000), MINUTE);
        assert_eq!(fresh.begin(MINUTE).0, "2026-11-22 08:59:00");
        for place in [start, middle, end, settled, fresh] {
            let cursor = Cursor { saved: place.clone(), deleted: place };
            assert_eq!(Cursor::parse(&cursor.text()), Some(cursor));
        }
        assert_eq!(Cursor::parse("{}"), None);
        assert_eq!(Cursor::parse("SELECT"), None);
    }

    #[test]
    fn a_walk_of_many_pages_through_the_overlap_settles_by_when_it_began() {
        let row = |id: &str| Some(("2026-11-22 08:00:00".to_owned(), id.to_owned()));
        let at = Timestamp;
        let end = Cursor::at("0").saved.after(row("c"), false, at(0), MINUTE);
        let first = end.after(row("a"), true, at(59_000), MINUTE);
        let second = first.after(row("c"), false, at(70_000), MINUTE);
        assert_eq!(second.begin(MINUTE).0, "2026-11-22 07:59:00", "it began too early");
        let first = second.after(row("a"), true, at(71_000), MINUTE);
        let second = first.after(row("c"), false, at(72_000), MINUTE);
        assert_eq!(second.begin(MINUTE).0, "2026-11-22 08:00:00");
    }

    #[test]
    fn an_empty_table_is_asked_again_from_the_beginning() {
        let start = Cursor::at("0001-01-01 00:00:00").saved;
        let next = start.after(None, false, Timestamp(0), MINUTE);
        assert!(!next.is_under_way());
        assert_eq!(next.begin(MINUTE), start.begin(MINUTE));
    }
}
