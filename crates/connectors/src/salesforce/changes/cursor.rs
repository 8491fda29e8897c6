//! Where a feed of changes stands, as a text that says so: moments and ids, nobody.

use super::super::soql::RecordId;
use domain::Timestamp;
use kit::Error;

/// The form of the text; another form is another word.
const FORM: &str = "sf1";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// From when on this pass tells changes; `None`: from the beginning.
    pub(super) since: Option<Timestamp>,
    /// Up to when the log of deletions was read.
    pub(super) log: Option<Timestamp>,
    pub(super) phase: Phase,
}

/// What comes next, after whom, in a pass that began at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Phase {
    Saved { began: Option<Timestamp>, after: Option<(Timestamp, RecordId)> },
    Deleted { began: Timestamp, after: Option<(Timestamp, RecordId)> },
}

impl Cursor {
    pub(super) fn beginning() -> Self {
        Self { since: None, log: None, phase: Phase::Saved { began: None, after: None } }
    }

    /// The beginning of the next pass. It never goes back (invariant 4).
    pub(super) fn next_pass(&self, since: Timestamp, log: Timestamp) -> Self {
        let since = self.since.map_or(since, |before| before.max(since));
        let phase = Phase::Saved { began: None, after: None };
        Self { since: Some(since), log: Some(log), phase }
    }

    pub(super) fn text(&self, object: &str) -> String {
        let moment =
            |at: Option<Timestamp>| at.map_or_else(|| "-".to_owned(), |at| at.0.to_string());
        let (word, began, after) = match &self.phase {
            Phase::Saved { began, after } => ("s", *began, after),
            Phase::Deleted { began, after } => ("d", Some(*began), after),
        };
        let id = after.as_ref().map_or("-", |(_, id)| id.as_str());
        let after = moment(after.as_ref().map(|(moment, _)| *moment));
        let (since, log, began) = (moment(self.since), moment(self.log), moment(began));
        [FORM, object, &since, &log, word, &began, &after, id].join(".")
    }

    /// # Errors
    /// `Invalid` naming `cursor` when it is none of ours, or another object's.
    pub(super) fn read(text: &str, object: &str) -> Result<Self, Error> {
        Self::parsed(text, object).ok_or_else(|| Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none of this connection's for this object".to_owned(),
        })
    }

    fn parsed(text: &str, object: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('.').collect();
        let [form, of, since, log, word, began, after, id] = parts.as_slice() else { return None };
        if *form != FORM || !of.eq_ignore_ascii_case(object) {
            return None;
        }
        let moment = |text: &str| match text {
            "-" => Some(None),
            text => text.parse().ok().map(|ms| Some(Timestamp(ms))),
        };
        let after = match (moment(after)?, *id) {
            (None, "-") => None,
            (Some(at), id) => Some((at, RecordId::new(id)?)),
            (None, _) => return None,
        };
        let phase = match (*word, moment(began)?) {
            ("s", began) => Phase::Saved { began, after },
            ("d", Some(began)) => Phase::Deleted { began, after },
            _ => return None,
        };
        Some(Self { since: moment(since)?, log: moment(log)?, phase })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Phase};
    use crate::salesforce::soql::RecordId;
    use domain::Timestamp;

    #[test]
    fn a_cursor_reads_back_as_it_was_and_others_are_refused() {
        let id = RecordId::new("0035g00000ABCdEAAW").expect("an id");
        let after = Some((Timestamp(7), id));
        for phase in [
            Phase::Saved { began: None, after: None },
            Phase::Saved { began: Some(Timestamp(5)), after: after.clone() },
            Phase::Deleted { began: Timestamp(5), after },
        ] {
            let cursor = Cursor { since: Some(Timestamp(3)), log: None, phase };
            let text = cursor.text("Contact");
            assert_eq!(Cursor::read(&text, "Contact"), Ok(cursor));
            assert!(Cursor::read(&text, "Lead").is_err());
            assert!(Cursor::read(&text[1..], "Contact").is_err());
        }
        for odd in ["", "x", "sf1.Contact", "sf1.Contact.-.-.s.-.1.'", "sf1.Contact.-.-.d.-.-.-"] {
            assert!(Cursor::read(odd, "Contact").is_err(), "{odd}");
        }
    }

    #[test]
    fn the_next_pass_never_goes_back() {
        let at = Cursor { since: Some(Timestamp(9)), ..Cursor::beginning() };
        assert_eq!(at.next_pass(Timestamp(4), Timestamp(1)).since, Some(Timestamp(9)));
    }
}
