//! How records end, and how what was done is made not to have happened.

use super::packed::Value;
use super::{Refused, Row, State, Store, Undo, clock, pack};

impl Store {
    /// Merges a record into another of its object: it is deleted and names its master.
    pub(crate) fn merge(&mut self, object: usize, row: u32, master: &str) -> Result<Undo, Refused> {
        let undo = self.delete(object, row)?;
        let field = self.objects[object].field("MasterRecordId");
        if let (Some(field), Some(deleted)) = (field, self.row(object, row).cloned()) {
            let mut values: Vec<(u16, Value)> =
                deleted.values.iter().map(|(field, value)| (field, value.to_owned())).collect();
            values.retain(|(at, _)| *at != field);
            values.push((field, Value::Text(master.to_owned())));
            self.replace(object, row, Row { values: pack(&values), ..deleted });
        }
        Ok(undo)
    }

    /// As if a record had been deleted so long ago, and emptied from the bin if wanted.
    pub(crate) fn delete_before(&mut self, object: usize, row: u32, ago: i64, emptied: bool) {
        if let Some(before) = self.row(object, row).cloned() {
            let at = clock::now() - ago;
            let state = if emptied { State::Emptied } else { State::Deleted };
            self.replace(object, row, Row { state, modified: at, stamp: at, ..before });
            self.touch(object, row);
        }
    }

    /// Makes a change not have happened.
    pub(crate) fn undo(&mut self, change: Undo) {
        let erased = || {
            let row = self.row(change.object, change.row).cloned();
            row.map(|row| Row { state: State::Erased, ..row })
        };
        if let Some(row) = change.before.clone().or_else(erased) {
            self.replace(change.object, change.row, row);
            self.touch(change.object, change.row);
            self.told.retain(|told| (told.object, told.row) != (change.object, change.row));
        }
    }
}
