//! What changed among business partners, as far as SAP can be asked.
//!
//! SAP filters by the day of the last change and not by its time, and tells no
//! deletions: partners are archived, not deleted. So a pass reads everybody who was
//! changed or made since a day, in the order of their numbers, which no change moves;
//! whose time lies before the moment that is due is left out here. That moment is taken
//! from what SAP itself wrote before the pass began, less an overlap: what is changed
//! while a pass runs, or commits late, belongs to the next one.
//!
//! Source: API_BUSINESS_PARTNER, properties `LastChangeDate` and `LastChangeTime`.

use super::client::Client;
use super::mapping::partner_id;
use super::odata::{Filter, Query};
use super::records::{NUMBER, SET, changed, check_object, fixed, named, record, selected};
use async_trait::async_trait;
use domain::Timestamp;
use kit::{Change, Changes, ChangesAsk, ChangesPage, Error};
use std::sync::Arc;
use std::time::Duration;

/// How far a pass looks back behind what was there when the one before began.
const OVERLAP: Duration = Duration::from_secs(10 * 60);
/// How far SAP's clock, which may be of any time zone, is behind that of its answers at most.
const CLOCKS: Duration = Duration::from_secs(26 * 3_600);
const PAGE_MAX: usize = 1_000;
/// The form of the text; another form is another word.
const FORM: &str = "sap1";

/// The changes of one system.
pub(super) struct Feed {
    pub(super) client: Arc<Client>,
}

#[async_trait]
impl Changes for Feed {
    fn tells_deletions(&self) -> bool {
        false
    }

    async fn page(&self, ask: &ChangesAsk) -> Result<ChangesPage, Error> {
        check_object(&ask.object)?;
        let select = selected(&ask.fields)?;
        let mut cursor = match &ask.cursor {
            Some(text) => Cursor::read(text)?,
            None => Cursor::default(),
        };
        let most = ask.page_max.clamp(1, PAGE_MAX);
        let query = Query {
            set: SET,
            filter: cursor.filter(),
            select,
            expand: Vec::new(),
            order: Some(NUMBER),
            top: u16::try_from(most).unwrap_or(u16::MAX),
        };
        let (rows, has_next, date) = match self.client.page(&query).await {
            Ok(page) => page,
            Err(error) => return Err(named(&self.client, &ask.fields, error).await),
        };
        cursor.began = cursor.began.or(date);
        let mut changes = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in &rows {
            let record = record(row, &ask.fields)?;
            last = Some(record.id.clone());
            cursor.seen = cursor.seen.max(record.modified);
            // Nobody without a time is left out.
            if cursor.since.is_none_or(|since| changed(row).is_none_or(|at| at >= since)) {
                changes.push(Change::Saved(record));
            }
        }
        let has_more = has_next || rows.len() >= most;
        let cursor = match last.filter(|_| has_more) {
            Some(last) => Cursor { after: Some(last), ..cursor },
            None => cursor.next_pass(),
        };
        Ok(ChangesPage { changes, cursor: cursor.text(), has_more, is_restart: false })
    }
}

/// Where the feed stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cursor {
    /// From when on this pass tells changes, by SAP's clock; `None`: from the beginning.
    since: Option<Timestamp>,
    /// The last change that was seen before this pass, and up to now.
    seen_before: Option<Timestamp>,
    seen: Option<Timestamp>,
    /// When this pass began, by the clock of the answers.
    began: Option<Timestamp>,
    /// The number of the partner that was told last.
    after: Option<String>,
}

impl Cursor {
    fn filter(&self) -> Option<Filter> {
        let days = self.since.and_then(|since| {
            let of = |name| Filter::since_day(&fixed(name), since);
            Filter::any(vec![of("LastChangeDate"), of("CreationDate")])
        });
        let after = self.after.as_ref().map(|after| Filter::after(&fixed(NUMBER), after));
        match (days, after) {
            (Some(days), Some(after)) => Some(days.and(after)),
            (days, after) => days.or(after),
        }
    }

    /// The beginning of the next pass. It never goes back (invariant 4).
    fn next_pass(self) -> Self {
        let seen = self.seen_before.map(|seen| seen.minus(OVERLAP));
        let began = self.began.map(|began| began.minus(CLOCKS));
        Self {
            since: self.since.max(seen).max(began),
            seen_before: self.seen,
            seen: self.seen,
            began: None,
            after: None,
        }
    }

    fn text(&self) -> String {
        let moment =
            |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.0.to_string());
        let after = self.after.clone().unwrap_or_else(|| "-".to_owned());
        let moments = [self.since, self.seen_before, self.seen, self.began].map(moment);
        format!("{FORM}.{}.{after}", moments.join("."))
    }

    fn read(text: &str) -> Result<Self, Error> {
        Self::parsed(text).ok_or_else(|| Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none of this connection's".to_owned(),
        })
    }

    fn parsed(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [FORM, since, seen_before, seen, began, after] = parts.as_slice() else { return None };
        let moment = |text: &str| match text {
            "-" => Some(None),
            text => text.parse().ok().map(|ms| Some(Timestamp(ms))),
        };
        let after = match *after {
            "-" => None,
            number => Some(partner_id(number)?),
        };
        Some(Self {
            since: moment(since)?,
            seen_before: moment(seen_before)?,
            seen: moment(seen)?,
            began: moment(began)?,
            after,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Cursor;
    use domain::Timestamp;

    const HOUR: i64 = 3_600_000;

    #[test]
    fn a_cursor_reads_back_as_it_was_and_others_are_refused() {
        let cursor = Cursor {
            since: Some(Timestamp(-5)),
            seen: Some(Timestamp(7)),
            after: Some("1000001".to_owned()),
            ..Cursor::default()
        };
        assert_eq!(Cursor::read(&cursor.text()), Ok(cursor));
        for odd in ["", "sf1.-.-.-.-.-", "sap1.x.-.-.-.-", "sap1.-.-.-.-.a'b", "sap1.-.-.-.-"] {
            assert!(Cursor::read(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn a_pass_begins_before_what_may_have_changed_during_the_one_before() {
        let at = |hour: i64| Some(Timestamp(hour * HOUR));
        let first = Cursor { began: at(100), seen: at(99), ..Cursor::default() };
        let second = first.next_pass();
        assert_eq!(second.since, at(74), "SAP's clock may be of another time zone");
        let second = Cursor { began: at(101), seen: at(100), ..second };
        let third = second.next_pass();
        assert_eq!(third.since, Some(Timestamp(99 * HOUR - 600_000)), "by SAP's own clock");
        let backwards = Cursor { began: at(3), ..third.clone() };
        assert!(backwards.next_pass().since >= third.since);
    }
}
