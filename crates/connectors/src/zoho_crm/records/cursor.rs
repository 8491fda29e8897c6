//! Where a reader of changes is, as a text without personal data.

use domain::Timestamp;
use kit::Error;

/// A place between two pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cursor {
    pub(super) step: Step,
    /// Deletions since then are not told yet.
    pub(super) deleted_since: Timestamp,
    /// What is saved is told up to this record, in the order of time and id.
    pub(super) saved: (Timestamp, u64),
}

/// What the next page is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Saved,
    /// Deletions: the page, and the moment at which the first of them was asked for.
    Deleted {
        page: u32,
        begun: Timestamp,
    },
}

impl Cursor {
    pub(super) fn write(&self) -> String {
        let (at, id) = self.saved;
        let (page, begun) = match self.step {
            Step::Saved => (0, Timestamp(0)),
            Step::Deleted { page, begun } => (page, begun),
        };
        format!("1/{}/{id}/{}/{page}/{}", at.0, self.deleted_since.0, begun.0)
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
        let [version, at, id, since, page, begun] = parts.as_slice() else { return None };
        let moment = |text: &str| text.parse().ok().map(Timestamp);
        let (page, begun): (u32, Timestamp) = (page.parse().ok()?, moment(begun)?);
        let step = match page {
            0 => Step::Saved,
            page => Step::Deleted { page, begun },
        };
        let saved = (moment(at)?, id.parse().ok()?);
        (*version == "1").then_some(Self { step, deleted_since: moment(since)?, saved })
    }
}

#[cfg(test)]
mod tests {
    use super::{Cursor, Step};
    use domain::Timestamp;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_reads_back_as_it_was_written(at: i64, id: u64, since: i64, page in 0_u32..9, begun: i64) {
            let begun = Timestamp(begun);
            let step = if page == 0 { Step::Saved } else { Step::Deleted { page, begun } };
            let cursor = Cursor { step, deleted_since: Timestamp(since), saved: (Timestamp(at), id) };
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
