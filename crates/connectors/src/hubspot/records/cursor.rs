//! Where a reader of changes is, as a text without personal data.

use domain::Timestamp;
use kit::Error;

/// A place between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) step: Step,
    /// What is saved is told up to here, this moment not included.
    pub(super) from: Timestamp,
    /// What was archived since then is not told yet.
    pub(super) archived_since: Timestamp,
}

/// What the next page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// What was changed at `from` or later.
    Window,
    /// What was changed at `from` exactly, behind this id: more than one page of them.
    Moment { behind: u64 },
    /// What was archived, behind this id of the list; asked for since `begun`.
    Archived { behind: u64, begun: Timestamp },
}

impl Cursor {
    pub(super) fn write(&self) -> String {
        let (word, behind, begun) = match self.step {
            Step::Window => ('w', 0, 0),
            Step::Moment { behind } => ('m', behind, 0),
            Step::Archived { behind, begun } => ('a', behind, begun.0),
        };
        format!("1/{word}/{}/{}/{behind}/{begun}", self.from.0, self.archived_since.0)
    }

    /// # Errors
    /// `Invalid` naming `cursor`.
    pub(super) fn read(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| Error::Invalid {
            field: Some("cursor".to_owned()),
            reason: "is none of this connection's".to_owned(),
        })
    }

    fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('/').collect();
        let ["1", word, from, since, behind, begun] = parts.as_slice() else { return None };
        let moment = |text: &str| text.parse().ok().map(Timestamp);
        let (behind, begun): (u64, Timestamp) = (behind.parse().ok()?, moment(begun)?);
        let step = match *word {
            "w" => Step::Window,
            "m" => Step::Moment { behind },
            "a" => Step::Archived { behind, begun },
            _ => return None,
        };
        Some(Self { step, from: moment(from)?, archived_since: moment(since)? })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Step};
    use domain::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_written(from: i64, since: i64, behind: u64, begun: i64, kind in 0..3) {
            let step = match kind {
                0 => Step::Window,
                1 => Step::Moment { behind },
                _ => Step::Archived { behind, begun: Timestamp(begun) },
            };
            let cursor = Cursor { step, from: Timestamp(from), archived_since: Timestamp(since) };
            prop_assert_eq!(Cursor::read(&cursor.write()), Ok(cursor));
        }

        #[test]
        fn whatever_else_is_refused_by_name(text in any::<String>()) {
            if let Err(error) = Cursor::read(&text) {
                let named = matches!(error, kit::Error::Invalid { field: Some(f), .. } if f == "cursor");
                prop_assert!(named);
            }
        }
    }
}
