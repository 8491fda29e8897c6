//! Records that the instance did not make as they were to be: they are taken away again.
//!
//! What may not be written is ignored without a word. Without its key nobody finds a record
//! again, and each further try would make one more (invariant 3); without another of its
//! columns it would pass for one that somebody has emptied. So what is not whole is deleted
//! by its id, and the column is told: then nothing was made, as the error says. Where a key was
//! ignored, nothing more is made by it for a while, and one that could not be deleted is named
//! and tried again before anything else is made.

use super::mapping::{record, stored};
use super::query::Name;
use super::writes::{Records, unwritable, version};
use kit::{Error, Saved};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long nothing is made by a key that was ignored.
const QUIET: Duration = Duration::from_secs(300);
/// Records left of one key that are remembered; each was named when it was told of.
const LEFT_MAX: usize = 1_000;

/// The keys that the instance ignored, by table and column.
#[derive(Default)]
pub(super) struct Keyless {
    known: Mutex<BTreeMap<(Name, Name), Ignored>>,
}

#[derive(Clone)]
struct Ignored {
    at: Instant,
    /// Records that could not be deleted.
    left: Vec<String>,
}

impl Keyless {
    fn of(&self, table: &Name, column: &Name) -> Option<Ignored> {
        self.known().get(&(table.clone(), column.clone())).cloned()
    }

    fn add(&self, table: &Name, column: &Name, left: Option<String>) {
        let mut known = self.known();
        let fresh = Ignored { at: Instant::now(), left: Vec::new() };
        let ignored = known.entry((table.clone(), column.clone())).or_insert(fresh);
        ignored.at = Instant::now();
        ignored.left.extend(left.filter(|_| ignored.left.len() < LEFT_MAX));
    }

    fn drop_left(&self, table: &Name, column: &Name, id: &str) {
        let mut known = self.known();
        if let Some(ignored) = known.get_mut(&(table.clone(), column.clone())) {
            ignored.left.retain(|left| left != id);
        }
    }

    /// The instance may have been mended: the next record tells.
    fn forget(&self, table: &Name, column: &Name) {
        self.known().remove(&(table.clone(), column.clone()));
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<(Name, Name), Ignored>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    /// May a record be made by this key, as far as is known?
    ///
    /// # Errors
    /// `Forbidden` naming the key where it was ignored a short while ago, and the record that is
    /// left of it; any other [`Error`] of deleting that one.
    pub(super) async fn may_make(&self, table: &Name, column: &Name) -> Result<(), Error> {
        let Some(ignored) = self.keyless.of(table, column) else { return Ok(()) };
        if ignored.at.elapsed() < QUIET {
            let left = ignored.left.first();
            return Err(
                left.map_or_else(|| unwritable(table, column), |id| kept(table, column, id))
            );
        }
        for id in &ignored.left {
            match self.client.remove(table, id).await {
                Ok(()) | Err(Error::NotFound) => self.keyless.drop_left(table, column, id),
                Err(error) => {
                    self.keyless.add(table, column, None);
                    return Err(if error.is_refusal() { kept(table, column, id) } else { error });
                }
            }
        }
        self.keyless.forget(table, column);
        Ok(())
    }

    /// What was made, by its row afterwards.
    ///
    /// # Errors
    /// `Forbidden` or `Invalid` naming the column without which it was made: it is gone again,
    /// or named.
    pub(super) async fn made(
        &self,
        table: &Name,
        (key, value): (&Name, &str),
        wanted: &[(Name, String)],
        row: &Json,
    ) -> Result<Saved, Error> {
        let id = record(row)?;
        let held = stored(row, key.as_str()).map(str::trim).unwrap_or_default();
        let is_keyed = held == value.trim();
        let is_lost = |(column, value): &&(Name, String)| {
            !value.is_empty() && stored(row, column.as_str()) == Some("")
        };
        let lost = match is_keyed {
            true => wanted.iter().find(is_lost).map(|(column, _)| column),
            false => Some(key),
        };
        let Some(lost) = lost else {
            return Ok(Saved { id, version: version(row), is_new: true });
        };
        let is_gone = self.client.remove(table, &id).await.is_ok();
        let left = (!is_gone).then(|| id.clone());
        if !is_keyed && (held.is_empty() || left.is_some()) {
            self.keyless.add(table, key, left);
        }
        Err(match (is_gone, is_keyed || held.is_empty()) {
            (false, _) => kept(table, lost, &id),
            (true, true) => unwritable(table, lost),
            (true, false) => Error::Invalid {
                field: Some(key.as_str().to_owned()),
                reason: "is kept as another value than the one written, by which nobody would \
                         find the record again: the column is too short, or a rule changes it"
                    .to_owned(),
            },
        })
    }
}

/// A record was made without this column, and is still there.
fn kept(table: &Name, column: &Name, id: &str) -> Error {
    let (table, column) = (table.as_str(), column.as_str());
    let missing =
        format!("writing {table}.{column}, and deleting {table} {id}, which was made without it");
    Error::Forbidden { missing }
}

#[cfg(test)]
mod tests {
    use super::{Keyless, Name};

    #[test]
    fn what_is_left_is_known_until_it_is_gone() {
        let (table, column) = (Name::fixed("customer_contact"), Name::fixed("u_key"));
        let keyless = Keyless::default();
        assert!(keyless.of(&table, &column).is_none());
        keyless.add(&table, &column, Some("a".to_owned()));
        keyless.add(&table, &column, None);
        keyless.add(&table, &column, Some("b".to_owned()));
        keyless.drop_left(&table, &column, "a");
        assert_eq!(keyless.of(&table, &column).expect("ignored").left, ["b"]);
        assert!(keyless.of(&table, &Name::fixed("name")).is_none());
        keyless.forget(&table, &column);
        assert!(keyless.of(&table, &column).is_none());
    }
}
